//! The decoders under test. Each returns whether it accepted the input, and panics if what it accepted does not come out the same again.

use crate::seeds::{self, Seeds};
use data_encoding::BASE32_NOPAD;
use ed25519_dalek::Signer as _;
use karvon_protocol::backup::BackupState;
use karvon_protocol::body::{Body, MailboxDescriptor, Payload};
use karvon_protocol::bundle::{Bundle, BundleObject, OBJECT_BODY_BYTES, OBJECT_BYTES, Prekeys};
use karvon_protocol::bundle_file;
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::core::CellIndex;
use karvon_protocol::crypto::aead::{seal, xseal};
use karvon_protocol::crypto::kdf::{derive, hmac};
use karvon_protocol::crypto::labels::{DR_MSG, SIGN_BUNDLE, SIGN_OBJECT};
use karvon_protocol::crypto::{KEM_CIPHERTEXT_BYTES, KEM_KEY_BYTES, LocalDhKey, LocalSignKey};
use karvon_protocol::descriptor::{Descriptor, Door, SlotKey};
use karvon_protocol::engine::api::StoredMessage;
use karvon_protocol::gift::{Gift, OwnGift};
use karvon_protocol::handshake::respond;
use karvon_protocol::identity::{DeviceCert, LocalIdentity, recovery_code, recovery_root};
use karvon_protocol::ids::{MailboxId, MessageId, RelayId, TagPrefix};
use karvon_protocol::invite::Invitation;
use karvon_protocol::link::{Frame, Hello, Kind, open_payload, split_open};
use karvon_protocol::reach::{DialSeed, Dialled, Findings, Reach};
use karvon_protocol::rpc::{Push, Refusal, Reply, Request};
use karvon_protocol::session::Session;
use karvon_protocol::tunnel::{Initiator, Responder, onion_public};
use karvon_protocol::veil::frame as veil;
use karvon_protocol::veil::path::{DoorTable, ask};
use karvon_protocol::veil::tokens::Opening;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::sync::LazyLock;
use zeroize::Zeroizing;

/// One decoder.
pub struct Target {
    pub name: &'static str,
    /// Executions in a run of all tests.
    pub quick: u64,
    pub corpus: fn(&Seeds) -> Vec<Vec<u8>>,
    pub run: fn(&[u8]) -> bool,
}

static SEEDS: LazyLock<Seeds> = LazyLock::new(Seeds::new);

/// Bytes that were accepted must be the only form of what they say.
pub fn same(again: impl AsRef<[u8]>, input: &[u8]) -> bool {
    assert_eq!(again.as_ref(), input, "accepted another form");
    true
}

pub fn text(input: &[u8]) -> Option<&str> {
    core::str::from_utf8(input).ok()
}

/// Days since 1970 at which paths are made and admitted.
const DAY: u32 = 20_000;

fn veil_path(key: &SlotKey) -> String {
    ask(key, DAY, &[8; 12], &[]).path.to_string()
}

const DOOR_PREFIX: &str = "KARVON-DOOR:";

/// The bytes behind letters, without their check.
fn unchecked(letters: &str) -> Vec<u8> {
    let mut bytes = BASE32_NOPAD.decode(letters.as_bytes()).unwrap();
    bytes.truncate(bytes.len() - 2);
    bytes
}

/// Letters for bytes and their check.
fn checked(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(&[bytes, &blake3::hash(bytes).as_bytes()[..2]].concat())
}

fn invitation(text: &str) -> bool {
    let read = Invitation::from_text(text);
    read.is_ok_and(|read| {
        assert_eq!(Invitation::from_text(&read.to_text(false)).as_ref(), Ok(&read));
        read.doors().len() == 1 + read.others.len()
    })
}

fn door(text: &str) -> bool {
    Door::from_text(text).is_ok_and(|read| {
        same(Door::from_text(&read.to_text()).unwrap().to_text(), read.to_text().as_bytes())
    })
}

/// A signature of the invitation's throw-away key behind an object.
fn signed_object(object: &[u8]) -> Vec<u8> {
    [object, &LocalSignKey::from_seed(&[5; 32]).sign(SIGN_OBJECT, object)].concat()
}

fn open_object(bytes: &[u8]) -> bool {
    let keys = SEEDS.invitation.keys();
    let object = BundleObject::verify(bytes);
    object.is_ok_and(|object| object.open(&keys.bundle_key, &SEEDS.bob.fingerprint()).is_ok())
}

