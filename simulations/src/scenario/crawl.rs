//! Somebody crawls the relays' directory while people talk: walks it whole, reads what lies in it, and looks for people's addresses.

use super::channel::found as found_channel;
use super::group::form;
use super::population::{Plan, Population};
use super::{Param, Scenario, Script, Setup, Values};
use crate::det::{NodeId, Rng, Skew};
use crate::fleet::RelayHost;
use crate::net::{HostSpec, Region};
use crate::oracle::Fact;
use crate::report::Figures;
use crate::transport::SimTransport;
use crate::world::{Process, World};
use futures::StreamExt as _;
use karvon_node::net::carrier_key;
use karvon_protocol::descriptor::Descriptor;
use karvon_protocol::engine::channel_api::ChannelCommand;
use karvon_protocol::invite::Invitation;
use karvon_protocol::limits::SHARDS;
use libp2p::core::transport::Transport as _;
use libp2p::core::upgrade::Version;
use libp2p::identity::{Keypair, PublicKey, ed25519};
use libp2p::kad::{self, store::MemoryStore};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, identify, noise, yamux};
use std::collections::{BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const PARAMS: &[Param] = &[
    Param::new("relays", "relays among the nodes", 12.0, 3.0, 200.0),
    Param::new("doors", "doors of each person", 2.0, 1.0, 5.0),
    Param::new("line", "people's lines: 0 2G, 1 mobile, 2 home", 1.0, 0.0, 2.0),
    Param::new("skew", "hours by which people's clocks are off at the most", 0.0, 0.0, 90_000.0),
    Param::new("walks", "random places of the directory to which the crawler walks", 256.0, 16.0, 10_000.0),
];

/// The name of the relays' Kademlia and of their agents, as everybody can read it.
const KAD: StreamProtocol = StreamProtocol::new("/karvon/0/kad");
const AGENT: &str = "karvon/0";
/// Where relays are served by others.
const MESH_PORT: u16 = 4_001;
/// Questions that the crawler has under way.
const AT_ONCE: usize = 8;
/// Until every relay has said which shards it carries.
const ANNOUNCED: Duration = Duration::from_secs(3_600);
/// How long the crawl may take, virtual time.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// How long the crawler listens to what is put to it after it has asked everything.
const LISTEN: Duration = Duration::from_secs(600);

/// The scenario.
pub(super) struct Crawl;

impl Scenario for Crawl {
    fn name(&self) -> &'static str {
        "crawl"
    }

    fn about(&self) -> &'static str {
        "somebody walks the whole directory of the relays and reads every record: no address of a person is there"
    }

    fn nodes(&self) -> [usize; 3] {
        [8, 28, 1_000]
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn bytes_per_node(&self) -> u64 {
        4 << 20
    }

    fn small(&self, rng: &mut Rng) -> Setup {
        let picks = [format!("relays={}", 3 + rng.below(4)), "walks=16".to_owned()];
        let values = Values::picked(PARAMS, picks);
        Setup { nodes: 10 + rng.index(4), values }
    }

    fn script(&self, world: World, setup: Setup, figures: Figures) -> Script {
        Box::pin(script(world, setup, figures))
    }
}

/// All that the crawler was told.
#[derive(Debug, Default)]
struct Found {
    peers: BTreeSet<PeerId>,
    addresses: BTreeSet<Multiaddr>,
    /// Values of records by their keys, those that were put to the crawler among them.
    records: BTreeSet<(Vec<u8>, Vec<u8>)>,
    providers: BTreeSet<(Vec<u8>, PeerId)>,
    done: bool,
}

impl Found {
    /// How many places of what was found name one of these hosts, as text or as bytes.
    fn places_that_name(&self, hosts: &BTreeSet<Ipv4Addr>) -> usize {
        let named = |address: &&Multiaddr| ips(address).any(|ip| hosts.contains(&ip));
        let holds = |bytes: &[u8], ip: &Ipv4Addr| {
            let text = ip.to_string();
            let needles = [text.as_bytes(), &ip.octets()];
            needles.iter().any(|needle| bytes.windows(needle.len()).any(|part| part == *needle))
        };
        let in_records =
            |(key, value): &&(Vec<u8>, Vec<u8>)| hosts.iter().any(|ip| holds(key, ip) || holds(value, ip));
        let in_providers = |(key, _): &&(Vec<u8>, PeerId)| hosts.iter().any(|ip| holds(key, ip));
        self.addresses.iter().filter(named).count()
            + self.records.iter().filter(in_records).count()
            + self.providers.iter().filter(in_providers).count()
    }

