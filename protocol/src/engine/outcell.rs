//! One cell under way: at which relays it is, what is asked next, and what remains of it on disk (DESIGN D3).

use super::api::{ContactId, TrailEvent, TrailStep};
use super::cx::{Alarm, Ask, Cx, Signal, Token};
use super::knocks::Knock;
use super::lan::OnLan;
use super::routes::{Lane, RouteError};
use super::spend::For;
use crate::body::MailboxDescriptor;
use crate::cell::{Cell, Class};
use crate::core::{Key, LoadId, Mono, Op, Space, Value};
use crate::ids::{CellHash, MailboxId, RelayId, first};
use crate::limits::{CELL_TTL_S, STORED_AT};
use crate::rpc::{Refusal, Reply, Request};
use zeroize::Zeroizing;

/// First and longest pause before a relay is tried again, milliseconds.
const RETRY_MS: (u64, u64) = (500, 300_000);
/// Longest pause while one relay has it and another one fails, milliseconds.
const SPARE_RETRY_MS: u64 = 14_400_000;
/// Failures after which a relay is taken to be away for longer.
const AWAY_FAILURES: u32 = 3;
/// Unacknowledged bytes are deposited again after half of the time that relays keep them, milliseconds (DESIGN D1).
const REFRESH_MS: u64 = CELL_TTL_S * 500;
/// The work for one relay may take so long before another relay is tried beside it, milliseconds.
const KNOCK_MS: u64 = 3_600_000;
/// The recipient of a cell that was taken acknowledges it before this time is over, milliseconds.
const TAKEN_MS: u64 = 300_000;
/// Deposits refused for their tag are tried there no more often than this, milliseconds.
const TAG_RETRY_MS: u64 = 60_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Asked { since: Mono },
    Stored { expiry_s: u64, at_ms: u64 },
    Failed { retry: Mono, failures: u32 },
}

/// A cell under way to a contact.
#[derive(Debug)]
pub(crate) struct OutCell {
    /// Its bytes; on disk only once it is stored.
    pub(crate) cell: Option<Cell>,
    /// What neighbours who carry it know it by.
    pub(crate) name: CellHash,
    /// First own message in it; `count` 0 marks one without messages.
    pub(crate) first_seq: u64,
    pub(crate) count: u64,
    relays: Vec<(RelayId, At)>,
    trail: Vec<TrailStep>,
    pub(crate) loading: Option<LoadId>,
    /// When it was confirmed by enough relays, or last sent again.
    pub(crate) settled: Option<Mono>,
    /// So long after that it is deposited again, milliseconds.
    pub(crate) refresh_ms: u64,
    /// It asks at a published address: relays are paid for it.
    knocks: bool,
    /// It was read from disk, so it may have been deposited before.
    resumed: bool,
    /// Nobody will ever confirm it: see [`OutCell::on_answer`].
    pub(crate) doubted: bool,
    /// Relays that refuse its tag, as they do once the recipient has had a cell with it, and since when the first of them does.
    used: (Vec<RelayId>, Option<Mono>),
    pub(crate) lan: OnLan,
    /// Which of the recipient's mailboxes is asked first: see [`OutCell::drive`].
    pub(crate) turn: (Class, usize),
}

impl OutCell {
    pub(crate) fn new(cell: Cell, first_seq: u64, count: u64) -> Self {
        Self {
            name: cell.hash(),
            cell: Some(cell),
            first_seq,
            count,
            relays: Vec::new(),
            trail: Vec::new(),
            loading: None,
            settled: None,
            refresh_ms: REFRESH_MS,
            knocks: false,
            resumed: false,
            doubted: false,
            used: (Vec::new(), None),
            lan: OnLan::default(),
            turn: (Class::S, 0),
        }
    }

    /// The same for a cell that asks at a published address: it is paid for, and not again while relays keep it.
    pub(crate) fn knocking(mut self) -> Self {
        self.knocks = true;
        self.refresh_ms = CELL_TTL_S * 1_000;
        self
    }

    /// Relays that said they have it on disk.
    pub(crate) fn confirmed(&self) -> usize {
        self.relays.iter().filter(|(_, at)| matches!(at, At::Stored { .. })).count()
    }

