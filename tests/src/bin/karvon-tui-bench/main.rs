//! Measures the screen on a conversation of 100,000 messages: the real program in a pseudo-terminal, one JSON object on standard output.
//!
//! Times are printed and never judged.
#![forbid(unsafe_code)]

#[cfg(unix)]
mod measure;

#[cfg(not(unix))]
fn main() {
    eprintln!("the benchmark needs a pseudo-terminal");
    std::process::exit(1);
}

#[cfg(unix)]
fn main() {
    use clap::Parser as _;
    println!("{}", measure::measure(&measure::Options::parse()));
}
