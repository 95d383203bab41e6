//! Sessions that are lost and formed again: by command, from a damaged record, from a backup on a new device; and resets by the hostile.

mod world;

use karvon_protocol::backup::BackupState;
use karvon_protocol::core::{Key, Range, Space};
use karvon_protocol::engine::api::{Command, ContactId, Meeting, Reply, Setting};
use karvon_protocol::error::ErrorKind;
use world::{Host, World};

const HOUR_MS: u64 = 3_600_000;

/// Two people who met and gave each other what a reset needs.
fn two() -> (World, ContactId, ContactId) {
    let mut world = World::with(21, 3, &[("Ali", &[0, 1]), ("Bob", &[1, 2])]);
    let (bob, ali) = world.meet(0, 1);
    world.send(0, bob, "a1");
    world.send(1, ali, "b1");
    world.run_ms(30_000);
    for person in 0..2 {
        assert_eq!(gifts(&world, person), [0, 1, 2], "person {person} gave and got a gift");
    }
    (world, bob, ali)
}

/// Which records of gifts a person has: 0 delivered, 1 own, 2 the other side's.
fn gifts(world: &World, person: usize) -> Vec<u64> {
    let rows = world.people[person].node.disk.load(&Range::Space(Space::Reset));
    rows.iter().map(|(key, _)| key.seq).collect()
}

fn generation(world: &mut World, person: usize) -> u64 {
    match world.ask(person, Command::Backup) {
        Ok(Reply::Backup(state)) => state.contacts[0].generation,
        other => panic!("{other:?}"),
    }
}

