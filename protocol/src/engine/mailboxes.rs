//! Own mailboxes: choosing relays, attaching, fetching, and telling them what is durable here (DESIGN D1, D3).

mod pieces;

use super::canary::{Canary, Claim};
use super::cx::{Alarm, Ask, Cx, Signal, Token};
use super::doors::Doors;
use super::moves::Moves;
use super::pulls::Pulls;
use super::routes::{Lane, RouteError};
use crate::body::MailboxDescriptor;
use crate::cell::Class;
use crate::core::{Key, Mono, Op, Space, Value};
use crate::crypto::fixed::Reader;
use crate::ids::{MailboxId, RelayId, TagPrefix};
use crate::limits::MAILBOXES;
use crate::rpc::{Push, Reply, Request};
use ed25519_dalek::SigningKey;
use std::collections::{BTreeMap, VecDeque};
use zeroize::Zeroizing;

/// Bytes asked for in one fetch.
const FETCH_BYTES: u32 = 262_144;
/// A cell that was announced and has not come by the pushing relay within this time is fetched, milliseconds (DESIGN D3).
const NOTICE_MS: u64 = 1_000;
/// The same where everything comes through web doors: the push may wait behind pieces of a large cell, or for the next connection. Only
/// this cell is asked for then, and the silent door is asked whether it is there.
const NARROW_NOTICE_MS: u64 = 3_000;
/// While pieces are under way it is looked so often whether a mailbox sends none, milliseconds.
const LOOK_AGAIN_MS: u64 = 15_000;
/// Removals are gathered for this time, milliseconds.
const REMOVAL_MS: u64 = 30;
/// The next mailbox is fetched this long after the one before, so that what both hold comes once, milliseconds.
const NEXT_FETCH_MS: u64 = 200;
/// Another one is fetched already while a fetch lasts for so long, on narrow paths and on others, milliseconds: a relay need not end it.
const FETCH_ALONE_MS: (u64, u64) = (600_000, 60_000);
/// What a relay was too busy for is asked for again after this time, milliseconds.
const BUSY_MS: u64 = 5_000;
/// Prefixes in one removal.
const REMOVALS_MAX: usize = 1_024;
/// Announced cells remembered.
const NOTICES_MAX: usize = 4_096;
/// Cells remembered whose removal was sent.
const REMOVED_MAX: usize = 512;
/// First and longest pause before attaching again, milliseconds.
const ATTACH_MS: (u64, u64) = (250, 60_000);
/// Longest pause for a mailbox that is not announced any more, milliseconds.
const RETIRED_ATTACH_MS: u64 = 900_000;
/// First and longest pause between two questions for more relays, milliseconds.
const ASK_MS: (u64, u64) = (500, 600_000);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Away,
    Asked { push: Push },
    Attached { push: Push },
}

/// What a mailbox is to contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Being tried: nobody knows of it yet.
    Candidate,
    /// Announced.
    Current,
    /// Superseded by the descriptor with number `seq` at `since_ms` (Unix): still polled (DESIGN D2).
    Retired { since_ms: u64, seq: u64 },
}

#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) relay: RelayId,
    pub(super) seed: Zeroizing<[u8; 32]>,
    /// What the relay calls it; follows from the seed.
    id: MailboxId,
    pub(super) role: Role,
    pub(super) state: State,
    /// Attachments that failed in a row.
    pub(super) failures: u32,
    /// Something may wait there that was not fetched yet.
    pub(super) stale: bool,
    /// Since when a fetch is under way.
    pub(super) fetching: Option<Mono>,
    /// What the relay called its next number when this side attached, and the same of the last time after which everything was fetched.
    next: u64,
    fetched: Option<u64>,
    /// Minutes for which it could not be reached while others could.
    pub(super) away_min: u32,
    /// Cells that it confirmed and lost, as far as this side knows; fair behaviour lowers it.
    pub(super) losses: u8,
    /// Ticks that a candidate has lived.
    pub(super) age: u32,
    pub(super) canary: Canary,
    /// What contacts say is there, to be checked by the next whole fetch.
    pub(super) claims: Vec<Claim>,
}

impl Mailbox {
    pub(super) fn new(relay: RelayId, seed: Zeroizing<[u8; 32]>, role: Role) -> Self {
        let id = MailboxId::of(&SigningKey::from_bytes(&seed).verifying_key().to_bytes());
        Self {
            relay,
            seed,
            id,
            role,
            state: State::Away,
            failures: 0,
            stale: false,
            fetching: None,
            next: 0,
            fetched: None,
            away_min: 0,
            losses: 0,
            age: 0,
            canary: Canary::default(),
            claims: Vec::new(),
        }
    }

