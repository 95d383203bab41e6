//! Days of a relay run fast, under load that wants far more than its byte budgets: what it carried is measured outside of it, across
//! ends in order, `kill -9`, midnights and the turn of a month.
//!
//! The relay is the real one in a process of its own, with a clock that runs faster; nothing else of it knows.

use crate::relay::Place;
use karvon_node::api::server::Stop;
use karvon_node::clock::Clock;
use karvon_node::os;
use karvon_node::relay::config::RelayConfig;
use karvon_node::relay::control::Ask;
use karvon_node::relay::keys::bytes;
use karvon_node::relay_options::RelayOptions;
use karvon_protocol::core::{Mono, Now};
use karvon_tests::bridge::{Bridge, Manner, Sources};
use karvon_tests::dice::Dice;
use karvon_tests::process::signal;
use karvon_tests::visitor::{Trouble, Visitor, deposit};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// 2026-11-30 18:00 UTC: six hours before a day and a month end.
const START_MS: u64 = 1_796_061_600_000;
const DAY_MS: u64 = 86_400_000;
/// Cells in each client's mailbox.
const CELLS: u64 = 200;
/// More than this beyond the budget is a fault, parts of it.
const BAR: f64 = 0.01;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How much faster time goes: 1440 makes a day a minute
    #[arg(long, default_value_t = 1_440)]
    rate: u64,
    /// Whole days after the six hours with which it begins; two use up a month's budget
    #[arg(long, default_value_t = 2)]
    days: u64,
    /// The budget of a day
    #[arg(long, default_value = "256 MiB")]
    day: String,
    /// The budget of a month
    #[arg(long, default_value = "384 MiB")]
    month: String,
    /// Clients that want more than there is
    #[arg(long, default_value_t = 8)]
    clients: u64,
    /// How often the relay is ended and started in a day, each second time by `kill -9`
    #[arg(long, default_value_t = 8)]
    ends: u64,
    /// Counts what the system's IP layer sent instead of what passed over the bridge: only right alone in a network namespace
    #[arg(long)]
    wire: bool,
    /// Takes the relay's books away at each end, to see that the run then fails
    #[arg(long)]
    lose_books: bool,
    #[command(flatten)]
    place: Place,
}

/// The relay of a run, started by it.
#[derive(clap::Args)]
pub(crate) struct Fast {
    #[arg(long)]
    data_dir: PathBuf,
    #[arg(long)]
    listen: std::net::SocketAddr,
    #[arg(long)]
    rate: u64,
    /// When the run began, Unix milliseconds
    #[arg(long)]
    began: u64,
}

/// A clock that runs fast since a moment.
struct FastClock {
    rate: u64,
    /// Real milliseconds from the beginning of the run to the making of this clock.
    before_ms: u64,
    made: Instant,
}

impl FastClock {
    fn since(began_ms: u64, rate: u64) -> Self {
        Self { rate, before_ms: real_ms().saturating_sub(began_ms), made: Instant::now() }
    }
}

impl Clock for FastClock {
    fn now(&self) -> Now {
        let real_us = self.before_ms * 1_000 + self.made.elapsed().as_micros() as u64;
        let us = real_us * self.rate;
        Now { mono: Mono(us), wall_ms: START_MS + us / 1_000 }
    }
}

fn real_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Runs the relay until it is told to end.
pub(crate) async fn serve(fast: Fast) -> Value {
    let stop = Stop::default();
    let until = stop.clone();
    tokio::spawn(async move {
        os::service_end_signal().await;
        until.stop();
    });
    let clock = Arc::new(FastClock::since(fast.began, fast.rate));
    let options =
        RelayOptions { listen: Some(fast.listen), allow_private: true, ..RelayOptions::new(fast.data_dir) };
    let ended = karvon_node::relay::run_by(clock, options, stop, |ready| {
        let line = serde_json::to_string(ready).expect("the ready line is JSON");
        let mut out = std::io::stdout();
        writeln!(out, "{line}").and_then(|()| out.flush()).expect("somebody reads it");
    });
    json!({ "clean": ended.await.is_ok() })
}

