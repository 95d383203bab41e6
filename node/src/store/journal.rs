//! The write-ahead journal: what was committed since sled was made durable the last time, in one file that is written from its start
//! again and again.
//!
//! A flush of sled wakes all its threads and writes whole buffers, which costs several times what the disk itself needs. So a commit is
//! one record here and one `fdatasync`; sled gets the changes later, many at once and only the last of each key (see `table`).
//!
//! Record, at a multiple of 32 bytes: generation 8 ∥ length of the body 4 ∥ zeros 4 ∥ keyed BLAKE3 of generation, place, length and body 16 ∥
//! body. Body: for each change the on-disk key 27 ∥ length 4 (all ones: removed) ∥ sealed value. Numbers are little endian. The generation
//! grows by one whenever sled has taken everything over; the store's own note in sled tells which one counts, so older records, which lie
//! behind the newer ones, are never taken for newer ones.

use super::disk::{self, Disk};
use super::sealed::DISK_KEY;
use ::sled::IVec;
use std::fs::File;
use std::io;
use std::path::Path;
use zeroize::{Zeroize as _, Zeroizing};

/// Name of the file inside a store's directory.
pub(super) const FILE: &str = "journal";
/// The file grows by so many bytes of zeros at a time: overwriting is cheaper to sync than appending.
const GROW: u64 = 256 << 10;
const ALIGN: u64 = 32;
const HEADER: usize = 32;
const REMOVED: u32 = u32::MAX;

/// A record of the table, put (sealed) or removed.
pub(super) struct Change {
    pub(super) key: [u8; DISK_KEY],
    pub(super) value: Option<IVec>,
}

