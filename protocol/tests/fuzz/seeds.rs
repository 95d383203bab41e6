//! Well-formed inputs that the mutations start from: made by the protocol itself, the same in each run.

use ed25519_dalek::SigningKey;
use karvon_protocol::backup::{BackupChannel, BackupContact, BackupGroup, BackupMailbox, BackupState};
use karvon_protocol::body::{Ack, Body, MailboxDescriptor, Payload, Report, Resume};
use karvon_protocol::bundle::{Bundle, BundleObject};
use karvon_protocol::bundle_file::{self, Carried};
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::content::Content;
use karvon_protocol::crypto::LocalSignKey;
use karvon_protocol::descriptor::{Descriptor, Door, RelayAddr, flags};
use karvon_protocol::gift::OwnGift;
use karvon_protocol::handshake::{initiate, respond};
use karvon_protocol::identity::{LocalIdentity, RemoteIdentity};
use karvon_protocol::ids::{EntryId, Fingerprint, GroupId, MailboxId, MemberId, MessageId, RelayId, SlotId};
use karvon_protocol::invite::Invitation;
use karvon_protocol::session::Session;
use karvon_protocol::tags::nth_of_class;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use zeroize::Zeroizing;

/// The key that signs descriptors here.
pub fn relay_key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

/// What the targets need.
pub struct Seeds {
    pub ali: LocalIdentity,
    pub bob: LocalIdentity,
    pub invitation: Invitation,
    pub long_invitation: Invitation,
    pub object: Vec<u8>,
    pub gift: OwnGift,
    pub greeting: Cell,
    /// Stored sessions of both sides after some talk.
    pub sessions: Vec<Vec<u8>>,
    /// Cells that the last session can open.
    pub cells: Vec<Cell>,
    /// The stored session that sealed them, afterwards.
    pub sealer: Vec<u8>,
}

pub fn mailboxes() -> MailboxDescriptor {
    MailboxDescriptor {
        seq: 7,
        mailboxes: (1..=3).map(|n| (RelayId([n; 16]), MailboxId([n + 100; 16]))).collect(),
    }
}

impl Seeds {
    pub fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let [ali, bob] = [1, 2].map(|n| LocalIdentity::from_stretched(&[n; 16], &[n; 32], &mut rng));
        let addr = RelayAddr::Ip(([203, 0, 113, 9], 443).into());
        let invitation = Invitation::new(bob.fingerprint(), RelayId([4; 16]), addr, &mut rng);
        let site = RelayAddr::Site([203, 0, 113, 9].into(), 8_443, "example.org".to_owned());
        let web = RelayAddr::Web((core::net::Ipv6Addr::LOCALHOST, 443).into());
        let others = vec![(RelayId([5; 16]), site), (RelayId([6; 16]), web)];
        let long_invitation = Invitation { others, ..invitation.clone() };
        let gift = OwnGift::make(&bob, 3, &mailboxes(), 1_700_000_000_000, &mut rng).unwrap();
        let bundle = gift.prekeys.bundle();
        let keys = invitation.keys();
        let owner = LocalSignKey::from_seed(&[5; 32]);
        let object = BundleObject::seal(&keys, bundle, &owner, 1, 1_800_000_000, &mut rng).unwrap();
        let said = payloads()[1].encode();
        let (greeting, mut a) = initiate(&ali, bundle, keys.tags[0], &said, &mut rng).unwrap();
        let (_, mut b, _) = respond(&bob, &gift.prekeys, &greeting).unwrap();
        let mut sessions = vec![a.encode().to_vec(), b.encode().to_vec()];
        let mut next = 0;
        for turn in 0..6_u64 {
            let (from, to): (&mut Session, &mut Session) =
                if turn % 2 == 0 { (&mut a, &mut b) } else { (&mut b, &mut a) };
            for skipped in [true, false] {
                let cell = from.seal(Class::S, nth_of_class(Class::S, next), b"text", &mut rng).unwrap();
                next += 1;
                if !skipped {
                    to.open(&cell).unwrap();
                }
            }
            sessions.extend([a.encode().to_vec(), b.encode().to_vec()]);
        }
        let cells = Class::ALL
            .map(|class| a.seal(class, nth_of_class(class, 100), &payloads()[0].encode(), &mut rng).unwrap())
            .to_vec();
        sessions.push(b.encode().to_vec());
        let (object, sealer) = (object.bytes().to_vec(), a.encode().to_vec());
        Self { ali, bob, invitation, long_invitation, object, gift, greeting, sessions, cells, sealer }
    }

    pub fn bundle(&self) -> &Bundle {
        self.gift.prekeys.bundle()
    }

    pub fn door(&self) -> Door {
        self.invitation.keys().door
    }

    pub fn descriptor(&self) -> Vec<u8> {
        let key = relay_key();
        let descriptor = Descriptor {
            static_key: key.verifying_key().to_bytes(),
            mesh_key: [1; 32],
            onion_keys: vec![[2; 32], [3; 32]],
            door: RelayAddr::Ip(([203, 0, 113, 9], 443).into()),
            mesh: RelayAddr::Ip(([203, 0, 113, 9], 4001).into()),
            flags: flags::MAILBOX,
            seq: 1_700_000_000,
            family: Some([6; 16]),
            health: Some(karvon_protocol::descriptor::Health::rounded(1_800_000_000, 42)),
            extra: Default::default(),
        };
        descriptor.sign(&key)
    }

    pub fn bundle_file(&self) -> Vec<u8> {
        let carried = self.cells.iter().map(|cell| Carried { cell: cell.clone(), until_day: 20_000 });
        bundle_file::encode(carried.collect()).expect("it fits")
    }

    pub fn backup(&self) -> Vec<u8> {
        let contact = BackupContact {
            id: 7,
            name: "Алӣ".to_owned(),
            remote_name: "Ali".to_owned(),
            fingerprint: self.bob.fingerprint(),
            identity: Some(RemoteIdentity { cert: self.bob.cert().clone() }),
            conversation: Zeroizing::new([3; 32]),
            pair: Zeroizing::new([4; 32]),
            initiator: true,
            verified: true,
            seen_upto: 9,
            their: mailboxes(),
            generation: 2,
            next_seq: 11,
            delivered_below: 10,
            receive_next: 12,
            runs: [vec![(1, 8), (6, 9)], vec![(1, u64::MAX)]],
            theirs: None,
            own: None,
            terms: Zeroizing::default(),
        };
        let gifted = BackupContact {
            theirs: Some(self.gift.public()),
            own: Some(self.gift.encode()),
            ..contact.clone()
        };
        let state = BackupState {
            identity: self.ali.encode(),
            name: "Ali".to_owned(),
            doors: vec![self.door().to_text()],
            mailboxes: vec![BackupMailbox {
                number: 3,
                relay: RelayId([4; 16]),
                seed: Zeroizing::new([5; 32]),
            }],
            contacts: vec![contact, gifted],
            groups: vec![BackupGroup {
                number: 1,
                group: GroupId([6; 16]),
                muted: false,
                key: Zeroizing::new([7; 32]),
                leaf: Zeroizing::new([8; 32]),
                known: vec![(MemberId([9; 16]), 1)],
                ops: vec![vec![1; 200], vec![2; 300]],
            }],
            channels: vec![BackupChannel {
                number: 1,
                link: Zeroizing::new("KARVON-CHANNEL:X".to_owned()),
                key: Some(Zeroizing::new([7; 32])),
                name: "Jobs".to_owned(),
                seen: 1,
                newest: Some((2, EntryId([1; 32]), EntryId([2; 32]))),
            }],
        };
        state.encode().to_vec()
    }

    pub fn slot(&self) -> SlotId {
        self.door().slot
    }
}

