//! Two contacts find each other, a stranger sees noise, and a record of it is worth nothing.

use super::super::message::Message;
use super::super::session::{Channel, UNIT_BYTES};
use super::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::collections::BTreeSet;

const PORTS: [u16; 2] = [40_001, 50_002];

fn keys(pair: u8, initiator: bool) -> LanKeys {
    LanKeys::new(&[pair; 32], initiator)
}

fn crowd(from: u8, count: u8) -> impl Iterator<Item = (ContactId, LanKeys)> {
    (from..from + count).map(|n| (ContactId(u32::from(n)), keys(n, true)))
}

/// Ali, whose contact 7 is Bob, and Bob, whose contact 9 is Ali; each has others.
fn two(rng: &mut ChaCha20Rng, now: Mono) -> [Finder; 2] {
    let ali = crowd(100, 20).chain([(ContactId(7), keys(1, true))]).collect();
    let bob = crowd(200, 50).chain([(ContactId(9), keys(1, false))]).collect();
    [Finder::new(PORTS[0], ali, rng, now), Finder::new(PORTS[1], bob, rng, now)]
}

fn open(ali: &Finder, found: &Found, bob: &Finder, rng: &mut ChaCha20Rng) -> (ContactId, Channel, Channel) {
    let (dialler, hello) = ali.dial(found, rng).expect("a contact");
    let (contact, taken) = bob.take(&hello, rng).expect("recognised");
    (contact, dialler.finish(&taken.answer).expect("their answer"), taken.channel)
}

#[test]
fn contacts_recognise_each_other_and_talk_in_units_of_one_size() {
    let (mut rng, now) = (ChaCha20Rng::seed_from_u64(1), Mono(5));
    let [mut ali, mut bob] = two(&mut rng, now);
    let presence = ali.presence(&mut rng, now);
    let heard = bob.hear(&presence, &mut rng, now).expect("a datagram");
    assert_eq!(heard.found, [], "a presence names nobody");
    let answer = heard.answer.expect("everybody answers");
    assert_eq!((presence.len(), answer.len()), (DATAGRAM_BYTES, DATAGRAM_BYTES));
    let heard = ali.hear(&answer, &mut rng, now).expect("a datagram");
    let [found] = heard.found[..] else { panic!("{heard:?}") };
    assert_eq!((found.contact, found.port), (ContactId(7), PORTS[1]));
    // Bob hears of Ali in turn, and that is the end of it.
    let back = bob.hear(&heard.answer.expect("Bob's nonce is new"), &mut rng, now).expect("a datagram");
    assert_eq!((back.found[0].contact, back.found[0].port), (ContactId(9), PORTS[0]));
    assert_eq!(back.answer, None);
    let (contact, mut there, mut here) = open(&ali, &found, &bob, &mut rng);
    assert_eq!(contact, ContactId(9));
    for numbers in [vec![], vec![1, 2, 3]] {
        let message = Message::Had { room: 64, numbers };
        for [from, to] in [[0, 1], [1, 0]] {
            let ends = [&mut there, &mut here];
            let sealed = ends[from].seal(&message).expect("fresh");
            assert_eq!(sealed.len(), UNIT_BYTES);
            assert_eq!(ends[to].open(&sealed), Ok(Some(message.clone())));
        }
    }
    let sealed = there.seal(&Message::Had { room: 1, numbers: vec![] }).expect("fresh");
    assert!(here.open(&sealed[1..]).is_err() && here.open(&[0; UNIT_BYTES]).is_err());
}

#[test]
fn strangers_are_answered_with_noise_and_let_in_nowhere() {
    let (mut rng, now) = (ChaCha20Rng::seed_from_u64(2), Mono(5));
    let [mut ali, _] = two(&mut rng, now);
    let mut eve = Finder::new(1, crowd(1, 60).map(|(id, _)| (id, keys(77, true))).collect(), &mut rng, now);
    let answer = ali.hear(&eve.presence(&mut rng, now), &mut rng, now).expect("a datagram").answer;
    let answer = answer.expect("noise");
    assert_eq!(eve.hear(&answer, &mut rng, now).expect("a datagram").found, []);
    for length in [0, 1, DATAGRAM_BYTES - 1, DATAGRAM_BYTES + 1, 60_000] {
        assert_eq!(ali.hear(&vec![0; length], &mut rng, now), Err(PeerFault::Length));
    }
    assert!(ali.take(&[3; UNIT_BYTES], &mut rng).is_err());
    assert!(ali.take(&[3; UNIT_BYTES - 1], &mut rng).is_err());
    // An own answer that comes back is not a contact's.
    let nonce: Nonce = first(&answer);
    assert_eq!(nonce, ali.nonce);
    assert_eq!(ali.hear(&answer, &mut rng, now).expect("a datagram"), Heard::default());
    let mut turned = answer.clone();
    turned[..16].copy_from_slice(&answer[16..32]);
    turned[16..32].copy_from_slice(&answer[..16]);
    assert_eq!(ali.hear(&turned, &mut rng, now).expect("a datagram").found, []);
}

