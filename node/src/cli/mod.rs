//! The command line of `karvon-node`: what may be asked, and where each question goes.

mod operate;
mod pages;
mod relocate;
mod run;
mod selftest;
mod setup;
mod web;

use clap::{Parser, Subcommand};
use karvon_node::api::ApiError;
use std::process::ExitCode;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "karvon-node",
    version,
    about = "Karvon without a screen: runs a relay that carries sealed messages for others"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Relay: carries messages and keeps mailboxes
    #[command(subcommand)]
    Relay(Box<Relay>),
    /// Writes manual pages and completions, for packages
    #[command(hide = true)]
    Pages(pages::Pages),
}

#[derive(Debug, Subcommand)]
enum Relay {
    /// Sets a relay up: writes its configuration and says what to do next
    Setup(setup::Setup),
    /// Runs a relay in the foreground; the first line on standard output is a JSON object with its door
    #[command(after_help = "Examples:
  karvon-node relay run --data-dir /var/lib/karvon --listen 203.0.113.9:443
  karvon-node relay run --data-dir relay2 --listen 127.0.0.1:0 --allow-private --peer-file first.door
  karvon-node relay run --data-dir relay3 --listen-web 203.0.113.9:443

The door in the first line is a secret between you and the people you let in. SIGTERM ends the relay in order,
SIGHUP lets it read its configuration again.")]
    Run(run::Run),
    /// Shows how the running relay does, on one screen
    Status(operate::Status),
    /// Shows all limits, or changes one; a running relay takes it over at once
    Limits(operate::Limits),
    /// Doors: the secrets by which people get in
    #[command(subcommand)]
    Door(operate::Door),
    /// Takes nothing new and hands out what is held, before a relay is switched off or moved
    Drain(operate::Drain),
    /// Gives a relay that was copied to another machine its addresses there, and says who finds it
    Move(relocate::Move),
    /// Checks this machine and the configuration, and the running relay if there is one
    Selftest(selftest::Selftest),
}

/// Carries out the command; errors go to standard error.
pub(crate) fn dispatch(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Pages(arguments) => pages::pages(&arguments),
        Command::Relay(relay) => match *relay {
            Relay::Run(arguments) => return run::run(arguments),
            Relay::Setup(arguments) => setup::setup(arguments),
            Relay::Status(arguments) => operate::status(&arguments),
            Relay::Limits(arguments) => operate::limits(&arguments),
            Relay::Door(arguments) => operate::door(&arguments),
            Relay::Drain(arguments) => operate::drain(&arguments),
            Relay::Move(arguments) => relocate::relocate(&arguments),
            Relay::Selftest(arguments) => selftest::selftest(&arguments),
        },
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("karvon-node: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints one object for scripts.
fn print_json(value: &serde_json::Value) {
    println!("{value}");
}

/// A mistake on the command line or in a file.
fn config_error(error: impl std::fmt::Display) -> ApiError {
    ApiError::new(karvon_node::api::error::CONFIG, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
