//! How fast each link answers: how long silence may last on it before it means something (DESIGN N1, ARCHITECTURE "Patience").
//!
//! A fixed limit is either too short for 2G or too long for a path that was cut. So each link is measured: whatever is answered tells
//! that everything sent before it has arrived, how long that took, and how many bytes went meanwhile.

use crate::core::{LinkId, Mono};
use crate::ids::RelayId;
use std::collections::BTreeMap;

/// A round trip nobody has measured yet, milliseconds: that of 2G.
const FIRST_RTT_MS: u64 = 1_000;
/// Bytes a second of a line nobody has measured yet: that of 2G upwards.
const FIRST_RATE: u64 = 2_000;
/// Fewer bytes under way say nothing about the rate.
const SAMPLE_BYTES: u64 = 1_024;
/// Silence after which the door is asked whether it is there, milliseconds, besides round trips.
const DOUBT_MS: u64 = 2_500;
/// Silence after that question which means that the path is dead, milliseconds, besides round trips and bytes under way. Retransmissions
/// after a short hole in a mobile network take this long.
const DEATH_MS: u64 = 6_000;
/// No path is waited for longer than this while it is silent, milliseconds.
const SILENCE_MAX_MS: u64 = 120_000;
/// A web door may carry some 10 KB at a time and rest for 20 s in between, where handshakes are counted; a path that is dead is noticed by
/// the session below, which brings another carrier. So here only a door that forgot the link can be meant: doubt and death, milliseconds.
const NARROW_MS: (u64, u64) = (25_000, 60_000);
/// A relay that could not be reached over a link is tried over others first for this time, milliseconds.
const NO_WAY_MS: u64 = 60_000;
/// A relay beside a slow one is tried after this time at the earliest, milliseconds (DESIGN D3).
const HEDGE_MS: u64 = 2_000;

/// A point in what was sent over a link, and when that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Bytes of frames on this link up to and with the one that is meant.
    pub(crate) upto: u64,
    /// Of them, known to have arrived at that time.
    arrived_then: u64,
    pub(crate) at: Mono,
}

#[derive(Debug, Default)]
struct Pace {
    /// Through a web door.
    narrow: bool,
    sent: u64,
    /// The last sent byte that something will answer.
    awaited: u64,
    arrived: u64,
    /// Smoothed round trip, queues included, milliseconds.
    rtt_ms: Option<u64>,
    /// Bytes a second: the best that was seen, slowly forgotten.
    rate: Option<u64>,
    /// Tunnels over it that ended without a word, since one said something.
    silent_tunnels: u32,
    /// Relays that could not be reached over it, and when that was.
    no_way: BTreeMap<RelayId, Mono>,
}

/// What is known of all links of this leaf.
#[derive(Debug, Default)]
pub(crate) struct Paces {
    links: BTreeMap<LinkId, Pace>,
    /// The last measured rate: a new link most often uses the same access line.
    line: Option<u64>,
}

impl Paces {
    /// A link is up; `narrow` if through a web door.
    pub(crate) fn begin(&mut self, link: LinkId, narrow: bool) {
        self.links.insert(link, Pace { narrow, ..Pace::default() });
    }

    /// Whether it leads through a web door.
    pub(crate) fn is_narrow(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(|pace| pace.narrow)
    }

    /// Whether everything comes through web doors: bytes are dear there.
    pub(crate) fn all_narrow(&self) -> bool {
        !self.links.is_empty() && self.links.values().all(|pace| pace.narrow)
    }

    /// A frame of `bytes` bytes is being sent.
    pub(crate) fn sent(&mut self, link: LinkId, bytes: usize) {
        if let Some(pace) = self.links.get_mut(&link) {
            pace.sent += bytes as u64;
        }
    }

    /// Marks the frame that was sent last as one that something will answer.
    pub(crate) fn await_answer(&mut self, link: LinkId, now: Mono) -> Stamp {
        let Some(pace) = self.links.get_mut(&link) else {
            return Stamp { upto: 0, arrived_then: 0, at: now };
        };
        pace.awaited = pace.sent;
        Stamp { upto: pace.sent, arrived_then: pace.arrived, at: now }
    }

