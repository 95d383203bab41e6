//! Who of the contacts is on this network: datagrams in which a stranger sees random bytes only, and which are worthless when they are
//! sent again (SPEC §12.1).
//!
//! A datagram is *presence* (a nonce and noise) or an *answer* to one: a nonce of its own and, for each contact, a mark over both nonces.
//! Marks hold for the reader's present nonce alone, so no record of an earlier day makes a device show whom it knows.

use super::session::{self, Dialler, HELLO_MARK_BYTES, Taken};
use super::{LanKeys, NONCE_BYTES, Nonce, mark};
use crate::core::Mono;
use crate::engine::api::ContactId;
use crate::error::PeerFault;
use crate::ids::first;
use rand_core::CryptoRng;
use std::collections::BTreeMap;

/// Marks in one datagram; places that no contact needs hold random bytes.
pub const MARKS: usize = 64;
/// Bytes of a mark, and of the port that is hidden behind it.
const MARK_BYTES: usize = 8;
const ENTRY_BYTES: usize = MARK_BYTES + 2;
/// Bytes of every datagram.
pub const DATAGRAM_BYTES: usize = 2 * NONCE_BYTES + MARKS * ENTRY_BYTES;

/// A nonce is used for so long, milliseconds; the one before it is still answered to.
const NONCE_MS: u64 = 600_000;
/// The same presence is answered no more often than this, milliseconds: datagrams get lost.
const ANSWER_AGAIN_MS: u64 = 1_000;
/// Answers in a row, and the time after which there may be one more, milliseconds.
const ANSWERS: u64 = 16;
const ANSWER_MS: u64 = 250;
/// Nonces of others that are remembered.
const HEARD_MAX: usize = 256;

/// Kinds of marks.
const ANSWER: u8 = 1;
const HELLO: u8 = 2;

/// A contact was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Who.
    pub contact: ContactId,
    /// Where that device takes sessions: a port at the address the datagram came from.
    pub port: u16,
    /// That device's nonce.
    nonce: Nonce,
}

/// What a datagram leads to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// To be sent back to where it came from.
    pub answer: Option<Vec<u8>>,
    /// Who sent it.
    pub found: Vec<Found>,
}

/// One device on one network.
#[derive(Debug)]
pub struct Finder {
    keys: Vec<(ContactId, LanKeys)>,
    /// Where this device takes sessions.
    port: u16,
    nonce: Nonce,
    former: Option<Nonce>,
    born: Mono,
    /// Others' nonces, and when each was answered last.
    heard: BTreeMap<Nonce, Mono>,
    /// Answers that may be given now, and up to when that was counted.
    answers: u64,
    filled: Mono,
}

impl Finder {
    /// A device that takes sessions at `port`.
    #[must_use]
    pub fn new(port: u16, keys: Vec<(ContactId, LanKeys)>, rng: &mut dyn CryptoRng, now: Mono) -> Self {
        Self {
            keys,
            port,
            nonce: random(rng),
            former: None,
            born: now,
            heard: BTreeMap::new(),
            answers: ANSWERS,
            filled: now,
        }
    }

    /// Contacts have come or gone.
    pub fn set_keys(&mut self, keys: Vec<(ContactId, LanKeys)>) {
        self.keys = keys;
    }

    /// "Somebody is here", for everybody on the network.
    pub fn presence(&mut self, rng: &mut dyn CryptoRng, now: Mono) -> Vec<u8> {
        if now >= self.born.after_ms(NONCE_MS) {
            self.former = Some(core::mem::replace(&mut self.nonce, random(rng)));
            self.born = now;
        }
        let mut out = noise(rng);
        put(&mut out, 0, &self.nonce);
        out
    }

    /// Reads a datagram of whoever it may be.
    ///
    /// # Errors
    /// [`PeerFault::Length`]. Everything else of the right length may be a datagram.
    pub fn hear(&mut self, bytes: &[u8], rng: &mut dyn CryptoRng, now: Mono) -> Result<Heard, PeerFault> {
        let (theirs, mine, entries) = parse(bytes)?;
        let mut out = Heard::default();
        if self.is_own(&theirs) {
            return Ok(out);
        }
        let to_me = self.is_own(&mine);
        let before = self.heard.get(&theirs).copied();
        if to_me {
            let marks: BTreeMap<[u8; MARK_BYTES], [u8; 2]> = entries
                .iter()
                .map(|entry| (first(entry), first(entry.get(MARK_BYTES..).unwrap_or_default())))
                .collect();
            for (contact, keys) in &self.keys {
                let (mark, hidden) = entry(&keys.their, &mine, &theirs);
                if let Some(port) = marks.get(&mark) {
                    let port = u16::from_be_bytes(*port) ^ hidden;
                    if port != 0 {
                        out.found.push(Found { contact: *contact, port, nonce: theirs });
                    }
                }
            }
        }
        // An answer is answered only if its nonce is new, or two devices would answer each other for ever.
        let due = match before {
            None => true,
            Some(at) => !to_me && now >= at.after_ms(ANSWER_AGAIN_MS),
        };
        if due && !self.keys.is_empty() && self.may_answer(now) {
            if self.heard.len() >= HEARD_MAX
                && !self.heard.contains_key(&theirs)
                && let Some(oldest) = self.heard.iter().min_by_key(|(_, at)| **at).map(|(nonce, _)| *nonce)
            {
                self.heard.remove(&oldest);
            }
            self.heard.insert(theirs, now);
            out.answer = Some(self.answer(&theirs, rng));
        }
        Ok(out)
    }

