//! Links of leaves: slots, guest slots, the directory, the weekly key, and what is done about those who break the rules.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod relay_world;

use karvon_protocol::core::{Input, LinkId, LinkInfo, Reason, Space};
use karvon_protocol::descriptor::{Descriptor, Door, flags};
use karvon_protocol::ids::{RelayId, SlotId};
use karvon_protocol::limits::{GUEST_SLOTS_MAX, TUNNELS_PER_LINK};
use karvon_protocol::link::{CloseCode, Frame, Hello, Kind, open_payload};
use karvon_protocol::relay::api::{RelayCommand, RelayEvent, RelayReply, RelaySetup};
use karvon_protocol::relay::limits::RelayLimits;
use karvon_protocol::rpc::Push;
use relay_world::{DAY_MS, Node, Pipe, START_MS, leaf_key, one_leaf, owner, setup};
use zeroize::Zeroizing;

fn guest(number: u8, door: &Door) -> Door {
    Door { slot: SlotId([number; 8]), key: Zeroizing::new([number; 32]), ..door.clone() }
}

fn put_guest(node: &mut Node, link: LinkId, guest: &Door, expiry_s: u64) {
    let payload = [&guest.slot.0[..], &guest.key[..], &expiry_s.to_be_bytes()].concat();
    node.frame(link, Kind::SlotPut, 0, payload);
}

fn acks(node: &mut Node, link: LinkId) -> Vec<u8> {
    let frames = node.take(link).into_iter().filter(|frame| frame.kind == Kind::SlotAck);
    frames.map(|frame| frame.payload[8]).collect()
}

const MONTH_S: u64 = START_MS / 1_000 + 30 * 86_400;

#[test]
fn only_a_leaf_that_knows_a_slot_on_this_very_connection_gets_in() {
    let mut node = Node::new(1);
    let door = node.new_slot();
    let refuse = |node: &mut Node, link, frame: Frame| {
        let link = node.link_leaf(link);
        node.input(Input::Frame { link, frame });
        assert!(node.take(link).is_empty());
        node.ended.pop().unwrap()
    };
    let hello = |door: &Door, leaf: u64, key: &[u8; 32]| {
        Frame::new(Kind::Hello, 0, Hello::new(door, &leaf_key(LinkId(leaf)), key).encode())
    };
    let own = node.static_key();
    let other = guest(7, &door);
    assert_eq!(refuse(&mut node, 2, hello(&other, 2, &own)), (LinkId(2), Reason::BadSlot), "no such slot");
    assert_eq!(
        refuse(&mut node, 3, hello(&door, 2, &own)),
        (LinkId(3), Reason::BadSlot),
        "another leaf's MAC"
    );
    assert_eq!(
        refuse(&mut node, 4, hello(&door, 4, &[1; 32])),
        (LinkId(4), Reason::BadSlot),
        "another relay's MAC"
    );
    let mut newer = hello(&door, 5, &own);
    newer.payload[1] = 9;
    assert_eq!(refuse(&mut node, 5, newer), (LinkId(5), Reason::Version));
    let eager = Frame::new(Kind::Open, 1, vec![0; 100]);
    assert_eq!(refuse(&mut node, 6, eager), (LinkId(6), Reason::Protocol));
    let short = Frame::new(Kind::Hello, 0, vec![0; 9]);
    assert_eq!(refuse(&mut node, 7, short), (LinkId(7), Reason::Protocol));
    assert_eq!((node.status().leaves, node.status().faults), (0, 6));
    node.leaf(8, &door);
    assert_eq!(node.status().leaves, 1);
}

#[test]
fn a_leaf_that_says_nothing_is_sent_away_after_ten_seconds() {
    let mut node = Node::new(1);
    let door = node.new_slot();
    let link = node.link_leaf(2);
    node.pass(9_999);
    assert!(node.ended.is_empty());
    node.pass(1);
    assert_eq!(node.ended, [(link, Reason::Protocol)]);
    node.hello(link, &door);
    assert!(node.take(link).is_empty(), "it is too late");
}

