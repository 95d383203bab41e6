//! What this relay knows of others: verified descriptors only, and the addresses that may be dialled because of them.

use crate::net::address::{dialable, peer_of, socket};
use crate::net::transport::Secured;
use karvon_protocol::descriptor::{Descriptor, flags};
use karvon_protocol::ids::RelayId;
use karvon_protocol::limits::DESCRIPTORS_MAX;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use libp2p::{Multiaddr, PeerId};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// One relay.
struct Known {
    peer: PeerId,
    /// `None` if the descriptor's address may not be dialled from here.
    addr: Option<SocketAddr>,
    seq: u64,
    listed: bool,
    bytes: Vec<u8>,
}

/// The relays known; shared between the swarm's loop and its transport.
#[derive(Clone, Default)]
pub(super) struct Book(Arc<Mutex<HashMap<RelayId, Known>>>);

impl Book {
    fn lock(&self) -> MutexGuard<'_, HashMap<RelayId, Known>> {
        // Each change is one insertion; a panic elsewhere can not leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a verified descriptor; false if it is not newer than the one known, or if the book is full.
    pub(super) fn learn(&self, descriptor: &Descriptor, bytes: &[u8], allow_private: bool) -> bool {
        let Some(peer) = peer_of(&descriptor.mesh_key) else { return false };
        let relay = descriptor.relay();
        let mut known = self.lock();
        match known.get(&relay) {
            Some(older) if older.seq >= descriptor.seq => return false,
            None if known.len() >= DESCRIPTORS_MAX => return false,
            _ => {}
        }
        let addr = dialable(&descriptor.mesh, allow_private).then(|| descriptor.mesh.socket());
        let listed = descriptor.flags & flags::BRIDGE == 0;
        known.insert(relay, Known { peer, addr, seq: descriptor.seq, listed, bytes: bytes.to_vec() });
        true
    }

    /// How new the descriptor known of `relay` is.
    pub(super) fn seq(&self, relay: &RelayId) -> Option<u64> {
        self.lock().get(relay).map(|known| known.seq)
    }

    /// Whom to expect at which address; `None` if the relay is not known or may not be dialled.
    pub(super) fn target(&self, relay: &RelayId) -> Option<(PeerId, SocketAddr)> {
        self.lock().get(relay).and_then(|known| Some((known.peer, known.addr?)))
    }

    /// Addresses at which `peer` is announced as a listed relay: others are not to be handed on. Anybody may announce anybody's key; who answers is checked by the handshake.
    pub(super) fn addresses(&self, peer: &PeerId) -> Vec<SocketAddr> {
        self.lock()
            .values()
            .filter(|known| known.peer == *peer && known.listed)
            .filter_map(|known| known.addr)
            .collect()
    }

    /// Relays that announced `peer` as their mesh key.
    pub(super) fn relays(&self, peer: &PeerId) -> Vec<RelayId> {
        self.lock().iter().filter(|(_, known)| known.peer == *peer).map(|(relay, _)| *relay).collect()
    }

    /// Listed relays that may be dialled, in a fixed order.
    pub(super) fn candidates(&self) -> Vec<(RelayId, PeerId)> {
        let mut out: Vec<_> = self
            .lock()
            .iter()
            .filter(|(_, known)| known.listed && known.addr.is_some())
            .map(|(relay, known)| (*relay, known.peer))
            .collect();
        out.sort_unstable_by_key(|(relay, _)| *relay);
        out
    }

    /// Up to `count` descriptors of listed relays, beginning at a place that `start` decides.
    pub(super) fn sample(&self, start: u64, count: usize) -> Vec<(RelayId, Vec<u8>)> {
        let candidates = self.candidates();
        let skip = usize::try_from(start % candidates.len().max(1) as u64).unwrap_or_default();
        let known = self.lock();
        let chosen = candidates.iter().cycle().skip(skip).take(count.min(candidates.len()));
        chosen.filter_map(|(relay, _)| Some((*relay, known.get(relay)?.bytes.clone()))).collect()
    }

    fn allows(&self, addr: SocketAddr) -> bool {
        self.lock().values().any(|known| known.addr == Some(addr))
    }
}

/// The mesh transport with a lock on its dialler: whatever a behaviour asks for, only addresses of the book are dialled.
pub(super) struct Guarded {
    pub(super) inner: Secured,
    pub(super) book: Book,
}

impl Transport for Guarded {
    type Output = (PeerId, StreamMuxerBox);
    type Error = io::Error;
    type ListenerUpgrade = <Boxed<(PeerId, StreamMuxerBox)> as Transport>::ListenerUpgrade;
    type Dial = <Boxed<(PeerId, StreamMuxerBox)> as Transport>::Dial;

    fn listen_on(&mut self, id: ListenerId, addr: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, addr)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(&mut self, addr: Multiaddr, opts: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        match socket(&addr) {
            Some(known) if self.book.allows(known) => self.inner.dial(addr, opts),
            _ => Err(TransportError::MultiaddrNotSupported(addr)),
        }
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::net::address::public_key;
    use karvon_protocol::cbor::Extra;
    use karvon_protocol::descriptor::RelayAddr;

    pub(in crate::net::mesh) fn descriptor(number: u8, mesh: &str, seq: u64) -> Descriptor {
        Descriptor {
            static_key: [number; 32],
            mesh_key: public_key(&[number; 32]).unwrap(),
            onion_keys: vec![[1; 32]],
            door: RelayAddr::Ip("198.51.100.1:1".parse().unwrap()),
            mesh: RelayAddr::Ip(mesh.parse().unwrap()),
            flags: flags::MAILBOX,
            seq,
            family: None,
            health: None,
            extra: Extra::new(),
        }
    }

    #[test]
    fn only_the_newest_descriptor_of_a_relay_counts() {
        let book = Book::default();
        let (old, new) = (descriptor(1, "9.9.9.9:1", 5), descriptor(1, "9.9.9.9:2", 6));
        assert!(book.learn(&old, &[1], false));
        assert!(!book.learn(&old, &[1], false));
        assert!(book.learn(&new, &[2], false));
        assert!(!book.learn(&old, &[1], false));
        let (_, addr) = book.target(&new.relay()).unwrap();
        assert_eq!(addr, "9.9.9.9:2".parse().unwrap());
        assert!(!book.allows("9.9.9.9:1".parse().unwrap()), "the old address is closed again");
        assert_eq!(book.sample(7, 10), vec![(new.relay(), vec![2])]);
    }

    #[test]
    fn private_and_unlisted_relays_are_not_dialled_by_chance() {
        let book = Book::default();
        let private = descriptor(1, "192.168.1.1:1", 5);
        let mut unlisted = descriptor(2, "9.9.9.9:1", 5);
        unlisted.flags |= flags::BRIDGE;
        assert!(book.learn(&private, &[], false) && book.learn(&unlisted, &[], false));
        assert_eq!(book.target(&private.relay()), None);
        assert!(book.target(&unlisted.relay()).is_some(), "by name it may be dialled");
        let (peer, _) = book.target(&unlisted.relay()).unwrap();
        assert!(book.addresses(&peer).is_empty(), "Kademlia would hand it on");
        assert!(book.candidates().is_empty() && book.sample(0, 9).is_empty());
    }
}
