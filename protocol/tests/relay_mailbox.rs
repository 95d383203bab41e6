//! Mailboxes of a relay: what is confirmed is on disk, a tag works once, and only the owner reads.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod relay_world;

use karvon_protocol::cell::Class;
use karvon_protocol::core::Space;
use karvon_protocol::ids::TagPrefix;
use karvon_protocol::limits::{CELL_TTL_S, TUNNEL_WINDOW};
use karvon_protocol::link::{Kind, open_payload};
use karvon_protocol::relay::limits::RelayLimits;
use karvon_protocol::rpc::{Push, Refusal, Reply, Request};
use relay_world::{
    DAY_MS, Node, Pipe, START_MS, attach, cell, come_back, deposit, mailbox_of, one_leaf, owner, prefix,
    refused, setup,
};

fn tags(class: Class, numbers: std::ops::Range<u64>) -> Request {
    Request::Register(numbers.map(|number| (class as u8, prefix(number))).collect())
}

/// A relay, a tunnel of a mailbox's owner, and S tags 0 to 99 registered.
fn with_mailbox(push: Push) -> (Node, karvon_protocol::descriptor::Door, Pipe) {
    let (mut node, door, mut pipe) = one_leaf();
    assert_eq!(node.attach(&mut pipe, &owner(9), push), Reply::Attached { cells: 0, next: 1 });
    assert_eq!(node.ask(&mut pipe, &tags(Class::S, 0..100)), Reply::Done);
    (node, door, pipe)
}

const STORED: Reply = Reply::Stored { expiry_s: START_MS / 1_000 + CELL_TTL_S };

#[test]
fn a_deposit_is_confirmed_only_after_it_is_durable_and_pushed_before() {
    let (mut node, door, mut pipe) = with_mailbox(Push::Cells);
    let link = node.leaf(2, &door);
    let mut sender = node.tunnel(link, 1);
    node.syncs = false;
    let sent = cell(Class::S, 1, 7);
    let number = node.send(&mut sender, &deposit(&owner(9), &sent));
    sender.read(&mut node);
    pipe.read(&mut node);
    assert_eq!(sender.answer(number), None, "nothing is confirmed before the disk has it");
    assert_eq!(pipe.items(), [(1, sent)], "the push need not wait");
    assert!(node.sync_one());
    sender.read(&mut node);
    assert_eq!(sender.answer(number), Some(STORED));
}

#[test]
fn what_was_confirmed_survives_a_crash_at_any_moment_and_no_number_is_used_twice() {
    for (crash_at, heard) in (0..12).flat_map(|step| [(step, true), (step, false)]) {
        let (mut node, door, mut pipe) = with_mailbox(Push::None);
        node.syncs = false;
        let mut asked = Vec::new();
        let mut confirmed = Vec::new();
        for step in 0..12_u64 {
            let sent = cell(Class::S, step, 1);
            let number = node.send(&mut pipe, &deposit(&owner(9), &sent));
            asked.push((number, sent));
            // The disk is slower than the senders: every other deposit finds it busy.
            if step % 2 == 1 {
                node.sync_one();
            }
            pipe.read(&mut node);
            asked.retain(|(number, sent)| match pipe.answer(*number) {
                Some(reply) => {
                    assert_eq!(reply, STORED);
                    confirmed.push(sent.clone());
                    false
                }
                None => true,
            });
            if step == crash_at {
                break;
            }
        }
        let mut node = if heard { node.crash() } else { node.crash_before_it_hears() };
        let mut pipe = come_back(&mut node, &door, 5);
        let cells = confirmed.len() as u32;
        match node.attach(&mut pipe, &owner(9), Push::None) {
            Reply::Attached { cells: held, .. } => assert!(held >= cells, "crash after {crash_at}"),
            other => panic!("{other:?}"),
        }
        node.ask(&mut pipe, &Request::Fetch { from: 0, bytes_max: u32::MAX, whole: Class::M });
        let held = pipe.items();
        for sent in &confirmed {
            assert!(held.iter().any(|(_, cell)| cell == sent), "crash after {crash_at}");
        }
        // What was not confirmed is sent again, with the same bytes; the fake disk panics if a sequence number comes back.
        for (_, sent) in asked {
            assert_eq!(node.ask(&mut pipe, &deposit(&owner(9), &sent)), STORED);
        }
        assert_eq!(node.image().cells.len(), crash_at as usize + 1);
    }
}

