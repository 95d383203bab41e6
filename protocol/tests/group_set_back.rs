//! Devices in groups that are set back to an older copy of their data: others notice by the author's own signature, and the device goes on
//! as another member.
#![allow(clippy::unwrap_used)]

mod world;

use karvon_protocol::core::{Key, Value};
use karvon_protocol::engine::group_api::{GroupNumber, Standing};
use karvon_protocol::engine::group_reached;
use karvon_protocol::ids::MemberId;
use std::collections::BTreeMap;
use world::Host;
use world::friends::Friends;

type Copy = BTreeMap<Key, Value>;

fn copy(friends: &Friends, person: usize) -> Copy {
    friends.world.people[person].node.disk.kv.clone()
}

fn set_back(friends: &mut Friends, person: usize, copy: &Copy) {
    friends.world.crash(Host::Person(person));
    friends.world.people[person].node.disk.kv = copy.clone();
    friends.world.start(Host::Person(person));
    friends.world.run_ms(100);
}

fn group_of(seed: u64, people: usize) -> (Friends, Vec<GroupNumber>) {
    let mut friends = Friends::new(seed, people, true);
    let mut groups = vec![friends.create(0, "Oila")];
    for who in 1..people {
        let number = friends.bring(0, groups[0], who);
        groups.push(number);
    }
    friends.world.run_ms(30_000);
    (friends, groups)
}

/// Members whom a person knows to have signed two messages with one number, past ones included.
fn forked(friends: &mut Friends, person: usize, group: GroupNumber) -> usize {
    friends.view(person, group).members.iter().filter(|member| member.forked).count()
}

fn me(friends: &mut Friends, person: usize, group: GroupNumber) -> MemberId {
    friends.view(person, group).members.into_iter().find(|member| member.me).unwrap().member
}

/// What comes of a set back of member `who` that writes `text` after `wait_ms`: the former member, and the number of the text.
fn goes_on(
    friends: &mut Friends,
    groups: &[GroupNumber],
    who: usize,
    wait_ms: u64,
    text: &str,
) -> (MemberId, u64, u64) {
    friends.send(who, groups[who], "before");
    friends.world.run_ms(20_000);
    let older = copy(friends, who);
    let lost = friends.send(who, groups[who], "lost here");
    friends.world.run_ms(20_000);
    let former = me(friends, who, groups[who]);
    set_back(friends, who, &older);
    friends.world.run_ms(wait_ms);
    let number = friends.send(who, groups[who], text);
    friends.world.run_ms(900_000);
    assert_ne!(me(friends, who, groups[who]), former);
    assert_eq!(friends.view(who, groups[who]).info.standing, Standing::In);
    friends.send(who, groups[who], "as another member");
    friends.world.run_ms(900_000);
    for (other, group) in groups.iter().enumerate() {
        let read = friends.read(other, *group);
        let wanted: &[&str] = if other == who { &[text] } else { &["lost here"] };
        for text in wanted.iter().chain(&["as another member"]) {
            assert_eq!(read.iter().filter(|read| read == text).count(), 1, "{other}: {read:?}");
        }
    }
    let under_way = friends.view(who, groups[who]).under_way;
    assert!(under_way.is_empty(), "{under_way:?}");
    (former, lost, number)
}

#[test]
fn what_a_member_writes_after_a_set_back_is_not_called_delivered_and_the_next_one_arrives() {
    // The founder, and somebody who was invited.
    for (seed, who) in [(81, 0), (82, 2)] {
        let (mut friends, groups) = group_of(seed, 3);
        let (former, lost, number) = goes_on(&mut friends, &groups, who, 0, "under the same number");
        assert_eq!(number, lost);
        let at = group_reached::key(groups[who], &former, number);
        assert!(group_reached::decode(&friends.world.people[who].node.disk.kv[&at]).given_up, "{seed}");
        for (other, group) in groups.iter().enumerate().filter(|(other, _)| *other != who) {
            let read = friends.read(other, *group);
            assert!(!read.contains(&"under the same number".to_owned()), "{other}: {read:?}");
        }
    }
}

#[test]
fn a_member_of_a_large_group_that_was_set_back_finds_its_own_messages_on_the_shard() {
    for (seed, who) in [(83, 0), (84, 3)] {
        let (mut friends, groups) = group_of(seed, 10);
        goes_on(&mut friends, &groups, who, 60_000, "arrives");
        for group in groups.iter().enumerate() {
            assert!(friends.read(group.0, *group.1).contains(&"arrives".to_owned()), "{seed}: {}", group.0);
        }
    }
}

#[test]
fn members_are_told_who_signed_two_messages_with_one_number() {
    let (mut friends, groups) = group_of(85, 3);
    let older = copy(&friends, 1);
    friends.send(1, groups[1], "one thing");
    friends.world.run_ms(20_000);
    set_back(&mut friends, 1, &older);
    friends.send(1, groups[1], "another");
    // Its sessions come first: they find out when a relay says that a tag was used.
    friends.world.run_ms(900_000);
    for person in [0, 2] {
        assert_eq!(forked(&mut friends, person, groups[person]), 1, "{person}");
        friends.world.crash(Host::Person(person));
        friends.world.start(Host::Person(person));
        friends.world.run_ms(1_000);
        assert_eq!(forked(&mut friends, person, groups[person]), 1, "{person} knows it after a restart");
        let members = friends.view(person, groups[person]).members;
        assert!(
            members.iter().all(|member| !member.forked || member.left.is_some()),
            "the new member is not"
        );
    }
}

#[test]
fn nobody_is_taken_for_forked_while_messages_come_twice() {
    let (mut friends, groups) = group_of(86, 3);
    for round in 0..10 {
        let who = round % 3;
        friends.send(who, groups[who], &format!("text {round}"));
        friends.world.crash(Host::Person((who + 1) % 3));
        friends.world.run_ms(500);
        friends.world.start(Host::Person((who + 1) % 3));
        friends.world.run_ms(5_000);
    }
    friends.world.run_ms(60_000);
    for (person, group) in groups.into_iter().enumerate() {
        assert_eq!(forked(&mut friends, person, group), 0);
        assert_eq!(friends.read(person, group).len(), 10);
    }
}
