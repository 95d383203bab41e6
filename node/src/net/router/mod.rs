//! Asks a home's router to forward ports to this machine: NAT-PMP first, then UPnP, each with an answer in plain words.
//!
//! What a router says is believed only as far as it goes: it is asked for nothing but its own outside address and ports of this machine,
//! it is spoken to only at an address of the home network, and everything read from it has a bound.

mod pmp;
mod upnp;

use karvon_protocol::descriptor::RelayAddr;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Where UPnP devices are asked for (the protocol's own multicast address).
const SSDP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 255, 255, 250)), 1_900);
/// NAT-PMP's port.
const PMP_PORT: u16 = 5_351;
/// How long the router is to keep a forwarded port without being asked again.
pub const LEASE: Duration = Duration::from_secs(3_600);

/// Where to look for a router.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// Where UPnP devices are asked for.
    pub ssdp: SocketAddr,
    /// Where the router speaks NAT-PMP, if its address is known.
    pub pmp: Option<SocketAddr>,
}

impl Places {
    /// Those of the network this machine is in.
    #[must_use]
    pub fn system() -> Self {
        Self { ssdp: SSDP, pmp: pmp::gateway().map(|ip| SocketAddr::new(ip.into(), PMP_PORT)) }
    }
}

/// What came of asking the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The ports are forwarded; the router's outside address is a public one.
    Mapped(Ipv4Addr),
    /// Nobody answered.
    NoRouter,
    /// The router has no public address itself: its provider shares one among many customers, and nobody can come in.
    SharedAddress(Ipv4Addr),
    /// The router answered and said no, in its words.
    Refused(String),
}

impl Outcome {
    /// The name in the status and in statistics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Mapped(_) => "mapped",
            Self::NoRouter => "no_router",
            Self::SharedAddress(_) => "shared_address",
            Self::Refused(_) => "refused",
        }
    }
}

/// Why there is no mapping yet, or no more.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// Nobody answered, or not in this language.
    #[error("no answer")]
    Silent,
    /// The router said no.
    #[error("{0}")]
    Refused(String),
}

impl From<std::io::Error> for Trouble {
    fn from(_: std::io::Error) -> Self {
        Self::Silent
    }
}

/// Asks for `ports` of TCP to be forwarded to the same ports of this machine for [`LEASE`]. Takes at most some seconds.
pub async fn map(places: &Places, ports: &[u16]) -> Outcome {
    ask(places, ports, LEASE).await
}

/// Takes the forwarding of `ports` back.
pub async fn unmap(places: &Places, ports: &[u16]) {
    // A router that does not hear it forgets by itself when the time is over.
    let _ = ask(places, ports, Duration::ZERO).await;
}

/// The router's outside address, without changing anything in it.
pub async fn outside(places: &Places) -> Outcome {
    ask(places, &[], LEASE).await
}

async fn ask(places: &Places, ports: &[u16], lease: Duration) -> Outcome {
    let mut refused = None;
    if let Some(pmp) = places.pmp {
        match pmp::ask(pmp, ports, lease).await {
            Ok(external) => return judge(external),
            Err(Trouble::Refused(why)) => refused = Some(why),
            Err(Trouble::Silent) => {}
        }
    }
    match upnp::ask(places.ssdp, ports, lease).await {
        Ok(external) => judge(external),
        Err(Trouble::Refused(why)) => Outcome::Refused(why),
        Err(Trouble::Silent) => refused.map_or(Outcome::NoRouter, Outcome::Refused),
    }
}

fn judge(external: Ipv4Addr) -> Outcome {
    if is_public(external) { Outcome::Mapped(external) } else { Outcome::SharedAddress(external) }
}

fn is_public(ip: Ipv4Addr) -> bool {
    RelayAddr::Ip(SocketAddr::new(ip.into(), 1)).is_global()
}

/// Whether a router may be spoken to there: an address of a home network, never one of the internet.
fn is_at_home(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local() || ip.is_loopback(),
        IpAddr::V6(_) => false,
    }
}

#[cfg(test)]
mod tests;
