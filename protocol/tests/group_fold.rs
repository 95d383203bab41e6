//! The membership log under every order and division: same knowledge gives the same roster, whatever came first.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use karvon_protocol::crypto::LocalSignKey;
use karvon_protocol::error::PeerFault;
use karvon_protocol::group::fold::Roster;
use karvon_protocol::group::log::{Log, Taken};
use karvon_protocol::group::op::{Act, Member, Op, Role, SignedOp};
use karvon_protocol::group::post::{Post, SEQ_MAX};
use karvon_protocol::ids::{Fingerprint, GroupId, MemberId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// Somebody with a key; keys repeat over the rounds, because making them is what takes the time.
struct Person {
    key: LocalSignKey,
    member: Member,
}

fn people(count: u8) -> Vec<Person> {
    (0..count)
        .map(|n| {
            let key = LocalSignKey::from_seed(&[n + 1; 32]);
            let member = Member {
                key: key.public().0,
                leaf: [n; 32],
                who: Fingerprint([n; 20]),
                name: format!("person {n}"),
            };
            Person { key, member }
        })
        .collect()
}

fn create(founder: &Person, salt: u8) -> SignedOp {
    let act =
        Act::Create { founder: founder.member.clone(), name: "group".into(), salt: [salt; 16], shard: 0 };
    let op = Op { group: GroupId([0; 16]), parents: Vec::new(), author: founder.member.id(), act };
    op.sign(&founder.key)
}

/// A random act, allowed or not.
fn act(rng: &mut ChaCha8Rng, people: &[Person], group: GroupId) -> Act {
    let whom = &people[rng.next_u32() as usize % people.len()];
    let role = [Role::Member, Role::Admin, Role::Owner][rng.next_u32() as usize % 3];
    match rng.next_u32() % 10 {
        0..=3 => {
            Act::Add { member: whom.member.clone(), role, consent: whom.member.consent(group, &whom.key) }
        }
        4..=6 => Act::Remove { member: whom.member.id(), upto: u64::from(rng.next_u32() % 5) },
        7 => Act::Role { member: whom.member.id(), role },
        8 => Act::Leave { upto: u64::from(rng.next_u32() % 5) },
        _ => Act::Name(format!("name {}", rng.next_u32() % 100)),
    }
}

fn merge(from: &Log, to: &mut Log) {
    let ops: Vec<_> = from.all().cloned().collect();
    for op in ops {
        to.take(op).unwrap();
    }
}

/// What must hold of any roster.
fn check(roster: &Roster) {
    for (id, seat) in &roster.seats {
        assert_eq!(*id, seat.member.id());
        assert_eq!(roster.counts(id, 1_000), seat.is_in(), "whoever left has a last message");
    }
    assert!(!roster.name.is_empty());
}

/// Devices that each see a part of what the others do, and exchange it by chance; all see the same in the end.
fn interleave(seed: u64, people: &[Person], founding: &SignedOp, ops: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let group = founding.group();
    let mut logs: Vec<_> = (0..3).map(|_| Log::found(founding.clone()).unwrap()).collect();
    for _ in 0..ops {
        let at = rng.next_u32() as usize % logs.len();
        let author = &people[rng.next_u32() as usize % people.len()];
        if logs[at].key_of(&author.member.id()).is_some() {
            let act = act(&mut rng, people, group);
            let signed = logs[at].next(author.member.id(), act).sign(&author.key);
            logs[at].take(signed).unwrap();
        }
        if rng.next_u32().is_multiple_of(3) {
            let (from, to) = (rng.next_u32() as usize % 3, rng.next_u32() as usize % 3);
            let other = logs[from].clone();
            merge(&other, &mut logs[to]);
        }
    }
    let all: Vec<_> = logs.clone();
    for log in &mut logs {
        all.iter().for_each(|other| merge(other, log));
    }
    // A newcomer gets everything in a random order.
    let mut ops: Vec<_> = logs[0].all().skip(1).cloned().collect();
    let mut late = Log::found(founding.clone()).unwrap();
    while !ops.is_empty() {
        let at = rng.next_u32() as usize % ops.len();
        late.take(ops.swap_remove(at)).unwrap();
    }
    for log in logs.iter().chain([&late]) {
        assert_eq!(log.len(), logs[0].len(), "seed {seed}");
        assert_eq!(log.roster(), logs[0].roster(), "seed {seed}");
        assert_eq!(log.heads(), logs[0].heads(), "seed {seed}");
        assert!(log.missing().is_empty());
        check(log.roster());
        for id in log.roster().seats.keys() {
            for seq in 0..6 {
                let same = logs[0].roster().counts(id, seq);
                assert_eq!(log.roster().counts(id, seq), same, "seed {seed}: readable messages");
            }
        }
    }
}

#[test]
fn random_interleavings_with_partitions_give_everybody_the_same_roster() {
    // `just fire-groups` runs 100,000.
    let rounds = std::env::var("KARVON_FIRE").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let people = people(5);
    let founding = create(&people[0], 1);
    for seed in 0..rounds {
        interleave(seed, &people, &founding, 12);
    }
}

/// A group with owner 0, admins 1 and 2, member 3; person 4 is outside.
fn crew(people: &[Person]) -> Log {
    let mut log = Log::found(create(&people[0], 2)).unwrap();
    let group = log.group();
    for (n, role) in [(1, Role::Admin), (2, Role::Admin), (3, Role::Member)] {
        let whom = &people[n];
        let act =
            Act::Add { member: whom.member.clone(), role, consent: whom.member.consent(group, &whom.key) };
        take(&mut log, &people[0], act);
    }
    log
}

fn take(log: &mut Log, author: &Person, act: Act) -> SignedOp {
    let signed = log.next(author.member.id(), act).sign(&author.key);
    assert!(matches!(log.take(signed.clone()), Ok(Taken::New(_))));
    signed
}

fn is_in(log: &Log, person: &Person) -> bool {
    log.roster().member(&person.member.id()).is_some()
}

fn remove(person: &Person) -> Act {
    Act::Remove { member: person.member.id(), upto: 0 }
}

#[test]
fn what_a_removed_admin_does_at_the_same_time_counts_for_nothing() {
    let people = people(5);
    let mut here = crew(&people);
    let mut there = here.clone();
    take(&mut here, &people[1], remove(&people[2]));
    let group = there.group();
    let newcomer = &people[4];
    let consent = newcomer.member.consent(group, &newcomer.key);
    take(&mut there, &people[2], Act::Add { member: newcomer.member.clone(), role: Role::Member, consent });
    take(&mut there, &people[2], Act::Name("mine".into()));
    let late = take(&mut there, newcomer, Act::Leave { upto: 3 });
    assert!(there.has(&late.id()));
    merge(&there.clone(), &mut here);
    merge(&here.clone(), &mut there);
    assert_eq!(here.roster(), there.roster());
    assert!(!is_in(&here, &people[2]) && !here.roster().seats.contains_key(&newcomer.member.id()));
    assert_eq!(here.roster().name, "group");
}

#[test]
fn admins_who_remove_each_other_are_both_out_and_an_owner_wins() {
    let people = people(5);
    for (a, b, a_stays) in [(1, 2, false), (0, 1, true)] {
        let mut here = crew(&people);
        if a == 0 {
            // An admin can not remove an owner at all; what they remove at the same time is another admin.
            let mut there = here.clone();
            take(&mut here, &people[0], remove(&people[1]));
            take(&mut there, &people[1], remove(&people[2]));
            merge(&there, &mut here);
            assert!(is_in(&here, &people[0]) && is_in(&here, &people[2]) && !is_in(&here, &people[1]));
            continue;
        }
        let mut there = here.clone();
        take(&mut here, &people[a], remove(&people[b]));
        take(&mut there, &people[b], remove(&people[a]));
        merge(&there, &mut here);
        assert_eq!((is_in(&here, &people[a]), is_in(&here, &people[b])), (a_stays, false));
    }
}

#[test]
fn forged_foreign_and_unauthorised_operations_change_nothing() {
    let people = people(5);
    let mut log = crew(&people);
    let before = log.roster().clone();
    // A member may not remove; somebody outside may not say anything; a role is not one's own to raise.
    take(&mut log, &people[3], remove(&people[1]));
    take(&mut log, &people[3], Act::Role { member: people[3].member.id(), role: Role::Owner });
    assert_eq!(*log.roster(), before);
    let outside = log.next(people[4].member.id(), remove(&people[1])).sign(&people[4].key);
    assert!(log.take(outside).is_err());
    // Signed by another key than the author's.
    let forged = log.next(people[0].member.id(), remove(&people[1])).sign(&people[3].key);
    assert!(log.take(forged).is_err());
    // Nobody is taken in against their will.
    let stolen = &people[4].member;
    let act = Act::Add { member: stolen.clone(), role: Role::Member, consent: [7; 64] };
    let forced = log.next(people[0].member.id(), act).sign(&people[0].key);
    assert!(log.take(forced).is_err());
    // Of another group, and with a flipped bit.
    let other = create(&people[0], 9);
    assert!(log.take(other).is_err());
    let good = log.next(people[0].member.id(), Act::Name("x".into())).sign(&people[0].key);
    for at in 0..good.bytes().len() {
        let mut bytes = good.bytes().to_vec();
        bytes[at] ^= 1;
        let refused = SignedOp::decode(&bytes).is_err_and(|_| true)
            || SignedOp::decode(&bytes).is_ok_and(|op| {
                let taken = log.clone().take(op);
                taken.is_err() || taken == Ok(Taken::Waits)
            });
        assert!(refused, "byte {at}");
    }
    assert_eq!(*log.roster(), before);
}

/// All ways in which up to `depth` operations of a small set can be made by two devices that merge or not.
fn explore(people: &[Person], logs: [Log; 2], depth: usize, count: &mut u64) {
    let mut merged = logs.clone();
    let (first, second) = merged.split_at_mut(1);
    merge(&logs[1], &mut first[0]);
    merge(&logs[0], &mut second[0]);
    assert_eq!(first[0].roster(), second[0].roster());
    check(first[0].roster());
    *count += 1;
    if depth == 0 {
        return;
    }
    let acts = |log: &Log| {
        vec![
            (1, remove(&people[2])),
            (2, remove(&people[1])),
            (0, remove(&people[1])),
            (0, Act::Role { member: people[2].member.id(), role: Role::Member }),
            (2, Act::Name("b".into())),
        ]
        .into_iter()
        .map(|(author, act)| log.next(people[author].member.id(), act).sign(&people[author].key))
        .collect::<Vec<_>>()
    };
    for at in 0..2 {
        for signed in acts(&logs[at]) {
            let mut next = logs.clone();
            next[at].take(signed).unwrap();
            explore(people, next, depth - 1, count);
        }
    }
    if logs[0].len() != logs[1].len() || logs[0].heads() != logs[1].heads() {
        explore(people, merged, depth - 1, count);
    }
}

#[test]
fn every_way_to_make_few_operations_on_two_devices_ends_alike() {
    let people = people(5);
    let log = crew(&people);
    let depth = if std::env::var_os("KARVON_FIRE").is_some() { 5 } else { 2 };
    let mut count = 0;
    explore(&people, [log.clone(), log], depth, &mut count);
    assert!(count > 100, "{count}");
}

#[test]
fn operations_may_come_before_their_parents_but_not_without_bound() {
    let people = people(5);
    let mut log = crew(&people);
    let early = log.clone();
    let first = take(&mut log, &people[0], Act::Name("one".into()));
    let second = take(&mut log, &people[0], Act::Name("two".into()));
    let mut late = early.clone();
    assert_eq!(late.take(second.clone()), Ok(Taken::Waits));
    assert_eq!(late.missing(), [first.id()]);
    assert_eq!(late.take(second), Ok(Taken::Known));
    assert!(matches!(late.take(first), Ok(Taken::New(new)) if new.len() == 2));
    assert_eq!(late.roster(), log.roster());
    assert_eq!(MemberId::of(&people[0].member.key), people[0].member.id());
}

#[test]
fn a_view_knows_whoever_was_taken_in_by_then_and_nobody_later() {
    let people = people(5);
    let mut log = Log::found(create(&people[0], 2)).unwrap();
    let group = log.group();
    let mut views = vec![log.heads()];
    for whom in &people[1..4] {
        let consent = whom.member.consent(group, &whom.key);
        take(&mut log, &people[0], Act::Add { member: whom.member.clone(), role: Role::Member, consent });
        views.push(log.heads());
    }
    for (at, view) in views.iter().enumerate() {
        for (number, person) in people.iter().enumerate() {
            assert_eq!(log.knows(view, &person.member.id()), number <= at, "view {at}, person {number}");
        }
    }
    assert!(!log.knows(&[], &people[0].member.id()), "nothing seen, nobody known");
    // Two who were taken in at the same time: each view knows its own.
    let (mut here, mut there) =
        (Log::found(create(&people[0], 2)).unwrap(), Log::found(create(&people[0], 2)).unwrap());
    for (log, whom) in [(&mut here, &people[1]), (&mut there, &people[2])] {
        let consent = whom.member.consent(group, &whom.key);
        take(log, &people[0], Act::Add { member: whom.member.clone(), role: Role::Member, consent });
    }
    let (one, other) = (here.heads(), there.heads());
    merge(&there, &mut here);
    let knows = |view: &[_]| [1, 2].map(|number: usize| here.knows(view, &people[number].member.id()));
    assert_eq!((knows(&one), knows(&other)), ([true, false], [false, true]));
    assert_eq!(knows(&[one, other].concat()), [true, true]);
}

#[test]
fn numbers_of_messages_have_a_highest_one_and_begin_with_one() {
    let person = &people(1)[0];
    let read = |seq, base| {
        let (group, author) = (GroupId([1; 16]), person.member.id());
        let post = Post { group, author, seq, base, view: Vec::new(), body: vec![1] };
        Post::read(&post.sign(&person.key)).map(|read| assert_eq!(read, post))
    };
    for (seq, base) in [(1, 1), (2, 1), (2, 2), (SEQ_MAX, 1), (SEQ_MAX, SEQ_MAX)] {
        assert_eq!(read(seq, base), Ok(()), "{seq} from {base}");
    }
    for (seq, base) in [(0, 0), (1, 0), (0, 1), (1, 2), (SEQ_MAX + 1, 1)] {
        assert_eq!(read(seq, base), Err(PeerFault::Bound), "{seq} from {base}");
    }
}
