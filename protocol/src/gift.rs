//! What each side of a conversation gives the other ahead of trouble: prekeys and tags by which a lost session is formed again (SPEC §6c).

use crate::body::MailboxDescriptor;
use crate::bundle::{Bundle, Prekeys};
use crate::crypto::fixed::Reader;
use crate::crypto::kdf::{derive, random};
use crate::crypto::labels::{RESET_SALT, RESET_TAGS};
use crate::error::PeerFault;
use crate::identity::LocalIdentity;
use crate::ids::{Tag, first};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Version of stored gifts.
const VERSION: u8 = 0;
/// Tags in one gift: each is good for one reset (DESIGN P5).
pub const RESET_TAGS_COUNT: usize = 4;
/// Longest encoded gift: its head and the longest bundle.
pub const GIFT_BYTES_MAX: usize = 2_048;

/// The four tags that follow from a gift's secret, all of class S.
#[must_use]
pub fn reset_tags(secret: &[u8; 16]) -> [Tag; RESET_TAGS_COUNT] {
    let out = derive::<64>(RESET_SALT.as_bytes(), secret, RESET_TAGS);
    core::array::from_fn(|at| Tag(first(out.get(16 * at..).unwrap_or_default())))
}

/// A gift as the other side holds it: enough to greet its giver once more.
#[derive(Clone, PartialEq, Eq)]
pub struct Gift {
    /// Grows with each gift of one giver.
    pub seq: u64,
    /// Where the tags come from.
    pub secret: Zeroizing<[u8; 16]>,
    /// The giver's bundle, verified.
    pub bundle: Bundle,
}

impl core::fmt::Debug for Gift {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Gift({})", self.seq)
    }
}

impl Gift {
    /// `seq 8 | secret 16 | bundle`: the form that travels and is stored.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([&self.seq.to_be_bytes()[..], &self.secret[..], self.bundle.bytes()].concat())
    }

    /// Reads and verifies what [`Gift::encode`] wrote. Whose bundle it is, the caller compares.
    ///
    /// # Errors
    /// [`PeerFault::Length`], or what [`Bundle::verify`] returns.
    pub fn decode(bytes: &[u8]) -> Result<Self, PeerFault> {
        let mut reader = Reader(bytes);
        let seq = reader.u64().ok_or(PeerFault::Length)?;
        let secret = Zeroizing::new(*reader.take().ok_or(PeerFault::Length)?);
        Ok(Self { seq, secret, bundle: Bundle::verify(reader.0)? })
    }

    /// The tags by which its giver recognises a reset.
    #[must_use]
    pub fn tags(&self) -> [Tag; RESET_TAGS_COUNT] {
        reset_tags(&self.secret)
    }
}

/// A gift as its giver keeps it: the private halves, until the other side holds a newer one.
pub struct OwnGift {
    /// As in [`Gift::seq`].
    pub seq: u64,
    /// As in [`Gift::secret`].
    pub secret: Zeroizing<[u8; 16]>,
    /// The private prekeys and the public bundle.
    pub prekeys: Prekeys,
    /// When it was made, Unix milliseconds; it is replaced after a month.
    pub made_ms: u64,
    /// One bit for each tag that did its work.
    pub used: u8,
}

impl core::fmt::Debug for OwnGift {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "OwnGift({})", self.seq)
    }
}

impl OwnGift {
    /// A fresh gift that names `mailboxes`.
    ///
    /// # Errors
    /// As [`Bundle::make`].
    pub fn make(
        me: &LocalIdentity,
        seq: u64,
        mailboxes: &MailboxDescriptor,
        made_ms: u64,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, PeerFault> {
        let (_, prekeys) = Bundle::make(me, mailboxes, rng)?;
        Ok(Self { seq, secret: random(rng), prekeys, made_ms, used: 0 })
    }

    /// What the other side gets.
    #[must_use]
    pub fn public(&self) -> Gift {
        Gift { seq: self.seq, secret: self.secret.clone(), bundle: self.prekeys.bundle().clone() }
    }

    /// The tags that were not used yet.
    #[must_use]
    pub fn open_tags(&self) -> Vec<Tag> {
        let all = reset_tags(&self.secret).into_iter().enumerate();
        all.filter(|(at, _)| self.used & (1 << at) == 0).map(|(_, tag)| tag).collect()
    }

    /// Marks a tag as used; `false` if it is not of this gift or was used before.
    pub fn use_tag(&mut self, tag: &Tag) -> bool {
        let at = reset_tags(&self.secret).iter().position(|own| own == tag);
        let Some(bit) = at.map(|at| 1 << at).filter(|bit| self.used & bit == 0) else { return false };
        self.used |= bit;
        true
    }

    /// For the sealed store: `version 1 | seq 8 | made 8 | used 1 | secret 16 | prekeys`.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let prekeys = self.prekeys.encode();
        let parts: [&[u8]; 6] = [
            &[VERSION],
            &self.seq.to_be_bytes(),
            &self.made_ms.to_be_bytes(),
            &[self.used],
            &self.secret[..],
            &prekeys,
        ];
        Zeroizing::new(parts.concat())
    }

    /// Number, time, used tags and secret of an encoded gift, without the work of reading its keys.
    pub(crate) fn summary(bytes: &[u8]) -> Option<(u64, u64, u8, Zeroizing<[u8; 16]>)> {
        let mut reader = Reader(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        Some((reader.u64()?, reader.u64()?, reader.u8()?, Zeroizing::new(*reader.take()?)))
    }

    /// Reads what [`OwnGift::encode`] wrote; `None` if it is damaged.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        Some(Self {
            seq: reader.u64()?,
            made_ms: reader.u64()?,
            used: reader.u8()?,
            secret: Zeroizing::new(*reader.take()?),
            prekeys: Prekeys::decode(reader.0)?,
        })
    }
}
