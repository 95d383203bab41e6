//! Bundle files between real programs: no relay runs, somebody carries a file, and everybody has everything once.
#![cfg(unix)]

use karvon_tests::person::Person;
use karvon_tests::process::Outcome;
use karvon_tests::until::{DEADLINE, until};
use karvon_tests::world::World;
use serde_json::Value;
use std::fs;
use std::path::Path;

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn one(outcome: Outcome) -> Value {
    outcome.ok().json().into_iter().next().expect("one object")
}

fn export(person: &Person, file: &Path, rest: &[&str]) -> Value {
    one(person.cli(&[&["bundle", "export", text(file), "--json"], rest].concat(), ""))
}

fn import(person: &Person, file: &Path) -> Value {
    one(person.cli(&["bundle", "import", text(file), "--json"], ""))
}

fn refused(person: &Person, file: &Path, code: &str) {
    for what in ["import", "inspect"] {
        let outcome = person.cli(&["bundle", what, text(file), "--json"], "");
        assert_eq!((outcome.error_code().as_str(), outcome.code), (code, Some(8)), "{what}: {outcome:#?}");
    }
}

#[test]
fn without_any_relay_a_file_brings_texts_there_and_receipts_back() {
    let mut world = World::new(3);
    let [ali, bob, zarina] = [("Ali", [0, 1]), ("Bob", [1, 2]), ("Zarina", [2, 0])].map(|(name, doors)| {
        let person = world.person(name, &doors);
        person.up();
        person
    });
    bob.meet(&ali);
    zarina.meet(&ali);
    for friend in ["Bob", "Zarina"] {
        ali.send_wait(friend, "by relay", "delivered");
    }
    for relay in &mut world.relays {
        relay.kill9();
    }
    let first = ali.send("Bob", "by bus");
    ali.send("Bob", "by bus too");
    ali.send("Zarina", "by stick");

    // Zarina's device takes what is hers and carries the rest, unread, on to Bob.
    let there = world.relays[0].data_dir().with_file_name("there.bundle");
    let told = export(&ali, &there, &[]);
    assert!(told["own"].as_u64() >= Some(2) && told["carried"] == 0 && told["waiting"] == 0, "{told}");
    assert_eq!(fs::metadata(&there).expect("it is there").len() % 65_536, 0);
    let at_zarina = import(&zarina, &there);
    assert!(
        at_zarina["opened"].as_u64() >= Some(1) && at_zarina["carried"].as_u64() >= Some(1),
        "{at_zarina}"
    );
    assert_eq!(zarina.received("Ali"), ["by relay", "by stick"]);
    let again = import(&zarina, &there);
    assert_eq!((&again["opened"], &again["carried"]), (&Value::from(0), &Value::from(0)), "{again}");
    assert_eq!(again["carried_before"], at_zarina["carried"]);
    zarina.down();
    zarina.up();
    let on = there.with_file_name("on.bundle");
    assert_eq!(export(&zarina, &on, &[])["carried"], at_zarina["carried"]);
    let at_bob = import(&bob, &on);
    assert!(at_bob["opened"].as_u64() >= Some(1) && at_bob["refused"] == 0, "{at_bob}");
    bob.receives("Ali", DEADLINE, |texts| texts == ["by relay", "by bus", "by bus too"]);
    assert_eq!(ali.cli(&["info", &first, "--json"], "").ok().json()[0]["state"], "queued");

    // The receipt and an answer come back the same way.
    bob.send("Ali", "thanks");
    let back = there.with_file_name("back.bundle");
    let _ = export(&bob, &back, &["--for", "Ali"]);
    assert!(import(&ali, &back)["opened"].as_u64() >= Some(1));
    assert_eq!(ali.cli(&["info", &first, "--json"], "").ok().json()[0]["state"], "delivered");
    assert_eq!(ali.received("Bob"), ["thanks"]);

    // With relays again nothing comes twice.
    for relay in &mut world.relays {
        relay.start_again();
    }
    ali.send_wait("Bob", "by relay again", "delivered");
    assert_eq!(bob.received("Ali"), ["by relay", "by bus", "by bus too", "by relay again"]);
    assert_eq!(ali.received("Bob"), ["thanks"]);
    for person in [ali, bob, zarina] {
        person.down();
    }
}

#[test]
fn what_is_no_bundle_or_a_damaged_one_says_so_and_costs_nothing() {
    let (world, ali, bob) = World::of_two_friends();
    let file = world.relays[0].data_dir().with_file_name("file.bundle");
    let nobody = ali.cli(&["bundle", "export", text(&file), "--for", "Nobody", "--json"], "");
    assert_eq!((nobody.error_code().as_str(), nobody.code), ("no_such_contact", Some(5)));
    assert!(!file.exists());
    let missing = ali.cli(&["bundle", "import", text(&file), "--json"], "");
    assert_eq!((missing.error_code().as_str(), missing.code), ("io", Some(1)));
    let folder = ali.cli(&["bundle", "export", text(world.relays[0].data_dir()), "--json"], "");
    assert_eq!((folder.error_code().as_str(), folder.code), ("io", Some(1)));

    let _ = export(&ali, &file, &[]);
    let whole = fs::read(&file).expect("it is there");
    let mut bent = whole.clone();
    bent[20_000] ^= 1;
    let mut newer = whole.clone();
    newer[8] = 9;
    let wrong = [
        (b"PK\x03\x04".to_vec(), "not_a_bundle"),
        (Vec::new(), "not_a_bundle"),
        (whole[..30_000].to_vec(), "bundle_damaged"),
        (bent, "bundle_damaged"),
        (newer, "bundle_newer"),
    ];
    for (bytes, code) in wrong {
        fs::write(&file, bytes).expect("it can be written");
        refused(&bob, &file, code);
    }
    fs::write(&file, whole).expect("it can be written");
    let _ = import(&bob, &file);
    let seen = one(bob.cli(&["bundle", "inspect", text(&file), "--json"], ""));
    assert_eq!(seen["bytes"], 65_536);
    until("texts still go both ways", || {
        bob.send_wait("Ali", "all is well", "delivered");
        Some(())
    });
    ali.down();
    bob.down();
}
