//! sled's files as a whole: opened, made durable, moved aside when damaged, and copied anew when they have grown too large.
//!
//! sled 0.34.7 does not reuse space well when records that are rewritten often lie in one log with records that stay (measured: a log of
//! 340 MB after 60,000 messages of 20 MB). So a log that has grown to several times its size after the last copy is copied record by
//! record when the store is opened. The copy takes the place of the original only after it was compared with it and synced.

use super::OpenError;
use super::disk::{self, Disk};
use super::journal;
use super::system_clock;
use crate::os;
use ::sled::{Db, Tree};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many times its size after the last copy a log may grow.
const GROWTH: u64 = 3;
/// Records copied in one batch.
const COPIED_AT_ONCE: usize = 128;

/// Where sled's files lie inside a store's directory.
pub(super) struct Files {
    dir: PathBuf,
    pub(super) kv: PathBuf,
    /// A store or a copy that is being made; worthless until it has its final name.
    unfinished: PathBuf,
    /// The original, between being replaced by its copy and being removed.
    replaced: PathBuf,
}

impl Files {
    pub(super) fn of(dir: &Path) -> Self {
        let [kv, unfinished, replaced] = ["kv", "kv.new", "kv.old"].map(|name| dir.join(name));
        Self { dir: dir.to_owned(), kv, unfinished, replaced }
    }

    /// Whether a store was made here.
    pub(super) fn exist(&self) -> bool {
        self.kv.exists() || self.replaced.exists()
    }

    /// Removes what a process that died left behind. Must be called under the lock.
    pub(super) fn clean_up(&self, disk: &Disk) -> io::Result<()> {
        if self.unfinished.exists() {
            std::fs::remove_dir_all(&self.unfinished)?;
        }
        let (inside, journal) = (self.kv.join(journal::FILE), self.dir.join(journal::FILE));
        if inside.exists() && !journal.exists() {
            std::fs::rename(inside, journal)?;
        }
        if self.replaced.exists() {
            if self.kv.exists() {
                std::fs::remove_dir_all(&self.replaced)?;
            } else {
                std::fs::rename(&self.replaced, &self.kv)?;
            }
            disk.sync_dir(&self.dir)?;
        }
        Ok(())
    }

    /// Makes a store whose content `fill` writes; it has its final name, and is durable, only when this returns.
    pub(super) fn make(
        &self,
        cache_bytes: u64,
        disk: &Disk,
        fill: impl FnOnce(&Tree) -> Result<(), OpenError>,
    ) -> Result<(), OpenError> {
        disk::create_private_dir(&self.unfinished)?;
        let (db, tree) = open_sled(&self.unfinished, cache_bytes)?;
        fill(&tree)?;
        db.flush()?;
        drop((tree, db));
        for file in ["conf", "db"] {
            disk.sync_file(&self.unfinished.join(file))?;
        }
        disk.sync_dir(&self.unfinished.join("blobs"))?;
        disk.sync_dir(&self.unfinished)?;
        if self.kv.exists() {
            std::fs::rename(&self.kv, &self.replaced)?;
        }
        std::fs::rename(&self.unfinished, &self.kv)?;
        disk.sync_dir(&self.dir)?;
        if self.replaced.exists() {
            std::fs::remove_dir_all(&self.replaced)?;
        }
        Ok(())
    }

    /// Length of sled's log.
    pub(super) fn log_bytes(&self) -> io::Result<u64> {
        Ok(std::fs::metadata(self.kv.join("db"))?.len())
    }

    /// Copies every record of `open` into new files and opens those.
    pub(super) fn copy(
        &self,
        open: (Db, Tree),
        cache_bytes: u64,
        disk: &Disk,
    ) -> Result<(Db, Tree), OpenError> {
        let before = self.log_bytes()?;
        self.make(cache_bytes, disk, |copy| {
            let mut batch = ::sled::Batch::default();
            for (number, row) in open.1.iter().enumerate() {
                let (key, value) = row?;
                batch.insert(key, value);
                if number % COPIED_AT_ONCE == COPIED_AT_ONCE - 1 {
                    copy.apply_batch(core::mem::take(&mut batch))?;
                }
            }
            copy.apply_batch(batch)?;
            let mut copied = copy.iter();
            for row in open.1.iter() {
                if copied.next().transpose()? != Some(row?) {
                    return Err(io::Error::other("a copy of the store differs from the original").into());
                }
            }
            match copied.next() {
                None => Ok(()),
                Some(_) => Err(io::Error::other("a copy of the store holds too much").into()),
            }
        })?;
        drop(open);
        let after = self.log_bytes()?;
        tracing::info!(before, after, "the store was copied to give space back");
        Ok(open_sled(&self.kv, cache_bytes)?)
    }

