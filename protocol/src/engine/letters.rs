//! Letters about groups and doors on their way to a contact: their records go once they are delivered, and say nothing any more that was
//! taken back in the meantime.

use super::contact::Contact;
use super::cx::Cx;
use super::message::{Marks, StoredMessage};
use crate::body::{Body, Content};
use crate::core::{Key, Op, Space};
use crate::group::post::Post;
use crate::group::wire::Letter;
use crate::ids::{GroupId, MemberId};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// A message to a group: the group, its author, its number.
pub(crate) type Carried = (GroupId, MemberId, u64);

#[derive(Debug)]
struct Waiting {
    position: u64,
    /// The message in it; a letter carries one at the most.
    carries: Option<Carried>,
}

/// Letters to one contact that are not delivered yet, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Letters(BTreeMap<u64, Waiting>);

impl Letters {
    /// Takes note of an own body, if it is a letter.
    pub(crate) fn note(&mut self, seq: u64, position: u64, body: &Body) {
        let carries = match &body.content {
            Content::Group(kind, bytes) => carried(*kind, bytes),
            Content::DoorWish(_) | Content::DoorOffer { .. } => None,
            _ => return,
        };
        self.0.insert(seq, Waiting { position, carries });
    }

    /// A letter has another number now. Returns whether what it carries was taken back, though `body`, as it was read, says it still.
    pub(crate) fn renumber(&mut self, old: u64, new: u64, body: &Body) -> bool {
        let Some(waiting) = self.0.remove(&old) else { return false };
        let unsaid = waiting.carries.is_none()
            && matches!(&body.content, Content::Group(kind, bytes) if carried(*kind, bytes).is_some());
        self.0.insert(new, waiting);
        unsaid
    }

    /// The numbers of those that are delivered: all below `below`.
    pub(crate) fn take_below(&mut self, below: u64) -> Vec<u64> {
        let later = self.0.split_off(&below);
        core::mem::replace(&mut self.0, later).into_keys().collect()
    }
}

fn carried(kind: u64, bytes: &[u8]) -> Option<Carried> {
    let Ok(Letter::Posts { group, posts, .. }) = Letter::decode(kind, bytes) else { return None };
    let [post] = posts.as_slice() else { return None };
    let post = Post::read(post).ok()?;
    Some((group, post.author, post.seq))
}

/// Leaves nothing of a message in letters that this contact does not have yet.
pub(crate) fn unsay(contact: &mut Contact, message: &Carried, cx: &mut Cx<'_>) {
    let next_pack = contact.talk.as_ref().map_or(1, |talk| talk.next_pack);
    let mut found = Vec::new();
    for (seq, letter) in &mut contact.out.letters.0 {
        if letter.carries.as_ref() == Some(message) {
            letter.carries = None;
            found.push((*seq, letter.position));
        }
    }
    for (seq, position) in found {
        contact.out.empty(seq, next_pack);
        let mut gone = StoredMessage {
            position,
            sent_ms: 0,
            at_ms: 0,
            id: contact.card.message_id(true, seq),
            marks: Marks::default(),
            body: Zeroizing::new(Vec::new()),
        };
        gone.hide();
        cx.write(Op::Put(Key::of(Space::Sent, contact.id.group(), seq), gone.encode()));
    }
}
