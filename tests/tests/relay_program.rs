//! The relay's program as its operator uses it: set up, run, ask, change, signal, stop, start again.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use karvon_protocol::rpc::Push;
use karvon_tests::binaries::binaries;
use karvon_tests::process::{Outcome, run, signal};
use karvon_tests::until::{DEADLINE, until};
use karvon_tests::visitor::{Visitor, deposit, is_stored, prefix};
use rustix::process::Signal;
use serde_json::Value;
use std::io::BufRead as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn node(dir: &Path, arguments: &[&str]) -> Outcome {
    let mut command = Command::new(&binaries().karvon_node);
    command.arg("relay").args(arguments).arg("--data-dir").arg(dir).env("NO_COLOR", "1");
    run(&mut command, b"", DEADLINE)
}

fn json(dir: &Path, arguments: &[&str]) -> Value {
    node(dir, &[arguments, &["--json"]].concat()).ok().json().remove(0)
}

/// Killed when dropped.
struct Running(Child, Value);

impl Running {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(&binaries().karvon_node)
            .args(["relay", "run", "--allow-private", "--data-dir"])
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self(child, serde_json::from_str(&line).unwrap())
    }

    fn door(&self) -> &str {
        self.1["door"].as_str().unwrap()
    }

    /// Asks it to end; it must do so in order.
    fn stop(mut self) {
        signal(self.0.id(), Signal::TERM);
        let status = until("the relay ends after SIGTERM", || self.0.try_wait().unwrap());
        assert_eq!(status.code(), Some(0));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_relay_is_set_up_run_changed_stopped_and_started_without_losing_a_cell() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("relay");
    assert_eq!(node(&dir, &["status"]).code, Some(1), "nothing runs yet");
    let setup = ["setup", "--profile", "home", "--listen", "127.0.0.1:0", "--day", "5 GiB", "--yes"];
    assert!(node(&dir, &setup).ok().stdout.contains("relay selftest"));
    let checks = node(&dir, &["selftest", "--json"]).ok().json();
    assert!(checks.iter().all(|check| check["good"] == true), "{checks:?}");

    let relay = Running::start(&dir);
    let status = json(&dir, &["status"]);
    assert_eq!((status["state"].as_str(), status["profile"].as_str()), (Some("serving"), Some("home")));
    assert_eq!(status["day_bytes_max"], 5_u64 << 30);
    let screen = node(&dir, &["status"]).ok().stdout;
    assert!(screen.contains("serving") && screen.lines().count() < 24, "{screen}");

    let (mut owner, key) = Visitor::with_mailbox(relay.door(), 1, 10).await.unwrap();
    assert!(is_stored(&owner.ask(&deposit(&key, 3, 1)).await.unwrap()));
    owner.leave().await;

    let wrong = node(&dir, &["limits", "store.capp", "1 GiB"]);
    assert!(wrong.code == Some(1) && wrong.stderr.contains("store.cap"), "{wrong:?}");
    assert!(node(&dir, &["limits", "store.cap", "1 GiB"]).ok().stdout.contains("from now on"));
    assert_eq!(json(&dir, &["status"])["cell_bytes_max"], 1_u64 << 30);
    // A broken file and a hangup: the relay keeps what it has.
    let text = std::fs::read_to_string(dir.join("relay.toml")).unwrap();
    std::fs::write(dir.join("relay.toml"), "[store]\ncap = \"a lot\"\n").unwrap();
    signal(relay.0.id(), Signal::HUP);
    assert_eq!(json(&dir, &["status"])["cell_bytes_max"], 1_u64 << 30);
    std::fs::write(dir.join("relay.toml"), text.replace("\"1 GiB\"", "\"2 GiB\"")).unwrap();
    signal(relay.0.id(), Signal::HUP);
    until("the hangup is heard", || (json(&dir, &["status"])["cell_bytes_max"] == 2_u64 << 30).then_some(()));

    let made = json(&dir, &["door", "new"]);
    let guest = Visitor::enter(made["door"].as_str().unwrap(), 2).await.unwrap();
    let slot = made["slot"].as_str().unwrap();
    for times in 1..=2 {
        let noted = json(&dir, &["door", "blocked", slot]);
        assert_eq!(noted["blocked"], times);
    }
    let listed = node(&dir, &["door", "list", "--json"]).ok().json();
    let listed = listed.iter().find(|door| door["slot"] == slot).unwrap();
    assert_eq!((&listed["guests"], &listed["blocked"]), (&0.into(), &2.into()));
    let _ = node(&dir, &["door", "revoke", slot]).ok();
    assert!(Visitor::enter(made["door"].as_str().unwrap(), 3).await.is_err(), "the door is shut");
    drop(guest);

    let door = relay.door().to_owned();
    relay.stop();
    let again = Running::start(&dir);
    assert_ne!(again.door(), door, "another port, as the configuration lets the system choose");
    let mut owner = Visitor::enter(again.door(), 4).await.unwrap();
    owner.open().await.unwrap();
    owner.attach(&key, Push::None).await.unwrap();
    assert_eq!(owner.fetch_all().await.unwrap().iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), [prefix(3)]);
    assert_eq!(json(&dir, &["drain"])["cells"], 1);
    assert_eq!(json(&dir, &["status"])["state"], "draining");
}

