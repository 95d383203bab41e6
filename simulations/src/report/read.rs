//! Reads result files back, and says which line of which file is not one.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a file says of one run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Run {
    /// The scenario.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// How many nodes.
    pub nodes: u64,
    /// Parameters that differ from their defaults.
    pub set: Vec<String>,
    /// `passed`, `violated` or `partial`; a file without a last line is `partial`.
    pub outcome: String,
    /// The trace's hash; empty if there is none.
    pub trace: String,
    /// Figures by name.
    pub summary: BTreeMap<String, f64>,
    /// Distributions by name: value and percent.
    pub cdfs: BTreeMap<String, Vec<(f64, f64)>>,
    /// Curves by name.
    pub curves: BTreeMap<String, Vec<(f64, f64)>>,
}

/// Why a file can not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file can not be read.
    #[error("can not read {}: {error}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A line is not a result line.
    #[error("{} line {line} is not a line of results: {why}", file.display())]
    Line {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// No run in it.
    #[error("{} holds no run; files made with `karvon-sim run … --out FILE` do", .0.display())]
    Empty(PathBuf),
}

/// Reads all runs of a file.
///
/// # Errors
/// [`ReadError`] with file and line.
pub fn read(file: &Path) -> Result<Vec<Run>, ReadError> {
    let text =
        std::fs::read_to_string(file).map_err(|error| ReadError::File { file: file.to_owned(), error })?;
    let mut runs: Vec<Run> = Vec::new();
    // A run that was killed while it wrote leaves half a line; what stands before it counts, and the run is partial.
    let whole = match text.rsplit_once('\n') {
        Some((whole, rest)) if serde_json::from_str::<Value>(rest).is_err() => whole,
        _ => &text,
    };
    let lines = whole.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (at, line) in lines {
        let wrong = |why: String| ReadError::Line { file: file.to_owned(), line: at + 1, why };
        let value: Value = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        add(&mut runs, &value).map_err(|why| wrong(why.to_owned()))?;
    }
    if runs.is_empty() { Err(ReadError::Empty(file.to_owned())) } else { Ok(runs) }
}

fn add(runs: &mut Vec<Run>, value: &Value) -> Result<(), &'static str> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or_default();
    let kind = text("kind");
    if kind == "run" {
        let set = value.get("set").and_then(Value::as_array).into_iter().flatten();
        runs.push(Run {
            scenario: text("scenario"),
            seed: number("seed"),
            nodes: number("nodes"),
            set: set.filter_map(|pair| pair.as_str().map(str::to_owned)).collect(),
            outcome: "partial".to_owned(),
            ..Run::default()
        });
        return Ok(());
    }
    let run = runs.last_mut().ok_or("it comes before the first line of a run")?;
    match kind.as_str() {
        "cdf" => drop(run.cdfs.insert(text("name"), points(value)?)),
        "curve" => drop(run.curves.insert(text("name"), points(value)?)),
        "end" => {
            run.outcome = text("outcome");
            run.trace = text("trace");
            let summary = value.get("summary").and_then(Value::as_object).ok_or("it has no summary")?;
            run.summary =
                summary.iter().filter_map(|(key, value)| Some((key.clone(), value.as_f64()?))).collect();
        }
        // A later version may say more.
        _ if !kind.is_empty() => {}
        _ => return Err("it has no kind"),
    }
    Ok(())
}

fn points(value: &Value) -> Result<Vec<(f64, f64)>, &'static str> {
    let points = value.get("points").and_then(Value::as_array).ok_or("it has no points")?;
    let pair = |point: &Value| Some((point.get(0)?.as_f64()?, point.get(1)?.as_f64()?));
    points.iter().map(|point| pair(point).ok_or("a point is no pair of numbers")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Figures, Head, Outcome};
    use super::*;

    fn file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("karvon-sim-{}-{name}.jsonl", std::process::id()))
    }

    #[test]
    fn what_was_written_is_read_back() {
        let path = file("round");
        let figures = Figures::new(Box::new(std::fs::File::create(&path).unwrap()), true);
        let set = vec!["cut=1".to_owned()];
        let head = Head { scenario: "gossip".to_owned(), seed: 3, nodes: 12, set };
        figures.head(&head);
        figures.number("delivery_percent", 99.5);
        (1..=10).for_each(|ms| figures.sample("delay_ms", f64::from(ms)));
        figures.point("links", 1.0, 2.0);
        figures.end(&head, &Outcome::Passed, "abc", &[]).unwrap();
        let runs = read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let [run] = runs.as_slice() else { panic!("{} runs", runs.len()) };
        assert_eq!((run.scenario.as_str(), run.seed, run.nodes), ("gossip", 3, 12));
        assert_eq!((run.outcome.as_str(), run.trace.as_str()), ("passed", "abc"));
        assert_eq!(run.summary["delay_ms_p50"], 5.0);
        assert_eq!(run.curves["links"], [(1.0, 2.0)]);
        assert_eq!(run.cdfs["delay_ms"].last(), Some(&(10.0, 100.0)));
    }

    #[test]
    fn a_run_without_an_end_is_partial_and_a_broken_line_is_named() {
        let path = file("broken");
        std::fs::write(&path, "{\"kind\":\"run\",\"scenario\":\"gossip\"}\n").unwrap();
        assert_eq!(read(&path).unwrap()[0].outcome, "partial");
        std::fs::write(&path, "{\"kind\":\"run\"}\n{\"kind\":\"cd").unwrap();
        assert_eq!(read(&path).unwrap()[0].outcome, "partial", "killed while it wrote");
        std::fs::write(&path, "{\"kind\":\"run\"}\nnot json\n").unwrap();
        assert!(matches!(read(&path), Err(ReadError::Line { line: 2, .. })));
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(read(&path), Err(ReadError::Empty(_))));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(read(&path), Err(ReadError::File { .. })));
    }
}
