//! Manual pages and completions, made from the same description as the command line itself: what packages install.

use super::{Cli, config_error};
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use karvon_node::api::ApiError;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Pages {
    /// Where to write them; made if missing
    dir: PathBuf,
}

pub(super) fn pages(arguments: &Pages) -> Result<ExitCode, ApiError> {
    let made = || {
        std::fs::create_dir_all(&arguments.dir)?;
        let mut command = without_help(Cli::command());
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            clap_complete::generate_to(shell, &mut command, "karvon-node", &arguments.dir)?;
        }
        clap_mangen::generate_to(command, &arguments.dir)
    };
    made().map_err(|error| config_error(format!("{}: {error}", arguments.dir.display())))?;
    Ok(ExitCode::SUCCESS)
}

/// Leaves out the commands that only show what the pages say.
fn without_help(command: clap::Command) -> clap::Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_every_shell_its_completions() {
        let dir = tempfile::tempdir().unwrap();
        pages(&Pages { dir: dir.path().join("pages") }).unwrap();
        let files: Vec<String> = std::fs::read_dir(dir.path().join("pages"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        for name in [
            "karvon-node.1",
            "karvon-node-relay-run.1",
            "karvon-node-relay-setup.1",
            "karvon-node-relay-status.1",
            "karvon-node-relay-door-new.1",
            "karvon-node.bash",
            "_karvon-node",
            "karvon-node.fish",
        ] {
            assert!(files.iter().any(|file| file == name), "{name} is missing in {files:?}");
        }
        assert!(!files.iter().any(|file| file.contains("-help")), "{files:?}");
    }
}