    pub(super) const fn id(&self) -> MailboxId {
        self.id
    }

    pub(super) fn is_attached(&self) -> bool {
        matches!(self.state, State::Attached { .. })
    }

    pub(super) fn is_current(&self) -> bool {
        self.role == Role::Current
    }

    /// `relay 16 | seed 32 | role 1 | since 8 | seq 8 | away 4 | losses 1 | canary phase 1, tag 16`.
    pub(super) fn save(&self, number: u32) -> Op {
        let (role, since, seq) = match self.role {
            Role::Candidate => (0, 0, 0),
            Role::Current => (1, 0, 0),
            Role::Retired { since_ms, seq } => (2, since_ms, seq),
        };
        let mut out = Zeroizing::new(Vec::with_capacity(96));
        out.extend_from_slice(&self.relay.0);
        out.extend_from_slice(&*self.seed);
        out.push(role);
        out.extend_from_slice(&since.to_be_bytes());
        out.extend_from_slice(&seq.to_be_bytes());
        out.extend_from_slice(&self.away_min.to_be_bytes());
        out.push(self.losses);
        self.canary.write(&mut out);
        Op::Put(Key::single(Space::Mailbox, u64::from(number)), out)
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(value);
        let (relay, seed) = (RelayId(*reader.take()?), Zeroizing::new(*reader.take()?));
        let (role, since_ms, seq) = (reader.u8()?, reader.u64()?, reader.u64()?);
        let role = match role {
            0 => Role::Candidate,
            1 => Role::Current,
            2 => Role::Retired { since_ms, seq },
            _ => return None,
        };
        let mut out = Self::new(relay, seed, role);
        out.away_min = reader.u32()?;
        out.losses = reader.u8()?;
        out.canary = Canary::read(&mut reader)?;
        out.stale = true;
        reader.end()?;
        Some(out)
    }
}

/// The own mailboxes by number; numbers grow and are never used again.
#[derive(Debug, Default)]
pub(crate) struct Mailboxes {
    pub(super) boxes: BTreeMap<u32, Mailbox>,
    pub(super) moves: Moves,
    removals: Vec<TagPrefix>,
    /// Those sent last, the oldest first: their announcements may still be under way.
    removed: VecDeque<TagPrefix>,
    notices: BTreeMap<(TagPrefix, u32), (Class, Mono)>,
    pub(super) pulls: Pulls,
    /// The mailbox that was fetched from last: the next one has its turn, whatever this one says.
    last_fetched: u32,
    /// How often doors were asked for more relays since something was new.
    asks: u32,
}

impl Mailboxes {
    /// Takes a stored mailbox; number 0 is the record of moves.
    pub(crate) fn load(&mut self, key: Key, value: &Value, cx: &mut Cx<'_>) {
        if key.seq == 0 {
            self.moves.load(value);
            return;
        }
        match Mailbox::decode(value) {
            Some(held) => drop(self.boxes.insert(key.seq as u32, held)),
            None => cx.fault(),
        }
    }

    /// Takes a mailbox from a backup, if its number is free.
    pub(crate) fn restore(&mut self, number: u32, relay: RelayId, seed: &[u8; 32], cx: &mut Cx<'_>) {
        if number > 0 && !self.boxes.contains_key(&number) {
            let mut held = Mailbox::new(relay, Zeroizing::new(*seed), Role::Current);
            held.stale = true;
            cx.write(held.save(number));
            self.boxes.insert(number, held);
        }
    }

    /// Chooses relays until there are enough, and attaches to those that are not. `fresh`: a link or a relay is new.
    pub(crate) fn on_network(&mut self, doors: &Doors, fresh: bool, cx: &mut Cx<'_>) {
        if doors.links_up() == 0 {
            return;
        }
        self.asks = if fresh { 0 } else { self.asks.saturating_add(1) };
        while self.current().count() < MAILBOXES {
            let Some(relay) = self.pick(doors, cx.now.mono) else { break };
            self.add(relay, Role::Current, cx);
            cx.signal(Signal::MailboxesChanged);
        }
        if self.current().count() < MAILBOXES {
            self.look_for_relays(cx);
        }
        let away: Vec<_> = self
            .boxes
            .iter()
            .filter(|(_, held)| matches!(held.state, State::Away) && held.failures == 0)
            .map(|(number, _)| *number)
            .collect();
        away.into_iter().for_each(|number| self.attach(number, cx));
        self.adjust_push(cx);
        cx.alarm_by(Alarm::Moves, super::moves::TICK_MS);
    }