#[test]
fn the_same_bytes_are_confirmed_again_and_other_bytes_under_a_used_tag_are_not() {
    let (mut node, _, mut pipe) = with_mailbox(Push::Cells);
    let (first, other) = (cell(Class::S, 1, 1), cell(Class::S, 1, 2));
    assert_eq!(node.ask(&mut pipe, &deposit(&owner(9), &first)), STORED);
    node.pass(5_000);
    assert_eq!(node.ask(&mut pipe, &deposit(&owner(9), &first)), STORED, "with the expiry confirmed before");
    assert_eq!(node.ask(&mut pipe, &deposit(&owner(9), &other)), refused(Refusal::UsedTag));
    assert_eq!(pipe.items().len(), 1, "pushed once");
    assert_eq!(node.image().cells.len(), 1);
    assert_eq!(node.status().deposits, 1);
}

#[test]
fn a_repeated_deposit_is_not_confirmed_before_the_first_is_durable() {
    let (mut node, _, mut pipe) = with_mailbox(Push::None);
    node.syncs = false;
    let request = deposit(&owner(9), &cell(Class::S, 1, 1));
    let numbers = [node.send(&mut pipe, &request), node.send(&mut pipe, &request)];
    pipe.read(&mut node);
    assert_eq!(numbers.map(|number| pipe.answer(number)), [None, None]);
    node.sync_all();
    pipe.read(&mut node);
    assert_eq!(numbers.map(|number| pipe.answer(number)), [Some(STORED), Some(STORED)]);
}

#[test]
fn strangers_can_store_nothing() {
    let (mut node, _, mut pipe) = with_mailbox(Push::None);
    let unknown = refused(Refusal::UnknownTag);
    assert_eq!(node.ask(&mut pipe, &deposit(&owner(9), &cell(Class::S, 500, 1))), unknown);
    assert_eq!(node.ask(&mut pipe, &deposit(&owner(8), &cell(Class::S, 1, 1))), unknown);
    let wrong = node.ask(&mut pipe, &deposit(&owner(9), &cell(Class::M, 1, 1)));
    assert_eq!(wrong, refused(Refusal::WrongClass));
    assert_eq!(node.ask(&mut pipe, &Request::Unregister(vec![prefix(2)])), Reply::Done);
    assert_eq!(node.ask(&mut pipe, &deposit(&owner(9), &cell(Class::S, 2, 1))), unknown);
    assert!(node.image().cells.is_empty());
    assert_eq!(node.status().refused, 4);
}

#[test]
fn a_removed_cell_is_gone_for_good_and_its_tag_is_spent() {
    let (mut node, door, mut pipe) = with_mailbox(Push::None);
    for number in 0..3 {
        node.ask(&mut pipe, &deposit(&owner(9), &cell(Class::S, number, 1)));
    }
    let remove = Request::Remove(vec![prefix(1), TagPrefix([0xee; 8]), prefix(1)]);
    assert_eq!(node.ask(&mut pipe, &remove), Reply::Done);
    assert_eq!(node.ask(&mut pipe, &remove), Reply::Done, "unknown ones are passed over");
    let again = deposit(&owner(9), &cell(Class::S, 1, 1));
    assert_eq!(node.ask(&mut pipe, &again), refused(Refusal::UnknownTag));
    let mut node = node.crash();
    let mut pipe = come_back(&mut node, &door, 5);
    node.attach(&mut pipe, &owner(9), Push::None);
    assert_eq!(node.ask(&mut pipe, &again), refused(Refusal::UnknownTag));
    node.ask(&mut pipe, &Request::Fetch { from: 0, bytes_max: u32::MAX, whole: Class::M });
    assert_eq!(pipe.items(), [(1, cell(Class::S, 0, 1)), (3, cell(Class::S, 2, 1))]);
    assert_eq!((node.status().cells, node.status().cell_bytes), (2, 4_096));
}

