//! The store of shipped programs: sled for records, a journal before it, and segment files for a relay's cells.
//!
//! A commit is durable when the journal is (see `journal`); sled takes the changes over in larger steps. sled 0.34.7 writes its log with
//! `sync_file_range`, which survives a killed process but not a power cut. So each such step ends with an `fdatasync` of the log through a
//! handle of our own before the journal begins anew, and a new store counts as made only after its files and directories were synced.

use super::disk::{self, DirLock, Disk, Room};
use super::history::{Rows as _, late_rows};
use super::journal::{Change, Fault, Journal};
use super::keyring::{Ciphers, Family, Keyring};
use super::keystore::DataKey;
use super::opening::{Files, is_overgrown, open_sled};
use super::rows::{Note, Shared, fault, io_fault, read_note, write_note};
use super::sealed::{FORMAT, RawKey, Sealer, at, key_number, seq_and_chunk};
use super::segments::{SegmentHealth, SegmentStats, Segments};
use super::shredding::Stale;
use super::table::Table;
use super::watch::Watch;
use super::{History, OpenError, Store, WallClock, system_clock};
use karvon_protocol::core::{Batch, Key, Op, Range, StoreFault, Value};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

/// Where the format number lies; no space of the core has the number 0.
const SCHEMA: RawKey = RawKey { space: 0, group: *b"schema..........", seq: 0 };
/// The generation of the journal whose records sled may not have yet.
const JOURNAL: RawKey = RawKey { space: 0, group: *b"journal.........", seq: 0 };
const FIRST_GENERATION: u64 = 1;
/// Length of the log after it was copied the last time.
const SETTLED: RawKey = RawKey { space: 0, group: *b"settled.........", seq: 0 };

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// sled's page cache, bytes.
    pub cache_bytes: u64,
    /// sled's log is never copied to give space back while it is shorter than this.
    pub small_log_bytes: u64,
    /// Bytes of the journal from which on sled takes them over when there is nothing else to do, and at twice of which in any case. So much
    /// is also kept in memory.
    pub journal_bytes: u64,
    /// Whether to keep cells in segment files (relays do).
    pub cells: bool,
    /// What cells expire by.
    pub clock: WallClock,
    /// Counts syncs; tests let one fail.
    pub disk: Disk,
}

impl Options {
    /// A person's store: 4 MB of cache, no cells.
    #[must_use]
    pub fn leaf() -> Self {
        Self {
            cache_bytes: 4 << 20,
            small_log_bytes: 64 << 20,
            journal_bytes: 1 << 20,
            cells: false,
            clock: system_clock(),
            disk: Disk::default(),
        }
    }

    /// A relay's store: 32 MB of cache, cells in segment files.
    #[must_use]
    pub fn relay() -> Self {
        Self { cache_bytes: 32 << 20, cells: true, ..Self::leaf() }
    }
}

/// See the module.
pub struct SledStore {
    pub(super) shared: Arc<Shared>,
    journal: Journal,
    journal_bytes: u64,
    /// Second handle of sled's log, held from the start so that it sees every write error of the file.
    log: File,
    segments: Option<Segments>,
    pub(super) ring: Keyring,
    pub(super) stale: Stale,
    room: Room,
    disk: Disk,
    clock: WallClock,
    watch: Arc<Watch>,
    /// Once something failed nothing more is written: what a failed sync left behind is unknown.
    fault: Option<StoreFault>,
}

impl SledStore {
    /// Makes a new, empty store in `dir` and opens it. The store appears whole or not at all, also across a power cut.
    ///
    /// # Errors
    /// [`OpenError::Exists`], [`OpenError::InUse`] or [`OpenError::Io`].
    pub fn create(dir: &Path, key: &DataKey, options: &Options) -> Result<Self, OpenError> {
        disk::create_private_dir(dir)?;
        let lock = DirLock::take(dir)?.ok_or(OpenError::InUse)?;
        let files = Files::of(dir);
        if files.exist() {
            return Err(OpenError::Exists);
        }
        files.clean_up(&options.disk)?;
        let sealer = Sealer::new(key, Ciphers::default());
        Journal::create(dir, &options.disk)?;
        contained(|| {
            files.make(options.cache_bytes, &options.disk, |tree| {
                write_note(tree, &sealer, &JOURNAL, &FIRST_GENERATION.to_be_bytes())?;
                Ok(write_note(tree, &sealer, &SCHEMA, &FORMAT.to_be_bytes())?)
            })
        })?;
        // Two directories may be new.
        for parent in dir.ancestors().skip(1).take(2).filter(|parent| !parent.as_os_str().is_empty()) {
            options.disk.sync_dir(parent)?;
        }
        Self::open_locked(dir, key, options, lock)
    }

