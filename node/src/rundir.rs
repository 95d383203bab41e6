//! Where a data directory's node is found: its lock, its socket in the runtime directory, and the file that names the socket.

use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

const NODE_FILE: &str = "node.json";
const LOCK_FILE: &str = "lock";

/// Longest path of a Unix socket, bytes; the system's structure holds 108 with the closing zero, 104 on Apple's.
const SOCKET_PATH_MAX: usize = if cfg!(target_vendor = "apple") { 103 } else { 107 };

/// What a running node writes into its data directory, so that front ends find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFile {
    /// Process id.
    pub pid: u32,
    /// Path of the socket.
    pub socket: PathBuf,
    /// [`crate::api::API_VERSION`].
    pub version: u32,
}

impl NodeFile {
    /// The one in `data_dir`, or `None` if there is none that can be read. It may be left from a node that was killed.
    #[must_use]
    pub fn read(data_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(data_dir.join(NODE_FILE)).ok()?).ok()
    }

    /// Puts it into `data_dir`; readers see the old one or the new one.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, data_dir: &Path) -> io::Result<()> {
        let part = data_dir.join("node.json.part");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(part, data_dir.join(NODE_FILE))
    }

    /// Removes it together with the socket it names. Only the holder of the lock does this.
    pub fn remove(data_dir: &Path) {
        if let Some(file) = Self::read(data_dir) {
            let _ = fs::remove_file(file.socket);
        }
        let _ = fs::remove_file(data_dir.join(NODE_FILE));
    }
}

/// Reads a small secret file of a data directory, or `None` if there is none that can be read.
#[must_use]
pub fn read_secret(data_dir: &Path, name: &str) -> Option<zeroize::Zeroizing<String>> {
    fs::read_to_string(data_dir.join(name)).ok().map(zeroize::Zeroizing::new)
}

