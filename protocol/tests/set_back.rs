//! A device whose data is set back to an older copy of itself: nothing is called delivered that is not, and everything arrives once.

mod world;

use karvon_protocol::body::{Body, Content};
use karvon_protocol::core::{Key, Range, Space, Value};
use karvon_protocol::engine::api::{Command, ContactId, Delivery, MessageState, Reply, StoredMessage};
use std::collections::BTreeMap;
use world::people::text_of;
use world::{Host, World};

type Copy = BTreeMap<Key, Value>;

/// Two people who met, wrote to each other and gave each other what a reset needs.
fn two(seed: u64) -> (World, ContactId, ContactId) {
    let mut world = World::with(seed, 3, &[("Ali", &[0, 1]), ("Bob", &[1, 2])]);
    let (bob, ali) = world.meet(0, 1);
    world.send(0, bob, "a1");
    world.send(1, ali, "b1");
    world.run_ms(30_000);
    (world, bob, ali)
}

fn copy(world: &World, person: usize) -> Copy {
    world.people[person].node.disk.kv.clone()
}

fn set_back(world: &mut World, person: usize, copy: &Copy) {
    world.crash(Host::Person(person));
    world.people[person].node.disk.kv = copy.clone();
    world.start(Host::Person(person));
    world.run_ms(100);
}

fn delivery(world: &mut World, person: usize, contact: ContactId) -> Delivery {
    match world.ask(person, Command::Delivery(contact)) {
        Ok(Reply::Delivery(delivery)) => delivery,
        other => panic!("{other:?}"),
    }
}

/// Own texts with their states, in the order in which they are shown.
fn own(world: &mut World, person: usize, contact: ContactId) -> Vec<(String, MessageState)> {
    let delivery = delivery(world, person, contact);
    let range = Range::Group {
        space: Space::Sent,
        group: contact.group(),
        from: 0,
        to: u64::MAX,
        limit: usize::MAX,
        newest: false,
    };
    let mut rows: Vec<_> = world.people[person].node.disk.load(&range).into_iter().collect();
    rows.retain(|(_, value)| StoredMessage::decode(value).is_some_and(|row| !row.marks.hidden));
    rows.sort_by_key(|(_, value)| StoredMessage::decode(value).map(|row| row.position));
    let text = |value: &Value| match Body::decode(&StoredMessage::decode(value).expect("a message").body)
        .expect("its body")
        .content
    {
        Content::Text(text) | Content::Reply { text, .. } => text,
        other => panic!("{other:?}"),
    };
    rows.iter().map(|(key, value)| (text(value), delivery.state(key.seq))).collect()
}

/// Runs and looks all the time whether anything is called delivered that the other side does not have. What it had before it was set back
/// itself is in `gone`.
fn watch(world: &mut World, ms: u64, ends: [(usize, ContactId); 2]) {
    watch_but(world, ms, ends, &[]);
}

fn watch_but(world: &mut World, ms: u64, ends: [(usize, ContactId); 2], gone: &[String]) {
    for _ in 0..ms / 50 {
        world.run_ms(50);
        for (at, (person, contact)) in ends.into_iter().enumerate() {
            if !world.is_up(Host::Person(person)) {
                continue;
            }
            let (other, back) = ends[1 - at];
            let has = world.received(other, back);
            for (text, state) in own(world, person, contact) {
                assert!(
                    state < MessageState::Delivered || has.contains(&text) || gone.contains(&text),
                    "{text:?} is called {state:?}, but only {has:?} is there"
                );
            }
        }
    }
}

fn all_delivered(world: &mut World, person: usize, contact: ContactId) {
    let own = own(world, person, contact);
    assert!(own.iter().all(|(_, state)| *state == MessageState::Delivered), "{own:?}");
}

