//! One wheel of named alarms: each name has at most one time, and the earliest is always known.

use crate::core::Mono;
use std::collections::{BTreeMap, BTreeSet};

/// Alarms by name.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    by_time: BTreeSet<(Mono, K)>,
    by_key: BTreeMap<K, Mono>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { by_time: BTreeSet::new(), by_key: BTreeMap::new() }
    }
}

impl<K: Copy + Ord> Timers<K> {
    /// Sets an alarm, replacing the one with the same name.
    pub(crate) fn set(&mut self, key: K, at: Mono) {
        if let Some(before) = self.by_key.insert(key, at) {
            self.by_time.remove(&(before, key));
        }
        self.by_time.insert((at, key));
    }

    /// Sets an alarm unless one with the same name rings earlier.
    pub(crate) fn set_earlier(&mut self, key: K, at: Mono) {
        if self.by_key.get(&key).is_none_or(|before| at < *before) {
            self.set(key, at);
        }
    }

    /// Removes an alarm.
    pub(crate) fn cancel(&mut self, key: K) {
        if let Some(at) = self.by_key.remove(&key) {
            self.by_time.remove(&(at, key));
        }
    }

    /// When the earliest alarm rings.
    pub(crate) fn next(&self) -> Option<Mono> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the earliest alarm that is due.
    pub(crate) fn pop(&mut self, now: Mono) -> Option<K> {
        let (at, key) = self.by_time.first().copied()?;
        if at > now {
            return None;
        }
        self.by_time.pop_first();
        self.by_key.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_alarm_rings_first_and_a_name_rings_once() {
        let mut timers = Timers::default();
        timers.set('a', Mono(5));
        timers.set('b', Mono(3));
        timers.set('a', Mono(2));
        timers.set_earlier('b', Mono(9));
        assert_eq!(timers.next(), Some(Mono(2)));
        assert_eq!(timers.pop(Mono(1)), None);
        assert_eq!(timers.pop(Mono(4)), Some('a'));
        timers.set('c', Mono(4));
        timers.cancel('c');
        assert_eq!(timers.pop(Mono(4)), Some('b'));
        assert_eq!((timers.pop(Mono(99)), timers.next()), (None, None));
    }
}
