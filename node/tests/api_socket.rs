//! The local interface over a real Unix socket: order, bounds, refusals, slow clients and an orderly end.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod fake;

use fake::Fake;
use karvon_node::api::server::{CLIENTS_MAX, Listener, Stop, serve};
use karvon_node::api::{API_VERSION, Event, Request, Response, State};
use karvon_node::client::Client;
use karvon_node::rundir::NodeFile;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

struct World {
    dir: TempDir,
    socket: PathBuf,
    fake: Arc<Fake>,
    stop: Stop,
    server: JoinHandle<()>,
}

fn world() -> World {
    world_of(karvon_node::os::uid())
}

fn world_of(uid: u32) -> World {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let (fake, stop) = (Arc::new(Fake::new(&["Ali", "Bob"])), Stop::default());
    let listener = Listener::bind_for(&socket, uid).unwrap();
    let server = tokio::spawn(serve(listener, fake.clone(), stop.clone()));
    NodeFile { pid: 1, socket: socket.clone(), version: API_VERSION }.write(dir.path()).unwrap();
    World { dir, socket, fake, stop, server }
}

struct Raw(BufReader<UnixStream>);

impl Raw {
    async fn connect(world: &World) -> Self {
        Self(BufReader::new(UnixStream::connect(&world.socket).await.unwrap()))
    }

    async fn greeted(world: &World) -> Self {
        let mut raw = Self::connect(world).await;
        raw.write(&json!({"id": 0, "method": "hello", "params": {"version": API_VERSION}}).to_string()).await;
        assert_eq!(raw.line().await.unwrap()["result"]["version"], API_VERSION);
        raw
    }

    async fn write(&mut self, line: &str) {
        self.0.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        let length = self.0.read_line(&mut line).await.unwrap_or_default();
        (length > 0).then(|| serde_json::from_str(&line).unwrap())
    }

