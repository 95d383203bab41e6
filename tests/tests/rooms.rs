//! What is said in groups and channels is found, passed on, and has a page of its own: real programs.
#![cfg(unix)]

use karvon_tests::person::Person;
use karvon_tests::until::until;
use karvon_tests::world::World;
use serde_json::{Value, json};

/// Runs a command that answers with one object.
fn one(person: &Person, args: &[&str], stdin: &str) -> Value {
    let outcome = person.cli(args, stdin).ok();
    let mut answers = outcome.json();
    assert_eq!(answers.len(), 1, "{outcome:?}");
    answers.remove(0)
}

fn id(answer: &Value) -> String {
    answer["id"].as_str().unwrap_or_else(|| panic!("no id: {answer}")).to_owned()
}

fn standing(person: &Person, group: &str) -> Option<Value> {
    let groups = person.cli(&["group", "list", "--json"], "").ok().json();
    groups.into_iter().find(|known| known["name"] == group).map(|known| known["standing"].clone())
}

/// Ali founds the group and takes these people in.
fn found_group(ali: &Person, group: &str, others: &[&Person]) {
    let _ = one(ali, &["group", "create", group, "--json"], "");
    for other in others {
        let _ = one(ali, &["group", "invite", group, &other.name, "--json"], "");
        until("the invitation is there", || (standing(other, group)? == "invited").then_some(()));
        let _ = one(other, &["group", "accept", group, "--json"], "");
        until("the newcomer is in", || (standing(other, group)? == "in").then_some(()));
    }
}

fn found_channel(ali: &Person, channel: &str, reader: &Person) {
    let founded = one(ali, &["channel", "create", channel, "--json"], "");
    let link = founded["link"].as_str().expect("a link").to_owned();
    let _ = one(reader, &["channel", "follow", "--json"], &format!("{link}\n"));
}

fn say(person: &Person, to: &str, text: &str) -> String {
    id(&one(person, &["send", to, text, "--wait", "delivered", "--json"], ""))
}

/// Place and text of what a search finds.
fn found(person: &Person, args: &[&str]) -> Vec<(String, String)> {
    let hits = person.cli(&[&["search", "--json"], args].concat(), "").ok().json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    hits.iter()
        .map(|hit| (format!("{} {}", text(&hit["kind"]), text(&hit["place"])), text(&hit["text"])))
        .collect()
}

fn pair(place: &str, text: &str) -> (String, String) {
    (place.to_owned(), text.to_owned())
}

#[test]
fn a_search_finds_what_was_said_with_people_in_groups_and_in_channels() {
    let (_world, ali, bob) = World::of_two_friends();
    found_group(&ali, "Brigade", &[&bob]);
    found_channel(&ali, "Jobs", &bob);
    say(&ali, "Bob", "пул барои роҳ");
    let said = say(&ali, "Brigade", "пул пагоҳ");
    let gone = say(&ali, "Brigade", "пули махфӣ");
    say(&bob, "Brigade", "ман дар роҳам");
    let _ = one(&ali, &["edit", &said, "Пулро гирифтам", "--json"], "");
    let _ = one(&ali, &["delete", &gone, "--json"], "");
    let _ = one(&ali, &["channel", "post", "Jobs", "пул барои устоҳо", "--json"], "");

    // Typed in the other alphabet; newest first, each with its place, by its newest text.
    let all = [
        pair("channel Jobs", "пул барои устоҳо"),
        pair("group Brigade", "Пулро гирифтам"),
        pair("person Ali", "пул барои роҳ"),
    ];
    until("Bob finds everything that is there", || (found(&bob, &["pul"]) == all).then_some(()));
    assert!(found(&bob, &["пагоҳ"]).is_empty(), "the first text of what was edited");
    assert!(found(&bob, &["махфӣ"]).is_empty(), "what was taken back");
    assert_eq!(found(&bob, &["роҳ", "--in", "Brigade"]), [pair("group Brigade", "ман дар роҳам")]);
    assert_eq!(found(&bob, &["барои", "--in", "jobs"]), all[..1]);
    assert_eq!(found(&bob, &["пул", "барои", "--in", "Ali"]), all[2..]);
    assert_eq!(found(&bob, &["pul", "--limit", "2"]), all[..2]);
    assert_eq!(bob.cli(&["search", "pul", "--in", "Nobody", "--json"], "").error_code(), "no_such_contact");
    let page = bob.cli(&["search", "pul"], "").ok().stdout;
    let places: Vec<&str> =
        page.lines().filter_map(|line| line.split_once(']')).map(|(place, _)| place).collect();
    assert_eq!(places, ["[# Jobs", "[Brigade", "[Ali"], "{page}");
    // Ali finds own words as well, and it is all still there after a kill.
    ali.kill9();
    ali.up();
    assert_eq!(found(&ali, &["pul"]).len(), 3);

    // What disappeared is not found any more.
    let _ = one(&ali, &["group", "timer", "Brigade", "5s", "--json"], "");
    say(&ali, "Brigade", "зуд гум мешавад");
    let _ = bob.cli(&["read", "Brigade", "--mark", "--json"], "").ok();
    for person in [&ali, &bob] {
        until("it disappears", || found(person, &["гум"]).is_empty().then_some(()));
    }
}

/// The newest message that `who` reads in a conversation.
fn newest(who: &Person, place: &str) -> Option<Value> {
    who.cli(&["read", place, "--json"], "").ok().json().pop()
}

