//! Sealed cells that this device carries on for others, and own ones that neighbours carry (DESIGN §2, N2; SPEC §8, §12.4).
//!
//! Nobody who carries a cell learns whom it is from or for. So a device fetches from a neighbour whatever it does not have, opens what is
//! its own, and carries all of it on alike: from what it wants, has or offers nobody sees what was for it. A neighbour offers its own
//! cells and those it carries alike as well. What a neighbour says it carries is no step towards "stored": only the recipient's
//! acknowledgement counts.

use super::api::{ContactId, TrailEvent};
use super::arrivals::Arrived;
use super::contact::Contact;
use super::cx::{Alarm, Cx, context};
use super::held::{Held, Told};
use super::outcell::OutCell;
use super::{Engine, inbox, lan};

use crate::bundle_file::{CARRY_DAYS, Carried};
use crate::cell::Cell;
use crate::core::{Key, LoadId, Mono, Op, Space, Value};
use crate::error::ErrorKind;
use crate::ids::{CellHash, MessageId, Tag};
use crate::lan::message::NAMES_MAX;
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// Whether anything is carried: the record is there, and 0, where the person does not want that.
pub(crate) const SWITCH: Key = Key::single(Space::Lan, 1);
/// Who "brought" what came in bundle files.
const FILES: ContactId = ContactId(0);
/// And own cells of groups and channels, and those that a relay brought: nobody is called by these numbers.
pub(super) const OWN: ContactId = ContactId(u32::MAX);
pub(super) const RELAYS: ContactId = ContactId(u32::MAX - 1);
/// A cell that relays have not taken for so long is offered to neighbours, milliseconds.
const RIPE_MS: u64 = 5_000;
/// And one that they took and that is not acknowledged after so long: its recipient may not reach them.
const STALE_MS: u64 = 3_600_000;
/// What was offered or asked for is offered and asked for again after this time, milliseconds.
const ROUND_MS: u64 = 3_600_000;
/// Names of each kind that are remembered of one neighbour in that time. Nothing more is offered then, nor asked for.
const ROUND_NAMES: usize = 16_384;
/// Somebody whose cell came twice is told again what is here at most so often, milliseconds.
const TELL_AGAIN_MS: u64 = 3_600_000;
const DAY_MS: u64 = 86_400_000;

/// A command about cells that are carried for others.
#[derive(Debug, Clone)]
pub enum CarryCommand {
    /// How much is carried: [`CarryReply::Status`].
    Status,
    /// Whether cells are carried between neighbours from now on. Off: nothing of theirs is taken, offered or kept any more.
    Switch(bool),
    /// What can be offered to a neighbour with whom there is a session: [`CarryReply::Names`], at most [`NAMES_MAX`], each once a round.
    Offers(ContactId),
    /// A neighbour offers these: [`CarryReply::Offered`].
    Offered(ContactId, Vec<CellHash>),
    /// A neighbour wants these: [`CarryReply::Rows`].
    Wanted(ContactId, Vec<CellHash>),
    /// A neighbour brings what it was asked for: [`CarryReply::Names`] of those that are durable here and carried on.
    Brought {
        /// Who.
        contact: ContactId,
        /// What.
        cells: Vec<Carried>,
        /// Bytes of cells that may be carried in all.
        room: usize,
    },
    /// A neighbour says that it carries these.
    Kept(ContactId, Vec<CellHash>),
    /// Cells for others came in a bundle file: [`CarryReply::Taken`].
    Take {
        /// Which.
        cells: Vec<Carried>,
        /// Bytes of cells that may be carried in all.
        room: usize,
    },
    /// Everything that is carried: [`CarryReply::Rows`].
    All,
    /// Bytes of cells that may be carried in all: cells of own groups and channels are kept for neighbours within them. None before.
    Room(usize),
}

/// A cell on disk that is to be handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Where its bytes are: [`Space::Carried`] or [`Space::OutCell`].
    pub key: Key,
    /// Last day on which it is carried, days since 1970.
    pub until_day: u32,
}

