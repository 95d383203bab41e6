//! The one writer of a store: a thread of its own behind bounded queues, or, for simulations, the caller's.
//!
//! Batches that wait while another is synced share the next sync; none ever waits for company. Requests are carried out in the order in
//! which they were submitted, so a load sees every batch before it. After a failure nothing more is read or written: the core is rebuilt
//! from disk, and a sync that failed once proves nothing when it succeeds later.

use super::Store;
use karvon_protocol::core::{Batch, BatchId, Key, LoadId, Op, Range, StoreFault, Value};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// Requests under way and events not yet taken, together.
pub const QUEUE: usize = 1_024;
/// Events beyond those that requests have room for: the one that is just being sent, and a failure, which answers no request.
const SPARE: usize = 2;
/// Bytes of batches beyond which no more join a sync: the first of them would wait for long.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// How often a writer without work looks for cells that have expired.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// What the store tells its core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreEvent {
    /// All batches up to this one are durable.
    Persisted {
        /// The last durable batch.
        upto: BatchId,
    },
    /// The answer to a load.
    Loaded(LoadId, Vec<(Key, Value)>),
    /// The store failed; this is its last event.
    Failed(StoreFault),
}

/// Why a request was not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused<T> {
    /// [`QUEUE`] is full: take events, then try again with what is handed back.
    Full(T),
    /// The store failed or was closed.
    Closed,
}

enum Request {
    Commit(Batch),
    Load(LoadId, Range),
}

/// Where requests go. Submitting never blocks (but see [`StoreHandle::inline`]); closing and dropping wait for the thread.
pub struct StoreHandle {
    kind: Kind,
    events: mpsc::Sender<StoreEvent>,
    /// Requests that were not answered yet. There is always room for their events, so the thread never waits for the core.
    unanswered: Arc<AtomicUsize>,
}

enum Kind {
    Thread { requests: Option<SyncSender<Request>>, thread: Option<JoinHandle<()>> },
    Inline(Mutex<Option<Worker>>),
}

impl fmt::Debug for StoreHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreHandle")
    }
}

impl StoreHandle {
    /// Gives `store` a thread of its own.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn spawn(store: Box<dyn Store>) -> std::io::Result<(Self, mpsc::Receiver<StoreEvent>)> {
        let (worker, events, taken) = Worker::new(store);
        let unanswered = worker.unanswered.clone();
        let (requests, queue) = sync_channel(QUEUE);
        let run = move || worker.run(&queue);
        let thread = Some(std::thread::Builder::new().name("store".to_owned()).spawn(run)?);
        let kind = Kind::Thread { requests: Some(requests), thread };
        Ok((Self { kind, events, unanswered }, taken))
    }

    /// Carries every request out at once, on the thread that submits it: for simulations, where a store must not have a will of its own.
    #[must_use]
    pub fn inline(store: Box<dyn Store>) -> (Self, mpsc::Receiver<StoreEvent>) {
        let (worker, events, taken) = Worker::new(store);
        let unanswered = worker.unanswered.clone();
        (Self { kind: Kind::Inline(Mutex::new(Some(worker))), events, unanswered }, taken)
    }

    /// Asks for a batch to become durable: [`StoreEvent::Persisted`].
    ///
    /// # Errors
    /// [`Refused`].
    pub fn submit(&self, batch: Batch) -> Result<(), Refused<Batch>> {
        if !self.take_room() {
            return Err(Refused::Full(batch));
        }
        self.request(Request::Commit(batch)).map_err(|Gone| Refused::Closed)
    }

    /// Asks for records: [`StoreEvent::Loaded`]. It sees all batches that were submitted before.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn load(&self, id: LoadId, range: Range) -> Result<(), Refused<Range>> {
        if !self.take_room() {
            return Err(Refused::Full(range));
        }
        self.request(Request::Load(id, range)).map_err(|Gone| Refused::Closed)
    }

    fn take_room(&self) -> bool {
        let unanswered = self.unanswered.fetch_add(1, Ordering::SeqCst) + 1;
        let room = unanswered + SPARE <= self.events.capacity();
        if !room {
            self.unanswered.fetch_sub(1, Ordering::SeqCst);
        }
        room
    }

    fn request(&self, request: Request) -> Result<(), Gone> {
        match &self.kind {
            Kind::Thread { requests, .. } => {
                requests.as_ref().ok_or(Gone)?.try_send(request).map_err(|_| Gone)
            }
            Kind::Inline(worker) => {
                let mut worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
                let open = worker.as_mut().ok_or(Gone)?;
                let done = match request {
                    Request::Commit(batch) => open.commit(&[batch]),
                    Request::Load(id, range) => open.load(id, &range),
                };
                if done.is_err() {
                    *worker = None;
                }
                Ok(())
            }
        }
    }

    /// One step of housekeeping of an inline store (a thread does it by itself); true if there is more to do at once.
    pub fn tidy(&self) -> bool {
        let Kind::Inline(worker) = &self.kind else { return false };
        let mut worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
        let done = worker.as_mut().map_or(Ok(false), Worker::tidy);
        if done.is_err() {
            *worker = None;
        }
        done.unwrap_or(false)
    }

    /// Lets everything that was submitted become durable and closes the store; blocks until that is done.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for StoreHandle {
    fn drop(&mut self) {
        match &mut self.kind {
            Kind::Thread { requests, thread } => {
                *requests = None;
                if thread.take().is_some_and(|thread| thread.join().is_err()) {
                    tracing::error!("the store's thread panicked");
                }
            }
            Kind::Inline(worker) => *worker.get_mut().unwrap_or_else(PoisonError::into_inner) = None,
        }
    }
}

