//! What the network's ordinary dials of doors have met, kept so that a check can tell it: no dial is made for the sake of looking.

mod stream;

use super::veil::locked;
use karvon_protocol::core::Mono;
use karvon_protocol::ids::RelayId;
use karvon_protocol::netcheck::Outcome;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

pub(super) use stream::Watched;

/// Doors that are remembered; more than a person has.
const DOORS_MAX: usize = 64;
/// Freezes and silences count for this long, milliseconds: as long as dials are saved after one.
const RECENT_MS: u64 = 600_000;
/// A silence that is over is worth a word for this long, milliseconds.
const SILENCE_MS: u64 = 300_000;
/// A door that was open this long ago, and is silent now, was cut off under way, milliseconds.
const WAS_OPEN_MS: u64 = 300_000;
/// Freezes that are remembered of a door.
const FREEZES_MAX: usize = 8;
/// A link that died in silence after so many bytes from the relay is taken for a frozen one: reports name 15 to 20 KB.
const FREEZE_BYTES: std::ops::RangeInclusive<u64> = 8_000..=24_000;
/// A connection that opens so soon after another one froze shows that the line is not dead, milliseconds.
const THAW_MS: u64 = 30_000;
/// A dial that waits for so long at one place is taken to wait in vain, milliseconds.
const PATIENCE_MS: u64 = 3_000;
/// Bytes of opening and closing a TCP connection, both directions, and of the headers around one read or write.
const CONNECTION_BYTES: u64 = 420;
const HEADER_BYTES: u64 = 78;
/// Bytes of a heartbeat and its answer.
const ECHO_BYTES: u64 = 2 * (64 + 60 + HEADER_BYTES);

/// How far a dial is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits for its turn.
    Waits,
    /// The proxy is being reached.
    Proxy,
    /// The door is being reached.
    Connects,
    /// The connection is open; something was or is being said.
    Hello,
    /// The other side has said something.
    Answered,
    /// A link is up; the relay has not greeted.
    Linked,
}

#[derive(Debug, Clone)]
struct Attempt {
    stage: Stage,
    since: Mono,
    began: Mono,
    /// What is known for certain of how it went.
    known: Option<Outcome>,
}

impl Attempt {
    const fn new(now: Mono) -> Self {
        Self { stage: Stage::Waits, since: now, began: now, known: None }
    }

    /// What it came to, if it comes to nothing more.
    fn outcome(&self) -> Outcome {
        self.known.unwrap_or(match self.stage {
            Stage::Waits => Outcome::Waiting,
            Stage::Proxy => Outcome::ProxyGone,
            Stage::Connects => Outcome::ConnectSilent,
            Stage::Hello => Outcome::HelloSilent,
            Stage::Answered | Stage::Linked => Outcome::Stalled,
        })
    }
}

#[derive(Debug, Default)]
struct Entry {
    /// Under way, or the last one and when it ended.
    attempt: Option<Attempt>,
    ended: Option<(Mono, Outcome)>,
    /// When the link came up.
    linked: Option<Mono>,
    /// The relay's last sign of life inside a link.
    heard: Option<Mono>,
    asked: Option<Mono>,
    echo_ms: Option<u32>,
    open_ms: Option<u32>,
    /// When a dial or an answer was missed although the door had been open shortly before.
    fell_silent: Option<Mono>,
    /// A connection fell silent; if the next one opens soon after, it was not the line.
    frozen: Option<Mono>,
    freezes: VecDeque<Mono>,
    clock_s: Option<i64>,
    /// Bytes received over the last connection.
    received: u64,
}

/// What is known of one door at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// `None` while it is not decided.
    pub(super) settled: Option<Outcome>,
    /// What it is if it has to be said now.
    pub(super) now: Option<Outcome>,
    pub(super) open_ms: Option<u32>,
    pub(super) echo_ms: Option<u32>,
    pub(super) freezes: u32,
    pub(super) was_open: bool,
    pub(super) clock_s: Option<i64>,
}

#[derive(Debug, Default)]
struct Inner {
    doors: BTreeMap<RelayId, Entry>,
    /// Where doors were dialled last.
    ways: BTreeMap<SocketAddr, RelayId>,
    /// Bytes of dials and heartbeats since the start, both ways, with an estimate of what headers take.
    bytes: u64,
}

/// See the module. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch(Arc<Mutex<Inner>>);

impl Watch {
    fn with<T>(&self, relay: RelayId, work: impl FnOnce(&mut Entry) -> T) -> T {
        let mut inner = locked(&self.0);
        if inner.doors.len() >= DOORS_MAX && !inner.doors.contains_key(&relay) {
            inner.doors.pop_first();
        }
        work(inner.doors.entry(relay).or_default())
    }

