//! Decides which relays to dial, when again, and which of two connections to one relay stays.

use karvon_protocol::ids::RelayId;
use libp2p::PeerId;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

/// Connections below which relays are dialled only for the sake of the mesh.
pub(super) const ENOUGH: usize = 8;
/// Connections that this relay dialled itself, below which it dials although there are enough: whoever fills it from outside must not be
/// all that it hears.
const OWN: usize = 3;
/// Connections held at most, whoever dialled them, those left aside that a tunnel used lately; one place more is for whoever knocks. The
/// gap to [`ENOUGH`] keeps giving up and dialling from feeding each other.
pub(super) const HELD_MAX: usize = 15;
/// Connections given up at one time by the regular look.
pub(super) const TRIMS_AT_ONCE: usize = 2;
/// A connection is not given up before this age.
pub(super) const TRIM_AGE: Duration = Duration::from_secs(60);
/// New dials at one time.
const DIALS_AT_ONCE: usize = 4;
/// First pause after a failure; doubles.
const PAUSE: Duration = Duration::from_secs(2);
/// Longest pause for relays that the operator named, and for others.
const PAUSE_MAX_NAMED: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// Failures as which it counts that a connection was given up by the other side: about a minute's pause, then more.
const GIVEN_UP: u32 = 5;
/// A connection that lasted this long counts as a success.
const LASTED: Duration = Duration::from_secs(60);
/// Two connections made within this time are taken for a simultaneous dial; later the older one is taken for dead.
const SIMULTANEOUS: Duration = Duration::from_secs(10);

struct Retry {
    failures: u32,
    not_before: Instant,
}

/// How many connections there are, those that are being dialled among them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) all: usize,
    /// Those that this relay dialled.
    pub(super) dialled: usize,
}

/// The state of dialling.
pub(super) struct Keeper {
    named: HashSet<RelayId>,
    retry: HashMap<RelayId, Retry>,
    rng: ChaCha8Rng,
}

