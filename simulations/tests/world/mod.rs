//! Runs `karvon-sim` for a test and reads what it measured.

use serde_json::Value;
use std::process::Command;

/// The summary of a run that passed.
pub(crate) fn summary(line: &str) -> Value {
    let out = Command::new(env!("CARGO_BIN_EXE_karvon-sim")).args(line.split_whitespace()).output().unwrap();
    assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    let end: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    end["summary"].clone()
}

/// A figure of it.
pub(crate) fn figure(summary: &Value, name: &str) -> f64 {
    summary[name].as_f64().unwrap_or_else(|| panic!("no {name} in {summary}"))
}
