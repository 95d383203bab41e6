//! The network: frames over links on one side, libp2p on the other; nothing else in the node names libp2p (DESIGN N5).
//!
//! A leaf has the door swarm alone, as dialer. A relay has two swarms with different keys: *door* for leaves, *mesh* for relays. Each
//! swarm and each link has its own task; a frame goes from the core task to the link's queue without passing through a swarm.

mod address;
mod admission;
mod bounds;
mod check;
mod counted;
mod door;
mod fetch;
mod handshakes;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod hostile_muxer;
pub(crate) mod lan;
mod link;
mod mesh;
mod noted;
mod pt;
mod reach;
pub mod router;
mod socks;
mod streams;
mod supervisor;
mod table;
mod told;
mod transport;
mod veil;
mod watch;
mod web;

pub use address::public_key;
pub use bounds::{Bounds, NetLimits, Refused};
pub use check::{Begun, DoorFound, Found, Observer};
pub use fetch::fetch_descriptor;
pub use link::{Counters, QUEUE_BYTES_MAX, QUEUE_FRAMES_MAX};
pub use mesh::carrier_key;
pub use pt::{DoorFaults, PtFault, PtOptions};
pub use transport::Transports;
pub use web::{Proxy, Site, WebIdentity, WebOptions, pem_certificates, web_hello};

use crate::deps::Deps;
use karvon_protocol::core::{LinkId, LinkInfo, Reason, Target};
use karvon_protocol::descriptor::{Descriptor, Door, SlotKey};
use karvon_protocol::ids::SlotId;
use karvon_protocol::link::Frame;
use karvon_protocol::reach::{DialSeed, Findings};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

/// Events that may wait for the driver: one turn of it; each link holds one more while it waits for room.
const EVENTS_MAX: usize = 256;
/// Commands that may wait for a swarm; more than there are descriptors a relay may load at start.
const COMMANDS_MAX: usize = 2 * karvon_protocol::limits::DESCRIPTORS_MAX;

/// Why networking could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// A key that is none.
    #[error("a transport key is not valid")]
    Key,
    /// The address can not be listened on.
    #[error("can not listen on {0}: {1}")]
    Listen(SocketAddr, String),
    /// A part of libp2p refused its configuration.
    #[error("the network can not be configured: {0}")]
    Config(String),
}

/// What the driver may ask for.
#[derive(Debug, Clone)]
pub enum NetCommand {
    /// Establish a link; answered by [`NetEvent::LinkUp`] or [`NetEvent::ConnectFailed`].
    Connect(Target),
    /// Send a frame. On a link that is ending it is dropped.
    Send {
        /// The link.
        link: LinkId,
        /// The frame.
        frame: Frame,
    },
    /// End a link; answered by [`NetEvent::LinkDown`] with this reason.
    Disconnect(LinkId, Reason),
    /// Relay: a verified descriptor of another relay, with its signed bytes: the only source of addresses that are dialled.
    Learned(Box<Descriptor>, Vec<u8>),
    /// Relay: a unit to gossip on a shard.
    Gossip(u16, Vec<u8>),
    /// Relay: what is to become of the unit with this token.
    Judged(u64, karvon_protocol::relay::api::Verdict),
    /// Relay: the own descriptor, with its signed bytes: announced now and again from time to time.
    Publish(Box<Descriptor>, Vec<u8>),
    /// Relay: dial a linked relay back; answered by [`NetEvent::DialledBack`] with this token.
    DialBack {
        /// Names the answer.
        token: u64,
        /// What to dial under.
        seed: DialSeed,
        /// Whom to dial.
        descriptor: Box<Descriptor>,
    },
    /// Relay: another relay is about to come under this transport key; [`Bounds::dialled_back`] tells whether it did.
    ExpectDialback([u8; 32]),
    /// Relay: the web door lets the holders of this slot in.
    SlotLives(SlotKey),
    /// Relay: the web door lets them in no more.
    SlotEnded(SlotId),
}