impl Keeper {
    /// `named` are dialled first while there are too few connections, and one of them at any time.
    pub(super) fn new(named: HashSet<RelayId>, seed: &[u8; 32]) -> Self {
        Self { named, retry: HashMap::new(), rng: ChaCha8Rng::from_seed(*seed) }
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

    /// Which of `candidates` to dial now. `engaged` tells whom a connection or a dial exists to, `prefers` who comes before others.
    pub(super) fn due(
        &mut self,
        now: Instant,
        candidates: &[(RelayId, PeerId)],
        engaged: impl Fn(&PeerId) -> bool,
        prefers: impl Fn(&RelayId) -> bool,
        held: Held,
    ) -> Vec<RelayId> {
        let is_named = |relay: &RelayId| self.named.contains(relay);
        let named_holds = candidates.iter().any(|(relay, peer)| is_named(relay) && engaged(peer));
        let free = candidates.iter().filter(|(relay, peer)| {
            !engaged(peer) && self.retry.get(relay).is_none_or(|retry| retry.not_before <= now)
        });
        let (mut out, mut others): (Vec<_>, Vec<_>) = free.map(|(relay, _)| *relay).partition(is_named);
        if held.all >= ENOUGH {
            // One named relay is enough then. Many may have named the same one, which can not hold them all.
            let one = if named_holds { None } else { pick(&mut self.rng, &mut out) };
            out = one.into_iter().collect();
        }
        let few = ENOUGH.saturating_sub(held.all + out.len());
        let mut wanted = few.max(OWN.saturating_sub(held.dialled + out.len())).min(DIALS_AT_ONCE);
        let mut first: Vec<_> = others.extract_if(.., |relay| prefers(relay)).collect();
        while wanted > 0
            && let Some(relay) = pick(&mut self.rng, &mut first).or_else(|| pick(&mut self.rng, &mut others))
        {
            out.push(relay);
            wanted -= 1;
        }
        out
    }

    /// A dial failed.
    pub(super) fn failed(&mut self, relay: RelayId, now: Instant) {
        let longest = if self.is_named(&relay) { PAUSE_MAX_NAMED } else { PAUSE_MAX };
        self.wait(relay, now, longest);
    }

    fn wait(&mut self, relay: RelayId, now: Instant, longest: Duration) {
        let failures = self.retry.get(&relay).map_or(0, |retry| retry.failures);
        let pause = PAUSE.saturating_mul(1 << failures.min(16)).min(longest);
        let not_before = now + self.jitter(pause);
        self.retry.insert(relay, Retry { failures: failures + 1, not_before });
    }

    /// A connection ended after `lasted`; `held` are left.
    pub(super) fn closed(&mut self, relay: RelayId, now: Instant, lasted: Duration, held: usize) {
        if self.retry.get(&relay).is_some_and(|retry| retry.failures == 0 && retry.not_before > now) {
            // It was given up here: the longer pause holds.
            return;
        }
        if held >= ENOUGH {
            // Most likely the other side holds enough and gave it up, and so does this one hold enough.
            let failures = self.retry.get(&relay).map_or(0, |retry| retry.failures).max(GIVEN_UP);
            self.retry.insert(relay, Retry { failures, not_before: now });
            return self.wait(relay, now, PAUSE_MAX);
        }
        if lasted >= LASTED {
            self.retry.remove(&relay);
        }
        self.failed(relay, now);
    }

    /// A connection to these relays was given up because it was not used: others come first for a while.
    pub(super) fn gave_up(&mut self, relays: Vec<RelayId>, now: Instant) {
        for relay in relays {
            let not_before = now + self.jitter(PAUSE_MAX);
            self.retry.insert(relay, Retry { failures: 0, not_before });
        }
    }
}

/// Takes one of them.
fn pick(rng: &mut ChaCha8Rng, from: &mut Vec<RelayId>) -> Option<RelayId> {
    let count = u64::try_from(from.len()).ok().filter(|count| *count > 0)?;
    let choice = usize::try_from(rng.next_u64() % count).unwrap_or_default();
    Some(from.swap_remove(choice))
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

    const fn held(all: usize) -> Held {
        Held { all, dialled: all }
    }

    #[tokio::test]
    async fn few_connections_are_filled_up_and_enough_is_enough() {
        let mut keeper = Keeper::new(HashSet::new(), &[1; 32]);
        let all = relays(40);
        let now = Instant::now();
        assert_eq!(keeper.due(now, &all, |_| false, |_| false, held(0)).len(), DIALS_AT_ONCE);
        assert_eq!(keeper.due(now, &all, |_| false, |_| false, held(ENOUGH - 1)).len(), 1);
        assert!(keeper.due(now, &all, |_| false, |_| false, held(ENOUGH)).is_empty());
        assert!(keeper.due(now, &all, |_| true, |_| false, held(0)).is_empty(), "nobody is dialled twice");
        let wanted: HashSet<_> = all.iter().take(3).map(|(relay, _)| *relay).collect();
        let due = keeper.due(now, &all, |_| false, |relay| wanted.contains(relay), held(ENOUGH - 3));
        assert_eq!(due.into_iter().collect::<HashSet<_>>(), wanted, "who is preferred comes first");
        let filled = Held { all: HELD_MAX, dialled: 1 };
        assert_eq!(
            keeper.due(now, &all, |_| false, |_| false, filled).len(),
            OWN - 1,
            "not all may come from outside"
        );
    }

    #[tokio::test]
    async fn one_named_relay_is_kept_and_the_others_only_while_there_are_few() {
        let all = relays(40);
        let (first, second) = (all[0], all[1]);
        let mut keeper = Keeper::new(HashSet::from([first.0, second.0]), &[1; 32]);
        let now = Instant::now();
        let few = keeper.due(now, &all, |_| false, |_| false, held(2));
        assert!(few.contains(&first.0) && few.contains(&second.0));
        let one = keeper.due(now, &all, |_| false, |_| false, held(ENOUGH));
        assert!(one == [first.0] || one == [second.0]);
        assert!(keeper.due(now, &all, |peer| *peer == first.1, |_| false, held(ENOUGH)).is_empty());
        // It was given up by the other side: not again at once, as long as there are others.
        keeper.closed(first.0, now, LASTED * 9, ENOUGH);
        keeper.closed(second.0, now, LASTED * 9, ENOUGH);
        assert!(keeper.due(now + PAUSE * 15, &all, |_| false, |_| false, held(ENOUGH)).is_empty());
        assert_eq!(keeper.due(now + PAUSE_MAX * 2, &all, |_| false, |_| false, held(ENOUGH)).len(), 1);
        keeper.closed(first.0, now, LASTED * 9, ENOUGH - 1);
        assert_eq!(keeper.due(now + PAUSE * 2, &all[..1], |_| false, |_| false, held(ENOUGH - 1)), [first.0]);
    }

    #[tokio::test]
    async fn a_named_relay_is_tried_for_ever_with_growing_pauses() {
        let named = RelayId([1; 16]);
        let mut keeper = Keeper::new(HashSet::from([named]), &[1; 32]);
        let all = relays(1);
        let (mut now, mut last) = (Instant::now(), Duration::ZERO);
        for _ in 0..12 {
            assert_eq!(keeper.due(now, &all, |_| false, |_| false, held(0)), vec![named]);
            keeper.failed(named, now);
            assert!(keeper.due(now, &all, |_| false, |_| false, held(0)).is_empty(), "not at once");
            last = Duration::ZERO;
            while keeper.due(now + last, &all, |_| false, |_| false, held(0)).is_empty() {
                last += Duration::from_millis(100);
            }
            now += last;
        }
        assert!(last > PAUSE_MAX_NAMED / 2 && last < PAUSE_MAX_NAMED * 2, "{last:?}");
        keeper.closed(named, now, LASTED, 0);
        let soon = now + PAUSE * 2;
        assert_eq!(
            keeper.due(soon, &all, |_| false, |_| false, held(0)),
            vec![named],
            "a success starts afresh"
        );
    }

    #[tokio::test]
    async fn who_was_given_up_is_not_dialled_soon() {
        let mut keeper = Keeper::new(HashSet::new(), &[1; 32]);
        let all = relays(1);
        let (relay, _) = all[0];
        let now = Instant::now();
        keeper.gave_up(vec![relay], now);
        keeper.closed(relay, now, LASTED * 2, 0);
        assert!(keeper.due(now + PAUSE * 10, &all, |_| false, |_| false, held(0)).is_empty());
        assert_eq!(keeper.due(now + PAUSE_MAX * 2, &all, |_| false, |_| false, held(0)), vec![relay]);
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
