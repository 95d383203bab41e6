//! What can be found in the memory of a node once it is locked: its process is searched as whoever seizes a running device would do.
#![cfg(target_os = "linux")]

use karvon_tests::person::Person;
use karvon_tests::until::{DEADLINE, until};
use karvon_tests::world::World;
use std::collections::BTreeSet;
use std::fs::{File, read_to_string};
use std::os::unix::fs::FileExt as _;

const PASSPHRASE: &str = "roi-az-memory-77";
const WORDS: [&str; 4] = [PASSPHRASE, "AliSought", "BobSought", "a text that is sought"];

/// Which of [`WORDS`] lie in the writable memory of a process; `None` if this user may not look.
fn found(pid: u32) -> Option<BTreeSet<&'static str>> {
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut found = BTreeSet::new();
    for line in read_to_string(format!("/proc/{pid}/maps")).ok()?.lines() {
        let mut fields = line.split_whitespace();
        let (Some(range), Some(rights)) = (fields.next(), fields.next()) else { continue };
        let ends = range
            .split_once('-')
            .map(|(from, to)| (u64::from_str_radix(from, 16), u64::from_str_radix(to, 16)));
        let Some((Ok(from), Ok(to))) = ends else { continue };
        if !rights.starts_with("rw") {
            continue;
        }
        let mut bytes = vec![0; (to - from) as usize];
        // A region may be gone again, or be one that nobody can read.
        if memory.read_exact_at(&mut bytes, from).is_err() {
            continue;
        }
        // The words are ASCII, which a lossy reading leaves as it is.
        let text = String::from_utf8_lossy(&bytes);
        found.extend(WORDS.into_iter().filter(|word| text.contains(word)));
    }
    Some(found)
}

#[test]
fn a_locked_node_has_neither_passphrase_nor_names_nor_texts_in_its_memory() {
    let world = World::new(1);
    let ali = Person::nobody(world.place(), "AliSought");
    let args = ["init", "--name", "AliSought", "--passphrase-stdin", "--door", world.relays[0].door()];
    let _ = ali.cli(&args, PASSPHRASE).ok();
    let bob = world.person("BobSought", &[0]);
    let _ = ali.cli(&["up", "--passphrase-stdin"], PASSPHRASE).ok();
    bob.up();
    bob.meet(&ali);
    bob.send_wait("AliSought", "a text that is sought", "delivered");
    ali.receives("BobSought", DEADLINE, |texts| texts == ["a text that is sought"]);
    ali.send_wait("BobSought", "a text that is sought, answered", "delivered");

    let pid = ali.pid().expect("it runs");
    let Some(open) = found(pid) else {
        assert!(std::env::var_os("CI").is_none(), "the memory of another process can not be read");
        return;
    };
    assert!(open.contains("BobSought"), "an open node knows its contacts: {open:?}");
    let _ = ali.cli(&["lock"], "").ok();
    until("nothing of it is left", || (found(pid)?.is_empty()).then_some(()));
    // Opened again and locked again, as on every other day.
    let _ = ali.cli(&["unlock", "--passphrase-stdin"], PASSPHRASE).ok();
    ali.receives("BobSought", DEADLINE, |texts| texts == ["a text that is sought"]);
    let _ = ali.cli(&["lock"], "").ok();
    until("nothing of it is left", || (found(pid)?.is_empty()).then_some(()));
    ali.down();
    bob.down();
}
