//! `relay move`: the same relay at another address, and who finds it there by itself.

use super::setup::MESH_PORT;
use super::{config_error, operate};
use clap::Args;
use karvon_node::api::ApiError;
use karvon_node::api::error::CONFIG;
use karvon_node::client::is_public;
use karvon_node::relay::config::{FILE, RelayConfig};
use karvon_node::relay::control::Ask;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(
    after_help = "Stop the relay, copy its whole data directory to the new machine, and run this there:
  karvon-node relay move --data-dir /var/lib/karvon-relay --listen 203.0.113.9:7443
  karvon-node relay move --data-dir relay --listen 0.0.0.0:7443 --announce 203.0.113.9:7443

Never start the old copy again: two relays with one key take each other's cells."
)]
pub(super) struct Move {
    /// The relay's data directory, as it was copied
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Where people's devices connect from now on
    #[arg(long, value_name = "IP:PORT")]
    listen: SocketAddr,
    /// Where other relays connect from now on [default: the same address, the port it had, else 7444]
    #[arg(long, value_name = "IP:PORT")]
    mesh_listen: Option<SocketAddr>,
    /// The address people are told, if a router forwards it to this machine
    #[arg(long, value_name = "IP:PORT")]
    announce: Option<SocketAddr>,
}

pub(super) fn relocate(arguments: &Move) -> Result<ExitCode, ApiError> {
    let dir = &arguments.data_dir;
    if !dir.join("key").exists() {
        let text = format!("no relay has run in {}: copy the whole data directory here first", dir.display());
        return Err(ApiError::new(CONFIG, text));
    }
    if operate::ask(dir, &Ask::Status).is_ok() {
        return Err(config_error("this relay runs: stop it first, and start it again after the move"));
    }
    let config = RelayConfig::load(dir).map_err(config_error)?;
    // A port of the system's choice can not be let through a firewall.
    let mesh_port =
        config.mesh_listen().map(|addr| addr.port()).filter(|port| *port != 0).unwrap_or(MESH_PORT);
    let mesh = arguments.mesh_listen.unwrap_or(SocketAddr::new(arguments.listen.ip(), mesh_port));
    let told = arguments.announce.unwrap_or(arguments.listen);
    if told.ip().is_unspecified() {
        return Err(config_error("no single address: say with --announce which one people are told"));
    }
    let announce = arguments.announce;
    let auto = || "auto".to_owned();
    for (key, value) in [
        ("relay.listen", arguments.listen.to_string()),
        ("relay.mesh_listen", mesh.to_string()),
        ("relay.announce", announce.map_or_else(auto, |addr| addr.to_string())),
        (
            "relay.mesh_announce",
            announce.map_or_else(auto, |addr| SocketAddr::new(addr.ip(), mesh.port()).to_string()),
        ),
    ] {
        RelayConfig::set_in_file(dir, key, &value).map_err(config_error)?;
    }
    if !is_public(told) {
        println!("{told} is not an address of the internet: only this network will reach the relay there.\n");
    }
    print!("{}", what_follows(&arguments.data_dir.join(FILE).display().to_string(), arguments.listen, mesh));
    Ok(ExitCode::SUCCESS)
}

fn what_follows(file: &str, listen: SocketAddr, mesh: SocketAddr) -> String {
    format!(
        "The new addresses stand in {file}. The relay is the one it was as long as the file `key` is.

By itself: other relays hear of the new address within some minutes of its start, and people whose mailboxes it keeps
find it through them. So do people who have a door of it and one of another relay. Nothing that it holds is lost.
By hand: who has no other door, and whoever uses an old invitation, needs a new line: `relay door new`.

1. Let ports {}, {} through the firewall:
  ufw allow {}/tcp && ufw allow {}/tcp
2. Start it here, and never again on the old machine.
",
        listen.port(),
        mesh.port(),
        listen.port(),
        mesh.port(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(dir: &std::path::Path, listen: &str, announce: Option<&str>) -> Move {
        Move {
            data_dir: dir.to_owned(),
            listen: listen.parse().unwrap(),
            mesh_listen: None,
            announce: announce.map(|addr| addr.parse().unwrap()),
        }
    }

    #[test]
    fn a_moved_relay_has_its_new_addresses_and_all_its_other_settings() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = RelayConfig::default();
        for (key, value) in [
            ("relay.listen", "0.0.0.0:7443"),
            ("relay.mesh_listen", "0.0.0.0:7444"),
            ("relay.announce", "198.51.100.1:443"),
            ("relay.mesh_announce", "198.51.100.1:7444"),
            ("traffic.month", "50 GiB"),
        ] {
            config.set(key, value).unwrap();
        }
        config.save(dir.path()).unwrap();
        let without_key = relocate(&arguments(dir.path(), "203.0.113.9:443", None)).unwrap_err();
        assert!(without_key.message.contains("copy the whole data directory"), "{without_key}");
        std::fs::write(dir.path().join("key"), "x").unwrap();
        relocate(&arguments(dir.path(), "203.0.113.9:443", None)).unwrap();
        let moved = RelayConfig::load(dir.path()).unwrap();
        assert_eq!(moved.listen(), Some("203.0.113.9:443".parse().unwrap()));
        assert_eq!(moved.mesh_listen(), Some("203.0.113.9:7444".parse().unwrap()));
        assert_eq!((moved.announce(), moved.mesh_announce()), (None, None));
        assert_eq!(moved.budget().month, Some(50 << 30));
        assert!(
            relocate(&arguments(dir.path(), "0.0.0.0:443", None)).is_err(),
            "which address are people told?"
        );
        relocate(&arguments(dir.path(), "0.0.0.0:443", Some("203.0.113.7:8443"))).unwrap();
        let behind = RelayConfig::load(dir.path()).unwrap();
        assert_eq!(behind.mesh_announce(), Some("203.0.113.7:7444".parse().unwrap()));
    }
}
