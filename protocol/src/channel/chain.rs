//! What a reader holds of a channel's entries, and how one shows that its owner forked it.

use super::entry::SignedEntry;
use crate::error::PeerFault;
use crate::ids::{ChannelId, EntryId};
use std::collections::BTreeMap;

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// It is new.
    New,
    /// It was here.
    Known,
    /// It contradicts the entry with this number: the owner told different people different things.
    Forks(u64),
}

/// Names of the entries that are here, and of those before each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chain {
    held: BTreeMap<u64, (EntryId, EntryId)>,
}

impl Chain {
    /// Places an entry; one that contradicts another is not taken.
    pub fn place(&mut self, signed: &SignedEntry) -> Placed {
        let seq = signed.entry.seq;
        if let Some((id, _)) = self.held.get(&seq) {
            return if *id == signed.id { Placed::Known } else { Placed::Forks(seq) };
        }
        if self.held.get(&(seq - 1)).is_some_and(|(id, _)| *id != signed.entry.before) {
            return Placed::Forks(seq - 1);
        }
        if self.held.get(&(seq + 1)).is_some_and(|(_, before)| *before != signed.id) {
            return Placed::Forks(seq + 1);
        }
        self.restore(seq, signed.id, signed.entry.before);
        Placed::New
    }

    /// Takes back an entry that was placed before a restart.
    pub fn restore(&mut self, seq: u64, id: EntryId, before: EntryId) {
        self.held.insert(seq, (id, before));
    }

    /// Forgets the entry with the lowest number; which one that was.
    pub fn forget_first(&mut self) -> Option<u64> {
        self.held.pop_first().map(|(seq, _)| seq)
    }

    /// Entries held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Number and name of the newest entry.
    #[must_use]
    pub fn newest(&self) -> Option<(u64, EntryId)> {
        self.held.last_key_value().map(|(seq, (id, _))| (*seq, *id))
    }

    /// Number and name of the newest entry, and name of the one before it.
    #[must_use]
    pub fn head(&self) -> Option<(u64, EntryId, EntryId)> {
        self.held.last_key_value().map(|(seq, (id, before))| (*seq, *id, *before))
    }

    /// The lowest number held.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.held.first_key_value().map(|(seq, _)| *seq)
    }

    /// Whether this entry is here.
    #[must_use]
    pub fn has(&self, seq: u64) -> bool {
        self.held.contains_key(&seq)
    }

    /// Entries held with numbers above `seq`.
    #[must_use]
    pub fn above(&self, seq: u64) -> u64 {
        self.held.range(seq.saturating_add(1)..).count() as u64
    }

    /// Numbers that are missing between the lowest and the highest one held.
    #[must_use]
    pub fn missing(&self) -> u64 {
        match (self.first(), self.newest()) {
            (Some(first), Some((last, _))) => last - first + 1 - self.held.len() as u64,
            _ => 0,
        }
    }
}

/// Whether two entries show that the owner of a channel forked it: anybody who has the link's public part can check it.
///
/// # Errors
/// [`PeerFault::Mismatch`] if they agree or belong to different channels, [`PeerFault::Signature`] if one is forged.
pub fn verify_fork(channel: ChannelId, owner: &[u8; 32], one: &[u8], two: &[u8]) -> Result<(), PeerFault> {
    let mut pair = [SignedEntry::open(one, channel, owner)?, SignedEntry::open(two, channel, owner)?];
    pair.sort_by_key(|signed| signed.entry.seq);
    let [low, high] = &pair;
    let forks = match high.entry.seq - low.entry.seq {
        0 => low.id != high.id,
        1 => high.entry.before != low.id,
        _ => false,
    };
    if forks { Ok(()) } else { Err(PeerFault::Mismatch) }
}
