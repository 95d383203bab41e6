//! The device in somebody else's hands: locked, guessed at, wiped, killed in the middle, opened by another passphrase.
#![cfg(unix)]

use karvon_tests::person::Person;
use karvon_tests::process::Outcome;
use karvon_tests::until::{DEADLINE, until, until_within};
use karvon_tests::world::World;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

const RIGHT: &str = "як ду се чор";

/// A person behind a passphrase.
fn locked(world: &World, name: &str, doors: &[usize]) -> Person {
    let person = Person::nobody(world.place(), name);
    let mut args = vec!["init", "--name", name, "--passphrase-stdin"];
    for number in doors {
        args.extend(["--door", world.relays[*number].door()]);
    }
    let _ = person.cli(&args, RIGHT).ok();
    person
}

fn refused(outcome: &Outcome, code: &str, exit: i32) {
    assert_eq!((outcome.error_code().as_str(), outcome.code), (code, Some(exit)), "{outcome:#?}");
}

fn unlock(person: &Person, passphrase: &str) -> Outcome {
    person.cli(&["unlock", "--passphrase-stdin", "--json"], passphrase)
}

fn left(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_locked_node_tells_nothing_and_an_unlocked_one_goes_on_where_it_was() {
    let world = World::new(3);
    let (ali, bob) = (locked(&world, "Ali", &[0, 1]), world.person("Bob", &[2, 1]));
    refused(&ali.cli(&["up", "--json"], ""), "locked", 6);
    refused(&ali.cli(&["read", "--json"], ""), "locked", 6);
    let _ = unlock(&ali, RIGHT).ok();
    bob.up();
    bob.meet(&ali);
    bob.send_wait("Ali", "before", "delivered");

    let _ = ali.cli(&["lock", "--json"], "").ok();
    let pid = ali.pid();
    assert_eq!(ali.status()["state"], "locked");
    assert_eq!(ali.status()["name"], "");
    let mut api = ali.api();
    for method in ["contacts", "doors", "invite"] {
        assert_eq!(api.call(method, &Value::Null).expect_err("locked").code, "locked", "{method}");
    }
    let text = json!({ "contact": 1, "text": "x" });
    assert_eq!(api.call("send", &text).expect_err("locked").code, "locked");
    refused(&ali.cli(&["read", "Bob", "--json"], ""), "locked", 6);
    bob.send_wait("Ali", "while locked", "stored");

    refused(&unlock(&ali, "something else"), "wrong_passphrase", 6);
    let _ = unlock(&ali, RIGHT).ok();
    assert_eq!(ali.pid(), pid, "the same process");
    ali.receives("Bob", DEADLINE, |texts| texts == ["before", "while locked"]);
    // A command with the passphrase at hand opens a locked node by the way.
    let _ = ali.cli(&["lock"], "").ok();
    let answer = ali.cli(&["read", "Bob", "--json", "--passphrase-stdin"], RIGHT).ok();
    assert_eq!(answer.json().len(), 2);
    ali.down();
    bob.down();
}

#[test]
fn guessing_costs_a_growing_wait_and_erases_nothing() {
    let world = World::new(0);
    let ali = locked(&world, "Ali", &[]);
    // The wait doubles with each guess, so that some guess must come too early however slow this machine is.
    let early = until_within(DEADLINE * 6, "a guess comes too early", || {
        let guess = ali.cli(&["up", "--json", "--passphrase-stdin"], "guess");
        (guess.error_code() != "wrong_passphrase").then_some(guess)
    });
    refused(&early, "wait", 6);
    assert!(early.stderr.contains("nothing was erased"), "{early:?}");
    until("the wait is over and the right passphrase opens it", || {
        (ali.cli(&["up", "--json", "--passphrase-stdin"], RIGHT).code == Some(0)).then_some(())
    });
    assert_eq!(ali.status()["name"], "Ali");
}

#[test]
fn a_profile_without_a_passphrase_can_not_be_locked_until_it_has_one() {
    let world = World::new(0);
    let ali = world.person("Ali", &[]);
    ali.up();
    refused(&ali.cli(&["lock", "--json"], ""), "no_passphrase", 2);
    let _ = ali.cli(&["passphrase", "--passphrase-stdin"], RIGHT).ok();
    let _ = ali.cli(&["lock"], "").ok();
    assert_eq!(ali.status()["state"], "locked");
    ali.down();
    refused(&ali.cli(&["up", "--json"], ""), "locked", 6);
    let _ = ali.cli(&["passphrase", "--passphrase-stdin"], &format!("{RIGHT}\nnew\n")).ok();
    refused(&unlock(&ali, RIGHT), "wrong_passphrase", 6);
    let _ = unlock(&ali, "new").ok();
    assert_eq!(ali.status()["name"], "Ali");
}

#[test]
fn a_node_nobody_uses_locks_itself() {
    let world = World::new(0);
    let ali = locked(&world, "Ali", &[]);
    let _ = ali.cli(&["config", "set", "lock.after", "1s"], "").ok();
    let _ = unlock(&ali, RIGHT).ok();
    until("it has locked itself", || (ali.status()["state"] == "locked").then_some(()));
    refused(&ali.cli(&["contacts", "--json"], ""), "locked", 6);
}

#[test]
fn a_wipe_leaves_nothing_whether_the_node_runs_is_locked_or_the_wipe_is_cut_off() {
    let world = World::new(0);
    let running = world.person("Ali", &[]);
    running.up();
    let _ = running.cli(&["wipe", "--now"], "").ok();
    assert_eq!(left(running.data_dir()), Vec::<String>::new());
    refused(&running.cli(&["up", "--json"], ""), "no_profile", 5);

    let ali = locked(&world, "Ali", &[]);
    let _ = unlock(&ali, RIGHT).ok();
    let _ = ali.cli(&["lock"], "").ok();
    let whole = fs::read(ali.data_dir().join("key")).expect("a key file");
    let answer = ali.api().call("wipe", &Value::Null).expect("a locked node can be wiped");
    assert_eq!(answer["type"], "done");
    until("the node is gone", || ali.pid().is_none().then_some(()));
    assert!(!left(ali.data_dir()).iter().any(|name| name == "key" || name == "store"));

    // Cut off after the key: put back everything but the key, as a killed wipe leaves it.
    let cut = locked(&world, "Ali", &[]);
    let mut half = fs::read(cut.data_dir().join("key")).expect("a key file");
    assert_eq!(half.len(), whole.len());
    half[..8].copy_from_slice(b"KARVWIPE");
    fs::write(cut.data_dir().join("key"), &half).expect("a file can be written");
    refused(&cut.cli(&["up", "--json", "--passphrase-stdin"], RIGHT), "no_profile", 5);
    assert!(!left(cut.data_dir()).iter().any(|name| name == "key" || name == "store"));
    refused(&cut.cli(&["wipe", "--json"], ""), "usage", 2);
}

#[test]
fn another_passphrase_opens_another_profile_and_may_destroy_the_first() {
    let world = World::new(0);
    let ali = locked(&world, "Ali", &[]);
    let words = |owner: &str, new: &str| format!("{owner}\n{new}\n");
    let new = |name: &'static str, more: &[&'static str], words: &str| {
        let args = [&["profile", "new", "--name", name, "--passphrase-stdin", "--json"], more].concat();
        ali.cli(&args, words)
    };
    let _ = new("Vali", &[], &words(RIGHT, "second")).ok();
    refused(&new("Soli", &[], &words("second", "third")), "unavailable", 75);
    let _ = new("Soli", &["--destroys-others"], &words(RIGHT, "forced")).ok();
    assert_eq!(left(&ali.data_dir().join("store")).len(), 3);
    for (word, name) in [("second", "Vali"), (RIGHT, "Ali")] {
        let _ = unlock(&ali, word).ok();
        assert_eq!(ali.status()["name"], name);
        ali.down();
    }
    // One node, locked by one and opened by the other.
    let _ = unlock(&ali, RIGHT).ok();
    let _ = ali.cli(&["lock"], "").ok();
    let _ = unlock(&ali, "forced").ok();
    assert_eq!(ali.status()["name"], "Soli");
    ali.down();
    refused(&unlock(&ali, RIGHT), "wrong_passphrase", 6);
    refused(&unlock(&ali, "second"), "wrong_passphrase", 6);
    assert_eq!(left(&ali.data_dir().join("store")).len(), 1);
}

