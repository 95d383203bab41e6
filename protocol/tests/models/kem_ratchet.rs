//! Two sides, cells that are lost and overtake each other, and the epochs of the post-quantum ratchet (SPEC §6b).

use stateright::{Checker as _, Model, Property};
use std::collections::{BTreeSet, VecDeque};

/// Where an epoch is on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Idle,
    Offering,
    Asked,
    Answering,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Side {
    done: u8,
    mixed: u8,
    /// Epochs whose secrets are held, newest last, at most three.
    known: VecDeque<u8>,
    step: Step,
    /// Number of the sending chain and the epoch it took in; none between a turn and the next cell.
    send: Option<(u8, u8)>,
    sent_chains: u8,
    received_chain: u8,
    /// What went into the root key, in order: both sides must agree.
    root: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Piece {
    None,
    Key(u8),
    Ciphertext(u8),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Message {
    to: usize,
    chain: u8,
    mix: u8,
    ack: u8,
    piece: Piece,
    /// The root as it was when the chain began.
    root: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Talk {
    sides: [Side; 2],
    net: BTreeSet<Message>,
    sent: u8,
    broken: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    /// A side seals a cell, with room for a piece or without.
    Send(usize, bool),
    Deliver(Message),
    Lose(Message),
}

struct Ratchet {
    sends: u8,
    /// The broken rule: whoever answers takes its secret in before it hears that the answer came.
    hasty: bool,
}

impl Side {
    fn new(first: bool) -> Self {
        Self {
            done: 0,
            mixed: 0,
            known: VecDeque::new(),
            step: Step::Idle,
            send: first.then_some((1, 0)),
            sent_chains: u8::from(first),
            received_chain: u8::from(!first),
            root: vec![0],
        }
    }

    fn learn(&mut self, epoch: u8) {
        self.known.push_back(epoch);
        if self.known.len() > 3 {
            self.known.pop_front();
        }
    }

    /// Takes the secret of an epoch into the root key and forgets older ones, but for the newest.
    fn take(&mut self, epoch: u8) {
        self.mixed = epoch;
        while self.known.len() > 1 && self.known.front().is_some_and(|known| *known <= epoch) {
            self.known.pop_front();
        }
    }
}

impl Ratchet {
    fn seal(&self, talk: &mut Talk, from: usize, room: bool) {
        let side = &mut talk.sides[from];
        if side.send.is_none() {
            let newest = if self.hasty { side.known.back().copied().unwrap_or(0) } else { side.done };
            let mix = if newest > side.mixed && side.known.contains(&newest) { newest } else { 0 };
            if mix != 0 {
                side.take(mix);
            }
            side.root.push(mix);
            side.sent_chains += 1;
            side.send = Some((side.sent_chains, mix));
        }
        let epoch = side.done + 1;
        let owner = (epoch % 2 == 1) == (from == 0);
        match side.step {
            Step::Idle if owner && room => side.step = Step::Offering,
            Step::Asked if room => {
                side.learn(epoch);
                side.step = Step::Answering;
            }
            _ => {}
        }
        let piece = match side.step {
            Step::Offering if room => Piece::Key(epoch),
            Step::Answering if room => Piece::Ciphertext(epoch),
            _ => Piece::None,
        };
        let (chain, mix) = side.send.unwrap();
        let message = Message { to: 1 - from, chain, mix, ack: side.done, piece, root: side.root.clone() };
        talk.net.insert(message);
        talk.sent += 1;
    }

    fn open(talk: &mut Talk, message: &Message) {
        let side = &mut talk.sides[message.to];
        if message.chain > side.received_chain {
            if message.mix != 0 && (message.mix <= side.mixed || !side.known.contains(&message.mix)) {
                talk.broken = Some("the reader refuses an honest chain");
                return;
            }
            if message.mix != 0 {
                side.take(message.mix);
            }
            side.root.push(message.mix);
            side.received_chain = message.chain;
            side.send = None;
            if side.root != message.root {
                talk.broken = Some("the roots differ");
                return;
            }
        }
        let epoch = side.done + 1;
        let owner = (epoch % 2 == 1) == (message.to == 0);
        if message.ack == epoch && side.step == Step::Answering {
            side.done = epoch;
            side.step = Step::Idle;
            return;
        }
        match (side.step, message.piece) {
            (Step::Idle, Piece::Key(of)) if of == epoch && !owner => side.step = Step::Asked,
            (Step::Offering, Piece::Ciphertext(of)) if of == epoch => {
                side.learn(epoch);
                side.done = epoch;
                side.step = Step::Idle;
            }
            _ => {}
        }
    }
}

impl Model for Ratchet {
    type State = Talk;
    type Action = Event;

    fn init_states(&self) -> Vec<Talk> {
        let sides = [Side::new(true), Side::new(false)];
        vec![Talk { sides, net: BTreeSet::new(), sent: 0, broken: None }]
    }

    fn actions(&self, talk: &Talk, events: &mut Vec<Event>) {
        if talk.broken.is_some() {
            return;
        }
        if talk.sent < self.sends && talk.net.len() < 2 {
            events.extend([Event::Send(0, true), Event::Send(1, true)]);
            // A full cell has no room for a piece: it turns the ratchet without moving the epoch.
            events.extend([Event::Send(0, false), Event::Send(1, false)]);
        }
        for message in &talk.net {
            events.push(Event::Deliver(message.clone()));
            events.push(Event::Lose(message.clone()));
        }
    }

    fn next_state(&self, talk: &Talk, event: Event) -> Option<Talk> {
        let mut next = talk.clone();
        match event {
            Event::Send(from, room) => self.seal(&mut next, from, room),
            Event::Deliver(message) => {
                next.net.remove(&message);
                Self::open(&mut next, &message);
            }
            Event::Lose(message) => drop(next.net.remove(&message)),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(BOTH_HOLD, |_, talk: &Talk| talk.broken.is_none()),
            Property::always("nobody is two epochs ahead", |_, talk: &Talk| {
                talk.sides[0].done.abs_diff(talk.sides[1].done) <= 1
            }),
            Property::sometimes("two epochs enter the root on both sides", |_, talk: &Talk| {
                talk.sides.iter().all(|side| side.mixed >= 2)
            }),
        ]
    }
}

const BOTH_HOLD: &str = "both sides hold what a chain took in, and the same root";

#[test]
fn no_order_of_cells_and_losses_parts_the_two_sides_of_the_post_quantum_ratchet() {
    let checker = Ratchet { sends: 12, hasty: false }.checker().spawn_bfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
    assert!(checker.unique_state_count() > 10_000, "{} states", checker.unique_state_count());
}

#[test]
fn the_model_notices_a_secret_that_is_taken_in_too_early() {
    let checker = Ratchet { sends: 7, hasty: true }.checker().spawn_bfs().join();
    assert!(checker.discovery(BOTH_HOLD).is_some());
}
