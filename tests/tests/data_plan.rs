//! A day's data run out: what is written then is held with its reason, also over a restart, and leaves once more is allowed.
#![cfg(unix)]

use karvon_tests::person::Person;
use karvon_tests::until::{DEADLINE, until};
use karvon_tests::world::World;
use serde_json::Value;

fn data(person: &Person, args: &[&str]) -> Value {
    let words = [&["data"], args, &["--json"]].concat();
    person.cli(&words, "").ok().json().into_iter().next().expect("one object")
}

fn info(person: &Person, id: &str) -> Value {
    person.cli(&["info", id, "--json"], "").ok().json().into_iter().next().expect("one object")
}

#[test]
fn texts_are_held_with_a_reason_when_a_cap_is_reached_and_leave_when_more_is_allowed() {
    let (_world, ali, bob) = World::of_two_friends();
    assert_eq!(data(&ali, &["plan", "low", "--network", "all"])["plan"], "low");
    let before = data(&ali, &[]);
    assert!(
        before["received"]["rest"].as_u64() > Some(0) && before["sent"]["rest"].as_u64() > Some(0),
        "{before}"
    );
    assert_eq!((&before["level"], &before["cap"]), (&"free".into(), &Value::Null));
    // What was used so far counts.
    let used = ["received", "sent"]
        .map(|way| ["texts", "receipts", "rest"].map(|part| before[way][part].as_u64().unwrap_or(0)));
    let used: u64 = used.iter().flatten().sum();
    let cap = (used + 250_000).to_string();
    assert_eq!(data(&ali, &["cap", &cap])["level"], "free");
    let texts: Vec<String> = (0..40).map(|n| format!("{n} {}", "x".repeat(400))).collect();
    let mut rounds = 0;
    while data(&ali, &[])["level"] != "spent" {
        ali.send_batch("Bob", &texts, "queued");
        rounds += 1;
        assert!(rounds < 100, "{}", data(&ali, &[]));
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    until("the links end", || (ali.status()["links"] == 0).then_some(()));
    let sent = bob.received("Ali").len();

    let id = ali.send_wait("Bob", "the last word", "queued");
    let way = info(&ali, &id);
    assert_eq!((&way["state"], &way["held"]["reason"]), (&"queued".into(), &"data_cap".into()), "{way}");
    assert!(
        way["held"]["next_try"]
            .as_str()
            .is_some_and(|at| at.ends_with("T00:00:00.000Z") || at.ends_with("T00:00:00Z")),
        "{way}"
    );
    let status = ali.status();
    assert_eq!((&status["data"]["level"], &status["links"]), (&"spent".into(), &0.into()), "{status}");
    let file = ali.data_dir().with_extension("txt");
    std::fs::write(&file, "a file").expect("a scratch file");
    let file = file.to_str().expect("the path is text");
    assert_eq!(ali.cli(&["send", "Bob", "--file", file, "--json"], "").error_code(), "data_cap");

    // A restart forgets nothing of it.
    ali.down();
    ali.up();
    let after = data(&ali, &[]);
    assert_eq!((&after["level"], &after["plan"]), (&"spent".into(), &"low".into()), "{after}");
    assert_eq!(ali.status()["links"], 0);
    assert_eq!(bob.received("Ali").len(), sent, "nothing left meanwhile");

    assert_eq!(data(&ali, &["more", "20MB"])["level"], "free");
    let received =
        bob.receives("Ali", DEADLINE * 2, |received| received.iter().any(|text| text == "the last word"));
    assert_eq!(received.len(), rounds * texts.len() + 1, "all of them, each once");
    until("it is delivered", || (info(&ali, &id)["state"] == "delivered").then_some(()));
    assert_eq!(info(&ali, &id).get("held"), None);
    let _ = data(&ali, &["cap", "none", "--network", "all"]);
    let refused = ali.cli(&["data", "more", "2MB", "--json"], "");
    assert_eq!(refused.error_code(), "limit", "there is no cap to go beyond");
    assert!(refused.stderr.contains("nothing where there is none"), "{}", refused.stderr);
    let refused = ali.cli(&["data", "cap", "5", "--json"], "");
    assert_eq!(refused.error_code(), "limit");
    assert!(refused.stderr.contains("at least 100 kB"), "{}", refused.stderr);
}
