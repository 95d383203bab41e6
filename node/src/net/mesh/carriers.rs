//! Who carries which shard: relays say so in Kademlia, and look there for neighbours when they hear too few on a shard.
//!
//! Neither is worth a connection: those that are there are told and asked.
//!
//! Every relay carries all shards today. That others are found by shard is what lets a relay carry some of them later.

use super::behaviour;
use super::swarm::Mesh;
use crate::net::address::multiaddr;
use karvon_protocol::ids::RelayId;
use karvon_protocol::limits::SHARDS;
use libp2p::PeerId;
use libp2p::kad::{ProviderRecord, RecordKey, store::RecordStore as _};
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// One shard is announced at a time: so far apart until each was once, and then.
const ANNOUNCE: (Duration, Duration) = (Duration::from_secs(120), Duration::from_secs(3_600));
/// What others remember of it: each shard comes up in time again.
pub(super) const REMEMBERED: Duration = Duration::from_secs(24 * 3_600);
/// Neighbours on a shard below which others are looked for, and how often.
const FEW: usize = 3;
const LOOK: Duration = Duration::from_secs(60);

/// The key in Kademlia under which the carriers of a shard are found.
#[must_use]
pub fn carrier_key(shard: u16) -> [u8; 32] {
    blake3::derive_key("karvon 2026 shard carriers v1", &shard.to_be_bytes())
}

/// The keys of all shards.
pub(super) fn carrier_keys() -> impl Iterator<Item = RecordKey> {
    (0..SHARDS).map(|shard| RecordKey::new(&carrier_key(shard)))
}

/// What is being announced and looked for.
pub(super) struct Carriers {
    announced: u16,
    next_announcement: Instant,
    next_look: Instant,
    /// Relays that said they carry a shard on which too few were heard.
    preferred: HashSet<RelayId>,
}

impl Carriers {
    pub(super) fn new(now: Instant) -> Self {
        Self { announced: 0, next_announcement: now, next_look: now + LOOK, preferred: HashSet::new() }
    }

    /// Whether this relay is dialled before others.
    pub(super) fn prefers(&self, relay: &RelayId) -> bool {
        self.preferred.contains(relay)
    }
}

impl Mesh<'_> {
    /// The regular look: announces the next shard, and looks for carriers of one on which few are heard.
    pub(super) fn tend_carriers(&mut self, now: Instant) {
        let listed = self.state.own.as_ref().is_some_and(|own| own.listed);
        if !listed || self.speaks_kad.is_empty() {
            return;
        }
        if now >= self.carriers.next_announcement {
            let shard = self.carriers.announced % SHARDS;
            let first = self.carriers.announced < SHARDS;
            self.carriers.announced = self.carriers.announced.checked_add(1).unwrap_or(SHARDS);
            let pause = if first { ANNOUNCE.0 } else { ANNOUNCE.1 };
            self.carriers.next_announcement = now + self.state.keeper.jitter(pause);
            self.carry(shard);
        }
        if now >= self.carriers.next_look {
            self.carriers.next_look = now + self.state.keeper.jitter(LOOK);
            self.carriers.preferred.clear();
            let gossip = &self.swarm.behaviour().gossip;
            let heard = |shard: &u16| gossip.mesh_peers(&behaviour::shard_topic(*shard)).count();
            let thinnest = (0..SHARDS).min_by_key(heard).filter(|shard| heard(shard) < FEW);
            if let Some(shard) = thinnest {
                let key = RecordKey::new(&carrier_key(shard));
                let behaviour = self.swarm.behaviour_mut();
                behaviour.errands.keep_quiet();
                behaviour.kad.get_providers(key);
            }
        }
    }

    /// Says that this relay carries a shard.
    fn carry(&mut self, shard: u16) {
        let key = RecordKey::new(&carrier_key(shard));
        // The store takes every shard's key. It keeps no record of this relay itself: libp2p would add the addresses it listens on, which
        // may be those of a home. Whoever keeps the record takes the address from this relay's descriptor.
        let behaviour = self.swarm.behaviour_mut();
        behaviour.errands.keep_quiet();
        let _ = behaviour.kad.start_providing(key);
    }

    /// A relay says that it carries a shard: believed of relays with a verified descriptor, at the address that this names.
    pub(super) fn on_carrier(&mut self, record: ProviderRecord) {
        let addresses: Vec<_> =
            self.state.book.addresses(&record.provider).into_iter().map(multiaddr).collect();
        if !addresses.is_empty() {
            let record = ProviderRecord { addresses, ..record };
            // The store refuses what is no shard; nobody is to blame for more than that.
            let _ = self.swarm.behaviour_mut().kad.store_mut().add_provider(record);
        }
    }

    /// Carriers of a shard were found.
    pub(super) fn found_carriers(&mut self, providers: HashSet<PeerId>) {
        for peer in providers {
            self.carriers.preferred.extend(self.state.book.relays(&peer));
        }
        self.soon();
    }
}