struct Relay {
    child: Child,
    door: String,
    listen: std::net::SocketAddr,
}

impl Relay {
    fn start(folder: &Path, listen: &str, options: &Options, began: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("the running program has a path"))
            .args([
                "fast",
                "--listen",
                listen,
                "--rate",
                &options.rate.to_string(),
                "--began",
                &began.to_string(),
            ])
            .arg("--data-dir")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("this program can be started again");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a first line");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let field = |name: &str| ready[name].as_str().expect("the ready line is whole").to_owned();
        Self { child, door: field("door"), listen: field("listen").parse().expect("an address") }
    }

    /// Ends it, in order or not.
    fn end(&mut self, in_order: bool) {
        if in_order {
            signal(self.child.id(), rustix::process::Signal::TERM);
        } else {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.end(false);
    }
}

pub(crate) async fn run(options: &Options) -> Value {
    let folder =
        tempfile::Builder::new().prefix("fire").tempdir_in(options.place.folder()).expect("a folder");
    let mut config = RelayConfig::default();
    for (key, value) in [("traffic.day", &options.day), ("traffic.month", &options.month)] {
        config.set(key, value).expect("a budget like \"256 MiB\"");
    }
    config.set("traffic.slot_opens", "1000000").expect("a key that exists");
    config.save(folder.path()).expect("the configuration can be written");
    let (day_cap, month_cap) =
        (bytes(&options.day).expect("checked"), bytes(&options.month).expect("checked"));

    let began = real_ms();
    let clock = FastClock::since(began, options.rate);
    let mut relay = Relay::start(folder.path(), "127.0.0.1:0", options, began);
    let listen = relay.listen.to_string();
    let sources = Sources::new([127, 0, 0, 1], 1);
    let bridge = Bridge::open(relay.listen, sources, Manner::Straight).await.expect("a bridge");
    let door = if options.wire { relay.door.clone() } else { bridge.door(&relay.door) };
    let stop = Arc::new(AtomicBool::new(false));
    // What all of them want in a day of no limits is four times what they may have; on each second day they want it at once.
    let pace = 4.0 * day_cap as f64 / (DAY_MS / options.rate) as f64 / options.clients as f64;
    let clients: Vec<_> = (0..options.clients)
        .map(|number| {
            tokio::spawn(want(
                door.clone(),
                number,
                pace,
                FastClock::since(began, options.rate),
                stop.clone(),
            ))
        })
        .collect();

    let moved = || if options.wire { sent_by_system() } else { bridge.passed().bytes() };
    let end_ms = START_MS + DAY_MS / 4 + options.days * DAY_MS;
    let mut carried: BTreeMap<u64, u64> = BTreeMap::new();
    let mut dice = Dice::seeded();
    let (mut before, mut ends, mut kills) = (moved(), 0_u64, 0_u64);
    let mut next_end = 0;
    let mut told: BTreeMap<u64, Value> = BTreeMap::new();
    loop {
        let now = clock.now().wall_ms;
        if now >= end_ms {
            break;
        }
        let all = moved();
        *carried.entry(now / DAY_MS).or_default() += all.saturating_sub(before);
        before = all;
        if now >= next_end {
            if next_end > 0 {
                let status = karvon_node::relay::control::ask(folder.path(), &Ask::Status).await;
                told.insert(now / DAY_MS, status.unwrap_or_default());
                let in_order = ends % 2 == 1;
                relay.end(in_order);
                ends += 1;
                kills += u64::from(!in_order);
                if options.lose_books {
                    let _ = std::fs::remove_file(folder.path().join("ledger.json"));
                }
                relay = Relay::start(folder.path(), &listen, options, began);
            }
            // Half of them in the first eighth of a day, when a rush is under way.
            let after = if in_rush(now) { DAY_MS / 8 } else { DAY_MS };
            next_end = clock.now().wall_ms
                + after / options.ends.max(1) / 2
                + dice.below(after / options.ends.max(1));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.store(true, Ordering::SeqCst);
    relay.end(true);
    for client in clients {
        client.abort();
    }

    let over = |carried: u64, cap: u64| (carried as f64 - cap as f64) / cap as f64;
    let first = START_MS / DAY_MS;
    // The month turns with the first midnight.
    let of_month = |of_first: bool| {
        carried.iter().filter(|(day, _)| (**day == first) == of_first).map(|(_, bytes)| bytes).sum::<u64>()
    };
    let months = [of_month(true), of_month(false)];
    let mut left = month_cap;
    let days: Vec<Value> = carried
        .iter()
        .map(|(day, bytes)| {
            if *day == first + 1 {
                left = month_cap;
            }
            let cap = day_cap.min(left);
            left = left.saturating_sub(*bytes);
            let share = *bytes as f64 / day_cap as f64;
            json!({ "day": day - first, "cap": day_cap, "left_of_month": cap, "carried": bytes, "of_cap": share,
                "exceeded_by_percent": 100.0 * over(*bytes, day_cap), "relays_word": told.get(day).map(|told| told["day_bytes"].clone()) })
        })
        .collect();
    let kept = carried.values().all(|bytes| over(*bytes, day_cap) <= BAR)
        && months.iter().all(|bytes| over(*bytes, month_cap) <= BAR);
    // A relay that carries next to nothing keeps each budget.
    let used_up = |bytes: u64, cap| over(bytes, cap) >= -0.25;
    let used = carried.values().any(|bytes| used_up(*bytes, day_cap))
        && (options.days < 2 || used_up(months[1], month_cap));
    json!({
        "clean": kept && used, "days": days, "month_cap": month_cap, "months": months,
        "month_exceeded_by_percent": months.map(|bytes| 100.0 * over(bytes, month_cap)),
        "ends": ends, "kills": kills, "rate": options.rate, "measured": if options.wire { "ip" } else { "stream" },
        "connections": bridge.passed().connections.load(Ordering::SeqCst),
    })
}

/// Bytes that this network namespace's IP layer has sent, headers included.
fn sent_by_system() -> u64 {
    let text = std::fs::read_to_string("/proc/self/net/netstat").unwrap_or_default();
    let mut rows = text.lines().filter_map(|line| line.strip_prefix("IpExt: "));
    let (names, values) = (rows.next().unwrap_or_default(), rows.next().unwrap_or_default());
    let at = names.split(' ').position(|name| name == "OutOctets");
    at.and_then(|at| values.split(' ').nth(at)?.parse().ok()).unwrap_or_default()
}

/// Whether everybody wants everything at once: on each second day, from midnight on.
const fn in_rush(wall_ms: u64) -> bool {
    (wall_ms / DAY_MS - START_MS / DAY_MS) % 2 == 1
}

/// Deposits and fetches without end, at `pace` (bytes a real millisecond) or as fast as it goes; comes back whenever it was cut off.
async fn want(door: String, number: u64, pace: f64, clock: FastClock, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        // Being cut off is what a used-up budget looks like.
        let _ = want_once(&door, number, pace, &clock).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn want_once(door: &str, number: u64, pace: f64, clock: &FastClock) -> Result<(), Trouble> {
    let (mut visitor, key) = Visitor::with_mailbox(door, 300_000 + number, CELLS).await?;
    loop {
        let begun = Instant::now();
        for tag in 0..CELLS {
            // The same cells again are no new ones, and cost the same bytes.
            visitor.ask(&deposit(&key, tag, 1)).await?;
        }
        let fetched = visitor.fetch_all().await?.len() as u64;
        if !in_rush(clock.now().wall_ms) {
            let due = Duration::from_secs_f64((CELLS + fetched) as f64 * 2_048.0 / pace / 1e3);
            tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
        }
    }
}
