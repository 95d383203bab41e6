//! The links of one swarm: which connection carries which, and who is told when one ends.

use super::bounds::Bounds;
use super::{Inner, link};
use crate::deps::Spawner;
use karvon_protocol::core::{LinkId, LinkInfo, Reason, Target};
use libp2p::swarm::ConnectionId;
use libp2p::{PeerId, Stream};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// What all swarms of a node share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) events: mpsc::Sender<Inner>,
    pub(super) counters: Arc<link::Counters>,
    pub(super) bounds: Arc<Bounds>,
    pub(super) spawner: Arc<dyn Spawner>,
    /// Number of the next link; never reused.
    pub(super) next: Arc<AtomicU64>,
}

impl Shared {
    /// Tells the driver. Waits while the driver is behind, which holds back this swarm's events as well.
    pub(super) async fn tell(&self, event: Inner) {
        // Nobody listens any more if the driver has stopped; the swarm learns that from its commands.
        let _ = self.events.send(event).await;
    }

    pub(super) async fn failed(&self, target: Target, reason: Reason) {
        self.tell(Inner::Failed(target, reason)).await;
    }
}

/// One link of a swarm.
pub(super) struct Entry {
    pub(super) peer: PeerId,
    pub(super) port: link::Port,
}

/// The living links of a swarm, by connection.
pub(super) struct Table {
    shared: Shared,
    entries: HashMap<ConnectionId, Entry>,
    ended: mpsc::Sender<ConnectionId>,
    /// Connections whose link has ended: to be closed.
    pub(super) over: mpsc::Receiver<ConnectionId>,
}

impl Table {
    pub(super) fn new(shared: Shared) -> Self {
        let (ended, over) = mpsc::channel(256);
        Self { shared, entries: HashMap::new(), ended, over }
    }

    /// Starts a link over `stream`.
    pub(super) fn start(&mut self, connection: ConnectionId, peer: PeerId, info: LinkInfo, stream: Stream) {
        let id = LinkId(self.shared.next.fetch_add(1, Ordering::Relaxed));
        let port = link::Port::new(self.shared.bounds.clone());
        self.entries.insert(connection, Entry { peer, port: port.clone() });
        let (events, counters) = (self.shared.events.clone(), self.shared.counters.clone());
        let ended = self.ended.clone();
        self.shared.spawner.spawn(Box::pin(async move {
            link::run(id, info, stream, port, events, counters).await;
            // A swarm that is gone has closed its connections already.
            let _ = ended.send(connection).await;
        }));
    }

    /// Ends the link of a connection, if it has one.
    pub(super) fn close(&self, connection: ConnectionId, reason: Reason) {
        if let Some(entry) = self.entries.get(&connection) {
            entry.port.close(reason);
        }
    }

    /// The connection is gone.
    pub(super) fn remove(&mut self, connection: ConnectionId) {
        if let Some(entry) = self.entries.remove(&connection) {
            entry.port.close(Reason::Lost);
        }
    }

    /// Whether a tunnel used the connection's link within the last `span`.
    pub(super) fn used_since(&self, connection: ConnectionId, span: Duration) -> bool {
        let used = self.entries.get(&connection).and_then(|entry| entry.port.used());
        used.is_some_and(|used| used.elapsed() < span)
    }

    /// Connections with a link to `peer`, and whether each link is still wanted.
    pub(super) fn of(&self, peer: &PeerId) -> impl Iterator<Item = (ConnectionId, bool)> {
        self.entries
            .iter()
            .filter(move |(_, entry)| entry.peer == *peer)
            .map(|(connection, entry)| (*connection, entry.port.closed().is_none()))
    }
}
