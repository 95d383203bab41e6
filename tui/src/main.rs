//! The `karvon` program: hands the command line the maker of nodes.
#![forbid(unsafe_code)]

use karvon_node::leaf::SystemHost;
use std::process::ExitCode;

fn main() -> ExitCode {
    karvon::cli::main(&SystemHost)
}
