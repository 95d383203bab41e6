//! First contacts of strangers at a relay: only for work, only where they are wanted, and each refusal by its name.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod relay_world;

use ed25519_dalek::SigningKey;
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::limits::{CELL_TTL_S, REQUESTS_MAX};
use karvon_protocol::relay::limits::RelayLimits;
use karvon_protocol::rpc::{Push, Refusal, Reply, Request};
use karvon_protocol::work::Puzzle;
use relay_world::{Node, Pipe, attach, cell, come_back, deposit, mailbox_of, owner, prefix, refused, setup};

const HOUR_MS: u64 = 3_600_000;

/// A relay that wants `bits`, a tunnel of a mailbox's owner who takes requests, and a tunnel of a stranger.
fn relay(bits: u8, checks: u32) -> (Node, Pipe, Pipe) {
    let limits = RelayLimits {
        request_bits: bits,
        request_checks_per_minute: checks,
        mailbox_cells: 100,
        ..RelayLimits::default()
    };
    let mut node = Node::with(setup(1), limits);
    let (door, other) = (node.new_slot(), node.new_slot());
    let link = node.leaf(1, &door);
    let mut own = node.tunnel(link, 1);
    assert_eq!(node.attach(&mut own, &owner(9), Push::None), Reply::Attached { cells: 0, next: 1 });
    assert_eq!(node.ask(&mut own, &Request::TakeRequests(true)), Reply::Done);
    let link = node.leaf(2, &other);
    let stranger = node.tunnel(link, 1);
    (node, own, stranger)
}

fn terms(node: &mut Node, pipe: &mut Pipe) -> ([u8; 16], u8) {
    match node.ask(pipe, &Request::Terms(mailbox_of(&owner(9)))) {
        Reply::Terms { nonce, bits } => (nonce, bits),
        other => panic!("{other:?}"),
    }
}

fn solve(to: &SigningKey, nonce: [u8; 16], bits: u8, cell: &Cell) -> u64 {
    Puzzle::new(mailbox_of(to), &nonce, cell, bits).search(0, u32::MAX).unwrap().unwrap()
}

fn knock(to: &SigningKey, nonce: [u8; 16], answer: u64, cell: &Cell) -> Request {
    Request::Knock { mailbox: mailbox_of(to), nonce, answer: answer.to_be_bytes(), cell: cell.clone() }
}

/// A request with its work.
fn paid(node: &mut Node, pipe: &mut Pipe, cell: &Cell) -> Request {
    let (nonce, bits) = terms(node, pipe);
    knock(&owner(9), nonce, solve(&owner(9), nonce, bits, cell), cell)
}

fn stored(node: &Node) -> Reply {
    Reply::Stored { expiry_s: node.now.wall_ms / 1_000 + CELL_TTL_S }
}

#[test]
fn a_first_contact_is_stored_for_work_and_fetched_and_removed_like_any_cell() {
    let (mut node, mut own, mut stranger) = relay(3, 60);
    let sent = cell(Class::S, 77, 1);
    let request = paid(&mut node, &mut stranger, &sent);
    let expected = stored(&node);
    assert_eq!(node.ask(&mut stranger, &request), expected);
    node.ask(&mut own, &Request::Fetch { from: 0, bytes_max: u32::MAX, whole: Class::M });
    assert_eq!(own.items(), [(1, sent.clone())]);
    assert_eq!(node.ask(&mut own, &Request::Remove(vec![prefix(77)])), Reply::Done);
    assert!(node.image().cells.is_empty());
    assert_eq!(node.status().deposits, 1);
}

