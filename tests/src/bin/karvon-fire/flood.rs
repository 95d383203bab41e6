//! A flood of connections and slow clients against a relay, while people deposit at a steady pace: what they notice of it, and how soon it
//! is over.

use crate::relay::{Place, Relay, cpu_seconds, resident};
use karvon_node::relay::control::Ask;
use karvon_tests::flood::{Flood, Plan};
use karvon_tests::honest::{Crowd, Sample, within};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A second counts as like before if its p99 is below this, or below twice that of before.
const LIKE_BEFORE_MS: f64 = 20.0;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Connections that send nothing, garbage, half a handshake, or finish it and stop
    #[arg(long, default_value_t = 10_000)]
    connections: u64,
    /// Clients that send a byte every few seconds, or read nothing
    #[arg(long, default_value_t = 1_000)]
    slow: u64,
    /// After how long one that was sent away comes back, seconds
    #[arg(long, default_value_t = 5)]
    again: u64,
    /// How long the flood lasts, seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Before it, and after it, seconds
    #[arg(long, default_value_t = 20)]
    quiet: u64,
    /// Honest senders
    #[arg(long, default_value_t = 20)]
    senders: u64,
    /// Each of them deposits once in so many milliseconds
    #[arg(long, default_value_t = 100)]
    every: u64,
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(options: &Options) -> Value {
    let relay = Relay::start_strict(&options.place, &[]);
    let every = Duration::from_millis(options.every);
    let seconds = options.seconds + 2 * options.quiet + options.senders;
    let most = (seconds * 1_000 / options.every).min(8_000);
    let crowd = Crowd::start(&relay.door, options.senders, every, most).await.expect("honest people get in");
    let mut doors = Vec::new();
    for _ in 0..4 {
        let made = relay.ask(&Ask::NewDoor).await;
        doors.push(made["door"].as_str().expect("a door is made").to_owned());
    }
    let quiet = Duration::from_secs(options.quiet);
    let memory = Memory::watch(relay.pid());

    let began = Instant::now();
    tokio::time::sleep(quiet).await;
    let (rss_before, before) = (memory.most(), relay.status().await);
    let cpu = cpu_seconds(relay.pid());
    let plan = Plan {
        relay: relay.listen(),
        doors,
        connections: options.connections,
        slow: options.slow,
        again: Duration::from_secs(options.again),
        byte_every: Duration::from_secs(3),
    };
    eprintln!("the flood begins");
    let flooded = Instant::now();
    let hostile = elsewhere();
    let flood = hostile.spawn(async move { Flood::start(&plan).await });
    let flood = flood.await.expect("a flood that does not panic").expect("a flood");
    tokio::time::sleep(Duration::from_secs(options.seconds)).await;
    let (rss_during, during) = (memory.most(), relay.status().await);
    let cpu_share = (cpu_seconds(relay.pid()) - cpu) / flooded.elapsed().as_secs_f64();
    let calm = Instant::now();
    let counts = hostile.spawn(flood.stop()).await.expect("a flood that ends");
    hostile.shutdown_background();
    eprintln!("the flood is over, its last connection was closed after {:?}", calm.elapsed());
    tokio::time::sleep(quiet).await;
    let (rss_after, after) = (resident(relay.pid()), relay.status().await);

    let (deposits, entries) = (crowd.deposits(), crowd.entries());
    let account = crowd.count().await.expect("the mailboxes can be read");
    let of = |samples: &[Sample], from: Instant, to: Instant| -> Vec<Sample> {
        samples.iter().filter(|sample| (from..to).contains(&sample.due)).copied().collect()
    };
    let end = calm + quiet;
    let spans = [("before", began, flooded), ("during", flooded, calm), ("after", calm, end)];
    let table = |samples: &[Sample]| -> Value {
        let row = |samples: Vec<Sample>| {
            json!({
                "count": samples.len(), "p50_ms": within(&samples, 500), "p99_ms": within(&samples, 990),
                "max_ms": within(&samples, 1_000),
                "given_up": samples.iter().filter(|sample| sample.took.is_none()).count(),
            })
        };
        spans.iter().map(|(name, from, to)| ((*name).to_owned(), row(of(samples, *from, *to)))).collect()
    };
    let usual = within(&of(&deposits, began, flooded), 990);
    let recovery = recovery(&of(&deposits, calm, end), &of(&entries, calm, end), calm, end, usual);
    let p99 = within(&of(&deposits, flooded, calm), 990);
    let told = |name: &str| json!({ "before": before[name], "during": during[name], "after": after[name] });
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    json!({
        "clean": account.lost == 0 && account.doubled == 0 && account.changed == 0 && account.confirmed > 0,
        "bars": { "p99_below_500_ms": p99 < 500.0, "recovery_below_10_s": recovery.is_some_and(|s| s < 10.0) },
        "deposit": table(&deposits), "newcomer": table(&entries), "recovery_s": recovery,
        "confirmed": account.confirmed, "lost": account.lost, "doubled": account.doubled, "changed": account.changed,
        "honest_links_cut": account.cut,
        "flood": {
            "connections": options.connections, "slow": options.slow, "seconds": options.seconds,
            "made": count(&counts.made), "failed": count(&counts.failed), "ended": count(&counts.ended),
            "shaken": count(&counts.shaken), "inside": count(&counts.inside),
        },
        "relay_rss_peak": { "before": rss_before, "during": rss_during }, "relay_rss_after": rss_after,
        "relay_cpu_share": cpu_share,
        "connections": told("connections"), "turned_away": told("turned_away"), "slow_links": told("slow"),
        "refused": told("refused"),
    })
}

/// Whoever floods a relay does it with other computers: on this one they get a thread of their own that gives way to the others.
fn elsewhere() -> tokio::runtime::Runtime {
    let give_way = || {
        // A system that does not let a thread give way is measured as it is.
        let _ = rustix::process::setpriority_process(None, 10);
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(1).on_thread_start(give_way).enable_all().build().expect("a runtime")
}

/// Seconds from the end of the flood until everything is as it was: from then on each second's p99 is like before, and newcomers are let in.
/// `None` if that is never so.
fn recovery(deposits: &[Sample], entries: &[Sample], from: Instant, to: Instant, usual: f64) -> Option<f64> {
    let like_before = LIKE_BEFORE_MS.max(2.0 * usual);
    let mut since = None;
    let mut second = from;
    while second + Duration::from_secs(1) <= to {
        let next = second + Duration::from_secs(1);
        let due = |sample: &&Sample| (second..next).contains(&sample.due);
        let window: Vec<Sample> = deposits.iter().filter(due).copied().collect();
        let good = !window.is_empty() && within(&window, 990) <= like_before;
        since = if good { since.or(Some(next)) } else { None };
        second = next;
    }
    // The first newcomer who gets in says when the door was open again.
    let first = entries.iter().find_map(|sample| Some(sample.due + sample.took?))?;
    Some(since?.max(first).duration_since(from).as_secs_f64())
}

/// The most memory that a process had since it was last asked.
struct Memory(Arc<AtomicU64>, Arc<AtomicBool>);

impl Memory {
    fn watch(pid: u32) -> Self {
        let memory = Self(Arc::default(), Arc::default());
        let (most, stop) = (memory.0.clone(), memory.1.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                most.fetch_max(resident(pid), Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        memory
    }

    fn most(&self) -> u64 {
        self.0.swap(0, Ordering::SeqCst)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.1.store(true, Ordering::SeqCst);
    }
}
