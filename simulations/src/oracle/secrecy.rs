//! No key is used with the same nonce for two different texts.

use super::{Fact, Oracle};
use std::collections::HashMap;

/// Remembers every key and nonce that sealed something. Sealing the same bytes again (a resend) is no fault.
#[derive(Debug, Default)]
pub struct KeyReuse {
    used: HashMap<([u8; 32], Vec<u8>), [u8; 32]>,
}

impl Oracle for KeyReuse {
    fn name(&self) -> &'static str {
        "key reuse"
    }

    fn judge(&mut self, fact: &Fact) -> Result<(), String> {
        let Fact::Sealed { key, nonce, sealed } = fact else { return Ok(()) };
        match self.used.insert((*key, nonce.clone()), *sealed) {
            Some(before) if before != *sealed => Err("a key and nonce sealed two different texts".to_owned()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(key: u8, nonce: u8, text: u8) -> Fact {
        Fact::Sealed { key: [key; 32], nonce: vec![nonce; 12], sealed: [text; 32] }
    }

    #[test]
    fn a_node_that_forgets_its_counter_in_a_crash_is_found() {
        // It seals with counters 0, 1, 2, crashes, and starts at 1 again with another text.
        let mut oracle = KeyReuse::default();
        for counter in 0..3 {
            assert_eq!(oracle.judge(&sealed(1, counter, counter)), Ok(()));
        }
        assert!(oracle.judge(&sealed(1, 1, 9)).is_err());
    }

    #[test]
    fn resending_the_same_bytes_and_other_keys_are_no_fault() {
        let mut oracle = KeyReuse::default();
        for fact in [sealed(1, 0, 5), sealed(1, 0, 5), sealed(2, 0, 6), sealed(1, 1, 7)] {
            assert_eq!(oracle.judge(&fact), Ok(()));
        }
    }
}
