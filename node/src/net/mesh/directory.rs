//! How the mesh swarm learns of relays and tells of itself: gossip, Kademlia records, and what it hands to newcomers.

use super::Own;
use super::adverts::{Budget, Verdict, judge};
use super::behaviour;
use super::records::record;
use super::swarm::Mesh;
use crate::net::Inner;
use crate::net::address::{dialable, multiaddr};
use karvon_protocol::descriptor::{Descriptor, flags};
use karvon_protocol::ids::RelayId;
use libp2p::PeerId;
use libp2p::gossipsub::{self, MessageAcceptance};
use libp2p::kad::{self, store::RecordStore as _};
use tokio::time::Instant;

/// Descriptors handed to a relay that has just connected.
const HANDED_OVER: usize = 24;
/// Searches for a relay's descriptor under way.
const LOOKUPS_MAX: usize = 8;

impl Mesh<'_> {
    pub(super) fn learned(&mut self, descriptor: &Descriptor, bytes: Vec<u8>) {
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

    pub(super) fn publish(&mut self, descriptor: &Descriptor, bytes: Vec<u8>) {
        let listed = descriptor.flags & flags::BRIDGE == 0;
        self.state.own = Some(Own { relay: descriptor.relay(), seq: descriptor.seq, listed, bytes });
        // Whoever serves Kademlia is told to strangers by those that are connected with it, and asks strangers itself.
        let behaviour = self.swarm.behaviour_mut();
        behaviour.kad.set_mode(Some(if listed { kad::Mode::Server } else { kad::Mode::Client }));
        behaviour.errands.set_hidden(!listed);
        self.announce();
        self.soon();
    }

    /// Says who this relay is, unless it is unlisted.
    pub(super) fn announce(&mut self) {
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
    pub(super) fn route(&mut self, peer: PeerId) {
        for addr in self.state.book.addresses(&peer) {
            let addr = multiaddr(addr);
            let kad = &mut self.swarm.behaviour_mut().kad;
            if self.config.allow_private || behaviour::diverse(kad, peer, &addr) {
                kad.add_address(&peer, addr);
            }
        }
    }

    /// Hands a newcomer the own descriptor and some others: what was gossiped before its time it can not have heard.
    pub(super) fn hand_over(&mut self, peer: PeerId) {
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

    pub(super) async fn heard(&mut self, source: PeerId, bytes: Vec<u8>) -> Verdict {
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

    pub(super) fn look_up(&mut self, relay: RelayId) {
        if self.lookups.len() < LOOKUPS_MAX && !self.speaks_kad.is_empty() {
            let key = record(&relay, Vec::new()).key;
            let query = self.swarm.behaviour_mut().kad.get_record(key);
            self.lookups.insert(query);
        }
    }

    pub(super) async fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message }
                if message.topic != behaviour::topic_hash() =>
            {
                self.on_unit(propagation_source, message_id, message.data).await;
            }
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                let acceptance = match self.heard(propagation_source, message.data).await {
                    Verdict::New => MessageAcceptance::Accept,
                    Verdict::Useless => MessageAcceptance::Ignore,
                    Verdict::Forged => MessageAcceptance::Reject,
                };
                let gossip = &mut self.swarm.behaviour_mut().gossip;
                gossip.report_message_validation_result(&message_id, &propagation_source, acceptance);
            }
            gossipsub::Event::Subscribed { topic, .. } => {
                self.soon();
                // Relays subscribe to the shards they carry as well; this one is told of once.
                let to_all = topic == behaviour::topic_hash();
                if let Some(own) = self.state.own.as_ref().filter(|own| own.listed && to_all) {
                    // Fails harmlessly if it went out a moment ago.
                    let gossip = &mut self.swarm.behaviour_mut().gossip;
                    let _ = gossip.publish(behaviour::topic_hash(), own.bytes.clone());
                }
            }
            _ => {}
        }
    }

    pub(super) async fn on_kad(&mut self, event: kad::Event) {
        match event {
            kad::Event::InboundRequest {
                request: kad::InboundRequest::PutRecord { source, record: Some(record), .. },
            } => {
                self.heard(source, record.value).await;
            }
            kad::Event::InboundRequest {
                request: kad::InboundRequest::AddProvider { record: Some(record) },
            } => self.on_carrier(record),
            kad::Event::OutboundQueryProgressed {
                result:
                    kad::QueryResult::GetProviders(Ok(kad::GetProvidersOk::FoundProviders { providers, .. })),
                ..
            } => self.found_carriers(providers),
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