#[test]
fn heartbeats_are_answered_and_a_silent_leaf_is_given_up() {
    let mut node = Node::new(1);
    let door = node.new_slot();
    let link = node.leaf(1, &door);
    node.pass(20 * 60_000);
    node.frame(link, Kind::Heartbeat, 0, Vec::new());
    assert_eq!(node.take(link), [Frame::new(Kind::Heartbeat, 0, Vec::new())]);
    node.pass(29 * 60_000);
    assert!(node.ended.is_empty());
    node.pass(2 * 60_000);
    assert_eq!(node.ended, [(link, Reason::Lost)]);
}

#[test]
fn slots_survive_a_restart_and_end_when_they_are_dropped() {
    let mut node = Node::new(1);
    let (first, second) = (node.new_slot(), node.new_slot());
    assert_ne!(first.slot, second.slot);
    let mut node = node.crash();
    let link = node.leaf(1, &first);
    node.leaf(2, &second);
    let Ok(RelayReply::Slots(slots)) = node.command(RelayCommand::Slots) else { panic!() };
    assert_eq!(slots.len(), 2);
    node.command(RelayCommand::DropSlot(first.slot)).unwrap();
    assert_eq!(node.ended, [(link, Reason::BadSlot)]);
    let mut node = node.crash();
    let link = node.link_leaf(3);
    node.hello(link, &first);
    assert_eq!(node.ended, [(link, Reason::BadSlot)]);
    node.leaf(4, &second);
}

#[test]
fn a_door_that_was_found_blocked_twice_brings_in_nobody_new_and_puts_nobody_out() {
    let mut node = Node::new(1);
    let (door, other) = (node.new_slot(), node.new_slot());
    let found = |node: &mut Node, slot, undo| match node.command(RelayCommand::Blocked { slot, undo }) {
        Ok(RelayReply::Blocked(times)) => times,
        other => panic!("{other:?}"),
    };
    let link = node.leaf(1, &door);
    let first = guest(7, &door);
    put_guest(&mut node, link, &first, MONTH_S);
    assert_eq!((found(&mut node, door.slot, false), found(&mut node, first.slot, false)), (Some(1), None));
    put_guest(&mut node, link, &guest(8, &door), MONTH_S);
    assert_eq!(acks(&mut node, link), [0, 0], "once can be chance");
    assert_eq!(found(&mut node, door.slot, false), Some(2));

    let mut node = node.crash();
    let Ok(RelayReply::Subtrees(all)) = node.command(RelayCommand::Subtrees) else { panic!() };
    let known: std::collections::BTreeMap<_, _> =
        all.iter().map(|subtree| (subtree.slot, (subtree.guests, subtree.blocked))).collect();
    assert_eq!((known[&door.slot], known[&other.slot]), ((2, 2), (0, 0)));
    let link = node.leaf(1, &door);
    let of_guest = node.leaf(2, &first);
    put_guest(&mut node, link, &guest(9, &door), MONTH_S);
    put_guest(&mut node, of_guest, &guest(10, &first), MONTH_S);
    put_guest(&mut node, link, &first, 2 * MONTH_S);
    assert_eq!(
        (acks(&mut node, link), acks(&mut node, of_guest)),
        (vec![1, 0], vec![1]),
        "only what is there goes on"
    );
    let elsewhere = node.leaf(3, &other);
    put_guest(&mut node, elsewhere, &guest(11, &other), MONTH_S);
    assert_eq!(acks(&mut node, elsewhere), [0]);
    assert_eq!(found(&mut node, door.slot, true), Some(1));
    put_guest(&mut node, link, &guest(9, &door), MONTH_S);
    assert_eq!(acks(&mut node, link), [0], "it was a mistake");
}

