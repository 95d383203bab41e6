//! What relays gossip on a shard: a cell with the relay that took it in, the day, and that relay's signature (SPEC-relay §9).

use crate::cell::Cell;
use crate::crypto::{LocalSignKey, RemoteSignKey, SIGNATURE_BYTES};
use crate::error::PeerFault;
use crate::ids::{RelayId, first};
use crate::limits::SHARDS;

/// Version of the unit.
const VERSION: u8 = 0;
/// Bytes of the relay, the day and the signature.
pub(super) const SIGNED_BY_BYTES: usize = 16 + 4 + SIGNATURE_BYTES;
/// Bytes before the cell.
const HEAD: usize = 1 + 2 + SIGNED_BY_BYTES;
/// Longest unit.
pub const UNIT_BYTES_MAX: usize = HEAD + 61_440;
/// Context of the signature.
const LABEL: &str = "karvon/shard";
/// Days that the relays' clocks may differ.
pub(super) const DAYS_APART: u32 = 2;
/// Days for which cells are handed on.
pub(super) const DAYS_KEPT: u32 = 30 + DAYS_APART;

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
    /// The signature of that relay.
    pub signature: [u8; SIGNATURE_BYTES],
}

impl Unit {
    fn signed(shard: u16, relay: RelayId, day: u32, cell: &Cell) -> Vec<u8> {
        let hash = blake3::hash(cell.bytes());
        [&shard.to_be_bytes()[..], &relay.0, &day.to_be_bytes(), hash.as_bytes()].concat()
    }

    /// The unit of a cell that this relay took in.
    #[must_use]
    pub fn sign(shard: u16, relay: RelayId, day: u32, cell: Cell, key: &LocalSignKey) -> Self {
        let signature = key.sign(LABEL, &Self::signed(shard, relay, day, &cell));
        Self { shard, relay, day, cell, signature }
    }

    /// Relay, day and signature, as they lie in the store.
    #[must_use]
    pub(super) fn head(&self) -> [u8; SIGNED_BY_BYTES] {
        first(&[&self.relay.0[..], &self.day.to_be_bytes(), &self.signature].concat())
    }

    /// The unit of a cell with its [`Unit::head`].
    #[must_use]
    pub(super) fn with_head(shard: u16, head: &[u8; SIGNED_BY_BYTES], cell: Cell) -> Self {
        let (relay, rest) = head.split_at(16);
        let (day, signature) = rest.split_at(4);
        let day = u32::from_be_bytes(first(day));
        Self { shard, relay: RelayId(first(relay)), day, cell, signature: first(signature) }
    }

    /// The bytes that are gossiped.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD + self.cell.bytes().len());
        out.push(VERSION);
        out.extend_from_slice(&self.shard.to_be_bytes());
        out.extend_from_slice(&self.relay.0);
        out.extend_from_slice(&self.day.to_be_bytes());
        out.extend_from_slice(&self.signature);
        out.extend_from_slice(self.cell.bytes());
        out
    }

    /// Reads and verifies; `key_of` gives the static key of a relay, `today` is the own day, and the unit's day may be up to `back` days ago.
    ///
    /// # Errors
    /// [`PeerFault::Mismatch`] for a relay that is not known, [`PeerFault::Expired`] for a day too far away, else what is wrong with it.
    pub fn verify(
        input: &[u8],
        today: u32,
        back: u32,
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
        let signature = *reader.take::<SIGNATURE_BYTES>().ok_or(short)?;
        let unit = Self { shard, relay, day, cell: Cell::parse(reader.0.to_vec())?, signature };
        if shard >= SHARDS {
            return Err(PeerFault::Bound);
        }
        if day > today.saturating_add(DAYS_APART) || day.saturating_add(back) < today {
            return Err(PeerFault::Expired);
        }
        let key = key_of(relay).ok_or(PeerFault::Mismatch)?;
        RemoteSignKey(key).verify(LABEL, &Self::signed(shard, relay, day, &unit.cell), &unit.signature)?;
        Ok(unit)
    }
}
