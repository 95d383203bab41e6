//! Groups of few people over their sessions, in virtual time: told as stories.
#![allow(clippy::unwrap_used)]

mod world;

use karvon_protocol::core::{Range, Space};
use karvon_protocol::engine::api::{Command, Reply};
use karvon_protocol::engine::group_api::{GroupCommand, GroupReply, Standing};
use karvon_protocol::error::ErrorKind;
use karvon_protocol::group::op::{Act, Role, SignedOp};
use world::friends::Friends;
use world::{Host, World};

#[test]
fn three_friends_talk_in_a_group_and_the_author_sees_how_many_have_it() {
    let mut friends = Friends::new(1, 3, true);
    let ali = friends.create(0, "Бригада");
    let bob = friends.bring(0, ali, 1);
    let zarina = friends.bring(0, ali, 2);
    friends.world.run_ms(1_000);
    let seq = friends.send(0, ali, "one");
    let under_way = friends.view(0, ali).under_way;
    assert_eq!(under_way.len(), 1);
    assert_eq!((under_way[0].0, under_way[0].1.of), (seq, 2));
    friends.world.run_ms(500);
    friends.send(1, bob, "two");
    friends.world.run_ms(500);
    friends.send(2, zarina, "three");
    friends.world.run_ms(2_000);
    for (person, group) in [(0, ali), (1, bob), (2, zarina)] {
        assert_eq!(friends.read(person, group), ["one", "two", "three"], "{person}");
        let view = friends.view(person, group);
        assert!(view.under_way.is_empty(), "{person}: {:?}", view.under_way);
        assert_eq!(view.info.name, "Бригада");
        assert_eq!(view.members.len(), 3);
        assert!(view.members.iter().all(|member| member.me || member.contact.is_some()), "{view:?}");
    }
    assert_eq!(friends.view(1, bob).info.unread, 1);
    for person in 0..3 {
        assert_eq!(
            friends.world.contacts(person)[0].unread,
            0,
            "a group does not count as a contact's messages"
        );
    }
}

#[test]
fn people_who_share_no_session_reach_each_other_through_whoever_took_them_in() {
    let mut friends = Friends::new(2, 4, false);
    let ali = friends.create(0, "Star");
    let numbers: Vec<_> = (1..4).map(|who| friends.bring(0, ali, who)).collect();
    let seq = friends.send(1, numbers[0], "from Bob");
    friends.world.run_ms(5_000);
    for who in 1..4 {
        assert_eq!(friends.read(who, numbers[who - 1]), ["from Bob"], "{who}");
    }
    assert_eq!(friends.read(0, ali), ["from Bob"]);
    let view = friends.view(1, numbers[0]);
    assert!(
        view.under_way.iter().all(|(under_way, _)| *under_way != seq),
        "everybody confirmed: {:?}",
        view.under_way
    );
}

#[test]
fn whoever_is_removed_gets_nothing_later_and_whoever_joins_nothing_earlier() {
    let mut friends = Friends::new(3, 4, true);
    let ali = friends.create(0, "Group");
    let bob = friends.bring(0, ali, 1);
    let zarina = friends.bring(0, ali, 2);
    friends.send(0, ali, "early");
    friends.world.run_ms(1_000);
    let umed = friends.bring(0, ali, 3);
    let gone = friends.member(0, ali, "Bob");
    friends.ask(0, GroupCommand::Remove(ali, gone)).unwrap();
    friends.world.run_ms(1_000);
    friends.send(2, zarina, "late");
    friends.world.run_ms(3_000);
    assert_eq!(friends.read(1, bob), ["early"]);
    assert_eq!(friends.view(1, bob).info.standing, Standing::Out);
    assert_eq!(friends.read(3, umed), ["late"]);
    assert_eq!(friends.read(2, zarina), ["early", "late"]);
    assert_eq!(friends.ask(1, GroupCommand::Send(bob, "me too".into())).err(), Some(ErrorKind::NotMember));
    // Back again, with keys of their own, and still without what was said meanwhile.
    let again = friends.bring(0, ali, 1);
    assert_eq!(again, bob);
    friends.send(0, ali, "welcome back");
    friends.world.run_ms(2_000);
    assert_eq!(friends.read(3, umed), ["late", "welcome back"]);
    let texts = friends.read(1, bob);
    assert_eq!(
        texts,
        ["early", "welcome back"],
        "what came before stays; what was said meanwhile never came"
    );
}

