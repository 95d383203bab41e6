//! A contact who has a session and breaks every rule inside it: what it can cost the other side is bounded, and everything else goes on.

mod world;

use karvon_protocol::body::{Ack, Body, Content, MailboxDescriptor, Payload, Report, Resume};
use karvon_protocol::cbor::read_map;
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::core::{Key, Space};
use karvon_protocol::engine::api::{Command, ContactId, Reply, StoredMessage};
use karvon_protocol::ids::{MailboxId, MessageId, RelayId, Tag};
use karvon_protocol::limits::SKIP_MAX;
use rand_chacha::rand_core::Rng as _;
use world::taken_over::TakenOver;
use world::{Host, World};

const BOB: usize = 1;
const FRIEND: usize = 2;

/// Ali (hostile), Bob, and a friend of Bob's; what Bob calls each of them.
fn taken_over(seed: u64) -> (World, TakenOver, ContactId, ContactId) {
    let mut world = World::with(seed, 3, &[("Ali", &[0, 1]), ("Bob", &[1, 2]), ("Nigora", &[2, 0])]);
    let (bob, ali) = world.meet(0, BOB);
    let (friend, _) = world.meet(BOB, FRIEND);
    world.send(0, bob, "a1");
    world.send(BOB, ali, "b1");
    world.run_ms(30_000);
    let hostile = TakenOver::new(&mut world, 0, bob);
    (world, hostile, ali, friend)
}

/// An honest text, which must arrive.
fn say_text(hostile: &mut TakenOver, world: &mut World, ali: ContactId, text: &str) {
    let numbered = vec![Body::text(1, text)];
    let payload = Payload { first_seq: hostile.said, numbered, ..Payload::default() };
    hostile.said += 1;
    hostile.say(world, &payload);
    assert_eq!(world.received(BOB, ali).last().map(String::as_str), Some(text));
}

fn faults(world: &mut World) -> u64 {
    match world.ask(BOB, Command::Status) {
        Ok(Reply::Status(status)) => status.faults,
        other => panic!("{other:?}"),
    }
}

/// Records and bytes in Bob's store.
fn size(world: &World) -> (usize, usize) {
    let kv = &world.people[BOB].node.disk.kv;
    (kv.len(), kv.values().map(|value| value.len()).sum())
}

fn friends_talk(world: &mut World, friend: ContactId, text: &str) {
    world.send(BOB, friend, text);
    world.run_ms(5_000);
    let bob = world.contacts(FRIEND)[0].id;
    assert_eq!(world.received(FRIEND, bob).last().map(String::as_str), Some(text));
}

#[test]
fn two_thousand_cells_are_passed_over_and_not_one_more() {
    let (mut world, mut hostile, ali, friend) = taken_over(61);
    let (_, before) = size(&world);
    let empty = Payload::default().encode();
    let skip = |hostile: &mut TakenOver, count: u32| {
        let index = hostile.index(Class::S);
        (0..=count)
            .map(|_| hostile.session.seal(Class::S, index, &empty, &mut hostile.rng).unwrap())
            .last()
            .unwrap()
    };
    let cell = skip(&mut hostile, SKIP_MAX);
    hostile.deposit(&mut world, vec![cell]);
    let (_, after) = size(&world);
    assert!(
        (1_000..100_000).contains(&(after - before)),
        "{} bytes for keys that were passed over",
        after - before
    );
    say_text(&mut hostile, &mut world, ali, "still here");
    let counted = faults(&mut world);
    let cell = skip(&mut hostile, SKIP_MAX + 1);
    hostile.deposit(&mut world, vec![cell]);
    assert!(faults(&mut world) > counted, "it is refused and counted");
    let (_, refused) = size(&world);
    assert!(refused < after + 10_000, "{refused} after {after}");
    friends_talk(&mut world, friend, "nothing happened here");
    // The conversation itself has to be formed again, which the hostile side can only ask for.
    assert_eq!(world.received(BOB, ali), ["a1", "still here"]);
}

#[test]
fn junk_under_any_tag_costs_nothing_and_stops_nothing() {
    let (mut world, mut hostile, ali, friend) = taken_over(62);
    let tags: Vec<_> = (0..40)
        .map(|_| {
            let index = hostile.index(Class::S);
            hostile.session.send_tags().tag(index).unwrap()
        })
        .chain((0..40).map(|n| Tag([n; 16])))
        .collect();
    let before = size(&world);
    let cells = tags.iter().map(|tag| {
        let mut bytes = vec![0; Class::S.bytes()];
        hostile.rng.fill_bytes(&mut bytes);
        bytes[..18].copy_from_slice(&Cell::outer(Class::S, tag, 0));
        Cell::parse(bytes).unwrap()
    });
    let cells = cells.collect();
    hostile.deposit(&mut world, cells);
    let after = size(&world);
    assert!(after.0 <= before.0 + 2 && after.1 <= before.1 + 2_000, "{before:?} {after:?}");
    say_text(&mut hostile, &mut world, ali, "honest again");
    friends_talk(&mut world, friend, "hello");
}

