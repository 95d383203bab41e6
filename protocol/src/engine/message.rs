//! A message as it lies in the store: its place in the conversation, its body, and what became of it since.

use crate::cbor::{Field, MapWriter, array, bytes, read_map, uint};
use crate::error::PeerFault;
use crate::ids::MessageId;
use crate::limits::EMOJI_BYTES_MAX;
use zeroize::Zeroizing;

/// A person's sign on a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sign {
    /// Number of the body that put it there; a later one of the same person takes its place.
    pub seq: u64,
    /// The sign; empty after it was taken back.
    pub emoji: String,
}

/// The last edit of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Edited {
    /// Number of the body that brought it; a later one takes its place.
    pub seq: u64,
    /// Place of that body in the order of display, where nothing is shown.
    pub position: u64,
}

/// What became of a message since it was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks {
    /// This row is no message to show: it changed another one, or what it said is gone.
    pub hidden: bool,
    /// The text is the one of this edit.
    pub edited: Option<Edited>,
    /// Its author took it back: nothing of the text is left.
    pub deleted: bool,
    /// This person's sign.
    pub mine: Sign,
    /// The other person's sign.
    pub theirs: Sign,
    /// It stands for so many messages that never came.
    pub gap: u64,
}

impl Marks {
    /// Marks of a row that shows nothing.
    #[must_use]
    pub fn hidden() -> Self {
        Self { hidden: true, ..Self::default() }
    }

    /// Nothing, or a CBOR map.
    fn encode(&self) -> Vec<u8> {
        if *self == Self::default() {
            return Vec::new();
        }
        let mut map = MapWriter::default();
        if self.hidden {
            map.uint(0, 1);
        }
        if let Some(edited) = &self.edited {
            map.array(1, &[uint(edited.seq), uint(edited.position)]);
        }
        if self.deleted {
            map.uint(2, 1);
        }
        for (key, sign) in [(3, &self.mine), (4, &self.theirs)] {
            if sign.seq != 0 {
                map.raw(key, array(&[uint(sign.seq), bytes(sign.emoji.as_bytes())]));
            }
        }
        if self.gap != 0 {
            map.uint(5, self.gap);
        }
        map.finish()
    }

    fn decode(input: &[u8]) -> Result<Self, PeerFault> {
        let mut out = Self::default();
        if input.is_empty() {
            return Ok(out);
        }
        read_map(input, |key, field| {
            match key {
                0 => out.hidden = field.uint()? == 1,
                1 => match field.array(2, Field::uint)?.as_slice() {
                    [seq, position] => out.edited = Some(Edited { seq: *seq, position: *position }),
                    _ => return Err(PeerFault::Malformed),
                },
                2 => out.deleted = field.uint()? == 1,
                3 => out.mine = sign(field)?,
                4 => out.theirs = sign(field)?,
                5 => out.gap = field.uint()?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(out)
    }
}

fn sign(field: &mut Field<'_>) -> Result<Sign, PeerFault> {
    let mut seq = None;
    let mut emoji = String::new();
    field.array(2, |item| {
        match seq {
            None => seq = Some(item.uint()?),
            Some(_) => {
                let text = item.bytes(EMOJI_BYTES_MAX)?;
                emoji = core::str::from_utf8(text).map_err(|_| PeerFault::Malformed)?.to_owned();
            }
        }
        Ok(())
    })?;
    Ok(Sign { seq: seq.ok_or(PeerFault::Malformed)?, emoji })
}

/// A message as it lies in the store and is shown. The store's value is [`StoredMessage::encode`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Position in the conversation on this device: own and received messages are shown in this order.
    pub position: u64,
    /// When the author's device says it was written, Unix milliseconds.
    pub sent_ms: u64,
    /// When it was stored here, Unix milliseconds (own: equal to `sent_ms`).
    pub at_ms: u64,
    /// The id.
    pub id: MessageId,
    /// What became of it.
    pub marks: Marks,
    /// The CBOR body (see [`crate::body::Body`]).
    pub body: Zeroizing<Vec<u8>>,
}

impl StoredMessage {
    /// `position 8 | sent_ms 8 | at_ms 8 | id 16 | length of marks 1 | marks | body`.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let marks = self.marks.encode();
        let mut out = Zeroizing::new(Vec::with_capacity(41 + marks.len() + self.body.len()));
        out.extend_from_slice(&self.position.to_be_bytes());
        out.extend_from_slice(&self.sent_ms.to_be_bytes());
        out.extend_from_slice(&self.at_ms.to_be_bytes());
        out.extend_from_slice(&self.id.0);
        // Two numbers and two signs at most: far below 255 bytes.
        out.push(u8::try_from(marks.len()).unwrap_or_default());
        out.extend_from_slice(&marks);
        out.extend_from_slice(&self.body);
        out
    }

    /// Reads what [`StoredMessage::encode`] wrote.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (position, rest) = bytes.split_first_chunk::<8>()?;
        let (sent_ms, rest) = rest.split_first_chunk::<8>()?;
        let (at_ms, rest) = rest.split_first_chunk::<8>()?;
        let (id, rest) = rest.split_first_chunk::<16>()?;
        let (length, rest) = rest.split_first()?;
        let (marks, body) = rest.split_at_checked(usize::from(*length))?;
        Some(Self {
            position: u64::from_be_bytes(*position),
            sent_ms: u64::from_be_bytes(*sent_ms),
            at_ms: u64::from_be_bytes(*at_ms),
            id: MessageId(*id),
            marks: Marks::decode(marks).ok()?,
            body: Zeroizing::new(body.to_vec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_message_comes_back_with_everything_that_became_of_it() {
        let emoji = || "👨‍👩‍👧‍👦".to_owned();
        let whole = Marks {
            hidden: true,
            edited: Some(Edited { seq: u64::MAX, position: u64::MAX }),
            deleted: true,
            mine: Sign { seq: u64::MAX, emoji: emoji() },
            theirs: Sign { seq: 3, emoji: String::new() },
            gap: u64::MAX,
        };
        for marks in [Marks::default(), Marks::hidden(), whole] {
            let message = StoredMessage {
                position: 5,
                sent_ms: 6,
                at_ms: 7,
                id: MessageId([8; 16]),
                marks,
                body: Zeroizing::new(b"body".to_vec()),
            };
            assert_eq!(StoredMessage::decode(&message.encode()), Some(message));
        }
        assert_eq!(StoredMessage::decode(&[0; 40]), None);
    }
}
