//! What the program says to mistakes, and that it keeps what it has.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn sim(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_karvon-sim")).args(words).output().unwrap()
}

/// What the program says to words that it refuses.
fn refusal(words: &[&str]) -> String {
    let out = sim(words);
    assert_eq!(out.status.code(), Some(2), "{words:?}");
    String::from_utf8(out.stderr).unwrap()
}

#[test]
fn mistakes_are_answered_with_the_nearest_valid_choice() {
    for (words, answer) in [
        (&["run", "gosip"][..], "did you mean \"gossip\"?"),
        (&["run", "gossip", "--set", "mesage=1"], "did you mean \"messages\"?"),
        (&["run", "gossip", "--set", "mesh=50"], "mesh can not be 50; the nearest possible value is 12"),
        (&["run", "gossip", "--nodes", "1"], "nodes can not be 1; the nearest possible value is 2"),
        (&["run", "gossip", "--out", "/no/such/folder/x"], "can not write /no/such/folder/x"),
        (&["swarm", "--seeds", "9..3"], "9..10 is one"),
        (&["swarm"], "--seeds 1..51"),
        (&["replay", "rm", "-rf"], "one begins with \"karvon-sim run\""),
        (&["report", "/no/such/file"], "can not read /no/such/file"),
    ] {
        let said = refusal(words);
        assert!(said.contains(answer), "{words:?} is answered with {said}");
    }
}

#[test]
fn the_list_names_every_scenario_with_its_parameters() {
    let out = String::from_utf8(sim(&["list"]).stdout).unwrap();
    assert!(out.contains("gossip: ") && out.contains("    bridges=1 (0 to 100): "));
}

#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
#[test]
fn results_become_a_table_and_pictures() {
    let dir = std::env::temp_dir().join(format!("karvon-sim-report-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("a.jsonl");
    let path = file.to_str().unwrap();
    let run = ["run", "gossip", "--nodes", "5", "--set", "messages=2", "--quiet", "--out", path];
    assert!(sim(&run).status.success());
    let out = sim(&["report", path, "--svg", dir.to_str().unwrap()]);
    assert!(out.status.success());
    assert!(String::from_utf8(out.stdout).unwrap().contains("| delivery_percent | 100 | 100 | 100 |"));
    let picture = std::fs::read_to_string(dir.join("gossip-delay-ms.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("<polyline"));
    std::fs::remove_dir_all(&dir).unwrap();
}

#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
#[test]
fn a_swarm_of_seeds_passes() {
    let out = sim(&["swarm", "--seeds", "1..4", "--only", "gossip"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(String::from_utf8(out.stdout).unwrap().contains("\"failed\":0"));
}
