//! The command line of `karvon-sim`.

mod insiders;
mod many;
mod one;

use crate::report;
use crate::scenario;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Asks what happens to people's messages when …, and gets the same answer twice.
#[derive(Debug, Parser)]
#[command(name = "karvon-sim", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one scenario with one seed.
    Run(RunArgs),
    /// Run small random mixes of all scenarios, one process for each seed.
    Swarm(SwarmArgs),
    /// Repeat a run from its replay line, or from the last line of its results.
    Replay {
        /// The line.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        line: Vec<String>,
    },
    /// Who still has a door when some people report every one that they get: a model by the product's own rule.
    Insiders(insiders::InsidersArgs),
    /// List the scenarios and their parameters.
    List,
    /// Put results together: a table on the output, pictures into a folder.
    Report {
        /// Files made with `run --out`.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Where to put the pictures.
        #[arg(long)]
        svg: Option<PathBuf>,
    },
}

/// What a run is made from.
#[derive(Debug, Args)]
struct RunArgs {
    /// The scenario; `list` shows them.
    scenario: String,
    /// Everything random follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many nodes.
    #[arg(long)]
    nodes: Option<usize>,
    /// Sets a parameter: key=number.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Write the results here instead of to the output.
    #[arg(long)]
    out: Option<PathBuf>,
    /// No progress.
    #[arg(long)]
    quiet: bool,
}

/// Which seeds to run.
#[derive(Debug, Args)]
struct SwarmArgs {
    /// For so many minutes, from seed 1 on.
    #[arg(long, conflicts_with = "seeds")]
    minutes: Option<u64>,
    /// From the first up to and without the last: 1..51.
    #[arg(long)]
    seeds: Option<String>,
    /// The replay lines of this file instead of seeds; lines that begin with # are passed over.
    #[arg(long, conflicts_with_all = ["minutes", "seeds", "only"])]
    lines: Option<PathBuf>,
    /// Keep the results of each run in this folder.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Only this scenario.
    #[arg(long)]
    only: Option<String>,
    /// So many at once; all cores without it.
    #[arg(long)]
    jobs: Option<usize>,
}

/// Runs the program. 0: done, nothing violated; 1: something was violated or broke off; 2: it could not start.
#[must_use]
pub fn main() -> ExitCode {
    run(Cli::parse())
}

fn run(cli: Cli) -> ExitCode {
    let result = match cli.command {
        Command::Run(args) => one::run(&args),
        Command::Swarm(args) => many::run(&args),
        Command::Replay { line } => replay(&line.join(" ")),
        Command::Insiders(args) => insiders::run(&args),
        Command::List => {
            list();
            Ok(true)
        }
        Command::Report { files, svg } => put_together(&files, svg.as_deref()).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(why) => {
            eprintln!("karvon-sim: {why}");
            ExitCode::from(2)
        }
    }
}

fn replay(line: &str) -> Result<bool, String> {
    let value: Option<serde_json::Value> = serde_json::from_str(line).ok();
    let line = value.as_ref().and_then(|value| value.get("replay")?.as_str()).unwrap_or(line);
    one::run(&run_args(line)?)
}

/// What a replay line asks for.
fn run_args(line: &str) -> Result<RunArgs, String> {
    match Cli::try_parse_from(line.split_whitespace()) {
        Ok(Cli { command: Command::Run(args) }) => Ok(args),
        _ => Err(format!("\"{line}\" is no replay line; one begins with \"karvon-sim run\"")),
    }
}

fn list() {
    for scenario in scenario::catalogue() {
        let [least, usual, most] = scenario.nodes();
        println!("{}: {} ({least} to {most} nodes, {usual} by default)", scenario.name(), scenario.about());
        for param in scenario.params() {
            println!(
                "    {}={} ({} to {}): {}",
                param.key, param.default, param.least, param.most, param.about
            );
        }
    }
}

fn put_together(files: &[PathBuf], svg: Option<&std::path::Path>) -> Result<(), String> {
    let mut runs = Vec::new();
    for file in files {
        runs.extend(report::read(file).map_err(|error| error.to_string())?);
    }
    print!("{}", report::table(&runs));
    if let Some(dir) = svg {
        let files = report::write_pictures(&runs, dir)
            .map_err(|error| format!("can not write pictures into {}: {error}", dir.display()))?;
        for file in files {
            eprintln!("wrote {}", file.display());
        }
    }
    Ok(())
}
