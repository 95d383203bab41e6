//! Which door leads to a relay.

use super::{Doors, LinkState};
use crate::core::{LinkId, Mono};
use crate::engine::pace::Paces;
use crate::ids::RelayId;
use std::collections::BTreeMap;

/// A door through which so many tunnels in a row stayed silent is used only if there is no other.
const SILENT_TUNNELS: u32 = 3;

impl Doors {
    /// The link by which to reach `relay`: not through that relay itself while there is a choice, so that no relay sees both ends; and
    /// not through a door that lately could not reach it, or that is there but carries nothing. With `load`, tunnels on each link, the one
    /// with fewest of them, and else the door behind `relay` in the order of ids: three mailboxes at the three doors find three ways.
    pub(crate) fn link_to(
        &self,
        relay: RelayId,
        load: Option<&BTreeMap<LinkId, usize>>,
        paces: &Paces,
        now: Mono,
    ) -> Option<LinkId> {
        let rank = |link: LinkId, state: &LinkState| {
            let silent = paces.silent_tunnels(link);
            let useless = silent >= SILENT_TUNNELS || paces.has_no_way(link, relay, now);
            let tunnels = load.and_then(|load| load.get(&link).copied()).unwrap_or_default();
            let ring = load.map(|_| (state.relay < relay, state.relay));
            (useless, state.relay == relay, silent, tunnels, ring, link)
        };
        self.up().map(|(link, state)| rank(*link, state)).min().map(|(.., link)| link)
    }

    /// Whether the door at the far end of this link is this very relay.
    pub(crate) fn leads_to(&self, link: LinkId, relay: RelayId) -> bool {
        self.links.get(&link).is_some_and(|state| state.relay == relay)
    }
}