    /// Asks the doors for more relays after a while: soon at first, as the mesh of relays may still be forming, then ever more rarely.
    pub(super) fn look_for_relays(&self, cx: &mut Cx<'_>) {
        let pause = cx.jitter((ASK_MS.0 << self.asks.min(16)).min(ASK_MS.1));
        cx.alarm_by(Alarm::Directory, pause);
    }

    /// A mailbox with a fresh key at `relay`; returns its number.
    pub(super) fn add(&mut self, relay: RelayId, role: Role, cx: &mut Cx<'_>) -> u32 {
        let mut seed = Zeroizing::new([0; 32]);
        cx.rng.fill_bytes(&mut *seed);
        let number = self.boxes.last_key_value().map_or(1, |(number, _)| number + 1).max(self.moves.next());
        let held = Mailbox::new(relay, seed, role);
        cx.write(held.save(number));
        self.boxes.insert(number, held);
        number
    }

    /// Those that contacts know of.
    pub(super) fn current(&self) -> impl Iterator<Item = (&u32, &Mailbox)> {
        self.boxes.iter().filter(|(_, held)| held.is_current())
    }

    /// Attaches, unless that is under way or done.
    pub(crate) fn attach(&mut self, number: u32, cx: &mut Cx<'_>) {
        let push = self.push_for(number, cx);
        if let Some(held) = self.boxes.get_mut(&number).filter(|held| matches!(held.state, State::Away)) {
            held.state = State::Asked { push };
            ask_attach(number, held, push, cx);
        }
    }

    /// The first attached mailbox that contacts know of pushes cells, the others announce them. Where all paths are narrow it pushes small
    /// ones only: what is larger comes in pieces over all paths.
    fn push_for(&self, number: u32, cx: &Cx<'_>) -> Push {
        if self.boxes.get(&number).is_none_or(|held| !held.is_current()) {
            return Push::Notices;
        }
        let first = self.current().find(|(other, held)| {
            **other == number || matches!(held.state, State::Attached { .. } | State::Asked { .. })
        });
        if first.is_some_and(|(other, _)| *other != number) {
            Push::Notices
        } else if largest_whole(cx) == Class::S {
            Push::Small
        } else {
            Push::Cells
        }
    }

    fn adjust_push(&mut self, cx: &mut Cx<'_>) {
        let wanted: Vec<_> = self.boxes.keys().map(|number| (*number, self.push_for(*number, cx))).collect();
        for (number, push) in wanted {
            if let Some(held) = self.boxes.get_mut(&number)
                && matches!(held.state, State::Attached { push: now } if now != push)
            {
                held.state = State::Attached { push };
                ask_attach(number, held, push, cx);
            }
        }
    }

    /// The answer to an attachment. Returns whether the mailbox has just become attached.
    pub(crate) fn on_attach(
        &mut self,
        number: u32,
        answer: &Result<Reply, RouteError>,
        cx: &mut Cx<'_>,
    ) -> bool {
        let Some(held) = self.boxes.get_mut(&number) else { return false };
        match (answer, held.state) {
            (Ok(Reply::Attached { cells, next }), State::Asked { push }) => {
                held.state = State::Attached { push };
                held.failures = 0;
                held.stale = *cells > 0 || held.canary.is_out();
                // What lies there is the canary that was seen there already, or nothing.
                let same = held.fetched == Some(*next) && *cells <= u32::from(held.canary.is_out());
                if same && held.claims.is_empty() && !held.canary.is_due(cx.now.mono) {
                    held.stale = false;
                }
                held.next = *next;
                if held.away_min > 0 {
                    held.away_min = 0;
                    cx.write(held.save(number));
                }
                self.promote(number, cx);
                self.adjust_push(cx);
                self.fetch_next(cx);
                true
            }
            // A change of what it pushes.
            (Ok(_), _) => false,
            (Err(error), State::Asked { .. }) => {
                // Without a link no relay is to blame; the next link tries at once.
                held.failures =
                    if *error == RouteError::NoPath { 0 } else { held.failures.saturating_add(1) };
                self.away(number, cx);
                false
            }
            (Err(_), _) => false,
        }
    }

    /// The tunnel of a mailbox ended.
    pub(crate) fn on_lost(&mut self, number: u32, cx: &mut Cx<'_>) {
        self.away(number, cx);
    }

