//! Messages that are missing: asked for, sent again or declared void, and after a day shown as a gap that late arrivals fill (DESIGN D4).

use super::api::Event;
use super::changes;
use super::contact::Contact;
use super::cx::{Alarm, Cx};
use super::inbox::ACK_MS;
use super::message::{Marks, StoredMessage};
use super::outbox;
use super::terms::Ranges;
use crate::body::{Body, CELL_RUNS_MAX, Content, Payload};
use crate::core::{Key, LoadId, Mono, Op, Range, Space, Value};
use crate::session::capacity;
use crate::tags;
use std::collections::VecDeque;
use zeroize::Zeroizing;

/// First and longest pause before missing messages are asked for, milliseconds: relays and the author's repetitions come first.
const ASK_MS: (u64, u64) = (10_000, 3_600_000);
/// Missing messages are passed over in the order of display after this time by the wall clock, milliseconds (DESIGN D4).
const SHOW_MS: u64 = 86_400_000;
/// Ranges named in one cell.
const RANGES_MAX: usize = 8;
/// Messages sent again for one request; the rest is asked for again.
const AGAIN_MAX: usize = 64;
/// Numbers that one body can declare void; more take another one.
const VOID_MAX: u64 = 4_096;
/// Requests are heeded no more often than this, milliseconds.
const HEED_MS: u64 = 5_000;
/// Bytes of a payload beside its bodies: acknowledgement, number, heads.
const OVERHEAD: usize = 1_500;

/// What is known of missing messages of one contact, in memory; what must last lies in `Terms`.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    /// How often they were asked for since the last one came.
    asked: u32,
    /// The request leaves with the next cell.
    ask_now: bool,
    alarm: bool,
    /// Own messages that were asked for and are being loaded, inclusive.
    loading: Option<(LoadId, u64, u64)>,
    heeded: Option<Mono>,
    /// Own numbers that have no message any more; told with the next cell.
    void: Vec<(u64, u64)>,
    /// All of the other side's messages below this are shown or passed over.
    shown: u64,
}

/// All of the other side's messages below this number are here or were passed over.
pub(crate) fn shown_below(contact: &Contact) -> u64 {
    let received = contact.receive_next();
    contact.gaps.shown.max(received)
}

/// Takes into account what came or was passed over.
pub(crate) fn advance(contact: &mut Contact) {
    let mut at = shown_below(contact);
    let void = void(contact);
    loop {
        if void.contains(&at) {
            at = void.end;
        } else if contact.early.contains_key(&at) || contact.terms.passed_over.contains(at) {
            at += 1;
        } else {
            break;
        }
    }
    contact.gaps.shown = at;
}

/// Numbers of the other side that will never come.
fn void(contact: &Contact) -> core::ops::Range<u64> {
    contact.talk.as_ref().map_or(0..0, |talk| talk.void.0..talk.void.1)
}

/// The missing ranges below the highest message that is here, inclusive, at most `max`.
fn missing(contact: &Contact, max: usize) -> Vec<(u64, u64)> {
    let mut out = Vec::new();
    let mut next = contact.receive_next();
    let void = void(contact);
    for seq in contact.early.keys() {
        let pieces = [(next, void.start.min(*seq)), (void.end.max(next), *seq)];
        out.extend(pieces.into_iter().filter(|(from, end)| from < end).map(|(from, end)| (from, end - 1)));
        if out.len() >= max {
            break;
        }
        next = *seq + 1;
    }
    out.truncate(max);
    out
}

/// Something came: is anything missing?
pub(crate) fn look(contact: &mut Contact, came: bool, cx: &mut Cx<'_>) {
    if contact.early.is_empty() {
        contact.gaps.asked = 0;
        if contact.terms.gap_since_ms != 0 {
            contact.terms.gap_since_ms = 0;
            cx.write(contact.terms.save(contact.id));
        }
        return;
    }
    if came {
        contact.gaps.asked = 0;
    }
    if contact.terms.gap_since_ms == 0 {
        contact.terms.gap_since_ms = cx.now.wall_ms.max(1);
        cx.write(contact.terms.save(contact.id));
    }
    if !contact.gaps.alarm {
        contact.gaps.alarm = true;
        cx.alarm_in(Alarm::Gap(contact.id), ASK_MS.0);
    }
}

