//! A day's bytes run short: what waits at each level, that it goes on without loss, and that nothing comes twice.

mod world;

use karvon_protocol::channel::link::ChannelLink;
use karvon_protocol::engine::api::{Command, ContactId, MessageState, Reply};
use karvon_protocol::engine::channel_api::{ChannelCommand, ChannelNumber, ChannelReply};
use karvon_protocol::engine::spend::{DataCommand, DataInfo};
use karvon_protocol::error::ErrorKind;
use karvon_protocol::ids::MessageId;
use karvon_protocol::spending::{Level, NO_NETWORK, Plan};
use world::{Host, World};

const ALL: &[usize] = &[0, 1, 2];
const CAP: u64 = 1_000_000;

fn two(seed: u64) -> (World, ContactId, ContactId) {
    let mut world = World::with(seed, 3, &[("Ali", ALL), ("Bob", ALL)]);
    let (bob, ali) = world.meet(0, 1);
    world.run_ms(30_000);
    (world, bob, ali)
}

fn data(world: &mut World, person: usize, command: DataCommand) -> DataInfo {
    match world.ask(person, Command::Data(command)) {
        Ok(Reply::Data(info)) => info,
        other => panic!("{other:?}"),
    }
}

/// A cap of which so many hundredths are used.
fn used(world: &mut World, person: usize, percent: u64) -> Level {
    data(world, person, DataCommand::Cap { everywhere: true, cap: Some(CAP) });
    let before = data(world, person, DataCommand::Show).used.all();
    let sent = CAP / 100 * percent - before;
    let count = DataCommand::Count { network: NO_NETWORK, received: 0, sent };
    data(world, person, count).level
}

fn text(contact: ContactId, text: &str) -> Command {
    Command::Send { contact, text: text.to_owned() }
}

fn state(world: &mut World, person: usize, id: MessageId) -> MessageState {
    match world.ask(person, Command::Message(id)) {
        Ok(Reply::Message { state, .. }) => state,
        other => panic!("{other:?}"),
    }
}

fn links(world: &World, person: usize) -> usize {
    world.links_of(Host::Person(person)).len()
}

#[test]
fn texts_pass_both_ways_while_receipts_wait_and_receipts_follow_once_there_is_more() {
    let (mut world, bob, ali) = two(1);
    assert_eq!(used(&mut world, 1, 95), Level::Texts);
    let (first, _) = world.queue(0, text(bob, "one"));
    world.run_ms(60_000);
    assert_eq!(world.received(1, ali), ["one"]);
    assert_eq!(state(&mut world, 0, first), MessageState::Stored, "it came, and is not acknowledged yet");
    assert_eq!(data(&mut world, 1, DataCommand::Show).receipts_waiting, 1);
    // Where a text goes anyway, what is owed goes with it.
    let _ = world.queue(1, text(ali, "an answer"));
    assert!(world.run_until(5_000, |world| state(world, 0, first) == MessageState::Delivered));
    assert_eq!(world.received(0, bob), ["an answer"]);
    let (second, _) = world.queue(0, text(bob, "two"));
    world.run_ms(60_000);
    assert_eq!(state(&mut world, 0, second), MessageState::Stored);
    // The device is killed meanwhile: it still owes.
    world.crash(Host::Person(1));
    world.start(Host::Person(1));
    world.run_ms(30_000);
    assert_eq!(state(&mut world, 0, second), MessageState::Stored);
    assert_eq!(data(&mut world, 1, DataCommand::More(CAP)).level, Level::Free);
    assert!(world.run_until(5_000, |world| state(world, 0, second) == MessageState::Delivered));
    world.run_ms(60_000);
    assert_eq!(
        (world.received(1, ali), world.received(0, bob)),
        (vec!["one".into(), "two".into()], vec!["an answer".into()])
    );
}

