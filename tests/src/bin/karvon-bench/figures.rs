//! The figures, one function each, in the order in which they are taken.

use crate::burst::burst;
use crate::crowd::{self, Crowd};
use crate::curve::{self, Curve};
use crate::disk::fdatasync;
use crate::spread::{Spread, milliseconds};
use crate::usage::{cpu_seconds, ip_bytes, loopback_bytes, resident};
use karvon_tests::api::Api;
use karvon_tests::binaries::{binaries, profile_folder};
use karvon_tests::oracle::Ledger;
use karvon_tests::person::Person;
use karvon_tests::until::{DEADLINE, until_within};
use karvon_tests::world::World;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// Prints one JSON object with every figure.
#[derive(Debug, Clone, clap::Parser)]
pub(crate) struct Options {
    /// Smaller counts: about a minute instead of several.
    #[arg(long)]
    quick: bool,
    /// Folder under which the world lives, for the disk to measure on; the system's scratch folder otherwise.
    #[arg(long)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    crowd: Crowd,
    #[command(flatten)]
    curve: Curve,
}

/// How much is done of each.
struct Counts {
    latency: usize,
    offline: usize,
    relay_gone: usize,
    burst: usize,
    fdatasync: usize,
    idle: Duration,
}

/// No single figure may take longer, or the run is given up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) fn measure(options: &Options) -> Value {
    let counts = if options.quick {
        Counts {
            latency: 200,
            offline: 200,
            relay_gone: 100,
            burst: 1_000,
            fdatasync: 200,
            idle: Duration::from_secs(10),
        }
    } else {
        Counts {
            latency: 1_200,
            offline: 1_000,
            relay_gone: 400,
            burst: 10_000,
            fdatasync: 1_000,
            idle: Duration::from_secs(120),
        }
    };
    let base = options.dir.clone().unwrap_or_else(std::env::temp_dir);
    step("building the programs");
    let _ = binaries();
    if let Some(people) = options.crowd.group {
        return crowd::measure(&options.crowd, people, &base);
    }
    if let Some(texts) = options.curve.curve {
        return curve::measure(&options.curve, texts, &base);
    }
    let mut figures = Map::new();
    let mut put = |name: &str, value: Value| drop(figures.insert(name.to_owned(), value));
    put("profile", json!(if cfg!(debug_assertions) { "dev" } else { "release" }));
    put("quick", json!(options.quick));

    step("three relays, two people");
    let mut world = World::within(&base, 3);
    let (ali, bob) = (world.person("Ali", &[0, 1]), world.person("Bob", &[2, 1]));
    put("start_to_connected_ms", json!(milliseconds(start_to_connected(&ali))));
    bob.up();
    bob.online();
    put("add_to_delivered_ms", json!(milliseconds(add_to_delivered(&ali, &bob))));
    until_within(PATIENCE, "both are connected", || {
        (ali.meeting("Bob")? == json!("connected")).then_some(())
    });

    step("latency");
    let folder = world.place().path("logs");
    let raw = |times: usize| fdatasync(&folder, times).expect("the scratch folder can be written");
    let mut disk = raw(counts.fdatasync / 2);
    let latency = latency(&ali, &bob, counts.latency, "latency", |_| ());
    disk.merge(&raw(counts.fdatasync / 2));
    put("latency", latency.json());
    put("fdatasync", disk.json());

    let mut ledger = Ledger::default();
    for number in 0..counts.latency {
        ledger.sent(numbered("latency", number), true);
    }
    step("burst");
    put("burst", burst(&world, &ali, &bob, 0..counts.burst, &mut ledger));

    step("offline hand-over");
    put("offline", offline(&ali, &bob, counts.offline, &mut ledger));

    step("idle");
    // A fresh start, so that what the burst needed for a moment does not count.
    for person in [&ali, &bob] {
        person.down();
        person.up();
        person.online();
    }
    let stored = bob.received("Ali").len();
    put("idle_leaf", idle_leaf(&bob, stored, counts.idle));
    let relays: Vec<u64> = world.relays.iter().filter_map(|relay| Some(resident(relay.pid()?))).collect();
    put("idle_relay", json!({ "rss_bytes": relays }));
    step("one of three relays gone for good");
    put("relay_gone", relay_gone(&mut world, &ali, &bob, counts.relay_gone, &mut ledger));

    let received: Vec<String> = bob.received("Ali").into_iter().filter(|text| text != FIRST).collect();
    let verdict = ledger.judge(&received);
    put("lost", json!(verdict.lost.len()));
    put("twice", json!(verdict.twice.len()));
    put("out_of_order", json!(verdict.out_of_order.len()));
    put("clean", json!(verdict.clean()));
    put("binary_bytes", sizes("release"));
    put("dist_bytes", sizes("dist"));
    Value::Object(figures)
}

