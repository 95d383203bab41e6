//! A session: two byte streams that outlive the carriers under them.
//!
//! The stream that goes out is kept until it is acknowledged. A new carrier begins with what each side has received, and each side goes on
//! from there. Only the dialler brings carriers; the listener sends no more on one than the dialler allowed, and says so when it is spent.

use super::frame::{ASK, FIN, Frame, HEADER_BYTES, Kind, MORE, SIZES, SPENT, portion, size_of};
use super::tokens::{KEEP_MS, Opening, Secret, spread_ms, token};
use crate::core::Mono;
use crate::error::PeerFault;
use core::fmt;
use std::collections::VecDeque;

/// Bytes of a stream that may be under way, and that a side keeps for its reader.
pub const WINDOW_BYTES: usize = 64 << 10;
/// What a frame costs on the carrier beyond its own bytes: a TLS record's header, type and authentication.
pub const RECORD_BYTES: u32 = 22;
/// Kept back of an allowance for acknowledgements and for telling that it is spent.
const RESERVE_BYTES: u32 = 5 * (64 + RECORD_BYTES);
/// An acknowledgement waits this long for bytes to travel with, milliseconds.
const ACK_DELAY_MS: u64 = 40;
/// Received bytes after which an acknowledgement does not wait.
const ACK_BYTES: u64 = 16 << 10;
/// Bytes that a dialler sends again on a new carrier without asking first what arrived of them.
const AGAIN_BYTES: u64 = 1_024;
/// Bytes up on one bounded carrier: what the other side's bare TCP acknowledgements of more would weigh comes near the bound as well.
const UPLOAD_BYTES: u64 = 96 << 10;
/// A carrier that owes an answer is dead after this time: a base plus four round trips, within the bounds; milliseconds. N1 asks for less
/// than ten seconds.
const PATIENCE_MS: (u64, u64, u64) = (2_500, 3_000, 9_000);
/// A listener can do nothing about a silent carrier but give up what it holds for it; slow is not silent.
const ABANDONED_MS: u64 = 60_000;

/// Which side of a session this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Brings the carriers.
    Dialler,
    /// Waits for them.
    Listener,
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Both streams were closed and everything arrived.
    Closed,
    /// The other side dropped or forgot the session.
    Gone,
    /// This side dropped it.
    Dropped,
}

/// How the attached carrier does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is wrong with it, or there is none.
    Fine,
    /// It owes an answer and is silent: it will not come back.
    Frozen,
    /// It has carried what it may: time for the next one.
    Spent,
}

/// What belongs to the carrier that is attached.
#[derive(Default)]
struct Carrier {
    /// First frame of a dialler.
    opening: Option<Frame>,
    /// The other side was heard on this carrier.
    greeted: bool,
    heard: Mono,
    /// Since when something of this side waits for an answer.
    waiting: Option<Mono>,
    /// The other side said that more is to come.
    expecting: bool,
    /// Bytes that may still be sent; `None`: without bound.
    allowance: Option<u32>,
    /// Something could not be sent for want of allowance, and whether the other side was told.
    blocked: bool,
    told_spent: bool,
    peer_spent: bool,
    /// This side's end was sent on it.
    fin_sent: bool,
    /// The dialler bounded what the listener may send.
    bounded: bool,
    partial: Vec<u8>,
    /// Position in the stream whose acknowledgement measures a round trip, and when it was sent.
    probe: Option<(u64, Mono)>,
    bytes_out: u64,
}

/// One side of a session.
pub struct Session {
    role: Role,
    secret: Secret,
    /// Carriers brought so far.
    carriers: u32,
    /// The listener was heard on one of them.
    begun: bool,
    /// How often it was asked for a sign of life.
    asked: u32,
    /// Bytes not acknowledged yet, the first of them at `out_from`.
    out: VecDeque<u8>,
    out_from: u64,
    /// Position of the next byte to send on this carrier.
    next: u64,
    /// The furthest position that was ever sent.
    furthest: u64,
    closed: bool,
    /// The other side has this end's end.
    close_acked: bool,
    /// The other side takes bytes before this position.
    limit: u64,
    /// Bytes for the reader; the stream up to `received` is here or was read.
    input: VecDeque<u8>,
    received: u64,
    peer_closed: bool,
    /// What the other side was last told: acknowledgement and limit.
    told: (u64, u64),
    ack_at: Option<Mono>,
    rtt_ms: Option<u64>,
    carrier: Option<Carrier>,
    end: Option<End>,
    /// The other side is to be told of the end.
    last_word: bool,
}

