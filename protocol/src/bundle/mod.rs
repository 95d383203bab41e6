//! Bundles: the one-time public keys behind an invitation, and their private halves (SPEC §5, DESIGN P4).

mod object;

pub use object::{BundleObject, OBJECT_BODY_BYTES, OBJECT_BYTES, Opened, Place, Tombstone};

use crate::body::MailboxDescriptor;
use crate::crypto::fixed::Reader;
use crate::crypto::kdf::random;
use crate::crypto::labels::SIGN_BUNDLE;
use crate::crypto::{KEM_KEY_BYTES, LocalDhKey, LocalKemKey, RemoteDhKey, RemoteKemKey};
use crate::error::PeerFault;
use crate::identity::{CERT_BYTES, DeviceCert, LocalIdentity};
use crate::ids::Fingerprint;
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