    /// Opens the store in `dir`. Files that can not be read as a store are moved aside, never deleted.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(dir: &Path, key: &DataKey, options: &Options) -> Result<Self, OpenError> {
        if !Files::of(dir).exist() {
            return Err(OpenError::Missing);
        }
        let lock = DirLock::take(dir)?.ok_or(OpenError::InUse)?;
        Self::open_locked(dir, key, options, lock)
    }

    fn open_locked(dir: &Path, key: &DataKey, options: &Options, lock: DirLock) -> Result<Self, OpenError> {
        let ciphers = Ciphers::default();
        let sealer = Sealer::new(key, ciphers.clone());
        let (files, disk, cache_bytes) = (Files::of(dir), &options.disk, options.cache_bytes);
        files.clean_up(disk)?;
        let (db, tree) = match catch_unwind(AssertUnwindSafe(|| open_sled(&files.kv, cache_bytes))) {
            Ok(Ok(open)) => open,
            // A file that ends too early is damage; everything else the system says is its own affair.
            Ok(Err(::sled::Error::Io(error))) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
                return Err(error.into());
            }
            Ok(Err(::sled::Error::Unsupported(why))) => return Err(std::io::Error::other(why).into()),
            Ok(Err(error)) => return Err(files.quarantine(disk, error.to_string())),
            Err(_) => return Err(files.quarantine(disk, "it can not be replayed".to_owned())),
        };
        match catch_unwind(AssertUnwindSafe(|| check_format(&tree, &sealer))) {
            Ok(Ok(())) => {}
            Ok(Err(Some(error))) => return Err(error),
            // A store is created with its format record: without one the log lost its beginning.
            Ok(Err(None)) | Err(_) => {
                drop((tree, db));
                return Err(files.quarantine(disk, "its content is gone".to_owned()));
            }
        }
        let open = contained(|| shrink(&files, (db, tree), &sealer, options))?;
        let generation = match read_note(&open.1, &sealer, &JOURNAL)? {
            Note::Value(value) => value.as_slice().try_into().ok().map(u64::from_be_bytes),
            // A store is created with this note as well.
            Note::Sealed | Note::Missing => None,
        };
        let opened = match generation {
            Some(generation) => Journal::open(dir, sealer.journal_key(), generation, disk),
            None => Err(Fault::Damaged("which journal it has is not known")),
        };
        let (journal, changes) = match opened {
            Ok(opened) => opened,
            Err(Fault::Io(error)) => return Err(error.into()),
            Err(Fault::Damaged(why)) => {
                drop(open);
                return Err(files.quarantine(disk, why.to_owned()));
            }
        };
        let ring = Keyring::open(dir, key, disk, ciphers)?;
        let log = OpenOptions::new().read(true).write(true).open(files.kv.join("db"))?;
        // Recovery may have written a snapshot and truncated the log.
        disk.sync_data(&log)?;
        disk.sync_dir(&files.kv)?;
        let segments = match options.cells {
            true => Some(Segments::open(&dir.join("cells"), disk.clone(), options.clock.clone())?),
            false => None,
        };
        let table = Table::new(open, changes);
        let stale = Stale::read(&table, &sealer, &ring)?;
        let shared = Arc::new(Shared { table: Some(table), sealer, _lock: lock });
        let watch = Arc::new(Watch::start(&shared)?);
        let (disk, clock) = (disk.clone(), options.clock.clone());
        let journal_bytes = options.journal_bytes;
        let store = Self {
            shared,
            journal,
            journal_bytes,
            log,
            segments,
            ring,
            stale,
            room: Room::at(dir),
            disk,
            clock,
            watch,
            fault: None,
        };
        Ok(store)
    }

    /// A reader of conversations beside the writer. The store counts as open until the last one is dropped.
    #[must_use]
    pub fn history(&self) -> History {
        History::new(self.shared.clone())
    }

    /// What the segment files hold, if this store keeps cells.
    #[must_use]
    pub fn cell_stats(&self) -> Option<SegmentStats> {
        self.segments.as_ref().map(Segments::stats)
    }

    /// What is known of damage in the segment files, also later.
    #[must_use]
    pub fn cell_health(&self) -> SegmentHealth {
        self.segments.as_ref().map(Segments::health).unwrap_or_default()
    }

    /// Runs `work` unless something failed before; a failure or panic of sled ends all writing.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, StoreFault>) -> Result<T, StoreFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let watch = self.watch.clone();
        let done = watch.during(|| catch_unwind(AssertUnwindSafe(|| work(self))));
        let done = done.unwrap_or(Err(StoreFault::Io));
        self.fault = done.as_ref().err().copied();
        done
    }

    fn write(&mut self, batches: &[Batch]) -> Result<(), StoreFault> {
        if self.room.is_full() {
            return Err(StoreFault::Full);
        }
        // Cells first: a record that counts on a cell never becomes durable before it.
        if let Some(segments) = &mut self.segments {
            for op in batches.iter().flat_map(|batch| &batch.ops) {
                segments.apply(op)?;
            }
            segments.sync()?;
        }
        if self.journal.bytes() >= self.journal_bytes.saturating_mul(2) {
            self.hand_over()?;
        }
        let changes = self.changes(batches)?;
        if !changes.is_empty() {
            self.journal
                .append(&changes)
                .map_err(|error| io_fault("the journal could not be written", &error))?;
            // Readers see only what is durable.
            self.shared.table()?.show(changes);
            if self.stale.is_overdue() {
                self.shred()?;
            }
        }
        Ok(())
    }

    /// The records that `batches` change together, as they go to the disk.
    fn changes(&mut self, batches: &[Batch]) -> Result<Vec<Change>, StoreFault> {
        let shared = self.shared.clone();
        let ops = || batches.iter().flat_map(|batch| &batch.ops);
        let late = late_rows(ops(), |key| {
            Ok(shared
                .next_seq(key.space as u8, &key.group, key.seq.saturating_add(1))?
                .is_some_and(|seq| seq > key.seq))
        })?;
        // The last change of a key counts.
        let mut last: BTreeMap<RawKey, Option<&Value>> = BTreeMap::new();
        for op in ops() {
            match op {
                Op::Put(key, value) => _ = last.insert((*key).into(), Some(value)),
                Op::Remove(key) => _ = last.insert((*key).into(), None),
                Op::AppendCell { .. } | Op::DropCell { .. } if self.segments.is_none() => {
                    tracing::error!("a cell was given to a store that keeps none");
                    return Err(StoreFault::Io);
                }
                Op::AppendCell { .. } | Op::DropCell { .. } => {}
            }
        }
        last.extend(late.iter().map(|(key, value)| (*key, Some(value))));
        self.prepare_keys(&last)?;
        let table = shared.table()?;
        let mut changes = Vec::with_capacity(last.len());
        for (key, value) in last {
            let number = key.family().and_then(|family| self.ring.current(family)).unwrap_or_default();
            let sealed = match value {
                Some(value) => shared.sealer.seal(number, &key, value).ok_or(StoreFault::Io)?,
                None => Vec::new(),
            };
            let prefix = shared.sealer.prefix(key.space, &key.group);
            let (first, end) = (at(&prefix, key.seq, 0), at(&prefix, key.seq, u16::MAX));
            for (old_key, old) in table.chunks(&first, &end).map_err(|error| fault(&error))? {
                // What it says is about to go, so its key is to be thrown away. Each chunk may have one of its own.
                let number = key_number(&old).unwrap_or_default();
                if !self.stale.has(number) {
                    changes.extend(self.stale.note(number, &shared.sealer)?);
                }
                // A chunk of a longer value than the new one.
                if seq_and_chunk(&old_key).is_some_and(|(_, chunk)| usize::from(chunk) >= sealed.len()) {
                    changes.push(Change { key: old_key, value: None });
                }
            }
            changes.extend(sealed.into_iter().map(|(key, value)| Change { key, value: Some(value.into()) }));
        }
        Ok(changes)
    }

    /// Makes sure that there are keys to seal these records by.
    fn prepare_keys(&mut self, changes: &BTreeMap<RawKey, Option<&Value>>) -> Result<(), StoreFault> {
        let mut wanted: BTreeMap<Family, u32> = BTreeMap::new();
        for (key, _) in changes.iter().filter(|(_, value)| value.is_some()) {
            if let Some(family) = key.family() {
                *wanted.entry(family).or_default() += 1;
            }
        }
        let day = self.day();
        self.ring.prepare(&wanted, day).map_err(|error| io_fault("the keyring could not be written", &error))
    }

    /// Days since 1970.
    pub(super) fn day(&self) -> u32 {
        u32::try_from((self.clock)() / 86_400).unwrap_or(u32::MAX)
    }

    /// Lets sled write what was given to it, and makes that durable.
    pub(super) fn sync_log(&self) -> Result<(), StoreFault> {
        self.shared.flush().map_err(|error| fault(&error))?;
        self.disk.sync_data(&self.log).map_err(|error| io_fault("the log could not be synced", &error))
    }

    /// Lets sled take over what the journal holds; then the journal begins anew.
    pub(super) fn hand_over(&mut self) -> Result<(), StoreFault> {
        let (shared, generation) = (self.shared.clone(), self.journal.next_generation());
        let note = shared
            .sealer
            .seal(0, &JOURNAL, &generation.to_be_bytes())
            .and_then(|chunks| chunks.into_iter().next());
        let table = shared.table()?;
        // In sled's log the note comes after everything that it speaks of.
        table.hand_over(note.ok_or(StoreFault::Io)?).map_err(|error| fault(&error))?;
        self.sync_log()?;
        table.forget();
        self.journal.restart();
        Ok(())
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        // What was removed until now must not be readable in a copy that is made after a clean end.
        if self.fault.is_none() && !self.room.is_full() && self.guarded(Self::shred).is_err() {
            tracing::warn!("keys of removed records could not be thrown away; the next start tries again");
        }
        // sled writes the rest when it is dropped, where nobody would wake it after a write that failed.
        if self.watch.during(|| catch_unwind(AssertUnwindSafe(|| self.shared.flush()))).is_err() {
            tracing::warn!("the store could not be closed cleanly");
        }
    }
}

