//! What leaf and relay say to each other inside a tunnel (SPEC §8): `kind 1 | request 4 | fields`, integers big endian.

use crate::cell::Cell;
use crate::error::PeerFault;
use crate::ids::{Locator, MailboxId, TagPrefix};
use crate::work::{ANSWER_BYTES, NONCE_BYTES};

/// A request of a leaf; `u32` numbers it inside its tunnel, the answer carries the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Store a cell in a mailbox. The tag must be registered there and unused.
    Deposit {
        /// The mailbox.
        mailbox: MailboxId,
        /// The cell.
        cell: Cell,
    },
    /// Opens the mailbox of `key`, creating it if the relay grants that; `signature` is Ed25519 over
    /// `"karvon/attach" | tunnel hash 32`.
    Attach {
        /// Mailbox key (Ed25519).
        key: [u8; 32],
        /// Signature over the tunnel's handshake hash.
        signature: [u8; 64],
        /// What to send when cells come in.
        push: Push,
    },
    /// Registers tags in the attached mailbox; each with its size class. Registering a tag again changes nothing.
    Register(Vec<(u8, TagPrefix)>),
    /// Withdraws unused tags (burnt invitations, removed contacts).
    Unregister(Vec<TagPrefix>),
    /// Sends stored cells from sequence number `from` as [`Reply::Item`]s, at most `bytes_max` bytes, then [`Reply::Fetched`].
    Fetch {
        /// First sequence number.
        from: u64,
        /// Bytes after which to stop.
        bytes_max: u32,
    },
    /// The owner has these cells on disk: forget them. Unknown ones are passed over, so it may be sent to each of the owner's relays.
    Remove(Vec<TagPrefix>),
    /// Stores a bundle object (an encoded [`crate::bundle`] object).
    Put(Vec<u8>),
    /// Reads a bundle object.
    Get(Locator),
    /// Brings a cell for a shard: [`Reply::Stored`] once it is durable; it is then gossiped.
    Inject {
        /// The shard.
        shard: u16,
        /// The cell; its tag is a hint (SPEC §10.6).
        cell: Cell,
    },
    /// Sends cells of a shard whose hints one of these keys detects, from number `from` of this relay on, then [`Reply::Fetched`];
    /// and from then on each that comes in, until the tunnel ends or the next request of this kind.
    Follow {
        /// The shard.
        shard: u16,
        /// Keys that detect hints, at most 16.
        keys: Vec<[u8; 32]>,
        /// First number.
        from: u64,
    },
    /// Sends the newest cells of a shard before number `before` of this relay whose hints one of these keys detects, then
    /// [`Reply::Fetched`] with the number before which to go on.
    Recent {
        /// The shard.
        shard: u16,
        /// Keys that detect hints, at most 16.
        keys: Vec<[u8; 32]>,
        /// Only cells with lower numbers.
        before: u64,
    },
    /// Whether the attached mailbox takes first contacts of strangers.
    TakeRequests(bool),
    /// What a first contact to a mailbox costs: [`Reply::Terms`].
    Terms(MailboxId),
    /// Stores a first contact of a stranger, for proof of work.
    Knock {
        /// The mailbox.
        mailbox: MailboxId,
        /// The relay's nonce by which the work was done.
        nonce: [u8; NONCE_BYTES],
        /// The answer found.
        answer: [u8; ANSWER_BYTES],
        /// The cell, of class S.
        cell: Cell,
    },
}

/// Keys in one [`Request::Follow`].
pub const FOLLOW_KEYS_MAX: usize = 16;

/// What a relay sends when a cell comes in for an attached mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Push {
    /// Nothing.
    None = 0,
    /// [`Reply::Notice`].
    Notices = 1,
    /// [`Reply::Item`], as soon as it comes in and before it is durable there.
    Cells = 2,
}

