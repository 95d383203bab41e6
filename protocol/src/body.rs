//! What a cell says once it is open: acknowledgement, credit, mailboxes and message bodies (SPEC §3).
//!
//! Unknown fields and unknown bodies survive decoding and encoding, so an old program loses nothing of a newer one.

use crate::cbor::{Extra, Field, MapWriter, canonical, read_map};
use crate::error::PeerFault;
use crate::ids::{MailboxId, RelayId};
use crate::limits::{NAME_BYTES_MAX, TEXT_BYTES_MAX};

/// Bodies in one cell at the most; an L cell of one-byte texts holds fewer.
const BODIES_MAX: usize = 4_096;
/// Ranges of an acknowledgement at the most.
pub const ACK_RANGES_MAX: usize = 64;
/// Relays in a mailbox descriptor at the most.
pub const MAILBOXES_MAX: usize = 5;

/// One thing said. Kinds are numbered as in SPEC §3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// When the author's device says it was written, Unix milliseconds; shown, never used in decisions.
    pub sent_ms: u64,
    /// What.
    pub content: Content,
    /// Fields of a newer version.
    pub extra: Extra,
}

/// The content of a [`Body`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// 1: a text of 1 to 8,000 bytes.
    Text(String),
    /// 6: the author has read everything up to this sequence number.
    Read(u64),
    /// 10: the name by which the author wants to be called.
    Profile(String),
    /// 22: nothing; covers traffic.
    Dummy,
    /// 32 to 47: a letter about a group, see [`crate::group::wire::Letter`]; no conversation shows it.
    Group(u64, Vec<u8>),
    /// A kind that this program does not know; its fields are in [`Body::extra`].
    Unknown(u64),
}

impl Body {
    /// A letter about a group.
    #[must_use]
    pub fn letter(letter: &crate::group::wire::Letter) -> Self {
        let (kind, bytes) = letter.encode();
        Self { sent_ms: 0, content: Content::Group(kind, bytes), extra: Extra::new() }
    }

    /// Whether no conversation shows this body.
    #[must_use]
    pub const fn is_hidden(&self) -> bool {
        matches!(self.content, Content::Group(..))
    }

    /// A text written at `sent_ms`.
    #[must_use]
    pub fn text(sent_ms: u64, text: &str) -> Self {
        Self { sent_ms, content: Content::Text(text.to_owned()), extra: Extra::new() }
    }

