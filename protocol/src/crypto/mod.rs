//! The published primitives behind small types of our own: keys that know whose they are, authenticated encryption, key derivation.
//!
//! Nothing here is invented (DESIGN P1). A `Local…` key is secret, wiped when dropped and has no `Debug`; a `Remote…` key is public and
//! comes from outside, so each use of it can fail with a [`crate::error::PeerFault`].

pub mod aead;
mod dh;
pub(crate) mod fixed;
pub mod kdf;
mod kem;
pub mod labels;
#[cfg(feature = "seal-observer")]
pub mod observe;
mod sign;

pub use dh::{LocalDhKey, RemoteDhKey};
pub use kem::{KEM_CIPHERTEXT_BYTES, KEM_KEY_BYTES, LocalKemKey, RemoteKemKey};
pub use sign::{LocalSignKey, RemoteSignKey, SIGNATURE_BYTES};
