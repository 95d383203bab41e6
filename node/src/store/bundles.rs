//! Bundle files on disk, and the file with the cells that are carried for others (SPEC §8).

use super::disk::write_whole;
use super::wipe::CARRIED;
use crate::api::ApiError;
use crate::api::error::{CLOSED, IO};
use crate::clock::{Clock as _, SystemClock};
use karvon_protocol::bundle_file::{self, CARRY_DAYS, Carried as Cells, FILE_BYTES_MAX, entry_bytes};
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::error::PeerFault;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

const NO_ROOM: &str = "there is no room for the bundle file: nothing was written, and nothing is lost";
/// What was for this person has been taken by then.
const NO_ROOM_TO_CARRY: &str = "what was for you has been taken, but there is no room for what the file holds for others: keep the file, make room and import it again";

/// Cells of others, in a file of the same form.
#[derive(Debug)]
pub(crate) struct Carried {
    path: PathBuf,
    room: usize,
}

impl Carried {
    pub(crate) fn at(data_dir: &Path, room: usize) -> Self {
        Self { path: data_dir.join(CARRIED), room }
    }

    /// Those whose time is not over. A file that is damaged is begun anew: it holds nothing of this person's. One that can not be read now
    /// may be whole, and is an error.
    pub(crate) fn read(&self, today: u32) -> Result<Vec<Cells>, ApiError> {
        let file = match read_bounded(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                let text = format!("the cells carried for others can not be read: {error}");
                return Err(ApiError::new(IO, text));
            }
        };
        let cells = bundle_file::decode(&file).unwrap_or_else(|fault| {
            tracing::warn!(%fault, "the cells carried for others are damaged");
            Vec::new()
        });
        Ok(cells.into_iter().filter(|carried| carried.until_day >= today).collect())
    }

    /// Takes more. Those that are carried for the longest time yet stay if there is no room for all. Returns how many of the given ones are
    /// carried now, were carried before, and are not.
    pub(crate) fn take(&self, more: Vec<Cells>, today: u32) -> Result<[u64; 3], ApiError> {
        // Whoever wrote the file may have set another limit, or has a wrong clock.
        let mut cells: BTreeMap<Vec<u8>, u32> =
            self.read(today)?.into_iter().map(|old| (old.cell.bytes().to_vec(), old.until_day)).collect();
        let (mut known, mut dropped, mut new) = (0, 0, BTreeSet::new());
        for carried in more {
            match cells.entry(carried.cell.bytes().to_vec()) {
                Entry::Occupied(_) => known += 1,
                Entry::Vacant(_) if carried.until_day < today => dropped += 1,
                Entry::Vacant(place) => {
                    new.insert(place.key().clone());
                    place.insert(carried.until_day.min(today.saturating_add(CARRY_DAYS)));
                }
            }
        }
        let mut longest: Vec<_> = cells.into_iter().collect();
        longest.sort_by_key(|(_, until_day)| Reverse(*until_day));
        let (mut room, mut kept, mut taken) = (self.room, Vec::new(), 0);
        for (bytes, until_day) in longest {
            let is_new = new.contains(&bytes);
            let Ok(cell) = Cell::parse(bytes) else { continue };
            if let Some(left) = room.checked_sub(entry_bytes(cell.class())) {
                room = left;
                taken += u64::from(is_new);
                kept.push(Cells { cell, until_day });
            }
        }
        dropped += new.len() as u64 - taken;
        let file =
            bundle_file::encode(kept).map_err(|_| ApiError::new(IO, "too much is carried for others"))?;
        write_whole(&self.path, &file).map_err(|error| not_written(&error, NO_ROOM_TO_CARRY))?;
        Ok([taken, known, dropped])
    }
}

/// Today, days since 1970.
pub(crate) fn today() -> u32 {
    u32::try_from(SystemClock::new().now().wall_ms / 86_400_000).unwrap_or(u32::MAX)
}

/// What can be told of a bundle file without the keys of anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// Cells of each class, the smallest first, with the bytes of one.
    pub cells: Vec<(usize, u64)>,
    /// Days, from 1970 on, until which the first and the last of them are carried.
    pub until: Option<(u32, u32)>,
    /// Size of the file, bytes.
    pub bytes: u64,
}

/// Looks into a bundle file.
///
/// # Errors
/// `not_a_bundle`, `bundle_damaged`, `bundle_newer`, or what the disk says.
pub fn inspect(path: &Path) -> Result<Inspected, ApiError> {
    let file = read_bounded(path).map_err(|error| ApiError::new(IO, error.to_string()))?;
    let cells = bundle_file::decode(&file).map_err(unreadable)?;
    let count = |class: Class| cells.iter().filter(|carried| carried.cell.class() == class).count() as u64;
    let days = || cells.iter().map(|carried| carried.until_day);
    Ok(Inspected {
        cells: Class::ALL.map(|class| (class.bytes(), count(class))).to_vec(),
        until: days().min().zip(days().max()),
        bytes: file.len() as u64,
    })
}

fn unreadable(fault: PeerFault) -> ApiError {
    let (code, text) = match fault {
        PeerFault::Malformed => ("not_a_bundle", "this is no bundle file of Karvon"),
        PeerFault::Version => {
            ("bundle_newer", "a newer Karvon wrote this bundle file: install that version to read it")
        }
        _ => (
            "bundle_damaged",
            "the bundle file was damaged or cut off on its way: nothing was taken from it; copy it again from where it came",
        ),
    };
    ApiError::new(code, text)
}

/// `full` is what to say when there is no room.
fn not_written(error: &io::Error, full: &'static str) -> ApiError {
    match error.kind() {
        io::ErrorKind::StorageFull => ApiError::new("disk_full", full),
        _ => ApiError::new(IO, error.to_string()),
    }
}

/// Reads a file of which no more than the largest bundle file is believed.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut out)?;
    Ok(out)
}

/// The cells of a bundle file.
pub(crate) fn read(path: &Path) -> Result<Vec<Cells>, ApiError> {
    let file = read_bounded(path).map_err(|error| ApiError::new(IO, error.to_string()))?;
    bundle_file::decode(&file).map_err(unreadable)
}

/// Writes a bundle file; it appears whole or not at all. Returns its size.
pub(crate) fn write(path: &Path, cells: Vec<Cells>) -> Result<u64, ApiError> {
    let file = bundle_file::encode(cells).map_err(|_| ApiError::new(IO, "too much for one file"))?;
    write_whole(path, &file).map_err(|error| not_written(&error, NO_ROOM))?;
    Ok(file.len() as u64)
}

/// Runs what blocks on a thread that may.
pub(crate) async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| ApiError::new(CLOSED, "the node has stopped: start it again"))?
}