/// Why a relay refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// Not understood, or out of bounds.
    Malformed = 0,
    /// No such mailbox, or this tag is not registered or was used: try elsewhere, wait for the ack.
    UnknownTag = 1,
    /// The tag was used by another cell.
    UsedTag = 2,
    /// The tag was registered for another size class.
    WrongClass = 3,
    /// The mailbox or the store is full.
    Full = 4,
    /// Too many requests at once.
    Busy = 5,
    /// The signature is wrong, or the mailbox is not attached on this tunnel.
    NotAttached = 6,
    /// The object is older than the one held, or another owner pinned its locator.
    Stale = 7,
    /// Nothing lies there.
    NotFound = 8,
    /// The relay does not keep mailboxes.
    NoMailboxes = 9,
    /// This mailbox takes no first contacts of strangers here.
    NoRequests = 10,
    /// As many first contacts as it takes wait in this mailbox already.
    RequestsFull = 11,
    /// The work was done by a nonce that is over: ask for the terms anew.
    StaleWork = 12,
    /// The work does not hold: another cell or mailbox, or too few zero bits.
    WeakWork = 13,
    /// This work was used already.
    UsedWork = 14,
}

impl Refusal {
    /// How many there are; their numbers are below this.
    pub const COUNT: usize = 15;

    /// The name in statistics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownTag => "unknown_tag",
            Self::UsedTag => "used_tag",
            Self::WrongClass => "wrong_class",
            Self::Full => "full",
            Self::Busy => "busy",
            Self::NotAttached => "not_attached",
            Self::Stale => "stale",
            Self::NotFound => "not_found",
            Self::NoMailboxes => "no_mailboxes",
            Self::NoRequests => "no_requests",
            Self::RequestsFull => "requests_full",
            Self::StaleWork => "stale_work",
            Self::WeakWork => "weak_work",
            Self::UsedWork => "used_work",
        }
    }

    /// The refusal with this number; an unknown one is [`Refusal::Malformed`].
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::UnknownTag,
            2 => Self::UsedTag,
            3 => Self::WrongClass,
            4 => Self::Full,
            5 => Self::Busy,
            6 => Self::NotAttached,
            7 => Self::Stale,
            8 => Self::NotFound,
            9 => Self::NoMailboxes,
            10 => Self::NoRequests,
            11 => Self::RequestsFull,
            12 => Self::StaleWork,
            13 => Self::WeakWork,
            14 => Self::UsedWork,
            _ => Self::Malformed,
        }
    }
}

/// A message of a relay; request number 0 marks what was not asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The cell is fsynced here and kept until `expiry_s` (Unix seconds by the relay's clock).
    Stored {
        /// Unix seconds.
        expiry_s: u64,
    },
    /// The mailbox is open: `cells` wait, the next cell gets sequence number `next`.
    Attached {
        /// Cells waiting.
        cells: u32,
        /// Next sequence number.
        next: u64,
    },
    /// Done and fsynced (Register, Unregister, Remove, Put).
    Done,
    /// A stored cell of the attached mailbox.
    Item {
        /// Its sequence number in this mailbox at this relay.
        seq: u64,
        /// The cell.
        cell: Cell,
    },
    /// A cell with this tag came in.
    Notice(TagPrefix),
    /// The end of a fetch: go on from `next` if `more`.
    Fetched {
        /// Where to go on.
        next: u64,
        /// Whether more waits now.
        more: bool,
    },
    /// The object asked for.
    Object(Vec<u8>),
    /// Refused.
    Refused(Refusal),
    /// What a first contact costs now.
    Terms {
        /// By which the work is dated; good for an hour at least.
        nonce: [u8; NONCE_BYTES],
        /// Zero bits wanted.
        bits: u8,
    },
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], PeerFault> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(PeerFault::Length)?;
        self.0 = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, PeerFault> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn flag(&mut self) -> Result<bool, PeerFault> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(PeerFault::Malformed),
        }
    }

    fn u32(&mut self) -> Result<u32, PeerFault> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, PeerFault> {
        self.take().map(u64::from_be_bytes)
    }

    fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }

    fn end(&self) -> Result<(), PeerFault> {
        if self.0.is_empty() { Ok(()) } else { Err(PeerFault::Length) }
    }
}

