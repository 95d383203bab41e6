//! Two people and their relays in virtual time: what the engines promise, told as stories.

mod world;

use karvon_protocol::core::Space;
use karvon_protocol::engine::api::{Command, Event, Meeting, Reply};
use karvon_protocol::invite::Invitation;
use karvon_protocol::rpc::Refusal;
use world::people::text_of;
use world::{Host, World};

fn two() -> World {
    World::with(1, 3, &[("Ali", &[0]), ("Bob", &[1])])
}

#[test]
fn two_people_meet_by_an_invitation_and_talk_both_ways() {
    let mut world = two();
    let (bob, ali) = world.meet(0, 1);
    assert_eq!(world.contacts(0)[0].name, "Bob");
    assert_eq!(world.contacts(1)[0].name, "Ali");
    world.send(0, bob, "Салом, Боб");
    world.send(1, ali, "Салом, Алӣ");
    world.run_ms(500);
    assert_eq!(world.received(1, ali), ["Салом, Боб"]);
    assert_eq!(world.received(0, bob), ["Салом, Алӣ"]);
    assert_eq!(world.delivered_below(0, bob), 2);
    assert_eq!(world.delivered_below(1, ali), 2);
    assert!(world.told(1, &Event::Received { contact: ali, from: 1, to: 1 }));
    for relay in &world.relays {
        assert!(relay.node.disk.cells.is_empty(), "delivered cells are forgotten by the relays");
    }
}

#[test]
fn what_both_said_stands_in_the_order_in_which_it_was_said() {
    let mut world = two();
    let (bob, ali) = world.meet(0, 1);
    let said: Vec<_> = (0..6).map(|n| format!("text {n}")).collect();
    for (n, text) in said.iter().enumerate() {
        let (person, to) = if n % 3 == 2 { (1, ali) } else { (0, bob) };
        world.send(person, to, text);
        world.run_ms(3_000);
    }
    for (person, with) in [(0, bob), (1, ali)] {
        let mut all = [Space::Sent, Space::Received].map(|space| world.rows(person, with, space)).concat();
        all.sort_by_key(|(_, row)| row.position);
        assert!(all.windows(2).all(|two| two[0].1.position < two[1].1.position), "each has its own place");
        let texts: Vec<_> = all.iter().filter_map(|(_, row)| text_of(row)).collect();
        assert_eq!(texts, said, "person {person}");
    }
}

#[test]
fn texts_written_before_the_meeting_are_delivered_after_it() {
    let mut world = two();
    let text = world.invite(0);
    let ali = world.add(1, &text, "Алӣ");
    for n in 0..5 {
        world.send(1, ali, &format!("text {n}"));
    }
    world.run_ms(3_000);
    let bob = world.contacts(0)[0].id;
    assert_eq!(world.received(0, bob), (0..5).map(|n| format!("text {n}")).collect::<Vec<_>>());
}

#[test]
fn two_who_invite_each_other_lose_nothing_that_they_wrote_before_they_met() {
    let mut world = two();
    let texts = [world.invite(0), world.invite(1)];
    world.run_ms(5_000);
    let bob = world.add(0, &texts[1], "Bob");
    let ali = world.add(1, &texts[0], "Ali");
    for n in 0..3 {
        world.send(0, bob, &format!("Ali's {n}"));
        world.send(1, ali, &format!("Bob's {n}"));
    }
    world.run_ms(30_000);
    assert_eq!(world.received(1, ali), ["Ali's 0", "Ali's 1", "Ali's 2"]);
    assert_eq!(world.received(0, bob), ["Bob's 0", "Bob's 1", "Bob's 2"]);
    assert_eq!((world.delivered_below(0, bob), world.delivered_below(1, ali)), (4, 4));
}

