//! The tunnel: it is standard Noise, it fits the frames, and nothing but the right key opens it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::error::PeerFault;
use karvon_protocol::ids::{MailboxId, RelayId, Tag};
use karvon_protocol::link::{Frame, Kind, PAYLOAD_MAX, SIZES, open_payload};
use karvon_protocol::rpc::{Reply, Request};
use karvon_protocol::tunnel::{Initiator, NOISE, PROLOGUE, Responder, SealFault, Tunnel, onion_public};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use zeroize::Zeroizing;

const RELAY: RelayId = RelayId([7; 16]);

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn secret(byte: u8) -> Zeroizing<[u8; 32]> {
    Zeroizing::new([byte; 32])
}

fn cell(class: Class) -> Cell {
    let mut bytes = vec![9; class.bytes()];
    let outer = Cell::outer(class, &Tag([3; 16]), 0);
    bytes[..outer.len()].copy_from_slice(&outer);
    Cell::parse(bytes).unwrap()
}

fn pair() -> (Tunnel, Tunnel) {
    let (leaf, first) = Initiator::open(RELAY, &onion_public(&secret(1)), b"hello", &mut rng(1)).unwrap();
    let (relay, payload) = Responder::read(RELAY, &[secret(1)], &first, &mut rng(2)).unwrap();
    assert_eq!(payload, b"hello");
    let (relay, second) = relay.write(b"welcome").unwrap();
    let (leaf, payload) = leaf.finish(&second).unwrap();
    assert_eq!(payload, b"welcome");
    (leaf, relay)
}

#[test]
fn both_sides_share_a_hash_and_read_each_other() {
    let (mut leaf, mut relay) = pair();
    assert_eq!(leaf.hash(), relay.hash());
    for message in [&b""[..], b"one", &[5; 60_000]] {
        let sealed = leaf.seal(message).unwrap();
        assert_eq!(relay.open(&sealed).unwrap(), message);
        let sealed = relay.seal(message).unwrap();
        assert_eq!(leaf.open(&sealed).unwrap(), message);
    }
}

#[test]
fn a_deposit_fits_the_frame_of_its_class_inside_open_and_inside_data() {
    for (class, size) in Class::ALL.into_iter().zip(&SIZES[3..]) {
        let deposit = Request::Deposit { mailbox: MailboxId([1; 16]), cell: cell(class) }.encode(u32::MAX);
        let item = Reply::Item { seq: u64::MAX, cell: cell(class) }.encode(0);
        let (_, first) = Initiator::open(RELAY, &onion_public(&secret(1)), &deposit, &mut rng(1)).unwrap();
        let open = Frame::new(Kind::Open, 1, open_payload(RELAY, &first));
        assert_eq!(open.encode().len(), *size, "{class:?} in Open");
        let (mut leaf, mut relay) = pair();
        for sealed in [leaf.seal(&deposit).unwrap(), relay.seal(&item).unwrap()] {
            assert_eq!(Frame::new(Kind::Data, 1, sealed).encode().len(), *size, "{class:?} in Data");
        }
        assert_eq!(*size, class.bytes() + 96);
    }
    let (leaf, first) = Initiator::open(RELAY, &onion_public(&secret(1)), &[], &mut rng(1)).unwrap();
    let (relay, _) = Responder::read(RELAY, &[secret(1)], &first, &mut rng(2)).unwrap();
    let (_, second) = relay.write(&[]).unwrap();
    assert_eq!(Frame::new(Kind::Opened, 1, second.clone()).encode().len(), SIZES[0]);
    assert!(leaf.finish(&second).is_ok());
}

#[test]
fn a_plain_noise_implementation_understands_both_sides() {
    let prologue = [PROLOGUE, &RELAY.0].concat();
    let plain = || snow::Builder::new(NOISE.parse().unwrap()).prologue(&prologue).unwrap();
    let mut out = vec![0; 65_535];
    let mut payload = vec![0; 65_535];

    let mut relay = plain().local_private_key(&[1; 32]).unwrap().build_responder().unwrap();
    let (leaf, first) = Initiator::open(RELAY, &onion_public(&secret(1)), b"first", &mut rng(1)).unwrap();
    let length = relay.read_message(&first, &mut payload).unwrap();
    assert_eq!(&payload[..length], b"first");
    let length = relay.write_message(b"second", &mut out).unwrap();
    let (_, second) = leaf.finish(&out[..length]).unwrap();
    assert_eq!(second, b"second");

    let public = onion_public(&secret(1));
    let mut leaf = plain().remote_public_key(&public).unwrap().build_initiator().unwrap();
    let length = leaf.write_message(b"first", &mut out).unwrap();
    let (relay, first) = Responder::read(RELAY, &[secret(1)], &out[..length], &mut rng(2)).unwrap();
    assert_eq!(first, b"first");
    let (tunnel, second) = relay.write(b"second").unwrap();
    let length = leaf.read_message(&second, &mut payload).unwrap();
    assert_eq!(&payload[..length], b"second");
    assert_eq!(leaf.get_handshake_hash(), tunnel.hash());
}