impl Session {
    /// A session without a carrier. Both sides have the same `secret`.
    #[must_use]
    pub fn new(role: Role, secret: Secret) -> Self {
        Self {
            role,
            secret,
            carriers: 0,
            begun: false,
            asked: 0,
            out: VecDeque::new(),
            out_from: 0,
            next: 0,
            furthest: 0,
            closed: false,
            close_acked: false,
            limit: WINDOW_BYTES as u64,
            input: VecDeque::new(),
            received: 0,
            peer_closed: false,
            told: (0, WINDOW_BYTES as u64),
            ack_at: None,
            rtt_ms: None,
            carrier: None,
            end: None,
            last_word: false,
        }
    }

    // ---- the stream ----

    /// Takes bytes to send; returns how many, 0 while the other side has no room or after [`Session::close`].
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        if self.closed || self.end.is_some() {
            return 0;
        }
        let room = WINDOW_BYTES.saturating_sub(self.out.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.out.extend(taken);
        taken.len()
    }

    /// Hands out received bytes; `None` after the last one if no more will come.
    pub fn read(&mut self, into: &mut [u8]) -> Option<usize> {
        if self.input.is_empty() {
            return if self.peer_closed || self.end.is_some() { None } else { Some(0) };
        }
        let mut count = 0;
        for (to, from) in into.iter_mut().zip(self.input.iter()) {
            *to = *from;
            count += 1;
        }
        self.input.drain(..count);
        Some(count)
    }

