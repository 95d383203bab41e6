//! Identities, recovery codes, invitations and bundles: what is accepted comes back equal, what was bent is refused.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{bundle_of, mailboxes, person, rng};
use karvon_protocol::body::MailboxDescriptor;
use karvon_protocol::bundle::{
    Bundle, BundleObject, OBJECT_BODY_BYTES, OBJECT_BYTES, Opened, Prekeys, Tombstone,
};
use karvon_protocol::crypto::LocalSignKey;
use karvon_protocol::crypto::aead::xseal;
use karvon_protocol::descriptor::RelayAddr;
use karvon_protocol::error::{ErrorKind, PeerFault};
use karvon_protocol::identity::{LocalIdentity, RemoteIdentity, recovery_code, recovery_root, safety_number};
use karvon_protocol::ids::{Fingerprint, MailboxId, RelayId};
use karvon_protocol::invite::Invitation;
use proptest::prelude::*;

fn invitation(addr: RelayAddr) -> Invitation {
    Invitation::new(person(1).fingerprint(), RelayId([4; 16]), addr, &mut rng(1))
}

fn addresses() -> [RelayAddr; 3] {
    [
        RelayAddr::Ip("203.0.113.9:443".parse().unwrap()),
        RelayAddr::Ip("[2001:db8::7]:65535".parse().unwrap()),
        RelayAddr::Sni([203, 0, 113, 9].into(), "a-long-name.example1".to_owned()),
    ]
}

#[test]
fn an_identity_comes_back_from_the_store_and_damage_is_noticed() {
    let me = person(1);
    let stored = me.encode();
    let back = LocalIdentity::decode(&stored).unwrap();
    assert_eq!(back.encode(), stored);
    assert_eq!(back.fingerprint(), Fingerprint::of(me.account_key()));
    for at in (0..1).chain(17..stored.len()) {
        let mut bent = stored.to_vec();
        bent[at] ^= 1;
        // The lowest bits of an X25519 secret are cleared before use, so bending one of them changes nothing.
        let cleared = at == 1 + 16 + 64;
        assert_eq!(LocalIdentity::decode(&bent).is_some(), cleared, "byte {at}");
    }
    assert!(LocalIdentity::decode(&stored[..stored.len() - 1]).is_none());
    assert!(LocalIdentity::decode(&[&stored[..], &[0]].concat()).is_none());
}

#[test]
fn a_certificate_bent_anywhere_is_refused() {
    let cert = person(1).cert().encode();
    assert_eq!(RemoteIdentity::decode(&cert).unwrap().encode(), cert);
    for at in 0..cert.len() {
        let mut bent = cert.clone();
        bent[at] ^= 1;
        assert!(RemoteIdentity::decode(&bent).is_err(), "byte {at}");
    }
    assert_eq!(RemoteIdentity::decode(&cert[1..]), Err(PeerFault::Length));
}

#[test]
fn the_same_recovery_code_leads_to_the_same_person_on_a_new_device() {
    let old = LocalIdentity::from_stretched(&[1; 16], &[2; 32], &mut rng(1));
    let new = LocalIdentity::from_stretched(&[1; 16], &[2; 32], &mut rng(2));
    assert_eq!(old.fingerprint(), new.fingerprint());
    assert_ne!(old.cert().sign, new.cert().sign);
    assert_ne!(old.cert().dh, new.cert().dh);
    assert_ne!(old.cert().device, new.cert().device);
}

#[test]
fn safety_numbers_are_sixty_digits_and_the_same_on_both_sides() {
    let (ali, bob, eve) = (person(1), person(2), person(3));
    let number = safety_number(ali.account_key(), bob.account_key());
    assert_eq!(number, safety_number(bob.account_key(), ali.account_key()));
    assert_eq!(number.len(), 60);
    assert!(number.bytes().all(|digit| digit.is_ascii_digit()));
    assert_ne!(number, safety_number(ali.account_key(), eve.account_key()));
}

