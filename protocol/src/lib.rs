//! Karvon's deterministic core: what people's devices and relays decide, with no clock, no files, no sockets and no randomness of its own.
//!
//! Reading order: [`core`] (the contract with the outside), [`cell`] and [`body`] (what travels), [`invite`], [`address`], [`bundle`], [`handshake`] and
//! [`ratchet`] (how two people meet and talk), [`tags`] and [`tunnel`] (how cells find their mailbox), [`engine`] (a person's messenger),
//! [`group`] and [`channel`] (many people), [`relay`] (a volunteer's relay). The wire formats are specified in `SPEC.md` beside this crate.
#![forbid(unsafe_code)]

pub mod address;
pub mod backup;
pub mod beacon;
pub mod body;
pub mod bundle;
pub mod bundle_file;
pub mod cbor;
pub mod cell;
pub mod channel;
pub mod content;
pub mod core;
pub mod crypto;
pub mod descriptor;
pub mod effects;
pub mod engine;
pub mod error;
pub mod gift;
pub mod group;
pub mod handout;
pub mod handshake;
pub mod identity;
pub mod ids;
pub mod invite;
pub mod lan;
pub mod limits;
pub mod link;
pub mod netcheck;
pub mod pt;
pub mod ratchet;
pub mod reach;
pub mod relay;
pub mod rpc;
mod runs;
pub mod session;
pub mod spending;
pub mod tags;
mod timers;
pub mod tunnel;
pub mod veil;
pub mod work;
