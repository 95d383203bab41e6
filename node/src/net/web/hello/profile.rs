//! What two browsers say in their hello, as captured from Chromium 156.0.8078 and Firefox ESR 153.7 on Debian 12 (2026-11-23).
//!
//! `packaging/boringssl/README.md` tells how such a capture is made and compared. A profile that is older than the browsers around it is
//! a mark by itself: the tables are looked at again before every release.

use super::HelloKind;
use super::unpack::Packing;
use btls::ssl::KeyShare;

/// One browser's hello, as far as it does not change from one connection to the next.
pub(super) struct Profile {
    /// Cipher suites in their order, by OpenSSL's names.
    pub(super) ciphers: &'static str,
    /// Whether the order of the first three is the browser's own; else it follows the processor, as in Chrome.
    pub(super) keeps_order: bool,
    /// Groups in their order.
    pub(super) groups: &'static str,
    /// Groups for which a key is sent along.
    pub(super) shares: &'static [KeyShare],
    /// Signature schemes in their order.
    pub(super) schemes: &'static [u16],
    /// Ways in which a server may pack its certificates.
    pub(super) packings: &'static [Packing],
    /// Random values that mean nothing, and extensions in a new order each time.
    pub(super) grease: bool,
    /// Order of extensions, if it is always the same. All that the library knows must stand here: it shuffles what is left over.
    pub(super) order: Option<&'static [u16]>,
    /// Schemes of delegated credentials.
    pub(super) delegated: Option<&'static str>,
    /// The record size limit.
    pub(super) record_limit: Option<u16>,
    /// Settings of the application for this protocol (ALPS).
    pub(super) settings: Option<&'static [u8]>,
    /// Trust anchors that are asked for, as lengths and names.
    pub(super) anchors: Option<&'static [u8]>,
    /// Whether the sealed part of the placeholder for ECH is by turns of one cipher and of the other; else it follows the processor.
    pub(super) turns: bool,
}

impl Profile {
    /// The tables of a browser; rustls has none.
    pub(super) const fn of(kind: HelloKind) -> Option<&'static Self> {
        match kind {
            HelloKind::Rustls => None,
            HelloKind::Chrome => Some(&CHROME),
            HelloKind::Firefox => Some(&FIREFOX),
        }
    }
}

const CHROME: Profile = Profile {
    ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
        ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:\
        ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA:AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA:AES256-SHA",
    keeps_order: false,
    groups: "X25519MLKEM768:X25519:P-256:P-384",
    shares: &[KeyShare::X25519_MLKEM768, KeyShare::X25519],
    // The first three are ML-DSA, which the library can not check; no public authority signs with it. The patch of
    // `packaging/boringssl` makes it name them. A random value stands before them.
    schemes: &[0x0904, 0x0905, 0x0906, 0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
    packings: &[Packing::Brotli],
    grease: true,
    order: None,
    delegated: None,
    record_limit: None,
    settings: Some(b"h2"),
    anchors: Some(&ANCHORS),
    turns: false,
};

const FIREFOX: Profile = Profile {
    ciphers: "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384:\
        ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:\
        ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
        ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA:AES128-GCM-SHA256:AES256-GCM-SHA384:\
        AES128-SHA:AES256-SHA",
    keeps_order: true,
    groups: "X25519MLKEM768:X25519:P-256:P-384:P-521:ffdhe2048:ffdhe3072",
    shares: &[KeyShare::X25519_MLKEM768, KeyShare::X25519, KeyShare::P256],
    schemes: &[0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201],
    packings: &[Packing::Zlib, Packing::Brotli, Packing::Zstd],
    grease: false,
    order: Some(&[
        0, 23, 65281, 10, 11, 35, 16, 5, 34, 18, 51, 43, 13, 45, 28, 27, 65037,
        // Not sent; named because the library, unless patched, reads past the end of a list when two or more are left over.
        13172, 30032, 14, 42, 44, 57, 65445, 17613, 17513, 47, 35387, 51764,
    ]),
    delegated: Some("ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512:ecdsa_sha1"),
    record_limit: Some(0x4001),
    settings: None,
    anchors: None,
    turns: true,
};

/// The authorities of Chrome's own list that have such a name, as `length 1 | name`.
#[rustfmt::skip]
const ANCHORS: [u8; 184] = [
    0x05, 0x82, 0xdf, 0x13, 0x02, 0x01,
    0x05, 0x82, 0xdf, 0x13, 0x02, 0x06,
    0x05, 0x82, 0xdf, 0x13, 0x02, 0x0d,
    0x05, 0x82, 0xdf, 0x13, 0x02, 0x0e,
    0x05, 0x82, 0xdf, 0x13, 0x02, 0x0f,
    0x05, 0x82, 0xdf, 0x13, 0x02, 0x12,
    0x05, 0x82, 0xdf, 0x13, 0x02, 0x13,
    0x05, 0x82, 0xdf, 0x13, 0x02, 0x14,
    0x08, 0x83, 0x9a, 0x64, 0x8c, 0x9b, 0x2d, 0x01, 0x07,
    0x08, 0x83, 0x9a, 0x64, 0x8c, 0x9b, 0x2d, 0x01, 0x08,
    0x08, 0x83, 0x9a, 0x64, 0x8c, 0x9b, 0x2d, 0x01, 0x09,
    0x08, 0x83, 0x9a, 0x64, 0x8c, 0x9b, 0x2d, 0x01, 0x0a,
    0x08, 0x83, 0x9a, 0x64, 0x8c, 0x9b, 0x2d, 0x01, 0x0b,
    0x08, 0x83, 0x9a, 0x64, 0x8c, 0x9b, 0x2d, 0x01, 0x0c,
    0x08, 0x83, 0x9a, 0x64, 0x8c, 0x9b, 0x2d, 0x01, 0x0d,
    0x08, 0x83, 0x9a, 0x64, 0x8c, 0x9b, 0x2d, 0x01, 0x12,
    0x08, 0x83, 0x9a, 0x64, 0x8c, 0x9b, 0x2d, 0x01, 0x13,
    0x04, 0xd6, 0x79, 0x09, 0x01,
    0x04, 0xd6, 0x79, 0x09, 0x04,
    0x04, 0xd6, 0x79, 0x09, 0x05,
    0x04, 0xd6, 0x79, 0x09, 0x06,
    0x04, 0xd6, 0x79, 0x09, 0x07,
    0x04, 0xd6, 0x79, 0x09, 0x08,
    0x04, 0xd6, 0x79, 0x09, 0x0a,
    0x04, 0xd6, 0x79, 0x09, 0x0b,
    0x04, 0xd6, 0x79, 0x09, 0x0c,
    0x04, 0xd6, 0x79, 0x09, 0x0d,
    0x04, 0xd6, 0x79, 0x09, 0x0f,
];
