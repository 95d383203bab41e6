//! Answers what front ends ask about channels: commands of the engine, and entries from disk.

use super::backend::{Inner, closed, hex, message_id};
use super::search::Part;
use crate::api::channels::{Ask, Channel, ChannelEvent, Entry, Told};
use crate::api::fold::Query;
use crate::api::time::rfc3339;
use crate::api::{ApiError, Attachment, Hit, MESSAGES_LIMIT_MAX, Said, Secret};
use karvon_protocol::body::{Body, Content};
use karvon_protocol::channel::entry::SignedEntry;
use karvon_protocol::channel::link::ChannelLink;
use karvon_protocol::core::StoreFault;
use karvon_protocol::engine::api::{Command, Reply};
use karvon_protocol::engine::channel_api as core;
use karvon_protocol::engine::channel_api::{ChannelCommand, ChannelNumber, ChannelReply};
use karvon_protocol::error::ErrorKind;

fn fault(fault: StoreFault) -> ApiError {
    ApiError::new("store", format!("the history can not be read ({fault:?}): check the disk"))
}

/// Answers [`crate::api::Request::Channel`].
pub(super) async fn answer(inner: &Inner, ask: Ask) -> Result<Told, ApiError> {
    let wanted = match ask {
        Ask::List => ChannelCommand::List,
        Ask::Create { name } => ChannelCommand::Create(name),
        Ask::Follow { link } => ChannelCommand::Follow(ChannelLink::decode(&link.0)?),
        Ask::Link { channel } => ChannelCommand::Link(ChannelNumber(channel)),
        Ask::Leave { channel } => ChannelCommand::Leave(ChannelNumber(channel)),
        Ask::Post { channel, text } => ChannelCommand::Post(ChannelNumber(channel), text),
        Ask::PostFile { channel, name, data } => {
            let (name, media, data) = super::files::prepared(&name, &data)?;
            ChannelCommand::PostFile { channel: ChannelNumber(channel), name, media, data }
        }
        Ask::Older { channel } => ChannelCommand::Older(ChannelNumber(channel)),
        Ask::MarkRead { channel, seq } => ChannelCommand::MarkRead(ChannelNumber(channel), seq),
        Ask::Entries { channel, before, after, limit } => {
            return entries(inner, channel, (before, after), limit.clamp(1, MESSAGES_LIMIT_MAX));
        }
    };
    let Reply::Channel(reply) = inner.command(Command::Channel(wanted)).await? else {
        return Err(closed());
    };
    Ok(match reply {
        ChannelReply::Done => Told::Done,
        ChannelReply::Founded(number) => Told::Founded { channel: number.0 },
        ChannelReply::Link(link) => Told::Link { link: Secret(link) },
        ChannelReply::Queued { id, seq } => Told::Queued { id: hex(&id.0), seq },
        ChannelReply::Channels(channels) => {
            Told::Channels { channels: channels.into_iter().map(channel).collect() }
        }
    })
}

fn channel(info: core::ChannelInfo) -> Channel {
    let core::ChannelInfo {
        channel,
        owner: _,
        name,
        mine,
        entries,
        newest,
        unread,
        missing,
        forked,
        withheld,
        under_way,
    } = info;
    Channel { channel: channel.0, name, mine, entries, newest, unread, missing, forked, withheld, under_way }
}

fn entries(
    inner: &Inner,
    channel: u32,
    (before, after): (Option<u64>, Option<u64>),
    limit: usize,
) -> Result<Told, ApiError> {
    let number = ChannelNumber(channel);
    let rows: Box<dyn Iterator<Item = _>> = match after {
        Some(after) => Box::new(inner.history.entries_after(number, after)),
        None => Box::new(inner.history.entries_before(number, before)),
    };
    let (mut entries, mut more) = (Vec::new(), false);
    for row in rows {
        let (at_ms, signed) = row.map_err(fault)?;
        if entries.len() == limit {
            more = true;
            break;
        }
        entries.push(entry(channel, at_ms, signed));
    }
    if after.is_none() {
        entries.reverse();
    }
    Ok(Told::Entries { entries, more })
}

