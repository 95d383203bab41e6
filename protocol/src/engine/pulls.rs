//! Cells that are asked for piece by piece: large ones, from all own mailboxes that hold them at once (DESIGN D3).
//!
//! Each mailbox lies behind another door if there are enough, so the pieces of one cell come by several narrow paths at a time, each as fast
//! as it can, and no byte comes twice. What was under way when a path broke is asked for again elsewhere, piece by piece.

use crate::cell::{Cell, Class};
use crate::core::Mono;
use crate::ids::TagPrefix;
use crate::rpc::{PIECE_BYTES, pieces};
use std::collections::{BTreeMap, BTreeSet};

/// Announced cells of one mailbox that wait; more are found when it is fetched from again.
const WAITING_MAX: usize = 1_024;
/// Cells of which pieces are held, at most, of each mailbox that was asked for their first ones: one that never ends what it began keeps
/// nobody from the others.
const OPEN_MAX: usize = 4;
/// A mailbox that sent no piece for so long, though it was asked, gives way to another that holds the same, on narrow paths and on others,
/// milliseconds: a relay can keep its tunnel alive with other words for ever.
const STALL_MS: (u64, u64) = (120_000, 30_000);
/// So does one that did not end a request within so many times that.
const STALLS: u64 = 4;
/// Pieces of one request, and pieces that may be under way from one mailbox: a narrow path takes some 10 KB at a time, and always has the next
/// ones waiting behind them.
const NARROW: (u8, u64) = (4, 8);
/// The same on other paths: a whole cell of class L, and a second one.
const WIDE: (u8, u64) = (30, 60);

/// A request for pieces: `mailbox` is to send `count` pieces from number `from` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) mailbox: u32,
    pub(crate) prefix: TagPrefix,
    class: Class,
    pub(crate) from: u8,
    pub(crate) count: u8,
    /// No two have the same: the end of one that is not waited for any more is not taken for that of another.
    number: u64,
    since: Mono,
}

impl Wish {
    fn mask(self) -> u64 {
        (1_u64 << self.count).wrapping_sub(1) << self.from
    }
}

#[derive(Debug)]
struct Pull {
    class: Class,
    /// Those announced first come first.
    born: u64,
    /// Mailboxes that say they hold it.
    holders: Vec<u32>,
    /// Empty until the first piece is asked for.
    bytes: Vec<u8>,
    /// Pieces that came.
    have: u64,
    asked: Vec<Wish>,
    /// The mailbox that was asked for the first piece.
    opener: u32,
    /// Mailboxes from which pieces came.
    from: Vec<u32>,
    /// All pieces together were no good: from now on only one mailbox is asked at a time.
    alone: bool,
    /// It was handed on and is not durable yet.
    done: bool,
}

impl Pull {
    /// Pieces that are neither there nor asked for, as `(first, count)` of the first run of them.
    fn next(&self, longest: u8) -> Option<(u8, u8)> {
        let asked = self.asked.iter().fold(0, |mask, wish| mask | wish.mask());
        let all = pieces(self.class);
        let is_open = |index: u8| (self.have | asked) >> index & 1 == 0;
        let from = (0..all).find(|index| is_open(*index))?;
        let count = (from..all).take(longest.into()).take_while(|index| is_open(*index)).count();
        Some((from, count as u8))
    }

    fn is_whole(&self) -> bool {
        self.have.count_ones() == u32::from(pieces(self.class))
    }
}

/// What became of a piece.
#[derive(Debug)]
pub(super) enum Took {
    /// Nobody asked for it.
    Unasked,
    More,
    /// The last one.
    Whole(Cell),
    /// The last one, and all together are no cell with this tag.
    Bent,
}

/// All cells that are being asked for.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    /// By class as well: who names a wrong one for a tag hides nothing that another mailbox holds.
    pulls: BTreeMap<(TagPrefix, Class), Pull>,
    /// Pulls and wishes so far.
    born: u64,
    /// When each mailbox last sent a piece, or was asked for one after it had nothing to send.
    heard: BTreeMap<u32, Mono>,
    /// Mailboxes that announced more than could wait.
    missed: BTreeSet<u32>,
    /// Pieces that each mailbox was asked for: of two that are equally busy the one that did less is asked.
    given: BTreeMap<u32, u64>,
}

impl Pulls {
    /// A mailbox says that it holds a cell.
    pub(super) fn announced(&mut self, mailbox: u32, prefix: TagPrefix, class: Class) {
        if let Some(pull) = self.pulls.get_mut(&(prefix, class)) {
            if !pull.holders.contains(&mailbox) {
                pull.holders.push(mailbox);
            }
            return;
        }
        if self.pulls.values().filter(|pull| pull.holders.first() == Some(&mailbox)).count() >= WAITING_MAX {
            self.missed.insert(mailbox);
            return;
        }
        self.born += 1;
        let pull = Pull {
            class,
            born: self.born,
            holders: vec![mailbox],
            bytes: Vec::new(),
            have: 0,
            asked: Vec::new(),
            opener: mailbox,
            from: Vec::new(),
            alone: false,
            done: false,
        };
        self.pulls.insert((prefix, class), pull);
    }

