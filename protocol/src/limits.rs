//! Every bound of the protocol and its reason, in one place.

/// Longest text in bytes of UTF-8 (`research` body table: 8,000).
pub const TEXT_BYTES_MAX: usize = 8_000;
/// Longest name in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest sign of a reaction in bytes of UTF-8.
pub const EMOJI_BYTES_MAX: usize = 32;
/// Edits of one message to a group, and numbers that one body declares void.
pub const VOID_MAX: usize = 64;
/// Largest file that travels inside one L cell, bytes.
pub const FILE_BYTES_MAX: usize = 46_080;
/// Longest name of a file in bytes of UTF-8.
pub const FILE_NAME_BYTES_MAX: usize = 128;
/// Longest media type of a file in bytes.
pub const MEDIA_BYTES_MAX: usize = 64;
/// Longest text of an invitation, bytes.
pub const INVITATION_BYTES_MAX: usize = 256;
/// Deepest nesting of CBOR that a decoder follows.
pub const CBOR_DEPTH_MAX: usize = 8;
/// Most items of a CBOR array or map.
pub const CBOR_ITEMS_MAX: usize = 4_096;
/// Invitations that may be open at once.
pub const INVITES_OPEN_MAX: usize = 64;
/// Lifetime of an invitation, seconds.
pub const INVITE_TTL_S: u64 = 90 * 86_400;
/// First contacts of strangers that wait in one mailbox, and on the owner's device until they are answered.
pub const REQUESTS_MAX: usize = 32;
/// Longest first text of a request in bytes of UTF-8: with a name and five mailboxes it fits a greeting.
pub const REQUEST_TEXT_BYTES_MAX: usize = 280;
/// Cells are kept by relays at least this long, seconds (DESIGN D1).
pub const CELL_TTL_S: u64 = 30 * 86_400;
/// Mailboxes a person keeps (DESIGN D1).
pub const MAILBOXES: usize = 3;
/// Relays that must confirm before a message is shown as stored (DESIGN §1).
pub const STORED_AT: usize = 2;
/// Tags registered ahead for a contact that is active.
pub const TAGS_ACTIVE: u64 = 512;
/// Tags registered ahead for other contacts.
pub const TAGS_QUIET: u64 = 64;
/// Bytes a mailbox may hold at one relay (DESIGN D1).
pub const MAILBOX_BYTES_MAX: u64 = 16 << 20;
/// Cells a mailbox may hold at one relay (DESIGN D1).
pub const MAILBOX_CELLS_MAX: u64 = 8_192;
/// Tag prefixes a mailbox may have registered at one relay.
pub const MAILBOX_TAGS_MAX: usize = 262_144;
/// Tunnels a leaf keeps open at once (DESIGN §2).
pub const TUNNELS_PER_LEAF: usize = 8;
/// Tunnels a relay accepts over one link from a leaf.
pub const TUNNELS_PER_LINK: usize = 64;
/// Requests without an answer, and pushes without a removal, per tunnel (DESIGN §2: credit).
pub const TUNNEL_WINDOW: usize = 16;
/// Bytes not yet durable beyond which a core takes no more input (DESIGN §3).
pub const UNSYNCED_BYTES_MAX: usize = 1 << 20;
/// Batches not yet durable beyond which a core takes no more input (DESIGN §3).
pub const UNSYNCED_BATCHES_MAX: u64 = 8;
/// Longest relay descriptor, bytes.
pub const DESCRIPTOR_BYTES_MAX: usize = 1_000;
/// Descriptors a relay or leaf keeps.
pub const DESCRIPTORS_MAX: usize = 4_096;
/// Longest line of a door that one person gives another, bytes.
pub const DOOR_BYTES_MAX: usize = 192;
/// Doors that a wish for one names.
pub const DOOR_MARKS_MAX: usize = 16;
/// Guest slots one slot may create at its door.
pub const GUEST_SLOTS_MAX: usize = 128;
/// Skipped message keys per chain step and per session (research §3.3).
pub const SKIP_MAX: u32 = 2_000;
/// Shards over which cells of groups and channels are spread (DESIGN D6).
pub const SHARDS: u16 = 16;
/// Days for which the key of a cell that did not come is kept (SPEC §6b).
pub const SKIPPED_KEEP_DAYS: u16 = 45;
/// A superseded mailbox is polled at least this long, milliseconds, and until every contact knows of the change (DESIGN D2).
pub const MOVE_KEEP_MS: u64 = 45 * 86_400_000;
/// Between two replacements of living relays at least, milliseconds (DESIGN D2).
pub const MOVE_PAUSE_MS: u64 = 7 * 86_400_000;
/// Superseded mailboxes that are polled at most; the oldest is given up.
pub const RETIRED_MAX: usize = 8;
/// A canary stays in a mailbox this long before it is looked for, milliseconds of running time; or until a restart.
pub const CANARY_MS: u64 = 6 * 3_600_000;
/// Earlier mailbox descriptors of a contact that a sender still tries (DESIGN D2).
pub const OLDER_SETS_MAX: usize = 4;
/// A contact that has not acknowledged the present mailboxes is told of them again after this time, milliseconds: well before relays forget.
pub const TOLD_MS: u64 = 15 * 86_400_000;
/// Longest entry of a channel that is passed on, bytes with its signature: one with the largest file fits.
pub const ENTRY_COPY_BYTES_MAX: usize = 46_600;