#[test]
fn without_the_owners_word_nothing_is_taken_and_nothing_told() {
    let (mut node, mut own, mut stranger) = relay(0, 60);
    let sent = cell(Class::S, 77, 1);
    let (nonce, _) = terms(&mut node, &mut stranger);
    // No such mailbox, and one that takes no requests: the same answer.
    for mailbox in [mailbox_of(&owner(8)), mailbox_of(&owner(9))] {
        assert_eq!(node.ask(&mut own, &Request::TakeRequests(false)), Reply::Done);
        assert_eq!(node.ask(&mut stranger, &Request::Terms(mailbox)), refused(Refusal::NoRequests));
        let request = Request::Knock { mailbox, nonce, answer: [0; 8], cell: sent.clone() };
        assert_eq!(node.ask(&mut stranger, &request), refused(Refusal::NoRequests));
    }
    assert_eq!(node.ask(&mut stranger, &Request::TakeRequests(true)), refused(Refusal::NotAttached));
    assert_eq!(node.ask(&mut stranger, &deposit(&owner(9), &sent)), refused(Refusal::UnknownTag));
    assert!(node.image().cells.is_empty());
}

#[test]
fn the_owners_word_outlives_a_crash() {
    let (mut node, _, _) = relay(0, 60);
    let door = node.new_slot();
    let mut node = node.crash();
    let mut stranger = come_back(&mut node, &door, 7);
    let request = paid(&mut node, &mut stranger, &cell(Class::S, 77, 1));
    let expected = stored(&node);
    assert_eq!(node.ask(&mut stranger, &request), expected);
}

#[test]
fn work_for_another_cell_mailbox_or_nonce_and_too_little_of_it_are_refused() {
    let (mut node, _, mut stranger) = relay(4, 600);
    let (right, wrong) = (cell(Class::S, 77, 1), cell(Class::S, 77, 2));
    let (nonce, bits) = terms(&mut node, &mut stranger);
    assert_eq!(bits, 4);
    let answer = solve(&owner(9), nonce, bits, &right);
    // Answers that hold for one thing hold for another only by chance: then the next one is taken.
    let fails = |to: &SigningKey, nonce, cell: &Cell, answer| {
        Puzzle::new(mailbox_of(to), &nonce, cell, bits).search(answer, 1) == Some(None)
    };
    let weak = (0..u64::MAX).find(|answer| fails(&owner(9), nonce, &right, *answer)).unwrap();
    assert_eq!(
        node.ask(&mut stranger, &knock(&owner(9), nonce, weak, &right)),
        refused(Refusal::WeakWork),
        "too few zero bits"
    );
    if fails(&owner(9), nonce, &wrong, answer) {
        let request = knock(&owner(9), nonce, answer, &wrong);
        assert_eq!(node.ask(&mut stranger, &request), refused(Refusal::WeakWork), "another cell");
    }
    let elsewhere = solve(&owner(8), nonce, bits, &right);
    if fails(&owner(9), nonce, &right, elsewhere) {
        let request = knock(&owner(9), nonce, elsewhere, &right);
        assert_eq!(node.ask(&mut stranger, &request), refused(Refusal::WeakWork), "another mailbox");
    }
    let request = knock(&owner(9), [7; 16], answer, &right);
    assert_eq!(node.ask(&mut stranger, &request), refused(Refusal::StaleWork), "another nonce");
    assert!(node.image().cells.is_empty());
    let expected = stored(&node);
    assert_eq!(node.ask(&mut stranger, &knock(&owner(9), nonce, answer, &right)), expected);
}

#[test]
fn only_small_cells_are_taken() {
    let (mut node, _, mut stranger) = relay(0, 60);
    let (nonce, _) = terms(&mut node, &mut stranger);
    for class in [Class::M, Class::L] {
        let request = knock(&owner(9), nonce, 0, &cell(class, 5, 1));
        assert_eq!(node.ask(&mut stranger, &request), refused(Refusal::WrongClass));
    }
}

