//! The sockets on one local network: where presence is heard, where answers come, and where sessions are taken.

use crate::os::networks::{Network, octets};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

/// Sessions that may wait to be looked at.
const BACKLOG: u32 = 16;

/// Open sockets on one network.
#[derive(Debug)]
pub(super) struct Sockets {
    /// Hears what is sent to everybody.
    pub(super) all: UdpSocket,
    /// Sends, and hears answers; its port is another one at each start.
    pub(super) own: UdpSocket,
    /// Takes sessions; its port is another one at each start.
    pub(super) sessions: TcpListener,
    pub(super) everybody: SocketAddr,
}

/// Where presence is told on a network: the same for all its devices, and another one on most other networks, so that no one number gives
/// Karvon away everywhere. A link of IPv6 without a router has nothing that all its devices see but none elsewhere do.
fn everybody(network: &Network) -> SocketAddr {
    let mut hasher = blake3::Hasher::new_derive_key("karvon 2026 local group v1");
    hasher.update(&octets(network.base())).update(&[network.prefix]);
    if let (IpAddr::V6(_), Some(router)) = (network.address, network.router) {
        hasher.update(&octets(router));
    }
    let hash = hasher.finalize();
    let [high, low, a, b, rest @ ..] = *hash.as_bytes();
    let port = 20_000 + u16::from_be_bytes([a, b]) % 20_000;
    match network.address {
        // The site-local block, whose datagrams no router passes on.
        IpAddr::V4(_) => (Ipv4Addr::new(239, 255, high, low), port).into(),
        // Transient groups of the link (RFC 4291), of which the last 32 bits are for the taking (RFC 3307).
        IpAddr::V6(_) => {
            let [c, d, e, ..] = rest;
            let group = Ipv6Addr::new(
                0xff12,
                0,
                0,
                0,
                0,
                0,
                0x8000 | u16::from_be_bytes([c, d]),
                u16::from_be_bytes([e, high]),
            );
            SocketAddrV6::new(group, port, 0, network.scope).into()
        }
    }
}

impl Sockets {
    pub(super) async fn open(network: &Network) -> io::Result<Self> {
        let everybody = everybody(network);
        let domain = Domain::for_address(everybody);
        let all = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        let own = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        // Two people's programs on one computer both hear.
        all.set_reuse_address(true)?;
        let place = match everybody {
            // Only what is sent to the group, where the system can tell.
            place if cfg!(unix) => place,
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, everybody.port()).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, everybody.port()).into(),
        };
        // Not beyond this network, and to two programs on one computer.
        match (network.address, everybody) {
            (IpAddr::V4(address), SocketAddr::V4(group)) => {
                all.bind(&place.into())?;
                all.join_multicast_v4(group.ip(), &address)?;
                own.set_multicast_if_v4(&address)?;
                own.set_multicast_ttl_v4(1)?;
                own.set_multicast_loop_v4(true)?;
            }
            (_, SocketAddr::V6(group)) => {
                all.set_only_v6(true)?;
                own.set_only_v6(true)?;
                all.bind(&place.into())?;
                all.join_multicast_v6(group.ip(), network.scope)?;
                own.set_multicast_if_v6(network.scope)?;
                own.set_multicast_hops_v6(1)?;
                own.set_multicast_loop_v6(true)?;
            }
            (IpAddr::V6(_), SocketAddr::V4(_)) => return Err(io::ErrorKind::InvalidInput.into()),
        }
        all.set_nonblocking(true)?;
        own.bind(&network.at(network.address, 0).into())?;
        own.set_nonblocking(true)?;
        let sessions = tcp(network)?;
        Ok(Self {
            all: UdpSocket::from_std(all.into())?,
            own: UdpSocket::from_std(own.into())?,
            sessions: sessions.listen(BACKLOG)?,
            everybody,
        })
    }
}

/// A socket at this network's address and a port of the system's choice.
fn tcp(network: &Network) -> io::Result<TcpSocket> {
    let socket = if network.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind(network.at(network.address, 0))?;
    Ok(socket)
}

/// A connection to a neighbour, from this network's address.
pub(super) async fn connect(network: &Network, to: SocketAddr) -> io::Result<TcpStream> {
    tcp(network)?.connect(to).await
}
