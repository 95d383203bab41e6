//! The bundle object: how relays keep a bundle that only the invited can read, and how it is buried afterwards (SPEC §5.4, DESIGN P4).

use super::Bundle;
use crate::body::MailboxDescriptor;
use crate::crypto::aead::{TAG_BYTES, xopen, xseal};
use crate::crypto::fixed::Reader;
use crate::crypto::kdf::random;
use crate::crypto::labels::{SIGN_BEACON, SIGN_OBJECT, SIGN_TOMBSTONE};
use crate::crypto::{LocalSignKey, RemoteSignKey};
use crate::error::PeerFault;
use crate::identity::{CERT_BYTES, DeviceCert, LocalIdentity};
use crate::ids::{Fingerprint, Locator};
use crate::invite::InviteKeys;
use core::fmt;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Version of bundle objects.
const VERSION: u8 = 0;
/// Length of an object before its body.
const OBJECT_HEAD_BYTES: usize = 1 + 32 + 32 + 8 + 8;
/// Length of an object's sealed body: with it the object fits the frame of a small cell in every message that carries one.
pub const OBJECT_BODY_BYTES: usize = 1_912;
/// Length of a bundle object.
pub const OBJECT_BYTES: usize = OBJECT_HEAD_BYTES + OBJECT_BODY_BYTES + 64;
/// Length of the body before it is sealed.
const OBJECT_PLAIN_BYTES: usize = OBJECT_BODY_BYTES - 24 - TAG_BYTES;

// Around it: the opening of a tunnel (relay id 16, Noise 48) or the tag of an open one, and kind and number of the request.
const _: () = assert!(OBJECT_BYTES + 16 + 48 + 5 + crate::link::HEADER_BYTES <= crate::link::SIZES[3]);

const KIND_BUNDLE: u8 = 0;
const KIND_USED: u8 = 1;
const KIND_REVOKED: u8 = 2;
const KIND_BEACON: u8 = 3;

/// Why an invitation holds no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tombstone {
    /// Somebody used it.
    Used,
    /// The inviter took it back, or it expired.
    Revoked,
}

/// What was found inside a bundle object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// The inviter's bundle.
    Bundle(Box<Bundle>),
    /// The invitation was used.
    Used,
    /// The invitation was taken back or expired.
    Revoked,
}

/// Where an object lies, and what it is sealed with: from an invitation or a published address.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Where it lies.
    pub locator: Locator,
    /// What it is sealed with.
    pub bundle_key: &'a [u8; 32],
}

impl<'a> From<&'a InviteKeys> for Place<'a> {
    fn from(keys: &'a InviteKeys) -> Self {
        Self { locator: keys.locator, bundle_key: &keys.bundle_key }
    }
}

/// What relays keep under a locator: `version 1 | locator 32 | owner key 32 | seq 8 | expiry 8 | body 1,912 | signature 64` by the owner key
/// over `label | all before`. The body is `nonce 24 | XChaCha20-Poly1305(bundle_key, kind 1 | length 2, content | zeros)` with the
/// first 81 bytes as associated data. The first put pins the owner key, only a higher seq replaces; that is the relay's rule.
#[derive(Clone, PartialEq, Eq)]
pub struct BundleObject {
    /// Where it lies.
    pub locator: Locator,
    /// Throw-away key of the invitation (Ed25519).
    pub owner: RemoteSignKey,
    /// Grows with each replacement.
    pub seq: u64,
    /// Unix seconds; at most 90 days ahead, which the relay checks by its own clock.
    pub expiry_s: u64,
    /// The bytes as signed.
    bytes: Vec<u8>,
}

impl fmt::Debug for BundleObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BundleObject({:?}, seq {})", self.locator, self.seq)
    }
}

/// An object once it is open.
struct Inside<'a> {
    /// The bytes before the body, which the signatures inside cover.
    head: &'a [u8],
    kind: u8,
    content: Zeroizing<Vec<u8>>,
}

