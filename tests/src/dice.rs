//! Random moments from a seed that a failing test prints.

use std::time::{SystemTime, UNIX_EPOCH};

/// A small generator (SplitMix64). For moments of kills, never for keys.
#[derive(Debug, Clone)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Seeded by `KARVON_SEED`, or by the clock; the seed goes to standard error, which cargo shows if the test fails.
    #[must_use]
    pub fn seeded() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let seed = std::env::var("KARVON_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(now);
        eprintln!("KARVON_SEED={seed}");
        Self { state: seed }
    }

    /// A generator that always gives the same for the same seed.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A number below `end` (0 if `end` is 0).
    pub fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).checked_rem(end).unwrap_or(0)
    }

    /// So many random bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }
}