/// Every file below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of this test can be read");
    let paths = entries.map(|entry| entry.expect("an entry can be read").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The forms in which something is usually written: as text, as hexadecimal digits, as the bytes that such digits stand for.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut out = vec![secret.as_bytes().to_vec(), hex.into_bytes()];
    out.extend(data_encoding::HEXLOWER.decode(secret.as_bytes()));
    out
}

fn shown(folder: &Path, secret: &[u8]) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| {
        fs::read(path).is_ok_and(|bytes| bytes.windows(secret.len()).any(|part| part == secret))
    };
    files(folder).into_iter().filter(holds).collect()
}

#[test]
fn a_thief_with_the_disk_finds_no_names_texts_ids_or_addresses() {
    let world = World::new(2);
    let ali = locked(&world, "Ali-Zarafshon", &[0, 1]);
    let _ = unlock(&ali, RIGHT).ok();
    let bob = world.person("Bob-Pomir", &[1, 0]);
    bob.up();
    bob.meet(&ali);
    let texts = ["Фардо соати ҳафт, назди чойхона", "canary-in-a-short-text"];
    let mut secrets: Vec<String> = vec!["Zarafshon".to_owned(), "Pomir".to_owned(), RIGHT.to_owned()];
    for text in texts {
        secrets.push(text.to_owned());
        secrets.push(ali.send_wait("Bob-Pomir", text, "delivered"));
        secrets.push(bob.send_wait("Ali-Zarafshon", &format!("answer to {text}"), "delivered"));
    }
    let mut api = ali.api();
    let contacts = api.call("contacts", &Value::Null).expect("contacts");
    let doors = api.call("doors", &Value::Null).expect("doors");
    let mut raw: Vec<Vec<u8>> = Vec::new();
    secrets.extend(contacts["contacts"][0]["fingerprint"].as_str().map(str::to_owned));
    for door in doors["doors"].as_array().expect("a list") {
        secrets.extend(["relay", "addr"].map(|field| door[field].as_str().expect("a text").to_owned()));
        let addr: std::net::SocketAddrV4 =
            door["addr"].as_str().expect("a text").parse().expect("an address");
        raw.push([&addr.ip().octets()[..], &addr.port().to_be_bytes()].concat());
    }
    assert!(secrets.len() >= 12 && raw.len() == 2, "{secrets:?}");
    drop(api);
    // Also while it runs: a device is taken as it is.
    for state in ["running", "stopped"] {
        for secret in secrets.iter().flat_map(|secret| forms(secret)).chain(raw.clone()) {
            let found = shown(ali.data_dir(), &secret);
            assert!(found.is_empty(), "{state}: {:?} stands in {found:?}", String::from_utf8_lossy(&secret));
        }
        if state == "running" {
            ali.down();
        }
    }
    // The search can find.
    assert!(!shown(ali.data_dir(), b"KARVKEY").is_empty());
}

