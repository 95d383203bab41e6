//! What members who mean ill, or whose device is damaged, can do to a group: bounded, and nobody loses what the others say.
#![allow(clippy::unwrap_used)]

mod world;

use karvon_protocol::core::Space;
use karvon_protocol::crypto::LocalSignKey;
use karvon_protocol::engine::group_api::GroupCommand;
use karvon_protocol::error::PeerFault;
use karvon_protocol::group::log::{Log, Taken};
use karvon_protocol::group::op::{Act, Member, Op, Role};
use karvon_protocol::group::{MEMBERS_MAX, OPS_MAX, OPS_WAITING_MAX};
use karvon_protocol::ids::{Fingerprint, GroupId, OpId};
use world::Host;
use world::friends::{Friends, NAMES};

fn person(number: u16) -> (LocalSignKey, Member) {
    let mut seed = [1; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    let key = LocalSignKey::from_seed(&seed);
    let member = Member {
        key: key.public().0,
        leaf: seed,
        who: Fingerprint([number as u8; 20]),
        name: format!("person {number}"),
    };
    (key, member)
}

fn founded(key: &LocalSignKey, founder: &Member) -> Log {
    let act = Act::Create { founder: founder.clone(), name: "group".into(), salt: [5; 16], shard: 0 };
    let op = Op { group: GroupId([0; 16]), parents: Vec::new(), author: founder.id(), act };
    Log::found(op.sign(key)).unwrap()
}

#[test]
fn a_roster_has_its_bound_and_whoever_is_one_too_many_is_in_no_roster() {
    let (key, founder) = person(0);
    let mut log = founded(&key, &founder);
    for number in 1..=MEMBERS_MAX as u16 {
        let (theirs, member) = person(number);
        let consent = member.consent(log.group(), &theirs);
        let act = Act::Add { member, role: Role::Member, consent };
        let signed = log.next(founder.id(), act).sign(&key);
        assert!(
            matches!(log.take(signed), Ok(Taken::New(_))),
            "kept, and if it is not allowed without effect"
        );
    }
    assert_eq!(log.roster().members().count(), MEMBERS_MAX);
    let (_, last) = person(MEMBERS_MAX as u16);
    assert!(log.roster().member(&last.id()).is_none());
}

#[test]
fn a_member_who_writes_operations_without_end_comes_to_one() {
    let (key, founder) = person(0);
    let mut log = founded(&key, &founder);
    let name = |number: usize| Act::Name(format!("name {number}"));
    // Parents that nobody has, as many as wait; the next one is refused and nothing else changes.
    for number in 0..OPS_WAITING_MAX {
        let mut op = log.next(founder.id(), name(number));
        op.parents = vec![OpId([number as u8; 32])];
        assert_eq!(log.take(op.sign(&key)), Ok(Taken::Waits));
    }
    let mut op = log.next(founder.id(), name(0));
    op.parents = vec![OpId([7; 32]), OpId([8; 32])];
    assert_eq!(log.take(op.sign(&key)), Err(PeerFault::Bound));
    for number in 1..OPS_MAX {
        let signed = log.next(founder.id(), name(number)).sign(&key);
        assert!(log.take(signed).is_ok(), "{number}");
    }
    let signed = log.next(founder.id(), name(0)).sign(&key);
    assert_eq!(log.take(signed), Err(PeerFault::Bound));
    assert_eq!((log.len(), log.roster().name.as_str()), (OPS_MAX, format!("name {}", OPS_MAX - 1).as_str()));
}

/// The key with which a member opens its slot in announcements of seeds becomes another one, as on a damaged disk.
fn spoil_slots(friends: &mut Friends, who: usize) {
    friends.world.crash(Host::Person(who));
    let kv = &mut friends.world.people[who].node.disk.kv;
    let mut spoilt = 0;
    for (_, row) in kv.iter_mut().filter(|(key, _)| key.space == Space::Group) {
        // Fields 5 and 6 of the record: two byte strings of 32.
        let found =
            row.windows(38).position(|part| part[..3] == [5, 0x58, 0x20] && part[35..] == [6, 0x58, 0x20]);
        if let Some(at) = found {
            row[at + 38..at + 70].iter_mut().for_each(|byte| *byte ^= 0x55);
            spoilt += 1;
        }
    }
    assert_eq!(spoilt, 1, "the record has another form than this test knows");
    friends.world.start(Host::Person(who));
}

#[test]
fn a_member_who_can_not_read_the_keys_of_a_group_still_gets_what_is_said() {
    let mut friends = Friends::new(95, 10, false);
    let mut numbers = vec![friends.create(0, "Large")];
    for who in 1..10 {
        let number = friends.bring(0, numbers[0], who);
        numbers.push(number);
    }
    friends.send(3, numbers[3], "before");
    friends.world.run_ms(5_000);
    spoil_slots(&mut friends, 5);
    // New keys are made for those who are left.
    let gone = friends.member(0, numbers[0], NAMES[9]);
    friends.ask(0, GroupCommand::Remove(numbers[0], gone)).unwrap();
    friends.world.run_ms(5_000);
    for (who, text) in [(3, "one"), (0, "two"), (7, "three")] {
        friends.send(who, numbers[who], text);
        friends.world.run_ms(5_000);
    }
    let whole = friends.world.run_until(3_600_000, |world| {
        let rows = &world.people[5].node.disk.kv;
        rows.keys().filter(|key| key.space == Space::GroupLine).count() == 4
    });
    assert!(whole, "{:?}", friends.read(5, numbers[5]));
    let mut read = friends.read(5, numbers[5]);
    read.sort_unstable();
    assert_eq!(read, ["before", "one", "three", "two"]);
    // Only this member is told that messages come late, after a restart as well.
    friends.world.crash(Host::Person(5));
    friends.world.start(Host::Person(5));
    friends.world.run_ms(100);
    let deaf: Vec<_> = (0..9).filter(|who| friends.view(*who, numbers[*who]).info.deaf).collect();
    assert_eq!(deaf, [5]);
}
