//! Who gives a door to whom: one pure rule, which the engine follows and the simulator measures (DESIGN §2; docs/doors.md).
//!
//! A censor's helper among the people asks for doors like everybody else and reports what it gets. Nobody sees through that, but a door that
//! lives on after somebody has had it for days was not reported by them. So each person keeps a [`Ledger`] of the doors that passed between
//! them and each contact, gives another one only to those with whom one has lived long enough, and nothing more to those with whom two died
//! young. There is no score that travels and no common list: each judges by what they gave themselves.
//!
//! All times are milliseconds of the judging device's own clock.

use crate::crypto::labels::DOOR_MARK;
use crate::ids::{RelayId, first};

/// Doors a person aims at (DESIGN §2).
pub const DOORS_WANTED: usize = 3;
/// Living doors that one person has from another at the most, so that three doors are never one person's.
pub const FROM_ONE_MAX: usize = 2;
/// A door that has lived so long since it was given was not reported by whom it was given to, milliseconds.
pub const PROVEN_MS: u64 = 7 * DAY_MS;
/// Doors that died sooner than that after which nothing more is given.
pub const YOUNG_DEATHS_MAX: usize = 2;
/// Between two questions to the same contact, milliseconds.
pub const ASK_PAUSE_MS: u64 = DAY_MS;
/// After this time since they met two people may give each other doors, milliseconds.
pub const KNOWN_MS: u64 = DAY_MS;
/// Messages that must have passed each way.
pub const TALKED_MIN: u64 = 5;
/// Entries of a ledger that are kept.
pub const PASSED_MAX: usize = 16;
/// A death is forgiven after this time, milliseconds.
pub const FORGIVEN_MS: u64 = 90 * DAY_MS;

const DAY_MS: u64 = 86_400_000;
/// For which the doors that somebody gives away are counted.
const WEEK_MS: u64 = 7 * DAY_MS;
/// Doors a person may give away in a week, at first and at the most.
const WEEKLY: (u64, u64) = (1, 4);
/// Messages delivered for each further one.
const DELIVERED_STEP: u64 = 50;

/// A relay as two people name it to each other who both may know it: `BLAKE3-keyed(conversation, label | relay)[..8]`. To everybody else, and
/// under another conversation, it says nothing.
pub type DoorMark = [u8; 8];

/// The mark of a relay in a conversation.
#[must_use]
pub fn mark(conversation: &[u8; 32], relay: RelayId) -> DoorMark {
    let input = [DOOR_MARK.as_bytes(), &relay.0].concat();
    first(blake3::keyed_hash(conversation, &input).as_bytes())
}

/// A door that passed between two people, as the one of them sees it who keeps the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// The relay.
    pub relay: RelayId,
    /// This person gave it; else the contact did.
    pub given: bool,
    /// Since when both know it.
    pub since_ms: u64,
    /// When it stopped working for the one who keeps the ledger.
    pub lost_ms: Option<u64>,
}

impl Passed {
    /// How long it lived, or has lived, with both, milliseconds.
    #[must_use]
    pub fn lived_ms(&self, now_ms: u64) -> u64 {
        self.lost_ms.unwrap_or(now_ms).saturating_sub(self.since_ms)
    }
}

/// What is known of a contact in the matter of doors.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    /// Doors that passed, the oldest first.
    pub passed: Vec<Passed>,
    /// Since when the two know each other; 0 while nothing passed.
    pub met_ms: u64,
}

impl Ledger {
    /// Takes note of a door that passes now.
    pub fn note(&mut self, relay: RelayId, given: bool, now_ms: u64) {
        if self.met_ms == 0 {
            self.met_ms = now_ms;
        }
        let known = self.passed.iter().any(|held| held.relay == relay && held.lost_ms.is_none());
        if !known {
            self.passed.retain(|held| {
                held.relay != relay
                    && held.lost_ms.is_none_or(|lost| lost.saturating_add(FORGIVEN_MS) > now_ms)
            });
            if self.passed.len() >= PASSED_MAX {
                self.passed.remove(0);
            }
            self.passed.push(Passed { relay, given, since_ms: now_ms, lost_ms: None });
        }
    }

