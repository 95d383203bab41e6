//! Opens the screen: on the running node, on one started here, on a new profile, or on the demo.

use super::failure::Failure;
use super::init::make;
use super::session::Session;
use crate::screen::{self, Connect, Newcomer, Options};
use karvon_node::api::error::{LOCKED, NO_PROFILE};
use karvon_node::api::{ApiError, Request, Response, Secret};
use karvon_node::client::Client;
use karvon_node::config::{Config, set};
use karvon_node::host::{Attached, Passphrase, attach_or_start};
use std::io::IsTerminal as _;
use std::path::Path;

/// What the command line says about the screen.
pub(super) struct Look {
    /// Language tag.
    pub(super) lang: Option<String>,
    /// No colours.
    pub(super) no_color: bool,
}

impl Look {
    fn options(&self, config: &Config, data_dir: Option<&Path>) -> Options {
        let configured = (config.ui.lang != "auto").then(|| config.ui.lang.clone());
        let without = self.no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let lang = self.lang.clone().or(configured);
        Options { lang, color: !without, ui: config.ui.clone(), data_dir: data_dir.map(Path::to_owned) }
    }
}

/// Opens the screen; the first start makes a profile before.
///
/// # Errors
/// `usage` without a terminal; the node's.
pub(super) async fn screen(session: &Session<'_>, look: &Look) -> Result<(), Failure> {
    needs_terminal()?;
    let config = session.config()?;
    let options = look.options(&config, Some(&session.data_dir));
    let attach = |passphrase| open(session, &config, passphrase);
    let attached = match attach(session.passphrase()?).await {
        Err(error) if error.code == NO_PROFILE => {
            let Some(newcomer) = screen::wizard(&options).await? else { return Ok(()) };
            if matches!(newcomer.connect, Connect::Demo) {
                return demo(session, look).await;
            }
            return first(session, look, newcomer).await;
        }
        Err(error) if error.code == LOCKED => {
            // Wrong ones cost a wait that the node itself keeps.
            match screen::unlock(&options, async |passphrase| attach(Some(passphrase)).await).await? {
                Some(attached) => attached,
                None => return Ok(()),
            }
        }
        outcome => outcome?,
    };
    let outcome = screen::run(attached.client(), &options).await;
    attached.leave().await;
    outcome
}

/// Attaches to the running node, or starts one here; opens it if it is locked.
async fn open(
    session: &Session<'_>,
    config: &Config,
    passphrase: Option<Passphrase>,
) -> Result<Attached, ApiError> {
    let attached = attach_or_start(&session.data_dir, session.host, config, passphrase.clone()).await?;
    if let Attached::Other(client) = &attached
        && let Response::Status(status) = client.call(Request::Status).await?
        && status.state == LOCKED
    {
        let passphrase = passphrase.ok_or_else(|| ApiError::new(LOCKED, "the node is locked"))?;
        client.call(Request::Unlock { passphrase: Secret(passphrase) }).await?;
    }
    Ok(attached)
}

/// Makes the profile of a newcomer and opens the screen on it.
async fn first(session: &Session<'_>, look: &Look, newcomer: Newcomer) -> Result<(), Failure> {
    let doors = match &newcomer.connect {
        Connect::Door(door) => vec![door.clone()],
        _ => Vec::new(),
    };
    super::door::check_all(&doors)?;
    make(session, &newcomer.name, newcomer.passphrase.clone(), &doors, Some(&newcomer.lang)).await?;
    if newcomer.plain {
        set(&session.data_dir, "ui.glyphs", "plain")?;
    }
    let config = session.config()?;
    let passphrase = newcomer.passphrase;
    let attached = attach_or_start(&session.data_dir, session.host, &config, passphrase).await?;
    let client = attached.client();
    let added = match newcomer.connect {
        Connect::Invitation(text) => add(&client, text.to_string()).await,
        _ => Ok(()),
    };
    let outcome = match added {
        Ok(()) => screen::run(client, &look.options(&config, Some(&session.data_dir))).await,
        failed => failed,
    };
    attached.leave().await;
    outcome
}

async fn add(client: &Client, invitation: String) -> Result<(), Failure> {
    client.call(Request::Add { invitation, name: String::new() }).await?;
    Ok(())
}

/// Opens the screen on relays and a talking contact in this process.
///
/// # Errors
/// `usage` without a terminal; the host's.
pub(super) async fn demo(session: &Session<'_>, look: &Look) -> Result<(), Failure> {
    needs_terminal()?;
    let backend = session.host.demo().await?;
    let outcome = screen::run(Client::local(backend.clone()), &look.options(&Config::default(), None)).await;
    backend.close().await;
    outcome
}

fn needs_terminal() -> Result<(), Failure> {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage("the screen needs a terminal: scripts use the commands (`karvon --help`)"))
}
