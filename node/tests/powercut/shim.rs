//! Records what this process asks of the file system below one folder, in order; and lets chosen calls fail.
//!
//! The C functions that Rust's standard library and sled call are defined here again, in the test's own executable: the linker takes these.
//! They pass everything on to the kernel. This is the only unsafe code of the tests.
#![allow(unsafe_code, clippy::missing_safety_doc)]

use libc::{c_char, c_int, c_long, c_uint, c_void, mode_t, off_t, size_t, ssize_t};
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Something that was asked of the file system, or a remark of the test.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// An empty file appeared.
    Create(PathBuf),
    /// Bytes were written at an offset.
    Write { path: PathBuf, at: u64, bytes: Vec<u8> },
    /// A file got this length.
    Truncate { path: PathBuf, length: u64 },
    /// A file or folder got another name.
    Rename { from: PathBuf, to: PathBuf },
    /// A file or an empty folder went.
    Remove(PathBuf),
    /// A folder appeared.
    Folder(PathBuf),
    /// A file's data, or a folder's entries, are durable.
    Sync(PathBuf),
    /// The program under test was told that this is durable.
    Ack(u64),
}

/// A call that is made to fail.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Failure {
    /// From this one on (1 is the next), no write below the folder finds space.
    Full(u64),
    /// This sync (1 is the next) fails, once.
    Sync(u64),
}

#[derive(Default)]
struct Recorder {
    root: PathBuf,
    events: Vec<Event>,
    failure: Option<Failure>,
    writes: u64,
    syncs: u64,
}

static RECORDING: AtomicBool = AtomicBool::new(false);
static RECORDER: Mutex<Option<Recorder>> = Mutex::new(None);

fn recorder() -> MutexGuard<'static, Option<Recorder>> {
    RECORDER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records everything below `root` from now on.
pub(crate) fn start(root: &Path, failure: Option<Failure>) {
    *recorder() = Some(Recorder { root: root.to_owned(), failure, ..Recorder::default() });
    RECORDING.store(true, Ordering::SeqCst);
}

/// What happened since [`start`].
pub(crate) fn stop() -> Vec<Event> {
    RECORDING.store(false, Ordering::SeqCst);
    recorder().take().map(|recorder| recorder.events).unwrap_or_default()
}

/// A remark between the calls.
pub(crate) fn ack(number: u64) {
    if let Some(recorder) = recorder().as_mut() {
        recorder.events.push(Event::Ack(number));
    }
}

/// How many writes and syncs there were since [`start`].
pub(crate) fn counts() -> (u64, u64) {
    recorder().as_ref().map_or((0, 0), |recorder| (recorder.writes, recorder.syncs))
}

fn name_of(fd: c_int) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()
}

unsafe fn path_of(dir: c_int, path: *const c_char) -> Option<PathBuf> {
    let path = unsafe { CStr::from_ptr(path) };
    let path = Path::new(OsStr::from_bytes(path.to_bytes()));
    if path.is_absolute() {
        Some(path.to_owned())
    } else if dir == libc::AT_FDCWD {
        Some(std::env::current_dir().ok()?.join(path))
    } else {
        Some(name_of(dir)?.join(path))
    }
}

/// Runs `call` and, if it succeeds and concerns the folder, keeps what `event` makes of it. Both under the lock, so that the order kept is
/// the order in which the kernel saw the calls.
fn record(
    path: Option<PathBuf>,
    call: impl FnOnce() -> c_long,
    event: impl FnOnce(PathBuf, c_long) -> Option<Event>,
) -> c_long {
    let Some(path) = path.filter(|_| RECORDING.load(Ordering::SeqCst)) else { return call() };
    let mut guard = recorder();
    let Some(recorder) = guard.as_mut().filter(|recorder| path.starts_with(&recorder.root)) else {
        drop(guard);
        return call();
    };
    let result = call();
    if result >= 0
        && let Some(event) = event(path, result)
    {
        recorder.events.push(event);
    }
    result
}

/// Whether this write or sync is one that is to fail.
fn fails(path: Option<&PathBuf>, sync: bool) -> Option<c_int> {
    let path = path.filter(|_| RECORDING.load(Ordering::SeqCst))?;
    let mut guard = recorder();
    let recorder = guard.as_mut().filter(|recorder| path.starts_with(&recorder.root))?;
    let count = if sync { &mut recorder.syncs } else { &mut recorder.writes };
    *count += 1;
    match recorder.failure {
        Some(Failure::Full(from)) if !sync && *count >= from => Some(libc::ENOSPC),
        Some(Failure::Sync(nth)) if sync && *count == nth => Some(libc::EIO),
        _ => None,
    }
}

fn refuse(errno: c_int) {
    unsafe { *libc::__errno_location() = errno };
}

