//! Where each stored cell lies: kept in memory, about 90 bytes a cell, and rebuilt from the segment files at each start.

use super::frame::{HEAD, Marker};
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::core::CellIndex;
use karvon_protocol::ids::MailboxId;
use std::collections::BTreeMap;

/// Number of a segment: hours since 1970 in the upper 24 bits, a counter within the hour in the lower 8.
pub(super) type SegmentId = u32;

const EXPIRY_MAX: u64 = (1 << 62) - 1;

/// A cell's place and what the relay's index knows of it, packed: relays hold a million of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    prefix: [u8; 8],
    hash: [u8; 16],
    /// Size class in the upper two bits.
    expiry: u64,
    pub(super) segment: SegmentId,
    pub(super) offset: u32,
}

impl Slot {
    pub(super) fn new(cell: &Cell, expiry_s: u64, segment: SegmentId, offset: u32) -> Self {
        let expiry = expiry_s.min(EXPIRY_MAX) | (cell.class() as u64) << 62;
        Self { prefix: cell.tag().prefix().0, hash: cell.hash().0, expiry, segment, offset }
    }

    pub(super) fn expiry_s(&self) -> u64 {
        self.expiry & EXPIRY_MAX
    }

    /// Length of the cell.
    pub(super) fn cell_bytes(&self) -> usize {
        Class::from_number((self.expiry >> 62) as u8).unwrap_or(Class::S).bytes()
    }

    fn frame_bytes(&self) -> u64 {
        (HEAD + self.cell_bytes()) as u64
    }

    /// Everything but the segment: prefix 8 ∥ hash 16 ∥ class and expiry 8 ∥ offset 4.
    pub(super) fn pack(&self) -> [u8; 36] {
        let mut out = [0; 36];
        out[..8].copy_from_slice(&self.prefix);
        out[8..24].copy_from_slice(&self.hash);
        out[24..32].copy_from_slice(&self.expiry.to_be_bytes());
        out[32..].copy_from_slice(&self.offset.to_be_bytes());
        out
    }

    pub(super) fn unpack(bytes: &[u8; 36], segment: SegmentId) -> Self {
        let (mut prefix, mut hash, mut expiry, mut offset) = ([0; 8], [0; 16], [0; 8], [0; 4]);
        prefix.copy_from_slice(&bytes[..8]);
        hash.copy_from_slice(&bytes[8..24]);
        expiry.copy_from_slice(&bytes[24..32]);
        offset.copy_from_slice(&bytes[32..]);
        Self { prefix, hash, expiry: u64::from_be_bytes(expiry), segment, offset: u32::from_be_bytes(offset) }
    }

    pub(super) fn info(&self) -> CellIndex {
        let class = (self.expiry >> 62) as u8;
        CellIndex { prefix: self.prefix, hash: self.hash, class, expiry_s: self.expiry_s() }
    }
}

/// What is known of a segment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct FileInfo {
    pub(super) marker: Marker,
    /// Length of the file.
    pub(super) bytes: u64,
    /// Cells that were not dropped.
    pub(super) cells: u64,
    /// Bytes of their frames.
    pub(super) cell_bytes: u64,
    /// Latest expiry of any cell that was ever in it.
    pub(super) expiry_s: u64,
    /// Removals it records.
    pub(super) drops: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Index {
    pub(super) cells: BTreeMap<(MailboxId, u64), Slot>,
    pub(super) files: BTreeMap<SegmentId, FileInfo>,
}

impl Index {
    /// Notes a cell; one with the same number that was there before is forgotten.
    pub(super) fn insert(&mut self, mailbox: MailboxId, seq: u64, slot: Slot) {
        if let Some(old) = self.cells.insert((mailbox, seq), slot) {
            self.forget(&old);
        }
        let file = self.files.entry(slot.segment).or_default();
        file.cells += 1;
        file.cell_bytes += slot.frame_bytes();
        file.expiry_s = file.expiry_s.max(slot.expiry_s());
    }

    pub(super) fn remove(&mut self, mailbox: MailboxId, seq: u64) -> Option<Slot> {
        let slot = self.cells.remove(&(mailbox, seq))?;
        self.forget(&slot);
        Some(slot)
    }

    /// Forgets a segment and every cell in it.
    pub(super) fn remove_file(&mut self, id: SegmentId) {
        if self.files.remove(&id).is_some_and(|file| file.cells > 0) {
            self.cells.retain(|_, slot| slot.segment != id);
        }
    }

    fn forget(&mut self, slot: &Slot) {
        if let Some(file) = self.files.get_mut(&slot.segment) {
            file.cells = file.cells.saturating_sub(1);
            file.cell_bytes = file.cell_bytes.saturating_sub(slot.frame_bytes());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_stays_small() {
        // With the filling of a BTreeMap's nodes this gives less than 100 bytes a cell.
        assert!(size_of::<((MailboxId, u64), Slot)>() <= 64);
    }
}
