//! The sparse post-quantum ratchet: pieces in the padding, epochs in the root key, and nothing lost whatever happens to cells.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{copy, pair, rng};
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::session::{Session, capacity};
use karvon_protocol::tags::nth_of_class;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;

/// Two sessions and the cells between them.
struct Talk {
    sides: [Session; 2],
    /// Cells under way to each side.
    under_way: [Vec<Sent>; 2],
    next: [[u64; 3]; 2],
    rng: ChaCha20Rng,
    said: u32,
    /// How often the speaker changed, and who spoke last.
    turns: (u32, usize),
}

#[derive(Clone)]
struct Sent {
    cell: Cell,
    said: Vec<u8>,
    turns: u32,
    heard: bool,
}

impl Talk {
    fn new(seed: u64) -> Self {
        let (a, b) = pair(seed);
        Self {
            sides: [a, b],
            under_way: [Vec::new(), Vec::new()],
            next: [[0; 3]; 2],
            rng: rng(seed + 1),
            said: 0,
            turns: (0, 0),
        }
    }

    fn say(&mut self, from: usize, class: Class, length: usize) {
        let nth = &mut self.next[from][class as usize];
        let index = nth_of_class(class, *nth);
        *nth += 1;
        self.said += 1;
        let mut payload = self.said.to_be_bytes().to_vec();
        payload.resize(length.clamp(4, capacity(class)), 7);
        let cell = self.sides[from].seal(class, index, &payload, &mut self.rng).unwrap();
        if self.turns.1 != from {
            self.turns = (self.turns.0 + 1, from);
        }
        let sent = Sent { cell, said: payload, turns: self.turns.0, heard: false };
        self.under_way[1 - from].push(sent);
    }

    /// Opens one of the cells under way; `keep` leaves a copy that comes again.
    fn hear(&mut self, to: usize, at: usize, keep: bool) {
        if self.under_way[to].is_empty() {
            return;
        }
        let at = at % self.under_way[to].len();
        let sent = self.under_way[to][at].clone();
        let before = self.sides[to].encode();
        match self.sides[to].open(&sent.cell) {
            Ok(heard) => {
                assert!(!sent.heard, "heard twice");
                assert_eq!(*heard, sent.said);
                self.under_way[to][at].heard = true;
            }
            Err(error) => {
                // A copy of what was heard already, or a cell so old that its chain was given up. It changes nothing.
                let old = self.turns.0 - sent.turns >= 8;
                assert!(sent.heard || old, "{error:?} after {} turns", self.turns.0 - sent.turns);
                assert_eq!(*self.sides[to].encode(), *before);
            }
        }
        if !keep {
            self.under_way[to].remove(at);
        }
    }

    fn exchange(&mut self, class: Class, length: usize) {
        for from in [0, 1] {
            self.say(from, class, length);
            self.hear(1 - from, 0, false);
        }
    }

    fn epochs(&self) -> [u32; 2] {
        [self.sides[0].pq_epoch(), self.sides[1].pq_epoch()]
    }
}

#[test]
fn each_round_trip_and_a_half_brings_a_new_epoch_into_the_root_key() {
    for (class, length) in
        [(Class::M, 10), (Class::L, capacity(Class::L)), (Class::M, capacity(Class::M)), (Class::S, 700)]
    {
        let mut talk = Talk::new(5);
        let mut epochs = Vec::new();
        for _ in 0..20 {
            talk.exchange(class, length);
            epochs.push(talk.epochs());
        }
        let [a, b] = talk.epochs();
        assert!(a >= 5 && a.abs_diff(b) <= 1, "{class:?} {length}: {epochs:?}");
    }
}

#[test]
fn a_short_text_has_room_for_a_piece_and_a_long_one_in_a_small_cell_waits() {
    let mut talk = Talk::new(6);
    for _ in 0..20 {
        talk.exchange(Class::S, capacity(Class::S));
    }
    assert_eq!(talk.epochs(), [0, 0], "no room, no piece");
    for _ in 0..4 {
        talk.exchange(Class::S, 700);
    }
    assert!(talk.epochs()[0] > 0);
}

#[test]
fn a_session_can_be_stored_at_every_step_and_stays_small() {
    let mut talk = Talk::new(7);
    for _ in 0..30 {
        for from in [0, 1] {
            talk.say(from, Class::S, 100);
            talk.sides = [copy(&talk.sides[0]), copy(&talk.sides[1])];
            talk.hear(1 - from, 0, false);
            talk.sides = [copy(&talk.sides[0]), copy(&talk.sides[1])];
            assert!(talk.sides[from].encode().len() <= 4_096);
        }
    }
    assert!(talk.epochs()[0] > 5);
}

#[test]
fn one_way_talk_never_waits_for_a_piece() {
    let mut talk = Talk::new(8);
    for _ in 0..200 {
        talk.say(0, Class::S, 50);
        talk.hear(1, 0, false);
    }
    assert_eq!(talk.epochs(), [0, 0]);
    talk.exchange(Class::S, 50);
    talk.exchange(Class::S, 50);
    talk.exchange(Class::S, 50);
    assert!(talk.epochs()[1] > 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    /// Cells are dropped, doubled, and come in any order; sessions are stored and loaded in between. Whatever opens is what was said,
    /// nothing opens twice, and no message lacks a secret that its sender mixed in.
    #[test]
    fn any_order_loss_and_copies_of_cells_leave_both_sides_in_step(
        seed in 0_u64..1_000,
        loss in prop::sample::select(vec![0_u32, 30, 70]),
        acts in prop::collection::vec((0_u8..8, any::<u16>(), any::<bool>()), 80..250),
    ) {
        let mut talk = Talk::new(seed);
        for (act, at, bit) in acts {
            let side = usize::from(bit);
            match act {
                0..=2 => {
                    let class = if at % 3 == 0 { Class::M } else { Class::S };
                    talk.say(side, class, usize::from(at % 900));
                    if u32::from(at % 100) < loss {
                        talk.under_way[1 - side].pop();
                    }
                }
                3..=5 => talk.hear(side, usize::from(at), false),
                6 => talk.hear(side, usize::from(at), true),
                _ => talk.sides[side] = copy(&talk.sides[side]),
            }
        }
        // After the storm everything that is still under way opens or was heard before, and talk goes on.
        for side in [0, 1] {
            while !talk.under_way[side].is_empty() {
                talk.hear(side, 0, false);
            }
        }
        let before = talk.epochs();
        for _ in 0..10 {
            talk.exchange(Class::S, 60);
        }
        prop_assert!(talk.epochs()[0] > before[0] && talk.epochs()[1] > before[1]);
    }
}
