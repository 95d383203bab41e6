//! Decides which relays to dial, when again, and which of two connections to one relay stays.

use karvon_protocol::ids::RelayId;
use libp2p::PeerId;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

/// Connections below which relays are dialled only for the sake of the mesh.
const ENOUGH: usize = 8;
/// Connections above which unused ones are given up, whoever dialled them. The gap to [`ENOUGH`] keeps trimming and dialling from
/// feeding each other.
pub(super) const CONNECTIONS_MAX: usize = 16;
/// Connections given up at one time.
pub(super) const TRIMS_AT_ONCE: usize = 2;
/// Whoever dials again within this time after its connection was given up has a reason to: it keeps the new one.
const INSISTS: Duration = Duration::from_secs(120);
/// A connection is not given up before this age.
pub(super) const TRIM_AGE: Duration = Duration::from_secs(60);
/// New dials at one time.
const DIALS_AT_ONCE: usize = 4;
/// First pause after a failure; doubles.
const PAUSE: Duration = Duration::from_secs(2);
/// Longest pause for relays that the operator named, and for others.
const PAUSE_MAX_NAMED: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// A connection that lasted this long counts as a success.
const LASTED: Duration = Duration::from_secs(60);
/// Two connections made within this time are taken for a simultaneous dial; later the older one is taken for dead.
const SIMULTANEOUS: Duration = Duration::from_secs(10);

struct Retry {
    failures: u32,
    not_before: Instant,
}

/// The state of dialling.
pub(super) struct Keeper {
    named: HashSet<RelayId>,
    retry: HashMap<RelayId, Retry>,
    /// Whose connection was given up lately.
    given_up: HashMap<PeerId, Instant>,
    /// Who came back at once after that.
    insisting: HashSet<PeerId>,
    rng: ChaCha8Rng,
}

impl Keeper {
    /// `named` are kept connected whatever else there is.
    pub(super) fn new(named: HashSet<RelayId>, seed: &[u8; 32]) -> Self {
        Self {
            named,
            retry: HashMap::new(),
            given_up: HashMap::new(),
            insisting: HashSet::new(),
            rng: ChaCha8Rng::from_seed(*seed),
        }
    }

    pub(super) fn is_named(&self, relay: &RelayId) -> bool {
        self.named.contains(relay)
    }

    /// A random number.
    pub(super) fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// `duration`, give or take a quarter.
    pub(super) fn jitter(&mut self, duration: Duration) -> Duration {
        duration.mul_f64(0.75 + (self.rng.next_u32() as f64 / f64::from(u32::MAX)) / 2.0)
    }

    /// Which of `candidates` to dial now. `engaged` tells whom a connection or a dial exists to; `connections` counts both.
    pub(super) fn due(
        &mut self,
        now: Instant,
        candidates: &[(RelayId, PeerId)],
        engaged: impl Fn(&PeerId) -> bool,
        connections: usize,
    ) -> Vec<RelayId> {
        let free = candidates.iter().filter(|(relay, peer)| {
            !engaged(peer) && self.retry.get(relay).is_none_or(|retry| retry.not_before <= now)
        });
        let (mut out, mut others): (Vec<_>, Vec<_>) =
            free.map(|(relay, _)| *relay).partition(|relay| self.named.contains(relay));
        let mut wanted = ENOUGH.saturating_sub(connections + out.len()).min(DIALS_AT_ONCE);
        while wanted > 0 && !others.is_empty() {
            let choice = self.rng.next_u64() % others.len() as u64;
            out.push(others.swap_remove(usize::try_from(choice).unwrap_or_default()));
            wanted -= 1;
        }
        out
    }

    /// A dial failed.
    pub(super) fn failed(&mut self, relay: RelayId, now: Instant) {
        let longest = if self.is_named(&relay) { PAUSE_MAX_NAMED } else { PAUSE_MAX };
        let failures = self.retry.get(&relay).map_or(0, |retry| retry.failures);
        let pause = PAUSE.saturating_mul(1 << failures.min(16)).min(longest);
        let not_before = now + self.jitter(pause);
        self.retry.insert(relay, Retry { failures: failures + 1, not_before });
    }

    /// A connection ended after `lasted`.
    pub(super) fn closed(&mut self, relay: RelayId, now: Instant, lasted: Duration) {
        if self.retry.get(&relay).is_some_and(|retry| retry.failures == 0 && retry.not_before > now) {
            // It was given up here: the longer pause holds.
            return;
        }
        if lasted >= LASTED {
            self.retry.remove(&relay);
        }
        self.failed(relay, now);
    }

    /// A connection to `peer`, which is these relays, was given up because it was not used: others come first for a while.
    pub(super) fn gave_up(&mut self, peer: PeerId, relays: Vec<RelayId>, now: Instant) {
        self.given_up.retain(|_, since| now.duration_since(*since) < INSISTS);
        self.given_up.insert(peer, now);
        for relay in relays {
            let not_before = now + self.jitter(PAUSE_MAX);
            self.retry.insert(relay, Retry { failures: 0, not_before });
        }
    }