#[test]
fn roles_decide_who_may_do_what() {
    let mut friends = Friends::new(4, 3, true);
    let ali = friends.create(0, "Group");
    let bob = friends.bring(0, ali, 1);
    let zarina = friends.bring(0, ali, 2);
    let contact = friends.contacts[&(1, 2)];
    assert_eq!(friends.ask(1, GroupCommand::Invite(bob, contact)).err(), Some(ErrorKind::NotAllowed));
    assert_eq!(friends.ask(1, GroupCommand::Rename(bob, "Mine".into())).err(), Some(ErrorKind::NotAllowed));
    let id = friends.member(0, ali, "Bob");
    friends.ask(0, GroupCommand::Role(ali, id, Role::Admin)).unwrap();
    friends.world.run_ms(1_000);
    friends.ask(1, GroupCommand::Rename(bob, "Ours".into())).unwrap();
    friends.world.run_ms(1_000);
    for (person, group) in [(0, ali), (1, bob), (2, zarina)] {
        assert_eq!(friends.view(person, group).info.name, "Ours");
    }
    let owner = friends.member(1, bob, "Ali");
    assert_eq!(friends.ask(1, GroupCommand::Remove(bob, owner)).err(), Some(ErrorKind::NotAllowed));
    friends.ask(2, GroupCommand::Leave(zarina)).unwrap();
    friends.world.run_ms(1_000);
    assert_eq!(friends.view(0, ali).info.members, 2);
}

#[test]
fn a_group_survives_crashes_of_anybody_at_any_time() {
    let mut friends = Friends::new(5, 3, true);
    let ali = friends.create(0, "Group");
    let bob = friends.bring(0, ali, 1);
    let zarina = friends.bring(0, ali, 2);
    let mut expected = Vec::new();
    for round in 0..6 {
        let down = round % 3;
        let text = format!("text {round}");
        let (writer, group) = [(1, bob), (2, zarina), (0, ali)][round % 3];
        friends.world.crash(Host::Person(down));
        friends.send(writer, group, &text);
        friends.world.run_ms(300);
        friends.world.crash(Host::Person(writer));
        friends.world.run_ms(300);
        friends.world.start(Host::Person(writer));
        friends.world.start(Host::Person(down));
        friends.world.run_ms(4_000);
        expected.push(text);
        for (person, group) in [(0, ali), (1, bob), (2, zarina)] {
            assert_eq!(friends.read(person, group), expected, "{person} in round {round}");
        }
    }
    assert!(friends.view(0, ali).under_way.is_empty());
}

#[test]
fn somebody_who_was_not_invited_does_not_get_in_and_a_declined_invitation_is_gone() {
    let mut friends = Friends::new(6, 3, true);
    let ali = friends.create(0, "Group");
    let contact = friends.contacts[&(0, 1)];
    friends.ask(0, GroupCommand::Invite(ali, contact)).unwrap();
    friends.world.run_ms(500);
    let invited = friends.list(1)[0].group;
    friends.ask(1, GroupCommand::Leave(invited)).unwrap();
    friends.world.run_ms(500);
    assert_eq!(friends.list(1)[0].standing, Standing::Out);
    assert_eq!(friends.ask(1, GroupCommand::Accept(invited)).err(), Some(ErrorKind::NotMember));
    assert_eq!(friends.view(0, ali).info.members, 1);
    assert!(friends.list(2).is_empty());
}

/// The shard that the founder of a person's only group drew.
fn shard_of(world: &World, person: usize) -> u16 {
    let rows = world.people[person].node.disk.load(&Range::Space(Space::GroupOp));
    let shard = |(_, row): &(_, karvon_protocol::core::Value)| match SignedOp::decode(row).ok()?.op().act {
        Act::Create { shard, .. } => Some(shard),
        _ => None,
    };
    rows.iter().find_map(shard).expect("the founding")
}

