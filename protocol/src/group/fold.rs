//! The fold: from any set of operations to the one roster that everybody with the same set sees (SPEC §10.3).
//!
//! Operations of somebody who was removed at the same time count for nothing, so that a removed admin can not date operations back.
//! Removals are the exception: only a removal by a higher role undoes one, so that admins who remove each other are both out.

use super::log::{Node, bit};
use super::op::{Act, Member, Op, Role};
use crate::ids::{MemberId, OpId};
use std::collections::{BTreeMap, BTreeSet};

/// Somebody who is or was a member.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Who.
    pub member: Member,
    /// What they may do.
    pub role: Role,
    /// Who took them in; the founder themself.
    pub by: MemberId,
    /// `None` for members; else how many of their messages count.
    pub left: Option<u64>,
    /// Where in the log they came in, and got their role.
    pub(super) basis: [usize; 2],
}

impl PartialEq for Seat {
    // Places in the log differ from device to device; what they lead to does not.
    fn eq(&self, other: &Self) -> bool {
        (&self.member, self.role, self.by, self.left) == (&other.member, other.role, other.by, other.left)
    }
}

impl Eq for Seat {}

impl Seat {
    /// Whether this is a member now.
    #[must_use]
    pub const fn is_in(&self) -> bool {
        self.left.is_none()
    }
}

/// What a set of operations says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roster {
    /// Name of the group.
    pub name: String,
    /// Shard of the group's cells.
    pub shard: u16,
    /// Seconds after which messages disappear; 0 never.
    pub timer_s: u32,
    /// Members, and those who were.
    pub seats: BTreeMap<MemberId, Seat>,
}

impl Roster {
    /// The members, in order of their ids.
    pub fn members(&self) -> impl Iterator<Item = (&MemberId, &Seat)> {
        self.seats.iter().filter(|(_, seat)| seat.is_in())
    }

    /// Somebody who is a member now.
    #[must_use]
    pub fn member(&self, id: &MemberId) -> Option<&Seat> {
        self.seats.get(id).filter(|seat| seat.is_in())
    }

    /// Whether message `seq` of `author` is to be shown.
    #[must_use]
    pub fn counts(&self, author: &MemberId, seq: u64) -> bool {
        self.seats.get(author).is_some_and(|seat| seat.left.is_none_or(|upto| seq <= upto))
    }

    /// Whether this roster lets the author do it.
    #[must_use]
    pub fn may(&self, op: &Op) -> bool {
        self.allows(op).is_some()
    }

    /// Whether this roster lets the author do it: with which role, and by which operations the author has it.
    pub(super) fn allows(&self, op: &Op) -> Option<(Role, [usize; 2])> {
        let author = self.member(&op.author)?;
        let allowed = match &op.act {
            Act::Create { .. } => false,
            Act::Add { member, role, .. } => {
                author.role >= Role::Admin
                    && *role <= author.role
                    && !self.seats.contains_key(&member.id())
                    && self.members().count() < super::MEMBERS_MAX
            }
            Act::Remove { member, .. } => self.member(member).is_some_and(|seat| {
                *member != op.author && author.role >= Role::Admin && seat.role <= author.role
            }),
            Act::Leave { .. } => true,
            Act::Role { member, role } => {
                author.role == Role::Owner && *role <= author.role && self.member(member).is_some()
            }
            Act::Name(_) | Act::Timer(_) => author.role >= Role::Admin,
        };
        allowed.then_some((author.role, author.basis))
    }
}

/// What operation `by` takes away from its target: everything, or what needs more than a role.
fn lessens(node: &Node) -> Option<(MemberId, Option<Role>)> {
    match &node.op().act {
        Act::Remove { member, .. } => Some((*member, None)),
        Act::Role { member, role } if *role < Role::Owner => Some((*member, Some(*role))),
        _ => None,
    }
}

/// The role without which nobody may do this.
fn needs(op: &Op) -> Role {
    match &op.act {
        Act::Leave { .. } => Role::Member,
        Act::Role { .. } | Act::Create { .. } => Role::Owner,
        Act::Add { role, .. } => (*role).max(Role::Admin),
        Act::Remove { .. } | Act::Name(_) | Act::Timer(_) => Role::Admin,
    }
}

