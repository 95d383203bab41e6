//! A cell came from a mailbox: whose it is, and what it changes.

use super::api::{ContactId, Meeting};
use super::contact::{Card, Contact, Talk};
use super::cx::{Alarm, Ask, Signal, Token, context};
use super::inbox::{self, Expected};
use super::invites::Greeted;
use super::routes::Lane;
use super::spend::For;
use super::{CONTACTS_MAX, Engine, outbox, safety, setback};
use crate::body::Payload;
use crate::cell::Cell;
use crate::error::PeerFault;
use crate::identity::RemoteIdentity;
use crate::ids::TagPrefix;
use crate::limits::{STORED_AT, TAGS_QUIET};
use crate::rpc::Request;
use crate::session::Session;

/// How long after a cell the keys for an answer are made, milliseconds: what the cell said is with its reader by then.
const PREPARE_MS: u64 = 5;

/// Who greeted, and the session that began with it.
pub(crate) struct Met {
    pub(crate) identity: RemoteIdentity,
    pub(crate) session: Session,
}

/// What became of a cell.
pub(super) enum Arrived {
    /// Nothing of it is wanted any more once this turn is durable.
    Durable,
    /// It is looked at once something was loaded.
    Later,
    /// It says nothing that this device understands.
    Refused,
    /// It bears this tag of a contact and does not open.
    Shut(ContactId, u64),
}

impl Engine {
    /// A cell came from a mailbox.
    pub(crate) fn on_cell(&mut self, mailbox: u32, cell: &Cell) {
        let tag = cell.tag();
        if self.mailboxes.is_canary(mailbox, tag) {
            return;
        }
        self.spending.heard(For::Rest);
        let is_expected = self.inbox.whose(&tag).is_some() || self.addresses.is_asked(&tag);
        let arrived = self.arrive(cell, Some(mailbox));
        self.spending.count_heard(cell.bytes().len());
        match arrived {
            Arrived::Later => return,
            refused @ (Arrived::Refused | Arrived::Shut(..)) => {
                if self.asks_again(tag.prefix()) {
                    return;
                }
                if let Arrived::Shut(id, index) = refused {
                    self.on_shut(id, index, mailbox, cell);
                }
                self.remove_at(mailbox, tag.prefix());
                return;
            }
            Arrived::Durable if is_expected => {}
            // A greeting or request that was taken; a copy of a cell that was opened already; or a tag that was given up.
            Arrived::Durable => {
                let Self { inbox, contacts, .. } = self;
                if let Some((id, index)) = inbox.far(&tag, contacts) {
                    self.on_shut(id, index, mailbox, cell);
                }
            }
        }
        let (mailboxes, mut cx) = self.with_mailboxes();
        mailboxes.on_durable(tag.prefix(), &mut cx);
    }

    /// A mailbox's copy is bent, or one of a cell that was opened before a restart; that of another may be good. Once the pieces of all
    /// are in doubt no longer, it is of no use.
    pub(super) fn refuse(&mut self, mailbox: u32, prefix: TagPrefix) {
        if !self.asks_again(prefix) {
            self.remove_at(mailbox, prefix);
        }
    }

    /// Counts a copy that is no good; whether it came in pieces of several mailboxes, which are now asked one at a time.
    fn asks_again(&mut self, prefix: TagPrefix) -> bool {
        self.faults += 1;
        let (mailboxes, mut cx) = self.with_mailboxes();
        mailboxes.bent(prefix, &mut cx)
    }

    /// Takes in a cell, whatever way it came: from this mailbox, or not from one.
    pub(super) fn arrive(&mut self, cell: &Cell, mailbox: Option<u32>) -> Arrived {
        let tag = cell.tag();
        match self.inbox.whose(&tag) {
            Some(Expected::Contact(id, index)) => {
                if self.open_cell(id, index, cell).is_err() {
                    return Arrived::Shut(id, index);
                }
                self.inbox.forget(&tag);
            }
            Some(Expected::Invite(number)) if self.greeted(number, cell).is_err() => return Arrived::Refused,
            Some(Expected::Reset(id)) => {
                // The prekeys have to be loaded first.
                let (resets, mut cx) = self.with_resets();
                resets.answer(id, mailbox, cell, &mut cx);
                return Arrived::Later;
            }
            None if self.addresses.is_asked(&tag) && self.asked(cell).is_err() => return Arrived::Refused,
            Some(Expected::Invite(_)) | None => {}
        }
        Arrived::Durable
    }

