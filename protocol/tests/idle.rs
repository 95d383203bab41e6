//! What a person who does nothing costs: frames on their links in virtual time, and what must be noticed nevertheless.

mod world;

use karvon_protocol::engine::api::Command;
use karvon_protocol::link::Kind;
use world::{Host, World};

const MINUTE_MS: u64 = 60_000;

/// Two people who met an hour ago.
fn rested(seed: u64) -> World {
    let mut world = World::with(seed, 3, &[("Ali", &[0, 1]), ("Bob", &[1, 2])]);
    world.meet(0, 1);
    world.run_ms(60 * MINUTE_MS);
    world.tally.clear();
    world
}

#[test]
fn who_rests_sends_a_sign_of_life_on_each_link_and_nothing_else() {
    let mut world = rested(1);
    world.run_ms(240 * MINUTE_MS);
    // Each link every 8 or 9 minutes, asked and answered in the smallest frame.
    let (frames, bytes) = world.tally.of(0);
    assert!(frames <= 4 * 240 / 8 && bytes == 64 * frames, "{}", world.tally.lines(0));
    assert!(frames >= 4 * 240 / 11, "a link that is silent for longer is forgotten on the way: {frames}");
    // A day: canaries are looked for and set out anew, tunnels are opened anew, in both a few times.
    world.tally.clear();
    world.run_ms(24 * 60 * MINUTE_MS);
    let (frames, bytes) = world.tally.of(0);
    assert!(frames < 1_000 && bytes < 160_000, "{frames} {bytes} {}", world.tally.lines(0));
    // A text comes at once after all that.
    let ali = world.contacts(1)[0].id;
    let _ = world.queue(1, Command::Send { contact: ali, text: "are you there?".into() });
    let bob = world.contacts(0)[0].id;
    assert!(world.run_until(1_000, |world| world.received(0, bob) == ["are you there?"]));
}

#[test]
fn a_door_that_answers_and_carries_nothing_is_noticed_without_anybody_writing() {
    let mut world = rested(2);
    world.tally.muffled = Some(0);
    world.run_ms(40 * MINUTE_MS);
    let opened = world.tally.sent(0, Kind::Open);
    assert!(opened > 0, "its tunnels are opened anew: {}", world.tally.lines(0));
    let ali = world.contacts(1)[0].id;
    let _ = world.queue(1, Command::Send { contact: ali, text: "by the other door".into() });
    let bob = world.contacts(0)[0].id;
    assert!(world.run_until(2_000, |world| world.received(0, bob) == ["by the other door"]));
}

#[test]
fn a_new_link_brings_news_of_a_few_relays_and_not_of_all_once_enough_are_known() {
    let mut world = World::with(4, 60, &[("Ali", &[0, 1])]);
    world.run_ms(5 * MINUTE_MS);
    let told = |world: &World| world.tally.received(0, Kind::Descriptor);
    assert!(told(&world) < 80, "at first some of each door: {}", world.tally.lines(0));
    for _ in 0..10 {
        world.links_of(Host::Person(0)).into_iter().for_each(|link| world.lose(link));
        world.run_ms(2 * MINUTE_MS);
    }
    world.tally.clear();
    world.links_of(Host::Person(0)).into_iter().for_each(|link| world.lose(link));
    world.run_ms(2 * MINUTE_MS);
    // From each of two doors two of them, the frame that ends the answer, and what was asked for by name.
    assert!(told(&world) <= 12, "{}", world.tally.lines(0));
}

#[test]
fn a_canary_that_was_seen_is_not_fetched_again_each_time_the_line_comes_back() {
    let mut world = rested(3);
    for round in 0..5 {
        world.links_of(Host::Person(0)).into_iter().for_each(|link| world.lose(link));
        world.run_ms(2 * MINUTE_MS);
        if round == 0 {
            // It was brought while the device was there, and is fetched once: it might have been something else.
            world.tally.clear();
        }
    }
    assert!(!world.tally.lines(0).contains("received Data 2144"), "{}", world.tally.lines(0));
    // What came meanwhile is fetched.
    let ali = world.contacts(1)[0].id;
    world.links_of(Host::Person(0)).into_iter().for_each(|link| world.lose(link));
    let _ = world.queue(1, Command::Send { contact: ali, text: "while you were away".into() });
    let bob = world.contacts(0)[0].id;
    assert!(world.run_until(5_000, |world| world.received(0, bob) == ["while you were away"]));
}
