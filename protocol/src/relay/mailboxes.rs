//! Mailboxes: cells wait here for their owner, under tags that the owner registered ahead (DESIGN D1, P6).
//!
//! The index of all cells is in memory. Registrations are loaded when a mailbox is used and leave memory when it rests; requests that
//! need them wait in a bounded queue.

use super::cx::{Cx, Purpose};
use super::ends::EndId;
use super::limits::{
    ATTACHED_MAX, CELL_TTL_LEAST_S, FETCH_BYTES_MAX, FETCHES_MAX, REQUESTS_WAITING_BYTES,
    REQUESTS_WAITING_MAX, SEQ_RESERVE, TAGS_IDLE_MS,
};
use super::tag_pages::{self, TagPages};
use crate::cell::{Cell, Class};
use crate::core::{CellIndex, Key, Mono, Op, Range, Space, Value};
use crate::ids::{MailboxId, TagPrefix};
use crate::limits::{CELL_TTL_S, MAILBOX_TAGS_MAX, REQUESTS_MAX, TUNNEL_WINDOW};
use crate::rpc::{PIECE_BYTES, Push, Refusal, Reply};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What is to be done in a mailbox once its registrations are in memory.
#[derive(Debug)]
pub(super) enum Work {
    Deposit(Cell),
    Register(Vec<(u8, TagPrefix)>),
    Unregister(Vec<TagPrefix>),
    Remove(Vec<TagPrefix>),
    /// What a first contact costs, if there is room for one.
    Terms(Reply),
    /// A first contact that was paid for, now or before.
    Knock {
        cell: Cell,
        used: bool,
    },
}

impl Work {
    fn bytes(&self) -> usize {
        64 + match self {
            Self::Deposit(cell) | Self::Knock { cell, .. } => cell.bytes().len(),
            Self::Terms(_) => 0,
            Self::Register(tags) => tags.len() * 9,
            Self::Unregister(tags) | Self::Remove(tags) => tags.len() * 8,
        }
    }
}

#[derive(Debug)]
struct Attached {
    end: EndId,
    push: Push,
    /// Cells pushed over this tunnel that the owner has not removed.
    pushed: BTreeSet<TagPrefix>,
}

#[derive(Debug, Default)]
pub(super) struct Mailbox {
    /// Sequence numbers below this one may have been given out before a restart.
    pub(super) reserved: u64,
    /// When the owner was last here, Unix seconds.
    pub(super) seen_s: u64,
    /// Whether a tag was ever registered.
    pub(super) registered: bool,
    /// Whether strangers may ask its owner for a conversation.
    requests: bool,
    /// Next sequence number.
    next: u64,
    /// Cells in order of their sequence numbers.
    cells: Vec<(u64, CellIndex)>,
    bytes: u64,
    /// Oldest first.
    attached: Vec<Attached>,
}

/// What is in memory of a mailbox in use.
#[derive(Debug)]
struct Active {
    /// `None` while they are loaded.
    tags: Option<TagPages>,
    by_prefix: BTreeMap<TagPrefix, u64>,
    waiting: VecDeque<(EndId, u32, Work)>,
    used: Mono,
}

#[derive(Debug, Default)]
pub(super) struct Mailboxes {
    pub(super) boxes: BTreeMap<MailboxId, Mailbox>,
    active: BTreeMap<MailboxId, Active>,
    waiting_bytes: usize,
    fetches: usize,
}

fn class_bytes(class: u8) -> u64 {
    Class::from_number(class).map_or(0, Class::bytes) as u64
}

pub(super) const fn record_key(mailbox: MailboxId) -> Key {
    Key::of(Space::RelayMailbox, mailbox.0, 0)
}