#[test]
fn what_is_written_before_anything_was_heard_takes_no_number_of_another_message() {
    // Fewer, as many and more than the contact has already; with a silence between or at once.
    for (written, pause) in [(1, 1_000), (2, 0), (2, 5_000), (5, 2_000), (5, 0)] {
        let (mut world, bob, ali) = two(31);
        let ends = [(0, bob), (1, ali)];
        let older = copy(&world, 0);
        world.send(0, bob, "a2");
        world.send(0, bob, "a3");
        world.run_ms(5_000);
        set_back(&mut world, 0, &older);
        let fresh: Vec<_> = (0..written).map(|n| format!("new {n}")).collect();
        for text in &fresh {
            world.send(0, bob, text);
            watch(&mut world, pause, ends);
        }
        world.send(1, ali, "b2");
        watch(&mut world, 200_000, ends);
        let expected: Vec<_> = ["a1", "a2", "a3"].map(str::to_owned).into_iter().chain(fresh).collect();
        assert_eq!(world.received(1, ali), expected, "{written} written, {pause} ms between");
        all_delivered(&mut world, 0, bob);
        world.send(0, bob, "last");
        world.send(1, ali, "b3");
        watch(&mut world, 10_000, ends);
        assert_eq!(world.received(1, ali).last().unwrap(), "last");
        assert_eq!(world.received(0, bob), ["b1", "b2", "b3"]);
        all_delivered(&mut world, 0, bob);
        all_delivered(&mut world, 1, ali);
    }
}

#[test]
fn what_lay_in_the_outbox_when_the_copy_was_made_arrives_once() {
    let (mut world, bob, ali) = two(32);
    let ends = [(0, bob), (1, ali)];
    world.crash(Host::Person(1));
    for text in ["a2", "a3", "a4"] {
        world.send(0, bob, text);
    }
    world.run_ms(2_000);
    let older = copy(&world, 0);
    world.start(Host::Person(1));
    world.run_ms(5_000);
    world.send(0, bob, "a5");
    world.run_ms(5_000);
    set_back(&mut world, 0, &older);
    world.send(0, bob, "new");
    watch(&mut world, 1_000, ends);
    world.send(1, ali, "b2");
    watch(&mut world, 200_000, ends);
    assert_eq!(world.received(1, ali), ["a1", "a2", "a3", "a4", "a5", "new"]);
    all_delivered(&mut world, 0, bob);
}

#[test]
fn an_old_copy_that_can_not_read_what_comes_finds_its_way_back() {
    // Keys and tags have moved on: a few answers later, and beyond everything that the copy has registered.
    for rounds in [3, 150] {
        let (mut world, bob, ali) = two(33);
        let ends = [(0, bob), (1, ali)];
        let older = copy(&world, 0);
        for n in 0..rounds {
            world.send(0, bob, &format!("a{n}"));
            world.run_ms(400);
            world.send(1, ali, &format!("b{n}"));
            world.run_ms(400);
        }
        world.run_ms(30_000);
        let before = (world.received(1, ali), world.received(0, bob));
        set_back(&mut world, 0, &older);
        world.send(0, bob, "new");
        watch_but(&mut world, 20_000, ends, &before.1);
        assert_eq!(world.received(1, ali), before.0, "nothing can be read yet");
        world.send(1, ali, "are you there?");
        watch_but(&mut world, 200_000, ends, &before.1);
        let heard = world.received(1, ali);
        assert_eq!(
            (heard.len(), heard.last().unwrap().as_str()),
            (before.0.len() + 1, "new"),
            "{rounds} rounds"
        );
        let heard = world.received(0, bob);
        assert_eq!(heard[..before.1.len()], before.1, "what was lost comes again");
        assert_eq!(heard[before.1.len()..], ["are you there?"]);
        all_delivered(&mut world, 0, bob);
        all_delivered(&mut world, 1, ali);
    }
}

#[test]
fn a_kill_at_any_moment_on_the_way_back_loses_and_doubles_nothing() {
    for victim in [0, 1] {
        for (at, keep) in (1..26).flat_map(|at| [(at, true), (at, false)]) {
            let (mut world, bob, ali) = two(34);
            let ends = [(0, bob), (1, ali)];
            let older = copy(&world, 0);
            world.send(0, bob, "a2");
            world.send(0, bob, "a3");
            world.run_ms(5_000);
            set_back(&mut world, 0, &older);
            world.send(0, bob, "n1");
            world.send(0, bob, "n2");
            watch(&mut world, 2_000, ends);
            world.send(1, ali, "b2");
            let host = Host::Person(victim);
            world.crash_at = Some((host, world.batches_of(host) + at, keep));
            for _ in 0..4 {
                watch(&mut world, 10_000, ends);
                if !world.is_up(host) {
                    world.start(host);
                }
            }
            world.crash_at = None;
            world.send(1, ali, "b3");
            watch(&mut world, 100_000, ends);
            world.send(0, bob, "n3");
            watch(&mut world, 10_000, ends);
            let what = format!("{victim} was killed at batch {at}, kept: {keep}");
            assert_eq!(world.received(1, ali), ["a1", "a2", "a3", "n1", "n2", "n3"], "{what}");
            assert_eq!(world.received(0, bob), ["b1", "b2", "b3"], "{what}");
            all_delivered(&mut world, 0, bob);
        }
    }
}

