//! A session: what two devices hold after the handshake, and how they seal and open cells with it (SPEC §6b).

use crate::cell::{Cell, Class, OUTER_BYTES};
use crate::crypto::fixed::Reader;
use crate::crypto::kdf::derive;
use crate::crypto::labels::PAIR;
use crate::error::PeerFault;
use crate::ratchet::{OVERHEAD_BYTES, Ratchet, SealError};
use crate::tags::{TagChain, class_of};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

const DAY_MS: u64 = 86_400_000;
/// Version of the stored session: 1 knows since when keys of late cells are kept.
const VERSION: u8 = 1;
/// Room in M and L cells for a piece of the post-quantum ratchet: a whole ML-KEM key or ciphertext and its head (DESIGN P5).
pub const KEM_PIECE_BYTES: usize = 1_190;

/// Longest payload of a cell of `class`: 1,924, 15,070 or 60,126 bytes.
#[must_use]
pub const fn capacity(class: Class) -> usize {
    let room = class.bytes() - OUTER_BYTES - OVERHEAD_BYTES;
    match class {
        Class::S => room,
        Class::M | Class::L => room - KEM_PIECE_BYTES,
    }
}

/// The state of one conversation between two devices. Store [`Session::encode`] in the batch that goes with each cell sealed or opened.
pub struct Session {
    ratchet: Ratchet,
    initiator: bool,
    send_tags: TagChain,
    receive_tags: TagChain,
    secret: Zeroizing<[u8; 32]>,
}

impl Session {
    pub(crate) fn new(
        ratchet: Ratchet,
        initiator: bool,
        send: &[u8; 32],
        receive: &[u8; 32],
        secret: &[u8; 32],
    ) -> Self {
        Self {
            ratchet,
            initiator,
            send_tags: TagChain::new(send),
            receive_tags: TagChain::new(receive),
            secret: Zeroizing::new(*secret),
        }
    }

    /// The secret of this pair under which beacons lie (SPEC §6d).
    #[must_use]
    pub fn pair_secret(&self) -> Zeroizing<[u8; 32]> {
        derive(&[], &self.secret[..], PAIR)
    }

    /// The newest epoch of the post-quantum ratchet in the root key: 0 until the first one was mixed.
    #[must_use]
    pub const fn pq_epoch(&self) -> u32 {
        self.ratchet.pq_epoch()
    }

    /// Whether this side sent the greeting.
    #[must_use]
    pub const fn is_initiator(&self) -> bool {
        self.initiator
    }

    /// Seals `payload` into a cell of `class` under the tag with `index`. Each index is for one cell; the caller counts.
    ///
    /// # Errors
    /// A [`SealError`]; nothing was changed.
    pub fn seal(
        &mut self,
        class: Class,
        index: u64,
        payload: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Cell, SealError> {
        if payload.len() > capacity(class) {
            return Err(SealError::TooLong);
        }
        let tag = self.send_tags.tag(index).filter(|_| class_of(index) == class).ok_or(SealError::Tag)?;
        let outer = Cell::outer(class, &tag, 0);
        let message = self.ratchet.seal(&outer, payload, class.bytes() - OUTER_BYTES, rng)?;
        // Can not fail: the outside was made here.
        Cell::parse([&outer[..], &message].concat()).map_err(|_| SealError::TooLong)
    }

    /// Works out beforehand what the next [`Session::seal`] will need: call it once nobody waits for anything. What it made is lost
    /// with a crash, at no harm.
    pub fn prepare(&mut self, rng: &mut dyn CryptoRng) {
        self.ratchet.prepare(rng);
    }

    /// Opens a cell of the other side.
    ///
    /// # Errors
    /// A [`PeerFault`]; nothing was changed. [`PeerFault::Replay`] says that the cell is of this session and its key was used or given
    /// up, [`PeerFault::Decrypt`] that it is not of this session.
    pub fn open(&mut self, cell: &Cell) -> Result<Zeroizing<Vec<u8>>, PeerFault> {
        let (outer, message) = cell.bytes().split_first_chunk::<OUTER_BYTES>().ok_or(PeerFault::Length)?;
        self.ratchet.open(outer, message)
    }

    /// Gives up the keys of cells that did not come for 45 days, by a clock that says `wall_ms` (Unix milliseconds); call it after
    /// [`Session::open`], and once in a while. Whether anything changed that has to be stored for its own sake.
    pub fn age(&mut self, wall_ms: u64) -> bool {
        // Day 0 stands for a key of which it is not known yet.
        self.ratchet.age(u16::try_from(wall_ms / DAY_MS).unwrap_or(u16::MAX).max(1))
    }

    /// Tags of cells to the other side.
    #[must_use]
    pub const fn send_tags(&self) -> &TagChain {
        &self.send_tags
    }

    /// Tags of cells from the other side: register them, recognise cells by them.
    #[must_use]
    pub const fn receive_tags(&self) -> &TagChain {
        &self.receive_tags
    }

    /// Forgets send tags; see [`TagChain::forget_below`].
    pub fn forget_send_tags_below(&mut self, index: u64) {
        self.send_tags.forget_below(index);
    }

    /// Forgets receive tags; see [`TagChain::forget_below`].
    pub fn forget_receive_tags_below(&mut self, index: u64) {
        self.receive_tags.forget_below(index);
    }

    /// For the sealed store: `version 1 | initiator 1 | send block 8, key 32 | receive block 8, key 32 | secret 32 | ratchet`.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let (send_block, send_key) = self.send_tags.oldest();
        let (receive_block, receive_key) = self.receive_tags.oldest();
        let ratchet = self.ratchet.encode();
        let parts: [&[u8]; 7] = [
            &[VERSION, u8::from(self.initiator)],
            &send_block.to_be_bytes(),
            send_key,
            &receive_block.to_be_bytes(),
            receive_key,
            &self.secret[..],
            &ratchet,
        ];
        Zeroizing::new(parts.concat())
    }

    /// Reads what [`Session::encode`] wrote; `None` if it is damaged.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let initiator = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let send_tags = TagChain::restore(reader.u64()?, reader.take()?);
        let receive_tags = TagChain::restore(reader.u64()?, reader.take()?);
        let secret = Zeroizing::new(*reader.take()?);
        let ratchet = Ratchet::decode(reader.0)?;
        Some(Self { ratchet, initiator, send_tags, receive_tags, secret })
    }
}
