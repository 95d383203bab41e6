//! Attach or start: finds the node that runs in a data directory, or runs one in this process, and never two.

use crate::api::API_VERSION;
use crate::api::ApiError;
use crate::api::backend::Backend;
use crate::api::error::{IO, NO_PROFILE, NOT_RUNNING};
use crate::api::server::{Listener, Stop, serve};
use crate::client::Client;
use crate::config::Config;
use crate::rundir::{self, DirLock, NodeFile};
use futures::future::BoxFuture;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

/// A node that starts or stops in another process is given this long.
const OTHER_WITHIN: Duration = Duration::from_secs(60);

/// How often its socket or lock is tried meanwhile.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// A passphrase; wiped when dropped.
pub type Passphrase = Zeroizing<String>;

/// What a new profile is made of.
pub struct NewProfile {
    /// The name that contacts will see.
    pub name: String,
    /// What opens it; `None` leaves it open to whoever has the device.
    pub passphrase: Option<Passphrase>,
}

/// Makes and starts nodes; the one place that knows what a node is made of.
pub trait Host: Send + Sync {
    /// Makes a profile in `data_dir`, which exists and is locked by the caller.
    ///
    /// Fails with `profile_exists` if there is one already.
    fn create<'a>(&'a self, data_dir: &'a Path, profile: NewProfile) -> BoxFuture<'a, Result<(), ApiError>>;

    /// Starts the node of the profile in `data_dir`, which is locked by the caller.
    ///
    /// Fails with `no_profile`, with `locked` if a passphrase is needed and none was given, with `wrong_passphrase`, or with
    /// `store` if the files can not be used.
    fn start<'a>(
        &'a self,
        data_dir: &'a Path,
        config: &'a Config,
        passphrase: Option<Passphrase>,
    ) -> BoxFuture<'a, Result<Arc<dyn Backend>, ApiError>>;

    /// Starts relays and a talking contact on loopback in this process, and a node that knows both; nothing outlives the process.
    fn demo(&self) -> BoxFuture<'_, Result<Arc<dyn Backend>, ApiError>>;
}

/// A node in this process that also serves its data directory's socket.
pub struct Node {
    data_dir: PathBuf,
    socket: PathBuf,
    backend: Arc<dyn Backend>,
    stop: Stop,
    server: JoinHandle<()>,
    lock: DirLock,
}

impl Node {
    async fn start(
        data_dir: &Path,
        lock: DirLock,
        host: &dyn Host,
        config: &Config,
        passphrase: Option<Passphrase>,
    ) -> Result<Self, ApiError> {
        // Whoever held the lock before is gone, so what it left is stale.
        NodeFile::remove(data_dir);
        let backend = host.start(data_dir, config, passphrase).await?;
        match Self::listen(data_dir, config, backend.clone()) {
            Ok((socket, stop, server)) => {
                Ok(Self { data_dir: data_dir.to_owned(), socket, backend, stop, server, lock })
            }
            Err(error) => {
                backend.close().await;
                Err(ApiError::new(IO, format!("the local interface can not be opened: {error}")))
            }
        }
    }

    fn listen(
        data_dir: &Path,
        config: &Config,
        backend: Arc<dyn Backend>,
    ) -> std::io::Result<(PathBuf, Stop, JoinHandle<()>)> {
        let socket = match config.api.socket() {
            Some(path) => path,
            None => rundir::socket_path(data_dir)?,
        };
        rundir::clear_socket(&socket)?;
        let listener = Listener::bind(&socket)?;
        let file = NodeFile { pid: std::process::id(), socket: socket.clone(), version: API_VERSION };
        file.write(data_dir)?;
        let stop = Stop::default();
        let server = tokio::spawn(serve(listener, backend, stop.clone()));
        Ok((socket, stop, server))
    }

    /// Path of the socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A connection to it.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::local(self.backend.clone())
    }

    /// Returns once a front end has asked the node to stop.
    pub async fn asked_to_stop(&self) {
        self.stop.wait().await;
    }

    /// Lets front ends finish what they began, ends the node and gives the data directory free.
    pub async fn close(self) {
        self.stop.stop();
        if self.server.await.is_err() {
            tracing::error!("the local interface ended by a defect");
        }
        self.backend.close().await;
        NodeFile::remove(&self.data_dir);
        drop(self.lock);
    }
}

/// A node to talk to.
pub enum Attached {
    /// It runs in another process.
    Other(Client),
    /// It runs here, and must be closed.
    Own(Node),
    /// It only looks how the doors do, for this process alone, and must be closed.
    Looking(Arc<dyn Backend>, DirLock),
}

impl Attached {
    /// A connection to it.
    #[must_use]
    pub fn client(&self) -> Client {
        match self {
            Self::Other(client) => client.clone(),
            Self::Own(node) => node.client(),
            Self::Looking(backend, _) => Client::local(backend.clone()),
        }
    }

