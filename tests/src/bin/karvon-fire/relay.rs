//! The relay under fire: a real process beside this program, watched through the system and its operator's socket.

use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How a relay is started.
#[derive(clap::Args, Clone)]
pub(crate) struct Place {
    /// The relay's program [default: the one beside this program]
    #[arg(long)]
    node: Option<PathBuf>,
    /// Folder on the disk that is measured [default: the system's for temporary files]
    #[arg(long)]
    folder: Option<PathBuf>,
}

impl Place {
    /// Where files are made.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.clone().unwrap_or_else(std::env::temp_dir)
    }
}

/// A relay; killed when dropped.
pub(crate) struct Relay {
    node: PathBuf,
    folder: tempfile::TempDir,
    child: Child,
    /// A door line.
    pub(crate) door: String,
    listen: String,
    flags: &'static [&'static str],
}

impl Relay {
    /// Starts one with these configuration keys beside the defaults.
    pub(crate) fn start(place: &Place, keys: &[(&str, &str)]) -> Self {
        Self::start_as(place, keys, &["--allow-private"])
    }

    /// The same, and it treats connections from this machine like all others.
    pub(crate) fn start_strict(place: &Place, keys: &[(&str, &str)]) -> Self {
        Self::start_as(place, keys, &[])
    }

    fn start_as(place: &Place, keys: &[(&str, &str)], flags: &'static [&'static str]) -> Self {
        let folder =
            tempfile::Builder::new().prefix("fire").tempdir_in(place.folder()).expect("a scratch folder");
        let beside = || {
            let exe = std::env::current_exe().expect("the running program has a path");
            exe.with_file_name("karvon-node")
        };
        let node = place.node.clone().unwrap_or_else(beside);
        let mut config = karvon_node::relay::config::RelayConfig::default();
        for (key, value) in keys {
            config.set(key, value).expect("a key that exists");
        }
        config.save(folder.path()).expect("the configuration can be written");
        let (child, door, listen) = spawn(&node, folder.path(), "127.0.0.1:0", flags);
        Self { node, folder, child, door, listen, flags }
    }

    /// Kills it as a power cut would, and starts it again at its address.
    pub(crate) fn kill_and_start(&mut self) {
        self.kill();
        let (child, _, _) = spawn(&self.node, self.folder.path(), &self.listen, self.flags);
        self.child = child;
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder of its files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it serves leaves.
    pub(crate) fn listen(&self) -> std::net::SocketAddr {
        self.listen.parse().expect("the ready line has an address")
    }

    /// What it says of itself.
    pub(crate) async fn status(&self) -> Value {
        self.ask(&karvon_node::relay::control::Ask::Status).await
    }

    /// What it answers on its operator's socket; nothing if it does not.
    pub(crate) async fn ask(&self, ask: &karvon_node::relay::control::Ask) -> Value {
        karvon_node::relay::control::ask(self.folder(), ask).await.unwrap_or_default()
    }

    /// Bytes of its segment files.
    pub(crate) fn segment_bytes(&self) -> u64 {
        let Ok(entries) = std::fs::read_dir(self.folder().join("store").join("cells")) else { return 0 };
        entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|found| found.len()).sum()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(node: &Path, folder: &Path, listen: &str, flags: &[&str]) -> (Child, String, String) {
    let mut child = Command::new(node)
        .args(["relay", "run", "--listen", listen, "--data-dir"])
        .arg(folder)
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{} can not be started: {error}", node.display()));
    let mut line = String::new();
    let output = child.stdout.take().expect("its output is a pipe");
    BufReader::new(output).read_line(&mut line).expect("its first line can be read");
    let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let field = |name: &str| ready[name].as_str().expect("the ready line is whole").to_owned();
    (child, field("door"), field("listen"))
}

/// Processor time of a process, seconds.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks =
        |field: usize| fields.get(field).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}

/// Resident memory of a process, bytes.
pub(crate) fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() * 1_024
}
