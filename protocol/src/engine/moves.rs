//! Moves: a relay that is gone or loses cells is replaced, and the mailbox left behind is polled until every contact knows (DESIGN D2).

use super::canary::LOSER;
use super::cx::{Alarm, Cx, Signal};
use super::doors::Doors;
use super::mailboxes::{Mailbox, Mailboxes, Role};
use crate::core::{Key, Mono, Op, Space};
use crate::crypto::fixed::Reader;
use crate::ids::RelayId;
use crate::limits::{MAILBOXES, MOVE_KEEP_MS, MOVE_PAUSE_MS, RETIRED_MAX};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// How often mailboxes are looked after, milliseconds.
pub(super) const TICK_MS: u64 = 300_000;
/// Minutes of one tick.
const TICK_MIN: u32 = 5;
/// A relay that could not be reached for so many minutes of this device's own time on the network is given up.
const DEAD_MIN: u32 = 60;
/// Ticks that a new relay gets to prove itself.
const CANDIDATE_TICKS: u32 = 3;
/// A relay that failed as a candidate is not asked again for this time, milliseconds.
const AVOID_MS: u64 = 6 * 3_600_000;

/// What is remembered of moves.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    /// The next mailbox number.
    next: u32,
    /// When a living relay was replaced last, Unix milliseconds.
    last_ms: u64,
    avoid: BTreeMap<RelayId, Mono>,
}

impl Moves {
    pub(super) fn next(&self) -> u32 {
        self.next.max(1)
    }

    /// `next number 4 | last move 8`.
    pub(super) fn load(&mut self, value: &[u8]) {
        let mut reader = Reader(value);
        if let (Some(next), Some(last_ms)) = (reader.u32(), reader.u64()) {
            (self.next, self.last_ms) = (next, last_ms);
        }
    }

    fn save(&self) -> Op {
        let value = [&self.next.to_be_bytes()[..], &self.last_ms.to_be_bytes()].concat();
        Op::Put(Key::single(Space::Mailbox, 0), Zeroizing::new(value))
    }
}

impl Mailboxes {
    /// The best relay that holds no mailbox yet: of another operator than the others and no own door, while there is a choice.
    pub(super) fn pick(&self, doors: &Doors, now: Mono) -> Option<RelayId> {
        let family = |relay: RelayId| doors.relay(relay).and_then(|held| held.family).unwrap_or(relay.0);
        let live = || self.boxes.values().filter(|held| !matches!(held.role, Role::Retired { .. }));
        let families: BTreeSet<_> = live().map(|held| family(held.relay)).collect();
        let free = |relay: &RelayId| {
            let avoided = self.moves.avoid.get(relay).is_some_and(|since| now < since.after_ms(AVOID_MS));
            !avoided && !self.boxes.values().any(|held| held.relay == *relay)
        };
        let all = || doors.mailbox_relays().into_iter().filter(free);
        all().find(|relay| !families.contains(&family(*relay))).or_else(|| all().next())
    }

    /// Looks after all mailboxes. `acked`: what descriptor every contact holds at least.
    pub(crate) fn on_moves(&mut self, doors: &Doors, acked: u64, cx: &mut Cx<'_>) {
        cx.alarm_in(Alarm::Moves, TICK_MS);
        if doors.links_up() == 0 {
            return;
        }
        for (number, held) in self.boxes.iter_mut().filter(|(_, held)| !held.is_attached()) {
            held.age = held.age.saturating_add(1);
            held.away_min = held.away_min.saturating_add(TICK_MIN);
            if held.is_current() {
                cx.write(held.save(*number));
            }
        }
        self.give_up_candidates(cx);
        self.forget_retired(acked, cx);
        let trying = self.boxes.values().any(|held| held.role == Role::Candidate);
        if !trying && self.worst(cx.now.wall_ms).is_some() {
            match self.pick(doors, cx.now.mono) {
                Some(relay) => {
                    let number = self.add(relay, Role::Candidate, cx);
                    self.moves.next = number + 1;
                    cx.write(self.moves.save());
                    self.attach(number, cx);
                }
                None => self.look_for_relays(cx),
            }
        }
        self.tend_canaries(cx);
    }

