//! Measures what the documents promise: three relays and two people as real processes on loopback, one JSON object on standard output.
//!
//! It fails only if a message is lost, doubled or out of order. Times are printed and never judged.
#![forbid(unsafe_code)]

#[cfg(unix)]
mod burst;
#[cfg(unix)]
mod crowd;
#[cfg(unix)]
mod curve;
#[cfg(unix)]
mod disk;
#[cfg(unix)]
mod figures;
#[cfg(unix)]
mod spread;
#[cfg(unix)]
mod usage;

#[cfg(not(unix))]
fn main() {
    eprintln!("the benchmark speaks to nodes over Unix sockets");
    std::process::exit(1);
}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    use clap::Parser as _;
    let options = figures::Options::parse();
    let figures = figures::measure(&options);
    let clean = figures["clean"] == true;
    println!("{figures}");
    if clean { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
