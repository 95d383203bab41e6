//! What a member says to a group: a message with a number, and a receipt for those of others; both signed with the member's group key.

use super::op::read_ids;
use crate::cbor::{MapWriter, array, bytes, canonical, read_map, uint};
use crate::crypto::labels::{SIGN_GROUP_POST, SIGN_GROUP_RECEIPT};
use crate::crypto::{LocalSignKey, RemoteSignKey, SIGNATURE_BYTES};
use crate::error::PeerFault;
use crate::ids::{GroupId, MemberId, MessageId, OpId, first};

/// Longest body of a message to a group, bytes: what fits an L cell with everything around it.
pub const BODY_BYTES_MAX: usize = 48_000;
/// Highest number of a message.
pub const SEQ_MAX: u64 = 1 << 48;
/// Members in one receipt.
const RECEIPT_MAX: usize = super::MEMBERS_MAX;

/// A message to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// The group.
    pub group: GroupId,
    /// The author.
    pub author: MemberId,
    /// The author's number of it in this group, from 1.
    pub seq: u64,
    /// The first number since the author last saw somebody join: whoever joined then is to have all from there on.
    pub base: u64,
    /// The newest operations the author knew, ascending.
    pub view: Vec<OpId>,
    /// An encoded [`crate::body::Body`].
    pub body: Vec<u8>,
}

impl Post {
    fn content(&self) -> Vec<u8> {
        let view: Vec<_> = self.view.iter().map(|id| bytes(&id.0)).collect();
        let mut map = MapWriter::default();
        map.bytes(0, &self.group.0).bytes(1, &self.author.0).uint(2, self.seq).uint(3, self.base);
        map.raw(4, array(&view)).bytes(5, &self.body).finish()
    }

    /// The signed bytes.
    #[must_use]
    pub fn sign(&self, key: &LocalSignKey) -> Vec<u8> {
        sealed(self.content(), SIGN_GROUP_POST, key)
    }

    /// Reads signed bytes; `key_of` gives the key of a member.
    ///
    /// # Errors
    /// [`PeerFault::Mismatch`] if the author is unknown, else what is wrong with the bytes.
    pub fn open(input: &[u8], key_of: impl FnOnce(&MemberId) -> Option<[u8; 32]>) -> Result<Self, PeerFault> {
        let post = Self::read(input)?;
        verify(input, SIGN_GROUP_POST, key_of(&post.author))?;
        Ok(post)
    }

    /// Reads signed bytes that were verified when they came.
    ///
    /// # Errors
    /// A [`PeerFault`].
    pub fn read(input: &[u8]) -> Result<Self, PeerFault> {
        let (content, _) = input.split_last_chunk::<SIGNATURE_BYTES>().ok_or(PeerFault::Length)?;
        let (mut group, mut author, mut body) = (None, None, None);
        let (mut seq, mut base, mut view) = (0, 0, Vec::new());
        read_map(content, |key, field| {
            match key {
                0 => group = Some(GroupId(field.fixed()?)),
                1 => author = Some(MemberId(field.fixed()?)),
                2 => seq = field.uint()?,
                3 => base = field.uint()?,
                4 => view = read_ids(field)?,
                5 => body = Some(field.bytes(BODY_BYTES_MAX)?.to_vec()),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let (Some(group), Some(author), Some(body)) = (group, author, body) else {
            return Err(PeerFault::Malformed);
        };
        // Numbers this high never come about; a gap could not be counted across them.
        if seq == 0 || base == 0 || base > seq || seq > SEQ_MAX {
            return Err(PeerFault::Bound);
        }
        canonical(content, Self { group, author, seq, base, view, body }, Self::content)
    }

    /// The message's id, the same for all members.
    #[must_use]
    pub fn id(&self) -> MessageId {
        message_id(self.group, self.author, self.seq)
    }
}

fn id_parts(group: GroupId, author: MemberId) -> ([u8; 8], u64) {
    let hash = blake3::derive_key("karvon 2026 group message v1", &[group.0, author.0].concat());
    let (name, mask) = hash.split_at(8);
    (first(name), u64::from_be_bytes(first(mask)))
}

/// The id of a message to a group.
#[must_use]
pub fn message_id(group: GroupId, author: MemberId, seq: u64) -> MessageId {
    let (name, mask) = id_parts(group, author);
    MessageId(first(&[name, (seq ^ mask).to_be_bytes()].concat()))
}

/// The number of the message with this id, if `author` can have written it to this group.
#[must_use]
pub fn find(group: GroupId, author: MemberId, id: &MessageId) -> Option<u64> {
    let (name, masked) = id.0.split_first_chunk::<8>()?;
    let (expected, mask) = id_parts(group, author);
    (expected == *name).then(|| u64::from_be_bytes(first(masked)) ^ mask)
}

/// How far somebody is with what others wrote; the one with the highest `round` counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The group.
    pub group: GroupId,
    /// Who says so.
    pub member: MemberId,
    /// Grows with each receipt.
    pub round: u64,
    /// All messages of these authors below these numbers are on the member's disk; authors ascending.
    pub below: Vec<(MemberId, u64)>,
}

impl Receipt {
    fn content(&self) -> Vec<u8> {
        let below: Vec<_> =
            self.below.iter().flat_map(|(author, below)| [bytes(&author.0), uint(*below)]).collect();
        let mut map = MapWriter::default();
        map.bytes(0, &self.group.0).bytes(1, &self.member.0).uint(2, self.round).array(3, &below).finish()
    }

    /// The signed bytes.
    #[must_use]
    pub fn sign(&self, key: &LocalSignKey) -> Vec<u8> {
        sealed(self.content(), SIGN_GROUP_RECEIPT, key)
    }

    /// Reads signed bytes; `key_of` gives the key of a member.
    ///
    /// # Errors
    /// As [`Post::open`].
    pub fn open(input: &[u8], key_of: impl FnOnce(&MemberId) -> Option<[u8; 32]>) -> Result<Self, PeerFault> {
        let (content, _) = input.split_last_chunk::<SIGNATURE_BYTES>().ok_or(PeerFault::Length)?;
        let (mut group, mut member, mut round, mut below) = (None, None, 0, Vec::new());
        read_map(content, |key, field| {
            match key {
                0 => group = Some(GroupId(field.fixed()?)),
                1 => member = Some(MemberId(field.fixed()?)),
                2 => round = field.uint()?,
                3 => {
                    let mut author = None;
                    field.array(2 * RECEIPT_MAX, |item| {
                        match author.take() {
                            None => author = Some(MemberId(item.fixed()?)),
                            Some(author) => below.push((author, item.uint()?)),
                        }
                        Ok(())
                    })?;
                    if author.is_some() || !below.is_sorted_by(|a, b| a.0 < b.0) {
                        return Err(PeerFault::Malformed);
                    }
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let (Some(group), Some(member)) = (group, member) else { return Err(PeerFault::Malformed) };
        let receipt = canonical(content, Self { group, member, round, below }, Self::content)?;
        verify(input, SIGN_GROUP_RECEIPT, key_of(&member))?;
        Ok(receipt)
    }
}

fn sealed(mut content: Vec<u8>, label: &str, key: &LocalSignKey) -> Vec<u8> {
    let signature = key.sign(label, &content);
    content.extend_from_slice(&signature);
    content
}

fn verify(input: &[u8], label: &str, key: Option<[u8; 32]>) -> Result<(), PeerFault> {
    let (content, signature) = input.split_last_chunk::<SIGNATURE_BYTES>().ok_or(PeerFault::Length)?;
    RemoteSignKey(key.ok_or(PeerFault::Mismatch)?).verify(label, content, signature)
}
