//! Pages of conversations for front ends: history from disk, states from the engine.

use super::backend::{Inner, hex, state};
use super::profile::fault;
use super::{channels, copies, group_messages};
use crate::api::error::code;
use crate::api::fold::Query;
use crate::api::time::rfc3339;
use crate::api::{ApiError, Attachment, MESSAGES_LIMIT_MAX, Message, Reaction, Response, State};
use crate::store::Entry;
use crate::store::search::Place;
use karvon_protocol::body::{Body, Content};
use karvon_protocol::core::StoreFault;
use karvon_protocol::engine::api::{Command, ContactId, Delivery, Reply};
use karvon_protocol::engine::group_api::{GroupCommand, GroupNumber};
use karvon_protocol::error::ErrorKind;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Answers [`crate::api::Request::Messages`].
pub(super) async fn read(
    inner: &Inner,
    contact: Option<u32>,
    before: Option<u64>,
    since: Option<String>,
    limit: usize,
) -> Result<Response, ApiError> {
    let limit = limit.min(MESSAGES_LIMIT_MAX);
    let after = match since {
        None => None,
        Some(id) => match inner.find(&id).await? {
            Reply::Message { contact, seq, mine, .. } => {
                let entry = inner.history.one(contact, mine, seq).map_err(fault)?;
                entry.map(|entry| (contact, entry.message.position, entry.message.at_ms))
            }
            _ => None,
        },
    };
    let contacts = inner.contacts().await?;
    let wanted: Vec<_> =
        contacts.iter().filter(|known| contact.is_none_or(|only| only == known.contact)).collect();
    if wanted.is_empty() && contact.is_some() {
        return Err(ErrorKind::NoSuchContact.into());
    }
    let mut out: Vec<(u64, Message)> = Vec::new();
    let mut more = false;
    for known in &wanted {
        let id = ContactId(known.contact);
        let Reply::Delivery(delivery) = inner.command(Command::Delivery(id)).await? else { continue };
        let mut entries = match after {
            Some((of, position, _)) if of == id => inner.history.after(id, position, limit.saturating_add(1)),
            Some((_, _, at_ms)) => inner
                .history
                .page(id, None, limit.saturating_add(1))
                .map(|page| page.into_iter().filter(|entry| entry.message.at_ms > at_ms).collect()),
            None => inner.history.page(id, before, limit.saturating_add(1)),
        }
        .map_err(fault)?;
        // What waits for an earlier message is not shown yet.
        entries.retain(|entry| entry.mine || entry.seq < delivery.received_below);
        if entries.len() > limit {
            more = true;
            if after.is_some() {
                entries.truncate(limit);
            } else {
                entries.remove(0);
            }
        }
        out.extend(
            entries
                .into_iter()
                .map(|entry| (entry.message.at_ms, message(inner, &known.name, id, entry, &delivery))),
        );
    }
    if wanted.len() > 1 {
        // Each conversation is in its own order; among conversations the time of arrival decides.
        out.sort_by_key(|(at_ms, _)| *at_ms);
        if out.len() > limit {
            more = true;
            if after.is_some() {
                out.truncate(limit);
            } else {
                out.drain(..out.len() - limit);
            }
        }
    }
    Ok(Response::Messages { messages: out.into_iter().map(|(_, message)| message).collect(), more })
}

/// Answers [`crate::api::Request::Message`].
pub(super) async fn one(inner: &Inner, id: &str) -> Result<Response, ApiError> {
    let missing = || ApiError::from(ErrorKind::NoSuchMessage);
    let Reply::Message { contact, seq, mine, .. } = inner.find(id).await? else { return Err(missing()) };
    let entry = inner.history.one(contact, mine, seq).map_err(fault)?;
    let entry = entry.filter(|entry| !entry.message.marks.hidden).ok_or_else(missing)?;
    let Reply::Delivery(delivery) = inner.command(Command::Delivery(contact)).await? else {
        return Err(missing());
    };
    let contacts = inner.contacts().await?;
    let known = contacts.iter().find(|known| known.contact == contact.0).ok_or_else(missing)?;
    Ok(Response::Message(Box::new(message(inner, &known.name, contact, entry, &delivery))))
}

/// Whether nothing is known of a message.
pub(super) fn is_missing<T>(result: &Result<T, ApiError>) -> bool {
    result.as_ref().is_err_and(|error| error.code == code(ErrorKind::NoSuchMessage))
}

/// The body of the message with this id as it is now, wherever it was said.
pub(super) async fn stored(inner: &Inner, id: &str) -> Result<Body, ApiError> {
    let said = said(inner, id).await;
    if is_missing(&said) { channels::stored(inner, id).await } else { said }
}

/// The same, unless it is an entry of a channel.
async fn said(inner: &Inner, id: &str) -> Result<Body, ApiError> {
    let missing = || ApiError::from(ErrorKind::NoSuchMessage);
    let found = inner.find(id).await;
    if is_missing(&found) {
        return group_messages::stored(inner, id).await;
    }
    let found = found?;
    let Reply::Message { contact, seq, mine, .. } = found else { return Err(missing()) };
    let entry = inner.history.one(contact, mine, seq).map_err(fault)?;
    let entry = entry.filter(|entry| !entry.message.marks.hidden).ok_or_else(missing)?;
    Body::decode(&entry.message.body).map_err(|_| fault(StoreFault::Io))
}

/// What is passed on: an entry of a channel stays what its owner signed, however often it is passed on.
async fn passed_on(inner: &Inner, id: &str) -> Result<Content, ApiError> {
    let said = said(inner, id).await;
    if is_missing(&said) {
        let (owner, signed) = channels::find(inner, id).await?;
        return Ok(Content::Entry { owner, entry: signed.bytes });
    }
    Ok(said?.content)
}

