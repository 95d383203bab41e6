//! Forwarding: a tunnel reaches a second relay through the door, and only such relays, and only for leaves with a slot.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod relay_world;

use karvon_protocol::cell::Class;
use karvon_protocol::core::{Input, LinkId, LinkInfo, Reason, Target};
use karvon_protocol::descriptor::Door;
use karvon_protocol::ids::RelayId;
use karvon_protocol::link::{CloseCode, Frame, Kind, SIZES, open_payload};
use karvon_protocol::relay::api::{RelayCommand, RelayEvent};
use karvon_protocol::relay::limits::RelayLimits;
use karvon_protocol::rpc::{Push, Reply, Request};
use relay_world::{Node, Pipe, attach, cell, deposit, owner, prefix, setup};

const MESH: LinkId = LinkId(1_000);

/// Carries frames of the mesh link between two relays until both are quiet; returns the sizes that passed.
fn settle(a: &mut Node, b: &mut Node) -> Vec<usize> {
    let mut sizes = Vec::new();
    loop {
        let (to_b, to_a) = (a.take(MESH), b.take(MESH));
        if to_a.is_empty() && to_b.is_empty() {
            return sizes;
        }
        sizes.extend(to_a.iter().chain(&to_b).map(|frame| frame.encode().len()));
        to_b.into_iter().for_each(|frame| b.input(Input::Frame { link: MESH, frame }));
        to_a.into_iter().for_each(|frame| a.input(Input::Frame { link: MESH, frame }));
    }
}

fn mesh_up(a: &mut Node, b: &mut Node) {
    a.input(Input::LinkUp(MESH, LinkInfo::Mesh { remote_key: b.mesh_key() }));
    b.input(Input::LinkUp(MESH, LinkInfo::Mesh { remote_key: a.mesh_key() }));
    settle(a, b);
}

/// A door and a mailbox relay that know each other, and a leaf at the door.
fn two() -> (Node, Node, Door, LinkId) {
    let (mut door, mut far) = (Node::new(1), Node::new(2));
    mesh_up(&mut door, &mut far);
    assert_eq!((door.status().mesh_links, far.status().mesh_links), (1, 1));
    let slot = door.new_slot();
    let link = door.leaf(1, &slot);
    (door, far, slot, link)
}

fn open(door: &mut Node, far: &Node, link: LinkId, number: u32, first: &[u8]) -> Pipe {
    let (pipe, message) = Pipe::start(far.id(), far.descriptor().0.onion_key(), link, number, first);
    door.frame(link, Kind::Open, number, open_payload(far.id(), &message));
    pipe
}

fn ask(door: &mut Node, far: &mut Node, pipe: &mut Pipe, request: &Request) -> Reply {
    let number = door.send(pipe, request);
    settle(door, far);
    pipe.read(door);
    pipe.answer(number).unwrap()
}

#[test]
fn a_mailbox_behind_another_relay_works_like_one_at_the_door_and_frames_keep_their_size() {
    let (mut door, mut far, _, link) = two();
    let mut pipe = open(&mut door, &far, link, 1, &[]);
    settle(&mut door, &mut far);
    pipe.read(&mut door);
    let request = attach(&owner(9), &pipe.tunnel().hash(), Push::Cells);
    assert_eq!(ask(&mut door, &mut far, &mut pipe, &request), Reply::Attached { cells: 0, next: 1 });
    let tags = Request::Register((0..3).map(|class| (class, prefix(u64::from(class)))).collect());
    assert_eq!(ask(&mut door, &mut far, &mut pipe, &tags), Reply::Done);
    for (class, size) in Class::ALL.into_iter().zip(&SIZES[3..]) {
        let sent = cell(class, class as u64, 1);
        let first = deposit(&owner(9), &sent).encode(1);
        let mut sender = open(&mut door, &far, link, 2 + class as u32, &first);
        let sizes = settle(&mut door, &mut far);
        let of_size = sizes.iter().filter(|passed| *passed == size).count();
        assert_eq!(of_size, if class == Class::L { 1 } else { 2 }, "deposit and push have the same size");
        sender.read(&mut door);
        assert!(matches!(sender.answer(1), Some(Reply::Stored { .. })));
        pipe.read(&mut door);
        let prefix = sent.tag().prefix();
        if class != Class::L {
            assert_eq!(pipe.items(), [(class as u64 + 1, sent)]);
            continue;
        }
        // The largest comes in pieces, each the size of a small cell.
        assert_eq!((pipe.items(), pipe.notices()), (Vec::new(), vec![prefix]));
        let number = door.send(&mut pipe, &Request::Pieces { prefix, from: 0, count: 30 });
        let sizes = settle(&mut door, &mut far);
        assert_eq!(sizes.iter().filter(|passed| **passed == SIZES[3]).count(), 30);
        pipe.read(&mut door);
        assert_eq!(pipe.answer(number), Some(Reply::Done));
        let bytes: Vec<u8> = pipe.pieces().into_iter().flat_map(|(.., bytes)| bytes).collect();
        assert_eq!(bytes, sent.bytes());
    }
    assert_eq!(door.image().cells.len(), 0, "the door keeps nothing");
    assert_eq!(far.image().cells.len(), 3);
    assert_eq!(door.status().mailboxes, 0);
}

