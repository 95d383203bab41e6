//! Changes of messages that are there: edits, signs and deletions, applied once, and in whatever order they come to the same end.
//!
//! A change that came is durable in a record of its own from before it is acknowledged until its message was rewritten. A change that
//! came before its message waits in that record. All changes of one message go through one place, one load at a time, so that none
//! overwrites another.

use super::api::{ContactId, Event, Reply};
use super::contact::Contact;
use super::cx::{Alarm, Cx};
use super::message::{Edited, Marks, Sign, StoredMessage};
use super::{Engine, expiry, outbox, safety};
use crate::body::{Body, Content};
use crate::core::{CommandId, Key, LoadId, Op, Output, Range, Space, Value};
use crate::error::ErrorKind;
use crate::ids::MessageId;
use crate::limits::{EMOJI_BYTES_MAX, TEXT_BYTES_MAX};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Changes of one contact that may wait for their messages or for the disk.
const WAITING_MAX: usize = 8_192;
/// A change of the timer with a number further ahead can not be honest.
const TIMER_AHEAD_MAX: u64 = 1_000_000;
/// Their texts together, bytes.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// What is to become of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// It gets this text.
    Edit(String),
    /// It gets this sign.
    Sign(String),
    /// It is taken back.
    Delete,
}

/// One change that waits.
#[derive(Debug)]
enum Step {
    /// Body number `.0` of the other side.
    Theirs(u64, What),
    /// This person asked for it.
    Mine(CommandId, What),
    /// Its time is over.
    Gone,
    /// The own body `.0` that changed it has the number `.1` now.
    Renumbered(u64, u64),
}

impl Step {
    fn bytes(&self) -> usize {
        match self {
            Self::Theirs(_, what) | Self::Mine(_, what) => what.bytes(),
            Self::Gone | Self::Renumbered(..) => 0,
        }
    }
}

#[derive(Debug, Default)]
struct Waiting {
    /// The message is being loaded.
    load: Option<LoadId>,
    steps: Vec<Step>,
}

/// All changes of one contact that wait, by the message they change: whether it is an own one, and its number.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    waiting: BTreeMap<(bool, u64), Waiting>,
    count: usize,
    bytes: usize,
}

impl What {
    /// The change that a body brings, and the message it changes.
    fn of(content: &Content) -> Option<(MessageId, Self)> {
        match content {
            Content::Edit { of, text } => Some((*of, Self::Edit(text.clone()))),
            Content::Reaction { on, emoji } => Some((*on, Self::Sign(emoji.clone()))),
            Content::Delete(id) => Some((*id, Self::Delete)),
            _ => None,
        }
    }

    /// The body that brings this change.
    pub(crate) fn content(&self, id: MessageId) -> Content {
        match self {
            Self::Edit(text) => Content::Edit { of: id, text: text.clone() },
            Self::Sign(emoji) => Content::Reaction { on: id, emoji: emoji.clone() },
            Self::Delete => Content::Delete(id),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Edit(text) | Self::Sign(text) => text.len(),
            Self::Delete => 0,
        }
    }

    /// Whether it is for the author of the message alone.
    pub(crate) const fn is_authors(&self) -> bool {
        matches!(self, Self::Edit(_) | Self::Delete)
    }
}

impl Changes {
    /// Whether an own message with a number from `from` on is being loaded.
    pub(crate) fn is_loading_own(&self, from: u64) -> bool {
        self.waiting.range((true, from)..).any(|(_, waiting)| waiting.load.is_some())
    }

    fn push(&mut self, target: (bool, u64), step: Step) {
        self.count += 1;
        self.bytes += step.bytes();
        self.waiting.entry(target).or_default().steps.push(step);
    }

    fn take(&mut self, target: (bool, u64)) -> Vec<Step> {
        let steps = self.waiting.remove(&target).unwrap_or_default().steps;
        self.count -= steps.len();
        self.bytes -= steps.iter().map(Step::bytes).sum::<usize>();
        steps
    }
}

