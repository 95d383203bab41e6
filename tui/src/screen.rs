//! The one place where the command line opens the screen: joins a node's client to it and translates what both sides call things.

use crate::cli::failure::Failure;
pub use crate::command::Connect;
use crate::command::{Lock, WizardResult};
use crate::lang::Lang;
use crate::session::{self, UiClient};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use karvon_node::api::{ApiError, Event, Request, Response};
use karvon_node::client::{Client, Events};
use karvon_node::host::Passphrase;
use std::io;

/// How the screen is to look.
#[derive(Debug, Clone)]
pub struct Options {
    /// A language tag from the command line or the configuration; `None` takes the system's.
    pub lang: Option<String>,
    /// Colours may be used.
    pub color: bool,
    /// `auto`, `unicode` or `plain`.
    pub glyphs: String,
}

impl Options {
    fn of_session(&self) -> session::Options {
        let guessed = session::Options::default();
        session::Options {
            lang: self.lang.as_deref().and_then(Lang::from_tag).unwrap_or(guessed.lang),
            color: self.color && guessed.color,
            plain: match self.glyphs.as_str() {
                "plain" => true,
                "unicode" => false,
                _ => guessed.plain,
            },
            ..guessed
        }
    }
}

/// What the first start found out.
pub struct Newcomer {
    /// Language tag that was chosen.
    pub lang: String,
    /// The display test said that only plain signs are shown right.
    pub plain: bool,
    /// Name that contacts will see.
    pub name: String,
    /// `None` leaves the profile open to whoever has the device.
    pub passphrase: Option<Passphrase>,
    /// The first way out.
    pub connect: Connect,
}

/// Shows the screen on a node until the person leaves.
///
/// # Errors
/// If the terminal can not be used, or the node does not answer.
pub async fn run(client: Client, options: &Options) -> Result<(), Failure> {
    let events = client.subscribe().await?;
    session::run(Joined { client, events }, options.of_session()).await.map_err(|error| unusable(&error))
}

/// Asks a newcomer what a profile is made of; `None` if they left.
///
/// # Errors
/// If the terminal can not be used.
pub async fn wizard(options: &Options) -> Result<Option<Newcomer>, Failure> {
    let result = session::wizard(options.of_session()).await.map_err(|error| unusable(&error))?;
    Ok(result.map(|WizardResult { lang, plain, name, lock, connect }| Newcomer {
        lang: lang.tag().to_owned(),
        plain,
        name,
        passphrase: match lock {
            Lock::Passphrase(passphrase) => Some(passphrase),
            Lock::None => None,
        },
        connect,
    }))
}

fn unusable(error: &io::Error) -> Failure {
    Failure::new("io", format!("the terminal can not be used: {error}"))
}

/// A node's client as the screen sees it.
struct Joined {
    client: Client,
    events: Events,
}

impl UiClient for Joined {
    fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, ApiError>> {
        // Events have been asked for before the screen opened.
        if matches!(request, Request::Subscribe) {
            return std::future::ready(Ok(Response::Done)).boxed();
        }
        let client = self.client.clone();
        async move { client.call(request).await }.boxed()
    }

    fn next_event(&mut self) -> BoxFuture<'_, Option<Event>> {
        self.events.next().boxed()
    }
}
