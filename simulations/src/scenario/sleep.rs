//! Who sleeps: the same number of people at any time, one waking when the next falls asleep, and how long each was awake.

use crate::det::Rng;
use crate::net::SimTime;
use std::collections::VecDeque;

/// What one person's phone did.
#[derive(Debug, Clone, Default)]
struct Sleeper {
    /// From when to when it slept; the last one may last.
    naps: Vec<(SimTime, Option<SimTime>)>,
    /// It does not sleep before this time.
    busy_until: SimTime,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Sleepers {
    all: Vec<Sleeper>,
    /// Those asleep, the first one for the longest time.
    asleep: VecDeque<usize>,
    rng: Rng,
}

impl Sleepers {
    /// So many people, all awake.
    pub(super) fn new(people: usize, rng: Rng) -> Self {
        Self { all: vec![Sleeper::default(); people], asleep: VecDeque::new(), rng }
    }

    /// Somebody who is awake and not busy falls asleep.
    pub(super) fn lull(&mut self, now: SimTime) -> Option<usize> {
        let free = |at: &usize| {
            !self.asleep.contains(at) && self.all.get(*at).is_some_and(|one| one.busy_until <= now)
        };
        let free: Vec<usize> = (0..self.all.len()).filter(free).collect();
        let chosen = free.get(self.rng.index(free.len().max(1))).copied()?;
        self.asleep.push_back(chosen);
        self.all.get_mut(chosen)?.naps.push((now, None));
        Some(chosen)
    }

    /// Whoever slept longest wakes.
    pub(super) fn wake(&mut self, now: SimTime) -> Option<usize> {
        let first = self.asleep.pop_front()?;
        if let Some((_, to)) = self.all.get_mut(first)?.naps.last_mut() {
            *to = Some(now);
        }
        Some(first)
    }

    /// This person wakes, if asleep.
    pub(super) fn rouse(&mut self, person: usize, now: SimTime) {
        if let Some(place) = self.asleep.iter().position(|at| *at == person) {
            self.asleep.remove(place);
            self.asleep.push_front(person);
            self.wake(now);
        }
    }

    /// How many sleep.
    pub(super) fn asleep(&self) -> usize {
        self.asleep.len()
    }

    /// This person does not fall asleep before `until`.
    pub(super) fn keep_awake(&mut self, person: usize, until: SimTime) {
        if let Some(one) = self.all.get_mut(person) {
            one.busy_until = one.busy_until.max(until);
        }
    }

    /// For how much of the time between the two a person slept.
    pub(super) fn slept(&self, person: usize, from: SimTime, to: SimTime) -> SimTime {
        let naps = self.all.get(person).map(|one| one.naps.as_slice()).unwrap_or_default();
        let within = |(began, ended): &(SimTime, Option<SimTime>)| {
            ended.unwrap_or(SimTime::MAX).min(to).saturating_sub(*began.max(&from))
        };
        naps.iter().map(within).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_slept_longest_wakes_and_the_busy_stay_awake() {
        let mut sleepers = Sleepers::new(3, Rng::new(1));
        sleepers.keep_awake(1, 50);
        let first = sleepers.lull(10).unwrap();
        let second = sleepers.lull(20).unwrap();
        assert_eq!([first.min(second), first.max(second)], [0, 2]);
        assert_eq!((sleepers.lull(30), sleepers.asleep()), (None, 2));
        assert_eq!(sleepers.wake(40), Some(first));
        assert!(sleepers.lull(60).is_some());
        sleepers.rouse(second, 70);
        assert_eq!((sleepers.asleep(), sleepers.slept(second, 0, 100)), (1, 50));
    }

    #[test]
    fn time_asleep_is_counted_between_any_two_moments() {
        let mut sleepers = Sleepers::new(1, Rng::new(1));
        for (from, to) in [(10, 20), (30, 45)] {
            assert_eq!(sleepers.lull(from), Some(0));
            assert_eq!(sleepers.wake(to), Some(0));
        }
        sleepers.lull(100);
        let slept = |from, to| sleepers.slept(0, from, to);
        assert_eq!([slept(0, 50), slept(15, 35), slept(20, 30), slept(90, 120)], [25, 10, 0, 20]);
    }
}
