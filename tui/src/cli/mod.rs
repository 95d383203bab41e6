//! The command line: parses it, carries out one command, and ends with an exit code that scripts can rely on.

pub mod args;
mod ask;
mod background;
mod bundle;
mod channels;
mod data;
mod device;
mod door;
pub(crate) mod editor;
pub mod failure;
mod group_send;
mod groups;
mod init;
mod lan;
mod lines;
mod netcheck;
mod open;
pub mod out;
mod people;
mod read;
pub mod resolve;
pub(crate) mod save;
mod search;
mod send;
pub mod session;
pub(crate) mod settings;
mod show;
mod strangers;
mod talk;
mod verify;

use args::{Cli, Command};
use clap::Parser as _;
use failure::Failure;
use karvon_node::host::Host;
use out::Out;
use session::{Secret, Session};
use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the program; `host` makes the nodes.
#[must_use]
pub fn main(host: &dyn Host) -> ExitCode {
    karvon_node::os::keep_private();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let out = Out { json: cli.json, quiet: cli.quiet };
    match &cli.command {
        // Log lines would draw over the screen, and a node in the background has nobody who reads them.
        None | Some(Command::Demo | Command::Node(args::Node { detached: true, .. })) => {}
        Some(Command::Node(_)) => karvon_node::os::log_to_stderr(Some(karvon_node::os::LOG_DEFAULT)),
        Some(_) => karvon_node::os::log_to_stderr(None),
    }
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("io", format!("the program can not start: {error}")))
        .and_then(|runtime| runtime.block_on(carry_out(cli, host, out)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out.failure(&failure);
            ExitCode::from(&failure)
        }
    }
}

/// Help and version go to standard output, mistakes to standard error; as JSON where that was asked for.
fn misused(error: &clap::Error) -> ExitCode {
    let wanted_json = std::env::args_os().any(|argument| argument == "--json");
    if error.use_stderr() && wanted_json {
        let text = error.render().to_string();
        let first = text.lines().next().unwrap_or_default();
        let failure = Failure::usage(first.trim_start_matches("error: "));
        Out { json: true, quiet: false }.failure(&failure);
        return ExitCode::from(&failure);
    }
    // A reader that went away is no mistake.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

async fn carry_out(cli: Cli, host: &dyn Host, out: Out) -> Result<(), Failure> {
    let passphrase_file = cli.passphrase_file.or_else(|| path_of("KARVON_PASSPHRASE_FILE"));
    let secret = match (cli.passphrase_stdin, passphrase_file) {
        (true, _) => Secret::Stdin,
        (false, Some(file)) => Secret::File(file),
        (false, None) => Secret::Ask,
    };
    let session = Session { data_dir: data_dir(cli.data_dir)?, host, out, secret, given: RefCell::new(None) };
    let look = open::Look { lang: cli.lang, no_color: cli.no_color };
    // Each command's future is large (it holds a node's start); boxed, only one of them takes room.
    match cli.command {
        None => Box::pin(open::screen(&session, &look)).await,
        Some(Command::Demo) => Box::pin(open::demo(&session, &look)).await,
        Some(Command::Init(init)) => Box::pin(init::init(&session, init, look.lang.as_deref())).await,
        Some(Command::Up) => Box::pin(background::up(&session)).await,
        Some(Command::Down) => Box::pin(background::down(&session)).await,
        Some(Command::Node(node)) => Box::pin(background::node(&session, &node)).await,
        Some(Command::Status) => Box::pin(show::status(&session)).await,
        Some(Command::Info { id }) => Box::pin(show::info(&session, &id)).await,
        Some(Command::Invite(invite)) => Box::pin(people::invite(&session, &invite)).await,
        Some(Command::Address(address)) => Box::pin(strangers::address(&session, &address)).await,
        Some(Command::Requests { what }) => Box::pin(strangers::requests(&session, what)).await,
        Some(Command::Add(add)) => Box::pin(people::add(&session, add)).await,
        Some(Command::Contacts { what }) => Box::pin(people::contacts(&session, what)).await,
        Some(Command::Send(send)) => Box::pin(send::send(&session, send)).await,
        Some(Command::Reply(reply)) => Box::pin(talk::reply(&session, reply)).await,
        Some(Command::Save(save)) => Box::pin(save::save(&session, &save)).await,
        Some(Command::Verify(verify)) => Box::pin(verify::verify(&session, &verify)).await,
        Some(Command::Introduce(introduce)) => Box::pin(people::introduce(&session, &introduce)).await,
        Some(Command::React(react)) => Box::pin(talk::react(&session, react)).await,
        Some(Command::Edit(edit)) => Box::pin(talk::edit(&session, edit)).await,
        Some(Command::Delete { id }) => Box::pin(talk::delete(&session, &id)).await,
        Some(Command::Forward { id, who }) => Box::pin(talk::forward(&session, &id, &who)).await,
        Some(Command::Search(args)) => Box::pin(search::search(&session, args)).await,
        Some(Command::Read(read)) => Box::pin(read::read(&session, read)).await,
        Some(Command::Channel { what }) => Box::pin(channels::channel(&session, what)).await,
        Some(Command::Group { what }) => Box::pin(groups::group(&session, what)).await,
        Some(Command::Door { what }) => Box::pin(door::door(&session, what, look.lang.as_deref())).await,
        Some(Command::Netcheck) => Box::pin(netcheck::netcheck(&session, look.lang.as_deref())).await,
        Some(Command::Doctor { report }) => {
            Box::pin(netcheck::doctor(&session, look.lang.as_deref(), report.as_deref())).await
        }
        Some(Command::Lock) => Box::pin(device::lock(&session)).await,
        Some(Command::Unlock) => Box::pin(device::unlock(&session)).await,
        Some(Command::Passphrase(args)) => device::passphrase(&session, &args),
        Some(Command::Profile { what }) => device::profile(&session, what),
        Some(Command::RecoveryCode) => Box::pin(device::recovery_code(&session)).await,
        Some(Command::Backup(args)) => Box::pin(device::backup(&session, &args)).await,
        Some(Command::Bundle { what }) => Box::pin(bundle::bundle(&session, what)).await,
        Some(Command::Data { what }) => Box::pin(data::data(&session, what)).await,
        Some(Command::Lan { what }) => Box::pin(lan::lan(&session, what)).await,
        Some(Command::Restore(args)) => device::restore(&session, &args),
        Some(Command::Wipe(wipe)) => Box::pin(device::wipe(&session, &wipe)).await,
        Some(Command::Config { what }) => settings::config(&session, what),
    }
}

fn path_of(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn data_dir(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let unknown =
        |error: std::io::Error| Failure::usage(format!("name the data directory with --data-dir: {error}"));
    let dir = match named.or_else(|| path_of("KARVON_HOME")) {
        Some(dir) => dir,
        None => karvon_node::config::default_data_dir().map_err(unknown)?,
    };
    // The node in the background has another working directory.
    std::path::absolute(dir).map_err(unknown)
}