    fn away(&mut self, number: u32, cx: &mut Cx<'_>) {
        let Some(held) = self.boxes.get_mut(&number).filter(|held| held.state != State::Away) else { return };
        held.state = State::Away;
        held.stale = true;
        self.pulls.lost(number);
        held.fetching = None;
        held.put_off_claims();
        let longest = if held.is_current() { ATTACH_MS.1 } else { RETIRED_ATTACH_MS };
        let pause = ATTACH_MS.0.saturating_mul(1 << held.failures.min(12)).min(longest);
        let pause = cx.jitter(pause);
        cx.alarm_in(Alarm::Attach(number), pause);
        self.adjust_push(cx);
        self.fetch_next(cx);
        self.pull(cx);
    }

    /// Fetches from the first stale mailbox, one at a time, so that what several hold comes once.
    pub(crate) fn fetch_next(&mut self, cx: &mut Cx<'_>) {
        let (now, alone) = (cx.now.mono, FETCH_ALONE_MS);
        let alone_ms = if cx.paces.all_narrow() { alone.0 } else { alone.1 };
        let under_way = |held: &Mailbox| held.fetching.is_some_and(|since| now < since.after_ms(alone_ms));
        let is_due = |held: &Mailbox| held.stale && held.fetching.is_none() && held.is_attached();
        if self.boxes.values().any(under_way) {
            if self.boxes.values().any(is_due) {
                cx.alarm_by(Alarm::Removals, LOOK_AGAIN_MS);
            }
            return;
        }
        let last = self.last_fetched;
        let due = self.boxes.iter_mut().filter(|(_, held)| is_due(held));
        if let Some((number, held)) = due.min_by_key(|(number, _)| (**number <= last, **number)) {
            self.last_fetched = *number;
            held.fetching = Some(now);
            held.stale = false;
            held.begin_check(cx.now.mono);
            ask_fetch(*number, held.relay, 0, cx);
        }
    }

    /// The end of a fetch.
    pub(crate) fn on_fetched(&mut self, number: u32, answer: &Result<Reply, RouteError>, cx: &mut Cx<'_>) {
        let Some(held) = self.boxes.get_mut(&number) else { return };
        match answer {
            Ok(Reply::Fetched { next, more: true }) => ask_fetch(number, held.relay, *next, cx),
            _ => {
                held.fetching = None;
                if matches!(answer, Ok(Reply::Fetched { more: false, .. })) {
                    held.fetched = Some(held.next);
                    held.end_check(number, self.pulls.waits_for(number), cx);
                } else if matches!(answer, Err(RouteError::Refused(_))) {
                    // Its tunnel lives, so nothing else would bring this up again.
                    held.stale = true;
                    cx.alarm_by(Alarm::Removals, BUSY_MS);
                    return;
                }
                // Give the cells time to become durable and be removed everywhere before the next mailbox is asked.
                if self.boxes.values().any(|held| held.stale) {
                    cx.alarm_by(Alarm::Removals, NEXT_FETCH_MS);
                }
            }
        }
    }

    /// A mailbox holds a cell. It should also come by the pushing one, unless it is large: then it is asked for.
    pub(crate) fn on_notice(&mut self, number: u32, prefix: TagPrefix, class: Class, cx: &mut Cx<'_>) {
        if self.boxes.get(&number).is_some_and(|held| held.canary.has(prefix)) {
            return;
        }
        if self.removals.contains(&prefix) {
            return;
        }
        if self.removed.contains(&prefix) {
            // It is durable here; this relay got it after the removal, or has not read that yet.
            return self.on_durable(prefix, cx);
        }
        if class > largest_whole(cx) {
            self.pulls.announced(number, prefix, class);
            self.pull(cx);
        } else if self.notices.len() < NOTICES_MAX {
            let wait = if cx.paces.all_narrow() { NARROW_NOTICE_MS } else { NOTICE_MS };
            // The first word of each mailbox counts: to say it again puts nothing off, nor hides that another one holds it.
            self.notices.entry((prefix, number)).or_insert((class, cx.now.mono.after_ms(wait)));
            cx.alarm_by(Alarm::Removals, wait);
        } else if let Some(held) = self.boxes.get_mut(&number) {
            held.stale = true;
        }
    }

    /// A cell is durable here, or will never be wanted: all relays may forget it.
    pub(crate) fn on_durable(&mut self, prefix: TagPrefix, cx: &mut Cx<'_>) {
        self.notices.extract_if((prefix, 0)..=(prefix, u32::MAX), |_, _| true).for_each(drop);
        self.pulls.forget(prefix);
        self.removals.push(prefix);
        cx.alarm_by(Alarm::Removals, REMOVAL_MS);
    }

