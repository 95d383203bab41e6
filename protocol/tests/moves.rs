//! Relays that die, lie or lose cells, and people who come back after a month: what mailboxes, moves and canaries promise.

mod world;

use karvon_protocol::cbor::read_map;
use karvon_protocol::core::{Key, Range, Space};
use karvon_protocol::descriptor::Door;
use karvon_protocol::engine::api::{Command, Meeting};
use world::{Host, World};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Relays that hold a mailbox of a person, as the person's disk says, with the role of each (0 candidate, 1 current, 2 retired).
fn mailboxes(world: &World, person: usize) -> Vec<(usize, u8)> {
    let rows = world.people[person].node.disk.load(&Range::Space(Space::Mailbox));
    rows.iter()
        .filter(|(key, _)| key.seq > 0)
        .map(|(_, value)| {
            let relay = world
                .relays
                .iter()
                .position(|relay| relay.id.0[..] == value[..16])
                .expect("one of the relays");
            (relay, value[48])
        })
        .collect()
}

fn current(world: &World, person: usize) -> Vec<usize> {
    let mut out: Vec<_> =
        mailboxes(world, person).into_iter().filter(|(_, role)| *role == 1).map(|(relay, _)| relay).collect();
    out.sort_unstable();
    out
}

#[test]
fn a_dead_relay_is_replaced_and_contacts_write_to_the_new_one() {
    let mut world = World::with(11, 4, &[("Ali", &[0, 1, 2, 3]), ("Bob", &[0, 1, 2, 3])]);
    let (bob, ali) = world.meet(0, 1);
    let before = current(&world, 1);
    assert_eq!(before.len(), 3);
    let dead = before[0];
    let spare = (0..4).find(|relay| !before.contains(relay)).unwrap();
    world.crash(Host::Relay(dead));
    world.run_ms(45 * 60_000);
    assert_eq!(current(&world, 1), before, "too soon to give a relay up");
    world.run_ms(30 * 60_000);
    let after = current(&world, 1);
    assert!(after.contains(&spare) && !after.contains(&dead), "{after:?}");
    assert!(mailboxes(&world, 1).contains(&(dead, 2)), "the old one is still polled");

    // Only the new relay is left: what is sent must come by it.
    for relay in (0..4).filter(|relay| *relay != spare) {
        world.crash(Host::Relay(relay));
    }
    world.send(0, bob, "by the new relay");
    world.run_ms(60_000);
    assert_eq!(world.received(1, ali), ["by the new relay"]);

    // Only the old one is left: it is still written to, and still polled.
    world.crash(Host::Relay(spare));
    world.start(Host::Relay(dead));
    world.run_ms(60_000);
    world.send(0, bob, "by the old relay");
    // A mailbox that nobody is told of any more is tried again within a quarter of an hour, and a quarter of that.
    world.run_ms(20 * 60_000);
    assert_eq!(world.received(1, ali), ["by the new relay", "by the old relay"]);
}

#[test]
fn a_relay_that_loses_what_it_confirmed_is_replaced_once_in_seven_days() {
    let mut world = World::with(12, 5, &[("Ali", &[0, 1, 2, 3, 4]), ("Bob", &[0, 1, 2, 3, 4])]);
    world.meet(0, 1);
    let before = current(&world, 1);
    let (liar, second) = (before[0], before[1]);
    world.crash(Host::Person(0));
    // Two of Bob's relays forget all cells some time after they have confirmed them.
    let lossy_hours = |world: &mut World, hours: u64| {
        for _ in 0..hours / 5 {
            world.run_ms(5 * HOUR_MS);
            world.lose_cells(liar);
            world.lose_cells(second);
        }
    };
    lossy_hours(&mut world, 30);
    let after = current(&world, 1);
    let left = [liar, second].iter().filter(|relay| after.contains(relay)).count();
    assert_eq!(left, 1, "one living relay is replaced, not two: {before:?} {after:?}");
    world.crash(Host::Person(1));
    world.run_ms(6 * DAY_MS);
    world.start(Host::Person(1));
    lossy_hours(&mut world, 30);
    let after = current(&world, 1);
    let honest = (0..5).filter(|relay| ![liar, second].contains(relay)).collect::<Vec<_>>();
    assert_eq!(after, honest, "after a week the second one goes as well");
}

