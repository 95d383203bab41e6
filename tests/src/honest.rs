//! People who use a relay at a steady pace while something else goes on there: how long each deposit took, and whether all of it is there.

use crate::visitor::{Trouble, Visitor, cell, deposit, is_stored};
use ed25519_dalek::SigningKey;
use karvon_protocol::cell::Class;
use karvon_protocol::rpc::{Push, Request};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

/// How long somebody who was sent away waits before the next try.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a newcomer waits to be let in.
const PATIENCE: Duration = Duration::from_secs(20);

/// One thing that was wanted at a moment, and how long it took; `None` if it was given up.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// When it was due: a relay that makes others wait does not make the next deposit later.
    pub due: Instant,
    /// How long after that it was done.
    pub took: Option<Duration>,
}

/// What became of everything.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Cells that the relay confirmed.
    pub confirmed: u64,
    /// Confirmed and not there.
    pub lost: u64,
    /// There more than once.
    pub doubled: u64,
    /// There with other bytes.
    pub changed: u64,
    /// Links of senders that ended before their time.
    pub cut: u64,
}

/// Tags that were confirmed, and how often the link ended.
type Done = (BTreeSet<u64>, u64);
type Samples = Arc<Mutex<Vec<Sample>>>;

/// Senders at work, each with a mailbox of its own.
#[derive(Debug)]
pub struct Crowd {
    door: String,
    stop: watch::Sender<bool>,
    senders: Vec<(SigningKey, JoinHandle<Done>)>,
    newcomers: JoinHandle<()>,
    deposits: Samples,
    entries: Samples,
}

