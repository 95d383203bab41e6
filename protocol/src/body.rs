//! What a cell says once it is open: acknowledgement, credit, mailboxes and message bodies (SPEC §3).
//!
//! Unknown fields and unknown bodies survive decoding and encoding, so an old program loses nothing of a newer one.

use crate::cbor::{Extra, Field, MapWriter, canonical, read_map};
use crate::content::Fields;
use crate::error::PeerFault;
use crate::ids::{MailboxId, RelayId};
use crate::limits::VOID_MAX;
use crate::runs::{self, RUNS_MAX};

pub use crate::content::Content;

/// Bodies in one cell at the most; an L cell of one-byte texts holds fewer.
const BODIES_MAX: usize = 4_096;
/// Ranges of an acknowledgement at the most.
pub const ACK_RANGES_MAX: usize = 64;
/// Reports in one cell at the most.
pub const REPORTS_MAX: usize = 8;
/// Runs of the bodies in one cell at the most.
pub(crate) const CELL_RUNS_MAX: usize = 8;
/// Relays in a mailbox descriptor at the most.
pub const MAILBOXES_MAX: usize = 5;

/// One thing said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// When the author's device says it was written, Unix milliseconds; shown, never used in decisions.
    pub sent_ms: u64,
    /// What.
    pub content: Content,
    /// It was first said elsewhere, and passed on.
    pub forwarded: bool,
    /// Seconds after which both devices remove it; 0 keeps it.
    pub expires_s: u64,
    /// In groups: own numbers that have nothing in them any more, ascending (SPEC §10.7).
    pub void: Vec<u64>,
    /// Fields of a newer version.
    pub extra: Extra,
}

impl Body {
    /// A letter about a group.
    #[must_use]
    pub fn letter(letter: &crate::group::wire::Letter) -> Self {
        let (kind, bytes) = letter.encode();
        Self::new(0, Content::Group(kind, bytes))
    }

    /// A body written at `sent_ms` (Unix milliseconds).
    #[must_use]
    pub const fn new(sent_ms: u64, content: Content) -> Self {
        Self { sent_ms, content, forwarded: false, expires_s: 0, void: Vec::new(), extra: Extra::new() }
    }

    /// A text written at `sent_ms`.
    #[must_use]
    pub fn text(sent_ms: u64, text: &str) -> Self {
        Self::new(sent_ms, Content::Text(text.to_owned()))
    }

    /// The CBOR map.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::with(&self.extra);
        self.content.write(&mut map);
        map.uint(0, self.content.kind());
        if self.sent_ms != 0 {
            map.uint(1, self.sent_ms);
        }
        if self.forwarded {
            map.uint(5, 1);
        }
        if self.expires_s != 0 {
            map.uint(6, self.expires_s);
        }
        if !self.void.is_empty() {
            let void: Vec<_> = self.void.iter().copied().map(crate::cbor::uint).collect();
            map.array(7, &void);
        }
        map.finish()
    }

    /// Reads what [`Body::encode`] wrote.
    ///
    /// # Errors
    /// A [`PeerFault`].
    pub fn decode(input: &[u8]) -> Result<Self, PeerFault> {
        let mut kind = None;
        let mut fields = Fields::default();
        let mut out = Self::new(0, Content::Dummy);
        out.extra = read_map(input, |key, field| {
            match (key, kind) {
                (0, _) => kind = Some(field.uint()?),
                (1, _) => out.sent_ms = field.uint()?,
                (5, _) => out.forwarded = field.uint()? == 1,
                (6, _) => out.expires_s = field.uint()?,
                (7, _) => {
                    out.void = field.array(VOID_MAX, Field::uint)?;
                    if !out.void.is_sorted_by(|a, b| a < b) {
                        return Err(PeerFault::Malformed);
                    }
                }
                (key, Some(kind)) => return fields.take(kind, key, field),
                (_, None) => return Ok(false),
            }
            Ok(true)
        })?;
        out.content = fields.finish(kind.ok_or(PeerFault::Malformed)?)?;
        canonical(input, out, Self::encode)
    }
}

/// Where a person's cells are to be deposited, in order of preference.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailboxDescriptor {
    /// Grows with each change.
    pub seq: u64,
    /// Relay and mailbox; the first one pushes.
    pub mailboxes: Vec<(RelayId, MailboxId)>,
}