#[test]
fn a_larger_group_speaks_over_its_shard_and_whoever_was_away_catches_up() {
    let mut friends = Friends::new(7, 10, false);
    let ali = friends.create(0, "Large");
    let mut numbers = vec![ali];
    for who in 1..10 {
        numbers.push(friends.bring(0, ali, who));
    }
    friends.world.crash(Host::Person(4));
    let mut expected = Vec::new();
    for round in 0..3 {
        for who in [0, 3, 9] {
            let text = format!("{round} from {who}");
            friends.send(who, numbers[who], &text);
            friends.world.run_ms(700);
            expected.push(text);
        }
    }
    friends.world.run_ms(60_000);
    // All of it went over the shard that the founder drew.
    let shard = shard_of(&friends.world, 0);
    let used = friends.world.gossiped.iter().map(|unit| u16::from_be_bytes([unit[1], unit[2]]));
    assert_eq!(used.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>(), [shard]);
    friends.world.start(Host::Person(4));
    friends.world.run_ms(8_000);
    for (who, number) in numbers.iter().enumerate() {
        assert_eq!(friends.read(who, *number), expected, "{who}");
    }
    // Receipts of so many are ten minutes apart.
    friends.world.run_ms(700_000);
    assert!(friends.view(0, ali).under_way.is_empty(), "{:?}", friends.view(0, ali).under_way);

    // Whoever is removed can not read on, with all that lies on their device.
    let gone = friends.member(0, ali, "Karim");
    friends.ask(0, GroupCommand::Remove(ali, gone)).unwrap();
    friends.world.run_ms(3_000);
    friends.send(3, numbers[3], "without Karim");
    friends.world.run_ms(3_000);
    assert_eq!(friends.read(5, numbers[5]), expected);
    assert_eq!(friends.read(9, numbers[9]).last().map(String::as_str), Some("without Karim"));
    for relay in &friends.world.relays {
        let cells = relay.node.disk.kv.keys().filter(|key| key.space == Space::RelayShard).count();
        assert!(cells > 10, "each relay carries the shard: {cells}");
    }
}

#[test]
fn a_relay_that_is_gone_stops_no_group() {
    let mut friends = Friends::new(8, 4, false);
    let ali = friends.create(0, "Star");
    let numbers: Vec<_> = (1..4).map(|who| friends.bring(0, ali, who)).collect();
    friends.world.run_ms(2_000);
    let mut expected = Vec::new();
    for gone in 0..3 {
        friends.world.crash(Host::Relay(gone));
        friends.world.run_ms(200);
        let text = format!("without relay {gone}");
        friends.send(2, numbers[1], &text);
        expected.push(text);
        friends.world.run_ms(40_000);
        assert_eq!(friends.read(3, numbers[2]), expected);
        friends.world.start(Host::Relay(gone));
        friends.world.run_ms(20_000);
        assert_eq!(friends.read(1, numbers[0]), expected);
    }
}

/// Names of the cells of shards on a relay's disk.
fn shard_cells(world: &World, relay: usize) -> std::collections::BTreeSet<Vec<u8>> {
    let rows = world.relays[relay].node.disk.load(&Range::Space(Space::RelayShard));
    rows.iter().map(|(_, row)| row[16..32].to_vec()).collect()
}

#[test]
fn a_relay_that_was_away_catches_up_with_what_it_missed() {
    let mut friends = Friends::new(9, 4, false);
    let ali = friends.create(0, "Star");
    let numbers: Vec<_> = (1..4).map(|who| friends.bring(0, ali, who)).collect();
    friends.send(1, numbers[0], "all are there");
    friends.world.run_ms(3_000);
    friends.world.crash(Host::Relay(2));
    friends.world.crash(Host::Person(3));
    for number in 0..60 {
        friends.send(1 + number % 2, numbers[number % 2], &format!("text {number}"));
        friends.world.run_ms(2_000);
    }
    assert!(shard_cells(&friends.world, 2).len() < 10);
    friends.world.start(Host::Relay(2));
    friends.world.run_ms(60_000);
    let all = shard_cells(&friends.world, 0);
    assert!(all.len() > 60);
    assert_eq!(shard_cells(&friends.world, 1), all);
    assert_eq!(shard_cells(&friends.world, 2), all);
    // Whoever was away gets everything, whichever relay is asked.
    friends.world.start(Host::Person(3));
    friends.world.run_ms(30_000);
    assert_eq!(friends.read(3, numbers[2]).len(), 61);
}