/// The answer to a [`CarryCommand`].
#[derive(Debug, Clone)]
pub enum CarryReply {
    /// Done and durable.
    Done,
    /// How much is carried.
    Status {
        /// Whether cells are carried between neighbours.
        on: bool,
        /// Cells.
        cells: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// Names of cells.
    Names(Vec<CellHash>),
    /// What is answered to an offer.
    Offered {
        /// To be asked for.
        wanted: Vec<CellHash>,
        /// Here already.
        kept: Vec<CellHash>,
    },
    /// Cells on disk; one that is gone by the time it is read was not needed any more.
    Rows(Vec<Row>),
    /// What became of cells from a bundle file.
    Taken {
        /// Carried from now on.
        carried: u64,
        /// Carried already.
        known: u64,
        /// Too old, or without room.
        dropped: u64,
    },
}

/// What passed between this device and a neighbour in the present round.
#[derive(Debug)]
struct Side {
    since: Mono,
    /// Offered to it and not fetched yet, and fetched.
    named: BTreeSet<CellHash>,
    fetched: BTreeSet<CellHash>,
    /// It has these.
    has: BTreeSet<CellHash>,
    /// It was asked for these and has not brought them, or has.
    asked: BTreeSet<CellHash>,
    brought: BTreeSet<CellHash>,
}

impl Side {
    const fn new(since: Mono) -> Self {
        Self {
            since,
            named: BTreeSet::new(),
            fetched: BTreeSet::new(),
            has: BTreeSet::new(),
            asked: BTreeSet::new(),
            brought: BTreeSet::new(),
        }
    }
}

/// Cells that are carried, and neighbours with whom they are exchanged.
#[derive(Debug, Default)]
pub(crate) struct Carrier {
    off: bool,
    held: BTreeMap<CellHash, Held>,
    /// The same by who brought them, those that stay shortest first.
    order: BTreeSet<(ContactId, u32, CellHash)>,
    bytes: BTreeMap<ContactId, usize>,
    next: u64,
    sides: BTreeMap<ContactId, Side>,
    /// When somebody was told again what is here.
    told: BTreeMap<ContactId, Mono>,
    /// Bytes for cells of own groups and channels, and those of others.
    pub(super) room: usize,
    /// Cells that are to be read again, and the read under way.
    pub(super) again: BTreeSet<CellHash>,
    pub(super) reading: Option<LoadId>,
}

impl Carrier {
    /// A session with a neighbour begins.
    pub(crate) fn begin(&mut self, id: ContactId, now: Mono) {
        self.sides.insert(id, Side::new(now));
    }

    /// It ended.
    pub(crate) fn end(&mut self, id: ContactId) {
        self.sides.remove(&id);
    }

    /// Takes the record of [`SWITCH`] at start.
    pub(crate) fn load_switch(&mut self, value: &Value) {
        self.off = value.first() == Some(&0);
    }

    /// Takes the mark of a carried cell at start.
    pub(crate) fn load(&mut self, key: Key, value: &Value, cx: &mut Cx<'_>) {
        self.next = self.next.max(key.seq.saturating_add(1));
        let by = super::outbox::contact_of(&key.group);
        match Held::decode(by, key.seq, value) {
            Some((name, held)) if !self.held.contains_key(&name) => self.note(name, held),
            _ => cx.fault(),
        }
    }

    fn note(&mut self, name: CellHash, held: Held) {
        self.order.insert((held.by, held.until_day, name));
        *self.bytes.entry(held.by).or_default() += held.class.bytes();
        self.held.insert(name, held);
    }

    fn drop(&mut self, name: &CellHash, cx: &mut Cx<'_>) {
        let Some(held) = self.held.remove(name) else { return };
        self.order.remove(&(held.by, held.until_day, *name));
        if let Some(bytes) = self.bytes.get_mut(&held.by) {
            *bytes = bytes.saturating_sub(held.class.bytes());
        }
        cx.write(Op::Remove(held.key()));
        cx.write(Op::Remove(held.mark_key()));
    }

