//! What a front end may ask of channels, what it is answered, and what it is told.

use super::api::ContactId;
use crate::channel::link::ChannelLink;
use crate::ids::MessageId;
use zeroize::Zeroizing;

/// Local number of a channel; never leaves the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelNumber(pub u32);

impl ChannelNumber {
    /// The group of this channel's records in the store.
    #[must_use]
    pub fn records(self) -> [u8; 16] {
        ContactId(self.0).group()
    }
}

/// A command about channels.
#[derive(Debug, Clone)]
pub enum ChannelCommand {
    /// Founds a channel: [`ChannelReply::Founded`].
    Create(String),
    /// Follows a channel: [`ChannelReply::Founded`], also if it is followed already.
    Follow(ChannelLink),
    /// The link of a channel: [`ChannelReply::Link`].
    Link(ChannelNumber),
    /// Follows it no more and forgets what it said; an own one is given up.
    Leave(ChannelNumber),
    /// Writes an entry to an own channel: [`ChannelReply::Queued`] once it is durable here.
    Post(ChannelNumber, String),
    /// Writes an entry with a small file to an own channel: [`ChannelReply::Queued`].
    PostFile {
        /// The channel.
        channel: ChannelNumber,
        /// At most 128 bytes.
        name: String,
        /// At most 64 bytes, for example `image/jpeg`.
        media: String,
        /// 1 to 46,080 bytes.
        data: Zeroizing<Vec<u8>>,
    },
    /// Lists channels: [`ChannelReply::Channels`].
    List,
    /// Asks for entries older than those that are here; they come as [`ChannelEvent::Received`], and [`ChannelEvent::Older`] ends it.
    Older(ChannelNumber),
    /// The person saw everything up to this entry.
    MarkRead(ChannelNumber, u64),
}

/// A channel as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelInfo {
    /// Local number.
    pub channel: ChannelNumber,
    /// The owner's key: by it an entry that somebody passed on is known to be of this channel.
    pub owner: [u8; 32],
    /// Name, as its newest entry says; empty until one came.
    pub name: String,
    /// Written by this person.
    pub mine: bool,
    /// Entries that are here.
    pub entries: u64,
    /// Number of the newest entry; 0 if there is none.
    pub newest: u64,
    /// Entries after the last one seen.
    pub unread: u64,
    /// Entries that are missing between those that are here.
    pub missing: u64,
    /// Its owner told different people different things: two signed entries that contradict each other are kept.
    pub forked: bool,
    /// Relays that kept an entry back which another relay had.
    pub withheld: u64,
    /// Own entries that fewer than two relays have on disk.
    pub under_way: u64,
}

/// The answer to a command about channels.
#[derive(Debug, Clone)]
pub enum ChannelReply {
    /// Done and durable.
    Done,
    /// A channel was founded or followed.
    Founded(ChannelNumber),
    /// A link.
    Link(Zeroizing<String>),
    /// An entry is durable here.
    Queued {
        /// Its id, the same for all readers.
        id: MessageId,
        /// Its number.
        seq: u64,
    },
    /// All channels.
    Channels(Vec<ChannelInfo>),
}

/// Something the front end should know of a channel; each comes after it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelEvent {
    /// What lists show of it changed.
    Changed(ChannelNumber),
    /// An entry came in.
    Received {
        /// The channel.
        channel: ChannelNumber,
        /// Number of the entry.
        seq: u64,
    },
    /// All older entries that were asked for have come.
    Older {
        /// The channel.
        channel: ChannelNumber,
        /// Whether the relay has still older ones.
        more: bool,
    },
}
