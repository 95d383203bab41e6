//! How many bytes a relay has moved today and this month, kept across restarts, so that its operator never pays for more than was allowed.
//!
//! What is about to be spent is written down before it is, by the rate of the last moment: after a crash the written sum counts. A rush
//! that uses up half of what is written ahead wakes the books, so the written sum can be less than the true one only by what moves while
//! one small file is written.

use super::disk;
use serde::{Deserialize, Serialize};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

const FILE: &str = "ledger.json";
/// How often the books are looked at.
const EVERY: Duration = Duration::from_millis(250);
/// Seconds after which the time is written down even if nothing was spent.
const TIME_EVERY_S: u64 = 600;
/// Least that is written down ahead.
const AHEAD_LEAST: u64 = 64 << 10;
/// Part of the budget that is written down ahead at most: what a crash may waste.
const AHEAD_PART: u64 = 500;
/// For so many looks at the rate of the last one is written down ahead: ten seconds, which is what a crash wastes.
const AHEAD_LOOKS: u64 = 40;

/// What may be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// Bytes a day (UTC).
    pub day: Option<u64>,
    /// Bytes a month.
    pub month: Option<u64>,
    /// Day of the month on which it begins, 1 to 28.
    pub month_starts: u32,
}

/// What was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spent {
    /// Days since 1970.
    pub day: u64,
    /// Bytes of that day.
    pub day_bytes: u64,
    /// Months since the year 0, counted from the budget's first day.
    pub month: u64,
    /// Bytes of that month.
    pub month_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Page {
    /// The relay's time when this was written, Unix seconds.
    time_s: u64,
    spent: Spent,
}

/// The books.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    spent: Spent,
    written: Page,
}

impl Ledger {
    /// Opens the books in `dir`, which exists.
    ///
    /// # Errors
    /// If the file can not be read; a damaged one counts as none and is reported.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join(FILE);
        let written = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|_| {
                tracing::error!("the record of bytes spent is damaged; it begins anew");
                Page::default()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Page::default(),
            Err(error) => return Err(error),
        };
        Ok(Self { path, spent: written.spent, written })
    }

    /// The relay's time when it last wrote it down; 0 if never.
    #[must_use]
    pub fn time_s(&self) -> u64 {
        self.written.time_s
    }

    /// What was spent.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.spent
    }

    /// Books `bytes` and returns how many more may be spent now; `None` if nothing bounds them.
    ///
    /// # Errors
    /// If the books can not be written; they are still right in memory.
    pub fn book(&mut self, now_s: u64, bytes: u64, budget: &Budget) -> io::Result<Option<u64>> {
        let (day, month) = (now_s / 86_400, month(now_s, budget.month_starts));
        let turned = (self.spent.day, self.spent.month) != (day, month);
        if self.spent.day != day {
            (self.spent.day, self.spent.day_bytes) = (day, 0);
        }
        if self.spent.month != month {
            (self.spent.month, self.spent.month_bytes) = (month, 0);
        }
        self.spent.day_bytes = self.spent.day_bytes.saturating_add(bytes);
        self.spent.month_bytes = self.spent.month_bytes.saturating_add(bytes);
        let least = budget.day.into_iter().chain(budget.month).min();
        let most = least.map_or(AHEAD_LEAST << 10, |least| least / AHEAD_PART);
        let ahead = bytes.saturating_mul(AHEAD_LOOKS).min(most).max(AHEAD_LEAST).max(bytes.saturating_mul(3));
        let stale = now_s.abs_diff(self.written.time_s) >= TIME_EVERY_S;
        if turned || stale || self.covered() < ahead / 2 {
            self.write(now_s, ahead)?;
        }
        Ok(self.left(budget))
    }

    /// How many bytes more than were spent are written down.
    #[must_use]
    pub const fn covered(&self) -> u64 {
        self.written.spent.month_bytes.saturating_sub(self.spent.month_bytes)
    }

    /// How many bytes may be spent now.
    #[must_use]
    pub fn left(&self, budget: &Budget) -> Option<u64> {
        let day = budget.day.map(|most| most.saturating_sub(self.spent.day_bytes));
        let month = budget.month.map(|most| most.saturating_sub(self.spent.month_bytes));
        day.into_iter().chain(month).min()
    }

    /// Writes what was really spent: nothing more comes.
    ///
    /// # Errors
    /// The system's.
    pub fn close(&mut self, now_s: u64) -> io::Result<()> {
        self.write(now_s, 0)
    }

    fn write(&mut self, time_s: u64, ahead: u64) -> io::Result<()> {
        let mut spent = self.spent;
        spent.day_bytes = spent.day_bytes.saturating_add(ahead);
        spent.month_bytes = spent.month_bytes.saturating_add(ahead);
        let page = Page { time_s, spent };
        let part = self.path.with_extension("part");
        let mut file = disk::private_file().write(true).create(true).truncate(true).open(&part)?;
        file.write_all(&serde_json::to_vec(&page)?)?;
        file.sync_all()?;
        std::fs::rename(&part, &self.path)?;
        self.written = page;
        Ok(())
    }
}

