//! Rules on the source tree: what each part may name, and what no file may contain.
//!
//! `tests/tests/architecture.rs` applies [`rules::ALL`] to the repository; each rule carries a sample that it must refuse.

pub mod lexer;
pub mod names;
pub mod rules;
pub mod tree;
