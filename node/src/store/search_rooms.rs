//! Search in the texts of groups and channels, newest first, by their newest edits; like the one in conversations it reads every row.

use super::group_history::{Line, line};
use super::history::History;
use super::search::{cut, stopped};
use karvon_protocol::body::{Body, Content};
use karvon_protocol::channel::entry::{Entry, SignedEntry};
use karvon_protocol::core::{Space, StoreFault};
use karvon_protocol::engine::channel_api::ChannelNumber;
use karvon_protocol::engine::group_api::GroupNumber;
use karvon_protocol::group::post::{self, Post};
use karvon_protocol::ids::{ChannelId, GroupId, MemberId, MessageId};
use std::collections::{BTreeMap, BTreeSet};
use tokio::task::spawn_blocking;

/// What one author wrote in a group.
#[derive(Debug, Clone, Copy)]
pub struct Author {
    /// Who.
    pub member: MemberId,
    /// Messages from this number on are not shown yet, or were written after the author was removed, and are not found.
    pub shown_below: u64,
    /// Changes by messages from this number on do not count.
    pub counts_below: u64,
}

/// A group to be searched.
#[derive(Debug, Clone)]
pub struct Room {
    /// Its number on this device.
    pub number: GroupNumber,
    /// What its messages' ids are derived from.
    pub group: GroupId,
    /// Everybody who wrote in it.
    pub authors: Vec<Author>,
}

/// Messages of groups with the groups they are in, newest first, and whether there are more.
pub type InGroups = (Vec<(GroupNumber, Line)>, bool);
/// Entries with their channels and when each was stored here (Unix milliseconds), newest first, and whether there are more.
pub type InChannels = (Vec<(ChannelNumber, u64, SignedEntry)>, bool);

impl History {
    /// The newest messages of these groups whose text `wanted` likes. Runs on a thread that may block.
    ///
    /// # Errors
    /// If the medium can not be read or a record is damaged.
    pub async fn search_groups(
        &self,
        rooms: Vec<Room>,
        limit: usize,
        wanted: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<InGroups, StoreFault> {
        let history = self.clone();
        let search = move || {
            let mut found = Vec::new();
            for room in &rooms {
                for author in &room.authors {
                    history.search_author(room, author, limit, &wanted, &mut found)?;
                }
            }
            found.sort_by_key(|(_, line)| std::cmp::Reverse((line.at_ms, line.position)));
            Ok(cut(found, limit))
        };
        spawn_blocking(search).await.map_err(stopped)?
    }

    /// The newest entries of these channels whose text `wanted` likes. Runs on a thread that may block.
    ///
    /// # Errors
    /// As [`History::search_groups`].
    pub async fn search_channels(
        &self,
        channels: Vec<ChannelNumber>,
        limit: usize,
        wanted: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<InChannels, StoreFault> {
        let history = self.clone();
        let search = move || {
            let mut found = Vec::new();
            for channel in channels {
                let mut left = limit.saturating_add(1);
                history.newest_entries(channel, &mut |at_ms, signed| {
                    if text(&signed.entry.body).is_some_and(|text| wanted(&text)) {
                        found.push((channel, at_ms, signed));
                        left -= 1;
                    }
                    left > 0
                })?;
            }
            found.sort_by_key(|(_, at_ms, signed)| std::cmp::Reverse((*at_ms, signed.entry.seq)));
            Ok(cut(found, limit))
        };
        spawn_blocking(search).await.map_err(stopped)?
    }

    /// The entry with this id, looked for in all of these channels: an id does not tell its channel. Runs on a thread that may block.
    ///
    /// # Errors
    /// As [`History::search_groups`].
    pub async fn channel_entry(
        &self,
        channels: Vec<ChannelNumber>,
        id: MessageId,
    ) -> Result<Option<(ChannelNumber, SignedEntry)>, StoreFault> {
        let history = self.clone();
        let search = move || {
            for channel in channels {
                let mut known: Option<ChannelId> = None;
                let mut found = None;
                let records = channel.records();
                let space = Space::ChannelEntry as u8;
                history.rows().newest_first(space, &records, 0..u64::MAX, &mut |seq, row| {
                    // All entries of a channel name it, so only the first one is read whole.
                    let of = known
                        .or_else(|| super::channel_history::stored(row).map(|(_, one)| one.entry.channel));
                    known = of;
                    let same = of.is_some_and(|channel| Entry::id_of(channel, seq) == id);
                    found = if same { super::channel_history::stored(row).map(|(_, one)| one) } else { None };
                    !same
                })?;
                if let Some(found) = found {
                    return Ok(Some((channel, found)));
                }
            }
            Ok(None)
        };
        spawn_blocking(search).await.map_err(stopped)?
    }

    /// Shows the entries of a channel, the newest first, until `visit` says that it is enough; damaged ones are passed over.
    fn newest_entries(
        &self,
        channel: ChannelNumber,
        visit: &mut dyn FnMut(u64, SignedEntry) -> bool,
    ) -> Result<(), StoreFault> {
        let space = Space::ChannelEntry as u8;
        self.rows().newest_first(space, &channel.records(), 0..u64::MAX, &mut |_, row| {
            super::channel_history::stored(row).is_none_or(|(at_ms, signed)| visit(at_ms, signed))
        })
    }

    /// An edit has a higher number than what it changes, so from the newest message down each is met after its edits.
    fn search_author(
        &self,
        room: &Room,
        author: &Author,
        limit: usize,
        wanted: &impl Fn(&str) -> bool,
        found: &mut Vec<(GroupNumber, Line)>,
    ) -> Result<(), StoreFault> {
        let records = room.number.records_of(&author.member);
        let own = |id: &MessageId| post::find(room.group, author.member, id);
        let mut edits: BTreeMap<u64, String> = BTreeMap::new();
        let mut gone: BTreeSet<u64> = BTreeSet::new();
        let mut left = limit.saturating_add(1);
        let below = author.counts_below.max(author.shown_below);
        let space = Space::GroupPost as u8;
        self.rows().newest_first(space, &records, 0..below, &mut |seq, row| {
            // Nothing is left of what its author took back.
            let Some(body) = body(row) else { return true };
            match body.content {
                Content::Edit { of, text } => {
                    if let Some(of) = own(&of).filter(|of| *of < seq) {
                        edits.entry(of).or_insert(text);
                    }
                }
                Content::Delete(of) => gone.extend(own(&of).filter(|of| *of < seq)),
                content => {
                    let Some(text) = content.into_text() else { return true };
                    let now = edits.remove(&seq).unwrap_or(text);
                    let shown = seq < author.shown_below && !gone.remove(&seq) && wanted(&now);
                    if shown
                        && let Some(line) = line(row, author.member, seq).filter(|line| line.position > 0)
                    {
                        found.push((room.number, line));
                        left -= 1;
                    }
                }
            }
            left > 0
        })
    }
}

/// What a row of a group says; nothing if it is damaged or was taken back.
fn body(row: &[u8]) -> Option<Body> {
    let signed = row.get(18..).filter(|signed| !signed.is_empty())?;
    Body::decode(&Post::read(signed).ok()?.body).ok()
}

/// The text of an entry, if it has one.
fn text(body: &[u8]) -> Option<String> {
    Body::decode(body).ok()?.content.into_text()
}
