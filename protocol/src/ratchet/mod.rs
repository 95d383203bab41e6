//! The Double Ratchet with header encryption (Signal, revision 3, §4), message keys salted by the header nonce (SPEC §6b, DESIGN P5).

mod message;
mod pq;
mod state;
#[cfg(test)]
mod tests;

use crate::cell::OUTER_BYTES;
use crate::crypto::{LocalDhKey, RemoteDhKey};
use crate::error::PeerFault;
use crate::limits::SKIP_MAX;
use message::{Header, SALT_BYTES, chain_step, free_room, open_body, root_step, seal_body};
use pq::{Piece, Pq};
use rand_core::CryptoRng;
use state::{Chain, Key, ReceiveChain, SendChain};
use std::collections::VecDeque;
use thiserror::Error;
use zeroize::Zeroizing;

pub(crate) use message::OVERHEAD_BYTES;

/// Finished receiving chains of which every message was opened: their header keys are kept to recognise repetitions.
const WHOLE_CHAINS_MAX: usize = 8;
/// Finished receiving chains in all. Where both sides talk at once each cell begins a chain, so that one which came late, by another
/// relay, may belong to a chain a hundred turns ago: those that still miss a message stay.
const OLD_CHAINS_MAX: usize = 250;

/// Why a payload could not be sealed; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SealError {
    /// Longer than the class holds.
    #[error("longer than the cell holds")]
    TooLong,
    /// The tag is of another class, was forgotten, or lies too far ahead.
    #[error("no such tag")]
    Tag,
    /// 2^32 cells went out without an answer.
    #[error("the chain is at its end")]
    Exhausted,
}

/// The state of one ratchet. A new sending chain starts with the first cell sealed after a new key of the other side came in, so opening
/// needs no randomness.
#[derive(Clone)]
pub(crate) struct Ratchet {
    /// Second transcript hash of the handshake: associated data of every message.
    bound: [u8; 32],
    root: Key,
    /// Own current ratchet key, and its public half.
    own: Key,
    own_public: RemoteDhKey,
    /// The other side's newest ratchet key.
    theirs: Option<RemoteDhKey>,
    send: Option<SendChain>,
    /// Header key of the sending chain after the current one.
    next_send_header: Key,
    /// Messages sealed in the current sending chain.
    sent: u32,
    /// Messages sealed in the one before it.
    previous: u32,
    receive: Option<ReceiveChain>,
    /// Header key of the receiving chain after the current one.
    next_receive_header: Key,
    /// Finished receiving chains, oldest first.
    old: VecDeque<Chain>,
    /// The post-quantum half.
    pq: Pq,
    /// What the next chain begins with, if it was worked out beforehand; never stored.
    ready: Option<Ready>,
}

/// A fresh own key, agreed with a key of the other side.
#[derive(Clone)]
struct Ready {
    theirs: RemoteDhKey,
    own: Key,
    public: RemoteDhKey,
    shared: Key,
}

impl Ready {
    fn new(theirs: RemoteDhKey, rng: &mut dyn CryptoRng) -> Option<Self> {
        let own = LocalDhKey::generate(rng);
        let shared = own.agree(&theirs).ok()?;
        Some(Self { theirs, public: own.public(), own: own.to_bytes(), shared })
    }
}

/// Which chain a header belongs to.
enum Place {
    Current,
    Next,
    Old(usize),
}

