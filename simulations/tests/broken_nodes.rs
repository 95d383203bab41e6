//! Worlds of the real node with one thing broken in each: every oracle is seen to end a run that deserves it.
#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
#![allow(clippy::unwrap_used)]

use karvon_protocol::crypto::aead;
use karvon_simulations::det;
use karvon_simulations::oracle::Violation;
use karvon_simulations::report::Figures;
use karvon_simulations::scenario::{self, Setup};
use karvon_simulations::world::World;
use std::process::Command;

/// Runs a small world of the real node; `break_it` may spoil something before it begins.
fn real_world(break_it: fn(&World)) -> Result<(), Violation> {
    det::run(7, move || async move {
        let scenario = scenario::find("baseline").unwrap();
        let mut values = scenario.defaults();
        for text in ["messages=2", "every=5", "relays=3"] {
            values.set(scenario.params(), text).unwrap();
        }
        let world = World::new(7, 6);
        break_it(&world);
        let figures = Figures::new(Box::new(std::io::sink()), true);
        figures.enter();
        let script = scenario.script(world.clone(), Setup { nodes: 6, values }, figures);
        world.watch(script).await
    })
    .unwrap()
}

#[test]
fn a_sound_node_passes() {
    assert_eq!(real_world(|_| {}), Ok(()));
}

#[test]
fn words_that_a_real_node_really_sends_in_the_open_are_found_on_the_wire() {
    let violation = real_world(|world| {
        // Stock libp2p says this at the start of every connection; that is why it can be blocked.
        assert!(world.secrets.add("libp2p's greeting", b"/multistream/1.0.0"));
    });
    let violation = violation.unwrap_err();
    assert_eq!(violation.oracle, "wire");
    assert!(violation.what.starts_with("libp2p's greeting lies open on the wire"), "{violation}");
}

#[test]
fn a_node_that_seals_two_texts_under_one_key_and_nonce_is_found_by_its_own_sealing() {
    let violation = real_world(|world| {
        for text in [b"first", b"other"] {
            let _ = aead::seal(&[1; 32], &[2; 12], b"", text);
        }
        assert_eq!(world.sealings(), 2);
    });
    assert_eq!(violation.unwrap_err().oracle, "key reuse");
}

#[test]
fn disks_that_confirm_what_they_lose_are_found_as_lost_messages() {
    let words = "run crash --nodes 8 --seed 1 --quiet --set relays=3 --set messages=60 --set every=2 --set faults=0 \
                 --set kills=1000 --set torn=1 --set heal=5";
    let out = Command::new(env!("CARGO_BIN_EXE_karvon-sim")).args(words.split_whitespace()).output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("violated: nothing lost") && said.contains("replay: karvon-sim run crash"),
        "{said}"
    );
}

#[test]
fn relays_that_forget_every_cell_are_found_when_a_reader_sleeps() {
    let words = "run offline --nodes 8 --seed 2 --quiet --set relays=3 --set messages=10 --set every=30 --set awake=1 \
                 --set liars=3 --set heal=20";
    let out = Command::new(env!("CARGO_BIN_EXE_karvon-sim")).args(words.split_whitespace()).output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.starts_with("violated: nothing lost"), "{said}");
}
