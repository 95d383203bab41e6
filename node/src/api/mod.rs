//! The local interface between a running node and its front ends: versioned types that travel as JSON lines (DESIGN U2).
//!
//! One object per line. A request is `{"id":1,"method":"send","params":{…}}`; its answer `{"id":1,"result":{…}}` or
//! `{"id":1,"error":{"code":"…","message":"…"}}`; after `subscribe` events come as `{"event":"received",…}`.

pub mod backend;
pub mod channels;
pub mod data;
pub mod error;
mod event;
pub mod fold;
pub mod groups;
mod item;
pub mod line;
mod netcheck;
pub mod server;
pub mod time;

pub use event::Event;
pub use item::{
    Attachment, Contact, Copied, DoorInfo, Hit, LanNetwork, Meeting, Message, Reaction, Said, Secret,
    Setting, State, Status, Stranger, Trail,
};
pub use netcheck::{DoorCheck, NetCheck};

pub use crate::net::web_hello;

use serde::{Deserialize, Serialize};

/// Version of these types; a front end of another one is told so.
pub const API_VERSION: u32 = 1;

/// Longest first text of a request at a published address, bytes of UTF-8; longer ones are refused with the code `request_too_long`.
pub const REQUEST_TEXT_BYTES_MAX: usize = 280;

/// Longest text of one message, bytes of UTF-8; longer ones are refused with the code `too_long`.
pub const TEXT_BYTES_MAX: usize = 8_000;

/// Largest file in one message, bytes.
pub const FILE_BYTES_MAX: usize = 46_080;

/// Most messages in one answer to [`Request::Messages`]; a larger `limit` is cut to it and `more` tells that there are others.
pub const MESSAGES_LIMIT_MAX: usize = 500;