impl BundleObject {
    /// The object that holds `bundle`, signed by the throw-away key of the invitation or address.
    ///
    /// # Errors
    /// [`PeerFault::Length`] if the bundle is longer than an object holds; those of [`Bundle::make`] fit.
    pub fn seal<'a>(
        place: impl Into<Place<'a>>,
        bundle: &Bundle,
        owner: &LocalSignKey,
        seq: u64,
        expiry_s: u64,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, PeerFault> {
        Self::build(place.into(), owner, seq, expiry_s, KIND_BUNDLE, |_| bundle.bytes.clone(), rng)
    }

    /// The object that replaces a bundle once its invitation was used or taken back. Only the inviter can make it: it is signed by their
    /// device as well, so nobody who merely saw the invitation can tell others that it is dead.
    ///
    /// # Errors
    /// None in practice; see [`BundleObject::seal`].
    pub fn tombstone<'a>(
        place: impl Into<Place<'a>>,
        why: Tombstone,
        me: &LocalIdentity,
        owner: &LocalSignKey,
        seq: u64,
        expiry_s: u64,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, PeerFault> {
        let kind = match why {
            Tombstone::Used => KIND_USED,
            Tombstone::Revoked => KIND_REVOKED,
        };
        let content = |head: &[u8]| {
            let signature = me.sign_key().sign(SIGN_TOMBSTONE, &[head, &[kind]].concat());
            [&me.cert().encode()[..], &signature].concat()
        };
        Self::build(place.into(), owner, seq, expiry_s, kind, content, rng)
    }

