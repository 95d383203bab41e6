//! Dialling a relay back: who is expected where, and the dials themselves, which leave nothing open behind them.

use super::address::{dialable, multiaddr, peer_key};
use super::transport::{Secured, Transports};
use super::veil::{Common, locked};
use super::{NetError, address};
use futures::FutureExt as _;
use karvon_protocol::descriptor::{Descriptor, RelayAddr};
use karvon_protocol::reach::{DialSeed, Dialled, Findings};
use libp2p::core::transport::{DialOpts, PortUse};
use libp2p::core::{Endpoint, Transport as _};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long one dial may take, handshakes included.
const PATIENCE: Duration = Duration::from_secs(12);
/// How long a connection stays once its handshake is over: the other side must have seen it.
const SHOWN: Duration = Duration::from_millis(500);

/// An announced address of this relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Where leaves connect.
    Door,
    /// Where relays connect.
    Mesh,
}

#[derive(Debug, Default)]
struct Inner {
    expected: Option<[u8; 32]>,
    door: Option<[u8; 32]>,
    mesh: Option<[u8; 32]>,
}

/// Who was asked to dial this relay back, and at which of its addresses they came. A relay that only says that it dialled proves nothing.
#[derive(Debug, Default)]
pub struct DialledBack(Mutex<Inner>);

impl DialledBack {
    /// From now on whoever comes under this key was asked to.
    pub(super) fn expect(&self, key: [u8; 32]) {
        locked(&self.0).expected = Some(key);
    }

    /// Somebody came; true if they were asked to.
    pub(super) fn came(&self, key: [u8; 32], place: Place) -> bool {
        let mut inner = locked(&self.0);
        let expected = inner.expected == Some(key);
        if expected {
            match place {
                Place::Door => inner.door = Some(key),
                Place::Mesh => inner.mesh = Some(key),
            }
        }
        expected
    }

    /// Whether the relay with this key came at the door and at the mesh address.
    #[must_use]
    pub fn by(&self, key: &[u8; 32]) -> (bool, bool) {
        let inner = locked(&self.0);
        (inner.door.as_ref() == Some(key), inner.mesh.as_ref() == Some(key))
    }
}

/// One relay that is to be dialled.
pub(super) struct Errand {
    pub(super) transports: Transports,
    pub(super) common: Common,
    pub(super) seed: DialSeed,
    pub(super) descriptor: Descriptor,
    /// Where its connection to this relay comes from.
    pub(super) seen: IpAddr,
    pub(super) allow_private: bool,
}

impl Errand {
    /// Dials what may be dialled: addresses of the signed descriptor at the very address from which the question came. Anything else would
    /// let a relay send others to somebody who never asked.
    pub(super) async fn run(self) -> Findings {
        let web = self.transports.web();
        let Ok((door, mesh)) = self.transports_of(&web) else { return Findings::BUSY };
        let (static_key, mesh_key) = (self.descriptor.static_key, self.descriptor.mesh_key);
        let (at_door, at_mesh) = (self.allowed(&self.descriptor.door), self.allowed(&self.descriptor.mesh));
        let door = async {
            match at_door {
                None => Dialled::Elsewhere,
                Some(addr) if self.descriptor.door.is_web() => self.knock(addr).await,
                Some(addr) => dial(door, addr, &static_key).await,
            }
        };
        let mesh = async {
            match at_mesh {
                None => Dialled::Elsewhere,
                Some(addr) => dial(mesh, addr, &mesh_key).await,
            }
        };
        let (door, mesh) = futures::future::join(door, mesh).await;
        Findings { door, mesh, seen: Some(self.seen) }
    }

    fn transports_of(&self, web: &std::sync::Arc<super::web::Web>) -> Result<(Secured, Secured), NetError> {
        let key = address::keypair(&self.seed.0)?;
        let door = self.transports.make_door(&key, &self.common, web)?;
        Ok((door, (self.transports.mesh)(&key, &self.common.bounds)?))
    }

    fn allowed(&self, addr: &RelayAddr) -> Option<SocketAddr> {
        let socket = addr.socket();
        let (ip, seen) = (socket.ip().to_canonical(), self.seen.to_canonical());
        // All of 127.0.0.0/8 is one machine.
        let same = ip == seen || ip.is_loopback() && seen.is_loopback();
        (same && dialable(addr, self.allow_private)).then_some(socket)
    }

