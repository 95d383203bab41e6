//! The outbox of one contact: texts wait, are packed into cells, and cells travel until the other side has them (DESIGN D3).

use super::api::{ContactId, Event, Meeting, StoredMessage};
use super::contact::Contact;
use super::cx::{Alarm, Cx, Signal};
use super::message::Marks;
use super::outcell::OutCell;
use super::routes::RouteError;
use super::{gaps, lan, receipts, setback};
use crate::body::{Body, CELL_RUNS_MAX, Content, MailboxDescriptor, Payload, Report};
use crate::cell::{Cell, Class};
use crate::core::{Key, LoadId, Mono, Op, Range, Space, Value};
use crate::ids::RelayId;
use crate::limits::STORED_AT;
use crate::rpc::Reply;
use crate::session::capacity;
use crate::tags;
use std::collections::{BTreeMap, VecDeque};
use zeroize::Zeroizing;

/// Texts that wait while a cell is under way leave after this time at the latest, milliseconds (DESIGN D3).
const WAIT_MS: u64 = 200;
/// Cells under way at once that are not confirmed yet.
const UNDER_WAY_MAX: usize = 8;
/// Bytes of waiting texts kept in memory; more wait on disk.
const QUEUE_BYTES_MAX: usize = 2 << 20;
/// Texts read from disk at once.
const REFILL: usize = 1_024;
/// Tags below the credit that only acknowledgements may use, so that two silent sides can never lock each other out.
const RESERVE: u64 = 16;
/// Tags further below the credit than this are given up by both sides (SPEC §6).
pub(crate) const TAG_SPAN: u64 = 1_024;
/// A cell that was confirmed so long ago and is not acknowledged is reported to the other side, milliseconds.
const REPORT_MS: u64 = 60_000;
/// A gift that found no room waits so long for a cell of its own, milliseconds.
const GIFT_WAIT_MS: u64 = 2_000;
/// Reports sent with one cell.
const REPORTS_SENT: usize = 4;
/// Bytes of a payload beside its fields: map head, number and head of the array.
const PAYLOAD_OVERHEAD: usize = 24;

/// Waiting texts and cells under way.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) cells: BTreeMap<u64, OutCell>,
    /// Bodies from `talk.next_pack` on, with their encoded length.
    queue: VecDeque<(Body, usize)>,
    queue_bytes: usize,
    /// Texts from this number on are on disk only.
    on_disk_from: Option<u64>,
    refill: Option<LoadId>,
    waiting_since: Option<Mono>,
    /// Letters about groups; their records go once they are delivered.
    pub(crate) letters: super::letters::Letters,
    /// An acknowledgement is due now.
    ack_due: bool,
    /// Lookups made since the last change of the network.
    pub(crate) lookups: u32,
    /// The contact is on the same local network, and expects tags below this index there.
    pub(crate) near: bool,
    pub(crate) room: u64,
}

/// What the engine's own side contributes to each payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mine<'a> {
    pub(crate) mailboxes: &'a MailboxDescriptor,
    pub(crate) numbers: &'a [u32],
    pub(crate) name: &'a str,
    /// A gift to be given, and the number of the one held.
    pub(crate) gift: Option<&'a [u8]>,
    pub(crate) gift_seen: Option<u64>,
}

impl Outbox {
    /// Inclusive ranges of own messages that are stored and not delivered.
    pub(crate) fn stored_ranges(&self) -> Vec<(u64, u64)> {
        let mut out: Vec<(u64, u64)> = Vec::new();
        for cell in self.cells.values().filter(|cell| cell.count > 0 && cell.settled.is_some()) {
            match out.last_mut() {
                Some((_, to)) if *to + 1 == cell.first_seq => *to = cell.last_seq(),
                _ => out.push((cell.first_seq, cell.last_seq())),
            }
        }
        out
    }

    /// Whether an acknowledgement or receipt waits to leave.
    pub(crate) const fn is_ack_due(&self) -> bool {
        self.ack_due
    }

    /// Whether a cell found no relay at all though all were tried more than once.
    pub(crate) fn is_stranded(&self) -> bool {
        self.cells.values().any(OutCell::is_stranded)
    }

