//! The libp2p behaviour under links: exactly one stream per connection, opened by the dialer, known by its connection.
//!
//! `libp2p-stream` was not used: it drops inbound streams when its queue is full, dials by itself, picks among duplicate connections
//! at random, and keeps an entry for each connection that ever was.

use super::address::peer_key;
use karvon_protocol::core::Reason;
use karvon_protocol::ids::RelayId;
use libp2p::core::upgrade::UpgradeInfo;
use libp2p::core::{Endpoint, transport::PortUse};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, StreamUpgradeError, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent,
    ToSwarm,
};
use libp2p::{InboundUpgrade, Multiaddr, OutboundUpgrade, PeerId, Stream, StreamProtocol};
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;

/// Time for the other side to accept the stream.
const NEGOTIATION_TIMEOUT: Duration = Duration::from_secs(10);

/// What became of a connection's stream.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // One for each connection, and almost all are the large one.
pub(super) enum Event {
    /// The stream is open.
    Opened { connection: ConnectionId, peer: PeerId, stream: Stream },
    /// The other side did not accept the stream, or opened a second one; the connection is being closed.
    Refused { connection: ConnectionId, reason: Reason },
}

/// The remote's key is not that of the relay expected at the address.
#[derive(Debug, thiserror::Error)]
#[error("another relay answers at this address")]
pub(super) struct WrongRelay;

/// One stream per connection; see the module.
pub(super) struct Streams {
    protocol: StreamProtocol,
    /// Whether connections from outside may open a stream.
    accepts: bool,
    /// Dials without a known peer: which relay must answer.
    expected: HashMap<ConnectionId, RelayId>,
    queue: VecDeque<ToSwarm<Event, Infallible>>,
}

impl Streams {
    pub(super) fn new(protocol: StreamProtocol, accepts: bool) -> Self {
        Self { protocol, accepts, expected: HashMap::new(), queue: VecDeque::new() }
    }

    /// The peer that answers the dial `connection` must own the key of `relay`; otherwise no stream is opened.
    pub(super) fn expect(&mut self, connection: ConnectionId, relay: RelayId) {
        self.expected.insert(connection, relay);
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(self.accepts.then(|| self.protocol.clone()), None))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if let Some(relay) = self.expected.remove(&connection)
            && peer_key(&peer).is_none_or(|key| RelayId::of(&key) != relay)
        {
            return Err(ConnectionDenied::new(WrongRelay));
        }
        Ok(Handler::new(None, Some(self.protocol.clone())))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::DialFailure(failure) = event {
            self.expected.remove(&failure.connection_id);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            Opened::Stream(stream) => {
                self.queue.push_back(ToSwarm::GenerateEvent(Event::Opened { connection, peer, stream }));
            }
            Opened::Failed(reason) => {
                self.queue.push_back(ToSwarm::GenerateEvent(Event::Refused { connection, reason }));
                self.queue.push_back(ToSwarm::CloseConnection {
                    peer_id: peer,
                    connection: CloseConnection::One(connection),
                });
            }
        }
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.queue.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// What a handler tells the behaviour.
#[derive(Debug)]
pub(super) enum Opened {
    Stream(Stream),
    Failed(Reason),
}

/// The side of one connection.
pub(super) struct Handler {
    accept: Option<StreamProtocol>,
    open: Option<StreamProtocol>,
    /// A stream came in already.
    accepted: bool,
    queue: VecDeque<Opened>,
}

impl Handler {
    fn new(accept: Option<StreamProtocol>, open: Option<StreamProtocol>) -> Self {
        Self { accept, open, accepted: false, queue: VecDeque::new() }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Opened;
    type InboundProtocol = Offer;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(Offer(self.accept.clone()), ()).with_timeout(NEGOTIATION_TIMEOUT)
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Self::ToBehaviour>> {
        if let Some(event) = self.queue.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
        }
        match self.open.take() {
            Some(protocol) => Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(Offer(Some(protocol)), ()).with_timeout(NEGOTIATION_TIMEOUT),
            }),
            None => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        match event {}
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: stream, .. }) => {
                let opened = if std::mem::replace(&mut self.accepted, true) {
                    Opened::Failed(Reason::Protocol)
                } else {
                    Opened::Stream(stream)
                };
                self.queue.push_back(opened);
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream, ..
            }) => self.queue.push_back(Opened::Stream(stream)),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                self.queue.push_back(Opened::Failed(match error {
                    // The protocol name carries the version of the network.
                    StreamUpgradeError::NegotiationFailed => Reason::Version,
                    StreamUpgradeError::Timeout
                    | StreamUpgradeError::Apply(_)
                    | StreamUpgradeError::Io(_) => Reason::Unreachable,
                }));
            }
            _ => {}
        }
    }
}

/// The protocol that is offered or asked for, if any; the stream is handed over as it is.
pub(super) struct Offer(Option<StreamProtocol>);

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = std::option::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}
