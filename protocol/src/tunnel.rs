//! The tunnel: Noise_NK to a relay's onion key, through a door that can read none of it (SPEC §8).
//!
//! The leaf knows the relay's onion key from its signed descriptor and stays nameless. The first message may already carry a request:
//! an onlooker who replays it opens a tunnel that nobody can use, and every request is safe to repeat.

use crate::error::PeerFault;
use crate::ids::{RelayId, first};
use crate::link::PAYLOAD_MAX;
use core::fmt;
use rand_core::CryptoRng;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState, TransportState};
use thiserror::Error;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

/// The Noise protocol of a tunnel.
pub const NOISE: &str = "Noise_NK_25519_ChaChaPoly_BLAKE2s";
/// First part of the prologue; the relay id follows, so that a handshake with one relay is worthless at another.
pub const PROLOGUE: &[u8] = b"karvon/tunnel/0";
/// Bytes that a handshake message adds to its payload: ephemeral key 32, authentication tag 16.
pub const HANDSHAKE_OVERHEAD: usize = 48;
/// Bytes that a message in an open tunnel adds: authentication tag 16.
pub const MESSAGE_OVERHEAD: usize = 16;

/// A message that this side can not seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SealFault {
    /// Longer than a frame holds.
    #[error("the message is longer than a frame holds")]
    TooLong,
    /// The key is weak or all counters are used: the tunnel must be opened anew.
    #[error("the tunnel can not be used any more")]
    Unusable,
}

