//! Cuts the power at chosen moments of a recording of the real store, and lets writes and syncs fail: nothing confirmed is lost, and every
//! image opens.
//!
//! `KARVON_POWERCUTS=300` builds that many images in each of four modes instead of the quick count.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::unnecessary_wraps)]

#[path = "powercut/replay.rs"]
mod replay;
#[path = "powercut/shim.rs"]
mod shim;
mod store_common;

use karvon_node::store::{DataKey, OpenError, Options, SledStore, Store};
use karvon_protocol::cell::Class;
use karvon_protocol::core::{Batch, BatchId, Key, Op, Range, Space};
use replay::{Dice, MODES, Mode, image};
use shim::{Event, Failure};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use store_common::*;
use tempfile::TempDir;

/// The recorder is one for the whole process.
static ALONE: Mutex<()> = Mutex::new(());
/// Records and cells of older batches are removed by newer ones, so that keys are thrown away as well.
const KEPT: u64 = 30;
const BATCHES: u64 = 120;
/// Batches that share a sync at the most.
const AHEAD: usize = 2;
/// The store was made.
const MADE: u64 = 0;

/// A folder whose syncs cost nothing: what they promise is simulated here.
fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn options() -> Options {
    Options { cache_bytes: 1 << 20, small_log_bytes: 1 << 20, journal_bytes: 24 << 10, ..Options::relay() }
}

/// The batch number `n`: how far the writer is, state that is rewritten, a message, a long value, a cell; and what it removes.
fn numbered(n: u64) -> Batch {
    let long = vec![n as u8; 64 + (n as usize * 977) % 9_000];
    let mut ops = vec![
        put(Key::single(Space::RelayMeta, 1), n.to_be_bytes()),
        put(Key::single(Space::Session, 1), vec![n as u8; 1_100]),
        put(Key::of(Space::Sent, [1; 16], n), n.to_be_bytes()),
        put(Key::of(Space::Trail, [1; 16], n), long),
        append(1, n, u64::MAX >> 2, &cell(Class::S, n)),
    ];
    if let Some(old) = n.checked_sub(KEPT).filter(|old| *old > 0) {
        ops.push(Op::Remove(Key::of(Space::Trail, [1; 16], old)));
        ops.push(Op::Remove(Key::of(Space::Sent, [1; 16], old)));
        ops.push(drop_cell(1, old));
    }
    Batch { id: BatchId(n), ops }
}

/// Works on the store until all batches are written or something fails; returns the last confirmed one.
fn work(dir: &Path, key: &DataKey) -> Option<u64> {
    let mut store = SledStore::create(dir, key, &options()).ok()?;
    shim::ack(MADE);
    let mut acked = MADE;
    for n in 1..=BATCHES {
        // Some share a sync.
        let batches: Vec<Batch> = match n % 5 {
            0 => vec![numbered(n)],
            4 => continue,
            _ if n % 5 == 3 => vec![numbered(n), numbered(n + 1)],
            _ => vec![numbered(n)],
        };
        if store.commit(&batches).is_err() {
            return Some(acked);
        }
        acked = batches.last().unwrap().id.0;
        shim::ack(acked);
        if n % 7 == 0 && store.tidy().is_err() {
            return Some(acked);
        }
        if n % 20 == 0 {
            // Opening writes as well: a snapshot, and a copy once the log has grown.
            drop(store);
            store = match SledStore::open(dir, key, &options()) {
                Ok(store) => store,
                Err(_) => return Some(acked),
            };
        }
    }
    Some(acked)
}

/// Opens the store and checks everything against the newest batch that is there.
fn check(dir: &Path, key: &DataKey, acked: Option<u64>, what: &str) {
    let mut store = match SledStore::open(dir, key, &options()) {
        Ok(store) => store,
        Err(OpenError::Missing) if acked.is_none() => return,
        Err(error) => panic!("{what}: confirmed {acked:?}, and it does not open: {error}"),
    };
    let newest = one(&mut store, Key::single(Space::RelayMeta, 1));
    let newest = newest.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
    assert!(newest >= acked.unwrap_or(0), "{what}: confirmed {acked:?}, found {newest}");
    let session = one(&mut store, Key::single(Space::Session, 1));
    assert_eq!(session, (newest > 0).then(|| vec![newest as u8; 1_100]), "{what}");
    let expected: Vec<u64> = (newest.saturating_sub(KEPT) + 1..=newest).collect();
    for space in [Space::Trail, Space::Sent] {
        let all =
            Range::Group { space, group: [1; 16], from: 0, to: u64::MAX, limit: usize::MAX, newest: false };
        let rows = load(&mut store, all);
        assert_eq!(rows.iter().map(|(key, _)| key.seq).collect::<Vec<_>>(), expected, "{what}: {space:?}");
        for (key, value) in rows {
            assert!(
                numbered(key.seq).ops.contains(&put(key, value)),
                "{what}: {key:?} is not what was written"
            );
        }
    }
    // Cells may be ahead of the records, and so may their removal: they are synced first.
    let expected = expected.get(AHEAD.min(expected.len())..).unwrap();
    let found = load(&mut store, cells(1, 0, usize::MAX));
    let seqs: Vec<u64> = found.iter().map(|(key, _)| key.seq).collect();
    assert!(expected.iter().all(|seq| seqs.contains(seq)), "{what}: {expected:?} of {seqs:?}");
    for (key, value) in found {
        assert_eq!(value, cell(Class::S, key.seq).bytes(), "{what}");
    }
    // It goes on working.
    store.commit(&[numbered(newest + 1)]).unwrap();
}