/// The worker has ended.
struct Gone;

/// A store and where its events go.
struct Worker {
    store: Box<dyn Store>,
    events: mpsc::Sender<StoreEvent>,
    unanswered: Arc<AtomicUsize>,
}

impl Worker {
    fn new(store: Box<dyn Store>) -> (Self, mpsc::Sender<StoreEvent>, mpsc::Receiver<StoreEvent>) {
        let (events, taken) = mpsc::channel(QUEUE + SPARE);
        let worker = Self { store, events: events.clone(), unanswered: Arc::default() };
        (worker, events, taken)
    }

    /// The thread. Ends when the queue is closed and empty, or after a failure.
    fn run(mut self, queue: &Receiver<Request>) {
        let mut more_to_tidy = true;
        loop {
            let wait = if more_to_tidy { Duration::ZERO } else { TIDY_EVERY };
            let done = match queue.recv_timeout(wait) {
                Ok(first) => {
                    more_to_tidy = true;
                    self.work(first, queue)
                }
                Err(RecvTimeoutError::Timeout) => self.tidy().map(|more| more_to_tidy = more),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if done.is_err() {
                return;
            }
        }
    }

    /// Carries out `first` and everything that waits behind it.
    fn work(&mut self, first: Request, queue: &Receiver<Request>) -> Result<(), Gone> {
        let mut next = Some(first);
        let (mut group, mut bytes) = (Vec::new(), 0);
        while let Some(request) = next.take() {
            match request {
                Request::Commit(batch) => {
                    bytes += batch_bytes(&batch);
                    group.push(batch);
                    if bytes < GROUP_BYTES_MAX {
                        next = queue.try_recv().ok();
                    }
                }
                Request::Load(id, range) => {
                    self.commit(&group)?;
                    (group, bytes) = (Vec::new(), 0);
                    self.load(id, &range)?;
                    next = queue.try_recv().ok();
                }
            }
        }
        self.commit(&group)
    }

    fn commit(&mut self, group: &[Batch]) -> Result<(), Gone> {
        let Some(last) = group.last() else { return Ok(()) };
        match guarded(|| self.store.commit(group)) {
            Ok(()) => {
                self.answer(StoreEvent::Persisted { upto: last.id }, group.len());
                Ok(())
            }
            Err(fault) => self.fail(fault),
        }
    }

    fn load(&mut self, id: LoadId, range: &Range) -> Result<(), Gone> {
        match guarded(|| self.store.load(range)) {
            Ok(rows) => {
                self.answer(StoreEvent::Loaded(id, rows), 1);
                Ok(())
            }
            Err(fault) => self.fail(fault),
        }
    }

    fn tidy(&mut self) -> Result<bool, Gone> {
        guarded(|| self.store.tidy()).or_else(|fault| self.fail(fault).map(|()| false))
    }

    fn answer(&self, event: StoreEvent, requests: usize) {
        // In this order whoever has taken the event finds the room that it gave back.
        self.unanswered.fetch_sub(requests, Ordering::SeqCst);
        // There is room; this fails only if nobody listens any more, and batches are to become durable even then.
        let _ = self.events.try_send(event);
    }

    fn fail(&self, fault: StoreFault) -> Result<(), Gone> {
        self.answer(StoreEvent::Failed(fault), 0);
        Err(Gone)
    }
}

/// A store that panics has failed.
fn guarded<T>(work: impl FnOnce() -> Result<T, StoreFault>) -> Result<T, StoreFault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(StoreFault::Io))
}

fn batch_bytes(batch: &Batch) -> usize {
    batch
        .ops
        .iter()
        .map(|op| match op {
            Op::Put(_, value) => value.len(),
            Op::AppendCell { cell, .. } => cell.bytes().len(),
            Op::Remove(_) | Op::DropCell { .. } => 0,
        })
        .sum()
}