    /// Empties body `seq`, if it still waits in memory; `next_pack` is the number of the first that waits. The row on disk is the
    /// caller's.
    pub(crate) fn empty(&mut self, seq: u64, next_pack: u64) {
        let place = seq.checked_sub(next_pack).and_then(|place| usize::try_from(place).ok());
        if let Some((body, length)) = place.and_then(|place| self.queue.get_mut(place)) {
            *body = Body::new(0, Content::Dummy);
            self.queue_bytes -= *length;
            *length = body.encode().len();
            self.queue_bytes += *length;
        }
    }

    /// What waits in memory is read from disk again, from number `next` on.
    pub(crate) fn read_again(&mut self, next: u64, end: u64) {
        self.queue.clear();
        self.queue_bytes = 0;
        self.refill = None;
        self.on_disk_from = (next < end).then_some(next);
    }

    fn push(&mut self, seq: u64, body: Body, length: usize) {
        if self.on_disk_from.is_none() && self.queue_bytes + length > QUEUE_BYTES_MAX {
            self.on_disk_from = Some(seq);
        }
        if self.on_disk_from.is_none() {
            self.queue_bytes += length;
            self.queue.push_back((body, length));
        }
    }
}

/// Queues a body; durable once the batch of this turn is. Returns its number.
pub(crate) fn queue(contact: &mut Contact, body: Body, marks: Marks, cx: &mut Cx<'_>) -> u64 {
    let encoded = body.encode();
    setback::note_run(contact, cx);
    let seq = contact.next_seq;
    contact.next_seq += 1;
    let position = contact.take_position();
    let id = contact.card.message_id(true, seq);
    let length = encoded.len();
    contact.out.letters.note(seq, position, &body);
    let stored = StoredMessage {
        position,
        sent_ms: cx.now.wall_ms,
        at_ms: cx.now.wall_ms,
        id,
        marks,
        body: Zeroizing::new(encoded),
    };
    cx.write(Op::Put(Key::of(Space::Sent, contact.id.group(), seq), stored.encode()));
    contact.out.push(seq, body, length);
    contact.out.waiting_since.get_or_insert(cx.now.mono);
    seq
}

/// An acknowledgement is due: it leaves with the next cell, or alone.
pub(crate) fn on_ack_due(contact: &mut Contact, mine: Mine<'_>, cx: &mut Cx<'_>) {
    contact.out.ack_due = true;
    pump(contact, mine, cx);
}

/// Packs and sends what may leave now.
pub(crate) fn pump(contact: &mut Contact, mine: Mine<'_>, cx: &mut Cx<'_>) {
    loop {
        let Some(talk) = &contact.talk else { return };
        if contact.card.meeting != Meeting::Connected || talk.their.mailboxes.is_empty() {
            return;
        }
        let under_way = contact.out.cells.values().filter(|cell| cell.is_under_way()).count();
        let waiting = contact.next_seq > talk.next_pack && contact.setback.doubt.is_none();
        let (owes, first_cell) = (talk.owes, talk.next_cell == 1);
        if waiting && contact.out.queue.is_empty() {
            refill(contact, cx);
        }
        let waited = contact.out.waiting_since.is_some_and(|since| cx.now.mono >= since.after_ms(WAIT_MS));
        let texts = waiting
            && !contact.out.queue.is_empty()
            && (under_way == 0 || waited && under_way < UNDER_WAY_MAX);
        // The first cell tells the other side that both have met.
        let waits = cx.spending.is_for_texts() && !first_cell;
        let alone = contact.out.ack_due && owes && under_way < UNDER_WAY_MAX && !waits;
        if !(texts || alone) {
            if let Some(since) =
                contact.out.waiting_since.filter(|_| waiting && !waited && !contact.out.queue.is_empty())
            {
                cx.timers.set(Alarm::Pump(contact.id), since.after_ms(WAIT_MS));
            }
            return;
        }
        if !pack(contact, texts, mine, cx) {
            return;
        }
    }
}

/// Packs all that waits, and what is owed, into at most `most` cells, though others are under way: a file takes them along.
pub(crate) fn pack_now(contact: &mut Contact, most: usize, mine: Mine<'_>, cx: &mut Cx<'_>) {
    for _ in 0..most {
        let Some(talk) = contact.talk.as_ref().filter(|_| contact.card.meeting == Meeting::Connected) else {
            return;
        };
        let waiting = contact.next_seq > talk.next_pack && contact.setback.doubt.is_none();
        let owes = talk.owes;
        if waiting && contact.out.queue.is_empty() {
            refill(contact, cx);
        }
        let texts = waiting && !contact.out.queue.is_empty();
        if !(texts || owes) || !pack(contact, texts, mine, cx) {
            return;
        }
    }
}

