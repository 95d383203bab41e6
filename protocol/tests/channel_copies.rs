//! Files in a channel's entries, and entries that readers pass on: whoever gets one sees that its owner signed it.
#![allow(clippy::unwrap_used)]

mod world;

use karvon_protocol::body::{Body, Content};
use karvon_protocol::channel::entry::{Entry, SignedEntry};
use karvon_protocol::channel::link::ChannelLink;
use karvon_protocol::core::{Range, Space};
use karvon_protocol::crypto::LocalSignKey;
use karvon_protocol::engine::api::{Command, Reply};
use karvon_protocol::engine::channel_api::{ChannelCommand, ChannelNumber, ChannelReply};
use karvon_protocol::engine::group_api::GroupCommand;
use karvon_protocol::error::{ErrorKind, PeerFault};
use karvon_protocol::group::post::Post;
use karvon_protocol::ids::EntryId;
use world::World;
use world::friends::Friends;

fn ask(world: &mut World, person: usize, command: ChannelCommand) -> Result<ChannelReply, ErrorKind> {
    match world.ask(person, Command::Channel(command)) {
        Ok(Reply::Channel(reply)) => Ok(reply),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    }
}

/// Person 0 founds a channel that `reader` follows.
fn channel(world: &mut World, reader: usize) -> (ChannelNumber, ChannelLink) {
    let Ok(ChannelReply::Founded(own)) = ask(world, 0, ChannelCommand::Create("Jobs".into())) else {
        panic!("not founded")
    };
    let Ok(ChannelReply::Link(link)) = ask(world, 0, ChannelCommand::Link(own)) else { panic!("no link") };
    let link = ChannelLink::decode(&link).unwrap();
    ask(world, reader, ChannelCommand::Follow(link.clone())).unwrap();
    world.run_ms(2_000);
    (own, link)
}

fn file(channel: ChannelNumber, data: Vec<u8>) -> ChannelCommand {
    let (name, media) = ("n".repeat(128), "m".repeat(64));
    ChannelCommand::PostFile { channel, name, media, data: data.into() }
}

/// The entries on a person's disk, as they were signed.
fn entries(world: &World, person: usize) -> Vec<SignedEntry> {
    let rows = world.people[person].node.disk.load(&Range::Space(Space::ChannelEntry));
    rows.iter().map(|(_, row)| SignedEntry::read(&row[8..]).unwrap()).collect()
}

#[test]
fn a_file_in_an_entry_comes_to_readers_as_it_was() {
    let mut world = World::with(1, 3, &[("Owner", &[0, 1]), ("Reader", &[0, 1])]);
    let (own, _) = channel(&mut world, 1);
    let data: Vec<u8> = (0..46_080_u32).map(|at| (at * 7) as u8).collect();
    assert_eq!(ask(&mut world, 0, file(own, vec![1; 46_081])).err(), Some(ErrorKind::TooLong));
    assert_eq!(ask(&mut world, 0, file(own, Vec::new())).err(), Some(ErrorKind::Empty));
    ask(&mut world, 0, ChannelCommand::Post(own, "before".into())).unwrap();
    ask(&mut world, 0, file(own, data.clone())).unwrap();
    ask(&mut world, 0, ChannelCommand::Post(own, "after".into())).unwrap();
    world.run_ms(10_000);
    let came = entries(&world, 1);
    let contents = came.iter().map(|signed| Body::decode(&signed.entry.body).unwrap().content);
    let [Content::Text(_), Content::File { data: came, name, .. }, Content::Text(_)] =
        &contents.collect::<Vec<_>>()[..]
    else {
        panic!("not what was posted");
    };
    assert!(*came == data && name.len() == 128);
    assert_eq!(world.faults(1), 0);
}