/// What a front end may ask. `contact` is always the local number of a contact.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "method", content = "params", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Must come first: [`Response::Hello`].
    Hello {
        /// [`API_VERSION`].
        version: u32,
    },
    /// [`Response::Status`].
    Status,
    /// [`Response::Contacts`].
    Contacts,
    /// [`Response::Invitation`].
    Invite,
    /// [`Response::Added`].
    Add {
        /// Text of an invitation or a published address.
        invitation: String,
        /// Local name; empty takes the other side's.
        name: String,
        /// A first text; at a published address it goes with the request and has at most [`REQUEST_TEXT_BYTES_MAX`] bytes.
        #[serde(default)]
        text: String,
    },
    /// The own published address: [`Response::Address`].
    Address,
    /// Makes a published address, by which strangers may ask for a conversation; the one before ends: [`Response::Address`].
    NewAddress,
    /// Ends the published address: [`Response::Done`].
    EndAddress,
    /// What strangers ask: [`Response::Requests`].
    Requests,
    /// Makes a contact of whoever asked: [`Response::Added`].
    AcceptRequest {
        /// Number of the request.
        request: u64,
        /// Local name; empty takes the one they gave.
        #[serde(default)]
        name: String,
    },
    /// Forgets a request, or takes a block back; they are not told: [`Response::Done`].
    DeclineRequest {
        /// Number of the request.
        request: u64,
    },
    /// Forgets a request and whatever else this account asks; they are not told: [`Response::Done`].
    BlockRequest {
        /// Number of the request.
        request: u64,
    },
    /// [`Response::Done`].
    Rename {
        /// The contact.
        contact: u32,
        /// New name.
        name: String,
    },
    /// [`Response::Queued`].
    Send {
        /// The contact.
        contact: u32,
        /// The text.
        text: String,
    },
    /// Queues many texts in order: [`Response::QueuedMany`].
    SendMany {
        /// The contact.
        contact: u32,
        /// The texts.
        texts: Vec<String>,
    },
    /// Messages of a conversation, oldest first: [`Response::Messages`].
    Messages {
        /// The contact, or all of them.
        contact: Option<u32>,
        /// Only messages before this position.
        before: Option<u64>,
        /// Only messages after the one with this id.
        since: Option<String>,
        /// At most this many; the newest ones unless `since` is given.
        limit: usize,
    },
    /// One message as it is now: [`Response::Message`].
    Message {
        /// Id of the message.
        id: String,
    },
    /// A text that answers a message of the same conversation: [`Response::Queued`].
    Reply {
        /// Id of the message it answers.
        to: String,
        /// The text.
        text: String,
    },
    /// Passes a message on to a contact, marked as forwarded: [`Response::Queued`]. [`groups::Ask::Forward`] passes it on to a group.
    Forward {
        /// Id of the message: of one with a person, in a group, or of a channel's entry, which stays signed by its owner.
        id: String,
        /// To whom.
        contact: u32,
    },
    /// Puts a sign on a message, in place of an own earlier one: [`Response::Queued`].
    React {
        /// Id of the message.
        id: String,
        /// At most 32 bytes; empty takes it back.
        emoji: String,
    },
    /// Gives an own message a new text: [`Response::Queued`].
    Edit {
        /// Id of the message.
        id: String,
        /// The text.
        text: String,
    },
    /// Takes an own message back for everybody: [`Response::Queued`].
    Delete {
        /// Id of the message.
        id: String,
    },
    /// Sends a small file: [`Response::Queued`]. What a picture tells beside the picture (place, device, owner) is removed before.
    SendFile {
        /// The contact.
        contact: u32,
        /// Its name, without folders.
        name: String,
        /// Its bytes, base64; at most [`FILE_BYTES_MAX`] of them after cleaning.
        data: String,
    },
    /// The file in a message: [`Response::File`].
    File {
        /// Id of the message.
        id: String,
    },
    /// Passes on an invitation that somebody made for this, so that two contacts can meet: [`Response::Queued`].
    Introduce {
        /// To whom.
        contact: u32,
        /// Who it is.
        name: String,
        /// Text of the invitation.
        invitation: String,
    },
    /// Adds the person whom a message introduces: [`Response::Added`].
    AddIntroduced {
        /// Id of the message.
        id: String,
        /// Local name; empty takes the one in the message.
        name: String,
    },
    /// The safety number with a contact: [`Response::Safety`].
    Safety {
        /// The contact.
        contact: u32,
    },
    /// Changes what holds for a conversation: [`Response::Done`].
    Set {
        /// The contact.
        contact: u32,
        /// What.
        setting: Setting,
    },
    /// The person is typing to a contact; may be called at every key: [`Response::Done`].
    Typing {
        /// The contact.
        contact: u32,
    },
    /// The oldest messages of a conversation after a position, oldest first: [`Response::Messages`], whose `more` tells of newer ones.
    MessagesAfter {
        /// The contact.
        contact: u32,
        /// Only messages after this position; 0 starts at the beginning.
        position: u64,
        /// At most this many.
        limit: usize,
    },
    /// Messages of all conversations, groups and channels that have all words of a text as it is now, the newest first:
    /// [`Response::Found`]. Where a contact, a group or a channel is named, only there. Letters are folded, and a word is found in the
    /// other script as well (see [`fold`]).
    Search {
        /// What is searched for.
        text: String,
        /// In the conversation with this contact.
        contact: Option<u32>,
        /// In this group.
        #[serde(default)]
        group: Option<u32>,
        /// In this channel.
        #[serde(default)]
        channel: Option<u32>,
        /// At most this many.
        limit: usize,
    },
    /// [`Response::Info`]; for a message to a group [`groups::Told::Message`].
    Info {
        /// Message id, 32 hexadecimal digits.
        id: String,
    },
    /// Everything up to this received number was seen: [`Response::Done`].
    MarkRead {
        /// The contact.
        contact: u32,
        /// Received sequence number, inclusive.
        seq: u64,
    },
    /// [`Response::Doors`].
    Doors,
    /// [`Response::Done`].
    AddDoor {
        /// A line that starts with `KARVON-DOOR:`.
        door: String,
    },
    /// [`Response::Done`].
    RemoveDoor {
        /// Relay id, 32 hexadecimal digits.
        relay: String,
    },
    /// How the own doors do: [`Response::NetCheck`], at once. A check takes up to 9 s; [`Event::NetCheck`] tells that it is done.
    NetCheck {
        /// Begin a check unless one is under way; else only ask for what the last one found.
        begin: bool,
    },
    /// Begins a check of one door, also of one that is not needed now, unless a check is under way: [`Response::NetCheck`], and all else as there.
    TestDoor {
        /// Relay id, 32 hexadecimal digits.
        relay: String,
    },
    /// About groups: [`Response::Group`].
    Group(groups::Ask),
    /// About channels: [`Response::Channel`].
    Channel(channels::Ask),
    /// Forgets the keys and everything read by them, until [`Request::Unlock`]: [`Response::Done`].
    Lock,
    /// Opens a locked node: [`Response::Done`]. Refused with `wrong_passphrase`, or with `wait` after too many of those.
    Unlock {
        /// What opens the profile; of several profiles, the one that it opens.
        passphrase: Secret,
    },
    /// A person is at the front end, so the node does not lock itself now: [`Response::Done`]. What only reads does not count as that.
    Present,
    /// The 40 digits that open backups and make the account again: [`Response::RecoveryCode`].
    RecoveryCode,
    /// Writes a backup that the recovery code opens: [`Response::BackedUp`].
    Backup {
        /// Absolute path of the file; one that is there is replaced.
        path: String,
        /// With all messages.
        history: bool,
    },
    /// Writes sealed cells that wait into a bundle file for somebody to carry: [`Response::BundleWritten`].
    ExportBundle {
        /// Absolute path of the file; one that is there is replaced.
        path: String,
        /// Only what goes to this contact, and nothing that is carried for others.
        contact: Option<u32>,
    },
    /// Takes what is for this person from a bundle file, and what is to be carried for others: [`Response::BundleTaken`].
    ImportBundle {
        /// Absolute path of the file.
        path: String,
    },
    /// Local networks here, and who is there: [`Response::Lan`].
    Lan,
    /// About the bytes that may be used: [`Response::Data`].
    Data(data::Ask),
    /// From now on contacts are looked for on a network here: [`Response::Done`]. Refused with `no_lan`, or with `which_lan` if there
    /// are several and none is named.
    LanAccept {
        /// Name of its interface; nothing takes the only one.
        name: Option<String>,
    },
    /// No longer: [`Response::Done`], or as [`Request::LanAccept`].
    LanForget {
        /// Name of its interface; nothing takes the only one that was accepted.
        name: Option<String>,
        /// All networks that were ever accepted.
        #[serde(default)]
        all: bool,
    },
    /// Whether contacts on an accepted network may leave sealed messages for others here and fetch them, and the other way round:
    /// [`Response::Done`].
    LanCarry {
        /// Off: what neighbours brought is dropped, and nothing more is taken or offered.
        on: bool,
    },
    /// Destroys the keys at once, then removes the profile and ends the node: [`Response::Done`]. Works on a locked node too.
    Wipe,
    /// From now on events come over this connection: [`Response::Done`].
    Subscribe,
    /// The node stops after answering: [`Response::Done`].
    Shutdown,
}

