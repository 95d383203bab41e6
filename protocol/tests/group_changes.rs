//! What becomes of messages to a group after they were written: answers, signs, edits and deletions, in virtual time.
#![allow(clippy::unwrap_used)]

mod world;

use karvon_protocol::engine::api::{Command, Reply};
use karvon_protocol::engine::group_api::{GroupCommand, GroupNumber};
use karvon_protocol::error::ErrorKind;
use karvon_protocol::ids::MessageId;
use world::Host;
use world::friends::Friends;

/// A group of all; how each numbers it.
fn group(friends: &mut Friends, count: usize) -> Vec<GroupNumber> {
    let mut numbers = vec![friends.create(0, "Group")];
    for who in 1..count {
        let number = friends.bring(0, numbers[0], who);
        numbers.push(number);
    }
    friends.world.run_ms(2_000);
    numbers
}

fn change(friends: &mut Friends, person: usize, command: Command) -> Result<MessageId, ErrorKind> {
    match friends.world.ask(person, command) {
        Ok(Reply::Queued { id, .. }) => Ok(id),
        Ok(other) => panic!("{other:?}"),
        Err(why) => Err(why),
    }
}

fn react(on: MessageId, emoji: &str) -> Command {
    Command::React(on, emoji.into())
}

fn edit(of: MessageId, text: &str) -> Command {
    Command::Edit(of, text.into())
}

/// All see the same; it is returned.
fn alike(friends: &mut Friends, numbers: &[GroupNumber]) -> Vec<world::friends::Shown> {
    let first = friends.shown(0, numbers[0]);
    for (person, number) in numbers.iter().enumerate().skip(1) {
        assert_eq!(friends.shown(person, *number), first, "{person}");
    }
    first
}

/// Friends who all share sessions, people who only know the first, and more than messages over sessions are for.
const SHAPES: [(usize, bool); 3] = [(3, true), (4, false), (10, false)];

#[test]
fn answers_signs_edits_and_deletions_look_the_same_to_all_members() {
    for (seed, (count, all)) in SHAPES.into_iter().enumerate() {
        let mut friends = Friends::new(40 + seed as u64, count, all);
        let numbers = group(&mut friends, count);
        let (one, _) = friends.queue(0, numbers[0], "see you at seven");
        // Whatever is written at once may stand in another order on each device.
        friends.world.run_ms(4_000);
        let (two, _) = friends.queue(1, numbers[1], "secret plan");
        friends.world.run_ms(4_000);
        let answer = change(&mut friends, 2, Command::Answer { to: one, text: "fine".into() }).unwrap();
        change(&mut friends, 1, react(one, "👍")).unwrap();
        change(&mut friends, 2, react(one, "😀")).unwrap();
        change(&mut friends, 2, react(two, "🙏")).unwrap();
        friends.world.run_ms(4_000);
        change(&mut friends, 0, edit(one, "see you at eight")).unwrap();
        change(&mut friends, 1, react(one, "🎉")).unwrap();
        change(&mut friends, 2, react(one, "")).unwrap();
        change(&mut friends, 1, edit(two, "another secret plan")).unwrap();
        friends.world.run_ms(4_000);
        change(&mut friends, 0, edit(one, "see you at nine")).unwrap();
        change(&mut friends, 2, react(answer, "👋")).unwrap();
        friends.world.run_ms(4_000);
        let shown = alike(&mut friends, &numbers);
        let texts: Vec<_> = shown.iter().map(|shown| shown.text.clone().unwrap()).collect();
        assert_eq!(texts, ["see you at nine", "another secret plan", "fine"]);
        let signs = |at: usize| shown[at].signs.values().cloned().collect::<Vec<_>>();
        assert_eq!((signs(0), signs(1), signs(2)), (vec!["🎉".into()], vec!["🙏".into()], vec!["👋".into()]));
        assert_eq!(shown[2].answers, Some(one));
        assert!(shown[0].edited && shown[1].edited && !shown[2].edited);

        change(&mut friends, 1, Command::Delete(two)).unwrap();
        friends.world.run_ms(20_000);
        let shown = alike(&mut friends, &numbers);
        assert!(shown[1].deleted && !shown[0].deleted && !shown[2].deleted);
        for person in 0..count {
            for gone in ["secret plan", "another secret plan", "at eight"] {
                assert!(!friends.world.holds(person, gone), "{person} of {count} still holds {gone:?}");
            }
            assert_eq!(friends.world.faults(person), 0);
        }
        // A small group confirms soon; nothing that only changed something counts as unread.
        let view = friends.view(0, numbers[0]);
        assert!(count > 8 || view.under_way.is_empty(), "{:?}", view.under_way);
        assert_eq!(view.info.unread, 2);
        friends.ask(0, GroupCommand::MarkRead(numbers[0], 3)).unwrap();
        assert_eq!(friends.view(0, numbers[0]).info.unread, 0);
    }
}

