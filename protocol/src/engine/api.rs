//! What a front end may ask of the engine, what it is answered, and what it is told.

use super::carrier::{CarryCommand, CarryReply};
use super::channel_api::{ChannelCommand, ChannelEvent, ChannelReply};
use super::group_api::{GroupCommand, GroupEvent, GroupReply};
use super::lan::{LanCommand, LanReply};
use super::spend::{DataCommand, DataInfo};
use crate::descriptor::Door;
use crate::ids::{Fingerprint, MessageId, RelayId};
use zeroize::Zeroizing;

pub use super::expiry::expiry_key;
pub use super::message::{Edited, Marks, Sign, StoredMessage};

/// Local number of a contact; never leaves the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContactId(pub u32);

impl ContactId {
    /// The group of this contact's records in the store.
    #[must_use]
    pub fn group(self) -> [u8; 16] {
        let mut out = [0; 16];
        for (to, from) in out.iter_mut().zip(self.0.to_be_bytes()) {
            *to = from;
        }
        out
    }
}

/// A command of the front end.
#[derive(Debug, Clone)]
pub enum Command {
    /// Adds a door (or replaces the one to the same relay).
    AddDoor(Door),
    /// Forgets the door to this relay.
    RemoveDoor(RelayId),
    /// Lists doors: [`Reply::Doors`].
    Doors,
    /// Asks the relays behind doors whether they are there, and dials the others now: [`Reply::Tested`]. If a relay is named, only its door, also
    /// if it is not needed now.
    TestDoors(Option<RelayId>),
    /// Makes an invitation: [`Reply::Invitation`]. Works offline once a door was reached.
    Invite,
    /// Adds a contact from an invitation or a published address; succeeds locally, the handshake goes on by itself. `name` is the local name; the other
    /// side's own name is taken if it is empty.
    Add {
        /// Text of the invitation or address.
        invitation: Zeroizing<String>,
        /// Local name.
        name: String,
        /// The first text, queued with the contact unless it is empty. At a published address it goes with the request and has at most
        /// 280 bytes.
        text: String,
    },
    /// The own published address: [`Reply::Address`].
    Address,
    /// Makes a published address, by which strangers may ask for a conversation, and ends the one before: [`Reply::Address`].
    NewAddress,
    /// Ends the published address.
    EndAddress,
    /// What strangers asked: [`Reply::Requests`].
    Requests,
    /// Makes a contact of whoever asked: [`Reply::Added`].
    Accept {
        /// Number of the request.
        request: u64,
        /// Local name; empty takes the one they gave.
        name: String,
    },
    /// Forgets a request without a word; or takes back a block.
    Decline(u64),
    /// Forgets a request, and whatever else this account asks.
    Block(u64),
    /// Changes a contact's local name.
    Rename(ContactId, String),
    /// Queues a text: [`Reply::Queued`] once it is durable here.
    Send {
        /// To whom.
        contact: ContactId,
        /// 1 to 8,000 bytes of UTF-8.
        text: String,
    },
    /// Queues a text that answers a message of the same conversation: [`Reply::Queued`].
    Answer {
        /// The message it answers.
        to: MessageId,
        /// 1 to 8,000 bytes of UTF-8.
        text: String,
    },
    /// Passes a message's text on, marked as such: [`Reply::Queued`].
    Forward {
        /// To whom.
        contact: ContactId,
        /// 1 to 8,000 bytes of UTF-8.
        text: String,
    },
    /// Passes an entry of a channel on, as its owner signed it: [`Reply::Queued`].
    ForwardEntry {
        /// To whom.
        contact: ContactId,
        /// The owner's key.
        owner: [u8; 32],
        /// The signed entry.
        entry: Vec<u8>,
    },
    /// Puts this person's sign on a message, in place of an earlier one; empty takes it back: [`Reply::Queued`].
    React(MessageId, String),
    /// Gives an own message a new text: [`Reply::Queued`].
    Edit(MessageId, String),
    /// Takes an own message back for everybody: [`Reply::Queued`].
    Delete(MessageId),
    /// Queues a small file: [`Reply::Queued`].
    SendFile {
        /// To whom.
        contact: ContactId,
        /// At most 128 bytes.
        name: String,
        /// At most 64 bytes, for example `image/jpeg`.
        media: String,
        /// 1 to 46,080 bytes.
        data: Zeroizing<Vec<u8>>,
        /// It was first sent elsewhere.
        forwarded: bool,
    },
    /// Queues an invitation of somebody else, so that two contacts can meet: [`Reply::Queued`].
    Introduce {
        /// To whom.
        contact: ContactId,
        /// Who it is.
        name: String,
        /// The invitation that person made for this.
        invitation: Zeroizing<String>,
    },
    /// The person is typing to this contact.
    Typing(ContactId),
    /// Changes what holds for a conversation.
    Set(ContactId, Setting),
    /// The safety number with a contact: [`Reply::Safety`].
    Safety(ContactId),
    /// Lists contacts: [`Reply::Contacts`].
    Contacts,
    /// The state of one message by its id: [`Reply::Message`].
    Message(MessageId),
    /// Delivery watermarks of a conversation: [`Reply::Delivery`].
    Delivery(ContactId),
    /// The person saw everything up to this received sequence number (inclusive).
    MarkRead(ContactId, u64),
    /// Overall state: [`Reply::Status`].
    Status,
    /// About groups: [`Reply::Group`].
    Group(GroupCommand),
    /// About channels: [`Reply::Channel`].
    Channel(ChannelCommand),
    /// Packs what waits for a contact, or for all, into cells on disk that a bundle file may take along: [`Reply::Packed`].
    Pack(Option<ContactId>),
    /// Takes cells from a bundle file: [`Reply::Unpacked`], once they are durable.
    Unpack(Vec<crate::cell::Cell>),
    /// About local networks: [`Reply::Lan`].
    Lan(LanCommand),
    /// About cells that are carried for others: [`Reply::Carry`].
    Carry(CarryCommand),
    /// About the bytes that may be used: [`Reply::Data`].
    Data(DataCommand),
    /// Everything a backup holds: [`Reply::Backup`].
    Backup,
    /// Takes doors, mailboxes and contacts from a backup and greets each contact anew. Contacts that are here already are left alone.
    /// Messages of the backup's history must be in the store before.
    RestoreContacts(Box<crate::backup::BackupState>),
    /// Forms the session with a contact again: its keys may be known to somebody else, or are lost.
    ResetSession(ContactId),
}

