//! Which tunnels of own mailboxes go by which door.

use super::{Lane, Phase, RouteError, Routes};
use crate::core::LinkId;
use crate::engine::cx::{Alarm, Cx};
use crate::engine::doors::Doors;
use crate::link::CloseCode;
use std::collections::BTreeMap;

/// So long after doors or relays have changed tunnels of own mailboxes are spread over the doors, milliseconds.
pub(super) const PAUSE_MS: u64 = 3_000;

impl Routes {
    /// The link over which a tunnel of this purpose goes.
    pub(crate) fn link_of(&self, lane: Lane) -> Option<LinkId> {
        self.routes.values().find(|route| route.lane == lane).and_then(|route| route.link)
    }

    /// Own mailboxes' tunnels on each link, if one more of them should go where there are fewest: over narrow paths as much as possible is
    /// to come at a time, so each gets a door of its own.
    pub(super) fn load(&self, lane: Lane, cx: &Cx<'_>) -> Option<BTreeMap<LinkId, usize>> {
        if !matches!(lane, Lane::Mailbox(_)) || !cx.paces.all_narrow() {
            return None;
        }
        let mut out = BTreeMap::new();
        for route in self.routes.values().filter(|route| matches!(route.lane, Lane::Mailbox(_))) {
            if let Some(link) = route.link {
                *out.entry(link).or_default() += 1;
            }
        }
        Some(out)
    }

    /// Own mailboxes that are reached through themselves, because only their own door was open, are reached through another one now; and a
    /// door that opened later takes over from those that have two mailboxes more than it. Both once nothing is under way.
    pub(crate) fn spread(&mut self, doors: &Doors, cx: &mut Cx<'_>) {
        let mailboxes = self.routes.iter().filter(|(_, route)| matches!(route.lane, Lane::Mailbox(_)));
        let mut held: Vec<_> = mailboxes
            .filter_map(|(id, route)| {
                let link = route.link?;
                let is_open = matches!(route.phase, Phase::Open(_));
                let quiet = is_open && route.asked.is_empty() && route.queue.is_empty();
                Some((!doors.leads_to(link, route.relay), *id, route.relay, link, quiet))
            })
            .collect();
        held.sort_unstable();
        let mut load = self.load(Lane::Mailbox(0), cx);
        for (apart, id, relay, link, quiet) in held {
            let Some(other) = doors.link_to(relay, load.as_ref(), cx.paces, cx.now.mono) else { return };
            let on =
                |link: LinkId| load.as_ref().and_then(|load| load.get(&link).copied()).unwrap_or_default();
            let (here, there) = (on(link), on(other));
            let better = if apart { here >= there + 2 } else { !doors.leads_to(other, relay) };
            if better && quiet {
                load.iter_mut()
                    .for_each(|load| load.extend([(link, here.saturating_sub(1)), (other, there + 1)]));
                self.close(id, RouteError::Broken, Some(CloseCode::Done), cx);
            } else if better {
                cx.alarm_by(Alarm::Spread, PAUSE_MS);
            }
        }
    }
}
