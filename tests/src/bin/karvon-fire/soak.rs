//! Many cells through one relay: each sender has a mailbox to fill, whose owner fetches, checks and removes what comes.

use crate::relay::{Place, Relay, cpu_seconds, resident};
use karvon_protocol::cell::Class;
use karvon_protocol::rpc::{Refusal, Reply, Request};
use karvon_tests::visitor::{Visitor, cell, deposit, is_full, is_stored};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Requests under way in one tunnel.
const WINDOW: usize = 16;
/// How long the relay may take to give the space back.
const FLOOR_WITHIN: Duration = Duration::from_secs(150);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Cells of 2 KiB in all
    #[arg(long, default_value_t = 1_000_000)]
    cells: u64,
    /// Senders, each with a mailbox of its own
    #[arg(long, default_value_t = 100)]
    senders: u64,
    #[command(flatten)]
    place: Place,
}

#[derive(Default)]
struct Count {
    stored: AtomicU64,
    full: AtomicU64,
    fetched: AtomicU64,
    doubled: AtomicU64,
    changed: AtomicU64,
}

pub(crate) async fn run(options: &Options) -> Value {
    let raw_before = raw_appends(options.place.folder(), 2_000);
    let relay = Relay::start(&options.place, &[]);
    let each = options.cells / options.senders;
    let count = Arc::new(Count::default());
    let done = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let cpu = cpu_seconds(relay.pid());
    let mut owners = Vec::new();
    let mut senders = Vec::new();
    for number in 0..options.senders {
        let (visitor, key) = Visitor::with_mailbox(&relay.door, number, each).await.expect("a mailbox");
        owners.push(tokio::spawn(collect(visitor, number as u8, each, done.clone(), count.clone())));
        senders.push(tokio::spawn(fill(relay.door.clone(), number, key, each, count.clone())));
    }
    let (stop, pid) = (done.clone(), relay.pid());
    let peak = tokio::spawn(async move {
        let mut peak = 0;
        while !stop.load(Ordering::SeqCst) {
            peak = peak.max(resident(pid));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        peak
    });
    let mut latency: Vec<u32> = Vec::new();
    for sender in senders {
        latency.extend(sender.await.expect("a sender that does not panic"));
    }
    latency.sort_unstable();
    let filled = start.elapsed();
    let cpu = cpu_seconds(relay.pid()) - cpu;
    let mut held: BTreeMap<u64, u64> = BTreeMap::new();
    for (number, owner) in (0..).zip(owners) {
        held.insert(number, owner.await.expect("an owner that does not panic"));
    }
    done.store(true, Ordering::SeqCst);
    let peak = peak.await.unwrap_or_default();
    let peak_disk = relay.segment_bytes();
    let waited = Instant::now();
    while relay.segment_bytes() > 8 << 20 && waited.elapsed() < FLOOR_WITHIN {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let status = relay.status().await;
    let raw_after = raw_appends(options.place.folder(), 2_000);
    let stored = count.stored.load(Ordering::SeqCst);
    let fetched: u64 = held.values().sum();
    let [doubled, changed] = [&count.doubled, &count.changed].map(|count| count.load(Ordering::SeqCst));
    let rate = stored as f64 / filled.as_secs_f64();
    let raw = (raw_before + raw_after) / 2.0;
    let at = |share: usize| {
        let place = (latency.len() * share / 1_000).min(latency.len().saturating_sub(1));
        f64::from(latency.get(place).copied().unwrap_or_default()) / 1_000.0
    };
    json!({
        "clean": stored == fetched && doubled == 0 && changed == 0 && stored == each * options.senders,
        "cells": stored, "fetched": fetched, "lost": stored.saturating_sub(fetched), "doubled": doubled,
        "changed": changed, "refused_full": count.full.load(Ordering::SeqCst),
        "seconds": filled.as_secs_f64(), "deposits_per_s": rate, "raw_appends_per_s": raw, "ratio": rate / raw,
        "deposit_p50_ms": at(500), "deposit_p99_ms": at(990), "deposit_max_ms": at(1_000),
        "relay_cpu_s": cpu, "relay_rss_peak": peak, "segments_at_end": peak_disk,
        "segments_after_tidying": relay.segment_bytes(), "status": status,
    })
}

/// Deposits one mailbox's cells, a window at a time; a full mailbox is tried again.
async fn fill(
    door: String,
    number: u64,
    owner: ed25519_dalek::SigningKey,
    cells: u64,
    count: Arc<Count>,
) -> Vec<u32> {
    let mut latency = Vec::new();
    let mut visitor = Visitor::enter(&door, 1_000_000 + number).await.expect("a sender gets in");
    visitor.open().await.expect("a tunnel");
    let mut under_way: BTreeMap<u32, (u64, Instant)> = BTreeMap::new();
    let (mut next, mut again) = (0, Vec::new());
    while next < cells || !again.is_empty() || !under_way.is_empty() {
        while under_way.len() < WINDOW && (next < cells || !again.is_empty()) {
            let tag = again.pop().unwrap_or_else(|| {
                next += 1;
                next - 1
            });
            let request = visitor.request(&deposit(&owner, tag, number as u8));
            under_way.insert(request, (tag, Instant::now()));
        }
        let (request, reply) = visitor.next().await.expect("an answer");
        let Some((tag, since)) = under_way.remove(&request) else { continue };
        if is_stored(&reply) {
            count.stored.fetch_add(1, Ordering::SeqCst);
            latency.push(u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX));
        } else if is_full(&reply) || reply == Reply::Refused(Refusal::Busy) {
            count.full.fetch_add(1, Ordering::SeqCst);
            again.push(tag);
            tokio::time::sleep(Duration::from_millis(20)).await;
        } else {
            panic!("deposit {tag}: {reply:?}");
        }
    }
    latency
}

/// Fetches, checks and removes one mailbox's cells; returns how many different ones came.
async fn collect(
    mut visitor: Visitor,
    number: u8,
    cells: u64,
    done: Arc<AtomicBool>,
    count: Arc<Count>,
) -> u64 {
    let mut seen = vec![false; usize::try_from(cells).expect("they fit into memory")];
    let mut different = 0;
    let mut quiet = Instant::now();
    while different < cells && quiet.elapsed() < Duration::from_secs(120) && !done.load(Ordering::SeqCst) {
        let some = visitor.fetch_all().await.expect("the mailbox can be read");
        if some.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        quiet = Instant::now();
        for (tag, hash) in &some {
            let at = u64::from_be_bytes(tag.0);
            count.fetched.fetch_add(1, Ordering::SeqCst);
            if cell(Class::S, at, number).hash().0 != *hash {
                count.changed.fetch_add(1, Ordering::SeqCst);
            }
            match usize::try_from(at).ok().and_then(|at| seen.get_mut(at)) {
                Some(seen) if !*seen => {
                    *seen = true;
                    different += 1;
                }
                _ => drop(count.doubled.fetch_add(1, Ordering::SeqCst)),
            }
        }
        let tags: Vec<_> = some.iter().map(|(tag, _)| *tag).collect();
        for tags in tags.chunks(4_000) {
            let reply = visitor.ask(&Request::Remove(tags.to_vec())).await.expect("removal is answered");
            assert_eq!(reply, Reply::Done);
        }
    }
    different
}

/// Appends of 2 KiB a second to a new file on the same disk, each followed by an fdatasync.
fn raw_appends(folder: impl AsRef<Path>, count: u32) -> f64 {
    let mut file = tempfile::Builder::new().prefix("raw").tempfile_in(folder).expect("a scratch file");
    let start = Instant::now();
    for _ in 0..count {
        file.write_all(&[0x5a; 2_048]).expect("a scratch file takes bytes");
        file.as_file().sync_data().expect("a scratch file can be synced");
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}