#[test]
fn misread_recovery_codes_are_mostly_noticed() {
    let code = recovery_code(&[0xd7; 16]);
    let mut noticed = 0;
    let mut tried = 0;
    for (at, digit) in code.bytes().enumerate().filter(|(_, digit)| digit.is_ascii_digit()) {
        for other in (b'0'..=b'9').filter(|other| *other != digit) {
            let mut bent = code.as_bytes().to_vec();
            bent[at] = other;
            tried += 1;
            noticed += usize::from(recovery_root(core::str::from_utf8(&bent).unwrap()).is_none());
        }
    }
    assert_eq!(tried, 360);
    assert!(noticed * 10 > tried * 9, "{noticed} of {tried}");
    for wrong in ["", "12345", &"9".repeat(40), &"0".repeat(41), "x", &code.replace(' ', "/")] {
        assert!(recovery_root(wrong).is_none(), "{wrong}");
    }
}

#[test]
fn a_recovery_code_above_132_bits_is_refused() {
    // 2^132 plus the code of a root of zeros: the same lower bits, so the check alone would accept it.
    let code = recovery_code(&[0; 16]);
    let check: u32 = code[code.len() - 2..].parse().unwrap();
    let above = format!("544451787073501541541399371890829138{}", 3_296 + check);
    assert_eq!(above.len(), 40);
    assert!(recovery_root(&above).is_none());
    assert_eq!(*recovery_root(&code).unwrap(), [0; 16]);
}

#[test]
fn a_long_invitation_names_two_to_five_doors_with_one_slot_and_key() {
    let mut long = invitation(addresses()[2].clone());
    let short = long.to_text(true);
    long.others = (1..5).map(|number| (RelayId([number; 16]), addresses()[2].clone())).collect();
    let text = long.to_text(true);
    assert!(text.len() <= 415, "{}", text.len());
    assert_eq!(Invitation::from_text(&text), Ok(long.clone()));
    assert_eq!(long.short().to_text(true), short);
    let doors = long.doors();
    assert_eq!(doors.len(), 5);
    assert!(doors.iter().all(|door| door.slot == doors[0].slot && door.key == doors[0].key));
    assert_eq!(doors[4].relay, RelayId([4; 16]));
    // Letters at the end are missing, or one is another: damaged, never something else.
    for at in 7..text.len() - 1 {
        assert_eq!(Invitation::from_text(&text[..at]), Err(ErrorKind::InviteDamaged), "{at} letters");
    }
    // A number of doors that does not fit, behind a right check.
    let forged = |count: u8| {
        let mut raw = data_encoding::BASE32_NOPAD.decode(text["KARVON:".len()..].as_bytes()).unwrap();
        raw.truncate(raw.len() - 2);
        raw[37] = count;
        let check = blake3::hash(&raw);
        raw.extend_from_slice(&check.as_bytes()[..2]);
        data_encoding::BASE32_NOPAD.encode(&raw)
    };
    for count in [0, 1, 4, 6, 255] {
        assert_eq!(Invitation::from_text(&forged(count)), Err(ErrorKind::InviteDamaged), "{count} doors");
    }
    assert_eq!(Invitation::from_text(&forged(5)), Ok(long));
}

#[test]
fn invitations_are_as_short_as_promised_and_forgive_small_hands() {
    for (addr, length) in addresses().into_iter().zip([105, 124, 135]) {
        let invitation = invitation(addr);
        let text = invitation.to_text(true);
        assert_eq!(text.len(), length);
        assert_eq!(*invitation.to_text(false), text["KARVON:".len()..]);
        let grouped: Vec<_> =
            text.as_bytes().chunks(5).map(|group| core::str::from_utf8(group).unwrap()).collect();
        for form in [
            text.to_string(),
            text["KARVON:".len()..].to_owned(),
            format!("  {}\r\n", text.to_lowercase()),
            grouped.join(" "),
            grouped.join("-\n\u{a0}"),
        ] {
            assert_eq!(Invitation::from_text(&form), Ok(invitation.clone()), "{form}");
        }
    }
}

#[test]
fn a_misread_letter_of_an_invitation_is_noticed() {
    let text = invitation(addresses()[0].clone()).to_text(false).to_string();
    for at in 0..text.len() {
        let mut bent = text.clone().into_bytes();
        bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
        let bent = String::from_utf8(bent).unwrap();
        assert_eq!(Invitation::from_text(&bent), Err(ErrorKind::InviteDamaged), "letter {at}");
    }
    let long = "A".repeat(100_000);
    for damaged in ["", "KARVON:", "KARVON", "hello", "Салом", &text[1..], &text[..100 - 7], &long] {
        assert_eq!(Invitation::from_text(damaged), Err(ErrorKind::InviteDamaged), "{damaged}");
    }
}

