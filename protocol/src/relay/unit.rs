//! What relays gossip on a shard: a cell with the relay that took it in, the day, and that relay's signature (SPEC-relay §9).

use crate::cell::Cell;
use crate::crypto::{LocalSignKey, RemoteSignKey, SIGNATURE_BYTES};
use crate::error::PeerFault;
use crate::ids::RelayId;
use crate::limits::SHARDS;

/// Version of the unit.
const VERSION: u8 = 0;
/// Bytes before the cell.
const HEAD: usize = 1 + 2 + 16 + 4 + SIGNATURE_BYTES;
/// Longest unit.
pub const UNIT_BYTES_MAX: usize = HEAD + 61_440;
/// Context of the signature.
const LABEL: &str = "karvon/shard";
/// Days that the relays' clocks may differ.
const DAYS_APART: u32 = 2;

/// A cell on its way over a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The shard.
    pub shard: u16,
    /// The relay that took the cell in.
    pub relay: RelayId,
    /// Days since 1970 by that relay's clock.
    pub day: u32,
    /// The cell.
    pub cell: Cell,
}

impl Unit {
    fn signed(&self) -> Vec<u8> {
        let hash = blake3::hash(self.cell.bytes());
        [&self.shard.to_be_bytes()[..], &self.relay.0, &self.day.to_be_bytes(), hash.as_bytes()].concat()
    }

    /// The bytes that are gossiped.
    #[must_use]
    pub fn encode(&self, key: &LocalSignKey) -> Vec<u8> {
        let signature = key.sign(LABEL, &self.signed());
        let mut out = Vec::with_capacity(HEAD + self.cell.bytes().len());
        out.push(VERSION);
        out.extend_from_slice(&self.shard.to_be_bytes());
        out.extend_from_slice(&self.relay.0);
        out.extend_from_slice(&self.day.to_be_bytes());
        out.extend_from_slice(&signature);
        out.extend_from_slice(self.cell.bytes());
        out
    }

    /// Reads and verifies; `key_of` gives the static key of a relay, `today` is the own day.
    ///
    /// # Errors
    /// [`PeerFault::Mismatch`] for a relay that is not known, [`PeerFault::Expired`] for a day too far away, else what is wrong with it.
    pub fn verify(
        input: &[u8],
        today: u32,
        key_of: impl FnOnce(RelayId) -> Option<[u8; 32]>,
    ) -> Result<Self, PeerFault> {
        let mut reader = crate::crypto::fixed::Reader(input);
        let short = PeerFault::Length;
        if reader.u8().ok_or(short)? != VERSION {
            return Err(PeerFault::Version);
        }
        let shard = reader.u16().ok_or(short)?;
        let relay = RelayId(*reader.take::<16>().ok_or(short)?);
        let day = reader.u32().ok_or(short)?;
        let signature = reader.take::<SIGNATURE_BYTES>().ok_or(short)?;
        let unit = Self { shard, relay, day, cell: Cell::parse(reader.0.to_vec())? };
        if shard >= SHARDS {
            return Err(PeerFault::Bound);
        }
        if day.abs_diff(today) > DAYS_APART {
            return Err(PeerFault::Expired);
        }
        let key = key_of(relay).ok_or(PeerFault::Mismatch)?;
        RemoteSignKey(key).verify(LABEL, &unit.signed(), signature)?;
        Ok(unit)
    }
}
