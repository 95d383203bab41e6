//! The one task that owns a core: feeds it what is ready, carries out what it decides, in the order DESIGN §3 lays down.
//!
//! What is durable comes first, then time, then links, then front ends. While the core says that too much waits for the disk, links and
//! front ends are not read, and their own bounds hold back whoever is behind them.

use crate::clock::Clock;
use crate::net::{NetCommand, NetEvent, NetHandle};
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use karvon_protocol::core::{
    Batch, BatchId, CommandId, Core, Input, Job, JobId, JobOutput, Key, LoadId, Mono, Output, Range,
    StoreFault, Value,
};
use karvon_protocol::error::ErrorKind;
use karvon_protocol::reach::Findings;
use karvon_protocol::relay::api::{RelayCommand, RelayEvent};
use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep, sleep, timeout};

/// Inputs of one turn.
pub const TURN_INPUTS_MAX: usize = 256;
/// Every how many inputs of a busy turn a front end goes first, so that links can not starve it.
const FRONT_END_SHARE: usize = 4;
/// How long a stop waits for the disk.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// A timer without a deadline looks again after this time.
const NO_DEADLINE: Duration = Duration::from_secs(3_600);

/// A command of a front end and where its answer goes.
pub type Call<C> = (<C as Core>::Command, oneshot::Sender<Result<<C as Core>::Reply, ErrorKind>>);

/// What the core asks of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreRequest {
    /// Make a batch durable: [`StoreEvent::Persisted`].
    Persist(Batch),
    /// Read records: [`StoreEvent::Loaded`]. Sees all batches requested before.
    Load(LoadId, Range),
}

/// What the store tells the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreEvent {
    /// All batches up to this one are durable.
    Persisted {
        /// The last durable batch.
        upto: BatchId,
    },
    /// The answer to a load.
    Loaded(LoadId, Vec<(Key, Value)>),
    /// The store failed; its last event.
    Failed(StoreFault),
}

/// The driver's end of a store.
pub trait StorePort: Send {
    /// Takes a request without blocking. A request that finds no room is handed back and comes again after the next event; `None` means
    /// that the store has stopped.
    ///
    /// # Errors
    /// See above.
    fn request(&mut self, request: StoreRequest) -> Result<(), Option<StoreRequest>>;

    /// The next event; `None` once the store has stopped.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<StoreEvent>>;
}

/// Runs jobs that would block the core task.
pub trait Jobs: Send + Sync {
    /// Carries out `job` elsewhere.
    fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = JobOutput> + Send>>;
}

/// What surrounds a core: takes its events and translates what the network hears.
pub trait Surroundings<C: Core> {
    /// The core tells something; it may mean a command to the network.
    fn on_event(&mut self, event: C::Event) -> Option<NetCommand>;

    /// The network heard a unit on a shard.
    fn on_gossip(&mut self, _: u64, _: Vec<u8>) -> Option<C::Command> {
        None
    }

    /// The network heard signed descriptor bytes.
    fn on_heard(&mut self, _: Vec<u8>) -> Option<C::Command> {
        None
    }

    /// The network has dialled a relay back.
    fn on_dialled_back(&mut self, _: u64, _: Findings) -> Option<C::Command> {
        None
    }
}

/// A closure that takes the core's events: enough for a person's engine.
impl<C: Core, F: FnMut(C::Event)> Surroundings<C> for F {
    fn on_event(&mut self, event: C::Event) -> Option<NetCommand> {
        self(event);
        None
    }
}

/// The surroundings of a relay: descriptors go between core and network; `told` sees each event as well.
#[derive(Debug)]
pub struct RelaySurroundings<F>(pub F);

