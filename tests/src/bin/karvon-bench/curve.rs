//! What a text costs with few and with many contacts and stored messages: bursts between two people while one of them meets others, and
//! while their conversation grows.

use crate::burst::burst;
use crate::disk::fdatasync;
use crate::figures::{PATIENCE, step};
use crate::usage::resident;
use karvon_tests::oracle::Ledger;
use karvon_tests::person::Person;
use karvon_tests::until::until_within;
use karvon_tests::world::World;
use serde_json::{Value, json};
use std::path::Path;

/// How far the curve goes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Curve {
    /// Measures texts with growing numbers of contacts and of stored messages up to so many, and nothing else
    #[arg(long, value_name = "TEXTS")]
    pub(crate) curve: Option<usize>,
    /// The most contacts of the sender; each is met by a real process that leaves afterwards
    #[arg(long, default_value_t = 1_000)]
    contacts: usize,
}

/// Texts of a point while contacts grow, and while the conversation grows.
const FEW: usize = 10_000;
const MANY: usize = 100_000;

/// Relays of the two friends.
const FRIENDS: usize = 3;
/// Strangers with the same door.
const NEWCOMERS: usize = 100;

pub(crate) fn measure(curve: &Curve, texts: usize, base: &Path) -> Value {
    // What a relay lets one door claim in a day is enough for a hundred newcomers, and for the invitations of one busy person.
    let world = World::within(base, FRIENDS + curve.contacts.div_ceil(NEWCOMERS));
    let (ali, bob) = (world.person("Ali", &[0, 1]), world.person("Bob", &[2, 1]));
    ali.up();
    bob.up();
    bob.meet(&ali);
    let folder = world.place().path("logs");
    let mut disk = fdatasync(&folder, 500).expect("the scratch folder can be written");
    let (mut ledger, mut sent, mut contacts, mut points) = (Ledger::default(), 0, 1, Vec::new());
    let mut point = |sent: &mut usize, contacts: usize, count: usize| {
        step(&format!("{count} texts, {contacts} contacts, {sent} stored"));
        let mut figures = burst(&world, &ali, &bob, *sent..*sent + count, &mut ledger);
        figures["contacts"] = json!(contacts);
        figures["stored_before"] = json!(*sent);
        let cpu = figures["cpu_seconds_all_processes"].as_f64().unwrap_or_default();
        figures["cpu_us_per_text"] = json!((cpu * 1e6 / count as f64).round());
        figures["leaf_rss_bytes"] = json!([&ali, &bob].map(|person| person.pid().map_or(0, resident)));
        eprintln!("{figures}");
        points.push(figures);
        *sent += count;
    };
    point(&mut sent, contacts, 10);
    point(&mut sent, contacts, 1_000);
    for goal in [10, 100, 1_000].into_iter().filter(|goal| *goal <= curve.contacts) {
        while contacts < goal {
            stranger(&world, &ali, contacts);
            contacts += 1;
        }
        point(&mut sent, contacts, FEW);
    }
    while sent < texts {
        let count = MANY.min(texts - sent);
        point(&mut sent, contacts, count);
    }
    disk.merge(&fdatasync(&folder, 500).expect("the scratch folder can be written"));
    let verdict = ledger.judge(&bob.received("Ali"));
    json!({
        "points": points, "fdatasync": disk.json(),
        "lost": verdict.lost.len(), "twice": verdict.twice.len(), "out_of_order": verdict.out_of_order.len(),
        "clean": verdict.clean(),
    })
}

/// Meets somebody who goes away afterwards.
fn stranger(world: &World, ali: &Person, number: usize) {
    let person = world.person(&format!("S{number:04}"), &[FRIENDS + number / NEWCOMERS]);
    person.up();
    let _ = person.add(&ali.invite(), "Ali").ok();
    until_within(PATIENCE, "they have met", || {
        let met = |one: &Person, other: &str| one.meeting(other) == Some(json!("connected"));
        (met(&person, "Ali") && met(ali, &person.name)).then_some(())
    });
    person.down();
}
