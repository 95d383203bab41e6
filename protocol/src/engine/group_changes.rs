//! Edits, signs and deletions in a group (SPEC §10.7): applied once as they come, without reading anything back, and in any order to the
//! same end.
//!
//! What a change leaves behind is a [`Mark`] beside the message; who reads the conversation folds the marks. Only what an author takes
//! back is removed here, and then for good. An own change is checked against the disk first, one after the other.

use super::Engine;
use super::api::{Event, Reply};
use super::changes::What;
use super::cx::{Cx, Signal};
use super::group_api::{GroupEvent, GroupNumber, GroupReply};
use super::group_marks::{self, Mark, MarkKind};
use super::group_state::Group;
use crate::body::{Body, Content};
use crate::core::{CommandId, Key, LoadId, Op, Output, Range, Space, Value};
use crate::error::ErrorKind;
use crate::group::post::{self, Post, SEQ_MAX};
use crate::ids::{MemberId, MessageId};
use crate::limits::{CBOR_ITEMS_MAX, VOID_MAX};
use std::collections::VecDeque;
use zeroize::Zeroizing;

/// Own changes that may wait for the disk.
const WAITING_MAX: usize = 256;

/// An own change while the disk is asked about its message.
#[derive(Debug)]
struct Asked {
    command: CommandId,
    group: GroupNumber,
    author: MemberId,
    seq: u64,
    id: MessageId,
    what: What,
    /// The message is there and may be changed; now its marks are loaded.
    checked: bool,
}

/// Own changes of all groups: one at a time is looked into, so that each sees what the one before it did.
#[derive(Debug, Default)]
pub(crate) struct OwnChanges {
    waiting: VecDeque<Asked>,
    load: Option<LoadId>,
}

/// A body that changes a message: whose, which, and what it does.
type Change = (MemberId, u64, MarkKind);

impl Group {
    /// The message that body `seq` of `author` changes, if it may. `Err` if it may not.
    fn changed(&self, author: &MemberId, seq: u64, content: &Content) -> Result<Option<Change>, ()> {
        let (id, kind) = match content {
            Content::Edit { of, .. } => (of, MarkKind::Edit),
            Content::Reaction { on, .. } => (on, MarkKind::Sign),
            Content::Delete(id) => (id, MarkKind::Delete),
            _ => return Ok(None),
        };
        let number = |of: &MemberId| {
            let number = post::find(self.group, *of, id).filter(|number| (1..=SEQ_MAX).contains(number))?;
            (of != author || number < seq).then_some((*of, number, kind))
        };
        let seats = self.log.as_ref().map(|log| &log.roster().seats);
        let found = match kind {
            MarkKind::Edit | MarkKind::Delete => number(author),
            MarkKind::Sign => seats.and_then(|seats| seats.keys().find_map(number)),
        };
        found.map(Some).ok_or(())
    }

    /// Takes in what message `seq` of `author` does to others.
    pub(crate) fn apply(&mut self, author: MemberId, seq: u64, body: &Body, cx: &mut Cx<'_>) {
        let (of, number, kind) = match self.changed(&author, seq, &body.content) {
            Ok(Some(change)) => change,
            Ok(None) => return,
            // Passed over, as between two people; it is kept all the same, because others may ask for it.
            Err(()) => return cx.fault(),
        };
        let mark = Mark { by: author, seq, kind };
        let value = Zeroizing::new(mark.encode());
        cx.write(Op::Put(mark.key(self.number, &of, number), value));
        if kind == MarkKind::Edit && author != self.own.id {
            self.check_edited(author, number, seq, cx);
        }
        let counts = self.log.as_ref().is_some_and(|log| log.roster().counts(&author, seq));
        if kind != MarkKind::Sign && counts {
            for void in body.void.iter().copied().filter(|void| *void < seq && *void != number) {
                self.void(author, void, cx);
                // Its mark stays: the next edit names all that went before.
                self.erase_post(&author, void, cx);
            }
            if kind == MarkKind::Delete {
                self.void(author, number, cx);
                // What stays says that something was here: time and place stand in its line.
                cx.write(Op::Put(self.post_key(&author, number), Zeroizing::new(vec![0; 18])));
            }
        }
        let id = post::message_id(self.group, of, number);
        cx.notify(Event::Group(GroupEvent::Message(self.number, id)));
    }

    pub(crate) fn post_key(&self, author: &MemberId, seq: u64) -> Key {
        Key::of(Space::GroupPost, self.number.records_of(author), seq)
    }

    /// The author has nothing under this number any more: it is not waited for, and goes to nobody.
    fn void(&mut self, author: MemberId, seq: u64, cx: &mut Cx<'_>) {
        if author != self.own.id {
            self.pass_over(author, seq);
        }
        cx.signal(Signal::Unsay((self.group, author, seq)));
        cx.signal(Signal::Forgotten(post::message_id(self.group, author, seq)));
    }

    /// Nothing of a message stays on this device, nor of what is carried for neighbours.
    pub(crate) fn erase_post(&self, author: &MemberId, seq: u64, cx: &mut Cx<'_>) {
        cx.write(Op::Remove(self.post_key(author, seq)));
        cx.signal(Signal::Forgotten(post::message_id(self.group, *author, seq)));
    }

    /// What the author of own messages says in vain: numbers of the edits that a new edit or a deletion takes back.
    fn edits(&self, rows: &[(Key, Value)]) -> Vec<u64> {
        let marks = rows.iter().filter_map(|(_, value)| Mark::decode(value));
        let own = marks.filter(|mark| mark.kind == MarkKind::Edit && mark.by == self.own.id);
        let mut edits: Vec<u64> = own.map(|mark| mark.seq).collect();
        edits.sort_unstable();
        edits.dedup();
        edits
    }
}

