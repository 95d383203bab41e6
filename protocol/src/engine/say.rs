//! What a person says: new bodies for a contact, checked before they are queued.

use super::api::{ContactId, Meeting, Reply};
use super::cx::Alarm;
use super::message::Marks;
use super::{Engine, outbox};
use crate::body::{Body, Content};
use crate::error::ErrorKind;
use crate::ids::MessageId;
use crate::limits::TEXT_BYTES_MAX;

impl Engine {
    /// Queues a text.
    pub(crate) fn say_text(
        &mut self,
        contact: ContactId,
        text: String,
        forwarded: bool,
    ) -> Result<Reply, ErrorKind> {
        fits(&text)?;
        self.say(contact, Content::Text(text), forwarded)
    }

    /// Queues a text that answers a message which is here.
    pub(crate) fn say_reply(&mut self, to: MessageId, text: String) -> Result<Reply, ErrorKind> {
        fits(&text)?;
        let found = self.contacts.values().find_map(|contact| Some((contact, contact.card.find(&to)?)));
        let (contact, (mine, seq)) = found.ok_or(ErrorKind::NoSuchMessage)?;
        let received = contact.talk.as_ref().map_or(1, |talk| talk.receive_next);
        let end = if mine { contact.next_seq } else { received };
        if seq == 0 || seq >= end {
            return Err(ErrorKind::NoSuchMessage);
        }
        self.say(contact.id, Content::Reply { to, text }, false)
    }

    fn say(&mut self, id: ContactId, content: Content, forwarded: bool) -> Result<Reply, ErrorKind> {
        let (contacts, mut cx) = self.with_contacts();
        let contact = contacts.get_mut(&id).ok_or(ErrorKind::NoSuchContact)?;
        if let Meeting::Failed(why) = contact.card.meeting {
            return Err(why);
        }
        let body = Body { forwarded, ..Body::new(cx.now.wall_ms, content) };
        let seq = outbox::queue(contact, body, Marks::default(), &mut cx);
        // Texts that come in the same turn leave together.
        cx.alarm_by(Alarm::Pump(id), 0);
        Ok(Reply::Queued { id: contact.card.message_id(true, seq), seq })
    }
}

const fn fits(text: &str) -> Result<(), ErrorKind> {
    match text.len() {
        0 => Err(ErrorKind::Empty),
        1..=TEXT_BYTES_MAX => Ok(()),
        _ => Err(ErrorKind::TooLong),
    }
}
