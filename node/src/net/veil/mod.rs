//! Veil in the node: sessions of the core's veil over real carriers, handed to libp2p as one transport (DESIGN N1).

mod carrier;
mod dialler;
mod listener;
mod stream;
mod transport;

pub(super) use carrier::{Carrier, Dial, DialFault, Io};
pub(super) use dialler::DIAL_TIMEOUT;
pub(super) use listener::Hall;
pub(super) use stream::VeilStream;
pub(super) use transport::{Entries, Veil, is_web, listening, way};

use super::bounds::Bounds;
use super::watch::Watch;
use crate::clock::Clock;
use crate::deps::{Deps, Spawner};
use karvon_protocol::core::Mono;
use karvon_protocol::veil::pacer::Pacer;
use rand_core::{Rng as _, SeedableRng as _};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the relay may send on one carrier until the path has shown that it carries more (DESIGN N3).
const ALLOWANCE_BYTES: u32 = 10_240;
/// Least that is asked for: a handshake and some frames must fit.
const ALLOWANCE_MIN_BYTES: u32 = 5_120;
/// What is asked for more after a carrier that did not freeze, up to [`ALLOWANCE_BYTES`].
const ALLOWANCE_STEP_BYTES: u32 = 512;

/// What all sessions of one network share.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) spawner: Arc<dyn Spawner>,
    /// What a relay's web door must keep to.
    pub(super) bounds: Arc<Bounds>,
    /// What dials of doors have met.
    pub(super) watch: Watch,
    rng: Arc<Mutex<rand_chacha::ChaCha20Rng>>,
    pacers: Arc<Mutex<HashMap<SocketAddr, Arc<Mutex<Pacer>>>>>,
}

/// Doors whose dials are remembered; more than a person has.
const PACERS_MAX: usize = 64;

impl Common {
    pub(super) fn new(deps: &Deps, bounds: Arc<Bounds>) -> Self {
        let rng = rand_chacha::ChaCha20Rng::from_seed(*deps.seed("veil"));
        Self {
            clock: deps.clock.clone(),
            spawner: deps.spawner.clone(),
            bounds,
            watch: Watch::default(),
            rng: Arc::new(Mutex::new(rng)),
            pacers: Arc::default(),
        }
    }

    pub(super) fn now(&self) -> Mono {
        self.clock.now().mono
    }

    /// Time until `at`.
    pub(super) fn until(&self, at: Mono) -> Duration {
        Duration::from_micros(at.0.saturating_sub(self.now().0))
    }

    pub(super) fn fill(&self, bytes: &mut [u8]) {
        locked(&self.rng).fill_bytes(bytes);
    }

    /// Whether dials to this address are being saved.
    pub(super) fn is_saving(&self, addr: SocketAddr) -> bool {
        let pacer = locked(&self.pacers).get(&addr).cloned();
        pacer.is_some_and(|pacer| locked(&pacer).is_suspicious(self.now()))
    }

    fn chance(&self) -> u32 {
        locked(&self.rng).next_u32()
    }

    /// The dials to one address; they outlive the sessions there.
    fn pacer(&self, addr: SocketAddr) -> Arc<Mutex<Pacer>> {
        let mut pacers = locked(&self.pacers);
        if pacers.len() >= PACERS_MAX && !pacers.contains_key(&addr) {
            pacers.retain(|_, pacer| Arc::strong_count(pacer) > 1);
        }
        pacers.entry(addr).or_default().clone()
    }
}

/// Nothing panics while it holds one of these locks; if it did, what they guard would still be whole.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
