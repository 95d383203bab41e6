//! What a person has written and read, kept outside all devices, so that crashes can not touch it.

use crate::oracle::{Message, Person};
use karvon_protocol::engine::api::{ContactId, Delivery, MessageState};
use std::collections::BTreeMap;

/// Words before a message's numbers.
const MARK: &str = "karvon-sim";

/// The text of `message`: its numbers, a canary, and as many letters as are needed for `bytes`.
pub(super) fn text(message: Message, canary: &str, bytes: usize) -> String {
    let head = format!("{MARK} {} {} {} {canary} ", message.from.0, message.to.0, message.number);
    let rest = bytes.saturating_sub(head.len());
    head + &"o".repeat(rest)
}

/// The message that a text says it is.
pub(super) fn parse(text: &str) -> Option<Message> {
    let mut words = text.split(' ');
    if words.next()? != MARK {
        return None;
    }
    let mut number = || words.next()?.parse::<u64>().ok();
    let (from, to, number) = (number()?, number()?, number()?);
    Some(Message { from: Person(u32::try_from(from).ok()?), to: Person(u32::try_from(to).ok()?), number })
}

/// A message of one's own that was acknowledged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    pub(super) message: Message,
    pub(super) state: MessageState,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Book {
    contacts: BTreeMap<Person, ContactId>,
    /// Next number to each person.
    numbers: BTreeMap<Person, u64>,
    /// Own messages that are not delivered yet, by contact and number on the device.
    open: BTreeMap<(ContactId, u64), Own>,
    /// Received messages of each contact up to here were seen on the screen.
    shown: BTreeMap<ContactId, u64>,
    /// All messages of each contact below this are on the device, or will never come, as it said last.
    below: BTreeMap<ContactId, u64>,
}

impl Book {
    pub(super) fn meet(&mut self, person: Person, contact: ContactId) {
        self.contacts.insert(person, contact);
    }

    pub(super) fn contact(&self, person: Person) -> Option<ContactId> {
        self.contacts.get(&person).copied()
    }

    pub(super) fn contacts(&self) -> usize {
        self.contacts.len()
    }

    pub(super) fn next(&mut self, from: Person, to: Person) -> Message {
        let number = self.numbers.entry(to).or_default();
        *number += 1;
        Message { from, to, number: *number }
    }

    pub(super) fn queued(&mut self, contact: ContactId, seq: u64, message: Message) {
        self.open.insert((contact, seq), Own { message, state: MessageState::Queued });
    }

    /// An own message has another number on the device: it was set back to an older copy of itself.
    pub(super) fn renumbered(&mut self, contact: ContactId, seq: u64, message: Message) {
        self.open.retain(|_, own| own.message != message);
        self.queued(contact, seq, message);
    }

    /// The device is an older copy of itself: forgets what is not on it.
    pub(super) fn set_back(&mut self, is_there: impl Fn(ContactId, u64, Message) -> bool) {
        self.open.retain(|(contact, seq), own| is_there(*contact, *seq, own.message));
        self.below.clear();
    }

    /// Messages that moved on, with their numbers on the device and their new states.
    pub(super) fn moved(&mut self, contact: ContactId, delivery: &Delivery) -> Vec<(u64, Own)> {
        let mut moved = Vec::new();
        for ((_, seq), own) in self.open.range_mut((contact, 0)..=(contact, u64::MAX)) {
            let state = delivery.state(*seq);
            if state > own.state {
                own.state = state;
                moved.push((*seq, *own));
            }
        }
        self.open.retain(|_, own| own.state < MessageState::Delivered);
        moved
    }

    /// Own messages that are not known to be delivered.
    pub(super) fn undelivered(&self) -> usize {
        self.open.len()
    }

    /// First received number of `contact` that was not seen on the screen. Numbers start at 1.
    pub(super) fn unseen_from(&self, contact: ContactId) -> u64 {
        self.shown.get(&contact).map_or(1, |seq| seq + 1)
    }

    pub(super) fn received_below(&self, contact: ContactId) -> u64 {
        self.below.get(&contact).copied().unwrap_or(0)
    }

    pub(super) fn all_below(&mut self, contact: ContactId, seq: u64) {
        self.below.insert(contact, seq);
    }

    pub(super) fn seen(&mut self, contact: ContactId, seq: u64) {
        let last = self.shown.entry(contact).or_default();
        *last = (*last).max(seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_which_message_it_is() {
        let message = Message { from: Person(3), to: Person(14), number: 159 };
        let long = text(message, "canary", 300);
        assert_eq!((long.len(), parse(&long)), (300, Some(message)));
        assert_eq!(parse(&text(message, "canary", 0)), Some(message));
        assert_eq!(parse("salom"), None);
    }

    #[test]
    fn a_delivered_message_is_told_once_and_then_forgotten() {
        let mut book = Book::default();
        let contact = ContactId(1);
        for seq in 1..=3 {
            let message = book.next(Person(1), Person(2));
            book.queued(contact, seq, message);
        }
        let delivery = Delivery { delivered_below: 2, stored: vec![(2, 2)], ..Delivery::default() };
        let moved: Vec<_> =
            book.moved(contact, &delivery).iter().map(|(seq, own)| (*seq, own.state)).collect();
        assert_eq!(moved, [(1, MessageState::Delivered), (2, MessageState::Stored)]);
        assert!(book.moved(contact, &delivery).is_empty());
        assert_eq!(book.undelivered(), 2);
    }
}
