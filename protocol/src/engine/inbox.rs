//! The inbox: which tags are expected, and what an opened cell does to a conversation (DESIGN D4, P6).

use super::api::{ContactId, Event, Meeting};
use super::contact::{Contact, EARLY_MAX};
use super::cx::{Alarm, Cx, Signal};
use super::message::{Marks, StoredMessage};
use super::outbox::{self, TAG_SPAN};
use super::{acks, changes, expiry, gaps, receipts, setback};
use crate::body::{Body, Content, Payload};
use crate::core::{Key, Op, Space};
use crate::ids::Tag;
use crate::limits::{NAME_BYTES_MAX, TAGS_ACTIVE, TAGS_QUIET};
use std::collections::{BTreeMap, VecDeque};
use zeroize::Zeroizing;

/// An acknowledgement waits this long for texts to travel with, milliseconds.
pub(crate) const ACK_MS: u64 = 20;
/// A grant of tags further ahead than this can not be honest.
pub(crate) const CREDIT_AHEAD_MAX: u64 = 8_192;
/// Messages of one report that are looked at.
const REPORT_SPAN: u64 = 1_024;
/// Tags that have done their work and are remembered.
const RECENT_MAX: usize = 256;
/// So far ahead of those registered a tag is looked for, and so often since the start: a device is set back before it starts.
const FAR_TAGS: u64 = 2_048;
const LOOKS_MAX: usize = 64;
/// Contacts that get the larger window of tags (DESIGN P6).
const ACTIVE_MAX: usize = 32;

/// Whose cell comes with a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Tag number `.1` of a contact.
    Contact(ContactId, u64),
    /// The first cell of whoever holds this invitation.
    Invite(u64),
    /// A contact greets anew.
    Reset(ContactId),
}

/// All tags that may come.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    expected: BTreeMap<Tag, Expected>,
    active: std::collections::BTreeSet<ContactId>,
    /// Tags that have done their work lately: the other relays bring the same.
    recent: VecDeque<(Tag, Expected)>,
    /// How often tags that nobody expects were looked for far ahead, since the start.
    looks: usize,
}

impl Inbox {
    /// Whose tag this is.
    pub(crate) fn whose(&self, tag: &Tag) -> Option<Expected> {
        self.expected.get(tag).copied()
    }

    /// A tag has done its work.
    pub(crate) fn forget(&mut self, tag: &Tag) {
        if let Some(whose) = self.expected.remove(tag) {
            if self.recent.len() >= RECENT_MAX {
                self.recent.pop_front();
            }
            self.recent.push_back((*tag, whose));
        }
    }

    /// The contact whose cell with this tag was opened lately.
    pub(crate) fn was(&self, tag: &Tag) -> Option<ContactId> {
        self.recent.iter().find_map(|(known, whose)| match whose {
            Expected::Contact(id, _) if known == tag => Some(*id),
            _ => None,
        })
    }

    /// The contact whose tag this is, though it lies beyond all that were registered: only a device that was set back to an older copy of
    /// itself does not know how far they are.
    pub(crate) fn far(
        &mut self,
        tag: &Tag,
        contacts: &BTreeMap<ContactId, Contact>,
    ) -> Option<(ContactId, u64)> {
        if self.looks >= LOOKS_MAX || self.recent.iter().any(|(known, _)| known == tag) {
            return None;
        }
        self.looks += 1;
        contacts.values().find_map(|contact| {
            let talk = contact.talk.as_ref()?;
            let ahead = talk.session.receive_tags().tags(talk.wanted..talk.wanted.saturating_add(FAR_TAGS));
            ahead.into_iter().find(|(_, known)| known == tag).map(|(index, _)| (contact.id, index))
        })
    }

    /// Expects the first-contact tags of an invitation.
    pub(crate) fn expect_invite(&mut self, number: u64, tags: &[Tag]) {
        for tag in tags {
            self.expected.insert(*tag, Expected::Invite(number));
        }
    }

    /// Expects that a contact may greet anew.
    pub(crate) fn expect_reset(&mut self, contact: ContactId, tags: &[Tag]) {
        for tag in tags {
            self.expected.insert(*tag, Expected::Reset(contact));
        }
    }

    /// The session with a contact is another one: its tags mean nothing any more.
    pub(crate) fn forget_contact(&mut self, contact: ContactId) {
        self.expected
            .retain(|_, expected| !matches!(expected, Expected::Contact(other, _) if *other == contact));
    }

    /// Expects the tags of a contact from number `from` up to what it may be granted.
    pub(crate) fn expect_contact(&mut self, contact: &Contact, from: u64) {
        let Some(talk) = &contact.talk else { return };
        for (index, tag) in talk.session.receive_tags().tags(from..talk.wanted) {
            self.expected.insert(tag, Expected::Contact(contact.id, index));
        }
    }

    /// Expects all tags of a contact that was loaded from disk.
    pub(crate) fn expect_again(&mut self, contact: &Contact) {
        if let Some(talk) = &contact.talk {
            if talk.wanted > TAGS_QUIET {
                self.active.insert(contact.id);
            }
            self.expect_contact(contact, talk.wanted.saturating_sub(2 * TAG_SPAN));
        }
    }

