//! What requests and answers of the local interface consist of: contacts, messages, doors, settings, the overall state.

use super::ApiError;
use super::channels::Entry;
use super::groups::GroupMessage;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A passphrase on its way over the local interface; never shown.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Secret(pub Zeroizing<String>);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// What holds for one conversation; in JSON for example `{"receipts":true}` or `"keys_accepted"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// The other side may know what was read.
    Receipts(bool),
    /// The other side may know when this person types.
    Typing(bool),
    /// New messages of both sides disappear after so many seconds: 0 (never), or 5 to 31,536,000.
    Timer(u64),
    /// Nothing of theirs is shown or kept, and nothing is sent; they are not told.
    Blocked(bool),
    /// The safety number was compared and is the same.
    Verified(bool),
    /// The new keys of the other side are accepted.
    KeysAccepted,
}

/// How far the meeting with a contact is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meeting {
    /// The invitation is being looked up.
    #[default]
    LookingUp,
    /// The first cell is under way.
    Greeting,
    /// The work that a published address asks for is being done, or the request is on its way.
    Asking,
    /// The request is at their relays and was not answered: nothing says whether they have seen it.
    Waiting,
    /// Both sides have keys.
    Connected,
    /// It can not succeed; the error's code says why.
    Failed(String),
}

/// A contact.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Contact {
    /// Local number.
    pub contact: u32,
    /// Name to show.
    pub name: String,
    /// How far the meeting is.
    pub meeting: Meeting,
    /// While `asking`: how much of the work to be expected is done, percent; luck decides when it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_percent: Option<u8>,
    /// Fingerprint of the account key, hexadecimal.
    pub fingerprint: String,
    /// Keys compared face to face.
    pub verified: bool,
    /// Messages not seen yet.
    pub unread: u64,
    /// They may know what was read here.
    #[serde(default)]
    pub receipts: bool,
    /// They may know when this person types.
    #[serde(default)]
    pub typing: bool,
    /// New messages disappear after so many seconds; 0 keeps them.
    #[serde(default)]
    pub timer_s: u64,
    /// Nothing of theirs is shown.
    #[serde(default)]
    pub blocked: bool,
    /// Their keys changed: nothing is sent until [`Setting::KeysAccepted`].
    #[serde(default)]
    pub keys_changed: bool,
}

/// A stranger who asks for a conversation, or one who is blocked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stranger {
    /// Number of the request.
    pub request: u64,
    /// The name they gave: foreign text.
    pub name: String,
    /// Their first text, empty if there is none: foreign text.
    pub text: String,
    /// Fingerprint of the account key, hexadecimal.
    pub fingerprint: String,
    /// When it came, or was blocked, by this device's clock; RFC 3339.
    pub at: String,
    /// Whatever this account asks is passed over.
    pub blocked: bool,
}

/// State of an own message; `received` for those of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Durable on this device.
    #[default]
    Queued,
    /// As many relays as promised have it on disk.
    Stored,
    /// The other side has it on disk.
    Delivered,
    /// The other side saw it.
    Read,
    /// Not an own message.
    Received,
}

/// A person's sign on a message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reaction {
    /// The sign; foreign text.
    pub emoji: String,
    /// Own sign.
    pub mine: bool,
    /// Name of whose it is.
    pub from: String,
}

/// A small file in a message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Attachment {
    /// What its author calls it: foreign text, to be cleaned before it names a file.
    pub name: String,
    /// For example `image/jpeg`; its author's word.
    pub media_type: String,
    /// Bytes.
    pub bytes: u64,
}

/// What is known of an entry of a channel that somebody passed on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Copied {
    /// The owner of that key signed it. If not, nothing of what it says is told.
    pub genuine: bool,
    /// What the channel calls itself; anybody may call a channel so.
    pub channel: String,
    /// Number of the entry in its channel.
    pub seq: u64,
    /// Key of the channel's owner, 64 hexadecimal digits: the same for all entries of one channel.
    pub owner: String,
    /// When the owner's device says it was written, RFC 3339.
    pub sent_at: Option<String>,
    /// Local number of the channel, if it is followed here or an own one: then it is known to be from there.
    pub followed: Option<u32>,
}

