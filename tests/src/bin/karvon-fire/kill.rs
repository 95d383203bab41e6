//! Kills a relay with `kill -9` again and again while cells come in, and looks for each cell that it had confirmed.

use crate::relay::{Place, Relay};
use karvon_protocol::cell::Class;
use karvon_protocol::rpc::Push;
use karvon_tests::visitor::{Visitor, cell, deposit, is_stored};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Tags registered for each round; most rounds use fewer.
const TAGS: u64 = 2_000;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Kills
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(options: &Options) -> Value {
    // Nothing is fetched for good, so the relay has to have room for all.
    let cells = (options.rounds * TAGS).max(1_000_000).to_string();
    let mut relay = Relay::start(&options.place, &[("store.cells", &cells)]);
    let start = Instant::now();
    let (mut confirmed_in_all, mut lost, mut changed, mut doubled) = (0, 0_u64, 0_u64, 0_u64);
    let mut longest_start = Duration::ZERO;
    for round in 0..options.rounds {
        let (mut visitor, owner) = Visitor::with_mailbox(&relay.door, round, TAGS)
            .await
            .expect("a mailbox of its own for each round");
        let mut confirmed = BTreeSet::new();
        // The moment of the kill is another one in each round, early and late ones alike.
        let until = Duration::from_millis(5 + round * 37 % 400);
        let begun = Instant::now();
        let mut next = 0;
        let mut under_way = std::collections::BTreeMap::new();
        while begun.elapsed() < until && next < TAGS {
            while under_way.len() < 16 && next < TAGS {
                under_way.insert(visitor.request(&deposit(&owner, next, round as u8)), next);
                next += 1;
            }
            let Ok(Ok((request, reply))) = tokio::time::timeout(until, visitor.next()).await else { break };
            if let Some(tag) = under_way.remove(&request).filter(|_| is_stored(&reply)) {
                confirmed.insert(tag);
            }
        }
        let again = Instant::now();
        relay.kill_and_start();
        longest_start = longest_start.max(again.elapsed());
        let mut visitor = Visitor::enter(&relay.door, 500_000 + round).await.expect("the door is still open");
        visitor.open().await.expect("a tunnel");
        visitor.attach(&owner, Push::None).await.expect("the mailbox is still there");
        let held = visitor.fetch_all().await.expect("the mailbox can be read");
        let mut found = BTreeSet::new();
        for (tag, hash) in held {
            let tag = u64::from_be_bytes(tag.0);
            doubled += u64::from(!found.insert(tag));
            changed += u64::from(cell(Class::S, tag, round as u8).hash().0 != hash);
        }
        eprint!("\r{} kills", round + 1);
        lost += confirmed.difference(&found).count() as u64;
        confirmed_in_all += confirmed.len() as u64;
    }
    eprintln!();
    let status = relay.status().await;
    json!({
        "clean": lost == 0 && changed == 0 && doubled == 0 && confirmed_in_all > 0,
        "kills": options.rounds, "confirmed": confirmed_in_all, "lost": lost, "changed": changed, "doubled": doubled,
        "longest_start_ms": longest_start.as_secs_f64() * 1e3, "seconds": start.elapsed().as_secs_f64(), "status": status,
    })
}
