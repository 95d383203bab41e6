//! What a dishonest peer may try inside its own ratchet, and the ends of its counters.

use super::message::{HEADER_BYTES, seal_body};
use super::*;
use crate::crypto::aead::{seal, xseal};
use crate::crypto::kdf::derive;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

const OUTER: [u8; OUTER_BYTES] = [0; OUTER_BYTES];
const SALT: [u8; SALT_BYTES] = [7; SALT_BYTES];
const ROOM: usize = 300;

fn pair() -> (Ratchet, Ratchet) {
    let own = LocalDhKey::from_bytes(&[1; 32]);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let ours = Ratchet::initiator(&[2; 32], &[3; 32], &own.public(), &[4; 32], &[5; 32], &mut rng);
    (ours.unwrap(), Ratchet::responder(&[2; 32], &[3; 32], &own, &[4; 32], &[5; 32]))
}

/// The next message of `from`, with a header and a plain body of the test's choosing.
fn dishonest(from: &Ratchet, header: impl Fn(&mut [u8; 48]), body: &[u8]) -> Vec<u8> {
    let chain = from.send.as_ref().unwrap();
    let mut plain = [0; 48];
    plain[..32].copy_from_slice(&LocalDhKey::from_bytes(&from.own).public().0);
    plain[36..40].copy_from_slice(&from.sent.to_be_bytes());
    header(&mut plain);
    let sealed_header = xseal(&chain.header, &SALT, &OUTER, &plain);
    let out = derive::<44>(&SALT, &chain_step(&chain.key).0[..], "karvon/1 dr msg");
    let key = out[..32].try_into().unwrap();
    let nonce = out[32..].try_into().unwrap();
    let sealed = seal(key, nonce, &[&[2; 32][..], &sealed_header].concat(), body);
    [&SALT[..], &sealed_header, &sealed].concat()
}

#[test]
fn a_peer_that_breaks_the_format_is_refused_and_changes_nothing() {
    let (mut ours, mut theirs) = pair();
    let fair = dishonest(&ours, |_| (), &[0, 1, b'x', 0, 0]);
    assert_eq!(theirs.clone().open(&OUTER, &fair).unwrap().as_slice(), b"x");

    let before = theirs.encode();
    let nothing = |_: &mut [u8; 48]| ();
    for (header, body, fault) in [
        (&nothing as &dyn Fn(&mut [u8; 48]), &[0, 1, b'x', 0, 1][..], PeerFault::Padding),
        (&nothing, &[0, 4, b'x', 0, 0], PeerFault::Length),
        (&nothing, &[0], PeerFault::Length),
        // An epoch that nobody has.
        (&|plain| plain[43] = 1, &[0, 0], PeerFault::Bound),
        // A piece that is cut off, and one with something behind it.
        (&nothing, &[0, 0, 1, 0, 0], PeerFault::Length),
        // The neutral point as ratchet key.
        (&|plain| plain[..32].fill(0), &[0, 0], PeerFault::WeakKey),
        (&|plain| plain[36..40].fill(0xff), &[0, 0], PeerFault::Bound),
    ] {
        assert_eq!(theirs.open(&OUTER, &dishonest(&ours, header, body)), Err(fault));
        assert_eq!(theirs.encode(), before);
    }

    // Once the chain runs, its ratchet key stands.
    let first = ours.seal(&OUTER, b"", ROOM, &mut ChaCha20Rng::seed_from_u64(2)).unwrap();
    theirs.open(&OUTER, &first).unwrap();
    let other_key = dishonest(&ours, |plain| plain[0] ^= 1, &[0, 0]);
    assert_eq!(theirs.open(&OUTER, &other_key), Err(PeerFault::Malformed));
    // A chain can not have been shorter than what came in of it.
    let back = theirs.seal(&OUTER, b"", ROOM, &mut ChaCha20Rng::seed_from_u64(3)).unwrap();
    ours.open(&OUTER, &back).unwrap();
    ours.begin_chain(&mut ChaCha20Rng::seed_from_u64(4)).unwrap();
    let shorter = dishonest(&ours, nothing, &[0, 0]);
    assert_eq!(theirs.open(&OUTER, &shorter), Err(PeerFault::Malformed));
}

#[test]
fn what_was_prepared_serves_one_chain_and_only_with_the_key_it_was_made_for() {
    let (mut ours, mut theirs) = pair();
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    theirs.open(&OUTER, &ours.seal(&OUTER, b"", ROOM, &mut rng).unwrap()).unwrap();
    theirs.prepare(&mut rng);
    let prepared = theirs.ready.as_ref().unwrap().public;
    theirs.prepare(&mut rng);
    assert_eq!(theirs.ready.as_ref().unwrap().public, prepared, "made once");
    let stored = Ratchet::decode(&theirs.encode()).unwrap();
    assert!(stored.ready.is_none(), "never stored");
    let back = theirs.seal(&OUTER, b"back", ROOM, &mut rng).unwrap();
    assert_eq!(theirs.own_public, prepared);
    assert!(theirs.ready.is_none());
    assert_eq!(ours.open(&OUTER, &back).unwrap().as_slice(), b"back");

    // Another key comes in before the prepared one was used.
    ours.prepare(&mut rng);
    let old = ours.ready.as_ref().unwrap().public;
    ours.theirs = Some(LocalDhKey::from_bytes(&[9; 32]).public());
    ours.begin_chain(&mut rng).unwrap();
    assert_ne!(ours.own_public, old);
}

#[test]
fn a_chain_at_its_end_seals_no_more_and_changes_nothing() {
    let (mut ours, _) = pair();
    ours.sent = u32::MAX;
    let before = ours.encode();
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    assert_eq!(ours.seal(&OUTER, b"", ROOM, &mut rng), Err(SealError::Exhausted));
    assert_eq!(ours.seal(&OUTER, &[0; ROOM], ROOM, &mut rng), Err(SealError::TooLong));
    assert_eq!(ours.encode(), before);
}

#[test]
fn a_body_fills_its_room_to_the_byte() {
    for length in [0, 1, ROOM - OVERHEAD_BYTES] {
        let payload = vec![1; length];
        let key = Zeroizing::new([1; 32]);
        let body = seal_body(&key, &SALT, &[2; 32], &[3; HEADER_BYTES], &payload, &[], ROOM);
        assert_eq!(SALT_BYTES + HEADER_BYTES + body.len(), ROOM);
    }
}
