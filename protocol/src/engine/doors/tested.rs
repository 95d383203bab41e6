//! A person asks what works: linked doors are asked for a sign of life, the others dialled without waiting for their pause to end. An engine
//! may be there for nothing else.

use super::{Doors, connect, links_max, probe};
use crate::engine::api::TestedDoor;
use crate::engine::cx::{Alarm, Cx};
use crate::ids::RelayId;

/// However often a person asks, doors are not dialled more often than three times a minute because of it (DESIGN N3).
const DIAL_AGAIN_MS: u64 = 20_000;
/// A door that was opened only to be tested, beside as many as are used at once, is left after this time, milliseconds.
pub(super) const SPARE_MS: u64 = 12_000;

impl Doors {
    /// From now on doors are opened and asked for a sign of life, and nothing else goes over their links.
    pub(crate) const fn only_look(&mut self) {
        self.looking = true;
    }

    /// Tests all doors, or the one of a relay, as far as that costs little; what comes of it is seen by whoever watches the links.
    pub(crate) fn test(&mut self, only: Option<RelayId>, cx: &mut Cx<'_>) -> Vec<TestedDoor> {
        let wanted = |relay: RelayId| only.is_none_or(|only| only == relay);
        for (link, state) in &mut self.links {
            // A hello or heartbeat that is under way already tells as much.
            if state.probe.is_none() && wanted(state.relay) {
                probe(*link, state, cx);
            }
        }
        let again = self.tested.is_none_or(|at| cx.now.mono >= at.after_ms(DIAL_AGAIN_MS));
        if again {
            self.tested = Some(cx.now.mono);
            let busy = self.doors.values().filter(|state| state.dialling || state.link.is_some()).count();
            let idle: Vec<u32> = self
                .doors
                .iter()
                .filter(|(_, state)| !state.dialling && state.link.is_none() && wanted(state.door.relay))
                .map(|(id, _)| *id)
                .collect();
            // A door that is named is tested even if it is not needed now.
            let places = if only.is_some() { 1 } else { links_max(cx).saturating_sub(busy) };
            for id in idle.into_iter().take(places) {
                self.find_elsewhere(id);
                cx.timers.cancel(Alarm::Dial(id));
                if let Some(state) = self.doors.get_mut(&id) {
                    connect(id, state, cx);
                }
            }
        }
        let busy = self.doors.values().filter(|state| state.dialling || state.link.is_some()).count();
        let most = links_max(cx);
        let tested = |state: &super::DoorState| TestedDoor {
            door: state.door.clone(),
            in_use: only.is_some() || state.dialling || state.link.is_some() || busy < most,
            signed_s: self.relays.get(&state.door.relay).map(|descriptor| descriptor.seq),
        };
        self.doors.values().filter(|state| wanted(state.door.relay)).map(tested).collect()
    }
}
