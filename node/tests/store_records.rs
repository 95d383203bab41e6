//! The store's contract for records, held by every kind of store; and what sled's files must not show or lose.
#![allow(clippy::unwrap_used)]

mod store_common;

use karvon_node::store::disk::Disk;
use karvon_node::store::memory::{Fault, MemoryDisk};
use karvon_node::store::{DataKey, MemoryStore, OpenError, Options, SledStore, Store, system_clock};
use karvon_protocol::core::{Key, Op, Range, Space, StoreFault};
use karvon_protocol::engine::api::ContactId;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use store_common::*;

const GROUP: [u8; 16] = [3; 16];

fn group(from: u64, to: u64, limit: usize, newest: bool) -> Range {
    Range::Group { space: Space::Trail, group: GROUP, from, to, limit, newest }
}

fn seqs(rows: &[(Key, Vec<u8>)]) -> Vec<u64> {
    rows.iter().map(|(key, _)| key.seq).collect()
}

fn files_under(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { out.extend(files_under(&path)) } else { out.push(path) }
    }
    out
}

#[test]
fn what_was_put_is_there_after_reopening_until_it_is_removed() {
    for place in Place::each(&Clock::at_hour(1)) {
        let (mut store, history) = place.open();
        let keys = [
            Key::single(Space::Meta, 1),
            Key::of(Space::Session, GROUP, 2),
            Key::of(Space::Session, [9; 16], 2),
        ];
        store.commit(&[batch(keys.iter().map(|key| put(*key, format!("{key:?}"))).collect())]).unwrap();
        drop((store, history));
        let (mut store, _) = place.open();
        for key in keys {
            assert_eq!(one(&mut *store, key).unwrap(), format!("{key:?}").into_bytes());
        }
        store.commit(&[batch(vec![Op::Remove(keys[1]), Op::Remove(Key::single(Space::Meta, 77))])]).unwrap();
        assert_eq!(one(&mut *store, keys[1]), None);
        assert_eq!(one(&mut *store, keys[2]).unwrap(), format!("{:?}", keys[2]).into_bytes());
    }
}

#[test]
fn a_group_is_read_in_order_from_either_end_and_within_bounds() {
    for place in Place::each(&Clock::at_hour(1)) {
        let (mut store, _) = place.open();
        // Beyond one byte and at the ends of the number range, where a wrong order of bytes would show.
        let numbers = [0, 1, 255, 256, 257, 65_536, u64::MAX - 1];
        let mut ops: Vec<Op> =
            numbers.iter().rev().map(|seq| put(Key::of(Space::Trail, GROUP, *seq), [1])).collect();
        ops.push(put(Key::of(Space::Trail, [4; 16], 5), [2]));
        ops.push(put(Key::of(Space::Sent, GROUP, 6), [3]));
        store.commit(&[batch(ops)]).unwrap();
        let mut read = |range| seqs(&load(&mut *store, range));
        assert_eq!(read(group(0, u64::MAX, 100, false)), numbers);
        assert_eq!(read(group(1, 257, 100, false)), [1, 255, 256]);
        assert_eq!(read(group(0, u64::MAX, 2, false)), [0, 1]);
        assert_eq!(read(group(0, u64::MAX, 2, true)), [u64::MAX - 1, 65_536]);
        assert_eq!(read(group(0, 256, 2, true)), [255, 1]);
        assert_eq!(read(group(5, 5, 9, false)), [0_u64; 0]);
        assert_eq!(read(group(9, 5, 9, true)), [0_u64; 0]);
        assert_eq!(read(group(0, 9, 0, true)), [0_u64; 0]);
    }
}

#[test]
fn a_space_is_read_whole_with_its_real_keys_in_order() {
    for place in Place::each(&Clock::at_hour(1)) {
        let (mut store, _) = place.open();
        let keys: Vec<Key> = (0..40).map(|n| Key::of(Space::Contact, [n * 5; 16], u64::from(n))).collect();
        store.commit(&[batch(keys.iter().rev().map(|key| put(*key, [key.group[0]])).collect())]).unwrap();
        store
            .commit(&[batch(vec![
                put(Key::single(Space::Door, 1), [1]),
                put(Key::single(Space::Session, 1), [1]),
            ])])
            .unwrap();
        let rows = load(&mut *store, Range::Space(Space::Contact));
        assert_eq!(rows.iter().map(|(key, _)| *key).collect::<Vec<_>>(), keys);
        assert!(rows.iter().all(|(key, value)| *value == [key.group[0]]));
        assert_eq!(load(&mut *store, Range::Space(Space::Invite)), []);
    }
}

