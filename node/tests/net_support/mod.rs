//! Relays and leaves on loopback for the tests of the network.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use karvon_node::deps::Deps;
use karvon_node::net::{NetCommand, NetEvent, NetHandle, RelayOptions, public_key, start_leaf, start_relay};
use karvon_protocol::core::{DoorId, LinkId, Target};
use karvon_protocol::descriptor::{Door, RelayAddr, SlotKey};
use karvon_protocol::ids::{RelayId, SlotId};
use karvon_protocol::link::Frame;
use std::net::SocketAddr;
use std::time::Duration;
use zeroize::Zeroizing;

/// Long enough for a machine with much else to do; reached only when something is broken.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub fn deps(number: u8) -> Deps {
    Deps::system(Zeroizing::new([number; 32]))
}

pub fn door_target(relay: RelayId, addr: SocketAddr) -> Target {
    Target::Door {
        door: DoorId(1),
        relay,
        addr: RelayAddr::Ip(addr),
        key: SlotKey { slot: SlotId([0; 8]), key: Zeroizing::new([0; 32]) },
        pt: None,
    }
}

pub async fn next(net: &mut NetHandle) -> NetEvent {
    tokio::time::timeout(DEADLINE, net.recv()).await.expect("an event in time").expect("a running network")
}

pub struct Relay {
    pub net: NetHandle,
    pub seed: [u8; 32],
    pub mesh_seed: [u8; 32],
}

impl Relay {
    pub async fn start(number: u8) -> Self {
        Self::start_at(number, any_port(), any_port()).await
    }

    pub async fn start_at(number: u8, door: SocketAddr, mesh: SocketAddr) -> Self {
        Self::with(number, door, mesh, Vec::new(), true).await
    }

    pub async fn with(
        number: u8,
        door: SocketAddr,
        mesh: SocketAddr,
        peers: Vec<Door>,
        allow_private: bool,
    ) -> Self {
        let (seed, mesh_seed) = ([number; 32], [number + 100; 32]);
        let options = RelayOptions {
            static_seed: Zeroizing::new(seed),
            mesh_seed: Zeroizing::new(mesh_seed),
            door,
            mesh,
            allow_private,
            peers,
        };
        let net = start_relay(&deps(number), options).await.unwrap();
        Self { net, seed, mesh_seed }
    }

    pub fn id(&self) -> RelayId {
        RelayId::of(&public_key(&self.seed).unwrap())
    }

    pub fn target(&self) -> Target {
        door_target(self.id(), self.net.listening().unwrap().door)
    }

    pub async fn next(&mut self) -> NetEvent {
        next(&mut self.net).await
    }

    pub async fn frame(&mut self, from: LinkId) -> Frame {
        match self.next().await {
            NetEvent::Frame { link, frame } if link == from => frame,
            other => panic!("no frame but {other:?}"),
        }
    }
}

pub struct Leaf {
    pub net: NetHandle,
}

impl Leaf {
    pub fn start(number: u8) -> Self {
        Self { net: start_leaf(&deps(number)).unwrap() }
    }

    pub async fn next(&mut self) -> NetEvent {
        next(&mut self.net).await
    }

    /// Links this leaf to `relay`; returns the link's number at each end.
    pub async fn link(&mut self, relay: &mut Relay) -> (LinkId, LinkId) {
        self.net.submit(NetCommand::Connect(relay.target()));
        let NetEvent::LinkUp(near, _) = self.next().await else { panic!("no link at the leaf") };
        loop {
            match relay.next().await {
                NetEvent::LinkUp(far, _) => return (near, far),
                // Left over from an earlier link.
                NetEvent::LinkDown(..) => {}
                other => panic!("no link at the relay but {other:?}"),
            }
        }
    }

    pub async fn frame(&mut self, from: LinkId) -> Frame {
        match self.next().await {
            NetEvent::Frame { link, frame } if link == from => frame,
            other => panic!("no frame but {other:?}"),
        }
    }
}

/// Signs a descriptor with the key that `seed` gives; the node itself never signs one.
pub fn sign(descriptor: &karvon_protocol::descriptor::Descriptor, seed: &[u8; 32]) -> Vec<u8> {
    descriptor.sign(&ed25519_dalek::SigningKey::from_bytes(seed))
}
