//! ML-KEM-768 keys (FIPS 203), the post-quantum half of the hybrid; the implementation is unaudited, so it never stands alone.

use crate::crypto::kdf::random;
use crate::error::PeerFault;
use core::fmt;
use ml_kem::kem::{Decapsulate as _, Encapsulate as _, KeyExport as _};
use ml_kem::{DecapsulationKey768, EncapsulationKey768, Seed};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Length of an encapsulation key.
pub const KEM_KEY_BYTES: usize = 1_184;
/// Length of a ciphertext.
pub const KEM_CIPHERTEXT_BYTES: usize = 1_088;

/// Own decapsulation key, kept as its 64-byte seed.
pub struct LocalKemKey(Zeroizing<[u8; 64]>);

impl LocalKemKey {
    /// A fresh key.
    #[must_use]
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(random(rng))
    }

    /// The key with this seed (`d | z` of FIPS 203).
    #[must_use]
    pub fn from_seed(seed: &[u8; 64]) -> Self {
        Self(Zeroizing::new(*seed))
    }

    /// The seed, for the sealed store.
    #[must_use]
    pub fn seed(&self) -> &[u8; 64] {
        &self.0
    }

    fn expanded(&self) -> DecapsulationKey768 {
        DecapsulationKey768::from_seed(Seed::from(*self.0))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> RemoteKemKey {
        RemoteKemKey(Box::new(self.expanded().encapsulation_key().clone()))
    }

    /// The secret inside `ciphertext`. A foreign or bent ciphertext yields another secret, not an error (implicit rejection).
    ///
    /// # Errors
    /// [`PeerFault::Length`].
    pub fn decapsulate(&self, ciphertext: &[u8]) -> Result<Zeroizing<[u8; 32]>, PeerFault> {
        let secret = self.expanded().decapsulate_slice(ciphertext).map_err(|_| PeerFault::Length)?;
        Ok(Zeroizing::new(secret.into()))
    }
}

/// Somebody's encapsulation key, checked as FIPS 203 §7.2 demands.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteKemKey(Box<EncapsulationKey768>);

impl RemoteKemKey {
    /// Checks length and coefficients.
    ///
    /// # Errors
    /// [`PeerFault::Length`], [`PeerFault::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PeerFault> {
        let raw = bytes.try_into().map_err(|_| PeerFault::Length)?;
        EncapsulationKey768::new(&raw).map(|key| Self(Box::new(key))).map_err(|_| PeerFault::Malformed)
    }

    /// The 1,184 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes().to_vec()
    }

    /// A fresh secret and the ciphertext that carries it to the key's owner.
    #[must_use]
    pub fn encapsulate(&self, rng: &mut dyn CryptoRng) -> (Vec<u8>, Zeroizing<[u8; 32]>) {
        let (ciphertext, secret) = self.0.encapsulate_with_rng(rng);
        (ciphertext.to_vec(), Zeroizing::new(secret.into()))
    }
}

impl fmt::Debug for RemoteKemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RemoteKemKey(..)")
    }
}