#[test]
fn nothing_that_a_payload_can_say_breaks_a_bound() {
    let (mut world, mut hostile, ali, friend) = taken_over(63);
    let max = u64::MAX;
    let id = MessageId([7; 16]);
    let loose = |content: Content| Payload { loose: vec![Body::new(1, content)], ..Payload::default() };
    let nowhere = MailboxDescriptor { seq: max, mailboxes: vec![(RelayId([9; 16]), MailboxId([9; 16])); 5] };
    let far = |first_seq| Payload { first_seq, numbered: vec![Body::text(1, "far")], ..Payload::default() };
    let payloads = [
        Payload { credit: Some(max), ..Payload::default() },
        Payload { ack: Some(Ack { below: max, ranges: Vec::new() }), ..Payload::default() },
        Payload { ack: Some(Ack { below: 2, ranges: vec![(1 << 40, max - 1)] }), ..Payload::default() },
        Payload { mailboxes_seen: Some(max), ..Payload::default() },
        Payload { gift_seen: Some(max), ..Payload::default() },
        Payload { gift: Some(vec![3; 2_048]), ..Payload::default() },
        Payload {
            resume: Some(Resume { generation: max, line: max, void_from: 1, void_to: max }),
            ..Payload::default()
        },
        Payload {
            reports: vec![Report { from: 1, count: max - 1, relays: vec![RelayId([1; 16]); 5] }; 8],
            ..Payload::default()
        },
        far(max - 1),
        far(hostile.said + 400_000),
        loose(Content::Read(max)),
        loose(Content::ResendRequest(0, max)),
        loose(Content::ResendRequest(max, 0)),
        loose(Content::Void(0, max)),
        loose(Content::Void(max, max)),
        Payload { loose: vec![Body::new(max, Content::Typing); 4_000], ..Payload::default() },
        Payload { loose: vec![Body::new(1, Content::ResendRequest(1, 2)); 1_000], ..Payload::default() },
        Payload { loose: vec![Body::new(1, Content::Unknown(0x7fff)); 1_000], ..Payload::default() },
        Payload { extra: (100..1_100).map(|key| (key, vec![0])).collect(), ..Payload::default() },
        Payload { mailboxes: Some(nowhere), ..Payload::default() },
    ];
    let before = size(&world);
    for payload in &payloads {
        hostile.say(&mut world, payload);
    }
    // What is no payload at all.
    let junk = [&[][..], &[0xff; 1_000], &[0xa1], &[0xbf, 0xff]].map(|bytes| hostile.seal(Class::S, bytes));
    hostile.deposit(&mut world, junk.to_vec());
    let after = size(&world);
    assert!(after.0 <= before.0 + 20 && after.1 <= before.1 + 20_000, "{before:?} {after:?}");
    say_text(&mut hostile, &mut world, ali, "an honest text");
    // Numbered bodies of every kind, about messages that do not exist.
    let numbered: Vec<_> = [
        Content::Reply { to: id, text: "x".into() },
        Content::Reaction { on: id, emoji: "👍".into() },
        Content::Edit { of: id, text: "x".into() },
        Content::Delete(id),
        Content::Timer { seconds: max, number: max },
        Content::Introduction { name: "x".into(), invitation: "x".repeat(256) },
        Content::Read(max),
        Content::Void(1, max),
        Content::Unknown(max),
    ]
    .map(|content| Body { expires_s: max, ..Body::new(max, content) })
    .to_vec();
    let count = numbered.len() as u64;
    let payload = Payload { first_seq: hostile.said, numbered, ..Payload::default() };
    hostile.said += count;
    hostile.say(&mut world, &payload);
    friends_talk(&mut world, friend, "as if nothing had happened");
    world.crash(Host::Person(BOB));
    world.start(Host::Person(BOB));
    world.run_ms(5_000);
    friends_talk(&mut world, friend, "also after a restart");
}

