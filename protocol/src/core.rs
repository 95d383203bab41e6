//! The contract between a core and its driver: inputs in, outputs out, and no effect before the state it rests on is durable.
//!
//! A driver calls [`Core::handle`] for up to 256 ready inputs, then [`Core::poll`] until it returns `None`. In one such turn a core
//! yields at most one [`Output::Persist`]; every gated output of the turn appears only after [`Input::Persisted`] of that batch.

use crate::cell::Cell;
use crate::error::ErrorKind;
use crate::ids::{MailboxId, RelayId};
use crate::link::Frame;
use zeroize::Zeroizing;

/// Monotonic time in microseconds since an arbitrary start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(pub u64);

impl Mono {
    /// The time `ms` milliseconds later.
    #[must_use]
    pub const fn after_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(1_000)))
    }
}

/// Both clocks at one moment. `wall_ms` (Unix, milliseconds) is for display and for relays' expiry only: no decision of a person's
/// device rests on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Monotonic time.
    pub mono: Mono,
    /// Unix time in milliseconds.
    pub wall_ms: u64,
}

/// Consecutive number of a batch, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BatchId(pub u64);
/// A link to a door, a leaf or a relay; never reused while a core lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);
/// A door as the core numbers its own doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DoorId(pub u32);
/// A command of the front end; its reply carries the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);
/// A load request; its answer carries the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoadId(pub u64);
/// A job handed to another thread; its result carries the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// One concern of the stored state: the first byte of each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// Schema, identity, counters.
    Meta = 1,
    /// Doors of a leaf.
    Door = 2,
    /// Contacts: one record each.
    Contact = 3,
    /// Ratchet, tags and counters of a contact; rewritten with each cell.
    Session = 4,
    /// Own messages by sequence number; `group` is the contact.
    Sent = 5,
    /// Received messages by sequence number; `group` is the contact.
    Received = 6,
    /// Messages that came before an earlier one; `group` is the contact.
    Early = 7,
    /// Cells under way, as bytes; `group` is the contact, `seq` the cell.
    OutCell = 8,
    /// What is known of a cell under way; same key as its bytes.
    OutState = 9,
    /// Own mailboxes.
    Mailbox = 10,
    /// Open invitations and their prekeys.
    Invite = 11,
    /// Relay descriptors.
    Descriptor = 12,
    /// Delivery trail of a message or cell.
    Trail = 13,
    /// Groups: keys and counters, one record each.
    Group = 14,
    /// Membership logs: signed operations in the order in which they came; `group` is the group.
    GroupOp = 15,
    /// Messages to groups by their authors' numbers; `group` is the group and the author.
    GroupPost = 16,
    /// Authors of a group: how far their messages are here, and they are with the own ones; `group` is the group.
    GroupAuthor = 17,
    /// Own messages to a group that somebody does not have yet, by number; `group` is the group.
    GroupOut = 18,
    /// Which message stands at which place of a group's conversation; `group` is the group.
    GroupLine = 19,
    /// Who changed a message to a group, and by which of their own ([`crate::engine::group_marks`]); `group` is the message.
    GroupMark = 45,
    /// Messages to a group that will disappear, by their places; `group` is the group.
    GroupExpiry = 46,
    /// Which members have an own message to a group, and since when ([`crate::engine::group_reached`]); `group` is the group and this person.
    GroupHas = 47,
    /// Doors that passed between this person and contacts: `seq` is the contact. With the relay as `group`: how its door is.
    Handout = 48,
    /// Cells that are carried for others ([`crate::engine::carrier`]); `group` is the contact who brought them, zeros for bundle files, the
    /// two highest numbers for own cells of groups and channels and those that relays brought.
    Carried = 49,
    /// Until when each of them is carried, its tag and its name; same key as its bytes.
    CarriedMark = 50,
    /// Seeds of groups, in the order in which they came; `group` is the group.
    GroupSeed = 25,
    /// Cells of groups that no two relays have confirmed yet; `group` is the group.
    GroupCell = 26,
    /// Changes that came and wait for their message, as bodies; `group` is the contact, `seq` the number of the body.
    Change = 20,
    /// What is set and remembered for a conversation beside its keys; `seq` is the contact.
    Terms = 21,
    /// Gifts for a reset; `group` is the contact.
    Reset = 22,
    /// Messages that will disappear; `group` is the contact.
    Expiry = 23,
    /// Published addresses.
    Address = 27,
    /// Prekeys of published addresses; `group` begins with the address's number.
    Prekeys = 28,
    /// Requests of strangers, and strangers who were blocked.
    Request = 29,
    /// Local networks on which contacts may be looked for.
    Lan = 30,
    /// How many bytes may be used on each network, and were used today.
    Spending = 31,
    /// Relay: mailboxes (`group` is the mailbox).
    RelayMailbox = 32,
    /// Relay: registered tag prefixes in pages; `group` is the mailbox.
    RelayTags = 33,
    /// Relay: bundle objects; `group` is the first half of the locator.
    RelayObject = 34,
    /// Relay: slots of leaves; `seq` is the slot.
    RelaySlot = 35,
    /// Relay: counters and keys.
    RelayMeta = 36,
    /// Relay: stored cells; they live in segment files, not in the key-value store. `group` is the mailbox.
    RelayCell = 37,
    /// Channels: links and counters, one record each.
    Channel = 40,
    /// Entries of a channel by number; `group` is the channel.
    ChannelEntry = 41,
    /// Names of a channel's entries and of those before them, by number; `group` is the channel.
    ChannelMark = 42,
    /// An entry that contradicts another one of a channel; `group` is the channel.
    ChannelFork = 43,
    /// Own entries, as cells, that no two relays have confirmed yet; `group` is the channel.
    ChannelCell = 44,
    /// Relay: what is known of the cells of a shard; `group` is the shard.
    RelayShard = 38,
}

