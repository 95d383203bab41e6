//! The headless relay: reads its command line, and runs a relay or speaks to the one that runs.
#![forbid(unsafe_code)]

mod cli;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    karvon_node::os::keep_private();
    cli::dispatch(cli::Cli::parse())
}
