//! Links: who is at the other end, how long they may take to say so, and how often they broke the rules.

use super::limits::{
    DEADLINE_MS, DESCRIPTORS_PER_SWEEP, DIRECTORY_ASK_MS, FAULTS_MAX, LEAF_SILENT_MS, MESH_SILENT_MS,
    SEEKS_PER_SWEEP,
};
use crate::core::{LinkId, LinkInfo, Mono};
use crate::ids::{RelayId, SlotId};
use std::collections::BTreeMap;

/// What a link is, as far as the other end has shown it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// A leaf that has not shown a slot yet.
    NewLeaf,
    /// A leaf with a slot.
    Leaf(SlotId),
    /// A relay that has not shown its descriptor yet.
    NewMesh,
    /// This relay.
    Mesh(RelayId),
}

#[derive(Debug)]
struct Link {
    info: LinkInfo,
    role: Role,
    up: Mono,
    heard: Mono,
    faults: u32,
    descriptors: u32,
    sought: u32,
    asked: Option<Mono>,
    /// It brought a descriptor of a relay that was not known, since the last round.
    brought_news: bool,
}

#[derive(Debug, Default)]
pub(super) struct Links {
    links: BTreeMap<LinkId, Link>,
    /// Links that have not shown who they are.
    new: BTreeMap<LinkId, Mono>,
    /// Mesh links of each relay, the newest last.
    mesh: BTreeMap<RelayId, Vec<LinkId>>,
    leaves: BTreeMap<SlotId, Vec<LinkId>>,
}

impl Links {
    /// A link came up; false if there are too many.
    pub(super) fn up(&mut self, link: LinkId, info: LinkInfo, now: Mono, links_max: usize) -> bool {
        let role = match info {
            LinkInfo::Leaf { .. } => Role::NewLeaf,
            LinkInfo::Mesh { .. } => Role::NewMesh,
            LinkInfo::Door { .. } => return false,
        };
        if self.links.len() >= links_max || self.links.contains_key(&link) {
            return false;
        }
        let fresh = Link {
            info,
            role,
            up: now,
            heard: now,
            faults: 0,
            descriptors: 0,
            sought: 0,
            asked: None,
            brought_news: false,
        };
        self.links.insert(link, fresh);
        self.new.insert(link, now.after_ms(DEADLINE_MS));
        true
    }

    /// Forgets a link; true if it was known.
    pub(super) fn down(&mut self, link: LinkId) -> bool {
        self.new.remove(&link);
        let Some(gone) = self.links.remove(&link) else { return false };
        match gone.role {
            Role::Leaf(slot) => leave(&mut self.leaves, slot, link),
            Role::Mesh(relay) => leave(&mut self.mesh, relay, link),
            Role::NewLeaf | Role::NewMesh => {}
        }
        true
    }

    pub(super) fn get(&self, link: LinkId) -> Option<(LinkInfo, Role)> {
        self.links.get(&link).map(|link| (link.info, link.role))
    }

    pub(super) fn heard(&mut self, link: LinkId, now: Mono) {
        if let Some(link) = self.links.get_mut(&link) {
            link.heard = now;
        }
    }

    /// The other end has shown who it is.
    pub(super) fn settle(&mut self, link: LinkId, role: Role) {
        self.new.remove(&link);
        if let Some(known) = self.links.get_mut(&link) {
            known.role = role;
            match role {
                Role::Leaf(slot) => self.leaves.entry(slot).or_default().push(link),
                Role::Mesh(relay) => self.mesh.entry(relay).or_default().push(link),
                Role::NewLeaf | Role::NewMesh => {}
            }
        }
    }

    /// The newest link to this relay.
    pub(super) fn to_relay(&self, relay: RelayId) -> Option<LinkId> {
        self.mesh.get(&relay).and_then(|links| links.last()).copied()
    }

    /// Links of leaves that use this slot, the oldest first.
    pub(super) fn of_slot(&self, slot: SlotId) -> Vec<LinkId> {
        self.leaves.get(&slot).cloned().unwrap_or_default()
    }