impl Ratchet {
    /// The side that sends first, to a responder whose first ratchet key is `theirs`.
    pub(crate) fn initiator(
        bound: &[u8; 32],
        shared: &[u8; 32],
        theirs: &RemoteDhKey,
        header: &[u8; 32],
        answer_header: &[u8; 32],
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, PeerFault> {
        let own = LocalDhKey::generate(rng);
        let step = root_step(shared, &*own.agree(theirs)?, &[0; 32]);
        Ok(Self {
            bound: *bound,
            root: step.root,
            own_public: own.public(),
            own: own.to_bytes(),
            theirs: Some(*theirs),
            send: Some(SendChain { header: Zeroizing::new(*header), key: step.chain, mix: 0 }),
            next_send_header: step.next_header,
            sent: 0,
            previous: 0,
            receive: None,
            next_receive_header: Zeroizing::new(*answer_header),
            old: VecDeque::new(),
            pq: Pq::new(true),
            ready: None,
        })
    }

    /// The side that is written to first, under its key `own`.
    pub(crate) fn responder(
        bound: &[u8; 32],
        shared: &[u8; 32],
        own: &LocalDhKey,
        header: &[u8; 32],
        answer_header: &[u8; 32],
    ) -> Self {
        Self {
            bound: *bound,
            root: Zeroizing::new(*shared),
            own_public: own.public(),
            own: own.to_bytes(),
            theirs: None,
            send: None,
            next_send_header: Zeroizing::new(*answer_header),
            sent: 0,
            previous: 0,
            receive: None,
            next_receive_header: Zeroizing::new(*header),
            old: VecDeque::new(),
            pq: Pq::new(false),
            ready: None,
        }
    }

    /// `salt 24 | sealed header 64 | sealed body`, together `room` bytes, for `payload` of at most `room - OVERHEAD_BYTES` bytes.
    pub(crate) fn seal(
        &mut self,
        outer: &[u8; OUTER_BYTES],
        payload: &[u8],
        room: usize,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, SealError> {
        if payload.len() > room.saturating_sub(OVERHEAD_BYTES) || payload.len() > usize::from(u16::MAX) {
            return Err(SealError::TooLong);
        }
        if self.send.is_none() {
            self.begin_chain(rng)?;
        }
        let chain = self.send.as_mut().ok_or(SealError::Exhausted)?;
        let number = self.sent;
        let after = number.checked_add(1).ok_or(SealError::Exhausted)?;
        let piece = self.pq.piece(free_room(payload, room), rng).as_ref().map(Piece::encode);
        let header = Header {
            key: self.own_public,
            previous: self.previous,
            number,
            mix: chain.mix,
            ack: self.pq.done(),
        };
        let (message_key, next) = chain_step(&chain.key);
        let mut salt = [0; SALT_BYTES];
        rng.fill_bytes(&mut salt);
        let sealed_header = header.seal(&chain.header, &salt, outer);
        let piece = piece.unwrap_or_default();
        let body = seal_body(&message_key, &salt, &self.bound, &sealed_header, payload, &piece, room);
        chain.key = next;
        self.sent = after;
        Ok([&salt[..], &sealed_header, &body].concat())
    }

    /// Works out what the next cell to seal will need, while nobody waits for it. Nothing of it is in the cells sealed so far, so it may
    /// be lost.
    pub(crate) fn prepare(&mut self, rng: &mut dyn CryptoRng) {
        if let Some(theirs) = self.theirs.filter(|_| self.send.is_none())
            && self.ready.as_ref().is_none_or(|ready| ready.theirs != theirs)
        {
            self.ready = Ready::new(theirs, rng);
        }
        self.pq.prepare(rng);
    }

    /// The sending half of a Diffie-Hellman step: a fresh own key against the newest one of the other side.
    fn begin_chain(&mut self, rng: &mut dyn CryptoRng) -> Result<(), SealError> {
        // A responder opens the greeting before it is handed out, and opening refuses weak keys: neither error occurs.
        let theirs = self.theirs.ok_or(SealError::Exhausted)?;
        let ready = self.ready.take().filter(|ready| ready.theirs == theirs);
        let ready = ready.or_else(|| Ready::new(theirs, rng)).ok_or(SealError::Exhausted)?;
        let (mix, secret) = self.pq.mix();
        let step = root_step(&self.root, &ready.shared, &secret);
        let header = core::mem::replace(&mut self.next_send_header, step.next_header);
        self.root = step.root;
        (self.own, self.own_public) = (ready.own, ready.public);
        self.send = Some(SendChain { header, key: step.chain, mix });
        self.previous = self.sent;
        self.sent = 0;
        Ok(())
    }

    /// Opens `message` (everything after the outer bytes). All work is done on a copy, kept only if the body authenticates.
    pub(crate) fn open(
        &mut self,
        outer: &[u8; OUTER_BYTES],
        message: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, PeerFault> {
        let (salt, rest) = message.split_first_chunk().ok_or(PeerFault::Length)?;
        let (sealed_header, body) = rest.split_first_chunk().ok_or(PeerFault::Length)?;
        let (place, header) = self.place(|key| Header::open(key, salt, outer, sealed_header))?;
        let mut copy = self.clone();
        let key = match place {
            Place::Current => copy.receive.as_mut().ok_or(PeerFault::Decrypt)?.key(&header)?,
            Place::Next => copy.turn(&header)?,
            Place::Old(at) => copy
                .old
                .get_mut(at)
                .and_then(|chain| chain.skipped.remove(&header.number))
                .map(|skipped| skipped.key)
                .ok_or(PeerFault::Replay)?,
        };
        let (payload, piece) = open_body(&key, salt, &self.bound, sealed_header, body)?;
        copy.pq.on_message(header.ack, piece);
        copy.trim();
        *self = copy;
        Ok(payload)
    }

    /// Gives up keys of messages that were passed over too long ago; `today` is in days since 1970. Whether anything changed that has to
    /// be stored for its own sake.
    pub(crate) fn age(&mut self, today: u16) -> bool {
        let current = self.receive.as_mut().map(|receive| &mut receive.chain);
        let chains = self.old.iter_mut().chain(current);
        let changed = chains.fold(false, |changed, chain| chain.age(today) | changed);
        if changed {
            self.trim();
        }
        changed
    }

    /// The newest post-quantum epoch in the root key.
    pub(crate) const fn pq_epoch(&self) -> u32 {
        self.pq.mixed()
    }

    /// The chain whose header key opens the header.
    fn place(&self, open: impl Fn(&Key) -> Result<Header, PeerFault>) -> Result<(Place, Header), PeerFault> {
        let current = self.receive.iter().map(|chain| (Place::Current, &chain.chain.header));
        let next = core::iter::once((Place::Next, &self.next_receive_header));
        let old = self.old.iter().enumerate().rev().map(|(at, chain)| (Place::Old(at), &chain.header));
        for (place, key) in current.chain(next).chain(old) {
            match open(key) {
                Err(PeerFault::Decrypt) => (),
                opened => return opened.map(|header| (place, header)),
            }
        }
        Err(PeerFault::Decrypt)
    }

    /// The receiving half of a Diffie-Hellman step, and the key of the message that brought it.
    fn turn(&mut self, header: &Header) -> Result<Key, PeerFault> {
        if let Some(mut finished) = self.receive.take() {
            finished.skip_to(header.previous)?;
            self.old.push_back(finished.chain);
        }
        let shared = LocalDhKey::from_bytes(&self.own).agree(&header.key)?;
        let secret = self.pq.mix_of(header.mix)?;
        let step = root_step(&self.root, &shared, &secret);
        self.root = step.root;
        let chain_header = core::mem::replace(&mut self.next_receive_header, step.next_header);
        self.theirs = Some(header.key);
        self.send = None;
        self.receive
            .insert(ReceiveChain {
                chain: Chain::new(chain_header),
                theirs: header.key,
                key: step.chain,
                next: 0,
                mix: header.mix,
            })
            .key(header)
    }

    /// Gives up what lies beyond the bounds, oldest first.
    fn trim(&mut self) {
        let whole = self.old.iter().filter(|chain| chain.skipped.is_empty()).count();
        let mut surplus = whole.saturating_sub(WHOLE_CHAINS_MAX);
        self.old.retain(|chain| {
            let goes = surplus > 0 && chain.skipped.is_empty();
            surplus -= usize::from(goes);
            !goes
        });
        while self.old.len() > OLD_CHAINS_MAX {
            self.old.pop_front();
        }
        let current = self.receive.as_mut().map(|receive| &mut receive.chain);
        let mut chains: Vec<_> = self.old.iter_mut().chain(current).collect();
        let mut excess =
            chains.iter().map(|chain| chain.skipped.len()).sum::<usize>().saturating_sub(SKIP_MAX as usize);
        for chain in &mut chains {
            while excess > 0 && chain.skipped.pop_first().is_some() {
                excess -= 1;
            }
        }
    }
}
