//! Bundle files: sealed cells leave in one and come from one, and those of others are carried along (DESIGN N2, SPEC §8).

use super::backend::{Inner, closed};
use super::profile::fault;
use crate::api::error::{BAD_REQUEST, IO};
use crate::api::{ApiError, Response};
use crate::clock::{Clock as _, SystemClock};
use crate::store::disk::write_whole;
use crate::store::wipe::CARRIED;
use karvon_protocol::bundle_file::{self, CARRY_DAYS, Carried as Cells, FILE_BYTES_MAX, entry_bytes};
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::engine::api::{Command, ContactId, Reply};
use karvon_protocol::error::PeerFault;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of cells in one file at the most; what it has beside them, and its padding, fits into the rest.
const ROOM: usize = FILE_BYTES_MAX / 16 * 14;
/// Own texts that wait on disk are read in steps; after so many steps what is left goes with the next file.
const PACK_STEPS: usize = 512;
const PACK_PAUSE: Duration = Duration::from_millis(10);
/// Cells handed to the engine at once.
const AT_ONCE: usize = 64;

/// Cells of others, in a file of the same form.
#[derive(Debug)]
pub(super) struct Carried {
    path: PathBuf,
    room: usize,
}

impl Carried {
    pub(super) fn at(data_dir: &Path, room: usize) -> Self {
        Self { path: data_dir.join(CARRIED), room }
    }

    /// Those whose time is not over. A file that is damaged is begun anew: it holds nothing of this person's.
    fn read(&self, today: u32) -> Vec<Cells> {
        let cells = match read_bounded(&self.path).map(|file| bundle_file::decode(&file)) {
            Ok(Ok(cells)) => cells,
            Ok(Err(fault)) => {
                tracing::warn!(%fault, "the cells carried for others are damaged");
                Vec::new()
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(%error, "the cells carried for others can not be read");
                }
                Vec::new()
            }
        };
        cells.into_iter().filter(|carried| carried.until_day >= today).collect()
    }

    /// Takes more. Those that are carried for the longest time yet stay if there is no room for all. Returns how many of the given ones are
    /// carried now, were carried before, and are not.
    fn take(&self, more: Vec<Cells>, today: u32) -> Result<[u64; 3], ApiError> {
        // Whoever wrote the file may have set another limit, or has a wrong clock.
        let mut cells: BTreeMap<Vec<u8>, u32> =
            self.read(today).into_iter().map(|old| (old.cell.bytes().to_vec(), old.until_day)).collect();
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
        write_whole(&self.path, &file).map_err(|error| not_written(&error))?;
        Ok([taken, known, dropped])
    }
}

/// Today, days since 1970.
fn today() -> u32 {
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
    if error.kind() == io::ErrorKind::StorageFull {
        return ApiError::new(
            "disk_full",
            "there is no room for the bundle file: nothing was written, and nothing is lost",
        );
    }
    ApiError::new(IO, error.to_string())
}

/// Reads a file of which no more than the largest bundle file is believed.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut out)?;
    Ok(out)
}

fn absolute(path: &str) -> Result<PathBuf, ApiError> {
    let path = PathBuf::from(path);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(ApiError::new(BAD_REQUEST, "the path of a bundle file must be absolute"))
    }
}

/// Runs what blocks on a thread that may.
async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| closed())?
}

impl Inner {
    /// Answers [`crate::api::Request::ExportBundle`].
    pub(super) async fn export_bundle(
        &self,
        path: &str,
        only: Option<ContactId>,
    ) -> Result<Response, ApiError> {
        let path = absolute(path)?;
        let waiting = self.pack(only).await?;
        let Reply::Contacts(contacts) = self.command(Command::Contacts).await? else { return Err(closed()) };
        let contacts: Vec<_> = contacts
            .iter()
            .map(|contact| contact.id)
            .filter(|id| only.is_none_or(|only| only == *id))
            .collect();
        let history = self.history.clone();
        let carried = Arc::clone(&self.carried).lock_owned().await;
        elsewhere(move || {
            let today = today();
            let (mut room, mut left_out) = (ROOM, 0);
            let mut cells = Vec::new();
            for contact in contacts {
                let (rows, all) = history.under_way(contact, room).map_err(fault)?;
                left_out += u64::from(!all);
                for row in rows {
                    let Ok(cell) = Cell::parse(row.to_vec()) else { continue };
                    room = room.saturating_sub(entry_bytes(cell.class()));
                    cells.push(Cells { cell, until_day: today + CARRY_DAYS });
                }
            }
            let own = cells.len() as u64;
            if only.is_none() {
                for other in carried.read(today) {
                    if let Some(left) = room.checked_sub(entry_bytes(other.cell.class())) {
                        room = left;
                        cells.push(other);
                    }
                }
            }
            let all = cells.len() as u64;
            let file = bundle_file::encode(cells).map_err(|_| ApiError::new(IO, "too much for one file"))?;
            write_whole(&path, &file).map_err(|error| not_written(&error))?;
            Ok(Response::BundleWritten {
                own,
                carried: all - own,
                waiting,
                left_out,
                bytes: file.len() as u64,
            })
        })
        .await
    }

    /// Lets the engine seal what waits, until nothing more finds a place. Returns how many messages found none.
    async fn pack(&self, only: Option<ContactId>) -> Result<u64, ApiError> {
        let (mut waiting, mut stuck) = (u64::MAX, 0);
        for _ in 0..PACK_STEPS {
            let Reply::Packed { waiting: left } = self.command(Command::Pack(only)).await? else {
                return Err(closed());
            };
            stuck = if left < waiting { 0 } else { stuck + 1 };
            waiting = left;
            // A read of the next ones may be on its way.
            if left == 0 || stuck == 5 {
                break;
            }
            tokio::time::sleep(PACK_PAUSE).await;
        }
        Ok(waiting)
    }

    /// Answers [`crate::api::Request::ImportBundle`].
    pub(super) async fn import_bundle(&self, path: &str) -> Result<Response, ApiError> {
        let path = absolute(path)?;
        let cells = elsewhere(move || {
            let file = read_bounded(&path).map_err(|error| ApiError::new(IO, error.to_string()))?;
            bundle_file::decode(&file).map_err(unreadable)
        })
        .await?;
        let (mut opened, mut known, mut refused) = (0, 0, 0);
        let mut others = Vec::new();
        for some in cells.chunks(AT_ONCE) {
            let given = some.iter().map(|carried| carried.cell.clone()).collect();
            let Reply::Unpacked(done) = self.command(Command::Unpack(given)).await? else {
                return Err(closed());
            };
            opened += u64::from(done.opened);
            known += u64::from(done.known);
            refused += u64::from(done.refused);
            others.extend(done.foreign.iter().filter_map(|place| some.get(*place as usize)).cloned());
        }
        let keeper = Arc::clone(&self.carried).lock_owned().await;
        let [carried, carried_before, dropped] = elsewhere(move || keeper.take(others, today())).await?;
        Ok(Response::BundleTaken { opened, known, refused, carried, carried_before, dropped })
    }
}
