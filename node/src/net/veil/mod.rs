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
    /// How many carriers are in place at each address.
    carrying: Arc<Mutex<HashMap<SocketAddr, usize>>>,
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
            carrying: Arc::default(),
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

    /// Whether a carrier is in place at another address than this one.
    fn carries_elsewhere(&self, addr: SocketAddr) -> bool {
        locked(&self.carrying).keys().any(|other| *other != addr)
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

/// A carrier is in place at an address while this lives.
struct Carrying(Common, SocketAddr);

impl Carrying {
    fn at(common: &Common, addr: SocketAddr) -> Self {
        *locked(&common.carrying).entry(addr).or_default() += 1;
        Self(common.clone(), addr)
    }
}

impl Drop for Carrying {
    fn drop(&mut self) {
        let mut carrying = locked(&self.0.carrying);
        if let Some(count) = carrying.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                carrying.remove(&self.1);
            }
        }
    }
}

/// Nothing panics while it holds one of these locks; if it did, what they guard would still be whole.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
