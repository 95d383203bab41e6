//! Percentiles of times.

use serde_json::{Value, json};
use std::time::Duration;

/// Times, each of them kept: a run has some thousand.
///
/// A histogram crate would give the shared dependencies other features than the programs have, and everything would be built twice.
#[derive(Debug, Clone)]
pub(crate) struct Spread(Vec<Duration>);

impl Spread {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// Milliseconds at the usual percentiles (nearest rank).
    pub(crate) fn json(&self) -> Value {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
            milliseconds(sorted.get(rank).copied().unwrap_or_default())
        };
        json!({
            "count": sorted.len(), "p50_ms": at(50), "p95_ms": at(95), "p99_ms": at(99), "max_ms": at(100),
        })
    }
}

/// Milliseconds with three decimals.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
