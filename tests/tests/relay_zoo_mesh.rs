//! Hostile relays against a relay that is a real process: floods of gossip's control messages, and lies told to Kademlia.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use ed25519_dalek::SigningKey;
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use karvon_protocol::cbor::Extra;
use karvon_protocol::descriptor::{Descriptor, RelayAddr, flags};
use karvon_tests::binaries::binaries;
use karvon_tests::process::{alive, run};
use karvon_tests::until::{DEADLINE, until};
use karvon_tests::visitor::{Visitor, deposit, is_stored};
use karvon_tests::world::World;
use libp2p::identity::Keypair;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{PeerId, Stream, StreamProtocol, SwarmBuilder, identify, noise, tcp, yamux};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What a relay's memory may grow by under any attack.
const FLAT: u64 = 32 << 20;
const GOSSIP: StreamProtocol = StreamProtocol::new("/karvon/0/gossip/1.1.0");
const KAD: StreamProtocol = StreamProtocol::new("/karvon/0/kad");
const TOPIC: &str = "/karvon/0/relays";

struct Zoo {
    world: World,
    rss: u64,
    pid: Option<u32>,
}

impl Zoo {
    async fn open() -> Self {
        let world = World::new(1);
        let mut zoo = Self { rss: 0, pid: world.relays[0].pid(), world };
        zoo.serves(1).await;
        zoo.rss = zoo.number("rss_bytes");
        zoo
    }

    fn number(&self, name: &str) -> u64 {
        self.world.relays[0].status()[name].as_u64().unwrap()
    }

    fn mesh(&self) -> SocketAddr {
        self.world.relays[0].status()["mesh_listen"].as_str().unwrap().parse().unwrap()
    }

    fn command(&self, arguments: &[&str]) {
        let relay = &self.world.relays[0];
        let mut command = self.world.place().command(&binaries().karvon_node);
        command.arg("relay").args(arguments).arg("--data-dir").arg(relay.data_dir());
        let _ = run(&mut command, b"", DEADLINE).ok();
    }

    /// Somebody stores a cell.
    async fn serves(&self, number: u64) {
        let door = self.world.relays[0].door();
        let (reader, key) = Visitor::with_mailbox(door, 1_000 + number, 4).await.unwrap();
        let mut sender = Visitor::enter(door, 2_000 + number).await.unwrap();
        sender.open().await.unwrap();
        assert!(is_stored(&sender.ask(&deposit(&key, number, 7)).await.unwrap()));
        sender.leave().await;
        reader.leave().await;
    }

    /// Somebody connects, says what relay `number` is, and is heard, so that `count` are known. Gossip may lose what is said once, and the relay
    /// ends connections over which no relay shows itself: then they come again.
    async fn hears(&self, number: u64, count: u64) -> (Rogue, Stream) {
        for _ in 0..20 {
            let mut rogue = Rogue::connect(number as u8, self.mesh()).await;
            let mut stream = rogue.stream(GOSSIP).await;
            let (_, described) = descriptor(number, [number as u8; 32], now_s());
            if say(&mut stream, &subscribe(TOPIC)).await && say(&mut stream, &publish(&described)).await {
                for _ in 0..10 {
                    if self.number("relays_known") == count {
                        return (rogue, stream);
                    }
                    tokio::time::sleep(Duration::from_millis(120)).await;
                }
            }
        }
        panic!("relay {number} is not heard");
    }

    async fn has_survived(&self) {
        self.serves(2).await;
        assert!(self.pid.is_some_and(alive), "the relay's process is gone");
        let grown = self.number("rss_bytes").saturating_sub(self.rss);
        assert!(grown < FLAT, "memory grew by {grown} bytes");
    }
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    streams: libp2p_stream::Behaviour,
    identify: identify::Behaviour,
}

/// A peer that speaks the mesh's protocols as it likes.
struct Rogue {
    control: libp2p_stream::Control,
    relay: PeerId,
    mesh_key: [u8; 32],
}