pub(crate) fn step(what: &str) {
    eprintln!("{what} …");
}

fn start_to_connected(person: &Person) -> Duration {
    let start = Instant::now();
    person.up();
    person.online();
    start.elapsed()
}

/// The text with which a contact is added; it is no part of the streams.
const FIRST: &str = "the first text";

/// From the `add` of an invitation to the first text being delivered: lookup, handshake, first cell, acknowledgement.
fn add_to_delivered(ali: &Person, bob: &Person) -> Duration {
    let invitation = ali.invite();
    let mut api = bob.api();
    let start = Instant::now();
    let added = call(&mut api, "add", &json!({ "invitation": invitation, "name": "Ali" }));
    let queued = call(&mut api, "send", &json!({ "contact": added["contact"], "text": FIRST }));
    until_within(PATIENCE, "the first text is delivered", || {
        let info = call(&mut api, "info", &json!({ "id": queued["id"] }));
        matches!(info["state"].as_str(), Some("delivered" | "read")).then_some(())
    });
    start.elapsed()
}

/// A text of 200 bytes that no other one of the run equals.
pub(crate) fn numbered(name: &str, number: usize) -> String {
    format!("{:<200}", format!("{name} {number}"))
}

/// Texts of 200 bytes 50 ms apart: from the sender's call to the recipient's event, both seen by this process's clock. `before` runs
/// before each text.
fn latency(ali: &Person, bob: &Person, count: usize, name: &str, mut before: impl FnMut(usize)) -> Spread {
    let mut sender = ali.api();
    let mut recipient = bob.api();
    let to = contact(&mut sender, "Bob");
    let from = contact(&mut recipient, "Ali");
    let _ = call(&mut recipient, "subscribe", &Value::Null);
    let listener = thread::spawn(move || {
        let mut seen: Vec<(u64, Instant)> = Vec::with_capacity(count);
        while seen.len() < count {
            let Ok(Some((at, event))) = recipient.event(DEADLINE) else { break };
            if event["event"] == "received" && event["contact"] == from {
                let number = |name: &str| event[name].as_u64().unwrap_or_default();
                seen.extend((number("from")..=number("to")).map(|seq| (seq, at)));
            }
        }
        seen
    });
    let begin = Instant::now();
    let mut sent = Vec::with_capacity(count);
    for number in 0..count {
        let due = begin + Duration::from_millis(50) * u32::try_from(number).unwrap_or(u32::MAX);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        before(number);
        let at = Instant::now();
        let queued = call(&mut sender, "send", &json!({ "contact": to, "text": numbered(name, number) }));
        sent.push((queued["seq"].as_u64().expect("a number"), at));
    }
    let seen = listener.join().expect("the listener lives");
    let mut spread = Spread::new();
    for (seq, at) in sent {
        let arrived = seen.iter().find(|(number, _)| *number == seq).map(|(_, arrived)| *arrived);
        let arrived =
            arrived.unwrap_or_else(|| panic!("no event for number {seq}; {} events came", seen.len()));
        spread.add(arrived.saturating_duration_since(at));
    }
    spread
}

