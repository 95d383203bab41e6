//! Builds what a disk may hold after the power went at some moment of a recording.
//!
//! The kernel writes back what was not synced when and as it likes. Names (create, rename, remove, length) are kept in order by the file
//! system's journal, and any sync commits those before it; data is durable only by a sync of its own file.

use super::shim::Event;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What becomes of writes that no sync covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All are there: only the process died.
    Killed,
    /// None is there.
    Dropped,
    /// They are there in order up to one that is torn.
    Torn,
    /// Each page is there or not.
    Reordered,
}

pub(crate) const MODES: [Mode; 4] = [Mode::Killed, Mode::Dropped, Mode::Torn, Mode::Reordered];
const PAGE: usize = 4_096;

/// A small generator, so that a failing image can be built again from its seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut out = self.0;
        out = (out ^ out >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        out = (out ^ out >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        out ^ out >> 31
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Names and the files behind them.
#[derive(Clone, Default)]
struct Names {
    files: BTreeMap<PathBuf, usize>,
    folders: std::collections::BTreeSet<PathBuf>,
}

impl Names {
    fn apply(&mut self, event: &Event, file: Option<usize>) {
        match event {
            Event::Create(path) => _ = file.map(|file| self.files.insert(path.clone(), file)),
            Event::Folder(path) => _ = self.folders.insert(path.clone()),
            Event::Remove(path) => {
                self.files.remove(path);
                self.folders.remove(path);
            }
            Event::Rename { from, to } => {
                let moved = |path: &PathBuf| path.strip_prefix(from).ok().map(|rest| join(to, rest));
                self.files = std::mem::take(&mut self.files)
                    .into_iter()
                    // What had the new name is replaced.
                    .filter(|(path, _)| path != to)
                    .map(|(path, file)| (moved(&path).unwrap_or(path), file))
                    .collect();
                self.folders = std::mem::take(&mut self.folders)
                    .into_iter()
                    .map(|path| moved(&path).unwrap_or(path))
                    .collect();
            }
            _ => {}
        }
    }
}

fn join(folder: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { folder.to_owned() } else { folder.join(rest) }
}

/// The file that each event is about, numbered from 0 in the order of creation.
fn files_of(events: &[Event]) -> Vec<Option<usize>> {
    let mut names = Names::default();
    let mut created = 0;
    events
        .iter()
        .map(|event| {
            let file = match event {
                Event::Create(_) => {
                    created += 1;
                    Some(created - 1)
                }
                Event::Write { path, .. } | Event::Truncate { path, .. } | Event::Sync(path) => {
                    names.files.get(path).copied()
                }
                _ => None,
            };
            names.apply(event, file);
            file
        })
        .collect()
}

/// Writes into `to` what the disk may hold if the power went before `events[cut]`. Paths of the recording lie below `root`.
pub(crate) fn image(events: &[Event], cut: usize, mode: Mode, dice: &mut Dice, root: &Path, to: &Path) {
    let files = files_of(events);
    let last_sync =
        events[..cut].iter().rposition(|event| matches!(event, Event::Sync(_))).map_or(0, |at| at + 1);
    let is_durable = |at: usize| {
        let of_same_file =
            |later: &usize| matches!(events[*later], Event::Sync(_)) && files[*later] == files[at];
        files[at].is_some() && (at..cut).find(of_same_file).is_some()
    };
    // How far the journal of names and, when torn, the writes in order have come.
    let names_upto = match mode {
        Mode::Killed => cut,
        Mode::Dropped => last_sync,
        Mode::Torn | Mode::Reordered => last_sync + dice.below(cut - last_sync + 1),
    };
    let mut names = Names::default();
    let mut contents: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    for (at, event) in events[..cut].iter().enumerate() {
        let kept_in_order = at < names_upto;
        match event {
            Event::Write { at: offset, bytes, .. } => {
                let Some(file) = files[at] else { continue };
                let content = contents.entry(file).or_default();
                let durable = mode == Mode::Killed || is_durable(at);
                match mode {
                    _ if durable => put(content, *offset as usize, bytes),
                    Mode::Torn if kept_in_order => put(content, *offset as usize, bytes),
                    Mode::Torn if at == names_upto => {
                        put(content, *offset as usize, &bytes[..dice.below(bytes.len() + 1)]);
                    }
                    Mode::Reordered => put_some(content, *offset as usize, bytes, dice),
                    _ => {}
                }
            }
            Event::Truncate { length, .. } => {
                if let Some(file) = files[at].filter(|_| kept_in_order || is_durable(at)) {
                    contents.entry(file).or_default().resize(*length as usize, 0);
                }
            }
            event if kept_in_order => names.apply(event, files[at]),
            _ => {}
        }
    }
    for folder in &names.folders {
        if let Ok(rest) = folder.strip_prefix(root) {
            std::fs::create_dir_all(to.join(rest)).unwrap();
        }
    }
    for (path, file) in &names.files {
        let path = to.join(path.strip_prefix(root).unwrap());
        // A name whose folder's name was lost is lost with it.
        if path.parent().is_some_and(Path::exists) {
            std::fs::write(path, contents.get(file).map_or(&[][..], |content| content)).unwrap();
        }
    }
}

fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if content.len() < at + bytes.len() {
        content.resize(at + bytes.len(), 0);
    }
    content[at..at + bytes.len()].copy_from_slice(bytes);
}

fn put_some(content: &mut Vec<u8>, at: usize, bytes: &[u8], dice: &mut Dice) {
    let mut from = 0;
    while from < bytes.len() {
        // Up to the next border of a page of the file.
        let length = (PAGE - (at + from) % PAGE).min(bytes.len() - from);
        if dice.next() & 1 == 1 {
            put(content, at + from, &bytes[from..from + length]);
        }
        from += length;
    }
}