    /// A door lives, or has been lost since then. Returns whether that is new.
    pub fn judge(&mut self, relay: RelayId, lost_ms: Option<u64>) -> bool {
        let Some(held) = self.passed.iter_mut().find(|held| held.relay == relay) else { return false };
        let new = held.lost_ms.is_some() != lost_ms.is_some();
        if new {
            held.lost_ms = lost_ms;
        }
        new
    }

    /// Living doors that this person (`given`) or the contact gave.
    #[must_use]
    pub fn living(&self, given: bool) -> usize {
        self.passed.iter().filter(|held| held.given == given && held.lost_ms.is_none()).count()
    }

    /// Whether a door has lived long enough with both.
    #[must_use]
    pub fn is_proven(&self, now_ms: u64) -> bool {
        self.passed.iter().any(|held| held.lived_ms(now_ms) >= PROVEN_MS)
    }

    /// Doors that died soon after they were given to the contact.
    #[must_use]
    pub fn young_deaths(&self, now_ms: u64) -> usize {
        let young = |held: &&Passed| {
            let remembered = held.lost_ms.is_some_and(|lost| lost.saturating_add(FORGIVEN_MS) > now_ms);
            held.given && remembered && held.lived_ms(now_ms) < PROVEN_MS
        };
        self.passed.iter().filter(young).count()
    }

    /// Whether this person gave that relay's door to the contact.
    #[must_use]
    pub fn has_given(&self, relay: RelayId) -> bool {
        self.passed.iter().any(|held| held.given && held.relay == relay)
    }
}

/// Whom this person could ask for a door.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// What passed between the two.
    pub ledger: &'a Ledger,
    /// Living doors that are theirs in the end.
    pub from_them: usize,
    /// When they were asked last; 0: never.
    pub asked_ms: u64,
}

/// Which of these contacts is asked now, if any: not who gave two already, who was asked lately, or with whom no door has lived yet. Those
/// from whom this person has fewest go first, then those who are known longest.
#[must_use]
pub fn whom_to_ask(sources: &[Source<'_>], now_ms: u64) -> Option<usize> {
    let may = |source: &Source<'_>| {
        let rested = source.asked_ms == 0 || source.asked_ms.saturating_add(ASK_PAUSE_MS) <= now_ms;
        // A clock that went back must not silence this for ever.
        let rested = rested || source.asked_ms > now_ms.saturating_add(ASK_PAUSE_MS);
        let knows = source.ledger.met_ms != 0 && source.ledger.met_ms.saturating_add(KNOWN_MS) <= now_ms;
        rested && knows && source.from_them < FROM_ONE_MAX && source.ledger.is_proven(now_ms)
    };
    let open = sources.iter().enumerate().filter(|(_, source)| may(source));
    open.min_by_key(|(at, source)| (source.from_them, source.ledger.met_ms, *at)).map(|(at, _)| at)
}

/// The person who was asked.
#[derive(Debug, Clone, Copy)]
pub struct Giver<'a> {
    /// How long they have been in the network, milliseconds.
    pub age_ms: u64,
    /// Own messages delivered to anybody.
    pub delivered: u64,
    /// When they gave doors away.
    pub gave_ms: &'a [u64],
}

impl Giver<'_> {
    /// Doors this person may give away in a week: grows with age and with messages that were delivered, because each alone can be had for
    /// nothing.
    #[must_use]
    pub fn weekly(&self) -> u64 {
        let earned = (self.age_ms / WEEK_MS).min(self.delivered / DELIVERED_STEP);
        WEEKLY.0.saturating_add(earned).min(WEEKLY.1)
    }

    fn has_left(&self, now_ms: u64) -> bool {
        let lately =
            self.gave_ms.iter().filter(|gave| gave.saturating_add(WEEK_MS) > now_ms && **gave <= now_ms);
        (lately.count() as u64) < self.weekly()
    }
}

/// The contact who asks.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// What passed between the two.
    pub ledger: &'a Ledger,
    /// The lower one of the numbers of messages that each has from the other.
    pub talked: u64,
}

