//! The `karvon-sim` program.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    karvon_simulations::cli::main()
}
