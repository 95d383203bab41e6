//! The membership log of one group: a causal graph of signed operations, taken in any order, with a bounded place for those that wait.

use super::fold::{self, Roster};
use super::op::{Act, Op, Role, SignedOp};
use super::{OPS_MAX, OPS_WAITING_MAX, PARENTS_MAX};
use crate::error::PeerFault;
use crate::ids::{GroupId, MemberId, OpId};
use std::collections::{BTreeMap, BTreeSet};

/// An operation in the graph, and what its own past says of it; none of this ever changes again.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) signed: SignedOp,
    /// Places of all operations in its past, one bit each.
    pub(super) past: Vec<u64>,
    /// The author's role in its past; `None` if the author was no member, or might not do this.
    pub(super) role: Option<Role>,
    /// Places of the operations that made the author a member, and that gave the author the role.
    pub(super) basis: [usize; 2],
}

impl Node {
    pub(super) fn op(&self) -> &Op {
        self.signed.op()
    }

    pub(super) fn follows(&self, place: usize) -> bool {
        bit(&self.past, place)
    }
}

pub(super) fn bit(set: &[u64], place: usize) -> bool {
    set.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
}

fn set_bit(set: &mut Vec<u64>, place: usize) {
    if set.len() <= place / 64 {
        set.resize(place / 64 + 1, 0);
    }
    if let Some(word) = set.get_mut(place / 64) {
        *word |= 1 << (place % 64);
    }
}

/// Adds the members of `more` to `set`.
fn join(set: &mut Vec<u64>, more: &[u64]) {
    if set.len() < more.len() {
        set.resize(more.len(), 0);
    }
    set.iter_mut().zip(more).for_each(|(to, word)| *to |= word);
}

/// What became of an operation that was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is in the log now, and so are these, in the order in which they must be kept.
    New(Vec<OpId>),
    /// It was there already.
    Known,
    /// It waits for operations that are not there.
    Waits,
}

/// The log of one group.
#[derive(Debug, Clone)]
pub struct Log {
    group: GroupId,
    pub(super) nodes: Vec<Node>,
    places: BTreeMap<OpId, usize>,
    heads: BTreeSet<OpId>,
    waiting: BTreeMap<OpId, SignedOp>,
    roster: Roster,
}

impl Log {
    /// A log that begins with the operation that founds the group.
    ///
    /// # Errors
    /// A [`PeerFault`] if it founds no group or is forged.
    pub fn found(signed: SignedOp) -> Result<Self, PeerFault> {
        let Act::Create { founder, .. } = &signed.op().act else { return Err(PeerFault::Malformed) };
        signed.verify(&founder.key)?;
        let (group, id) = (signed.group(), signed.id());
        let node = Node { signed, past: Vec::new(), role: Some(Role::Owner), basis: [0; 2] };
        let mut log = Self {
            group,
            nodes: vec![node],
            places: BTreeMap::from([(id, 0)]),
            heads: BTreeSet::from([id]),
            waiting: BTreeMap::new(),
            roster: Roster::default(),
        };
        log.roster = fold::fold(&log.nodes, &log.everything());
        Ok(log)
    }

    /// The group.
    #[must_use]
    pub const fn group(&self) -> GroupId {
        self.group
    }

    /// What all operations together say.
    #[must_use]
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The newest operations: what a new one names as its parents. If there are too many, the lowest ids.
    #[must_use]
    pub fn heads(&self) -> Vec<OpId> {
        self.heads.iter().take(PARENTS_MAX).copied().collect()
    }

    /// Operations in the log.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether the log is empty; it never is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether this operation is in the log.
    #[must_use]
    pub fn has(&self, id: &OpId) -> bool {
        self.places.contains_key(id)
    }

    /// The signed bytes of all operations, each after its parents.
    pub fn all(&self) -> impl Iterator<Item = &SignedOp> {
        self.nodes.iter().map(|node| &node.signed)
    }

    /// The signed bytes of one operation.
    #[must_use]
    pub fn get(&self, id: &OpId) -> Option<&SignedOp> {
        self.places.get(id).and_then(|place| self.nodes.get(*place)).map(|node| &node.signed)
    }

    /// Operations that others wait for.
    #[must_use]
    pub fn missing(&self) -> Vec<OpId> {
        let parents = self.waiting.values().flat_map(|signed| &signed.op().parents);
        let missing: BTreeSet<_> =
            parents.filter(|id| !self.has(id) && !self.waiting.contains_key(id)).copied().collect();
        missing.into_iter().collect()
    }

    /// The key of a member, past ones included.
    #[must_use]
    pub fn key_of(&self, member: &MemberId) -> Option<[u8; 32]> {
        self.nodes.iter().find_map(|node| {
            let added = match &node.op().act {
                Act::Create { founder, .. } => founder,
                Act::Add { member, .. } => member,
                _ => return None,
            };
            (added.id() == *member).then_some(added.key)
        })
    }