#[test]
fn invitations_of_later_formats_say_so() {
    let newer = |head: u8| {
        let mut raw = vec![head];
        raw.extend_from_slice(&[1; 70]);
        let check = blake3::hash(&raw);
        raw.extend_from_slice(&check.as_bytes()[..2]);
        data_encoding::BASE32_NOPAD.encode(&raw)
    };
    assert_eq!(Invitation::from_text(&newer(0x10)), Err(ErrorKind::InviteNewer));
    assert_eq!(Invitation::from_text(&newer(0x0f)), Err(ErrorKind::InviteNewer));
    assert_eq!(Invitation::from_text(&newer(0x00)), Err(ErrorKind::InviteDamaged));
}

#[test]
fn what_follows_from_an_invitation_is_the_same_on_both_sides_and_all_different() {
    let ours = invitation(addresses()[0].clone());
    let theirs = Invitation::from_text(&ours.to_text(true)).unwrap();
    let (a, b) = (ours.keys(), theirs.keys());
    assert_eq!((&a.door, a.locator, &a.bundle_key, a.tags), (&b.door, b.locator, &b.bundle_key, b.tags));
    let distinct: std::collections::HashSet<_> = a.tags.iter().collect();
    assert_eq!(distinct.len(), 4);
    assert_ne!(a.locator.0, *a.bundle_key);
    assert_ne!(*a.door.key, *a.bundle_key);
    let other = Invitation::new(ours.who, ours.relay, ours.addr.clone(), &mut rng(2)).keys();
    assert_ne!(other.locator, a.locator);
}

#[test]
fn prekeys_come_back_from_the_store_and_fit_one_record() {
    let (bundle, prekeys) = bundle_of(&person(2), 3);
    let stored = prekeys.encode();
    assert!(stored.len() <= 1_852, "{}", stored.len());
    assert_eq!(Prekeys::decode(&stored).unwrap().bundle(), &bundle);
    assert_eq!(Prekeys::decode(&stored).unwrap().encode(), stored);
    let mut mixed = stored.to_vec();
    mixed[40] ^= 0x10;
    assert!(Prekeys::decode(&mixed).is_none());
    let (_, others) = bundle_of(&person(2), 4);
    let swapped = [&stored[..129], others.bundle().bytes()].concat();
    assert!(Prekeys::decode(&swapped).is_none());
}

#[test]
fn a_bundle_bent_anywhere_is_refused() {
    let (bundle, _) = bundle_of(&person(2), 3);
    for at in 0..bundle.bytes().len() {
        let mut bent = bundle.bytes().to_vec();
        bent[at] ^= 1;
        assert!(Bundle::verify(&bent).is_err(), "byte {at}");
    }
    assert!(Bundle::verify(&[bundle.bytes(), &[0]].concat()).is_err());
    assert_eq!(Bundle::verify(&[]).err(), Some(PeerFault::Length));
}

#[test]
fn the_largest_mailbox_descriptor_fits_a_bundle_object() {
    let five = MailboxDescriptor {
        seq: u64::MAX,
        mailboxes: (0..5).map(|n| (RelayId([n; 16]), MailboxId([n; 16]))).collect(),
    };
    let (bundle, _) = Bundle::make(&person(2), &five, &mut rng(1)).unwrap();
    let keys = invitation(addresses()[0].clone()).keys();
    let owner = LocalSignKey::from_seed(&[5; 32]);
    assert!(BundleObject::seal(&keys, &bundle, &owner, 1, 2, &mut rng(1)).is_ok());
    assert_eq!(Bundle::verify(bundle.bytes()).unwrap().mailboxes(), &five);
    let six = MailboxDescriptor { mailboxes: [five.mailboxes.as_slice(); 2].concat(), seq: 1 };
    assert_eq!(Bundle::make(&person(2), &six, &mut rng(1)).err(), Some(PeerFault::Bound));
}