/// Months since the year 0, each beginning on day `starts` of the calendar's.
fn month(now_s: u64, starts: u32) -> u64 {
    // Days from the civil calendar after Howard Hinnant's public-domain algorithms.
    let days = now_s / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    // `shifted` counts from March on, so that the leap day is the last of its year.
    let months = (era * 400 + year_of_era) * 12 + shifted;
    months - u64::from(day < u64::from(starts))
}

/// Wakes whoever keeps the books.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Where the bytes are counted and bounded.
pub trait Spending: Send + Sync {
    /// Bytes moved since the start.
    fn bytes(&self) -> u64;
    /// Lets so many more pass; `None` does not count them.
    fn allow(&self, more: Option<u64>);
    /// Calls `wake` once so many more have passed; takes the place of the call before.
    fn remind(&self, more: u64, wake: &Wake);
    /// The relay's time, Unix seconds.
    fn now_s(&self) -> u64;
}

struct Books {
    ledger: Ledger,
    budget: Budget,
    seen: u64,
}

/// Keeps the books on a thread of its own until it is dropped, and then writes the exact sum.
pub struct Bookkeeper {
    books: Arc<Mutex<Books>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Bookkeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bookkeeper")
    }
}

impl Bookkeeper {
    /// Begins to keep the books; the budget holds from this moment on.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(ledger: Ledger, budget: Budget, spending: Arc<dyn Spending>) -> io::Result<Self> {
        let books = Arc::new(Mutex::new(Books { ledger, budget, seen: spending.bytes() }));
        let stop = Arc::new(AtomicBool::new(false));
        let (of_thread, told) = (books.clone(), stop.clone());
        let idle: Wake = Arc::new(|| ());
        // Bounded from this moment on; the thread wakes itself from its first look on.
        settle(&books, &*spending, &idle);
        let keep = move || {
            let this = std::thread::current();
            let wake: Wake = Arc::new(move || this.unpark());
            while !told.load(Ordering::SeqCst) {
                settle(&of_thread, &*spending, &wake);
                std::thread::park_timeout(EVERY);
            }
            settle(&of_thread, &*spending, &idle);
            let mut books = lock(&of_thread);
            if let Err(error) = books.ledger.close(spending.now_s()) {
                tracing::warn!(%error, "the record of bytes spent can not be written");
            }
        };
        let thread = Some(std::thread::Builder::new().name("ledger".to_owned()).spawn(keep)?);
        Ok(Self { books, stop, thread })
    }

    /// Another budget from now on.
    pub fn set_budget(&self, budget: Budget) {
        lock(&self.books).budget = budget;
    }

    /// The budget, and what was spent of it.
    #[must_use]
    pub fn spent(&self) -> (Budget, Spent) {
        let books = lock(&self.books);
        (books.budget, books.ledger.spent())
    }
}

impl Drop for Bookkeeper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the ledger's thread panicked");
            }
        }
    }
}

