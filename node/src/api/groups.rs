//! Groups on the local interface: `{"method":"group","params":{"what":"create",…}}`, answered by `{"type":"group","told":…}`.

use super::{Attachment, Reaction, Secret, State};
use serde::{Deserialize, Serialize};

/// What a front end may ask about groups. `group` is always the local number of a group, `member` an id of 32 hexadecimal digits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// [`Told::Groups`].
    List,
    /// Founds a group: [`Told::Founded`].
    Create {
        /// Its name.
        name: String,
    },
    /// Invites a contact: [`Told::Done`].
    Invite {
        /// The group.
        group: u32,
        /// The contact.
        contact: u32,
    },
    /// Makes a link by which one newcomer can join: [`Told::Link`].
    Link {
        /// The group.
        group: u32,
    },
    /// Asks to join by a link; the admin who made it becomes a contact: [`Told::Founded`].
    Join {
        /// The link.
        link: Secret,
        /// Local name for the admin; empty takes the one they give.
        #[serde(default)]
        name: String,
    },
    /// Accepts an invitation: [`Told::Done`].
    Accept {
        /// The group.
        group: u32,
    },
    /// Leaves a group or declines its invitation: [`Told::Done`].
    Leave {
        /// The group.
        group: u32,
    },
    /// Removes a member: [`Told::Done`].
    Remove {
        /// The group.
        group: u32,
        /// The member.
        member: String,
    },
    /// Gives a role: [`Told::Done`].
    Role {
        /// The group.
        group: u32,
        /// The member.
        member: String,
        /// The role.
        role: Role,
    },
    /// Renames a group: [`Told::Done`].
    Rename {
        /// The group.
        group: u32,
        /// The new name.
        name: String,
    },
    /// Messages disappear this many seconds after they were seen, 0 never: [`Told::Done`].
    Timer {
        /// The group.
        group: u32,
        /// Seconds.
        seconds: u32,
    },
    /// Tells of new messages no more, or again; on this device only: [`Told::Done`].
    Mute {
        /// The group.
        group: u32,
        /// Whether it is muted.
        muted: bool,
    },
    /// [`Told::Members`].
    Members {
        /// The group.
        group: u32,
    },
    /// Queues a text for all members: [`Told::Queued`].
    Send {
        /// The group.
        group: u32,
        /// The text.
        text: String,
    },
    /// Queues a small file for all members, as [`super::Request::SendFile`]: [`Told::Queued`].
    SendFile {
        /// The group.
        group: u32,
        /// Its name, without folders.
        name: String,
        /// Its bytes, base64; at most [`super::FILE_BYTES_MAX`] of them after cleaning.
        data: String,
    },
    /// Passes a message on to all members, marked as forwarded: [`Told::Queued`].
    Forward {
        /// The group.
        group: u32,
        /// Id of the message, as in [`super::Request::Forward`].
        id: String,
    },
    /// Messages of a group, oldest first: [`Told::Messages`].
    Messages {
        /// The group.
        group: u32,
        /// Only messages before this position.
        before: Option<u64>,
        /// Only messages after this position.
        after: Option<u64>,
        /// At most this many; the newest ones unless `after` is given.
        limit: usize,
    },
    /// One message as it is now: [`Told::One`]. [`super::Request::Reply`], `React`, `Edit` and `Delete` take ids of groups' messages too.
    One {
        /// Message id, 32 hexadecimal digits.
        id: String,
    },
    /// How far a message is, and with whom: [`Told::Message`].
    Info {
        /// Message id, 32 hexadecimal digits.
        id: String,
    },
    /// Everything up to this position was seen: [`Told::Done`].
    MarkRead {
        /// The group.
        group: u32,
        /// The position, inclusive.
        position: u64,
    },
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Writes, and leaves.
    Member,
    /// Invites and removes, renames.
    Admin,
    /// Gives roles.
    Owner,
}

/// How this person stands to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Invited; accept or leave.
    Invited,
    /// Accepted; waits to be taken in.
    Joining,
    /// A member.
    In,
    /// Left, or removed.
    Out,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Local number.
    pub group: u32,
    /// Name.
    pub name: String,
    /// How this person stands to it.
    pub standing: Standing,
    /// Local number of the contact who invited, for those who are not in yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub invited_by: Option<u32>,
    /// Members.
    pub members: u32,
    /// The own role.
    pub role: Option<Role>,
    /// Messages not seen yet.
    pub unread: u64,
    /// Muted on this device.
    pub muted: bool,
    /// Seconds after which messages disappear; 0 never.
    pub timer_s: u32,
    /// Keys of another member could not be read here: what is said under them comes late, from members who are asked.
    #[serde(default)]
    pub deaf: bool,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Id in this group.
    pub member: String,
    /// Name to show.
    pub name: String,
    /// Role.
    pub role: Role,
    /// This person.
    pub me: bool,
    /// Local number of the contact whose session confirmed that this is them; without one the name is only what the member says.
    pub contact: Option<u32>,
    /// Name of whoever took them in.
    pub added_by: String,
    /// Two messages with one number came from them: others may have read something else.
    #[serde(default)]
    pub forked: bool,
}