impl Mailbox {
    /// `version 1 | reserved 8 | seen 8 | flags 1`: 1 something was registered, 2 takes requests.
    pub(super) fn write(&self, id: MailboxId, cx: &mut Cx) {
        let mut out = vec![0];
        out.extend_from_slice(&self.reserved.to_be_bytes());
        out.extend_from_slice(&self.seen_s.to_be_bytes());
        out.push(u8::from(self.registered) | u8::from(self.requests) << 1);
        cx.put(record_key(id), out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let ([0], rest) = bytes.split_first_chunk()? else { return None };
        let (reserved, rest) = rest.split_first_chunk::<8>()?;
        let (seen, rest) = rest.split_first_chunk::<8>()?;
        let flags = rest.first().copied().unwrap_or_default();
        let (registered, requests) = (flags & 1 != 0, flags & 2 != 0);
        let (reserved, seen_s) = (u64::from_be_bytes(*reserved), u64::from_be_bytes(*seen));
        Some(Self { reserved, seen_s, registered, requests, next: reserved.max(1), ..Self::default() })
    }

    /// Whether nobody uses it and nothing lies in it.
    pub(super) fn is_idle(&self) -> bool {
        self.cells.is_empty() && self.attached.is_empty()
    }

    /// Takes a cell out of the index.
    fn forget(&mut self, seq: u64, cx: &mut Cx) {
        if let Ok(at) = self.cells.binary_search_by_key(&seq, |(seq, _)| *seq) {
            let (_, index) = self.cells.remove(at);
            self.uncount(&index, cx);
        }
    }

    fn uncount(&mut self, index: &CellIndex, cx: &mut Cx) {
        let bytes = class_bytes(index.class);
        self.bytes = self.bytes.saturating_sub(bytes);
        cx.counts.cells = cx.counts.cells.saturating_sub(1);
        cx.counts.cell_bytes = cx.counts.cell_bytes.saturating_sub(bytes);
        for attached in &mut self.attached {
            attached.pushed.remove(&TagPrefix(index.prefix));
        }
    }

    /// Takes cells past their expiry out of the index and returns their tags.
    fn expire(&mut self, now_s: u64, cx: &mut Cx) -> Vec<TagPrefix> {
        if self.cells.iter().all(|(_, index)| index.expiry_s > now_s) {
            return Vec::new();
        }
        let cells = core::mem::take(&mut self.cells);
        let (gone, held) = cells.into_iter().partition(|(_, index)| index.expiry_s <= now_s);
        self.cells = held;
        let gone: Vec<(u64, CellIndex)> = gone;
        gone.iter().for_each(|(_, index)| self.uncount(index, cx));
        gone.iter().map(|(_, index)| TagPrefix(index.prefix)).collect()
    }

    fn hold(&mut self, seq: u64, index: CellIndex, cx: &mut Cx) {
        self.bytes += class_bytes(index.class);
        cx.counts.cells += 1;
        cx.counts.cell_bytes += class_bytes(index.class);
        self.cells.push((seq, index));
    }

    /// Sends a new cell to the newest attached tunnel that wants cells, if it may and few are under way. Returns that tunnel.
    fn push(&mut self, seq: u64, cell: &Cell, cx: &mut Cx) -> Option<EndId> {
        let newest = self.attached.iter_mut().rev().find(|attached| attached.push.is_pushing())?;
        if !newest.push.brings(cell.class()) || newest.pushed.len() >= TUNNEL_WINDOW {
            return None;
        }
        newest.pushed.insert(cell.tag().prefix());
        cx.tell(newest.end, 0, &Reply::Item { seq, cell: cell.clone() });
        Some(newest.end)
    }

    /// Tells the other tunnels of it once it is durable: they may ask for it then.
    fn announce(&self, prefix: TagPrefix, class: Class, pushed: Option<EndId>, cx: &mut Cx) {
        let others = self.attached.iter().rev().filter(|attached| attached.push != Push::None);
        for attached in others.filter(|attached| Some(attached.end) != pushed) {
            cx.tell_stored(attached.end, 0, &Reply::Notice(prefix, class));
        }
    }
}

impl Mailboxes {
    pub(super) fn restore(&mut self, rows: &[(Key, Value)]) {
        for (key, value) in rows {
            if let Some(mailbox) = Mailbox::decode(value) {
                self.boxes.insert(MailboxId(key.group), mailbox);
            }
        }
    }

    /// Takes back the index of the cells; it must come after [`Mailboxes::restore`].
    pub(super) fn restore_cells(&mut self, rows: &[(Key, Value)], cx: &mut Cx) {
        for (key, value) in rows {
            let Some(mailbox) = self.boxes.get_mut(&MailboxId(key.group)) else { continue };
            if let Some(index) = CellIndex::decode(value).filter(|index| index.expiry_s > cx.now_s()) {
                mailbox.hold(key.seq, index, cx);
                mailbox.next = mailbox.next.max(key.seq.saturating_add(1));
            }
        }
        for mailbox in self.boxes.values_mut() {
            mailbox.cells.sort_by_key(|(seq, _)| *seq);
        }
    }

