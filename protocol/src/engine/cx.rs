//! What the machines of the engine share while one input is handled: effects, time, randomness, timers and signals to one another.

use super::api::{ContactId, Event, Reply};
use super::channel_api::ChannelNumber;
use super::group_api::GroupNumber;
use super::knocks::Knock;
use super::pace::{Paces, Stamp};
use super::pulls::Wish;
use super::routes::{Lane, RouteError};
use super::spend::Spending;
use crate::cell::{Cell, Class};
use crate::core::{LinkId, LoadId, Now, Op, Output, Range};
use crate::effects::Effects;
use crate::ids::{RelayId, SlotId, TagPrefix};
use crate::rpc;
use crate::timers::Timers;
use rand_core::CryptoRng;
use std::collections::VecDeque;

/// What a timer of the engine is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alarm {
    /// Look whether the contact's outbox can send.
    Pump(ContactId),
    /// Send an acknowledgement.
    Ack(ContactId),
    /// Work out what the next cell to a contact will need.
    Prepare(ContactId),
    /// Look after a cell under way.
    Cell(ContactId, u64),
    /// Tell a contact what was read.
    Receipt(ContactId),
    /// Remove messages whose time is over.
    Expiry(ContactId),
    /// Ask for missing messages.
    Gap(ContactId),
    /// Try the meeting with a contact again.
    Meet(ContactId),
    /// Dial a door again.
    Dial(u32),
    /// A link's welcome is overdue, or its heartbeat is due.
    Link(LinkId),
    /// Look after a tunnel: requests overdue, idle, too old.
    Tunnel(u32),
    /// Look whether own mailboxes should be reached by other doors.
    Spread,
    /// Ask for more relays.
    Directory,
    /// Attach to a mailbox again.
    Attach(u32),
    /// Tell the relays which cells are durable here.
    Removals,
    /// Make and register invitations.
    Invites,
    /// Look after a group: what is missing, what is owed.
    Group(GroupNumber),
    /// Look after a channel: what is not stored, who is followed.
    Channel(ChannelNumber),
    /// Look after the own mailboxes: which relay is gone, which loses cells.
    Moves,
    /// Deposit the canary of a mailbox.
    Canary(u32),
    /// Give a contact what it needs for a reset.
    Gift(ContactId),
    /// Form the session with a contact again, or look how far that is.
    Reset(ContactId),
    /// What became of a conversation that was set back.
    SetBack(ContactId),
    /// Another day begins for the bytes that may be used.
    Day,
    /// Look after the published address: its age, its copies at relays.
    Address,
}

/// Whom the answer of a relay is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// A mailbox is being attached.
    Attach(u32),
    /// Tags of a contact up to this index at a mailbox, and of which session.
    Register(u32, ContactId, u64, u64),
    /// First-contact tags of an invitation at a mailbox.
    InviteTags(u32, u64),
    /// The bundle of an invitation at a relay.
    Bundle(u64),
    /// A fetch from a mailbox.
    Fetch(u32),
    /// Pieces of a cell.
    Pieces(Wish),
    /// A cell of a contact.
    Deposit(ContactId, u64),
    /// The lookup of a contact's bundle.
    Lookup(ContactId),
    /// Cells of a group's shard.
    Follow(GroupNumber),
    /// A cell of a group for its shard.
    Inject(GroupNumber, u64),
    /// Cells of a channel's shard, what comes from now on.
    FollowChannel(ChannelNumber),
    /// Older cells of a channel.
    PageChannel(ChannelNumber),
    /// An own entry for its shard.
    Post(ChannelNumber, u64),
    /// The tag of a mailbox's canary.
    CanaryTag(u32),
    /// The canary of a mailbox.
    Canary(u32),
    /// The tags of a contact's gift at a mailbox.
    ResetTags(u32, ContactId),
    /// What a relay wants for a contact's first cell.
    Terms(ContactId),
    /// The bundle of a published address at a relay.
    AddressObject(u64),
    /// Whether a mailbox takes requests of strangers.
    TakesRequests(u32),
    /// The own beacon for a contact at a relay.
    BeaconPut(ContactId),
    /// The beacon of a contact.
    BeaconGet(ContactId),
    /// Nobody waits for the answer.
    Nobody,
}

/// A request to a relay; an attachment is signed only once its tunnel is open.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    /// Ready to send.
    Plain(rpc::Request),
    /// [`rpc::Request::Attach`] with the mailbox key of this seed.
    Attach(zeroize::Zeroizing<[u8; 32]>, rpc::Push),
}