impl<C, F> Surroundings<C> for RelaySurroundings<F>
where
    C: Core<Command = RelayCommand, Event = RelayEvent>,
    F: FnMut(&RelayEvent),
{
    fn on_event(&mut self, event: RelayEvent) -> Option<NetCommand> {
        (self.0)(&event);
        match event {
            RelayEvent::Ready => None,
            RelayEvent::Spread(shard, bytes) => Some(NetCommand::Gossip(shard, bytes)),
            RelayEvent::Judged(token, verdict) => Some(NetCommand::Judged(token, verdict)),
            RelayEvent::OwnDescriptor(descriptor, bytes) => {
                Some(NetCommand::Publish(Box::new(descriptor), bytes))
            }
            RelayEvent::Learned(_, descriptor, bytes) => {
                Some(NetCommand::Learned(Box::new(descriptor), bytes))
            }
            RelayEvent::DialBack { token, seed, descriptor } => {
                Some(NetCommand::DialBack { token, seed, descriptor: Box::new(descriptor) })
            }
            RelayEvent::ExpectDialback(key) => Some(NetCommand::ExpectDialback(key)),
            RelayEvent::SlotLives(key) => Some(NetCommand::SlotLives(key)),
            RelayEvent::SlotEnded(slot) => Some(NetCommand::SlotEnded(slot)),
        }
    }

    fn on_heard(&mut self, bytes: Vec<u8>) -> Option<RelayCommand> {
        Some(RelayCommand::Heard(bytes))
    }

    fn on_gossip(&mut self, token: u64, bytes: Vec<u8>) -> Option<RelayCommand> {
        Some(RelayCommand::Gossip(token, bytes))
    }

    fn on_dialled_back(&mut self, token: u64, findings: Findings) -> Option<RelayCommand> {
        Some(RelayCommand::DialledBack(token, findings))
    }
}

/// Why a core's task ended before it was told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// The store failed: the core must be built anew from what is on disk.
    #[error("{}", store_words(*.0))]
    Store(StoreFault),
    /// The network's tasks are gone.
    #[error("the network has stopped")]
    Net,
}

const fn store_words(fault: StoreFault) -> &'static str {
    match fault {
        StoreFault::Full => "the disk is full: make room; what was confirmed is kept",
        StoreFault::Io => {
            "the disk fails or takes no writes: look at the system's log; what was confirmed is kept"
        }
    }
}

/// Runs `core` until `shutdown`, then lets what was decided become durable and leave, and closes the network.
///
/// # Errors
/// [`DriverError`]; commands that wait are answered with [`ErrorKind::Store`].
#[allow(clippy::too_many_arguments)] // Each is a different end of the core; a struct of them would be built in one place only.
pub async fn run<C, S>(
    core: C,
    net: NetHandle,
    store: &mut S,
    jobs: Arc<dyn Jobs>,
    clock: Arc<dyn Clock>,
    commands: mpsc::Receiver<Call<C>>,
    surroundings: impl Surroundings<C>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), DriverError>
where
    C: Core,
    S: StorePort,
{
    let mut driver = Driver {
        core,
        net,
        store,
        jobs,
        clock,
        commands: Some(commands),
        surroundings,
        replies: HashMap::new(),
        next_command: 1,
        backlog: VecDeque::new(),
        running: FuturesUnordered::new(),
        issued: BatchId(0),
        stored: BatchId(0),
    };
    let ended = driver.serve(shutdown).await;
    if ended.is_ok() {
        // A store that does not answer in time is reported by whoever closes it.
        let _ = timeout(STOP_PATIENCE, driver.settle()).await;
    } else {
        for (_, reply) in driver.replies.drain() {
            // Whoever asked may be gone.
            let _ = reply.send(Err(ErrorKind::Store));
        }
    }
    driver.net.close().await;
    ended
}

/// What woke the driver.
enum Woken<C> {
    Shutdown,
    Store(Option<StoreEvent>),
    Time,
    Done(JobId, JobOutput),
    Net(Option<NetEvent>),
    Call(Option<C>),
}

type Running = FuturesUnordered<Pin<Box<dyn Future<Output = (JobId, JobOutput)> + Send>>>;

struct Driver<'a, C: Core, S, E> {
    core: C,
    net: NetHandle,
    store: &'a mut S,
    jobs: Arc<dyn Jobs>,
    clock: Arc<dyn Clock>,
    /// `None` once no front end can come any more.
    commands: Option<mpsc::Receiver<Call<C>>>,
    surroundings: E,
    replies: HashMap<CommandId, oneshot::Sender<Result<C::Reply, ErrorKind>>>,
    next_command: u64,
    /// Requests that found no room in the store's queue.
    backlog: VecDeque<StoreRequest>,
    running: Running,
    /// The last batch handed to the store, and the last one it confirmed.
    issued: BatchId,
    stored: BatchId,
}

