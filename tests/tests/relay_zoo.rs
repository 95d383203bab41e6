//! Hostile leaves against a relay that is a real process: it lives on, keeps its memory, refuses them, and serves others meanwhile.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use karvon_node::relay::control::Ask;
use karvon_protocol::cell::Class;
use karvon_protocol::ids::RelayId;
use karvon_protocol::limits::TUNNELS_PER_LINK;
use karvon_protocol::link::{Frame, Kind, open_payload};
use karvon_protocol::rpc::{Push, Refusal, Reply, Request};
use karvon_tests::flood::{Flood, Plan};
use karvon_tests::honest::{Account, Crowd, Sample};
use karvon_tests::process::{alive, run};
use karvon_tests::until::DEADLINE;
use karvon_tests::visitor::{Trouble, Visitor, cell, deposit, is_stored, mailbox_of, owner, prefix};
use karvon_tests::world::World;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What a relay's memory may grow by under any attack.
const FLAT: u64 = 32 << 20;

/// One relay, and a door for each side.
struct Zoo {
    world: World,
    hostile: String,
    rss: u64,
    pid: Option<u32>,
}

impl Zoo {
    async fn open() -> Self {
        let world = World::new(1);
        let mut zoo = Self { hostile: String::new(), rss: 0, pid: world.relays[0].pid(), world };
        zoo.hostile = zoo.new_door();
        // Code and caches that honest use needs are loaded before memory is compared.
        zoo.is_honest_traffic_served(1).await;
        zoo.rss = zoo.rss_now();
        zoo
    }

    fn command(&self, arguments: &[&str]) -> serde_json::Value {
        let relay = &self.world.relays[0];
        let mut command = self.world.place().command(&karvon_tests::binaries::binaries().karvon_node);
        command.args(["relay"]).args(arguments).args(["--json", "--data-dir"]).arg(relay.data_dir());
        run(&mut command, b"", DEADLINE).ok().json().remove(0)
    }

    fn new_door(&self) -> String {
        self.command(&["door", "new"])["door"].as_str().unwrap().to_owned()
    }

    fn rss_now(&self) -> u64 {
        self.world.relays[0].status()["rss_bytes"].as_u64().unwrap()
    }

    /// Somebody else stores a cell and its owner reads it, over links of their own.
    async fn is_honest_traffic_served(&self, number: u64) {
        let door = self.world.relays[0].door();
        let (mut reader, key) = Visitor::with_mailbox(door, 1_000 + number, 4).await.unwrap();
        let mut sender = Visitor::enter(door, 2_000 + number).await.unwrap();
        sender.open().await.unwrap();
        assert!(is_stored(&sender.ask(&deposit(&key, 1, 7)).await.unwrap()));
        let held = reader.fetch_all().await.unwrap();
        assert_eq!(held, [(prefix(1), cell(Class::S, 1, 7).hash().0)]);
        assert_eq!(reader.ask(&Request::Remove(vec![prefix(1)])).await, Ok(Reply::Done));
        reader.leave().await;
        sender.leave().await;
    }

    /// The relay is the process it was, and has not grown.
    async fn has_survived(&self) {
        self.is_honest_traffic_served(2).await;
        assert!(self.pid.is_some_and(alive), "the relay's process is gone");
        let grown = self.rss_now().saturating_sub(self.rss);
        assert!(grown < FLAT, "memory grew by {grown} bytes");
    }
}

#[tokio::test]
async fn who_guesses_tags_stores_nothing() {
    let zoo = Zoo::open().await;
    let (_, victim) = Visitor::with_mailbox(zoo.world.relays[0].door(), 3, 10).await.unwrap();
    let mut guesser = Visitor::enter(&zoo.hostile, 4).await.unwrap();
    guesser.open().await.unwrap();
    for guess in 0..3_000_u64 {
        let request = deposit(&victim, 1_000_000 + guess, 1);
        assert_eq!(guesser.ask(&request).await.unwrap(), Reply::Refused(Refusal::UnknownTag));
    }
    assert!(zoo.world.relays[0].status()["refused"]["unknown_tag"].as_u64().unwrap() >= 3_000);
    zoo.has_survived().await;
}