/// The row of a received body: a message with the changes that came before it, or nothing to show and a change that waits.
pub(crate) fn arrive(
    contact: &mut Contact,
    body: &Body,
    seq: u64,
    position: u64,
    cx: &mut Cx<'_>,
) -> StoredMessage {
    let mut row = StoredMessage {
        position,
        sent_ms: body.sent_ms,
        at_ms: cx.now.wall_ms,
        id: contact.card.message_id(false, seq),
        marks: Marks::default(),
        body: Zeroizing::new(body.encode()),
    };
    let change = What::of(&body.content);
    if contact.terms.blocked || change.is_some() || !body.content.is_shown() {
        row.hide();
    }
    if contact.terms.blocked {
        return row;
    }
    if let Content::Timer { seconds, number } = &body.content {
        take_timer(contact, *seconds, *number, cx);
    }
    if let Some((id, what)) = change {
        wait(contact, id, what, seq, body, cx);
    } else if !row.marks.hidden {
        expiry::note(contact, (false, seq), body.expires_s, cx);
        for step in contact.changes.take((false, seq)) {
            if let Step::Theirs(number, what) = step {
                row.change(&what, number, 0, false);
                cx.write(Op::Remove(Key::of(Space::Change, contact.id.group(), number)));
            }
        }
    }
    row
}

/// The other side changed the timer.
fn take_timer(contact: &mut Contact, seconds: u64, number: u64, cx: &mut Cx<'_>) {
    let near = number <= contact.terms.timer_number.saturating_add(TIMER_AHEAD_MAX);
    if seconds > expiry::EXPIRY_MAX_S || !near {
        cx.fault();
    } else if contact.terms.set_timer(seconds, number, !contact.card.initiator) {
        cx.write(contact.terms.save(contact.id));
        cx.notify(Event::Contact(contact.id));
    }
}

/// Takes a change of the other side, if it may be theirs.
fn wait(contact: &mut Contact, id: MessageId, what: What, seq: u64, body: &Body, cx: &mut Cx<'_>) {
    let changes = &contact.changes;
    let full = changes.count >= WAITING_MAX || changes.bytes + what.bytes() > WAITING_BYTES_MAX;
    match target(contact, id, &what, seq).filter(|_| !full) {
        Some(target) => {
            let record = Zeroizing::new(body.encode());
            cx.write(Op::Put(Key::of(Space::Change, contact.id.group(), seq), record.clone()));
            if target.0 && contact.setback.doubts(target.1) {
                put_off(contact, seq, record, cx);
                return;
            }
            contact.changes.push(target, Step::Theirs(seq, what));
            load(contact, target, cx);
        }
        // A message that is not theirs to change, that is none of this conversation, or that is not written yet.
        None => cx.fault(),
    }
}

/// The message that body `seq` of the other side may change.
fn target(contact: &Contact, id: MessageId, what: &What, seq: u64) -> Option<(bool, u64)> {
    let (mine, number) = contact.card.find(&id)?;
    // Not only what was sent in this session: after a reset own messages are sent once more.
    let may = if mine { !what.is_authors() && number < contact.next_seq } else { number < seq };
    (may && number > 0).then_some((mine, number))
}

/// Whether the message lies on the disk.
fn is_here(contact: &Contact, (mine, number): (bool, u64)) -> bool {
    let received = contact.receive_next();
    mine || number < received || contact.early.contains_key(&number)
}

fn put_off(contact: &mut Contact, seq: u64, record: Value, cx: &mut Cx<'_>) {
    if !contact.setback.put_off(seq, record) {
        cx.write(Op::Remove(Key::of(Space::Change, contact.id.group(), seq)));
        cx.fault();
    }
}

fn load(contact: &mut Contact, target: (bool, u64), cx: &mut Cx<'_>) {
    let moving = target.0 && contact.setback.is_moving() && contact.setback.doubts(target.1);
    if moving || !is_here(contact, target) {
        return;
    }
    if let Some(waiting) = contact.changes.waiting.get_mut(&target).filter(|waiting| waiting.load.is_none()) {
        waiting.load = Some(cx.load(Range::One(key(contact.id, target))));
    }
}

const fn space(mine: bool) -> Space {
    if mine { Space::Sent } else { Space::Received }
}

fn key(contact: ContactId, (mine, number): (bool, u64)) -> Key {
    Key::of(space(mine), contact.group(), number)
}

