//! Sessions over carriers that freeze, break, reorder nothing and keep to no chunk: streams arrive whole, once, in order, within bounds.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use karvon_protocol::core::Mono;
use karvon_protocol::error::PeerFault;
use karvon_protocol::veil::frame::{self, Frame, Kind};
use karvon_protocol::veil::session::{End, RECORD_BYTES, Role, Session, Verdict, WINDOW_BYTES};
use karvon_protocol::veil::tokens::{Opening, Tokens};
use proptest::prelude::*;
use std::collections::VecDeque;
use zeroize::Zeroizing;

/// What a carrier does to those on it.
#[derive(Debug, Clone)]
struct Fate {
    /// One way, milliseconds.
    delay_ms: u64,
    /// Bytes to the dialler after which nothing passes any more, in either direction.
    freeze_after: Option<usize>,
    /// Bytes to the listener after which the carrier breaks for both.
    break_after: Option<usize>,
    /// Bytes are handed over in pieces of this size.
    chunk: usize,
    /// What the listener may send.
    allowance: u32,
}

/// Bytes on their way, with the time of their arrival.
#[derive(Default)]
struct Pipe {
    flying: VecDeque<(Mono, Vec<u8>)>,
    entered: usize,
}

struct World {
    now: Mono,
    dialler: Session,
    listener: Option<Session>,
    tokens: Tokens,
    carrier: Option<(Fate, Pipe, Pipe)>,
    /// Bytes that the listener put on the present carrier, with what TLS adds.
    spent: u32,
    dials: usize,
    /// Since when the dialler has had bytes unanswered on a carrier that froze.
    worst_freeze_ms: u64,
    frozen_since: Option<Mono>,
}

impl World {
    fn new() -> Self {
        Self {
            now: Mono(1_000_000),
            dialler: Session::new(Role::Dialler, Zeroizing::new([9; 32])),
            listener: None,
            tokens: Tokens::default(),
            carrier: None,
            spent: 0,
            dials: 0,
            worst_freeze_ms: 0,
            frozen_since: None,
        }
    }

    fn dial(&mut self, fate: Fate) {
        self.dials += 1;
        self.spent = 0;
        self.frozen_since = None;
        self.dialler.attach(Some(fate.allowance), self.now);
        if let Some(listener) = &mut self.listener {
            listener.detach();
        }
        self.carrier = Some((fate, Pipe::default(), Pipe::default()));
    }

    fn cut(&mut self) {
        self.carrier = None;
        self.dialler.detach();
        if let Some(listener) = &mut self.listener {
            listener.detach();
        }
    }

    /// The first frame of a carrier, as a listener's shell reads it.
    fn open(&mut self, first: &[u8]) -> Option<()> {
        if self.listener.as_ref().is_some_and(|listener| listener.ended().is_some()) {
            // It had everything and was forgotten; its last word got lost with a carrier.
            let gone =
                Frame { kind: Kind::Gone, flags: 0, offset: 0, ack: 0, window: 0, payload: Vec::new() };
            let (fate, _, down) = self.carrier.as_mut()?;
            down.flying.push_back((self.now.after_ms(fate.delay_ms), gone.encode()));
            return Some(());
        }
        let size = Frame::size(*first.first()?).unwrap();
        let opening = Frame::decode(&first[..size]).unwrap();
        let (what, allowance) = Opening::decode(opening.kind == Kind::New, &opening.payload).unwrap();
        match what {
            Opening::New(secret) if self.tokens.begun(&secret).is_some() => {}
            Opening::New(secret) => {
                self.tokens.insert(1, secret.clone());
                self.listener = Some(Session::new(Role::Listener, secret));
            }
            Opening::Resume(token) => assert_eq!(self.tokens.redeem(&token), Some(1)),
        }
        let listener = self.listener.as_mut()?;
        listener.accept(&opening, Some(allowance), self.now).unwrap();
        listener.received(&first[size..], self.now).unwrap();
        Some(())
    }

