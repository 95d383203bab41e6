//! A relay's cells in append-only files, one or more per hour: cheap to write, and a file that holds nothing living is unlinked, which gives
//! its space back at once (every key-value engine measured keeps it).
//!
//! A removed cell gets a short frame of its own; a file where less than a quarter still lives is emptied into the newest one. What is
//! where is kept in memory and rebuilt by reading the files at start. A torn end of the newest file was never confirmed and is cut off;
//! damage elsewhere costs the cells it hits, is stepped over and counted.

mod frame;
mod index;
mod scan;
mod snapshot;

use super::WallClock;
use super::disk::{self, Disk};
use super::rows::io_fault;
use frame::{FILE_HEAD, Frame, HEAD, Kind, Marker};
use index::{FileInfo, Index, SegmentId, Slot};
use karvon_protocol::cell::Cell;
use karvon_protocol::core::{Key, Op, Space, StoreFault, Value};
use karvon_protocol::ids::MailboxId;
use scan::Scan;
use snapshot::{Removal, Snapshot};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Length at which a file is closed before its hour is over.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Frames gathered before they are written.
const BUFFER_BYTES: usize = 1 << 20;
/// Bytes of a file read in one step of housekeeping.
const STEP_BYTES: u64 = 4 << 20;

/// What the segment files hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SegmentStats {
    /// Files.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Cells that can be loaded or are past their expiry but not yet given up.
    pub cells: u64,
    /// Stretches of damage that were stepped over, and cells that could not be read back.
    pub damaged: u64,
    /// Bytes cut off the newest file when it was opened.
    pub cut_bytes: u64,
}

/// What is known of damage in the segment files; clones stay up to date while a store is open elsewhere.
#[derive(Debug, Clone, Default)]
pub struct SegmentHealth(Arc<AtomicU64>);

impl SegmentHealth {
    /// See [`SegmentStats::damaged`].
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn count(&self, places: u64) {
        self.0.fetch_add(places, Ordering::Relaxed);
    }
}

/// The file that is written to.
struct Current {
    id: SegmentId,
    file: File,
    marker: Marker,
    /// Length of the file, without what waits in the buffer.
    bytes: u64,
    /// What was removed by it, for its snapshot.
    removals: Vec<Removal>,
}

/// A file that is being emptied.
struct Emptying {
    id: SegmentId,
    scan: Scan,
}

pub(super) struct Segments {
    dir: PathBuf,
    disk: Disk,
    clock: WallClock,
    index: Index,
    current: Option<Current>,
    buffer: Vec<u8>,
    /// Whether `current` has bytes that were not synced.
    dirty: bool,
    emptying: Option<Emptying>,
    damaged: SegmentHealth,
    cut_bytes: u64,
}

