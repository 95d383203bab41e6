//! Start: loading the whole working state from disk before anything else happens.

use super::api::{ContactId, Event, StoredMessage};
use super::contact::{Card, Contact, Talk};
use super::cx::{Signal, context};
use super::terms::Terms;
use super::{Engine, changes, expiry, gaps, outbox, receipts, setback};
use crate::body::Body;
use crate::core::{Key, LoadId, Range, Space, Value};
use std::collections::BTreeMap;

/// Undelivered bodies of one contact that are looked through for letters.
const LETTERS_MAX: usize = 4_096;

#[derive(Debug, Clone, Copy)]
enum Wanted {
    Space(Space),
    /// The newest own message of a contact.
    Sent(ContactId),
    /// The newest own message in doubt of a contact.
    Doubted(ContactId),
    /// The received messages of a contact that nothing in order covers, and the newest one.
    Received(ContactId),
    LastReceived(ContactId),
    /// Own bodies that a contact may not have yet: letters among them.
    Letters(ContactId),
    /// The newest line of a group.
    Line(super::group_api::GroupNumber),
}

/// Loads that are still out.
#[derive(Debug, Default)]
pub(crate) struct Start {
    wanted: BTreeMap<LoadId, Wanted>,
    done: bool,
}

impl Start {
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }
}

impl Engine {
    /// Asks for everything. Contacts come before what belongs to them, because loads are answered in order.
    pub(crate) fn begin(&mut self) {
        for space in [
            Space::Door,
            Space::Descriptor,
            Space::Mailbox,
            Space::Contact,
            Space::Session,
            Space::OutState,
            Space::Invite,
            Space::Group,
            Space::GroupOp,
            Space::GroupAuthor,
            Space::GroupOut,
            Space::GroupSeed,
            Space::GroupCell,
            Space::GroupExpiry,
            Space::Channel,
            Space::ChannelMark,
            Space::ChannelCell,
            // A doubt decides what becomes of changes.
            Space::Reset,
            Space::Terms,
            Space::Change,
            Space::Expiry,
            Space::Address,
            Space::Prekeys,
            Space::Request,
            Space::Lan,
            Space::CarriedMark,
            Space::Spending,
            Space::Handout,
        ] {
            self.want(Wanted::Space(space), Range::Space(space));
        }
    }

    fn want(&mut self, wanted: Wanted, range: Range) {
        let (_, mut cx) = self.with_doors();
        let load = cx.load(range);
        self.start.wanted.insert(load, wanted);
    }

    /// Takes loaded records; `false` if they were not asked for here.
    pub(crate) fn on_start_loaded(&mut self, load: LoadId, rows: &[(Key, Value)]) -> bool {
        let Some(wanted) = self.start.wanted.remove(&load) else { return false };
        match wanted {
            Wanted::Space(space) => {
                for (key, value) in rows {
                    self.take(space, *key, value);
                }
                if space == Space::Session {
                    self.want_messages();
                }
                if space == Space::Group {
                    for number in self.groups.numbers() {
                        self.want(Wanted::Line(number), super::group_state::newest_line(number));
                    }
                }
            }
            Wanted::Sent(id) => {
                if let (Some(contact), Some((key, value))) = (self.contacts.get_mut(&id), rows.first()) {
                    contact.next_seq = key.seq.saturating_add(1);
                    note_position(contact, value);
                }
                // Records of letters are gone once they are delivered.
                if let Some(contact) = self.contacts.get_mut(&id) {
                    let packed = contact.talk.as_ref().map_or(1, |talk| talk.next_pack.max(talk.top_pack));
                    contact.next_seq = contact.next_seq.max(packed);
                    if let Some(doubt) = &contact.setback.doubt {
                        // Some may have their new numbers already.
                        let (group, to) = (id.group(), doubt.floor);
                        contact.next_seq = packed.max(doubt.from);
                        let range =
                            Range::Group { space: Space::Sent, group, from: 0, to, limit: 1, newest: true };
                        self.want(Wanted::Doubted(id), range);
                    }
                }
            }
            Wanted::Doubted(id) => {
                if let (Some(contact), Some((key, value))) = (self.contacts.get_mut(&id), rows.first()) {
                    contact.next_seq = contact.next_seq.max(key.seq.saturating_add(1));
                    note_position(contact, value);
                }
            }
            Wanted::Letters(id) => {
                for (key, value) in rows {
                    if let (Some(row), Some(contact)) =
                        (StoredMessage::decode(value), self.contacts.get_mut(&id))
                        && let Ok(body) = Body::decode(&row.body)
                    {
                        contact.out.letters.note(key.seq, row.position, &body);
                    }
                }
            }
            Wanted::Line(number) => {
                if let Some((key, _)) = rows.first() {
                    self.groups.note_line(number, key.seq);
                }
            }
            Wanted::Received(id) => {
                if let Some(contact) = self.contacts.get_mut(&id) {
                    for (key, value) in rows {
                        let position = note_position(contact, value);
                        if StoredMessage::decode(value).is_some_and(|row| row.marks.gap > 0) {
                            // A line that stands for missing messages is none of them.
                            continue;
                        }
                        contact.early.insert(key.seq, position);
                    }
                }
            }
            Wanted::LastReceived(id) => {
                if let (Some(contact), Some((_, value))) = (self.contacts.get_mut(&id), rows.first()) {
                    note_position(contact, value);
                }
            }
        }
        if self.start.wanted.is_empty() && !self.start.done {
            self.finish();
        }
        true
    }

