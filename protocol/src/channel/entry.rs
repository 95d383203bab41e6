//! One entry of a channel: what the owner signed, and its name.

use crate::cbor::{MapWriter, canonical, read_map};
use crate::crypto::labels::SIGN_CHANNEL;
use crate::crypto::{LocalSignKey, RemoteSignKey, SIGNATURE_BYTES};
use crate::error::PeerFault;
use crate::ids::{ChannelId, EntryId, MessageId, first};
use crate::limits::NAME_BYTES_MAX;

/// Longest body of an entry, bytes: what fits an L cell with everything around it.
pub const BODY_BYTES_MAX: usize = 48_000;

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The channel.
    pub channel: ChannelId,
    /// Its number, from 1.
    pub seq: u64,
    /// Name of the entry before it; zeros before the first.
    pub before: EntryId,
    /// The channel's name at that time.
    pub name: String,
    /// An encoded [`crate::body::Body`].
    pub body: Vec<u8>,
}

/// An entry with the bytes that were signed, and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedEntry {
    /// What it says.
    pub entry: Entry,
    /// Content and signature, as they came.
    pub bytes: Vec<u8>,
    /// BLAKE3 over the content.
    pub id: EntryId,
}

impl Entry {
    fn content(&self) -> Vec<u8> {
        let mut map = MapWriter::default();
        map.bytes(0, &self.channel.0).uint(1, self.seq).bytes(2, &self.before.0);
        map.text(3, &self.name).bytes(4, &self.body).finish()
    }

    /// Signs the entry with the owner's key.
    #[must_use]
    pub fn sign(self, key: &LocalSignKey) -> SignedEntry {
        let mut bytes = self.content();
        let id = EntryId(*blake3::hash(&bytes).as_bytes());
        let signature = key.sign(SIGN_CHANNEL, &bytes);
        bytes.extend_from_slice(&signature);
        SignedEntry { entry: self, bytes, id }
    }

    /// The entry's id as a message, the same for everybody.
    #[must_use]
    pub fn message_id(&self) -> MessageId {
        Self::id_of(self.channel, self.seq)
    }

    /// The id of entry `seq` of a channel as a message.
    #[must_use]
    pub fn id_of(channel: ChannelId, seq: u64) -> MessageId {
        let number = [&channel.0[..], &seq.to_be_bytes()].concat();
        MessageId(first(&blake3::derive_key("karvon 2026 channel message v1", &number)))
    }
}

impl SignedEntry {
    /// Reads an entry of `channel` and checks that `owner` signed it.
    ///
    /// # Errors
    /// [`PeerFault::Mismatch`] for another channel, [`PeerFault::Signature`], or what is wrong with the bytes.
    pub fn open(input: &[u8], channel: ChannelId, owner: &[u8; 32]) -> Result<Self, PeerFault> {
        if Self::read(input)?.entry.channel != channel {
            return Err(PeerFault::Mismatch);
        }
        Self::open_copy(input, owner)
    }

    /// Reads an entry of whatever channel that was passed on, and checks that `owner` signed it. A channel is known by its owner's key,
    /// which is made for it alone; its id says nothing to whoever has no link.
    ///
    /// # Errors
    /// [`PeerFault::Signature`], or what is wrong with the bytes.
    pub fn open_copy(input: &[u8], owner: &[u8; 32]) -> Result<Self, PeerFault> {
        let signed = Self::read(input)?;
        let (content, signature) = input.split_last_chunk::<SIGNATURE_BYTES>().ok_or(PeerFault::Length)?;
        RemoteSignKey(*owner).verify(SIGN_CHANNEL, content, signature)?;
        Ok(signed)
    }

    /// Reads an entry that was verified when it came.
    ///
    /// # Errors
    /// A [`PeerFault`].
    pub fn read(input: &[u8]) -> Result<Self, PeerFault> {
        let (content, _) = input.split_last_chunk::<SIGNATURE_BYTES>().ok_or(PeerFault::Length)?;
        let (mut channel, mut before, mut body) = (None, None, None);
        let (mut seq, mut name) = (0, String::new());
        read_map(content, |key, field| {
            match key {
                0 => channel = Some(ChannelId(field.fixed()?)),
                1 => seq = field.uint()?,
                2 => before = Some(EntryId(field.fixed()?)),
                3 => field.text(NAME_BYTES_MAX)?.clone_into(&mut name),
                4 => body = Some(field.bytes(BODY_BYTES_MAX)?.to_vec()),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let (Some(channel), Some(before), Some(body)) = (channel, before, body) else {
            return Err(PeerFault::Malformed);
        };
        if seq == 0 || seq > 1 << 48 || (seq == 1) != (before == EntryId([0; 32])) {
            return Err(PeerFault::Bound);
        }
        let entry = canonical(content, Entry { channel, seq, before, name, body }, Entry::content)?;
        Ok(Self { entry, bytes: input.to_vec(), id: EntryId(*blake3::hash(content).as_bytes()) })
    }
}
