//! Groups and channels after a device was lost and its backup restored: members come back by themselves, owners go on without a fork.
#![allow(clippy::unwrap_used)]

mod world;

use karvon_protocol::backup::BackupState;
use karvon_protocol::channel::link::ChannelLink;
use karvon_protocol::core::{Range, Space};
use karvon_protocol::engine::api::{Command, Reply};
use karvon_protocol::engine::channel_api::{ChannelCommand, ChannelInfo, ChannelNumber, ChannelReply};
use karvon_protocol::engine::group_api::{GroupCommand, GroupNumber, Standing};
use karvon_protocol::error::ErrorKind;
use karvon_protocol::group::op::Role;
use world::friends::{Friends, NAMES};
use world::{Host, World};

fn backup(world: &mut World, person: usize) -> BackupState {
    match world.ask(person, Command::Backup) {
        Ok(Reply::Backup(state)) => BackupState::decode(&state.encode()).expect("what was encoded decodes"),
        other => panic!("{other:?}"),
    }
}

/// The device is gone; another one takes the backup.
fn restore(world: &mut World, person: usize, state: BackupState) {
    world.forget(person, &[0, 1]);
    assert!(matches!(world.ask(person, Command::RestoreContacts(Box::new(state))), Ok(Reply::Done)));
}

/// Living members of a group by name and role, as a person sees them.
fn members(friends: &mut Friends, person: usize, group: GroupNumber) -> Vec<(String, Role)> {
    let view = friends.view(person, group);
    let living = view.members.iter().filter(|member| member.left.is_none());
    let mut all: Vec<_> = living.map(|member| (member.name.clone(), member.role)).collect();
    all.sort();
    all
}

/// Three friends in a group that Ali founded; `lost` loses the device and comes back, while the others talk.
fn lose(seed: u64, lost: usize) -> (Friends, [GroupNumber; 3]) {
    let mut friends = Friends::new(seed, 3, true);
    let ali = friends.create(0, "Oila");
    let groups = [ali, friends.bring(0, ali, 1), friends.bring(0, ali, 2)];
    friends.world.run_ms(2_000);
    let before = members(&mut friends, 0, ali);
    friends.send(lost, groups[lost], "before the backup");
    friends.world.run_ms(5_000);
    let state = backup(&mut friends.world, lost);
    friends.send(lost, groups[lost], "after the backup");
    friends.world.run_ms(5_000);
    restore(&mut friends.world, lost, state);
    friends.world.run_ms(60_000);
    for (person, group) in groups.into_iter().enumerate() {
        assert_eq!(members(&mut friends, person, group), before, "{person}");
        let info = friends.view(person, group).info;
        assert_eq!((info.standing, info.members), (Standing::In, 3), "{person}");
    }
    (friends, groups)
}

#[test]
fn whoever_lost_the_device_comes_back_into_the_group_with_the_same_role_and_everybody_goes_on() {
    for (seed, lost) in [(61, 0), (62, 2)] {
        let (mut friends, groups) = lose(seed, lost);
        for person in 0..3 {
            friends.send(person, groups[person], &format!("{} again", NAMES[person]));
            friends.world.run_ms(10_000);
        }
        friends.world.run_ms(20_000);
        for (person, group) in groups.into_iter().enumerate() {
            let read = friends.read(person, group);
            let old: Vec<_> = read.iter().filter(|text| text.contains("backup")).collect();
            // Nothing of what others have is taken away; the lost device's history is in no backup.
            assert_eq!(old.len(), if person == lost { 0 } else { 2 }, "{person}: {read:?}");
            let new: Vec<_> = read.iter().filter(|text| text.contains("again")).cloned().collect();
            assert_eq!(new, ["Ali again", "Bob again", "Zarina again"], "{person}");
            assert!(friends.view(person, group).under_way.is_empty(), "{person}");
        }
        assert_eq!((0..3).map(|person| friends.world.faults(person)).sum::<u64>(), 0);
    }
}

#[test]
fn the_lost_device_is_out_when_it_turns_up_again_and_reads_nothing_later() {
    let mut friends = Friends::new(63, 3, true);
    let ali = friends.create(0, "Oila");
    let groups = [ali, friends.bring(0, ali, 1), friends.bring(0, ali, 2)];
    friends.world.run_ms(10_000);
    let state = backup(&mut friends.world, 2);
    friends.world.crash(Host::Person(2));
    let old = friends.world.people[2].node.disk.kv.clone();
    restore(&mut friends.world, 2, state);
    friends.world.run_ms(60_000);
    friends.send(0, groups[0], "for the restored one");
    friends.world.run_ms(20_000);
    assert_eq!(friends.read(2, groups[2]), ["for the restored one"]);
    friends.world.crash(Host::Person(2));
    friends.world.people[2].node.disk.kv = old;
    friends.world.start(Host::Person(2));
    friends.world.run_ms(60_000);
    assert!(friends.read(2, groups[2]).is_empty());
}

#[test]
fn a_member_whose_admin_does_not_know_them_by_session_has_to_be_invited_anew() {
    let mut friends = Friends::new(64, 3, false);
    let ali = friends.create(0, "Oila");
    friends.bring(0, ali, 1);
    friends.world.run_ms(10_000);
    let mut state = backup(&mut friends.world, 1);
    state.groups[0].known.clear();
    restore(&mut friends.world, 1, state);
    friends.world.run_ms(30_000);
    assert_eq!(friends.list(1)[0].standing, Standing::Out);
    let lost = friends.member(0, ali, "Bob");
    friends.ask(0, GroupCommand::Remove(ali, lost)).unwrap();
    friends.bring(0, ali, 1);
}