impl Segments {
    /// Opens or creates the directory and reads all its files.
    pub(super) fn open(dir: &Path, disk: Disk, clock: WallClock) -> io::Result<Self> {
        disk::create_private_dir(dir)?;
        if let Some(parent) = dir.parent() {
            disk.sync_dir(parent)?;
        }
        let mut segments = Self {
            dir: dir.to_owned(),
            disk,
            clock,
            index: Index::default(),
            current: None,
            buffer: Vec::new(),
            dirty: false,
            emptying: None,
            damaged: SegmentHealth::default(),
            cut_bytes: 0,
        };
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            ids.extend(entry?.file_name().to_str().and_then(parse_name));
        }
        ids.sort_unstable();
        let newest = ids.last().copied();
        for id in ids {
            segments.read_file(id, Some(id) == newest)?;
        }
        Ok(segments)
    }

    fn read_file(&mut self, id: SegmentId, newest: bool) -> io::Result<()> {
        let path = self.path(id);
        let bytes = std::fs::metadata(&path)?.len();
        if !newest && let Some(snapshot) = Snapshot::read(&path, id, bytes) {
            self.index.files.insert(id, FileInfo { marker: snapshot.marker, bytes, ..FileInfo::default() });
            // Removals first: a cell that was stored after one, under the same number, is among the cells.
            for removal in &snapshot.removals {
                note_removal(&mut self.index, id, removal);
            }
            for (mailbox, seq, slot) in snapshot.cells {
                self.index.insert(mailbox, seq, slot);
            }
            return Ok(());
        }
        let Some(mut scan) = Scan::open(&path)? else {
            return self.set_aside(&path, bytes);
        };
        self.index.files.insert(id, FileInfo { marker: scan.marker(), bytes, ..FileInfo::default() });
        let mut removals = Vec::new();
        while let Some((offset, frame)) = scan.next()? {
            removals.extend(note(&mut self.index, id, offset, &frame));
        }
        self.damaged.count(scan.gaps());
        let end = scan.good_end();
        if newest {
            let mut file = disk::private_file().read(true).write(true).open(&path)?;
            if end < bytes {
                tracing::info!(bytes = bytes - end, "the torn end of the newest segment was cut off");
                file.set_len(end)?;
                self.cut_bytes = bytes - end;
            }
            file.seek(SeekFrom::Start(end))?;
            // Also what is whole may not have been synced by the process that wrote it.
            self.disk.sync_data(&file)?;
            if let Some(info) = self.index.files.get_mut(&id) {
                info.bytes = end;
            }
            self.current = Some(Current { id, file, marker: scan.marker(), bytes: end, removals });
        } else if end < bytes {
            self.damaged.count(1);
        } else if scan.gaps() == 0 {
            // Closed by a kill, or by an older program: the next start need not read it again.
            let snapshot = Snapshot::of(&self.index, id, scan.marker(), removals);
            if let Err(error) = snapshot.write(&path, bytes, &self.disk) {
                tracing::warn!(%error, "the snapshot of a segment could not be written");
            }
        }
        Ok(())
    }

    /// A file without a readable frame: an empty one was just being made and is removed, any other is kept under another name.
    fn set_aside(&mut self, path: &Path, bytes: u64) -> io::Result<()> {
        if bytes <= FILE_HEAD as u64 {
            std::fs::remove_file(path)?;
        } else {
            self.damaged.count(1);
            tracing::warn!("a segment of cells is damaged from its first byte on and was set aside");
            std::fs::rename(path, path.with_extension("damaged"))?;
        }
        snapshot::remove(path);
        self.disk.sync_dir(&self.dir)
    }

    fn path(&self, id: SegmentId) -> PathBuf {
        let (hour, part) = (id >> 8, id & 0xff);
        self.dir.join(if part == 0 { format!("{hour}.seg") } else { format!("{hour}-{part}.seg") })
    }

    /// Carries out a change to the cells, durable after [`Segments::sync`]; other changes are none of its business.
    pub(super) fn apply(&mut self, op: &Op) -> Result<(), StoreFault> {
        match op {
            Op::AppendCell { mailbox, seq, expiry_s, cell } => self.append(*mailbox, *seq, *expiry_s, cell),
            Op::DropCell { mailbox, seq } => self.drop_cell(*mailbox, *seq),
            Op::Put(..) | Op::Remove(_) => Ok(()),
        }
    }

    fn append(&mut self, mailbox: MailboxId, seq: u64, expiry_s: u64, cell: &Cell) -> Result<(), StoreFault> {
        let frame = Frame { kind: Kind::Cell, mailbox, seq, expiry_s, payload: cell.bytes() };
        let (id, offset) = self.push(&frame)?;
        self.index.insert(mailbox, seq, Slot::new(cell, expiry_s, id, offset));
        Ok(())
    }

    fn drop_cell(&mut self, mailbox: MailboxId, seq: u64) -> Result<(), StoreFault> {
        match self.index.remove(mailbox, seq) {
            Some(slot) => self.push_drop(mailbox, seq, slot.segment),
            None => Ok(()),
        }
    }

    fn push_drop(&mut self, mailbox: MailboxId, seq: u64, held_in: SegmentId) -> Result<(), StoreFault> {
        let payload = held_in.to_be_bytes();
        let (id, _) =
            self.push(&Frame { kind: Kind::Dropped, mailbox, seq, expiry_s: 0, payload: &payload })?;
        self.index.files.entry(id).or_default().drops += 1;
        if let Some(current) = &mut self.current {
            current.removals.push(Removal { mailbox, seq, held_in });
        }
        Ok(())
    }

    /// Adds a frame to the newest file: which one, and where in it.
    fn push(&mut self, frame: &Frame<'_>) -> Result<(SegmentId, u32), StoreFault> {
        if self.buffer.len() + frame.len() > BUFFER_BYTES {
            self.write_out()?;
        }
        let hour = self.hour();
        let full = |current: &Current, waiting: usize| {
            current.id >> 8 < hour || current.bytes + waiting as u64 >= FILE_BYTES_MAX
        };
        if self.current.as_ref().is_none_or(|current| full(current, self.buffer.len())) {
            self.roll()?;
        }
        let Some(current) = &self.current else { return Err(StoreFault::Io) };
        let offset = u32::try_from(current.bytes + self.buffer.len() as u64).map_err(|_| StoreFault::Io)?;
        frame.encode(&current.marker, &mut self.buffer);
        Ok((current.id, offset))
    }

    fn hour(&self) -> u32 {
        u32::try_from((self.clock)() / 3_600).unwrap_or(u32::MAX).min(0x00ff_ffff)
    }

    /// Closes the newest file and starts another one.
    fn roll(&mut self) -> Result<(), StoreFault> {
        self.sync()?;
        if let Some(closed) = self.current.take() {
            let snapshot = Snapshot::of(&self.index, closed.id, closed.marker, closed.removals);
            // Without it the next start takes longer, and nothing else.
            if let Err(error) = snapshot.write(&self.path(closed.id), closed.bytes, &self.disk) {
                tracing::warn!(%error, "the snapshot of a segment could not be written");
            }
        }
        // A clock that was set back must not put new frames before old ones.
        let after = self.index.files.last_key_value().map_or(0, |(id, _)| id + 1);
        let id = after.max(self.hour() << 8);
        let path = self.path(id);
        let made = (|| {
            let mut marker = [0; 8];
            getrandom::fill(&mut marker).map_err(io::Error::other)?;
            let mut file = disk::private_file().read(true).write(true).create_new(true).open(&path)?;
            file.write_all(&frame::file_head(&marker))?;
            self.disk.sync_data(&file)?;
            self.disk.sync_dir(&self.dir)?;
            Ok::<_, io::Error>(Current { id, file, marker, bytes: FILE_HEAD as u64, removals: Vec::new() })
        })();
        let current = made.map_err(|error| io_fault("a segment could not be created", &error))?;
        let info = FileInfo { marker: current.marker, bytes: current.bytes, ..FileInfo::default() };
        self.index.files.insert(id, info);
        self.current = Some(current);
        Ok(())
    }

    fn write_out(&mut self) -> Result<(), StoreFault> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let Some(current) = &mut self.current else { return Err(StoreFault::Io) };
        let written = current.file.write_all(&self.buffer);
        written.map_err(|error| io_fault("a segment could not be written", &error))?;
        current.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        self.dirty = true;
        if let Some(info) = self.index.files.get_mut(&current.id) {
            info.bytes = current.bytes;
        }
        Ok(())
    }

    /// Makes everything that was applied durable.
    pub(super) fn sync(&mut self) -> Result<(), StoreFault> {
        self.write_out()?;
        if let Some(current) = self.current.as_ref().filter(|_| self.dirty) {
            let synced = self.disk.sync_data(&current.file);
            synced.map_err(|error| io_fault("a segment could not be synced", &error))?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Living cells of a mailbox, see [`karvon_protocol::core::Range::Cells`]. Each is checked as it is read back; a damaged one is left
    /// out and counted.
    pub(super) fn cells(
        &mut self,
        mailbox: MailboxId,
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<(Key, Value)>, StoreFault> {
        let now = (self.clock)();
        let (mut out, mut damaged) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        let mut open: Option<(SegmentId, File)> = None;
        for ((_, seq), slot) in self.index.cells.range((mailbox, from)..=(mailbox, u64::MAX)) {
            if slot.expiry_s() <= now {
                continue;
            }
            if !out.is_empty() && bytes + slot.cell_bytes() > bytes_max {
                break;
            }
            let read = self.read_back(mailbox, *seq, slot, &mut open);
            match read.map_err(|error| io_fault("a segment could not be read", &error))? {
                Some(cell) => {
                    bytes += cell.len();
                    out.push((Key::of(Space::RelayCell, mailbox.0, *seq), Value::new(cell)));
                }
                None => damaged.push(*seq),
            }
        }
        for seq in damaged {
            tracing::warn!("a stored cell was damaged on the medium");
            self.damaged.count(1);
            self.index.remove(mailbox, seq);
        }
        Ok(out)
    }

    fn read_back(
        &self,
        mailbox: MailboxId,
        seq: u64,
        slot: &Slot,
        open: &mut Option<(SegmentId, File)>,
    ) -> io::Result<Option<Vec<u8>>> {
        let file = match open {
            Some((id, file)) if *id == slot.segment => file,
            _ => &mut open.insert((slot.segment, File::open(self.path(slot.segment))?)).1,
        };
        let mut bytes = vec![0; HEAD + slot.cell_bytes()];
        file.seek(SeekFrom::Start(u64::from(slot.offset)))?;
        match file.read_exact(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let marker = self.index.files.get(&slot.segment).map(|info| info.marker).unwrap_or_default();
        let whole = frame::decode(&marker, &bytes).is_some_and(|frame| {
            (frame.kind, frame.mailbox, frame.seq) == (Kind::Cell, mailbox, seq)
                && frame.payload.len() == slot.cell_bytes()
        });
        Ok(whole.then(|| bytes.split_off(HEAD)))
    }

    /// The index over all living cells, see [`karvon_protocol::core::Range::CellIndex`].
    pub(super) fn index(&self) -> Vec<(Key, Value)> {
        let now = (self.clock)();
        let living = self.index.cells.iter().filter(|(_, slot)| slot.expiry_s() > now);
        living
            .map(|((mailbox, seq), slot)| {
                (Key::of(Space::RelayCell, mailbox.0, *seq), Value::new(slot.info().encode()))
            })
            .collect()
    }

    /// One step towards giving space back: unlinks a file that holds nothing living, or moves on with emptying one that holds little.
    pub(super) fn tidy(&mut self) -> Result<bool, StoreFault> {
        match self.emptying.take() {
            Some(emptying) => self.empty(emptying),
            None => self.start_tidying(),
        }
    }

    fn start_tidying(&mut self) -> Result<bool, StoreFault> {
        let (now, hour) = ((self.clock)(), self.hour());
        let newest = self.current.as_ref().map(|current| current.id);
        let is_dead = |info: &FileInfo| info.cells == 0 || info.expiry_s <= now;
        let is_thin = |id: SegmentId, info: &FileInfo| {
            info.cell_bytes.saturating_mul(4) < info.bytes && (id >> 8) + 2 <= hour
        };
        let mut files = self.index.files.iter();
        let Some((id, info)) =
            files.find(|(id, info)| Some(**id) != newest && (is_dead(info) || is_thin(**id, info)))
        else {
            return Ok(false);
        };
        let id = *id;
        // Its removals matter only as long as a file they may speak of is there.
        let has_older = self.index.files.keys().next() != Some(&id);
        if is_dead(info) && (info.drops == 0 || !has_older) {
            self.unlink(id)?;
            return Ok(true);
        }
        let scan = Scan::open(&self.path(id));
        match scan.map_err(|error| io_fault("a segment could not be read", &error))? {
            Some(scan) => self.emptying = Some(Emptying { id, scan }),
            None => {
                self.damaged.count(1);
                self.unlink(id)?;
            }
        }
        Ok(true)
    }

    /// Copies what is still needed to the newest file; at the end syncs that and unlinks the emptied one.
    fn empty(&mut self, mut emptying: Emptying) -> Result<bool, StoreFault> {
        let now = (self.clock)();
        let id = emptying.id;
        let stop = emptying.scan.good_end() + STEP_BYTES;
        loop {
            let next = emptying.scan.next();
            let Some((offset, frame)) =
                next.map_err(|error| io_fault("a segment could not be read", &error))?
            else {
                break;
            };
            let (mailbox, seq) = (frame.mailbox, frame.seq);
            match (frame.kind, drop_target(&frame)) {
                (Kind::Cell, _) => {
                    let here = |slot: &&Slot| slot.segment == id && u64::from(slot.offset) == offset;
                    let Some(slot) = self.index.cells.get(&(mailbox, seq)).filter(here) else { continue };
                    let expiry_s = slot.expiry_s();
                    if expiry_s <= now {
                        self.index.remove(mailbox, seq);
                    } else if let Ok(cell) = Cell::parse(frame.payload.to_vec()) {
                        self.append(mailbox, seq, expiry_s, &cell)?;
                    }
                }
                (Kind::Dropped, Some(target)) if target != id && self.index.files.contains_key(&target) => {
                    self.push_drop(mailbox, seq, target)?;
                }
                (Kind::Dropped, _) => {}
            }
            if emptying.scan.good_end() >= stop {
                self.emptying = Some(emptying);
                return Ok(true);
            }
        }
        self.sync()?;
        self.unlink(id)?;
        Ok(true)
    }

    fn unlink(&mut self, id: SegmentId) -> Result<(), StoreFault> {
        let gone = std::fs::remove_file(self.path(id)).and_then(|()| self.disk.sync_dir(&self.dir));
        gone.map_err(|error| io_fault("a segment could not be removed", &error))?;
        snapshot::remove(&self.path(id));
        self.index.remove_file(id);
        Ok(())
    }

    pub(super) fn health(&self) -> SegmentHealth {
        self.damaged.clone()
    }

    pub(super) fn stats(&self) -> SegmentStats {
        SegmentStats {
            files: self.index.files.len() as u64,
            bytes: self.index.files.values().map(|info| info.bytes).sum(),
            cells: self.index.cells.len() as u64,
            damaged: self.damaged.damaged(),
            cut_bytes: self.cut_bytes,
        }
    }
}

/// Takes a frame that was read at start into the index; returns the removal it records.
fn note(index: &mut Index, id: SegmentId, offset: u64, frame: &Frame<'_>) -> Option<Removal> {
    match frame.kind {
        Kind::Cell => {
            if let (Ok(cell), Ok(offset)) = (Cell::parse(frame.payload.to_vec()), u32::try_from(offset)) {
                index.insert(frame.mailbox, frame.seq, Slot::new(&cell, frame.expiry_s, id, offset));
            }
            None
        }
        Kind::Dropped => {
            let held_in = drop_target(frame)?;
            let removal = Removal { mailbox: frame.mailbox, seq: frame.seq, held_in };
            note_removal(index, id, &removal);
            Some(removal)
        }
    }
}

fn note_removal(index: &mut Index, id: SegmentId, removal: &Removal) {
    if let Some(info) = index.files.get_mut(&id) {
        info.drops += 1;
    }
    // A cell that was stored under the same number later is another one.
    let held = index.cells.get(&(removal.mailbox, removal.seq)).map(|slot| slot.segment);
    if held.is_some_and(|held| held <= removal.held_in) {
        index.remove(removal.mailbox, removal.seq);
    }
}

fn drop_target(frame: &Frame<'_>) -> Option<SegmentId> {
    frame.payload.try_into().ok().map(SegmentId::from_be_bytes)
}

fn parse_name(name: &str) -> Option<SegmentId> {
    let stem = name.strip_suffix(".seg")?;
    let (hour, part) = stem.split_once('-').unwrap_or((stem, "0"));
    let (hour, part) = (hour.parse::<u32>().ok()?, part.parse::<u8>().ok()?);
    (hour <= 0x00ff_ffff).then_some(hour << 8 | u32::from(part))
}
