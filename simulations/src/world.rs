//! A world: the network, its running processes, the trace and the oracles of one run.

use crate::det::{NodeId, Rng, Scope, Skew};
use crate::net::{HostId, Net, SimTime};
use crate::oracle::{Alarm, Fact, Oracle, Violation, WireScan, WireSecrets};
use crate::trace::Trace;
use futures::FutureExt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Polls of nodes at one virtual moment: this many for each node, and some more.
const POLLS_PER_NODE: u64 = 20_000;

/// A handle to the world.
#[derive(Clone)]
pub struct World {
    /// The network.
    pub net: Net,
    /// The trace.
    pub trace: Trace,
    /// What must not be seen on the wire.
    pub secrets: WireSecrets,
    alarm: Alarm,
    oracles: Arc<Mutex<Vec<Box<dyn Oracle>>>>,
    seed: u64,
    started: Arc<AtomicU32>,
    sealings: Arc<AtomicU64>,
}

impl World {
    /// An empty world with the standard oracles, for about `nodes` processes. Must be called inside [`crate::det::run`].
    #[must_use]
    pub fn new(seed: u64, nodes: usize) -> Self {
        let net = Net::new(seed);
        let (trace, secrets, alarm) = (Trace::new(), WireSecrets::default(), Alarm::default());
        net.add_tap(Box::new(trace.clone()));
        net.add_tap(Box::new(WireScan::new(secrets.clone(), alarm.clone())));
        crate::det::poll_limit(1_000_000 + POLLS_PER_NODE * nodes as u64);
        tokio::spawn(net.clone().drive());
        let oracles = Arc::new(Mutex::new(crate::oracle::standard()));
        let sealings = Arc::default();
        watch_sealing(&oracles, &alarm, &sealings);
        Self { net, trace, secrets, alarm, oracles, seed, started: Arc::default(), sealings }
    }

    /// The seed.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// A generator for one purpose.
    #[must_use]
    pub fn rng(&self, purpose: &str) -> Rng {
        Rng::fork(self.seed, purpose)
    }

    /// Virtual time.
    #[must_use]
    pub fn now(&self) -> SimTime {
        self.net.now()
    }

    /// Lets virtual time pass.
    pub async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Records what a step of the scenario does.
    pub fn note(&self, what: &str) {
        self.trace.event(self.now(), crate::det::current_node(), what);
    }

    /// Records a fact and lets the oracles judge it.
    pub fn fact(&self, fact: &Fact) {
        self.note(&format!("{fact:?}"));
        self.judge(|oracle| oracle.judge(fact));
    }

    /// Lets the oracles judge the end: everything was repaired and had time enough.
    pub fn finish(&self) {
        self.judge(|oracle| oracle.finish());
    }

    fn judge(&self, mut verdict: impl FnMut(&mut Box<dyn Oracle>) -> Result<(), String>) {
        let now = self.now();
        for oracle in self.oracles.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            if let Err(what) = verdict(oracle) {
                self.alarm.raise(oracle.name(), now, what);
            }
        }
    }

    /// How often anything was sealed by a node.
    #[must_use]
    pub fn sealings(&self) -> u64 {
        self.sealings.load(Ordering::Relaxed)
    }

    /// The alarm that oracles and panics raise.
    #[must_use]
    pub const fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    /// Runs `script` until it ends or something is violated.
    ///
    /// # Errors
    /// The first violation.
    pub async fn watch<T>(&self, script: impl Future<Output = T>) -> Result<T, Violation> {
        tokio::select! {
            biased;
            violation = self.alarm.wait() => Err(violation),
            result = script => match self.alarm.first() {
                Some(violation) => Err(violation),
                None => Ok(result),
            },
        }
    }

    /// Starts a process on `host`, under the clock `skew`.
    #[must_use]
    pub fn start(&self, host: HostId, skew: Skew) -> Process {
        let node = NodeId(self.started.fetch_add(1, Ordering::Relaxed));
        self.net.power_on(host);
        self.note(&format!("process {} starts on host {}", node.0, host.0));
        Process { world: self.clone(), node, host, skew, tasks: Arc::default() }
    }
}

/// Lets the oracles see every sealing of every node; the wire's bytes are in the trace anyway.
fn watch_sealing(oracles: &Arc<Mutex<Vec<Box<dyn Oracle>>>>, alarm: &Alarm, count: &Arc<AtomicU64>) {
    let (oracles, alarm, count) = (Arc::downgrade(oracles), alarm.clone(), count.clone());
    let origin = tokio::time::Instant::now();
    karvon_protocol::crypto::observe::observe(move |seal| {
        let Some(oracles) = oracles.upgrade() else { return };
        count.fetch_add(1, Ordering::Relaxed);
        let fact = Fact::Sealed { key: seal.key, nonce: seal.nonce.to_vec(), sealed: seal.sealed };
        for oracle in oracles.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            if let Err(what) = oracle.judge(&fact) {
                let at = u64::try_from(origin.elapsed().as_nanos()).unwrap_or(SimTime::MAX);
                alarm.raise(oracle.name(), at, what);
            }
        }
    });
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "World(seed {})", self.seed)
    }
}

/// A running process: all its tasks, to be ended together. Clones are the same process.
#[derive(Clone)]
pub struct Process {
    world: World,
    node: NodeId,
    host: HostId,
    skew: Skew,
    tasks: Arc<Mutex<Tasks>>,
}

#[derive(Default)]
struct Tasks {
    running: Vec<JoinHandle<()>>,
    /// Ended tasks are cleared away when there are this many handles.
    sweep_at: usize,
    dead: bool,
}

impl Process {
    /// Its number.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// Its host.
    #[must_use]
    pub const fn host(&self) -> HostId {
        self.host
    }

    /// Its wall clock's error.
    #[must_use]
    pub const fn skew(&self) -> &Skew {
        &self.skew
    }

    /// Runs a task in this process. A panic in it raises the alarm.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let (alarm, net, node) = (self.world.alarm.clone(), self.world.net.clone(), self.node);
        // The scope's own panic, for a node that never rests, must be heard as well.
        let scope = Scope::new(node, self.skew.clone(), Box::pin(task));
        let task = AssertUnwindSafe(scope).catch_unwind().map(move |result| {
            if let Err(panic) = result {
                let words = crate::det::panic_words(panic.as_ref());
                alarm.raise("panic", net.now(), format!("node {} panicked: {words}", node.0));
            }
        });
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if tasks.dead {
            return;
        }
        tasks.running.push(tokio::spawn(task));
        if tasks.running.len() > tasks.sweep_at {
            tasks.running.retain(|task| !task.is_finished());
            tasks.sweep_at = 2 * tasks.running.len() + 16;
        }
    }

    async fn end_tasks(&self) {
        let running = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.dead = true;
            std::mem::take(&mut tasks.running)
        };
        for task in &running {
            task.abort();
        }
        for task in running {
            // Aborted or ended: both are what is wanted.
            let _ = task.await;
        }
    }

    /// Kills the process: its tasks are gone at once, the kernel closes its connections.
    pub async fn kill(&self) {
        self.world.note(&format!("process {} is killed", self.node.0));
        self.end_tasks().await;
    }

    /// Pulls the plug of its host: nobody is told anything.
    pub async fn power_cut(&self) {
        self.world.note(&format!("host {} loses power", self.host.0));
        self.world.net.power_off(self.host);
        self.end_tasks().await;
    }
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Process({} on host {})", self.node.0, self.host.0)
    }
}