/// Asks, and passes over what is missing for a day. Returns whether a cell must leave.
pub(crate) fn on_alarm(contact: &mut Contact, cx: &mut Cx<'_>) -> bool {
    contact.gaps.alarm = false;
    if contact.early.is_empty() {
        return false;
    }
    let waited = cx.now.wall_ms.saturating_sub(contact.terms.gap_since_ms);
    if waited >= SHOW_MS {
        pass_over(contact, cx);
    }
    let pause = ASK_MS.0.saturating_mul(1 << contact.gaps.asked.min(10)).min(ASK_MS.1);
    let pause = if waited < SHOW_MS { pause.min(SHOW_MS - waited) } else { pause };
    contact.gaps.asked += 1;
    contact.gaps.alarm = true;
    contact.gaps.ask_now = true;
    let pause = cx.jitter(pause);
    cx.alarm_in(Alarm::Gap(contact.id), pause);
    true
}

/// Loose bodies that leave with the next cell.
pub(crate) fn due(contact: &Contact) -> Vec<Body> {
    let asked = if contact.gaps.ask_now { missing(contact, RANGES_MAX) } else { Vec::new() };
    let asked = asked.into_iter().map(|(from, to)| Content::ResendRequest(from, to));
    let void = contact.gaps.void.iter().take(RANGES_MAX).map(|(from, to)| Content::Void(*from, *to));
    asked.chain(void).map(|content| Body::new(0, content)).collect()
}

/// The bodies that were [`due`] are in a cell.
pub(crate) fn told(contact: &mut Contact) {
    contact.gaps.ask_now = false;
    let told = contact.gaps.void.len().min(RANGES_MAX);
    contact.gaps.void.drain(..told);
}

/// Shows what came after the gap, and a line in place of what is missing.
fn pass_over(contact: &mut Contact, cx: &mut Cx<'_>) {
    let before = shown_below(contact);
    let fresh: Vec<_> = missing(contact, usize::MAX)
        .into_iter()
        .filter(|(from, _)| !contact.terms.passed_over.contains(*from))
        .collect();
    if fresh.is_empty() {
        return;
    }
    for (from, to) in fresh {
        contact.terms.passed_over.insert_range(from, to);
        line(contact, from, to, cx);
    }
    cx.write(contact.terms.save(contact.id));
    advance(contact);
    let after = shown_below(contact);
    if after > before {
        cx.notify(Event::Received { contact: contact.id, from: before, to: after - 1 });
    }
}

/// The place that a missing message keeps in the order of display.
pub(crate) fn place(contact: &Contact, seq: u64) -> Option<u64> {
    let (later, position) = contact.early.range(seq..).next()?;
    let between = contact.talk.as_ref().map_or(0, |talk| talk.apart(seq, *later));
    Some(position.saturating_sub(between))
}

/// Writes the line that stands for the missing messages `from` to `to`.
fn line(contact: &Contact, from: u64, to: u64, cx: &mut Cx<'_>) {
    let Some(position) = place(contact, from) else { return };
    let row = StoredMessage {
        position,
        sent_ms: 0,
        at_ms: cx.now.wall_ms,
        id: contact.card.message_id(false, from),
        marks: Marks { gap: to - from + 1, ..Marks::default() },
        body: Zeroizing::new(Body::new(0, Content::Dummy).encode()),
    };
    cx.write(Op::Put(Key::of(Space::Received, contact.id.group(), from), row.encode()));
}

/// A message came that had been passed over: the lines around it say what is still missing.
pub(crate) fn filled(contact: &mut Contact, seq: u64, cx: &mut Cx<'_>) {
    if let Some((from, to)) = contact.terms.passed_over.remove(seq) {
        if from < seq {
            line(contact, from, seq - 1, cx);
        }
        if seq < to {
            line(contact, seq + 1, to, cx);
        }
        cx.write(contact.terms.save(contact.id));
    }
}

/// The other side misses own messages: they are loaded to be sent again, also those that it had acknowledged before it was set back.
pub(crate) fn on_request(contact: &mut Contact, from: u64, to: u64, cx: &mut Cx<'_>) {
    let Some(talk) = &contact.talk else { return };
    if from == 0 || to < from || to >= contact.next_seq {
        cx.fault();
        return;
    }
    if contact.setback.doubt.is_some() {
        // What has these numbers here may be something else there.
        return;
    }
    // What is on its way for the first time needs no second one.
    let to = to.min(talk.next_pack.saturating_sub(1));
    let soon = contact.gaps.heeded.is_some_and(|heeded| cx.now.mono < heeded.after_ms(HEED_MS));
    if contact.gaps.loading.is_some() || soon || from > to {
        return;
    }
    contact.gaps.heeded = Some(cx.now.mono);
    let to = to.min(from + AGAIN_MAX as u64 - 1);
    let (space, group) = (Space::Sent, contact.id.group());
    let load = cx.load(Range::Group { space, group, from, to: to + 1, limit: AGAIN_MAX, newest: false });
    contact.gaps.loading = Some((load, from, to));
}

