//! What two people let each other notice and keep: receipts, typing, disappearing messages, files, blocking, and keys that change.

mod world;

use karvon_protocol::body::{Body, Content};
use karvon_protocol::core::Space;
use karvon_protocol::engine::api::{Command, ContactId, Event, Meeting, MessageState, Reply, Setting};
use karvon_protocol::error::ErrorKind;
use karvon_protocol::identity::LocalIdentity;
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

fn set(world: &mut World, person: usize, contact: ContactId, setting: Setting) {
    let answer = world.ask(person, Command::Set(contact, setting));
    assert!(matches!(answer, Ok(Reply::Done | Reply::Queued { .. })), "{answer:?}");
}

fn state(world: &mut World, person: usize, id: MessageId) -> MessageState {
    match world.ask(person, Command::Message(id)) {
        Ok(Reply::Message { state, .. }) => state,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_read_is_told_late_and_only_by_those_who_allow_it() {
    let (mut world, bob, ali) = two(1);
    let (id, seq) = world.queue(0, text(bob, "did you see this?"));
    world.run_ms(1_000);
    assert!(matches!(world.ask(1, Command::MarkRead(ali, seq)), Ok(Reply::Done)));
    world.run_ms(60_000);
    assert_eq!(state(&mut world, 0, id), MessageState::Delivered, "nobody allowed it");

    set(&mut world, 1, ali, Setting::Receipts(true));
    world.run_ms(1_900);
    assert_eq!(state(&mut world, 0, id), MessageState::Delivered, "not at once");
    assert!(world.run_until(31_000, |world| state(world, 0, id) == MessageState::Read));
    // Told once: what the recipient's device remembers survives its restart.
    world.crash(Host::Person(1));
    world.start(Host::Person(1));
    world.run_ms(3_000);
    let frames = world.frames;
    world.run_ms(40_000);
    assert!(world.frames - frames < 40, "no receipt is sent again: {}", world.frames - frames);
}

#[test]
fn a_receipt_that_was_due_when_the_program_stopped_is_told_by_the_next() {
    let (mut world, bob, ali) = two(2);
    set(&mut world, 1, ali, Setting::Receipts(true));
    let (id, seq) = world.queue(0, text(bob, "hello"));
    world.run_ms(1_000);
    let _ = world.ask(1, Command::MarkRead(ali, seq));
    world.crash(Host::Person(1));
    world.start(Host::Person(1));
    assert!(world.run_until(45_000, |world| state(world, 0, id) == MessageState::Read));
}

#[test]
fn typing_is_shown_while_it_lasts_and_never_stored() {
    let (mut world, bob, ali) = two(3);
    let _ = world.ask(0, Command::Typing(bob));
    world.run_ms(1_000);
    assert!(!world.told(1, &Event::Typing(ali)), "not allowed yet");
    set(&mut world, 0, bob, Setting::Typing(true));
    let _ = world.ask(0, Command::Typing(bob));
    let _ = world.ask(0, Command::Typing(bob));
    world.run_ms(1_000);
    let told = world.people[1].node.events.iter().filter(|event| **event == Event::Typing(ali)).count();
    assert_eq!(told, 1);
    assert!(world.rows(1, ali, Space::Received).is_empty() && world.rows(0, bob, Space::Sent).is_empty());
    // Somebody who comes back later is not told of it.
    world.crash(Host::Person(1));
    world.run_ms(10_000);
    let _ = world.ask(0, Command::Typing(bob));
    world.run_ms(30_000);
    world.people[1].node.events.clear();
    world.start(Host::Person(1));
    world.run_ms(10_000);
    assert!(!world.told(1, &Event::Typing(ali)));
}

#[test]
fn a_disappearing_message_goes_from_both_devices_each_in_its_time() {
    let (mut world, bob, ali) = two(4);
    set(&mut world, 0, bob, Setting::Timer(60));
    world.run_ms(1_000);
    assert_eq!(world.contacts(1)[0].timer_s, 60, "the other side takes it over");
    let (id, one) = world.queue(0, text(bob, "the secret word"));
    let _ = world.queue(0, Command::Edit(id, "the other secret".into()));
    let (_, back) = world.queue(1, text(ali, "my own secret"));
    world.run_ms(1_000);
    // Delivered, so the author's time runs; nobody has looked at it yet, so the recipient's does not.
    world.run_ms(61_000);
    assert!(!world.holds(0, "secret word") && !world.holds(0, "other secret"), "gone at the author's");
    assert!(world.row(0, bob, true, one).marks.hidden);
    assert_eq!(text_of(&world.row(1, ali, false, one)).as_deref(), Some("the other secret"));
    let _ = world.ask(1, Command::MarkRead(ali, one));
    let _ = world.ask(0, Command::MarkRead(bob, back));
    world.run_ms(30_000);
    world.crash(Host::Person(1));
    world.run_ms(20_000);
    world.start(Host::Person(1));
    world.run_ms(3_000);
    assert!(world.holds(1, "other secret"), "its time is not over");
    world.run_ms(10_000);
    assert!(!world.holds(1, "other secret"), "the time while the program was not running counts");
    assert!(!world.holds(1, "my own secret") && !world.holds(0, "my own secret"));
    assert!(world.told(1, &Event::Changed { contact: ali, id }));
    let left = |world: &World, n: usize| {
        world.people[n].node.disk.kv.keys().filter(|key| key.space == Space::Expiry).count()
    };
    assert_eq!((left(&world, 0), left(&world, 1)), (0, 0), "no record is left");
    // Numbers go on after messages that are gone, also over a restart.
    world.crash(Host::Person(0));
    world.start(Host::Person(0));
    world.run_ms(3_000);
    set(&mut world, 0, bob, Setting::Timer(0));
    let (_, seq) = world.queue(0, text(bob, "this one stays"));
    assert!(seq > one);
    world.run_ms(90_000);
    assert_eq!(text_of(&world.row(1, ali, false, seq)).as_deref(), Some("this one stays"));
    assert_eq!(world.ask(0, Command::Set(bob, Setting::Timer(1))).unwrap_err(), ErrorKind::Limit);
}

#[test]
fn a_small_file_arrives_whole_and_a_large_one_is_refused() {
    let (mut world, bob, ali) = two(5);
    let data: Vec<u8> = (0..46_080_u32).map(|n| (n * 7 % 251) as u8).collect();
    let file = |data: &[u8], name: &str| Command::SendFile {
        contact: bob,
        name: name.to_owned(),
        media: "image/jpeg".into(),
        data: data.to_vec().into(),
        forwarded: false,
    };
    let (_, before) = world.queue(0, text(bob, "look:"));
    let (_, seq) = world.queue(0, file(&data, "сурат.jpg"));
    let (_, after) = world.queue(0, text(bob, "nice?"));
    assert!(world.run_until(10_000, |world| world.rows(1, ali, Space::Received).len() == 3));
    assert_eq!((seq, after), (before + 1, before + 2));
    let body = Body::decode(&world.row(1, ali, false, seq).body).unwrap();
    assert_eq!(body.content, Content::File { name: "сурат.jpg".into(), media: "image/jpeg".into(), data });
    for (data, name, why) in [
        (vec![0; 46_081], "a", ErrorKind::TooLong),
        (vec![], "a", ErrorKind::Empty),
        (vec![0], "", ErrorKind::Empty),
        (vec![0], &*"x".repeat(129), ErrorKind::TooLong),
    ] {
        assert_eq!(world.ask(0, file(&data, name)).unwrap_err(), why);
    }
}

#[test]
fn many_files_at_once_all_arrive_in_order() {
    let (mut world, bob, ali) = two(6);
    for n in 0..24_u8 {
        let data = vec![n; 40_000].into();
        let command = Command::SendFile {
            contact: bob,
            name: n.to_string(),
            media: String::new(),
            data,
            forwarded: false,
        };
        let _ = world.queue(0, command);
    }
    assert!(world.run_until(60_000, |world| world.rows(1, ali, Space::Received).len() == 24));
    for (n, (_, row)) in world.rows(1, ali, Space::Received).into_iter().enumerate() {
        let Content::File { name, data, .. } = Body::decode(&row.body).unwrap().content else { panic!() };
        assert_eq!((name, data), (n.to_string(), vec![n as u8; 40_000]));
    }
}

#[test]
fn a_safety_number_is_the_same_on_both_sides_and_marks_what_was_compared() {
    let (mut world, bob, ali) = two(7);
    let number = |world: &mut World, person, contact| match world.ask(person, Command::Safety(contact)) {
        Ok(Reply::Safety(digits)) => digits,
        other => panic!("{other:?}"),
    };
    let digits = number(&mut world, 0, bob);
    assert_eq!(digits.len(), 60);
    assert!(digits.bytes().all(|digit| digit.is_ascii_digit()));
    assert_eq!(number(&mut world, 1, ali), digits);
    set(&mut world, 0, bob, Setting::Verified(true));
    assert!(world.contacts(0)[0].verified && !world.contacts(1)[0].verified);
    set(&mut world, 0, bob, Setting::Verified(false));
    assert!(!world.contacts(0)[0].verified);
    let invitation = world.invite(0);
    let mut alone = World::with(8, 3, &[("Eve", &[0])]);
    let nobody = alone.add(0, &invitation, "x");
    assert_eq!(alone.ask(0, Command::Safety(nobody)).unwrap_err(), ErrorKind::NotConnected);
}

#[test]
fn nothing_of_a_blocked_contact_is_kept_and_they_are_not_told() {
    let (mut world, bob, ali) = two(9);
    set(&mut world, 1, ali, Setting::Blocked(true));
    world.people[1].node.events.clear();
    let (_, seq) = world.queue(0, text(bob, "you can not ignore me"));
    let _ = world.queue(0, Command::Set(bob, Setting::Timer(60)));
    world.run_ms(2_000);
    assert!(!world.holds(1, "ignore me"));
    assert_eq!(world.delivered_below(0, bob), seq + 2, "to them it looks delivered");
    assert!(!world.people[1].node.events.iter().any(|event| matches!(event, Event::Received { .. })));
    assert_eq!((world.contacts(1)[0].unread, world.contacts(1)[0].timer_s), (0, 0));
    assert_eq!(world.ask(1, text(ali, "x")).unwrap_err(), ErrorKind::Blocked);
    set(&mut world, 1, ali, Setting::Blocked(false));
    let _ = world.queue(0, text(bob, "friends again"));
    world.run_ms(1_000);
    assert_eq!(world.received(1, ali), ["friends again"]);
}

#[test]
fn new_keys_of_a_known_person_stop_all_sending_until_they_are_accepted() {
    let (mut world, ..) = two(10);
    // The same account on another device: Bob's new phone, or somebody who has his recovery code.
    let known = LocalIdentity::decode(&world.people[1].identity).unwrap();
    let stretched = [7; 32];
    let one = LocalIdentity::from_stretched(known.root(), &stretched, &mut world.rng).encode();
    let two = LocalIdentity::from_stretched(known.root(), &stretched, &mut world.rng).encode();
    let three = LocalIdentity::from_stretched(known.root(), &stretched, &mut world.rng).encode();
    let mut world = World::with(11, 3, &[("Ali", &[0, 1, 2])]);
    // The second device greets twice, the second time with an invitation that its program was given anew: nobody new.
    for (identity, expected) in [(one, 1), (two.clone(), 2), (two, 2), (three, 3)] {
        let person = world.add_person("Bob");
        world.people[person].identity = identity;
        world.crash(Host::Person(person));
        world.start(Host::Person(person));
        let invitation = world.invite(0);
        world.run_ms(1_000);
        world.add(person, &invitation, "");
        world.run_ms(10_000);
        assert_eq!(world.contacts(0).len(), expected);
        let newest = world.contacts(0)[expected - 1].id;
        set(&mut world, 0, newest, Setting::Verified(true));
    }
    let contacts = world.contacts(0);
    assert_eq!(contacts[0].fingerprint, contacts[1].fingerprint);
    for contact in &contacts {
        assert!(contact.keys_changed, "{contact:?}");
        assert_eq!(
            contact.verified,
            contact.id == contacts[2].id,
            "what was compared before the alarm holds no more"
        );
        assert_eq!(contact.meeting, Meeting::Connected);
        assert_eq!(world.ask(0, text(contact.id, "to whom?")).unwrap_err(), ErrorKind::KeyChanged);
    }
    let fresh = contacts[2].id;
    set(&mut world, 0, fresh, Setting::KeysAccepted);
    let _ = world.queue(0, text(fresh, "welcome back"));
    world.run_ms(2_000);
    let ali = world.contacts(4)[0].id;
    assert_eq!(world.received(4, ali), ["welcome back"]);
    assert_eq!(
        world.ask(0, text(contacts[0].id, "x")).unwrap_err(),
        ErrorKind::KeyChanged,
        "the old one stays closed"
    );
}

#[test]
fn two_contacts_meet_by_the_introduction_of_a_third() {
    let mut world = World::with(12, 3, &[("Ali", &[0, 1]), ("Bob", &[1, 2]), ("Vali", &[2, 0])]);
    let (bob, _) = world.meet(0, 1);
    let (_, _) = world.meet(0, 2);
    let invitation = world.invite(2);
    let command =
        Command::Introduce { contact: bob, name: "Vali".into(), invitation: invitation.clone().into() };
    let (_, seq) = world.queue(0, command);
    world.run_ms(2_000);
    let ali = world.contacts(1)[0].id;
    let body = Body::decode(&world.row(1, ali, false, seq).body).unwrap();
    let Content::Introduction { name, invitation: passed } = body.content else { panic!("{body:?}") };
    assert_eq!((name.as_str(), passed.as_str()), ("Vali", invitation.as_str()));
    let vali = world.add(1, &passed, &name);
    assert!(world.run_until(30_000, |world| {
        world.contacts(1).iter().any(|contact| contact.id == vali && contact.meeting == Meeting::Connected)
    }));
    let own = world.invite(0);
    let refused = Command::Introduce { contact: bob, name: "me".into(), invitation: own.into() };
    assert_eq!(world.ask(0, refused).unwrap_err(), ErrorKind::InviteOwn);
    let refused =
        Command::Introduce { contact: bob, name: "x".into(), invitation: "KARVON:ABC".to_owned().into() };
    assert_eq!(world.ask(0, refused).unwrap_err(), ErrorKind::InviteDamaged);
}

#[test]
fn an_own_message_that_was_not_delivered_before_a_restart_still_disappears_after_it() {
    let (mut world, bob, ali) = two(31);
    set(&mut world, 0, bob, Setting::Timer(60));
    world.run_ms(1_000);
    world.crash(Host::Person(1));
    let numbers =
        ["first secret", "second secret", "third secret"].map(|said| world.queue(0, text(bob, said)).1);
    world.run_ms(3_000);
    for _ in 0..2 {
        world.crash(Host::Person(0));
        world.run_ms(100_000);
        world.start(Host::Person(0));
        world.run_ms(3_000);
    }
    assert!(world.holds(0, "first secret"), "its time has not begun");
    world.start(Host::Person(1));
    world.run_ms(10_000);
    world.crash(Host::Person(0));
    world.start(Host::Person(0));
    world.run_ms(30_000);
    assert!(world.holds(0, "third secret"), "its time is not over");
    world.run_ms(40_000);
    assert!(!world.holds(0, " secret"), "gone at the author's");
    assert!(numbers.iter().all(|seq| world.row(0, bob, true, *seq).marks.hidden));
    let left = world.people[0].node.disk.kv.keys().filter(|key| key.space == Space::Expiry).count();
    assert_eq!(left, 0);
    assert_eq!(
        world.rows(1, ali, Space::Received).len(),
        4,
        "the timer and three that were not seen there yet"
    );
    assert!(world.holds(1, "first secret"));
}
