//! Arguments of what concerns groups.

use super::time::timer;
use clap::{Subcommand, ValueEnum};

/// `group …`
#[derive(Debug, Subcommand)]
pub enum Group {
    /// Lists all
    List,
    /// Founds a group
    #[command(alias = "new")]
    Create {
        /// Its name
        name: String,
    },
    /// Invites a contact
    Invite {
        /// Name of the group, or its beginning
        group: String,
        /// Name of the contact, or its beginning
        who: String,
    },
    /// Prints a link by which one person can join, though no contact of yours
    Link {
        /// Name of the group, or its beginning
        group: String,
    },
    /// Asks to join by a link, read from standard input: whoever made it becomes a contact
    Join {
        /// Name for the contact; else the one they give is taken
        #[arg(long)]
        name: Option<String>,
    },
    /// Accepts an invitation
    Accept {
        /// Name of the group, or its beginning
        group: String,
    },
    /// Leaves a group, or declines its invitation
    Leave {
        /// Name of the group, or its beginning
        group: String,
    },
    /// Lists the members
    Members {
        /// Name of the group, or its beginning
        group: String,
    },
    /// Removes a member
    Remove {
        /// Name of the group, or its beginning
        group: String,
        /// Name of the member, or the beginning of it or of its id
        who: String,
    },
    /// Gives a member a role
    Role {
        /// Name of the group, or its beginning
        group: String,
        /// Name of the member, or the beginning of it or of its id
        who: String,
        /// The role
        role: GroupRole,
    },
    /// Renames a group
    Rename {
        /// Name of the group, or its beginning
        group: String,
        /// The new name
        name: String,
    },
    /// Messages disappear some time after they were seen; `off` keeps them
    Timer {
        /// Name of the group, or its beginning
        group: String,
        /// For example 30m, 24h, 7d, or off
        #[arg(value_parser = timer)]
        time: u64,
    },
    /// Tells nothing of new messages on this device
    Mute {
        /// Name of the group, or its beginning
        group: String,
        /// Tells of them again
        #[arg(long)]
        off: bool,
    },
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GroupRole {
    /// Writes, and leaves
    Member,
    /// Invites and removes, renames
    Admin,
    /// Gives roles
    Owner,
}
