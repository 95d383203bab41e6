//! Shards: cells of groups and channels that all relays carry, kept for 30 days, and handed to whoever knows what detects them (DESIGN D6).
//!
//! A follower gives keys that recognise the hints of one group; this relay learns that group's timing, and nothing of its members.

use super::RelayCore;
use super::api::{RelayEvent, Verdict};
use super::catch_up::Sum;
use super::cx::{Cx, Purpose};
use super::ends::EndId;
use super::grants::Claim;
use super::unit::{DAYS_APART, DAYS_KEPT, Unit};
use crate::cell::Cell;
use crate::core::{Key, Op, Range, Space, Value};
use crate::crypto::LocalSignKey;
use crate::error::PeerFault;
use crate::group::seed::detects;
use crate::ids::{CellHash, MailboxId, RelayId, Tag, first};
use crate::limits::{CELL_TTL_S, SHARDS};
use crate::rpc::{Refusal, Reply};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// Bytes of shard cells a relay keeps; with more it takes nothing in until some have expired.
const BYTES_MAX: u64 = 4 << 30;
/// Followers at once.
const FOLLOWERS_MAX: usize = 16_384;
/// Cells looked at for one request: each costs a hash for each key.
const SCANNED_MAX: usize = 32_768;
/// Cells handed out for one request.
const CELLS_PER_FOLLOW: usize = 12;
/// Expired cells of a shard forgotten in one round of upkeep.
const EXPIRED_PER_SWEEP: usize = 4_096;
/// Cells of one day that one relay may bring in, whoever passes them on.
const CELLS_PER_RELAY_DAY: u32 = 50_000;

/// What is known of a stored cell.
#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: Tag,
    hash: CellHash,
    expiry_s: u64,
    bytes: u32,
    day: u32,
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
    /// By shard as well: who brings a foreign cell to another shard hides it from nobody.
    known: BTreeSet<(u16, CellHash)>,
    /// Cells by shard, day and name, and sums over them: what relays compare.
    pub(super) index: BTreeMap<(u16, u32, CellHash), u64>,
    pub(super) sums: BTreeMap<(u16, u32), Sum>,
    followers: BTreeMap<EndId, Follower>,
    bytes: u64,
    /// Cells of each day that each relay brought in.
    taken: BTreeMap<(u32, RelayId), u32>,
}

/// Where the segments keep a shard's cells: no mailbox key leads to this id.
pub(super) fn place(shard: u16) -> MailboxId {
    MailboxId(first(&blake3::derive_key("karvon 2026 shard v1", &shard.to_be_bytes())))
}

pub(super) const fn record(shard: u16, seq: u64) -> Key {
    let [a, b] = shard.to_be_bytes();
    let mut group = [0; 16];
    group[0] = a;
    group[1] = b;
    Key::of(Space::RelayShard, group, seq)
}

/// Numbers of cells that one of these keys detects, in the order of `entries`; and the last number looked at, if there is more.
fn scan<'a>(
    entries: impl Iterator<Item = (&'a u64, &'a Entry)>,
    shard: u16,
    keys: &[[u8; 32]],
    now_s: u64,
) -> (Vec<u64>, Option<u64>) {
    let (mut found, mut last) = (Vec::new(), None);
    for (looked, (seq, entry)) in entries.enumerate() {
        if looked >= SCANNED_MAX || found.len() >= CELLS_PER_FOLLOW {
            return (found, last);
        }
        last = Some(*seq);
        if entry.expiry_s > now_s && keys.iter().any(|key| detects(key, shard, &entry.tag)) {
            found.push(*seq);
        }
    }
    (found, None)
}

/// Loads cells for a follower; the last one carries the answer.
fn hand_out(end: EndId, number: u32, shard: u16, (found, next, more): (&[u64], u64, bool), cx: &mut Cx) {
    let Some((last, others)) = found.split_last() else {
        // Durable first: `next` may count a cell that is not yet, and its number must not come again.
        return cx.answer_stored(end, number, &Reply::Fetched { next, more });
    };
    for (seq, answer) in others.iter().map(|seq| (seq, None)).chain([(last, Some((number, next, more)))]) {
        let range = Range::Cells { mailbox: place(shard), from: *seq, bytes_max: 1 };
        cx.load(range, Purpose::ShardCell { end, seq: *seq, answer });
    }
}