#[test]
fn the_same_randomness_gives_the_same_bytes_and_other_randomness_others() {
    let open = |seed| Initiator::open(RELAY, &onion_public(&secret(1)), b"x", &mut rng(seed)).unwrap().1;
    assert_eq!(open(4), open(4));
    assert_ne!(open(4), open(5));
    let mut expected = [0; 32];
    rng(4).fill_bytes(&mut expected);
    assert_eq!(
        open(4)[..32],
        onion_public(&expected),
        "the ephemeral key is the one drawn from the caller's generator"
    );
}

#[test]
fn the_older_onion_key_still_opens_and_a_third_does_not() {
    let open = |byte| Initiator::open(RELAY, &onion_public(&secret(byte)), b"x", &mut rng(1)).unwrap().1;
    let keys = [secret(1), secret(2), secret(3)];
    assert!(Responder::read(RELAY, &keys, &open(1), &mut rng(2)).is_ok());
    assert!(Responder::read(RELAY, &keys, &open(2), &mut rng(2)).is_ok());
    assert_eq!(Responder::read(RELAY, &keys, &open(3), &mut rng(2)).err(), Some(PeerFault::Decrypt));
}

#[test]
fn a_handshake_for_one_relay_is_worthless_at_another() {
    let (_, first) = Initiator::open(RELAY, &onion_public(&secret(1)), b"x", &mut rng(1)).unwrap();
    let other = Responder::read(RelayId([8; 16]), &[secret(1)], &first, &mut rng(2));
    assert_eq!(other.err(), Some(PeerFault::Decrypt));
}

#[test]
fn bent_short_or_reordered_messages_do_not_open_and_change_nothing() {
    let (leaf, first) = Initiator::open(RELAY, &onion_public(&secret(1)), b"hello", &mut rng(1)).unwrap();
    for at in 0..first.len() {
        let mut bent = first.clone();
        bent[at] ^= 1;
        assert!(Responder::read(RELAY, &[secret(1)], &bent, &mut rng(2)).is_err(), "byte {at}");
        assert!(Responder::read(RELAY, &[secret(1)], &first[..at], &mut rng(2)).is_err(), "length {at}");
    }
    assert_eq!(leaf.finish(&[0; 20]).err(), Some(PeerFault::Decrypt));

    let (mut leaf, mut relay) = pair();
    let (one, two) = (leaf.seal(b"one").unwrap(), leaf.seal(b"two").unwrap());
    assert_eq!(relay.open(&two), Err(PeerFault::Decrypt));
    assert_eq!(relay.open(&one[..10]), Err(PeerFault::Decrypt));
    assert_eq!(relay.open(&one).unwrap(), b"one");
    assert_eq!(relay.open(&one), Err(PeerFault::Decrypt), "a replay");
    assert_eq!(relay.open(&two).unwrap(), b"two");
}

#[test]
fn weak_keys_and_messages_longer_than_a_frame_are_refused() {
    let weak = Initiator::open(RELAY, &[0; 32], b"x", &mut rng(1));
    assert_eq!(weak.err(), Some(SealFault::Unusable));
    let mut first = vec![0; 64];
    first[0] = 1;
    assert!(Responder::read(RELAY, &[secret(1)], &first, &mut rng(2)).is_err());
    let long = Initiator::open(RELAY, &onion_public(&secret(1)), &vec![0; PAYLOAD_MAX - 63], &mut rng(1));
    assert_eq!(long.err(), Some(SealFault::TooLong));
    let (mut leaf, _) = pair();
    assert_eq!(leaf.seal(&vec![0; PAYLOAD_MAX - 15]), Err(SealFault::TooLong));
    assert!(leaf.seal(&vec![0; PAYLOAD_MAX - 16]).is_ok());
}
