//! On one local network and without any relay, contacts hand over to each other what waits: everything arrives once and is acknowledged.

mod world;

use karvon_protocol::cell::Cell;
use karvon_protocol::core::{Key, Range, Space};
use karvon_protocol::engine::api::{Command, ContactId, Event, Reply, Setting, TrailEvent};
use karvon_protocol::engine::lan::{LanCommand, LanReply, NETWORKS_MAX};
use karvon_protocol::error::ErrorKind;
use world::{Host, World};

fn lan(world: &mut World, person: usize, command: LanCommand) -> Result<LanReply, ErrorKind> {
    match world.ask(person, Command::Lan(command))? {
        Reply::Lan(reply) => Ok(reply),
        other => panic!("{other:?}"),
    }
}

/// Two people who know each other, and a third one; then all relays are gone.
fn cut_off(seed: u64) -> (World, [ContactId; 2]) {
    let mut world = World::with(seed, 3, &[("Ali", &[0, 1]), ("Bob", &[1, 2]), ("Zarina", &[0, 2])]);
    let (bob, ali) = world.meet(0, 1);
    world.meet(0, 2);
    world.send(0, bob, "by relay");
    world.run_ms(60_000);
    (0..3).for_each(|relay| world.crash(Host::Relay(relay)));
    world.run_ms(1_000);
    (world, [bob, ali])
}

fn up(world: &mut World, ends: [ContactId; 2]) {
    let mut rooms = [0; 2];
    for person in [0, 1] {
        match lan(world, person, LanCommand::Up(ends[person])) {
            Ok(LanReply::Taken { room, .. }) => rooms[person] = room,
            other => panic!("{other:?}"),
        }
    }
    for person in [0, 1] {
        let (contact, room) = (ends[person], rooms[1 - person]);
        assert!(lan(world, person, LanCommand::Had { contact, numbers: vec![], room }).is_ok());
    }
}

/// Cells that wait at `person` for the other one, as they lie on disk.
fn next(world: &mut World, person: usize, to: ContactId) -> Vec<(u64, Cell)> {
    let numbers = match lan(world, person, LanCommand::Next(to)) {
        Ok(LanReply::Next(numbers)) => numbers,
        other => panic!("{other:?}"),
    };
    let row = |world: &World, number: u64| {
        let key = Key::of(Space::OutCell, to.group(), number);
        let rows = world.people[person].node.disk.load(&Range::One(key));
        Cell::parse(rows.first().expect("named only once it is durable").1.to_vec()).expect("a cell")
    };
    numbers.into_iter().map(|number| (number, row(world, number))).collect()
}

/// One look at what waits, each way. Returns how many cells moved.
fn exchange(world: &mut World, ends: [ContactId; 2]) -> usize {
    let mut moved = 0;
    for from in [0, 1] {
        let to = 1 - from;
        let cells = next(world, from, ends[from]);
        moved += cells.len();
        if cells.is_empty() {
            continue;
        }
        let bytes = cells.iter().map(|(_, cell)| cell.clone()).collect();
        let Ok(LanReply::Taken { had, room }) = lan(world, to, LanCommand::Take(ends[to], bytes)) else {
            panic!("not taken");
        };
        let numbers = had.iter().map(|place| cells[*place as usize].0).collect();
        assert!(lan(world, from, LanCommand::Had { contact: ends[from], numbers, room }).is_ok());
    }
    world.run_ms(20);
    moved
}

fn settle(world: &mut World, ends: [ContactId; 2]) {
    let mut quiet = 0;
    for _ in 0..2_000 {
        quiet = if exchange(world, ends) == 0 { quiet + 1 } else { 0 };
        if quiet == 20 {
            return;
        }
    }
    panic!("it never ends");
}

