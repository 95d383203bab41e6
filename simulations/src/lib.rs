//! Simulations of Karvon: the real node on the real libp2p in virtual time, over modelled links and through modelled censors.

pub mod censor;
pub mod det;
pub mod net;
pub mod oracle;
pub mod trace;
pub mod transport;
pub mod world;
