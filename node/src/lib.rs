//! Karvon's shell: the network, the store, the relay's disk and the local interface around the deterministic core of `karvon-protocol`.
#![forbid(unsafe_code)]

pub mod api;
pub mod client;
pub mod config;
pub mod host;
pub mod log;
pub mod os;
pub mod relay_options;
pub mod rundir;
