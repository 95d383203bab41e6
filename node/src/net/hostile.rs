//! Tests of a door against peers that speak libp2p and do not keep the rules of links.

use super::{
    Bounds, NetCommand, NetEvent, NetHandle, RelayOptions, Transports, address, public_key, start_leaf,
    start_relay,
};
use crate::deps::Deps;
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use karvon_protocol::core::{DoorId, LinkId, Reason, Target};
use karvon_protocol::descriptor::{RelayAddr, SlotKey};
use karvon_protocol::ids::{RelayId, SlotId};
use karvon_protocol::link::{Frame, Kind};
use libp2p::{PeerId, Stream, StreamProtocol, Swarm};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

const DOOR: StreamProtocol = StreamProtocol::new("/karvon/door/0");
const DEADLINE: Duration = Duration::from_secs(30);

/// The transport of a door swarm.
fn transport(key: &libp2p::identity::Keypair) -> super::transport::Secured {
    let transports = Transports::tcp();
    let common = super::veil::Common::new(&Deps::system(Zeroizing::new([0; 32])), Arc::new(Bounds::leaf()));
    transports.make_door(key, &common, &transports.web()).unwrap()
}

/// A peer that may open as many streams as it likes.
struct Rogue {
    control: libp2p_stream::Control,
    relay: PeerId,
}

impl Rogue {
    async fn connect(seed: u8, door: SocketAddr) -> Self {
        let key = address::keypair(&[seed; 32]).unwrap();
        let transport = transport(&key);
        let behaviour = libp2p_stream::Behaviour::new();
        let control = behaviour.new_control();
        let config = libp2p::swarm::Config::with_tokio_executor();
        let mut swarm = Swarm::new(transport, behaviour, key.public().to_peer_id(), config);
        swarm.dial(address::multiaddr(door)).unwrap();
        let relay = loop {
            if let libp2p::swarm::SwarmEvent::ConnectionEstablished { peer_id, .. } =
                swarm.select_next_some().await
            {
                break peer_id;
            }
        };
        tokio::spawn(async move { while swarm.next().await.is_some() {} });
        Self { control, relay }
    }

    async fn stream(&mut self) -> Stream {
        self.control.open_stream(self.relay, DOOR).await.unwrap()
    }
}

async fn relay() -> NetHandle {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = RelayOptions {
        static_seed: Zeroizing::new([1; 32]),
        mesh_seed: Zeroizing::new([2; 32]),
        door: any,
        mesh: any,
        allow_private: true,
        peers: Vec::new(),
    };
    start_relay(&Deps::system(Zeroizing::new([3; 32])), options).await.unwrap()
}

async fn next(net: &mut NetHandle) -> NetEvent {
    tokio::time::timeout(DEADLINE, net.recv()).await.unwrap().unwrap()
}

async fn link(net: &mut NetHandle) -> LinkId {
    match next(net).await {
        NetEvent::LinkUp(link, _) => link,
        other => panic!("{other:?}"),
    }
}

async fn ends_as_a_breach(net: &mut NetHandle, expected: LinkId) {
    match next(net).await {
        NetEvent::LinkDown(link, reason) => assert_eq!((link, reason), (expected, Reason::Protocol)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_second_stream_ends_the_connection() {
    let mut net = relay().await;
    let mut rogue = Rogue::connect(9, net.listening().unwrap().door).await;
    let mut first = rogue.stream().await;
    first.write_all(&Frame::new(Kind::Heartbeat, 0, Vec::new()).encode()).await.unwrap();
    first.flush().await.unwrap();
    let up = link(&mut net).await;
    assert!(matches!(next(&mut net).await, NetEvent::Frame { .. }));
    let _second = rogue.control.open_stream(rogue.relay, DOOR).await;
    ends_as_a_breach(&mut net, up).await;
    let mut rest = Vec::new();
    // The relay closes the whole connection, so the first stream ends as well, cleanly or not.
    let _ = tokio::time::timeout(DEADLINE, first.read_to_end(&mut rest)).await.expect("an end");
    assert!(rest.is_empty());
}

#[tokio::test]
async fn bytes_that_are_no_frame_end_the_link() {
    let mut net = relay().await;
    let door = net.listening().unwrap().door;
    let good = Frame::new(Kind::Data, 1, vec![1; 20]).encode();
    let mut padded = good.clone();
    *padded.last_mut().unwrap() = 1;
    let mut kind = good.clone();
    kind[1] = 99;
    let mut wasteful = vec![0; 256];
    wasteful[..64].copy_from_slice(&good);
    wasteful[0] = 1;
    for (number, junk) in [vec![6], vec![255; 64], padded, kind, wasteful].into_iter().enumerate() {
        let mut rogue = Rogue::connect(10 + number as u8, door).await;
        let mut stream = rogue.stream().await;
        stream.write_all(&junk).await.unwrap();
        stream.flush().await.unwrap();
        let up = link(&mut net).await;
        ends_as_a_breach(&mut net, up).await;
    }
}

#[tokio::test]
async fn junk_before_the_handshake_is_not_heard_of() {
    let mut net = relay().await;
    let door = net.listening().unwrap().door;
    for junk in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 70_000], b"\x13/multistream/1.0.0\n\x07/noise\n\xff\xff"]
    {
        let mut socket = tokio::net::TcpStream::connect(door).await.unwrap();
        // The relay may hang up in the middle; that is its right.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut socket, junk).await;
    }
    let mut rogue = Rogue::connect(9, door).await;
    let _stream = rogue.stream().await;
    link(&mut net).await;
}

#[tokio::test]
async fn half_a_frame_is_waited_for_and_not_shown() {
    let mut net = relay().await;
    let mut rogue = Rogue::connect(9, net.listening().unwrap().door).await;
    let mut stream = rogue.stream().await;
    let frame = Frame::new(Kind::Data, 1, vec![1; 2_000]);
    let bytes = frame.encode();
    let (head, rest) = bytes.split_at(100);
    stream.write_all(head).await.unwrap();
    stream.flush().await.unwrap();
    let up = link(&mut net).await;
    assert!(net.try_recv().is_none());
    stream.write_all(rest).await.unwrap();
    stream.flush().await.unwrap();
    match next(&mut net).await {
        NetEvent::Frame { link, frame: got } => assert_eq!((link, got), (up, frame)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_door_of_another_version_is_told_from_an_unreachable_one() {
    let key = address::keypair(&[5; 32]).unwrap();
    let transport = transport(&key);
    let config = libp2p::swarm::Config::with_tokio_executor();
    let behaviour = libp2p_stream::Behaviour::new();
    let _other = behaviour.new_control().accept(StreamProtocol::new("/karvon/door/9"));
    let mut swarm = Swarm::new(transport, behaviour, key.public().to_peer_id(), config);
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    let addr = loop {
        if let libp2p::swarm::SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address::socket(&address).unwrap();
        }
    };
    tokio::spawn(async move { while swarm.next().await.is_some() {} });
    let mut leaf = start_leaf(&Deps::system(Zeroizing::new([6; 32]))).unwrap();
    let relay = RelayId::of(&public_key(&[5; 32]).unwrap());
    let target = Target::Door {
        door: DoorId(1),
        relay,
        addr: RelayAddr::Ip(addr),
        key: SlotKey { slot: SlotId([0; 8]), key: Zeroizing::new([0; 32]) },
        pt: None,
    };
    leaf.submit(NetCommand::Connect(target.clone()));
    match next(&mut leaf).await {
        NetEvent::ConnectFailed(failed, reason) => assert_eq!((failed, reason), (target, Reason::Version)),
        other => panic!("{other:?}"),
    }
}