/// Why a journal can not be used.
#[derive(Debug)]
pub(super) enum Fault {
    /// It lost records that were durable, and why that is known.
    Damaged(&'static str),
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// See the module.
pub(super) struct Journal {
    file: File,
    key: Zeroizing<[u8; 32]>,
    generation: u64,
    /// Where the next record goes.
    end: u64,
    /// Bytes the file has.
    length: u64,
    disk: Disk,
}

impl Journal {
    /// Makes an empty journal in `dir`, replacing one that is there. Durable as soon as the directory is synced.
    pub(super) fn create(dir: &Path, disk: &Disk) -> io::Result<()> {
        let path = dir.join(FILE);
        disk::remove_if_there(&path)?;
        drop(disk::private_file().write(true).create_new(true).open(&path)?);
        disk.sync_file(&path)
    }

    /// Opens the journal in `dir` and returns what was committed in `generation`, in order. From here on all of that is durable.
    pub(super) fn open(
        dir: &Path,
        key: Zeroizing<[u8; 32]>,
        generation: u64,
        disk: &Disk,
    ) -> Result<(Self, Vec<Change>), Fault> {
        let path = dir.join(FILE);
        let content = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Fault::Damaged("its journal is gone"));
            }
            content => content?,
        };
        let file = disk::private_file().read(true).write(true).open(&path)?;
        // What a killed process wrote without a sync is about to be taken for durable.
        disk.sync_data(&file)?;
        let length = content.len() as u64;
        let mut journal = Self { file, key, generation, end: 0, length, disk: disk.clone() };
        let mut changes = Vec::new();
        while let Some((found, body, end)) = journal.record(&content, journal.end) {
            if found > generation {
                return Err(Fault::Damaged("its records are older than its journal"));
            }

            parse(body, &mut changes).ok_or(Fault::Damaged("its journal can not be read"))?;
            journal.end = end;
        }
        // Each record is durable before the next one is written, so only the last can be torn.
        let mut places = (journal.end..length).step_by(ALIGN as usize);
        if places.any(|at| journal.record(&content, at).is_some_and(|(found, ..)| found == generation)) {
            return Err(Fault::Damaged("its journal is damaged"));
        }
        Ok((journal, changes))
    }

    /// Generation and body of the whole record at `at`, if it is not older than this generation, and where the next one begins.
    fn record<'a>(&self, content: &'a [u8], at: u64) -> Option<(u64, &'a [u8], u64)> {
        let rest = content.get(usize::try_from(at).ok()?..)?;
        let (header, rest) = rest.split_first_chunk::<HEADER>()?;
        let (generation, header) = header.split_first_chunk::<8>()?;
        let (length, header) = header.split_first_chunk::<4>()?;
        let generation = u64::from_le_bytes(*generation);
        if generation < self.generation {
            return None;
        }
        let body = rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        let found: &[u8; 16] = header.last_chunk()?;
        (*found == self.mac(generation, at, body)).then(|| (generation, body, after(at, body.len())))
    }

    fn mac(&self, generation: u64, at: u64, body: &[u8]) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&generation.to_le_bytes());
        hasher.update(&at.to_le_bytes());
        hasher.update(&(body.len() as u64).to_le_bytes());
        hasher.update(body);
        let mut out = [0; 16];
        hasher.finalize_xof().fill(&mut out);
        // It holds the key.
        hasher.zeroize();
        out
    }

    /// Makes `changes` durable, together or not at all. After an error it is unknown whether they are, and the journal must not be used
    /// any more.
    pub(super) fn append(&mut self, changes: &[Change]) -> io::Result<()> {
        let bytes = changes.iter().map(|change| DISK_KEY + 4 + change.value.as_ref().map_or(0, |v| v.len()));
        let mut record = Vec::with_capacity(HEADER + bytes.sum::<usize>());
        record.resize(HEADER, 0);
        for change in changes {
            record.extend_from_slice(&change.key);
            let length = match &change.value {
                Some(value) => u32::try_from(value.len()).map_err(|_| too_long())?,
                None => REMOVED,
            };
            record.extend_from_slice(&length.to_le_bytes());
            record.extend_from_slice(change.value.as_deref().unwrap_or_default());
        }
        let length = u32::try_from(record.len() - HEADER).map_err(|_| too_long())?;
        let mac = self.mac(self.generation, self.end, &record[HEADER..]);
        record[..8].copy_from_slice(&self.generation.to_le_bytes());
        record[8..12].copy_from_slice(&length.to_le_bytes());
        record[16..HEADER].copy_from_slice(&mac);
        let end = after(self.end, record.len() - HEADER);
        if end > self.length {
            self.length = end.next_multiple_of(GROW);
            record.resize(usize::try_from(self.length - self.end).map_err(|_| too_long())?, 0);
        }
        write_at(&self.file, &record, self.end)?;
        self.disk.sync_data(&self.file)?;
        self.end = end;
        Ok(())
    }

    /// Bytes of the records of this generation.
    pub(super) fn bytes(&self) -> u64 {
        self.end
    }

    /// The generation after this one.
    pub(super) fn next_generation(&self) -> u64 {
        self.generation + 1
    }

    /// Begins the next generation at the start of the file. Everything so far, and the number of the new generation, must be durable
    /// elsewhere.
    pub(super) fn restart(&mut self) {
        self.generation = self.next_generation();
        self.end = 0;
    }
}

/// Where the record after the one at `at` begins.
fn after(at: u64, body: usize) -> u64 {
    (at + HEADER as u64 + body as u64).next_multiple_of(ALIGN)
}

