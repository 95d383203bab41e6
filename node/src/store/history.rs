//! Conversations as they are shown, read from disk beside the writer.
//!
//! Messages lie by author and sequence number but are shown by position. Both ascend together, except where a late message fills an old
//! gap: it has a low number and a high position. The store notes such rows when they are written (see `late_rows`), under a space of its
//! own, by position. Rows that only changed another message have a place and are not shown. So a page is two binary searches plus a look at that index, and costs the same in a long history as in a short one.

use super::sealed::RawKey;
use karvon_protocol::core::{Key, Op, Space, StoreFault, Value};
use karvon_protocol::engine::api::{ContactId, StoredMessage};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Added to a message space: rows of that space that came out of order, by position; the value is the sequence number (8 bytes).
const LATE: u8 = 0x80;

/// A message and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Own message, or one of the contact's.
    pub mine: bool,
    /// The author's number of it.
    pub seq: u64,
    /// The message.
    pub message: StoredMessage,
}

/// What the history reads: durable rows only.
pub(super) trait Rows: Send + Sync {
    fn row(&self, key: &RawKey) -> Result<Option<Value>, StoreFault>;
    /// The lowest sequence number of the group in `from..`.
    fn next_seq(&self, space: u8, group: &[u8; 16], from: u64) -> Result<Option<u64>, StoreFault>;
    /// The highest sequence number of the group in `..below`.
    fn prev_seq(&self, space: u8, group: &[u8; 16], below: u64) -> Result<Option<u64>, StoreFault>;
    /// Shows the rows of the group in `seqs` with their sequence numbers, the highest first, until `visit` says that it is enough.
    fn newest_first(
        &self,
        space: u8,
        group: &[u8; 16],
        seqs: Range<u64>,
        visit: &mut dyn FnMut(u64, &[u8]) -> bool,
    ) -> Result<(), StoreFault>;
}

/// A reader of conversations; clones are cheap and may be used from any thread while the writer writes. Each call blocks for the time of
/// a few dozen lookups, so it belongs on a thread that may block. What it returns is durable: rows of a batch that is still on its way to
/// the disk are not seen.
#[derive(Clone)]
pub struct History(pub(super) Arc<dyn Rows>);

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("History")
    }
}

/// Which way to read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Positions below this one, the highest of them.
    Older(u64),
    /// Positions above this one, the lowest of them.
    Newer(u64),
}

impl Way {
    fn takes(self, position: u64) -> bool {
        match self {
            Self::Older(before) => position < before,
            Self::Newer(after) => position > after,
        }
    }
}

impl History {
    pub(super) fn new(rows: Arc<dyn Rows>) -> Self {
        Self(rows)
    }

    pub(super) fn rows(&self) -> &dyn Rows {
        &*self.0
    }