/// Writes a small secret file that only its owner can read; readers see the old one or the new one.
///
/// # Errors
/// The system's.
pub fn write_secret(data_dir: &Path, name: &str, text: &str) -> io::Result<()> {
    let part = data_dir.join(format!("{name}.part"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(part, data_dir.join(name))
}

/// A directory for one run, removed with what is in it; if the run was killed, by a later run of the same name.
#[derive(Debug)]
pub struct TempDir(PathBuf, #[allow(dead_code, reason = "held for its lock")] Option<DirLock>);

/// A directory that nobody holds is left alone for so long: its run may be about to take it.
const NEW: Duration = Duration::from_secs(60);

impl TempDir {
    /// Makes one under the system's directory for such things.
    ///
    /// # Errors
    /// The system's.
    pub fn make(name: &str) -> io::Result<Self> {
        let mut salt = [0; 8];
        getrandom::fill(&mut salt).map_err(io::Error::other)?;
        let base = std::env::temp_dir();
        clear_dead(&base, name);
        let path = base.join(format!("{name}-{:016x}", u64::from_be_bytes(salt)));
        make_data_dir(&path)?;
        let lock = DirLock::take(&path)?;
        Ok(Self(path, lock))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Removes it now.
    pub fn remove(&self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes what killed runs of this user have left: directories of this name whose lock nobody holds.
fn clear_dead(base: &Path, name: &str) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let file_name = entry.file_name();
        let salt = file_name.to_str().and_then(|text| text.strip_prefix(name)?.strip_prefix('-'));
        let ours =
            salt.is_some_and(|salt| salt.len() == 16 && salt.bytes().all(|byte| byte.is_ascii_hexdigit()));
        // The kind is that of the entry itself: a link leads nowhere.
        let Some(meta) = entry.metadata().ok().filter(|meta| ours && meta.is_dir()) else { continue };
        let private = meta.uid() == crate::os::uid() && meta.mode() & 0o077 == 0;
        let old = meta.modified().ok().and_then(|at| at.elapsed().ok()).is_some_and(|age| age > NEW);
        let path = entry.path();
        if private
            && old
            && path.join(LOCK_FILE).is_file()
            && let Ok(Some(_dead)) = DirLock::take(&path)
        {
            // What can not be removed now is tried again next time.
            let _ = fs::remove_dir_all(&path);
        }
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The right to run the node of a data directory; it ends with this value or with the process, however that ends.
#[derive(Debug)]
pub struct DirLock(#[allow(dead_code, reason = "held for its lock")] File);

impl DirLock {
    /// Takes it, or returns `None` if another process has it.
    ///
    /// # Errors
    /// The system's, for example that the directory does not exist.
    pub fn take(data_dir: &Path) -> io::Result<Option<Self>> {
        use rustix::fs::{FlockOperation, flock};
        let path = data_dir.join(LOCK_FILE);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Removes the lock and, if nothing else is in it, the directory.
pub fn remove_empty(data_dir: &Path, lock: DirLock) {
    let _ = fs::remove_file(data_dir.join(LOCK_FILE));
    drop(lock);
    let _ = fs::remove_dir(data_dir);
}

/// Makes a data directory that only its owner can enter; parents are made too.
///
/// # Errors
/// The system's.
pub fn make_data_dir(data_dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(data_dir)?;
    fs::set_permissions(data_dir, fs::Permissions::from_mode(0o700))
}

/// Takes from others what rights they have on `path`; true if they had some. A file that is not there is nobody's.
///
/// # Errors
/// The system's.
pub fn take_private(path: &Path) -> io::Result<bool> {
    let mode = match fs::metadata(path) {
        Ok(found) => found.permissions().mode(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let open = mode & 0o077 != 0;
    if open {
        fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700))?;
    }
    Ok(open)
}

/// Path of the socket for `data_dir`, in a directory that only this user can enter and that exists when this returns. Data
/// directories may lie too deep for a socket's path, so it is named by a hash.
///
/// # Errors
/// The system's, or that no directory for it was found.
pub fn socket_path(data_dir: &Path) -> io::Result<PathBuf> {
    let canonical = fs::canonicalize(data_dir)?;
    let hash = blake3::hash(canonical.as_os_str().as_encoded_bytes()).to_hex();
    let name = format!("{}.sock", hash.get(..16).unwrap_or_default());
    let uid = crate::os::uid();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let candidates = runtime.map(|dir| dir.join("karvon")).into_iter().chain([
        std::env::temp_dir().join(format!("karvon-{uid}")),
        PathBuf::from(format!("/tmp/karvon-{uid}")),
        canonical,
    ]);
    let mut refusal = io::Error::new(io::ErrorKind::NotFound, "no directory for the socket");
    for dir in candidates {
        let path = dir.join(&name);
        if path.as_os_str().len() > SOCKET_PATH_MAX {
            continue;
        }
        match own_dir(&dir, uid) {
            Ok(()) => return Ok(path),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

/// Makes `dir` if it is missing, and refuses one that another user made or can enter: in a shared directory anybody may have
/// put a directory or a link there first.
fn own_dir(dir: &Path, uid: u32) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(dir)?;
    if !found.is_dir() || found.uid() != uid || found.mode() & 0o077 != 0 {
        let text = format!("{} is not a private directory of this user", dir.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    Ok(())
}

/// Removes what a killed node left at `socket`.
///
/// # Errors
/// The system's, but not that there was nothing.
pub fn clear_socket(socket: &Path) -> io::Result<()> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether `data_dir` exists.
#[must_use]
pub fn exists(data_dir: &Path) -> bool {
    data_dir.is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_holds_a_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirLock::take(dir.path()).unwrap();
        assert!(first.is_some());
        assert!(DirLock::take(dir.path()).unwrap().is_none());
        drop(first);
        assert!(DirLock::take(dir.path()).unwrap().is_some());
    }

    #[test]
    fn what_a_killed_run_left_is_removed_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let make = |name: &str, locked: bool, age_s: u64| {
            let path = base.path().join(name);
            make_data_dir(&path).unwrap();
            let lock = DirLock::take(&path).unwrap().filter(|_| locked);
            let then = std::time::SystemTime::now() - Duration::from_secs(age_s);
            File::open(&path).unwrap().set_modified(then).unwrap();
            (path, lock)
        };
        let dead = make("demo-0123456789abcdef", false, 3_600);
        let kept = [
            make("demo-0123456789abcde0", true, 3_600),
            make("demo-0123456789abcde1", false, 5),
            make("demo-0123456789abcde", false, 3_600),
            make("other-0123456789abcdef", false, 3_600),
        ];
        let unlocked = base.path().join("demo-0123456789abcde2");
        make_data_dir(&unlocked).unwrap();
        std::os::unix::fs::symlink(&kept[3].0, base.path().join("demo-0123456789abcde3")).unwrap();
        clear_dead(base.path(), "demo");
        assert!(!dead.0.exists());
        assert!(kept.iter().all(|(path, _)| path.join(LOCK_FILE).exists()) && unlocked.exists());
    }

    #[test]
    fn a_deep_data_directory_has_a_short_socket() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(120)).join("e".repeat(120));
        make_data_dir(&deep).unwrap();
        let socket = socket_path(&deep).unwrap();
        assert!(socket.as_os_str().len() <= SOCKET_PATH_MAX, "{}", socket.display());
        assert_eq!(socket, socket_path(&deep).unwrap());
        assert_ne!(socket, socket_path(dir.path()).unwrap());
    }

    #[test]
    fn a_directory_that_others_can_enter_or_that_is_a_link_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let uid = crate::os::uid();
        let open = dir.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(own_dir(&open, uid).is_err());
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        assert!(own_dir(&link, uid).is_err());
        assert!(own_dir(&dir.path().join("new"), uid).is_ok());
        assert!(own_dir(&dir.path().join("new"), uid + 1).is_err());
    }

    #[test]
    fn a_node_file_is_read_as_it_was_written_and_junk_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(NodeFile::read(dir.path()), None);
        let file = NodeFile { pid: 1, socket: dir.path().join("s"), version: 1 };
        file.write(dir.path()).unwrap();
        assert_eq!(NodeFile::read(dir.path()), Some(file));
        fs::write(dir.path().join(NODE_FILE), "{").unwrap();
        assert_eq!(NodeFile::read(dir.path()), None);
    }
}
