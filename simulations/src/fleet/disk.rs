//! The node's store in a world: in memory, with the delays of real disks and with writes that a crash may tear.

use super::sour::{Mood, Temper};
use crate::det::Rng;
use crate::net::MS;
use karvon_node::driver::{StoreEvent, StorePort, StoreRequest};
use karvon_node::store::memory::MemoryDisk;
use karvon_node::store::{MemoryStore, Store, system_clock};
use karvon_protocol::core::{Batch, BatchId, Op, Space, StoreFault};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// Requests that may wait; further ones are handed back.
const WAITING_MAX: usize = 64;

/// How long a disk takes to sync, milliseconds: evenly distributed between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpec {
    /// Shortest.
    pub least_ms: u64,
    /// Longest.
    pub most_ms: u64,
}

impl DiskSpec {
    /// A server's solid-state disk.
    pub const SERVER: Self = Self { least_ms: 1, most_ms: 4 };
    /// A cheap phone's memory.
    pub const PHONE: Self = Self { least_ms: 5, most_ms: 60 };
}

/// Batches that are being synced: the first ones may be on the medium already.
struct Sync {
    ready: Pin<Box<Sleep>>,
    rest: Vec<Batch>,
    upto: BatchId,
}

/// A store on a [`MemoryDisk`]. Dropped in the middle of a sync, it leaves a random part of whole batches behind, as a power cut does.
pub struct SimStore {
    store: MemoryStore,
    spec: DiskSpec,
    rng: Rng,
    waiting: VecDeque<StoreRequest>,
    sync: Option<Sync>,
    events: VecDeque<StoreEvent>,
    failed: bool,
    mood: Mood,
}

impl SimStore {
    /// Opens what is on `disk`.
    #[must_use]
    pub fn open(disk: &MemoryDisk, spec: DiskSpec, rng: Rng) -> Self {
        Self {
            store: MemoryStore::open(disk, system_clock()),
            spec,
            rng,
            waiting: VecDeque::new(),
            sync: None,
            events: VecDeque::new(),
            failed: false,
            mood: Mood::default(),
        }
    }

    /// The store of a relay that may be sour: it confirms what it then does not keep.
    #[must_use]
    pub(super) fn of_mood(self, mood: Mood) -> Self {
        Self { mood, ..self }
    }

    fn fail(&mut self, fault: StoreFault) {
        self.failed = true;
        self.sync = None;
        self.waiting.clear();
        self.events.push_back(StoreEvent::Failed(fault));
    }

    /// Starts to sync `first` and all batches that wait right behind it.
    fn begin(&mut self, first: Batch) {
        let mut batches = vec![first];
        while let Some(StoreRequest::Persist(_)) = self.waiting.front() {
            if let Some(StoreRequest::Persist(batch)) = self.waiting.pop_front() {
                batches.push(batch);
            }
        }
        let upto = batches.last().map_or(BatchId(0), |batch| batch.id);
        let temper = self.mood.get();
        let forgotten = |op: &Op| match op {
            Op::AppendCell { .. } => temper == Temper::Lies,
            // The index stays, so that a second put of the same object is confirmed as well.
            Op::Put(key, _) => {
                temper == Temper::Eclipses && key.space == Space::RelayObject && key.group != [0; 16]
            }
            _ => false,
        };
        batches.iter_mut().for_each(|batch| batch.ops.retain(|op| !forgotten(op)));
        // What reaches the medium before the sync is confirmed is up to chance.
        let early = self.rng.index(batches.len() + 1);
        let rest = batches.split_off(early);
        if !batches.is_empty()
            && let Err(fault) = self.store.commit(&batches)
        {
            return self.fail(fault);
        }
        let span = self.spec.most_ms.saturating_sub(self.spec.least_ms) * MS;
        let wait = self.spec.least_ms * MS + self.rng.below(span + 1);
        let ready = Box::pin(tokio::time::sleep(Duration::from_nanos(wait)));
        self.sync = Some(Sync { ready, rest, upto });
    }
}