    /// Sends removals, and fetches what was announced and did not come.
    pub(crate) fn on_removals(&mut self, cx: &mut Cx<'_>) {
        while !self.removals.is_empty() {
            let rest = self.removals.split_off(self.removals.len().min(REMOVALS_MAX));
            let batch = core::mem::replace(&mut self.removals, rest);
            self.removed.extend(&batch);
            self.removed.drain(..self.removed.len().saturating_sub(REMOVED_MAX));
            for (number, held) in &self.boxes {
                if matches!(held.state, State::Attached { .. }) {
                    let ask = Ask::Plain(Request::Remove(batch.clone()));
                    cx.signal(Signal::Ask(Lane::Mailbox(*number), held.relay, ask, Token::Nobody));
                }
            }
        }
        let now = cx.now.mono;
        for ((prefix, number), (class, _)) in self.notices.extract_if(.., |_, (.., at)| now >= *at) {
            if cx.paces.all_narrow() {
                // To fetch whatever is there would bring again what is under way.
                self.pulls.announced(number, prefix, class);
                let pushes =
                    |held: &Mailbox| matches!(held.state, State::Attached { push } if push.is_pushing());
                let silent = self.boxes.iter().find(|(_, held)| pushes(held)).map(|(silent, _)| *silent);
                silent.into_iter().for_each(|silent| cx.signal(Signal::Unheard(silent)));
            } else if let Some(held) = self.boxes.get_mut(&number) {
                held.stale = true;
            }
        }
        if !self.notices.is_empty() {
            cx.alarm_by(Alarm::Removals, NOTICE_MS);
        }
        self.fetch_next(cx);
        self.pull(cx);
    }

    /// Numbers and relays of the attached mailboxes that contacts know of.
    pub(crate) fn attached(&self) -> Vec<(u32, RelayId)> {
        self.current()
            .filter(|(_, held)| held.is_attached())
            .map(|(number, held)| (*number, held.relay))
            .collect()
    }

    /// The relay of a mailbox, if it is attached, announced or not.
    pub(crate) fn attached_relay(&self, number: u32) -> Option<RelayId> {
        self.boxes.get(&number).filter(|held| held.is_attached()).map(|held| held.relay)
    }

    /// Numbers of those that contacts know of.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        self.current().map(|(number, _)| *number).collect()
    }

    /// Number, relay and key seed of each mailbox that is not just being tried.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (u32, RelayId, &Zeroizing<[u8; 32]>)> {
        let known = self.boxes.iter().filter(|(_, held)| held.role != Role::Candidate);
        known.map(|(number, held)| (*number, held.relay, &held.seed))
    }

    /// Whether contacts may still hold a descriptor that is not the present one.
    pub(crate) fn has_moved(&self) -> bool {
        self.boxes.values().any(|held| matches!(held.role, Role::Retired { .. }))
    }

    /// How many contacts know of.
    pub(crate) fn count(&self) -> usize {
        self.current().count()
    }

    /// What contacts are told.
    pub(crate) fn descriptor(&self) -> MailboxDescriptor {
        MailboxDescriptor {
            seq: self.current().map(|(number, _)| u64::from(*number)).max().unwrap_or(0),
            mailboxes: self.current().map(|(_, held)| (held.relay, held.id())).collect(),
        }
    }

    /// Whether one operator keeps all mailboxes: it then sees both address and tags (DESIGN §1).
    pub(crate) fn one_operator(&self, doors: &Doors) -> bool {
        let families: std::collections::BTreeSet<_> = self
            .current()
            .map(|(_, held)| doors.relay(held.relay).and_then(|relay| relay.family).unwrap_or(held.relay.0))
            .collect();
        !self.boxes.is_empty() && families.len() < 2
    }
}

/// The largest class that comes whole, and not in pieces: over several narrow paths pieces of a cell arrive sooner than all of it over one.
fn largest_whole(cx: &Cx<'_>) -> Class {
    if cx.paces.all_narrow() { Class::S } else { Class::M }
}

fn ask_attach(number: u32, held: &Mailbox, push: Push, cx: &mut Cx<'_>) {
    let ask = Ask::Attach(held.seed.clone(), push);
    cx.signal(Signal::Ask(Lane::Mailbox(number), held.relay, ask, Token::Attach(number)));
}

fn ask_fetch(number: u32, relay: RelayId, from: u64, cx: &mut Cx<'_>) {
    let ask = Ask::Plain(Request::Fetch { from, bytes_max: FETCH_BYTES, whole: largest_whole(cx) });
    cx.signal(Signal::Ask(Lane::Mailbox(number), relay, ask, Token::Fetch(number)));
}

#[cfg(test)]
mod tests;