#[test]
fn only_the_author_edits_and_deletes_and_what_is_gone_can_not_be_changed() {
    let mut friends = Friends::new(45, 3, true);
    let numbers = group(&mut friends, 3);
    let (id, _) = friends.queue(0, numbers[0], "mine");
    friends.world.run_ms(2_000);
    assert_eq!(change(&mut friends, 1, edit(id, "yours")), Err(ErrorKind::NotYours));
    assert_eq!(change(&mut friends, 1, Command::Delete(id)), Err(ErrorKind::NotYours));
    assert_eq!(change(&mut friends, 0, edit(id, "")), Err(ErrorKind::Empty));
    assert_eq!(change(&mut friends, 0, edit(MessageId([7; 16]), "x")), Err(ErrorKind::NoSuchMessage));
    let sign = change(&mut friends, 1, react(id, "👍")).unwrap();
    assert_eq!(change(&mut friends, 1, react(sign, "👍")), Err(ErrorKind::NoSuchMessage));
    change(&mut friends, 0, Command::Delete(id)).unwrap();
    friends.world.run_ms(2_000);
    assert_eq!(change(&mut friends, 0, edit(id, "again")), Err(ErrorKind::Unchangeable));
    assert_eq!(change(&mut friends, 1, react(id, "👍")), Err(ErrorKind::Unchangeable));
    assert!(alike(&mut friends, &numbers)[0].deleted);
    // Whoever is out changes nothing any more.
    let (late, _) = friends.queue(1, numbers[1], "before I go");
    friends.ask(1, GroupCommand::Leave(numbers[1])).unwrap();
    assert_eq!(change(&mut friends, 1, edit(late, "after")), Err(ErrorKind::NotMember));
}

#[test]
fn a_message_that_was_deleted_before_it_arrived_never_does_and_stops_nothing_behind_it() {
    let mut friends = Friends::new(46, 4, false);
    let numbers = group(&mut friends, 4);
    friends.queue(1, numbers[1], "first");
    friends.world.run_ms(3_000);
    friends.world.crash(Host::Person(3));
    friends.world.crash(Host::Person(0));
    let (id, _) = friends.queue(1, numbers[1], "nobody should read this");
    change(&mut friends, 1, edit(id, "nor this, really")).unwrap();
    change(&mut friends, 1, edit(id, "nor that, really")).unwrap();
    change(&mut friends, 1, Command::Delete(id)).unwrap();
    friends.queue(1, numbers[1], "last");
    friends.world.run_ms(3_000);
    friends.world.start(Host::Person(3));
    friends.world.start(Host::Person(0));
    friends.world.run_ms(60_000);
    for (person, number) in numbers.iter().enumerate() {
        assert_eq!(friends.read(person, *number), ["first", "last"], "{person}");
        for gone in ["nobody should", "nor this", "nor that"] {
            assert!(!friends.world.holds(person, gone), "{person} holds {gone:?}");
        }
    }
}

#[test]
fn a_deleted_text_waits_in_no_letter_for_a_friend_who_is_away_and_a_crash_changes_nothing_of_that() {
    let mut friends = Friends::new(47, 3, true);
    let numbers = group(&mut friends, 3);
    friends.world.crash(Host::Person(2));
    let (id, _) = friends.queue(0, numbers[0], "regretted words");
    friends.queue(0, numbers[0], "words that stay");
    friends.world.run_ms(3_000);
    assert!(friends.world.holds(0, "regretted words"));
    friends.world.crash(Host::Person(0));
    friends.world.start(Host::Person(0));
    friends.world.run_ms(3_000);
    change(&mut friends, 0, Command::Delete(id)).unwrap();
    friends.world.run_ms(3_000);
    for person in [0, 1] {
        assert!(!friends.world.holds(person, "regretted words"), "{person}");
    }
    friends.world.start(Host::Person(2));
    friends.world.run_ms(30_000);
    assert!(!friends.world.holds(2, "regretted words"));
    assert_eq!(friends.read(2, numbers[2]), ["words that stay"]);
}

#[test]
fn changes_survive_crashes_of_whoever_makes_or_gets_them() {
    let mut friends = Friends::new(48, 3, true);
    let numbers = group(&mut friends, 3);
    let (id, _) = friends.queue(0, numbers[0], "text 0");
    friends.world.run_ms(2_000);
    for round in 1..6 {
        let down = 1 + round % 2;
        friends.world.crash(Host::Person(down));
        change(&mut friends, 0, edit(id, &format!("text {round}"))).unwrap();
        friends.world.crash(Host::Person(0));
        change(&mut friends, 3 - down, react(id, &format!("{round}"))).unwrap();
        friends.world.run_ms(500);
        friends.world.start(Host::Person(0));
        friends.world.start(Host::Person(down));
        friends.world.run_ms(6_000);
        let shown = alike(&mut friends, &numbers);
        assert_eq!(shown[0].text, Some(format!("text {round}")), "round {round}");
        assert!(shown[0].signs.values().any(|sign| *sign == round.to_string()), "round {round}: {shown:?}");
    }
    for person in 0..3 {
        assert!(!friends.world.holds(person, "text 4"), "an edit that is out of date is gone: {person}");
    }
}
