//! A stranger asks at a published address: real relays, real work, real programs on both sides.
#![cfg(unix)]

use karvon_tests::binaries::binaries;
use karvon_tests::person::Person;
use karvon_tests::process::{Outcome, run};
use karvon_tests::until::{DEADLINE, until, until_within};
use karvon_tests::world::World;
use serde_json::Value;
use std::process::Command;

/// A world whose relays want little work, so that luck does not decide how long a test takes.
fn world() -> World {
    let world = World::new(3);
    for relay in &world.relays {
        let mut command = Command::new(&binaries().karvon_node);
        command.args(["relay", "limits", "requests.bits", "3", "--data-dir"]).arg(relay.data_dir());
        let said = run(&mut command, b"", DEADLINE).ok().stdout;
        assert!(said.contains("from now on"), "{said}");
    }
    world
}

fn owner(world: &World) -> (Person, String) {
    let bob = world.person("Bob", &[0, 1]);
    bob.up();
    bob.online();
    let address = until("Bob has an address", || {
        let outcome = bob.cli(&["address", "--new"], "");
        (outcome.code == Some(0)).then(|| outcome.stdout.trim().to_owned())
    });
    assert!(address.starts_with("KARVON:") && address.len() <= 199, "{address}");
    assert_eq!(bob.cli(&["address"], "").ok().stdout.trim(), address, "it is shown again");
    (bob, address)
}

fn ask(stranger: &Person, address: &str, text: &str) -> Outcome {
    stranger.cli(&["add", "--stdin", "--name", "Bob", "--text", text, "--json"], &format!("{address}\n"))
}

fn requests(person: &Person) -> Vec<Value> {
    person.cli(&["requests", "--json"], "").ok().json()
}

fn request(person: &Person) -> Value {
    until_within(DEADLINE * 2, "a request comes", || requests(person).into_iter().next())
}

fn waits(stranger: &Person) {
    until_within(DEADLINE * 2, "the stranger sees that the request was sent", || {
        (stranger.meeting("Bob")? == "waiting").then_some(())
    });
}

#[test]
fn a_stranger_asks_and_is_accepted_and_both_talk() {
    let world = world();
    let (bob, address) = owner(&world);
    let ali = world.person("Ali", &[2, 1]);
    ali.up();
    ali.online();
    let _ = ask(&ali, &address, "Салом, Боб! Мо дар Хуҷанд шинос шудем.").ok();

    let asked = request(&bob);
    assert_eq!(asked["name"], "Ali");
    assert_eq!(asked["text"], "Салом, Боб! Мо дар Хуҷанд шинос шудем.");
    waits(&ali);
    assert!(ali.cli(&["contacts"], "").ok().stdout.contains("request sent, waiting for an answer"));
    let sent = ali.read("Bob");
    assert_eq!(sent.len(), 1, "the first text is the sender's own message");
    let info = ali.cli(&["info", &sent[0].id, "--json"], "").ok().json().remove(0);
    assert!(["queued", "stored"].contains(&info["state"].as_str().unwrap_or_default()), "{info}");
    assert!(bob.cli(&["contacts", "--json"], "").ok().json().is_empty(), "nobody is a contact yet");
    assert!(bob.cli(&["read", "--json"], "").ok().json().is_empty(), "and no message is shown");

    let number = asked["request"].to_string();
    let wrong = bob.cli(&["requests", "accept", "99"], "");
    assert_eq!(wrong.code, Some(5), "{wrong:?}");
    let _ = bob.cli(&["requests", "accept", &number, "--name", "Ali of Khujand"], "").ok();
    until("both are connected", || (ali.meeting("Bob")? == "connected").then_some(()));
    bob.send_wait("Ali", "Салом, Алӣ!", "delivered");
    ali.send_wait("Bob", "Чӣ хел?", "delivered");
    let texts: Vec<_> = bob.read("Ali").into_iter().filter(|m| !m.mine).filter_map(|m| m.text).collect();
    assert_eq!(texts, ["Салом, Боб! Мо дар Хуҷанд шинос шудем.", "Чӣ хел?"]);
    assert!(requests(&bob).is_empty());
    let info = ali.cli(&["info", &sent[0].id, "--json"], "").ok().json().remove(0);
    assert_eq!(info["state"], "delivered", "{info}");
}

#[test]
fn declined_and_blocked_strangers_are_told_nothing_and_contacts_are_not_affected() {
    let world = world();
    let (bob, address) = owner(&world);
    let (ali, vali) = (world.person("Ali", &[2, 1]), world.person("Vali", &[1, 2]));
    for person in [&ali, &vali] {
        person.up();
        person.online();
    }
    vali.meet(&bob);
    let _ = ask(&ali, &address, "\u{1b}[2Jhttp://example.org/ \u{202e}click").ok();
    let asked = request(&bob);
    let shown = bob.cli(&["requests"], "").ok().stdout;
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}') && shown.contains("   | "), "{shown:?}");
    waits(&ali);
    let _ = bob.cli(&["requests", "block", &asked["request"].to_string()], "").ok();
    let kept = requests(&bob);
    assert!(kept.len() == 1 && kept[0]["blocked"] == true && kept[0]["text"] == "", "{kept:?}");

    // Whoever knows Bob already goes on as before, also without an address.
    vali.send_wait("Bob", "hello", "delivered");
    let _ = bob.cli(&["address", "--off"], "").ok();
    assert_eq!(bob.cli(&["address"], "").ok().stdout, "");
    vali.send_wait("Bob", "again", "delivered");
    assert_eq!(ali.meeting("Bob"), Some("waiting".into()), "Ali is told nothing");
    let _ = bob.cli(&["requests", "unblock", &kept[0]["request"].to_string()], "").ok();
    assert!(requests(&bob).is_empty());
}

#[test]
fn a_request_waits_for_an_owner_who_is_away_and_survives_both_sides_being_killed() {
    let world = world();
    let (bob, address) = owner(&world);
    bob.down();
    let ali = world.person("Ali", &[2, 1]);
    ali.up();
    ali.online();
    let _ = ask(&ali, &address, "when you are back").ok();
    ali.kill9();
    ali.up();
    waits(&ali);
    ali.kill9();
    bob.up();
    let asked = request(&bob);
    assert_eq!(asked["text"], "when you are back");
    bob.kill9();
    bob.up();
    assert_eq!(request(&bob)["request"], asked["request"], "it is on disk");
    let _ = bob.cli(&["requests", "accept", &asked["request"].to_string()], "").ok();
    ali.up();
    until("both are connected", || (ali.meeting("Bob")? == "connected").then_some(()));
    assert_eq!(bob.received("Ali"), ["when you are back"]);
}
