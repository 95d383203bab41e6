//! A model of people among whom some report every door they get: who still has one that works, by the product's own rule and by others.
//!
//! People, relays and days are numbers here, not nodes: 300 people for 30 days would take hours as real ones. What decides who gets a door is
//! [`karvon_protocol::handout`], the module that the engine follows; there is no second copy of it. What is assumed stands at
//! [`Setup`] and in `RESULTS.md`.

use karvon_protocol::handout::{self, Asker, DOORS_WANTED, FROM_ONE_MAX, Giver, Ledger, Own, Source};
use karvon_protocol::ids::RelayId;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::str::FromStr;

const DAY_MS: u64 = 86_400_000;
/// The first day is not the day 0 of a clock.
const EPOCH_MS: u64 = 10_000 * DAY_MS;
/// People whom one person invites at the most.
const INVITED_MAX: usize = 8;
/// Messages that an active pair delivers in a day, each way.
const MESSAGES_A_DAY: u64 = 5;

/// How doors are given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// By invitations and the rule of the product.
    Ours,
    /// Everybody gets every relay.
    All,
    /// Everybody gets three relays by lot, and another one for each that is lost, as from a distributor who can not tell people apart.
    Random,
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "ours" => Ok(Self::Ours),
            "all" => Ok(Self::All),
            "random" => Ok(Self::Random),
            _ => Err(format!("there is no rule \"{word}\": ours, all or random")),
        }
    }
}

/// What a run is made from.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// Who gets which door.
    pub rule: Rule,
    /// People, of whom the first ones know those who run relays.
    pub people: usize,
    /// Relays; none is added and none comes back.
    pub relays: usize,
    /// The first ones: each has their own share of the relays, at most three, and none of them is an insider.
    pub roots: usize,
    /// Insiders among the others, in thousandths of all people.
    pub insiders_permille: usize,
    /// Days; people come evenly during the first third.
    pub days: u64,
    /// Days an insider waits with each report. A relay is blocked for everybody the day after a report.
    pub patience: u64,
    /// People invited across the tree by each person.
    pub across: usize,
    /// Somebody without any door still reaches contacts (a neighbour, a file). Insiders always do.
    pub courier: bool,
    /// Everything random follows from it.
    pub seed: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            rule: Rule::Ours,
            people: 300,
            relays: 30,
            roots: 15,
            insiders_permille: 50,
            days: 30,
            patience: 0,
            across: 2,
            courier: false,
            seed: 1,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The share of people who are no insiders and are there, with a door that works, at the end of each day.
    pub share: Vec<f64>,
    /// Relays blocked at the end.
    pub blocked: usize,
    /// Doors that people held at the end, on average.
    pub held: f64,
    /// The most doors that one person, insider or not, got from one other and that worked at once.
    pub most_from_one: usize,
}

struct Person {
    insider: bool,
    came: u64,
    /// Contacts, and on which day they met.
    contacts: BTreeMap<usize, u64>,
    /// Doors and who gave each.
    doors: BTreeMap<usize, Option<usize>>,
    ledgers: BTreeMap<usize, Ledger>,
    asked: BTreeMap<usize, u64>,
    gave_ms: Vec<u64>,
}

struct Model {
    setup: Setup,
    rng: ChaCha8Rng,
    people: Vec<Person>,
    /// The day on which each was first reported, and on which it was blocked.
    reported: BTreeMap<usize, u64>,
    blocked: BTreeMap<usize, u64>,
    most_from_one: usize,
}

fn id(relay: usize) -> RelayId {
    let mut out = [0; 16];
    out[..8].copy_from_slice(&(relay as u64).to_be_bytes());
    RelayId(out)
}

const fn ms(day: u64) -> u64 {
    EPOCH_MS + day * DAY_MS
}

/// Runs the model.
#[must_use]
pub fn run(setup: Setup) -> Outcome {
    let mut model = Model::new(setup);
    let mut share = Vec::new();
    for day in 0..setup.days {
        model.day(day);
        share.push(model.share(day));
    }
    let held: usize = model.people.iter().map(|person| person.doors.len()).sum();
    Outcome {
        share,
        blocked: model.blocked.len(),
        held: held as f64 / model.people.len() as f64,
        most_from_one: model.most_from_one,
    }
}

impl Model {
    fn new(setup: Setup) -> Self {
        let mut model = Self {
            setup,
            rng: ChaCha8Rng::seed_from_u64(setup.seed),
            people: Vec::new(),
            reported: BTreeMap::new(),
            blocked: BTreeMap::new(),
            most_from_one: 0,
        };
        let newcomers = setup.people - setup.roots;
        let mut invited = vec![0; setup.people];
        for at in 0..setup.people {
            let came = at.saturating_sub(setup.roots) as u64 * (setup.days / 3) / newcomers as u64;
            let mut contacts = BTreeMap::new();
            if at >= setup.roots {
                let by = loop {
                    let by = model.below(at);
                    if invited[by] < INVITED_MAX {
                        break by;
                    }
                };
                invited[by] += 1;
                contacts.insert(by, came);
                model.people[by].contacts.insert(at, came);
            }
            model.people.push(Person {
                insider: false,
                came,
                contacts,
                doors: BTreeMap::new(),
                ledgers: BTreeMap::new(),
                asked: BTreeMap::new(),
                gave_ms: Vec::new(),
            });
        }
        let mut left = setup.people * setup.insiders_permille / 1_000;
        while left > 0 {
            let at = setup.roots + model.below(newcomers);
            left -= usize::from(!core::mem::replace(&mut model.people[at].insider, true));
        }
        model
    }

