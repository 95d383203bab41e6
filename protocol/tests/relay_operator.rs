//! What an operator and a short machine ask of a relay: less is granted or refused, and nothing that was promised is broken.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod relay_world;

use karvon_protocol::cell::Class;
use karvon_protocol::descriptor::flags;
use karvon_protocol::limits::CELL_TTL_S;
use karvon_protocol::link::{CloseCode, Kind, open_payload};
use karvon_protocol::relay::api::{Pressure, RelayCommand};
use karvon_protocol::relay::limits::RelayLimits;
use karvon_protocol::rpc::{Push, Refusal, Reply, Request};
use relay_world::{DAY_MS, Node, Pipe, START_MS, cell, come_back, deposit, owner, prefix, refused, setup};

const NOW_S: u64 = START_MS / 1_000;

fn with(limits: RelayLimits) -> (Node, karvon_protocol::descriptor::Door, Pipe) {
    let mut node = Node::with(setup(1), limits);
    let door = node.new_slot();
    let link = node.leaf(1, &door);
    let mut pipe = node.tunnel(link, 1);
    node.attach(&mut pipe, &owner(9), Push::None);
    let tags = (0..100).map(|number| (Class::S as u8, prefix(number))).collect();
    assert_eq!(node.ask(&mut pipe, &Request::Register(tags)), Reply::Done);
    (node, door, pipe)
}

fn deposited(node: &mut Node, pipe: &mut Pipe, number: u64) -> Reply {
    node.ask(pipe, &deposit(&owner(9), &cell(Class::S, number, 1)))
}

#[test]
fn a_relay_that_is_nearly_full_grants_less_and_keeps_what_it_promised() {
    let limits = RelayLimits { cells: 10, ..RelayLimits::default() };
    let (mut node, _, mut pipe) = with(limits);
    for number in 0..8 {
        assert_eq!(deposited(&mut node, &mut pipe, number), Reply::Stored { expiry_s: NOW_S + CELL_TTL_S });
    }
    for number in 8..10 {
        assert_eq!(deposited(&mut node, &mut pipe, number), Reply::Stored { expiry_s: NOW_S + 14 * 86_400 });
    }
    assert_eq!(deposited(&mut node, &mut pipe, 10), refused(Refusal::Full));
    assert_eq!(node.attach(&mut pipe, &owner(8), Push::None), refused(Refusal::Full), "no new mailboxes");
    // The very same cell again is answered as before.
    assert_eq!(deposited(&mut node, &mut pipe, 1), Reply::Stored { expiry_s: NOW_S + CELL_TTL_S });
    node.jump(14 * DAY_MS + 120_000);
    assert_eq!(node.status().cells, 8, "each goes at its own time");
    node.jump(16 * DAY_MS);
    assert_eq!(node.status().cells, 0);
}

#[test]
fn a_full_disk_refuses_what_is_new_and_still_gives_out() {
    let (mut node, _, mut pipe) = with(RelayLimits::default());
    deposited(&mut node, &mut pipe, 1);
    node.command(RelayCommand::Pressure(Pressure { storage: true, traffic: false })).unwrap();
    assert_eq!(deposited(&mut node, &mut pipe, 2), refused(Refusal::Full));
    assert_eq!(node.ask(&mut pipe, &Request::Register(vec![(0, prefix(500))])), refused(Refusal::Full));
    node.attach(&mut pipe, &owner(9), Push::None);
    let fetched = node.ask(&mut pipe, &Request::Fetch { from: 0, bytes_max: 1 << 20, whole: Class::M });
    assert!(matches!(fetched, Reply::Fetched { more: false, .. }));
    assert_eq!(pipe.items().len(), 1);
    assert_eq!(node.ask(&mut pipe, &Request::Remove(vec![prefix(1)])), Reply::Done);
    let status = node.status();
    assert_eq!((status.cells, status.refused_by[Refusal::Full as usize], status.refused), (0, 2, 2));
    node.command(RelayCommand::Pressure(Pressure::default())).unwrap();
    assert!(matches!(deposited(&mut node, &mut pipe, 2), Reply::Stored { .. }));
}

#[test]
fn a_short_byte_budget_ends_the_carrying_for_others_before_anything_else() {
    let (mut node, door, mut pipe) = with(RelayLimits::default());
    let mut other = Node::new(2);
    node.command(RelayCommand::Heard(other.descriptor().1)).unwrap();
    node.command(RelayCommand::Pressure(Pressure { storage: false, traffic: true })).unwrap();
    let link = node.leaf(3, &door);
    node.frame(link, Kind::Open, 1, open_payload(other.id(), &[0; 48]));
    assert_eq!(node.close_code(link, 1), Some(CloseCode::Busy));
    assert!(node.dialled.is_empty());
    assert_eq!(node.attach(&mut pipe, &owner(8), Push::None), refused(Refusal::Full));
    node.attach(&mut pipe, &owner(9), Push::None);
    assert!(matches!(deposited(&mut node, &mut pipe, 2), Reply::Stored { .. }), "who has a mailbox keeps it");
    assert_eq!((node.status().busy, other.status().busy), (1, 0));
}

#[test]
fn a_relay_that_drains_says_so_takes_nothing_and_gives_out_across_a_restart() {
    let (mut node, door, mut pipe) = with(RelayLimits::default());
    deposited(&mut node, &mut pipe, 1);
    let before = node.descriptor().0;
    node.command(RelayCommand::Drain(true)).unwrap();
    let drained = node.descriptor().0;
    assert_eq!((before.flags & flags::MAILBOX, drained.flags & flags::MAILBOX), (flags::MAILBOX, 0));
    assert!(drained.seq > before.seq);
    let mut node = node.crash();
    assert!(node.status().draining);
    assert_eq!(node.descriptor().0.flags & flags::MAILBOX, 0);
    let mut pipe = come_back(&mut node, &door, 5);
    assert_eq!(deposited(&mut node, &mut pipe, 2), refused(Refusal::Full));
    assert_eq!(node.attach(&mut pipe, &owner(8), Push::None), refused(Refusal::NoMailboxes));
    assert!(matches!(node.attach(&mut pipe, &owner(9), Push::None), Reply::Attached { cells: 1, .. }));
    assert!(matches!(
        node.ask(&mut pipe, &Request::Fetch { from: 0, bytes_max: 1 << 20, whole: Class::M }),
        Reply::Fetched { more: false, .. }
    ));
    assert_eq!(pipe.items().len(), 1);
    node.command(RelayCommand::Drain(false)).unwrap();
    assert!(!node.status().draining);
    assert!(matches!(deposited(&mut node, &mut pipe, 2), Reply::Stored { .. }));
    assert_eq!(node.crash().descriptor().0.flags & flags::MAILBOX, flags::MAILBOX);
}

#[test]
fn lower_limits_hold_from_then_on_and_lose_nothing() {
    let (mut node, _, mut pipe) = with(RelayLimits::default());
    for number in 0..5 {
        deposited(&mut node, &mut pipe, number);
    }
    let limits = RelayLimits { cells: 3, links: 1, ..RelayLimits::default() };
    node.command(RelayCommand::SetLimits(limits)).unwrap();
    assert_eq!(deposited(&mut node, &mut pipe, 6), refused(Refusal::Full));
    assert_eq!(node.status().cells, 5);
    let link = node.link_leaf(7);
    assert_eq!(node.ended.last().map(|(ended, _)| *ended), Some(link), "no room for one more link");
}
