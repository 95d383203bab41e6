//! On systems where the simulator can not replace libc's functions: it says so, and runs no world.

pub(super) fn enable(_seed: u64, _mono_ns: u64, _wall_ns: u64) {}
pub(super) fn set_now(_mono_ns: u64, _wall_ns: u64) {}
pub(super) fn set_skew(_skew_ns: i64) -> i64 {
    0
}
pub(super) fn disable() {}
pub(super) fn forbid_raw_entropy() -> bool {
    false
}
pub(super) fn in_place() -> bool {
    false
}

/// Real CPU time; not measured here.
#[must_use]
pub fn cpu_ns() -> u64 {
    0
}

/// Memory in RAM; not measured here.
#[must_use]
pub fn rss_bytes() -> u64 {
    0
}
