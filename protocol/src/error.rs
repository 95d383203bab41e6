//! Errors by guilt: who broke the rules decides what is done about it.

use thiserror::Error;

/// Bytes from outside that are not what they claim to be; the peer is to blame, nothing here changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PeerFault {
    /// Fewer or more bytes than the format has.
    #[error("wrong length")]
    Length,
    /// A major version that this program does not speak.
    #[error("made by another version of Karvon")]
    Version,
    /// A value outside its bounds, or a field that must not be there.
    #[error("malformed")]
    Malformed,
    /// Not the one deterministic encoding of its content.
    #[error("not in deterministic form")]
    NotCanonical,
    /// A critical field that this program does not know (DESIGN P2).
    #[error("needs a newer version of Karvon")]
    UnknownCritical,
    /// Padding that is not zero.
    #[error("padding is not zero")]
    Padding,
    /// A signature that does not verify.
    #[error("signature does not verify")]
    Signature,
    /// An authenticated decryption that failed.
    #[error("does not decrypt")]
    Decrypt,
    /// A Diffie-Hellman key of low order.
    #[error("weak key")]
    WeakKey,
    /// A key or id that differs from the one it was announced by.
    #[error("belongs to somebody else")]
    Mismatch,
    /// A jump of counters beyond the bound.
    #[error("counter beyond its bound")]
    Bound,
    /// Seen before.
    #[error("replayed")]
    Replay,
    /// Past its expiry.
    #[error("expired")]
    Expired,
}

/// What a person or a script is told; each has one plain sentence and one thing to do (translated by the front end).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The invitation's checksum is wrong: a letter was misread.
    #[error("the invitation is damaged: compare it with the original, letter by letter")]
    InviteDamaged,
    /// The invitation is of a newer format.
    #[error("the invitation was made by a newer Karvon: update this one first")]
    InviteNewer,
    /// The invitation was used by somebody already.
    #[error("this invitation was already used: if that was not you, ask for a new one and tell your friend")]
    InviteUsed,
    /// The invitation is too old.
    #[error("this invitation is too old: ask for a new one")]
    InviteExpired,
    /// The invitation is this person's own.
    #[error("this is your own invitation: give it to the person you want to talk to")]
    InviteOwn,
    /// A door line that can not be read.
    #[error("the door line is damaged: copy it again, from KARVON-DOOR: to its end")]
    DoorDamaged,
    /// The part of a door line that names a transport can not be read.
    #[error(
        "the transport beside the door is damaged: after pt= come its name, IP:PORT, and KEY=VALUE, as in a bridge line of Tor"
    )]
    TransportDamaged,
    /// No contact has this name.
    #[error("nobody in your contacts has this name")]
    NoSuchContact,
    /// Several contacts match.
    #[error("several contacts match: write more of the name")]
    Ambiguous,
    /// No group has this name.
    #[error("you are in no group with this name")]
    NoSuchGroup,
    /// No channel has this name.
    #[error("you follow no channel with this name")]
    NoSuchChannel,
    /// The link of a channel is damaged.
    #[error("the link is damaged: copy it again, from KARVON-CHANNEL: to its end")]
    LinkDamaged,
    /// The link is of a newer format.
    #[error("the link was made by a newer Karvon: update this one first")]
    LinkNewer,
    /// No member of the group has this name.
    #[error("nobody in this group has this name")]
    NoSuchMember,
    /// The person is not, or no longer, in the group.
    #[error("you are not in this group: accept its invitation first, or ask to be invited again")]
    NotMember,
    /// The own role does not allow it.
    #[error("your role in this group does not allow this: ask its admin or owner")]
    NotAllowed,
    /// Whoever is to be invited is in the group already.
    #[error("this person is in the group already")]
    AlreadyMember,
    /// No message has this id.
    #[error("no message has this id")]
    NoSuchMessage,
    /// A message of somebody else can not be edited or taken back.
    #[error("only your own messages can be edited or deleted")]
    NotYours,
    /// The message was taken back, or is of a kind that can not be changed so.
    #[error("this message can not be changed: it was deleted, or it is no text")]
    Unchangeable,
    /// The contact was blocked by this person.
    #[error("you blocked this contact: unblock them first")]
    Blocked,
    /// The other side's keys changed and nobody has accepted that yet.
    #[error(
        "the keys of this contact have changed: compare the safety number with them, then accept the new keys"
    )]
    KeyChanged,
    /// Neither a safety number nor a group is possible before both sides have keys.
    #[error("the two devices have not met yet: try again when the contact is connected")]
    NotConnected,
    /// Longer than a message may be.
    #[error("the text is too long for one message")]
    TooLong,
    /// An empty text or name.
    #[error("there is nothing to send")]
    Empty,
    /// A bound on how many of these may exist was reached.
    #[error("a limit is reached: remove something first")]
    Limit,
    /// A first text to a published address is longer than fits.
    #[error("a first text to a published address has at most 280 bytes: write a shorter one")]
    RequestTooLong,
    /// There is no such request.
    #[error("no request has this number: `karvon requests` shows them")]
    NoSuchRequest,
    /// No own mailbox is known yet.
    #[error("no relay keeps a mailbox for you yet: connect to the network first, then try again")]
    NoMailbox,
    /// There is no door to the network yet.
    #[error("there is no door to the network yet: add one with `karvon door add`")]
    NoDoor,
    /// Today's bytes on this network are nearly used up: what is no text waits.
    #[error(
        "most of today's data on this network is used: files wait until tomorrow, or allow more with `karvon data more`"
    )]
    DataCap,
    /// Too much waits to be written; try again shortly.
    #[error("busy: try again in a moment")]
    Busy,
    /// The store reported a fault.
    #[error("the store on this device failed: free space or check the disk, then start again")]
    Store,
    /// The command can not be carried out now.
    #[error("this can not be done now")]
    Unavailable,
}