#[test]
fn the_number_of_a_removed_cell_is_not_given_out_again_after_a_crash() {
    let (mut node, door, mut pipe) = with_mailbox(Push::None);
    for number in 0..3 {
        node.ask(&mut pipe, &deposit(&owner(9), &cell(Class::S, number, 1)));
        node.ask(&mut pipe, &Request::Remove(vec![prefix(number)]));
    }
    let mut node = node.crash();
    let mut pipe = come_back(&mut node, &door, 5);
    let Reply::Attached { cells: 0, next } = node.attach(&mut pipe, &owner(9), Push::Cells) else { panic!() };
    assert!(next > 3, "an owner who has read up to 3 would miss the next cell, not {next}");
    node.ask(&mut pipe, &deposit(&owner(9), &cell(Class::S, 9, 1)));
    assert_eq!(pipe.items(), [(next, cell(Class::S, 9, 1))]);
}

#[test]
fn a_full_mailbox_refuses_and_takes_cells_again_after_removal() {
    let limits = RelayLimits { mailbox_cells: 3, mailbox_bytes: 40_000, ..RelayLimits::default() };
    let mut node = Node::with(setup(1), limits);
    let door = node.new_slot();
    let link = node.leaf(1, &door);
    let mut pipe = node.tunnel(link, 1);
    node.attach(&mut pipe, &owner(9), Push::None);
    node.ask(&mut pipe, &tags(Class::S, 0..10));
    node.ask(&mut pipe, &tags(Class::M, 10..20));
    for number in [10, 11] {
        assert_eq!(node.ask(&mut pipe, &deposit(&owner(9), &cell(Class::M, number, 1))), STORED);
    }
    let third = deposit(&owner(9), &cell(Class::M, 12, 1));
    assert_eq!(node.ask(&mut pipe, &third), refused(Refusal::Full), "too many bytes");
    assert_eq!(node.ask(&mut pipe, &deposit(&owner(9), &cell(Class::S, 0, 1))), STORED);
    let fourth = deposit(&owner(9), &cell(Class::S, 1, 1));
    assert_eq!(node.ask(&mut pipe, &fourth), refused(Refusal::Full), "too many cells");
    node.ask(&mut pipe, &Request::Remove(vec![prefix(10)]));
    assert_eq!(node.ask(&mut pipe, &third), STORED);
}

#[test]
fn only_the_key_of_the_mailbox_opens_it_and_only_on_the_tunnel_it_signed() {
    let (mut node, door, mut pipe) = with_mailbox(Push::None);
    let link = node.leaf(2, &door);
    let mut other = node.tunnel(link, 1);
    let not_attached = refused(Refusal::NotAttached);
    let stolen = attach(&owner(9), &pipe.tunnel().hash(), Push::Cells);
    assert_eq!(node.ask(&mut other, &stolen), not_attached, "a signature from another tunnel");
    for request in [
        tags(Class::S, 0..1),
        Request::Unregister(vec![prefix(1)]),
        Request::Remove(vec![prefix(1)]),
        Request::Fetch { from: 0, bytes_max: 9, whole: Class::M },
    ] {
        assert_eq!(node.ask(&mut other, &request), not_attached, "{request:?}");
    }
    let hash = other.tunnel().hash();
    assert_eq!(
        node.ask(&mut other, &attach(&owner(9), &hash, Push::Cells)),
        Reply::Attached { cells: 0, next: 1 }
    );
}

