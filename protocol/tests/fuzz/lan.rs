//! What a device on a local network takes from anybody, and from a contact.

use crate::targets::{Target, same};
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::core::Mono;
use karvon_protocol::engine::api::ContactId;
use karvon_protocol::ids::{CellHash, Tag};
use karvon_protocol::lan::LanKeys;
use karvon_protocol::lan::finder::Finder;
use karvon_protocol::lan::message::{Assembler, HAD_MAX, Message, NAMES_MAX, PLAIN_BYTES};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

/// The same device each time: one of a pair, and its randomness.
fn device(initiator: bool) -> (Finder, ChaCha8Rng) {
    let mut rng = ChaCha8Rng::seed_from_u64(u64::from(initiator));
    let contacts = [(3, 9), (4, 8)].map(|(n, pair)| (ContactId(n), LanKeys::new(&[pair; 32], initiator)));
    (Finder::new(4_000, contacts.to_vec(), &mut rng, Mono(0)), rng)
}

/// What the other one answers to the presence of this device, and says first when it calls.
fn answer_and_hello() -> (Vec<u8>, Vec<u8>) {
    let ((mut mine, mut rng), (mut other, mut dice)) = (device(true), device(false));
    let presence = mine.presence(&mut rng, Mono(0));
    let answer = other.hear(&presence, &mut dice, Mono(0)).unwrap().answer.unwrap();
    let (mut mine, mut rng) = device(true);
    let heard = mine.hear(&answer, &mut rng, Mono(0)).unwrap();
    let found = other.hear(&heard.answer.unwrap(), &mut dice, Mono(0)).unwrap().found;
    (answer, other.dial(&found[0], &mut dice).unwrap().1)
}

fn messages(input: &[u8]) -> Option<Vec<Message>> {
    let (mut assembler, mut out) = (Assembler::default(), Vec::new());
    let mut whole = true;
    for unit in input.chunks(PLAIN_BYTES) {
        let message = assembler.push(unit).ok()?;
        whole = message.is_some();
        out.extend(message);
    }
    whole.then_some(out)
}

pub static TARGETS: &[Target] = &[
    Target {
        name: "lan-datagram",
        quick: 10_000,
        corpus: |_| vec![answer_and_hello().0],
        run: |input| {
            let (mut mine, mut rng) = device(true);
            mine.hear(input, &mut rng, Mono(0)).is_ok_and(|heard| {
                assert!(
                    heard.found.len() <= 2 && heard.answer.is_none_or(|answer| answer.len() == input.len())
                );
                !heard.found.is_empty()
            })
        },
    },
    Target {
        name: "lan-hello",
        quick: 5_000,
        corpus: |_| vec![answer_and_hello().1],
        run: |input| {
            let (mine, mut rng) = device(true);
            mine.take(input, &mut rng).is_ok()
        },
    },
    Target {
        name: "lan-message",
        quick: 10_000,
        corpus: |_| {
            let cell = |class: Class| {
                let outer = Cell::outer(class, &Tag([3; 16]), 0);
                let bytes = [&outer[..], &vec![7; class.bytes() - outer.len()]].concat();
                Message::Cell { number: 5, cell: Cell::parse(bytes).unwrap() }.encode()
            };
            let had = |count: u64| Message::Had { room: 64, numbers: (0..count).collect() }.encode();
            let names = |count: u8| (0..count).map(|n| CellHash([n; 16])).collect::<Vec<_>>();
            let carried = |class: Class| {
                let bytes =
                    [&Cell::outer(class, &Tag([4; 16]), 0)[..], &vec![8; class.bytes() - 18]].concat();
                Message::Carried { until_day: 20_000, cell: Cell::parse(bytes).unwrap() }.encode()
            };
            let all = [
                had(0),
                had(3),
                had(HAD_MAX as u64),
                cell(Class::S),
                cell(Class::M),
                Message::Offer(names(NAMES_MAX as u8)).encode(),
                Message::Want(names(2)).encode(),
                Message::Kept(names(0)).encode(),
                carried(Class::S),
                carried(Class::L),
            ];
            all.iter().cloned().chain([all.concat()]).collect()
        },
        run: |input| {
            messages(input)
                .is_some_and(|read| same(read.iter().flat_map(Message::encode).collect::<Vec<_>>(), input))
        },
    },
];