#[test]
fn with_nothing_left_texts_are_held_both_ways_and_arrive_once_after_more_is_allowed() {
    let (mut world, bob, ali) = two(2);
    assert_eq!(used(&mut world, 0, 100), Level::Spent);
    world.run_ms(1_000);
    assert_eq!(links(&world, 0), 0);
    let (held, _) = world.queue(0, text(bob, "held"));
    let (waiting, _) = world.queue(1, text(ali, "waiting"));
    world.tally.clear();
    world.run_ms(3_600_000);
    assert_eq!(world.tally.of(0), (0, 0), "{}", world.tally.lines(0));
    assert_eq!(state(&mut world, 0, held), MessageState::Queued);
    assert_eq!(state(&mut world, 1, waiting), MessageState::Stored);
    // Neither asking for a test of doors nor a new start dials.
    let _ = world.ask(0, Command::TestDoors(None));
    world.crash(Host::Person(0));
    world.start(Host::Person(0));
    world.run_ms(60_000);
    assert_eq!((links(&world, 0), world.tally.of(0)), (0, (0, 0)));
    data(&mut world, 0, DataCommand::More(CAP));
    assert!(world.run_until(10_000, |world| state(world, 0, held) == MessageState::Delivered));
    assert!(world.run_until(10_000, |world| state(world, 1, waiting) == MessageState::Delivered));
    world.run_ms(60_000);
    assert_eq!(
        (world.received(1, ali), world.received(0, bob)),
        (vec!["held".to_owned()], vec!["waiting".to_owned()])
    );
}

#[test]
fn another_day_or_another_network_ends_the_wait_by_itself() {
    let (mut world, bob, ali) = two(3);
    used(&mut world, 0, 100);
    let (first, _) = world.queue(0, text(bob, "before midnight"));
    let turns_ms = data(&mut world, 0, DataCommand::Show).turns_ms;
    let left_ms = turns_ms - world::WALL_MS - world.now / 1_000;
    world.run_ms(left_ms - 60_000);
    assert_eq!(state(&mut world, 0, first), MessageState::Queued);
    world.run_ms(120_000);
    assert_eq!(world.received(1, ali), ["before midnight"]);
    let info = data(&mut world, 0, DataCommand::Show);
    assert_eq!((info.level, info.used.all()), (Level::Free, 0));
    // Used up there, not here.
    used(&mut world, 0, 100);
    world.run_ms(1_000);
    let _ = world.queue(0, text(bob, "on the way home"));
    world.run_ms(60_000);
    let home = [7; 16];
    let info = data(&mut world, 0, DataCommand::Count { network: home, received: 0, sent: 0 });
    assert_eq!((info.level, info.network, info.used.all()), (Level::Free, home, 0));
    world.run_ms(10_000);
    assert_eq!(world.received(1, ali), ["before midnight", "on the way home"]);
    let again = DataCommand::Count { network: NO_NETWORK, received: 0, sent: 0 };
    assert_eq!(data(&mut world, 0, again).level, Level::Spent, "its use is remembered");
}

#[test]
fn when_the_rest_waits_files_are_refused_and_channels_rest_while_texts_and_receipts_go_on() {
    let (mut world, bob, ali) = two(4);
    let founded = world.ask(1, Command::Channel(ChannelCommand::Create("News".into())));
    let Ok(Reply::Channel(ChannelReply::Founded(own))) = founded else { panic!("{founded:?}") };
    let link = match world.ask(1, Command::Channel(ChannelCommand::Link(own))) {
        Ok(Reply::Channel(ChannelReply::Link(link))) => link,
        other => panic!("{other:?}"),
    };
    let followed =
        world.ask(0, Command::Channel(ChannelCommand::Follow(ChannelLink::decode(&link).expect("a link"))));
    let Ok(Reply::Channel(ChannelReply::Founded(channel))) = followed else { panic!("{followed:?}") };
    let post = |world: &mut World, text: &str| {
        let _ = world.ask(1, Command::Channel(ChannelCommand::Post(own, text.to_owned())));
    };
    world.run_ms(30_000);
    post(&mut world, "first");
    world.run_ms(30_000);
    assert_eq!(entries(&world, channel), 1);

    assert_eq!(used(&mut world, 0, 80), Level::Saving);
    post(&mut world, "second");
    let file = Command::SendFile {
        contact: bob,
        name: "a.txt".into(),
        media: "text/plain".into(),
        data: vec![1; 100].into(),
        forwarded: false,
    };
    assert_eq!(world.ask(0, file.clone()).unwrap_err(), ErrorKind::DataCap);
    let (mine, _) = world.queue(0, text(bob, "texts go on"));
    let (theirs, _) = world.queue(1, text(ali, "and receipts"));
    world.run_ms(10_000);
    assert_eq!(state(&mut world, 0, mine), MessageState::Delivered);
    assert_eq!(state(&mut world, 1, theirs), MessageState::Delivered);
    world.tally.clear();
    world.run_ms(6 * 3_600_000 / 4);
    assert_eq!(entries(&world, channel), 1, "the channel waits");
    let (_, bytes) = world.tally.of(0);
    assert!(bytes < 4_000, "{}", world.tally.lines(0));
    data(&mut world, 0, DataCommand::More(CAP));
    world.run_ms(30_000);
    assert_eq!(entries(&world, channel), 2);
    assert!(world.ask(0, file).is_ok());
}