/// The recipient is away, the sender sends and leaves, the recipient comes: until the first and the last text are there.
fn offline(ali: &Person, bob: &Person, count: usize, ledger: &mut Ledger) -> Value {
    let received_before = received(&mut bob.api());
    bob.down();
    let texts: Vec<String> = (0..count).map(|number| format!("offline {number}")).collect();
    let mut sender = ali.api();
    let to = contact(&mut sender, "Bob");
    let start = Instant::now();
    let _ = call(&mut sender, "send_many", &json!({ "contact": to, "texts": texts }));
    texts.iter().for_each(|text| ledger.sent(text.clone(), true));
    until_within(PATIENCE, "all are stored at relays", || {
        let status = call(&mut sender, "status", &Value::Null);
        (status["queued"] == 0).then_some(())
    });
    let stored = start.elapsed();
    drop(sender);
    ali.down();

    let start = Instant::now();
    bob.up();
    let up = start.elapsed();
    let mut recipient = bob.api();
    let arrived = |recipient: &mut Api, goal: u64| {
        until_within(PATIENCE, "offline texts arrive", || (received(recipient) >= goal).then_some(()));
        start.elapsed()
    };
    let first = arrived(&mut recipient, received_before + 1);
    let last = arrived(&mut recipient, received_before + count as u64);
    ali.up();
    json!({
        "texts": count,
        "stored_ms": milliseconds(stored),
        "up_ms": milliseconds(up),
        "first_ms": milliseconds(first),
        "last_ms": milliseconds(last),
    })
}

/// The same stream as for latency, in which a relay, mailbox and door of both, is killed after a quarter and never comes back.
fn relay_gone(world: &mut World, ali: &Person, bob: &Person, count: usize, ledger: &mut Ledger) -> Value {
    ali.online();
    bob.online();
    let relay = &mut world.relays[1];
    let spread = latency(ali, bob, count, "relay gone", |number| {
        if number == count / 4 {
            relay.kill9();
        }
    });
    (0..count).for_each(|number| ledger.sent(numbered("relay gone", number), true));
    spread.json()
}

fn idle_leaf(person: &Person, stored: usize, window: Duration) -> Value {
    let pid = person.pid().expect("the node runs");
    let mut api = person.api();
    // What starting needs is over after a few seconds; only then does doing nothing begin.
    thread::sleep(Duration::from_secs(5));
    let (cpu, link, start) = (cpu_seconds(pid), link_bytes(&mut api), Instant::now());
    let (lo, ip) = (loopback_bytes(), ip_bytes(pid));
    thread::sleep(window);
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    let per_minute = |bytes: u64| (bytes as f64 / minutes).round();
    json!({
        "stored_messages": stored,
        "rss_bytes": resident(pid),
        "cpu_percent": (cpu_seconds(pid) - cpu) / start.elapsed().as_secs_f64() * 100.0,
        "link_bytes_per_minute": per_minute(link_bytes(&mut api).saturating_sub(link)),
        "ip_bytes_per_minute": ip.zip(ip_bytes(pid)).map(|(before, after)| per_minute(after.saturating_sub(before))),
        "loopback_bytes_per_minute_all_processes": per_minute(loopback_bytes().saturating_sub(lo)),
    })
}

pub(crate) fn call(api: &mut Api, method: &str, params: &Value) -> Value {
    api.call(method, params).unwrap_or_else(|fault| panic!("{method}: {fault:?}"))
}

pub(crate) fn contact(api: &mut Api, name: &str) -> u32 {
    api.contact(name).ok().flatten().unwrap_or_else(|| panic!("{name} is no contact"))
}

pub(crate) fn received(api: &mut Api) -> u64 {
    call(api, "status", &Value::Null)["received"].as_u64().unwrap_or_default()
}

/// Bytes over the links of a node, both ways.
pub(crate) fn link_bytes(api: &mut Api) -> u64 {
    let status = call(api, "status", &Value::Null);
    status["bytes_in"].as_u64().unwrap_or_default() + status["bytes_out"].as_u64().unwrap_or_default()
}

/// Sizes of the programs of a profile, where they were built.
fn sizes(profile: &str) -> Value {
    let folder = profile_folder().with_file_name(profile);
    let size =
        |name: &str| std::fs::metadata(folder.join(name)).map_or(Value::Null, |file| json!(file.len()));
    json!({ "karvon": size("karvon"), "karvon-node": size("karvon-node") })
}