fn parse(body: &[u8], changes: &mut Vec<Change>) -> Option<()> {
    let mut rest = body;
    while !rest.is_empty() {
        let (key, after) = rest.split_first_chunk::<DISK_KEY>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let (value, after) = match u32::from_le_bytes(*length) {
            REMOVED => (None, after),
            length => {
                let (value, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
                (Some(IVec::from(value)), after)
            }
        };
        changes.push(Change { key: *key, value });
        rest = after;
    }
    Some(())
}

fn too_long() -> io::Error {
    io::Error::other("a commit is too long for the journal")
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(not(unix))]
fn write_at(mut file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    use std::io::{Seek as _, Write as _};
    file.seek(io::SeekFrom::Start(at))?;
    file.write_all(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn change(n: u8, length: usize) -> Change {
        Change { key: [n; DISK_KEY], value: (length > 0).then(|| IVec::from(vec![n; length])) }
    }

    fn open(dir: &Path, generation: u64) -> Result<(Journal, Vec<(u8, usize)>), Fault> {
        let (journal, changes) = Journal::open(dir, Zeroizing::new(KEY), generation, &Disk::default())?;
        let seen = |change: &Change| (change.key[0], change.value.as_ref().map_or(0, |value| value.len()));
        Ok((journal, changes.iter().map(seen).collect()))
    }

    fn made() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        Journal::create(dir.path(), &Disk::default()).unwrap();
        dir
    }

    #[test]
    fn what_was_appended_comes_back_in_order_and_goes_on() {
        let dir = made();
        let (mut journal, changes) = open(dir.path(), 1).unwrap();
        assert!(changes.is_empty());
        journal.append(&[change(1, 100), change(2, 0)]).unwrap();
        journal.append(&[change(3, 300_000)]).unwrap();
        let (mut journal, changes) = open(dir.path(), 1).unwrap();
        assert_eq!(changes, [(1, 100), (2, 0), (3, 300_000)]);
        journal.append(&[change(4, 1)]).unwrap();
        assert_eq!(open(dir.path(), 1).unwrap().1, [(1, 100), (2, 0), (3, 300_000), (4, 1)]);
    }

    #[test]
    fn records_of_another_generation_do_not_count() {
        let dir = made();
        let (mut journal, _) = open(dir.path(), 1).unwrap();
        for n in 1..=5 {
            journal.append(&[change(n, 64)]).unwrap();
        }
        assert!(open(dir.path(), 2).unwrap().1.is_empty(), "taken over, nothing since");
        journal.restart();
        journal.append(&[change(9, 64)]).unwrap();
        assert_eq!(open(dir.path(), 2).unwrap().1, [(9, 64)]);
        assert!(matches!(open(dir.path(), 1), Err(Fault::Damaged("its records are older than its journal"))));
    }

    #[test]
    fn a_torn_end_is_as_if_it_had_not_been_written_and_what_follows_it_counts() {
        let dir = made();
        let path = dir.path().join(FILE);
        let (mut journal, _) = open(dir.path(), 1).unwrap();
        journal.append(&[change(1, 1_000)]).unwrap();
        let before = usize::try_from(journal.bytes()).unwrap();
        journal.append(&[change(2, 1_000)]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for lost in [before..before + 1, before + 40..before + 41, before..before + 600] {
            let mut torn = whole.clone();
            torn[lost].fill(0xee);
            std::fs::write(&path, torn).unwrap();
            let (mut journal, changes) = open(dir.path(), 1).unwrap();
            assert_eq!(changes, [(1, 1_000)]);
            journal.append(&[change(3, 10)]).unwrap();
            assert_eq!(open(dir.path(), 1).unwrap().1, [(1, 1_000), (3, 10)]);
        }
        std::fs::write(&path, &whole[..before + 20]).unwrap();
        assert_eq!(open(dir.path(), 1).unwrap().1, [(1, 1_000)]);
    }

    #[test]
    fn a_record_that_was_durable_and_can_not_be_read_is_told() {
        let dir = made();
        let path = dir.path().join(FILE);
        let (mut journal, _) = open(dir.path(), 1).unwrap();
        journal.append(&[change(1, 1_000)]).unwrap();
        let last = usize::try_from(journal.bytes()).unwrap();
        journal.append(&[change(2, 1_000)]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in (0..last).step_by(97) {
            let mut rotten = whole.clone();
            rotten[at] ^= 1;
            std::fs::write(&path, rotten).unwrap();
            // The padding behind a record is not part of it.
            let padding = at >= HEADER + DISK_KEY + 4 + 1_000 || (12..16).contains(&at);
            assert_eq!(open(dir.path(), 1).is_err(), !padding, "byte {at}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(open(dir.path(), 1), Err(Fault::Damaged("its journal is gone"))));
    }

    #[test]
    fn records_under_another_key_or_at_another_place_are_none() {
        let dir = made();
        let path = dir.path().join(FILE);
        let (mut journal, _) = open(dir.path(), 1).unwrap();
        journal.append(&[change(1, 33)]).unwrap();
        let (_, changes) = Journal::open(dir.path(), Zeroizing::new([8; 32]), 1, &Disk::default()).unwrap();
        assert!(changes.is_empty());
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [vec![0; 32], whole].concat()).unwrap();
        assert!(open(dir.path(), 1).unwrap().1.is_empty());
    }
}
