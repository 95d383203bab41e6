//! Messages that disappear: both devices remove them by their own clocks, the reader's from when they were seen, the author's from when
//! they were delivered.
//!
//! The time that is left runs by the device's monotonic clock. Only what passed while the program was not running is taken from the
//! wall clock, and never more is left than the whole time: a clock that is set back prolongs nothing beyond it.

use super::api::ContactId;
use super::changes;
use super::contact::Contact;
use super::cx::{Alarm, Cx};
use crate::core::{Key, Mono, Op, Space, Value};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// No message is kept to disappear for longer, seconds: a year.
pub(crate) const EXPIRY_MAX_S: u64 = 365 * 86_400;

/// Messages of one contact that will disappear, by whether they are own ones and their number.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    /// Not seen or not delivered yet: how many seconds each has from then on.
    waiting: BTreeMap<(bool, u64), u64>,
    /// When each goes.
    running: BTreeMap<(bool, u64), Mono>,
}

/// Where the record lies that says that a message disappears. Own and received messages have numbers of their own; the key holds both.
#[must_use]
pub fn expiry_key(contact: ContactId, mine: bool, seq: u64) -> Key {
    Key::of(Space::Expiry, contact.group(), seq.saturating_mul(2) | u64::from(mine))
}

fn key(contact: &Contact, (mine, seq): (bool, u64)) -> Key {
    expiry_key(contact.id, mine, seq)
}

/// `seconds 8 | Unix milliseconds at which it goes 8`, the latter 0 while it waits.
fn record(seconds: u64, until_ms: u64) -> Value {
    Zeroizing::new([seconds.to_be_bytes(), until_ms.to_be_bytes()].concat())
}

/// A message was written or came that is to disappear after `seconds`.
pub(crate) fn note(contact: &mut Contact, message: (bool, u64), seconds: u64, cx: &mut Cx<'_>) {
    if seconds > 0 {
        let seconds = seconds.min(EXPIRY_MAX_S);
        cx.write(Op::Put(key(contact, message), record(seconds, 0)));
        contact.expiry.waiting.insert(message, seconds);
    }
}

/// More was seen or delivered: the time of those messages begins.
pub(crate) fn begin(contact: &mut Contact, cx: &mut Cx<'_>) {
    if contact.expiry.waiting.is_empty() {
        return;
    }
    let delivered = contact.talk.as_ref().map_or(1, |talk| talk.delivered.below);
    let seen = contact.card.seen_upto;
    let waiting = &contact.expiry.waiting;
    let received = waiting.range((false, 0)..=(false, seen));
    let begun: Vec<_> =
        received.chain(waiting.range((true, 0)..(true, delivered))).map(|(m, s)| (*m, *s)).collect();
    for (message, seconds) in begun {
        let ms = seconds.saturating_mul(1_000);
        cx.write(Op::Put(key(contact, message), record(seconds, cx.now.wall_ms.saturating_add(ms).max(1))));
        contact.expiry.waiting.remove(&message);
        contact.expiry.running.insert(message, cx.now.mono.after_ms(ms));
    }
    set_alarm(contact, cx);
}

fn set_alarm(contact: &Contact, cx: &mut Cx<'_>) {
    if let Some(next) = contact.expiry.running.values().min() {
        cx.timers.set(Alarm::Expiry(contact.id), *next);
    }
}

/// The time of some messages is over.
pub(crate) fn on_alarm(contact: &mut Contact, cx: &mut Cx<'_>) {
    let now = cx.now.mono;
    let over: Vec<_> =
        contact.expiry.running.iter().filter(|(_, at)| **at <= now).map(|(message, _)| *message).collect();
    for message in over {
        contact.expiry.running.remove(&message);
        changes::remove(contact, message, cx);
    }
    set_alarm(contact, cx);
}

/// The message is gone: so is the record that says it should be.
pub(crate) fn gone(contact: &Contact, message: (bool, u64), cx: &mut Cx<'_>) {
    cx.write(Op::Remove(key(contact, message)));
}

/// An own message that was not delivered has another number now.
pub(crate) fn renumber(contact: &mut Contact, old: u64, new: u64, cx: &mut Cx<'_>) {
    if let Some(seconds) = contact.expiry.waiting.remove(&(true, old)) {
        gone(contact, (true, old), cx);
        note(contact, (true, new), seconds, cx);
    }
}

/// Takes a record at start.
pub(crate) fn restore(contact: &mut Contact, number: u64, value: &Value, cx: &mut Cx<'_>) {
    let message = (number % 2 == 1, number / 2);
    let (Some((seconds, rest)), true) = (value.split_first_chunk::<8>(), value.len() == 16) else {
        cx.fault();
        return;
    };
    let seconds = u64::from_be_bytes(*seconds).min(EXPIRY_MAX_S);
    match u64::from_be_bytes(crate::ids::first(rest)) {
        0 => drop(contact.expiry.waiting.insert(message, seconds)),
        until_ms => {
            let left_ms = until_ms.saturating_sub(cx.now.wall_ms).min(seconds * 1_000);
            contact.expiry.running.insert(message, cx.now.mono.after_ms(left_ms));
        }
    }
}

/// Goes on after the start.
pub(crate) fn resume(contact: &mut Contact, cx: &mut Cx<'_>) {
    begin(contact, cx);
    set_alarm(contact, cx);
}
