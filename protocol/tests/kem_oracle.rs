//! ML-KEM-768 against a second implementation that shares no code with the first (libcrux, parts of it formally verified).
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::rng;
use karvon_protocol::crypto::{LocalKemKey, RemoteKemKey};
use libcrux_ml_kem::mlkem768 as other;
use rand_chacha::rand_core::Rng as _;

#[test]
fn both_implementations_make_the_same_keys_and_understand_one_another() {
    let mut rng = rng(1);
    for round in 0..40 {
        let mut seed = [0; 64];
        rng.fill_bytes(&mut seed);
        let ours = LocalKemKey::from_seed(&seed);
        let theirs = other::generate_key_pair(seed);
        let public = ours.public().to_bytes();
        assert_eq!(public, theirs.public_key().as_slice(), "round {round}");

        let (ciphertext, secret) = ours.public().encapsulate(&mut rng);
        let wire: [u8; 1_088] = ciphertext.clone().try_into().unwrap();
        assert_eq!(other::decapsulate(theirs.private_key(), &wire.into()), *secret);

        let mut randomness = [0; 32];
        rng.fill_bytes(&mut randomness);
        let (ciphertext, secret) = other::encapsulate(theirs.public_key(), randomness);
        assert_eq!(*ours.decapsulate(ciphertext.as_slice()).unwrap(), secret);

        // A bent ciphertext yields another secret, the same one in both.
        let mut bent = *ciphertext.as_slice();
        bent[rng.next_u32() as usize % bent.len()] ^= 1 << (rng.next_u32() % 8);
        let rejected = *ours.decapsulate(&bent).unwrap();
        assert_ne!(rejected, secret);
        assert_eq!(other::decapsulate(theirs.private_key(), &bent.into()), rejected);
    }
}

#[test]
fn both_implementations_refuse_the_same_keys() {
    let mut rng = rng(2);
    let mut refused = 0;
    for _ in 0..300 {
        let mut public: [u8; 1_184] = LocalKemKey::generate(&mut rng).public().to_bytes().try_into().unwrap();
        for _ in 0..1 + rng.next_u32() % 3 {
            // Coefficients have twelve bits; those of 3,329 and more are refused.
            let at = rng.next_u32() as usize % 1_152;
            public[at] |= rng.next_u32() as u8;
        }
        let accepted = RemoteKemKey::parse(&public).is_ok();
        assert_eq!(accepted, other::validate_public_key(&public.into()));
        refused += u32::from(!accepted);
    }
    assert!((20..280).contains(&refused), "{refused} of 300 refused");
}