    /// Whether as many relays as promised have it on disk.
    pub(crate) fn is_stored(&self, their: &MailboxDescriptor) -> bool {
        self.confirmed() >= STORED_AT.min(their.mailboxes.len()).max(1)
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.first_seq + self.count.saturating_sub(1)
    }

    /// The relay may have lost it: everything starts again with the same bytes.
    pub(crate) fn start_again(&mut self) {
        self.relays.clear();
        self.settled = None;
        self.refresh_ms = if self.knocks { CELL_TTL_S * 1_000 } else { REFRESH_MS };
    }

    /// Who said that they have it on disk.
    pub(crate) fn holders(&self) -> Vec<RelayId> {
        let stored = self.relays.iter().filter(|(_, at)| matches!(at, At::Stored { .. }));
        stored.map(|(relay, _)| *relay).collect()
    }

    /// Whether as many relays as promised of this very set have it on disk.
    pub(crate) fn is_held_by(&self, their: &MailboxDescriptor) -> bool {
        let held =
            self.holders().iter().filter(|relay| their.mailboxes.iter().any(|(id, _)| id == *relay)).count();
        held >= STORED_AT.min(their.mailboxes.len()).max(1)
    }

    /// Relays outside this set do not count any more.
    pub(crate) fn forget_others(&mut self, their: &MailboxDescriptor) {
        self.relays.retain(|(relay, _)| their.mailboxes.iter().any(|(id, _)| id == relay));
    }

    /// Whether more texts should wait for it: not if the other side has it, or one relay has it and all others that were asked stay away.
    pub(crate) fn is_under_way(&self) -> bool {
        let away = |at: &At| matches!(at, At::Failed { failures, .. } if *failures >= AWAY_FAILURES);
        let spare = self.confirmed() > 0
            && self.relays.iter().all(|(_, at)| matches!(at, At::Stored { .. }) || away(at));
        self.settled.is_none() && !spare && !self.lan.had && !self.lan.handed
    }

    /// Whether no relay has it and all that were asked stay away.
    pub(crate) fn is_stranded(&self) -> bool {
        let away = |at: &At| matches!(at, At::Failed { failures, .. } if *failures >= AWAY_FAILURES);
        self.settled.is_none()
            && !self.lan.had
            && !self.relays.is_empty()
            && self.relays.iter().all(|(_, at)| away(at))
    }

    /// Whether a relay said that its tag is used or unknown.
    pub(crate) fn is_tag_refused(&self) -> bool {
        let word = RouteError::Refused(Refusal::UsedTag).word();
        self.trail.iter().any(|step| matches!(&step.what, TrailEvent::Refused(_, why) if *why == word))
    }

    /// Whether the recipient has had another cell with its tag: `wanted` relays have refused it for a while, none ever took it, and the
    /// recipient has acknowledged nothing. Then this device has given out the tag before and does not know it. A cell that was under way
    /// when this device was killed may have been taken as well: then its acknowledgement comes within that while, or a new session is formed
    /// for nothing.
    pub(crate) fn is_taken(&self, wanted: usize, now: Mono) -> bool {
        let long = self.used.1.is_some_and(|since| now >= since.after_ms(TAKEN_MS));
        let elsewhere = self.lan.had || self.lan.handed || self.lan.beyond;
        long && !elsewhere && self.used.0.len() >= wanted && self.count > 0 && self.confirmed() == 0
    }

    /// How long ago it was stored, by this device's clock.
    pub(crate) fn age_ms(&self, wall_ms: u64) -> u64 {
        let stored = self.relays.iter().filter_map(|(_, at)| match at {
            At::Stored { at_ms, .. } => Some(*at_ms),
            _ => None,
        });
        stored.min().map_or(0, |at_ms| wall_ms.saturating_sub(at_ms))
    }

    /// Longest pause before a relay is tried again.
    fn longest_pause(&self) -> u64 {
        if self.confirmed() > 0 { SPARE_RETRY_MS } else { RETRY_MS.1 }
    }