impl<C: Core, S: StorePort, E: Surroundings<C>> Driver<'_, C, S, E> {
    async fn serve(&mut self, shutdown: impl Future<Output = ()>) -> Result<(), DriverError> {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut timer = std::pin::pin!(sleep(NO_DEADLINE));
        let mut set_for = None;
        self.carry_out()?;
        loop {
            self.set_timer(timer.as_mut(), &mut set_for);
            let ready = self.core.ready();
            let woken = tokio::select! {
                biased;
                () = &mut shutdown => Woken::Shutdown,
                event = poll_fn(|cx| self.store.poll_event(cx)) => Woken::Store(event),
                () = &mut timer => {
                    set_for = None;
                    Woken::Time
                }
                Some((id, output)) = self.running.next() => Woken::Done(id, output),
                event = self.net.recv(), if ready => Woken::Net(event),
                call = next_call(&mut self.commands), if ready => Woken::Call(call),
            };
            let time_looked_at = matches!(woken, Woken::Time);
            match woken {
                Woken::Shutdown => return Ok(()),
                woken => self.take(woken)?,
            }
            self.take_more(time_looked_at)?;
            self.carry_out()?;
        }
    }

    /// Sets the timer for the core's next deadline, if that has changed.
    fn set_timer(&self, timer: Pin<&mut Sleep>, set_for: &mut Option<Option<Mono>>) {
        let deadline = self.core.next_timeout();
        if *set_for == Some(deadline) {
            return;
        }
        *set_for = Some(deadline);
        let wait = deadline.map_or(NO_DEADLINE, |deadline| {
            Duration::from_micros(deadline.0.saturating_sub(self.clock.now().mono.0))
        });
        timer.reset(Instant::now() + wait);
    }

    fn take(&mut self, woken: Woken<Call<C>>) -> Result<(), DriverError> {
        match woken {
            Woken::Shutdown => {}
            Woken::Store(event) => self.on_store(event.unwrap_or(StoreEvent::Failed(StoreFault::Io)))?,
            Woken::Time => self.on_time(),
            Woken::Done(id, output) => self.feed(Input::Done(id, output)),
            Woken::Net(Some(event)) => self.on_net(event),
            Woken::Net(None) => return Err(DriverError::Net),
            Woken::Call(Some(call)) => self.on_call(call),
            Woken::Call(None) => self.commands = None,
        }
        Ok(())
    }

    /// Feeds what else is ready now, up to a turn's bound.
    fn take_more(&mut self, mut time_looked_at: bool) -> Result<(), DriverError> {
        for taken in 1..TURN_INPUTS_MAX {
            if let Some(event) = poll_fn(|cx| self.store.poll_event(cx)).now_or_never() {
                self.take(Woken::Store(event))?;
                continue;
            }
            if !std::mem::replace(&mut time_looked_at, true) {
                self.on_time();
            }
            if !self.core.ready() {
                return Ok(());
            }
            let front_end_first = taken % FRONT_END_SHARE == 0;
            if front_end_first && self.take_call() {
                continue;
            }
            if let Some(event) = self.net.try_recv() {
                self.on_net(event);
                continue;
            }
            if front_end_first || !self.take_call() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn take_call(&mut self) -> bool {
        match self.commands.as_mut().map(mpsc::Receiver::try_recv) {
            Some(Ok(call)) => {
                self.on_call(call);
                true
            }
            _ => false,
        }
    }

    fn feed(&mut self, input: Input<C::Command>) {
        self.core.handle(input, self.clock.now());
    }

    fn on_store(&mut self, event: StoreEvent) -> Result<(), DriverError> {
        match event {
            StoreEvent::Persisted { upto } => {
                self.stored = self.stored.max(upto);
                self.feed(Input::Persisted { upto });
            }
            StoreEvent::Loaded(id, rows) => self.feed(Input::Loaded(id, rows)),
            StoreEvent::Failed(fault) => {
                self.feed(Input::PersistFailed(fault));
                return Err(DriverError::Store(fault));
            }
        }
        while let Some(request) = self.backlog.pop_front() {
            if let Err(back) = self.store.request(request) {
                let request = back.ok_or(DriverError::Store(StoreFault::Io))?;
                self.backlog.push_front(request);
                break;
            }
        }
        Ok(())
    }

    fn on_time(&mut self) {
        let now = self.clock.now();
        // The timer may be a little early, or set for want of a deadline.
        if self.core.next_timeout().is_some_and(|deadline| deadline <= now.mono) {
            self.core.handle(Input::Timeout, now);
        }
    }

    fn on_net(&mut self, event: NetEvent) {
        let input = match event {
            NetEvent::LinkUp(link, info) => Input::LinkUp(link, info),
            NetEvent::LinkDown(link, reason) => Input::LinkDown(link, reason),
            NetEvent::Frame { link, frame } => Input::Frame { link, frame },
            NetEvent::ConnectFailed(target, reason) => Input::ConnectFailed(target, reason),
            NetEvent::Gossip(token, bytes) => match self.surroundings.on_gossip(token, bytes) {
                Some(command) => Input::Command(self.command_id(), command),
                None => return,
            },
            NetEvent::Heard(bytes) => match self.surroundings.on_heard(bytes) {
                Some(command) => Input::Command(self.command_id(), command),
                None => return,
            },
            NetEvent::DialledBack(token, findings) => {
                match self.surroundings.on_dialled_back(token, findings) {
                    Some(command) => Input::Command(self.command_id(), command),
                    None => return,
                }
            }
        };
        self.feed(input);
    }

    fn command_id(&mut self) -> CommandId {
        let id = CommandId(self.next_command);
        self.next_command += 1;
        id
    }

    fn on_call(&mut self, (command, reply): Call<C>) {
        let id = self.command_id();
        self.replies.insert(id, reply);
        self.feed(Input::Command(id, command));
    }

    /// Carries out everything the core has decided.
    fn carry_out(&mut self) -> Result<(), DriverError> {
        while let Some(output) = self.core.poll() {
            match output {
                Output::Persist(batch) => {
                    self.issued = batch.id;
                    self.request(StoreRequest::Persist(batch))?;
                }
                Output::Load(id, range) => self.request(StoreRequest::Load(id, range))?,
                Output::Send { link, frame } => self.net.submit(NetCommand::Send { link, frame }),
                Output::Connect(target) => self.net.submit(NetCommand::Connect(target)),
                Output::Disconnect(link, reason) => {
                    self.net.submit(NetCommand::Disconnect(link, reason));
                }
                Output::Reply(id, result) => {
                    if let Some(reply) = self.replies.remove(&id) {
                        // Whoever asked may be gone.
                        let _ = reply.send(result);
                    }
                }
                Output::Notify(event) => {
                    if let Some(command) = self.surroundings.on_event(event) {
                        self.net.submit(command);
                    }
                }
                Output::Run(id, job) => {
                    let job = self.jobs.run(job);
                    self.running.push(Box::pin(job.map(move |output| (id, output))));
                }
            }
        }
        Ok(())
    }

    fn request(&mut self, request: StoreRequest) -> Result<(), DriverError> {
        if !self.backlog.is_empty() {
            self.backlog.push_back(request);
            return Ok(());
        }
        match self.store.request(request) {
            Ok(()) => Ok(()),
            Err(Some(request)) => {
                self.backlog.push_back(request);
                Ok(())
            }
            Err(None) => Err(DriverError::Store(StoreFault::Io)),
        }
    }

    /// Before a stop: waits until all that was handed to the store is durable and what rested on it has left.
    async fn settle(&mut self) -> Result<(), DriverError> {
        self.carry_out()?;
        while self.stored < self.issued {
            let event = poll_fn(|cx| self.store.poll_event(cx)).await;
            self.on_store(event.unwrap_or(StoreEvent::Failed(StoreFault::Io)))?;
            self.carry_out()?;
        }
        Ok(())
    }
}

async fn next_call<T>(commands: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match commands {
        Some(commands) => commands.recv().await,
        None => std::future::pending().await,
    }
}
