//! Channels end to end: real programs, from founding to following, with readers who know neither the owner nor one another.
#![cfg(unix)]

use karvon_tests::person::Person;
use karvon_tests::until::until;
use karvon_tests::world::World;
use serde_json::Value;
use std::fs;
use std::path::Path;

fn entries(person: &Person, args: &[&str]) -> Vec<String> {
    let all = [&["channel", "read", "Jobs", "--json"], args].concat();
    let entries = person.cli(&all, "").ok().json();
    entries.iter().filter_map(|entry| entry["text"].as_str().map(str::to_owned)).collect()
}

fn channel(person: &Person) -> Option<Value> {
    person.cli(&["channel", "list", "--json"], "").ok().json().into_iter().next()
}

fn newest(person: &Person) -> u64 {
    channel(person).and_then(|channel| channel["newest"].as_u64()).unwrap_or_default()
}

#[test]
fn whoever_has_the_link_reads_what_the_owner_writes_also_after_being_away() {
    let mut world = World::new(3);
    let owner = world.person("Owner", &[0, 1]);
    owner.up();
    let founded = owner.cli(&["channel", "create", "Jobs", "--json"], "").ok().json();
    let link = founded[0]["link"].as_str().expect("a link").to_owned();
    assert!(link.starts_with("KARVON-CHANNEL:"), "{link}");
    let shown = owner.cli(&["channel", "link", "jo", "--json"], "").ok().json();
    assert_eq!(shown[0]["link"], link.as_str());

    let posted =
        owner.cli(&["channel", "post", "Jobs", "-", "--json"], "Ду устои хишт\nаз душанбе").ok().json();
    assert_eq!((&posted[0]["seq"], &posted[0]["state"]), (&1.into(), &"stored".into()));

    let readers = [world.person("Bob", &[2, 1]), world.person("Zarina", &[1, 2])];
    for reader in &readers {
        reader.up();
        let _ = reader.cli(&["channel", "follow", "--json"], &format!("{link}\n")).ok();
        until("the first entry is there", || (newest(reader) == 1).then_some(()));
        assert_eq!(entries(reader, &[]), ["Ду устои хишт\nаз душанбе"]);
    }
    let refused = readers[0].cli(&["channel", "post", "Jobs", "mine", "--json"], "");
    assert_eq!(refused.error_code(), "not_allowed");
    let (start, end) = link.split_at(60);
    let other = if end.starts_with('A') { "B" } else { "A" };
    let damaged = readers[0].cli(&["channel", "follow", "--json"], &format!("{start}{other}{}\n", &end[1..]));
    assert_eq!(damaged.error_code(), "link_damaged");

    // A file comes as it was, to be saved like one of a person.
    let (file, bytes) = (world.place().path("map.bin"), vec![5_u8; 40_000]);
    fs::write(&file, &bytes).expect("written");
    let file = file.to_str().expect("a path");
    let told = owner.cli(&["channel", "post", "Jobs", "entry 3", "--file", file, "--json"], "").ok().json();
    assert_eq!(
        (&told[0]["seq"], &told[1]["seq"], &told[1]["state"]),
        (&2.into(), &3.into(), &"stored".into())
    );
    for reader in &readers {
        until("the file is there", || (newest(reader) == 3).then_some(()));
        let read = reader.cli(&["channel", "read", "Jobs", "--json"], "").ok().json();
        assert_eq!((&read[1]["attachment"]["name"], &read[1]["text"]), (&"map.bin".into(), &Value::Null));
        let folder = world.place().path(&format!("saved {}", reader.status()["name"]));
        fs::create_dir(&folder).expect("made");
        let (id, to) = (read[1]["id"].as_str().expect("an id"), folder.to_str().expect("a path"));
        let _ = reader.cli(&["save", id, "--to", to, "--json"], "").ok();
        assert_eq!(fs::read(folder.join("map.bin")).expect("saved"), bytes);
    }

    // One reader is away, and a relay is killed and comes back; the other reads on.
    let [bob, zarina] = &readers;
    bob.kill9();
    for number in 4..=10 {
        let _ = owner.cli(&["channel", "post", "Jobs", &format!("entry {number}")], "").ok();
    }
    until("Zarina has all", || (newest(zarina) == 10).then_some(()));
    world.relays[1].kill9();
    world.relays[1].start_again();
    bob.up();
    until("Bob has all", || (newest(bob) == 10).then_some(()));
    let all = entries(zarina, &["--limit", "100"]);
    assert_eq!(all.len(), 9, "and a file");
    assert_eq!(entries(bob, &["--limit", "100"]), all);
    assert_eq!(entries(bob, &["--limit", "3"]), all[6..]);
    let known = channel(bob).expect("it is followed");
    assert_eq!(
        (&known["missing"], &known["forked"], &known["withheld"]),
        (&0.into(), &false.into(), &0.into())
    );
    // Whoever leaves keeps nothing, and an unknown name says so.
    let _ = bob.cli(&["channel", "leave", "Jobs", "--json"], "").ok();
    assert!(channel(bob).is_none());
    assert_eq!(bob.cli(&["channel", "read", "Jobs", "--json"], "").error_code(), "no_such_channel");
}

/// Copies a folder with everything in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("a folder can be read") {
        let entry = entry.expect("an entry can be read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("it has a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file can be copied");
        }
    }
}

#[test]
fn readers_are_told_when_an_owner_writes_two_stories() {
    let world = World::new(3);
    let owner = world.person("Owner", &[0, 1]);
    owner.up();
    let founded = owner.cli(&["channel", "create", "Jobs", "--json"], "").ok().json();
    let link = founded[0]["link"].as_str().expect("a link").to_owned();
    let _ = owner.cli(&["channel", "post", "Jobs", "one"], "").ok();
    let bob = world.person("Bob", &[2, 1]);
    bob.up();
    let _ = bob.cli(&["channel", "follow", "--json"], &format!("{link}\n")).ok();

    // The owner writes the second entry, sets the device back to before it, and writes another one.
    owner.down();
    let kept = owner.data_dir().with_extension("kept");
    copy(owner.data_dir(), &kept);
    owner.up();
    let _ = owner.cli(&["channel", "post", "Jobs", "two"], "").ok();
    until("Bob has the second entry", || (newest(&bob) == 2).then_some(()));
    assert_eq!(channel(&bob).expect("it is followed")["forked"], false);
    owner.down();
    fs::remove_dir_all(owner.data_dir()).expect("a folder can be removed");
    copy(&kept, owner.data_dir());
    owner.up();
    let other = owner.cli(&["channel", "post", "Jobs", "another two", "--json"], "").ok().json();
    assert_eq!(other[0]["seq"], 2);

    let forked = |person: &Person| channel(person).is_some_and(|channel| channel["forked"] == true);
    until("Bob is told", || forked(&bob).then_some(()));
    assert_eq!(entries(&bob, &[]), ["one", "two"], "what came first stays");
    let shown = bob.cli(&["channel", "list"], "").ok();
    assert!(shown.stdout.contains("beware"), "{}", shown.stdout);
    // Somebody who follows later sees both on the relays, and is told as well; it stays so after a kill.
    let late = world.person("Zarina", &[1, 2]);
    late.up();
    let _ = late.cli(&["channel", "follow", "--json"], &format!("{link}\n")).ok();
    until("Zarina is told", || forked(&late).then_some(()));
    late.kill9();
    late.up();
    assert!(forked(&late));
}