    /// Widens the window of a contact when half of it is used; gives up tags far behind it.
    pub(crate) fn widen(&mut self, contact: &mut Contact, spoke: bool, cx: &mut Cx<'_>) {
        let id = contact.id;
        if spoke && (self.active.len() < ACTIVE_MAX) {
            self.active.insert(id);
        }
        let window = if self.active.contains(&id) { TAGS_ACTIVE } else { TAGS_QUIET };
        let Some(talk) = contact.talk.as_mut() else { return };
        if talk.wanted.saturating_sub(talk.used_index) > window / 2 {
            return;
        }
        let from = talk.wanted;
        talk.wanted = talk.used_index + window;
        let floor = talk.wanted.saturating_sub(2 * TAG_SPAN);
        self.expected.retain(|_, expected| !matches!(expected, Expected::Contact(other, index) if *other == id && *index < floor));
        talk.session.forget_receive_tags_below(floor);
        self.expect_contact(contact, from);
        cx.signal(Signal::TagsWanted(id));
    }
}

/// Applies the payload of a cell that came with tag number `index`; everything it changes goes into this turn's batch.
pub(crate) fn on_payload(contact: &mut Contact, payload: &Payload, index: Option<u64>, cx: &mut Cx<'_>) {
    let id = contact.id;
    let Some(talk) = contact.talk.as_mut() else { return };
    if let Some(index) = index {
        talk.used_index = talk.used_index.max(index + 1);
    }
    if let Some(credit) = payload.credit {
        let used = talk.next_nth.into_iter().max().unwrap_or(0).saturating_mul(16);
        if credit <= talk.credit.max(used) + CREDIT_AHEAD_MAX {
            talk.credit = talk.credit.max(credit);
        } else {
            cx.fault();
        }
    }
    if let Some(mailboxes) =
        payload.mailboxes.as_ref().filter(|new| new.seq > talk.their.seq && !new.mailboxes.is_empty())
    {
        talk.moved(mailboxes.clone(), cx.now.wall_ms);
        talk.owes = true;
        cx.alarm_by(Alarm::Ack(id), ACK_MS);
        outbox::on_moved(contact, cx);
    }
    let Some(talk) = contact.talk.as_mut() else { return };
    if let Some(seen) = payload.mailboxes_seen {
        talk.seen_mailboxes = talk.seen_mailboxes.max(seen);
    }
    let before = gaps::shown_below(contact);
    let mut moved = false;
    if let Some(ack) = &payload.ack {
        moved |= acks::on_ack(contact, ack, payload.ack_run, cx);
    }
    if let Some(held) = &payload.held {
        setback::judge(contact, held, cx);
    }
    if payload.asks_held
        && let Some(talk) = contact.talk.as_mut()
    {
        contact.setback.tell = true;
        talk.owes = true;
        cx.alarm_by(Alarm::Ack(id), ACK_MS);
    }
    let late = take_numbered(contact, payload, cx);
    let named = take_loose(contact, payload, &mut moved, cx);
    for report in &payload.reports {
        let mut seqs = report.from..report.from.saturating_add(report.count.min(REPORT_SPAN));
        if let Some(seq) = seqs.find(|seq| !contact.has_received(*seq)) {
            cx.signal(Signal::Reported(id, seq, report.relays.clone()));
        }
    }
    gaps::look(contact, !payload.numbered.is_empty(), cx);
    expiry::begin(contact, cx);
    if let Some(op) = contact.save_talk() {
        cx.write(op);
    }
    if named {
        cx.write(contact.save_card());
        cx.notify(Event::Contact(id));
    }
    if !payload.numbered.is_empty() {
        cx.alarm_by(Alarm::Ack(id), ACK_MS);
    }
    let after = gaps::shown_below(contact);
    if !contact.terms.blocked && (after > before || late.is_some()) {
        let from = late.map_or(before, |(from, _)| from.min(before));
        let to = late.map_or(after - 1, |(_, to)| to.max(after - 1));
        cx.notify(Event::Received { contact: id, from, to });
    }
    if moved {
        cx.notify(Event::Delivery(id, contact.delivery()));
        cx.signal(Signal::Moved(id));
    }
    cx.alarm_by(Alarm::Pump(id), 0);
}

