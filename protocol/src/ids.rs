//! Identifiers and their derivations: fixed-size byte strings, each with one meaning.

use core::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The id in `bytes`, or `None` if the length differs.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Debug for $name {
            // Four bytes tell ids apart in a test failure and are not enough to track anybody.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:02x}{:02x}..)", stringify!($name), self.0[0], self.0[1])
            }
        }
    };
}

id!(
    /// A relay: `BLAKE3(relay static key)[..16]` (DESIGN P3).
    RelayId, 16
);
id!(
    /// A mailbox on one relay: `BLAKE3(mailbox key)[..16]`; a person has another one on each relay.
    MailboxId, 16
);
id!(
    /// One-time routing label of a cell (DESIGN P6).
    Tag, 16
);
id!(
    /// The part of a tag that its owner registers at relays ahead of use.
    TagPrefix, 8
);
id!(
    /// Where a bundle object lies: derived from the secret of an invitation.
    Locator, 32
);
id!(
    /// A door's slot: names the secret that a leaf shows it knows.
    SlotId, 8
);
id!(
    /// Fingerprint of a person's account key: `BLAKE3(account key)[..20]` (DESIGN P3).
    Fingerprint, 20
);
id!(
    /// A message, the same on both devices: derived from the conversation, the author and the sequence number.
    MessageId, 16
);
id!(
    /// First half of BLAKE3 over a whole cell: two copies of one cell have the same.
    CellHash, 16
);

id!(
    /// A group: first half of BLAKE3 over its first operation.
    GroupId, 16
);
id!(
    /// A member of a group: first half of BLAKE3 over the member's key in that group; another one in each group and at each joining.
    MemberId, 16
);
id!(
    /// An operation of a group's membership log: BLAKE3 over its content.
    OpId, 32
);

id!(
    /// A channel: first half of BLAKE3 over its link.
    ChannelId, 16
);
id!(
    /// An entry of a channel: BLAKE3 over its content.
    EntryId, 32
);

impl MemberId {
    /// The id of the member with this key (Ed25519, 32 bytes).
    #[must_use]
    pub fn of(group_key: &[u8; 32]) -> Self {
        Self(first(blake3::hash(group_key).as_bytes()))
    }
}

impl RelayId {
    /// The id of the relay that owns `static_key` (Ed25519, 32 bytes).
    #[must_use]
    pub fn of(static_key: &[u8; 32]) -> Self {
        Self(first(blake3::hash(static_key).as_bytes()))
    }
}

impl MailboxId {
    /// The id of the mailbox that `mailbox_key` (Ed25519, 32 bytes) opens.
    #[must_use]
    pub fn of(mailbox_key: &[u8; 32]) -> Self {
        Self(first(blake3::hash(mailbox_key).as_bytes()))
    }
}

impl Fingerprint {
    /// The fingerprint of `account_key` (Ed25519, 32 bytes).
    #[must_use]
    pub fn of(account_key: &[u8; 32]) -> Self {
        Self(first(blake3::hash(account_key).as_bytes()))
    }
}

impl MessageId {
    /// The id of body `seq` of the initiator or of the responder of a conversation (SPEC §6b).
    #[must_use]
    pub fn of(conversation: &[u8; 32], by_initiator: bool, seq: u64) -> Self {
        let (name, mask) = direction(conversation, by_initiator);
        Self(first(&[name, (seq ^ mask).to_be_bytes()].concat()))
    }

    /// Whose body it names (`true`: the initiator's) and its number, if it can be one of this conversation.
    #[must_use]
    pub fn find(&self, conversation: &[u8; 32]) -> Option<(bool, u64)> {
        let (head, masked) = self.0.split_first_chunk::<8>()?;
        [true, false].into_iter().find_map(|by_initiator| {
            let (name, mask) = direction(conversation, by_initiator);
            (name == *head).then(|| (by_initiator, u64::from_be_bytes(first(masked)) ^ mask))
        })
    }
}

/// Eight bytes that name a direction of a conversation, and eight that mask its numbers.
fn direction(conversation: &[u8; 32], by_initiator: bool) -> ([u8; 8], u64) {
    let hash = blake3::keyed_hash(conversation, &[u8::from(by_initiator)]);
    let (name, mask) = hash.as_bytes().split_at(8);
    (first(name), u64::from_be_bytes(first(mask)))
}

impl Tag {
    /// What the owner of this tag registers at relays.
    #[must_use]
    pub fn prefix(&self) -> TagPrefix {
        TagPrefix(first(&self.0))
    }
}

/// The first `N` bytes of `bytes`, filled with zeros if there are fewer.
pub(crate) fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
    out
}