    /// `peer` dialled.
    pub(super) fn came(&mut self, peer: PeerId, now: Instant) {
        if self.given_up.remove(&peer).is_some_and(|since| now.duration_since(since) < INSISTS) {
            self.insisting.insert(peer);
        }
    }

    /// The last connection to `peer` is gone.
    pub(super) fn left(&mut self, peer: &PeerId) {
        self.insisting.remove(peer);
    }

    /// Whether `peer` came back at once when its connection was given up: its operator may have named this relay.
    pub(super) fn insists(&self, peer: &PeerId) -> bool {
        self.insisting.contains(peer)
    }
}

/// Of two connections to `remote`, whether the newer one stays. Both sides come to the same answer.
pub(super) fn newer_stays(
    local: &PeerId,
    remote: &PeerId,
    older_dialled: bool,
    older_age: Duration,
    newer_dialled: bool,
) -> bool {
    if older_age > SIMULTANEOUS || older_dialled == newer_dialled {
        // The other side would not have dialled, had its end of the older connection been alive.
        return true;
    }
    // A simultaneous dial: the connection dialled by the smaller id stays.
    newer_dialled == (local.to_bytes() < remote.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relays(count: u8) -> Vec<(RelayId, PeerId)> {
        (1..=count).map(|number| (RelayId([number; 16]), PeerId::random())).collect()
    }

    #[tokio::test]
    async fn few_connections_are_filled_up_and_enough_is_enough() {
        let mut keeper = Keeper::new(HashSet::new(), &[1; 32]);
        let all = relays(40);
        let now = Instant::now();
        assert_eq!(keeper.due(now, &all, |_| false, 0).len(), DIALS_AT_ONCE);
        assert_eq!(keeper.due(now, &all, |_| false, ENOUGH - 1).len(), 1);
        assert!(keeper.due(now, &all, |_| false, ENOUGH).is_empty());
        assert!(keeper.due(now, &all, |_| true, 0).is_empty(), "nobody is dialled twice");
    }

    #[tokio::test]
    async fn a_named_relay_is_tried_for_ever_with_growing_pauses() {
        let named = RelayId([1; 16]);
        let mut keeper = Keeper::new(HashSet::from([named]), &[1; 32]);
        let all = relays(1);
        let (mut now, mut last) = (Instant::now(), Duration::ZERO);
        for _ in 0..12 {
            assert_eq!(keeper.due(now, &all, |_| false, 99), vec![named]);
            keeper.failed(named, now);
            assert!(keeper.due(now, &all, |_| false, 99).is_empty(), "not at once");
            last = Duration::ZERO;
            while keeper.due(now + last, &all, |_| false, 99).is_empty() {
                last += Duration::from_millis(100);
            }
            now += last;
        }
        assert!(last > PAUSE_MAX_NAMED / 2 && last < PAUSE_MAX_NAMED * 2, "{last:?}");
        keeper.closed(named, now, LASTED);
        let soon = now + PAUSE * 2;
        assert_eq!(keeper.due(soon, &all, |_| false, 99), vec![named], "a success starts afresh");
    }

    #[tokio::test]
    async fn who_was_given_up_is_not_dialled_soon_and_is_kept_if_it_insists() {
        let mut keeper = Keeper::new(HashSet::new(), &[1; 32]);
        let all = relays(1);
        let (relay, peer) = all[0];
        let now = Instant::now();
        keeper.gave_up(peer, vec![relay], now);
        keeper.closed(relay, now, LASTED * 2);
        assert!(keeper.due(now + PAUSE * 10, &all, |_| false, 0).is_empty());
        assert!(!keeper.insists(&peer));
        keeper.came(peer, now + INSISTS / 2);
        assert!(keeper.insists(&peer));
        keeper.left(&peer);
        assert!(!keeper.insists(&peer));
        keeper.gave_up(peer, vec![relay], now);
        keeper.came(peer, now + INSISTS * 2);
        assert!(!keeper.insists(&peer), "much later it may be by chance");
        assert_eq!(keeper.due(now + PAUSE_MAX * 2, &all, |_| false, 0), vec![relay]);
    }

    #[test]
    fn both_sides_keep_the_same_of_two_connections() {
        for _ in 0..20 {
            let (a, b) = (PeerId::random(), PeerId::random());
            for age in [Duration::ZERO, SIMULTANEOUS * 2] {
                // The older one was dialled by `a`, the newer one by `b`.
                let seen_by_a = newer_stays(&a, &b, true, age, false);
                let seen_by_b = newer_stays(&b, &a, false, age, true);
                assert_eq!(seen_by_a, seen_by_b);
                assert!(age.is_zero() || seen_by_a);
            }
        }
        let (a, b) = (PeerId::random(), PeerId::random());
        // Seen in the other order on the other side: the same connection must stay.
        let a_keeps_own = !newer_stays(&a, &b, true, Duration::ZERO, false);
        let b_keeps_own = !newer_stays(&b, &a, true, Duration::ZERO, false);
        assert_ne!(a_keeps_own, b_keeps_own);
    }
}