#[test]
fn a_thousand_texts_wait_for_somebody_who_is_away() {
    let mut world = two();
    let (bob, ali) = world.meet(0, 1);
    world.crash(Host::Person(1));
    let texts: Vec<_> = (0..1_000).map(|n| format!("text {n}")).collect();
    for text in &texts {
        world.send(0, bob, text);
    }
    world.run_ms(3_000);
    world.crash(Host::Person(0));
    world.start(Host::Person(1));
    world.run_ms(3_000);
    assert_eq!(world.received(1, ali), texts);
}

#[test]
fn a_burst_passes_the_granted_tags_many_times_over() {
    let mut world = two();
    let (bob, ali) = world.meet(0, 1);
    let long = "x".repeat(7_000);
    let texts: Vec<_> = (0..2_000).map(|n| format!("{n} {long}")).collect();
    for text in &texts {
        world.send(0, bob, text);
    }
    assert!(
        world.run_until(60_000, |world| world.received(1, ali).len() == texts.len()),
        "got {}",
        world.received(1, ali).len()
    );
    assert_eq!(world.received(1, ali), texts);
    // Nothing leaves under a tag that was not granted.
    let unknown = Refusal::UnknownTag as usize;
    assert_eq!((0..3).map(|relay| world.relay_status(relay).refused_by[unknown]).sum::<u64>(), 0);
}

#[test]
fn a_used_invitation_says_so_to_the_second_person() {
    let mut world = World::with(2, 3, &[("Ali", &[0]), ("Bob", &[1]), ("Eve", &[2])]);
    let text = world.invite(0);
    world.add(1, &text, "");
    world.run_ms(2_000);
    world.add(2, &text, "");
    world.run_ms(10_000);
    assert_eq!(world.contacts(1)[0].meeting, Meeting::Connected);
    let failed = Meeting::Failed(karvon_protocol::error::ErrorKind::InviteUsed);
    assert_eq!(world.contacts(2)[0].meeting, failed);
    assert_eq!(world.contacts(0).len(), 1);
}

#[test]
fn somebody_without_a_door_comes_in_by_the_invitation() {
    let mut world = World::with(3, 3, &[("Ali", &[0]), ("Bob", &[])]);
    let (bob, ali) = world.meet(0, 1);
    world.send(1, ali, "hello");
    world.run_ms(1_000);
    assert_eq!(world.received(0, bob), ["hello"]);
}

#[test]
fn one_relay_is_enough_when_there_is_no_other() {
    let mut world = World::with(4, 1, &[("Ali", &[0]), ("Bob", &[0])]);
    let (bob, ali) = world.meet(0, 1);
    world.send(0, bob, "one");
    world.run_ms(1_000);
    assert_eq!(world.received(1, ali), ["one"]);
    assert_eq!(world.delivered_below(0, bob), 2);
}

#[test]
fn a_relay_that_is_gone_for_good_loses_and_delays_nothing() {
    for gone in 0..3 {
        let mut world = World::with(5, 3, &[("Ali", &[0, 1, 2]), ("Bob", &[0, 1, 2])]);
        let (bob, ali) = world.meet(0, 1);
        world.send(0, bob, "before");
        world.run_ms(500);
        world.send(0, bob, "at the moment");
        world.run_ms(2);
        world.crash(Host::Relay(gone));
        world.send(0, bob, "after");
        world.run_ms(5_000);
        assert_eq!(world.received(1, ali), ["before", "at the moment", "after"], "relay {gone}");
        assert_eq!(world.delivered_below(0, bob), 4, "relay {gone}");
    }
}

#[test]
fn whoever_writes_much_to_many_at_once_never_overfills_a_link() {
    let names: Vec<_> = (0..12).map(|n| format!("friend {n}")).collect();
    let mut people: Vec<(&str, &[usize])> = vec![("Ali", &[0, 1])];
    people.extend(names.iter().map(|name| (name.as_str(), &[1_usize, 2][..])));
    let mut world = World::with(9, 3, &people);
    let friends: Vec<_> = (1..people.len()).map(|n| (n, world.meet(0, n))).collect();
    world.latency_us = 300_000;
    let text = "ж".repeat(4_000);
    for (_, (friend, _)) in &friends {
        for _ in 0..40 {
            let _ = world.send(0, *friend, &text);
        }
    }
    world.run_ms(60_000);
    for (n, (_, ali)) in &friends {
        assert_eq!(world.received(*n, *ali).len(), 40, "friend {n}");
    }
    // The shell ends a link that has 4 MiB waiting.
    assert!(world.most_flying < 1_500_000, "{} bytes were under way on one link", world.most_flying);
}

