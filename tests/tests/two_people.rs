//! Two people meet by an invitation and write to each other through two hops.
#![cfg(unix)]

use karvon_tests::until::{DEADLINE, until};
use karvon_tests::world::World;
use serde_json::{Value, json};

#[test]
fn two_people_meet_and_each_reads_the_others_texts_once_and_in_order() {
    let (_world, ali, bob) = World::of_two_friends();
    let from_ali = ["Салом, Боб!", "Чӣ хел ҳастӣ?", "🐪🐪🐪 корвон"];
    let from_bob = ["Salom!", "two\nlines", "ў ғ қ ҳ"];
    for (to_bob, to_ali) in from_ali.iter().zip(&from_bob) {
        ali.send_wait("Bob", to_bob, "delivered");
        bob.send_wait("Ali", to_ali, "delivered");
    }
    for (reader, writer, theirs, own) in
        [(&bob, "Ali", from_ali, from_bob), (&ali, "Bob", from_bob, from_ali)]
    {
        let messages = reader.read(writer);
        let texts = |mine: bool| -> Vec<&str> {
            messages
                .iter()
                .filter(|message| message.mine == mine)
                .filter_map(|message| message.text.as_deref())
                .collect()
        };
        assert_eq!(texts(false), theirs);
        assert_eq!(texts(true), own);
        for message in &messages {
            let author = if message.mine { &reader.name } else { writer };
            assert_eq!(message.from, *author);
            assert!(message.sent_at.ends_with('Z') && message.received_at.is_some() != message.mine);
        }
        let mut numbers: Vec<u64> =
            messages.iter().filter(|message| !message.mine).map(|message| message.seq).collect();
        assert_eq!(numbers.len(), 3);
        assert!(numbers.is_sorted(), "shown in the author's order");
        numbers.dedup();
        assert_eq!(numbers.len(), 3, "each number once");
    }
}

#[test]
fn a_message_has_the_same_id_on_both_sides_and_its_way_is_told() {
    let (_world, ali, bob) = World::of_two_friends();
    let id = ali.send_wait("Bob", "with a trail", "delivered");
    let theirs = bob.read("Ali");
    assert_eq!(theirs.iter().map(|message| message.id.as_str()).collect::<Vec<_>>(), [id.as_str()]);

    let outcome = ali.cli(&["info", &id, "--json"], "").ok();
    let info = outcome.json().into_iter().next().expect("info is one object");
    assert_eq!(info["state"], "delivered");
    assert_eq!(info["mine"], true);
    let steps: Vec<&str> =
        info["trail"].as_array().into_iter().flatten().filter_map(|step| step["what"].as_str()).collect();
    assert_eq!(steps.first(), Some(&"queued"), "{info}");
    assert_eq!(steps.last(), Some(&"delivered"), "{info}");
}

#[test]
fn the_status_counts_what_happened() {
    let (_world, ali, bob) = World::of_two_friends();
    ali.send_batch("Bob", &["one".to_owned(), "two".to_owned()], "delivered");
    let status = ali.status();
    assert_eq!(status["state"], "online");
    for (field, expected) in
        [("delivered", 2), ("queued", 0), ("stored", 0), ("contacts", 1), ("doors", 2), ("faults", 0)]
    {
        assert_eq!(status[field], expected, "{field} in {status}");
    }
    for field in ["bytes_in", "bytes_out", "rss", "links", "mailboxes"] {
        assert!(status[field].as_u64() > Some(0), "{field} in {status}");
    }
    assert_eq!(bob.status()["received"], 2);
}

#[test]
fn a_front_end_is_told_of_messages_and_of_their_delivery() {
    let (_world, ali, bob) = World::of_two_friends();
    let (mut sender, mut recipient) = (ali.api(), bob.api());
    let to_bob = sender.contact("Bob").unwrap().expect("Bob is known");
    let from_ali = recipient.contact("Ali").unwrap().expect("Ali is known");
    for api in [&mut sender, &mut recipient] {
        let _ = api.call("subscribe", &Value::Null).unwrap();
    }
    let queued = sender.call("send", &json!({ "contact": to_bob, "text": "hello" })).unwrap();
    let seq = queued["seq"].as_u64().expect("a queued message has a number");
    until("Bob's front end is told", || {
        let (_, event) = recipient.event(DEADLINE).unwrap()?;
        let covers = event["from"].as_u64()? <= seq && event["to"].as_u64()? >= seq;
        (event["event"] == "received" && event["contact"] == from_ali && covers).then_some(())
    });
    until("Ali's front end is told", || {
        let (_, event) = sender.event(DEADLINE).unwrap()?;
        (event["event"] == "delivery" && event["delivered_below"].as_u64()? > seq).then_some(())
    });

    let _ = recipient.call("mark_read", &json!({ "contact": from_ali, "seq": seq })).unwrap();
    let unread = recipient.call("contacts", &Value::Null).unwrap();
    assert_eq!(unread["contacts"][0]["unread"], 0);
}

#[test]
fn a_second_start_attaches_to_the_node_that_runs() {
    let world = World::new(2);
    let ali = world.person("Ali", &[0, 1]);
    ali.up();
    let first = ali.pid();
    assert!(first.is_some());
    ali.up();
    assert_eq!(ali.pid(), first);
    let _ = ali.invite();
    assert_eq!(ali.status()["pid"].as_u64(), first.map(u64::from));

    ali.kill9();
    ali.up();
    let second = ali.pid();
    assert!(second.is_some() && second != first, "what the killed node left behind does not stop the next");
    ali.down();
    assert_eq!(ali.pid(), None);
}

#[test]
fn without_a_background_node_a_command_runs_one_for_as_long_as_it_needs() {
    let (_world, ali, bob) = World::of_two_friends();
    bob.down();
    let _ = bob.send_wait("Ali", "from a short life", "stored");
    assert_eq!(bob.pid(), None, "nothing stays behind");
    ali.receives("Bob", DEADLINE, |texts| texts == ["from a short life"]);
}