#[test]
fn hundreds_of_texts_go_each_way_without_a_relay_and_nothing_comes_twice_when_relays_are_back() {
    let (mut world, ends) = cut_off(91);
    up(&mut world, ends);
    let mut said = [vec!["by relay".to_owned()], vec![]];
    for round in 0..300 {
        for person in [0, 1] {
            let text = format!("{person} says {round}");
            world.send(person, ends[person], &text);
            said[person].push(text);
        }
        exchange(&mut world, ends);
    }
    settle(&mut world, ends);
    for person in [0, 1] {
        assert_eq!(world.received(person, ends[person]), said[1 - person], "at {person}");
        let count = said[person].len() as u64;
        assert_eq!(world.delivered_below(person, ends[person]), count + 1, "by {person}");
    }
    assert!(world.told(0, &Event::LanWaits));
    let left = world.people[0].node.disk.load(&Range::Space(Space::OutCell)).len();
    assert!(left < 20, "cells that are done with go: {left} are left");
    (0..3).for_each(|relay| world.start(Host::Relay(relay)));
    world.run_ms(600_000);
    for person in [0, 1] {
        assert!(lan(&mut world, person, LanCommand::Down(ends[person])).is_ok());
        world.send(person, ends[person], "by relay again");
        said[person].push("by relay again".to_owned());
    }
    world.run_ms(900_000);
    for person in [0, 1] {
        assert_eq!(world.received(person, ends[person]), said[1 - person], "at {person}");
        let count = said[person].len() as u64;
        assert_eq!(world.delivered_below(person, ends[person]), count + 1, "by {person}");
    }
    assert_eq!((world.faults(0), world.faults(1)), (0, 0));
}

#[test]
fn both_ways_at_once_bring_each_text_once_and_leave_nothing_at_relays() {
    let (mut world, ends) = cut_off(96);
    (0..3).for_each(|relay| world.start(Host::Relay(relay)));
    world.run_ms(60_000);
    up(&mut world, ends);
    let mut said = [vec!["by relay".to_owned()], vec![]];
    for round in 0..100 {
        for person in [0, 1] {
            let text = format!("{person} says {round}");
            world.send(person, ends[person], &text);
            said[person].push(text);
        }
        // Sometimes relays are first, sometimes the neighbour is.
        world.run_ms(round % 7 * 5);
        exchange(&mut world, ends);
    }
    settle(&mut world, ends);
    world.run_ms(300_000);
    for person in [0, 1] {
        assert_eq!(world.received(person, ends[person]), said[1 - person], "at {person}");
        let count = said[person].len() as u64;
        assert_eq!(world.delivered_below(person, ends[person]), count + 1, "by {person}");
    }
    assert_eq!((world.faults(0), world.faults(1)), (0, 0));
    let left: Vec<u64> = (0..3).map(|relay| world.relay_status(relay).cells).collect();
    assert!(left.iter().all(|cells| *cells < 20), "cells that were taken go from relays: {left:?}");
}

#[test]
fn a_device_that_dies_before_it_has_written_gets_it_again_and_the_way_is_told() {
    let (mut world, ends) = cut_off(92);
    world.send(0, ends[0], "before they met");
    world.run_ms(50);
    up(&mut world, ends);
    let cells = next(&mut world, 0, ends[0]);
    assert!(!cells.is_empty() && next(&mut world, 0, ends[0]).is_empty(), "each is named once");
    // The cells come, and the power goes before they are durable: nothing was answered.
    let bytes = cells.iter().map(|(_, cell)| cell.clone()).collect();
    world.tell(1, Command::Lan(LanCommand::Take(ends[1], bytes)));
    world.crash(Host::Person(1));
    world.start(Host::Person(1));
    world.run_ms(1_000);
    assert_eq!(world.delivered_below(0, ends[0]), 2, "not called delivered");
    assert!(lan(&mut world, 0, LanCommand::Down(ends[0])).is_ok());
    up(&mut world, ends);
    settle(&mut world, ends);
    assert_eq!(world.received(1, ends[1]), ["by relay", "before they met"]);
    assert_eq!(world.delivered_below(0, ends[0]), 3);
    // Both forget that they met; what was acknowledged is not sent again.
    for person in [0, 1] {
        world.crash(Host::Person(person));
        world.start(Host::Person(person));
    }
    world.run_ms(1_000);
    up(&mut world, ends);
    settle(&mut world, ends);
    assert_eq!(world.received(1, ends[1]), ["by relay", "before they met"]);
    let row = world.row(0, ends[0], true, 2);
    let Ok(Reply::Message { trail, .. }) = world.ask(0, Command::Message(row.id)) else {
        panic!("no message")
    };
    assert!(trail.iter().any(|step| step.what == TrailEvent::Near), "{trail:?}");
    assert_eq!(trail.last().map(|step| &step.what), Some(&TrailEvent::Delivered));
}

