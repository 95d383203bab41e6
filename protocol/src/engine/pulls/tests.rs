//! Cells in pieces from mailboxes that are slow, bend, break off, or announce what never comes.

use super::*;
use crate::cell::OUTER_BYTES;
use crate::ids::Tag;

const NOW: Mono = Mono(7);

fn large(tag: u8) -> Cell {
    let mut bytes: Vec<u8> = (0..Class::L.bytes()).map(|at| (at / 7) as u8 ^ tag).collect();
    bytes[..OUTER_BYTES].copy_from_slice(&Cell::outer(Class::L, &Tag([tag; 16]), 0));
    Cell::parse(bytes).unwrap()
}

/// Answers a request with what `cell` says.
fn answer(pulls: &mut Pulls, wish: Wish, cell: &Cell) -> Option<Cell> {
    let (pieces, _) = cell.bytes().as_chunks::<PIECE_BYTES>();
    let mut whole = None;
    for index in wish.from..wish.from + wish.count {
        match pulls.took(wish.mailbox, wish.prefix, index, &pieces[usize::from(index)], NOW) {
            Took::Whole(cell) => whole = Some(cell),
            took => assert!(matches!(took, Took::More), "{took:?}"),
        }
    }
    pulls.ended(wish, true);
    whole
}

#[test]
fn who_is_faster_brings_more_and_no_piece_comes_twice() {
    let (mut pulls, cell) = (Pulls::default(), large(1));
    let prefix = cell.tag().prefix();
    (1..=3).for_each(|mailbox| pulls.announced(mailbox, prefix, Class::L));
    let mut waiting: Vec<Wish> = pulls.wishes(true, NOW, |_| true);
    assert_eq!(waiting.iter().map(|wish| u64::from(wish.count)).sum::<u64>(), 3 * NARROW.1);
    let (mut brought, mut out) = (BTreeMap::new(), None);
    for turn in 0.. {
        // The first mailbox answers in each turn, the others in every third.
        let free = |wish: &Wish| wish.mailbox == 1 || turn % 3 == 0;
        let Some(at) = waiting.iter().position(free) else {
            if waiting.is_empty() {
                break;
            }
            continue;
        };
        let wish = waiting.remove(at);
        *brought.entry(wish.mailbox).or_insert(0) += wish.count;
        out = answer(&mut pulls, wish, &cell).or(out);
        waiting.extend(pulls.wishes(true, NOW, |_| true));
    }
    assert_eq!(out.as_ref(), Some(&cell));
    assert_eq!(brought.values().sum::<u8>(), 30);
    assert!(brought[&1] > brought[&2] && brought[&1] > brought[&3], "{brought:?}");
}

#[test]
fn pieces_of_a_mailbox_that_is_gone_are_asked_of_another_and_the_others_are_kept() {
    let (mut pulls, cell) = (Pulls::default(), large(1));
    let prefix = cell.tag().prefix();
    pulls.announced(1, prefix, Class::L);
    let first = pulls.wishes(true, NOW, |_| true);
    assert!(answer(&mut pulls, first[0], &cell).is_none());
    first[1..].iter().for_each(|wish| pulls.ended(*wish, false));
    pulls.lost(1);
    assert_eq!(pulls.wishes(true, NOW, |_| true), []);
    pulls.announced(2, prefix, Class::L);
    let mut waiting = pulls.wishes(true, NOW, |_| true);
    assert_eq!((waiting[0].mailbox, waiting[0].from), (2, first[0].count));
    let mut out = None;
    while let Some(wish) = waiting.pop() {
        out = answer(&mut pulls, wish, &cell).or(out);
        waiting.extend(pulls.wishes(true, NOW, |_| true));
    }
    assert_eq!(out, Some(cell));
    assert_eq!(pulls.wishes(true, NOW, |_| true), [], "it was handed on");
    pulls.forget(prefix);
    assert!(pulls.pulls.is_empty());
}

#[test]
fn of_two_that_bent_a_cell_one_at_a_time_is_asked_again_and_then_the_other() {
    let (mut pulls, cell) = (Pulls::default(), large(1));
    let prefix = cell.tag().prefix();
    (1..=2).for_each(|mailbox| pulls.announced(mailbox, prefix, Class::L));
    let whole = |pulls: &mut Pulls| {
        let (mut from, mut waiting) = (BTreeSet::new(), pulls.wishes(true, NOW, |_| true));
        while let Some(wish) = waiting.pop() {
            from.insert(wish.mailbox);
            answer(pulls, wish, &cell);
            waiting.extend(pulls.wishes(true, NOW, |_| true));
        }
        from
    };
    assert_eq!(whole(&mut pulls), BTreeSet::from([1, 2]));
    assert!(pulls.refused(prefix), "each may be the one");
    let alone = whole(&mut pulls);
    assert_eq!(alone.len(), 1);
    assert!(!pulls.refused(prefix), "this one did it");
    let other = whole(&mut pulls);
    assert!(other.len() == 1 && other.is_disjoint(&alone));
    assert!(!pulls.refused(prefix));
    assert!(pulls.pulls.is_empty(), "nobody holds it");
}

