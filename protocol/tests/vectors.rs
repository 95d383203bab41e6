//! Frozen answers for every label, key, cell and object: a change of the wire format can not happen unnoticed.
//!
//! `UPDATE_VECTORS=1 cargo test -p karvon-protocol --test vectors` writes them anew; that is a new format and needs a new network
//! version (DESIGN P2). Each file holds lines `name = hexadecimal or text`. Secrets are given, so a second implementation can open
//! everything in them.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{mailboxes, person, rng};
use data_encoding::HEXLOWER;
use karvon_protocol::address::Address;
use karvon_protocol::body::{Ack, Body, Content, Payload, Report, Resume};
use karvon_protocol::bundle::{Bundle, BundleObject, Prekeys, Tombstone};
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::channel::entry::{Entry, SignedEntry};
use karvon_protocol::channel::link::ChannelLink;
use karvon_protocol::core::Mono;
use karvon_protocol::crypto::kdf::derive;
use karvon_protocol::crypto::labels;
use karvon_protocol::crypto::{LocalDhKey, LocalSignKey};
use karvon_protocol::descriptor::RelayAddr;
use karvon_protocol::engine::api::ContactId;
use karvon_protocol::group::log::Log;
use karvon_protocol::group::op::{Act, Member, Op, Role};
use karvon_protocol::group::post::Post;
use karvon_protocol::group::seed::{Announced, Call, Seed};
use karvon_protocol::handout::mark;
use karvon_protocol::handshake::{initiate, respond};
use karvon_protocol::identity::{LocalIdentity, recovery_code, safety_number};
use karvon_protocol::ids::{CellHash, EntryId, Fingerprint, GroupId, MailboxId, MessageId, RelayId, Tag};
use karvon_protocol::invite::Invitation;
use karvon_protocol::lan::LanKeys;
use karvon_protocol::lan::finder::Finder;
use karvon_protocol::lan::message::Message;
use karvon_protocol::lan::session::UNIT_BYTES;
use karvon_protocol::session::Session;
use karvon_protocol::tags::nth_of_class;
use karvon_protocol::work::Puzzle;
use rand_chacha::rand_core::Rng as _;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// One file of vectors.
struct Vectors {
    path: PathBuf,
    text: String,
}

impl Vectors {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
        Self { path, text: String::new() }
    }

    fn text(&mut self, name: &str, value: &str) {
        writeln!(self.text, "{name} = {value}").unwrap();
    }

    fn bytes(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.text(name, &HEXLOWER.encode(value.as_ref()));
    }

    fn check(self) {
        if std::env::var_os("UPDATE_VECTORS").is_some() {
            std::fs::create_dir_all(self.path.parent().unwrap()).unwrap();
            std::fs::write(&self.path, &self.text).unwrap();
        }
        let frozen = std::fs::read_to_string(&self.path).unwrap();
        for (now, then) in self.text.lines().zip(frozen.lines()) {
            assert_eq!(now, then, "{}", self.path.display());
        }
        assert_eq!(self.text.lines().count(), frozen.lines().count());
    }
}

/// The frozen lines of a file, decoded.
fn frozen(name: &str) -> BTreeMap<String, Vec<u8>> {
    let text = std::fs::read_to_string(Vectors::new(name).path).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(" = "));
    lines
        .filter_map(|(name, value)| Some((name.to_owned(), HEXLOWER.decode(value.as_bytes()).ok()?)))
        .collect()
}

fn invitation() -> Invitation {
    let addr = RelayAddr::Ip("203.0.113.9:443".parse().unwrap());
    Invitation::new(person(2).fingerprint(), RelayId([4; 16]), addr, &mut rng(1))
}

fn bundle() -> (Bundle, Prekeys) {
    Bundle::make(&person(2), &mailboxes(), &mut rng(2)).unwrap()
}

fn greeting() -> (Cell, Session, Session) {
    let (bundle, prekeys) = bundle();
    let tag = invitation().keys().tags[0];
    let (cell, ours) = initiate(&person(1), &bundle, tag, b"Salom, Bob", &mut rng(3)).unwrap();
    let (_, theirs, _) = respond(&person(2), &prekeys, &cell).unwrap();
    (cell, ours, theirs)
}