/// An answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Response {
    /// The node speaks this version.
    Hello {
        /// [`API_VERSION`].
        version: u32,
        /// Own name.
        name: String,
    },
    /// Done and durable.
    Done,
    /// Overall state.
    Status(Status),
    /// All contacts.
    Contacts {
        /// In order of their numbers.
        contacts: Vec<Contact>,
    },
    /// An invitation for one person.
    Invitation {
        /// One line, at most 135 characters.
        text: String,
        /// One line of at most 415 characters that names several doors, if there are several.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        long: Option<String>,
        /// RFC 3339.
        expires: String,
    },
    /// The published address.
    Address {
        /// One line of at most 199 characters; nothing if there is none.
        text: Option<String>,
    },
    /// What strangers ask.
    Requests {
        /// Those that wait, at most 32, then blocked strangers; oldest first.
        requests: Vec<Stranger>,
        /// How many made room for newer ones since the node started.
        dropped: u64,
    },
    /// The recovery code.
    RecoveryCode {
        /// Eight groups of five digits.
        code: Secret,
    },
    /// A backup is on disk.
    BackedUp {
        /// Contacts in it.
        contacts: u64,
        /// Messages in it.
        messages: u64,
        /// Contacts of those who gave no way back yet: after a restore they have to be met anew.
        unready: u64,
    },
    /// A bundle file is on disk.
    BundleWritten {
        /// Own sealed cells in it.
        own: u64,
        /// Those of others.
        carried: u64,
        /// Messages that could not go along: their contacts have to answer first.
        waiting: u64,
        /// Contacts for whom not everything found room.
        left_out: u64,
        /// Size of the file.
        bytes: u64,
    },
    /// What became of a bundle file's cells. All that is said here is durable.
    BundleTaken {
        /// For this person, and opened now.
        opened: u64,
        /// Answers to resets of a session, looked at as soon as what they need is loaded: not durable yet.
        pending: u64,
        /// For this person, and here before.
        known: u64,
        /// For this person, and damaged or not understood.
        refused: u64,
        /// For others, and carried from now on.
        carried: u64,
        /// For others, and carried already.
        carried_before: u64,
        /// For others, and not carried: too old, or no room.
        dropped: u64,
    },
    /// Local networks.
    Lan {
        /// Those this device is on.
        networks: Vec<LanNetwork>,
        /// How many accepted ones it is not on.
        elsewhere: usize,
        /// Contacts who are near: messages to them need no internet.
        near: Vec<u32>,
        /// Whether sealed messages are carried between neighbours.
        carrying: bool,
        /// Sealed messages that are carried now, brought by neighbours or bundle files: whom they are for can not be seen.
        carried: u64,
        /// Their bytes.
        carried_bytes: u64,
    },
    /// A contact was added.
    Added {
        /// Local number.
        contact: u32,
    },
    /// A message is durable.
    Queued {
        /// Id.
        id: String,
        /// Number.
        seq: u64,
    },
    /// Messages are durable.
    QueuedMany {
        /// Ids, in order.
        ids: Vec<String>,
    },
    /// Messages, oldest first.
    Messages {
        /// The messages.
        messages: Vec<Message>,
        /// Whether older ones (or newer ones, with `since`) exist.
        more: bool,
    },
    /// One message.
    Message(Box<Message>),
    /// What a search found, newest first.
    Found {
        /// The messages, each with its place.
        messages: Vec<Hit>,
        /// There are more than these.
        more: bool,
    },
    /// A file.
    File {
        /// What its author calls it: foreign text.
        name: String,
        /// Its author's word.
        media_type: String,
        /// Its bytes, base64.
        data: String,
    },
    /// What two people compare.
    Safety {
        /// 60 digits, the same on both devices.
        number: String,
        /// The same as text for a QR code.
        qr: String,
    },
    /// A message and its way.
    Info {
        /// The message's state.
        state: State,
        /// The contact.
        contact: u32,
        /// Number.
        seq: u64,
        /// Own message.
        mine: bool,
        /// Its way, oldest first.
        trail: Vec<Trail>,
        /// Why it does not leave, if something holds it here.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        held: Option<data::Held>,
    },
    /// Bytes that may be used, and were.
    Data(Box<data::DataUse>),
    /// Doors.
    Doors {
        /// All doors.
        doors: Vec<DoorInfo>,
    },
    /// How the own doors do.
    NetCheck {
        /// A check is under way.
        running: bool,
        /// What the last one found.
        found: Option<NetCheck>,
    },
    /// About groups.
    Group(groups::Told),
    /// About channels.
    Channel(channels::Told),
}

/// An error as front ends see it: `code` is stable for scripts and is the key of the translated sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// For example `invite_used`, `no_such_contact`, `store`, `version`, `bad_request`.
    pub code: String,
    /// One plain English sentence that says what to do.
    pub message: String,
}