impl MailboxDescriptor {
    /// The CBOR map.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let entries: Vec<_> = self
            .mailboxes
            .iter()
            .map(|(relay, mailbox)| crate::cbor::bytes(&[relay.0, mailbox.0].concat()))
            .collect();
        MapWriter::default().uint(0, self.seq).array(1, &entries).finish()
    }

    /// Reads what [`MailboxDescriptor::encode`] wrote; fields of a newer version are dropped here, as the descriptor is replaced whole.
    ///
    /// # Errors
    /// A [`PeerFault`].
    pub fn decode(input: &[u8]) -> Result<Self, PeerFault> {
        let mut out = Self::default();
        read_map(input, |key, field| {
            match key {
                0 => out.seq = field.uint()?,
                1 => out.mailboxes = field.array(MAILBOXES_MAX, |item| Ok(split(item.fixed::<32>()?)))?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(out)
    }
}

fn split(entry: [u8; 32]) -> (RelayId, MailboxId) {
    (RelayId(crate::ids::first(&entry)), MailboxId(crate::ids::first(entry.get(16..).unwrap_or_default())))
}

/// Which of the other side's numbered bodies are on this side's disk: all below `below`, and the inclusive `ranges` above it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ack {
    /// All sequence numbers below this one.
    pub below: u64,
    /// Further ones, ascending, inclusive, apart from each other.
    pub ranges: Vec<(u64, u64)>,
}

impl Ack {
    /// The highest number in it; 0 if there is none.
    #[must_use]
    pub fn highest(&self) -> u64 {
        self.ranges.last().map_or(self.below.saturating_sub(1), |(_, to)| *to)
    }

    fn flat(&self) -> Vec<Vec<u8>> {
        let ranges = self.ranges.iter().flat_map(|(from, to)| [*from, *to]);
        core::iter::once(self.below).chain(ranges).map(crate::cbor::uint).collect()
    }
}

/// What a device held of the other side's bodies when it took note that the other side had been set back to an older copy of itself
/// (SPEC §6c).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Held {
    /// The numbers.
    pub ack: Ack,
    /// Their runs: the first number of each and the run, ascending. Run 0 marks numbers that nothing is under.
    pub runs: Vec<(u64, u64)>,
}

impl Held {
    /// `[[below, from, to, …], [first, run, …]]`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let runs = crate::cbor::array(&runs::pairs(&self.runs));
        crate::cbor::array(&[crate::cbor::array(&self.ack.flat()), runs])
    }

    pub(crate) fn decode(field: &mut Field<'_>) -> Result<Self, PeerFault> {
        let mut out = Self::default();
        let mut at = 0;
        field.array(2, |item| {
            if at == 0 {
                out.ack = read_ack(item)?;
            } else {
                out.runs = runs::read_pairs(item, RUNS_MAX)?;
            }
            at += 1;
            Ok(())
        })?;
        if at == 2 { Ok(out) } else { Err(PeerFault::Malformed) }
    }
}

/// Relays that confirmed a cell which the other side has not acknowledged: the other side sees by it which of its relays lose cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// First message in the cell.
    pub from: u64,
    /// How many messages it carries.
    pub count: u64,
    /// Who said that it is on disk there.
    pub relays: Vec<RelayId>,
}

impl Report {
    fn encode(&self) -> Vec<u8> {
        let relays: Vec<u8> = self.relays.iter().flat_map(|relay| relay.0).collect();
        crate::cbor::array(&[
            crate::cbor::uint(self.from),
            crate::cbor::uint(self.count),
            crate::cbor::bytes(&relays),
        ])
    }

    fn decode(field: &mut Field<'_>) -> Result<Self, PeerFault> {
        let mut at = 0;
        let (mut from, mut count, mut relays) = (0, 0, Vec::new());
        field.array(3, |item| {
            match at {
                0 => from = item.uint()?,
                1 => count = item.uint()?,
                _ => {
                    let (ids, rest) = item.bytes(16 * MAILBOXES_MAX)?.as_chunks::<16>();
                    if !rest.is_empty() {
                        return Err(PeerFault::Length);
                    }
                    relays = ids.iter().map(|id| RelayId(*id)).collect();
                }
            }
            at += 1;
            Ok(())
        })?;
        if at != 3 || from.checked_add(count).is_none() {
            return Err(PeerFault::Malformed);
        }
        Ok(Self { from, count, relays })
    }
}