/// Own messages came from disk to be sent again. Returns whether the load was for that.
pub(crate) fn on_loaded(contact: &mut Contact, load: LoadId, rows: &[(Key, Value)], cx: &mut Cx<'_>) -> bool {
    let Some((_, from, to)) = contact.gaps.loading.filter(|(expected, ..)| *expected == load) else {
        return false;
    };
    contact.gaps.loading = None;
    let mut found: VecDeque<(u64, Body, usize)> = rows
        .iter()
        .filter_map(|(key, value)| {
            let row = StoredMessage::decode(value)?;
            Some((key.seq, Body::decode(&row.body).ok()?, row.body.len()))
        })
        .collect();
    let mut void = Ranges::default();
    (from..=to).filter(|seq| !found.iter().any(|(held, ..)| held == seq)).for_each(|seq| void.insert(seq));
    contact.gaps.void = void.into_inner();
    while !found.is_empty() && pack(contact, &mut found, cx) {}
    if !contact.gaps.void.is_empty()
        && let Some(talk) = contact.talk.as_mut()
    {
        talk.owes = true;
        cx.alarm_by(Alarm::Ack(contact.id), 0);
    }
    true
}

/// Seals messages under their old numbers into a cell of their own: as many in a row as fit. `false` if no tag is free; the other side
/// will ask again.
fn pack(contact: &mut Contact, found: &mut VecDeque<(u64, Body, usize)>, cx: &mut Cx<'_>) -> bool {
    let ack = contact.ack();
    let ack_run = ack.as_ref().and_then(|ack| contact.ack_run(ack));
    let near = contact.out.room;
    let Some(talk) = contact.talk.as_mut() else { return false };
    let Some((first_seq, _, least)) = found.front().map(|(seq, _, length)| (*seq, (), *length)) else {
        return false;
    };
    let whole = found.iter().map(|(_, _, length)| *length).sum::<usize>();
    let Some((class, nth)) = outbox::choose(talk, near, (whole + OVERHEAD, least + OVERHEAD), true) else {
        return false;
    };
    let (runs, runs_end) = contact.card.runs.covering(first_seq, CELL_RUNS_MAX);
    let mut payload = Payload { ack, ack_run, first_seq, runs, ..Payload::default() };
    let mut room = capacity(class).saturating_sub(OVERHEAD);
    let mut next = first_seq;
    while let Some((_, body, length)) =
        found.pop_front_if(|(seq, _, length)| *seq == next && next < runs_end && *length <= room)
    {
        room -= length;
        next += 1;
        payload.numbered.push(body);
    }
    if payload.numbered.is_empty() {
        // A class without room for even the first one: there is no larger tag just now.
        return false;
    }
    payload.runs.retain(|(first, _)| *first < next);
    let count = payload.numbered.len() as u64;
    let index = tags::nth_of_class(class, nth);
    let Ok(cell) = talk.session.seal(class, index, &payload.encode(), cx.rng) else {
        cx.fault();
        return false;
    };
    if let Some(next) = talk.next_nth.get_mut(class as usize) {
        *next = nth + 1;
    }
    let number = talk.next_cell;
    talk.next_cell += 1;
    outbox::start(contact, number, cell, first_seq, count, cx);
    true
}

/// The other side says that these of its messages are no more: what is missing of them counts as received, and shows nothing.
pub(crate) fn on_void(contact: &mut Contact, from: u64, to: u64, cx: &mut Cx<'_>) {
    let Some(next) = contact.talk.as_ref().map(|talk| talk.receive_next) else { return };
    let last = contact.early.last_key_value().map_or(next, |(last, _)| *last);
    if to < from || to > last {
        cx.fault();
        return;
    }
    let from = from.max(next);
    for seq in from..=to.min(from.saturating_add(VOID_MAX - 1)) {
        if contact.early.contains_key(&seq) {
            continue;
        }
        let Some(position) = place(contact, seq) else { return };
        let row = changes::arrive(contact, &Body::new(0, Content::Dummy), seq, position, cx);
        cx.write(Op::Put(Key::of(Space::Received, contact.id.group(), seq), row.encode()));
        contact.terms.hidden.insert(seq);
        contact.early.insert(seq, position);
        filled(contact, seq, cx);
    }
    cx.write(contact.terms.save(contact.id));
    let Some(talk) = contact.talk.as_mut() else { return };
    talk.skip_void(&mut contact.early, &mut contact.card.skipped.1);
    talk.owes = true;
    cx.alarm_by(Alarm::Ack(contact.id), ACK_MS);
    cx.write(contact.save_card());
    advance(contact);
}
