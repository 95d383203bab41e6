//! Kills a writing process at random moments: nothing that was confirmed may be lost, and no batch may be there in part.
//!
//! The killed process is this test binary, started again with an environment variable that names the store's directory.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod store_common;

use karvon_node::store::keystore::{self, Lock};
use karvon_node::store::{Options, SledStore, StoreEvent, StoreHandle};
use karvon_protocol::cell::Class;
use karvon_protocol::core::{Batch, BatchId, Key, Op, Range, Space};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use store_common::*;

const CHILD: &str = "KARVON_TEST_STORE_DIR";
/// Records and cells of older batches are removed by newer ones.
const KEPT: u64 = 50;

fn options() -> Options {
    Options { cache_bytes: 1 << 20, ..Options::relay() }
}

fn open(dir: &Path) -> SledStore {
    let key = keystore::open(dir, None).unwrap();
    SledStore::open(&dir.join("store"), &key, &options()).unwrap()
}

/// The batch number `n`: a record that says how far the writer is, one of each kind that lies beside it, and what it removes.
fn numbered(n: u64) -> Batch {
    let long = vec![n as u8; 64 + (n as usize * 977) % 9_000];
    let mut ops = vec![
        put(Key::single(Space::RelayMeta, 1), n.to_be_bytes()),
        put(Key::of(Space::Trail, [1; 16], n), long),
        put(Key::of(Space::Session, [2; 16], n), n.to_be_bytes()),
        append(1, n, u64::MAX >> 2, &cell(Class::S, n)),
    ];
    if let Some(old) = n.checked_sub(KEPT).filter(|old| *old > 0) {
        ops.push(Op::Remove(Key::of(Space::Trail, [1; 16], old)));
        ops.push(Op::Remove(Key::of(Space::Session, [2; 16], old)));
        ops.push(drop_cell(1, old));
    }
    Batch { id: BatchId(n), ops }
}

/// What the killed process does: writes batches for ever and prints which are confirmed.
#[test]
fn writing_child() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let mut store = open(Path::new(&dir));
    let newest = one(&mut store, Key::single(Space::RelayMeta, 1));
    let mut next = newest.map_or(1, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()) + 1);
    let (handle, mut events) = StoreHandle::spawn(Box::new(store)).unwrap();
    let mut out = std::io::stdout();
    let mut confirmed = next - 1;
    loop {
        // Up to eight batches are under way, as the core has it.
        while next <= confirmed + 8 {
            handle.submit(numbered(next)).unwrap();
            next += 1;
        }
        let Some(StoreEvent::Persisted { upto }) = events.blocking_recv() else { panic!("the store failed") };
        confirmed = upto.0;
        writeln!(out, "\nack {confirmed}").unwrap();
        out.flush().unwrap();
    }
}

/// Checks everything against the newest batch that is there, and returns its number.
fn check(dir: &Path, acked: u64) -> u64 {
    let mut store = open(dir);
    let newest = one(&mut store, Key::single(Space::RelayMeta, 1)).unwrap();
    let newest = u64::from_be_bytes(newest.try_into().unwrap());
    assert!(newest >= acked, "confirmed {acked}, found {newest}");
    let oldest = newest.saturating_sub(KEPT) + 1;
    let expected: Vec<u64> = (oldest..=newest).collect();
    for (space, group) in [(Space::Trail, [1; 16]), (Space::Session, [2; 16])] {
        let range = Range::Group { space, group, from: 0, to: u64::MAX, limit: usize::MAX, newest: false };
        let rows = load(&mut store, range);
        assert_eq!(rows.iter().map(|(key, _)| key.seq).collect::<Vec<_>>(), expected, "{space:?}");
        for (key, value) in rows {
            assert!(numbered(key.seq).ops.contains(&put(key, value)), "{key:?} is not what was written");
        }
    }
    // Cells may be ahead of the records: they are synced first.
    let cells = load(&mut store, cells(1, 0, usize::MAX));
    let first = cells.first().unwrap().0.seq;
    assert!(first >= oldest && cells.last().unwrap().0.seq >= newest);
    assert!(
        first <= oldest + 8,
        "removals of batches that are not there reach back at most as far as those under way"
    );
    for (at, (key, value)) in cells.iter().enumerate() {
        assert_eq!(key.seq, first + at as u64, "a hole");
        assert_eq!(*value, cell(Class::S, key.seq).bytes());
    }
    assert_eq!(store.cell_stats().unwrap().damaged, 0);
    newest
}

#[test]
fn nothing_confirmed_is_lost_when_the_writer_is_killed() {
    let rounds: u64 = std::env::var("KARVON_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(10);
    let dir = tempfile::tempdir().unwrap();
    let key = keystore::create(dir.path(), &Lock::None).unwrap();
    drop(SledStore::create(&dir.path().join("store"), &key, &options()).unwrap());
    let mut newest = 0;
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["writing_child", "--exact", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // It has begun once it confirms something new; then it lives for a random while.
        let first =
            lines.by_ref().map_while(Result::ok).find_map(|line| line.strip_prefix("ack ")?.parse().ok());
        let mut acked: u64 = first.expect("the child confirms something");
        assert!(acked > newest);
        let mut random = [0; 1];
        getrandom::fill(&mut random).unwrap();
        std::thread::sleep(Duration::from_millis(u64::from(random[0])));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            acked = line.strip_prefix("ack ").and_then(|n| n.parse().ok()).unwrap_or(acked);
        }
        newest = check(dir.path(), acked);
        println!("round {round}: confirmed {acked}, found {newest}");
    }
}