impl Shards {
    /// Takes back what was stored: `tag 16 | hash 16 | expiry 8 | bytes 4 | relay 16 | day 4 | signature 64`.
    pub(super) fn restore(&mut self, rows: &[(Key, Value)]) {
        for (key, value) in rows {
            let number = u16::from_be_bytes(first(&key.group));
            let shard = self.shards.entry(number).or_default();
            shard.next = shard.next.max(key.seq.saturating_add(1));
            let mut reader = crate::crypto::fixed::Reader(value);
            let parts = (reader.take::<16>(), reader.take::<16>(), reader.u64(), reader.u32());
            let (Some(tag), Some(hash), Some(expiry_s), Some(bytes)) = parts else { continue };
            let (Some(relay), Some(day)) = (reader.take::<16>(), reader.u32()) else { continue };
            *self.taken.entry((day, RelayId(*relay))).or_default() += 1;
            let (tag, hash) = (Tag(*tag), CellHash(*hash));
            // Expired ones go with the next round of upkeep.
            self.hold(number, key.seq, Entry { tag, hash, expiry_s, bytes, day });
        }
    }

    fn hold(&mut self, number: u16, seq: u64, entry: Entry) {
        self.known.insert((number, entry.hash));
        self.bytes += u64::from(entry.bytes);
        self.index.insert((number, entry.day, entry.hash), seq);
        self.sums.entry((number, entry.day)).or_default().add(&entry.hash);
        self.shards.entry(number).or_default().entries.insert(seq, entry);
    }

    /// Whether a cell of this name is here, on this shard.
    pub(super) fn knows(&self, shard: u16, name: CellHash) -> bool {
        self.known.contains(&(shard, name))
    }

    /// Keeps a cell and pushes it to whom it may be for.
    pub(super) fn keep(&mut self, unit: &Unit, cx: &mut Cx) -> Result<u64, Refusal> {
        if self.bytes >= BYTES_MAX || cx.counts.pressure.storage {
            return Err(Refusal::Full);
        }
        let (number, cell) = (unit.shard, &unit.cell);
        let shard = self.shards.entry(number).or_default();
        let seq = shard.next.max(1);
        shard.next = seq + 1;
        // What came late goes when the other relays let go of it.
        let came_s = cx.now_s().min((u64::from(unit.day) + 1) * 86_400);
        let (bytes, expiry_s) = (cell.bytes().len() as u32, came_s + CELL_TTL_S);
        let entry = Entry { tag: cell.tag(), hash: cell.hash(), expiry_s, bytes, day: unit.day };
        self.hold(number, seq, entry);
        cx.fx.write(Op::AppendCell { mailbox: place(number), seq, expiry_s, cell: cell.clone() });
        let mut value =
            [&entry.tag.0[..], &entry.hash.0, &expiry_s.to_be_bytes(), &bytes.to_be_bytes()].concat();
        value.extend_from_slice(&unit.head());
        cx.put(record(number, seq), value);
        for (end, follower) in &self.followers {
            if follower.shard == number && follower.keys.iter().any(|key| detects(key, number, &entry.tag)) {
                // Not before the number is on disk: given out again after a crash, it would hide another cell from who has seen it.
                cx.tell_stored(*end, 0, &Reply::Item { seq, cell: cell.clone() });
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
        let (found, next) = scan(held.entries.range(from..), shard, &keys, cx.now_s());
        let more = next.is_some();
        let next = next.map_or(held.next.max(1), |last| last + 1);
        let keys = keys.into_iter().map(Zeroizing::new).collect();
        self.followers.insert(end, Follower { shard, keys });
        hand_out(end, number, shard, (&found, next, more), cx);
    }

    /// Hands out the newest cells before number `before`.
    pub(super) fn recent(
        &self,
        end: EndId,
        number: u32,
        (shard, keys, before): (u16, &[[u8; 32]], u64),
        cx: &mut Cx,
    ) {
        let entries = self.shards.get(&shard).map(|shard| shard.entries.range(..before).rev());
        let (mut found, next) = scan(entries.into_iter().flatten(), shard, keys, cx.now_s());
        found.reverse();
        hand_out(end, number, shard, (&found, next.unwrap_or(0), next.is_some()), cx);
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
            cx.tell_stored(end, 0, &Reply::Item { seq, cell });
        }
        if let Some((number, next, more)) = answer {
            cx.answer_stored(end, number, &Reply::Fetched { next, more });
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
                .filter(|(_, entry)| entry.expiry_s <= now_s)
                .map(|(seq, entry)| (*seq, *entry))
                .take(EXPIRED_PER_SWEEP)
                .collect();
            for (seq, entry) in expired {
                shard.entries.remove(&seq);
                self.known.remove(&(*number, entry.hash));
                self.bytes = self.bytes.saturating_sub(u64::from(entry.bytes));
                self.index.remove(&(*number, entry.day, entry.hash));
                if let Some(sum) = self.sums.get_mut(&(*number, entry.day)) {
                    sum.remove(&entry.hash);
                }
                // The newest record tells after a restart which numbers were given out.
                if seq + 1 < shard.next {
                    cx.fx.write(Op::Remove(record(*number, seq)));
                }
                cx.fx.write(Op::DropCell { mailbox: place(*number), seq });
            }
        }
        self.sums.retain(|_, sum| !sum.is_empty());
        let today = (now_s / 86_400) as u32;
        self.taken.retain(|(day, _), _| day.saturating_add(DAYS_KEPT) >= today);
    }

    /// Whether one more cell that its relay took in on its day may be kept.
    pub(super) fn may_take(&mut self, unit: &Unit) -> bool {
        let taken = self.taken.entry((unit.day, unit.relay)).or_default();
        *taken = taken.saturating_add(1);
        *taken <= CELLS_PER_RELAY_DAY
    }
}

impl RelayCore {
    pub(super) fn today(&self) -> u32 {
        (self.cx.now_s() / 86_400) as u32
    }

