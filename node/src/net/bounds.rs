//! The bounds of a node's network that may change while it runs, what they have refused so far, and how many bytes went over the wire.

use super::handshakes::Handshakes;
use super::reach::DialledBack;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Bounds of connections; an operator may change them while the relay runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetLimits {
    /// Connections from outside at once, handshakes under way included.
    pub connections: u32,
    /// Handshakes under way at once.
    pub pending: u32,
    /// Handshakes under way at once with one address (IPv4, or /64 of IPv6).
    pub pending_per_address: u32,
    /// Connections at once with one address. Hundreds of people may share one behind a carrier's NAT.
    pub per_address: u32,
    /// New connections a second from one network (/24, or /48 of IPv6); 0 does not count them.
    pub new_per_network: u32,
    /// How many of these may come at once.
    pub new_per_network_burst: u32,
    /// Milliseconds a handshake may take; read when a swarm is built.
    pub handshake_ms: u64,
    /// Bytes a second below which a frame under way is given up; 0 waits for ever.
    pub min_rate: u32,
    /// Bytes that may wait for slow links in all.
    pub queue_bytes: usize,
    /// Whether connections from this machine are not bounded by address: tests run whole crowds on one.
    pub loopback_exempt: bool,
}

impl NetLimits {
    /// What suits a relay on 1 processor and 1 GB of memory.
    #[must_use]
    pub const fn relay() -> Self {
        Self {
            connections: 2_000,
            pending: 512,
            pending_per_address: 16,
            per_address: 256,
            new_per_network: 10,
            new_per_network_burst: 40,
            handshake_ms: 15_000,
            min_rate: 1_024,
            queue_bytes: 128 << 20,
            loopback_exempt: true,
        }
    }

    /// A leaf: nobody connects to it, and how long it waits for a slow door is decided above.
    const fn leaf() -> Self {
        // A dial of a web door may have to wait its turn when handshakes are saved.
        Self { min_rate: 0, queue_bytes: usize::MAX, handshake_ms: 45_000, ..Self::relay() }
    }
}

/// Why a connection was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Refused {
    /// Too many connections or handshakes in all.
    Full,
    /// Too many from one address.
    Address,
    /// Too many new ones from one network.
    Network,
    /// Memory is short.
    Memory,
    /// The byte budget is used up.
    Budget,
    /// The relay takes nobody new.
    Drain,
}

impl Refused {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Full, Self::Address, Self::Network, Self::Memory, Self::Budget, Self::Drain];

    /// The name in statistics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Address => "address",
            Self::Network => "network",
            Self::Memory => "memory",
            Self::Budget => "budget",
            Self::Drain => "drain",
        }
    }
}

/// Open to newcomers; other values are a reason's number and one.
const OPEN: u8 = 0;

/// Bytes of headers around one segment of TCP, its share of acknowledgements included: 20 of IP, 32 of TCP, and half of another 52.
const SEGMENT_OVERHEAD: u64 = 78;
/// Bytes of a stream in one segment.
const SEGMENT: u64 = 1_448;
/// Bytes of opening and closing a TCP connection, both directions.
const CONNECTION_OVERHEAD: u64 = 420;

/// Called when a number of bytes has passed.
type Reminder = Arc<dyn Fn() + Send + Sync>;

/// What the swarms of one node share: limits, counters, and the budget of bytes.
pub struct Bounds {
    limits: RwLock<NetLimits>,
    closed: AtomicU8,
    refused: [AtomicU64; Refused::ALL.len()],
    connections: AtomicU32,
    slow: AtomicU64,
    reached: AtomicBool,
    queued: AtomicUsize,
    read: AtomicU64,
    written: AtomicU64,
    overhead: AtomicU64,
    /// Bytes in all at which nothing more is read or written.
    budget: AtomicU64,
    /// Bytes in all at which the reminder is called.
    mark: AtomicU64,
    reminder: RwLock<Option<Reminder>>,
    handshakes: Handshakes,
    dialled_back: DialledBack,
}

