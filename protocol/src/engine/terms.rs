//! What is set and remembered for one conversation beside keys and counters: a record of its own, written when it changes.

use super::api::ContactId;
use crate::cbor::{Field, MapWriter, read_map, uint};
use crate::core::{Key, Op, Space, Value};
use crate::error::PeerFault;
use std::cmp::Ordering;
use zeroize::Zeroizing;

/// Ranges of numbers that are remembered at the most; beyond them counts of unread messages may be too high.
const RANGES_MAX: usize = 256;

/// Ascending inclusive ranges of numbers, apart from each other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds a number.
    pub(crate) fn insert(&mut self, number: u64) {
        let place = self.0.binary_search_by(|(from, to)| {
            if *to < number {
                Ordering::Less
            } else if *from > number {
                Ordering::Greater
            } else {
                Ordering::Equal
            }
        });
        let Err(at) = place else { return };
        let joins_before =
            at.checked_sub(1).and_then(|before| self.0.get(before)).is_some_and(|(_, to)| to + 1 == number);
        let joins_after = self.0.get(at).is_some_and(|(from, _)| number + 1 == *from);
        match (joins_before, joins_after) {
            (true, true) => {
                let (_, to) = self.0.remove(at);
                self.extend(at - 1, to);
            }
            (true, false) => self.extend(at - 1, number),
            (false, true) => {
                if let Some((from, _)) = self.0.get_mut(at) {
                    *from = number;
                }
            }
            (false, false) if self.0.len() < RANGES_MAX => self.0.insert(at, (number, number)),
            (false, false) => {}
        }
    }

    fn extend(&mut self, at: usize, to: u64) {
        if let Some((_, end)) = self.0.get_mut(at) {
            *end = to;
        }
    }

    /// Adds the numbers `from` to `to`, of which none is held.
    pub(crate) fn insert_range(&mut self, from: u64, to: u64) {
        if self.0.len() < RANGES_MAX {
            let at = self.0.partition_point(|(held, _)| *held < from);
            self.0.insert(at, (from, to));
        }
    }

    /// Whether a number is held.
    pub(crate) fn contains(&self, number: u64) -> bool {
        let at = self.0.partition_point(|(_, to)| *to < number);
        self.0.get(at).is_some_and(|(from, _)| *from <= number)
    }

    /// Takes a number out; returns the range it was in.
    pub(crate) fn remove(&mut self, number: u64) -> Option<(u64, u64)> {
        let at = self.0.partition_point(|(_, to)| *to < number);
        let (from, to) = self.0.get(at).copied().filter(|(from, _)| *from <= number)?;
        self.0.remove(at);
        if number < to {
            self.0.insert(at, (number + 1, to));
        }
        if from < number {
            self.0.insert(at, (from, number - 1));
        }
        Some((from, to))
    }

    pub(crate) fn into_inner(self) -> Vec<(u64, u64)> {
        self.0
    }

    /// Forgets numbers up to this one.
    pub(crate) fn forget_upto(&mut self, number: u64) {
        self.0.retain(|(_, to)| *to > number);
        if let Some((from, _)) = self.0.first_mut() {
            *from = (*from).max(number + 1);
        }
    }

    /// How many numbers in `above..below` (both exclusive) are held.
    pub(crate) fn count_between(&self, above: u64, below: u64) -> u64 {
        self.0
            .iter()
            .map(|(from, to)| (below.min(to.saturating_add(1))).saturating_sub((*from).max(above + 1)))
            .sum()
    }

    fn encode(&self) -> Vec<Vec<u8>> {
        self.0.iter().flat_map(|(from, to)| [uint(*from), uint(*to)]).collect()
    }

    fn decode(field: &mut Field<'_>) -> Result<Self, PeerFault> {
        let flat = field.array(2 * RANGES_MAX, Field::uint)?;
        Ok(Self(flat.as_chunks::<2>().0.iter().map(|[from, to]| (*from, *to)).collect()))
    }
}

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Terms {
    /// Received bodies that show nothing, above the last message that was seen.
    pub(crate) hidden: Ranges,
    /// The other side may know what was read.
    pub(crate) receipts: bool,
    /// The other side may know when this person types.
    pub(crate) typing: bool,
    /// The other side was told that everything up to this number was read.
    pub(crate) read_told: u64,
    /// New messages disappear after so many seconds; 0 keeps them.
    pub(crate) timer_s: u64,
    /// Number of the change that set the timer.
    pub(crate) timer_number: u64,
    /// Nothing of the other side is shown or kept.
    pub(crate) blocked: bool,
    /// The other side's keys changed, and nobody has accepted that yet.
    pub(crate) keys_changed: bool,
    /// Since when messages are missing, Unix milliseconds; 0 if none is.
    pub(crate) gap_since_ms: u64,
    /// Missing messages that are shown as a gap.
    pub(crate) passed_over: Ranges,
}