#[test]
fn a_proof_pays_once() {
    let (mut node, mut own, mut stranger) = relay(2, 60);
    let sent = cell(Class::S, 77, 1);
    let request = paid(&mut node, &mut stranger, &sent);
    let expected = stored(&node);
    assert_eq!(node.ask(&mut stranger, &request), expected);
    node.pass(5_000);
    assert_eq!(node.ask(&mut stranger, &request), expected, "a repetition is told the same again");
    assert_eq!(node.image().cells.len(), 1);
    assert_eq!(node.ask(&mut own, &Request::Remove(vec![prefix(77)])), Reply::Done);
    assert_eq!(node.ask(&mut stranger, &request), refused(Refusal::UsedWork), "not after it was taken");
    // Another answer to the same puzzle is no new payment.
    let Request::Knock { nonce, answer, .. } = &request else { panic!() };
    let puzzle = Puzzle::new(mailbox_of(&owner(9)), nonce, &sent, 2);
    let next = puzzle.search(u64::from_be_bytes(*answer) + 1, 1_000).unwrap().unwrap();
    let again = knock(&owner(9), *nonce, next, &sent);
    assert_eq!(node.ask(&mut stranger, &again), refused(Refusal::UsedWork));
    assert!(node.image().cells.is_empty());
}

#[test]
fn the_same_proof_twice_at_once_is_stored_once() {
    let (mut node, _, mut stranger) = relay(2, 60);
    let request = paid(&mut node, &mut stranger, &cell(Class::S, 77, 1));
    node.works = false;
    let numbers = [node.send(&mut stranger, &request), node.send(&mut stranger, &request)];
    while node.work_one() {}
    let expected = stored(&node);
    stranger.read(&mut node);
    assert_eq!(numbers.map(|number| stranger.answer(number)), [Some(expected.clone()), Some(expected)]);
    assert_eq!(node.image().cells.len(), 1);
}

#[test]
fn a_nonce_holds_for_one_hour_at_least_and_two_at_most() {
    let (mut node, _, mut stranger) = relay(1, 600);
    let early = paid(&mut node, &mut stranger, &cell(Class::S, 1, 1));
    let late = paid(&mut node, &mut stranger, &cell(Class::S, 2, 1));
    let door = node.new_slot();
    // A leaf that is silent for so long is let go of.
    node.pass(HOUR_MS + 120_000);
    let mut stranger = come_back(&mut node, &door, 20);
    let expected = stored(&node);
    assert_eq!(node.ask(&mut stranger, &early), expected);
    node.pass(HOUR_MS);
    let mut stranger = come_back(&mut node, &door, 21);
    assert_eq!(node.ask(&mut stranger, &late), refused(Refusal::StaleWork));
    let again = paid(&mut node, &mut stranger, &cell(Class::S, 2, 1));
    let expected = stored(&node);
    assert_eq!(node.ask(&mut stranger, &again), expected);
}

#[test]
fn a_restart_makes_all_work_stale() {
    let (mut node, _, mut stranger) = relay(1, 60);
    let request = paid(&mut node, &mut stranger, &cell(Class::S, 1, 1));
    let door = node.new_slot();
    let mut node = node.crash();
    let mut stranger = come_back(&mut node, &door, 7);
    assert_eq!(node.ask(&mut stranger, &request), refused(Refusal::StaleWork));
}

#[test]
fn a_mailbox_holds_so_many_requests_and_its_own_quota_is_another() {
    let (mut node, mut own, mut stranger) = relay(0, 6_000);
    let tags = (0..100).map(|number| (0, prefix(number))).collect();
    assert_eq!(node.ask(&mut own, &Request::Register(tags)), Reply::Done);
    for number in 0..100 {
        let request = deposit(&owner(9), &cell(Class::S, number, 1));
        let expected = stored(&node);
        assert_eq!(node.ask(&mut own, &request), expected);
    }
    let full = deposit(&owner(9), &cell(Class::S, 0, 2));
    assert_eq!(node.ask(&mut own, &full), refused(Refusal::UsedTag));
    let mut spare = None;
    for number in 0..REQUESTS_MAX as u64 {
        let request = paid(&mut node, &mut stranger, &cell(Class::S, 1_000 + number, 1));
        let expected = stored(&node);
        assert_eq!(
            node.ask(&mut stranger, &request),
            expected,
            "{number}, though the mailbox is full of others"
        );
        spare = Some(request);
    }
    let ask = Request::Terms(mailbox_of(&owner(9)));
    assert_eq!(node.ask(&mut stranger, &ask), refused(Refusal::RequestsFull), "told before any work is done");
    let Some(Request::Knock { nonce, .. }) = spare else { panic!() };
    let one_more = knock(&owner(9), nonce, 0, &cell(Class::S, 5_000, 1));
    assert_eq!(node.ask(&mut stranger, &one_more), refused(Refusal::RequestsFull));
    // Room comes with removal, also after a restart that counts what is there.
    let door = node.new_slot();
    let mut node = node.crash_with(RelayLimits { request_bits: 0, ..RelayLimits::default() });
    let mut pipe = come_back(&mut node, &door, 7);
    assert_eq!(node.ask(&mut pipe, &ask), refused(Refusal::RequestsFull));
    let request = attach(&owner(9), &pipe.tunnel().hash(), Push::None);
    assert!(matches!(node.ask(&mut pipe, &request), Reply::Attached { cells: 132, .. }));
    assert_eq!(node.ask(&mut pipe, &Request::Remove(vec![prefix(1_003)])), Reply::Done);
    let request = paid(&mut node, &mut pipe, &cell(Class::S, 5_000, 1));
    let expected = stored(&node);
    assert_eq!(node.ask(&mut pipe, &request), expected);
}