    /// What to ask now, from attached mailboxes only.
    pub(super) fn wishes(&mut self, narrow: bool, now: Mono, is_attached: impl Fn(u32) -> bool) -> Vec<Wish> {
        self.pass_over_silent(if narrow { STALL_MS.0 } else { STALL_MS.1 }, now, &is_attached);
        let Self { pulls, given, born, heard, .. } = self;
        let (longest, window) = if narrow { NARROW } else { WIDE };
        let mut load: BTreeMap<u32, u64> = BTreeMap::new();
        for wish in pulls.values().flat_map(|pull| &pull.asked) {
            *load.entry(wish.mailbox).or_default() += u64::from(wish.count);
        }
        let mut open: BTreeMap<u32, usize> = BTreeMap::new();
        for pull in pulls.values().filter(|pull| !pull.bytes.is_empty()) {
            *open.entry(pull.opener).or_default() += 1;
        }
        let is_full =
            |open: &BTreeMap<u32, usize>, by: &u32| open.get(by).is_some_and(|open| *open >= OPEN_MAX);
        // Those whose mailboxes are all away make place; they begin again when one of them is back.
        let stuck = |pull: &Pull| pull.holders.is_empty() && pull.asked.is_empty() && !pull.done;
        pulls.retain(|_, pull| {
            let gives_way = stuck(pull) && is_full(&open, &pull.opener);
            if gives_way {
                open.entry(pull.opener).and_modify(|open| *open = open.saturating_sub(1));
            }
            !gives_way
        });
        // Small ones first: texts before files.
        let mut order: Vec<_> = pulls.iter().map(|(name, pull)| (pull.class, pull.born, *name)).collect();
        order.sort_unstable();
        let mut out = Vec::new();
        for (.., name) in order {
            let Some(pull) = pulls.get_mut(&name).filter(|pull| !pull.done) else { continue };
            while let Some((from, count)) = pull.next(longest) {
                let alone = pull
                    .alone
                    .then(|| pull.asked.first().map(|wish| wish.mailbox).or(pull.from.first().copied()));
                let free = |mailbox: &&u32| {
                    is_attached(**mailbox)
                        && load.get(*mailbox).copied().unwrap_or_default() < window
                        && alone.flatten().is_none_or(|only| only == **mailbox)
                        && (!pull.bytes.is_empty() || !is_full(&open, mailbox))
                };
                let holders = pull.holders.iter().filter(free);
                let burden = |mailbox: &u32| {
                    let of = |asked: &BTreeMap<u32, u64>| asked.get(mailbox).copied().unwrap_or_default();
                    (of(&load), of(given))
                };
                let Some(mailbox) = holders.copied().min_by_key(burden) else { break };
                if load.get(&mailbox).is_none_or(|asked| *asked == 0) {
                    heard.insert(mailbox, now);
                }
                *born += 1;
                let wish =
                    Wish { mailbox, prefix: name.0, class: name.1, from, count, number: *born, since: now };
                for asked in [&mut load, &mut *given] {
                    *asked.entry(mailbox).or_default() += u64::from(count);
                }
                if pull.bytes.is_empty() {
                    (pull.bytes, pull.opener) = (vec![0; pull.class.bytes()], mailbox);
                    *open.entry(mailbox).or_default() += 1;
                }
                pull.asked.push(wish);
                out.push(wish);
            }
        }
        out
    }

    /// Takes requests back from mailboxes that send nothing, where another one that does holds the same.
    fn pass_over_silent(&mut self, stall_ms: u64, now: Mono, is_attached: &impl Fn(u32) -> bool) {
        let Self { pulls, heard, .. } = self;
        let is_silent = |mailbox: u32| heard.get(&mailbox).is_some_and(|at| now >= at.after_ms(stall_ms));
        let mut late = Vec::new();
        for (name, pull) in pulls.iter() {
            let ends_late = |wish: &&Wish| {
                let overdue = is_silent(wish.mailbox) || now >= wish.since.after_ms(STALLS * stall_ms);
                overdue
                    && pull.holders.iter().any(|other| {
                        let waits = pull.asked.iter().any(|asked| asked.mailbox == *other);
                        *other != wish.mailbox && is_attached(*other) && !(waits && is_silent(*other))
                    })
            };
            late.extend(pull.asked.iter().find(ends_late).map(|wish| (*name, wish.mailbox)));
        }
        for (name, mailbox) in late {
            if let Some(pull) = pulls.get_mut(&name) {
                pull.asked.retain(|wish| wish.mailbox != mailbox);
            }
            Self::without(pulls, mailbox, name);
        }
    }

    /// Whether any piece was asked for and has not come.
    pub(super) fn waits(&self) -> bool {
        self.pulls.values().any(|pull| !pull.asked.is_empty())
    }

