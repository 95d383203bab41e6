//! A group: somebody takes in everybody else, all write in turn while phones sleep and lines lose segments; who has what, and when.

use super::population::{Plan, Population};
use super::sleep::Sleepers;
use super::{Param, Scenario, Script, Setup, Values};
use crate::det::{NodeId, Rng};
use crate::fleet::{PersonHost, RelayHost};
use crate::net::{SECOND, SimTime, to_ms};
use crate::oracle::{Fact, Message, Person};
use crate::report::Figures;
use crate::world::World;
use karvon_protocol::engine::group_api::{GroupCommand, GroupNumber, GroupReply, GroupView, Standing};
use std::collections::BTreeMap;
use std::time::Duration;

const PARAMS: &[Param] = &[
    Param::new("relays", "relays among the nodes", 5.0, 1.0, 100.0),
    Param::new("doors", "doors of each person", 2.0, 1.0, 5.0),
    Param::new("messages", "messages in total, each by somebody who is awake", 60.0, 1.0, 10_000.0),
    Param::new("every", "seconds from one message to the next", 10.0, 0.1, 86_400.0),
    Param::new("bytes", "bytes of a message", 200.0, 80.0, 8_000.0),
    Param::new("line", "people's lines: 0 2G, 1 mobile, 2 home", 1.0, 0.0, 2.0),
    Param::new("loss", "share of segments that each person's line loses", 0.1, 0.0, 0.5),
    Param::new("skew", "hours by which people's clocks are off at the most", 0.0, 0.0, 90_000.0),
    Param::new("asleep", "share of the people that sleep at any time", 0.3, 0.0, 0.9),
    Param::new("nap", "seconds for which each of them sleeps", 120.0, 5.0, 86_400.0),
    Param::new("linger", "seconds that somebody who wrote stays awake at least", 5.0, 0.0, 3_600.0),
    Param::new("lost", "relays that lose power one after the other and come back", 0.0, 0.0, 100.0),
    Param::new("removed", "members who are removed in the middle", 0.0, 0.0, 20.0),
    Param::new("heal", "most minutes that everything may take once all are awake", 30.0, 1.0, 10_000.0),
];

/// How long the group may take to form.
const FORMING: Duration = Duration::from_secs(1_200);
/// How often the world looks whether something has come about.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What an author's device sends within this time after a message is counted as the message's.
const COUNTED: Duration = Duration::from_secs(3);

/// The scenario.
pub(super) struct Group;

impl Scenario for Group {
    fn name(&self) -> &'static str {
        "group"
    }

    fn about(&self) -> &'static str {
        "a group over shards while members sleep, lines lose segments and relays lose power: who has what, and when"
    }

    fn nodes(&self) -> [usize; 3] {
        [5, 15, 1_000]
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn bytes_per_node(&self) -> u64 {
        2 << 20
    }

    fn small(&self, rng: &mut Rng) -> Setup {
        let picks = [
            format!("relays={}", 3 + rng.below(2)),
            format!("messages={}", 5 + rng.below(15)),
            format!("every={}", 2 + rng.below(20)),
            format!("loss={}", rng.below(3) as f64 / 10.0),
            format!("asleep={}", rng.below(6) as f64 / 10.0),
            format!("nap={}", 20 + rng.below(60)),
            format!("linger={}", rng.below(6)),
            format!("lost={}", rng.below(3)),
            format!("removed={}", rng.below(2)),
        ];
        let values = Values::picked(PARAMS, picks);
        Setup { nodes: 8 + rng.index(5), values }
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

/// Founds the group and brings everybody in; returns how many do not see the whole roster in time.
pub(super) async fn form(all: &Population, figures: &Figures) -> usize {
    let people = all.people.len();
    let Some(owner) = all.people.first() else { return people };
    let founded = owner.group(GroupCommand::Create("Group".into())).await;
    let Some(GroupReply::Founded(number)) = founded else { return people };
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
            figures.progress("the group is formed");
            return 0;
        }
        if tokio::time::Instant::now() >= end {
            for person in &all.people {
                let sees = standing(person).await;
                if !matches!(sees, Some((_, Standing::In, members)) if members as usize == people) {
                    figures.progress(&format!("person {} sees {sees:?}", person.person.0));
                }
            }
            return people - whole;
        }
        all.world.sleep(LOOK_EVERY).await;
    }
}

