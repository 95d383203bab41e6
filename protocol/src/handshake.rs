//! The first cell between two people: PQXDH-shaped, X25519 and ML-KEM-768 together, bound to its whole transcript (SPEC §6a, DESIGN P5).

use crate::bundle::{Bundle, PREKEY_ID_BYTES, Prekeys};
use crate::cell::{Cell, Class, OUTER_BYTES};
use crate::crypto::aead::{TAG_BYTES, open, seal};
use crate::crypto::fixed::Reader;
use crate::crypto::kdf::derive;
use crate::crypto::labels::{HX1_ID, HX1_KEYS, HX1_T0, HX1_T1};
use crate::crypto::{KEM_CIPHERTEXT_BYTES, LocalDhKey, RemoteDhKey};
use crate::error::PeerFault;
use crate::identity::{CERT_BYTES, DeviceCert, LocalIdentity, RemoteIdentity};
use crate::ids::Tag;
use crate::ratchet::{OVERHEAD_BYTES, Ratchet};
use crate::session::Session;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The handshake's version, bound in its transcript: both sides speak the post-quantum ratchet, so nothing can be bargained down.
const VERSION: u8 = 2;
/// The initiator's identity, sealed.
const BOX_BYTES: usize = CERT_BYTES + PREKEY_ID_BYTES + TAG_BYTES;
/// Bytes of the handshake in front of the first ratchet message.
const HEAD_BYTES: usize = 32 + KEM_CIPHERTEXT_BYTES + BOX_BYTES;
/// Longest payload of a greeting.
pub const GREETING_CAPACITY: usize = Class::S.bytes() - OUTER_BYTES - HEAD_BYTES - OVERHEAD_BYTES;

/// Keys in front of each key derivation, as in X3DH: no X25519 output looks like it.
const FILL: [u8; 32] = [0xff; 32];

fn transcript(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    parts.iter().for_each(|part| {
        hasher.update(part);
    });
    *hasher.finalize().as_bytes()
}

fn t0(bundle: &Bundle, ek: &RemoteDhKey, ct: &[u8]) -> [u8; 32] {
    let length = (bundle.bytes().len() as u32).to_be_bytes();
    transcript(HX1_T0, &[&[VERSION], &length, bundle.bytes(), &ek.0, ct])
}

fn t1(t0: &[u8; 32], sealed: &[u8], a: &DeviceCert, b: &DeviceCert) -> [u8; 32] {
    let length = (sealed.len() as u32).to_be_bytes();
    transcript(HX1_T1, &[t0, &length, sealed, &a.account.0, &a.dh.0, &b.account.0, &b.dh.0])
}

fn identity_key(t0: &[u8; 32], parts: [&[u8; 32]; 4]) -> Zeroizing<[u8; 32]> {
    let [d1, d2, d4, ss] = parts;
    let ikm = Zeroizing::new([&FILL[..], d1, d2, d4, ss].concat());
    derive(t0, &ikm, HX1_ID)
}

/// What both sides hold at the end: root key, header keys, tag keys of both directions, conversation secret.
struct Keys(Zeroizing<[u8; 192]>);

impl Keys {
    fn derive(t1: &[u8; 32], secrets: [&[u8; 32]; 6]) -> Self {
        let [d1, d2, d3, d4, d5, ss] = secrets;
        let ikm = Zeroizing::new([&FILL[..], d1, d2, d3, d4, d5, ss].concat());
        Self(derive(t1, &ikm, HX1_KEYS))
    }

    fn split(&self) -> [Zeroizing<[u8; 32]>; 6] {
        let mut chunks = self.0.as_chunks::<32>().0.iter();
        core::array::from_fn(|_| Zeroizing::new(chunks.next().copied().unwrap_or_default()))
    }
}

