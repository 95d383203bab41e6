//! Gossip of cells on shards: nothing is passed on before the relay's core has judged it.

use super::behaviour;
use super::swarm::Mesh;
use crate::net::Inner;
use karvon_protocol::limits::SHARDS;
use karvon_protocol::relay::api::Verdict;
use libp2p::PeerId;
use libp2p::gossipsub::{MessageAcceptance, MessageId, PublishError};
use std::collections::{HashMap, VecDeque};

/// Units that wait for a verdict; more are ignored.
const WAITING_MAX: usize = 512;
/// Own units that nobody was there to hear.
const UNHEARD_MAX: usize = 512;

/// What the swarm remembers of units.
#[derive(Default)]
pub(super) struct Units {
    next: u64,
    waiting: HashMap<u64, (MessageId, PeerId)>,
    unheard: VecDeque<(u16, Vec<u8>)>,
}

impl Mesh<'_> {
    /// A unit came from another relay.
    pub(super) async fn on_unit(&mut self, source: PeerId, id: MessageId, bytes: Vec<u8>) {
        let units = &mut self.units;
        if units.waiting.len() >= WAITING_MAX {
            let gossip = &mut self.swarm.behaviour_mut().gossip;
            gossip.report_message_validation_result(&id, &source, MessageAcceptance::Ignore);
            return;
        }
        units.next += 1;
        let token = units.next;
        units.waiting.insert(token, (id, source));
        self.shared.tell(Inner::Gossip(token, bytes)).await;
    }

    /// The core's verdict on a unit.
    pub(super) fn judged(&mut self, token: u64, verdict: Verdict) {
        let Some((id, source)) = self.units.waiting.remove(&token) else { return };
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        };
        self.swarm.behaviour_mut().gossip.report_message_validation_result(&id, &source, acceptance);
    }

    /// Gossips a unit of this relay; without anybody to hear it, it waits until somebody is there.
    pub(super) fn spread(&mut self, shard: u16, bytes: Vec<u8>) {
        if shard >= SHARDS {
            return;
        }
        let topic = behaviour::shard_topic(shard);
        let published = self.swarm.behaviour_mut().gossip.publish(topic, bytes.clone());
        if matches!(published, Err(PublishError::NoPeersSubscribedToTopic | PublishError::AllQueuesFull(_)))
            && self.units.unheard.len() < UNHEARD_MAX
        {
            self.units.unheard.push_back((shard, bytes));
        }
    }

    /// Somebody listens now.
    pub(super) fn spread_again(&mut self) {
        for (shard, bytes) in std::mem::take(&mut self.units.unheard) {
            self.spread(shard, bytes);
        }
    }
}
