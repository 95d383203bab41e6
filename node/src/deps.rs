//! What the node's networking is given from outside: transports, time, randomness, and a way to start tasks (DESIGN §3, M1).

use crate::clock::{Clock, SystemClock};
use crate::net::Transports;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A task without a result.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts tasks; the simulator runs them inside the scope of their node.
pub trait Spawner: Send + Sync {
    /// Runs `task` until it ends. Must be called inside the runtime.
    fn spawn(&self, task: Task);
}

/// Starts tasks on the current tokio runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioSpawner;

impl Spawner for TokioSpawner {
    fn spawn(&self, task: Task) {
        tokio::spawn(task);
    }
}

/// What networking needs from outside.
#[derive(Clone)]
pub struct Deps {
    /// How bytes travel.
    pub transports: Transports,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Root of all randomness that networking draws by itself; fresh for each start of the program.
    pub rng_seed: Zeroizing<[u8; 32]>,
    /// Starts tasks.
    pub spawner: Arc<dyn Spawner>,
}

impl Deps {
    /// TCP, the system's clocks and the current tokio runtime.
    #[must_use]
    pub fn system(rng_seed: Zeroizing<[u8; 32]>) -> Self {
        Self {
            transports: Transports::tcp(),
            clock: Arc::new(SystemClock::new()),
            rng_seed,
            spawner: Arc::new(TokioSpawner),
        }
    }

    /// A seed for one use; other labels give independent ones.
    pub(crate) fn seed(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let mut hasher = blake3::Hasher::new_derive_key("karvon/node/seed");
        hasher.update(&self.rng_seed[..]).update(label.as_bytes());
        Zeroizing::new(*hasher.finalize().as_bytes())
    }
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deps(..)")
    }
}