    /// Leaves it: ends it if it runs here.
    pub async fn leave(self) {
        match self {
            Self::Other(_) => {}
            Self::Own(node) => node.close().await,
            Self::Looking(backend, lock) => {
                backend.close().await;
                drop(lock);
            }
        }
    }
}

/// Connects to the node that runs in `data_dir`, or starts it here. Of several processes that try at once, one starts it and the
/// others attach.
///
/// # Errors
/// Those of [`Host::start`] and [`Client::connect`]; `no_profile` if the directory does not exist.
pub async fn attach_or_start(
    data_dir: &Path,
    host: &dyn Host,
    config: &Config,
    passphrase: Option<Passphrase>,
) -> Result<Attached, ApiError> {
    match find(data_dir).await? {
        Found::Node(client) => Ok(Attached::Other(client)),
        Found::Free(lock) => Node::start(data_dir, lock, host, config, passphrase).await.map(Attached::Own),
    }
}

/// Connects to the node that runs in `data_dir`, or starts one here that opens its doors, looks how they do, and does nothing else: no
/// message is fetched or sent for it. Other commands wait until it has ended.
///
/// # Errors
/// As [`attach_or_start`].
pub async fn attach_or_look(
    data_dir: &Path,
    host: &dyn Host,
    config: &Config,
    passphrase: Option<Passphrase>,
) -> Result<Attached, ApiError> {
    match find(data_dir).await? {
        Found::Node(client) => Ok(Attached::Other(client)),
        Found::Free(lock) => {
            // Whoever held the lock before is gone, so what it left is stale.
            NodeFile::remove(data_dir);
            let config = Config { only_look: true, ..config.clone() };
            Ok(Attached::Looking(host.start(data_dir, &config, passphrase).await?, lock))
        }
    }
}

/// Who has a profile.
enum Found {
    /// A node that answers.
    Node(Client),
    /// Nobody but this process, from now on.
    Free(DirLock),
}

/// Waits until a node answers, or nobody has the profile any more.
async fn find(data_dir: &Path) -> Result<Found, ApiError> {
    let until = Instant::now() + OTHER_WITHIN;
    loop {
        if let Some(client) = Client::connect(data_dir).await? {
            return Ok(Found::Node(client));
        }
        if let Some(lock) = take_lock(data_dir)? {
            return Ok(Found::Free(lock));
        }
        if Instant::now() >= until {
            return Err(ApiError::new(NOT_RUNNING, "another Karvon holds this profile and does not answer"));
        }
        sleep(TRY_EVERY).await;
    }
}

/// Makes a profile in `data_dir`.
///
/// # Errors
/// Those of [`Host::create`]; `profile_exists` also if a node runs there.
pub async fn create(data_dir: &Path, host: &dyn Host, profile: NewProfile) -> Result<(), ApiError> {
    rundir::make_data_dir(data_dir).map_err(|error| unusable(data_dir, &error))?;
    match take_lock(data_dir)? {
        Some(_lock) => host.create(data_dir, profile).await,
        None => Err(ApiError::new(
            crate::api::error::PROFILE_EXISTS,
            "a node is running in this directory already",
        )),
    }
}

/// The process that runs the node of `data_dir`, as far as is known: it may have been killed since.
#[must_use]
pub fn pid(data_dir: &Path) -> Option<u32> {
    NodeFile::read(data_dir).map(|file| file.pid)
}

/// Whether `data_dir` exists; a profile may lie there.
#[must_use]
pub fn exists(data_dir: &Path) -> bool {
    rundir::exists(data_dir)
}

/// Returns once no process holds `data_dir`.
///
/// # Errors
/// `not_running` if it is still held after a minute.
pub async fn released(data_dir: &Path) -> Result<(), ApiError> {
    let until = Instant::now() + OTHER_WITHIN;
    while take_lock(data_dir)?.is_none() {
        if Instant::now() >= until {
            return Err(ApiError::new(
                NOT_RUNNING,
                "the node was asked to stop and has not: it may be writing",
            ));
        }
        sleep(TRY_EVERY).await;
    }
    Ok(())
}

/// Takes the directory, or returns `None` if another process has it.
pub(crate) fn take_lock(data_dir: &Path) -> Result<Option<DirLock>, ApiError> {
    if !rundir::exists(data_dir) {
        let text = format!("there is no profile in {}: make one with `karvon init`", data_dir.display());
        return Err(ApiError::new(NO_PROFILE, text));
    }
    DirLock::take(data_dir).map_err(|error| unusable(data_dir, &error))
}

/// Removes the lock and, if nothing else is in it, the directory.
pub(crate) fn remove_empty(data_dir: &Path, lock: DirLock) {
    rundir::remove_empty(data_dir, lock);
}

fn unusable(data_dir: &Path, error: &std::io::Error) -> ApiError {
    ApiError::new(IO, format!("{} can not be used: {error}", data_dir.display()))
}
