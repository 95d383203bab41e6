//! Forwarding: a leaf's tunnel is spliced to one over a mesh link, frame by frame, unread.
//!
//! Only a leaf's `Open`, or that of a leaf of an unlisted relay that this one guards, starts a forwarded tunnel, and only towards a relay
//! whose descriptor is verified: this is not a proxy. What is said of leaves here holds for such a relay as well.

use super::cx::Cx;
use super::limits::{DEADLINE_MS, REDIAL_MS, TUNNELS_WAITING_MAX};
use crate::core::{LinkId, Mono, Output, Target};
use crate::ids::RelayId;
use crate::link::{CloseCode, Frame, Kind};
use std::collections::BTreeMap;

/// A tunnel on a link: the link and the number there.
pub(super) type Place = (LinkId, u32);

/// Opens that wait for a link to one relay.
#[derive(Debug)]
struct Waiting {
    deadline: Mono,
    /// Place at the leaf and payload of `Open`; a leaf can send nothing else before it is answered.
    opens: Vec<(Place, Vec<u8>)>,
}

#[derive(Debug, Default)]
pub(super) struct Forward {
    /// From the place on the leaf's link to the place on the mesh link.
    to_mesh: BTreeMap<Place, Place>,
    to_leaf: BTreeMap<Place, Place>,
    /// Next free number of tunnels that this side opens on each mesh link.
    next: BTreeMap<LinkId, u32>,
    waiting: BTreeMap<RelayId, Waiting>,
    waiting_at: BTreeMap<Place, RelayId>,
    /// Relays that could not be reached, and until when they are not dialled again.
    unreachable: BTreeMap<RelayId, Mono>,
}

const fn all_of(link: LinkId) -> core::ops::RangeInclusive<Place> {
    (link, 0)..=(link, u32::MAX)
}

impl Forward {
    pub(super) fn len(&self) -> usize {
        self.to_mesh.len()
    }

    /// Tunnels of this leaf's link, waiting ones included.
    pub(super) fn of_leaf(&self, link: LinkId) -> usize {
        self.to_mesh.range(all_of(link)).count() + self.waiting_at.range(all_of(link)).count()
    }

    /// Forwarded tunnels over this mesh link.
    pub(super) fn over_mesh(&self, link: LinkId) -> usize {
        self.to_leaf.range(all_of(link)).count()
    }

    pub(super) fn holds_leaf(&self, place: Place) -> bool {
        self.to_mesh.contains_key(&place) || self.waiting_at.contains_key(&place)
    }

    /// The leaf's place of a tunnel over a mesh link.
    pub(super) fn leaf_of(&self, mesh: Place) -> Option<Place> {
        self.to_leaf.get(&mesh).copied()
    }

    /// Splices a new tunnel onto a mesh link; `even` says which numbers this side gives out there.
    pub(super) fn splice(&mut self, leaf: Place, mesh: LinkId, even: bool, payload: Vec<u8>, cx: &mut Cx) {
        let next = self.next.entry(mesh).or_insert(if even { 2 } else { 1 });
        let number = *next;
        let Some(after) = number.checked_add(2) else {
            return cx.close(leaf.0, leaf.1, CloseCode::Busy);
        };
        *next = after;
        self.to_mesh.insert(leaf, (mesh, number));
        self.to_leaf.insert((mesh, number), leaf);
        cx.counts.forwarded += 1;
        cx.send(mesh, Kind::Open, number, payload);
    }

    /// Lets an open wait until a link to `relay` is up, and asks for one.
    pub(super) fn wait(&mut self, leaf: Place, relay: RelayId, payload: Vec<u8>, cx: &mut Cx) {
        let now = cx.now.mono;
        if self.unreachable.get(&relay).is_some_and(|until| *until > now) {
            return cx.close(leaf.0, leaf.1, CloseCode::Unreachable);
        }
        if self.waiting_at.len() >= TUNNELS_WAITING_MAX {
            return cx.close(leaf.0, leaf.1, CloseCode::Busy);
        }
        let waiting = self.waiting.entry(relay).or_insert_with(|| {
            cx.fx.at_once(Output::Connect(Target::Relay(relay)));
            Waiting { deadline: now.after_ms(DEADLINE_MS), opens: Vec::new() }
        });
        waiting.opens.push((leaf, payload));
        self.waiting_at.insert(leaf, relay);
    }