fn entries(world: &World, channel: ChannelNumber) -> usize {
    let space = karvon_protocol::core::Space::ChannelEntry;
    let held = world.people[0].node.disk.kv.keys();
    held.filter(|key| key.space == space && key.group == channel.records()).count()
}

#[test]
fn the_low_plan_keeps_two_links_and_the_normal_one_three() {
    let (mut world, bob, ali) = two(5);
    assert_eq!(links(&world, 0), 3);
    data(&mut world, 0, DataCommand::Plan { everywhere: false, plan: Plan::Low });
    world.run_ms(120_000);
    assert_eq!(links(&world, 0), 2);
    world.crash(Host::Person(0));
    world.start(Host::Person(0));
    world.run_ms(120_000);
    assert_eq!(links(&world, 0), 2, "it is remembered");
    // No canary is set out right after a start.
    world.tally.clear();
    world.run_ms(60 * 60_000);
    assert!(!world.tally.lines(0).contains(" 2144 "), "{}", world.tally.lines(0));
    let _ = world.queue(1, text(ali, "at once"));
    assert!(world.run_until(2_000, |world| world.received(0, bob) == ["at once"]));
    let info = data(&mut world, 0, DataCommand::Plan { everywhere: true, plan: Plan::Normal });
    assert_eq!((info.terms.plan, info.own), (Plan::Normal, true));
    world.run_ms(5_000);
    assert_eq!(links(&world, 0), 3);
}

#[test]
fn bytes_are_told_by_what_they_were_for_and_wishes_are_bounded() {
    let (mut world, bob, ali) = two(6);
    data(&mut world, 0, DataCommand::Count { network: NO_NETWORK, received: 0, sent: 0 });
    let _ = world.queue(0, text(bob, "a text"));
    let _ = world.queue(1, text(ali, "another"));
    world.run_ms(5_000);
    let count = DataCommand::Count { network: NO_NETWORK, received: 100_000, sent: 100_000 };
    let used = data(&mut world, 0, count).used;
    assert!(used.sent.texts > 5_000 && used.received.texts > 20_000, "{used:?}");
    assert!(used.sent.receipts > 0 && used.sent.rest > 0, "{used:?}");
    assert_eq!(used.all(), 200_000);
    for cap in [0, 99_999, u64::MAX] {
        let refused = world.ask(0, Command::Data(DataCommand::Cap { everywhere: true, cap: Some(cap) }));
        assert_eq!(refused.unwrap_err(), ErrorKind::Limit);
    }
    let refused = world.ask(0, Command::Data(DataCommand::More(5)));
    assert_eq!(refused.unwrap_err(), ErrorKind::Limit, "without a cap there is nothing to allow");
}

#[test]
fn a_door_that_was_tested_beside_the_two_of_the_low_plan_is_left_again() {
    let (mut world, ..) = two(8);
    data(&mut world, 0, DataCommand::Plan { everywhere: true, plan: Plan::Low });
    world.run_ms(600_000);
    assert_eq!(links(&world, 0), 2);
    let Ok(Reply::Doors(doors)) = world.ask(0, Command::Doors) else { panic!("no doors") };
    let spare = doors.iter().find(|door| !door.linked).map(|door| door.door.relay);
    let _ = world.ask(0, Command::TestDoors(spare));
    assert!(world.run_until(10_000, |world| links(world, 0) == 3), "it is opened to be looked at");
    world.run_ms(30_000);
    assert_eq!(links(&world, 0), 2);
}
