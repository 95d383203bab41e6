//! Doors that come by themselves: who has too few gets some from contacts with whom doors have lived, and nobody else does.

mod world;

use karvon_protocol::core::{Range, Space};
use karvon_protocol::engine::api::{Command, ContactId, DoorInfo, Reply};
use world::{Host, World};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

fn doors(world: &mut World, person: usize) -> Vec<DoorInfo> {
    match world.ask(person, Command::Doors) {
        Ok(Reply::Doors(doors)) => doors,
        other => panic!("{other:?}"),
    }
}

/// The relays of a person's doors that a contact gave, in order.
fn given(world: &mut World, person: usize, by: ContactId) -> Vec<usize> {
    let from = doors(world, person).into_iter().filter(|door| door.from == Some(by) && door.linked);
    let from: Vec<_> = from.map(|door| door.door.relay).collect();
    (0..world.relays.len()).filter(|relay| from.contains(&world.relays[*relay].id)).collect()
}

/// Two people talk: six texts each way.
fn talk(world: &mut World, (a, b_of_a): (usize, ContactId), (b, a_of_b): (usize, ContactId)) {
    for n in 0..6 {
        world.send(a, b_of_a, &format!("{n}"));
        world.send(b, a_of_b, &format!("{n}"));
        world.run_ms(1_000);
    }
}

/// Everybody and everything is switched off for so many days.
fn sleep(world: &mut World, days: u64) {
    let relays = (0..world.relays.len()).map(Host::Relay);
    let all: Vec<_> = relays.chain((0..world.people.len()).map(Host::Person)).collect();
    all.iter().for_each(|host| world.crash(*host));
    world.run_ms(days * DAY_MS);
    all.iter().for_each(|host| world.start(*host));
    world.run_ms(HOUR_MS);
}

/// Ali has doors to relays 0, 1 and 2 and invited Bob, who has one to relay 3 of his own.
fn ali_and_bob(seed: u64) -> (World, ContactId, ContactId) {
    let mut world = World::with(seed, 4, &[("Ali", &[0, 1, 2]), ("Bob", &[3])]);
    let (bob, ali) = world.meet(0, 1);
    talk(&mut world, (0, bob), (1, ali));
    (world, bob, ali)
}

#[test]
fn who_has_too_few_doors_gets_two_from_whom_they_know_and_a_lost_one_is_replaced() {
    let (mut world, bob, ali) = ali_and_bob(31);
    assert_eq!(given(&mut world, 1, ali).len(), 1);
    sleep(&mut world, 6);
    world.run_ms(12 * HOUR_MS);
    assert_eq!(
        doors(&mut world, 1).len(),
        2,
        "the own one and that of the invitation; it is too soon for more"
    );
    world.run_ms(12 * HOUR_MS);
    let two = given(&mut world, 1, ali);
    assert_eq!(two.len(), 2, "another one after seven days");
    world.run_ms(2 * DAY_MS);
    assert_eq!(given(&mut world, 1, ali), two, "three doors are enough, and two from one person");
    // Nothing of this is shown in the conversation.
    assert_eq!(world.received(0, bob).len(), 6);
    assert_eq!(world.received(1, ali).len(), 6);
    assert!(doors(&mut world, 0).iter().all(|door| door.from.is_none()));

    // One of them is gone for good.
    let gone = two[0];
    world.crash(Host::Relay(gone));
    world.run_ms(2 * HOUR_MS);
    assert!(doors(&mut world, 1).iter().all(|door| door.lost_ms.is_none()), "not lost at once");
    world.run_ms(6 * DAY_MS);
    let lost: Vec<_> = doors(&mut world, 1).into_iter().filter(|door| door.lost_ms.is_some()).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].door.relay, world.relays[gone].id);
    let third = (0..3).find(|relay| !two.contains(relay)).unwrap();
    let mut now = [third, two[1]];
    now.sort_unstable();
    assert_eq!(given(&mut world, 1, ali), now);
    // After a restart it is known still, and what is long dead goes.
    world.crash(Host::Person(1));
    world.start(Host::Person(1));
    world.run_ms(HOUR_MS);
    assert_eq!(doors(&mut world, 1).iter().filter(|door| door.lost_ms.is_some()).count(), 1);
    world.run_ms(9 * DAY_MS);
    assert_eq!(doors(&mut world, 1).len(), 3);
    assert_eq!(world.faults(0) + world.faults(1), 0);
}

