//! Without any relay, cells travel in bundle files: everything arrives once, receipts come back, and what is for others is left alone.

mod world;

use karvon_protocol::bundle_file::{self, Carried};
use karvon_protocol::cell::Cell;
use karvon_protocol::core::{Range, Space};
use karvon_protocol::engine::api::{Command, ContactId, Reply};
use karvon_protocol::engine::courier::Unpacked;
use karvon_protocol::error::ErrorKind;
use world::{Host, World};

/// Three people who know each other; then all relays are gone.
fn cut_off(seed: u64) -> (World, [(ContactId, ContactId); 2]) {
    let mut world = World::with(seed, 3, &[("Ali", &[0, 1]), ("Bob", &[1, 2]), ("Zarina", &[0, 2])]);
    let pairs = [world.meet(0, 1), world.meet(0, 2)];
    world.send(0, pairs[0].0, "by relay");
    world.run_ms(60_000);
    for relay in 0..3 {
        world.crash(Host::Relay(relay));
    }
    world.run_ms(1_000);
    (world, pairs)
}

/// A bundle file with everything that waits at `person`, and how many texts found no place.
fn export(world: &mut World, person: usize, only: Option<ContactId>) -> (Vec<u8>, u64) {
    let mut waiting = 0;
    for _ in 0..20 {
        waiting = match world.ask(person, Command::Pack(only)) {
            Ok(Reply::Packed { waiting }) => waiting,
            other => panic!("{other:?}"),
        };
    }
    let rows = world.people[person].node.disk.load(&Range::Space(Space::OutCell));
    let of = |group: &[u8; 16]| only.is_none_or(|only| only.group() == *group);
    let cells = rows
        .iter()
        .filter(|(key, _)| of(&key.group))
        .map(|(_, value)| Carried { cell: Cell::parse(value.to_vec()).expect("a cell"), until_day: 30_000 });
    (bundle_file::encode(cells.collect()).expect("it fits"), waiting)
}

fn import(world: &mut World, person: usize, file: &[u8]) -> Unpacked {
    let cells = bundle_file::decode(file).expect("a bundle file").into_iter().map(|carried| carried.cell);
    match world.ask(person, Command::Unpack(cells.collect())) {
        Ok(Reply::Unpacked(done)) => done,
        other => panic!("{other:?}"),
    }
}

#[test]
fn texts_and_receipts_travel_by_file_and_taking_one_again_changes_nothing() {
    let (mut world, [(bob, ali), _]) = cut_off(81);
    for text in ["first", "second", "third"] {
        world.send(0, bob, text);
    }
    world.run_ms(10_000);
    let (there, waiting) = export(&mut world, 0, None);
    assert_eq!(waiting, 0);
    let done = import(&mut world, 1, &there);
    assert!(done.opened > 0 && done.known + done.refused == 0 && done.foreign.is_empty(), "{done:?}");
    assert_eq!(world.received(1, ali), ["by relay", "first", "second", "third"]);
    assert_eq!(world.delivered_below(0, bob), 2, "nobody has told yet");
    for _ in 0..2 {
        let again = import(&mut world, 1, &there);
        assert_eq!((again.opened, again.refused, again.foreign.len()), (0, 0, 0), "{again:?}");
        assert_eq!(again.known, done.opened);
    }
    world.send(1, ali, "answer");
    let (back, _) = export(&mut world, 1, Some(ali));
    assert!(import(&mut world, 0, &back).opened > 0);
    assert_eq!(world.delivered_below(0, bob), 5);
    assert_eq!(world.received(0, bob), ["answer"]);
    // The network comes back: nothing comes twice, and what the file told is not asked again.
    for relay in 0..3 {
        world.start(Host::Relay(relay));
    }
    world.send(0, bob, "by relay again");
    world.run_ms(600_000);
    assert_eq!(world.received(1, ali), ["by relay", "first", "second", "third", "by relay again"]);
    assert_eq!(world.received(0, bob), ["answer"]);
    assert_eq!((world.faults(0), world.faults(1)), (0, 0));
}

