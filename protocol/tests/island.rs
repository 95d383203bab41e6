//! Groups among neighbours on one local network, without any relay: what was said reaches whoever may read it, once, also through people
//! who may not; and when relays are back nothing comes twice.

mod world;

use karvon_protocol::engine::api::Command;
use karvon_protocol::engine::carrier::CarryCommand;
use karvon_protocol::engine::group_api::{GroupCommand, GroupNumber, Reached};
use karvon_protocol::engine::lan::LanCommand;
use proptest::prelude::*;
use world::friends::Friends;
use world::neighbours::{
    Ends, ROOM, accept, brave_hand, carry, lan, people, relays, restart, rows, status, visit,
};
use world::{Host, World};

fn reached(friends: &mut Friends, person: usize, group: GroupNumber, seq: u64) -> Option<Reached> {
    let view = friends.view(person, group);
    view.under_way.iter().find(|(number, _)| *number == seq).map(|(_, reached)| *reached)
}

const ALI: usize = 0;
const BOB: usize = 1;
const ZARINA: usize = 2;
const UMED: usize = 3;

/// Ali's group of three: Zarina and Umed know Ali only; Bob, a friend of both of them, is not in it.
fn through_a_friend(seed: u64) -> (Friends, Ends, [GroupNumber; 2]) {
    let (mut friends, ends) = people(seed, 4, &[(ALI, ZARINA), (ALI, UMED), (BOB, ZARINA), (BOB, UMED)]);
    accept(&mut friends.world);
    let ali = friends.create(ALI, "Brigade");
    let numbers = [ZARINA, UMED].map(|who| friends.bring(ALI, ali, who));
    friends.world.run_ms(10_000);
    relays(&mut friends.world, false);
    friends.world.crash(Host::Person(ALI));
    (friends, ends, numbers)
}

#[test]
fn a_group_of_ten_talks_on_an_island_and_marks_are_earned_there_as_elsewhere() {
    let all: Vec<_> = (1..10).map(|who| (ALI, who)).collect();
    let (mut friends, ends) = people(401, 10, &all);
    accept(&mut friends.world);
    let ali = friends.create(ALI, "Large");
    let numbers: Vec<_> = (1..10).map(|who| friends.bring(ALI, ali, who)).collect();
    friends.world.run_ms(20_000);
    relays(&mut friends.world, false);
    let seq = friends.send(ALI, ali, "on the island");
    for who in 1..9 {
        visit(&mut friends.world, &ends, ALI, who);
        assert_eq!(friends.read(who, numbers[who - 1]), ["on the island"], "{who}");
    }
    // It is with eight devices, and with no relay; who has said so counts, and nobody else.
    let before = reached(&mut friends, ALI, ali, seq).expect("under way");
    assert_eq!((before.of, before.stored), (9, false));
    assert!(before.delivered < 9, "{before:?}");
    // What one member says comes to the others by way of Ali.
    let answer = friends.send(3, numbers[2], "from Umed");
    for who in [3, 1, 2, 4, 5, 6, 7, 8, 3] {
        friends.world.run_ms(100_000);
        visit(&mut friends.world, &ends, ALI, who);
    }
    for who in 1..9 {
        assert_eq!(friends.read(who, numbers[who - 1]), ["on the island", "from Umed"], "{who}");
    }
    // Receipts travel the same way: Ali has heard from all who have it, and Madina was never near.
    let after = reached(&mut friends, ALI, ali, seq).expect("Madina does not have it");
    assert_eq!((after.delivered, after.of, after.stored), (8, 9, false));
    assert!(!reached(&mut friends, 3, numbers[2], answer).expect("under way").stored);
    assert_eq!(friends.read(9, numbers[8]), Vec::<String>::new());
    // A way out: what was said goes to relays, everybody has it once, and all of it is delivered.
    relays(&mut friends.world, true);
    friends.world.run_ms(60_000);
    // Who was never near has no order between people who did not know of each other's words.
    let mut late = friends.read(9, numbers[8]);
    late.sort();
    assert_eq!(late, ["from Umed", "on the island"]);
    assert!(reached(&mut friends, ALI, ali, seq).is_none_or(|reached| reached.stored));
    friends.world.run_ms(1_500_000);
    for (who, number) in (0..10).zip([ali].iter().chain(&numbers)) {
        let texts = friends.read(who, *number);
        assert_eq!(texts.len(), 2, "{who}: {texts:?}");
        assert_eq!(friends.view(who, *number).under_way, [], "{who}");
        assert_eq!(friends.world.faults(who), 0, "{who}");
    }
}

