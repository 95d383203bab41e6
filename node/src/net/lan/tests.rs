//! Two devices on loopback find each other by real datagrams and open one session; a stranger is told nothing.

use super::*;
use crate::clock::SystemClock;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use tokio::task::JoinHandle;

const DEADLINE: Duration = Duration::from_secs(30);

fn loopback() -> Network {
    let address = std::net::Ipv4Addr::LOCALHOST.into();
    Network { name: "lo".to_owned(), address, prefix: 8, scope: 0, router: None, id: [0; 16] }
}

#[tokio::test]
async fn nothing_is_sent_once_the_network_is_another_one() {
    let (_contacts, wanted) = watch::channel(vec![(ContactId(1), LanKeys::new(&[80; 32], true))]);
    let (again, ringing) = watch::channel(0);
    let (sender, _sessions) = mpsc::channel(1);
    let search = Search {
        network: Network { prefix: 9, ..loopback() },
        is_here: |_| false,
        clock: Arc::new(SystemClock::new()),
        rng: Box::new(ChaCha20Rng::seed_from_u64(9)),
        contacts: wanted,
        near: Near::default(),
        again: ringing,
        sessions: sender,
    };
    let witness = Sockets::open(&search.network).await.expect("open");
    let search = tokio::spawn(search.run());
    let ended = timeout(DEADLINE, search).await.expect("in time").expect("no panic");
    assert_eq!(ended.expect_err("gone").kind(), io::ErrorKind::NetworkUnreachable);
    // What was sent came while it was not looked yet.
    let mut heard = 0;
    let mut bytes = [0; DATAGRAM_BYTES];
    while timeout(Duration::from_millis(200), witness.all.recv_from(&mut bytes)).await.is_ok() {
        heard += 1;
    }
    assert!(heard <= 2, "{heard}");
    drop(again);
}

struct Device {
    search: JoinHandle<io::Result<()>>,
    sessions: mpsc::Receiver<Session>,
    near: Near,
    again: watch::Sender<u64>,
    contacts: watch::Sender<Vec<(ContactId, LanKeys)>>,
}

fn device(seed: u64, contacts: &[(u32, u8, bool)]) -> Device {
    let keys =
        |&(id, pair, initiator): &(u32, u8, bool)| (ContactId(id), LanKeys::new(&[pair; 32], initiator));
    let (contacts, wanted) = watch::channel(contacts.iter().map(keys).collect());
    let (again, ringing) = watch::channel(0);
    let (sender, sessions) = mpsc::channel(4);
    let near = Near::default();
    let search = Search {
        network: loopback(),
        is_here: |_| true,
        clock: Arc::new(SystemClock::new()),
        rng: Box::new(ChaCha20Rng::seed_from_u64(seed)),
        contacts: wanted,
        near: near.clone(),
        again: ringing,
        sessions: sender,
    };
    Device { search: tokio::spawn(search.run()), sessions, near, again, contacts }
}

async fn next(device: &mut Device) -> Session {
    timeout(DEADLINE, device.sessions.recv()).await.expect("in time").expect("a session")
}

fn had(room: u64) -> Message {
    Message::Had { room, numbers: vec![] }
}

/// Says what every session begins with, as the exchange does.
async fn greet(session: &mut Session, room: u64) {
    let bytes = session.channel.seal(&had(room)).expect("fresh");
    session.stream.write_all(&bytes).await.expect("open");
}

#[tokio::test]
async fn contacts_find_each_other_and_others_do_not_come_in() {
    let mut ali = device(1, &[(5, 90, true), (6, 91, true)]);
    let mut bob = device(2, &[(7, 90, false)]);
    let _eve = device(3, &[(8, 92, true)]);
    let mut called = next(&mut ali).await;
    assert_eq!((called.contact, called.in_turn), (ContactId(5), true));
    greet(&mut called, 64).await;
    let mut taken = next(&mut bob).await;
    assert_eq!((taken.contact, taken.in_turn), (ContactId(7), true));
    assert_eq!(taken.first, Some(had(64)));
    ali.near.lock().expect("no panic").insert(ContactId(5));
    bob.near.lock().expect("no panic").insert(ContactId(7));
    greet(&mut taken, 65).await;
    let unit = read_unit(&mut called.stream).await.expect("open");
    assert_eq!(called.channel.open(&unit[..]), Ok(Some(had(65))));
    // Neither begins a second one, though both are heard again.
    for device in [&ali, &bob] {
        device.again.send_modify(|rung| *rung += 1);
    }
    sleep(SECOND + Duration::from_millis(500)).await;
    assert!(ali.sessions.try_recv().is_err() && bob.sessions.try_recv().is_err());
    // A stranger at the port, with anything, gets not one byte.
    let door = called.stream.peer_addr().expect("connected");
    let mut stranger = TcpStream::connect(door).await.expect("it listens");
    stranger.write_all(&[7; UNIT_BYTES]).await.expect("taken");
    let mut answer = Vec::new();
    // Closed, or reset because of bytes that nobody read: either is an end.
    let _ = timeout(DEADLINE, stranger.read_to_end(&mut answer)).await.expect("it is not kept");
    assert_eq!(answer, b"");
    assert!(ali.sessions.try_recv().is_err() && bob.sessions.try_recv().is_err());
    // Whoever is a contact no more is not let in any more.
    drop((called, taken));
    bob.near.lock().expect("no panic").clear();
    ali.near.lock().expect("no panic").clear();
    bob.contacts.send_modify(Vec::clear);
    ali.again.send_modify(|rung| *rung += 1);
    sleep(SECOND + Duration::from_millis(500)).await;
    assert!(ali.sessions.try_recv().is_err() && bob.sessions.try_recv().is_err());
    assert!(!ali.search.is_finished() && !bob.search.is_finished());
    drop(ali.contacts);
    assert!(timeout(DEADLINE, ali.search).await.is_ok(), "it ends with whoever started it");
}