    /// A cell of a contact does not open. Two relays that bring the same one did not bend it: keys of this device are older than it.
    fn on_shut(&mut self, id: ContactId, index: u64, mailbox: u32, cell: &Cell) {
        let wanted = STORED_AT.min(self.mailboxes.descriptor().mailboxes.len());
        let (contacts, mut cx) = self.with_contacts();
        let Some(contact) = contacts.get_mut(&id) else { return };
        // One with a lower number may have been opened before.
        let new = contact.talk.as_ref().is_some_and(|talk| index >= talk.used_index);
        if new && contact.setback.shut(cell.hash(), mailbox) >= wanted {
            setback::notice(contact, 0, &mut cx);
        }
    }

    fn remove_at(&mut self, mailbox: u32, prefix: TagPrefix) {
        if let Some(relay) = self.mailboxes.attached_relay(mailbox) {
            let ask = Ask::Plain(Request::Remove(vec![prefix]));
            self.signals.push_back(Signal::Ask(Lane::Mailbox(mailbox), relay, ask, Token::Nobody));
        }
    }

    /// Keys of cells that do not come any more are given up.
    pub(crate) fn age_keys(&mut self) {
        let (contacts, mut cx) = self.with_contacts();
        for contact in contacts.values_mut() {
            let aged = contact.talk.as_mut().is_some_and(|talk| talk.session.age(cx.now.wall_ms));
            if aged && let Some(op) = contact.save_talk() {
                cx.write(op);
            }
        }
    }

    fn open_cell(&mut self, id: ContactId, index: u64, cell: &Cell) -> Result<(), PeerFault> {
        let (contacts, mut cx) = self.with_contacts();
        let contact = contacts.get_mut(&id).ok_or(PeerFault::Mismatch)?;
        let talk = contact.talk.as_mut().ok_or(PeerFault::Mismatch)?;
        let bytes = talk.session.open(cell)?;
        talk.session.age(cx.now.wall_ms);
        cx.alarm_by(Alarm::Prepare(id), PREPARE_MS);
        // From here on the session has moved: what can not be read is lost for good, and only its author is to blame.
        let payload = Payload::decode(&bytes).unwrap_or_else(|_| {
            cx.fault();
            Payload::default()
        });
        let met = contact.card.meeting == Meeting::Greeting;
        cx.spending.heard(if payload.numbered.is_empty() { For::Receipts } else { For::Texts });
        inbox::on_payload(contact, &payload, Some(index), &mut cx);
        if payload.gift.is_some() || payload.gift_seen.is_some() {
            let Self { resets, contacts, .. } = self;
            let mut cx = context!(self);
            if let Some(contact) = contacts.get_mut(&id) {
                resets.on_payload(contact, &payload, &mut cx);
            }
        }
        let (contacts, mut cx) = self.with_contacts();
        let contact = contacts.get_mut(&id).ok_or(PeerFault::Mismatch)?;
        if met {
            let invitation = contact.card.invitation.take();
            inbox::connected(contact, &mut cx);
            self.take_doors(id, invitation);
        }
        let spoke = !payload.numbered.is_empty();
        let Self { inbox, contacts, .. } = self;
        let mut cx = context!(self);
        if let Some(contact) = contacts.get_mut(&id) {
            inbox.widen(contact, spoke, &mut cx);
        }
        Ok(())
    }

    /// The first cell of somebody who used an invitation.
    fn greeted(&mut self, number: u64, cell: &Cell) -> Result<(), PeerFault> {
        let greeted = self.invites.open(number, &self.setup.identity, cell)?;
        let payload = Payload::decode(&greeted.payload)?;
        if payload.mailboxes.is_none() {
            return Err(PeerFault::Malformed);
        }
        let fingerprint = greeted.identity.fingerprint();
        let known = self.contacts.values().find(|contact| contact.card.fingerprint == fingerprint);
        // Both invited each other at once: the greeting of the lower fingerprint counts, once there is one. Whoever still looks for the
        // other's bundle may never find it.
        if known.is_some_and(|contact| {
            contact.card.meeting == Meeting::Greeting && self.setup.identity.fingerprint() < fingerprint
        }) {
            return Ok(());
        }
        let place = self.place_for(&greeted.identity, &greeted.secret)?;
        for tag in self.invites.tags(number).to_vec() {
            self.inbox.forget(&tag);
            if tag != cell.tag() {
                // The other first-contact tags are of no use any more.
                self.signals.push_back(Signal::Durable(tag.prefix()));
            }
        }
        let Self { invites, setup, .. } = self;
        let mut cx = context!(self);
        invites.use_up(number, &setup.identity, &mut cx);
        let Greeted { identity, session, .. } = greeted;
        self.note_guest(place.0, number);
        self.meet_as(place, Met { identity, session }, &payload)
    }