    /// The announced mailbox that should be replaced now: one that is gone, or one that loses cells if the last living one was replaced
    /// long enough ago.
    fn worst(&self, wall_ms: u64) -> Option<u32> {
        let may_move = wall_ms.saturating_sub(self.moves.last_ms) >= MOVE_PAUSE_MS;
        let dead = self.current().filter(|(_, held)| is_dead(held)).max_by_key(|(_, held)| held.away_min);
        let loser = || {
            let losers = self.current().filter(|(_, held)| may_move && held.losses >= LOSER);
            losers.max_by_key(|(_, held)| held.losses)
        };
        dead.or_else(loser).map(|(number, _)| *number)
    }

    fn give_up_candidates(&mut self, cx: &mut Cx<'_>) {
        let failed: Vec<_> = self
            .boxes
            .iter()
            .filter(|(_, held)| held.role == Role::Candidate && held.age >= CANDIDATE_TICKS)
            .map(|(number, held)| (*number, held.relay))
            .collect();
        for (number, relay) in failed {
            self.drop_box(number, cx);
            self.moves.avoid.insert(relay, cx.now.mono);
        }
    }

    pub(super) fn drop_box(&mut self, number: u32, cx: &mut Cx<'_>) {
        self.boxes.remove(&number);
        self.pulls.lost(number);
        cx.timers.cancel(Alarm::Attach(number));
        cx.timers.cancel(Alarm::Canary(number));
        cx.write(Op::Remove(Key::single(Space::Mailbox, u64::from(number))));
        cx.signal(Signal::MailboxDropped(number));
    }

    /// Lets go of superseded mailboxes that nobody can still write to. The clock alone never decides: each contact must have the news.
    fn forget_retired(&mut self, acked: u64, cx: &mut Cx<'_>) {
        let wall_ms = cx.now.wall_ms;
        let retired = |held: &Mailbox| match held.role {
            Role::Retired { since_ms, seq } => Some((since_ms, seq)),
            _ => None,
        };
        let mut gone: Vec<_> = self
            .boxes
            .iter()
            .filter(|(_, held)| {
                retired(held).is_some_and(|(since_ms, seq)| {
                    acked >= seq && wall_ms.saturating_sub(since_ms) >= MOVE_KEEP_MS
                })
            })
            .map(|(number, _)| *number)
            .collect();
        let left: Vec<_> = self
            .boxes
            .iter()
            .filter(|(number, held)| retired(held).is_some() && !gone.contains(number))
            .map(|(number, _)| *number)
            .collect();
        gone.extend(left.iter().take(left.len().saturating_sub(RETIRED_MAX)));
        for number in gone {
            self.drop_box(number, cx);
        }
    }

    /// A new relay answered: contacts are told of it instead of the worst one.
    pub(super) fn promote(&mut self, number: u32, cx: &mut Cx<'_>) {
        if self.boxes.get(&number).is_none_or(|held| held.role != Role::Candidate) {
            return;
        }
        let worst = self.worst(cx.now.wall_ms);
        if worst.is_none() && self.count() >= MAILBOXES {
            // The one it was to stand in for is well again.
            self.drop_box(number, cx);
            return;
        }
        if let Some(old) = worst
            && let Some(held) = self.boxes.get_mut(&old)
        {
            if !is_dead(held) {
                self.moves.last_ms = cx.now.wall_ms;
                cx.write(self.moves.save());
            }
            held.role = Role::Retired { since_ms: cx.now.wall_ms, seq: u64::from(number) };
            held.losses = 0;
            cx.write(held.save(old));
        }
        if let Some(held) = self.boxes.get_mut(&number) {
            held.role = Role::Current;
            cx.write(held.save(number));
        }
        cx.signal(Signal::MailboxesChanged);
    }
}

fn is_dead(held: &Mailbox) -> bool {
    !held.is_attached() && held.away_min >= DEAD_MIN
}