    /// Something answered what `stamp` marks.
    pub(crate) fn answered(&mut self, link: LinkId, stamp: Stamp, now: Mono) {
        let Some(pace) = self.links.get_mut(&link) else { return };
        pace.arrived = pace.arrived.max(stamp.upto);
        let took_ms = (now.0.saturating_sub(stamp.at.0) / 1_000).max(1);
        pace.rtt_ms = Some(pace.rtt_ms.map_or(took_ms, |old| (7 * old + took_ms) / 8));
        let bytes = stamp.upto.saturating_sub(stamp.arrived_then);
        if bytes >= SAMPLE_BYTES {
            let sample = (bytes.saturating_mul(1_000) / took_ms).max(1);
            pace.rate = Some(pace.rate.map_or(sample, |old| sample.max(old - old / 16)));
            self.line = pace.rate;
        }
    }

    /// The link is gone.
    pub(crate) fn forget(&mut self, link: LinkId) {
        self.links.remove(&link);
    }

    /// Something came through a tunnel over this link.
    pub(crate) fn tunnel_spoke(&mut self, link: LinkId) {
        if let Some(pace) = self.links.get_mut(&link) {
            pace.silent_tunnels = 0;
        }
    }

    /// A tunnel over this link ended without a word, although the door is there.
    pub(crate) fn tunnel_silent(&mut self, link: LinkId) {
        if let Some(pace) = self.links.get_mut(&link) {
            pace.silent_tunnels = pace.silent_tunnels.saturating_add(1);
        }
    }

    /// A relay could not be reached over this link.
    pub(crate) fn no_way(&mut self, link: LinkId, relay: RelayId, now: Mono) {
        if let Some(pace) = self.links.get_mut(&link) {
            pace.no_way.retain(|_, at| now < at.after_ms(NO_WAY_MS));
            pace.no_way.insert(relay, now);
        }
    }

    /// Whether that was lately.
    pub(crate) fn has_no_way(&self, link: LinkId, relay: RelayId, now: Mono) -> bool {
        let at = self.links.get(&link).and_then(|pace| pace.no_way.get(&relay));
        at.is_some_and(|at| now < at.after_ms(NO_WAY_MS))
    }

    /// How many tunnels over this link ended so in a row.
    pub(crate) fn silent_tunnels(&self, link: LinkId) -> u32 {
        self.links.get(&link).map_or(0, |pace| pace.silent_tunnels)
    }

    /// Bytes on a link that something will answer and nothing has answered yet.
    pub(crate) fn under_way(&self, link: LinkId) -> u64 {
        self.links.get(&link).map_or(0, |pace| pace.awaited.saturating_sub(pace.arrived))
    }

    fn rtt_ms(&self, link: LinkId) -> u64 {
        self.links.get(&link).and_then(|pace| pace.rtt_ms).unwrap_or(FIRST_RTT_MS)
    }

    /// Time that what is under way on all links takes at the rate of `link`: they most often share the slowest part of their ways.
    fn drain_ms(&self, link: Option<LinkId>, more: u64) -> u64 {
        let own = link.and_then(|link| self.links.get(&link)?.rate);
        let rate = own.or(self.line).unwrap_or(FIRST_RATE).max(1);
        let under_way: u64 = self.links.values().map(|pace| pace.awaited.saturating_sub(pace.arrived)).sum();
        under_way.saturating_add(more).saturating_mul(1_000) / rate
    }

    /// How long an answer may be missing before the door is asked whether it is there, milliseconds.
    pub(crate) fn doubt_ms(&self, link: LinkId) -> u64 {
        let doubt = DOUBT_MS + 2 * self.rtt_ms(link).min(SILENCE_MAX_MS);
        if self.is_narrow(link) { doubt.max(NARROW_MS.0) } else { doubt }
    }

    /// How long a link may be silent, with an answer outstanding, before it is dead, milliseconds.
    pub(crate) fn death_ms(&self, link: LinkId) -> u64 {
        let death = (DEATH_MS + 2 * self.rtt_ms(link) + 2 * self.drain_ms(Some(link), 0)).min(SILENCE_MAX_MS);
        if self.is_narrow(link) { death.max(NARROW_MS.1) } else { death }
    }

    /// How long any link may take to answer, milliseconds.
    pub(crate) fn patience_ms(&self) -> u64 {
        self.links.keys().map(|link| self.doubt_ms(*link) + self.death_ms(*link)).max().unwrap_or(0)
    }

