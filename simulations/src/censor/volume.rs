//! Rules that count: the freeze after some kilobytes, the policing of handshakes, and throttling.

use super::{FlowView, Rule, Verdict};
use crate::det::Rng;
use crate::net::{FlowId, MS, SECOND, Side, SimTime};
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

/// Freezes a flow once the server has sent so many bytes, as Russian boxes do with TLS to foreign hosters.
#[derive(Debug)]
pub struct VolumeFreeze {
    limit: u64,
}

impl VolumeFreeze {
    /// The freeze after 16 KiB from the server.
    #[must_use]
    pub const fn sixteen_kib() -> Self {
        Self { limit: 16 << 10 }
    }

    /// A freeze after `limit` bytes from the server.
    #[must_use]
    pub const fn after(limit: u64) -> Self {
        Self { limit }
    }
}

impl Rule for VolumeFreeze {
    fn name(&self) -> &'static str {
        "volume freeze"
    }

    fn segment(&mut self, flow: &FlowView, side: Side, bytes: &[u8], _: bool, _: &mut Rng) -> Verdict {
        let [_, from_server] = flow.seen;
        let with_this = from_server + if side == Side::Server { bytes.len() as u64 } else { 0 };
        if with_this > self.limit { Verdict::Freeze } else { Verdict::Pass }
    }
}

/// Punishes many connections to one server in short time: more than so many within a minute, each soon after the one before,
/// degrade all connections between the two for two minutes.
#[derive(Debug)]
pub struct HandshakePolicing {
    most: usize,
    apart: SimTime,
    within: SimTime,
    punish: SimTime,
    /// By client and server: when the last quick connections were opened, and until when the pair is punished.
    pairs: HashMap<(IpAddr, SocketAddr), (VecDeque<SimTime>, SimTime)>,
}

impl HandshakePolicing {
    /// What was reported of Russian boxes in June 2026: more than 3, under 0.4 s apart, within 60 s; 120 s of degradation.
    #[must_use]
    pub fn reported() -> Self {
        Self { most: 3, apart: 400 * MS, within: 60 * SECOND, punish: 120 * SECOND, pairs: HashMap::new() }
    }
}

impl Rule for HandshakePolicing {
    fn name(&self) -> &'static str {
        "handshake policing"
    }

    fn open(&mut self, flow: &FlowView, _: &mut Rng) -> Verdict {
        let (quick, punished_until) = self.pairs.entry((flow.client.ip(), flow.server)).or_default();
        if flow.now < *punished_until {
            return Verdict::Drop;
        }
        // A pause ends a burst: only connections shortly after one another count together.
        if quick.back().is_some_and(|last| flow.now - last >= self.apart) {
            quick.clear();
        }
        quick.push_back(flow.now);
        while quick.front().is_some_and(|first| flow.now - first > self.within) {
            quick.pop_front();
        }
        if quick.len() > self.most {
            *punished_until = flow.now + self.punish;
            quick.clear();
            return Verdict::Drop;
        }
        Verdict::Pass
    }

    fn segment(&mut self, flow: &FlowView, _: Side, _: &[u8], _: bool, _: &mut Rng) -> Verdict {
        match self.pairs.get(&(flow.client.ip(), flow.server)) {
            Some((_, until)) if flow.now < *until => Verdict::Drop,
            _ => Verdict::Pass,
        }
    }
}

/// Slows each flow down to so many bytes a second in each direction; short bursts pass.
#[derive(Debug)]
pub struct Throttle {
    per_s: u64,
    burst: u64,
    /// When each side's line through the box is free again.
    free: HashMap<(FlowId, Side), SimTime>,
}

impl Throttle {
    /// Slows down to `per_s` bytes a second after a burst of `burst` bytes.
    #[must_use]
    pub fn new(per_s: u64, burst: u64) -> Self {
        Self { per_s: per_s.max(1), burst, free: HashMap::new() }
    }

    /// 14 kB/s, at which pictures and video stop being of use and text still passes.
    #[must_use]
    pub fn to_14_kb() -> Self {
        Self::new(14_000, 14_000)
    }
}

