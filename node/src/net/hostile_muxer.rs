//! Tests of a door and a mesh against crafted frames below links: those that made libp2p panic in 2026, and others of their kind.

use super::{Bounds, NetEvent, NetHandle, RelayOptions, Transports, address, start_leaf, start_relay};
use crate::deps::Deps;
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use karvon_protocol::core::{DoorId, Target};
use karvon_protocol::descriptor::{RelayAddr, SlotKey};
use karvon_protocol::ids::{RelayId, SlotId};
use libp2p::core::Endpoint;
use libp2p::core::Transport as _;
use libp2p::core::transport::{DialOpts, PortUse};
use libp2p::core::upgrade::OutboundConnectionUpgrade as _;
use libp2p::{StreamProtocol, Swarm, noise, tcp};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

const DEADLINE: Duration = Duration::from_secs(30);
const SYN: u16 = 1;
const DATA: u8 = 0;
const WINDOW: u8 = 1;
const PING: u8 = 2;
const GO_AWAY: u8 = 3;

/// Agrees on a protocol as the dialler does (multistream-select 1.0).
async fn agree(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), protocol: &str) {
    let line = |text: &str| [&[text.len() as u8 + 1], text.as_bytes(), b"\n"].concat();
    let hello = [line("/multistream/1.0.0"), line(protocol)].concat();
    stream.write_all(&hello).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = vec![0; hello.len()];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, hello);
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

fn header(kind: u8, flags: u16, stream: u32, length: u32) -> Vec<u8> {
    let mut out = vec![0, kind];
    out.extend_from_slice(&flags.to_be_bytes());
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out
}

/// Sends `bytes` where Yamux frames are expected, behind a good Noise handshake, and waits a moment for the relay to hang up.
async fn send_below(addr: SocketAddr, bytes: &[u8]) {
    let key = address::keypair(&[77; 32]).unwrap();
    let mut transport = tcp::tokio::Transport::new(tcp::Config::default());
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let mut stream = transport.dial(address::multiaddr(addr), options).unwrap().await.unwrap();
    agree(&mut stream, "/noise").await;
    let (_, mut stream) = noise::Config::new(&key).unwrap().upgrade_outbound(stream, "/noise").await.unwrap();
    agree(&mut stream, "/yamux/1.0.0").await;
    // The relay may hang up in the middle; that is its right.
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
    let mut answer = [0; 256];
    let _ = tokio::time::timeout(Duration::from_millis(300), stream.read(&mut answer)).await;
}

/// Another leaf still gets a link.
async fn still_serves(net: &mut NetHandle, number: u8) {
    let door = net.listening().unwrap().door;
    let mut leaf = start_leaf(&Deps::system(Zeroizing::new([number; 32]))).unwrap();
    let relay = RelayId::of(&address::public_key(&[1; 32]).unwrap());
    let key = SlotKey { slot: SlotId([0; 8]), key: Zeroizing::new([0; 32]) };
    let target = Target::Door { door: DoorId(1), relay, addr: RelayAddr::Ip(door), key, pt: None };
    leaf.submit(super::NetCommand::Connect(target));
    loop {
        let event = tokio::time::timeout(DEADLINE, net.recv()).await.unwrap().unwrap();
        if matches!(event, NetEvent::LinkUp(..)) {
            return;
        }
    }
}

#[tokio::test]
async fn crafted_muxer_frames_end_their_connection_and_nothing_else() {
    let mut net = relay().await;
    let door = net.listening().unwrap().door;
    let window = |length| [header(WINDOW, SYN, 1, length), header(WINDOW, 0, 1, length)].concat();
    let streams: Vec<u8> = (0..4_000).flat_map(|stream| header(WINDOW, SYN, stream * 2 + 1, 0)).collect();
    let attacks: [(&str, Vec<u8>); 8] = [
        ("a window that overflows", window(u32::MAX)),
        ("a window that overflows later", [window(u32::MAX / 2), header(WINDOW, 0, 1, u32::MAX)].concat()),
        (
            "data with the opening, beyond the window",
            [header(DATA, SYN, 1, 262_145), vec![0; 262_145]].concat(),
        ),
        ("data that announces 4 GiB", [header(DATA, SYN, 1, u32::MAX), vec![0; 70_000]].concat()),
        ("thousands of streams", streams),
        ("pings without end", header(PING, SYN, 0, 7).repeat(20_000)),
        ("frames of streams that were never opened", header(DATA, 0, 99, 0).repeat(20_000)),
        ("an unknown kind and a good-bye", [header(GO_AWAY, 0, 0, 9), header(200, 0, 0, 0)].concat()),
    ];
    for (number, (name, bytes)) in (20..).zip(attacks) {
        send_below(door, &bytes).await;
        still_serves(&mut net, number).await;
        assert!(net.listening().is_some(), "{name}");
    }
}

/// `length ∥ message` of protobuf, length as a variable number.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2][..], &varint(content.len() as u64), content].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

#[tokio::test]
async fn crafted_gossip_does_not_stop_the_mesh() {
    let mut net = relay().await;
    let mesh = net.listening().unwrap().mesh;
    let topic = b"/karvon/0/relays";
    let prune = |backoff: u64| {
        let prune = [field(1, topic), vec![3 << 3], varint(backoff)].concat();
        field(3, &field(4, &prune))
    };
    let subscribe = field(1, &[vec![1 << 3, 1], field(2, topic)].concat());
    let graft = field(3, &field(3, &field(1, topic)));
    let attacks: [(&str, Vec<u8>); 5] = [
        ("a pause beyond the end of time", [subscribe.clone(), prune(u64::MAX)].concat()),
        ("another one", prune(u64::MAX / 2)),
        ("graft and prune in turns", [graft, prune(1)].concat().repeat(10)),
        ("thousands of subscriptions", subscribe.repeat(60)),
        ("junk", vec![0xff; 1_000]),
    ];
    for (number, (name, rpc)) in (40_u8..).zip(attacks) {
        let key = address::keypair(&[number; 32]).unwrap();
        let transport = (Transports::tcp().mesh)(&key, &Arc::new(Bounds::leaf())).unwrap();
        let behaviour = libp2p_stream::Behaviour::new();
        let mut control = behaviour.new_control();
        let config = libp2p::swarm::Config::with_tokio_executor();
        let mut swarm = Swarm::new(transport, behaviour, key.public().to_peer_id(), config);
        swarm.dial(address::multiaddr(mesh)).unwrap();
        let peer = loop {
            if let libp2p::swarm::SwarmEvent::ConnectionEstablished { peer_id, .. } =
                swarm.select_next_some().await
            {
                break peer_id;
            }
        };
        tokio::spawn(async move { while swarm.next().await.is_some() {} });
        let protocol = StreamProtocol::new("/karvon/0/gossip/1.1.0");
        let mut stream = control.open_stream(peer, protocol).await.unwrap();
        for _ in 0..20 {
            // The relay may hang up in the middle; that is its right.
            let _ = stream.write_all(&[varint(rpc.len() as u64), rpc.clone()].concat()).await;
        }
        let _ = stream.flush().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let socket = tokio::net::TcpStream::connect(mesh).await;
        assert!(socket.is_ok(), "the mesh is gone after {name}");
    }
    still_serves(&mut net, 60).await;
    assert!(tokio::net::TcpStream::connect(mesh).await.is_ok());
}
