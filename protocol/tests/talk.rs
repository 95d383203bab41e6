//! What becomes of messages between two people: replies, signs, edits and deletions, in any order, and those of somebody hostile.

mod world;

use karvon_protocol::body::{Body, Content};
use karvon_protocol::core::{Key, Space};
use karvon_protocol::engine::api::{Command, ContactId, Event, Reply, StoredMessage};
use karvon_protocol::error::ErrorKind;
use karvon_protocol::ids::MessageId;
use world::people::text_of;
use world::{Host, World};

fn two(seed: u64) -> (World, ContactId, ContactId) {
    let mut world = World::with(seed, 3, &[("Ali", &[0, 1, 2]), ("Bob", &[0, 1, 2])]);
    let (bob, ali) = world.meet(0, 1);
    (world, bob, ali)
}

fn text(contact: ContactId, text: &str) -> Command {
    Command::Send { contact, text: text.to_owned() }
}

fn faults(world: &mut World, person: usize) -> u64 {
    match world.ask(person, Command::Status) {
        Ok(Reply::Status(status)) => status.faults,
        other => panic!("{other:?}"),
    }
}

#[test]
fn replies_signs_edits_and_deletions_look_the_same_on_both_devices() {
    let (mut world, bob, ali) = two(1);
    let (first, one) = world.queue(0, text(bob, "Салом, Боб"));
    let (secret, two) = world.queue(0, text(bob, "the secret word"));
    world.run_ms(500);
    let (reply, three) = world.queue(1, Command::Answer { to: first, text: "Салом!".into() });
    let _ = world.queue(1, Command::React(first, "👍".into()));
    let _ = world.queue(0, Command::Edit(first, "Салом, Бобҷон".into()));
    let _ = world.queue(0, Command::Delete(secret));
    world.run_ms(500);
    let _ = world.queue(0, Command::React(reply, "❤".into()));
    let _ = world.queue(0, Command::React(reply, "🌹".into()));
    world.run_ms(500);

    for (person, with, mine) in [(0, bob, true), (1, ali, false)] {
        let row = world.row(person, with, mine, one);
        assert_eq!(text_of(&row).as_deref(), Some("Салом, Бобҷон"));
        assert!(row.marks.edited.is_some() && !row.marks.deleted);
        let sign = if mine { &row.marks.theirs } else { &row.marks.mine };
        assert_eq!(sign.emoji, "👍");
        let row = world.row(person, with, mine, two);
        assert!(row.marks.deleted && !row.marks.hidden, "a tombstone is shown");
        assert_eq!(text_of(&row), None);
        assert!(
            !world.holds(person, "the secret word"),
            "nothing of it is left on the disk of person {person}"
        );
        let row = world.row(person, with, !mine, three);
        let answers = Content::Reply { to: first, text: "Салом!".into() };
        assert_eq!(Body::decode(&row.body).unwrap().content, answers);
        let sign = if mine { &row.marks.mine } else { &row.marks.theirs };
        assert_eq!(sign.emoji, "🌹", "the later sign takes the place of the earlier one");
    }
    assert!(world.told(1, &Event::Changed { contact: ali, id: first }));
    assert_eq!(world.contacts(1)[0].unread, 2, "changes are no messages to read");
    assert_eq!((faults(&mut world, 0), faults(&mut world, 1)), (0, 0));
}

#[test]
fn a_second_edit_and_a_deletion_leave_no_earlier_text_behind() {
    let (mut world, bob, ali) = two(2);
    let (id, seq) = world.queue(0, text(bob, "version one"));
    world.run_ms(300);
    for next in ["version two", "version three"] {
        let _ = world.queue(0, Command::Edit(id, next.into()));
        world.run_ms(300);
    }
    for person in [0, 1] {
        assert!(
            !world.holds(person, "version one") && !world.holds(person, "version two"),
            "person {person}"
        );
        assert!(world.holds(person, "version three"));
    }
    assert_eq!(text_of(&world.row(1, ali, false, seq)).as_deref(), Some("version three"));
    let _ = world.queue(0, Command::Delete(id));
    world.run_ms(300);
    assert!(!world.holds(0, "version three") && !world.holds(1, "version three"));
    let refused = [Command::Edit(id, "again".into()), Command::React(id, "👍".into()), Command::Delete(id)];
    for command in refused {
        assert_eq!(world.ask(0, command).unwrap_err(), ErrorKind::Unchangeable);
    }
}

#[test]
fn a_sign_is_taken_back_by_an_empty_one() {
    let (mut world, bob, ali) = two(3);
    let (id, seq) = world.queue(0, text(bob, "hello"));
    world.run_ms(300);
    let _ = world.queue(1, Command::React(id, "👍".into()));
    let _ = world.queue(1, Command::React(id, String::new()));
    world.run_ms(300);
    assert_eq!(world.row(1, ali, false, seq).marks.mine.emoji, "");
    let theirs = world.row(0, bob, true, seq).marks.theirs;
    assert!(theirs.emoji.is_empty() && theirs.seq > 0, "{theirs:?}");
}