/// What the driver is told.
#[derive(Debug, Clone)]
pub enum NetEvent {
    /// A link is up.
    LinkUp(LinkId, LinkInfo),
    /// A link is down; comes once for each link that was up, after its last frame.
    LinkDown(LinkId, Reason),
    /// A frame came in.
    Frame {
        /// The link.
        link: LinkId,
        /// The frame.
        frame: Frame,
    },
    /// A target could not be reached.
    ConnectFailed(Target, Reason),
    /// Relay: signed descriptor bytes, heard from gossip, Kademlia or a door; to be verified by the core.
    Heard(Vec<u8>),
    /// Relay: a unit came by gossip; answered by [`NetCommand::Judged`] with the same token.
    Gossip(u64, Vec<u8>),
    /// Relay: what came of dialling another one back.
    DialledBack(u64, Findings),
}

/// What swarms and links tell the handle.
enum Inner {
    Up(LinkId, LinkInfo, link::Port),
    Down(LinkId, Reason),
    Frame(LinkId, Frame),
    Failed(Target, Reason),
    Heard(Vec<u8>),
    Gossip(u64, Vec<u8>),
    DialledBack(u64, Findings),
}

/// The driver's end of the network. Dropping it stops everything; [`NetHandle::close`] lets links deliver what is queued first.
pub struct NetHandle {
    events: mpsc::Receiver<Inner>,
    door: mpsc::Sender<door::Command>,
    /// Relays only.
    mesh: Option<mpsc::Sender<mesh::Command>>,
    /// Living links; those that the driver has ended already are `None`.
    links: HashMap<LinkId, Option<link::Port>>,
    /// Events made here.
    local: VecDeque<NetEvent>,
    counters: Arc<Counters>,
    bounds: Arc<Bounds>,
    listening: Option<Listening>,
    web: Arc<web::Web>,
    told: told::Told,
}

/// Where a relay listens: the addresses with the ports that were really taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// For leaves; the web door if it is the only one.
    pub door: SocketAddr,
    /// For leaves that come as visitors of a web site.
    pub web: Option<SocketAddr>,
    /// For relays.
    pub mesh: SocketAddr,
}

impl NetHandle {
    /// The next event; `None` once everything has stopped. May be cancelled without losing an event.
    pub async fn recv(&mut self) -> Option<NetEvent> {
        loop {
            if let Some(event) = self.local.pop_front() {
                return Some(event);
            }
            let inner = self.events.recv().await?;
            if let Some(event) = self.admit(inner) {
                return Some(event);
            }
        }
    }

    /// The next event if there is one now.
    pub fn try_recv(&mut self) -> Option<NetEvent> {
        loop {
            if let Some(event) = self.local.pop_front() {
                return Some(event);
            }
            let inner = self.events.try_recv().ok()?;
            if let Some(event) = self.admit(inner) {
                return Some(event);
            }
        }
    }

    fn admit(&mut self, inner: Inner) -> Option<NetEvent> {
        self.told.on_inner(&inner);
        match inner {
            Inner::Up(link, info, port) => {
                self.links.insert(link, Some(port));
                Some(NetEvent::LinkUp(link, info))
            }
            Inner::Down(link, reason) => {
                self.links.remove(&link);
                Some(NetEvent::LinkDown(link, reason))
            }
            Inner::Frame(link, frame) => {
                // Frames of a link that the driver has ended already are of no use to it.
                let alive = self.links.get(&link).is_some_and(Option::is_some);
                alive.then_some(NetEvent::Frame { link, frame })
            }
            Inner::Failed(target, reason) => Some(NetEvent::ConnectFailed(target, reason)),
            Inner::Heard(bytes) => Some(NetEvent::Heard(bytes)),
            Inner::Gossip(token, bytes) => Some(NetEvent::Gossip(token, bytes)),
            Inner::DialledBack(token, findings) => Some(NetEvent::DialledBack(token, findings)),
        }
    }

