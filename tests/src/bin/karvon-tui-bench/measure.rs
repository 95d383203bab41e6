//! What is measured, and how: from a key to the bytes that answer it, as a terminal sees them.

use karvon_tests::person::Person;
use karvon_tests::terminal::Terminal;
use karvon_tests::world::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::DirEntry;
use std::time::{Duration, Instant};

/// What to measure.
#[derive(Debug, clap::Parser)]
pub(crate) struct Options {
    /// Messages of the conversation.
    #[arg(long, default_value_t = 100_000)]
    messages: u64,
    /// Seconds of rest that are watched.
    #[arg(long, default_value_t = 10)]
    idle: u64,
}

/// A word that only the oldest message has, so that a search for it reads everything.
const RARE: &str = "шоҳтут";

/// Measures everything.
pub(crate) fn measure(options: &Options) -> Value {
    let world = World::new(1);
    let (ali, bob) = (world.person("Али", &[0]), world.person("Боб", &[0]));
    bob.up();
    let invitation = bob.invite();
    bob.down();
    ali.up();
    let _ = ali.add(&invitation, "Боб").ok();
    let filling = Instant::now();
    fill(&ali, options.messages);
    let filled_s = filling.elapsed().as_secs();
    let attached = run(&ali, options, options.messages);
    ali.down();
    let alone = run(&ali, options, options.messages);
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    json!({
        "messages": options.messages, "profile": profile, "filled_s": filled_s,
        "attached": attached, "alone": alone,
    })
}

/// Writes own messages through the local interface. They stay on this device: the other side is away.
fn fill(ali: &Person, messages: u64) {
    let mut api = ali.api();
    let contact = api.contact("Боб").ok().flatten().expect("the contact is there");
    let text = |number: u64| match number {
        1 => format!("паёми 1: {RARE}"),
        _ => format!("паёми {number}: Писарам, чӣ хел ҳастӣ? Пулро гирифтам, раҳмат, ҳамааш хуб аст."),
    };
    let mut next = 1;
    while next <= messages {
        let texts: Vec<String> = (next..=messages).take(500).map(text).collect();
        next += u64::try_from(texts.len()).unwrap_or(u64::MAX);
        let _ = api
            .call("send_many", &json!({ "contact": contact, "texts": texts }))
            .expect("messages are taken");
    }
}

/// One screen from start to end. `alone`: no node runs in the background, so this process has it as well.
fn run(ali: &Person, options: &Options, messages: u64) -> Value {
    let mut starts = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        let mut screen = Terminal::open(&ali.command(), 120, 40);
        wait(&screen, started, "Боб");
        starts.push(started.elapsed());
        screen.settle();
        screen.press("^Q");
        let _ = screen.ends();
    }
    starts.sort_unstable();
    let mut screen = Terminal::open(&ali.command(), 120, 40);
    screen.shows("Боб");
    screen.settle();
    let open = timed(&mut screen, "Enter", &format!("паёми {messages}:"));
    screen.settle();
    let keys = keys(&mut screen);
    screen.press("^U");
    screen.settle();
    let start = timed(&mut screen, "^Home", RARE);
    screen.settle();
    let back = timed(&mut screen, "^End", &format!("паёми {messages}:"));
    screen.settle();
    let pages = pages(&mut screen);
    screen.press("^End");
    screen.settle();
    screen.press("^F");
    screen.settle();
    let started = Instant::now();
    screen.paste(RARE);
    wait(&screen, started, "паёми 1:");
    let search = started.elapsed();
    screen.press_each(&["Esc"]);
    let rss_kb = screen.pid().map_or(0, |pid| status(pid, "VmRSS"));
    let peak_kb = screen.pid().map_or(0, |pid| status(pid, "VmHWM"));
    let idle = idle(&screen, options.idle);
    screen.press("^Q");
    let _ = screen.ends();
    json!({
        "start_ms": ms(starts.get(starts.len() / 2).copied().unwrap_or_default()),
        "start_first_ms": starts.iter().map(|one| ms(*one)).collect::<Vec<_>>(),
        "open_conversation_ms": ms(open), "key_to_frame_ms": keys, "page_up_ms": pages,
        "to_the_beginning_ms": ms(start), "to_the_end_ms": ms(back), "search_all_ms": ms(search),
        "rss_mb": rss_kb / 1024, "rss_peak_mb": peak_kb / 1024, "idle": idle,
    })
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

/// Waits for words, looking often.
fn wait(screen: &Terminal, started: Instant, words: &str) {
    while !screen.text().contains(words) {
        assert!(started.elapsed() < Duration::from_secs(120), "{words:?} never came:\n{}", screen.text());
        std::thread::sleep(Duration::from_micros(500));
    }
}

fn timed(screen: &mut Terminal, key: &str, words: &str) -> Duration {
    let started = Instant::now();
    screen.press(key);
    wait(screen, started, words);
    started.elapsed()
}

/// From a key to the first bytes that answer it.
fn answered(screen: &mut Terminal, key: &str) -> Duration {
    let before = screen.bytes();
    let started = Instant::now();
    screen.press(key);
    while screen.bytes() == before && started.elapsed() < Duration::from_secs(10) {
        std::thread::yield_now();
    }
    let took = screen.last_output().saturating_duration_since(started);
    screen.settle();
    took
}

fn keys(screen: &mut Terminal) -> Value {
    let letters = ('а'..='я').cycle().take(300);
    quantiles(letters.map(|letter| answered(screen, &letter.to_string())).collect())
}

fn pages(screen: &mut Terminal) -> Value {
    quantiles((0..100).map(|_| answered(screen, "PgUp")).collect())
}

fn quantiles(mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    let at = |percent: usize| {
        ms(times.get((times.len() * percent / 100).min(times.len() - 1)).copied().unwrap_or_default())
    };
    json!({ "p50": at(50), "p99": at(99), "max": at(100) })
}

/// Bytes written and threads woken while nothing happens.
fn idle(screen: &Terminal, seconds: u64) -> Value {
    screen.settle();
    // By thread, because one that ends meanwhile takes its count with it.
    let woken = |pid| -> BTreeMap<OsString, u64> {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let count = |task: &DirEntry| std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
        tasks.map(|task| (task.file_name(), switches(&count(&task)))).collect()
    };
    let pid = screen.pid().unwrap_or(0);
    let (bytes, before) = (screen.bytes(), woken(pid));
    std::thread::sleep(Duration::from_secs(seconds));
    let after = woken(pid);
    let wakeups: u64 = after
        .iter()
        .map(|(task, count)| count.saturating_sub(before.get(task).copied().unwrap_or_default()))
        .sum();
    json!({
        "seconds": seconds, "bytes_drawn": screen.bytes() - bytes, "wakeups": wakeups,
    })
}

fn switches(status: &str) -> u64 {
    number(status, "voluntary_ctxt_switches")
}

fn status(pid: u32, name: &str) -> u64 {
    number(&std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default(), name)
}

fn number(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
