//! Frames on a carrier: four sizes, so that the sizes of records tell little (SPEC §9).
//!
//! `class 1 | kind 1 | flags 1 | zero 1 | length 2 | offset 8 | ack 8 | window 4 | payload | zeros up to the class's size`.

use crate::error::PeerFault;

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 26;
/// Sizes of frames.
pub const SIZES: [usize; 4] = [64, 256, 1_024, 4_096];
/// Longest payload.
pub const PAYLOAD_MAX: usize = 4_096 - HEADER_BYTES;

/// The sender has more bytes ready than it has sent.
pub const MORE: u8 = 1;
/// The sender may send no more on this carrier: bring another one.
pub const SPENT: u8 = 2;
/// The stream ends with this frame's payload.
pub const FIN: u8 = 4;
/// The sender wants to hear something: its carrier was silent for long.
pub const ASK: u8 = 8;
const FLAGS: u8 = MORE | SPENT | FIN | ASK;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Bytes of the stream, or none: then an acknowledgement.
    Data = 0,
    /// Dialler, first frame: a new session: [`super::tokens::Opening`].
    New = 1,
    /// Dialler, first frame: continues a session: [`super::tokens::Opening`].
    Resume = 2,
    /// Listener: no such session.
    Gone = 3,
    /// The sender has dropped the session.
    Reset = 4,
}

impl Kind {
    const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Data,
            1 => Self::New,
            2 => Self::Resume,
            3 => Self::Gone,
            4 => Self::Reset,
            _ => return None,
        })
    }
}

/// A frame with a well-formed outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is for.
    pub kind: Kind,
    /// [`MORE`], [`SPENT`], [`FIN`], [`ASK`].
    pub flags: u8,
    /// Position of the payload's first byte in the sender's stream.
    pub offset: u64,
    /// The sender has everything of the other stream before this position.
    pub ack: u64,
    /// How many bytes beyond `ack` the sender has room for.
    pub window: u32,
    /// At most [`PAYLOAD_MAX`] bytes.
    pub payload: Vec<u8>,
}

/// How many of `waiting` bytes to put into the next frame: as many as a size holds that is then more than half full, so that padding
/// stays below half of what is sent, except for the last few bytes.
#[must_use]
pub fn portion(waiting: usize) -> usize {
    let need = waiting.saturating_add(HEADER_BYTES);
    let mut below = 0;
    for size in SIZES {
        if need <= size {
            // Filling the smaller size and sending the rest in another frame is cheaper than a size that stays half empty.
            return if below == 0 || need > size / 2 { waiting } else { below - HEADER_BYTES };
        }
        below = size;
    }
    PAYLOAD_MAX
}

/// The number of the smallest size that holds `payload` bytes.
fn class(payload: usize) -> usize {
    SIZES.iter().position(|size| *size >= payload + HEADER_BYTES).unwrap_or(SIZES.len() - 1)
}

/// The size on the carrier of a frame with `payload` bytes.
#[must_use]
pub fn size_of(payload: usize) -> usize {
    SIZES.get(class(payload)).copied().unwrap_or(HEADER_BYTES)
}

impl Frame {
    /// The bytes on the carrier: exactly one of [`SIZES`]. A payload above [`PAYLOAD_MAX`] is a local bug and is cut.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let payload = self.payload.get(..PAYLOAD_MAX).unwrap_or(&self.payload);
        let class = class(payload.len());
        let size = size_of(payload.len());
        let mut out = Vec::with_capacity(size);
        out.extend_from_slice(&[class as u8, self.kind as u8, self.flags, 0]);
        out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        out.extend_from_slice(&self.offset.to_be_bytes());
        out.extend_from_slice(&self.ack.to_be_bytes());
        out.extend_from_slice(&self.window.to_be_bytes());
        out.extend_from_slice(payload);
        out.resize(size, 0);
        out
    }

    /// How many bytes a frame has whose first byte is `class`.
    ///
    /// # Errors
    /// [`PeerFault::Malformed`] for an unknown class.
    pub fn size(class: u8) -> Result<usize, PeerFault> {
        SIZES.get(usize::from(class)).copied().ok_or(PeerFault::Malformed)
    }

    /// Reads one frame from exactly its bytes.
    ///
    /// # Errors
    /// A [`PeerFault`] if anything about it is not as [`Frame::encode`] writes it.
    pub fn decode(bytes: &[u8]) -> Result<Self, PeerFault> {
        let (head, rest) = bytes.split_first_chunk::<6>().ok_or(PeerFault::Length)?;
        let [class_byte, kind, flags, zero, l0, l1] = *head;
        if Self::size(class_byte)? != bytes.len() {
            return Err(PeerFault::Length);
        }
        let kind = Kind::from_number(kind).ok_or(PeerFault::Malformed)?;
        if flags & !FLAGS != 0 || zero != 0 {
            return Err(PeerFault::Malformed);
        }
        let (offset, rest) = rest.split_first_chunk::<8>().ok_or(PeerFault::Length)?;
        let (ack, rest) = rest.split_first_chunk::<8>().ok_or(PeerFault::Length)?;
        let (window, rest) = rest.split_first_chunk::<4>().ok_or(PeerFault::Length)?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let (payload, padding) = rest.split_at_checked(length).ok_or(PeerFault::Length)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(PeerFault::Padding);
        }
        if class(length) != usize::from(class_byte) {
            return Err(PeerFault::NotCanonical);
        }
        Ok(Self {
            kind,
            flags,
            offset: u64::from_be_bytes(*offset),
            ack: u64::from_be_bytes(*ack),
            window: u32::from_be_bytes(*window),
            payload: payload.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_as_they_were_and_bent_ones_are_refused() {
        for length in [0, 1, 38, 39, 230, 231, 998, 999, PAYLOAD_MAX] {
            let frame = Frame {
                kind: Kind::Data,
                flags: MORE,
                offset: 1 << 40,
                ack: 7,
                window: 65_536,
                payload: vec![3; length],
            };
            let bytes = frame.encode();
            assert!(SIZES.contains(&bytes.len()));
            assert_eq!(Frame::decode(&bytes), Ok(frame));
            assert_eq!(Frame::decode(&bytes[1..]), Err(PeerFault::Length).or(Frame::decode(&bytes[1..])));
            for (at, value) in [(0, 9), (1, 9), (2, 0x80), (2, 0x10), (3, 1), (4, 0xff)] {
                let mut bent = bytes.clone();
                bent[at] = value;
                assert!(Frame::decode(&bent).is_err(), "byte {at} of {length}");
            }
        }
    }

    #[test]
    fn padding_stays_small() {
        for waiting in [1_100, 300, 600, 2_200, 4_070, 9_000, 64] {
            let (mut left, mut sent) = (waiting, 0);
            while left > 0 {
                let part = portion(left);
                assert!(part > 0 && part <= left);
                sent += size_of(part);
                left -= part;
            }
            assert!(sent <= waiting * 2 + 256, "{waiting} bytes took {sent}");
        }
    }
}
