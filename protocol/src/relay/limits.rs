//! Every bound of a relay and its reason, in one place; an operator may lower the public ones.

/// Bounds that depend on the machine a relay runs on. The defaults suit 1 processor, 1 GB of memory and 20 GB of disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayLimits {
    /// Mailboxes held.
    pub mailboxes: usize,
    /// Cells held over all mailboxes; each costs about 50 bytes of memory.
    pub cells: u64,
    /// Bytes of cells held over all mailboxes.
    pub cell_bytes: u64,
    /// Bytes one mailbox may hold.
    pub mailbox_bytes: u64,
    /// Cells one mailbox may hold.
    pub mailbox_cells: u64,
    /// Bundle objects held.
    pub objects: usize,
    /// Registered tags kept in memory over all mailboxes in use; each costs about 50 bytes.
    pub tags_in_memory: usize,
    /// Bytes that may pass through the tunnels of one slot in a day, both directions together.
    pub slot_bytes_per_day: u64,
    /// Tunnels one slot may open in a minute.
    pub slot_opens_per_minute: u32,
    /// Links of all kinds at once; each costs about 300 bytes here and far more in the transport.
    pub links: usize,
    /// Percent of `cells` or `cell_bytes` from which new cells are kept for 14 days instead of 30; what was confirmed before stays.
    pub soft_percent: u8,
    /// Links one slot may hold at once: a slot may be shared by several people. The oldest are ended first.
    pub slot_links: usize,
    /// Zero bits that a stranger's first contact must show: each doubles the work. 7 are some seconds of a desktop and a minute of a
    /// cheap telephone.
    pub request_bits: u8,
    /// Proofs of work that are checked in a minute; each takes about 20 ms of a processor and 16 MiB for that long.
    pub request_checks_per_minute: u32,
}

impl Default for RelayLimits {
    fn default() -> Self {
        Self {
            mailboxes: 10_000,
            cells: 1_000_000,
            cell_bytes: 10 << 30,
            mailbox_bytes: crate::limits::MAILBOX_BYTES_MAX,
            mailbox_cells: crate::limits::MAILBOX_CELLS_MAX,
            objects: 65_536,
            tags_in_memory: 1_000_000,
            slot_bytes_per_day: 16 << 30,
            slot_opens_per_minute: 2_400,
            links: 4_096,
            soft_percent: 80,
            slot_links: 256,
            request_bits: 7,
            request_checks_per_minute: 60,
        }
    }
}

/// Milliseconds within which a new link must say who it is, and a relay must be reached for a waiting tunnel.
pub(super) const DEADLINE_MS: u64 = 10_000;
/// Milliseconds between two rounds of upkeep.
pub(super) const SWEEP_MS: u64 = 60_000;
/// A leaf's link that is silent this long is gone: people's devices send a heartbeat at least every 9 minutes.
pub(super) const LEAF_SILENT_MS: u64 = 30 * 60_000;
/// A mesh link that is silent this long is gone: relays send a heartbeat each round of upkeep.
pub(super) const MESH_SILENT_MS: u64 = 200_000;
/// Breaches of the protocol after which a link is ended.
pub(super) const FAULTS_MAX: u32 = 32;
/// Tunnels over one mesh link, both directions together.
pub(super) const TUNNELS_PER_MESH_LINK: usize = 4_096;
/// Tunnels that wait for a mesh link at once.
pub(super) const TUNNELS_WAITING_MAX: usize = 256;
/// Milliseconds in which a relay that could not be reached is not dialled again.
pub(super) const REDIAL_MS: u64 = 5_000;
/// Inputs held while the state is loaded.
pub(super) const EARLY_MAX: usize = 512;
/// Descriptors in one answer to `DirectoryAsk`.
pub(super) const DIRECTORY_ANSWER_MAX: usize = 64;
/// Milliseconds between two answers with many descriptors over one link.
pub(super) const DIRECTORY_ASK_MS: u64 = 5_000;
/// Descriptors a relay takes over one mesh link between two rounds of upkeep: each costs a signature check.
pub(super) const DESCRIPTORS_PER_SWEEP: u32 = 256;
/// Questions for the relays near a place that a leaf's link may ask between two rounds of upkeep: each sorts the directory.
pub(super) const SEEKS_PER_SWEEP: u32 = 240;
/// Seconds after which a descriptor is made anew, with the health of the day.
pub(super) const DAY_S: u64 = 86_400;
/// Seconds a descriptor may lie in the future, and for which an onion key is the newest one.
pub(super) const WEEK_S: u64 = 7 * 86_400;
/// A descriptor this old may make room for another one: none of its onion keys is accepted any more.
pub(super) const DESCRIPTOR_STALE_S: u64 = 21 * 86_400;
/// Slots of all kinds.
pub(super) const SLOTS_MAX: usize = 65_536;
/// Guest slots that descend from one slot made here, however deep.
pub(super) const GUESTS_PER_ROOT_MAX: usize = 1_024;
/// How often the operator finds a door blocked after which nobody new comes in by those who have it from there.
pub(super) const BLOCKED_MAX: u8 = 2;
/// Tag prefixes in one stored page: 448 of 9 bytes fit a value of 4 KiB.
pub(super) const TAGS_PER_PAGE: usize = 448;
/// Requests that wait for one mailbox's registrations to be loaded.
pub(super) const REQUESTS_WAITING_MAX: usize = 64;
/// Bytes of requests that wait for registrations over all mailboxes.
pub(super) const REQUESTS_WAITING_BYTES: usize = 8 << 20;
/// Milliseconds after the last use at which a mailbox's registrations leave memory.
pub(super) const TAGS_IDLE_MS: u64 = 120_000;
/// Tunnels attached to one mailbox; the oldest is forgotten first.
pub(super) const ATTACHED_MAX: usize = 8;
/// Bytes in one answer to `Fetch`: many leaves share the queue of one mesh link.
pub(super) const FETCH_BYTES_MAX: usize = 128 << 10;
/// Fetches that wait for the disk at once.
pub(super) const FETCHES_MAX: usize = 64;
/// Sequence numbers of cells reserved by one write of a mailbox's record.
pub(super) const SEQ_RESERVE: u64 = 256;
/// Seconds without its owner after which an empty mailbox is removed (DESIGN D2 needs 45 days).
pub(super) const MAILBOX_IDLE_S: u64 = 180 * 86_400;
/// The same for a mailbox in which nothing was ever registered.
pub(super) const MAILBOX_UNUSED_S: u64 = 86_400;
/// Mailboxes removed in one round of upkeep.
pub(super) const REAPED_PER_SWEEP: usize = 16;
/// Longest bundle object, bytes (DESIGN P4).
pub(super) const OBJECT_BYTES_MAX: usize = 3_072;
/// Owners of objects under one locator (DESIGN P4).
pub(super) const OWNERS_PER_LOCATOR: usize = 4;
/// Seconds a cell is kept by a relay that is nearly full: the least that senders count on (DESIGN D1).
pub(super) const CELL_TTL_LEAST_S: u64 = 14 * 86_400;
/// Percent of what may be held from which no new mailboxes are made.
pub(super) const MAILBOX_PERCENT: u64 = 95;
/// Milliseconds for which a nonce of proofs of work is the present one; it holds for as long again.
pub(super) const KNOCK_NONCE_MS: u64 = 3_600_000;
/// First contacts that wait for the check of their proof.
pub(super) const KNOCKS_WAITING_MAX: usize = 16;
/// Longest life of objects and guest slots, seconds.
pub(super) const GUEST_TTL_S: u64 = crate::limits::INVITE_TTL_S;
