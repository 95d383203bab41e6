//! The mesh swarm of a relay: links to other relays, and how relays learn of each other (Kademlia and gossip).

mod adverts;
mod behaviour;
mod book;
mod carriers;
mod dialback;
mod directory;
mod errands;
mod keeper;
mod records;
mod shards;
mod swarm;

use super::supervisor::{Exit, Supervised, supervise};
use super::table::Shared;
use super::veil::Common;
use super::{NetError, Transports};
use crate::clock::Clock;
use book::Book;
pub use carriers::carrier_key;
use karvon_protocol::core::{Reason, Target};
use karvon_protocol::descriptor::Descriptor;
use karvon_protocol::ids::RelayId;
use karvon_protocol::reach::DialSeed;
use keeper::Keeper;
use libp2p::PeerId;
use libp2p::identity::Keypair;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// What the swarm starts from.
pub(super) struct Config {
    pub(super) key: Keypair,
    pub(super) transports: Transports,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) listen: SocketAddr,
    pub(super) allow_private: bool,
    /// Relays that the operator named: dialled first, and one of them kept connected.
    pub(super) named: HashSet<RelayId>,
    pub(super) seed: [u8; 32],
    /// What the transport of doors needs, with which others are dialled back.
    pub(super) common: Common,
}

/// What the handle may ask of this swarm.
pub(super) enum Command {
    /// Reach a relay.
    Dial(RelayId),
    /// A verified descriptor of another relay.
    Learned(Box<Descriptor>, Vec<u8>),
    /// A unit to gossip on a shard.
    Gossip(u16, Vec<u8>),
    /// What is to become of a unit that came.
    Judged(u64, karvon_protocol::relay::api::Verdict),
    /// The own descriptor.
    Publish(Box<Descriptor>, Vec<u8>),
    /// Dial a relay back, under the key with this seed.
    DialBack(u64, DialSeed, Box<Descriptor>),
    /// Who comes under this key was asked to.
    Expect([u8; 32]),
}

/// Told once: where the swarm listens, or why it can not.
pub(super) type Ready = oneshot::Sender<Result<SocketAddr, NetError>>;

/// Runs the swarm until its handle is gone.
pub(super) async fn run(config: Config, shared: Shared, commands: mpsc::Receiver<Command>, ready: Ready) {
    let keeper = Keeper::new(config.named.clone(), &config.seed);
    let state = State {
        book: Book::default(),
        keeper,
        own: None,
        asked: HashMap::new(),
        dialled_back: HashMap::new(),
    };
    supervise("mesh", Task { config, shared, commands, ready: Some(ready), state }).await;
}

/// What this relay says of itself.
struct Own {
    relay: RelayId,
    seq: u64,
    listed: bool,
    bytes: Vec<u8>,
}

/// What outlives a swarm that is built anew.
struct State {
    book: Book,
    keeper: Keeper,
    own: Option<Own>,
    /// Relays the driver waits for, and whom to expect.
    asked: HashMap<RelayId, PeerId>,
    /// Addresses dialled back lately; the core lets one wait for the other, so there are few.
    dialled_back: HashMap<IpAddr, Instant>,
}

struct Task {
    config: Config,
    shared: Shared,
    commands: mpsc::Receiver<Command>,
    ready: Option<Ready>,
    state: State,
}

impl Supervised for Task {
    async fn run(&mut self) -> Exit {
        let Self { config, shared, commands, ready, state } = self;
        // Dials of a swarm that is gone will not be answered by it.
        for (relay, _) in state.asked.drain() {
            shared.failed(Target::Relay(relay), Reason::Unreachable).await;
        }
        // Boxed because the loop's state is large and supervisors nest it.
        Box::pin(swarm::run(config, shared, commands, ready, state)).await
    }
}