    fn below(&mut self, end: usize) -> usize {
        (self.rng.next_u64() % end.max(1) as u64) as usize
    }

    fn works(&self, relay: usize) -> bool {
        !self.blocked.contains_key(&relay)
    }

    fn working(&self, at: usize) -> Vec<usize> {
        self.people[at].doors.keys().copied().filter(|relay| self.works(*relay)).collect()
    }

    fn day(&mut self, day: u64) {
        let due = |since: &u64| day > since + self.setup.patience;
        let fallen: Vec<_> =
            self.reported.iter().filter(|(_, since)| due(since)).map(|(relay, _)| *relay).collect();
        for relay in fallen {
            self.blocked.entry(relay).or_insert(day);
        }
        for at in (0..self.people.len()).filter(|at| self.people[*at].came == day).collect::<Vec<_>>() {
            self.comes(at, day);
        }
        let mut order: Vec<usize> =
            (0..self.people.len()).filter(|at| self.people[*at].came <= day).collect();
        for last in (1..order.len()).rev() {
            let other = self.below(last + 1);
            order.swap(last, other);
        }
        for at in order {
            match self.setup.rule {
                Rule::Ours => self.wish(at, day),
                Rule::Random => self.draw(at),
                Rule::All => {}
            }
        }
        let insiders = self.people.iter().filter(|person| person.insider && person.came <= day);
        for relay in insiders.flat_map(|person| person.doors.keys()) {
            self.reported.entry(*relay).or_insert(day);
        }
    }

    fn comes(&mut self, at: usize, day: u64) {
        match self.setup.rule {
            Rule::All => {
                self.people[at].doors = (0..self.setup.relays).map(|relay| (relay, None)).collect();
                return;
            }
            Rule::Random => return self.draw(at),
            Rule::Ours => {}
        }
        if at < self.setup.roots {
            let own = (0..self.setup.relays).filter(|relay| relay % self.setup.roots == at);
            self.people[at].doors = own.take(DOORS_WANTED).map(|relay| (relay, None)).collect();
        }
        // Those who invited them, and some who are there already: an invitation gives away a door each time.
        let mut by: Vec<usize> = self.people[at].contacts.keys().copied().filter(|by| *by < at).collect();
        for _ in 0..self.setup.across {
            let other = self.below(at.max(1));
            if other != at && !by.contains(&other) {
                by.push(other);
            }
        }
        for by in by {
            self.people[at].contacts.insert(by, day);
            self.people[by].contacts.insert(at, day);
            let door = self.working(by);
            if !door.is_empty() {
                let relay = door[self.below(door.len())];
                self.pass(by, at, relay, day);
            }
        }
    }

    /// A distributor by lot.
    fn draw(&mut self, at: usize) {
        let mut open: Vec<usize> = (0..self.setup.relays)
            .filter(|relay| self.works(*relay) && !self.people[at].doors.contains_key(relay))
            .collect();
        for _ in self.working(at).len()..DOORS_WANTED.min(open.len() + self.working(at).len()) {
            let drawn = self.below(open.len());
            let relay = open.swap_remove(drawn);
            self.people[at].doors.insert(relay, None);
        }
    }

    fn pass(&mut self, by: usize, to: usize, relay: usize, day: u64) {
        self.people[by].ledgers.entry(to).or_default().note(id(relay), true, ms(day));
        self.people[to].ledgers.entry(by).or_default().note(id(relay), false, ms(day));
        // An insider takes note of everything; others keep what they need.
        let working = self.working(to);
        let theirs = working.iter().filter(|held| self.people[to].doors.get(held) == Some(&Some(by)));
        let needs = working.len() < DOORS_WANTED && theirs.count() < FROM_ONE_MAX;
        if self.people[to].insider || needs {
            self.people[to].doors.entry(relay).or_insert(Some(by));
        }
        let doors = &self.people[to].doors;
        let now = doors.iter().filter(|(relay, from)| **from == Some(by) && self.works(**relay)).count();
        if !self.people[to].insider {
            self.most_from_one = self.most_from_one.max(now);
        }
    }

