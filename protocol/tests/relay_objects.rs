//! Bundle objects: the first owner pins its place, newer ones replace, others can not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod common;
mod relay_world;

use karvon_protocol::bundle::BundleObject;
use karvon_protocol::core::{Input, LinkId, LinkInfo, Space};
use karvon_protocol::crypto::LocalSignKey;
use karvon_protocol::descriptor::RelayAddr;
use karvon_protocol::identity::LocalIdentity;
use karvon_protocol::ids::{Locator, RelayId};
use karvon_protocol::invite::{Invitation, InviteKeys};
use karvon_protocol::link::Kind;
use karvon_protocol::relay::limits::RelayLimits;
use karvon_protocol::rpc::{Refusal, Reply, Request};
use relay_world::{DAY_MS, Node, Pipe, START_MS, come_back, one_leaf, refused, rng, setup};

const NOW_S: u64 = START_MS / 1_000;

fn invitation(number: u64) -> InviteKeys {
    let me = common::person(1);
    let addr = RelayAddr::Ip("192.0.2.1:443".parse().unwrap());
    Invitation::new(me.fingerprint(), RelayId([1; 16]), addr, &mut rng(number)).keys()
}

fn object(keys: &InviteKeys, owner: u8, seq: u64, expiry_s: u64) -> BundleObject {
    let me: LocalIdentity = common::person(1);
    let (bundle, _) = common::bundle_of(&me, 1);
    BundleObject::seal(keys, &bundle, &LocalSignKey::from_seed(&[owner; 32]), seq, expiry_s, &mut rng(seq))
        .unwrap()
}

fn put(node: &mut Node, pipe: &mut Pipe, object: &BundleObject) -> Reply {
    node.ask(pipe, &Request::Put(object.bytes().to_vec()))
}

fn get(node: &mut Node, pipe: &mut Pipe, locator: Locator) -> Reply {
    node.ask(pipe, &Request::Get(locator))
}

#[test]
fn only_a_newer_object_of_the_same_owner_replaces() {
    let (mut node, door, mut pipe) = one_leaf();
    let keys = invitation(1);
    let (first, second) = (object(&keys, 1, 1, NOW_S + 9_000), object(&keys, 1, 2, NOW_S + 9_000));
    assert_eq!(put(&mut node, &mut pipe, &first), Reply::Done);
    assert_eq!(put(&mut node, &mut pipe, &first), Reply::Done, "the same again");
    assert_eq!(put(&mut node, &mut pipe, &object(&keys, 1, 1, NOW_S + 9_001)), refused(Refusal::Stale));
    assert_eq!(put(&mut node, &mut pipe, &second), Reply::Done);
    assert_eq!(put(&mut node, &mut pipe, &first), refused(Refusal::Stale));
    assert_eq!(
        put(&mut node, &mut pipe, &object(&keys, 2, 99, NOW_S + 9_000)),
        Reply::Done,
        "kept beside it"
    );
    let mut node = node.crash();
    let mut pipe = come_back(&mut node, &door, 5);
    let other = object(&keys, 2, 99, NOW_S + 9_000);
    let mut read = [0; 2];
    for _ in 0..40 {
        match get(&mut node, &mut pipe, keys.locator) {
            Reply::Object(bytes) if bytes == second.bytes() => read[0] += 1,
            Reply::Object(bytes) if bytes == other.bytes() => read[1] += 1,
            reply => panic!("{reply:?}"),
        }
    }
    assert!(read[0] > 5 && read[1] > 5, "whoever asks again sees what others put there: {read:?}");
    for owner in 3..5 {
        assert_eq!(put(&mut node, &mut pipe, &object(&keys, owner, 1, NOW_S + 9_000)), Reply::Done);
    }
    assert_eq!(put(&mut node, &mut pipe, &object(&keys, 6, 1, NOW_S + 9_000)), refused(Refusal::Stale));
}

#[test]
fn a_put_is_confirmed_only_after_it_is_durable() {
    let (mut node, _, mut pipe) = one_leaf();
    node.syncs = false;
    let number =
        node.send(&mut pipe, &Request::Put(object(&invitation(1), 1, 1, NOW_S + 9_000).bytes().to_vec()));
    pipe.read(&mut node);
    assert_eq!(pipe.answer(number), None);
    node.sync_all();
    pipe.read(&mut node);
    assert_eq!(pipe.answer(number), Some(Reply::Done));
}

