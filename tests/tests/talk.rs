//! Two people answer, sign, change, take back and pass on messages, by the real programs.
#![cfg(unix)]

use karvon_tests::person::Person;
use karvon_tests::until::{DEADLINE, until, until_within};
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

#[test]
fn a_picture_arrives_without_its_place_and_is_saved_under_a_harmless_name() {
    const PLACE: &[u8] = b"38.5598N 68.7870E";
    let (world, ali, bob) = World::of_two_friends();
    // The smallest file that is read as a JPEG: an Exif segment, a table and one scan.
    let exif = [&[0xff, 0xe1, 0, 25][..], b"Exif\0\0", PLACE].concat();
    let image = [&[0xff, 0xdb, 0, 4, 7, 7][..], &[0xff, 0xda, 0, 4, 1, 1, 5, 6, 7, 0xff, 0xd9]].concat();
    let photo = world.place().path("photo; rm -rf.jpg");
    std::fs::write(&photo, [&[0xff, 0xd8][..], &exif, &image].concat()).unwrap();
    let photo = photo.to_str().unwrap();
    let id = queued(&ali, &["send", "Bob", "--file", photo, "--wait", "delivered", "--json"]);
    let message = shows(&bob, "Ali", &id, |_| true);
    assert_eq!(message["attachment"]["media_type"], "image/jpeg");
    assert_eq!(message["attachment"]["bytes"], 2 + image.len());

    let folder = world.place().path("saved");
    std::fs::create_dir(&folder).unwrap();
    for name in ["photo_ rm -rf.jpg", "photo_ rm -rf (2).jpg"] {
        let _ = bob.cli(&["save", &id, "--to", folder.to_str().unwrap(), "--json"], "").ok();
        let saved = std::fs::read(folder.join(name)).unwrap();
        assert_eq!(saved, [&[0xff, 0xd8][..], &image].concat(), "the place is gone, the picture is whole");
    }
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(folder.join("photo_ rm -rf.jpg")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // What can not be cleaned or does not fit is refused before anything is sent.
    for (bytes, code) in [
        ([&[0xff, 0xd8][..], &exif].concat(), "picture"),
        (b"II*\0\x08\0\0\0".to_vec(), "picture"),
        (vec![0; 46_081], "too_long"),
        (vec![], "empty"),
    ] {
        std::fs::write(photo, bytes).unwrap();
        let outcome = ali.cli(&["send", "Bob", "--file", photo, "--json"], "");
        assert_eq!(outcome.code, Some(9), "{outcome:?}");
        assert!(outcome.stderr.contains(code), "{outcome:?}");
    }
    assert_eq!(shown(&bob, "Ali").len(), 1);
    let text = ali.send_wait("Bob", "no file here", "delivered");
    assert_eq!(bob.cli(&["save", &text], "").code, Some(5));
}

#[test]
fn what_was_read_is_told_when_it_is_allowed() {
    let (_world, ali, bob) = World::of_two_friends();
    let _ = bob.cli(&["contacts", "receipts", "Ali", "on"], "").ok();
    let id = ali.send_wait("Bob", "did you see this?", "delivered");
    let _ = bob.cli(&["read", "Ali", "--mark"], "").ok();
    until_within(DEADLINE * 2, "Ali sees that it was read", || {
        shown(&ali, "Bob").into_iter().find(|message| message["id"] == id && message["state"] == "read")
    });
}

#[test]
fn a_message_with_a_timer_disappears_from_both() {
    let (_world, ali, bob) = World::of_two_friends();
    let _ = ali.cli(&["contacts", "timer", "Bob", "5s"], "").ok();
    let id = ali.send_wait("Bob", "only for a moment", "delivered");
    let seen = shows(&bob, "Ali", &id, |_| true);
    assert_eq!(seen["expires_s"], 5);
    let _ = bob.cli(&["read", "Ali", "--mark"], "").ok();
    for (reader, contact) in [(&ali, "Bob"), (&bob, "Ali")] {
        until(&format!("it is gone at {}", reader.name), || {
            let messages = shown(reader, contact);
            assert!(messages.iter().any(|message| message["timer_s"] == 5), "the change of the timer stays");
            messages.iter().all(|message| message["id"] != id).then_some(())
        });
    }
}

#[test]
fn a_safety_number_is_compared_and_a_block_holds() {
    let (_world, ali, bob) = World::of_two_friends();
    let number = |person: &Person, who: &str| {
        let answer = person.cli(&["verify", who, "--json"], "").ok().json().remove(0);
        answer["number"].as_str().unwrap().to_owned()
    };
    let digits = number(&ali, "Bob");
    assert_eq!((digits.len(), number(&bob, "Ali")), (60, digits.clone()));
    let wrong = bob.cli(&["verify", "Ali", "--number", &"1".repeat(60), "--json"], "");
    assert_eq!(wrong.code, Some(7), "{wrong:?}");
    let _ = bob.cli(&["verify", "Ali", "--number", &digits], "").ok();
    let known = bob.cli(&["contacts", "list", "--json"], "").ok().json();
    assert_eq!(known[0]["verified"], true);

    let _ = bob.cli(&["contacts", "block", "Ali"], "").ok();
    let _ = ali.send_wait("Bob", "hello?", "delivered");
    assert!(shown(&bob, "Ali").is_empty());
    let refused = bob.cli(&["send", "Ali", "x", "--json"], "");
    assert_eq!(refused.code, Some(9), "{refused:?}");
    let _ = bob.cli(&["contacts", "unblock", "Ali"], "").ok();
    let _ = ali.send_wait("Bob", "hello again", "delivered");
    assert_eq!(shown(&bob, "Ali")[0]["text"], "hello again");
}
