//! Channels among neighbours on one local network, without any relay: their entries come to readers, once, also through people who do not
//! follow them, and hide nothing that relays have.

mod world;

use karvon_protocol::body::{Body, Content};
use karvon_protocol::bundle_file::Carried;
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::channel::entry::SignedEntry;
use karvon_protocol::channel::link::ChannelLink;
use karvon_protocol::core::{Range, Space};
use karvon_protocol::engine::api::{Command, Event, Reply};
use karvon_protocol::engine::carrier::{CarryCommand, CarryReply};
use karvon_protocol::engine::channel_api::{
    ChannelCommand, ChannelEvent, ChannelInfo, ChannelNumber, ChannelReply,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use world::friends::Friends;
use world::neighbours::{
    Ends, ROOM, accept, bring, carry, fetch, made_up, meet, offers, part, people, read, relays, restart,
    rows, status, visit,
};
use world::{Host, World};

const ALI: usize = 0;
const BOB: usize = 1;
const ZARINA: usize = 2;

fn channel(world: &mut World, person: usize, command: ChannelCommand) -> ChannelReply {
    match world.ask(person, Command::Channel(command)) {
        Ok(Reply::Channel(reply)) => reply,
        other => panic!("{other:?}"),
    }
}

fn found(reply: ChannelReply) -> ChannelNumber {
    match reply {
        ChannelReply::Founded(number) => number,
        other => panic!("{other:?}"),
    }
}

fn info(world: &mut World, person: usize) -> ChannelInfo {
    match channel(world, person, ChannelCommand::List) {
        ChannelReply::Channels(mut all) => all.remove(0),
        other => panic!("{other:?}"),
    }
}

fn open_channel(world: &mut World) -> (ChannelNumber, ChannelLink) {
    let own = found(channel(world, ALI, ChannelCommand::Create("Jobs".into())));
    match channel(world, ALI, ChannelCommand::Link(own)) {
        ChannelReply::Link(text) => (own, ChannelLink::decode(&text).expect("a link")),
        other => panic!("{other:?}"),
    }
}

fn post(world: &mut World, own: ChannelNumber, text: &str) {
    let reply = channel(world, ALI, ChannelCommand::Post(own, text.into()));
    assert!(matches!(reply, ChannelReply::Queued { .. }), "{reply:?}");
}

fn entries(world: &World, person: usize) -> Vec<String> {
    let rows = world.people[person].node.disk.load(&Range::Space(Space::ChannelEntry));
    let text = |row: &[u8]| {
        let signed = SignedEntry::read(&row[8..]).expect("an entry");
        match Body::decode(&signed.entry.body).expect("a body").content {
            Content::Text(text) => text,
            other => panic!("{other:?}"),
        }
    };
    rows.iter().map(|(_, row)| text(row)).collect()
}

/// How often a person was told of an entry.
fn told(world: &World, person: usize) -> usize {
    let events = world.people[person].node.events.iter();
    events.filter(|event| matches!(event, Event::Channel(ChannelEvent::Received { .. }))).count()
}

#[test]
fn a_channel_comes_to_its_readers_by_a_friend_who_does_not_follow_it() {
    let (mut friends, ends) = people(440, 3, &[(ALI, BOB), (BOB, ZARINA)]);
    let world = &mut friends.world;
    accept(world);
    let (own, link) = open_channel(world);
    relays(world, false);
    for text in ["one", "two"] {
        post(world, own, text);
    }
    world.run_ms(1_000);
    assert_eq!(visit(world, &ends, ALI, BOB), 2);
    visit(world, &ends, BOB, ZARINA);
    // She gets the link only now: what her device carries is read at once, also after a restart.
    assert_eq!(status(world, ZARINA).1, 2);
    restart(world, ZARINA);
    found(channel(world, ZARINA, ChannelCommand::Follow(link)));
    world.run_ms(500);
    assert_eq!(entries(world, ZARINA), ["one", "two"]);
    // And what comes later when it comes.
    post(world, own, "three");
    world.run_ms(1_000);
    restart(world, ALI);
    visit(world, &ends, ALI, BOB);
    visit(world, &ends, BOB, ZARINA);
    assert_eq!(entries(world, ZARINA), ["one", "two", "three"]);
    assert_eq!(told(world, ZARINA), 3);
    assert_eq!(info(world, ZARINA).name, "Jobs");
    assert_eq!(info(world, ALI).under_way, 3, "no relay has any of them");
    // A way out: relays get all of it, readers nothing twice, and no relay is blamed for what only neighbours had.
    relays(world, true);
    world.run_ms(900_000);
    assert_eq!(info(world, ALI).under_way, 0);
    post(world, own, "four");
    world.run_ms(60_000);
    assert_eq!(entries(world, ZARINA), ["one", "two", "three", "four"]);
    assert_eq!(told(world, ZARINA), 4);
    let info = info(world, ZARINA);
    assert_eq!((info.withheld, info.forked, info.missing), (0, false, 0));
    assert_eq!([ALI, BOB, ZARINA].map(|person| world.faults(person)), [0; 3]);
}

/// Bob and Zarina follow Ali's channel; Bob has nineteen entries by relay, Zarina the first one, and all relays are gone.
fn one_of_nineteen(seed: u64) -> (Friends, Ends, ChannelLink) {
    let (mut friends, ends) = people(seed, 3, &[(ALI, BOB), (BOB, ZARINA)]);
    let world = &mut friends.world;
    accept(world);
    let (own, link) = open_channel(world);
    for reader in [BOB, ZARINA] {
        found(channel(world, reader, ChannelCommand::Follow(link.clone())));
    }
    world.run_ms(5_000);
    post(world, own, "1");
    world.run_ms(5_000);
    world.crash(Host::Person(ZARINA));
    for n in 2..20 {
        post(world, own, &n.to_string());
        world.run_ms(1_000);
    }
    world.run_ms(30_000);
    relays(world, false);
    restart(world, ZARINA);
    assert_eq!((entries(world, BOB).len(), entries(world, ZARINA).len()), (19, 1));
    (friends, ends, link)
}

#[test]
fn what_a_relay_brought_is_handed_to_whoever_has_no_way_out() {
    let (mut friends, ends, _) = one_of_nineteen(450);
    let world = &mut friends.world;
    meet(world, &ends, BOB, ZARINA);
    let names = offers(world, BOB, ends[BOB][ZARINA]);
    match carry(world, ZARINA, CarryCommand::Offered(ends[ZARINA][BOB], names)) {
        Ok(CarryReply::Offered { kept, .. }) => assert_eq!(kept.len(), 1, "she has the first one"),
        other => panic!("{other:?}"),
    }
    part(world, &ends, BOB, ZARINA);
    visit(world, &ends, BOB, ZARINA);
    assert_eq!(entries(world, ZARINA), (1..20).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(told(world, ZARINA), 19);
    relays(world, true);
    world.run_ms(900_000);
    assert_eq!((entries(world, ZARINA).len(), told(world, ZARINA)), (19, 19));
    assert_eq!(info(world, ZARINA).withheld, 0);
    assert_eq!([ALI, BOB, ZARINA].map(|person| world.faults(person)), [0; 3]);
}

#[test]
fn cells_of_own_groups_and_channels_have_half_of_the_room_and_travel_in_files_too() {
    let (mut friends, ends) = people(480, 3, &[(ALI, BOB), (BOB, ZARINA)]);
    let world = &mut friends.world;
    accept(world);
    let small = 20 * Class::S.bytes();
    for person in [ALI, BOB] {
        assert!(carry(world, person, CarryCommand::Room(small)).is_ok());
    }
    let (own, link) = open_channel(world);
    found(channel(world, BOB, ChannelCommand::Follow(link.clone())));
    world.run_ms(5_000);
    for n in 1..20 {
        post(world, own, &n.to_string());
        world.run_ms(2_000);
    }
    world.run_ms(30_000);
    assert_eq!(entries(world, BOB).len(), 19);
    for person in [ALI, BOB] {
        assert_eq!(status(world, person).2, small as u64 / 2, "{person}");
    }
    // What neighbours bring finds the other half, and no more.
    meet(world, &ends, BOB, ZARINA);
    let flood: Vec<_> = (0..40).map(|n| made_up(n, Class::S)).collect();
    assert_eq!(bring(world, BOB, ends[BOB][ZARINA], &flood, small), 10);
    assert_eq!(status(world, BOB).2, small as u64);
    part(world, &ends, BOB, ZARINA);
    // Zarina gets a file with everything that Ali carries, and the link later.
    let all = match carry(world, ALI, CarryCommand::All) {
        Ok(CarryReply::Rows(rows)) => rows,
        other => panic!("{other:?}"),
    };
    let cells = read(world, ALI, &all);
    assert_eq!(cells.len(), 10);
    relays(world, false);
    let (now, later) = cells.split_at(5);
    let take = |cells: &[Carried]| CarryCommand::Take { cells: cells.to_vec(), room: ROOM };
    assert!(carry(world, ZARINA, take(now)).is_ok());
    found(channel(world, ZARINA, ChannelCommand::Follow(link)));
    world.run_ms(500);
    assert_eq!(entries(world, ZARINA).len(), 5);
    assert!(carry(world, ZARINA, take(later)).is_ok());
    assert!(carry(world, ZARINA, take(now)).is_ok());
    assert_eq!((entries(world, ZARINA).len(), told(world, ZARINA)), (10, 10));
    // Who leaves the channel carries nothing of it on.
    let number = info(world, ZARINA).channel;
    assert!(matches!(channel(world, ZARINA, ChannelCommand::Leave(number)), ChannelReply::Done));
    assert_eq!((status(world, ZARINA).1, rows(world, ZARINA).len()), (0, 0));
}

#[test]
fn an_entry_that_a_neighbour_brought_hides_no_earlier_ones_from_whoever_asks_another_relay() {
    // One of these is without the relay at which Zarina followed the channel: she pages back at another one.
    for (seed, there) in [(460, [0, 1]), (460, [0, 2]), (460, [1, 2])] {
        let (mut friends, ends, link) = one_of_nineteen(seed);
        let world = &mut friends.world;
        meet(world, &ends, BOB, ZARINA);
        let names = offers(world, BOB, ends[BOB][ZARINA]);
        let mut newest = fetch(world, BOB, ends[BOB][ZARINA], names);
        newest.retain(|carried| {
            let bytes = link.call().open(&carried.cell).expect("a cell of the channel");
            SignedEntry::read(&bytes).expect("an entry").entry.seq == 19
        });
        assert_eq!(bring(world, ZARINA, ends[ZARINA][BOB], &newest, ROOM), 1);
        part(world, &ends, BOB, ZARINA);
        assert_eq!((info(world, ZARINA).newest, info(world, ZARINA).missing), (19, 17));
        restart(world, ZARINA);
        there.iter().for_each(|relay| world.start(Host::Relay(*relay)));
        world.run_ms(120_000);
        assert_eq!(info(world, ZARINA).missing, 0, "{there:?}");
        assert_eq!(entries(world, ZARINA).len(), 19);
    }
}

#[test]
fn a_hostile_neighbour_who_has_the_link_makes_nobody_read_what_the_owner_did_not_sign() {
    let (mut friends, ends, link) = one_of_nineteen(470);
    let world = &mut friends.world;
    meet(world, &ends, BOB, ZARINA);
    let names = offers(world, BOB, ends[BOB][ZARINA]);
    let cells = fetch(world, BOB, ends[BOB][ZARINA], names);
    let mut rng = ChaCha20Rng::seed_from_u64(470);
    // Copies with a bent signature under a good seal, junk under a good hint, and bent cells.
    let forged = cells.iter().map(|carried| {
        let mut signed = link.call().open(&carried.cell).expect("a cell of the channel");
        *signed.last_mut().expect("a byte") ^= 1;
        link.call().seal(link.shard, &signed, &mut rng).expect("it fits")
    });
    let mut bad: Vec<_> = forged.collect();
    bad.extend((0..20).map(|n| link.call().seal(link.shard, &[n; 64], &mut rng).expect("it fits")));
    bad.extend(cells.iter().map(|carried| {
        let mut bytes = carried.cell.bytes().to_vec();
        *bytes.last_mut().expect("a byte") ^= 1;
        Cell::parse(bytes).expect("it looks like a cell")
    }));
    let bad: Vec<_> = bad.into_iter().map(|cell| Carried { cell, until_day: u32::MAX }).collect();
    bring(world, ZARINA, ends[ZARINA][BOB], &bad, ROOM);
    assert_eq!(entries(world, ZARINA), ["1"]);
    assert!(!info(world, ZARINA).forked);
    // They take no more room than a neighbour has, and what the owner signed is taken beside them.
    assert!(status(world, ZARINA).2 <= ROOM as u64);
    bring(world, ZARINA, ends[ZARINA][BOB], &cells, ROOM);
    assert_eq!(entries(world, ZARINA).len(), 19);
}