impl Rule for Throttle {
    fn name(&self) -> &'static str {
        "throttle"
    }

    fn segment(&mut self, flow: &FlowView, side: Side, bytes: &[u8], _: bool, _: &mut Rng) -> Verdict {
        let free = self.free.entry((flow.flow, side)).or_default();
        let takes = bytes.len() as u64 * SECOND / self.per_s;
        let credit = self.burst * SECOND / self.per_s;
        *free = (*free).max(flow.now) + takes;
        match (*free - flow.now).saturating_sub(credit) {
            0 => Verdict::Pass,
            wait => Verdict::Delay(wait),
        }
    }

    fn closed(&mut self, flow: FlowId) {
        for side in [Side::Client, Side::Server] {
            self.free.remove(&(flow, side));
        }
    }
}

/// Ends flows at random, as an overloaded or a malicious box does.
#[derive(Debug)]
pub struct RandomReset {
    per_segment: f64,
}

impl RandomReset {
    /// Resets a flow with this probability at each segment.
    #[must_use]
    pub const fn new(per_segment: f64) -> Self {
        Self { per_segment }
    }
}

impl Rule for RandomReset {
    fn name(&self) -> &'static str {
        "random reset"
    }

    fn segment(&mut self, _: &FlowView, _: Side, _: &[u8], _: bool, rng: &mut Rng) -> Verdict {
        if rng.chance(self.per_segment) { Verdict::Reset } else { Verdict::Pass }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{flow, open, send};
    use super::*;

    #[test]
    fn a_flow_freezes_with_the_byte_over_the_limit_and_not_before() {
        let mut rule = VolumeFreeze::sixteen_kib();
        let at = |seen| {
            let mut view = flow(1, 0);
            view.seen = seen;
            view
        };
        assert_eq!(send(&mut rule, &at([0, 16_283]), Side::Server, &[0; 101]), Verdict::Pass);
        assert_eq!(send(&mut rule, &at([0, 16_284]), Side::Server, &[0; 101]), Verdict::Freeze);
        assert_eq!(
            send(&mut rule, &at([1 << 20, 0]), Side::Client, &[0; 1_400]),
            Verdict::Pass,
            "upload is free"
        );
    }

    #[test]
    fn a_burst_of_connections_is_punished_for_two_minutes() {
        let mut rule = HandshakePolicing::reported();
        let verdicts: Vec<_> = (0..4).map(|n| open(&mut rule, &flow(1, n * 300 * MS))).collect();
        assert_eq!(verdicts, [Verdict::Pass, Verdict::Pass, Verdict::Pass, Verdict::Drop]);
        assert_eq!(send(&mut rule, &flow(1, 60 * SECOND), Side::Client, b"x"), Verdict::Drop);
        assert_eq!(open(&mut rule, &flow(2, 60 * SECOND)), Verdict::Pass, "another server");
        assert_eq!(open(&mut rule, &flow(1, 130 * SECOND)), Verdict::Pass, "it is over");
    }

    #[test]
    fn connections_a_second_apart_are_never_punished() {
        let mut rule = HandshakePolicing::reported();
        assert!((0..100).all(|n| open(&mut rule, &flow(1, n * SECOND)) == Verdict::Pass));
    }

    #[test]
    fn a_throttled_flow_carries_14_kb_a_second_and_a_quiet_one_is_not_slowed() {
        let mut rule = Throttle::to_14_kb();
        // 140 kB at once: a tenth passes as burst, the rest is spread over nine seconds.
        let last = (0..100).map(|_| send(&mut rule, &flow(1, 0), Side::Server, &[0; 1_400])).last();
        assert_eq!(last, Some(Verdict::Delay(9 * SECOND)));
        assert_eq!(send(&mut rule, &flow(1, 0), Side::Client, b"x"), Verdict::Pass, "the other direction");
        let quiet = (0..100).map(|n| send(&mut rule, &flow(2, n * SECOND), Side::Server, &[0; 1_400]));
        assert!(quiet.into_iter().all(|verdict| verdict == Verdict::Pass));
    }

    #[test]
    fn random_resets_come_as_often_as_said() {
        let mut rule = RandomReset::new(0.1);
        let mut rng = Rng::new(4);
        let resets = (0..10_000)
            .filter(|_| rule.segment(&flow(1, 0), Side::Client, b"x", false, &mut rng) == Verdict::Reset)
            .count();
        assert!((900..1_100).contains(&resets), "{resets}");
    }
}
