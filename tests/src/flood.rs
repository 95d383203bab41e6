//! A flood: crowds of clients that mean ill, from many addresses and from one, each of which comes back when it is sent away.

use crate::bridge::{Bridge, Manner, Sources, connect_from};
use crate::dice::Dice;
use crate::visitor::{Trouble, Visitor, deposit, is_stored};
use ed25519_dalek::SigningKey;
use karvon_protocol::cell::Class;
use karvon_protocol::rpc::Request;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The first bytes of everybody who speaks libp2p.
const GREETING: &[u8] = b"\x13/multistream/1.0.0\n\x07/noise\n";
/// Bytes towards the relay that suffice to get in with a slot and to open a tunnel.
const GETTING_IN: usize = 4 << 10;
/// Mailboxes of slow clients are numbered from here on.
const FIRST: u64 = 400_000;
/// Cells in the mailbox of somebody who asks and does not read.
const CELLS: u64 = 64;
/// How long such a one stays.
const DEAF_FOR: Duration = Duration::from_secs(30);

/// What a flood is made of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the relay serves leaves.
    pub relay: SocketAddr,
    /// Doors that hostile people were given, or stole.
    pub doors: Vec<String>,
    /// Connections that send nothing, garbage, half a handshake, or finish it and stop; a tenth of them from one address, two tenths
    /// from one network.
    pub connections: u64,
    /// Clients that send a byte now and then, before they are let in or after, or that read nothing of what they ask for.
    pub slow: u64,
    /// After how long one that was sent away comes back.
    pub again: Duration,
    /// How long a slow client waits between two bytes.
    pub byte_every: Duration,
}

/// What a flood did.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections that the system made.
    pub made: AtomicU64,
    /// Connections that the system refused or that timed out.
    pub failed: AtomicU64,
    /// Connections that the relay ended.
    pub ended: AtomicU64,
    /// Handshakes that were finished by somebody without a slot.
    pub shaken: AtomicU64,
    /// Slow clients that got in, each time they did.
    pub inside: AtomicU64,
}

/// A flood under way; it stops, with all of its connections, when dropped.
#[derive(Debug)]
pub struct Flood {
    counts: Arc<Counts>,
    tasks: JoinSet<()>,
}

/// What a client does.
#[derive(Debug, Clone, Copy)]
enum Ill {
    Silent,
    Garbage,
    Half,
    Stopped,
    SlowGreeting,
    SlowInside,
    Deaf,
}

/// The ways in that slow and stopped clients share.
struct Ways {
    stopped: Bridge,
    trickle: Bridge,
    deaf: Bridge,
}

impl Flood {
    /// Begins it.
    ///
    /// # Errors
    /// The system's, if there is no room for so many.
    pub async fn start(plan: &Plan) -> std::io::Result<Self> {
        // As far apart as networks are: the relay must not see them as one.
        let everywhere = Sources::new([127, 32, 0, 1], 10_000);
        let here = Sources::new([127, 9, 9, 9], 1);
        let inside = |first| Sources::new([127, first, 0, 1], 1_000);
        let trickle = Manner::Trickle { free: GETTING_IN, every: plan.byte_every };
        let ways = Arc::new(Ways {
            stopped: Bridge::open(plan.relay, inside(20), Manner::Straight).await?,
            trickle: Bridge::open(plan.relay, inside(22), trickle).await?,
            deaf: Bridge::open(plan.relay, inside(24), Manner::Deaf { free: 64 << 10 }).await?,
        });
        let (counts, plan) = (Arc::new(Counts::default()), Arc::new(plan.clone()));
        let mut tasks = JoinSet::new();
        for number in 0..plan.connections + plan.slow {
            let (kind, sources) = if number >= plan.connections {
                let kind = match number % 4 {
                    0 => Ill::SlowInside,
                    1 => Ill::Deaf,
                    _ => Ill::SlowGreeting,
                };
                (kind, everywhere.clone())
            } else {
                let kind = match number % 8 {
                    0 => Ill::Stopped,
                    1 | 2 => Ill::Garbage,
                    3..=5 => Ill::Half,
                    _ => Ill::Silent,
                };
                let sources = match number % 10 {
                    0 => here.clone(),
                    1 | 2 => Sources::new([127, 8, 8, 1 + (number / 10 % 250) as u8], 1),
                    _ => everywhere.clone(),
                };
                (kind, sources)
            };
            let client =
                Client { plan: plan.clone(), ways: ways.clone(), counts: counts.clone(), sources, number };
            tasks.spawn(client.run(kind));
        }
        Ok(Self { counts, tasks })
    }