#[tokio::test]
async fn a_damaged_cell_is_counted_and_the_others_are_handed_out() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("relay");
    let _ = node(&dir, &["setup", "--listen", "127.0.0.1:0", "--yes"]).ok();
    let relay = Running::start(&dir);
    let (mut owner, key) = Visitor::with_mailbox(relay.door(), 1, 20).await.unwrap();
    for tag in 0..20 {
        assert!(is_stored(&owner.ask(&deposit(&key, tag, 1)).await.unwrap()));
    }
    owner.leave().await;
    relay.stop();
    let mut damaged = 0;
    for entry in std::fs::read_dir(dir.join("store").join("cells")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        // In the middle of a cell: each has 2 KiB and more.
        if path.extension().is_none_or(|name| name != "idx") && bytes.len() > 20_000 {
            bytes[9_000] ^= 0xff;
            damaged += 1;
        } else {
            // What is beside the segments is a copy that can be made anew.
            bytes.fill(0x5a);
        }
        std::fs::write(&path, bytes).unwrap();
    }
    assert_eq!(damaged, 1);
    let relay = Running::start(&dir);
    let mut owner = Visitor::enter(relay.door(), 2).await.unwrap();
    owner.open().await.unwrap();
    owner.attach(&key, Push::None).await.unwrap();
    assert_eq!(owner.fetch_all().await.unwrap().len(), 19);
    assert_eq!(json(&dir, &["status"])["damaged"], 1);
    assert!(node(&dir, &["status"]).ok().stdout.contains("1 damaged places"));
    assert!(is_stored(&owner.ask(&deposit(&key, 19, 1)).await.unwrap()), "it is held already");
}

#[test]
fn what_is_wrong_before_the_start_is_said_in_words_and_by_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let nothing = node(dir, &["run"]);
    assert!(nothing.code == Some(2) && nothing.stderr.contains("relay setup"), "{nothing:?}");
    std::fs::write(dir.join("relay.toml"), "[limits]\nconnectoins = 5\n").unwrap();
    let misspelt = node(dir, &["run", "--listen", "127.0.0.1:0"]);
    assert!(misspelt.code == Some(2) && misspelt.stderr.contains("limits.connections"), "{misspelt:?}");
    std::fs::write(dir.join("relay.toml"), "[limits]\nconnections = \"many\"\n").unwrap();
    let wrong = node(dir, &["run", "--listen", "127.0.0.1:0"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("a number from 8 to 100000"), "{wrong:?}");
    std::fs::write(dir.join("relay.toml"), "[limits\n").unwrap();
    let broken = node(dir, &["run", "--listen", "127.0.0.1:0"]);
    assert!(broken.code == Some(2) && broken.stderr.contains("relay.toml: "), "{broken:?}");
    std::fs::write(dir.join("relay.toml"), "").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let outcome = node(dir, &["run", "--listen", &addr]);
    assert!(
        outcome.code == Some(1) && outcome.stderr.contains("another program listens there"),
        "{outcome:?}"
    );
    std::fs::write(dir.join("relay.toml"), format!("[relay]\nlisten = \"{addr}\"\n")).unwrap();
    let tested = node(dir, &["selftest"]);
    assert!(tested.code == Some(1) && tested.stdout.contains("BAD port"), "{tested:?}");
}