/// A door of the giver that works now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Own {
    /// Its relay.
    pub relay: RelayId,
    /// The asker says that it has one to this relay.
    pub asker_has: bool,
    /// Contacts to whom this person gave it.
    pub given_to: usize,
}

/// The door that is given to who asks, if any.
///
/// What was given before and did not arrive, or was not kept, is given again: it tells nothing new. Anything else takes a door that has
/// lived, fewer than two that died young, fewer than two that live, and room in the week. Of several doors the one that fewest people have
/// from this person goes: what is reported then takes fewest with it.
#[must_use]
pub fn choose(giver: &Giver<'_>, asker: &Asker<'_>, own: &[Own], now_ms: u64) -> Option<RelayId> {
    let Asker { ledger, talked } = asker;
    let knows = ledger.met_ms != 0 && ledger.met_ms.saturating_add(KNOWN_MS) <= now_ms;
    if !knows || *talked < TALKED_MIN || ledger.young_deaths(now_ms) >= YOUNG_DEATHS_MAX {
        return None;
    }
    let free = || own.iter().filter(|door| !door.asker_has);
    if let Some(again) = free().find(|door| ledger.has_given(door.relay)) {
        return Some(again.relay);
    }
    let may = ledger.living(true) < FROM_ONE_MAX && ledger.is_proven(now_ms) && giver.has_left(now_ms);
    free().filter(|_| may).min_by_key(|door| (door.given_to, door.relay)).map(|door| door.relay)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000 * DAY_MS;
    const OLD: Giver<'static> = Giver { age_ms: 100 * DAY_MS, delivered: 1_000, gave_ms: &[] };

    fn relay(number: u8) -> RelayId {
        RelayId([number; 16])
    }

    fn ledger(passed: &[(u8, bool, u64, Option<u64>)]) -> Ledger {
        let passed = passed.iter().map(|(number, given, since, lost)| Passed {
            relay: relay(*number),
            given: *given,
            since_ms: NOW - since * DAY_MS,
            lost_ms: lost.map(|lost| NOW - lost * DAY_MS),
        });
        let passed: Vec<_> = passed.collect();
        Ledger { met_ms: passed.iter().map(|held| held.since_ms).min().unwrap_or(0), passed }
    }

    fn own(numbers: &[u8]) -> Vec<Own> {
        numbers.iter().map(|number| Own { relay: relay(*number), asker_has: false, given_to: 0 }).collect()
    }

    fn given(ledger: &Ledger, own: &[Own]) -> Option<RelayId> {
        choose(&OLD, &Asker { ledger, talked: TALKED_MIN }, own, NOW)
    }

    #[test]
    fn only_those_get_a_door_with_whom_one_has_lived() {
        assert_eq!(given(&ledger(&[(1, true, 7, None)]), &own(&[2])), Some(relay(2)));
        assert_eq!(given(&ledger(&[(1, false, 7, None)]), &own(&[2])), Some(relay(2)), "in either direction");
        assert_eq!(given(&ledger(&[(1, true, 6, None)]), &own(&[2])), None, "too young");
        assert_eq!(
            given(&ledger(&[(1, true, 9, Some(1))]), &own(&[2])),
            Some(relay(2)),
            "it lived for 8 days"
        );
        assert_eq!(given(&ledger(&[(1, true, 9, Some(7))]), &own(&[2])), None, "it died after 2 days");
        assert_eq!(given(&Ledger::default(), &own(&[2])), None, "nothing ever passed");
        let proven = ledger(&[(1, true, 9, None)]);
        assert_eq!(
            choose(&OLD, &Asker { ledger: &proven, talked: 4 }, &own(&[2]), NOW),
            None,
            "nothing said"
        );
    }

    #[test]
    fn one_person_gives_two_living_doors_and_nothing_after_two_young_deaths() {
        let two = ledger(&[(1, true, 9, None), (2, true, 5, None)]);
        let has = |numbers: &[u8]| -> Vec<Own> {
            own(&[1, 2, 3])
                .into_iter()
                .map(|door| Own { asker_has: numbers.contains(&door.relay.0[0]), ..door })
                .collect()
        };
        assert_eq!(given(&two, &has(&[1, 2])), None);
        assert_eq!(given(&two, &has(&[1])), Some(relay(2)), "what they should have is given again");
        let one_died = ledger(&[(1, true, 40, None), (2, true, 20, Some(19))]);
        assert_eq!(given(&one_died, &has(&[1])), Some(relay(2)));
        let both = ledger(&[(1, true, 60, None), (2, true, 20, Some(19)), (4, true, 18, Some(17))]);
        assert_eq!(given(&both, &has(&[1])), None);
        let old = ledger(&[(1, true, 400, None), (2, true, 120, Some(119)), (4, true, 118, Some(117))]);
        assert_eq!(given(&old, &own(&[3])), Some(relay(3)), "forgiven");
    }

    #[test]
    fn what_a_person_gives_in_a_week_grows_with_age_and_with_messages() {
        let week =
            |age_days: u64, delivered| Giver { age_ms: age_days * DAY_MS, delivered, gave_ms: &[] }.weekly();
        assert_eq!(
            [week(0, 0), week(400, 49), week(6, 9_999), week(7, 50), week(400, 9_999)],
            [1, 1, 1, 2, 4]
        );
        let gave = [NOW - 8 * DAY_MS, NOW - DAY_MS];
        let proven = ledger(&[(1, true, 9, None)]);
        let asker = Asker { ledger: &proven, talked: TALKED_MIN };
        let young = Giver { age_ms: DAY_MS, delivered: 0, gave_ms: &gave };
        assert_eq!(choose(&young, &asker, &own(&[2]), NOW), None);
        assert_eq!(choose(&Giver { gave_ms: &gave[..1], ..young }, &asker, &own(&[2]), NOW), Some(relay(2)));
    }

    #[test]
    fn the_door_that_fewest_have_goes_first() {
        let doors = [(2, 3), (3, 1), (4, 2)].map(|(number, given_to)| Own {
            relay: relay(number),
            asker_has: number == 9,
            given_to,
        });
        assert_eq!(given(&ledger(&[(1, true, 9, None)]), &doors), Some(relay(3)));
    }

    #[test]
    fn contacts_are_asked_in_turn_and_not_twice_a_day() {
        let (old, new) = (ledger(&[(1, true, 9, None)]), ledger(&[(2, false, 8, None)]));
        let source = |ledger, from_them, asked_ms| Source { ledger, from_them, asked_ms };
        assert_eq!(whom_to_ask(&[source(&new, 0, 0), source(&old, 0, 0)], NOW), Some(1), "known longest");
        assert_eq!(whom_to_ask(&[source(&new, 0, 0), source(&old, 1, 0)], NOW), Some(0), "fewest from them");
        let lately = NOW - DAY_MS / 2;
        assert_eq!(whom_to_ask(&[source(&new, 0, lately), source(&old, 2, 0)], NOW), None);
        assert_eq!(whom_to_ask(&[source(&new, 0, NOW - DAY_MS)], NOW), Some(0));
        assert_eq!(whom_to_ask(&[source(&new, 0, NOW + 9 * DAY_MS)], NOW), Some(0), "the clock went back");
        assert_eq!(whom_to_ask(&[source(&Ledger::default(), 0, 0)], NOW), None);
    }

    #[test]
    fn a_ledger_remembers_one_life_of_each_door_and_is_bounded() {
        let mut ledger = Ledger::default();
        ledger.note(relay(1), true, NOW);
        ledger.note(relay(1), true, NOW + 5);
        assert_eq!((ledger.passed.len(), ledger.passed[0].since_ms, ledger.met_ms), (1, NOW, NOW));
        assert!(ledger.judge(relay(1), Some(NOW + 9)) && !ledger.judge(relay(1), Some(NOW + 99)));
        assert_eq!(ledger.young_deaths(NOW + 100), 1);
        assert!(ledger.judge(relay(1), None), "it was the network");
        assert_eq!((ledger.young_deaths(NOW + 100), ledger.living(true)), (0, 1));
        for number in 2..99 {
            ledger.note(relay(number), false, NOW);
        }
        assert_eq!(ledger.passed.len(), PASSED_MAX);
    }
}