#[test]
fn a_guest_slot_is_acknowledged_once_it_is_durable_and_lets_a_guest_in() {
    let mut node = Node::new(1);
    let door = node.new_slot();
    let link = node.leaf(1, &door);
    let guest = guest(7, &door);
    node.syncs = false;
    put_guest(&mut node, link, &guest, MONTH_S);
    assert!(acks(&mut node, link).is_empty());
    node.sync_all();
    assert_eq!(acks(&mut node, link), [0]);
    let mut node = node.crash();
    node.leaf(2, &guest);
    node.now.wall_ms += 31 * DAY_MS;
    node.pass(60_000);
    assert!(node.ended.contains(&(LinkId(2), Reason::BadSlot)), "its time is over");
    let late = node.link_leaf(3);
    node.hello(late, &guest);
    assert!(node.ended.contains(&(late, Reason::BadSlot)));
    assert_eq!(node.records(Space::RelaySlot), 1);
}

#[test]
fn guest_slots_belong_to_the_leaf_that_made_them() {
    let mut node = Node::new(1);
    let (door, other) = (node.new_slot(), node.new_slot());
    let (mine, theirs) = (node.leaf(1, &door), node.leaf(2, &other));
    let guest = guest(7, &door);
    put_guest(&mut node, mine, &guest, MONTH_S);
    put_guest(&mut node, mine, &guest, MONTH_S);
    assert_eq!(acks(&mut node, mine), [0, 0], "the same put again succeeds");
    put_guest(&mut node, theirs, &guest, MONTH_S);
    put_guest(&mut node, theirs, &door, MONTH_S);
    node.frame(theirs, Kind::SlotDrop, 0, guest.slot.0.to_vec());
    node.frame(theirs, Kind::SlotDrop, 0, door.slot.0.to_vec());
    assert_eq!(acks(&mut node, theirs), [1, 1, 1, 1], "nobody else may take it over or end it");

    let visitor = node.leaf(3, &guest);
    let mut inner = guest.clone();
    inner.slot = SlotId([8; 8]);
    put_guest(&mut node, visitor, &inner, MONTH_S);
    assert_eq!(acks(&mut node, visitor), [0], "a guest may invite as well");
    let visitor_of_visitor = node.leaf(4, &inner);
    node.frame(mine, Kind::SlotDrop, 0, guest.slot.0.to_vec());
    node.frame(mine, Kind::SlotDrop, 0, guest.slot.0.to_vec());
    assert_eq!(acks(&mut node, mine), [0, 0], "ending it twice succeeds");
    let ended = [(visitor, Reason::BadSlot), (visitor_of_visitor, Reason::BadSlot)];
    assert!(ended.iter().all(|end| node.ended.contains(end)), "what was under it ended too");
    assert_eq!(node.records(Space::RelaySlot), 2);
}

#[test]
fn guest_slots_are_bounded_in_number_and_life() {
    let mut node = Node::new(1);
    let door = node.new_slot();
    let link = node.leaf(1, &door);
    let many = GUEST_SLOTS_MAX as u8;
    (0..=many).for_each(|number| put_guest(&mut node, link, &guest(number, &door), MONTH_S));
    let answers = acks(&mut node, link);
    assert_eq!(answers.iter().filter(|status| **status == 0).count(), GUEST_SLOTS_MAX);
    assert_eq!(answers.last(), Some(&1));
    node.frame(link, Kind::SlotDrop, 0, vec![3; 8]);
    put_guest(&mut node, link, &guest(200, &door), u64::MAX);
    put_guest(&mut node, link, &guest(4, &door), 5);
    assert_eq!(acks(&mut node, link), [0, 0, 1], "a place was free; a slot that has expired is refused");
    node.jump(91 * DAY_MS);
    node.pass(60_000);
    assert_eq!(node.records(Space::RelaySlot), 1, "no guest slot lives longer than 90 days");
}

#[test]
fn one_person_holds_a_few_links_and_the_newest_ones_live() {
    let limits = RelayLimits { slot_links: 2, ..RelayLimits::default() };
    let mut node = Node::with(setup(1), limits);
    let door = node.new_slot();
    (1..=3).for_each(|link| assert_eq!(node.leaf(link, &door), LinkId(link)));
    assert_eq!(node.ended, [(LinkId(1), Reason::Idle)]);
    assert_eq!(node.status().leaves, 2);
}

