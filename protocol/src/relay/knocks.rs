//! First contacts of strangers: what they cost here, and whether it was paid, before anything is stored (SPEC §8.5).
//!
//! To check a proof costs this relay as much as one try costs whoever made it. So proofs are checked one at a time, on another thread,
//! within a budget for each origin and for all; what can be refused for less is refused before.

use super::cx::Cx;
use super::ends::EndId;
use super::limits::{KNOCK_NONCE_MS, KNOCKS_WAITING_MAX, RelayLimits};
use super::links::Role;
use crate::cell::Cell;
use crate::core::{Job, JobId, JobOutput, Mono, Output};
use crate::crypto::kdf::random;
use crate::ids::MailboxId;
use crate::rpc::{Refusal, Reply};
use crate::work::{ANSWER_BYTES, NONCE_BYTES, Puzzle};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const MINUTE_MS: u64 = 60_000;

/// A first contact whose proof is yet to be checked, or has just been.
#[derive(Debug)]
pub(super) struct Knock {
    pub(super) end: EndId,
    pub(super) number: u32,
    pub(super) mailbox: MailboxId,
    pub(super) cell: Cell,
    /// Its work was used before: only a repetition of what is stored is answered.
    pub(super) used: bool,
    puzzle: Puzzle,
    nonce: [u8; NONCE_BYTES],
    answer: u64,
}

/// Proofs that were checked since a minute began.
#[derive(Debug, Clone, Copy)]
struct Checked {
    since: Mono,
    count: u32,
}

impl Checked {
    /// Counts one more if it is within `most` a minute.
    fn take(&mut self, most: u32, now: Mono) -> bool {
        if self.since.after_ms(MINUTE_MS) <= now {
            *self = Self { since: now, count: 0 };
        }
        let free = self.count < most;
        self.count += u32::from(free);
        free
    }
}

/// Nonces, proofs that wait, and those that were used.
#[derive(Debug, Default)]
pub(super) struct Knocks {
    /// The present nonce and the one before, with the puzzles solved by them whose cells were let in.
    nonces: VecDeque<([u8; NONCE_BYTES], BTreeSet<[u8; 32]>)>,
    since: Mono,
    waiting: VecDeque<Knock>,
    checking: Option<(JobId, Knock)>,
    jobs: u64,
    by_origin: BTreeMap<Role, Checked>,
    all: Option<Checked>,
}

impl Knocks {
    /// What a first contact costs now.
    pub(super) fn terms(&mut self, cx: &mut Cx) -> Reply {
        self.renew(cx);
        let nonce = self.nonces.front().map_or([0; NONCE_BYTES], |(nonce, _)| *nonce);
        Reply::Terms { nonce, bits: cx.limits.request_bits }
    }

    /// Makes a new nonce each hour; the one before holds for another.
    pub(super) fn renew(&mut self, cx: &mut Cx) {
        let now = cx.now.mono;
        if self.nonces.is_empty() || self.since.after_ms(KNOCK_NONCE_MS) <= now {
            if self.since.after_ms(2 * KNOCK_NONCE_MS) <= now {
                self.nonces.clear();
            }
            self.nonces.push_front((*random(&mut *cx.rng), BTreeSet::new()));
            self.nonces.truncate(2);
            self.since = now;
        }
        self.by_origin.retain(|_, checked| checked.since.after_ms(MINUTE_MS) > now);
    }

    /// Takes a first contact. What is to be looked for in the mailbox at once comes back; the others wait for their check.
    pub(super) fn take(
        &mut self,
        (end, number, origin): (EndId, u32, Role),
        mailbox: MailboxId,
        (nonce, answer): ([u8; NONCE_BYTES], [u8; ANSWER_BYTES]),
        cell: Cell,
        cx: &mut Cx,
    ) -> Option<Knock> {
        self.renew(cx);
        let Some((_, used)) = self.nonces.iter().find(|(known, _)| *known == nonce) else {
            cx.refuse(end, number, Refusal::StaleWork);
            return None;
        };
        let puzzle = Puzzle::new(mailbox, &nonce, &cell, cx.limits.request_bits);
        let used = used.contains(puzzle.salt());
        let answer = u64::from_be_bytes(answer);
        let knock = Knock { end, number, mailbox, cell, used, puzzle, nonce, answer };
        if used {
            return Some(knock);
        }
        if self.waiting.len() >= KNOCKS_WAITING_MAX || !self.afford(origin, cx.now.mono, &cx.limits) {
            cx.refuse(end, number, Refusal::Busy);
            return None;
        }
        self.waiting.push_back(knock);
        self.check_next(cx);
        None
    }

    /// Whether one more check is within the budgets. No single origin can use up what there is for all.
    fn afford(&mut self, origin: Role, now: Mono, limits: &RelayLimits) -> bool {
        let all = limits.request_checks_per_minute;
        let own = match origin {
            Role::Leaf(_) => all.div_ceil(4),
            Role::Mesh(_) => all.div_ceil(2),
            Role::NewLeaf | Role::NewMesh => 0,
        };
        let fresh = Checked { since: now, count: 0 };
        let mut total = self.all.unwrap_or(fresh);
        let own = self.by_origin.entry(origin).or_insert(fresh).take(own, now);
        let free = own && total.take(all, now);
        self.all = Some(total);
        free
    }

    fn check_next(&mut self, cx: &mut Cx) {
        if self.checking.is_some() {
            return;
        }
        let Some(knock) = self.waiting.pop_front() else { return };
        self.jobs += 1;
        let job = JobId(self.jobs);
        let search = Job::Search { puzzle: knock.puzzle, from: knock.answer, count: 1 };
        self.checking = Some((job, knock));
        cx.fx.at_once(Output::Run(job, search));
    }

    /// A proof was checked: one that holds comes back, and its puzzle is used up.
    pub(super) fn on_checked(&mut self, job: JobId, output: &JobOutput, cx: &mut Cx) -> Option<Knock> {
        let (_, knock) = self.checking.take_if(|(asked, _)| *asked == job)?;
        self.check_next(cx);
        let refusal = match output {
            JobOutput::Searched(Some(_)) => None,
            JobOutput::Searched(None) => Some(Refusal::WeakWork),
            _ => Some(Refusal::Busy),
        };
        if let Some(refusal) = refusal {
            cx.refuse(knock.end, knock.number, refusal);
            return None;
        }
        let Some((_, used)) = self.nonces.iter_mut().find(|(nonce, _)| *nonce == knock.nonce) else {
            cx.refuse(knock.end, knock.number, Refusal::StaleWork);
            return None;
        };
        // The same proof may have come twice while the first was checked.
        let first = used.insert(*knock.puzzle.salt());
        Some(Knock { used: !first, ..knock })
    }
}
