//! One ratchet message: its header, its body, and the derivations in between.

use super::pq::Piece;
use super::state::Key;
use crate::cell::OUTER_BYTES;
use crate::crypto::RemoteDhKey;
use crate::crypto::aead::{TAG_BYTES, open, seal, xopen, xseal};
use crate::crypto::fixed::Reader;
use crate::crypto::kdf::{derive, hmac};
use crate::crypto::labels::{DR_MSG, DR_ROOT};
use crate::error::PeerFault;
use crate::ids::first;
use zeroize::Zeroizing;

/// Random bytes in front: nonce of the header, salt of the message key.
pub(super) const SALT_BYTES: usize = 24;
/// Length of a sealed header.
pub(super) const HEADER_BYTES: usize = 48 + TAG_BYTES;
/// Bytes of a message that are not payload: salt, header, authentication, length of the payload.
pub(crate) const OVERHEAD_BYTES: usize = SALT_BYTES + HEADER_BYTES + TAG_BYTES + 2;

/// What a step of the root key yields.
pub(super) struct RootStep {
    pub(super) root: Key,
    pub(super) chain: Key,
    pub(super) next_header: Key,
}

/// `HKDF(salt = root, ikm = shared | secret of a post-quantum epoch or 32 zeros, 96)`.
pub(super) fn root_step(root: &[u8; 32], shared: &[u8; 32], epoch_secret: &[u8; 32]) -> RootStep {
    let ikm = Zeroizing::new([&shared[..], epoch_secret].concat());
    let out = derive::<96>(root, &ikm, DR_ROOT);
    let part = |at: usize| Zeroizing::new(first(out.get(at..).unwrap_or_default()));
    RootStep { root: part(0), chain: part(32), next_header: part(64) }
}

/// Message key and next chain key.
pub(super) fn chain_step(chain: &[u8; 32]) -> (Key, Key) {
    (hmac(chain, &[1]), hmac(chain, &[2]))
}

/// What a message says of its place: `ratchet key 32 | length of the previous chain 4 | number in this chain 4 | pq_mix 4 | pq_ack 4`.
pub(super) struct Header {
    pub(super) key: RemoteDhKey,
    pub(super) previous: u32,
    pub(super) number: u32,
    /// The post-quantum epoch that its chain mixed into the root key, or 0; the same in all messages of a chain.
    pub(super) mix: u32,
    /// The newest post-quantum epoch that its sender knows both sides to hold.
    pub(super) ack: u32,
}

impl Header {
    pub(super) fn seal(
        &self,
        key: &Key,
        salt: &[u8; SALT_BYTES],
        outer: &[u8; OUTER_BYTES],
    ) -> [u8; HEADER_BYTES] {
        let numbers = [self.previous, self.number, self.mix, self.ack].map(u32::to_be_bytes);
        let plain = [&self.key.0[..], numbers.as_flattened()].concat();
        first(&xseal(key, salt, outer, &plain))
    }

    pub(super) fn open(
        key: &Key,
        salt: &[u8; SALT_BYTES],
        outer: &[u8; OUTER_BYTES],
        sealed: &[u8; HEADER_BYTES],
    ) -> Result<Self, PeerFault> {
        let plain = xopen(key, salt, outer, sealed)?;
        let mut reader = Reader(&plain);
        Ok(Self {
            key: RemoteDhKey(*reader.take().ok_or(PeerFault::Length)?),
            previous: reader.u32().ok_or(PeerFault::Length)?,
            number: reader.u32().ok_or(PeerFault::Length)?,
            mix: reader.u32().ok_or(PeerFault::Length)?,
            ack: reader.u32().ok_or(PeerFault::Length)?,
        })
    }
}

/// Key and nonce of one message. The random salt keeps them apart even if a rolled-back device meets a message key twice.
fn message_cipher(message_key: &Key, salt: &[u8; SALT_BYTES]) -> (Key, [u8; 12]) {
    let out = derive::<44>(salt, &message_key[..], DR_MSG);
    (Zeroizing::new(first(&out[..])), first(out.get(32..).unwrap_or_default()))
}

/// Bytes that a payload leaves free in a message of `room` bytes.
pub(super) const fn free_room(payload: &[u8], room: usize) -> usize {
    room.saturating_sub(OVERHEAD_BYTES).saturating_sub(payload.len())
}

/// `length 2, payload | piece | zeros`, sealed; fills a message of `room` bytes. The caller has checked that payload and piece fit.
pub(super) fn seal_body(
    message_key: &Key,
    salt: &[u8; SALT_BYTES],
    bound: &[u8; 32],
    sealed_header: &[u8; HEADER_BYTES],
    payload: &[u8],
    piece: &[u8],
    room: usize,
) -> Vec<u8> {
    let mut plain = Zeroizing::new(vec![0; room.saturating_sub(OVERHEAD_BYTES - 2)]);
    let length = (payload.len() as u16).to_be_bytes();
    let content = length.into_iter().chain(payload.iter().copied()).chain(piece.iter().copied());
    plain.iter_mut().zip(content).for_each(|(to, from)| *to = from);
    let (key, nonce) = message_cipher(message_key, salt);
    seal(&key, &nonce, &[&bound[..], sealed_header].concat(), &plain)
}

pub(super) fn open_body(
    message_key: &Key,
    salt: &[u8; SALT_BYTES],
    bound: &[u8; 32],
    sealed_header: &[u8; HEADER_BYTES],
    sealed: &[u8],
) -> Result<(Zeroizing<Vec<u8>>, Option<Piece>), PeerFault> {
    let (key, nonce) = message_cipher(message_key, salt);
    let plain = open(&key, &nonce, &[&bound[..], sealed_header].concat(), sealed)?;
    let mut reader = Reader(&plain);
    let length = usize::from(reader.u16().ok_or(PeerFault::Length)?);
    let payload = reader.slice(length).ok_or(PeerFault::Length)?;
    let piece = Piece::decode(reader.0)?;
    Ok((Zeroizing::new(payload.to_vec()), piece))
}