/// What a greeting says that forms a lost session again (SPEC §6c).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// Number of the new session: higher than that of any before of the same line.
    pub generation: u64,
    /// Drawn at random when a backup was restored, 0 before: a restored device does not know what number its predecessor had reached.
    pub line: u64,
    /// The sender has no messages with numbers from here …
    pub void_from: u64,
    /// … up to, not including, this one.
    pub void_to: u64,
}

/// The content of a cell: everything optional but the order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payload {
    /// What of the other side's bodies is durable here.
    pub ack: Option<Ack>,
    /// The other side may use tags with an index below this.
    pub credit: Option<u64>,
    /// Where to deposit from now on; repeated until `mailboxes_seen` shows its `seq`.
    pub mailboxes: Option<MailboxDescriptor>,
    /// Highest `seq` of the other side's descriptor held here.
    pub mailboxes_seen: Option<u64>,
    /// Sequence number of the first of `numbered`.
    pub first_seq: u64,
    /// Bodies with consecutive sequence numbers: each is delivered once, in order.
    pub numbered: Vec<Body>,
    /// Bodies without numbers: the newest one counts.
    pub loose: Vec<Body>,
    /// Cells before this one that relays confirmed and that are not acknowledged yet.
    pub reports: Vec<Report>,
    /// Prekeys and tags for a reset, an encoded [`crate::gift::Gift`]; repeated until `gift_seen` shows its number.
    pub gift: Option<Vec<u8>>,
    /// In a greeting that forms a session again.
    pub resume: Option<Resume>,
    /// Number of the other side's newest gift that is held here.
    pub gift_seen: Option<u64>,
    /// The run of the highest number that `ack` names.
    pub ack_run: Option<u64>,
    /// The runs of `numbered`: the first number of each, which may lie before this cell, and the run; ascending.
    pub runs: Vec<(u64, u64)>,
    /// This device was set back: what does the other side hold?
    pub asks_held: bool,
    /// The answer to that.
    pub held: Option<Held>,
    /// Fields of a newer version.
    pub extra: Extra,
}

