//! Published addresses: one line of text that may stand in public, by which strangers ask for a conversation (SPEC §5.5).
//!
//! It names the relays where the bundle lies and nothing that lets anybody in: no address of a door to block, no slot to use up. Whoever
//! uses it comes by a door of their own.

use crate::crypto::fixed::Reader;
use crate::crypto::kdf::{derive, random};
use crate::crypto::labels::{ADDRESS_BUNDLE, ADDRESS_LOCATOR, ADDRESS_MARK, ADDRESS_SALT, ADDRESS_TALK};
use crate::descriptor::Door;
use crate::error::ErrorKind;
use crate::ids::{Fingerprint, Locator, RelayId, Tag, first};
use crate::invite::{self, ADDRESS, Invitation};
use core::fmt;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

const VERSION: u8 = 0;
/// Relays in one address at the most.
pub const RELAYS_MAX: usize = 5;

/// What a published address says.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Fingerprint of the owner's account key.
    pub who: Fingerprint,
    /// What everything else follows from; everybody who reads the address has it.
    pub secret: [u8; 16],
    /// Relays that keep the bundle, one to five.
    pub relays: Vec<RelayId>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({:?})", self.who)
    }
}

impl Address {
    /// A new address of `who`, whose bundle lies at `relays` (of which five are named).
    #[must_use]
    pub fn new(who: Fingerprint, relays: &[RelayId], rng: &mut dyn CryptoRng) -> Self {
        Self { who, secret: *random(rng), relays: relays.iter().take(RELAYS_MAX).copied().collect() }
    }

    /// Base32 of `version 4 bit, 9 4 bit | fingerprint 20 | secret 16 | number of relays 1 | relay id 16 … | BLAKE3(all before)[..2]`
    /// after `KARVON:`: 97 to 199 characters.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let relays = self.relays.iter().take(RELAYS_MAX);
        let mut content = vec![VERSION << 4 | ADDRESS];
        content.extend_from_slice(&self.who.0);
        content.extend_from_slice(&self.secret);
        content.push(relays.len() as u8);
        relays.for_each(|relay| content.extend_from_slice(&relay.0));
        invite::write_text(&content, true)
    }

    /// Reads what [`Address::to_text`] wrote, as forgiving as [`Invitation::from_text`].
    ///
    /// # Errors
    /// [`ErrorKind::InviteDamaged`] or [`ErrorKind::InviteNewer`].
    pub fn from_text(text: &str) -> Result<Self, ErrorKind> {
        let damaged = ErrorKind::InviteDamaged;
        let content = invite::read_text(text)?;
        let mut reader = Reader(&content);
        if reader.u8().ok_or(damaged)? != VERSION << 4 | ADDRESS {
            return Err(ErrorKind::InviteNewer);
        }
        let who = Fingerprint(*reader.take().ok_or(damaged)?);
        let secret = *reader.take().ok_or(damaged)?;
        let count = usize::from(reader.u8().ok_or(damaged)?);
        let (relays, rest) = reader.0.as_chunks::<16>();
        if !rest.is_empty() || relays.len() != count || !(1..=RELAYS_MAX).contains(&count) {
            return Err(damaged);
        }
        Ok(Self { who, secret, relays: relays.iter().map(|relay| RelayId(*relay)).collect() })
    }

    fn derive<const N: usize>(&self, label: &str) -> Zeroizing<[u8; N]> {
        derive(ADDRESS_SALT.as_bytes(), &self.secret, label)
    }

    /// Where the bundle object lies.
    #[must_use]
    pub fn locator(&self) -> Locator {
        Locator(*self.derive(ADDRESS_LOCATOR))
    }

    /// What the bundle object is sealed with.
    #[must_use]
    pub fn bundle_key(&self) -> Zeroizing<[u8; 32]> {
        self.derive(ADDRESS_BUNDLE)
    }

    /// The tag of a request: `r 8 | keyed BLAKE3(mark key, "request" | r)[..8]`, so that its owner knows it and each is another one.
    #[must_use]
    pub fn tag(&self, r: [u8; 8]) -> Tag {
        let mark = blake3::keyed_hash(&self.derive(ADDRESS_MARK), &[&b"request"[..], &r].concat());
        Tag(first(&[&r[..], &first::<8>(mark.as_bytes())].concat()))
    }

    /// Whether a cell with this tag asks at this address.
    #[must_use]
    pub fn is_asked(&self, tag: &Tag) -> bool {
        self.tag(first(&tag.0)) == *tag
    }

    /// What both sides of a conversation that began here share in place of an invitation's secret: message ids come from it.
    #[must_use]
    pub fn talk_secret(&self, asker: &Fingerprint) -> Zeroizing<[u8; 16]> {
        derive(ADDRESS_SALT.as_bytes(), &[&self.secret[..], &asker.0, &self.who.0].concat(), ADDRESS_TALK)
    }
}