    /// One step of time; returns whether anything moved.
    fn step(&mut self) {
        let Some((fate, up, down)) = &mut self.carrier else { return };
        let delay = fate.delay_ms;
        let frozen = fate.freeze_after.is_some_and(|bound| down.entered > bound);
        while let Some(bytes) = self.dialler.transmit(self.now) {
            assert!(frame::SIZES.contains(&bytes.len()), "a frame of {} bytes", bytes.len());
            up.entered += bytes.len();
            if !frozen {
                up.flying.push_back((self.now.after_ms(delay), bytes));
            }
        }
        if let Some(listener) = &mut self.listener {
            while let Some(bytes) = listener.transmit(self.now) {
                assert!(frame::SIZES.contains(&bytes.len()));
                self.spent += bytes.len() as u32 + RECORD_BYTES;
                assert!(self.spent <= fate.allowance, "{} of {} allowed", self.spent, fate.allowance);
                down.entered += bytes.len();
                if fate.freeze_after.is_none_or(|bound| down.entered <= bound) {
                    down.flying.push_back((self.now.after_ms(delay), bytes));
                }
            }
        }
        if frozen && self.frozen_since.is_none() {
            self.frozen_since = Some(self.now);
        }
        let mut arrived = Vec::new();
        while up.flying.front().is_some_and(|(at, _)| *at <= self.now) {
            arrived.extend(up.flying.pop_front().unwrap().1);
        }
        let mut back = Vec::new();
        while down.flying.front().is_some_and(|(at, _)| *at <= self.now) {
            back.extend(down.flying.pop_front().unwrap().1);
        }
        let (chunk, broken) = (fate.chunk, fate.break_after.is_some_and(|bound| up.entered > bound));
        if !arrived.is_empty() {
            if self.listener.as_ref().is_none_or(|listener| !listener.has_carrier()) {
                self.open(&arrived);
            } else if let Some(listener) = &mut self.listener {
                for piece in arrived.chunks(chunk) {
                    listener.received(piece, self.now).unwrap();
                }
            }
        }
        for piece in back.chunks(chunk) {
            self.dialler.received(piece, self.now).unwrap();
        }
        if broken {
            self.cut();
        }
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    (
        1_u64..900,
        proptest::option::of(200_usize..30_000),
        proptest::option::of(200_usize..60_000),
        1_usize..5_000,
        prop_oneof![4_000_u32..16_000, 60_000_u32..200_000],
    )
        .prop_map(|(delay_ms, freeze_after, break_after, chunk, allowance)| Fate {
            delay_ms,
            freeze_after,
            break_after,
            chunk,
            allowance,
        })
}

fn stream(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| (at as u64).wrapping_mul(2_654_435_761).to_be_bytes()[5] ^ seed).collect()
}

