//! Reading records of an open store: by the writer's own loads and by the readers of history beside it.

use super::disk::DirLock;
use super::history::Rows;
use super::sealed::{RawKey, STATE_SPACES, Sealer, Unopened, at, seq_and_chunk};
use super::table::{DiskKey, Table, Walk};
use karvon_protocol::core::{Key, Range, Space, StoreFault, Value};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the writer and the readers of history share.
pub(super) struct Shared {
    /// Present until dropped.
    pub(super) table: Option<Table>,
    pub(super) sealer: Sealer,
    pub(super) _lock: DirLock,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // sled panics in its destructor when the disk fails; there is nobody left to tell.
        let table = self.table.take();
        if catch_unwind(AssertUnwindSafe(|| drop(table))).is_err() {
            tracing::error!("the store could not be closed cleanly");
        }
    }
}

impl Shared {
    pub(super) fn table(&self) -> Result<&Table, StoreFault> {
        self.table.as_ref().ok_or(StoreFault::Io)
    }

    /// Lets sled write what it has, and tells whether that failed.
    pub(super) fn flush(&self) -> ::sled::Result<()> {
        self.table.as_ref().map_or(Ok(()), Table::flush)
    }

    pub(super) fn load(&self, range: &Range) -> Result<Vec<(Key, Value)>, StoreFault> {
        let table = self.table()?;
        match *range {
            Range::One(key) => {
                let value = self.row(&key.into())?;
                Ok(value.map(|value| (key, value)).into_iter().collect())
            }
            Range::Space(space) => {
                let number = space as u8;
                let all = at(&edge(number, 0), 0, 0)..=at(&edge(number, u8::MAX), u64::MAX, u16::MAX);
                let mut out = self.collect(table.walk(all, false), space, usize::MAX)?;
                out.sort_unstable_by_key(|(key, _)| *key);
                Ok(out)
            }
            Range::Group { space, group, from, to, limit, newest } => {
                let prefix = self.sealer.prefix(space as u8, &group);
                self.collect(table.walk(at(&prefix, from, 0)..at(&prefix, to, 0), newest), space, limit)
            }
            Range::Cells { .. } | Range::CellIndex => Ok(Vec::new()),
        }
    }

    /// Opens the records that start in `rows`; later chunks are fetched as they are needed.
    fn collect(&self, rows: Walk<'_>, space: Space, limit: usize) -> Result<Vec<(Key, Value)>, StoreFault> {
        let mut out = Vec::new();
        for row in rows {
            if out.len() >= limit {
                break;
            }
            let (disk_key, sealed) = row.map_err(|error| fault(&error))?;
            if seq_and_chunk(&disk_key).is_some_and(|(_, chunk)| chunk == 0) {
                match self.assemble(&disk_key, &sealed)? {
                    Some((key, value)) => out.push((Key::of(space, key.group, key.seq), value)),
                    // Keys are thrown away by the thread that loads, and never one that a living record needs.
                    None if STATE_SPACES.contains(&space) => return Err(damaged()),
                    None => tracing::error!("the key of a stored message is missing"),
                }
            }
        }
        Ok(out)
    }

    /// The whole value whose first chunk is `sealed`; `None` if its key was thrown away.
    fn assemble(&self, disk_key: &DiskKey, sealed: &[u8]) -> Result<Option<(RawKey, Value)>, StoreFault> {
        let first = match self.sealer.open(disk_key, sealed) {
            Ok(first) => first,
            Err(Unopened::Shredded) => return Ok(None),
            Err(Unopened::Damaged) => return Err(damaged()),
        };
        let mut value = first.body;
        if first.chunks > 1 {
            // One allocation, so that growing leaves no copies of plain text behind.
            let mut whole =
                Value::new(Vec::with_capacity(usize::from(first.chunks) * super::sealed::CHUNK_BYTES));
            whole.extend_from_slice(&value);
            value = whole;
        }
        for number in 1..first.chunks {
            let disk_key = self.sealer.disk_key(&first.key, number);
            let sealed = self.table()?.get(&disk_key).map_err(|error| fault(&error))?.ok_or_else(damaged)?;
            match self.sealer.open(&disk_key, &sealed) {
                Ok(chunk) => value.extend_from_slice(&chunk.body),
                Err(Unopened::Shredded) => return Ok(None),
                Err(Unopened::Damaged) => return Err(damaged()),
            }
        }
        Ok(Some((first.key, value)))
    }
}

