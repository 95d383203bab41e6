//! Decides which connections from outside may begin, before any handshake is paid for: in all, by address, by network, and not at all
//! while memory or the byte budget is short.
//!
//! Who begins handshakes and does not finish them must not keep others out: when all places for handshakes are taken, the network with
//! the most of them gives up its oldest.

use super::address::{socket, subscriber};
use super::bounds::{Bounds, NetLimits, Refused};
use super::handshakes::Handshake;
use libp2p::Multiaddr;
use libp2p::PeerId;
use libp2p::core::{Endpoint, transport::PortUse};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
    ToSwarm, dummy,
};
use std::collections::{BTreeMap, HashMap};
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

#[derive(Debug, Clone)]
struct Admitted {
    /// The subscriber.
    ip: IpAddr,
    network: [u8; 7],
    handshake: Arc<Handshake>,
    /// Its number among handshakes, while it is one.
    pending: Option<u64>,
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
    /// Handshakes under way, the oldest first.
    pending: BTreeMap<u64, ConnectionId>,
    next: u64,
}

impl Admission {
    pub(super) fn new(bounds: Arc<Bounds>) -> Self {
        Self {
            bounds,
            connections: HashMap::new(),
            addresses: HashMap::new(),
            networks: HashMap::new(),
            pending: BTreeMap::new(),
            next: 0,
        }
    }

    fn take(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let Some(addr) = socket(remote) else { return Ok(()) };
        let ip = subscriber(addr.ip());
        if let Err(why) = self.judge(ip, addr.ip()) {
            self.bounds.count_refused(why);
            // To be sent away costs the line as much as to come in.
            self.bounds.count_handshake();
            return Err(ConnectionDenied::new(NotAdmitted(why)));
        }
        let of_address = self.addresses.entry(ip).or_default();
        of_address.all += 1;
        of_address.pending += 1;
        self.next += 1;
        self.pending.insert(self.next, connection);
        let handshake = self.bounds.handshakes().begin(local, remote);
        let admitted = Admitted { ip, network: neighbours(addr.ip()), handshake, pending: Some(self.next) };
        self.connections.insert(connection, admitted);
        self.bounds.connection_opened();
        Ok(())
    }

    fn judge(&mut self, subscriber: IpAddr, ip: IpAddr) -> Result<(), Refused> {
        if let Some(why) = self.bounds.closed_to_newcomers() {
            return Err(why);
        }
        let limits = self.bounds.limits();
        let full = self.connections.len() >= limits.connections as usize
            || self.pending.len() >= limits.pending as usize;
        if limits.loopback_exempt && ip.to_canonical().is_loopback() {
            return if full { Err(Refused::Full) } else { Ok(()) };
        }
        // The limits of one address and one network come first: who is over them makes nobody give way.
        let held = self.addresses.get(&subscriber).copied().unwrap_or_default();
        if held.all >= limits.per_address || held.pending >= limits.pending_per_address {
            return Err(Refused::Address);
        }
        if !self.may_come(ip, &limits) {
            return Err(Refused::Network);
        }
        if full && !self.make_room() { Err(Refused::Full) } else { Ok(()) }
    }