#[test]
fn the_directory_tells_verified_relays_and_keeps_silent_about_unlisted_ones() {
    let mut node = Node::new(1);
    let door = node.new_slot();
    let listed: Vec<_> = (2..80).map(|number| Node::new(number).descriptor()).collect();
    let bridge = RelaySetup { flags: flags::BRIDGE, ..setup(90) };
    let bridge = Node::with(bridge, RelayLimits::default()).descriptor();
    for (_, signed) in listed.iter().chain([&bridge]) {
        node.command(RelayCommand::Heard(signed.clone())).unwrap();
    }
    let mut node = node.crash();
    let learned = node.events.iter().filter(|event| matches!(event, RelayEvent::Learned(..))).count();
    assert_eq!(learned, 79, "the shell may dial them again after a restart");
    let link = node.leaf(1, &door);
    let ask = |node: &mut Node, payload: Vec<u8>| {
        node.frame(link, Kind::DirectoryAsk, 0, payload);
        let mut frames = node.take(link);
        assert_eq!(frames.pop(), Some(Frame::new(Kind::Descriptor, 0, Vec::new())), "the end of the answer");
        frames.iter().map(|frame| Descriptor::verify(&frame.payload).unwrap()).collect::<Vec<_>>()
    };
    for (most, told) in [(0, 0), (2, 2), (255, 64)] {
        node.pass(6_000);
        assert_eq!(ask(&mut node, vec![most]).len(), told, "at most {most}");
    }
    node.pass(6_000);
    let some = ask(&mut node, Vec::new());
    assert_eq!(some.len(), 64);
    assert!(some.iter().all(|relay| relay.flags & flags::BRIDGE == 0));
    assert!(ask(&mut node, Vec::new()).is_empty(), "not again at once");
    assert_eq!(ask(&mut node, listed[3].0.relay().0.to_vec()), [listed[3].0.clone()]);
    assert_eq!(ask(&mut node, bridge.0.relay().0.to_vec()), []);
    let own = node.descriptor().0;
    assert_eq!(ask(&mut node, own.relay().0.to_vec()), [own]);
}

#[test]
fn a_leaf_is_told_the_eight_relays_nearest_to_a_place() {
    let mut node = Node::new(1);
    let door = node.new_slot();
    let listed: Vec<_> = (2..80).map(|number| Node::new(number).descriptor()).collect();
    let bridge = RelaySetup { flags: flags::BRIDGE | flags::MAILBOX, ..setup(90) };
    let bridge = Node::with(bridge, RelayLimits::default()).descriptor();
    for (_, signed) in listed.iter().chain([&bridge]) {
        node.command(RelayCommand::Heard(signed.clone())).unwrap();
    }
    let link = node.leaf(1, &door);
    let prefix = [bridge.0.relay().0[0], bridge.0.relay().0[1]];
    node.frame(link, Kind::Near, 0, prefix.to_vec());
    let answer = node.take(link);
    assert_eq!((answer.len(), answer[0].kind), (1, Kind::Near));
    let (given, ids) = answer[0].payload.split_first_chunk::<2>().unwrap();
    assert_eq!(*given, prefix);
    let own = node.descriptor().0;
    let mut all: Vec<_> = listed.iter().map(|(relay, _)| relay.relay()).chain([own.relay()]).collect();
    all.sort_unstable_by_key(|relay| {
        (u16::from_be_bytes([relay.0[0], relay.0[1]]) ^ u16::from_be_bytes(prefix), *relay)
    });
    let told: Vec<_> = ids.chunks(16).map(|id| RelayId::from_slice(id).unwrap()).collect();
    assert_eq!(told, all[..8], "the unlisted one is told to nobody");
    for _ in 0..300 {
        node.frame(link, Kind::Near, 0, prefix.to_vec());
    }
    assert_eq!(node.take(link).len(), 239, "each answer sorts the directory");
    node.frame(link, Kind::Near, 0, vec![1; 3]);
    assert!(node.take(link).is_empty());
}

