//! End to end: a harness that runs the real programs, the rules of the source tree, and what the benchmark is made of.
//!
//! A test starts with [`world::World::of_two_friends`]: three relays and two people as real processes on loopback, with ports and
//! folders of their own. Deadlines are generous and no time is judged; everything is killed when the world is dropped.
#![cfg(unix)]
#![forbid(unsafe_code)]

pub mod api;
pub mod architecture;
pub mod binaries;
pub mod bridge;
pub mod dice;
pub mod flood;
pub mod honest;
pub mod oracle;
pub mod person;
pub mod picture;
pub mod process;
pub mod relay;
pub mod scenes;
pub mod terminal;
pub mod until;
pub mod visitor;
pub mod world;
