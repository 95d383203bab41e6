//! Arguments of what people say to each other: writing, reading, and changing what was written.

use super::time::duration;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `send`.
#[derive(Debug, Args)]
pub struct Send {
    /// Name of the contact or group, or its beginning
    pub who: String,
    /// The text; - reads it from standard input
    #[arg(required_unless_present_any = ["batch", "file"], allow_hyphen_values = true)]
    pub text: Option<String>,
    /// Sends a small file; a text beside it follows as a message of its own
    #[arg(long, value_name = "FILE", conflicts_with = "batch")]
    pub file: Option<PathBuf>,
    /// Sends each line of standard input as a message of its own
    #[arg(long)]
    pub batch: bool,
    /// Returns once the message is this far
    #[arg(long, value_name = "STATE", default_value = "queued")]
    pub wait: Wait,
    /// Gives up waiting after this time; the message stays queued
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
}

/// How far a message must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Wait {
    /// Safe on this device
    Queued,
    /// The recipient's relays say they have it on disk
    Stored,
    /// The recipient's device has it on disk
    Delivered,
}

/// Arguments of `reply`.
#[derive(Debug, Args)]
pub struct Reply {
    /// Id of the message to answer, 32 hexadecimal digits
    pub id: String,
    /// The text; - reads it from standard input
    #[arg(allow_hyphen_values = true)]
    pub text: String,
}

/// Arguments of `save`.
#[derive(Debug, Args)]
pub struct Save {
    /// Id of the message, 32 hexadecimal digits
    pub id: String,
    /// Folder to save it in [default: this one]
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Name of the contact, or its beginning
    pub who: String,
    /// The number that the other person reads out, or the text of their QR code
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["same", "undo"])]
    pub number: Option<String>,
    /// You compared the numbers, and they were the same
    #[arg(long, conflicts_with = "undo")]
    pub same: bool,
    /// Not verified any more
    #[arg(long)]
    pub undo: bool,
}

/// Arguments of `react`.
#[derive(Debug, Args)]
pub struct React {
    /// Id of the message, 32 hexadecimal digits
    pub id: String,
    /// The sign, for example an emoji
    #[arg(required_unless_present = "remove")]
    pub emoji: Option<String>,
    /// Takes your sign back
    #[arg(long, conflicts_with = "emoji")]
    pub remove: bool,
}

/// Arguments of `edit`.
#[derive(Debug, Args)]
pub struct Edit {
    /// Id of the message, 32 hexadecimal digits
    pub id: String,
    /// The new text; - reads it from standard input
    #[arg(allow_hyphen_values = true)]
    pub text: String,
}

/// Arguments of `read`.
#[derive(Debug, Args)]
pub struct Read {
    /// Only with this contact, or in this group
    pub who: Option<String>,
    /// Goes on showing what comes, until interrupted
    #[arg(long, short)]
    pub follow: bool,
    /// Only messages after the one with this id
    #[arg(long, value_name = "ID")]
    pub since: Option<String>,
    /// At most this many, the newest ones (with --since the next ones)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Marks what is shown as seen
    #[arg(long)]
    pub mark: bool,
}

/// Arguments of `search`.
#[derive(Debug, Args)]
pub struct Search {
    /// Words that must all be there
    #[arg(required = true)]
    pub words: Vec<String>,
    /// Only with this contact, or in this group or channel: its name, or the beginning
    #[arg(long = "in", value_name = "WHERE")]
    pub place: Option<String>,
    /// So many at the most, the newest ones
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub limit: u16,
}
