//! What the parts of a relay share: the gate, this turn's time, randomness, counters and the loads under way.

use super::api::{RelayEvent, RelayReply, RelayStatus};
use super::ends::EndId;
use super::limits::RelayLimits;
use super::unit::SIGNED_BY_BYTES;
use crate::cell::Class;
use crate::core::{Key, LinkId, LoadId, Now, Op, Output, Range, Space};
use crate::effects::Effects;
use crate::ids::{MailboxId, TagPrefix};
use crate::link::{CloseCode, Frame, Kind};
use crate::rpc::{Refusal, Reply};
use rand_core::CryptoRng;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// What leaves through the gate besides the outputs every core has.
#[derive(Debug)]
pub(super) enum Told {
    /// For the shell.
    Event(Box<RelayEvent>),
    /// For the far side of a tunnel that ends here. It is sealed when it leaves, not before: a message that waits for the disk and
    /// one that does not may change places, and a tunnel's messages must be sealed in the order of their sending.
    Message {
        /// The tunnel.
        end: EndId,
        /// An encoded [`Reply`].
        plain: Vec<u8>,
        /// Whether this ends a request.
        answers: bool,
    },
}

/// Why a load was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Meta,
    Slots,
    Descriptors,
    Mailboxes,
    CellIndex,
    Objects,
    Tags(MailboxId),
    Reap(MailboxId),
    Fetch { end: EndId, number: u32, mailbox: MailboxId, whole: Class },
    Pieces { end: EndId, number: u32, prefix: TagPrefix, from: u8, count: u8 },
    Object { end: EndId, number: u32 },
    Handed { link: LinkId },
    Shards,
    ShardCell { end: EndId, seq: u64, answer: Option<(u32, u64, bool)> },
    UnitHead { link: LinkId, shard: u16, seq: u64 },
    UnitCell { link: LinkId, shard: u16, seq: u64, head: [u8; SIGNED_BY_BYTES] },
}

pub(super) struct Cx {
    pub(super) fx: Effects<RelayReply, Told>,
    pub(super) now: Now,
    pub(super) rng: Box<dyn CryptoRng + Send>,
    pub(super) counts: RelayStatus,
    pub(super) limits: RelayLimits,
    loads: BTreeMap<LoadId, Purpose>,
    next_load: u64,
}

impl Cx {
    pub(super) fn new(rng: Box<dyn CryptoRng + Send>, limits: RelayLimits) -> Self {
        Self {
            fx: Effects::default(),
            now: Now::default(),
            rng,
            counts: RelayStatus::default(),
            limits,
            loads: BTreeMap::new(),
            next_load: 1,
        }
    }

    /// Unix seconds.
    pub(super) const fn now_s(&self) -> u64 {
        self.now.wall_ms / 1_000
    }

    pub(super) fn put(&mut self, key: Key, value: Vec<u8>) {
        self.fx.write(Op::Put(key, Zeroizing::new(value)));
    }

    pub(super) fn load(&mut self, range: Range, purpose: Purpose) {
        let id = LoadId(self.next_load);
        self.next_load += 1;
        self.loads.insert(id, purpose);
        self.fx.at_once(Output::Load(id, range));
    }

    /// Everything in `space`.
    pub(super) fn load_space(&mut self, space: Space, purpose: Purpose) {
        self.load(Range::Space(space), purpose);
    }

    pub(super) fn loaded(&mut self, id: LoadId) -> Option<Purpose> {
        self.loads.remove(&id)
    }

    pub(super) fn send(&mut self, link: LinkId, kind: Kind, tunnel: u32, payload: Vec<u8>) {
        self.fx.at_once(Output::Send { link, frame: Frame::new(kind, tunnel, payload) });
    }

    pub(super) fn close(&mut self, link: LinkId, tunnel: u32, code: CloseCode) {
        self.send(link, Kind::Close, tunnel, vec![code as u8]);
    }

    /// Tells the shell once what was written up to now is durable.
    pub(super) fn notify(&mut self, event: RelayEvent) {
        self.fx.after_stored(Output::Notify(Told::Event(Box::new(event))));
    }

    /// Tells the shell what rests on nothing unwritten.
    pub(super) fn notify_at_once(&mut self, event: RelayEvent) {
        self.fx.at_once(Output::Notify(Told::Event(Box::new(event))));
    }

    /// Answers a request with what rests on nothing unwritten.
    pub(super) fn answer(&mut self, end: EndId, number: u32, reply: &Reply) {
        let plain = reply.encode(number);
        self.fx.at_once(Output::Notify(Told::Message { end, plain, answers: true }));
    }

    /// Answers a request once what was written up to now is durable.
    pub(super) fn answer_stored(&mut self, end: EndId, number: u32, reply: &Reply) {
        let plain = reply.encode(number);
        self.fx.after_stored(Output::Notify(Told::Message { end, plain, answers: true }));
    }

    pub(super) fn refuse(&mut self, end: EndId, number: u32, refusal: Refusal) {
        self.count_refused(refusal);
        self.answer(end, number, &Reply::Refused(refusal));
    }

    pub(super) fn count_refused(&mut self, refusal: Refusal) {
        self.counts.refused += 1;
        if let Some(count) = self.counts.refused_by.get_mut(refusal as usize) {
            *count += 1;
        }
    }

    /// Whether nothing new is stored at the moment.
    pub(super) const fn takes_nothing(&self) -> bool {
        self.counts.draining || self.counts.pressure.storage
    }

    /// Whether so much is held that `percent` of what may be held is reached.
    pub(super) const fn is_filled(&self, percent: u64) -> bool {
        let (counts, limits) = (&self.counts, &self.limits);
        counts.cells.saturating_mul(100) >= limits.cells.saturating_mul(percent)
            || counts.cell_bytes.saturating_mul(100) >= limits.cell_bytes.saturating_mul(percent)
    }

    /// How much of what may be held is held, percent.
    pub(super) fn filled_percent(&self) -> u64 {
        let (counts, limits) = (&self.counts, &self.limits);
        let percent = |held: u64, most: u64| held.saturating_mul(100).checked_div(most).unwrap_or(100);
        percent(counts.cells, limits.cells).max(percent(counts.cell_bytes, limits.cell_bytes))
    }

    /// Sends what does not end a request.
    pub(super) fn tell(&mut self, end: EndId, number: u32, reply: &Reply) {
        let plain = reply.encode(number);
        self.fx.at_once(Output::Notify(Told::Message { end, plain, answers: false }));
    }

    /// Sends what does not end a request once what was written up to now is durable.
    pub(super) fn tell_stored(&mut self, end: EndId, number: u32, reply: &Reply) {
        let plain = reply.encode(number);
        self.fx.after_stored(Output::Notify(Told::Message { end, plain, answers: false }));
    }
}