    fn take(&mut self, space: Space, key: Key, value: &Value) {
        match space {
            Space::Door => {
                let (doors, mut cx) = self.with_doors();
                doors.load(key, value, &mut cx);
            }
            Space::Descriptor => {
                let (doors, mut cx) = self.with_doors();
                doors.load_relay(value, &mut cx);
            }
            Space::Mailbox => {
                let (mailboxes, mut cx) = self.with_mailboxes();
                mailboxes.load(key, value, &mut cx);
            }
            Space::Invite => {
                let (invites, mut cx) = self.with_invites();
                if let Some(number) = invites.load(key, value, &mut cx) {
                    self.inbox.expect_invite(number, self.invites.tags(number));
                }
            }
            Space::Address => {
                let (addresses, mut cx) = self.with_addresses();
                addresses.load(key, value, &mut cx);
            }
            Space::Prekeys => {
                let (addresses, mut cx) = self.with_addresses();
                addresses.load_set(key, value, &mut cx);
            }
            Space::Handout => {
                let Self { handouts, .. } = self;
                handouts.load(key, value, &mut context!(self));
            }
            Space::Request => {
                let (requests, mut cx) = self.with_requests();
                requests.load(key, value, &mut cx);
            }
            Space::Lan if key == super::carrier::SWITCH => self.carrier.load_switch(value),
            Space::Lan => self.load_networks(value),
            Space::CarriedMark => {
                let Self { carrier, .. } = self;
                carrier.load(key, value, &mut context!(self));
            }
            Space::Spending => self.load_spending(value),
            Space::Contact => match Card::decode(value) {
                Ok(card) => {
                    let id = ContactId(key.seq as u32);
                    self.contacts.insert(id, Contact::new(id, card));
                }
                Err(_) => self.faults += 1,
            },
            Space::Session => {
                let id = ContactId(key.seq as u32);
                match (Talk::decode(value), self.contacts.get_mut(&id)) {
                    (Ok(talk), Some(contact)) => contact.talk = Some(talk),
                    _ => self.faults += 1,
                }
            }
            Space::Reset => {
                let id = outbox::contact_of(&key.group);
                if key.seq >= super::resets::DOUBT {
                    let (contacts, mut cx) = self.with_contacts();
                    if let Some(contact) = contacts.get_mut(&id) {
                        setback::load(contact, key.seq, value, &mut cx);
                    }
                    return;
                }
                let (resets, mut cx) = self.with_resets();
                let tags = resets.load(id, key.seq, value, &mut cx);
                self.inbox.expect_reset(id, &tags);
            }
            Space::OutState => {
                let id = outbox::contact_of(&key.group);
                let (contacts, mut cx) = self.with_contacts();
                match contacts.get_mut(&id) {
                    Some(contact) => outbox::load_cell(contact, key.seq, value, &mut cx),
                    None => cx.fault(),
                }
            }
            Space::Group
            | Space::GroupOp
            | Space::GroupAuthor
            | Space::GroupOut
            | Space::GroupSeed
            | Space::GroupCell
            | Space::GroupExpiry => {
                let (groups, mut cx) = self.with_groups();
                groups.load(key, value, &mut cx);
            }
            Space::Channel | Space::ChannelMark | Space::ChannelCell => {
                let (channels, mut cx) = self.with_channels();
                channels.load(&key, value, &mut cx);
            }
            Space::Terms => {
                let id = ContactId(key.seq as u32);
                match (Terms::decode(value), self.contacts.get_mut(&id)) {
                    (Ok(terms), Some(contact)) => contact.terms = terms,
                    _ => self.faults += 1,
                }
            }
            Space::Expiry => {
                let id = outbox::contact_of(&key.group);
                let (contacts, mut cx) = self.with_contacts();
                match contacts.get_mut(&id) {
                    Some(contact) => expiry::restore(contact, key.seq, value, &mut cx),
                    None => cx.fault(),
                }
            }
            Space::Change => {
                let id = outbox::contact_of(&key.group);
                let (contacts, mut cx) = self.with_contacts();
                match contacts.get_mut(&id) {
                    Some(contact) => changes::restore(contact, key.seq, value, &mut cx),
                    None => cx.fault(),
                }
            }
            _ => {}
        }
    }

