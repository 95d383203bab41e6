//! Invitations: one line of text that says whom to talk to, where, and with which one-time secret (SPEC §5, DESIGN P3).

use crate::crypto::fixed::Reader;
use crate::crypto::kdf::{derive, random};
use crate::crypto::labels::{
    INVITE_BUNDLE, INVITE_DOOR, INVITE_LOCATOR, INVITE_SALT, INVITE_SLOT, INVITE_TAGS,
};
use crate::descriptor::{Door, RelayAddr};
use crate::error::{ErrorKind, PeerFault};
use crate::ids::{Fingerprint, Locator, RelayId, SlotId, Tag, first};
use core::fmt;
use data_encoding::BASE32_NOPAD;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

const PREFIX: &str = "KARVON:";
const VERSION: u8 = 0;
/// Longest text that is looked at; an invitation has 135 characters at the most, white space comes on top.
const TEXT_MAX: usize = 4_096;
/// First-contact tags of an invitation.
pub const FIRST_TAGS: usize = 4;

/// What an invitation says.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Fingerprint of the inviter's account key.
    pub who: Fingerprint,
    /// The one-time secret.
    pub secret: Zeroizing<[u8; 16]>,
    /// The relay of the door.
    pub relay: RelayId,
    /// The door's address.
    pub addr: RelayAddr,
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invitation({:?})", self.who)
    }
}

/// What follows from the secret of an invitation. The relay gets the door, the locator and the tags; never the secret or `bundle_key`.
pub struct InviteKeys {
    /// The guest's door.
    pub door: Door,
    /// Where the bundle object lies.
    pub locator: Locator,
    /// What the bundle object is sealed with.
    pub bundle_key: Zeroizing<[u8; 32]>,
    /// The tags of the first cells to the inviter; all of class S.
    pub tags: [Tag; FIRST_TAGS],
}

impl Invitation {
    /// An invitation to `who` with a fresh secret, through the door of `relay` at `addr`.
    #[must_use]
    pub fn new(who: Fingerprint, relay: RelayId, addr: RelayAddr, rng: &mut dyn CryptoRng) -> Self {
        Self { who, secret: random(rng), relay, addr }
    }

    /// Base32 (RFC 4648, no padding) of `version 4 bit, address kind 4 bit | fingerprint 20 | secret 16 | relay 16 | address |
    /// BLAKE3(all before)[..2]`, after `KARVON:` if `prefix`. 105, 124 or at most 135 characters with the prefix.
    #[must_use]
    pub fn to_text(&self, prefix: bool) -> Zeroizing<String> {
        let head = [VERSION << 4 | self.addr.kind()];
        let addr = self.addr.encode();
        let content =
            Zeroizing::new([&head[..], &self.who.0, &self.secret[..], &self.relay.0, &addr].concat());
        let check: [u8; 2] = first(blake3::hash(&content).as_bytes());
        let raw = Zeroizing::new([&content[..], &check].concat());
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 128));
        if prefix {
            text.push_str(PREFIX);
        }
        BASE32_NOPAD.encode_append(&raw, &mut text);
        text
    }

    /// Reads an invitation; white space, hyphens, lower case and a missing `KARVON:` are forgiven.
    ///
    /// # Errors
    /// [`ErrorKind::InviteDamaged`] or [`ErrorKind::InviteNewer`].
    pub fn from_text(text: &str) -> Result<Self, ErrorKind> {
        let damaged = ErrorKind::InviteDamaged;
        if text.len() > TEXT_MAX {
            return Err(damaged);
        }
        let mut plain = Zeroizing::new(String::with_capacity(text.len()));
        plain
            .extend(text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase()));
        let body = plain.strip_prefix(PREFIX).unwrap_or(&plain);
        let raw = Zeroizing::new(BASE32_NOPAD.decode(body.as_bytes()).map_err(|_| damaged)?);
        let (content, check) = raw.split_last_chunk::<2>().ok_or(damaged)?;
        if first::<2>(blake3::hash(content).as_bytes()) != *check {
            return Err(damaged);
        }
        let mut reader = Reader(content);
        let head = reader.u8().ok_or(damaged)?;
        if head >> 4 != VERSION {
            return Err(ErrorKind::InviteNewer);
        }
        let who = Fingerprint(*reader.take().ok_or(damaged)?);
        let secret = Zeroizing::new(*reader.take().ok_or(damaged)?);
        let relay = RelayId(*reader.take().ok_or(damaged)?);
        match RelayAddr::decode(head & 0x0f, reader.0) {
            Ok((addr, [])) => Ok(Self { who, secret, relay, addr }),
            Err(PeerFault::Version) => Err(ErrorKind::InviteNewer),
            _ => Err(damaged),
        }
    }

    /// The keys: HKDF-SHA256 of the secret, one label for each.
    #[must_use]
    pub fn keys(&self) -> InviteKeys {
        let salt = INVITE_SALT.as_bytes();
        let tags = derive::<{ FIRST_TAGS * Tag::LEN }>(salt, &self.secret[..], INVITE_TAGS);
        let mut chunks = tags.as_chunks::<{ Tag::LEN }>().0.iter();
        InviteKeys {
            door: Door {
                relay: self.relay,
                addr: self.addr.clone(),
                slot: SlotId(*derive(salt, &self.secret[..], INVITE_SLOT)),
                key: derive(salt, &self.secret[..], INVITE_DOOR),
            },
            locator: Locator(*derive(salt, &self.secret[..], INVITE_LOCATOR)),
            bundle_key: derive(salt, &self.secret[..], INVITE_BUNDLE),
            tags: core::array::from_fn(|_| Tag(chunks.next().copied().unwrap_or_default())),
        }
    }
}