    pub(super) fn holds(&self, name: &CellHash) -> bool {
        self.held.contains_key(name)
    }

    /// Whether anything is carried between neighbours.
    pub(super) const fn is_on(&self) -> bool {
        !self.off
    }

    /// Cells with such a tag whose group or channel may still want them, or (`again`) may have had them.
    pub(super) fn tagged(&self, again: bool, fits: impl Fn(&Tag) -> bool) -> Vec<CellHash> {
        let wanted = |held: &Held| match &held.told {
            Told::Nothing => true,
            Told::Posts(_) => again,
            Told::Gone => false,
        };
        let found = self.held.iter().filter(|(_, held)| wanted(held) && fits(&held.tag));
        found.map(|(name, _)| *name).collect()
    }

    /// What a cell told its group or channel; one that told nothing new or nothing good goes, and only its name stays.
    pub(super) fn note_heard(&mut self, name: &CellHash, posts: Option<Vec<MessageId>>, cx: &mut Cx<'_>) {
        let Some(held) = self.held.get_mut(name).filter(|held| held.told == Told::Nothing) else { return };
        match posts {
            Some(posts) => {
                held.told = Told::Posts(posts);
                cx.write(held.mark(name));
            }
            None => held.empty(name, cx),
        }
    }

    /// Nothing is to be kept of cells with such a tag.
    pub(super) fn forget_tagged(&mut self, fits: impl Fn(&Tag) -> bool, cx: &mut Cx<'_>) {
        let found = self.held.iter_mut().filter(|(_, held)| held.told != Told::Gone && fits(&held.tag));
        found.for_each(|(name, held)| held.empty(name, cx));
    }

    /// A message is gone from this device: so are cells that bring it.
    pub(super) fn forget_message(&mut self, id: &MessageId, cx: &mut Cx<'_>) {
        for (name, held) in &mut self.held {
            if matches!(&held.told, Told::Posts(posts) if posts.contains(id)) {
                held.empty(name, cx);
            }
        }
    }

    /// Where the bytes of a cell are.
    pub(super) fn key_of(&self, name: &CellHash) -> Option<Key> {
        self.held.get(name).map(Held::key)
    }

    /// Drops what is to be carried no longer.
    pub(super) fn age(&mut self, cx: &mut Cx<'_>) {
        let today = today(cx);
        let none = CellHash([0; 16]);
        let of =
            |by: &ContactId| self.order.range((*by, 0, none)..(*by, today, none)).map(|(.., name)| *name);
        let old: Vec<_> = self.bytes.keys().flat_map(of).collect();
        old.iter().for_each(|name| self.drop(name, cx));
    }

    /// Carries a cell, if there is room: a neighbour has half of it at the most, and whoever brought most gives way first, with what stays
    /// shortest. So who brings too much loses its own cells.
    pub(super) fn place(&mut self, by: ContactId, carried: &Carried, room: usize, cx: &mut Cx<'_>) -> bool {
        let (today, need) = (today(cx), carried.cell.class().bytes());
        // Whoever brought it may have set another limit, or has a wrong clock.
        let until_day = carried.until_day.min(today.saturating_add(CARRY_DAYS));
        if carried.until_day < today {
            return false;
        }
        let share = if by == FILES { room } else { room / 2 };
        let mut bytes = self.bytes.clone();
        *bytes.entry(by).or_default() += need;
        let mut out = Vec::new();
        loop {
            let own = bytes.get(&by).copied().unwrap_or_default();
            let most =
                bytes.iter().max_by_key(|(whose, bytes)| (**bytes, **whose == by)).map(|(whose, _)| *whose);
            let whose = match most {
                _ if own > share => by,
                Some(whose) if bytes.values().sum::<usize>() > room => whose,
                _ => break,
            };
            let mut oldest = self.order.range((whose, 0, CellHash([0; 16]))..);
            let next = oldest.find(|(_, _, name)| !out.contains(name)).filter(|(from, ..)| *from == whose);
            let next = next.filter(|(_, until, _)| whose != by || *until < until_day);
            let Some((name, held)) = next.and_then(|(.., name)| self.held.get_key_value(name)) else {
                return false;
            };
            if let Some(bytes) = bytes.get_mut(&whose) {
                *bytes = bytes.saturating_sub(held.class.bytes());
            }
            out.push(*name);
        }
        out.iter().for_each(|name| self.drop(name, cx));
        let (class, name, seq) = (carried.cell.class(), carried.cell.hash(), self.next);
        self.next += 1;
        let held = Held { by, seq, class, until_day, tag: carried.cell.tag(), told: Told::Nothing };
        cx.write(Op::Put(held.key(), Zeroizing::new(carried.cell.bytes().to_vec())));
        cx.write(held.mark(&name));
        self.note(name, held);
        true
    }

