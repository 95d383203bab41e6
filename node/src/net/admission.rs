//! Decides which connections from outside may begin, before any handshake is paid for: in all, by address, by network, and not at all
//! while memory or the byte budget is short.

use super::address::{socket, subscriber};
use super::bounds::{Bounds, NetLimits, Refused};
use libp2p::Multiaddr;
use libp2p::PeerId;
use libp2p::core::{Endpoint, transport::PortUse};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
    ToSwarm, dummy,
};
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// Networks whose newcomers are counted at once; those that have been quiet make room.
const NETWORKS_MAX: usize = 8_192;

/// The connection was not admitted.
#[derive(Debug, thiserror::Error)]
#[error("not admitted: {}", .0.name())]
struct NotAdmitted(Refused);

#[derive(Debug, Clone, Copy)]
struct Admitted {
    ip: IpAddr,
    established: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct OfAddress {
    all: u32,
    pending: u32,
}

/// How many newcomers of one network may still come: refilled with time.
#[derive(Debug, Clone, Copy)]
struct Tokens {
    /// Thousandths of a newcomer.
    left: u64,
    at: Instant,
}

/// See the module.
pub(super) struct Admission {
    bounds: Arc<Bounds>,
    connections: HashMap<ConnectionId, Admitted>,
    addresses: HashMap<IpAddr, OfAddress>,
    networks: HashMap<[u8; 7], Tokens>,
    pending: u32,
}

impl Admission {
    pub(super) fn new(bounds: Arc<Bounds>) -> Self {
        Self {
            bounds,
            connections: HashMap::new(),
            addresses: HashMap::new(),
            networks: HashMap::new(),
            pending: 0,
        }
    }

    fn take(&mut self, connection: ConnectionId, remote: &Multiaddr) -> Result<(), ConnectionDenied> {
        let Some(addr) = socket(remote) else { return Ok(()) };
        let ip = subscriber(addr.ip());
        if let Err(why) = self.judge(ip, addr.ip()) {
            self.bounds.count_refused(why);
            return Err(ConnectionDenied::new(NotAdmitted(why)));
        }
        let of_address = self.addresses.entry(ip).or_default();
        of_address.all += 1;
        of_address.pending += 1;
        self.pending += 1;
        self.connections.insert(connection, Admitted { ip, established: false });
        self.bounds.connection_opened();
        Ok(())
    }

    fn judge(&mut self, subscriber: IpAddr, ip: IpAddr) -> Result<(), Refused> {
        if let Some(why) = self.bounds.closed_to_newcomers() {
            return Err(why);
        }
        let limits = self.bounds.limits();
        if self.connections.len() >= limits.connections as usize || self.pending >= limits.pending {
            return Err(Refused::Full);
        }
        if limits.loopback_exempt && ip.to_canonical().is_loopback() {
            return Ok(());
        }
        let held = self.addresses.get(&subscriber).copied().unwrap_or_default();
        if held.all >= limits.per_address || held.pending >= limits.pending_per_address {
            return Err(Refused::Address);
        }
        if self.may_come(ip, &limits) { Ok(()) } else { Err(Refused::Network) }
    }

    fn may_come(&mut self, ip: IpAddr, limits: &NetLimits) -> bool {
        if limits.new_per_network == 0 {
            return true;
        }
        let now = Instant::now();
        let full = u64::from(limits.new_per_network_burst.max(1)) * 1_000;
        let refilled = |tokens: &Tokens| {
            let ms = u64::try_from(now.duration_since(tokens.at).as_millis()).unwrap_or(u64::MAX);
            tokens.left.saturating_add(ms.saturating_mul(u64::from(limits.new_per_network))).min(full)
        };
        if self.networks.len() >= NETWORKS_MAX {
            self.networks.retain(|_, tokens| refilled(tokens) < full);
            if self.networks.len() >= NETWORKS_MAX {
                // So many networks at once is an attack from everywhere: the limits in all have to hold.
                self.networks.clear();
            }
        }
        let tokens = self.networks.entry(neighbours(ip)).or_insert(Tokens { left: full, at: now });
        let left = refilled(tokens);
        let may = left >= 1_000;
        *tokens = Tokens { left: if may { left - 1_000 } else { left }, at: now };
        may
    }

    fn established(&mut self, connection: ConnectionId) {
        if let Some(admitted) = self.connections.get_mut(&connection)
            && !std::mem::replace(&mut admitted.established, true)
        {
            self.pending = self.pending.saturating_sub(1);
            if let Some(held) = self.addresses.get_mut(&admitted.ip) {
                held.pending = held.pending.saturating_sub(1);
            }
        }
    }

