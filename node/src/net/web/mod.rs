//! Web doors: carriers inside TLS to a relay that is a web site to everybody without a door's secret (DESIGN N2, N3).

mod certificate;
mod hello;
mod http;
mod proxy;
mod server;
mod site;
mod tls;
mod visitor;

pub use certificate::{WebIdentity, pem_certificates};
pub use hello::web_hello;
pub use proxy::Proxy;
pub(super) use server::listen;
pub use site::Site;
pub(super) use visitor::Visitor;

use super::pt::Programs;
use super::veil::{Entries, locked};
use karvon_protocol::descriptor::{RelayAddr, SlotKey};
use karvon_protocol::ids::{RelayId, SlotId};
use karvon_protocol::pt::PtLine;
use karvon_protocol::veil::path::DoorTable;
use std::net::SocketAddr;
use std::sync::Mutex;

/// How a relay is a web site, and whom a leaf believes.
#[derive(Debug, Clone, Default)]
pub struct WebOptions {
    /// Relay: where the site listens; port 0 takes any.
    pub listen: Option<SocketAddr>,
    /// Relay: certificate and key; needed to listen.
    pub identity: Option<WebIdentity>,
    /// Relay: another web server on this machine opens TLS, shows the site, and passes on what it does not know.
    pub behind: bool,
    /// Relay: what visitors see.
    pub site: Site,
    /// Relay: no plain door beside the web door, which a prober could tell.
    pub only: bool,
    /// Leaf: certificates (DER) that may vouch for doors with a name, besides the public ones.
    pub roots: Vec<Vec<u8>>,
    /// Leaf: the proxy that every connection goes through.
    pub proxy: Option<Proxy>,
}

/// A door to be dialled.
pub(super) struct Door {
    pub(super) relay: RelayId,
    pub(super) addr: RelayAddr,
    pub(super) key: SlotKey,
    /// The transport to go by; it decides where to dial then.
    pub(super) pt: Option<PtLine>,
}

/// What a network's web doors share.
#[derive(Default)]
pub(super) struct Web {
    options: WebOptions,
    doors: Entries,
    table: Mutex<DoorTable>,
    trust: tls::Trust,
    /// Of transports.
    pub(super) programs: Programs,
}

impl Web {
    pub(super) fn new(options: WebOptions, programs: Programs) -> Self {
        Self { options, programs, ..Self::default() }
    }

    /// Where to listen, if at all.
    pub(super) const fn listen(&self) -> Option<SocketAddr> {
        self.options.listen
    }

    /// Whether there is no other door.
    pub(super) const fn is_only(&self) -> bool {
        self.options.only && self.options.listen.is_some()
    }

    /// Whether connections that are not the web's would go around the user's proxy.
    pub(super) const fn has_proxy(&self) -> bool {
        self.options.proxy.is_some()
    }

    pub(super) fn remember(&self, door: Door) -> u64 {
        self.doors.put(door)
    }

    pub(super) fn take(&self, number: u64) -> Option<Door> {
        self.doors.take(number)
    }

    /// Lets the holders of a slot in.
    pub(super) fn open_slot(&self, key: SlotKey) {
        locked(&self.table).insert(key);
    }

    /// Lets them in no more.
    pub(super) fn end_slot(&self, slot: SlotId) {
        locked(&self.table).remove(slot);
    }
}
