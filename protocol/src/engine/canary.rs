//! Canaries: cells that a person leaves in their own mailboxes to see whether a relay keeps what it confirms (DESIGN D5).
//!
//! A canary looks like any cell: a registered tag, random bytes, brought by a tunnel of its own over another relay. It stays until a later
//! whole fetch, hours or a restart after, shows it; then it is removed and the next one is made.

use super::api::ContactId;
use super::cx::{Alarm, Ask, Cx, Signal, Token};
use super::mailboxes::{Mailbox, Mailboxes};
use super::routes::{Lane, RouteError};
use crate::cell::{Cell, Class, OUTER_BYTES};
use crate::core::Mono;
use crate::crypto::fixed::Reader;
use crate::ids::{RelayId, Tag, TagPrefix};
use crate::limits::CANARY_MS;
use crate::rpc::{Refusal, Reply, Request};

/// Claims that wait for one fetch.
const CLAIMS_MAX: usize = 64;
/// What a relay that lost something is worth: this many losses, and it may be replaced.
pub(super) const LOSER: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// None is out.
    #[default]
    Idle,
    /// Its tag is being registered, or its cell deposited.
    Coming,
    /// The relay said that it has it on disk.
    Out,
}

/// The canary of one mailbox.
#[derive(Debug, Default)]
pub(super) struct Canary {
    phase: Phase,
    tag: Option<Tag>,
    /// When it was confirmed or last failed to be; nothing after a restart.
    since: Option<Mono>,
    /// A whole fetch is under way that must show it.
    checking: bool,
    seen: bool,
}

impl Canary {
    /// Whether a confirmed one lies there.
    pub(super) fn is_out(&self) -> bool {
        self.phase == Phase::Out
    }

    /// Whether one is out and should be looked for.
    pub(super) fn is_due(&self, now: Mono) -> bool {
        self.is_out() && self.is_ripe(now)
    }

    /// Whether this prefix is its tag's.
    pub(super) fn has(&self, prefix: TagPrefix) -> bool {
        self.tag.is_some_and(|tag| tag.prefix() == prefix)
    }

    /// `phase 1 | tag 16`: only one that is out is worth remembering.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let tag = self.tag.filter(|_| self.is_out());
        out.push(u8::from(tag.is_some()));
        out.extend_from_slice(&tag.unwrap_or(Tag([0; 16])).0);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let out = reader.u8()? == 1;
        let tag = Tag(*reader.take()?);
        let phase = if out { Phase::Out } else { Phase::Idle };
        Some(Self { phase, tag: out.then_some(tag), ..Self::default() })
    }

    fn is_ripe(&self, now: Mono) -> bool {
        self.since.is_none_or(|since| now >= since.after_ms(CANARY_MS))
    }
}

/// A contact says that this mailbox confirmed a cell with its message `seq`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) contact: ContactId,
    pub(super) seq: u64,
    checking: bool,
    /// The fetch came to its end.
    fetched: bool,
}

impl Mailbox {
    /// A fetch from the beginning starts: what was confirmed before must come.
    pub(super) fn begin_check(&mut self, now: Mono) {
        self.canary.seen = false;
        self.canary.checking = self.canary.is_due(now);
        self.claims.iter_mut().for_each(|claim| claim.checking = true);
    }

    /// A fetch from the beginning came to its end: whatever was to come has come or is lost, but for what it announced and is asked for
    /// piece by piece (`waits`).
    pub(super) fn end_check(&mut self, number: u32, waits: bool, cx: &mut Cx<'_>) {
        self.claims.iter_mut().for_each(|claim| claim.fetched = claim.checking);
        if !waits {
            self.judge_claims(number, cx);
        }
        if !core::mem::take(&mut self.canary.checking) {
            return;
        }
        if self.canary.seen {
            self.losses = self.losses.saturating_sub(1);
            if let Some(tag) = self.canary.tag {
                let ask = Ask::Plain(Request::Remove(vec![tag.prefix()]));
                cx.signal(Signal::Ask(Lane::Mailbox(number), self.relay, ask, Token::Nobody));
            }
        } else {
            self.losses = self.losses.saturating_add(1);
        }
        self.canary = Canary { since: Some(cx.now.mono), ..Canary::default() };
        cx.write(self.save(number));
    }

    /// Nothing that it announced is on its way any more: what contacts said is there has come or is lost.
    pub(super) fn judge_claims(&mut self, number: u32, cx: &mut Cx<'_>) {
        for claim in self.claims.extract_if(.., |claim| claim.fetched) {
            cx.signal(Signal::Claimed(number, claim.contact, claim.seq));
        }
    }

    /// What it announced was not brought, for which it may not be to blame: the next fetch shows more.
    pub(super) fn put_off_claims(&mut self) {
        self.claims.iter_mut().for_each(|claim| claim.fetched = false);
    }
}

