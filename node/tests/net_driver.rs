//! The driver with a small core of its own: what waits for the disk, what comes first, and what happens at the end.
#![allow(clippy::unwrap_used)]

mod net_support;

use karvon_node::clock::{Clock, SystemClock};
use karvon_node::driver::{Call, DriverError, Jobs, StoreEvent, StorePort, StoreRequest, run};
use karvon_node::net::{NetHandle, start_leaf};
use karvon_protocol::core::{
    BatchId, CommandId, Core, Input, Job, JobId, JobOutput, Key, LinkInfo, LoadId, Mono, Now, Op, Output,
    Range, Space, StoreFault, Target,
};
use karvon_protocol::effects::Effects;
use karvon_protocol::error::ErrorKind;
use karvon_protocol::link::{Frame, Kind};
use net_support::{Relay, deps};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

const DEADLINE: Duration = Duration::from_secs(30);

/// What the toy core was fed, in order.
type Log = Arc<Mutex<Vec<&'static str>>>;

#[derive(Debug, Clone)]
enum Command {
    /// Writes this many bytes, then answers.
    Write(usize),
    /// Reaches a relay; answers at once.
    Connect(Target),
    /// Runs a job, then answers.
    Job,
    /// Loads nothing; answers with nothing.
    Load,
}

/// Writes what it is told, echoes frames once they are written, and counts.
struct Toy {
    effects: Effects<u64, u64>,
    log: Log,
    seq: u64,
    deadline: Option<Mono>,
    waiting: Option<CommandId>,
    /// Sends a first frame over each new link.
    greets: bool,
}

impl Toy {
    fn new(log: Log) -> Self {
        let effects = Effects::default();
        Self { effects, log, seq: 0, deadline: None, waiting: None, greets: false }
    }

    fn write(&mut self, length: usize) {
        self.seq += 1;
        let value = Zeroizing::new(vec![1; length]);
        self.effects.write(Op::Put(Key::single(Space::Meta, self.seq), value));
    }
}

impl Core for Toy {
    type Command = Command;
    type Reply = u64;
    type Event = u64;

    fn handle(&mut self, input: Input<Command>, _: Now) {
        let what = match input {
            Input::Command(id, Command::Write(length)) => {
                self.write(length);
                self.effects.after_stored(Output::Reply(id, Ok(self.seq)));
                "command"
            }
            Input::Command(id, Command::Connect(target)) => {
                self.effects.at_once(Output::Connect(target));
                self.effects.at_once(Output::Reply(id, Ok(0)));
                "command"
            }
            Input::Command(id, Command::Job) => {
                self.waiting = Some(id);
                self.effects.at_once(Output::Run(JobId(7), Job::StretchRoot([1; 16])));
                "command"
            }
            Input::Command(_, Command::Load) => {
                self.seq += 1;
                self.effects.at_once(Output::Load(LoadId(self.seq), Range::Space(Space::Meta)));
                "command"
            }
            Input::Done(JobId(7), JobOutput::Failed) => {
                if let Some(id) = self.waiting.take() {
                    self.effects.at_once(Output::Reply(id, Ok(7)));
                }
                "done"
            }
            Input::Frame { link, frame } => {
                self.write(10);
                self.effects.after_stored(Output::Notify(u64::from(frame.tunnel)));
                if frame.tunnel < 20 {
                    let next = Frame::new(Kind::Data, frame.tunnel + 1, frame.payload);
                    self.effects.after_stored(Output::Send { link, frame: next });
                }
                "frame"
            }
            Input::LinkUp(link, info) => {
                if self.greets && matches!(info, LinkInfo::Door { .. }) {
                    let frame = Frame::new(Kind::Data, 1, vec![5; 100]);
                    self.effects.at_once(Output::Send { link, frame });
                }
                "up"
            }
            Input::Persisted { upto } => {
                self.effects.stored(upto);
                "stored"
            }
            Input::Timeout => {
                self.deadline = None;
                "time"
            }
            Input::PersistFailed(_) => "failed",
            Input::Loaded(..) => "loaded",
            _ => "other",
        };
        self.log.lock().unwrap().push(what);
    }

    fn poll(&mut self) -> Option<Output<u64, u64>> {
        self.effects.poll()
    }

    fn next_timeout(&self) -> Option<Mono> {
        self.deadline
    }

    fn ready(&self) -> bool {
        self.effects.ready()
    }
}

/// A store that answers when the test says so, or by itself.
struct FakeStore {
    requests: mpsc::Sender<StoreRequest>,
    events: mpsc::Receiver<StoreEvent>,
    /// Answers by itself.
    itself: Option<mpsc::Sender<StoreEvent>>,
    /// Refuses this many requests.
    full: usize,
}

/// The test's end of a [`FakeStore`].
struct Disk {
    requests: mpsc::Receiver<StoreRequest>,
    events: mpsc::Sender<StoreEvent>,
}