    /// The last `limit` messages of a conversation before position `before` (or at its end), oldest first.
    ///
    /// # Errors
    /// If the medium can not be read or a record is damaged.
    pub fn page(
        &self,
        contact: ContactId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreFault> {
        self.read(contact, Way::Older(before.unwrap_or(u64::MAX)), limit)
    }

    /// The first `limit` messages of a conversation after `position`, oldest first.
    ///
    /// # Errors
    /// As [`History::page`].
    pub fn after(&self, contact: ContactId, position: u64, limit: usize) -> Result<Vec<Entry>, StoreFault> {
        self.read(contact, Way::Newer(position), limit)
    }

    /// One message by its author and number.
    ///
    /// # Errors
    /// As [`History::page`].
    pub fn one(&self, contact: ContactId, mine: bool, seq: u64) -> Result<Option<Entry>, StoreFault> {
        Side { rows: &*self.0, group: contact.group(), mine }.entry(seq)
    }

    /// Sealed cells to a contact that are under way, as many as take no more than `room` bytes, and whether that is all.
    ///
    /// # Errors
    /// As [`History::page`].
    pub fn under_way(&self, contact: ContactId, mut room: usize) -> Result<(Vec<Value>, bool), StoreFault> {
        let (space, group, mut at) = (Space::OutCell as u8, contact.group(), 0);
        let mut out = Vec::new();
        while let Some(seq) = self.0.next_seq(space, &group, at)? {
            if let Some(cell) = self.0.row(&RawKey { space, group, seq })? {
                if cell.len() > room {
                    return Ok((out, false));
                }
                room -= cell.len();
                out.push(cell);
            }
            at = seq.saturating_add(1);
        }
        Ok((out, true))
    }

    /// A cell under way to a contact, by its number.
    ///
    /// # Errors
    /// As [`History::page`].
    pub fn out_cell(&self, contact: ContactId, seq: u64) -> Result<Option<Value>, StoreFault> {
        self.0.row(&RawKey { space: Space::OutCell as u8, group: contact.group(), seq })
    }

    /// A sealed cell that is to be handed on: an own one under way, or one that is carried for others.
    ///
    /// # Errors
    /// As [`History::page`].
    pub fn cell(&self, key: Key) -> Result<Option<Value>, StoreFault> {
        if !matches!(key.space, Space::OutCell | Space::Carried) {
            return Ok(None);
        }
        self.0.row(&key.into())
    }

    fn read(&self, contact: ContactId, way: Way, limit: usize) -> Result<Vec<Entry>, StoreFault> {
        let mut by_position = BTreeMap::new();
        for mine in [true, false] {
            let side = Side { rows: &*self.0, group: contact.group(), mine };
            let has_late = side.rows.next_seq(side.space() | LATE, &side.group, 0)?.is_some();
            side.in_order(way, limit, has_late, &mut by_position)?;
            if has_late {
                side.late(way, limit, &mut by_position)?;
            }
        }
        let surplus = by_position.len().saturating_sub(limit);
        let entries = by_position.into_values();
        Ok(match way {
            Way::Older(_) => entries.skip(surplus).collect(),
            Way::Newer(_) => entries.take(limit).collect(),
        })
    }
}

/// The messages of one author in a conversation.
struct Side<'a> {
    rows: &'a dyn Rows,
    group: [u8; 16],
    mine: bool,
}

type Found = BTreeMap<(u64, bool, u64), Entry>;

