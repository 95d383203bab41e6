//! Channels: one owner writes, whoever has the link reads, and nobody learns who that is (SPEC §11).
//!
//! [`link`] is what a reader needs, [`entry`] what the owner writes, [`chain`] what a reader holds of it and how a forked one shows.

pub mod chain;
pub mod entry;
pub mod link;