/// What a dishonest peer with a session can send: `header 48 | plain body…`, sealed with the keys of the stored session that sealed last.
fn sealed_by_the_peer(input: &[u8]) -> Cell {
    let stored: &[u8] = &SEEDS.sealer;
    let key = |at: usize| <[u8; 32]>::try_from(&stored[at..at + 32]).unwrap();
    let (bound, sent) = (key(114), u32::from_be_bytes(stored[274..278].try_into().unwrap()));
    let (header_key, mut chain) = (key(315), key(347));
    let mut header = [0; 48];
    header.iter_mut().zip(input).for_each(|(to, from)| *to = *from);
    let number = u32::from_be_bytes(header[36..40].try_into().unwrap());
    for _ in sent..number.min(sent + 64) {
        chain = *hmac(&chain, &[2]);
    }
    let mut plain = input.get(48..).unwrap_or_default().to_vec();
    plain.resize(1_926, 0);
    let (outer, salt) = (SEEDS.cells[0].bytes()[..18].to_vec(), [7; 24]);
    let sealed_header = xseal(&header_key, &salt, &outer, &header);
    let keys = derive::<44>(&salt, &hmac(&chain, &[1])[..], DR_MSG);
    let (key, nonce) = (keys[..32].try_into().unwrap(), keys[32..].try_into().unwrap());
    let body = seal(key, nonce, &[&bound[..], &sealed_header].concat(), &plain);
    Cell::parse([&outer[..], &salt, &sealed_header, &body].concat()).unwrap()
}

/// The next header and body of the stored session that sealed last, before they are sealed.
fn plain_of_the_peer(payload: &[u8], piece: &[u8]) -> Vec<u8> {
    let stored: &[u8] = &SEEDS.sealer;
    let own = LocalDhKey::from_bytes(stored[178..210].try_into().unwrap()).public();
    let mut header = own.0.to_vec();
    // Length of the chain before, number in this one, epochs mixed in and acknowledged.
    header.extend_from_slice(&stored[278..282]);
    header.extend_from_slice(&stored[274..278]);
    header.extend_from_slice(&stored[379..383]);
    header.extend_from_slice(&[0; 4]);
    [&header[..], &(payload.len() as u16).to_be_bytes(), payload, piece].concat()
}

fn open_in_session(cell: &Cell) -> bool {
    let stored = SEEDS.sessions.last().unwrap();
    let mut session = Session::decode(stored).unwrap();
    let opened = session.open(cell).is_ok();
    if opened {
        assert!(session.open(cell).is_err(), "opened twice");
    } else {
        assert_eq!(session.encode()[..], stored[..], "a refused cell changed the session");
    }
    opened
}

/// All decoders.
pub fn all() -> impl Iterator<Item = &'static Target> {
    let more = [crate::rooms::ROOMS, crate::transports::TRANSPORTS, crate::lan::TARGETS];
    SPINE.iter().chain(more.into_iter().flatten())
}

