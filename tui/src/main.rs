//! The `karvon` program: hands the command line the maker of nodes.
#![forbid(unsafe_code)]

use karvon_node::leaf::SystemHost;
use std::process::ExitCode;

/// Overwrites all that is freed, also by libraries that know nothing of secrets: after `lock` neither texts nor names remain.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    karvon::cli::main(&SystemHost)
}
