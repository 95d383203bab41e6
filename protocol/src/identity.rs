//! Who a person is: the account key from the recovery code, the device it certifies, and the numbers people compare (SPEC §4).

use crate::crypto::fixed::Reader;
use crate::crypto::kdf::{derive, random, stretch};
use crate::crypto::labels::{ACCOUNT, RECOVERY_CHECK, ROOT_SALT, SAFETY, SIGN_DEVICE};
use crate::crypto::{LocalDhKey, LocalSignKey, RemoteDhKey, RemoteSignKey};
use crate::error::PeerFault;
use crate::ids::{Fingerprint, first};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Length of a device certificate.
pub const CERT_BYTES: usize = 176;
/// The part of a certificate that is signed.
const CERT_SIGNED: usize = 112;
/// Version of the stored identity.
const STORED_VERSION: u8 = 0;

/// What an account says of one of its devices: `account 32 | device signing key 32 | device DH key 32 | device id 8 | list seq 4 | flags 4 |
/// signature 64` by the account key over `label | first 112 bytes`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceCert {
    /// Account key (Ed25519): the person.
    pub account: RemoteSignKey,
    /// The device's signing key (Ed25519): signs bundles, never messages.
    pub sign: RemoteSignKey,
    /// The device's long-term DH key (X25519).
    pub dh: RemoteDhKey,
    /// Random id of the device.
    pub device: [u8; 8],
    /// Sequence number of the device list that this certificate belongs to.
    pub list_seq: u32,
    /// Zero; bits are ignored when read.
    pub flags: u32,
    signature: [u8; 64],
}

impl DeviceCert {
    fn signed_part(&self) -> Vec<u8> {
        [
            &self.account.0[..],
            &self.sign.0,
            &self.dh.0,
            &self.device,
            &self.list_seq.to_be_bytes(),
            &self.flags.to_be_bytes(),
        ]
        .concat()
    }

    /// The 176 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [&self.signed_part()[..], &self.signature].concat()
    }

    /// Reads and verifies a certificate.
    ///
    /// # Errors
    /// [`PeerFault::Length`], [`PeerFault::WeakKey`], [`PeerFault::Signature`].
    pub fn verify(bytes: &[u8]) -> Result<Self, PeerFault> {
        let cert = Self::read(bytes).ok_or(PeerFault::Length)?;
        let signed = bytes.get(..CERT_SIGNED).ok_or(PeerFault::Length)?;
        cert.account.verify(SIGN_DEVICE, signed, &cert.signature)?;
        Ok(cert)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let cert = Self {
            account: RemoteSignKey(*reader.take()?),
            sign: RemoteSignKey(*reader.take()?),
            dh: RemoteDhKey(*reader.take()?),
            device: *reader.take()?,
            list_seq: reader.u32()?,
            flags: reader.u32()?,
            signature: *reader.take()?,
        };
        reader.end()?;
        Some(cert)
    }
}

/// Another person, as known by a verified certificate of their device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoteIdentity {
    /// The certificate.
    pub cert: DeviceCert,
}

impl RemoteIdentity {
    /// Fingerprint of the account key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.cert.account.0)
    }

    /// The certificate's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.cert.encode()
    }

    /// Reads and verifies what [`RemoteIdentity::encode`] wrote.
    ///
    /// # Errors
    /// As [`DeviceCert::verify`].
    pub fn decode(bytes: &[u8]) -> Result<Self, PeerFault> {
        DeviceCert::verify(bytes).map(|cert| Self { cert })
    }
}

/// The person on this device: all long-term secrets.
pub struct LocalIdentity {
    root: Zeroizing<[u8; 16]>,
    account: LocalSignKey,
    sign: LocalSignKey,
    dh: LocalDhKey,
    cert: DeviceCert,
}

impl LocalIdentity {
    /// A new device of the account whose recovery code holds `root`; `stretched` is [`stretch_root`] of it.
    #[must_use]
    pub fn from_stretched(root: &[u8; 16], stretched: &[u8; 32], rng: &mut dyn CryptoRng) -> Self {
        let account = LocalSignKey::from_seed(&derive(&[], stretched, ACCOUNT));
        let (sign, dh) = (LocalSignKey::generate(rng), LocalDhKey::generate(rng));
        let mut cert = DeviceCert {
            account: account.public(),
            sign: sign.public(),
            dh: dh.public(),
            device: *random(rng),
            list_seq: 1,
            flags: 0,
            signature: [0; 64],
        };
        cert.signature = account.sign(SIGN_DEVICE, &cert.signed_part());
        Self { root: Zeroizing::new(*root), account, sign, dh, cert }
    }