#[test]
fn long_values_come_back_whole_and_leave_nothing_when_shortened_or_removed() {
    for place in Place::each(&Clock::at_hour(1)) {
        let (mut store, _) = place.open();
        let key = Key::of(Space::Trail, GROUP, 5);
        let long = |len: usize| (0..len).map(|n| (n / 7) as u8).collect::<Vec<u8>>();
        for len in [0, 1, 64, 65, 4_095, 4_096, 4_097, 61_440, 300_000] {
            store.commit(&[batch(vec![put(key, long(len))])]).unwrap();
            assert_eq!(one(&mut *store, key).unwrap(), long(len), "{len} bytes");
        }
        let next = Key::of(Space::Trail, GROUP, 6);
        store
            .commit(&[batch(vec![put(next, long(9_000)), put(key, long(8_193)), put(key, long(10))])])
            .unwrap();
        assert_eq!(one(&mut *store, key).unwrap(), long(10));
        for newest in [false, true] {
            let rows = load(&mut *store, group(0, 100, 100, newest));
            assert_eq!(rows.len(), 2, "chunks are not records");
            assert!(rows.contains(&(next, long(9_000))));
        }
        assert_eq!(load(&mut *store, Range::Space(Space::Trail)).len(), 2);
        store.commit(&[batch(vec![Op::Remove(next), Op::Remove(key)])]).unwrap();
        assert_eq!(load(&mut *store, Range::Space(Space::Trail)), []);
    }
}

#[test]
fn the_last_change_of_a_key_in_a_batch_counts() {
    for place in Place::each(&Clock::at_hour(1)) {
        let (mut store, _) = place.open();
        let [a, b] = [1, 2].map(|seq| Key::single(Space::Meta, seq));
        store
            .commit(&[batch(vec![put(a, [1]), Op::Remove(a), put(a, [2]), put(b, [1]), Op::Remove(b)])])
            .unwrap();
        assert_eq!((one(&mut *store, a), one(&mut *store, b)), (Some(vec![2]), None));
        store
            .commit(&[batch(vec![put(a, [3])]), batch(vec![Op::Remove(a)]), batch(vec![put(a, [4])])])
            .unwrap();
        assert_eq!(one(&mut *store, a), Some(vec![4]));
    }
}

#[test]
fn a_batch_larger_than_sleds_buffers_is_one_commit() {
    let place = Place::sled(&Clock::at_hour(1));
    let (mut store, history) = place.open();
    let ops = (0..800).map(|seq| put(Key::of(Space::Trail, GROUP, seq), vec![seq as u8; 3_000])).collect();
    store.commit(&[batch(ops)]).unwrap();
    drop((store, history));
    let (mut store, _) = place.open();
    assert_eq!(load(&mut *store, group(0, u64::MAX, usize::MAX, false)).len(), 800);
}

#[test]
fn files_show_neither_values_nor_groups() {
    let place = Place::sled(&Clock::at_hour(1));
    let (mut store, history) = place.open();
    let value = b"a text nobody else may read";
    let group = *b"a group's number";
    let ops = (0..50).map(|seq| put(Key::of(Space::Sent, group, seq), value.repeat(4))).collect();
    store.commit(&[batch(ops)]).unwrap();
    let Place::Sled { dir, .. } = &place else { return };
    let files = files_under(dir.path());
    assert!(files.iter().any(|file| file.ends_with("kv/db")));
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        for secret in [&value[..], &group] {
            assert!(!bytes.windows(secret.len()).any(|found| found == secret), "{}", file.display());
        }
    }
    drop((store, history));
}

#[test]
fn zeros_as_group_are_blinded_as_well() {
    let place = Place::sled(&Clock::at_hour(1));
    let (mut store, _history) = place.open();
    store.commit(&[batch(vec![put(Key::single(Space::Contact, 0x1122_3344_5566_7788), [1])])]).unwrap();
    let Place::Sled { dir, .. } = &place else { return };
    let files = files_under(&dir.path().join("store"));
    assert!(files.iter().any(|file| file.ends_with("store/journal")));
    let mut plain = vec![Space::Contact as u8];
    plain.extend_from_slice(&[0; 16]);
    plain.extend_from_slice(&0x1122_3344_5566_7788_u64.to_be_bytes());
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(plain.len()).any(|found| found == plain), "{}", file.display());
    }
}

