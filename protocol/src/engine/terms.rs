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
}

impl Terms {
    /// The change that keeps it.
    pub(crate) fn save(&self, contact: ContactId) -> Op {
        Op::Put(Key::single(Space::Terms, u64::from(contact.0)), self.encode())
    }

    fn encode(&self) -> Value {
        Zeroizing::new(MapWriter::default().array(0, &self.hidden.encode()).finish())
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, PeerFault> {
        let mut out = Self::default();
        read_map(bytes, |key, field| {
            match key {
                0 => out.hidden = Ranges::decode(field)?,
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
        let terms = Terms { hidden: ranges };
        assert_eq!(Terms::decode(&terms.encode()), Ok(terms));
    }
}
