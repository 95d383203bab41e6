//! A stream of texts as fast as the sender's local API takes them: rate, processor time and bytes.

use crate::figures::{PATIENCE, call, contact, link_bytes, numbered, received};
use crate::spread::milliseconds;
use crate::usage::{cpu_seconds, loopback_bytes};
use karvon_tests::oracle::Ledger;
use karvon_tests::person::Person;
use karvon_tests::until::until_within;
use karvon_tests::world::World;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

/// Requests that may be without an answer.
const REQUESTS_AT_ONCE: usize = 256;

/// Texts with these numbers as fast as the local API takes them, until the last one is there.
pub(crate) fn burst(
    world: &World,
    ali: &Person,
    bob: &Person,
    numbers: Range<usize>,
    ledger: &mut Ledger,
) -> Value {
    let count = numbers.len();
    let texts: Vec<String> = numbers.map(|number| numbered("burst", number)).collect();
    let mut sender = ali.api();
    let mut recipient = bob.api();
    let to = contact(&mut sender, "Bob");
    let people = || [ali, bob].into_iter().filter_map(Person::pid);
    let pids: Vec<u32> =
        people().chain(world.relays.iter().filter_map(karvon_tests::relay::Relay::pid)).collect();
    let cpu = || pids.iter().map(|pid| cpu_seconds(*pid)).sum::<f64>();
    let (cpu_before, lo_before) = (cpu(), loopback_bytes());
    let (ali_before, bob_before) = (link_bytes(&mut sender), link_bytes(&mut recipient));
    let received_before = received(&mut recipient);
    let start = Instant::now();
    let mut waiting = VecDeque::new();
    let mut left = texts.iter();
    loop {
        let text = left.next();
        if let Some(text) = text {
            let params = json!({ "contact": to, "text": text });
            waiting.push_back((text, sender.post("send", &params).expect("the node takes requests")));
        }
        // Without a bound both sides could wait for the other to read.
        if waiting.len() >= REQUESTS_AT_ONCE || text.is_none() {
            let Some((text, request)) = waiting.pop_front() else { break };
            let durable = sender.answer(request).is_ok();
            ledger.sent(text.clone(), durable);
        }
    }
    let queued = start.elapsed();
    let goal = received_before + count as u64;
    until_within(PATIENCE, "the burst is there", || (received(&mut recipient) >= goal).then_some(()));
    let all = start.elapsed();
    until_within(PATIENCE, "the burst is acknowledged", || {
        let status = call(&mut sender, "status", &Value::Null);
        (status["queued"] == 0 && status["stored"] == 0).then_some(())
    });
    let per_text = |bytes: u64| (bytes as f64 / count as f64).round();
    json!({
        "texts": count,
        "queued_ms": milliseconds(queued),
        "received_ms": milliseconds(all),
        "acknowledged_ms": milliseconds(start.elapsed()),
        "texts_per_second": (count as f64 / all.as_secs_f64()).round(),
        "cpu_seconds_all_processes": cpu() - cpu_before,
        "sender_link_bytes_per_text": per_text(link_bytes(&mut sender).saturating_sub(ali_before)),
        "recipient_link_bytes_per_text": per_text(link_bytes(&mut recipient).saturating_sub(bob_before)),
        "loopback_bytes_per_text": per_text(loopback_bytes().saturating_sub(lo_before)),
    })
}
