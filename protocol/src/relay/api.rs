//! What the shell may ask of a relay's core, and what it is told.

use super::limits::RelayLimits;
use crate::descriptor::{Descriptor, Door, RelayAddr, SlotKey};
use crate::ids::{RelayId, SlotId};
use crate::reach::{DialSeed, Findings};
use crate::rpc::Refusal;
use zeroize::Zeroizing;

/// What a relay starts from.
#[derive(Debug, Clone)]
pub struct RelaySetup {
    /// Seed of the static key (Ed25519): transport key of the door swarm.
    pub static_seed: Zeroizing<[u8; 32]>,
    /// Public transport key of the mesh swarm (Ed25519).
    pub mesh_key: [u8; 32],
    /// Door address to announce.
    pub door: RelayAddr,
    /// Mesh address to announce.
    pub mesh: RelayAddr,
    /// See [`crate::descriptor::flags`].
    pub flags: u64,
    /// Operator family.
    pub family: Option<[u8; 16]>,
}

/// A command of the relay's shell.
#[derive(Debug, Clone)]
pub enum RelayCommand {
    /// Signed descriptor bytes heard from Kademlia, gossip or a peer; verified by the core.
    Heard(Vec<u8>),
    /// A unit came by gossip on a shard; [`RelayEvent::Judged`] with this token says whether it is to be passed on.
    Gossip(u64, Vec<u8>),
    /// Makes a slot for a leaf: [`RelayReply::Door`].
    NewSlot,
    /// Ends a slot.
    DropSlot(SlotId),
    /// [`RelayReply::Slots`].
    Slots,
    /// [`RelayReply::Subtrees`].
    Subtrees,
    /// The operator found the door of a slot made here blocked: [`RelayReply::Blocked`]. After two times the guests under it make no new ones.
    Blocked {
        /// The slot.
        slot: SlotId,
        /// It was a mistake: once less.
        undo: bool,
    },
    /// [`RelayReply::Status`].
    Status,
    /// Other bounds from now on; what is held beyond them stays until it is taken or expires.
    SetLimits(RelayLimits),
    /// What the machine can not give at the moment.
    Pressure(Pressure),
    /// Takes nothing new, hands out what is held, and says so in the descriptor; or ends that. Survives a restart.
    Drain(bool),
    /// What the shell found when it dialled for [`RelayEvent::DialBack`] with this token.
    DialledBack(u64, Findings),
    /// Asks another relay now to dial this one back; [`RelayStatus::reached`] tells what came of it.
    AskDialback,
}

/// What a relay can not give at the moment; it refuses instead of promising.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pressure {
    /// The disk is nearly full: nothing new is stored.
    pub storage: bool,
    /// The byte budget is nearly used up: nothing is forwarded for others and nobody new gets a mailbox.
    pub traffic: bool,
}

/// The answer to a relay command.
#[derive(Debug, Clone)]
pub enum RelayReply {
    /// Done and durable.
    Done,
    /// A door line's content.
    Door(Door),
    /// Slots made here.
    Slots(Vec<SlotId>),
    /// Slots made here, with what is under them.
    Subtrees(Vec<Subtree>),
    /// How often the door of a slot was found blocked; `None` if no slot made here has this id.
    Blocked(Option<u8>),
    /// Counters.
    Status(RelayStatus),
}

/// Counters of a relay since its start, except where said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RelayStatus {
    /// Leaves connected.
    pub leaves: u32,
    /// Mesh links up.
    pub mesh_links: u32,
    /// Verified descriptors of other relays held.
    pub relays_known: u32,
    /// Tunnels open (forwarded and terminated).
    pub tunnels: u32,
    /// Mailboxes held (all time).
    pub mailboxes: u64,
    /// Cells held (all time).
    pub cells: u64,
    /// Bytes of cells held (all time).
    pub cell_bytes: u64,
    /// Cells taken in.
    pub deposits: u64,
    /// Frames forwarded.
    pub forwarded: u64,
    /// Requests refused.
    pub refused: u64,
    /// Requests refused, by the number of [`Refusal`].
    pub refused_by: [u64; Refusal::COUNT],
    /// Tunnels that were not opened or were closed because their slot's budget or the relay's was used up.
    pub busy: u64,
    /// Slots made here and guest slots.
    pub slots: u32,
    /// Bundle objects held.
    pub objects: u32,
    /// Nothing new is taken ([`RelayCommand::Drain`]).
    pub draining: bool,
    /// What it can not give at the moment.
    pub pressure: Pressure,
    /// Input that broke the rules.
    pub faults: u64,
    /// What the last relay found that dialled this one back.
    pub reached: Option<Reached>,
    /// How often a relay that was asked has answered, busy ones left out.
    pub dialbacks: u64,
}

/// What another relay found that was asked to dial this one back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// Its word.
    pub findings: Findings,
    /// The key under which it was to come: seen at an own address, it proves that the word is true.
    pub key: [u8; 32],
}

/// What is to become of something gossiped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// New and good: pass it on.
    Accept,
    /// Known, or of no use here; nobody is to blame.
    Ignore,
    /// Broken or forged: whoever passed it on should have seen that.
    Reject,
}

/// Something the relay's shell must act on.
#[derive(Debug, Clone)]
pub enum RelayEvent {
    /// The core has loaded its state.
    Ready,
    /// This relay's own signed descriptor (at start and on each change): publish it in Kademlia and gossip.
    OwnDescriptor(Descriptor, Vec<u8>),
    /// Gossip this unit on this shard.
    Spread(u16, Vec<u8>),
    /// What is to become of the unit with this token.
    Judged(u64, Verdict),
    /// A verified descriptor of another relay, new or newer: the only source of addresses to dial.
    Learned(RelayId, Descriptor, Vec<u8>),
    /// Another relay asked to be dialled back: dial the addresses of its descriptor that are where its connection comes from, under the
    /// transport key with this seed, and answer with [`RelayCommand::DialledBack`].
    DialBack {
        /// Names the answer.
        token: u64,
        /// What to dial under.
        seed: DialSeed,
        /// Whom to dial.
        descriptor: Descriptor,
    },
    /// A relay was asked to come under this transport key: who does so shows that the address at which it came can be reached.
    ExpectDialback([u8; 32]),
    /// A slot lives: web doors let its holders in.
    SlotLives(SlotKey),
    /// A slot has ended.
    SlotEnded(SlotId),
}

/// A slot made here and the guests who came in by it, their guests among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subtree {
    /// The slot.
    pub slot: SlotId,
    /// Guest slots under it, used or not.
    pub guests: u64,
    /// How often its operator found it blocked.
    pub blocked: u8,
}
