//! A person asks what works: linked doors are asked for a sign of life, the others dialled without waiting for their pause to end.

use super::{Doors, connect, links_max, probe};
use crate::engine::api::TestedDoor;
use crate::engine::cx::{Alarm, Cx};

/// However often a person asks, doors are not dialled more often than three times a minute because of it (DESIGN N3).
const DIAL_AGAIN_MS: u64 = 20_000;

impl Doors {
    /// Tests all doors as far as that costs little; what comes of it is seen by whoever watches the links.
    pub(crate) fn test(&mut self, cx: &mut Cx<'_>) -> Vec<TestedDoor> {
        for (link, state) in &mut self.links {
            // A hello or heartbeat that is under way already tells as much.
            if state.probe.is_none() {
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
                .filter(|(_, state)| !state.dialling && state.link.is_none())
                .map(|(id, _)| *id)
                .collect();
            for id in idle.into_iter().take(links_max(cx).saturating_sub(busy)) {
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
            in_use: state.dialling || state.link.is_some() || busy < most,
            signed_s: self.relays.get(&state.door.relay).map(|descriptor| descriptor.seq),
        };
        self.doors.values().map(tested).collect()
    }
}