/// What holds for one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Whether the other side may know what was read.
    Receipts(bool),
    /// Whether the other side may know when this person types.
    Typing(bool),
    /// New messages of both sides disappear after so many seconds (0, or 5 to a year); the other side is told.
    Timer(u64),
    /// Nothing of theirs is shown or kept, and nothing is sent; they are not told.
    Blocked(bool),
    /// The person compared the safety number and it was the same.
    Verified(bool),
    /// The person accepts the other side's new keys.
    KeysAccepted,
}

/// How far the meeting with a contact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meeting {
    /// The invitation is being looked up.
    LookingUp,
    /// The first cell is on its way.
    Greeting,
    /// The work that a published address asks for is being done, or the request is on its way.
    Asking,
    /// The request is at their relays and was not answered.
    Waiting,
    /// Both sides have keys.
    Connected,
    /// It can not succeed: the invitation was used, expired or damaged.
    Failed(crate::error::ErrorKind),
}

/// A contact as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactInfo {
    /// Local number.
    pub id: ContactId,
    /// Local name, or the name the other side gave.
    pub name: String,
    /// How far the meeting is.
    pub meeting: Meeting,
    /// While [`Meeting::Asking`]: how much of the work to be expected is done; luck decides when it ends.
    pub work_percent: Option<u8>,
    /// Fingerprint of the other side's account key; known from the invitation or the first cell.
    pub fingerprint: Fingerprint,
    /// The keys were compared face to face.
    pub verified: bool,
    /// They may know what this person read.
    pub receipts: bool,
    /// They may know when this person types.
    pub typing: bool,
    /// New messages disappear after so many seconds; 0 keeps them.
    pub timer_s: u64,
    /// Nothing of theirs is shown.
    pub blocked: bool,
    /// Their keys changed: nothing is sent until this person accepts that.
    pub keys_changed: bool,
    /// Received messages after the last one seen.
    pub unread: u64,
}