fn entry(channel: u32, at_ms: u64, signed: SignedEntry) -> Entry {
    let body = Body::decode(&signed.entry.body).ok();
    let sent_ms = body.as_ref().map_or(at_ms, |body| body.sent_ms);
    let (mut text, mut attachment) = (None, None);
    match body.map(|body| body.content) {
        Some(Content::Text(said)) => text = Some(said),
        Some(Content::File { name, media, data }) => {
            attachment = Some(Attachment { name, media_type: media, bytes: data.len() as u64 });
        }
        _ => {}
    }
    Entry {
        id: hex(&signed.entry.message_id().0),
        channel,
        from: signed.entry.name,
        seq: signed.entry.seq,
        text,
        attachment,
        sent_at: rfc3339(sent_ms),
        stored_at: rfc3339(at_ms),
    }
}

/// All channels.
///
/// # Errors
/// If the engine has ended.
pub(super) async fn list(inner: &Inner) -> Result<Vec<core::ChannelInfo>, ApiError> {
    match inner.command(Command::Channel(ChannelCommand::List)).await? {
        Reply::Channel(ChannelReply::Channels(channels)) => Ok(channels),
        _ => Err(closed()),
    }
}

/// What a search finds in channels, or in one of them.
pub(super) async fn search(
    inner: &Inner,
    query: Query,
    channel: Option<u32>,
    limit: usize,
) -> Result<Part, ApiError> {
    let all = list(inner).await?;
    let wanted = |info: &&core::ChannelInfo| channel.is_none_or(|only| only == info.channel.0);
    let wanted: Vec<_> = all.iter().filter(wanted).map(|info| info.channel).collect();
    if wanted.is_empty() && channel.is_some() {
        return Err(ErrorKind::NoSuchChannel.into());
    }
    let found = inner.history.search_channels(wanted, limit, move |text| query.matches(text)).await;
    let (found, more) = found.map_err(fault)?;
    let hit = |(number, at_ms, signed): (ChannelNumber, u64, SignedEntry)| {
        let known = all.iter().find(|info| info.channel == number);
        let place = known.map(|info| info.name.clone()).unwrap_or_default();
        (at_ms, Hit { place, said: Said::Channel(entry(number.0, at_ms, signed)) })
    };
    Ok((found.into_iter().map(hit).collect(), more))
}

/// The body of the entry with this id.
pub(super) async fn stored(inner: &Inner, id: &str) -> Result<Body, ApiError> {
    let (_, signed) = find(inner, id).await?;
    Body::decode(&signed.entry.body).map_err(|_| ErrorKind::NoSuchMessage.into())
}

/// The entry with this id, and the key of its channel's owner.
pub(super) async fn find(inner: &Inner, id: &str) -> Result<([u8; 32], SignedEntry), ApiError> {
    let missing = || ApiError::from(ErrorKind::NoSuchMessage);
    let all = list(inner).await?;
    let channels = all.iter().map(|info| info.channel).collect();
    let found = inner.history.channel_entry(channels, message_id(id)?).await.map_err(fault)?;
    let (channel, signed) = found.ok_or_else(missing)?;
    let owner = all.iter().find(|info| info.channel == channel).map(|info| info.owner);
    Ok((owner.ok_or_else(missing)?, signed))
}

/// What front ends are told of an event.
pub(super) fn event(event: core::ChannelEvent) -> ChannelEvent {
    match event {
        core::ChannelEvent::Changed(channel) => ChannelEvent::Changed { channel: channel.0 },
        core::ChannelEvent::Received { channel, seq } => ChannelEvent::Received { channel: channel.0, seq },
        core::ChannelEvent::Older { channel, more } => ChannelEvent::Older { channel: channel.0, more },
    }
}
