//! `karvon-sim swarm`: many small worlds with random mixes of faults, or those of a file, each in a process of its own.

use super::{SwarmArgs, run_args};
use crate::det::Rng;
use crate::report::Head;
use crate::scenario::{self, Scenario};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A process that runs longer is counted as stuck: a busy machine may give it little of itself.
const STUCK_AFTER: Duration = Duration::from_secs(7_200);
/// How often the children are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A world to run.
struct Job {
    scenario: String,
    /// The replay line, which is also the command.
    line: String,
}

struct Running {
    job: Job,
    child: Child,
    since: Instant,
}

/// Runs them; false if one did not pass.
pub(super) fn run(args: &SwarmArgs) -> Result<bool, String> {
    let mut jobs = jobs(args)?;
    let until = args.minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let at_once = args.jobs.unwrap_or(cores).max(1);
    let program = std::env::current_exe().map_err(|error| format!("can not find this program: {error}"))?;
    if let Some(dir) = &args.keep {
        std::fs::create_dir_all(dir).map_err(|error| format!("can not make {}: {error}", dir.display()))?;
    }
    let (mut running, mut passed, mut failed) = (Vec::<Running>::new(), BTreeMap::new(), 0_u64);
    let mut started = 0_u64;
    loop {
        while running.len() < at_once && until.is_none_or(|until| Instant::now() < until) {
            let Some(job) = jobs.next().transpose()? else { break };
            started += 1;
            let file = format!("{started:04}-{}.jsonl", job.scenario);
            let out = args.keep.as_ref().map(|dir| dir.join(file));
            let child = start(&program, &job, out.as_deref())
                .map_err(|error| format!("can not start a run: {error}"))?;
            running.push(Running { job, child, since: Instant::now() });
        }
        if running.is_empty() {
            break;
        }
        let mut still = Vec::with_capacity(running.len());
        for mut run in running {
            let ended = run.child.try_wait().map_err(|error| format!("lost a run: {error}"))?;
            match ended {
                Some(status) if status.success() => {
                    *passed.entry(run.job.scenario).or_insert(0_u64) += 1;
                }
                Some(status) => {
                    failed += 1;
                    eprintln!("{}: {}\nreplay: {}", run.job.scenario, words(status), run.job.line);
                }
                None if run.since.elapsed() > STUCK_AFTER => {
                    failed += 1;
                    let _ = run.child.kill();
                    let _ = run.child.wait();
                    eprintln!("{}: stuck, ended\nreplay: {}", run.job.scenario, run.job.line);
                }
                None => still.push(run),
            }
        }
        running = still;
        std::thread::sleep(LOOK_EVERY);
    }
    println!("{}", serde_json::json!({"kind": "swarm", "passed": passed, "failed": failed}));
    Ok(failed == 0)
}

/// The worlds to run, in order.
fn jobs(args: &SwarmArgs) -> Result<Box<dyn Iterator<Item = Result<Job, String>>>, String> {
    let Some(file) = &args.lines else {
        let scenarios = match &args.only {
            Some(name) => vec![scenario::find(name).map_err(|error| error.to_string())?],
            None => scenario::catalogue(),
        };
        let heads = seeds(args)?.map(move |seed| mix(&scenarios, seed));
        return Ok(Box::new(
            heads.map(|head| head.map(|head| Job { line: head.replay(), scenario: head.scenario })),
        ));
    };
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("can not read {}: {error}", file.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let jobs = lines.map(|line| {
        let scenario = run_args(line)?.scenario;
        Ok(Job { scenario, line: line.to_owned() })
    });
    let jobs: Vec<_> = jobs.collect::<Result<_, String>>()?;
    Ok(Box::new(jobs.into_iter().map(Ok)))
}

fn seeds(args: &SwarmArgs) -> Result<Box<dyn Iterator<Item = u64>>, String> {
    match (&args.seeds, args.minutes) {
        (Some(text), _) => {
            let range = text.split_once("..").and_then(|(from, to)| {
                Some((from.trim().parse::<u64>().ok()?, to.trim().parse::<u64>().ok()?))
            });
            match range {
                Some((from, to)) if from < to => Ok(Box::new(from..to)),
                Some((from, to)) => {
                    Err(format!("there are no seeds in {from}..{to}; {from}..{} is one", from + 1))
                }
                None => Err(format!("\"{text}\" is no range of seeds such as 1..51")),
            }
        }
        (None, Some(_)) => Ok(Box::new(1..)),
        (None, None) => Err("say --minutes M or --seeds A..B, such as --seeds 1..51".to_owned()),
    }
}

/// The mix that belongs to a seed.
fn mix(scenarios: &[Box<dyn Scenario>], seed: u64) -> Result<Head, String> {
    let mut rng = Rng::fork(seed, "swarm");
    // In turn, so that few seeds already try every scenario.
    let turn = seed.checked_rem(scenarios.len() as u64).unwrap_or_default();
    let scenario = scenarios.get(turn as usize).ok_or("there are no scenarios")?;
    let setup = scenario.small(&mut rng);
    let set = setup.values.changed(&scenario.defaults());
    Ok(Head { scenario: scenario.name().to_owned(), seed, nodes: setup.nodes, set })
}

fn start(program: &Path, job: &Job, out: Option<&Path>) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    // The same words as in the replay line, so that it can not say anything else.
    command.args(job.line.split_whitespace().skip(1)).arg("--quiet");
    if let Some(out) = out {
        command.arg("--out").arg(out);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn()
}

fn words(status: ExitStatus) -> String {
    #[cfg(unix)]
    if std::os::unix::process::ExitStatusExt::signal(&status) == Some(31) {
        return "a part of the world asked the kernel for entropy by itself, so it can not be deterministic"
            .to_owned();
    }
    format!("did not pass ({status})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<u64>, String> {
        let seeds_of = Some(text.to_owned());
        let args =
            SwarmArgs { minutes: None, seeds: seeds_of, lines: None, keep: None, only: None, jobs: None };
        seeds(&args).map(Iterator::collect)
    }

    #[test]
    fn ranges_of_seeds_are_read_and_wrong_ones_explained() {
        assert_eq!(parse("3..6"), Ok(vec![3, 4, 5]));
        assert_eq!(parse("5..5"), Err("there are no seeds in 5..5; 5..6 is one".to_owned()));
        assert!(parse("five").is_err_and(|words| words.contains("1..51")));
    }

    #[test]
    fn a_seed_always_makes_the_same_mix_and_others_make_others() {
        let scenarios = scenario::catalogue();
        let lines: std::collections::BTreeSet<_> =
            (0..20).map(|seed| mix(&scenarios, seed).unwrap().set.join(" ")).collect();
        assert!(lines.len() > 10);
        assert_eq!(mix(&scenarios, 4).unwrap(), mix(&scenarios, 4).unwrap());
    }
}
