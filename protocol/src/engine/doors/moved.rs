//! Doors that moved: a relay that is no longer at its door's address is looked for where its newest descriptor says.
//!
//! The descriptor is signed by the relay's key, which the door names, and comes through other doors. It is only a second address to try: the
//! door is changed once the relay has answered there, so that nobody loses a way that works by what a relay says of itself.

use super::{DoorState, Doors};
use crate::core::{Key, Op, Space};
use crate::descriptor::RelayAddr;
use crate::engine::cx::Cx;
use zeroize::Zeroizing;

/// Failures in a row from which other doors are asked where the relay is.
const LOST: u32 = 1;
/// Failures in a row from which each second try goes to the other address.
const TRY_FROM: u32 = 2;
/// Tries at one address that never answered, after which it is tried seldom only: a relay could send all who have a door of it to somebody
/// else.
const TRIES_MAX: u32 = 6;
/// Every how many failures it is tried then: pauses are a minute long by that time.
const SELDOM: u32 = 32;

/// Where a relay says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elsewhere {
    addr: RelayAddr,
    tries: u32,
    /// It is dialled there now.
    pub(super) dialled: bool,
}

impl Doors {
    /// Asks the other doors for the newest descriptor of the relay of door `id`, if that can not be reached.
    pub(super) fn look_for(&self, id: u32, cx: &mut Cx<'_>) {
        if let Some(state) =
            self.doors.get(&id).filter(|state| state.link.is_none() && state.failures >= LOST)
        {
            self.ask_directory(Some(state.door.relay), cx);
        }
    }

    /// A door has answered: it may know where the others went.
    pub(super) fn look_for_all(&self, cx: &mut Cx<'_>) {
        for id in self.doors.keys() {
            self.look_for(*id, cx);
        }
    }

    /// Takes note of where the relay of door `id` says that it is, before it is dialled.
    pub(super) fn find_elsewhere(&mut self, id: u32) {
        let Some(state) = self.doors.get_mut(&id) else { return };
        // A transport's server stands where its line says; past it the relay is not to be tried.
        let said = self.relays.get(&state.door.relay).filter(|_| state.door.pt.is_none());
        let said = said.map(|descriptor| &descriptor.door);
        match (said.filter(|addr| may_follow(&state.door.addr, addr)), &state.elsewhere) {
            (Some(addr), Some(held)) if held.addr == *addr => {}
            (Some(addr), _) => {
                state.elsewhere = Some(Elsewhere { addr: addr.clone(), tries: 0, dialled: false });
            }
            (None, _) => state.elsewhere = None,
        }
    }

    /// The relay of door `id` has answered: if it did so at its new address, that is the door's from now on.
    pub(super) fn settle(&mut self, id: u32, cx: &mut Cx<'_>) {
        let Some(state) = self.doors.get_mut(&id) else { return };
        if let Some(found) = state.elsewhere.take().filter(|found| found.dialled) {
            state.door.addr = found.addr;
            let text = Zeroizing::new(state.door.to_text().as_bytes().to_vec());
            cx.write(Op::Put(Key::single(Space::Door, u64::from(id)), text));
        }
    }
}

impl DoorState {
    /// The address to dial now.
    pub(super) fn way(&mut self) -> RelayAddr {
        if let Some(found) = &mut self.elsewhere {
            let every = if found.tries < TRIES_MAX { 2 } else { SELDOM };
            found.dialled = self.failures >= TRY_FROM && self.failures.is_multiple_of(every);
            if found.dialled {
                found.tries = found.tries.saturating_add(1);
                return found.addr.clone();
            }
        }
        self.door.addr.clone()
    }
}

/// Whether a door at `held` may be tried at `said`: never a plain door instead of a web door, which nobody shall recognise, and nothing in
/// private networks unless the door was in one.
fn may_follow(held: &RelayAddr, said: &RelayAddr) -> bool {
    said != held && (said.is_web() || !held.is_web()) && (said.is_global() || !held.is_global())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::{Descriptor, Door};
    use crate::ids::SlotId;

    #[test]
    fn a_door_is_not_led_from_the_web_into_the_open_or_from_the_internet_into_a_home() {
        let plain = |addr: &str| RelayAddr::Ip(addr.parse().unwrap());
        let web = |addr: &str| RelayAddr::Web(addr.parse().unwrap());
        let held = plain("9.9.9.9:1");
        assert!(may_follow(&held, &plain("9.9.9.8:1")) && may_follow(&held, &plain("9.9.9.9:2")));
        assert!(may_follow(&held, &web("9.9.9.9:1")) && !may_follow(&web("9.9.9.9:1"), &held));
        assert!(!may_follow(&held, &held) && !may_follow(&held, &plain("192.168.1.1:1")));
        assert!(may_follow(&plain("127.0.0.1:1"), &plain("127.0.0.1:2")));
    }

    #[test]
    fn a_door_behind_a_transport_is_not_followed_past_it() {
        let plain = |addr: &str| RelayAddr::Ip(addr.parse().unwrap());
        let descriptor = Descriptor {
            static_key: [1; 32],
            mesh_key: [2; 32],
            onion_keys: vec![[3; 32]],
            door: plain("9.9.9.8:1"),
            mesh: plain("9.9.9.8:2"),
            flags: 0,
            seq: 1,
            family: None,
            health: None,
            extra: crate::cbor::Extra::new(),
        };
        let relay = descriptor.relay();
        for pt in [None, crate::pt::PtLine::from_text("obfs4 192.0.2.7:443").ok()] {
            let door = Door {
                relay,
                addr: plain("9.9.9.9:1"),
                slot: SlotId([2; 8]),
                key: Zeroizing::new([3; 32]),
                pt,
            };
            let straight = door.pt.is_none();
            let state = DoorState { door, link: None, dialling: false, failures: 9, elsewhere: None };
            let mut doors = Doors::default();
            doors.doors.insert(1, state);
            doors.relays.insert(relay, descriptor.clone());
            doors.find_elsewhere(1);
            assert_eq!(doors.doors[&1].elsewhere.is_some(), straight);
        }
    }
}