/// Something that happens while the group talks.
#[derive(Debug, Clone, Copy)]
enum Step {
    Write,
    /// Somebody falls asleep, and if as many sleep as should, whoever slept longest wakes first.
    Lull,
    RelayLost,
    RelayBack,
    Remove,
}

/// What happens when, seconds from the beginning of the talk.
fn schedule(values: &Values, people: usize) -> Vec<(f64, Step)> {
    let length = values.get("every") * values.get("messages");
    let mut steps = Vec::new();
    let sleepers = (values.get("asleep") * people as f64).round();
    if sleepers >= 1.0 {
        let pause = values.get("nap") / sleepers;
        steps.extend((0..sleepers as usize).map(|_| (0.0, Step::Lull)));
        steps.extend((1..=(length / pause) as usize).map(|nth| (nth as f64 * pause, Step::Lull)));
    }
    // Relays lose power in turn, each for a third of the time between two such losses.
    let span = length / values.get("lost").max(1.0);
    for nth in 0..values.count("lost") {
        let at = span * nth as f64;
        steps.extend([(at + span / 3.0, Step::RelayLost), (at + span * 2.0 / 3.0, Step::RelayBack)]);
    }
    if values.count("removed") > 0 {
        steps.push((length / 2.0, Step::Remove));
    }
    let messages = 0..values.count("messages");
    steps.extend(messages.map(|number| (number as f64 * values.get("every"), Step::Write)));
    // A stable sort: who sleeps is settled before somebody writes.
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    steps
}

/// The talk of a group.
struct Talk<'a> {
    all: &'a mut Population,
    values: &'a Values,
    figures: &'a Figures,
    rng: Rng,
    sleepers: Sleepers,
    /// How many should sleep.
    asleep: usize,
    /// Members who will have been removed in the end: the last ones.
    removed: usize,
    lost: Option<usize>,
    /// When each message was acknowledged by its author's device.
    written: BTreeMap<(usize, u64), SimTime>,
}

