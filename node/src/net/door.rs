//! The door swarm: leaves and the relay they dial, links and limits and nothing else (no identify, no ping, no Kademlia).

use super::address::{multiaddr, peer_key, socket};
use super::admission::Admission;
use super::reach::Place;
use super::streams::{self, Streams, WrongRelay};
use super::supervisor::{Exit, Supervised, supervise};
use super::table::{Shared, Table};
use super::veil::{self, Common};
use super::web::{self, Web};
use super::{NetError, Transports, pt};
use futures::StreamExt as _;
use karvon_protocol::core::{LinkInfo, Reason, Target};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::identity::Keypair;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionId, DialError, NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, StreamProtocol, Swarm};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

const PROTOCOL: StreamProtocol = StreamProtocol::new("/karvon/door/0");
/// Dials in their handshake.
const DIALS_MAX: u32 = 128;
/// Connections under one transport key: the one that is used and one that replaces it.
const PER_LEAF_MAX: u32 = 2;
/// A connection without a link is closed after this time.
const IDLE: Duration = Duration::from_secs(10);

/// What the swarm starts from.
pub(super) struct Config {
    pub(super) key: Keypair,
    pub(super) transports: Transports,
    /// What veil's sessions and web doors share.
    pub(super) common: Common,
    pub(super) web: Arc<Web>,
    /// Where a relay listens; a leaf does not.
    pub(super) listen: Option<SocketAddr>,
    /// Where a relay's web door listens.
    pub(super) listen_web: Option<SocketAddr>,
}

impl Config {
    /// What a started swarm listens on; `None` while an address is missing.
    fn listening(&self, heard: &[Multiaddr]) -> Option<Ports> {
        // Of an address that stands for all of the machine only the port is news.
        let of = |web: bool, asked: Option<SocketAddr>| {
            let port = heard.iter().find(|addr| veil::is_web(addr) == web).and_then(socket)?.port();
            Some(SocketAddr::new(asked?.ip(), port))
        };
        let ports = Ports { plain: of(false, self.listen), web: of(true, self.listen_web) };
        let complete = ports.plain.is_some() == self.listen.is_some()
            && ports.web.is_some() == self.listen_web.is_some();
        complete.then_some(ports)
    }
}

/// Where the door swarm listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) plain: Option<SocketAddr>,
    pub(super) web: Option<SocketAddr>,
}

/// What the handle may ask of this swarm.
pub(super) enum Command {
    /// Reach a door; always a [`Target::Door`].
    Dial(Target),
}

/// Told once: where the swarm listens, or why it can not.
pub(super) type Ready = oneshot::Sender<Result<Ports, NetError>>;

#[derive(NetworkBehaviour)]
struct Behaviour {
    limits: connection_limits::Behaviour,
    admission: Admission,
    streams: Streams,
}

/// Runs the swarm until its handle is gone.
pub(super) async fn run(
    config: Config,
    shared: Shared,
    commands: mpsc::Receiver<Command>,
    ready: Option<Ready>,
) {
    supervise("door", Task { config, shared, commands, ready, dials: HashMap::new() }).await;
}

/// What outlives a swarm that is built anew.
struct Task {
    config: Config,
    shared: Shared,
    commands: mpsc::Receiver<Command>,
    ready: Option<Ready>,
    dials: HashMap<ConnectionId, Target>,
}

impl Supervised for Task {
    async fn run(&mut self) -> Exit {
        let Self { config, shared, commands, ready, dials } = self;
        // Dials of a swarm that is gone will not be answered by it.
        for (_, target) in dials.drain() {
            shared.failed(target, Reason::Unreachable).await;
        }
        once(config, shared, commands, ready, dials).await
    }
}

async fn once(
    config: &mut Config,
    shared: &Shared,
    commands: &mut mpsc::Receiver<Command>,
    ready: &mut Option<Ready>,
    dials: &mut HashMap<ConnectionId, Target>,
) -> Exit {
    let swarm = match build(config, shared) {
        Ok(swarm) => swarm,
        Err(error) => return give_up(error, ready),
    };
    let local_key = peer_key(swarm.local_peer_id()).unwrap_or_default();
    let web = config.web.clone();
    let mut door = Door { swarm, table: Table::new(shared.clone()), shared, dials, local_key, web };
    let mut heard = Vec::new();
    loop {
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(Command::Dial(target)) => door.dial(target).await,
                None => return Exit::Stopped,
            },
            Some(connection) = door.table.over.recv() => {
                door.swarm.close_connection(connection);
            }
            event = door.swarm.select_next_some() => match event {
                SwarmEvent::NewListenAddr { address, .. } => {
                    heard.push(address);
                    if let Some(ports) = config.listening(&heard) {
                        // A swarm that is built anew must come back under the announced ports.
                        (config.listen, config.listen_web) = (ports.plain, ports.web);
                        if let Some(ready) = ready.take() {
                            // The starter may have given up waiting.
                            let _ = ready.send(Ok(ports));
                        }
                    }
                }
                SwarmEvent::ListenerClosed { reason, .. } => {
                    let reason = reason.err().map(|error| error.to_string()).unwrap_or_default();
                    let address = config.listen.or(config.listen_web).unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)));
                    return give_up(NetError::Listen(address, reason), ready);
                }
                event => door.on_event(event).await,
            },
        }
    }
}

