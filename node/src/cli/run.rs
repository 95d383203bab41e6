//! `relay run`: the one command that scripts and services start.

use clap::Args;
use karvon_node::api::ApiError;
use karvon_node::api::error::{CONFIG, IO};
use karvon_node::api::server::Stop;
use karvon_node::os;
use karvon_node::relay_options::{Ready, RelayOptions};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use zeroize::Zeroizing;

#[derive(Debug, Args)]
pub(super) struct Run {
    /// Where the relay keeps its keys, configuration and mailboxes; made if missing
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Where people's devices connect, instead of relay.listen; port 0 lets the system choose
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    web: super::web::Web,
    /// Where other relays connect [default: relay.mesh_listen, or the same address and a port of the system's choice]
    #[arg(long, value_name = "IP:PORT")]
    mesh_listen: Option<SocketAddr>,
    /// Joins the mesh of the relay with this door; may be given several times
    #[arg(long, value_name = "DOOR")]
    peer: Vec<String>,
    /// As --peer, but the doors stand in a file, one a line: other users of this machine can read arguments
    #[arg(long, value_name = "FILE")]
    peer_file: Option<PathBuf>,
    /// Dials and announces addresses that are not of the internet, for tests and networks of your own
    #[arg(long)]
    allow_private: bool,
}

/// Runs a relay until it is told to stop.
pub(super) fn run(arguments: Run) -> ExitCode {
    let options = match options(arguments) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("karvon-node: {error}");
            return ExitCode::from(2);
        }
    };
    // Of libp2p only what is a fault: it would tell keys and addresses, and calls a relay without neighbours a failure.
    os::log_to_stderr(Some(os::LOG_DEFAULT));
    os::raise_descriptors();
    match serve(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("karvon-node: {error}");
            // A service must not try again and again what a person has to put right first.
            if error.code == CONFIG { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn serve(options: RelayOptions) -> Result<(), ApiError> {
    // The store has a thread of its own.
    let others = std::thread::available_parallelism().map_or(1, |all| all.get().saturating_sub(1).max(1));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(others).enable_all().build();
    let runtime =
        runtime.map_err(|error| ApiError::new(IO, format!("the runtime can not start: {error}")))?;
    runtime.block_on(async {
        let stop = Stop::default();
        let until = stop.clone();
        let reload = options.reload.clone();
        tokio::spawn(async move { os::on_hangup(move || reload.notify_one()).await });
        tokio::spawn(async move {
            os::service_end_signal().await;
            until.stop();
        });
        // On a worker, beside the links' tasks: on this thread each frame would have to wake another one.
        let relay = tokio::spawn(karvon_node::relay::run(options, stop, announce));
        relay.await.map_err(|error| ApiError::new(IO, format!("the relay ended: {error}")))?
    })
}

/// Writes the first line. Whoever started the relay may not read it; that is no reason to stop.
fn announce(ready: &Ready) {
    use std::io::Write as _;
    let line = serde_json::to_string(ready).unwrap_or_default();
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Doors of relays to join, kept in the data directory by `relay setup`.
const PEERS: &str = "peers";

fn options(run: Run) -> Result<RelayOptions, String> {
    let mut peers: Vec<Zeroizing<String>> = run.peer.into_iter().map(Zeroizing::new).collect();
    let kept = run.data_dir.join(PEERS);
    let files = run.peer_file.into_iter().chain(kept.exists().then_some(kept));
    for path in files {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let text = Zeroizing::new(text);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        peers.extend(lines.map(|line| Zeroizing::new(line.to_owned())));
    }
    for (number, peer) in (1..).zip(&peers) {
        karvon_node::client::check_door(peer).map_err(|error| format!("peer {number}: {error}"))?;
    }
    let web = run.web.door(run.listen.is_none())?;
    Ok(RelayOptions {
        web,
        listen: run.listen,
        mesh_listen: run.mesh_listen,
        peers,
        allow_private: run.allow_private,
        ..RelayOptions::new(run.data_dir)
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command, Relay};
    use super::*;
    use clap::Parser as _;

    fn parse(line: &str) -> Run {
        let Command::Relay(relay) = Cli::try_parse_from(line.split(' ')).unwrap().command else {
            panic!("not a relay's command: {line}")
        };
        match *relay {
            Relay::Run(run) => run,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_contract_of_scripts_is_understood() {
        let line = "karvon-node relay run --data-dir R --listen 127.0.0.1:0 --mesh-listen 127.0.0.1:0 --allow-private";
        let options = options(parse(line)).unwrap();
        assert!(options.allow_private && options.peers.is_empty());
        assert_eq!(options.listen.map(|addr| addr.port()), Some(0));
    }

    #[test]
    fn a_damaged_peer_is_refused_before_anything_starts() {
        let line = "karvon-node relay run --data-dir R --listen 127.0.0.1:0 --peer KARVON-DOOR:AAAA";
        assert!(options(parse(line)).err().unwrap().contains("peer 1"));
    }
}