fn prefixes(rest: &[u8]) -> Result<Vec<TagPrefix>, PeerFault> {
    let (chunks, tail) = rest.as_chunks::<8>();
    if tail.is_empty() {
        Ok(chunks.iter().map(|chunk| TagPrefix(*chunk)).collect())
    } else {
        Err(PeerFault::Length)
    }
}

fn head(kind: u8, number: u32, room: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(5 + room);
    out.push(kind);
    out.extend_from_slice(&number.to_be_bytes());
    out
}

impl Request {
    /// The message with request number `number`.
    #[must_use]
    pub fn encode(&self, number: u32) -> Vec<u8> {
        match self {
            Self::Deposit { mailbox, cell } => {
                let mut out = head(1, number, 16 + cell.bytes().len());
                out.extend_from_slice(&mailbox.0);
                out.extend_from_slice(cell.bytes());
                out
            }
            Self::Attach { key, signature, push } => {
                let mut out = head(2, number, 97);
                out.extend_from_slice(key);
                out.extend_from_slice(signature);
                out.push(*push as u8);
                out
            }
            Self::Register(tags) => {
                let mut out = head(3, number, tags.len() * 9);
                for (class, prefix) in tags {
                    out.push(*class);
                    out.extend_from_slice(&prefix.0);
                }
                out
            }
            Self::Unregister(tags) | Self::Remove(tags) => {
                let kind = if matches!(self, Self::Remove(_)) { 6 } else { 4 };
                let mut out = head(kind, number, tags.len() * 8);
                tags.iter().for_each(|prefix| out.extend_from_slice(&prefix.0));
                out
            }
            Self::Fetch { from, bytes_max } => {
                let mut out = head(5, number, 12);
                out.extend_from_slice(&from.to_be_bytes());
                out.extend_from_slice(&bytes_max.to_be_bytes());
                out
            }
            Self::Put(object) => {
                let mut out = head(7, number, object.len());
                out.extend_from_slice(object);
                out
            }
            Self::Get(locator) => {
                let mut out = head(8, number, 32);
                out.extend_from_slice(&locator.0);
                out
            }
            Self::Inject { shard, cell } => {
                let mut out = head(9, number, 2 + cell.bytes().len());
                out.extend_from_slice(&shard.to_be_bytes());
                out.extend_from_slice(cell.bytes());
                out
            }
            Self::Follow { shard, keys, from: at } | Self::Recent { shard, keys, before: at } => {
                let kind = if matches!(self, Self::Follow { .. }) { 10 } else { 11 };
                let mut out = head(kind, number, 10 + keys.len() * 32);
                out.extend_from_slice(&shard.to_be_bytes());
                out.extend_from_slice(&at.to_be_bytes());
                keys.iter().for_each(|key| out.extend_from_slice(key));
                out
            }
            Self::TakeRequests(on) => {
                let mut out = head(12, number, 1);
                out.push(u8::from(*on));
                out
            }
            Self::Terms(mailbox) => {
                let mut out = head(13, number, 16);
                out.extend_from_slice(&mailbox.0);
                out
            }
            Self::Knock { mailbox, nonce, answer, cell } => {
                let mut out = head(14, number, 16 + NONCE_BYTES + ANSWER_BYTES + cell.bytes().len());
                out.extend_from_slice(&mailbox.0);
                out.extend_from_slice(nonce);
                out.extend_from_slice(answer);
                out.extend_from_slice(cell.bytes());
                out
            }
        }
    }

