//! The local network: how contacts on one Wi-Fi find each other without showing anybody else who they are, and what they say then (SPEC §12).
//!
//! [`finder`] makes and reads the datagrams by which they recognise each other, [`session`] is the encrypted stream between two of them,
//! [`message`] what travels in it. What becomes of the cells is the engine's matter ([`crate::engine::lan`]).

pub mod finder;
pub mod message;
pub mod session;

use crate::crypto::kdf::derive;
use crate::crypto::labels::LAN;
use crate::ids::first;
use core::fmt;
use zeroize::Zeroizing;

/// Bytes of a nonce; each device on a network has a fresh one every few minutes.
pub const NONCE_BYTES: usize = 16;

/// A random value that says nothing and is used for a few minutes on one network.
pub type Nonce = [u8; NONCE_BYTES];

/// What two contacts share for a local network: it follows from the secret of the pair, and nothing of it is ever sent.
#[derive(Clone)]
pub struct LanKeys {
    /// What this side writes its marks with, and the other side theirs.
    own: Zeroizing<[u8; 32]>,
    their: Zeroizing<[u8; 32]>,
    /// The secret of sessions.
    psk: Zeroizing<[u8; 32]>,
    initiator: bool,
}

impl fmt::Debug for LanKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LanKeys(..)")
    }
}

impl LanKeys {
    /// The keys of the pair with this secret, as its initiator or its responder has them.
    #[must_use]
    pub fn new(pair: &[u8; 32], initiator: bool) -> Self {
        let out = derive::<96>(&[], pair, LAN);
        let part = |at: usize| Zeroizing::new(first::<32>(out.get(at..).unwrap_or_default()));
        let (own, their) = if initiator { (0, 32) } else { (32, 0) };
        Self { own: part(own), their: part(their), psk: part(64), initiator }
    }

    /// Whether it is this side's turn to begin a session: the other one waits a little.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.initiator
    }
}

/// `kind` keeps marks of different uses apart.
fn mark(key: &[u8; 32], kind: u8, parts: [&[u8]; 2]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&[kind]).update(parts[0]).update(parts[1]);
    first(hasher.finalize().as_bytes())
}
