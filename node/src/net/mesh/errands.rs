//! Bounds the dials that Kademlia makes by itself: without that, one lookup connects a newcomer with half of the mesh.

use libp2p::PeerId;
use libp2p::core::{Endpoint, Multiaddr, transport::PortUse};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
    ToSwarm, dummy,
};
use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// Dials of its own that Kademlia may make at once, and how long it waits for one more.
const BURST: u32 = 8;
const REFILL: Duration = Duration::from_secs(15);

/// Longer than a question of Kademlia's may take.
const QUIET: Duration = Duration::from_secs(25);

/// Kademlia has dialled enough; whoever is connected can answer as well.
#[derive(Debug, thiserror::Error)]
#[error("enough dials for now")]
struct Enough;

/// See the module.
pub(super) struct Errands {
    /// The dial of the connection keeper, which has bounds of its own, that is about to be made.
    expected: Option<ConnectionId>,
    /// There are as many connections as are held.
    full: bool,
    /// This relay is unlisted: strangers that Kademlia dials would learn of it.
    hidden: bool,
    /// Until then Kademlia asks those that are connected.
    quiet_until: Instant,
    left: u32,
    filled: Instant,
}

impl Errands {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { expected: None, full: false, hidden: false, quiet_until: now, left: BURST, filled: now }
    }

    /// The next dial is this one, which the keeper decided.
    pub(super) fn expect(&mut self, connection: ConnectionId) {
        self.expected = Some(connection);
    }

    /// Whether there are as many connections as are held: Kademlia then asks those.
    pub(super) fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    /// Whether Kademlia may dial nobody at all.
    pub(super) fn set_hidden(&mut self, hidden: bool) {
        self.hidden = hidden;
    }

    /// What Kademlia is about to be asked is not worth a dial.
    pub(super) fn keep_quiet(&mut self) {
        self.quiet_until = Instant::now() + QUIET;
    }

    fn take(&mut self, now: Instant) -> bool {
        if self.full || self.hidden || now < self.quiet_until {
            return false;
        }
        let refills = now.duration_since(self.filled).as_millis() / REFILL.as_millis();
        if refills > 0 {
            let refills = u32::try_from(refills).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(refills).min(BURST);
            self.filled = now;
        }
        let some = self.left > 0;
        self.left = self.left.saturating_sub(1);
        some
    }
}

impl NetworkBehaviour for Errands {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        _: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if self.expected.take() == Some(connection) || self.take(Instant::now()) {
            Ok(Vec::new())
        } else {
            Err(ConnectionDenied::new(Enough))
        }
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn kademlia_dials_a_few_at_once_and_then_one_now_and_then_while_the_keeper_dials_freely() {
        let mut errands = Errands::new();
        let dials = |errands: &mut Errands, expected: bool| {
            (0..50_usize)
                .filter(|number| {
                    let connection = ConnectionId::new_unchecked(*number);
                    if expected {
                        errands.expect(connection);
                    }
                    let asked =
                        errands.handle_pending_outbound_connection(connection, None, &[], Endpoint::Dialer);
                    asked.is_ok()
                })
                .count()
        };
        assert_eq!(dials(&mut errands, false), BURST as usize);
        assert_eq!(dials(&mut errands, true), 50);
        errands.filled -= REFILL * 2;
        assert_eq!(dials(&mut errands, false), 2);
        errands.filled -= REFILL * 2;
        errands.keep_quiet();
        assert_eq!((dials(&mut errands, false), dials(&mut errands, true)), (0, 50));
        errands.quiet_until -= QUIET;
        assert_eq!(dials(&mut errands, false), 2);
        errands.filled -= REFILL * 2;
        errands.set_hidden(true);
        assert_eq!((dials(&mut errands, false), dials(&mut errands, true)), (0, 50));
        errands.set_hidden(false);
        errands.set_full(true);
        assert_eq!(dials(&mut errands, false), 0);
        assert_eq!(dials(&mut errands, true), 50);
    }
}
