//! A sender, a relay and a recipient that may each be cut off between any two steps: change in memory, batch on disk, effect let out.

use stateright::{Checker as _, Model, Property};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const SENDER: usize = 0;
const RELAY: usize = 1;
const RECIPIENT: usize = 2;
/// Batches that may wait for a disk: a host takes the next input only when its disk has the last one.
const BATCHES_MAX: usize = 1;

/// What a host knows; it exists in memory, in each batch on its way, and on disk.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Memory {
    /// Numbered texts and which writing of them: sender its outbox, relay its cells, recipient its history.
    held: BTreeMap<u8, u8>,
    /// Sender: texts below and with this number are delivered.
    delivered: u8,
}

/// What leaves a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Effect {
    /// To the person who wrote: text so and so is safe.
    Queued(u8),
    /// Cell of a text, with the writing it holds.
    Deposit(u8, u8),
    Stored(u8),
    Push(u8, u8),
    /// All texts up to this one are on the recipient's disk.
    Ack(u8),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Host {
    memory: Memory,
    /// Batches that are not on disk yet, with what waits for them.
    batches: VecDeque<(Memory, Vec<Effect>)>,
    disk: Memory,
    /// What waited for batches that are on disk, and was not let out yet.
    ready: Vec<Effect>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct World {
    hosts: [Host; 3],
    net: BTreeSet<Effect>,
    /// Writings that were made; no two are the same.
    written: u8,
    crashes: u8,
    losses: u8,
    resends: u8,
    /// Texts that their author was told are safe.
    queued: BTreeSet<u8>,
    stored: BTreeSet<u8>,
    /// Each writing that ever left the sender under a number.
    seen: BTreeSet<(u8, u8)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Happening {
    Write,
    Resend(u8, u8),
    Sync(usize),
    LetOut(usize),
    Crash(usize),
    Arrive(Effect),
    Lose(Effect),
}

struct Crashes {
    texts: u8,
    crashes: u8,
    losses: u8,
    resends: u8,
    /// The broken rule: effects of this host do not wait for its disk.
    hasty: Option<usize>,
}

impl World {
    /// Hands a host's change to its disk, and `effect` to whoever waits for it.
    fn commit(&mut self, host: usize, effects: Vec<Effect>, hasty: Option<usize>) {
        let memory = self.hosts[host].memory.clone();
        if hasty == Some(host) {
            self.hosts[host].batches.push_back((memory, Vec::new()));
            effects.into_iter().for_each(|effect| self.let_out(effect));
        } else {
            self.hosts[host].batches.push_back((memory, effects));
        }
    }

    fn let_out(&mut self, effect: Effect) {
        match effect {
            Effect::Queued(text) => drop(self.queued.insert(text)),
            Effect::Deposit(text, writing) => {
                self.seen.insert((text, writing));
                self.net.insert(effect);
            }
            effect => drop(self.net.insert(effect)),
        }
    }

    /// The first number that is not held; everything below is.
    fn next_text(held: &BTreeMap<u8, u8>) -> u8 {
        (1..).find(|text| !held.contains_key(text)).unwrap()
    }

    fn arrive(&mut self, effect: Effect, hasty: Option<usize>) {
        match effect {
            Effect::Deposit(text, writing) => {
                self.hosts[RELAY].memory.held.entry(text).or_insert(writing);
                self.commit(RELAY, vec![Effect::Stored(text)], hasty);
                // A relay may push before its own disk has the cell (DESIGN D3).
                self.let_out(Effect::Push(text, writing));
            }
            Effect::Stored(text) => drop(self.stored.insert(text)),
            Effect::Push(text, writing) => {
                let held = &mut self.hosts[RECIPIENT].memory.held;
                held.entry(text).or_insert(writing);
                let upto = Self::next_text(held) - 1;
                self.commit(RECIPIENT, vec![Effect::Ack(upto)], hasty);
            }
            Effect::Ack(upto) => {
                let sender = &mut self.hosts[SENDER].memory;
                if upto > sender.delivered {
                    sender.delivered = upto;
                    // Delivered texts leave the outbox.
                    sender.held.retain(|text, _| *text > upto);
                    self.commit(SENDER, Vec::new(), hasty);
                }
            }
            Effect::Queued(_) => {}
        }
    }

    fn sync(&mut self, host: usize) {
        let host = &mut self.hosts[host];
        if let Some((memory, effects)) = host.batches.pop_front() {
            host.disk = memory;
            host.ready.extend(effects);
        }
    }

    fn busy(&self, host: usize) -> bool {
        self.hosts[host].batches.len() >= BATCHES_MAX
    }

    /// Goes on without crashes and losses until nothing is left to do.
    fn settled(&self, hasty: Option<usize>) -> Self {
        let mut world = self.clone();
        for _ in 0..40 {
            for host in [SENDER, RELAY, RECIPIENT] {
                while !world.hosts[host].batches.is_empty() {
                    world.sync(host);
                }
                for effect in core::mem::take(&mut world.hosts[host].ready) {
                    world.let_out(effect);
                }
            }
            if let Some(effect) = world.net.pop_first() {
                world.arrive(effect, hasty);
                continue;
            }
            let outbox = world.hosts[SENDER].disk.held.clone();
            if outbox.is_empty() {
                break;
            }
            for (text, writing) in outbox {
                world.let_out(Effect::Deposit(text, writing));
            }
        }
        world
    }
}

impl Model for Crashes {
    type State = World;
    type Action = Happening;

    fn init_states(&self) -> Vec<World> {
        vec![World::default()]
    }

    fn actions(&self, world: &World, all: &mut Vec<Happening>) {
        let sender = &world.hosts[SENDER];
        if sender.memory.delivered as usize + sender.memory.held.len() < usize::from(self.texts)
            && world.written < self.texts + self.crashes
            && !world.busy(SENDER)
        {
            all.push(Happening::Write);
        }
        // What is on disk and not delivered may be sent again at any time, in the same bytes.
        let resend = sender.disk.held.iter().filter(|(text, _)| **text > sender.memory.delivered);
        all.extend(
            resend
                .filter(|_| world.resends < self.resends)
                .filter(|(text, writing)| !world.net.contains(&Effect::Deposit(**text, **writing)))
                .map(|(text, writing)| Happening::Resend(*text, *writing)),
        );
        for (number, host) in world.hosts.iter().enumerate() {
            if !host.batches.is_empty() {
                all.push(Happening::Sync(number));
            }
            if !host.ready.is_empty() {
                all.push(Happening::LetOut(number));
            }
            if world.crashes < self.crashes {
                all.push(Happening::Crash(number));
            }
        }
        for effect in &world.net {
            let to = match effect {
                Effect::Deposit(..) => RELAY,
                Effect::Push(..) => RECIPIENT,
                _ => SENDER,
            };
            if !world.busy(to) {
                all.push(Happening::Arrive(*effect));
            }
            if world.losses < self.losses {
                all.push(Happening::Lose(*effect));
            }
        }
    }

    fn next_state(&self, world: &World, happening: Happening) -> Option<World> {
        let mut next = world.clone();
        match happening {
            Happening::Write => {
                next.written += 1;
                let writing = next.written;
                let sender = &mut next.hosts[SENDER].memory;
                let text = (sender.delivered + 1..).find(|text| !sender.held.contains_key(text)).unwrap();
                sender.held.insert(text, writing);
                next.commit(SENDER, vec![Effect::Queued(text), Effect::Deposit(text, writing)], self.hasty);
            }
            Happening::Resend(text, writing) => {
                next.resends += 1;
                next.let_out(Effect::Deposit(text, writing));
            }
            Happening::Sync(host) => next.sync(host),
            Happening::LetOut(host) => {
                let ready = core::mem::take(&mut next.hosts[host].ready);
                ready.into_iter().for_each(|effect| next.let_out(effect));
            }
            Happening::Crash(host) => {
                next.crashes += 1;
                let host = &mut next.hosts[host];
                host.memory = host.disk.clone();
                host.batches.clear();
                host.ready.clear();
            }
            Happening::Arrive(effect) => {
                next.net.remove(&effect);
                next.arrive(effect, self.hasty);
            }
            Happening::Lose(effect) => {
                next.losses += 1;
                next.net.remove(&effect);
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_WRITING, |_, world: &World| {
                let mut numbers: Vec<_> = world.seen.iter().map(|(text, _)| text).collect();
                numbers.dedup();
                numbers.len() == world.seen.len()
            }),
            Property::always(DELIVERED, |_, world: &World| {
                (1..=world.hosts[SENDER].memory.delivered)
                    .all(|text| world.hosts[RECIPIENT].disk.held.contains_key(&text))
            }),
            Property::always(STORED, |_, world: &World| {
                world.stored.iter().all(|text| world.hosts[RELAY].disk.held.contains_key(text))
            }),
            Property::always(NOTHING_LOST, |model: &Self, world: &World| {
                let end = world.settled(model.hasty);
                let shown = &end.hosts[RECIPIENT].disk.held;
                world.queued.iter().all(|text| shown.contains_key(text))
                    && end.hosts[SENDER].disk.held.is_empty()
            }),
            Property::sometimes(
                "everything is delivered in spite of all crashes",
                |model: &Self, world: &World| {
                    world.crashes == model.crashes && world.hosts[SENDER].disk.delivered == model.texts
                },
            ),
        ]
    }
}

const ONE_WRITING: &str = "under one number only one writing ever leaves: no key seals two texts";
const DELIVERED: &str = "delivered means on the recipient's disk";
const STORED: &str = "stored means on the relay's disk";
const NOTHING_LOST: &str = "what was called queued arrives whatever happened, and the sender learns it";

#[test]
fn a_crash_between_any_two_steps_loses_nothing_and_marks_nothing_early() {
    // Two crashes anywhere; and one together with a lost cell or answer.
    for (crashes, losses) in [(2, 0), (1, 1)] {
        let model = Crashes { texts: 2, crashes, losses, resends: 1, hasty: None };
        let checker = model.checker().spawn_bfs().join();
        println!("{} states", checker.unique_state_count());
        checker.assert_properties();
        assert!(checker.unique_state_count() > 100_000, "{} states", checker.unique_state_count());
    }
}

#[test]
fn the_model_notices_effects_that_do_not_wait_for_the_disk() {
    let found = |host, name| {
        let checker = Crashes { texts: 1, crashes: 1, losses: 1, resends: 1, hasty: Some(host) }
            .checker()
            .spawn_bfs()
            .join();
        checker.discovery(name).is_some()
    };
    assert!(found(SENDER, ONE_WRITING) && found(SENDER, NOTHING_LOST));
    assert!(found(RELAY, STORED));
    assert!(found(RECIPIENT, DELIVERED) && found(RECIPIENT, NOTHING_LOST));
}
