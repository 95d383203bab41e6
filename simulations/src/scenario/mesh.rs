//! A mesh of relays alone: how many connections each keeps and how often each dials, before, during and after its border is cut in two.

use super::{Param, Scenario, Script, Setup, Values};
use crate::det::{NodeId, Rng};
use crate::fleet::RelayHost;
use crate::net::{HostId, HostSpec, Region, RegionSet};
use crate::oracle::Fact;
use crate::report::Figures;
use crate::world::World;
use futures::future::join_all;
use std::collections::BTreeMap;
use std::time::Duration;

const PARAMS: &[Param] = &[
    Param::new(
        "peers",
        "relays whose doors each newcomer is given, chosen among those before it",
        2.0,
        1.0,
        8.0,
    ),
    Param::new("pause", "seconds from one newcomer to the next", 0.5, 0.0, 3_600.0),
    Param::new("calm", "minutes that are watched before the border is cut", 10.0, 1.0, 10_000.0),
    Param::new("cut", "minutes for which each half is alone; 0: the border stays open", 10.0, 0.0, 10_000.0),
    Param::new("after", "minutes that are watched after that", 20.0, 1.0, 10_000.0),
    Param::new("newcomers", "relays that come in each half while the border is cut", 1.0, 0.0, 100.0),
    Param::new(
        "joins",
        "relays that come after the calm, one after another, each by one door",
        0.0,
        0.0,
        100.0,
    ),
    Param::new(
        "known",
        "share of the others that a relay must know of before the calm begins",
        1.0,
        0.01,
        1.0,
    ),
];

/// Where relays are served by others.
const MESH_PORT: u16 = 4_001;
/// Connections that a relay may hold at any time, whoever dialled them.
const CONNECTIONS_MAX: u64 = 16;
/// How long the relays may take to find each other at first: each tells of itself once an hour, and whoever came late hears of the last
/// ones only then.
const FOUNDING: Duration = Duration::from_secs(5_400);
/// Seconds between two counts of connections, and between two counts of dials.
const COUNT_S: u64 = 10;
const MINUTE_S: u64 = 60;

/// The scenario.
pub(super) struct Mesh;

impl Scenario for Mesh {
    fn name(&self) -> &'static str {
        "mesh"
    }

    fn about(&self) -> &'static str {
        "relays alone: connections and dials of each before, during and after a cut between two halves"
    }

    fn nodes(&self) -> [usize; 3] {
        [4, 100, 2_000]
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn bytes_per_node(&self) -> u64 {
        8 << 20
    }

    fn small(&self, rng: &mut Rng) -> Setup {
        let picks = [
            format!("peers={}", 1 + rng.below(2)),
            format!("pause={}", rng.below(3)),
            format!("calm={}", 1 + rng.below(3)),
            format!("cut={}", rng.below(8)),
            "after=3".to_owned(),
            format!("newcomers={}", rng.below(2)),
        ];
        let values = Values::picked(PARAMS, picks);
        Setup { nodes: 4 + rng.index(7), values }
    }

    fn script(&self, world: World, setup: Setup, figures: Figures) -> Script {
        Box::pin(script(world, setup, figures))
    }
}

/// What was counted in one part of the run.
#[derive(Debug, Default)]
struct Counts {
    connections: Vec<f64>,
    dials: Vec<f64>,
}

/// Links and known relays with which one that has come knows enough: more it keeps only for tunnels, and may choose among.
const ENOUGH: (u32, u32) = (8, 64);
/// How long one that has come may take for that, and is watched afterwards.
const JOINING: (u64, u64) = (1_800, 600);

/// The relays, and what they are seen to do from outside.
struct Relays<'a> {
    world: World,
    figures: &'a Figures,
    rng: Rng,
    all: Vec<RelayHost>,
    /// What each had dialled a minute ago.
    dialled: BTreeMap<HostId, u64>,
    /// Seconds that were watched.
    watched: u64,
}

