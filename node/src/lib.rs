//! Karvon's shell: the network, the store, the relay's disk and the local interface around the deterministic core of `karvon-protocol`.
#![cfg_attr(not(feature = "browser-hello"), forbid(unsafe_code))]

#[cfg(not(unix))]
compile_error!("the local interface needs Unix sockets: Karvon does not run on this system yet");

pub mod api;
pub mod client;
pub mod clock;
pub mod config;
mod demo;
pub mod deps;
pub mod driver;
pub mod host;
pub mod jobs;
pub mod leaf;
pub mod net;
pub mod os;
pub mod port;
pub mod relay;
pub mod relay_options;
pub mod rundir;
pub mod store;