#[test]
fn a_published_address_and_its_proof_of_work_are_frozen() {
    let relays = vec![RelayId([4; 16]), RelayId([5; 16]), RelayId([6; 16])];
    let address = Address { who: person(2).fingerprint(), secret: [8; 16], relays };
    let mut out = Vectors::new("address.txt");
    out.text("text", &address.to_text());
    out.bytes("fingerprint", address.who.0);
    out.bytes("secret", address.secret);
    out.bytes("locator", address.locator().0);
    out.bytes("bundle key", *address.bundle_key());
    out.bytes("r", [9; 8]);
    out.bytes("tag", address.tag([9; 8]).0);
    out.bytes("asker", person(1).fingerprint().0);
    out.bytes("talk secret", *address.talk_secret(&person(1).fingerprint()));

    let mut bytes = vec![3; Class::S.bytes()];
    let outer = Cell::outer(Class::S, &Tag([2; 16]), 0);
    bytes[..outer.len()].copy_from_slice(&outer);
    let cell = Cell::parse(bytes).unwrap();
    let puzzle = Puzzle::new(MailboxId([1; 16]), &[2; 16], &cell, 6);
    let answer = puzzle.search(0, 10_000).unwrap().unwrap();
    out.bytes("mailbox", [1; 16]);
    out.bytes("nonce", [2; 16]);
    out.bytes("cell", cell.bytes());
    out.bytes("salt", puzzle.salt());
    out.bytes("answer", answer.to_be_bytes());
    out.bytes("work", puzzle.work(answer).unwrap());
    out.check();
}

#[test]
fn labels_are_frozen() {
    let mut out = Vectors::new("labels.txt");
    for label in [
        labels::ACCOUNT,
        labels::INVITE_SLOT,
        labels::INVITE_DOOR,
        labels::INVITE_LOCATOR,
        labels::INVITE_BUNDLE,
        labels::INVITE_TAGS,
        labels::ADDRESS_LOCATOR,
        labels::ADDRESS_BUNDLE,
        labels::ADDRESS_MARK,
        labels::ADDRESS_TALK,
        labels::HX1_ID,
        labels::HX1_KEYS,
        labels::DR_ROOT,
        labels::DR_MSG,
        labels::TAG_NEXT,
        labels::RESET_TAGS,
        labels::PAIR,
        labels::BEACON,
        labels::LAN,
        labels::PQ_CHAIN,
        labels::GROUP_CALL,
        labels::GROUP_SEED,
        labels::GROUP_CHAIN,
        labels::GROUP_MSG,
        labels::GROUP_SLOT,
        labels::CHANNEL,
    ] {
        out.bytes(&format!("hkdf {label}"), *derive::<32>(&[1; 32], &[2; 32], label));
    }
    for label in [
        labels::SIGN_DEVICE,
        labels::SIGN_BUNDLE,
        labels::SIGN_OBJECT,
        labels::SIGN_TOMBSTONE,
        labels::SIGN_BEACON,
        labels::SIGN_GROUP_POST,
        labels::SIGN_GROUP_SEED,
        labels::SIGN_GROUP_RECEIPT,
        labels::SIGN_CHANNEL,
    ] {
        out.bytes(&format!("ed25519 {label}"), LocalSignKey::from_seed(&[3; 32]).sign(label, b"message"));
    }
    for label in
        [labels::RECOVERY_CHECK, labels::SAFETY, labels::HX1_T0, labels::HX1_T1, labels::CONVERSATION]
    {
        out.bytes(&format!("blake3 {label}"), blake3::derive_key(label, b"material"));
    }
    out.text("argon2id salt", labels::ROOT_SALT);
    out.text("hkdf salt of invitations", labels::INVITE_SALT);
    out.text("hkdf salt of gifts", labels::RESET_SALT);
    out.check();
}