#[test]
fn nothing_is_taken_that_was_not_asked_for() {
    let (mut pulls, cell) = (Pulls::default(), large(1));
    let prefix = cell.tag().prefix();
    let piece = [7; PIECE_BYTES];
    assert!(matches!(pulls.took(1, prefix, 0, &piece, NOW), Took::Unasked));
    pulls.announced(1, prefix, Class::L);
    assert!(matches!(pulls.took(1, prefix, 0, &piece, NOW), Took::Unasked));
    let wish = pulls.wishes(true, NOW, |_| true)[0];
    assert!(matches!(pulls.took(2, prefix, wish.from, &piece, NOW), Took::Unasked), "another mailbox");
    assert!(matches!(pulls.took(1, prefix, 29, &piece, NOW), Took::Unasked), "not asked for yet");
    assert!(matches!(pulls.took(1, prefix, 255, &piece, NOW), Took::Unasked));
    assert!(matches!(pulls.took(1, prefix, wish.from, &piece[1..], NOW), Took::Unasked));
    assert!(matches!(pulls.took(1, prefix, wish.from, &piece, NOW), Took::More));
}

#[test]
fn a_mailbox_that_announces_without_end_keeps_nobody_from_the_others_and_little_is_held() {
    let mut pulls = Pulls::default();
    let name = |number: u64| TagPrefix(number.to_be_bytes());
    (0..5_000).for_each(|number| pulls.announced(1, name(number), Class::L));
    assert_eq!(pulls.pulls.len(), WAITING_MAX);
    pulls.announced(2, name(9_999), Class::M);
    assert!(pulls.pulls.contains_key(&(name(9_999), Class::M)));
    for _ in 0..100 {
        // It sends one piece of each and says that it is done: from then on it holds none of them for us.
        for wish in pulls.wishes(false, NOW, |mailbox| mailbox == 1) {
            pulls.took(1, wish.prefix, wish.from, &[0; PIECE_BYTES], NOW);
            pulls.ended(wish, true);
        }
        let held: usize = pulls.pulls.values().map(|pull| pull.bytes.len()).sum();
        assert!(held <= (OPEN_MAX + 2) * Class::L.bytes(), "{held}");
    }
    let wishes = pulls.wishes(false, NOW, |_| true);
    assert!(wishes.iter().any(|wish| wish.mailbox == 2), "the honest one's cell has its turn");
    pulls.lost(1);
    assert_eq!(pulls.starved(), [1], "it is fetched from again");
}

#[test]
fn the_end_of_a_request_whose_cell_was_no_good_drops_nobody_who_holds_it() {
    let (mut pulls, cell) = (Pulls::default(), large(1));
    let prefix = cell.tag().prefix();
    (1..=2).for_each(|mailbox| pulls.announced(mailbox, prefix, Class::L));
    let (pieces, _) = cell.bytes().as_chunks::<PIECE_BYTES>();
    let (mut waiting, mut last) = (pulls.wishes(true, NOW, |_| true), None);
    while let Some(wish) = waiting.pop() {
        for index in wish.from..wish.from + wish.count {
            if let Took::Whole(_) = pulls.took(wish.mailbox, prefix, index, &pieces[usize::from(index)], NOW)
            {
                last = Some(wish);
                // So it is found in real life: before the relay says that this was all.
                assert!(pulls.refused(prefix));
            }
        }
        if last.is_none() {
            pulls.ended(wish, true);
            waiting.extend(pulls.wishes(true, NOW, |_| true));
        }
    }
    let again = pulls.wishes(true, NOW, |_| true);
    pulls.ended(last.expect("it was whole"), true);
    assert_eq!(pulls.pulls[&(prefix, Class::L)].holders, [1, 2]);
    assert_eq!(pulls.pulls[&(prefix, Class::L)].asked, again);
}

#[test]
fn a_bent_copy_that_came_otherwise_leaves_alone_what_is_under_way() {
    let (mut pulls, cell) = (Pulls::default(), large(1));
    let prefix = cell.tag().prefix();
    pulls.announced(2, prefix, Class::L);
    let mut waiting = pulls.wishes(true, NOW, |_| true);
    assert!(answer(&mut pulls, waiting.remove(0), &cell).is_none());
    assert!(!pulls.refused(prefix), "whoever brought it is to blame");
    let mut out = None;
    while let Some(wish) = waiting.pop() {
        out = answer(&mut pulls, wish, &cell).or(out);
        waiting.extend(pulls.wishes(true, NOW, |_| true));
    }
    assert_eq!(out, Some(cell));
}