#[test]
fn a_file_that_got_lost_costs_nothing_but_time() {
    let (mut world, [(bob, ali), _]) = cut_off(82);
    world.send(0, bob, "one");
    let (lost, _) = export(&mut world, 0, None);
    world.crash(Host::Person(0));
    world.start(Host::Person(0));
    world.run_ms(2_000);
    world.send(0, bob, "two");
    let (second, _) = export(&mut world, 0, None);
    assert!(second.len() >= lost.len());
    assert!(import(&mut world, 1, &second).opened >= 2);
    assert_eq!(world.received(1, ali), ["by relay", "one", "two"]);
    // The receipt gets lost as well; the same file, taken again, makes another one.
    drop(export(&mut world, 1, None));
    world.crash(Host::Person(1));
    world.start(Host::Person(1));
    world.run_ms(2_000);
    assert_eq!(import(&mut world, 1, &second).opened, 0);
    let (receipt, _) = export(&mut world, 1, None);
    import(&mut world, 0, &receipt);
    assert_eq!(world.delivered_below(0, bob), 4);
    assert_eq!(import(&mut world, 1, &lost).opened, 0, "it turned up after all");
    assert_eq!(world.received(1, ali), ["by relay", "one", "two"]);
}

#[test]
fn what_is_for_others_is_named_and_stays_as_it_was() {
    let (mut world, [(bob, ali), (zarina, _)]) = cut_off(83);
    world.send(0, bob, "for Bob");
    world.send(0, zarina, "for Zarina");
    let (both, _) = export(&mut world, 0, None);
    let all = bundle_file::decode(&both).expect("a bundle file");
    let done = import(&mut world, 2, &both);
    assert!(done.opened > 0 && !done.foreign.is_empty(), "{done:?}");
    assert_eq!(done.opened as usize + done.foreign.len(), all.len());
    // Zarina carries the rest on to Bob.
    let rest = done.foreign.iter().map(|place| all[*place as usize].clone()).collect();
    let carried = import(&mut world, 1, &bundle_file::encode(rest).expect("it fits"));
    assert_eq!((carried.refused, carried.foreign.len()), (0, 0), "{carried:?}");
    assert_eq!(world.received(1, ali), ["by relay", "for Bob"]);
    // A file for one contact holds nothing for the other.
    let (only, _) = export(&mut world, 0, Some(zarina));
    assert_eq!(import(&mut world, 1, &only).foreign.len(), bundle_file::decode(&only).expect("a file").len());
    assert_eq!(world.ask(0, Command::Pack(Some(ContactId(99)))).unwrap_err(), ErrorKind::NoSuchContact);
}

#[test]
fn a_cell_that_was_bent_on_its_way_is_refused_and_comes_with_the_next_file() {
    let (mut world, [(bob, ali), _]) = cut_off(84);
    world.send(0, bob, "whole");
    let (file, _) = export(&mut world, 0, Some(bob));
    let bent: Vec<Carried> = bundle_file::decode(&file)
        .expect("a bundle file")
        .into_iter()
        .map(|mut carried| {
            let mut bytes = carried.cell.bytes().to_vec();
            *bytes.last_mut().expect("a byte") ^= 1;
            carried.cell = Cell::parse(bytes).expect("it looks like a cell");
            carried
        })
        .collect();
    let count = bent.len() as u32;
    let done = import(&mut world, 1, &bundle_file::encode(bent).expect("it fits"));
    assert_eq!((done.opened, done.refused), (0, count));
    assert_eq!(import(&mut world, 1, &file).opened, count);
    assert_eq!(world.received(1, ali), ["by relay", "whole"]);
}

#[test]
fn more_than_the_tags_that_relays_know_waits_for_a_network() {
    let (mut world, [(bob, ali), _]) = cut_off(85);
    let texts: Vec<String> = (0..500).map(|n| format!("{n} {}", "x".repeat(7_500))).collect();
    for text in &texts {
        world.send(0, bob, text);
    }
    let (file, waiting) = export(&mut world, 0, Some(bob));
    assert!(waiting > 0 && waiting < 500, "{waiting}");
    import(&mut world, 1, &file);
    let (receipt, _) = export(&mut world, 1, Some(ali));
    import(&mut world, 0, &receipt);
    assert_eq!(world.received(1, ali)[1..], texts[..500 - waiting as usize]);
    assert_eq!(world.delivered_below(0, bob), 502 - waiting);
    assert_eq!(export(&mut world, 0, Some(bob)).1, waiting, "an answer by file brings no new tags");
    for relay in 0..3 {
        world.start(Host::Relay(relay));
    }
    world.run_ms(900_000);
    assert_eq!(world.received(1, ali)[1..], texts[..]);
    assert_eq!(world.delivered_below(0, bob), 502);
}