#[test]
fn identities_are_frozen() {
    let mut out = Vectors::new("identity.txt");
    for number in [1, 2] {
        let me = person(number);
        out.bytes(&format!("root {number}"), &me.root()[..]);
        out.bytes(&format!("stretched {number}"), [number; 32]);
        out.bytes(&format!("stored {number}"), me.encode());
        out.bytes(&format!("certificate {number}"), me.cert().encode());
        out.bytes(&format!("fingerprint {number}"), me.fingerprint().0);
    }
    out.text("safety number", &safety_number(person(1).account_key(), person(2).account_key()));
    for root in [[0; 16], [0xff; 16], core::array::from_fn(|at| at as u8)] {
        out.text(&format!("recovery code {}", HEXLOWER.encode(&root)), &recovery_code(&root));
    }
    out.check();
}

#[test]
fn invitations_are_frozen() {
    let mut out = Vectors::new("invitation.txt");
    let addresses = [
        RelayAddr::Ip("203.0.113.9:443".parse().unwrap()),
        RelayAddr::Ip("[2001:db8::7]:4433".parse().unwrap()),
        RelayAddr::Sni([203, 0, 113, 9].into(), "example.org".to_owned()),
    ];
    for (kind, addr) in addresses.into_iter().enumerate() {
        let invitation = Invitation { addr, ..invitation() };
        out.text(&format!("text {kind}"), &invitation.to_text(true));
    }
    let invitation = invitation();
    let keys = invitation.keys();
    out.bytes("fingerprint", invitation.who.0);
    out.bytes("secret", &invitation.secret[..]);
    out.bytes("relay", invitation.relay.0);
    out.bytes("slot id", keys.door.slot.0);
    out.bytes("slot key", &keys.door.key[..]);
    out.bytes("locator", keys.locator.0);
    out.bytes("bundle key", &keys.bundle_key[..]);
    for (number, tag) in keys.tags.iter().enumerate() {
        out.bytes(&format!("tag {number}"), tag.0);
    }
    out.check();
}

#[test]
fn bundles_and_their_objects_are_frozen() {
    let mut out = Vectors::new("bundle.txt");
    let (bundle, prekeys) = bundle();
    let keys = invitation().keys();
    let owner = LocalSignKey::from_seed(&[5; 32]);
    out.bytes("bundle", bundle.bytes());
    out.bytes("prekeys", prekeys.encode());
    out.bytes("owner seed", owner.seed());
    let object = BundleObject::seal(&keys, &bundle, &owner, 1, 1_800_000_000, &mut rng(4)).unwrap();
    out.bytes("object", object.bytes());
    for (name, why) in [("used", Tombstone::Used), ("revoked", Tombstone::Revoked)] {
        let me = person(2);
        let object = BundleObject::tombstone(&keys, why, &me, &owner, 2, 1_800_000_000, &mut rng(5)).unwrap();
        out.bytes(name, object.bytes());
    }
    out.check();
}

#[test]
fn the_greeting_is_frozen() {
    let mut out = Vectors::new("greeting.txt");
    let (cell, ours, theirs) = greeting();
    out.text("payload", "Salom, Bob");
    out.bytes("cell", cell.bytes());
    out.bytes("session of the initiator", ours.encode());
    out.bytes("session of the responder", theirs.encode());
    out.check();
}