    /// When a second relay is tried beside one that was sent `bytes` bytes and has not answered, milliseconds.
    pub(crate) fn hedge_ms(&self, bytes: usize) -> u64 {
        let rtt_ms = self.links.values().filter_map(|pace| pace.rtt_ms).max().unwrap_or(FIRST_RTT_MS / 2);
        let usual = 2 * (rtt_ms + self.drain_ms(None, bytes as u64));
        usual.clamp(HEDGE_MS, SILENCE_MAX_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: LinkId = LinkId(1);

    /// A link that answered `count` requests of `bytes` bytes, each after `ms` milliseconds.
    fn measured(count: u64, bytes: usize, ms: u64) -> (Paces, Mono) {
        let (mut paces, mut now) = (Paces::default(), Mono(0));
        paces.begin(LINK, false);
        for _ in 0..count {
            paces.sent(LINK, bytes);
            let stamp = paces.await_answer(LINK, now);
            now = now.after_ms(ms);
            paces.answered(LINK, stamp, now);
        }
        (paces, now)
    }

    #[test]
    fn a_path_that_was_fast_is_called_dead_within_ten_seconds_even_under_a_large_cell() {
        let (mut paces, now) = measured(20, 2_144, 120);
        paces.sent(LINK, 61_536);
        paces.await_answer(LINK, now);
        assert!(paces.doubt_ms(LINK) + paces.death_ms(LINK) < 20_000);
        let (mut paces, now) = measured(20, 16_480, 120);
        paces.sent(LINK, 61_536);
        paces.await_answer(LINK, now);
        assert!(paces.doubt_ms(LINK) + paces.death_ms(LINK) < 10_500);
        let (paces, _) = measured(20, 2_144, 120);
        assert!(paces.doubt_ms(LINK) + paces.death_ms(LINK) < 10_000);
    }

    #[test]
    fn a_slow_line_gets_the_time_that_its_bytes_need() {
        // 2,500 bytes a second and a second of round trip.
        let (mut paces, now) = measured(5, 2_144, 1_860);
        paces.sent(LINK, 61_536);
        paces.await_answer(LINK, now);
        assert!(paces.death_ms(LINK) > 2 * 61_536 * 1_000 / 2_500);
        assert!(paces.hedge_ms(2_144) > 2_000);
    }

    #[test]
    fn what_is_answered_vouches_for_all_that_was_sent_before_it() {
        let (mut paces, now) = (Paces::default(), Mono(0));
        paces.begin(LINK, false);
        paces.sent(LINK, 16_480);
        let first = paces.await_answer(LINK, now);
        paces.sent(LINK, 64);
        let echo = paces.await_answer(LINK, now);
        let before = paces.death_ms(LINK);
        paces.answered(LINK, echo, now.after_ms(300));
        assert!(echo.upto > first.upto && paces.death_ms(LINK) < before);
    }

    #[test]
    fn small_frames_do_not_make_a_fast_line_look_slow() {
        let (mut paces, mut now) = measured(5, 16_480, 100);
        for _ in 0..200 {
            paces.sent(LINK, 64);
            let stamp = paces.await_answer(LINK, now);
            now = now.after_ms(100);
            paces.answered(LINK, stamp, now);
        }
        assert_eq!(paces.hedge_ms(2_144), HEDGE_MS);
    }

    #[test]
    fn a_web_door_is_doubted_later_than_any_other_and_counts_as_dear() {
        for narrow in [false, true] {
            let mut paces = Paces::default();
            paces.begin(LINK, narrow);
            assert_eq!(paces.all_narrow(), narrow);
            assert_eq!(paces.doubt_ms(LINK) >= NARROW_MS.0, narrow);
            assert_eq!(paces.death_ms(LINK) >= NARROW_MS.1, narrow);
        }
    }

    #[test]
    fn a_relay_that_could_not_be_reached_over_a_link_is_passed_over_for_a_while_and_there_only() {
        let (mut paces, other) = (Paces::default(), LinkId(2));
        [LINK, other].into_iter().for_each(|link| paces.begin(link, false));
        let (relay, now) = (RelayId([1; 16]), Mono(5));
        paces.no_way(LINK, relay, now);
        let end = now.after_ms(NO_WAY_MS);
        assert!(paces.has_no_way(LINK, relay, now) && paces.has_no_way(LINK, relay, Mono(end.0 - 1)));
        assert!(!paces.has_no_way(LINK, relay, end));
        assert!(!paces.has_no_way(other, relay, now) && !paces.has_no_way(LINK, RelayId([2; 16]), now));
    }
}
