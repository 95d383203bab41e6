//! Groups: who belongs to one is decided by a log of signed operations that every member folds to the same roster (SPEC §10).
//!
//! Nothing here depends on the order in which things arrive: [`log`] holds operations as a causal graph, [`fold`] turns any set of them
//! into a [`fold::Roster`], [`post`] is what members say, [`seed`] how it is sealed for all of them at once, [`wire`] how both travel between two members.

pub mod fold;
pub mod link;
pub mod log;
pub mod op;
pub mod post;
pub mod seed;
pub mod wire;

/// Members of a group at the most.
pub const MEMBERS_MAX: usize = 1_000;
/// Operations of a group that are kept at the most.
pub const OPS_MAX: usize = 4_096;
/// Operations that may wait for an earlier one.
pub const OPS_WAITING_MAX: usize = 1_024;
/// Parents that an operation or message names at the most.
pub const PARENTS_MAX: usize = 8;
