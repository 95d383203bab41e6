//! What leaf and relay say to each other inside a tunnel (SPEC §8): `kind 1 | request 4 | fields`, integers big endian.

mod wire;

use crate::cell::{Cell, Class};
use crate::ids::{Locator, MailboxId, TagPrefix};
use crate::work::{ANSWER_BYTES, NONCE_BYTES};

/// A request of a leaf; `u32` numbers it inside its tunnel, the answer carries the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Store a cell in a mailbox. The tag must be registered there and unused.
    Deposit {
        /// The mailbox.
        mailbox: MailboxId,
        /// The cell.
        cell: Cell,
    },
    /// Opens the mailbox of `key`, creating it if the relay grants that; `signature` is Ed25519 over
    /// `"karvon/attach" | tunnel hash 32`.
    Attach {
        /// Mailbox key (Ed25519).
        key: [u8; 32],
        /// Signature over the tunnel's handshake hash.
        signature: [u8; 64],
        /// What to send when cells come in.
        push: Push,
    },
    /// Registers tags in the attached mailbox; each with its size class. Registering a tag again changes nothing.
    Register(Vec<(u8, TagPrefix)>),
    /// Withdraws unused tags (burnt invitations, removed contacts).
    Unregister(Vec<TagPrefix>),
    /// Sends stored cells from sequence number `from`, at most `bytes_max` bytes, then [`Reply::Fetched`]: those up to class `whole` as
    /// [`Reply::Item`]s, larger ones as [`Reply::Notice`]s.
    Fetch {
        /// First sequence number.
        from: u64,
        /// Bytes after which to stop.
        bytes_max: u32,
        /// The largest class that is sent whole; never [`Class::L`].
        whole: Class,
    },
    /// Sends `count` pieces of a stored cell as [`Reply::Piece`]s from piece `from` on, then [`Reply::Done`].
    Pieces {
        /// The cell's tag.
        prefix: TagPrefix,
        /// First piece, from 0.
        from: u8,
        /// How many.
        count: u8,
    },
    /// The owner has these cells on disk: forget them. Unknown ones are passed over, so it may be sent to each of the owner's relays.
    Remove(Vec<TagPrefix>),
    /// Stores a bundle object (an encoded [`crate::bundle`] object).
    Put(Vec<u8>),
    /// Reads a bundle object.
    Get(Locator),
    /// Brings a cell for a shard: [`Reply::Stored`] once it is durable; it is then gossiped.
    Inject {
        /// The shard.
        shard: u16,
        /// The cell; its tag is a hint (SPEC §10.6).
        cell: Cell,
    },
    /// Sends cells of a shard whose hints one of these keys detects, from number `from` of this relay on, then [`Reply::Fetched`];
    /// and from then on each that comes in, until the tunnel ends or the next request of this kind.
    Follow {
        /// The shard.
        shard: u16,
        /// Keys that detect hints, at most 16.
        keys: Vec<[u8; 32]>,
        /// First number.
        from: u64,
    },
    /// Sends the newest cells of a shard before number `before` of this relay whose hints one of these keys detects, then
    /// [`Reply::Fetched`] with the number before which to go on.
    Recent {
        /// The shard.
        shard: u16,
        /// Keys that detect hints, at most 16.
        keys: Vec<[u8; 32]>,
        /// Only cells with lower numbers.
        before: u64,
    },
    /// Whether the attached mailbox takes first contacts of strangers.
    TakeRequests(bool),
    /// What a first contact to a mailbox costs: [`Reply::Terms`].
    Terms(MailboxId),
    /// Stores a first contact of a stranger, for proof of work.
    Knock {
        /// The mailbox.
        mailbox: MailboxId,
        /// The relay's nonce by which the work was done.
        nonce: [u8; NONCE_BYTES],
        /// The answer found.
        answer: [u8; ANSWER_BYTES],
        /// The cell, of class S.
        cell: Cell,
    },
}

/// Keys in one [`Request::Follow`].
pub const FOLLOW_KEYS_MAX: usize = 16;

/// Bytes of a cell in one [`Reply::Piece`]; each class is a multiple of it.
pub const PIECE_BYTES: usize = 2_048;

/// Pieces of a cell of this class.
#[must_use]
pub const fn pieces(class: Class) -> u8 {
    (class.bytes() / PIECE_BYTES) as u8
}

/// What a relay sends when a cell comes in for an attached mailbox. One of class L is never pushed: its owner asks for pieces of it, where
/// and as fast as the paths allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Push {
    /// Nothing.
    None = 0,
    /// [`Reply::Notice`].
    Notices = 1,
    /// [`Reply::Item`], as soon as it comes in and before it is durable there; [`Reply::Notice`] for a cell of class L.
    Cells = 2,
    /// The same, and a notice for one of class M as well.
    Small = 3,
}