#[test]
fn every_commit_syncs_the_journal_and_a_new_store_its_directories() {
    let dir = tempfile::tempdir().unwrap();
    let key = DataKey::generate().unwrap();
    let options = Options { disk: Disk::default(), ..Options::leaf() };
    let mut store = SledStore::create(&dir.path().join("store"), &key, &options).unwrap();
    let made = options.disk.syncs();
    assert!(made >= 7, "journal, conf, log, blobs, the store's two directories and their parent: {made}");
    // The first record of its kind has a key made for it.
    store.commit(&[batch(vec![put(Key::single(Space::Meta, 1), [1])])]).unwrap();
    let made = options.disk.syncs();
    for n in 1..=3 {
        store
            .commit(&[
                batch(vec![put(Key::single(Space::Meta, n), [1])]),
                batch(vec![put(Key::single(Space::Meta, 9), [1])]),
            ])
            .unwrap();
        assert_eq!(options.disk.syncs(), made + n, "one sync for the whole group");
    }
    store.commit(&[batch(Vec::new())]).unwrap();
    assert_eq!(options.disk.syncs(), made + 3, "nothing to sync");
}

#[test]
fn after_a_failed_sync_nothing_is_written_or_synced_again() {
    let dir = tempfile::tempdir().unwrap();
    let key = DataKey::generate().unwrap();
    let options = Options::leaf();
    let mut store = SledStore::create(&dir.path().join("store"), &key, &options).unwrap();
    let key_of = |n| Key::single(Space::Meta, n);
    store.commit(&[batch(vec![put(key_of(1), [1])])]).unwrap();
    options.disk.fail_sync(1);
    assert_eq!(store.commit(&[batch(vec![put(key_of(2), [1])])]), Err(StoreFault::Io));
    let syncs = options.disk.syncs();
    assert_eq!(store.commit(&[batch(vec![put(key_of(3), [1])])]), Err(StoreFault::Io));
    assert_eq!(store.load(&Range::One(key_of(1))), Err(StoreFault::Io));
    assert_eq!(options.disk.syncs(), syncs, "no second try");
    drop(store);
    let mut store = SledStore::open(&dir.path().join("store"), &key, &options).unwrap();
    assert_eq!(one(&mut store, key_of(1)), Some(vec![1]));
    assert_eq!(one(&mut store, key_of(3)), None);
}

#[test]
fn opening_tells_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("store");
    let (key, options) = (DataKey::generate().unwrap(), Options::leaf());
    assert!(matches!(SledStore::open(&dir, &key, &options), Err(OpenError::Missing)));
    let store = SledStore::create(&dir, &key, &options).unwrap();
    assert!(matches!(SledStore::open(&dir, &key, &options), Err(OpenError::InUse)));
    assert!(matches!(SledStore::create(&dir, &key, &options), Err(OpenError::InUse)));
    let history = store.history();
    drop(store);
    assert!(matches!(SledStore::open(&dir, &key, &options), Err(OpenError::InUse)), "a reader is left");
    drop(history);
    assert!(matches!(SledStore::create(&dir, &key, &options), Err(OpenError::Exists)));
    let other = DataKey::generate().unwrap();
    assert!(matches!(SledStore::open(&dir, &other, &options), Err(OpenError::WrongKey)));
    SledStore::open(&dir, &key, &options).unwrap();
}

#[test]
fn a_store_whose_making_was_interrupted_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (key, options) = (DataKey::generate().unwrap(), Options::leaf());
    std::fs::create_dir_all(dir.path().join("kv.new/blobs")).unwrap();
    std::fs::write(dir.path().join("kv.new/conf"), b"torn").unwrap();
    assert!(matches!(SledStore::open(dir.path(), &key, &options), Err(OpenError::Missing)));
    SledStore::create(dir.path(), &key, &options).unwrap();
}

