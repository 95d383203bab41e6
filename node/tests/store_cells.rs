//! A relay's cells: the contract, damage, and disk space that comes back.
#![allow(clippy::unwrap_used)]

mod store_common;

use karvon_node::store::segments::SegmentStats;
use karvon_node::store::{DataKey, Options, SledStore, Store};
use karvon_protocol::cell::Class;
use karvon_protocol::core::{CellIndex, Key, Op, Range, Space, StoreFault};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use store_common::*;
use tempfile::TempDir;

/// A relay's store that is opened again and again.
struct Relay {
    dir: TempDir,
    key: DataKey,
    options: Options,
    clock: Clock,
}

impl Relay {
    fn new() -> (Self, SledStore) {
        let clock = Clock::at_hour(490_000);
        let options = Options { clock: clock.wall(), cache_bytes: 1 << 20, ..Options::relay() };
        let relay =
            Self { dir: tempfile::tempdir().unwrap(), key: DataKey::generate().unwrap(), options, clock };
        let store = SledStore::create(relay.dir.path(), &relay.key, &relay.options).unwrap();
        (relay, store)
    }

    fn open(&self) -> SledStore {
        SledStore::open(self.dir.path(), &self.key, &self.options).unwrap()
    }

    fn month(&self) -> u64 {
        self.clock.now() + 30 * 86_400
    }