    async fn ask(&mut self, line: &str) -> Value {
        self.write(line).await;
        self.line().await.unwrap()
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_each_takes_effect_once() {
    let world = world();
    let client = Client::connect(world.dir.path()).await.unwrap().unwrap();
    let text =
        |number: u32| if number.is_multiple_of(50) { format!("slow {number}") } else { format!("{number}") };
    let calls = (0..2_000).map(|number| {
        let client = client.clone();
        async move { client.call(Request::Send { contact: 1, text: text(number) }).await.unwrap() }
    });
    let answers = futures::future::join_all(calls).await;
    for (number, answer) in (1..).zip(&answers) {
        assert!(matches!(answer, Response::Queued { seq, .. } if *seq == number), "{number}: {answer:?}");
    }
    let texts: Vec<String> =
        world.fake.inner.lock().unwrap().messages.iter().filter_map(|message| message.text.clone()).collect();
    assert_eq!(texts, (0..2_000).map(text).collect::<Vec<_>>());
}

#[tokio::test]
async fn answers_come_in_the_order_of_their_requests_on_the_wire() {
    let world = world();
    let mut raw = Raw::greeted(&world).await;
    raw.write(
        "{\"id\":7,\"method\":\"send\",\"params\":{\"contact\":1,\"text\":\"slow\"}}\n\n{\"id\":3,\"method\":\"status\"}",
    )
    .await;
    assert_eq!(raw.line().await.unwrap()["id"], 7);
    assert_eq!(raw.line().await.unwrap()["result"]["type"], "status");
}

#[tokio::test]
async fn junk_is_answered_with_an_error_and_the_connection_goes_on() {
    let world = world();
    let mut raw = Raw::greeted(&world).await;
    for junk in ["hello", "{}", "[1,2]", "{\"id\":1,\"method\":\"fly\"}", "\u{0}\u{1}"] {
        assert_eq!(raw.ask(junk).await["error"]["code"], "bad_request", "{junk:?}");
    }
    assert_eq!(raw.ask("{\"id\":2,\"method\":\"contacts\"}").await["result"]["contacts"][1]["name"], "Bob");
}

#[tokio::test]
async fn a_line_without_end_is_refused_and_the_connection_closed() {
    let world = world();
    let raw = Raw::greeted(&world).await;
    let (mut from, mut to) = raw.0.into_inner().into_split();
    let flood = tokio::spawn(async move {
        let part = vec![b'x'; 64 * 1024];
        let mut sent = 0_usize;
        while to.write_all(&part).await.is_ok() && sent < 64 * 1024 * 1024 {
            sent += part.len();
        }
        sent
    });
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        answer.extend_from_slice(&chunk[..length]);
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("bad_request") && answer.contains("too long"), "{answer}");
    assert!(flood.await.unwrap() < 64 * 1024 * 1024);
}

#[tokio::test]
async fn a_program_of_another_version_is_told_and_gets_nothing_else() {
    let world = world();
    let mut raw = Raw::connect(&world).await;
    assert_eq!(raw.ask("{\"id\":1,\"method\":\"contacts\"}").await["error"]["code"], "version");
    let newer = "{\"id\":2,\"method\":\"hello\",\"params\":{\"version\":99}}";
    assert_eq!(raw.ask(newer).await["error"]["code"], "version");
    assert_eq!(raw.ask("{\"id\":3,\"method\":\"contacts\"}").await["error"]["code"], "version");
}

#[tokio::test]
async fn a_process_of_another_user_gets_no_answer() {
    let world = world_of(karvon_node::os::uid() + 1);
    let mut raw = Raw::connect(&world).await;
    let _ = raw.0.write_all(b"{\"id\":1,\"method\":\"hello\",\"params\":{\"version\":1}}\n").await;
    assert_eq!(raw.line().await, None);
}

#[tokio::test]
async fn the_socket_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = world();
    assert_eq!(std::fs::metadata(&world.socket).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn one_client_too_many_is_told_so_and_a_place_given_up_can_be_taken() {
    let world = world();
    let mut raws = Vec::new();
    for _ in 0..CLIENTS_MAX {
        raws.push(Raw::greeted(&world).await);
    }
    let mut late = Raw::connect(&world).await;
    assert_eq!(late.line().await.unwrap()["error"]["code"], "too_many_clients");
    let error = Client::connect(world.dir.path()).await.unwrap_err();
    assert_eq!(error.code, "too_many_clients");
    drop(raws);
    for _ in 0..1_000 {
        if Client::connect(world.dir.path()).await.is_ok() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("no place came free");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_told_that_it_lagged_and_stops_nobody() {
    let world = world();
    let mut slow = Raw::greeted(&world).await;
    assert_eq!(slow.ask("{\"id\":1,\"method\":\"subscribe\"}").await["result"]["type"], "done");
    let quick = Client::connect(world.dir.path()).await.unwrap().unwrap();
    for number in 0..20_000 {
        let _ = world.fake.events.send(Event::Contact { contact: number });
        if number % 1_000 == 0 {
            // The other client is served all the while.
            assert!(quick.call(Request::Status).await.is_ok());
        }
    }
    let mut seen = Vec::new();
    while seen.last() != Some(&Some(19_999)) {
        let line = slow.line().await.unwrap();
        seen.push(line["contact"].as_u64());
        assert!(line["event"] == "contact" || line["event"] == "lagged", "{line}");
    }
    assert!(seen.contains(&None), "nothing was dropped");
    assert!(seen.len() < 20_000);
}

#[tokio::test]
async fn events_reach_every_subscriber() {
    let world = world();
    let (a, b) =
        (Client::connect(world.dir.path()).await.unwrap().unwrap(), Client::local(world.fake.clone()));
    let (mut first, mut second) = (a.subscribe().await.unwrap(), b.subscribe().await.unwrap());
    world.fake.receive(2, "salom");
    let event = Event::Received { contact: 2, from: 1, to: 1 };
    assert_eq!((first.next().await, second.next().await), (Some(event.clone()), Some(event)));
}

#[tokio::test]
async fn after_shutdown_requests_under_way_are_answered_and_then_the_end_is_seen() {
    let world = world();
    let other = Client::connect(world.dir.path()).await.unwrap().unwrap();
    let mut events = other.subscribe().await.unwrap();
    let asking = {
        let other = other.clone();
        tokio::spawn(async move { other.call(Request::Send { contact: 1, text: "slow".into() }).await })
    };
    let one = Client::connect(world.dir.path()).await.unwrap().unwrap();
    assert!(matches!(one.call(Request::Shutdown).await, Ok(Response::Done)));
    assert!(matches!(asking.await.unwrap(), Ok(Response::Queued { .. })));
    world.server.await.unwrap();
    assert_eq!(events.next().await, None);
    assert_eq!(other.call(Request::Status).await.unwrap_err().code, "closed");
    assert!(Client::connect(world.dir.path()).await.unwrap().is_none());
    world.stop.wait().await;
}

#[tokio::test]
async fn a_limit_beyond_the_largest_page_is_cut_and_said_so() {
    let world = world();
    for _ in 0..600 {
        world.fake.receive(1, "x");
    }
    world.fake.advance(State::Stored);
    let client = Client::connect(world.dir.path()).await.unwrap().unwrap();
    let request = Request::Messages { contact: Some(1), before: None, since: None, limit: usize::MAX };
    match client.call(request).await.unwrap() {
        Response::Messages { messages, more } => assert_eq!((messages.len(), more), (500, true)),
        other => panic!("{other:?}"),
    }
}