#[test]
fn what_is_deleted_before_it_left_is_never_sent() {
    let (mut world, bob, ali) = two(4);
    for relay in 0..3 {
        world.crash(Host::Relay(relay));
    }
    let _ = world.queue(0, text(bob, "under way"));
    world.run_ms(300);
    let (id, seq) = world.queue(0, text(bob, "regretted"));
    let _ = world.queue(0, Command::Delete(id));
    let _ = world.queue(0, text(bob, "after"));
    for relay in 0..3 {
        world.start(Host::Relay(relay));
    }
    assert!(world.run_until(60_000, |world| world.received(1, ali).len() == 2));
    assert_eq!(world.received(1, ali), ["under way", "after"]);
    assert!(world.row(1, ali, false, seq).marks.hidden);
    assert!(world.row(0, bob, true, seq).marks.deleted);
}

#[test]
fn a_change_that_comes_before_its_message_waits_for_it_even_over_a_restart() {
    for restart in [false, true] {
        let (mut world, bob, ali) = two(5);
        world.crash(Host::Person(1));
        let (id, seq) = world.queue(0, text(bob, "first version"));
        world.run_ms(3_000);
        let holding: Vec<_> =
            (0..3).filter(|relay| !world.relays[*relay].node.disk.cells.is_empty()).collect();
        assert_eq!(holding.len(), 2);
        // The message rests at two relays that are away; its edit and a sign come through the third.
        holding.iter().for_each(|relay| world.crash(Host::Relay(*relay)));
        let _ = world.queue(0, Command::Edit(id, "second version".into()));
        let _ = world.queue(0, Command::React(id, "👍".into()));
        world.run_ms(20_000);
        world.start(Host::Person(1));
        let early = |world: &World| world.rows(1, ali, Space::Received).len() == 2;
        assert!(world.run_until(60_000, |world| early(world)), "the changes came first");
        if restart {
            world.crash(Host::Person(1));
            world.start(Host::Person(1));
            world.run_ms(3_000);
        }
        holding.iter().for_each(|relay| world.start(Host::Relay(*relay)));
        let whole = |world: &World| world.rows(1, ali, Space::Received).len() == 3;
        assert!(world.run_until(90_000, |world| whole(world)), "restart {restart}");
        let row = world.row(1, ali, false, seq);
        assert_eq!(text_of(&row).as_deref(), Some("second version"), "restart {restart}");
        assert_eq!(row.marks.theirs.emoji, "👍");
        let left = world.people[1].node.disk.kv.keys().filter(|key| key.space == Space::Change).count();
        assert_eq!(left, 0, "nothing waits any more");
    }
}

/// Makes person 0 send `body` as if their program allowed it.
fn send_forged(world: &mut World, to: ContactId, body: &Body) -> u64 {
    for relay in 0..3 {
        world.crash(Host::Relay(relay));
    }
    let _ = world.queue(0, text(to, "under way"));
    world.run_ms(300);
    let (_, seq) = world.queue(0, text(to, "to be replaced"));
    world.crash(Host::Person(0));
    let key = Key::of(Space::Sent, to.group(), seq);
    let value = world.people[0].node.disk.kv.get_mut(&key).unwrap_or_else(|| panic!("no such row"));
    let mut row = StoredMessage::decode(value).unwrap_or_else(|| panic!("a damaged row"));
    row.body = body.encode().into();
    *value = row.encode();
    for relay in 0..3 {
        world.start(Host::Relay(relay));
    }
    world.start(Host::Person(0));
    world.run_ms(1_000);
    let sent = world.run_until(60_000, |world| world.delivered_below(0, to) > seq);
    assert!(sent, "the forged body was not delivered");
    world.run_ms(1_000);
    seq
}

/// The id that message `seq + ahead` of the same author will have, when `id` is that of message `seq`.
fn later(id: MessageId, seq: u64, ahead: u64) -> MessageId {
    let masked = u64::from_be_bytes(id.0[8..].try_into().expect("eight bytes")) ^ seq;
    let mut later = id;
    later.0[8..].copy_from_slice(&(masked ^ seq.wrapping_add(ahead)).to_be_bytes());
    later
}

#[test]
fn only_a_message_that_is_here_can_be_answered() {
    let (mut world, bob, ali) = two(10);
    let (mine, seq) = world.queue(0, text(bob, "mine"));
    let (theirs, their_seq) = world.queue(1, text(ali, "theirs"));
    world.run_ms(1_000);
    for (id, seq) in [(mine, seq), (theirs, their_seq)] {
        // The next one, one far away, and number 0.
        for to in [later(id, seq, 1), later(id, seq, 1_000), later(id, seq, 0_u64.wrapping_sub(seq))] {
            let answer = world.ask(0, Command::Answer { to, text: "to nothing".into() });
            assert_eq!(answer.unwrap_err(), ErrorKind::NoSuchMessage);
        }
    }
    for to in [mine, theirs] {
        assert!(world.ask(0, Command::Answer { to, text: "to this".into() }).is_ok());
    }
}

