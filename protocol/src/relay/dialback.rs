//! Dial-back: this relay asks another one to dial its announced addresses, and does the same for others.
//!
//! Nothing that a question says is dialled: the addresses are those of the asker's signed descriptor, and the shell dials them only if they
//! are where the asker's connection comes from. One is dialled at a time, and for one relay once a minute.

use super::RelayCore;
use super::api::{Reached, RelayEvent};
use crate::core::{LinkId, Mono};
use crate::descriptor::flags;
use crate::error::PeerFault;
use crate::ids::RelayId;
use crate::link::Kind;
use crate::reach::{DialSeed, Findings, Reach};
use ed25519_dalek::SigningKey;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Milliseconds after the first link to another relay at which this one asks: links settle, and its descriptor comes about, before.
const FIRST_MS: u64 = 3_000;
/// Milliseconds until another relay is asked, after one that was busy, silent, or found something closed.
const NEXT_MS: u64 = 20_000;
/// Milliseconds until relays are asked anew once all were asked and none has an answer of use.
const ROUND_MS: u64 = 5 * 60_000;
/// Milliseconds until it is looked again after two relays found something closed, and after both addresses were open.
const CLOSED_MS: u64 = 10 * 60_000;
const OPEN_MS: u64 = 12 * 3_600_000;
/// Milliseconds an answer may take: two dials that nobody answers, and the way.
const ANSWER_MS: u64 = 40_000;
/// Milliseconds in which a relay is dialled back once.
const PER_RELAY_MS: u64 = 60_000;
/// Askers remembered for [`PER_RELAY_MS`].
const ASKERS_MAX: usize = 256;

#[derive(Debug)]
struct Asked {
    link: LinkId,
    key: [u8; 32],
    until: Mono,
}

#[derive(Debug)]
struct Helping {
    token: u64,
    link: LinkId,
    until: Mono,
}

/// What this relay asked, and for whom it dials.
#[derive(Debug, Default)]
pub(super) struct Dialback {
    asked: Option<Asked>,
    /// When to ask; `None` before the first link to another relay.
    next_at: Option<Mono>,
    /// Relays asked since the last outcome that holds.
    tried: Vec<RelayId>,
    /// An unlisted relay asks only when its operator does: being dialled shows where it is.
    wanted: bool,
    helping: Option<Helping>,
    askers: BTreeMap<RelayId, Mono>,
    tokens: u64,
}

impl Dialback {
    /// When something is due.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.asked.as_ref().map(|asked| asked.until).or(self.next_at)
    }

    /// Another relay is linked: if it is the first one, it is asked soon.
    pub(super) fn linked(&mut self, now: Mono) {
        self.next_at.get_or_insert(now.after_ms(FIRST_MS));
    }

    /// Whether `relay` may be dialled now; remembers that it was.
    fn take(&mut self, relay: RelayId, now: Mono) -> bool {
        if self.helping.as_ref().is_some_and(|helping| helping.until > now) {
            return false;
        }
        self.askers.retain(|_, until| *until > now);
        if self.askers.contains_key(&relay) || self.askers.len() >= ASKERS_MAX {
            return false;
        }
        self.askers.insert(relay, now.after_ms(PER_RELAY_MS));
        true
    }
}

impl RelayCore {
    /// The operator wants to know now.
    pub(super) fn ask_now(&mut self) {
        let dialback = &mut self.dialback;
        dialback.wanted = true;
        dialback.tried.clear();
        if dialback.asked.is_none() {
            dialback.next_at = Some(self.cx.now.mono);
        }
        self.tick_dialback();
    }