    /// What passed in this round with a neighbour; a new one begins now and then.
    fn side(&mut self, id: ContactId, now: Mono) -> Option<&mut Side> {
        let side = self.sides.get_mut(&id).filter(|_| !self.off)?;
        if now >= side.since.after_ms(ROUND_MS) {
            *side = Side::new(now);
        }
        Some(side)
    }
}

impl Engine {
    pub(super) fn on_carry_command(&mut self, command: CarryCommand) -> Result<CarryReply, ErrorKind> {
        match command {
            CarryCommand::Status => {
                let (carrier, mut cx) = self.with_carrier();
                carrier.age(&mut cx);
                let here = carrier.held.values().filter(|held| held.told != Told::Gone);
                let sizes: Vec<_> = here.map(|held| held.class.bytes() as u64).collect();
                let (cells, bytes) = (sizes.len() as u64, sizes.iter().sum());
                Ok(CarryReply::Status { on: !carrier.off, cells, bytes })
            }
            CarryCommand::Switch(on) => {
                let (carrier, mut cx) = self.with_carrier();
                carrier.off = !on;
                cx.write(Op::Put(SWITCH, Zeroizing::new(vec![u8::from(on)])));
                if !on {
                    let theirs = carrier.held.iter().filter(|(_, held)| held.by != FILES);
                    let theirs: Vec<_> = theirs.map(|(name, _)| *name).collect();
                    theirs.iter().for_each(|name| carrier.drop(name, &mut cx));
                }
                Ok(CarryReply::Done)
            }
            CarryCommand::Offers(id) => self.neighbour(id).map(|()| CarryReply::Names(self.carry_offers(id))),
            CarryCommand::Offered(id, names) => self.neighbour(id).map(|()| self.carry_offered(id, &names)),
            CarryCommand::Wanted(id, names) => self.neighbour(id).map(|()| self.carry_wanted(id, &names)),
            CarryCommand::Brought { contact, cells, room } => {
                self.neighbour(contact)?;
                Ok(CarryReply::Names(self.carry_brought(contact, &cells, room)))
            }
            CarryCommand::Kept(id, names) => {
                self.neighbour(id)?;
                self.carry_kept(id, &names);
                Ok(CarryReply::Done)
            }
            CarryCommand::Take { cells, room } => {
                let (carrier, mut cx) = self.with_carrier();
                carrier.age(&mut cx);
                let (mut carried, mut known) = (0, 0);
                for cell in &cells {
                    let (carrier, mut cx) = self.with_carrier();
                    if carrier.holds(&cell.cell.hash()) {
                        known += 1;
                    } else {
                        carried += u64::from(carrier.place(FILES, cell, room, &mut cx));
                        self.hear_shard(&cell.cell);
                        self.pass_signals();
                    }
                }
                let dropped = cells.len() as u64 - carried - known;
                Ok(CarryReply::Taken { carried, known, dropped })
            }
            CarryCommand::All => {
                let (carrier, mut cx) = self.with_carrier();
                carrier.age(&mut cx);
                let row = |held: &Held| Row { key: held.key(), until_day: held.until_day };
                let here = carrier.held.values().filter(|held| held.told != Told::Gone);
                Ok(CarryReply::Rows(here.map(row).collect()))
            }
            CarryCommand::Room(bytes) => {
                self.carrier.room = bytes;
                Ok(CarryReply::Done)
            }
        }
    }

