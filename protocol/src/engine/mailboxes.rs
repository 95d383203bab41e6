//! Own mailboxes: choosing relays, attaching, fetching, and telling them what is durable here (DESIGN D1, D3).

use super::cx::{Alarm, Ask, Cx, Signal, Token};
use super::doors::Doors;
use super::routes::{Lane, RouteError};
use crate::body::MailboxDescriptor;
use crate::core::{Key, Mono, Op, Space, Value};
use crate::ids::{MailboxId, RelayId, TagPrefix};
use crate::limits::MAILBOXES;
use crate::rpc::{Push, Reply, Request};
use ed25519_dalek::SigningKey;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Bytes asked for in one fetch.
const FETCH_BYTES: u32 = 262_144;
/// A cell that was announced and has not come by the pushing relay within this time is fetched, milliseconds (DESIGN D3).
const NOTICE_MS: u64 = 1_000;
/// The same where everything comes through web doors: to fetch too early would bring each cell twice through a narrow path.
const WEB_NOTICE_MS: u64 = 20_000;
/// Removals are gathered for this time, milliseconds.
const REMOVAL_MS: u64 = 30;
/// The next mailbox is fetched this long after the one before, so that what both hold comes once, milliseconds.
const NEXT_FETCH_MS: u64 = 200;
/// Prefixes in one removal.
const REMOVALS_MAX: usize = 1_024;
/// Announced cells remembered.
const NOTICES_MAX: usize = 4_096;
/// First and longest pause before attaching again, milliseconds.
const ATTACH_MS: (u64, u64) = (250, 60_000);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Away,
    Asked { push: Push },
    Attached { push: Push },
}

#[derive(Debug)]
struct Mailbox {
    relay: RelayId,
    seed: Zeroizing<[u8; 32]>,
    state: State,
    /// Attachments that failed in a row.
    failures: u32,
    /// Something may wait there that was not fetched yet.
    stale: bool,
    fetching: bool,
}

impl Mailbox {
    fn id(&self) -> MailboxId {
        MailboxId::of(&SigningKey::from_bytes(&self.seed).verifying_key().to_bytes())
    }
}

/// The own mailboxes by number; numbers grow and are never used again.
#[derive(Debug, Default)]
pub(crate) struct Mailboxes {
    boxes: BTreeMap<u32, Mailbox>,
    removals: Vec<TagPrefix>,
    notices: BTreeMap<TagPrefix, (u32, Mono)>,
}

impl Mailboxes {
    /// Takes a stored mailbox: `relay 16 | seed 32`.
    pub(crate) fn load(&mut self, key: Key, value: &Value, cx: &mut Cx<'_>) {
        let parts = value
            .split_first_chunk::<16>()
            .and_then(|(relay, rest)| Some((*relay, <[u8; 32]>::try_from(rest).ok()?)));
        match parts {
            Some((relay, seed)) => {
                self.boxes.insert(
                    key.seq as u32,
                    Mailbox {
                        relay: RelayId(relay),
                        seed: Zeroizing::new(seed),
                        state: State::Away,
                        failures: 0,
                        stale: true,
                        fetching: false,
                    },
                );
            }
            None => cx.fault(),
        }
    }

    /// Chooses relays until there are enough, and attaches to those that are not.
    pub(crate) fn on_network(&mut self, doors: &Doors, cx: &mut Cx<'_>) {
        if doors.links_up() == 0 {
            return;
        }
        for relay in doors.mailbox_relays() {
            if self.boxes.len() >= MAILBOXES {
                break;
            }
            if self.boxes.values().any(|held| held.relay == relay) {
                continue;
            }
            let mut seed = Zeroizing::new([0; 32]);
            cx.rng.fill_bytes(&mut *seed);
            let number = self.boxes.last_key_value().map_or(1, |(number, _)| number + 1);
            let mut value = Zeroizing::new(relay.0.to_vec());
            value.extend_from_slice(&*seed);
            cx.write(Op::Put(Key::single(Space::Mailbox, u64::from(number)), value));
            let state = State::Away;
            self.boxes
                .insert(number, Mailbox { relay, seed, state, failures: 0, stale: false, fetching: false });
            cx.signal(Signal::MailboxesChanged);
        }
        if self.boxes.len() < MAILBOXES {
            // The mesh of relays may still be forming.
            cx.alarm_by(Alarm::Directory, 500);
        }
        let away: Vec<_> = self
            .boxes
            .iter()
            .filter(|(_, held)| matches!(held.state, State::Away) && held.failures == 0)
            .map(|(number, _)| *number)
            .collect();
        away.into_iter().for_each(|number| self.attach(number, cx));
    }

