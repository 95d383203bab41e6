//! The sparse post-quantum ratchet: ML-KEM-768 keys and ciphertexts travel whole in the padding of cells (SPEC §6b, DESIGN P5).
//!
//! Epochs follow one another. The owner of an epoch shows a key until it gets a ciphertext for it; the other side shows that ciphertext
//! until it hears that it arrived; then the roles change. A chain's root step mixes in the newest epoch that both sides are known to
//! hold, so no message ever needs a secret that its reader lacks.

use super::state::Key;
use crate::crypto::fixed::Reader;
use crate::crypto::kdf::derive;
use crate::crypto::labels::PQ_CHAIN;
use crate::crypto::{KEM_CIPHERTEXT_BYTES, KEM_KEY_BYTES, LocalKemKey, RemoteKemKey};
use crate::error::PeerFault;
use rand_core::CryptoRng;
use std::collections::VecDeque;
use zeroize::Zeroizing;

/// Bytes of a piece in front of its key or ciphertext: kind and epoch.
const HEAD_BYTES: usize = 5;
/// Secrets kept at the most: a chain that mixes one of them may still come.
const KEYS_MAX: usize = 3;

const KIND_KEY: u8 = 1;
const KIND_CIPHERTEXT: u8 = 2;

#[derive(Clone)]
enum Step {
    /// The next epoch has not begun here.
    Idle,
    /// This side's key for the next epoch is shown.
    Offering { seed: Zeroizing<[u8; 64]>, public: Vec<u8> },
    /// The other side's key is here; answering it needs randomness, which sealing has.
    Asked { public: Vec<u8> },
    /// This side's ciphertext is shown until the other side has it.
    Answering { ciphertext: Vec<u8> },
}

/// A key or ciphertext on its way.
pub(super) struct Piece {
    kind: u8,
    epoch: u32,
    content: Vec<u8>,
}

impl Piece {
    pub(super) fn encode(&self) -> Vec<u8> {
        [&[self.kind][..], &self.epoch.to_be_bytes(), &self.content].concat()
    }

    /// Reads what follows a payload: a piece and zeros, or zeros alone. Kinds of a later version are passed over with all that follows.
    pub(super) fn decode(rest: &[u8]) -> Result<Option<Self>, PeerFault> {
        let mut reader = Reader(rest);
        let kind = reader.u8().unwrap_or(0);
        let length = match kind {
            0 => 0,
            KIND_KEY => KEM_KEY_BYTES,
            KIND_CIPHERTEXT => KEM_CIPHERTEXT_BYTES,
            _ => return Ok(None),
        };
        let mut piece = None;
        if length > 0 {
            let epoch = reader.u32().ok_or(PeerFault::Length)?;
            let content = reader.slice(length).ok_or(PeerFault::Length)?.to_vec();
            piece = Some(Self { kind, epoch, content });
        }
        if reader.0.iter().any(|byte| *byte != 0) {
            return Err(PeerFault::Padding);
        }
        Ok(piece)
    }
}

/// One side of the exchange.
#[derive(Clone)]
pub(super) struct Pq {
    /// This side owns odd epochs: it sent the greeting.
    odd: bool,
    /// The newest epoch that both sides are known to hold.
    done: u32,
    /// The newest epoch in the root key.
    mixed: u32,
    /// Secrets by epoch, newest last.
    keys: VecDeque<(u32, Key)>,
    step: Step,
}

impl Pq {
    pub(super) const fn new(odd: bool) -> Self {
        Self { odd, done: 0, mixed: 0, keys: VecDeque::new(), step: Step::Idle }
    }

    /// The newest epoch that both sides are known to hold: the header's `pq_ack`.
    pub(super) const fn done(&self) -> u32 {
        self.done
    }

    /// The newest epoch in the root key.
    pub(super) const fn mixed(&self) -> u32 {
        self.mixed
    }

    const fn owns(&self, epoch: u32) -> bool {
        (epoch % 2 == 1) == self.odd
    }

    /// Makes what is to be shown next, if it is this side's turn.
    pub(super) fn prepare(&mut self, rng: &mut dyn CryptoRng) {
        let Some(epoch) = self.done.checked_add(1) else { return };
        match &self.step {
            Step::Idle if self.owns(epoch) => {
                let key = LocalKemKey::generate(rng);
                let seed = Zeroizing::new(*key.seed());
                self.step = Step::Offering { seed, public: key.public().to_bytes() };
            }
            Step::Asked { public } => {
                // It was checked when it came.
                let Ok(key) = RemoteKemKey::parse(public) else { return };
                let (ciphertext, shared) = key.encapsulate(rng);
                self.learn(epoch, &shared);
                self.step = Step::Answering { ciphertext };
            }
            _ => {}
        }
    }

    /// What to put behind a payload, if there is room for it. Without [`Pq::prepare`] keys are drawn only when they are shown at once.
    pub(super) fn piece(&mut self, room: usize, rng: &mut dyn CryptoRng) -> Option<Piece> {
        let epoch = self.done.checked_add(1)?;
        let fits = |length: usize| room >= HEAD_BYTES + length;
        match &self.step {
            Step::Idle if fits(KEM_KEY_BYTES) => self.prepare(rng),
            Step::Asked { .. } if fits(KEM_CIPHERTEXT_BYTES) => self.prepare(rng),
            _ => {}
        }
        let (kind, content) = match &self.step {
            Step::Offering { public, .. } => (KIND_KEY, public),
            Step::Answering { ciphertext } => (KIND_CIPHERTEXT, ciphertext),
            Step::Idle | Step::Asked { .. } => return None,
        };
        fits(content.len()).then(|| Piece { kind, epoch, content: content.clone() })
    }