/// A message as it is now, after all that became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Message {
    /// The same on both devices, 32 hexadecimal digits.
    pub id: String,
    /// Local number of the conversation's contact.
    pub contact: u32,
    /// Name of the author: the contact's, or the own one.
    pub from: String,
    /// The text; `null` if it was deleted, and for a kind this program does not know.
    pub text: Option<String>,
    /// When the author's device says it was written, RFC 3339.
    pub sent_at: String,
    /// When it was stored on this device, RFC 3339; `null` for own messages.
    pub received_at: Option<String>,
    /// The author's number of the message in this conversation.
    pub seq: u64,
    /// Own message.
    pub mine: bool,
    /// State.
    pub state: State,
    /// Order of display in the conversation on this device.
    pub position: u64,
    /// Id of the message that this one answers.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// Signs on it, at most one of each person.
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
    /// Seconds after which it disappears, from when it was seen or delivered; 0 keeps it.
    #[serde(default)]
    pub expires_s: u64,
    /// No text: from here on messages disappear after so many seconds, or are kept if 0.
    #[serde(default)]
    pub timer_s: Option<u64>,
    /// No text: it introduces somebody of this name; [`super::Request::AddIntroduced`] adds them.
    #[serde(default)]
    pub introduces: Option<String>,
    /// An entry of a channel that was passed on: text and file are its owner's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub copied: Option<Box<Copied>>,
    /// No message: it stands for so many of the contact's that never came.
    #[serde(default)]
    pub missing: u64,
}

/// A message that a search found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// Name of the contact, the group or the channel where it was found; empty for a channel without an entry.
    pub place: String,
    /// The message.
    #[serde(flatten)]
    pub said: Said,
}

/// A message with the kind of its place; in JSON `"kind":"person"` beside what the message has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Said {
    /// In a conversation with a contact.
    Person(Message),
    /// In a group.
    Group(GroupMessage),
    /// In a channel.
    Channel(Entry),
}

/// One step of a message's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// When, RFC 3339.
    pub at: String,
    /// `queued`, `sent`, `stored`, `refused`, `delivered` or `read`.
    pub what: String,
    /// The relay, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub relay: Option<String>,
    /// Until when it is kept, or why it was refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
}

/// Overall state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// `locked` or `store` (it failed and is being opened again), and then all that follows but process and time is empty; or `no_door`, `connecting`, `connected` (a link is up) or `online` (and a mailbox is attached).
    pub state: String,
    /// Own name.
    pub name: String,
    /// Links up.
    pub links: u32,
    /// Contacts on the same accepted local network; nothing while this device is on none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub near: Option<u16>,
    /// Doors known.
    pub doors: u32,
    /// Why no door opens, if the transport of one tells: the first one's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fault: Option<ApiError>,
    /// Own mailboxes attached.
    pub mailboxes_attached: u32,
    /// Own mailboxes.
    pub mailboxes: u32,
    /// One operator sees both address and tags.
    pub one_operator: bool,
    /// Own messages queued.
    pub queued: u64,
    /// Own messages stored.
    pub stored: u64,
    /// Own messages delivered.
    pub delivered: u64,
    /// Messages received.
    pub received: u64,
    /// Contacts.
    pub contacts: u32,
    /// Bytes received over links since start.
    pub bytes_in: u64,
    /// Bytes sent over links since start.
    pub bytes_out: u64,
    /// What may be used of the line today, and was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub data: Option<Box<super::data::DataUse>>,
    /// Resident memory, bytes.
    pub rss: u64,
    /// Processor time used, milliseconds.
    pub cpu_ms: u64,
    /// Input that broke the rules, since start.
    pub faults: u64,
    /// Process id.
    pub pid: u32,
    /// Milliseconds since the node started.
    pub uptime_ms: u64,
}

/// A local network this device is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanNetwork {
    /// The system's name of the interface.
    pub name: String,
    /// Its addresses, for example `192.168.1.0/24`.
    pub range: String,
    /// Contacts are looked for there.
    pub accepted: bool,
}

/// A door.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoorInfo {
    /// Relay id, hexadecimal.
    pub relay: String,
    /// Address, for its owner's eyes.
    pub addr: String,
    /// A link is up.
    pub connected: bool,
    /// The pluggable transport by which it is reached; `addr` is that of the transport's server then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub transport: Option<String>,
    /// Why the transport does not lead there now; a link that is still up may outlive it for some minutes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fault: Option<ApiError>,
    /// What the contact who gave it is called here; absent if it was added by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When it ceased to work while others did, RFC 3339; absent unless it is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_at: Option<String>,
}