#[test]
fn forged_expired_or_unknown_objects_are_refused() {
    let (mut node, _, mut pipe) = one_leaf();
    let keys = invitation(1);
    let mut bent = object(&keys, 1, 1, NOW_S + 9_000).bytes().to_vec();
    bent[500] ^= 1;
    assert_eq!(node.ask(&mut pipe, &Request::Put(bent)), refused(Refusal::Malformed));
    assert_eq!(node.ask(&mut pipe, &Request::Put(vec![1; 9_000])), refused(Refusal::Malformed));
    assert_eq!(put(&mut node, &mut pipe, &object(&keys, 1, 1, NOW_S)), refused(Refusal::Stale));
    assert_eq!(get(&mut node, &mut pipe, keys.locator), refused(Refusal::NotFound));
    assert_eq!(node.records(Space::RelayObject), 0);
}

#[test]
fn objects_go_at_their_expiry_and_at_ninety_days_at_the_latest() {
    let (mut node, door, mut pipe) = one_leaf();
    let (short, long) = (invitation(1), invitation(2));
    put(&mut node, &mut pipe, &object(&short, 1, 1, NOW_S + 86_400));
    put(&mut node, &mut pipe, &object(&long, 1, 1, NOW_S + 9_999 * 86_400));
    node.jump(DAY_MS + 60_000);
    assert_eq!(node.records(Space::RelayObject), 2, "an object and its index");
    let mut pipe = come_back(&mut node, &door, 5);
    assert_eq!(get(&mut node, &mut pipe, short.locator), refused(Refusal::NotFound));
    assert!(matches!(get(&mut node, &mut pipe, long.locator), Reply::Object(_)));
    node.jump(90 * DAY_MS);
    assert_eq!(node.records(Space::RelayObject), 0);
}

#[test]
fn when_there_are_too_many_the_one_that_expires_first_makes_room() {
    let mut node = Node::with(setup(1), RelayLimits { objects: 3, ..RelayLimits::default() });
    let door = node.new_slot();
    let mut pipe = come_back(&mut node, &door, 1);
    let keys: Vec<_> = (0..4).map(invitation).collect();
    for (keys, life) in keys.iter().zip([500, 100, 900, 700]) {
        assert_eq!(put(&mut node, &mut pipe, &object(keys, 1, 1, NOW_S + life)), Reply::Done);
    }
    let mut node = node.crash();
    let mut pipe = come_back(&mut node, &door, 2);
    let held: Vec<_> =
        keys.iter().map(|k| matches!(get(&mut node, &mut pipe, k.locator), Reply::Object(_))).collect();
    assert_eq!(held, [true, false, true, true]);
}

#[test]
fn an_object_is_handed_out_until_its_expiry_and_not_at_it() {
    let (mut node, _, mut pipe) = one_leaf();
    let keys = invitation(1);
    assert_eq!(put(&mut node, &mut pipe, &object(&keys, 1, 1, NOW_S + 100)), Reply::Done);
    node.jump(99_999);
    assert!(matches!(get(&mut node, &mut pipe, keys.locator), Reply::Object(_)));
    node.jump(1);
    assert_eq!(get(&mut node, &mut pipe, keys.locator), refused(Refusal::NotFound));
}

const MESH: LinkId = LinkId(77);

/// A relay with a neighbour that has shown its descriptor, and how the neighbour's questions are answered.
fn with_neighbour(node: &mut Node) {
    let neighbour = Node::new(9);
    node.input(Input::LinkUp(MESH, LinkInfo::Mesh { remote_key: neighbour.mesh_key() }));
    node.frame(MESH, Kind::Welcome, 0, neighbour.descriptor().1);
    node.take(MESH);
}

/// What the neighbour says about objects; what it is told.
fn say(node: &mut Node, payload: Vec<u8>) -> Vec<Vec<u8>> {
    node.frame(MESH, Kind::Objects, 0, payload);
    let frames = node.take(MESH).into_iter();
    frames.filter(|frame| frame.kind == Kind::Objects).map(|frame| frame.payload).collect()
}