impl Relays<'_> {
    /// Starts one more relay that is given the doors of some of `among`.
    async fn add(&mut self, peers: usize, among: &[usize]) {
        let number = self.all.len();
        let mut doors = Vec::new();
        let mut among = among.to_vec();
        self.rng.shuffle(&mut among);
        for at in among.into_iter().take(peers) {
            if let Some(relay) = self.all.get(at) {
                doors.extend(relay.new_door().await);
            }
        }
        let mut relay = RelayHost::new(&self.world, number, HostSpec::server(half(number)), doors);
        relay.start();
        self.all.push(relay);
    }

    /// How many do not know this share of the others.
    async fn apart(&self, share: f64) -> usize {
        let others = (share * (self.all.len() - 1) as f64).floor() as u32;
        let all = join_all(self.all.iter().map(RelayHost::status)).await;
        all.iter().filter(|status| status.is_none_or(|status| status.relays_known < others)).count()
    }

    /// Dials of each relay since this was asked last.
    fn dials(&mut self) -> Vec<f64> {
        let mut dials = Vec::with_capacity(self.all.len());
        for relay in &self.all {
            let now = self.world.net.host(relay.host(), |host| host.dialled()).unwrap_or_default();
            let before = self.dialled.insert(relay.host(), now).unwrap_or_default();
            dials.push((now - before) as f64);
        }
        dials
    }

    /// Watches for `seconds`; returns after how many of them everybody knew everybody, if that was `awaited` and came about.
    async fn watch(&mut self, part: &str, seconds: u64, awaited: bool) -> Option<u64> {
        let mut counts = Counts::default();
        let mut whole = None;
        self.dials();
        for second in 1..=seconds {
            self.world.sleep(Duration::from_secs(1)).await;
            self.watched += 1;
            if awaited && whole.is_none() && self.apart(1.0).await == 0 {
                whole = Some(second);
            }
            if second % COUNT_S == 0 {
                let held = self.world.net.connections(MESH_PORT);
                let each = self.all.iter().map(|relay| held.get(&relay.host()).copied().unwrap_or_default());
                let each: Vec<f64> = each.map(|count| count as f64).collect();
                self.curve("connections", &each);
                let what = "connections of a relay that carries nobody's tunnels";
                let (value, bound) = (most(&each) as u64, CONNECTIONS_MAX);
                self.world.fact(&Fact::Measured { node: NodeId(0), what, value, bound });
                counts.connections.extend(each);
            }
            if second % MINUTE_S == 0 {
                let each = self.dials();
                self.curve("dials_per_min", &each);
                counts.dials.extend(each);
            }
        }
        for (name, values) in [("connections", counts.connections), ("dials_per_min", counts.dials)] {
            self.figures.number(&format!("{name}_max_{part}"), most(&values));
            self.figures.number(&format!("{name}_mean_{part}"), mean(&values));
        }
        self.figures.progress(&format!("{part} is over"));
        whole
    }

    /// One more relay comes by one door; watches how it finds its place.
    async fn join(&mut self) {
        let others: Vec<usize> = (0..self.all.len()).collect();
        self.add(1, &others).await;
        let Some(newcomer) = self.all.last() else { return };
        let count = self.all.len() as f64 - 1.0;
        let dialled = || self.world.net.host(newcomer.host(), |host| host.dialled()).unwrap_or_default();
        let bytes = || self.world.net.host(newcomer.host(), |host| host.bytes()).unwrap_or_default();
        let (mut enough, mut nine_tenths, mut dials) = (None, None, vec![0]);
        let mut second = 0;
        while second < JOINING.1 || (enough.is_none() && second < JOINING.0) {
            self.world.sleep(Duration::from_secs(1)).await;
            second += 1;
            if let Some(status) = newcomer.status().await {
                if status.mesh_links >= ENOUGH.0 && status.relays_known >= ENOUGH.1.min(count as u32) {
                    enough.get_or_insert(second);
                }
                if f64::from(status.relays_known) >= 0.9 * count {
                    nine_tenths.get_or_insert(second);
                }
                if second == MINUTE_S {
                    self.figures.sample("join_knows_after_1_min", f64::from(status.relays_known));
                }
            }
            if second % MINUTE_S == 0 {
                dials.push(dialled());
            }
        }
        let held = self.world.net.connections(MESH_PORT).get(&newcomer.host()).copied().unwrap_or_default();
        let most = dials.windows(2).map(|two| two[1] - two[0]).max().unwrap_or_default();
        self.figures.sample("join_connections", held as f64);
        self.figures.sample("join_dials_per_min", most as f64);
        let (sent, received) = bytes();
        self.figures.sample("join_kib_in_10_min", (sent + received) as f64 / 1_024.0);
        for (name, after) in [("join_enough_s", enough), ("join_knows_nine_tenths_s", nine_tenths)] {
            if let Some(after) = after {
                self.figures.sample(name, after as f64);
            }
        }
        let (what, value) =
            ("seconds until a relay that came by one door knew enough", enough.unwrap_or(u64::MAX));
        self.world.fact(&Fact::Measured { node: NodeId(0), what, value, bound: JOINING.0 });
    }

    fn curve(&self, name: &str, each: &[f64]) {
        let at = self.watched as f64;
        self.figures.point(&format!("{name}_max"), at, most(each));
        self.figures.point(&format!("{name}_mean"), at, mean(each));
    }
}

