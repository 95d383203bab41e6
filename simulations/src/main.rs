//! The `karvon-sim` program.
fn main() {}