#[test]
fn a_contact_whose_relays_nobody_knows_causes_no_storm_of_questions() {
    let (mut world, mut hostile, ali, friend) = taken_over(65);
    let mailboxes = (0..5).map(|n| (RelayId([n; 16]), MailboxId([n; 16]))).collect();
    let nowhere = MailboxDescriptor { seq: 1_000, mailboxes };
    hostile.say(&mut world, &Payload { mailboxes: Some(nowhere), ..Payload::default() });
    world.send(BOB, ali, "into nothing");
    let before = world.frames;
    world.run_ms(60_000);
    let frames = world.frames - before;
    assert!(frames < 1_000, "{frames} frames in a minute");
    friends_talk(&mut world, friend, "hello");
}

#[test]
fn changes_of_messages_that_never_come_take_bounded_room() {
    let (mut world, mut hostile, _, friend) = taken_over(64);
    let row = &world.people[0].node.disk.kv;
    let known = row.iter().find(|(key, _)| key.space == Space::Sent).unwrap();
    let (seq, id) = (known.0.seq, StoredMessage::decode(known.1).unwrap().id);
    let mask = u64::from_be_bytes(id.0[8..].try_into().unwrap()) ^ seq;
    let mut of = 0;
    for _ in 0..12 {
        let numbered: Vec<_> = (0..1_000)
            .map(|_| {
                of += 1;
                let mut later = id;
                // Its own messages that come right before each change, and never do.
                later.0[8..].copy_from_slice(&(mask ^ (hostile.said + 100_000 + of)).to_be_bytes());
                Body::new(0, Content::Edit { of: later, text: "x".into() })
            })
            .collect();
        let count = numbered.len() as u64;
        let first_seq = hostile.said + 200_000 + of;
        let payload = Payload { first_seq, numbered, ..Payload::default() };
        assert!(count == 1_000);
        hostile.say(&mut world, &payload);
    }
    let waiting = world.people[BOB].node.disk.kv.keys().filter(|key| key.space == Space::Change).count();
    assert!((1_000..=8_192).contains(&waiting), "{waiting} changes wait");
    friends_talk(&mut world, friend, "hello");
}

#[test]
fn a_timer_is_taken_over_up_to_a_year_and_no_longer() {
    const YEAR_S: u64 = 365 * 86_400;
    let (mut world, mut hostile, ali, _) = taken_over(66);
    let mut timer = |world: &mut World, seconds, number| {
        let numbered = vec![Body::new(1, Content::Timer { seconds, number })];
        let payload = Payload { first_seq: hostile.said, numbered, ..Payload::default() };
        hostile.said += 1;
        let before = faults(world);
        hostile.say(world, &payload);
        let contact = world.contacts(BOB).into_iter().find(|contact| contact.id == ali).unwrap();
        (contact.timer_s, faults(world) - before)
    };
    assert_eq!(timer(&mut world, YEAR_S, 1), (YEAR_S, 0));
    assert_eq!(timer(&mut world, YEAR_S + 1, 2), (YEAR_S, 1));
    assert_eq!(timer(&mut world, u64::MAX, 3), (YEAR_S, 1));
    assert_eq!(timer(&mut world, 60, 4), (60, 0));
    // Nor does anybody take all numbers away with one message.
    assert_eq!(timer(&mut world, 120, 4 + 1_000_001), (60, 1));
    assert_eq!(timer(&mut world, 120, 4 + 1_000_000), (120, 0));
}

#[test]
fn only_a_newer_descriptor_says_where_a_contact_is() {
    let (mut world, mut hostile, ali, _) = taken_over(67);
    let known = |world: &World| {
        let row = &world.people[BOB].node.disk.kv[&Key::single(Space::Session, u64::from(ali.0))];
        let mut their = MailboxDescriptor::default();
        read_map(row, |key, field| {
            match key {
                1 => their = MailboxDescriptor::decode(field.raw()?)?,
                _ => drop(field.raw()?),
            }
            Ok(true)
        })
        .unwrap();
        their
    };
    let before = known(&world);
    let elsewhere =
        |seq| MailboxDescriptor { seq, mailboxes: vec![(before.mailboxes[0].0, MailboxId([9; 16]))] };
    let mut say = |world: &mut World, mailboxes| {
        hostile.say(world, &Payload { mailboxes: Some(mailboxes), ..Payload::default() });
        known(world)
    };
    assert_eq!(say(&mut world, elsewhere(before.seq)), before, "the same number");
    assert_eq!(say(&mut world, elsewhere(before.seq - 1)), before, "an older one");
    let nowhere = MailboxDescriptor { seq: before.seq + 1, mailboxes: Vec::new() };
    assert_eq!(say(&mut world, nowhere), before, "nowhere");
    assert_eq!(say(&mut world, elsewhere(before.seq + 1)), elsewhere(before.seq + 1));
}
