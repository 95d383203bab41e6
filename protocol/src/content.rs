//! What people say to each other: the kinds of a body and their fields (SPEC §3.3).

use crate::body::Body;
use crate::cbor::{Field, MapWriter};
use crate::channel::entry::SignedEntry;
use crate::descriptor::Door;
use crate::error::PeerFault;
use crate::group::wire::{KINDS, LETTER_BYTES_MAX};
use crate::handout::DoorMark;
use crate::ids::MessageId;
use crate::limits::{
    DOOR_BYTES_MAX, DOOR_MARKS_MAX, EMOJI_BYTES_MAX, ENTRY_COPY_BYTES_MAX, FILE_BYTES_MAX,
    FILE_NAME_BYTES_MAX, INVITATION_BYTES_MAX, MEDIA_BYTES_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX,
};
use core::fmt;
use zeroize::Zeroizing;

/// The content of a [`crate::body::Body`]. A message is named by its id, which is the same on both devices.
#[derive(Clone, PartialEq, Eq)]
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
    /// 7: the author is typing; never stored, and shown for a few seconds only.
    Typing,
    /// 10: the name by which the author wants to be called.
    Profile(String),
    /// 11: from now on messages of both sides disappear so many seconds after they were seen or delivered; 0 keeps them.
    Timer {
        /// 0, or 5 seconds to a year.
        seconds: u64,
        /// Grows with each change; of two with the same number the initiator's holds.
        number: u64,
    },
    /// 15: bodies of the other side with these numbers (inclusive) are missing.
    ResendRequest(u64, u64),
    /// 21: an invitation of somebody whom the author knows.
    Introduction {
        /// What the author calls them.
        name: String,
        /// The invitation's text.
        invitation: String,
    },
    /// 22: nothing; covers traffic, and stands where something was that is gone.
    Dummy,
    /// 32 to 47: a letter about a group, see [`crate::group::wire::Letter`]; no conversation shows it.
    Group(u64, Vec<u8>),
    /// 26: bodies of the author with these numbers (inclusive) have nothing in them any more.
    Void(u64, u64),
    /// 27: a small file.
    File {
        /// What the author calls it: foreign text, no path.
        name: String,
        /// What it is, for example `image/jpeg`; the author's word.
        media: String,
        /// 1 to 46,080 bytes.
        data: Vec<u8>,
    },
    /// 28: an entry of a channel, passed on as its owner signed it: [`Content::copied`].
    Entry {
        /// The owner's key for that channel (Ed25519); it is the owner of the channel only if the entry's signature holds.
        owner: [u8; 32],
        /// The signed entry, at most 46,600 bytes.
        entry: Vec<u8>,
    },
    /// 29: the author has fewer doors than they should, and has those of these marks (SPEC §5.6); no conversation shows it.
    DoorWish(Vec<DoorMark>),
    /// 30: a door for who wished for one; no conversation shows it.
    DoorOffer {
        /// The door's line: [`Door::to_text`].
        door: Zeroizing<String>,
        /// When its slot ends, Unix seconds.
        expiry_s: u64,
    },
    /// A kind that this program does not know; its fields are in [`crate::body::Body::extra`].
    Unknown(u64),
}

// Texts are people's, and invitations, doors and letters of groups are keys: none of it belongs into a log.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({})", self.kind())
    }
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
            Self::Typing => 7,
            Self::Profile(_) => 10,
            Self::Timer { .. } => 11,
            Self::ResendRequest(..) => 15,
            Self::Introduction { .. } => 21,
            Self::Dummy => 22,
            Self::Void(..) => 26,
            Self::File { .. } => 27,
            Self::Entry { .. } => 28,
            Self::DoorWish(_) => 29,
            Self::DoorOffer { .. } => 30,
            Self::Group(kind, _) | Self::Unknown(kind) => *kind,
        }
    }

    /// Whether a numbered body of this kind is a message to show by itself.
    pub(crate) const fn is_shown(&self) -> bool {
        matches!(
            self,
            Self::Text(_)
                | Self::Reply { .. }
                | Self::Timer { .. }
                | Self::Introduction { .. }
                | Self::File { .. }
                | Self::Entry { .. }
                | Self::Unknown(_)
        )
    }

    /// The entry that is passed on, if this is one and its signature is that of the key beside it. Whose key that is, only who follows
    /// the channel can tell: its name is the owner's word.
    ///
    /// # Errors
    /// [`PeerFault::Signature`], or what is wrong with the entry.
    pub fn copied(&self) -> Option<Result<SignedEntry, PeerFault>> {
        match self {
            Self::Entry { owner, entry } => Some(SignedEntry::open_copy(entry, owner)),
            _ => None,
        }
    }

    /// The text that is said: also that of an entry which was passed on, if its owner signed it.
    #[must_use]
    pub fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Reply { text, .. } => Some(text),
            entry => match Body::decode(&entry.copied()?.ok()?.entry.body).ok()?.content {
                Self::Text(text) => Some(text),
                _ => None,
            },
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
            Self::Timer { seconds: one, number: two }
            | Self::ResendRequest(one, two)
            | Self::Void(one, two) => {
                map.uint(2, *one).uint(3, *two);
            }
            Self::Introduction { name, invitation } => {
                map.text(2, name).text(3, invitation);
            }
            Self::File { name, media, data } => {
                map.text(2, name).text(3, media).bytes(4, data);
            }
            Self::Entry { owner, entry } => {
                map.bytes(2, owner).bytes(4, entry);
            }
            Self::DoorWish(has) => {
                map.bytes(2, has.as_flattened());
            }
            Self::DoorOffer { door, expiry_s } => {
                map.text(2, door).uint(3, *expiry_s);
            }
            Self::Typing | Self::Dummy | Self::Unknown(_) => {}
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
    second_text: Option<String>,
    second_number: Option<u64>,
    data: Option<Vec<u8>>,
    owner: Option<[u8; 32]>,
}

