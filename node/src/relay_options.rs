//! What a relay is told when it starts, and the line by which it says that it is ready.

use crate::net::{Site, WebIdentity};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Notify;
use zeroize::Zeroizing;

/// Options of `karvon-node relay run`.
#[derive(Clone)]
pub struct RelayOptions {
    /// Where its keys, mailboxes and cells lie; made if missing.
    pub data_dir: PathBuf,
    /// Where leaves connect, instead of what the configuration says; port 0 lets the system choose.
    pub listen: Option<SocketAddr>,
    /// Where other relays connect, instead of what the configuration says.
    pub mesh_listen: Option<SocketAddr>,
    /// Door lines of relays whose mesh it joins.
    pub peers: Vec<Zeroizing<String>>,
    /// Dials and announces addresses that are not of the internet: for tests and networks of one's own.
    pub allow_private: bool,
    /// Lets it read its configuration again.
    pub reload: Arc<Notify>,
    /// The web door, if there is one.
    pub web: Option<WebDoor>,
}

impl RelayOptions {
    /// Everything as the configuration in `data_dir` says.
    #[must_use]
    pub fn new(data_dir: PathBuf) -> Self {
        Self {
            data_dir,
            listen: None,
            mesh_listen: None,
            peers: Vec::new(),
            allow_private: false,
            reload: Arc::default(),
            web: None,
        }
    }
}

/// A door that is a web site to everybody without a slot.
#[derive(Debug, Clone)]
pub struct WebDoor {
    /// Where the site listens; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where people's devices find it, if that is not where it listens.
    pub announce: Option<SocketAddr>,
    /// Domain of the site; its certificate is then vouched for by others.
    pub name: Option<String>,
    /// Certificate and key; made by the relay itself without a name.
    pub identity: Option<WebIdentity>,
    /// Another web server on this machine opens TLS and passes requests on.
    pub behind: bool,
    /// What visitors see; something unremarkable by default.
    pub site: Option<Site>,
    /// There is no plain door beside it.
    pub only: bool,
}

/// The first line of a relay's standard output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename = "ready")]
pub struct Ready {
    /// A door line of this relay, for its operator.
    pub door: String,
    /// Where leaves connect.
    pub listen: SocketAddr,
    /// Process id.
    pub pid: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_is_what_scripts_wait_for() {
        let ready = Ready { door: "KARVON-DOOR:A".into(), listen: "127.0.0.1:9".parse().unwrap(), pid: 7 };
        let line = serde_json::to_string(&ready).unwrap();
        assert_eq!(line, r#"{"event":"ready","door":"KARVON-DOOR:A","listen":"127.0.0.1:9","pid":7}"#);
    }
}
