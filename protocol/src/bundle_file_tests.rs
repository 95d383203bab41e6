//! Bundle files keep what was put into them, hide how much that is, and say when they are damaged.

use super::*;
use crate::ids::Tag;

fn carried(class: Class, fill: u8, until_day: u32) -> Carried {
    let mut bytes = vec![fill; class.bytes()];
    bytes[..crate::cell::OUTER_BYTES].copy_from_slice(&Cell::outer(class, &Tag([fill; 16]), 0));
    Carried { cell: Cell::parse(bytes).unwrap(), until_day }
}

#[test]
fn what_is_put_in_comes_out_once_and_in_one_order() {
    let (a, b, c) = (carried(Class::M, 2, 30), carried(Class::S, 9, 20), carried(Class::S, 4, 20));
    let file = encode(vec![a.clone(), b.clone(), c.clone(), carried(Class::S, 9, 25)]).unwrap();
    assert_eq!(file, encode(vec![c.clone(), carried(Class::S, 9, 25), a.clone(), b]).unwrap());
    assert_eq!(decode(&file).unwrap(), [c, carried(Class::S, 9, 25), a]);
    assert_eq!(decode(&encode(Vec::new()).unwrap()).unwrap(), []);
}

#[test]
fn the_size_of_a_file_tells_its_content_in_steps_only() {
    let sizes = |count: u8| encode((0..count).map(|n| carried(Class::S, n, 1)).collect()).unwrap().len();
    assert_eq!((sizes(0), sizes(1), sizes(31)), (65_536, 65_536, 65_536));
    assert_eq!(sizes(32), 131_072);
    let of = |mib: usize| padded(mib << 20);
    assert_eq!((of(1), of(2), of(10)), (1_179_648, 2_359_296, 11_534_336));
    assert!((1..200).all(|n| padded(n * 300_000) * 7 <= (n * 300_000 + 65_536) * 8 + 7 * 65_536));
}

#[test]
fn a_damaged_cut_or_foreign_file_says_so() {
    let file = encode(vec![carried(Class::S, 1, 5), carried(Class::S, 2, 5)]).unwrap();
    let fault = |file: &[u8]| decode(file).unwrap_err();
    assert_eq!(fault(b""), PeerFault::Malformed);
    assert_eq!(fault(b"PK\x03\x04 something else"), PeerFault::Malformed);
    assert_eq!(fault(&file[..9]), PeerFault::Length);
    assert_eq!(fault(&file[..60_000]), PeerFault::Mismatch);
    let mut bent = file.clone();
    bent[5_000] ^= 1;
    assert_eq!(fault(&bent), PeerFault::Mismatch);
    let mut newer = file.clone();
    newer[8] = 2;
    assert_eq!(fault(&newer), PeerFault::Version);
    // Hashed anew by somebody who wants it to be believed: another order, the same cell twice, or bytes behind the last one.
    let again = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut content = file[..file.len() - HASH_BYTES].to_vec();
        change(&mut content);
        let hash = blake3::hash(&content);
        content.extend_from_slice(hash.as_bytes());
        fault(&content)
    };
    let entry = entry_bytes(Class::S);
    assert_eq!(
        again(&|content| content[HEAD_BYTES..HEAD_BYTES + 2 * entry].rotate_left(entry)),
        PeerFault::NotCanonical
    );
    assert_eq!(
        again(&|content| content.copy_within(HEAD_BYTES..HEAD_BYTES + entry, HEAD_BYTES + entry)),
        PeerFault::NotCanonical
    );
    assert_eq!(again(&|content| *content.last_mut().unwrap() = 1), PeerFault::Padding);
    assert_eq!(again(&|content| content.extend_from_slice(&[0; 65_536])), PeerFault::Padding);
    assert_eq!(again(&|content| content[12] = 200), PeerFault::NotCanonical);
}

#[test]
fn a_file_has_a_largest_size() {
    let one = carried(Class::L, 0, 1);
    let cells = (0..1_100_u32).map(|n| {
        let mut bytes = one.cell.bytes().to_vec();
        bytes[1..5].copy_from_slice(&n.to_be_bytes());
        Carried { cell: Cell::parse(bytes).unwrap(), until_day: 1 }
    });
    assert_eq!(encode(cells.collect()), Err(PeerFault::Bound));
}
