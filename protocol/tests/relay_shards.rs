//! Shards at a relay: what it keeps and hands on, what of others' gossip it believes, and how two relays compare.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod relay_world;

use karvon_protocol::cell::Cell;
use karvon_protocol::core::{CommandId, Input, LinkId, LinkInfo, Reason, Space};
use karvon_protocol::crypto::LocalSignKey;
use karvon_protocol::group::seed::Call;
use karvon_protocol::ids::RelayId;
use karvon_protocol::link::Kind;
use karvon_protocol::relay::api::{Pressure, RelayCommand, RelayEvent, Verdict};
use karvon_protocol::relay::unit::Unit;
use karvon_protocol::rpc::{Refusal, Reply, Request};
use relay_world::{DAY_MS, Node, START_MS, come_back, one_leaf, refused, rng};

const MESH: LinkId = LinkId(1_000);
const SHARD: u16 = 3;
const TODAY: u32 = (START_MS / DAY_MS) as u32;

fn call() -> Call {
    Call::new(&[7; 64])
}

/// Some cell that `call` detects on [`SHARD`].
fn cell(number: u64) -> Cell {
    call().seal(SHARD, &number.to_be_bytes(), &mut rng(number)).unwrap()
}

fn inject(cell: &Cell) -> Request {
    Request::Inject { shard: SHARD, cell: cell.clone() }
}

fn follow(shard: u16, from: u64) -> Request {
    Request::Follow { shard, keys: vec![*call().detect], from }
}

/// The unit of relay `number` for a cell.
fn unit(number: u8, shard: u16, day: u32, cell: &Cell) -> Vec<u8> {
    let key = LocalSignKey::from_seed(&[number; 32]);
    Unit::sign(shard, RelayId::of(&key.public().0), day, cell.clone(), &key).encode()
}

/// Lets two relays know each other.
fn mesh_up(a: &mut Node, b: &mut Node) {
    a.input(Input::LinkUp(MESH, LinkInfo::Mesh { remote_key: b.mesh_key() }));
    b.input(Input::LinkUp(MESH, LinkInfo::Mesh { remote_key: a.mesh_key() }));
    settle(a, b);
}

/// Carries frames between two relays until both are quiet; the bytes of those about shards.
fn settle(a: &mut Node, b: &mut Node) -> Vec<usize> {
    let mut about = Vec::new();
    loop {
        let (to_b, to_a) = (a.take(MESH), b.take(MESH));
        if to_a.is_empty() && to_b.is_empty() {
            return about;
        }
        let shards = to_a.iter().chain(&to_b).filter(|frame| frame.kind == Kind::Shards);
        about.extend(shards.map(|frame| frame.payload.len()));
        to_b.into_iter().for_each(|frame| b.input(Input::Frame { link: MESH, frame }));
        to_a.into_iter().for_each(|frame| a.input(Input::Frame { link: MESH, frame }));
    }
}

fn judge(node: &mut Node, bytes: &[u8]) -> Verdict {
    node.events.clear();
    node.input(Input::Command(CommandId(9_999), RelayCommand::Gossip(5, bytes.to_vec())));
    let judged = |event: &RelayEvent| match event {
        RelayEvent::Judged(5, verdict) => Some(*verdict),
        _ => None,
    };
    node.events.iter().find_map(judged).unwrap()
}

fn spread(node: &Node) -> Vec<Vec<u8>> {
    let bytes = |event: &RelayEvent| match event {
        RelayEvent::Spread(SHARD, bytes) => Some(bytes.clone()),
        _ => None,
    };
    node.events.iter().filter_map(bytes).collect()
}