#[test]
fn cells_tags_and_message_ids_are_frozen() {
    let mut out = Vectors::new("session.txt");
    let (_, mut ours, mut theirs) = greeting();
    for class in Class::ALL {
        let payload = format!("a cell of class {class:?}");
        let cell = ours.seal(class, nth_of_class(class, 0), payload.as_bytes(), &mut rng(6)).unwrap();
        assert_eq!(theirs.open(&cell).unwrap().as_slice(), payload.as_bytes());
        // The larger ones by their hash, to keep the file small.
        if class == Class::S {
            out.bytes("first cell of the initiator", cell.bytes());
        } else {
            out.text(&format!("BLAKE3 of cell {class:?}"), blake3::hash(cell.bytes()).to_hex().as_str());
        }
    }
    let answer = theirs.seal(Class::S, 0, b"an answer", &mut rng(7)).unwrap();
    ours.open(&answer).unwrap();
    out.bytes("first cell of the responder", answer.bytes());
    let turn = ours.seal(Class::S, 1, b"after a turn", &mut rng(8)).unwrap();
    theirs.open(&turn).unwrap();
    out.bytes("second chain of the initiator", turn.bytes());
    for index in [0, 1, 63, 64, 65, 1_000] {
        out.bytes(&format!("tag {index} of the initiator"), ours.send_tags().tag(index).unwrap().0);
        out.bytes(&format!("tag {index} of the responder"), ours.receive_tags().tag(index).unwrap().0);
    }
    let conversation = blake3::derive_key(labels::CONVERSATION, &invitation().secret[..]);
    for seq in [0, 1, 1_000_000] {
        for (by_initiator, who) in [(true, "initiator"), (false, "responder")] {
            let id = MessageId::of(&conversation, by_initiator, seq);
            out.bytes(&format!("message {seq} of the {who}"), id.0);
        }
    }
    out.bytes("session of the responder", theirs.encode());
    out.check();
}

/// The text of an entry or of a message to a group.
fn text_body(text: &str) -> Vec<u8> {
    Body::text(1_800_000_000_000, text).encode()
}

#[test]
fn groups_are_frozen() {
    let mut out = Vectors::new("group.txt");
    let keys = [1_u8, 2].map(|n| LocalSignKey::from_seed(&[n; 32]));
    let leaves = [11_u8, 12].map(|n| LocalDhKey::from_bytes(&[n; 32]));
    let member = |n: usize, name: &str| Member {
        key: keys[n].public().0,
        leaf: leaves[n].public().0,
        who: person(n as u8 + 1).fingerprint(),
        name: name.into(),
    };
    let (ali, bob) = (member(0, "Ali"), member(1, "Bob"));
    let act = Act::Create { founder: ali.clone(), name: "Brigade".into(), salt: [5; 16], shard: 3 };
    let op = Op { group: GroupId([0; 16]), parents: Vec::new(), author: ali.id(), act };
    let founding = op.sign(&keys[0]);
    let mut log = Log::found(founding.clone()).unwrap();
    let consent = bob.consent(log.group(), &keys[1]);
    let added = log.next(ali.id(), Act::Add { member: bob.clone(), role: Role::Member, consent });
    let added = added.sign(&keys[0]);
    log.take(added.clone()).unwrap();
    for (name, signed) in [("founding", &founding), ("added", &added)] {
        out.bytes(&format!("{name} operation"), signed.bytes());
        out.bytes(&format!("{name} operation's id"), signed.id().0);
    }
    out.bytes("group", log.group().0);
    out.bytes("Ali's member id", ali.id().0);
    out.bytes("Bob's member id", bob.id().0);
    let call = Call::of(&log);
    out.bytes("detect key of announcements", *call.detect);
    let (mut seed, announcement) = Seed::issue(&log, ali.id(), &keys[0], &mut rng(3)).unwrap();
    out.bytes("announcement", &announcement);
    out.bytes("announcement's cell", call.seal(3, &announcement, &mut rng(4)).unwrap().bytes());
    out.bytes("detect key of the seed", seed.detect());
    let view = log.heads();
    let body = text_body("Пагоҳ соати 7");
    let post = Post { group: log.group(), author: ali.id(), seq: 1, base: 1, view, body };
    let signed = post.sign(&keys[0]);
    out.bytes("message", &signed);
    out.bytes("message's id", post.id().0);
    let cell = seed.seal(3, ali.id(), &signed, &mut rng(5)).unwrap();
    out.bytes("message's cell", cell.bytes());
    out.check();

    // Bob, who has the log and the announcement, opens what was frozen.
    let frozen = frozen("group.txt");
    let read = Seed::read(&frozen["announcement"], &log, bob.id(), &leaves[1]).unwrap();
    let Announced::Seed(mut held) = read else { panic!("{read:?}") };
    let (author, opened) = held.open(&Cell::parse(frozen["message's cell"].clone()).unwrap()).unwrap();
    assert_eq!((author, opened.to_vec()), (ali.id(), frozen["message"].clone()));
}

