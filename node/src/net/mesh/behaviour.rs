//! The behaviours of the mesh swarm and every number they are set to.

use super::book::{Book, Guarded};
use super::errands::Errands;
use super::records::Records;
use crate::net::admission::Admission;
use crate::net::streams::Streams;
use crate::net::table::Shared;
use crate::net::{NetError, Transports, address};
use karvon_protocol::limits::SHARDS;
use karvon_protocol::relay::unit::UNIT_BYTES_MAX;
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::core::Transport as _;
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, MessageId, TopicHash, ValidationMode};
use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, identify, kad, ping};
use std::num::NonZeroUsize;
use std::time::Duration;

pub(super) const KAD_PROTOCOL: StreamProtocol = StreamProtocol::new("/karvon/0/kad");
const LINK_PROTOCOL: StreamProtocol = StreamProtocol::new("/karvon/mesh/0");
const AGENT: &str = "karvon/0";
const TOPIC: &str = "/karvon/0/relays";

/// Connections in their handshake.
const PENDING_MAX: u32 = 64;
/// Connections in all: any relay may need any other one as mailbox.
const ESTABLISHED_MAX: u32 = 1_024;
/// Connections to one relay, while it is being decided which one stays.
const PER_PEER_MAX: u32 = 3;
/// A connection without a link is closed after this time.
const IDLE: Duration = Duration::from_secs(60);
/// A dead connection is noticed after [`PING`] and [`PING_TIMEOUT`] together.
const PING: Duration = Duration::from_secs(15);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// The largest cell of a shard, and its envelope.
const GOSSIP_BYTES_MAX: usize = UNIT_BYTES_MAX + 1_024;
/// A message heard again within this time is dropped unseen.
const GOSSIP_MEMORY: Duration = Duration::from_secs(300);
/// Messages that may wait for one slow relay.
const GOSSIP_QUEUE: usize = 256;
/// Relays of one network (/16, or /32 of IPv6) in a bucket of the routing table, and in all of it.
const BUCKET_SHARE: usize = 2;
const TABLE_SHARE: usize = 8;

pub(super) type Gossip = gossipsub::Behaviour<
    gossipsub::IdentityTransform,
    gossipsub::MaxCountSubscriptionFilter<gossipsub::WhitelistSubscriptionFilter>,
>;

#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    limits: connection_limits::Behaviour,
    admission: Admission,
    pub(super) errands: Errands,
    pub(super) streams: Streams,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(super) kad: kad::Behaviour<Records>,
    pub(super) gossip: Gossip,
}

/// All topics.
fn topics() -> impl Iterator<Item = TopicHash> {
    std::iter::once(topic_hash()).chain((0..SHARDS).map(shard_topic))
}

pub(super) fn topic() -> IdentTopic {
    IdentTopic::new(TOPIC)
}

/// The topic of a shard: all its groups and channels share it, so that nobody sees who belongs to which (DESIGN D6).
pub(super) fn shard_topic(shard: u16) -> TopicHash {
    IdentTopic::new(format!("/karvon/0/shard/{shard}")).hash()
}

pub(super) fn topic_hash() -> TopicHash {
    topic().hash()
}

pub(super) fn build(
    key: &Keypair,
    transports: &Transports,
    book: Book,
    shared: &Shared,
) -> Result<Swarm<Behaviour>, NetError> {
    let local = key.public().to_peer_id();
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(PENDING_MAX))
        .with_max_pending_outgoing(Some(PENDING_MAX))
        .with_max_established(Some(ESTABLISHED_MAX))
        .with_max_established_per_peer(Some(PER_PEER_MAX));
    let identify = identify::Config::new(AGENT.to_owned(), key.public())
        .with_agent_version(AGENT.to_owned())
        .with_interval(Duration::from_secs(3_600))
        .with_cache_size(0)
        .with_hide_listen_addrs(true);
    let behaviour = Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        admission: Admission::new(shared.bounds.clone()),
        errands: Errands::new(),
        streams: Streams::new(LINK_PROTOCOL, true),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(PING).with_timeout(PING_TIMEOUT)),
        kad: kademlia(local),
        gossip: gossip()?,
    };
    let transport = Guarded { inner: (transports.mesh)(key, &shared.bounds)?, book }.boxed();
    let spawner = shared.spawner.clone();
    let config = libp2p::swarm::Config::with_executor(move |task| spawner.spawn(task))
        .with_idle_connection_timeout(IDLE)
        .with_max_negotiating_inbound_streams(16);
    Ok(Swarm::new(transport, behaviour, local, config))
}

