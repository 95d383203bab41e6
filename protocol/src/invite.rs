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
/// Stands in place of the address kind in an invitation with several doors.
const LONG: u8 = 8;
/// Stands there in a published address ([`crate::address`]).
pub(crate) const ADDRESS: u8 = 9;
/// Doors in one invitation at the most.
pub const DOORS_MAX: usize = 5;

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
    /// Further doors of the long form, at most four; all have the same slot and key.
    pub others: Vec<(RelayId, RelayAddr)>,
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

/// The line that says `content`: base32 with a check of two bytes, after `KARVON:` if `prefix`.
pub(crate) fn write_text(content: &[u8], prefix: bool) -> Zeroizing<String> {
    let check: [u8; 2] = first(blake3::hash(content).as_bytes());
    let raw = Zeroizing::new([content, &check].concat());
    let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + content.len() * 2));
    if prefix {
        text.push_str(PREFIX);
    }
    BASE32_NOPAD.encode_append(&raw, &mut text);
    text
}

/// What a line says; white space, hyphens, lower case and a missing `KARVON:` are forgiven, a wrong check is not.
pub(crate) fn read_text(text: &str) -> Result<Zeroizing<Vec<u8>>, ErrorKind> {
    let damaged = ErrorKind::InviteDamaged;
    if text.len() > TEXT_MAX {
        return Err(damaged);
    }
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    plain.extend(text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase()));
    let body = plain.strip_prefix(PREFIX).unwrap_or(&plain);
    let mut raw = Zeroizing::new(BASE32_NOPAD.decode(body.as_bytes()).map_err(|_| damaged)?);
    let (content, check) = raw.split_last_chunk::<2>().ok_or(damaged)?;
    if first::<2>(blake3::hash(content).as_bytes()) != *check {
        return Err(damaged);
    }
    let length = content.len();
    raw.truncate(length);
    Ok(raw)
}

impl Invitation {
    /// An invitation to `who` with a fresh secret, through the door of `relay` at `addr`.
    #[must_use]
    pub fn new(who: Fingerprint, relay: RelayId, addr: RelayAddr, rng: &mut dyn CryptoRng) -> Self {
        Self { who, secret: random(rng), relay, addr, others: Vec::new() }
    }

    /// The same with its first door alone, short enough to be read out or shown as a small picture.
    #[must_use]
    pub fn short(&self) -> Self {
        Self { others: Vec::new(), ..self.clone() }
    }

    /// All doors: relay and address.
    pub fn places(&self) -> impl Iterator<Item = (RelayId, &RelayAddr)> {
        let others = self.others.iter().map(|(relay, addr)| (*relay, addr));
        core::iter::once((self.relay, &self.addr)).chain(others)
    }

    /// Base32 (RFC 4648, no padding) of `version 4 bit, address kind 4 bit | fingerprint 20 | secret 16 | relay 16 | address |
    /// BLAKE3(all before)[..2]`, after `KARVON:` if `prefix`: 105, 124 or at most 135 characters with the prefix. With several doors
    /// the kind is 8, and after the secret come their number and `kind 1 | relay 16 | address` for each: at most 415 characters.
    #[must_use]
    pub fn to_text(&self, prefix: bool) -> Zeroizing<String> {
        let mut content = Zeroizing::new(Vec::with_capacity(256));
        let kind = if self.others.is_empty() { self.addr.kind() } else { LONG };
        content.push(VERSION << 4 | kind);
        content.extend_from_slice(&self.who.0);
        content.extend_from_slice(&self.secret[..]);
        if !self.others.is_empty() {
            content.push(self.places().take(DOORS_MAX).count() as u8);
        }
        for (relay, addr) in self.places().take(DOORS_MAX) {
            if !self.others.is_empty() {
                content.push(addr.kind());
            }
            content.extend_from_slice(&relay.0);
            content.extend_from_slice(&addr.encode());
        }
        write_text(&content, prefix)
    }

    /// Reads an invitation; white space, hyphens, lower case and a missing `KARVON:` are forgiven.
    ///
    /// # Errors
    /// [`ErrorKind::InviteDamaged`] or [`ErrorKind::InviteNewer`].
    pub fn from_text(text: &str) -> Result<Self, ErrorKind> {
        let damaged = ErrorKind::InviteDamaged;
        let content = read_text(text)?;
        let mut reader = Reader(&content);
        let head = reader.u8().ok_or(damaged)?;
        if head >> 4 != VERSION {
            return Err(ErrorKind::InviteNewer);
        }
        let who = Fingerprint(*reader.take().ok_or(damaged)?);
        let secret = Zeroizing::new(*reader.take().ok_or(damaged)?);
        let long = head & 0x0f == LONG;
        let count = if long { usize::from(reader.u8().ok_or(damaged)?) } else { 1 };
        // One door alone has one form, the short one.
        if count > DOORS_MAX || long && count < 2 {
            return Err(damaged);
        }
        let mut places = Vec::new();
        for _ in 0..count {
            let kind = if long { reader.u8().ok_or(damaged)? } else { head & 0x0f };
            let relay = RelayId(*reader.take().ok_or(damaged)?);
            let (addr, rest) = RelayAddr::decode(kind, reader.0).map_err(|fault| match fault {
                PeerFault::Version => ErrorKind::InviteNewer,
                _ => damaged,
            })?;
            reader = Reader(rest);
            places.push((relay, addr));
        }
        if !reader.0.is_empty() {
            return Err(damaged);
        }
        let others = places.split_off(1.min(places.len()));
        let (relay, addr) = places.pop().ok_or(damaged)?;
        Ok(Self { who, secret, relay, addr, others })
    }

    /// The guest's doors: one slot and key at each relay.
    #[must_use]
    pub fn doors(&self) -> Vec<Door> {
        let door = self.keys().door;
        self.places().map(|(relay, addr)| Door { relay, addr: addr.clone(), ..door.clone() }).collect()
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
                pt: None,
            },
            locator: Locator(*derive(salt, &self.secret[..], INVITE_LOCATOR)),
            bundle_key: derive(salt, &self.secret[..], INVITE_BUNDLE),
            tags: core::array::from_fn(|_| Tag(chunks.next().copied().unwrap_or_default())),
        }
    }
}
