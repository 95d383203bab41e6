//! Joins the store's writer to the driver, and the pieces every kind of node starts with.

use crate::api::ApiError;
use crate::api::error::{
    IO, LOCKED, NO_PASSPHRASE, NO_PROFILE, PROFILE_EXISTS, UNAVAILABLE, WAIT, WRONG_PASSPHRASE,
};
use crate::driver::{Jobs, StoreEvent, StorePort, StoreRequest};
use crate::store::keystore::KeyError;
use crate::store::writer::{self, Refused, StoreHandle};
use crate::store::{OpenError, Store};
use karvon_protocol::core::{Job, JobOutput};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

/// The writer thread of a store, as the driver sees it.
#[derive(Debug)]
pub struct WriterPort {
    handle: StoreHandle,
    events: mpsc::Receiver<writer::StoreEvent>,
}

impl WriterPort {
    /// Starts the writer.
    ///
    /// # Errors
    /// `io` if the system gives no thread.
    pub fn start(store: Box<dyn Store>) -> Result<Self, ApiError> {
        let (handle, events) =
            StoreHandle::spawn(store).map_err(|error| ApiError::new(IO, error.to_string()))?;
        Ok(Self { handle, events })
    }

    /// Ends the writer; everything submitted is on disk when this returns.
    pub fn close(self) {
        drop(self.events);
        self.handle.close();
    }
}

impl StorePort for WriterPort {
    fn request(&mut self, request: StoreRequest) -> Result<(), Option<StoreRequest>> {
        match request {
            StoreRequest::Persist(batch) => self.handle.submit(batch).map_err(|refused| match refused {
                Refused::Full(batch) => Some(StoreRequest::Persist(batch)),
                Refused::Closed => None,
            }),
            StoreRequest::Load(id, range) => self.handle.load(id, range).map_err(|refused| match refused {
                Refused::Full(range) => Some(StoreRequest::Load(id, range)),
                Refused::Closed => None,
            }),
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<StoreEvent>> {
        self.events.poll_recv(cx).map(|event| {
            event.map(|event| match event {
                writer::StoreEvent::Persisted { upto } => StoreEvent::Persisted { upto },
                writer::StoreEvent::Loaded(id, rows) => StoreEvent::Loaded(id, rows),
                writer::StoreEvent::Failed(fault) => StoreEvent::Failed(fault),
            })
        })
    }
}

/// No core gives out jobs yet; one that did would be told that it failed.
#[derive(Debug, Clone, Copy)]
pub struct NoJobs;

impl Jobs for NoJobs {
    fn run(&self, _: Job) -> Pin<Box<dyn Future<Output = JobOutput> + Send>> {
        Box::pin(std::future::ready(JobOutput::Failed))
    }
}

/// 32 bytes of the system's randomness.
///
/// # Errors
/// `io` if the system gives none.
pub fn entropy() -> Result<Zeroizing<[u8; 32]>, ApiError> {
    let mut out = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *out).map_err(|error| ApiError::new(IO, format!("no randomness: {error}")))?;
    Ok(out)
}

/// A generator seeded by the system.
///
/// # Errors
/// As [`entropy`].
pub fn generator() -> Result<ChaCha20Rng, ApiError> {
    Ok(ChaCha20Rng::from_seed(*entropy()?))
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        let code = match &error {
            KeyError::Missing | KeyError::Wiped => NO_PROFILE,
            KeyError::Exists => PROFILE_EXISTS,
            KeyError::Locked => LOCKED,
            KeyError::WrongPassphrase => WRONG_PASSPHRASE,
            KeyError::Wait { .. } => WAIT,
            KeyError::Empty => NO_PASSPHRASE,
            KeyError::InUse | KeyError::Full | KeyError::NotOwner => UNAVAILABLE,
            _ => "store",
        };
        Self::new(code, error.to_string())
    }
}

impl From<OpenError> for ApiError {
    fn from(error: OpenError) -> Self {
        let code = match &error {
            OpenError::Missing => NO_PROFILE,
            OpenError::Exists => PROFILE_EXISTS,
            _ => "store",
        };
        Self::new(code, error.to_string())
    }
}
