//! Who may be written to and whose keys are right: safety numbers, blocking, and the alarm when somebody's keys change (DESIGN P9).

use super::Engine;
use super::api::{ContactId, Event, Meeting, Reply, Setting};
use super::contact::{Card, Contact};
use super::cx::{Alarm, Cx};
use super::message::Marks;
use super::{expiry, gaps, outbox, receipts};
use crate::body::{Body, Content};
use crate::error::ErrorKind;
use crate::identity::{RemoteIdentity, safety_number};

/// The shortest timer, seconds: a shorter one could remove a message before it was looked at.
pub(crate) const TIMER_MIN_S: u64 = 5;

/// Whether anything may be sent to this contact.
pub(crate) const fn may_send(contact: &Contact) -> Result<(), ErrorKind> {
    match contact.card.meeting {
        Meeting::Failed(why) => Err(why),
        _ if contact.terms.blocked => Err(ErrorKind::Blocked),
        _ if contact.terms.keys_changed => Err(ErrorKind::KeyChanged),
        _ => Ok(()),
    }
}

/// Whether somebody who shows `new` is the person behind `card` with another device's keys: their account key is the same and the
/// device key is not. Either they have a new device, or somebody else has their account key.
pub(crate) fn is_other_device(card: &Card, new: &RemoteIdentity) -> bool {
    card.identity
        .as_ref()
        .is_some_and(|known| known.fingerprint() == new.fingerprint() && known.cert.dh != new.cert.dh)
}

/// Stops all sending to a contact until the person has accepted the new keys; what was compared is not compared any more.
pub(crate) fn alarm(contact: &mut Contact, cx: &mut Cx<'_>) {
    contact.terms.keys_changed = true;
    contact.card.verified = false;
    cx.write(contact.terms.save(contact.id));
    cx.write(contact.save_card());
    cx.notify(Event::Contact(contact.id));
}

impl Engine {
    /// The 60 digits that two people compare.
    pub(crate) fn safety(&self, id: ContactId) -> Result<Reply, ErrorKind> {
        let contact = self.contacts.get(&id).ok_or(ErrorKind::NoSuchContact)?;
        let identity = contact.card.identity.as_ref().ok_or(ErrorKind::NotConnected)?;
        Ok(Reply::Safety(safety_number(self.setup.identity.account_key(), &identity.cert.account.0)))
    }

    /// Changes what holds for a conversation.
    pub(crate) fn set(&mut self, id: ContactId, setting: Setting) -> Result<Reply, ErrorKind> {
        let (contacts, mut cx) = self.with_contacts();
        let contact = contacts.get_mut(&id).ok_or(ErrorKind::NoSuchContact)?;
        match setting {
            Setting::Receipts(on) => contact.terms.receipts = on,
            Setting::Typing(on) => contact.terms.typing = on,
            Setting::Blocked(on) => contact.terms.blocked = on,
            Setting::KeysAccepted => contact.terms.keys_changed = false,
            Setting::Verified(on) => {
                if contact.card.identity.is_none() {
                    return Err(ErrorKind::NotConnected);
                }
                contact.card.verified = on;
                cx.write(contact.save_card());
            }
            Setting::Timer(seconds) => return set_timer(contact, seconds, &mut cx),
        }
        cx.write(contact.terms.save(id));
        cx.notify(Event::Contact(id));
        receipts::on_seen(contact, &mut cx);
        Ok(Reply::Done)
    }

    /// The person saw everything up to a received number.
    pub(crate) fn mark_read(&mut self, id: ContactId, seq: u64) -> Result<Reply, ErrorKind> {
        let (contacts, mut cx) = self.with_contacts();
        let contact = contacts.get_mut(&id).ok_or(ErrorKind::NoSuchContact)?;
        let seq = seq.min(gaps::shown_below(contact) - 1);
        if seq > contact.card.seen_upto {
            contact.card.seen_upto = seq;
            contact.terms.hidden.forget_upto(seq);
            cx.write(contact.save_card());
            cx.write(contact.terms.save(id));
            expiry::begin(contact, &mut cx);
            receipts::on_seen(contact, &mut cx);
            cx.notify(Event::Contact(id));
        }
        Ok(Reply::Done)
    }

    /// The person is typing.
    pub(crate) fn typing(&mut self, id: ContactId) -> Result<Reply, ErrorKind> {
        let linked = self.doors.links_up() > 0;
        let (contacts, mut cx) = self.with_contacts();
        let contact = contacts.get_mut(&id).ok_or(ErrorKind::NoSuchContact)?;
        may_send(contact)?;
        if linked && receipts::on_typing(contact, &mut cx) {
            owe(contact, &mut cx);
        }
        Ok(Reply::Done)
    }
}

/// A cell must leave, even with nothing but loose bodies in it.
pub(crate) fn owe(contact: &mut Contact, cx: &mut Cx<'_>) {
    if let Some(talk) = contact.talk.as_mut() {
        talk.owes = true;
        cx.alarm_by(Alarm::Ack(contact.id), 0);
    }
}

/// Sets the timer on this device and tells the other.
fn set_timer(contact: &mut Contact, seconds: u64, cx: &mut Cx<'_>) -> Result<Reply, ErrorKind> {
    may_send(contact)?;
    if seconds != 0 && !(TIMER_MIN_S..=expiry::EXPIRY_MAX_S).contains(&seconds) {
        return Err(ErrorKind::Limit);
    }
    let number = contact.terms.timer_number.saturating_add(1);
    contact.terms.set_timer(seconds, number, contact.card.initiator);
    cx.write(contact.terms.save(contact.id));
    let body = Body::new(cx.now.wall_ms, Content::Timer { seconds, number });
    let seq = outbox::queue(contact, body, Marks::default(), cx);
    cx.alarm_by(Alarm::Pump(contact.id), 0);
    cx.notify(Event::Contact(contact.id));
    Ok(Reply::Queued { id: contact.card.message_id(true, seq), seq })
}