    /// For the sealed store: `version 1 | root 16 | account seed 32 | device signing seed 32 | device DH key 32 | certificate 176`.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let parts: [&[u8]; 6] = [
            &[STORED_VERSION],
            &self.root[..],
            &self.account.seed()[..],
            &self.sign.seed()[..],
            &self.dh.to_bytes()[..],
            &self.cert.encode(),
        ];
        Zeroizing::new(parts.concat())
    }

    /// Reads what [`LocalIdentity::encode`] wrote; `None` if it is damaged or its parts do not belong together.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.u8()? != STORED_VERSION {
            return None;
        }
        let out = Self {
            root: Zeroizing::new(*reader.take()?),
            account: LocalSignKey::from_seed(reader.take()?),
            sign: LocalSignKey::from_seed(reader.take()?),
            dh: LocalDhKey::from_bytes(reader.take()?),
            cert: DeviceCert::verify(reader.slice(CERT_BYTES)?).ok()?,
        };
        reader.end()?;
        let own = out.cert.account == out.account.public()
            && out.cert.sign == out.sign.public()
            && out.cert.dh == out.dh.public();
        own.then_some(out)
    }

    /// Fingerprint of the account key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.cert.account.0)
    }

    /// Public account key.
    #[must_use]
    pub const fn account_key(&self) -> &[u8; 32] {
        &self.cert.account.0
    }

    /// The certificate of this device.
    #[must_use]
    pub const fn cert(&self) -> &DeviceCert {
        &self.cert
    }

    /// The secret behind the recovery code.
    #[must_use]
    pub const fn root(&self) -> &Zeroizing<[u8; 16]> {
        &self.root
    }

    pub(crate) const fn sign_key(&self) -> &LocalSignKey {
        &self.sign
    }

    pub(crate) const fn dh_key(&self) -> &LocalDhKey {
        &self.dh
    }
}

/// Argon2id (64 MiB, 3 passes, about 0.4 s) of a root: run it outside the core. `None` only if the memory can not be had.
#[must_use]
pub fn stretch_root(root: &[u8; 16]) -> Option<Zeroizing<[u8; 32]>> {
    stretch(root, ROOT_SALT.as_bytes())
}

/// The 60 digits that two people compare, the same on both sides: BLAKE3 (derive-key mode, 60 bytes) of the smaller and the larger
/// account key, each 5 bytes as a big-endian number modulo 100,000.
#[must_use]
pub fn safety_number(a: &[u8; 32], b: &[u8; 32]) -> String {
    let mut hasher = blake3::Hasher::new_derive_key(SAFETY);
    hasher.update(a.min(b)).update(a.max(b));
    let mut bytes = [0; 60];
    hasher.finalize_xof().fill(&mut bytes);
    let group =
        |raw: &[u8; 5]| raw.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)) % 100_000;
    bytes.as_chunks::<5>().0.iter().map(|raw| format!("{:05}", group(raw))).collect()
}

/// Groups of five digits in a recovery code.
const GROUPS: usize = 8;
/// Bytes that hold 128 bits of the root and 4 check bits.
const CODE_BYTES: usize = 17;

fn check_bits(root: &[u8; 16]) -> u8 {
    let hash = blake3::derive_key(RECOVERY_CHECK, root);
    first::<1>(&hash)[0] >> 4
}

/// The recovery code: the number `root * 16 + check` in 40 decimal digits, eight groups of five with spaces between.
#[must_use]
pub fn recovery_code(root: &[u8; 16]) -> Zeroizing<String> {
    // The number as 33 half-bytes, most significant first.
    let mut number = Zeroizing::new([0_u8; CODE_BYTES]);
    let shifted = root.iter().flat_map(|byte| [byte >> 4, byte & 15]).chain([check_bits(root)]);
    for (place, half) in shifted.enumerate() {
        if let Some(byte) = number.get_mut(place.div_ceil(2)) {
            *byte = *byte << 4 | half;
        }
    }
    let mut groups = Zeroizing::new([0_u32; GROUPS]);
    for group in groups.iter_mut().rev() {
        for byte in number.iter_mut() {
            let value = *group << 8 | u32::from(*byte);
            *byte = (value / 100_000) as u8;
            *group = value % 100_000;
        }
    }
    let mut out = Zeroizing::new(String::with_capacity(GROUPS * 6));
    for group in groups.iter() {
        if !out.is_empty() {
            out.push(' ');
        }
        for unit in [10_000, 1_000, 100, 10, 1] {
            out.push(char::from(b'0' + (group / unit % 10) as u8));
        }
    }
    out
}

/// The root in a recovery code; spaces and hyphens are forgiven. `None` if digits are missing or misread (15 of 16 errors are noticed).
#[must_use]
pub fn recovery_root(code: &str) -> Option<Zeroizing<[u8; 16]>> {
    let mut number = Zeroizing::new([0_u8; CODE_BYTES]);
    let mut digits = 0;
    for sign in code.chars().filter(|sign| !sign.is_whitespace() && *sign != '-') {
        let mut carry = sign.to_digit(10)?;
        digits += 1;
        for byte in number.iter_mut().rev() {
            let value = u32::from(*byte) * 10 + carry;
            *byte = value as u8;
            carry = value >> 8;
        }
        if carry != 0 || digits > GROUPS * 5 {
            return None;
        }
    }
    let top = *number.first()?;
    if digits != GROUPS * 5 || top > 15 {
        return None;
    }
    let mut root = Zeroizing::new([0; 16]);
    for (to, pair) in root.iter_mut().zip(number.array_windows::<2>()) {
        *to = pair[0] << 4 | pair[1] >> 4;
    }
    (number.last()? & 15 == check_bits(&root)).then_some(root)
}
