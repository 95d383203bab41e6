//! Messages wait at relays for somebody who is away, also when the sender and a relay are gone by then.
#![cfg(unix)]

use karvon_tests::until::DEADLINE;
use karvon_tests::world::World;

fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix} {number}")).collect()
}

#[test]
fn a_hundred_texts_wait_for_a_recipient_whose_sender_has_left() {
    let (_world, ali, bob) = World::of_two_friends();
    bob.down();
    let texts = numbered("while you were away", 100);
    ali.send_batch("Bob", &texts, "stored");
    assert_eq!(ali.status()["queued"], 0);
    ali.down();

    bob.up();
    let received = bob.receives("Ali", DEADLINE, |received| received.len() >= texts.len());
    assert_eq!(received, texts);

    // Back again, the sender learns that all arrived, and nothing is delivered a second time.
    ali.up();
    ali.send_wait("Bob", "and now", "delivered");
    let status = ali.status();
    assert_eq!((&status["stored"], &status["queued"]), (&0.into(), &0.into()));
    assert_eq!(bob.received("Ali").len(), texts.len() + 1);
}

#[test]
fn one_relay_gone_for_good_costs_nothing() {
    let (mut world, ali, bob) = World::of_two_friends();
    bob.down();
    let before = numbered("before", 20);
    ali.send_batch("Bob", &before, "stored");
    // It is a door of both and may hold Bob's mailbox.
    world.relays[1].kill9();
    let after = numbered("after", 20);
    ali.send_batch("Bob", &after, "queued");

    bob.up();
    let all = [before, after].concat();
    let received = bob.receives("Ali", DEADLINE * 2, |received| received.len() >= all.len());
    assert_eq!(received, all);
    bob.send_wait("Ali", "answer", "delivered");
}

#[test]
fn texts_written_without_any_network_leave_when_it_is_there() {
    let (mut world, ali, bob) = World::of_two_friends();
    for relay in &mut world.relays {
        relay.kill9();
    }
    let texts = numbered("in the tunnel", 10);
    ali.send_batch("Bob", &texts, "queued");
    ali.kill9();
    ali.up();
    for relay in &mut world.relays {
        relay.start_again();
    }
    let received = bob.receives("Ali", DEADLINE * 2, |received| received.len() >= texts.len());
    assert_eq!(received, texts);
}

#[test]
fn an_invitation_is_answered_while_its_maker_is_away() {
    let world = World::new(3);
    let (ali, bob) = (world.person("Ali", &[0, 1]), world.person("Bob", &[2, 1]));
    ali.up();
    ali.online();
    let invitation = ali.invite();
    ali.down();

    bob.up();
    let _ = bob.add(&invitation, "Ali").ok();
    let _ = bob.send_wait("Ali", "I found you", "queued");
    bob.online();
    ali.up();
    karvon_tests::until::until("Ali sees Bob", || ali.meeting("Bob"));
    ali.receives("Bob", DEADLINE, |received| received == ["I found you"]);
}

#[test]
fn a_relay_that_is_asked_to_end_does_so_and_forgets_nothing() {
    let (mut world, ali, bob) = World::of_two_friends();
    bob.down();
    let texts = numbered("kept", 10);
    ali.send_batch("Bob", &texts, "stored");
    ali.down();
    for relay in &mut world.relays {
        let status = relay.stop().expect("it ran");
        assert!(status.success(), "{status}");
        relay.start_again();
    }
    bob.up();
    let received = bob.receives("Ali", DEADLINE, |received| received.len() >= texts.len());
    assert_eq!(received, texts);
}