#[test]
fn only_the_newest_descriptor_of_a_relay_counts_and_none_from_the_future() {
    let mut node = Node::new(1);
    let mut other = Node::new(2);
    let old = other.descriptor();
    other.jump(8 * DAY_MS);
    other.pass(60_000);
    let new = other.descriptor();
    assert!(new.0.seq > old.0.seq);
    assert!(node.command(RelayCommand::Heard(new.1.clone())).is_err(), "more than a week ahead");
    node.jump(2 * DAY_MS);
    for signed in [&old.1, &new.1, &old.1] {
        node.command(RelayCommand::Heard(signed.clone())).unwrap();
    }
    let seqs: Vec<_> = node
        .events
        .iter()
        .filter_map(|event| if let RelayEvent::Learned(_, relay, _) = event { Some(relay.seq) } else { None })
        .collect();
    assert_eq!(seqs, [old.0.seq, new.0.seq]);
    let mut forged = new.1;
    forged[70] ^= 1;
    assert!(node.command(RelayCommand::Heard(forged)).is_err());
    assert_eq!(node.status().relays_known, 1);
}

#[test]
fn the_onion_key_changes_each_week_and_the_older_one_opens_for_another_week() {
    let (mut node, door, _) = one_leaf();
    let first = node.descriptor().0;
    let mut number = 10;
    let mut opens = |node: &mut Node, onion_key| {
        number += 1;
        let link = node.leaf(number, &door);
        let (mut pipe, message) = Pipe::start(node.id(), onion_key, link, 1, &[]);
        node.frame(link, Kind::Open, 1, open_payload(node.id(), &message));
        pipe.read(node);
        pipe.closed.map_or(Ok(()), Err)
    };
    node.jump(7 * DAY_MS);
    node.pass(60_000);
    let second = node.descriptor().0;
    assert_ne!(first.onion_key(), second.onion_key());
    assert_eq!(second.onion_keys[1], first.onion_key());
    let mut node = node.crash();
    let again = node.descriptor().0;
    assert_eq!(again.onion_keys, second.onion_keys, "a restart keeps the keys");
    assert!(again.seq > second.seq, "and makes a newer descriptor");
    assert_eq!(opens(&mut node, first.onion_key()), Ok(()));
    assert_eq!(opens(&mut node, second.onion_key()), Ok(()));
    node.jump(7 * DAY_MS);
    node.pass(60_000);
    assert_eq!(opens(&mut node, first.onion_key()), Err(CloseCode::Crypto));
    assert_eq!(opens(&mut node, second.onion_key()), Ok(()));
}

#[test]
fn the_own_descriptor_is_shown_only_once_its_keys_are_durable() {
    let (mut node, door, _) = one_leaf();
    node.syncs = false;
    node.jump(8 * DAY_MS);
    node.pass(60_000);
    let old = node.descriptor();
    let link = node.link_leaf(5);
    node.hello(link, &door);
    assert_eq!(node.take(link)[0].payload, old.1);
    node.sync_all();
    let link = node.link_leaf(6);
    node.hello(link, &door);
    let shown = node.take(link)[0].payload.clone();
    assert_ne!(shown, old.1);
    assert_eq!(shown, node.descriptor().1);
}

#[test]
fn tunnels_of_one_link_are_bounded_and_a_number_is_used_once_at_a_time() {
    let (mut node, _, first) = one_leaf();
    let link = first.link;
    let pipes: Vec<_> = (2..=TUNNELS_PER_LINK as u32).map(|number| node.tunnel(link, number)).collect();
    let open = |node: &mut Node, number| {
        let (_, message) = Pipe::start(node.id(), node.descriptor().0.onion_key(), link, number, &[]);
        node.frame(link, Kind::Open, number, open_payload(node.id(), &message));
    };
    open(&mut node, 90);
    assert_eq!(node.close_code(link, 90), Some(CloseCode::Busy));
    let faults = node.status().faults;
    open(&mut node, 1);
    open(&mut node, 0);
    assert_eq!(node.status().faults, faults + 2);
    node.frame(link, Kind::Close, pipes[0].number, vec![0]);
    node.tunnel(link, 91);
    assert_eq!(node.status().tunnels, TUNNELS_PER_LINK as u32);
    node.input(Input::LinkDown(link, Reason::Lost));
    assert_eq!(node.status().tunnels, 0);
}