#[test]
fn a_cell_is_confirmed_when_durable_spread_once_and_comes_to_whoever_follows() {
    let (mut node, door, mut pipe) = one_leaf();
    node.syncs = false;
    let number = node.send(&mut pipe, &inject(&cell(1)));
    pipe.read(&mut node);
    assert_eq!(pipe.answer(number), None, "not on disk yet");
    node.sync_all();
    node.syncs = true;
    pipe.read(&mut node);
    assert!(matches!(pipe.answer(number), Some(Reply::Stored { .. })));
    assert!(matches!(node.ask(&mut pipe, &inject(&cell(1))), Reply::Stored { .. }), "a repetition");
    assert_eq!(spread(&node).len(), 1);

    let mut reader = node.tunnel(pipe.link, 3);
    assert_eq!(node.ask(&mut reader, &follow(SHARD, 0)), Reply::Fetched { next: 2, more: false });
    assert_eq!(reader.items(), [(1, cell(1))]);
    let foreign = Call::new(&[8; 64]).seal(SHARD, b"foreign", &mut rng(5)).unwrap();
    node.ask(&mut pipe, &inject(&foreign));
    node.ask(&mut pipe, &inject(&cell(2)));
    reader.read(&mut node);
    assert_eq!(reader.items(), [(3, cell(2))], "only what its key detects");

    // After a crash numbers go on and all is there; 30 days later nothing is.
    let mut node = node.crash();
    let mut pipe = come_back(&mut node, &door, 5);
    node.ask(&mut pipe, &inject(&cell(3)));
    assert_eq!(node.ask(&mut pipe, &follow(SHARD, 2)), Reply::Fetched { next: 5, more: false });
    assert_eq!(pipe.items(), [(3, cell(2)), (4, cell(3))]);
    assert_eq!(
        node.ask(&mut pipe, &Request::Recent { shard: SHARD, keys: vec![*call().detect], before: 4 }),
        Reply::Fetched { next: 0, more: false }
    );
    assert_eq!(pipe.items(), [(1, cell(1)), (3, cell(2))]);
    assert_eq!(node.image().cells.len(), 4);
    node.jump(31 * DAY_MS);
    node.pass(120_000);
    assert!(node.image().cells.is_empty());
    assert_eq!(node.records(Space::RelayShard), 1, "the newest record keeps the count");
    let mut node = node.crash();
    let mut pipe = come_back(&mut node, &door, 6);
    node.ask(&mut pipe, &inject(&cell(4)));
    assert_eq!(node.ask(&mut pipe, &follow(SHARD, 5)), Reply::Fetched { next: 6, more: false });
    assert_eq!(pipe.items(), [(5, cell(4))]);
}

#[test]
fn a_follower_hears_of_no_number_that_a_crash_would_give_out_again() {
    let (mut node, door, mut pipe) = one_leaf();
    let mut reader = node.tunnel(pipe.link, 3);
    node.ask(&mut reader, &follow(SHARD, 0));
    node.syncs = false;
    node.send(&mut pipe, &inject(&cell(1)));
    reader.read(&mut node);
    assert_eq!(reader.items(), [], "not on disk yet");
    let asked = node.send(&mut reader, &follow(SHARD, 0));
    reader.read(&mut node);
    assert_eq!(reader.answer(asked), None, "nor does an answer count it");
    let mut node = node.crash();
    let mut reader = come_back(&mut node, &door, 5);
    node.ask(&mut reader, &follow(SHARD, 0));
    node.ask(&mut reader, &inject(&cell(2)));
    reader.read(&mut node);
    assert_eq!(reader.items(), [(1, cell(2))]);
}

#[test]
fn a_relay_that_takes_nothing_says_so() {
    let (mut node, _, mut pipe) = one_leaf();
    node.command(RelayCommand::Drain(true)).unwrap();
    assert_eq!(node.ask(&mut pipe, &inject(&cell(1))), refused(Refusal::Full));
    node.command(RelayCommand::Drain(false)).unwrap();
    assert!(matches!(node.ask(&mut pipe, &inject(&cell(1))), Reply::Stored { .. }));
    let mut other = Node::new(2);
    mesh_up(&mut node, &mut other);
    node.command(RelayCommand::Pressure(Pressure { storage: true, traffic: false })).unwrap();
    assert_eq!(judge(&mut node, &unit(2, SHARD, TODAY, &cell(2))), Verdict::Ignore);
    node.command(RelayCommand::Pressure(Pressure::default())).unwrap();
    assert_eq!(judge(&mut node, &unit(2, SHARD, TODAY, &cell(2))), Verdict::Accept);
}

#[test]
fn of_others_gossip_only_what_a_known_relay_signed_is_passed_on() {
    let (mut node, mut other) = (Node::new(1), Node::new(2));
    let good = unit(2, SHARD, TODAY, &cell(1));
    assert_eq!(judge(&mut node, &good), Verdict::Ignore, "relay 2 is not known yet, and nobody is to blame");
    mesh_up(&mut node, &mut other);
    for at in 0..good.len() {
        let mut damaged = good.clone();
        damaged[at] ^= 1;
        assert_ne!(judge(&mut node, &damaged), Verdict::Accept, "byte {at}");
    }
    for cut in [0, 1, 50, good.len() - 1] {
        assert_eq!(judge(&mut node, &good[..cut]), Verdict::Reject, "{cut} bytes");
    }
    assert_eq!(judge(&mut node, &unit(2, SHARD, TODAY + 3, &cell(1))), Verdict::Ignore);
    assert_eq!(judge(&mut node, &unit(2, SHARD, TODAY - 3, &cell(1))), Verdict::Ignore);
    assert_eq!(judge(&mut node, &unit(2, 16, TODAY, &cell(1))), Verdict::Reject, "no such shard");
    assert_eq!(node.image().cells.len(), 0);
    // Somebody who sees a cell first signs it for another shard: it hides the true one from nobody.
    assert_eq!(judge(&mut node, &unit(2, SHARD + 1, TODAY, &cell(1))), Verdict::Accept);
    assert_eq!(judge(&mut node, &good), Verdict::Accept);
    assert_eq!(judge(&mut node, &good), Verdict::Ignore, "known");
    assert_eq!(
        judge(&mut node, &unit(1, SHARD, TODAY, &cell(9))),
        Verdict::Ignore,
        "in this relay's own name"
    );
    assert_eq!(node.image().cells.len(), 2);
}

