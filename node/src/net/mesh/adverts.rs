//! Judges descriptors that strangers offer, before they are passed on or shown to the core.

use karvon_protocol::descriptor::Descriptor;
use std::time::Duration;
use tokio::time::Instant;

/// Descriptors taken from one relay at once, and how often one more.
const BURST: u32 = 256;
const REFILL: Duration = Duration::from_millis(250);
/// A descriptor from further ahead is not passed on: its relay's clock is wrong, or it wants to stay the newest for ever.
const AHEAD_MAX_S: u64 = 7 * 86_400;

/// How much one relay may still offer.
pub(super) struct Budget {
    left: u32,
    filled: Instant,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: BURST, filled: now }
    }

    /// Whether one more may be looked at.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let refills = now.duration_since(self.filled).as_millis() / REFILL.as_millis();
        let refills = u32::try_from(refills).unwrap_or(u32::MAX);
        if refills > 0 {
            self.left = self.left.saturating_add(refills).min(BURST);
            self.filled = now;
        }
        let some = self.left > 0;
        self.left = self.left.saturating_sub(1);
        some
    }
}

/// What is to become of an offered descriptor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// New: to be shown to the core and passed on.
    New,
    /// Known, or of no use here; the one who offered it is not to blame.
    Useless,
    /// Broken or forged; the one who offered it should have seen that.
    Forged,
}

/// Judges signed bytes. `known` gives the sequence number held of a relay; `dialable` whether its mesh address may be dialled.
pub(super) fn judge(
    bytes: &[u8],
    now_s: u64,
    known: impl FnOnce(&Descriptor) -> Option<u64>,
    dialable: impl FnOnce(&Descriptor) -> bool,
) -> Verdict {
    let Ok(descriptor) = Descriptor::verify(bytes) else { return Verdict::Forged };
    let newer = known(&descriptor).is_none_or(|seq| seq < descriptor.seq);
    if newer && descriptor.seq <= now_s.saturating_add(AHEAD_MAX_S) && dialable(&descriptor) {
        Verdict::New
    } else {
        Verdict::Useless
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flood_of_descriptors_is_cut_and_forgiven_later() {
        let mut budget = Budget::new(Instant::now());
        let now = Instant::now();
        assert_eq!((0..1_000).filter(|_| budget.take(now)).count(), BURST as usize);
        let later = now + REFILL * 10;
        assert_eq!((0..1_000).filter(|_| budget.take(later)).count(), 10);
        let much_later = now + Duration::from_secs(86_400);
        assert_eq!((0..1_000).filter(|_| budget.take(much_later)).count(), BURST as usize);
    }

    #[test]
    fn junk_is_told_from_descriptors() {
        assert_eq!(judge(&[7; 300], 0, |_| None, |_| true), Verdict::Forged);
        assert_eq!(judge(&[], 0, |_| None, |_| true), Verdict::Forged);
    }
}
