//! Who has a message to a group and since when, and what is passed on into groups: told as stories.
#![allow(clippy::unwrap_used)]

mod world;

use karvon_protocol::body::{Body, Content};
use karvon_protocol::core::{Key, Range, Space};
use karvon_protocol::engine::api::MessageState;
use karvon_protocol::engine::group_api::{GroupCommand, GroupNumber, GroupReply, Recipient};
use karvon_protocol::engine::group_reached::{decode, key};
use karvon_protocol::error::ErrorKind;
use karvon_protocol::group::post::Post;
use karvon_protocol::ids::{MemberId, MessageId};
use world::Host;
use world::friends::Friends;

/// With whom an own message is how far, by the names of members.
fn recipients(
    friends: &mut Friends,
    person: usize,
    group: GroupNumber,
    id: MessageId,
) -> Vec<(String, Recipient)> {
    let members = friends.view(person, group).members;
    match friends.ask(person, GroupCommand::Message(id)) {
        Ok(GroupReply::Message { recipients, .. }) => {
            let name =
                |id| members.iter().find(|member| member.member == id).map(|member| member.name.clone());
            let mut named: Vec<_> =
                recipients.into_iter().map(|one| (name(one.member).unwrap(), one)).collect();
            named.sort_by(|a, b| a.0.cmp(&b.0));
            named
        }
        other => panic!("{other:?}"),
    }
}

/// Who has an own message, as it stays on the disk when nobody is waited for.
fn kept(friends: &mut Friends, person: usize, group: GroupNumber, seq: u64) -> Vec<(MemberId, u64)> {
    let me = friends.view(person, group).members.into_iter().find(|member| member.me).unwrap().member;
    let rows = friends.world.people[person].node.disk.load(&Range::One(key(group, &me, seq)));
    rows.first().map(|(_, value)| decode(value).members).unwrap_or_default()
}

#[test]
fn the_author_sees_who_has_a_message_and_since_when_also_after_a_crash() {
    let mut friends = Friends::new(71, 3, true);
    let ali = friends.create(0, "Brigade");
    friends.bring(0, ali, 1);
    let zarina = friends.bring(0, ali, 2);
    friends.world.run_ms(1_000);
    friends.world.crash(Host::Person(2));
    let (id, seq) = friends.queue(0, ali, "one");
    friends.world.run_ms(3_000);
    let states = |friends: &mut Friends| -> Vec<(String, MessageState, bool)> {
        let all = recipients(friends, 0, ali, id);
        all.into_iter().map(|(name, one)| (name, one.state, one.at_ms.is_some())).collect()
    };
    let bob_has_it = [
        ("Bob".to_owned(), MessageState::Delivered, true),
        ("Zarina".to_owned(), MessageState::Stored, false),
    ];
    assert_eq!(states(&mut friends), bob_has_it);
    let since = recipients(&mut friends, 0, ali, id)[0].1.at_ms;
    friends.world.crash(Host::Person(0));
    friends.world.start(Host::Person(0));
    friends.world.run_ms(3_000);
    assert_eq!(states(&mut friends), bob_has_it, "it is on the disk");
    assert_eq!(recipients(&mut friends, 0, ali, id)[0].1.at_ms, since);

    friends.world.start(Host::Person(2));
    friends.world.run_ms(10_000);
    assert_eq!(friends.read(2, zarina), ["one"]);
    assert!(recipients(&mut friends, 0, ali, id).is_empty(), "nobody is waited for");
    let kept = kept(&mut friends, 0, ali, seq);
    let at = |friends: &mut Friends, name| {
        let member = friends.member(0, ali, name);
        kept.iter().find(|(id, _)| *id == member).map(|(_, at)| *at).unwrap()
    };
    assert_eq!(kept.len(), 2);
    assert_eq!(Some(at(&mut friends, "Bob")), since);
    assert!(at(&mut friends, "Zarina") > at(&mut friends, "Bob"));
}

#[test]
fn people_whom_others_reach_are_named_as_well_and_signs_leave_no_record() {
    let mut friends = Friends::new(72, 4, false);
    let ali = friends.create(0, "Star");
    let numbers: Vec<_> = (1..4).map(|who| friends.bring(0, ali, who)).collect();
    let (_, seq) = friends.queue(1, numbers[0], "from Bob");
    friends.world.run_ms(8_000);
    assert_eq!(kept(&mut friends, 1, numbers[0], seq).len(), 3);
    let count =
        |friends: &Friends| friends.world.people[1].node.disk.load(&Range::Space(Space::GroupHas)).len();
    assert_eq!(count(&friends), 1);
    let (id, _) = friends.queue(0, ali, "from Ali");
    friends.world.run_ms(3_000);
    let react = karvon_protocol::engine::api::Command::React(id, "👍".into());
    friends.world.ask(1, react).unwrap();
    friends.world.run_ms(8_000);
    assert_eq!(count(&friends), 1, "nobody asks who has a sign");
}

