//! One-time tags: routing label, recognition and deposit permission of each cell, known to both ends ahead of use (SPEC §6b, DESIGN P6).

use crate::cell::Class;
use crate::crypto::kdf::derive;
use crate::crypto::labels::TAG_NEXT;
use crate::ids::{Tag, first};
use core::ops::Range;
use zeroize::Zeroizing;

/// Tags of one block: they share a key and are forgotten together.
pub const BLOCK_TAGS: u64 = 64;
/// How many blocks ahead of the oldest kept one a tag may lie; bounds the work that a wrong index can cause.
pub const BLOCKS_AHEAD_MAX: u64 = 4_096;

/// Every 32 indices hold 24 tags of class S, then 6 of M, then 2 of L (DESIGN D1).
const CYCLE: u64 = 32;

/// First place and number of places of a class in the cycle.
const fn places(class: Class) -> (u64, u64) {
    match class {
        Class::S => (0, 24),
        Class::M => (24, 6),
        Class::L => (30, 2),
    }
}

/// The size class that index `index` is for.
#[must_use]
pub const fn class_of(index: u64) -> Class {
    match index % CYCLE {
        0..24 => Class::S,
        24..30 => Class::M,
        _ => Class::L,
    }
}

/// The index of the `n`-th tag of `class`, counted from 0.
#[must_use]
pub const fn nth_of_class(class: Class, n: u64) -> u64 {
    let (start, count) = places(class);
    (n / count).saturating_mul(CYCLE).saturating_add(start + n % count)
}

/// Which tag of its class index `index` is, counted from 0: the inverse of [`nth_of_class`].
#[must_use]
pub const fn ordinal(index: u64) -> u64 {
    count_below(class_of(index), index)
}

/// How many indices below `index` are of `class`.
#[must_use]
pub const fn count_below(class: Class, index: u64) -> u64 {
    let (start, count) = places(class);
    let within = (index % CYCLE).saturating_sub(start);
    index / CYCLE * count + if within < count { within } else { count }
}

/// The tags of one direction of one conversation. Key of block 0 comes from the handshake, `key(j + 1) = HKDF(key(j))`,
/// `tag(i) = BLAKE3-keyed(key(i / 64), "tag" | i)[..16]`.
pub struct TagChain {
    block: u64,
    key: Zeroizing<[u8; 32]>,
}

impl TagChain {
    /// The chain whose block 0 has this key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self::restore(0, key)
    }

    pub(crate) fn restore(block: u64, key: &[u8; 32]) -> Self {
        Self { block, key: Zeroizing::new(*key) }
    }

    /// Number and key of the oldest kept block.
    pub(crate) fn oldest(&self) -> (u64, &[u8; 32]) {
        (self.block, &self.key)
    }

    /// The lowest index whose tag is still known.
    #[must_use]
    pub const fn first_kept(&self) -> u64 {
        self.block.saturating_mul(BLOCK_TAGS)
    }

    /// The tag with this index; `None` if it was forgotten or lies over [`BLOCKS_AHEAD_MAX`] blocks ahead.
    #[must_use]
    pub fn tag(&self, index: u64) -> Option<Tag> {
        self.tags(index..index.checked_add(1)?).pop().map(|(_, tag)| tag)
    }

    /// The known tags with these indices, each with its index.
    #[must_use]
    pub fn tags(&self, indices: Range<u64>) -> Vec<(u64, Tag)> {
        let start = indices.start.max(self.first_kept());
        let end = indices.end.min(self.block.saturating_add(BLOCKS_AHEAD_MAX).saturating_mul(BLOCK_TAGS));
        let (mut block, mut key) = (self.block, self.key.clone());
        let mut out =
            Vec::with_capacity(end.saturating_sub(start).min(BLOCK_TAGS * BLOCKS_AHEAD_MAX) as usize);
        for index in start..end {
            while block < index / BLOCK_TAGS {
                key = next(&key);
                block += 1;
            }
            let mut input = *b"tag\0\0\0\0\0\0\0\0";
            input.iter_mut().skip(3).zip(index.to_be_bytes()).for_each(|(to, from)| *to = from);
            out.push((index, Tag(first(blake3::keyed_hash(&key, &input).as_bytes()))));
        }
        out
    }

    /// Forgets the blocks that lie wholly below `index`; their tags can not be told again, not even by a thief.
    /// An index beyond [`BLOCKS_AHEAD_MAX`] changes nothing.
    pub fn forget_below(&mut self, index: u64) {
        let target = index / BLOCK_TAGS;
        if target.saturating_sub(self.block) > BLOCKS_AHEAD_MAX {
            return;
        }
        while self.block < target {
            self.key = next(&self.key);
            self.block += 1;
        }
    }
}

fn next(key: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    derive(&[], key, TAG_NEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_belongs_to_one_class_and_is_found_again() {
        let mut counts = [0; 3];
        for index in 0..200 {
            let class = class_of(index);
            assert_eq!(nth_of_class(class, ordinal(index)), index);
            for other in Class::ALL {
                assert_eq!(count_below(other, index), counts[other as usize]);
            }
            counts[class as usize] += 1;
        }
        assert_eq!(counts.iter().sum::<u64>(), 200);
        assert_eq!(
            [0, 23, 24, 29, 30, 31, 32].map(class_of),
            [Class::S, Class::S, Class::M, Class::M, Class::L, Class::L, Class::S]
        );
    }

    #[test]
    fn tags_differ_and_forgotten_blocks_stay_forgotten() {
        let mut chain = TagChain::new(&[7; 32]);
        let all = chain.tags(0..300);
        let distinct: std::collections::HashSet<_> = all.iter().map(|(_, tag)| *tag).collect();
        assert_eq!(distinct.len(), 300);
        chain.forget_below(130);
        assert_eq!(chain.first_kept(), 128);
        assert_eq!(chain.tag(127), None);
        assert_eq!(chain.tags(0..300), all[128..].to_vec());
        assert_eq!(chain.tag(128), Some(all[128].1));
        chain.forget_below(5);
        assert_eq!(chain.first_kept(), 128);
    }

    #[test]
    fn an_index_out_of_reach_costs_nothing_and_changes_nothing() {
        let mut chain = TagChain::new(&[7; 32]);
        assert_eq!(chain.tag(u64::MAX), None);
        assert_eq!(chain.tag(BLOCKS_AHEAD_MAX * BLOCK_TAGS), None);
        assert!(chain.tag(BLOCKS_AHEAD_MAX * BLOCK_TAGS - 1).is_some());
        chain.forget_below(u64::MAX);
        chain.forget_below((BLOCKS_AHEAD_MAX + 1) * BLOCK_TAGS);
        assert_eq!(chain.first_kept(), 0);
        let last = chain.tag(BLOCKS_AHEAD_MAX * BLOCK_TAGS - 1);
        chain.forget_below(BLOCKS_AHEAD_MAX * BLOCK_TAGS);
        assert_eq!(chain.first_kept(), BLOCKS_AHEAD_MAX * BLOCK_TAGS);
        assert!(chain.tag(BLOCKS_AHEAD_MAX * BLOCK_TAGS).is_some_and(|tag| Some(tag) != last));
    }
}
