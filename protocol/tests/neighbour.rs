//! What a relay that records all gossip learns of a group: shard, relay, size and time, and nothing that repeats.
#![allow(clippy::unwrap_used)]

mod world;

use std::collections::{BTreeMap, BTreeSet};
use world::friends::Friends;

/// Bytes of a unit that say which shard, and which relay took the cell in.
const EXEMPT: usize = 1 + 2 + 16;
/// Bytes before the cell: after those the day and the relay's signature.
const HEAD: usize = EXEMPT + 4 + 64;
/// An identifier of fewer bytes would name many things at once.
const NAME: usize = 8;

/// Sequences of bytes that stand in more than one of these recordings, wherever they stand.
fn repeated<'a>(recordings: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let mut seen: BTreeMap<&[u8], usize> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for (number, recording) in recordings.enumerate() {
        for window in recording.windows(NAME) {
            if *seen.entry(window).or_insert(number) != number {
                found.insert(window.to_vec());
            }
        }
    }
    found.into_iter().collect()
}

#[test]
fn a_neighbour_that_records_everything_finds_nothing_that_repeats_across_a_groups_messages() {
    let mut friends = Friends::new(81, 10, false);
    let ali = friends.create(0, "Large");
    let mut numbers = vec![ali];
    for who in 1..10 {
        numbers.push(friends.bring(0, ali, who));
    }
    for round in 0..6 {
        for (who, number) in numbers.iter().enumerate() {
            friends.send(who, *number, &format!("{round} from {who}"));
            friends.world.run_ms(700);
        }
    }
    friends.world.run_ms(60_000);
    assert_eq!(friends.read(9, numbers[9]).len(), 60);
    // The same cell may have been brought to two relays; it is one message.
    let units: BTreeMap<_, _> =
        friends.world.gossiped.iter().map(|bytes| (bytes[HEAD..].to_vec(), bytes)).collect();
    assert!(units.len() >= 60, "{}", units.len());
    let repeats = repeated(units.values().map(|bytes| &bytes[EXEMPT..]));
    assert!(repeats.is_empty(), "{repeats:02x?}");
    let shards: BTreeSet<_> = units.values().map(|bytes| &bytes[1..3]).collect();
    assert_eq!(shards.len(), 1);
    // The search can find: whoever let the group's id through would be seen.
    let leaky =
        units.values().map(|bytes| [&bytes[EXEMPT..], b"group id".as_slice()].concat()).collect::<Vec<_>>();
    assert!(repeated(leaky.iter().map(Vec::as_slice)).contains(&b"group id".to_vec()));
}
