//! Requests and replies as bytes.

use super::{FOLLOW_KEYS_MAX, PIECE_BYTES, Push, Refusal, Reply, Request, pieces};
use crate::cell::{Cell, Class};
use crate::error::PeerFault;
use crate::ids::{Locator, MailboxId, TagPrefix};
use crate::work::{ANSWER_BYTES, NONCE_BYTES};

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

    fn class(&mut self) -> Result<Class, PeerFault> {
        Class::from_number(self.u8()?).ok_or(PeerFault::Malformed)
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
            Self::Fetch { from, bytes_max, whole } => {
                let mut out = head(5, number, 13);
                out.extend_from_slice(&from.to_be_bytes());
                out.extend_from_slice(&bytes_max.to_be_bytes());
                out.push(*whole as u8);
                out
            }
            Self::Pieces { prefix, from, count } => {
                let mut out = head(15, number, 10);
                out.extend_from_slice(&prefix.0);
                out.extend_from_slice(&[*from, *count]);
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
                    3 => Push::Small,
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
            5 => Self::Fetch {
                from: reader.u64()?,
                bytes_max: reader.u32()?,
                whole: match reader.class()? {
                    Class::L => return Err(PeerFault::Bound),
                    small => small,
                },
            },
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
            15 => {
                let (prefix, from, count) = (TagPrefix(reader.take()?), reader.u8()?, reader.u8()?);
                if count == 0 || u16::from(from) + u16::from(count) > u16::from(pieces(Class::L)) {
                    return Err(PeerFault::Bound);
                }
                Self::Pieces { prefix, from, count }
            }
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
            Self::Notice(prefix, class) => {
                let mut out = head(5, number, 9);
                out.extend_from_slice(&prefix.0);
                out.push(*class as u8);
                out
            }
            Self::Piece { prefix, index, bytes } => {
                let mut out = head(10, number, 9 + bytes.len());
                out.extend_from_slice(&prefix.0);
                out.push(*index);
                out.extend_from_slice(bytes);
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
            5 => Self::Notice(TagPrefix(reader.take()?), reader.class()?),
            6 => Self::Fetched { next: reader.u64()?, more: reader.flag()? },
            7 => Self::Object(reader.rest().to_vec()),
            8 => Self::Refused(Refusal::from_number(reader.u8()?)),
            9 => Self::Terms { nonce: reader.take()?, bits: reader.u8()? },
            10 => {
                let (prefix, index, bytes) = (TagPrefix(reader.take()?), reader.u8()?, reader.rest());
                if bytes.len() != PIECE_BYTES || index >= pieces(Class::L) {
                    return Err(PeerFault::Bound);
                }
                Self::Piece { prefix, index, bytes: bytes.to_vec() }
            }
            _ => return Err(PeerFault::Malformed),
        };
        reader.end()?;
        Ok((number, reply))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::OUTER_BYTES;
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
            Request::Fetch { from: 7, bytes_max: 9, whole: Class::M },
            Request::Pieces { prefix: TagPrefix([6; 8]), from: 29, count: 1 },
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
            Reply::Notice(TagPrefix([1; 8]), Class::L),
            Reply::Piece { prefix: TagPrefix([1; 8]), index: 29, bytes: vec![7; PIECE_BYTES] },
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
        let fetch = Request::Fetch { from: 7, bytes_max: 9, whole: Class::S }.encode(1);
        assert!(Request::decode(&fetch[..fetch.len() - 1]).is_err());
        assert!(Request::decode(&[fetch.as_slice(), &[0]].concat()).is_err());
        assert_eq!(Request::decode(&[99, 0, 0, 0, 0]), Err(PeerFault::Malformed));
        assert_eq!(Request::decode(&[12, 0, 0, 0, 1, 2]), Err(PeerFault::Malformed));
        for (from, count) in [(0, 0), (30, 1), (29, 2), (255, 255)] {
            let pieces = Request::Pieces { prefix: TagPrefix([6; 8]), from, count };
            assert_eq!(Request::decode(&pieces.encode(1)), Err(PeerFault::Bound));
        }
        let large = Request::Fetch { from: 7, bytes_max: 9, whole: Class::L };
        assert_eq!(
            Request::decode(&large.encode(1)),
            Err(PeerFault::Bound),
            "one of class L comes in pieces"
        );
        for (index, length) in [(30, PIECE_BYTES), (0, PIECE_BYTES - 1), (0, PIECE_BYTES + 1)] {
            let piece = Reply::Piece { prefix: TagPrefix([6; 8]), index, bytes: vec![0; length] };
            assert_eq!(Reply::decode(&piece.encode(1)), Err(PeerFault::Bound));
        }
        for number in 0..Refusal::COUNT as u8 {
            assert_eq!(Refusal::from_number(number) as u8, number);
        }
        assert_eq!(Refusal::from_number(Refusal::COUNT as u8), Refusal::Malformed);
    }
}
