//! Arguments of how people find one another: invitations, the published address, requests, contacts.

use super::OnOff;
use super::time::timer;
use clap::{ArgGroup, Args, Subcommand};

/// Arguments of `invite`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("form").multiple(true))]
pub struct Invite {
    /// As one line of text
    #[arg(long, group = "form")]
    pub text: bool,
    /// As a QR code
    #[arg(long, group = "form")]
    pub qr: bool,
    /// As one longer line that names all doors that are reached (up to five): it works while one of them is there
    #[arg(long, group = "form")]
    pub long: bool,
    /// Leaves out the leading KARVON:
    #[arg(long)]
    pub plain: bool,
}

/// Arguments of `address`.
#[derive(Debug, Args)]
pub struct Address {
    /// Makes one; the one before ends
    #[arg(long, conflicts_with = "off")]
    pub new: bool,
    /// Ends it: nobody can ask any more
    #[arg(long)]
    pub off: bool,
}

/// Arguments of `add`.
#[derive(Debug, Args)]
pub struct Add {
    /// Reads the invitation or address from standard input
    #[arg(long)]
    pub stdin: bool,
    /// Takes the invitation from a message that introduces somebody
    #[arg(long, value_name = "ID", conflicts_with = "stdin")]
    pub message: Option<String>,
    /// What you call this person; otherwise the name they gave
    #[arg(long)]
    pub name: Option<String>,
    /// A first text; with an address it goes with the request and has at most 280 bytes
    #[arg(long, value_name = "TEXT", conflicts_with = "message")]
    pub text: Option<String>,
}

/// `requests …`
#[derive(Debug, Subcommand)]
pub enum Requests {
    /// Lists who asks, and who is blocked
    List,
    /// Makes a contact of whoever asked
    Accept {
        /// Number of the request
        request: u64,
        /// What you call this person; otherwise the name they gave
        #[arg(long)]
        name: Option<String>,
    },
    /// Forgets a request; the other person is not told
    Decline {
        /// Number of the request
        request: u64,
    },
    /// Forgets a request and whatever else this account asks; the other person is not told
    Block {
        /// Number of the request
        request: u64,
    },
    /// Takes a block back
    Unblock {
        /// Number in the list
        request: u64,
    },
}

/// `contacts …`
#[derive(Debug, Subcommand)]
pub enum Contacts {
    /// Lists all
    List,
    /// Changes what you call somebody
    Rename {
        /// Name, or its beginning
        who: String,
        /// New name
        name: String,
    },
    /// Whether somebody may know what you read
    Receipts {
        /// Name, or its beginning
        who: String,
        /// on or off
        what: OnOff,
    },
    /// Whether somebody may know when you type
    Typing {
        /// Name, or its beginning
        who: String,
        /// on or off
        what: OnOff,
    },
    /// After what time new messages disappear on both devices
    Timer {
        /// Name, or its beginning
        who: String,
        /// For example 30s, 5m, 12h or 7d; off keeps messages
        #[arg(value_parser = timer)]
        time: u64,
    },
    /// Shows and sends nothing any more; the other person is not told
    Block {
        /// Name, or its beginning
        who: String,
    },
    /// Takes a block back
    Unblock {
        /// Name, or its beginning
        who: String,
    },
    /// Accepts the new keys of somebody whose keys changed
    AcceptKeys {
        /// Name, or its beginning
        who: String,
    },
}

/// Arguments of `introduce`.
#[derive(Debug, Args)]
pub struct Introduce {
    /// Who gets the invitation: name of the contact, or its beginning
    pub who: String,
    /// What you call the person whose invitation it is
    #[arg(long)]
    pub name: String,
    /// Reads the invitation from standard input
    #[arg(long)]
    pub stdin: bool,
}