#[test]
fn the_newest_tunnel_that_wants_cells_gets_them_until_too_many_are_under_way() {
    let (mut node, door, mut first) = with_mailbox(Push::Cells);
    let link = node.leaf(2, &door);
    let (mut second, mut third) = (node.tunnel(link, 1), node.tunnel(link, 2));
    node.attach(&mut second, &owner(9), Push::Cells);
    node.attach(&mut third, &owner(9), Push::Notices);
    let link = node.leaf(3, &door);
    let mut sender = node.tunnel(link, 1);
    let window = TUNNEL_WINDOW as u64;
    for number in 0..=window {
        assert_eq!(node.ask(&mut sender, &deposit(&owner(9), &cell(Class::S, number, 1))), STORED);
    }
    [&mut first, &mut second, &mut third].into_iter().for_each(|pipe| pipe.read(&mut node));
    assert_eq!(second.items().len(), TUNNEL_WINDOW);
    assert_eq!(second.notices(), [prefix(window)], "the window is full");
    assert_eq!((first.items().len(), first.notices().len()), (0, TUNNEL_WINDOW + 1));
    assert_eq!((third.items().len(), third.notices().len()), (0, TUNNEL_WINDOW + 1));

    node.ask(&mut third, &Request::Remove(vec![prefix(0)]));
    node.ask(&mut sender, &deposit(&owner(9), &cell(Class::S, 50, 1)));
    second.read(&mut node);
    assert_eq!(second.items().len(), 1, "a removal over any tunnel makes room");

    node.frame(second.link, Kind::Close, second.number, vec![0]);
    node.ask(&mut sender, &deposit(&owner(9), &cell(Class::S, 51, 1)));
    first.read(&mut node);
    assert_eq!(first.items().len(), 1, "the tunnel that is left gets the next one");
}

/// A relay with an attached tunnel, and tag 1 of class S, 2 of class M, 3 of class L registered.
fn of_each_class(push: Push) -> (Node, karvon_protocol::descriptor::Door, Pipe) {
    let (mut node, door, mut pipe) = one_leaf();
    node.attach(&mut pipe, &owner(9), push);
    for (class, number) in Class::ALL.into_iter().zip(1..) {
        assert_eq!(node.ask(&mut pipe, &tags(class, number..number + 1)), Reply::Done);
    }
    (node, door, pipe)
}

fn deposit_all(node: &mut Node, pipe: &mut Pipe) {
    for (class, number) in Class::ALL.into_iter().zip(1..) {
        assert_eq!(node.ask(pipe, &deposit(&owner(9), &cell(class, number, 1))), STORED);
    }
}

#[test]
fn large_cells_are_announced_once_they_are_durable_and_never_pushed() {
    for (push, whole) in [(Push::Cells, 2), (Push::Small, 1), (Push::Notices, 0)] {
        let (mut node, _, mut pipe) = of_each_class(push);
        deposit_all(&mut node, &mut pipe);
        assert_eq!(pipe.items().len(), whole, "{push:?}");
        let announced: Vec<_> = (1 + whole as u64..=3).map(prefix).collect();
        assert_eq!(pipe.notices(), announced, "{push:?}");
    }
    let (mut node, _, mut pipe) = of_each_class(Push::Cells);
    node.syncs = false;
    node.send(&mut pipe, &deposit(&owner(9), &cell(Class::L, 3, 1)));
    pipe.read(&mut node);
    assert_eq!(pipe.notices(), [], "what is announced can be asked for");
    while node.sync_one() {}
    pipe.read(&mut node);
    assert_eq!(pipe.notices(), [prefix(3)]);
}

#[test]
fn a_fetch_names_cells_that_are_too_large_for_it_and_their_pieces_are_the_cell() {
    let (mut node, door, mut pipe) = of_each_class(Push::None);
    deposit_all(&mut node, &mut pipe);
    for (whole, count) in [(Class::M, 2), (Class::S, 1)] {
        let end = node.ask(&mut pipe, &Request::Fetch { from: 0, bytes_max: u32::MAX, whole });
        assert_eq!(end, Reply::Fetched { next: 4, more: false });
        assert_eq!((pipe.items().len(), pipe.notices().len()), (count, 3 - count));
    }
    let mut bytes = Vec::new();
    for (from, count) in [(0, 1), (1, 20), (21, 9)] {
        assert_eq!(node.ask(&mut pipe, &Request::Pieces { prefix: prefix(3), from, count }), Reply::Done);
        for (index, (of, number, piece)) in (from..).zip(pipe.pieces()) {
            assert_eq!((of, number), (prefix(3), index));
            bytes.extend(piece);
        }
    }
    assert_eq!(bytes, cell(Class::L, 3, 1).bytes());
    // Beyond the end of a smaller cell there is nothing, and nothing of a cell that is not there.
    assert_eq!(node.ask(&mut pipe, &Request::Pieces { prefix: prefix(1), from: 0, count: 30 }), Reply::Done);
    assert_eq!(pipe.pieces().len(), 1);
    let missing = Request::Pieces { prefix: prefix(77), from: 0, count: 1 };
    assert_eq!(node.ask(&mut pipe, &missing), refused(Refusal::NotFound));
    // Nobody else gets any.
    let link = node.leaf(2, &door);
    let mut other = node.tunnel(link, 1);
    let asked = Request::Pieces { prefix: prefix(3), from: 0, count: 1 };
    assert_eq!(node.ask(&mut other, &asked), refused(Refusal::NotAttached));
    node.attach(&mut other, &owner(8), Push::None);
    assert_eq!(node.ask(&mut other, &asked), refused(Refusal::NotFound));
}

