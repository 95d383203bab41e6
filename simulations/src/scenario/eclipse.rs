//! Relays that hide others: whether invitations and beacons are still found when some of them tell of their accomplices only.

use super::population::{Plan, Population};
use super::{Param, Scenario, Script, Setup, Values};
use crate::det::{NodeId, Rng};
use crate::fleet::{RelayHost, Temper};
use crate::net::{HostSpec, Region};
use crate::oracle::{Fact, Person};
use crate::report::Figures;
use crate::world::World;
use karvon_protocol::ids::RelayId;
use std::collections::BTreeSet;
use std::time::Duration;

const PARAMS: &[Param] = &[
    Param::new("relays", "relays of which some are hostile", 30.0, 3.0, 1_000.0),
    Param::new(
        "old",
        "honest relays on which people meet, and which are then lost for good",
        3.0,
        1.0,
        100.0,
    ),
    Param::new("doors", "doors of each person, hostile ones among them by chance", 3.0, 1.0, 5.0),
    Param::new(
        "hostile",
        "share of the relays that tell of each other only and forget what they confirm",
        0.1,
        0.0,
        1.0,
    ),
    Param::new("line", "people's lines: 0 2G, 1 mobile, 2 home", 1.0, 0.0, 2.0),
    Param::new("long", "1: invitations are given in their long form, which names all doors", 0.0, 0.0, 1.0),
    Param::new("hours", "hours in which two who lost all relays may find each other", 3.0, 0.5, 1_000.0),
    Param::new("patience", "minutes in which an invitation may lead to its author", 10.0, 1.0, 10_000.0),
];

/// How often the world looks whether something has come about.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long two people may take to meet at first, and relays to find each other.
const FOUNDING: Duration = Duration::from_secs(600);
/// How long people may get used to their new doors.
const SETTLING: Duration = Duration::from_secs(120);
/// With at most this share of hostile relays, 99 of 100 invitations are to lead to their author within so many minutes.
const BAR: (f64, f64) = (0.1, 5.0);
/// Bytes of a message.
const BYTES: usize = 120;

/// The scenario.
pub(super) struct Eclipse;

impl Scenario for Eclipse {
    fn name(&self) -> &'static str {
        "eclipse"
    }

    fn about(&self) -> &'static str {
        "relays that hide others and forget bundles and beacons: whether people still find each other"
    }

    fn nodes(&self) -> [usize; 3] {
        [8, 63, 5_000]
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn bytes_per_node(&self) -> u64 {
        4 << 20
    }

    fn small(&self, rng: &mut Rng) -> Setup {
        let picks = [
            format!("relays={}", 3 + rng.below(3)),
            format!("old={}", 1 + rng.below(2)),
            format!("hostile={}", rng.below(6) as f64 / 10.0),
            format!("long={}", rng.below(2)),
            "hours=1.5".to_owned(),
            "patience=2".to_owned(),
        ];
        let values = Values::picked(PARAMS, picks);
        Setup { nodes: values.count("relays") + values.count("old") + 4, values }
    }

    fn script(&self, world: World, setup: Setup, figures: Figures) -> Script {
        Box::pin(script(world, setup, figures))
    }
}

/// What people can still do, counted for all of them and for those who have an honest door.
#[derive(Debug, Default)]
struct Tally {
    all: (u64, u64),
    with_honest_door: (u64, u64),
}

impl Tally {
    fn add(&mut self, found: bool, honest_door: bool) {
        let both = [(true, &mut self.all), (honest_door, &mut self.with_honest_door)];
        for (_, (part, whole)) in both.into_iter().filter(|(counts, _)| *counts) {
            *part += u64::from(found);
            *whole += 1;
        }
    }

    fn report(&self, name: &str, figures: &Figures) {
        figures.share(&format!("{name}_found_percent"), self.all.0, self.all.1);
        let (part, whole) = self.with_honest_door;
        figures.share(&format!("{name}_found_with_an_honest_door_percent"), part, whole);
    }
}

/// Starts the relays of which some are hostile; returns who is.
async fn invade(all: &mut Population, values: &Values, figures: &Figures) -> BTreeSet<RelayId> {
    let (world, old, count) = (all.world.clone(), all.relays.len(), values.count("relays"));
    let mut order: Vec<usize> = (old..old + count).collect();
    all.rng.shuffle(&mut order);
    order.truncate((values.get("hostile") * count as f64).round() as usize);
    let hostile: BTreeSet<RelayId> = order.iter().map(|number| RelayHost::id_of(&world, *number)).collect();
    for number in old..old + count {
        let region = if number.is_multiple_of(3) { Region::America } else { Region::Europe };
        let mut peers = Vec::new();
        for _ in 0..2 {
            let other = all.rng.index(all.relays.len());
            if let Some(peer) = all.relays.get(other) {
                peers.extend(peer.new_door().await);
            }
        }
        let mut relay = RelayHost::new(&world, number, HostSpec::server(region), peers);
        if hostile.contains(&relay.id()) {
            relay.conspire(hostile.clone());
            relay.turn(Temper::Eclipses);
        }
        relay.start();
        all.relays.push(relay);
        world.sleep(LOOK_EVERY).await;
    }
    world.sleep(SETTLING).await;
    figures.progress(&format!("{count} relays have come, {} of them hostile", hostile.len()));
    hostile
}

