//! Channels in virtual time: what readers get, from whom, and what they notice.
#![allow(clippy::unwrap_used)]

mod world;

use karvon_protocol::body::{Body, Content};
use karvon_protocol::channel::chain::{Chain, Placed, verify_fork};
use karvon_protocol::channel::entry::{Entry, SignedEntry};
use karvon_protocol::channel::link::ChannelLink;
use karvon_protocol::core::{Range, Space};
use karvon_protocol::crypto::LocalSignKey;
use karvon_protocol::engine::api::{Command, Reply};
use karvon_protocol::engine::channel_api::{ChannelCommand, ChannelInfo, ChannelNumber, ChannelReply};
use karvon_protocol::error::{ErrorKind, PeerFault};
use karvon_protocol::ids::EntryId;
use world::{Host, World};

fn ask(world: &mut World, person: usize, command: ChannelCommand) -> Result<ChannelReply, ErrorKind> {
    match world.ask(person, Command::Channel(command)) {
        Ok(Reply::Channel(reply)) => Ok(reply),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    }
}

fn number(reply: Result<ChannelReply, ErrorKind>) -> ChannelNumber {
    match reply {
        Ok(ChannelReply::Founded(number)) => number,
        other => panic!("{other:?}"),
    }
}

fn link(world: &mut World, person: usize, channel: ChannelNumber) -> ChannelLink {
    match ask(world, person, ChannelCommand::Link(channel)) {
        Ok(ChannelReply::Link(text)) => ChannelLink::decode(&text).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn info(world: &mut World, person: usize) -> ChannelInfo {
    match ask(world, person, ChannelCommand::List) {
        Ok(ChannelReply::Channels(mut all)) => all.remove(0),
        other => panic!("{other:?}"),
    }
}

fn post(world: &mut World, person: usize, channel: ChannelNumber, text: &str) {
    let reply = ask(world, person, ChannelCommand::Post(channel, text.into()));
    assert!(matches!(reply, Ok(ChannelReply::Queued { .. })), "{reply:?}");
}

/// Texts on a person's disk, by number.
fn texts(world: &World, person: usize) -> Vec<String> {
    let rows = world.people[person].node.disk.load(&Range::Space(Space::ChannelEntry));
    let text = |row: &[u8]| {
        let signed = SignedEntry::read(&row[8..]).unwrap();
        match Body::decode(&signed.entry.body).unwrap().content {
            Content::Text(text) => text,
            other => panic!("{other:?}"),
        }
    };
    rows.iter().map(|(_, row)| text(row)).collect()
}

/// An owner (0) with a channel, and readers 1 and on who follow it.
fn channel(seed: u64, relays: usize, readers: usize) -> (World, ChannelNumber, ChannelLink) {
    let names = ["Owner", "R1", "R2", "R3", "R4", "R5"];
    let people: Vec<(&str, &[usize])> = names[..=readers].iter().map(|name| (*name, &[0, 1][..])).collect();
    let mut world = World::with(seed, relays, &people);
    let own = number(ask(&mut world, 0, ChannelCommand::Create("Jobs".into())));
    let link = link(&mut world, 0, own);
    for reader in 1..=readers {
        number(ask(&mut world, reader, ChannelCommand::Follow(link.clone())));
    }
    world.run_ms(2_000);
    (world, own, link)
}

#[test]
fn a_relay_that_refuses_an_entry_is_passed_over_for_another_one() {
    for seed in 30..36 {
        let (mut world, own, _) = channel(seed, 5, 0);
        world.fill(2, true);
        post(&mut world, 0, own, "one");
        // Which relays are asked is chance; who refuses is not waited for.
        let stored = world.run_until(6_000, |world| info(world, 0).under_way == 0);
        assert!(stored, "seed {seed}");
    }
}

#[test]
fn readers_get_what_the_owner_writes_and_can_not_write_themselves() {
    let (mut world, own, link) = channel(1, 3, 3);
    post(&mut world, 0, own, "one");
    world.run_ms(1_000);
    post(&mut world, 0, own, "two");
    world.run_ms(1_000);
    for reader in 1..=3 {
        assert_eq!(texts(&world, reader), ["one", "two"], "{reader}");
        let info = info(&mut world, reader);
        assert_eq!((info.name.as_str(), info.newest, info.unread, info.mine), ("Jobs", 2, 2, false));
        assert_eq!((info.missing, info.forked, info.withheld), (0, false, 0));
    }
    assert_eq!(info(&mut world, 0).under_way, 0, "relays have it");
    let theirs = info(&mut world, 1).channel;
    let refused = ask(&mut world, 1, ChannelCommand::Post(theirs, "mine".into()));
    assert_eq!(refused.err(), Some(ErrorKind::NotAllowed));
    ask(&mut world, 1, ChannelCommand::MarkRead(theirs, 2)).unwrap();
    assert_eq!(info(&mut world, 1).unread, 0);
    // To follow once more is no second channel, and whoever leaves keeps nothing.
    assert_eq!(number(ask(&mut world, 1, ChannelCommand::Follow(link))), theirs);
    ask(&mut world, 1, ChannelCommand::Leave(theirs)).unwrap();
    world.run_ms(1_000);
    assert!(texts(&world, 1).is_empty());
}

#[test]
fn a_late_reader_gets_the_newest_first_and_older_ones_on_demand() {
    let (mut world, own, link) = channel(2, 3, 1);
    for number in 1..=40 {
        post(&mut world, 0, own, &format!("entry {number:02}"));
        world.run_ms(200);
    }
    assert_eq!(texts(&world, 1).len(), 40);
    let late = world.add_person("Late");
    for relay in [0, 1] {
        let door = world.slot(relay);
        let _ = world.ask(late, Command::AddDoor(door));
    }
    world.run_ms(4_000);
    let theirs = number(ask(&mut world, late, ChannelCommand::Follow(link)));
    world.run_ms(3_000);
    let first = texts(&world, late);
    assert!((1..40).contains(&first.len()), "only a page: {}", first.len());
    assert_eq!(first.last().map(String::as_str), Some("entry 40"));
    for _ in 0..4 {
        ask(&mut world, late, ChannelCommand::Older(theirs)).unwrap();
        world.run_ms(2_000);
    }
    let all: Vec<_> = (1..=40).map(|number| format!("entry {number:02}")).collect();
    assert_eq!(texts(&world, late), all);
    post(&mut world, 0, own, "new");
    world.run_ms(1_000);
    assert_eq!(texts(&world, late).len(), 41, "what is new comes by itself");
}

#[test]
fn a_reader_who_was_away_misses_nothing_whatever_crashed_meanwhile() {
    let (mut world, own, _) = channel(3, 3, 2);
    post(&mut world, 0, own, "before");
    world.run_ms(1_000);
    world.crash(Host::Person(1));
    for number in 0..30 {
        post(&mut world, 0, own, &format!("entry {number:02}"));
        // The owner's device goes right after the entry is durable there: it is sent after the next start.
        if number % 10 == 5 {
            world.crash(Host::Person(0));
            world.run_ms(1_000);
            world.start(Host::Person(0));
        }
        world.run_ms(3_000);
    }
    for relay in 0..3 {
        world.crash(Host::Relay(relay));
        world.run_ms(1_000);
        world.start(Host::Relay(relay));
        world.run_ms(5_000);
    }
    world.start(Host::Person(1));
    world.run_ms(30_000);
    let texts_of = |world: &World, reader| texts(world, reader);
    assert_eq!(texts_of(&world, 2).len(), 31);
    assert_eq!(texts_of(&world, 1), texts_of(&world, 2));
    assert_eq!(info(&mut world, 1).missing, 0);
}

#[test]
fn a_relay_that_keeps_entries_back_is_noticed_and_left() {
    let (mut world, own, _) = channel(4, 6, 5);
    post(&mut world, 0, own, "open to all");
    world.run_ms(5_000);
    world.sealed_off = Some(2);
    // Two of the four relays that are no doors take each entry in: some entries lie at the other ones only.
    for number in 0..6 {
        post(&mut world, 0, own, &format!("entry {number}"));
        world.run_ms(20_000);
    }
    world.run_ms(2_000_000);
    let mut withheld = 0;
    for reader in 1..=5 {
        assert_eq!(texts(&world, reader).len(), 7, "{reader}");
        withheld += info(&mut world, reader).withheld;
    }
    assert!(withheld > 0, "somebody followed relay 2 and noticed");
    assert_eq!(info(&mut world, 1).missing, 0);
}

#[test]
fn an_owner_who_tells_two_stories_is_shown_as_such_and_the_proof_can_be_checked() {
    let (mut world, own, link) = channel(5, 3, 2);
    post(&mut world, 0, own, "one");
    world.run_ms(1_000);
    // The owner's device is set back to before the entry "two", as by somebody with a copy of it.
    let copy = world.people[0].node.disk.kv.clone();
    post(&mut world, 0, own, "two");
    world.run_ms(2_000);
    world.crash(Host::Person(0));
    world.people[0].node.disk.kv = copy;
    world.start(Host::Person(0));
    world.run_ms(3_000);
    post(&mut world, 0, own, "another two");
    world.run_ms(2_000);
    for reader in 1..=2 {
        assert_eq!(texts(&world, reader), ["one", "two"], "what came first stays");
        assert!(info(&mut world, reader).forked);
    }
    let disk = &world.people[1].node.disk;
    let held = disk.load(&Range::Space(Space::ChannelEntry));
    let proof = disk.load(&Range::Space(Space::ChannelFork));
    let (one, two) = (&held[1].1[8..], &proof[0].1[16..]);
    assert_eq!(verify_fork(link.id(), &link.owner, one, two), Ok(()));
    assert_eq!(verify_fork(link.id(), &link.owner, one, one), Err(PeerFault::Mismatch));
    let other = LocalSignKey::from_seed(&[9; 32]).public().0;
    assert!(verify_fork(link.id(), &other, one, two).is_err());
}

#[test]
fn forged_and_foreign_entries_are_refused() {
    let key = LocalSignKey::from_seed(&[1; 32]);
    let link = ChannelLink { owner: key.public().0, secret: [2; 16], shard: 3 };
    let body = Body::text(5, "text").encode();
    let entry = Entry { channel: link.id(), seq: 1, before: EntryId([0; 32]), name: "Name".into(), body };
    let signed = entry.clone().sign(&key);
    assert_eq!(SignedEntry::open(&signed.bytes, link.id(), &link.owner).as_ref(), Ok(&signed));
    let reader = LocalSignKey::from_seed(&[3; 32]);
    let forged = entry.clone().sign(&reader);
    assert_eq!(SignedEntry::open(&forged.bytes, link.id(), &link.owner), Err(PeerFault::Signature));
    let elsewhere = ChannelLink { shard: 4, ..link.clone() };
    assert_eq!(SignedEntry::open(&signed.bytes, elsewhere.id(), &link.owner), Err(PeerFault::Mismatch));
    for at in 0..signed.bytes.len() {
        let mut damaged = signed.bytes.clone();
        damaged[at] ^= 1;
        assert!(SignedEntry::open(&damaged, link.id(), &link.owner).is_err(), "{at}");
        assert!(SignedEntry::open(&signed.bytes[..at], link.id(), &link.owner).is_err(), "{at}");
    }
    for (seq, before) in [(0, [0; 32]), (1, [1; 32]), (2, [0; 32]), (u64::MAX, [1; 32])] {
        let wrong = Entry { seq, before: EntryId(before), ..entry.clone() }.sign(&key);
        assert_eq!(SignedEntry::open(&wrong.bytes, link.id(), &link.owner), Err(PeerFault::Bound), "{seq}");
    }
}

#[test]
fn a_chain_names_the_entry_that_another_one_contradicts() {
    let key = LocalSignKey::from_seed(&[5; 32]);
    let channel = ChannelLink { owner: key.public().0, secret: [6; 16], shard: 3 }.id();
    let entry =
        |seq, before, name: &str| Entry { channel, seq, before, name: name.into(), body: vec![1] }.sign(&key);
    let fourth = entry(4, EntryId([0; 32]), "Jobs");
    let fifth = entry(5, fourth.id, "Jobs");
    let sixth = entry(6, fifth.id, "Jobs");
    let mut chain = Chain::default();
    assert_eq!((chain.first(), chain.newest(), chain.missing()), (None, None, 0));
    assert_eq!(
        [&fourth, &sixth, &fourth].map(|signed| chain.place(signed)),
        [Placed::New, Placed::New, Placed::Known]
    );
    assert_eq!((chain.first(), chain.newest(), chain.missing()), (Some(4), Some((6, sixth.id)), 1));
    let other = [
        entry(4, EntryId([0; 32]), "Other"),
        entry(5, EntryId([9; 32]), "Jobs"),
        entry(5, fourth.id, "Other"),
    ];
    // Another fourth one; a fifth that does not follow the fourth; one that does, and that the sixth does not follow.
    assert_eq!(other.each_ref().map(|signed| chain.place(signed)), [4, 4, 6].map(Placed::Forks));
    assert_eq!(chain.len(), 2, "none of them was taken");
    assert_eq!(chain.place(&fifth), Placed::New);
    assert_eq!((chain.missing(), chain.above(4), chain.forget_first()), (0, 2, Some(4)));
    assert_eq!((chain.first(), chain.has(4), chain.has(5)), (Some(5), false, true));
}
