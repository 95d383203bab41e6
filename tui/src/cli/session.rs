//! One command's time with a node: attach or start, do the work, leave in order whatever happens.

use super::ask;
use super::failure::{Failure, INTERRUPTED};
use super::out::Out;
use karvon_node::api::error::{CLOSED, LOCKED};
use karvon_node::api::{Contact, Request, Response};
use karvon_node::client::Client;
use karvon_node::config::Config;
use karvon_node::host::{Attached, Host, Passphrase, attach_or_start};
use karvon_node::os::{EndSignal, end_signal};
use std::path::PathBuf;

/// What every command needs.
pub struct Session<'a> {
    /// Absolute path of the data directory.
    pub data_dir: PathBuf,
    /// Maker of nodes.
    pub host: &'a dyn Host,
    /// How to write.
    pub out: Out,
    /// Where the passphrase lies, if anywhere.
    pub passphrase_file: Option<PathBuf>,
}

impl Session<'_> {
    /// The configuration.
    ///
    /// # Errors
    /// `config`.
    pub fn config(&self) -> Result<Config, Failure> {
        Ok(Config::load(&self.data_dir)?)
    }

    /// The passphrase from the file that was named.
    ///
    /// # Errors
    /// `usage` if the file can not be read.
    pub fn passphrase(&self) -> Result<Option<Passphrase>, Failure> {
        self.passphrase_file.as_deref().map(ask::first_line).transpose()
    }

    /// Attaches to the running node or starts one here; asks for the passphrase if that is needed and possible.
    ///
    /// # Errors
    /// Those of [`attach_or_start`].
    pub async fn attach(&self) -> Result<Attached, Failure> {
        let config = self.config()?;
        let attach = |passphrase| attach_or_start(&self.data_dir, self.host, &config, passphrase);
        match attach(self.passphrase()?).await {
            Err(error) if error.code == LOCKED && ask::can_ask() => {
                Ok(attach(Some(ask::hidden("Passphrase:")?)).await?)
            }
            outcome => Ok(outcome?),
        }
    }

    /// Does `work` with a node. If the node ends meanwhile, because another command that ran it has finished, the work is taken up
    /// again with the next one; it must remember what it did.
    ///
    /// # Errors
    /// Those of the work, and `interrupted`.
    pub async fn with_node<T>(
        &self,
        mut work: impl AsyncFnMut(Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        loop {
            let attached = self.attach().await?;
            let outcome = until_interrupted(work(attached.client())).await;
            let other = matches!(attached, Attached::Other(_));
            attached.leave().await;
            match outcome {
                Err(failure) if failure.code == CLOSED && other => {}
                outcome => return outcome,
            }
        }
    }
}

/// Does `work` unless the process is asked to end.
///
/// # Errors
/// Those of the work, and `interrupted`.
pub async fn until_interrupted<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        biased;
        signal = end_signal() => Err(Failure::new(INTERRUPTED, match signal {
            EndSignal::Interrupt => "interrupted",
            EndSignal::Terminate => "asked to end",
        })),
        outcome = work => outcome,
    }
}

/// All contacts.
///
/// # Errors
/// The node's.
pub async fn contacts(client: &Client) -> Result<Vec<Contact>, Failure> {
    match client.call(Request::Contacts).await? {
        Response::Contacts { contacts } => Ok(contacts),
        _ => Err(unexpected()),
    }
}

/// The node answered something that does not belong to the question.
#[must_use]
pub fn unexpected() -> Failure {
    Failure::new("protocol", "the running node gave an answer that does not fit: restart it")
}
