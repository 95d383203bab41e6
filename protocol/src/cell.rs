//! The cell: the one unit that is stored, forwarded and gossiped, in three sizes that look alike from outside (SPEC §2).

use crate::error::PeerFault;
use crate::ids::{CellHash, Tag, first};
use core::fmt;

/// Major version of the cell format, the upper four bits of the first byte.
pub const VERSION: u8 = 0;
/// Bytes before the encrypted part: version and class, tag, time-to-live class.
pub const OUTER_BYTES: usize = 1 + Tag::LEN + 1;

/// Size class of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// 2,048 bytes.
    S = 0,
    /// 16,384 bytes.
    M = 1,
    /// 61,440 bytes.
    L = 2,
}

impl Class {
    /// All classes, smallest first.
    pub const ALL: [Self; 3] = [Self::S, Self::M, Self::L];

    /// Size of a cell of this class in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::S => 2_048,
            Self::M => 16_384,
            Self::L => 61_440,
        }
    }

    /// The class with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::S),
            1 => Some(Self::M),
            2 => Some(Self::L),
            _ => None,
        }
    }
}

/// A cell with a well-formed outside; what is inside only its recipient can tell.
#[derive(Clone, PartialEq, Eq)]
pub struct Cell(Box<[u8]>);

impl Cell {
    /// Checks size, version and class of `bytes`.
    ///
    /// # Errors
    /// [`PeerFault::Length`], [`PeerFault::Version`] or [`PeerFault::Malformed`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self, PeerFault> {
        let head = *bytes.first().ok_or(PeerFault::Length)?;
        if head >> 4 != VERSION {
            return Err(PeerFault::Version);
        }
        let class = Class::from_number(head & 0x0f).ok_or(PeerFault::Malformed)?;
        if bytes.len() != class.bytes() {
            return Err(PeerFault::Length);
        }
        Ok(Self(bytes.into_boxed_slice()))
    }

    /// The first bytes of a cell: version and class, tag, time-to-live class (0: 30 days).
    #[must_use]
    pub fn outer(class: Class, tag: &Tag, ttl: u8) -> [u8; OUTER_BYTES] {
        let mut out = [0; OUTER_BYTES];
        let bytes = core::iter::once(VERSION << 4 | class as u8).chain(tag.0).chain([ttl]);
        for (to, from) in out.iter_mut().zip(bytes) {
            *to = from;
        }
        out
    }

    /// Size class.
    #[must_use]
    pub fn class(&self) -> Class {
        self.0.first().and_then(|head| Class::from_number(head & 0x0f)).unwrap_or(Class::S)
    }

    /// The one-time routing label.
    #[must_use]
    pub fn tag(&self) -> Tag {
        Tag(first(self.0.get(1..).unwrap_or_default()))
    }

    /// The whole cell.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// First half of BLAKE3 over the whole cell.
    #[must_use]
    pub fn hash(&self) -> CellHash {
        CellHash(first(blake3::hash(&self.0).as_bytes()))
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cell({:?}, {:?})", self.class(), self.tag())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outside_of_a_cell_is_checked() {
        let mut bytes = vec![0xaa; Class::M.bytes()];
        bytes[..OUTER_BYTES].copy_from_slice(&Cell::outer(Class::M, &Tag([7; 16]), 0));
        let cell = Cell::parse(bytes.clone()).unwrap();
        assert_eq!((cell.class(), cell.tag()), (Class::M, Tag([7; 16])));
        assert_eq!(Cell::parse(bytes[..9].to_vec()), Err(PeerFault::Length));
        bytes[0] = 0x11;
        assert_eq!(Cell::parse(bytes.clone()), Err(PeerFault::Version));
        bytes[0] = 0x03;
        assert_eq!(Cell::parse(bytes), Err(PeerFault::Malformed));
        assert_eq!(Cell::parse(Vec::new()), Err(PeerFault::Length));
    }
}
