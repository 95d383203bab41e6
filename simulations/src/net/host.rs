//! Hosts: machines with an address, an access line and perhaps a NAT before them.

use super::SimTime;
use super::link::{LinkClass, LinkProfile, Region};
use std::net::Ipv4Addr;

/// A machine of the modelled network; it keeps its number over restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u32);

/// Hosts of one LAN reach each other by their private addresses, whatever happens outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lan(pub u32);

/// What stands between a host and the internet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nat {
    /// Nothing: a public address, everybody may connect.
    Open,
    /// A public address, but nothing from outside may connect.
    Firewall,
    /// A home router with a public address of its own; ports listed here are forwarded to the host.
    Home {
        /// Forwarded ports.
        forwards: Vec<u16>,
    },
    /// A carrier's NAT: many hosts share a public address, nothing from outside may connect, idle flows are forgotten.
    Carrier {
        /// Seconds without a segment after which a flow is forgotten.
        idle_s: u64,
    },
}

/// What a host is made from.
#[derive(Debug, Clone)]
pub struct HostSpec {
    /// Where it stands.
    pub region: Region,
    /// Its access line.
    pub class: LinkClass,
    /// What stands before it.
    pub nat: Nat,
    /// Its LAN, if others are to be on it.
    pub lan: Option<Lan>,
}

impl HostSpec {
    /// A server with a public address.
    #[must_use]
    pub const fn server(region: Region) -> Self {
        Self { region, class: LinkClass::Vps, nat: Nat::Open, lan: None }
    }

    /// A phone behind a carrier's NAT that forgets idle flows after five minutes.
    #[must_use]
    pub const fn phone(region: Region, class: LinkClass) -> Self {
        Self { region, class, nat: Nat::Carrier { idle_s: 300 }, lan: None }
    }

    /// A computer behind a home router.
    #[must_use]
    pub const fn home(region: Region) -> Self {
        Self { region, class: LinkClass::Home, nat: Nat::Home { forwards: Vec::new() }, lan: None }
    }
}

/// What is known of a host.
#[derive(Debug)]
pub struct Host {
    /// Where it stands.
    pub region: Region,
    /// What stands before it.
    pub nat: Nat,
    /// Its LAN.
    pub lan: Option<Lan>,
    /// The address it sees itself.
    pub own: Ipv4Addr,
    /// The address that others see.
    pub public: Ipv4Addr,
    pub(super) line: LinkProfile,
    /// Whether the line to the internet works.
    pub(super) online: bool,
    /// Counts power cuts: flows of an earlier one are unknown to the machine.
    pub(super) boot: u32,
    pub(super) powered: bool,
    pub(super) up_free: SimTime,
    pub(super) down_free: SimTime,
    pub(super) next_port: u16,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) dialled: u64,
}

impl Host {
    /// Connections that it began to open, to whatever port.
    #[must_use]
    pub const fn dialled(&self) -> u64 {
        self.dialled
    }

    /// Bytes put on the wire and taken from it, payload of segments only.
    #[must_use]
    pub const fn bytes(&self) -> (u64, u64) {
        (self.sent, self.received)
    }

    /// Whether flows of this host are forgotten when idle, and after how many nanoseconds.
    pub(super) const fn forgets_after(&self) -> Option<SimTime> {
        match self.nat {
            Nat::Carrier { idle_s } => Some(idle_s * super::SECOND),
            _ => None,
        }
    }
}