unsafe fn opened(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let call = || unsafe { libc::syscall(libc::SYS_openat, dir, path, flags | libc::O_LARGEFILE, mode) };
    if flags & (libc::O_CREAT | libc::O_TRUNC) == 0 || !RECORDING.load(Ordering::SeqCst) {
        return call() as c_int;
    }
    let path = unsafe { path_of(dir, path) };
    let was_there = path.as_ref().is_some_and(|path| path.symlink_metadata().is_ok());
    record(path, call, |path, _| match was_there {
        false => Some(Event::Create(path)),
        true => (flags & libc::O_TRUNC != 0).then_some(Event::Truncate { path, length: 0 }),
    }) as c_int
}

#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    unsafe { opened(libc::AT_FDCWD, path, flags, mode) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    unsafe { opened(libc::AT_FDCWD, path, flags, mode) }
}

fn written(
    fd: c_int,
    path: Option<PathBuf>,
    at: u64,
    bytes: &[u8],
    call: impl FnOnce() -> c_long,
) -> ssize_t {
    let _ = fd;
    if let Some(errno) = fails(path.as_ref(), false) {
        refuse(errno);
        return -1;
    }
    record(path, call, |path, length| {
        let bytes = bytes.get(..usize::try_from(length).ok()?)?.to_vec();
        Some(Event::Write { path, at, bytes })
    }) as ssize_t
}

#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, length: size_t) -> ssize_t {
    let call = || unsafe { libc::syscall(libc::SYS_write, fd, bytes, length) };
    if !RECORDING.load(Ordering::SeqCst) {
        return call() as ssize_t;
    }
    let appends = unsafe { libc::fcntl(fd, libc::F_GETFL) } & libc::O_APPEND != 0;
    let whence = if appends { libc::SEEK_END } else { libc::SEEK_CUR };
    // With O_APPEND the kernel moves the offset by itself.
    let at = unsafe { libc::lseek(fd, 0, whence) };
    let path = name_of(fd).filter(|_| at >= 0);
    let slice = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) };
    written(fd, path, at.unsigned_abs(), slice, call)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite64(fd: c_int, bytes: *const c_void, length: size_t, at: off_t) -> ssize_t {
    let call = || unsafe { libc::syscall(libc::SYS_pwrite64, fd, bytes, length, at) };
    if !RECORDING.load(Ordering::SeqCst) {
        return call() as ssize_t;
    }
    let slice = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) };
    written(fd, name_of(fd), at.unsigned_abs(), slice, call)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite(fd: c_int, bytes: *const c_void, length: size_t, at: off_t) -> ssize_t {
    unsafe { pwrite64(fd, bytes, length, at) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ftruncate64(fd: c_int, length: off_t) -> c_int {
    let call = || unsafe { libc::syscall(libc::SYS_ftruncate, fd, length) };
    record(name_of(fd), call, |path, _| Some(Event::Truncate { path, length: length.unsigned_abs() }))
        as c_int
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    unsafe { ftruncate64(fd, length) }
}

fn synced(fd: c_int, number: c_long) -> c_int {
    let path = name_of(fd);
    if let Some(errno) = fails(path.as_ref(), true) {
        refuse(errno);
        return -1;
    }
    record(path, || unsafe { libc::syscall(number, fd) }, |path, _| Some(Event::Sync(path))) as c_int
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    synced(fd, libc::SYS_fsync)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    synced(fd, libc::SYS_fdatasync)
}

/// No promise about power cuts, so it is not even recorded.
#[unsafe(no_mangle)]
unsafe extern "C" fn sync_file_range(_: c_int, _: off_t, _: off_t, _: c_uint) -> c_int {
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let cwd = libc::AT_FDCWD;
    let call = || unsafe { libc::syscall(libc::SYS_renameat2, cwd, from, cwd, to, 0) };
    let from = unsafe { path_of(cwd, from) };
    let to = unsafe { path_of(cwd, to) };
    record(from, call, |from, _| Some(Event::Rename { from, to: to? })) as c_int
}

#[unsafe(no_mangle)]
unsafe extern "C" fn unlinkat(dir: c_int, path: *const c_char, flags: c_int) -> c_int {
    let call = || unsafe { libc::syscall(libc::SYS_unlinkat, dir, path, flags) };
    record(unsafe { path_of(dir, path) }, call, |path, _| Some(Event::Remove(path))) as c_int
}

#[unsafe(no_mangle)]
unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    unsafe { unlinkat(libc::AT_FDCWD, path, 0) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rmdir(path: *const c_char) -> c_int {
    unsafe { unlinkat(libc::AT_FDCWD, path, libc::AT_REMOVEDIR) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    let cwd = libc::AT_FDCWD;
    let call = || unsafe { libc::syscall(libc::SYS_mkdirat, cwd, path, mode) };
    record(unsafe { path_of(cwd, path) }, call, |path, _| Some(Event::Folder(path))) as c_int
}