    /// Attaches a tunnel whose owner has shown the mailbox key; `make` tells whether a new mailbox may be made for it.
    pub(super) fn attach(
        &mut self,
        id: MailboxId,
        end: EndId,
        push: Push,
        make: impl FnOnce() -> Result<(), Refusal>,
        cx: &mut Cx,
    ) -> Result<Reply, Refusal> {
        let now_s = cx.now_s();
        if !self.boxes.contains_key(&id) {
            make()?;
            if self.boxes.len() >= cx.limits.mailboxes {
                return Err(Refusal::Full);
            }
            self.boxes.insert(id, Mailbox { next: 1, reserved: 1, ..Mailbox::default() });
        }
        let mailbox = self.boxes.entry(id).or_default();
        // One write a day is enough to tell mailboxes in use from abandoned ones.
        if mailbox.seen_s / 86_400 != now_s / 86_400 {
            mailbox.seen_s = now_s;
            mailbox.write(id, cx);
        }
        mailbox.attached.retain(|attached| attached.end != end);
        if mailbox.attached.len() >= ATTACHED_MAX {
            mailbox.attached.remove(0);
        }
        mailbox.attached.push(Attached { end, push, pushed: BTreeSet::new() });
        Ok(Reply::Attached { cells: mailbox.cells.len() as u32, next: mailbox.next })
    }

    pub(super) fn detach(&mut self, id: MailboxId, end: EndId) {
        if let Some(mailbox) = self.boxes.get_mut(&id) {
            mailbox.attached.retain(|attached| attached.end != end);
        }
    }

    /// Whether strangers may ask the owner of this mailbox for a conversation.
    pub(super) fn takes_requests(&self, id: MailboxId) -> bool {
        self.boxes.get(&id).is_some_and(|mailbox| mailbox.requests)
    }

    /// The owner decides about that.
    pub(super) fn take_requests(&mut self, id: MailboxId, on: bool, cx: &mut Cx) {
        if let Some(mailbox) = self.boxes.get_mut(&id).filter(|mailbox| mailbox.requests != on) {
            mailbox.requests = on;
            mailbox.write(id, cx);
        }
    }

    /// Does the work at once if the registrations are in memory, else when they are.
    pub(super) fn ask(&mut self, id: MailboxId, end: EndId, number: u32, work: Work, cx: &mut Cx) {
        if !self.boxes.contains_key(&id) {
            return cx.refuse(end, number, Refusal::UnknownTag);
        }
        let active = self.active.entry(id).or_insert_with(|| {
            cx.load(tag_pages::range(id), Purpose::Tags(id));
            let (by_prefix, waiting) = (BTreeMap::new(), VecDeque::new());
            Active { tags: None, by_prefix, waiting, used: cx.now.mono }
        });
        active.used = cx.now.mono;
        if active.tags.is_some() {
            return self.carry_out(id, end, number, work, cx);
        }
        let bytes = work.bytes();
        let full = active.waiting.len() >= REQUESTS_WAITING_MAX;
        if full || self.waiting_bytes + bytes > REQUESTS_WAITING_BYTES {
            return cx.refuse(end, number, Refusal::Busy);
        }
        self.waiting_bytes += bytes;
        active.waiting.push_back((end, number, work));
    }

    /// The registrations of a mailbox are there: does what waited for them, in order.
    pub(super) fn tags_loaded(&mut self, id: MailboxId, rows: &[(Key, Value)], cx: &mut Cx) {
        self.evict(id, rows.len() * super::limits::TAGS_PER_PAGE, cx);
        let Some(active) = self.active.get_mut(&id) else { return };
        active.tags = Some(TagPages::restore(rows));
        let cells = self.boxes.get(&id).map(|mailbox| mailbox.cells.as_slice()).unwrap_or_default();
        active.by_prefix = cells.iter().map(|(seq, index)| (TagPrefix(index.prefix), *seq)).collect();
        for (end, number, work) in core::mem::take(&mut active.waiting) {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(work.bytes());
            self.carry_out(id, end, number, work, cx);
        }
    }

