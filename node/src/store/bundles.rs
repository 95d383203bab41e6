//! Bundle files on disk (SPEC §8).

use super::disk::write_whole;
use crate::api::ApiError;
use crate::api::error::{CLOSED, IO};
use crate::clock::{Clock as _, SystemClock};
use karvon_protocol::bundle_file::{self, Carried as Cells, FILE_BYTES_MAX};
use karvon_protocol::cell::Class;
use karvon_protocol::error::PeerFault;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

const NO_ROOM: &str = "there is no room for the bundle file: nothing was written, and nothing is lost";

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

fn not_written(error: &io::Error) -> ApiError {
    match error.kind() {
        io::ErrorKind::StorageFull => ApiError::new("disk_full", NO_ROOM),
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
    write_whole(path, &file).map_err(|error| not_written(&error))?;
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