    fn release(&mut self, connection: ConnectionId) {
        self.established(connection);
        let Some(admitted) = self.connections.remove(&connection) else { return };
        self.bounds.connection_closed();
        if let Some(held) = self.addresses.get_mut(&admitted.ip) {
            held.all = held.all.saturating_sub(1);
            if held.all == 0 {
                self.addresses.remove(&admitted.ip);
            }
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        // A swarm that is built anew starts with no connections.
        self.connections.keys().for_each(|_| self.bounds.connection_closed());
    }
}

/// What counts as one network for newcomers: /24 of IPv4, /48 of IPv6.
fn neighbours(ip: IpAddr) -> [u8; 7] {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            [4, a, b, c, 0, 0, 0]
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, ..] = ip.octets();
            [6, a, b, c, d, e, f]
        }
    }
}

impl NetworkBehaviour for Admission {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.take(connection, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.established(connection);
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(closed) => self.release(closed.connection_id),
            FromSwarm::ListenFailure(failure) => self.release(failure.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::address::multiaddr;
    use std::net::SocketAddr;
    use std::time::Duration;

    struct Door {
        admission: Admission,
        next: usize,
    }

    impl Door {
        fn new(limits: NetLimits) -> Self {
            Self { admission: Admission::new(Arc::new(Bounds::new(limits))), next: 0 }
        }

        /// A connection that is established at once, if it is admitted.
        fn come(&mut self, ip: &str) -> Result<ConnectionId, Refused> {
            let id = self.begin(ip)?;
            self.admission.established(id);
            Ok(id)
        }

        fn begin(&mut self, ip: &str) -> Result<ConnectionId, Refused> {
            let id = ConnectionId::new_unchecked(self.next);
            self.next += 1;
            let addr = multiaddr(SocketAddr::new(ip.parse().unwrap(), 1));
            match self.admission.take(id, &addr) {
                Ok(()) => Ok(id),
                Err(denied) => Err(denied.downcast::<NotAdmitted>().unwrap().0),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_can_not_take_all_places() {
        let mut door = Door::new(NetLimits { per_address: 3, new_per_network: 0, ..NetLimits::relay() });
        let first = door.come("198.51.100.1").unwrap();
        door.come("198.51.100.1").unwrap();
        door.come("198.51.100.1").unwrap();
        assert_eq!(door.come("198.51.100.1"), Err(Refused::Address));
        door.come("198.51.100.2").unwrap();
        door.admission.release(first);
        door.come("198.51.100.1").unwrap();
        for _ in 0..3 {
            door.come("2001:db8::1").unwrap();
        }
        assert_eq!(door.come("2001:db8::ffff"), Err(Refused::Address), "a /64 is one subscriber");
        assert_eq!(door.admission.bounds.refused(Refused::Address), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn half_open_handshakes_of_one_address_are_few() {
        let limits = NetLimits { pending_per_address: 2, new_per_network: 0, ..NetLimits::relay() };
        let mut door = Door::new(limits);
        let first = door.begin("198.51.100.1").unwrap();
        door.begin("198.51.100.1").unwrap();
        assert_eq!(door.begin("198.51.100.1"), Err(Refused::Address));
        door.admission.established(first);
        door.begin("198.51.100.1").unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_that_floods_is_slowed_and_others_are_not() {
        let mut door = Door::new(NetLimits::relay());
        for host in 0..40 {
            let id = door.come(&format!("203.0.113.{host}")).unwrap();
            door.admission.release(id);
        }
        assert_eq!(door.come("203.0.113.200"), Err(Refused::Network));
        door.come("203.0.112.200").unwrap();
        tokio::time::advance(Duration::from_millis(200)).await;
        door.come("203.0.113.200").unwrap();
        door.come("203.0.113.201").unwrap();
        assert_eq!(door.come("203.0.113.202"), Err(Refused::Network));
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_a_bound_in_all_and_places_come_back() {
        let limits = NetLimits { connections: 4, pending: 3, ..NetLimits::relay() };
        let mut door = Door::new(limits);
        let ids: Vec<_> = (0..3).map(|host| door.begin(&format!("198.51.{host}.1")).unwrap()).collect();
        assert_eq!(door.begin("198.51.9.1"), Err(Refused::Full), "too many handshakes");
        ids.iter().for_each(|id| door.admission.established(*id));
        door.come("198.51.9.1").unwrap();
        assert_eq!(door.come("198.51.10.1"), Err(Refused::Full));
        assert_eq!(door.admission.bounds.connections(), 4);
        ids.iter().for_each(|id| door.admission.release(*id));
        assert_eq!(door.admission.bounds.connections(), 1);
        door.admission.bounds.close_to_newcomers(Some(Refused::Memory));
        assert_eq!(door.come("198.51.11.1"), Err(Refused::Memory));
    }

    #[tokio::test(start_paused = true)]
    async fn this_machine_is_exempt_only_if_told_so() {
        let exempt =
            NetLimits { per_address: 1, new_per_network: 1, new_per_network_burst: 1, ..NetLimits::relay() };
        let mut door = Door::new(exempt);
        for _ in 0..50 {
            door.come("127.0.0.1").unwrap();
        }
        let mut door = Door::new(NetLimits { loopback_exempt: false, ..exempt });
        door.come("127.0.0.1").unwrap();
        assert_eq!(door.come("127.0.0.1"), Err(Refused::Address));
    }
}