impl Payload {
    /// The CBOR map.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::with(&self.extra);
        if let Some(ack) = &self.ack {
            map.array(0, &ack.flat());
        }
        if let Some(credit) = self.credit {
            map.uint(1, credit);
        }
        if let Some(mailboxes) = &self.mailboxes {
            map.raw(2, mailboxes.encode());
        }
        if let Some(seen) = self.mailboxes_seen {
            map.uint(3, seen);
        }
        if !self.numbered.is_empty() {
            map.uint(4, self.first_seq);
            map.array(5, &self.numbered.iter().map(Body::encode).collect::<Vec<_>>());
        }
        if !self.loose.is_empty() {
            map.array(6, &self.loose.iter().map(Body::encode).collect::<Vec<_>>());
        }
        if !self.reports.is_empty() {
            map.array(16, &self.reports.iter().map(Report::encode).collect::<Vec<_>>());
        }
        if let Some(gift) = &self.gift {
            map.bytes(17, gift);
        }
        if let Some(Resume { generation, line, void_from, void_to }) = self.resume {
            map.array(18, &[generation, line, void_from, void_to].map(crate::cbor::uint));
        }
        if let Some(seen) = self.gift_seen {
            map.uint(19, seen);
        }
        if let Some(run) = self.ack_run {
            map.uint(20, run);
        }
        if !self.runs.is_empty() {
            map.array(21, &runs::pairs(&self.runs));
        }
        if self.asks_held {
            map.uint(22, 1);
        }
        if let Some(held) = &self.held {
            map.raw(23, held.encode());
        }
        map.finish()
    }

    /// Reads what [`Payload::encode`] wrote.
    ///
    /// # Errors
    /// A [`PeerFault`].
    pub fn decode(input: &[u8]) -> Result<Self, PeerFault> {
        let mut out = Self::default();
        let body = |field: &mut Field<'_>| Body::decode(field.raw()?);
        let extra = read_map(input, |key, field| {
            match key {
                0 => out.ack = Some(read_ack(field)?),
                1 => out.credit = Some(field.uint()?),
                2 => out.mailboxes = Some(MailboxDescriptor::decode(field.raw()?)?),
                3 => out.mailboxes_seen = Some(field.uint()?),
                4 => out.first_seq = field.uint()?,
                5 => out.numbered = field.array(BODIES_MAX, body)?,
                6 => out.loose = field.array(BODIES_MAX, body)?,
                16 => out.reports = field.array(REPORTS_MAX, Report::decode)?,
                17 => out.gift = Some(field.bytes(crate::gift::GIFT_BYTES_MAX)?.to_vec()),
                18 => {
                    let [generation, line, void_from, void_to] =
                        field.array(4, Field::uint)?.try_into().map_err(|_| PeerFault::Malformed)?;
                    out.resume = Some(Resume { generation, line, void_from, void_to });
                }
                19 => out.gift_seen = Some(field.uint()?),
                20 => out.ack_run = Some(field.uint()?),
                21 => out.runs = runs::read_pairs(field, CELL_RUNS_MAX)?,
                22 => out.asks_held = field.uint()? == 1,
                23 => out.held = Some(Held::decode(field)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        out.extra = extra;
        if out.first_seq.checked_add(out.numbered.len() as u64).is_none() {
            return Err(PeerFault::Bound);
        }
        canonical(input, out, Self::encode)
    }
}

fn read_ack(field: &mut Field<'_>) -> Result<Ack, PeerFault> {
    let flat = field.array(1 + 2 * ACK_RANGES_MAX, Field::uint)?;
    let (below, pairs) = flat.split_first().ok_or(PeerFault::Malformed)?;
    let (pairs, tail) = pairs.as_chunks::<2>();
    let mut last = *below;
    for [from, to] in pairs {
        // Each range lies above the one before it and leaves a gap.
        if *from <= last || to < from {
            return Err(PeerFault::Malformed);
        }
        last = to.checked_add(1).ok_or(PeerFault::Bound)?;
    }
    if !tail.is_empty() {
        return Err(PeerFault::Malformed);
    }
    Ok(Ack { below: *below, ranges: pairs.iter().map(|[from, to]| (*from, *to)).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::MessageId;

    fn door() -> zeroize::Zeroizing<String> {
        let invitation = crate::invite::Invitation {
            who: crate::ids::Fingerprint([1; 20]),
            secret: zeroize::Zeroizing::new([2; 16]),
            relay: RelayId([1; 16]),
            addr: crate::descriptor::RelayAddr::Ip("192.0.2.7:443".parse().unwrap()),
            others: Vec::new(),
        };
        invitation.keys().door.to_text()
    }

    fn full() -> Payload {
        let mut unknown = Extra::new();
        unknown.insert(63, crate::cbor::uint(4));
        Payload {
            ack: Some(Ack { below: 3, ranges: vec![(5, 6), (9, 9)] }),
            credit: Some(64),
            mailboxes: Some(MailboxDescriptor {
                seq: 2,
                mailboxes: vec![(RelayId([1; 16]), MailboxId([2; 16]))],
            }),
            mailboxes_seen: Some(1),
            first_seq: 17,
            numbered: vec![
                Body::text(5, "Салом"),
                Body { extra: unknown.clone(), ..Body::new(0, Content::Unknown(900)) },
                Body { forwarded: true, expires_s: 60, ..Body::text(9, "again") },
                Body::new(1, Content::Reply { to: MessageId([1; 16]), text: "Алейкум".into() }),
                Body::new(1, Content::Reaction { on: MessageId([2; 16]), emoji: "👍".into() }),
                Body::new(1, Content::Reaction { on: MessageId([2; 16]), emoji: String::new() }),
                Body::new(1, Content::Edit { of: MessageId([3; 16]), text: "better".into() }),
                Body::new(1, Content::Delete(MessageId([4; 16]))),
                Body::new(1, Content::Timer { seconds: 60, number: 3 }),
                Body::new(1, Content::Introduction { name: "Vali".into(), invitation: "KARVON:…".into() }),
                Body::new(
                    1,
                    Content::File { name: "a.jpg".into(), media: "image/jpeg".into(), data: vec![7; 9] },
                ),
                Body::new(1, Content::Entry { owner: [8; 32], entry: vec![9; 99] }),
                Body::new(1, Content::DoorWish(vec![[1; 8], [2; 8]])),
                Body::new(1, Content::DoorOffer { door: door(), expiry_s: 9 }),
            ],
            loose: vec![
                Body::new(1, Content::Profile("Ali".into())),
                Body::new(1, Content::Read(4)),
                Body::new(9, Content::Typing),
                Body::new(0, Content::ResendRequest(4, 9)),
                Body::new(0, Content::Void(4, 9)),
                Body::new(0, Content::Dummy),
            ],
            reports: vec![Report { from: 4, count: 1, relays: vec![RelayId([1; 16]), RelayId([2; 16])] }],
            gift: Some(vec![7; 30]),
            resume: Some(Resume { generation: 2, line: 9, void_from: 3, void_to: 1 << 40 }),
            gift_seen: Some(6),
            ack_run: Some(u64::MAX),
            runs: vec![(15, u64::MAX), (18, 7)],
            asks_held: true,
            held: Some(Held { ack: Ack { below: 4, ranges: vec![(6, 8)] }, runs: vec![(1, 9), (4, 0)] }),
            extra: unknown,
        }
    }

    #[test]
    fn what_is_said_stands_in_no_debug_output() {
        let invitation = "KARVON:SECRET".to_owned();
        let bodies = [
            Body::text(5, "Салом"),
            Body::new(1, Content::Introduction { name: "Vali".into(), invitation }),
            Body::new(1, Content::DoorOffer { door: door(), expiry_s: 9 }),
        ];
        for body in bodies {
            let shown = format!("{body:?}");
            assert!(shown.contains(&format!("Content({})", body.content.kind())), "{shown}");
            assert!(!["Салом", "KARVON", "Vali"].iter().any(|secret| shown.contains(secret)), "{shown}");
        }
    }

    #[test]
    fn payloads_come_back_with_fields_and_bodies_nobody_knows() {
        for payload in [Payload::default(), full()] {
            assert_eq!(Payload::decode(&payload.encode()), Ok(payload));
        }
    }

    #[test]
    fn bodies_that_lack_a_field_or_pass_a_bound_are_refused() {
        let id = MessageId([5; 16]);
        for content in [
            Content::Text(String::new()),
            Content::Text("x".repeat(8_001)),
            Content::Reply { to: id, text: String::new() },
            Content::Edit { of: id, text: String::new() },
            Content::Reaction { on: id, emoji: "x".repeat(33) },
            Content::Profile("x".repeat(65)),
            Content::File { name: "a".into(), media: String::new(), data: Vec::new() },
            Content::File { name: "a".into(), media: String::new(), data: vec![0; 46_081] },
            Content::File { name: "x".repeat(129), media: String::new(), data: vec![0] },
            Content::Introduction { name: "Vali".into(), invitation: "x".repeat(257) },
            Content::Entry { owner: [8; 32], entry: vec![0; 46_601] },
            Content::DoorWish(vec![[1; 8]; 17]),
            Content::DoorOffer { door: format!("{} ", *door()).into(), expiry_s: 1 },
            Content::DoorOffer { door: door().to_lowercase().into(), expiry_s: 1 },
            Content::DoorOffer { door: "KARVON-DOOR:AAAA".to_owned().into(), expiry_s: 1 },
        ] {
            assert_eq!(
                Body::decode(&Body::new(0, content.clone()).encode()),
                Err(PeerFault::Malformed),
                "{content:?}"
            );
        }
        for kind in [1, 2, 3, 4, 5, 6, 10, 11, 15, 21, 26, 27, 28, 29, 30] {
            let bare = MapWriter::default().uint(0, kind).finish();
            assert_eq!(Body::decode(&bare), Err(PeerFault::Malformed), "kind {kind}");
        }
    }

    #[test]
    fn critical_unknown_fields_and_loose_forms_are_refused() {
        let mut critical = Payload::default();
        critical.extra.insert(crate::cbor::CRITICAL, crate::cbor::uint(1));
        assert_eq!(Payload::decode(&critical.encode()), Err(PeerFault::UnknownCritical));
        // {1: 5} with 5 in two bytes instead of one.
        assert_eq!(Payload::decode(&[0xa1, 0x01, 0x18, 0x05]), Err(PeerFault::NotCanonical));
        // Keys out of order.
        assert_eq!(Payload::decode(&[0xa2, 0x03, 0x01, 0x01, 0x01]), Err(PeerFault::NotCanonical));
        // Bytes behind the map.
        assert_eq!(Payload::decode(&[0xa0, 0x00]), Err(PeerFault::Length));
        // An acknowledgement whose ranges touch.
        assert_eq!(Payload::decode(&[0xa1, 0x00, 0x83, 0x05, 0x05, 0x06]), Err(PeerFault::Malformed));
    }
}
