//! Where the node reads the time: one trait, so that tests and the simulator can hand in their own.

use karvon_protocol::core::{Mono, Now};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A source of time.
pub trait Clock: Send + Sync {
    /// Both clocks at this moment. `mono` never goes back.
    fn now(&self) -> Now;
}

/// The clocks of the operating system; `mono` counts from the making of this value.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let mono = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        // A device whose clock stands before 1970 is wrong in any case; zero is as good as the truth.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono: Mono(mono), wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_goes_forward_and_knows_the_year() {
        let clock = SystemClock::new();
        let (first, second) = (clock.now(), clock.now());
        assert!(first.mono <= second.mono);
        assert!(second.wall_ms > 1_700_000_000_000, "milliseconds since 1970");
    }
}