impl fmt::Debug for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bounds({:?})", self.limits())
    }
}

impl Bounds {
    /// Bounds with these limits and no byte budget.
    #[must_use]
    pub fn new(limits: NetLimits) -> Self {
        Self {
            limits: RwLock::new(limits),
            closed: AtomicU8::new(OPEN),
            refused: Default::default(),
            connections: AtomicU32::new(0),
            slow: AtomicU64::new(0),
            reached: AtomicBool::new(false),
            queued: AtomicUsize::new(0),
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
            overhead: AtomicU64::new(0),
            budget: AtomicU64::new(u64::MAX),
            mark: AtomicU64::new(u64::MAX),
            reminder: RwLock::default(),
            handshakes: Handshakes::default(),
            dialled_back: DialledBack::default(),
        }
    }

    /// Handshakes from outside that may still have to give way.
    pub(super) const fn handshakes(&self) -> &Handshakes {
        &self.handshakes
    }

    /// Who was asked to dial this relay back, and where they came.
    #[must_use]
    pub const fn dialled_back(&self) -> &DialledBack {
        &self.dialled_back
    }

    pub(super) fn leaf() -> Self {
        Self::new(NetLimits::leaf())
    }

    /// The limits of this moment.
    #[must_use]
    pub fn limits(&self) -> NetLimits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the limits; connections that exist stay.
    pub fn set_limits(&self, limits: NetLimits) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Turns newcomers away for this reason, or lets them in again.
    pub fn close_to_newcomers(&self, why: Option<Refused>) {
        self.closed.store(why.map_or(OPEN, |why| why as u8 + 1), Ordering::Relaxed);
    }

    /// Why newcomers are turned away at the moment.
    #[must_use]
    pub fn closed_to_newcomers(&self) -> Option<Refused> {
        if self.exhausted() {
            return Some(Refused::Budget);
        }
        let number = self.closed.load(Ordering::Relaxed).checked_sub(1)?;
        Refused::ALL.get(usize::from(number)).copied()
    }

