//! Following a shard at one relay: which relay, from where on, and another one when it does not answer (DESIGN D6).

use super::doors::Doors;
use crate::ids::{RelayId, first};
use rand_core::CryptoRng;
use std::collections::BTreeSet;

/// Where a shard is followed.
#[derive(Debug, Default)]
pub(crate) struct ShardIn {
    /// The relay, and the first number there that did not come yet.
    at: Option<(RelayId, u64)>,
    live: bool,
    /// The number from which was asked last.
    asked: u64,
    /// Requests without an answer: until it comes, cells are missing before those that come by themselves.
    open: u32,
    /// Relays that did not answer.
    shunned: BTreeSet<RelayId>,
}

impl ShardIn {
    /// The relay that is or was followed, and where to go on there.
    pub(crate) const fn at(&self) -> Option<(RelayId, u64)> {
        self.at
    }

    /// The relay.
    pub(crate) fn relay(&self) -> Option<RelayId> {
        self.at.map(|(relay, _)| relay)
    }

    pub(crate) const fn is_live(&self) -> bool {
        self.live
    }

    /// Begins to follow: where it was left, or at another relay from its beginning; `None` if there is no relay.
    pub(crate) fn begin(&mut self, doors: &Doors, rng: &mut dyn CryptoRng) -> Option<(RelayId, u64)> {
        let relays = doors.carriers();
        let fits = |relay: &RelayId| relays.contains(relay) && !self.shunned.contains(relay);
        let at = match self.at.filter(|(relay, _)| fits(relay)) {
            Some(held) => held,
            None => {
                if relays.iter().all(|relay| self.shunned.contains(relay)) {
                    self.shunned.clear();
                }
                let free: Vec<_> = relays.iter().filter(|relay| !self.shunned.contains(relay)).collect();
                (**free.get(rng.next_u64() as usize % free.len().max(1))?, 0)
            }
        };
        self.at = Some(at);
        self.live = true;
        Some(at)
    }

    /// Cells from this number on are asked for.
    pub(crate) const fn ask(&mut self, from: u64) {
        self.asked = from;
        self.open = self.open.saturating_add(1);
    }

    /// A cell came by itself or for a request: after a break it is gone on behind it, unless others before it are still to come.
    pub(crate) fn came(&mut self, relay: RelayId, seq: u64) {
        if self.open == 0 {
            self.advance(relay, seq.saturating_add(1));
        }
    }

    /// The relay answered that all cells below `next` were sent; from where on to ask it again, if that is needed.
    pub(crate) fn answered(&mut self, relay: RelayId, next: u64, more: bool) -> Option<u64> {
        self.open = self.open.saturating_sub(1);
        // The relay counts anew: it lost what it had, and has what others told it since.
        if !more && next < self.asked {
            self.at = Some((relay, 0));
            return Some(0);
        }
        self.advance(relay, next);
        more.then_some(next)
    }

    fn advance(&mut self, relay: RelayId, next: u64) {
        if let Some((_, cursor)) = self.at.as_mut().filter(|(at, _)| *at == relay) {
            *cursor = (*cursor).max(next);
        }
    }

    /// The relay does not serve: another one next time.
    pub(crate) fn shun(&mut self, relay: RelayId) {
        self.shunned.insert(relay);
    }

    /// The tunnel ended.
    pub(crate) const fn lost(&mut self) {
        self.live = false;
        self.open = 0;
    }

    /// Follows no more.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// `relay 16 | next 8`, for the record.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        self.at.map(|(relay, from)| [&relay.0[..], &from.to_be_bytes()].concat())
    }

    /// Takes back [`ShardIn::encode`].
    pub(crate) fn restore(&mut self, both: &[u8; 24]) {
        let from = u64::from_be_bytes(first(both.get(16..).unwrap_or_default()));
        self.at = Some((RelayId(first(both)), from));
    }
}