/// A key of fixed shape; the store blinds `group` before it reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The concern.
    pub space: Space,
    /// What the record belongs to: a contact, a mailbox, or zeros.
    pub group: [u8; 16],
    /// Position inside the group, in order.
    pub seq: u64,
}

impl Key {
    /// The key of a record that stands alone in its space under number `seq`.
    #[must_use]
    pub const fn single(space: Space, seq: u64) -> Self {
        Self { space, group: [0; 16], seq }
    }

    /// The key number `seq` of `group`.
    #[must_use]
    pub const fn of(space: Space, group: [u8; 16], seq: u64) -> Self {
        Self { space, group, seq }
    }
}

/// A plain value; the store seals it. The store splits values over 4 KiB by itself.
pub type Value = Zeroizing<Vec<u8>>;

/// What to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Range {
    /// One record.
    One(Key),
    /// All records of a space, whatever their group.
    Space(Space),
    /// Records of one group with `from <= seq < to`, ascending (or the last ones first if `newest`), at most `limit`.
    Group {
        /// The space.
        space: Space,
        /// The group.
        group: [u8; 16],
        /// First sequence number.
        from: u64,
        /// One past the last sequence number.
        to: u64,
        /// Most records to return.
        limit: usize,
        /// Return the highest ones first.
        newest: bool,
    },
    /// Relay: stored cells of a mailbox from segment files, ascending by `seq`, at most `bytes_max` bytes (always at least one).
    Cells {
        /// The mailbox.
        mailbox: MailboxId,
        /// First sequence number.
        from: u64,
        /// Bytes after which to stop.
        bytes_max: usize,
    },
    /// Relay: the index over all living cells; each value is [`CellIndex::encode`], the key names mailbox and sequence number.
    CellIndex,
}

/// What the relay's index knows of a stored cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellIndex {
    /// First 8 bytes of the cell's tag.
    pub prefix: [u8; 8],
    /// First 16 bytes of BLAKE3 over the cell.
    pub hash: [u8; 16],
    /// Size class, 0 to 2.
    pub class: u8,
    /// Unix seconds until which the relay keeps it.
    pub expiry_s: u64,
}

