//! The loop of the mesh swarm: turns what libp2p reports into links, heard descriptors and dials.

use super::adverts::Budget;
use super::behaviour::{self, Behaviour, BehaviourEvent, KAD_PROTOCOL};
use super::keeper::{ENOUGH, HELD_MAX, Held, TRIM_AGE, TRIMS_AT_ONCE, newer_stays};
use super::records::record;
use super::{Command, Config, Ready, State};
use crate::net::address::{multiaddr, peer_key, socket};
use crate::net::reach::Place;
use crate::net::supervisor::Exit;
use crate::net::table::{Shared, Table};
use crate::net::{NetError, streams};
use futures::StreamExt as _;
use karvon_protocol::core::{LinkInfo, Reason, Target};
use karvon_protocol::ids::RelayId;
use libp2p::kad::{QueryId, store::RecordStore as _};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{PeerId, Swarm, identify, ping};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How often dialling and trimming are looked at.
const TICK: Duration = Duration::from_secs(5);
/// After news the look comes sooner, so that several pieces of news make one look.
const TICK_SOON: Duration = Duration::from_millis(10);
/// How often the own descriptor is announced again.
const ANNOUNCE: Duration = Duration::from_secs(3_600);

/// One connection.
pub(super) struct Connection {
    id: ConnectionId,
    /// Where the other side is.
    pub(super) remote: Option<IpAddr>,
    dialled: bool,
    since: Instant,
    /// A link was started over it.
    linked: bool,
    /// Another connection to the same relay stays instead.
    pub(super) superfluous: bool,
}

/// The swarm and what its loop knows.
pub(super) struct Mesh<'a> {
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) table: Table,
    pub(super) shared: &'a Shared,
    pub(super) config: &'a Config,
    pub(super) state: &'a mut State,
    pub(super) connections: HashMap<PeerId, Vec<Connection>>,
    pub(super) dials: HashMap<ConnectionId, (PeerId, RelayId)>,
    pub(super) lookups: HashSet<QueryId>,
    /// Connected relays that speak our Kademlia.
    pub(super) speaks_kad: HashSet<PeerId>,
    pub(super) budgets: HashMap<PeerId, Budget>,
    pub(super) units: super::shards::Units,
    pub(super) carriers: super::carriers::Carriers,
    pub(super) next_tick: Instant,
    pub(super) next_announcement: Instant,
}

pub(super) async fn run(
    config: &mut Config,
    shared: &Shared,
    commands: &mut mpsc::Receiver<Command>,
    ready: &mut Option<Ready>,
    state: &mut State,
) -> Exit {
    let built = behaviour::build(&config.key, &config.transports, state.book.clone(), shared);
    let listening = built.and_then(|mut swarm| {
        let error = |error: &dyn std::fmt::Display| NetError::Listen(config.listen, error.to_string());
        swarm.listen_on(multiaddr(config.listen)).map_err(|reason| error(&reason))?;
        Ok(swarm)
    });
    let mut swarm = match listening {
        Ok(swarm) => swarm,
        Err(error) => return give_up(error, ready),
    };
    // The port must be known before anything else happens: a swarm that is built anew comes back under the announced one.
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { address, .. } => {
                if let Some(address) = socket(&address) {
                    // Of an address that stands for all of the machine only the port is news.
                    config.listen.set_port(address.port());
                    break;
                }
            }
            SwarmEvent::ListenerClosed { reason, .. } => {
                let reason = reason.err().map(|error| error.to_string()).unwrap_or_default();
                return give_up(NetError::Listen(config.listen, reason), ready);
            }
            _ => {}
        }
    }
    if let Some(ready) = ready.take() {
        // The starter may have given up waiting.
        let _ = ready.send(Ok(config.listen));
    }
    let now = Instant::now();
    let mut mesh = Mesh {
        swarm,
        table: Table::new(shared.clone()),
        shared,
        config,
        state,
        connections: HashMap::new(),
        dials: HashMap::new(),
        lookups: HashSet::new(),
        speaks_kad: HashSet::new(),
        budgets: HashMap::new(),
        units: super::shards::Units::default(),
        carriers: super::carriers::Carriers::new(now),
        next_tick: now + TICK,
        next_announcement: now + ANNOUNCE,
    };
    mesh.restore();
    mesh.run(commands).await
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

