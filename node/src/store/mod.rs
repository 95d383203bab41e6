//! What survives a power cut: people's records in sled, relays' cells in segment files, both behind one [`Store`] trait.
//!
//! A core names what must become durable ([`Batch`]) and what it wants back ([`Range`]); everything about files, sealing and syncing is
//! decided here. [`SledStore`] is the store of shipped programs, [`MemoryStore`] the one of tests and simulations. [`writer`] runs either
//! of them behind bounded queues; [`History`] reads conversations beside the writer; [`keystore`] keeps the key everything is sealed by.

pub mod backup;
pub mod bundles;
mod channel_history;
pub mod disk;
mod group_history;
pub mod history;
mod journal;
mod keyring;
pub mod keystore;
pub mod ledger;
pub mod memory;
mod opening;
mod rows;
mod sealed;
pub mod search;
pub mod search_rooms;
pub mod segments;
mod shredding;
pub mod sled;
mod table;
mod watch;
pub mod wipe;
pub mod writer;

use karvon_protocol::core::{Batch, Key, Range, StoreFault, Value};
use std::path::PathBuf;
use std::sync::Arc;

pub use group_history::Line;
pub use history::{Entry, History};
pub use keystore::DataKey;
pub use memory::MemoryStore;
pub use sled::{Options, SledStore};
pub use writer::{Refused, StoreEvent, StoreHandle};

/// Durable state: records by key, and a relay's cells by mailbox.
pub trait Store: Send {
    /// Makes `batches` durable, in order. The records of a batch become durable together or not at all. The cells of a batch are durable
    /// no later than its records.
    ///
    /// # Errors
    /// What failed; then it is unknown which of `batches` became durable (records: whole batches in order), and every later call fails
    /// the same way until the store is opened anew.
    fn commit(&mut self, batches: &[Batch]) -> Result<(), StoreFault>;

    /// The records or cells in `range`; those of [`Range::Space`] and [`Range::CellIndex`] are sorted by key.
    ///
    /// # Errors
    /// If the medium can not be read, or a record is damaged.
    fn load(&mut self, range: &Range) -> Result<Vec<(Key, Value)>, StoreFault>;

    /// One bounded step of housekeeping (giving space of expired cells back); true if there is more to do at once.
    ///
    /// # Errors
    /// As [`Store::commit`].
    fn tidy(&mut self) -> Result<bool, StoreFault> {
        Ok(false)
    }
}

/// Unix time in seconds; a relay's cells expire by it. A simulation passes its own.
pub type WallClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The system's wall clock, in seconds since 1970 (0 if it stands before that).
#[must_use]
pub fn system_clock() -> WallClock {
    Arc::new(|| std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs()))
}

/// Why a store could not be opened or created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Nothing was created here yet, or it was moved away.
    #[error("there is no store in this directory")]
    Missing,
    /// Creating would replace an existing store.
    #[error("there is a store in this directory already")]
    Exists,
    /// Another process, or another part of this one, has the store open.
    #[error("another process holds this store: stop it first")]
    InUse,
    /// The files can not be read as a store. They were moved aside and nothing was deleted.
    #[error("the store is damaged ({why}); its files were kept and moved to {moved_to}")]
    Quarantined {
        /// Where the files are now.
        moved_to: PathBuf,
        /// What the engine said.
        why: String,
    },
    /// The data key does not open this store.
    #[error("the key does not belong to this store")]
    WrongKey,
    /// A newer program wrote this store.
    #[error(
        "the store was written by a newer Karvon (format {found}, this one knows {known}): update this one"
    )]
    Newer {
        /// Format of the store.
        found: u32,
        /// Newest format this program knows.
        known: u32,
    },
    /// An older program wrote this store.
    #[error(
        "the store was written by an older Karvon (format {found}, this one knows {known}): make a backup with that one and restore it here"
    )]
    Older {
        /// Format of the store.
        found: u32,
        /// The format this program knows.
        known: u32,
    },
    /// The system refused a file operation.
    #[error("the store's files can not be used: {0}")]
    Io(#[from] std::io::Error),
}