    fn is_own(&self, nonce: &Nonce) -> bool {
        *nonce == self.nonce || self.former == Some(*nonce)
    }

    fn may_answer(&mut self, now: Mono) -> bool {
        let more = now.0.saturating_sub(self.filled.0) / (ANSWER_MS * 1_000);
        self.filled = self.filled.after_ms(more * ANSWER_MS);
        self.answers = self.answers.saturating_add(more).min(ANSWERS);
        let free = self.answers > 0;
        self.answers -= u64::from(free);
        free
    }

    /// Marks for as many contacts as have room, others each time: both sides answer, so one of two with few contacts is enough.
    fn answer(&self, theirs: &Nonce, rng: &mut dyn CryptoRng) -> Vec<u8> {
        let mut out = noise(rng);
        put(&mut out, 0, &self.nonce);
        put(&mut out, NONCE_BYTES, theirs);
        let mut places: Vec<usize> = (0..MARKS).collect();
        let mut chosen: Vec<usize> = (0..self.keys.len()).collect();
        for _ in 0..MARKS {
            let (Some(at), Some(whose)) = (pick(&mut places, rng), pick(&mut chosen, rng)) else { break };
            let Some((_, keys)) = self.keys.get(whose) else { break };
            let (mark, hidden) = entry(&keys.own, theirs, &self.nonce);
            let start = 2 * NONCE_BYTES + at * ENTRY_BYTES;
            put(&mut out, start, &mark);
            put(&mut out, start + MARK_BYTES, &(self.port ^ hidden).to_be_bytes());
        }
        out
    }

    /// Begins a session with a contact that was recognised: the bytes to send first.
    ///
    /// # Errors
    /// [`PeerFault::Mismatch`] if it is no contact any more.
    pub fn dial(&self, found: &Found, rng: &mut dyn CryptoRng) -> Result<(Dialler, Vec<u8>), PeerFault> {
        let keys = self.keys.iter().find(|(contact, _)| *contact == found.contact).map(|(_, keys)| keys);
        let keys = keys.ok_or(PeerFault::Mismatch)?;
        let salt = random(rng);
        let mark = mark(&keys.own, HELLO, [&found.nonce, &salt]);
        session::dial(&keys.psk, &found.nonce, &salt, &mark, rng)
    }

    /// Whoever has come is a contact that recognised this device, or nobody: nothing is to be sent to nobody.
    ///
    /// # Errors
    /// A [`PeerFault`].
    pub fn take(&self, hello: &[u8], rng: &mut dyn CryptoRng) -> Result<(ContactId, Taken), PeerFault> {
        let (salt, given) = session::open_hello(hello)?;
        for nonce in core::iter::once(&self.nonce).chain(&self.former) {
            for (contact, keys) in &self.keys {
                if mark(&keys.their, HELLO, [nonce, &salt]) == given {
                    return session::take(&keys.psk, nonce, &salt, hello, rng).map(|taken| (*contact, taken));
                }
            }
        }
        Err(PeerFault::Mismatch)
    }
}

/// Their nonce, the nonce they answer, and their marks.
fn parse(bytes: &[u8]) -> Result<(Nonce, Nonce, &[[u8; ENTRY_BYTES]]), PeerFault> {
    if bytes.len() != DATAGRAM_BYTES {
        return Err(PeerFault::Length);
    }
    let (theirs, rest) = bytes.split_first_chunk().ok_or(PeerFault::Length)?;
    let (mine, rest) = rest.split_first_chunk().ok_or(PeerFault::Length)?;
    Ok((*theirs, *mine, rest.as_chunks().0))
}

/// The mark for `reader` by the holder of `key`, and what hides the port behind it.
fn entry(key: &[u8; 32], reader: &Nonce, writer: &Nonce) -> ([u8; MARK_BYTES], u16) {
    let out: [u8; HELLO_MARK_BYTES] = mark(key, ANSWER, [reader, writer]);
    (first(&out), u16::from_be_bytes(first(out.get(MARK_BYTES..).unwrap_or_default())))
}

fn noise(rng: &mut dyn CryptoRng) -> Vec<u8> {
    let mut out = vec![0; DATAGRAM_BYTES];
    rng.fill_bytes(&mut out);
    out
}

fn random(rng: &mut dyn CryptoRng) -> Nonce {
    let mut out = [0; NONCE_BYTES];
    rng.fill_bytes(&mut out);
    out
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) {
        place.copy_from_slice(bytes);
    }
}

/// Takes one out, whichever.
fn pick(from: &mut Vec<usize>, rng: &mut dyn CryptoRng) -> Option<usize> {
    let length = from.len() as u64;
    (length > 0).then(|| from.swap_remove((rng.next_u64() % length) as usize))
}

#[cfg(test)]
#[path = "finder_tests.rs"]
mod tests;
