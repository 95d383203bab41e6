//! Beacons: where somebody whose contacts have lost every trace of their mailboxes says where they are now (SPEC §6d, DESIGN D2).

use crate::body::MailboxDescriptor;
use crate::bundle::BundleObject;
use crate::crypto::LocalSignKey;
use crate::crypto::kdf::derive;
use crate::crypto::labels::BEACON;
use crate::error::PeerFault;
use crate::identity::LocalIdentity;
use crate::ids::{Fingerprint, Locator, first};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// What both sides of a pair know of the beacon of one of them.
pub struct BeaconKeys {
    /// Where it lies.
    pub locator: Locator,
    owner: LocalSignKey,
    key: Zeroizing<[u8; 32]>,
}

impl core::fmt::Debug for BeaconKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "BeaconKeys({:?})", self.locator)
    }
}

impl BeaconKeys {
    /// The keys of the beacon of the initiator (`of_initiator`) or of the responder of a pair.
    #[must_use]
    pub fn new(pair: &[u8; 32], of_initiator: bool) -> Self {
        let salt = [u8::from(!of_initiator)];
        let out = derive::<96>(&salt, pair, BEACON);
        let part = |at: usize| Zeroizing::new(first::<32>(out.get(at..).unwrap_or_default()));
        Self { locator: Locator(*part(0)), owner: LocalSignKey::from_seed(&part(32)), key: part(64) }
    }

    /// The object that tells where `me` is.
    ///
    /// # Errors
    /// None in practice: a descriptor fits.
    pub fn seal(
        &self,
        me: &LocalIdentity,
        mailboxes: &MailboxDescriptor,
        expiry_s: u64,
        rng: &mut dyn CryptoRng,
    ) -> Result<BundleObject, PeerFault> {
        BundleObject::beacon(
            (&self.locator, &self.key),
            mailboxes,
            me,
            &self.owner,
            (mailboxes.seq, expiry_s),
            rng,
        )
    }

    /// Where the person with fingerprint `expected` says to be.
    ///
    /// # Errors
    /// A [`PeerFault`]: another object, another person, or bent bytes.
    pub fn open(&self, bytes: &[u8], expected: &Fingerprint) -> Result<MailboxDescriptor, PeerFault> {
        let object = BundleObject::verify(bytes)?;
        if object.locator != self.locator {
            return Err(PeerFault::Mismatch);
        }
        object.open_beacon(&self.key, expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{MailboxId, RelayId};
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    #[test]
    fn a_beacon_is_read_by_the_other_side_of_the_pair_and_believed_from_its_owner_alone() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let me = LocalIdentity::from_stretched(&[1; 16], &[2; 32], &mut rng);
        let other = LocalIdentity::from_stretched(&[3; 16], &[4; 32], &mut rng);
        let mailboxes =
            MailboxDescriptor { seq: 9, mailboxes: vec![(RelayId([1; 16]), MailboxId([2; 16])); 5] };
        let keys = BeaconKeys::new(&[7; 32], true);
        let object = keys.seal(&me, &mailboxes, 100, &mut rng).unwrap();
        let read = |keys: &BeaconKeys, who: &LocalIdentity| keys.open(object.bytes(), &who.fingerprint());
        assert_eq!(read(&BeaconKeys::new(&[7; 32], true), &me), Ok(mailboxes.clone()));
        assert_eq!(read(&keys, &other), Err(PeerFault::Mismatch));
        assert_eq!(read(&BeaconKeys::new(&[7; 32], false), &me), Err(PeerFault::Mismatch));
        assert_eq!(read(&BeaconKeys::new(&[8; 32], true), &me), Err(PeerFault::Mismatch));
        // Both sides know the owner key; the device's signature inside is what counts.
        let forged = keys.seal(&other, &mailboxes, 100, &mut rng).unwrap();
        assert_eq!(keys.open(forged.bytes(), &me.fingerprint()), Err(PeerFault::Mismatch));
        let mut bent = object.bytes().to_vec();
        bent[200] ^= 1;
        assert_eq!(keys.open(&bent, &me.fingerprint()), Err(PeerFault::Signature));
    }
}