#[test]
fn a_log_that_has_grown_far_beyond_its_content_shrinks_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let (key, options) = (
        DataKey::generate().unwrap(),
        Options { small_log_bytes: 8 << 20, journal_bytes: 0, ..Options::leaf() },
    );
    let mut store = SledStore::create(dir.path(), &key, &options).unwrap();
    let log = dir.path().join("kv/db");
    // Rewritten records among ones that stay, as with ratchets and messages.
    let mut n = 0_u64;
    while log.metadata().unwrap().len() <= 8 << 20 {
        let ops = (0..40).flat_map(|_| {
            n += 1;
            [
                put(Key::of(Space::Sent, GROUP, n), [n as u8; 60]),
                put(Key::of(Space::Session, [n as u8 % 32; 16], 0), vec![n as u8; 4_000]),
            ]
        });
        let batches: Vec<_> = ops.collect::<Vec<_>>().chunks(2).map(|ops| batch(ops.to_vec())).collect();
        store.commit(&batches).unwrap();
    }
    let rows =
        |store: &mut SledStore| [Space::Sent, Space::Session].map(|space| load(store, Range::Space(space)));
    let before = rows(&mut store);
    assert_eq!(before[0].len() as u64, n);
    drop(store);
    let mut store = SledStore::open(dir.path(), &key, &options).unwrap();
    assert!(log.metadata().unwrap().len() < 4 << 20, "{}", log.metadata().unwrap().len());
    assert_eq!(rows(&mut store), before);
    store.commit(&[batch(vec![put(Key::single(Space::Meta, 1), [1])])]).unwrap();
    drop(store);
    let mut store = SledStore::open(dir.path(), &key, &options).unwrap();
    assert_eq!(one(&mut store, Key::single(Space::Meta, 1)), Some(vec![1]));
}

#[test]
fn a_damaged_store_is_moved_aside_and_nothing_of_it_is_deleted() {
    // A log that lost its content; a log overwritten from its start.
    for damage in [Vec::new(), vec![0x5a; 600_000]] {
        let dir = tempfile::tempdir().unwrap();
        let (key, options) = (DataKey::generate().unwrap(), Options::leaf());
        let mut store = SledStore::create(dir.path(), &key, &options).unwrap();
        store.commit(&[batch(vec![put(Key::single(Space::Meta, 1), [1])])]).unwrap();
        drop(store);
        std::fs::write(dir.path().join("kv/db"), &damage).unwrap();
        for file in files_under(&dir.path().join("kv")) {
            if file.file_name().unwrap().to_string_lossy().starts_with("snap.") {
                std::fs::remove_file(file).unwrap();
            }
        }
        let refused = SledStore::open(dir.path(), &key, &options).err().unwrap();
        let OpenError::Quarantined { moved_to, .. } = &refused else { panic!("{refused}") };
        for file in ["db", "conf", "journal"] {
            assert!(moved_to.join(file).exists(), "{file}");
        }
        assert!(refused.to_string().contains("kv.quarantine-"), "{refused}");
        assert!(matches!(SledStore::open(dir.path(), &key, &options), Err(OpenError::Missing)));
    }
}

#[test]
fn a_journal_that_lost_what_was_durable_is_told_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (key, options) = (DataKey::generate().unwrap(), Options::leaf());
    let mut store = SledStore::create(dir.path(), &key, &options).unwrap();
    for n in 0..9 {
        store.commit(&[batch(vec![put(Key::single(Space::Meta, n), vec![1; 500])])]).unwrap();
    }
    drop(store);
    let journal = dir.path().join("journal");
    let mut rotten = std::fs::read(&journal).unwrap();
    rotten[1_000] ^= 1;
    std::fs::write(&journal, &rotten).unwrap();
    let refused = SledStore::open(dir.path(), &key, &options).err().unwrap();
    let OpenError::Quarantined { moved_to, .. } = &refused else { panic!("{refused}") };
    assert!(refused.to_string().contains("its journal is damaged"), "{refused}");
    assert_eq!(std::fs::read(moved_to.join("journal")).unwrap(), rotten);
    // Cut off while it was moved aside, and the damage was the disk's mood: everything is in its place again.
    rotten[1_000] ^= 1;
    std::fs::rename(moved_to, dir.path().join("kv")).unwrap();
    std::fs::write(dir.path().join("kv/journal"), &rotten).unwrap();
    let mut store = SledStore::open(dir.path(), &key, &options).unwrap();
    assert_eq!(load(&mut store, Range::Space(Space::Meta)).len(), 9);
}