    /// Attaches, unless that is under way or done.
    pub(crate) fn attach(&mut self, number: u32, cx: &mut Cx<'_>) {
        let push = self.push_for(number);
        if let Some(held) = self.boxes.get_mut(&number).filter(|held| matches!(held.state, State::Away)) {
            held.state = State::Asked { push };
            ask_attach(number, held, push, cx);
        }
    }

    /// The first attached mailbox pushes cells, the others announce them.
    fn push_for(&self, number: u32) -> Push {
        let first = self.boxes.iter().find(|(other, held)| {
            **other == number || matches!(held.state, State::Attached { .. } | State::Asked { .. })
        });
        if first.is_none_or(|(other, _)| *other == number) { Push::Cells } else { Push::Notices }
    }

    fn adjust_push(&mut self, cx: &mut Cx<'_>) {
        let wanted: Vec<_> = self.boxes.keys().map(|number| (*number, self.push_for(*number))).collect();
        for (number, push) in wanted {
            if let Some(held) = self.boxes.get_mut(&number)
                && matches!(held.state, State::Attached { push: now } if now != push)
            {
                held.state = State::Attached { push };
                ask_attach(number, held, push, cx);
            }
        }
    }

    /// The answer to an attachment. Returns whether the mailbox has just become attached.
    pub(crate) fn on_attach(
        &mut self,
        number: u32,
        answer: &Result<Reply, RouteError>,
        cx: &mut Cx<'_>,
    ) -> bool {
        let Some(held) = self.boxes.get_mut(&number) else { return false };
        match (answer, held.state) {
            (Ok(Reply::Attached { cells, .. }), State::Asked { push }) => {
                held.state = State::Attached { push };
                held.failures = 0;
                held.stale = *cells > 0;
                self.adjust_push(cx);
                self.fetch_next(cx);
                true
            }
            // A change of what it pushes.
            (Ok(_), _) => false,
            (Err(error), State::Asked { .. }) => {
                // Without a link no relay is to blame; the next link tries at once.
                held.failures =
                    if *error == RouteError::NoPath { 0 } else { held.failures.saturating_add(1) };
                self.away(number, cx);
                false
            }
            (Err(_), _) => false,
        }
    }

    /// The tunnel of a mailbox ended.
    pub(crate) fn on_lost(&mut self, number: u32, cx: &mut Cx<'_>) {
        self.away(number, cx);
    }

    fn away(&mut self, number: u32, cx: &mut Cx<'_>) {
        let Some(held) = self.boxes.get_mut(&number).filter(|held| held.state != State::Away) else { return };
        held.state = State::Away;
        held.stale = true;
        held.fetching = false;
        let pause = ATTACH_MS.0.saturating_mul(1 << held.failures.min(9)).min(ATTACH_MS.1);
        let pause = cx.jitter(pause);
        cx.alarm_in(Alarm::Attach(number), pause);
        self.adjust_push(cx);
        self.fetch_next(cx);
    }

    /// Fetches from the first stale mailbox, one at a time, so that what several hold comes once.
    pub(crate) fn fetch_next(&mut self, cx: &mut Cx<'_>) {
        if self.boxes.values().any(|held| held.fetching) {
            return;
        }
        let next = self
            .boxes
            .iter_mut()
            .find(|(_, held)| held.stale && matches!(held.state, State::Attached { .. }));
        if let Some((number, held)) = next {
            held.fetching = true;
            held.stale = false;
            ask_fetch(*number, held.relay, 0, cx);
        }
    }

    /// The end of a fetch.
    pub(crate) fn on_fetched(&mut self, number: u32, answer: &Result<Reply, RouteError>, cx: &mut Cx<'_>) {
        let Some(held) = self.boxes.get_mut(&number) else { return };
        match answer {
            Ok(Reply::Fetched { next, more: true }) => ask_fetch(number, held.relay, *next, cx),
            _ => {
                held.fetching = false;
                // Give the cells time to become durable and be removed everywhere before the next mailbox is asked.
                if self.boxes.values().any(|held| held.stale) {
                    cx.alarm_by(Alarm::Removals, NEXT_FETCH_MS);
                }
            }
        }
    }

