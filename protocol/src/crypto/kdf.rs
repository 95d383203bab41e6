//! Key derivation: HKDF-SHA256 (RFC 5869), HMAC-SHA256 (RFC 2104), Argon2id (RFC 9106), and secrets drawn at random.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Memory of the stretch, KiB.
const STRETCH_KIB: u32 = 64 * 1_024;
/// Passes of the stretch.
const STRETCH_PASSES: u32 = 3;

/// HKDF-SHA256: `N` bytes from `ikm`. `N` is at most 8,160. An empty salt is the salt of zeros of RFC 5869.
#[must_use]
pub fn derive<const N: usize>(salt: &[u8], ikm: &[u8], info: &str) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 8_160, "HKDF-SHA256 yields 255 hashes at the most") };
    let mut out = Zeroizing::new([0; N]);
    // Fails only for outputs above that bound.
    let _ = Hkdf::<Sha256>::new(Some(salt), ikm).expand(info.as_bytes(), &mut out[..]);
    out
}

/// HMAC-SHA256.
#[must_use]
pub fn hmac(key: &[u8; 32], data: &[u8]) -> Zeroizing<[u8; 32]> {
    // HMAC itself fills keys with zeros up to the block size of the hash.
    let mut block = Zeroizing::new([0; 64]);
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    mac.update(data);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// Argon2id with 64 MiB, 3 passes, 1 lane; about 0.4 s. `None` only if that memory can not be had.
#[must_use]
pub fn stretch(secret: &[u8], salt: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let params = argon2::Params::new(STRETCH_KIB, STRETCH_PASSES, 1, Some(32)).ok()?;
    let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut out = Zeroizing::new([0; 32]);
    argon.hash_password_into(secret, salt, &mut out[..]).ok()?;
    Some(out)
}

/// `N` random bytes.
#[must_use]
pub fn random<const N: usize>(rng: &mut dyn CryptoRng) -> Zeroizing<[u8; N]> {
    let mut out = Zeroizing::new([0; N]);
    rng.fill_bytes(&mut out[..]);
    out
}