impl CellIndex {
    /// 33 bytes: prefix, hash, class, expiry (big endian).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(33);
        out.extend_from_slice(&self.prefix);
        out.extend_from_slice(&self.hash);
        out.push(self.class);
        out.extend_from_slice(&self.expiry_s.to_be_bytes());
        out
    }

    /// Reads what [`CellIndex::encode`] wrote; `None` if the length or class is wrong.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (prefix, rest) = bytes.split_first_chunk::<8>()?;
        let (hash, rest) = rest.split_first_chunk::<16>()?;
        let (class, rest) = rest.split_first()?;
        let expiry = <[u8; 8]>::try_from(rest).ok()?;
        (*class <= 2).then_some(Self {
            prefix: *prefix,
            hash: *hash,
            class: *class,
            expiry_s: u64::from_be_bytes(expiry),
        })
    }
}

/// A change of the stored state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Writes a record.
    Put(Key, Value),
    /// Removes a record; nothing happens if there is none.
    Remove(Key),
    /// Relay: stores a cell in the mailbox's segment under `seq`, kept until `expiry_s` (Unix seconds).
    AppendCell {
        /// The mailbox.
        mailbox: MailboxId,
        /// Its sequence number inside the mailbox.
        seq: u64,
        /// Unix seconds until which it is kept.
        expiry_s: u64,
        /// The cell.
        cell: Cell,
    },
    /// Relay: forgets a stored cell.
    DropCell {
        /// The mailbox.
        mailbox: MailboxId,
        /// Its sequence number inside the mailbox.
        seq: u64,
    },
}

/// Changes that become durable together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Consecutive number.
    pub id: BatchId,
    /// The changes, in order.
    pub ops: Vec<Op>,
}

/// Why the store could not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// No space left.
    Full,
    /// The medium failed; what was written since the last confirmation is unknown.
    Io,
}

/// Why a link ended or is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The other side closed it or the network broke.
    Lost,
    /// Could not be established: refused, timed out, unreachable.
    Unreachable,
    /// The other side is not the relay that was expected.
    WrongPeer,
    /// The slot was refused.
    BadSlot,
    /// The other side broke the protocol.
    Protocol,
    /// The other side takes bytes too slowly.
    Slow,
    /// Another version of the protocol.
    Version,
    /// This side stops.
    Shutdown,
    /// This side had no more use for it.
    Idle,
    /// Refused: the address or id is not a verified relay.
    Forbidden,
}

/// What the driver knows of a link that is up. Keys are those that the transport authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkInfo {
    /// This leaf dialled a door.
    Door {
        /// The door.
        door: DoorId,
        /// This side's transport key (Ed25519).
        local_key: [u8; 32],
        /// The door's static key (Ed25519), already checked against the door's relay id.
        remote_key: [u8; 32],
    },
    /// A leaf dialled this relay's door swarm.
    Leaf {
        /// This relay's static key.
        local_key: [u8; 32],
        /// The leaf's transport key, fresh per process.
        remote_key: [u8; 32],
    },
    /// A link of the relay mesh, dialled by either side.
    Mesh {
        /// The other relay's mesh key (Ed25519).
        remote_key: [u8; 32],
    },
}

/// Where a [`Output::Connect`] goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One of this leaf's doors. The driver dials `addr` and expects `relay`.
    Door {
        /// The door.
        door: DoorId,
        /// The relay expected there.
        relay: RelayId,
        /// Its address.
        addr: crate::descriptor::RelayAddr,
        /// The slot: a web door lets nobody in without it.
        key: crate::descriptor::SlotKey,
        /// The pluggable transport to go by; then it alone decides where to dial, and `addr` only what kind of door lies behind.
        pt: Option<crate::pt::PtLine>,
    },
    /// A relay of the mesh; the driver dials only what a verified descriptor names.
    Relay(RelayId),
}

