//! A person's own mailboxes: how many tags are registered, what is fetched from which relay and by which door, and what a restart leaves.

mod world;

use karvon_protocol::core::{Range, Space};
use karvon_protocol::engine::api::{Command, ContactId, Reply, StatusInfo};
use world::{Host, World};

const BOTH: &[usize] = &[0, 1, 2];

fn two(seed: u64) -> (World, ContactId, ContactId) {
    let mut world = World::with(seed, 3, &[("Ali", BOTH), ("Bob", BOTH)]);
    let (bob, ali) = world.meet(0, 1);
    world.run_ms(10_000);
    (world, bob, ali)
}

fn status(world: &mut World, person: usize) -> StatusInfo {
    match world.ask(person, Command::Status) {
        Ok(Reply::Status(status)) => status,
        other => panic!("{other:?}"),
    }
}

/// Relays that hold cells.
fn holding(world: &World) -> Vec<usize> {
    (0..world.relays.len()).filter(|relay| !world.relays[*relay].node.disk.cells.is_empty()).collect()
}

/// Tags registered in each mailbox at a relay, ascending.
fn registered(world: &World, relay: usize) -> Vec<usize> {
    let rows = world.relays[relay].node.disk.load(&Range::Space(Space::RelayTags));
    let mut of_each = std::collections::BTreeMap::new();
    for (key, page) in rows {
        *of_each.entry(key.group).or_insert(0) += page.len() / 9;
    }
    let mut counts: Vec<_> = of_each.into_values().collect();
    counts.sort_unstable();
    counts
}

#[test]
fn many_tags_are_registered_for_whoever_speaks_and_few_for_whoever_only_listens() {
    let (mut world, bob, ali) = two(1);
    for number in 0..150 {
        world.send(0, bob, &format!("text {number}"));
        world.run_ms(2_000);
    }
    assert_eq!(world.received(1, ali).len(), 150);
    for relay in 0..3 {
        let counts = registered(&world, relay);
        let [few, many] = counts[..] else { panic!("{counts:?}") };
        assert!(
            few < 200 && many > 256,
            "Bob expects Ali to go on, Ali expects acknowledgements: {counts:?}"
        );
    }
}

#[test]
fn one_relay_that_kept_a_message_is_enough_whichever_it_is() {
    let mut kept_by = std::collections::BTreeSet::new();
    for seed in 10..16 {
        let (mut world, bob, ali) = two(seed);
        world.crash(Host::Person(1));
        world.send(0, bob, "kept by one");
        world.run_ms(20_000);
        world.crash(Host::Person(0));
        let holders = holding(&world);
        assert!(holders.len() >= 2, "{holders:?}");
        let keeper = holders[seed as usize % holders.len()];
        for relay in holders {
            if relay != keeper {
                world.lose_cells(relay);
            }
        }
        kept_by.insert(keeper);
        world.start(Host::Person(1));
        world.run_ms(60_000);
        assert_eq!(world.received(1, ali), ["kept by one"], "seed {seed}, relay {keeper}");
    }
    assert!(kept_by.len() > 1, "{kept_by:?}");
}

#[test]
fn what_waits_comes_to_the_end_also_when_one_answer_does_not_hold_it() {
    let mut world = World::with(2, 1, &[("Ali", &[0]), ("Bob", &[0])]);
    let (bob, ali) = world.meet(0, 1);
    world.crash(Host::Person(1));
    let texts: Vec<_> = (0..120).map(|number| format!("{number:03}{}", " long".repeat(1_500))).collect();
    for text in &texts {
        world.send(0, bob, text);
        world.run_ms(1_000);
    }
    let waiting = world.relay_status(0).cell_bytes;
    assert!(waiting > 3 * (128 << 10), "{waiting} bytes wait: several answers to a fetch");
    assert!(status(&mut world, 0).one_operator, "one relay sees all");
    // As many as there were tags for.
    let stored = status(&mut world, 0).stored as usize;
    world.crash(Host::Person(0));
    world.start(Host::Person(1));
    world.run_ms(30_000);
    assert_eq!(world.received(1, ali), texts[..stored]);
    assert!(world.relay_status(0).cell_bytes < waiting / 10, "only Bob's acknowledgements are left");
}

#[test]
fn what_two_relays_hold_is_pushed_by_one_and_only_announced_by_the_other() {
    let (mut world, bob, ali) = two(3);
    world.send(0, bob, "first");
    world.run_ms(10_000);
    let before = world.bytes_to_people;
    // Long enough for the largest cell; of the rest nothing weighs as much.
    let data = zeroize::Zeroizing::new(vec![7; 40_000]);
    let file = Command::SendFile {
        contact: bob,
        name: "photo.jpg".into(),
        media: "image/jpeg".into(),
        data,
        forwarded: false,
    };
    world.tell(0, file);
    world.run_ms(20_000);
    assert_eq!(world.rows(1, ali, Space::Received).len(), 2);
    let came = world.bytes_to_people - before;
    assert!((61_440..2 * 61_440).contains(&came), "{came} bytes");
}