    /// Carries out a command; never waits.
    pub fn submit(&mut self, command: NetCommand) {
        self.told.on_command(&command);
        match command {
            NetCommand::Send { link, frame } => {
                if let Some(Some(port)) = self.links.get(&link) {
                    port.push(frame);
                }
            }
            NetCommand::Disconnect(link, reason) => {
                if let Some(port) = self.links.get_mut(&link).and_then(Option::take) {
                    port.close(reason);
                }
            }
            NetCommand::Connect(target @ Target::Door { .. }) => {
                if self.door.try_send(door::Command::Dial(target.clone())).is_err() {
                    self.local.push_back(NetEvent::ConnectFailed(target, Reason::Unreachable));
                }
            }
            NetCommand::Connect(Target::Relay(relay)) => {
                let reason = match &self.mesh {
                    Some(mesh) if mesh.try_send(mesh::Command::Dial(relay)).is_ok() => return,
                    Some(_) => Reason::Unreachable,
                    None => Reason::Forbidden,
                };
                self.local.push_back(NetEvent::ConnectFailed(Target::Relay(relay), reason));
            }
            NetCommand::Learned(descriptor, bytes) => {
                self.tell_mesh(mesh::Command::Learned(descriptor, bytes));
            }
            NetCommand::Gossip(shard, bytes) => self.tell_mesh(mesh::Command::Gossip(shard, bytes)),
            NetCommand::Judged(token, verdict) => self.tell_mesh(mesh::Command::Judged(token, verdict)),
            NetCommand::Publish(descriptor, bytes) => {
                self.tell_mesh(mesh::Command::Publish(descriptor, bytes));
            }
            NetCommand::DialBack { token, seed, descriptor } => {
                self.tell_mesh(mesh::Command::DialBack(token, seed, descriptor));
            }
            NetCommand::ExpectDialback(key) => self.tell_mesh(mesh::Command::Expect(key)),
            NetCommand::SlotLives(key) => self.web.open_slot(key),
            NetCommand::SlotEnded(slot) => self.web.end_slot(slot),
        }
    }

    fn tell_mesh(&self, command: mesh::Command) {
        if let Some(mesh) = &self.mesh
            && mesh.try_send(command).is_err()
        {
            tracing::warn!("the mesh swarm is stuck: a command was not passed on to it");
        }
    }

    /// Bytes over links.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// What counts the bytes of all sockets.
    #[must_use]
    pub fn bounds(&self) -> Arc<Bounds> {
        self.bounds.clone()
    }

    /// What tells how the doors do while the network runs.
    #[must_use]
    pub fn observer(&self) -> Observer {
        self.told.observer(self.web.has_proxy())
    }

    /// Why doors behind pluggable transports do not open.
    #[must_use]
    pub fn door_faults(&self) -> Arc<DoorFaults> {
        self.web.programs.faults()
    }

    /// Where a relay listens; `None` for a leaf.
    #[must_use]
    pub fn listening(&self) -> Option<Listening> {
        self.listening
    }

    /// Ends all links, lets them deliver what is queued (about a second at most), and stops.
    pub async fn close(mut self) {
        for port in self.links.values().flatten() {
            port.close(Reason::Shutdown);
        }
        while !self.links.is_empty() {
            match self.events.recv().await {
                Some(Inner::Down(link, _)) => {
                    self.links.remove(&link);
                }
                Some(Inner::Up(_, _, port)) => port.close(Reason::Shutdown),
                Some(_) => {}
                None => return,
            }
        }
    }
}

impl std::fmt::Debug for NetHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NetHandle({} links)", self.links.len())
    }
}

fn shared(deps: &Deps, bounds: Arc<Bounds>) -> (table::Shared, mpsc::Receiver<Inner>) {
    let (events, heard) = mpsc::channel(EVENTS_MAX);
    let shared = table::Shared {
        events,
        counters: Arc::default(),
        bounds,
        spawner: deps.spawner.clone(),
        next: Arc::new(AtomicU64::new(1)),
    };
    (shared, heard)
}

/// Starts the network of a person: it dials doors and nothing else, under a key that is fresh for this start.
///
/// # Errors
/// [`NetError`]; does not occur with sound transports.
pub fn start_leaf(deps: &Deps) -> Result<NetHandle, NetError> {
    leaf(deps, &deps.seed("leaf transport key"))
}

fn leaf(deps: &Deps, key_seed: &[u8; 32]) -> Result<NetHandle, NetError> {
    let (shared, events) = shared(deps, Arc::new(Bounds::leaf()));
    let (door, commands) = mpsc::channel(COMMANDS_MAX);
    let (counters, bounds) = (shared.counters.clone(), shared.bounds.clone());
    let web = deps.transports.web();
    let common = veil::Common::new(deps, shared.bounds.clone());
    let told = told::Told::new(common.clone(), deps.transports.are_tcp());
    let config = door::Config {
        key: address::keypair(key_seed)?,
        transports: deps.transports.clone(),
        common,
        web: web.clone(),
        listen: None,
        listen_web: None,
    };
    deps.spawner.spawn(Box::pin(door::run(config, shared, commands, None)));
    Ok(NetHandle {
        events,
        door,
        mesh: None,
        links: HashMap::new(),
        local: VecDeque::new(),
        counters,
        bounds,
        listening: None,
        web,
        told,
    })
}

