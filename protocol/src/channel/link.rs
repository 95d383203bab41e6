//! The link of a channel: the owner's key, the secret that reads, and the shard, as one line of text.

use crate::crypto::kdf::derive;
use crate::crypto::labels::CHANNEL;
use crate::error::ErrorKind;
use crate::group::seed::Call;
use crate::ids::{ChannelId, first};
use crate::limits::SHARDS;
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

/// What the text begins with; it may be left out.
pub const CHANNEL_PREFIX: &str = "KARVON-CHANNEL:";
/// Bytes of the link: version 1, owner key 32, secret 16, shard 1, check 2.
const BYTES: usize = 52;
/// Version of the link.
const VERSION: u8 = 1;

/// Everything that a reader of a channel needs. Whoever has it can read; nobody can write with it.
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelLink {
    /// The owner's key for this channel (Ed25519); no account key.
    pub owner: [u8; 32],
    /// What the channel's cells are detected and read by.
    pub secret: [u8; 16],
    /// The shard they travel on.
    pub shard: u16,
}

impl core::fmt::Debug for ChannelLink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ChannelLink({:?})", self.id())
    }
}

impl ChannelLink {
    /// The bytes before the check.
    fn raw(&self) -> Zeroizing<Vec<u8>> {
        let shard = u8::try_from(self.shard).unwrap_or_default();
        Zeroizing::new([&[VERSION][..], &self.owner, &self.secret, &[shard]].concat())
    }

    /// The channel: first half of BLAKE3 over the link's bytes.
    #[must_use]
    pub fn id(&self) -> ChannelId {
        ChannelId(first(blake3::hash(&self.raw()).as_bytes()))
    }

    /// What detects and seals the channel's cells.
    #[must_use]
    pub fn call(&self) -> Call {
        Call::new(&derive::<64>(&self.id().0, &self.secret, CHANNEL))
    }

    /// `KARVON-CHANNEL:` and base32 of `version 1 | owner 32 | secret 16 | shard 1 | check 2`.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<String> {
        let mut raw = self.raw();
        let check = first::<2>(blake3::hash(&raw).as_bytes());
        raw.extend_from_slice(&check);
        Zeroizing::new(format!("{CHANNEL_PREFIX}{}", BASE32_NOPAD.encode(&raw)))
    }

    /// Reads a link, with or without its prefix, in letters of any case, with white space anywhere.
    ///
    /// # Errors
    /// [`ErrorKind::LinkDamaged`], or [`ErrorKind::LinkNewer`] for one of a newer program.
    pub fn decode(text: &str) -> Result<Self, ErrorKind> {
        let damaged = ErrorKind::LinkDamaged;
        if text.len() > 4 * BYTES {
            return Err(damaged);
        }
        let text: Zeroizing<String> = Zeroizing::new(
            text.chars()
                .filter(|letter| !letter.is_whitespace())
                .map(|letter| letter.to_ascii_uppercase())
                .collect(),
        );
        let body = text.strip_prefix(CHANNEL_PREFIX).unwrap_or(&text);
        let raw = Zeroizing::new(BASE32_NOPAD.decode(body.as_bytes()).map_err(|_| damaged)?);
        let (content, check) = raw.split_last_chunk::<2>().ok_or(damaged)?;
        if first::<2>(blake3::hash(content).as_bytes()) != *check {
            return Err(damaged);
        }
        if content.first() != Some(&VERSION) {
            return Err(ErrorKind::LinkNewer);
        }
        let mut reader = crate::crypto::fixed::Reader(content.get(1..).ok_or(damaged)?);
        let fields = (reader.take::<32>(), reader.take::<16>(), reader.u8(), reader.end());
        let (Some(owner), Some(secret), Some(shard), Some(())) = fields else { return Err(damaged) };
        let shard = u16::from(shard);
        if shard >= SHARDS {
            return Err(damaged);
        }
        Ok(Self { owner: *owner, secret: *secret, shard })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_comes_back_from_any_spelling_and_a_damaged_one_is_refused() {
        let link = ChannelLink { owner: [7; 32], secret: [9; 16], shard: 15 };
        let text = link.encode();
        assert_eq!(text.len(), CHANNEL_PREFIX.len() + 84);
        assert_eq!(ChannelLink::decode(&text), Ok(link.clone()));
        let bare = text.strip_prefix(CHANNEL_PREFIX).unwrap().to_lowercase();
        let (one, two) = bare.split_at(40);
        assert_eq!(ChannelLink::decode(&format!(" {one}\n{two} ")), Ok(link.clone()));
        for at in 0..bare.len() {
            let mut damaged = bare.clone().into_bytes();
            damaged[at] = if damaged[at] == b'a' { b'b' } else { b'a' };
            let damaged = String::from_utf8(damaged).unwrap();
            assert!(ChannelLink::decode(&damaged).is_err(), "{at}");
        }
        assert_eq!(ChannelLink::decode(""), Err(ErrorKind::LinkDamaged));
        assert_eq!(ChannelLink::decode(&"A".repeat(10_000)), Err(ErrorKind::LinkDamaged));
        let other = ChannelLink { shard: 14, ..link.clone() };
        assert_ne!(link.id(), other.id());
        assert_ne!(*link.call().detect, *other.call().detect);
    }
}
