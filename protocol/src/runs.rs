//! Runs: which start of a device gave out which numbers of a conversation, so that two messages that bear one number are told apart.
//!
//! A device that is set back to an older copy of itself gives out numbers again. Each start draws a random run for a conversation with
//! the first message it writes there. A number together with its run names one message, whatever an edit or a deletion made of it, and
//! everything below it in the same history.

use crate::cbor::{Field, uint};
use crate::error::PeerFault;

/// Runs remembered of own numbers and of a contact's; of older ones it is not known any more which start gave them out.
pub(crate) const RUNS_MAX: usize = 64;

/// First number of each run and the run, by ascending numbers. Run 0 stands for numbers that nothing is under.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Runs(Vec<(u64, u64)>);

impl Runs {
    /// The run of a number, with the run's first number.
    pub(crate) fn at(&self, number: u64) -> Option<(u64, u64)> {
        let next = self.0.partition_point(|(first, _)| *first <= number);
        next.checked_sub(1).and_then(|at| self.0.get(at)).copied()
    }

    /// The first number after `number` that belongs to another run.
    pub(crate) fn end(&self, number: u64) -> u64 {
        let next = self.0.partition_point(|(first, _)| *first <= number);
        self.0.get(next).map_or(u64::MAX, |(first, _)| *first)
    }

    /// From `first` on numbers are given out by `run`.
    pub(crate) fn begin(&mut self, first: u64, run: u64) {
        self.0.retain(|(held, _)| *held < first);
        if self.0.len() >= RUNS_MAX {
            self.0.remove(0);
        }
        self.0.push((first, run));
    }

    /// Whether this run is known.
    pub(crate) fn has(&self, entry: (u64, u64)) -> bool {
        self.0.contains(&entry)
    }

    /// The runs of the numbers from `from` on, at most `max`, and the number up to which they tell everything (exclusive).
    pub(crate) fn covering(&self, from: u64, max: usize) -> (Vec<(u64, u64)>, u64) {
        let at = self.0.partition_point(|(first, _)| *first <= from).saturating_sub(1);
        let mut rest = self.0.get(at..).unwrap_or_default().iter();
        let found: Vec<_> = rest.by_ref().take(max).copied().collect();
        (found, rest.next().map_or(u64::MAX, |(first, _)| *first))
    }

    /// Takes a number that the other side says is of a run. `false` if that contradicts what is here: `is_held` tells whether any number
    /// in a range (the end exclusive) is.
    pub(crate) fn admit(
        &mut self,
        number: u64,
        (first, run): (u64, u64),
        is_held: impl Fn(u64, u64) -> bool,
    ) -> bool {
        if first > number || run == 0 {
            return false;
        }
        let at = self.0.partition_point(|(held, _)| *held < first);
        let known = self.0.get(at).copied().filter(|(held, _)| *held == first);
        let end = self.end(first);
        if number >= end {
            return false;
        }
        match known {
            Some((_, held)) if held == run => return true,
            // So old that its run may have been forgotten.
            None if at == 0 && self.0.len() >= RUNS_MAX => return true,
            _ if is_held(first, end) => return false,
            Some(_) => {
                if let Some(entry) = self.0.get_mut(at) {
                    *entry = (first, run);
                }
            }
            None => self.0.insert(at, (first, run)),
        }
        if self.0.len() > RUNS_MAX {
            self.0.remove(0);
        }
        true
    }

    /// First and run in turn.
    pub(crate) fn encode(&self) -> Vec<Vec<u8>> {
        pairs(&self.0)
    }

    /// Reads what [`Runs::encode`] wrote.
    pub(crate) fn decode(field: &mut Field<'_>) -> Result<Self, PeerFault> {
        read_pairs(field, RUNS_MAX).map(Self)
    }

    /// The entries.
    pub(crate) fn entries(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// From entries of a payload, which are in order.
    pub(crate) const fn from_entries(entries: Vec<(u64, u64)>) -> Self {
        Self(entries)
    }
}

/// First number and run in turn, as CBOR.
pub(crate) fn pairs(entries: &[(u64, u64)]) -> Vec<Vec<u8>> {
    entries.iter().flat_map(|(first, run)| [uint(*first), uint(*run)]).collect()
}

/// Reads at most `max` of [`pairs`], whose first numbers ascend.
pub(crate) fn read_pairs(field: &mut Field<'_>, max: usize) -> Result<Vec<(u64, u64)>, PeerFault> {
    let flat = field.array(2 * max, Field::uint)?;
    let (entries, tail) = flat.as_chunks::<2>();
    let entries: Vec<_> = entries.iter().map(|[first, run]| (*first, *run)).collect();
    if !tail.is_empty() || !entries.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(PeerFault::Malformed);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_run_that_began_last_before_it() {
        let mut runs = Runs::default();
        assert_eq!((runs.at(5), runs.end(5)), (None, u64::MAX));
        runs.begin(1, 7);
        runs.begin(4, 8);
        assert_eq!(
            [runs.at(0), runs.at(1), runs.at(3), runs.at(4)],
            [None, Some((1, 7)), Some((1, 7)), Some((4, 8))]
        );
        assert_eq!((runs.end(1), runs.end(4)), (4, u64::MAX));
        assert_eq!(runs.covering(3, 8), (vec![(1, 7), (4, 8)], u64::MAX));
        assert_eq!(runs.covering(3, 1), (vec![(1, 7)], 4));
        runs.begin(4, 9);
        assert_eq!(runs.at(4), Some((4, 9)), "nothing was written under the run before");
        (10..80).for_each(|first| runs.begin(first, first));
        assert_eq!((runs.0.len(), runs.at(4)), (RUNS_MAX, None));
    }

    #[test]
    fn only_one_history_is_taken() {
        let mut runs = Runs::default();
        let nothing = |_: u64, _: u64| false;
        assert!(runs.admit(2, (1, 7), nothing), "the first may come late");
        assert!(runs.admit(9, (6, 8), |from, _| from <= 2), "so may those between");
        assert!(
            runs.admit(5, (1, 7), |_, _| true) && !runs.admit(6, (1, 7), |_, _| true),
            "the run ended before"
        );
        // The author was set back to before number 5 and goes on from there.
        assert!(!runs.admit(5, (5, 9), |from, to| from <= 5 && 5 < to), "five is held already");
        assert!(!runs.admit(7, (5, 9), nothing), "another run began at six");
        assert!(
            !runs.admit(9, (6, 9), |_, _| true) && runs.admit(9, (6, 9), nothing),
            "nothing is held of it"
        );
        assert!(!runs.admit(3, (4, 1), nothing) && !runs.admit(20, (20, 0), nothing), "nonsense");
    }
}
