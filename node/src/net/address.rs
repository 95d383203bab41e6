//! Conversions between Karvon's keys and addresses and those of libp2p; nothing of libp2p leaves `net`.

use super::NetError;
use karvon_protocol::descriptor::RelayAddr;
use libp2p::identity::{Keypair, PublicKey, ed25519};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use std::net::{IpAddr, SocketAddr};
use zeroize::Zeroizing;

/// The multihash code of PeerIds that carry their public key.
const IDENTITY_HASH: u64 = 0;

pub(super) fn keypair(seed: &[u8; 32]) -> Result<Keypair, NetError> {
    let mut copy = Zeroizing::new(*seed);
    Keypair::ed25519_from_bytes(&mut copy[..]).map_err(|_| NetError::Key)
}

/// The public transport key (Ed25519) that belongs to `seed`.
///
/// # Errors
/// [`NetError::Key`]; does not occur for 32 bytes.
pub fn public_key(seed: &[u8; 32]) -> Result<[u8; 32], NetError> {
    key_of(&keypair(seed)?.public()).ok_or(NetError::Key)
}

fn key_of(key: &PublicKey) -> Option<[u8; 32]> {
    key.clone().try_into_ed25519().ok().map(|key| key.to_bytes())
}

/// The Ed25519 key that a PeerId carries; the connection's handshake has proved that the peer owns it.
pub(super) fn peer_key(peer: &PeerId) -> Option<[u8; 32]> {
    let hash = peer.as_ref();
    if hash.code() != IDENTITY_HASH {
        return None;
    }
    PublicKey::try_decode_protobuf(hash.digest()).ok().as_ref().and_then(key_of)
}

pub(super) fn peer_of(key: &[u8; 32]) -> Option<PeerId> {
    ed25519::PublicKey::try_from_bytes(key).ok().map(|key| PublicKey::from(key).to_peer_id())
}

pub(super) fn multiaddr(addr: SocketAddr) -> Multiaddr {
    Multiaddr::from(addr.ip()).with(Protocol::Tcp(addr.port()))
}

/// The socket address that `addr` starts with.
pub(super) fn socket(addr: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = addr.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

/// Whether `addr` may be dialled: on the internet, or anywhere if private addresses are allowed; never without a port.
pub(super) fn dialable(addr: &RelayAddr, allow_private: bool) -> bool {
    addr.socket().port() != 0 && (allow_private || addr.is_global())
}

/// What counts as one network for diversity: /16 of IPv4, /32 of IPv6.
pub(super) fn network(ip: IpAddr) -> [u8; 5] {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            [4, a, b, 0, 0]
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.octets();
            [6, a, b, c, d]
        }
    }
}

/// What counts as one subscriber for limits: an IPv4 address, or a /64 of IPv6.
pub(super) fn subscriber(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_addresses_survive_the_way_through_libp2p() {
        let pair = keypair(&[7; 32]).unwrap();
        let peer = pair.public().to_peer_id();
        let key = public_key(&[7; 32]).unwrap();
        assert_eq!(peer_key(&peer), Some(key));
        assert_eq!(peer_of(&key), Some(peer));
        for addr in ["203.0.113.4:9", "[2001:db8::1]:65535"] {
            let addr: SocketAddr = addr.parse().unwrap();
            assert_eq!(socket(&multiaddr(addr)), Some(addr));
        }
    }

    #[test]
    fn one_network_and_one_subscriber_are_told_from_others() {
        let net = |ip: &str| network(ip.parse().unwrap());
        assert_eq!(net("198.51.100.1"), net("198.51.7.200"));
        assert_eq!(net("198.51.100.1"), net("::ffff:198.51.0.1"));
        assert_ne!(net("198.51.100.1"), net("198.52.100.1"));
        assert_ne!(net("2001:db8::1"), net("2001:db9::1"));
        let one = |ip: &str| subscriber(ip.parse().unwrap());
        assert_eq!(one("2001:db8::1"), one("2001:db8::ffff:1"));
        assert_ne!(one("2001:db8:0:1::1"), one("2001:db8:0:2::1"));
        assert_ne!(one("198.51.100.1"), one("198.51.100.2"));
    }

    #[test]
    fn private_addresses_are_dialled_only_when_allowed() {
        let addr = |text: &str| RelayAddr::Ip(text.parse().unwrap());
        assert!(!dialable(&addr("127.0.0.1:5"), false));
        assert!(dialable(&addr("127.0.0.1:5"), true));
        assert!(dialable(&addr("9.9.9.9:5"), false));
        assert!(!dialable(&addr("9.9.9.9:0"), true));
    }
}