#[test]
fn a_message_that_does_not_decrypt_closes_its_tunnel_and_detaches_its_mailbox() {
    let (mut node, _, mut pipe) = one_leaf();
    node.attach(&mut pipe, &owner(9), Push::Cells);
    node.frame(pipe.link, Kind::Data, pipe.number, vec![7; 60]);
    pipe.read(&mut node);
    assert_eq!(pipe.closed, Some(CloseCode::Crypto));
    node.frame(pipe.link, Kind::Data, pipe.number, vec![7; 60]);
    assert!(node.take(pipe.link).is_empty(), "what was under way to a closed tunnel is passed over");
    let mut nonsense = node.tunnel(pipe.link, 2);
    let sealed = nonsense.tunnel().seal(&[99, 0, 0, 0, 1]).unwrap();
    node.frame(pipe.link, Kind::Data, 2, sealed);
    nonsense.read(&mut node);
    assert_eq!(nonsense.closed, Some(CloseCode::Protocol));
    assert_eq!(node.status().tunnels, 0);
}

#[test]
fn a_leaf_that_keeps_breaking_the_rules_is_sent_away() {
    let (mut node, _, pipe) = one_leaf();
    (0..31).for_each(|_| node.frame(pipe.link, Kind::Welcome, 0, Vec::new()));
    assert!(node.ended.is_empty());
    node.frame(pipe.link, Kind::SlotPut, 0, vec![1; 3]);
    assert_eq!(node.ended, [(pipe.link, Reason::Protocol)]);
    assert_eq!((node.status().leaves, node.status().tunnels), (0, 0));
}

#[test]
fn what_comes_before_the_state_is_loaded_waits_for_it() {
    use karvon_protocol::core::{CommandId, Core as _, Output};
    use karvon_protocol::relay::RelayCore;
    let mut core = RelayCore::new(setup(1), Box::new(relay_world::rng(1)));
    let now = Node::new(1).now;
    core.handle(Input::Command(CommandId(1), RelayCommand::Slots), now);
    let info = LinkInfo::Mesh { remote_key: [9; 32] };
    core.handle(Input::LinkUp(LinkId(1), info), now);
    for _ in 0..600 {
        core.handle(Input::Frame { link: LinkId(1), frame: Frame::new(Kind::Heartbeat, 0, Vec::new()) }, now);
    }
    let mut loads = Vec::new();
    let mut ended = Vec::new();
    let mut step = |core: &mut RelayCore| {
        let mut out = (None, 0, 0);
        while let Some(output) = core.poll() {
            match output {
                Output::Load(id, _) => loads.push(id),
                Output::Disconnect(link, _) => ended.push(link),
                Output::Persist(batch) => out.0 = Some(batch.id),
                Output::Reply(..) => out.1 += 1,
                Output::Send { .. } => out.2 += 1,
                _ => {}
            }
        }
        (out, std::mem::take(&mut loads), ended.clone())
    };
    let (out, first, ended_now) = step(&mut core);
    assert_eq!((out.1, out.2, ended_now), (0, 0, vec![LinkId(1)]), "too much at once is refused");
    first.into_iter().for_each(|id| core.handle(Input::Loaded(id, Vec::new()), now));
    let (_, second, _) = step(&mut core);
    assert!(!core.ready());
    second.into_iter().for_each(|id| core.handle(Input::Loaded(id, Vec::new()), now));
    let (out, _, _) = step(&mut core);
    assert_eq!(out.1, 0, "the own keys are not durable yet");
    core.handle(Input::Persisted { upto: out.0.unwrap() }, now);
    let (out, _, _) = step(&mut core);
    assert_eq!(out.1, 1);
    assert!(core.ready());
}
