//! One ratchet message: its header, its body, and the derivations in between.

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

/// `HKDF(salt = root, ikm = shared | 32 bytes of the post-quantum chain, 96)`; that chain has not begun, so its bytes are zeros.
pub(super) fn root_step(root: &[u8; 32], shared: &[u8; 32]) -> RootStep {
    let ikm = Zeroizing::new([&shared[..], &[0; 32]].concat());
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
}

impl Header {
    pub(super) fn seal(
        &self,
        key: &Key,
        salt: &[u8; SALT_BYTES],
        outer: &[u8; OUTER_BYTES],
    ) -> [u8; HEADER_BYTES] {
        let plain =
            [&self.key.0[..], &self.previous.to_be_bytes(), &self.number.to_be_bytes(), &[0; 8]].concat();
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
        let header = Self {
            key: RemoteDhKey(*reader.take().ok_or(PeerFault::Length)?),
            previous: reader.u32().ok_or(PeerFault::Length)?,
            number: reader.u32().ok_or(PeerFault::Length)?,
        };
        // The post-quantum ratchet is laid out and not begun: a peer that uses it speaks a later version.
        if reader.u64() == Some(0) { Ok(header) } else { Err(PeerFault::UnknownCritical) }
    }
}

/// Key and nonce of one message. The random salt keeps them apart even if a rolled-back device meets a message key twice.
fn message_cipher(message_key: &Key, salt: &[u8; SALT_BYTES]) -> (Key, [u8; 12]) {
    let out = derive::<44>(salt, &message_key[..], DR_MSG);
    (Zeroizing::new(first(&out[..])), first(out.get(32..).unwrap_or_default()))
}

/// `length 2, payload | zeros`, sealed; fills a message of `room` bytes. The caller has checked that the payload fits.
pub(super) fn seal_body(
    message_key: &Key,
    salt: &[u8; SALT_BYTES],
    bound: &[u8; 32],
    sealed_header: &[u8; HEADER_BYTES],
    payload: &[u8],
    room: usize,
) -> Vec<u8> {
    let mut plain = Zeroizing::new(vec![0; room.saturating_sub(OVERHEAD_BYTES - 2)]);
    let content = (payload.len() as u16).to_be_bytes().into_iter().chain(payload.iter().copied());
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
) -> Result<Zeroizing<Vec<u8>>, PeerFault> {
    let (key, nonce) = message_cipher(message_key, salt);
    let plain = open(&key, &nonce, &[&bound[..], sealed_header].concat(), sealed)?;
    let mut reader = Reader(&plain);
    let length = usize::from(reader.u16().ok_or(PeerFault::Length)?);
    let payload = reader.slice(length).ok_or(PeerFault::Length)?;
    if reader.0.iter().any(|byte| *byte != 0) {
        return Err(PeerFault::Padding);
    }
    Ok(Zeroizing::new(payload.to_vec()))
}