#[test]
fn a_fetch_comes_in_pieces_and_says_where_to_go_on() {
    let (mut node, _, mut pipe) = with_mailbox(Push::None);
    for number in 0..5 {
        node.ask(&mut pipe, &deposit(&owner(9), &cell(Class::S, number, 1)));
    }
    let mut from = 0;
    let mut seen = Vec::new();
    loop {
        let Reply::Fetched { next, more } =
            node.ask(&mut pipe, &Request::Fetch { from, bytes_max: 5_000, whole: Class::M })
        else {
            panic!("no end of the fetch")
        };
        let items = pipe.items();
        assert!(items.len() <= 2);
        seen.extend(items.into_iter().map(|(seq, _)| seq));
        from = next;
        if !more {
            break;
        }
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    let end = node.ask(&mut pipe, &Request::Fetch { from, bytes_max: 5_000, whole: Class::M });
    assert_eq!(end, Reply::Fetched { next: 6, more: false });
}

#[test]
fn the_first_message_of_a_tunnel_may_carry_the_deposit() {
    let (mut node, door, _) = with_mailbox(Push::None);
    let link = node.leaf(2, &door);
    let request = deposit(&owner(9), &cell(Class::S, 1, 1)).encode(7);
    let onion = node.descriptor().0.onion_key();
    let (pipe, message) = Pipe::start(node.id(), onion, link, 3, &request);
    let open = open_payload(node.id(), &message);
    node.frame(link, Kind::Open, 3, open.clone());
    let mut pipe = pipe.finish(&mut node);
    assert_eq!(pipe.answer(7), Some(STORED));
    // Whoever replays the first message stores nothing new and can not read the answer.
    node.frame(link, Kind::Open, 4, open);
    assert_eq!(node.image().cells.len(), 1);
}

#[test]
fn cells_are_forgotten_at_their_expiry_and_not_before() {
    let (mut node, door, mut pipe) = with_mailbox(Push::None);
    node.ask(&mut pipe, &deposit(&owner(9), &cell(Class::S, 1, 1)));
    node.jump(30 * DAY_MS - 60_000);
    node.pass(59_999);
    assert_eq!(node.status().cells, 1);
    node.pass(1);
    assert_eq!((node.status().cells, node.status().cell_bytes), (0, 0));
    let mut pipe = come_back(&mut node, &door, 5);
    assert_eq!(node.attach(&mut pipe, &owner(9), Push::None), Reply::Attached { cells: 0, next: 2 });
    let again = node.ask(&mut pipe, &deposit(&owner(9), &cell(Class::S, 1, 2)));
    assert!(matches!(again, Reply::Stored { .. }), "its tag was never removed: {again:?}");
}

#[test]
fn registrations_leave_memory_and_come_back_and_requests_wait_for_them_in_order() {
    let limits = RelayLimits { tags_in_memory: 50, ..RelayLimits::default() };
    let (node, door, _) = with_mailbox(Push::None);
    let mut node = node.crash_with(limits);
    let mut pipe = come_back(&mut node, &door, 5);
    node.attach(&mut pipe, &owner(9), Push::None);
    node.loads = false;
    let numbers = [
        node.send(&mut pipe, &deposit(&owner(9), &cell(Class::S, 1, 1))),
        node.send(&mut pipe, &deposit(&owner(9), &cell(Class::S, 1, 2))),
        node.send(&mut pipe, &Request::Remove(vec![prefix(1)])),
        node.send(&mut pipe, &deposit(&owner(9), &cell(Class::S, 1, 1))),
    ];
    assert_eq!(node.waiting_loads(), 1, "one load for all of them");
    pipe.read(&mut node);
    assert!(pipe.unasked.is_empty());
    node.answer_loads();
    pipe.read(&mut node);
    let answers = numbers.map(|number| pipe.answer(number).unwrap());
    assert_eq!(answers, [STORED, refused(Refusal::UsedTag), Reply::Done, refused(Refusal::UnknownTag)]);
    node.send(&mut pipe, &deposit(&owner(9), &cell(Class::S, 2, 1)));
    assert_eq!(node.waiting_loads(), 0, "they are in memory now");
    node.pass(300_000);
    node.send(&mut pipe, &deposit(&owner(9), &cell(Class::S, 3, 1)));
    assert_eq!(node.waiting_loads(), 1, "they had left");
}

#[test]
fn requests_for_a_slow_disk_are_bounded() {
    let (node, door, _) = with_mailbox(Push::None);
    let mut node = node.crash();
    node.loads = false;
    let mut busy = 0;
    for link in 10..20 {
        let link = node.leaf(link, &door);
        let mut pipe = node.tunnel(link, 1);
        let numbers: Vec<_> = (0..20)
            .map(|number| node.send(&mut pipe, &deposit(&owner(9), &cell(Class::S, number, 1))))
            .collect();
        pipe.read(&mut node);
        busy += numbers.into_iter().filter(|n| pipe.answer(*n) == Some(refused(Refusal::Busy))).count();
    }
    assert_eq!(200 - busy, 64, "as many wait as may wait for one mailbox");
}

#[test]
fn bytes_that_wait_for_a_slow_disk_are_bounded_over_all_mailboxes() {
    const WAITING_MAX: usize = 8 << 20;
    let (mut node, door, mut pipe) = with_mailbox(Push::None);
    for number in [7, 8] {
        node.attach(&mut pipe, &owner(number), Push::None);
        assert_eq!(node.ask(&mut pipe, &tags(Class::S, 0..1)), Reply::Done);
    }
    let mut node = node.crash();
    node.loads = false;
    let large = |number| cell(Class::L, number, 1);
    let (mut waiting, mut busy) = (0, 0);
    for link in 10..22 {
        let link = node.leaf(link, &door);
        let mut pipe = node.tunnel(link, 1);
        for number in 0..TUNNEL_WINDOW as u64 {
            let number = node.send(&mut pipe, &deposit(&owner((7 + number % 3) as u8), &large(number)));
            pipe.read(&mut node);
            match pipe.answer(number) {
                None => waiting += large(0).bytes().len(),
                Some(reply) => {
                    assert_eq!(reply, refused(Refusal::Busy));
                    busy += 1;
                }
            }
        }
    }
    assert_eq!(node.waiting_loads(), 3);
    assert!(
        busy > 0 && waiting <= WAITING_MAX && waiting > WAITING_MAX - 2 * large(0).bytes().len(),
        "{waiting}"
    );
    // What waited was answered: there is room again.
    node.loads = true;
    node.answer_loads();
    let link = node.leaf(30, &door);
    let mut pipe = node.tunnel(link, 1);
    assert_eq!(node.ask(&mut pipe, &deposit(&owner(9), &large(500))), refused(Refusal::UnknownTag));
}

#[test]
fn long_lists_that_wait_for_a_slow_disk_are_counted_by_their_length() {
    let (node, door, _) = with_mailbox(Push::None);
    let mut node = node.crash();
    let mut pipes: Vec<_> = (10..22)
        .map(|number| {
            let link = node.leaf(number, &door);
            let mut pipe = node.tunnel(link, 1);
            node.attach(&mut pipe, &owner(7 + (number % 3) as u8), Push::None);
            pipe
        })
        .collect();
    node.loads = false;
    let remove = Request::Remove((0..6_000).map(prefix).collect());
    let mut waiting = 0;
    for pipe in &mut pipes {
        let numbers: Vec<_> = (0..TUNNEL_WINDOW).map(|_| node.send(pipe, &remove)).collect();
        pipe.read(&mut node);
        waiting += numbers.into_iter().filter(|number| pipe.answer(*number).is_none()).count();
    }
    // 8 MiB of lists of 6,000 prefixes of eight bytes.
    assert!((170..=174).contains(&waiting), "{waiting} of {}", pipes.len() * TUNNEL_WINDOW);
}

#[test]
fn one_request_more_than_the_window_is_busy() {
    let (mut node, _, mut pipe) = with_mailbox(Push::None);
    node.syncs = false;
    let send =
        |node: &mut Node, pipe: &mut Pipe, n| node.send(pipe, &deposit(&owner(9), &cell(Class::S, n, 1)));
    let numbers: Vec<_> = (0..=TUNNEL_WINDOW as u64).map(|n| send(&mut node, &mut pipe, n)).collect();
    pipe.read(&mut node);
    let answers: Vec<_> = numbers.iter().filter_map(|number| pipe.answer(*number)).collect();
    assert_eq!(answers, [refused(Refusal::Busy)]);
    node.sync_all();
    let number = send(&mut node, &mut pipe, 50);
    node.sync_all();
    pipe.read(&mut node);
    assert_eq!(pipe.answer(number), Some(STORED), "answers free the window");
}

#[test]
fn abandoned_mailboxes_are_removed_with_their_registrations() {
    for restarts in [false, true] {
        abandon(restarts);
    }
}

fn abandon(restarts: bool) {
    let (mut node, door, pipe) = with_mailbox(Push::None);
    let link = node.leaf(2, &door);
    let mut other = node.tunnel(link, 1);
    node.attach(&mut other, &owner(8), Push::None);
    for pipe in [&pipe, &other] {
        node.frame(pipe.link, Kind::Close, pipe.number, vec![0]);
    }
    let mut node = if restarts { node.crash() } else { node };
    node.jump(2 * DAY_MS);
    node.pass(60_000);
    let held: Vec<_> = node
        .image()
        .records
        .values()
        .filter(|(k, _)| k.space == Space::RelayMailbox)
        .map(|(k, _)| k.group)
        .collect();
    assert_eq!(held, [mailbox_of(&owner(9)).0], "one was never used");
    node.jump(181 * DAY_MS);
    node.pass(60_000);
    assert_eq!((node.records(Space::RelayMailbox), node.records(Space::RelayTags)), (0, 0));
    assert_eq!(node.status().mailboxes, 0);
}

#[test]
fn a_relay_without_mailboxes_makes_none() {
    let mut node =
        Node::with(karvon_protocol::relay::api::RelaySetup { flags: 0, ..setup(1) }, RelayLimits::default());
    let door = node.new_slot();
    let link = node.leaf(1, &door);
    let mut pipe = node.tunnel(link, 1);
    assert_eq!(node.attach(&mut pipe, &owner(9), Push::None), refused(Refusal::NoMailboxes));
}

#[test]
fn one_slot_can_not_make_mailboxes_without_end() {
    let (mut node, door, mut pipe) = one_leaf();
    let many = |n: u16| {
        let mut seed = [7; 32];
        seed[..2].copy_from_slice(&n.to_be_bytes());
        ed25519_dalek::SigningKey::from_bytes(&seed)
    };
    let replies: Vec<_> = (0..260).map(|n| node.attach(&mut pipe, &many(n), Push::None)).collect();
    assert_eq!(replies.iter().filter(|reply| matches!(reply, Reply::Attached { .. })).count(), 256);
    let mut pipe = come_back(&mut node, &door, 5);
    let busy = refused(Refusal::Busy);
    assert_eq!(node.attach(&mut pipe, &owner(99), Push::None), busy, "a new link changes nothing");
    let old = node.attach(&mut pipe, &many(0), Push::None);
    assert!(matches!(old, Reply::Attached { .. }), "those that exist stay open: {old:?}");
    node.jump(DAY_MS);
    let mut pipe = come_back(&mut node, &door, 6);
    let next = node.attach(&mut pipe, &owner(99), Push::None);
    assert!(matches!(next, Reply::Attached { .. }), "tomorrow again: {next:?}");
}
