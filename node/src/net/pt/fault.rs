//! Why a door behind a transport does not open: each cause with its words and what to do, kept for whoever asks about the door.

use crate::net::veil::locked;
use karvon_protocol::ids::RelayId;
use karvon_protocol::pt::program::{Refusal, Words};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Why a transport is of no use now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PtFault {
    /// No program is known for it.
    #[error("the transport `{0}` is not known: obfs4, webtunnel, snowflake and meek_lite are")]
    Unknown(String),
    /// No program was found; the names that were looked for.
    #[error(
        "no program for the transport was found (looked for {0}): install it, or name it with `karvon config set transports.NAME PATH`"
    )]
    Missing(String),
    /// The program may not be run.
    #[error(
        "{0} may not be run: make it executable, or name another one with `karvon config set transports.NAME PATH`"
    )]
    NotExecutable(String),
    /// The system does not start it, or gives it no place.
    #[error("the transport's program can not be started: {0}")]
    CanNotStart(String),
    /// It ended before or after it was ready; what the system says of its end, and its last words.
    #[error(
        "the transport's program ended by itself ({0}; {1}): it is started again; if it stays so, install another version"
    )]
    Crashed(String, Words),
    /// It was not ready in time, or is not asked.
    #[error(
        "the transport's program does not get ready: it is started again; if it stays so, install another version"
    )]
    Slow,
    /// It said why it can not be used.
    #[error("the transport's program can not be used: {0}")]
    Refused(Refusal),
    /// Its proxy does not answer as one.
    #[error("the transport's program broke the connection off: if it stays so, install another version")]
    NoSocks,
    /// It does not accept the arguments of the door's line.
    #[error("the transport's program does not accept what stands after pt=: compare it with the original")]
    Line,
    /// It could not reach its server; the code of SOCKS5.
    #[error(
        "the transport's server can not be reached (code {0}): it may be off or blocked here; try another network, or ask for another line"
    )]
    Server(u8),
    /// Its server did not answer in time.
    #[error(
        "the transport's server does not answer: it may be off or blocked here; try another network, or ask for another line"
    )]
    ServerSilent,
    /// Its server was reached; the relay behind has not answered, or let this slot not in.
    #[error(
        "the transport's server is reached, but the door behind it does not open: tell whoever runs the relay"
    )]
    Behind,
    /// Its program says yes before it has reached anybody, and nothing answered.
    #[error(
        "nothing answers through the transport: its program reaches nobody from here, or the relay behind it is off; try another network, or ask for another line"
    )]
    Unanswered,
}

impl PtFault {
    /// A word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "transport_unknown",
            Self::Missing(_) => "transport_missing",
            Self::NotExecutable(_) => "transport_not_executable",
            Self::CanNotStart(_) => "transport_not_started",
            Self::Crashed(..) => "transport_crashed",
            Self::Slow => "transport_slow",
            Self::Refused(Refusal::Version) => "transport_version",
            Self::Refused(Refusal::NotOffered | Refusal::Method(_)) => "transport_not_offered",
            Self::Refused(Refusal::Proxy(_) | Refusal::ProxyIgnored) => "transport_proxy",
            Self::Refused(Refusal::Setup(_)) => "transport_setup",
            Self::Refused(Refusal::Offer | Refusal::Junk) => "transport_junk",
            Self::NoSocks => "transport_broken",
            Self::Line => "transport_line",
            Self::Server(_) | Self::ServerSilent => "transport_server",
            Self::Behind => "transport_behind",
            Self::Unanswered => "transport_unanswered",
        }
    }
}

/// Relays of which a fault is kept; more than a person has doors.
const DOORS_MAX: usize = 64;

/// The last fault of each door that is reached through a transport.
#[derive(Debug, Default)]
pub struct DoorFaults(Mutex<BTreeMap<RelayId, PtFault>>);

impl DoorFaults {
    /// Why the last try to reach this relay's door through its transport failed, if it did.
    #[must_use]
    pub fn of(&self, relay: RelayId) -> Option<PtFault> {
        locked(&self.0).get(&relay).cloned()
    }

    /// Returns whether it is news.
    pub(super) fn note(&self, relay: RelayId, fault: PtFault) -> bool {
        let mut known = locked(&self.0);
        if known.len() >= DOORS_MAX && !known.contains_key(&relay) {
            known.pop_first();
        }
        let before = known.insert(relay, fault.clone());
        before.is_none_or(|before| before.code() != fault.code())
    }

    pub(super) fn clear(&self, relay: RelayId) {
        locked(&self.0).remove(&relay);
    }
}