impl Mailboxes {
    /// Whether this cell is the canary of the mailbox it came from.
    pub(crate) fn is_canary(&mut self, number: u32, tag: Tag) -> bool {
        let Some(held) = self.boxes.get_mut(&number).filter(|held| held.canary.tag == Some(tag)) else {
            return false;
        };
        held.canary.seen = true;
        true
    }

    /// Sets out canaries where none is, and has ripe ones checked.
    pub(super) fn tend_canaries(&mut self, cx: &mut Cx<'_>) {
        if cx.spending.rests() {
            return;
        }
        let (now, low) = (cx.now.mono, cx.spending.is_low());
        for (number, held) in
            self.boxes.iter_mut().filter(|(_, held)| held.is_current() && held.is_attached())
        {
            if low {
                // Bytes are dear: four times as long, and not right after each start.
                let since = *held.canary.since.get_or_insert(now);
                if now < since.after_ms(4 * CANARY_MS) {
                    continue;
                }
            }
            match held.canary.phase {
                Phase::Idle if held.canary.is_ripe(now) => {
                    let mut tag = Tag([0; 16]);
                    cx.rng.fill_bytes(&mut tag.0);
                    held.canary = Canary { phase: Phase::Coming, tag: Some(tag), ..Canary::default() };
                    let ask = Ask::Plain(Request::Register(vec![(Class::S as u8, tag.prefix())]));
                    cx.signal(Signal::Ask(
                        Lane::Mailbox(*number),
                        held.relay,
                        ask,
                        Token::CanaryTag(*number),
                    ));
                }
                Phase::Out if held.canary.is_ripe(now) => held.stale = true,
                _ => {}
            }
        }
        self.fetch_next(cx);
    }

    /// The canary's tag is registered: its cell follows by another way, after a while.
    pub(crate) fn on_canary_tag(&mut self, number: u32, answer: &Result<Reply, RouteError>, cx: &mut Cx<'_>) {
        let Some(held) = self.boxes.get_mut(&number).filter(|held| held.canary.phase == Phase::Coming) else {
            return;
        };
        if matches!(answer, Ok(Reply::Done)) {
            // Not right behind its registration: the relay should not see at once that they belong together.
            let pause = cx.jitter(30_000);
            cx.alarm_in(Alarm::Canary(number), pause);
        } else {
            held.canary = Canary { since: Some(cx.now.mono), ..Canary::default() };
        }
    }

    /// Deposits a canary.
    pub(crate) fn on_canary_due(&mut self, number: u32, cx: &mut Cx<'_>) {
        let Some(held) = self.boxes.get(&number).filter(|held| held.canary.phase == Phase::Coming) else {
            return;
        };
        let Some(tag) = held.canary.tag else { return };
        let mut bytes = vec![0; Class::S.bytes()];
        cx.rng.fill_bytes(&mut bytes);
        bytes.splice(..OUTER_BYTES, Cell::outer(Class::S, &tag, 0));
        if let Ok(cell) = Cell::parse(bytes) {
            let ask = Ask::Plain(Request::Deposit { mailbox: held.id(), cell });
            cx.signal(Signal::Ask(Lane::Canary(number), held.relay, ask, Token::Canary(number)));
        }
    }

    /// The relay's word on a canary.
    pub(crate) fn on_canary(&mut self, number: u32, answer: &Result<Reply, RouteError>, cx: &mut Cx<'_>) {
        let Some(held) = self.boxes.get_mut(&number).filter(|held| held.canary.phase == Phase::Coming) else {
            return;
        };
        match answer {
            Ok(Reply::Stored { .. }) => {
                held.canary.phase = Phase::Out;
                held.canary.since = Some(cx.now.mono);
            }
            answer => {
                // It took the registration and refuses the cell: it forgot what it had confirmed.
                if matches!(answer, Err(RouteError::Refused(Refusal::UnknownTag | Refusal::UsedTag))) {
                    held.losses = held.losses.saturating_add(1);
                }
                held.canary = Canary { since: Some(cx.now.mono), ..Canary::default() };
            }
        }
        cx.write(held.save(number));
    }

    /// A contact told which relays confirmed its message `seq`, and it is not here: the next whole fetch from them must bring it.
    pub(crate) fn claim(&mut self, contact: ContactId, seq: u64, relays: &[RelayId], cx: &mut Cx<'_>) {
        for held in self.boxes.values_mut().filter(|held| relays.contains(&held.relay)) {
            let known = held.claims.iter().any(|claim| (claim.contact, claim.seq) == (contact, seq));
            if !known && held.claims.len() < CLAIMS_MAX {
                held.claims.push(Claim { contact, seq, checking: false, fetched: false });
                held.stale = true;
            }
        }
        self.fetch_next(cx);
    }

    /// A relay confirmed a contact's cell and does not have it.
    pub(crate) fn lost(&mut self, number: u32, cx: &mut Cx<'_>) {
        if let Some(held) = self.boxes.get_mut(&number) {
            // One liar among the contacts alone can not drive a relay away: its word counts once between two canaries.
            held.losses = held.losses.saturating_add(u8::from(held.losses < LOSER - 1));
            cx.write(held.save(number));
        }
    }
}