/// Moves both streams to their ends, with carriers of these fates in a circle, and says what arrived.
fn run(up: &[u8], down: &[u8], fates: &[Fate], closes: bool) -> (World, Vec<u8>, Vec<u8>) {
    let mut world = World::new();
    let (mut up_left, mut down_left) = (up, down);
    let (mut at_listener, mut at_dialler) = (Vec::new(), Vec::new());
    let mut next_dial = world.now;
    let mut buffer = [0; 3_000];
    for _ in 0..400_000 {
        let taken = world.dialler.write(up_left);
        up_left = &up_left[taken..];
        if closes && up_left.is_empty() {
            world.dialler.close();
        }
        if let Some(listener) = &mut world.listener {
            let taken = listener.write(down_left);
            down_left = &down_left[taken..];
            if closes && down_left.is_empty() {
                listener.close();
            }
            while let Some(count) = listener.read(&mut buffer) {
                at_listener.extend_from_slice(&buffer[..count]);
                if count == 0 {
                    break;
                }
            }
        }
        while let Some(count) = world.dialler.read(&mut buffer) {
            at_dialler.extend_from_slice(&buffer[..count]);
            if count == 0 {
                break;
            }
        }
        let arrived = at_listener.len() == up.len() && at_dialler.len() == down.len();
        let over = world.dialler.ended().is_some();
        if (!closes && arrived) || over {
            break;
        }
        match world.dialler.verdict(world.now) {
            Verdict::Fine => {}
            Verdict::Frozen => {
                if let Some(since) = world.frozen_since {
                    world.worst_freeze_ms = world.worst_freeze_ms.max((world.now.0 - since.0) / 1_000);
                }
                world.cut();
            }
            Verdict::Spent if world.now >= next_dial => world.cut(),
            Verdict::Spent => {}
        }
        if world.carrier.is_none() && world.now >= next_dial {
            // Carriers that never carry anything at all would end no test.
            let mut fate = fates[world.dials % fates.len()].clone();
            if world.dials % 5 == 4 {
                (fate.freeze_after, fate.break_after) = (None, None);
            }
            next_dial = world.now.after_ms(1_000);
            world.dial(fate);
        }
        world.step();
        world.now = world.now.after_ms(20);
    }
    (world, at_listener, at_dialler)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn both_streams_arrive_whole_over_any_carriers(
        up in 0_usize..120_000,
        down in 0_usize..120_000,
        fates in proptest::collection::vec(fate(), 1..6),
        closes in any::<bool>(),
    ) {
        let (up, down) = (stream(up, 1), stream(down, 2));
        let (world, at_listener, at_dialler) = run(&up, &down, &fates, closes);
        prop_assert_eq!(at_listener.len(), up.len());
        prop_assert_eq!(at_dialler.len(), down.len());
        prop_assert!(at_listener == up && at_dialler == down);
        prop_assert!(world.worst_freeze_ms < 10_000, "noticed after {} ms", world.worst_freeze_ms);
        if closes {
            // Whoever is told that the session is gone before the last acknowledgement came can not know that all arrived; it did.
            prop_assert!(world.dialler.ended().is_some());
        }
    }

    #[test]
    fn no_bytes_from_outside_break_a_session(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..20),
        class in 0_u8..4,
        kind in 0_u8..5,
        offset in any::<u64>(),
        ack in any::<u64>(),
    ) {
        let mut session = Session::new(Role::Dialler, Zeroizing::new([1; 32]));
        session.attach(None, Mono(0));
        prop_assert_eq!(session.write(b"hello"), 5);
        for piece in &pieces {
            if session.received(piece, Mono(1)).is_err() {
                break;
            }
        }
        session.detach();
        session.attach(None, Mono(2));
        let payload = pieces.concat();
        let payload = payload.get(..usize::from(class) * 20).unwrap_or_default().to_vec();
        let kind = [Kind::Data, Kind::New, Kind::Resume, Kind::Gone, Kind::Reset][usize::from(kind)];
        let frame = Frame { kind, flags: 0, offset, ack, window: 1 << 30, payload };
        let known = session.is_readable();
        let result = session.received(&frame.encode(), Mono(3));
        if offset > 0 && kind == Kind::Data {
            prop_assert!(result.is_err());
            prop_assert_eq!(session.is_readable(), known, "a refused frame changes nothing");
        }
    }
}

/// A dialler and a listener on one carrier without faults.
fn joined(allowance: u32) -> World {
    let mut world = World::new();
    world.dial(Fate { delay_ms: 20, freeze_after: None, break_after: None, chunk: 9_999, allowance });
    for _ in 0..20 {
        world.step();
        world.now = world.now.after_ms(20);
    }
    assert!(world.dialler.is_greeted());
    world
}

