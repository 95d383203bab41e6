//! Shards: cells of groups and channels that all relays carry, kept for 30 days, and handed to whoever knows what detects them (DESIGN D6).
//!
//! A follower gives keys that recognise the hints of one group; this relay learns that group's timing, and nothing of its members.

use super::RelayCore;
use super::api::{RelayEvent, Verdict};
use super::cx::{Cx, Purpose};
use super::ends::EndId;
use super::unit::Unit;
use crate::cell::Cell;
use crate::core::{Key, Op, Range, Space, Value};
use crate::crypto::LocalSignKey;
use crate::error::PeerFault;
use crate::group::seed::detects;
use crate::ids::{CellHash, MailboxId, Tag, first};
use crate::limits::{CELL_TTL_S, SHARDS};
use crate::rpc::{Refusal, Reply};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// Bytes of shard cells a relay keeps; with more it takes nothing in until some have expired.
const BYTES_MAX: u64 = 4 << 30;
/// Followers at once.
const FOLLOWERS_MAX: usize = 16_384;
/// Cells handed out for one request.
const CELLS_PER_FOLLOW: usize = 12;
/// Cells that one relay may bring in within a day, whoever passes them on.
const CELLS_PER_RELAY_DAY: u32 = 50_000;

/// What is known of a stored cell.
#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: Tag,
    hash: CellHash,
    expiry_s: u64,
}

#[derive(Debug, Default)]
struct Shard {
    entries: BTreeMap<u64, Entry>,
    next: u64,
}

struct Follower {
    shard: u16,
    keys: Vec<Zeroizing<[u8; 32]>>,
}

/// All shards.
#[derive(Default)]
pub(super) struct Shards {
    shards: BTreeMap<u16, Shard>,
    known: BTreeSet<CellHash>,
    followers: BTreeMap<EndId, Follower>,
    bytes: u64,
    /// Cells brought in by each relay on this day.
    budgets: (u32, BTreeMap<crate::ids::RelayId, u32>),
}

/// Where the segments keep a shard's cells: no mailbox key leads to this id.
fn place(shard: u16) -> MailboxId {
    MailboxId(first(&blake3::derive_key("karvon 2026 shard v1", &shard.to_be_bytes())))
}

const fn record(shard: u16, seq: u64) -> Key {
    let [a, b] = shard.to_be_bytes();
    let mut group = [0; 16];
    group[0] = a;
    group[1] = b;
    Key::of(Space::RelayShard, group, seq)
}

impl Shards {
    /// Takes back what was stored: `tag 16 | hash 16 | expiry 8 | bytes 4`.
    pub(super) fn restore(&mut self, rows: &[(Key, Value)], cx: &Cx) {
        for (key, value) in rows {
            let shard = self.shards.entry(u16::from_be_bytes(first(&key.group))).or_default();
            shard.next = shard.next.max(key.seq.saturating_add(1));
            let mut reader = crate::crypto::fixed::Reader(value);
            let parts = (reader.take::<16>(), reader.take::<16>(), reader.u64(), reader.u32());
            let (Some(tag), Some(hash), Some(expiry_s), Some(bytes)) = parts else { continue };
            if expiry_s > cx.now_s() {
                self.known.insert(CellHash(*hash));
                self.bytes += u64::from(bytes);
                let entry = Entry { tag: Tag(*tag), hash: CellHash(*hash), expiry_s };
                shard.entries.insert(key.seq, entry);
            }
        }
    }

    /// Whether this cell is here.
    fn holds(&self, cell: &Cell) -> bool {
        self.known.contains(&cell.hash())
    }

    /// Keeps a cell and pushes it to whom it may be for.
    fn keep(&mut self, number: u16, cell: &Cell, cx: &mut Cx) -> Result<u64, Refusal> {
        if self.bytes >= BYTES_MAX {
            return Err(Refusal::Full);
        }
        let shard = self.shards.entry(number).or_default();
        let (seq, expiry_s) = (shard.next.max(1), cx.now_s() + CELL_TTL_S);
        shard.next = seq + 1;
        let entry = Entry { tag: cell.tag(), hash: cell.hash(), expiry_s };
        shard.entries.insert(seq, entry);
        self.known.insert(entry.hash);
        self.bytes += cell.bytes().len() as u64;
        cx.fx.write(Op::AppendCell { mailbox: place(number), seq, expiry_s, cell: cell.clone() });
        let size = (cell.bytes().len() as u32).to_be_bytes();
        let value = [&entry.tag.0[..], &entry.hash.0, &expiry_s.to_be_bytes(), &size].concat();
        cx.put(record(number, seq), value);
        for (end, follower) in &self.followers {
            if follower.shard == number && follower.keys.iter().any(|key| detects(key, number, &entry.tag)) {
                cx.tell(*end, 0, &Reply::Item { seq, cell: cell.clone() });
            }
        }
        Ok(expiry_s)
    }