    pub(super) fn count_refused(&self, why: Refused) {
        if let Some(count) = self.refused.get(why as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many connections were refused for this reason since the start.
    #[must_use]
    pub fn refused(&self, why: Refused) -> u64 {
        self.refused.get(why as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    pub(super) fn connection_opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.count_handshake();
    }

    /// Counts what opening and closing a TCP connection costs.
    pub(super) fn count_handshake(&self) {
        self.overhead.fetch_add(CONNECTION_OVERHEAD, Ordering::Relaxed);
    }

    pub(super) fn connection_closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Connections from outside at the moment, over all swarms.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn count_slow(&self) {
        self.slow.fetch_add(1, Ordering::Relaxed);
    }

    /// Links that were ended since the start because the other side took or gave too little.
    #[must_use]
    pub fn slow(&self) -> u64 {
        self.slow.load(Ordering::Relaxed)
    }

    pub(super) fn note_reached(&self) {
        self.reached.store(true, Ordering::Relaxed);
    }

    /// Whether another relay has connected to this one since the start: then its mesh address can be reached from outside.
    #[must_use]
    pub fn reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    /// Takes room for bytes that wait for a link; false if too much waits already.
    pub(super) fn queue(&self, bytes: usize) -> bool {
        let before = self.queued.fetch_add(bytes, Ordering::Relaxed);
        before.saturating_add(bytes) <= self.limits().queue_bytes
    }

    pub(super) fn unqueue(&self, bytes: usize) {
        self.queued.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes that wait for links.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Bytes read from sockets since the start.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes written to sockets since the start.
    #[must_use]
    pub fn bytes_written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// All bytes since the start, both directions, with an estimate of what TCP and IP put around them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes_read() + self.bytes_written() + self.overhead.load(Ordering::Relaxed)
    }

    /// Lets so many more bytes pass; `None` does not count them. What is under way when they are used up is cut off.
    pub fn allow_bytes(&self, more: Option<u64>) {
        let until = more.map_or(u64::MAX, |more| self.bytes().saturating_add(more));
        self.budget.store(until, Ordering::Relaxed);
    }

    /// Calls `reminder` once when so many more bytes have passed; takes the place of the one before.
    pub fn remind(&self, more: u64, reminder: Reminder) {
        *self.reminder.write().unwrap_or_else(PoisonError::into_inner) = Some(reminder);
        self.mark.store(self.bytes().saturating_add(more), Ordering::SeqCst);
    }

    fn look_at_mark(&self) {
        let bytes = self.bytes();
        if bytes >= self.mark.load(Ordering::Relaxed)
            && self.mark.swap(u64::MAX, Ordering::SeqCst) <= bytes
            && let Some(reminder) = &*self.reminder.read().unwrap_or_else(PoisonError::into_inner)
        {
            reminder();
        }
    }

    /// Whether the byte budget is used up.
    #[must_use]
    pub fn exhausted(&self) -> bool {
        self.bytes() >= self.budget.load(Ordering::Relaxed)
    }

    /// Bytes of a stream that may pass now; 0 once the budget is used up.
    pub(super) fn room(&self) -> usize {
        let left = self.budget.load(Ordering::Relaxed).saturating_sub(self.bytes());
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    pub(super) fn count_read(&self, bytes: usize) {
        Self::count(&self.read, &self.overhead, bytes);
        self.look_at_mark();
    }

    pub(super) fn count_written(&self, bytes: usize) {
        Self::count(&self.written, &self.overhead, bytes);
        self.look_at_mark();
    }

    fn count(direction: &AtomicU64, overhead: &AtomicU64, bytes: usize) {
        let bytes = bytes as u64;
        direction.fetch_add(bytes, Ordering::Relaxed);
        overhead.fetch_add(bytes.div_ceil(SEGMENT) * SEGMENT_OVERHEAD, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_up_budget_closes_and_a_new_one_opens_again() {
        let bounds = Bounds::new(NetLimits::relay());
        assert!(!bounds.exhausted() && bounds.closed_to_newcomers().is_none());
        bounds.allow_bytes(Some(2_000));
        bounds.count_read(1_000);
        assert_eq!(bounds.room(), 2_000 - 1_000 - 78);
        bounds.count_written(1_000);
        assert_eq!((bounds.room(), bounds.closed_to_newcomers()), (0, Some(Refused::Budget)));
        bounds.allow_bytes(Some(10));
        assert_eq!(bounds.room(), 10);
        bounds.allow_bytes(None);
        assert!(bounds.room() > 1 << 40);
    }

    #[test]
    fn a_reminder_is_called_once_when_its_bytes_have_passed() {
        let bounds = Bounds::new(NetLimits::relay());
        let called = Arc::new(AtomicU32::new(0));
        let count = called.clone();
        let reminder: Reminder = Arc::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        bounds.count_read(1_000);
        bounds.remind(2_000, reminder.clone());
        bounds.count_read(1_000);
        assert_eq!(called.load(Ordering::SeqCst), 0);
        bounds.count_written(1_000);
        bounds.count_written(1_000);
        assert_eq!(called.load(Ordering::SeqCst), 1);
        bounds.remind(0, reminder);
        bounds.count_read(1);
        assert_eq!(called.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn each_reason_is_counted_by_itself() {
        let bounds = Bounds::new(NetLimits::relay());
        for why in Refused::ALL {
            bounds.count_refused(why);
            bounds.close_to_newcomers(Some(why));
            assert_eq!((bounds.refused(why), bounds.closed_to_newcomers()), (1, Some(why)));
        }
        bounds.close_to_newcomers(None);
        assert_eq!(bounds.closed_to_newcomers(), None);
    }
}