    /// Moves a damaged store aside.
    pub(super) fn quarantine(&self, disk: &Disk, why: String) -> OpenError {
        let mut moved_to = self.dir.join(format!("kv.quarantine-{}", system_clock()()));
        while moved_to.exists() {
            moved_to.as_mut_os_string().push("x");
        }
        // With it goes what was to be added to it. Cut off in between, it is put back when the store is opened the next time.
        let journal = match std::fs::rename(self.dir.join(journal::FILE), self.kv.join(journal::FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        let moved = journal.and_then(|()| std::fs::rename(&self.kv, &moved_to));
        match moved.and_then(|()| disk.sync_dir(&self.dir)) {
            Ok(()) => OpenError::Quarantined { moved_to, why },
            Err(error) => error.into(),
        }
    }
}

/// Whether a log of this length is to be copied, if it had `settled` bytes after the last copy and up to `small` bytes do not matter.
pub(super) fn is_overgrown(bytes: u64, settled: u64, small: u64) -> bool {
    bytes > small.max(settled.saturating_mul(GROWTH))
}

/// Removes snapshots whose writing was cut off: sled takes the newest of them for a whole one and does not open again. The whole one before
/// it is still there, and a snapshot only saves reading the log.
fn remove_unfinished_snapshots(kv: &Path) -> io::Result<()> {
    let Ok(entries) = std::fs::read_dir(kv) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Opens sled in a directory whose lock this process holds: if sled says that it is locked, a store that was just closed is still letting
/// go of it in sled's threads.
pub(super) fn open_sled(kv: &Path, cache_bytes: u64) -> ::sled::Result<(Db, Tree)> {
    remove_unfinished_snapshots(kv)?;
    let mut tries = 0;
    loop {
        let config = ::sled::Config::new().path(kv).cache_capacity(cache_bytes).flush_every_ms(None);
        // sled keeps seven threads that look once a second whether there is work, though they are told when there is.
        match os::with_lazy_threads(|| config.open()) {
            Ok(db) => {
                let tree = db.open_tree("core")?;
                return Ok((db, tree));
            }
            Err(::sled::Error::Io(error)) if tries < 400 && error.to_string().contains("acquire lock") => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
        }
    }
}

impl From<::sled::Error> for OpenError {
    fn from(error: ::sled::Error) -> Self {
        Self::Io(match error {
            ::sled::Error::Io(error) => error,
            other => io::Error::other(other.to_string()),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_same_records_and_an_interrupted_swap_is_put_right() {
        let dir = tempfile::tempdir().unwrap();
        let (files, disk) = (Files::of(dir.path()), Disk::default());
        files.make(1 << 20, &disk, |_| Ok(())).unwrap();
        let open = open_sled(&files.kv, 1 << 20).unwrap();
        for n in 0..1_000_u32 {
            open.1.insert(n.to_be_bytes(), vec![n as u8; 100]).unwrap();
        }
        let (db, tree) = files.copy(open, 1 << 20, &disk).unwrap();
        assert_eq!(tree.len(), 1_000);
        assert_eq!(tree.get(700_u32.to_be_bytes()).unwrap().unwrap(), vec![700_u32 as u8; 100]);
        drop((tree, db));
        assert!(!files.replaced.exists() && !files.unfinished.exists());
        // Cut off between the two renames: the original takes its place again.
        std::fs::rename(&files.kv, &files.replaced).unwrap();
        std::fs::create_dir(&files.unfinished).unwrap();
        assert!(files.exist());
        files.clean_up(&disk).unwrap();
        assert!(files.kv.exists() && !files.replaced.exists() && !files.unfinished.exists());
        // Cut off after them: the copy stays.
        std::fs::create_dir(&files.replaced).unwrap();
        files.clean_up(&disk).unwrap();
        assert_eq!(open_sled(&files.kv, 1 << 20).unwrap().1.len(), 1_000);
        assert!(!files.replaced.exists());
    }

    #[test]
    fn a_snapshot_that_was_cut_off_does_not_keep_the_store_shut() {
        let dir = tempfile::tempdir().unwrap();
        let (files, disk) = (Files::of(dir.path()), Disk::default());
        let insert = |tree: &Tree| tree.insert(b"k", b"v").map(drop).map_err(OpenError::from);
        files.make(1 << 20, &disk, insert).unwrap();
        std::fs::write(files.kv.join("snap.FFFFFFFFFFFFFFFF.generating"), "half of").unwrap();
        assert_eq!(open_sled(&files.kv, 1 << 20).unwrap().1.get(b"k").unwrap().unwrap(), b"v");
    }

    #[test]
    fn a_log_is_copied_when_it_is_large_and_has_grown_manifold() {
        assert!(!is_overgrown(64, 0, 64));
        assert!(is_overgrown(65, 0, 64));
        assert!(!is_overgrown(300, 100, 64));
        assert!(is_overgrown(301, 100, 64));
    }
}
