//! What becomes of messages to a group after they were written: answers, signs, edits and deletions, in virtual time.
#![allow(clippy::unwrap_used)]

mod world;

use karvon_protocol::body::{Body, Content};
use karvon_protocol::core::{Range, Space};
use karvon_protocol::engine::api::{Command, Reply};
use karvon_protocol::engine::group_api::{GroupCommand, GroupNumber};
use karvon_protocol::error::ErrorKind;
use karvon_protocol::group::post::Post;
use karvon_protocol::ids::MessageId;
use world::Host;
use world::friends::{Friends, NAMES};

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

/// Whether any record of a person's store still speaks of this group's messages' places or times.
fn leftovers(friends: &Friends, person: usize) -> usize {
    let kv = &friends.world.people[person].node.disk.kv;
    kv.keys()
        .filter(|key| matches!(key.space, Space::GroupExpiry | Space::GroupLine | Space::GroupMark))
        .count()
}

#[test]
fn messages_disappear_everywhere_after_they_were_seen_and_with_all_their_edits() {
    for (seed, (count, all)) in [(3, true), (4, false)].into_iter().enumerate() {
        let mut friends = Friends::new(50 + seed as u64, count, all);
        let numbers = group(&mut friends, count);
        assert_eq!(friends.ask(0, GroupCommand::Timer(numbers[0], 3)).err(), Some(ErrorKind::Limit));
        assert_eq!(friends.ask(1, GroupCommand::Timer(numbers[1], 60)).err(), Some(ErrorKind::NotAllowed));
        friends.ask(0, GroupCommand::Timer(numbers[0], 60)).unwrap();
        friends.world.run_ms(3_000);
        let (id, _) = friends.queue(1, numbers[1], "gone in a minute");
        friends.world.run_ms(3_000);
        change(&mut friends, 1, edit(id, "edited, gone in a minute")).unwrap();
        change(&mut friends, 2, react(id, "👍")).unwrap();
        friends.world.run_ms(20_000);
        // Only what was seen begins to go: Ali looks at once, the others later, with a restart in between.
        friends.ask(0, GroupCommand::MarkRead(numbers[0], 1)).unwrap();
        friends.world.run_ms(61_000);
        assert!(friends.read(0, numbers[0]).is_empty());
        assert_eq!(friends.read(2, numbers[2]), ["edited, gone in a minute"]);
        assert!(friends.read(1, numbers[1]).is_empty(), "all others have it");
        for (person, number) in numbers.iter().enumerate().skip(2) {
            friends.ask(person, GroupCommand::MarkRead(*number, 1)).unwrap();
            friends.world.run_ms(10_000);
            friends.world.crash(Host::Person(person));
            friends.world.start(Host::Person(person));
        }
        friends.world.run_ms(70_000);
        for (person, number) in numbers.iter().enumerate() {
            assert!(friends.read(person, *number).is_empty());
            assert!(!friends.world.holds(person, "gone in a minute"), "{person}");
            assert_eq!(leftovers(&friends, person), 0, "{person}");
        }
        // An edit that comes after its message is gone stays nowhere.
        assert_eq!(change(&mut friends, 1, edit(id, "too late")), Err(ErrorKind::NoSuchMessage));
        // What is written once the timer is off stays.
        friends.ask(0, GroupCommand::Timer(numbers[0], 0)).unwrap();
        friends.world.run_ms(3_000);
        friends.queue(2, numbers[2], "stays");
        friends.world.run_ms(3_000);
        friends.ask(0, GroupCommand::MarkRead(numbers[0], 2)).unwrap();
        friends.world.run_ms(100_000);
        for (person, number) in numbers.iter().enumerate() {
            assert_eq!(friends.read(person, *number), ["stays"], "{person}");
        }
    }
}

