//! One cell that is carried for others: who brought it, until when it stays, and what it told this device (SPEC §12.4, §12.5).

use super::api::ContactId;
use super::cx::Cx;
use crate::cell::Class;
use crate::core::{Key, Op, Space};
use crate::ids::{CellHash, MessageId, Tag};
use zeroize::Zeroizing;

/// Messages of one cell that are remembered: more than any honest author puts into one.
const POSTS_MAX: usize = 128;

/// What a carried cell told a group or channel of this person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing so far: it is for somebody else, or its key is not known yet.
    Nothing,
    /// It was taken, and these messages to a group are in it. When one of them goes, the cell goes.
    Posts(Vec<MessageId>),
    /// It went; its name stays, so that it is not fetched again and nobody sees that it went.
    Gone,
}

/// A cell that is carried.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) by: ContactId,
    pub(super) seq: u64,
    pub(super) class: Class,
    pub(super) until_day: u32,
    /// Keys of groups and channels that become known later are held against it.
    pub(super) tag: Tag,
    pub(super) told: Told,
}

impl Held {
    /// Where its bytes are.
    pub(super) fn key(&self) -> Key {
        Key::of(Space::Carried, self.by.group(), self.seq)
    }

    pub(super) fn mark_key(&self) -> Key {
        Key::of(Space::CarriedMark, self.by.group(), self.seq)
    }

    /// `until 4 | class 1 | told 1 | tag 16 | { message 16 }… | name 16`.
    pub(super) fn mark(&self, name: &CellHash) -> Op {
        let (told, posts) = match &self.told {
            Told::Nothing => (0, &[][..]),
            Told::Posts(posts) => (1, posts.get(..POSTS_MAX).unwrap_or(posts)),
            Told::Gone => (2, &[][..]),
        };
        let mut mark = [&self.until_day.to_be_bytes()[..], &[self.class as u8, told], &self.tag.0].concat();
        posts.iter().for_each(|id| mark.extend_from_slice(&id.0));
        mark.extend_from_slice(&name.0);
        Op::Put(self.mark_key(), Zeroizing::new(mark))
    }

    /// Reads [`Held::mark`].
    pub(super) fn decode(by: ContactId, seq: u64, mark: &[u8]) -> Option<(CellHash, Self)> {
        let (until, rest) = mark.split_first_chunk::<4>()?;
        let ([class, told], rest) = rest.split_first_chunk::<2>()?;
        let (tag, rest) = rest.split_first_chunk::<16>()?;
        let (posts, name) = rest.split_last_chunk::<16>()?;
        let (posts, odd) = posts.as_chunks::<16>();
        let told = match told {
            0 if posts.is_empty() => Told::Nothing,
            1 => Told::Posts(posts.iter().copied().map(MessageId).collect()),
            2 if posts.is_empty() => Told::Gone,
            _ => return None,
        };
        let (class, until_day) = (Class::from_number(*class)?, u32::from_be_bytes(*until));
        let held = Self { by, seq, class, until_day, tag: Tag(*tag), told };
        odd.is_empty().then_some((CellHash(*name), held))
    }

    /// Its bytes go. The room stays taken until its day: who fills it gains nothing by that.
    pub(super) fn empty(&mut self, name: &CellHash, cx: &mut Cx<'_>) {
        self.told = Told::Gone;
        cx.write(Op::Remove(self.key()));
        cx.write(self.mark(name));
    }
}
