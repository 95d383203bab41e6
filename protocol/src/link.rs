//! Frames on a link: fixed size classes, so that an observer of a link sees few lengths (SPEC §7).
//!
//! `class 1 | kind 1 | tunnel 4 | length 2 | payload | zeros up to the class's size`, integers big endian.

use crate::descriptor::Door;
use crate::error::PeerFault;
use crate::ids::{RelayId, SlotId, first};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a frame before its payload.
pub const HEADER_BYTES: usize = 8;
/// Sizes of frames, smallest first: control frames, then one for each class of cell with 96 bytes around it.
pub const SIZES: [usize; 6] = [64, 256, 1_024, 2_144, 16_480, 61_536];
/// Longest payload of a frame.
pub const PAYLOAD_MAX: usize = 61_536 - HEADER_BYTES;
/// Relays nearest to a bundle or beacon that keep it, and that a door names for its place (DESIGN P4, D2).
pub const NEAR_MAX: usize = 8;
/// Version of the link protocol that `Hello` names; a foreign one is refused with its own reason.
pub const LINK_VERSION: u16 = 0;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Leaf to door, first frame: [`Hello`].
    Hello = 0,
    /// Door to leaf: the slot is accepted; the payload is the door's signed descriptor. Between relays: the first frame each way.
    Welcome = 1,
    /// Keeps the link alive; no payload.
    Heartbeat = 2,
    /// Opens a tunnel: relay id 16, then the first Noise message.
    Open = 3,
    /// The relay's answer to `Open`: the second Noise message.
    Opened = 4,
    /// A message inside an open tunnel.
    Data = 5,
    /// Ends a tunnel; the payload is one byte, a [`CloseCode`].
    Close = 6,
    /// Asks for relay descriptors: empty (some), or one relay id.
    DirectoryAsk = 7,
    /// One signed relay descriptor; an empty payload ends the answer.
    Descriptor = 8,
    /// Leaf to its door: creates a guest slot for an invitation: slot 8, key 32, expiry in Unix seconds 8.
    SlotPut = 9,
    /// Leaf to its door: ends a guest slot: slot 8.
    SlotDrop = 10,
    /// Door to leaf: the answer to `SlotPut` and `SlotDrop`: slot 8, status 1 (0 stored, 1 refused).
    SlotAck = 11,
    /// Between relays: what each holds of the shards, and what it wants of it (SPEC-relay §9).
    Shards = 12,
    /// Leaf to its door: asks for the relays nearest to a place, of which it gives the first two bytes; and the answer: the same two
    /// bytes and at most [`NEAR_MAX`] relay ids, the nearest first.
    Near = 13,
    /// Between relays: asks to be dialled back, and the answer ([`crate::reach::Reach`]).
    Reach = 14,
    /// Between relays: bundle objects that the other one should keep (SPEC-relay §8.6).
    Objects = 15,
}

impl Kind {
    const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Hello,
            1 => Self::Welcome,
            2 => Self::Heartbeat,
            3 => Self::Open,
            4 => Self::Opened,
            5 => Self::Data,
            6 => Self::Close,
            7 => Self::DirectoryAsk,
            8 => Self::Descriptor,
            9 => Self::SlotPut,
            10 => Self::SlotDrop,
            11 => Self::SlotAck,
            12 => Self::Shards,
            13 => Self::Near,
            14 => Self::Reach,
            15 => Self::Objects,
            _ => return None,
        })
    }
}

/// Why a tunnel was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CloseCode {
    /// No more use.
    Done = 0,
    /// The relay asked for can not be reached from here.
    Unreachable = 1,
    /// The door knows no verified descriptor of this relay.
    UnknownRelay = 2,
    /// Too many tunnels, or the slot's budget is used up.
    Busy = 3,
    /// The handshake or a message did not decrypt; the onion key may have changed.
    Crypto = 4,
    /// The other side broke the protocol.
    Protocol = 5,
}

impl CloseCode {
    /// The code with this number; unknown numbers count as [`CloseCode::Protocol`].
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Done,
            1 => Self::Unreachable,
            2 => Self::UnknownRelay,
            3 => Self::Busy,
            4 => Self::Crypto,
            _ => Self::Protocol,
        }
    }
}

/// A frame with a well-formed outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is for.
    pub kind: Kind,
    /// The tunnel it belongs to on this link; 0 for the link itself.
    pub tunnel: u32,
    /// At most [`PAYLOAD_MAX`] bytes.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame; a payload over [`PAYLOAD_MAX`] is a local bug and is cut.
    #[must_use]
    pub fn new(kind: Kind, tunnel: u32, mut payload: Vec<u8>) -> Self {
        debug_assert!(payload.len() <= PAYLOAD_MAX);
        payload.truncate(PAYLOAD_MAX);
        Self { kind, tunnel, payload }
    }

    /// The number of the smallest size class that holds the payload.
    #[must_use]
    pub fn size_class(&self) -> u8 {
        let need = self.payload.len() + HEADER_BYTES;
        SIZES.iter().position(|size| *size >= need).unwrap_or(SIZES.len() - 1) as u8
    }

    /// The bytes on the link: exactly one of [`SIZES`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let class = self.size_class();
        let size = SIZES.get(usize::from(class)).copied().unwrap_or(HEADER_BYTES);
        let mut out = Vec::with_capacity(size);
        out.push(class);
        out.push(self.kind as u8);
        out.extend_from_slice(&self.tunnel.to_be_bytes());
        out.extend_from_slice(&(self.payload.len() as u16).to_be_bytes());
        out.extend_from_slice(&self.payload);
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
    /// A [`PeerFault`] if the size, kind, length or padding is wrong, or if a smaller class would have held the payload.
    pub fn decode(bytes: &[u8]) -> Result<Self, PeerFault> {
        let (head, rest) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(PeerFault::Length)?;
        let [class, kind, t0, t1, t2, t3, l0, l1] = *head;
        if Self::size(class)? != bytes.len() {
            return Err(PeerFault::Length);
        }
        let kind = Kind::from_number(kind).ok_or(PeerFault::Malformed)?;
        let (payload, padding) =
            rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1]))).ok_or(PeerFault::Length)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(PeerFault::Padding);
        }
        let frame = Self { kind, tunnel: u32::from_be_bytes([t0, t1, t2, t3]), payload: payload.to_vec() };
        if frame.size_class() != class {
            return Err(PeerFault::NotCanonical);
        }
        Ok(frame)
    }
}

