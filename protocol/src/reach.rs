//! What relays say to each other about being reached from outside: the question to be dialled back, and its answer (SPEC-relay §3).

use crate::error::PeerFault;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use zeroize::Zeroizing;

/// What became of one announced address when another relay dialled it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Dialled {
    /// It answered, and showed the relay's key.
    Reached = 0,
    /// A web door: its port takes connections. Without a slot nothing more is seen of it.
    Answers = 1,
    /// Nothing answered there as a relay does.
    Closed = 2,
    /// Another key answered there.
    OtherKey = 3,
    /// It was not dialled: it is not the address from which the question came, or none of the internet.
    Elsewhere = 4,
    /// It was not dialled: the other relay dials for somebody else, or did so for this one a moment ago.
    Busy = 5,
}

impl Dialled {
    const ALL: [Self; 6] =
        [Self::Reached, Self::Answers, Self::Closed, Self::OtherKey, Self::Elsewhere, Self::Busy];

    /// The name in statistics and for scripts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::Answers => "answers",
            Self::Closed => "closed",
            Self::OtherKey => "other_key",
            Self::Elsewhere => "elsewhere",
            Self::Busy => "busy",
        }
    }

    /// Whether people or relays can connect there, as far as the one who dialled says.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Reached | Self::Answers)
    }

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// What another relay found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Findings {
    /// At the door address of the asking relay's descriptor.
    pub door: Dialled,
    /// At its mesh address.
    pub mesh: Dialled,
    /// From where the asking relay's connection comes; `None` if that is not known.
    pub seen: Option<IpAddr>,
}

impl Findings {
    /// Nothing was dialled.
    pub const BUSY: Self = Self { door: Dialled::Busy, mesh: Dialled::Busy, seen: None };

    /// Whether nothing was dialled because the other relay had no time.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(self.door, Dialled::Busy) || matches!(self.mesh, Dialled::Busy)
    }

    /// Whether both addresses are open.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.door.is_open() && self.mesh.is_open()
    }
}

/// Seed of the transport key (Ed25519) under which a relay is to be dialled back: who comes under that key comes from the one who was given it.
#[derive(Clone, PartialEq, Eq)]
pub struct DialSeed(pub Zeroizing<[u8; 32]>);

impl core::fmt::Debug for DialSeed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("DialSeed(..)")
    }
}

/// The payload of a frame of [`crate::link::Kind::Reach`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Dial me back, under the key of this seed.
    Ask(DialSeed),
    /// This is what I found.
    Found(Findings),
}

impl Reach {
    /// `0 | seed 32`, or `1 | door 1 | mesh 1 | address 0, 4 or 16`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Ask(DialSeed(seed)) => [&[0][..], &seed[..]].concat(),
            Self::Found(findings) => {
                let mut out = vec![1, findings.door as u8, findings.mesh as u8];
                match findings.seen {
                    None => {}
                    Some(IpAddr::V4(ip)) => out.extend_from_slice(&ip.octets()),
                    Some(IpAddr::V6(ip)) => out.extend_from_slice(&ip.octets()),
                }
                out
            }
        }
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`PeerFault::Malformed`] or [`PeerFault::Length`].
    pub fn decode(payload: &[u8]) -> Result<Self, PeerFault> {
        match payload {
            [0, seed @ ..] => {
                let seed = seed.try_into().map_err(|_| PeerFault::Length)?;
                Ok(Self::Ask(DialSeed(Zeroizing::new(seed))))
            }
            [1, door, mesh, seen @ ..] => {
                let of = |number: &u8| Dialled::from_number(*number).ok_or(PeerFault::Malformed);
                let seen = if seen.is_empty() {
                    None
                } else if let Ok(octets) = <[u8; 4]>::try_from(seen) {
                    Some(Ipv4Addr::from(octets).into())
                } else {
                    let octets = <[u8; 16]>::try_from(seen).map_err(|_| PeerFault::Length)?;
                    Some(Ipv6Addr::from(octets).into())
                };
                Ok(Self::Found(Findings { door: of(door)?, mesh: of(mesh)?, seen }))
            }
            _ => Err(PeerFault::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_and_answer_survive_the_wire_and_nothing_else_is_read() {
        let ask = Reach::Ask(DialSeed(Zeroizing::new([0x5e; 32])));
        assert_eq!(format!("{ask:?}"), "Ask(DialSeed(..))", "it is a key");
        let mut all = vec![ask];
        for door in Dialled::ALL {
            for seen in [None, Some("203.0.113.9".parse().unwrap()), Some("2001:db8::7".parse().unwrap())] {
                all.push(Reach::Found(Findings { door, mesh: Dialled::Closed, seen }));
            }
        }
        for reach in all {
            let bytes = reach.encode();
            assert_eq!(Reach::decode(&bytes), Ok(reach));
            assert!(Reach::decode(&[&bytes[..], &[0]].concat()).is_err(), "{bytes:?}");
        }
        for wrong in [&[][..], &[0], &[2, 0, 0], &[1, 0], &[1, 6, 0], &[1, 0, 6], &[1, 0, 0, 1, 2, 3]] {
            assert!(Reach::decode(wrong).is_err(), "{wrong:?}");
        }
    }
}
