//! Input that is wrong, old, foreign or hostile gets an answer of its own, and changes nothing for anybody else.
#![cfg(unix)]

use data_encoding::BASE32_NOPAD;
use karvon_tests::api::{Api, VERSION};
use karvon_tests::dice::Dice;
use karvon_tests::process::Outcome;
use karvon_tests::until::{DEADLINE, until};
use karvon_tests::world::World;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

const PREFIX: &str = "KARVON:";

/// An invitation with its first byte changed by `change`, under a right checksum.
fn forged(invitation: &str, change: impl Fn(u8) -> u8) -> String {
    let mut bytes = BASE32_NOPAD
        .decode(invitation.trim_start_matches(PREFIX).as_bytes())
        .expect("base32 without padding");
    bytes[0] = change(bytes[0]);
    let body = bytes.len() - 2;
    let checksum = blake3::hash(&bytes[..body]);
    bytes[body..].copy_from_slice(&checksum.as_bytes()[..2]);
    format!("{PREFIX}{}", BASE32_NOPAD.encode(&bytes))
}

/// `invitation` with the letter at `place` misread.
fn misread(invitation: &str, place: usize) -> String {
    let other = |letter: char| if letter == 'A' { 'B' } else { 'A' };
    invitation
        .chars()
        .enumerate()
        .map(|(at, letter)| if at == place { other(letter) } else { letter })
        .collect()
}

/// Refused with this error code and exit code, and nothing on standard output.
fn refused(outcome: &Outcome, code: &str, exit: i32) {
    assert_eq!((outcome.error_code().as_str(), outcome.code), (code, Some(exit)), "{outcome:#?}");
    assert!(outcome.stdout.is_empty(), "an error belongs on standard error: {outcome:#?}");
}

#[test]
fn each_kind_of_bad_invitation_is_told_apart() {
    let world = World::new(2);
    let (ali, bob) = (world.person("Ali", &[0, 1]), world.person("Bob", &[1, 0]));
    ali.up();
    bob.up();
    ali.online();
    let good = ali.invite();
    assert!(good.starts_with(PREFIX));

    for place in [PREFIX.len() + 1, PREFIX.len() + 40, good.len() - 2] {
        refused(&bob.add(&misread(&good, place), "Ali"), "invite_damaged", 1);
    }
    refused(&bob.add(&good[..good.len() - 10], "Ali"), "invite_damaged", 1);
    refused(&bob.add("KARVON:not an invitation at all", "Ali"), "invite_damaged", 1);
    refused(&bob.add(&forged(&good, |first| first | 0xf0), "Ali"), "invite_newer", 1);
    refused(&ali.add(&good, "Me"), "invite_own", 1);

    let contacts = bob.api().call("contacts", &Value::Null).unwrap();
    assert_eq!(contacts["contacts"], json!([]), "nothing of this left a contact behind");
    // What people do to a line on its way is forgiven.
    let relaxed = format!("  {}\n", good.trim_start_matches(PREFIX).to_lowercase());
    let _ = bob.add(&relaxed, "Ali").ok();
    until("Bob is connected", || (bob.meeting("Ali")? == json!("connected")).then_some(()));
}

#[test]
fn the_second_user_of_an_invitation_is_told_and_the_first_keeps_the_contact() {
    let world = World::new(3);
    let people = [world.person("Ali", &[0, 1]), world.person("Bob", &[2, 1]), world.person("Eve", &[2, 0])];
    let [ali, bob, eve] = &people;
    for person in &people {
        person.up();
    }
    let invitation = ali.invite();
    let _ = bob.add(&invitation, "Ali").ok();
    until("Bob is connected", || (bob.meeting("Ali")? == json!("connected")).then_some(()));
    // Adding succeeds at once, whatever the network says later; the state then tells.
    let _ = eve.add(&invitation, "Ali").ok();
    until("Eve is told that it was used", || {
        (eve.meeting("Ali")? == json!({ "failed": "invite_used" })).then_some(())
    });
    ali.send_wait("Bob", "only for you", "delivered");
    assert_eq!(ali.api().contact("Eve").unwrap(), None);

    // The first user adding it once more gets the contact they have.
    let _ = bob.add(&invitation, "Ali");
    let contacts = bob.api().call("contacts", &Value::Null).unwrap();
    assert_eq!(contacts["contacts"].as_array().map(Vec::len), Some(1));
}

