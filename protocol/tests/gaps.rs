//! Messages that were lost for good on their way: asked for, sent again or void, and a line in their place after a day.

mod world;

use karvon_protocol::core::{Key, Space};
use karvon_protocol::engine::api::{Command, ContactId, Event, Reply};
use karvon_protocol::rpc::Refusal;
use world::people::text_of;
use world::{Host, World};

const HOUR_MS: u64 = 3_600_000;

/// Ali's messages 2 and 3 are lost on their way and also in Ali's outbox, and message 4 has arrived; `history` says whether Ali still
/// has them in the history.
fn with_a_gap(seed: u64, history: bool) -> (World, ContactId, ContactId) {
    let (mut world, bob, ali) = with_lost(seed, &["two", "three"], history);
    world.send(0, bob, "four");
    world.run_ms(3_000);
    (world, bob, ali)
}

/// Ali's messages from number 2 on were lost, and nothing has been said since.
fn with_lost(seed: u64, lost: &[impl AsRef<str>], history: bool) -> (World, ContactId, ContactId) {
    let mut world = World::with(seed, 3, &[("Ali", &[0, 1, 2]), ("Bob", &[0, 1, 2])]);
    let (bob, ali) = world.meet(0, 1);
    world.send(0, bob, "one");
    world.run_ms(1_000);
    world.crash(Host::Person(1));
    for text in lost {
        world.send(0, bob, text.as_ref());
    }
    world.run_ms(3_000);
    world.crash(Host::Person(0));
    for relay in &mut world.relays {
        relay.node.disk.cells.clear();
    }
    for relay in 0..3 {
        world.crash(Host::Relay(relay));
        world.start(Host::Relay(relay));
    }
    let disk = &mut world.people[0].node.disk.kv;
    disk.retain(|key, _| !matches!(key.space, Space::OutCell | Space::OutState));
    if !history {
        for seq in (2..).take(lost.len()) {
            disk.remove(&Key::of(Space::Sent, bob.group(), seq));
        }
    }
    world.start(Host::Person(0));
    world.run_ms(3_000);
    (world, bob, ali)
}

fn shown(world: &mut World, person: usize, with: ContactId) -> Vec<String> {
    // A program that has just started answers only once it has loaded its state.
    let Ok(Reply::Delivery(delivery)) = world.ask(person, Command::Delivery(with)) else { return Vec::new() };
    let rows = world.rows(person, with, Space::Received).into_iter();
    let rows = rows.filter(|(seq, row)| *seq < delivery.received_below && !row.marks.hidden);
    rows.map(|(_, row)| {
        if row.marks.gap > 0 {
            format!("{} missing", row.marks.gap)
        } else {
            text_of(&row).unwrap_or_default()
        }
    })
    .collect()
}

#[test]
fn missing_messages_are_asked_for_and_sent_again_in_their_places() {
    let (mut world, bob, ali) = with_a_gap(1, true);
    world.start(Host::Person(1));
    world.run_ms(5_000);
    assert_eq!(shown(&mut world, 1, ali), ["one"], "what came later waits");
    assert!(world.run_until(60_000, |world| shown(world, 1, ali).len() == 4));
    assert_eq!(shown(&mut world, 1, ali), ["one", "two", "three", "four"]);
    assert!(world.run_until(10_000, |world| world.delivered_below(0, bob) == 5));
    assert!(world.told(1, &Event::Received { contact: ali, from: 2, to: 4 }));
}

#[test]
fn what_its_author_has_no_more_is_declared_void_and_stops_nothing() {
    let (mut world, bob, ali) = with_a_gap(2, false);
    world.start(Host::Person(1));
    assert!(world.run_until(60_000, |world| shown(world, 1, ali).len() == 2));
    assert_eq!(shown(&mut world, 1, ali), ["one", "four"]);
    assert!(world.run_until(10_000, |world| world.delivered_below(0, bob) == 5));
    assert_eq!(world.contacts(1)[0].unread, 2);
}

#[test]
fn after_a_day_a_line_stands_for_what_is_missing_until_it_comes() {
    let (mut world, _, ali) = with_a_gap(3, true);
    world.crash(Host::Person(0));
    world.start(Host::Person(1));
    world.run_ms(23 * HOUR_MS);
    assert_eq!(shown(&mut world, 1, ali), ["one"]);
    // The program is started anew meanwhile; the day goes on.
    world.crash(Host::Person(1));
    world.start(Host::Person(1));
    world.run_ms(2 * HOUR_MS);
    assert_eq!(shown(&mut world, 1, ali), ["one", "2 missing", "four"]);
    assert_eq!(world.contacts(1)[0].unread, 2);
    world.crash(Host::Person(1));
    world.start(Host::Person(1));
    world.run_ms(10_000);
    assert_eq!(shown(&mut world, 1, ali), ["one", "2 missing", "four"], "also after a restart");
    world.start(Host::Person(0));
    assert!(world.run_until(3 * HOUR_MS, |world| shown(world, 1, ali).len() == 4));
    assert_eq!(shown(&mut world, 1, ali), ["one", "two", "three", "four"], "late arrivals take their places");
}

#[test]
fn one_missing_message_is_asked_for_and_nobody_is_blamed() {
    let (mut world, bob, ali) = with_lost(5, &["two"], true);
    world.send(0, bob, "three");
    world.run_ms(3_000);
    world.start(Host::Person(1));
    assert!(world.run_until(60_000, |world| shown(world, 1, ali).len() == 3));
    assert_eq!(shown(&mut world, 1, ali), ["one", "two", "three"]);
    assert_eq!((world.faults(0), world.faults(1)), (0, 0));
}

#[test]
fn a_gap_of_more_than_is_sent_at_once_is_filled_in_few_cells_and_talk_goes_on() {
    let lost: Vec<_> = (2..=151).map(|number| format!("text {number}")).collect();
    let (mut world, bob, ali) = with_lost(4, &lost, true);
    world.send(0, bob, "after");
    world.run_ms(3_000);
    world.start(Host::Person(1));
    world.run_ms(3_000);
    let deposits = |world: &mut World| (0..3).map(|relay| world.relay_status(relay).deposits).sum::<u64>();
    let before = deposits(&mut world);
    assert!(world.run_until(3 * HOUR_MS, |world| shown(world, 1, ali).len() == 152));
    let expected: Vec<_> = ["one".to_owned()].into_iter().chain(lost).chain(["after".to_owned()]).collect();
    assert_eq!(shown(&mut world, 1, ali), expected, "nothing of it is called void");
    world.run_ms(10_000);
    assert_eq!(world.delivered_below(0, bob), 153);
    // Three answers at two relays or three, each in a cell or two, and as many acknowledgements.
    let cells = deposits(&mut world) - before;
    assert!(cells <= 40, "{cells} deposits for 150 short texts");
    // No tag is used twice: what is said next is not held up.
    for number in 0..20 {
        world.send(0, bob, &format!("next {number}"));
        world.run_ms(1_000);
    }
    assert_eq!(shown(&mut world, 1, ali).len(), 172);
    let used = Refusal::UsedTag as usize;
    assert_eq!((0..3).map(|relay| world.relay_status(relay).refused_by[used]).sum::<u64>(), 0);
}