#[test]
fn both_relays_may_open_tunnels_over_one_link() {
    let (mut a, mut b, _, leaf_a) = two();
    let slot = b.new_slot();
    let leaf_b = b.leaf(1, &slot);
    let mut from_a: Vec<_> = (1..4).map(|number| open(&mut a, &b, leaf_a, number, &[])).collect();
    let mut from_b: Vec<_> = (1..4).map(|number| open(&mut b, &a, leaf_b, number, &[])).collect();
    settle(&mut a, &mut b);
    from_a.iter_mut().for_each(|pipe| pipe.read(&mut a));
    from_b.iter_mut().for_each(|pipe| pipe.read(&mut b));
    assert!(from_a.iter().chain(&from_b).all(Pipe::is_open));
    assert_eq!((a.status().tunnels, b.status().tunnels), (6, 6));
}

#[test]
fn nothing_is_dialled_for_a_relay_that_is_not_known() {
    let (mut door, _, _, link) = two();
    door.frame(link, Kind::Open, 5, open_payload(RelayId([9; 16]), &[1; 48]));
    assert_eq!(door.close_code(link, 5), Some(CloseCode::UnknownRelay));
    assert!(door.dialled.is_empty());
}

#[test]
fn nothing_is_dialled_or_forwarded_without_a_slot() {
    let (mut door, mut far, _, _) = two();
    let stranger = door.link_leaf(7);
    let _ = open(&mut door, &far, stranger, 1, &[]);
    assert_eq!(door.ended, [(stranger, Reason::Protocol)]);
    assert!(settle(&mut door, &mut far).is_empty());
    let mut lonely = Node::new(3);
    lonely.command(RelayCommand::Heard(far.descriptor().1)).unwrap();
    let stranger = lonely.link_leaf(7);
    let _ = open(&mut lonely, &far, stranger, 1, &[]);
    assert!(lonely.dialled.is_empty());
}

