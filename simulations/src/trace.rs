//! The trace of a run: one hash over every wire byte, every time and every event, and the last lines before a failure.

use crate::det::NodeId;
use crate::net::{FlowId, Segment, SimTime, Tap};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Lines kept for a failure.
const KEPT: usize = 200;

/// A handle to the trace of a run.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<Inner>>);

struct Inner {
    hasher: blake3::Hasher,
    last: VecDeque<String>,
    events: u64,
}

impl Trace {
    /// An empty trace.
    #[must_use]
    pub fn new() -> Self {
        let hasher = blake3::Hasher::new_derive_key("karvon/simulations/trace");
        Self(Arc::new(Mutex::new(Inner { hasher, last: VecDeque::new(), events: 0 })))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds an event; `what` is hashed and kept as it is, so it must not hold anything that differs between equal runs.
    pub fn event(&self, at: SimTime, node: Option<NodeId>, what: &str) {
        self.with(|inner| {
            let number = node.map_or(u64::MAX, |node| u64::from(node.0));
            inner.hasher.update(&[1]).update(&at.to_le_bytes()).update(&number.to_le_bytes());
            inner.hasher.update(&(what.len() as u64).to_le_bytes()).update(what.as_bytes());
            inner.events += 1;
            if inner.last.len() >= KEPT {
                inner.last.pop_front();
            }
            let who = node.map_or_else(|| "world".to_owned(), |node| format!("node {}", node.0));
            inner.last.push_back(format!("{:>12.3} s  {who}: {what}", at as f64 / 1e9));
        });
    }

    /// The hash so far, 64 hexadecimal digits.
    #[must_use]
    pub fn hash(&self) -> String {
        self.with(|inner| inner.hasher.finalize().to_hex().to_string())
    }

    /// Events so far, segments not counted.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.with(|inner| inner.events)
    }

    /// The last events, oldest first.
    #[must_use]
    pub fn last(&self) -> Vec<String> {
        self.with(|inner| inner.last.iter().cloned().collect())
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trace(..)")
    }
}

impl Tap for Trace {
    fn segment(&mut self, segment: &Segment<'_>) {
        self.with(|inner| {
            let mut head = [0; 26];
            let fields = segment.at.to_le_bytes().into_iter();
            let fields = fields.chain(segment.flow.0.to_le_bytes());
            let fields = fields.chain((segment.bytes.len() as u64).to_le_bytes());
            let fields = fields.chain([segment.side as u8, u8::from(segment.again)]);
            for (to, from) in head.iter_mut().zip(fields) {
                *to = from;
            }
            inner.hasher.update(&[0]).update(&head).update(segment.bytes);
        });
    }

    fn closed(&mut self, flow: FlowId) {
        self.with(|inner| {
            inner.hasher.update(&[2]).update(&flow.0.to_le_bytes());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_tells_time_node_and_words_apart() {
        let hash = |at, node, what| {
            let trace = Trace::new();
            trace.event(at, node, what);
            trace.hash()
        };
        let base = hash(1, Some(NodeId(0)), "up");
        assert_eq!(base, hash(1, Some(NodeId(0)), "up"));
        for other in [
            hash(2, Some(NodeId(0)), "up"),
            hash(1, Some(NodeId(1)), "up"),
            hash(1, None, "up"),
            hash(1, Some(NodeId(0)), "u"),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn only_the_last_events_are_kept() {
        let trace = Trace::new();
        for n in 0..500 {
            trace.event(n, None, &n.to_string());
        }
        let last = trace.last();
        assert_eq!((last.len(), trace.events()), (KEPT, 500));
        assert!(last.last().is_some_and(|line| line.ends_with("world: 499")));
    }
}