/// Seals one cell with as many waiting texts as fit. `false` if no tag is free for it.
fn pack(contact: &mut Contact, texts: bool, mine: Mine<'_>, cx: &mut Cx<'_>) -> bool {
    let ack = contact.ack();
    let ack_run = ack.as_ref().and_then(|ack| contact.ack_run(ack));
    let held = setback::due(contact);
    let id = contact.id;
    let loose = [receipts::due(contact, cx.now.wall_ms), gaps::due(contact)].concat();
    let Some(talk) = contact.talk.as_mut() else { return false };
    let grant = talk.grant(mine.numbers);
    let (runs, runs_end) =
        if texts { contact.card.runs.covering(talk.next_pack, CELL_RUNS_MAX) } else { (Vec::new(), 0) };
    let mut payload = Payload {
        ack,
        credit: (grant > 0).then_some(grant),
        mailboxes: (talk.seen_mailboxes < mine.mailboxes.seq).then(|| mine.mailboxes.clone()),
        mailboxes_seen: Some(talk.their.seq),
        loose,
        reports: reports(&contact.out, cx.now.mono),
        gift_seen: mine.gift_seen,
        ack_run,
        runs,
        asks_held: contact.setback.asks(),
        held,
        ..Payload::default()
    };
    // A gift travels alone or beside much, never so that a short text needs a larger cell.
    let roomy = !texts || contact.out.queue_bytes > capacity(Class::S);
    payload.gift = mine.gift.filter(|_| roomy).map(<[u8]>::to_vec);
    let later = mine.gift.is_some() && payload.gift.is_none();
    if talk.next_cell == 1 {
        let content = Content::Profile(mine.name.to_owned());
        payload.loose.push(Body::new(cx.now.wall_ms, content));
    }
    let base = payload.encode().len() + PAYLOAD_OVERHEAD;
    let wanted = base + if texts { contact.out.queue_bytes } else { 0 };
    let first = if texts { contact.out.queue.front().map_or(0, |(_, length)| *length) } else { 0 };
    let Some((class, nth)) = choose(talk, contact.out.room, (wanted, base + first), texts) else {
        return false;
    };
    let index = tags::nth_of_class(class, nth);
    if texts {
        payload.first_seq = talk.next_pack;
        let mut room = capacity(class).saturating_sub(base);
        let mut next = payload.first_seq;
        while let Some((body, length)) =
            contact.out.queue.pop_front_if(|(_, length)| *length <= room && next < runs_end)
        {
            room -= length;
            contact.out.queue_bytes -= length;
            payload.numbered.push(body);
            next += 1;
        }
        payload.runs.retain(|(first, _)| *first < next);
    }
    let count = payload.numbered.len() as u64;
    let Ok(cell) = talk.session.seal(class, index, &payload.encode(), cx.rng) else {
        // Can not happen while the sizes above are right; the texts stay on disk and are read again.
        contact.out.queue.clear();
        contact.out.queue_bytes = 0;
        contact.out.on_disk_from = Some(talk.next_pack);
        cx.fault();
        return false;
    };
    if let Some(next) = talk.next_nth.get_mut(class as usize) {
        *next = nth + 1;
    }
    let number = talk.next_cell;
    talk.next_cell += 1;
    talk.next_pack += count;
    talk.owes = later;
    if payload.mailboxes.is_some() || payload.gift.is_some() {
        talk.told_ms = cx.now.wall_ms;
    }
    talk.told_credit = talk.told_credit.max(grant);
    contact.setback.tell = false;
    contact.out.ack_due = false;
    contact.out.waiting_since = (!contact.out.queue.is_empty()).then_some(cx.now.mono);
    cx.timers.cancel(Alarm::Ack(id));
    if later {
        cx.alarm_in(Alarm::Ack(id), GIFT_WAIT_MS);
    }
    receipts::told(contact, cx);
    gaps::told(contact);
    start(contact, number, cell, payload.first_seq, count, cx);
    true
}