fn ask(world: &mut World, person: usize, command: ChannelCommand) -> Result<ChannelReply, ErrorKind> {
    match world.ask(person, Command::Channel(command)) {
        Ok(Reply::Channel(reply)) => Ok(reply),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    }
}

fn info(world: &mut World, person: usize) -> ChannelInfo {
    match ask(world, person, ChannelCommand::List) {
        Ok(ChannelReply::Channels(mut all)) => all.remove(0),
        other => panic!("{other:?}"),
    }
}

fn post(world: &mut World, channel: ChannelNumber, text: &str) -> Result<u64, ErrorKind> {
    match ask(world, 0, ChannelCommand::Post(channel, text.into())) {
        Ok(ChannelReply::Queued { seq, .. }) => Ok(seq),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    }
}

fn entries(world: &World, person: usize) -> usize {
    world.people[person].node.disk.load(&Range::Space(Space::ChannelEntry)).len()
}

/// An owner with a channel of two entries and a backup, and two readers.
fn channel(seed: u64) -> (World, ChannelNumber, BackupState) {
    let people: [(&str, &[usize]); 3] = [("Owner", &[0, 1]), ("R1", &[0, 1]), ("R2", &[1, 0])];
    let mut world = World::with(seed, 3, &people);
    let Ok(ChannelReply::Founded(own)) = ask(&mut world, 0, ChannelCommand::Create("Jobs".into())) else {
        panic!("no channel")
    };
    let Ok(ChannelReply::Link(link)) = ask(&mut world, 0, ChannelCommand::Link(own)) else {
        panic!("no link")
    };
    for reader in 1..3 {
        ask(&mut world, reader, ChannelCommand::Follow(ChannelLink::decode(&link).unwrap())).unwrap();
    }
    world.run_ms(2_000);
    for seq in 1..3 {
        assert_eq!(post(&mut world, own, &format!("entry {seq}")), Ok(seq));
        world.run_ms(2_000);
    }
    let state = backup(&mut world, 0);
    (world, own, state)
}

#[test]
fn an_owner_goes_on_after_the_entries_that_the_lost_device_wrote_since_the_backup() {
    let (mut world, own, state) = channel(71);
    assert_eq!(post(&mut world, own, "entry 3"), Ok(3));
    world.run_ms(5_000);
    restore(&mut world, 0, state);
    assert_eq!(post(&mut world, own, "too early"), Err(ErrorKind::Unavailable), "it could be a fork");
    world.run_ms(60_000);
    assert_eq!(post(&mut world, own, "entry 4"), Ok(4));
    world.run_ms(30_000);
    for person in 0..3 {
        let info = info(&mut world, person);
        assert_eq!(
            (info.newest, info.missing, info.forked, info.name.as_str()),
            (4, 0, false, "Jobs"),
            "{person}"
        );
        assert_eq!(entries(&world, person), 4, "{person}");
    }
    assert_eq!(world.faults(0), 0);
}

#[test]
fn an_owner_leaves_numbers_out_where_no_relay_knows_what_was_said_last() {
    let (mut world, own, state) = channel(72);
    // The lost device said something that relays have forgotten, and a reader has it.
    assert_eq!(post(&mut world, own, "entry 3"), Ok(3));
    world.run_ms(5_000);
    world.crash(Host::Person(0));
    for relay in 0..3 {
        world.crash(Host::Relay(relay));
    }
    for relay in 0..3 {
        let records = &mut world.relays[relay].node.disk.kv;
        records.retain(|key, _| key.space != Space::RelayShard);
        world.start(Host::Relay(relay));
    }
    world.run_ms(5_000);
    restore(&mut world, 0, state);
    world.run_ms(120_000);
    assert_eq!(post(&mut world, own, "after the gap"), Ok(1_003));
    world.run_ms(60_000);
    for reader in 1..3 {
        let info = info(&mut world, reader);
        assert_eq!((info.newest, info.forked), (1_003, false), "{reader}");
        assert_eq!(entries(&world, reader), 4, "{reader}");
    }
    // A restart keeps what was found out.
    world.crash(Host::Person(0));
    world.start(Host::Person(0));
    world.run_ms(5_000);
    assert_eq!(post(&mut world, own, "and on"), Ok(1_004));
}

#[test]
fn a_reader_follows_again_and_gets_what_relays_still_have() {
    let (mut world, own, _) = channel(73);
    ask(&mut world, 1, ChannelCommand::MarkRead(own, 2)).unwrap();
    let state = backup(&mut world, 1);
    restore(&mut world, 1, state);
    world.run_ms(60_000);
    assert_eq!(post(&mut world, own, "entry 3"), Ok(3));
    world.run_ms(30_000);
    let info = info(&mut world, 1);
    assert_eq!((info.newest, info.missing, info.unread, info.mine), (3, 0, 1, false));
    assert_eq!(entries(&world, 1), 3);
}

#[test]
fn what_is_written_right_after_the_restore_arrives_as_well() {
    let mut friends = Friends::new(65, 2, true);
    let ali = friends.create(0, "Oila");
    let groups = [ali, friends.bring(0, ali, 1)];
    friends.world.run_ms(10_000);
    let state = backup(&mut friends.world, 0);
    restore(&mut friends.world, 0, state);
    // Nobody has heard of the new device yet.
    friends.send(0, groups[0], "at once");
    friends.world.run_ms(60_000);
    assert_eq!(friends.read(1, groups[1]), ["at once"]);
    assert!(friends.view(0, groups[0]).under_way.is_empty());
    friends.send(1, groups[1], "welcome back");
    friends.world.run_ms(60_000);
    assert_eq!(friends.read(0, groups[0]), ["at once", "welcome back"]);
    assert!(friends.view(1, groups[1]).under_way.is_empty());
}
