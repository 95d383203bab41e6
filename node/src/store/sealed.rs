//! Records as they lie on disk: blinded keys, padded and sealed values, long values in chunks (DESIGN S1, S2).
//!
//! On-disk key: space 1 ∥ HMAC(index key, space ∥ group)[..16] ∥ sequence number 8 ∥ chunk 2, all big endian.
//! On-disk value: key number 4 ∥ nonce 24 ∥ XChaCha20-Poly1305(plain key 25 ∥ chunks 2 ∥ length 2 ∥ body padded with zeros), with the on-disk
//! key and the format number as associated data: a record that was moved, swapped or has rotted does not open. Number 0 is the key that
//! lives as long as the store; the others are in the keyring and can be thrown away.

use super::keyring::{Ciphers, Family};
use super::keystore::DataKey;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use karvon_protocol::core::{Key, Space, Value};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Version of this layout.
pub(super) const FORMAT: u32 = 2;
/// Most bytes of a value in one chunk.
pub(super) const CHUNK_BYTES: usize = 4_096;
/// What is said in a conversation.
pub(super) const TALK_SPACES: &[Space] =
    &[Space::Sent, Space::Received, Space::Early, Space::Change, Space::GroupPost, Space::ChannelEntry];
/// Secrets that change: an old ratchet opens old cells, so it must not stay readable. What else there is (cells under way, trails, doors,
/// descriptors) shows nothing of what was said, and stays under the key of the store.
pub(super) const STATE_SPACES: &[Space] = &[
    Space::Meta,
    Space::Contact,
    Space::Session,
    Space::Invite,
    Space::Mailbox,
    Space::Terms,
    Space::Reset,
    Space::Address,
    Space::Prekeys,
    Space::Request,
    Space::Lan,
    Space::Group,
    Space::GroupOut,
    Space::GroupSeed,
    Space::Channel,
];
/// Sizes that a piece of a message is padded to: few, because lengths of texts tell something.
const TALK_STEPS: &[usize] = &[64, 256, 1_024, CHUNK_BYTES];
/// Sizes that everything else is padded to: many, because state that is rewritten with each cell is most of what is written.
const STATE_STEPS: &[usize] =
    &[64, 128, 192, 256, 384, 512, 640, 768, 1_024, 1_280, 1_536, 2_048, 2_560, 3_072, CHUNK_BYTES];
/// Length of an on-disk key.
pub(super) const DISK_KEY: usize = 27;
const NUMBER: usize = 4;
const NONCE: usize = 24;
const PLAIN_KEY: usize = 25;
const HEAD: usize = PLAIN_KEY + 4;

/// A key whose space may also be one that only the store knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RawKey {
    pub(super) space: u8,
    pub(super) group: [u8; 16],
    pub(super) seq: u64,
}

impl From<Key> for RawKey {
    fn from(key: Key) -> Self {
        Self { space: key.space as u8, group: key.group, seq: key.seq }
    }
}

impl RawKey {
    /// Whose keys may seal this record; `None` for what stays as long as the store.
    pub(super) fn family(&self) -> Option<Family> {
        let among = |spaces: &[Space]| spaces.iter().any(|space| *space as u8 == self.space);
        if among(TALK_SPACES) {
            Some(Family::Talk(self.group))
        } else if among(STATE_SPACES) {
            Some(Family::State)
        } else {
            None
        }
    }
}

/// Why a record does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unopened {
    /// Its key was thrown away: it was removed.
    Shredded,
    /// It was moved, swapped or has rotted, or is of another store.
    Damaged,
}

/// One opened chunk.
pub(super) struct Chunk {
    pub(super) key: RawKey,
    /// How many chunks the value has.
    pub(super) chunks: u16,
    pub(super) body: Value,
}

/// Seals and opens records.
pub(super) struct Sealer {
    /// As long as a block of SHA-256, so that HMAC takes it as it is.
    index: Zeroizing<[u8; 64]>,
    cipher: XChaCha20Poly1305,
    ring: Ciphers,
    journal: Zeroizing<[u8; 32]>,
}

impl Sealer {
    pub(super) fn new(key: &DataKey, ring: Ciphers) -> Self {
        let hkdf = Hkdf::<Sha256>::new(None, key.bytes());
        let mut index = Zeroizing::new([0; 64]);
        let mut record = Zeroizing::new([0; 32]);
        let mut journal = Zeroizing::new([0; 32]);
        // HKDF gives up to 8,160 bytes, so none can fail.
        let made = hkdf
            .expand(b"karvon/store/index", &mut *index)
            .and_then(|()| hkdf.expand(b"karvon/store/record", &mut *record))
            .and_then(|()| hkdf.expand(b"karvon/store/journal", &mut *journal));
        debug_assert!(made.is_ok());
        Self { index, cipher: XChaCha20Poly1305::new((&*record).into()), ring, journal }
    }