    /// Hands out what was kept from number `from` on, and pushes from now on. The last cell's load carries the answer.
    pub(super) fn follow(
        &mut self,
        end: EndId,
        number: u32,
        (shard, keys, from): (u16, Vec<[u8; 32]>, u64),
        cx: &mut Cx,
    ) {
        if self.followers.len() >= FOLLOWERS_MAX && !self.followers.contains_key(&end) {
            return cx.refuse(end, number, Refusal::Busy);
        }
        let held = self.shards.entry(shard).or_default();
        let found = held.entries.range(from..).filter(|(_, entry)| {
            entry.expiry_s > cx.now_s() && keys.iter().any(|key| detects(key, shard, &entry.tag))
        });
        let mut found: Vec<u64> = found.map(|(seq, _)| *seq).take(CELLS_PER_FOLLOW + 1).collect();
        let more = found.len() > CELLS_PER_FOLLOW;
        found.truncate(CELLS_PER_FOLLOW);
        let next = if more { found.last().map_or(from, |last| last + 1) } else { held.next.max(1) };
        let keys = keys.into_iter().map(Zeroizing::new).collect();
        self.followers.insert(end, Follower { shard, keys });
        let Some((last, others)) = found.split_last() else {
            return cx.answer(end, number, &Reply::Fetched { next, more });
        };
        for (seq, answer) in others.iter().map(|seq| (seq, None)).chain([(last, Some((number, next, more)))])
        {
            let range = Range::Cells { mailbox: place(shard), from: *seq, bytes_max: 1 };
            cx.load(range, Purpose::ShardCell { end, seq: *seq, answer });
        }
    }

    /// A cell came from disk for a follower.
    pub(super) fn loaded(
        end: EndId,
        seq: u64,
        answer: Option<(u32, u64, bool)>,
        rows: Vec<(Key, Value)>,
        cx: &mut Cx,
    ) {
        let row = rows.into_iter().next().filter(|(key, _)| key.seq == seq);
        if let Some(cell) = row.and_then(|(_, value)| Cell::parse(value.to_vec()).ok()) {
            cx.tell(end, 0, &Reply::Item { seq, cell });
        }
        if let Some((number, next, more)) = answer {
            cx.answer(end, number, &Reply::Fetched { next, more });
        }
    }

    /// A tunnel ended.
    pub(super) fn forget(&mut self, end: EndId) {
        self.followers.remove(&end);
    }

    /// Forgets what has expired; its bytes go with their segment.
    pub(super) fn sweep(&mut self, cx: &mut Cx) {
        let now_s = cx.now_s();
        for (number, shard) in &mut self.shards {
            let expired: Vec<_> = shard
                .entries
                .iter()
                .take_while(|(_, entry)| entry.expiry_s <= now_s)
                .map(|(seq, entry)| (*seq, entry.hash))
                .take(4_096)
                .collect();
            for (seq, hash) in expired {
                shard.entries.remove(&seq);
                self.known.remove(&hash);
                // The size of an expired cell is not worth a load: the smallest class is what nearly all are of.
                self.bytes = self.bytes.saturating_sub(crate::cell::Class::S.bytes() as u64);
                cx.fx.write(Op::Remove(record(*number, seq)));
                cx.fx.write(Op::DropCell { mailbox: place(*number), seq });
            }
        }
    }

    /// Whether one more cell that `relay` took in may be kept today.
    fn may_take(&mut self, relay: crate::ids::RelayId, today: u32) -> bool {
        if self.budgets.0 != today {
            self.budgets = (today, BTreeMap::new());
        }
        let taken = self.budgets.1.entry(relay).or_default();
        *taken += 1;
        *taken <= CELLS_PER_RELAY_DAY
    }
}

impl RelayCore {
    fn today(&self) -> u32 {
        (self.cx.now_s() / 86_400) as u32
    }

    /// A leaf brings a cell for a shard: it is kept, confirmed once it is durable, and gossiped.
    pub(super) fn on_inject(&mut self, end: EndId, number: u32, shard: u16, cell: Cell) {
        if shard >= SHARDS {
            return self.cx.refuse(end, number, Refusal::Malformed);
        }
        if self.shards.holds(&cell) {
            // A repetition; when it expires is not worth a search.
            let expiry_s = self.cx.now_s() + CELL_TTL_S;
            return self.cx.answer_stored(end, number, &Reply::Stored { expiry_s });
        }
        match self.shards.keep(shard, &cell, &mut self.cx) {
            Ok(expiry_s) => {
                self.cx.answer_stored(end, number, &Reply::Stored { expiry_s });
                let unit = Unit { shard, relay: self.onion.id, day: self.today(), cell };
                let key = LocalSignKey::from_seed(&self.onion.setup().static_seed);
                self.cx.notify(RelayEvent::Spread(shard, unit.encode(&key)));
            }
            Err(refusal) => self.cx.refuse(end, number, refusal),
        }
    }

    /// A unit came by gossip; it is passed on only after this verdict.
    pub(super) fn on_gossip(&mut self, token: u64, bytes: &[u8]) {
        let (today, own) = (self.today(), self.onion.id);
        let key_of = |relay| self.directory.get(relay).map(|held| held.static_key);
        let verdict = match Unit::verify(bytes, today, key_of) {
            Ok(unit) if unit.relay == own || self.shards.holds(&unit.cell) => Verdict::Ignore,
            Ok(unit) if !self.shards.may_take(unit.relay, today) => Verdict::Ignore,
            Ok(unit) => match self.shards.keep(unit.shard, &unit.cell, &mut self.cx) {
                Ok(_) => Verdict::Accept,
                Err(_) => Verdict::Ignore,
            },
            // A relay that is new here, or clocks apart: whoever passed it on is not to blame.
            Err(PeerFault::Mismatch | PeerFault::Expired) => Verdict::Ignore,
            Err(_) => {
                self.cx.counts.faults += 1;
                Verdict::Reject
            }
        };
        // It need not wait for the disk: passing on promises nothing.
        self.cx.notify_at_once(RelayEvent::Judged(token, verdict));
    }
}
