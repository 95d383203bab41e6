//! A channel: its owner writes entries, many follow it by its link and know nobody; who gets what, and when, also beside relays that mean ill.

use super::population::{Plan, Population};
use super::{Param, Scenario, Script, Setup, Values};
use crate::det::{NodeId, Rng};
use crate::fleet::{PersonHost, RelayHost, Temper};
use crate::net::{SimTime, to_ms};
use crate::oracle::{Fact, Person};
use crate::report::Figures;
use crate::world::World;
use futures::future::join_all;
use karvon_protocol::channel::link::ChannelLink;
use karvon_protocol::engine::channel_api::{ChannelCommand, ChannelInfo, ChannelNumber, ChannelReply};
use std::collections::BTreeMap;
use std::time::Duration;

const PARAMS: &[Param] = &[
    Param::new("relays", "relays among the nodes", 5.0, 1.0, 100.0),
    Param::new("doors", "doors of each person", 2.0, 1.0, 5.0),
    Param::new("entries", "entries that the owner writes", 20.0, 1.0, 10_000.0),
    Param::new("every", "seconds from one entry to the next", 15.0, 0.1, 86_400.0),
    Param::new("bytes", "bytes of an entry", 200.0, 80.0, 8_000.0),
    Param::new("line", "people's lines: 0 2G, 1 mobile, 2 home", 1.0, 0.0, 2.0),
    Param::new("loss", "share of segments that each person's line loses", 0.0, 0.0, 0.5),
    Param::new("skew", "hours by which people's clocks are off at the most", 0.0, 0.0, 90_000.0),
    Param::new("lost", "relays that lose power in the middle and come back in the end", 0.0, 0.0, 100.0),
    Param::new(
        "withholders",
        "relays that take cells of shards in and hand out none, not even to relays",
        0.0,
        0.0,
        100.0,
    ),
    Param::new(
        "flood",
        "cells a second of rubbish that a relay gossips on the channel's shard",
        0.0,
        0.0,
        1_000.0,
    ),
    Param::new("heal", "most minutes that everything may take in the end", 30.0, 1.0, 10_000.0),
];

/// How often the world looks whether something has come about.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Between following and the first entry.
const WARM: Duration = Duration::from_secs(10);

/// The scenario.
pub(super) struct Channel;

impl Scenario for Channel {
    fn name(&self) -> &'static str {
        "channel"
    }

    fn about(&self) -> &'static str {
        "an owner writes and many follow by a link: who gets what and when, also beside relays that withhold or flood"
    }

    fn nodes(&self) -> [usize; 3] {
        [5, 56, 5_000]
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn bytes_per_node(&self) -> u64 {
        2 << 20
    }

    fn small(&self, rng: &mut Rng) -> Setup {
        let picks = [
            format!("relays={}", 3 + rng.below(3)),
            format!("entries={}", 2 + rng.below(8)),
            format!("every={}", 1 + rng.below(40)),
            format!("bytes={}", 80 + rng.below(3_000)),
            format!("loss={}", rng.below(3) as f64 / 10.0),
            format!("lost={}", rng.below(2)),
            format!("withholders={}", rng.below(2)),
            format!("flood={}", 20 * rng.below(2)),
        ];
        let values = Values::picked(PARAMS, picks);
        Setup { nodes: 8 + rng.index(7), values }
    }

    fn script(&self, world: World, setup: Setup, figures: Figures) -> Script {
        Box::pin(script(world, setup, figures))
    }
}

/// The first channel of a person, if there is one.
async fn info(person: &PersonHost) -> Option<ChannelInfo> {
    match person.channel(ChannelCommand::List).await? {
        ChannelReply::Channels(channels) => channels.into_iter().next(),
        _ => None,
    }
}

/// Founds the channel; its number and the line that the owner posts somewhere.
pub(super) async fn found(owner: &PersonHost) -> Option<(ChannelNumber, ChannelLink)> {
    let ChannelReply::Founded(number) = owner.channel(ChannelCommand::Create("News".into())).await? else {
        return None;
    };
    let ChannelReply::Link(text) = owner.channel(ChannelCommand::Link(number)).await? else { return None };
    Some((number, ChannelLink::decode(&text).ok()?))
}

/// The owner writes, and others mean ill; returns when each entry was acknowledged by the owner's device.
async fn write(
    all: &mut Population,
    number: ChannelNumber,
    values: &Values,
    figures: &Figures,
) -> BTreeMap<u64, SimTime> {
    let (world, mut rng) = (all.world.clone(), all.world.rng("channel"));
    let mut written = BTreeMap::new();
    let total = values.count("entries");
    for nth in 0..total {
        if nth == total / 2 {
            // The first relay may be the owner's door.
            let lost = 1..=values.count("lost");
            for relay in all.relays.iter_mut().enumerate().filter(|(at, _)| lost.contains(at)) {
                relay.1.power_cut().await;
            }
        }
        let canary = format!("{:016x}{:016x}", rng.bits(), rng.bits());
        world.secrets.add(format!("entry {nth}"), canary.as_bytes());
        let rest = values.count("bytes").saturating_sub(canary.len());
        let text = canary + &"o".repeat(rest);
        let now = world.now();
        if let Some(owner) = all.people.first()
            && let Some(ChannelReply::Queued { seq, .. }) =
                owner.channel(ChannelCommand::Post(number, text)).await
        {
            written.insert(seq, now);
        }
        world.sleep(values.seconds("every")).await;
        figures.progress(&format!("entry {} of {total}", nth + 1));
    }
    written
}

