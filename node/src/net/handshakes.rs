//! Handshakes under way, each of which can be told to give way to another one while nobody above the transport knows of it yet.

use futures::task::AtomicWaker;
use libp2p::Multiaddr;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

const UNDER_WAY: u8 = 0;
const GIVEN_UP: u8 = 1;
const DONE: u8 = 2;

/// What the two ends of one handshake share: who admitted it, and its stream.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    state: AtomicU8,
    stream: AtomicWaker,
}

impl Handshake {
    /// Ends it: its stream fails from now on.
    pub(super) fn give_up(&self) {
        self.state.store(GIVEN_UP, Ordering::SeqCst);
        self.stream.wake();
    }

    /// It succeeded, and is not to be given up any more.
    pub(super) fn done(&self) {
        self.state.store(DONE, Ordering::SeqCst);
    }

    /// Fails once it was given up; wakes `cx` if that happens later.
    pub(super) fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        if self.state.load(Ordering::SeqCst) == UNDER_WAY {
            self.stream.register(cx.waker());
        }
        match self.state.load(Ordering::SeqCst) {
            GIVEN_UP => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "it gave way to another one")),
            _ => Ok(()),
        }
    }
}

/// The two addresses of a connection.
type Pair = (Multiaddr, Multiaddr);

/// Handshakes that were admitted and whose streams do not know of it yet.
#[derive(Debug, Default)]
pub(super) struct Handshakes(Mutex<HashMap<Pair, Arc<Handshake>>>);

impl Handshakes {
    fn lock(&self) -> MutexGuard<'_, HashMap<Pair, Arc<Handshake>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection from `remote` to `local` was admitted.
    pub(super) fn begin(&self, local: &Multiaddr, remote: &Multiaddr) -> Arc<Handshake> {
        let handshake = Arc::new(Handshake::default());
        self.lock().insert((local.clone(), remote.clone()), handshake.clone());
        handshake
    }

    /// The stream of that connection asks for its handshake.
    pub(super) fn take(&self, local: &Multiaddr, remote: &Multiaddr) -> Option<Arc<Handshake>> {
        self.lock().remove(&(local.clone(), remote.clone()))
    }

    /// The connection is gone; its stream may never have asked.
    pub(super) fn forget(&self, handshake: &Arc<Handshake>) {
        if Arc::strong_count(handshake) > 1 {
            self.lock().retain(|_, other| !Arc::ptr_eq(other, handshake));
        }
    }
}