#[test]
fn channels_are_frozen() {
    let mut out = Vectors::new("channel.txt");
    let key = LocalSignKey::from_seed(&[5; 32]);
    let link = ChannelLink { owner: key.public().0, secret: [6; 16], shard: 3 };
    out.text("link", &link.encode());
    out.bytes("channel", link.id().0);
    out.bytes("detect key", *link.call().detect);
    let entry = |seq, before, text| {
        let (channel, name) = (link.id(), "Jobs".into());
        Entry { channel, seq, before, name, body: text_body(text) }.sign(&key)
    };
    let first = entry(1, EntryId([0; 32]), "one");
    let second = entry(2, first.id, "two");
    for (name, signed) in [("first", &first), ("second", &second)] {
        out.bytes(&format!("{name} entry"), &signed.bytes);
        out.bytes(&format!("{name} entry's id"), signed.id.0);
        out.bytes(&format!("{name} message's id"), signed.entry.message_id().0);
    }
    let file = Content::File { name: "a.txt".into(), media: "text/plain".into(), data: b"bricks".to_vec() };
    let (channel, name) = (link.id(), "Jobs".into());
    let third =
        Entry { channel, seq: 3, before: second.id, name, body: Body::new(5, file).encode() }.sign(&key);
    out.bytes("entry with a file", &third.bytes);
    let copy = Content::Entry { owner: link.owner, entry: first.bytes.clone() };
    out.bytes("body that passes the first on", Body { forwarded: true, ..Body::new(6, copy) }.encode());
    out.bytes("cell of the first", link.call().seal(3, &first.bytes, &mut rng(7)).unwrap().bytes());
    out.check();
    let frozen = frozen("channel.txt");
    let cell = Cell::parse(frozen["cell of the first"].clone()).unwrap();
    let opened = link.call().open(&cell).unwrap();
    assert_eq!(SignedEntry::open(&opened, link.id(), &link.owner), Ok(first.clone()));
    let passed_on = Body::decode(&frozen["body that passes the first on"]).unwrap();
    assert_eq!(passed_on.content.copied(), Some(Ok(first)));
}

#[test]
fn the_post_quantum_ratchet_is_frozen() {
    let mut out = Vectors::new("post_quantum.txt");
    let (_, mut ours, mut theirs) = greeting();
    let mut turn = 0;
    let mut say = |from: &mut Session, to: &mut Session, name: &str| {
        let text = format!("this is the {name}");
        let cell = from.seal(Class::S, turn, text.as_bytes(), &mut rng(20 + turn)).unwrap();
        assert_eq!(to.open(&cell).unwrap().as_slice(), text.as_bytes());
        turn += 1;
        cell
    };
    out.bytes("key of epoch 1", say(&mut ours, &mut theirs, "key of epoch 1").bytes());
    // Its last 64 bytes are the seed of the key that is shown.
    out.bytes("session of the initiator, offering", ours.encode());
    out.bytes("ciphertext of epoch 1", say(&mut theirs, &mut ours, "ciphertext of epoch 1").bytes());
    out.bytes("session of the responder, answering", theirs.encode());
    let mixed = say(&mut ours, &mut theirs, "first cell that mixes epoch 1");
    out.bytes("first cell that mixes epoch 1", mixed.bytes());
    assert_eq!((ours.pq_epoch(), theirs.pq_epoch()), (1, 1));
    out.bytes("key of epoch 2", say(&mut theirs, &mut ours, "key of epoch 2").bytes());
    out.bytes("ciphertext of epoch 2", say(&mut ours, &mut theirs, "ciphertext of epoch 2").bytes());
    say(&mut theirs, &mut ours, "first cell that mixes epoch 2");
    assert_eq!((ours.pq_epoch(), theirs.pq_epoch()), (2, 2));
    out.bytes("session of the initiator at the end", ours.encode());
    out.check();
}