impl Fields {
    /// Takes one field of a body of this kind; `false` if the kind has no such field.
    pub(crate) fn take(&mut self, kind: u64, key: u64, field: &mut Field<'_>) -> Result<bool, PeerFault> {
        match (kind, key) {
            (1 | 2 | 4, 2) => self.text = Some(nonempty(field.text(TEXT_BYTES_MAX)?)?),
            (3, 2) => self.text = Some(field.text(EMOJI_BYTES_MAX)?.to_owned()),
            (kind, 2) if KINDS.contains(&kind) => {
                self.letter = Some(field.bytes(LETTER_BYTES_MAX)?.to_vec());
            }
            (10 | 21, 2) => self.text = Some(field.text(NAME_BYTES_MAX)?.to_owned()),
            (27, 2) => self.text = Some(field.text(FILE_NAME_BYTES_MAX)?.to_owned()),
            (6 | 11 | 15 | 26, 2) => self.number = Some(field.uint()?),
            (11 | 15 | 26, 3) => self.second_number = Some(field.uint()?),
            (21, 3) => self.second_text = Some(field.text(INVITATION_BYTES_MAX)?.to_owned()),
            (27, 3) => self.second_text = Some(field.text(MEDIA_BYTES_MAX)?.to_owned()),
            (27, 4) => {
                let data = field.bytes(FILE_BYTES_MAX)?;
                self.data = Some(data.to_vec()).filter(|data| !data.is_empty());
            }
            (29, 2) => self.data = Some(field.bytes(8 * DOOR_MARKS_MAX)?.to_vec()),
            (30, 2) => self.text = Some(door_line(field.text(DOOR_BYTES_MAX)?)?),
            (30, 3) => self.number = Some(field.uint()?),
            (28, 2) => self.owner = Some(field.fixed()?),
            (28, 4) => self.data = Some(field.bytes(ENTRY_COPY_BYTES_MAX)?.to_vec()),
            (2..=5, 3) => self.id = Some(MessageId(field.fixed()?)),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The content, if all its fields were there.
    pub(crate) fn finish(self, kind: u64) -> Result<Content, PeerFault> {
        let Self { text, number, id, second_text, second_number, data, letter, owner } = self;
        let text = || text.ok_or(PeerFault::Malformed);
        let number = || number.ok_or(PeerFault::Malformed);
        let second_text = || second_text.ok_or(PeerFault::Malformed);
        let second_number = || second_number.ok_or(PeerFault::Malformed);
        let id = || id.ok_or(PeerFault::Malformed);
        Ok(match kind {
            1 => Content::Text(text()?),
            2 => Content::Reply { to: id()?, text: text()? },
            3 => Content::Reaction { on: id()?, emoji: text()? },
            4 => Content::Edit { of: id()?, text: text()? },
            5 => Content::Delete(id()?),
            6 => Content::Read(number()?),
            7 => Content::Typing,
            10 => Content::Profile(text()?),
            11 => Content::Timer { seconds: number()?, number: second_number()? },
            15 => Content::ResendRequest(number()?, second_number()?),
            21 => Content::Introduction { name: text()?, invitation: second_text()? },
            22 => Content::Dummy,
            26 => Content::Void(number()?, second_number()?),
            27 => Content::File {
                name: text()?,
                media: second_text()?,
                data: data.ok_or(PeerFault::Malformed)?,
            },
            28 => Content::Entry {
                owner: owner.ok_or(PeerFault::Malformed)?,
                entry: data.ok_or(PeerFault::Malformed)?,
            },
            29 => {
                let marks = data.ok_or(PeerFault::Malformed)?;
                let (marks, []) = marks.as_chunks::<8>() else { return Err(PeerFault::Length) };
                Content::DoorWish(marks.to_vec())
            }
            30 => Content::DoorOffer { door: Zeroizing::new(text()?), expiry_s: number()? },
            kind if KINDS.contains(&kind) => Content::Group(kind, letter.ok_or(PeerFault::Malformed)?),
            kind => Content::Unknown(kind),
        })
    }
}

/// A door's line as [`Door::to_text`] writes it, and nothing beside it.
fn door_line(text: &str) -> Result<String, PeerFault> {
    let door = Door::from_text(text).map_err(|_| PeerFault::Malformed)?;
    if *door.to_text() == text && !text.contains(char::is_whitespace) {
        Ok(text.to_owned())
    } else {
        Err(PeerFault::Malformed)
    }
}

fn nonempty(text: &str) -> Result<String, PeerFault> {
    if text.is_empty() { Err(PeerFault::Malformed) } else { Ok(text.to_owned()) }
}