#[test]
fn edits_answers_and_signs_follow_a_message_to_its_new_number() {
    let (mut world, bob, ali) = two(35);
    let before = world.row(0, bob, true, 1).id;
    let older = copy(&world, 0);
    let (lost, _) = world.queue(0, Command::Send { contact: bob, text: "lost here".into() });
    world.run_ms(5_000);
    world.crash(Host::Person(0));
    // It is on its way while the author is set back.
    world.queue(1, Command::React(lost, "🙂".into()));
    world.queue(1, Command::Answer { to: lost, text: "what do you mean?".into() });
    world.run_ms(5_000);
    world.crash(Host::Person(1));
    world.people[0].node.disk.kv = older;
    world.start(Host::Person(0));
    world.run_ms(2);
    let (first, _) = world.queue(0, Command::Send { contact: bob, text: "fisrt".into() });
    assert_eq!(first, lost, "both have one number");
    world.queue(0, Command::Edit(first, "first".into()));
    world.queue(0, Command::Edit(before, "a1 changed".into()));
    world.queue(0, Command::Answer { to: first, text: "second".into() });
    let (third, _) = world.queue(0, Command::Send { contact: bob, text: "third".into() });
    world.queue(0, Command::Delete(third));
    world.tell(0, Command::Set(bob, karvon_protocol::engine::api::Setting::Timer(3_600)));
    world.queue(0, Command::Send { contact: bob, text: "goes away".into() });
    world.run_ms(2_000);
    world.start(Host::Person(1));
    world.run_ms(300_000);
    let texts = |world: &World, person, with, space| -> Vec<String> {
        let rows = world.rows(person, with, space).into_iter().filter(|(_, row)| !row.marks.hidden);
        rows.map(|(_, row)| text_of(&row).unwrap_or_else(|| "-".into())).collect()
    };
    let said = ["a1 changed", "first", "second", "-", "-", "goes away"];
    assert_eq!(texts(&world, 0, bob, Space::Sent), said);
    let heard = ["a1 changed", "lost here", "first", "second", "-", "goes away"];
    assert_eq!(texts(&world, 1, ali, Space::Received), heard);
    for (person, with, space) in [(0, bob, Space::Sent), (1, ali, Space::Received)] {
        for (_, row) in world.rows(person, with, space) {
            let text = text_of(&row);
            let signed = [row.marks.mine, row.marks.theirs].iter().any(|sign| !sign.emoji.is_empty());
            assert_eq!(signed, text.as_deref() == Some("lost here"), "{text:?}");
            if let Content::Reply { to, .. } = Body::decode(&row.body).unwrap().content {
                let found = world.rows(person, with, space).into_iter().find(|(_, row)| row.id == to);
                assert_eq!(found.and_then(|(_, row)| text_of(&row)).as_deref(), Some("first"));
            }
        }
    }
    // An edit of what was edited meanwhile leaves nothing of the first one.
    let now =
        world.rows(0, bob, Space::Sent).into_iter().find(|(_, row)| text_of(row).as_deref() == Some("first"));
    world.queue(0, Command::Edit(now.unwrap().1.id, "premier".into()));
    world.run_ms(10_000);
    assert_eq!(texts(&world, 1, ali, Space::Received)[2], "premier");
    assert!(!world.holds(0, "fisrt") && !world.holds(0, "first"));
}

