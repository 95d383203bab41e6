//! What is said and who says it is on no disk in the clear, in no log, and in no file that others may open.
#![cfg(unix)]

use karvon_tests::world::World;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Every file below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of this test can be read");
    let paths = entries.map(|entry| entry.expect("an entry can be read").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

/// The files below `folder` that contain `canary`, in the forms in which a text is usually written.
fn leaks(folder: &Path, canary: &str) -> Vec<PathBuf> {
    let escaped: String = canary.chars().map(|letter| format!("\\u{:04x}", letter as u32)).collect();
    let hex: String = canary.bytes().map(|byte| format!("{byte:02x}")).collect();
    let shows = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap_or_default();
        [canary, &escaped, &hex].iter().any(|form| contains(&bytes, form))
    };
    files(folder).into_iter().filter(shows).collect()
}

#[test]
fn names_and_texts_are_in_no_file_of_a_person_or_relay() {
    let world = World::new(3);
    let (ali, bob) = (world.person("Ali-Zarafshon", &[0, 1]), world.person("Bob-Pomir", &[2, 1]));
    ali.up();
    bob.up();
    bob.meet(&ali);
    let texts = ["Фардо соати ҳафт, назди чойхона", "canary-in-a-short-text"];
    for text in texts {
        ali.send_wait("Bob-Pomir", text, "delivered");
    }
    // One that stays in the outbox and at relays.
    bob.down();
    let waiting = "canary-that-waits-at-the-relays";
    ali.send_wait("Bob-Pomir", waiting, "stored");
    ali.down();

    let root = world.place().path("");
    for canary in texts.into_iter().chain([waiting, "Zarafshon", "Pomir"]) {
        let found = leaks(&root, canary);
        assert!(found.is_empty(), "{canary} stands in {found:?}");
    }
}

#[test]
fn a_persons_files_belong_to_that_person_alone() {
    let world = World::new(1);
    let ali = world.person("Ali", &[0]);
    ali.up();
    ali.online();
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(ali.data_dir()), 0o700);
    let (_, socket) = karvon_tests::api::node_file(ali.data_dir()).expect("a node runs");
    assert_eq!(mode(&socket) & 0o077, 0, "{}", socket.display());
    for path in files(ali.data_dir()) {
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn a_leak_would_be_found() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    fs::write(folder.path().join("a"), "x canary y").expect("a file can be written");
    fs::write(folder.path().join("b"), "63616e617279").expect("a file can be written");
    assert_eq!(leaks(folder.path(), "canary").len(), 2);
    assert!(leaks(folder.path(), "sparrow").is_empty());
}
