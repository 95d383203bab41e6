//! Backups: what the engine and the history hold becomes a sealed file, and a sealed file becomes a profile again.

use super::backend::Inner;
use super::profile::{self, fault};
use crate::api::error::{CLOSED, IO, UNAVAILABLE};
use crate::api::{ApiError, Response, Secret};
use crate::clock::{Clock as _, SystemClock};
use crate::host::{self, Passphrase};
use crate::port::generator;
use crate::rundir;
use crate::store::backup::{self, BackupError, BackupKey, Part, Reader};
use crate::store::{SledStore, Store as _};
use karvon_protocol::backup::{BackupContact, BackupState};
use karvon_protocol::core::{Batch, BatchId, CommandId, Core as _, Input, Op, Output};
use karvon_protocol::engine::api::{Command, ContactId, Event, Reply};
use karvon_protocol::engine::{Engine, Setup};
use karvon_protocol::identity::{LocalIdentity, recovery_code, recovery_root};
use std::path::Path;

/// Rows put into a new store at once.
const AT_ONCE: usize = 256;

impl From<BackupError> for ApiError {
    fn from(error: BackupError) -> Self {
        let code = match &error {
            BackupError::Foreign | BackupError::Damaged => "backup_damaged",
            BackupError::Version { .. } => "backup_newer",
            BackupError::WrongCode => "wrong_code",
            BackupError::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => "disk_full",
            BackupError::Store(_) => "store",
            BackupError::Memory => UNAVAILABLE,
            _ => IO,
        };
        Self::new(code, error.to_string())
    }
}

fn closed() -> ApiError {
    ApiError::new(CLOSED, "the node has stopped: start it again")
}

impl Inner {
    async fn backup_state(&self) -> Result<(Box<BackupState>, LocalIdentity), ApiError> {
        let Reply::Backup(state) = self.command(Command::Backup).await? else { return Err(closed()) };
        let identity = LocalIdentity::decode(&state.identity).ok_or_else(closed)?;
        Ok((state, identity))
    }

    /// Answers [`crate::api::Request::RecoveryCode`].
    pub(super) async fn recovery_code(&self) -> Result<Response, ApiError> {
        let (_, identity) = self.backup_state().await?;
        Ok(Response::RecoveryCode { code: Secret(recovery_code(identity.root())) })
    }

    /// Answers [`crate::api::Request::Backup`].
    pub(super) async fn back_up(&self, path: &str, with_history: bool) -> Result<Response, ApiError> {
        let path = profile::absolute(path, "backup")?;
        // The state first: messages that come meanwhile are then more than it knows of, never fewer.
        let (state, identity) = self.backup_state().await?;
        let part = |saved: &BackupContact| Part {
            contact: ContactId(saved.id),
            own_below: saved.next_seq,
            delivered_below: saved.delivered_below,
        };
        let parts = state.contacts.iter().map(part).collect();
        let history = with_history.then(|| (self.history.clone(), parts));
        let root = identity.root().clone();
        let written = backup::write_elsewhere(path, root, state.encode(), history);
        let messages = written.await.map_err(|_| closed())??;
        let unready = state.contacts.iter().filter(|saved| saved.theirs.is_none()).count();
        Ok(Response::BackedUp { contacts: state.contacts.len() as u64, messages, unready: unready as u64 })
    }
}

/// What a restored profile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Contacts; each is greeted anew once the node runs.
    pub contacts: u64,
    /// Messages.
    pub messages: u64,
}

/// Makes a profile in `data_dir` from the backup at `path`, opened by the recovery code and locked by `passphrase` from now on. It counts
/// as made when this returns; until then nothing is there.
///
/// # Errors
/// `wrong_code`, `backup_damaged`, `backup_newer`, `profile_exists`, or what the disk says.
pub fn restore(
    data_dir: &Path,
    path: &Path,
    code: &str,
    passphrase: Option<&Passphrase>,
) -> Result<Restored, ApiError> {
    let root = recovery_root(code).ok_or_else(|| {
        ApiError::new(
            "wrong_code",
            "this is not a recovery code: it has 40 digits, and one of these is wrong or missing",
        )
    })?;
    let (mut reader, state) = Reader::open(path, &BackupKey::of_root(&root)?)?;
    let state = BackupState::decode(&state).map_err(|error| match error {
        karvon_protocol::error::PeerFault::Version => {
            ApiError::new("backup_newer", "this backup was made by another version of Karvon: use that one")
        }
        _ => ApiError::from(BackupError::Damaged),
    })?;
    rundir::make_data_dir(data_dir).map_err(|error| ApiError::new(IO, error.to_string()))?;
    let Some(_lock) = host::take_lock(data_dir)? else {
        return Err(ApiError::new(
            crate::api::error::PROFILE_EXISTS,
            "a node is running in this directory already",
        ));
    };
    let contacts = state.contacts.len() as u64;
    let mut messages = 0;
    profile::create_from(data_dir, passphrase, &state.identity, &state.name, |store| {
        messages = put_rows(store, &mut reader)?;
        take_in(store, &state)
    })?;
    Ok(Restored { contacts, messages })
}

fn put_rows(store: &mut SledStore, reader: &mut Reader) -> Result<u64, ApiError> {
    let mut messages = 0;
    loop {
        let mut ops = Vec::new();
        while ops.len() < AT_ONCE
            && let Some(row) = reader.next_row()?
        {
            messages += u64::from(row.is_message());
            ops.push(Op::Put(row.key, row.value));
        }
        let count = ops.len();
        store.commit(&[Batch { id: BatchId(0), ops }]).map_err(fault)?;
        if count < AT_ONCE {
            return Ok(messages);
        }
    }
}

/// Lets an engine without a network take doors, mailboxes and contacts into the store.
fn take_in(store: &mut SledStore, state: &BackupState) -> Result<(), ApiError> {
    let identity = LocalIdentity::decode(&state.identity).ok_or(BackupError::Damaged)?;
    let mut engine = Engine::new(Setup { identity, name: state.name.clone() }, Box::new(generator()?));
    let now = SystemClock::new().now();
    let (mut asked, mut answered) = (false, false);
    loop {
        let mut inputs = Vec::new();
        while let Some(output) = engine.poll() {
            match output {
                Output::Persist(batch) => {
                    let upto = batch.id;
                    store.commit(&[batch]).map_err(fault)?;
                    inputs.push(Input::Persisted { upto });
                }
                Output::Load(id, range) => inputs.push(Input::Loaded(id, store.load(&range).map_err(fault)?)),
                Output::Notify(Event::Ready) if !asked => {
                    asked = true;
                    let command = Command::RestoreContacts(Box::new(state.clone()));
                    inputs.push(Input::Command(CommandId(1), command));
                }
                Output::Reply(_, result) => {
                    result?;
                    answered = true;
                }
                // There is no network yet; the node's first start does what this would have done.
                _ => {}
            }
        }
        if inputs.is_empty() {
            // Whatever the answer left to be written is written: letters to groups among it.
            return if answered { Ok(()) } else { Err(closed()) };
        }
        for input in inputs {
            engine.handle(input, now);
        }
    }
}
