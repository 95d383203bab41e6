//! Links to other relays: descriptors are exchanged first, then tunnels of their leaves end here and those of own leaves leave.
//!
//! Both sides open tunnels on one link: the side with the smaller mesh key gives out even numbers, the other odd ones.

use super::RelayCore;
use super::forward::Place;
use super::limits::TUNNELS_PER_MESH_LINK;
use super::links::Role;
use crate::core::{LinkId, LinkInfo, Reason};
use crate::descriptor::{Descriptor, flags};
use crate::error::PeerFault;
use crate::ids::RelayId;
use crate::link::{CloseCode, Frame, HEADER_BYTES, Kind, split_open};

impl RelayCore {
    pub(super) fn on_welcome(&mut self, link: LinkId, info: LinkInfo, frame: &Frame) {
        let (own, cx) = (self.onion.id, &mut self.cx);
        let shown = match (info, frame.kind) {
            (LinkInfo::Mesh { remote_key }, Kind::Welcome) => {
                let shown = self.directory.learn(&frame.payload, own, cx).map(|shown| shown.relay());
                // The newest descriptor held must name this key too: a key that was given up is worth nothing.
                shown.ok().filter(|relay| {
                    self.directory.get(*relay).is_some_and(|held| held.mesh_key == remote_key)
                })
            }
            _ => None,
        };
        let Some(relay) = shown else {
            cx.counts.faults += 1;
            return self.end_link(link, Reason::WrongPeer);
        };
        self.links.settle(link, Role::Mesh(relay));
        self.cx.send(link, Kind::DirectoryAsk, 0, Vec::new());
        self.compare(link);
        self.dialback.linked(self.cx.now.mono);
        self.offer_on_link(link, relay);
        for (leaf, payload) in self.forward.take_waiting(relay) {
            self.splice(leaf, link, payload);
        }
    }

    /// The round of upkeep: asks those for more relays who told of some that were not known. In a large mesh one answer is a small part.
    pub(super) fn ask_onward(&mut self) {
        for link in self.links.with_news() {
            self.cx.send(link, Kind::DirectoryAsk, 0, Vec::new());
        }
    }

    pub(super) fn splice(&mut self, leaf: Place, mesh: LinkId, payload: Vec<u8>) {
        let over = self.forward.over_mesh(mesh) + self.ends.on_link(mesh).len();
        match self.links.opens_even(mesh, &self.onion.setup().mesh_key) {
            Some(even) if over < TUNNELS_PER_MESH_LINK => {
                self.forward.splice(leaf, mesh, even, payload, &mut self.cx);
            }
            _ => self.cx.close(leaf.0, leaf.1, CloseCode::Busy),
        }
    }

    pub(super) fn on_mesh_frame(
        &mut self,
        link: LinkId,
        relay: RelayId,
        frame: Frame,
    ) -> Result<(), PeerFault> {
        match frame.kind {
            // Each side sends its own heartbeats: answering them would never end.
            Kind::Heartbeat => {}
            Kind::Open => {
                let (wanted, noise) = split_open(&frame.payload)?;
                let even = frame.tunnel.is_multiple_of(2);
                let own = self.links.opens_even(link, &self.onion.setup().mesh_key);
                if frame.tunnel == 0 || own == Some(even) || self.ends.at(link, frame.tunnel).is_some() {
                    return Err(PeerFault::Malformed);
                }
                if self.forward.holds_leaf((link, frame.tunnel)) {
                    return Err(PeerFault::Malformed);
                }
                if wanted != self.onion.id {
                    return self.on_guarded_open(link, relay, frame, wanted);
                }
                if self.forward.over_mesh(link) + self.ends.on_link(link).len() >= TUNNELS_PER_MESH_LINK {
                    self.cx.close(link, frame.tunnel, CloseCode::Busy);
                } else {
                    self.terminate(link, frame.tunnel, noise);
                }
            }
            Kind::Opened | Kind::Data | Kind::Close => match (self.ends.at(link, frame.tunnel), frame.kind) {
                (Some(end), Kind::Data) => self.on_data(end, &frame.payload),
                (Some(end), Kind::Close) => self.close_end(end, None),
                (Some(_), _) => return Err(PeerFault::Malformed),
                (None, Kind::Opened) if self.forward.holds_leaf((link, frame.tunnel)) => {
                    return Err(PeerFault::Malformed);
                }
                (None, _) if self.forward.holds_leaf((link, frame.tunnel)) => {
                    self.forward.leaf_frame(link, frame, &mut self.cx);
                }
                (None, _) => self.pass_to_leaf(link, frame),
            },
            Kind::DirectoryAsk => return self.on_ask(link, &frame.payload),
            Kind::Reach => return self.on_reach(link, relay, &frame.payload),
            Kind::Shards => self.on_compared(link, &frame.payload)?,
            Kind::Objects => self.on_objects(link, &frame.payload)?,
            Kind::Descriptor if frame.payload.is_empty() => {}
            Kind::Descriptor => {
                if !self.links.may_describe(link) {
                    return Err(PeerFault::Bound);
                }
                let known = self.directory.len();
                self.directory.learn(&frame.payload, self.onion.id, &mut self.cx)?;
                if self.directory.len() > known {
                    self.links.brought_news(link);
                }
            }
            Kind::Hello | Kind::Welcome | Kind::SlotPut | Kind::SlotDrop | Kind::SlotAck | Kind::Near => {
                return Err(PeerFault::Malformed);
            }
        }
        Ok(())
    }

