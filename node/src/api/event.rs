//! What a node tells its front ends without being asked.

use super::{channels, groups};
use serde::{Deserialize, Serialize};

/// What the node tells by itself; each is true on disk before it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Links or mailboxes changed.
    Network {
        /// As [`super::Status::state`].
        state: String,
        /// Links up.
        links: u32,
    },
    /// A contact was added, met, renamed, or failed.
    Contact {
        /// Which.
        contact: u32,
    },
    /// A stranger asks, or a request was answered: ask for [`super::Request::Requests`].
    Requests,
    /// Messages came in.
    Received {
        /// From whom.
        contact: u32,
        /// First number.
        from: u64,
        /// Last number, inclusive.
        to: u64,
    },
    /// A contact is typing just now; show it for some seconds.
    Typing {
        /// Who.
        contact: u32,
    },
    /// A message that was there already was edited, taken back, got a sign, or disappeared: ask for it again. `no_such_message` says
    /// that it is gone.
    Changed {
        /// In whose conversation.
        contact: u32,
        /// Id of the message.
        id: String,
    },
    /// A message of one's own has another id and number from now on: this device was set back to an older copy of its data, and the
    /// contact has another message under the old ones.
    Renumbered {
        /// In whose conversation.
        contact: u32,
        /// The id it had.
        id: String,
        /// The id it has.
        new_id: String,
        /// The number it had.
        old_seq: u64,
        /// The number it has.
        seq: u64,
    },
    /// Own messages of a conversation moved on.
    Delivery {
        /// Whose conversation.
        contact: u32,
        /// All below are delivered.
        delivered_below: u64,
        /// Stored, not delivered: inclusive ranges.
        stored: Vec<(u64, u64)>,
        /// Seen by the other side up to here.
        read_upto: u64,
    },
    /// A check of the doors is done: ask for [`super::Request::NetCheck`].
    NetCheck,
    /// Contacts on the same local network came or went, or this device did: [`super::Status::near`].
    Near,
    /// What may still be sent today changed: ask for [`super::Request::Data`].
    Data,
    /// Something about a group.
    Group(groups::GroupEvent),
    /// Something about a channel.
    Channel(channels::ChannelEvent),
    /// The node forgot its keys: every request but [`super::Request::Unlock`], [`super::Request::Status`] and [`super::Request::Wipe`] is refused with `locked`.
    Locked,
    /// The node was opened, maybe on another profile: ask for everything again.
    Unlocked,
    /// Events were dropped because this front end read too slowly: ask for everything again.
    Lagged,
}