#[test]
fn the_real_state_of_a_removed_member_opens_nothing_later_and_that_of_a_new_one_nothing_earlier() {
    use karvon_protocol::cell::Cell;
    use karvon_protocol::group::seed::Seed;
    let mut friends = Friends::new(10, 10, false);
    let ali = friends.create(0, "Large");
    let mut numbers = vec![ali];
    for who in 1..9 {
        numbers.push(friends.bring(0, ali, who));
    }
    friends.send(0, ali, "early");
    friends.send(3, numbers[3], "early too");
    friends.world.run_ms(3_000);
    // Karim (5) is off while he is removed: his disk stays as it was, he never learns of it.
    friends.world.crash(Host::Person(5));
    let cells = |friends: &Friends| -> Vec<Cell> {
        let names = shard_cells(&friends.world, 0);
        let stored = friends.world.relays[0].node.disk.cells.values().map(|(_, cell)| cell.clone());
        stored.filter(|cell| names.contains(&cell.hash().0[..])).collect()
    };
    let before = cells(&friends);
    let gone = friends.member(0, ali, "Karim");
    friends.ask(0, GroupCommand::Remove(ali, gone)).unwrap();
    friends.world.run_ms(3_000);
    numbers.push(friends.bring(0, ali, 9));
    for who in [0, 3, 9] {
        friends.send(who, numbers[who], "late");
        friends.world.run_ms(2_000);
    }
    let all = cells(&friends);
    let late: Vec<_> = all.iter().filter(|cell| !before.contains(cell)).cloned().collect();
    assert!(before.len() >= 3 && late.len() >= 4, "{} {}", before.len(), late.len());
    // Every key on a disk against every cell, as whoever has the device would try.
    let opened = |friends: &Friends, person: usize, cells: &[Cell]| {
        let rows = friends.world.people[person].node.disk.load(&Range::Space(Space::GroupSeed));
        assert!(!rows.is_empty());
        let opens = |cell: &&Cell| rows.iter().any(|(_, row)| Seed::decode(row).unwrap().open(cell).is_ok());
        cells.iter().filter(opens).count()
    };
    assert_eq!(opened(&friends, 5, &late), 0, "the removed one");
    assert_eq!(opened(&friends, 9, &before), 0, "the new one");
    // The same test sees that somebody who stayed can: a chain that is further along opens later cells only.
    friends.world.crash(Host::Person(4));
    friends.send(3, numbers[3], "and later");
    friends.world.run_ms(2_000);
    let newest: Vec<_> = cells(&friends).into_iter().filter(|cell| !all.contains(cell)).collect();
    assert!(opened(&friends, 4, &newest) > 0, "a member");
    assert_eq!(opened(&friends, 5, &newest), 0, "the removed one");
    // Karim comes back to the network: he is told that he is out, and his node has shown nothing later.
    friends.world.start(Host::Person(5));
    friends.world.run_ms(10_000);
    assert_eq!(friends.read(5, numbers[5]), ["early", "early too"]);
    assert_eq!(friends.view(5, numbers[5]).info.standing, Standing::Out);
    assert_eq!(friends.read(9, numbers[9]), ["late", "late", "late", "and later"]);
}

#[test]
fn an_operation_that_overtakes_the_beginning_of_the_log_is_kept_until_that_comes() {
    let mut friends = Friends::new(21, 3, false);
    let ali = friends.create(0, "Group");
    let contact = friends.contacts[&(0, 1)];
    friends.ask(0, GroupCommand::Invite(ali, contact)).unwrap();
    friends.world.run_ms(500);
    let bob = friends.list(1)[0].group;
    // Ali learns that Bob wants in while Bob is away; the answer finds nobody, and the relays lose it.
    friends.world.crash(Host::Person(0));
    friends.ask(1, GroupCommand::Accept(bob)).unwrap();
    friends.world.run_ms(3_000);
    friends.world.crash(Host::Person(1));
    friends.world.start(Host::Person(0));
    friends.world.run_ms(5_000);
    assert_eq!(friends.view(0, ali).info.members, 2);
    let log = |friends: &Friends| friends.world.people[1].node.disk.load(&Range::Space(Space::GroupOp));
    assert!(log(&friends).is_empty(), "the answer was there before");
    (0..3).for_each(|relay| friends.world.lose_cells(relay));
    friends.world.run_ms(5_000);
    friends.bring(0, ali, 2);
    friends.world.run_ms(3_000);
    friends.world.start(Host::Person(1));
    let whole = friends.world.run_until(120_000, |world| {
        let reply = world.ask(1, Command::Group(GroupCommand::View(bob)));
        matches!(reply, Ok(Reply::Group(GroupReply::View(view))) if view.info.members == 3)
    });
    assert!(whole, "{:?}", friends.view(1, bob));
    assert_eq!(friends.world.faults(1), 0);
}