/// Every other relay stands behind the border.
const fn half(number: usize) -> Region {
    if number.is_multiple_of(2) { Region::Europe } else { Region::Russia }
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

async fn script(world: World, setup: Setup, figures: Figures) {
    let values = &setup.values;
    let seconds = |key: &str| (60.0 * values.get(key)) as u64;
    let mut relays = Relays {
        rng: world.rng("mesh"),
        world: world.clone(),
        figures: &figures,
        all: Vec::with_capacity(setup.nodes),
        dialled: BTreeMap::new(),
        watched: 0,
    };
    let began = world.now();
    for number in 0..setup.nodes {
        let before: Vec<usize> = (0..number).collect();
        relays.add(values.count("peers"), &before).await;
        world.sleep(values.seconds("pause")).await;
    }
    let end = tokio::time::Instant::now() + FOUNDING;
    while relays.apart(values.get("known")).await > 0 && tokio::time::Instant::now() < end {
        world.sleep(Duration::from_secs(1)).await;
    }
    figures.number("formed_after_s", (world.now() - began) as f64 / 1e9);
    figures.number("dials_forming_max", most(&relays.dials()));
    figures.progress(&format!("{} relays know each other", relays.all.len()));
    relays.watch("before", seconds("calm"), false).await;
    for _ in 0..values.count("joins") {
        relays.join().await;
    }
    if seconds("cut") > 0 {
        world.net.cut_border(RegionSet::of(&[Region::Russia]), []);
        world.note("the border is cut");
        let third = seconds("cut") / 3;
        relays.watch("cut", third, false).await;
        for _ in 0..2 * values.count("newcomers") {
            let number = relays.all.len();
            let near: Vec<usize> = (0..number).filter(|other| half(*other) == half(number)).collect();
            relays.add(values.count("peers"), &near).await;
        }
        relays.watch("alone", seconds("cut") - third, false).await;
        world.net.mend_border();
        world.note("the border is open");
    }
    let whole = relays.watch("after", seconds("after"), true).await;
    if let Some(seconds) = whole {
        figures.number("whole_after_s", seconds as f64);
    }
    let apart = relays.apart(values.get("known")).await as u64;
    figures.number("relays_that_do_not_know_all", apart as f64);
    let what = "relays that do not know all others in the end";
    world.fact(&Fact::Measured { node: NodeId(0), what, value: apart, bound: 0 });
    world.finish();
}
