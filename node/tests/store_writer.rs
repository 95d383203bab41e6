//! The writer: order, shared syncs, bounds, and silence after a failure.
#![allow(clippy::unwrap_used)]

mod store_common;

use karvon_node::store::memory::{Fault, MemoryDisk};
use karvon_node::store::writer::QUEUE;
use karvon_node::store::{MemoryStore, Refused, Store, StoreEvent, StoreHandle, system_clock};
use karvon_protocol::core::{Batch, BatchId, Key, LoadId, Range, Space, StoreFault, Value};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use store_common::put;

fn key(n: u64) -> Key {
    Key::single(Space::Meta, n)
}

fn batch(id: u64) -> Batch {
    Batch { id: BatchId(id), ops: vec![put(key(id), [1])] }
}

/// A store whose commits wait for the test, and report how many batches came together.
struct Held {
    inner: MemoryStore,
    groups: SyncSender<usize>,
    go: Receiver<()>,
}

impl Store for Held {
    fn commit(&mut self, batches: &[Batch]) -> Result<(), StoreFault> {
        self.groups.send(batches.len()).unwrap();
        self.go.recv().unwrap();
        self.inner.commit(batches)
    }

    fn load(&mut self, range: &Range) -> Result<Vec<(Key, Value)>, StoreFault> {
        self.inner.load(range)
    }
}

fn held() -> (Box<Held>, Receiver<usize>, SyncSender<()>) {
    let (groups, seen) = sync_channel(2_000);
    let (release, go) = sync_channel(2_000);
    let inner = MemoryStore::open(&MemoryDisk::default(), system_clock());
    (Box::new(Held { inner, groups, go }), seen, release)
}

#[test]
fn batches_that_wait_share_the_next_commit_and_loads_see_all_before_them() {
    let (store, groups, release) = held();
    let (handle, mut events) = StoreHandle::spawn(store).unwrap();
    handle.submit(batch(1)).unwrap();
    assert_eq!(groups.recv().unwrap(), 1, "the first goes alone, at once");
    for id in 2..=5 {
        handle.submit(batch(id)).unwrap();
    }
    handle.load(LoadId(1), Range::Space(Space::Meta)).unwrap();
    handle.submit(batch(6)).unwrap();
    for _ in 0..3 {
        release.send(()).unwrap();
    }
    assert_eq!(events.blocking_recv(), Some(StoreEvent::Persisted { upto: BatchId(1) }));
    assert_eq!(events.blocking_recv(), Some(StoreEvent::Persisted { upto: BatchId(5) }));
    let Some(StoreEvent::Loaded(LoadId(1), rows)) = events.blocking_recv() else { panic!("no load") };
    assert_eq!(rows.iter().map(|(key, _)| key.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(events.blocking_recv(), Some(StoreEvent::Persisted { upto: BatchId(6) }));
    assert_eq!(groups.try_iter().collect::<Vec<_>>(), [4, 1]);
}

#[test]
fn what_was_submitted_is_durable_when_closing_returns() {
    let place = store_common::Place::sled(&store_common::Clock::at_hour(1));
    let (store, history) = place.open();
    drop(history);
    let (handle, events) = StoreHandle::spawn(store).unwrap();
    for id in 1..=50 {
        handle.submit(batch(id)).unwrap();
    }
    handle.close();
    drop(events);
    let (mut store, _) = place.open();
    assert_eq!(store_common::load(&mut *store, Range::Space(Space::Meta)).len(), 50);
}

#[test]
fn a_failure_is_the_last_event_and_the_last_write() {
    for inline in [false, true] {
        let disk = MemoryDisk::default();
        disk.inject(Fault { nth_commit: 2, fault: StoreFault::Full, kept: 0, cells_kept: false });
        let store = Box::new(MemoryStore::open(&disk, system_clock()));
        let (handle, mut events) =
            if inline { StoreHandle::inline(store) } else { StoreHandle::spawn(store).unwrap() };
        handle.submit(batch(1)).unwrap();
        assert_eq!(events.blocking_recv(), Some(StoreEvent::Persisted { upto: BatchId(1) }));
        handle.submit(batch(2)).unwrap();
        assert_eq!(events.blocking_recv(), Some(StoreEvent::Failed(StoreFault::Full)));
        // The thread may still be on its way out: then the request is taken and never carried out.
        let _ = handle.submit(batch(3));
        let _ = handle.load(LoadId(1), Range::One(key(1)));
        handle.close();
        assert_eq!(events.blocking_recv(), None);
        assert_eq!(disk.commits(), 2, "no try after the failure");
    }
}

#[test]
fn a_panic_of_the_store_is_a_failure() {
    let (store, _groups, release) = held();
    drop(release);
    let (handle, mut events) = StoreHandle::spawn(store).unwrap();
    handle.submit(batch(1)).unwrap();
    assert_eq!(events.blocking_recv(), Some(StoreEvent::Failed(StoreFault::Io)));
}

#[test]
fn a_full_queue_hands_the_request_back_and_closing_does_not_wait_for_a_reader() {
    let (store, _groups, release) = held();
    let (handle, mut events) = StoreHandle::spawn(store).unwrap();
    let mut taken = 0;
    let refused = loop {
        match handle.submit(batch(taken + 1)) {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
    };
    assert!(taken >= QUEUE as u64);
    assert_eq!(refused, Refused::Full(batch(taken + 1)));
    assert_eq!(handle.load(LoadId(1), Range::One(key(1))), Err(Refused::Full(Range::One(key(1)))));
    for _ in 0..QUEUE {
        release.send(()).unwrap();
    }
    // Events that are taken make room again.
    while events.blocking_recv() != Some(StoreEvent::Persisted { upto: BatchId(taken) }) {}
    let mut taken = 0;
    while handle.load(LoadId(taken), Range::One(key(1))).is_ok() {
        taken += 1;
    }
    handle.close();
    assert!(taken >= QUEUE as u64, "every load found room for its answer: {taken}");
}

#[test]
fn the_inline_store_answers_before_submit_returns() {
    let store = Box::new(MemoryStore::open(&MemoryDisk::default(), system_clock()));
    let (handle, mut events) = StoreHandle::inline(store);
    handle.submit(batch(1)).unwrap();
    assert_eq!(events.try_recv(), Ok(StoreEvent::Persisted { upto: BatchId(1) }));
    handle.load(LoadId(7), Range::One(key(1))).unwrap();
    assert_eq!(events.try_recv(), Ok(StoreEvent::Loaded(LoadId(7), vec![(key(1), Value::new(vec![1]))])));
    for id in 2.. {
        if let Err(refused) = handle.submit(batch(id)) {
            assert_eq!(refused, Refused::Full(batch(id)));
            break;
        }
    }
    while events.try_recv().is_ok() {}
    handle.submit(batch(2_000)).unwrap();
}