    /// The object by which a pair finds one another again: where its author is now, signed by their device (see [`crate::beacon`]).
    pub(crate) fn beacon(
        place: (&Locator, &[u8; 32]),
        mailboxes: &MailboxDescriptor,
        me: &LocalIdentity,
        owner: &LocalSignKey,
        times: (u64, u64),
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, PeerFault> {
        let descriptor = mailboxes.encode();
        let content = |head: &[u8]| {
            let signature = me.sign_key().sign(SIGN_BEACON, &[head, &[KIND_BEACON], &descriptor].concat());
            [&me.cert().encode()[..], &descriptor, &signature].concat()
        };
        let place = Place { locator: *place.0, bundle_key: place.1 };
        Self::build(place, owner, times.0, times.1, KIND_BEACON, content, rng)
    }

    /// Where the person with fingerprint `expected` says to be.
    pub(crate) fn open_beacon(
        &self,
        key: &[u8; 32],
        expected: &Fingerprint,
    ) -> Result<MailboxDescriptor, PeerFault> {
        let Inside { head, kind, content } = self.unseal(key)?;
        if kind != KIND_BEACON {
            return Err(PeerFault::Malformed);
        }
        let (cert, rest) = content.split_at_checked(CERT_BYTES).ok_or(PeerFault::Length)?;
        let (descriptor, signature) = rest.split_last_chunk::<64>().ok_or(PeerFault::Length)?;
        let cert = DeviceCert::verify(cert)?;
        if Fingerprint::of(&cert.account.0) != *expected {
            return Err(PeerFault::Mismatch);
        }
        cert.sign.verify(SIGN_BEACON, &[head, &[kind], descriptor].concat(), signature)?;
        MailboxDescriptor::decode(descriptor)
    }

    fn build(
        place: Place<'_>,
        owner: &LocalSignKey,
        seq: u64,
        expiry_s: u64,
        kind: u8,
        content: impl FnOnce(&[u8]) -> Vec<u8>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, PeerFault> {
        let head = [
            &[VERSION][..],
            &place.locator.0,
            &owner.public().0,
            &seq.to_be_bytes(),
            &expiry_s.to_be_bytes(),
        ]
        .concat();
        let content = content(&head);
        let length = u16::try_from(content.len()).map_err(|_| PeerFault::Length)?;
        let mut plain = [&[kind][..], &length.to_be_bytes(), &content].concat();
        if plain.len() > OBJECT_PLAIN_BYTES {
            return Err(PeerFault::Length);
        }
        plain.resize(OBJECT_PLAIN_BYTES, 0);
        let nonce = random::<24>(rng);
        let sealed = xseal(place.bundle_key, &nonce, &head, &plain);
        let mut bytes = [&head[..], &nonce[..], &sealed].concat();
        let signature = owner.sign(SIGN_OBJECT, &bytes);
        bytes.extend_from_slice(&signature);
        Ok(Self { locator: place.locator, owner: owner.public(), seq, expiry_s, bytes })
    }

    /// The bytes as signed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where an object lies, read from bytes that were not checked. `None` if they are too few.
    pub(crate) fn locator_of(bytes: &[u8]) -> Option<Locator> {
        bytes.get(1..33).map(|place| Locator(crate::ids::first(place)))
    }

    /// What a relay checks: length, version, and the signature by the key inside. Expiry and pinning are the relay's own rules.
    ///
    /// # Errors
    /// [`PeerFault::Length`], [`PeerFault::Version`], [`PeerFault::WeakKey`], [`PeerFault::Signature`].
    pub fn verify(bytes: &[u8]) -> Result<Self, PeerFault> {
        if bytes.len() != OBJECT_BYTES {
            return Err(PeerFault::Length);
        }
        let (signed, signature) = bytes.split_last_chunk::<64>().ok_or(PeerFault::Length)?;
        let mut reader = Reader(signed);
        if reader.u8().ok_or(PeerFault::Length)? != VERSION {
            return Err(PeerFault::Version);
        }
        let out = Self {
            locator: Locator(*reader.take().ok_or(PeerFault::Length)?),
            owner: RemoteSignKey(*reader.take().ok_or(PeerFault::Length)?),
            seq: reader.u64().ok_or(PeerFault::Length)?,
            expiry_s: reader.u64().ok_or(PeerFault::Length)?,
            bytes: bytes.to_vec(),
        };
        out.owner.verify(SIGN_OBJECT, signed, signature)?;
        Ok(out)
    }

    /// Opens the body.
    fn unseal(&self, key: &[u8; 32]) -> Result<Inside<'_>, PeerFault> {
        let mut reader = Reader(&self.bytes);
        let head = reader.slice(OBJECT_HEAD_BYTES).ok_or(PeerFault::Length)?;
        let nonce = reader.take::<24>().ok_or(PeerFault::Length)?;
        let sealed = reader.slice(OBJECT_BODY_BYTES - 24).ok_or(PeerFault::Length)?;
        let plain = xopen(key, nonce, head, sealed)?;
        let mut inside = Reader(&plain);
        let kind = inside.u8().ok_or(PeerFault::Length)?;
        let length = inside.u16().ok_or(PeerFault::Length)?;
        let content = inside.slice(usize::from(length)).ok_or(PeerFault::Length)?;
        if inside.0.iter().any(|byte| *byte != 0) {
            return Err(PeerFault::Padding);
        }
        Ok(Inside { head, kind, content: Zeroizing::new(content.to_vec()) })
    }

    /// Opens a verified object and accepts what is inside only from the person with fingerprint `expected`.
    ///
    /// # Errors
    /// [`PeerFault::Decrypt`], [`PeerFault::Mismatch`] for somebody else's bundle, [`PeerFault::Padding`], or what [`Bundle::verify`]
    /// returns.
    pub fn open(&self, bundle_key: &[u8; 32], expected: &Fingerprint) -> Result<Opened, PeerFault> {
        let Inside { head, kind, content } = self.unseal(bundle_key)?;
        let content = &content[..];
        match kind {
            KIND_BUNDLE => {
                let bundle = Bundle::verify(content)?;
                if bundle.fingerprint() != *expected {
                    return Err(PeerFault::Mismatch);
                }
                Ok(Opened::Bundle(Box::new(bundle)))
            }
            KIND_USED | KIND_REVOKED => {
                let (cert, signature) = content.split_last_chunk::<64>().ok_or(PeerFault::Length)?;
                let cert = DeviceCert::verify(cert)?;
                if Fingerprint::of(&cert.account.0) != *expected {
                    return Err(PeerFault::Mismatch);
                }
                cert.sign.verify(SIGN_TOMBSTONE, &[head, &[kind]].concat(), signature)?;
                Ok(if kind == KIND_USED { Opened::Used } else { Opened::Revoked })
            }
            _ => Err(PeerFault::Malformed),
        }
    }
}
