//! Arguments of what concerns channels.

use clap::Subcommand;
use std::path::PathBuf;

/// Shown below the help of `channel`.
pub(super) const EXAMPLES: &str = "Examples:
  karvon channel create 'Jobs in Kazan'   prints the link; give it to whoever may read
  karvon channel post Jobs 'Two bricklayers, from Monday'
  karvon channel post Jobs --file map.jpg
  karvon channel follow                   paste a link; neither its owner nor other readers learn of it
  karvon channel read Jobs --limit 5";

/// `channel …`
#[derive(Debug, Subcommand)]
pub enum Channel {
    /// Lists all, own and followed ones
    List,
    /// Founds a channel and prints its link
    #[command(alias = "new")]
    Create {
        /// Its name
        name: String,
    },
    /// Prints the link: whoever has it can read
    Link {
        /// Name of the channel, or its beginning
        channel: String,
    },
    /// Follows a channel; nobody learns of it
    Follow {
        /// The line that begins with KARVON-CHANNEL:; - or nothing reads it from standard input
        link: Option<String>,
    },
    /// Follows it no more and forgets what it said
    #[command(alias = "unfollow")]
    Leave {
        /// Name of the channel, or its beginning
        channel: String,
    },
    /// Writes an entry to an own channel
    Post {
        /// Name of the channel, or its beginning
        channel: String,
        /// The text; - or nothing reads it from standard input
        text: Option<String>,
        /// Posts a small file; a text beside it follows as an entry of its own
        #[arg(long)]
        file: Option<PathBuf>,
        /// Returns once it is safe on this device, and does not wait until relays have it
        #[arg(long)]
        queued: bool,
    },
    /// Shows the newest entries
    Read {
        /// Name of the channel, or its beginning
        channel: String,
        /// So many at the most
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Asks a relay for entries older than those that are here
        #[arg(long)]
        older: bool,
    },
}