#[test]
fn texts_and_signs_have_a_longest_and_a_shortest_one() {
    let (mut world, bob, _) = two(11);
    let (id, _) = world.queue(0, text(bob, "hello"));
    let edit = |text: String| Command::Edit(id, text);
    for (command, why) in [
        (text(bob, ""), ErrorKind::Empty),
        (text(bob, &"x".repeat(8_001)), ErrorKind::TooLong),
        (edit(String::new()), ErrorKind::Empty),
        (edit("x".repeat(8_001)), ErrorKind::TooLong),
        (Command::React(id, "x".repeat(33)), ErrorKind::TooLong),
        (Command::Answer { to: id, text: "x".repeat(8_001) }, ErrorKind::TooLong),
    ] {
        assert_eq!(world.ask(0, command).unwrap_err(), why);
    }
    for command in [
        text(bob, &"x".repeat(8_000)),
        text(bob, "x"),
        edit("x".repeat(8_000)),
        Command::React(id, "x".repeat(32)),
        Command::Answer { to: id, text: "x".repeat(8_000) },
    ] {
        assert!(world.ask(0, command).is_ok());
    }
    assert!(world.run_until(10_000, |world| world.delivered_below(0, bob) == 7));
}

#[test]
fn nobody_edits_or_deletes_what_somebody_else_wrote() {
    for forge in [|id| Content::Edit { of: id, text: "a lie".into() }, Content::Delete] {
        let (mut world, bob, ali) = two(6);
        let (id, seq) = world.queue(1, text(ali, "my own words"));
        world.run_ms(500);
        assert_eq!(world.ask(0, Command::Edit(id, "x".into())).unwrap_err(), ErrorKind::NotYours);
        assert_eq!(world.ask(0, Command::Delete(id)).unwrap_err(), ErrorKind::NotYours);
        let before = faults(&mut world, 1);
        let forged = send_forged(&mut world, bob, &Body::new(1, forge(id)));
        let row = world.row(1, ali, true, seq);
        assert_eq!(text_of(&row).as_deref(), Some("my own words"));
        assert!(!row.marks.deleted);
        assert_eq!(faults(&mut world, 1), before + 1, "it is counted");
        assert!(world.row(1, ali, false, forged).marks.hidden, "and nothing is shown");
    }
}

#[test]
fn changes_of_messages_that_do_not_exist_are_counted_and_keep_no_room() {
    for id in [MessageId([7; 16]), MessageId([0; 16])] {
        let (mut world, bob, _) = two(7);
        let before = faults(&mut world, 1);
        send_forged(&mut world, bob, &Body::new(1, Content::Delete(id)));
        assert_eq!(faults(&mut world, 1), before + 1);
        let waiting = world.people[1].node.disk.kv.keys().filter(|key| key.space == Space::Change).count();
        assert_eq!(waiting, 0);
    }
    // A message of the author that comes only after this change.
    let (mut world, bob, _) = two(8);
    let (known, seq) = world.queue(0, text(bob, "known"));
    world.run_ms(500);
    let before = faults(&mut world, 1);
    send_forged(&mut world, bob, &Body::new(1, Content::Delete(later(known, seq, 1_000))));
    assert_eq!(faults(&mut world, 1), before + 1);
}

#[test]
fn a_crash_at_any_batch_loses_and_doubles_no_change() {
    // After the only edit, no later one brings what a crash left undone.
    for (edits, batches) in [(1, 5), (4, 9)] {
        crash_while_editing(edits, batches);
    }
}

fn crash_while_editing(edits: usize, batches: u64) {
    for victim in [Host::Person(0), Host::Person(1)] {
        for at in 1..batches {
            for keep in [false, true] {
                let (mut world, bob, ali) = two(9);
                let (id, seq) = world.queue(0, text(bob, "hello"));
                world.run_ms(500);
                world.crash_at = Some((victim, world.batches_of(victim) + at, keep));
                let mut told = Vec::new();
                for n in 0..edits {
                    let edit = format!("version {n}");
                    let number = world.tell(0, Command::Edit(id, edit.clone()));
                    world.run_ms(30);
                    if matches!(world.people[0].node.replies.get(&number), Some(Ok(_))) {
                        told.push(edit);
                    }
                    if !world.is_up(victim) {
                        world.run_ms(100);
                        world.start(victim);
                        world.run_ms(100);
                    }
                }
                let text_at = |world: &World, person, with, mine| {
                    text_of(&world.row(person, with, mine, seq)).expect("a text")
                };
                let same = |world: &mut World| text_at(world, 0, bob, true) == text_at(world, 1, ali, false);
                assert!(world.run_until(90_000, same), "{victim:?} at {at} keep {keep}");
                world.run_ms(500);
                let last = text_at(&world, 1, ali, false);
                assert!(
                    told.last().is_none_or(|told| last >= *told),
                    "{victim:?} at {at} keep {keep}: {last} after {told:?}"
                );
            }
        }
    }
}