/// Folds the operations whose places are in `set`; `set` holds the past of each of its members.
pub(super) fn fold(nodes: &[Node], set: &[u64]) -> Roster {
    let inside: Vec<usize> = (0..nodes.len()).filter(|place| bit(set, *place)).collect();
    let node = |place: &usize| nodes.get(*place);
    let mut dropped = BTreeSet::new();
    for rank in [Role::Owner, Role::Admin] {
        let mut more = BTreeSet::new();
        let takers = inside.iter().filter_map(|place| node(place).map(|node| (*place, node)));
        for (place, taker) in takers.filter(|(_, taker)| taker.role == Some(rank)) {
            let Some((target, left)) = lessens(taker) else { continue };
            if !stands(nodes, place, &dropped) {
                continue;
            }
            for other in &inside {
                let Some(by) = node(other) else { continue };
                let apart = *other != place && !taker.follows(*other) && !by.follows(place);
                let loses = left.is_none_or(|left| needs(by.op()) > left);
                let removal = matches!(by.op().act, Act::Remove { .. });
                if apart && by.op().author == target && loses && (!removal || by.role < Some(rank)) {
                    more.insert(*other);
                }
            }
        }
        dropped.append(&mut more);
    }
    let effective: BTreeSet<usize> =
        inside.iter().copied().filter(|place| stands(nodes, *place, &dropped)).collect();
    apply(nodes, &effective)
}

/// Whether an operation was allowed and nothing it rests on was dropped.
fn stands(nodes: &[Node], place: usize, dropped: &BTreeSet<usize>) -> bool {
    let mut open = vec![place];
    let mut seen = BTreeSet::new();
    while let Some(place) = open.pop() {
        if !seen.insert(place) {
            continue;
        }
        let Some(node) = nodes.get(place).filter(|node| node.role.is_some()) else { return false };
        if dropped.contains(&place) {
            return false;
        }
        if place != 0 {
            open.extend(node.basis);
        }
    }
    true
}

/// Applies operations in the one order that respects causality and breaks ties by id.
fn apply(nodes: &[Node], effective: &BTreeSet<usize>) -> Roster {
    let mut roster = Roster::default();
    for place in in_order(nodes, effective) {
        if let Some(node) = nodes.get(place) {
            roster.apply(node, place);
        }
    }
    roster
}

impl Roster {
    /// Applies an operation that counts and comes after all that were applied before.
    pub(super) fn apply(&mut self, node: &Node, place: usize) {
        let op = node.op();
        match &op.act {
            Act::Create { founder, name, shard, .. } => {
                self.name.clone_from(name);
                self.shard = *shard;
                self.seats.insert(founder.id(), seat(founder, Role::Owner, op.author, place));
            }
            Act::Add { member, role, .. } => {
                // Two admins may take in the same person at once.
                self.seats.entry(member.id()).or_insert_with(|| seat(member, *role, op.author, place));
            }
            Act::Remove { member, upto } => self.end(member, *upto),
            Act::Leave { upto } => self.end(&op.author, *upto),
            Act::Role { member, role } => {
                if let Some(seat) = self.seats.get_mut(member) {
                    seat.role = *role;
                    seat.basis = [seat.basis[0], place];
                }
            }
            Act::Name(name) => self.name.clone_from(name),
            Act::Timer(seconds) => self.timer_s = *seconds,
        }
    }

    fn end(&mut self, member: &MemberId, upto: u64) {
        if let Some(seat) = self.seats.get_mut(member) {
            seat.left = Some(seat.left.map_or(upto, |held| held.max(upto)));
        }
    }
}

fn seat(member: &Member, role: Role, by: MemberId, place: usize) -> Seat {
    Seat { member: member.clone(), role, by, left: None, basis: [place; 2] }
}

/// Topological order; among operations whose predecessors are all placed, the lowest id comes first.
fn in_order(nodes: &[Node], effective: &BTreeSet<usize>) -> Vec<usize> {
    // The depth of an operation is the length of its longest path from the founding one, the same on every device.
    let mut depth: BTreeMap<OpId, usize> = BTreeMap::new();
    for node in nodes {
        let parents = node.op().parents.iter().filter_map(|parent| depth.get(parent));
        let own = parents.max().map_or(0, |deepest| deepest + 1);
        depth.insert(node.signed.id(), own);
    }
    let mut order: Vec<_> = effective
        .iter()
        .filter_map(|place| {
            let id = nodes.get(*place)?.signed.id();
            Some((depth.get(&id).copied().unwrap_or(0), id, *place))
        })
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, _, place)| place).collect()
}
