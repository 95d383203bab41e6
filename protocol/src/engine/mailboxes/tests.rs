//! Own mailboxes at relays that refuse, never end, or repeat themselves.

use super::*;
use crate::core::Now;
use crate::effects::Effects;
use crate::engine::api::{Event, Reply as EngineReply};
use crate::engine::pace::Paces;
use crate::engine::spend::Spending;
use crate::rpc::Refusal;
use crate::timers::Timers;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Three attached mailboxes, numbers 1 to 3, and what an engine has besides.
struct Bench {
    mailboxes: Mailboxes,
    fx: Effects<EngineReply, Event>,
    now: Now,
    rng: ChaCha20Rng,
    timers: Timers<Alarm>,
    paces: Paces,
    spending: Spending,
    signals: VecDeque<Signal>,
    next_load: u64,
    faults: u64,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self {
            mailboxes: Mailboxes::default(),
            fx: Effects::default(),
            now: Now { mono: Mono(1), wall_ms: 1 },
            rng: ChaCha20Rng::seed_from_u64(1),
            timers: Timers::default(),
            paces: Paces::default(),
            spending: Spending::default(),
            signals: VecDeque::new(),
            next_load: 0,
            faults: 0,
        };
        for number in 1..=3 {
            bench.with(|mailboxes, cx| {
                mailboxes.add(RelayId([number; 16]), Role::Current, cx);
                mailboxes.attach(number.into(), cx);
                let answer = Ok(Reply::Attached { cells: 0, next: 1 });
                assert!(mailboxes.on_attach(number.into(), &answer, cx));
            });
        }
        bench.signals.clear();
        bench
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Mailboxes, &mut Cx<'_>) -> T) -> T {
        let mut cx = Cx {
            fx: &mut self.fx,
            now: self.now,
            rng: &mut self.rng,
            timers: &mut self.timers,
            paces: &mut self.paces,
            spending: &mut self.spending,
            signals: &mut self.signals,
            next_load: &mut self.next_load,
            faults: &mut self.faults,
        };
        act(&mut self.mailboxes, &mut cx)
    }

    /// Lets time pass and alarms ring; returns what is asked for then.
    fn pass(&mut self, ms: u64) -> Vec<Token> {
        self.now.mono = self.now.mono.after_ms(ms);
        let mut rings = false;
        while let Some(alarm) = self.timers.pop(self.now.mono) {
            rings |= alarm == Alarm::Removals;
        }
        if rings {
            self.with(|mailboxes, cx| mailboxes.on_removals(cx));
        }
        self.asked()
    }

    fn asked(&mut self) -> Vec<Token> {
        let asks = self.signals.drain(..);
        asks.filter_map(|signal| match signal {
            Signal::Ask(_, _, _, token) if token != Token::Nobody => Some(token),
            _ => None,
        })
        .collect()
    }

    fn stale(&mut self, number: u32) {
        self.mailboxes.boxes.get_mut(&number).expect("a mailbox").stale = true;
    }
}

const BUSY: Result<Reply, RouteError> = Err(RouteError::Refused(Refusal::Busy));
const PREFIX: TagPrefix = TagPrefix([7; 8]);

#[test]
fn what_a_relay_was_too_busy_for_is_asked_again() {
    let mut bench = Bench::new();
    bench.stale(1);
    bench.with(|mailboxes, cx| mailboxes.fetch_next(cx));
    assert_eq!(bench.asked(), [Token::Fetch(1)]);
    bench.with(|mailboxes, cx| mailboxes.on_fetched(1, &BUSY, cx));
    assert_eq!(bench.asked(), [], "not at once");
    assert_eq!(bench.pass(BUSY_MS), [Token::Fetch(1)]);
    // Nor is a large cell forgotten that only one says it holds.
    bench.with(|mailboxes, cx| {
        mailboxes.on_fetched(1, &Ok(Reply::Fetched { next: 1, more: false }), cx);
        mailboxes.on_notice(2, PREFIX, Class::L, cx);
    });
    let asked = bench.asked();
    let [Token::Pieces(wish)] = asked.as_slice() else { panic!("{asked:?}") };
    let refused = Err(RouteError::Refused(Refusal::NotAttached));
    bench.with(|mailboxes, cx| mailboxes.on_pieces(*wish, &refused, cx));
    assert_eq!(bench.pass(BUSY_MS), [Token::Fetch(2)]);
}

