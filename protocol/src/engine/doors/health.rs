//! How each door is, for those who look after having enough of them.

use super::Doors;
use crate::ids::RelayId;

/// How a door is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// Its relay has answered over the link that is up.
    Up,
    /// It is not needed now, or is being tried for the first time.
    Idle,
    /// It was tried and did not open.
    Failing,
}

impl Doors {
    /// The relays of all doors, with how each is.
    pub(crate) fn health(&self) -> Vec<(RelayId, Health)> {
        let of = |state: &super::DoorState| {
            let up = state.link.and_then(|link| self.links.get(&link)).is_some_and(|link| link.welcomed);
            match (up, state.failures) {
                (true, _) => Health::Up,
                (false, 0) => Health::Idle,
                (false, _) => Health::Failing,
            }
        };
        self.doors.values().map(|state| (state.door.relay, of(state))).collect()
    }

    /// Whether a door of this person is in a private network, as in tests and at home: then others may be as well.
    pub(crate) fn are_private(&self) -> bool {
        self.doors.values().any(|state| !state.door.addr.is_global())
    }
}
