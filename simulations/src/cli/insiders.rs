//! `karvon-sim insiders`: the model of people among whom some report doors, by several rules.

use crate::insiders::{Outcome, Rule, Setup, run as model};
use clap::Args;

/// What is run: each rule with each share of insiders and each seed.
#[derive(Debug, Args)]
pub(super) struct InsidersArgs {
    /// How doors are given: ours, all, random.
    #[arg(long, value_delimiter = ',', default_value = "ours,random,all")]
    rule: Vec<Rule>,
    /// Insiders, in thousandths of all people.
    #[arg(long, value_delimiter = ',', default_value = "10,20,50,100,200")]
    permille: Vec<usize>,
    /// How many seeds, from 1 on.
    #[arg(long, default_value_t = 10)]
    seeds: u64,
    /// People.
    #[arg(long, default_value_t = 300)]
    people: usize,
    /// Relays.
    #[arg(long, default_value_t = 30)]
    relays: usize,
    /// People who know those that run relays.
    #[arg(long, default_value_t = 15)]
    roots: usize,
    /// Days.
    #[arg(long, default_value_t = 30)]
    days: u64,
    /// Days that an insider waits with a report.
    #[arg(long, default_value_t = 0)]
    patience: u64,
    /// People invited across the tree by each.
    #[arg(long, default_value_t = 2)]
    across: usize,
    /// Who has no door still reaches contacts.
    #[arg(long)]
    courier: bool,
    /// The share on each day as well.
    #[arg(long)]
    curve: bool,
}

/// Runs all and prints a table.
pub(super) fn run(args: &InsidersArgs) -> Result<bool, String> {
    if args.roots == 0 || args.roots >= args.people || args.relays == 0 || args.days < 3 || args.seeds == 0 {
        return Err(
            "at least one root, one more person than roots, one relay, three days and one seed are needed"
                .into(),
        );
    }
    if args.permille.iter().any(|permille| args.people * permille / 1_000 > args.people - args.roots) {
        return Err("there can be no more insiders than people who are no roots".into());
    }
    println!(
        "| rule | insiders | with a door on the last day, mean (least to most) | relays blocked | doors held |"
    );
    println!("|---|---|---|---|---|");
    for rule in &args.rule {
        for permille in &args.permille {
            let runs: Vec<Outcome> = (1..=args.seeds)
                .map(|seed| {
                    model(Setup {
                        rule: *rule,
                        people: args.people,
                        relays: args.relays,
                        roots: args.roots,
                        insiders_permille: *permille,
                        days: args.days,
                        patience: args.patience,
                        across: args.across,
                        courier: args.courier,
                        seed,
                    })
                })
                .collect();
            print(*rule, *permille, &runs, args.curve);
        }
    }
    Ok(true)
}

fn print(rule: Rule, permille: usize, runs: &[Outcome], curve: bool) {
    let count = runs.len() as f64;
    let last: Vec<f64> = runs.iter().filter_map(|run| run.share.last().copied()).collect();
    let mean = last.iter().sum::<f64>() / count;
    let (least, most) =
        last.iter().fold((1.0_f64, 0.0_f64), |(low, high), share| (low.min(*share), high.max(*share)));
    let blocked = runs.iter().map(|run| run.blocked as f64).sum::<f64>() / count;
    let held = runs.iter().map(|run| run.held).sum::<f64>() / count;
    println!(
        "| {rule:?} | {:.1} % | {:.0} % ({:.0} to {:.0}) | {blocked:.1} | {held:.1} |",
        permille as f64 / 10.0,
        100.0 * mean,
        100.0 * least,
        100.0 * most
    );
    if curve {
        let days = runs.first().map_or(0, |run| run.share.len());
        let on = |day: usize| 100.0 * runs.iter().filter_map(|run| run.share.get(day)).sum::<f64>() / count;
        let words: Vec<String> = (0..days).map(|day| format!("{:.0}", on(day))).collect();
        println!("    day by day: {}", words.join(" "));
    }
}