#[test]
fn a_request_can_not_take_the_place_of_a_contacts_cell() {
    let (mut node, mut own, mut stranger) = relay(0, 60);
    assert_eq!(node.ask(&mut own, &Request::Register(vec![(0, prefix(5))])), Reply::Done);
    let request = paid(&mut node, &mut stranger, &cell(Class::S, 5, 1));
    assert_eq!(node.ask(&mut stranger, &request), refused(Refusal::UsedTag));
    let expected = stored(&node);
    assert_eq!(node.ask(&mut stranger, &deposit(&owner(9), &cell(Class::S, 5, 2))), expected);
}

#[test]
fn junk_proofs_are_checked_within_a_budget_one_at_a_time_and_others_get_their_share() {
    let (mut node, _, mut stranger) = relay(16, 40);
    let other = node.new_slot();
    let link = node.leaf(3, &other);
    let mut honest = node.tunnel(link, 1);
    let (nonce, _) = terms(&mut node, &mut stranger);
    let (mut checked, mut busy) = (0, 0);
    for number in 0..100 {
        let request = knock(&owner(9), nonce, 0, &cell(Class::S, number, 1));
        match node.ask(&mut stranger, &request) {
            Reply::Refused(Refusal::WeakWork) => checked += 1,
            Reply::Refused(Refusal::Busy) => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((checked, busy), (10, 90), "a quarter of what is checked in a minute");
    let request = knock(&owner(9), nonce, 0, &cell(Class::S, 500, 1));
    assert_eq!(node.ask(&mut honest, &request), refused(Refusal::WeakWork), "somebody else is still heard");
    node.pass(61_000);
    assert_eq!(
        node.ask(&mut stranger, &request),
        refused(Refusal::WeakWork),
        "and so is everybody a minute later"
    );

    // While one is checked the others wait, and beyond a bound they are told to come again.
    node.pass(61_000);
    node.works = false;
    let (nonce, _) = terms(&mut node, &mut honest);
    let numbers: Vec<u32> = (0..10_u64)
        .map(|number| node.send(&mut honest, &knock(&owner(9), nonce, 0, &cell(Class::S, number, 3))))
        .collect();
    assert_eq!(node.jobs.len(), 1);
    let mut done = 0;
    while node.work_one() {
        assert!(node.jobs.len() <= 1);
        done += 1;
    }
    assert_eq!(done, numbers.len());
}

#[test]
fn a_relay_that_takes_nothing_new_takes_no_requests() {
    let (mut node, _, mut stranger) = relay(0, 60);
    let request = paid(&mut node, &mut stranger, &cell(Class::S, 1, 1));
    node.command(karvon_protocol::relay::api::RelayCommand::Drain(true)).unwrap();
    assert_eq!(node.ask(&mut stranger, &request), refused(Refusal::Full));
    assert_eq!(node.ask(&mut stranger, &Request::Terms(mailbox_of(&owner(9)))), refused(Refusal::Full));
}
