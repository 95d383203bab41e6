//! Cells come in any order, twice, late or by another path: each message is there once, and shown in its author's order.

mod world;

use karvon_protocol::body::{Body, Payload};
use karvon_protocol::cell::Cell;
use karvon_protocol::core::{Range, Space};
use proptest::prelude::*;
use world::taken_over::TakenOver;
use world::{Host, World};

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_order_cells_come_in_messages_are_shown_once_and_in_theirs(
        sizes in prop::collection::vec(1_usize..6, 4..24),
        order in prop::collection::vec(any::<prop::sample::Index>(), 40),
        batch in 1_usize..9,
    ) {
        let mut world = World::with(71, 2, &[("Ali", &[0, 1]), ("Bob", &[1, 0])]);
        let (bob, ali) = world.meet(0, 1);
        let mut author = TakenOver::new(&mut world, 0, bob);
        // Each cell carries some messages; some messages travel in a second cell as well.
        let mut texts = Vec::new();
        let mut cells: Vec<Cell> = Vec::new();
        for size in sizes {
            let first_seq = author.said;
            let numbered: Vec<_> = (0..size).map(|n| Body::text(1, &format!("text {}", first_seq + n as u64))).collect();
            texts.extend((0..size).map(|n| format!("text {}", first_seq + n as u64)));
            author.said += size as u64;
            let payload = Payload { first_seq, numbered, ..Payload::default() };
            cells.push(author.cell(&payload));
            if size == 5 {
                cells.push(author.cell(&payload));
            }
        }
        // A shuffle with repetitions, then everything that is still missing.
        let mut arriving: Vec<Cell> = order.iter().map(|at| cells[at.index(cells.len())].clone()).collect();
        arriving.extend(cells.iter().rev().cloned());
        for part in arriving.chunks(batch * 4) {
            author.deposit(&mut world, part.to_vec());
            // Positions are checked whenever rows are read.
            let so_far = world.received(1, ali);
            prop_assert!(so_far.iter().all(|text| texts.contains(text)));
        }
        prop_assert_eq!(world.received(1, ali), texts);
    }
}

/// A device that is killed between the deposit of an acknowledgement and the relay's answer deposits it again; the recipient has taken it, so
/// relays refuse its tag for ever. Eight of these once took all places of cells under way.
#[test]
fn an_acknowledgement_that_was_taken_before_its_sender_was_killed_is_done() {
    let mut world = World::with(72, 3, &[("Ali", &[0, 1]), ("Bob", &[1, 2])]);
    let (bob, ali) = world.meet(0, 1);
    world.run_ms(60_000);
    let waiting = |world: &World| world.people[1].node.disk.load(&Range::Space(Space::OutCell)).len();
    let mut taken = 0;
    for round in 0..16 {
        let _ = world.send(0, bob, &format!("text {round}"));
        assert!(world.run_until(5_000, |world| waiting(world) > 0), "Bob acknowledges");
        world.run_ms(1 + round % 3);
        world.crash(Host::Person(1));
        world.run_ms(2_000);
        taken += usize::from(waiting(&world) > 0 && world.delivered_below(0, bob) == round + 2);
        world.start(Host::Person(1));
        world.run_ms(5_000);
        assert_eq!(waiting(&world), 0, "round {round}");
    }
    assert!(taken >= 8, "only {taken} acknowledgements were taken before the answer came");
    assert_eq!(world.received(1, ali).len(), 16);
}
