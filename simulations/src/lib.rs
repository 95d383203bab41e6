//! Simulations of Karvon: the real node on the real libp2p in virtual time, over modelled links and through modelled censors.

pub mod censor;
pub mod cli;
pub mod det;
pub mod fleet;
pub mod insiders;
pub mod net;
pub mod oracle;
pub mod report;
pub mod scenario;
pub mod trace;
pub mod transport;
pub mod world;
