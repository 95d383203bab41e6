//! A store that forgets everything with its process: for tests and simulations, with the faults of real disks on demand.

use super::history::{Rows, late_rows};
use super::sealed::RawKey;
use super::{History, Store, WallClock};
use karvon_protocol::cell::Cell;
use karvon_protocol::core::{Batch, CellIndex, Key, Op, Range, Space, StoreFault, Value};
use karvon_protocol::ids::MailboxId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A failure to come, as disks produce them.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// The commit that fails; 1 is the next one.
    pub nth_commit: u64,
    /// What it reports.
    pub fault: StoreFault,
    /// How many whole batches of that commit are on the medium all the same.
    pub kept: usize,
    /// Whether the cells of the first batch that is not kept are there, without its records: cells are synced first.
    pub cells_kept: bool,
}

/// The medium under a [`MemoryStore`]: it outlives the store as a disk outlives a process. Clones are the same medium.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

#[derive(Default, Clone)]
struct State {
    rows: BTreeMap<RawKey, Value>,
    cells: BTreeMap<(MailboxId, u64), (u64, Cell)>,
    fault: Option<Fault>,
    commits: u64,
}

impl MemoryDisk {
    /// Lets a later commit fail.
    pub fn inject(&self, fault: Fault) {
        let mut state = self.state();
        let nth_commit = state.commits.saturating_add(fault.nth_commit);
        state.fault = Some(Fault { nth_commit, ..fault });
    }

    /// How many commits were asked for.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.state().commits
    }

    /// A copy of what is on the medium now.
    #[must_use]
    pub fn image(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state().clone())))
    }

    /// Puts the content of `image` in the place of everything on the medium, as somebody does who restores an old copy.
    pub fn restore(&self, image: &Self) {
        let image = image.state().clone();
        *self.state() = image;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module. Dropping it and opening another on the same [`MemoryDisk`] is a crash: what was committed stays, nothing else.
pub struct MemoryStore {
    disk: MemoryDisk,
    clock: WallClock,
    fault: Option<StoreFault>,
}

impl MemoryStore {
    /// A store on `disk`; cells expire by `clock`.
    #[must_use]
    pub fn open(disk: &MemoryDisk, clock: WallClock) -> Self {
        Self { disk: disk.clone(), clock, fault: None }
    }

    /// A reader of conversations.
    #[must_use]
    pub fn history(&self) -> History {
        History::new(Arc::new(self.disk.clone()))
    }
}

impl Store for MemoryStore {
    fn commit(&mut self, batches: &[Batch]) -> Result<(), StoreFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let mut state = self.disk.state();
        state.commits += 1;
        let fault = state.fault.filter(|fault| fault.nth_commit == state.commits);
        let kept = fault.map_or(batches.len(), |fault| fault.kept.min(batches.len()));
        for batch in batches.iter().take(kept) {
            state.apply(&batch.ops, true)?;
        }
        let Some(fault) = fault else { return Ok(()) };
        if fault.cells_kept
            && let Some(batch) = batches.get(kept)
        {
            state.apply(&batch.ops, false)?;
        }
        self.fault = Some(fault.fault);
        Err(fault.fault)
    }

    fn load(&mut self, range: &Range) -> Result<Vec<(Key, Value)>, StoreFault> {
        let now = (self.clock)();
        Ok(self.disk.state().load(range, now))
    }

    fn tidy(&mut self) -> Result<bool, StoreFault> {
        let now = (self.clock)();
        self.disk.state().cells.retain(|_, (expiry_s, _)| *expiry_s > now);
        Ok(false)
    }
}