/// Waits until every follower has every entry, or it took too long; returns how many deliveries are missing.
async fn heal(all: &Population, written: &BTreeMap<u64, SimTime>, values: &Values) -> usize {
    let wanted = written.len() * all.people.len().saturating_sub(1);
    let end = tokio::time::Instant::now() + Duration::from_secs_f64(60.0 * values.get("heal"));
    loop {
        let followers = all.seen().entries();
        let shown = followers.keys().filter(|(reader, seq)| *reader != OWNER && written.contains_key(seq));
        let missing = wanted.saturating_sub(shown.count());
        if missing == 0 || tokio::time::Instant::now() >= end {
            return missing;
        }
        all.world.sleep(LOOK_EVERY).await;
    }
}

/// The first person.
const OWNER: Person = Person(0);

/// Bytes that these hosts sent and received so far, on average.
fn bytes_each(world: &World, people: &[PersonHost]) -> f64 {
    let of = |person: &PersonHost| world.net.host(person.host(), |host| host.bytes());
    let all: u64 = people.iter().filter_map(of).map(|(sent, received)| sent + received).sum();
    all as f64 / people.len().max(1) as f64
}

async fn script(world: World, setup: Setup, figures: Figures) {
    let values = &setup.values;
    let mut all = Population::found(&world, &Plan::of(&setup), &figures).await;
    let people = all.people.len();
    for person in &all.people {
        world.net.set_loss(person.host(), values.get("loss"));
    }
    all.arrive(0..people, Duration::from_secs(10), &figures).await;
    let Some((owner, followers)) = all.people.split_first() else { return };
    let Some((number, link)) = found(owner).await else {
        return world.note("the channel could not be founded");
    };
    for follower in followers {
        follower.channel(ChannelCommand::Follow(link.clone())).await;
    }
    world.sleep(WARM).await;
    for relay in all.relays.iter().rev().take(values.count("withholders")) {
        relay.turn(Temper::Withholds);
    }
    let flooder = all.relays.get(1).filter(|_| values.get("flood") > 0.0);
    flooder
        .iter()
        .for_each(|relay| relay.turn(Temper::Floods { shard: link.shard, per_s: values.get("flood") }));
    let (before, began) = (bytes_each(&world, followers), world.now());
    let written = write(&mut all, number, values, &figures).await;
    let minutes = (world.now() - began) as f64 / 60e9;
    let followers = all.people.get(1..).unwrap_or_default();
    figures.number("bytes_per_follower_min", (bytes_each(&world, followers) - before) / minutes);
    figures.number("entries_written", written.len() as f64);
    let ended = world.now();
    if values.get("flood") > 0.0 {
        all.relays.iter().skip(1).take(1).for_each(|relay| relay.turn(Temper::Honest));
    }
    // Those who withhold go on: each follower reaches an honest relay as well.
    all.relays.iter_mut().for_each(RelayHost::start);
    let missing = heal(&all, &written, values).await;
    figures.number("all_delivered_after_s", (world.now() - ended) as f64 / 1e9);
    report(&all, &written, missing, &figures).await;
    all.measure().await;
    world.finish();
}

async fn report(all: &Population, written: &BTreeMap<u64, SimTime>, missing: usize, figures: &Figures) {
    let followers = all.people.get(1..).unwrap_or_default();
    let wanted = written.len() * followers.len();
    figures.share("delivery_percent", wanted.saturating_sub(missing) as u64, wanted as u64);
    figures.number("shown_twice", all.seen().entries_twice() as f64);
    for ((reader, seq), at) in all.seen().entries() {
        let sent = written.get(&seq).filter(|_| reader != OWNER);
        if let Some(sent) = sent {
            figures.sample("delay_ms", to_ms(at.saturating_sub(*sent)) as f64);
        }
    }
    let infos = join_all(followers.iter().map(info)).await;
    let count = |of: fn(&ChannelInfo) -> bool| infos.iter().flatten().filter(|info| of(info)).count() as f64;
    figures.number("followers_who_found_a_withholder", count(|info| info.withheld > 0));
    figures.number("followers_with_gaps", count(|info| info.missing > 0));
    // Everybody reaches honest relays: an entry that nobody shows is lost.
    let missing = missing as u64;
    all.world.fact(&Fact::Measured {
        node: NodeId(0),
        what: "entries that did not reach a follower",
        value: missing,
        bound: 0,
    });
}
