//! People, bundles and sessions for the tests, all from fixed seeds.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use karvon_protocol::body::MailboxDescriptor;
use karvon_protocol::bundle::{Bundle, Prekeys};
use karvon_protocol::handshake::{initiate, respond};
use karvon_protocol::identity::LocalIdentity;
use karvon_protocol::ids::{MailboxId, RelayId, Tag};
use karvon_protocol::session::Session;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A person whose account key follows from `number`.
pub fn person(number: u8) -> LocalIdentity {
    LocalIdentity::from_stretched(&[number; 16], &[number; 32], &mut rng(u64::from(number)))
}

pub fn mailboxes() -> MailboxDescriptor {
    MailboxDescriptor {
        seq: 1,
        mailboxes: (1..=3).map(|n| (RelayId([n; 16]), MailboxId([n + 100; 16]))).collect(),
    }
}

pub fn bundle_of(me: &LocalIdentity, seed: u64) -> (Bundle, Prekeys) {
    Bundle::make(me, &mailboxes(), &mut rng(seed)).unwrap()
}

/// Two ends of one session: the one that wrote first, and the one that was invited to.
pub fn pair(seed: u64) -> (Session, Session) {
    let (ali, bob) = (person(1), person(2));
    let (bundle, prekeys) = bundle_of(&bob, seed);
    let (cell, ours) = initiate(&ali, &bundle, Tag([9; 16]), b"salom", &mut rng(seed + 1)).unwrap();
    let (_, theirs, _) = respond(&bob, &prekeys, &cell).unwrap();
    (ours, theirs)
}

/// A copy by way of the stored form.
pub fn copy(session: &Session) -> Session {
    Session::decode(&session.encode()).unwrap()
}