impl Store for SledStore {
    fn commit(&mut self, batches: &[Batch]) -> Result<(), StoreFault> {
        self.guarded(|store| store.write(batches))
    }

    fn load(&mut self, range: &Range) -> Result<Vec<(Key, Value)>, StoreFault> {
        self.guarded(|store| match range {
            Range::Cells { mailbox, from, bytes_max } => match &mut store.segments {
                Some(segments) => segments.cells(*mailbox, *from, *bytes_max),
                None => Ok(Vec::new()),
            },
            Range::CellIndex => Ok(store.segments.as_ref().map(Segments::index).unwrap_or_default()),
            _ => store.shared.load(range),
        })
    }

    fn tidy(&mut self) -> Result<bool, StoreFault> {
        self.guarded(|store| {
            // Neither is urgent, and sled must not meet a full disk.
            if !store.room.is_full() {
                if store.journal.bytes() >= store.journal_bytes {
                    store.hand_over()?;
                }
                if store.stale.is_due() {
                    store.shred()?;
                }
            }
            store.segments.as_mut().map_or(Ok(false), Segments::tidy)
        })
    }
}

/// sled panics where the system refuses it something, also while it is closed.
fn contained<T>(work: impl FnOnce() -> Result<T, OpenError>) -> Result<T, OpenError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(std::io::Error::other("the system refused a write or a sync").into()))
}