    /// A leaf brings a cell for a shard: it is kept, confirmed once it is durable, and gossiped.
    pub(super) fn on_inject(&mut self, end: EndId, number: u32, shard: u16, cell: Cell) {
        if shard >= SHARDS {
            return self.cx.refuse(end, number, Refusal::Malformed);
        }
        if self.shards.knows(shard, cell.hash()) {
            // A repetition; when it expires is not worth a search.
            let expiry_s = self.cx.now_s() + CELL_TTL_S;
            return self.cx.answer_stored(end, number, &Reply::Stored { expiry_s });
        }
        let key = LocalSignKey::from_seed(&self.onion.setup().static_seed);
        let unit = Unit::sign(shard, self.onion.id, self.today(), cell, &key);
        // What is beyond what others take of this relay is refused, for it would not spread.
        let (origin, now) = (self.origin(end), self.cx.now.mono);
        if !self.grants.claim(origin, Claim::Cell, now) || !self.shards.may_take(&unit) {
            return self.cx.refuse(end, number, Refusal::Busy);
        }
        match self.shards.keep(&unit, &mut self.cx) {
            Ok(expiry_s) => {
                self.cx.answer_stored(end, number, &Reply::Stored { expiry_s });
                self.cx.notify(RelayEvent::Spread(shard, unit.encode()));
            }
            Err(refusal) => self.cx.refuse(end, number, refusal),
        }
    }

    /// A unit came by gossip; it is passed on only after this verdict.
    pub(super) fn on_gossip(&mut self, token: u64, bytes: &[u8]) {
        let (today, own) = (self.today(), self.onion.id);
        let key_of = |relay| self.directory.get(relay).map(|held| held.static_key);
        let verdict = match Unit::verify(bytes, today, DAYS_APART, key_of) {
            Ok(unit) if unit.relay == own || self.shards.knows(unit.shard, unit.cell.hash()) => {
                Verdict::Ignore
            }
            Ok(unit) if !self.shards.may_take(&unit) => Verdict::Ignore,
            Ok(unit) => match self.shards.keep(&unit, &mut self.cx) {
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
