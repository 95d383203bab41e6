//! Every label of the key schedule, one constant per use, so that no two derivations can meet.

/// Salt of the recovery code's Argon2id.
pub const ROOT_SALT: &str = "karvon/1 root";
/// Account key from the stretched root.
pub const ACCOUNT: &str = "karvon/1 account";
/// Signature of a device certificate by the account key.
pub const SIGN_DEVICE: &str = "karvon/1 device";
/// Check bits of a recovery code (BLAKE3 context).
pub const RECOVERY_CHECK: &str = "karvon 2026 recovery check v1";
/// Safety number of two people (BLAKE3 context).
pub const SAFETY: &str = "karvon 2026 safety v1";

/// HKDF salt of everything that comes from an invitation's secret.
pub const INVITE_SALT: &str = "karvon/1 invite";
/// Slot id of an invitation's door.
pub const INVITE_SLOT: &str = "karvon/1 invite slot";
/// Slot key of an invitation's door.
pub const INVITE_DOOR: &str = "karvon/1 invite door";
/// Where an invitation's bundle object lies.
pub const INVITE_LOCATOR: &str = "karvon/1 invite locator";
/// What an invitation's bundle object is sealed with.
pub const INVITE_BUNDLE: &str = "karvon/1 invite bundle";
/// The four first-contact tags.
pub const INVITE_TAGS: &str = "karvon/1 invite tags";

/// HKDF salt of everything that comes from a published address.
pub const ADDRESS_SALT: &str = "karvon/1 address";
/// Where a published address's bundle object lies.
pub const ADDRESS_LOCATOR: &str = "karvon/1 address locator";
/// What a published address's bundle object is sealed with.
pub const ADDRESS_BUNDLE: &str = "karvon/1 address bundle";
/// Key of the tags by which requests are known.
pub const ADDRESS_MARK: &str = "karvon/1 address mark";
/// What a conversation that began at a published address is named after.
pub const ADDRESS_TALK: &str = "karvon/1 address talk";

/// Signature of a bundle by the device.
pub const SIGN_BUNDLE: &str = "karvon/1 bundle";
/// Signature of a bundle object by its owner key.
pub const SIGN_OBJECT: &str = "karvon/1 object";
/// Signature of a tombstone by the device.
pub const SIGN_TOMBSTONE: &str = "karvon/1 tombstone";

/// First transcript hash of the handshake (BLAKE3 context).
pub const HX1_T0: &str = "karvon 2026 hx1 T0";
/// Second transcript hash of the handshake (BLAKE3 context).
pub const HX1_T1: &str = "karvon 2026 hx1 T1";
/// Key that hides the initiator's identity.
pub const HX1_ID: &str = "karvon/1 hx1 id";
/// Keys that the handshake yields.
pub const HX1_KEYS: &str = "karvon/1 hx1 keys";

/// Root step of the ratchet.
pub const DR_ROOT: &str = "karvon/1 dr root";
/// Key and nonce of one message.
pub const DR_MSG: &str = "karvon/1 dr msg";

/// From one block of tags to the next.
pub const TAG_NEXT: &str = "karvon/1 tag next";
/// What message ids are derived from (BLAKE3 context).
pub const CONVERSATION: &str = "karvon 2026 conversation v1";

/// Signature of a membership operation by its author's group key.
pub const SIGN_GROUP_OP: &str = "karvon/1 group op";
/// Signature of somebody who agrees to join a group.
pub const SIGN_GROUP_JOIN: &str = "karvon/1 group join";
/// Signature of a message to a group.
pub const SIGN_GROUP_POST: &str = "karvon/1 group post";
/// Signature of the announcement of a group seed.
pub const SIGN_GROUP_SEED: &str = "karvon/1 group seed announcement";
/// What all members of a group know since they joined.
pub const GROUP_CALL: &str = "karvon/1 group call";
/// Keys of a group seed.
pub const GROUP_SEED: &str = "karvon/1 group seed";
/// One author's chain under a group seed.
pub const GROUP_CHAIN: &str = "karvon/1 group chain";
/// Key and nonce of one group cell.
pub const GROUP_MSG: &str = "karvon/1 group msg";
/// Key of a member's slot in an announcement.
pub const GROUP_SLOT: &str = "karvon/1 group slot";
/// Signature of what a member has received.
pub const SIGN_GROUP_RECEIPT: &str = "karvon/1 group receipt";
/// Signature of an entry of a channel by its owner's key.
pub const SIGN_CHANNEL: &str = "karvon/1 channel entry";
/// What detects and seals the cells of a channel.
pub const CHANNEL: &str = "karvon/1 channel";
/// HKDF salt of everything that comes from a gift's secret.
pub const RESET_SALT: &str = "karvon/1 reset";
/// The four tags by which a reset is recognised.
pub const RESET_TAGS: &str = "karvon/1 reset tags";
/// The secret of a pair under which beacons lie.
pub const PAIR: &str = "karvon/1 pair";
/// Locator, owner seed and key of a beacon.
pub const BEACON: &str = "karvon/1 beacon";
/// Keys by which a pair recognises one another on a local network, and the secret of their sessions there.
pub const LAN: &str = "karvon/1 lan";
/// By what two people know that both have a door to the same relay.
pub const DOOR_MARK: &str = "karvon/1 door mark";
/// Signature of a beacon by the device.
pub const SIGN_BEACON: &str = "karvon/1 beacon sign";
/// From one secret of the post-quantum ratchet to the next.
pub const PQ_CHAIN: &str = "karvon/1 pq chain";
