//! The real program against a node that is none: what scripts see on standard output, standard error and as exit code.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

#[path = "../../node/tests/fake/mod.rs"]
mod fake;

use fake::Fake;
use karvon_node::api::server::{Listener, Stop, serve};
use karvon_node::api::{API_VERSION, DoorInfo, State};
use karvon_node::rundir::NodeFile;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

struct World {
    dir: TempDir,
    fake: Arc<Fake>,
    _runtime: Runtime,
}

fn world(names: &[&str]) -> World {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let fake = Arc::new(Fake::new(names));
    let door = DoorInfo {
        relay: "aa".repeat(16),
        addr: "192.0.2.1:443".into(),
        connected: true,
        ..DoorInfo::default()
    };
    fake.inner.lock().unwrap().doors.push(door);
    let socket = dir.path().join("s");
    runtime.block_on(async {
        let listener = Listener::bind(&socket).unwrap();
        tokio::spawn(serve(listener, fake.clone(), Stop::default()));
    });
    NodeFile { pid: 7, socket, version: API_VERSION }.write(dir.path()).unwrap();
    World { dir, fake, _runtime: runtime }
}

impl World {
    fn command(&self, args: &[&str]) -> Command {
        command(self.dir.path(), args)
    }

    fn run(&self, args: &[&str]) -> Output {
        self.run_with(args, "")
    }