/// Makes the first cell to the owner of `bundle` and the session that goes with it. The cell must be stored before it is sent, and sent
/// again as it is.
///
/// # Errors
/// [`PeerFault::WeakKey`] for keys of low order in the bundle, [`PeerFault::Mismatch`] for an own bundle, [`PeerFault::Length`] if
/// `payload` is longer than [`GREETING_CAPACITY`].
pub fn initiate(
    me: &LocalIdentity,
    bundle: &Bundle,
    tag: Tag,
    payload: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<(Cell, Session), PeerFault> {
    let (mine, theirs) = (me.cert(), bundle.cert());
    if mine.account == theirs.account {
        return Err(PeerFault::Mismatch);
    }
    if payload.len() > GREETING_CAPACITY {
        return Err(PeerFault::Length);
    }
    let ephemeral = LocalDhKey::generate(rng);
    let (ct, ss) = bundle.pqpk().encapsulate(rng);
    let d1 = ephemeral.agree(bundle.spk())?;
    let d2 = ephemeral.agree(&theirs.dh)?;
    let d3 = me.dh_key().agree(bundle.spk())?;
    let d4 = ephemeral.agree(bundle.opk())?;
    let d5 = me.dh_key().agree(&theirs.dh)?;

    let ek = ephemeral.public();
    let t0 = t0(bundle, &ek, &ct);
    let hidden = [&mine.encode()[..], bundle.id()].concat();
    // The key is fresh with each handshake, so a nonce of zeros is used once.
    let sealed = seal(&identity_key(&t0, [&d1, &d2, &d4, &ss]), &[0; 12], &t0, &hidden);
    let t1 = t1(&t0, &sealed, mine, theirs);
    let [sk, hka, nhkb, tka, tkb, exp] = Keys::derive(&t1, [&d1, &d2, &d3, &d4, &d5, &ss]).split();

    let mut ratchet = Ratchet::initiator(&t1, &sk, bundle.spk(), &hka, &nhkb, rng)?;
    let outer = Cell::outer(Class::S, &tag, 0);
    let head = [&outer[..], &ek.0, &ct, &sealed].concat();
    let room = Class::S.bytes() - head.len();
    let message = ratchet.seal(&outer, payload, room, rng).map_err(|_| PeerFault::Length)?;
    let cell = Cell::parse([head, message].concat())?;
    Ok((cell, Session::new(ratchet, true, &tka, &tkb, &exp)))
}

/// Opens the first cell of somebody who used the bundle of `prekeys`: who it is, the session, and the payload. The prekeys must be
/// deleted in the batch that stores the session.
///
/// # Errors
/// A [`PeerFault`]; nothing was changed.
pub fn respond(
    me: &LocalIdentity,
    prekeys: &Prekeys,
    cell: &Cell,
) -> Result<(RemoteIdentity, Session, Zeroizing<Vec<u8>>), PeerFault> {
    if cell.class() != Class::S {
        return Err(PeerFault::Length);
    }
    let mut reader = Reader(cell.bytes());
    let outer = reader.take::<OUTER_BYTES>().ok_or(PeerFault::Length)?;
    let ek = RemoteDhKey(*reader.take().ok_or(PeerFault::Length)?);
    let ct = reader.slice(KEM_CIPHERTEXT_BYTES).ok_or(PeerFault::Length)?;
    let sealed = reader.slice(BOX_BYTES).ok_or(PeerFault::Length)?;

    let bundle = prekeys.bundle();
    let d1 = prekeys.spk.agree(&ek)?;
    let d2 = me.dh_key().agree(&ek)?;
    let d4 = prekeys.opk.agree(&ek)?;
    let ss = prekeys.kem.decapsulate(ct)?;
    let t0 = t0(bundle, &ek, ct);
    let hidden = open(&identity_key(&t0, [&d1, &d2, &d4, &ss]), &[0; 12], &t0, sealed)?;
    let (cert, id) = hidden.split_last_chunk::<PREKEY_ID_BYTES>().ok_or(PeerFault::Length)?;
    let theirs = DeviceCert::verify(cert)?;
    if !bool::from(id.ct_eq(bundle.id())) || theirs.account == me.cert().account {
        return Err(PeerFault::Mismatch);
    }

    let d3 = prekeys.spk.agree(&theirs.dh)?;
    let d5 = me.dh_key().agree(&theirs.dh)?;
    let t1 = t1(&t0, sealed, &theirs, me.cert());
    let [sk, hka, nhkb, tka, tkb, exp] = Keys::derive(&t1, [&d1, &d2, &d3, &d4, &d5, &ss]).split();
    let mut ratchet = Ratchet::responder(&t1, &sk, &prekeys.spk, &hka, &nhkb);
    let payload = ratchet.open(outer, reader.0)?;
    Ok((RemoteIdentity { cert: theirs }, Session::new(ratchet, false, &tkb, &tka, &exp), payload))
}