#[test]
fn a_friend_who_is_not_a_member_carries_what_he_can_not_read_and_the_receipt_back() {
    // In some of these worlds the text comes before the announcement that opens it.
    for seed in 410..416 {
        let (mut friends, ends, [zarina, umed]) = through_a_friend(seed);
        let seq = friends.send(ZARINA, zarina, "carried");
        friends.world.run_ms(1_000);
        assert!(visit(&mut friends.world, &ends, ZARINA, BOB) > 0);
        assert!(status(&mut friends.world, BOB).1 > 0);
        assert_eq!(friends.list(BOB), [], "he has no part in it");
        restart(&mut friends.world, BOB);
        visit(&mut friends.world, &ends, BOB, UMED);
        assert_eq!(friends.read(UMED, umed), ["carried"], "seed {seed}");
        let before = reached(&mut friends, ZARINA, zarina, seq).expect("under way");
        assert_eq!((before.delivered, before.stored), (0, false), "nobody has told");
        // Umed's receipt waits some seconds; then it goes back by the same way.
        friends.world.run_ms(10_000);
        visit(&mut friends.world, &ends, BOB, UMED);
        visit(&mut friends.world, &ends, BOB, ZARINA);
        let after = reached(&mut friends, ZARINA, zarina, seq).expect("Ali does not have it");
        assert_eq!((after.delivered, after.of, after.stored), (1, 2, false), "seed {seed}");
        // It comes to rest: each cell goes to each neighbour once, and again after an hour at most if it was lost.
        let more: usize = (0..4)
            .map(|_| {
                friends.world.run_ms(30_000);
                visit(&mut friends.world, &ends, BOB, UMED) + visit(&mut friends.world, &ends, BOB, ZARINA)
            })
            .sum();
        assert_eq!(more, 0, "seed {seed}");
        // The world is back: Ali gets it by relay, nobody gets it twice.
        friends.world.start(Host::Person(ALI));
        relays(&mut friends.world, true);
        friends.world.run_ms(120_000);
        let ali = friends.list(ALI)[0].group;
        for (who, number) in [(ALI, ali), (ZARINA, zarina), (UMED, umed)] {
            assert_eq!(friends.read(who, number), ["carried"], "seed {seed}");
            assert_eq!(friends.view(who, number).under_way, []);
            assert_eq!(friends.world.faults(who), 0);
        }
        assert_eq!(friends.world.faults(BOB), 0);
    }
}