    pub(super) fn with_carrier(&mut self) -> (&mut Carrier, Cx<'_>) {
        let Self { carrier, .. } = self;
        (carrier, context!(self))
    }

    /// Whether there is a session with this contact, who is still wanted.
    fn neighbour(&self, id: ContactId) -> Result<(), ErrorKind> {
        let near = |contact: &&Contact| lan::is_wanted(contact) && contact.out.near;
        self.contacts.get(&id).filter(near).map(|_| ()).ok_or(ErrorKind::NoSuchContact)
    }

    fn carry_offers(&mut self, id: ContactId) -> Vec<CellHash> {
        let (carrier, mut cx) = self.with_carrier();
        carrier.age(&mut cx);
        let now = self.now.mono;
        // Who is near gets it directly.
        let away = self.contacts.values().filter(|contact| lan::is_wanted(contact) && !contact.out.near);
        let own = away.flat_map(|contact| contact.out.cells.values());
        let own = own.filter(|cell| is_ripe(cell, now)).map(|cell| cell.name);
        let theirs = self.carrier.held.iter().filter(|(_, held)| held.by != id && held.told != Told::Gone);
        let theirs = theirs.map(|(name, _)| *name);
        // In the order of their names, which says nothing of whose they are.
        let all: BTreeSet<_> = own.chain(theirs).collect();
        let Some(side) = self.carrier.side(id, now) else { return Vec::new() };
        let left = ROUND_NAMES.saturating_sub(side.named.len());
        let new = all.into_iter().filter(|name| !side.named.contains(name) && !side.has.contains(name));
        let out: Vec<_> = new.take(NAMES_MAX.min(left)).collect();
        side.named.extend(&out);
        out
    }

    fn carry_offered(&mut self, id: ContactId, names: &[CellHash]) -> CarryReply {
        let own: BTreeSet<_> = self.own_carried().map(|(_, _, cell)| cell.name).collect();
        let (mut wanted, mut kept) = (Vec::new(), Vec::new());
        let now = self.now.mono;
        for name in names {
            let is_here = own.contains(name) || self.carrier.held.contains_key(name);
            let Some(side) = self.carrier.side(id, now) else { break };
            if side.has.len() < ROUND_NAMES {
                side.has.insert(*name);
            }
            if is_here {
                kept.push(*name);
            } else if side.asked.len() + side.brought.len() < ROUND_NAMES
                && !side.brought.contains(name)
                && side.asked.insert(*name)
            {
                wanted.push(*name);
            }
        }
        CarryReply::Offered { wanted, kept }
    }

    fn carry_wanted(&mut self, id: ContactId, names: &[CellHash]) -> CarryReply {
        let now = self.now;
        let until_day = today_of(now.wall_ms).saturating_add(CARRY_DAYS);
        let own: BTreeMap<_, _> =
            self.own_carried().map(|(id, number, cell)| (cell.name, (id, number))).collect();
        let mut rows = Vec::new();
        for name in names {
            let own = own.get(name).map(|(contact, number)| Row {
                key: Key::of(Space::OutCell, contact.group(), *number),
                until_day,
            });
            let held = self.carrier.held.get(name);
            let held = held.map(|held| Row { key: held.key(), until_day: held.until_day });
            let Some(side) = self.carrier.side(id, now.mono) else { break };
            // Only what it was offered, and once.
            if side.named.contains(name) && side.fetched.insert(*name) {
                rows.extend(own.or(held));
            }
        }
        CarryReply::Rows(rows)
    }

