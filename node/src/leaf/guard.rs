//! What front ends meet first: the node while it is open, or a locked one that has forgotten everything but how to be opened.

use super::backend::LeafBackend;
use super::profile;
use crate::api::backend::Backend;
use crate::api::error::{LOCKED, NO_PASSPHRASE};
use crate::api::{API_VERSION, ApiError, Event, Request, Response, Secret, Status};
use crate::config::Config;
use crate::host::Passphrase;
use crate::os;
use crate::store::{DataKey, wipe};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use karvon_protocol::core::StoreFault;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// Events a slow front end may be behind.
const EVENTS: usize = 1_024;
/// A request under way when the node is locked ends at once, because nobody answers it any more; this is for a slow disk.
const LAST_USE: Duration = Duration::from_secs(10);
/// A store that failed is opened again after this time at first, and at last.
const MEND_AFTER: Duration = Duration::from_secs(1);
const MEND_WITHIN: Duration = Duration::from_secs(60);

/// Opens a profile and serves it.
///
/// # Errors
/// Those of [`super::open`].
pub(super) async fn start(
    data_dir: &Path,
    config: &Config,
    passphrase: Option<Passphrase>,
) -> Result<Arc<dyn Backend>, ApiError> {
    let (events, _) = broadcast::channel(EVENTS);
    let key = profile::unseal(data_dir, passphrase.as_ref().map(|text| text.as_str()))?;
    let open = super::open(data_dir, &key, events.clone(), config).await?;
    let (changes, changed) = watch::channel(());
    let guard = Arc::new(Guard {
        data_dir: data_dir.to_owned(),
        events,
        config: config.clone(),
        turn: tokio::sync::Mutex::new(()),
        state: Mutex::new(State { open: Some(Arc::new(open)), key: Some(key), used: Instant::now() }),
        changes,
        started: Instant::now(),
    });
    if let Some(after) = config.lock.after() {
        tokio::spawn(lock_when_idle(Arc::downgrade(&guard), after));
    }
    tokio::spawn(mend(Arc::downgrade(&guard), changed));
    Ok(Arc::new(Guarded(guard)))
}

struct Guard {
    data_dir: PathBuf,
    events: broadcast::Sender<Event>,
    config: Config,
    /// Held while the node is locked, unlocked or wiped: one at a time.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    /// Told when the node was opened; ends with the guard.
    changes: watch::Sender<()>,
    started: Instant,
}

struct State {
    /// `None` while locked, or while a store that failed can not be opened again.
    open: Option<Arc<LeafBackend>>,
    /// `None` while locked.
    key: Option<DataKey>,
    /// When a person last did something.
    used: Instant,
}

struct Guarded(Arc<Guard>);

impl Backend for Guarded {
    fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, ApiError>> {
        let guard = self.0.clone();
        if shows_a_person(&request) {
            guard.state().used = Instant::now();
        }
        match request {
            Request::Present => std::future::ready(Ok(Response::Done)).boxed(),
            Request::Lock => async move { guard.lock().await }.boxed(),
            Request::Unlock { passphrase } => async move { guard.unlock(passphrase).await }.boxed(),
            Request::Wipe => async move { guard.wipe().await }.boxed(),
            request => {
                // Cloned, so that the state is free again for the answer of a locked node.
                let open = guard.state().open.clone();
                match open {
                    Some(open) => open.call(request),
                    None => std::future::ready(guard.locked(&request)).boxed(),
                }
            }
        }
    }

    fn events(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let guard = self.0.clone();
        async move {
            let _turn = guard.turn.lock().await;
            guard.forget().await;
        }
        .boxed()
    }
}

impl Guard {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a locked node answers.
    fn locked(&self, request: &Request) -> Result<Response, ApiError> {
        match request {
            Request::Hello { .. } => Ok(Response::Hello { version: API_VERSION, name: String::new() }),
            Request::Status => Ok(Response::Status(Status {
                state: if self.state().key.is_some() { "store" } else { LOCKED }.to_owned(),
                rss: os::rss_bytes(),
                cpu_ms: os::cpu_ms(),
                pid: std::process::id(),
                uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
                ..Status::default()
            })),
            _ if self.state().key.is_some() => Err(profile::fault(StoreFault::Io)),
            _ => Err(ApiError::new(LOCKED, "the node is locked: open it with `karvon unlock`")),
        }
    }

    async fn lock(&self) -> Result<Response, ApiError> {
        let _turn = self.turn.lock().await;
        if !profile::needs_passphrase(&self.data_dir)? {
            let text =
                "this profile has no passphrase, so nothing can be locked: set one with `karvon passphrase`";
            return Err(ApiError::new(NO_PASSPHRASE, text));
        }
        if self.forget().await {
            // Nobody may be listening.
            let _ = self.events.send(Event::Locked);
        }
        Ok(Response::Done)
    }

    /// Forgets the keys, ends the engine, closes the store and waits until nothing holds it any more; false if the node was locked.
    async fn forget(&self) -> bool {
        let (key, open) = {
            let mut state = self.state();
            (state.key.take(), state.open.take())
        };
        Self::end(open).await;
        key.is_some()
    }