    fn run_with(&self, args: &[&str], stdin: &str) -> Output {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn texts(&self) -> Vec<String> {
        self.fake.inner.lock().unwrap().messages.iter().filter_map(|message| message.text.clone()).collect()
    }
}

fn command(dir: &std::path::Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_karvon"));
    command.env_remove("KARVON_HOME").env_remove("KARVON_LOG").env_remove("KARVON_PASSPHRASE_FILE");
    command.arg("--data-dir").arg(dir).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn exit(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn objects(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn error(output: &Output) -> Value {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    serde_json::from_str::<Value>(text.trim()).unwrap_or_else(|_| panic!("{text}"))["error"].clone()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < limit, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn status_is_one_object_with_the_state_word() {
    let output = world(&[]).run(&["status", "--json"]);
    assert_eq!(exit(&output), 0);
    let [status] = &objects(&output)[..] else { panic!("{}", stdout(&output)) };
    assert_eq!(status["state"], "online");
    for key in ["links", "queued", "stored", "delivered", "bytes_in", "bytes_out", "rss"] {
        assert!(status[key].is_u64(), "{key}");
    }
}

#[test]
fn a_sent_text_has_an_id_and_a_state_and_a_short_name_is_enough() {
    let world = world(&["Ali", "Bob"]);
    let output = world.run(&["send", "b", "salom", "--json"]);
    let [sent] = &objects(&output)[..] else { panic!("{}", stdout(&output)) };
    assert_eq!((sent["state"].as_str(), sent["id"].as_str().map(str::len)), (Some("queued"), Some(32)));
    assert_eq!(world.fake.inner.lock().unwrap().messages[0].contact, 2);
    let output = world.run_with(&["send", "Ali", "-"], "two\nlines\n");
    assert!(stdout(&output).starts_with("queued "), "{}", stdout(&output));
    assert_eq!(world.texts(), ["salom", "two\nlines"]);
}

#[test]
fn a_batch_keeps_its_order_and_reports_each_line() {
    let world = world(&["Ali"]);
    let lines: Vec<String> = (0..2_000).map(|number| format!("line {number}")).collect();
    let output = world.run_with(&["send", "Ali", "--batch", "--json"], &(lines.join("\n") + "\n\n"));
    assert_eq!(exit(&output), 0);
    assert_eq!(world.texts(), lines);
    let ids: Vec<String> =
        objects(&output).iter().map(|sent| sent["id"].as_str().unwrap().to_owned()).collect();
    let known: Vec<String> =
        world.fake.inner.lock().unwrap().messages.iter().map(|message| message.id.clone()).collect();
    assert_eq!(ids, known);
}

#[test]
fn a_bad_line_in_a_batch_is_named_and_the_lines_before_it_are_sent() {
    let world = world(&["Ali"]);
    let input = format!("one\ntwo\n{}\nfour\n", "x".repeat(9_000));
    let output = world.run_with(&["send", "Ali", "--batch", "--json"], &input);
    assert_eq!(exit(&output), 9);
    assert!(error(&output)["message"].as_str().unwrap().contains("line 3"));
    assert_eq!(world.texts(), ["one", "two"]);
    assert_eq!(objects(&output).len(), 2);
}

#[test]
fn waiting_for_stored_ends_when_it_is_true_and_not_before() {
    let world = world(&["Ali"]);
    let child = world.command(&["send", "Ali", "salom", "--wait", "stored", "--json"]).spawn().unwrap();
    until("the text", || world.texts().len() == 1);
    // News that change nothing do not end the wait.
    for _ in 0..20 {
        world.fake.advance(State::Queued);
    }
    world.fake.receive(1, "other");
    let mut child = child;
    // Another command takes longer than hearing the news.
    world.run(&["status"]);
    assert!(child.try_wait().unwrap().is_none());
    world.fake.advance(State::Delivered);
    let output = child.wait_with_output().unwrap();
    assert_eq!((exit(&output), objects(&output)[0]["state"].as_str()), (0, Some("delivered")));
}

#[test]
fn a_time_out_is_ten_and_the_message_stays_queued() {
    let world = world(&["Ali"]);
    let output = world.run(&["send", "Ali", "salom", "--wait", "delivered", "--timeout", "50ms", "--json"]);
    assert_eq!((exit(&output), error(&output)["code"].as_str()), (10, Some("timeout")));
    assert!(error(&output)["message"].as_str().unwrap().contains("safe and still queued"));
    assert_eq!(objects(&output)[0]["state"], "queued");
    let output = world
        .run_with(&["send", "Ali", "--batch", "--wait", "stored", "--timeout", "50ms", "--json"], "a\nb\n");
    assert_eq!((exit(&output), objects(&output).len()), (10, 2));
}

#[test]
fn without_a_door_waiting_ends_at_once_with_four() {
    let world = world(&["Ali"]);
    assert_eq!(exit(&world.run(&["door", "remove", "AAAA"])), 0);
    assert_eq!(objects(&world.run(&["door", "list", "--json"])).len(), 0);
    let output = world.run(&["send", "Ali", "salom", "--wait", "stored", "--timeout", "1h", "--json"]);
    assert_eq!((exit(&output), error(&output)["code"].as_str()), (4, Some("no_door")));
    assert_eq!((objects(&output).len(), world.texts().len()), (1, 1));
}

#[test]
fn an_ambiguous_or_unknown_name_is_five_and_nothing_is_sent() {
    let world = world(&["Alisher", "Alina"]);
    let output = world.run(&["send", "al", "salom", "--json"]);
    assert_eq!(exit(&output), 5);
    assert_eq!(error(&output)["candidates"], serde_json::json!(["Alisher (#1)", "Alina (#2)"]));
    assert_eq!(exit(&world.run(&["send", "zafar", "salom"])), 5);
    assert!(world.texts().is_empty());
}

#[test]
fn reading_gives_every_message_with_the_agreed_fields() {
    let world = world(&["Ali", "Bob"]);
    world.fake.receive(1, "salom");
    world.run(&["send", "Ali", "va alaykum"]);
    world.fake.receive(2, "other");
    let all = objects(&world.run(&["read", "--json"]));
    assert_eq!(all.len(), 3);
    let with_ali = objects(&world.run(&["read", "ali", "--json"]));
    let [theirs, own] = &with_ali[..] else { panic!("{with_ali:?}") };
    for key in ["id", "from", "text", "sent_at", "received_at", "seq", "mine"] {
        assert!(theirs.get(key).is_some(), "{key}");
    }
    assert_eq!((theirs["mine"].as_bool(), own["mine"].as_bool()), (Some(false), Some(true)));
    assert!(own["received_at"].is_null());
    let since = objects(&world.run(&["read", "ali", "--json", "--since", theirs["id"].as_str().unwrap()]));
    assert_eq!(&since[..], std::slice::from_ref(own));
    assert_eq!(objects(&world.run(&["read", "--json", "--limit", "1"]))[0]["text"], "other");
}

#[test]
fn a_long_conversation_is_read_whole_and_in_order() {
    let world = world(&["Ali"]);
    for number in 0..1_234 {
        world.fake.receive(1, &number.to_string());
    }
    let all = objects(&world.run(&["read", "Ali", "--json"]));
    let texts: Vec<&str> = all.iter().map(|message| message["text"].as_str().unwrap()).collect();
    let wanted: Vec<String> = (0..1_234).map(|number| number.to_string()).collect();
    assert_eq!(texts, wanted);
    let since = objects(&world.run(&["read", "Ali", "--json", "--since", all[0]["id"].as_str().unwrap()]));
    assert_eq!(since, all[1..]);
    assert_eq!(stdout(&world.run(&["read", "Ali"])).lines().count(), 50);
}

#[test]
fn following_shows_each_message_once_and_ends_by_interruption() {
    let world = world(&["Ali", "Bob"]);
    world.fake.receive(1, "before");
    let mut child = world.command(&["read", "--follow", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap()["text"].clone();
    assert_eq!(next(), "before");
    for number in 0..300 {
        world.fake.receive(1 + number % 2, &number.to_string());
    }
    let mut seen: Vec<u32> = (0..300).map(|_| next().as_str().unwrap().parse().unwrap()).collect();
    // Between two people any order is right; with one it is theirs.
    for contact in 0..2 {
        assert!(seen.iter().filter(|number| **number % 2 == contact).is_sorted());
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..300).collect::<Vec<_>>());
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn foreign_text_can_not_act_on_the_terminal() {
    let world = world(&["Ali\u{1b}]0;x\u{7}"]);
    world.fake.receive(1, "a\u{1b}[2J\u{9b}31mb\u{202e}\nfake");
    for args in [&["read"][..], &["read", "--json"], &["contacts"], &["contacts", "--json"]] {
        let shown = stdout(&world.run(args));
        let bad = |letter: char| letter.is_control() && letter != '\n' || letter == '\u{202e}';
        assert!(!shown.contains(bad), "{args:?}: {shown:?}");
    }
    let whole = objects(&world.run(&["read", "--json"]))[0]["text"].clone();
    assert_eq!(whole, "a\u{1b}[2J\u{9b}31mb\u{202e}\nfake");
}

#[test]
fn adding_inviting_and_renaming_work_without_questions() {
    let world = world(&["Ali"]);
    let output = world.run_with(&["add", "--stdin", "--name", "Bob", "--json"], " KARVON:ABC\n");
    assert_eq!((exit(&output), objects(&output)[0]["meeting"].as_str()), (0, Some("looking_up")));
    let output = world.run_with(&["add", "--stdin", "--json"], "hello");
    assert_eq!((exit(&output), error(&output)["code"].as_str()), (1, Some("invite_damaged")));
    assert_eq!(exit(&world.run(&["add"])), 2);
    assert_eq!(stdout(&world.run(&["invite", "--text"])), "KARVON:ABC234\n");
    assert_eq!(stdout(&world.run(&["invite", "--text", "--plain"])), "ABC234\n");
    assert!(stdout(&world.run(&["invite", "--qr"])).contains('█'));
    assert_eq!(exit(&world.run(&["contacts", "rename", "ali", "Alisher"])), 0);
    let names: Vec<Value> =
        objects(&world.run(&["contacts", "list", "--json"])).iter().map(|c| c["name"].clone()).collect();
    assert_eq!(names, ["Alisher", "Bob"]);
}

#[test]
fn the_way_of_a_message_is_shown_and_a_wrong_id_is_five_or_two() {
    let world = world(&["Ali"]);
    let sent = objects(&world.run(&["send", "Ali", "salom", "--json"]));
    let id = sent[0]["id"].as_str().unwrap();
    let info = objects(&world.run(&["info", id, "--json"]));
    assert_eq!((info[0]["id"].as_str(), info[0]["trail"][0]["what"].as_str()), (Some(id), Some("queued")));
    assert_eq!(exit(&world.run(&["info", &"f".repeat(32)])), 5);
    assert_eq!(exit(&world.run(&["info", "short"])), 2);
}

#[test]
fn down_stops_the_node_and_up_says_that_one_runs() {
    let world = world(&[]);
    let output = world.run(&["up", "--json"]);
    assert_eq!((exit(&output), objects(&output)[0]["started"].as_bool()), (0, Some(false)));
    let output = world.run(&["down", "--json"]);
    assert_eq!((exit(&output), objects(&output)[0]["was_running"].as_bool()), (0, Some(true)));
    let output = world.run(&["down", "--json"]);
    assert_eq!((exit(&output), objects(&output)[0]["was_running"].as_bool()), (0, Some(false)));
}

#[test]
fn a_missing_profile_is_five_and_a_mistake_is_two() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let output = command(&missing, &["status", "--json"]).output().unwrap();
    assert_eq!((exit(&output), error(&output)["code"].as_str()), (5, Some("no_profile")));
    let output = command(&missing, &["send", "--json"]).output().unwrap();
    assert_eq!((exit(&output), error(&output)["code"].as_str()), (2, Some("usage")));
    let output = command(&missing, &["init", "--json"]).output().unwrap();
    assert_eq!(exit(&output), 2);
    let output = command(&missing, &["init", "--name", "A", "--no-lock", "--door", "junk", "--json"])
        .output()
        .unwrap();
    assert_eq!(error(&output)["code"], "door_damaged");
    let both = ["--passphrase-file", file!(), "init", "--name", "A", "--no-lock"];
    let output = Command::new(env!("CARGO_BIN_EXE_karvon"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .arg("--data-dir")
        .arg(&missing)
        .args(both)
        .output()
        .unwrap();
    assert_eq!(exit(&output), 2);
    let output = command(&missing, &[]).output().unwrap();
    assert_eq!(exit(&output), 2);
    assert!(!missing.exists());
}

#[test]
fn settings_are_kept_and_a_misspelt_one_is_answered_with_the_right_one() {
    let world = world(&[]);
    assert_eq!(exit(&world.run(&["config", "set", "ui.lang", "tg"])), 0);
    assert_eq!(stdout(&world.run(&["config", "get", "ui.lang"])), "tg\n");
    let output = world.run(&["config", "set", "ui.langue", "tg", "--json"]);
    assert_eq!(exit(&output), 2);
    assert!(error(&output)["message"].as_str().unwrap().contains("did you mean `ui.lang`"));
    std::fs::write(world.dir.path().join("config.toml"), "[ui]\nlanf = \"tg\"\n").unwrap();
    assert_eq!(exit(&world.run(&["config", "check"])), 2);
    assert_eq!(exit(&world.run(&["status"])), 2);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = world(&["Ali"]);
    for number in 0..500 {
        world.fake.receive(1, &format!("{number} {}", "x".repeat(1_000)));
    }
    let mut child = world.command(&["read", "--json"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((exit(&output), output.stderr.len()), (0, 0));
}

#[test]
fn a_node_of_another_version_is_three() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    NodeFile { pid: 1, socket, version: 99 }.write(dir.path()).unwrap();
    let node = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
        stream.write_all(b"{\"id\":1,\"error\":{\"code\":\"version\",\"message\":\"update\"}}\n").unwrap();
    });
    let output = command(dir.path(), &["status", "--json"]).output().unwrap();
    assert_eq!((exit(&output), error(&output)["code"].as_str()), (3, Some("version")));
    node.join().unwrap();
}
