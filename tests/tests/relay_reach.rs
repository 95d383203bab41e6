//! Relays that dial each other back: what each learns of its own addresses, and what its operator is told to do.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use karvon_tests::binaries::binaries;
use karvon_tests::process::{Outcome, run};
use karvon_tests::until::{DEADLINE, until};
use serde_json::Value;
use std::io::BufRead as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A relay with a configuration of its own; killed when dropped.
struct Relay {
    child: Child,
    ready: Value,
    folder: tempfile::TempDir,
}

impl Relay {
    fn start(config: &str, peer: Option<&Self>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("relay.toml"), config).unwrap();
        let mut command = Command::new(&binaries().karvon_node);
        command.args(["relay", "run", "--allow-private", "--data-dir"]).arg(folder.path());
        if let Some(peer) = peer {
            command.args(["--peer", peer.ready["door"].as_str().unwrap()]);
        }
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, ready: serde_json::from_str(&line).unwrap(), folder }
    }

    fn ask(&self, arguments: &[&str]) -> Outcome {
        let dir: PathBuf = self.folder.path().to_owned();
        let mut command = Command::new(&binaries().karvon_node);
        command.arg("relay").args(arguments).arg("--data-dir").arg(dir).env("NO_COLOR", "1");
        run(&mut command, b"", 2 * DEADLINE)
    }

    fn status(&self) -> Value {
        self.ask(&["status", "--json"]).ok().json().remove(0)
    }

    /// The status once another relay has dialled back.
    fn dialled_back(&self) -> Value {
        until("another relay dials back", || Some(self.status()).filter(|status| status["dialbacks"] != 0))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const LISTENS: &str = "[relay]\nlisten = \"127.0.0.1:0\"\nmesh_listen = \"127.0.0.1:0\"\n";

/// A port on which nobody listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn two_relays_tell_each_other_that_they_can_be_reached() {
    let first = Relay::start(LISTENS, None);
    let status = first.status();
    assert_eq!((&status["reachable"], &status["dialbacks"]), (&Value::Null, &Value::from(0)));
    assert!(first.ask(&["status"]).ok().stdout.contains("not known yet: no other relay is linked"));
    let second = Relay::start(LISTENS, Some(&first));
    for relay in [&first, &second] {
        let status = relay.dialled_back();
        assert_eq!(
            (&status["door_reached"], &status["mesh_reached"]),
            (&"reached".into(), &"reached".into())
        );
        assert_eq!(status["reachable"], true);
        assert!(relay.ask(&["status"]).ok().stdout.contains("yes, another relay dialled back"));
    }
    // The dials were no leaves and no relays.
    assert_eq!((&second.status()["leaves"], &second.status()["faults"]), (&Value::from(0), &Value::from(0)));
}

#[test]
fn a_door_that_is_closed_from_outside_is_told_with_the_line_that_opens_it() {
    let first = Relay::start(LISTENS, None);
    let config = format!("{LISTENS}announce = \"127.0.0.1:{}\"\n", free_port());
    let closed = Relay::start(&config, Some(&first));
    let status = closed.dialled_back();
    assert_eq!((&status["reachable"], &status["door_reached"]), (&Value::from(false), &"closed".into()));
    let port = status["listen"].as_str().unwrap().rsplit_once(':').unwrap().1.to_owned();
    let line = format!("ufw allow {port}/tcp");
    let screen = closed.ask(&["status"]).ok().stdout;
    assert!(screen.contains(&line), "{screen}");
    let tested = closed.ask(&["selftest"]);
    assert!(tested.code == Some(1) && tested.stdout.contains("BAD from outside"), "{tested:?}");
    assert!(tested.stdout.contains(&line), "{tested:?}");
}

#[test]
fn an_address_that_is_not_the_askers_is_not_dialled() {
    let first = Relay::start(LISTENS, None);
    let config = format!("{LISTENS}announce = \"198.51.100.9:7443\"\n");
    let elsewhere = Relay::start(&config, Some(&first));
    let status = elsewhere.dialled_back();
    assert_eq!((&status["reachable"], &status["door_reached"]), (&Value::Null, &"elsewhere".into()));
    assert_eq!(status["mesh_reached"], "reached");
    assert!(status["reachable_words"].as_str().unwrap().contains("others see 127.0.0.1"), "{status}");
}

#[test]
fn the_port_of_a_web_door_is_tried_as_well() {
    let first = Relay::start(LISTENS, None);
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(&binaries().karvon_node);
    command
        .args([
            "relay",
            "run",
            "--allow-private",
            "--listen-web",
            "127.0.0.1:0",
            "--mesh-listen",
            "127.0.0.1:0",
        ])
        .args(["--peer", first.ready["door"].as_str().unwrap(), "--data-dir"])
        .arg(folder.path());
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let web = Relay { child, ready: serde_json::from_str(&line).unwrap(), folder };
    let status = web.dialled_back();
    assert_eq!((&status["door_reached"], &status["mesh_reached"]), (&"answers".into(), &"reached".into()));
    assert_eq!(status["reachable"], true);
}

#[test]
fn a_relay_that_listens_everywhere_says_so_and_comes_back_everywhere() {
    let config = format!(
        "[relay]\nlisten = \"0.0.0.0:{0}\"\nmesh_listen = \"0.0.0.0:{1}\"\nannounce = \"127.0.0.1:{0}\"\n",
        free_port(),
        free_port()
    );
    let first = Relay::start(LISTENS, None);
    let relay = Relay::start(&config, Some(&first));
    let status = relay.dialled_back();
    for place in ["listen", "mesh_listen"] {
        assert!(status[place].as_str().unwrap().starts_with("0.0.0.0:"), "{status}");
    }
    assert_eq!(status["reachable"], true, "{status}");
}