impl Rogue {
    async fn connect(seed: u8, mesh: SocketAddr) -> Self {
        let key = Keypair::ed25519_from_bytes([seed; 32]).unwrap();
        let mesh_key = key.public().try_into_ed25519().unwrap().to_bytes();
        let streams = libp2p_stream::Behaviour::new();
        let mut control = streams.new_control();
        // What it accepts is what it says that it speaks.
        let mut asked = control.accept(KAD).unwrap();
        tokio::spawn(async move {
            while let Some((_, stream)) = asked.next().await {
                tokio::spawn(lie(stream));
            }
        });
        let mut swarm = SwarmBuilder::with_existing_identity(key)
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|key| Behaviour {
                streams,
                identify: identify::Behaviour::new(identify::Config::new("karvon/0".into(), key.public())),
            })
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
            .build();
        let address = format!("/ip4/{}/tcp/{}", mesh.ip(), mesh.port());
        swarm.dial(address.parse::<libp2p::Multiaddr>().unwrap()).unwrap();
        let relay = loop {
            if let SwarmEvent::ConnectionEstablished { peer_id, .. } = swarm.select_next_some().await {
                break peer_id;
            }
        };
        tokio::spawn(async move { while swarm.next().await.is_some() {} });
        Self { control, relay, mesh_key }
    }

    async fn stream(&mut self, protocol: StreamProtocol) -> Stream {
        let mut last = None;
        // The relay may be full of others for a moment.
        for _ in 0..5 {
            let asked = self.control.open_stream(self.relay, protocol.clone());
            match tokio::time::timeout(DEADLINE, asked).await.unwrap() {
                Ok(stream) => return stream,
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        panic!("no stream: {last:?}")
    }
}

/// Where nobody listens: what is dialled there is refused at once.
const NOWHERE: &str = "127.0.0.1:9";

/// The signed descriptor of relay `number`.
fn descriptor(number: u64, mesh_key: [u8; 32], seq: u64) -> (Descriptor, Vec<u8>) {
    let mut seed = [0x5a; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    let key = SigningKey::from_bytes(&seed);
    let addr = RelayAddr::Ip(NOWHERE.parse().unwrap());
    let descriptor = Descriptor {
        static_key: key.verifying_key().to_bytes(),
        mesh_key,
        onion_keys: vec![[3; 32]],
        door: addr.clone(),
        mesh: addr,
        flags: flags::MAILBOX,
        seq,
        family: None,
        health: None,
        extra: Extra::new(),
    };
    let signed = descriptor.sign(&key);
    (descriptor, signed)
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A field of protobuf that has a length.
fn field(number: u64, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(number << 3 | 2, &mut out);
    varint(content.len() as u64, &mut out);
    out.extend_from_slice(content);
    out
}

/// A field of protobuf that is a number.
fn count(number: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(number << 3, &mut out);
    varint(value, &mut out);
    out
}

/// Sends a message with its length before it; false if the other side has ended the stream.
async fn say(stream: &mut Stream, message: &[u8]) -> bool {
    let mut framed = Vec::new();
    varint(message.len() as u64, &mut framed);
    framed.extend_from_slice(message);
    let sent = async {
        stream.write_all(&framed).await?;
        stream.flush().await
    };
    matches!(tokio::time::timeout(DEADLINE, sent).await, Ok(Ok(())))
}

fn subscribe(topic: &str) -> Vec<u8> {
    field(1, &[count(1, 1), field(2, topic.as_bytes())].concat())
}

fn publish(data: &[u8]) -> Vec<u8> {
    field(2, &[field(2, data), field(4, TOPIC.as_bytes())].concat())
}

fn graft(topic: &str) -> Vec<u8> {
    field(3, &field(1, topic.as_bytes()))
}

fn prune(topic: &str, backoff: u64) -> Vec<u8> {
    let peer = field(2, &field(1, &[7; 38]));
    field(4, &[field(1, topic.as_bytes()), peer, count(3, backoff)].concat())
}

/// Announces and asks for messages that do not exist.
fn have_and_want(number: u64) -> Vec<u8> {
    let ids: Vec<Vec<u8>> = (0..200)
        .map(|id: u64| field(2, blake3::hash(&(number << 16 | id).to_be_bytes()).as_bytes()))
        .collect();
    let wanted: Vec<Vec<u8>> =
        (0..200).map(|id: u64| field(1, blake3::hash(&id.to_be_bytes()).as_bytes())).collect();
    [field(1, &[field(1, TOPIC.as_bytes()), ids.concat()].concat()), field(2, &wanted.concat())].concat()
}

// What waits here must not hold up the hostile side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_floods_with_grafts_and_prunes_is_no_longer_heard() {
    let zoo = Zoo::open().await;
    // Before it breaks a rule it is heard like everybody.
    let (_rogue, mut stream) = zoo.hears(1, 1).await;
    let mut open = true;
    for round in 0..300_u64 {
        let mut control = Vec::new();
        for number in 0..60 {
            // Topics that exist, that do not, and times at which a clock would overflow.
            let topic = match number % 3 {
                0 => TOPIC.to_owned(),
                1 => format!("/karvon/0/shard/{}", number % 16),
                _ => format!("/karvon/0/shard/{}", round << 8 | number),
            };
            let backoff = [0, 1, u64::MAX, u64::MAX - 1, 1 << 62, 1 << 33][number as usize % 6];
            control.extend(prune(&topic, backoff));
            control.extend(graft(&topic));
        }
        control.extend(have_and_want(round));
        let junk = subscribe(&format!("/karvon/0/shard/{}", 1_000 + round));
        open = say(&mut stream, &[field(3, &control), junk].concat()).await;
        if !open {
            break;
        }
    }
    // Whatever it says now, it is not listened to; or its stream was ended.
    if open {
        say(&mut stream, &publish(&descriptor(2, [2; 32], now_s()).1)).await;
    }
    zoo.serves(3).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(zoo.number("relays_known"), 1, "the flood's sender is still heard");
    // Others are.
    let _honest = zoo.hears(3, 2).await;
    zoo.has_survived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_gossip_that_are_too_large_or_forged_are_neither_kept_nor_heard() {
    let zoo = Zoo::open().await;
    for (seed, size) in [(30, 70_000), (31, 1 << 20), (32, 8 << 20)] {
        let mut rogue = Rogue::connect(seed, zoo.mesh()).await;
        let mut stream = rogue.stream(GOSSIP).await;
        say(&mut stream, &subscribe(TOPIC)).await;
        // The relay may have ended the stream before all of it was sent.
        say(&mut stream, &publish(&vec![7; size])).await;
    }
    let mut rogue = Rogue::connect(4, zoo.mesh()).await;
    let mut stream = rogue.stream(GOSSIP).await;
    say(&mut stream, &subscribe(TOPIC)).await;
    let (_, good) = descriptor(1, [1; 32], now_s());
    for at in 0..200 {
        let mut forged = good.clone();
        let at = at % forged.len();
        forged[at] ^= 0x10;
        if !say(&mut stream, &publish(&forged)).await {
            break;
        }
    }
    say(&mut stream, &publish(&descriptor(2, [2; 32], now_s() + 30 * 86_400).1)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(zoo.number("relays_known"), 0);
    zoo.has_survived().await;
}

fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    [count(1, 0), field(2, key), field(3, &[field(1, key), field(2, value)].concat())].concat()
}

/// Where the neighbours are that a liar names; set once by the test that looks whether somebody goes there.
static BYSTANDER: std::sync::OnceLock<u16> = std::sync::OnceLock::new();

/// Answers whatever Kademlia asks with neighbours that do not exist, at somebody's address who never asked for visitors.
async fn lie(mut stream: Stream) {
    let port = BYSTANDER.get().copied().unwrap_or(9).to_be_bytes();
    let address = [&[4, 127, 0, 0, 1, 6][..], &port].concat();
    let mut buffer = [0; 4_096];
    while let Ok(1..) = stream.read(&mut buffer).await {
        let peers = (0..120_u64).map(|_| {
            let id = PeerId::from(Keypair::generate_ed25519().public()).to_bytes();
            field(8, &[field(1, &id), field(2, &address), count(3, 1)].concat())
        });
        let answer = [count(1, 4), peers.collect::<Vec<_>>().concat()].concat();
        if !say(&mut stream, &answer).await {
            return;
        }
    }
}

/// Makes one request of Kademlia, and waits for its answer or the end of the stream.
async fn ask(rogue: &mut Rogue, message: &[u8]) {
    let mut stream = rogue.stream(KAD).await;
    if say(&mut stream, message).await {
        let mut answer = [0; 1_024];
        let _ = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut answer)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_are_no_descriptors_are_not_taken_and_good_ones_are_counted() {
    let zoo = Zoo::open().await;
    let mut rogue = Rogue::connect(5, zoo.mesh()).await;
    let (own, good) = descriptor(1, [1; 32], now_s());
    let (other, _) = descriptor(2, [2; 32], now_s());
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    for (key, value) in [
        (own.relay().0.to_vec(), vec![0; 300]),
        (own.relay().0.to_vec(), forged),
        (own.relay().0.to_vec(), vec![0x9f; 7_000]),
        (vec![1; 4_000], vec![0; 4_000]),
        (Vec::new(), Vec::new()),
        (own.relay().0.to_vec(), descriptor(1, [1; 32], now_s() + 30 * 86_400).1),
    ] {
        ask(&mut rogue, &record(&key, &value)).await;
    }
    // More than Kademlia's messages may have, and providers, which nobody keeps.
    for message in [
        record(&[1; 16], &vec![0; 9_000]),
        vec![0; 1 << 20],
        [count(1, 2), field(2, &[9; 32]), field(9, &field(1, &[7; 38]))].concat(),
        [count(1, u64::MAX), count(10, u64::MAX)].concat(),
    ] {
        ask(&mut rogue, &message).await;
    }
    assert_eq!(zoo.number("relays_known"), 0);
    // A sound one, under another relay's key: it is what it is, and nobody finds it there.
    ask(&mut rogue, &record(&other.relay().0, &good)).await;
    let began = Instant::now();
    for number in 10..700 {
        let (descriptor, signed) = descriptor(number, [9; 32], now_s());
        ask(&mut rogue, &record(&descriptor.relay().0, &signed)).await;
    }
    let allowed = 256 + began.elapsed().as_millis() as u64 / 250 + 2;
    let known = zoo.number("relays_known");
    assert!(known >= 200, "sound ones are taken: {known}");
    assert!(known <= allowed, "{known} of {allowed} relays were taken from one peer");
    zoo.has_survived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_that_a_liar_names_are_not_dialled() {
    let zoo = Zoo::open().await;
    let bystander = TcpListener::bind("127.0.0.1:0").unwrap();
    bystander.set_nonblocking(true).unwrap();
    BYSTANDER.set(bystander.local_addr().unwrap().port()).unwrap();
    let mut rogue = Rogue::connect(6, zoo.mesh()).await;
    // A relay with a descriptor of its own, so that it is asked.
    let (own, signed) = descriptor(6, rogue.mesh_key, now_s());
    ask(&mut rogue, &record(&own.relay().0, &signed)).await;
    until("the liar is known", || (zoo.number("relays_known") == 1).then_some(()));
    for _ in 0..5 {
        // A new descriptor is put at the nearest relays, which are asked for first.
        zoo.command(&["drain"]);
        zoo.command(&["drain", "--undo"]);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(bystander.accept().is_err(), "somebody was dialled because a liar said so");
    assert_eq!(zoo.number("relays_known"), 1);
    zoo.has_survived().await;
}
