//! Proof of work: what a stranger pays before a relay stores a first contact to a published address (SPEC §8.5).
//!
//! The work is memory-hard, so that a telephone is not hopelessly slower than a rack of machines, and it is bound to one cell in one
//! mailbox at one relay for an hour or two: nothing of it can be made ahead, shared, or used twice.

use crate::cell::Cell;
use crate::ids::MailboxId;

/// Length of the nonce by which a relay dates proofs.
pub const NONCE_BYTES: usize = 16;
/// Length of an answer.
pub const ANSWER_BYTES: usize = 8;
/// Zero bits that a sender is willing to look for at the most: 2^16 tries are an hour of a fast machine.
pub const BITS_MAX: u8 = 16;
/// Memory of one try, KiB.
const WORK_KIB: u32 = 16 * 1_024;
/// Passes of one try.
const WORK_PASSES: u32 = 1;
/// Context of the hash over what the work is for.
const CONTEXT: &str = "karvon 2026 request work v1";

/// What is to be solved: an answer whose Argon2id with this salt begins with `bits` zero bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Puzzle {
    salt: [u8; 32],
    bits: u8,
}

impl Puzzle {
    /// The puzzle for storing `cell` in `mailbox` while the relay's nonce is `nonce`. Its salt is BLAKE3 in derive-key mode over
    /// `mailbox 16 | nonce 16 | BLAKE3(cell) 32`.
    #[must_use]
    pub fn new(mailbox: MailboxId, nonce: &[u8; NONCE_BYTES], cell: &Cell, bits: u8) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&mailbox.0).update(nonce).update(blake3::hash(cell.bytes()).as_bytes());
        Self { salt: *hasher.finalize().as_bytes(), bits }
    }

    /// What names this puzzle: two answers to it are one payment.
    #[must_use]
    pub const fn salt(&self) -> &[u8; 32] {
        &self.salt
    }

    /// How many answers have to be tried on average.
    #[must_use]
    pub const fn tries(&self) -> u64 {
        1 << if self.bits < 63 { self.bits } else { 63 }
    }

    /// Tries `count` answers from `from` on, one after the other (some 20 ms and 16 MiB each): the first right one, if there is one.
    /// `None` instead of an answer to that only if the memory can not be had.
    #[must_use]
    pub fn search(&self, from: u64, count: u32) -> Option<Option<u64>> {
        for offset in 0..u64::from(count) {
            let answer = from.wrapping_add(offset);
            if leading_zeros(&self.work(answer)?) >= u32::from(self.bits) {
                return Some(Some(answer));
            }
        }
        Some(None)
    }

    /// Argon2id with 16 MiB, one pass and one lane, password = the answer's 8 bytes, 32 bytes out. `None` only if the memory can not be
    /// had.
    #[must_use]
    pub fn work(&self, answer: u64) -> Option<[u8; 32]> {
        let params = argon2::Params::new(WORK_KIB, WORK_PASSES, 1, Some(32)).ok()?;
        let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        let mut out = [0; 32];
        argon.hash_password_into(&answer.to_be_bytes(), &self.salt, &mut out).ok()?;
        Some(out)
    }
}

fn leading_zeros(hash: &[u8; 32]) -> u32 {
    let whole = hash.iter().take_while(|byte| **byte == 0).count();
    whole as u32 * 8 + hash.get(whole).map_or(0, |byte| byte.leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::{Class, OUTER_BYTES};
    use crate::ids::Tag;

    fn cell(fill: u8) -> Cell {
        let mut bytes = vec![fill; Class::S.bytes()];
        bytes[..OUTER_BYTES].copy_from_slice(&Cell::outer(Class::S, &Tag([2; 16]), 0));
        Cell::parse(bytes).unwrap()
    }

    #[test]
    fn zero_bits_are_counted_over_bytes() {
        let with = |bytes: &[u8]| {
            let mut hash = [0xff; 32];
            hash[..bytes.len()].copy_from_slice(bytes);
            leading_zeros(&hash)
        };
        assert_eq!((with(&[]), with(&[0x7f]), with(&[0, 0x10]), with(&[0, 0, 1])), (0, 1, 11, 23));
        assert_eq!(leading_zeros(&[0; 32]), 256);
    }

    #[test]
    fn an_answer_holds_for_its_cell_mailbox_and_nonce_only() {
        let (mailbox, nonce) = (MailboxId([1; 16]), [2; 16]);
        let puzzle = Puzzle::new(mailbox, &nonce, &cell(3), 3);
        let answer = puzzle.search(0, 1_000).unwrap().unwrap();
        assert_eq!(puzzle.search(answer, 1), Some(Some(answer)));
        let others = [
            Puzzle::new(MailboxId([9; 16]), &nonce, &cell(3), 24),
            Puzzle::new(mailbox, &[9; 16], &cell(3), 24),
            Puzzle::new(mailbox, &nonce, &cell(4), 24),
            Puzzle::new(mailbox, &nonce, &cell(3), 24),
        ];
        for other in others {
            assert_eq!(other.search(answer, 1), Some(None), "an answer of few bits is none of many");
        }
        let salts: std::collections::BTreeSet<_> = others.iter().map(|puzzle| *puzzle.salt()).collect();
        assert_eq!(salts.len(), 4, "everything that it is bound to is in the salt, and the bits are not");
        assert!(salts.contains(puzzle.salt()));
    }
}
