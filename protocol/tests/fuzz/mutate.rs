//! Bent copies of a corpus: the same seed yields the same bytes.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// Longest input.
const LENGTH_MAX: usize = 70_000;
/// Numbers at the edges of lengths and counters.
const EDGES: [u64; 12] =
    [0, 1, 0x17, 0x18, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, u32::MAX as u64, u64::MAX];

/// Yields inputs; every 64th is one of the corpus as it is.
pub struct Mutator {
    rng: ChaCha8Rng,
    corpus: Vec<Vec<u8>>,
    input: Vec<u8>,
    count: u64,
}

impl Mutator {
    pub fn new(seed: u64, corpus: Vec<Vec<u8>>) -> Self {
        assert!(!corpus.is_empty());
        Self { rng: ChaCha8Rng::seed_from_u64(seed), corpus, input: Vec::new(), count: 0 }
    }

    fn below(&mut self, end: usize) -> usize {
        (self.rng.next_u32() as usize) % end.max(1)
    }

    pub fn next(&mut self) -> &[u8] {
        let pick = self.below(self.corpus.len());
        self.input.clone_from(&self.corpus[pick]);
        self.count += 1;
        if self.count % 64 != 1 {
            for _ in 0..1 << self.below(4) {
                self.bend();
            }
            self.input.truncate(LENGTH_MAX);
        }
        &self.input
    }

    fn bend(&mut self) {
        let length = self.input.len();
        let at = self.below(length);
        match self.below(10) {
            0 if length > 0 => self.input[at] ^= 1 << self.below(8),
            1 if length > 0 => self.input[at] = self.rng.next_u32() as u8,
            2 => {
                let end = self.below(length + 1);
                self.input.truncate(end);
            }
            3 => {
                let count = 1 + self.below(16);
                let bytes: Vec<u8> = (0..count).map(|_| self.rng.next_u32() as u8).collect();
                self.input.splice(at..at, bytes);
            }
            4 if length > 0 => {
                let end = (at + 1 + self.below(32)).min(length);
                self.input.drain(at..end);
            }
            5 => {
                // A number at the edge of its range, in one to eight bytes.
                let width = 1 << self.below(4);
                let edge = EDGES[self.below(EDGES.len())].to_be_bytes();
                for (to, from) in self.input.iter_mut().skip(at).zip(&edge[8 - width..]) {
                    *to = *from;
                }
            }
            6 => {
                let end = (at + self.below(64)).min(length);
                let part = self.input.get(at..end).unwrap_or_default().to_vec();
                let to = self.below(length + 1);
                self.input.splice(to..to, part);
            }
            7 => {
                // The head of this and the tail of another.
                let other = self.below(self.corpus.len());
                let from = self.below(self.corpus[other].len() + 1);
                self.input.truncate(at);
                self.input.extend_from_slice(&self.corpus[other][from..]);
            }
            8 if length > 0 => {
                self.input[at] = self.input[at].wrapping_add(1 + self.rng.next_u32() as u8 % 2 * 254)
            }
            _ => {
                let byte = self.rng.next_u32() as u8;
                let count = self.below(40);
                self.input.extend(std::iter::repeat_n(byte, count));
            }
        }
    }
}