    /// What the founder drew at random: only members ever see it.
    #[must_use]
    pub fn secret(&self) -> [u8; 16] {
        match self.nodes.first().map(|node| &node.op().act) {
            Some(Act::Create { salt, .. }) => *salt,
            _ => [0; 16],
        }
    }

    /// What these operations and all before them say; `None` if one of them is not here.
    #[must_use]
    pub fn roster_at(&self, view: &[OpId]) -> Option<Roster> {
        if view.len() == self.heads.len() && view.iter().all(|id| self.heads.contains(id)) {
            return Some(self.roster.clone());
        }
        let mut set = Vec::new();
        for id in view {
            let place = *self.places.get(id)?;
            let node = self.nodes.get(place)?;
            join(&mut set, &node.past);
            set_bit(&mut set, place);
        }
        Some(fold::fold(&self.nodes, &set))
    }

    /// Whether somebody who knew `view` knew of `member`.
    #[must_use]
    pub fn knows(&self, view: &[OpId], member: &MemberId) -> bool {
        let adds = |node: &Node| match &node.op().act {
            Act::Create { founder, .. } => founder.id() == *member,
            Act::Add { member: added, .. } => added.id() == *member,
            _ => false,
        };
        let added = || self.nodes.iter().enumerate().filter(|(_, node)| adds(node)).map(|(place, _)| place);
        let seen = |id: &OpId| {
            let place = self.places.get(id)?;
            let node = self.nodes.get(*place)?;
            Some(added().any(|add| add == *place || node.follows(add)))
        };
        view.iter().any(|id| seen(id) == Some(true))
    }

    /// The next operation of `author`, not signed yet.
    #[must_use]
    pub fn next(&self, author: MemberId, act: Act) -> Op {
        Op { group: self.group, parents: self.heads(), author, act }
    }

    /// Takes an operation, whenever it comes. One that is not allowed is kept without effect: others may name it as a parent.
    ///
    /// # Errors
    /// A [`PeerFault`] for what is forged, of another group, or over a bound; nothing changes then.
    pub fn take(&mut self, signed: SignedOp) -> Result<Taken, PeerFault> {
        if signed.group() != self.group {
            return Err(PeerFault::Mismatch);
        }
        if self.has(&signed.id()) || self.waiting.contains_key(&signed.id()) {
            return Ok(Taken::Known);
        }
        if matches!(signed.op().act, Act::Create { .. }) {
            return Err(PeerFault::Mismatch);
        }
        if !signed.op().parents.iter().all(|parent| self.has(parent)) {
            if self.waiting.len() >= OPS_WAITING_MAX {
                return Err(PeerFault::Bound);
            }
            self.waiting.insert(signed.id(), signed);
            return Ok(Taken::Waits);
        }
        let mut added = vec![signed.id()];
        self.insert(signed)?;
        // What waited for it may be whole now; a forged one is forgotten, whoever brought it.
        loop {
            let whole = self
                .waiting
                .iter()
                .find(|(_, signed)| signed.op().parents.iter().all(|parent| self.has(parent)))
                .map(|(id, _)| *id);
            let Some(signed) = whole.and_then(|id| self.waiting.remove(&id)) else { break };
            let id = signed.id();
            if self.insert(signed).is_ok() {
                added.push(id);
            }
        }
        Ok(Taken::New(added))
    }

    fn insert(&mut self, signed: SignedOp) -> Result<(), PeerFault> {
        if self.nodes.len() >= OPS_MAX {
            return Err(PeerFault::Bound);
        }
        let key = self.key_of(&signed.op().author).ok_or(PeerFault::Mismatch)?;
        signed.verify(&key)?;
        let mut past = Vec::new();
        for parent in &signed.op().parents {
            let place = *self.places.get(parent).ok_or(PeerFault::Mismatch)?;
            let node = self.nodes.get(place).ok_or(PeerFault::Mismatch)?;
            join(&mut past, &node.past);
            set_bit(&mut past, place);
        }
        let follows_all = self.heads.iter().all(|head| signed.op().parents.contains(head));
        let before = if follows_all { self.roster.clone() } else { fold::fold(&self.nodes, &past) };
        let (role, basis) =
            before.allows(signed.op()).map_or((None, [0; 2]), |(role, basis)| (Some(role), basis));
        for parent in &signed.op().parents {
            self.heads.remove(parent);
        }
        self.heads.insert(signed.id());
        self.places.insert(signed.id(), self.nodes.len());
        let (node, place) = (Node { signed, past, role, basis }, self.nodes.len());
        if !follows_all {
            self.nodes.push(node);
            self.roster = fold::fold(&self.nodes, &self.everything());
        } else {
            // Nothing happened at the same time, so nothing that was decided changes.
            if role.is_some() {
                self.roster.apply(&node, place);
            }
            self.nodes.push(node);
        }
        Ok(())
    }

    fn everything(&self) -> Vec<u64> {
        let mut all = vec![u64::MAX; self.nodes.len() / 64];
        all.push((1_u64 << (self.nodes.len() % 64)) - 1);
        all
    }
}