    /// Asks relays until enough have confirmed or are asked; sets the alarm for the next look.
    pub(crate) fn drive(
        &mut self,
        contact: ContactId,
        number: u64,
        their: &MailboxDescriptor,
        cx: &mut Cx<'_>,
    ) {
        let needed = STORED_AT.min(their.mailboxes.len());
        let now = cx.now.mono;
        // Without an answer after this time the next relay is tried beside (DESIGN D3).
        let hedge_ms = cx.paces.hedge_ms(self.cell.as_ref().map_or(0, |cell| cell.bytes().len()));
        let hedge_ms = if self.knocks { KNOCK_MS } else { hedge_ms };
        let mut counted = 0;
        let mut next = now.after_ms(self.longest_pause());
        for (_, at) in &self.relays {
            match at {
                At::Stored { .. } => counted += 1,
                // A slow relay counts for half: another one is tried beside it.
                At::Asked { since } if now < since.after_ms(hedge_ms) => {
                    counted += 1;
                    next = next.min(since.after_ms(hedge_ms));
                }
                At::Asked { .. } => {}
                At::Failed { retry, .. } => next = next.min((*retry).max(now.after_ms(20))),
            }
        }
        for (relay, mailbox) in self.in_turn(&their.mailboxes) {
            if counted >= needed {
                break;
            }
            let held = self.relays.iter().position(|(known, _)| *known == relay);
            let free = match held.and_then(|at| self.relays.get(at)) {
                None => true,
                Some((_, At::Failed { retry, .. })) => *retry <= now,
                Some(_) => false,
            };
            let Some(cell) = self.cell.clone().filter(|_| free) else { continue };
            let failures = match held.and_then(|at| self.relays.get(at)) {
                Some((_, At::Failed { failures, .. })) => *failures,
                _ => 0,
            };
            self.set(relay, At::Asked { since: now });
            if failures == 0 {
                self.step(TrailEvent::Sent(relay), cx);
            }
            if self.knocks {
                let knock = Knock { contact, number, relay, mailbox, cell };
                cx.signal(Signal::Knock(Box::new(knock)));
            } else {
                let what = if self.count > 0 { For::Texts } else { For::Receipts };
                cx.spending.carries(true, what, cell.bytes().len());
                let request = Request::Deposit { mailbox, cell };
                let token = Token::Deposit(contact, number);
                cx.signal(Signal::Ask(Lane::Contact(contact), relay, Ask::Plain(request), token));
            }
            counted += 1;
            next = next.min(now.after_ms(hedge_ms));
        }
        if self.confirmed() < needed || needed == 0 {
            cx.timers.set(Alarm::Cell(contact, number), next);
        }
    }

    /// Mailboxes in the order in which they are asked. The first one pushes small cells; others lie at all of them in turn, so that they can
    /// come from all at once: of class M, which it may push as well, at the first and another, of class L at any two.
    fn in_turn(&self, all: &[(RelayId, MailboxId)]) -> Vec<(RelayId, MailboxId)> {
        let mut out = all.to_vec();
        let (class, turn) = self.turn;
        let rest = match class {
            Class::S => &mut [],
            Class::M => out.get_mut(1..).unwrap_or_default(),
            Class::L => out.as_mut_slice(),
        };
        if !rest.is_empty() {
            rest.rotate_left(turn % rest.len());
        }
        out
    }

    fn set(&mut self, relay: RelayId, at: At) {
        match self.relays.iter_mut().find(|(known, _)| *known == relay) {
            Some((_, held)) => *held = at,
            None => self.relays.push((relay, at)),
        }
    }

    pub(crate) fn step(&mut self, what: TrailEvent, cx: &Cx<'_>) {
        // Retries over weeks must not grow without bound.
        if self.trail.len() < 64 {
            self.trail.push(TrailStep { at_ms: cx.now.wall_ms, what });
        }
    }

    /// Whether the recipient's acknowledgement will never name it, so that a relay's word is all there will be. The first cell of a session
    /// (number 0) is answered.
    fn is_unanswered(&self, number: u64) -> bool {
        self.count == 0 && number != 0 && !self.knocks
    }