#[test]
fn commands_that_can_not_be_carried_out_say_which_kind_of_fault_it_is() {
    let (_world, ali, _bob) = World::of_two_friends();
    let json = |args: &[&str], stdin: &str| ali.cli(&[args, &["--json"]].concat(), stdin);
    refused(&json(&["send", "Nobody", "-"], "hello"), "no_such_contact", 5);
    refused(&json(&["send", "Bob", "-"], ""), "empty", 9);
    refused(&json(&["send", "Bob", "-"], &"x".repeat(8_001)), "too_long", 9);
    refused(&json(&["info", "00112233445566778899aabbccddeeff"], ""), "no_such_message", 5);
    refused(&json(&["door", "add", "KARVON-DOOR:AAAA"], ""), "door_damaged", 1);
    let usage = ali.cli(&["send"], "");
    assert_eq!(usage.code, Some(2), "{usage:#?}");
    assert_eq!(ali.status()["queued"], 0, "nothing of this was sent");
    ali.send_wait("Bob", &"ғ".repeat(4_000), "delivered");
}

#[test]
fn junk_on_the_local_socket_gets_an_error_and_disturbs_nobody() {
    let (_world, ali, _bob) = World::of_two_friends();
    let mut good = ali.api();
    let mut dice = Dice::seeded();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let junk: Vec<Vec<u8>> = vec![
        b"\n".to_vec(),
        b"{}\n".to_vec(),
        b"not json\n".to_vec(),
        b"{\"id\":1,\"method\":\"no_such_method\"}\n".to_vec(),
        b"{\"id\":1,\"method\":\"send\",\"params\":{\"contact\":\"x\"}}\n".to_vec(),
        b"{\"id\":-1,\"method\":\"status\",\"extra\":1}\n".to_vec(),
        b"\xff\xfe\x00\xff\n".to_vec(),
        [deep.as_bytes(), b"\n"].concat(),
        [&dice.bytes(10_000)[..], b"\n"].concat(),
        // Longer than any line may be, and never ended.
        vec![b'x'; 8 << 20],
    ];
    for bytes in junk {
        let mut bad = Api::connect(ali.data_dir()).unwrap();
        // The node may close the connection while it is being written to; both are an answer.
        if bad.raw(&bytes).is_ok() && bytes.ends_with(b"\n") {
            let _ = bad.line();
        }
        drop(bad);
        assert_eq!(good.call("status", &Value::Null).unwrap()["contacts"], 1, "another client is served");
    }
    let mut foreign = Api::connect_silent(ali.data_dir()).unwrap();
    let fault = foreign.call("hello", &json!({ "version": VERSION + 1 })).unwrap_err();
    assert_eq!(fault.code, "version");
    let mut rude = Api::connect_silent(ali.data_dir()).unwrap();
    assert!(rude.call("status", &Value::Null).is_err(), "hello comes first");
    ali.send_wait("Bob", "still here", "delivered");
}

#[test]
fn a_node_answers_each_request_in_order_even_if_they_come_all_at_once() {
    let (_world, ali, bob) = World::of_two_friends();
    let mut api = ali.api();
    let to = api.contact("Bob").unwrap().expect("Bob is known");
    let texts: Vec<String> = (0..200).map(|number| format!("pipelined {number}")).collect();
    let requests: Vec<u64> =
        texts.iter().map(|text| api.post("send", &json!({ "contact": to, "text": text })).unwrap()).collect();
    let ids: BTreeSet<String> = requests
        .into_iter()
        .map(|request| api.answer(request).unwrap()["id"].as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(ids.len(), texts.len());
    let received = bob.receives("Ali", DEADLINE * 2, |received| received.len() >= texts.len());
    assert_eq!(received, texts);
}

#[test]
fn junk_at_a_relays_door_is_cut_off_and_disturbs_nobody() {
    let (world, ali, _bob) = World::of_two_friends();
    let mut dice = Dice::seeded();
    for length in [0, 1, 33, 50, 600, 5_000, 70_000] {
        for relay in &world.relays {
            let mut stream = TcpStream::connect(relay.listen()).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            // A relay may close as soon as it has seen enough, so that the rest can not be written.
            let _ = stream.write_all(&dice.bytes(length));
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            let ended = stream.read_to_end(&mut answer);
            assert!(
                ended.is_ok()
                    || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset),
                "the relay keeps a connection of {length} bytes of junk"
            );
        }
    }
    ali.send_wait("Bob", "still here", "delivered");
}