#[test]
fn records_are_the_same_before_and_after_sled_took_them_over() {
    let dir = tempfile::tempdir().unwrap();
    let (key, options) = (DataKey::generate().unwrap(), Options { journal_bytes: 6_000, ..Options::leaf() });
    let mut store = SledStore::create(dir.path(), &key, &options).unwrap();
    let mut expected = BTreeMap::new();
    for n in 0..400_u64 {
        let key_of = |n: u64| Key::of(Space::Trail, GROUP, n);
        let value = vec![n as u8; (n as usize * 37) % 5_000];
        let mut ops = vec![put(key_of(n % 97), value.clone())];
        expected.insert(n % 97, value);
        if n % 3 == 0 {
            ops.push(Op::Remove(key_of(n * 7 % 97)));
            expected.remove(&(n * 7 % 97));
        }
        store.commit(&[batch(ops)]).unwrap();
        if n % 50 == 0 {
            store.tidy().unwrap();
        }
        if n % 80 == 0 {
            drop(store);
            store = SledStore::open(dir.path(), &key, &options).unwrap();
        }
        let rows = load(&mut store, group(0, u64::MAX, usize::MAX, false));
        let rows: Vec<_> = rows.into_iter().map(|(key, value)| (key.seq, value)).collect();
        assert_eq!(rows, expected.clone().into_iter().collect::<Vec<_>>(), "after commit {n}");
    }
    assert!(
        std::fs::metadata(dir.path().join("journal")).unwrap().len() <= 256 << 10,
        "it is used again and again"
    );
}

#[test]
fn a_fault_of_the_memory_store_leaves_what_a_disk_would() {
    let disk = MemoryDisk::default();
    let mut store = MemoryStore::open(&disk, system_clock());
    let key = |n| Key::single(Space::Meta, n);
    disk.inject(Fault { nth_commit: 2, fault: StoreFault::Full, kept: 1, cells_kept: true });
    store.commit(&[batch(vec![put(key(1), [1])])]).unwrap();
    let cell = cell(karvon_protocol::cell::Class::S, 1);
    let torn = vec![put(key(3), [1]), append(1, 1, u64::MAX >> 2, &cell)];
    assert_eq!(store.commit(&[batch(vec![put(key(2), [1])]), batch(torn)]), Err(StoreFault::Full));
    assert_eq!(
        store.commit(&[batch(vec![put(key(4), [1])])]),
        Err(StoreFault::Full),
        "nothing more is written"
    );
    let mut store = MemoryStore::open(&disk, system_clock());
    let there: Vec<bool> = (1..=4).map(|n| one(&mut store, key(n)).is_some()).collect();
    assert_eq!(there, [true, true, false, false]);
    assert_eq!(load(&mut store, cells(1, 0, 1)).len(), 1, "cells come first");
}

#[test]
fn history_pages_through_a_conversation_with_late_messages() {
    for place in Place::each(&Clock::at_hour(1)) {
        let (mut store, history) = place.open();
        let contact = ContactId(7);
        let group = contact.group();
        // Own 1..=60 and theirs 1..=60 in turn; theirs 20..=25 come only after everything else, 40 after 50, in one batch with it.
        let (mut position, mut expected) = (0, Vec::new());
        let mut write = |store: &mut dyn Store, rows: &[(bool, u64)]| {
            let mut ops = Vec::new();
            for (mine, seq) in rows {
                position += 1;
                let space = if *mine { Space::Sent } else { Space::Received };
                ops.push(message(space, group, *seq, position));
                expected.push((position, *mine, *seq));
            }
            store.commit(&[batch(ops)]).unwrap();
        };
        for n in 1..=60 {
            write(&mut *store, &[(true, n)]);
            match n {
                20..=25 | 40 => {}
                50 => write(&mut *store, &[(false, 50), (false, 40)]),
                n => write(&mut *store, &[(false, n)]),
            }
        }
        write(&mut *store, &(20..=25).map(|n| (false, n)).collect::<Vec<_>>());
        // Another conversation must not show.
        store.commit(&[batch(vec![message(Space::Sent, ContactId(8).group(), 1, 5)])]).unwrap();
        for limit in [1, 3, 7, 200] {
            let (mut pages, mut before) = (Vec::new(), None);
            loop {
                let page = history.page(contact, before, limit).unwrap();
                let Some(oldest) = page.first() else { break };
                before = Some(oldest.message.position);
                assert!(page.len() <= limit);
                pages.splice(0..0, page);
            }
            let shown = |entry: &karvon_node::store::Entry| (entry.message.position, entry.mine, entry.seq);
            assert_eq!(pages.iter().map(shown).collect::<Vec<_>>(), expected, "backwards by {limit}");
            let (mut forth, mut after) = (Vec::new(), 0);
            loop {
                let page = history.after(contact, after, limit).unwrap();
                let Some(newest) = page.last() else { break };
                after = newest.message.position;
                forth.extend(page);
            }
            assert_eq!(forth.iter().map(shown).collect::<Vec<_>>(), expected, "forwards by {limit}");
        }
        let found = history.one(contact, false, 22).unwrap().unwrap();
        assert_eq!(found.message.body.as_slice(), b"Received 22");
        assert_eq!(history.one(contact, true, 61).unwrap(), None);
        assert_eq!(history.page(ContactId(9), None, 5).unwrap(), []);
        // A removed message is skipped, also one that came late.
        store
            .commit(&[batch(vec![
                Op::Remove(Key::of(Space::Received, group, 22)),
                Op::Remove(Key::of(Space::Sent, group, 60)),
            ])])
            .unwrap();
        assert_eq!(history.page(contact, None, 500).unwrap().len(), expected.len() - 2);
    }
}

