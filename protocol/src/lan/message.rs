//! What two contacts on one network say to each other: cells, what became of them, and names of those that are carried for others
//! (SPEC §12.3, §12.4).

use crate::cell::{Cell, Class};
use crate::error::PeerFault;
use crate::ids::{CellHash, first};

/// Bytes of a unit inside the encryption: a small cell takes two.
pub const PLAIN_BYTES: usize = 1_072;
/// Cells that one [`Message::Had`] names at the most.
pub const HAD_MAX: usize = 128;

/// Names of carried cells in one message at the most.
pub const NAMES_MAX: usize = 64;

/// Kinds of a cell are 1 to 3, by its class.
const HAD: u8 = 4;
const OFFER: u8 = 5;
const WANT: u8 = 6;
const KEPT: u8 = 7;
/// Kinds of a carried cell are 8 to 10, by its class.
const CARRIED: u8 = 8;
const NAME_BYTES: usize = CellHash::LEN;

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
    /// These sealed cells are here to be carried on, whoever they are for; at most [`NAMES_MAX`].
    Offer(Vec<CellHash>),
    /// Of those offered, these are wanted.
    Want(Vec<CellHash>),
    /// Of those offered or brought, these are durable here and carried on.
    Kept(Vec<CellHash>),
    /// A cell that was wanted.
    Carried {
        /// Last day on which it is carried, days since 1970.
        until_day: u32,
        /// Its bytes.
        cell: Cell,
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
            Self::Offer(names) => put_names(&mut out, OFFER, names),
            Self::Want(names) => put_names(&mut out, WANT, names),
            Self::Kept(names) => put_names(&mut out, KEPT, names),
            Self::Carried { until_day, cell } => {
                out.push(CARRIED + cell.class() as u8);
                out.extend_from_slice(&until_day.to_be_bytes());
                out.extend_from_slice(cell.bytes());
            }
        }
        out.resize(out.len().next_multiple_of(PLAIN_BYTES), 0);
        out
    }

    /// Reads a whole message, as [`Message::encode`] wrote it.
    fn decode(bytes: &[u8]) -> Result<Self, PeerFault> {
        let (kind, rest) = bytes.split_first().ok_or(PeerFault::Length)?;
        let (message, padding) = match *kind {
            HAD => had(rest)?,
            OFFER => names(rest).map(|(names, rest)| (Self::Offer(names), rest))?,
            WANT => names(rest).map(|(names, rest)| (Self::Want(names), rest))?,
            KEPT => names(rest).map(|(names, rest)| (Self::Kept(names), rest))?,
            kind => {
                let (class, is_carried) = class(kind).ok_or(PeerFault::Malformed)?;
                let (head, rest) = rest.split_at_checked(head(is_carried)).ok_or(PeerFault::Length)?;
                let (cell, padding) = rest.split_at_checked(class.bytes()).ok_or(PeerFault::Length)?;
                let cell = Cell::parse(cell.to_vec())?;
                let message = if is_carried {
                    Self::Carried { until_day: u32::from_be_bytes(first(head)), cell }
                } else {
                    Self::Cell { number: u64::from_be_bytes(first(head)), cell }
                };
                (message, padding)
            }
        };
        if padding.iter().any(|byte| *byte != 0) {
            return Err(PeerFault::Padding);
        }
        Ok(message)
    }
}

/// The class of a cell's kind, and whether it is a carried one.
fn class(kind: u8) -> Option<(Class, bool)> {
    let is_carried = kind >= CARRIED;
    let number = kind.checked_sub(if is_carried { CARRIED } else { 1 })?;
    Class::from_number(number).map(|class| (class, is_carried))
}

/// Bytes between the kind and a cell.
const fn head(is_carried: bool) -> usize {
    if is_carried { 4 } else { 8 }
}

fn had(rest: &[u8]) -> Result<(Message, &[u8]), PeerFault> {
    let (room, rest) = rest.split_first_chunk::<8>().ok_or(PeerFault::Length)?;
    let (count, rest) = rest.split_first().ok_or(PeerFault::Length)?;
    if usize::from(*count) > HAD_MAX {
        return Err(PeerFault::Bound);
    }
    let (named, padding) = rest.split_at_checked(8 * usize::from(*count)).ok_or(PeerFault::Length)?;
    let numbers = named.as_chunks::<8>().0.iter().map(|number| u64::from_be_bytes(*number));
    Ok((Message::Had { room: u64::from_be_bytes(*room), numbers: numbers.collect() }, padding))
}

fn put_names(out: &mut Vec<u8>, kind: u8, names: &[CellHash]) {
    let named = names.get(..NAMES_MAX).unwrap_or(names);
    out.push(kind);
    out.push(named.len() as u8);
    named.iter().for_each(|name| out.extend_from_slice(&name.0));
}

fn names(rest: &[u8]) -> Result<(Vec<CellHash>, &[u8]), PeerFault> {
    let (count, rest) = rest.split_first().ok_or(PeerFault::Length)?;
    if usize::from(*count) > NAMES_MAX {
        return Err(PeerFault::Bound);
    }
    let (named, padding) =
        rest.split_at_checked(NAME_BYTES * usize::from(*count)).ok_or(PeerFault::Length)?;
    Ok((named.as_chunks::<NAME_BYTES>().0.iter().map(|name| CellHash(*name)).collect(), padding))
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
            Some((class, is_carried)) => (1 + head(is_carried) + class.bytes()).next_multiple_of(PLAIN_BYTES),
            None if matches!(kind[0], HAD | OFFER | WANT | KEPT) => PLAIN_BYTES,
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
        let carried = |message| match message {
            Message::Cell { cell, .. } => Message::Carried { until_day: u32::MAX - 1, cell },
            other => other,
        };
        let names = |count: u8| (0..count).map(|n| CellHash([n; 16])).collect::<Vec<_>>();
        let all = [
            none,
            cell(Class::S),
            full.clone(),
            cell(Class::M),
            cell(Class::L),
            full,
            Message::Offer(names(NAMES_MAX as u8)),
            carried(cell(Class::S)),
            Message::Want(names(1)),
            carried(cell(Class::M)),
            carried(cell(Class::L)),
            Message::Kept(Vec::new()),
        ];
        let bytes: Vec<u8> = all.iter().flat_map(Message::encode).collect();
        assert_eq!(put_together(&bytes).expect("well-formed"), all);
    }

    #[test]
    fn a_foreign_kind_a_bent_padding_and_a_wrong_length_end_the_session() {
        let mut bytes = Message::Had { room: 1, numbers: vec![2] }.encode();
        for kind in [0, 11, 255] {
            bytes[0] = kind;
            assert_eq!(put_together(&bytes), Err(PeerFault::Malformed));
        }
        bytes[0] = HAD;
        bytes[9] = HAD_MAX as u8 + 1;
        assert_eq!(put_together(&bytes), Err(PeerFault::Bound));
        bytes[9] = 1;
        bytes[18] = 1;
        assert_eq!(put_together(&bytes), Err(PeerFault::Padding));
        let mut names = Message::Want(vec![CellHash([7; 16])]).encode();
        names[1] = NAMES_MAX as u8 + 1;
        assert_eq!(put_together(&names), Err(PeerFault::Bound));
        names[1] = 0;
        assert_eq!(put_together(&names), Err(PeerFault::Padding));
        assert_eq!(put_together(&bytes[..5]), Err(PeerFault::Length));
        assert_eq!(put_together(&[]), Ok(Vec::new()));
    }
}
