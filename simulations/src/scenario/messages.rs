//! People write to each other over relays while things go wrong: one script with many parameters, and named choices of them.

use super::population::{Plan, Population};
use super::script::{Step, schedule};
use super::{Param, Scenario, Script, Setup, Values, rejoin};
use crate::det::{Rng, cpu_ns};
use crate::report::Figures;
use crate::world::World;
use futures::FutureExt;
use std::time::Duration;

pub(super) const PARAMS: &[Param] = &[
    Param::new("relays", "relays among the nodes; 0: one in twenty, at least three", 0.0, 0.0, 1_000.0),
    Param::new("contacts", "people that each person knows", 2.0, 1.0, 20.0),
    Param::new("doors", "doors of each person", 2.0, 1.0, 5.0),
    Param::new("messages", "messages of each person in total", 5.0, 1.0, 10_000.0),
    Param::new("every", "seconds between a person's messages on average", 60.0, 0.1, 86_400.0),
    Param::new("bytes", "bytes of a message", 200.0, 80.0, 8_000.0),
    Param::new("line", "people's lines: 0 2G, 1 mobile, 2 home", 1.0, 0.0, 2.0),
    Param::new("asleep", "share of time that people's phones sleep", 0.0, 0.0, 0.95),
    Param::new("awake", "minutes that a phone stays awake on average", 15.0, 1.0, 600.0),
    Param::new(
        "kills",
        "people's and relays' processes killed or cut off from power in an hour",
        0.0,
        0.0,
        1_000.0,
    ),
    Param::new("faults", "disks that fail to write in an hour", 0.0, 0.0, 1_000.0),
    Param::new(
        "lost",
        "share of relays that lose power in the middle and come back in the end",
        0.0,
        0.0,
        1.0,
    ),
    Param::new("cut", "1: in the middle the border is cut until the end", 0.0, 0.0, 1.0),
    Param::new("left", "relays abroad that are still reached across the cut border", 1.0, 0.0, 100.0),
    Param::new("restart", "share of people inside who start anew right after the cut", 0.0, 0.0, 1.0),
    Param::new("skew", "hours by which people's clocks are off at the most", 0.0, 0.0, 90_000.0),
    Param::new("newcomers", "share of people who come in the middle, within five minutes", 0.0, 0.0, 0.9),
    Param::new(
        "censor",
        "from the middle to the end at the border: 0 nothing, 1 freeze after 16 KiB, 2 throttle to 14 kB/s, 3 handshake policing, 4 random resets, 5 half of the relays' addresses",
        0.0,
        0.0,
        5.0,
    ),
    Param::new("droppers", "relays that from the middle on lose one frame in five", 0.0, 0.0, 1_000.0),
    Param::new("stallers", "relays that from the middle on answer and carry nothing", 0.0, 0.0, 1_000.0),
    Param::new(
        "liars",
        "relays that from the middle on confirm cells and do not keep them",
        0.0,
        0.0,
        1_000.0,
    ),
    Param::new(
        "flood",
        "messages a second that one person writes to a contact in the middle, for 30 s",
        0.0,
        0.0,
        1_000.0,
    ),
    Param::new(
        "pests",
        "connections a second that a stranger opens to all doors from the middle on",
        0.0,
        0.0,
        1_000.0,
    ),
    Param::new(
        "rollbacks",
        "people whose device is replaced by an older copy of it in the middle",
        0.0,
        0.0,
        1_000.0,
    ),
    Param::new(
        "torn",
        "1: people's disks confirm what a loss of power then takes away; the oracles must find it",
        0.0,
        0.0,
        1.0,
    ),
    Param::new("heal", "most minutes that everything may take once all is well again", 60.0, 1.0, 10_000.0),
];

/// A named choice of parameters.
pub(super) struct Messages {
    name: &'static str,
    about: &'static str,
    choice: &'static [&'static str],
}

/// All of them.
pub(super) const NAMED: [Messages; 11] = [
    Messages { name: "baseline", about: "people write to each other and nothing goes wrong", choice: &[] },
    Messages {
        name: "offline",
        about: "phones sleep most of the time: what is delivered when they wake, and at what price",
        choice: &["asleep=0.8", "awake=15", "every=600", "heal=240"],
    },
    Messages { name: "relay-loss", about: "a third of the relays loses power", choice: &["lost=0.34"] },
    Messages {
        name: "border-cut",
        about: "the border is cut and few relays abroad are still reached",
        choice: &["cut=1", "left=1"],
    },
    Messages {
        name: "blocked",
        about: "a box at the border starts to interfere with one kind of traffic",
        choice: &["censor=1"],
    },
    Messages { name: "slow", about: "everybody is on 2G", choice: &["line=0", "every=300", "heal=240"] },
    Messages { name: "skew", about: "clocks are wrong by up to ten years", choice: &["skew=87600"] },
    Messages {
        name: "crash",
        about: "processes are killed, power fails in the middle of writes, disks refuse",
        choice: &["kills=60", "faults=20"],
    },
    Messages {
        name: "sour-relays",
        about: "one relay loses frames, one swallows them, one confirms and does not keep",
        choice: &["droppers=1", "stallers=1", "liars=1", "relays=8"],
    },
    Messages {
        name: "spam",
        about: "somebody floods a contact, and strangers pester every door",
        choice: &["flood=50", "pests=20"],
    },
    Messages {
        name: "flash-crowd",
        about: "nine of ten people come within five minutes",
        choice: &["newcomers=0.9"],
    },
];

