//! The relay's own time: it goes forward with the processor's clock and believes a jump of the wall clock only after two days.
//!
//! Cells are kept until the time that was confirmed. A wall clock that jumps ahead, by a mistake of the operator or of a time server, would
//! end their time early; one that starts at 1970, as on a small computer without a battery, would count from there.

use crate::clock::Clock;
use karvon_protocol::core::{Mono, Now};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Differences of the two clocks up to this are followed at once.
const TOLERANCE_MS: u64 = 5 * 60_000;
/// How long the wall clock must insist before it is believed.
const PATIENCE_MS: u64 = 48 * 3_600_000;

#[derive(Debug, Clone, Copy)]
struct State {
    /// The relay's time at `at`, Unix milliseconds; 0 before the first look.
    time_ms: u64,
    at: Mono,
    /// Since when the wall clock has said something else.
    apart_since: Option<Mono>,
    /// How far it is ahead (positive) or behind.
    apart_ms: i64,
}

/// See the module.
#[derive(Clone)]
pub(super) struct SteadyClock {
    inner: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

impl std::fmt::Debug for SteadyClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SteadyClock")
    }
}

impl SteadyClock {
    /// Goes on from `last_s`, the time that was written down last (0: there is none, and the wall clock is believed).
    #[must_use]
    pub(super) fn new(inner: Arc<dyn Clock>, last_s: u64) -> Self {
        let now = inner.now();
        let time_ms = if last_s == 0 { now.wall_ms } else { last_s.saturating_mul(1_000) };
        let mut state = State { time_ms, at: now.mono, apart_since: None, apart_ms: 0 };
        // Having been switched off for a while is no jump.
        if last_s != 0 && (time_ms..=time_ms.saturating_add(PATIENCE_MS)).contains(&now.wall_ms) {
            state.time_ms = now.wall_ms;
        }
        Self { inner, state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far the wall clock is ahead of the relay's time (negative: behind), milliseconds, while it is not believed.
    #[must_use]
    pub(super) fn apart_ms(&self) -> Option<i64> {
        self.now();
        let state = self.lock();
        state.apart_since.map(|_| state.apart_ms)
    }

    /// Unix seconds.
    #[must_use]
    pub(super) fn now_s(&self) -> u64 {
        self.now().wall_ms / 1_000
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Now {
        let real = self.inner.now();
        let mut state = self.lock();
        let passed_ms = real.mono.0.saturating_sub(state.at.0) / 1_000;
        let expected = state.time_ms.saturating_add(passed_ms);
        let believed = if real.wall_ms.abs_diff(expected) <= TOLERANCE_MS {
            state.apart_since = None;
            // Never back, and forward by what the clocks differ: a slow processor clock must not make the relay late for ever.
            real.wall_ms.max(state.time_ms)
        } else {
            let since = *state.apart_since.get_or_insert(real.mono);
            state.apart_ms =
                i64::try_from(real.wall_ms).unwrap_or(i64::MAX).saturating_sub_unsigned(expected);
            if real.mono.0.saturating_sub(since.0) / 1_000 >= PATIENCE_MS {
                state.apart_since = None;
                real.wall_ms
            } else {
                expected
            }
        };
        // Whole milliseconds only, or the rest of each step would be lost.
        if believed != expected || passed_ms > 0 {
            state.at = Mono(state.at.0.saturating_add(passed_ms.saturating_mul(1_000)));
            state.time_ms = believed;
        }
        Now { mono: real.mono, wall_ms: believed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    const START: u64 = 1_800_000_000_000;
    const HOUR: u64 = 3_600_000;

    #[derive(Default)]
    struct Hands {
        mono_ms: AtomicU64,
        wall_ms: AtomicU64,
    }

    impl Clock for Hands {
        fn now(&self) -> Now {
            let (mono, wall) = (self.mono_ms.load(Ordering::SeqCst), self.wall_ms.load(Ordering::SeqCst));
            Now { mono: Mono(mono * 1_000), wall_ms: wall }
        }
    }

    impl Hands {
        fn at(wall_ms: u64) -> Arc<Self> {
            Arc::new(Self { mono_ms: 7.into(), wall_ms: wall_ms.into() })
        }

        fn pass(&self, ms: u64) {
            self.mono_ms.fetch_add(ms, Ordering::SeqCst);
            self.wall_ms.fetch_add(ms, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_jump_ahead_is_not_believed_for_two_days_and_then_is() {
        let hands = Hands::at(START);
        let clock = SteadyClock::new(hands.clone(), 0);
        hands.pass(HOUR);
        assert_eq!(clock.now().wall_ms, START + HOUR);
        hands.wall_ms.fetch_add(400 * 24 * HOUR, Ordering::SeqCst);
        assert_eq!(clock.now().wall_ms, START + HOUR);
        for _ in 0..47 {
            hands.pass(HOUR);
            assert!(clock.now().wall_ms <= START + 48 * HOUR);
        }
        assert_eq!(clock.apart_ms(), Some(400 * 24 * HOUR as i64));
        hands.pass(HOUR);
        assert_eq!(clock.now().wall_ms, START + 49 * HOUR + 400 * 24 * HOUR);
        assert_eq!(clock.apart_ms(), None);
    }

    #[test]
    fn a_jump_that_is_put_right_leaves_no_trace() {
        let hands = Hands::at(START);
        let clock = SteadyClock::new(hands.clone(), 0);
        clock.now();
        hands.wall_ms.fetch_add(24 * HOUR, Ordering::SeqCst);
        hands.pass(HOUR);
        clock.now();
        hands.wall_ms.fetch_sub(24 * HOUR, Ordering::SeqCst);
        hands.pass(HOUR);
        assert_eq!((clock.now().wall_ms, clock.apart_ms()), (START + 2 * HOUR, None));
    }

    #[test]
    fn a_start_at_1970_goes_on_from_what_was_written_down() {
        let hands = Hands::at(60_000);
        let clock = SteadyClock::new(hands.clone(), START / 1_000);
        hands.pass(HOUR);
        assert_eq!(clock.now().wall_ms, START + HOUR);
        assert!(clock.apart_ms().is_some_and(|apart| apart < 0));
        // A time server answers.
        hands.wall_ms.store(START + 2 * HOUR, Ordering::SeqCst);
        hands.pass(1);
        assert_eq!(clock.now().wall_ms, START + HOUR + 1, "an hour more is still a jump");
        hands.wall_ms.store(START + HOUR + 60_000, Ordering::SeqCst);
        assert_eq!((clock.now().wall_ms, clock.apart_ms()), (START + HOUR + 60_000, None));
    }

    #[test]
    fn having_been_off_for_a_day_is_no_jump_and_a_month_is_one() {
        let day_later = SteadyClock::new(Hands::at(START + 24 * HOUR), START / 1_000);
        assert_eq!(day_later.now().wall_ms, START + 24 * HOUR);
        let month_later = SteadyClock::new(Hands::at(START + 720 * HOUR), START / 1_000);
        assert_eq!(month_later.now().wall_ms, START);
        assert_eq!(month_later.apart_ms(), Some(720 * HOUR as i64));
    }

    #[test]
    fn small_steps_add_up_and_time_never_goes_back() {
        let hands = Hands::at(START);
        let clock = SteadyClock::new(hands.clone(), 0);
        let mut last = clock.now().wall_ms;
        for step in 0..5_000_u64 {
            hands.mono_ms.fetch_add(1 + step % 3, Ordering::SeqCst);
            hands.wall_ms.fetch_add(2, Ordering::SeqCst);
            let now = clock.now().wall_ms;
            assert!(now >= last);
            last = now;
        }
        assert_eq!(last, START + 10_000);
    }
}
