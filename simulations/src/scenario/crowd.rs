//! A group: somebody takes in everybody else, all write in turn, phones sleep, relays lose power; who has what, and when.

use super::population::{Plan, Population};
use super::{Param, Scenario, Script, Setup, Values, messages};
use crate::det::Rng;
use crate::fleet::PersonHost;
use crate::net::to_ms;
use crate::report::Figures;
use crate::world::World;
use karvon_protocol::engine::group_api::{GroupCommand, GroupNumber, GroupReply, GroupView, Standing};
use std::collections::BTreeMap;
use std::time::Duration;

const PARAMS: &[Param] = &[
    Param::new("relays", "relays among the nodes", 5.0, 1.0, 100.0),
    Param::new("contacts", "unused here: everybody knows the first person", 2.0, 1.0, 20.0),
    Param::new("doors", "doors of each person", 2.0, 1.0, 5.0),
    Param::new("messages", "messages in total, by everybody in turn", 60.0, 1.0, 10_000.0),
    Param::new("every", "seconds from one message to the next", 10.0, 0.1, 86_400.0),
    Param::new("line", "people's lines: 0 2G, 1 mobile, 2 home", 1.0, 0.0, 2.0),
    Param::new("skew", "hours by which people's clocks are off at the most", 0.0, 0.0, 90_000.0),
    Param::new("asleep", "share of the people that sleep at any time", 0.3, 0.0, 0.9),
    Param::new("nap", "seconds after which others sleep", 120.0, 5.0, 86_400.0),
    Param::new("lost", "relays that lose power one after the other and come back", 0.0, 0.0, 100.0),
    Param::new("removed", "members who are removed in the middle", 0.0, 0.0, 20.0),
    Param::new("heal", "most minutes that everything may take once all are awake", 30.0, 1.0, 10_000.0),
];

/// How long the group may take to form.
const FORMING: Duration = Duration::from_secs(3_600);
/// How often the world looks whether something has come about.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The scenario.
pub(super) struct Crowd;

impl Scenario for Crowd {
    fn name(&self) -> &'static str {
        "crowd"
    }

    fn about(&self) -> &'static str {
        "a group over shards while members sleep and relays lose power: who has what, and when"
    }

    fn nodes(&self) -> [usize; 3] {
        [5, 25, 1_000]
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn bytes_per_node(&self) -> u64 {
        2 << 20
    }

    fn small(&self, rng: &mut Rng) -> Setup {
        let mut values = Values::defaults(PARAMS);
        let picks = [
            format!("relays={}", 3 + rng.below(3)),
            format!("messages={}", 5 + rng.below(15)),
            format!("every={}", 2 + rng.below(20)),
            format!("asleep={}", rng.below(6) as f64 / 10.0),
            format!("nap={}", 20 + rng.below(60)),
            format!("lost={}", rng.below(3)),
            format!("removed={}", rng.below(2)),
        ];
        for pick in picks {
            // Each pick lies within its bounds; the catalogue's test sees to it.
            let _ = values.set(PARAMS, &pick);
        }
        Setup { nodes: 8 + rng.index(8), values }
    }

    fn script(&self, world: World, setup: Setup, figures: Figures) -> Script {
        Box::pin(script(world, setup, figures))
    }
}

/// The first group of a person, if there is one.
async fn standing(person: &PersonHost) -> Option<(GroupNumber, Standing, u32)> {
    match person.group(GroupCommand::List).await? {
        GroupReply::Groups(groups) => {
            groups.first().map(|group| (group.group, group.standing, group.members))
        }
        _ => None,
    }
}

async fn view(person: &PersonHost) -> Option<GroupView> {
    let (number, ..) = standing(person).await?;
    match person.group(GroupCommand::View(number)).await? {
        GroupReply::View(view) => Some(*view),
        _ => None,
    }
}

/// Founds the group and brings everybody in; true if all see the whole roster in time.
async fn form(all: &mut Population, figures: &Figures) -> bool {
    let people = all.people.len();
    let Some(owner) = all.people.first() else { return false };
    let Some(GroupReply::Founded(number)) = owner.group(GroupCommand::Create("Crowd".into())).await else {
        return false;
    };
    let began = all.world.now();
    for contact in owner.contacts().await {
        let _ = owner.group(GroupCommand::Invite(number, contact)).await;
    }
    let end = tokio::time::Instant::now() + FORMING;
    loop {
        let mut whole = 0;
        for person in &all.people {
            match standing(person).await {
                Some((number, Standing::Invited(_), _)) => {
                    let _ = person.group(GroupCommand::Accept(number)).await;
                }
                Some((_, Standing::In, members)) if members as usize == people => whole += 1,
                _ => {}
            }
        }
        if whole == people {
            figures.number("formed_after_s", (all.world.now() - began) as f64 / 1e9);
            return true;
        }
        if tokio::time::Instant::now() >= end {
            figures.progress(&format!("only {whole} of {people} see the whole group"));
            return false;
        }
        all.world.sleep(LOOK_EVERY).await;
    }
}

/// What was written: by whom, and when, in order of the author's numbers.
type Written = BTreeMap<usize, Vec<u64>>;