/// What relays confirmed a while ago and the other side has not: it can then see which of its relays lost it (DESIGN D5).
fn reports(out: &Outbox, now: Mono) -> Vec<Report> {
    let ripe =
        |cell: &&OutCell| cell.count > 0 && cell.settled.is_some_and(|at| now >= at.after_ms(REPORT_MS));
    let report = |cell: &OutCell| Report { from: cell.first_seq, count: cell.count, relays: cell.holders() };
    out.cells.values().filter(ripe).take(REPORTS_SENT).map(report).collect()
}

/// The other side has other mailboxes: what no mailbox of the new set holds is deposited once more.
pub(crate) fn on_moved(contact: &mut Contact, cx: &mut Cx<'_>) {
    let Some(talk) = &contact.talk else { return };
    for (number, cell) in &mut contact.out.cells {
        if cell.settled.is_none() || cell.count > 0 && !cell.is_held_by(&talk.their) {
            cell.settled = None;
            cell.forget_others(&talk.their);
            cell.hurry(cx.now.mono);
            cx.alarm_by(Alarm::Cell(contact.id, *number), 0);
        }
    }
}

/// Takes texts that wait, from the first one on, as long as they fit `room` bytes: they travel with the request to a published address.
pub(crate) fn take_first(contact: &mut Contact, mut room: usize) -> Vec<Body> {
    let mut out = Vec::new();
    while let Some((body, length)) = contact.out.queue.pop_front_if(|(_, length)| *length + 4 <= room) {
        room -= length + 4;
        contact.out.queue_bytes -= length;
        out.push(body);
    }
    out
}

/// Whether the texts for a contact without a session are in memory; after a restart they are read first.
pub(crate) fn has_first(contact: &mut Contact, cx: &mut Cx<'_>) -> bool {
    if contact.next_seq == 1 || !contact.out.queue.is_empty() {
        return true;
    }
    if contact.out.refill.is_none() {
        let (space, group) = (Space::Sent, contact.id.group());
        let range = Range::Group { space, group, from: 1, to: contact.next_seq, limit: 16, newest: false };
        contact.out.refill = Some(cx.load(range));
        contact.out.on_disk_from.get_or_insert(1);
    }
    false
}

/// Everything that was queued is packed anew, in a session that is yet to begin.
pub(crate) fn begin_again(contact: &mut Contact) {
    contact.out.read_again(1, contact.next_seq);
}

/// Everything from number `next` on is packed; what lies below is no concern of the outbox.
pub(crate) fn begin_at(contact: &mut Contact, next: u64) {
    contact.out.read_again(next, contact.next_seq);
}

/// What a cell carried is packed again, from number `seq` on.
pub(crate) fn take_back(contact: &mut Contact, seq: u64) {
    if let Some(talk) = contact.talk.as_mut().filter(|talk| seq < talk.next_pack) {
        talk.next_pack = seq;
        contact.out.read_again(seq, contact.next_seq);
    }
}

/// Writes a sealed cell and its conversation, and sends it.
pub(crate) fn start(
    contact: &mut Contact,
    number: u64,
    cell: Cell,
    first_seq: u64,
    count: u64,
    cx: &mut Cx<'_>,
) {
    let key = Key::of(Space::OutCell, contact.id.group(), number);
    cx.write(Op::Put(key, Zeroizing::new(cell.bytes().to_vec())));
    let class = cell.class();
    let mut out = OutCell::new(cell, first_seq, count);
    if let Some(nth) = contact.talk.as_ref().and_then(|talk| talk.next_nth.get(class as usize)) {
        out.turn = (class, *nth as usize);
    }
    cx.write(out.save(contact.id, number));
    if let Some(op) = contact.save_talk() {
        cx.write(op);
    }
    if let Some(talk) = &contact.talk {
        out.drive(contact.id, number, &talk.targets(), cx);
    }
    out.lan.since = Some(cx.now.mono);
    out.lan.beyond = contact.talk.as_ref().is_some_and(|talk| contact.out.room > talk.credit);
    contact.out.cells.insert(number, out);
    lan::on_sealed(contact, cx);
}