/// At the start the error goes to the starter, which then drops the handle; later the supervisor tries again.
fn give_up(error: NetError, ready: &mut Option<Ready>) -> Exit {
    match ready.take() {
        Some(ready) => {
            // The starter may have given up waiting.
            let _ = ready.send(Err(error));
            Exit::Stopped
        }
        None => Exit::Broken(error),
    }
}

fn build(config: &Config, shared: &Shared) -> Result<Swarm<Behaviour>, NetError> {
    let transport = config.transports.make_door(&config.key, &config.common, &config.web)?;
    let listens = config.listen.is_some() || config.listen_web.is_some();
    let limits = ConnectionLimits::default().with_max_pending_outgoing(Some(DIALS_MAX));
    // A leaf may hold several doors of one relay at once.
    let limits = if listens { limits.with_max_established_per_peer(Some(PER_LEAF_MAX)) } else { limits };
    let behaviour = Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        admission: Admission::new(shared.bounds.clone()),
        streams: Streams::new(PROTOCOL, listens),
    };
    let spawner = shared.spawner.clone();
    let swarm_config = libp2p::swarm::Config::with_executor(move |task| spawner.spawn(task))
        .with_idle_connection_timeout(IDLE)
        .with_max_negotiating_inbound_streams(2);
    let mut swarm = Swarm::new(transport, behaviour, config.key.public().to_peer_id(), swarm_config);
    let addresses = [(config.listen, multiaddr as fn(_) -> _), (config.listen_web, veil::listening)];
    for (listen, address) in addresses {
        if let Some(listen) = listen {
            swarm.listen_on(address(listen)).map_err(|error| NetError::Listen(listen, error.to_string()))?;
        }
    }
    Ok(swarm)
}

struct Door<'a> {
    swarm: Swarm<Behaviour>,
    table: Table,
    shared: &'a Shared,
    dials: &'a mut HashMap<ConnectionId, Target>,
    local_key: [u8; 32],
    web: Arc<Web>,
}

impl Door<'_> {
    async fn dial(&mut self, target: Target) {
        let Target::Door { relay, addr, key, pt, .. } = &target else {
            return self.shared.failed(target, Reason::Forbidden).await;
        };
        // A program of a transport goes through the proxy by itself.
        if self.web.has_proxy() && !addr.is_web() && pt.is_none() {
            tracing::warn!("a plain door is not dialled past the proxy: use web doors with it");
            return self.shared.failed(target, Reason::Forbidden).await;
        }
        let door = || web::Door { relay: *relay, addr: addr.clone(), key: key.clone(), pt: pt.clone() };
        let address = match pt {
            _ if addr.is_web() => veil::way(&self.web, door()),
            Some(_) => pt::way(&self.web, door()),
            None => multiaddr(addr.socket()),
        };
        let opts = DialOpts::unknown_peer_id().address(address).build();
        let connection = opts.connection_id();
        self.swarm.behaviour_mut().streams.expect(connection, *relay);
        match self.swarm.dial(opts) {
            Ok(()) => {
                self.dials.insert(connection, target);
            }
            Err(_) => self.shared.failed(target, Reason::Unreachable).await,
        }
    }

    async fn fail(&mut self, connection: ConnectionId, reason: Reason) {
        if let Some(target) = self.dials.remove(&connection) {
            self.shared.failed(target, reason).await;
        }
    }

    async fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Streams(event)) => self.on_stream(event).await,
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                let reason = match error {
                    DialError::Denied { cause } if cause.downcast_ref::<WrongRelay>().is_some() => {
                        Reason::WrongPeer
                    }
                    _ => Reason::Unreachable,
                };
                self.fail(connection_id, reason).await;
            }
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } if endpoint.is_listener() => {
                if let Some(key) = peer_key(&peer_id) {
                    self.shared.bounds.dialled_back().came(key, Place::Door);
                }
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                self.table.remove(connection_id);
                self.fail(connection_id, Reason::Unreachable).await;
            }
            _ => {}
        }
    }

    async fn on_stream(&mut self, event: streams::Event) {
        match event {
            streams::Event::Opened { connection, peer, stream } => {
                // Every key here was proved in a Noise handshake and is Ed25519; another kind is not Karvon.
                let Some(remote_key) = peer_key(&peer) else {
                    self.swarm.close_connection(connection);
                    return self.fail(connection, Reason::WrongPeer).await;
                };
                let local_key = self.local_key;
                let info = match self.dials.remove(&connection) {
                    Some(Target::Door { door, relay, pt, .. }) => {
                        if pt.is_some() {
                            self.web.programs.opened(relay);
                        }
                        LinkInfo::Door { door, local_key, remote_key }
                    }
                    _ => {
                        // A leaf that comes back before its old connection is known to be dead.
                        let older: Vec<_> = self.table.of(&peer).collect();
                        for (older, _) in older {
                            self.table.close(older, Reason::Lost);
                            self.swarm.close_connection(older);
                        }
                        LinkInfo::Leaf { local_key, remote_key }
                    }
                };
                self.table.start(connection, peer, info, stream);
            }
            streams::Event::Refused { connection, reason } => {
                self.table.close(connection, reason);
                self.fail(connection, reason).await;
            }
        }
    }
}
