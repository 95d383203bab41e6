//! When what happens: the schedule of a run, drawn from its seed before it begins.

use super::Values;
use super::population::Plan;
use crate::det::Rng;
use crate::oracle::Person;
use crate::world::World;
use std::time::Duration;

/// Seconds between two copies of disks that forget what they confirmed since.
const TORN_S: f64 = 5.0;
/// Seconds between two looks at who has come back after the cut.
const LOOK_S: f64 = 2.0;

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    /// A person writes to one of the contacts; which, the number says.
    Write(usize, u64),
    /// A phone falls asleep.
    Sleep(usize),
    /// It wakes, or the person starts it again.
    Wake(usize),
    /// A person's process ends: with the power or without.
    KillPerson(usize, bool),
    /// A relay's process ends.
    KillRelay(usize, bool),
    /// A relay starts again.
    StartRelay(usize),
    /// The disk of a person will refuse to write, and keep so much of it.
    FaultPerson(usize, usize),
    /// The disk of a relay will.
    FaultRelay(usize, usize),
    /// The middle has come: relays are lost, the border is cut, a censor begins.
    Middle,
    /// The newcomers come.
    Newcomers,
    /// The devices of so many people are copied.
    Images(usize),
    /// Look who has a door and a mailbox.
    Look,
}

/// All steps in order of time, and how long they last together.
pub(super) struct Spans {
    pub(super) steps: Vec<(Duration, Step)>,
    pub(super) length: Duration,
}

/// Draws the schedule.
pub(super) fn schedule(world: &World, plan: &Plan, values: &Values) -> Spans {
    let mut rng = world.rng("schedule");
    let mut steps = Vec::new();
    let messages = values.count("messages");
    let every = values.get("every");
    let length = every * messages as f64 + 30.0;
    for person in 0..plan.people {
        for number in 0..messages {
            let at = every * (number as f64 + rng.unit());
            steps.push((at, Step::Write(person, rng.bits())));
        }
        let asleep = values.get("asleep");
        let naps = if asleep > 0.0 {
            nap_times(&mut rng, length, 60.0 * values.get("awake"), asleep)
        } else {
            Vec::new()
        };
        for (from, to) in naps {
            steps.extend([(from, Step::Sleep(person)), (to, Step::Wake(person))]);
        }
    }
    let times = |rate: f64| (rate * length / 3_600.0).round() as usize;
    for _ in 0..times(values.get("kills")) {
        let at = rng.unit() * length;
        let back = at + 1.0 + 60.0 * rng.unit();
        let power = rng.chance(0.5);
        if rng.chance(0.5) {
            let relay = rng.index(plan.relays);
            steps.extend([(at, Step::KillRelay(relay, power)), (back, Step::StartRelay(relay))]);
        } else {
            let person = rng.index(plan.people);
            steps.extend([(at, Step::KillPerson(person, power)), (back, Step::Wake(person))]);
        }
    }
    for _ in 0..times(values.get("faults")) {
        let (at, kept) = (rng.unit() * length, rng.index(3));
        let step = if rng.chance(0.5) {
            Step::FaultRelay(rng.index(plan.relays), kept)
        } else {
            Step::FaultPerson(rng.index(plan.people), kept)
        };
        steps.push((at, step));
    }
    steps.push((length / 2.0, Step::Middle));
    if values.get("newcomers") > 0.0 {
        steps.push((length / 2.0, Step::Newcomers));
    }
    if values.count("rollbacks") > 0 {
        steps.push((length / 4.0, Step::Images(values.count("rollbacks"))));
    }
    if values.count("torn") == 1 {
        let times = (length / TORN_S) as usize;
        steps.extend((0..times).map(|nth| (nth as f64 * TORN_S, Step::Images(plan.people))));
    }
    if values.count("cut") == 1 {
        let times = (length / 2.0 / LOOK_S) as usize;
        steps.extend((1..times).map(|nth| (length / 2.0 + nth as f64 * LOOK_S, Step::Look)));
    }
    // A stable sort: what was drawn first comes first.
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let steps = steps.into_iter().map(|(at, step)| (Duration::from_secs_f64(at), step)).collect();
    Spans { steps, length: Duration::from_secs_f64(length) }
}

/// When a phone sleeps within `length` seconds if it does so for the share `asleep` of the time and is `awake` seconds long on end.
fn nap_times(rng: &mut Rng, length: f64, awake: f64, asleep: f64) -> Vec<(f64, f64)> {
    let mut naps = Vec::new();
    let mut at = 0.0;
    loop {
        // Half to one and a half times the average.
        let from = at + awake * (0.5 + rng.unit());
        if from >= length {
            return naps;
        }
        at = from + awake * asleep / (1.0 - asleep) * (0.5 + rng.unit());
        naps.push((from, at.min(length)));
    }
}

/// The contact that a number picks for `person` among `contacts` on each side of a ring of `people`.
pub(super) fn neighbour(person: usize, people: usize, contacts: usize, pick: u64) -> Option<Person> {
    let reach = contacts.min(people.saturating_sub(1));
    if reach == 0 {
        return None;
    }
    let step = 1 + (pick >> 1) as usize % reach.div_ceil(2);
    let other = if pick & 1 == 0 { person + step } else { person + people - step };
    Some(Person((other % people) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_sleep_for_their_share_of_the_time() {
        let length = 1e6;
        let naps = nap_times(&mut Rng::new(1), length, 900.0, 0.8);
        let slept: f64 = naps.iter().map(|(from, to)| to - from).sum();
        assert!((0.75..0.85).contains(&(slept / length)), "{}", slept / length);
        assert!(naps.windows(2).all(|pair| pair[0].1 < pair[1].0) && naps[0].0 >= 450.0);
    }

    #[test]
    fn everybody_writes_to_those_within_reach_and_never_to_oneself() {
        for pick in 0..40 {
            let Person(other) = neighbour(4, 5, 2, pick).unwrap();
            assert!([3, 0].contains(&other), "{other}");
            let Person(other) = neighbour(4, 5, 4, pick).unwrap();
            assert!([2, 3, 0, 1].contains(&other), "{other}");
        }
        assert_eq!(neighbour(0, 1, 2, 7), None);
    }
}