#[test]
fn relays_that_compare_get_what_each_lacks_and_nothing_that_was_not_asked_for() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    // Relay 3 is known to both; it brought cells to each while the two could not reach each other.
    let descriptor = Node::new(3).descriptor().1;
    for node in [&mut a, &mut b] {
        node.input(Input::Command(CommandId(9_998), RelayCommand::Heard(descriptor.clone())));
    }
    for number in 0..1_600 {
        let to = if number % 4 == 0 { &mut a } else { &mut b };
        assert_eq!(judge(to, &unit(3, SHARD, TODAY, &cell(number))), Verdict::Accept);
    }
    let faults = (a.status().faults, b.status().faults);
    mesh_up(&mut a, &mut b);
    let names = |node: &Node| {
        let mut names: Vec<_> = node.image().cells.values().map(|(_, cell)| cell.hash()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&a).len(), 1_600);
    assert_eq!(names(&a), names(&b));
    // Now that they hold the same, each tells one sum now and then, which is not even answered.
    let mut told = Vec::new();
    for _ in 0..12 {
        a.pass(60_000);
        b.pass(60_000);
        told.extend(settle(&mut a, &mut b));
    }
    assert!((2..=8).contains(&told.len()) && told.iter().all(|bytes| *bytes <= 40), "{told:?}");
    assert_eq!((a.status().faults, b.status().faults), faults, "nobody was blamed");
    // A unit that was not asked for is a breach.
    let unwanted = [&[5][..], &unit(3, SHARD, TODAY, &cell(9_999))].concat();
    a.frame(MESH, Kind::Shards, 0, unwanted);
    assert_eq!(a.status().faults, faults.0 + 1);
    assert_eq!(names(&a).len(), 1_600);
}

#[test]
fn a_relay_that_asks_again_and_again_gets_its_share_until_the_next_round() {
    const SHARE: usize = 64 << 20;
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    mesh_up(&mut a, &mut b);
    let large = call().seal(SHARD, &[7; 50_000], &mut rng(1)).unwrap();
    assert_eq!(judge(&mut a, &unit(2, SHARD, TODAY, &large)), Verdict::Accept);
    let names = large.hash().0.repeat(16);
    let want = [&[4][..], &SHARD.to_be_bytes(), &TODAY.to_be_bytes(), &names].concat();
    let served = |a: &mut Node| {
        (0..72).for_each(|_| a.frame(MESH, Kind::Shards, 0, want.clone()));
        let frames = a.take(MESH).into_iter().filter(|frame| frame.kind == Kind::Shards);
        frames.map(|frame| frame.payload.len()).sum::<usize>()
    };
    let first = served(&mut a);
    assert!(first <= SHARE && first > SHARE - large.bytes().len() * 2, "{first}");
    assert_eq!(served(&mut a), 0, "nothing more in this round");
    a.pass(60_000);
    a.take(MESH);
    assert_eq!(served(&mut a), first, "the next round begins anew");
}

#[test]
fn a_leaf_brings_no_more_cells_in_a_day_than_its_slot_may() {
    let (mut node, _, mut pipe) = one_leaf();
    for number in 0..5_000 {
        let reply = node.ask(&mut pipe, &inject(&cell(number)));
        assert!(matches!(reply, Reply::Stored { .. }), "cell {number}: {reply:?}");
    }
    assert_eq!(node.ask(&mut pipe, &inject(&cell(5_000))), refused(Refusal::Busy));
    assert_eq!(node.image().cells.len(), 5_000);
    assert!(
        matches!(node.ask(&mut pipe, &inject(&cell(0))), Reply::Stored { .. }),
        "a repetition is no new one"
    );
}

#[test]
fn relays_whose_cells_have_expired_have_nothing_to_compare() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    mesh_up(&mut a, &mut b);
    for number in 0..3 {
        assert_eq!(judge(&mut a, &unit(2, SHARD, TODAY, &cell(number))), Verdict::Accept);
    }
    for node in [&mut a, &mut b] {
        node.jump(32 * DAY_MS);
        node.pass(120_000);
        node.input(Input::LinkDown(MESH, Reason::Lost));
        node.take(MESH);
    }
    assert!(a.image().cells.is_empty());
    a.input(Input::LinkUp(MESH, LinkInfo::Mesh { remote_key: b.mesh_key() }));
    b.input(Input::LinkUp(MESH, LinkInfo::Mesh { remote_key: a.mesh_key() }));
    let about = settle(&mut a, &mut b);
    assert!(!about.is_empty() && about.iter().all(|bytes| *bytes == 1), "{about:?}");
}
