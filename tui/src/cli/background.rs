//! `up`, `down` and the node they are about.

use super::args::Node;
use super::ask;
use super::failure::Failure;
use super::session::Session;
use karvon_node::api::Request;
use karvon_node::api::error::{CLOSED, LOCKED, NOT_RUNNING};
use karvon_node::client::Client;
use karvon_node::host::{Attached, Passphrase, attach_or_start, exists, pid, released};
use karvon_node::os::{end_signal, leave_session};
use serde_json::{Value, json};
use std::io::{self, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Opening a profile stretches its passphrase, which takes seconds on a cheap phone.
const UP_WITHIN: Duration = Duration::from_secs(60);

/// How often the starting node is tried.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// Longest error of a node that did not start, bytes.
const ERROR_MAX: u64 = 16 * 1024;

/// Starts a node in the background, if none runs, and returns once it answers.
///
/// # Errors
/// Those of the node's start; `not_running` if it does not answer in time.
pub(super) async fn up(session: &Session<'_>) -> Result<(), Failure> {
    if Client::connect(&session.data_dir).await?.is_some() {
        return running(session, false);
    }
    // A mistake in the configuration is told here, where somebody reads it.
    session.config()?;
    let given = session.passphrase()?;
    match start(session, given.as_ref()).await {
        Err(failure) if failure.code == LOCKED && ask::can_ask() => {
            let passphrase = ask::hidden("Passphrase:")?;
            start(session, Some(&passphrase)).await?;
        }
        outcome => outcome?,
    }
    running(session, true)
}

fn running(session: &Session<'_>, started: bool) -> Result<(), Failure> {
    let pid = pid(&session.data_dir);
    session.out.result(&json!({ "state": "running", "pid": pid, "started": started }), || {
        if started { "running".to_owned() } else { "running already".to_owned() }
    })
}

/// Starts this program again as a node of its own and waits until it answers or ends.
async fn start(session: &Session<'_>, passphrase: Option<&Passphrase>) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::new("io", format!("the node can not be started: {error}"));
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.arg("--data-dir").arg(&session.data_dir).args(["--json", "node", "--detached"]);
    // The node must not hold the files of whoever waits for this command to end; the pipe carries a reason if it can not start.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    // The passphrase comes by the pipe alone.
    command.env_remove("KARVON_PASSPHRASE_FILE");
    if passphrase.is_some() {
        command.arg("--passphrase-stdin").stdin(Stdio::piped());
    }
    let mut child = command.spawn().map_err(failed)?;
    if let (Some(passphrase), Some(mut pipe)) = (passphrase, child.stdin.take()) {
        pipe.write_all(passphrase.as_bytes()).and_then(|()| pipe.write_all(b"\n")).map_err(failed)?;
    }
    let until = Instant::now() + UP_WITHIN;
    loop {
        let ended = child.try_wait().map_err(failed)?.is_some();
        // One that ended may have found another node, which then answers.
        if Client::connect(&session.data_dir).await?.is_some() {
            return Ok(());
        }
        if ended {
            return Err(reason(&mut child));
        }
        if Instant::now() >= until {
            return Err(Failure::new(NOT_RUNNING, "the node was started and does not answer"));
        }
        sleep(TRY_EVERY).await;
    }
}

/// Why a node that has ended did not start: the error line it wrote.
fn reason(child: &mut Child) -> Failure {
    let mut text = String::new();
    if let Some(pipe) = &mut child.stderr {
        let _ = pipe.take(ERROR_MAX).read_to_string(&mut text);
    }
    let field = |line: &Value, name: &str| line["error"][name].as_str().map(str::to_owned);
    let lines = text.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let known =
        lines.filter_map(|line| Some(Failure::new(&field(&line, "code")?, field(&line, "message")?))).next();
    known.unwrap_or_else(|| Failure::new(NOT_RUNNING, "the node ended as soon as it was started"))
}

/// Stops the node in the background and returns once everything is on disk.
///
/// # Errors
/// `no_profile`; `not_running` if it does not stop.
pub(super) async fn down(session: &Session<'_>) -> Result<(), Failure> {
    let client = if exists(&session.data_dir) { Client::connect(&session.data_dir).await? } else { None };
    let was_running = client.is_some();
    if let Some(client) = client {
        match client.call(Request::Shutdown).await {
            // It stops already.
            Err(error) if error.code == CLOSED => {}
            outcome => drop(outcome?),
        }
    }
    released(&session.data_dir).await?;
    session.out.result(&json!({ "state": "stopped", "was_running": was_running }), || {
        if was_running { "stopped".to_owned() } else { "no node was running".to_owned() }
    })
}

/// Runs a node here until it is asked to stop.
///
/// # Errors
/// Those of its start.
pub(super) async fn node(session: &Session<'_>, args: &Node) -> Result<(), Failure> {
    let passphrase = session.passphrase()?;
    if args.detached {
        // The terminal may close and its directory be unmounted. Fails only for who leads a session already, which is as good.
        let _ = leave_session();
        let _ = std::env::set_current_dir("/");
    }
    let config = session.config()?;
    let node = match attach_or_start(&session.data_dir, session.host, &config, passphrase).await? {
        Attached::Own(node) => node,
        Attached::Other(_) | Attached::Looking(..) => return running(session, false),
    };
    session.forget_passphrase();
    let ready = json!({ "event": "ready", "pid": std::process::id(), "socket": node.socket() });
    session.out.result(&ready, || format!("ready on {}", node.socket().display()))?;
    tokio::select! {
        biased;
        _ = end_signal() => {}
        () = node.asked_to_stop() => {}
    }
    node.close().await;
    Ok(())
}