    /// One day of one person's program: it judges, asks one contact, and that one answers.
    fn wish(&mut self, at: usize, day: u64) {
        self.judge(at);
        let working = self.working(at);
        let person = &self.people[at];
        let enough = !person.insider && working.len() >= DOORS_WANTED;
        let no_path = working.is_empty() && !person.insider && !self.setup.courier;
        if enough || no_path {
            return;
        }
        let contacts: Vec<usize> = person.ledgers.keys().copied().collect();
        let none = Ledger::default();
        let sources: Vec<Source<'_>> = contacts
            .iter()
            .map(|other| Source {
                ledger: person.ledgers.get(other).unwrap_or(&none),
                from_them: working
                    .iter()
                    .filter(|held| person.doors.get(held) == Some(&Some(*other)))
                    .count(),
                asked_ms: person.asked.get(other).copied().unwrap_or(0),
            })
            .collect();
        // An insider asks everybody, every day.
        let asked: Vec<usize> = if person.insider {
            contacts.clone()
        } else {
            handout::whom_to_ask(&sources, ms(day)).map(|place| contacts[place]).into_iter().collect()
        };
        for other in asked {
            self.people[at].asked.insert(other, ms(day));
            if let Some(relay) = self.answer(other, at, day) {
                self.pass(other, at, relay, day);
            }
        }
    }

    /// What a contact gives: an insider gives nothing, so as to learn more and to help nobody.
    fn answer(&mut self, giver: usize, asker: usize, day: u64) -> Option<usize> {
        if self.people[giver].insider {
            return None;
        }
        self.judge(giver);
        let held = &self.people[giver];
        let now_ms = ms(day);
        let talked = |since: u64| (day - since.min(day)) * MESSAGES_A_DAY;
        let ledger = held.ledgers.get(&asker)?;
        let own: Vec<Own> = self
            .working(giver)
            .into_iter()
            .map(|relay| Own {
                relay: id(relay),
                // An insider says that it has none, so as to get all.
                asker_has: !self.people[asker].insider && self.people[asker].doors.contains_key(&relay),
                given_to: held
                    .ledgers
                    .values()
                    .filter(|ledger| {
                        let given = |door: &&handout::Passed| door.given && door.lost_ms.is_none();
                        ledger.passed.iter().filter(given).any(|door| door.relay == id(relay))
                    })
                    .count(),
            })
            .collect();
        let rule = Giver {
            age_ms: now_ms - ms(held.came),
            delivered: held.contacts.values().map(|since| talked(*since)).sum(),
            gave_ms: &held.gave_ms,
        };
        let since = held.contacts.get(&asker).copied().unwrap_or(day);
        let chosen = handout::choose(&rule, &Asker { ledger, talked: talked(since) }, &own, now_ms)?;
        if !ledger.has_given(chosen) {
            self.people[giver].gave_ms.push(now_ms);
        }
        (0..self.setup.relays).find(|relay| id(*relay) == chosen)
    }

    /// What a person's own doors say of those whom they were given to.
    fn judge(&mut self, at: usize) {
        let Self { people, blocked, .. } = self;
        let Person { doors, ledgers, .. } = &mut people[at];
        for relay in doors.keys() {
            let lost_ms = blocked.get(relay).map(|day| ms(*day));
            for ledger in ledgers.values_mut() {
                ledger.judge(id(*relay), lost_ms);
            }
        }
    }

    fn share(&self, day: u64) -> f64 {
        let honest =
            self.people.iter().enumerate().filter(|(_, person)| !person.insider && person.came <= day);
        let all: Vec<usize> = honest.map(|(at, _)| at).collect();
        let with = all.iter().filter(|at| !self.working(**at).is_empty()).count();
        with as f64 / all.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(setup: Setup) -> f64 {
        let shares = (1..=5).map(|seed| run(Setup { seed, ..setup }).share.pop().unwrap_or_default());
        shares.sum::<f64>() / 5.0
    }

    #[test]
    fn without_insiders_everybody_keeps_a_door_and_nobody_has_more_than_two_from_one() {
        for rule in [Rule::Ours, Rule::All, Rule::Random] {
            let out = run(Setup { rule, insiders_permille: 0, ..Setup::default() });
            assert!(out.share.iter().all(|share| (*share - 1.0).abs() < 1e-9), "{rule:?}: {:?}", out.share);
            assert_eq!(out.blocked, 0);
        }
        let out = run(Setup { insiders_permille: 0, ..Setup::default() });
        assert!(out.most_from_one <= FROM_ONE_MAX && out.held > 2.0, "{out:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_run() {
        assert_eq!(run(Setup::default()), run(Setup::default()));
        assert_ne!(run(Setup::default()), run(Setup { seed: 2, ..Setup::default() }));
    }

    #[test]
    fn the_rule_keeps_people_in_whom_the_others_lose() {
        let at = |rule, insiders_permille| end(Setup { rule, insiders_permille, ..Setup::default() });
        for insiders in [10, 50, 200] {
            assert!(at(Rule::All, insiders) < 0.01 && at(Rule::Random, insiders) < 0.01);
        }
        let ours = [10, 50, 200].map(|insiders| at(Rule::Ours, insiders));
        assert!(ours[0] > 0.6 && ours[1] > 0.2 && ours[0] > ours[1] && ours[1] > ours[2], "{ours:?}");
    }
}
