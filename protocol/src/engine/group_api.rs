//! What a front end may ask of a person's groups, what it is answered, and what it is told.

use super::api::{ContactId, MessageState};
use crate::group::op::Role;
use crate::ids::{Fingerprint, GroupId, MemberId, MessageId};
use zeroize::Zeroizing;

/// Local number of a group; never leaves the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupNumber(pub u32);

impl GroupNumber {
    /// The group of this group's records in the store.
    #[must_use]
    pub fn records(self) -> [u8; 16] {
        ContactId(self.0).group()
    }

    /// The group of the records of what `author` wrote in this group.
    #[must_use]
    pub fn records_of(self, author: &MemberId) -> [u8; 16] {
        crate::ids::first(&[&self.0.to_be_bytes()[..], &author.0].concat())
    }
}

/// A command about groups.
#[derive(Debug, Clone)]
pub enum GroupCommand {
    /// Founds a group: [`GroupReply::Founded`].
    Create(String),
    /// Invites a contact.
    Invite(GroupNumber, ContactId),
    /// Makes a link by which one newcomer can join: [`GroupReply::Link`].
    Link(GroupNumber),
    /// Asks to join by a link; its admin becomes a contact: [`GroupReply::Founded`].
    Join {
        /// The link.
        link: Zeroizing<String>,
        /// Local name for the admin; empty takes the one they give.
        name: String,
    },
    /// Accepts an invitation.
    Accept(GroupNumber),
    /// Leaves a group, or declines its invitation.
    Leave(GroupNumber),
    /// Removes a member.
    Remove(GroupNumber, MemberId),
    /// Gives a member a role.
    Role(GroupNumber, MemberId, Role),
    /// Renames a group.
    Rename(GroupNumber, String),
    /// Messages disappear this many seconds after they were seen; 0 never.
    Timer(GroupNumber, u32),
    /// Tells the person nothing of new messages, or does again. A matter of this device only.
    Mute(GroupNumber, bool),
    /// Queues a text: [`GroupReply::Queued`] once it is durable here.
    Send(GroupNumber, String),
    /// Queues a text that was first said elsewhere: [`GroupReply::Queued`].
    Forward(GroupNumber, String),
    /// Passes an entry of a channel on, as its owner signed it: [`GroupReply::Queued`].
    ForwardEntry {
        /// To which group.
        group: GroupNumber,
        /// The owner's key.
        owner: [u8; 32],
        /// The signed entry.
        entry: Vec<u8>,
    },
    /// Queues a small file: [`GroupReply::Queued`].
    SendFile {
        /// To which group.
        group: GroupNumber,
        /// At most 128 bytes.
        name: String,
        /// At most 64 bytes, for example `image/jpeg`.
        media: String,
        /// 1 to 46,080 bytes.
        data: Zeroizing<Vec<u8>>,
        /// It was first sent elsewhere.
        forwarded: bool,
    },
    /// Lists groups: [`GroupReply::Groups`].
    List,
    /// Who is in a group, and how far messages are: [`GroupReply::View`].
    View(GroupNumber),
    /// A message by its id: [`GroupReply::Message`].
    Message(MessageId),
    /// The person saw everything up to this place.
    MarkRead(GroupNumber, u64),
}

/// How this person stands to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Invited by this contact.
    Invited(ContactId),
    /// Has accepted; the invitation's author has to take them in.
    Joining(ContactId),
    /// A member.
    In,
    /// Left, or was removed.
    Out,
}

/// A group as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInfo {
    /// Local number.
    pub group: GroupNumber,
    /// Name.
    pub name: String,
    /// How this person stands to it.
    pub standing: Standing,
    /// Members.
    pub members: u32,
    /// The own role.
    pub role: Option<Role>,
    /// Messages of others after the last one seen.
    pub unread: u64,
    /// Muted on this device.
    pub muted: bool,
    /// Seconds after which messages disappear; 0 never.
    pub timer_s: u32,
    /// Keys of another member were announced that this device could not read: what is said under them comes late, from members who are asked.
    pub deaf: bool,
}

/// A member, or somebody who was one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberInfo {
    /// Id.
    pub member: MemberId,
    /// The contact's local name, or the name the member gave.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Who took them in.
    pub by: MemberId,
    /// The contact whose session confirmed that this is them.
    pub contact: Option<ContactId>,
    /// The fingerprint the member says to have.
    pub fingerprint: Fingerprint,
    /// This person.
    pub me: bool,
    /// `None` for members; else how many of their messages count.
    pub left: Option<u64>,
    /// All messages of this author below this number are here; later ones wait for them.
    pub below: u64,
    /// Two messages with one number were signed by this member: others may have read something else.
    pub forked: bool,
}

/// How far an own message to a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// Members whose device has it on disk.
    pub delivered: u32,
    /// Members it is for.
    pub of: u32,
    /// As many relays as promised have it on disk for each of the others.
    pub stored: bool,
}

/// How far an own message is with one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient {
    /// Who.
    pub member: MemberId,
    /// At most delivered: nobody tells a group what was read.
    pub state: MessageState,
    /// Since when this device knows that they have it, Unix milliseconds.
    pub at_ms: Option<u64>,
}

/// A group as its screen shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    /// What messages' ids are derived from; never leaves the device.
    pub group: GroupId,
    /// As in lists.
    pub info: GroupInfo,
    /// Members and past members.
    pub members: Vec<MemberInfo>,
    /// Own messages, by number, that somebody does not have yet; all others are delivered.
    pub under_way: Vec<(u64, Reached)>,
}

/// The answer to a command about groups.
#[derive(Debug, Clone)]
pub enum GroupReply {
    /// Done and durable.
    Done,
    /// A group was founded.
    Founded(GroupNumber),
    /// A message is durable here.
    Queued {
        /// Its id, the same for all members.
        id: MessageId,
        /// Its number.
        seq: u64,
    },
    /// A link; secret.
    Link(Zeroizing<String>),
    /// All groups.
    Groups(Vec<GroupInfo>),
    /// One group.
    View(Box<GroupView>),
    /// A message.
    Message {
        /// Its group.
        group: GroupNumber,
        /// Its author.
        author: MemberId,
        /// Its number.
        seq: u64,
        /// How far it is, for own ones that somebody does not have yet.
        reached: Option<Reached>,
        /// With whom it is how far, likewise. Of those that everybody has a record stays: see [`super::group_reached`].
        recipients: Vec<Recipient>,
        /// Own message.
        mine: bool,
    },
}

/// Something the front end should know of a group; each comes after it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupEvent {
    /// An invitation came, or members, name or roles changed.
    Changed(GroupNumber),
    /// Messages came in; they stand at these places (inclusive).
    Received {
        /// The group.
        group: GroupNumber,
        /// First place.
        from: u64,
        /// Last place.
        to: u64,
    },
    /// Own messages moved on.
    Delivery(GroupNumber),
    /// A message that is there, or is yet to come, was edited, taken back, or got a sign.
    Message(GroupNumber, MessageId),
}
