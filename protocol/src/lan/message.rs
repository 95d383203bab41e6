//! What two contacts on one network say to each other: a cell, or what became of cells (SPEC §12.3).

use crate::cell::{Cell, Class};
use crate::error::PeerFault;
use crate::ids::first;

/// Bytes of a unit inside the encryption: a small cell takes two.
pub const PLAIN_BYTES: usize = 1_072;
/// Cells that one [`Message::Had`] names at the most.
pub const HAD_MAX: usize = 128;

/// Kinds of a cell are 1 to 3, by its class.
const HAD: u8 = 4;

/// A message of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A cell for the other side.
    Cell {
        /// What its author calls it in this session.
        number: u64,
        /// Its bytes.
        cell: Cell,
    },
    /// These are durable here; also sent to show that one is there.
    Had {
        /// The author's tags below this index are expected here.
        room: u64,
        /// Cells of the other side, at most [`HAD_MAX`].
        numbers: Vec<u64>,
    },
}

impl Message {
    /// One form, padded with zeros to a whole number of units.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Cell { number, cell } => {
                out.push(cell.class() as u8 + 1);
                out.extend_from_slice(&number.to_be_bytes());
                out.extend_from_slice(cell.bytes());
            }
            Self::Had { room, numbers } => {
                let named = numbers.get(..HAD_MAX).unwrap_or(numbers);
                out.push(HAD);
                out.extend_from_slice(&room.to_be_bytes());
                out.push(named.len() as u8);
                named.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
            }
        }
        out.resize(out.len().next_multiple_of(PLAIN_BYTES), 0);
        out
    }

    /// Reads a whole message, as [`Message::encode`] wrote it.
    fn decode(bytes: &[u8]) -> Result<Self, PeerFault> {
        let (kind, rest) = bytes.split_first().ok_or(PeerFault::Length)?;
        let (number, rest) = rest.split_first_chunk::<8>().ok_or(PeerFault::Length)?;
        let number = u64::from_be_bytes(*number);
        let (message, padding) = if *kind == HAD {
            let (count, rest) = rest.split_first().ok_or(PeerFault::Length)?;
            if usize::from(*count) > HAD_MAX {
                return Err(PeerFault::Bound);
            }
            let (named, padding) = rest.split_at_checked(8 * usize::from(*count)).ok_or(PeerFault::Length)?;
            let numbers = named.as_chunks::<8>().0.iter().map(|number| u64::from_be_bytes(*number));
            (Self::Had { room: number, numbers: numbers.collect() }, padding)
        } else {
            let class = class(*kind).ok_or(PeerFault::Malformed)?;
            let (cell, padding) = rest.split_at_checked(class.bytes()).ok_or(PeerFault::Length)?;
            (Self::Cell { number, cell: Cell::parse(cell.to_vec())? }, padding)
        };
        if padding.iter().any(|byte| *byte != 0) {
            return Err(PeerFault::Padding);
        }
        Ok(message)
    }
}

fn class(kind: u8) -> Option<Class> {
    Class::ALL.into_iter().find(|class| *class as u8 + 1 == kind)
}

/// Puts messages together from units; it holds one of the largest size at the most.
#[derive(Debug, Default)]
pub struct Assembler {
    bytes: Vec<u8>,
}

impl Assembler {
    /// Takes the inside of one unit; a message once it is whole.
    ///
    /// # Errors
    /// A [`PeerFault`]; nothing that follows can be understood.
    pub fn push(&mut self, unit: &[u8]) -> Result<Option<Message>, PeerFault> {
        let kind = first::<1>(if self.bytes.is_empty() { unit } else { &self.bytes });
        if unit.len() != PLAIN_BYTES {
            return Err(PeerFault::Length);
        }
        let whole = match class(kind[0]) {
            Some(class) => (1 + 8 + class.bytes()).next_multiple_of(PLAIN_BYTES),
            None if kind[0] == HAD => PLAIN_BYTES,
            None => return Err(PeerFault::Malformed),
        };
        self.bytes.extend_from_slice(unit);
        if self.bytes.len() < whole {
            return Ok(None);
        }
        let out = Message::decode(&self.bytes);
        self.bytes.clear();
        out.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_together(bytes: &[u8]) -> Result<Vec<Message>, PeerFault> {
        let mut assembler = Assembler::default();
        bytes.chunks(PLAIN_BYTES).filter_map(|unit| assembler.push(unit).transpose()).collect()
    }

    #[test]
    fn messages_come_out_of_units_as_they_went_in() {
        let cell = |class: Class| {
            let mut bytes = vec![7; class.bytes()];
            bytes[0] = crate::cell::VERSION << 4 | class as u8;
            Message::Cell { number: u64::MAX - 1, cell: Cell::parse(bytes).expect("a cell") }
        };
        let full = Message::Had { room: 9, numbers: (0..HAD_MAX as u64).collect() };
        let none = Message::Had { room: 0, numbers: Vec::new() };
        let all = [none, cell(Class::S), full.clone(), cell(Class::M), cell(Class::L), full];
        let bytes: Vec<u8> = all.iter().flat_map(Message::encode).collect();
        assert_eq!(put_together(&bytes).expect("well-formed"), all);
    }

    #[test]
    fn a_foreign_kind_a_bent_padding_and_a_wrong_length_end_the_session() {
        let mut bytes = Message::Had { room: 1, numbers: vec![2] }.encode();
        bytes[0] = 5;
        assert_eq!(put_together(&bytes), Err(PeerFault::Malformed));
        bytes[0] = HAD;
        bytes[9] = HAD_MAX as u8 + 1;
        assert_eq!(put_together(&bytes), Err(PeerFault::Bound));
        bytes[9] = 1;
        bytes[18] = 1;
        assert_eq!(put_together(&bytes), Err(PeerFault::Padding));
        assert_eq!(put_together(&bytes[..5]), Err(PeerFault::Length));
        assert_eq!(put_together(&[]), Ok(Vec::new()));
    }
}