/// A stranger who asks, or one who is blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestInfo {
    /// Its number.
    pub request: u64,
    /// The name they gave: foreign text.
    pub name: String,
    /// The first text, if one came with it: foreign text.
    pub text: String,
    /// Fingerprint of their account key.
    pub fingerprint: Fingerprint,
    /// When it came, or was blocked, Unix milliseconds by this device's clock.
    pub at_ms: u64,
    /// Whatever this account asks is passed over.
    pub blocked: bool,
}

/// What is known of a message's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageState {
    /// Durable on this device; or handed to a door only, or confirmed by one of several relays.
    Queued,
    /// As many relays as promised said that they fsynced it.
    Stored,
    /// The other side's device has it on disk.
    Delivered,
    /// The other side saw it.
    Read,
}

/// One step of a message's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailStep {
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// What.
    pub what: TrailEvent,
}

/// What happened to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrailEvent {
    /// Written to this device's disk.
    Queued,
    /// Handed to a relay of the recipient.
    Sent(RelayId),
    /// That relay has it on disk until then (Unix seconds).
    Stored(RelayId, u64),
    /// That relay refused or could not be reached; why, in a word for scripts.
    Refused(RelayId, &'static str),
    /// Handed to the recipient's device over a local network.
    Near,
    /// Handed to a neighbour on a local network who carries it on: no more than that, it may be lost with their device.
    Carried,
    /// The recipient's device has it on disk.
    Delivered,
    /// The recipient saw it.
    Read,
}

/// How far the own messages of a conversation are. Sequence numbers start at 1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivery {
    /// All own messages below this are delivered.
    pub delivered_below: u64,
    /// Further delivered ones, inclusive ranges.
    pub delivered: Vec<(u64, u64)>,
    /// Stored but not delivered ones, inclusive ranges.
    pub stored: Vec<(u64, u64)>,
    /// The other side has seen all up to this one.
    pub read_upto: u64,
    /// All of the other side's messages below this are here; later ones wait for them.
    pub received_below: u64,
}

impl Delivery {
    /// The state of the own message with number `seq`.
    #[must_use]
    pub fn state(&self, seq: u64) -> MessageState {
        let within = |ranges: &[(u64, u64)]| ranges.iter().any(|(from, to)| (*from..=*to).contains(&seq));
        if seq < self.delivered_below || within(&self.delivered) {
            if seq <= self.read_upto { MessageState::Read } else { MessageState::Delivered }
        } else if within(&self.stored) {
            MessageState::Stored
        } else {
            MessageState::Queued
        }
    }
}

/// Overall state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatusInfo {
    /// Links to doors that are up.
    pub links: u32,
    /// Doors known.
    pub doors: u32,
    /// Own mailboxes that are attached right now, and how many there are.
    pub mailboxes_attached: u32,
    /// Own mailboxes.
    pub mailboxes: u32,
    /// Own messages queued and not stored.
    pub queued: u64,
    /// Own messages stored and not delivered.
    pub stored: u64,
    /// Own messages delivered since the profile was made.
    pub delivered: u64,
    /// Messages received since the profile was made.
    pub received: u64,
    /// Contacts.
    pub contacts: u32,
    /// All mailbox relays are one relay or one operator's: it sees both address and tags (DESIGN §1).
    pub one_operator: bool,
    /// Input from peers that broke the rules, since start.
    pub faults: u64,
}