    /// Reads a request and its number.
    ///
    /// # Errors
    /// A [`PeerFault`]; the tunnel is then closed.
    pub fn decode(bytes: &[u8]) -> Result<(u32, Self), PeerFault> {
        let mut reader = Reader(bytes);
        let (kind, number) = (reader.u8()?, reader.u32()?);
        let request = match kind {
            1 => Self::Deposit {
                mailbox: MailboxId(reader.take()?),
                cell: Cell::parse(reader.rest().to_vec())?,
            },
            2 => Self::Attach {
                key: reader.take()?,
                signature: reader.take()?,
                push: match reader.u8()? {
                    0 => Push::None,
                    1 => Push::Notices,
                    2 => Push::Cells,
                    _ => return Err(PeerFault::Malformed),
                },
            },
            3 => {
                let (chunks, tail) = reader.rest().as_chunks::<9>();
                if !tail.is_empty() {
                    return Err(PeerFault::Length);
                }
                Self::Register(
                    chunks
                        .iter()
                        .map(|[class, prefix @ ..]| match class {
                            0..=2 => Ok((*class, TagPrefix(*prefix))),
                            _ => Err(PeerFault::Malformed),
                        })
                        .collect::<Result<_, _>>()?,
                )
            }
            4 => Self::Unregister(prefixes(reader.rest())?),
            5 => Self::Fetch { from: reader.u64()?, bytes_max: reader.u32()? },
            6 => Self::Remove(prefixes(reader.rest())?),
            7 => Self::Put(reader.rest().to_vec()),
            8 => Self::Get(Locator(reader.take()?)),
            9 => Self::Inject {
                shard: u16::from_be_bytes(reader.take()?),
                cell: Cell::parse(reader.rest().to_vec())?,
            },
            kind @ (10 | 11) => {
                let (shard, at) = (u16::from_be_bytes(reader.take()?), reader.u64()?);
                let (keys, tail) = reader.rest().as_chunks::<32>();
                if !tail.is_empty() {
                    return Err(PeerFault::Length);
                }
                if keys.len() > FOLLOW_KEYS_MAX || shard >= crate::limits::SHARDS {
                    return Err(PeerFault::Bound);
                }
                let keys = keys.to_vec();
                match kind {
                    10 => Self::Follow { shard, keys, from: at },
                    _ => Self::Recent { shard, keys, before: at },
                }
            }
            12 => Self::TakeRequests(reader.flag()?),
            13 => Self::Terms(MailboxId(reader.take()?)),
            14 => Self::Knock {
                mailbox: MailboxId(reader.take()?),
                nonce: reader.take()?,
                answer: reader.take()?,
                cell: Cell::parse(reader.rest().to_vec())?,
            },
            _ => return Err(PeerFault::Malformed),
        };
        reader.end()?;
        Ok((number, request))
    }
}

impl Reply {
    /// The message that answers request `number` (0: unasked).
    #[must_use]
    pub fn encode(&self, number: u32) -> Vec<u8> {
        match self {
            Self::Stored { expiry_s } => {
                let mut out = head(1, number, 8);
                out.extend_from_slice(&expiry_s.to_be_bytes());
                out
            }
            Self::Attached { cells, next } => {
                let mut out = head(2, number, 12);
                out.extend_from_slice(&cells.to_be_bytes());
                out.extend_from_slice(&next.to_be_bytes());
                out
            }
            Self::Done => head(3, number, 0),
            Self::Item { seq, cell } => {
                let mut out = head(4, number, 8 + cell.bytes().len());
                out.extend_from_slice(&seq.to_be_bytes());
                out.extend_from_slice(cell.bytes());
                out
            }
            Self::Notice(prefix) => {
                let mut out = head(5, number, 8);
                out.extend_from_slice(&prefix.0);
                out
            }
            Self::Fetched { next, more } => {
                let mut out = head(6, number, 9);
                out.extend_from_slice(&next.to_be_bytes());
                out.push(u8::from(*more));
                out
            }
            Self::Object(object) => {
                let mut out = head(7, number, object.len());
                out.extend_from_slice(object);
                out
            }
            Self::Refused(code) => {
                let mut out = head(8, number, 1);
                out.push(*code as u8);
                out
            }
            Self::Terms { nonce, bits } => {
                let mut out = head(9, number, NONCE_BYTES + 1);
                out.extend_from_slice(nonce);
                out.push(*bits);
                out
            }
        }
    }

