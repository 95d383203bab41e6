//! The headless relay: reads its options, runs it until it is told to stop, and says on the first line that it is ready.
#![forbid(unsafe_code)]

mod cli;

use clap::{Args, Parser, Subcommand};
use karvon_node::api::ApiError;
use karvon_node::api::error::IO;
use karvon_node::api::server::Stop;
use karvon_node::relay_options::{Ready, RelayOptions};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use zeroize::Zeroizing;

#[derive(Parser)]
#[command(
    name = "karvon-node",
    version,
    about = "Karvon without a screen: runs a relay that carries sealed messages for others"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Relay: carries messages and keeps mailboxes
    #[command(subcommand)]
    Relay(Relay),
}

#[derive(Subcommand)]
enum Relay {
    /// Runs a relay in the foreground; the first line on standard output is a JSON object with its door
    #[command(after_help = "Examples:
  karvon-node relay run --data-dir /var/lib/karvon --listen 203.0.113.9:443
  karvon-node relay run --data-dir relay2 --listen 127.0.0.1:0 --allow-private --peer-file first.door
  karvon-node relay run --data-dir relay3 --listen-web 203.0.113.9:443

The door in the first line is a secret between you and the people you let in. SIGTERM ends the relay in order.")]
    Run(Run),
}

#[derive(Args)]
struct Run {
    /// Where the relay keeps its keys and mailboxes; made if missing
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Where people's devices connect; port 0 lets the system choose. May be left out if there is a web door
    #[arg(long, value_name = "IP:PORT", required_unless_present = "listen_web")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    web: cli::Web,
    /// Where other relays connect [default: the same address, a port of the system's choice]
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

fn main() -> ExitCode {
    karvon_node::os::keep_private();
    let Command::Relay(Relay::Run(arguments)) = Cli::parse().command;
    let options = match options(arguments) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("karvon-node: {error}");
            return ExitCode::from(2);
        }
    };
    karvon_node::os::log_to_stderr(Some("info"));
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("karvon-node: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: RelayOptions) -> Result<(), ApiError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| ApiError::new(IO, format!("the runtime can not start: {error}")))?;
    runtime.block_on(async {
        let stop = Stop::default();
        let until = stop.clone();
        tokio::spawn(async move {
            karvon_node::os::end_signal().await;
            until.stop();
        });
        karvon_node::relay::run(options, stop, announce).await
    })
}

/// Writes the first line. Whoever started the relay may not read it; that is no reason to stop.
fn announce(ready: &Ready) {
    use std::io::Write as _;
    let line = serde_json::to_string(ready).unwrap_or_default();
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn options(run: Run) -> Result<RelayOptions, String> {
    let mut peers: Vec<Zeroizing<String>> = run.peer.into_iter().map(Zeroizing::new).collect();
    if let Some(path) = run.peer_file {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let text = Zeroizing::new(text);
        peers.extend(
            text.lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(|line| Zeroizing::new(line.to_owned())),
        );
    }
    for (number, peer) in (1..).zip(&peers) {
        karvon_node::client::check_door(peer).map_err(|error| format!("peer {number}: {error}"))?;
    }
    let web = run.web.door(run.listen.is_none())?;
    let listen =
        run.listen.or(web.as_ref().map(|web| web.listen)).ok_or("--listen or --listen-web is needed")?;
    Ok(RelayOptions {
        data_dir: run.data_dir,
        listen,
        mesh_listen: run.mesh_listen,
        peers,
        allow_private: run.allow_private,
        web,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_contract_of_scripts_is_understood() {
        let line = "karvon-node relay run --data-dir R --listen 127.0.0.1:0 --mesh-listen 127.0.0.1:0 --allow-private";
        let Command::Relay(Relay::Run(run)) = Cli::try_parse_from(line.split(' ')).unwrap().command;
        let options = options(run).unwrap();
        assert!(options.allow_private && options.peers.is_empty() && options.listen.port() == 0);
    }

    #[test]
    fn a_damaged_peer_is_refused_before_anything_starts() {
        let line = "karvon-node relay run --data-dir R --listen 127.0.0.1:0 --peer KARVON-DOOR:AAAA";
        let Command::Relay(Relay::Run(run)) = Cli::try_parse_from(line.split(' ')).unwrap().command;
        assert!(options(run).err().unwrap().contains("peer 1"));
    }
}
