//! Marks which node's code runs: its wall clock's error, its name for panics, and a watch on time that stands still.

use super::interpose;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};

/// A simulated process, numbered in the order of starting; a restart gets a new number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// How far a device's wall clock is off, nanoseconds; shared by all tasks of the device and changeable while they run.
#[derive(Debug, Clone, Default)]
pub struct Skew(Arc<AtomicI64>);

impl Skew {
    /// A clock that is `ms` milliseconds ahead of the truth (negative: behind).
    #[must_use]
    pub fn of_ms(ms: i64) -> Self {
        let skew = Self::default();
        skew.set_ms(ms);
        skew
    }

    /// Sets the clock.
    pub fn set_ms(&self, ms: i64) {
        self.0.store(ms.saturating_mul(1_000_000), Ordering::Relaxed);
    }
}

thread_local! {
    static CURRENT: Cell<Option<NodeId>> = const { Cell::new(None) };
    static POLLS: Cell<u64> = const { Cell::new(0) };
    static POLLS_MAX: Cell<u64> = const { Cell::new(u64::MAX) };
}

/// The node whose code runs on this thread now.
#[must_use]
pub fn current_node() -> Option<NodeId> {
    CURRENT.get()
}

/// Sets how often nodes may be polled at one virtual moment before the world is declared stuck; 0 lifts the limit.
pub fn poll_limit(most: u64) {
    POLLS_MAX.set(if most == 0 { u64::MAX } else { most });
}

/// Time has moved: counting starts again.
pub(super) fn time_moved() {
    POLLS.set(0);
}

type Inner = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A future that belongs to a node.
pub struct Scope {
    node: NodeId,
    skew: Skew,
    inner: Option<Inner>,
}

impl Scope {
    /// Runs `inner` as part of `node`.
    #[must_use]
    pub fn new(node: NodeId, skew: Skew, inner: Inner) -> Self {
        Self { node, skew, inner: Some(inner) }
    }

    fn enter<T>(&mut self, work: impl FnOnce(&mut Option<Inner>) -> T) -> T {
        let _outside = Outside {
            node: CURRENT.replace(Some(self.node)),
            skew_ns: interpose::set_skew(self.skew.0.load(Ordering::Relaxed)),
        };
        work(&mut self.inner)
    }
}

/// What was before a scope was entered; set again when this is dropped, also by a panic.
struct Outside {
    node: Option<NodeId>,
    skew_ns: i64,
}

impl Drop for Outside {
    fn drop(&mut self) {
        CURRENT.set(self.node);
        interpose::set_skew(self.skew_ns);
    }
}

impl Future for Scope {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polls = POLLS.get() + 1;
        POLLS.set(polls);
        // Something that is always ready keeps a paused clock from moving: better a named end than a hang.
        assert!(polls <= POLLS_MAX.get(), "virtual time stands still: node {} was polled last", self.node.0);
        self.enter(|inner| match inner {
            Some(future) => future.as_mut().poll(cx),
            None => Poll::Ready(()),
        })
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        // Destructors of a node run under its clock as well.
        self.enter(|inner| drop(inner.take()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_a_node_runs_under_its_name_also_when_it_is_dropped() {
        struct Seen(std::sync::mpsc::Sender<Option<NodeId>>);
        impl Drop for Seen {
            fn drop(&mut self) {
                self.0.send(current_node()).unwrap();
            }
        }
        let (tx, rx) = std::sync::mpsc::channel();
        let seen = Seen(tx);
        let scope = Scope::new(
            NodeId(7),
            Skew::default(),
            Box::pin(async move {
                let _kept = seen;
                std::future::pending::<()>().await;
            }),
        );
        drop(scope);
        assert_eq!((rx.recv().unwrap(), current_node()), (Some(NodeId(7)), None));
    }
}