    /// The epoch and secret to mix into a new sending chain: 0 and zeros if there is nothing newer than before.
    pub(super) fn mix(&mut self) -> (u32, Key) {
        if self.done <= self.mixed {
            return (0, Zeroizing::new([0; 32]));
        }
        self.take(self.done).map_or_else(|| (0, Zeroizing::new([0; 32])), |key| (self.done, key))
    }

    /// The secret that a receiving chain mixes.
    pub(super) fn mix_of(&mut self, epoch: u32) -> Result<Key, PeerFault> {
        if epoch == 0 {
            return Ok(Zeroizing::new([0; 32]));
        }
        if epoch <= self.mixed {
            return Err(PeerFault::Malformed);
        }
        self.take(epoch).ok_or(PeerFault::Bound)
    }

    fn take(&mut self, epoch: u32) -> Option<Key> {
        let key = self.keys.iter().find(|(known, _)| *known == epoch).map(|(_, key)| key.clone())?;
        self.mixed = epoch;
        // Older ones can not be mixed any more; the newest is where the next one grows from.
        while self.keys.len() > 1 && self.keys.front().is_some_and(|(known, _)| *known <= epoch) {
            self.keys.pop_front();
        }
        Some(key)
    }

    fn learn(&mut self, epoch: u32, shared: &[u8; 32]) {
        let before = self.keys.back().map_or_else(|| Zeroizing::new([0; 32]), |(_, key)| key.clone());
        self.keys.push_back((epoch, derive(&before[..], shared, PQ_CHAIN)));
        if self.keys.len() > KEYS_MAX {
            self.keys.pop_front();
        }
    }

    /// What an authenticated message said: which epoch its sender knows both to hold, and the piece it carried.
    pub(super) fn on_message(&mut self, ack: u32, piece: Option<Piece>) {
        let Some(epoch) = self.done.checked_add(1) else { return };
        if ack == epoch && matches!(self.step, Step::Answering { .. }) {
            self.done = epoch;
            self.step = Step::Idle;
            return;
        }
        let Some(piece) = piece.filter(|piece| piece.epoch == epoch) else { return };
        match (&self.step, piece.kind) {
            (Step::Idle, KIND_KEY) if !self.owns(epoch) && RemoteKemKey::parse(&piece.content).is_ok() => {
                self.step = Step::Asked { public: piece.content };
            }
            (Step::Offering { seed, .. }, KIND_CIPHERTEXT) => {
                if let Ok(shared) = LocalKemKey::from_seed(seed).decapsulate(&piece.content) {
                    self.learn(epoch, &shared);
                    self.done = epoch;
                    self.step = Step::Idle;
                }
            }
            _ => {}
        }
    }

    /// `odd 1 | done 4 | mixed 4 | count 1, (epoch 4, secret 32)… | step 1, its seed 64, key 1,184 or ciphertext 1,088`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.odd));
        out.extend_from_slice(&self.done.to_be_bytes());
        out.extend_from_slice(&self.mixed.to_be_bytes());
        out.push(self.keys.len() as u8);
        for (epoch, key) in &self.keys {
            out.extend_from_slice(&epoch.to_be_bytes());
            out.extend_from_slice(&key[..]);
        }
        match &self.step {
            Step::Idle => out.push(0),
            Step::Offering { seed, .. } => {
                out.push(1);
                out.extend_from_slice(&seed[..]);
            }
            Step::Asked { public } => {
                out.push(2);
                out.extend_from_slice(public);
            }
            Step::Answering { ciphertext } => {
                out.push(3);
                out.extend_from_slice(ciphertext);
            }
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let odd = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let (done, mixed) = (reader.u32()?, reader.u32()?);
        let count = usize::from(reader.u8()?);
        if count > KEYS_MAX {
            return None;
        }
        let mut keys = VecDeque::with_capacity(KEYS_MAX + 1);
        for _ in 0..count {
            let epoch = reader.u32()?;
            keys.push_back((epoch, Zeroizing::new(*reader.take()?)));
        }
        let step = match reader.u8()? {
            0 => Step::Idle,
            1 => {
                let seed = Zeroizing::new(*reader.take::<64>()?);
                let public = LocalKemKey::from_seed(&seed).public().to_bytes();
                Step::Offering { seed, public }
            }
            2 => Step::Asked { public: reader.slice(KEM_KEY_BYTES)?.to_vec() },
            3 => Step::Answering { ciphertext: reader.slice(KEM_CIPHERTEXT_BYTES)?.to_vec() },
            _ => return None,
        };
        Some(Self { odd, done, mixed, keys, step })
    }

    /// Most bytes of [`Pq::encode`].
    pub(super) const ENCODED_MAX: usize = 11 + 36 * KEYS_MAX + KEM_KEY_BYTES;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_secrets_as_are_ever_kept_are_read_back_and_one_more_is_refused() {
        let mut pq = Pq::new(true);
        (1..=KEYS_MAX as u32 + 1).for_each(|epoch| pq.learn(epoch, &[epoch as u8; 32]));
        assert_eq!(pq.keys.len(), KEYS_MAX, "the oldest gave way");
        let encoded = |pq: &Pq| {
            let mut out = Vec::new();
            pq.encode(&mut out);
            out
        };
        let stored = encoded(&pq);
        let read = Pq::decode(&mut Reader(&stored)).map(|pq| encoded(&pq));
        assert_eq!(read.as_ref(), Some(&stored));
        assert!(stored.len() <= Pq::ENCODED_MAX);
        pq.keys.push_back((9, Zeroizing::new([9; 32])));
        assert!(Pq::decode(&mut Reader(&encoded(&pq))).is_none());
    }
}