    fn carry_brought(&mut self, id: ContactId, cells: &[Carried], room: usize) -> Vec<CellHash> {
        let (carrier, mut cx) = self.with_carrier();
        carrier.age(&mut cx);
        let now = self.now.mono;
        let mut kept = Vec::new();
        for carried in cells {
            let name = carried.cell.hash();
            // A neighbour brings what it was asked for, and once: nobody's device is filled or kept busy unasked.
            let Some(side) = self.carrier.side(id, now) else { break };
            if !side.asked.remove(&name) {
                continue;
            }
            side.brought.insert(name);
            let (carrier, mut cx) = self.with_carrier();
            if carrier.holds(&name) || carrier.place(id, carried, room, &mut cx) {
                kept.push(name);
            }
            self.open_carried(&carried.cell);
        }
        kept
    }

    /// Takes in a cell if it is for this person, as if a mailbox had brought it. Relays are not told of one that does not open.
    fn open_carried(&mut self, cell: &Cell) {
        let tag = cell.tag();
        let before = self.inbox.was(&tag);
        let again = match self.inbox.whose(&tag).map(|_| self.arrive(cell, None)) {
            Some(Arrived::Durable) => {
                let (mailboxes, mut cx) = self.with_mailboxes();
                mailboxes.on_durable(tag.prefix(), &mut cx);
                None
            }
            Some(Arrived::Shut(id, index)) => self.may_have_opened(id, index).then_some(id),
            Some(Arrived::Later | Arrived::Refused) => None,
            None => {
                self.hear_shard(cell);
                before
            }
        };
        // It was acknowledged over relays perhaps, and its author may not reach them.
        if let Some(id) = again {
            self.tell_again(id);
        }
        self.pass_signals();
    }

    /// Owes an acknowledgement to somebody whose cell was here already; seldom, because whoever carries cells can bend copies of an old one.
    fn tell_again(&mut self, id: ContactId) {
        let now = self.now.mono;
        if self.carrier.told.get(&id).is_some_and(|at| now < at.after_ms(TELL_AGAIN_MS)) {
            return;
        }
        self.carrier.told.insert(id, now);
        let (contacts, mut cx) = self.with_contacts();
        if let Some(talk) = contacts.get_mut(&id).and_then(|contact| contact.talk.as_mut()) {
            talk.owes = true;
            cx.alarm_by(Alarm::Ack(id), inbox::ACK_MS);
        }
    }

    fn carry_kept(&mut self, id: ContactId, names: &[CellHash]) {
        let now = self.now.mono;
        let Some(side) = self.carrier.side(id, now) else { return };
        let mut told = BTreeSet::new();
        for name in names.iter().filter(|name| side.named.contains(name)) {
            if side.has.len() < ROUND_NAMES {
                side.has.insert(*name);
            }
            told.insert(*name);
        }
        let (contacts, mut cx) = self.with_contacts();
        for contact in contacts.values_mut() {
            for cell in contact.out.cells.values_mut().filter(|cell| told.contains(&cell.name)) {
                if !core::mem::replace(&mut cell.lan.handed, true) {
                    cell.step(TrailEvent::Carried, &cx);
                    cx.alarm_by(Alarm::Pump(contact.id), 0);
                }
            }
        }
    }

    /// Own cells that neighbours may carry.
    fn own_carried(&self) -> impl Iterator<Item = (ContactId, u64, &OutCell)> {
        let wanted = self.contacts.values().filter(|contact| lan::is_wanted(contact));
        wanted.flat_map(|contact| {
            contact.out.cells.iter().map(move |(number, cell)| (contact.id, *number, cell))
        })
    }
}

/// Whether a cell waits for so long that neighbours should carry it.
fn is_ripe(cell: &OutCell, now: Mono) -> bool {
    let (since, ms) = match cell.settled {
        Some(settled) => (Some(settled), STALE_MS),
        None => (cell.lan.since, RIPE_MS),
    };
    !cell.lan.had && since.is_none_or(|since| now >= since.after_ms(ms))
}

const fn today_of(wall_ms: u64) -> u32 {
    let days = wall_ms / DAY_MS;
    if days > u32::MAX as u64 { u32::MAX } else { days as u32 }
}

pub(super) const fn today(cx: &Cx<'_>) -> u32 {
    today_of(cx.now.wall_ms)
}
