//! X25519 keys (RFC 7748); a result that the other side alone could choose is refused.

use crate::crypto::kdf::random;
use crate::error::PeerFault;
use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

/// Own X25519 key.
pub struct LocalDhKey(StaticSecret);

impl LocalDhKey {
    /// A fresh key.
    #[must_use]
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::from_bytes(&random(rng))
    }

    /// The key with these 32 secret bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(StaticSecret::from(*bytes))
    }

    /// The secret bytes, for the sealed store.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> RemoteDhKey {
        RemoteDhKey(PublicKey::from(&self.0).to_bytes())
    }

    /// The shared secret with `theirs`.
    ///
    /// # Errors
    /// [`PeerFault::WeakKey`] if `theirs` has low order, so that the result would not depend on this key.
    pub fn agree(&self, theirs: &RemoteDhKey) -> Result<Zeroizing<[u8; 32]>, PeerFault> {
        let shared = self.0.diffie_hellman(&PublicKey::from(theirs.0));
        if shared.was_contributory() {
            Ok(Zeroizing::new(shared.to_bytes()))
        } else {
            Err(PeerFault::WeakKey)
        }
    }
}

/// Somebody's public X25519 key; any 32 bytes, judged when used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteDhKey(pub [u8; 32]);