    /// What records of the journal are authenticated by.
    pub(super) fn journal_key(&self) -> Zeroizing<[u8; 32]> {
        self.journal.clone()
    }

    /// The first 17 bytes of all on-disk keys of a group.
    pub(super) fn prefix(&self, space: u8, group: &[u8; 16]) -> [u8; 17] {
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new((&*self.index).into());
        mac.update(&[space]);
        mac.update(group);
        let blinded = mac.finalize().into_bytes();
        let mut out = [0; 17];
        out[0] = space;
        out[1..].copy_from_slice(&blinded[..16]);
        out
    }

    pub(super) fn disk_key(&self, key: &RawKey, chunk: u16) -> [u8; DISK_KEY] {
        at(&self.prefix(key.space, &key.group), key.seq, chunk)
    }

    /// The on-disk form of `value` under the key with this number: one or more chunks. `None` if it has too many of them, there is no such
    /// key, or the system gives no randomness.
    pub(super) fn seal(
        &self,
        number: u32,
        key: &RawKey,
        value: &[u8],
    ) -> Option<Vec<([u8; DISK_KEY], Vec<u8>)>> {
        let from_ring = if number == 0 { None } else { Some(self.ring.get(number)?) };
        let cipher = from_ring.as_deref().unwrap_or(&self.cipher);
        let prefix = self.prefix(key.space, &key.group);
        let chunks = u16::try_from(value.len().div_ceil(CHUNK_BYTES).max(1)).ok()?;
        (0..chunks)
            .map(|chunk| {
                let from = usize::from(chunk) * CHUNK_BYTES;
                let body = &value[from..value.len().min(from + CHUNK_BYTES)];
                let disk_key = at(&prefix, key.seq, chunk);
                Some((disk_key, seal_chunk(cipher, number, &disk_key, key, chunks, body)?))
            })
            .collect()
    }

    /// Opens what [`Sealer::seal`] made for `disk_key`.
    pub(super) fn open(&self, disk_key: &[u8], sealed: &[u8]) -> Result<Chunk, Unopened> {
        let number = key_number(sealed).ok_or(Unopened::Damaged)?;
        if number == 0 {
            return open_chunk(&self.cipher, disk_key, sealed).ok_or(Unopened::Damaged);
        }
        let cipher = self.ring.get(number).ok_or(Unopened::Shredded)?;
        open_chunk(&cipher, disk_key, sealed).ok_or(Unopened::Damaged)
    }

    /// The same chunk sealed by another key of the ring.
    pub(super) fn seal_again(
        &self,
        number: u32,
        disk_key: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, Unopened> {
        let chunk = self.open(disk_key, sealed)?;
        let cipher = self.ring.get(number).ok_or(Unopened::Shredded)?;
        let disk_key: &[u8; DISK_KEY] = disk_key.try_into().map_err(|_| Unopened::Damaged)?;
        seal_chunk(&cipher, number, disk_key, &chunk.key, chunk.chunks, &chunk.body).ok_or(Unopened::Damaged)
    }
}

/// The number of the key that sealed this.
pub(super) fn key_number(sealed: &[u8]) -> Option<u32> {
    sealed.first_chunk::<NUMBER>().map(|number| u32::from_be_bytes(*number))
}

fn seal_chunk(
    cipher: &XChaCha20Poly1305,
    number: u32,
    disk_key: &[u8; DISK_KEY],
    key: &RawKey,
    chunks: u16,
    body: &[u8],
) -> Option<Vec<u8>> {
    let steps = if matches!(key.family(), Some(Family::Talk(_))) { TALK_STEPS } else { STATE_STEPS };
    let padded = steps.iter().find(|step| **step >= body.len())?;
    let mut out = Vec::with_capacity(NUMBER + NONCE + HEAD + padded + 16);
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).ok()?;
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&nonce);
    out.push(key.space);
    out.extend_from_slice(&key.group);
    out.extend_from_slice(&key.seq.to_be_bytes());
    out.extend_from_slice(&chunks.to_be_bytes());
    out.extend_from_slice(&u16::try_from(body.len()).ok()?.to_be_bytes());
    out.extend_from_slice(body);
    out.resize(NUMBER + NONCE + HEAD + padded, 0);
    let (_, text) = out.split_at_mut(NUMBER + NONCE);
    let tag = cipher.encrypt_inout_detached(&XNonce::from(nonce), &associated(disk_key), text.into()).ok()?;
    out.extend_from_slice(&tag);
    Some(out)
}