/// Gives each person new doors; returns who has an honest one.
async fn new_doors(all: &mut Population, old: usize, doors: usize, hostile: &BTreeSet<RelayId>) -> Vec<bool> {
    let mut honest = Vec::with_capacity(all.people.len());
    for at in 0..all.people.len() {
        let mut relays: Vec<usize> = (old..all.relays.len()).collect();
        all.rng.shuffle(&mut relays);
        let mut has_honest = false;
        for relay in relays.into_iter().take(doors).filter_map(|relay| all.relays.get(relay)) {
            if let (Some(door), Some(person)) = (relay.new_door().await, all.people.get(at)) {
                has_honest |= !hostile.contains(&door.relay);
                person.add_door(door).await;
            }
        }
        honest.push(has_honest);
    }
    honest
}

/// Lets pairs of people meet by invitation, and waits; whether each pair met.
async fn meet(all: &Population, pairs: &[(usize, usize)], long: bool, patience: Duration) -> Vec<bool> {
    for (host, guest) in pairs {
        let (Some(host), Some(guest)) = (all.people.get(*host), all.people.get(*guest)) else { continue };
        let invitation = if long { host.invite_in_full().await } else { host.invite().await };
        if let Some(invitation) = invitation {
            guest.add(invitation).await;
        }
    }
    let end = tokio::time::Instant::now() + patience;
    loop {
        for person in &all.people {
            person.look_at_contacts().await;
        }
        let knows = |a: usize, b: usize| all.people.get(a).is_some_and(|person| person.knows(who(b)));
        let met: Vec<bool> = pairs.iter().map(|(a, b)| knows(*a, *b) && knows(*b, *a)).collect();
        if met.iter().all(|met| *met) || tokio::time::Instant::now() >= end {
            return met;
        }
        all.world.sleep(LOOK_EVERY).await;
    }
}

fn who(person: usize) -> Person {
    Person(person as u32)
}

/// Friends whose relays are all lost write to each other; whether both heard, pair by pair.
async fn find_again(
    all: &Population,
    pairs: &[(usize, usize)],
    values: &Values,
    figures: &Figures,
) -> Vec<bool> {
    let began = all.world.now();
    for (a, b) in pairs {
        for (from, to) in [(*a, *b), (*b, *a)] {
            if let Some(person) = all.people.get(from) {
                person.pen().write(who(to), BYTES).await;
            }
        }
    }
    let end = tokio::time::Instant::now() + Duration::from_secs_f64(3_600.0 * values.get("hours"));
    let mut found = vec![false; pairs.len()];
    loop {
        for ((a, b), found) in pairs.iter().zip(&mut found) {
            let delivered =
                |person: &usize| all.people.get(*person).is_some_and(|one| one.undelivered() == 0);
            if !*found && delivered(a) && delivered(b) {
                *found = true;
                figures.sample("found_after_min", (all.world.now() - began) as f64 / 60e9);
            }
        }
        if found.iter().all(|found| *found) || tokio::time::Instant::now() >= end {
            return found;
        }
        all.world.sleep(10 * LOOK_EVERY).await;
    }
}

async fn script(world: World, setup: Setup, figures: Figures) {
    let values = &setup.values;
    let (old, count) = (values.count("old"), values.count("relays"));
    let mut plan = Plan::of(&setup);
    plan.relays = old;
    // Friends come in pairs.
    plan.people = setup.nodes.saturating_sub(old + count).max(2) / 2 * 2;
    let mut all = Population::found(&world, &plan, &figures).await;
    let people = all.people.len();
    all.arrive(0..people, Duration::from_secs(10), &figures).await;
    let friends: Vec<(usize, usize)> = (0..people / 2).map(|pair| (2 * pair, 2 * pair + 1)).collect();
    let met = meet(&all, &friends, false, FOUNDING).await;
    figures.share("met_percent", met.iter().filter(|met| **met).count() as u64, met.len() as u64);
    let hostile = invade(&mut all, values, &figures).await;
    let honest = new_doors(&mut all, old, values.count("doors"), &hostile).await;
    let has_honest = |person: usize| honest.get(person).copied().unwrap_or_default();
    figures.number("people_without_an_honest_door", honest.iter().filter(|honest| !**honest).count() as f64);
    world.sleep(SETTLING).await;
    for relay in all.relays.iter_mut().take(old) {
        relay.power_cut().await;
    }
    figures.progress("the old relays are lost");
    world.sleep(SETTLING).await;
    let found = find_again(&all, &friends, values, &figures).await;
    let mut beacons = Tally::default();
    for ((a, b), found) in friends.iter().zip(&found) {
        beacons.add(*found, has_honest(*a) && has_honest(*b));
    }
    beacons.report("beacon", &figures);
    figures.progress("whoever could be found by a beacon is found");
    // No two invite each other: one of both invitations would do.
    let apart = (people / 2 - 1).max(1);
    let others = (0..people).map(|at| (at, (at + apart) % people));
    let strangers: Vec<_> = others.filter(|(a, b)| a / 2 != b / 2).collect();
    let patience = Duration::from_secs_f64(60.0 * values.get("patience"));
    let met = meet(&all, &strangers, values.count("long") == 1, patience).await;
    let mut bundles = Tally::default();
    for ((a, b), met) in strangers.iter().zip(&met) {
        bundles.add(*met, has_honest(*a) && has_honest(*b));
    }
    bundles.report("bundle", &figures);
    let (found, count) = bundles.with_honest_door;
    if values.get("hostile") <= BAR.0 && values.get("patience") >= BAR.1 {
        let what = "invitations that led nowhere although their people have an honest door";
        let (value, bound) = (count - found, count / 100);
        world.fact(&Fact::Measured { node: NodeId(0), what, value, bound });
    }
    all.measure().await;
}
