//! How a carrier opens or continues a session: a fresh secret the first time, then words derived from it, each good once.

use crate::crypto::kdf::derive;
use crate::error::PeerFault;
use core::fmt;
use std::collections::HashMap;
use zeroize::Zeroizing;

/// Words ahead of the last one used that the listener accepts: carriers that were dialled and never arrived (DESIGN N1).
pub const WINDOW: u32 = 8;
const VERSION: u8 = 0;
/// A carrier over which nothing came for so long is asked for a sign of life, so that nobody on the way forgets it: base and spread,
/// milliseconds (DESIGN N1).
pub(super) const KEEP_MS: (u64, u64) = (480_000, 60_000);

/// The secret of a session; drawn by the dialler.
pub type Secret = Zeroizing<[u8; 32]>;
/// A word for one carrier.
pub type Token = [u8; 16];

/// The word of carrier number `number`; the first carrier is number 0 and has none.
#[must_use]
pub fn token(secret: &Secret, number: u32) -> Token {
    *derive(&number.to_be_bytes(), &secret[..], "karvon/0 veil resume")
}

/// How much longer than [`KEEP_MS`] a carrier is silent before it is asked for the time `number`, milliseconds: an even rhythm would show.
pub(super) fn spread_ms(secret: &Secret, number: u32) -> u64 {
    let drawn = derive::<2>(&number.to_be_bytes(), &secret[..], "karvon/0 veil keep");
    u64::from(u16::from_be_bytes(*drawn)) * KEEP_MS.1 / 65_536
}

/// The payload of the first frame of a carrier.
#[derive(Clone, PartialEq, Eq)]
pub enum Opening {
    /// A new session with this secret.
    New(Secret),
    /// The next carrier of a session.
    Resume(Token),
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::New(_)) { "New(..)" } else { "Resume(..)" })
    }
}

impl Opening {
    /// `version 1 | allowance 4 | secret 32 or token 16`. `allowance` is how many bytes the listener may send on this carrier, everything
    /// of the carrier counted; 0 means without bound.
    #[must_use]
    pub fn encode(&self, allowance: u32) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(vec![VERSION]);
        out.extend_from_slice(&allowance.to_be_bytes());
        match self {
            Self::New(secret) => out.extend_from_slice(&secret[..]),
            Self::Resume(token) => out.extend_from_slice(token),
        }
        out
    }

    /// Reads what [`Opening::encode`] wrote: the opening and the allowance.
    ///
    /// # Errors
    /// [`PeerFault::Length`] or [`PeerFault::Version`].
    pub fn decode(new: bool, payload: &[u8]) -> Result<(Self, u32), PeerFault> {
        let ([version], rest) = payload.split_first_chunk().ok_or(PeerFault::Length)?;
        if *version != VERSION {
            return Err(PeerFault::Version);
        }
        let (allowance, rest) = rest.split_first_chunk::<4>().ok_or(PeerFault::Length)?;
        let opening = if new {
            Self::New(Zeroizing::new(rest.try_into().map_err(|_| PeerFault::Length)?))
        } else {
            Self::Resume(rest.try_into().map_err(|_| PeerFault::Length)?)
        };
        Ok((opening, u32::from_be_bytes(*allowance)))
    }
}

/// The listener's table of words that will be accepted, for sessions numbered by their owner.
#[derive(Default)]
pub struct Tokens {
    words: HashMap<Token, (u64, u32)>,
    /// Secret and first word number not used yet, by session.
    sessions: HashMap<u64, (Secret, u32)>,
}

impl Tokens {
    /// The session that an opening with this secret began already: its first carrier came back before the answer had arrived.
    #[must_use]
    pub fn begun(&self, secret: &Secret) -> Option<u64> {
        self.words.get(&token(secret, 0)).map(|(session, _)| *session)
    }

    /// Begins to accept carriers of a session.
    pub fn insert(&mut self, session: u64, secret: Secret) {
        for number in 0..=WINDOW {
            self.words.insert(token(&secret, number), (session, number));
        }
        self.sessions.insert(session, (secret, 1));
    }

    /// The session that the word belongs to. The word and all before it are used up.
    pub fn redeem(&mut self, word: &Token) -> Option<u64> {
        // Number 0 stands for the secret itself and stays.
        let (session, number) = *self.words.get(word).filter(|(_, number)| *number > 0)?;
        let (secret, next) = self.sessions.get_mut(&session)?;
        for used in *next..=number {
            self.words.remove(&token(secret, used));
        }
        let end = next.saturating_add(WINDOW);
        *next = number.saturating_add(1);
        for fresh in end..next.saturating_add(WINDOW) {
            self.words.insert(token(secret, fresh), (session, fresh));
        }
        Some(session)
    }

    /// Accepts no more carriers of a session.
    pub fn remove(&mut self, session: u64) {
        if let Some((secret, next)) = self.sessions.remove(&session) {
            self.words.remove(&token(&secret, 0));
            for number in next..next.saturating_add(WINDOW) {
                self.words.remove(&token(&secret, number));
            }
        }
    }

    /// Sessions held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether no session is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({} sessions)", self.sessions.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_good_once_and_lost_carriers_do_not_matter() {
        let secret = Zeroizing::new([7; 32]);
        let mut tokens = Tokens::default();
        tokens.insert(1, secret.clone());
        tokens.insert(2, Zeroizing::new([8; 32]));
        assert_eq!(tokens.redeem(&token(&secret, 1)), Some(1));
        assert_eq!(tokens.redeem(&token(&secret, 1)), None, "a word is good once");
        assert_eq!(tokens.redeem(&token(&secret, 9)), Some(1), "seven carriers never arrived");
        assert_eq!(tokens.redeem(&token(&secret, 5)), None, "older words are used up with a newer one");
        assert_eq!(tokens.redeem(&token(&secret, 18)), None, "beyond the window");
        assert_eq!(tokens.redeem(&token(&secret, 17)), Some(1));
        assert_eq!(tokens.words.len(), 18, "nine words for each session, however many were used");
        assert_eq!(tokens.redeem(&token(&secret, 0)), None, "the secret's own word continues nothing");
        assert_eq!(tokens.begun(&secret), Some(1));
        assert_eq!(format!("{tokens:?}"), "Tokens(2 sessions)", "and nothing of what is secret");
        tokens.remove(1);
        assert_eq!(tokens.redeem(&token(&secret, 18)), None);
        tokens.remove(2);
        assert!(tokens.is_empty() && tokens.words.is_empty());
    }

    #[test]
    fn an_opening_comes_back_as_it_was() {
        for (opening, new) in
            [(Opening::New(Zeroizing::new([1; 32])), true), (Opening::Resume([2; 16]), false)]
        {
            let bytes = opening.encode(10_240);
            assert_eq!(Opening::decode(new, &bytes), Ok((opening, 10_240)));
            assert_eq!(Opening::decode(!new, &bytes), Err(PeerFault::Length));
            assert_eq!(Opening::decode(new, &bytes[..4]), Err(PeerFault::Length));
        }
        assert_eq!(Opening::decode(true, &[9; 37]), Err(PeerFault::Version));
    }
}