impl Talk<'_> {
    fn members(&self) -> usize {
        self.all.people.len() - self.removed
    }

    async fn carry_out(&mut self, step: Step) {
        let now = self.all.world.now();
        match step {
            Step::Write => self.write().await,
            Step::Lull => {
                if self.sleepers.asleep() >= self.asleep
                    && let Some(person) = self.sleepers.wake(now).and_then(|at| self.all.people.get_mut(at))
                {
                    person.start();
                }
                if let Some(person) = self.sleepers.lull(now).and_then(|at| self.all.people.get_mut(at)) {
                    person.power_cut().await;
                }
            }
            Step::RelayLost => {
                let at = self.rng.index(self.all.relays.len());
                if let Some(relay) = self.all.relays.get_mut(at) {
                    relay.power_cut().await;
                }
                self.lost = Some(at);
            }
            Step::RelayBack => {
                let back = self.lost.take().and_then(|at| self.all.relays.get_mut(at));
                back.into_iter().for_each(RelayHost::start);
            }
            Step::Remove => self.remove().await,
        }
    }

    /// Somebody who is awake and stays in the group writes.
    async fn write(&mut self) {
        let people = self.all.people.iter().take(self.members()).enumerate();
        let awake: Vec<usize> = people.filter(|(_, person)| person.runs()).map(|(at, _)| at).collect();
        let Some(author) = awake.get(self.rng.index(awake.len().max(1))).copied() else { return };
        let Some(person) = self.all.people.get(author) else { return };
        let Some((group, ..)) = standing(person).await else { return };
        let world = self.all.world.clone();
        let canary = format!("{:016x}{:016x}", self.rng.bits(), self.rng.bits());
        world.secrets.add(format!("a message of person {author}"), canary.as_bytes());
        let rest = self.values.count("bytes").saturating_sub(canary.len());
        let (host, net) = (person.host(), world.net.clone());
        let sent = move || net.host(host, |host| host.bytes().0).unwrap_or_default();
        let (before, now) = (sent(), world.now());
        let text = canary + &"o".repeat(rest);
        let Some(GroupReply::Queued { seq, .. }) = person.group(GroupCommand::Send(group, text)).await else {
            return;
        };
        self.sleepers.keep_awake(author, now + (self.values.get("linger") * SECOND as f64) as SimTime);
        self.written.insert((author, seq), now);
        for to in (0..self.members()).filter(|to| *to != author) {
            world.fact(&Fact::Queued(Message { from: who(author), to: who(to), number: seq }));
        }
        if self.values.seconds("linger") >= COUNTED {
            let figures = self.figures.clone();
            tokio::spawn(async move {
                tokio::time::sleep(COUNTED).await;
                figures.sample("sender_bytes_per_message", (sent() - before) as f64);
            });
        }
    }

    /// The owner removes the last people.
    async fn remove(&mut self) {
        // The device is in the owner's hand then.
        self.sleepers.rouse(0, self.all.world.now());
        self.all.people.iter_mut().take(1).for_each(PersonHost::start);
        let Some((owner, others)) = self.all.people.split_first() else { return };
        let Some(view) = view(owner).await else { return };
        for person in others.iter().rev().take(self.removed) {
            let name = format!("person {}", person.person.0);
            if let Some(member) = view.members.iter().find(|member| member.name == name) {
                let _ = owner.group(GroupCommand::Remove(view.info.group, member.member)).await;
            }
        }
    }

    /// Deliveries that are wanted, and how many of them there are.
    fn tally(&self) -> (usize, usize) {
        let shown = self.all.seen().posts();
        let wanted = self.written.len() * self.members().saturating_sub(1);
        let counts = |message: &&Message| (message.to.0 as usize) < self.members();
        (shown.keys().filter(counts).count(), wanted)
    }

    /// Waits until everybody has everything, or it took too long.
    async fn heal(&self) {
        let end = tokio::time::Instant::now() + Duration::from_secs_f64(60.0 * self.values.get("heal"));
        loop {
            let (shown, wanted) = self.tally();
            if shown >= wanted || tokio::time::Instant::now() >= end {
                return;
            }
            self.all.world.sleep(LOOK_EVERY).await;
        }
    }

    fn report(&self) {
        let (shown, wanted) = self.tally();
        self.figures.share("delivery_percent", shown as u64, wanted as u64);
        for (message, at) in self.all.seen().posts() {
            let (from, to) = (message.from.0 as usize, message.to.0 as usize);
            let Some(sent) = self.written.get(&(from, message.number)).copied() else { continue };
            let took = at.saturating_sub(sent);
            match self.sleepers.slept(to, sent, at) {
                0 => self.figures.sample("delay_ms", to_ms(took) as f64),
                slept => self.figures.sample("after_wake_ms", to_ms(took.saturating_sub(slept)) as f64),
            }
        }
        let mut twice = 0;
        for person in &self.all.people {
            let lines = person.group_lines();
            let distinct: std::collections::BTreeSet<_> = lines.iter().collect();
            twice += lines.len() - distinct.len();
        }
        self.figures.number("shown_twice", twice as f64);
        let later = self.all.people.iter().rev().take(self.removed);
        let has_all = |person: &&PersonHost| person.group_lines().len() >= self.written.len();
        self.figures.number("removed_who_have_all", later.filter(has_all).count() as f64);
    }
}