#[test]
fn a_relay_that_is_always_busy_keeps_nobody_from_fetching_elsewhere() {
    let mut bench = Bench::new();
    (1..=3).for_each(|number| bench.stale(number));
    bench.with(|mailboxes, cx| mailboxes.fetch_next(cx));
    let mut fetched = Vec::new();
    for _ in 0..4 {
        let mut asked = bench.asked();
        if asked.is_empty() {
            asked = bench.pass(BUSY_MS);
        }
        for token in asked {
            let Token::Fetch(number) = token else { panic!("{token:?}") };
            fetched.push(number);
            let fine = Ok(Reply::Fetched { next: 1, more: false });
            bench.with(|mailboxes, cx| {
                mailboxes.on_fetched(number, if number == 1 { &BUSY } else { &fine }, cx);
            });
        }
    }
    assert_eq!(fetched, [1, 2, 3, 1]);
}

#[test]
fn a_fetch_that_never_ends_holds_up_no_other_mailbox() {
    let mut bench = Bench::new();
    bench.stale(1);
    bench.with(|mailboxes, cx| mailboxes.fetch_next(cx));
    bench.stale(2);
    let mut others = Vec::new();
    for _ in 0..10 {
        bench.with(|mailboxes, cx| {
            mailboxes.on_fetched(1, &Ok(Reply::Fetched { next: 1, more: true }), cx);
            mailboxes.fetch_next(cx);
        });
        let asked = bench.pass(FETCH_ALONE_MS.1 / 5);
        others.extend(asked.into_iter().filter(|token| *token != Token::Fetch(1)));
    }
    assert_eq!(others, [Token::Fetch(2)]);
}

#[test]
fn a_notice_said_again_by_another_mailbox_neither_hides_the_first_nor_puts_it_off() {
    let mut bench = Bench::new();
    bench.with(|mailboxes, cx| mailboxes.on_notice(3, PREFIX, Class::S, cx));
    let mut fetched = Vec::new();
    for _ in 0..6 {
        bench.with(|mailboxes, cx| mailboxes.on_notice(2, PREFIX, Class::S, cx));
        for token in bench.pass(NOTICE_MS / 2) {
            let Token::Fetch(number) = token else { panic!("{token:?}") };
            fetched.push(number);
            bench.with(|mailboxes, cx| {
                mailboxes.on_fetched(number, &Ok(Reply::Fetched { next: 1, more: false }), cx);
            });
        }
    }
    assert!(fetched.contains(&3), "{fetched:?}");
}

#[test]
fn a_mailbox_that_is_given_up_leaves_no_cell_waiting_for_it() {
    let mut bench = Bench::new();
    // More than it is asked for at a time.
    for number in 0..6 {
        bench.with(|mailboxes, cx| mailboxes.on_notice(1, TagPrefix([number; 8]), Class::L, cx));
    }
    let asked = bench.asked();
    assert!(!asked.is_empty() && asked.len() < 6);
    bench.with(|mailboxes, cx| mailboxes.drop_box(1, cx));
    for token in asked {
        let Token::Pieces(wish) = token else { panic!("{token:?}") };
        bench.with(|mailboxes, cx| mailboxes.on_pieces(wish, &Err(RouteError::Broken), cx));
    }
    bench.with(|mailboxes, cx| mailboxes.on_lost(1, cx));
    assert!(!bench.mailboxes.pulls.waits_for(1));
    assert!(!bench.mailboxes.pulls.waits());
}