/// Stores new messages; returns the lowest and highest number of those that had been passed over as missing.
fn take_numbered(contact: &mut Contact, payload: &Payload, cx: &mut Cx<'_>) -> Option<(u64, u64)> {
    let mut late: Option<(u64, u64)> = None;
    for (body, seq) in payload.numbered.iter().zip(payload.first_seq..) {
        let talk = contact.talk.as_ref()?;
        let next = talk.receive_next;
        if seq < next || contact.early.contains_key(&seq) {
            continue;
        }
        let ahead = talk.apart(next, seq);
        let run = payload.runs.iter().rev().find(|(first, _)| *first <= seq);
        if let Some(run) = run.filter(|run| contact.card.their_runs.at(seq) != Some(**run)) {
            let Contact { card, early, .. } = &mut *contact;
            let is_held = |from: u64, to: u64| from < next || early.range(from..to).next().is_some();
            if !card.their_runs.admit(seq, *run, is_held) {
                // Its author was set back since: another message has this number. The acknowledgement tells.
                cx.fault();
                continue;
            }
            cx.write(contact.save_card());
        }
        if ahead > EARLY_MAX as u64 || contact.early.len() >= EARLY_MAX {
            cx.fault();
            break;
        }
        // Messages that are still missing keep their places in the order of display, right before the one that came early.
        let position = gaps::place(contact, seq).unwrap_or_else(|| {
            let last = contact.early.last_key_value().map_or(next, |(last, _)| last + 1);
            let between = contact.talk.as_ref().map_or(0, |talk| talk.apart(last, seq));
            let position = contact.position + between;
            contact.position = position + 1;
            position
        });
        let row = match &body.content {
            Content::Group(..) | Content::DoorWish(_) | Content::DoorOffer { .. } => {
                // No conversation shows it, and whom it is for keeps what matters; the row says that it came.
                cx.signal(match &body.content {
                    Content::Group(kind, letter) => Signal::Letter(contact.id, *kind, letter.clone()),
                    about_doors => Signal::DoorWord(contact.id, about_doors.clone()),
                });
                StoredMessage {
                    position,
                    sent_ms: 0,
                    at_ms: cx.now.wall_ms,
                    id: contact.card.message_id(false, seq),
                    marks: Marks::hidden(),
                    body: Zeroizing::new(Body::new(0, Content::Dummy).encode()),
                }
            }
            _ => changes::arrive(contact, body, seq, position, cx),
        };
        if row.marks.hidden {
            contact.terms.hidden.insert(seq);
            cx.write(contact.terms.save(contact.id));
        }
        cx.write(Op::Put(Key::of(Space::Received, contact.id.group(), seq), row.encode()));
        contact.early.insert(seq, position);
        if contact.terms.passed_over.contains(seq) {
            gaps::filled(contact, seq, cx);
            late = Some(late.map_or((seq, seq), |(from, to)| (from.min(seq), to.max(seq))));
        }
        let talk = contact.talk.as_mut()?;
        let before = contact.card.skipped.1;
        talk.skip_void(&mut contact.early, &mut contact.card.skipped.1);
        let skipped = contact.card.skipped.1 != before;
        talk.owes = true;
        if skipped {
            cx.write(contact.save_card());
        }
    }
    if !payload.numbered.is_empty() {
        // Even what was there already must be acknowledged again: the last acknowledgement may be lost.
        contact.talk.as_mut()?.owes = true;
    }
    gaps::advance(contact);
    late
}

fn take_loose(contact: &mut Contact, payload: &Payload, moved: &mut bool, cx: &mut Cx<'_>) -> bool {
    let mut named = false;
    for body in &payload.loose {
        match &body.content {
            Content::Profile(name) if *name != contact.card.remote_name && name.len() <= NAME_BYTES_MAX => {
                contact.card.remote_name.clone_from(name);
                named = true;
            }
            Content::Typing
                if receipts::is_typing_now(body.sent_ms, cx.now.wall_ms) && !contact.terms.blocked =>
            {
                cx.notify(Event::Typing(contact.id));
            }
            Content::ResendRequest(from, to) => gaps::on_request(contact, *from, *to, cx),
            Content::Void(from, to) => gaps::on_void(contact, *from, *to, cx),
            Content::Read(upto) => {
                if let Some(talk) = contact.talk.as_mut().filter(|_| contact.setback.doubt.is_none()) {
                    if *upto >= talk.next_pack {
                        cx.fault();
                    } else if *upto > talk.read_upto {
                        talk.read_upto = *upto;
                        *moved = true;
                    }
                }
            }
            _ => {}
        }
    }
    named
}

/// The meeting succeeded.
pub(crate) fn connected(contact: &mut Contact, cx: &mut Cx<'_>) {
    contact.card.meeting = Meeting::Connected;
    contact.card.invitation = None;
    contact.card.asking = false;
    contact.card.pending = None;
    if let Some(talk) = contact.talk.as_ref().filter(|_| contact.card.pair.iter().all(|byte| *byte == 0)) {
        contact.card.pair = talk.session.pair_secret();
    }
    cx.timers.cancel(Alarm::Reset(contact.id));
    cx.alarm_by(Alarm::Gift(contact.id), super::resets::GIFT_MS);
    cx.write(contact.save_card());
    cx.notify(Event::Contact(contact.id));
    cx.signal(Signal::Connected);
    // The greeting has arrived; what it carried and was not acknowledged is sent again.
    if let Some(cell) = contact.out.cells.remove(&0) {
        cell.retire(contact.id, 0, None, cx);
        if cell.count > 0 {
            outbox::take_back(contact, cell.first_seq);
        }
    }
}