fn who(person: usize) -> Person {
    Person(person as u32)
}

/// Bytes that these hosts sent and received so far.
fn bytes<'a>(world: &World, people: impl Iterator<Item = &'a PersonHost>) -> u64 {
    let of = |person: &PersonHost| world.net.host(person.host(), |host| host.bytes());
    people.filter_map(of).map(|(sent, received)| sent + received).sum()
}

async fn script(world: World, setup: Setup, figures: Figures) {
    let values = &setup.values;
    let mut all = Population::found(&world, &Plan::of(&setup), &figures).await;
    let people = all.people.len();
    for person in &all.people {
        world.net.set_loss(person.host(), values.get("loss"));
    }
    all.arrive(0..people, Duration::from_secs(10), &figures).await;
    let without = if all.meet_first(&figures).await { form(&all, &figures).await } else { people };
    world.fact(&Fact::Measured {
        node: NodeId(0),
        what: "people who do not see the whole group",
        value: without as u64,
        bound: 0,
    });
    for person in &all.people {
        let view = view(person).await;
        let own = view.iter().flat_map(|view| &view.members).find(|member| member.me);
        if let Some(own) = own {
            all.seen().name(own.member, person.person);
        }
    }
    let (before, host_before, began) = (world.net.counts(), bytes(&world, all.people.iter()), world.now());
    let mut talk = Talk {
        values,
        figures: &figures,
        rng: world.rng("talk"),
        sleepers: Sleepers::new(people, world.rng("sleep")),
        asleep: (values.get("asleep") * people as f64).round() as usize,
        removed: values.count("removed").min(people.saturating_sub(2)),
        lost: None,
        written: BTreeMap::new(),
        all: &mut all,
    };
    let start = tokio::time::Instant::now();
    for (at, step) in schedule(values, people) {
        tokio::time::sleep_until(start + Duration::from_secs_f64(at)).await;
        talk.carry_out(step).await;
    }
    world.sleep(values.seconds("every").max(COUNTED)).await;
    let minutes = (world.now() - began) as f64 / 60e9;
    let spent = (bytes(&world, talk.all.people.iter()) - host_before) as f64;
    figures.number("bytes_per_person_min", spent / people as f64 / minutes);
    let counts = world.net.counts();
    figures.number("bytes_per_node_min", (counts.bytes - before.bytes) as f64 / setup.nodes as f64 / minutes);
    figures.number("messages_written", talk.written.len() as f64);
    let (shown, wanted) = talk.tally();
    figures.share("delivered_before_all_wake_percent", shown as u64, wanted as u64);
    figures.progress("everybody wakes");
    let woke = world.now();
    talk.all.relays.iter_mut().for_each(RelayHost::start);
    while talk.sleepers.wake(woke).is_some() {}
    talk.all.people.iter_mut().for_each(PersonHost::start);
    talk.heal().await;
    figures.number("all_delivered_after_wake_s", (world.now() - woke) as f64 / 1e9);
    talk.report();
    talk.all.measure().await;
    world.finish();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_sleep_as_asked_for_and_each_for_its_nap() {
        let mut values = Values::defaults(PARAMS);
        for text in ["messages=60", "every=10", "asleep=0.3", "nap=120"] {
            values.set(PARAMS, text).unwrap();
        }
        let lulls: Vec<_> = schedule(&values, 10)
            .into_iter()
            .filter(|(_, step)| matches!(step, Step::Lull))
            .map(|(at, _)| at)
            .collect();
        // Three at once, then one every forty seconds: each of the three sleeps for 120.
        assert_eq!(lulls[..5], [0.0, 0.0, 0.0, 40.0, 80.0]);
        assert_eq!(lulls.len(), 3 + 15);
        let none = schedule(&Values::defaults(PARAMS), 1);
        assert!(none.iter().all(|(_, step)| matches!(step, Step::Write)));
    }
}