/// The first or last prefix of the groups of a space.
fn edge(space: u8, byte: u8) -> [u8; 17] {
    let mut out = [byte; 17];
    out[0] = space;
    out
}

impl Rows for Shared {
    fn row(&self, key: &RawKey) -> Result<Option<Value>, StoreFault> {
        let disk_key = self.sealer.disk_key(key, 0);
        // Between reading and opening, the writer may have sealed the row anew and thrown its old key away.
        for _ in 0..3 {
            let sealed = self.table()?.get(&disk_key).map_err(|error| fault(&error))?;
            let Some(sealed) = sealed else { return Ok(None) };
            if let Some((_, value)) = self.assemble(&disk_key, &sealed)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn next_seq(&self, space: u8, group: &[u8; 16], from: u64) -> Result<Option<u64>, StoreFault> {
        let prefix = self.sealer.prefix(space, group);
        seq_of(self.table()?.walk(at(&prefix, from, 0)..=at(&prefix, u64::MAX, u16::MAX), false))
    }

    fn prev_seq(&self, space: u8, group: &[u8; 16], below: u64) -> Result<Option<u64>, StoreFault> {
        let prefix = self.sealer.prefix(space, group);
        seq_of(self.table()?.walk(at(&prefix, 0, 0)..at(&prefix, below, 0), true))
    }

    fn newest_first(
        &self,
        space: u8,
        group: &[u8; 16],
        seqs: std::ops::Range<u64>,
        visit: &mut dyn FnMut(u64, &[u8]) -> bool,
    ) -> Result<(), StoreFault> {
        let prefix = self.sealer.prefix(space, group);
        for row in self.table()?.walk(at(&prefix, seqs.start, 0)..at(&prefix, seqs.end, 0), true) {
            let (disk_key, sealed) = row.map_err(|error| fault(&error))?;
            let Some((seq, 0)) = seq_and_chunk(&disk_key) else { continue };
            let value = match self.assemble(&disk_key, &sealed)? {
                Some((_, value)) => Some(value),
                // Sealed anew since this row was read, or removed.
                None => self.row(&RawKey { space, group: *group, seq })?,
            };
            if let Some(value) = value
                && !visit(seq, &value)
            {
                break;
            }
        }
        Ok(())
    }
}

/// The sequence number of the next row.
fn seq_of(mut rows: Walk<'_>) -> Result<Option<u64>, StoreFault> {
    let row = rows.next().transpose().map_err(|error| fault(&error))?;
    Ok(row.and_then(|(disk_key, _)| seq_and_chunk(&disk_key)).map(|(seq, _)| seq))
}

/// A record of the store's own, always one chunk.
pub(super) enum Note {
    Missing,
    /// It is there but does not open.
    Sealed,
    Value(Value),
}

pub(super) fn read_note(tree: &::sled::Tree, sealer: &Sealer, key: &RawKey) -> ::sled::Result<Note> {
    let disk_key = sealer.disk_key(key, 0);
    Ok(match tree.get(disk_key)? {
        None => Note::Missing,
        Some(sealed) => sealer.open(&disk_key, &sealed).map_or(Note::Sealed, |chunk| Note::Value(chunk.body)),
    })
}

pub(super) fn write_note(
    tree: &::sled::Tree,
    sealer: &Sealer,
    key: &RawKey,
    value: &[u8],
) -> ::sled::Result<()> {
    let no_randomness = || ::sled::Error::Io(std::io::Error::other("the system gives no randomness"));
    for (disk_key, sealed) in sealer.seal(0, key, value).ok_or_else(no_randomness)? {
        tree.insert(disk_key, sealed)?;
    }
    Ok(())
}

pub(super) fn damaged() -> StoreFault {
    tracing::error!("a stored record is damaged");
    StoreFault::Io
}

pub(super) fn fault(error: &::sled::Error) -> StoreFault {
    match error {
        ::sled::Error::Io(error) => io_fault("the store failed", error),
        other => {
            tracing::error!(error = %other, "the store failed");
            StoreFault::Io
        }
    }
}

/// What the core is told of a failed file operation; the log gets the reason.
pub(super) fn io_fault(what: &'static str, error: &std::io::Error) -> StoreFault {
    tracing::error!(%error, "{what}");
    if error.kind() == std::io::ErrorKind::StorageFull { StoreFault::Full } else { StoreFault::Io }
}