    /// Takes out what waited for a link to `relay`, in order.
    pub(super) fn take_waiting(&mut self, relay: RelayId) -> Vec<(Place, Vec<u8>)> {
        self.unreachable.remove(&relay);
        let opens = self.waiting.remove(&relay).map(|waiting| waiting.opens).unwrap_or_default();
        for (place, _) in &opens {
            self.waiting_at.remove(place);
        }
        opens
    }

    /// A link to `relay` could not be established.
    pub(super) fn failed(&mut self, relay: RelayId, cx: &mut Cx) {
        for ((link, tunnel), _) in self.take_waiting(relay) {
            cx.close(link, tunnel, CloseCode::Unreachable);
        }
        self.unreachable.insert(relay, cx.now.mono.after_ms(REDIAL_MS));
    }

    /// Passes a frame of a leaf on; returns false if its tunnel is unknown or still waits.
    pub(super) fn leaf_frame(&mut self, link: LinkId, frame: Frame, cx: &mut Cx) -> bool {
        let leaf = (link, frame.tunnel);
        if frame.kind == Kind::Close {
            return self.close_leaf(leaf, frame.payload, cx);
        }
        let Some((mesh, number)) = self.to_mesh.get(&leaf).copied() else { return false };
        cx.counts.forwarded += 1;
        cx.send(mesh, frame.kind, number, frame.payload);
        true
    }

    fn close_leaf(&mut self, leaf: Place, payload: Vec<u8>, cx: &mut Cx) -> bool {
        if let Some(relay) = self.waiting_at.remove(&leaf) {
            if let Some(waiting) = self.waiting.get_mut(&relay) {
                waiting.opens.retain(|(place, _)| *place != leaf);
            }
            return true;
        }
        let Some(mesh) = self.to_mesh.remove(&leaf) else { return false };
        self.to_leaf.remove(&mesh);
        cx.send(mesh.0, Kind::Close, mesh.1, payload);
        true
    }

    /// Ends a tunnel on both sides.
    pub(super) fn cut(&mut self, leaf: Place, code: CloseCode, cx: &mut Cx) {
        if self.close_leaf(leaf, vec![code as u8], cx) {
            cx.close(leaf.0, leaf.1, code);
        }
    }

    /// Passes a frame of a relay on; a tunnel that is not known was closed just before.
    pub(super) fn mesh_frame(&mut self, link: LinkId, frame: Frame, cx: &mut Cx) {
        let mesh = (link, frame.tunnel);
        let Some((leaf, number)) = self.to_leaf.get(&mesh).copied() else { return };
        if frame.kind == Kind::Close {
            self.to_leaf.remove(&mesh);
            self.to_mesh.remove(&(leaf, number));
        }
        cx.counts.forwarded += 1;
        cx.send(leaf, frame.kind, number, frame.payload);
    }

    /// Closes every tunnel over a link that is gone, towards the other side.
    pub(super) fn link_down(&mut self, link: LinkId, cx: &mut Cx) {
        let waiting: Vec<Place> = self.waiting_at.range(all_of(link)).map(|(place, _)| *place).collect();
        let leaving: Vec<Place> = self.to_mesh.range(all_of(link)).map(|(place, _)| *place).collect();
        for place in waiting.into_iter().chain(leaving) {
            self.close_leaf(place, vec![CloseCode::Done as u8], cx);
        }
        let broken: Vec<(Place, Place)> =
            self.to_leaf.range(all_of(link)).map(|(mesh, leaf)| (*mesh, *leaf)).collect();
        for (mesh, leaf) in broken {
            self.to_leaf.remove(&mesh);
            self.to_mesh.remove(&leaf);
            cx.close(leaf.0, leaf.1, CloseCode::Unreachable);
        }
        self.next.remove(&link);
    }

    /// Gives up on what waited too long.
    pub(super) fn tick(&mut self, cx: &mut Cx) {
        let now = cx.now.mono;
        let late = |(relay, waiting): (&RelayId, &Waiting)| (waiting.deadline <= now).then_some(*relay);
        let late: Vec<RelayId> = self.waiting.iter().filter_map(late).collect();
        late.into_iter().for_each(|relay| self.failed(relay, cx));
        self.unreachable.retain(|_, until| *until > now);
    }

    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.waiting.values().map(|waiting| waiting.deadline).min()
    }
}
