//! A relay as a real process.

use crate::binaries::binaries;
use crate::dice::Dice;
use crate::process::signal;
use crate::until::until;
use crate::world::Place;
use rustix::process::Signal;
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A relay. Killed when dropped.
#[derive(Debug)]
pub struct Relay {
    command: Command,
    data_dir: PathBuf,
    output: PathBuf,
    log: PathBuf,
    peers: Vec<String>,
    mesh: String,
    ready: Value,
    child: Option<Child>,
    /// How it is told where to listen for leaves.
    listen_with: &'static str,
}

impl Relay {
    /// Starts relay `number`, which joins the mesh of the relays whose doors are `peers`, and waits until it is ready.
    ///
    /// # Panics
    /// If it does not get ready.
    #[must_use]
    pub fn start(place: &Place, number: usize, peers: Vec<String>) -> Self {
        Self::start_as(place, number, peers, "--listen")
    }

    /// [`Relay::start`] of a relay whose only door is a web site to everybody without a slot.
    ///
    /// # Panics
    /// If it does not get ready.
    #[must_use]
    pub fn start_web(place: &Place, number: usize, peers: Vec<String>) -> Self {
        Self::start_as(place, number, peers, "--listen-web")
    }

    fn start_as(place: &Place, number: usize, peers: Vec<String>, listen_with: &'static str) -> Self {
        let logs = place.path("logs");
        let mut relay = Self {
            command: place.command(&binaries().karvon_node),
            data_dir: place.path(&format!("relay-{number}")),
            output: logs.join(format!("relay-{number}.out.log")),
            log: logs.join(format!("relay-{number}.log")),
            peers,
            mesh: mesh_address(),
            ready: Value::Null,
            child: None,
            listen_with,
        };
        relay.spawn(Some("127.0.0.1:0"));
        relay
    }

    /// The program with the environment of its place.
    fn program(&self) -> Command {
        let mut command = Command::new(self.command.get_program());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Starts it at this address, or as its configuration says.
    fn spawn(&mut self, listen: Option<&str>) {
        let mut command = self.program();
        command.args(["relay", "run", "--allow-private", "--data-dir"]).arg(&self.data_dir);
        if let Some(listen) = listen {
            command.args([self.listen_with, listen, "--mesh-listen", &self.mesh]);
        }
        for peer in &self.peers {
            command.args(["--peer", peer]);
        }
        // A new file for each start: the first line is this start's.
        let output = File::create(&self.output).expect("a log can be made");
        let log = OpenOptions::new().create(true).append(true).open(&self.log).expect("a log can be made");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} can not be started: {error}"));
        self.ready = until("the relay says that it is ready", || {
            let text = fs::read_to_string(&self.output).unwrap_or_default();
            if let Ok(Some(status)) = child.try_wait() {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                panic!("the relay ended instead of getting ready: {status}\n{text}\n{log}");
            }
            let (line, _) = text.split_once('\n')?;
            Some(
                serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("not a ready line: {error}: {line}")),
            )
        });
        assert_eq!(self.ready["event"], "ready", "the first line is the ready line");
        self.child = Some(child);
    }

    /// The door line that it printed when it was first ready.
    ///
    /// # Panics
    /// If there was none.
    #[must_use]
    pub fn door(&self) -> &str {
        self.ready["door"].as_str().expect("the ready line has a door")
    }

    /// The address it listens on for leaves.
    ///
    /// # Panics
    /// If the ready line has none.
    #[must_use]
    pub fn listen(&self) -> &str {
        self.ready["listen"].as_str().expect("the ready line has an address")
    }

    /// Its data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What it says of itself on its operator's socket.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn status(&self) -> Value {
        let mut command = self.program();
        command.args(["relay", "status", "--json", "--data-dir"]).arg(&self.data_dir);
        let outcome = crate::process::run(&mut command, b"", crate::until::DEADLINE).ok();
        outcome.json().remove(0)
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Kills it as a power cut would.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to end, and returns how it did.
    ///
    /// # Panics
    /// If it does not end.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        let mut child = self.child.take()?;
        signal(child.id(), Signal::TERM);
        Some(until("the relay ends after SIGTERM", || child.try_wait().ok().flatten()))
    }

    /// Starts it again at the addresses it had.
    ///
    /// # Panics
    /// If it does not get ready.
    pub fn start_again(&mut self) {
        let listen = self.listen().to_owned();
        // People have the door line of the first start; a later one may be of another slot.
        let door = self.ready["door"].clone();
        self.kill9();
        self.spawn(Some(&listen));
        self.ready["door"] = door;
    }

    /// Moves it to other addresses as its operator does, for people and for relays, and starts it there. Returns where people reach it now;
    /// the door that [`Relay::door`] gives is still the old one.
    ///
    /// # Panics
    /// If it can not be moved or does not get ready.
    pub fn relocate(&mut self) -> String {
        let door = self.ready["door"].clone();
        let _ = self.stop();
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let listen = port.expect("a free port").to_string();
        self.mesh = mesh_address();
        let mut command = self.program();
        command.args(["relay", "move", "--listen", &listen, "--mesh-listen", &self.mesh, "--data-dir"]);
        command.arg(&self.data_dir);
        let _ = crate::process::run(&mut command, b"", crate::until::DEADLINE).ok();
        self.spawn(None);
        self.ready["door"] = door;
        listen
    }
}

/// Where a relay listens for other relays. The ready line does not say it, and it must be the same after a restart, as an operator's
/// is; so on Linux, where all of 127.0.0.0/8 is this computer, each relay has an address of its own instead of a port of its own.
fn mesh_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if !cfg!(target_os = "linux") {
        return "127.0.0.1:0".to_owned();
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut dice = Dice::of(u64::from(std::process::id()) << 32 | u64::from(number));
    format!("127.{}.{}.{}:7444", 1 + dice.below(254), dice.below(256), 1 + dice.below(254))
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.kill9();
    }
}
