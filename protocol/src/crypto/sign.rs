//! Ed25519 keys (RFC 8032); verification is strict: no small-order keys, no second form of a signature.

use crate::crypto::kdf::random;
use crate::error::PeerFault;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Length of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// Own signing key.
pub struct LocalSignKey(SigningKey);

impl LocalSignKey {
    /// A fresh key.
    #[must_use]
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::from_seed(&random(rng))
    }

    /// The key with this seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The seed, for the sealed store.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> RemoteSignKey {
        RemoteSignKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `label | message`.
    #[must_use]
    pub fn sign(&self, label: &str, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.0.sign(&[label.as_bytes(), message].concat()).to_bytes()
    }
}

/// Somebody's public signing key; any 32 bytes, judged when used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteSignKey(pub [u8; 32]);

impl RemoteSignKey {
    /// Accepts `signature` over `label | message` only if this key made it.
    ///
    /// # Errors
    /// [`PeerFault::WeakKey`] for a key that is none, [`PeerFault::Signature`].
    pub fn verify(
        &self,
        label: &str,
        message: &[u8],
        signature: &[u8; SIGNATURE_BYTES],
    ) -> Result<(), PeerFault> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| PeerFault::WeakKey)?;
        key.verify_strict(&[label.as_bytes(), message].concat(), &Signature::from_bytes(signature))
            .map_err(|_| PeerFault::Signature)
    }
}