    /// A mailbox holds a cell; it should also come by the pushing one.
    pub(crate) fn on_notice(&mut self, number: u32, prefix: TagPrefix, narrow: bool, cx: &mut Cx<'_>) {
        let wait = if narrow { WEB_NOTICE_MS } else { NOTICE_MS };
        if self.notices.len() < NOTICES_MAX {
            self.notices.insert(prefix, (number, cx.now.mono.after_ms(wait)));
            cx.alarm_by(Alarm::Removals, wait);
        } else if let Some(held) = self.boxes.get_mut(&number) {
            held.stale = true;
        }
    }

    /// A cell is durable here, or will never be wanted: all relays may forget it.
    pub(crate) fn on_durable(&mut self, prefix: TagPrefix, cx: &mut Cx<'_>) {
        self.notices.remove(&prefix);
        self.removals.push(prefix);
        cx.alarm_by(Alarm::Removals, REMOVAL_MS);
    }

    /// Sends removals, and fetches what was announced and did not come.
    pub(crate) fn on_removals(&mut self, cx: &mut Cx<'_>) {
        while !self.removals.is_empty() {
            let rest = self.removals.split_off(self.removals.len().min(REMOVALS_MAX));
            let batch = core::mem::replace(&mut self.removals, rest);
            for (number, held) in &self.boxes {
                if matches!(held.state, State::Attached { .. }) {
                    let ask = Ask::Plain(Request::Remove(batch.clone()));
                    cx.signal(Signal::Ask(Lane::Mailbox(*number), held.relay, ask, Token::Nobody));
                }
            }
        }
        let due = |at: Mono| cx.now.mono >= at;
        let overdue: Vec<_> =
            self.notices.iter().filter(|(_, (_, at))| due(*at)).map(|(p, (n, _))| (*p, *n)).collect();
        for (prefix, number) in overdue {
            self.notices.remove(&prefix);
            if let Some(held) = self.boxes.get_mut(&number) {
                held.stale = true;
            }
        }
        if !self.notices.is_empty() {
            cx.alarm_by(Alarm::Removals, NOTICE_MS);
        }
        self.fetch_next(cx);
    }

    /// Numbers and relays of the attached mailboxes.
    pub(crate) fn attached(&self) -> Vec<(u32, RelayId)> {
        self.boxes
            .iter()
            .filter(|(_, held)| matches!(held.state, State::Attached { .. }))
            .map(|(number, held)| (*number, held.relay))
            .collect()
    }

    /// All numbers.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        self.boxes.keys().copied().collect()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.boxes.len()
    }

    /// What contacts are told.
    pub(crate) fn descriptor(&self) -> MailboxDescriptor {
        MailboxDescriptor {
            seq: self.boxes.last_key_value().map_or(0, |(number, _)| u64::from(*number)),
            mailboxes: self.boxes.values().map(|held| (held.relay, held.id())).collect(),
        }
    }

    /// Whether one operator keeps all mailboxes: it then sees both address and tags (DESIGN §1).
    pub(crate) fn one_operator(&self, doors: &Doors) -> bool {
        let families: std::collections::BTreeSet<_> = self
            .boxes
            .values()
            .map(|held| doors.relay(held.relay).and_then(|relay| relay.family).unwrap_or(held.relay.0))
            .collect();
        !self.boxes.is_empty() && families.len() < 2
    }
}

fn ask_attach(number: u32, held: &Mailbox, push: Push, cx: &mut Cx<'_>) {
    let ask = Ask::Attach(held.seed.clone(), push);
    cx.signal(Signal::Ask(Lane::Mailbox(number), held.relay, ask, Token::Attach(number)));
}

fn ask_fetch(number: u32, relay: RelayId, from: u64, cx: &mut Cx<'_>) {
    let ask = Ask::Plain(Request::Fetch { from, bytes_max: FETCH_BYTES });
    cx.signal(Signal::Ask(Lane::Mailbox(number), relay, ask, Token::Fetch(number)));
}