    fn want_messages(&mut self) {
        let delivered = |contact: &Contact| contact.talk.as_ref().map_or(1, |talk| talk.delivered.below);
        let all: Vec<_> = self
            .contacts
            .values()
            .map(|contact| (contact.id, contact.receive_next(), delivered(contact)))
            .collect();
        for (id, next, delivered) in all {
            let group = id.group();
            let newest =
                |space, from, limit, newest| Range::Group { space, group, from, to: u64::MAX, limit, newest };
            self.want(Wanted::Sent(id), newest(Space::Sent, 0, 1, true));
            self.want(Wanted::Letters(id), newest(Space::Sent, delivered, LETTERS_MAX, false));
            self.want(Wanted::LastReceived(id), newest(Space::Received, 0, 1, true));
            self.want(Wanted::Received(id), newest(Space::Received, next, super::contact::EARLY_MAX, false));
        }
    }

    fn finish(&mut self) {
        self.start.done = true;
        let ids: Vec<_> = self.contacts.keys().copied().collect();
        for id in ids {
            if let Some(contact) = self.contacts.get(&id) {
                self.inbox.expect_again(contact);
            }
            let (contacts, mut cx) = self.with_contacts();
            if let Some(contact) = contacts.get_mut(&id) {
                super::meeting::on_network(contact, &mut cx);
                gaps::advance(contact);
                changes::resume(contact, &mut cx);
                gaps::look(contact, false, &mut cx);
                expiry::resume(contact, &mut cx);
                receipts::on_seen(contact, &mut cx);
                if contact.talk.as_ref().is_some_and(|talk| talk.owes) {
                    cx.alarm_by(super::cx::Alarm::Ack(id), 20);
                }
            }
        }
        self.start_groups();
        self.start_channels();
        self.start_island();
        self.mend_sessions();
        let (addresses, mut cx) = self.with_addresses();
        addresses.begin(&mut cx);
        self.start_spending();
        let (doors, mut cx) = self.with_doors();
        doors.dial(&mut cx);
        cx.notify(Event::Ready);
        cx.signal(Signal::NetworkChanged);
    }
}

fn note_position(contact: &mut Contact, value: &Value) -> u64 {
    let position = StoredMessage::decode(value).map_or(0, |message| message.position);
    contact.position = contact.position.max(position.saturating_add(1));
    position
}
