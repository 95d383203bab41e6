//! A device that was set back to an older copy of its data: noticed, and what it wrote since given numbers that are not used up (SPEC §6c).
//!
//! Such a device gives out numbers under which its contacts hold other messages already. Until a contact has said what it holds, own
//! messages that may be concerned are in *doubt*: nothing calls them delivered, and nothing of them leaves.

use super::api::Event;
use super::changes;
use super::contact::Contact;
use super::cx::{Alarm, Cx, Signal};
use super::message::StoredMessage;
use super::resets::{self, RESTORE_JUMP};
use crate::body::{Ack, Body, Content, Held};
use crate::cbor::{Field, MapWriter, read_map};
use crate::core::{Key, LoadId, Mono, Op, Range, Space, Value};
use crate::error::PeerFault;
use crate::ids::{CellHash, MessageId};
use crate::runs::{self, Runs};
use std::collections::VecDeque;
use zeroize::Zeroizing;

/// No conversation comes to a number as high as this.
pub(crate) const NUMBER_MAX: u64 = 1 << 48;
/// Messages that get new numbers at once.
const STEP: usize = 64;
/// A contact that does not answer is asked again after this time, milliseconds.
const AGAIN_MS: u64 = 60_000;
/// While the program runs, a conversation can not be set back more often than this, milliseconds: a contact may only claim it.
const PAUSE_MS: u64 = 3_600_000;
/// Changes of the other side that wait for the end of a doubt.
const LATER_MAX: usize = 1_024;
/// Cells that did not open and are remembered.
const SHUT_MAX: usize = 32;
/// Ranges of numbers that a contact holds.
const KEPT_MAX: usize = 512;

/// What one conversation knows of being set back, on this side or the other.
#[derive(Debug, Default)]
pub(crate) struct SetBack {
    pub(crate) doubt: Option<Doubt>,
    /// What this device held of the other side's messages when the other side was set back.
    pub(crate) held: Option<Held>,
    /// The other side asked for that.
    pub(crate) tell: bool,
    /// The messages that get new numbers next, and the next own number when they were asked for.
    load: Option<(LoadId, u64)>,
    /// Changes of own messages in doubt: number of the other side's body, and the body.
    later: Vec<(u64, Value)>,
    noticed: Option<Mono>,
    /// Cells that did not open, and the mailboxes that brought each.
    shut: VecDeque<(CellHash, Vec<u32>)>,
}

/// Own messages from `from` on are in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doubt {
    pub(crate) from: u64,
    /// Numbers that are given out instead begin here.
    pub(crate) floor: u64,
    /// The other side hears so with the greeting of the present session.
    pub(crate) told: bool,
    verdict: Option<Verdict>,
}

/// What became of the doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Verdict {
    /// Numbers under which the other side has these very messages, inclusive.
    kept: Vec<(u64, u64)>,
    /// Messages below this have their new numbers.
    next: u64,
}

impl Verdict {
    fn keeps(&self, number: u64) -> bool {
        self.kept.iter().any(|(from, to)| (*from..=*to).contains(&number))
    }

    fn kept_below(&self, number: u64) -> u64 {
        let below = |(from, to): &(u64, u64)| (to + 1).min(number).saturating_sub(*from);
        self.kept.iter().map(below).sum()
    }
}

impl Doubt {
    /// The number that takes the place of `number`; `None` if it stays.
    fn new_number(&self, number: u64) -> Option<u64> {
        let verdict = self.verdict.as_ref()?;
        let concerned = (self.from..self.floor).contains(&number) && !verdict.keeps(number);
        concerned.then(|| self.floor + (number - self.from) - verdict.kept_below(number))
    }

    fn encode(&self) -> Value {
        let mut map = MapWriter::default();
        map.uint(0, self.from).uint(1, self.floor).uint(2, u64::from(self.told));
        if let Some(verdict) = &self.verdict {
            map.uint(3, verdict.next).array(4, &runs::pairs(&verdict.kept));
        }
        Zeroizing::new(map.finish())
    }