/// The class and the tag (counted within the class) for a payload that wants `wanted` bytes and needs at least `least`. Tags below
/// `room` are as good as those granted.
pub(crate) fn choose(
    talk: &super::contact::Talk,
    room: u64,
    (wanted, least): (usize, usize),
    texts: bool,
) -> Option<(Class, u64)> {
    let best = Class::ALL.into_iter().find(|class| capacity(*class) >= wanted).unwrap_or(Class::L);
    let larger = Class::ALL.into_iter().filter(|class| *class > best);
    let smaller = Class::ALL.into_iter().rev().filter(|class| *class < best && capacity(*class) >= least);
    let credit = talk.credit.max(room);
    let floor = credit.saturating_sub(TAG_SPAN);
    core::iter::once(best).chain(larger).chain(smaller).find_map(|class| {
        let mut nth = talk.next_nth.get(class as usize).copied().unwrap_or(0);
        while tags::nth_of_class(class, nth) < floor {
            nth += 1;
        }
        let keep = if texts && class == Class::S { RESERVE } else { 0 };
        (tags::nth_of_class(class, nth) + keep < credit).then_some((class, nth))
    })
}

fn refill(contact: &mut Contact, cx: &mut Cx<'_>) {
    let Some(talk) = &contact.talk else { return };
    if contact.out.refill.is_none() && contact.next_seq > talk.next_pack {
        let range = Range::Group {
            space: Space::Sent,
            group: contact.id.group(),
            from: talk.next_pack,
            to: contact.next_seq,
            limit: REFILL,
            newest: false,
        };
        contact.out.refill = Some(cx.load(range));
        contact.out.on_disk_from.get_or_insert(talk.next_pack);
    }
}

/// Texts that waited on disk. Returns whether the load was this outbox's.
pub(crate) fn on_refill(contact: &mut Contact, load: LoadId, rows: &[(Key, Value)], cx: &mut Cx<'_>) -> bool {
    if contact.out.refill != Some(load) {
        return false;
    }
    contact.out.refill = None;
    let floor = contact.card.floor;
    if let Some(talk) = contact.talk.as_mut().filter(|talk| talk.next_pack < floor)
        && contact.out.queue.is_empty()
        && rows.first().is_some_and(|(key, _)| key.seq >= floor)
    {
        // The other side was told that there is nothing in between.
        talk.next_pack = floor;
    }
    let mut next = contact.talk.as_ref().map_or(1, |talk| talk.next_pack) + contact.out.queue.len() as u64;
    for (key, value) in rows {
        let body = StoredMessage::decode(value)
            .and_then(|message| Some((Body::decode(&message.body).ok()?, message.body.len())));
        let Some((body, length)) = body.filter(|_| key.seq == next) else { break };
        contact.out.queue_bytes += length;
        contact.out.queue.push_back((body, length));
        next += 1;
    }
    if next >= contact.next_seq {
        contact.out.on_disk_from = None;
    }
    contact.out.waiting_since.get_or_insert(cx.now.mono);
    true
}

/// A new session: cells of the old one are given up, and what they carried is packed again.
pub(crate) fn restart(contact: &mut Contact, cx: &mut Cx<'_>) {
    for (number, cell) in core::mem::take(&mut contact.out.cells) {
        cell.retire(contact.id, number, None, cx);
    }
    let next = contact.talk.as_ref().map_or(1, |talk| talk.next_pack);
    contact.out.read_again(next, contact.next_seq);
    contact.out.ack_due = false;
}

/// A relay's answer to a deposit.
pub(crate) fn on_deposit(
    contact: &mut Contact,
    number: u64,
    relay: RelayId,
    answer: &Result<Reply, RouteError>,
    cx: &mut Cx<'_>,
) {
    let Some(talk) = &contact.talk else { return };
    let Some(cell) = contact.out.cells.get_mut(&number) else { return };
    if cell.on_answer(number, relay, answer, cx) && cell.settled.is_none() && cell.is_stored(&talk.their) {
        settle(contact, number, cx);
        return;
    }
    cell.drive(contact.id, number, &talk.targets(), cx);
    if cell.is_taken(STORED_AT.min(talk.their.mailboxes.len()).max(1), cx.now.mono) {
        setback::notice(contact, 0, cx);
    }
}