    /// Addresses that are of none of these hosts.
    fn addresses_beside(&self, hosts: &BTreeSet<Ipv4Addr>) -> usize {
        self.addresses.iter().filter(|address| !ips(address).all(|ip| hosts.contains(&ip))).count()
    }

    /// Carriers of shards that announced no descriptor.
    fn foreign_carriers(&self) -> usize {
        let of = |value: &[u8]| {
            let key = Descriptor::verify(value).ok()?.mesh_key;
            let key = ed25519::PublicKey::try_from_bytes(&key).ok()?;
            Some(PublicKey::from(key).to_peer_id())
        };
        let relays: BTreeSet<PeerId> = self.records.iter().filter_map(|(_, value)| of(value)).collect();
        self.providers.iter().filter(|(_, peer)| !relays.contains(peer)).count()
    }

    /// Records that are no descriptor of a relay under its own id.
    fn others(&self) -> usize {
        let own = |key: &[u8], value: &[u8]| {
            Descriptor::verify(value).is_ok_and(|descriptor| descriptor.relay().0 == key)
        };
        self.records.iter().filter(|(key, value)| !own(key, value)).count()
    }
}

/// The addresses in an address.
fn ips(address: &Multiaddr) -> impl Iterator<Item = Ipv4Addr> {
    address.iter().filter_map(|part| match part {
        Protocol::Ip4(ip) => Some(ip),
        _ => None,
    })
}

fn lock(found: &Mutex<Found>) -> std::sync::MutexGuard<'_, Found> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    kad: kad::Behaviour<MemoryStore>,
    identify: identify::Behaviour,
}

fn swarm(
    world: &World,
    process: &Process,
    rng: &mut Rng,
) -> Result<Swarm<Behaviour>, Box<dyn std::error::Error>> {
    let mut seed = [0; 32];
    rng.fill(&mut seed);
    let key = Keypair::ed25519_from_bytes(&mut seed[..])?;
    let peer = key.public().to_peer_id();
    let transport = SimTransport::new(world.net.clone(), process.host())
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(&key)?)
        .multiplex(yamux::Config::default())
        .timeout(Duration::from_secs(20))
        .boxed();
    let mut config = kad::Config::new(KAD);
    // What relays put to the crawler is shown to it.
    config.set_record_filtering(kad::StoreInserts::FilterBoth).set_query_timeout(Duration::from_secs(30));
    let mut kad = kad::Behaviour::with_config(peer, MemoryStore::new(peer), config);
    kad.set_mode(Some(kad::Mode::Server));
    let identify = identify::Config::new(AGENT.to_owned(), key.public());
    let behaviour = Behaviour { kad, identify: identify::Behaviour::new(identify) };
    let process = process.clone();
    let config = libp2p::swarm::Config::with_executor(move |task| process.spawn(task))
        .with_idle_connection_timeout(Duration::from_secs(120));
    Ok(Swarm::new(transport, behaviour, peer, config))
}

/// What is asked of the directory.
enum Question {
    /// Who is near this place.
    Near(Vec<u8>),
    /// What lies at this place, and who provides it.
    At(Vec<u8>),
}

/// A crawler at work.
struct Crawler {
    swarm: Swarm<Behaviour>,
    found: Arc<Mutex<Found>>,
    waiting: Vec<Question>,
    under_way: HashSet<kad::QueryId>,
    /// Places that were asked for, by chance or because something was found there.
    asked: BTreeSet<Vec<u8>>,
    /// It speaks with a relay.
    begun: bool,
}

impl Crawler {
    /// Walks to each of `places`, and to everything that is found on the way; asks there for records and providers.
    async fn run(mut self, doors: Vec<Ipv4Addr>, places: Vec<Vec<u8>>) {
        let listen = Multiaddr::from(Ipv4Addr::UNSPECIFIED).with(Protocol::Tcp(MESH_PORT));
        let _ = self.swarm.listen_on(listen);
        for door in doors {
            let _ = self.swarm.dial(Multiaddr::from(door).with(Protocol::Tcp(MESH_PORT)));
        }
        places.into_iter().for_each(|place| self.want(place));
        loop {
            self.ask();
            let event = self.swarm.select_next_some().await;
            self.on_event(event);
        }
    }

    fn want(&mut self, place: Vec<u8>) {
        if self.asked.insert(place.clone()) {
            self.waiting.extend([Question::Near(place.clone()), Question::At(place)]);
        }
    }