async fn script(world: World, setup: Setup, figures: Figures) {
    let values = &setup.values;
    let mut plan_values = Values::defaults(messages::PARAMS);
    for key in ["relays", "doors", "line", "skew"] {
        let _ = plan_values.set(messages::PARAMS, &format!("{key}={}", values.get(key)));
    }
    let plan = Plan::of(&Setup { nodes: setup.nodes, values: plan_values });
    let mut all = Population::found(&world, &plan, &figures).await;
    let people = all.people.len();
    all.arrive(0..people, Duration::from_secs(10), &figures).await;
    if !all.meet_first(&figures).await || !form(&mut all, &figures).await {
        figures.share("delivery_percent", 0, 1);
        return world.finish();
    }
    let mut rng = world.rng("crowd");
    let asleep = (values.get("asleep") * people as f64) as usize;
    let removed = values.count("removed").min(people.saturating_sub(2));
    let (total, every) = (values.count("messages"), values.get("every"));
    let before = world.net.counts();
    let began = world.now();
    let mut written = Written::new();
    let (mut next_nap, mut lost) = (0.0, None);
    for number in 0..total {
        let at = number as f64 * every;
        if at >= next_nap && asleep > 0 {
            next_nap = at + values.get("nap");
            let mut order: Vec<usize> = (1..people).collect();
            rng.shuffle(&mut order);
            for (place, person) in order.into_iter().enumerate() {
                let Some(person) = all.people.get_mut(person) else { continue };
                if place < asleep {
                    person.power_cut().await;
                } else {
                    person.start();
                }
            }
        }
        // Relays lose power in turn, each for a third of the time between two such losses.
        let span = total / values.count("lost").max(1);
        if values.count("lost") > 0 && span > 2 {
            if number % span == span / 3 {
                let relay = rng.index(all.relays.len());
                if let Some(relay) = all.relays.get_mut(relay) {
                    relay.power_cut().await;
                }
                lost = Some(relay);
            } else if number % span == 2 * span / 3
                && let Some(relay) = lost.take().and_then(|relay| all.relays.get_mut(relay))
            {
                relay.start();
            }
        }
        if number == total / 2 && removed > 0 {
            remove(&all, removed).await;
        }
        // Somebody who is awake and still in; the last ones may have been removed.
        let awake: Vec<usize> = (0..people - removed)
            .filter(|person| all.people.get(*person).is_some_and(PersonHost::runs))
            .collect();
        let author = awake.get(rng.index(awake.len())).copied().unwrap_or_default();
        if let Some(person) = all.people.get(author)
            && let Some((group, ..)) = standing(person).await
            && let Some(GroupReply::Queued { .. }) =
                person.group(GroupCommand::Send(group, format!("message {number}"))).await
        {
            written.entry(author).or_default().push(world.now());
        }
        world.sleep(Duration::from_secs_f64(every)).await;
    }
    let minutes = (world.now() - began) as f64 / 60e9;
    let counts = world.net.counts();
    figures.number("bytes_per_node_min", (counts.bytes - before.bytes) as f64 / setup.nodes as f64 / minutes);
    figures.progress("everybody wakes");
    let woke = world.now();
    for relay in &mut all.relays {
        relay.start();
    }
    all.people.iter_mut().for_each(PersonHost::start);
    judge(&all, &written, removed, woke, values, &figures).await;
    world.finish();
}

/// Removes the last people of the ring.
async fn remove(all: &Population, removed: usize) {
    let Some(owner) = all.people.first() else { return };
    let Some(view) = view(owner).await else { return };
    for person in all.people.iter().rev().take(removed) {
        let name = format!("person {}", person.person.0);
        let member = view.members.iter().find(|member| member.name == name);
        if let Some(member) = member {
            let _ = owner.group(GroupCommand::Remove(view.info.group, member.member)).await;
        }
    }
}

/// Waits until everybody has everything, and counts what is missing or there twice.
async fn judge(
    all: &Population,
    written: &Written,
    removed: usize,
    woke: u64,
    values: &Values,
    figures: &Figures,
) {
    let members = all.people.len() - removed;
    let wanted = written.values().map(Vec::len).sum::<usize>() * (members - 1);
    let end = tokio::time::Instant::now() + Duration::from_secs_f64(60.0 * values.get("heal"));
    let have = loop {
        let (mut have, mut whole) = (0, 0);
        for (number, person) in all.people.iter().take(members).enumerate() {
            let own = arrived(person).await;
            let mut missing = 0;
            for (author, times) in written.iter().filter(|(author, _)| **author != number) {
                let got = own.get(&format!("person {author}")).copied().unwrap_or_default() as usize;
                have += got.min(times.len());
                missing += times.len().saturating_sub(got);
            }
            whole += usize::from(missing == 0);
        }
        if whole == members || tokio::time::Instant::now() >= end {
            break have;
        }
        all.world.sleep(LOOK_EVERY).await;
    };
    figures.share("delivery_percent", have as u64, wanted as u64);
    figures.number("all_delivered_after_wake_s", (all.world.now() - woke) as f64 / 1e9);
    let mut twice = 0;
    for person in &all.people {
        let lines = person.group_lines();
        let distinct: std::collections::BTreeSet<_> = lines.iter().map(|(line, _)| line).collect();
        twice += lines.len() - distinct.len();
        for (_, delay) in &lines {
            if let Some(delay) = delay {
                figures.sample("delay_ms", to_ms(delay * 1_000_000) as f64);
            }
        }
    }
    figures.number("shown_twice", twice as f64);
    let mut later = 0;
    for person in all.people.iter().rev().take(removed) {
        let all_written: usize = written.values().map(Vec::len).sum();
        later += usize::from(person.group_lines().len() >= all_written);
    }
    figures.number("removed_who_have_all", later as f64);
}

/// How many messages of each author have come to a person.
async fn arrived(person: &PersonHost) -> BTreeMap<String, u64> {
    let Some(view) = view(person).await else { return BTreeMap::new() };
    // Everybody wrote after everybody was in, so numbers count from 1.
    view.members.into_iter().map(|member| (member.name, member.below.saturating_sub(1))).collect()
}