impl Terms {
    /// The change that keeps it.
    pub(crate) fn save(&self, contact: ContactId) -> Op {
        Op::Put(Key::single(Space::Terms, u64::from(contact.0)), self.encode())
    }

    /// Takes a change of the timer; of two with the same number the initiator's holds, so that both sides end with the same.
    pub(crate) fn set_timer(&mut self, seconds: u64, number: u64, by_initiator: bool) -> bool {
        let holds = number > self.timer_number || number == self.timer_number && by_initiator;
        if holds {
            self.timer_s = seconds;
            self.timer_number = number;
        }
        holds
    }

    /// The record's bytes, also for a backup.
    pub(crate) fn encode(&self) -> Value {
        let mut map = MapWriter::default();
        map.array(0, &self.hidden.encode()).array(9, &self.passed_over.encode());
        for (key, number) in [
            (1, u64::from(self.receipts)),
            (2, u64::from(self.typing)),
            (3, self.read_told),
            (4, self.timer_s),
            (5, self.timer_number),
            (6, u64::from(self.blocked)),
            (7, u64::from(self.keys_changed)),
            (8, self.gap_since_ms),
        ] {
            map.uint(key, number);
        }
        Zeroizing::new(map.finish())
    }

    /// Reads what [`Terms::encode`] wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, PeerFault> {
        let mut out = Self::default();
        read_map(bytes, |key, field| {
            match key {
                0 => out.hidden = Ranges::decode(field)?,
                1 => out.receipts = field.uint()? == 1,
                2 => out.typing = field.uint()? == 1,
                3 => out.read_told = field.uint()?,
                4 => out.timer_s = field.uint()?,
                5 => out.timer_number = field.uint()?,
                6 => out.blocked = field.uint()? == 1,
                7 => out.keys_changed = field.uint()? == 1,
                8 => out.gap_since_ms = field.uint()?,
                9 => out.passed_over = Ranges::decode(field)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_was_put_in_whatever_the_order() {
        let numbers = [5, 3, 9, 4, 1, 10, 4, 12, 11];
        let mut ranges = Ranges::default();
        numbers.into_iter().for_each(|number| ranges.insert(number));
        assert_eq!(ranges.0, [(1, 1), (3, 5), (9, 12)]);
        assert_eq!(ranges.count_between(0, 13), 8);
        assert_eq!(ranges.count_between(3, 11), 4, "4, 5, 9 and 10");
        ranges.forget_upto(4);
        assert_eq!(ranges.0, [(5, 5), (9, 12)]);
        assert_eq!(ranges.count_between(4, 6), 1);
        assert!(ranges.contains(5) && ranges.contains(10) && !ranges.contains(6) && !ranges.contains(13));
        assert_eq!(ranges.remove(10), Some((9, 12)));
        assert_eq!(ranges.remove(10), None);
        ranges.insert_range(7, 7);
        assert_eq!(ranges.0, [(5, 5), (7, 7), (9, 9), (11, 12)]);
        let terms = Terms {
            hidden: ranges.clone(),
            receipts: true,
            typing: true,
            read_told: 1,
            timer_s: 2,
            timer_number: 3,
            blocked: true,
            keys_changed: true,
            gap_since_ms: 4,
            passed_over: ranges,
        };
        assert_eq!(Terms::decode(&terms.encode()), Ok(terms));
    }

    #[test]
    fn both_sides_end_with_the_same_timer_when_they_change_it_at_once() {
        let (mut initiator, mut responder) = (Terms::default(), Terms::default());
        assert!(initiator.set_timer(60, 1, true) && responder.set_timer(3_600, 1, false));
        // Now each hears of the other's.
        initiator.set_timer(3_600, 1, false);
        responder.set_timer(60, 1, true);
        assert_eq!((initiator.timer_s, responder.timer_s), (60, 60));
        assert!(responder.set_timer(0, 2, false));
        assert!(!responder.set_timer(60, 1, true), "an old change that comes late");
    }
}