/// What one machine has to say to another; the engine passes it on.
#[derive(Debug)]
pub(crate) enum Signal {
    /// Ask a relay over the tunnel of `lane`.
    Ask(Lane, RelayId, Ask, Token),
    /// A relay's answer.
    Answer(Token, RelayId, Result<rpc::Reply, RouteError>),
    /// A tunnel of an attached mailbox ended.
    MailboxLost(u32),
    /// A cell came from a mailbox.
    Item(u32, Cell),
    /// A mailbox holds a cell with this tag.
    Notice(u32, TagPrefix, Class),
    /// This mailbox should have pushed a cell that another one announced a while ago: is its door there?
    Unheard(u32),
    /// A piece of a cell came from a mailbox, with its number in the cell.
    Piece(u32, (TagPrefix, u8), Vec<u8>),
    /// A door answered the question whether it is there.
    Echo(LinkId, Stamp),
    /// A link was silent for so long that it may have been forgotten on the way.
    Quiet(LinkId),
    /// More relays or links are known than before.
    NetworkChanged,
    /// The door answered about a guest slot.
    SlotAck(RelayId, SlotId, bool),
    /// Tags of a contact have to be registered.
    TagsWanted(ContactId),
    /// More of a contact's tags are registered: its outbox may grant credit.
    TagsRegistered(ContactId),
    /// These cells are durable here: relays may forget them.
    Durable(TagPrefix),
    /// The own mailboxes changed: contacts must be told.
    MailboxesChanged,
    /// This device's state of a contact's session is older than what the contact has had of it.
    SetBack(ContactId),
    /// A session with a contact began: groups with it say who is who.
    Connected,
    /// Own messages to a contact have new numbers: the old one and the new one of each.
    Renumbered(ContactId, Vec<(u64, u64)>),
    /// A contact can not be met: the invitation is used or too old.
    Unmet(ContactId),
    /// A letter about a group came from a contact: its kind and bytes.
    Letter(ContactId, u64, Vec<u8>),
    /// A contact wishes for a door, or gives one.
    DoorWord(ContactId, crate::body::Content),
    /// A letter about a group is to go to a contact; if it carries an own message, which one and for whom.
    Post(ContactId, crate::group::wire::Letter, Option<(GroupNumber, u64, crate::ids::MemberId)>),
    /// A message to a group was taken back: nothing of it may leave any more.
    Unsay(super::letters::Carried),
    /// The own messages to a contact moved on.
    Moved(ContactId),
    /// A cell of a group's shard came from a relay, with its number there.
    ShardItem(GroupNumber, RelayId, u64, Cell),
    /// A cell of an own group or channel was written here or taken from a relay (who of the two in [`super::carrier`]), with the messages to a
    /// group that were read in it: neighbours may want it.
    ShardCell(Cell, ContactId, Option<Vec<crate::ids::MessageId>>),
    /// A channel with this key on this shard is left: nothing of it is kept.
    ShardLeft(u16, zeroize::Zeroizing<[u8; 32]>),
    /// A message to a group is gone from this device.
    Forgotten(crate::ids::MessageId),
    /// A key of an own group or channel, and its shard: what is carried may be for it.
    ShardKey(u16, zeroize::Zeroizing<[u8; 32]>),
    /// A cell of a channel's shard came from a relay, with its number there: from the followed one, or (`true`) from another.
    ChannelItem(ChannelNumber, RelayId, u64, Cell, bool),
    /// The tunnel to the relay at which a channel is followed ended.
    ChannelLost(ChannelNumber),
    /// The tunnel to the relay at which a group's shard is followed ended.
    FollowLost(GroupNumber),
    /// A mailbox is given up for good.
    MailboxDropped(u32),
    /// A contact told which relays confirmed its message with this number, and it is not here.
    Reported(ContactId, u64, Vec<RelayId>),
    /// A mailbox should have brought a contact's message with this number by now.
    Claimed(u32, ContactId, u64),
    /// A relay is to be paid for a cell.
    Knock(Box<Knock>),
}

/// Everything a machine may touch besides its own state.
pub(crate) struct Cx<'a> {
    pub(crate) fx: &'a mut Effects<Reply, Event>,
    pub(crate) now: Now,
    pub(crate) rng: &'a mut (dyn CryptoRng + Send),
    pub(crate) timers: &'a mut Timers<Alarm>,
    pub(crate) paces: &'a mut Paces,
    pub(crate) spending: &'a mut Spending,
    pub(crate) signals: &'a mut VecDeque<Signal>,
    pub(crate) next_load: &'a mut u64,
    pub(crate) faults: &'a mut u64,
}

impl Cx<'_> {
    /// Adds a change to the batch of this turn.
    pub(crate) fn write(&mut self, op: Op) {
        self.fx.write(op);
    }

    /// Asks the store; the caller remembers what the answer is for.
    pub(crate) fn load(&mut self, range: Range) -> LoadId {
        *self.next_load += 1;
        let id = LoadId(*self.next_load);
        self.fx.at_once(Output::Load(id, range));
        id
    }

    /// Tells the front end, once everything written so far is durable.
    pub(crate) fn notify(&mut self, event: Event) {
        self.fx.after_stored(Output::Notify(event));
    }

    /// Sets or replaces an alarm `ms` milliseconds from now.
    pub(crate) fn alarm_in(&mut self, alarm: Alarm, ms: u64) {
        self.timers.set(alarm, self.now.mono.after_ms(ms));
    }

    /// Sets an alarm unless an earlier one is set.
    pub(crate) fn alarm_by(&mut self, alarm: Alarm, ms: u64) {
        self.timers.set_earlier(alarm, self.now.mono.after_ms(ms));
    }

    /// `ms` with up to a quarter added, so that many devices do not act at once.
    pub(crate) fn jitter(&mut self, ms: u64) -> u64 {
        ms + self.rng.next_u64() % (ms / 4 + 1)
    }

    /// Counts input that broke the rules.
    pub(crate) fn fault(&mut self) {
        *self.faults = self.faults.saturating_add(1);
    }

    /// Signals another machine.
    pub(crate) fn signal(&mut self, signal: Signal) {
        self.signals.push_back(signal);
    }
}

/// The context beside machines of the engine that are borrowed by hand.
macro_rules! context {
    ($engine:ident) => {
        $crate::engine::cx::Cx {
            fx: &mut $engine.fx,
            now: $engine.now,
            rng: &mut *$engine.rng,
            timers: &mut $engine.timers,
            paces: &mut $engine.paces,
            spending: &mut $engine.spending,
            signals: &mut $engine.signals,
            next_load: &mut $engine.next_load,
            faults: &mut $engine.faults,
        }
    };
}
pub(crate) use context;
