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
        let data_dir = data_dir.map(Path::to_owned);
        Options { lang, color: !without, ui: config.ui.clone(), data_dir, notice: None }
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
    say_starting(&options);
    let attach = |passphrase| open(session, &config, passphrase);
    let attached = match attach(session.passphrase()?).await {
        Err(error) if error.code == NO_PROFILE => {
            let Some(newcomer) = screen::wizard(&options).await? else { return Ok(()) };
            if matches!(newcomer.connect, Connect::Demo) {
                // What was chosen on the way here holds in the demo, although nothing of it is kept.
                let mut chosen = options;
                chosen.lang = Some(newcomer.lang);
                if newcomer.plain {
                    "plain".clone_into(&mut chosen.ui.glyphs);
                }
                return demo_as(session, Options { data_dir: None, ..chosen }).await;
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
    session.forget_passphrase();
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
    let chosen = Options { lang: Some(newcomer.lang.clone()), ..look.options(&session.config()?, None) };
    say_starting(&chosen);
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
    let mut options = look.options(&config, Some(&session.data_dir));
    // A used or damaged invitation is said on the screen, where another one can be pasted.
    options.notice = added.err().map(|error| error.code);
    let outcome = screen::run(client, &options).await;
    attached.leave().await;
    outcome
}

async fn add(client: &Client, invitation: String) -> Result<(), ApiError> {
    client.call(Request::Add { invitation, name: String::new(), text: String::new() }).await?;
    Ok(())
}

/// Opens the screen on relays and a talking contact in this process.
///
/// # Errors
/// `usage` without a terminal; the host's.
pub(super) async fn demo(session: &Session<'_>, look: &Look) -> Result<(), Failure> {
    needs_terminal()?;
    demo_as(session, look.options(&Config::default(), None)).await
}

async fn demo_as(session: &Session<'_>, options: Options) -> Result<(), Failure> {
    say_starting(&options);
    let backend = session.host.demo().await?;
    let outcome = screen::run(Client::local(backend.clone()), &options).await;
    backend.close().await;
    outcome
}

/// Says that something happens before there is a screen: on a slow device this takes seconds.
fn say_starting(options: &Options) {
    println!("{}", options.texts().get("starting"));
}

fn needs_terminal() -> Result<(), Failure> {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage("the screen needs a terminal: scripts use the commands (`karvon --help`)"))
}