    fn ask(&mut self) {
        let kad = &mut self.swarm.behaviour_mut().kad;
        while self.begun && self.under_way.len() < AT_ONCE {
            match self.waiting.pop() {
                Some(Question::Near(place)) => {
                    self.under_way.insert(kad.get_closest_peers(place));
                }
                Some(Question::At(place)) => {
                    self.under_way.insert(kad.get_record(place.clone().into()));
                    self.under_way.insert(kad.get_providers(place.into()));
                }
                None => break,
            }
        }
        lock(&self.found).done = self.begun && self.under_way.is_empty();
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } if endpoint.is_dialer() => {
                let addr = endpoint.get_remote_address().clone();
                self.swarm.behaviour_mut().kad.add_address(&peer_id, addr);
                self.begun = true;
            }
            SwarmEvent::NewExternalAddrOfPeer { peer_id, address } => self.met(peer_id, [address]),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) => self.met(peer_id, info.listen_addrs),
            SwarmEvent::Behaviour(BehaviourEvent::Kad(event)) => self.on_kad(event),
            _ => {}
        }
    }

    fn met(&mut self, peer: PeerId, addresses: impl IntoIterator<Item = Multiaddr>) {
        lock(&self.found).addresses.extend(addresses);
        if lock(&self.found).peers.insert(peer) {
            self.want(peer.to_bytes());
        }
    }

    fn read(&mut self, record: kad::Record) {
        let key = record.key.to_vec();
        lock(&self.found).records.insert((key.clone(), record.value));
        self.want(key);
    }

    fn on_kad(&mut self, event: kad::Event) {
        match event {
            kad::Event::InboundRequest {
                request: kad::InboundRequest::PutRecord { record: Some(record), .. },
            } => self.read(record),
            kad::Event::InboundRequest {
                request: kad::InboundRequest::AddProvider { record: Some(record) },
            } => {
                lock(&self.found).providers.insert((record.key.to_vec(), record.provider));
                self.met(record.provider, record.addresses);
            }
            kad::Event::RoutingUpdated { peer, addresses, .. } => self.met(peer, addresses.into_vec()),
            kad::Event::RoutablePeer { peer, address }
            | kad::Event::PendingRoutablePeer { peer, address } => {
                self.met(peer, [address]);
            }
            kad::Event::OutboundQueryProgressed { id, result, step, .. } => {
                match result {
                    kad::QueryResult::GetClosestPeers(Ok(near)) => {
                        near.peers.into_iter().for_each(|peer| self.met(peer.peer_id, peer.addrs));
                    }
                    kad::QueryResult::GetRecord(Ok(kad::GetRecordOk::FoundRecord(record))) => {
                        self.read(record.record);
                    }
                    kad::QueryResult::GetProviders(Ok(kad::GetProvidersOk::FoundProviders {
                        key,
                        providers,
                    })) => {
                        for peer in providers {
                            lock(&self.found).providers.insert((key.to_vec(), peer));
                            self.met(peer, []);
                        }
                    }
                    _ => {}
                }
                if step.last {
                    self.under_way.remove(&id);
                }
            }
            _ => {}
        }
    }
}

/// Lets people talk in a group, follow a channel and give an invitation away; places where a crawler who knew of those would look.
async fn talk(all: &mut Population, figures: &Figures) -> Vec<Vec<u8>> {
    let people = all.people.len();
    all.arrive(0..people, Duration::from_secs(10), figures).await;
    all.meet_first(figures).await;
    form(all, figures).await;
    let mut places = Vec::new();
    let Some((owner, others)) = all.people.split_first() else { return places };
    if let Some((number, link)) = found_channel(owner).await {
        places.extend([link.id().0.to_vec(), link.owner.to_vec(), link.secret.to_vec()]);
        for other in others {
            other.channel(ChannelCommand::Follow(link.clone())).await;
        }
        owner.channel(ChannelCommand::Post(number, "news".into())).await;
    }
    if let Some(invitation) = owner.invite().await.and_then(|text| Invitation::from_text(&text).ok()) {
        places.push(invitation.keys().locator.0.to_vec());
    }
    // By then each relay has announced every shard.
    all.world.sleep(ANNOUNCED).await;
    places
}