#[test]
fn who_has_it_already_says_so_again_for_whom_no_relay_answers() {
    let (mut world, ends) = cut_off(93);
    world.send(0, ends[0], "twice on its way");
    world.run_ms(50);
    up(&mut world, ends);
    let cells: Vec<Cell> = next(&mut world, 0, ends[0]).into_iter().map(|(_, cell)| cell).collect();
    for _ in 0..2 {
        let taken = lan(&mut world, 1, LanCommand::Take(ends[1], cells.clone()));
        let Ok(LanReply::Taken { had, .. }) = taken else { panic!("{taken:?}") };
        assert_eq!(had.len(), cells.len(), "new or known, it is there");
    }
    world.run_ms(50);
    // The acknowledgement is lost with its session, and its author forgets what it was for.
    let lost = next(&mut world, 1, ends[1]);
    assert!(!lost.is_empty());
    settle(&mut world, ends);
    assert_eq!(world.delivered_below(0, ends[0]), 2, "it was named in this session");
    assert!(lan(&mut world, 1, LanCommand::Down(ends[1])).is_ok());
    up(&mut world, ends);
    settle(&mut world, ends);
    assert_eq!(world.delivered_below(0, ends[0]), 3);
    assert_eq!(world.received(1, ends[1]), ["by relay", "twice on its way"]);
}

#[test]
fn nobody_is_looked_for_who_is_blocked_and_nobody_speaks_for_others() {
    let (mut world, ends) = cut_off(94);
    let count = |world: &mut World, person| match lan(world, person, LanCommand::Contacts) {
        Ok(LanReply::Contacts(all)) => all.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!((count(&mut world, 0), count(&mut world, 1)), (2, 1));
    let refused = lan(&mut world, 0, LanCommand::Next(ends[0]));
    assert!(matches!(refused, Err(ErrorKind::NoSuchContact)), "no session yet: {refused:?}");
    up(&mut world, ends);
    // Zarina's number at Ali's, whose cells Bob can not bring.
    let zarina = ContactId(ends[0].0 + 1);
    world.send(2, ContactId(1), "from Zarina");
    world.run_ms(100);
    assert!(lan(&mut world, 2, LanCommand::Up(ContactId(1))).is_ok());
    let cells: Vec<Cell> = next(&mut world, 2, ContactId(1)).into_iter().map(|(_, cell)| cell).collect();
    assert!(!cells.is_empty());
    let taken = lan(&mut world, 0, LanCommand::Take(ends[0], cells.clone()));
    assert!(matches!(&taken, Ok(LanReply::Taken { had, .. }) if had.is_empty()), "{taken:?}");
    assert_eq!(world.received(0, zarina), Vec::<String>::new());
    assert!(lan(&mut world, 0, LanCommand::Up(zarina)).is_ok());
    assert!(lan(&mut world, 0, LanCommand::Take(zarina, cells)).is_ok());
    assert_eq!(world.received(0, zarina), ["from Zarina"]);
    // Numbers that were never named, and a room that nobody honest has.
    let wrong = LanCommand::Had { contact: ends[0], numbers: vec![0, 7, u64::MAX], room: u64::MAX };
    assert!(lan(&mut world, 0, wrong).is_ok());
    assert_eq!(world.faults(0), 1);
    assert!(world.ask(0, Command::Set(ends[0], Setting::Blocked(true))).is_ok());
    assert_eq!(count(&mut world, 0), 1);
    assert!(lan(&mut world, 0, LanCommand::Take(ends[0], vec![])).is_err());
    assert!(lan(&mut world, 0, LanCommand::Up(ends[0])).is_err());
}

#[test]
fn accepted_networks_are_kept_and_bounded() {
    let mut world = World::with(95, 1, &[("Ali", &[0])]);
    let networks = |world: &mut World| match lan(world, 0, LanCommand::Networks) {
        Ok(LanReply::Networks(networks)) => networks.into_iter().collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(networks(&mut world), Vec::<[u8; 16]>::new());
    for n in 0..NETWORKS_MAX as u8 {
        assert!(lan(&mut world, 0, LanCommand::Accept([n; 16])).is_ok());
    }
    assert!(matches!(lan(&mut world, 0, LanCommand::Accept([200; 16])), Err(ErrorKind::Limit)));
    assert!(lan(&mut world, 0, LanCommand::Accept([3; 16])).is_ok());
    assert!(lan(&mut world, 0, LanCommand::Forget(Some([5; 16]))).is_ok());
    world.crash(Host::Person(0));
    world.start(Host::Person(0));
    world.run_ms(100);
    let kept = networks(&mut world);
    assert_eq!((kept.len(), kept.contains(&[5; 16])), (NETWORKS_MAX - 1, false));
    assert!(lan(&mut world, 0, LanCommand::Forget(None)).is_ok());
    assert_eq!(networks(&mut world), Vec::<[u8; 16]>::new());
}