    /// Gives up the oldest handshake of the network that has the most of them; false if there is none.
    fn make_room(&mut self) -> bool {
        let network = |connection| self.connections.get(connection).map(|held| held.network);
        let mut counts: HashMap<[u8; 7], u32> = HashMap::new();
        for network in self.pending.values().filter_map(network) {
            *counts.entry(network).or_default() += 1;
        }
        let count = |connection| network(connection).and_then(|network| counts.get(&network)).copied();
        // Of equal ones the first is taken, which is the oldest.
        let victim = self.pending.values().rev().max_by_key(|connection| count(*connection)).copied();
        let Some(victim) = victim else { return false };
        if let Some(held) = self.connections.get(&victim) {
            held.handshake.give_up();
        }
        self.release(victim);
        self.bounds.count_refused(Refused::Full);
        true
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

    /// A handshake succeeded; false if it had to give way a moment before.
    fn established(&mut self, connection: ConnectionId) -> bool {
        let Some(held) = self.connections.get_mut(&connection) else { return false };
        if let Some(number) = held.pending.take() {
            held.handshake.done();
            self.pending.remove(&number);
            if let Some(of_address) = self.addresses.get_mut(&held.ip) {
                of_address.pending = of_address.pending.saturating_sub(1);
            }
        }
        true
    }

    fn release(&mut self, connection: ConnectionId) {
        let Some(gone) = self.connections.remove(&connection) else { return };
        self.bounds.handshakes().forget(&gone.handshake);
        self.bounds.connection_closed();
        let was_pending = gone.pending.is_some_and(|number| self.pending.remove(&number).is_some());
        if let Some(held) = self.addresses.get_mut(&gone.ip) {
            held.all = held.all.saturating_sub(1);
            held.pending = held.pending.saturating_sub(u32::from(was_pending));
            if held.all == 0 {
                self.addresses.remove(&gone.ip);
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
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.take(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        // What has no address of its own was never counted.
        if !self.established(connection) && socket(remote).is_some() {
            return Err(ConnectionDenied::new(NotAdmitted(Refused::Full)));
        }
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
            assert!(self.admission.established(id));
            Ok(id)
        }

        fn begin(&mut self, ip: &str) -> Result<ConnectionId, Refused> {
            let id = ConnectionId::new_unchecked(self.next);
            self.next += 1;
            let addr = multiaddr(SocketAddr::new(ip.parse().unwrap(), 1));
            match self.admission.take(id, &multiaddr(SocketAddr::from(([0, 0, 0, 0], 2))), &addr) {
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
        ids.iter().for_each(|id| assert!(door.admission.established(*id)));
        door.come("198.51.9.1").unwrap();
        assert_eq!(door.come("198.51.10.1"), Err(Refused::Full));
        assert_eq!(door.admission.bounds.connections(), 4);
        ids.iter().for_each(|id| door.admission.release(*id));
        assert_eq!(door.admission.bounds.connections(), 1);
        door.admission.bounds.close_to_newcomers(Some(Refused::Memory));
        assert_eq!(door.come("198.51.11.1"), Err(Refused::Memory));
    }

    #[tokio::test(start_paused = true)]
    async fn the_busiest_network_gives_up_its_oldest_handshake_and_what_is_established_stays() {
        let limits = NetLimits { connections: 8, pending: 4, new_per_network: 0, ..NetLimits::relay() };
        let mut door = Door::new(limits);
        let inside = door.come("203.0.113.1").unwrap();
        let others: Vec<_> =
            ["198.51.1.1", "198.51.1.2", "198.51.2.1", "198.51.1.3"].map(|ip| door.begin(ip).unwrap()).into();
        let newcomer = door.begin("192.0.2.1").unwrap();
        let [oldest, _, elsewhere, _] = others[..] else { panic!("four") };
        assert!(!door.admission.established(oldest), "the oldest of the three in one network");
        assert!(door.admission.established(newcomer) && door.admission.established(elsewhere));
        // Places for all connections: a handshake gives way, somebody inside never does.
        for host in 1..=6 {
            door.begin(&format!("192.0.{host}.9")).unwrap();
        }
        assert!(door.admission.established(inside) && door.admission.established(newcomer));
        assert!(door.admission.bounds.connections() <= 8);
        let mut full = Door::new(NetLimits { connections: 2, ..limits });
        full.come("192.0.2.1").unwrap();
        full.come("192.0.3.1").unwrap();
        assert_eq!(full.begin("192.0.4.1"), Err(Refused::Full));
    }

    #[tokio::test(start_paused = true)]
    async fn a_handshake_that_gave_way_is_told_so_and_forgotten() {
        let limits = NetLimits { pending: 1, new_per_network: 0, ..NetLimits::relay() };
        let mut door = Door::new(limits);
        let (local, remote) = ([0, 0, 0, 0], [198, 51, 1, 1]);
        let of = |ip: [u8; 4], port| multiaddr(SocketAddr::from((ip, port)));
        door.begin("198.51.1.1").unwrap();
        let bounds = door.admission.bounds.clone();
        let first = bounds.handshakes().take(&of(local, 2), &of(remote, 1)).unwrap();
        door.begin("198.51.2.1").unwrap();
        let cx = Context::from_waker(std::task::Waker::noop());
        assert!(first.check(&cx).is_err());
        drop(door);
        assert_eq!(bounds.connections(), 0);
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
