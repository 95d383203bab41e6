//! A relay that moves to other addresses: whoever has a door of it or a mailbox there finds it again through the other relays.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use karvon_tests::person::Person;
use karvon_tests::until::until;
use karvon_tests::world::World;
use serde_json::Value;

/// The doors of a person: address and whether it is linked.
fn doors(person: &Person) -> Vec<Value> {
    let listed = person.cli(&["door", "list", "--json"], "").ok().json();
    listed.into_iter().flat_map(|value| value.as_array().cloned().unwrap_or_else(|| vec![value])).collect()
}

#[test]
fn doors_and_mailboxes_of_a_relay_that_moved_are_found_at_its_new_addresses() {
    let (mut world, ali, bob) = World::of_two_friends();
    ali.send_wait("Bob", "before", "delivered");
    let old = world.relays[0].listen().to_owned();
    let new = world.relays[0].relocate();
    assert_ne!(old, new);
    // Ali had a door of it. Nobody tells Ali but the other relays.
    until("the door is found at its new address", || {
        doors(&ali).iter().any(|door| door["addr"] == new.as_str() && door["connected"] == true).then_some(())
    });
    // Bob has no door of it, but his mailbox and Ali's are there too: cells come to it again.
    let before = world.relays[0].status()["deposits"].as_u64().unwrap();
    until("its mailboxes are used again", || {
        ali.send_wait("Bob", "there and", "delivered");
        bob.send_wait("Ali", "back", "delivered");
        (world.relays[0].status()["deposits"].as_u64()? > before).then_some(())
    });
    // The new address is kept.
    ali.kill9();
    ali.up();
    assert!(doors(&ali).iter().any(|door| door["addr"] == new.as_str()), "{:?}", doors(&ali));
    ali.send_wait("Bob", "after", "delivered");
}