impl Mesh<'_> {
    async fn run(mut self, commands: &mut mpsc::Receiver<Command>) -> Exit {
        loop {
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Dial(relay)) => self.ask(relay).await,
                    Some(Command::Learned(descriptor, bytes)) => self.learned(&descriptor, bytes),
                    Some(Command::Gossip(shard, bytes)) => self.spread(shard, bytes),
                    Some(Command::Judged(token, verdict)) => self.judged(token, verdict),
                    Some(Command::Publish(descriptor, bytes)) => self.publish(&descriptor, bytes),
                    Some(Command::DialBack(token, seed, descriptor)) => {
                        self.dial_back(token, seed, &descriptor).await;
                    }
                    Some(Command::Expect(key)) => self.shared.bounds.dialled_back().expect(key),
                    None => return Exit::Stopped,
                },
                Some(connection) = self.table.over.recv() => {
                    self.swarm.close_connection(connection);
                }
                () = sleep_until(self.next_tick) => self.tick(),
                event = self.swarm.select_next_some() => match event {
                    SwarmEvent::ListenerClosed { reason, .. } => {
                        let reason = reason.err().map(|error| error.to_string()).unwrap_or_default();
                        return Exit::Broken(NetError::Listen(self.config.listen, reason));
                    }
                    event => self.on_event(event).await,
                },
            }
        }
    }

    /// Fills a swarm that is built anew with what is known already.
    fn restore(&mut self) {
        for (relay, bytes) in self.state.book.sample(0, usize::MAX) {
            // A full record store holds enough; the rest is still in the book.
            let _ = self.swarm.behaviour_mut().kad.store_mut().put(record(&relay, bytes));
        }
        self.soon();
    }

    fn is_unlisted(&self) -> bool {
        self.state.own.as_ref().is_some_and(|own| !own.listed)
    }

    /// Makes the next look at dialling come soon.
    pub(super) fn soon(&mut self) {
        self.next_tick = self.next_tick.min(Instant::now() + TICK_SOON);
    }

    async fn ask(&mut self, relay: RelayId) {
        if self.is_unlisted() && !self.state.keeper.is_named(&relay) {
            // Its tunnels go by its guards (SPEC-relay §4); whoever was dialled would learn its address.
            return self.shared.failed(Target::Relay(relay), Reason::Forbidden).await;
        }
        let Some((peer, _)) = self.state.book.target(&relay) else {
            self.look_up(relay);
            return self.shared.failed(Target::Relay(relay), Reason::Forbidden).await;
        };
        if self.linked(&peer) {
            // The driver has been told of this link; the other side's first frame says which relay it is.
            return;
        }
        self.state.asked.insert(relay, peer);
        // An unlinked connection is about to be linked or closed; either is noticed.
        if !self.connections.contains_key(&peer) {
            self.dial(relay).await;
        }
    }

    async fn dial(&mut self, relay: RelayId) {
        if self.dials.values().any(|(_, dialled)| *dialled == relay) {
            return;
        }
        let Some((peer, addr)) = self.state.book.target(&relay) else { return };
        let opts =
            DialOpts::peer_id(peer).condition(PeerCondition::Always).addresses(vec![multiaddr(addr)]).build();
        let connection = opts.connection_id();
        self.swarm.behaviour_mut().errands.expect(connection);
        match self.swarm.dial(opts) {
            Ok(()) => {
                self.dials.insert(connection, (peer, relay));
            }
            Err(_) => {
                self.state.keeper.failed(relay, Instant::now());
                self.unanswered(relay, Reason::Unreachable).await;
            }
        }
    }

    /// Tells the driver that `relay` can not be reached, if it asked.
    async fn unanswered(&mut self, relay: RelayId, reason: Reason) {
        if self.state.asked.remove(&relay).is_some() {
            self.shared.failed(Target::Relay(relay), reason).await;
        }
    }

    /// Whether a link to `peer` is up and wanted.
    fn linked(&self, peer: &PeerId) -> bool {
        self.table.of(peer).any(|(_, wanted)| wanted)
    }

    fn tick(&mut self) {
        let now = Instant::now();
        self.next_tick = now + self.state.keeper.jitter(TICK);
        if now >= self.next_announcement {
            self.next_announcement = now + self.state.keeper.jitter(ANNOUNCE);
            self.announce();
        }
        self.trim(now);
        self.spread_again();
        self.tend_carriers(now);
        let mut candidates = self.state.book.candidates();
        if self.is_unlisted() {
            // An unlisted relay shows itself only to the relays its operator named.
            candidates.retain(|(relay, _)| self.state.keeper.is_named(relay));
        }
        let (connections, dials) = (&self.connections, &self.dials);
        let engaged = |peer: &PeerId| {
            connections.contains_key(peer) || dials.values().any(|(dialled, _)| dialled == peer)
        };
        let dialled = connections.values().flatten().filter(|one| one.dialled && !one.superfluous).count();
        let held = Held { all: connections.len() + dials.len(), dialled: dialled + dials.len() };
        let carriers = &self.carriers;
        for relay in self.state.keeper.due(now, &candidates, engaged, |relay| carriers.prefers(relay), held) {
            if let Some((peer, addr)) = self.state.book.target(&relay) {
                let opts = DialOpts::peer_id(peer).addresses(vec![multiaddr(addr)]).build();
                let connection = opts.connection_id();
                self.swarm.behaviour_mut().errands.expect(connection);
                match self.swarm.dial(opts) {
                    Ok(()) => {
                        self.dials.insert(connection, (peer, relay));
                    }
                    Err(_) => self.state.keeper.failed(relay, now),
                }
            }
        }
    }

    /// Gives up connections that nobody used for a while when there are more than are held: those that were in use when others came.
    fn trim(&mut self, now: Instant) {
        let surplus = self.held().saturating_sub(HELD_MAX).min(TRIMS_AT_ONCE);
        for (id, peer) in self.spare(now, TRIM_AGE).into_iter().take(surplus) {
            self.give_up(id, peer, now);
        }
    }

    /// Makes place for a connection that has come about, so that there are never more than are held beside those in use. Whoever comes from
    /// outside takes the place of another one from outside: a flood must not push out the relays that this one chose.
    fn make_room(&mut self, newcomer: PeerId, dialled: bool, now: Instant) {
        if self.held() <= HELD_MAX {
            return;
        }
        let own = |list: &Vec<Connection>| list.iter().any(|one| one.dialled && !one.superfluous);
        let chosen = self.connections.values().filter(|list| own(list)).count();
        let may_go =
            |peer: &PeerId| dialled || chosen > ENOUGH || !self.connections.get(peer).is_some_and(&own);
        let spare = self.spare(now, Duration::ZERO);
        let victim = spare.into_iter().find(|(_, peer)| *peer != newcomer && may_go(peer));
        if let Some((id, peer)) = victim {
            self.give_up(id, peer, now);
        }
    }

    fn held(&self) -> usize {
        self.connections.values().flatten().filter(|connection| !connection.superfluous).count()
    }

    /// Connections of at least this age that no tunnel used lately and that nobody waits for. Those by which gossip travels and named relays
    /// come last, the oldest first: they had time to hear what there is to hear, and to find others.
    fn spare(&self, now: Instant, age: Duration) -> Vec<(ConnectionId, PeerId)> {
        let topic = behaviour::topic_hash();
        let grafted: HashSet<PeerId> = self.swarm.behaviour().gossip.mesh_peers(&topic).copied().collect();
        let (book, keeper, asked) = (&self.state.book, &self.state.keeper, &self.state.asked);
        let dear = |peer: &PeerId| {
            grafted.contains(peer) || book.relays(peer).iter().any(|relay| keeper.is_named(relay))
        };
        let all = self.connections.iter().flat_map(|(peer, list)| list.iter().map(move |one| (*peer, one)));
        let mut spare: Vec<_> = all
            .filter(|(peer, one)| {
                let old = now.duration_since(one.since) >= age;
                let idle = !self.table.used_since(one.id, TRIM_AGE);
                old && idle && !one.superfluous && !asked.values().any(|waited| waited == peer)
            })
            .map(|(peer, one)| (dear(&peer), one.since, one.id, peer))
            .collect();
        spare.sort_unstable_by_key(|(dear, since, id, _)| (*dear, *since, *id));
        spare.into_iter().map(|(.., id, peer)| (id, peer)).collect()
    }

    fn give_up(&mut self, id: ConnectionId, peer: PeerId, now: Instant) {
        self.table.close(id, Reason::Idle);
        self.swarm.close_connection(id);
        let list = self.connections.get_mut(&peer).into_iter().flatten();
        list.filter(|one| one.id == id).for_each(|one| one.superfluous = true);
        self.state.keeper.gave_up(self.state.book.relays(&peer), now);
    }

    async fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Streams(event)) => self.on_stream(event).await,
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.on_gossip(event).await,
            SwarmEvent::Behaviour(BehaviourEvent::Kad(event)) => self.on_kad(event).await,
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) => {
                let connected = self.connections.contains_key(&peer_id);
                if connected && info.protocols.contains(&KAD_PROTOCOL) && self.speaks_kad.insert(peer_id) {
                    self.route(peer_id);
                    self.hand_over(peer_id);
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { connection, result, .. })) => {
                if matches!(result, Err(ping::Failure::Timeout | ping::Failure::Other { .. })) {
                    self.table.close(connection, Reason::Lost);
                    self.swarm.close_connection(connection);
                }
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                let remote = socket(endpoint.get_remote_address()).map(|addr| addr.ip().to_canonical());
                self.established(peer_id, connection_id, endpoint.is_dialer(), remote);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => {
                self.closed(peer_id, connection_id).await;
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                let Some((peer, relay)) = self.dials.remove(&connection_id) else { return };
                self.state.keeper.failed(relay, Instant::now());
                if !self.connections.contains_key(&peer) {
                    let reason = match error {
                        DialError::WrongPeerId { .. } => Reason::WrongPeer,
                        _ => Reason::Unreachable,
                    };
                    self.unanswered(relay, reason).await;
                }
            }
            _ => {}
        }
    }

    fn established(&mut self, peer: PeerId, id: ConnectionId, dialled: bool, remote: Option<IpAddr>) {
        self.dials.remove(&id);
        let came = peer_key(&peer).filter(|_| !dialled);
        if came.is_some_and(|key| self.shared.bounds.dialled_back().came(key, Place::Mesh)) {
            // Whoever dials back wants nothing else, and closes; until then it takes no place.
            return;
        }
        let now = Instant::now();
        let list = self.connections.entry(peer).or_default();
        list.push(Connection { id, remote, dialled, since: now, linked: false, superfluous: false });
        let mut stays = true;
        if let Some((_, older)) = list.split_last_mut() {
            for older in older.iter_mut().filter(|older| !older.superfluous) {
                let age = now.duration_since(older.since);
                if newer_stays(self.swarm.local_peer_id(), &peer, older.dialled, age, dialled) {
                    older.superfluous = true;
                } else {
                    stays = false;
                }
            }
        }
        if let Some(newest) = list.last_mut() {
            newest.superfluous = !stays;
        }
        for connection in list.iter().filter(|connection| connection.superfluous) {
            self.table.close(connection.id, Reason::Lost);
            self.swarm.close_connection(connection.id);
        }
        self.make_room(peer, dialled, now);
        let full = self.held() >= HELD_MAX;
        self.swarm.behaviour_mut().errands.set_full(full);
    }

    async fn closed(&mut self, peer: PeerId, id: ConnectionId) {
        self.table.remove(id);
        let Some(list) = self.connections.get_mut(&peer) else { return };
        let Some(at) = list.iter().position(|connection| connection.id == id) else { return };
        let gone = list.swap_remove(at);
        let last = list.is_empty();
        if !last {
            return;
        }
        self.connections.remove(&peer);
        self.speaks_kad.remove(&peer);
        self.budgets.remove(&peer);
        let now = Instant::now();
        let held = self.held();
        self.swarm.behaviour_mut().errands.set_full(held >= HELD_MAX);
        for relay in self.state.book.relays(&peer) {
            self.state.keeper.closed(relay, now, now.duration_since(gone.since), held);
        }
        self.soon();
        // Whoever asked while this connection was ending still wants one.
        let waiting: Vec<_> = self.state.asked.iter().filter(|(_, p)| **p == peer).map(|(r, _)| *r).collect();
        for relay in waiting {
            if gone.linked {
                self.dial(relay).await;
            } else if !self.dials.values().any(|(_, dialled)| *dialled == relay) {
                self.unanswered(relay, Reason::Unreachable).await;
            }
        }
    }

    async fn on_stream(&mut self, event: streams::Event) {
        match event {
            streams::Event::Opened { connection, peer, stream } => {
                let known = self.connections.get_mut(&peer);
                let entry = known.and_then(|list| list.iter_mut().find(|entry| entry.id == connection));
                let (Some(entry), Some(remote_key)) = (entry, peer_key(&peer)) else {
                    self.swarm.close_connection(connection);
                    return;
                };
                if entry.superfluous {
                    return;
                }
                entry.linked = true;
                if !entry.dialled {
                    self.shared.bounds.note_reached();
                }
                self.state.asked.retain(|_, asked| *asked != peer);
                self.table.start(connection, peer, LinkInfo::Mesh { remote_key }, stream);
            }
            // The behaviour closes the connection; that is noticed.
            streams::Event::Refused { connection, reason } => self.table.close(connection, reason),
        }
    }
}
