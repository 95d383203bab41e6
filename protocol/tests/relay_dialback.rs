//! Relays that ask each other to be dialled back: when they ask, whom they dial, how often, and what they believe.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod relay_world;

use karvon_protocol::core::{Input, LinkId, LinkInfo, Reason};
use karvon_protocol::descriptor::flags;
use karvon_protocol::link::Kind;
use karvon_protocol::reach::{DialSeed, Dialled, Findings, Reach};
use karvon_protocol::relay::api::{RelayCommand, RelayEvent};
use karvon_protocol::relay::limits::RelayLimits;
use relay_world::{Node, setup};
use zeroize::Zeroizing;

const OPEN: Findings = Findings { door: Dialled::Reached, mesh: Dialled::Reached, seen: None };
const CLOSED: Findings = Findings { door: Dialled::Closed, mesh: Dialled::Reached, seen: None };

fn seed() -> DialSeed {
    DialSeed(Zeroizing::new([7; 32]))
}

fn link(node: &mut Node, number: u8) -> LinkId {
    let (other, link) = (Node::new(number), LinkId(u64::from(number)));
    node.input(Input::LinkUp(link, LinkInfo::Mesh { remote_key: other.mesh_key() }));
    node.frame(link, Kind::Welcome, 0, other.descriptor().1);
    node.take(link);
    link
}

fn of_reach(node: &mut Node, link: LinkId) -> Vec<Reach> {
    let frames = node.take(link).into_iter().filter(|frame| frame.kind == Kind::Reach);
    frames.map(|frame| Reach::decode(&frame.payload).unwrap()).collect()
}

/// The links over which a question went out.
fn asked(node: &mut Node, links: &[LinkId]) -> Vec<LinkId> {
    let ask = |node: &mut Node, link| of_reach(node, link).iter().any(|said| matches!(said, Reach::Ask(_)));
    links.iter().copied().filter(|link| ask(node, *link)).collect()
}

/// Lets time pass on links that live.
fn idle(node: &mut Node, links: &[LinkId], minutes: u64) {
    for _ in 0..minutes {
        node.pass(60_000);
        links.iter().for_each(|link| node.frame(*link, Kind::Heartbeat, 0, Vec::new()));
    }
}

fn answer(node: &mut Node, link: LinkId, findings: Findings) {
    node.frame(link, Kind::Reach, 0, Reach::Found(findings).encode());
}

fn dials(node: &Node) -> Vec<u64> {
    let token = |event: &RelayEvent| match event {
        RelayEvent::DialBack { token, .. } => Some(*token),
        _ => None,
    };
    node.events.iter().filter_map(token).collect()
}

#[test]
fn a_relay_asks_soon_after_its_first_link_and_expects_the_key_that_it_gave() {
    let mut node = Node::new(1);
    let links = [link(&mut node, 2)];
    assert!(asked(&mut node, &links).is_empty());
    node.pass(3_000);
    let said = of_reach(&mut node, links[0]);
    let [Reach::Ask(seed)] = said.as_slice() else { panic!("{said:?}") };
    let key = ed25519_dalek::SigningKey::from_bytes(&seed.0).verifying_key().to_bytes();
    assert!(node.events.iter().any(|event| matches!(event, RelayEvent::ExpectDialback(k) if *k == key)));
    assert_eq!(node.status().reached, None);
    answer(&mut node, links[0], OPEN);
    let held = node.status().reached.unwrap();
    assert_eq!((held.findings, held.key), (OPEN, key));
    idle(&mut node, &links, 60);
    assert!(asked(&mut node, &links).is_empty(), "an open relay asks twice a day");
    node.command(RelayCommand::AskDialback).unwrap();
    assert_eq!(asked(&mut node, &links), links, "or when its operator does");
}

#[test]
fn what_one_relay_found_closed_another_one_confirms() {
    let mut node = Node::new(1);
    let links = [2, 3, 4].map(|number| link(&mut node, number));
    node.pass(3_000);
    let first = asked(&mut node, &links);
    answer(&mut node, first[0], OPEN);
    node.command(RelayCommand::AskDialback).unwrap();
    let second = asked(&mut node, &links);
    answer(&mut node, second[0], CLOSED);
    assert_eq!(node.status().reached.unwrap().findings, OPEN, "one relay's word");
    node.pass(20_000);
    let third = asked(&mut node, &links);
    assert!(third.len() == 1 && third != second, "another one is asked");
    answer(&mut node, third[0], CLOSED);
    assert_eq!(node.status().reached.unwrap().findings, CLOSED);
    idle(&mut node, &links, 9);
    assert!(asked(&mut node, &links).is_empty());
    node.pass(60_000);
    assert_eq!(asked(&mut node, &links).len(), 1, "somebody may have opened the firewall");
}

