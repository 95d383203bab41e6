//! Strangers ask at a published address: what it costs them, what they are told, and what becomes of what they asked.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod world;

use karvon_protocol::core::{Job, Space};
use karvon_protocol::engine::api::{Command, ContactId, Event, Meeting, MessageState, Reply, RequestInfo};
use karvon_protocol::error::ErrorKind;
use karvon_protocol::limits::{REQUEST_TEXT_BYTES_MAX, REQUESTS_MAX};
use world::{Host, World};
use zeroize::Zeroizing;

const OWNER: usize = 0;

fn world(seed: u64, strangers: usize) -> World {
    let names: Vec<String> = (0..strangers).map(|number| format!("Stranger {number}")).collect();
    let mut people: Vec<(&str, &[usize])> = vec![("Bob", &[0, 1])];
    people.extend(names.iter().map(|name| (name.as_str(), &[1_usize, 2][..])));
    World::with(seed, 3, &people)
}

fn address(world: &mut World) -> String {
    match world.ask(OWNER, Command::NewAddress) {
        Ok(Reply::Address(Some(text))) => text.to_string(),
        other => panic!("no address: {other:?}"),
    }
}

fn ask(world: &mut World, who: usize, address: &str, text: &str) -> ContactId {
    let invitation = Zeroizing::new(address.to_owned());
    match world.ask(who, Command::Add { invitation, name: String::new(), text: text.to_owned() }) {
        Ok(Reply::Added(id)) => id,
        other => panic!("not added: {other:?}"),
    }
}

fn requests(world: &mut World) -> Vec<RequestInfo> {
    match world.ask(OWNER, Command::Requests) {
        Ok(Reply::Requests { requests, .. }) => requests,
        other => panic!("no requests: {other:?}"),
    }
}

fn waiting(world: &mut World) -> Vec<RequestInfo> {
    requests(world).into_iter().filter(|request| !request.blocked).collect()
}

fn meeting(world: &mut World, who: usize) -> Option<Meeting> {
    world.contacts(who).first().map(|contact| contact.meeting)
}

/// Waits for so many requests, and lets everything come to rest.
fn comes(world: &mut World, count: usize) -> Vec<RequestInfo> {
    assert!(world.run_until(60_000, |world| waiting(world).len() == count), "no {count} requests");
    world.run_ms(10_000);
    waiting(world)
}

fn accept(world: &mut World, request: u64) -> ContactId {
    match world.ask(OWNER, Command::Accept { request, name: String::new() }) {
        Ok(Reply::Added(id)) => id,
        other => panic!("not accepted: {other:?}"),
    }
}

