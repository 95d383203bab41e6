//! Channels on the local interface: `{"method":"channel","params":{"what":"create",…}}`, answered by `{"type":"channel","told":…}`.

use super::Secret;
use serde::{Deserialize, Serialize};

/// What a front end may ask about channels. `channel` is always the local number of a channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// [`Told::Channels`].
    List,
    /// Founds a channel: [`Told::Founded`].
    Create {
        /// Its name.
        name: String,
    },
    /// Follows a channel: [`Told::Founded`].
    Follow {
        /// The line that begins with `KARVON-CHANNEL:`.
        link: Secret,
    },
    /// [`Told::Link`].
    Link {
        /// The channel.
        channel: u32,
    },
    /// Follows it no more and forgets its entries: [`Told::Done`].
    Leave {
        /// The channel.
        channel: u32,
    },
    /// Writes an entry to an own channel: [`Told::Queued`].
    Post {
        /// The channel.
        channel: u32,
        /// The text.
        text: String,
    },
    /// Writes an entry with a small file to an own channel: [`Told::Queued`]. Pictures lose what they tell beside the picture.
    PostFile {
        /// The channel.
        channel: u32,
        /// Its name; folders before it are left out.
        name: String,
        /// The bytes in base64, at most 46,080.
        data: String,
    },
    /// Asks a relay for older entries: [`Told::Done`]; they come as events, [`ChannelEvent::Older`] last.
    Older {
        /// The channel.
        channel: u32,
    },
    /// Entries, oldest first: [`Told::Entries`].
    Entries {
        /// The channel.
        channel: u32,
        /// Only entries with lower numbers.
        before: Option<u64>,
        /// Only entries with higher numbers.
        after: Option<u64>,
        /// At most this many; the newest ones unless `after` is given.
        limit: usize,
    },
    /// Everything up to this entry was seen: [`Told::Done`].
    MarkRead {
        /// The channel.
        channel: u32,
        /// Its number.
        seq: u64,
    },
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Local number.
    pub channel: u32,
    /// Name, as its newest entry says; empty until one came.
    pub name: String,
    /// Written by this person.
    pub mine: bool,
    /// Entries that are here.
    pub entries: u64,
    /// Number of the newest entry; 0 if there is none.
    pub newest: u64,
    /// Entries not seen yet.
    pub unread: u64,
    /// Entries that are missing between those that are here.
    pub missing: u64,
    /// Its owner told different people different things.
    pub forked: bool,
    /// Relays that kept an entry back which another relay had.
    pub withheld: u64,
    /// Own entries that fewer than two relays have on disk.
    pub under_way: u64,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The same for all readers, 32 hexadecimal digits.
    pub id: String,
    /// Local number of the channel.
    pub channel: u32,
    /// The channel's name when it was written.
    pub from: String,
    /// Its number.
    pub seq: u64,
    /// The text; `null` for a file, and for a kind this program does not know.
    pub text: Option<String>,
    /// A file: ask for it with [`super::Request::File`].
    #[serde(default)]
    pub attachment: Option<super::Attachment>,
    /// When the owner's device says it was written, RFC 3339.
    pub sent_at: String,
    /// When it was stored on this device, RFC 3339.
    pub stored_at: String,
}

/// An answer about channels.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub enum Told {
    /// Done and durable.
    Done,
    /// All channels.
    Channels {
        /// In order of their numbers.
        channels: Vec<Channel>,
    },
    /// A channel was founded or followed.
    Founded {
        /// Its local number.
        channel: u32,
    },
    /// A link: whoever has it can read.
    Link {
        /// The line that begins with `KARVON-CHANNEL:`.
        link: Secret,
    },
    /// An entry is durable.
    Queued {
        /// Id.
        id: String,
        /// Number.
        seq: u64,
    },
    /// Entries, oldest first.
    Entries {
        /// The entries.
        entries: Vec<Entry>,
        /// Whether older ones (or newer ones, with `after`) are on this device.
        more: bool,
    },
}

/// What the node tells of channels by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum ChannelEvent {
    /// What lists show of it changed.
    Changed {
        /// Which channel.
        channel: u32,
    },
    /// An entry came in.
    Received {
        /// The channel.
        channel: u32,
        /// Number of the entry.
        seq: u64,
    },
    /// The older entries that were asked for have come.
    Older {
        /// The channel.
        channel: u32,
        /// Whether there are still older ones.
        more: bool,
    },
}