#[test]
fn a_listener_stops_at_its_allowance_and_says_so() {
    let mut world = joined(10_240);
    assert_eq!(world.listener.as_mut().unwrap().write(&[5; 60_000]), 60_000);
    for _ in 0..50 {
        world.step();
        world.now = world.now.after_ms(20);
    }
    assert!(world.spent <= 10_240 && world.spent > 8_000, "{}", world.spent);
    assert_eq!(world.dialler.verdict(world.now), Verdict::Spent);
    let mut got = vec![0; 60_000];
    let count = world.dialler.read(&mut got).unwrap();
    assert!(count > 7_000, "{count} bytes of the allowance were of use");
}

#[test]
fn an_idle_carrier_is_not_called_frozen_and_sends_nothing() {
    let mut world = joined(10_240);
    for _ in 0..3_000 {
        world.step();
        world.now = world.now.after_ms(200);
        assert_eq!(world.dialler.verdict(world.now), Verdict::Fine);
    }
    assert!(world.spent < 3 * (64 + RECORD_BYTES));
}

#[test]
fn a_reader_that_does_not_read_holds_the_writer_back() {
    let mut world = joined(10_000_000);
    let mut written = 0;
    // Longer than any patience.
    for _ in 0..800 {
        written += world.listener.as_mut().unwrap().write(&[1; 10_000]);
        world.step();
        world.now = world.now.after_ms(20);
        assert_eq!(world.dialler.verdict(world.now), Verdict::Fine, "a full reader is not a frozen carrier");
    }
    assert!(written <= 2 * WINDOW_BYTES, "{written}: one window with the reader, one with the writer");
    let (dialler, listener) = (&world.dialler, world.listener.as_ref().unwrap());
    assert!(dialler.is_readable() && !listener.is_writable() && dialler.is_writable());
}

#[test]
fn a_session_is_readable_while_something_is_there_or_nothing_more_will_come() {
    let mut world = joined(10_240);
    assert!(!world.dialler.is_readable(), "nothing was sent yet");
    assert_eq!(world.dialler.read(&mut [0; 9]), Some(0));
    let listener = world.listener.as_mut().unwrap();
    listener.write(b"salom");
    assert!(!listener.is_closed());
    listener.close();
    assert!(listener.is_closed() && listener.write(b"more") == 0);
    for _ in 0..10 {
        world.step();
        world.now = world.now.after_ms(20);
    }
    assert!(world.dialler.is_readable());
    assert_eq!(world.dialler.read(&mut [0; 9]), Some(5));
    assert!(world.dialler.is_readable(), "its end is to be told");
    assert_eq!(world.dialler.read(&mut [0; 9]), None);
    assert!(!world.listener.as_ref().unwrap().is_readable(), "the other direction is still open and empty");
}

#[test]
fn a_carrier_is_starved_only_if_it_is_spent_while_more_waits() {
    // What an acknowledgement takes, what is kept back, and one frame of 256 bytes: exactly, and one byte less.
    let least = 64 + RECORD_BYTES + 5 * (64 + RECORD_BYTES) + 256 + RECORD_BYTES;
    for (allowance, bytes, arrives, starved) in
        [(least, 230, true, false), (least, 231, false, true), (least - 1, 230, false, true)]
    {
        let mut world = joined(allowance);
        let spent = allowance < least;
        assert_eq!(world.dialler.verdict(world.now) == Verdict::Spent, spent, "before anything was sent");
        assert!(!world.dialler.is_starved(), "nothing waits");
        world.listener.as_mut().unwrap().write(&vec![7; bytes]);
        for _ in 0..20 {
            world.step();
            world.now = world.now.after_ms(20);
        }
        assert_eq!(world.dialler.verdict(world.now), Verdict::Spent);
        assert_eq!(world.dialler.read(&mut [0; 300]) == Some(bytes), arrives, "{bytes} of {allowance}");
        assert_eq!(world.dialler.is_starved(), starved, "{bytes} of {allowance}");
    }
}