const SPINE: &[Target] = &[
    Target {
        name: "cell",
        quick: 20_000,
        corpus: |seeds| seeds.cells.iter().map(|cell| cell.bytes().to_vec()).collect(),
        run: |input| Cell::parse(input.to_vec()).is_ok_and(|cell| same(cell.bytes(), input)),
    },
    Target {
        name: "payload",
        quick: 20_000,
        corpus: |_| seeds::payloads().iter().map(Payload::encode).collect(),
        run: |input| Payload::decode(input).is_ok_and(|payload| same(payload.encode(), input)),
    },
    Target {
        name: "body",
        quick: 20_000,
        corpus: |_| seeds::bodies().iter().map(Body::encode).collect(),
        run: |input| Body::decode(input).is_ok_and(|body| same(body.encode(), input)),
    },
    Target {
        name: "mailboxes",
        quick: 20_000,
        corpus: |_| vec![seeds::mailboxes().encode()],
        run: |input| {
            MailboxDescriptor::decode(input)
                .is_ok_and(|held| MailboxDescriptor::decode(&held.encode()) == Ok(held))
        },
    },
    Target {
        name: "link-frame",
        quick: 20_000,
        corpus: |seeds| {
            let hello = [&seeds.slot().0[..], &[0; 18]].concat();
            let mut frames = vec![Frame::new(Kind::Hello, 0, hello)];
            frames.extend(
                [0, 100, 2_000, 16_400, 61_500].map(|length| Frame::new(Kind::Data, 7, vec![3; length])),
            );
            frames.iter().map(Frame::encode).collect()
        },
        run: |input| Frame::decode(input).is_ok_and(|frame| same(frame.encode(), input)),
    },
    Target {
        name: "hello",
        quick: 20_000,
        corpus: |seeds| vec![Hello::new(&seeds.door(), &[1; 32], &[2; 32]).encode()],
        run: |input| Hello::decode(input).is_ok_and(|hello| same(hello.encode(), &input[..26])),
    },
    Target {
        name: "open",
        quick: 20_000,
        corpus: |_| vec![open_payload(RelayId([1; 16]), &[2; 60])],
        run: |input| split_open(input).is_ok_and(|(relay, noise)| same(open_payload(relay, noise), input)),
    },
    Target {
        name: "reach",
        quick: 20_000,
        corpus: |_| {
            let seen = ["203.0.113.9", "2001:db8::7"].map(|ip| ip.parse().ok());
            let found = |seen| Reach::Found(Findings { door: Dialled::Closed, mesh: Dialled::Reached, seen });
            let all = [Reach::Ask(DialSeed(Zeroizing::new([7; 32]))), found(None)]
                .into_iter()
                .chain(seen.map(found));
            all.map(|reach| reach.encode()).collect()
        },
        run: |input| Reach::decode(input).is_ok_and(|reach| same(reach.encode(), input)),
    },
    Target {
        name: "veil-frame",
        quick: 20_000,
        corpus: |_| {
            let frame = |kind, length| veil::Frame {
                kind,
                flags: 1,
                offset: 9,
                ack: 8,
                window: 7,
                payload: vec![6; length],
            };
            [(veil::Kind::New, 40), (veil::Kind::Data, 0), (veil::Kind::Data, 900), (veil::Kind::Data, 4_000)]
                .map(|(kind, length)| frame(kind, length).encode())
                .to_vec()
        },
        run: |input| veil::Frame::decode(input).is_ok_and(|frame| same(frame.encode(), input)),
    },
    Target {
        name: "veil-opening",
        quick: 20_000,
        corpus: |_| {
            let all = [Opening::New(Zeroizing::new([3; 32])), Opening::Resume([4; 16])];
            all.map(|opening| opening.encode(10_240).to_vec()).to_vec()
        },
        run: |input| {
            let read = [true, false].map(|new| Opening::decode(new, input).ok());
            read.into_iter().flatten().any(|(opening, allowance)| same(&opening.encode(allowance)[..], input))
        },
    },
    Target {
        name: "veil-path",
        quick: 2_000,
        corpus: |seeds| {
            let asked = veil_path(&seeds.door().slot_key());
            vec![asked.into_bytes()]
        },
        run: |input| {
            let mut table = DoorTable::default();
            table.insert(SEEDS.door().slot_key());
            text(input).is_some_and(|path| {
                let opened = table.admit(path, DAY, &[]).is_some();
                assert!(
                    !opened || path == veil_path(&SEEDS.door().slot_key()),
                    "another path opens the door"
                );
                opened
            })
        },
    },
    Target {
        name: "request",
        quick: 20_000,
        corpus: |seeds| {
            let prefixes = vec![TagPrefix([1; 8]), TagPrefix([2; 8])];
            let all = [
                Request::Deposit { mailbox: MailboxId([3; 16]), cell: seeds.cells[0].clone() },
                Request::Attach { key: [1; 32], signature: [2; 64], push: Push::Cells },
                Request::Register(vec![(0, prefixes[0]), (2, prefixes[1])]),
                Request::Unregister(prefixes.clone()),
                Request::Fetch { from: 9, bytes_max: 1 << 18, whole: Class::M },
                Request::Pieces { prefix: TagPrefix([1; 8]), from: 4, count: 4 },
                Request::Remove(prefixes),
                Request::Put(seeds.object.clone()),
                Request::Get(seeds.invitation.keys().locator),
            ];
            all.iter().map(|request| request.encode(5)).collect()
        },
        run: |input| {
            Request::decode(input).is_ok_and(|(number, request)| same(request.encode(number), input))
        },
    },
    Target {
        name: "reply",
        quick: 20_000,
        corpus: |seeds| {
            let all = [
                Reply::Stored { expiry_s: 1_800_000_000 },
                Reply::Attached { cells: 3, next: 9 },
                Reply::Done,
                Reply::Item { seq: 4, cell: seeds.cells[0].clone() },
                Reply::Notice(TagPrefix([1; 8]), Class::L),
                Reply::Piece { prefix: TagPrefix([1; 8]), index: 3, bytes: vec![5; 2_048] },
                Reply::Fetched { next: 8, more: true },
                Reply::Object(seeds.object.clone()),
                Reply::Refused(Refusal::Busy),
            ];
            all.iter().map(|reply| reply.encode(5)).collect()
        },
        // A refusal with an unknown number is read as the general one.
        run: |input| {
            let read = Reply::decode(input);
            read.is_ok_and(|(number, reply)| Reply::decode(&reply.encode(number)) == Ok((number, reply)))
        },
    },
    Target {
        name: "invitation",
        quick: 20_000,
        corpus: |seeds| {
            vec![
                seeds.invitation.to_text(true).as_bytes().to_vec(),
                seeds.invitation.to_text(false).as_bytes().to_vec(),
                seeds.long_invitation.to_text(true).as_bytes().to_vec(),
            ]
        },
        run: |input| text(input).is_some_and(invitation),
    },
    Target {
        // What the letters stand for, with a right check behind it.
        name: "invitation-bytes",
        quick: 20_000,
        corpus: |seeds| {
            let all = [&seeds.invitation, &seeds.long_invitation];
            all.map(|invitation| unchecked(&invitation.to_text(false))).to_vec()
        },
        run: |input| invitation(&checked(input)),
    },
    Target {
        name: "door",
        quick: 20_000,
        corpus: |seeds| vec![seeds.door().to_text().as_bytes().to_vec()],
        run: |input| text(input).is_some_and(door),
    },
    Target {
        name: "door-bytes",
        quick: 20_000,
        corpus: |seeds| vec![unchecked(seeds.door().to_text().strip_prefix(DOOR_PREFIX).unwrap())],
        run: |input| door(&format!("{DOOR_PREFIX}{}", checked(input))),
    },
    Target {
        name: "recovery-code",
        quick: 20_000,
        corpus: |_| vec![recovery_code(&[0x5a; 16]).as_bytes().to_vec()],
        run: |input| {
            let root = text(input).and_then(recovery_root);
            root.is_some_and(|root| recovery_root(&recovery_code(&root)) == Some(root))
        },
    },
    Target {
        name: "certificate",
        quick: 500,
        corpus: |seeds| vec![seeds.ali.cert().encode()],
        run: |input| DeviceCert::verify(input).is_ok_and(|cert| same(cert.encode(), input)),
    },
    Target {
        // The map is bent and signed anew, so that the fuzz reaches behind the signature.
        name: "descriptor",
        quick: 500,
        corpus: |seeds| vec![seeds.descriptor()[64..].to_vec()],
        run: |input| {
            let signature = seeds::relay_key().sign(&[&b"karvon/descriptor"[..], input].concat());
            let signed = [&signature.to_bytes()[..], input].concat();
            Descriptor::verify(&signed).is_ok_and(|read| same(read.sign(&seeds::relay_key()), &signed))
        },
    },
    Target {
        name: "bundle",
        quick: 300,
        corpus: |seeds| vec![seeds.bundle().bytes().to_vec()],
        run: |input| Bundle::verify(input).is_ok_and(|bundle| same(bundle.bytes(), input)),
    },
    Target {
        // Signed anew by the device whose certificate leads it.
        name: "bundle-signed",
        quick: 300,
        corpus: |seeds| vec![seeds.bundle().bytes()[..seeds.bundle().bytes().len() - 64].to_vec()],
        run: |input| {
            let stored = SEEDS.bob.encode();
            let seed: [u8; 32] = stored[49..81].try_into().unwrap();
            let signature = LocalSignKey::from_seed(&seed).sign(SIGN_BUNDLE, input);
            Bundle::verify(&[input, &signature].concat()).is_ok()
        },
    },
    Target {
        name: "bundle-object",
        quick: 300,
        corpus: |seeds| vec![seeds.object[..OBJECT_BYTES - 64].to_vec()],
        run: |input| open_object(&signed_object(input)),
    },
    Target {
        // What an inviter may have put inside, sealed and signed anew.
        name: "object-content",
        quick: 300,
        corpus: |seeds| {
            let length = seeds.bundle().bytes().len() as u16;
            vec![[&[0][..], &length.to_be_bytes(), seeds.bundle().bytes()].concat()]
        },
        run: |input| {
            let mut plain = input.to_vec();
            plain.resize(OBJECT_BODY_BYTES - 40, 0);
            let (head, nonce) = (&SEEDS.object[..81], [3; 24]);
            let sealed = xseal(&SEEDS.invitation.keys().bundle_key, &nonce, head, &plain);
            open_object(&signed_object(&[head, &nonce, &sealed].concat()))
        },
    },
    Target {
        name: "bundle-file",
        quick: 200,
        corpus: |seeds| vec![seeds.bundle_file()],
        run: |input| {
            bundle_file::decode(input)
                .is_ok_and(|cells| same(bundle_file::encode(cells).unwrap_or_default(), input))
        },
    },
    Target {
        // As somebody writes it who knows how its hash is made.
        name: "bundle-file-inside",
        quick: 200,
        corpus: |seeds| {
            let mut file = seeds.bundle_file();
            file.truncate(file.len() - 32);
            vec![file]
        },
        run: |input| {
            let file = [input, blake3::hash(input).as_bytes()].concat();
            bundle_file::decode(&file)
                .is_ok_and(|cells| same(bundle_file::encode(cells).unwrap_or_default(), &file))
        },
    },
    Target {
        name: "gift",
        quick: 300,
        corpus: |seeds| vec![seeds.gift.public().encode().to_vec()],
        run: |input| Gift::decode(input).is_ok_and(|gift| same(&gift.encode()[..], input)),
    },
    Target {
        name: "greeting",
        quick: 200,
        corpus: |seeds| vec![seeds.greeting.bytes().to_vec()],
        run: |input| {
            let cell = Cell::parse(input.to_vec());
            cell.is_ok_and(|cell| respond(&SEEDS.bob, &SEEDS.gift.prekeys, &cell).is_ok())
        },
    },
    Target {
        name: "session-cell",
        quick: 2_000,
        corpus: |seeds| seeds.cells.iter().map(|cell| cell.bytes().to_vec()).collect(),
        run: |input| Cell::parse(input.to_vec()).is_ok_and(|cell| open_in_session(&cell)),
    },
    Target {
        name: "session-inside",
        quick: 2_000,
        corpus: |_| {
            let key = [&[1][..], &1_u32.to_be_bytes(), &[5; KEM_KEY_BYTES]].concat();
            let ciphertext = [&[2][..], &1_u32.to_be_bytes(), &[6; KEM_CIPHERTEXT_BYTES]].concat();
            let later = [&[3][..], &[7; 100]].concat();
            [&[][..], &key, &ciphertext, &later].map(|piece| plain_of_the_peer(b"salom", piece)).to_vec()
        },
        run: |input| open_in_session(&sealed_by_the_peer(input)),
    },
    Target {
        name: "stored-session",
        quick: 2_000,
        corpus: |seeds| seeds.sessions.clone(),
        run: |input| Session::decode(input).is_some_and(|session| same(&session.encode()[..], input)),
    },
    Target {
        name: "stored-prekeys",
        quick: 300,
        corpus: |seeds| vec![seeds.gift.prekeys.encode().to_vec()],
        run: |input| Prekeys::decode(input).is_some_and(|prekeys| same(&prekeys.encode()[..], input)),
    },
    Target {
        name: "stored-gift",
        quick: 300,
        corpus: |seeds| vec![seeds.gift.encode().to_vec()],
        run: |input| OwnGift::decode(input).is_some_and(|gift| same(&gift.encode()[..], input)),
    },
    Target {
        name: "stored-identity",
        quick: 300,
        corpus: |seeds| vec![seeds.ali.encode().to_vec()],
        run: |input| LocalIdentity::decode(input).is_some_and(|me| same(&me.encode()[..], input)),
    },
    Target {
        name: "stored-message",
        quick: 20_000,
        corpus: |_| {
            let message = |body: &Body| StoredMessage {
                position: 3,
                sent_ms: 4,
                at_ms: 5,
                id: MessageId([6; 16]),
                marks: Default::default(),
                body: body.encode().into(),
            };
            seeds::bodies().iter().map(|body| message(body).encode().to_vec()).collect()
        },
        run: |input| {
            let read = StoredMessage::decode(input);
            read.is_some_and(|read| StoredMessage::decode(&read.encode()) == Some(read))
        },
    },
    Target {
        name: "cell-index",
        quick: 20_000,
        corpus: |_| {
            vec![CellIndex { prefix: [1; 8], hash: [2; 16], class: 1, expiry_s: 1_800_000_000 }.encode()]
        },
        run: |input| CellIndex::decode(input).is_some_and(|index| same(index.encode(), input)),
    },
    Target {
        name: "backup",
        quick: 500,
        corpus: |seeds| vec![seeds.backup()],
        run: |input| {
            BackupState::decode(input).is_ok_and(|state| {
                let again = state.encode();
                same(&BackupState::decode(&again).unwrap().encode()[..], &again)
            })
        },
    },
    Target {
        name: "tunnel-first",
        quick: 300,
        corpus: |_| {
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            let opened = Initiator::open(RelayId([7; 16]), &onion_public(&[1; 32]), b"hello", &mut rng);
            vec![opened.unwrap().1]
        },
        run: |input| {
            let secret = Zeroizing::new([1; 32]);
            let mut rng = ChaCha8Rng::seed_from_u64(4);
            Responder::read(RelayId([7; 16]), &[secret], input, &mut rng).is_ok()
        },
    },
];