#[test]
fn payloads_and_bodies_are_frozen() {
    let mut out = Vectors::new("payload.txt");
    let id = MessageId(core::array::from_fn(|at| at as u8));
    let text = |text: &str| Body::text(1_700_000_000_000, text);
    let said = |content| Body::new(1_700_000_000_000, content);
    let door = Invitation {
        who: Fingerprint([1; 20]),
        secret: Zeroizing::new([2; 16]),
        relay: RelayId([3; 16]),
        addr: RelayAddr::Ip("192.0.2.7:443".parse().unwrap()),
        others: Vec::new(),
    };
    let door = door.keys().door;
    let file = |data| Content::File { name: "суратча.jpg".into(), media: "image/jpeg".into(), data };
    let bodies = [
        ("text", text("Салом")),
        ("forwarded text that disappears", Body { forwarded: true, expires_s: 60, ..text("a") }),
        ("reply", said(Content::Reply { to: id, text: "b".into() })),
        ("reaction", said(Content::Reaction { on: id, emoji: "👍".into() })),
        ("edit", said(Content::Edit { of: id, text: "c".into() })),
        ("delete", said(Content::Delete(id))),
        ("read", said(Content::Read(300))),
        ("typing", said(Content::Typing)),
        ("profile", said(Content::Profile("Ali".into()))),
        ("timer", said(Content::Timer { seconds: 3_600, number: 2 })),
        ("resend request", said(Content::ResendRequest(4, 70_000))),
        (
            "introduction",
            said(Content::Introduction { name: "Nigora".into(), invitation: "KARVON:A".into() }),
        ),
        ("nothing", Body::new(0, Content::Dummy)),
        ("void", said(Content::Void(4, u64::MAX))),
        ("file", said(file(vec![0xff, 0xd8, 0xff]))),
        ("door wish", said(Content::DoorWish(vec![mark(&[7; 32], RelayId([8; 16])), [9; 8]]))),
        ("door offer", said(Content::DoorOffer { door: door.to_text(), expiry_s: 1_800_000_000 })),
    ];
    for (name, body) in &bodies {
        out.bytes(&format!("body {name}"), body.encode());
    }
    let payload = Payload {
        ack: Some(Ack { below: 3, ranges: vec![(5, 6), (9, 9)] }),
        credit: Some(64),
        mailboxes: Some(mailboxes()),
        mailboxes_seen: Some(1),
        first_seq: 17,
        numbered: bodies[..2].iter().map(|(_, body)| body.clone()).collect(),
        loose: vec![bodies[8].1.clone()],
        reports: vec![Report { from: 4, count: 2, relays: vec![RelayId([1; 16]), RelayId([2; 16])] }],
        gift: Some(vec![7; 30]),
        resume: Some(Resume { generation: 2, line: 9, void_from: 3, void_to: 1 << 40 }),
        gift_seen: Some(6),
        ..Payload::default()
    };
    out.bytes("whole payload", payload.encode());
    out.bytes("empty payload", Payload::default().encode());
    out.check();
}