    /// The core wants a link to this door.
    pub(super) fn asked(&self, relay: RelayId, addr: SocketAddr, now: Mono) {
        {
            let mut inner = locked(&self.0);
            if inner.ways.len() >= DOORS_MAX {
                inner.ways.pop_first();
            }
            inner.ways.insert(addr, relay);
        }
        self.with(relay, |door| door.attempt = Some(Attempt::new(now)));
    }

    /// Bytes of dials and heartbeats since the start, both ways, with an estimate of what headers take.
    pub(super) fn bytes(&self) -> u64 {
        locked(&self.0).bytes
    }

    fn spend(&self, bytes: u64) {
        locked(&self.0).bytes += bytes;
    }

    /// Which door is dialled at this address.
    pub(super) fn at(&self, addr: &SocketAddr) -> Option<RelayId> {
        locked(&self.0).ways.get(addr).copied()
    }

    /// A dial has come this far.
    pub(super) fn reached(&self, relay: RelayId, stage: Stage, now: Mono) {
        let anew = self.with(relay, |door| {
            let attempt = door.attempt.get_or_insert_with(|| Attempt::new(now));
            let anew = matches!(stage, Stage::Proxy | Stage::Connects) && stage != attempt.stage;
            if anew {
                // A new connection: what was known of the one before does not hold for it.
                (attempt.known, door.received) = (None, 0);
            }
            if attempt.stage != stage {
                (attempt.stage, attempt.since) = (stage, now);
            }
            anew
        });
        self.spend(if anew { CONNECTION_BYTES } else { 0 });
    }

    /// How the dial under way ends is known.
    pub(super) fn known(&self, relay: RelayId, outcome: Outcome) {
        self.with(relay, |door| {
            if let Some(attempt) = &mut door.attempt {
                attempt.known.get_or_insert(outcome);
            }
        });
    }

    /// A dial has failed; `surely` if the other side or the system said so at once.
    pub(super) fn failed(&self, relay: RelayId, surely: Option<Outcome>, now: Mono) {
        self.with(relay, |door| {
            let Some(attempt) = door.attempt.take() else { return };
            let outcome = surely.unwrap_or_else(|| attempt.outcome());
            door.missed(outcome, now);
            door.ended = Some((now, outcome));
        });
    }

    /// A carrier under a link is there: the door was reached, whatever the relay says now.
    pub(super) fn carried(&self, relay: RelayId, now: Mono) {
        self.with(relay, |door| {
            door.thaw(now);
            if door.linked.is_some() {
                door.attempt = None;
            }
        });
    }

    /// The site's clock was read.
    pub(super) fn clock(&self, relay: RelayId, ahead_s: i64) {
        self.with(relay, |door| door.clock_s = Some(ahead_s));
    }

    /// A connection fell silent while bytes were under way.
    pub(super) fn froze(&self, relay: RelayId, now: Mono) {
        self.with(relay, |door| door.frozen = Some(now));
    }

    /// A link is up.
    pub(super) fn up(&self, relay: RelayId, now: Mono) {
        self.with(relay, |door| {
            door.thaw(now);
            (door.linked, door.ended) = (Some(now), None);
            if let Some(attempt) = &mut door.attempt {
                (attempt.stage, attempt.since) = (Stage::Linked, now);
            }
        });
    }

    /// The relay was asked for a sign of life.
    pub(super) fn probed(&self, relay: RelayId, now: Mono) {
        self.with(relay, |door| door.asked = Some(now));
        self.spend(ECHO_BYTES);
    }

    /// The relay greeted, or answered a heartbeat.
    pub(super) fn heard(&self, relay: RelayId, now: Mono) {
        self.with(relay, |door| {
            let since = |from: Mono| u32::try_from(now.0.saturating_sub(from.0) / 1_000).unwrap_or(u32::MAX);
            match door.attempt.take() {
                Some(attempt) => door.open_ms = Some(since(attempt.began)),
                None => door.echo_ms = door.asked.map(since).or(door.echo_ms),
            }
            (door.heard, door.ended, door.asked) = (Some(now), None, None);
        });
    }

    /// A link is down; `silent` if nobody said so.
    pub(super) fn down(&self, relay: RelayId, silent: bool, said: Option<Outcome>, now: Mono) {
        self.with(relay, |door| {
            let greeted = door.heard >= door.linked;
            door.linked = None;
            if silent && greeted && FREEZE_BYTES.contains(&door.received) {
                door.frozen = Some(now);
            }
            let attempt = door.attempt.take();
            let outcome = said.unwrap_or_else(|| match (silent, attempt) {
                // Whoever answers here has proved to be the relay; it ends a link without a word if the slot is none of its own.
                (false, attempt) if !greeted => {
                    attempt.and_then(|attempt| attempt.known).unwrap_or(Outcome::SlotEnded)
                }
                (false, _) => Outcome::Broke,
                (true, Some(attempt)) => attempt.outcome(),
                (true, None) => Outcome::Quiet,
            });
            door.missed(outcome, now);
            door.ended = Some((now, outcome));
        });
    }

