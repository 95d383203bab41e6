//! The loop of the mesh swarm: turns what libp2p reports into links, heard descriptors and dials.

use super::adverts::{Budget, Verdict, judge};
use super::behaviour::{self, Behaviour, BehaviourEvent, KAD_PROTOCOL};
use super::keeper::{DIALLED_MAX, TRIM_AGE, newer_stays};
use super::records::record;
use super::{Command, Config, Own, Ready, State};
use crate::net::address::{dialable, multiaddr, peer_key, socket};
use crate::net::supervisor::Exit;
use crate::net::table::{Shared, Table};
use crate::net::{Inner, NetError, streams};
use futures::StreamExt as _;
use karvon_protocol::core::{LinkInfo, Reason, Target};
use karvon_protocol::descriptor::{Descriptor, flags};
use karvon_protocol::ids::RelayId;
use libp2p::gossipsub::{self, MessageAcceptance};
use libp2p::kad::{self, QueryId, store::RecordStore as _};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{PeerId, Swarm, identify, ping};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How often dialling and trimming are looked at.
const TICK: Duration = Duration::from_secs(5);
/// After news the look comes sooner, so that several pieces of news make one look.
const TICK_SOON: Duration = Duration::from_millis(10);
/// How often the own descriptor is announced again.
const ANNOUNCE: Duration = Duration::from_secs(3_600);
/// Descriptors handed to a relay that has just connected.
const HANDED_OVER: usize = 24;
/// Searches for a relay's descriptor under way.
const LOOKUPS_MAX: usize = 8;

/// One connection.
struct Connection {
    id: ConnectionId,
    dialled: bool,
    since: Instant,
    /// Whose descriptor the dial followed.
    relay: Option<RelayId>,
    /// A link was started over it.
    linked: bool,
    /// Another connection to the same relay stays instead.
    superfluous: bool,
}