#[test]
fn what_was_recorded_is_worthless_after_a_restart_and_after_twenty_minutes() {
    let (mut rng, mut now) = (ChaCha20Rng::seed_from_u64(3), Mono(5));
    let [mut ali, mut bob] = two(&mut rng, now);
    let presence = ali.presence(&mut rng, now);
    let answer = bob.hear(&presence, &mut rng, now).expect("a datagram").answer.expect("an answer");
    let found = ali.hear(&answer, &mut rng, now).expect("a datagram").found[0];
    let (_, hello) = ali.dial(&found, &mut rng).expect("a contact");
    let [mut ali_again, mut bob_again] = two(&mut rng, now);
    assert_eq!(ali_again.hear(&answer, &mut rng, now).expect("a datagram").found, []);
    assert!(bob_again.take(&hello, &mut rng).is_err());
    assert_eq!(bob_again.hear(&presence, &mut rng, now).expect("a datagram").found, []);
    for minutes in [9, 2] {
        now = now.after_ms(minutes * 60_000);
        bob.presence(&mut rng, now);
        ali.presence(&mut rng, now);
        assert!(bob.take(&hello, &mut rng).is_ok(), "the nonce before the present one still counts");
        assert_eq!(ali.hear(&answer, &mut rng, now).expect("a datagram").found.len(), 1);
    }
    now = now.after_ms(NONCE_MS);
    bob.presence(&mut rng, now);
    ali.presence(&mut rng, now);
    assert!(bob.take(&hello, &mut rng).is_err());
    assert_eq!(ali.hear(&answer, &mut rng, now).expect("a datagram").found, []);
}

#[test]
fn nothing_repeats_in_answers_and_a_flood_is_answered_slowly() {
    let (mut rng, mut now) = (ChaCha20Rng::seed_from_u64(4), Mono(5_000_000_000));
    let [mut ali, mut bob] = two(&mut rng, now);
    let (mut answered, mut seen) = (0, BTreeSet::new());
    for n in 0..2_000_u32 {
        now = now.after_ms(10);
        let mut presence = bob.presence(&mut rng, now);
        presence[..4].copy_from_slice(&n.to_be_bytes());
        if let Some(answer) = ali.hear(&presence, &mut rng, now).expect("a datagram").answer {
            answered += 1;
            for mark in answer[2 * NONCE_BYTES..].as_chunks::<ENTRY_BYTES>().0 {
                assert!(seen.insert(*mark), "a mark twice");
            }
        }
    }
    assert!((80..=100).contains(&answered), "{answered}");
    assert!(ali.heard.len() <= HEARD_MAX);
}

#[test]
fn whoever_has_more_contacts_than_marks_is_found_by_each_of_them() {
    let (mut rng, mut now) = (ChaCha20Rng::seed_from_u64(5), Mono(5));
    let many: Vec<_> = (0..200_u8).map(|n| (ContactId(u32::from(n)), LanKeys::new(&[n; 32], true))).collect();
    let mut ali = Finder::new(1, many, &mut rng, now);
    let mut bob = Finder::new(2, vec![(ContactId(9), keys(123, false))], &mut rng, now);
    let answer = bob.hear(&ali.presence(&mut rng, now), &mut rng, now).expect("a datagram").answer;
    let found = ali.hear(&answer.expect("an answer"), &mut rng, now).expect("a datagram").found;
    assert_eq!((found[0].contact, found[0].port), (ContactId(123), 2));
    let found = (0..40).filter(|_| {
        now = now.after_ms(ANSWER_AGAIN_MS);
        let answer = ali.hear(&bob.presence(&mut rng, now), &mut rng, now).expect("a datagram").answer;
        !bob.hear(&answer.expect("an answer"), &mut rng, now).expect("a datagram").found.is_empty()
    });
    assert!((4..30).contains(&found.count()), "about a third");
}
