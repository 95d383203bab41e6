//! Which relays exist: verified descriptors, the newest of each relay.

use super::api::RelayEvent;
use super::cx::Cx;
use super::limits::{DESCRIPTOR_STALE_S, WEEK_S};
use crate::core::{Key, LinkId, Op, Space, Value};
use crate::descriptor::{Descriptor, flags};
use crate::error::PeerFault;
use crate::ids::{Locator, RelayId, first};
use crate::limits::DESCRIPTORS_MAX;
use crate::link::{Kind, NEAR_MAX};
use std::collections::BTreeMap;

#[derive(Debug)]
struct Known {
    descriptor: Descriptor,
    signed: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct Directory {
    known: BTreeMap<RelayId, Known>,
}

const fn key(relay: RelayId) -> Key {
    Key::of(Space::Descriptor, relay.0, 0)
}

/// How far a relay is from a place; no two relays are equally far.
const fn distance(relay: RelayId, [high, low]: [u8; 2]) -> (u8, u8, RelayId) {
    let [first, second, ..] = relay.0;
    (first ^ high, second ^ low, relay)
}

/// Relays that keep objects, among which the nearest to a place keep what lies there.
pub(super) struct Near(Vec<RelayId>);

impl Near {
    pub(super) fn relays(&self) -> impl Iterator<Item = RelayId> {
        self.0.iter().copied()
    }

    /// Whether `relay` is one of those that keep what lies at `locator`.
    pub(super) fn keeps(&self, relay: RelayId, locator: &Locator) -> bool {
        let place = first::<2>(&locator.0);
        let own = distance(relay, place);
        // Most relays are told apart by the first few that are nearer.
        let nearer = self.0.iter().filter(|other| distance(**other, place) < own);
        nearer.take(NEAR_MAX).count() < NEAR_MAX && self.0.contains(&relay)
    }
}

impl Directory {
    /// Takes back what was stored; what does not verify any more is left out. The shell learns all of it, as it dials nothing else.
    pub(super) fn restore(&mut self, rows: Vec<(Key, Value)>, cx: &mut Cx) {
        for (_, signed) in rows.into_iter().take(DESCRIPTORS_MAX) {
            if let Ok(descriptor) = Descriptor::verify(&signed) {
                let relay = descriptor.relay();
                cx.notify(RelayEvent::Learned(relay, descriptor.clone(), signed.to_vec()));
                self.known.insert(relay, Known { descriptor, signed: signed.to_vec() });
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn get(&self, relay: RelayId) -> Option<&Descriptor> {
        self.known.get(&relay).map(|known| &known.descriptor)
    }

    /// Takes a signed descriptor: keeps it if it is the newest of its relay. Returns whose it is.
    ///
    /// # Errors
    /// What [`Descriptor::verify`] returns, [`PeerFault::Bound`] if it lies in the future or the directory is full.
    pub(super) fn learn(
        &mut self,
        signed: &[u8],
        own: RelayId,
        cx: &mut Cx,
    ) -> Result<Descriptor, PeerFault> {
        let descriptor = Descriptor::verify(signed)?;
        let relay = descriptor.relay();
        let held = self.get(relay).map(|held| held.seq);
        if relay == own || held.is_some_and(|held| held >= descriptor.seq) {
            return Ok(descriptor);
        }
        if descriptor.seq > cx.now_s().saturating_add(WEEK_S) {
            return Err(PeerFault::Bound);
        }
        if held.is_none() && self.known.len() >= DESCRIPTORS_MAX {
            self.make_room(cx)?;
        }
        cx.put(key(relay), signed.to_vec());
        cx.notify(RelayEvent::Learned(relay, descriptor.clone(), signed.to_vec()));
        self.known.insert(relay, Known { descriptor: descriptor.clone(), signed: signed.to_vec() });
        Ok(descriptor)
    }

    /// Forgets the oldest descriptor if it is stale: a flood of new relays must not push out those that live.
    fn make_room(&mut self, cx: &mut Cx) -> Result<(), PeerFault> {
        let oldest = self.known.iter().min_by_key(|(_, known)| known.descriptor.seq);
        let (relay, known) = oldest.ok_or(PeerFault::Bound)?;
        if known.descriptor.seq.saturating_add(DESCRIPTOR_STALE_S) > cx.now_s() {
            return Err(PeerFault::Bound);
        }
        let relay = *relay;
        self.known.remove(&relay);
        cx.fx.write(Op::Remove(key(relay)));
        Ok(())
    }

    /// The relays nearest to the place that begins with `prefix`, the nearest first: those that keep mailboxes, are listed and have told
    /// of themselves lately. `own` is this relay and its flags.
    pub(super) fn nearest(&self, prefix: [u8; 2], own: (RelayId, u64), now_s: u64) -> Vec<RelayId> {
        let Near(mut all) = self.keepers(own, now_s);
        all.sort_unstable_by_key(|relay| distance(*relay, prefix));
        all.truncate(NEAR_MAX);
        all
    }

    /// All relays that keep mailboxes and objects, are listed and have told of themselves lately.
    pub(super) fn keepers(&self, own: (RelayId, u64), now_s: u64) -> Near {
        let keeps = |given: u64| given & (flags::BRIDGE | flags::MAILBOX) == flags::MAILBOX;
        let others = self.known.iter().filter(|(_, Known { descriptor, .. })| {
            keeps(descriptor.flags) && descriptor.seq.saturating_add(DESCRIPTOR_STALE_S) > now_s
        });
        let mut all: Vec<RelayId> = others.map(|(relay, _)| *relay).collect();
        all.extend(Some(own.0).filter(|_| keeps(own.1)));
        Near(all)
    }

    /// Answers with the one descriptor asked for, or with `most` of all, and ends with an empty frame. Unlisted relays are told to nobody.
    pub(super) fn answer(
        &self,
        link: LinkId,
        (asked, most): (Option<RelayId>, usize),
        own: (RelayId, &[u8]),
        cx: &mut Cx,
    ) {
        let listed = |known: &&Known| known.descriptor.flags & flags::BRIDGE == 0;
        match asked {
            Some(relay) if relay == own.0 => cx.send(link, Kind::Descriptor, 0, own.1.to_vec()),
            Some(relay) => {
                if let Some(known) = self.known.get(&relay).filter(listed) {
                    cx.send(link, Kind::Descriptor, 0, known.signed.clone());
                }
            }
            None => {
                // Starting anywhere gives each asker another part of a large directory.
                let mut start = RelayId([0; 16]);
                cx.rng.fill_bytes(&mut start.0);
                let (before, after) = (self.known.range(..start), self.known.range(start..));
                let some = after.chain(before).map(|(_, known)| known).filter(listed);
                for known in some.take(most) {
                    cx.send(link, Kind::Descriptor, 0, known.signed.clone());
                }
            }
        }
        cx.send(link, Kind::Descriptor, 0, Vec::new());
    }
}
