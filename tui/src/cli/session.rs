//! One command's time with a node: attach or start, do the work, leave in order whatever happens.

use super::ask;
use super::failure::{Failure, INTERRUPTED};
use super::out::Out;
use karvon_node::api::error::{CLOSED, LOCKED};
use karvon_node::api::{Contact, Request, Response};
use karvon_node::client::Client;
use karvon_node::config::Config;
use karvon_node::host::{Attached, Host, Passphrase, attach_or_look, attach_or_start};
use karvon_node::os::{EndSignal, end_signal};
use std::cell::RefCell;
use std::path::PathBuf;

/// What every command needs.
pub struct Session<'a> {
    /// Absolute path of the data directory.
    pub data_dir: PathBuf,
    /// Maker of nodes.
    pub host: &'a dyn Host,
    /// How to write.
    pub out: Out,
    /// Where the passphrase comes from.
    pub secret: Secret,
    /// The passphrase, once it was read and while it may be needed again.
    pub given: RefCell<Option<Passphrase>>,
}

/// Where a passphrase comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// A person is asked, if there is one.
    Ask,
    /// The first line of a file.
    File(PathBuf),
    /// The first line of standard input; the command gets what follows.
    Stdin,
}

impl Session<'_> {
    /// The configuration.
    ///
    /// # Errors
    /// `config`.
    pub fn config(&self) -> Result<Config, Failure> {
        Ok(Config::load(&self.data_dir)?)
    }

    /// The passphrase from the file that was named, or from standard input.
    ///
    /// # Errors
    /// `usage` if it can not be read.
    pub fn passphrase(&self) -> Result<Option<Passphrase>, Failure> {
        if let Some(given) = self.given.borrow().as_ref() {
            return Ok(Some(given.clone()));
        }
        let read = match &self.secret {
            Secret::Ask => return Ok(None),
            Secret::File(path) => ask::first_line(path)?,
            Secret::Stdin => ask::stdin_line()?,
        };
        *self.given.borrow_mut() = Some(read.clone());
        Ok(Some(read))
    }

    /// Lets go of the passphrase: whoever stays for long must not hold what opens a node that is locked meanwhile.
    pub fn forget_passphrase(&self) {
        drop(self.given.borrow_mut().take());
    }

    /// The passphrase that was given, or one that is asked for.
    ///
    /// # Errors
    /// `locked` if there is none and nobody can be asked.
    pub fn passphrase_or_ask(&self) -> Result<Passphrase, Failure> {
        match self.passphrase()? {
            Some(passphrase) => Ok(passphrase),
            None if ask::can_ask() => ask::hidden("Passphrase:"),
            None => Err(Failure::new(
                LOCKED,
                "a passphrase is needed: give it with --passphrase-stdin or --passphrase-file",
            )),
        }
    }

    /// Attaches to the running node or starts one here; asks for the passphrase if that is needed and possible.
    ///
    /// # Errors
    /// Those of [`attach_or_start`].
    pub async fn attach(&self) -> Result<Attached, Failure> {
        self.attach_with(false).await
    }

    /// `look`: a node that is started here only looks how the doors do.
    async fn attach_with(&self, look: bool) -> Result<Attached, Failure> {
        let config = self.config()?;
        let attach = async |passphrase| {
            if look {
                attach_or_look(&self.data_dir, self.host, &config, passphrase).await
            } else {
                attach_or_start(&self.data_dir, self.host, &config, passphrase).await
            }
        };
        match attach(self.passphrase()?).await {
            Err(error) if error.code == LOCKED && ask::can_ask() => {
                Ok(attach(Some(ask::hidden("Passphrase:")?)).await?)
            }
            outcome => Ok(outcome?),
        }
    }

    fn can_open(&self) -> Result<bool, Failure> {
        Ok(self.passphrase()?.is_some() || ask::can_ask())
    }

    /// Does `work` with a node. If the node ends meanwhile, because another command that ran it has finished, the work is taken up
    /// again with the next one; it must remember what it did.
    ///
    /// # Errors
    /// Those of the work, and `interrupted`.
    pub async fn with_node<T>(
        &self,
        work: impl AsyncFnMut(Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.with(false, work).await
    }

    /// The same with a node that, if it is started for this, only looks how the doors do: that costs a few kilobytes, a whole start many.
    ///
    /// # Errors
    /// Those of the work, and `interrupted`.
    pub async fn with_a_look<T>(
        &self,
        work: impl AsyncFnMut(Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.with(true, work).await
    }

    async fn with<T>(
        &self,
        look: bool,
        mut work: impl AsyncFnMut(Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        loop {
            let attached = self.attach_with(look).await?;
            let outcome = until_interrupted(work(attached.client())).await;
            let other = matches!(attached, Attached::Other(_));
            attached.leave().await;
            match outcome {
                Err(failure) if failure.code == CLOSED && other => {}
                // The running node is locked; whoever has the passphrase at hand opens it by the way.
                Err(failure) if failure.code == LOCKED && other && self.can_open()? => {
                    unlock(self).await?;
                }
                outcome => return outcome,
            }
        }
    }
}

/// Opens the node that runs, if it is locked; false if none runs.
///
/// # Errors
/// `locked` without a passphrase, `wrong_passphrase`, `wait`; the node's.
pub async fn unlock(session: &Session<'_>) -> Result<bool, Failure> {
    let Some(client) = Client::connect(&session.data_dir).await? else { return Ok(false) };
    match client.call(Request::Status).await? {
        Response::Status(status) if status.state == LOCKED => {
            let passphrase = karvon_node::api::Secret(session.passphrase_or_ask()?);
            client.call(Request::Unlock { passphrase }).await?;
        }
        _ => {}
    }
    Ok(true)
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
