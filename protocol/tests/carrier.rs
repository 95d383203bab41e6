//! Neighbours on one local network carry cells for each other: whoever is never near the other gets everything once, and receipts come back.

mod world;

use karvon_protocol::bundle_file::Carried;
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::core::{Range, Space};
use karvon_protocol::engine::api::{Command, ContactId, MessageState, Reply, TrailEvent};
use karvon_protocol::engine::carrier::{CarryCommand, CarryReply};
use karvon_protocol::error::ErrorKind;
use karvon_protocol::ids::CellHash;
use proptest::prelude::*;
use world::neighbours::{
    Ends, ROOM, brave, brave_hand, bring, carry, fetch, made_up, meet, offers, status, visit,
};
use world::{Host, World};

const ALI: usize = 0;
const BOB: usize = 1;
const ZARINA: usize = 2;

/// Three people who know each other; then all relays are gone.
fn cut_off(seed: u64) -> (World, Ends) {
    let mut world = World::with(seed, 3, &[("Ali", &[0, 1]), ("Bob", &[1, 2]), ("Zarina", &[0, 2])]);
    let mut ends = vec![vec![ContactId(0); 3]; 3];
    for (a, b) in [(ALI, BOB), (BOB, ZARINA), (ALI, ZARINA)] {
        world.meet(a, b);
        world.run_ms(20_000);
        let mut last = |person: usize| world.contacts(person).last().expect("a contact").id;
        (ends[a][b], ends[b][a]) = (last(a), last(b));
    }
    world.send(ALI, ends[ALI][ZARINA], "by relay");
    world.run_ms(60_000);
    (0..3).for_each(|relay| world.crash(Host::Relay(relay)));
    world.run_ms(1_000);
    (world, ends)
}