    fn carry_out(&mut self, id: MailboxId, end: EndId, number: u32, work: Work, cx: &mut Cx) {
        let (Some(mailbox), Some(active)) = (self.boxes.get_mut(&id), self.active.get_mut(&id)) else {
            return cx.refuse(end, number, Refusal::UnknownTag);
        };
        let Some(tags) = &mut active.tags else { return cx.refuse(end, number, Refusal::Busy) };
        let by_prefix = &mut active.by_prefix;
        let done = match work {
            Work::Deposit(cell) => deposit(id, mailbox, tags, by_prefix, cell, cx),
            Work::Terms(_) if requests(tags, by_prefix) >= REQUESTS_MAX => Err(Refusal::RequestsFull),
            Work::Terms(terms) => Ok(terms),
            Work::Knock { cell, used } => knock(id, mailbox, tags, by_prefix, (cell, used), cx),
            Work::Register(new) => register(id, mailbox, tags, new, cx),
            Work::Unregister(prefixes) => {
                prefixes.iter().filter(|prefix| !by_prefix.contains_key(prefix)).for_each(|p| tags.remove(p));
                Ok(Reply::Done)
            }
            Work::Remove(prefixes) => {
                for prefix in &prefixes {
                    tags.remove(prefix);
                    let Some(seq) = by_prefix.remove(prefix) else { continue };
                    mailbox.forget(seq, cx);
                    cx.fx.write(Op::DropCell { mailbox: id, seq });
                }
                Ok(Reply::Done)
            }
        };
        tags.write(id, cx);
        match done {
            Ok(reply) => cx.answer_stored(end, number, &reply),
            Err(refusal) => cx.refuse(end, number, refusal),
        }
    }

    /// Reads cells from `from` on; the answer follows once they are loaded.
    pub(super) fn fetch(
        &mut self,
        id: MailboxId,
        end: EndId,
        number: u32,
        (from, bytes_max, whole): (u64, u32, Class),
        cx: &mut Cx,
    ) {
        let Some(mailbox) = self.boxes.get(&id) else {
            return cx.refuse(end, number, Refusal::NotAttached);
        };
        if mailbox.cells.last().is_none_or(|(last, _)| *last < from) {
            return cx.answer(end, number, &Reply::Fetched { next: mailbox.next, more: false });
        }
        if self.fetches >= FETCHES_MAX {
            return cx.refuse(end, number, Refusal::Busy);
        }
        self.fetches += 1;
        let bytes_max = FETCH_BYTES_MAX.min(bytes_max as usize);
        let purpose = Purpose::Fetch { end, number, mailbox: id, whole };
        cx.load(Range::Cells { mailbox: id, from, bytes_max }, purpose);
    }

    /// Reads one cell; its pieces follow once it is loaded.
    pub(super) fn pieces(
        &mut self,
        id: MailboxId,
        (end, number): (EndId, u32),
        (prefix, from, count): (TagPrefix, u8, u8),
        cx: &mut Cx,
    ) {
        let cells = self.boxes.get(&id).map(|mailbox| mailbox.cells.as_slice()).unwrap_or_default();
        let Some((seq, _)) = cells.iter().find(|(_, index)| index.prefix == prefix.0) else {
            return cx.refuse(end, number, Refusal::NotFound);
        };
        if self.fetches >= FETCHES_MAX {
            return cx.refuse(end, number, Refusal::Busy);
        }
        self.fetches += 1;
        let range = Range::Cells { mailbox: id, from: *seq, bytes_max: 1 };
        cx.load(range, Purpose::Pieces { end, number, prefix, from, count });
    }

    /// Sends pieces of what the store gave.
    pub(super) fn pieces_loaded(
        &mut self,
        (end, number): (EndId, u32),
        (prefix, from, count): (TagPrefix, u8, u8),
        rows: Vec<(Key, Value)>,
        cx: &mut Cx,
    ) {
        self.fetches = self.fetches.saturating_sub(1);
        let cells = rows.into_iter().filter_map(|(_, value)| Cell::parse(value.to_vec()).ok());
        let Some(cell) = cells.into_iter().find(|cell| cell.tag().prefix() == prefix) else {
            return cx.refuse(end, number, Refusal::NotFound);
        };
        let (pieces, _) = cell.bytes().as_chunks::<PIECE_BYTES>();
        for (index, bytes) in (0..).zip(pieces).skip(usize::from(from)).take(usize::from(count)) {
            cx.tell(end, number, &Reply::Piece { prefix, index, bytes: bytes.to_vec() });
        }
        cx.answer(end, number, &Reply::Done);
    }

