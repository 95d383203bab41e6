//! Bundles: the one-time public keys behind an invitation, and the sealed object in which relays keep them (SPEC §5, DESIGN P4).

use crate::body::MailboxDescriptor;
use crate::crypto::aead::{TAG_BYTES, xopen, xseal};
use crate::crypto::fixed::Reader;
use crate::crypto::kdf::random;
use crate::crypto::labels::{SIGN_BUNDLE, SIGN_OBJECT, SIGN_TOMBSTONE};
use crate::crypto::{
    KEM_KEY_BYTES, LocalDhKey, LocalKemKey, LocalSignKey, RemoteDhKey, RemoteKemKey, RemoteSignKey,
};
use crate::error::PeerFault;
use crate::identity::{CERT_BYTES, DeviceCert, LocalIdentity};
use crate::ids::{Fingerprint, Locator};
use crate::invite::InviteKeys;
use core::fmt;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Version of bundles and of stored prekeys.
const VERSION: u8 = 0;
/// Longest encoded mailbox descriptor in a bundle.
const MAILBOXES_BYTES_MAX: usize = 220;
/// Length of the id of a set of prekeys.
pub const PREKEY_ID_BYTES: usize = 12;

/// Public one-time keys, signed by a device: `version 1 | certificate 176 | SPK 32 | OPK 32 | PQPK 1,184 | prekey id 12 |
/// length 2, mailbox descriptor | signature 64` by the device over `label | all before`.
#[derive(Clone, PartialEq, Eq)]
pub struct Bundle {
    cert: DeviceCert,
    spk: RemoteDhKey,
    opk: RemoteDhKey,
    pqpk: RemoteKemKey,
    id: [u8; PREKEY_ID_BYTES],
    mailboxes: MailboxDescriptor,
    /// The bytes as signed; never encoded anew.
    bytes: Vec<u8>,
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bundle({:?})", self.fingerprint())
    }
}

impl Bundle {
    /// Fresh prekeys and their bundle. Cells are to be deposited at `mailboxes`.
    ///
    /// # Errors
    /// [`PeerFault::Bound`] if the descriptor is longer than a bundle holds; one with up to 5 mailboxes fits.
    pub fn make(
        me: &LocalIdentity,
        mailboxes: &MailboxDescriptor,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Prekeys), PeerFault> {
        let (spk, opk) = (LocalDhKey::generate(rng), LocalDhKey::generate(rng));
        let kem = LocalKemKey::generate(rng);
        let id: [u8; PREKEY_ID_BYTES] = *random(rng);
        let pqpk = kem.public();
        let descriptor = mailboxes.encode();
        let length =
            u16::try_from(descriptor.len()).ok().filter(|length| usize::from(*length) <= MAILBOXES_BYTES_MAX);
        let mut bytes = [
            &[VERSION][..],
            &me.cert().encode(),
            &spk.public().0,
            &opk.public().0,
            &pqpk.to_bytes(),
            &id,
            &length.ok_or(PeerFault::Bound)?.to_be_bytes(),
            &descriptor,
        ]
        .concat();
        let signature = me.sign_key().sign(SIGN_BUNDLE, &bytes);
        bytes.extend_from_slice(&signature);
        let bundle = Self {
            cert: me.cert().clone(),
            spk: spk.public(),
            opk: opk.public(),
            pqpk,
            id,
            mailboxes: mailboxes.clone(),
            bytes,
        };
        Ok((bundle.clone(), Prekeys { spk, opk, kem, bundle }))
    }

    /// The bytes as signed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads and verifies a bundle: both signatures, all keys well-formed. Whose it is, the caller compares (see
    /// [`BundleObject::open`]).
    ///
    /// # Errors
    /// A [`PeerFault`].
    pub fn verify(bytes: &[u8]) -> Result<Self, PeerFault> {
        let (signed, signature) = bytes.split_last_chunk::<64>().ok_or(PeerFault::Length)?;
        let mut reader = Reader(signed);
        if reader.u8().ok_or(PeerFault::Length)? != VERSION {
            return Err(PeerFault::Version);
        }
        let cert = DeviceCert::verify(reader.slice(CERT_BYTES).ok_or(PeerFault::Length)?)?;
        cert.sign.verify(SIGN_BUNDLE, signed, signature)?;
        let mut keys = || reader.take().map(|key| RemoteDhKey(*key)).ok_or(PeerFault::Length);
        let (spk, opk) = (keys()?, keys()?);
        let pqpk = RemoteKemKey::parse(reader.slice(KEM_KEY_BYTES).ok_or(PeerFault::Length)?)?;
        let id = *reader.take().ok_or(PeerFault::Length)?;
        let length = usize::from(reader.u16().ok_or(PeerFault::Length)?);
        if length > MAILBOXES_BYTES_MAX {
            return Err(PeerFault::Bound);
        }
        let mailboxes = MailboxDescriptor::decode(reader.slice(length).ok_or(PeerFault::Length)?)?;
        reader.end().ok_or(PeerFault::Length)?;
        Ok(Self { cert, spk, opk, pqpk, id, mailboxes, bytes: bytes.to_vec() })
    }

    /// Certificate of the device that made it.
    #[must_use]
    pub const fn cert(&self) -> &DeviceCert {
        &self.cert
    }

    /// Fingerprint of its owner's account key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.cert.account.0)
    }

    /// Where to deposit cells for its owner.
    #[must_use]
    pub const fn mailboxes(&self) -> &MailboxDescriptor {
        &self.mailboxes
    }

    pub(crate) const fn spk(&self) -> &RemoteDhKey {
        &self.spk
    }

    pub(crate) const fn opk(&self) -> &RemoteDhKey {
        &self.opk
    }

    pub(crate) const fn pqpk(&self) -> &RemoteKemKey {
        &self.pqpk
    }

    pub(crate) const fn id(&self) -> &[u8; PREKEY_ID_BYTES] {
        &self.id
    }
}

