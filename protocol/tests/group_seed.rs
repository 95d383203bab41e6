//! Seeds of groups: who can read what, in any order of arrival.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::crypto::{LocalDhKey, LocalSignKey};
use karvon_protocol::error::PeerFault;
use karvon_protocol::group::log::Log;
use karvon_protocol::group::op::{Act, Member, Op, Role};
use karvon_protocol::group::seed::{Announced, Call, Seed, capacity, detects, hint};
use karvon_protocol::ids::{Fingerprint, GroupId};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

struct Person {
    key: LocalSignKey,
    leaf: LocalDhKey,
    member: Member,
}

fn person(n: u8) -> Person {
    let (key, leaf) = (LocalSignKey::from_seed(&[n + 1; 32]), LocalDhKey::from_bytes(&[n + 101; 32]));
    let member = Member {
        key: key.public().0,
        leaf: leaf.public().0,
        who: Fingerprint([n; 20]),
        name: format!("person {n}"),
    };
    Person { key, leaf, member }
}

fn group_of(people: &[Person]) -> Log {
    let act = Act::Create { founder: people[0].member.clone(), name: "g".into(), salt: [5; 16], shard: 3 };
    let op = Op { group: GroupId([0; 16]), parents: Vec::new(), author: people[0].member.id(), act };
    let mut log = Log::found(op.sign(&people[0].key)).unwrap();
    people.iter().skip(1).for_each(|person| add(&mut log, &people[0], person));
    log
}

fn add(log: &mut Log, by: &Person, whom: &Person) {
    let consent = whom.member.consent(log.group(), &whom.key);
    let act = Act::Add { member: whom.member.clone(), role: Role::Member, consent };
    let signed = log.next(by.member.id(), act).sign(&by.key);
    log.take(signed).unwrap();
}

fn read(signed: &[u8], log: &Log, who: &Person) -> Result<Announced, PeerFault> {
    Seed::read(signed, log, who.member.id(), &who.leaf)
}

fn held(signed: &[u8], log: &Log, who: &Person) -> Seed {
    match read(signed, log, who).unwrap() {
        Announced::Seed(seed) => seed,
        other => panic!("{other:?}"),
    }
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(7)
}

#[test]
fn every_member_reads_every_author_in_any_order_and_each_cell_once() {
    let people: Vec<_> = (0..4).map(person).collect();
    let log = group_of(&people);
    let (mut ours, signed) = Seed::issue(&log, people[0].member.id(), &people[0].key, &mut rng()).unwrap();
    let mut theirs = held(&signed, &log, &people[2]);
    let mut cells: Vec<Cell> =
        (0..20_u8).map(|n| ours.seal(3, people[0].member.id(), &[n; 100], &mut rng()).unwrap()).collect();
    assert!(cells.iter().all(|cell| cell.class() == Class::S && detects(theirs.detect(), 3, &cell.tag())));
    cells.rotate_left(7);
    cells.reverse();
    for cell in &cells {
        // The state survives the store between any two cells.
        theirs = Seed::decode(&theirs.encode()).unwrap();
        let (author, payload) = theirs.open(cell).unwrap();
        assert_eq!((author, payload.len()), (people[0].member.id(), 100));
        assert_eq!(theirs.open(cell).unwrap_err(), PeerFault::Replay);
    }
    let answer = theirs.seal(3, people[2].member.id(), b"answer", &mut rng()).unwrap();
    assert_eq!(&*ours.open(&answer).unwrap().1, b"answer");
}

#[test]
fn two_thousand_cells_of_an_author_may_be_passed_over_and_not_one_more() {
    let people: Vec<_> = (0..2).map(person).collect();
    let log = group_of(&people);
    let (mut ours, signed) = Seed::issue(&log, people[0].member.id(), &people[0].key, &mut rng()).unwrap();
    let mut theirs = held(&signed, &log, &people[1]);
    let cells: Vec<Cell> =
        (0..=4_000).map(|_| ours.seal(3, people[0].member.id(), b"x", &mut rng()).unwrap()).collect();
    assert_eq!(theirs.open(&cells[2_001]).unwrap_err(), PeerFault::Bound);
    assert!(theirs.open(&cells[2_000]).is_ok());
    assert!(theirs.open(&cells[0]).is_ok(), "all that were passed over are kept");
    // 1 to 1,999 and 2,001 to 3,999 would be too many: the oldest are given up.
    assert!(theirs.open(&cells[4_000]).is_ok());
    assert_eq!(theirs.open(&cells[1_998]).unwrap_err(), PeerFault::Replay);
    for kept in [1_999, 2_001, 3_999] {
        assert!(theirs.open(&cells[kept]).is_ok(), "{kept}");
    }
}

