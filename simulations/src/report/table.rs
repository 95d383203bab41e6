//! A Markdown table over runs: the median and the range from 5 to 95 percent of each figure over the seeds.

use super::figures::percentile;
use super::read::Run;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The table. Runs of the same scenario, size and parameters share a section.
#[must_use]
pub fn table(runs: &[Run]) -> String {
    let mut groups: BTreeMap<String, Vec<&Run>> = BTreeMap::new();
    for run in runs {
        groups.entry(title(run)).or_default().push(run);
    }
    let mut out = String::new();
    for (title, runs) in groups {
        let passed = runs.iter().filter(|run| run.outcome == "passed").count();
        // Writing to a string can not fail.
        let _ = writeln!(out, "### {title}\n\n{} runs, {passed} passed.\n", runs.len());
        let _ = writeln!(out, "| figure | median | 5 % | 95 % |\n|---|---:|---:|---:|");
        let mut figures: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (name, value) in runs.iter().flat_map(|run| &run.summary) {
            figures.entry(name).or_default().push(*value);
        }
        for (name, mut values) in figures {
            values.sort_by(f64::total_cmp);
            let [low, middle, high] = [5.0, 50.0, 95.0].map(|p| short(percentile(&values, p)));
            let _ = writeln!(out, "| {name} | {middle} | {low} | {high} |");
        }
        out.push('\n');
    }
    out
}

/// What tells a group of runs from others.
pub(super) fn title(run: &Run) -> String {
    let set: String = run.set.iter().map(|pair| format!(", {pair}")).collect();
    format!("{}, {} nodes{set}", run.scenario, run.nodes)
}

/// A number with at most three places after the point.
pub(super) fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_put_together_and_parameters_kept_apart() {
        let run = |seed, set: &[&str], ms| Run {
            scenario: "gossip".to_owned(),
            seed,
            nodes: 10,
            set: set.iter().map(ToString::to_string).collect(),
            outcome: "passed".to_owned(),
            summary: BTreeMap::from([("delay".to_owned(), ms)]),
            ..Run::default()
        };
        let text = table(&[run(1, &[], 10.0), run(2, &[], 30.0), run(3, &[], 20.5), run(1, &["cut=1"], 7.0)]);
        assert!(text.contains("### gossip, 10 nodes\n\n3 runs, 3 passed."));
        assert!(text.contains("| delay | 20.5 | 10 | 30 |"));
        assert!(text.contains("### gossip, 10 nodes, cut=1\n\n1 runs"));
    }
}