#[test]
fn what_disappears_takes_the_record_of_those_who_had_it_with_it() {
    let mut friends = Friends::new(73, 2, true);
    let ali = friends.create(0, "Two");
    friends.bring(0, ali, 1);
    friends.ask(0, GroupCommand::Timer(ali, 30)).unwrap();
    friends.world.run_ms(1_000);
    let (_, seq) = friends.queue(0, ali, "soon gone");
    friends.world.run_ms(3_000);
    assert_eq!(kept(&mut friends, 0, ali, seq).len(), 1);
    friends.world.run_ms(40_000);
    assert!(friends.read(0, ali).is_empty());
    assert!(kept(&mut friends, 0, ali, seq).is_empty());
}

#[test]
fn a_text_and_a_file_that_were_passed_on_say_so_to_everybody() {
    let mut friends = Friends::new(74, 3, true);
    let ali = friends.create(0, "Brigade");
    let bob = friends.bring(0, ali, 1);
    friends.world.run_ms(1_000);
    friends.ask(0, GroupCommand::Forward(ali, "said elsewhere".into())).unwrap();
    let file = GroupCommand::SendFile {
        group: ali,
        name: "a.txt".into(),
        media: "text/plain".into(),
        data: vec![7; 9].into(),
        forwarded: true,
    };
    friends.ask(0, file).unwrap();
    friends.send(0, ali, "said here");
    friends.world.run_ms(3_000);
    let author = friends.member(1, bob, "Ali");
    let bodies: Vec<Body> = (1..=3)
        .map(|seq| {
            let key = Key::of(Space::GroupPost, bob.records_of(&author), seq);
            let row = friends.world.people[1].node.disk.load(&Range::One(key)).pop().unwrap().1;
            Body::decode(&Post::read(&row[18..]).unwrap().body).unwrap()
        })
        .collect();
    assert_eq!(bodies.iter().map(|body| body.forwarded).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(bodies[0].content, Content::Text("said elsewhere".into()));
    assert!(matches!(&bodies[1].content, Content::File { data, .. } if data == &[7; 9]));
    let empty = friends.ask(0, GroupCommand::Forward(ali, String::new()));
    assert_eq!(empty.err(), Some(ErrorKind::Empty));
}

#[test]
fn what_its_removed_author_could_not_deliver_any_more_is_given_up_and_not_delivered() {
    let mut friends = Friends::new(75, 3, true);
    let ali = friends.create(0, "Brigade");
    let bob = friends.bring(0, ali, 1);
    friends.bring(0, ali, 2);
    friends.world.run_ms(1_000);
    friends.world.crash(Host::Person(2));
    let (_, seq) = friends.queue(1, bob, "Zarina is away");
    friends.world.run_ms(3_000);
    let member = friends.member(0, ali, "Bob");
    friends.ask(0, GroupCommand::Remove(ali, member)).unwrap();
    friends.world.run_ms(5_000);
    let rows = friends.world.people[1].node.disk.load(&Range::One(key(bob, &member, seq)));
    let has = decode(&rows[0].1);
    assert!(has.given_up);
    let author = friends.member(1, bob, "Ali");
    assert_eq!(has.members.iter().map(|(member, _)| *member).collect::<Vec<_>>(), [author]);
}

#[test]
fn who_left_without_a_message_is_not_counted_as_having_it() {
    let mut friends = Friends::new(76, 4, true);
    let ali = friends.create(0, "Brigade");
    let numbers: Vec<_> = (1..4).map(|who| friends.bring(0, ali, who)).collect();
    friends.world.run_ms(1_000);
    friends.world.crash(Host::Person(2));
    friends.world.crash(Host::Person(3));
    let (id, _) = friends.queue(0, ali, "two are away");
    friends.world.run_ms(3_000);
    let reached = |friends: &mut Friends| match friends.ask(0, GroupCommand::Message(id)) {
        Ok(GroupReply::Message { reached, .. }) => reached.map(|reached| (reached.delivered, reached.of)),
        other => panic!("{other:?}"),
    };
    assert_eq!(reached(&mut friends), Some((1, 3)));
    // One of the two goes without having read it, and one who has it goes as well.
    for name in ["Bob", "Zarina"] {
        let member = friends.member(0, ali, name);
        friends.ask(0, GroupCommand::Remove(ali, member)).unwrap();
    }
    friends.world.run_ms(2_000);
    assert_eq!(reached(&mut friends), Some((1, 2)), "Bob has it; only the fourth is waited for");
    assert_eq!(numbers.len(), 3);
}