    /// Whether [`Session::read`] has something to tell.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !self.input.is_empty() || self.peer_closed || self.end.is_some()
    }

    /// Whether [`Session::write`] takes something.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.out.len() < WINDOW_BYTES || self.closed || self.end.is_some()
    }

    /// Whether the other side has everything that was written.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.out.is_empty() || self.end.is_some()
    }

    /// Ends the outgoing stream; what was written is still delivered.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Whether [`Session::close`] was called.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Drops the session; the other side is told if a carrier is there.
    pub fn drop_session(&mut self) {
        if self.end.is_none() {
            self.end = Some(End::Dropped);
            self.last_word = self.carrier.is_some();
        }
    }

    /// Why the session is over, if it is and nothing is left to send.
    #[must_use]
    pub fn ended(&self) -> Option<End> {
        if self.last_word { None } else { self.end }
    }

    // ---- carriers ----

    /// Dialler: puts a fresh carrier under the session, in place of any other. `allowance` is what the listener may send on it, everything
    /// of the carrier counted.
    pub fn attach(&mut self, allowance: Option<u32>, now: Mono) {
        // What was under way on the last carrier goes again.
        self.next = self.out_from;
        // Until the listener was heard it may know nothing of the session.
        let (kind, opening) = if !self.begun {
            (Kind::New, Opening::New(self.secret.clone()))
        } else {
            (Kind::Resume, Opening::Resume(token(&self.secret, self.carriers)))
        };
        self.carriers = self.carriers.saturating_add(1);
        let payload = opening.encode(allowance.unwrap_or(0)).to_vec();
        let opening = Some(self.frame(kind, payload, 0));
        let bounded = allowance.is_some();
        self.carrier =
            Some(Carrier { heard: now, opening, waiting: Some(now), bounded, ..Carrier::default() });
    }

    /// Listener: puts the carrier under the session that `opening` came in on; `allowance` is what may still be sent on it.
    ///
    /// # Errors
    /// [`PeerFault::Bound`] if the opening acknowledges what was never sent; then nothing has changed.
    pub fn accept(&mut self, opening: &Frame, allowance: Option<u32>, now: Mono) -> Result<(), PeerFault> {
        if opening.ack > self.last_position() {
            return Err(PeerFault::Bound);
        }
        self.next = self.out_from;
        self.carrier = Some(Carrier { heard: now, allowance, greeted: true, ..Carrier::default() });
        self.on_ack(opening, now);
        // The dialler learns at once that its session is alive.
        self.ack_at = Some(now);
        Ok(())
    }

    /// One past the last position of the outgoing stream; its end counts as one.
    fn last_position(&self) -> u64 {
        self.out_from + self.out.len() as u64 + u64::from(self.closed)
    }

    /// The carrier is gone.
    pub fn detach(&mut self) {
        self.carrier = None;
        self.last_word = false;
    }

    /// Whether a carrier is attached.
    #[must_use]
    pub fn has_carrier(&self) -> bool {
        self.carrier.is_some()
    }

    /// Whether the other side has been heard on the attached carrier.
    #[must_use]
    pub fn is_greeted(&self) -> bool {
        self.carrier.as_ref().is_some_and(|carrier| carrier.greeted)
    }

    /// Bytes of frames sent on the attached carrier.
    #[must_use]
    pub fn carrier_bytes_out(&self) -> u64 {
        self.carrier.as_ref().map_or(0, |carrier| carrier.bytes_out)
    }

    /// Takes bytes that came in over the carrier.
    ///
    /// # Errors
    /// A [`PeerFault`] if they are not what the other side may send; the carrier must then be ended. The session is unharmed.
    pub fn received(&mut self, bytes: &[u8], now: Mono) -> Result<(), PeerFault> {
        let Some(carrier) = self.carrier.as_mut().filter(|_| self.end.is_none()) else { return Ok(()) };
        carrier.heard = now;
        let mut waiting = core::mem::take(&mut carrier.partial);
        waiting.extend_from_slice(bytes);
        let mut rest = &waiting[..];
        while let Some(class) = rest.first() {
            let Some((frame, after)) = rest.split_at_checked(Frame::size(*class)?) else { break };
            let frame = Frame::decode(frame)?;
            rest = after;
            self.on_frame(&frame, now)?;
            if self.end.is_some() {
                return Ok(());
            }
        }
        if let Some(carrier) = &mut self.carrier {
            carrier.partial = rest.to_vec();
        }
        Ok(())
    }

    fn on_frame(&mut self, frame: &Frame, now: Mono) -> Result<(), PeerFault> {
        match frame.kind {
            Kind::Data => {}
            Kind::Gone if self.role == Role::Dialler => {
                // A listener that had everything may forget a session before its last word arrived.
                let over = self.closed && self.peer_closed && self.out.is_empty();
                self.end = self.end.or(Some(if over { End::Closed } else { End::Gone }));
                return Ok(());
            }
            Kind::Reset => {
                self.end = self.end.or(Some(End::Gone));
                return Ok(());
            }
            // Openings are read before a session is found.
            Kind::New | Kind::Resume | Kind::Gone => return Err(PeerFault::Malformed),
        }
        // Everything is judged before anything is changed.
        if frame.ack > self.last_position() || frame.offset > self.received {
            return Err(PeerFault::Bound);
        }
        let skip = (self.received - frame.offset) as usize;
        let fresh = frame.payload.get(skip..).unwrap_or_default();
        if self.input.len() + fresh.len() > WINDOW_BYTES || (self.peer_closed && !fresh.is_empty()) {
            return Err(PeerFault::Bound);
        }
        self.on_ack(frame, now);
        self.input.extend(fresh);
        let before = self.received;
        self.received += fresh.len() as u64;
        let ends = frame.flags & FIN != 0 && frame.offset + frame.payload.len() as u64 == self.received;
        let new_end = ends && !self.peer_closed;
        self.peer_closed |= ends;
        self.begun = true;
        if let Some(carrier) = &mut self.carrier {
            carrier.greeted = true;
            carrier.expecting = frame.flags & MORE != 0;
            carrier.peer_spent |= frame.flags & SPENT != 0;
        }
        // A repetition must be acknowledged as well: its sender does not know better.
        if self.received != before || new_end || !frame.payload.is_empty() || frame.flags & FIN != 0 {
            let far = self.received - self.told.0 >= ACK_BYTES;
            let at = if far || new_end { now } else { now.after_ms(ACK_DELAY_MS) };
            self.ack_at = Some(self.ack_at.map_or(at, |before| before.min(at)));
        }
        if frame.flags & ASK != 0 {
            self.ack_at = Some(now);
        }
        if self.close_acked && self.peer_closed {
            // The other side learns it by this side's last acknowledgement, or by asking for a session that is gone.
            self.end = Some(End::Closed);
            self.last_word = true;
        }
        Ok(())
    }

    fn on_ack(&mut self, frame: &Frame, now: Mono) {
        let acked = frame.ack.saturating_sub(self.out_from).min(self.out.len() as u64);
        self.out.drain(..acked as usize);
        self.out_from += acked;
        self.next = self.next.max(self.out_from);
        self.close_acked |= self.closed && frame.ack > self.out_from + self.out.len() as u64;
        let window = u64::from(frame.window).min(WINDOW_BYTES as u64);
        self.limit = self.limit.max(frame.ack.saturating_add(window));
        let Some(carrier) = &mut self.carrier else { return };
        if let Some((position, sent)) = carrier.probe
            && self.out_from >= position
        {
            carrier.probe = None;
            let sample = now.0.saturating_sub(sent.0) / 1_000;
            self.rtt_ms = Some(self.rtt_ms.map_or(sample, |rtt| (rtt * 7 + sample) / 8));
        }
        let unanswered = self.next > self.out_from || (carrier.fin_sent && !self.close_acked);
        if !unanswered {
            carrier.waiting = None;
        }
        // Whatever comes starts the wait anew: [`Session::frozen_at`] counts from when the other side was last heard.
    }

    fn frame(&mut self, kind: Kind, payload: Vec<u8>, flags: u8) -> Frame {
        let window = WINDOW_BYTES.saturating_sub(self.input.len()) as u64;
        // The end counts as one position, so that it is acknowledged as well.
        let ack = self.received + u64::from(self.peer_closed);
        self.told = (self.received, self.received + window);
        self.ack_at = None;
        Frame { kind, flags, offset: self.next, ack, window: window as u32, payload }
    }

    /// The next frame to write to the carrier; `None` if there is nothing to send now.
    pub fn transmit(&mut self, now: Mono) -> Option<Vec<u8>> {
        let carrier = self.carrier.as_mut()?;
        if let Some(opening) = carrier.opening.take() {
            return Some(self.charge(&opening));
        }
        if core::mem::take(&mut self.last_word) {
            let closed = self.end == Some(End::Closed);
            let (kind, flags) = if closed { (Kind::Data, FIN) } else { (Kind::Reset, 0) };
            let frame = self.frame(kind, Vec::new(), flags);
            return Some(self.charge(&frame));
        }
        if self.end.is_some() {
            return None;
        }
        let ask = self.keep_at().is_some_and(|at| at <= now);
        let part = self.part();
        let sent = (self.next - self.out_from) as usize;
        let unsent = self.out.len().saturating_sub(sent);
        let room = self.limit.saturating_sub(self.next) as usize;
        let carrier = self.carrier.as_mut()?;
        let fin = self.closed && !self.close_acked && part == unsent && !carrier.blocked;
        let fin_due = fin && !carrier.fin_sent;
        let tell_spent = carrier.blocked && !carrier.told_spent;
        let opened = (WINDOW_BYTES - self.input.len()) as u64 + self.received;
        let window_due = opened.saturating_sub(self.told.1) >= (WINDOW_BYTES / 2) as u64;
        let ack_due = window_due || self.ack_at.is_some_and(|at| at <= now);
        if part == 0 && !fin_due && !ack_due && !tell_spent && !ask {
            return None;
        }
        if carrier.allowance.is_some_and(|left| left < 64 + RECORD_BYTES) {
            // Not even an acknowledgement: the dialler knows that the carrier is spent.
            self.ack_at = None;
            return None;
        }
        let mut flags = 0;
        if unsent > part && (carrier.blocked || room > part && part > 0) {
            flags |= MORE;
        }
        if fin {
            flags |= FIN;
            carrier.fin_sent = true;
        }
        if carrier.blocked {
            flags |= SPENT;
            carrier.told_spent = true;
        }
        if ask {
            flags |= ASK;
            self.asked = self.asked.wrapping_add(1);
        }
        if part > 0 || fin_due || ask {
            carrier.waiting.get_or_insert(now);
        }
        if part > 0 {
            carrier.probe.get_or_insert((self.next + part as u64, now));
        }
        let payload: Vec<u8> = self.out.iter().skip(sent).take(part).copied().collect();
        let frame = self.frame(Kind::Data, payload, flags);
        self.next += part as u64;
        self.furthest = self.furthest.max(self.next);
        Some(self.charge(&frame))
    }

    /// How many bytes of the stream the next frame carries; notes when the allowance forbids them.
    fn part(&mut self) -> usize {
        let sent = (self.next - self.out_from) as usize;
        let room = self.limit.saturating_sub(self.next) as usize;
        let waiting = self.out.len().saturating_sub(sent).min(room);
        let again = self.furthest - self.out_from.min(self.furthest);
        let Some(carrier) = &mut self.carrier else { return 0 };
        if !carrier.greeted && self.role == Role::Dialler && again > AGAIN_BYTES {
            // Most of it may have arrived; the listener's first word says how much.
            return 0;
        }
        let part = portion(waiting);
        let Some(allowance) = carrier.allowance else { return part };
        let left = allowance.saturating_sub(RESERVE_BYTES) as usize;
        let fits = |payload: usize| size_of(payload) + RECORD_BYTES as usize <= left;
        let filled = SIZES.iter().rev().map(|size| size - HEADER_BYTES);
        let allowed =
            if fits(part) { Some(part) } else { filled.filter(|size| *size < part).find(|size| fits(*size)) };
        // Too little is left for anything that may come next.
        carrier.blocked |= allowed.is_none() || left < SIZES[1] + RECORD_BYTES as usize;
        allowed.unwrap_or(0)
    }

    fn charge(&mut self, frame: &Frame) -> Vec<u8> {
        let bytes = frame.encode();
        if let Some(carrier) = &mut self.carrier {
            carrier.bytes_out += bytes.len() as u64;
            if let Some(left) = &mut carrier.allowance {
                *left = left.saturating_sub(bytes.len() as u32 + RECORD_BYTES);
            }
        }
        bytes
    }

    /// How long a carrier may owe an answer, milliseconds.
    fn patience_ms(&self) -> u64 {
        let (base, least, most) = PATIENCE_MS;
        if self.role == Role::Listener {
            return ABANDONED_MS;
        }
        let Some(rtt) = self.rtt_ms else { return most };
        (base + 4 * rtt).clamp(least, most)
    }

    fn frozen_at(&self) -> Option<Mono> {
        let carrier = self.carrier.as_ref().filter(|_| !self.is_spent())?;
        let since = match carrier.waiting {
            Some(since) => since.max(carrier.heard),
            None if carrier.expecting => carrier.heard,
            None => return None,
        };
        Some(since.after_ms(self.patience_ms()))
    }

    /// When a dialler asks for a sign of life, if nothing is heard before.
    fn keep_at(&self) -> Option<Mono> {
        let carrier = self.carrier.as_ref().filter(|carrier| carrier.greeted && carrier.waiting.is_none())?;
        let keeps = self.role == Role::Dialler && self.end.is_none() && !self.is_spent();
        keeps.then(|| carrier.heard.after_ms(KEEP_MS.0 + spread_ms(&self.secret, self.asked)))
    }

    fn is_spent(&self) -> bool {
        let spent =
            |carrier: &Carrier| carrier.peer_spent || (carrier.bounded && carrier.bytes_out > UPLOAD_BYTES);
        self.carrier.as_ref().is_some_and(spent)
    }

    /// Whether the other side has sent on the carrier what it may.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.carrier.as_ref().is_some_and(|carrier| carrier.peer_spent)
    }

    /// Whether the carrier is spent while the other side has more to send: the next one is as urgent as after a dead one.
    #[must_use]
    pub fn is_starved(&self) -> bool {
        self.carrier.as_ref().is_some_and(|carrier| carrier.peer_spent && carrier.expecting)
    }

    /// How the carrier does.
    #[must_use]
    pub fn verdict(&self, now: Mono) -> Verdict {
        if self.is_spent() {
            Verdict::Spent
        } else if self.frozen_at().is_some_and(|at| at <= now) {
            Verdict::Frozen
        } else {
            Verdict::Fine
        }
    }

    /// When [`Session::transmit`] or [`Session::verdict`] may have something new to say without any event.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Mono> {
        self.carrier.as_ref()?;
        self.ack_at.into_iter().chain(self.frozen_at()).chain(self.keep_at()).min()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({:?}, {} out, {} in)", self.role, self.out_from, self.received)
    }
}