#[tokio::test]
async fn one_slot_can_not_exhaust_the_mailboxes() {
    let zoo = Zoo::open().await;
    let mut greedy = Visitor::enter(&zoo.hostile, 5).await.unwrap();
    greedy.open().await.unwrap();
    let mut made = 0;
    for number in 0..400 {
        match greedy.attach(&owner(90_000 + number), Push::None).await.unwrap() {
            Reply::Attached { .. } => made += 1,
            other => assert_eq!(other, Reply::Refused(Refusal::Busy)),
        }
    }
    assert_eq!(made, 256, "what one slot gets in a day");
    zoo.has_survived().await;
}

#[tokio::test]
async fn registrations_without_end_are_refused_and_cost_no_memory() {
    let zoo = Zoo::open().await;
    let mut greedy = Visitor::enter(&zoo.hostile, 6).await.unwrap();
    greedy.open().await.unwrap();
    greedy.attach(&owner(6), Push::None).await.unwrap();
    let mut refused = 0;
    for page in 0..80_u64 {
        let tags = (page * 4_000..(page + 1) * 4_000).map(|tag| (Class::S as u8, prefix(tag))).collect();
        match greedy.ask(&Request::Register(tags)).await.unwrap() {
            Reply::Done => {}
            other => {
                assert_eq!(other, Reply::Refused(Refusal::Full));
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "there is a bound");
    zoo.has_survived().await;
}

#[tokio::test]
async fn a_replayed_message_ends_the_tunnel_and_a_repeated_deposit_is_one_cell() {
    let zoo = Zoo::open().await;
    let (mut visitor, key) = Visitor::with_mailbox(&zoo.hostile, 7, 10).await.unwrap();
    for _ in 0..50 {
        assert!(is_stored(&visitor.ask(&deposit(&key, 3, 9)).await.unwrap()));
    }
    assert_eq!(visitor.ask(&deposit(&key, 3, 8)).await.unwrap(), Reply::Refused(Refusal::UsedTag));
    assert_eq!(visitor.fetch_all().await.unwrap().len(), 1);
    let replayed = visitor.seal_only(&deposit(&key, 4, 9));
    visitor.send(replayed.clone());
    assert!(is_stored(&visitor.next().await.unwrap().1));
    visitor.send(replayed);
    assert_eq!(visitor.next().await, Err(Trouble::Closed(4)));
    visitor.open().await.unwrap();
    visitor.attach(&key, Push::None).await.unwrap();
    assert_eq!(visitor.fetch_all().await.unwrap().len(), 2);
    zoo.has_survived().await;
}

#[tokio::test]
async fn nested_and_oversized_content_is_refused() {
    let zoo = Zoo::open().await;
    let mut visitor = Visitor::enter(&zoo.hostile, 8).await.unwrap();
    visitor.open().await.unwrap();
    let nested = [vec![0x81; 20_000], vec![0]].concat();
    let endless = [vec![0x9f; 3_000], vec![0xff; 3_000]].concat();
    let promised = vec![0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    for junk in [nested, endless, promised, vec![0; 61_000], Vec::new()] {
        assert_eq!(visitor.ask(&Request::Put(junk)).await.unwrap(), Reply::Refused(Refusal::Malformed));
    }
    let mut gone = 0;
    for filling in 0..200_u8 {
        let frame = Frame::new(Kind::Data, 900 + u32::from(filling), vec![filling; 60_000]);
        visitor.send(frame);
        if matches!(
            visitor.ask(&Request::Get(karvon_protocol::ids::Locator([filling; 32]))).await,
            Err(Trouble::LinkEnded(_))
        ) {
            gone += 1;
            break;
        }
    }
    assert_eq!(gone, 0, "messages of tunnels that are closed are passed over");
    zoo.has_survived().await;
}

#[tokio::test]
async fn frames_that_only_relays_may_send_end_the_link_of_a_leaf() {
    let zoo = Zoo::open().await;
    for kind in
        [Kind::Welcome, Kind::Descriptor, Kind::Opened, Kind::Hello, Kind::SlotAck, Kind::Shards, Kind::Reach]
    {
        let mut liar = Visitor::enter(&zoo.hostile, 9).await.unwrap();
        for _ in 0..64 {
            liar.send(Frame::new(kind, 0, vec![0xa5; 500]));
        }
        let ended = liar.frame().await;
        assert!(matches!(ended, Err(Trouble::LinkEnded(_))), "{kind:?}: {ended:?}");
    }
    zoo.has_survived().await;
}

#[tokio::test]
async fn a_leaf_without_a_slot_gets_nothing() {
    let zoo = Zoo::open().await;
    let mut door = karvon_protocol::descriptor::Door::from_text(&zoo.hostile).unwrap();
    door.key = [0x11; 32].into();
    let refused = Visitor::enter(&door.to_text(), 10).await;
    assert!(matches!(refused, Err(Trouble::NotLetIn(_))), "{refused:?}");
    let mut silent = Visitor::knock(&zoo.hostile, 11).await.unwrap();
    silent.send(Frame::new(Kind::DirectoryAsk, 0, Vec::new()));
    assert!(matches!(silent.frame().await, Err(Trouble::LinkEnded(_))), "nothing is told before the hello");
    zoo.has_survived().await;
}

#[tokio::test]
async fn a_relay_is_no_proxy_to_addresses_that_a_leaf_names() {
    let zoo = Zoo::open().await;
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    target.set_nonblocking(true).unwrap();
    let mut leaf = Visitor::enter(&zoo.hostile, 12).await.unwrap();
    for number in 1..=20_u32 {
        leaf.send(Frame::new(Kind::Open, number, open_payload(RelayId([number as u8; 16]), &[0; 48])));
        let answer = leaf.frame().await.unwrap();
        assert_eq!((answer.kind, answer.tunnel, answer.payload.as_slice()), (Kind::Close, number, &[2][..]));
    }
    assert!(target.accept().is_err(), "nobody was dialled");
    zoo.has_survived().await;
}

#[tokio::test]
async fn who_takes_nothing_is_given_up_and_the_memory_comes_back() {
    let zoo = Zoo::open().await;
    let (mut lazy, key) = Visitor::with_mailbox(&zoo.hostile, 13, 4_000).await.unwrap();
    for tag in 0..1_000 {
        assert!(is_stored(&lazy.ask(&deposit(&key, tag, 1)).await.unwrap()));
    }
    // Asks for everything again and again and reads no answer; in steps, so that its own queue does not end the link.
    for _ in 0..60 {
        for _ in 0..100 {
            let fetch = lazy.seal_only(&Request::Fetch { from: 0, bytes_max: 128 << 10, whole: Class::M });
            lazy.send(fetch);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    zoo.has_survived().await;
}

#[tokio::test]
async fn who_asks_for_pieces_and_takes_none_is_given_up_and_the_memory_comes_back() {
    let zoo = Zoo::open().await;
    let (mut lazy, key) = Visitor::with_mailbox(&zoo.hostile, 13, 1).await.unwrap();
    let large = vec![(Class::L as u8, prefix(100))];
    assert_eq!(lazy.ask(&Request::Register(large)).await.unwrap(), Reply::Done);
    let deposit = Request::Deposit { mailbox: mailbox_of(&key), cell: cell(Class::L, 100, 1) };
    assert!(is_stored(&lazy.ask(&deposit).await.unwrap()));
    let all = Request::Pieces { prefix: prefix(100), from: 0, count: 30 };
    let first = lazy.ask(&all).await.unwrap();
    assert!(matches!(&first, Reply::Piece { index: 0, .. }), "it holds the cell: {first:?}");
    // Each request of a few bytes asks for 60 KB.
    for _ in 0..60 {
        for _ in 0..100 {
            let again = lazy.seal_only(&all);
            lazy.send(again);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    zoo.has_survived().await;
}

#[tokio::test]
async fn tunnels_without_end_are_bounded() {
    let zoo = Zoo::open().await;
    let mut leaf = Visitor::enter(&zoo.hostile, 14).await.unwrap();
    let mut busy = 0;
    for number in 0..150 {
        match leaf.open().await {
            Ok(()) => assert!(number < TUNNELS_PER_LINK, "too many tunnels on one link"),
            Err(trouble) => {
                assert_eq!(trouble, Trouble::Closed(3));
                busy += 1;
            }
        }
    }
    assert!(busy >= 150 - TUNNELS_PER_LINK);
    zoo.has_survived().await;
}

#[tokio::test]
async fn leaves_that_come_and_go_leave_nothing_behind() {
    let zoo = Zoo::open().await;
    for number in 0..300 {
        let visitor = Visitor::enter(&zoo.hostile, 10_000 + number).await.unwrap();
        drop(visitor);
    }
    zoo.has_survived().await;
    karvon_tests::until::until("the links of those who left are gone", || {
        (zoo.world.relays[0].status()["leaves"].as_u64()? == 0).then_some(())
    });
}

#[tokio::test]
async fn a_mailbox_can_not_be_opened_without_its_key() {
    let zoo = Zoo::open().await;
    let (mut honest, key) = Visitor::with_mailbox(zoo.world.relays[0].door(), 15, 10).await.unwrap();
    assert!(is_stored(&honest.ask(&deposit(&key, 1, 1)).await.unwrap()));
    let mut thief = Visitor::enter(&zoo.hostile, 16).await.unwrap();
    thief.open().await.unwrap();
    let forged =
        Request::Attach { key: key.verifying_key().to_bytes(), signature: [9; 64], push: Push::Cells };
    for request in [
        forged,
        Request::Fetch { from: 0, bytes_max: 1 << 20, whole: Class::M },
        Request::Remove(vec![prefix(1)]),
        Request::Register(vec![(0, prefix(99))]),
    ] {
        assert_eq!(thief.ask(&request).await.unwrap(), Reply::Refused(Refusal::NotAttached), "{request:?}");
    }
    assert_eq!(honest.fetch_all().await.unwrap().len(), 1);
    assert_eq!(mailbox_of(&key).0.len(), 16);
    zoo.has_survived().await;
}

/// A relay that treats connections from this machine like all others; killed when dropped.
struct Strict {
    child: Child,
    door: String,
    listen: SocketAddr,
    folder: tempfile::TempDir,
}

impl Strict {
    fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("relay.toml"), config).unwrap();
        let (child, ready) = Self::spawn(folder.path());
        let field = |name: &str| ready[name].as_str().unwrap().to_owned();
        Self { child, door: field("door"), listen: field("listen").parse().unwrap(), folder }
    }

    fn spawn(folder: &Path) -> (Child, serde_json::Value) {
        let mut child = Command::new(&karvon_tests::binaries::binaries().karvon_node)
            .args(["relay", "run", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line)
            .unwrap();
        (child, serde_json::from_str(&line).unwrap())
    }
}

impl Strict {
    async fn ask(&self, ask: Ask) -> serde_json::Value {
        karvon_node::relay::control::ask(self.folder.path(), &ask).await.unwrap()
    }
}

impl Drop for Strict {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection from another address of this machine.
#[cfg(target_os = "linux")]
fn connect_from(ip: [u8; 4], to: SocketAddr) -> std::io::Result<TcpStream> {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddr::from((ip, 0)))?;
    connect(&socket, &to)?;
    Ok(TcpStream::from(socket))
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn half_open_connections_of_one_network_do_not_keep_others_out() {
    let relay = Strict::start("");
    let mut silent = Vec::new();
    for number in 0..400_u32 {
        // Sent half a greeting and then nothing, or nothing at all.
        if let Ok(mut stream) = connect_from([127, 9, 9, 1 + (number % 200) as u8], relay.listen) {
            if number % 2 == 0 {
                let _ = stream.write_all(b"\x13/multistream/1");
            }
            silent.push(stream);
        }
    }
    let visitor = Visitor::enter(&relay.door, 20).await.expect("another network still gets in");
    // Most were turned away at once: a burst of one network is all that is held.
    let mut held = 0;
    for stream in &mut silent {
        stream.set_nonblocking(true).unwrap();
        let mut buffer = [0; 64];
        let open = match stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        };
        held += u32::from(open);
    }
    assert!(held <= 128, "{held} half-open connections are held");
    visitor.leave().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn connections_of_one_address_are_bounded() {
    let relay = Strict::start("[limits]\nconnections_per_address = 4\nnew_per_network = 0\n");
    let mut inside = Vec::new();
    for number in 0..4 {
        inside.push(Visitor::enter(&relay.door, 30 + number).await.expect("the first four get in"));
    }
    let fifth = Visitor::enter(&relay.door, 40).await;
    assert!(matches!(fifth, Err(Trouble::NotLetIn(_))), "{fifth:?}");
    inside.pop().unwrap().leave().await;
    for _ in 0..100 {
        if Visitor::enter(&relay.door, 41).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the place of the one who left is not given out again");
}

/// The small form of `karvon-fire flood`.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn people_are_served_through_a_flood_and_it_leaves_nothing_behind() {
    // Fewer places for handshakes than the flood wants, and none of them is free again by waiting.
    let relay = Strict::start("[limits]\npending = 64\nhandshake_seconds = 120\n");
    let crowd = Crowd::start(&relay.door, 3, Duration::from_millis(50), 2_000).await.unwrap();
    let door = relay.ask(Ask::NewDoor).await["door"].as_str().unwrap().to_owned();
    let before = relay.ask(Ask::Status).await["rss_bytes"].as_u64().unwrap();
    let plan = Plan {
        relay: relay.listen,
        doors: vec![door],
        connections: 300,
        slow: 40,
        again: Duration::from_millis(500),
        byte_every: Duration::from_millis(300),
    };
    let began = tokio::time::Instant::now();
    let flood = Flood::start(&plan).await.unwrap();
    // It is one only if some were refused, and it is survived only if people are served meanwhile.
    let refused = |status: &serde_json::Value| {
        ["full", "address", "network"]
            .iter()
            .filter_map(|why| status["turned_away"][why].as_u64())
            .sum::<u64>()
    };
    let status = loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let since = |samples: Vec<Sample>| {
            samples.iter().filter(|sample| sample.due > began && sample.took.is_some()).count()
        };
        let (served, came) = (since(crowd.deposits()), since(crowd.entries()));
        let status = relay.ask(Ask::Status).await;
        let inside = flood.counts().inside.load(std::sync::atomic::Ordering::SeqCst);
        if served >= 50 && came >= 2 && refused(&status) >= 200 && inside > 0 {
            break status;
        }
        let seen = format!("{served} deposits, {came} newcomers, {inside} hostile ones inside: {status}");
        assert!(began.elapsed() < DEADLINE, "{seen}");
    };
    let grown = status["rss_bytes"].as_u64().unwrap().saturating_sub(before);
    assert!(grown < 2 * FLAT, "memory grew by {grown} bytes");
    flood.stop().await;
    let over = tokio::time::Instant::now();
    while !crowd.entries().iter().any(|sample| sample.due > over && sample.took.is_some()) {
        assert!(over.elapsed() < DEADLINE, "newcomers are let in again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let account = crowd.count().await.unwrap();
    let good = Account { confirmed: account.confirmed, ..Account::default() };
    assert!(account.confirmed >= 50 && account == good, "{account:?}");
}

#[tokio::test]
async fn a_byte_budget_is_kept_and_survives_a_restart() {
    let mut relay = Strict::start("[traffic]\nday = \"1 MiB\"\n");
    let folder = relay.folder.path().to_owned();
    let door = relay.door.clone();
    let fill = async {
        let (mut visitor, key) = Visitor::with_mailbox(&door, 50, 2_000).await?;
        for tag in 0..2_000 {
            visitor.ask(&deposit(&key, tag, 1)).await?;
        }
        Ok::<_, Trouble>(())
    };
    assert!(fill.await.is_err(), "two thousand cells of 2 KiB do not fit into 1 MiB");
    let ask = Ask::Status;
    let status = karvon_node::relay::control::ask(&folder, &ask).await.unwrap();
    let moved = ["bytes_in", "bytes_out"].iter().map(|name| status[*name].as_u64().unwrap()).sum::<u64>();
    assert!(moved > 500_000 && moved * 100 <= (1 << 20) * 101, "{moved} bytes");
    assert_eq!(status["state"], "budget_used_up");
    // What a rush moved is in the books after a quarter second.
    tokio::time::sleep(Duration::from_millis(600)).await;
    relay.child.kill().unwrap();
    relay.child.wait().unwrap();
    (relay.child, _) = Strict::spawn(&folder);
    let again = karvon_node::relay::control::ask(&folder, &ask).await.unwrap();
    assert_eq!(again["state"], "budget_used_up", "a kill does not forget what was spent");
}