/// The message came from disk. Returns whether the load was for a change.
pub(crate) fn on_loaded(contact: &mut Contact, load: LoadId, rows: &[(Key, Value)], cx: &mut Cx<'_>) -> bool {
    let found = contact.changes.waiting.iter().find(|(_, waiting)| waiting.load == Some(load));
    let Some(target) = found.map(|(target, _)| *target) else { return false };
    let mut row = rows.first().and_then(|(_, value)| StoredMessage::decode(value));
    let before = row.clone();
    for step in contact.changes.take(target) {
        match step {
            Step::Theirs(number, what) => {
                if let Some(row) = row.as_mut() {
                    row.change(&what, number, 0, false);
                }
                cx.write(Op::Remove(Key::of(Space::Change, contact.id.group(), number)));
            }
            Step::Mine(command, what) => {
                let result = make(contact, target, row.as_mut(), &what, cx);
                cx.fx.after_stored(Output::Reply(command, result));
            }
            Step::Gone => {
                if let Some(row) = row.as_mut() {
                    let edited = row.marks.edited.filter(|_| target.0);
                    row.hide();
                    (row.sent_ms, row.at_ms) = (0, 0);
                    if let Some(old) = edited {
                        scrub(contact, old, cx);
                    }
                }
                expiry::gone(contact, target, cx);
            }
            Step::Renumbered(old, new) => {
                if let Some(row) = row.as_mut() {
                    if let Some(edited) = row.marks.edited.as_mut().filter(|edited| edited.seq == old) {
                        edited.seq = new;
                    }
                    if row.marks.mine.seq == old {
                        row.marks.mine.seq = new;
                    }
                }
            }
        }
    }
    if let Some(row) = row.filter(|row| before.as_ref() != Some(row)) {
        cx.write(Op::Put(key(contact.id, target), row.encode()));
        cx.notify(Event::Changed { contact: contact.id, id: row.id });
    }
    true
}

/// Makes an own change: on this device at once, and for the other side by a body of its own.
fn make(
    contact: &mut Contact,
    (mine, number): (bool, u64),
    row: Option<&mut StoredMessage>,
    what: &What,
    cx: &mut Cx<'_>,
) -> Result<Reply, ErrorKind> {
    let row = row.filter(|row| !row.marks.hidden).ok_or(ErrorKind::NoSuchMessage)?;
    if !row.may_change(what) {
        return Err(ErrorKind::Unchangeable);
    }
    let body = Body::new(cx.now.wall_ms, what.content(row.id));
    let position = contact.position;
    let seq = outbox::queue(contact, body, Marks::hidden(), cx);
    let old = row.change(what, seq, position, true).filter(|_| mine);
    if *what == What::Delete {
        let next_pack = contact.talk.as_ref().map_or(1, |talk| talk.next_pack);
        contact.out.empty(number, next_pack);
    }
    if let Some(old) = old {
        scrub(contact, old, cx);
    }
    cx.alarm_by(Alarm::Pump(contact.id), 0);
    Ok(Reply::Queued { id: contact.card.message_id(true, seq), seq })
}

/// Removes a message from this device: its time is over.
pub(crate) fn remove(contact: &mut Contact, message: (bool, u64), cx: &mut Cx<'_>) {
    contact.changes.push(message, Step::Gone);
    load(contact, message, cx);
}

/// Leaves nothing of the body that brought an edit: the edit is out of date.
fn scrub(contact: &mut Contact, old: Edited, cx: &mut Cx<'_>) {
    let next_pack = contact.talk.as_ref().map_or(1, |talk| talk.next_pack);
    contact.out.empty(old.seq, next_pack);
    let mut gone = StoredMessage {
        position: old.position,
        sent_ms: 0,
        at_ms: 0,
        id: contact.card.message_id(true, old.seq),
        marks: Marks::default(),
        body: Zeroizing::new(Vec::new()),
    };
    gone.hide();
    cx.write(Op::Put(key(contact.id, (true, old.seq)), gone.encode()));
}

/// Takes a change that waited when the program stopped.
pub(crate) fn restore(contact: &mut Contact, seq: u64, value: &Value, cx: &mut Cx<'_>) {
    let change = Body::decode(value).ok().and_then(|body| What::of(&body.content));
    match change.and_then(|(id, what)| Some((target(contact, id, &what, seq)?, what))) {
        Some(((true, number), _)) if contact.setback.doubts(number) => {
            put_off(contact, seq, value.clone(), cx)
        }
        Some((target, what)) => contact.changes.push(target, Step::Theirs(seq, what)),
        None => cx.fault(),
    }
}