    /// Whether a mailbox says that it holds a cell that is not here yet.
    pub(super) fn waits_for(&self, mailbox: u32) -> bool {
        self.missed.contains(&mailbox) || self.pulls.values().any(|pull| pull.holders.contains(&mailbox))
    }

    /// A piece came.
    pub(super) fn took(
        &mut self,
        mailbox: u32,
        prefix: TagPrefix,
        index: u8,
        bytes: &[u8],
        now: Mono,
    ) -> Took {
        let bit = 1_u64.checked_shl(index.into()).unwrap_or_default();
        let is_asked = |pull: &Pull| {
            pull.asked.iter().any(|wish| wish.mailbox == mailbox && wish.mask() & bit != 0) && !pull.done
        };
        let mut named = self.pulls.range_mut((prefix, Class::S)..=(prefix, Class::L));
        let Some((_, pull)) = named.find(|(_, pull)| is_asked(pull)) else { return Took::Unasked };
        let (places, _) = pull.bytes.as_chunks_mut::<PIECE_BYTES>();
        let (Some(place), Ok(bytes)) = (places.get_mut(usize::from(index)), bytes.try_into()) else {
            return Took::Unasked;
        };
        *place = bytes;
        if pull.have & bit == 0 {
            self.heard.insert(mailbox, now);
        }
        pull.have |= bit;
        if !pull.from.contains(&mailbox) {
            pull.from.push(mailbox);
        }
        if !pull.is_whole() {
            return Took::More;
        }
        pull.done = true;
        let cell = Cell::parse(core::mem::take(&mut pull.bytes));
        match cell.ok().filter(|cell| cell.tag().prefix() == prefix) {
            Some(cell) => Took::Whole(cell),
            None => Took::Bent,
        }
    }

    /// A request for pieces came to its end. What did not come is asked for anew: of others, if this one can not.
    pub(super) fn ended(&mut self, wish: Wish, came: bool) {
        let name = (wish.prefix, wish.class);
        let Some(pull) = self.pulls.get_mut(&name) else { return };
        if pull.asked.extract_if(.., |asked| *asked == wish).next().is_none() {
            return;
        }
        if !came || pull.have & wish.mask() != wish.mask() && !pull.done {
            Self::without(&mut self.pulls, wish.mailbox, name);
        }
    }

    /// A mailbox does not hold a cell, or can not be asked for it; a cell that nobody holds is given up until somebody announces it again.
    fn without(pulls: &mut BTreeMap<(TagPrefix, Class), Pull>, mailbox: u32, name: (TagPrefix, Class)) {
        if let Some(pull) = pulls.get_mut(&name) {
            pull.holders.retain(|holder| *holder != mailbox);
            if pull.alone {
                // What else was asked of it is of no use beside pieces of another.
                pull.asked.retain(|wish| wish.mailbox != mailbox);
                if pull.from.contains(&mailbox) && !pull.done {
                    (pull.have, pull.from) = (0, Vec::new());
                }
            }
            if pull.holders.is_empty() && pull.asked.is_empty() && pull.have == 0 && !pull.done {
                pulls.remove(&name);
            }
        }
    }

    /// A cell made of pieces is no good. Returns whether nobody is to blame: it came from several mailboxes, each of which may be the one
    /// that bent it. From now on one at a time is asked. One that came otherwise says nothing about pieces that are under way.
    pub(super) fn refused(&mut self, prefix: TagPrefix) -> bool {
        let mut named = self.pulls.range_mut((prefix, Class::S)..=(prefix, Class::L));
        let Some((name, pull)) = named.find(|(_, pull)| pull.done) else { return false };
        let (name, from) = (*name, core::mem::take(&mut pull.from));
        (pull.have, pull.done, pull.alone, pull.bytes) = (0, false, true, Vec::new());
        // The last pieces are here; the word that they were the last may still be under way.
        pull.asked.clear();
        if let [only] = from.as_slice() {
            Self::without(&mut self.pulls, *only, name);
        }
        from.len() > 1
    }

    /// A cell is durable here, or will never be wanted.
    pub(super) fn forget(&mut self, prefix: TagPrefix) {
        self.pulls.extract_if((prefix, Class::S)..=(prefix, Class::L), |_, _| true).for_each(drop);
    }

    /// Mailboxes that announced more than could wait, and of which nothing waits any more.
    pub(super) fn starved(&mut self) -> Vec<u32> {
        let Self { pulls, missed, .. } = self;
        missed.extract_if(.., |mailbox| !pulls.values().any(|pull| pull.holders.contains(mailbox))).collect()
    }

    /// A mailbox is away: what it was asked for has ended already.
    pub(super) fn lost(&mut self, mailbox: u32) {
        let held: Vec<_> = self
            .pulls
            .iter()
            .filter(|(_, pull)| pull.holders.contains(&mailbox))
            .map(|(name, _)| *name)
            .collect();
        held.into_iter().for_each(|name| Self::without(&mut self.pulls, mailbox, name));
        self.heard.remove(&mailbox);
    }
}

#[cfg(test)]
mod tests;
