//! Replaces libc's `getrandom` and `clock_gettime` on the thread that runs a world; the one file of this crate with unsafe code.
//!
//! Other threads, and the same thread while no world runs, get the kernel's answers. `snow`, libp2p, the standard library's
//! `RandomState` and `Instant` all end in these two functions; what reaches the kernel in another way is killed by a filter.
#![allow(unsafe_code)]

use super::rng::Rng;
use libc::{c_int, c_uint, c_void, clockid_t, size_t, ssize_t, timespec};
use std::cell::Cell;

const NANOS: u64 = 1_000_000_000;

thread_local! {
    // `const` and without destructors: reading them never allocates and is possible at any moment of a thread's life.
    static ON: Cell<bool> = const { Cell::new(false) };
    static MONO_NS: Cell<u64> = const { Cell::new(0) };
    static WALL_NS: Cell<u64> = const { Cell::new(0) };
    static SKEW_NS: Cell<i64> = const { Cell::new(0) };
    static ENTROPY: Cell<Rng> = const { Cell::new(Rng::new(0)) };
}

/// Virtual time and entropy on this thread, from now on.
pub(super) fn enable(seed: u64, mono_ns: u64, wall_ns: u64) {
    ENTROPY.set(Rng::new(seed));
    MONO_NS.set(mono_ns);
    WALL_NS.set(wall_ns);
    SKEW_NS.set(0);
    ON.set(true);
}

/// Moves both clocks of this thread.
pub(super) fn set_now(mono_ns: u64, wall_ns: u64) {
    MONO_NS.set(mono_ns);
    WALL_NS.set(wall_ns);
}

/// Sets how far the wall clock of the node that runs now is off; returns what it was.
pub(super) fn set_skew(skew_ns: i64) -> i64 {
    SKEW_NS.replace(skew_ns)
}

/// The kernel's words back on this thread.
pub(super) fn disable() {
    ON.set(false);
}

/// Kills the process at the next `getrandom` system call of this thread: a source of entropy that was not replaced must not go unseen.
/// Returns false where the kernel does not allow such a filter.
pub(super) fn forbid_raw_entropy() -> bool {
    const fn statement(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
        libc::sock_filter { code: code as u16, jt, jf, k }
    }
    let mut filter = [
        // The system call's number lies at offset 0 of what the filter sees.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_getrandom as u32),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: both calls only read their arguments; `program` and `filter` live until they return, the kernel copies them.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    }
}

/// Whether both functions are found under their names, as the crates that look them up at run time find them.
pub(super) fn in_place() -> bool {
    // SAFETY: the names are NUL-terminated; the result is only compared.
    let (random, clock) = unsafe {
        (
            libc::dlsym(libc::RTLD_DEFAULT, c"getrandom".as_ptr()),
            libc::dlsym(libc::RTLD_DEFAULT, c"clock_gettime".as_ptr()),
        )
    };
    let (own_random, own_clock) = (getrandom as *const c_void, clock_gettime as *const c_void);
    std::ptr::eq(random, own_random) && std::ptr::eq(clock, own_clock)
}

/// Real CPU time of this process in nanoseconds, also while a world runs. For figures only: never part of a trace.
#[must_use]
pub fn cpu_ns() -> u64 {
    let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write one timespec to.
    let result = unsafe { real_clock(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    if result != 0 {
        return 0;
    }
    u64::try_from(time.tv_sec).unwrap_or(0) * NANOS + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Memory of this process that lies in RAM, bytes; 0 if unknown. For figures only.
#[must_use]
pub fn rss_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|line| line.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok()));
    pages.unwrap_or(0) * 4_096
}

/// # Safety
/// `out` points to a timespec that may be written.
unsafe fn real_clock(clock: clockid_t, out: *mut timespec) -> c_int {
    // SAFETY: the caller vouches for `out`; on 64-bit targets the kernel's and libc's timespec are the same.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, out) as c_int }
}

/// Stands in for libc's function of this name.
///
/// # Safety
/// As for libc's: `out` is null or points to a timespec that may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, out: *mut timespec) -> c_int {
    let virtual_ns = match clock {
        _ if !ON.get() || out.is_null() => None,
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => {
            Some(WALL_NS.get().saturating_add_signed(SKEW_NS.get()))
        }
        libc::CLOCK_MONOTONIC
        | libc::CLOCK_MONOTONIC_COARSE
        | libc::CLOCK_MONOTONIC_RAW
        | libc::CLOCK_BOOTTIME => Some(MONO_NS.get()),
        _ => None,
    };
    let Some(ns) = virtual_ns else {
        // SAFETY: passed on unchanged.
        return unsafe { real_clock(clock, out) };
    };
    let time = timespec { tv_sec: (ns / NANOS) as libc::time_t, tv_nsec: (ns % NANOS) as libc::c_long };
    // SAFETY: the caller passes a place for one timespec; null was excluded.
    unsafe { out.write(time) };
    0
}

/// Stands in for libc's function of this name.
///
/// # Safety
/// As for libc's: `buffer` points to `length` bytes that may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: size_t, flags: c_uint) -> ssize_t {
    if !ON.get() {
        // SAFETY: passed on unchanged.
        return unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) as ssize_t };
    }
    if length == 0 {
        return 0;
    }
    // SAFETY: the caller passes `length` writable bytes; zeroing them first makes them initialised.
    let bytes = unsafe {
        buffer.cast::<u8>().write_bytes(0, length);
        std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length)
    };
    let mut rng = ENTROPY.get();
    rng.fill(bytes);
    ENTROPY.set(rng);
    length as ssize_t
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::hash_map::RandomState;
    use std::hash::BuildHasher;
    use std::time::{Instant, SystemTime, UNIX_EPOCH};

    #[test]
    fn both_functions_are_ours_for_linked_callers_and_for_dlsym() {
        assert!(in_place());
    }

    #[test]
    fn clocks_stand_still_until_they_are_moved() {
        let elapsed = std::thread::spawn(|| {
            enable(1, 5 * NANOS, 1_000 * NANOS);
            let start = Instant::now();
            std::thread::yield_now();
            let before = start.elapsed();
            set_now(8 * NANOS, 1_003 * NANOS);
            set_skew(-2_000_000_000);
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let result = (before.as_nanos(), start.elapsed().as_secs(), wall.as_secs());
            disable();
            result
        });
        assert_eq!(elapsed.join().unwrap(), (0, 3, 1_001));
    }

    #[test]
    fn hash_keys_follow_the_seed() {
        let draw = |seed| {
            std::thread::spawn(move || {
                enable(seed, 0, 0);
                let hash = RandomState::new().hash_one(7_u64);
                disable();
                hash
            })
            .join()
            .unwrap()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
