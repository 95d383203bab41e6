//! Collects the figures of a run and writes its lines.

use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// What is said of a run before it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// The scenario.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// How many nodes.
    pub nodes: usize,
    /// Parameters that differ from their defaults, `key=value`.
    pub set: Vec<String>,
}

impl Head {
    /// The command that repeats this run.
    #[must_use]
    pub fn replay(&self) -> String {
        let set: String = self.set.iter().map(|pair| format!(" --set {pair}")).collect();
        format!("karvon-sim run {} --seed {} --nodes {}{set}", self.scenario, self.seed, self.nodes)
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// To its end, nothing violated.
    Passed,
    /// An oracle objected.
    Violated(String),
    /// It broke off; what was measured until then is kept.
    Partial(String),
}

impl Outcome {
    /// Its word in the last line.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Violated(_) => "violated",
            Self::Partial(_) => "partial",
        }
    }
}

struct Inner {
    out: Box<dyn Write + Send>,
    quiet: bool,
    numbers: BTreeMap<String, f64>,
    samples: BTreeMap<&'static str, Vec<f64>>,
    curves: BTreeMap<String, Vec<(f64, f64)>>,
    /// Writing failed; said at the end.
    broken: Option<std::io::Error>,
}

/// A handle to the figures of a run.
#[derive(Clone)]
pub struct Figures(Arc<Mutex<Inner>>);

thread_local! {
    static CURRENT: RefCell<Option<Figures>> = const { RefCell::new(None) };
}

impl Figures {
    /// Figures whose lines go to `out`; progress goes to the error stream unless `quiet`.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, quiet: bool) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            out,
            quiet,
            numbers: BTreeMap::new(),
            samples: BTreeMap::new(),
            curves: BTreeMap::new(),
            broken: None,
        })))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes these the figures of the world on this thread, for code deep inside nodes.
    pub fn enter(&self) {
        CURRENT.set(Some(self.clone()));
    }

    /// Uses the figures of the world on this thread, if there is one.
    pub fn current(work: impl FnOnce(&Self)) {
        CURRENT.with_borrow(|current| current.iter().next().map(work));
    }

    /// Tells whoever waits how far the run is.
    pub fn progress(&self, what: &str) {
        if self.with(|inner| !inner.quiet) {
            eprintln!("{what}");
        }
    }

    /// Sets a figure of the summary.
    pub fn number(&self, name: &str, value: f64) {
        self.with(|inner| inner.numbers.insert(name.to_owned(), value));
    }

    /// Sets a figure of the summary to `part` of `whole` in percent; 100 if `whole` is 0.
    pub fn share(&self, name: &str, part: u64, whole: u64) {
        let percent = if whole == 0 { 100.0 } else { 100.0 * part as f64 / whole as f64 };
        self.number(name, percent);
    }

    /// Adds a sample of a distribution.
    pub fn sample(&self, name: &'static str, value: f64) {
        self.with(|inner| inner.samples.entry(name).or_default().push(value));
    }

    /// Adds a point to a curve, such as links over time.
    pub fn point(&self, curve: &str, x: f64, y: f64) {
        self.with(|inner| inner.curves.entry(curve.to_owned()).or_default().push((x, y)));
    }

    /// The value of a figure.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.with(|inner| inner.numbers.get(name).copied())
    }

    fn line(&self, value: &Value) {
        self.with(|inner| {
            // At once: a run that is killed leaves what it has measured, and is read as partial.
            if let Err(error) = writeln!(inner.out, "{value}").and_then(|()| inner.out.flush()) {
                inner.broken.get_or_insert(error);
            }
        });
    }

    /// Writes the first line.
    pub fn head(&self, head: &Head) {
        self.line(&json!({
            "kind": "run", "format": 1, "scenario": head.scenario, "seed": head.seed, "nodes": head.nodes,
            "set": head.set, "version": env!("CARGO_PKG_VERSION"), "machine": std::env::consts::ARCH,
        }));
    }

    /// Writes distributions, curves, and the last line with the trace's hash and the summary.
    ///
    /// # Errors
    /// If a line could not be written.
    pub fn end(
        &self,
        head: &Head,
        outcome: &Outcome,
        trace: &str,
        last_events: &[String],
    ) -> std::io::Result<()> {
        let (samples, curves, mut numbers) = self.with(|inner| {
            (std::mem::take(&mut inner.samples), std::mem::take(&mut inner.curves), inner.numbers.clone())
        });
        for (name, mut values) in samples {
            values.sort_by(f64::total_cmp);
            let points: Vec<_> = (0..=100).map(|p| (percentile(&values, f64::from(p)), p)).collect();
            self.line(&json!({"kind": "cdf", "name": name, "count": values.len(), "points": points}));
            for (tag, p) in [("p50", 50.0), ("p90", 90.0), ("p95", 95.0), ("p99", 99.0), ("max", 100.0)] {
                numbers.insert(format!("{name}_{tag}"), percentile(&values, p));
            }
        }
        for (name, points) in curves {
            self.line(&json!({"kind": "curve", "name": name, "points": points}));
        }
        let mut end = json!({
            "kind": "end", "outcome": outcome.word(), "trace": trace, "summary": numbers, "replay": head.replay(),
        });
        if let (Outcome::Violated(why) | Outcome::Partial(why), Some(fields)) = (outcome, end.as_object_mut())
        {
            fields.insert("why".to_owned(), json!(why));
            fields.insert("last_events".to_owned(), json!(last_events));
        }
        self.line(&end);
        self.with(|inner| match inner.broken.take() {
            Some(error) => Err(error),
            None => inner.out.flush(),
        })
    }
}

impl std::fmt::Debug for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Figures(..)")
    }
}

/// The value that `p` percent of the sorted `values` do not exceed; 0 if there are none.
#[must_use]
pub fn percentile(values: &[f64], p: f64) -> f64 {
    let rank = (p / 100.0 * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1).min(values.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        let at = |p| percentile(&values, p);
        assert_eq!([at(0.0), at(50.0), at(99.0), at(100.0)], [1.0, 100.0, 198.0, 200.0]);
        assert_eq!(percentile(&[], 50.0), 0.0);
    }

    #[test]
    fn a_head_says_how_to_repeat_it() {
        let set = vec!["cut=1".to_owned(), "bridges=2".to_owned()];
        let head = Head { scenario: "gossip".to_owned(), seed: 7, nodes: 10, set };
        assert_eq!(head.replay(), "karvon-sim run gossip --seed 7 --nodes 10 --set cut=1 --set bridges=2");
    }
}