/// Moments to cut at: half of them beside a sync, where it matters most.
fn moments(events: &[Event], count: usize, dice: &mut Dice) -> Vec<usize> {
    let syncs: Vec<usize> =
        (0..events.len()).filter(|at| matches!(events[*at], Event::Sync(_) | Event::Ack(_))).collect();
    (0..count)
        .map(|number| match number % 2 {
            0 => syncs[dice.below(syncs.len())] + dice.below(2),
            _ => dice.below(events.len()),
        })
        .map(|at| at.clamp(1, events.len()))
        .collect()
}

#[test]
fn whatever_a_power_cut_leaves_opens_and_holds_all_that_was_confirmed() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let images: usize = std::env::var("KARVON_POWERCUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let seed: u64 = std::env::var("KARVON_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let base = in_memory();
    let (root, key) = (base.path().join("r"), DataKey::generate().unwrap());
    std::fs::create_dir(&root).unwrap();
    shim::start(&root, None);
    assert_eq!(work(&root.join("store"), &key), Some(BATCHES));
    let events = shim::stop();
    assert!(events.iter().any(|event| matches!(event, Event::Write { path, .. } if path.ends_with("kv/db"))));
    let in_cells = |path: &Path| path.starts_with(root.join("store/cells"));
    assert!(events.iter().any(|event| matches!(event, Event::Write { path, .. } if in_cells(path))));
    let mut dice = Dice(seed);
    let mut opened = 0;
    for cut in moments(&events, images, &mut dice) {
        let acked = events[..cut].iter().rev().find_map(|event| match event {
            Event::Ack(number) => Some(*number),
            _ => None,
        });
        for mode in MODES {
            let place = base.path().join("image");
            std::fs::create_dir(&place).unwrap();
            image(&events, cut, mode, &mut dice, &root, &place);
            let what = format!("cut before call {cut} of {}, {mode:?}, seed {seed}", events.len());
            check(&place.join("store"), &key, acked, &what);
            std::fs::remove_dir_all(&place).unwrap();
            opened += 1;
        }
    }
    println!("{opened} images of {} calls opened, nothing confirmed was lost", events.len());
    // The same store without its barrier would be caught.
    let is_barrier = |event: &Event| matches!(event, Event::Sync(path) if path.ends_with("journal"));
    let unsynced: Vec<Event> = events.into_iter().filter(|event| !is_barrier(event)).collect();
    let place = base.path().join("image");
    std::fs::create_dir(&place).unwrap();
    // Not right after the store was opened: a copy is synced as a whole.
    let cut = unsynced.iter().position(|event| matches!(event, Event::Ack(55))).unwrap() + 1;
    image(&unsynced, cut, Mode::Dropped, &mut dice, &root, &place);
    let checked = std::panic::catch_unwind(|| check(&place.join("store"), &key, Some(55), "no barrier"));
    assert!(checked.is_err(), "images without the barrier hold everything all the same");
}

#[test]
fn an_image_without_what_was_not_synced_differs_from_one_with_it() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let base = in_memory();
    let root = base.path().join("r");
    std::fs::create_dir(&root).unwrap();
    shim::start(&root, None);
    std::fs::write(root.join("a"), "one").unwrap();
    std::fs::File::open(root.join("a")).unwrap().sync_all().unwrap();
    std::fs::write(root.join("b"), "two").unwrap();
    std::fs::rename(root.join("b"), root.join("c")).unwrap();
    let events = shim::stop();
    let read = |mode: Mode| {
        let to = base.path().join(format!("{mode:?}"));
        std::fs::create_dir(&to).unwrap();
        image(&events, events.len(), mode, &mut Dice(1), &root, &to);
        ["a", "b", "c"].map(|name| std::fs::read_to_string(to.join(name)).ok())
    };
    assert_eq!(read(Mode::Killed), [Some("one".to_owned()), None, Some("two".to_owned())]);
    assert_eq!(read(Mode::Dropped), [Some("one".to_owned()), None, None]);
}

/// Lets each of some calls fail in turn: the store must say so, and after a restart hold what it had confirmed.
fn each_failure(failure: impl Fn(u64) -> Failure, calls: fn((u64, u64)) -> u64) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let tries: u64 = std::env::var("KARVON_POWERCUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    let key = DataKey::generate().unwrap();
    let run = |failure: Option<Failure>| {
        let base = in_memory();
        shim::start(base.path(), failure);
        let acked = work(&base.path().join("store"), &key);
        let counts = shim::counts();
        shim::stop();
        (base, acked, counts)
    };
    let (_, all, counts) = run(None);
    assert_eq!(all, Some(BATCHES));
    let calls = calls(counts);
    for number in 0..tries {
        let nth = 1 + number * (calls - 1) / tries;
        let (base, acked, _) = run(Some(failure(nth)));
        check(&base.path().join("store"), &key, acked, &format!("call {nth} of {calls} failed"));
    }
}

#[test]
fn a_disk_that_fills_up_at_any_write_costs_nothing_that_was_confirmed() {
    each_failure(Failure::Full, |(writes, _)| writes);
}

#[test]
fn a_sync_that_fails_costs_nothing_that_was_confirmed() {
    each_failure(Failure::Sync, |(_, syncs)| syncs);
}
