//! The decoders of groups, channels and published addresses under test.

use crate::targets::{Target, same, text};
use karvon_protocol::address::Address;
use karvon_protocol::body::{Body, Content};
use karvon_protocol::cell::Cell;
use karvon_protocol::channel::entry::{Entry, SignedEntry};
use karvon_protocol::channel::link::ChannelLink;
use karvon_protocol::crypto::labels::{SIGN_GROUP_RECEIPT, SIGN_GROUP_SEED};
use karvon_protocol::crypto::{LocalDhKey, LocalSignKey, SIGNATURE_BYTES};
use karvon_protocol::error::PeerFault;
use karvon_protocol::group::link::{GroupLink, LinkToken};
use karvon_protocol::group::log::Log;
use karvon_protocol::group::op::{Act, Member, Op, Role, SignedOp};
use karvon_protocol::group::post::{Post, Receipt};
use karvon_protocol::group::seed::{Announced, Call, Seed};
use karvon_protocol::group::wire::Letter;
use karvon_protocol::ids::{ChannelId, EntryId, Fingerprint, GroupId, MemberId, OpId, RelayId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::sync::LazyLock;
use zeroize::Zeroizing;

/// A group of one.
struct Room {
    key: LocalSignKey,
    leaf: LocalDhKey,
    me: Member,
    founded: SignedOp,
    log: Log,
}

static ROOM: LazyLock<Room> = LazyLock::new(|| {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let (key, leaf) = (LocalSignKey::generate(&mut rng), LocalDhKey::generate(&mut rng));
    let (who, name) = (Fingerprint([1; 20]), "Али".to_owned());
    let me = Member { key: key.public().0, leaf: leaf.public().0, who, name };
    let act = Act::Create { founder: me.clone(), name: "Бригада".to_owned(), salt: [2; 16], shard: 3 };
    let op = Op { group: GroupId([0; 16]), parents: Vec::new(), author: me.id(), act };
    let founded = op.sign(&key);
    let log = Log::found(founded.clone()).unwrap();
    Room { key, leaf, me, founded, log }
});

fn body() -> Vec<u8> {
    Body::new(1, Content::Text("салом".to_owned())).encode().to_vec()
}

fn post() -> Post {
    let (group, author) = (ROOM.log.group(), ROOM.me.id());
    Post { group, author, seq: 7, base: 2, view: ROOM.log.heads(), body: body() }
}

fn acts() -> Vec<Act> {
    let (member, group) = (ROOM.me.clone(), ROOM.log.group());
    let consent = member.consent(group, &ROOM.key);
    vec![
        Act::Add { member, role: Role::Admin, consent },
        Act::Remove { member: MemberId([5; 16]), upto: 9 },
        Act::Leave { upto: 300 },
        Act::Role { member: MemberId([6; 16]), role: Role::Owner },
        Act::Name("Корвон".to_owned()),
        Act::Timer(86_400),
    ]
}

fn letters() -> Vec<Letter> {
    let (group, me, member) = (ROOM.log.group(), ROOM.me.id(), ROOM.me.clone());
    let consent = member.consent(group, &ROOM.key);
    let token = Some(LinkToken(Zeroizing::new([4; 16])));
    vec![
        Letter::Invite { group, name: "Бригада".to_owned(), members: 12, me },
        Letter::Join { group, member, consent, token },
        Letter::Decline(group),
        Letter::Ops { group, ops: vec![ROOM.founded.bytes().to_vec()] },
        Letter::Posts { group, reached: vec![me], posts: vec![post().sign(&ROOM.key)] },
        Letter::Hello { group, me },
        Letter::Ask { group, ops: vec![OpId([3; 32])], posts: vec![(me, 4)] },
        Letter::Receipt { group, receipt: receipt().sign(&ROOM.key) },
    ]
}

fn receipt() -> Receipt {
    let below = vec![(MemberId([1; 16]), 5), (MemberId([2; 16]), 900)];
    Receipt { group: ROOM.log.group(), member: ROOM.me.id(), round: 17, below }
}

/// Without the signature, which the target makes anew.
fn unsigned(mut signed: Vec<u8>) -> Vec<u8> {
    signed.truncate(signed.len() - SIGNATURE_BYTES);
    signed
}

fn signed(label: &str, content: &[u8]) -> Vec<u8> {
    [content, &ROOM.key.sign(label, content)].concat()
}

pub const ROOMS: &[Target] = &[
    Target {
        name: "group-operation",
        quick: 20_000,
        corpus: |_| {
            let op =
                |act| Op { group: ROOM.log.group(), parents: ROOM.log.heads(), author: ROOM.me.id(), act };
            let mut all: Vec<_> =
                acts().into_iter().map(|act| op(act).sign(&ROOM.key).bytes().to_vec()).collect();
            all.push(ROOM.founded.bytes().to_vec());
            all
        },
        run: |input| SignedOp::decode(input).is_ok_and(|signed| same(signed.bytes(), input)),
    },
    Target {
        // The kind of the letter goes before it.
        name: "group-letter",
        quick: 20_000,
        corpus: |_| {
            let with_kind = |letter: &Letter| {
                let (kind, bytes) = letter.encode();
                [&[u8::try_from(kind).unwrap()][..], &bytes].concat()
            };
            letters().iter().map(with_kind).collect()
        },
        run: |input| {
            let Some((kind, bytes)) = input.split_first() else { return false };
            let read = Letter::decode(u64::from(*kind), bytes);
            read.is_ok_and(|letter| {
                let (kind, again) = letter.encode();
                Letter::decode(kind, &again) == Ok(letter)
            })
        },
    },
    Target {
        name: "group-message",
        quick: 20_000,
        corpus: |_| vec![post().sign(&ROOM.key)],
        run: |input| {
            let read = Post::read(input);
            read.is_ok_and(|post| same(unsigned(post.sign(&ROOM.key)), &unsigned(input.to_vec())))
        },
    },
    Target {
        name: "group-receipt",
        quick: 2_000,
        corpus: |_| vec![unsigned(receipt().sign(&ROOM.key))],
        run: |input| {
            let whole = signed(SIGN_GROUP_RECEIPT, input);
            let read = Receipt::open(&whole, |_| Some(ROOM.key.public().0));
            read.is_ok_and(|receipt| same(receipt.sign(&ROOM.key), &whole))
        },
    },
    Target {
        name: "group-seed-announcement",
        quick: 2_000,
        corpus: |_| {
            let mut rng = ChaCha8Rng::seed_from_u64(10);
            vec![unsigned(Seed::issue(&ROOM.log, ROOM.me.id(), &ROOM.key, &mut rng).unwrap().1)]
        },
        run: |input| {
            let whole = signed(SIGN_GROUP_SEED, input);
            matches!(Seed::read(&whole, &ROOM.log, ROOM.me.id(), &ROOM.leaf), Ok(Announced::Seed(_)))
        },
    },
    // From relays, neighbours and files alike.
    Target {
        name: "shard-cell",
        quick: 2_000,
        corpus: |_| {
            let mut rng = ChaCha8Rng::seed_from_u64(13);
            let (mut seed, _) = Seed::issue(&ROOM.log, ROOM.me.id(), &ROOM.key, &mut rng).unwrap();
            let said = seed.seal(3, ROOM.me.id(), &[5; 100], &mut rng).unwrap();
            let called = [1, 10_000].map(|length| Call::of(&ROOM.log).seal(3, &vec![6; length], &mut rng));
            called.into_iter().flatten().chain([said]).map(|cell| cell.bytes().to_vec()).collect()
        },
        run: |input| {
            let mut rng = ChaCha8Rng::seed_from_u64(13);
            let (mut seed, _) = Seed::issue(&ROOM.log, ROOM.me.id(), &ROOM.key, &mut rng).unwrap();
            Cell::parse(input.to_vec()).is_ok_and(|cell| {
                let said = seed.open(&cell);
                if said.is_ok() {
                    assert!(matches!(seed.open(&cell), Err(PeerFault::Replay)), "opened twice");
                }
                said.is_ok() || Call::of(&ROOM.log).open(&cell).is_ok()
            })
        },
    },
    Target {
        name: "stored-group-seed",
        quick: 20_000,
        corpus: |_| {
            let mut rng = ChaCha8Rng::seed_from_u64(11);
            let (seed, _) = Seed::issue(&ROOM.log, ROOM.me.id(), &ROOM.key, &mut rng).unwrap();
            vec![seed.encode().to_vec()]
        },
        run: |input| {
            Seed::decode(input).is_some_and(|seed| {
                let again = seed.encode();
                same(&Seed::decode(&again).unwrap().encode()[..], &again)
            })
        },
    },
    Target {
        name: "group-link",
        quick: 20_000,
        corpus: |seeds| {
            let invitation = seeds.invitation.to_text(false);
            let invitation = Zeroizing::new(invitation.trim_start_matches("KARVON:").to_owned());
            let (group, admin) = (ROOM.log.group(), ROOM.me.id());
            let token = LinkToken(Zeroizing::new([4; 16]));
            let link = GroupLink { group, admin, token, invitation }.encode();
            vec![link.as_bytes().to_vec(), link.to_lowercase().into_bytes()]
        },
        run: |input| {
            let read = text(input).and_then(|text| GroupLink::decode(text).ok());
            read.is_some_and(|link| {
                let again = link.encode();
                same(GroupLink::decode(&again).unwrap().encode().as_bytes(), again.as_bytes())
            })
        },
    },
    Target {
        name: "channel-link",
        quick: 20_000,
        corpus: |_| {
            let link = ChannelLink { owner: [1; 32], secret: [2; 16], shard: 3 }.encode();
            vec![link.as_bytes().to_vec(), link.to_lowercase().into_bytes()]
        },
        run: |input| {
            let read = text(input).and_then(|text| ChannelLink::decode(text).ok());
            read.is_some_and(|link| ChannelLink::decode(&link.encode()) == Ok(link))
        },
    },
    Target {
        name: "channel-entry",
        quick: 20_000,
        corpus: |_| {
            let entry = |seq, before| {
                let (channel, name) = (ChannelId([3; 16]), "Хабарҳо".to_owned());
                Entry { channel, seq, before: EntryId([before; 32]), name, body: body() }
                    .sign(&ROOM.key)
                    .bytes
            };
            vec![entry(1, 0), entry(2, 8)]
        },
        run: |input| SignedEntry::read(input).is_ok_and(|signed| same(signed.bytes, input)),
    },
    Target {
        name: "published-address",
        quick: 20_000,
        corpus: |_| {
            let mut rng = ChaCha8Rng::seed_from_u64(12);
            let address = Address::new(Fingerprint([1; 20]), &[RelayId([2; 16]), RelayId([3; 16])], &mut rng);
            let line = address.to_text();
            vec![line.as_bytes().to_vec(), line.to_lowercase().into_bytes()]
        },
        run: |input| {
            let read = text(input).and_then(|text| Address::from_text(text).ok());
            read.is_some_and(|address| {
                let again = address.to_text();
                same(Address::from_text(&again).unwrap().to_text().as_bytes(), again.as_bytes())
            })
        },
    },
];
