//! End to end: a harness that runs the real programs, the rules of the source tree, and what the benchmark is made of.
#![forbid(unsafe_code)]

pub mod architecture;
