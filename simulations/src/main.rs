//! The `karvon-sim` program.

fn main() -> std::process::ExitCode {
    karvon_simulations::cli::main()
}