impl Crowd {
    /// Lets `senders` people in and makes them deposit, each once in `every` and at most `most` times. Beside them one newcomer a second
    /// enters and leaves again.
    ///
    /// # Errors
    /// [`Trouble`] if not all of them get in.
    pub async fn start(door: &str, senders: u64, every: Duration, most: u64) -> Result<Self, Trouble> {
        let (stop, stopped) = watch::channel(false);
        let (deposits, entries) = (Samples::default(), Samples::default());
        let mut at_work = Vec::new();
        for number in 0..senders {
            let (owner, key) = Visitor::with_mailbox(door, 700_000 + number, most).await?;
            owner.leave().await;
            let work = Work {
                door: door.to_owned(),
                number,
                key: key.clone(),
                every,
                most,
                samples: deposits.clone(),
                stop: stopped.clone(),
            };
            at_work.push((key, tokio::spawn(work.run())));
            // Slower than newcomers of one network may come.
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        let newcomers = tokio::spawn(come_and_go(door.to_owned(), entries.clone(), stopped));
        Ok(Self { door: door.to_owned(), stop, senders: at_work, newcomers, deposits, entries })
    }

    /// Deposits so far.
    #[must_use]
    pub fn deposits(&self) -> Vec<Sample> {
        lock(&self.deposits).clone()
    }

    /// Newcomers so far.
    #[must_use]
    pub fn entries(&self) -> Vec<Sample> {
        lock(&self.entries).clone()
    }

    /// Ends the work and looks into the mailboxes.
    ///
    /// # Errors
    /// [`Trouble`] if a mailbox can not be read.
    ///
    /// # Panics
    /// If a sender did.
    pub async fn count(self) -> Result<Account, Trouble> {
        // They may all have ended already.
        let _ = self.stop.send(true);
        let mut account = Account::default();
        for (number, (key, sender)) in (0_u64..).zip(self.senders) {
            let (confirmed, cut) = sender.await.expect("a sender that does not panic");
            account.confirmed += confirmed.len() as u64;
            account.cut += cut;
            let mut owner = enter(&self.door, 800_000 + number).await?;
            owner.attach(&key, Push::None).await?;
            let mut found = BTreeSet::new();
            for (tag, hash) in owner.fetch_all().await? {
                let tag = u64::from_be_bytes(tag.0);
                account.doubled += u64::from(!found.insert(tag));
                account.changed += u64::from(cell(Class::S, tag, number as u8).hash().0 != hash);
            }
            account.lost += confirmed.difference(&found).count() as u64;
            owner.leave().await;
        }
        self.newcomers.await.expect("newcomers that do not panic");
        Ok(account)
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Enters and opens a tunnel, with patience.
async fn enter(door: &str, number: u64) -> Result<Visitor, Trouble> {
    let until = Instant::now() + 3 * PATIENCE;
    loop {
        let tried = async {
            let mut visitor = Visitor::enter(door, number).await?;
            visitor.open().await?;
            Ok(visitor)
        };
        match tried.await {
            Ok(visitor) => return Ok(visitor),
            Err(trouble) if Instant::now() > until => return Err(trouble),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn come_and_go(door: String, samples: Samples, mut stop: watch::Receiver<bool>) {
    for number in 900_000.. {
        let due = Instant::now();
        let come = async {
            while Visitor::enter(&door, number).await.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
        };
        let came = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            came = tokio::time::timeout(PATIENCE, come) => came,
        };
        lock(&samples).push(Sample { due, took: came.is_ok().then(|| due.elapsed()) });
        tokio::time::sleep_until(due + Duration::from_secs(1)).await;
    }
}

/// One sender.
struct Work {
    door: String,
    number: u64,
    key: SigningKey,
    every: Duration,
    most: u64,
    samples: Samples,
    stop: watch::Receiver<bool>,
}

impl Work {
    /// Deposits until told to stop and everything is confirmed.
    async fn run(mut self) -> Done {
        let (mut confirmed, mut cut) = (BTreeSet::new(), 0);
        // Tags that are due and not confirmed, with the time when they were due.
        let mut due: BTreeMap<u64, Instant> = BTreeMap::new();
        let mut next = 0;
        let mut ticks = tokio::time::interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            let Ok(mut visitor) = enter(&self.door, 600_000 + self.number).await else {
                return (confirmed, cut);
            };
            let mut under_way = BTreeMap::new();
            for tag in due.keys() {
                under_way.insert(visitor.request(&self.deposit(*tag)), *tag);
            }
            loop {
                let stopping = *self.stop.borrow() || next >= self.most;
                if stopping && due.is_empty() {
                    visitor.leave().await;
                    return (confirmed, cut);
                }
                tokio::select! {
                    biased;
                    at = ticks.tick(), if !stopping => {
                        due.insert(next, at);
                        under_way.insert(visitor.request(&self.deposit(next)), next);
                        next += 1;
                    }
                    _ = self.stop.changed(), if !stopping => {}
                    answer = visitor.next() => match answer {
                        Ok((request, reply)) => {
                            let Some(tag) = under_way.remove(&request) else { continue };
                            if !is_stored(&reply) {
                                // Busy or full: it is still due.
                                tokio::time::sleep(PAUSE / 10).await;
                                under_way.insert(visitor.request(&self.deposit(tag)), tag);
                            } else if let Some(since) = due.remove(&tag) {
                                confirmed.insert(tag);
                                lock(&self.samples).push(Sample { due: since, took: Some(since.elapsed()) });
                            }
                        }
                        Err(_) => {
                            cut += 1;
                            break;
                        }
                    },
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn deposit(&self, tag: u64) -> Request {
        deposit(&self.key, tag, self.number as u8)
    }
}

/// The time that a share (in thousandths) of samples was done within, milliseconds; one that was given up counts as the longest.
#[must_use]
pub fn within(samples: &[Sample], share: usize) -> f64 {
    let mut took: Vec<Duration> = samples.iter().map(|sample| sample.took.unwrap_or(PATIENCE)).collect();
    took.sort_unstable();
    let place = (took.len() * share / 1_000).min(took.len().saturating_sub(1));
    took.get(place).copied().unwrap_or_default().as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_is_the_longest() {
        let due = Instant::now();
        let done = |ms| Sample { due, took: Some(Duration::from_millis(ms)) };
        let mut samples: Vec<Sample> = (1..=100).rev().map(done).collect();
        assert_eq!((within(&samples, 500), within(&samples, 990)), (51.0, 100.0));
        samples.push(Sample { due, took: None });
        assert_eq!(within(&samples, 1_000), PATIENCE.as_secs_f64() * 1e3);
        assert_eq!(within(&[], 500), 0.0);
    }
}
