//! How much a door may send on one carrier: little at first, more once the path has shown that it carries that (DESIGN N3).

/// What is asked for on a path that nothing is known of.
const FIRST_BYTES: u32 = 10_240;
/// Least: a handshake and some frames must fit.
const LEAST_BYTES: u32 = 5_120;
/// Most. What TCP and IP put around it, and their bare acknowledgements of an upload, must fit below the 15 KB at which the strictest of
/// the reported filters cuts.
const MOST_BYTES: u32 = 12_288;
/// More for the next carrier after one that carried all it was allowed.
const STEP_BYTES: u32 = 512;
/// Carriers in a row that must have carried all they might before what froze once is tried again.
const FORGIVEN_AFTER: u32 = 32;

/// What the carriers to one door may be asked to bring.
#[derive(Debug, Clone)]
pub struct Allowance {
    now: u32,
    most: u32,
    /// Carriers that carried all they might since the last freeze, while no more was asked for.
    calm: u32,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { now: FIRST_BYTES, most: MOST_BYTES, calm: 0 }
    }
}

impl Allowance {
    /// Bytes for the next carrier, everything counted that the relay writes to the connection.
    #[must_use]
    pub const fn bytes(&self) -> u32 {
        self.now
    }

    /// A carrier brought all that it might.
    pub fn carried(&mut self) {
        if self.now < self.most {
            self.now = (self.now + STEP_BYTES).min(self.most);
        } else if self.most < MOST_BYTES {
            self.calm += 1;
            if self.calm >= FORGIVEN_AFTER {
                self.calm = 0;
                self.most = (self.most + STEP_BYTES).min(MOST_BYTES);
            }
        }
    }

    /// A carrier fell silent while it owed something: less from now on, and not as much as this again for a long while.
    pub fn froze(&mut self) {
        self.calm = 0;
        self.most = self.now.saturating_sub(STEP_BYTES).max(LEAST_BYTES);
        self.now = (self.now / 4 * 3).clamp(LEAST_BYTES, self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Carriers over a path that freezes beyond `limit` bytes; returns what was asked for on each, and how many froze.
    fn path(limit: u32, carriers: usize) -> (Vec<u32>, usize) {
        let (mut allowance, mut asked, mut frozen) = (Allowance::default(), Vec::new(), 0);
        for _ in 0..carriers {
            asked.push(allowance.bytes());
            if allowance.bytes() > limit {
                frozen += 1;
                allowance.froze();
            } else {
                allowance.carried();
            }
        }
        (asked, frozen)
    }

    #[test]
    fn a_path_that_carries_is_asked_for_more_step_by_step() {
        let (asked, frozen) = path(u32::MAX, 10);
        assert_eq!(asked[..6], [10_240, 10_752, 11_264, 11_776, 12_288, 12_288]);
        assert_eq!(frozen, 0);
    }

    #[test]
    fn what_froze_is_not_asked_for_again_soon() {
        for limit in [5_120, 6_000, 8_000, 9_900, 10_300, 11_000, 12_000] {
            let (asked, frozen) = path(limit, 100);
            assert!(frozen <= 7, "{limit}: {frozen} of 100 froze");
            assert!(asked.iter().all(|bytes| (LEAST_BYTES..=MOST_BYTES).contains(bytes)));
            // It comes to rest within a step of what the path carries.
            let last = *asked.last().expect("carriers");
            assert!(
                last <= limit + STEP_BYTES && last + 3 * STEP_BYTES >= limit.min(LEAST_BYTES),
                "{limit}: {last}"
            );
        }
    }

    #[test]
    fn a_freeze_that_was_chance_is_forgiven() {
        let mut allowance = Allowance::default();
        (0..5).for_each(|_| allowance.froze());
        assert_eq!(allowance.bytes(), LEAST_BYTES);
        (0..2_000).for_each(|_| allowance.carried());
        assert_eq!(allowance.bytes(), MOST_BYTES);
    }
}