#[test]
fn whoever_is_set_back_reaches_a_contact_who_says_nothing() {
    let (mut world, bob, ali) = two(37);
    let older = copy(&world, 0);
    world.send(0, bob, "a2");
    world.run_ms(5_000);
    set_back(&mut world, 0, &older);
    world.send(0, bob, "new");
    watch(&mut world, 500_000, [(0, bob), (1, ali)]);
    assert_eq!(world.received(1, ali), ["a1", "a2", "new"]);
    all_delivered(&mut world, 0, bob);
}

#[test]
fn whoever_is_set_back_and_killed_reaches_a_contact_who_says_nothing() {
    // Killed before and after relays have refused what was written.
    for ms in [20, 100, 1_000, 60_000] {
        let (mut world, bob, ali) = two(38);
        let older = copy(&world, 0);
        world.send(0, bob, "a2");
        world.run_ms(5_000);
        set_back(&mut world, 0, &older);
        world.send(0, bob, "new");
        world.run_ms(ms);
        world.crash(Host::Person(0));
        world.start(Host::Person(0));
        watch(&mut world, 500_000, [(0, bob), (1, ali)]);
        assert_eq!(world.received(1, ali), ["a1", "a2", "new"], "killed after {ms} ms");
        all_delivered(&mut world, 0, bob);
    }
}

#[test]
fn both_may_be_set_back_and_one_of_them_twice() {
    let (mut world, bob, ali) = two(36);
    let ends = [(0, bob), (1, ali)];
    let (alis, bobs) = (copy(&world, 0), copy(&world, 1));
    let gone: Vec<_> = (2..5).flat_map(|n| [format!("a{n}"), format!("b{n}")]).collect();
    for n in 2..5 {
        world.send(0, bob, &format!("a{n}"));
        world.send(1, ali, &format!("b{n}"));
        world.run_ms(2_000);
    }
    // What only the older copies had is gone with them; what is written from now on is not.
    set_back(&mut world, 0, &alis);
    set_back(&mut world, 1, &bobs);
    world.send(0, bob, "n1");
    world.send(1, ali, "m1");
    // Neither can say anything under tags that are used up, and so neither hears anything: relays say so.
    watch_but(&mut world, 900_000, ends, &gone);
    world.send(0, bob, "n2");
    world.send(1, ali, "m2");
    watch_but(&mut world, 300_000, ends, &gone);
    assert_eq!(world.received(1, ali), ["a1", "n1", "n2"]);
    assert_eq!(world.received(0, bob), ["b1", "m1", "m2"]);
    // Once more, with a copy of the session that they have now.
    let alis = copy(&world, 0);
    world.send(0, bob, "n3");
    world.send(1, ali, "m3");
    world.run_ms(5_000);
    let gone = [gone, vec!["m3".to_owned()]].concat();
    set_back(&mut world, 0, &alis);
    world.send(0, bob, "o1");
    watch_but(&mut world, 5_000, ends, &gone);
    world.send(1, ali, "m4");
    watch_but(&mut world, 300_000, ends, &gone);
    assert_eq!(world.received(1, ali), ["a1", "n1", "n2", "n3", "o1"]);
    assert_eq!(world.received(0, bob), ["b1", "m1", "m2", "m3", "m4"]);
    all_delivered(&mut world, 0, bob);
    all_delivered(&mut world, 1, ali);
}

#[test]
fn what_a_contact_had_acknowledged_and_lost_is_sent_again_by_one_who_was_set_back_as_well() {
    let (mut world, bob, ali) = two(38);
    let ends = [(0, bob), (1, ali)];
    let bobs = copy(&world, 1);
    world.send(0, bob, "a2");
    world.run_ms(5_000);
    let alis = copy(&world, 0);
    world.send(0, bob, "a3");
    world.run_ms(5_000);
    set_back(&mut world, 0, &alis);
    set_back(&mut world, 1, &bobs);
    let gone = ["a2".to_owned(), "a3".to_owned()];
    for round in 0..3 {
        world.send(0, bob, &format!("n{round}"));
        world.send(1, ali, &format!("m{round}"));
        watch_but(&mut world, 300_000, ends, &gone);
    }
    assert_eq!(world.received(1, ali), ["a1", "a2", "n0", "n1", "n2"], "only Bob had a3");
    assert_eq!(world.received(0, bob), ["b1", "m0", "m1", "m2"]);
    all_delivered(&mut world, 0, bob);
    all_delivered(&mut world, 1, ali);
}
