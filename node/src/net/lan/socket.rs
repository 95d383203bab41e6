//! The sockets on one local network: where presence is heard, where answers come, and where sessions are taken.

use crate::os::networks::Network;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
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
/// Karvon away everywhere.
fn everybody(network: &Network) -> SocketAddrV4 {
    let mut hasher = blake3::Hasher::new_derive_key("karvon 2026 local group v1");
    hasher.update(&network.base().octets()).update(&[network.prefix]);
    let hash = hasher.finalize();
    let [high, low, a, b, ..] = *hash.as_bytes();
    // The site-local block, whose datagrams no router passes on.
    SocketAddrV4::new(Ipv4Addr::new(239, 255, high, low), 20_000 + u16::from_be_bytes([a, b]) % 20_000)
}

impl Sockets {
    pub(super) async fn open(network: &Network) -> io::Result<Self> {
        let everybody = everybody(network);
        let all = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        // Two people's programs on one computer both hear.
        all.set_reuse_address(true)?;
        // Only what is sent to the group, where the system can tell.
        let place = if cfg!(unix) { *everybody.ip() } else { Ipv4Addr::UNSPECIFIED };
        all.bind(&SocketAddr::from((place, everybody.port())).into())?;
        all.join_multicast_v4(everybody.ip(), &network.address)?;
        all.set_nonblocking(true)?;
        let own = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        own.set_multicast_if_v4(&network.address)?;
        // Not beyond this network.
        own.set_multicast_ttl_v4(1)?;
        own.set_multicast_loop_v4(true)?;
        own.bind(&SocketAddr::from((network.address, 0)).into())?;
        own.set_nonblocking(true)?;
        let sessions = TcpSocket::new_v4()?;
        sessions.bind(SocketAddr::from((network.address, 0)))?;
        Ok(Self {
            all: UdpSocket::from_std(all.into())?,
            own: UdpSocket::from_std(own.into())?,
            sessions: sessions.listen(BACKLOG)?,
            everybody: everybody.into(),
        })
    }
}

/// A connection to a neighbour, from this network's address.
pub(super) async fn connect(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    socket.connect(to).await
}