fn guest_door() -> Zeroizing<String> {
    let invitation = Invitation {
        who: Fingerprint([1; 20]),
        secret: Zeroizing::new([2; 16]),
        relay: RelayId([3; 16]),
        addr: RelayAddr::Ip(([203, 0, 113, 9], 443).into()),
        others: Vec::new(),
    };
    invitation.keys().door.to_text()
}

pub fn bodies() -> Vec<Body> {
    let id = MessageId([1; 16]);
    vec![
        Body::text(1_700_000_000_000, "Салом, чӣ хел?"),
        Body { forwarded: true, expires_s: 60, ..Body::text(9, "again") },
        Body::new(1, Content::Reply { to: id, text: "Алейкум".into() }),
        Body::new(1, Content::Reaction { on: id, emoji: "👍".into() }),
        Body::new(1, Content::Edit { of: id, text: "better".into() }),
        Body::new(1, Content::Delete(id)),
        Body::new(1, Content::Profile("Ali".into())),
        Body::new(1, Content::Read(4)),
        Body::new(1, Content::Typing),
        Body::new(1, Content::Timer { seconds: 3_600, number: 2 }),
        Body::new(1, Content::ResendRequest(4, 9)),
        Body::new(1, Content::Introduction { name: "Nigora".into(), invitation: "KARVON:AAAA".into() }),
        Body::new(0, Content::Dummy),
        Body::new(1, Content::Void(4, 9)),
        Body::new(1, Content::DoorWish(vec![[1; 8], [2; 8]])),
        Body::new(1, Content::DoorOffer { door: guest_door(), expiry_s: 1_800_000_000 }),
        Body::new(
            1,
            Content::File { name: "a.jpg".into(), media: "image/jpeg".into(), data: vec![0xff, 0xd8, 0xff] },
        ),
    ]
}

pub fn payloads() -> Vec<Payload> {
    let full = Payload {
        ack: Some(Ack { below: 3, ranges: vec![(5, 6), (9, 9)] }),
        credit: Some(64),
        mailboxes: Some(mailboxes()),
        mailboxes_seen: Some(1),
        first_seq: 17,
        numbered: bodies(),
        loose: vec![Body::new(1, Content::Profile("Ali".into()))],
        reports: vec![Report { from: 4, count: 1, relays: vec![RelayId([1; 16])] }],
        gift: Some(vec![7; 200]),
        resume: Some(Resume { generation: 2, line: 9, void_from: 3, void_to: 1 << 40 }),
        gift_seen: Some(6),
        ..Payload::default()
    };
    let small = Payload { gift: None, numbered: Vec::new(), first_seq: 0, ..full.clone() };
    vec![full, small, Payload::default()]
}