    /// Answers a fetch with what the store gave.
    pub(super) fn cells_loaded(
        &mut self,
        id: MailboxId,
        (end, number, whole): (EndId, u32, Class),
        rows: Vec<(Key, Value)>,
        cx: &mut Cx,
    ) {
        self.fetches = self.fetches.saturating_sub(1);
        let Some(mailbox) = self.boxes.get(&id) else {
            return cx.refuse(end, number, Refusal::NotAttached);
        };
        // If the store gives nothing back, what the index promised is lost: going on from there would never end.
        let mut next = if rows.is_empty() { mailbox.next } else { 0 };
        for (key, value) in rows {
            next = next.max(key.seq.saturating_add(1));
            let held = mailbox.cells.binary_search_by_key(&key.seq, |(seq, _)| *seq).is_ok();
            match Cell::parse(value.to_vec()) {
                Ok(cell) if held && cell.class() > whole => {
                    cx.tell(end, number, &Reply::Notice(cell.tag().prefix(), cell.class()));
                }
                Ok(cell) if held => cx.tell(end, number, &Reply::Item { seq: key.seq, cell }),
                _ => {}
            }
        }
        let more = mailbox.cells.last().is_some_and(|(last, _)| *last >= next);
        cx.answer(end, number, &Reply::Fetched { next, more });
    }

    /// Drops cells past their expiry from the index (the store lets go of them by itself), and registrations that rest.
    pub(super) fn sweep(&mut self, cx: &mut Cx) {
        let now_s = cx.now_s();
        for (id, mailbox) in &mut self.boxes {
            for prefix in mailbox.expire(now_s, cx) {
                if let Some(active) = self.active.get_mut(id) {
                    active.by_prefix.remove(&prefix);
                }
            }
        }
        let now = cx.now.mono;
        let rests = |active: &Active| active.tags.is_some() && active.used.after_ms(TAGS_IDLE_MS) <= now;
        self.active.retain(|_, active| !rests(active));
    }

    /// Makes room for the registrations of one more mailbox: those that rested longest leave first.
    fn evict(&mut self, coming: MailboxId, tags: usize, cx: &Cx) {
        let held = |active: &Active| active.tags.as_ref().map_or(0, TagPages::len);
        let mut total = tags + self.active.values().map(held).sum::<usize>();
        while total > cx.limits.tags_in_memory {
            let others = self.active.iter().filter(|(id, active)| **id != coming && active.tags.is_some());
            let Some(id) = others.min_by_key(|(_, active)| active.used).map(|(id, _)| *id) else { break };
            total -= self.active.remove(&id).as_ref().map_or(0, held);
        }
    }