/// Enough relays have the cell: it is stored, and its bytes may leave memory.
fn settle(contact: &mut Contact, number: u64, cx: &mut Cx<'_>) {
    let Some(cell) = contact.out.cells.get_mut(&number) else { return };
    cell.settled = Some(cx.now.mono);
    cell.cell = None;
    if cell.count == 0 && contact.card.meeting == Meeting::Connected {
        // Acknowledgements are cumulative and never acknowledged.
        if let Some(cell) = contact.out.cells.remove(&number) {
            cell.retire(contact.id, number, None, cx);
            if let Some(talk) = contact.talk.as_mut().filter(|_| cell.doubted) {
                // Most likely it was taken. If not, the next one says the same.
                talk.owes = true;
                cx.alarm_by(Alarm::Ack(contact.id), super::inbox::ACK_MS);
                contact.save_talk().into_iter().for_each(|op| cx.write(op));
            }
        }
    } else {
        cx.write(cell.save(contact.id, number));
        cx.alarm_in(Alarm::Cell(contact.id, number), cell.refresh_ms);
    }
    cx.notify(Event::Delivery(contact.id, contact.delivery()));
    cx.signal(Signal::Moved(contact.id));
    cx.alarm_in(Alarm::Pump(contact.id), 0);
}

/// The alarm of a cell: try the next relay, or deposit it again at half of its life.
pub(crate) fn on_cell_alarm(contact: &mut Contact, number: u64, cx: &mut Cx<'_>) {
    let id = contact.id;
    let Some(talk) = &contact.talk else { return };
    let Some(cell) = contact.out.cells.get_mut(&number) else { return };
    if let Some(settled) = cell.settled {
        if cx.now.mono < settled.after_ms(cell.refresh_ms) {
            cx.timers.set(Alarm::Cell(id, number), settled.after_ms(cell.refresh_ms));
            return;
        }
        cell.start_again();
    }
    if cell.cell.is_some() {
        cell.drive(id, number, &talk.targets(), cx);
    } else if cell.loading.is_none() {
        cell.loading = Some(cx.load(Range::One(Key::of(Space::OutCell, id.group(), number))));
    }
}

/// The bytes of a cell came from disk. Returns whether the load was this outbox's.
pub(crate) fn on_cell_loaded(
    contact: &mut Contact,
    load: LoadId,
    rows: &[(Key, Value)],
    cx: &mut Cx<'_>,
) -> bool {
    let id = contact.id;
    let Some((number, cell)) = contact.out.cells.iter_mut().find(|(_, cell)| cell.loading == Some(load))
    else {
        return false;
    };
    cell.loading = None;
    match rows.first().and_then(|(_, value)| Cell::parse(value.to_vec()).ok()) {
        Some(bytes) => {
            cell.cell = Some(bytes);
            if let Some(talk) = &contact.talk {
                cell.drive(id, *number, &talk.targets(), cx);
            }
        }
        None => cx.fault(),
    }
    true
}

/// A path is there again: cells that wait for one go on at once.
pub(crate) fn on_network(contact: &mut Contact, cx: &mut Cx<'_>) {
    let id = contact.id;
    for (number, cell) in contact.out.cells.iter_mut().filter(|(_, cell)| cell.settled.is_none()) {
        cell.hurry(cx.now.mono);
        cx.alarm_by(Alarm::Cell(id, *number), 0);
    }
    cx.alarm_by(Alarm::Pump(id), 0);
}

/// Takes a stored cell's record at start.
pub(crate) fn load_cell(contact: &mut Contact, number: u64, value: &Value, cx: &mut Cx<'_>) {
    let Some(mut cell) = OutCell::load(value) else {
        cx.fault();
        return;
    };
    if contact.card.asking && number == 0 {
        cell = cell.knocking();
    }
    if contact.talk.as_ref().is_some_and(|talk| cell.is_stored(&talk.their)) {
        // What lay at the relays for half of its time while this device was off is deposited again at once.
        cell.settled = Some(cx.now.mono);
        cell.refresh_ms = cell.refresh_ms.saturating_sub(cell.age_ms(cx.now.wall_ms));
        cx.alarm_in(Alarm::Cell(contact.id, number), cell.refresh_ms);
    }
    contact.out.cells.insert(number, cell);
}

/// The contact whose records `group` marks.
pub(crate) fn contact_of(group: &[u8; 16]) -> ContactId {
    ContactId(u32::from_be_bytes(crate::ids::first(group)))
}