impl Side<'_> {
    fn space(&self) -> u8 {
        if self.mine { Space::Sent as u8 } else { Space::Received as u8 }
    }

    fn entry(&self, seq: u64) -> Result<Option<Entry>, StoreFault> {
        let value = self.rows.row(&RawKey { space: self.space(), group: self.group, seq })?;
        let message = value.and_then(|value| StoredMessage::decode(&value));
        Ok(message.map(|message| Entry { mine: self.mine, seq, message }))
    }

    fn is_late(&self, position: u64) -> Result<bool, StoreFault> {
        let key = RawKey { space: self.space() | LATE, group: self.group, seq: position };
        Ok(self.rows.row(&key)?.is_some())
    }

    /// The first row in `from..to` that came in order. Removed rows and runs of late ones are stepped over.
    fn next_in_order(&self, from: u64, to: u64, has_late: bool) -> Result<Option<Entry>, StoreFault> {
        let mut from = from;
        while let Some(seq) = self.rows.next_seq(self.space(), &self.group, from)?.filter(|seq| *seq < to) {
            if let Some(entry) = self.entry(seq)?
                && !(has_late && self.is_late(entry.message.position)?)
            {
                return Ok(Some(entry));
            }
            from = seq + 1;
        }
        Ok(None)
    }

    /// Rows whose positions ascend with their numbers: a binary search for the boundary, then a walk away from it.
    fn in_order(&self, way: Way, limit: usize, has_late: bool, out: &mut Found) -> Result<(), StoreFault> {
        let edge = match way {
            Way::Older(before) => before,
            Way::Newer(after) => after.saturating_add(1),
        };
        let Some(first) = self.rows.next_seq(self.space(), &self.group, 0)? else { return Ok(()) };
        let last = self.rows.prev_seq(self.space(), &self.group, u64::MAX)?.unwrap_or(first);
        // Everything in order below `low` lies before the edge, everything from `high` on does not.
        let (mut low, mut high) = (first, last.saturating_add(1));
        if edge == u64::MAX {
            low = high;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            match self.next_in_order(middle, high, has_late)? {
                Some(entry) if entry.message.position < edge => low = entry.seq + 1,
                _ => high = middle,
            }
        }
        let mut at = low;
        let mut taken = 0;
        while taken < limit {
            let seq = match way {
                Way::Older(_) => self.rows.prev_seq(self.space(), &self.group, at)?,
                Way::Newer(_) => self.rows.next_seq(self.space(), &self.group, at)?,
            };
            let Some(seq) = seq else { break };
            at = if matches!(way, Way::Older(_)) { seq } else { seq + 1 };
            if let Some(entry) = self.entry(seq)?
                && !entry.message.marks.hidden
                && way.takes(entry.message.position)
                && !(has_late && self.is_late(entry.message.position)?)
            {
                out.insert((entry.message.position, self.mine, seq), entry);
                taken += 1;
            }
        }
        Ok(())
    }

    /// Rows that came out of order, found through their index.
    fn late(&self, way: Way, limit: usize, out: &mut Found) -> Result<(), StoreFault> {
        let space = self.space() | LATE;
        let mut taken = 0;
        let mut at = match way {
            Way::Older(before) => before,
            Way::Newer(after) => after.saturating_add(1),
        };
        while taken < limit {
            let position = match way {
                Way::Older(_) => self.rows.prev_seq(space, &self.group, at)?,
                Way::Newer(_) => self.rows.next_seq(space, &self.group, at)?,
            };
            let Some(position) = position else { break };
            at = if matches!(way, Way::Older(_)) { position } else { position + 1 };
            let value = self.rows.row(&RawKey { space, group: self.group, seq: position })?;
            let seq = value.and_then(|value| Some(u64::from_be_bytes(value.as_slice().try_into().ok()?)));
            let Some(seq) = seq else { continue };
            // The row may have been removed or written anew since.
            if let Some(entry) = self.entry(seq)?.filter(|entry| is_shown_at(entry, position)) {
                out.insert((position, self.mine, seq), entry);
                taken += 1;
            }
        }
        Ok(())
    }
}

/// Whether the row is a message to show, and still the one at this position.
fn is_shown_at(entry: &Entry, position: u64) -> bool {
    entry.message.position == position && !entry.message.marks.hidden
}

/// Whether rows of this space are noted when they come out of order.
pub(super) fn is_message(space: Space) -> bool {
    matches!(space, Space::Sent | Space::Received)
}

/// Notes to write with a batch: one for each message row that has a lower number than one that is there already, or than one in the same
/// batch with a lower position. `has_later` tells whether a row with a higher number is there.
pub(super) fn late_rows<'a>(
    ops: impl Iterator<Item = &'a Op>,
    mut has_later: impl FnMut(&Key) -> Result<bool, StoreFault>,
) -> Result<Vec<(RawKey, Value)>, StoreFault> {
    let puts: BTreeMap<Key, u64> = ops
        .filter_map(|op| match op {
            Op::Put(key, value) if is_message(key.space) => {
                StoredMessage::decode(value).map(|message| (*key, message.position))
            }
            _ => None,
        })
        .collect();
    let mut late = Vec::new();
    let mut lowest: Option<(Key, u64)> = None;
    for (key, position) in puts.iter().rev() {
        let below = lowest.filter(|(later, _)| (later.space, later.group) == (key.space, key.group));
        if below.is_some_and(|(_, lowest)| *position > lowest) || has_later(key)? {
            let note = RawKey { space: key.space as u8 | LATE, group: key.group, seq: *position };
            late.push((note, Value::new(key.seq.to_be_bytes().to_vec())));
        }
        lowest = Some((*key, below.map_or(*position, |(_, lowest)| lowest.min(*position))));
    }
    Ok(late)
}
