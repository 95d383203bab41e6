//! Oracles: what must never be false, checked at every step; the first violation ends the run.

mod bounds;
mod delivery;
mod secrecy;
mod wire;

pub use bounds::{Bounds, Promise};
pub use delivery::{NothingLost, NothingTwice, SenderOrder};
pub use secrecy::KeyReuse;
pub use wire::{WireScan, WireSecrets};

use crate::det::NodeId;
use crate::net::SimTime;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// A person of the scenario; keeps the number over restarts and devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Person(pub u32);

/// A message: who wrote it to whom, and its number in that direction, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    /// The author.
    pub from: Person,
    /// The reader.
    pub to: Person,
    /// Its number in this direction.
    pub number: u64,
}

/// Something that happened and can be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The author's device said that it has the message durably (`·`).
    Queued(Message),
    /// The author's device shows `↑`: so many relays have confirmed, so many were promised.
    Stored {
        /// The message.
        message: Message,
        /// Relays that confirmed.
        confirmed: u32,
        /// Relays that must.
        promised: u32,
    },
    /// The author's device shows `✓`.
    Delivered(Message),
    /// The author's device says openly that the message was lost or is held back for good.
    GivenUp(Message),
    /// The reader's device has the message on its disk and shows it, or will when it runs.
    Shown(Message),
    /// The reader's device has the message on its disk, but an earlier one is still missing.
    Held(Message),
    /// A device was destroyed with everything on it, or became an older copy of itself: what it alone held may be lost.
    DeviceLost(Person),
    /// Something was sealed: a digest of the key, the nonce, and a digest of what was sealed.
    Sealed {
        /// Digest of the key.
        key: [u8; 32],
        /// The nonce.
        nonce: Vec<u8>,
        /// Digest of the sealed bytes.
        sealed: [u8; 32],
    },
    /// Something that has a bound was measured.
    Measured {
        /// Where.
        node: NodeId,
        /// What.
        what: &'static str,
        /// How much.
        value: u64,
        /// Not more than this.
        bound: u64,
    },
}

/// Judges what happens.
pub trait Oracle: Send {
    /// Its name, for reports.
    fn name(&self) -> &'static str;

    /// Judges a fact.
    ///
    /// # Errors
    /// What is wrong, in words.
    fn judge(&mut self, fact: &Fact) -> Result<(), String>;

    /// Judges the end of a run in which every fault was repaired and time enough was given: nothing may be under way any more.
    ///
    /// # Errors
    /// What is wrong, in words.
    fn finish(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// What an oracle found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{oracle} at {:.3} s: {what}", *at as f64 / 1e9)]
pub struct Violation {
    /// Which oracle.
    pub oracle: &'static str,
    /// When.
    pub at: SimTime,
    /// What, in words.
    pub what: String,
}

/// Where violations are reported; the first one counts.
#[derive(Debug, Clone, Default)]
pub struct Alarm(Arc<(Mutex<Option<Violation>>, Notify)>);

impl Alarm {
    /// Reports a violation.
    pub fn raise(&self, oracle: &'static str, at: SimTime, what: String) {
        let (first, notify) = &*self.0;
        first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(Violation { oracle, at, what });
        notify.notify_one();
    }

    /// The first violation, if there was one.
    #[must_use]
    pub fn first(&self) -> Option<Violation> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a violation.
    pub async fn wait(&self) -> Violation {
        loop {
            if let Some(violation) = self.first() {
                return violation;
            }
            self.0.1.notified().await;
        }
    }
}

/// All oracles that judge by facts.
#[must_use]
pub fn standard() -> Vec<Box<dyn Oracle>> {
    vec![
        Box::new(NothingLost::default()),
        Box::new(NothingTwice::default()),
        Box::new(SenderOrder::default()),
        Box::new(KeyReuse::default()),
        Box::new(Promise),
        Box::new(Bounds),
    ]
}
