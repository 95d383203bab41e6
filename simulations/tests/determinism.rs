//! Equal seeds give equal worlds, down to the last byte of noise ciphertext, in two processes; other seeds give others.
#![allow(clippy::unwrap_used)]
#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]

use serde_json::Value;
use std::process::Command;

/// Runs `karvon-sim` with these words and returns its lines.
fn lines(words: &[&str]) -> Vec<Value> {
    let out = Command::new(env!("CARGO_BIN_EXE_karvon-sim")).args(words).output().unwrap();
    assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The last line, without what differs from machine to machine.
fn end(words: &[&str]) -> Value {
    let mut end = lines(words).pop().unwrap();
    let summary = end["summary"].as_object_mut().unwrap();
    for name in ["cpu_s", "cpu_ms_per_node_min", "times_real_time", "rss_mib"] {
        summary.remove(name).unwrap();
    }
    summary.remove("cpu_s_per_simulated_min");
    end
}

#[test]
fn ten_nodes_in_two_processes_send_the_same_bytes_at_the_same_times() {
    let words = ["run", "gossip", "--nodes", "10", "--seed", "5", "--set", "messages=5", "--quiet"];
    let (first, second) = (end(&words), end(&words));
    assert_eq!(first, second);
    assert_eq!(first["trace"].as_str().unwrap().len(), 64);
    assert_eq!(first["summary"]["delivery_percent"], 100.0);
    let other = ["run", "gossip", "--nodes", "10", "--seed", "6", "--set", "messages=5", "--quiet"];
    assert_ne!(end(&other)["trace"], first["trace"]);
}

#[test]
fn a_hundred_nodes_with_a_cut_and_power_cuts_are_equal_too() {
    let words = "run gossip --nodes 100 --seed 9 --quiet --set messages=2 --set dials=3 --set warm=5 --set cut=1 --set killed=0.2";
    let words: Vec<_> = words.split(' ').collect();
    assert_eq!(end(&words), end(&words));
}

#[test]
fn a_hundred_real_nodes_in_two_processes_are_equal_while_some_are_killed() {
    let words = "run crash --nodes 100 --seed 3 --quiet --set relays=4 --set doors=1 --set messages=1 --set every=10 \
                 --set kills=600 --set faults=300";
    let words: Vec<_> = words.split_whitespace().collect();
    let first = end(&words);
    assert_eq!(first, end(&words));
    assert_eq!(first["summary"]["undelivered"], 0.0);
    assert!(first["summary"]["messages_shown"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_replay_line_repeats_its_run() {
    let first = end(&["run", "gossip", "--nodes", "5", "--seed", "2", "--set", "messages=2", "--quiet"]);
    let line = first["replay"].as_str().unwrap().to_owned();
    assert_eq!(end(&["replay", &line]), first);
    assert_eq!(end(&["replay", &first.to_string()]), first);
}

#[test]
fn groups_channels_and_meshes_in_two_processes_are_equal_too() {
    for words in [
        "run group --nodes 9 --seed 1 --quiet --set relays=3 --set messages=6 --set every=5 --set nap=20",
        "run channel --nodes 9 --seed 1 --quiet --set entries=3 --set every=4 --set flood=20 --set withholders=1",
        "run mesh --nodes 6 --seed 1 --quiet --set calm=1 --set cut=2 --set after=1",
    ] {
        let words: Vec<_> = words.split(' ').collect();
        assert_eq!(end(&words), end(&words));
    }
}

#[test]
fn the_real_node_in_two_processes_is_equal_too_while_it_crashes_and_disks_fail() {
    for words in [
        "run baseline --nodes 10 --seed 1 --quiet --set messages=2 --set every=10",
        "run crash --nodes 10 --seed 4 --quiet --set messages=3 --set every=20 --set kills=400 --set faults=200",
    ] {
        let words: Vec<_> = words.split(' ').collect();
        let first = end(&words);
        assert_eq!(first, end(&words));
        assert_eq!(first["summary"]["undelivered"], 0.0);
        assert!(first["summary"]["messages_shown"].as_f64().unwrap() > 0.0);
    }
}