#[test]
fn an_entry_that_is_passed_on_stays_signed_by_its_owner_for_people_and_groups_who_do_not_follow() {
    for (count, all) in [(3, true), (10, false)] {
        let mut friends = Friends::new(70 + count as u64, count, all);
        let group = friends.create(0, "Group");
        let mut numbers = vec![group];
        for who in 1..count {
            numbers.push(friends.bring(0, group, who));
        }
        let (own, link) = channel(&mut friends.world, 0);
        ask(&mut friends.world, 0, ChannelCommand::Post(own, "two bricklayers".into())).unwrap();
        // The largest there is.
        ask(&mut friends.world, 0, file(own, vec![9; 46_080])).unwrap();
        friends.world.run_ms(10_000);
        let posted = entries(&friends.world, 0);
        let to = friends.contacts[&(0, 2)];
        for signed in &posted {
            let (owner, entry) = (link.owner, signed.bytes.clone());
            let command = Command::ForwardEntry { contact: to, owner, entry: entry.clone() };
            assert!(friends.world.ask(0, command).is_ok());
            friends.ask(0, GroupCommand::ForwardEntry { group, owner, entry }).unwrap();
        }
        // What its owner did not sign is passed on by nobody.
        let mut bent = posted[0].bytes.clone();
        *bent.last_mut().unwrap() ^= 1;
        let forged = Command::ForwardEntry { contact: to, owner: link.owner, entry: bent };
        assert_eq!(friends.world.ask(0, forged).err(), Some(ErrorKind::Unchangeable));
        friends.world.run_ms(30_000);

        let from = friends.contacts[&(2, 0)];
        let rows = friends.world.rows(2, from, Space::Received);
        let said = rows.iter().map(|(_, row)| Body::decode(&row.body).unwrap());
        let copies: Vec<_> = said.filter_map(|body| Some((body.forwarded, body.content.copied()?))).collect();
        assert_eq!(copies, posted.iter().map(|signed| (true, Ok(signed.clone()))).collect::<Vec<_>>());
        for (who, number) in numbers.iter().enumerate().skip(1) {
            let author = friends.member(who, *number, "Ali");
            let rows = friends.world.people[who].node.disk.load(&Range::Group {
                space: Space::GroupPost,
                group: number.records_of(&author),
                from: 0,
                to: u64::MAX,
                limit: 9,
                newest: false,
            });
            let body = |row: &[u8]| Body::decode(&Post::read(&row[18..]).unwrap().body).unwrap();
            let copies: Vec<_> = rows.iter().filter_map(|(_, row)| body(row).content.copied()).collect();
            assert_eq!(copies, posted.iter().map(|signed| Ok(signed.clone())).collect::<Vec<_>>(), "{who}");
            assert_eq!(friends.world.faults(who), 0);
        }
    }
}

#[test]
fn a_forged_copy_is_told_from_a_true_one_and_a_namesake_by_its_key() {
    let (key, other) = (LocalSignKey::from_seed(&[1; 32]), LocalSignKey::from_seed(&[2; 32]));
    let link = ChannelLink { owner: key.public().0, secret: [2; 16], shard: 3 };
    let body = Body::text(5, "true").encode();
    let entry = Entry { channel: link.id(), seq: 1, before: EntryId([0; 32]), name: "Jobs".into(), body };
    let signed = entry.clone().sign(&key);
    let copy = |owner: [u8; 32], entry: &[u8]| Content::Entry { owner, entry: entry.to_vec() };
    let good = copy(link.owner, &signed.bytes);
    assert_eq!(good.copied(), Some(Ok(signed.clone())));
    assert_eq!(good.into_text(), Some("true".into()));
    // Somebody else signs the same words: it is good by its own key, and that is not the channel's.
    let namesake = copy(other.public().0, &entry.clone().sign(&other).bytes);
    assert!(matches!(namesake.copied(), Some(Ok(_))));
    assert_eq!(
        copy(link.owner, &entry.sign(&other).bytes).copied(),
        Some(Err(PeerFault::Signature)),
        "with the channel's key beside it it is forged"
    );
    for at in 0..signed.bytes.len() {
        let mut bent = signed.bytes.clone();
        bent[at] ^= 1;
        let bent = copy(link.owner, &bent);
        assert!(bent.copied().unwrap().is_err(), "{at}");
        assert_eq!(bent.into_text(), None);
    }
    assert!(copy(link.owner, &[]).copied().unwrap().is_err());
    assert_eq!(Content::Text("true".into()).copied(), None);
}
