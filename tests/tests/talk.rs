//! Two people answer, sign, change, take back and pass on messages, by the real programs.
#![cfg(unix)]

use karvon_tests::person::Person;
use karvon_tests::until::{DEADLINE, until};
use karvon_tests::world::World;
use serde_json::{Value, json};

/// What `read --json` shows of a conversation.
fn shown(reader: &Person, contact: &str) -> Vec<Value> {
    reader.cli(&["read", contact, "--json"], "").ok().json()
}

/// Waits until a message is shown so that `fits`.
fn shows(reader: &Person, contact: &str, id: &str, fits: impl Fn(&Value) -> bool) -> Value {
    until(&format!("{} sees the message as it should be", reader.name), || {
        shown(reader, contact).into_iter().find(|message| message["id"] == id && fits(message))
    })
}

/// Runs a command that queues something, and returns its id.
fn queued(person: &Person, args: &[&str]) -> String {
    let outcome = person.cli(args, "").ok();
    let answers = outcome.json();
    assert_eq!(answers.len(), 1, "{outcome:?}");
    answers[0]["id"].as_str().unwrap_or_else(|| panic!("no id: {outcome:?}")).to_owned()
}

#[test]
fn answers_signs_edits_and_deletions_are_shown_as_they_end_on_both_sides() {
    let (_world, ali, bob) = World::of_two_friends();
    let question = ali.send_wait("Bob", "At seven?", "delivered");
    let secret = ali.send_wait("Bob", "the door code is 4711", "delivered");
    let answer = queued(&bob, &["reply", &question, "Yes!", "--json"]);
    queued(&bob, &["react", &question, "👍", "--json"]);
    queued(&ali, &["edit", &question, "At eight?", "--json"]);
    queued(&ali, &["delete", &secret, "--json"]);

    for (reader, contact) in [(&ali, "Bob"), (&bob, "Ali")] {
        let message = shows(reader, contact, &question, |message| {
            message["edited"] == true
                && message["reactions"].as_array().is_some_and(|signs| !signs.is_empty())
        });
        assert_eq!(message["text"], "At eight?");
        let sign = json!([{ "emoji": "👍", "mine": reader.name == "Bob", "from": "Bob" }]);
        assert_eq!(message["reactions"], sign);
        let gone = shows(reader, contact, &secret, |message| message["deleted"] == true);
        assert_eq!(gone["text"], Value::Null);
        let reply = shows(reader, contact, &answer, |_| true);
        assert_eq!((&reply["text"], &reply["reply_to"]), (&json!("Yes!"), &json!(question)));
        assert_eq!(shown(reader, contact).len(), 3, "changes are no messages of their own");
    }

    let _ = queued(&bob, &["react", &question, "--remove", "--json"]);
    shows(&ali, "Bob", &question, |message| message["reactions"] == json!([]));
    // People see the same in words.
    let text = bob.cli(&["read", "Ali"], "").ok().stdout;
    assert!(text.contains("(edited)") && text.contains("(deleted)") && text.contains("(answers "), "{text}");
    assert!(!text.contains("4711"));
}

#[test]
fn what_is_not_yours_stays_as_it_is() {
    let (_world, ali, bob) = World::of_two_friends();
    let id = ali.send_wait("Bob", "mine alone", "delivered");
    for args in [["edit", &id, "changed", "--json"], ["delete", &id, "--json", "--quiet"]] {
        let outcome = bob.cli(&args, "");
        assert_eq!(outcome.code, Some(9), "{outcome:?}");
        assert!(outcome.stderr.contains("not_yours"), "{outcome:?}");
    }
    let nobody = "0".repeat(32);
    assert_eq!(bob.cli(&["react", &nobody, "👍", "--json"], "").code, Some(5));
    assert_eq!(bob.cli(&["react", "12", "👍", "--json"], "").code, Some(2));
    assert_eq!(shown(&ali, "Bob")[0]["text"], "mine alone");
}

#[test]
fn a_forwarded_text_says_that_it_is_one() {
    let world = World::new(3);
    let people = [("Ali", [0, 1]), ("Bob", [2, 1]), ("Vali", [0, 2])];
    let people: Vec<Person> = people.iter().map(|(name, doors)| world.person(name, doors)).collect();
    people.iter().for_each(Person::up);
    let [ali, bob, vali] = people.as_slice() else { unreachable!() };
    bob.meet(ali);
    vali.meet(bob);
    let id = ali.send_wait("Bob", "the bus leaves at six", "delivered");
    let passed = queued(bob, &["forward", &id, "Vali", "--json"]);
    let message = shows(vali, "Bob", &passed, |_| true);
    assert_eq!((&message["text"], &message["forwarded"]), (&json!("the bus leaves at six"), &json!(true)));
}

#[test]
fn a_follower_is_shown_a_changed_message_again() {
    let (_world, ali, bob) = World::of_two_friends();
    let id = ali.send_wait("Bob", "first", "delivered");
    let mut api = bob.api();
    let _ = api.call("subscribe", &Value::Null).unwrap();
    queued(&ali, &["edit", &id, "second", "--json"]);
    until("Bob's front end is told", || {
        let (_, event) = api.event(DEADLINE).unwrap()?;
        (event["event"] == "changed" && event["id"] == id.as_str()).then_some(())
    });
    let now = api.call("message", &json!({ "id": id })).unwrap();
    assert_eq!((&now["text"], &now["edited"]), (&json!("second"), &json!(true)));
}
