//! Bundle objects go on to the relays nearest to them: whoever holds one offers its name to those that should keep it, and they ask for
//! what they lack (SPEC-relay §8.6). So an object outlives the relays that its author brought it to.

use super::RelayCore;
use super::cx::Purpose;
use super::directory::Near;
use super::grants::Claim;
use super::links::Role;
use crate::bundle::BundleObject;
use crate::core::{Key, LinkId, Mono, Output, Target, Value};
use crate::descriptor::flags;
use crate::error::PeerFault;
use crate::ids::{Locator, RelayId, first};
use crate::link::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of an object's name.
const NAME_BYTES: usize = 32 + 16;
/// Names in one message: as many as a frame of 1,024 bytes holds.
const NAMES_MAX: usize = 21;
/// Objects looked at for one relay in one round of upkeep.
const WALKED_MAX: usize = 512;
/// A relay that was offered everything is offered it again after this time, milliseconds: it may have lost it.
const AGAIN_MS: u64 = 6 * 3_600_000;
/// The same if it comes back by a new link.
const AGAIN_ON_LINK_MS: u64 = 3_600_000;
/// Milliseconds between two relays that are dialled only to be offered objects, and before the same one is dialled again.
const DIAL_MS: (u64, u64) = (5 * 60_000, 3_600_000);
/// Relays that are thought of in one round before none is dialled.
const THOUGHT_OF_MAX: usize = 16;
/// Objects handed to one relay between two rounds.
const SERVED_MAX: usize = 2 * NAMES_MAX;

/// The first place there is.
const START: Locator = Locator([0; 32]);

/// An object by its place and the first half of BLAKE3 over its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) locator: Locator,
    pub(super) hash: [u8; 16],
}

/// What passes between two relays.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Message {
    /// 0: the sender has these.
    Offer(Vec<Name>),
    /// 1: the sender wants these.
    Want(Vec<Name>),
    /// 2: an object.
    Object(Vec<u8>),
}

impl Message {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Offer(names) | Self::Want(names) => {
                let mut out = vec![u8::from(matches!(self, Self::Want(_)))];
                for name in names {
                    out.extend_from_slice(&name.locator.0);
                    out.extend_from_slice(&name.hash);
                }
                out
            }
            Self::Object(object) => [&[2][..], object].concat(),
        }
    }

    fn decode(input: &[u8]) -> Result<Self, PeerFault> {
        let (kind, rest) = input.split_first().ok_or(PeerFault::Length)?;
        if *kind == 2 {
            return Ok(Self::Object(rest.to_vec()));
        }
        let (names, tail) = rest.as_chunks::<NAME_BYTES>();
        if !tail.is_empty() {
            return Err(PeerFault::Length);
        }
        if names.len() > NAMES_MAX {
            return Err(PeerFault::Bound);
        }
        let name = |bytes: &[u8; NAME_BYTES]| {
            let (locator, hash) = bytes.split_at(32);
            Name { locator: Locator(first(locator)), hash: first(hash) }
        };
        let names = names.iter().map(name).collect();
        match kind {
            0 => Ok(Self::Offer(names)),
            1 => Ok(Self::Want(names)),
            _ => Err(PeerFault::Malformed),
        }
    }
}

/// How far a relay was offered what it should keep.
#[derive(Debug)]
struct Pass {
    /// What lies from here on is to be offered.
    from: Locator,
    /// When all had been offered.
    done: Option<Mono>,
    /// When it was dialled for that.
    dialled: Option<Mono>,
}

impl Default for Pass {
    fn default() -> Self {
        Self { from: START, done: None, dialled: None }
    }
}

/// What is going on over one link.
#[derive(Debug, Default)]
struct Side {
    /// Wanted since the last round, and in the one before: what was asked for at its end may come after it.
    asked: BTreeSet<Name>,
    asked_before: BTreeSet<Name>,
    served: usize,
}

impl Side {
    /// A round is over. Returns whether anything is still to come.
    fn turn(&mut self) -> bool {
        self.asked_before = core::mem::take(&mut self.asked);
        self.served = 0;
        !self.asked_before.is_empty()
    }
}

#[derive(Debug, Default)]
pub(super) struct Handover {
    passes: BTreeMap<RelayId, Pass>,
    sides: BTreeMap<LinkId, Side>,
    dial_at: Option<Mono>,
}

