//! Deterministic CBOR maps with integer keys (RFC 8949 §4.2): unknown fields survive a round trip, critical ones stop it (DESIGN P2).

use crate::error::PeerFault;
use crate::limits::CBOR_ITEMS_MAX;
use minicbor::{Decoder, Encoder};
use std::collections::BTreeMap;

/// Keys from here on must be understood.
pub const CRITICAL: u64 = 0x8000;

/// Fields of a map that this program does not know, each with its CBOR bytes, kept for re-encoding.
pub type Extra = BTreeMap<u64, Vec<u8>>;

/// Writes one map; fields come out in ascending order of their keys, whatever the order of the calls.
#[derive(Debug, Default)]
pub struct MapWriter {
    fields: BTreeMap<u64, Vec<u8>>,
}

impl MapWriter {
    /// A map that starts with the fields a newer program put there.
    #[must_use]
    pub fn with(extra: &Extra) -> Self {
        Self { fields: extra.clone() }
    }

    /// Adds a field whose value is already CBOR.
    pub fn raw(&mut self, key: u64, cbor: Vec<u8>) -> &mut Self {
        self.fields.insert(key, cbor);
        self
    }

    /// Adds an unsigned integer.
    pub fn uint(&mut self, key: u64, value: u64) -> &mut Self {
        self.raw(key, uint(value))
    }

    /// Adds a byte string.
    pub fn bytes(&mut self, key: u64, value: &[u8]) -> &mut Self {
        self.raw(key, bytes(value))
    }

    /// Adds a text.
    pub fn text(&mut self, key: u64, value: &str) -> &mut Self {
        self.raw(key, encoded(|encoder| drop(encoder.str(value))))
    }

    /// Adds an array of values that are already CBOR.
    pub fn array(&mut self, key: u64, items: &[Vec<u8>]) -> &mut Self {
        self.raw(key, array(items))
    }

    /// The bytes of the map.
    #[must_use]
    pub fn finish(&self) -> Vec<u8> {
        let mut out = encoded(|encoder| drop(encoder.map(self.fields.len() as u64)));
        for (key, value) in &self.fields {
            out.extend_from_slice(&uint(*key));
            out.extend_from_slice(value);
        }
        out
    }
}

fn encoded(write: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing into a Vec can not fail.
    write(&mut Encoder::new(&mut out));
    out
}

/// CBOR of an unsigned integer.
#[must_use]
pub fn uint(value: u64) -> Vec<u8> {
    encoded(|encoder| drop(encoder.u64(value)))
}

/// CBOR of a byte string.
#[must_use]
pub fn bytes(value: &[u8]) -> Vec<u8> {
    encoded(|encoder| drop(encoder.bytes(value)))
}

/// CBOR of an array of values that are already CBOR.
#[must_use]
pub fn array(items: &[Vec<u8>]) -> Vec<u8> {
    let mut out = encoded(|encoder| drop(encoder.array(items.len() as u64)));
    items.iter().for_each(|item| out.extend_from_slice(item));
    out
}

/// Reads a field's value.
#[derive(Debug)]
pub struct Field<'a>(Decoder<'a>);

impl<'a> Field<'a> {
    /// An unsigned integer.
    ///
    /// # Errors
    /// [`PeerFault::Malformed`].
    pub fn uint(&mut self) -> Result<u64, PeerFault> {
        self.0.u64().map_err(|_| PeerFault::Malformed)
    }

    /// A byte string of at most `max` bytes.
    ///
    /// # Errors
    /// [`PeerFault::Malformed`].
    pub fn bytes(&mut self, max: usize) -> Result<&'a [u8], PeerFault> {
        self.0.bytes().ok().filter(|bytes| bytes.len() <= max).ok_or(PeerFault::Malformed)
    }

    /// A byte string of exactly `N` bytes.
    ///
    /// # Errors
    /// [`PeerFault::Malformed`].
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], PeerFault> {
        self.bytes(N)?.try_into().map_err(|_| PeerFault::Malformed)
    }

    /// A text of at most `max` bytes.
    ///
    /// # Errors
    /// [`PeerFault::Malformed`].
    pub fn text(&mut self, max: usize) -> Result<&'a str, PeerFault> {
        self.0.str().ok().filter(|text| text.len() <= max).ok_or(PeerFault::Malformed)
    }

    /// An array of at most `max` items, each read by `item`.
    ///
    /// # Errors
    /// [`PeerFault::Malformed`], or what `item` returns.
    pub fn array<T>(
        &mut self,
        max: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, PeerFault>,
    ) -> Result<Vec<T>, PeerFault> {
        let count = self.0.array().ok().flatten().ok_or(PeerFault::Malformed)?;
        if count > max.min(CBOR_ITEMS_MAX) as u64 {
            return Err(PeerFault::Bound);
        }
        (0..count).map(|_| item(self)).collect()
    }

    /// The CBOR bytes of the value, whatever it is.
    ///
    /// # Errors
    /// [`PeerFault::Malformed`].
    pub fn raw(&mut self) -> Result<&'a [u8], PeerFault> {
        let start = self.0.position();
        self.0.skip().map_err(|_| PeerFault::Malformed)?;
        self.0.input().get(start..self.0.position()).ok_or(PeerFault::Malformed)
    }
}

/// Reads one map that fills `input`: calls `known` for each field in order; `known` returns `false` for a key it does not know.
///
/// # Errors
/// [`PeerFault::Malformed`] or [`PeerFault::NotCanonical`] for wrong form, [`PeerFault::UnknownCritical`] for a critical field that
/// `known` does not know, or what `known` returns. The caller must still re-encode and compare (see [`canonical`]).
pub fn read_map<'a>(
    input: &'a [u8],
    mut known: impl FnMut(u64, &mut Field<'a>) -> Result<bool, PeerFault>,
) -> Result<Extra, PeerFault> {
    let mut field = Field(Decoder::new(input));
    let count = field.0.map().ok().flatten().ok_or(PeerFault::Malformed)?;
    if count > CBOR_ITEMS_MAX as u64 {
        return Err(PeerFault::Bound);
    }
    let mut extra = Extra::new();
    let mut last = None;
    for _ in 0..count {
        let key = field.uint()?;
        if last.is_some_and(|last| key <= last) {
            return Err(PeerFault::NotCanonical);
        }
        last = Some(key);
        if !known(key, &mut field)? {
            if key >= CRITICAL {
                return Err(PeerFault::UnknownCritical);
            }
            extra.insert(key, field.raw()?.to_vec());
        }
    }
    if field.0.position() == input.len() { Ok(extra) } else { Err(PeerFault::Length) }
}

/// Accepts a decoded value only if it encodes to the very bytes it was read from.
///
/// # Errors
/// [`PeerFault::NotCanonical`].
pub fn canonical<T>(input: &[u8], value: T, encode: impl FnOnce(&T) -> Vec<u8>) -> Result<T, PeerFault> {
    if encode(&value) == input { Ok(value) } else { Err(PeerFault::NotCanonical) }
}
