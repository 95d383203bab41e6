//! The interface of the `futures-timer` crate on tokio's timer: under a paused tokio clock libp2p then follows virtual time.
//!
//! The `Sleep` is made at the first poll, because libp2p constructs timers outside the runtime.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// Durations beyond this are cut to it, because an `Instant` can not hold every `Duration`.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 86_400);

/// A future that is ready once its duration has passed; it stays ready until it is reset.
#[derive(Debug)]
pub struct Delay {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Not polled yet; the time counts from the first poll.
    Idle(Duration),
    Running(Pin<Box<Sleep>>),
}

impl Delay {
    /// A delay of `duration`.
    #[must_use]
    pub fn new(duration: Duration) -> Self {
        Self { state: State::Idle(duration.min(LONGEST)) }
    }

    /// Starts the delay anew with `duration`.
    pub fn reset(&mut self, duration: Duration) {
        match &mut self.state {
            State::Idle(waiting) => *waiting = duration.min(LONGEST),
            State::Running(sleep) => sleep.as_mut().reset(Instant::now() + duration.min(LONGEST)),
        }
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let State::Idle(duration) = self.state {
            self.state = State::Running(Box::pin(sleep_until(Instant::now() + duration)));
        }
        match &mut self.state {
            // A tokio `Sleep` must not be polled again after it fired; the original answers `Ready` again.
            State::Running(sleep) if sleep.is_elapsed() => Poll::Ready(()),
            State::Running(sleep) => sleep.as_mut().poll(cx),
            State::Idle(_) => Poll::Pending,
        }
    }
}
