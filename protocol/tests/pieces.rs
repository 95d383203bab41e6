//! Large cells, asked for piece by piece from all mailboxes that hold them: by all narrow paths at once, each byte once, and whole although
//! paths break and relays lie (DESIGN D3).

mod world;

use karvon_protocol::body::{Body, Content};
use karvon_protocol::core::Space;
use karvon_protocol::engine::api::{Command, ContactId};
use world::{Host, World};

const FILE_BYTES: usize = 45_000;
/// Each file is one cell of class L, in frames of 2,144 bytes.
const L_FRAMES: usize = 30 * 2_144;

fn data(number: u8) -> Vec<u8> {
    (0..FILE_BYTES).map(|at| (at as u8).wrapping_mul(31) ^ number).collect()
}

/// Ali and Bob with three doors each, and the contact that each is to the other.
fn friends(narrow: bool, seed: u64) -> (World, ContactId, ContactId) {
    let people: [(&str, &[usize]); 2] = [("Ali", &[0, 1, 2]), ("Bob", &[0, 1, 2])];
    let mut world = if narrow { World::narrow(seed, 3, &people) } else { World::with(seed, 3, &people) };
    let (bob, ali) = world.meet(0, 1);
    world.run_ms(120_000);
    world.tally.clear();
    (world, bob, ali)
}

/// Bob sends Ali so many files.
fn send(world: &mut World, ali: ContactId, count: u8) {
    for number in 0..count {
        let (name, media) = (format!("{number}.bin"), "application/octet-stream".to_owned());
        let data = data(number).into();
        let _ = world.queue(1, Command::SendFile { contact: ali, name, media, data, forwarded: false });
    }
}

/// Files that Ali has, in order.
fn files(world: &World, bob: ContactId) -> Vec<(String, Vec<u8>)> {
    let rows = world.rows(0, bob, Space::Received);
    let content = |row: &[u8]| Body::decode(row).expect("a stored message").content;
    rows.iter()
        .filter_map(|(_, row)| match content(&row.body) {
            Content::File { name, data, .. } => Some((name, data)),
            _ => None,
        })
        .collect()
}

fn wanted(count: u8) -> Vec<(String, Vec<u8>)> {
    (0..count).map(|number| (format!("{number}.bin"), data(number))).collect()
}

/// Bytes that came to Ali by each door.
fn by_door(world: &World) -> [usize; 3] {
    [0, 1, 2].map(|door| world.tally.by_door.get(&(0, door)).copied().unwrap_or_default())
}

#[test]
fn large_cells_come_by_all_narrow_doors_and_each_byte_once() {
    let (mut world, bob, ali) = friends(true, 1);
    send(&mut world, ali, 6);
    assert!(world.run_until(60_000, |world| files(world, bob).len() == 6));
    assert_eq!(files(&world, bob), wanted(6));
    let came = by_door(&world);
    let all: usize = came.iter().sum();
    assert!(all < 6 * L_FRAMES + 20_000, "{came:?}");
    assert!(came.iter().all(|bytes| *bytes > all / 4 && *bytes < all / 2), "{came:?}");
    // Nothing follows later either: notices of what has come are no reason to fetch.
    world.tally.clear();
    world.run_ms(60_000);
    assert!(by_door(&world).iter().sum::<usize>() < 4_000, "{:?}", by_door(&world));
}

#[test]
fn what_lay_there_while_its_owner_was_away_comes_the_same_way() {
    for narrow in [true, false] {
        let (mut world, bob, ali) = friends(narrow, 2);
        world.crash(Host::Person(0));
        send(&mut world, ali, 6);
        world.run_ms(60_000);
        world.tally.clear();
        world.start(Host::Person(0));
        assert!(world.run_until(60_000, |world| files(world, bob).len() == 6));
        assert_eq!(files(&world, bob), wanted(6));
        let all: usize = by_door(&world).iter().sum();
        assert!(all < 6 * L_FRAMES + 40_000, "{narrow} {:?}", by_door(&world));
        world.run_ms(60_000);
        let left: usize = world
            .relays
            .iter()
            .map(|relay| {
                relay.node.disk.cells.values().filter(|(_, cell)| cell.bytes().len() > 2_048).count()
            })
            .sum();
        assert_eq!(left, 0, "removed everywhere");
    }
}

