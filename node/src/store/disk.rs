//! The few file-system calls that durability rests on, in one place, so that they can be counted and made to fail.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Free space below which nothing more is written, bytes: sled does not survive a full disk well, so it must not meet one.
const RESERVE_BYTES: u64 = 8 << 20;
/// Free space that nobody uses up within [`AMPLE_FOR`], bytes.
const AMPLE_BYTES: u64 = 4 << 30;
/// How long such an answer of the system holds: it costs as much as sealing a text.
const AMPLE_FOR: Duration = Duration::from_secs(1);

/// Makes file data and directory entries durable, and counts how often. Clones share the counters.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    syncs: AtomicU64,
    /// The sync with this number fails; 0 is none.
    fail_at: AtomicU64,
}

impl Disk {
    /// How many syncs were asked of the system.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.0.syncs.load(Ordering::SeqCst)
    }

    /// Lets the `nth` sync from now on fail (1 is the next one), as a broken medium would: for tests.
    pub fn fail_sync(&self, nth: u64) {
        self.0.fail_at.store(self.syncs() + nth, Ordering::SeqCst);
    }

    fn count(&self) -> io::Result<()> {
        let number = self.0.syncs.fetch_add(1, Ordering::SeqCst) + 1;
        if number == self.0.fail_at.load(Ordering::SeqCst) {
            return Err(io::Error::other("made to fail"));
        }
        Ok(())
    }

    /// `fdatasync`: the file's data, and its length as far as it is needed to read them.
    pub(super) fn sync_data(&self, file: &File) -> io::Result<()> {
        self.count()?;
        file.sync_data()
    }

    /// `fsync` of the file at `path`.
    pub(super) fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.count()?;
        File::open(path)?.sync_all()
    }

    /// Makes the entries of a directory durable. Windows has no such call; its file systems keep entries in their journal.
    pub(super) fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.count()?;
        #[cfg(unix)]
        File::open(path)?.sync_all()?;
        #[cfg(not(unix))]
        let _ = path;
        Ok(())
    }
}

/// What is left of the space at a place.
pub(super) struct Room {
    path: PathBuf,
    /// When there was plenty.
    ample: Option<Instant>,
}

impl Room {
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), ample: None }
    }

    /// Whether so little is left that nothing more should be written; false if the system does not tell.
    pub(super) fn is_full(&mut self) -> bool {
        if self.ample.is_some_and(|seen| seen.elapsed() < AMPLE_FOR) {
            return false;
        }
        let free = free_space(&self.path);
        self.ample = free.is_none_or(|free| free >= AMPLE_BYTES).then(Instant::now);
        free.is_some_and(|free| free < RESERVE_BYTES)
    }
}

/// Bytes that may still be written at `path`; `None` if the system does not tell.
#[must_use]
pub fn free_space(path: &Path) -> Option<u64> {
    #[cfg(unix)]
    return rustix::fs::statvfs(path).ok().map(|space| space.f_bavail.saturating_mul(space.f_frsize));
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// Whether `bytes` are free at `path`; true if the system does not tell.
pub(super) fn has_room(path: &Path, bytes: u64) -> bool {
    free_space(path).is_none_or(|free| free >= bytes)
}

/// Creates `path` and its missing parents, readable by their owner alone.
pub(super) fn create_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Options for a file that is readable by its owner alone.
pub(super) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

/// An exclusive lock on a directory; it ends with the process at the latest.
#[derive(Debug)]
pub(super) struct DirLock {
    _file: File,
}

impl DirLock {
    /// Takes the lock, or returns `None` if somebody else has it. sled's own lock does not exist on Android and tells no reason.
    pub(super) fn take(dir: &Path) -> io::Result<Option<Self>> {
        let file = private_file().create(true).truncate(false).write(true).open(dir.join("lock"))?;
        #[cfg(unix)]
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        #[cfg(not(unix))]
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
            Err(std::fs::TryLockError::Error(error)) => return Err(error),
        }
        Ok(Some(Self { _file: file }))
    }
}

/// Writes a file that is there whole or not at all, readable by its owner alone.
///
/// # Errors
/// The system's; then what was at `path` is as it was.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_whole_by(path, |mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    })
}

/// Like [`write_whole`], with a function that writes the file and syncs it.
pub(super) fn write_whole_by<T, E: From<io::Error>>(
    path: &Path,
    fill: impl FnOnce(File) -> Result<T, E>,
) -> Result<T, E> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".part");
    let unfinished = Path::new(&unfinished);
    let write = || {
        let written = fill(private_file().create(true).truncate(true).write(true).open(unfinished)?)?;
        std::fs::rename(unfinished, path)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        Disk::default().sync_dir(parent.unwrap_or(Path::new(".")))?;
        Ok(written)
    };
    let done: Result<T, E> = write();
    if done.is_err() {
        // Half a file is of no use; that it could not be written is what is told.
        let _ = remove_if_there(unfinished);
    }
    done
}

/// Removes a file; one that is not there is as good.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