#[test]
fn a_relay_that_is_a_door_as_well_is_reached_through_another_door() {
    let mut world = World::with(4, 2, &[("Ali", &[0, 1]), ("Bob", &[0, 1])]);
    let (bob, ali) = world.meet(0, 1);
    world.run_ms(30_000);
    let before = [0, 1].map(|relay| world.relay_status(relay).forwarded);
    for number in 0..5 {
        world.send(0, bob, &format!("text {number}"));
        world.run_ms(5_000);
    }
    assert_eq!(world.received(1, ali).len(), 5);
    assert!(!status(&mut world, 0).one_operator);
    for (relay, before) in before.into_iter().enumerate() {
        let forwarded = world.relay_status(relay).forwarded - before;
        assert!(forwarded >= 5, "door {relay} carried {forwarded} frames for the other relay");
    }
}

#[test]
fn an_acknowledgement_that_was_owed_at_a_crash_leaves_after_it_and_one_that_was_not_does_not() {
    for at in 1..4 {
        let (mut world, bob, ali) = two(20 + at);
        world.crash_at = Some((Host::Person(1), world.batches_of(Host::Person(1)) + at, true));
        world.send(0, bob, "did it arrive?");
        world.run_ms(2_000);
        world.crash_at = None;
        if !world.is_up(Host::Person(1)) {
            world.start(Host::Person(1));
        }
        world.run_ms(8_000);
        assert_eq!(world.received(1, ali), ["did it arrive?"]);
        assert_eq!(world.delivered_below(0, bob), 2, "after batch {at}");
        // All is said.
        world.run_ms(60_000);
        let deposits =
            |world: &mut World| (0..3).map(|relay| world.relay_status(relay).deposits).sum::<u64>();
        let before = deposits(&mut world);
        for person in 0..2 {
            world.crash(Host::Person(person));
            world.start(Host::Person(person));
        }
        world.run_ms(30_000);
        assert_eq!(deposits(&mut world), before, "nothing is owed");
    }
}

#[test]
fn an_invitation_is_good_after_a_restart_of_whoever_made_it() {
    let mut world = World::with(5, 3, &[("Ali", BOTH), ("Bob", BOTH), ("Eve", BOTH)]);
    world.run_ms(5_000);
    let texts = [world.invite(0), world.invite(0)];
    world.run_ms(5_000);
    world.crash(Host::Person(0));
    world.start(Host::Person(0));
    world.run_ms(5_000);
    for (person, text) in (1..).zip(&texts) {
        world.add(person, text, "");
        let met = |world: &mut World| world.contacts(0).len() == person;
        assert!(world.run_until(30_000, met), "invitation {person}");
    }
}

#[test]
fn the_status_counts_what_became_of_messages_to_all_contacts() {
    let mut world = World::with(6, 3, &[("Ali", BOTH), ("Bob", BOTH), ("Eve", BOTH)]);
    let (bob, ali) = world.meet(0, 1);
    let (eve, _) = world.meet(0, 2);
    for (contact, count) in [(bob, 3), (eve, 2)] {
        for number in 0..count {
            world.send(0, contact, &format!("text {number}"));
        }
    }
    world.send(1, ali, "back");
    let unused = world.invite(0);
    world.run_ms(10_000);
    let counts = |status: StatusInfo| [status.queued, status.stored, status.delivered, status.received];
    assert_eq!(counts(status(&mut world, 0)), [0, 0, 5, 1]);
    assert_eq!(counts(status(&mut world, 1)), [0, 0, 1, 3]);
    world.crash(Host::Person(2));
    world.send(0, eve, "stored");
    world.run_ms(10_000);
    assert_eq!(counts(status(&mut world, 0)), [0, 1, 5, 1]);
    (0..3).for_each(|relay| world.crash(Host::Relay(relay)));
    world.send(0, bob, "queued");
    world.send(0, bob, "queued as well");
    world.run_ms(1_000);
    assert_eq!(counts(status(&mut world, 0)), [2, 1, 5, 1]);
    // Somebody who was not met yet.
    let zarina = world.add_person("Zarina");
    let stranger = world.add(zarina, &unused, "Ali");
    assert_eq!(counts(status(&mut world, zarina)), [0, 0, 0, 0]);
    world.send(zarina, stranger, "not before we met");
    world.run_ms(1_000);
    assert_eq!(counts(status(&mut world, zarina)), [1, 0, 0, 0]);
}

#[test]
fn an_invitation_that_was_made_by_a_wrong_clock_is_good_as_long_as_any() {
    const DAY_S: u64 = 86_400;
    for off_days in [-400_i64, 400] {
        let mut world = World::new(7);
        (0..3).for_each(|_| world.add_relay());
        world.run_ms(200);
        world.clock_off_ms.insert(0, off_days * 86_400_000);
        for name in ["Ali", "Bob"] {
            let person = world.add_person(name);
            for relay in 0..3 {
                let door = world.slot(relay);
                // The relays are away when they are entered: nobody says what time it is.
                if person == 0 {
                    world.crash(Host::Relay(relay));
                }
                assert!(world.ask(person, Command::AddDoor(door)).is_ok());
            }
            if person == 0 {
                world.run_ms(20_000);
                (0..3).for_each(|relay| world.start(Host::Relay(relay)));
            }
        }
        world.run_ms(120_000);
        let Ok(Reply::Invitation { text, expiry_s, .. }) = world.ask(0, Command::Invite) else { panic!() };
        let true_s = (world::WALL_MS + world.now / 1_000) / 1_000;
        assert!((true_s + 89 * DAY_S..=true_s + 90 * DAY_S).contains(&expiry_s), "{off_days}: {expiry_s}");
        world.run_ms(10_000);
        world.add(1, &text, "Ali");
        assert!(world.run_until(60_000, |world| world.contacts(0).len() == 1), "{off_days} days");
    }
}