struct Mesh<'a> {
    swarm: Swarm<Behaviour>,
    table: Table,
    shared: &'a Shared,
    config: &'a Config,
    state: &'a mut State,
    connections: HashMap<PeerId, Vec<Connection>>,
    dials: HashMap<ConnectionId, (PeerId, RelayId)>,
    lookups: HashSet<QueryId>,
    /// Connected relays that speak our Kademlia.
    speaks_kad: HashSet<PeerId>,
    budgets: HashMap<PeerId, Budget>,
    next_tick: Instant,
    next_announcement: Instant,
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
                    config.listen = address;
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
                    Some(Command::Publish(descriptor, bytes)) => self.publish(&descriptor, bytes),
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

    fn soon(&mut self) {
        self.next_tick = self.next_tick.min(Instant::now() + TICK_SOON);
    }

    // --- dialling ---

    async fn ask(&mut self, relay: RelayId) {
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

    fn look_up(&mut self, relay: RelayId) {
        if self.lookups.len() < LOOKUPS_MAX && !self.speaks_kad.is_empty() {
            let key = record(&relay, Vec::new()).key;
            let query = self.swarm.behaviour_mut().kad.get_record(key);
            self.lookups.insert(query);
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        self.next_tick = now + self.state.keeper.jitter(TICK);
        if now >= self.next_announcement {
            self.next_announcement = now + self.state.keeper.jitter(ANNOUNCE);
            self.announce();
        }
        self.trim(now);
        let unlisted = self.state.own.as_ref().is_some_and(|own| !own.listed);
        let mut candidates = self.state.book.candidates();
        if unlisted {
            // An unlisted relay shows itself only to the relays its operator named.
            candidates.retain(|(relay, _)| self.state.keeper.is_named(relay));
        }
        let (connections, dials) = (&self.connections, &self.dials);
        let engaged = |peer: &PeerId| {
            connections.contains_key(peer) || dials.values().any(|(dialled, _)| dialled == peer)
        };
        let busy = connections.len() + dials.len();
        for relay in self.state.keeper.due(now, &candidates, engaged, busy) {
            if let Some((peer, addr)) = self.state.book.target(&relay) {
                let opts = DialOpts::peer_id(peer).addresses(vec![multiaddr(addr)]).build();
                let connection = opts.connection_id();
                match self.swarm.dial(opts) {
                    Ok(()) => {
                        self.dials.insert(connection, (peer, relay));
                    }
                    Err(_) => self.state.keeper.failed(relay, now),
                }
            }
        }
    }

    /// Gives up dialled connections that nobody used for a while, when there are more than enough.
    fn trim(&mut self, now: Instant) {
        let dialled =
            || self.connections.iter().flat_map(|(peer, list)| list.iter().map(move |c| (*peer, c)));
        let surplus = dialled().filter(|(_, c)| c.dialled).count().saturating_sub(DIALLED_MAX);
        let topic = behaviour::topic_hash();
        let grafted: HashSet<PeerId> = self.swarm.behaviour().gossip.mesh_peers(&topic).copied().collect();
        let mut idle: Vec<_> = dialled()
            .filter(|(peer, c)| {
                let named = c.relay.is_some_and(|relay| self.state.keeper.is_named(&relay));
                let old = c.dialled && now.duration_since(c.since) >= TRIM_AGE;
                old && !named && !grafted.contains(peer) && !self.table.used_since(c.id, TRIM_AGE)
            })
            .map(|(_, c)| (c.since, c.id, c.relay))
            .collect();
        idle.sort_unstable_by_key(|(since, id, _)| (*since, *id));
        for (_, id, relay) in idle.into_iter().take(surplus) {
            self.table.close(id, Reason::Idle);
            self.swarm.close_connection(id);
            if let Some(relay) = relay {
                self.state.keeper.trimmed(relay, now);
            }
        }
    }

    // --- descriptors ---

    fn learned(&mut self, descriptor: &Descriptor, bytes: Vec<u8>) {
        if !self.state.book.learn(descriptor, &bytes, self.config.allow_private) {
            return;
        }
        let relay = descriptor.relay();
        if descriptor.flags & flags::BRIDGE == 0 {
            // A full record store holds enough; gossip fails when nobody listens or everybody has heard it.
            let behaviour = self.swarm.behaviour_mut();
            let _ = behaviour.kad.store_mut().put(record(&relay, bytes.clone()));
            let _ = behaviour.gossip.publish(behaviour::topic_hash(), bytes);
        }
        if let Some((peer, _)) = self.state.book.target(&relay)
            && self.speaks_kad.contains(&peer)
        {
            self.route(peer);
        }
        self.soon();
    }

    fn publish(&mut self, descriptor: &Descriptor, bytes: Vec<u8>) {
        let listed = descriptor.flags & flags::BRIDGE == 0;
        self.state.own = Some(Own { relay: descriptor.relay(), seq: descriptor.seq, listed, bytes });
        self.announce();
        self.soon();
    }

    /// Says who this relay is, unless it is unlisted.
    fn announce(&mut self) {
        let Some(own) = self.state.own.as_ref().filter(|own| own.listed) else { return };
        let behaviour = self.swarm.behaviour_mut();
        let own_record = record(&own.relay, own.bytes.clone());
        // Each fails harmlessly when nobody is connected yet; it is repeated when somebody is.
        let _ = behaviour.gossip.publish(behaviour::topic_hash(), own.bytes.clone());
        if self.speaks_kad.is_empty() {
            let _ = behaviour.kad.store_mut().put(own_record);
        } else {
            let _ = behaviour.kad.put_record(own_record, kad::Quorum::One);
        }
    }

    /// Puts a connected relay into the routing table, at the addresses its descriptors name.
    fn route(&mut self, peer: PeerId) {
        for addr in self.state.book.addresses(&peer) {
            let addr = multiaddr(addr);
            let kad = &mut self.swarm.behaviour_mut().kad;
            if self.config.allow_private || behaviour::diverse(kad, peer, &addr) {
                kad.add_address(&peer, addr);
            }
        }
    }

    /// Hands a newcomer the own descriptor and some others: what was gossiped before its time it can not have heard.
    fn hand_over(&mut self, peer: PeerId) {
        let start = self.state.keeper.random();
        let mut all = self.state.book.sample(start, HANDED_OVER);
        if let Some(own) = self.state.own.as_ref().filter(|own| own.listed) {
            all.push((own.relay, own.bytes.clone()));
        }
        for (relay, bytes) in all {
            let to = [peer].into_iter();
            self.swarm.behaviour_mut().kad.put_record_to(record(&relay, bytes), to, kad::Quorum::One);
        }
    }

    async fn heard(&mut self, source: PeerId, bytes: Vec<u8>) -> Verdict {
        let now = Instant::now();
        if !self.budgets.entry(source).or_insert_with(|| Budget::new(now)).take(now) {
            return Verdict::Useless;
        }
        let (book, own) = (&self.state.book, &self.state.own);
        let known = |descriptor: &Descriptor| {
            let relay = descriptor.relay();
            match own {
                Some(own) if own.relay == relay => Some(own.seq.max(descriptor.seq)),
                _ => book.seq(&relay),
            }
        };
        let reachable = |descriptor: &Descriptor| dialable(&descriptor.mesh, self.config.allow_private);
        let verdict = judge(&bytes, self.config.clock.now().wall_ms / 1_000, known, reachable);
        if verdict == Verdict::New {
            self.shared.tell(Inner::Heard(bytes)).await;
        }
        verdict
    }

    // --- events ---

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
                self.established(peer_id, connection_id, endpoint.is_dialer());
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

    fn established(&mut self, peer: PeerId, id: ConnectionId, dialled: bool) {
        let relay = self.dials.remove(&id).map(|(_, relay)| relay);
        let now = Instant::now();
        let list = self.connections.entry(peer).or_default();
        list.push(Connection { id, dialled, since: now, relay, linked: false, superfluous: false });
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
        for relay in self.state.book.relays(&peer) {
            self.state.keeper.closed(relay, now, now.duration_since(gone.since));
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
                self.state.asked.retain(|_, asked| *asked != peer);
                self.table.start(connection, peer, LinkInfo::Mesh { remote_key }, stream);
            }
            // The behaviour closes the connection; that is noticed.
            streams::Event::Refused { connection, reason } => self.table.close(connection, reason),
        }
    }

    async fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                let acceptance = match self.heard(propagation_source, message.data).await {
                    Verdict::New => MessageAcceptance::Accept,
                    Verdict::Useless => MessageAcceptance::Ignore,
                    Verdict::Forged => MessageAcceptance::Reject,
                };
                let gossip = &mut self.swarm.behaviour_mut().gossip;
                gossip.report_message_validation_result(&message_id, &propagation_source, acceptance);
            }
            gossipsub::Event::Subscribed { .. } => {
                if let Some(own) = self.state.own.as_ref().filter(|own| own.listed) {
                    // Fails harmlessly if it went out a moment ago.
                    let gossip = &mut self.swarm.behaviour_mut().gossip;
                    let _ = gossip.publish(behaviour::topic_hash(), own.bytes.clone());
                }
            }
            _ => {}
        }
    }

    async fn on_kad(&mut self, event: kad::Event) {
        match event {
            kad::Event::InboundRequest {
                request: kad::InboundRequest::PutRecord { source, record: Some(record), .. },
            } => {
                self.heard(source, record.value).await;
            }
            kad::Event::OutboundQueryProgressed { id, result, step, .. } => {
                if let kad::QueryResult::GetRecord(Ok(kad::GetRecordOk::FoundRecord(found))) = result {
                    if let Some(peer) = found.peer {
                        self.heard(peer, found.record.value).await;
                    }
                    if let Some(mut query) = self.swarm.behaviour_mut().kad.query_mut(&id) {
                        query.finish();
                    }
                }
                if step.last {
                    self.lookups.remove(&id);
                }
            }
            _ => {}
        }
    }
}