fn named(kind: u8, objects: &[&BundleObject]) -> Vec<u8> {
    let name = |object: &&BundleObject| {
        [&object.locator.0[..], &blake3::hash(object.bytes()).as_bytes()[..16]].concat()
    };
    [vec![kind], objects.iter().flat_map(name).collect()].concat()
}

fn handed(object: &BundleObject) -> Vec<u8> {
    [&[2][..], object.bytes()].concat()
}

#[test]
fn what_a_neighbour_hands_on_is_taken_once_it_was_asked_for_and_checked_like_any_other() {
    let mut node = Node::new(1);
    with_neighbour(&mut node);
    let good = object(&invitation(1), 1, 1, NOW_S + 9_000);
    let gone = object(&invitation(2), 1, 1, NOW_S - 1);
    let faults = node.status().faults;
    assert!(say(&mut node, handed(&good)).is_empty());
    assert_eq!(node.status().faults, faults + 1, "nobody asked for it");
    assert_eq!(say(&mut node, named(0, &[&good, &gone])), [named(1, &[&good, &gone])]);
    // What lies in the bytes is not what was offered.
    let mut bent = good.bytes().to_vec();
    bent[200] ^= 1;
    say(&mut node, [&[2][..], &bent].concat());
    assert_eq!(node.status().faults, faults + 2);
    say(&mut node, handed(&gone));
    assert_eq!(node.status().objects, 0, "it has expired");
    say(&mut node, handed(&good));
    assert_eq!(node.status().objects, 1);
    assert!(say(&mut node, named(0, &[&good])).is_empty(), "it is here");
    assert_eq!(say(&mut node, named(1, &[&good])), [handed(&good)], "and goes on to whoever wants it");
    assert_eq!(node.status().faults, faults + 2);
    // Whoever wants more than there is to be had in a minute breaks the rules.
    let many = [&good; 21];
    say(&mut node, named(1, &many));
    say(&mut node, named(1, &many));
    assert_eq!(node.status().faults, faults + 3);
    say(&mut node, named(0, &[&good; 22]));
    assert_eq!(node.status().faults, faults + 4, "more names than fit a message");
}

#[test]
fn what_was_asked_for_may_come_after_the_round_but_not_rounds_later() {
    let mut node = Node::new(1);
    with_neighbour(&mut node);
    let both = [1, 2].map(|number| object(&invitation(number), 1, 1, NOW_S + 9_000));
    let [soon, late] = &both;
    assert_eq!(say(&mut node, named(0, &[soon, late])).len(), 1);
    let faults = node.status().faults;
    let round = |node: &mut Node| {
        node.pass(60_000);
        node.frame(MESH, Kind::Heartbeat, 0, Vec::new());
        node.take(MESH);
    };
    round(&mut node);
    assert!(say(&mut node, named(0, &[soon, late])).is_empty(), "both are on their way");
    say(&mut node, handed(soon));
    assert_eq!((node.status().objects, node.status().faults), (1, faults));
    round(&mut node);
    say(&mut node, handed(late));
    assert_eq!((node.status().objects, node.status().faults), (1, faults + 1));
    assert_eq!(say(&mut node, named(0, &[late])), [named(1, &[late])], "it is asked for anew");
}

#[test]
fn objects_that_are_handed_on_never_push_out_one_that_its_author_brought() {
    let limits = RelayLimits { objects: 8, ..RelayLimits::default() };
    let mut node = Node::with(setup(1), limits);
    let door = node.new_slot();
    let mut pipe = come_back(&mut node, &door, 5);
    with_neighbour(&mut node);
    let all: Vec<_> = (0..12).map(|number| object(&invitation(number), 1, 1, NOW_S + 9_000)).collect();
    for object in &all[..3] {
        assert_eq!(put(&mut node, &mut pipe, object), Reply::Done);
    }
    let offered: Vec<_> = all[3..].iter().collect();
    assert_eq!(say(&mut node, named(0, &offered)).len(), 1);
    for object in offered {
        say(&mut node, handed(object));
    }
    assert_eq!(node.status().objects, 4, "half of the places are for what authors bring");
    assert!(say(&mut node, named(0, &[&all[11]])).is_empty(), "and no more is asked for");
    for object in &all[..3] {
        assert_eq!(get(&mut node, &mut pipe, object.locator), Reply::Object(object.bytes().to_vec()));
    }
}