/// A message to a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMessage {
    /// The same for all members, 32 hexadecimal digits.
    pub id: String,
    /// Local number of the group.
    pub group: u32,
    /// Name of the author.
    pub from: String,
    /// Id of the author in this group.
    pub member: String,
    /// The text; `null` if it was deleted, and for a kind this program does not know.
    pub text: Option<String>,
    /// When the author's device says it was written, RFC 3339.
    pub sent_at: String,
    /// When it was stored on this device, RFC 3339; `null` for own messages.
    pub received_at: Option<String>,
    /// The author's number of the message.
    pub seq: u64,
    /// Own message.
    pub mine: bool,
    /// State.
    pub state: State,
    /// Own messages: members that have it on disk.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delivered: Option<u32>,
    /// Own messages: members it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub of: Option<u32>,
    /// Order of display in the group on this device.
    pub position: u64,
    /// Id of the message that this one answers.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// Signs on it, at most one of each member.
    #[serde(default)]
    pub reactions: Vec<Reaction>,
    /// Its author changed the text.
    #[serde(default)]
    pub edited: bool,
    /// Its author took it back.
    #[serde(default)]
    pub deleted: bool,
    /// It was first said elsewhere.
    #[serde(default)]
    pub forwarded: bool,
    /// A file: ask for it with [`super::Request::File`].
    #[serde(default)]
    pub attachment: Option<Attachment>,
    /// An entry of a channel that was passed on: text and file are its owner's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub copied: Option<Box<super::Copied>>,
    /// Seconds after which it disappears, from when it was seen or delivered; 0 keeps it.
    #[serde(default)]
    pub expires_s: u64,
}

/// How far an own message is with one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Id in this group.
    pub member: String,
    /// Name to show.
    pub name: String,
    /// Local number of the contact whose session confirmed that this is them; without one the name is only what the member says.
    pub contact: Option<u32>,
    /// `queued`, `stored` or `delivered`.
    pub state: State,
    /// Since when this device knows that they have it on disk, RFC 3339.
    pub at: Option<String>,
}

/// An answer about groups.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub enum Told {
    /// Done and durable.
    Done,
    /// All groups.
    Groups {
        /// In order of their numbers.
        groups: Vec<Group>,
    },
    /// A link.
    Link {
        /// A line that begins with `KARVON-GROUP:`.
        link: Secret,
    },
    /// A group was founded, or is to be joined.
    Founded {
        /// Its local number.
        group: u32,
    },
    /// Members.
    Members {
        /// In order of their ids.
        members: Vec<Member>,
    },
    /// A message is durable.
    Queued {
        /// Id.
        id: String,
        /// Number.
        seq: u64,
    },
    /// Messages, oldest first.
    Messages {
        /// The messages.
        messages: Vec<GroupMessage>,
        /// Whether older ones (or newer ones, with `after`) exist.
        more: bool,
    },
    /// One message.
    One {
        /// The message.
        message: Box<GroupMessage>,
    },
    /// How far a message is.
    Message {
        /// The group.
        group: u32,
        /// The author's number of it.
        seq: u64,
        /// Own message.
        mine: bool,
        /// Its state.
        state: State,
        /// Members that have it on disk.
        delivered: u32,
        /// Members it is for; 0 in groups in which nobody is told who has what.
        of: u32,
        /// Name of the author.
        #[serde(default)]
        from: String,
        /// When the author's device says it was written, RFC 3339.
        #[serde(default)]
        sent_at: String,
        /// When it was stored on this device, RFC 3339; `null` for own messages.
        #[serde(default)]
        received_at: Option<String>,
        /// Own messages: with whom it is how far, those who have it first. What was delivered under an earlier version names nobody.
        #[serde(default)]
        recipients: Vec<Recipient>,
    },
}

/// What the node tells of groups by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum GroupEvent {
    /// An invitation came, or members, name or roles changed.
    Changed {
        /// Which group.
        group: u32,
    },
    /// Messages came in.
    Received {
        /// The group.
        group: u32,
        /// First position.
        from: u64,
        /// Last position, inclusive.
        to: u64,
    },
    /// Own messages moved on.
    Delivery {
        /// The group.
        group: u32,
    },
    /// A message was edited, taken back, got a sign, or disappeared: ask for it again with [`Ask::One`]. `no_such_message` says that it
    /// is gone, or has not come yet.
    Message {
        /// The group.
        group: u32,
        /// Id of the message.
        id: String,
    },
}
