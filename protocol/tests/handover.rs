//! Bundle objects that relays pass on: they come to relays that are new, stay where they belong, and nobody is made to store or send more.
#![allow(clippy::unwrap_used)]

mod world;

use karvon_protocol::core::Space;
use karvon_protocol::engine::api::{Command, Meeting};
use karvon_protocol::ids::Locator;
use karvon_protocol::invite::Invitation;
use karvon_protocol::link::NEAR_MAX;
use std::collections::BTreeSet;
use world::{Host, World};

const MINUTE_MS: u64 = 60_000;

fn locator(text: &str) -> Locator {
    Invitation::from_text(text).unwrap().keys().locator
}

/// Whether a relay has anything under a locator.
fn holds(world: &World, relay: usize, locator: &Locator) -> bool {
    let records = &world.relays[relay].node.disk.kv;
    records.keys().any(|key| key.space == Space::RelayObject && key.group == locator.0[..16])
}

/// The relays nearest to a place, of all there are.
fn nearest(world: &World, locator: &Locator) -> BTreeSet<usize> {
    let mut all: Vec<usize> = (0..world.relays.len()).collect();
    let distance = |relay: &usize| {
        let id = world.relays[*relay].id;
        (id.0[0] ^ locator.0[0], id.0[1] ^ locator.0[1], id)
    };
    all.sort_by_key(distance);
    all.into_iter().take(NEAR_MAX).collect()
}

#[test]
fn an_invitation_comes_to_relays_that_are_new_although_its_author_is_off() {
    let mut world = World::with(61, 3, &[("Ali", &[0]), ("Bob", &[1])]);
    let text = world.invite(0);
    world.run_ms(10_000);
    let place = locator(&text);
    assert!((0..3).all(|relay| holds(&world, relay, &place)));
    world.crash(Host::Person(0));
    (0..3).for_each(|_| world.add_relay());
    world.run_ms(60 * MINUTE_MS);
    let have: Vec<usize> = (0..6).filter(|relay| holds(&world, *relay, &place)).collect();
    assert_eq!(have, [0, 1, 2, 3, 4, 5], "all relays are near in so small a mesh");
    // The relays to which it was brought forget it for good: it is found at the others, and leads to the author once they are back.
    for relay in 0..3 {
        world.no_objects.insert(relay);
        world.crash(Host::Relay(relay));
        world.relays[relay].node.disk.kv.retain(|key, _| key.space != Space::RelayObject);
        world.start(Host::Relay(relay));
    }
    world.run_ms(MINUTE_MS);
    let door = world.slot(4);
    assert!(world.ask(1, Command::AddDoor(door)).is_ok());
    world.run_ms(5_000);
    world.add(1, &text, "Ali");
    let meets = |world: &mut World, wanted| world.contacts(1).iter().any(|contact| contact.meeting == wanted);
    assert!(
        world.run_until(5 * MINUTE_MS, |world| meets(world, Meeting::Greeting)),
        "{:?}",
        world.contacts(1)
    );
    world.start(Host::Person(0));
    assert!(
        world.run_until(5 * MINUTE_MS, |world| meets(world, Meeting::Connected)),
        "{:?}",
        world.contacts(1)
    );
}

#[test]
fn a_relay_that_lost_its_disk_gets_back_what_lies_near_it() {
    let mut world = World::with(62, 4, &[("Ali", &[0])]);
    let text = world.invite(0);
    world.run_ms(10_000);
    let place = locator(&text);
    world.crash(Host::Person(0));
    world.crash(Host::Relay(2));
    world.relays[2].node.disk.kv.retain(|key, _| key.space != Space::RelayObject);
    world.start(Host::Relay(2));
    world.run_ms(30 * MINUTE_MS);
    assert!(holds(&world, 2, &place));
}

#[test]
fn only_the_nearest_keep_it_and_what_is_buried_is_buried_everywhere() {
    let mut world = World::with(63, 10, &[("Ali", &[0, 1]), ("Bob", &[2, 3])]);
    world.run_ms(10_000);
    let text = world.invite(0);
    world.run_ms(10_000);
    let place = locator(&text);
    let before: BTreeSet<usize> = (0..10).filter(|relay| holds(&world, *relay, &place)).collect();
    (0..6).for_each(|_| world.add_relay());
    world.run_ms(3 * 60 * MINUTE_MS);
    let near = nearest(&world, &place);
    assert!(!near.is_subset(&before), "some of the new relays are nearer: choose another seed");
    let after: BTreeSet<usize> = (0..16).filter(|relay| holds(&world, *relay, &place)).collect();
    assert_eq!(after, before.union(&near).copied().collect());
    // Once it is used, the stone over it comes to those who have it.
    let stones = |world: &World| {
        let of = |relay: &usize| {
            let records = &world.relays[*relay].node.disk.kv;
            let object =
                records.iter().find(|(key, _)| key.space == Space::RelayObject && key.group == place.0[..16]);
            object.map(|(_, bytes)| bytes.to_vec())
        };
        near.iter().filter_map(of).collect::<BTreeSet<_>>()
    };
    world.add(1, &text, "Ali");
    world.run_ms(8 * 60 * MINUTE_MS);
    assert_eq!(stones(&world).len(), 1, "all say the same");
}