    /// Whether the port of a web door takes connections. Nothing is sent: only holders of a slot have anything to say there, and the bytes
    /// of another protocol would mark the address.
    async fn knock(&self, addr: SocketAddr) -> Dialled {
        if !self.transports.are_tcp() {
            return Dialled::Elsewhere;
        }
        match timeout(PATIENCE, tokio::net::TcpStream::connect(addr)).await {
            Ok(Ok(_)) => Dialled::Answers,
            _ => Dialled::Closed,
        }
    }
}

async fn dial(mut transport: Secured, addr: SocketAddr, expected: &[u8; 32]) -> Dialled {
    let opts = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let Ok(dial) = transport.dial(multiaddr(addr), opts) else { return Dialled::Closed };
    let Ok(Ok((peer, muxer))) = timeout(PATIENCE, dial).await else { return Dialled::Closed };
    if peer_key(&peer) != Some(*expected) {
        return Dialled::OtherKey;
    }
    // A muxer works only while it is polled; whatever the other side wants is not answered.
    let mut muxer = pin!(muxer);
    let polled = futures::future::poll_fn(|cx| {
        use libp2p::core::muxing::StreamMuxer as _;
        muxer.as_mut().poll(cx).map(drop)
    });
    let _ = futures::future::select(pin!(polled), pin!(sleep(SHOWN).boxed())).await;
    Dialled::Reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(door: SocketAddr) -> Descriptor {
        Descriptor {
            static_key: address::public_key(&[1; 32]).unwrap(),
            mesh_key: address::public_key(&[2; 32]).unwrap(),
            onion_keys: vec![[3; 32]],
            door: RelayAddr::Ip(door),
            mesh: RelayAddr::Ip("198.51.100.7:7444".parse().unwrap()),
            flags: 0,
            seq: 1,
            family: None,
            health: None,
            extra: karvon_protocol::cbor::Extra::new(),
        }
    }

    async fn errand(door: SocketAddr, seen: &str, allow_private: bool) -> Findings {
        let deps = crate::deps::Deps::system(zeroize::Zeroizing::new([9; 32]));
        let bounds = std::sync::Arc::new(super::super::Bounds::leaf());
        let common = Common::new(&deps, bounds);
        let (transports, seen) = (deps.transports.clone(), seen.parse().unwrap());
        let descriptor = descriptor(door);
        let seed = DialSeed(zeroize::Zeroizing::new([4; 32]));
        Errand { transports, common, seed, descriptor, seen, allow_private }.run().await
    }

    #[tokio::test]
    async fn nobody_is_dialled_who_did_not_ask_from_that_very_address() {
        let bystander = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        bystander.set_nonblocking(true).unwrap();
        let addr = bystander.local_addr().unwrap();
        for (seen, allow_private) in [("203.0.113.9", true), ("127.0.0.1", false)] {
            let found = errand(addr, seen, allow_private).await;
            assert_eq!((found.door, found.mesh), (Dialled::Elsewhere, Dialled::Elsewhere));
        }
        assert!(bystander.accept().is_err(), "somebody was dialled");
        // The same, asked for from there.
        let dial = tokio::spawn(errand(addr, "127.0.0.1", true));
        let stream = accepted(&bystander).await;
        drop(stream);
        assert_eq!(dial.await.unwrap().door, Dialled::Closed, "it hung up");
    }

    async fn accepted(listener: &std::net::TcpListener) -> std::net::TcpStream {
        for _ in 0..1_000 {
            if let Ok((stream, _)) = listener.accept() {
                return stream;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("nobody came")
    }

    #[test]
    fn only_who_was_asked_proves_anything_and_only_where_it_came() {
        let seen = DialledBack::default();
        assert!(!seen.came([1; 32], Place::Door));
        seen.expect([1; 32]);
        assert!(!seen.came([2; 32], Place::Door));
        assert!(seen.came([1; 32], Place::Mesh));
        assert_eq!((seen.by(&[1; 32]), seen.by(&[2; 32])), ((false, true), (false, false)));
        seen.expect([3; 32]);
        assert!(!seen.came([1; 32], Place::Door), "too late");
        assert_eq!(seen.by(&[1; 32]), (false, true));
    }
}