#[test]
fn whoever_was_removed_can_not_open_a_later_cell_with_all_that_they_hold() {
    let people: Vec<_> = (0..4).map(person).collect();
    let mut log = group_of(&people);
    let mut before = log.clone();
    let (_, first) = Seed::issue(&log, people[0].member.id(), &people[0].key, &mut rng()).unwrap();
    let mut old = held(&first, &before, &people[1]);
    let act = Act::Remove { member: people[1].member.id(), upto: 0 };
    let signed = log.next(people[0].member.id(), act).sign(&people[0].key);
    log.take(signed.clone()).unwrap();
    let (mut new, second) = Seed::issue(&log, people[0].member.id(), &people[0].key, &mut rng()).unwrap();
    let cell = new.seal(3, people[0].member.id(), b"later", &mut rng()).unwrap();
    // They know the log, the call key, their leaf key and the old seed.
    before.take(signed).unwrap();
    assert!(matches!(read(&second, &before, &people[1]).unwrap(), Announced::NotForMe));
    assert!(!detects(old.detect(), 3, &cell.tag()));
    assert_eq!(old.open(&cell).unwrap_err(), PeerFault::Decrypt);
    // Not even by taking somebody else's place in the announcement.
    let posing = Seed::read(&second, &before, people[2].member.id(), &people[1].leaf);
    assert_eq!(posing.unwrap_err(), PeerFault::Decrypt);
    assert_eq!(&*held(&second, &log, &people[2]).open(&cell).unwrap().1, b"later");
}

#[test]
fn whoever_joins_can_not_open_an_earlier_cell() {
    let people: Vec<_> = (0..4).map(person).collect();
    let mut log = group_of(&people[..3]);
    let (mut old, first) = Seed::issue(&log, people[0].member.id(), &people[0].key, &mut rng()).unwrap();
    let cell = old.seal(3, people[0].member.id(), b"earlier", &mut rng()).unwrap();
    add(&mut log, &people[0], &people[3]);
    assert!(!old.is_for(log.roster().members().map(|(id, _)| id)), "the next message needs a new seed");
    let (_, second) = Seed::issue(&log, people[0].member.id(), &people[0].key, &mut rng()).unwrap();
    assert!(matches!(read(&first, &log, &people[3]).unwrap(), Announced::NotForMe));
    let mut new = held(&second, &log, &people[3]);
    assert_eq!(new.open(&cell).unwrap_err(), PeerFault::Decrypt);
}

#[test]
fn announcements_are_found_by_all_members_and_forged_ones_refused() {
    let people: Vec<_> = (0..100).map(person).collect();
    let log = group_of(&people);
    let (_, signed) = Seed::issue(&log, people[0].member.id(), &people[0].key, &mut rng()).unwrap();
    let call = Call::of(&log);
    let cell = call.seal(3, &signed, &mut rng()).unwrap();
    assert_eq!(cell.class(), Class::M, "a hundred slots fit one cell of 16 KiB");
    assert!(detects(&call.detect, 3, &cell.tag()) && !detects(&call.detect, 4, &cell.tag()));
    assert_eq!(*call.open(&cell).unwrap(), signed);
    let mut bent = signed.clone();
    *bent.last_mut().unwrap() ^= 1;
    assert!(read(&bent, &log, &people[5]).is_err());
    // An author who knows operations that this device does not: it waits.
    let mut ahead = log.clone();
    let act = Act::Name("new".into());
    let op = ahead.next(people[0].member.id(), act).sign(&people[0].key);
    ahead.take(op).unwrap();
    let (_, later) = Seed::issue(&ahead, people[0].member.id(), &people[0].key, &mut rng()).unwrap();
    assert!(matches!(read(&later, &log, &people[5]).unwrap(), Announced::Waits));
}

#[test]
fn cells_of_one_group_share_no_bytes_outside() {
    let people: Vec<_> = (0..3).map(person).collect();
    let log = group_of(&people);
    let mut rng = rng();
    let (mut seed, _) = Seed::issue(&log, people[0].member.id(), &people[0].key, &mut rng).unwrap();
    let cells: Vec<_> =
        (0..50).map(|_| seed.seal(3, people[0].member.id(), b"same", &mut rng).unwrap()).collect();
    // Any eight bytes that two cells share would tie them together; the first byte and the time-to-live are constant.
    let mut seen = std::collections::BTreeSet::new();
    for cell in &cells {
        let own: std::collections::BTreeSet<_> = cell.bytes().windows(8).map(<[u8]>::to_vec).collect();
        assert!(own.iter().all(|window| !seen.contains(window)));
        seen.extend(own);
    }
    assert_ne!(hint(&[1; 32], 1, [0; 8]), hint(&[1; 32], 2, [0; 8]));
    assert_eq!(capacity(Class::S), 1_940);
}
