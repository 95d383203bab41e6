//! The chains of a ratchet and how its state is stored.

use super::message::{Header, chain_step};
use super::pq::Pq;
use super::{OLD_CHAINS_MAX, Ratchet};
use crate::crypto::fixed::Reader;
use crate::crypto::{LocalDhKey, RemoteDhKey};
use crate::error::PeerFault;
use crate::limits::{SKIP_MAX, SKIPPED_KEEP_DAYS};
use std::collections::{BTreeMap, VecDeque};
use zeroize::Zeroizing;

/// A secret of 32 bytes.
pub(super) type Key = Zeroizing<[u8; 32]>;

#[derive(Clone)]
pub(super) struct SendChain {
    pub(super) header: Key,
    pub(super) key: Key,
    /// The post-quantum epoch that it mixed, or 0.
    pub(super) mix: u32,
}

/// The key of a message that was passed over.
#[derive(Clone)]
pub(super) struct Skipped {
    /// Since when it is kept, days since 1970; 0 until that is known.
    pub(super) day: u16,
    pub(super) key: Key,
}

/// The header key of a receiving chain and the message keys that were passed over.
#[derive(Clone)]
pub(super) struct Chain {
    pub(super) header: Key,
    pub(super) skipped: BTreeMap<u32, Skipped>,
}

impl Chain {
    pub(super) const fn new(header: Key) -> Self {
        Self { header, skipped: BTreeMap::new() }
    }

    /// Notes since when keys are kept and gives up those that are too old; whether anything that is not new changed.
    pub(super) fn age(&mut self, today: u16) -> bool {
        let mut changed = false;
        for skipped in self.skipped.values_mut().filter(|skipped| skipped.day == 0 || skipped.day > today) {
            // A day that is still to come was noted by a clock that ran ahead.
            changed |= skipped.day != 0;
            skipped.day = today;
        }
        let before = self.skipped.len();
        self.skipped.retain(|_, skipped| today - skipped.day < SKIPPED_KEEP_DAYS);
        changed | (self.skipped.len() < before)
    }
}

/// The receiving chain that still grows.
#[derive(Clone)]
pub(super) struct ReceiveChain {
    pub(super) chain: Chain,
    /// The ratchet key that began it.
    pub(super) theirs: RemoteDhKey,
    pub(super) key: Key,
    /// Number of the next message whose key was not derived yet.
    pub(super) next: u32,
    /// The post-quantum epoch that it mixed, or 0.
    pub(super) mix: u32,
}

impl ReceiveChain {
    /// Stores the keys of the messages before `number`.
    pub(super) fn skip_to(&mut self, number: u32) -> Result<(), PeerFault> {
        if number.checked_sub(self.next).ok_or(PeerFault::Malformed)? > SKIP_MAX {
            return Err(PeerFault::Bound);
        }
        while self.next < number {
            let (key, after) = chain_step(&self.key);
            self.chain.skipped.insert(self.next, Skipped { day: 0, key });
            self.key = after;
            self.next += 1;
        }
        Ok(())
    }

    /// The key of the message with `header`.
    pub(super) fn key(&mut self, header: &Header) -> Result<Key, PeerFault> {
        if header.key != self.theirs || header.mix != self.mix {
            return Err(PeerFault::Malformed);
        }
        if header.number < self.next {
            let skipped = self.chain.skipped.remove(&header.number).ok_or(PeerFault::Replay)?;
            return Ok(skipped.key);
        }
        let after_it = header.number.checked_add(1).ok_or(PeerFault::Bound)?;
        self.skip_to(header.number)?;
        let (key, after) = chain_step(&self.key);
        self.key = after;
        self.next = after_it;
        Ok(key)
    }
}

const HAS_THEIRS: u8 = 1;
const HAS_SEND: u8 = 2;
const HAS_RECEIVE: u8 = 4;

fn write_chain(out: &mut Vec<u8>, chain: &Chain) {
    out.extend_from_slice(&chain.header[..]);
    out.extend_from_slice(&(chain.skipped.len() as u16).to_be_bytes());
    for (number, skipped) in &chain.skipped {
        out.extend_from_slice(&number.to_be_bytes());
        out.extend_from_slice(&skipped.day.to_be_bytes());
        out.extend_from_slice(&skipped.key[..]);
    }
}

fn read_key(reader: &mut Reader<'_>) -> Option<Key> {
    reader.take().map(|key| Zeroizing::new(*key))
}