impl Disk {
    async fn request(&mut self) -> StoreRequest {
        tokio::time::timeout(DEADLINE, self.requests.recv()).await.unwrap().unwrap()
    }

    /// The next batch: its number and how many changes it has.
    async fn batch(&mut self) -> (BatchId, usize) {
        match self.request().await {
            StoreRequest::Persist(batch) => (batch.id, batch.ops.len()),
            other => panic!("{other:?}"),
        }
    }

    fn stored(&self, upto: BatchId) {
        self.events.try_send(StoreEvent::Persisted { upto }).unwrap();
    }
}

fn fake_store() -> (FakeStore, Disk) {
    let (ask, requests) = mpsc::channel(2_000);
    let (events, heard) = mpsc::channel(2_000);
    (FakeStore { requests: ask, events: heard, itself: None, full: 0 }, Disk { requests, events })
}

fn ready_store() -> FakeStore {
    let (mut store, disk) = fake_store();
    store.itself = Some(disk.events);
    store
}

impl StorePort for FakeStore {
    fn request(&mut self, request: StoreRequest) -> Result<(), Option<StoreRequest>> {
        if self.full > 0 {
            self.full -= 1;
            return Err(Some(request));
        }
        match (&self.itself, request) {
            (Some(events), StoreRequest::Persist(batch)) => {
                events.try_send(StoreEvent::Persisted { upto: batch.id }).map_err(|_| None)
            }
            (_, request) => self.requests.try_send(request).map_err(|_| None),
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<StoreEvent>> {
        self.events.poll_recv(cx)
    }
}

struct NoJobs;

impl Jobs for NoJobs {
    fn run(&self, _: Job) -> Pin<Box<dyn Future<Output = JobOutput> + Send>> {
        Box::pin(async { JobOutput::Failed })
    }
}

/// A driver that runs, and the ends a test holds.
struct World {
    calls: mpsc::Sender<Call<Toy>>,
    events: mpsc::Receiver<u64>,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<Result<(), DriverError>>,
    log: Log,
}

impl World {
    fn start(store: FakeStore) -> Self {
        let net = start_leaf(&deps(1)).unwrap();
        Self::with(store, net, Vec::new(), |_| {})
    }

    /// Starts with `first` already waiting.
    fn with(mut store: FakeStore, net: NetHandle, first: Vec<Command>, set: impl FnOnce(&mut Toy)) -> Self {
        let (calls, commands) = mpsc::channel(2_000);
        for command in first {
            calls.try_send((command, oneshot::channel().0)).unwrap();
        }
        let (tell, events) = mpsc::channel(2_000);
        let (stop, stopped) = oneshot::channel::<()>();
        let log = Log::default();
        let mut core = Toy::new(log.clone());
        set(&mut core);
        let task = tokio::spawn(async move {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
            let told = move |event| {
                let _ = tell.try_send(event);
            };
            let shutdown = async {
                let _ = stopped.await;
            };
            run(core, net, &mut store, Arc::new(NoJobs), clock, commands, told, shutdown).await
        });
        Self { calls, events, stop: Some(stop), task, log }
    }

    async fn call(&self, command: Command) -> oneshot::Receiver<Result<u64, ErrorKind>> {
        let (reply, answer) = oneshot::channel();
        self.calls.send((command, reply)).await.unwrap();
        answer
    }

    async fn ended(self) -> Result<(), DriverError> {
        tokio::time::timeout(DEADLINE, self.task).await.unwrap().unwrap()
    }
}

async fn answer(reply: oneshot::Receiver<Result<u64, ErrorKind>>) -> Result<u64, ErrorKind> {
    tokio::time::timeout(DEADLINE, reply).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_reply_leaves_only_when_what_it_rests_on_is_durable() {
    let (store, mut disk) = fake_store();
    let world = World::start(store);
    let mut first = world.call(Command::Write(10)).await;
    assert_eq!(disk.batch().await, (BatchId(1), 1));
    let mut second = world.call(Command::Write(10)).await;
    assert_eq!(disk.batch().await, (BatchId(2), 1), "the second batch does not wait for the first");
    assert!(first.try_recv().is_err() && second.try_recv().is_err());
    disk.stored(BatchId(1));
    assert_eq!(answer(first).await, Ok(1));
    assert!(second.try_recv().is_err());
    disk.stored(BatchId(2));
    assert_eq!(answer(second).await, Ok(2));
}

#[tokio::test]
async fn what_is_ready_together_becomes_one_batch_of_bounded_size() {
    let (store, mut disk) = fake_store();
    let net = start_leaf(&deps(1)).unwrap();
    let _world = World::with(store, net, vec![Command::Write(1); 600], |_| {});
    assert_eq!(disk.batch().await, (BatchId(1), 256));
    assert_eq!(disk.batch().await, (BatchId(2), 256));
    assert_eq!(disk.batch().await, (BatchId(3), 88));
}

#[tokio::test]
async fn while_too_much_waits_for_the_disk_nothing_more_is_read() {
    let (store, mut disk) = fake_store();
    let world = World::start(store);
    drop(world.call(Command::Write(2 << 20)).await);
    assert_eq!(disk.batch().await, (BatchId(1), 1));
    let waiting = world.call(Command::Write(1)).await;
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(*world.log.lock().unwrap(), ["command"], "the second command was read");
    disk.stored(BatchId(1));
    assert_eq!(disk.batch().await, (BatchId(2), 1));
    disk.stored(BatchId(2));
    assert_eq!(answer(waiting).await, Ok(2));
}

#[tokio::test]
async fn the_disk_comes_before_time_and_time_before_front_ends() {
    let (store, disk) = fake_store();
    disk.stored(BatchId(0));
    let net = start_leaf(&deps(1)).unwrap();
    let world = World::with(store, net, vec![Command::Write(1); 3], |core| core.deadline = Some(Mono(0)));
    let mut disk = disk;
    assert_eq!(disk.batch().await.1, 3, "all in one turn");
    assert_eq!(*world.log.lock().unwrap(), ["stored", "time", "command", "command", "command"]);
}

#[tokio::test]
async fn a_deadline_in_the_future_is_kept() {
    let (store, _disk) = fake_store();
    let net = start_leaf(&deps(1)).unwrap();
    let world = World::with(store, net, Vec::new(), |core| core.deadline = Some(Mono(50_000)));
    while world.log.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(*world.log.lock().unwrap(), ["time"]);
}

#[tokio::test]
async fn a_failed_store_ends_the_core_and_fails_who_waits() {
    let (store, mut disk) = fake_store();
    let world = World::start(store);
    let waiting = world.call(Command::Write(10)).await;
    disk.batch().await;
    disk.events.try_send(StoreEvent::Failed(StoreFault::Full)).unwrap();
    assert_eq!(answer(waiting).await, Err(ErrorKind::Store));
    assert_eq!(world.log.lock().unwrap().last(), Some(&"failed"));
    assert_eq!(world.ended().await, Err(DriverError::Store(StoreFault::Full)));
}

#[tokio::test]
async fn a_store_that_vanishes_is_a_failed_store() {
    let (store, disk) = fake_store();
    let world = World::start(store);
    drop(disk);
    assert_eq!(world.ended().await, Err(DriverError::Store(StoreFault::Io)));
}

#[tokio::test]
async fn a_stop_waits_for_the_disk_and_lets_answers_leave() {
    let (store, mut disk) = fake_store();
    let mut world = World::start(store);
    let waiting = world.call(Command::Write(10)).await;
    let (id, _) = disk.batch().await;
    world.stop.take().unwrap().send(()).unwrap();
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(!world.task.is_finished());
    disk.stored(id);
    assert_eq!(answer(waiting).await, Ok(1));
    assert_eq!(world.ended().await, Ok(()));
}

#[tokio::test]
async fn requests_that_find_no_room_come_again_in_order() {
    let (mut store, mut disk) = fake_store();
    store.full = 2;
    let net = start_leaf(&deps(1)).unwrap();
    let world = World::with(store, net, vec![Command::Load, Command::Load, Command::Load], |_| {});
    let load = |number| StoreRequest::Load(LoadId(number), Range::Space(Space::Meta));
    // The first request is refused at once and again at the first event; after that all go.
    while world.log.lock().unwrap().len() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    disk.stored(BatchId(0));
    disk.stored(BatchId(0));
    for number in 1..=3 {
        assert_eq!(disk.request().await, load(number));
    }
}

#[tokio::test]
async fn a_job_comes_back_as_an_input() {
    let (store, _disk) = fake_store();
    let world = World::start(store);
    assert_eq!(answer(world.call(Command::Job).await).await, Ok(7));
}

#[tokio::test]
async fn two_cores_talk_over_a_real_link() {
    let relay = Relay::start(1).await;
    let target = relay.target();
    let mut far = World::with(ready_store(), relay.net, Vec::new(), |_| {});
    let leaf = start_leaf(&deps(2)).unwrap();
    let mut near = World::with(ready_store(), leaf, Vec::new(), |core| core.greets = true);
    drop(near.call(Command::Connect(target)).await);
    let (mut seen_near, mut seen_far) = (Vec::new(), Vec::new());
    while seen_near.len() + seen_far.len() < 20 {
        let event = tokio::time::timeout(DEADLINE, async {
            tokio::select! {
                biased;
                event = near.events.recv() => (true, event),
                event = far.events.recv() => (false, event),
            }
        });
        match event.await.unwrap() {
            (true, Some(number)) => seen_near.push(number),
            (false, Some(number)) => seen_far.push(number),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen_far, (1..=19).step_by(2).collect::<Vec<_>>());
    assert_eq!(seen_near, (2..=20).step_by(2).collect::<Vec<_>>());
}
