//! The key everything is sealed by.

use std::fmt;
use zeroize::Zeroizing;

/// The key that seals a profile's records, and the profile's number. Forgotten from memory when dropped.
#[derive(Clone)]
pub struct DataKey {
    key: Zeroizing<[u8; 32]>,
    profile: [u8; 16],
}

impl DataKey {
    /// A fresh random key.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn generate() -> std::io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        let mut profile = [0; 16];
        getrandom::fill(&mut *key).map_err(std::io::Error::other)?;
        getrandom::fill(&mut profile).map_err(std::io::Error::other)?;
        Ok(Self { key, profile })
    }

    /// A random number that names the profile; not secret, never sent.
    #[must_use]
    pub fn profile(&self) -> [u8; 16] {
        self.profile
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.key
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}
