//! Prints how fast the store commits and how much disk it takes while records are rewritten; measures, asserts nothing.
//!
//! `cargo run --release -p karvon-node --example store_bench -- [commits]`
#![allow(clippy::unwrap_used)]

use karvon_node::store::{DataKey, Options, SledStore, Store};
use karvon_protocol::core::{Batch, BatchId, Key, Op, Space, Value};
use std::path::Path;
use std::time::Instant;

fn bytes_under(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { bytes_under(&path) } else { path.metadata().unwrap().len() }).sum()
}

/// What receiving a text writes: the message, the ratchet's state (rewritten each time) and a trail.
fn text(n: u64) -> Vec<Op> {
    let contact = ((n % 32) as u32).to_be_bytes();
    let mut group = [0; 16];
    group[..4].copy_from_slice(&contact);
    let value = |len: usize| Value::new(vec![n as u8; len]);
    vec![
        Op::Put(Key::of(Space::Received, group, n / 32), value(140)),
        Op::Put(Key::of(Space::Session, group, 0), value(2_000)),
        Op::Put(Key::single(Space::Meta, 1), value(60)),
    ]
}

fn main() {
    let commits: u64 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(2_000);
    for group in [1, 8, 64] {
        let dir = tempfile::tempdir().unwrap();
        let mut store =
            SledStore::create(dir.path(), &DataKey::generate().unwrap(), &Options::leaf()).unwrap();
        let start = Instant::now();
        let mut slowest = 0.0_f64;
        let mut next = 0;
        for _ in 0..commits / group {
            let batches: Vec<_> = (0..group)
                .map(|_| {
                    next += 1;
                    Batch { id: BatchId(next), ops: text(next) }
                })
                .collect();
            let before = Instant::now();
            store.commit(&batches).unwrap();
            slowest = slowest.max(before.elapsed().as_secs_f64());
        }
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{group:>3} texts a sync: {:>8.0} texts/s, slowest commit {:>6.1} ms, {:>6.1} MB on disk for {:.1} MB of messages",
            next as f64 / seconds,
            slowest * 1e3,
            bytes_under(dir.path()) as f64 / 1e6,
            next as f64 * 140.0 / 1e6,
        );
    }
}
