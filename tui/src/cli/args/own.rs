//! Arguments of what concerns the own device: doors, settings, lock, profiles.

use clap::{ArgAction, Args, Subcommand};
use std::path::PathBuf;

/// `door …`
#[derive(Debug, Subcommand)]
pub enum Door {
    /// Adds a door
    Add {
        /// The line that begins with KARVON-DOOR:; - or nothing reads it from standard input
        door: Option<String>,
        /// Reads doors from a file, one a line; a line that begins with pt= is the transport of the door above it
        #[arg(long, value_name = "FILE", conflicts_with = "door")]
        file: Option<PathBuf>,
    },
    /// Lists all
    List,
    /// Says whether a door opens now, and if not, why
    Test {
        /// The beginning of its relay or address, or the name of who gave it; nothing tests all, as `karvon netcheck` does
        door: Option<String>,
    },
    /// Removes a door
    Remove {
        /// Its relay, as `karvon door list` shows it; the beginning is enough
        relay: String,
    },
}

/// `config …`
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Where the file is
    Path,
    /// Whether the file is right
    Check,
    /// A setting, or all of them with what they mean
    Get {
        /// For example ui.lang
        key: Option<String>,
    },
    /// Changes a setting
    Set {
        /// For example ui.lang
        key: String,
        /// For example tg
        value: String,
    },
}

/// Arguments of `passphrase`.
#[derive(Debug, Args)]
pub struct Passphrase {
    /// Leaves the profile open: whoever has this device reads everything
    #[arg(long)]
    pub remove: bool,
}

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub struct Backup {
    /// The file; one that is there is replaced
    pub file: PathBuf,
    /// Leaves the messages out
    #[arg(long)]
    pub no_history: bool,
}

/// `bundle …`
#[derive(Debug, Subcommand)]
pub enum Bundle {
    /// Writes what waits into a file
    Export {
        /// The file; one that is there is replaced
        file: PathBuf,
        /// Only what is for this contact, and nothing of others
        #[arg(long, value_name = "NAME")]
        r#for: Option<String>,
    },
    /// Takes what is for you from a file, and carries the rest
    Import {
        /// The file
        file: PathBuf,
    },
    /// Shows what anybody can see of a file; needs no profile
    Inspect {
        /// The file
        file: PathBuf,
    },
}

/// `lan …`
#[derive(Debug, Subcommand)]
pub enum Lan {
    /// Looks for contacts on a network that this device is on
    Accept {
        /// Its interface as `karvon lan` names it; not needed if there is one only
        network: Option<String>,
    },
    /// No longer
    Forget {
        /// Its interface; not needed if only one that was accepted is here
        network: Option<String>,
        /// All networks that were ever accepted, wherever they are
        #[arg(long, conflicts_with = "network")]
        all: bool,
    },
    /// Whether contacts on accepted networks carry sealed messages for each other through this device: on or off. Messages of larger
    /// groups and entries of channels travel there only so
    Carry {
        /// "off" drops what they have brought
        #[arg(value_parser = ["on", "off"])]
        what: String,
    },
}

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// The backup
    pub file: PathBuf,
    /// File whose first line is the recovery code
    #[arg(long, value_name = "FILE")]
    pub code_file: Option<PathBuf>,
    /// Leaves the profile open: whoever has this device reads everything
    #[arg(long)]
    pub no_lock: bool,
}

/// `profile …`
#[derive(Debug, Subcommand)]
pub enum Profile {
    /// Makes one
    New {
        /// Your name in it, as its contacts will see it
        #[arg(long)]
        name: String,
        /// Opening it destroys all others
        #[arg(long)]
        destroys_others: bool,
    },
}

/// Arguments of `wipe`.
#[derive(Debug, Args)]
pub struct Wipe {
    /// Asks nothing
    #[arg(long)]
    pub now: bool,
}

/// Arguments of `node`.
#[derive(Debug, Args)]
pub struct Node {
    /// Leaves the terminal
    #[arg(long, action = ArgAction::SetTrue)]
    pub detached: bool,
}
