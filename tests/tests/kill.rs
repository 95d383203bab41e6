//! `kill -9` at random moments of a stream of texts, edits, signs and files loses, doubles and reorders nothing.
//!
//! Three rounds for each role; `KARVON_FIRE=100` makes it a hundred (`just fire`).
#![cfg(unix)]

use data_encoding::BASE64;
use karvon_tests::api::Api;
use karvon_tests::dice::Dice;
use karvon_tests::oracle::Ledger;
use karvon_tests::person::Person;
use karvon_tests::until::{DEADLINE, until_within};
use karvon_tests::world::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

/// What takes longer after the last kill is told with its way.
const SOON: Duration = Duration::from_secs(3);
/// Messages in each round.
const STREAM: usize = 60;
/// What an edit adds to a text.
const EDITED: &str = " (edited)";
const SIGN: &str = "+";

fn rounds() -> usize {
    std::env::var("KARVON_FIRE").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3)
}

/// What was tried, and what of it the sender's node took.
#[derive(Default)]
struct Traffic {
    /// Texts, and names of files.
    ledger: Ledger,
    /// Messages that must show an edit, and those that must show a sign.
    edited: Vec<String>,
    signed: Vec<String>,
    files: BTreeMap<String, Vec<u8>>,
}

/// What the recipient has of it.
#[derive(Debug, Default)]
struct Shown {
    /// Texts as they were first, and names of files, in order.
    messages: Vec<String>,
    edited: Vec<String>,
    signed: Vec<String>,
    /// Ids of files.
    files: BTreeMap<String, String>,
}

impl Traffic {
    /// Sends numbered messages with small random pauses until all are sent or the node is gone, and notes what was acknowledged as durable.
    fn stream(&mut self, api: &mut Api, to: u32, round: usize, dice: &mut Dice) {
        for number in 0..STREAM {
            let done = match number % 15 {
                7 => self.file(api, to, format!("round {round} file {number}"), dice),
                _ => self.text(api, to, format!("round {round} text {number}"), number % 5),
            };
            if done.is_none() {
                return;
            }
            thread::sleep(Duration::from_micros(dice.below(8_000)));
        }
    }

    fn file(&mut self, api: &mut Api, to: u32, name: String, dice: &mut Dice) -> Option<()> {
        let bytes: Vec<u8> = (0..=dice.below(20_000)).map(|at| (at * at) as u8).collect();
        let sent = json!({ "contact": to, "name": name, "data": BASE64.encode(&bytes) });
        let durable = api.call("send_file", &sent).is_ok();
        self.ledger.sent(&name, durable);
        self.files.insert(name, bytes);
        durable.then_some(())
    }

    fn text(&mut self, api: &mut Api, to: u32, text: String, more: usize) -> Option<()> {
        let answer = api.call("send", &json!({ "contact": to, "text": text })).ok();
        self.ledger.sent(&text, answer.is_some());
        let id = &answer?["id"];
        if more == 1 {
            let _ = api.call("edit", &json!({ "id": id, "text": format!("{text}{EDITED}") })).ok()?;
            self.edited.push(text);
        } else if more == 3 {
            let _ = api.call("react", &json!({ "id": id, "emoji": SIGN })).ok()?;
            self.signed.push(text);
        }
        Some(())
    }

    fn complete(&self, shown: &Shown) -> bool {
        self.ledger.complete(&shown.messages)
            && self.edited.iter().all(|text| shown.edited.contains(text))
            && self.signed.iter().all(|text| shown.signed.contains(text))
    }
}

impl Shown {
    fn of(recipient: &Person) -> Self {
        let mut api = recipient.api();
        let from = contact(&mut api, "Ali");
        let mut shown = Self::default();
        for message in api.messages(Some(from)).expect("messages can be listed") {
            if message["mine"] == true {
                continue;
            }
            if let Some(name) = message["attachment"]["name"].as_str() {
                shown.files.insert(name.to_owned(), message["id"].as_str().unwrap_or_default().to_owned());
                shown.messages.push(name.to_owned());
                continue;
            }
            let text = message["text"].as_str().unwrap_or_default();
            let first = text.strip_suffix(EDITED).unwrap_or(text).to_owned();
            if first != text {
                shown.edited.push(first.clone());
            }
            if message["reactions"].as_array().is_some_and(|signs| !signs.is_empty()) {
                shown.signed.push(first.clone());
            }
            shown.messages.push(first);
        }
        shown
    }
}

fn contact(api: &mut Api, name: &str) -> u32 {
    api.contact(name).ok().flatten().expect("the contact is known")
}

/// Waits until everything that must arrive has, and judges all that did.
fn settle(traffic: &Traffic, sender: &Person, recipient: &Person) {
    let ledger = &traffic.ledger;
    let deadline = DEADLINE * 2 + Duration::from_millis(ledger.tried() as u64 * 5);
    let ended = Instant::now();
    let mut told = false;
    let shown = until_within(deadline, "Bob has what Ali sent", || {
        let shown = Shown::of(recipient);
        if !told && ended.elapsed() > SOON {
            told = true;
            tell_ways(sender, &ledger.judge(&shown.messages).lost);
        }
        traffic.complete(&shown).then_some(shown)
    });
    let verdict = ledger.judge(&shown.messages);
    assert!(verdict.clean(), "{verdict:?}");
    let mut api = recipient.api();
    for (name, id) in &shown.files {
        let file = api.call("file", &json!({ "id": id })).expect("the file is there");
        let bytes = BASE64.decode(file["data"].as_str().unwrap_or_default().as_bytes());
        assert_eq!(bytes.ok().as_ref(), traffic.files.get(name), "{name}");
    }
    eprintln!(
        "{} messages, {} acknowledged, {} received, {} of them files; {} edits and {} signs; {} ms after the last kill",
        ledger.tried(),
        ledger.durable(),
        shown.messages.len(),
        shown.files.len(),
        traffic.edited.len(),
        traffic.signed.len(),
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
    let mut traffic = Traffic::default();
    for round in 0..rounds() {
        let mut api = ali.api();
        let to = contact(&mut api, "Bob");
        let moment = Duration::from_millis(dice.below(400));
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(moment);
                ali.kill9();
            });
            traffic.stream(&mut api, to, round, &mut dice);
        });
        ali.up();
    }
    settle(&traffic, &ali, &bob);
}

#[test]
fn a_recipient_killed_while_receiving_loses_doubles_and_reorders_nothing() {
    let mut dice = Dice::seeded();
    let (_world, ali, bob) = World::of_two_friends();
    let mut traffic = Traffic::default();
    let mut api = ali.api();
    let to = contact(&mut api, "Bob");
    for round in 0..rounds() {
        let moment = Duration::from_millis(dice.below(400));
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(moment);
                bob.kill9();
            });
            traffic.stream(&mut api, to, round, &mut dice);
        });
        bob.up();
    }
    settle(&traffic, &ali, &bob);
}

fn relay_killed_at_random(number: usize) {
    let mut dice = Dice::seeded();
    let (mut world, ali, bob) = World::of_two_friends();
    let mut traffic = Traffic::default();
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
            traffic.stream(&mut api, to, round, &mut dice);
        });
        world.relays[number].start_again();
    }
    settle(&traffic, &ali, &bob);
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