/// Answers [`crate::api::Request::Forward`].
pub(super) async fn forward(inner: &Inner, id: &str, contact: ContactId) -> Result<Response, ApiError> {
    let command = match passed_on(inner, id).await? {
        Content::Entry { owner, entry } => Command::ForwardEntry { contact, owner, entry },
        Content::Text(text) | Content::Reply { text, .. } => Command::Forward { contact, text },
        Content::File { name, media, data } => {
            Command::SendFile { contact, name, media, data: Zeroizing::new(data), forwarded: true }
        }
        _ => return Err(ErrorKind::Unchangeable.into()),
    };
    inner.queued(command).await
}

/// The command of [`crate::api::groups::Ask::Forward`].
pub(super) async fn forward_to(
    inner: &Inner,
    id: &str,
    group: GroupNumber,
) -> Result<GroupCommand, ApiError> {
    Ok(match passed_on(inner, id).await? {
        Content::Entry { owner, entry } => GroupCommand::ForwardEntry { group, owner, entry },
        Content::Text(text) | Content::Reply { text, .. } => GroupCommand::Forward(group, text),
        Content::File { name, media, data } => {
            GroupCommand::SendFile { group, name, media, data: Zeroizing::new(data), forwarded: true }
        }
        _ => return Err(ErrorKind::Unchangeable.into()),
    })
}

/// Answers [`crate::api::Request::MessagesAfter`].
pub(super) async fn after(
    inner: &Inner,
    contact: u32,
    position: u64,
    limit: usize,
) -> Result<Response, ApiError> {
    let limit = limit.min(MESSAGES_LIMIT_MAX);
    let contacts = inner.contacts().await?;
    let Some(known) = contacts.iter().find(|known| known.contact == contact) else {
        return Err(ErrorKind::NoSuchContact.into());
    };
    let id = ContactId(contact);
    let Reply::Delivery(delivery) = inner.command(Command::Delivery(id)).await? else {
        return Ok(Response::Messages { messages: Vec::new(), more: false });
    };
    let mut entries = inner.history.after(id, position, limit.saturating_add(1)).map_err(fault)?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    // What waits for an earlier message is not shown yet.
    entries.retain(|entry| entry.mine || entry.seq < delivery.received_below);
    let messages = entries.into_iter().map(|entry| message(inner, &known.name, id, entry, &delivery));
    Ok(Response::Messages { messages: messages.collect(), more })
}

/// Messages of conversations with people that a search finds, newest first, with when each came to be on this device (Unix milliseconds);
/// and whether there are more.
pub(super) async fn search(
    inner: &Inner,
    query: Query,
    contact: Option<u32>,
    limit: usize,
) -> Result<(Vec<(u64, Message)>, bool), ApiError> {
    let mut places = Vec::new();
    let mut known = BTreeMap::new();
    for one in
        inner.contacts().await?.into_iter().filter(|one| contact.is_none_or(|only| only == one.contact))
    {
        let id = ContactId(one.contact);
        let Reply::Delivery(delivery) = inner.command(Command::Delivery(id)).await? else { continue };
        places.push(Place { contact: id, received_below: delivery.received_below });
        known.insert(one.contact, (one.name, delivery));
    }
    let wanted = move |body: &[u8]| text_of(body).is_some_and(|text| query.matches(&text));
    let (found, more) = inner.history.search(places, limit, wanted).await.map_err(fault)?;
    let messages = found.into_iter().filter_map(|(id, entry)| {
        let (name, delivery) = known.get(&id.0)?;
        Some((entry.message.at_ms, message(inner, name, id, entry, delivery)))
    });
    Ok((messages.collect(), more))
}

/// The text in a stored body, if it has one.
fn text_of(body: &[u8]) -> Option<String> {
    Body::decode(body).ok()?.content.into_text()
}

fn message(inner: &Inner, name: &str, id: ContactId, entry: Entry, delivery: &Delivery) -> Message {
    let Entry { mine, seq, message } = entry;
    let author = |mine: bool| if mine { inner.name.clone() } else { name.to_owned() };
    let mut out = Message {
        id: hex(&message.id.0),
        contact: id.0,
        from: author(mine),
        sent_at: rfc3339(message.sent_ms),
        received_at: (!mine).then(|| rfc3339(message.at_ms)),
        seq,
        mine,
        state: if mine { state(delivery.state(seq)) } else { State::Received },
        position: message.position,
        edited: message.marks.edited.is_some(),
        deleted: message.marks.deleted,
        missing: message.marks.gap,
        ..Message::default()
    };
    for (mine, sign) in [(true, message.marks.mine), (false, message.marks.theirs)] {
        if !sign.emoji.is_empty() {
            out.reactions.push(Reaction { emoji: sign.emoji, mine, from: author(mine) });
        }
    }
    if let Ok(body) = Body::decode(&message.body) {
        out.forwarded = body.forwarded;
        out.expires_s = body.expires_s;
        let content = match copies::read(&body.content) {
            Some((copied, inside)) => {
                out.copied = Some(Box::new(copied));
                inside.unwrap_or(Content::Dummy)
            }
            None => body.content,
        };
        match content {
            Content::Text(text) => out.text = Some(text),
            Content::Reply { to, text } => {
                out.text = Some(text);
                out.reply_to = Some(hex(&to.0));
            }
            Content::File { name, media, data } => {
                out.attachment = Some(Attachment { name, media_type: media, bytes: data.len() as u64 });
            }
            Content::Timer { seconds, .. } => out.timer_s = Some(seconds),
            Content::Introduction { name, .. } => out.introduces = Some(name),
            _ => {}
        }
    }
    out
}