/// A leaf shows that it knows the secret of a slot, bound to both ends of the transport connection.
///
/// The MAC covers the transport keys of both sides, which the connection's Noise handshake authenticated: it is worthless on any other
/// connection. `version 2 | slot 8 | HMAC-SHA256(slot key, "karvon/slot" | leaf key | relay key)[..16]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// The slot.
    pub slot: SlotId,
    /// The MAC.
    pub mac: [u8; 16],
}

impl Hello {
    /// The hello of a leaf with transport key `leaf_key` to the door's relay with static key `relay_key`.
    #[must_use]
    pub fn new(door: &Door, leaf_key: &[u8; 32], relay_key: &[u8; 32]) -> Self {
        Self { slot: door.slot, mac: Self::mac(&door.key, leaf_key, relay_key) }
    }

    fn mac(slot_key: &[u8; 32], leaf_key: &[u8; 32], relay_key: &[u8; 32]) -> [u8; 16] {
        // HMAC takes a key of any length, so the error can not occur; zeros would be refused by every relay.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(slot_key) else { return [0; 16] };
        mac.update(b"karvon/slot");
        mac.update(leaf_key);
        mac.update(relay_key);
        first(&mac.finalize().into_bytes())
    }

    /// Whether the MAC is the one that `slot_key` gives on this connection (constant time).
    #[must_use]
    pub fn verify(&self, slot_key: &[u8; 32], leaf_key: &[u8; 32], relay_key: &[u8; 32]) -> bool {
        use subtle::ConstantTimeEq as _;
        bool::from(Self::mac(slot_key, leaf_key, relay_key).ct_eq(&self.mac))
    }

    /// 26 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = LINK_VERSION.to_be_bytes().to_vec();
        out.extend_from_slice(&self.slot.0);
        out.extend_from_slice(&self.mac);
        out
    }

    /// Reads what [`Hello::encode`] wrote; bytes after it are room for later versions.
    ///
    /// # Errors
    /// [`PeerFault::Length`] or [`PeerFault::Version`].
    pub fn decode(bytes: &[u8]) -> Result<Self, PeerFault> {
        let (version, rest) = bytes.split_first_chunk::<2>().ok_or(PeerFault::Length)?;
        if u16::from_be_bytes(*version) != LINK_VERSION {
            return Err(PeerFault::Version);
        }
        let (slot, rest) = rest.split_first_chunk::<8>().ok_or(PeerFault::Length)?;
        let (mac, _) = rest.split_first_chunk::<16>().ok_or(PeerFault::Length)?;
        Ok(Self { slot: SlotId(*slot), mac: *mac })
    }
}

/// The payload of `Open`: whom to reach, and the first Noise message.
#[must_use]
pub fn open_payload(relay: RelayId, noise: &[u8]) -> Vec<u8> {
    let mut out = relay.0.to_vec();
    out.extend_from_slice(noise);
    out
}

/// Splits the payload of `Open`.
///
/// # Errors
/// [`PeerFault::Length`].
pub fn split_open(payload: &[u8]) -> Result<(RelayId, &[u8]), PeerFault> {
    let (relay, noise) = payload.split_first_chunk::<16>().ok_or(PeerFault::Length)?;
    Ok((RelayId(*relay), noise))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_as_they_were_and_have_few_sizes() {
        for length in [0, 1, 56, 57, 2_136, 2_137, 16_472, PAYLOAD_MAX] {
            let frame = Frame::new(Kind::Data, 9, vec![3; length]);
            let bytes = frame.encode();
            assert!(SIZES.contains(&bytes.len()));
            assert_eq!(Frame::decode(&bytes), Ok(frame));
        }
    }

    #[test]
    fn bad_frames_are_told_apart() {
        let good = Frame::new(Kind::Open, 1, vec![1; 20]).encode();
        assert_eq!(Frame::decode(&good[..10]), Err(PeerFault::Length));
        let mut padded = good.clone();
        *padded.last_mut().unwrap() = 1;
        assert_eq!(Frame::decode(&padded), Err(PeerFault::Padding));
        let mut kind = good.clone();
        kind[1] = 200;
        assert_eq!(Frame::decode(&kind), Err(PeerFault::Malformed));
        let mut large = good;
        large[0] = 1;
        large.resize(256, 0);
        assert_eq!(Frame::decode(&large), Err(PeerFault::NotCanonical));
    }
}
