//! Bent copies of well-formed bytes against every decoder of the protocol: no panic, one form for what is accepted, little memory.
//!
//! `cargo test` runs a small count of each decoder, always the same inputs. `just fire-fuzz 1000000` runs that many of each and prints one
//! JSON line per decoder; its inputs follow from `KARVON_FUZZ_SEED`, `KARVON_FUZZ_TARGET` names one decoder alone, and
//! `KARVON_FUZZ_CORPUS` a directory to which the well-formed inputs are written, for the libFuzzer target in `protocol/fuzz`.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod lan;
mod mutate;
mod rooms;
mod seeds;
mod targets;
mod transports;

use mutate::Mutator;
use targets::Target;

/// Memory that no decoder may drive the process beyond, KiB.
const MEMORY_MAX_KIB: u64 = 64 * 1_024;

fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &str) -> Option<u64> {
    setting(name).map(|value| value.parse().expect("a number"))
}

/// The peak of this process's resident memory, KiB; 0 where the system does not tell.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Says on a panic which input of which run it was, so that it can be made again.
struct Running(&'static str, u64, u64);

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: execution {} of seed {} panicked", self.0, self.2, self.1);
        }
    }
}

fn run(target: &Target, corpus: Vec<Vec<u8>>, executions: u64, seed: u64) -> u64 {
    for whole in &corpus {
        assert!((target.run)(whole), "{}: a well-formed input is refused", target.name);
    }
    let mut mutator = Mutator::new(seed, corpus);
    let (mut accepted, mut running) = (0, Running(target.name, seed, 0));
    for execution in 0..executions {
        running.2 = execution;
        accepted += u64::from((target.run)(mutator.next()));
    }
    accepted
}

#[test]
fn no_bytes_make_a_decoder_panic_take_two_forms_or_take_much_memory() {
    let seeds = seeds::Seeds::new();
    if let Some(directory) = setting("KARVON_FUZZ_CORPUS") {
        for target in targets::all() {
            let place = std::path::Path::new(&directory).join(target.name);
            std::fs::create_dir_all(&place).unwrap();
            for (number, bytes) in (target.corpus)(&seeds).iter().enumerate() {
                std::fs::write(place.join(number.to_string()), bytes).unwrap();
            }
        }
    }
    let (count, seed) = (number("KARVON_FUZZ"), number("KARVON_FUZZ_SEED").unwrap_or(1));
    let only = setting("KARVON_FUZZ_TARGET");
    let mut ran = 0;
    for target in targets::all().filter(|target| only.as_ref().is_none_or(|name| name == target.name)) {
        let executions = count.unwrap_or(target.quick);
        let accepted = run(target, (target.corpus)(&seeds), executions, seed);
        let peak = peak_kib();
        println!(
            r#"{{"target":"{}","executions":{executions},"accepted":{accepted},"seed":{seed},"peak_kib":{peak}}}"#,
            target.name,
        );
        assert!(accepted < executions, "{}: everything is accepted", target.name);
        assert!(peak <= MEMORY_MAX_KIB, "{}: {peak} KiB of memory", target.name);
        ran += 1;
    }
    assert!(ran > 0, "no decoder is called {only:?}");
}