    /// An unlisted relay dials nobody but its guards, so as to be known to nobody else. This one is a guard: it passes the tunnel on, once.
    /// From listed relays what comes over the mesh ends here; chains of more than one guard there are not.
    fn on_guarded_open(
        &mut self,
        link: LinkId,
        relay: RelayId,
        frame: Frame,
        wanted: RelayId,
    ) -> Result<(), PeerFault> {
        let flags_of = |relay| self.directory.get(relay).map(|known: &Descriptor| known.flags);
        let is_guard = self.onion.flags() & flags::BRIDGE == 0;
        let from_bridge = flags_of(relay).is_some_and(|bits| bits & flags::BRIDGE != 0);
        if !is_guard || !from_bridge {
            self.cx.close(link, frame.tunnel, CloseCode::UnknownRelay);
            return Err(PeerFault::Mismatch);
        }
        let listed = flags_of(wanted).is_some_and(|bits| bits & flags::BRIDGE == 0);
        let open = self.ends.on_link(link).len() + self.forward.over_mesh(link) + self.forward.of_leaf(link);
        let place = (link, frame.tunnel);
        if !listed {
            self.cx.close(link, frame.tunnel, CloseCode::UnknownRelay);
        } else if open >= TUNNELS_PER_MESH_LINK || self.cx.counts.pressure.traffic {
            self.cx.counts.busy += 1;
            self.cx.close(link, frame.tunnel, CloseCode::Busy);
        } else if let Some(mesh) = self.links.to_relay(wanted) {
            self.splice(place, mesh, frame.payload);
        } else {
            self.forward.wait(place, wanted, frame.payload, &mut self.cx);
        }
        Ok(())
    }

    /// The mesh link by which a leaf's tunnel to `wanted` leaves: the one to that relay, or, if this relay is unlisted, one to a guard.
    pub(super) fn way_to(&self, wanted: RelayId, tunnel: u32) -> Option<LinkId> {
        let guards = || {
            let all = self.links.mesh();
            let one = tunnel as usize % all.len().max(1);
            all.get(one).copied()
        };
        self.links.to_relay(wanted).or_else(|| guards().filter(|_| self.is_unlisted()))
    }

    pub(super) fn is_unlisted(&self) -> bool {
        self.onion.flags() & flags::BRIDGE != 0
    }

    fn pass_to_leaf(&mut self, link: LinkId, frame: Frame) {
        let Some((leaf, tunnel)) = self.forward.leaf_of((link, frame.tunnel)) else { return };
        if let Some((_, Role::Leaf(slot))) = self.links.get(leaf)
            && !self.slots.charge(slot, frame.payload.len() + HEADER_BYTES, &self.cx)
        {
            return self.cut(leaf, tunnel, CloseCode::Busy);
        }
        self.forward.mesh_frame(link, frame, &mut self.cx);
    }
}