#[test]
fn one_that_was_asked_alone_and_fails_in_the_middle_gives_way_to_the_other() {
    let (mut pulls, cell) = (Pulls::default(), large(1));
    let prefix = cell.tag().prefix();
    (1..=2).for_each(|mailbox| pulls.announced(mailbox, prefix, Class::L));
    let mut waiting = pulls.wishes(true, NOW, |_| true);
    while let Some(wish) = waiting.pop() {
        answer(&mut pulls, wish, &cell);
        waiting.extend(pulls.wishes(true, NOW, |_| true));
    }
    assert!(pulls.refused(prefix));
    let alone = pulls.wishes(true, NOW, |_| true);
    // It sends a piece and refuses the rest of that request; then it answers the other request as it should.
    let (pieces, _) = cell.bytes().as_chunks::<PIECE_BYTES>();
    pulls.took(alone[0].mailbox, prefix, alone[0].from, &pieces[0], NOW);
    pulls.ended(alone[0], false);
    for index in alone[1].from..alone[1].from + alone[1].count {
        pulls.took(alone[1].mailbox, prefix, index, &pieces[usize::from(index)], NOW);
    }
    pulls.ended(alone[1], true);
    let (mut waiting, mut out) = (pulls.wishes(true, NOW, |_| true), None);
    while let Some(wish) = waiting.pop() {
        assert_ne!(wish.mailbox, alone[0].mailbox);
        out = answer(&mut pulls, wish, &cell).or(out);
        waiting.extend(pulls.wishes(true, NOW, |_| true));
    }
    assert_eq!(out, Some(cell));
}

#[test]
fn a_wrong_class_that_was_named_first_hides_nothing() {
    let (mut pulls, cell) = (Pulls::default(), large(1));
    let prefix = cell.tag().prefix();
    pulls.announced(1, prefix, Class::M);
    pulls.announced(2, prefix, Class::L);
    let (mut waiting, mut out) = (pulls.wishes(true, NOW, |_| true), None);
    waiting.retain(|wish| wish.mailbox == 2);
    while let Some(wish) = waiting.pop() {
        out = answer(&mut pulls, wish, &cell).or(out);
        waiting.extend(pulls.wishes(true, NOW, |mailbox| mailbox == 2));
    }
    assert_eq!(out, Some(cell));
    pulls.forget(prefix);
    assert!(pulls.pulls.is_empty());
}

#[test]
fn a_mailbox_that_keeps_its_tunnel_alive_and_sends_no_pieces_is_passed_over() {
    for narrow in [true, false] {
        let (mut pulls, cell) = (Pulls::default(), large(1));
        let prefix = cell.tag().prefix();
        (1..=2).for_each(|mailbox| pulls.announced(mailbox, prefix, Class::L));
        let (mut out, mut now) = (None, NOW);
        for _ in 0..10 {
            let mut waiting = pulls.wishes(narrow, now, |_| true);
            while let Some(wish) = waiting.pop() {
                if wish.mailbox == 2 {
                    out = answer(&mut pulls, wish, &cell).or(out);
                    waiting.extend(pulls.wishes(narrow, now, |_| true));
                }
            }
            now = now.after_ms(if narrow { STALL_MS.0 } else { STALL_MS.1 } / 2);
        }
        assert_eq!(out.as_ref(), Some(&cell), "{narrow}");
        // Whoever is the only one that holds it may take its time.
        let mut pulls = Pulls::default();
        pulls.announced(1, prefix, Class::L);
        let first = pulls.wishes(narrow, NOW, |_| true);
        pulls.wishes(narrow, now.after_ms(1_000_000), |_| true);
        assert_eq!(pulls.pulls[&(prefix, Class::L)].asked[0], first[0]);
    }
}

#[test]
fn a_mailbox_that_ends_nothing_keeps_no_other_from_beginning() {
    let mut pulls = Pulls::default();
    let name = |number: u64| TagPrefix(number.to_be_bytes());
    (0..100).for_each(|number| pulls.announced(1, name(number), Class::M));
    for wish in pulls.wishes(false, NOW, |_| true) {
        pulls.took(1, wish.prefix, wish.from, &[0; PIECE_BYTES], NOW);
    }
    (0..100).for_each(|number| pulls.announced(1, name(1_000 + number), Class::L));
    pulls.announced(2, name(9_999), Class::L);
    assert!(pulls.wishes(false, NOW, |_| true).iter().any(|wish| wish.mailbox == 2));
}