#[test]
fn links_that_break_at_any_frame_lose_nothing_and_show_nothing_twice() {
    for seed in 0..6 {
        let mut world = World::with(100 + seed, 3, &[("Ali", &[0, 1]), ("Bob", &[1, 2])]);
        let (bob, ali) = world.meet(0, 1);
        world.cut_permille = 30;
        let texts: Vec<_> = (0..60).map(|n| format!("text {n}")).collect();
        for text in &texts {
            world.send(0, bob, text);
            world.send(1, ali, text);
            world.run_ms(40);
        }
        world.run_ms(5_000);
        world.cut_permille = 0;
        let whole =
            |world: &mut World| world.received(1, ali).len() == 60 && world.received(0, bob).len() == 60;
        assert!(
            world.run_until(120_000, whole),
            "seed {seed}: {} {}",
            world.received(1, ali).len(),
            world.received(0, bob).len()
        );
        assert_eq!(world.received(1, ali), texts);
        assert_eq!(world.received(0, bob), texts);
        assert!(world.run_until(60_000, |world| world.delivered_below(0, bob) == 61), "seed {seed}");
    }
}

/// Crashes `victim` at each of its batches in turn, once with the batch on disk and once without, in the middle of a conversation.
fn crash_everywhere(victim: Host) {
    for at in 1..14 {
        for keep in [false, true] {
            let mut world = World::with(7, 3, &[("Ali", &[0, 1]), ("Bob", &[1, 2])]);
            let (bob, ali) = world.meet(0, 1);
            world.run_ms(500);
            world.crash_at = Some((victim, world.batches_of(victim) + at, keep));
            let mut sent = Vec::new();
            for n in 0..8 {
                let text = format!("text {n}");
                let id = world.send(0, bob, &text);
                world.run_ms(30);
                // A text counts once its sender was told that it is queued.
                if matches!(world.people[0].node.replies.get(&id), Some(Ok(_))) {
                    sent.push(text);
                }
                if !world.is_up(victim) {
                    world.run_ms(100);
                    world.start(victim);
                    world.run_ms(100);
                }
            }
            let whole = |world: &mut World| {
                let got = world.received(1, ali);
                sent.iter().all(|text| got.contains(text))
            };
            assert!(
                world.run_until(90_000, whole),
                "{victim:?} at {at} keep {keep}: {:?} of {sent:?}",
                world.received(1, ali)
            );
            let got = world.received(1, ali);
            let mut once = got.clone();
            once.dedup();
            assert_eq!(got, once, "{victim:?} at {at} keep {keep}");
            let order: Vec<_> = got.iter().filter(|text| sent.contains(text)).cloned().collect();
            assert_eq!(order, sent, "{victim:?} at {at} keep {keep}");
        }
    }
}

#[test]
fn a_sender_that_crashes_at_any_batch_loses_nothing_it_called_queued() {
    crash_everywhere(Host::Person(0));
}

#[test]
fn a_recipient_that_crashes_at_any_batch_loses_nothing() {
    crash_everywhere(Host::Person(1));
}

#[test]
fn a_relay_that_crashes_at_any_batch_loses_nothing() {
    crash_everywhere(Host::Relay(0));
    crash_everywhere(Host::Relay(2));
}