fn open_chunk(cipher: &XChaCha20Poly1305, disk_key: &[u8], sealed: &[u8]) -> Option<Chunk> {
    let disk_key: &[u8; DISK_KEY] = disk_key.try_into().ok()?;
    let (_, rest) = sealed.split_first_chunk::<NUMBER>()?;
    let (nonce, rest) = rest.split_first_chunk::<NONCE>()?;
    let (text, tag) = rest.split_last_chunk::<16>()?;
    let mut plain = Zeroizing::new(text.to_vec());
    cipher
        .decrypt_inout_detached(
            &XNonce::from(*nonce),
            &associated(disk_key),
            plain.as_mut_slice().into(),
            tag.into(),
        )
        .ok()?;
    let (space, rest) = plain.split_first()?;
    let (group, rest) = rest.split_first_chunk::<16>()?;
    let (seq, rest) = rest.split_first_chunk::<8>()?;
    let (chunks, rest) = rest.split_first_chunk::<2>()?;
    let (len, rest) = rest.split_first_chunk::<2>()?;
    let body = rest.get(..usize::from(u16::from_be_bytes(*len)))?;
    Some(Chunk {
        key: RawKey { space: *space, group: *group, seq: u64::from_be_bytes(*seq) },
        chunks: u16::from_be_bytes(*chunks),
        body: Zeroizing::new(body.to_vec()),
    })
}

/// The on-disk key of a chunk in a group with this prefix.
pub(super) fn at(prefix: &[u8; 17], seq: u64, chunk: u16) -> [u8; DISK_KEY] {
    let mut out = [0; DISK_KEY];
    out[..17].copy_from_slice(prefix);
    out[17..25].copy_from_slice(&seq.to_be_bytes());
    out[25..].copy_from_slice(&chunk.to_be_bytes());
    out
}

/// Sequence number and chunk in an on-disk key.
pub(super) fn seq_and_chunk(disk_key: &[u8]) -> Option<(u64, u16)> {
    let (_, rest) = disk_key.split_first_chunk::<17>()?;
    let (seq, chunk) = rest.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*seq), u16::from_be_bytes(chunk.try_into().ok()?)))
}

fn associated(disk_key: &[u8; DISK_KEY]) -> [u8; DISK_KEY + 4] {
    let mut out = [0; DISK_KEY + 4];
    out[..DISK_KEY].copy_from_slice(disk_key);
    // The record that tells the format (space 0) must open whatever the format is.
    let format = if disk_key[0] == 0 { 0 } else { FORMAT };
    out[DISK_KEY..].copy_from_slice(&format.to_be_bytes());
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sealer() -> Sealer {
        Sealer::new(&DataKey::generate().unwrap(), Ciphers::default())
    }

    #[test]
    fn a_record_opens_only_under_its_own_key_and_place() {
        let sealer = sealer();
        let key = RawKey { space: 4, group: [9; 16], seq: 7 };
        let [(disk_key, sealed)] = sealer.seal(0, &key, b"state").unwrap().try_into().unwrap();
        let chunk = sealer.open(&disk_key, &sealed).unwrap();
        assert_eq!((chunk.key, chunk.chunks, chunk.body.as_slice()), (key, 1, &b"state"[..]));
        let elsewhere = sealer.disk_key(&RawKey { seq: 8, ..key }, 0);
        assert_eq!(sealer.open(&elsewhere, &sealed).err(), Some(Unopened::Damaged), "moved to another key");
        for at in 0..sealed.len() {
            let mut rotten = sealed.clone();
            rotten[at] ^= 1;
            assert!(sealer.open(&disk_key, &rotten).is_err(), "byte {at} flipped");
        }
        let other = Sealer::new(&DataKey::generate().unwrap(), Ciphers::default());
        assert!(other.open(&disk_key, &sealed).is_err(), "another data key");
    }

    #[test]
    fn lengths_of_messages_on_disk_are_one_of_four() {
        let sealer = sealer();
        let size = |space, len: usize| {
            let key = RawKey { space, group: [0; 16], seq: 0 };
            sealer.seal(0, &key, &vec![1; len]).unwrap()[0].1.len()
        };
        let sent = Space::Sent as u8;
        assert_eq!(size(sent, 0), size(sent, 64));
        assert_eq!(size(sent, 65), size(sent, 256));
        assert_eq!(size(sent, 257), size(sent, 1_024));
        assert_eq!(size(sent, 1_025), size(sent, 4_096));
        let session = Space::Session as u8;
        assert_eq!(size(session, 1_100), size(session, 1_280));
        assert!(size(session, 1_100) < size(sent, 1_100) / 2, "state takes little more than it needs");
        let key = RawKey { space: sent, group: [0; 16], seq: 0 };
        assert_eq!(sealer.seal(0, &key, &vec![1; 4_097]).unwrap().len(), 2);
    }
}