    /// The CBOR map.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::with(&self.extra);
        let kind = match &self.content {
            Content::Text(text) => {
                map.text(2, text);
                1
            }
            Content::Read(upto) => {
                map.uint(2, *upto);
                6
            }
            Content::Profile(name) => {
                map.text(2, name);
                10
            }
            Content::Dummy => 22,
            Content::Group(kind, letter) => {
                map.bytes(2, letter);
                *kind
            }
            Content::Unknown(kind) => *kind,
        };
        map.uint(0, kind);
        if self.sent_ms != 0 {
            map.uint(1, self.sent_ms);
        }
        map.finish()
    }

    /// Reads what [`Body::encode`] wrote.
    ///
    /// # Errors
    /// A [`PeerFault`].
    pub fn decode(input: &[u8]) -> Result<Self, PeerFault> {
        let mut kind = None;
        let mut sent_ms = 0;
        let mut content = None;
        let extra = read_map(input, |key, field| {
            match (key, kind) {
                (0, _) => kind = Some(field.uint()?),
                (1, _) => sent_ms = field.uint()?,
                (2, Some(1)) => {
                    let text = field.text(TEXT_BYTES_MAX)?;
                    if text.is_empty() {
                        return Err(PeerFault::Malformed);
                    }
                    content = Some(Content::Text(text.to_owned()));
                }
                (2, Some(kind)) if crate::group::wire::KINDS.contains(&kind) => {
                    let letter = field.bytes(crate::group::wire::LETTER_BYTES_MAX)?;
                    content = Some(Content::Group(kind, letter.to_vec()));
                }
                (2, Some(6)) => content = Some(Content::Read(field.uint()?)),
                (2, Some(10)) => content = Some(Content::Profile(field.text(NAME_BYTES_MAX)?.to_owned())),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let content = match (kind.ok_or(PeerFault::Malformed)?, content) {
            (1 | 6 | 10, None) => return Err(PeerFault::Malformed),
            (_, Some(content)) => content,
            (22, None) => Content::Dummy,
            (kind, None) => Content::Unknown(kind),
        };
        canonical(input, Self { sent_ms, content, extra }, Self::encode)
    }
}

/// Where a person's cells are to be deposited, in order of preference.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailboxDescriptor {
    /// Grows with each change.
    pub seq: u64,
    /// Relay and mailbox; the first one pushes.
    pub mailboxes: Vec<(RelayId, MailboxId)>,
}

impl MailboxDescriptor {
    /// The CBOR map.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let entries: Vec<_> = self
            .mailboxes
            .iter()
            .map(|(relay, mailbox)| crate::cbor::bytes(&[relay.0, mailbox.0].concat()))
            .collect();
        MapWriter::default().uint(0, self.seq).array(1, &entries).finish()
    }

    /// Reads what [`MailboxDescriptor::encode`] wrote; fields of a newer version are dropped here, as the descriptor is replaced whole.
    ///
    /// # Errors
    /// A [`PeerFault`].
    pub fn decode(input: &[u8]) -> Result<Self, PeerFault> {
        let mut out = Self::default();
        read_map(input, |key, field| {
            match key {
                0 => out.seq = field.uint()?,
                1 => out.mailboxes = field.array(MAILBOXES_MAX, |item| Ok(split(item.fixed::<32>()?)))?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(out)
    }
}

fn split(entry: [u8; 32]) -> (RelayId, MailboxId) {
    (RelayId(crate::ids::first(&entry)), MailboxId(crate::ids::first(entry.get(16..).unwrap_or_default())))
}

/// Which of the other side's numbered bodies are on this side's disk: all below `below`, and the inclusive `ranges` above it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ack {
    /// All sequence numbers below this one.
    pub below: u64,
    /// Further ones, ascending, inclusive, apart from each other.
    pub ranges: Vec<(u64, u64)>,
}

/// The content of a cell: everything optional but the order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payload {
    /// What of the other side's bodies is durable here.
    pub ack: Option<Ack>,
    /// The other side may use tags with an index below this.
    pub credit: Option<u64>,
    /// Where to deposit from now on; repeated until `mailboxes_seen` shows its `seq`.
    pub mailboxes: Option<MailboxDescriptor>,
    /// Highest `seq` of the other side's descriptor held here.
    pub mailboxes_seen: Option<u64>,
    /// Sequence number of the first of `numbered`.
    pub first_seq: u64,
    /// Bodies with consecutive sequence numbers: each is delivered once, in order.
    pub numbered: Vec<Body>,
    /// Bodies without numbers: the newest one counts.
    pub loose: Vec<Body>,
    /// Fields of a newer version.
    pub extra: Extra,
}

impl Payload {
    /// The CBOR map.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::with(&self.extra);
        if let Some(ack) = &self.ack {
            let mut flat = vec![crate::cbor::uint(ack.below)];
            flat.extend(
                ack.ranges.iter().flat_map(|(from, to)| [crate::cbor::uint(*from), crate::cbor::uint(*to)]),
            );
            map.array(0, &flat);
        }
        if let Some(credit) = self.credit {
            map.uint(1, credit);
        }
        if let Some(mailboxes) = &self.mailboxes {
            map.raw(2, mailboxes.encode());
        }
        if let Some(seen) = self.mailboxes_seen {
            map.uint(3, seen);
        }
        if !self.numbered.is_empty() {
            map.uint(4, self.first_seq);
            map.array(5, &self.numbered.iter().map(Body::encode).collect::<Vec<_>>());
        }
        if !self.loose.is_empty() {
            map.array(6, &self.loose.iter().map(Body::encode).collect::<Vec<_>>());
        }
        map.finish()
    }

    /// Reads what [`Payload::encode`] wrote.
    ///
    /// # Errors
    /// A [`PeerFault`].
    pub fn decode(input: &[u8]) -> Result<Self, PeerFault> {
        let mut out = Self::default();
        let body = |field: &mut Field<'_>| Body::decode(field.raw()?);
        let extra = read_map(input, |key, field| {
            match key {
                0 => out.ack = Some(read_ack(field)?),
                1 => out.credit = Some(field.uint()?),
                2 => out.mailboxes = Some(MailboxDescriptor::decode(field.raw()?)?),
                3 => out.mailboxes_seen = Some(field.uint()?),
                4 => out.first_seq = field.uint()?,
                5 => out.numbered = field.array(BODIES_MAX, body)?,
                6 => out.loose = field.array(BODIES_MAX, body)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        out.extra = extra;
        if out.first_seq.checked_add(out.numbered.len() as u64).is_none() {
            return Err(PeerFault::Bound);
        }
        canonical(input, out, Self::encode)
    }
}

fn read_ack(field: &mut Field<'_>) -> Result<Ack, PeerFault> {
    let flat = field.array(1 + 2 * ACK_RANGES_MAX, Field::uint)?;
    let (below, pairs) = flat.split_first().ok_or(PeerFault::Malformed)?;
    let (pairs, tail) = pairs.as_chunks::<2>();
    let mut last = *below;
    for [from, to] in pairs {
        // Each range lies above the one before it and leaves a gap.
        if *from <= last || to < from {
            return Err(PeerFault::Malformed);
        }
        last = to.checked_add(1).ok_or(PeerFault::Bound)?;
    }
    if !tail.is_empty() {
        return Err(PeerFault::Malformed);
    }
    Ok(Ack { below: *below, ranges: pairs.iter().map(|[from, to]| (*from, *to)).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Payload {
        let mut unknown = Extra::new();
        unknown.insert(7, crate::cbor::uint(4));
        Payload {
            ack: Some(Ack { below: 3, ranges: vec![(5, 6), (9, 9)] }),
            credit: Some(64),
            mailboxes: Some(MailboxDescriptor {
                seq: 2,
                mailboxes: vec![(RelayId([1; 16]), MailboxId([2; 16]))],
            }),
            mailboxes_seen: Some(1),
            first_seq: 17,
            numbered: vec![
                Body::text(5, "Салом"),
                Body { sent_ms: 0, content: Content::Unknown(900), extra: unknown.clone() },
            ],
            loose: vec![
                Body { sent_ms: 1, content: Content::Profile("Ali".into()), extra: Extra::new() },
                Body { sent_ms: 1, content: Content::Read(4), extra: Extra::new() },
                Body { sent_ms: 0, content: Content::Dummy, extra: Extra::new() },
            ],
            extra: unknown,
        }
    }

    #[test]
    fn payloads_come_back_with_fields_and_bodies_nobody_knows() {
        for payload in [Payload::default(), full()] {
            assert_eq!(Payload::decode(&payload.encode()), Ok(payload));
        }
    }

    #[test]
    fn critical_unknown_fields_and_loose_forms_are_refused() {
        let mut critical = Payload::default();
        critical.extra.insert(crate::cbor::CRITICAL, crate::cbor::uint(1));
        assert_eq!(Payload::decode(&critical.encode()), Err(PeerFault::UnknownCritical));
        // {1: 5} with 5 in two bytes instead of one.
        assert_eq!(Payload::decode(&[0xa1, 0x01, 0x18, 0x05]), Err(PeerFault::NotCanonical));
        // Keys out of order.
        assert_eq!(Payload::decode(&[0xa2, 0x03, 0x01, 0x01, 0x01]), Err(PeerFault::NotCanonical));
        // Bytes behind the map.
        assert_eq!(Payload::decode(&[0xa0, 0x00]), Err(PeerFault::Length));
        // An acknowledgement whose ranges touch.
        assert_eq!(Payload::decode(&[0xa1, 0x00, 0x83, 0x05, 0x05, 0x06]), Err(PeerFault::Malformed));
    }
}