fn lock(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

fn settle(books: &Mutex<Books>, spending: &dyn Spending, wake: &Wake) {
    let mut books = lock(books);
    let bytes = spending.bytes();
    let new = bytes.saturating_sub(books.seen);
    books.seen = bytes;
    let budget = books.budget;
    let left = books.ledger.book(spending.now_s(), new, &budget).unwrap_or_else(|error| {
        tracing::warn!(%error, "the record of bytes spent can not be written");
        books.ledger.left(&budget)
    });
    // What passed since `bytes` was read is not in the books yet: it must not be given a second time.
    let since = spending.bytes().saturating_sub(bytes);
    spending.allow(left.map(|left| left.saturating_sub(since)));
    spending.remind((books.ledger.covered() / 2).saturating_sub(since), wake);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;
    /// 2026-11-22 00:00 UTC.
    const START: u64 = 1_795_305_600;

    #[test]
    fn months_turn_on_the_day_the_provider_counts_from() {
        // 2026-11-22, 2026-12-01, 2027-01-01, 2028-02-29, 2028-03-01.
        let at = [START, 1_796_083_200, 1_798_761_600, 1_835_395_200, 1_835_481_600];
        let months: Vec<u64> = at.iter().map(|at| month(*at, 1)).collect();
        assert_eq!(months.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>(), [1, 1, 13, 1]);
        assert_eq!(month(START, 23) + 1, month(START + DAY, 23));
        assert_eq!(month(START, 22), month(START + DAY, 22));
        assert_eq!(month(START - 1, 22) + 1, month(START, 22));
    }

    #[test]
    fn a_day_run_fast_with_crashes_never_spends_more_than_the_budget_and_little_less() {
        let dir = tempfile::tempdir().unwrap();
        let budget = Budget { day: Some(100 << 20), month: Some(1 << 30), month_starts: 1 };
        let mut ledger = Ledger::open(dir.path()).unwrap();
        let (mut days, mut now) = (Vec::new(), START);
        for _ in 0..12 {
            let mut really = 0;
            for step in 0..1_440_u64 {
                now += 60;
                if step % 360 == 359 {
                    // Killed: what was not written is forgotten.
                    ledger = Ledger::open(dir.path()).unwrap();
                }
                let left = ledger.left(&budget).unwrap_or(u64::MAX);
                let wanted = 150_000 + step * 13 % 7_001;
                let moved = wanted.min(left);
                really += moved;
                ledger.book(now, moved, &budget).unwrap();
            }
            days.push(really);
        }
        let month: u64 = days.iter().take(8).sum();
        for day in days.iter().take(8) {
            assert!(*day * 100 <= (100 << 20) * 101, "{day} is more than one per cent over the budget");
            assert!(*day * 100 >= (100 << 20) * 97, "{day} wastes more than crashes can explain");
        }
        assert!(month <= 1 << 30);
        assert!(days.iter().sum::<u64>() * 100 <= (2 << 30) * 101, "two months were touched");
    }

    #[test]
    fn a_kill_forgets_nothing_that_was_spent_and_a_good_end_writes_the_exact_sum() {
        let dir = tempfile::tempdir().unwrap();
        let budget = Budget { day: Some(1 << 30), month: None, month_starts: 1 };
        let mut ledger = Ledger::open(dir.path()).unwrap();
        ledger.book(START, 1_000, &budget).unwrap();
        let after_kill = Ledger::open(dir.path()).unwrap().spent();
        assert!(after_kill.day_bytes >= 1_000);
        assert!(after_kill.day_bytes <= 241_000, "ten seconds at this rate, not a part of the whole budget");
        ledger.close(START).unwrap();
        assert_eq!(Ledger::open(dir.path()).unwrap().spent().day_bytes, 1_000);
        assert_eq!(Ledger::open(dir.path()).unwrap().time_s(), START);
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        assert_eq!(Ledger::open(dir.path()).unwrap().spent(), Spent::default());
    }

    struct Line {
        moved: std::sync::atomic::AtomicU64,
        until: std::sync::atomic::AtomicU64,
        reminder: Mutex<Option<(u64, Wake)>>,
    }

    impl Line {
        fn new(moved: u64) -> Self {
            Self { moved: moved.into(), until: 0.into(), reminder: Mutex::default() }
        }

        fn pass(&self, bytes: u64) {
            let moved = self.moved.fetch_add(bytes, Ordering::SeqCst) + bytes;
            let mut reminder = self.reminder.lock().unwrap();
            if let Some((_, wake)) = reminder.take_if(|(at, _)| moved >= *at) {
                wake();
            }
        }
    }

    impl Spending for Line {
        fn bytes(&self) -> u64 {
            self.moved.load(Ordering::SeqCst)
        }

        fn allow(&self, more: Option<u64>) {
            self.until.store(more.map_or(u64::MAX, |more| self.bytes() + more), Ordering::SeqCst);
        }

        fn remind(&self, more: u64, wake: &Wake) {
            *self.reminder.lock().unwrap() = Some((self.bytes() + more, wake.clone()));
        }

        fn now_s(&self) -> u64 {
            START
        }
    }

    #[test]
    fn a_rush_wakes_the_books_before_it_outruns_them() {
        let dir = tempfile::tempdir().unwrap();
        let budget = Budget { day: Some(1 << 40), month: None, month_starts: 1 };
        let line = Arc::new(Line::new(0));
        let keeper = Bookkeeper::start(Ledger::open(dir.path()).unwrap(), budget, line.clone()).unwrap();
        // Faster than the looks of a quarter second could follow: what a kill would find must never be far behind.
        let mut longest_behind = 0;
        for _ in 0..200 {
            line.pass(1 << 20);
            std::thread::sleep(Duration::from_millis(2));
            let written = Ledger::open(dir.path()).unwrap().spent().day_bytes;
            longest_behind = longest_behind.max(line.bytes().saturating_sub(written));
        }
        drop(keeper);
        // A fourth of it, however slow this machine is at the moment; without being woken the books are behind by most of a quarter second.
        assert!(longest_behind < 50 << 20, "{longest_behind}");
        assert_eq!(Ledger::open(dir.path()).unwrap().spent().day_bytes, 200 << 20);
    }

    #[test]
    fn the_bookkeeper_bounds_from_its_first_moment_and_closes_the_books() {
        let dir = tempfile::tempdir().unwrap();
        let line = Arc::new(Line::new(500));
        let budget = Budget { day: Some(10_000), month: None, month_starts: 1 };
        let keeper = Bookkeeper::start(Ledger::open(dir.path()).unwrap(), budget, line.clone()).unwrap();
        assert_eq!(line.until.load(Ordering::SeqCst), 10_500);
        line.moved.store(4_500, Ordering::SeqCst);
        drop(keeper);
        assert_eq!(Ledger::open(dir.path()).unwrap().spent().day_bytes, 4_000);
        let keeper = Bookkeeper::start(Ledger::open(dir.path()).unwrap(), budget, line.clone()).unwrap();
        assert_eq!(line.until.load(Ordering::SeqCst), 4_500 + 6_000);
        assert_eq!(keeper.spent().1.day_bytes, 4_000);
    }
}