    /// Reads a reply and the number of its request.
    ///
    /// # Errors
    /// A [`PeerFault`]; the tunnel is then closed.
    pub fn decode(bytes: &[u8]) -> Result<(u32, Self), PeerFault> {
        let mut reader = Reader(bytes);
        let (kind, number) = (reader.u8()?, reader.u32()?);
        let reply = match kind {
            1 => Self::Stored { expiry_s: reader.u64()? },
            2 => Self::Attached { cells: reader.u32()?, next: reader.u64()? },
            3 => Self::Done,
            4 => Self::Item { seq: reader.u64()?, cell: Cell::parse(reader.rest().to_vec())? },
            5 => Self::Notice(TagPrefix(reader.take()?)),
            6 => Self::Fetched { next: reader.u64()?, more: reader.flag()? },
            7 => Self::Object(reader.rest().to_vec()),
            8 => Self::Refused(Refusal::from_number(reader.u8()?)),
            9 => Self::Terms { nonce: reader.take()?, bits: reader.u8()? },
            _ => return Err(PeerFault::Malformed),
        };
        reader.end()?;
        Ok((number, reply))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::{Class, OUTER_BYTES};
    use crate::ids::Tag;

    fn cell() -> Cell {
        let mut bytes = vec![1; Class::S.bytes()];
        bytes[..OUTER_BYTES].copy_from_slice(&Cell::outer(Class::S, &Tag([2; 16]), 0));
        Cell::parse(bytes).unwrap()
    }

    #[test]
    fn requests_and_replies_come_back_as_they_were() {
        let requests = [
            Request::Deposit { mailbox: MailboxId([1; 16]), cell: cell() },
            Request::Attach { key: [1; 32], signature: [2; 64], push: Push::Cells },
            Request::Register(vec![(0, TagPrefix([1; 8])), (2, TagPrefix([2; 8]))]),
            Request::Unregister(vec![TagPrefix([3; 8])]),
            Request::Fetch { from: 7, bytes_max: 9 },
            Request::Remove(vec![TagPrefix([4; 8]), TagPrefix([5; 8])]),
            Request::Put(vec![1, 2, 3]),
            Request::Get(Locator([9; 32])),
            Request::Inject { shard: 3, cell: cell() },
            Request::Follow { shard: 3, keys: vec![[1; 32], [2; 32]], from: 7 },
            Request::Recent { shard: 3, keys: vec![[1; 32]], before: u64::MAX },
            Request::TakeRequests(true),
            Request::Terms(MailboxId([3; 16])),
            Request::Knock { mailbox: MailboxId([1; 16]), nonce: [2; 16], answer: [3; 8], cell: cell() },
        ];
        for request in requests {
            assert_eq!(Request::decode(&request.encode(5)), Ok((5, request)));
        }
        let replies = [
            Reply::Stored { expiry_s: 5 },
            Reply::Attached { cells: 1, next: 2 },
            Reply::Done,
            Reply::Item { seq: 3, cell: cell() },
            Reply::Notice(TagPrefix([1; 8])),
            Reply::Fetched { next: 4, more: true },
            Reply::Object(vec![4]),
            Reply::Refused(Refusal::Full),
            Reply::Terms { nonce: [7; 16], bits: 6 },
        ];
        for reply in replies {
            assert_eq!(Reply::decode(&reply.encode(6)), Ok((6, reply)));
        }
    }

    #[test]
    fn truncated_or_longer_messages_are_refused() {
        let fetch = Request::Fetch { from: 7, bytes_max: 9 }.encode(1);
        assert!(Request::decode(&fetch[..fetch.len() - 1]).is_err());
        assert!(Request::decode(&[fetch.as_slice(), &[0]].concat()).is_err());
        assert_eq!(Request::decode(&[99, 0, 0, 0, 0]), Err(PeerFault::Malformed));
        assert_eq!(Request::decode(&[12, 0, 0, 0, 1, 2]), Err(PeerFault::Malformed));
        for number in 0..Refusal::COUNT as u8 {
            assert_eq!(Refusal::from_number(number) as u8, number);
        }
        assert_eq!(Refusal::from_number(Refusal::COUNT as u8), Refusal::Malformed);
    }
}
