//! A session between two contacts on one network: Noise_NNpsk0 under the pair's secret, then units of one size (SPEC §12.2).
//!
//! There is no header, no length and no word in clear: every unit on the wire has [`UNIT_BYTES`] that look random.

use super::message::{Assembler, Message, PLAIN_BYTES};
use super::{NONCE_BYTES, Nonce};
use crate::error::PeerFault;
use crate::tunnel::Resolver;
use core::fmt;
use rand_core::CryptoRng;
use snow::{Builder, HandshakeState, TransportState};
use zeroize::Zeroizing;

/// The Noise protocol of a session.
pub const NOISE: &str = "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s";
/// First part of the prologue; the answerer's nonce and the dialler's salt follow.
pub const PROLOGUE: &[u8] = b"karvon/lan/0";
/// Bytes of each unit on the wire, the first ones included.
pub const UNIT_BYTES: usize = PLAIN_BYTES + 16;
/// Bytes by which the dialler is recognised.
pub const HELLO_MARK_BYTES: usize = 16;
const HELLO_BYTES: usize = NONCE_BYTES + HELLO_MARK_BYTES;
/// What a handshake message adds to its payload: ephemeral key 32, authentication tag 16.
const HANDSHAKE_OVERHEAD: usize = 48;

/// The dialler's side, until it is answered.
pub struct Dialler(HandshakeState);

/// The answerer's side; it counts only once the other side has sent something that opens, because a first unit can be sent again.
pub struct Taken {
    /// To be sent back.
    pub answer: Vec<u8>,
    /// What follows.
    pub channel: Channel,
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Taken(..)")
    }
}

impl fmt::Debug for Dialler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialler(..)")
    }
}

fn state(
    (psk, nonce, salt): (&[u8; 32], &Nonce, &Nonce),
    rng: &mut dyn CryptoRng,
    build: impl FnOnce(Builder<'_>) -> Result<HandshakeState, snow::Error>,
) -> Result<HandshakeState, PeerFault> {
    let mut ephemeral = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut ephemeral[..]);
    let prologue = [PROLOGUE, nonce, salt].concat();
    let builder = || -> Result<HandshakeState, snow::Error> {
        let builder = Builder::with_resolver(NOISE.parse()?, Box::new(Resolver(ephemeral)));
        build(builder.prologue(&prologue)?.psk(0, psk)?)
    };
    builder().map_err(|_| PeerFault::Decrypt)
}

/// Writes a handshake message that fills what is left of a unit.
fn write(state: &mut HandshakeState, bytes: usize) -> Result<Vec<u8>, PeerFault> {
    let mut out = vec![0; bytes];
    let payload = vec![0; bytes.saturating_sub(HANDSHAKE_OVERHEAD)];
    let length = state.write_message(&payload, &mut out).map_err(|_| PeerFault::Decrypt)?;
    if length == bytes { Ok(out) } else { Err(PeerFault::Length) }
}

fn read(state: &mut HandshakeState, message: &[u8]) -> Result<(), PeerFault> {
    let mut out = vec![0; message.len()];
    let length = state.read_message(message, &mut out).map_err(|_| PeerFault::Decrypt)?;
    let payload = out.get(..length).ok_or(PeerFault::Length)?;
    if payload.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(PeerFault::Padding) }
}

/// Salt and mark of a first unit.
pub(super) fn open_hello(hello: &[u8]) -> Result<(Nonce, [u8; HELLO_MARK_BYTES]), PeerFault> {
    if hello.len() != UNIT_BYTES {
        return Err(PeerFault::Length);
    }
    let (salt, rest) = hello.split_first_chunk().ok_or(PeerFault::Length)?;
    let (mark, _) = rest.split_first_chunk().ok_or(PeerFault::Length)?;
    Ok((*salt, *mark))
}

pub(super) fn dial(
    psk: &[u8; 32],
    nonce: &Nonce,
    salt: &Nonce,
    mark: &[u8; HELLO_MARK_BYTES],
    rng: &mut dyn CryptoRng,
) -> Result<(Dialler, Vec<u8>), PeerFault> {
    let mut state = state((psk, nonce, salt), rng, |builder| builder.build_initiator())?;
    let first = write(&mut state, UNIT_BYTES - HELLO_BYTES)?;
    Ok((Dialler(state), [&salt[..], mark, &first].concat()))
}

pub(super) fn take(
    psk: &[u8; 32],
    nonce: &Nonce,
    salt: &Nonce,
    hello: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<Taken, PeerFault> {
    let mut state = state((psk, nonce, salt), rng, |builder| builder.build_responder())?;
    read(&mut state, hello.get(HELLO_BYTES..).ok_or(PeerFault::Length)?)?;
    let answer = write(&mut state, UNIT_BYTES)?;
    Ok(Taken { answer, channel: Channel::new(state)? })
}

impl Dialler {
    /// Takes the answer.
    ///
    /// # Errors
    /// [`PeerFault::Length`], or [`PeerFault::Decrypt`] if the contact has not written it.
    pub fn finish(mut self, answer: &[u8]) -> Result<Channel, PeerFault> {
        if answer.len() != UNIT_BYTES {
            return Err(PeerFault::Length);
        }
        read(&mut self.0, answer)?;
        Channel::new(self.0)
    }
}

/// An open session: units must be opened in the order in which they were sealed.
pub struct Channel {
    state: TransportState,
    assembler: Assembler,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Channel(..)")
    }
}

impl Channel {
    fn new(state: HandshakeState) -> Result<Self, PeerFault> {
        let state = state.into_transport_mode().map_err(|_| PeerFault::Decrypt)?;
        Ok(Self { state, assembler: Assembler::default() })
    }

    /// Seals a message: a whole number of units.
    ///
    /// # Errors
    /// [`PeerFault::Bound`] if the session is used up, after 2^64 units.
    pub fn seal(&mut self, message: &Message) -> Result<Vec<u8>, PeerFault> {
        let plain = message.encode();
        let mut out = Vec::with_capacity(plain.len() / PLAIN_BYTES * UNIT_BYTES);
        for unit in plain.chunks(PLAIN_BYTES) {
            let mut sealed = [0; UNIT_BYTES];
            self.state.write_message(unit, &mut sealed).map_err(|_| PeerFault::Bound)?;
            out.extend_from_slice(&sealed);
        }
        Ok(out)
    }

    /// Opens one unit; a message once it is whole.
    ///
    /// # Errors
    /// A [`PeerFault`]; the session is then of no use any more.
    pub fn open(&mut self, unit: &[u8]) -> Result<Option<Message>, PeerFault> {
        if unit.len() != UNIT_BYTES {
            return Err(PeerFault::Length);
        }
        let mut plain = Zeroizing::new([0; UNIT_BYTES]);
        let length = self.state.read_message(unit, &mut plain[..]).map_err(|_| PeerFault::Decrypt)?;
        self.assembler.push(plain.get(..length).ok_or(PeerFault::Length)?)
    }
}