    fn segments(&self) -> Vec<PathBuf> {
        let mut out: Vec<_> = std::fs::read_dir(self.dir.path().join("cells"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            // Beside a closed file lies its index, which may go at any time.
            .filter(|path| path.extension().is_none_or(|extension| extension != "idx"))
            .collect();
        out.sort();
        out
    }

    fn bytes_on_disk(&self) -> u64 {
        self.segments().iter().map(|path| path.metadata().unwrap().len()).sum()
    }
}

fn stats(store: &SledStore) -> SegmentStats {
    store.cell_stats().unwrap()
}

fn tidy(store: &mut dyn Store) {
    while store.tidy().unwrap() {}
}

fn seqs(store: &mut dyn Store, mailbox: u8) -> Vec<u64> {
    load(store, cells(mailbox, 0, usize::MAX)).iter().map(|(key, _)| key.seq).collect()
}

#[test]
fn cells_are_read_by_mailbox_in_order_and_within_bytes() {
    let clock = Clock::at_hour(490_000);
    for place in Place::each(&clock) {
        let (mut store, _) = place.open();
        let [s, m] = [cell(Class::S, 1), cell(Class::M, 2)];
        let until = clock.now() + 100;
        store
            .commit(&[batch(vec![
                append(1, 5, until, &s),
                append(1, 300, until, &m),
                append(1, 6, until, &s),
                append(2, 1, until, &m),
            ])])
            .unwrap();
        let mut read = |from, bytes_max| {
            load(&mut *store, cells(1, from, bytes_max)).iter().map(|(key, _)| key.seq).collect::<Vec<_>>()
        };
        assert_eq!(read(0, usize::MAX), [5, 6, 300]);
        assert_eq!(read(0, 4_096), [5, 6]);
        assert_eq!(read(0, 4_095), [5]);
        assert_eq!(read(6, 0), [6], "at least one");
        assert_eq!(read(7, 1), [300]);
        assert_eq!(read(301, 1), [0_u64; 0]);
        assert_eq!(
            load(&mut *store, cells(1, 300, 1)),
            [(Key::of(Space::RelayCell, [1; 16], 300), m.bytes().to_vec())]
        );
        assert_eq!(load(&mut *store, cells(3, 0, usize::MAX)), []);
        store.commit(&[batch(vec![drop_cell(1, 6), drop_cell(1, 999)])]).unwrap();
        assert_eq!(seqs(&mut *store, 1), [5, 300]);
        clock.wait_hours(1);
        assert_eq!(seqs(&mut *store, 1), [0_u64; 0], "past their expiry");
        assert_eq!(load(&mut *store, Range::CellIndex), []);
    }
}

#[test]
fn the_index_rebuilt_from_the_files_equals_the_one_that_was_kept() {
    let (relay, mut store) = Relay::new();
    for hour in 0..6_u64 {
        let ops = (0..40).map(|n| {
            append(
                n as u8 % 5,
                hour * 40 + n,
                relay.month() + n,
                &cell(Class::ALL[n as usize % 2], hour * 40 + n),
            )
        });
        store.commit(&[batch(ops.collect())]).unwrap();
        store.commit(&[batch((0..30).map(|n| drop_cell(n as u8 % 5, hour * 40 + n)).collect())]).unwrap();
        relay.clock.wait_hours(1);
        tidy(&mut store);
    }
    let kept = load(&mut store, Range::CellIndex);
    assert_eq!(kept.len(), 60);
    let (key, value) = &kept[0];
    let index = CellIndex::decode(value).unwrap();
    let expected = cell(Class::ALL[key.seq as usize % 40 % 2], key.seq);
    assert_eq!(
        (index.hash, index.prefix, index.class),
        (expected.hash().0, expected.tag().prefix().0, expected.class() as u8)
    );
    let contents: Vec<_> = (0..5).map(|mailbox| load(&mut store, cells(mailbox, 0, usize::MAX))).collect();
    drop(store);
    let mut store = relay.open();
    assert_eq!(load(&mut store, Range::CellIndex), kept);
    assert_eq!(
        (0..5).map(|mailbox| load(&mut store, cells(mailbox, 0, usize::MAX))).collect::<Vec<_>>(),
        contents
    );
    assert_eq!((stats(&store).damaged, stats(&store).cut_bytes), (0, 0));
}

#[test]
fn a_torn_end_is_cut_off_and_writing_goes_on_behind_the_last_whole_cell() {
    let (relay, mut store) = Relay::new();
    for n in 0..3 {
        store.commit(&[batch(vec![append(1, n, relay.month(), &cell(Class::S, n))])]).unwrap();
    }
    drop(store);
    let path = relay.segments().pop().unwrap();
    let whole = std::fs::read(&path).unwrap();
    // Torn in the last frame; garbage behind it, as after a power cut that kept the length but not the data.
    for (torn, left) in [(whole[..whole.len() - 700].to_vec(), 2), ([&whole[..], &[0; 5_000]].concat(), 3)] {
        std::fs::write(&path, &torn).unwrap();
        let mut store = relay.open();
        assert_eq!(seqs(&mut store, 1), (0..left).collect::<Vec<_>>());
        assert!(stats(&store).cut_bytes > 0);
        assert_eq!(stats(&store).damaged, 0);
        store.commit(&[batch(vec![append(1, 9, relay.month(), &cell(Class::S, 9))])]).unwrap();
        drop(store);
        let mut store = relay.open();
        assert_eq!(seqs(&mut store, 1), (0..left).chain([9]).collect::<Vec<_>>());
        assert_eq!(stats(&store).cut_bytes, 0);
    }
}

#[test]
fn a_flipped_byte_costs_one_cell_and_is_counted() {
    let (relay, mut store) = Relay::new();
    for n in 0..5 {
        store.commit(&[batch(vec![append(1, n, relay.month(), &cell(Class::S, n))])]).unwrap();
    }
    let path = relay.segments().pop().unwrap();
    let good = std::fs::read(&path).unwrap();
    let frame = (good.len() - 20) / 5;
    // In the payload, in the marker, in the length of the third frame; in the file's own head.
    for (at, lost) in [
        (20 + frame * 2 + 1_000, Some(2)),
        (20 + frame * 2 + 3, Some(2)),
        (20 + frame * 2 + 9, Some(2)),
        (9, None),
    ] {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        std::fs::write(&path, &bad).unwrap();
        let expected: Vec<u64> = (0..5).filter(|n| Some(*n) != lost).collect();
        if at == 20 + frame * 2 + 1_000 {
            assert_eq!(seqs(&mut store, 1), expected, "found when it is read back");
            assert_eq!(stats(&store).damaged, 1);
            drop(store);
            store = relay.open();
        } else {
            drop(store);
            store = relay.open();
        }
        assert_eq!(seqs(&mut store, 1), expected, "byte {at}");
        assert_eq!(stats(&store).damaged, u64::from(lost.is_some()));
    }
}

#[test]
fn a_frame_hidden_inside_a_cell_is_never_taken_for_one() {
    let (relay, mut store) = Relay::new();
    store.commit(&[batch(vec![append(1, 1, relay.month(), &cell(Class::S, 1))])]).unwrap();
    let path = relay.segments().pop().unwrap();
    let known = std::fs::read(&path).unwrap()[20..].to_vec();
    // Somebody who has a frame of another file hides it in the cells deposited here.
    let (other, mut store) = Relay::new();
    let mut bytes = cell(Class::M, 2).bytes().to_vec();
    bytes[100..100 + known.len()].copy_from_slice(&known);
    let hiding = karvon_protocol::cell::Cell::parse(bytes).unwrap();
    store
        .commit(&[batch(vec![
            append(2, 2, other.month(), &hiding),
            append(2, 3, other.month(), &cell(Class::S, 3)),
        ])])
        .unwrap();
    drop(store);
    let path = other.segments().pop().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[22] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let mut store = other.open();
    assert_eq!((seqs(&mut store, 1), seqs(&mut store, 2)), (vec![], vec![3]));
}

#[test]
fn expired_and_dropped_cells_give_their_space_back() {
    let (relay, mut store) = Relay::new();
    let fill = |store: &mut SledStore, from: u64, expiry_s: u64| {
        let ops = (from..from + 200).map(|n| append(1, n, expiry_s, &cell(Class::M, n))).collect();
        store.commit(&[batch(ops)]).unwrap();
    };
    fill(&mut store, 0, relay.clock.now() + 3_600);
    relay.clock.wait_hours(1);
    fill(&mut store, 200, relay.month());
    relay.clock.wait_hours(1);
    fill(&mut store, 400, relay.month());
    assert_eq!(relay.segments().len(), 3);
    tidy(&mut store);
    assert_eq!(relay.segments().len(), 2, "the expired hour is gone");
    // Of the second hour one in ten stays: they move on, and the file goes.
    store.commit(&[batch((200..400).filter(|n| n % 10 != 0).map(|n| drop_cell(1, n)).collect())]).unwrap();
    tidy(&mut store);
    assert_eq!(relay.segments().len(), 2, "too young to be rewritten");
    relay.clock.wait_hours(2);
    tidy(&mut store);
    assert_eq!(stats(&store).cells, 220);
    assert!(relay.bytes_on_disk() < 17_000 * 225, "{}", relay.bytes_on_disk());
    let left: Vec<u64> = (200..400).filter(|n| n % 10 == 0).chain(400..600).collect();
    assert_eq!(seqs(&mut store, 1), left);
    drop(store);
    let mut store = relay.open();
    assert_eq!(seqs(&mut store, 1), left);
    assert_eq!(load(&mut store, cells(1, 390, 1))[0].1, cell(Class::M, 390).bytes());
}

#[test]
fn a_removal_outlives_the_file_it_was_written_to() {
    let (relay, mut store) = Relay::new();
    let ops = (0..20).map(|n| append(1, n, relay.month(), &cell(Class::S, n))).collect();
    store.commit(&[batch(ops)]).unwrap();
    relay.clock.wait_hours(1);
    // This file holds only removals of cells in the first one, which stays because most of it lives.
    store.commit(&[batch(vec![drop_cell(1, 0), drop_cell(1, 1)])]).unwrap();
    relay.clock.wait_hours(1);
    store.commit(&[batch(vec![append(2, 1, relay.month(), &cell(Class::S, 50))])]).unwrap();
    let second = relay.segments()[1].clone();
    tidy(&mut store);
    assert!(!second.exists());
    drop(store);
    let mut store = relay.open();
    assert_eq!(seqs(&mut store, 1), (2..20).collect::<Vec<_>>());
    // The same number again is another cell, which the old removal does not touch.
    store.commit(&[batch(vec![append(1, 0, relay.month(), &cell(Class::S, 60))])]).unwrap();
    drop(store);
    assert_eq!(seqs(&mut relay.open(), 1)[0], 0);
}

#[test]
fn a_clock_set_back_does_not_mix_up_the_order() {
    let (relay, mut store) = Relay::new();
    relay.clock.wait_hours(5);
    store.commit(&[batch(vec![append(1, 1, relay.month(), &cell(Class::S, 1))])]).unwrap();
    drop(store);
    let back = Clock::at_hour(relay.clock.now() / 3_600 - 3);
    let options = Options { clock: back.wall(), ..relay.options.clone() };
    let mut store = SledStore::open(relay.dir.path(), &relay.key, &options).unwrap();
    store.commit(&[batch(vec![drop_cell(1, 1), append(1, 2, relay.month(), &cell(Class::S, 2))])]).unwrap();
    drop(store);
    assert_eq!(seqs(&mut relay.open(), 1), [2]);
}

#[test]
fn cells_are_synced_before_the_records_of_their_batch() {
    let (relay, mut store) = Relay::new();
    let until = relay.month();
    let one_of_each =
        |n| batch(vec![put(Key::single(Space::RelayMeta, n), [1]), append(1, n, until, &cell(Class::S, n))]);
    store.commit(&[one_of_each(1)]).unwrap();
    let before = relay.options.disk.syncs();
    store.commit(&[one_of_each(2), one_of_each(3)]).unwrap();
    assert_eq!(relay.options.disk.syncs(), before + 2, "one for cells, one for records");
    store.commit(&[batch(vec![append(1, 4, until, &cell(Class::S, 4))])]).unwrap();
    assert_eq!(relay.options.disk.syncs(), before + 3, "no records, no sync of the log");
    relay.options.disk.fail_sync(1);
    assert_eq!(store.commit(&[one_of_each(5)]), Err(StoreFault::Io));
    drop(store);
    let mut store = relay.open();
    assert_eq!(
        one(&mut store, Key::single(Space::RelayMeta, 5)),
        None,
        "the record did not get ahead of its cell"
    );
    assert_eq!(load(&mut store, Range::Space(Space::RelayMeta)).len(), 3);
}

#[test]
fn a_store_without_cells_refuses_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SledStore::create(dir.path(), &DataKey::generate().unwrap(), &Options::leaf()).unwrap();
    assert_eq!(store.commit(&[batch(vec![append(1, 1, 1, &cell(Class::S, 1))])]), Err(StoreFault::Io));
}

#[derive(Debug, Clone)]
enum Step {
    Append(u8, u64, u64),
    Drop(u8, u64),
    Wait(u64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3_u8, 0..12_u64, 1..10_u64).prop_map(|(mailbox, seq, hours)| Step::Append(mailbox, seq, hours)),
        6 => (0..3_u8, 0..12_u64).prop_map(|(mailbox, seq)| Step::Drop(mailbox, seq)),
        2 => (1..4_u64).prop_map(Step::Wait),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cells_behave_like_a_map_with_expiry(steps in prop::collection::vec(step(), 1..80)) {
        let (relay, store) = Relay::new();
        let mut store = Some(store);
        let mut model: BTreeMap<(u8, u64), (u64, u64)> = BTreeMap::new();
        for (number, step) in steps.into_iter().enumerate() {
            let number = number as u64;
            let mut commit = |op: Op| store.as_mut().unwrap().commit(&[batch(vec![op])]).unwrap();
            match step {
                Step::Append(mailbox, seq, hours) => {
                    let expiry_s = relay.clock.now() + hours * 3_600;
                    commit(append(mailbox, seq, expiry_s, &cell(Class::S, number)));
                    model.insert((mailbox, seq), (expiry_s, number));
                }
                Step::Drop(mailbox, seq) => {
                    commit(drop_cell(mailbox, seq));
                    model.remove(&(mailbox, seq));
                }
                Step::Wait(hours) => {
                    relay.clock.wait_hours(hours);
                    tidy(store.as_mut().unwrap());
                    model.retain(|_, (expiry_s, _)| *expiry_s > relay.clock.now());
                }
                Step::Reopen => {
                    drop(store.take());
                    store = Some(relay.open());
                }
            }
        }
        let store = store.as_mut().unwrap();
        for mailbox in 0..3_u8 {
            let found: Vec<_> = load(store, cells(mailbox, 0, usize::MAX)).into_iter().map(|(key, value)| (key.seq, value)).collect();
            let expected: Vec<_> = model.range((mailbox, 0)..=(mailbox, u64::MAX)).map(|((_, seq), (_, number))| (*seq, cell(Class::S, *number).bytes().to_vec())).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
