//! A relay that has gone sour: the real one inside, and around it somebody who loses, swallows or forgets what it should carry.

use crate::det::Rng;
use karvon_protocol::core::{Core, Input, Mono, Now, Output};
use karvon_protocol::link::Kind;
use karvon_protocol::relay::RelayCore;
use karvon_protocol::relay::api::{RelayCommand, RelayEvent, RelayReply};
use std::sync::{Arc, Mutex, PoisonError};

/// How a relay behaves.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Temper {
    /// As it should.
    #[default]
    Honest,
    /// It loses each frame of a tunnel with this probability.
    Drops(f64),
    /// It answers hellos, heartbeats and questions for relays, and swallows every frame of a tunnel.
    Stalls,
    /// It confirms cells that it does not keep.
    Lies,
}

/// The temper of a relay, to be changed while it runs; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Mood(Arc<Mutex<Temper>>);

impl Mood {
    /// Sets it.
    pub fn set(&self, temper: Temper) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = temper;
    }

    /// What it is.
    #[must_use]
    pub fn get(&self) -> Temper {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The core of a relay with a mood.
pub(super) struct Sour {
    inner: RelayCore,
    mood: Mood,
    rng: Rng,
}

impl Sour {
    pub(super) const fn new(inner: RelayCore, mood: Mood, rng: Rng) -> Self {
        Self { inner, mood, rng }
    }

    fn swallows(&mut self, kind: Kind) -> bool {
        let of_tunnel = matches!(kind, Kind::Open | Kind::Opened | Kind::Data | Kind::Close);
        match self.mood.get() {
            Temper::Honest | Temper::Lies => false,
            Temper::Drops(share) => of_tunnel && self.rng.chance(share),
            Temper::Stalls => of_tunnel,
        }
    }
}

impl Core for Sour {
    type Command = RelayCommand;
    type Reply = RelayReply;
    type Event = RelayEvent;

    fn handle(&mut self, input: Input<RelayCommand>, now: Now) {
        match input {
            Input::Frame { ref frame, .. } if self.swallows(frame.kind) => {}
            input => self.inner.handle(input, now),
        }
    }

    fn poll(&mut self) -> Option<Output<RelayReply, RelayEvent>> {
        loop {
            match self.inner.poll()? {
                Output::Send { ref frame, .. } if self.swallows(frame.kind) => {}
                output => return Some(output),
            }
        }
    }

    fn next_timeout(&self) -> Option<Mono> {
        self.inner.next_timeout()
    }

    fn ready(&self) -> bool {
        self.inner.ready()
    }
}