    fn decode(bytes: &[u8]) -> Result<Self, PeerFault> {
        let mut out = Self { from: 0, floor: 0, told: false, verdict: None };
        let (mut next, mut kept) = (None, Vec::new());
        read_map(bytes, |key, field| {
            match key {
                0 => out.from = field.uint()?,
                1 => out.floor = field.uint()?,
                2 => out.told = field.uint()? == 1,
                3 => next = Some(field.uint()?),
                4 => kept = runs::read_pairs(field, KEPT_MAX)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        out.verdict = next.map(|next| Verdict { kept, next });
        Ok(out)
    }
}

impl SetBack {
    /// Whether own messages get new numbers just now.
    pub(crate) fn is_moving(&self) -> bool {
        self.doubt.as_ref().is_some_and(|doubt| doubt.verdict.is_some())
    }

    /// Whether the own message with this number is in doubt.
    pub(crate) fn doubts(&self, number: u64) -> bool {
        self.doubt.as_ref().is_some_and(|doubt| number >= doubt.from)
    }

    /// Whether the other side is to be asked what it holds.
    pub(crate) fn asks(&self) -> bool {
        self.doubt.as_ref().is_some_and(|doubt| doubt.told && doubt.verdict.is_none())
    }

    /// A mailbox brought a cell that does not open. Returns how many brought it.
    pub(crate) fn shut(&mut self, cell: CellHash, mailbox: u32) -> usize {
        if let Some((_, by)) = self.shut.iter_mut().find(|(known, _)| *known == cell) {
            if !by.contains(&mailbox) {
                by.push(mailbox);
            }
            return by.len();
        }
        if self.shut.len() >= SHUT_MAX {
            self.shut.pop_front();
        }
        self.shut.push_back((cell, vec![mailbox]));
        1
    }

    /// A change of an own message in doubt waits. `false` if too many do.
    pub(crate) fn put_off(&mut self, seq: u64, body: Value) -> bool {
        let room = self.later.len() < LATER_MAX;
        if room {
            self.later.push((seq, body));
        }
        room
    }
}

fn save(contact: &Contact, cx: &mut Cx<'_>) {
    let key = resets::key(contact.id, resets::DOUBT);
    cx.write(match &contact.setback.doubt {
        Some(doubt) => Op::Put(key, doubt.encode()),
        None => Op::Remove(key),
    });
}

/// Takes a record at start.
pub(crate) fn load(contact: &mut Contact, at: u64, value: &Value, cx: &mut Cx<'_>) {
    let mut held = None;
    match at {
        resets::DOUBT => match Doubt::decode(value) {
            Ok(doubt) => contact.setback.doubt = Some(doubt),
            Err(_) => cx.fault(),
        },
        _ => {
            let read = read_map(value, |key, field: &mut Field<'_>| {
                held = (key == 0).then(|| Held::decode(field)).transpose()?;
                Ok(key == 0)
            });
            if read.is_err() {
                cx.fault();
            }
            contact.setback.held = held;
        }
    }
}

/// The run of the number that is given out next.
pub(crate) fn note_run(contact: &mut Contact, cx: &mut Cx<'_>) {
    if contact.run.is_none() {
        let run = cx.rng.next_u64().max(1);
        contact.run = Some(run);
        contact.card.runs.begin(contact.next_seq, run);
        cx.write(contact.save_card());
    }
}

/// Whether an acknowledgement is not for the messages that this device gave out: it was set back since.
pub(crate) fn is_foreign(contact: &Contact, ack: &Ack, run: Option<u64>) -> bool {
    let sent = contact.talk.as_ref().map_or(contact.next_seq, |talk| talk.next_pack.max(talk.top_pack));
    let number = ack.highest().min(contact.next_seq.saturating_sub(1));
    let other = match (run, contact.card.runs.at(number)) {
        // Numbers of run 0 are those of a lost device, or nobody's.
        (Some(theirs), Some((_, own))) => own != 0 && theirs != own,
        _ => false,
    };
    ack.below > sent || other
}

/// This device was set back: its contact knows numbers up to `above` (exclusive) of it. What may be under such a number is in doubt.
pub(crate) fn notice(contact: &mut Contact, above: u64, cx: &mut Cx<'_>) {
    let Some(talk) = &contact.talk else { return };
    let paused = contact.setback.noticed.is_some_and(|at| cx.now.mono < at.after_ms(PAUSE_MS));
    let above = above.max(contact.next_seq).max(contact.card.floor);
    let floor = above.saturating_add(RESTORE_JUMP).saturating_add(cx.rng.next_u64() >> 24);
    if contact.setback.doubt.is_some() {
        return;
    }
    if paused || floor >= NUMBER_MAX {
        cx.fault();
        return;
    }
    contact.setback.noticed = Some(cx.now.mono);
    contact.setback.doubt = Some(Doubt { from: talk.delivered.below, floor, told: false, verdict: None });
    contact.card.line = cx.rng.next_u64().max(1);
    cx.write(contact.save_card());
    save(contact, cx);
    // Its tags and keys are used up as well.
    cx.signal(Signal::SetBack(contact.id));
    cx.alarm_in(Alarm::SetBack(contact.id), AGAIN_MS);
}

/// The greeting that forms a session anew tells of the doubt, or a session began that does not know of it.
pub(crate) fn tell(contact: &mut Contact, told: bool, cx: &mut Cx<'_>) {
    if let Some(doubt) = contact.setback.doubt.as_mut().filter(|doubt| doubt.told != told) {
        doubt.told = told;
        save(contact, cx);
        cx.alarm_by(Alarm::SetBack(contact.id), AGAIN_MS);
    }
}

/// The alarm: the other side has not answered. Returns whether a cell must leave.
pub(crate) fn on_alarm(contact: &mut Contact, cx: &mut Cx<'_>) -> bool {
    let Some(doubt) = &contact.setback.doubt else { return false };
    if doubt.verdict.is_some() {
        go_on(contact, cx);
        return false;
    }
    let told = doubt.told;
    if !told {
        cx.signal(Signal::SetBack(contact.id));
    }
    let pause = cx.jitter(AGAIN_MS);
    cx.alarm_in(Alarm::SetBack(contact.id), pause);
    if let Some(talk) = contact.talk.as_mut().filter(|_| told) {
        talk.owes = true;
    }
    told
}

/// The other side's new numbers begin at `void_to`: what is held of the old ones is kept for its question.
pub(crate) fn on_jump(contact: &mut Contact, cx: &mut Cx<'_>) {
    let Some(ack) = contact.ack() else { return };
    let held = Held { ack, runs: contact.card.their_runs.entries().to_vec() };
    contact.card.their_runs.begin(held.ack.below, 0);
    let mut map = MapWriter::default();
    map.raw(0, held.encode());
    cx.write(Op::Put(resets::key(contact.id, resets::HELD), Zeroizing::new(map.finish())));
    contact.setback.held = Some(held);
    cx.write(contact.save_card());
}

/// The answer to the other side's question, if it asked.
pub(crate) fn due(contact: &Contact) -> Option<Held> {
    let talk = contact.talk.as_ref().filter(|_| contact.setback.tell)?;
    if talk.receive_next >= talk.void.1 && talk.void.1 > 0 {
        return Some(contact.setback.held.clone().unwrap_or_default());
    }
    Some(Held { ack: contact.ack()?, runs: contact.card.their_runs.entries().to_vec() })
}

/// The other side says what it held: the doubt ends.
pub(crate) fn judge(contact: &mut Contact, held: &Held, cx: &mut Cx<'_>) {
    if !contact.setback.asks() {
        return;
    }
    let next_seq = contact.next_seq;
    let Some(doubt) = contact.setback.doubt.as_mut() else { return };
    let from = doubt.from;
    let own = &contact.card.runs;
    let theirs = Runs::from_entries(held.runs.clone());
    // Its oldest run is one of ours: so is everything before.
    let common = held.runs.first().is_some_and(|first| own.has(*first));
    let below = (from, held.ack.below.saturating_sub(1));
    let pieces = core::iter::once(below).chain(held.ack.ranges.iter().copied());
    let mut kept: Vec<(u64, u64)> = Vec::new();
    for (first, last) in pieces {
        let (mut at, last) = (first.max(from), last.min(next_seq.saturating_sub(1)));
        while at <= last {
            let end = last.min(own.end(at) - 1).min(theirs.end(at) - 1);
            let same = match (own.at(at), theirs.at(at)) {
                (Some((_, own)), Some((_, theirs))) => own == theirs,
                (_, None) => common,
                (None, Some(_)) => false,
            };
            let room = kept.len() < KEPT_MAX;
            match kept.last_mut() {
                Some((_, to)) if same && *to + 1 == at => *to = end,
                _ if same && room => kept.push((at, end)),
                _ => {}
            }
            at = end + 1;
        }
    }
    doubt.verdict = Some(Verdict { kept, next: from });
    save(contact, cx);
    go_on(contact, cx);
}

/// Asks for the next messages that get new numbers.
pub(crate) fn go_on(contact: &mut Contact, cx: &mut Cx<'_>) {
    let Some(doubt) = &contact.setback.doubt else { return };
    let Some(verdict) = doubt.verdict.as_ref().filter(|_| contact.setback.load.is_none()) else { return };
    if contact.changes.is_loading_own(doubt.from) {
        // A change that is on its way would write the message under its old number.
        cx.alarm_in(Alarm::SetBack(contact.id), 20);
        return;
    }
    let (space, group) = (Space::Sent, contact.id.group());
    let (from, to) = (verdict.next, doubt.floor);
    let load = cx.load(Range::Group { space, group, from, to, limit: STEP, newest: false });
    contact.setback.load = Some((load, contact.next_seq));
}

/// Own messages came from disk to get new numbers. Returns whether the load was for that.
pub(crate) fn on_loaded(contact: &mut Contact, load: LoadId, rows: &[(Key, Value)], cx: &mut Cx<'_>) -> bool {
    let Some((_, next_seq)) = contact.setback.load.filter(|(expected, _)| *expected == load) else {
        return false;
    };
    contact.setback.load = None;
    let Some(mut doubt) = contact.setback.doubt.clone() else { return true };
    let mut moved = Vec::new();
    for (key, value) in rows {
        if let Some(new) = doubt.new_number(key.seq) {
            renumber(contact, &doubt, (key.seq, new), value, cx);
            moved.push((key.seq, new));
        }
    }
    let last = rows.last().map(|(key, _)| key.seq);
    if let (Some(verdict), Some(last)) = (doubt.verdict.as_mut(), last) {
        verdict.next = last + 1;
    }
    if !moved.is_empty() {
        cx.signal(Signal::Renumbered(contact.id, moved));
    }
    contact.setback.doubt = Some(doubt);
    save(contact, cx);
    // What was written meanwhile may not have been among them.
    if rows.len() < STEP && next_seq == contact.next_seq {
        finish(contact, cx);
    } else {
        go_on(contact, cx);
    }
    true
}

/// One message gets its new number, and so does what it says of others.
fn renumber(contact: &mut Contact, doubt: &Doubt, (old, new): (u64, u64), value: &Value, cx: &mut Cx<'_>) {
    let group = contact.id.group();
    let Some(mut row) = StoredMessage::decode(value) else {
        cx.fault();
        return;
    };
    let before = row.id;
    row.id = contact.card.message_id(true, new);
    if let Some(edited) = row.marks.edited.as_mut() {
        edited.seq = doubt.new_number(edited.seq).unwrap_or(edited.seq);
    }
    row.marks.mine.seq = doubt.new_number(row.marks.mine.seq).unwrap_or(row.marks.mine.seq);
    if let Ok(mut body) = Body::decode(&row.body) {
        let card = &contact.card;
        let point = |id: &mut MessageId| -> Option<u64> {
            let (_, number) = card.find(id).filter(|(mine, _)| *mine)?;
            match doubt.new_number(number) {
                Some(number) => {
                    *id = card.message_id(true, number);
                    None
                }
                None => Some(number),
            }
        };
        let stays = match &mut body.content {
            Content::Reply { to: id, .. } => {
                point(id);
                None
            }
            Content::Edit { of: id, .. } | Content::Reaction { on: id, .. } | Content::Delete(id) => {
                point(id)
            }
            _ => None,
        };
        if contact.out.letters.renumber(old, new, &body) {
            // It was taken back between the question and this answer.
            row.hide();
        } else {
            row.body = Zeroizing::new(body.encode());
        }
        if let Some(number) = stays {
            changes::renumber(contact, number, (old, new));
        }
    }
    cx.write(Op::Put(Key::of(Space::Sent, group, new), row.encode()));
    cx.write(Op::Remove(Key::of(Space::Sent, group, old)));
    super::expiry::renumber(contact, old, new, cx);
    if !row.marks.hidden {
        let contact = contact.id;
        cx.notify(Event::Renumbered { contact, old: before, new: row.id, old_seq: old, seq: new });
    }
}

/// All that was in doubt is delivered, or has a number of its own.
fn finish(contact: &mut Contact, cx: &mut Cx<'_>) {
    let Some(doubt) = contact.setback.doubt.take() else { return };
    let Some(verdict) = &doubt.verdict else { return };
    save(contact, cx);
    let (from, floor) = (doubt.from, doubt.floor);
    let kept = verdict.kept_below(u64::MAX);
    contact.card.skipped.0 = contact.card.skipped.0.saturating_add(floor - from - kept);
    contact.card.floor = floor;
    contact.next_seq = floor + contact.next_seq.saturating_sub(from).saturating_sub(kept);
    let run = contact.run.unwrap_or_else(|| cx.rng.next_u64().max(1));
    contact.run = Some(run);
    contact.card.runs.begin(floor, run);
    if let Some(talk) = contact.talk.as_mut() {
        talk.delivered = Ack { below: floor, ranges: Vec::new() };
        talk.next_pack = floor;
        talk.top_pack = contact.next_seq;
    }
    super::outbox::begin_at(contact, floor);
    cx.write(contact.save_card());
    if let Some(op) = contact.save_talk() {
        cx.write(op);
    }
    changes::rekey(contact, |number| doubt.new_number(number));
    for (seq, body) in core::mem::take(&mut contact.setback.later) {
        changes::restore(contact, seq, &body, cx);
    }
    changes::resume(contact, cx);
    cx.timers.cancel(Alarm::SetBack(contact.id));
    cx.notify(Event::Delivery(contact.id, contact.delivery()));
    cx.signal(Signal::Moved(contact.id));
    cx.alarm_by(Alarm::Pump(contact.id), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_comes_back_from_the_disk_as_it_was() {
        let verdict = Verdict { kept: vec![(4, 6), (9, 9)], next: 12 };
        for (told, verdict) in [(false, None), (true, None), (true, Some(verdict))] {
            let stored = Doubt { from: 3, floor: 40, told, verdict }.encode();
            let read = Doubt::decode(&stored).expect("what was stored");
            assert_eq!((read.from, read.floor, read.told), (3, 40, told));
            assert_eq!(read.encode(), stored);
            // Between what the other side has, numbers move on; without its word nothing does.
            let moved = [3, 4, 7, 9, 10, 40].map(|number| read.new_number(number));
            let expected = [Some(40), None, Some(41), None, Some(43), None];
            assert_eq!(moved, if read.verdict.is_some() { expected } else { [None; 6] });
        }
    }
}