#[test]
fn a_bundle_object_is_checked_by_relays_and_opened_by_the_invited_only() {
    let (bob, eve) = (person(2), person(3));
    let (bundle, _) = bundle_of(&bob, 3);
    let keys = invitation(addresses()[0].clone()).keys();
    let owner = LocalSignKey::from_seed(&[5; 32]);
    let object = BundleObject::seal(&keys, &bundle, &owner, 7, 1_800_000_000, &mut rng(9)).unwrap();
    assert_eq!(object.bytes().len(), OBJECT_BYTES);

    let seen = BundleObject::verify(object.bytes()).unwrap();
    assert_eq!(seen, object);
    assert_eq!((seen.locator, seen.seq, seen.expiry_s), (keys.locator, 7, 1_800_000_000));
    let opened = seen.open(&keys.bundle_key, &bob.fingerprint()).unwrap();
    assert_eq!(opened, Opened::Bundle(Box::new(bundle)));
    assert_eq!(seen.open(&keys.bundle_key, &eve.fingerprint()), Err(PeerFault::Mismatch));
    assert_eq!(seen.open(&[0; 32], &bob.fingerprint()), Err(PeerFault::Decrypt));

    for at in 0..OBJECT_BYTES {
        let mut bent = object.bytes().to_vec();
        bent[at] ^= 1;
        assert!(BundleObject::verify(&bent).is_err(), "byte {at}");
    }
    assert_eq!(BundleObject::verify(&object.bytes()[1..]), Err(PeerFault::Length));
}

#[test]
fn a_body_moved_into_another_object_does_not_open() {
    let bob = person(2);
    let (bundle, _) = bundle_of(&bob, 3);
    let keys = invitation(addresses()[0].clone()).keys();
    let eve = LocalSignKey::from_seed(&[6; 32]);
    let owner = LocalSignKey::from_seed(&[5; 32]);
    let object = BundleObject::seal(&keys, &bundle, &owner, 7, 1, &mut rng(9)).unwrap();
    // Another owner signs the same body with a higher sequence number.
    let other = BundleObject::seal(&keys, &bundle, &eve, 8, 1, &mut rng(9)).unwrap();
    let mut moved = [&other.bytes()[..81], &object.bytes()[81..81 + OBJECT_BODY_BYTES]].concat();
    let signature = eve.sign("karvon/1 object", &moved);
    moved.extend_from_slice(&signature);
    let moved = BundleObject::verify(&moved).unwrap();
    assert_eq!(moved.open(&keys.bundle_key, &bob.fingerprint()), Err(PeerFault::Decrypt));
}

#[test]
fn only_the_inviter_can_bury_an_invitation() {
    let (bob, eve) = (person(2), person(3));
    let keys = invitation(addresses()[0].clone()).keys();
    let owner = LocalSignKey::from_seed(&[5; 32]);
    for (why, told) in [(Tombstone::Used, Opened::Used), (Tombstone::Revoked, Opened::Revoked)] {
        let object = BundleObject::tombstone(&keys, why, &bob, &owner, 8, 9, &mut rng(9)).unwrap();
        let seen = BundleObject::verify(object.bytes()).unwrap();
        assert_eq!(seen.open(&keys.bundle_key, &bob.fingerprint()), Ok(told));
        let forged = BundleObject::tombstone(&keys, why, &eve, &owner, 8, 9, &mut rng(9)).unwrap();
        assert_eq!(forged.open(&keys.bundle_key, &bob.fingerprint()), Err(PeerFault::Mismatch));
    }
}

/// An object with contents of the test's choosing, sealed and signed as it should be.
fn object_with(inside: impl Fn(&[u8]) -> Vec<u8>) -> BundleObject {
    let keys = invitation(addresses()[0].clone()).keys();
    let owner = LocalSignKey::from_seed(&[5; 32]);
    let number = |n: u64| n.to_be_bytes();
    let head = [&[0][..], &keys.locator.0, &owner.public().0, &number(1), &number(2)].concat();
    let mut plain = inside(&head);
    plain.resize(OBJECT_BODY_BYTES - 24 - 16, 0);
    let sealed = xseal(&keys.bundle_key, &[8; 24], &head, &plain);
    let mut bytes = [&head[..], &[8; 24], &sealed].concat();
    let signature = owner.sign("karvon/1 object", &bytes);
    bytes.extend_from_slice(&signature);
    BundleObject::verify(&bytes).unwrap()
}