#[test]
fn two_people_whose_relays_all_died_find_one_another_by_beacons() {
    let mut world = World::with(16, 3, &[("Ali", &[0, 1, 2]), ("Bob", &[0, 1, 2])]);
    let (bob, ali) = world.meet(0, 1);
    world.send(0, bob, "before");
    world.run_ms(30_000);
    for relay in 3..6 {
        world.add_relay();
        for person in 0..2 {
            let door: Door = world.slot(relay);
            world.ask(person, Command::AddDoor(door)).unwrap();
        }
    }
    for relay in 0..3 {
        world.crash(Host::Relay(relay));
    }
    world.run_ms(60_000);
    world.send(0, bob, "where are you?");
    world.run_ms(3 * HOUR_MS);
    assert_eq!(current(&world, 0), [3, 4, 5]);
    assert_eq!(current(&world, 1), [3, 4, 5]);
    world.send(1, ali, "here");
    world.run_ms(HOUR_MS / 2);
    assert_eq!(world.received(1, ali), ["before", "where are you?"]);
    assert_eq!(world.received(0, bob), ["here"]);
}

#[test]
fn fair_relays_are_kept() {
    let mut world = World::with(13, 5, &[("Ali", &[0, 1]), ("Bob", &[1, 2])]);
    let (bob, _) = world.meet(0, 1);
    let before = (current(&world, 0), current(&world, 1));
    for day in 0..3 {
        world.send(0, bob, &format!("day {day}"));
        world.run_ms(7 * HOUR_MS);
        world.crash(Host::Person(1));
        world.crash(Host::Relay(day));
        world.run_ms(HOUR_MS / 2);
        world.start(Host::Person(1));
        world.start(Host::Relay(day));
        world.run_ms(60_000);
    }
    assert_eq!((current(&world, 0), current(&world, 1)), before);
    assert!(mailboxes(&world, 1).iter().all(|(_, role)| *role == 1));
}

#[test]
fn a_superseded_mailbox_is_polled_until_every_contact_knows_and_for_forty_five_days() {
    let mut world = World::with(14, 4, &[("Ali", &[0, 1, 2, 3]), ("Bob", &[0, 1, 2, 3])]);
    world.meet(0, 1);
    let dead = current(&world, 1)[0];
    // The contact is away while the mailbox moves, so it can not hear of it.
    world.crash(Host::Person(0));
    world.crash(Host::Relay(dead));
    world.run_ms(2 * HOUR_MS);
    world.start(Host::Relay(dead));
    assert!(mailboxes(&world, 1).contains(&(dead, 2)));
    world.crash(Host::Person(1));
    world.run_ms(50 * DAY_MS);
    world.start(Host::Person(1));
    world.run_ms(HOUR_MS);
    assert!(mailboxes(&world, 1).contains(&(dead, 2)), "a contact still writes there");
    world.start(Host::Person(0));
    world.run_ms(HOUR_MS);
    assert!(!mailboxes(&world, 1).contains(&(dead, 2)), "everybody knows, and the time is over");
}

/// Back after 30 days, two of three relays gone meanwhile, everything arrives. Contacts are on for a few minutes a day, never together with one another or with the one who is away.
#[test]
fn after_thirty_days_offline_with_two_of_three_relays_gone_everything_arrives() {
    const CONTACTS: usize = 20;
    let mut world = World::with(15, 3, &[("Bob", &[0, 1, 2])]);
    let mut all = Vec::new();
    for n in 0..CONTACTS {
        let person = world.add_person(&format!("contact {n}"));
        for relay in 0..3 {
            let door: Door = world.slot(relay);
            world.ask(person, Command::AddDoor(door)).unwrap();
        }
        world.run_ms(3_500);
        let text = world.invite(0);
        let bob = world.add(person, &text, "");
        let known = n + 1;
        assert!(world.run_until(60_000, |world| {
            let all = world.contacts(0);
            all.len() == known && world.contacts(person)[0].meeting == Meeting::Connected
        }));
        let contact = world.contacts(0).last().unwrap().id;
        world.send(person, bob, "hello");
        world.run_ms(5_000);
        assert_eq!(world.received(0, contact), ["hello"]);
        world.crash(Host::Person(person));
        all.push((person, bob, contact));
    }
    world.crash(Host::Person(0));
    let mut expected = vec![vec!["hello".to_owned()]; CONTACTS];
    for day in 0..30 {
        if day == 10 || day == 20 {
            // A relay goes for good, another one comes.
            world.crash(Host::Relay(day / 10 - 1));
            world.add_relay();
        }
        for (n, (person, bob, _)) in all.iter().enumerate() {
            world.start(Host::Person(*person));
            world.run_ms(1_000);
            for text in 0..5 {
                let text = format!("contact {n} day {day} text {text}");
                world.send(*person, *bob, &text);
                world.run_ms(2_000);
                expected[n].push(text);
            }
            world.run_ms(6 * 60_000);
            world.crash(Host::Person(*person));
        }
        world.run_ms(DAY_MS - CONTACTS as u64 * 7 * 60_000);
    }
    // Bob comes back; the contacts stay away: what arrives was waiting at relays.
    world.start(Host::Person(0));
    world.run_ms(HOUR_MS);
    for (n, (_, _, contact)) in all.iter().enumerate() {
        let got = world.received(0, *contact);
        assert_eq!(got, expected[n][..got.len()], "in order, nothing twice");
        assert!(
            got.len() >= 140,
            "contact {n}: only {} of {} waited at relays",
            got.len(),
            expected[n].len()
        );
    }
    // His relays are whole again, and each contact hears of it on its next day, and he hears the rest.
    world.run_ms(HOUR_MS);
    assert!(current(&world, 0).iter().all(|relay| *relay >= 2), "{:?}", current(&world, 0));
    for (person, ..) in &all {
        world.start(Host::Person(*person));
        world.run_ms(5 * 60_000);
        world.crash(Host::Person(*person));
    }
    for (n, (_, _, contact)) in all.iter().enumerate() {
        assert_eq!(world.received(0, *contact), expected[n], "contact {n}");
    }
}

