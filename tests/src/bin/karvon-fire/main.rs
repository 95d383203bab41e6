//! Sets a relay under load and counts what it loses, doubles and costs; one JSON object on standard output.
//!
//! Times are printed and never judged; it fails only if something that was confirmed is lost, doubled or changed.
#![forbid(unsafe_code)]

#[cfg(unix)]
mod day;
#[cfg(unix)]
mod flood;
#[cfg(unix)]
mod idle;
#[cfg(unix)]
mod kill;
#[cfg(unix)]
mod relay;
#[cfg(unix)]
mod soak;

#[cfg(not(unix))]
fn main() {
    eprintln!("relays are started and asked over Unix sockets");
    std::process::exit(1);
}

#[cfg(unix)]
#[derive(clap::Parser)]
#[command(name = "karvon-fire", about = "Sets a relay under load and counts what it loses and costs")]
enum Fire {
    /// Many cells from many senders through one relay, fetched and removed by their owners
    Soak(soak::Options),
    /// Many leaves that are connected and do nothing
    Idle(idle::Options),
    /// Many hostile connections and slow clients, while people deposit at a steady pace
    Flood(flood::Options),
    /// Days run fast under load that wants far more than the byte budgets
    Day(day::Options),
    /// The relay of `day`, started by it
    #[command(hide = true)]
    Fast(day::Fast),
    /// Kills the relay again and again while cells come in
    Kill(kill::Options),
}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    use clap::Parser as _;
    karvon_node::os::raise_descriptors();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let figures = runtime.block_on(async {
        match Fire::parse() {
            Fire::Soak(options) => soak::run(&options).await,
            Fire::Idle(options) => idle::run(&options).await,
            Fire::Flood(options) => flood::run(&options).await,
            Fire::Day(options) => day::run(&options).await,
            Fire::Fast(fast) => day::serve(fast).await,
            Fire::Kill(options) => kill::run(&options).await,
        }
    });
    println!("{figures}");
    if figures["clean"] == true { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