impl Handover {
    pub(super) fn forget(&mut self, link: LinkId) {
        self.sides.remove(&link);
    }
}

impl RelayCore {
    /// Relays that keep objects; `None` if this relay is unlisted: it shows nobody what it has.
    fn keepers(&self) -> Option<Near> {
        let own = (self.onion.id, self.onion.flags());
        (own.1 & flags::BRIDGE == 0).then(|| self.directory.keepers(own, self.cx.now_s()))
    }

    /// Names that `relay` is to be offered next, and where to go on; `None` if there is nothing more.
    fn next_names(&self, relay: RelayId, from: Locator, near: &Near) -> (Vec<Name>, Option<Locator>) {
        let (mut names, mut looked) = (Vec::new(), 0);
        for (locator, of_place) in self.objects.names_from(from, self.cx.now_s()) {
            if looked >= WALKED_MAX || names.len() + of_place.len() > NAMES_MAX {
                return (names, Some(locator));
            }
            looked += 1;
            if near.keeps(relay, &locator) {
                names.extend(of_place);
            }
        }
        (names, None)
    }

    /// A link to a relay has come up: what it should keep is offered, unless that was done lately.
    pub(super) fn offer_on_link(&mut self, link: LinkId, relay: RelayId) {
        let now = self.cx.now.mono;
        let pass = self.handover.passes.entry(relay).or_default();
        if pass.done.is_some_and(|done| done.after_ms(AGAIN_ON_LINK_MS) <= now) {
            (pass.done, pass.from) = (None, START);
        }
        if let Some(near) = self.keepers() {
            self.offer(link, relay, &near);
        }
    }

    fn offer(&mut self, link: LinkId, relay: RelayId, near: &Near) {
        let now = self.cx.now.mono;
        let pass = self.handover.passes.entry(relay).or_default();
        match pass.done {
            Some(done) if done.after_ms(AGAIN_MS) > now => return,
            Some(_) => (pass.done, pass.from) = (None, START),
            None => {}
        }
        let from = pass.from;
        let (names, next) = self.next_names(relay, from, near);
        let pass = self.handover.passes.entry(relay).or_default();
        match next {
            Some(next) => pass.from = next,
            None => pass.done = Some(now),
        }
        if !names.is_empty() {
            self.cx.send(link, Kind::Objects, 0, Message::Offer(names).encode());
        }
    }

    /// The round of upkeep: goes on offering over each link, and dials one relay now and then that has none.
    pub(super) fn hand_on(&mut self) {
        self.handover.sides.retain(|_, side| side.turn());
        let (directory, passes) = (&self.directory, &mut self.handover.passes);
        passes.retain(|relay, _| directory.get(*relay).is_some());
        let Some(near) = self.keepers().filter(|_| self.objects.len() > 0) else { return };
        for link in self.links.mesh() {
            if let Some((_, Role::Mesh(relay))) = self.links.get(link) {
                self.offer(link, relay, &near);
            }
        }
        let now = self.cx.now.mono;
        if self.handover.dial_at.is_none_or(|at| at <= now) {
            self.dial_for_objects(&near);
        }
    }

    /// Dials the relay that waits longest for what it should keep: one that was never offered anything comes first.
    fn dial_for_objects(&mut self, near: &Near) {
        let now = self.cx.now.mono;
        let passes = &self.handover.passes;
        let waits = |relay: &RelayId| match passes.get(relay) {
            None => Some(None),
            Some(pass) if pass.dialled.is_some_and(|at| at.after_ms(DIAL_MS.1) > now) => None,
            Some(Pass { done: Some(done), .. }) if done.after_ms(AGAIN_MS) > now => None,
            Some(pass) => Some(pass.done),
        };
        let own = self.onion.id;
        let others = near.relays().filter(|relay| *relay != own && self.links.to_relay(*relay).is_none());
        let mut waiting: Vec<_> = others.filter_map(|relay| Some((waits(&relay)?, relay))).collect();
        waiting.sort_unstable();
        for (_, relay) in waiting.into_iter().take(THOUGHT_OF_MAX) {
            let from = passes_from(&self.handover.passes, relay);
            let (names, next) = self.next_names(relay, from, near);
            let pass = self.handover.passes.entry(relay).or_default();
            if names.is_empty() {
                // Nothing for it, at least among those that were looked at.
                match next {
                    Some(next) => (pass.from, pass.done) = (next, None),
                    None => (pass.from, pass.done) = (START, Some(now)),
                }
                continue;
            }
            pass.dialled = Some(now);
            (pass.from, pass.done) = (from, None);
            self.handover.dial_at = Some(now.after_ms(DIAL_MS.0));
            return self.cx.fx.at_once(Output::Connect(Target::Relay(relay)));
        }
    }