#[test]
fn doors_go_both_ways_and_what_was_given_works_alone() {
    let mut world = World::with(32, 4, &[("Ali", &[0]), ("Bob", &[1, 2, 3])]);
    // Ali invited Bob: it is Bob who has doors to give.
    let (bob, ali) = world.meet(0, 1);
    talk(&mut world, (0, bob), (1, ali));
    for _ in 0..2 {
        sleep(&mut world, 7);
        world.run_ms(12 * HOUR_MS);
    }
    let theirs = given(&mut world, 0, bob);
    assert_eq!(theirs.len(), 2);
    world.crash(Host::Relay(0));
    world.run_ms(60_000);
    world.send(0, bob, "by your door");
    world.run_ms(60_000);
    assert_eq!(world.received(1, ali).last().map(String::as_str), Some("by your door"));
}

#[test]
fn who_only_wrote_to_a_published_address_gets_nothing() {
    let mut world = World::with(33, 4, &[("Ali", &[0, 1, 2]), ("Bob", &[3])]);
    world.ask(0, Command::NewAddress).unwrap();
    world.run_ms(10_000);
    let Ok(Reply::Address(Some(address))) = world.ask(0, Command::Address) else { panic!("no address") };
    let ali = world.add(1, &address, "Ali");
    world.run_ms(120_000);
    let Ok(Reply::Requests { requests, .. }) = world.ask(0, Command::Requests) else { panic!() };
    let Ok(Reply::Added(bob)) =
        world.ask(0, Command::Accept { request: requests[0].request, name: String::new() })
    else {
        panic!("not accepted")
    };
    world.run_ms(10_000);
    talk(&mut world, (0, bob), (1, ali));
    sleep(&mut world, 9);
    world.run_ms(12 * HOUR_MS);
    assert_eq!(doors(&mut world, 1).len(), 1);
    assert!(world.people[0].node.disk.load(&Range::Space(Space::Handout)).len() <= 1, "nothing passed");
}

#[test]
fn a_guest_goes_on_beyond_the_end_of_an_invitation() {
    // Bob has no door but the one that came with the invitation.
    let mut world = World::with(34, 3, &[("Ali", &[0, 1, 2]), ("Bob", &[])]);
    let (bob, ali) = world.meet(0, 1);
    let first = doors(&mut world, 1);
    assert_eq!((first.len(), first[0].from), (1, Some(ali)));
    sleep(&mut world, 65);
    sleep(&mut world, 30);
    world.send(1, ali, "still here");
    world.run_ms(60_000);
    assert_eq!(world.received(0, bob).last().map(String::as_str), Some("still here"));
}

#[test]
fn a_crash_at_any_moment_gives_one_door_and_not_none() {
    // What Bob does when he asks, and Ali when he is asked, is done after four batches of each.
    for (person, at) in (0..2).flat_map(|person| (0..5).map(move |at| (person, at))) {
        let (mut world, _, ali) = ali_and_bob(35);
        let (host, keep) = (Host::Person(person), at % 2 == 0);
        sleep(&mut world, 6);
        world.run_ms(23 * HOUR_MS - HOUR_MS / 4);
        world.crash_at = Some((host, world.batches_of(host) + at, keep));
        world.run_ms(HOUR_MS / 2);
        world.crash_at = None;
        if !world.is_up(host) {
            world.start(host);
        }
        world.run_ms(6 * HOUR_MS);
        let theirs = given(&mut world, 1, ali);
        assert_eq!(theirs.len(), 2, "person {person} crashed after {at} batches, kept: {keep}");
    }
}
