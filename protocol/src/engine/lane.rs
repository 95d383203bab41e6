//! What a tunnel is for, and why a request through one found no answer.

use super::api::ContactId;
use super::channel_api::ChannelNumber;
use super::group_api::GroupNumber;
use crate::rpc::Refusal;

/// What a tunnel is for: requests of different purposes never share one, so that a relay can not tell they come from one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// An own mailbox.
    Mailbox(u32),
    /// Deposits for a contact.
    Contact(ContactId),
    /// A lookup for a contact that is being added.
    Lookup(ContactId),
    /// The bundle of an own invitation.
    Invite(u64),
    /// Beacons of and for a contact.
    Beacon(ContactId),
    /// The canary of an own mailbox: as a contact's deposit would come.
    Canary(u32),
    /// Cells of a group's shard.
    Group(GroupNumber),
    /// Own cells for a group's shard.
    Inject(GroupNumber),
    /// Entries of a followed channel.
    Channel(ChannelNumber),
    /// The newest entries of a channel at another relay than the followed one.
    Look(ChannelNumber),
    /// Own entries of a channel.
    Post(ChannelNumber),
}

impl Lane {
    /// Whether its tunnel is kept while nothing is asked: things come over it by themselves.
    pub(crate) const fn listens(self) -> bool {
        matches!(self, Self::Mailbox(_) | Self::Group(_) | Self::Channel(_))
    }
}

/// Why a relay gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RouteError {
    /// No link is up, or none leads there.
    NoPath,
    /// The relay is not known to any door.
    UnknownRelay,
    /// The door could not reach the relay.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The relay or door is busy.
    Busy,
    /// The tunnel broke.
    Broken,
    /// The relay said no.
    Refused(Refusal),
    /// It asks for more work than anybody should do.
    TooDear,
    /// This person does not want it any more.
    GivenUp,
}

impl RouteError {
    /// A word for scripts.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::NoPath => "no_path",
            Self::UnknownRelay => "unknown_relay",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Busy => "busy",
            Self::Broken => "broken",
            Self::Refused(Refusal::Full) => "full",
            Self::Refused(Refusal::UnknownTag | Refusal::UsedTag) => "tag_used",
            Self::Refused(Refusal::NoRequests) => "no_requests",
            Self::Refused(Refusal::RequestsFull) => "requests_full",
            Self::Refused(Refusal::StaleWork | Refusal::WeakWork | Refusal::UsedWork) => "work",
            Self::Refused(_) => "refused",
            Self::TooDear => "too_much_work",
            Self::GivenUp => "given_up",
        }
    }
}
