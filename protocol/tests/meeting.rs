//! Two people meet through a bundle, talk, and refuse whatever was bent on the way.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{bundle_of, copy, pair, person, rng};
use karvon_protocol::bundle::{Bundle, Prekeys};
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::error::PeerFault;
use karvon_protocol::handshake::{GREETING_CAPACITY, initiate, respond};
use karvon_protocol::ids::{MessageId, Tag};
use karvon_protocol::ratchet::SealError;
use karvon_protocol::session::capacity;
use karvon_protocol::tags::nth_of_class;

const TAG: Tag = Tag([7; 16]);

#[test]
fn a_greeting_brings_identity_payload_and_a_session_to_the_other_side() {
    let (ali, bob) = (person(1), person(2));
    let (bundle, prekeys) = bundle_of(&bob, 3);
    let bundle = Bundle::verify(bundle.bytes()).unwrap();
    let prekeys = Prekeys::decode(&prekeys.encode()).unwrap();
    let payload = vec![0x5a; GREETING_CAPACITY];
    let (cell, mut ours) = initiate(&ali, &bundle, TAG, &payload, &mut rng(4)).unwrap();
    assert_eq!((cell.class(), cell.tag()), (Class::S, TAG));
    let (who, mut theirs, received) = respond(&bob, &prekeys, &cell).unwrap();
    assert_eq!(who.fingerprint(), ali.fingerprint());
    assert_eq!(*received, payload);

    for round in 0..4 {
        let there = ours.seal(Class::S, round, b"there", &mut rng(10 + round)).unwrap();
        assert_eq!(theirs.open(&there).unwrap().as_slice(), b"there");
        let back = theirs.seal(Class::S, round, b"back", &mut rng(20 + round)).unwrap();
        assert_eq!(ours.open(&back).unwrap().as_slice(), b"back");
        assert_eq!(ours.receive_tags().tag(round), Some(back.tag()));
        (ours, theirs) = (copy(&ours), copy(&theirs));
    }
    assert_eq!(ours.send_tags().tags(0..200), theirs.receive_tags().tags(0..200));
    assert_eq!(theirs.send_tags().tags(0..200), ours.receive_tags().tags(0..200));
    assert_ne!(ours.send_tags().tag(0), theirs.send_tags().tag(0));
    assert!(ours.encode().len() <= 4_096);
}

#[test]
fn every_class_carries_its_capacity_and_not_a_byte_more() {
    let (mut ours, mut theirs) = pair(5);
    for class in Class::ALL {
        let index = nth_of_class(class, 0);
        let longest = vec![1; capacity(class)];
        let cell = ours.seal(class, index, &longest, &mut rng(6)).unwrap();
        assert_eq!(cell.bytes().len(), class.bytes());
        assert_eq!(*theirs.open(&cell).unwrap(), longest);
        let before = ours.encode();
        let longer = vec![1; capacity(class) + 1];
        assert_eq!(ours.seal(class, index, &longer, &mut rng(6)), Err(SealError::TooLong));
        assert_eq!(ours.seal(class, index + 32 * 64 * 4096, b"", &mut rng(6)), Err(SealError::Tag));
        assert_eq!(ours.encode(), before);
    }
    assert_eq!([Class::S, Class::M, Class::L].map(capacity), [1_924, 15_070, 60_126]);
    assert_eq!(ours.seal(Class::M, 0, b"", &mut rng(6)), Err(SealError::Tag));
}

#[test]
fn a_greeting_bent_anywhere_is_refused() {
    let (ali, bob) = (person(1), person(2));
    let (bundle, prekeys) = bundle_of(&bob, 3);
    let (cell, _) = initiate(&ali, &bundle, TAG, b"salom", &mut rng(4)).unwrap();
    // Each try costs a decapsulation: of the ciphertext's 1,088 bytes every eighth is enough.
    for at in (0..50).chain((50..1_138).step_by(8)).chain(1_138..2_048) {
        let mut bent = cell.bytes().to_vec();
        bent[at] ^= 0x80;
        let refused = Cell::parse(bent).map_or(true, |bent| respond(&bob, &prekeys, &bent).is_err());
        assert!(refused, "byte {at}");
    }
}

#[test]
fn a_greeting_for_other_prekeys_or_another_person_is_refused() {
    let (ali, bob, eve) = (person(1), person(2), person(3));
    let (bundle, _) = bundle_of(&bob, 3);
    let (_, others) = bundle_of(&bob, 30);
    let (cell, _) = initiate(&ali, &bundle, TAG, b"salom", &mut rng(4)).unwrap();
    assert_eq!(respond(&bob, &others, &cell).err(), Some(PeerFault::Decrypt));
    let (_, prekeys) = bundle_of(&bob, 3);
    assert_eq!(respond(&eve, &prekeys, &cell).err(), Some(PeerFault::Decrypt));
    assert!(respond(&bob, &prekeys, &cell).is_ok());
    let own = initiate(&bob, &bundle, TAG, b"", &mut rng(4));
    assert_eq!(own.err(), Some(PeerFault::Mismatch));
    let long = initiate(&ali, &bundle, TAG, &[0; GREETING_CAPACITY + 1], &mut rng(4));
    assert_eq!(long.err(), Some(PeerFault::Length));
}

#[test]
fn message_ids_are_the_same_on_both_sides_and_are_found_again() {
    let (conversation, other) = ([5; 32], [8; 32]);
    for seq in [0, 1, 77, u64::MAX] {
        for by_initiator in [true, false] {
            let id = MessageId::of(&conversation, by_initiator, seq);
            assert_ne!(MessageId::of(&conversation, !by_initiator, seq), id);
            assert_eq!(id.find(&conversation), Some((by_initiator, seq)));
            assert_eq!(id.find(&other), None);
        }
    }
}
