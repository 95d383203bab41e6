//! Two people reach relays that are web sites to everybody else.
#![cfg(unix)]

use karvon_tests::until::{DEADLINE, until};
use karvon_tests::world::World;

#[test]
fn two_people_write_to_each_other_through_web_doors() {
    let world = World::of_web_doors(3);
    let (ali, bob) = (world.person("Ali", &[0, 1]), world.person("Bob", &[2, 1]));
    ali.up();
    bob.up();
    // The invitation's guest comes through a web door as well.
    bob.meet(&ali);
    let texts: Vec<String> = (0..40).map(|number| format!("{number} {}", "x".repeat(490))).collect();
    bob.send_batch("Ali", &texts, "delivered");
    let _ = ali.send_wait("Bob", "salom", "delivered");
    let messages = ali.read("Bob");
    let shown: Vec<&str> = messages
        .iter()
        .filter(|message| !message.mine)
        .filter_map(|message| message.text.as_deref())
        .collect();
    assert_eq!(shown, texts, "each once and in order, over many connections of 10 KB");
    bob.receives("Ali", DEADLINE, |texts| texts == ["salom"]);
}

#[test]
fn a_web_door_that_was_away_is_found_again() {
    let mut world = World::of_web_doors(2);
    let (ali, bob) = (world.person("Ali", &[0]), world.person("Bob", &[1]));
    ali.up();
    bob.up();
    bob.meet(&ali);
    world.relays[0].kill9();
    let _ = bob.send_wait("Ali", "while the door is away", "queued");
    world.relays[0].start_again();
    ali.receives("Bob", DEADLINE * 2, |texts| texts == ["while the door is away"]);
    until("the door is linked again", || (ali.status()["links"].as_u64() == Some(1)).then_some(()));
}