    /// Whether registrations of this mailbox are in memory or under way.
    pub(super) fn is_active(&self, id: MailboxId) -> bool {
        self.active.contains_key(&id)
    }
}

fn deposit(
    id: MailboxId,
    mailbox: &mut Mailbox,
    tags: &TagPages,
    by_prefix: &mut BTreeMap<TagPrefix, u64>,
    cell: Cell,
    cx: &mut Cx,
) -> Result<Reply, Refusal> {
    let (prefix, class) = (cell.tag().prefix(), cell.class());
    if let Some(again) = held(mailbox, by_prefix, &cell) {
        return again;
    }
    match tags.class(&prefix) {
        None => return Err(Refusal::UnknownTag),
        Some(registered) if registered != class as u8 => return Err(Refusal::WrongClass),
        Some(_) => {}
    }
    let (bytes, limits) = (class.bytes() as u64, &cx.limits);
    if mailbox.bytes + bytes > limits.mailbox_bytes || mailbox.cells.len() as u64 >= limits.mailbox_cells {
        return Err(Refusal::Full);
    }
    keep(id, mailbox, by_prefix, cell, cx)
}

/// What is answered if a cell with this prefix is stored already.
fn held(
    mailbox: &Mailbox,
    by_prefix: &BTreeMap<TagPrefix, u64>,
    cell: &Cell,
) -> Option<Result<Reply, Refusal>> {
    let seq = by_prefix.get(&cell.tag().prefix())?;
    let at = mailbox.cells.binary_search_by_key(seq, |(seq, _)| *seq).ok();
    Some(match at.and_then(|at| mailbox.cells.get(at)) {
        Some((_, held)) if held.hash == cell.hash().0 => Ok(Reply::Stored { expiry_s: held.expiry_s }),
        _ => Err(Refusal::UsedTag),
    })
}

/// First contacts that wait: all other cells lie under tags that their owner registered, until both are removed together.
fn requests(tags: &TagPages, by_prefix: &BTreeMap<TagPrefix, u64>) -> usize {
    by_prefix.keys().filter(|prefix| tags.class(prefix).is_none()).count()
}

/// Stores a first contact, beside the mailbox's quota for cells of people who know its owner.
fn knock(
    id: MailboxId,
    mailbox: &mut Mailbox,
    tags: &TagPages,
    by_prefix: &mut BTreeMap<TagPrefix, u64>,
    (cell, used): (Cell, bool),
    cx: &mut Cx,
) -> Result<Reply, Refusal> {
    if let Some(again) = held(mailbox, by_prefix, &cell) {
        return again;
    }
    if used {
        return Err(Refusal::UsedWork);
    }
    if tags.class(&cell.tag().prefix()).is_some() {
        return Err(Refusal::UsedTag);
    }
    if requests(tags, by_prefix) >= REQUESTS_MAX {
        return Err(Refusal::RequestsFull);
    }
    keep(id, mailbox, by_prefix, cell, cx)
}

/// Stores a cell whose mailbox has room for it, if the relay has.
fn keep(
    id: MailboxId,
    mailbox: &mut Mailbox,
    by_prefix: &mut BTreeMap<TagPrefix, u64>,
    cell: Cell,
    cx: &mut Cx,
) -> Result<Reply, Refusal> {
    let (prefix, class, hash) = (cell.tag().prefix(), cell.class(), cell.hash());
    if cx.counts.cells >= cx.limits.cells
        || cx.counts.cell_bytes + class.bytes() as u64 > cx.limits.cell_bytes
    {
        return Err(Refusal::Full);
    }
    let seq = mailbox.next;
    mailbox.next = seq.checked_add(1).ok_or(Refusal::Full)?;
    if seq >= mailbox.reserved {
        mailbox.reserved = seq.saturating_add(SEQ_RESERVE);
        mailbox.write(id, cx);
    }
    // Nearly full, it grants less; what it has confirmed already is kept as long as was said.
    let granted_s =
        if cx.is_filled(u64::from(cx.limits.soft_percent)) { CELL_TTL_LEAST_S } else { CELL_TTL_S };
    let expiry_s = cx.now_s().saturating_add(granted_s);
    mailbox.hold(seq, CellIndex { prefix: prefix.0, hash: hash.0, class: class as u8, expiry_s }, cx);
    by_prefix.insert(prefix, seq);
    cx.counts.deposits += 1;
    let pushed = mailbox.push(seq, &cell, cx);
    cx.fx.write(Op::AppendCell { mailbox: id, seq, expiry_s, cell });
    mailbox.announce(prefix, class, pushed, cx);
    Ok(Reply::Stored { expiry_s })
}

fn register(
    id: MailboxId,
    mailbox: &mut Mailbox,
    tags: &mut TagPages,
    new: Vec<(u8, TagPrefix)>,
    cx: &mut Cx,
) -> Result<Reply, Refusal> {
    let fresh: BTreeSet<_> = new.iter().map(|(_, p)| *p).filter(|p| tags.class(p).is_none()).collect();
    if tags.len() + fresh.len() > MAILBOX_TAGS_MAX {
        return Err(Refusal::Full);
    }
    new.into_iter().for_each(|(class, prefix)| tags.insert(class, prefix));
    if !mailbox.registered {
        mailbox.registered = true;
        mailbox.write(id, cx);
    }
    Ok(Reply::Done)
}
