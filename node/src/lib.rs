//! Karvon's shell: the network, the store, the relay's disk and the local interface around the deterministic core of `karvon-protocol`.
#![forbid(unsafe_code)]

pub mod api;
pub mod clock;
pub mod deps;
pub mod driver;
pub mod net;
pub mod store;