    async fn end(open: Option<Arc<LeafBackend>>) {
        let Some(open) = open else { return };
        open.close().await;
        let used = open.used();
        drop(open);
        let until = Instant::now() + LAST_USE;
        while used.strong_count() > 0 && Instant::now() < until {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether the engine ended because its store failed.
    fn has_failed(&self) -> bool {
        let state = self.state();
        state.key.is_some() && state.open.as_ref().is_none_or(|open| open.has_failed())
    }

    /// Builds the engine anew from what is on disk: what a failed write left is known only by reading.
    async fn build_anew(&self) -> Result<(), ApiError> {
        let _turn = self.turn.lock().await;
        if !self.has_failed() {
            return Ok(());
        }
        let (key, failed) = {
            let mut state = self.state();
            (state.key.clone(), state.open.take())
        };
        Self::end(failed).await;
        let Some(key) = key else { return Ok(()) };
        let anew = super::open(&self.data_dir, &key, self.events.clone(), &self.config).await?;
        self.state().open = Some(Arc::new(anew));
        // Nobody may be listening.
        let _ = self.events.send(Event::Lagged);
        Ok(())
    }

    async fn unlock(&self, Secret(passphrase): Secret) -> Result<Response, ApiError> {
        let _turn = self.turn.lock().await;
        if self.state().key.is_some() {
            return Ok(Response::Done);
        }
        let key = profile::unseal(&self.data_dir, Some(&passphrase))?;
        let open = super::open(&self.data_dir, &key, self.events.clone(), &self.config).await?;
        *self.state() = State { open: Some(Arc::new(open)), key: Some(key), used: Instant::now() };
        self.changes.send_replace(());
        let _ = self.events.send(Event::Unlocked);
        Ok(Response::Done)
    }

    async fn wipe(&self) -> Result<Response, ApiError> {
        // Before anything that could wait.
        wipe::begin(&self.data_dir)?;
        let _turn = self.turn.lock().await;
        self.forget().await;
        profile::finish(&self.data_dir)?;
        Ok(Response::Done)
    }
}

/// Builds the engine anew each time that its store has failed, the longer apart the sooner it fails again. Between failures it sleeps.
async fn mend(guard: Weak<Guard>, mut changes: watch::Receiver<()>) {
    let mut wait = MEND_AFTER;
    loop {
        let (ended, locked) = {
            let Some(guard) = guard.upgrade() else { return };
            let state = guard.state();
            (state.open.as_ref().map(|open| open.ended()), state.key.is_none())
        };
        let since = Instant::now();
        let changed = match ended {
            Some(ended) => tokio::select! {
                biased;
                () = ended => None,
                change = changes.changed() => Some(change),
            },
            None if locked => Some(changes.changed().await),
            None => None,
        };
        match changed {
            Some(Ok(())) => continue,
            Some(Err(_)) => return,
            None if since.elapsed() >= MEND_WITHIN => wait = MEND_AFTER,
            None => {}
        }
        sleep(wait).await;
        let Some(guard) = guard.upgrade() else { return };
        if !guard.has_failed() {
            continue;
        }
        wait = (wait * 2).min(MEND_WITHIN);
        if let Err(error) = guard.build_anew().await {
            tracing::warn!(%error, "the store is not to be used yet");
        }
    }
}

/// Whether this request comes from somebody's hands. Front ends ask for lists and messages by themselves when something comes in.
const fn shows_a_person(request: &Request) -> bool {
    use crate::api::channels::Ask as OfChannel;
    use crate::api::groups::Ask as OfGroup;
    !matches!(
        request,
        Request::Hello { .. }
            | Request::Status
            | Request::Contacts
            | Request::Requests
            | Request::Messages { .. }
            | Request::MessagesAfter { .. }
            | Request::Message { .. }
            | Request::MarkRead { .. }
            | Request::Info { .. }
            | Request::Doors
            | Request::NetCheck { begin: false }
            | Request::Subscribe
            | Request::Data(crate::api::data::Ask::Show)
            | Request::Group(
                OfGroup::List
                    | OfGroup::Members { .. }
                    | OfGroup::Messages { .. }
                    | OfGroup::One { .. }
                    | OfGroup::Info { .. }
                    | OfGroup::MarkRead { .. }
            )
            | Request::Channel(OfChannel::List | OfChannel::Entries { .. } | OfChannel::MarkRead { .. })
    )
}

/// Locks the node each time that nobody has used it for `after`.
async fn lock_when_idle(guard: Weak<Guard>, after: Duration) {
    loop {
        let Some(guard) = guard.upgrade() else { return };
        let (open, used) = {
            let state = guard.state();
            (state.key.is_some(), state.used)
        };
        let due = used + after;
        if open
            && Instant::now() >= due
            && let Err(error) = guard.lock().await
        {
            tracing::warn!(%error, "the node could not lock itself");
            return;
        }
        drop(guard);
        sleep_until(due.max(Instant::now() + Duration::from_millis(200))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{channels, groups};

    #[test]
    fn what_a_screen_asks_when_messages_come_is_nobodys_hand() {
        let by_itself = [
            Request::Requests,
            Request::NetCheck { begin: false },
            Request::MarkRead { contact: 1, seq: 1 },
            Request::Group(groups::Ask::List),
            Request::Group(groups::Ask::MarkRead { group: 1, position: 1 }),
            Request::Channel(channels::Ask::List),
            Request::Channel(channels::Ask::MarkRead { channel: 1, seq: 1 }),
        ];
        assert!(by_itself.iter().all(|request| !shows_a_person(request)));
        let by_hand = [
            Request::Present,
            Request::NetCheck { begin: true },
            Request::Group(groups::Ask::Send { group: 1, text: "text".to_owned() }),
            Request::Channel(channels::Ask::Leave { channel: 1 }),
        ];
        assert!(by_hand.iter().all(shows_a_person));
    }
}