#[test]
fn what_was_taken_back_or_has_disappeared_is_not_carried_on_by_those_who_could_read_it() {
    let (mut friends, ends) = people(500, 4, &[(ALI, ZARINA), (ALI, UMED), (BOB, ZARINA), (BOB, UMED)]);
    accept(&mut friends.world);
    let ali = friends.create(ALI, "Brigade");
    let [zarina, umed] = [ZARINA, UMED].map(|who| friends.bring(ALI, ali, who));
    friends.send(ZARINA, zarina, "stays");
    friends.world.run_ms(20_000);
    relays(&mut friends.world, false);
    friends.world.crash(Host::Person(ALI));
    let round = |friends: &mut Friends| {
        friends.world.run_ms(10_000);
        visit(&mut friends.world, &ends, ZARINA, BOB);
        visit(&mut friends.world, &ends, BOB, UMED);
        friends.world.run_ms(10_000);
    };
    let before = rows(&friends.world, ZARINA);
    let (id, _) = friends.queue(ZARINA, zarina, "secret");
    friends.world.run_ms(500);
    let secret: Vec<_> = rows(&friends.world, ZARINA).difference(&before).cloned().collect();
    assert_eq!(secret.len(), 1, "its keys were announced before");
    round(&mut friends);
    assert_eq!(friends.read(UMED, umed), ["stays", "secret"]);
    assert!([ZARINA, BOB, UMED].iter().all(|who| rows(&friends.world, *who).contains(&secret[0])));
    let number = friends.world.tell(ZARINA, Command::Delete(id));
    friends.world.run_ms(500);
    assert!(friends.world.people[ZARINA].node.replies.remove(&number).expect("an answer").is_ok());
    assert!(!rows(&friends.world, ZARINA).contains(&secret[0]), "not on the device of who took it back");
    round(&mut friends);
    assert_eq!(friends.read(UMED, umed), ["stays"]);
    // Nor where it was read, also if it is brought again later; Bob never could read it.
    for _ in 0..2 {
        for person in [ZARINA, UMED] {
            assert!(!rows(&friends.world, person).contains(&secret[0]), "{person}");
            restart(&mut friends.world, person);
        }
        assert!(rows(&friends.world, BOB).contains(&secret[0]));
        friends.world.run_ms(4_000_000);
        round(&mut friends);
    }
    // A message that disappears is gone from what its reader carries once it is gone from the screen.
    friends.world.start(Host::Person(ALI));
    relays(&mut friends.world, true);
    friends.world.run_ms(60_000);
    assert!(friends.ask(ALI, GroupCommand::Timer(ali, 300)).is_ok());
    friends.world.run_ms(60_000);
    let before = rows(&friends.world, ZARINA);
    friends.send(ZARINA, zarina, "for five minutes");
    friends.world.run_ms(20_000);
    let soon_gone: Vec<_> = rows(&friends.world, ZARINA).difference(&before).cloned().collect();
    assert_eq!(friends.read(UMED, umed), ["stays", "for five minutes"]);
    let held = |friends: &Friends, who| {
        soon_gone.iter().filter(|row| rows(&friends.world, who).contains(*row)).count()
    };
    assert!(held(&friends, UMED) > 0);
    assert!(friends.ask(UMED, GroupCommand::MarkRead(umed, u64::MAX)).is_ok());
    let all = held(&friends, UMED);
    friends.world.run_ms(310_000);
    assert_eq!(friends.read(UMED, umed), ["stays"]);
    assert_eq!(held(&friends, UMED), all - 1);
    assert_eq!([ALI, BOB, ZARINA, UMED].map(|person| friends.world.faults(person)), [0; 4]);
}

#[test]
fn nothing_travels_where_no_network_was_accepted_or_carrying_is_off_and_all_ends_after_thirty_days() {
    let (mut friends, ends, [zarina, umed]) = through_a_friend(420);
    // Zarina carries nothing, so she offers nothing; what she wrote waits for relays, or for the next time.
    assert!(carry(&mut friends.world, ZARINA, CarryCommand::Switch(false)).is_ok());
    friends.send(ZARINA, zarina, "waits");
    friends.world.run_ms(1_000);
    assert_eq!(visit(&mut friends.world, &ends, ZARINA, BOB), 0);
    assert_eq!(status(&mut friends.world, ZARINA), (false, 0, 0));
    assert!(carry(&mut friends.world, ZARINA, CarryCommand::Switch(true)).is_ok());
    assert!(
        visit(&mut friends.world, &ends, ZARINA, BOB) > 0,
        "what waits for relays is offered all the same"
    );
    // Bob's room is full of what others brought: nothing of it is lost without a word, it just is not carried.
    restart(&mut friends.world, BOB);
    visit(&mut friends.world, &ends, BOB, UMED);
    assert_eq!(friends.read(UMED, umed), ["waits"]);
    // After thirty days nobody carries it any more, nor the copy of who wrote it.
    for person in [BOB, ZARINA, UMED] {
        assert!(status(&mut friends.world, person).1 > 0);
        friends.world.clock_off_ms.insert(person, 31 * 86_400_000);
        assert_eq!(status(&mut friends.world, person).1, 0);
    }
    // What its author wrote is in the outbox until relays have it.
    assert!(lan(&mut friends.world, ZARINA, LanCommand::Forget(None)).is_ok());
    friends.send(ZARINA, zarina, "no network");
    friends.world.run_ms(1_000);
    assert_eq!(status(&mut friends.world, ZARINA).1, 0, "on a device that goes to no Wi-Fi nothing is kept");
    friends.world.start(Host::Person(ALI));
    relays(&mut friends.world, true);
    friends.world.run_ms(120_000);
    assert_eq!(friends.read(UMED, umed), ["waits", "no network"]);
    assert_eq!(friends.view(ZARINA, zarina).under_way, []);
}