impl Push {
    /// Whether a cell of this class is pushed.
    #[must_use]
    pub const fn brings(self, class: Class) -> bool {
        match self {
            Self::None | Self::Notices => false,
            Self::Cells => !matches!(class, Class::L),
            Self::Small => matches!(class, Class::S),
        }
    }

    /// Whether cells are pushed at all.
    #[must_use]
    pub const fn is_pushing(self) -> bool {
        matches!(self, Self::Cells | Self::Small)
    }
}

/// Why a relay refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// Not understood, or out of bounds.
    Malformed = 0,
    /// No such mailbox, or this tag is not registered or was used: try elsewhere, wait for the ack.
    UnknownTag = 1,
    /// The tag was used by another cell.
    UsedTag = 2,
    /// The tag was registered for another size class.
    WrongClass = 3,
    /// The mailbox or the store is full.
    Full = 4,
    /// Too many requests at once.
    Busy = 5,
    /// The signature is wrong, or the mailbox is not attached on this tunnel.
    NotAttached = 6,
    /// The object is older than the one held, or another owner pinned its locator.
    Stale = 7,
    /// Nothing lies there.
    NotFound = 8,
    /// The relay does not keep mailboxes.
    NoMailboxes = 9,
    /// This mailbox takes no first contacts of strangers here.
    NoRequests = 10,
    /// As many first contacts as it takes wait in this mailbox already.
    RequestsFull = 11,
    /// The work was done by a nonce that is over: ask for the terms anew.
    StaleWork = 12,
    /// The work does not hold: another cell or mailbox, or too few zero bits.
    WeakWork = 13,
    /// This work was used already.
    UsedWork = 14,
}

impl Refusal {
    /// How many there are; their numbers are below this.
    pub const COUNT: usize = 15;

    /// The name in statistics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownTag => "unknown_tag",
            Self::UsedTag => "used_tag",
            Self::WrongClass => "wrong_class",
            Self::Full => "full",
            Self::Busy => "busy",
            Self::NotAttached => "not_attached",
            Self::Stale => "stale",
            Self::NotFound => "not_found",
            Self::NoMailboxes => "no_mailboxes",
            Self::NoRequests => "no_requests",
            Self::RequestsFull => "requests_full",
            Self::StaleWork => "stale_work",
            Self::WeakWork => "weak_work",
            Self::UsedWork => "used_work",
        }
    }

    /// The refusal with this number; an unknown one is [`Refusal::Malformed`].
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::UnknownTag,
            2 => Self::UsedTag,
            3 => Self::WrongClass,
            4 => Self::Full,
            5 => Self::Busy,
            6 => Self::NotAttached,
            7 => Self::Stale,
            8 => Self::NotFound,
            9 => Self::NoMailboxes,
            10 => Self::NoRequests,
            11 => Self::RequestsFull,
            12 => Self::StaleWork,
            13 => Self::WeakWork,
            14 => Self::UsedWork,
            _ => Self::Malformed,
        }
    }
}

/// A message of a relay; request number 0 marks what was not asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The cell is fsynced here and kept until `expiry_s` (Unix seconds by the relay's clock).
    Stored {
        /// Unix seconds.
        expiry_s: u64,
    },
    /// The mailbox is open: `cells` wait, the next cell gets sequence number `next`.
    Attached {
        /// Cells waiting.
        cells: u32,
        /// Next sequence number.
        next: u64,
    },
    /// Done and fsynced (Register, Unregister, Remove, Put).
    Done,
    /// A stored cell of the attached mailbox.
    Item {
        /// Its sequence number in this mailbox at this relay.
        seq: u64,
        /// The cell.
        cell: Cell,
    },
    /// A cell with this tag and of this class is stored.
    Notice(TagPrefix, Class),
    /// A piece of a stored cell of the attached mailbox.
    Piece {
        /// The cell's tag.
        prefix: TagPrefix,
        /// Which piece, from 0.
        index: u8,
        /// Its [`PIECE_BYTES`].
        bytes: Vec<u8>,
    },
    /// The end of a fetch: go on from `next` if `more`.
    Fetched {
        /// Where to go on.
        next: u64,
        /// Whether more waits now.
        more: bool,
    },
    /// The object asked for.
    Object(Vec<u8>),
    /// Refused.
    Refused(Refusal),
    /// What a first contact costs now.
    Terms {
        /// By which the work is dated; good for an hour at least.
        nonce: [u8; NONCE_BYTES],
        /// Zero bits wanted.
        bits: u8,
    },
}
