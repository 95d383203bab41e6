//! What commands and events of the network tell the watch of doors: which doors are dialled, and how their links begin and end.

use super::check::Observer;
use super::{Inner, NetCommand, veil};
use karvon_protocol::core::{DoorId, LinkId, LinkInfo, Reason, Target};
use karvon_protocol::ids::RelayId;
use karvon_protocol::link::Kind;
use karvon_protocol::netcheck::Outcome;
use std::collections::{HashMap, HashSet};

/// What the handle tells the watch of doors.
pub(super) struct Told {
    common: veil::Common,
    /// Addresses are those of the system's network.
    system: bool,
    /// Doors that were dialled.
    doors: HashMap<DoorId, RelayId>,
    /// Links to doors.
    links: HashMap<LinkId, RelayId>,
    /// Links that were given up because nothing came over them.
    silent: HashSet<LinkId>,
}

impl Told {
    pub(super) fn new(common: veil::Common, system: bool) -> Self {
        Self { common, system, doors: HashMap::new(), links: HashMap::new(), silent: HashSet::new() }
    }

    /// What tells how the doors do.
    pub(super) fn observer(&self, proxy: bool) -> Observer {
        Observer::new(self.common.clone(), proxy, self.system)
    }

    /// The driver asks for something.
    pub(super) fn on_command(&mut self, command: &NetCommand) {
        let (watch, now) = (&self.common.watch, self.common.now());
        match command {
            NetCommand::Connect(Target::Door { door, relay, addr, .. }) => {
                self.doors.insert(*door, *relay);
                watch.asked(*relay, addr.socket(), now);
            }
            NetCommand::Send { link, frame } if frame.kind == Kind::Heartbeat => {
                if let Some(relay) = self.links.get(link) {
                    watch.probed(*relay, now);
                }
            }
            NetCommand::Disconnect(link, Reason::Lost | Reason::Unreachable)
                if self.links.contains_key(link) =>
            {
                self.silent.insert(*link);
            }
            _ => {}
        }
    }

    /// A swarm or link tells something.
    pub(super) fn on_inner(&mut self, inner: &Inner) {
        let (watch, now) = (&self.common.watch, self.common.now());
        match inner {
            Inner::Up(link, LinkInfo::Door { door, .. }, _) => {
                if let Some(relay) = self.doors.get(door) {
                    self.links.insert(*link, *relay);
                    watch.up(*relay, now);
                }
            }
            Inner::Frame(link, frame) if matches!(frame.kind, Kind::Welcome | Kind::Heartbeat) => {
                if let Some(relay) = self.links.get(link) {
                    watch.heard(*relay, now);
                }
            }
            Inner::Down(link, reason) => {
                let silent = self.silent.remove(link);
                if let Some(relay) = self.links.remove(link) {
                    watch.down(relay, silent, said(*reason), now);
                }
            }
            Inner::Failed(Target::Door { relay, .. }, reason) => watch.failed(*relay, said(*reason), now),
            _ => {}
        }
    }
}

/// What the end of a link tells by itself.
const fn said(reason: Reason) -> Option<Outcome> {
    match reason {
        Reason::WrongPeer => Some(Outcome::WrongRelay),
        Reason::BadSlot => Some(Outcome::SlotEnded),
        Reason::Version => Some(Outcome::Version),
        _ => None,
    }
}