impl StorePort for SimStore {
    fn request(&mut self, request: StoreRequest) -> Result<(), Option<StoreRequest>> {
        if self.failed {
            return Err(None);
        }
        if self.waiting.len() >= WAITING_MAX {
            return Err(Some(request));
        }
        self.waiting.push_back(request);
        Ok(())
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<StoreEvent>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(Some(event));
            }
            if self.failed {
                return Poll::Ready(None);
            }
            if let Some(mut sync) = self.sync.take() {
                if sync.ready.as_mut().poll(cx).is_pending() {
                    self.sync = Some(sync);
                    return Poll::Pending;
                }
                let done = if sync.rest.is_empty() { Ok(()) } else { self.store.commit(&sync.rest) };
                match done {
                    Ok(()) => self.events.push_back(StoreEvent::Persisted { upto: sync.upto }),
                    Err(fault) => self.fail(fault),
                }
                continue;
            }
            match self.waiting.pop_front() {
                Some(StoreRequest::Persist(batch)) => self.begin(batch),
                Some(StoreRequest::Load(id, range)) => match self.store.load(&range) {
                    Ok(rows) => self.events.push_back(StoreEvent::Loaded(id, rows)),
                    Err(fault) => self.fail(fault),
                },
                // The driver asks again after each request of its own.
                None => return Poll::Pending,
            }
        }
    }
}

impl std::fmt::Debug for SimStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimStore({} waiting)", self.waiting.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use karvon_protocol::core::{Key, LoadId, Range};
    use std::future::poll_fn;
    use zeroize::Zeroizing;

    fn put(number: u64) -> StoreRequest {
        let op = Op::Put(Key::single(Space::Meta, number), Zeroizing::new(vec![number as u8]));
        StoreRequest::Persist(Batch { id: BatchId(number), ops: vec![op] })
    }

    /// How many of five records are on the disk after a crash in the middle of their sync.
    fn left_by_a_crash(seed: u64) -> usize {
        let (wait, most) = (Duration::from_millis(1), 100);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async move {
            let disk = MemoryDisk::default();
            let spec = DiskSpec { least_ms: most, most_ms: most };
            let mut store = SimStore::open(&disk, spec, Rng::new(seed));
            (1..=5).for_each(|number| store.request(put(number)).unwrap());
            let event = tokio::time::timeout(wait, poll_fn(|cx| store.poll_event(cx))).await;
            assert!(event.is_err(), "confirmed before its time");
            drop(store);
            let rows = MemoryStore::open(&disk, system_clock()).load(&Range::Space(Space::Meta)).unwrap();
            let ids: Vec<_> = rows.iter().map(|(key, _)| key.seq).collect();
            assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>(), "whole batches in order");
            ids.len()
        })
    }

    #[test]
    fn a_crash_leaves_any_first_part_of_what_was_being_written() {
        let seen: std::collections::BTreeSet<_> = (0..60).map(left_by_a_crash).collect();
        assert_eq!(seen, (0..=5).collect());
    }

    #[tokio::test(start_paused = true)]
    async fn loads_see_what_was_requested_before_them_and_answers_come_in_order() {
        let mut store = SimStore::open(&MemoryDisk::default(), DiskSpec::SERVER, Rng::new(1));
        store.request(put(1)).unwrap();
        store.request(put(2)).unwrap();
        store.request(StoreRequest::Load(LoadId(7), Range::Space(Space::Meta))).unwrap();
        let first = poll_fn(|cx| store.poll_event(cx)).await;
        assert_eq!(first, Some(StoreEvent::Persisted { upto: BatchId(2) }));
        match poll_fn(|cx| store.poll_event(cx)).await {
            Some(StoreEvent::Loaded(LoadId(7), rows)) => assert_eq!(rows.len(), 2),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_disk_fails_the_store_for_good() {
        use karvon_node::store::memory::Fault;
        let disk = MemoryDisk::default();
        disk.inject(Fault { nth_commit: 1, fault: StoreFault::Io, kept: 0, cells_kept: false });
        let mut store = SimStore::open(&disk, DiskSpec::SERVER, Rng::new(1));
        store.request(put(1)).unwrap();
        assert_eq!(poll_fn(|cx| store.poll_event(cx)).await, Some(StoreEvent::Failed(StoreFault::Io)));
        assert_eq!(store.request(put(2)), Err(None));
        assert_eq!(poll_fn(|cx| store.poll_event(cx)).await, None);
    }
}