/// Work for another thread (slow hashing); the core waits for [`Input::Done`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Job {
    /// Argon2id of a recovery root into 32 bytes.
    StretchRoot([u8; 16]),
    /// [`crate::work::Puzzle::search`].
    Search {
        /// What is to be solved.
        puzzle: crate::work::Puzzle,
        /// The first answer to try.
        from: u64,
        /// How many to try.
        count: u32,
    },
}

impl Job {
    /// Carries the job out here and now, which may take seconds: for threads that may block.
    #[must_use]
    pub fn carry_out(&self) -> JobOutput {
        match self {
            Self::StretchRoot(root) => {
                let salt = crate::crypto::labels::ROOT_SALT.as_bytes();
                crate::crypto::kdf::stretch(root, salt).map_or(JobOutput::Failed, JobOutput::Stretched)
            }
            Self::Search { puzzle, from, count } => {
                puzzle.search(*from, *count).map_or(JobOutput::Failed, JobOutput::Searched)
            }
        }
    }
}

/// The result of a [`Job`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobOutput {
    /// 32 bytes of Argon2id.
    Stretched(Zeroizing<[u8; 32]>),
    /// The first right answer of those tried, if there is one.
    Searched(Option<u64>),
    /// The job could not be carried out.
    Failed,
}

/// What happens to a core.
#[derive(Debug, Clone)]
pub enum Input<C> {
    /// A command of the front end.
    Command(CommandId, C),
    /// A frame came in over a link.
    Frame {
        /// The link.
        link: LinkId,
        /// The frame, already checked for its form.
        frame: Frame,
    },
    /// A link is up.
    LinkUp(LinkId, LinkInfo),
    /// A link is down; or, for a target that could not be reached, never came up (then the id is unknown to the core).
    LinkDown(LinkId, Reason),
    /// A target of [`Output::Connect`] could not be reached.
    ConnectFailed(Target, Reason),
    /// The link's sending queue has room for this many more frames.
    Credit(LinkId, u16),
    /// All batches up to this one are durable.
    Persisted {
        /// The last durable batch.
        upto: BatchId,
    },
    /// The store failed; the driver drops this core and builds a new one from disk.
    PersistFailed(StoreFault),
    /// The answer to a load, complete.
    Loaded(LoadId, Vec<(Key, Value)>),
    /// The result of a job.
    Done(JobId, JobOutput),
    /// The time of [`Core::next_timeout`] has come.
    Timeout,
}

/// What a core wants done.
#[derive(Debug, Clone)]
pub enum Output<R, E> {
    /// Make this batch durable, then answer [`Input::Persisted`].
    Persist(Batch),
    /// Load records, then answer [`Input::Loaded`]. Loads see all batches persisted before them.
    Load(LoadId, Range),
    /// Send a frame over a link.
    Send {
        /// The link.
        link: LinkId,
        /// The frame.
        frame: Frame,
    },
    /// Establish a link.
    Connect(Target),
    /// End a link.
    Disconnect(LinkId, Reason),
    /// The answer to a command.
    Reply(CommandId, Result<R, ErrorKind>),
    /// Tell the front end.
    Notify(E),
    /// Run a job elsewhere.
    Run(JobId, Job),
}

/// A deterministic state machine: a person's messenger or a relay.
pub trait Core {
    /// What the front end may ask.
    type Command;
    /// What a command is answered with.
    type Reply;
    /// What the front end is told.
    type Event;

    /// Takes one input at the time `now`.
    fn handle(&mut self, input: Input<Self::Command>, now: Now);
    /// The next output, or `None` when there is nothing to do until the next input.
    fn poll(&mut self) -> Option<Output<Self::Reply, Self::Event>>;
    /// When [`Input::Timeout`] is wanted.
    fn next_timeout(&self) -> Option<Mono>;
    /// Whether more input from links and front ends may be fed: false while too much waits for the disk.
    fn ready(&self) -> bool;
}