    /// All links to relays that have shown who they are.
    pub(super) fn mesh(&self) -> Vec<LinkId> {
        self.mesh.values().flatten().copied().collect()
    }

    /// The relays that are linked.
    pub(super) fn mesh_relays(&self) -> Vec<RelayId> {
        self.mesh.keys().copied().collect()
    }

    pub(super) fn leaves_len(&self) -> usize {
        self.leaves.values().map(Vec::len).sum()
    }

    /// Whether this side opens tunnels with even numbers over a mesh link: the side with the smaller mesh key does. `None` if it is
    /// no mesh link.
    pub(super) fn opens_even(&self, link: LinkId, own_mesh_key: &[u8; 32]) -> Option<bool> {
        match self.links.get(&link)?.info {
            LinkInfo::Mesh { remote_key } => Some(*own_mesh_key < remote_key),
            _ => None,
        }
    }

    pub(super) fn is_leaf(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(|link| matches!(link.role, Role::Leaf(_)))
    }

    /// Counts a breach of the protocol; true if the link is to be ended for it.
    pub(super) fn fault(&mut self, link: LinkId) -> bool {
        self.links.get_mut(&link).is_some_and(|link| {
            link.faults += 1;
            link.faults >= FAULTS_MAX
        })
    }

    /// Counts a descriptor that came over this link; false if there were too many since the last round.
    pub(super) fn may_describe(&mut self, link: LinkId) -> bool {
        self.links.get_mut(&link).is_some_and(|link| {
            link.descriptors += 1;
            link.descriptors <= DESCRIPTORS_PER_SWEEP
        })
    }

    /// A link brought a descriptor of a relay that was not known.
    pub(super) fn brought_news(&mut self, link: LinkId) {
        if let Some(link) = self.links.get_mut(&link) {
            link.brought_news = true;
        }
    }

    /// Links that brought such news since the last round.
    pub(super) fn with_news(&mut self) -> Vec<LinkId> {
        let news = |(id, link): (&LinkId, &mut Link)| core::mem::take(&mut link.brought_news).then_some(*id);
        self.links.iter_mut().filter_map(news).collect()
    }

    /// Counts a question for the relays near a place; false if there were too many since the last round.
    pub(super) fn may_seek(&mut self, link: LinkId) -> bool {
        self.links.get_mut(&link).is_some_and(|link| {
            link.sought += 1;
            link.sought <= SEEKS_PER_SWEEP
        })
    }

    /// Whether this link may be answered with many descriptors now.
    pub(super) fn may_ask(&mut self, link: LinkId, now: Mono) -> bool {
        self.links.get_mut(&link).is_some_and(|link| {
            let may = link.asked.is_none_or(|asked| asked.after_ms(DIRECTORY_ASK_MS) <= now);
            if may {
                link.asked = Some(now);
            }
            may
        })
    }

    /// Links that have not shown in time who they are.
    pub(super) fn overdue(&self, now: Mono) -> Vec<LinkId> {
        self.new.iter().filter(|(_, deadline)| **deadline <= now).map(|(link, _)| *link).collect()
    }

    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.new.values().min().copied()
    }

    /// Starts a new round of upkeep: returns the links that are silent for too long.
    pub(super) fn sweep(&mut self, now: Mono) -> Vec<LinkId> {
        let mut silent = Vec::new();
        for (id, link) in &mut self.links {
            (link.descriptors, link.sought) = (0, 0);
            let allowed = match link.role {
                Role::Leaf(_) => LEAF_SILENT_MS,
                Role::Mesh(_) => MESH_SILENT_MS,
                Role::NewLeaf | Role::NewMesh => continue,
            };
            if link.heard.max(link.up).after_ms(allowed) <= now {
                silent.push(*id);
            }
        }
        silent
    }
}

fn leave<K: Ord + Copy>(links: &mut BTreeMap<K, Vec<LinkId>>, key: K, link: LinkId) {
    if let Some(of_key) = links.get_mut(&key) {
        of_key.retain(|other| *other != link);
        if of_key.is_empty() {
            links.remove(&key);
        }
    }
}