fn backup(world: &mut World, person: usize) -> BackupState {
    match world.ask(person, Command::Backup) {
        Ok(Reply::Backup(state)) => BackupState::decode(&state.encode()).expect("what was encoded decodes"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_session_is_formed_again_by_command_and_loses_nothing_on_the_way() {
    let (mut world, bob, ali) = two();
    // Something of each side is under way while the session changes.
    world.crash(Host::Person(1));
    world.send(0, bob, "a2");
    world.run_ms(2_000);
    assert!(matches!(world.ask(0, Command::ResetSession(bob)), Ok(Reply::Done)));
    world.send(0, bob, "a3");
    world.run_ms(2_000);
    world.start(Host::Person(1));
    world.run_ms(100);
    world.send(1, ali, "b2");
    world.run_ms(10_000);
    world.send(0, bob, "a4");
    world.send(1, ali, "b3");
    world.run_ms(5_000);
    assert_eq!(world.received(1, ali), ["a1", "a2", "a3", "a4"]);
    assert_eq!(world.received(0, bob), ["b1", "b2", "b3"]);
    assert_eq!(world.delivered_below(0, bob), 5);
    assert_eq!(world.delivered_below(1, ali), 4);
    assert_eq!((generation(&mut world, 0), generation(&mut world, 1)), (1, 1));
    // And once more, from the other side, after the next gift.
    world.run_ms(2 * HOUR_MS);
    assert!(matches!(world.ask(1, Command::ResetSession(ali)), Ok(Reply::Done)));
    world.send(1, ali, "b4");
    world.run_ms(10_000);
    world.send(0, bob, "a5");
    world.run_ms(5_000);
    assert_eq!(world.received(1, ali).last().unwrap(), "a5");
    assert_eq!(world.received(0, bob).last().unwrap(), "b4");
    assert_eq!((generation(&mut world, 0), generation(&mut world, 1)), (2, 2));
}

#[test]
fn both_sides_may_begin_at_once() {
    let (mut world, bob, ali) = two();
    world.send(0, bob, "a2");
    world.tell(0, Command::ResetSession(bob));
    world.send(1, ali, "b2");
    world.tell(1, Command::ResetSession(ali));
    world.send(0, bob, "a3");
    world.run_ms(20_000);
    world.send(1, ali, "b3");
    world.run_ms(5_000);
    assert_eq!(world.received(1, ali), ["a1", "a2", "a3"]);
    assert_eq!(world.received(0, bob), ["b1", "b2", "b3"]);
    assert_eq!(generation(&mut world, 0), generation(&mut world, 1));
}

#[test]
fn a_mailbox_that_bends_the_greeting_of_a_new_session_does_not_cost_the_others_good_copy() {
    let mut first = 0;
    for bending in 0..3 {
        let (mut world, bob, ali) = two();
        world.crash(Host::Person(1));
        assert!(matches!(world.ask(0, Command::ResetSession(bob)), Ok(Reply::Done)));
        world.send(0, bob, "a2");
        world.run_ms(5_000);
        // Bob hears the others' copies later.
        first += usize::from(world.bend_all(bending) > 0);
        let others: Vec<_> = (0..3).filter(|other| *other != bending).map(Host::Relay).collect();
        others.iter().for_each(|other| world.crash(*other));
        world.start(Host::Person(1));
        world.run_ms(20_000);
        others.iter().for_each(|other| world.start(*other));
        world.run_ms(120_000);
        assert_eq!(world.received(1, ali), ["a1", "a2"], "relay {bending} bends");
        world.send(1, ali, "b2");
        world.run_ms(5_000);
        assert_eq!(world.received(0, bob), ["b1", "b2"]);
        assert_eq!((generation(&mut world, 0), generation(&mut world, 1)), (1, 1));
    }
    assert_eq!(first, 2, "two relays held the greeting");
}

#[test]
fn a_session_record_that_is_damaged_is_formed_again_at_start() {
    let (mut world, bob, ali) = two();
    world.crash(Host::Person(0));
    let key = Key::single(Space::Session, u64::from(bob.0));
    let record = world.people[0].node.disk.kv.get_mut(&key).unwrap();
    let half = record.len() / 2;
    record.truncate(half);
    world.send(1, ali, "b2");
    world.run_ms(5_000);
    world.start(Host::Person(0));
    world.run_ms(100);
    world.send(0, bob, "a2");
    world.run_ms(10_000);
    assert_eq!(world.received(1, ali), ["a1", "a2"]);
    assert_eq!(world.received(0, bob), ["b1", "b2"]);
    assert_eq!(world.contacts(0)[0].meeting, Meeting::Connected);
}

#[test]
fn a_backup_on_a_new_device_talks_with_every_contact_again_and_uses_no_number_twice() {
    let mut world = World::with(22, 3, &[("Ali", &[0, 1]), ("Bob", &[1, 2]), ("Eve", &[2, 0])]);
    let (bob, ali) = world.meet(0, 1);
    let (eve, ali_of_eve) = world.meet(0, 2);
    world.send(0, bob, "before");
    world.run_ms(30_000);
    let state = backup(&mut world, 0);
    assert_eq!(state.contacts.len(), 2);
    // More is said after the backup; then the device is lost with all that.
    world.send(0, bob, "after the backup");
    world.send(1, ali, "to the lost device");
    world.run_ms(5_000);
    world.crash(Host::Person(0));
    world.send(2, ali_of_eve, "while it was lost");
    world.run_ms(5_000);

    world.people[0].node.disk = world::Disk::default();
    world.start(Host::Person(0));
    world.run_ms(100);
    assert!(matches!(world.ask(0, Command::RestoreContacts(Box::new(state))), Ok(Reply::Done)));
    world.send(0, bob, "from the new device");
    world.send(0, eve, "to Eve from the new device");
    world.run_ms(10_000);
    assert!(world.contacts(0).iter().all(|contact| contact.meeting == Meeting::Connected));
    assert_eq!(world.received(1, ali), ["before", "after the backup", "from the new device"]);
    assert_eq!(world.received(2, ali_of_eve), ["to Eve from the new device"]);
    // What was sent after the backup and lies on the senders' disks comes again.
    assert_eq!(world.received(0, bob), ["to the lost device"]);
    assert_eq!(world.received(0, eve), ["while it was lost"]);
    // And a restart of the new device changes nothing.
    world.crash(Host::Person(0));
    world.start(Host::Person(0));
    world.run_ms(100);
    world.send(1, ali, "still there?");
    world.run_ms(5_000);
    world.send(0, bob, "yes");
    world.run_ms(5_000);
    assert_eq!(world.received(1, ali).last().unwrap(), "yes");
    assert_eq!(world.received(0, bob), ["to the lost device", "still there?"]);
    // "before" and three from the new device; numbers that the lost one may have used are counted as nothing.
    let Ok(Reply::Status(status)) = world.ask(0, Command::Status) else { panic!("no status") };
    assert_eq!((status.queued, status.stored, status.delivered, status.received), (0, 0, 4, 3));
}

#[test]
fn what_was_set_for_a_conversation_comes_back_with_a_backup() {
    let (mut world, bob, ali) = two();
    for setting in [Setting::Timer(60), Setting::Receipts(true), Setting::Blocked(true)] {
        assert!(world.ask(0, Command::Set(bob, setting)).is_ok(), "{setting:?}");
    }
    let state = backup(&mut world, 0);
    world.crash(Host::Person(0));
    world.people[0].node.disk = world::Disk::default();
    world.start(Host::Person(0));
    world.run_ms(100);
    assert!(world.ask(0, Command::RestoreContacts(Box::new(state))).is_ok());
    let Ok(Reply::Delivery(delivery)) = world.ask(0, Command::Delivery(bob)) else { panic!("no delivery") };
    assert_eq!(
        (delivery.delivered_below, delivery.received_below),
        (2, 2),
        "the history is there before the contact answers"
    );
    for restarts in 0..2 {
        world.run_ms(10_000);
        let contact = world.contacts(0).remove(0);
        let found = (contact.timer_s, contact.receipts, contact.typing, contact.blocked);
        assert_eq!(found, (60, true, false, true), "after {restarts} restarts");
        world.crash(Host::Person(0));
        world.start(Host::Person(0));
    }
    world.send(1, ali, "you do not see me");
    world.run_ms(10_000);
    assert!(world.received(0, bob).is_empty());
}

#[test]
fn a_backup_of_more_contacts_than_a_person_may_have_is_refused_whole() {
    const CONTACTS_MAX: usize = 10_000;
    let (mut world, ..) = two();
    let mut state = backup(&mut world, 0);
    world.forget(0, &[0]);
    // That they are all the same makes no difference to how many they are.
    state.contacts = vec![state.contacts[0].clone(); CONTACTS_MAX + 1];
    let refused = world.ask(0, Command::RestoreContacts(Box::new(state.clone())));
    assert_eq!(refused.err(), Some(ErrorKind::Limit));
    assert!(world.contacts(0).is_empty());
    state.contacts.pop();
    assert!(world.ask(0, Command::RestoreContacts(Box::new(state))).is_ok());
    assert_eq!(world.contacts(0).len(), 1);
}

#[test]
fn a_device_that_is_restored_twice_from_one_backup_is_heard_again() {
    let (mut world, bob, ali) = two();
    let state = backup(&mut world, 0);
    for round in 0..2 {
        world.crash(Host::Person(0));
        world.people[0].node.disk = world::Disk::default();
        world.start(Host::Person(0));
        world.run_ms(100);
        assert!(world.ask(0, Command::RestoreContacts(Box::new(state.clone()))).is_ok());
        world.send(0, bob, &format!("round {round}"));
        let text = format!("round {round}");
        let heard = (0..60).any(|_| {
            world.run_ms(HOUR_MS / 60);
            world.received(1, ali).contains(&text)
        });
        assert!(heard, "round {round}: {:?}", world.received(1, ali));
    }
}

#[test]
fn a_contact_who_resets_again_and_again_is_bounded_by_its_gift() {
    let (mut world, bob, ali) = two();
    for _ in 0..12 {
        let _ = world.ask(0, Command::ResetSession(bob));
        world.run_ms(60_000);
    }
    let taken = generation(&mut world, 1);
    assert!((1..=4).contains(&taken), "{taken} resets in twelve minutes");
    // Those who did not reset go on as before.
    world.run_ms(2 * HOUR_MS);
    world.send(1, ali, "are you there?");
    world.run_ms(60_000);
    assert_eq!(world.received(0, bob).last().unwrap(), "are you there?");
}

#[test]
fn whoever_is_set_back_to_an_older_copy_calls_nothing_delivered_that_is_not() {
    let (mut world, bob, ali) = two();
    let copy = world.people[0].node.disk.kv.clone();
    world.send(0, bob, "a2");
    world.send(0, bob, "a3");
    world.run_ms(5_000);
    assert_eq!(world.received(1, ali), ["a1", "a2", "a3"]);
    world.crash(Host::Person(0));
    world.people[0].node.disk.kv = copy;
    world.start(Host::Person(0));
    world.run_ms(1_000);
    // Bob's next words tell that he has numbers which Ali's device does not know of.
    world.send(1, ali, "b2");
    world.run_ms(5_000);
    assert_eq!(world.received(0, bob), ["b1", "b2"]);
    world.send(0, bob, "a4");
    world.run_ms(60_000);
    assert_eq!(world.received(1, ali), ["a1", "a2", "a3", "a4"], "two and three are used up");
    world.send(1, ali, "b3");
    world.run_ms(5_000);
    let last = world.rows(0, bob, Space::Sent).last().expect("a4").0;
    assert!(last > 3 && world.delivered_below(0, bob) == last + 1);
}
