//! `relay selftest`: what an operator would otherwise learn from a fault.

use super::operate::ask;
use super::print_json;
use clap::Args;
use karvon_node::api::ApiError;
use karvon_node::relay::CLOCK_LEAST_S;
use karvon_node::relay::config::RelayConfig;
use karvon_node::relay::control::Ask;
use karvon_node::relay::keys::size;
use karvon_node::store::disk::free_space;
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Descriptors beside those of connections: store, segments, sockets.
const OTHER_DESCRIPTORS: u64 = 128;
const SYNCS: u32 = 20;
/// How long another relay may take to dial back, and how often it is looked whether it did.
const DIALBACK: Duration = Duration::from_secs(30);
const DIALBACK_LOOK: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
pub(super) struct Selftest {
    /// The relay's data directory
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// One JSON array
    #[arg(long)]
    json: bool,
}

/// The outcome of one check: whether it is good, and what was seen or is to be done.
struct Check {
    name: &'static str,
    good: bool,
    text: String,
}

fn check(name: &'static str, outcome: Result<String, String>) -> Check {
    let (good, text) = match outcome {
        Ok(text) => (true, text),
        Err(text) => (false, text),
    };
    Check { name, good, text }
}

pub(super) fn selftest(arguments: &Selftest) -> Result<ExitCode, ApiError> {
    let dir = &arguments.data_dir;
    let config = RelayConfig::load(dir);
    let mut checks = vec![
        check(
            "configuration",
            config.as_ref().map(|_| "can be read".to_owned()).map_err(ToString::to_string),
        ),
        check("files", private(dir)),
        check("disk", disk(dir)),
        check("clock", clock()),
    ];
    if let Ok(config) = &config {
        let running = dialled_back(dir);
        checks.push(check("descriptors", descriptors(config)));
        checks.push(check("space", space(dir, config)));
        match &running {
            Some(status) => {
                if let Some(apart) = status["clock_apart_ms"].as_i64() {
                    checks.push(check("time", Err(apart_words(apart))));
                }
                let state = status["state"].as_str().unwrap_or_default();
                let good = matches!(state, "serving" | "draining" | "budget_low");
                checks.push(check("relay", if good { Ok(state.into()) } else { Err(state.into()) }));
                let door = status["listen"].as_str().and_then(|addr| addr.parse().ok());
                checks.push(check("door", door.map_or_else(|| Err("listens nowhere".to_owned()), connects)));
                checks.push(check("from outside", from_outside(status)));
                let router = status["router"].as_str().unwrap_or_default();
                if !matches!(router, "" | "off") {
                    let words = status["router_words"].as_str().unwrap_or_default().to_owned();
                    let good = matches!(router, "mapped" | "asking") || status["reachable"] == true;
                    checks.push(check("router", if good { Ok(words) } else { Err(words) }));
                }
            }
            None => {
                checks.push(check("relay", Ok("does not run; ports are tried instead".to_owned())));
                for addr in [config.listen(), config.mesh_listen()].into_iter().flatten() {
                    checks.push(check("port", binds(addr)));
                }
            }
        }
    }
    let good = checks.iter().all(|check| check.good);
    if arguments.json {
        let all =
            checks.iter().map(|check| json!({"check": check.name, "good": check.good, "text": check.text}));
        print_json(&all.collect());
    } else {
        for check in &checks {
            println!("{} {:<14} {}", if check.good { "ok " } else { "BAD" }, check.name, check.text);
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The directory and the key file must be readable by their owner alone.
fn private(dir: &Path) -> Result<String, String> {
    if !dir.exists() {
        return Err(format!("{} does not exist: run `karvon-node relay setup`", dir.display()));
    }
    for path in [dir.to_owned(), dir.join("key"), dir.join("door"), dir.join("peers")] {
        let Ok(found) = fs::metadata(&path) else { continue };
        if found.permissions().mode() & 0o077 != 0 {
            return Err(format!("others can read {}: chmod go-rwx it", path.display()));
        }
    }
    Ok("readable by their owner alone".to_owned())
}

/// Writes and syncs a little, as every confirmed cell does.
fn disk(dir: &Path) -> Result<String, String> {
    let path = dir.join("selftest.part");
    let tried = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        let start = Instant::now();
        for _ in 0..SYNCS {
            file.write_all(&[0; 2_048])?;
            file.sync_data()?;
        }
        Ok::<_, std::io::Error>(start.elapsed() / SYNCS)
    };
    let outcome = tried();
    let _ = fs::remove_file(&path);
    match outcome {
        Ok(each) => Ok(format!("2 KiB are synced in {:.1} ms", each.as_secs_f64() * 1e3)),
        Err(error) => Err(format!("nothing can be written in {}: {error}", dir.display())),
    }
}

fn clock() -> Result<String, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if now < CLOCK_LEAST_S {
        return Err(
            "stands before 2026: set it, or switch time synchronisation on (timedatectl set-ntp true)".into(),
        );
    }
    Ok("plausible".to_owned())
}

fn descriptors(config: &RelayConfig) -> Result<String, String> {
    let needed = u64::from(config.net_limits().connections).saturating_add(OTHER_DESCRIPTORS);
    match karvon_node::os::descriptors_max() {
        Some(most) if most < needed => Err(format!(
            "{most} files may be open, {needed} are needed for limits.connections: raise LimitNOFILE or lower the limit"
        )),
        _ => Ok(format!("enough for {} connections", config.net_limits().connections)),
    }
}

fn space(dir: &Path, config: &RelayConfig) -> Result<String, String> {
    let Some(free) = free_space(dir) else { return Ok("not known".to_owned()) };
    let wanted = config.core_limits().cell_bytes.saturating_add(config.keep_free());
    if free < config.keep_free() {
        return Err(format!("{} free: nothing new is stored below store.keep_free", size(free)));
    }
    let note = if free < wanted { ", less than store.cap asks for: it will refuse earlier" } else { "" };
    Ok(format!("{} free{note}", size(free)))
}

fn binds(addr: SocketAddr) -> Result<String, String> {
    match TcpListener::bind(addr) {
        Ok(_) => Ok(format!("{addr} can be listened on")),
        Err(error) => Err(format!("{addr}: {error}; `ss -ltnp` shows who listens there")),
    }
}

fn connects(addr: SocketAddr) -> Result<String, String> {
    match TcpStream::connect_timeout(&addr, Duration::from_secs(5)) {
        Ok(_) => Ok(format!("{addr} answers on this machine")),
        Err(error) => Err(format!("{addr} does not answer on this machine: {error}")),
    }
}

/// What a clock that jumped means.
fn apart_words(apart_ms: i64) -> String {
    let side = if apart_ms > 0 { "ahead of" } else { "behind" };
    let minutes = apart_ms.unsigned_abs() / 60_000;
    let apart = if minutes < 120 { format!("{minutes} min") } else { format!("{} h", minutes / 60) };
    format!("the system's clock is {apart} {side} the relay's, which believes it after 2 days: set it right")
}

/// The status of the running relay, after another relay was asked to dial it back and had time to.
fn dialled_back(dir: &Path) -> Option<Value> {
    let before = ask(dir, &Ask::Status).ok()?;
    if before["mesh_links"].as_u64().unwrap_or_default() == 0 || ask(dir, &Ask::Dialback).is_err() {
        return Some(before);
    }
    eprintln!("Another relay is asked to dial this one back; that takes up to {} s…", DIALBACK.as_secs());
    let asked = Instant::now();
    let mut status = before.clone();
    while asked.elapsed() < DIALBACK {
        std::thread::sleep(DIALBACK_LOOK);
        status = ask(dir, &Ask::Status).ok()?;
        let number = |status: &Value| status["dialbacks"].as_u64();
        if number(&status) != number(&before) {
            break;
        }
    }
    Some(status)
}

fn from_outside(status: &Value) -> Result<String, String> {
    let words = status["reachable_words"].as_str().unwrap_or_default().to_owned();
    if status["reachable"] == false { Err(words) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_that_others_can_read_is_found() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(private(dir.path()).is_ok());
        let path = dir.path().join("key");
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(private(dir.path()).unwrap_err().contains("/key"));
        assert!(private(&dir.path().join("gone")).is_err());
    }

    #[test]
    fn a_port_that_is_taken_is_said_so() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = taken.local_addr().unwrap();
        assert!(binds(addr).unwrap_err().contains("ss -ltnp"));
        assert!(connects(addr).is_ok());
        drop(taken);
        assert!(binds(addr).is_ok() && connects(addr).is_err());
    }

    #[test]
    fn a_disk_that_takes_nothing_is_found() {
        let dir = tempfile::tempdir().unwrap();
        assert!(disk(dir.path()).is_ok());
        assert!(disk(&dir.path().join("gone")).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