async fn script(world: World, setup: Setup, figures: Figures) {
    let mut all = Population::found(&world, &Plan::of(&setup), &figures).await;
    let mut places = talk(&mut all, &figures).await;
    let mut rng = world.rng("places");
    for _ in 0..setup.values.count("walks") {
        let mut place = vec![0; 32];
        rng.fill(&mut place);
        places.push(place);
    }
    // Whatever is announced of relays or shards is asked for by name.
    places.extend(all.relays.iter().map(|relay| relay.id().0.to_vec()));
    places.extend((0..SHARDS).map(|shard| carrier_key(shard).to_vec()));
    let host = world.net.add_host(HostSpec::server(Region::Europe));
    let ip_of = |host| world.net.host(host, |host| [host.own, host.public]).into_iter().flatten();
    let own: BTreeSet<Ipv4Addr> = ip_of(host).collect();
    let people: BTreeSet<Ipv4Addr> = all.people.iter().flat_map(|person| ip_of(person.host())).collect();
    let relays: Vec<Ipv4Addr> = all.relays.iter().filter_map(address).collect();
    let process = world.start(host, Skew::default());
    let Ok(swarm) = swarm(&world, &process, &mut world.rng("crawler")) else {
        return world.note("the crawler could not be built");
    };
    let found = Arc::new(Mutex::new(Found::default()));
    let crawler = Crawler {
        swarm,
        found: found.clone(),
        waiting: Vec::new(),
        under_way: HashSet::new(),
        asked: BTreeSet::new(),
        begun: false,
    };
    process.spawn(crawler.run(relays.iter().take(3).copied().collect(), places));
    let end = tokio::time::Instant::now() + PATIENCE;
    let mut quiet = 0;
    // Whoever is found late is asked as well: the crawl is over when nothing was under way for a while.
    while quiet < LISTEN.as_secs() && tokio::time::Instant::now() < end {
        world.sleep(Duration::from_secs(1)).await;
        quiet = if lock(&found).done { quiet + 1 } else { 0 };
    }
    process.kill().await;
    let found = lock(&found);
    let known: BTreeSet<Ipv4Addr> = relays.iter().copied().chain(own).collect();
    let reached = found.addresses.iter().flat_map(ips).collect::<BTreeSet<_>>();
    let missed = relays.iter().filter(|ip| !reached.contains(ip)).count();
    let carriers = |shard| {
        let key = carrier_key(shard);
        found.providers.iter().filter(|(place, _)| place[..] == key).count()
    };
    let thinnest = (0..SHARDS).map(carriers).min().unwrap_or_default();
    for (name, value) in [
        ("carriers_found_of_each_shard_min", thinnest),
        ("crawl_peers", found.peers.len()),
        ("crawl_addresses", found.addresses.len()),
        ("crawl_records", found.records.len()),
        ("crawl_providers", found.providers.len()),
        ("places_that_name_a_person", found.places_that_name(&people)),
        ("relays_not_found", missed),
    ] {
        figures.number(name, value as f64);
    }
    for (what, value) in [
        ("addresses of people in the directory", found.places_that_name(&people)),
        ("addresses in the directory that are no relay's", found.addresses_beside(&known)),
        ("records in the directory that are no relay's descriptor", found.others()),
        ("relays that a crawl did not find", missed),
        ("carriers of shards that are no relays", found.foreign_carriers()),
        ("shards of which no carrier is known", usize::from(thinnest == 0)),
    ] {
        world.fact(&Fact::Measured { node: NodeId(0), what, value: value as u64, bound: 0 });
    }
    world.finish();
}

/// Where a relay is.
fn address(relay: &RelayHost) -> Option<Ipv4Addr> {
    match relay.door_addr().ip() {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_seen_wherever_it_stands() {
        let person = Ipv4Addr::new(95, 1, 2, 3);
        let people = BTreeSet::from([person]);
        let relay: Multiaddr = "/ip4/5.6.7.8/tcp/4001".parse().unwrap();
        let record = |value: &[u8]| BTreeSet::from([(vec![1], value.to_vec())]);
        let clean = Found {
            addresses: BTreeSet::from([relay.clone()]),
            records: record(b"a record"),
            ..Found::default()
        };
        assert_eq!(clean.places_that_name(&people), 0);
        assert_eq!(clean.addresses_beside(&BTreeSet::from([Ipv4Addr::new(5, 6, 7, 8)])), 0);
        assert_eq!(clean.addresses_beside(&people), 1);
        let leaks = [
            Found { addresses: BTreeSet::from(["/ip4/95.1.2.3/tcp/1".parse().unwrap()]), ..Found::default() },
            Found { records: record(b"at 95.1.2.3, port 1"), ..Found::default() },
            Found { records: record(&[9, 9, 95, 1, 2, 3, 9]), ..Found::default() },
            Found { providers: BTreeSet::from([(vec![95, 1, 2, 3], PeerId::random())]), ..Found::default() },
        ];
        for leak in leaks {
            assert_eq!(leak.places_that_name(&people), 1, "{leak:?}");
        }
    }
}