    /// A relay's answer to a deposit. Returns whether it has just confirmed.
    ///
    /// A cell that was deposited before this device was killed is deposited again. Where the recipient has taken it meanwhile, its tag is
    /// refused for ever; so it is where a neighbour carried it there. If it carries messages, their acknowledgement ends that; if not, the
    /// refusal has to, or eight such cells take all the places of cells under way and nothing can be sent any more.
    pub(crate) fn on_answer(
        &mut self,
        number: u64,
        relay: RelayId,
        answer: &Result<Reply, RouteError>,
        cx: &mut Cx<'_>,
    ) -> bool {
        let Some((_, at)) = self.relays.iter().find(|(known, _)| *known == relay) else { return false };
        if matches!(at, At::Stored { .. }) {
            return false;
        }
        match answer {
            Ok(Reply::Stored { expiry_s }) => {
                self.set(relay, At::Stored { expiry_s: *expiry_s, at_ms: cx.now.wall_ms });
                self.step(TrailEvent::Stored(relay, *expiry_s), cx);
                true
            }
            Err(RouteError::Refused(Refusal::UsedTag | Refusal::UnknownTag))
                if (self.resumed || self.lan.handed) && self.is_unanswered(number) =>
            {
                self.doubted = true;
                self.set(relay, At::Stored { expiry_s: 0, at_ms: cx.now.wall_ms });
                true
            }
            answer => {
                let error = answer.as_ref().err().copied().unwrap_or(RouteError::Broken);
                // A used tag most often means that the recipient has taken the cell: the acknowledgement will tell.
                let tag = matches!(error, RouteError::Refused(Refusal::UnknownTag | Refusal::UsedTag));
                self.step(TrailEvent::Refused(relay, error.word()), cx);
                if tag && !self.used.0.contains(&relay) {
                    self.used.0.push(relay);
                    self.used.1.get_or_insert(cx.now.mono);
                }
                let failures = self.failures(relay);
                let pause = if tag {
                    TAG_RETRY_MS
                } else {
                    RETRY_MS.0.saturating_mul(1 << failures.min(15)).min(self.longest_pause())
                };
                let pause = cx.jitter(pause);
                let retry = cx.now.mono.after_ms(pause);
                self.set(relay, At::Failed { retry, failures: failures + 1 });
                false
            }
        }
    }

    fn failures(&self, relay: RelayId) -> u32 {
        // `Asked` forgets the count on purpose only after a success; count refusals in the trail instead.
        self.trail
            .iter()
            .filter(|step| matches!(&step.what, TrailEvent::Refused(by, _) if *by == relay))
            .count() as u32
    }

    /// A new link is up: relays that failed for want of a path are tried at once.
    pub(crate) fn hurry(&mut self, now: Mono) {
        for (_, at) in &mut self.relays {
            if let At::Failed { retry, .. } = at {
                *retry = (*retry).min(now);
            }
        }
    }

    /// Its way so far.
    pub(crate) fn trail(&self) -> &[TrailStep] {
        &self.trail
    }

    /// The record beside the bytes: `first 8 | count 8 | name 16 | { relay 16 | expiry 8 | at 8 }…`.
    pub(crate) fn save(&self, contact: ContactId, number: u64) -> Op {
        let mut out = Zeroizing::new(Vec::with_capacity(32 + 32 * self.relays.len()));
        out.extend_from_slice(&self.first_seq.to_be_bytes());
        out.extend_from_slice(&self.count.to_be_bytes());
        out.extend_from_slice(&self.name.0);
        for (relay, at) in &self.relays {
            if let At::Stored { expiry_s, at_ms } = at {
                out.extend_from_slice(&relay.0);
                out.extend_from_slice(&expiry_s.to_be_bytes());
                out.extend_from_slice(&at_ms.to_be_bytes());
            }
        }
        Op::Put(Key::of(Space::OutState, contact.group(), number), out)
    }