fn read_chain(reader: &mut Reader<'_>) -> Option<Chain> {
    let mut chain = Chain::new(read_key(reader)?);
    for _ in 0..reader.u16()? {
        let number = reader.u32()?;
        // Ascending order is the one form.
        if chain.skipped.last_key_value().is_some_and(|(last, _)| *last >= number) {
            return None;
        }
        chain.skipped.insert(number, Skipped { day: reader.u16()?, key: read_key(reader)? });
    }
    Some(chain)
}

impl Ratchet {
    /// `bound 32 | root 32 | own key 32 | next send header 32 | next receive header 32 | sent 4 | previous 4 | what follows 1`, then those
    /// that are there of `their key 32`, `send header 32, chain 32, mix 4`, `their key 32, chain 32, next 4, mix 4, chain record`, then `count 1`
    /// and chain records of old chains, then the post-quantum half. A chain record is `header 32 | count 2 | (number 4, day 2, message key 32)…`.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let chains = self.old.iter().chain(self.receive.as_ref().map(|receive| &receive.chain));
        // The exact room beforehand, so that growing leaves no copy of a secret behind.
        let room = 512 + Pq::ENCODED_MAX + chains.map(|chain| 34 + 38 * chain.skipped.len()).sum::<usize>();
        let mut out = Zeroizing::new(Vec::with_capacity(room));
        out.extend_from_slice(&self.bound);
        for key in [&self.root, &self.own, &self.next_send_header, &self.next_receive_header] {
            out.extend_from_slice(&key[..]);
        }
        out.extend_from_slice(&self.sent.to_be_bytes());
        out.extend_from_slice(&self.previous.to_be_bytes());
        let mut follows = 0;
        follows |= if self.theirs.is_some() { HAS_THEIRS } else { 0 };
        follows |= if self.send.is_some() { HAS_SEND } else { 0 };
        follows |= if self.receive.is_some() { HAS_RECEIVE } else { 0 };
        out.push(follows);
        if let Some(theirs) = &self.theirs {
            out.extend_from_slice(&theirs.0);
        }
        if let Some(send) = &self.send {
            out.extend_from_slice(&send.header[..]);
            out.extend_from_slice(&send.key[..]);
            out.extend_from_slice(&send.mix.to_be_bytes());
        }
        if let Some(receive) = &self.receive {
            out.extend_from_slice(&receive.theirs.0);
            out.extend_from_slice(&receive.key[..]);
            out.extend_from_slice(&receive.next.to_be_bytes());
            out.extend_from_slice(&receive.mix.to_be_bytes());
            write_chain(&mut out, &receive.chain);
        }
        out.push(self.old.len() as u8);
        self.old.iter().for_each(|chain| write_chain(&mut out, chain));
        self.pq.encode(&mut out);
        debug_assert!(out.len() <= room);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let reader = &mut Reader(bytes);
        let bound = *reader.take()?;
        let (root, own) = (read_key(reader)?, read_key(reader)?);
        let (next_send_header, next_receive_header) = (read_key(reader)?, read_key(reader)?);
        let (sent, previous) = (reader.u32()?, reader.u32()?);
        let follows = reader.u8()?;
        if follows > HAS_THEIRS | HAS_SEND | HAS_RECEIVE {
            return None;
        }
        let mut theirs = None;
        if follows & HAS_THEIRS != 0 {
            theirs = Some(RemoteDhKey(*reader.take()?));
        }
        let mut send = None;
        if follows & HAS_SEND != 0 {
            send = Some(SendChain { header: read_key(reader)?, key: read_key(reader)?, mix: reader.u32()? });
        }
        let mut receive = None;
        if follows & HAS_RECEIVE != 0 {
            let (theirs, key, next) = (RemoteDhKey(*reader.take()?), read_key(reader)?, reader.u32()?);
            let mix = reader.u32()?;
            receive = Some(ReceiveChain { chain: read_chain(reader)?, theirs, key, next, mix });
        }
        let count = usize::from(reader.u8()?);
        if count > OLD_CHAINS_MAX {
            return None;
        }
        let old = (0..count).map(|_| read_chain(reader)).collect::<Option<VecDeque<_>>>()?;
        let pq = Pq::decode(reader)?;
        reader.end()?;
        Some(Self {
            bound,
            root,
            own_public: LocalDhKey::from_bytes(&own).public(),
            own,
            theirs,
            send,
            next_send_header,
            sent,
            previous,
            receive,
            next_receive_header,
            old,
            pq,
            ready: None,
        })
    }
}