#[test]
fn messages_are_passed_on_from_groups_and_channels_and_into_groups() {
    let (world, ali, bob) = World::of_two_friends();
    found_group(&ali, "Brigade", &[&bob]);
    found_channel(&ali, "Jobs", &bob);
    let alone = say(&ali, "Bob", "said to Bob");
    let in_group = say(&ali, "Brigade", "said to all");
    let _ = one(&ali, &["edit", &in_group, "said to all, better", "--json"], "");
    let posted = id(&one(&ali, &["channel", "post", "Jobs", "posted", "--json"], ""));
    let (file, bytes) = (world.place().path("plan.bin"), vec![7_u8; 4_608]);
    std::fs::write(&file, &bytes).expect("written");
    let with_file = id(&one(
        &ali,
        &["send", "Bob", "--file", file.to_str().expect("a path"), "--wait", "delivered", "--json"],
        "",
    ));
    until("Bob has the newest text and the entry", || {
        let entries = bob.cli(&["channel", "read", "Jobs", "--json"], "").ok().json();
        let edited = newest(&bob, "Brigade")?["text"] == "said to all, better";
        (edited && !entries.is_empty()).then_some(())
    });

    // From the group and from the channel to a person.
    for (what, text) in [(&in_group, "said to all, better"), (&posted, "posted")] {
        let _ = one(&bob, &["forward", what, "Ali", "--json"], "");
        until("Ali has it, marked", || {
            let message = newest(&ali, "Bob")?;
            (message["text"] == text && message["forwarded"] == true).then_some(())
        });
    }
    // From a person and from the channel into the group.
    for (what, text) in [(&alone, "said to Bob"), (&posted, "posted")] {
        let _ = one(&bob, &["forward", what, "brig", "--json"], "");
        until("everybody has it, marked", || {
            let message = newest(&ali, "Brigade")?;
            (message["text"] == text && message["forwarded"] == true).then_some(())
        });
    }
    // What comes of a channel stays signed by its owner, who knows it for an entry of the own channel.
    let copied = newest(&ali, "Brigade").expect("a message")["copied"].clone();
    assert_eq!(
        (&copied["genuine"], &copied["channel"], &copied["seq"]),
        (&json!(true), &json!("Jobs"), &json!(1))
    );
    assert_eq!(copied["followed"], 1, "{copied}");
    let _ = one(&bob, &["forward", &with_file, "Brigade", "--json"], "");
    let came = until("the file is there", || {
        newest(&ali, "Brigade").filter(|message| !message["attachment"].is_null())
    });
    assert_eq!((&came["forwarded"], &came["attachment"]["name"]), (&json!(true), &json!("plan.bin")));
    let folder = world.place().path("saved");
    std::fs::create_dir(&folder).expect("made");
    let _ = ali.cli(&["save", &id(&came), "--to", folder.to_str().expect("a path"), "--json"], "").ok();
    assert_eq!(std::fs::read(folder.join("plan.bin")).expect("saved"), bytes);
    let page = ali.cli(&["read", "Brigade"], "").ok().stdout;
    assert_eq!(page.matches("(forwarded)").count(), 3, "{page}");
    assert_eq!(page.matches("(signed entry 1 of your channel %1)").count(), 1, "{page}");
    let unknown = bob.cli(&["forward", &"0".repeat(32), "Brigade", "--json"], "");
    assert_eq!(unknown.error_code(), "no_such_message");
}

/// Names of those who have an own message since a known time, and of the others.
fn reached(page: &Value) -> (Vec<&str>, Vec<&str>) {
    let all = page["recipients"].as_array().expect("a list");
    let has = |one: &Value| one["state"] == "delivered" && one["at"].is_string();
    let named = |wanted: bool| {
        let those = all.iter().filter(|one| has(one) == wanted);
        those.map(|one| one["name"].as_str().unwrap_or_default()).collect()
    };
    (named(true), named(false))
}

#[test]
fn the_page_of_a_message_to_a_group_names_who_has_it() {
    let (world, ali, bob) = World::of_two_friends();
    let zarina = world.person("Zarina", &[1, 2]);
    zarina.up();
    zarina.meet(&ali);
    found_group(&ali, "Brigade", &[&bob, &zarina]);
    zarina.kill9();
    let sent = id(&one(&ali, &["send", "Brigade", "Пагоҳ соати 7", "--json"], ""));
    let info = |person: &Person| one(person, &["info", &sent, "--json"], "");
    let page = until("Bob has it", || Some(info(&ali)).filter(|page| page["delivered"] == 1));
    assert_eq!((&page["of"], &page["mine"], &page["from"]), (&json!(2), &json!(true), &json!("Ali")));
    assert_eq!(reached(&page), (vec!["Bob"], vec!["Zarina"]));
    assert!(page["sent_at"].is_string() && page["received_at"].is_null(), "{page}");
    let shown = ali.cli(&["info", &sent], "").ok().stdout;
    assert!(shown.contains("1 of 2 delivered") && shown.contains("✓ Bob"), "{shown}");
    assert!(shown.lines().any(|line| line.starts_with("on its way") && line.ends_with("Zarina")), "{shown}");

    ali.kill9();
    ali.up();
    zarina.up();
    let page = until("everybody has it", || Some(info(&ali)).filter(|page| page["state"] == "delivered"));
    assert_eq!(reached(&page), (vec!["Bob", "Zarina"], vec![]));
    // It stays so when nobody is waited for any more, and what others know is when it was written and came.
    ali.kill9();
    ali.up();
    assert_eq!(info(&ali), page);
    let theirs = info(&bob);
    assert_eq!((&theirs["mine"], &theirs["from"]), (&json!(false), &json!("Ali")));
    assert_eq!(theirs["sent_at"], page["sent_at"]);
    assert!(theirs["received_at"].is_string() && theirs["recipients"] == json!([]), "{theirs}");
}
