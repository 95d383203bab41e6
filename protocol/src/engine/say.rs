//! What a person says: new bodies for a contact, checked before they are queued.

use super::api::{ContactId, Reply};
use super::cx::Alarm;
use super::message::Marks;
use super::{Engine, expiry, outbox, safety};
use crate::body::{Body, Content};
use crate::error::ErrorKind;
use crate::ids::MessageId;
use crate::invite::Invitation;
use crate::limits::{
    ENTRY_COPY_BYTES_MAX, FILE_BYTES_MAX, FILE_NAME_BYTES_MAX, MEDIA_BYTES_MAX, NAME_BYTES_MAX,
    TEXT_BYTES_MAX,
};

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

    /// Queues a small file.
    pub(crate) fn say_file(
        &mut self,
        contact: ContactId,
        (name, media): (String, String),
        data: &[u8],
        forwarded: bool,
    ) -> Result<Reply, ErrorKind> {
        if self.spending.rests() {
            return Err(ErrorKind::DataCap);
        }
        self.say(contact, file(name, media, data)?, forwarded)
    }

    /// Queues an entry of a channel as its owner signed it.
    pub(crate) fn say_entry(
        &mut self,
        contact: ContactId,
        owner: [u8; 32],
        entry: Vec<u8>,
    ) -> Result<Reply, ErrorKind> {
        self.say(contact, copy(owner, entry)?, true)
    }

    /// Queues an invitation of somebody else.
    pub(crate) fn introduce(
        &mut self,
        contact: ContactId,
        name: String,
        invitation: &str,
    ) -> Result<Reply, ErrorKind> {
        if name.len() > NAME_BYTES_MAX {
            return Err(ErrorKind::TooLong);
        }
        let invitation = Invitation::from_text(invitation)?;
        if invitation.who == self.setup.identity.fingerprint() {
            return Err(ErrorKind::InviteOwn);
        }
        self.say(
            contact,
            Content::Introduction { name, invitation: invitation.short().to_text(true).to_string() },
            false,
        )
    }

    /// Queues a text that answers a message which is here.
    pub(crate) fn say_reply(&mut self, to: MessageId, text: String) -> Result<Reply, ErrorKind> {
        fits(&text)?;
        if let Some(said) = self.answer_in_group(to, &text) {
            return said;
        }
        let found = self.contacts.values().find_map(|contact| Some((contact, contact.card.find(&to)?)));
        let (contact, (mine, seq)) = found.ok_or(ErrorKind::NoSuchMessage)?;
        let received = contact.receive_next();
        let end = if mine { contact.next_seq } else { received };
        if seq == 0 || seq >= end {
            return Err(ErrorKind::NoSuchMessage);
        }
        self.say(contact.id, Content::Reply { to, text }, false)
    }

    fn say(&mut self, id: ContactId, content: Content, forwarded: bool) -> Result<Reply, ErrorKind> {
        let (contacts, mut cx) = self.with_contacts();
        let contact = contacts.get_mut(&id).ok_or(ErrorKind::NoSuchContact)?;
        safety::may_send(contact)?;
        let expires_s = contact.terms.timer_s;
        let body = Body { forwarded, expires_s, ..Body::new(cx.now.wall_ms, content) };
        let seq = outbox::queue(contact, body, Marks::default(), &mut cx);
        expiry::note(contact, (true, seq), expires_s, &mut cx);
        // Texts that come in the same turn leave together.
        cx.alarm_by(Alarm::Pump(id), 0);
        Ok(Reply::Queued { id: contact.card.message_id(true, seq), seq })
    }
}

/// A small file as what is said.
///
/// # Errors
/// `Empty` or `TooLong`.
pub(crate) fn file(name: String, media: String, data: &[u8]) -> Result<Content, ErrorKind> {
    if data.is_empty() || name.is_empty() {
        return Err(ErrorKind::Empty);
    }
    if data.len() > FILE_BYTES_MAX || name.len() > FILE_NAME_BYTES_MAX || media.len() > MEDIA_BYTES_MAX {
        return Err(ErrorKind::TooLong);
    }
    Ok(Content::File { name, media, data: data.to_vec() })
}

/// An entry of a channel as what is said.
///
/// # Errors
/// `TooLong`, or `Unchangeable` for one that its owner did not sign.
pub(crate) fn copy(owner: [u8; 32], entry: Vec<u8>) -> Result<Content, ErrorKind> {
    if entry.len() > ENTRY_COPY_BYTES_MAX {
        return Err(ErrorKind::TooLong);
    }
    let content = Content::Entry { owner, entry };
    match content.copied() {
        Some(Ok(_)) => Ok(content),
        _ => Err(ErrorKind::Unchangeable),
    }
}

/// Whether a text can be said.
///
/// # Errors
/// `Empty` or `TooLong`.
pub(crate) const fn fits(text: &str) -> Result<(), ErrorKind> {
    match text.len() {
        0 => Err(ErrorKind::Empty),
        1..=TEXT_BYTES_MAX => Ok(()),
        _ => Err(ErrorKind::TooLong),
    }
}