#[test]
fn whoever_is_busy_or_silent_is_passed_over_and_nothing_unasked_is_taken() {
    let mut node = Node::new(1);
    let links = [2, 3].map(|number| link(&mut node, number));
    for link in links {
        answer(&mut node, link, OPEN);
    }
    assert_eq!((node.status().reached, node.status().faults), (None, 2), "nobody was asked");
    node.pass(3_000);
    let first = asked(&mut node, &links);
    answer(&mut node, first[0], Findings::BUSY);
    node.pass(20_000);
    let second = asked(&mut node, &links);
    assert!(second.len() == 1 && second != first);
    // Silence: all were asked, and after a while one is asked again.
    node.pass(60_000);
    assert!(asked(&mut node, &links).is_empty());
    idle(&mut node, &links, 5);
    assert_eq!(asked(&mut node, &links).len(), 1);
    assert_eq!(node.status().reached, None);
}

#[test]
fn one_relay_is_dialled_at_a_time_and_each_once_a_minute() {
    let mut node = Node::new(1);
    let links = [2, 3].map(|number| link(&mut node, number));
    let ask = |node: &mut Node, link: LinkId| {
        node.frame(link, Kind::Reach, 0, Reach::Ask(seed()).encode());
        // Its own questions aside.
        let mut said = of_reach(node, link);
        said.retain(|said| matches!(said, Reach::Found(_)));
        said
    };
    assert!(ask(&mut node, links[0]).is_empty());
    let busy = [Reach::Found(Findings::BUSY)];
    assert_eq!(ask(&mut node, links[1]), busy, "one is dialled already");
    node.command(RelayCommand::DialledBack(77, OPEN)).unwrap();
    assert!(of_reach(&mut node, links[0]).is_empty(), "no such errand");
    node.command(RelayCommand::DialledBack(dials(&node)[0], CLOSED)).unwrap();
    assert_eq!(of_reach(&mut node, links[0]), [Reach::Found(CLOSED)]);
    for _ in 0..100 {
        assert_eq!(ask(&mut node, links[0]), busy, "a minute has not passed");
    }
    assert!(ask(&mut node, links[1]).is_empty());
    node.input(Input::LinkDown(links[1], Reason::Lost));
    node.pass(60_000);
    assert!(
        ask(&mut node, links[0]).is_empty(),
        "an errand whose asker has gone does not block the next one"
    );
    assert_eq!(dials(&node).len(), 3);
}

#[test]
fn the_addresses_are_those_of_the_signed_descriptor() {
    let mut node = Node::new(1);
    let link = link(&mut node, 2);
    node.frame(link, Kind::Reach, 0, Reach::Ask(seed()).encode());
    let other = Node::new(2);
    let shown = node.events.iter().find_map(|event| match event {
        RelayEvent::DialBack { descriptor, seed, .. } => Some((descriptor.clone(), seed.clone())),
        _ => None,
    });
    assert_eq!(shown, Some((other.descriptor().0, seed())));
}

#[test]
fn an_unlisted_relay_is_quiet_until_its_operator_asks() {
    let mut unlisted = setup(1);
    unlisted.flags |= flags::BRIDGE;
    let mut node = Node::with(unlisted, RelayLimits::default());
    let links = [link(&mut node, 2)];
    node.pass(60_000);
    assert!(asked(&mut node, &links).is_empty());
    node.command(RelayCommand::AskDialback).unwrap();
    assert_eq!(asked(&mut node, &links), links);
}

#[test]
fn a_leaf_can_not_have_anybody_dialled() {
    let (mut node, _, _) = relay_world::one_leaf();
    let faults = node.status().faults;
    node.frame(LinkId(1), Kind::Reach, 0, Reach::Ask(seed()).encode());
    assert_eq!((dials(&node).len(), node.status().faults), (0, faults + 1));
}