#[test]
fn groups_of_one_person_are_kept_apart() {
    let mut friends = Friends::new(20, 2, true);
    let names = ["First", "Second", "Third"];
    let own = names.map(|name| friends.create(0, name));
    let theirs = own.map(|number| friends.bring(0, number, 1));
    for (name, number) in names.iter().zip(own) {
        friends.send(0, number, name);
        friends.world.run_ms(1_000);
    }
    friends.ask(1, GroupCommand::Mute(theirs[1], true)).unwrap();
    friends.world.crash(Host::Person(1));
    friends.world.start(Host::Person(1));
    friends.world.run_ms(3_000);
    assert_eq!(friends.list(1).iter().map(|info| info.muted).collect::<Vec<_>>(), [false, true, false]);
    for ((name, own), theirs) in names.iter().zip(own).zip(theirs) {
        assert_eq!(friends.view(0, own).info.name, *name);
        assert_eq!(friends.view(1, theirs).info.name, *name);
        assert_eq!(friends.read(1, theirs), [*name]);
    }
}

#[test]
fn whoever_lost_messages_of_a_group_asks_for_them_and_gets_them_again() {
    let mut friends = Friends::new(21, 3, true);
    let ali = friends.create(0, "Group");
    let (_, zarina) = (friends.bring(0, ali, 1), friends.bring(0, ali, 2));
    // More than one answer may carry, by their number and by their length.
    let texts: Vec<_> = (0..70).map(|number| format!("{number:02}{}", " x".repeat(3_000))).collect();
    for text in &texts {
        friends.send(0, ali, text);
        friends.world.run_ms(300);
    }
    assert!(friends.world.run_until(60_000, |world| {
        let rows = world.people[2].node.disk.load(&Range::Space(Space::GroupPost));
        rows.len() == texts.len()
    }));
    friends.world.run_ms(5_000);
    friends.world.crash(Host::Person(2));
    let lost = [Space::GroupPost, Space::GroupAuthor, Space::GroupLine];
    friends.world.people[2].node.disk.kv.retain(|key, _| !lost.contains(&key.space));
    friends.world.start(Host::Person(2));
    friends.world.run_ms(3_000);
    friends.send(0, ali, "and now?");
    assert!(friends.world.run_until(600_000, |world| {
        let rows = world.people[2].node.disk.load(&Range::Space(Space::GroupPost));
        rows.len() == texts.len() + 1
    }));
    let mut got = friends.read(2, zarina);
    got.sort();
    assert_eq!(got, texts.into_iter().chain(["and now?".to_owned()]).collect::<Vec<_>>());
}

#[test]
fn whoever_asks_for_more_than_is_meant_for_them_gets_nothing_earlier() {
    let mut friends = Friends::new(22, 3, true);
    let ali = friends.create(0, "Group");
    friends.bring(0, ali, 1);
    for number in 0..3 {
        friends.send(0, ali, &format!("early {number}"));
    }
    friends.world.run_ms(2_000);
    friends.bring(0, ali, 2);
    friends.send(0, ali, "late");
    friends.world.run_ms(3_000);
    // Her program asks for all from Ali's first message on, as if the fourth had come before them.
    friends.world.crash(Host::Person(2));
    let authors = friends.world.people[2].node.disk.load(&Range::Space(Space::GroupAuthor));
    let of_ali = authors.into_iter().find(|(_, value)| value[16..24] == 5_u64.to_be_bytes());
    let (key, mut value) = of_ali.expect("four of Ali's messages are counted");
    value[16..24].copy_from_slice(&1_u64.to_be_bytes());
    value.extend_from_slice(&[4_u64, 1].map(u64::to_be_bytes).concat());
    friends.world.people[2].node.disk.kv.insert(key, value);
    friends.world.start(Host::Person(2));
    friends.world.run_ms(120_000);
    assert!(friends.world.holds(2, "late") && !friends.world.holds(2, "early"));
}
