//! Which messages to a group were changed, by whom, and by which message of theirs: one small record for each change, so that a change
//! is kept without reading anything, in whatever order changes and messages come.

use super::group_api::GroupNumber;
use crate::core::{Key, Space};
use crate::ids::{MemberId, first};

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MarkKind {
    /// Gives a new text.
    Edit = 1,
    /// Puts a sign there or takes it back.
    Sign = 2,
    /// Takes the message back.
    Delete = 3,
}

/// One change of a message to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// Whose.
    pub by: MemberId,
    /// Their number of the message that brought it.
    pub seq: u64,
    /// What it does.
    pub kind: MarkKind,
}

/// The group of the records of what became of message `seq` of `author`.
#[must_use]
pub fn records(group: GroupNumber, author: &MemberId, seq: u64) -> [u8; 16] {
    let name = [&group.0.to_be_bytes()[..], &author.0, &seq.to_be_bytes()].concat();
    first(blake3::hash(&name).as_bytes())
}

impl Mark {
    /// Where the record of this change of message `seq` of `author` lies.
    #[must_use]
    pub fn key(&self, group: GroupNumber, author: &MemberId, seq: u64) -> Key {
        let own = blake3::hash(&self.encode());
        let at = u64::from_be_bytes(first(own.as_bytes()));
        Key::of(Space::GroupMark, records(group, author, seq), at)
    }

    /// `member 16 | number 8 | kind 1`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [&self.by.0[..], &self.seq.to_be_bytes(), &[self.kind as u8]].concat()
    }

    /// Reads what [`Mark::encode`] wrote.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<Self> {
        let (by, rest) = value.split_first_chunk::<16>()?;
        let (seq, kind) = rest.split_first_chunk::<8>()?;
        let kind = match kind {
            [1] => MarkKind::Edit,
            [2] => MarkKind::Sign,
            [3] => MarkKind::Delete,
            _ => return None,
        };
        Some(Self { by: MemberId(*by), seq: u64::from_be_bytes(*seq), kind })
    }
}
