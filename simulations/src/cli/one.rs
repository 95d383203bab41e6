//! `karvon-sim run`: one world in this process.

use super::RunArgs;
use crate::det;
use crate::report::{Figures, Head, Outcome};
use crate::scenario::{self, Scenario, Setup};
use crate::world::World;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// Runs it; false if something was violated or broke off.
pub(super) fn run(args: &RunArgs) -> Result<bool, String> {
    let scenario = scenario::find(&args.scenario).map_err(|error| error.to_string())?;
    let setup = setup(scenario.as_ref(), args).map_err(|error| error.to_string())?;
    if !det::supported() {
        return Err(det::RunError::Unsupported.to_string());
    }
    let out: Box<dyn Write + Send> = match &args.out {
        Some(file) => Box::new(std::io::BufWriter::new(
            std::fs::File::create(file)
                .map_err(|error| format!("can not write {}: {error}", file.display()))?,
        )),
        None => Box::new(std::io::stdout()),
    };
    let head = Head {
        scenario: args.scenario.clone(),
        seed: args.seed,
        nodes: setup.nodes,
        set: setup.values.changed(&scenario.defaults()),
    };
    let figures = Figures::new(out, args.quiet);
    figures.head(&head);
    let (outcome, trace, last) = world(scenario, setup, args.seed, &figures);
    figures
        .end(&head, &outcome, &trace, &last)
        .map_err(|error| format!("can not write the results: {error}"))?;
    if let Outcome::Violated(why) | Outcome::Partial(why) = &outcome {
        eprintln!("{}: {why}\nreplay: {}", outcome.word(), head.replay());
    }
    Ok(outcome == Outcome::Passed)
}

fn setup(scenario: &dyn Scenario, args: &RunArgs) -> Result<Setup, scenario::SetupError> {
    let mut values = scenario.defaults();
    for text in &args.set {
        values.set(scenario.params(), text)?;
    }
    let [_, usual, _] = scenario.nodes();
    let setup = Setup { nodes: args.nodes.unwrap_or(usual), values };
    setup.check(scenario.nodes(), scenario.bytes_per_node())?;
    Ok(setup)
}

/// Runs the world on its own thread; returns how it ended, the trace's hash and, if it did not pass, the last events.
fn world(
    scenario: Box<dyn Scenario>,
    setup: Setup,
    seed: u64,
    figures: &Figures,
) -> (Outcome, String, Vec<String>) {
    let kept: Arc<Mutex<Option<World>>> = Arc::default();
    let (inside, inner_figures) = (kept.clone(), figures.clone());
    let cpu = det::cpu_ns();
    let result = det::run(seed, move || async move {
        inner_figures.enter();
        let world = World::new(seed, setup.nodes);
        *inside.lock().unwrap_or_else(PoisonError::into_inner) = Some(world.clone());
        let nodes = setup.nodes;
        let script = scenario.script(world.clone(), setup, inner_figures.clone());
        let result = world.watch(script).await;
        let seconds = world.now() as f64 / 1e9;
        let cpu = (det::cpu_ns() - cpu) as f64 / 1e9;
        let counts = world.net.counts();
        inner_figures.number("virtual_s", seconds);
        inner_figures.number("segments", counts.segments as f64);
        inner_figures.number("wire_bytes", counts.bytes as f64);
        inner_figures.number("sealings", world.sealings() as f64);
        // The next ones are of the machine that runs the world, not of the world: they differ from run to run.
        inner_figures.number("cpu_s", cpu);
        inner_figures.number("cpu_ms_per_node_min", cpu * 1e3 / nodes as f64 / (seconds / 60.0).max(1e-9));
        inner_figures.number("times_real_time", seconds / cpu.max(1e-9));
        inner_figures.number("rss_mib", det::rss_bytes() as f64 / f64::from(1 << 20));
        (result, world.trace.hash())
    });
    let world = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
    let last = || world.map(|world| world.trace.last()).unwrap_or_default();
    match result {
        Ok((Ok(()), trace)) => (Outcome::Passed, trace, Vec::new()),
        Ok((Err(violation), trace)) => (Outcome::Violated(violation.to_string()), trace, last()),
        Err(error) => (Outcome::Partial(error.to_string()), String::new(), last()),
    }
}