/// The answer to a command.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Done and durable.
    Done,
    /// Doors, each as it is now.
    Doors(Vec<DoorInfo>),
    /// Doors of which each is asked or dialled now, or left alone.
    Tested(Vec<TestedDoor>),
    /// An invitation.
    Invitation {
        /// The short form: one door.
        text: Zeroizing<String>,
        /// The long form, if several doors let its guest in.
        long: Option<Zeroizing<String>>,
        /// Unix seconds.
        expiry_s: u64,
    },
    /// The text of the published address, if there is one.
    Address(Option<Zeroizing<String>>),
    /// What strangers asked.
    Requests {
        /// Those that wait, then blocked strangers; oldest first.
        requests: Vec<RequestInfo>,
        /// How many made room for newer ones since the start.
        dropped: u64,
    },
    /// The contact that was added (or was there already).
    Added(ContactId),
    /// The message is durable here.
    Queued {
        /// Its id, the same on both devices.
        id: MessageId,
        /// Its number in the conversation.
        seq: u64,
    },
    /// All contacts.
    Contacts(Vec<ContactInfo>),
    /// A message's state and way.
    Message {
        /// Whose conversation.
        contact: ContactId,
        /// Its number.
        seq: u64,
        /// Own message.
        mine: bool,
        /// Its state.
        state: MessageState,
        /// Its way.
        trail: Vec<TrailStep>,
    },
    /// How far own messages are.
    Delivery(Delivery),
    /// The safety number: 60 digits, the same on both devices.
    Safety(String),
    /// Overall state.
    Status(StatusInfo),
    /// About groups.
    Group(GroupReply),
    /// About channels.
    Channel(ChannelReply),
    /// About local networks.
    Lan(LanReply),
    /// About cells that are carried for others.
    Carry(CarryReply),
    /// What may be used and was used today.
    Data(DataInfo),
    /// Everything a backup holds; all of it is secret.
    Backup(Box<crate::backup::BackupState>),
    /// What waited is packed, but for so many messages.
    Packed {
        /// Messages that found no place: asked again at once, fewer may be left while they are read from disk.
        waiting: u64,
    },
    /// What became of cells from a bundle file.
    Unpacked(super::courier::Unpacked),
}

/// Something the front end should know; each comes after it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The engine has loaded its state and takes commands.
    Ready,
    /// Links to doors or attached mailboxes changed.
    Network {
        /// Links up.
        links: u32,
        /// Own mailboxes attached.
        mailboxes_attached: u32,
    },
    /// A contact was added, met, renamed, or failed.
    Contact(ContactId),
    /// Messages with these numbers came in (inclusive) and are durable.
    Received {
        /// From whom.
        contact: ContactId,
        /// First number.
        from: u64,
        /// Last number.
        to: u64,
    },
    /// A stranger asks, or a request was answered: [`Command::Requests`].
    Requests,
    /// The other side is typing just now.
    Typing(ContactId),
    /// A message that is there already was edited, taken back, got a sign, or is gone.
    Changed {
        /// In whose conversation.
        contact: ContactId,
        /// Which.
        id: MessageId,
    },
    /// A message of one's own is the same with another id: this device was set back to an older copy of its data, and the contact has
    /// another message under the old one.
    Renumbered {
        /// In whose conversation.
        contact: ContactId,
        /// What its id was.
        old: MessageId,
        /// What it is now.
        new: MessageId,
        /// What its number was.
        old_seq: u64,
        /// What it is now.
        seq: u64,
    },
    /// Own messages moved on.
    Delivery(ContactId, Delivery),
    /// Something about a group.
    Group(GroupEvent),
    /// Something about a channel.
    Channel(ChannelEvent),
    /// What may still be sent today changed, or what holds for a network: [`Command::Data`].
    Data(crate::spending::Level),
    /// A cell waits for a contact who is on the same local network: [`LanCommand::Next`].
    LanWaits,
}

/// A door in [`Reply::Tested`].
#[derive(Debug, Clone)]
pub struct TestedDoor {
    /// The door.
    pub door: Door,
    /// A link to it is there or is being brought about. Others are not needed now.
    pub in_use: bool,
    /// When its relay last signed its descriptor, Unix seconds by the relay's clock.
    pub signed_s: Option<u64>,
}

/// A door in [`Reply::Doors`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorInfo {
    /// The door.
    pub door: Door,
    /// A link is up.
    pub linked: bool,
    /// The contact who gave it; `None`: it was added by hand.
    pub from: Option<ContactId>,
    /// When it ceased to work while others did, Unix milliseconds.
    pub lost_ms: Option<u64>,
}
