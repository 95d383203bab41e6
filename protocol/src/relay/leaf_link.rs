//! Links of leaves: the slot is shown first, then tunnels are opened, forwarded or ended here.

use super::RelayCore;
use super::links::Role;
use crate::core::{LinkId, LinkInfo, Output, Reason};
use crate::error::PeerFault;
use crate::ids::SlotId;
use crate::limits::TUNNELS_PER_LINK;
use crate::link::{CloseCode, Frame, HEADER_BYTES, Hello, Kind, split_open};

impl RelayCore {
    pub(super) fn on_hello(&mut self, link: LinkId, info: LinkInfo, frame: &Frame) {
        let refused = match (info, frame.kind, Hello::decode(&frame.payload)) {
            (LinkInfo::Leaf { local_key, remote_key }, Kind::Hello, Ok(hello)) => {
                if self.slots.admit(&hello, &remote_key, &local_key, self.cx.now_s()) {
                    // The newest connections are the ones that live.
                    let held = self.links.of_slot(hello.slot);
                    let over = (held.len() + 1).saturating_sub(self.cx.limits.slot_links);
                    held.into_iter().take(over).for_each(|old| self.end_link(old, Reason::Idle));
                    self.links.settle(link, Role::Leaf(hello.slot));
                    return self.send_own(link, Kind::Welcome);
                }
                Reason::BadSlot
            }
            (_, Kind::Hello, Err(PeerFault::Version)) => Reason::Version,
            _ => Reason::Protocol,
        };
        self.cx.counts.faults += 1;
        self.end_link(link, refused);
    }

    pub(super) fn on_leaf_frame(
        &mut self,
        link: LinkId,
        slot: SlotId,
        frame: Frame,
    ) -> Result<(), PeerFault> {
        let tunnel = frame.tunnel;
        match frame.kind {
            Kind::Heartbeat => self.cx.send(link, Kind::Heartbeat, 0, Vec::new()),
            Kind::Open => return self.on_leaf_open(link, slot, frame),
            Kind::Data | Kind::Close => {
                if !self.slots.charge(slot, frame.payload.len() + HEADER_BYTES, &self.cx) {
                    self.cx.counts.busy += 1;
                    self.cut(link, tunnel, CloseCode::Busy);
                } else if let Some(end) = self.ends.at(link, tunnel) {
                    if frame.kind == Kind::Data {
                        self.on_data(end, &frame.payload);
                    } else {
                        self.close_end(end, None);
                    }
                } else {
                    // An unknown tunnel was closed from the other side just before.
                    self.forward.leaf_frame(link, frame, &mut self.cx);
                }
            }
            Kind::DirectoryAsk => return self.on_ask(link, &frame.payload),
            Kind::Near => {
                let prefix: [u8; 2] = frame.payload.as_slice().try_into().map_err(|_| PeerFault::Length)?;
                if self.links.may_seek(link) {
                    let own = (self.onion.id, self.onion.flags());
                    let near = self.directory.nearest(prefix, own, self.cx.now_s());
                    let near = near.iter().flat_map(|relay| relay.0);
                    self.cx.send(link, Kind::Near, 0, prefix.into_iter().chain(near).collect());
                }
            }
            Kind::SlotPut => {
                let (guest, stored) = self.slots.put_guest(slot, &frame.payload, &mut self.cx)?;
                self.acknowledge(link, guest, stored);
            }
            Kind::SlotDrop => {
                let guest = SlotId::from_slice(&frame.payload).ok_or(PeerFault::Length)?;
                let may = self.slots.may_drop(slot, guest);
                if may {
                    self.end_slot(guest);
                }
                self.acknowledge(link, guest, may);
            }
            Kind::Hello
            | Kind::Welcome
            | Kind::Opened
            | Kind::Descriptor
            | Kind::SlotAck
            | Kind::Shards
            | Kind::Reach
            | Kind::Objects => {
                return Err(PeerFault::Malformed);
            }
        }
        Ok(())
    }

    fn on_leaf_open(&mut self, link: LinkId, slot: SlotId, frame: Frame) -> Result<(), PeerFault> {
        let place = (link, frame.tunnel);
        let (relay, noise) = split_open(&frame.payload)?;
        let used = self.ends.at(link, frame.tunnel).is_some() || self.forward.holds_leaf(place);
        if frame.tunnel == 0 || used {
            return Err(PeerFault::Malformed);
        }
        let open = self.ends.on_link(link).len() + self.forward.of_leaf(link);
        let within = self.slots.charge_open(slot, &self.cx)
            && self.slots.charge(slot, frame.payload.len() + HEADER_BYTES, &self.cx);
        let foreign_and_short = self.cx.counts.pressure.traffic && relay != self.onion.id;
        if open >= TUNNELS_PER_LINK || !within || foreign_and_short {
            self.cx.counts.busy += 1;
            self.cx.close(link, frame.tunnel, CloseCode::Busy);
        } else if relay == self.onion.id {
            self.terminate(link, frame.tunnel, noise);
        } else if self.directory.get(relay).is_none() {
            self.cx.close(link, frame.tunnel, CloseCode::UnknownRelay);
        } else if let Some(mesh) = self.way_to(relay, frame.tunnel) {
            self.splice(place, mesh, frame.payload);
        } else if self.is_unlisted() {
            // It dials nobody but its guards, and none of them is there.
            self.cx.close(link, frame.tunnel, CloseCode::Unreachable);
        } else {
            self.forward.wait(place, relay, frame.payload, &mut self.cx);
        }
        Ok(())
    }

    fn acknowledge(&mut self, link: LinkId, slot: SlotId, stored: bool) {
        let payload = [&slot.0[..], &[u8::from(!stored)]].concat();
        self.cx.fx.after_stored(Output::Send { link, frame: Frame::new(Kind::SlotAck, 0, payload) });
    }

    /// Ends one tunnel of a leaf, whichever kind it is.
    pub(super) fn cut(&mut self, link: LinkId, tunnel: u32, code: CloseCode) {
        match self.ends.at(link, tunnel) {
            Some(end) => self.close_end(end, Some(code)),
            None => self.forward.cut((link, tunnel), code, &mut self.cx),
        }
    }
}