#[test]
fn what_a_local_network_sees_is_frozen() {
    let mut out = Vectors::new("lan.txt");
    let (pair, now) = ([7; 32], Mono(0));
    out.bytes("pair", pair);
    let device = |seed, port, initiator| {
        let mut rng = rng(seed);
        let keys = vec![(ContactId(1), LanKeys::new(&pair, initiator))];
        (Finder::new(port, keys, &mut rng, now), rng)
    };
    let (mut ali, mut dice) = device(31, 40_001, true);
    let (mut bob, mut others) = device(32, 50_002, false);
    let presence = ali.presence(&mut dice, now);
    out.bytes("presence of the initiator", &presence);
    let answer = bob.hear(&presence, &mut others, now).unwrap().answer.unwrap();
    out.bytes("answer of the responder", &answer);
    let found = ali.hear(&answer, &mut dice, now).unwrap().found[0];
    out.text("port of the responder", &found.port.to_string());
    let mut drawn = [0; 16 + 32];
    dice.clone().fill_bytes(&mut drawn);
    out.bytes("ephemeral secret of the initiator", &drawn[16..]);
    let (dialler, hello) = ali.dial(&found, &mut dice).unwrap();
    out.bytes("first unit of the initiator", &hello);
    let (_, taken) = bob.take(&hello, &mut others).unwrap();
    out.bytes("first unit of the responder", &taken.answer);
    let (mut there, mut here) = (dialler.finish(&taken.answer).unwrap(), taken.channel);
    let had = Message::Had { room: 512, numbers: vec![3, 4] };
    let bytes = [&Cell::outer(Class::S, &Tag([5; 16]), 0)[..], &[6; 2_030]].concat();
    let cell = Cell::parse(bytes).unwrap();
    let offer = Message::Offer(vec![cell.hash(), CellHash([8; 16])]);
    let carried = Message::Carried { until_day: 20_000, cell: cell.clone() };
    let cell = Message::Cell { number: 9, cell };
    for (name, message) in
        [("what is durable", had), ("cell", cell), ("offer", offer), ("carried cell", carried)]
    {
        out.bytes(&format!("{name}, inside"), message.encode());
        let sealed = there.seal(&message).unwrap();
        out.bytes(&format!("{name}, sealed by the initiator"), &sealed);
        let opened: Vec<_> = sealed.chunks(UNIT_BYTES).filter_map(|unit| here.open(unit).unwrap()).collect();
        assert_eq!(opened, [message]);
    }
    out.check();
}

/// `second_implementation.py` made these cells, from the frozen bundle and by the text of SPEC.md alone.
#[test]
fn cells_of_the_second_implementation_are_understood() {
    let (identity, bundle, foreign) = (frozen("identity.txt"), frozen("bundle.txt"), frozen("foreign.txt"));
    let bob = LocalIdentity::decode(&identity["stored 2"]).unwrap();
    let prekeys = Prekeys::decode(&bundle["prekeys"]).unwrap();
    let cell = |name: &str| Cell::parse(foreign[name].clone()).unwrap();
    let (who, mut session, payload) = respond(&bob, &prekeys, &cell("greeting")).unwrap();
    assert_eq!(payload[..], foreign["payload of the greeting"]);
    assert_eq!(Some(who.fingerprint()), Fingerprint::from_slice(&identity["fingerprint 1"]));
    for name in ["third cell", "second cell"] {
        assert_eq!(session.open(&cell(name)).unwrap()[..], foreign[&format!("payload of the {name}")]);
        assert!(session.open(&cell(name)).is_err(), "once");
    }
    // It carries a key of the post-quantum ratchet, which the next cell back answers.
    assert_eq!(Payload::decode(&foreign["payload of the third cell"]).unwrap().numbered.len(), 1);
}

#[test]
fn what_was_frozen_is_still_understood() {
    let (identity, bundle, greeting) = (frozen("identity.txt"), frozen("bundle.txt"), frozen("greeting.txt"));
    let bob = LocalIdentity::decode(&identity["stored 2"]).unwrap();
    let prekeys = Prekeys::decode(&bundle["prekeys"]).unwrap();
    let cell = Cell::parse(greeting["cell"].clone()).unwrap();
    let (who, session, payload) = respond(&bob, &prekeys, &cell).unwrap();
    assert_eq!(payload.as_slice(), b"Salom, Bob");
    assert_eq!(Some(who.fingerprint()), Fingerprint::from_slice(&identity["fingerprint 1"]));
    assert_eq!(session.encode()[..], greeting["session of the responder"]);

    let lines = frozen("session.txt");
    let mut session = Session::decode(&greeting["session of the responder"]).unwrap();
    let first = Cell::parse(lines["first cell of the initiator"].clone()).unwrap();
    assert_eq!(session.open(&first).unwrap().as_slice(), b"a cell of class S");
    assert_eq!(Tag::from_slice(&lines["tag 0 of the initiator"]), Some(first.tag()));
}
