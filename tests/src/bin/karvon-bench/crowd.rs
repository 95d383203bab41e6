//! A large group: everybody a real process, how long it takes to form, and when each message reaches each member.

use crate::spread::{Spread, milliseconds};
use crate::usage::{cpu_seconds, resident};
use karvon_tests::api::Api;
use karvon_tests::person::Person;
use karvon_tests::until::until_within;
use karvon_tests::world::World;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How large it is, and how much is said.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Crowd {
    /// Measures a group of so many people, and nothing else
    #[arg(long, value_name = "PEOPLE")]
    pub(crate) group: Option<usize>,
    /// Relays of the group's world
    #[arg(long, default_value_t = 4)]
    relays: usize,
    /// Messages in all, by all members in turn
    #[arg(long, default_value_t = 100)]
    messages: usize,
    /// Milliseconds from one message to the next
    #[arg(long, default_value_t = 400)]
    pause_ms: u64,
}

/// No step may take longer.
const PATIENCE: Duration = Duration::from_secs(300);
/// Name of the group.
const NAME: &str = "Crowd";
/// Messages that one member alone sends, to count its bytes.
const ALONE: usize = 20;

/// What a member's listener saw: when the whole roster was there, and when each place of the conversation was told.
struct Seen {
    formed: Option<Instant>,
    places: BTreeMap<u64, Instant>,
}

pub(crate) fn measure(crowd: &Crowd, people: usize, base: &Path) -> Value {
    eprintln!("{} relays, {people} people …", crowd.relays);
    let world = World::within(base, crowd.relays);
    let persons: Vec<Person> = (0..people)
        .map(|number| {
            let doors = [number % crowd.relays, (number + 1) % crowd.relays];
            let person = world.person(&format!("P{number:03}"), &doors);
            person.up();
            person
        })
        .collect();
    let [owner, others @ ..] = persons.as_slice() else { panic!("a group has people") };
    eprintln!("everybody meets the first one …");
    for person in others {
        let invitation = owner.invite();
        let mut api = person.api();
        let _ = call(&mut api, "add", &json!({ "invitation": invitation, "name": owner.name }));
    }
    let mut first = owner.api();
    until_within(PATIENCE, "everybody has met the first one", || {
        let contacts = call(&mut first, "contacts", &Value::Null);
        let contacts = contacts["contacts"].as_array()?;
        let met = contacts.iter().filter(|contact| contact["meeting"] == "connected").count();
        (met == others.len()).then_some(())
    });

    eprintln!("the group forms …");
    let done = AtomicBool::new(false);
    let mut figures = thread::scope(|scope| {
        let listeners: Vec<_> =
            persons.iter().map(|person| scope.spawn(|| listen(person, people, &done))).collect();
        let start = Instant::now();
        let founded = group(&mut first, json!({ "what": "create", "name": NAME }));
        let number = &founded["group"];
        let contacts = call(&mut first, "contacts", &Value::Null);
        for contact in contacts["contacts"].as_array().into_iter().flatten() {
            let ask = json!({ "what": "invite", "group": number, "contact": contact["contact"] });
            let _ = group(&mut first, ask);
        }
        for person in &persons {
            let mut api = person.api();
            until_within(PATIENCE, "the group is whole", || whole(&mut api, people));
        }
        let polled = start.elapsed();

        eprintln!("they talk …");
        let cpu = |persons: &[Person]| persons.iter().filter_map(Person::pid).map(cpu_seconds).sum::<f64>();
        let cpu_before = cpu(&persons);
        let mut sent: BTreeMap<String, Instant> = BTreeMap::new();
        let mut apis: Vec<Api> = persons.iter().map(Person::api).collect();
        let mut say = |api: &mut Api, text: &str| {
            let number = number_of(api);
            let at = Instant::now();
            let queued = group(api, json!({ "what": "send", "group": number, "text": text }));
            sent.insert(queued["id"].as_str().expect("an id").to_owned(), at);
        };
        let pause = Duration::from_millis(crowd.pause_ms);
        for count in 0..crowd.messages {
            // A stride that visits everybody before it comes back, whatever the number of people.
            say(&mut apis[(count * 7) % people], &format!("{:<200}", format!("message {count}")));
            thread::sleep(pause);
        }
        let talking = cpu(&persons) - cpu_before;
        thread::sleep(Duration::from_secs(5));
        let before = bytes_out(&mut first);
        for count in 0..ALONE {
            say(&mut first, &format!("{:<200}", format!("alone {count}")));
            thread::sleep(pause);
        }
        thread::sleep(Duration::from_secs(1));
        let out = bytes_out(&mut first).saturating_sub(before);
        thread::sleep(Duration::from_secs(5));

        done.store(true, Ordering::Relaxed);
        let seen: Vec<Seen> =
            listeners.into_iter().map(|listener| listener.join().expect("the listener lives")).collect();
        let formed = seen.iter().filter_map(|seen| seen.formed).max();
        let (mut spread, mut missing, mut twice) = (Spread::new(), 0, 0);
        for (api, seen) in apis.iter_mut().zip(&seen) {
            let mut found = BTreeSet::new();
            for message in messages(api) {
                let id = message["id"].as_str().unwrap_or_default().to_owned();
                let place = message["position"].as_u64().unwrap_or_default();
                if let (Some(at), Some(arrived), false) =
                    (sent.get(&id), seen.places.get(&place), message["mine"] == true)
                {
                    spread.add(arrived.saturating_duration_since(*at));
                }
                twice += usize::from(!found.insert(id));
            }
            missing += sent.keys().filter(|id| !found.contains(*id)).count();
        }
        let rss: Vec<u64> = persons.iter().filter_map(Person::pid).map(resident).collect();
        json!({
            "people": people,
            "relays": crowd.relays,
            "formed_ms": formed.map(|at| milliseconds(at.saturating_duration_since(start))),
            "formed_polled_ms": milliseconds(polled),
            "messages": sent.len(),
            "deliveries_wanted": sent.len() * (people - 1),
            "missing": missing,
            "twice": twice,
            "latency": spread.json(),
            "sender_bytes_out_per_message": (out as f64 / ALONE as f64).round(),
            "cpu_seconds_people_per_message": talking / crowd.messages.max(1) as f64,
            "rss_bytes_max": rss.iter().max(),
            "clean": missing == 0 && twice == 0,
        })
    });
    figures["profile"] = json!(if cfg!(debug_assertions) { "dev" } else { "release" });
    figures
}

