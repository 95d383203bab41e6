//! The one place where the command line opens the screen: joins a node's client to it and translates what both sides call things.

use crate::app::Talk;
use crate::app::file::Entry;
use crate::app::settings::{Prefs, notify};
use crate::cli::failure::Failure;
use crate::cli::{editor, save, settings};
pub use crate::command::Connect;
use crate::command::{Lock, WizardResult};
use crate::lang::{Lang, Texts};
use crate::session::{self, UiClient};
use crate::theme::Theme;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use karvon_node::api::{ApiError, Event, Request, Response};
use karvon_node::client::{Client, Events};
use karvon_node::config::Ui;
use karvon_node::host::Passphrase;
use std::io;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// How the screen is to look.
#[derive(Debug, Clone)]
pub struct Options {
    /// A language tag from the command line or the configuration; `None` takes the system's.
    pub lang: Option<String>,
    /// Colours may be used.
    pub color: bool,
    /// Section `ui` of the configuration.
    pub ui: Ui,
    /// Where settings are written; `None` where nothing is kept.
    pub data_dir: Option<PathBuf>,
    /// Code of an error that is to be said first.
    pub notice: Option<String>,
}

impl Options {
    /// The sentences of the language that was asked for, or of the system's.
    #[must_use]
    pub fn texts(&self) -> Texts {
        Texts::new(self.lang.as_deref().and_then(Lang::from_tag).unwrap_or_else(Lang::guess))
    }

    fn of_session(&self) -> session::Options {
        let guessed = session::Options::default();
        let color = self.color && guessed.prefs.color_allowed;
        let theme = Theme {
            color: color && self.ui.theme != "mono",
            plain: match self.ui.glyphs.as_str() {
                "plain" => true,
                "unicode" => false,
                _ => guessed.theme.plain,
            },
            light: self.ui.theme == "light",
        };
        let prefs = Prefs {
            mouse: self.ui.mouse == "on",
            notify: notify(&self.ui.notify),
            bell: self.ui.bell == "on",
            color_allowed: color,
        };
        session::Options {
            lang: self.lang.as_deref().and_then(Lang::from_tag).unwrap_or(guessed.lang),
            theme,
            prefs,
            notice: self.notice.clone(),
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
    let joined = Joined { client, events, data_dir: options.data_dir.clone() };
    session::run(joined, options.of_session()).await.map_err(|error| unusable(&error))
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

/// Asks for the passphrase until `attempt` takes one; `None` if the person left.
///
/// # Errors
/// If the terminal can not be used, or `attempt` fails for another reason than the passphrase.
pub async fn unlock<T>(
    options: &Options,
    attempt: impl AsyncFnMut(Passphrase) -> Result<T, ApiError>,
) -> Result<Option<T>, Failure> {
    let outcome = session::unlock(options.of_session(), attempt).await.map_err(|error| unusable(&error))?;
    Ok(outcome.transpose()?)
}

fn unusable(error: &io::Error) -> Failure {
    Failure::new("io", format!("the terminal can not be used: {error}"))
}

/// A node's client as the screen sees it.
struct Joined {
    client: Client,
    events: Events,
    data_dir: Option<PathBuf>,
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

    fn set(&self, key: &'static str, value: &'static str) -> BoxFuture<'static, bool> {
        let dir = self.data_dir.clone();
        async move {
            match dir {
                Some(dir) => settings::save(dir, key, value).await,
                // The demo keeps nothing.
                None => true,
            }
        }
        .boxed()
    }

    fn list_files(&self, folder: String) -> BoxFuture<'static, Vec<Entry>> {
        save::list(folder).boxed()
    }

    fn send_file(&self, talk: Talk, path: String) -> BoxFuture<'static, Result<(), String>> {
        let client = self.client.clone();
        async move {
            let (name, data) = save::read(path).await?;
            let request = talk.send_file(name, data.to_string());
            client.call(request).await.map(|_| ()).map_err(|error| error.code)
        }
        .boxed()
    }

    fn save_file(&self, name: String, data: Zeroizing<String>) -> BoxFuture<'static, Result<String, String>> {
        save::keep(name, data).boxed()
    }

    fn edit(&self, text: Zeroizing<String>) -> BoxFuture<'static, Option<Zeroizing<String>>> {
        editor::edit(text).boxed()
    }
}
