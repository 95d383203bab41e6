//! Authenticated encryption: ChaCha20-Poly1305 (RFC 8439) and XChaCha20-Poly1305.

use crate::error::PeerFault;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _, XChaCha20Poly1305};
use zeroize::Zeroizing;

/// Bytes that sealing adds.
pub const TAG_BYTES: usize = 16;

// Sealing fails only for plaintexts above 256 GiB. The result is then empty: nothing leaks, and whoever puts it into a cell fails on its
// length.

/// ChaCha20-Poly1305: ciphertext, then 16 bytes of authentication. A (key, nonce) pair must never be used twice.
#[must_use]
pub fn seal(key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let payload = Payload { msg: plain, aad };
    let sealed = ChaCha20Poly1305::new(key.into()).encrypt(nonce.into(), payload).unwrap_or_default();
    #[cfg(feature = "seal-observer")]
    super::observe::tell(key, nonce, aad, &sealed);
    sealed
}

/// Opens what [`seal`] sealed.
///
/// # Errors
/// [`PeerFault::Decrypt`].
pub fn open(
    key: &[u8; 32],
    nonce: &[u8; 12],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, PeerFault> {
    let payload = Payload { msg: sealed, aad };
    let plain = ChaCha20Poly1305::new(key.into()).decrypt(nonce.into(), payload);
    plain.map(Zeroizing::new).map_err(|_| PeerFault::Decrypt)
}

/// XChaCha20-Poly1305: like [`seal`], with a nonce long enough to be drawn at random.
#[must_use]
pub fn xseal(key: &[u8; 32], nonce: &[u8; 24], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let payload = Payload { msg: plain, aad };
    let sealed = XChaCha20Poly1305::new(key.into()).encrypt(nonce.into(), payload).unwrap_or_default();
    #[cfg(feature = "seal-observer")]
    super::observe::tell(key, nonce, aad, &sealed);
    sealed
}

/// Opens what [`xseal`] sealed.
///
/// # Errors
/// [`PeerFault::Decrypt`].
pub fn xopen(
    key: &[u8; 32],
    nonce: &[u8; 24],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, PeerFault> {
    let payload = Payload { msg: sealed, aad };
    let plain = XChaCha20Poly1305::new(key.into()).decrypt(nonce.into(), payload);
    plain.map(Zeroizing::new).map_err(|_| PeerFault::Decrypt)
}
