//! The check behind `netcheck`: watches what a test of the own doors brings, for a few seconds, and hands it to the judge (DESIGN N4).

use super::address::network;
use super::veil::Common;
use super::watch::Seen;
use karvon_protocol::core::Mono;
use karvon_protocol::descriptor::RelayAddr;
use karvon_protocol::engine::api::TestedDoor;
use karvon_protocol::netcheck::{DoorSeen, Kind, Outcome, Scene, Verdict, judge};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

/// The verdict comes within this time.
const WITHIN_MS: u64 = 9_000;
/// Once a door is open, slow ones are waited for no longer than this.
const OTHERS_MS: u64 = 5_000;
/// How often the watch is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Tells how the doors of a running network do.
#[derive(Clone)]
pub struct Observer {
    common: Common,
    proxy: bool,
    /// Addresses are the system's, so that it can be asked for a way there.
    system: bool,
}

/// A check that has begun.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    at: Mono,
    bytes: u64,
}

/// What a check found of one door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorFound {
    /// What the judge was told.
    pub seen: DoorSeen,
    /// Whether it is one of those in use.
    pub in_use: bool,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it means.
    pub verdict: Verdict,
    /// The doors, in the order of the test.
    pub doors: Vec<DoorFound>,
    /// Everything goes through the user's proxy.
    pub proxy: bool,
    /// Bytes of dials and heartbeats while it lasted, both ways, with an estimate of what headers take.
    pub bytes: u64,
    /// How long it took.
    pub ms: u64,
}

impl Observer {
    pub(super) const fn new(common: Common, proxy: bool, system: bool) -> Self {
        Self { common, proxy, system }
    }

    /// Begins a check; the test of the doors comes next.
    #[must_use]
    pub fn begin(&self) -> Begun {
        Begun { at: self.common.now(), bytes: self.common.watch.bytes() }
    }

    /// Watches until each of `doors` has shown how it does since the check began, 9 s at most.
    pub async fn check(&self, begun: Begun, doors: &[TestedDoor]) -> Found {
        loop {
            let seen: Vec<Seen> = doors.iter().map(|door| self.seen(door, begun.at)).collect();
            let now = self.common.now();
            let decided = |(door, seen): (&TestedDoor, &Seen)| !door.in_use || seen.settled.is_some();
            let all = doors.iter().zip(&seen).all(decided);
            let open = seen.iter().any(|seen| seen.settled == Some(Outcome::Open));
            let patience = if open { OTHERS_MS } else { WITHIN_MS };
            if all || now >= begun.at.after_ms(patience) {
                return self.found(begun, doors, &seen);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn seen(&self, door: &TestedDoor, from: Mono) -> Seen {
        self.common.watch.seen(door.door.relay, from, self.common.now())
    }

    fn found(&self, begun: Begun, tested: &[TestedDoor], seen: &[Seen]) -> Found {
        let mut networks: Vec<[u8; 5]> = Vec::new();
        let mut doors = Vec::with_capacity(tested.len());
        for (door, seen) in tested.iter().zip(seen) {
            let addr = door.door.addr.socket();
            let net = network(addr.ip());
            let place = networks.iter().position(|known| *known == net).unwrap_or_else(|| {
                networks.push(net);
                networks.len() - 1
            });
            let kind = match &door.door.addr {
                RelayAddr::Ip(_) => Kind::Plain,
                RelayAddr::Web(_) => Kind::Web,
                RelayAddr::Sni(..) | RelayAddr::Site(..) => Kind::Site,
            };
            let outcome = if self.proxy && kind == Kind::Plain {
                Outcome::PastProxy
            } else if door.in_use {
                behind(door.door.pt.is_some(), seen.settled.or(seen.now).unwrap_or(Outcome::Waiting))
            } else {
                Outcome::Spare
            };
            let seen = DoorSeen {
                kind,
                network: u8::try_from(place).unwrap_or(u8::MAX),
                outcome,
                open_ms: seen.open_ms,
                echo_ms: seen.echo_ms,
                freezes: seen.freezes,
                was_open: seen.was_open,
                saving: self.common.is_saving(addr),
                clock_s: seen.clock_s,
                signed_s: door.signed_s,
            };
            doors.push(DoorFound { seen, in_use: door.in_use });
        }
        let route = (self.system && !self.proxy && !tested.is_empty())
            .then(|| tested.iter().any(|door| has_way(door.door.addr.socket())));
        let scene = Scene {
            route,
            proxy: self.proxy,
            now_s: self.common.clock.now().wall_ms / 1_000,
            doors: doors.iter().map(|door| door.seen.clone()).collect(),
        };
        Found {
            verdict: judge(&scene),
            doors,
            proxy: self.proxy,
            bytes: self.common.watch.bytes().saturating_sub(begun.bytes),
            ms: self.common.now().0.saturating_sub(begun.at.0) / 1_000,
        }
    }
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer(..)")
    }
}

/// What is silent or breaks off before the door's first word is the transport's matter, where there is one: the connection under it is its
/// program's, on this device.
const fn behind(transport: bool, outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::ConnectSilent
        | Outcome::ConnectRefused
        | Outcome::HelloSilent
        | Outcome::HelloReset
        | Outcome::HelloClosed
            if transport =>
        {
            Outcome::Transport
        }
        outcome => outcome,
    }
}

/// Whether the system knows a way to this address. Nothing is sent: connecting a datagram socket only picks a route.
fn has_way(to: SocketAddr) -> bool {
    let any = if to.is_ipv4() { IpAddr::from([0, 0, 0, 0]) } else { IpAddr::from([0_u16; 8]) };
    let socket = UdpSocket::bind((any, 0)).and_then(|socket| socket.connect(to).map(|()| socket));
    socket
        .and_then(|socket| socket.local_addr())
        .is_ok_and(|from| !from.ip().is_loopback() || to.ip().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_program_of_a_transport_is_not_taken_for_a_censor() {
        assert_eq!(behind(true, Outcome::HelloSilent), Outcome::Transport);
        assert_eq!(behind(false, Outcome::HelloSilent), Outcome::HelloSilent);
        for outcome in [Outcome::Open, Outcome::NotLetIn, Outcome::Foreign, Outcome::Waiting] {
            assert_eq!(behind(true, outcome), outcome);
        }
    }
}
