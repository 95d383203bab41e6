//! What links are like: by kind of access line and by the two regions they join.

use super::{MS, SimTime};
use crate::det::Rng;
use serde::{Deserialize, Serialize};

/// Where a host stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Region {
    /// Tajikistan, Uzbekistan, Kyrgyzstan.
    CentralAsia,
    /// Russia.
    Russia,
    /// Europe.
    Europe,
    /// North America.
    America,
}

impl Region {
    /// All regions.
    pub const ALL: [Self; 4] = [Self::CentralAsia, Self::Russia, Self::Europe, Self::America];

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of regions, such as a country behind its border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RegionSet(u8);

impl RegionSet {
    /// The set of `regions`.
    #[must_use]
    pub fn of(regions: &[Region]) -> Self {
        Self(regions.iter().fold(0, |set, region| set | region.bit()))
    }

    /// Whether `region` is in the set.
    #[must_use]
    pub const fn contains(self, region: Region) -> bool {
        self.0 & region.bit() != 0
    }

    /// Whether exactly one of the two is in the set: the path between them crosses the set's border.
    #[must_use]
    pub const fn crossed_by(self, a: Region, b: Region) -> bool {
        self.contains(a) != self.contains(b)
    }
}

/// One-way delay between the internet exchanges of two regions in milliseconds: half of common round-trip times.
#[must_use]
pub const fn one_way_ms(a: Region, b: Region) -> u64 {
    use Region::{America, CentralAsia, Europe, Russia};
    match (a, b) {
        (CentralAsia, CentralAsia) => 8,
        (Russia, Russia) => 10,
        (Europe, Europe) => 8,
        (America, America) => 15,
        (CentralAsia, Russia) | (Russia, CentralAsia) => 30,
        (CentralAsia, Europe) | (Europe, CentralAsia) => 55,
        (Russia, Europe) | (Europe, Russia) => 22,
        (CentralAsia, America) | (America, CentralAsia) => 105,
        (Russia, America) | (America, Russia) => 65,
        (Europe, America) | (America, Europe) => 45,
    }
}

/// A kind of access line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkClass {
    /// GPRS/EDGE phone: 40 kbit/s down, 20 up, 600-1,200 ms round trip, 3 % loss.
    TwoG,
    /// Phone on 4G.
    Mobile,
    /// Home line.
    Home,
    /// Rented server.
    Vps,
    /// Wi-Fi without internet.
    Lan,
}

/// The numbers of an access line; both ends of a path add theirs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkProfile {
    /// To the host, bytes per second.
    pub down_per_s: u64,
    /// From the host, bytes per second.
    pub up_per_s: u64,
    /// One-way delay of the line, nanoseconds.
    pub delay: SimTime,
    /// Up to this much more, evenly distributed, nanoseconds.
    pub jitter: SimTime,
    /// Probability that a segment is lost on this line and sent again.
    pub loss: f64,
}

impl LinkClass {
    /// The numbers of this class.
    #[must_use]
    pub const fn profile(self) -> LinkProfile {
        const fn line(down_kbit: u64, up_kbit: u64, delay_ms: u64, jitter_ms: u64, loss: f64) -> LinkProfile {
            LinkProfile {
                down_per_s: down_kbit * 125,
                up_per_s: up_kbit * 125,
                delay: delay_ms * MS,
                jitter: jitter_ms * MS,
                loss,
            }
        }
        match self {
            Self::TwoG => line(40, 20, 300, 300, 0.03),
            Self::Mobile => line(10_000, 3_000, 30, 15, 0.005),
            Self::Home => line(20_000, 5_000, 8, 4, 0.001),
            Self::Vps => line(1_000_000, 1_000_000, 1, 1, 0.0),
            Self::Lan => line(50_000, 50_000, 1, 2, 0.0),
        }
    }
}

impl LinkProfile {
    /// How long `bytes` occupy the line out of the host.
    #[must_use]
    pub fn up_time(&self, bytes: usize) -> SimTime {
        occupied(bytes, self.up_per_s)
    }

    /// How long `bytes` occupy the line to the host.
    #[must_use]
    pub fn down_time(&self, bytes: usize) -> SimTime {
        occupied(bytes, self.down_per_s)
    }

    /// Delay of this line for one segment.
    #[must_use]
    pub fn draw_delay(&self, rng: &mut Rng) -> SimTime {
        self.delay + rng.below(self.jitter + 1)
    }
}

fn occupied(bytes: usize, per_s: u64) -> SimTime {
    (bytes as u64).saturating_mul(1_000 * MS) / per_s.max(1)
}

/// The first wait before a lost segment is sent again, for a path with this one-way delay: as TCP does, never under 200 ms.
#[must_use]
pub(super) fn retransmit_after(one_way: SimTime) -> SimTime {
    (3 * one_way).max(200 * MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_the_same_both_ways_and_grow_across_borders() {
        for a in Region::ALL {
            for b in Region::ALL {
                assert_eq!(one_way_ms(a, b), one_way_ms(b, a));
                assert!(a == b || one_way_ms(a, b) > one_way_ms(a, a));
            }
        }
    }

    #[test]
    fn a_border_is_crossed_in_either_direction_and_not_inside() {
        let inside = RegionSet::of(&[Region::Russia, Region::CentralAsia]);
        assert!(inside.crossed_by(Region::Russia, Region::Europe));
        assert!(inside.crossed_by(Region::Europe, Region::Russia));
        assert!(!inside.crossed_by(Region::Russia, Region::CentralAsia));
        assert!(!inside.crossed_by(Region::Europe, Region::America));
    }

    #[test]
    fn a_kilobyte_takes_a_2g_phone_four_tenths_of_a_second_to_send() {
        assert_eq!(LinkClass::TwoG.profile().up_time(1_000), 400 * MS);
    }
}