#[test]
fn whoever_was_away_still_gets_a_message_that_has_disappeared_for_others() {
    let mut friends = Friends::new(53, 4, false);
    let numbers = group(&mut friends, 4);
    friends.ask(0, GroupCommand::Timer(numbers[0], 30)).unwrap();
    friends.world.run_ms(3_000);
    friends.world.crash(Host::Person(3));
    let (id, _) = friends.queue(1, numbers[1], "short-lived");
    friends.world.run_ms(5_000);
    friends.ask(2, GroupCommand::MarkRead(numbers[2], 1)).unwrap();
    friends.world.run_ms(40_000);
    assert!(friends.read(2, numbers[2]).is_empty());
    assert_eq!(friends.read(1, numbers[1]), ["short-lived"], "somebody does not have it yet");
    // The author edits what Zarina has no more; nothing of that stays with her.
    change(&mut friends, 1, edit(id, "short-lived, edited")).unwrap();
    friends.world.run_ms(5_000);
    assert!(!friends.world.holds(2, "short-lived"));
    friends.world.start(Host::Person(3));
    friends.world.run_ms(20_000);
    assert_eq!(friends.read(3, numbers[3]), ["short-lived, edited"]);
    friends.ask(3, GroupCommand::MarkRead(numbers[3], 1)).unwrap();
    friends.world.run_ms(60_000);
    for person in [1, 3] {
        assert!(friends.read(person, numbers[person]).is_empty(), "{person}");
        assert!(!friends.world.holds(person, "short-lived"), "{person}");
    }
}

#[test]
fn files_travel_over_sessions_and_over_shards_among_texts() {
    for (seed, (count, all)) in SHAPES.into_iter().enumerate() {
        let mut friends = Friends::new(60 + seed as u64, count, all);
        let numbers = group(&mut friends, count);
        let data = vec![42_u8; 46_080];
        let file = |data: &[u8]| GroupCommand::SendFile {
            group: numbers[1],
            name: "n".repeat(128),
            media: "application/octet-stream".into(),
            data: data.to_vec().into(),
            forwarded: false,
        };
        assert_eq!(friends.ask(1, file(&[0; 46_081])).err(), Some(ErrorKind::TooLong));
        assert_eq!(friends.ask(1, file(&[])).err(), Some(ErrorKind::Empty));
        // In one turn, so that a shard's cell could try to hold all of it.
        friends.world.tell(1, Command::Group(GroupCommand::Send(numbers[1], "before".into())));
        friends.world.tell(1, Command::Group(file(&data)));
        friends.world.tell(1, Command::Group(GroupCommand::Send(numbers[1], "after".into())));
        friends.world.run_ms(20_000);
        for (person, number) in numbers.iter().enumerate() {
            let author = friends.member(person, *number, NAMES[1]);
            let rows = friends.world.people[person].node.disk.load(&Range::Group {
                space: Space::GroupPost,
                group: number.records_of(&author),
                from: 0,
                to: u64::MAX,
                limit: 9,
                newest: false,
            });
            let contents: Vec<_> = rows
                .iter()
                .map(|(_, row)| Body::decode(&Post::read(&row[18..]).unwrap().body).unwrap().content)
                .collect();
            let [Content::Text(before), Content::File { data: came, .. }, Content::Text(after)] =
                &contents[..]
            else {
                panic!("{person} of {count}: {contents:?}");
            };
            assert_eq!((before.as_str(), after.as_str()), ("before", "after"));
            assert!(*came == data, "{person}");
            assert_eq!(friends.world.faults(person), 0);
        }
    }
}

#[test]
fn an_edit_takes_back_earlier_edits_and_no_sign_of_the_author() {
    let mut friends = Friends::new(58, 3, true);
    let numbers = group(&mut friends, 3);
    friends.queue(0, numbers[0], "stays");
    let (id, _) = friends.queue(0, numbers[0], "first version");
    friends.world.run_ms(2_000);
    // Ali's own sign, and as Bob's first words one on the same message.
    change(&mut friends, 0, react(id, "❤")).unwrap();
    change(&mut friends, 1, react(id, "👍")).unwrap();
    friends.world.run_ms(2_000);
    for text in ["second version", "third version"] {
        change(&mut friends, 0, edit(id, text)).unwrap();
        friends.world.run_ms(2_000);
    }
    // Nobody who comes to know of it only now misses anything but the edit that was taken back.
    let shown = alike(&mut friends, &numbers);
    let texts: Vec<_> = shown.iter().filter_map(|shown| shown.text.as_deref()).collect();
    assert_eq!(texts, ["stays", "third version"]);
    let signs: Vec<_> = shown[1].signs.iter().map(|(who, sign)| (who.as_str(), sign.as_str())).collect();
    assert_eq!(signs, [("Ali", "❤"), ("Bob", "👍")]);
    for (person, number) in numbers.iter().enumerate() {
        assert!(!friends.world.holds(person, "second version"), "{person} in {number:?}");
    }
}
