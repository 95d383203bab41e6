//! What the real node is given in a world: the host's transport, its process as spawner, seeded randomness, its disk.

use super::disk::{DiskSpec, SimStore};
use crate::det::Rng;
use crate::transport::SimTransport;
use crate::world::{Process, World};
use karvon_node::clock::SystemClock;
use karvon_node::deps::{Deps, Spawner, Task};
use karvon_node::driver::{Call, Jobs};
use karvon_node::net::Transports;
use karvon_node::store::memory::MemoryDisk;
use karvon_protocol::core::{Core, Job, JobOutput};
use karvon_protocol::error::ErrorKind;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

/// Commands that may wait for a core.
const COMMANDS_MAX: usize = 256;

struct ProcessSpawner(Process);

impl Spawner for ProcessSpawner {
    fn spawn(&self, task: Task) {
        self.0.spawn(task);
    }
}

/// Jobs on other threads do not exist in a world: none of the simulated paths needs one.
pub(super) struct NoJobs;

impl Jobs for NoJobs {
    fn run(&self, _: Job) -> Pin<Box<dyn Future<Output = JobOutput> + Send>> {
        Box::pin(std::future::ready(JobOutput::Failed))
    }
}

/// A process of the real node, over all its restarts inside the process.
pub(super) struct NodeHost {
    pub(super) process: Process,
    pub(super) deps: Deps,
    disk: MemoryDisk,
    spec: DiskSpec,
    seeds: Rng,
}

impl NodeHost {
    /// What a node on `process` starts from; `purpose` keeps its randomness apart from that of others.
    pub(super) fn new(
        world: &World,
        process: Process,
        disk: MemoryDisk,
        spec: DiskSpec,
        purpose: &str,
    ) -> Self {
        let mut seeds = world.rng(&format!("{purpose}, process {}", process.node().0));
        let (net, host) = (world.net.clone(), process.host());
        let make = move || SimTransport::new(net.clone(), host);
        let mut rng_seed = Zeroizing::new([0; 32]);
        seeds.fill(&mut rng_seed[..]);
        let deps = Deps {
            transports: Transports::over(make.clone(), make),
            // Both clocks of the system are the world's here, the wall clock with the error of this device.
            clock: Arc::new(SystemClock::new()),
            rng_seed,
            spawner: Arc::new(ProcessSpawner(process.clone())),
        };
        Self { process, deps, disk, spec, seeds }
    }

    /// The store, opened anew.
    pub(super) fn store(&mut self) -> SimStore {
        let chance = self.chance();
        SimStore::open(&self.disk, self.spec, chance)
    }

    /// A generator for what surrounds a core.
    pub(super) fn chance(&mut self) -> Rng {
        Rng::new(self.seeds.bits())
    }

    /// A generator for a core.
    pub(super) fn rng(&mut self) -> Box<ChaCha20Rng> {
        let mut seed = [0; 32];
        self.seeds.fill(&mut seed);
        Box::new(ChaCha20Rng::from_seed(seed))
    }
}

/// The front end's side of a core; it outlives the core's being built anew.
pub(super) struct Calls<C: Core>(Arc<Mutex<Option<mpsc::Sender<Call<C>>>>>);

impl<C: Core> Clone for Calls<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C: Core> Default for Calls<C> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<C: Core> Calls<C> {
    /// Connects to a core that is being started; returns the core's end.
    pub(super) fn connect(&self) -> mpsc::Receiver<Call<C>> {
        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        commands
    }

    /// Asks the core. `None` if it is not running or ends before it answers.
    pub(super) async fn ask(&self, command: C::Command) -> Option<Result<C::Reply, ErrorKind>> {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let (reply, answer) = oneshot::channel();
        sender.send((command, reply)).await.ok()?;
        answer.await.ok()
    }
}