    /// What it did so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Ends it and waits until every connection is closed.
    pub async fn stop(mut self) -> Arc<Counts> {
        self.tasks.shutdown().await;
        self.counts.clone()
    }
}

struct Client {
    plan: Arc<Plan>,
    ways: Arc<Ways>,
    counts: Arc<Counts>,
    sources: Sources,
    number: u64,
}

impl Client {
    async fn run(self, kind: Ill) {
        let mut dice = Dice::of(self.number);
        // They do not come in one moment, but within one pause.
        let again = u64::try_from(self.plan.again.as_millis()).unwrap_or(u64::MAX).max(1);
        tokio::time::sleep(Duration::from_millis(dice.below(again))).await;
        loop {
            self.once(kind, &mut dice).await;
            tokio::time::sleep(self.plan.again).await;
        }
    }

    async fn once(&self, kind: Ill, dice: &mut Dice) {
        match kind {
            Ill::Silent => self.raw(&[], &[]).await,
            Ill::Half => self.raw(GREETING, &[]).await,
            Ill::SlowGreeting => self.raw(&[], GREETING).await,
            Ill::Garbage => {
                let length = 1 + dice.below(2_000) as usize;
                let garbage = dice.bytes(length);
                self.raw(&garbage, &[]).await;
            }
            Ill::Stopped => {
                let Some(door) = self.door(&self.ways.stopped) else { return };
                let Ok(visitor) = Visitor::knock(&door, self.number).await else { return };
                self.counts.shaken.fetch_add(1, Ordering::Relaxed);
                self.until_ended(visitor).await;
            }
            Ill::SlowInside => {
                let Ok((mut visitor, key)) = self.inside(&self.ways.trickle, 8).await else { return };
                // More than what still passes at once: the rest of it comes byte by byte.
                for tag in 0..8 {
                    visitor.request(&deposit(&key, tag, 1));
                }
                self.until_ended(visitor).await;
            }
            Ill::Deaf => {
                let Ok((mut visitor, key)) = self.inside(&self.ways.deaf, CELLS).await else { return };
                for tag in 0..CELLS {
                    if !visitor.ask(&deposit(&key, tag, 1)).await.is_ok_and(|reply| is_stored(&reply)) {
                        break;
                    }
                }
                // In steps, so that its own queue does not end the link.
                for _ in 0..200 {
                    visitor.request(&Request::Fetch { from: 0, bytes_max: 128 << 10, whole: Class::M });
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                // Whoever does not read does not see the end either.
                let _ = tokio::time::timeout(DEAF_FOR, self.until_ended(visitor)).await;
            }
        }
    }

    async fn until_ended(&self, mut visitor: Visitor) {
        while !matches!(visitor.frame().await, Err(Trouble::LinkEnded(_))) {}
        self.counts.ended.fetch_add(1, Ordering::Relaxed);
    }

    fn door(&self, way: &Bridge) -> Option<String> {
        let count = self.plan.doors.len().max(1) as u64;
        let at = usize::try_from(self.number / 4 % count).ok()?;
        Some(way.door(self.plan.doors.get(at)?))
    }

    async fn inside(&self, way: &Bridge, tags: u64) -> Result<(Visitor, SigningKey), Trouble> {
        let door = self.door(way).ok_or(Trouble::Silence)?;
        let inside = Visitor::with_mailbox(&door, FIRST + self.number, tags).await?;
        self.counts.inside.fetch_add(1, Ordering::Relaxed);
        Ok(inside)
    }

    /// A connection of its own that sends `now`, then `slowly` byte by byte, and then waits to be sent away.
    async fn raw(&self, now: &[u8], slowly: &[u8]) {
        let Ok(stream) = connect_from(self.sources.next(), self.plan.relay).await else {
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
            return;
        };
        self.counts.made.fetch_add(1, Ordering::Relaxed);
        // Being sent away in the middle of it is what is waited for.
        let _ = self.speak(stream, now, slowly).await;
        self.counts.ended.fetch_add(1, Ordering::Relaxed);
    }

    async fn speak(&self, mut stream: TcpStream, now: &[u8], slowly: &[u8]) -> std::io::Result<()> {
        stream.write_all(now).await?;
        for byte in slowly {
            tokio::time::sleep(self.plan.byte_every).await;
            stream.write_all(std::slice::from_ref(byte)).await?;
        }
        let mut buffer = [0; 256];
        while stream.read(&mut buffer).await? > 0 {}
        Ok(())
    }
}