#[test]
fn a_device_that_dies_at_any_of_its_batches_loses_and_doubles_nothing_of_a_group() {
    fn once(who: usize, crash: Option<(u64, bool)>) -> u64 {
        let (mut friends, ends, [zarina, umed]) = through_a_friend(430);
        let before = friends.world.batches_of(Host::Person(who));
        friends.world.crash_at = crash.map(|(nth, keep)| (Host::Person(who), before + nth, keep));
        let alive = |world: &mut World| {
            for person in [BOB, ZARINA, UMED] {
                if !world.is_up(Host::Person(person)) {
                    world.start(Host::Person(person));
                    world.run_ms(500);
                    assert!(carry(world, person, CarryCommand::Room(ROOM)).is_ok());
                }
            }
        };
        let mut sent = friends.world.tell(ZARINA, Command::Group(GroupCommand::Send(zarina, "one".into())));
        friends.world.run_ms(1_000);
        if !friends.world.is_up(Host::Person(ZARINA)) {
            alive(&mut friends.world);
            sent = 0;
        }
        // Each step is one command and its answer; whoever dies over one is switched on, and the visit begins anew.
        let mut written = 0;
        for _ in 0..2 {
            for (a, b) in [(ZARINA, BOB), (BOB, UMED), (BOB, UMED), (BOB, ZARINA)] {
                for _ in 0..3 {
                    alive(&mut friends.world);
                    friends.world.run_ms(6_000);
                    alive(&mut friends.world);
                    for (from, to) in [(a, b), (b, a)] {
                        let _ = brave_hand(&mut friends.world, &ends, from, to);
                    }
                }
            }
            if written == 0 {
                written = friends.world.batches_of(Host::Person(who)).saturating_sub(before);
            }
        }
        alive(&mut friends.world);
        let said = friends.read(ZARINA, zarina);
        assert!(said == ["one"] || sent == 0 && said.is_empty(), "{said:?}");
        assert_eq!(friends.read(UMED, umed), said, "{who} {crash:?}");
        if let Some(reached) = reached(&mut friends, ZARINA, zarina, 1) {
            assert_eq!((reached.delivered, reached.stored), (1, false), "{who} {crash:?}");
        }
        assert_eq!([BOB, ZARINA, UMED].map(|person| friends.world.faults(person)), [0; 3], "{who} {crash:?}");
        written
    }
    for who in [ZARINA, UMED] {
        let batches = once(who, None);
        assert!(batches >= 2, "{who}: {batches}");
        for nth in 1..=batches {
            for keep in [false, true] {
                once(who, Some((nth, keep)));
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Say(usize),
    Visit(usize),
    Die(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let member = || prop_oneof![Just(ZARINA), Just(UMED)];
    prop_oneof![
        4 => member().prop_map(Step::Say),
        4 => member().prop_map(Step::Visit),
        1 => prop_oneof![Just(BOB), Just(ZARINA), Just(UMED)].prop_map(Step::Die),
        1 => (0..120_000_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_visits_texts_and_deaths_brings_each_text_to_a_group_once_and_in_its_authors_order(steps in prop::collection::vec(step(), 1..40)) {
        let (mut friends, ends, [zarina, umed]) = through_a_friend(490);
        let group = |who| if who == ZARINA { zarina } else { umed };
        let mut said: [Vec<String>; 4] = Default::default();
        for (n, step) in steps.iter().enumerate() {
            match step {
                Step::Say(who) => {
                    let text = format!("{who}: {n}");
                    friends.send(*who, group(*who), &text);
                    said[*who].push(text);
                }
                Step::Visit(who) => drop(visit(&mut friends.world, &ends, *who, BOB)),
                Step::Die(who) => restart(&mut friends.world, *who),
                Step::Wait(ms) => friends.world.run_ms(*ms),
            }
        }
        for _ in 0..3 {
            friends.world.run_ms(10_000);
            for who in [ZARINA, UMED, ZARINA] {
                visit(&mut friends.world, &ends, who, BOB);
            }
        }
        for reader in [ZARINA, UMED] {
            let texts = friends.read(reader, group(reader));
            for author in [ZARINA, UMED] {
                let theirs: Vec<_> = texts.iter().filter(|text| text.starts_with(&author.to_string())).collect();
                prop_assert_eq!(theirs, said[author].iter().collect::<Vec<_>>());
            }
            // The other one has it; Ali does not, and no relay.
            for (_, reached) in friends.view(reader, group(reader)).under_way {
                prop_assert_eq!((reached.delivered, reached.of, reached.stored), (1, 2, false));
            }
        }
        for who in [BOB, ZARINA, UMED] {
            prop_assert_eq!(friends.world.faults(who), 0);
        }
    }
}