/// Whether what lies on the disk of a message can be changed so.
fn may_change(row: Option<&Value>, what: &What) -> Result<(), ErrorKind> {
    let signed = row.and_then(|row| row.get(18..)).ok_or(ErrorKind::NoSuchMessage)?;
    // Nothing is left of a message that was taken back.
    let post = Post::read(signed).map_err(|_| ErrorKind::Unchangeable)?;
    let content = Body::decode(&post.body).map(|body| body.content);
    match (content, what) {
        (Ok(Content::Text(_) | Content::Reply { .. }), _) => Ok(()),
        (Ok(content), _) if !content.is_shown() => Err(ErrorKind::NoSuchMessage),
        (_, What::Edit(_)) => Err(ErrorKind::Unchangeable),
        (_, What::Sign(_) | What::Delete) => Ok(()),
    }
}

impl Engine {
    /// Queues a text that answers a message of a group; `None` if no group has that message.
    pub(crate) fn answer_in_group(&mut self, to: MessageId, text: &str) -> Option<Result<Reply, ErrorKind>> {
        let Some(GroupReply::Message { group, .. }) = self.groups.find(&to) else { return None };
        Some(self.say_in_group(group, Content::Reply { to, text: text.to_owned() }, false))
    }

    /// Queues a body that shows something; `forwarded` if it was first said elsewhere.
    pub(crate) fn say_in_group(
        &mut self,
        number: GroupNumber,
        content: Content,
        forwarded: bool,
    ) -> Result<Reply, ErrorKind> {
        let (groups, mut cx) = self.with_groups();
        let post = groups.get(number)?.say(content, forwarded, &mut cx)?;
        self.flush_group(number);
        Ok(Reply::Queued { id: post.id(), seq: post.seq })
    }

    /// Begins an own change of a message to a group; `None` if no group has that message. It is answered later.
    pub(crate) fn change_in_group(
        &mut self,
        command: CommandId,
        id: &MessageId,
        what: &What,
    ) -> Option<Result<(), ErrorKind>> {
        let Some(GroupReply::Message { group, author, seq, mine, .. }) = self.groups.find(id) else {
            return None;
        };
        if !mine && what.is_authors() {
            return Some(Err(ErrorKind::NotYours));
        }
        let changes = &mut self.groups.changes;
        if changes.waiting.len() >= WAITING_MAX {
            return Some(Err(ErrorKind::Limit));
        }
        let (id, what) = (*id, what.clone());
        changes.waiting.push_back(Asked { command, group, author, seq, id, what, checked: false });
        self.look_into_change();
        Some(Ok(()))
    }

    fn look_into_change(&mut self) {
        let (groups, mut cx) = self.with_groups();
        let changes = &mut groups.changes;
        if let (Some(next), None) = (changes.waiting.front(), changes.load) {
            let key = Key::of(Space::GroupPost, next.group.records_of(&next.author), next.seq);
            changes.load = Some(cx.load(Range::One(key)));
        }
    }

    /// What an own change is about came from disk; `false` if the load was for something else.
    pub(crate) fn on_change_loaded(&mut self, load: LoadId, rows: &[(Key, Value)]) -> bool {
        let (groups, mut cx) = self.with_groups();
        let changes = &mut groups.changes;
        if changes.load != Some(load) {
            return false;
        }
        changes.load = None;
        let Some(asked) = changes.waiting.front_mut() else { return true };
        let result = if asked.checked {
            self.make_change(rows)
        } else {
            match may_change(rows.first().map(|(_, row)| row), &asked.what) {
                Ok(()) => {
                    asked.checked = true;
                    let group = group_marks::records(asked.group, &asked.author, asked.seq);
                    let (space, limit) = (Space::GroupMark, CBOR_ITEMS_MAX);
                    let range = Range::Group { space, group, from: 0, to: u64::MAX, limit, newest: false };
                    changes.load = Some(cx.load(range));
                    return true;
                }
                Err(why) => Err(why),
            }
        };
        if let Some(asked) = self.groups.changes.waiting.pop_front() {
            self.fx.after_stored(Output::Reply(asked.command, result));
        }
        self.look_into_change();
        true
    }

    /// Makes the own change that was looked into: here at once, and for the others by a message of its own.
    fn make_change(&mut self, marks: &[(Key, Value)]) -> Result<Reply, ErrorKind> {
        let (groups, mut cx) = self.with_groups();
        let asked = groups.changes.waiting.front().ok_or(ErrorKind::NoSuchMessage)?;
        let (number, content) = (asked.group, asked.what.content(asked.id));
        let is_edit = matches!(asked.what, What::Edit(_));
        let takes_back = asked.what.is_authors();
        let group = groups.get(number)?;
        let mut void = if takes_back { group.edits(marks) } else { Vec::new() };
        if is_edit && void.len() >= VOID_MAX {
            return Err(ErrorKind::Limit);
        }
        void.truncate(VOID_MAX);
        let body = Body { void, ..Body::new(cx.now.wall_ms, content) };
        let post = group.post(&body, &mut cx)?;
        group.apply(post.author, post.seq, &body, &mut cx);
        self.flush_group(number);
        Ok(Reply::Queued { id: post.id(), seq: post.seq })
    }

    /// Seals what is to leave over the shard in the same batch: a message that is durable is on its way.
    pub(crate) fn flush_group(&mut self, number: GroupNumber) {
        self.on_group(number, |group, _, doors, cx| group.flush(doors, cx));
    }

    /// A message was taken back: letters that still wait say nothing of it.
    pub(crate) fn unsay(&mut self, message: &super::letters::Carried) {
        let (contacts, mut cx) = self.with_contacts();
        for contact in contacts.values_mut() {
            super::letters::unsay(contact, message, &mut cx);
        }
    }
}
