//! Which relays lie nearest to a place, as doors answer when they are asked, the answer of each kept apart (DESIGN P4, D2).

use super::cx::Cx;
use super::doors::send;
use crate::core::LinkId;
use crate::ids::{Locator, RelayId, first};
use crate::link::{Frame, Kind, NEAR_MAX};
use std::collections::{BTreeMap, VecDeque};

/// Relays that are named for one locator, over all that is known and told.
const NAMED_MAX: usize = 3 * NEAR_MAX;
/// Places whose answers are remembered.
const PLACES_MAX: usize = 64;

/// The first two bytes of a place: enough to find its neighbours among all relays, too little to tell which locator is meant.
type Prefix = [u8; 2];

/// Where a locator lies among the ids of relays.
fn place_of(locator: &Locator) -> u128 {
    u128::from_be_bytes(first(blake3::hash(&locator.0).as_bytes()))
}

fn prefix_of(locator: &Locator) -> Prefix {
    first(&place_of(locator).to_be_bytes())
}

/// What doors told of places.
#[derive(Debug, Default)]
pub(crate) struct Near {
    /// Who lies near a place, by the relay whose door said so; places that nobody asked for are not in it.
    told: BTreeMap<Prefix, BTreeMap<RelayId, Vec<RelayId>>>,
    /// The places of `told`, the one asked for longest ago first.
    places: VecDeque<Prefix>,
}

impl Near {
    /// Asks doors for the relays nearest to a locator.
    pub(crate) fn ask(&mut self, doors: impl Iterator<Item = LinkId>, locator: &Locator, cx: &mut Cx<'_>) {
        let prefix = prefix_of(locator);
        self.places.retain(|place| *place != prefix);
        self.places.push_back(prefix);
        self.told.entry(prefix).or_default();
        while self.places.len() > PLACES_MAX {
            if let Some(oldest) = self.places.pop_front() {
                self.told.remove(&oldest);
            }
        }
        for link in doors {
            send(link, Frame::new(Kind::Near, 0, prefix.to_vec()), cx);
        }
    }

    /// The answer of the door of `door`, `prefix 2 | relay id 16, …`; returns whether it tells of relays that it did not tell of before,
    /// or `None` if it is malformed. What was not asked for is passed over.
    pub(crate) fn on_told(&mut self, door: RelayId, payload: &[u8]) -> Option<bool> {
        let (prefix, rest) = payload.split_first_chunk::<2>()?;
        let (ids, []) = rest.as_chunks::<16>() else { return None };
        if ids.len() > NEAR_MAX {
            return None;
        }
        let Some(told) = self.told.get_mut(prefix) else { return Some(false) };
        let ids: Vec<RelayId> = ids.iter().map(|id| RelayId(*id)).collect();
        Some(told.insert(door, ids.clone()).as_ref() != Some(&ids) && !ids.is_empty())
    }

    /// Whether a door named this relay for a place.
    pub(crate) fn names(&self, relay: RelayId) -> bool {
        self.told.values().flat_map(BTreeMap::values).any(|told| told.contains(&relay))
    }

    /// The relays nearest to a locator among `known`, and those that each door names: one of each list in turn, so that a door that names
    /// its accomplices does not push out what others name.
    pub(crate) fn of(&self, locator: &Locator, known: impl Iterator<Item = RelayId>) -> Vec<RelayId> {
        let place = place_of(locator);
        let nearest = |mut some: Vec<RelayId>| {
            some.sort_unstable_by_key(|relay| u128::from_be_bytes(relay.0) ^ place);
            some.truncate(NEAR_MAX);
            some
        };
        let told = self.told.get(&prefix_of(locator)).into_iter().flat_map(BTreeMap::values);
        let lists: Vec<_> = core::iter::once(known.collect()).chain(told.cloned()).map(nearest).collect();
        let mut out = Vec::new();
        for relay in (0..NEAR_MAX).flat_map(|rank| lists.iter().filter_map(move |list| list.get(rank))) {
            if out.len() < NAMED_MAX && !out.contains(relay) {
                out.push(*relay);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The relay at this distance of a locator's place.
    fn at(locator: &Locator, distance: u128) -> RelayId {
        RelayId((place_of(locator) ^ distance).to_be_bytes())
    }

    #[test]
    fn a_door_that_names_its_accomplices_does_not_push_out_what_others_name() {
        let locator = Locator([5; 32]);
        let prefix = prefix_of(&locator);
        assert_eq!(prefix[..], at(&locator, 0).0[..2], "the place itself, and no more of it than two bytes");
        let mut near = Near { told: BTreeMap::from([(prefix, BTreeMap::new())]), places: [prefix].into() };
        let known: Vec<_> = (100..120).map(|n| at(&locator, n << 100)).collect();
        let honest: Vec<_> = (10..18).map(|n| at(&locator, n << 100)).collect();
        let mined: Vec<_> = (1..9).map(|n| at(&locator, n)).collect();
        let tell = |near: &mut Near, door: u8, ids: &[RelayId]| {
            let ids: Vec<u8> = ids.iter().flat_map(|id| id.0).collect();
            near.on_told(RelayId([door; 16]), &[&prefix[..], &ids].concat())
        };
        assert_eq!(tell(&mut near, 1, &mined), Some(true));
        assert_eq!(tell(&mut near, 2, &honest), Some(true));
        assert_eq!(tell(&mut near, 2, &honest), Some(false), "nothing new");
        let named = near.of(&locator, known.iter().copied());
        assert!(known[..8].iter().chain(&honest).chain(&mined).all(|relay| named.contains(relay)));
        assert!(named[..3].contains(&honest[0]), "early enough to be asked among the first");
        assert!(near.names(mined[0]) && !near.names(known[0]));
        assert_eq!(tell(&mut near, 3, &[mined[0]; 9]), None, "more than a door may name");
        assert_eq!(near.on_told(RelayId([3; 16]), &[prefix[0]]), None);
        assert_eq!(near.on_told(RelayId([3; 16]), &[&prefix[..], &[1; 15]].concat()), None);
        assert_eq!(near.on_told(RelayId([3; 16]), &[9; 18]), Some(false), "nobody asked for that place");
        assert_eq!(near.of(&locator, known.iter().copied()), named);
    }
}