fn trail(world: &mut World, person: usize, contact: ContactId, seq: u64) -> (MessageState, Vec<TrailEvent>) {
    let row = world.row(person, contact, true, seq);
    match world.ask(person, Command::Message(row.id)) {
        Ok(Reply::Message { state, trail, .. }) => (state, trail.into_iter().map(|step| step.what).collect()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn whoever_is_never_there_at_the_same_time_is_reached_through_a_neighbour_and_answers() {
    let (mut world, ends) = cut_off(201);
    let (zarina, ali) = (ends[ALI][ZARINA], ends[ZARINA][ALI]);
    world.send(ALI, zarina, "in the morning");
    world.send(ALI, zarina, "in the morning too");
    assert!(visit(&mut world, &ends, ALI, BOB) > 0);
    // The first one is acknowledged already; what was handed to a neighbour is neither stored nor delivered.
    let (state, steps) = trail(&mut world, ALI, zarina, 2);
    assert_eq!(state, MessageState::Queued);
    assert!(steps.contains(&TrailEvent::Carried) && !steps.contains(&TrailEvent::Near), "{steps:?}");
    assert!(status(&mut world, BOB).1 > 0);
    assert_eq!(world.received(ZARINA, ali), ["by relay"]);
    // The neighbour's device is switched off in between.
    world.crash(Host::Person(BOB));
    world.start(Host::Person(BOB));
    world.run_ms(1_000);
    visit(&mut world, &ends, BOB, ZARINA);
    assert_eq!(world.received(ZARINA, ali), ["by relay", "in the morning", "in the morning too"]);
    world.send(ZARINA, ali, "in the evening");
    assert_eq!(trail(&mut world, ALI, zarina, 2).0, MessageState::Queued, "nobody has told");
    visit(&mut world, &ends, BOB, ZARINA);
    visit(&mut world, &ends, ALI, BOB);
    assert_eq!(world.delivered_below(ALI, zarina), 4);
    assert_eq!(world.received(ALI, zarina), ["in the evening"]);
    let (state, steps) = trail(&mut world, ALI, zarina, 2);
    assert_eq!(state, MessageState::Delivered);
    assert_eq!(steps.last(), Some(&TrailEvent::Delivered));
    // All that is left is that everybody carries the same.
    let more: usize =
        (0..3).map(|_| visit(&mut world, &ends, ALI, BOB) + visit(&mut world, &ends, BOB, ZARINA)).sum();
    assert!(more < 20, "it comes to rest: {more}");
    // Relays are back: nothing comes twice, and both can talk.
    (0..3).for_each(|relay| world.start(Host::Relay(relay)));
    world.run_ms(60_000);
    world.send(ALI, zarina, "by relay again");
    world.run_ms(900_000);
    assert_eq!(
        world.received(ZARINA, ali),
        ["by relay", "in the morning", "in the morning too", "by relay again"]
    );
    assert_eq!(world.received(ALI, zarina), ["in the evening"]);
    assert_eq!(world.delivered_below(ALI, zarina), 5);
    assert_eq!([ALI, BOB, ZARINA].map(|person| world.faults(person)), [0; 3]);
}

/// Ali is near Bob, Bob near Zarina, and back; Bob's device may die at any time, and comes back.
fn there_and_back(world: &mut World, ends: &Ends) {
    for (a, b) in [(ALI, BOB), (BOB, ZARINA), (BOB, ZARINA), (ALI, BOB)] {
        brave_visit(world, ends, a, b);
    }
}

/// As [`visit`], and whoever died is switched on again: sessions are formed anew, and nobody remembers what was said in the old ones.
fn brave_visit(world: &mut World, ends: &Ends, a: usize, b: usize) {
    for _ in 0..3 {
        for person in [a, b] {
            if !world.is_up(Host::Person(person)) {
                world.start(Host::Person(person));
                world.run_ms(500);
            }
        }
        world.run_ms(6_000);
        for (from, to) in [(a, b), (b, a)] {
            // An answer that never came, because its device died, ends the visit.
            let _ = brave_hand(world, ends, from, to);
        }
    }
}

/// Three texts go by Bob; `who` dies at a batch. Returns how many batches that device wrote.
fn by_hand(who: usize, crash: Option<(u64, bool)>) -> u64 {
    let (mut world, ends) = cut_off(202);
    let (zarina, ali) = (ends[ALI][ZARINA], ends[ZARINA][ALI]);
    let before = world.batches_of(Host::Person(who));
    world.crash_at = crash.map(|(nth, keep)| (Host::Person(who), before + nth, keep));
    for text in ["one", "two", "three"] {
        world.send(ALI, zarina, text);
        world.run_ms(1_000);
    }
    there_and_back(&mut world, &ends);
    let written = world.batches_of(Host::Person(who)).saturating_sub(before);
    if crash.is_some() {
        assert_eq!(world.crash_at, None, "it died");
        // Whatever was lost on the way goes again.
        there_and_back(&mut world, &ends);
    }
    assert_eq!(world.received(ZARINA, ali), ["by relay", "one", "two", "three"], "{who} {crash:?}");
    assert_eq!(world.delivered_below(ALI, zarina), 5, "{who} {crash:?}");
    assert_eq!([ALI, BOB, ZARINA].map(|person| world.faults(person)), [0; 3], "{who} {crash:?}");
    written
}

#[test]
fn a_device_that_dies_at_any_of_its_batches_loses_nothing_it_said_it_has() {
    for (who, least) in [(BOB, 4), (ZARINA, 4)] {
        let batches = by_hand(who, None);
        assert!(batches >= least, "{who}: {batches}");
        for nth in 1..=batches {
            for keep in [false, true] {
                by_hand(who, Some((nth, keep)));
            }
        }
    }
}

fn bent(cell: &Carried) -> Carried {
    let mut bytes = cell.cell.bytes().to_vec();
    *bytes.last_mut().expect("a byte") ^= 1;
    Carried { cell: Cell::parse(bytes).expect("it looks like a cell"), until_day: cell.until_day }
}

#[test]
fn a_hostile_neighbour_fills_its_own_share_and_makes_nobody_speak() {
    let (mut world, ends) = cut_off(203);
    let (zarina, ali) = (ends[ALI][ZARINA], ends[ZARINA][ALI]);
    world.send(ALI, zarina, "through a flood");
    assert!(visit(&mut world, &ends, ALI, BOB) > 0);
    let of_ali = status(&mut world, BOB).1;
    // Zarina floods Bob: half of his room is hers, and what Ali brought stays.
    meet(&mut world, &ends, BOB, ZARINA);
    let flood: Vec<_> = (0..600).map(|n| made_up(n, Class::S)).collect();
    let room = 800_000;
    let kept = bring(&mut world, BOB, ends[BOB][ZARINA], &flood, room);
    assert_eq!(kept, room / 2 / Class::S.bytes());
    assert_eq!(status(&mut world, BOB).1, of_ali + kept as u64);
    let large: Vec<_> = (0..20).map(|n| made_up(n, Class::L)).collect();
    assert_eq!(
        bring(&mut world, BOB, ends[BOB][ZARINA], &large, room),
        0,
        "not at the cost of what she brought before"
    );
    // With less room than before, whoever brought most gives way.
    assert_eq!(bring(&mut world, BOB, ends[BOB][ZARINA], &[made_up(1_000, Class::S)], 100_000), 0);
    // Unasked, of the past, without room, after it is off, or from nobody near: nothing.
    let unasked =
        CarryCommand::Brought { contact: ends[BOB][ZARINA], cells: vec![made_up(2_000, Class::S)], room };
    assert!(matches!(carry(&mut world, BOB, unasked), Ok(CarryReply::Names(kept)) if kept.is_empty()));
    let old = Carried { until_day: 3, ..made_up(2_001, Class::S) };
    assert_eq!(bring(&mut world, BOB, ends[BOB][ZARINA], &[old], room), 0);
    assert_eq!(bring(&mut world, BOB, ends[BOB][ZARINA], &[made_up(2_002, Class::S)], 0), 0);
    let far = CarryCommand::Offers(ends[BOB][ALI]);
    assert!(matches!(carry(&mut world, BOB, far), Err(ErrorKind::NoSuchContact)));
    // Names that were never offered fetch nothing, and each that was is fetched once.
    let names = offers(&mut world, BOB, ends[BOB][ZARINA]);
    assert_eq!(names.len() as u64, of_ali, "not her own");
    let never =
        fetch(&mut world, BOB, ends[BOB][ZARINA], flood.iter().map(|one| one.cell.hash()).take(64).collect());
    assert!(never.is_empty());
    let cells = fetch(&mut world, BOB, ends[BOB][ZARINA], names.clone());
    assert_eq!(cells.len(), names.len());
    assert!(fetch(&mut world, BOB, ends[BOB][ZARINA], names).is_empty());
    // Whoever carries a cell bends copies of it before and after it is opened: Zarina answers once in an hour at the most.
    let sent = |world: &World| world.people[ZARINA].node.disk.load(&Range::Space(Space::OutCell)).len();
    let copies: Vec<_> = cells.iter().map(bent).collect();
    bring(&mut world, ZARINA, ends[ZARINA][BOB], &copies, ROOM);
    assert_eq!(world.received(ZARINA, ali), ["by relay"]);
    bring(&mut world, ZARINA, ends[ZARINA][BOB], &cells, ROOM);
    assert_eq!(world.received(ZARINA, ali), ["by relay", "through a flood"]);
    world.run_ms(1_000);
    let (before, next) = (sent(&world), cells.iter().map(|one| bent(&bent(one))).collect::<Vec<_>>());
    for n in 0..20_u8 {
        let again: Vec<_> = next
            .iter()
            .map(|one| {
                let mut bytes = one.cell.bytes().to_vec();
                bytes[40] ^= n + 1;
                Carried { cell: Cell::parse(bytes).expect("a cell"), until_day: one.until_day }
            })
            .collect();
        bring(&mut world, ZARINA, ends[ZARINA][BOB], &again, ROOM);
        world.run_ms(100_000);
    }
    assert!(sent(&world) <= before + 1, "{} cells for copies", sent(&world) - before);
    assert_eq!(world.received(ZARINA, ali), ["by relay", "through a flood"]);
    // More names than are remembered of one neighbour in an hour are not asked for.
    let mut wanted = 0;
    for round in 0..300_u64 {
        let names = (0..64).map(|n| {
            CellHash::from_slice(&[&[9; 8][..], &(round * 64 + n).to_be_bytes()].concat()).expect("16 bytes")
        });
        let offered = CarryCommand::Offered(ends[ZARINA][BOB], names.collect());
        match carry(&mut world, ZARINA, offered) {
            Ok(CarryReply::Offered { wanted: more, .. }) => wanted += more.len(),
            other => panic!("{other:?}"),
        }
    }
    assert!(wanted <= 16_384, "{wanted}");
    // Off: what neighbours brought is gone, and nothing passes.
    assert!(carry(&mut world, BOB, CarryCommand::Switch(false)).is_ok());
    assert_eq!(status(&mut world, BOB), (false, 0, 0));
    assert_eq!(bring(&mut world, BOB, ends[BOB][ZARINA], &flood[..1], room), 0);
    assert!(offers(&mut world, BOB, ends[BOB][ZARINA]).is_empty());
    world.crash(Host::Person(BOB));
    world.start(Host::Person(BOB));
    world.run_ms(1_000);
    assert_eq!(status(&mut world, BOB), (false, 0, 0));
    assert!(carry(&mut world, BOB, CarryCommand::Switch(true)).is_ok());
    assert!(status(&mut world, BOB).0);
}

#[test]
fn what_came_in_files_is_handed_to_neighbours_and_ends_when_its_time_is_over() {
    let (mut world, ends) = cut_off(204);
    let today = ((world::WALL_MS + world.now / 1_000) / 86_400_000) as u32;
    let cells: Vec<_> = [(1, 5), (2, 90)]
        .map(|(n, days)| Carried { until_day: today + days, ..made_up(n, Class::M) })
        .to_vec();
    let take = CarryCommand::Take { cells: cells.clone(), room: ROOM };
    for (carried, known) in [(2, 0), (0, 2)] {
        match carry(&mut world, BOB, take.clone()) {
            Ok(CarryReply::Taken { carried: new, known: old, dropped: 0 }) => {
                assert_eq!((new, old), (carried, known))
            }
            other => panic!("{other:?}"),
        }
    }
    // Off is about neighbours: what came in files stays for the next file.
    assert!(carry(&mut world, BOB, CarryCommand::Switch(false)).is_ok());
    assert_eq!(status(&mut world, BOB).1, 2);
    assert!(carry(&mut world, BOB, CarryCommand::Switch(true)).is_ok());
    visit(&mut world, &ends, BOB, ZARINA);
    let rows = |world: &mut World, person| match carry(world, person, CarryCommand::All) {
        Ok(CarryReply::Rows(rows)) => rows.iter().map(|row| row.until_day - today).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let mut there = rows(&mut world, ZARINA);
    there.sort_unstable();
    assert_eq!(there, [5, 30], "no longer than thirty days from now");
    world.clock_off_ms.insert(ZARINA, 6 * 86_400_000);
    assert_eq!(rows(&mut world, ZARINA).len(), 1);
    world.crash(Host::Person(ZARINA));
    world.start(Host::Person(ZARINA));
    world.run_ms(1_000);
    assert_eq!(rows(&mut world, ZARINA).len(), 1);
    assert_eq!(world.faults(ZARINA), 0);
    let disk = &world.people[ZARINA].node.disk;
    assert_eq!(disk.load(&Range::Space(Space::Carried)).len(), 1, "its bytes are gone with it");
}

#[derive(Debug, Clone)]
enum Step {
    Say(usize, usize),
    Visit(usize, usize),
    Die(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let pair = || (0..3_usize, 1..3_usize).prop_map(|(a, by)| (a, (a + by) % 3));
    prop_oneof![
        4 => pair().prop_map(|(a, b)| Step::Say(a, b)),
        4 => prop_oneof![Just((ALI, BOB)), Just((BOB, ZARINA)), Just((ZARINA, BOB))].prop_map(|(a, b)| Step::Visit(a, b)),
        1 => (0..3_usize).prop_map(Step::Die),
        1 => (0..120_000_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_visits_texts_and_deaths_brings_each_text_once_and_in_order(steps in prop::collection::vec(step(), 1..40)) {
        let (mut world, ends) = cut_off(205);
        let mut said: [[Vec<String>; 3]; 3] = Default::default();
        said[ALI][ZARINA].push("by relay".to_owned());
        for (n, step) in steps.iter().enumerate() {
            match step {
                Step::Say(a, b) => {
                    let text = format!("{n} from {a} to {b}");
                    let send = Command::Send { contact: ends[*a][*b], text: text.clone() };
                    let queued = brave(&mut world, *a, send);
                    prop_assert!(queued.is_some());
                    said[*a][*b].push(text);
                }
                Step::Visit(a, b) => brave_visit(&mut world, &ends, *a, *b),
                Step::Die(person) => {
                    world.crash(Host::Person(*person));
                    world.start(Host::Person(*person));
                    world.run_ms(500);
                }
                Step::Wait(ms) => world.run_ms(*ms),
            }
        }
        // Ali and Zarina are never near each other, and each is near Bob; he gets what is for him by carrying as well.
        world.run_ms(6_000);
        for _ in 0..4 {
            there_and_back(&mut world, &ends);
        }
        for (a, b) in [(ALI, ZARINA), (ZARINA, ALI)] {
            prop_assert_eq!(&world.received(b, ends[b][a]), &said[a][b]);
            prop_assert_eq!(world.delivered_below(a, ends[a][b]), said[a][b].len() as u64 + 1);
        }
        for person in [ALI, BOB, ZARINA] {
            prop_assert_eq!(world.faults(person), 0);
        }
    }
}
