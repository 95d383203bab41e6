//! What people say to each other: the kinds of a body and their fields (SPEC §3.3).

use crate::cbor::{Field, MapWriter};
use crate::error::PeerFault;
use crate::group::wire::{KINDS, LETTER_BYTES_MAX};
use crate::ids::MessageId;
use crate::limits::{EMOJI_BYTES_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX};

/// The content of a [`crate::body::Body`]. A message is named by its id, which is the same on both devices.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// 1: a text of 1 to 8,000 bytes.
    Text(String),
    /// 2: a text that answers a message.
    Reply {
        /// The message it answers.
        to: MessageId,
        /// 1 to 8,000 bytes.
        text: String,
    },
    /// 3: a sign on a message; each person has at most one on each, an empty one takes it back.
    Reaction {
        /// The message it stands on.
        on: MessageId,
        /// 0 to 32 bytes.
        emoji: String,
    },
    /// 4: a new text for a message of the same author.
    Edit {
        /// The message it changes.
        of: MessageId,
        /// 1 to 8,000 bytes.
        text: String,
    },
    /// 5: a message of the same author is taken back, for everybody.
    Delete(MessageId),
    /// 6: the author has read everything up to this sequence number.
    Read(u64),
    /// 10: the name by which the author wants to be called.
    Profile(String),
    /// 22: nothing; covers traffic, and stands where something was that is gone.
    Dummy,
    /// 32 to 47: a letter about a group, see [`crate::group::wire::Letter`]; no conversation shows it.
    Group(u64, Vec<u8>),
    /// A kind that this program does not know; its fields are in [`crate::body::Body::extra`].
    Unknown(u64),
}

impl Content {
    /// The number of the kind.
    #[must_use]
    pub const fn kind(&self) -> u64 {
        match self {
            Self::Text(_) => 1,
            Self::Reply { .. } => 2,
            Self::Reaction { .. } => 3,
            Self::Edit { .. } => 4,
            Self::Delete(_) => 5,
            Self::Read(_) => 6,
            Self::Profile(_) => 10,
            Self::Dummy => 22,
            Self::Group(kind, _) | Self::Unknown(kind) => *kind,
        }
    }

    /// Writes the fields of this kind.
    pub(crate) fn write(&self, map: &mut MapWriter) {
        match self {
            Self::Text(text) | Self::Profile(text) => {
                map.text(2, text);
            }
            Self::Reply { to: id, text }
            | Self::Reaction { on: id, emoji: text }
            | Self::Edit { of: id, text } => {
                map.text(2, text).bytes(3, &id.0);
            }
            Self::Delete(id) => {
                map.bytes(3, &id.0);
            }
            Self::Read(upto) => {
                map.uint(2, *upto);
            }
            Self::Group(_, letter) => {
                map.bytes(2, letter);
            }
            Self::Dummy | Self::Unknown(_) => {}
        }
    }
}

/// The fields of a body of one kind while they are read.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    text: Option<String>,
    number: Option<u64>,
    id: Option<MessageId>,
    letter: Option<Vec<u8>>,
}

impl Fields {
    /// Takes one field of a body of this kind; `false` if the kind has no such field.
    pub(crate) fn take(&mut self, kind: u64, key: u64, field: &mut Field<'_>) -> Result<bool, PeerFault> {
        match (kind, key) {
            (1 | 2 | 4, 2) => self.text = Some(nonempty(field.text(TEXT_BYTES_MAX)?)?),
            (3, 2) => self.text = Some(field.text(EMOJI_BYTES_MAX)?.to_owned()),
            (10, 2) => self.text = Some(field.text(NAME_BYTES_MAX)?.to_owned()),
            (6, 2) => self.number = Some(field.uint()?),
            (kind, 2) if KINDS.contains(&kind) => {
                self.letter = Some(field.bytes(LETTER_BYTES_MAX)?.to_vec());
            }
            (2..=5, 3) => self.id = Some(MessageId(field.fixed()?)),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The content, if all its fields were there.
    pub(crate) fn finish(self, kind: u64) -> Result<Content, PeerFault> {
        let Self { text, number, id, letter } = self;
        let text = || text.ok_or(PeerFault::Malformed);
        let id = || id.ok_or(PeerFault::Malformed);
        Ok(match kind {
            1 => Content::Text(text()?),
            2 => Content::Reply { to: id()?, text: text()? },
            3 => Content::Reaction { on: id()?, emoji: text()? },
            4 => Content::Edit { of: id()?, text: text()? },
            5 => Content::Delete(id()?),
            6 => Content::Read(number.ok_or(PeerFault::Malformed)?),
            10 => Content::Profile(text()?),
            22 => Content::Dummy,
            kind if KINDS.contains(&kind) => Content::Group(kind, letter.ok_or(PeerFault::Malformed)?),
            kind => Content::Unknown(kind),
        })
    }
}

fn nonempty(text: &str) -> Result<String, PeerFault> {
    if text.is_empty() { Err(PeerFault::Malformed) } else { Ok(text.to_owned()) }
}