    /// Bytes went over a connection to the door.
    fn count(&self, relay: RelayId, bytes: usize, received: bool) {
        let bytes = bytes as u64;
        let dialling = self.with(relay, |door| {
            door.received += if received { bytes } else { 0 };
            door.attempt.is_some()
        });
        self.spend(if dialling { bytes + HEADER_BYTES * bytes.div_ceil(1_448) } else { 0 });
    }

    /// What is known of a door now, in a check that began at `from`.
    pub(super) fn seen(&self, relay: RelayId, from: Mono, now: Mono) -> Seen {
        self.with(relay, |door| {
            while door.freezes.front().is_some_and(|at| now >= at.after_ms(RECENT_MS)) {
                door.freezes.pop_front();
            }
            let heard = door.linked.is_some() && door.heard.is_some_and(|at| at >= from);
            let settled = if heard {
                Some(Outcome::Open)
            } else if door.attempt.is_some() || door.linked.is_some() {
                None
            } else {
                door.ended.map(|(_, outcome)| outcome)
            };
            let at_once = settled.unwrap_or_else(|| match &door.attempt {
                // A dial that has only begun says less than the one before it.
                Some(attempt) if attempt.stage == Stage::Waits || !attempt.is_telling(now) => {
                    door.ended.map_or(attempt.outcome(), |(_, outcome)| outcome)
                }
                Some(attempt) => attempt.outcome(),
                None => Outcome::Quiet,
            });
            let vain = at_once != Outcome::Open && door.was_open_before(now);
            let fell = door.fell_silent.is_some_and(|at| now < at.after_ms(SILENCE_MS));
            Seen {
                settled,
                now: Some(at_once),
                open_ms: door.open_ms.filter(|_| heard),
                echo_ms: door.echo_ms.filter(|_| heard),
                freezes: u32::try_from(door.freezes.len()).unwrap_or(u32::MAX),
                was_open: vain || fell,
                clock_s: door.clock_s,
            }
        })
    }
}

impl Attempt {
    fn is_telling(&self, now: Mono) -> bool {
        self.known.is_some() || now >= self.since.after_ms(PATIENCE_MS)
    }
}

impl Entry {
    fn was_open_before(&self, now: Mono) -> bool {
        self.heard.is_some_and(|at| now < at.after_ms(WAS_OPEN_MS))
    }

    fn missed(&mut self, outcome: Outcome, now: Mono) {
        let silent = matches!(outcome, Outcome::ConnectSilent | Outcome::HelloSilent);
        if silent && self.was_open_before(now) {
            self.fell_silent = Some(now);
        }
    }

    /// A connection is open: if another one had just fallen silent, that one was frozen.
    fn thaw(&mut self, now: Mono) {
        if self.frozen.take().is_none_or(|at| now > at.after_ms(THAW_MS)) {
            return;
        }
        self.freezes.push_back(now);
        if self.freezes.len() > FREEZES_MAX {
            self.freezes.pop_front();
        }
    }
}