/// An own body that changed the own message `number` gets another number.
pub(crate) fn renumber(contact: &mut Contact, number: u64, (old, new): (u64, u64)) {
    contact.changes.push((true, number), Step::Renumbered(old, new));
}

/// Own messages have new numbers: changes that wait for them find them there.
pub(crate) fn rekey(contact: &mut Contact, new_number: impl Fn(u64) -> Option<u64>) {
    let targets: Vec<_> = contact.changes.waiting.keys().copied().collect();
    for (mine, number) in targets {
        if let Some(new) = new_number(number).filter(|_| mine) {
            let steps = contact.changes.take((mine, number));
            steps.into_iter().for_each(|step| contact.changes.push((mine, new), step));
        }
    }
}

/// Goes on with the changes whose messages are there.
pub(crate) fn resume(contact: &mut Contact, cx: &mut Cx<'_>) {
    let targets: Vec<_> = contact.changes.waiting.keys().copied().collect();
    targets.into_iter().for_each(|target| load(contact, target, cx));
}

impl StoredMessage {
    /// Leaves nothing to show and nothing to read.
    pub(crate) fn hide(&mut self) {
        self.marks = Marks::hidden();
        self.body = Zeroizing::new(Body::new(0, Content::Dummy).encode());
    }

    fn may_change(&self, what: &What) -> bool {
        let content = Body::decode(&self.body).map(|body| body.content);
        !self.marks.deleted
            && match what {
                What::Edit(_) => matches!(content, Ok(Content::Text(_) | Content::Reply { .. })),
                What::Sign(_) | What::Delete => true,
            }
    }

    /// Applies a change that body `seq` brought, unless a later one came before. Returns the edit that is out of date now.
    fn change(&mut self, what: &What, seq: u64, position: u64, by_me: bool) -> Option<Edited> {
        if self.marks.hidden || !self.may_change(what) {
            return None;
        }
        match what {
            What::Edit(text) => {
                if self.marks.edited.is_some_and(|edited| edited.seq > seq) {
                    return None;
                }
                if let Ok(mut body) = Body::decode(&self.body) {
                    if let Content::Text(old) | Content::Reply { text: old, .. } = &mut body.content {
                        old.clone_from(text);
                    }
                    self.body = Zeroizing::new(body.encode());
                }
                self.marks.edited.replace(Edited { seq, position })
            }
            What::Sign(emoji) => {
                let sign = if by_me { &mut self.marks.mine } else { &mut self.marks.theirs };
                if seq > sign.seq {
                    *sign = Sign { seq, emoji: emoji.clone() };
                }
                None
            }
            What::Delete => {
                let old = self.marks.edited;
                self.marks = Marks { deleted: true, ..Marks::default() };
                self.body = Zeroizing::new(Body::new(0, Content::Dummy).encode());
                old
            }
        }
    }
}

impl Engine {
    /// Begins an own change; it is answered once the message was looked at.
    pub(crate) fn change(&mut self, command: CommandId, id: &MessageId, what: What) {
        if let Err(why) = self.begin_change(command, id, what) {
            self.fx.after_stored(Output::Reply(command, Err(why)));
        }
    }

    fn begin_change(&mut self, command: CommandId, id: &MessageId, what: What) -> Result<(), ErrorKind> {
        match &what {
            What::Edit(text) if text.is_empty() => return Err(ErrorKind::Empty),
            What::Edit(text) if text.len() > TEXT_BYTES_MAX => return Err(ErrorKind::TooLong),
            What::Sign(emoji) if emoji.len() > EMOJI_BYTES_MAX => return Err(ErrorKind::TooLong),
            What::Edit(_) | What::Sign(_) | What::Delete => {}
        }
        if let Some(begun) = self.change_in_group(command, id, &what) {
            return begun;
        }
        let (contacts, mut cx) = self.with_contacts();
        let found = contacts.values_mut().find_map(|contact| {
            let target = contact.card.find(id)?;
            Some((contact, target))
        });
        let (contact, target) = found.ok_or(ErrorKind::NoSuchMessage)?;
        safety::may_send(contact)?;
        if !target.0 && what.is_authors() {
            return Err(ErrorKind::NotYours);
        }
        if !is_here(contact, target) {
            return Err(ErrorKind::NoSuchMessage);
        }
        contact.changes.push(target, Step::Mine(command, what));
        load(contact, target, &mut cx);
        Ok(())
    }
}