    /// The contact as whom somebody who greets is met; and whether it is another device of a connected contact.
    pub(crate) fn place_for(
        &mut self,
        identity: &RemoteIdentity,
        secret: &[u8; 16],
    ) -> Result<(ContactId, bool), PeerFault> {
        let fingerprint = identity.fingerprint();
        let known = self.contacts.values().find(|contact| contact.card.fingerprint == fingerprint);
        Ok(match known.map(|contact| (contact.id, contact.card.meeting)) {
            Some((_, Meeting::Connected)) => {
                self.alarm_all(identity)?;
                (self.new_contact(Card::new(fingerprint, secret, false)), true)
            }
            Some((id, _)) => {
                let (contacts, mut cx) = self.with_contacts();
                if let Some(contact) = contacts.get_mut(&id) {
                    if let Some(cell) = contact.out.cells.remove(&0) {
                        cell.retire(id, 0, None, &mut cx);
                    }
                    cx.timers.cancel(Alarm::Meet(id));
                    let name = core::mem::take(&mut contact.card.name);
                    contact.card = Card::new(fingerprint, secret, false);
                    contact.card.name = name;
                    // Texts that went with the greeting that does not count go with the session that does.
                    outbox::begin_again(contact);
                }
                (id, false)
            }
            None if self.contacts.len() >= CONTACTS_MAX => return Err(PeerFault::Bound),
            None => (self.new_contact(Card::new(fingerprint, secret, false)), false),
        })
    }

    /// Both sides have keys from now on.
    pub(crate) fn meet_as(
        &mut self,
        (id, other_device): (ContactId, bool),
        met: Met,
        payload: &Payload,
    ) -> Result<(), PeerFault> {
        let their = payload.mailboxes.clone().ok_or(PeerFault::Malformed)?;
        let (contacts, mut cx) = self.with_contacts();
        let Some(contact) = contacts.get_mut(&id) else { return Ok(()) };
        contact.card.identity = Some(met.identity);
        let mut talk = Talk::new(met.session, their);
        // A greeting grants the first tags of its sender.
        talk.credit = TAGS_QUIET;
        contact.begin_session(talk);
        inbox::on_payload(contact, payload, None, &mut cx);
        inbox::connected(contact, &mut cx);
        if other_device {
            safety::alarm(contact, &mut cx);
        }
        cx.signal(Signal::TagsWanted(id));
        self.inbox.expect_contact(contact_ref(&self.contacts, id)?, 0);
        Ok(())
    }

    /// A connected contact's account key greets by an invitation. From a device that is known it is a repetition. From another one it
    /// is a person with a new device, or somebody who has only their account key: nothing more is sent to any of their devices until
    /// this person decides. (A device restored from a backup comes by its gift and so shows that it goes on.)
    pub(crate) fn alarm_all(&mut self, identity: &RemoteIdentity) -> Result<(), PeerFault> {
        let fingerprint = identity.fingerprint();
        let full = self.contacts.len() >= CONTACTS_MAX;
        let (contacts, mut cx) = self.with_contacts();
        let of_them = |contact: &Contact| contact.card.fingerprint == fingerprint;
        let mut all = contacts.values().filter(|contact| of_them(contact));
        if all.any(|known| !safety::is_other_device(&known.card, identity)) {
            return Err(PeerFault::Replay);
        }
        if full {
            return Err(PeerFault::Bound);
        }
        contacts
            .values_mut()
            .filter(|contact| of_them(contact))
            .for_each(|known| safety::alarm(known, &mut cx));
        Ok(())
    }
}

fn contact_ref(
    contacts: &std::collections::BTreeMap<ContactId, Contact>,
    id: ContactId,
) -> Result<&Contact, PeerFault> {
    contacts.get(&id).ok_or(PeerFault::Mismatch)
}
