//! Dialling other relays back on their request: from where they ask, and nowhere else.

use super::swarm::Mesh;
use crate::net::Inner;
use crate::net::address::peer_of;
use crate::net::reach::Errand;
use karvon_protocol::descriptor::Descriptor;
use karvon_protocol::reach::{DialSeed, Findings};
use std::net::IpAddr;
use tokio::time::Instant;

/// Addresses that were dialled lately, remembered for this long: keys are free, addresses are not.
const PER_ADDRESS: std::time::Duration = std::time::Duration::from_secs(30);

impl Mesh<'_> {
    /// Dials the relay of `descriptor` back in a task of its own. The core sees to it that there is one at a time.
    pub(super) async fn dial_back(&mut self, token: u64, seed: DialSeed, descriptor: &Descriptor) {
        let seen = peer_of(&descriptor.mesh_key).and_then(|peer| {
            let list = self.connections.get(&peer)?;
            list.iter().rev().find(|one| !one.superfluous).and_then(|one| one.remote)
        });
        let Some(seen) = seen.filter(|ip| self.may_dial_back(*ip)) else {
            return self.shared.tell(Inner::DialledBack(token, Findings::BUSY)).await;
        };
        let errand = Errand {
            transports: self.config.transports.clone(),
            common: self.config.common.clone(),
            seed,
            descriptor: descriptor.clone(),
            seen,
            allow_private: self.config.allow_private,
        };
        let shared = self.shared.clone();
        self.shared.spawner.spawn(Box::pin(async move {
            let findings = errand.run().await;
            shared.tell(Inner::DialledBack(token, findings)).await;
        }));
    }

    /// Whether this address was not dialled a moment ago; remembers it.
    fn may_dial_back(&mut self, ip: IpAddr) -> bool {
        if self.shared.bounds.limits().loopback_exempt && ip.is_loopback() {
            return true;
        }
        let now = Instant::now();
        self.state.dialled_back.retain(|_, at| now.duration_since(*at) < PER_ADDRESS);
        let known = self.state.dialled_back.contains_key(&ip);
        if !known {
            self.state.dialled_back.insert(ip, now);
        }
        !known
    }
}