fn state(world: &mut World, who: usize, contact: ContactId, seq: u64) -> MessageState {
    match world.ask(who, Command::Delivery(contact)) {
        Ok(Reply::Delivery(delivery)) => delivery.state(seq),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stranger_asks_waits_is_accepted_and_both_talk() {
    let mut world = world(1, 1);
    let text = address(&mut world);
    world.run_ms(3_000);
    let bob = ask(&mut world, 1, &text, "Салом! We met in Khujand.");
    let asked = comes(&mut world, 1);
    assert_eq!((asked[0].name.as_str(), asked[0].text.as_str()), ("Stranger 0", "Салом! We met in Khujand."));
    assert!(world.people[OWNER].node.events.contains(&Event::Requests));
    assert!(world.contacts(OWNER).is_empty(), "nobody is a contact before this person says so");
    assert!(
        world.people[OWNER].node.disk.load(&karvon_protocol::core::Range::Space(Space::Received)).is_empty()
    );

    world.run_ms(3_600_000);
    assert_eq!(meeting(&mut world, 1), Some(Meeting::Waiting));
    assert_eq!(
        state(&mut world, 1, bob, 1),
        MessageState::Stored,
        "stored, and never more before the answer"
    );
    // What is written meanwhile waits.
    world.send(1, bob, "Are you there?");
    world.run_ms(60_000);
    assert_eq!(state(&mut world, 1, bob, 2), MessageState::Queued);
    assert_eq!(waiting(&mut world).len(), 1);

    let stranger = accept(&mut world, asked[0].request);
    assert!(world.run_until(60_000, |world| meeting(world, 1) == Some(Meeting::Connected)));
    world.send(OWNER, stranger, "Yes.");
    world.run_ms(60_000);
    assert_eq!(world.received(OWNER, stranger), ["Салом! We met in Khujand.", "Are you there?"]);
    assert_eq!(world.received(1, bob), ["Yes."]);
    for seq in [1, 2] {
        assert_eq!(state(&mut world, 1, bob, seq), MessageState::Delivered);
    }
    assert!(waiting(&mut world).is_empty());
    for person in [OWNER, 1] {
        assert_eq!(world.faults(person), 0);
    }
    // The relays keep nothing of the request.
    for relay in &world.relays {
        assert!(relay.node.disk.cells.values().all(|(_, cell)| cell.class() as u8 == 0), "canaries at most");
    }
}

#[test]
fn an_address_serves_many_and_an_invitation_still_works_beside_it() {
    let mut world = world(2, 3);
    let text = address(&mut world);
    world.run_ms(3_000);
    for who in 1..=3 {
        ask(&mut world, who, &text, &format!("from {who}"));
    }
    let asked = comes(&mut world, 3);
    let mut texts: Vec<_> = asked.iter().map(|request| request.text.clone()).collect();
    texts.sort();
    assert_eq!(texts, ["from 1", "from 2", "from 3"]);
    for request in asked {
        accept(&mut world, request.request);
    }
    assert!(
        world.run_until(60_000, |world| {
            (1..=3).all(|who| meeting(world, who) == Some(Meeting::Connected))
        })
    );
    // The same address, yet other ids: no message of one is found in the conversation of another.
    let ids: std::collections::BTreeSet<_> =
        (1..=3).map(|who| world.rows(who, ContactId(1), Space::Sent)[0].1.id).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn what_is_declined_comes_back_only_for_new_work_and_what_is_blocked_never() {
    let mut world = world(3, 1);
    let text = address(&mut world);
    world.run_ms(3_000);
    ask(&mut world, 1, &text, "one");
    let asked = comes(&mut world, 1);
    assert!(matches!(world.ask(OWNER, Command::Decline(asked[0].request)), Ok(Reply::Done)));
    assert!(waiting(&mut world).is_empty());
    assert_eq!(world.ask(OWNER, Command::Decline(asked[0].request)).err(), Some(ErrorKind::NoSuchRequest));
    // A restart on both sides brings nothing back: the greeting is known.
    for host in [Host::Person(OWNER), Host::Person(1)] {
        world.crash(host);
        world.start(host);
    }
    world.run_ms(120_000);
    assert!(waiting(&mut world).is_empty());
    assert_eq!(meeting(&mut world, 1), Some(Meeting::Waiting), "they are not told");

    // The same account asks at a new address.
    let text = address(&mut world);
    world.run_ms(3_000);
    world.forget(1, &[1, 2]);
    ask(&mut world, 1, &text, "two");
    let asked = comes(&mut world, 1);
    assert_eq!(asked[0].text, "two");
    assert!(matches!(world.ask(OWNER, Command::Block(asked[0].request)), Ok(Reply::Done)));
    let kept = requests(&mut world);
    assert!(kept.len() == 1 && kept[0].blocked && kept[0].text.is_empty());
    world.crash(Host::Person(OWNER));
    world.start(Host::Person(OWNER));
    world.run_ms(5_000);
    world.forget(1, &[1, 2]);
    ask(&mut world, 1, &text, "three");
    world.run_ms(60_000);
    assert_eq!(meeting(&mut world, 1), Some(Meeting::Waiting));
    assert!(waiting(&mut world).is_empty(), "a blocked account is passed over, and not told");
    assert!(matches!(world.ask(OWNER, Command::Decline(kept[0].request)), Ok(Reply::Done)));
    assert!(requests(&mut world).is_empty());
}

#[test]
fn a_request_that_waits_survives_a_restart_and_can_be_accepted_then() {
    let mut world = world(4, 1);
    let text = address(&mut world);
    world.run_ms(3_000);
    let bob = ask(&mut world, 1, &text, "hello");
    comes(&mut world, 1);
    for host in [Host::Person(OWNER), Host::Person(1)] {
        world.crash(host);
        world.start(host);
    }
    world.run_ms(10_000);
    let asked = waiting(&mut world);
    assert_eq!((asked.len(), asked[0].text.as_str()), (1, "hello"));
    assert!(matches!(world.ask(OWNER, Command::Address), Ok(Reply::Address(Some(held))) if *held == text));
    let stranger = accept(&mut world, asked[0].request);
    assert!(world.run_until(60_000, |world| meeting(world, 1) == Some(Meeting::Connected)));
    world.send(1, bob, "and more");
    world.run_ms(30_000);
    assert_eq!(world.received(OWNER, stranger), ["hello", "and more"]);
}

#[test]
fn a_restart_in_the_middle_of_the_work_begins_it_again_and_the_text_still_goes_with_it() {
    let mut world = World::new(5);
    world.limits.request_bits = 6;
    (0..3).for_each(|_| world.add_relay());
    world.run_ms(200);
    for name in ["Bob", "Ali"] {
        let person = world.add_person(name);
        for relay in [0, 1] {
            let door = world.slot(relay);
            assert!(world.ask(person, Command::AddDoor(door)).is_ok());
        }
    }
    world.run_ms(3_500);
    let text = address(&mut world);
    world.run_ms(3_000);
    ask(&mut world, 1, &text, "patience");
    // Before the lookup is answered, and again while the work is done.
    world.crash(Host::Person(1));
    world.start(Host::Person(1));
    let works = |world: &mut World| world.jobs.iter().any(|(host, _)| *host == Host::Person(1));
    assert!(world.run_until(30_000, works));
    assert_eq!(meeting(&mut world, 1), Some(Meeting::Asking));
    world.crash(Host::Person(1));
    world.start(Host::Person(1));
    let asked = comes(&mut world, 1);
    assert_eq!(asked[0].text, "patience");
    assert_eq!(meeting(&mut world, 1), Some(Meeting::Waiting));
}

#[test]
fn the_work_is_done_in_pieces_shows_how_far_it_is_and_ends_when_it_is_not_wanted() {
    let mut world = World::new(6);
    // Nobody finds so many bits in a test.
    world.limits.request_bits = 16;
    (0..3).for_each(|_| world.add_relay());
    world.run_ms(200);
    for name in ["Bob", "Ali"] {
        let person = world.add_person(name);
        let door = world.slot(0);
        assert!(world.ask(person, Command::AddDoor(door)).is_ok());
    }
    world.run_ms(3_500);
    let text = address(&mut world);
    world.run_ms(3_000);
    let bob = ask(&mut world, 1, &text, "");
    assert!(world.run_until(30_000, |world| world.jobs.len() > 20));
    let contact = world.contacts(1).remove(0);
    assert_eq!((contact.meeting, contact.work_percent), (Meeting::Asking, Some(0)));
    for (_, job) in &world.jobs {
        let Job::Search { count, .. } = job else { panic!("{job:?}") };
        assert!(*count <= 16, "a piece is short enough to be waited for");
    }
    let setting = karvon_protocol::engine::api::Setting::Blocked(true);
    assert!(world.ask(1, Command::Set(bob, setting)).is_ok());
    world.run_ms(1_000);
    let before = world.jobs.len();
    world.run_ms(2_000);
    assert!(world.jobs.len() <= before + 2, "no work for somebody who is blocked");
    assert!(waiting(&mut world).is_empty());
}

#[test]
fn the_share_of_the_work_that_is_done_is_what_is_shown() {
    let mut world = World::new(12);
    // 64 tries on average, in pieces of 8.
    world.limits.request_bits = 6;
    (0..3).for_each(|_| world.add_relay());
    world.run_ms(200);
    let mut shown = std::collections::BTreeSet::new();
    for name in ["Bob", "Ali", "Eve", "Zarina"] {
        let person = world.add_person(name);
        let door = world.slot(0);
        assert!(world.ask(person, Command::AddDoor(door)).is_ok());
    }
    world.run_ms(3_500);
    let text = address(&mut world);
    world.run_ms(3_000);
    for who in 1..4 {
        ask(&mut world, who, &text, "");
        assert!(world.run_until(120_000, |world| {
            shown.extend(world.contacts(who)[0].work_percent);
            meeting(world, who) == Some(Meeting::Waiting)
        }));
    }
    let steps: std::collections::BTreeSet<u8> = (0..8).map(|piece| piece * 25 / 2).chain([99]).collect();
    assert!(shown.is_subset(&steps) && shown.len() > 2, "{shown:?}");
}

#[test]
fn requests_beyond_the_bound_push_the_oldest_out_and_say_how_many() {
    let mut world = World::new(7);
    world.limits.request_bits = 0;
    world.limits.request_checks_per_minute = 6_000;
    (0..3).for_each(|_| world.add_relay());
    world.run_ms(200);
    let strangers = REQUESTS_MAX + 3;
    for number in 0..=strangers {
        let person = world.add_person(&format!("P{number}"));
        let door = world.slot(0);
        assert!(world.ask(person, Command::AddDoor(door)).is_ok());
    }
    world.run_ms(5_000);
    let text = address(&mut world);
    world.run_ms(3_000);
    for who in 1..=strangers {
        ask(&mut world, who, &text, &format!("{who}"));
        assert!(world.run_until(60_000, |world| meeting(world, who) == Some(Meeting::Waiting)), "{who}");
    }
    world.run_ms(30_000);
    let asked = waiting(&mut world);
    assert_eq!(asked.len(), REQUESTS_MAX);
    assert!(asked.iter().all(|request| request.text != "1" && request.text != "3"), "the oldest made room");
    assert_eq!(asked.last().unwrap().text, strangers.to_string());
    assert!(matches!(world.ask(OWNER, Command::Requests), Ok(Reply::Requests { dropped: 3, .. })));
}

#[test]
fn an_address_that_ended_says_so_and_lets_nobody_ask() {
    let mut world = world(8, 2);
    let text = address(&mut world);
    world.run_ms(3_000);
    assert!(matches!(world.ask(OWNER, Command::EndAddress), Ok(Reply::Done)));
    assert!(matches!(world.ask(OWNER, Command::Address), Ok(Reply::Address(None))));
    world.run_ms(5_000);
    ask(&mut world, 1, &text, "too late");
    assert!(
        world.run_until(30_000, |world| {
            meeting(world, 1) == Some(Meeting::Failed(ErrorKind::InviteExpired))
        })
    );
    let keys = karvon_protocol::core::Range::Space(Space::Prekeys);
    assert!(world.people[OWNER].node.disk.load(&keys).is_empty(), "its private keys are gone");
    // A new one works, and ends the one before.
    let first = address(&mut world);
    let second = address(&mut world);
    world.run_ms(5_000);
    assert_ne!(first, second);
    ask(&mut world, 2, &second, "in time");
    assert_eq!(comes(&mut world, 1)[0].text, "in time");
    assert_eq!(world.people[OWNER].node.disk.load(&keys).len(), 1);
}

#[test]
fn a_first_text_that_does_not_fit_is_refused_and_the_longest_goes_along() {
    let mut world = world(9, 1);
    let text = address(&mut world);
    world.run_ms(3_000);
    let long = "x".repeat(REQUEST_TEXT_BYTES_MAX + 1);
    let add = |text: String, invitation: &str| Command::Add {
        invitation: Zeroizing::new(invitation.to_owned()),
        name: String::new(),
        text,
    };
    assert_eq!(world.ask(1, add(long.clone(), &text)).err(), Some(ErrorKind::RequestTooLong));
    assert!(world.contacts(1).is_empty(), "nothing is begun by a command that is refused");
    assert_eq!(world.ask(OWNER, add(String::new(), &text)).err(), Some(ErrorKind::InviteOwn));
    ask(&mut world, 1, &text, &long[1..]);
    assert_eq!(comes(&mut world, 1)[0].text, &long[1..]);
}

#[test]
fn two_who_ask_each_other_at_once_need_nobody_to_accept() {
    let mut world = world(10, 1);
    let bobs = address(&mut world);
    let alis = match world.ask(1, Command::NewAddress) {
        Ok(Reply::Address(Some(text))) => text.to_string(),
        other => panic!("{other:?}"),
    };
    world.run_ms(3_000);
    let bob = ask(&mut world, 1, &bobs, "from Ali");
    let ali = ask(&mut world, OWNER, &alis, "from Bob");
    assert!(world.run_until(120_000, |world| {
        [OWNER, 1].iter().all(|who| meeting(world, *who) == Some(Meeting::Connected))
    }));
    world.run_ms(60_000);
    assert_eq!(world.received(OWNER, ali), ["from Ali"]);
    assert_eq!(world.received(1, bob), ["from Bob"]);
    assert!(waiting(&mut world).is_empty());
}

#[test]
fn prekeys_are_renewed_each_week_of_running_time_and_old_ones_kept_for_a_while() {
    const HOUR_MS: u64 = 3_600_000;
    const DAY_MS: u64 = 24 * HOUR_MS;
    let mut world = world(11, 2);
    let text = address(&mut world);
    world.run_ms(5_000);
    let keys = karvon_protocol::core::Range::Space(Space::Prekeys);
    let sets = |world: &World| world.people[OWNER].node.disk.load(&keys);
    let first = sets(&world).remove(0).0.seq;
    assert_eq!(sets(&world).len(), 1);
    // The stored age is the time that the device has run: nobody waits for weeks here.
    let grow_old = |world: &mut World, age_ms: u64| {
        world.crash(Host::Person(OWNER));
        for (key, mut value) in world.people[OWNER].node.disk.load(&keys) {
            if key.seq == first {
                value[1..9].copy_from_slice(&age_ms.to_be_bytes());
                world.people[OWNER].node.disk.kv.insert(key, value);
            }
        }
        world.start(Host::Person(OWNER));
        world.run_ms(2 * HOUR_MS + 60_000);
    };
    grow_old(&mut world, 6 * DAY_MS);
    assert_eq!(sets(&world).len(), 1, "not yet a week old");
    // Somebody looks the bundle up now and is slow: their cell is made for the first keys.
    world.set_request_bits(16);
    ask(&mut world, 1, &text, "slow");
    world.run_ms(5_000);
    assert_eq!(meeting(&mut world, 1), Some(Meeting::Asking));
    world.crash(Host::Person(1));
    world.set_request_bits(2);
    grow_old(&mut world, 7 * DAY_MS - HOUR_MS);
    assert_eq!(sets(&world).len(), 2, "new ones after a week, and the old ones beside them");
    world.start(Host::Person(1));
    assert_eq!(comes(&mut world, 1)[0].text, "slow");
    ask(&mut world, 2, &text, "after a week");
    assert_eq!(comes(&mut world, 2)[1].text, "after a week");
    grow_old(&mut world, 52 * DAY_MS - HOUR_MS);
    let left = sets(&world);
    assert!(left.len() == 1 && left[0].0.seq != first, "and gone 45 days later");
}

#[test]
fn without_a_mailbox_there_is_no_address() {
    let mut world = World::new(12);
    world.add_relay();
    let lonely = world.add_person("Bob");
    world.run_ms(500);
    assert_eq!(world.ask(lonely, Command::NewAddress).err(), Some(ErrorKind::NoMailbox));
    assert!(matches!(world.ask(lonely, Command::Address), Ok(Reply::Address(None))));
}
