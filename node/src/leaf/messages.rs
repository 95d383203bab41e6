//! Pages of conversations for front ends: history from disk, states from the engine.

use super::backend::{Inner, hex, state};
use crate::api::time::rfc3339;
use crate::api::{ApiError, MESSAGES_LIMIT_MAX, Message, Response, State};
use crate::store::Entry;
use karvon_protocol::body::{Body, Content};
use karvon_protocol::core::StoreFault;
use karvon_protocol::engine::api::{Command, ContactId, Delivery, Reply};

fn fault(fault: StoreFault) -> ApiError {
    ApiError::new("store", format!("the history can not be read ({fault:?}): check the disk"))
}

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
        return Err(karvon_protocol::error::ErrorKind::NoSuchContact.into());
    }
    let mut out: Vec<(u64, Message)> = Vec::new();
    let mut more = false;
    for known in &wanted {
        let id = ContactId(known.contact);
        let Reply::Delivery(delivery) = inner.command(Command::Delivery(id)).await? else { continue };
        let mut entries = match after {
            Some((of, position, _)) if of == id => newer(inner, id, position, limit.saturating_add(1)),
            Some((_, _, at_ms)) => older(inner, id, None, limit.saturating_add(1))
                .map(|page| page.into_iter().filter(|entry| entry.message.at_ms > at_ms).collect()),
            None => older(inner, id, before, limit.saturating_add(1)),
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

/// Whether a conversation shows this message.
fn shows(entry: &Entry) -> bool {
    Body::decode(&entry.message.body).map_or(true, |body| !body.is_hidden())
}

/// A page of what is shown: what is not does not count.
fn older(inner: &Inner, id: ContactId, before: Option<u64>, limit: usize) -> Result<Vec<Entry>, StoreFault> {
    let (mut out, mut before) = (Vec::new(), before);
    while out.len() < limit {
        let mut page = inner.history.page(id, before, limit)?;
        let (Some(first), whole) = (page.first(), page.len() == limit) else { break };
        before = Some(first.message.position);
        page.retain(shows);
        page.append(&mut out);
        out = page;
        if !whole {
            break;
        }
    }
    out.drain(..out.len().saturating_sub(limit));
    Ok(out)
}

/// The same towards the end of the conversation.
fn newer(inner: &Inner, id: ContactId, after: u64, limit: usize) -> Result<Vec<Entry>, StoreFault> {
    let (mut out, mut after) = (Vec::new(), after);
    while out.len() < limit {
        let page = inner.history.after(id, after, limit)?;
        let (Some(last), whole) = (page.last(), page.len() == limit) else { break };
        after = last.message.position;
        out.extend(page.into_iter().filter(shows));
        if !whole {
            break;
        }
    }
    out.truncate(limit);
    Ok(out)
}

fn message(inner: &Inner, name: &str, id: ContactId, entry: Entry, delivery: &Delivery) -> Message {
    let text = match Body::decode(&entry.message.body).map(|body| body.content) {
        Ok(Content::Text(text)) => Some(text),
        _ => None,
    };
    Message {
        id: hex(&entry.message.id.0),
        contact: id.0,
        from: if entry.mine { inner.name.clone() } else { name.to_owned() },
        text,
        sent_at: rfc3339(entry.message.sent_ms),
        received_at: (!entry.mine).then(|| rfc3339(entry.message.at_ms)),
        seq: entry.seq,
        mine: entry.mine,
        state: if entry.mine { state(delivery.state(entry.seq)) } else { State::Received },
        position: entry.message.position,
    }
}
