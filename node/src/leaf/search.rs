//! Search in everything that is shown: conversations, groups and channels, put into one order.

use super::backend::Inner;
use super::channels;
use super::group_messages;
use super::messages;
use crate::api::fold::Query;
use crate::api::{ApiError, Hit, MESSAGES_LIMIT_MAX, Message, Response, Said};

/// Where to search: everywhere, or only in what is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Where {
    /// In the conversation with this contact.
    pub(super) contact: Option<u32>,
    /// In this group.
    pub(super) group: Option<u32>,
    /// In this channel.
    pub(super) channel: Option<u32>,
}

/// What was found in one kind of place: when each came to be on this device (Unix milliseconds), newest first; and whether there are more.
pub(super) type Part = (Vec<(u64, Hit)>, bool);

/// Answers [`crate::api::Request::Search`].
pub(super) async fn search(
    inner: &Inner,
    text: &str,
    only: Where,
    limit: usize,
) -> Result<Response, ApiError> {
    let query = Query::new(text);
    if query.is_empty() {
        return Ok(Response::Found { messages: Vec::new(), more: false });
    }
    let limit = limit.min(MESSAGES_LIMIT_MAX);
    let mut parts: Vec<Part> = Vec::new();
    let anywhere = only == Where::default();
    if anywhere || only.contact.is_some() {
        parts.push(with_people(inner, query.clone(), only.contact, limit).await?);
    }
    if anywhere || only.group.is_some() {
        parts.push(group_messages::search(inner, query.clone(), only.group, limit).await?);
    }
    if anywhere || only.channel.is_some() {
        parts.push(channels::search(inner, query, only.channel, limit).await?);
    }
    let mut more = parts.iter().any(|(_, more)| *more);
    let mut found: Vec<_> = parts.into_iter().flat_map(|(found, _)| found).collect();
    // Those of the same moment keep the order of their place.
    found.sort_by_key(|(at_ms, _)| std::cmp::Reverse(*at_ms));
    more |= found.len() > limit;
    found.truncate(limit);
    Ok(Response::Found { messages: found.into_iter().map(|(_, hit)| hit).collect(), more })
}

async fn with_people(
    inner: &Inner,
    query: Query,
    contact: Option<u32>,
    limit: usize,
) -> Result<Part, ApiError> {
    let (found, more) = messages::search(inner, query, contact, limit).await?;
    let names = inner.contacts().await?;
    let hit = |(at_ms, message): (u64, Message)| {
        let known = names.iter().find(|known| known.contact == message.contact);
        let place = known.map(|known| known.name.clone()).unwrap_or_default();
        (at_ms, Hit { place, said: Said::Person(message) })
    };
    Ok((found.into_iter().map(hit).collect(), more))
}