/// What somebody was given to begin a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ticket {
    /// For one person.
    Invitation(Invitation),
    /// For everybody who reads it.
    Address(Address),
}

impl Ticket {
    /// Reads either.
    ///
    /// # Errors
    /// [`ErrorKind::InviteDamaged`] or [`ErrorKind::InviteNewer`].
    pub fn from_text(text: &str) -> Result<Self, ErrorKind> {
        match Invitation::from_text(text) {
            Ok(invitation) => Ok(Self::Invitation(invitation)),
            Err(ErrorKind::InviteNewer) => Address::from_text(text).map(Self::Address),
            Err(error) => Err(error),
        }
    }

    /// The text, with its prefix.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        match self {
            Self::Invitation(invitation) => invitation.to_text(true),
            Self::Address(address) => address.to_text(),
        }
    }

    /// Whose it is.
    #[must_use]
    pub const fn who(&self) -> Fingerprint {
        match self {
            Self::Invitation(invitation) => invitation.who,
            Self::Address(address) => address.who,
        }
    }

    /// What the conversation of `asker` with its owner is named after.
    #[must_use]
    pub fn talk_secret(&self, asker: &Fingerprint) -> Zeroizing<[u8; 16]> {
        match self {
            Self::Invitation(invitation) => invitation.secret.clone(),
            Self::Address(address) => address.talk_secret(asker),
        }
    }

    /// Where the bundle lies, and what opens it.
    #[must_use]
    pub fn bundle(&self) -> (Locator, Zeroizing<[u8; 32]>) {
        match self {
            Self::Invitation(invitation) => {
                let keys = invitation.keys();
                (keys.locator, keys.bundle_key)
            }
            Self::Address(address) => (address.locator(), address.bundle_key()),
        }
    }

    /// Relays that keep the bundle.
    #[must_use]
    pub fn relays(&self) -> Vec<RelayId> {
        match self {
            Self::Invitation(invitation) => invitation.places().map(|(relay, _)| relay).collect(),
            Self::Address(address) => address.relays.clone(),
        }
    }

    /// Doors that it brings.
    #[must_use]
    pub fn doors(&self) -> Vec<Door> {
        match self {
            Self::Invitation(invitation) => invitation.doors(),
            Self::Address(_) => Vec::new(),
        }
    }

    /// The tag of the first cell; `random` is used where each asker has another one.
    #[must_use]
    pub fn tag(&self, random: [u8; 8]) -> Tag {
        match self {
            Self::Invitation(invitation) => {
                let [tag, ..] = invitation.keys().tags;
                tag
            }
            Self::Address(address) => address.tag(random),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(relays: u8) -> Address {
        let relays = (0..relays).map(|number| RelayId([number; 16])).collect();
        Address { who: Fingerprint([7; 20]), secret: [8; 16], relays }
    }

    #[test]
    fn an_address_is_read_as_it_was_written_and_is_no_invitation() {
        for relays in 1..=5 {
            let text = address(relays).to_text();
            assert!(text.starts_with("KARVON:") && (97..=199).contains(&text.len()), "{}", text.len());
            assert_eq!(Address::from_text(&text), Ok(address(relays)));
            assert_eq!(Ticket::from_text(&text.to_lowercase()), Ok(Ticket::Address(address(relays))));
            assert_eq!(Invitation::from_text(&text), Err(ErrorKind::InviteNewer), "as an older program says");
        }
    }

    #[test]
    fn damage_and_impossible_counts_are_refused() {
        let text = address(3).to_text();
        for at in 7..text.len() {
            let mut bent = text.as_bytes().to_vec();
            bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
            let bent = String::from_utf8(bent).unwrap();
            assert!(Ticket::from_text(&bent).is_err(), "letter {at}");
        }
        for (count, relays) in [(0, 0), (2, 3), (4, 3), (6, 6)] {
            let mut content = vec![ADDRESS];
            content.extend([7; 36]);
            content.push(count);
            content.extend(vec![1; 16 * relays]);
            let text = invite::write_text(&content, true);
            assert_eq!(Ticket::from_text(&text), Err(ErrorKind::InviteDamaged), "{count} and {relays}");
        }
        assert_eq!(Ticket::from_text(&invite::write_text(&[0x19; 80], true)), Err(ErrorKind::InviteNewer));
    }

    #[test]
    fn requests_are_known_by_their_tags_and_conversations_differ() {
        let (one, mut two) = (address(1), address(1));
        two.secret = [9; 16];
        assert!(one.is_asked(&one.tag([1; 8])) && !two.is_asked(&one.tag([1; 8])));
        assert_ne!(one.tag([1; 8]).prefix(), one.tag([2; 8]).prefix());
        let (ali, bob) = (Fingerprint([1; 20]), Fingerprint([2; 20]));
        assert_ne!(one.talk_secret(&ali), one.talk_secret(&bob));
        assert_ne!(one.talk_secret(&ali), two.talk_secret(&ali));
    }
}