fn kademlia(local: PeerId) -> kad::Behaviour<Records> {
    let mut config = kad::Config::new(KAD_PROTOCOL);
    config
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        .set_periodic_bootstrap_interval(None)
        // Own descriptors are announced by the mesh's own timer; what others store they announce themselves.
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .set_provider_record_ttl(Some(super::carriers::REMEMBERED))
        .set_caching(kad::Caching::Disabled)
        .set_query_timeout(Duration::from_secs(20))
        .set_parallelism(NonZeroUsize::MIN.saturating_add(4))
        .disjoint_query_paths(true)
        .set_max_packet_size(8 << 10);
    let mut kad = kad::Behaviour::with_config(local, Records::default(), config);
    kad.set_mode(Some(kad::Mode::Server));
    kad
}

fn gossip() -> Result<Gossip, NetError> {
    let wrong = |error: &dyn std::fmt::Display| NetError::Config(error.to_string());
    let config = gossipsub::ConfigBuilder::default()
        .protocol_id_prefix("/karvon/0/gossip")
        .validation_mode(ValidationMode::Anonymous)
        .message_id_fn(|message| {
            let hash = blake3::hash(&message.data);
            MessageId::new(hash.as_bytes())
        })
        .validate_messages()
        .flood_publish(false)
        .max_transmit_size(GOSSIP_BYTES_MAX)
        .duplicate_cache_time(GOSSIP_MEMORY)
        .connection_handler_queue_len(GOSSIP_QUEUE)
        .publish_queue_duration(Duration::from_secs(30))
        .forward_queue_duration(Duration::from_secs(10))
        .max_publish_messages(64)
        .build()
        .map_err(|error| wrong(&error))?;
    let filter = gossipsub::MaxCountSubscriptionFilter {
        filter: gossipsub::WhitelistSubscriptionFilter(topics().collect()),
        max_subscribed_topics: 1 + usize::from(SHARDS),
        max_subscriptions_per_request: 4 + 2 * usize::from(SHARDS),
    };
    let mut gossip = Gossip::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)
        .map_err(|error| wrong(&error))?;
    gossip
        .with_peer_score(scores(), gossipsub::PeerScoreThresholds::default())
        .map_err(|error| wrong(&error))?;
    gossip.subscribe(&topic()).map_err(|error| NetError::Config(format!("{error:?}")))?;
    for shard in 0..SHARDS {
        let topic = IdentTopic::new(format!("/karvon/0/shard/{shard}"));
        gossip.subscribe(&topic).map_err(|error| NetError::Config(format!("{error:?}")))?;
    }
    Ok(gossip)
}

/// Invalid messages and broken gossip rules cost; silence does not, because descriptors are rare.
fn scores() -> gossipsub::PeerScoreParams {
    let topic = gossipsub::TopicScoreParams {
        time_in_mesh_weight: 0.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -10.0,
        invalid_message_deliveries_decay: 0.99,
        ..Default::default()
    };
    gossipsub::PeerScoreParams {
        topics: topics().map(|hash| (hash, topic.clone())).collect(),
        // Who floods with grafts and prunes is not heard for a minute; a mistake is forgiven after seconds.
        behaviour_penalty_decay: 0.9,
        // Many relays may run behind one address: one operator's machines, or a whole test.
        ip_colocation_factor_weight: 0.0,
        ..Default::default()
    }
}

/// Whether `peer` at `addr` may enter the routing table: no network gets more than its share, so that nobody fills it from one place.
pub(super) fn diverse(kad: &mut kad::Behaviour<Records>, peer: PeerId, addr: &Multiaddr) -> bool {
    let net = |addr: &Multiaddr| address::socket(addr).map(|addr| address::network(addr.ip()));
    let Some(own) = net(addr) else { return false };
    let shared = |addresses: &kad::Addresses| addresses.iter().any(|addr| net(addr) == Some(own));
    let Some(bucket) = kad.kbucket(peer) else { return false };
    if bucket.iter().any(|entry| *entry.node.key.preimage() == peer) {
        return true;
    }
    if bucket.iter().filter(|entry| shared(entry.node.value)).count() >= BUCKET_SHARE {
        return false;
    }
    let mut all = 0;
    for bucket in kad.kbuckets() {
        all += bucket.iter().filter(|entry| shared(entry.node.value)).count();
    }
    all < TABLE_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_routing_table_takes_few_relays_of_one_network() {
        let mut kad = kademlia(PeerId::random());
        let mut taken = 0;
        for number in 0..200_u8 {
            let (peer, addr) = (PeerId::random(), format!("/ip4/198.51.100.{number}/tcp/1"));
            let addr: Multiaddr = addr.parse().unwrap();
            if diverse(&mut kad, peer, &addr) {
                kad.add_address(&peer, addr);
                taken += 1;
            }
        }
        assert!((2..=TABLE_SHARE).contains(&taken), "{taken}");
        let elsewhere: Multiaddr = "/ip4/203.0.113.1/tcp/1".parse().unwrap();
        let peer = PeerId::random();
        assert!(diverse(&mut kad, peer, &elsewhere));
    }

    #[test]
    fn the_configuration_is_one_that_libp2p_accepts() {
        assert!(gossip().is_ok());
    }
}