/// The private halves of a bundle; deleted once a greeting used them.
pub struct Prekeys {
    pub(crate) spk: LocalDhKey,
    pub(crate) opk: LocalDhKey,
    pub(crate) kem: LocalKemKey,
    bundle: Bundle,
}

impl Prekeys {
    /// The public side.
    #[must_use]
    pub const fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// For the sealed store: `version 1 | SPK 32 | OPK 32 | ML-KEM seed 64 | bundle`; at most 1,852 bytes.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let parts: [&[u8]; 5] = [
            &[VERSION],
            &self.spk.to_bytes()[..],
            &self.opk.to_bytes()[..],
            self.kem.seed(),
            &self.bundle.bytes,
        ];
        Zeroizing::new(parts.concat())
    }

    /// Reads what [`Prekeys::encode`] wrote; `None` if it is damaged or its parts do not belong together.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let out = Self {
            spk: LocalDhKey::from_bytes(reader.take()?),
            opk: LocalDhKey::from_bytes(reader.take()?),
            kem: LocalKemKey::from_seed(reader.take()?),
            bundle: Bundle::verify(reader.0).ok()?,
        };
        let own = out.bundle.spk == out.spk.public()
            && out.bundle.opk == out.opk.public()
            && out.bundle.pqpk == out.kem.public();
        own.then_some(out)
    }
}

/// Version of bundle objects.
const OBJECT_VERSION: u8 = 0;
/// Length of an object before its body.
const OBJECT_HEAD_BYTES: usize = 1 + 32 + 32 + 8 + 8;
/// Length of an object's sealed body.
pub const OBJECT_BODY_BYTES: usize = 2_048;
/// Length of a bundle object.
pub const OBJECT_BYTES: usize = OBJECT_HEAD_BYTES + OBJECT_BODY_BYTES + 64;
/// Length of the body before it is sealed.
const OBJECT_PLAIN_BYTES: usize = OBJECT_BODY_BYTES - 24 - TAG_BYTES;

const KIND_BUNDLE: u8 = 0;
const KIND_USED: u8 = 1;
const KIND_REVOKED: u8 = 2;

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

/// What relays keep under a locator: `version 1 | locator 32 | owner key 32 | seq 8 | expiry 8 | body 2,048 | signature 64` by the owner key
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

impl BundleObject {
    /// The object that holds `bundle`, signed by the invitation's throw-away key.
    ///
    /// # Errors
    /// [`PeerFault::Length`] if the bundle is longer than an object holds; those of [`Bundle::make`] fit.
    pub fn seal(
        keys: &InviteKeys,
        bundle: &Bundle,
        owner: &LocalSignKey,
        seq: u64,
        expiry_s: u64,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, PeerFault> {
        Self::build(keys, owner, seq, expiry_s, KIND_BUNDLE, |_| bundle.bytes.clone(), rng)
    }

    /// The object that replaces a bundle once its invitation was used or taken back. Only the inviter can make it: it is signed by their
    /// device as well, so nobody who merely saw the invitation can tell others that it is dead.
    ///
    /// # Errors
    /// None in practice; see [`BundleObject::seal`].
    pub fn tombstone(
        keys: &InviteKeys,
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
        Self::build(keys, owner, seq, expiry_s, kind, content, rng)
    }

    fn build(
        keys: &InviteKeys,
        owner: &LocalSignKey,
        seq: u64,
        expiry_s: u64,
        kind: u8,
        content: impl FnOnce(&[u8]) -> Vec<u8>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, PeerFault> {
        let head = [
            &[OBJECT_VERSION][..],
            &keys.locator.0,
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
        let sealed = xseal(&keys.bundle_key, &nonce, &head, &plain);
        let mut bytes = [&head[..], &nonce[..], &sealed].concat();
        let signature = owner.sign(SIGN_OBJECT, &bytes);
        bytes.extend_from_slice(&signature);
        Ok(Self { locator: keys.locator, owner: owner.public(), seq, expiry_s, bytes })
    }

    /// The bytes as signed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
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
        if reader.u8().ok_or(PeerFault::Length)? != OBJECT_VERSION {
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

    /// Opens a verified object and accepts what is inside only from the person with fingerprint `expected`.
    ///
    /// # Errors
    /// [`PeerFault::Decrypt`], [`PeerFault::Mismatch`] for somebody else's bundle, [`PeerFault::Padding`], or what [`Bundle::verify`]
    /// returns.
    pub fn open(&self, bundle_key: &[u8; 32], expected: &Fingerprint) -> Result<Opened, PeerFault> {
        let mut reader = Reader(&self.bytes);
        let head = reader.slice(OBJECT_HEAD_BYTES).ok_or(PeerFault::Length)?;
        let nonce = reader.take::<24>().ok_or(PeerFault::Length)?;
        let sealed = reader.slice(OBJECT_BODY_BYTES - 24).ok_or(PeerFault::Length)?;
        let plain = xopen(bundle_key, nonce, head, sealed)?;
        let mut inside = Reader(&plain);
        let kind = inside.u8().ok_or(PeerFault::Length)?;
        let length = inside.u16().ok_or(PeerFault::Length)?;
        let content = inside.slice(usize::from(length)).ok_or(PeerFault::Length)?;
        if inside.0.iter().any(|byte| *byte != 0) {
            return Err(PeerFault::Padding);
        }
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
