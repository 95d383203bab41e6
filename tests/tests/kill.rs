//! `kill -9` at random moments of a stream loses, doubles and reorders nothing.
//!
//! Three rounds for each role; `KARVON_FIRE=100` makes it a hundred (`just fire`).
#![cfg(unix)]

use karvon_tests::api::Api;
use karvon_tests::dice::Dice;
use karvon_tests::oracle::Ledger;
use karvon_tests::person::Person;
use karvon_tests::until::DEADLINE;
use karvon_tests::world::World;
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

/// What takes longer after the last kill is told with its way.
const SOON: Duration = Duration::from_secs(3);
/// Texts in each round.
const STREAM: usize = 60;

fn rounds() -> usize {
    std::env::var("KARVON_FIRE").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3)
}

/// Sends numbered texts with small random pauses until all are sent or the node is gone, and notes which were acknowledged as durable.
fn stream(api: &mut Api, to: u32, round: usize, dice: &mut Dice, ledger: &mut Ledger) {
    for number in 0..STREAM {
        let text = format!("round {round} text {number}");
        let durable = api.call("send", &json!({ "contact": to, "text": text })).is_ok();
        ledger.sent(text, durable);
        if !durable {
            return;
        }
        thread::sleep(Duration::from_micros(dice.below(8_000)));
    }
}

fn contact(api: &mut Api, name: &str) -> u32 {
    api.contact(name).ok().flatten().expect("the contact is known")
}

/// Waits until everything that must arrive has, and judges all that did.
fn settle(ledger: &Ledger, sender: &Person, recipient: &Person) {
    let deadline = DEADLINE * 2 + Duration::from_millis(ledger.tried() as u64 * 5);
    let ended = Instant::now();
    let mut told = false;
    let received = recipient.receives("Ali", deadline, |received| {
        if !told && ended.elapsed() > SOON {
            told = true;
            tell_ways(sender, &ledger.judge(received).lost);
        }
        ledger.complete(received)
    });
    let verdict = ledger.judge(&received);
    assert!(verdict.clean(), "{verdict:?}");
    eprintln!(
        "{} texts, {} acknowledged, {} received, {} ms after the last kill",
        ledger.tried(),
        ledger.durable(),
        received.len(),
        ended.elapsed().as_millis()
    );
}

/// Prints which way each of these texts has gone so far.
fn tell_ways(sender: &Person, texts: &[String]) {
    let mut api = sender.api();
    eprintln!("{} texts are missing; the sender's status: {}", texts.len(), sender.status());
    let missing = |message: &Value| texts.iter().any(|text| message["text"] == text.as_str());
    for message in api.messages(None).unwrap_or_default().into_iter().filter(missing).take(3) {
        eprintln!("missing: {:?}", api.call("info", &json!({ "id": message["id"] })));
    }
}

#[test]
fn a_sender_killed_while_sending_loses_doubles_and_reorders_nothing() {
    let mut dice = Dice::seeded();
    let (_world, ali, bob) = World::of_two_friends();
    let mut ledger = Ledger::default();
    for round in 0..rounds() {
        let mut api = ali.api();
        let to = contact(&mut api, "Bob");
        let moment = Duration::from_millis(dice.below(400));
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(moment);
                ali.kill9();
            });
            stream(&mut api, to, round, &mut dice, &mut ledger);
        });
        ali.up();
    }
    settle(&ledger, &ali, &bob);
}

#[test]
fn a_recipient_killed_while_receiving_loses_doubles_and_reorders_nothing() {
    let mut dice = Dice::seeded();
    let (_world, ali, bob) = World::of_two_friends();
    let mut ledger = Ledger::default();
    let mut api = ali.api();
    let to = contact(&mut api, "Bob");
    for round in 0..rounds() {
        let moment = Duration::from_millis(dice.below(400));
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(moment);
                bob.kill9();
            });
            stream(&mut api, to, round, &mut dice, &mut ledger);
        });
        bob.up();
    }
    settle(&ledger, &ali, &bob);
}

fn relay_killed_at_random(number: usize) {
    let mut dice = Dice::seeded();
    let (mut world, ali, bob) = World::of_two_friends();
    let mut ledger = Ledger::default();
    let mut api = ali.api();
    let to = contact(&mut api, "Bob");
    for round in 0..rounds() {
        let relay = &mut world.relays[number];
        let moment = Duration::from_millis(dice.below(400));
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(moment);
                relay.kill9();
            });
            stream(&mut api, to, round, &mut dice, &mut ledger);
        });
        world.relays[number].start_again();
    }
    settle(&ledger, &ali, &bob);
}

#[test]
fn the_senders_door_killed_at_random_loses_doubles_and_reorders_nothing() {
    relay_killed_at_random(0);
}

#[test]
fn the_door_of_both_killed_at_random_loses_doubles_and_reorders_nothing() {
    relay_killed_at_random(1);
}

#[test]
fn the_recipients_door_killed_at_random_loses_doubles_and_reorders_nothing() {
    relay_killed_at_random(2);
}
