//! Simulations of Karvon: the real node on the real libp2p in virtual time, over modelled links and through modelled censors.

pub mod det;
