//! What one origin may newly claim in a day: storage here is given to people whom this relay can not tell apart.
//!
//! The origin is all that is known of who asks: the slot of a leaf, or the relay through which a tunnel came. A restart forgets the counts.

use super::links::Role;
use crate::core::Mono;
use std::collections::BTreeMap;

const DAY_MS: u64 = 86_400_000;

/// What is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// A new mailbox.
    Mailbox,
    /// A bundle object of a new owner.
    Object,
    /// A bundle object that another relay hands on.
    Handed,
    /// A cell for a shard, which every relay keeps.
    Cell,
}

impl Claim {
    /// How many in a day: a slot may be shared by a family or a school, and many people's tunnels come through one relay.
    const fn per_day(self, role: Role) -> u32 {
        match (self, role) {
            (Self::Mailbox, Role::Leaf(_)) => 256,
            (Self::Object, Role::Leaf(_)) => 1_024,
            (Self::Cell, Role::Leaf(_)) => 5_000,
            // Half of what other relays take of this one: whoever is behind one relay leaves room for the others.
            (Self::Cell, Role::Mesh(_)) => 25_000,
            (Self::Mailbox, Role::Mesh(_)) => 1_024,
            // A person brings eight to each of three to five relays.
            (Self::Object, Role::Mesh(_)) => 8_192,
            // Whoever wants to fill all places for these needs many relays, each of which is known by name.
            (Self::Handed, Role::Mesh(_)) => 2_048,
            (Self::Handed, Role::Leaf(_)) => 0,
            (_, Role::NewLeaf | Role::NewMesh) => 0,
        }
    }
}

#[derive(Debug)]
struct Claimed {
    since: Mono,
    mailboxes: u32,
    objects: u32,
    handed: u32,
    cells: u32,
}

#[derive(Debug, Default)]
pub(super) struct Grants(BTreeMap<Role, Claimed>);

impl Grants {
    /// Counts a claim; false if this origin has claimed too much today.
    pub(super) fn claim(&mut self, origin: Role, what: Claim, now: Mono) -> bool {
        let fresh = || Claimed { since: now, mailboxes: 0, objects: 0, handed: 0, cells: 0 };
        let claimed = self.0.entry(origin).or_insert_with(fresh);
        if claimed.since.after_ms(DAY_MS) <= now {
            *claimed = fresh();
        }
        let count = match what {
            Claim::Mailbox => &mut claimed.mailboxes,
            Claim::Object => &mut claimed.objects,
            Claim::Handed => &mut claimed.handed,
            Claim::Cell => &mut claimed.cells,
        };
        *count = count.saturating_add(1);
        *count <= what.per_day(origin)
    }

    /// Forgets counts whose day is over.
    pub(super) fn sweep(&mut self, now: Mono) {
        self.0.retain(|_, claimed| claimed.since.after_ms(DAY_MS) > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{RelayId, SlotId};

    #[test]
    fn each_origin_has_its_own_share_of_a_day() {
        let mut grants = Grants::default();
        let (one, two) = (Role::Leaf(SlotId([1; 8])), Role::Leaf(SlotId([2; 8])));
        let start = Mono(5);
        let granted = |grants: &mut Grants, origin, now| {
            (0..30_000).filter(|_| grants.claim(origin, Claim::Cell, now)).count()
        };
        assert_eq!(granted(&mut grants, one, start), 5_000);
        assert_eq!(granted(&mut grants, two, start), 5_000, "another slot is not to suffer");
        assert!(grants.claim(one, Claim::Object, start), "nor is another kind");
        assert_eq!(granted(&mut grants, Role::Mesh(RelayId([1; 16])), start), 25_000);
        assert_eq!(granted(&mut grants, Role::NewLeaf, start), 0);
        assert_eq!(granted(&mut grants, one, start.after_ms(DAY_MS - 1)), 0);
        assert_eq!(granted(&mut grants, one, start.after_ms(DAY_MS)), 5_000);
        grants.sweep(start.after_ms(3 * DAY_MS));
        assert!(grants.0.is_empty());
    }
}
