//! Who an address leads to, and under which address a host is seen.

use super::host::{HostId, Nat};
use super::state::State;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where a dialled address leads.
pub(super) struct Route {
    /// The host there; `None` if nothing answers at all.
    pub(super) to: Option<HostId>,
    /// The dialer's address as that host sees it.
    pub(super) client: SocketAddr,
    /// On the same LAN or the same host.
    pub(super) local: bool,
}

impl State {
    /// Finds the way from `from` to `to`, taking a port for it. `None` if `from` does not exist.
    pub(super) fn route(&mut self, from: HostId, to: SocketAddr) -> Option<Route> {
        let IpAddr::V4(ip) = to.ip() else { return None };
        let (own, public, lan) = {
            let host = self.hosts.get(from.0 as usize)?;
            (host.own, host.public, host.lan)
        };
        let port = self.take_port(from)?;
        let near = if ip == Ipv4Addr::LOCALHOST { Some(from) } else { self.private.get(&ip).copied() };
        if let Some(other) = near {
            let same_lan =
                lan.is_some() && self.hosts.get(other.0 as usize).is_some_and(|host| host.lan == lan);
            if other == from || same_lan {
                return Some(Route { to: Some(other), client: (own, port).into(), local: true });
            }
        }
        let to = self.public.get(&ip).into_iter().flatten().copied().find(|other| {
            self.hosts.get(other.0 as usize).is_some_and(|host| match &host.nat {
                Nat::Open => true,
                Nat::Home { forwards } => forwards.contains(&to.port()),
                Nat::Firewall | Nat::Carrier { .. } => false,
            })
        });
        Some(Route { to, client: (public, port).into(), local: false })
    }

    /// The next port for a flow of `host`. Carrier customers share an address, so their ports are told apart by the host's number.
    fn take_port(&mut self, host: HostId) -> Option<u16> {
        let number = host.0;
        let host = self.hosts.get_mut(number as usize)?;
        host.next_port = if host.next_port >= 60_000 { 20_000 } else { host.next_port + 1 };
        let port = match host.nat {
            // 64 customers with 600 ports each.
            Nat::Carrier { .. } => 20_000 + (number % 64) as u16 * 600 + host.next_port % 600,
            _ => host.next_port,
        };
        Some(port)
    }
}