    /// Asks a relay to dial back, if it is time.
    pub(super) fn tick_dialback(&mut self) {
        let now = self.cx.now.mono;
        if self.dialback.asked.as_ref().is_some_and(|asked| asked.until > now) {
            return;
        }
        // Silence says nothing about this relay's addresses.
        self.dialback.asked = None;
        if self.dialback.next_at.is_none_or(|at| at > now) {
            return;
        }
        self.dialback.next_at = Some(now.after_ms(NEXT_MS));
        let unlisted = self.onion.flags() & flags::BRIDGE != 0;
        if unlisted && !self.dialback.wanted {
            self.dialback.next_at = Some(now.after_ms(OPEN_MS));
            return;
        }
        let Some((relay, link)) = self.somebody_to_ask() else {
            // All were asked, and the next round begins anew; or nobody is there.
            self.dialback.tried.clear();
            let somebody = !self.links.mesh().is_empty();
            self.dialback.next_at = somebody.then_some(now.after_ms(ROUND_MS));
            return;
        };
        let mut seed = Zeroizing::new([0; 32]);
        self.cx.rng.fill_bytes(&mut *seed);
        let key = SigningKey::from_bytes(&seed).verifying_key().to_bytes();
        self.dialback.tried.push(relay);
        self.dialback.asked = Some(Asked { link, key, until: now.after_ms(ANSWER_MS) });
        // First the swarms must know whom to expect.
        self.cx.notify_at_once(RelayEvent::ExpectDialback(key));
        self.cx.send(link, Kind::Reach, 0, Reach::Ask(DialSeed(seed)).encode());
    }

    /// A linked relay that was not asked yet; one of another operator if there is one.
    fn somebody_to_ask(&mut self) -> Option<(RelayId, LinkId)> {
        let own = self.onion.setup().family;
        let linked = self.links.mesh_relays();
        let mut others: Vec<(bool, RelayId)> = linked
            .into_iter()
            .filter(|relay| !self.dialback.tried.contains(relay))
            .map(|relay| {
                let family = self.directory.get(relay).and_then(|known| known.family);
                (own.is_some() && family == own, relay)
            })
            .collect();
        others.sort_unstable();
        let same = others.first()?.0;
        others.retain(|(family, _)| *family == same);
        let mut raw = [0; 8];
        self.cx.rng.fill_bytes(&mut raw);
        let choice = u64::from_be_bytes(raw) % (others.len().max(1) as u64);
        let (_, relay) = *others.get(usize::try_from(choice).unwrap_or_default())?;
        Some((relay, self.links.to_relay(relay)?))
    }

    pub(super) fn on_reach(&mut self, link: LinkId, relay: RelayId, payload: &[u8]) -> Result<(), PeerFault> {
        let now = self.cx.now.mono;
        match Reach::decode(payload)? {
            Reach::Ask(seed) => {
                let known = self.directory.get(relay).cloned();
                match known.filter(|_| self.dialback.take(relay, now)) {
                    None => self.cx.send(link, Kind::Reach, 0, Reach::Found(Findings::BUSY).encode()),
                    Some(descriptor) => {
                        self.dialback.tokens += 1;
                        let token = self.dialback.tokens;
                        self.dialback.helping = Some(Helping { token, link, until: now.after_ms(ANSWER_MS) });
                        self.cx.notify_at_once(RelayEvent::DialBack { token, seed, descriptor });
                    }
                }
            }
            Reach::Found(findings) => {
                let asked = self.dialback.asked.take_if(|asked| asked.link == link);
                // Unasked, or too late.
                let asked = asked.ok_or(PeerFault::Mismatch)?;
                self.on_findings(findings, asked.key);
            }
        }
        Ok(())
    }

    fn on_findings(&mut self, findings: Findings, key: [u8; 32]) {
        let now = self.cx.now.mono;
        self.dialback.next_at = Some(now.after_ms(NEXT_MS));
        if findings.is_busy() {
            return;
        }
        self.cx.counts.dialbacks += 1;
        let was_open = self.cx.counts.reached.is_some_and(|held| held.findings.is_open());
        let alone = self.links.mesh_relays().iter().all(|relay| self.dialback.tried.contains(relay));
        let confirmed = self.dialback.tried.len() > 1 || alone;
        if findings.is_open() || !was_open || confirmed {
            // What was open is not taken for closed by one relay's word.
            self.cx.counts.reached = Some(Reached { findings, key });
        }
        if findings.is_open() || confirmed {
            let pause = if findings.is_open() { OPEN_MS } else { CLOSED_MS };
            self.dialback.next_at = Some(now.after_ms(pause));
            self.dialback.tried.clear();
            self.dialback.wanted = false;
        }
    }

    /// The shell has dialled.
    pub(super) fn on_dialled_back(&mut self, token: u64, findings: Findings) {
        if let Some(helped) = self.dialback.helping.take_if(|helping| helping.token == token) {
            // A link that is gone meanwhile takes no frame.
            self.cx.send(helped.link, Kind::Reach, 0, Reach::Found(findings).encode());
        }
    }
}
