//! What was removed stays removed: whoever copies the files afterwards, and even has the key and every byte from before, reads it no more.
#![allow(clippy::unwrap_used)]

mod store_common;

use karvon_node::store::{DataKey, Options, SledStore, Store};
use karvon_protocol::core::{Key, Op, Range, Space};
use std::path::Path;
use store_common::*;

const ALI: [u8; 16] = [1; 16];
const BOB: [u8; 16] = [2; 16];

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { _ = std::fs::copy(&path, &target).unwrap() }
    }
}

fn options() -> Options {
    Options { cache_bytes: 1 << 20, ..Options::leaf() }
}

fn open(dir: &Path, key: &DataKey) -> SledStore {
    SledStore::open(dir, key, &options()).unwrap()
}

/// Numbers of the messages of a conversation that can be read.
fn readable(store: &mut SledStore, group: [u8; 16]) -> Vec<u64> {
    let all =
        Range::Group { space: Space::Sent, group, from: 0, to: u64::MAX, limit: usize::MAX, newest: false };
    load(store, all).iter().map(|(key, _)| key.seq).collect()
}

fn session(store: &mut SledStore) -> Option<Vec<u8>> {
    one(store, Key::single(Space::Session, 1))
}

/// A store with two conversations of five messages and a session.
fn filled(dir: &Path, key: &DataKey) -> SledStore {
    let mut store = SledStore::create(dir, key, &options()).unwrap();
    for n in 1..=5 {
        let ops = [ALI, BOB].map(|group| put(Key::of(Space::Sent, group, n), format!("text {n}")));
        store.commit(&[batch(ops.to_vec())]).unwrap();
    }
    store.commit(&[batch(vec![put(Key::single(Space::Session, 1), "old ratchet")])]).unwrap();
    store
}

/// Removes one message of the first conversation and the whole second one, and moves the session on.
fn remove(store: &mut SledStore) {
    let mut ops = vec![Op::Remove(Key::of(Space::Sent, ALI, 3))];
    ops.extend((1..=5).map(|n| Op::Remove(Key::of(Space::Sent, BOB, n))));
    ops.push(put(Key::single(Space::Session, 1), "new ratchet"));
    store.commit(&[batch(ops)]).unwrap();
}

/// The records of `before` as somebody reads them who has the key and the keyring of `after`.
fn attack(before: &Path, after: &Path, key: &DataKey) -> (Vec<u64>, Vec<u64>, Option<Vec<u8>>) {
    let dir = tempfile::tempdir().unwrap();
    copy(before, dir.path());
    for name in ["ring", "ring.key"] {
        _ = std::fs::copy(after.join(name), dir.path().join(name)).unwrap();
    }
    let mut store = open(dir.path(), key);
    let (ali, bob) = (readable(&mut store, ALI), readable(&mut store, BOB));
    // A record of state without its key is taken for damage.
    let state = store.load(&Range::One(Key::single(Space::Session, 1))).unwrap();
    (ali, bob, state.first().map(|(_, value)| value.to_vec()))
}

#[test]
fn a_later_copy_opens_no_byte_of_what_was_removed_before() {
    let base = tempfile::tempdir().unwrap();
    let [live, before, after] = ["live", "before", "after"].map(|name| base.path().join(name));
    let key = DataKey::generate().unwrap();
    drop(filled(&live, &key));
    copy(&live, &before);
    let all = vec![1, 2, 3, 4, 5];
    assert_eq!(
        attack(&before, &before, &key),
        (all.clone(), all, Some(b"old ratchet".to_vec())),
        "the attack works"
    );

    let mut store = open(&live, &key);
    remove(&mut store);
    drop(store);
    copy(&live, &after);
    let (ali, bob, old) = attack(&before, &after, &key);
    assert!(!ali.contains(&3) && bob.is_empty() && old.is_none(), "{ali:?} {bob:?} {old:?}");

    let mut store = open(&live, &key);
    assert_eq!(readable(&mut store, ALI), [1, 2, 4, 5], "what was not removed is all there");
    assert_eq!(readable(&mut store, BOB), Vec::<u64>::new());
    assert_eq!(session(&mut store), Some(b"new ratchet".to_vec()));
}

#[test]
fn a_store_that_was_killed_throws_away_at_its_next_end_what_was_removed_before() {
    let base = tempfile::tempdir().unwrap();
    let [live, before, killed] = ["live", "before", "killed"].map(|name| base.path().join(name));
    let key = DataKey::generate().unwrap();
    drop(filled(&live, &key));
    copy(&live, &before);
    let mut store = open(&live, &key);
    remove(&mut store);
    // What a killed process leaves: everything but what its end would have done.
    copy(&live, &killed);
    let (ali, ..) = attack(&before, &killed, &key);
    assert!(ali.contains(&3), "it was not yet thrown away");
    drop(open(&killed, &key));
    let (ali, bob, old) = attack(&before, &killed, &key);
    assert!(!ali.contains(&3) && bob.is_empty() && old.is_none(), "{ali:?} {bob:?} {old:?}");
    assert_eq!(readable(&mut open(&killed, &key), ALI), [1, 2, 4, 5]);
}

#[test]
fn a_message_that_was_changed_leaves_no_readable_old_text() {
    let base = tempfile::tempdir().unwrap();
    let [live, before] = ["live", "before"].map(|name| base.path().join(name));
    let key = DataKey::generate().unwrap();
    let mut store = filled(&live, &key);
    store.commit(&[batch(vec![put(Key::of(Space::Sent, ALI, 2), vec![7; 9_000])])]).unwrap();
    drop(store);
    copy(&live, &before);
    let mut store = open(&live, &key);
    store.commit(&[batch(vec![put(Key::of(Space::Sent, ALI, 2), "taken back")])]).unwrap();
    drop(store);
    assert!(!attack(&before, &live, &key).0.contains(&2));
    assert_eq!(one(&mut open(&live, &key), Key::of(Space::Sent, ALI, 2)), Some(b"taken back".to_vec()));
}