#[test]
fn history_reads_while_the_store_writes() {
    let place = Place::sled(&Clock::at_hour(1));
    let (mut store, history) = place.open();
    let contact = ContactId(1);
    let done = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    std::thread::scope(|scope| {
        let seen = done.clone();
        let reader = history.clone();
        scope.spawn(move || {
            loop {
                let stored = seen.load(std::sync::atomic::Ordering::SeqCst);
                let page = reader.page(contact, None, 5).unwrap();
                let newest = page.last().map_or(0, |entry| entry.seq);
                assert!(newest >= stored, "what is stored is shown: {newest} of {stored}");
                assert!(page.windows(2).all(|two| two[0].seq + 1 == two[1].seq));
                if stored == 300 {
                    break;
                }
            }
        });
        for seq in 1..=300 {
            store.commit(&[batch(vec![message(Space::Sent, contact.group(), seq, seq)])]).unwrap();
            done.store(seq, std::sync::atomic::Ordering::SeqCst);
        }
    });
}

/// Space, group, number, and the length of what is put there, or none to remove it.
type Change = (u8, u8, u64, Option<usize>);

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<Vec<Change>>),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let len = prop_oneof![8 => 0..300_usize, 1 => 4_000..14_000_usize];
    let op = (0..3_u8, 0..3_u8, 0..6_u64, prop::option::weighted(0.7, len));
    let batches = prop::collection::vec(prop::collection::vec(op, 0..6), 1..4);
    prop::collection::vec(prop_oneof![6 => batches.prop_map(Step::Commit), 1 => Just(Step::Reopen)], 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_behaves_like_a_map_across_reopening(steps in steps()) {
        const SPACES: [Space; 3] = [Space::Session, Space::Trail, Space::OutCell];
        for place in Place::each(&Clock::at_hour(1)) {
            let mut model: BTreeMap<Key, Vec<u8>> = BTreeMap::new();
            let mut open = Some(place.open());
            for (number, step) in steps.iter().enumerate() {
                match step {
                    Step::Reopen => {
                        drop(open.take());
                        open = Some(place.open());
                    }
                    Step::Commit(batches) => {
                        let batches: Vec<_> = batches.iter().map(|ops| batch(ops.iter().map(|(space, group, seq, len)| {
                            let key = Key::of(SPACES[usize::from(*space)], [*group; 16], *seq);
                            match len {
                                Some(len) => {
                                    model.insert(key, vec![number as u8; *len]);
                                    put(key, vec![number as u8; *len])
                                }
                                None => {
                                    model.remove(&key);
                                    Op::Remove(key)
                                }
                            }
                        }).collect())).collect();
                        open.as_mut().unwrap().0.commit(&batches).unwrap();
                    }
                }
            }
            let (store, _) = open.as_mut().unwrap();
            for space in SPACES {
                let expected: Vec<_> = model.iter().filter(|(key, _)| key.space == space).map(|(key, value)| (*key, value.clone())).collect();
                prop_assert_eq!(load(&mut **store, Range::Space(space)), expected);
                for group in 0..3_u8 {
                    let range = Range::Group { space, group: [group; 16], from: 1, to: 5, limit: 3, newest: true };
                    let mut expected: Vec<_> = model.range(Key::of(space, [group; 16], 1)..Key::of(space, [group; 16], 5)).map(|(key, value)| (*key, value.clone())).collect();
                    expected.reverse();
                    expected.truncate(3);
                    prop_assert_eq!(load(&mut **store, range), expected);
                }
            }
        }
    }
}