/// What a relay's network starts from.
#[derive(Clone)]
pub struct RelayOptions {
    /// Seed of the static key (Ed25519): transport key of the door swarm.
    pub static_seed: Zeroizing<[u8; 32]>,
    /// Seed of the transport key of the mesh swarm (Ed25519).
    pub mesh_seed: Zeroizing<[u8; 32]>,
    /// Where to listen for leaves; port 0 takes any.
    pub door: SocketAddr,
    /// Where to listen for relays; port 0 takes any.
    pub mesh: SocketAddr,
    /// Dial and announce relays at private addresses as well (tests, closed networks).
    pub allow_private: bool,
    /// Doors of relays whose mesh to join; each is asked for its descriptor and then dialled before others.
    pub peers: Vec<Door>,
}

impl std::fmt::Debug for RelayOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RelayOptions({} peers)", self.peers.len())
    }
}

/// Starts the network of a relay: the door swarm for leaves and the mesh swarm for relays. Both listen when this returns.
///
/// # Errors
/// [`NetError`] if a key is no key or an address can not be listened on.
pub async fn start_relay(deps: &Deps, options: RelayOptions) -> Result<NetHandle, NetError> {
    start_relay_within(deps, options, Arc::new(Bounds::new(NetLimits::relay()))).await
}

/// [`start_relay`] with bounds that the caller watches and changes.
///
/// # Errors
/// As [`start_relay`].
pub async fn start_relay_within(
    deps: &Deps,
    options: RelayOptions,
    bounds: Arc<Bounds>,
) -> Result<NetHandle, NetError> {
    let (shared, events) = shared(deps, bounds);
    let (counters, bounds) = (shared.counters.clone(), shared.bounds.clone());
    let stopped = || NetError::Config("the network stopped while it started".to_owned());
    let (door, commands) = mpsc::channel(COMMANDS_MAX);
    let (ready, door_ready) = oneshot::channel();
    let web = deps.transports.web();
    let common = veil::Common::new(deps, shared.bounds.clone());
    let told = told::Told::new(common.clone(), deps.transports.are_tcp());
    let config = door::Config {
        key: address::keypair(&options.static_seed)?,
        transports: deps.transports.clone(),
        common,
        listen: (!web.is_only()).then_some(options.door),
        listen_web: web.listen(),
        web: web.clone(),
    };
    deps.spawner.spawn(Box::pin(door::run(config, shared.clone(), commands, Some(ready))));
    let (mesh, commands) = mpsc::channel(COMMANDS_MAX);
    let (ready, mesh_ready) = oneshot::channel();
    let config = mesh::Config {
        key: address::keypair(&options.mesh_seed)?,
        transports: deps.transports.clone(),
        clock: deps.clock.clone(),
        listen: options.mesh,
        allow_private: options.allow_private,
        named: options.peers.iter().map(|door| door.relay).collect(),
        common: veil::Common::new(deps, shared.bounds.clone()),
        seed: *deps.seed("mesh"),
    };
    deps.spawner.spawn(Box::pin(mesh::run(config, shared.clone(), commands, ready)));
    let ports = door_ready.await.map_err(|_| stopped())??;
    let door_addr = ports.plain.or(ports.web).ok_or_else(stopped)?;
    let mesh_addr = mesh_ready.await.map_err(|_| stopped())??;
    for (number, peer) in options.peers.into_iter().enumerate() {
        deps.spawner.spawn(Box::pin(fetch::follow(deps.clone(), number, peer, shared.events.clone())));
    }
    Ok(NetHandle {
        events,
        door,
        mesh: Some(mesh),
        links: HashMap::new(),
        local: VecDeque::new(),
        counters,
        bounds,
        listening: Some(Listening { door: door_addr, web: ports.web, mesh: mesh_addr }),
        web,
        told,
    })
}