/// What an error of connecting tells.
pub(super) fn connect_error(error: &io::Error) -> Outcome {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Outcome::ConnectRefused,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable | io::ErrorKind::NetworkDown => {
            Outcome::NoRoute
        }
        _ => Outcome::ConnectSilent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOOR: RelayId = RelayId([7; 16]);

    fn at(s: u64) -> Mono {
        Mono(s * 1_000_000)
    }

    /// A watch whose door was asked for at 1 s.
    fn asked() -> Watch {
        let watch = Watch::default();
        watch.asked(DOOR, ([198, 51, 100, 1], 443).into(), at(1));
        watch
    }

    /// The same with a link whose relay greeted at 2 s.
    fn linked() -> Watch {
        let watch = asked();
        for stage in [Stage::Connects, Stage::Hello, Stage::Answered] {
            watch.reached(DOOR, stage, at(1));
        }
        watch.up(DOOR, at(2));
        watch.heard(DOOR, at(2));
        watch
    }

    #[test]
    fn a_dial_is_judged_by_how_far_it_came() {
        for (stage, outcome) in [
            (Stage::Proxy, Outcome::ProxyGone),
            (Stage::Connects, Outcome::ConnectSilent),
            (Stage::Hello, Outcome::HelloSilent),
            (Stage::Answered, Outcome::Stalled),
        ] {
            let watch = asked();
            watch.reached(DOOR, stage, at(1));
            let seen = watch.seen(DOOR, at(0), at(9));
            assert_eq!((seen.settled, seen.now), (None, Some(outcome)), "under way");
            watch.failed(DOOR, None, at(9));
            watch.failed(DOOR, None, at(9));
            assert_eq!(watch.seen(DOOR, at(0), at(9)).settled, Some(outcome));
        }
        assert_eq!(asked().seen(DOOR, at(0), at(9)).now, Some(Outcome::Waiting));
        let watch = asked();
        watch.known(DOOR, Outcome::Foreign);
        watch.known(DOOR, Outcome::HelloReset);
        watch.failed(DOOR, None, at(2));
        assert_eq!(watch.seen(DOOR, at(0), at(9)).settled, Some(Outcome::Foreign), "what was known first");
    }

    #[test]
    fn a_dial_that_has_only_begun_says_less_than_the_one_before() {
        let watch = asked();
        watch.failed(DOOR, Some(Outcome::ConnectRefused), at(2));
        watch.asked(DOOR, ([198, 51, 100, 1], 443).into(), at(5));
        assert_eq!(
            watch.seen(DOOR, at(4), at(9)).now,
            Some(Outcome::ConnectRefused),
            "it waits for its turn"
        );
        watch.reached(DOOR, Stage::Connects, at(8));
        assert_eq!(watch.seen(DOOR, at(4), at(9)).now, Some(Outcome::ConnectRefused));
        assert_eq!(watch.seen(DOOR, at(4), at(12)).now, Some(Outcome::ConnectSilent));
    }

    #[test]
    fn an_open_door_answers_in_this_check_and_not_in_an_earlier_one() {
        let watch = linked();
        assert_eq!(watch.seen(DOOR, at(1), at(3)).settled, Some(Outcome::Open));
        let seen = watch.seen(DOOR, at(3), at(12));
        assert_eq!((seen.settled, seen.now, seen.was_open), (None, Some(Outcome::Quiet), true));
        watch.probed(DOOR, at(12));
        watch.heard(DOOR, Mono(12_080_000));
        let seen = watch.seen(DOOR, at(12), at(13));
        assert_eq!((seen.settled, seen.echo_ms), (Some(Outcome::Open), Some(80)));
    }

    #[test]
    fn a_link_that_ends_before_the_relay_greets_was_not_wanted() {
        let watch = asked();
        watch.up(DOOR, at(2));
        watch.down(DOOR, false, None, at(3));
        assert_eq!(watch.seen(DOOR, at(1), at(4)).settled, Some(Outcome::SlotEnded));
        let watch = asked();
        watch.up(DOOR, at(2));
        watch.known(DOOR, Outcome::Broke);
        watch.down(DOOR, false, None, at(3));
        assert_eq!(watch.seen(DOOR, at(1), at(4)).settled, Some(Outcome::Broke), "a reset is nobody's word");
        let watch = linked();
        watch.down(DOOR, false, None, at(3));
        assert_eq!(watch.seen(DOOR, at(1), at(4)).settled, Some(Outcome::Broke));
    }

    #[test]
    fn a_silence_is_a_freeze_only_if_the_next_connection_opens_soon() {
        let watch = linked();
        watch.froze(DOOR, at(10));
        assert_eq!(watch.seen(DOOR, at(1), at(11)).freezes, 0, "it may be the line");
        watch.carried(DOOR, at(15));
        assert_eq!(watch.seen(DOOR, at(1), at(16)).freezes, 1);
        watch.froze(DOOR, at(20));
        watch.carried(DOOR, at(80));
        assert_eq!(watch.seen(DOOR, at(1), at(81)).freezes, 1, "the line was dead for a minute");
        assert_eq!(watch.seen(DOOR, at(1), at(700)).freezes, 0, "forgotten");
    }

    #[test]
    fn a_plain_link_that_dies_in_silence_after_the_known_bytes_counts_as_frozen() {
        for (bytes, freezes) in [(15_000, 1), (2_000, 0), (90_000, 0)] {
            let watch = linked();
            watch.count(DOOR, bytes, true);
            watch.down(DOOR, true, None, at(30));
            watch.asked(DOOR, ([198, 51, 100, 1], 443).into(), at(31));
            watch.up(DOOR, at(32));
            assert_eq!(watch.seen(DOOR, at(1), at(33)).freezes, freezes, "{bytes}");
        }
    }

    #[test]
    fn strangers_to_the_watch_do_not_fill_it() {
        let watch = Watch::default();
        for number in 0..=255 {
            watch.asked(RelayId([number; 16]), ([198, 51, 100, number], 443).into(), at(1));
        }
        let inner = locked(&watch.0);
        assert!(inner.doors.len() <= DOORS_MAX && inner.ways.len() <= DOORS_MAX);
    }
}