#[test]
fn a_known_relay_is_dialled_once_and_what_waited_for_it_goes_through() {
    let (mut door, mut far) = (Node::new(1), Node::new(2));
    let slot = door.new_slot();
    let link = door.leaf(1, &slot);
    door.command(RelayCommand::Heard(far.descriptor().1)).unwrap();
    let mut pipes: Vec<_> = (1..4).map(|number| open(&mut door, &far, link, number, &[])).collect();
    assert_eq!(door.dialled, [Target::Relay(far.id())]);
    door.frame(link, Kind::Close, 2, vec![0]);
    mesh_up(&mut door, &mut far);
    pipes.iter_mut().for_each(|pipe| pipe.read(&mut door));
    assert_eq!(pipes.iter().map(Pipe::is_open).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(far.status().tunnels, 2);
}

#[test]
fn a_relay_that_can_not_be_reached_is_reported_and_not_dialled_again_at_once() {
    let (mut door, far) = (Node::new(1), Node::new(2));
    let slot = door.new_slot();
    let link = door.leaf(1, &slot);
    door.command(RelayCommand::Heard(far.descriptor().1)).unwrap();
    let _ = open(&mut door, &far, link, 1, &[]);
    door.input(Input::ConnectFailed(Target::Relay(far.id()), Reason::Unreachable));
    assert_eq!(door.close_code(link, 1), Some(CloseCode::Unreachable));
    let _ = open(&mut door, &far, link, 2, &[]);
    assert_eq!(door.close_code(link, 2), Some(CloseCode::Unreachable));
    assert_eq!(door.dialled.len(), 1);
    door.pass(5_000);
    let _ = open(&mut door, &far, link, 3, &[]);
    assert_eq!(door.dialled.len(), 2);
    door.pass(9_999);
    assert_eq!(door.close_code(link, 3), None);
    door.pass(1);
    assert_eq!(door.close_code(link, 3), Some(CloseCode::Unreachable), "no answer for ten seconds");
}

#[test]
fn what_comes_over_the_mesh_ends_here() {
    let (mut door, _, _, _) = two();
    let third = Node::new(3);
    door.command(RelayCommand::Heard(third.descriptor().1)).unwrap();
    let (_, message) = Pipe::start(third.id(), third.descriptor().0.onion_key(), MESH, 3, &[]);
    let before = door.status().faults;
    // Relay 1 has the smaller mesh key, so the other side opens odd numbers.
    door.frame(MESH, Kind::Open, 3, open_payload(third.id(), &message));
    assert_eq!(door.close_code(MESH, 3), Some(CloseCode::UnknownRelay));
    assert!(door.dialled.is_empty());
    let (_, message) = Pipe::start(door.id(), door.descriptor().0.onion_key(), MESH, 4, &[]);
    door.frame(MESH, Kind::Open, 4, open_payload(door.id(), &message));
    assert_eq!(door.status().faults, before + 2, "and its numbers are its own");
    assert_eq!(door.status().tunnels, 0);
}

#[test]
fn a_link_that_breaks_closes_its_tunnels_on_the_other_side() {
    let (mut door, mut far, _, link) = two();
    let mut pipe = open(&mut door, &far, link, 1, &[]);
    settle(&mut door, &mut far);
    pipe.read(&mut door);
    assert!(pipe.is_open());
    door.input(Input::LinkDown(link, Reason::Lost));
    settle(&mut door, &mut far);
    assert_eq!((door.status().tunnels, far.status().tunnels), (0, 0));

    let slot = door.new_slot();
    let link = door.leaf(2, &slot);
    let mut pipe = open(&mut door, &far, link, 1, &[]);
    settle(&mut door, &mut far);
    door.input(Input::LinkDown(MESH, Reason::Lost));
    pipe.read(&mut door);
    assert_eq!(pipe.closed, Some(CloseCode::Unreachable));
    assert_eq!((door.status().tunnels, door.status().mesh_links), (0, 0));
}

#[test]
fn closing_reaches_the_other_end_from_both_sides() {
    let (mut door, mut far, _, link) = two();
    let mut pipes = [1, 2].map(|number| open(&mut door, &far, link, number, &[]));
    settle(&mut door, &mut far);
    pipes.iter_mut().for_each(|pipe| pipe.read(&mut door));
    door.frame(link, Kind::Close, 1, vec![0]);
    settle(&mut door, &mut far);
    assert_eq!(far.status().tunnels, 1);
    door.frame(link, Kind::Data, 2, vec![1; 40]);
    settle(&mut door, &mut far);
    pipes[1].read(&mut door);
    assert_eq!(pipes[1].closed, Some(CloseCode::Crypto));
    assert_eq!((door.status().tunnels, far.status().tunnels), (0, 0));
    assert!(far.ended.is_empty() && door.ended.is_empty());
}

#[test]
fn a_mesh_link_of_a_relay_is_not_blamed_for_what_its_leaves_send() {
    let (mut door, mut far, slot, _) = two();
    for number in 10..60 {
        let link = door.leaf(number, &slot);
        let mut pipe = open(&mut door, &far, link, 1, &[]);
        settle(&mut door, &mut far);
        pipe.read(&mut door);
        door.frame(link, Kind::Data, 1, vec![1; 40]);
        settle(&mut door, &mut far);
    }
    assert!(!far.ended.iter().any(|(link, _)| *link == MESH));
}

#[test]
fn a_relay_must_hold_the_mesh_key_that_its_newest_descriptor_names() {
    let (mut door, far) = (Node::new(1), Node::new(2));
    let welcome = Frame::new(Kind::Welcome, 0, far.descriptor().1);
    door.input(Input::LinkUp(LinkId(5), LinkInfo::Mesh { remote_key: [99; 32] }));
    door.input(Input::Frame { link: LinkId(5), frame: welcome });
    door.input(Input::LinkUp(LinkId(6), LinkInfo::Mesh { remote_key: far.mesh_key() }));
    door.frame(LinkId(6), Kind::Heartbeat, 0, Vec::new());
    assert_eq!(door.ended, [(LinkId(5), Reason::WrongPeer), (LinkId(6), Reason::WrongPeer)]);
    assert_eq!(door.status().mesh_links, 0);
}

#[test]
fn new_tunnels_take_the_newest_of_several_links_to_a_relay() {
    let (mut door, far, _, link) = two();
    let newer = LinkId(2_000);
    door.input(Input::LinkUp(newer, LinkInfo::Mesh { remote_key: far.mesh_key() }));
    door.frame(newer, Kind::Welcome, 0, far.descriptor().1);
    let first = door.take(newer).remove(0);
    assert_eq!(first.kind, Kind::Welcome, "the own descriptor goes first");
    let _ = open(&mut door, &far, link, 1, &[]);
    assert!(door.take(newer).iter().any(|frame| frame.kind == Kind::Open));
    door.input(Input::LinkDown(newer, Reason::Lost));
    let _ = open(&mut door, &far, link, 2, &[]);
    assert!(
        door.take(MESH).iter().any(|frame| frame.kind == Kind::Open),
        "and the older one when it is gone"
    );
}

#[test]
fn relays_tell_each_other_whom_they_know_and_of_their_new_keys() {
    let (mut door, mut far) = (Node::new(1), Node::new(2));
    far.command(RelayCommand::Heard(Node::new(3).descriptor().1)).unwrap();
    mesh_up(&mut door, &mut far);
    assert_eq!(door.status().relays_known, 2);
    [&mut door, &mut far].into_iter().for_each(|node| node.now.wall_ms += 7 * relay_world::DAY_MS);
    let old = far.descriptor().0;
    far.pass(60_000);
    settle(&mut door, &mut far);
    let new = far.descriptor().0;
    assert_ne!(new.onion_key(), old.onion_key());
    let learned = |event: &RelayEvent| matches!(event, RelayEvent::Learned(_, relay, _) if *relay == new);
    assert!(door.events.iter().any(learned), "the new descriptor came over the link");
}

#[test]
fn a_slot_has_a_budget_of_bytes_and_of_openings() {
    let limits =
        RelayLimits { slot_bytes_per_day: 20_000, slot_opens_per_minute: 3, ..RelayLimits::default() };
    let (mut door, mut far) = (Node::with(setup(1), limits), Node::new(2));
    mesh_up(&mut door, &mut far);
    let slot = door.new_slot();
    let link = door.leaf(1, &slot);
    let mut pipe = open(&mut door, &far, link, 1, &[]);
    settle(&mut door, &mut far);
    pipe.read(&mut door);
    let large = deposit(&owner(9), &cell(Class::M, 1, 1));
    door.send(&mut pipe, &large);
    door.send(&mut pipe, &large);
    settle(&mut door, &mut far);
    pipe.read(&mut door);
    assert_eq!(pipe.closed, Some(CloseCode::Busy));
    assert_eq!(far.status().tunnels, 0, "the far side is told as well");
    door.jump(relay_world::DAY_MS + 1);
    let link = door.leaf(2, &slot);
    for number in 2..5 {
        let _ = open(&mut door, &far, link, number, &[]);
        assert_eq!(door.close_code(link, number), None);
    }
    let _ = open(&mut door, &far, link, 5, &[]);
    assert_eq!(door.close_code(link, 5), Some(CloseCode::Busy));
}

#[test]
fn a_dead_mesh_link_is_noticed() {
    let (mut door, mut far, _, _) = two();
    for _ in 0..10 {
        door.pass(60_000);
        far.pass(60_000);
        settle(&mut door, &mut far);
    }
    assert!(door.ended.is_empty(), "heartbeats keep it alive");
    door.pass(400_000);
    assert_eq!(door.ended, [(MESH, Reason::Lost)]);
}

#[test]
fn a_mesh_link_carries_so_many_tunnels_and_one_more_only_after_another_ended() {
    const TUNNELS_MAX: u32 = 4_096;
    let limits = RelayLimits { slot_opens_per_minute: 10_000, ..RelayLimits::default() };
    let (mut door, mut far) = (Node::with(setup(1), limits), Node::new(2));
    mesh_up(&mut door, &mut far);
    let slot = door.new_slot();
    // A leaf's link carries 64 of them.
    for number in 0..=TUNNELS_MAX / 64 + 1 {
        door.leaf(u64::from(number) + 1, &slot);
    }
    let open = |door: &mut Node, number| {
        let link = LinkId(u64::from(number / 64) + 1);
        door.frame(link, Kind::Open, number, open_payload(far.id(), &[1; 48]));
        door.close_code(link, number)
    };
    for number in 1..=TUNNELS_MAX {
        assert_eq!(open(&mut door, number), None, "tunnel {number}");
    }
    assert_eq!(open(&mut door, TUNNELS_MAX + 1), Some(CloseCode::Busy));
    door.frame(LinkId(1), Kind::Close, 7, vec![0]);
    assert_eq!(open(&mut door, TUNNELS_MAX + 2), None);
    assert_eq!(open(&mut door, TUNNELS_MAX + 3), Some(CloseCode::Busy));
}