#[test]
fn a_backup_brings_everybody_back_on_a_new_device() {
    let world = World::new(3);
    let (ali, bob, eve) =
        (world.person("Ali", &[0, 1]), world.person("Bob", &[2, 1]), world.person("Eve", &[1, 0]));
    for person in [&ali, &bob, &eve] {
        person.up();
    }
    bob.meet(&ali);
    eve.meet(&ali);
    for number in 0..5 {
        for (person, name) in [(&bob, "Bob"), (&eve, "Eve")] {
            ali.send_wait(name, &format!("a{number}"), "delivered");
            person.send_wait("Ali", &format!("b{number}"), "delivered");
        }
    }
    let code = ali.cli(&["recovery-code", "--json"], "").ok().json();
    let code = code[0]["code"].as_str().expect("a code").to_owned();
    assert_eq!(code.chars().filter(char::is_ascii_digit).count(), 40);
    let file = world.place().path("ali.bak");
    let path = file.to_str().expect("UTF-8");
    let before = [ali.read("Bob"), ali.read("Eve")];
    let told = until("both contacts have given Ali a way back", || {
        let told = ali.cli(&["backup", path, "--json"], "").ok().json().remove(0);
        (told["unready"] == 0).then_some(told)
    });
    assert_eq!((&told["contacts"], &told["messages"]), (&json!(2), &json!(20)));
    ali.down();
    let _ = ali.cli(&["wipe", "--now"], "").ok();
    bob.send_wait("Ali", "while Ali has no device", "stored");
    // Eve is away when Ali comes back, and Bob is there.
    eve.down();

    let again = Person::nobody(world.place(), "Ali");
    let restore = |code: &str, path: &str| again.cli(&["restore", path, "--no-lock", "--json"], code);
    refused(&restore(&code.replace(' ', "").chars().rev().collect::<String>(), path), "wrong_code", 6);
    let mut bad = fs::read(&file).expect("a backup");
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    let damaged = world.place().path("damaged.bak");
    fs::write(&damaged, &bad).expect("a file can be written");
    refused(&restore(&code, damaged.to_str().expect("UTF-8")), "backup_damaged", 8);
    bad[7] = 200;
    fs::write(&damaged, &bad).expect("a file can be written");
    refused(&restore(&code, damaged.to_str().expect("UTF-8")), "backup_newer", 8);
    refused(&again.cli(&["status", "--json"], ""), "no_profile", 5);
    let told = restore(&code, path).ok().json();
    assert_eq!((&told[0]["contacts"], &told[0]["messages"]), (&json!(2), &json!(20)));
    refused(&restore(&code, path), "profile_exists", 1);

    again.up();
    let texts = |messages: &[karvon_tests::person::Message]| {
        messages.iter().map(|message| (message.id.clone(), message.text.clone())).collect::<Vec<_>>()
    };
    for (name, before) in ["Bob", "Eve"].into_iter().zip(&before) {
        let now = again.read(name);
        assert_eq!(texts(&now[..before.len()]), texts(before), "the same messages under the same ids");
    }
    for (person, name) in [(&bob, "Bob"), (&eve, "Eve")] {
        let up = Instant::now();
        person.up();
        let _ = again.send(name, "here I am again");
        let _ = person.send("Ali", "good to hear");
        again.receives(name, DEADLINE, |texts| texts.last().is_some_and(|text| text == "good to hear"));
        person.receives("Ali", DEADLINE, |texts| texts.last().is_some_and(|text| text == "here I am again"));
        println!("{name} and Ali talk again {:?} after both were up", up.elapsed());
    }
    let expected = ["b0", "b1", "b2", "b3", "b4", "while Ali has no device", "good to hear"];
    assert_eq!(again.received("Bob"), expected);
    again.send_wait("Eve", "and from now on", "delivered");
}

