//! Where a box stands: which flows it sees.

use super::{FlowView, Rule};
use crate::net::{Region, RegionSet};

/// Which flows pass the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Flows with exactly one end inside: a national border.
    Border(RegionSet),
    /// Flows with at least one end inside: boxes at every provider.
    Providers(RegionSet),
    /// Flows with both ends inside.
    Domestic(RegionSet),
}

impl Place {
    /// Whether a flow between the two regions passes here.
    #[must_use]
    pub const fn sees(self, a: Region, b: Region) -> bool {
        match self {
            Self::Border(set) => set.crossed_by(a, b),
            Self::Providers(set) => set.contains(a) || set.contains(b),
            Self::Domestic(set) => set.contains(a) && set.contains(b),
        }
    }
}

/// A rule at its place.
pub struct Placed {
    /// Where.
    pub place: Place,
    /// What.
    pub rule: Box<dyn Rule>,
}

impl Placed {
    /// Whether this rule has a say on `flow`.
    #[must_use]
    pub fn sees(&self, flow: &FlowView) -> bool {
        self.place.sees(flow.client_region, flow.server_region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Region::{America, CentralAsia, Europe, Russia};

    #[test]
    fn each_place_sees_its_flows_only() {
        let set = RegionSet::of(&[Russia, CentralAsia]);
        let seen = |place: Place| {
            [(Russia, Russia), (Russia, CentralAsia), (Russia, Europe), (America, Europe)]
                .map(|(a, b)| place.sees(a, b))
        };
        assert_eq!(seen(Place::Border(set)), [false, false, true, false]);
        assert_eq!(seen(Place::Providers(set)), [true, true, true, false]);
        assert_eq!(seen(Place::Domestic(set)), [true, true, false, false]);
    }
}