#[test]
fn objects_that_break_the_format_inside_are_refused() {
    let bob = person(2);
    let keys = invitation(addresses()[0].clone()).keys();
    let open = |object: BundleObject| object.open(&keys.bundle_key, &bob.fingerprint());
    let (bundle, _) = bundle_of(&bob, 3);
    let length = |content: &[u8]| (content.len() as u16).to_be_bytes();
    let fair = [&[0][..], &length(bundle.bytes()), bundle.bytes()].concat();
    assert!(matches!(open(object_with(|_| fair.clone())), Ok(Opened::Bundle(_))));
    assert_eq!(open(object_with(|_| [&fair[..], &[0, 1]].concat())), Err(PeerFault::Padding));
    assert_eq!(open(object_with(|_| vec![0, 0xff, 0xff])), Err(PeerFault::Length));
    assert_eq!(open(object_with(|_| vec![9, 0, 0])), Err(PeerFault::Malformed));
    // A tombstone with the inviter's certificate, signed by somebody else, or for another object or reason.
    let eve = LocalSignKey::from_seed(&[6; 32]);
    let buried = |signature: [u8; 64]| {
        let content = [&bob.cert().encode()[..], &signature].concat();
        [&[1][..], &length(&content), &content].concat()
    };
    let forged = object_with(|head| buried(eve.sign("karvon/1 tombstone", &[head, &[1]].concat())));
    assert_eq!(open(forged), Err(PeerFault::Signature));
    let sign = LocalSignKey::from_seed(bob.encode()[49..81].try_into().unwrap());
    let honest = object_with(|head| buried(sign.sign("karvon/1 tombstone", &[head, &[1]].concat())));
    assert_eq!(open(honest), Ok(Opened::Used));
    let elsewhere = object_with(|_| buried(sign.sign("karvon/1 tombstone", &[&[0; 81][..], &[1]].concat())));
    assert_eq!(open(elsewhere), Err(PeerFault::Signature));
    let other_reason = object_with(|head| buried(sign.sign("karvon/1 tombstone", &[head, &[2]].concat())));
    assert_eq!(open(other_reason), Err(PeerFault::Signature));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn every_root_comes_back_from_its_code(root: [u8; 16]) {
        let code = recovery_code(&root);
        prop_assert_eq!(code.len(), 47);
        prop_assert_eq!(*recovery_root(&code).unwrap(), root);
        prop_assert_eq!(*recovery_root(&code.replace(' ', "-")).unwrap(), root);
    }

    #[test]
    fn whatever_text_is_accepted_as_an_invitation_is_written_the_same_way(
        who: [u8; 20], relay: [u8; 16], seed: u64, kind in 0_usize..3, others in 0_usize..5,
    ) {
        let addr = addresses()[kind].clone();
        let mut invitation = Invitation::new(Fingerprint(who), RelayId(relay), addr, &mut rng(seed));
        let further = addresses().into_iter().cycle().skip(kind).zip(1..);
        invitation.others = further.take(others).map(|(addr, number)| (RelayId([number; 16]), addr)).collect();
        let text = invitation.to_text(true);
        let read = Invitation::from_text(&text).unwrap();
        prop_assert_eq!(&read, &invitation);
        prop_assert_eq!(read.to_text(true), text);
    }

    #[test]
    fn foreign_bytes_are_errors_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_400), text: String) {
        prop_assert!(Bundle::verify(&bytes).is_err());
        prop_assert!(BundleObject::verify(&bytes).is_err());
        prop_assert!(RemoteIdentity::decode(&bytes).is_err());
        prop_assert!(LocalIdentity::decode(&bytes).is_none());
        prop_assert!(Prekeys::decode(&bytes).is_none());
        prop_assert!(Invitation::from_text(&text).is_err());
        prop_assert!(recovery_root(&text).is_none());
        let raw = data_encoding::BASE32_NOPAD.encode(&[&bytes[..], &blake3::hash(&bytes).as_bytes()[..2]].concat());
        if let Ok(read) = Invitation::from_text(&raw) {
            prop_assert_eq!(&read.to_text(false)[..], &raw[..]);
        }
    }
}

#[test]
fn mailboxes_ride_in_the_bundle() {
    let (bundle, _) = bundle_of(&person(2), 3);
    assert_eq!(Bundle::verify(bundle.bytes()).unwrap().mailboxes(), &mailboxes());
}