#[test]
fn a_message_can_be_looked_up_by_the_same_id_on_both_devices() {
    use karvon_protocol::engine::api::{MessageState, Reply, TrailEvent};
    let mut world = two();
    let (bob, ali) = world.meet(0, 1);
    let Ok(Reply::Queued { id, seq }) = world.ask(0, Command::Send { contact: bob, text: "hello".into() })
    else {
        panic!("not queued")
    };
    world.run_ms(1_000);
    let Ok(Reply::Message { mine: true, state, trail, .. }) = world.ask(0, Command::Message(id)) else {
        panic!()
    };
    assert_eq!(state, MessageState::Delivered);
    let stored = trail.iter().filter(|step| matches!(step.what, TrailEvent::Stored(..))).count();
    assert_eq!(stored, 2, "{trail:?}");
    assert!(matches!(trail.last().unwrap().what, TrailEvent::Delivered));
    let Ok(Reply::Message { mine: false, contact, seq: theirs, .. }) = world.ask(1, Command::Message(id))
    else {
        panic!()
    };
    assert_eq!((contact, theirs), (ali, seq));
}

#[test]
fn nobody_is_told_stored_before_two_relays_have_it_on_disk() {
    use karvon_protocol::engine::api::{MessageState, Reply};
    let mut world = two();
    let (bob, _) = world.meet(0, 1);
    world.crash(Host::Person(1));
    world.crash(Host::Relay(0));
    world.crash(Host::Relay(1));
    let Ok(Reply::Queued { id, .. }) = world.ask(0, Command::Send { contact: bob, text: "hello".into() })
    else {
        panic!("not queued")
    };
    world.run_ms(20_000);
    let state = |world: &mut World| match world.ask(0, Command::Message(id)) {
        Ok(Reply::Message { state, .. }) => state,
        other => panic!("{other:?}"),
    };
    assert_eq!(state(&mut world), MessageState::Queued);
    world.start(Host::Relay(0));
    world.start(Host::Relay(1));
    assert!(world.run_until(90_000, |world| state(world) == MessageState::Stored));
    let holding = world.relays.iter().filter(|relay| !relay.node.disk.cells.is_empty()).count();
    assert!(holding >= 2, "only {holding} relays hold it");
}

#[test]
fn a_long_invitation_works_while_one_of_its_doors_is_there() {
    let mut world = World::with(77, 3, &[("Ali", &[0, 1, 2]), ("Bob", &[])]);
    world.run_ms(10_000);
    let Ok(Reply::Invitation { text, long: Some(long), .. }) = world.ask(0, Command::Invite) else {
        panic!("three doors are reached, so there is a long form")
    };
    let invitation = Invitation::from_text(&long).unwrap();
    assert_eq!(invitation.places().count(), 3);
    assert_eq!(invitation.short().to_text(true), text);
    // All but the last of its doors are gone for good.
    let (last, _) = invitation.places().last().unwrap();
    for relay in 0..3 {
        if world.relays[relay].id != last {
            world.crash(Host::Relay(relay));
        }
    }
    world.add(1, &long, "Ali");
    assert!(world.run_until(120_000, |world| {
        world.contacts(1).iter().all(|contact| contact.meeting == Meeting::Connected)
            && world.contacts(0).iter().any(|contact| contact.meeting == Meeting::Connected)
    }));
}

#[test]
fn a_full_relay_is_seldom_asked_again_and_gets_the_invitations_when_it_has_room() {
    let mut world = two();
    world.meet(0, 1);
    world.run_ms(10_000);
    world.fill(2, true);
    let before = world.relay_status(2);
    for _ in 0..8 {
        world.invite(0);
        world.run_ms(100);
    }
    world.run_ms(4 * 3_600_000);
    let refused = world.relay_status(2).refused - before.refused;
    assert!((1..=400).contains(&refused), "sixteen times for each invitation, not 2,880 times: {refused}");
    assert_eq!(world.relay_status(2).objects, before.objects);
    world.fill(2, false);
    assert!(world.run_until(5_000_000, |world| world.relay_status(2).objects == before.objects + 8));
}