impl Messages {
    fn values(&self) -> Values {
        let mut values = Values::defaults(PARAMS);
        for text in self.choice {
            // A test sees to it that each choice is possible.
            let _ = values.set(PARAMS, text);
        }
        values
    }
}

impl Scenario for Messages {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn nodes(&self) -> [usize; 3] {
        [5, 40, 10_000]
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn defaults(&self) -> Values {
        self.values()
    }

    fn bytes_per_node(&self) -> u64 {
        2 << 20
    }

    fn small(&self, rng: &mut Rng) -> Setup {
        let mut values = self.values();
        let some = |rng: &mut Rng, of: u64| rng.below(of) == 0;
        let mut picks = vec![
            format!("relays={}", 3 + rng.below(4)),
            format!("messages={}", 2 + rng.below(8)),
            format!("every={}", 10 + rng.below(60)),
            format!("bytes={}", 80 + rng.below(3_000)),
        ];
        if some(rng, 3) {
            picks.push(format!("kills={}", 20 + rng.below(200)));
        }
        if some(rng, 3) {
            picks.push(format!("faults={}", 20 + rng.below(100)));
        }
        if some(rng, 4) {
            picks.push(format!("lost={}", rng.below(8) as f64 / 10.0));
        }
        if some(rng, 4) {
            picks.extend([
                "cut=1".to_owned(),
                format!("left={}", rng.below(3)),
                format!("restart={}", rng.below(2)),
            ]);
        }
        if some(rng, 4) {
            picks.push(format!("skew={}", rng.below(90_000)));
        }
        if some(rng, 4) {
            picks.push(format!("censor={}", 1 + rng.below(5)));
        }
        if some(rng, 6) {
            picks.push(format!("asleep={}", rng.below(9) as f64 / 10.0));
        }
        if some(rng, 5) {
            let kinds = ["droppers=1", "stallers=1", "liars=1"];
            picks.extend(kinds.get(rng.index(kinds.len())).map(ToString::to_string));
        }
        if some(rng, 6) {
            picks.push(format!("flood={}", 1 + rng.below(100)));
        }
        if some(rng, 8) {
            picks.push(format!("pests={}", 1 + rng.below(20)));
        }
        if some(rng, 8) {
            picks.push("rollbacks=1".to_owned());
        }
        picks.push("heal=600".to_owned());
        for pick in picks {
            let _ = values.set(PARAMS, &pick);
        }
        Setup { nodes: 10 + rng.index(11), values }
    }

    fn script(&self, world: World, setup: Setup, figures: Figures) -> Script {
        Box::pin(script(world, setup, figures))
    }
}

async fn script(world: World, setup: Setup, figures: Figures) {
    let values = &setup.values;
    let plan = Plan::of(&setup);
    let mut all = Population::found(&world, &plan, &figures).await;
    let newcomers = (values.get("newcomers") * all.people.len() as f64) as usize;
    let early = all.people.len() - newcomers;
    all.arrive(0..early, Duration::from_secs(10), &figures).await;
    all.meet(0..early, &figures).await;
    figures.number("met_after_s", world.now() as f64 / 1e9);
    let (before, cpu) = (world.net.counts(), cpu_ns());
    let began = world.now();
    let spans = schedule(&world, &plan, values);
    let length = spans.length;
    let mut start = tokio::time::Instant::now();
    for (at, step) in spans.steps {
        tokio::time::sleep_until(start + at).await;
        match step {
            Step::Newcomers => {
                // What comes later in the schedule waits for them.
                let pause = tokio::time::Instant::now();
                let late = early..all.people.len();
                all.arrive(late.clone(), Duration::from_secs(300), &figures).await;
                all.meet(late, &figures).await;
                start += pause.elapsed();
            }
            Step::Look => rejoin::look(&mut all, &figures).await,
            step => all.carry_out(step, values).await,
        }
    }
    tokio::time::sleep_until(start + length).await;
    let counts = world.net.counts();
    let minutes = (world.now() - began) as f64 / 60e9;
    let (written, open) = all.tally();
    figures.number("messages_written", written as f64);
    figures.share("delivered_before_repair_percent", written.saturating_sub(open), written);
    let bytes = (counts.bytes - before.bytes) as f64;
    figures.number("bytes_per_node_min", bytes / setup.nodes as f64 / minutes);
    if written > 0 {
        figures.number("bytes_per_message", bytes / written as f64);
    }
    // Of the machine that runs the world, like the others of this name: it differs from run to run.
    figures.number("cpu_s_per_simulated_min", (cpu_ns() - cpu) as f64 / 1e9 / minutes);
    figures.number("connections_per_node", 2.0 * world.net.flows() as f64 / setup.nodes as f64);
    rejoin::reach(&all, &figures).await;
    figures.progress("all is being repaired");
    let repaired = world.now();
    all.repair().await;
    let healed = all.all_delivered().map(|()| true);
    let healed = tokio::time::timeout(Duration::from_secs_f64(60.0 * values.get("heal")), healed).await;
    figures.number("all_delivered_after_s", (world.now() - repaired) as f64 / 1e9);
    figures.number("undelivered", all.tally().1 as f64);
    if healed.is_err() {
        figures.progress("not everything was delivered in time");
    }
    all.measure().await;
    all.report(&figures);
    world.finish();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_choice_is_possible() {
        for named in NAMED {
            let mut values = Values::defaults(PARAMS);
            for text in named.choice {
                values.set(PARAMS, text).unwrap();
            }
        }
    }
}
