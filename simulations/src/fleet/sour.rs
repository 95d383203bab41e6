//! A relay that has gone sour: the real one inside, and around it somebody who loses, swallows, hides or forgets what it should carry.

use crate::det::Rng;
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::core::{Core, Input, Mono, Now, Output};
use karvon_protocol::crypto::LocalSignKey;
use karvon_protocol::descriptor::Descriptor;
use karvon_protocol::ids::{RelayId, Tag};
use karvon_protocol::link::{Frame, Kind, NEAR_MAX};
use karvon_protocol::relay::RelayCore;
use karvon_protocol::relay::api::{RelayCommand, RelayEvent, RelayReply, Verdict};
use karvon_protocol::relay::unit::Unit;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Cells of rubbish made at one moment at the most.
const RUBBISH_AT_ONCE: usize = 64;
/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

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
    /// It lets no cell of a shard in from other relays and gives none to them: its followers get what its own leaves bring.
    Withholds,
    /// It gossips so many cells of rubbish a second on this shard, signed as they must be.
    Floods {
        /// The shard.
        shard: u16,
        /// Cells a second.
        per_s: f64,
    },
    /// It tells leaves and relays of its accomplices only, also in Kademlia, and forgets each bundle and beacon that it confirmed.
    Eclipses,
}

#[derive(Debug, Default)]
struct State {
    temper: Temper,
    accomplices: BTreeSet<RelayId>,
    /// Honest relays by which it takes part in the mesh.
    through: BTreeSet<RelayId>,
}

/// The temper of a relay, to be changed while it runs; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Mood(Arc<Mutex<State>>);

impl Mood {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets it.
    pub fn set(&self, temper: Temper) {
        self.lock().temper = temper;
    }

    /// What it is.
    #[must_use]
    pub fn get(&self) -> Temper {
        self.lock().temper
    }

    /// Whom it tells of when it eclipses others, and the few others through which it takes part in the mesh.
    pub fn conspire(&self, with: BTreeSet<RelayId>, through: BTreeSet<RelayId>) {
        let mut state = self.lock();
        (state.accomplices, state.through) = (with, through);
    }

    fn is_accomplice(&self, relay: RelayId) -> bool {
        self.lock().accomplices.contains(&relay)
    }

    fn uses(&self, relay: RelayId) -> bool {
        let state = self.lock();
        state.accomplices.contains(&relay) || state.through.contains(&relay)
    }
}

/// The core of a relay with a mood.
pub(super) struct Sour {
    inner: RelayCore,
    mood: Mood,
    rng: Rng,
    key: LocalSignKey,
    own: VecDeque<RelayEvent>,
    /// When the next cell of rubbish is due.
    rubbish_at: Option<Mono>,
}

impl Sour {
    pub(super) fn new(inner: RelayCore, mood: Mood, rng: Rng, static_seed: &[u8; 32]) -> Self {
        let key = LocalSignKey::from_seed(static_seed);
        Self { inner, mood, rng, key, own: VecDeque::new(), rubbish_at: None }
    }

    fn swallows(&mut self, frame: &Frame) -> bool {
        let of_tunnel = matches!(frame.kind, Kind::Open | Kind::Opened | Kind::Data | Kind::Close);
        match self.mood.get() {
            Temper::Honest | Temper::Lies | Temper::Floods { .. } => false,
            Temper::Drops(share) => of_tunnel && self.rng.chance(share),
            Temper::Stalls => of_tunnel,
            Temper::Withholds => frame.kind == Kind::Shards,
            Temper::Eclipses => frame.kind == Kind::Descriptor && self.hides(&frame.payload),
        }
    }

    /// Whether a descriptor is of a relay that nobody is to hear of.
    fn hides(&self, descriptor: &[u8]) -> bool {
        let told = Descriptor::verify(descriptor).map(|descriptor| descriptor.relay());
        told.is_ok_and(|relay| !self.mood.is_accomplice(relay))
    }

    /// What a leaf is told of the relays near a place.
    fn misled(&self, near: Vec<u8>) -> Vec<u8> {
        let state = self.mood.lock();
        if state.temper != Temper::Eclipses {
            return near;
        }
        let ids = state.accomplices.iter().take(NEAR_MAX).flat_map(|relay| relay.0);
        near.into_iter().take(2).chain(ids).collect()
    }

    /// Whether the node around the core is not to be told.
    fn conceals(&self, event: &RelayEvent) -> bool {
        match (self.mood.get(), event) {
            (Temper::Withholds, RelayEvent::Spread(..)) => true,
            // What the node does not know it neither dials nor routes to nor answers in Kademlia.
            (Temper::Eclipses, RelayEvent::Learned(relay, ..)) => !self.mood.uses(*relay),
            _ => false,
        }
    }

    fn make_rubbish(&mut self, now: Now) {
        let Temper::Floods { shard, per_s } = self.mood.get() else {
            self.rubbish_at = None;
            return;
        };
        let pause_ms = (1_000.0 / per_s.max(0.001)) as u64;
        let mut at = self.rubbish_at.unwrap_or(now.mono);
        while at <= now.mono && self.own.len() < RUBBISH_AT_ONCE {
            at = at.after_ms(pause_ms.max(1));
            let unit = self.rubbish(shard, now.wall_ms / DAY_MS);
            self.own.extend(unit);
        }
        self.rubbish_at = Some(at.max(now.mono.after_ms(1)));
    }

    fn rubbish(&mut self, shard: u16, day: u64) -> Option<RelayEvent> {
        let mut bytes = vec![0; Class::S.bytes()];
        self.rng.fill(&mut bytes);
        let mut tag = Tag([0; 16]);
        self.rng.fill(&mut tag.0);
        for (to, from) in bytes.iter_mut().zip(Cell::outer(Class::S, &tag, 0)) {
            *to = from;
        }
        let relay = RelayId::of(&self.key.public().0);
        let unit = Unit::sign(shard, relay, day as u32, Cell::parse(bytes).ok()?, &self.key);
        Some(RelayEvent::Spread(shard, unit.encode()))
    }
}

impl Core for Sour {
    type Command = RelayCommand;
    type Reply = RelayReply;
    type Event = RelayEvent;

    fn handle(&mut self, input: Input<RelayCommand>, now: Now) {
        self.make_rubbish(now);
        match input {
            Input::Frame { ref frame, .. } if self.swallows(frame) => {}
            Input::Command(_, RelayCommand::Gossip(token, _)) if self.mood.get() == Temper::Withholds => {
                self.own.push_back(RelayEvent::Judged(token, Verdict::Ignore));
            }
            input => self.inner.handle(input, now),
        }
    }

    fn poll(&mut self) -> Option<Output<RelayReply, RelayEvent>> {
        if let Some(event) = self.own.pop_front() {
            return Some(Output::Notify(event));
        }
        loop {
            match self.inner.poll()? {
                Output::Send { link, frame } if frame.kind == Kind::Near => {
                    let frame = Frame { payload: self.misled(frame.payload), ..frame };
                    return Some(Output::Send { link, frame });
                }
                Output::Send { ref frame, .. } if self.swallows(frame) => {}
                Output::Notify(ref event) if self.conceals(event) => {}
                output => return Some(output),
            }
        }
    }

    fn next_timeout(&self) -> Option<Mono> {
        self.inner.next_timeout().into_iter().chain(self.rubbish_at).min()
    }

    fn ready(&self) -> bool {
        self.inner.ready()
    }
}
