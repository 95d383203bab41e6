//! The first cell of somebody who used an invitation: a new contact, one that was met halfway, or a known one with other keys.

use super::api::{ContactId, Meeting};
use super::contact::{Card, Contact, Talk};
use super::cx::{Alarm, Signal, context};
use super::{CONTACTS_MAX, Engine, inbox, safety};
use crate::body::Payload;
use crate::cell::Cell;
use crate::error::PeerFault;
use crate::identity::RemoteIdentity;
use crate::limits::TAGS_QUIET;

impl Engine {
    /// The first cell of somebody who used an invitation.
    pub(crate) fn greeted(&mut self, number: u64, cell: &Cell) -> Result<(), PeerFault> {
        let greeted = self.invites.open(number, &self.setup.identity, cell)?;
        let payload = Payload::decode(&greeted.payload)?;
        let their = payload.mailboxes.clone().ok_or(PeerFault::Malformed)?;
        let fingerprint = greeted.identity.fingerprint();
        let mut other_device = false;
        let known = self.contacts.values().find(|contact| contact.card.fingerprint == fingerprint);
        let id = match known.map(|contact| (contact.id, contact.card.meeting)) {
            // Both invited each other at once: the greeting of the lower fingerprint counts.
            Some((_, Meeting::Greeting | Meeting::LookingUp))
                if self.setup.identity.fingerprint() < fingerprint =>
            {
                return Ok(());
            }
            Some((_, Meeting::Connected)) => {
                other_device = true;
                self.other_device(&greeted.identity)?;
                self.new_contact(Card::new(fingerprint, &greeted.secret, false))
            }
            Some((id, _)) => {
                let (contacts, mut cx) = self.with_contacts();
                if let Some(contact) = contacts.get_mut(&id) {
                    if let Some(cell) = contact.out.cells.remove(&0) {
                        cell.retire(id, 0, None, &mut cx);
                    }
                    cx.timers.cancel(Alarm::Meet(id));
                    let name = core::mem::take(&mut contact.card.name);
                    contact.card = Card::new(fingerprint, &greeted.secret, false);
                    contact.card.name = name;
                }
                id
            }
            None if self.contacts.len() >= CONTACTS_MAX => return Err(PeerFault::Bound),
            None => self.new_contact(Card::new(fingerprint, &greeted.secret, false)),
        };
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
        let (contacts, mut cx) = self.with_contacts();
        let Some(contact) = contacts.get_mut(&id) else { return Ok(()) };
        contact.card.identity = Some(greeted.identity);
        let mut talk = Talk::new(greeted.session, their);
        // A greeting grants the first tags of its sender.
        talk.credit = TAGS_QUIET;
        contact.talk = Some(talk);
        inbox::on_payload(contact, &payload, None, &mut cx);
        inbox::connected(contact, &mut cx);
        if other_device {
            safety::alarm(contact, &mut cx);
        }
        cx.signal(Signal::TagsWanted(id));
        self.inbox.expect_contact(contact_ref(&self.contacts, id)?, 0);
        Ok(())
    }

    /// A connected contact's account key greets by an invitation. From a device that is known it is a repetition. From another one it
    /// is a person with a new device, or somebody who has only their account key: nothing more is sent to any of them until this person
    /// decides. (A device that was restored from a backup comes by its gift and shows by that that it goes on.)
    fn other_device(&mut self, identity: &RemoteIdentity) -> Result<(), PeerFault> {
        let fingerprint = identity.fingerprint();
        let same = |contact: &&Contact| contact.card.fingerprint == fingerprint;
        let all = self.contacts.values().filter(same);
        if all.clone().any(|known| !safety::is_other_device(&known.card, identity)) {
            return Err(PeerFault::Replay);
        }
        if self.contacts.len() >= CONTACTS_MAX {
            return Err(PeerFault::Bound);
        }
        let ids: Vec<_> = all.map(|known| known.id).collect();
        let (contacts, mut cx) = self.with_contacts();
        for id in ids {
            if let Some(known) = contacts.get_mut(&id) {
                safety::alarm(known, &mut cx);
            }
        }
        Ok(())
    }
}

fn contact_ref(
    contacts: &std::collections::BTreeMap<ContactId, Contact>,
    id: ContactId,
) -> Result<&Contact, PeerFault> {
    contacts.get(&id).ok_or(PeerFault::Mismatch)
}