    /// Reads what [`OutCell::save`] wrote.
    pub(crate) fn load(value: &Value) -> Option<Self> {
        let (first_seq, rest) = value.split_first_chunk::<8>()?;
        let (count, rest) = rest.split_first_chunk::<8>()?;
        let (name, rest) = rest.split_first_chunk::<16>()?;
        let (entries, tail) = rest.as_chunks::<32>();
        let mut out = Self {
            cell: None,
            name: CellHash(*name),
            first_seq: u64::from_be_bytes(*first_seq),
            count: u64::from_be_bytes(*count),
            relays: Vec::new(),
            trail: Vec::new(),
            loading: None,
            settled: None,
            refresh_ms: REFRESH_MS,
            knocks: false,
            resumed: true,
            doubted: false,
            used: (Vec::new(), None),
            lan: OnLan::default(),
            turn: (Class::S, 0),
        };
        for entry in entries {
            let (relay, numbers) = entry.split_first_chunk::<16>()?;
            let (expiry, at) = numbers.split_first_chunk::<8>()?;
            let (expiry_s, at_ms) = (u64::from_be_bytes(*expiry), u64::from_be_bytes(first(at)));
            let relay = RelayId(*relay);
            out.relays.push((relay, At::Stored { expiry_s, at_ms }));
            out.trail.push(TrailStep { at_ms, what: TrailEvent::Stored(relay, expiry_s) });
        }
        (tail.is_empty() && out.first_seq.checked_add(out.count).is_some()).then_some(out)
    }

    /// The records to remove when nobody needs the cell any more, and the trail to keep for `info`.
    pub(crate) fn retire(&self, contact: ContactId, number: u64, delivered_ms: Option<u64>, cx: &mut Cx<'_>) {
        cx.write(Op::Remove(Key::of(Space::OutCell, contact.group(), number)));
        cx.write(Op::Remove(Key::of(Space::OutState, contact.group(), number)));
        cx.timers.cancel(Alarm::Cell(contact, number));
        if self.count > 0 {
            let value = encode_trail(self.count, &self.trail, delivered_ms);
            cx.write(Op::Put(Key::of(Space::Trail, contact.group(), self.first_seq), value));
        }
    }
}

/// `count 8 | { kind 1 | at 8 | relay 16 | until 8 }…`: what remains of a trail on disk.
fn encode_trail(count: u64, steps: &[TrailStep], delivered_ms: Option<u64>) -> Value {
    let mut out = Zeroizing::new(count.to_be_bytes().to_vec());
    let mut push = |kind: u8, at_ms: u64, relay: RelayId, until: u64| {
        out.push(kind);
        out.extend_from_slice(&at_ms.to_be_bytes());
        out.extend_from_slice(&relay.0);
        out.extend_from_slice(&until.to_be_bytes());
    };
    for step in steps {
        match step.what {
            TrailEvent::Sent(relay) => push(1, step.at_ms, relay, 0),
            TrailEvent::Stored(relay, until) => push(2, step.at_ms, relay, until),
            TrailEvent::Near => push(4, step.at_ms, RelayId([0; 16]), 0),
            TrailEvent::Carried => push(5, step.at_ms, RelayId([0; 16]), 0),
            _ => {}
        }
    }
    if let Some(at_ms) = delivered_ms {
        push(3, at_ms, RelayId([0; 16]), 0);
    }
    out
}

/// Reads what a retired cell left: how many messages it carried, and its way.
pub(crate) fn decode_trail(value: &Value) -> Option<(u64, Vec<TrailStep>)> {
    let (count, rest) = value.split_first_chunk::<8>()?;
    let (entries, tail) = rest.as_chunks::<33>();
    let mut steps = Vec::new();
    for [kind, entry @ ..] in entries {
        let (at, rest) = entry.split_first_chunk::<8>()?;
        let (relay, until) = rest.split_first_chunk::<16>()?;
        let (relay, until) = (RelayId(*relay), u64::from_be_bytes(first(until)));
        let what = match kind {
            1 => TrailEvent::Sent(relay),
            2 => TrailEvent::Stored(relay, until),
            3 => TrailEvent::Delivered,
            4 => TrailEvent::Near,
            5 => TrailEvent::Carried,
            _ => return None,
        };
        steps.push(TrailStep { at_ms: u64::from_be_bytes(*at), what });
    }
    tail.is_empty().then_some((u64::from_be_bytes(*count), steps))
}
