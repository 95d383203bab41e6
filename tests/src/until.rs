//! Waiting: polls until something is true, with one deadline for all tests.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything may take before a test fails. Generous, because machines are slow and tests judge no times.
pub const DEADLINE: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(20);

/// Polls `ready` until it gives something.
///
/// # Panics
/// With `what` after [`DEADLINE`].
pub fn until<T>(what: &str, ready: impl FnMut() -> Option<T>) -> T {
    until_within(DEADLINE, what, ready)
}

/// [`until`] with a deadline of its own, for what is known to be long (thousands of messages).
///
/// # Panics
/// With `what` after `deadline`.
pub fn until_within<T>(deadline: Duration, what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(start.elapsed() < deadline, "still not after {} s: {what}", deadline.as_secs());
        sleep(STEP);
    }
}