/// The public half of an onion secret.
#[must_use]
pub fn onion_public(secret: &[u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}

/// A leaf that has sent the first message and waits for the second.
pub struct Initiator(HandshakeState);

impl Initiator {
    /// Starts a tunnel to `relay`, whose descriptor names `onion_key`. `first` is the payload of the first message: empty or an
    /// encoded request. Returns the message to put behind the relay id in `Open`.
    ///
    /// # Errors
    /// [`SealFault::TooLong`] if `first` does not fit a frame, [`SealFault::Unusable`] if the onion key is weak.
    pub fn open(
        relay: RelayId,
        onion_key: &[u8; 32],
        first: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Vec<u8>), SealFault> {
        if first.len() > PAYLOAD_MAX - RelayId::LEN - HANDSHAKE_OVERHEAD {
            return Err(SealFault::TooLong);
        }
        let state = builder(relay, rng, |builder| builder.remote_public_key(onion_key)?.build_initiator());
        let mut state = state.map_err(|_| SealFault::Unusable)?;
        let message = write(&mut state, first)?;
        Ok((Self(state), message))
    }

    /// Takes the relay's answer from `Opened`: the tunnel and the payload that came with it.
    ///
    /// # Errors
    /// [`PeerFault::Decrypt`] if it is not the answer to this first message by the holder of the onion key.
    pub fn finish(mut self, message: &[u8]) -> Result<(Tunnel, Vec<u8>), PeerFault> {
        let payload = read(&mut self.0, message)?;
        Ok((Tunnel::new(self.0)?, payload))
    }
}

/// A relay that has read a first message and decides what to answer.
pub struct Responder(HandshakeState);

impl Responder {
    /// Reads a first message sent to `relay` under one of its `onion_secrets` (newest first, at most two are tried). Returns what
    /// the message carried: nothing or a request.
    ///
    /// # Errors
    /// [`PeerFault::Decrypt`] if no secret fits, or the message is too short.
    pub fn read(
        relay: RelayId,
        onion_secrets: &[Zeroizing<[u8; 32]>],
        message: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Vec<u8>), PeerFault> {
        for secret in onion_secrets.iter().take(2) {
            let state =
                builder(relay, rng, |builder| builder.local_private_key(&secret[..])?.build_responder());
            let mut state = state.map_err(|_| PeerFault::Decrypt)?;
            if let Ok(payload) = read(&mut state, message) {
                return Ok((Self(state), payload));
            }
        }
        Err(PeerFault::Decrypt)
    }

    /// Answers: the tunnel, and the message to send as `Opened`. `payload` may be empty.
    ///
    /// # Errors
    /// [`SealFault::TooLong`] if `payload` does not fit a frame, [`SealFault::Unusable`] if the leaf sent a weak key.
    pub fn write(mut self, payload: &[u8]) -> Result<(Tunnel, Vec<u8>), SealFault> {
        let message = write(&mut self.0, payload)?;
        let tunnel = Tunnel::new(self.0).map_err(|_| SealFault::Unusable)?;
        Ok((tunnel, message))
    }
}

/// An open tunnel: messages must be opened in the order in which they were sealed.
pub struct Tunnel {
    state: TransportState,
    hash: [u8; 32],
}

impl Tunnel {
    fn new(state: HandshakeState) -> Result<Self, PeerFault> {
        let hash = first(state.get_handshake_hash());
        let state = state.into_transport_mode().map_err(|_| PeerFault::Decrypt)?;
        Ok(Self { state, hash })
    }

    /// Seals one message for a `Data` frame.
    ///
    /// # Errors
    /// A [`SealFault`]; nothing was changed.
    pub fn seal(&mut self, message: &[u8]) -> Result<Vec<u8>, SealFault> {
        if message.len() > PAYLOAD_MAX - MESSAGE_OVERHEAD {
            return Err(SealFault::TooLong);
        }
        let mut out = vec![0; message.len() + MESSAGE_OVERHEAD];
        self.state.write_message(message, &mut out).map_err(|_| SealFault::Unusable)?;
        Ok(out)
    }

    /// Opens one message from a `Data` frame.
    ///
    /// # Errors
    /// [`PeerFault::Decrypt`]; the tunnel is unchanged, and is then to be closed with [`crate::link::CloseCode::Crypto`].
    pub fn open(&mut self, message: &[u8]) -> Result<Vec<u8>, PeerFault> {
        let mut out = vec![0; message.len().checked_sub(MESSAGE_OVERHEAD).ok_or(PeerFault::Decrypt)?];
        let length = self.state.read_message(message, &mut out).map_err(|_| PeerFault::Decrypt)?;
        out.truncate(length);
        Ok(out)
    }

    /// The handshake hash, the same on both sides and of no other tunnel: what `Attach` signs.
    #[must_use]
    pub const fn hash(&self) -> [u8; 32] {
        self.hash
    }
}

macro_rules! hide {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
hide!(Initiator, Responder, Tunnel);

fn builder(
    relay: RelayId,
    rng: &mut dyn CryptoRng,
    build: impl FnOnce(Builder<'_>) -> Result<HandshakeState, snow::Error>,
) -> Result<HandshakeState, snow::Error> {
    let mut ephemeral = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut ephemeral[..]);
    let prologue = [PROLOGUE, &relay.0].concat();
    build(Builder::with_resolver(NOISE.parse()?, Box::new(Resolver(ephemeral))).prologue(&prologue)?)
}

fn write(state: &mut HandshakeState, payload: &[u8]) -> Result<Vec<u8>, SealFault> {
    if payload.len() > PAYLOAD_MAX - HANDSHAKE_OVERHEAD {
        return Err(SealFault::TooLong);
    }
    let mut out = vec![0; payload.len() + HANDSHAKE_OVERHEAD];
    let length = state.write_message(payload, &mut out).map_err(|_| SealFault::Unusable)?;
    out.truncate(length);
    Ok(out)
}

fn read(state: &mut HandshakeState, message: &[u8]) -> Result<Vec<u8>, PeerFault> {
    let mut out = vec![0; message.len().checked_sub(HANDSHAKE_OVERHEAD).ok_or(PeerFault::Decrypt)?];
    let length = state.read_message(message, &mut out).map_err(|_| PeerFault::Decrypt)?;
    out.truncate(length);
    Ok(out)
}

/// Gives snow the cipher and hash of its default set, a Diffie-Hellman that forgets its secrets and refuses weak keys, and the one
/// ephemeral key that the caller drew: nothing asks the system for randomness.
pub(crate) struct Resolver(pub(crate) Zeroizing<[u8; 32]>);

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(OneKey(Some(self.0.clone()))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| Box::new(X25519::from([0; 32])) as Box<dyn Dh>)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

/// One ephemeral key, given out once: each side of a handshake makes exactly one.
struct OneKey(Option<Zeroizing<[u8; 32]>>);

impl Random for OneKey {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        let key = self.0.take().filter(|key| key.len() == dest.len()).ok_or(snow::Error::Rng)?;
        dest.copy_from_slice(&key[..]);
        Ok(())
    }
}

struct X25519 {
    secret: StaticSecret,
    public: [u8; 32],
}

impl From<[u8; 32]> for X25519 {
    fn from(secret: [u8; 32]) -> Self {
        let secret = StaticSecret::from(secret);
        let public = PublicKey::from(&secret).to_bytes();
        Self { secret, public }
    }
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, privkey: &[u8]) {
        *self = Self::from(first(privkey));
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), snow::Error> {
        let mut secret = Zeroizing::new([0; 32]);
        rng.try_fill_bytes(&mut secret[..])?;
        *self = Self::from(*secret);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        let shared = self.secret.diffie_hellman(&PublicKey::from(first::<32>(pubkey)));
        if !shared.was_contributory() {
            return Err(snow::Error::Dh);
        }
        out.get_mut(..32).ok_or(snow::Error::Dh)?.copy_from_slice(shared.as_bytes());
        Ok(())
    }
}
