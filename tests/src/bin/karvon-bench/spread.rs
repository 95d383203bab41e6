//! Percentiles of times.

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::time::Duration;

/// Times from a microsecond to ten minutes, three significant digits.
#[derive(Debug, Clone)]
pub(crate) struct Spread(Histogram<u64>);

impl Spread {
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are valid"))
    }

    pub(crate) fn add(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        // Both have the same bounds, so nothing can be refused.
        let _ = self.0.add(&other.0);
    }

    /// Milliseconds at the usual percentiles.
    pub(crate) fn json(&self) -> Value {
        let at = |quantile| milliseconds(Duration::from_micros(self.0.value_at_quantile(quantile)));
        json!({
            "count": self.0.len(), "p50_ms": at(0.50), "p95_ms": at(0.95), "p99_ms": at(0.99),
            "max_ms": milliseconds(Duration::from_micros(self.0.max())),
        })
    }
}

/// Milliseconds with three decimals.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
