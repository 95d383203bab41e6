//! Relays that hide bundles: an invitation leads to its author although its door, or all relays but one, forgot what they confirmed.
#![allow(clippy::unwrap_used, missing_docs)]

mod world;

use karvon_protocol::core::Space;
use karvon_protocol::engine::api::Meeting;
use karvon_protocol::ids::Locator;
use karvon_protocol::invite::Invitation;
use world::{Host, World};

const MEETING_MS: u64 = 300_000;

fn locator(text: &str) -> Locator {
    Invitation::from_text(text).unwrap().keys().locator
}

/// Whether a relay has anything under a locator.
fn holds(world: &World, relay: usize, locator: &Locator) -> bool {
    let records = &world.relays[relay].node.disk.kv;
    records.keys().any(|key| key.space == Space::RelayObject && key.group == locator.0[..16])
}

/// A relay forgets what it confirmed under a locator; it goes on to confirm it.
fn hide(world: &mut World, relay: usize, locator: &Locator) {
    world.no_objects.insert(relay);
    world.crash(Host::Relay(relay));
    let records = &mut world.relays[relay].node.disk.kv;
    records.retain(|key, _| key.space != Space::RelayObject || key.group != locator.0[..16]);
    world.start(Host::Relay(relay));
    world.run_ms(2_000);
}

fn connected(world: &mut World, person: usize) -> bool {
    world.contacts(person).iter().any(|contact| contact.meeting == Meeting::Connected)
}

/// Eight relays know one another; Ali's door is 0, the others have doors elsewhere.
fn world(seed: u64) -> World {
    let mut world = World::with(seed, 8, &[("Ali", &[0]), ("Bob", &[1, 2]), ("Eve", &[3])]);
    world.run_ms(10_000);
    world
}

#[test]
fn an_invitation_leads_to_its_author_although_its_door_hides_the_bundle() {
    let mut world = world(51);
    let text = world.invite(0);
    world.run_ms(10_000);
    let locator = locator(&text);
    assert!((0..8).all(|relay| holds(&world, relay, &locator)), "it lies at the eight nearest relays");
    hide(&mut world, 0, &locator);
    assert!(!holds(&world, 0, &locator));
    world.add(1, &text, "Ali");
    assert!(world.run_until(MEETING_MS, |world| connected(world, 1) && connected(world, 0)));
}

#[test]
fn one_honest_relay_of_eight_is_enough() {
    for honest in [2, 7] {
        let mut world = world(52);
        let text = world.invite(0);
        world.run_ms(10_000);
        let locator = locator(&text);
        (0..8).filter(|relay| *relay != honest).for_each(|relay| hide(&mut world, relay, &locator));
        world.run_ms(30_000);
        world.add(1, &text, "Ali");
        assert!(world.run_until(MEETING_MS, |world| connected(world, 1)), "relay {honest}");
    }
}

#[test]
fn two_who_invite_each_other_meet_although_one_bundle_is_nowhere() {
    // Whoever has the lower fingerprint greets, if it can: one of both cases is the one in which it can not.
    for hidden in 0..2 {
        let mut world = world(53);
        let texts = [world.invite(0), world.invite(1)];
        world.run_ms(10_000);
        let locator = locator(&texts[hidden]);
        (0..8).for_each(|relay| hide(&mut world, relay, &locator));
        world.run_ms(30_000);
        world.add(0, &texts[1], "Bob");
        world.add(1, &texts[0], "Ali");
        let met = world.run_until(MEETING_MS, |world| connected(world, 0) && connected(world, 1));
        assert!(met, "the bundle of {hidden} is hidden");
        let (bob, ali) = (world.contacts(0)[0].id, world.contacts(1)[0].id);
        world.send(0, bob, "salom");
        world.send(1, ali, "salom!");
        world.run_ms(30_000);
        assert_eq!(
            (world.received(0, bob), world.received(1, ali)),
            (vec!["salom!".to_owned()], vec!["salom".to_owned()])
        );
    }
}

#[test]
fn whoever_comes_second_is_told_although_the_door_hides_that_the_invitation_was_used() {
    let mut world = world(54);
    let text = world.invite(0);
    world.run_ms(10_000);
    world.add(1, &text, "Ali");
    assert!(world.run_until(MEETING_MS, |world| connected(world, 0)));
    world.run_ms(30_000);
    hide(&mut world, 0, &locator(&text));
    world.add(2, &text, "Ali");
    let told = world.run_until(MEETING_MS, |world| {
        world.contacts(2).iter().any(|contact| matches!(contact.meeting, Meeting::Failed(_)))
    });
    assert!(told);
}