#[test]
fn a_session_that_the_listener_forgot_is_gone() {
    let mut world = joined(10_240);
    world.dialler.detach();
    world.dialler.attach(None, world.now);
    let gone = Frame { kind: Kind::Gone, flags: 0, offset: 0, ack: 0, window: 0, payload: Vec::new() };
    world.dialler.received(&gone.encode(), world.now).unwrap();
    assert_eq!(world.dialler.ended(), Some(End::Gone));
    assert_eq!(world.dialler.read(&mut [0; 9]), None);
    let mut listener = world.listener.unwrap();
    assert_eq!(listener.received(&gone.encode(), world.now), Err(PeerFault::Malformed));
}

#[test]
fn a_dropped_session_tells_the_other_side() {
    let mut world = joined(10_240);
    world.dialler.drop_session();
    assert_eq!(world.dialler.ended(), None, "the last word has not left yet");
    for _ in 0..5 {
        world.step();
        world.now = world.now.after_ms(20);
    }
    assert_eq!(world.dialler.ended(), Some(End::Dropped));
    assert_eq!(world.listener.unwrap().ended(), Some(End::Gone));
}

#[test]
fn a_carrier_that_falls_silent_after_a_part_was_acknowledged_is_frozen() {
    let mut world = joined(10_000_000);
    let listener = world.listener.as_mut().unwrap();
    world.dialler.write(&[7; 9_000]);
    let mut frames = Vec::new();
    while let Some(frame) = world.dialler.transmit(world.now) {
        frames.push(frame);
    }
    assert!(frames.len() > 2);
    // Only the first one arrives, and its acknowledgement is the last that comes.
    listener.received(&frames[0], world.now).unwrap();
    world.now = world.now.after_ms(50);
    let answer = listener.transmit(world.now).unwrap();
    world.dialler.received(&answer, world.now).unwrap();
    assert!(!world.dialler.is_flushed());
    assert_eq!(world.dialler.verdict(world.now), Verdict::Fine);
    let at = world.dialler.next_timeout().unwrap();
    assert!((world.now.after_ms(3_000)..world.now.after_ms(9_001)).contains(&at), "{at:?}");
    assert_eq!(world.dialler.verdict(at), Verdict::Frozen);
}

#[test]
fn a_silent_carrier_is_asked_every_eight_minutes_or_nine_and_a_forgotten_one_is_noticed() {
    let mut world = World::new();
    let fate = Fate { delay_ms: 50, freeze_after: None, break_after: None, chunk: 4_096, allowance: 10_000 };
    world.dial(fate);
    let (mut asked, mut at, mut last) = (0, Vec::new(), 0);
    // Two hours in steps of 10 ms.
    for _ in 0..720_000 {
        world.now = world.now.after_ms(10);
        let before = world.carrier.as_ref().map_or(0, |(_, up, _)| up.entered);
        world.step();
        let after = world.carrier.as_ref().map_or(0, |(_, up, _)| up.entered);
        if after > before && last > 0 {
            assert_eq!(after - before, 64, "in the smallest frame");
            at.push((world.now.0 - last) / 1_000_000);
            asked += 1;
        }
        last = if after > before || last == 0 { world.now.0 } else { last };
        assert_eq!(world.dialler.verdict(world.now), Verdict::Fine);
    }
    assert!((13..=15).contains(&asked), "{at:?}");
    assert!(at.iter().all(|pause| (479..=541).contains(pause)) && at.windows(2).any(|two| two[0] != two[1]));
    // Whoever kept the way open forgets it.
    if let Some((fate, ..)) = &mut world.carrier {
        fate.freeze_after = Some(0);
    }
    let since = world.now;
    while world.dialler.verdict(world.now) == Verdict::Fine {
        world.now = world.now.after_ms(100);
        world.step();
        assert!(world.now.0 - since.0 < 560_000_000, "a dead carrier is noticed with the next question");
    }
    assert_eq!(world.dialler.verdict(world.now), Verdict::Frozen);
}
