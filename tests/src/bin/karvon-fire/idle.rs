//! Many leaves that are connected and do nothing: what they cost a relay in memory and processor time.

use crate::relay::{Place, Relay, cpu_seconds, resident};
use karvon_tests::visitor::Visitor;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leaves
    #[arg(long, default_value_t = 10_000)]
    leaves: u64,
    /// How long they do nothing, seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(options: &Options) -> Value {
    let most = (options.leaves + 64).to_string();
    let keys = [
        ("limits.connections", most.as_str()),
        ("limits.pending", "1000"),
        ("limits.memory", "4 GiB"),
        ("traffic.slot_links", most.as_str()),
        ("traffic.slot_opens", "1000000"),
    ];
    let relay = Relay::start(&options.place, &keys);
    let empty = resident(relay.pid());
    let start = Instant::now();
    let mut leaves = Vec::new();
    let mut failed = 0_u64;
    let numbers: Vec<u64> = (0..options.leaves).collect();
    for some in numbers.chunks(64) {
        let coming: Vec<_> = some
            .iter()
            .map(|number| {
                let (door, number) = (relay.door.clone(), *number);
                tokio::spawn(async move {
                    let mut visitor = Visitor::enter(&door, number).await?;
                    visitor.open().await?;
                    Ok::<_, karvon_tests::visitor::Trouble>(visitor)
                })
            })
            .collect();
        for leaf in coming {
            match leaf.await {
                Ok(Ok(visitor)) => leaves.push(visitor),
                _ => failed += 1,
            }
        }
    }
    let connected = start.elapsed();
    let (cpu, idle) = (cpu_seconds(relay.pid()), Instant::now());
    let mut peak = 0;
    while idle.elapsed() < Duration::from_secs(options.seconds) {
        peak = peak.max(resident(relay.pid()));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let share = (cpu_seconds(relay.pid()) - cpu) / idle.elapsed().as_secs_f64();
    let status = relay.status().await;
    let still = status["leaves"].as_u64().unwrap_or_default();
    json!({
        "clean": failed == 0 && still == options.leaves,
        "leaves": still, "failed": failed, "connected_in_s": connected.as_secs_f64(),
        "relay_rss_empty": empty, "relay_rss_peak": peak, "relay_rss_per_leaf": peak.saturating_sub(empty) / still.max(1),
        "relay_cpu_share_idle": share, "status": status,
    })
}