#[test]
fn a_torn_key_file_opens_and_a_damaged_one_says_so_and_loses_nothing() {
    let world = World::new(0);
    let ali = locked(&world, "Ali", &[]);
    let path = ali.data_dir().join("key");
    let good = fs::read(&path).expect("a key file");
    for damage in [0..100, 4_096..8_192] {
        let mut bad = good.clone();
        bad[damage].fill(0);
        fs::write(&path, &bad).expect("a file can be written");
        let _ = unlock(&ali, RIGHT).ok();
        assert_eq!(fs::read(&path).expect("a key file"), good, "the damaged copy is put right");
        ali.down();
    }
    fs::write(&path, &good[..100]).expect("a file can be written");
    let outcome = unlock(&ali, RIGHT);
    refused(&outcome, "store", 8);
    assert!(outcome.stderr.contains("key file is damaged"), "{outcome:?}");
    fs::write(&path, &good).expect("a file can be written");
    let _ = unlock(&ali, RIGHT).ok();
    assert_eq!(ali.status()["name"], "Ali");
}

#[test]
fn groups_and_channels_come_back_with_a_backup() {
    let world = World::new(3);
    let (ali, bob) = (world.person("Ali", &[0, 1]), world.person("Bob", &[2, 1]));
    for person in [&ali, &bob] {
        person.up();
    }
    bob.meet(&ali);
    ali.send_wait("Bob", "salom", "delivered");
    bob.send_wait("Ali", "salom", "delivered");
    let _ = ali.cli(&["group", "create", "Brigade", "--json"], "").ok();
    let _ = ali.cli(&["group", "invite", "Brigade", "Bob", "--json"], "").ok();
    let standing = |person: &Person| {
        let groups = person.cli(&["group", "list", "--json"], "").ok().json();
        groups
            .first()
            .map(|group| (group["standing"].clone(), group["role"].clone(), group["members"].clone()))
    };
    until("Bob is invited", || standing(&bob).filter(|(standing, ..)| standing == "invited").map(|_| ()));
    let _ = bob.cli(&["group", "accept", "Brigade", "--json"], "").ok();
    let both = |person: &Person, role: &str| {
        let wanted = (json!("in"), json!(role), json!(2));
        until("both are in", || (standing(person)? == wanted).then_some(()));
    };
    both(&ali, "owner");
    let _ = ali.cli(&["channel", "create", "Jobs", "--json"], "").ok();
    let link = ali.cli(&["channel", "link", "Jobs", "--json"], "").ok().json();
    let link = link[0]["link"].as_str().expect("a link").to_owned();
    let _ = bob.cli(&["channel", "follow", "--json"], &format!("{link}\n")).ok();
    let _ = ali.cli(&["channel", "post", "Jobs", "one", "--json"], "").ok();
    let newest = |person: &Person| {
        let channels = person.cli(&["channel", "list", "--json"], "").ok().json();
        channels.first().map(|channel| (channel["newest"].clone(), channel["forked"].clone()))
    };
    until("Bob has the first entry", || (newest(&bob)?.0 == 1).then_some(()));

    let code = ali.cli(&["recovery-code", "--json"], "").ok().json();
    let code = code[0]["code"].as_str().expect("a code").to_owned();
    let file = world.place().path("ali.bak");
    let path = file.to_str().expect("UTF-8");
    until("Bob has given Ali a way back", || {
        let told = ali.cli(&["backup", path, "--json"], "").ok().json().remove(0);
        (told["unready"] == 0).then_some(())
    });
    // The backup does not know of this one.
    let _ = ali.cli(&["channel", "post", "Jobs", "two", "--json"], "").ok();
    until("Bob has the second entry", || (newest(&bob)?.0 == 2).then_some(()));
    ali.down();
    let _ = ali.cli(&["wipe", "--now"], "").ok();

    let again = Person::nobody(world.place(), "Ali");
    let _ = again.cli(&["restore", path, "--no-lock", "--json"], &code).ok();
    again.up();
    both(&again, "owner");
    both(&bob, "member");
    for (person, other, text) in [(&again, &bob, "here I am again"), (&bob, &again, "good to hear")] {
        let _ = person.cli(&["send", "Brigade", text, "--wait", "delivered", "--json"], "").ok();
        let read = other.cli(&["read", "Brigade", "--json"], "").ok().json();
        assert!(read.iter().any(|message| message["text"] == text), "{read:?}");
    }
    until("Ali knows what was posted last, and goes on", || {
        let posted = again.cli(&["channel", "post", "Jobs", "three", "--json"], "");
        (posted.code == Some(0)).then_some(())
    });
    until("Bob has the third entry and no fork", || {
        (newest(&bob)? == (json!(3), json!(false))).then_some(())
    });
}
