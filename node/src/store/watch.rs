//! Wakes whoever sled has left asleep after a write that failed.
//!
//! sled 0.34.7 keeps the error of a write that one of its threads could not do, but on one of two ways it does not tell those who wait for
//! that write, and they wait for ever (`exit_reservation` in its `pagecache/logger.rs`; found by filling the disk). Any later `flush` tells
//! them. So a thread flushes while a call of the writer takes long; it sleeps as long as the writer does nothing.

use super::rows::Shared;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, Thread};
use std::time::Duration;

/// A call that takes longer than this may be one that was forgotten; a slow disk costs a flush for each of these.
const LONG: Duration = Duration::from_millis(500);

#[derive(Default)]
struct State {
    /// Odd while the writer is in a call.
    turn: AtomicU64,
    /// The thread sleeps until it is woken.
    asleep: AtomicBool,
    ended: AtomicBool,
}

/// The thread; it ends when this is dropped.
pub(super) struct Watch {
    state: Arc<State>,
    thread: Thread,
}

impl Watch {
    pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<Self> {
        let state = Arc::new(State::default());
        let (seen, of) = (state.clone(), Arc::downgrade(shared));
        let run = move || watch(&seen, &of);
        let thread = thread::Builder::new().name("store-watch".to_owned()).spawn(run)?;
        Ok(Self { state, thread: thread.thread().clone() })
    }

    /// Does `work` under watch.
    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        self.state.turn.fetch_add(1, Ordering::SeqCst);
        if self.state.asleep.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
        let done = work();
        self.state.turn.fetch_add(1, Ordering::SeqCst);
        done
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn watch(state: &State, of: &Weak<Shared>) {
    let turn = || state.turn.load(Ordering::SeqCst);
    while !state.ended.load(Ordering::SeqCst) {
        let before = turn();
        if before % 2 == 0 {
            // Where texts come one after the other, each would wake this thread for nothing.
            thread::park_timeout(LONG);
            if turn() != before {
                continue;
            }
            state.asleep.store(true, Ordering::SeqCst);
            // A call that began before that does not wake this thread.
            if turn() == before && !state.ended.load(Ordering::SeqCst) {
                thread::park();
            }
            state.asleep.store(false, Ordering::SeqCst);
            continue;
        }
        thread::park_timeout(LONG);
        if turn() == before
            && let Some(shared) = of.upgrade()
            && let Err(error) = shared.flush()
        {
            tracing::warn!(%error, "a write to the store failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_sleeps_between_calls_and_ends_with_the_watch() {
        let state = Arc::new(State::default());
        let (seen, of) = (state.clone(), Weak::new());
        let handle = thread::spawn(move || watch(&seen, &of));
        let watch = Watch { state: state.clone(), thread: handle.thread().clone() };
        for number in 0..1_000 {
            assert_eq!(watch.during(|| number), number);
        }
        assert_eq!(state.turn.load(Ordering::SeqCst), 2_000);
        while !state.asleep.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        drop(watch);
        assert!(handle.join().is_ok());
    }
}