impl State {
    fn apply(&mut self, ops: &[Op], records: bool) -> Result<(), StoreFault> {
        if records {
            let rows = &self.rows;
            let late = late_rows(ops.iter(), |key| {
                let from = RawKey { seq: key.seq.saturating_add(1), ..RawKey::from(*key) };
                Ok(rows.range(from..).next().is_some_and(|(row, _)| {
                    (row.space, row.group, row.seq > key.seq) == (from.space, from.group, true)
                }))
            })?;
            self.rows.extend(late);
        }
        for op in ops {
            match op {
                Op::Put(key, value) if records => {
                    self.rows.insert((*key).into(), value.clone());
                }
                Op::Remove(key) if records => {
                    self.rows.remove(&RawKey::from(*key));
                }
                Op::Put(..) | Op::Remove(_) => {}
                Op::AppendCell { mailbox, seq, expiry_s, cell } => {
                    self.cells.insert((*mailbox, *seq), (*expiry_s, cell.clone()));
                }
                Op::DropCell { mailbox, seq } => {
                    self.cells.remove(&(*mailbox, *seq));
                }
            }
        }
        Ok(())
    }

    fn load(&self, range: &Range, now: u64) -> Vec<(Key, Value)> {
        let cell_key = |mailbox: &MailboxId, seq: u64| Key::of(Space::RelayCell, mailbox.0, seq);
        match *range {
            Range::One(key) => {
                self.rows.get(&key.into()).map(|value| (key, value.clone())).into_iter().collect()
            }
            Range::Space(space) => self
                .rows
                .range(RawKey { space: space as u8, group: [0; 16], seq: 0 }..)
                .take_while(|(key, _)| key.space == space as u8)
                .map(|(key, value)| (Key::of(space, key.group, key.seq), value.clone()))
                .collect(),
            Range::Group { space, group, from, to, limit, newest } => {
                if from >= to {
                    return Vec::new();
                }
                let at = |seq| RawKey { space: space as u8, group, seq };
                let rows = self
                    .rows
                    .range(at(from)..at(to))
                    .map(|(key, value)| (Key::of(space, group, key.seq), value.clone()));
                if newest { rows.rev().take(limit).collect() } else { rows.take(limit).collect() }
            }
            Range::Cells { mailbox, from, bytes_max } => {
                let mut bytes = 0;
                self.cells
                    .range((mailbox, from)..=(mailbox, u64::MAX))
                    .filter(|(_, (expiry_s, _))| *expiry_s > now)
                    .take_while(|(_, (_, cell))| {
                        let first = bytes == 0;
                        bytes += cell.bytes().len();
                        first || bytes <= bytes_max
                    })
                    .map(|((_, seq), (_, cell))| {
                        (cell_key(&mailbox, *seq), Value::new(cell.bytes().to_vec()))
                    })
                    .collect()
            }
            Range::CellIndex => self
                .cells
                .iter()
                .filter(|(_, (expiry_s, _))| *expiry_s > now)
                .map(|((mailbox, seq), (expiry_s, cell))| {
                    let index = CellIndex {
                        prefix: cell.tag().prefix().0,
                        hash: cell.hash().0,
                        class: cell.class() as u8,
                        expiry_s: *expiry_s,
                    };
                    (cell_key(mailbox, *seq), Value::new(index.encode()))
                })
                .collect(),
        }
    }
}

impl Rows for MemoryDisk {
    fn row(&self, key: &RawKey) -> Result<Option<Value>, StoreFault> {
        Ok(self.state().rows.get(key).cloned())
    }

    fn next_seq(&self, space: u8, group: &[u8; 16], from: u64) -> Result<Option<u64>, StoreFault> {
        let at = |seq| RawKey { space, group: *group, seq };
        Ok(self.state().rows.range(at(from)..=at(u64::MAX)).next().map(|(key, _)| key.seq))
    }

    fn prev_seq(&self, space: u8, group: &[u8; 16], below: u64) -> Result<Option<u64>, StoreFault> {
        let at = |seq| RawKey { space, group: *group, seq };
        Ok(self.state().rows.range(at(0)..at(below)).next_back().map(|(key, _)| key.seq))
    }

    fn newest_first(
        &self,
        space: u8,
        group: &[u8; 16],
        seqs: std::ops::Range<u64>,
        visit: &mut dyn FnMut(u64, &[u8]) -> bool,
    ) -> Result<(), StoreFault> {
        let at = |seq| RawKey { space, group: *group, seq };
        for (key, value) in self.state().rows.range(at(seqs.start)..at(seqs.end)).rev() {
            if !visit(key.seq, value) {
                break;
            }
        }
        Ok(())
    }
}
