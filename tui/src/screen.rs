//! The one place where the command line opens the screen.

use crate::cli::failure::Failure;
use karvon_node::client::Client;
use karvon_node::host::Passphrase;
use zeroize::Zeroizing;

/// How the screen is to look.
#[derive(Debug, Clone)]
pub struct Options {
    /// A language tag from the command line or the configuration; `None` takes the system's.
    pub lang: Option<String>,
    /// Colours may be used.
    pub color: bool,
    /// `auto`, `unicode` or `plain`.
    pub glyphs: String,
}

/// What the first start found out.
pub struct Newcomer {
    /// Language tag that was chosen.
    pub lang: String,
    /// The display test said that only plain signs are shown right.
    pub plain: bool,
    /// Name that contacts will see.
    pub name: String,
    /// `None` leaves the profile open to whoever has the device.
    pub passphrase: Option<Passphrase>,
    /// The first way out.
    pub connect: Connect,
}

/// How a newcomer connects.
pub enum Connect {
    /// By a door line.
    Door(Zeroizing<String>),
    /// By the invitation of a person.
    Invitation(Zeroizing<String>),
    /// Looks around first.
    Demo,
    /// Not yet.
    Later,
}

/// Shows the screen on a node until the person leaves.
///
/// # Errors
/// If the terminal can not be used.
pub async fn run(_client: Client, _options: &Options) -> Result<(), Failure> {
    Err(absent())
}

/// Asks a newcomer what a profile is made of; `None` if they left.
///
/// # Errors
/// If the terminal can not be used.
pub async fn wizard(_options: &Options) -> Result<Option<Newcomer>, Failure> {
    Err(absent())
}

fn absent() -> Failure {
    Failure::new("unavailable", "this build has no screen: use the commands (`karvon --help`)")
}