    /// A message about objects came from another relay.
    pub(super) fn on_objects(&mut self, link: LinkId, payload: &[u8]) -> Result<(), PeerFault> {
        match Message::decode(payload)? {
            Message::Offer(names) => {
                let Some(near) = self.keepers().filter(|_| self.takes_objects()) else { return Ok(()) };
                let own = self.onion.id;
                let side = self.handover.sides.entry(link).or_default();
                let mut wanted = Vec::new();
                for name in names {
                    let room = side.asked.len() < SERVED_MAX;
                    let lacks = near.keeps(own, &name.locator) && !self.objects.has(&name);
                    if room && lacks && !side.asked_before.contains(&name) && side.asked.insert(name) {
                        wanted.push(name);
                    }
                }
                if !wanted.is_empty() {
                    self.cx.send(link, Kind::Objects, 0, Message::Want(wanted).encode());
                }
            }
            Message::Want(names) => {
                let side = self.handover.sides.entry(link).or_default();
                side.served += names.len();
                if side.served > SERVED_MAX {
                    return Err(PeerFault::Bound);
                }
                for name in names {
                    self.objects.load_named(&name, Purpose::Handed { link }, &mut self.cx);
                }
            }
            Message::Object(bytes) => {
                let hash = first::<16>(blake3::hash(&bytes).as_bytes());
                let Some(side) = self.handover.sides.get_mut(&link) else { return Err(PeerFault::Mismatch) };
                let locator = BundleObject::locator_of(&bytes).ok_or(PeerFault::Length)?;
                let name = Name { locator, hash };
                if !side.asked.remove(&name) && !side.asked_before.remove(&name) {
                    return Err(PeerFault::Mismatch);
                }
                let origin = self.links.get(link).map_or(Role::NewMesh, |(_, role)| role);
                let now = self.cx.now.mono;
                if self.takes_objects() {
                    let claim = || self.grants.claim(origin, Claim::Handed, now);
                    // One that is older than what is here, or one too many, is no breach: the other one can not know.
                    let _ = self.objects.put(&bytes, claim, &mut self.cx);
                }
            }
        }
        Ok(())
    }

    /// Whether objects of other relays are taken: never so many that one which its author brings has to go for them.
    fn takes_objects(&self) -> bool {
        !self.cx.takes_nothing() && self.objects.len() < self.cx.limits.objects / 2
    }

    /// An object that another relay wants was loaded.
    pub(super) fn handed(&mut self, link: LinkId, rows: &[(Key, Value)]) {
        if let Some((_, object)) = rows.first()
            && self.links.get(link).is_some()
        {
            self.cx.send(link, Kind::Objects, 0, Message::Object(object.to_vec()).encode());
        }
    }
}

fn passes_from(passes: &BTreeMap<RelayId, Pass>, relay: RelayId) -> Locator {
    // Who was offered everything before begins anew.
    passes.get(&relay).filter(|pass| pass.done.is_none()).map_or(START, |pass| pass.from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_and_oversized_ones_are_refused() {
        let name = Name { locator: Locator([7; 32]), hash: [9; 16] };
        for message in [
            Message::Offer(vec![name; NAMES_MAX]),
            Message::Offer(Vec::new()),
            Message::Want(vec![name]),
            Message::Object(vec![1, 2, 3]),
        ] {
            let bytes = message.encode();
            assert_eq!(Message::decode(&bytes), Ok(message));
            assert!(bytes.len() + crate::link::HEADER_BYTES <= crate::link::SIZES[2]);
        }
        let many = Message::Want(vec![name; NAMES_MAX + 1]).encode();
        assert_eq!(Message::decode(&many), Err(PeerFault::Bound));
        assert_eq!(Message::decode(&[]), Err(PeerFault::Length));
        assert_eq!(Message::decode(&[0, 1]), Err(PeerFault::Length));
        assert_eq!(Message::decode(&[3]), Err(PeerFault::Malformed));
    }
}