#[test]
fn an_invitation_names_a_door_that_is_there_when_the_first_one_is_gone() {
    let mut world = World::with(31, 4, &[("Ali", &[0, 1]), ("Bob", &[2, 3])]);
    world.run_ms(10_000);
    let door = |text: &str| karvon_protocol::invite::Invitation::from_text(text).unwrap().relay;
    let first = door(&world.invite(0));
    let gone = world.relays.iter().position(|relay| relay.id == first).unwrap();
    world.crash(Host::Relay(gone));
    world.run_ms(120_000);
    let text = world.invite(0);
    assert_eq!(door(&text), world.relays[1 - gone].id);
    let ali = world.add(1, &text, "Ali");
    let met = world.run_until(120_000, |world| {
        world.contacts(1).iter().any(|contact| contact.id == ali && contact.meeting == Meeting::Connected)
    });
    assert!(met);
}

#[test]
fn an_invitation_leads_to_the_mailboxes_that_its_maker_has_now() {
    let mut world = World::with(33, 4, &[("Ali", &[0, 1, 2, 3]), ("Bob", &[0, 1, 2, 3])]);
    world.run_ms(10_000);
    let text = world.invite(0);
    world.run_ms(10_000);
    let before = current(&world, 0);
    let spare = (0..4).find(|relay| !before.contains(relay)).unwrap();
    world.crash(Host::Relay(before[0]));
    world.run_ms(90 * 60_000);
    assert!(current(&world, 0).contains(&spare));
    world.crash(Host::Person(0));
    // The relays of the time when it was made are all away.
    for relay in (0..4).filter(|relay| *relay != spare) {
        world.crash(Host::Relay(relay));
    }
    let ali = world.add(1, &text, "Ali");
    world.run_ms(120_000);
    world.start(Host::Person(0));
    let met = world.run_until(300_000, |world| {
        world.contacts(1).iter().any(|contact| contact.id == ali && contact.meeting == Meeting::Connected)
    });
    assert!(met);
}

#[test]
fn whoever_does_not_know_of_a_move_is_told_again_after_fifteen_days() {
    let mut world = World::with(17, 4, &[("Ali", &[0, 1, 2, 3]), ("Bob", &[0, 1, 2, 3])]);
    let (bob, _) = world.meet(0, 1);
    world.run_ms(2 * HOUR_MS);
    world.crash(Host::Person(1));
    // Numbers of tags that Ali has used towards Bob.
    let sent = |world: &World| {
        let row = &world.people[0].node.disk.kv[&Key::single(Space::Session, u64::from(bob.0))];
        let mut used = 0;
        read_map(row, |key, field| {
            match key {
                3 => used = field.array(3, |item| item.uint())?.into_iter().sum::<u64>(),
                _ => drop(field.raw()?),
            }
            Ok(true)
        })
        .unwrap();
        used
    };
    let before = sent(&world);
    world.crash(Host::Relay(current(&world, 0)[0]));
    let told: Vec<_> = (0..=17)
        .map(|_| {
            world.run_ms(DAY_MS);
            sent(&world) - before
        })
        .collect();
    assert_eq!([0, 13, 17].map(|day| told[day]), [1, 1, 2], "{told:?}");
}

#[test]
fn whoever_knows_too_few_relays_asks_ever_more_rarely_and_finds_those_that_come_later() {
    let mut world = World::with(31, 1, &[("Ali", &[0])]);
    world.run_ms(600_000);
    assert_eq!(current(&world, 0), [0]);
    let frames = world.frames;
    world.run_ms(HOUR_MS);
    let frames = world.frames - frames;
    // Heartbeats, a question every ten minutes at most, and what a mailbox costs.
    assert!(frames < 150, "an hour without anything new costs {frames} frames");
    world.add_relay();
    world.add_relay();
    world.run_ms(15 * 60_000);
    assert_eq!(current(&world, 0), [0, 1, 2], "found without being told");
}
