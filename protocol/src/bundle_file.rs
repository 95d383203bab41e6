//! The bundle file: sealed cells that travel on a stick, a telephone or a bus (SPEC §8).
//!
//! Whoever carries it sees how many cells of which size are in it, their one-time tags, and until which day they are to be carried.

use crate::cell::{Cell, Class};
use crate::error::PeerFault;

/// What every bundle file begins with.
pub const MAGIC: [u8; 8] = *b"KARVON-B";
/// The version that this code writes and reads.
pub const VERSION: u8 = 1;
/// Largest bundle file, bytes.
pub const FILE_BYTES_MAX: usize = 64 << 20;
/// A cell is carried for so many days after it was first put into a file.
pub const CARRY_DAYS: u32 = 30;

/// Magic, version, count.
const HEAD_BYTES: usize = 8 + 1 + 4;
/// BLAKE3 over everything before it.
const HASH_BYTES: usize = 32;
/// The size of a file is a multiple of this, or of an eighth of the power of two below it where that is more.
const STEP_BYTES: usize = 64 << 10;
const DAY_BYTES: usize = 4;

/// A cell in a bundle file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// The sealed cell.
    pub cell: Cell,
    /// Last day on which it is carried, days since 1970.
    pub until_day: u32,
}

/// Bytes that a cell of this class takes in a file.
#[must_use]
pub const fn entry_bytes(class: Class) -> usize {
    DAY_BYTES + class.bytes()
}

/// Bytes of a file with entries of so many bytes in all: it tells the size of its content in coarse steps only.
#[must_use]
pub fn padded(entries: usize) -> usize {
    let whole = HEAD_BYTES + entries + HASH_BYTES;
    let step = STEP_BYTES.max((1 << whole.ilog2()) / 8);
    whole.div_ceil(step) * step
}

/// A file with these cells. They are sorted by their bytes, and one that is in twice is written once, until the later of its days.
///
/// # Errors
/// [`PeerFault::Bound`] if the file would be larger than [`FILE_BYTES_MAX`].
pub fn encode(mut cells: Vec<Carried>) -> Result<Vec<u8>, PeerFault> {
    cells.sort_unstable_by(|a, b| (a.cell.bytes(), b.until_day).cmp(&(b.cell.bytes(), a.until_day)));
    cells.dedup_by(|later, kept| later.cell == kept.cell);
    let entries: usize = cells.iter().map(|carried| entry_bytes(carried.cell.class())).sum();
    let size = padded(entries);
    let count = u32::try_from(cells.len()).map_err(|_| PeerFault::Bound)?;
    if size > FILE_BYTES_MAX {
        return Err(PeerFault::Bound);
    }
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(&MAGIC);
    out.push(VERSION);
    out.extend_from_slice(&count.to_be_bytes());
    for carried in &cells {
        out.extend_from_slice(&carried.until_day.to_be_bytes());
        out.extend_from_slice(carried.cell.bytes());
    }
    out.resize(size - HASH_BYTES, 0);
    let hash = blake3::hash(&out);
    out.extend_from_slice(hash.as_bytes());
    Ok(out)
}

/// The cells of a file.
///
/// # Errors
/// [`PeerFault::Malformed`] if this is no bundle file, [`PeerFault::Version`] if a newer version wrote it, [`PeerFault::Length`] if it is cut off or
/// too large, [`PeerFault::Mismatch`] if it was damaged on its way, [`PeerFault::NotCanonical`] or
/// [`PeerFault::Padding`] if another program made it otherwise, and what [`Cell::parse`] says.
pub fn decode(file: &[u8]) -> Result<Vec<Carried>, PeerFault> {
    let rest = file.strip_prefix(&MAGIC).ok_or(PeerFault::Malformed)?;
    if *rest.first().ok_or(PeerFault::Length)? != VERSION {
        return Err(PeerFault::Version);
    }
    if file.len() > FILE_BYTES_MAX {
        return Err(PeerFault::Length);
    }
    let (content, hash) = file.split_last_chunk::<HASH_BYTES>().ok_or(PeerFault::Length)?;
    if blake3::hash(content) != *hash {
        return Err(PeerFault::Mismatch);
    }
    let (count, mut rest) =
        content.get(MAGIC.len() + 1..).and_then(<[u8]>::split_first_chunk).ok_or(PeerFault::Length)?;
    let mut out: Vec<Carried> = Vec::new();
    let mut entries = 0;
    for _ in 0..u32::from_be_bytes(*count) {
        let (day, from_cell) = rest.split_first_chunk().ok_or(PeerFault::Length)?;
        let class = from_cell.first().and_then(|head| Class::from_number(head & 0x0f));
        let length = class.ok_or(PeerFault::Malformed)?.bytes();
        let (cell, after) = from_cell.split_at_checked(length).ok_or(PeerFault::Length)?;
        let cell = Cell::parse(cell.to_vec())?;
        if out.last().is_some_and(|last| last.cell.bytes() >= cell.bytes()) {
            return Err(PeerFault::NotCanonical);
        }
        entries += DAY_BYTES + length;
        out.push(Carried { cell, until_day: u32::from_be_bytes(*day) });
        rest = after;
    }
    if padded(entries) != file.len() || rest.iter().any(|byte| *byte != 0) {
        return Err(PeerFault::Padding);
    }
    Ok(out)
}

#[cfg(test)]
#[path = "bundle_file_tests.rs"]
mod tests;
