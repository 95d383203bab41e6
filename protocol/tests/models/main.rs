//! Every order of events, not only likely ones: models of the post-quantum ratchet and of crashes between persisting and sending.
//!
//! The rules stand here a second time, as SPEC.md and DESIGN have them. Each model is also run with one rule broken, to show that it
//! would notice.
#![allow(clippy::unwrap_used, missing_docs)]

mod crash;
mod kem_ratchet;