#[test]
fn a_path_that_breaks_costs_only_what_was_on_it() {
    for seed in 0..8 {
        let (mut world, bob, ali) = friends(seed % 2 == 0, 10 + seed);
        world.latency_us = 50_000;
        send(&mut world, ali, 4);
        let mut cuts = 0;
        let came = world.run_until(600_000, |world| {
            if cuts < 6 && world.tally.by_door.values().sum::<usize>() > (cuts + 1) * 40_000 {
                let links = world.links_of(Host::Person(0));
                if let Some(link) = links.get(cuts % links.len().max(1)) {
                    world.lose(*link);
                }
                cuts += 1;
            }
            files(world, bob).len() == 4
        });
        assert!(came && cuts >= 4, "seed {seed}: {} files, {cuts} cuts", files(&world, bob).len());
        assert_eq!(files(&world, bob), wanted(4), "seed {seed}");
    }
}

#[test]
fn a_relay_that_bends_pieces_is_found_out_and_the_cell_comes_from_the_others() {
    for narrow in [true, false] {
        let mut faults = 0;
        for bent in 0..3 {
            let (mut world, bob, ali) = friends(narrow, 3);
            world.crash(Host::Person(0));
            send(&mut world, ali, 3);
            world.run_ms(60_000);
            world.bend_cells(bent);
            world.start(Host::Person(0));
            assert!(world.run_until(60_000, |world| files(world, bob).len() == 3), "narrow {narrow}");
            assert_eq!(files(&world, bob), wanted(3));
            faults += world.faults(0);
        }
        assert!(faults > 0, "bent pieces were seen");
    }
}

#[test]
fn a_relay_that_lost_a_cell_after_it_announced_it_does_not_hold_it_up() {
    let (mut world, bob, ali) = friends(true, 4);
    world.latency_us = 200_000;
    send(&mut world, ali, 3);
    // Ali's requests are on their way when the relay forgets.
    world.run_until(60_000, |world| by_door(world).iter().sum::<usize>() > 20_000);
    world.relays[0].node.disk.cells.clear();
    assert!(world.run_until(120_000, |world| files(world, bob).len() == 3));
    assert_eq!(files(&world, bob), wanted(3));
}

#[test]
fn a_relay_whose_large_cell_is_still_on_its_way_lost_nothing() {
    for narrow in [true, false] {
        let (mut world, bob, ali) = friends(narrow, 5);
        world.latency_us = 300_000;
        world.crash(Host::Person(0));
        send(&mut world, ali, 3);
        world.run_ms(60_000);
        // Small cells say where the large ones are stored, and arrive before them.
        for number in 0..3 {
            let text = format!("text {number}");
            let _ = world.queue(1, Command::Send { contact: ali, text });
            world.run_ms(20_000);
        }
        world.start(Host::Person(0));
        assert!(world.run_until(600_000, |world| files(world, bob).len() == 3));
        world.run_ms(600_000);
        let losses: Vec<u8> = world.people[0]
            .node
            .disk
            .kv
            .iter()
            .filter(|(key, _)| key.space == Space::Mailbox && key.seq > 0)
            .map(|(_, row)| row[69])
            .collect();
        assert_eq!(losses, [0, 0, 0], "narrow {narrow}");
    }
}

#[test]
fn a_text_comes_soon_though_the_door_by_which_it_would_be_pushed_fell_silent() {
    for door in 0..3 {
        let (mut world, bob, ali) = friends(true, 5);
        world.tally.muffled = Some(door);
        let _ = world.queue(1, Command::Send { contact: ali, text: "is anybody there?".into() });
        let came = world.run_until(6_000, |world| world.received(0, bob) == ["is anybody there?"]);
        assert!(came, "door {door}: {}", world.tally.lines(0));
    }
}
