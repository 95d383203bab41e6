//! The content of a closed segment in a small file beside it, so that a start reads it instead of every cell.
//!
//! `KARVIDX1` 8 ∥ marker 8 ∥ length of the segment 8 ∥ number of cells 4 ∥ number of removals 4, then cells (mailbox 16 ∥ seq 8 ∥ prefix 8 ∥
//! hash 16 ∥ class and expiry 8 ∥ offset 4), removals (mailbox 16 ∥ seq 8 ∥ segment 4), and CRC-32C of all before 4; big endian. It is a
//! copy of what the segment says: one that is missing, damaged or of another file is passed over, and the segment is read.

use super::frame::Marker;
use super::index::{Index, SegmentId, Slot};
use crate::store::disk::{self, Disk};
use karvon_protocol::ids::MailboxId;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

const MAGIC: &[u8; 8] = b"KARVIDX1";
const HEAD: usize = 32;
const CELL: usize = 60;
const DROP: usize = 28;
/// Most bytes of a snapshot: of a segment of the longest length, full of removals.
const BYTES_MAX: u64 = 512 << 20;

/// A removal that a segment records: of which cell, and which segment held it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Removal {
    pub(super) mailbox: MailboxId,
    pub(super) seq: u64,
    pub(super) held_in: SegmentId,
}

/// What a snapshot says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Snapshot {
    pub(super) marker: Marker,
    pub(super) cells: Vec<(MailboxId, u64, Slot)>,
    pub(super) removals: Vec<Removal>,
}

impl Snapshot {
    /// What `index` says of segment `id`, with the removals that the segment records.
    pub(super) fn of(index: &Index, id: SegmentId, marker: Marker, removals: Vec<Removal>) -> Self {
        let here = index.cells.iter().filter(|(_, slot)| slot.segment == id);
        let cells = here.map(|((mailbox, seq), slot)| (*mailbox, *seq, *slot)).collect();
        Self { marker, cells, removals }
    }

    fn encode(&self, segment_bytes: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD + self.cells.len() * CELL + self.removals.len() * DROP + 4);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.marker);
        out.extend_from_slice(&segment_bytes.to_be_bytes());
        out.extend_from_slice(&u32::try_from(self.cells.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(&u32::try_from(self.removals.len()).unwrap_or(u32::MAX).to_be_bytes());
        for (mailbox, seq, slot) in &self.cells {
            out.extend_from_slice(&mailbox.0);
            out.extend_from_slice(&seq.to_be_bytes());
            out.extend_from_slice(&slot.pack());
        }
        for removal in &self.removals {
            out.extend_from_slice(&removal.mailbox.0);
            out.extend_from_slice(&removal.seq.to_be_bytes());
            out.extend_from_slice(&removal.held_in.to_be_bytes());
        }
        let checksum = crc32c::crc32c(&out);
        out.extend_from_slice(&checksum.to_be_bytes());
        out
    }

    fn decode(bytes: &[u8], id: SegmentId, segment_bytes: u64) -> Option<Self> {
        let (covered, checksum) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(covered) != u32::from_be_bytes(*checksum) {
            return None;
        }
        let rest = covered.strip_prefix(MAGIC)?;
        let (marker, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        if u64::from_be_bytes(*length) != segment_bytes {
            return None;
        }
        let (cells, rest) = rest.split_first_chunk::<4>()?;
        let (removals, rest) = rest.split_first_chunk::<4>()?;
        let split = usize::try_from(u32::from_be_bytes(*cells)).ok()?.checked_mul(CELL)?;
        let (cells, drops) = rest.split_at_checked(split)?;
        if drops.len() != usize::try_from(u32::from_be_bytes(*removals)).ok()?.checked_mul(DROP)? {
            return None;
        }
        let key = |bytes: &[u8]| {
            let (mailbox, rest) = bytes.split_first_chunk::<16>()?;
            let (seq, _) = rest.split_first_chunk::<8>()?;
            Some((MailboxId(*mailbox), u64::from_be_bytes(*seq)))
        };
        let cell = |bytes: &[u8; CELL]| {
            let (mailbox, seq) = key(bytes)?;
            Some((mailbox, seq, Slot::unpack(bytes.last_chunk()?, id)))
        };
        let removal = |bytes: &[u8; DROP]| {
            let (mailbox, seq) = key(bytes)?;
            Some(Removal { mailbox, seq, held_in: SegmentId::from_be_bytes(*bytes.last_chunk()?) })
        };
        Some(Self {
            marker: *marker,
            cells: cells.as_chunks::<CELL>().0.iter().map(cell).collect::<Option<_>>()?,
            removals: drops.as_chunks::<DROP>().0.iter().map(removal).collect::<Option<_>>()?,
        })
    }

    /// Writes it beside the segment at `path`.
    pub(super) fn write(&self, path: &Path, segment_bytes: u64, disk: &Disk) -> io::Result<()> {
        let part = path.with_extension("idx.part");
        let mut file = disk::private_file().write(true).create(true).truncate(true).open(&part)?;
        file.write_all(&self.encode(segment_bytes))?;
        disk.sync_data(&file)?;
        std::fs::rename(part, path.with_extension("idx"))
    }

    /// The one beside the segment `id` at `path`, if it speaks of this very file.
    pub(super) fn read(path: &Path, id: SegmentId, segment_bytes: u64) -> Option<Self> {
        let file = std::fs::File::open(path.with_extension("idx")).ok()?;
        let mut bytes = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
        let snapshot = Self::decode(&bytes, id, segment_bytes)?;
        // A file of the same length that was put in its place has another marker.
        let mut head = [0; super::frame::FILE_HEAD];
        std::fs::File::open(path).ok()?.read_exact(&mut head).ok()?;
        (head == super::frame::file_head(&snapshot.marker)).then_some(snapshot)
    }
}

/// Removes the snapshot beside a segment, if there is one.
pub(super) fn remove(path: &Path) {
    // What stays behind speaks of a file that is gone, and is passed over.
    let _ = std::fs::remove_file(path.with_extension("idx"));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sample() -> Snapshot {
        let slot = |offset| {
            Slot::unpack(&[[7; 32].as_slice(), &u32::to_be_bytes(offset)].concat().try_into().unwrap(), 9)
        };
        Snapshot {
            marker: *b"markmark",
            cells: vec![(MailboxId([1; 16]), 2, slot(20)), (MailboxId([3; 16]), 4, slot(2_117))],
            removals: vec![Removal { mailbox: MailboxId([5; 16]), seq: 6, held_in: 8 }],
        }
    }

    #[test]
    fn a_snapshot_is_read_as_it_was_written_and_never_of_another_file() {
        let bytes = sample().encode(5_000);
        assert_eq!(Snapshot::decode(&bytes, 9, 5_000), Some(sample()));
        assert_eq!(Snapshot::decode(&bytes, 9, 5_001), None, "the segment has grown");
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert_eq!(Snapshot::decode(&flipped, 9, 5_000), None, "byte {at}");
            assert_eq!(Snapshot::decode(&bytes[..at], 9, 5_000), None, "cut at {at}");
        }
    }
}