/// Accepts the invitation, and notes what comes until all is said.
fn listen(person: &Person, people: usize, done: &AtomicBool) -> Seen {
    let mut api = person.api();
    let _ = call(&mut api, "subscribe", &Value::Null);
    let mut seen = Seen { formed: None, places: BTreeMap::new() };
    while !done.load(Ordering::Relaxed) {
        let Ok(event) = api.event(Duration::from_millis(200)) else { break };
        let Some((at, event)) = event.filter(|(_, event)| event["event"] == "group") else { continue };
        match event["what"].as_str() {
            Some("received") => {
                let place = |name: &str| event[name].as_u64().unwrap_or_default();
                (place("from")..=place("to")).for_each(|place| {
                    seen.places.entry(place).or_insert(at);
                });
            }
            Some("changed") if seen.formed.is_none() => {
                for known in list(&mut api) {
                    if known["standing"] == "invited" {
                        let _ = group(&mut api, json!({ "what": "accept", "group": known["group"] }));
                    }
                }
                seen.formed = whole(&mut api, people).map(|()| at);
            }
            _ => {}
        }
    }
    seen
}

fn call(api: &mut Api, method: &str, params: &Value) -> Value {
    api.call(method, params).unwrap_or_else(|fault| panic!("{method}: {fault:?}"))
}

fn group(api: &mut Api, ask: Value) -> Value {
    call(api, "group", &ask)
}

fn list(api: &mut Api) -> Vec<Value> {
    group(api, json!({ "what": "list" }))["groups"].as_array().cloned().unwrap_or_default()
}

/// The group's number on this device.
fn number_of(api: &mut Api) -> Value {
    list(api).into_iter().find(|group| group["name"] == NAME).expect("the group is here")["group"].take()
}

fn whole(api: &mut Api, people: usize) -> Option<()> {
    list(api).iter().any(|group| group["standing"] == "in" && group["members"] == people).then_some(())
}

fn bytes_out(api: &mut Api) -> u64 {
    call(api, "status", &Value::Null)["bytes_out"].as_u64().unwrap_or_default()
}

/// All messages of the group on this device.
fn messages(api: &mut Api) -> Vec<Value> {
    let number = number_of(api);
    let (mut out, mut after) = (Vec::new(), 0);
    loop {
        let ask =
            json!({ "what": "messages", "group": number, "before": null, "after": after, "limit": 500 });
        let mut page = group(api, ask);
        let Value::Array(messages) = page["messages"].take() else { break };
        let Some(last) = messages.last() else { break };
        after = last["position"].as_u64().unwrap_or_default();
        out.extend(messages);
        if page["more"] != true {
            break;
        }
    }
    out
}