/// Checks key and format; `Err(None)` if there is no format record.
fn check_format(tree: &::sled::Tree, sealer: &Sealer) -> Result<(), Option<OpenError>> {
    let found = read_note(tree, sealer, &SCHEMA).map_err(|error| Some(error.into()))?;
    let found = match found {
        Note::Value(value) => value.as_slice().try_into().map_or(u32::MAX, u32::from_be_bytes),
        Note::Sealed => return Err(Some(OpenError::WrongKey)),
        // Under another key the record lies elsewhere.
        Note::Missing => {
            let any = tree.scan_prefix([SCHEMA.space]).next().is_some();
            return Err(any.then_some(OpenError::WrongKey));
        }
    };
    match found {
        FORMAT => Ok(()),
        found if found < FORMAT => Err(Some(OpenError::Older { found, known: FORMAT })),
        found => Err(Some(OpenError::Newer { found, known: FORMAT })),
    }
}

/// Copies the store if its log has grown far beyond its content.
fn shrink(
    files: &Files,
    open: (::sled::Db, ::sled::Tree),
    sealer: &Sealer,
    options: &Options,
) -> Result<(::sled::Db, ::sled::Tree), OpenError> {
    let settled = match read_note(&open.1, sealer, &SETTLED)? {
        Note::Value(value) => value.as_slice().try_into().map_or(0, u64::from_be_bytes),
        Note::Sealed | Note::Missing => 0,
    };
    let bytes = files.log_bytes()?;
    if !is_overgrown(bytes, settled, options.small_log_bytes) {
        return Ok(open);
    }
    // The copy is never longer than the original; without room for both the store is used as it is.
    if !disk::has_room(&files.kv, bytes) {
        tracing::warn!("the store would give space back, but there is not enough room to copy it");
        return Ok(open);
    }
    let open = files.copy(open, options.cache_bytes, &options.disk)?;
    write_note(&open.1, sealer, &SETTLED, &files.log_bytes()?.to_be_bytes())?;
    open.0.flush()?;
    Ok(open)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use karvon_protocol::core::{BatchId, Space};

    #[test]
    fn a_store_that_does_not_know_its_journal_or_has_none_is_moved_aside_with_it() {
        for lost in ["note", "journal"] {
            let dir = tempfile::tempdir().unwrap();
            let (key, options) = (DataKey::generate().unwrap(), Options::leaf());
            let mut store = SledStore::create(dir.path(), &key, &options).unwrap();
            let put = Op::Put(Key::single(Space::Meta, 1), Value::new(vec![1]));
            store.commit(&[Batch { id: BatchId(1), ops: vec![put] }]).unwrap();
            drop(store);
            let files = Files::of(dir.path());
            if lost == "note" {
                let (db, tree) = open_sled(&files.kv, options.cache_bytes).unwrap();
                tree.remove(Sealer::new(&key, Ciphers::default()).disk_key(&JOURNAL, 0)).unwrap().unwrap();
                drop((tree, db));
            } else {
                std::fs::remove_file(dir.path().join("journal")).unwrap();
            }
            let refused = SledStore::open(dir.path(), &key, &options).err().unwrap();
            let OpenError::Quarantined { moved_to, .. } = &refused else { panic!("{refused}") };
            assert!(refused.to_string().contains("journal"), "{refused}");
            assert_eq!(moved_to.join("journal").exists(), lost == "note", "what may hold records is kept");
        }
    }

    #[test]
    fn every_chunk_of_a_removed_message_loses_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let mut store =
            SledStore::create(dir.path(), &DataKey::generate().unwrap(), &Options::leaf()).unwrap();
        let key = |seq| Key::of(Space::Sent, [1; 16], seq);
        let commit = |store: &mut SledStore, ops| store.commit(&[Batch { id: BatchId(1), ops }]).unwrap();
        let mut ops: Vec<Op> = (1..1_024).map(|seq| Op::Put(key(seq), Value::new(vec![1]))).collect();
        ops.push(Op::Put(key(1_024), Value::new(vec![2; 9_000])));
        commit(&mut store, ops);
        // Sealed anew one by one, the long message gets the last places of one key and the first of the next.
        commit(&mut store, vec![Op::Remove(key(1))]);
        store.shred().unwrap();
        let prefix = store.shared.sealer.prefix(Space::Sent as u8, &[1; 16]);
        let chunks = store.shared.table().unwrap().walk(at(&prefix, 1_024, 0)..=at(&prefix, 1_024, 9), false);
        let numbers: Vec<u32> = chunks.map(|row| key_number(&row.unwrap().1).unwrap()).collect();
        assert!(numbers.len() == 3 && numbers[0] != numbers[2], "{numbers:?}");
        commit(&mut store, vec![Op::Remove(key(1_024))]);
        assert!(numbers.iter().all(|number| store.stale.has(*number)));
    }
}
