//! What a device's own doors say about the network it stands in: observations in, one verdict out (DESIGN N4).
//!
//! Nothing here dials. The node watches its ordinary dials of its own doors and hands over what it saw; no other address is ever
//! asked. Where two causes look the same from here, the verdict's sentence names both.

mod judge;
#[cfg(test)]
mod tests;

pub use judge::judge;

/// A clock that is wrong by less than this is not worth a word, seconds.
pub const CLOCK_TOLERANCE_S: u64 = 600;
/// Relays sign their descriptor anew within this time, seconds: one that is older than twice this was signed on another day than the
/// device believes.
pub const DESCRIPTOR_FRESH_S: u64 = 7 * 86_400;
/// Opening a door or answering a heartbeat takes longer than this on a path that is slow, milliseconds.
pub const SLOW_MS: u32 = 4_000;

/// How a door is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A plain door: its first bytes show what it is.
    Plain,
    /// A web door without a name.
    Web,
    /// A web site with a name and a certificate for it.
    Site,
}

/// How far a door let this device come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The relay answered inside the link, in this check.
    Open,
    /// A link is there, but the relay has not answered in this check.
    Quiet,
    /// Not dialled: as many doors as are used at once are in use.
    Spare,
    /// The next dial waits for its turn, because dials are being saved here.
    Waiting,
    /// The device's own system knows no way there.
    NoRoute,
    /// The connection was not answered.
    ConnectSilent,
    /// The connection was refused at once.
    ConnectRefused,
    /// The connection opened; what was said first got no answer.
    HelloSilent,
    /// The connection opened; what was said first was answered with a reset.
    HelloReset,
    /// The connection opened and was closed in order after what was said first.
    HelloClosed,
    /// What answers is not the door: not TLS, another certificate, or an answer that no door's site gives.
    Foreign,
    /// The site's certificate is out of date by this device's clock.
    CertificateDate,
    /// The site answers as it does to everybody who has no slot.
    NotLetIn,
    /// Another relay, or somebody who does not know the door's secret, answers in its place.
    WrongRelay,
    /// The relay said that this slot has ended.
    SlotEnded,
    /// The relay speaks another version.
    Version,
    /// The relay answered at first and then fell silent.
    Stalled,
    /// The relay answered at first and then the connection broke.
    Broke,
    /// The proxy was not reached.
    ProxyGone,
    /// The proxy was reached and did not bring the connection about.
    ProxyRefused,
    /// A plain door is not dialled past the proxy.
    PastProxy,
    /// The door's pluggable transport did not bring the connection about; what is wrong stands with the door.
    Transport,
}

/// What is known of one door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorSeen {
    /// How it is reached.
    pub kind: Kind,
    /// Doors with the same number lie in one network (/16 of IPv4, /32 of IPv6).
    pub network: u8,
    /// How far this device came.
    pub outcome: Outcome,
    /// How long the dial took until the relay answered, milliseconds.
    pub open_ms: Option<u32>,
    /// How long the answer to a heartbeat took, milliseconds.
    pub echo_ms: Option<u32>,
    /// Connections that fell silent while bytes were under way, in the last minutes.
    pub freezes: u32,
    /// It was open in the last minutes, and then dials or heartbeats got no answer.
    pub was_open: bool,
    /// Dials are being saved: one got no answer, or a connection froze.
    pub saving: bool,
    /// By how many seconds this device's clock is ahead of the site's (negative: behind).
    pub clock_s: Option<i64>,
    /// When the relay last signed its descriptor, Unix seconds by its clock.
    pub signed_s: Option<u64>,
}

/// All that a check saw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scene {
    /// Whether the system knows any way out; `None` if it can not be asked.
    pub route: Option<bool>,
    /// Everything goes through the user's proxy.
    pub proxy: bool,
    /// This device's clock, Unix seconds.
    pub now_s: u64,
    /// The doors.
    pub doors: Vec<DoorSeen>,
}

/// What is to be said. The codes are stable; the sentences stand in the language files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// Messages travel.
    Works,
    /// No internet on this device.
    NoInternet,
    /// Plain doors are cut, web doors open.
    PlainCut,
    /// Long connections are cut; small pieces pass.
    Freeze,
    /// Only approved sites open.
    ApprovedOnly,
    /// As [`Code::ApprovedOnly`], or this door is singled out: one network is too little to tell.
    ApprovedOrSingled,
    /// This device's clock is wrong.
    Clock,
    /// As [`Code::Clock`], or the certificates of the doors' sites have run out.
    ClockOrCertificate,
    /// No door is known.
    NoDoor,
    /// The proxy does not answer.
    ProxyDead,
    /// The proxy answers, doors do not open through it.
    ProxyBlocked,
    /// Something else answers: a sign-in page of this network, or somebody in between.
    Portal,
    /// The door lets this device in no more.
    DoorEnded,
    /// The relays refuse connections, or the network does it in their place.
    Refused,
    /// No answer from any door's address.
    Silent,
    /// Only plain doors are there, and their first words are cut.
    PlainOnly,
    /// Doors that were open fell silent: connections are counted here, or the addresses were blocked just now.
    Counted,
    /// As [`Code::Counted`], and a door is open again.
    CountedOpen,
    /// It works, slowly.
    Slow,
    /// Connections open and then stall or break.
    Breaks,
    /// Each door fails in its own way.
    Mixed,
    /// The versions of the program do not fit.
    Version,
    /// Nothing could be told in the time there was.
    Undecided,
    /// The programs of pluggable transports bring no connection about.
    Transport,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::Works,
        Self::NoInternet,
        Self::PlainCut,
        Self::Freeze,
        Self::ApprovedOnly,
        Self::ApprovedOrSingled,
        Self::Clock,
        Self::ClockOrCertificate,
        Self::NoDoor,
        Self::ProxyDead,
        Self::ProxyBlocked,
        Self::Portal,
        Self::DoorEnded,
        Self::Refused,
        Self::Silent,
        Self::PlainOnly,
        Self::Counted,
        Self::CountedOpen,
        Self::Slow,
        Self::Breaks,
        Self::Mixed,
        Self::Version,
        Self::Undecided,
        Self::Transport,
    ];

    /// The stable code; two sentences about one cause share it.
    #[must_use]
    pub const fn number(self) -> &'static str {
        match self {
            Self::Works => "N00",
            Self::NoInternet => "N01",
            Self::PlainCut => "N02",
            Self::Freeze => "N03",
            Self::ApprovedOnly | Self::ApprovedOrSingled => "N04",
            Self::Clock | Self::ClockOrCertificate => "N05",
            Self::NoDoor => "N06",
            Self::ProxyDead => "N07",
            Self::ProxyBlocked => "N08",
            Self::Portal => "N09",
            Self::DoorEnded => "N10",
            Self::Refused => "N11",
            Self::Silent => "N12",
            Self::PlainOnly => "N13",
            Self::Counted | Self::CountedOpen => "N14",
            Self::Slow => "N15",
            Self::Breaks => "N16",
            Self::Mixed => "N17",
            Self::Version => "N18",
            Self::Undecided => "N19",
            Self::Transport => "N20",
        }
    }

    /// A word for programs, different for each sentence.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::NoInternet => "no_internet",
            Self::PlainCut => "plain_cut",
            Self::Freeze => "freeze",
            Self::ApprovedOnly => "approved_only",
            Self::ApprovedOrSingled => "approved_or_singled",
            Self::Clock => "clock",
            Self::ClockOrCertificate => "clock_or_certificate",
            Self::NoDoor => "no_door",
            Self::ProxyDead => "proxy_dead",
            Self::ProxyBlocked => "proxy_blocked",
            Self::Portal => "portal",
            Self::DoorEnded => "door_ended",
            Self::Refused => "refused",
            Self::Silent => "silent",
            Self::PlainOnly => "plain_only",
            Self::Counted => "counted",
            Self::CountedOpen => "counted_open",
            Self::Slow => "slow",
            Self::Breaks => "breaks",
            Self::Mixed => "mixed",
            Self::Version => "version",
            Self::Undecided => "undecided",
            Self::Transport => "transport",
        }
    }
}

impl Outcome {
    /// A word for programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Quiet => "quiet",
            Self::Spare => "spare",
            Self::Waiting => "waiting",
            Self::NoRoute => "no_route",
            Self::ConnectSilent => "connect_silent",
            Self::ConnectRefused => "connect_refused",
            Self::HelloSilent => "hello_silent",
            Self::HelloReset => "hello_reset",
            Self::HelloClosed => "hello_closed",
            Self::Foreign => "foreign",
            Self::CertificateDate => "certificate_date",
            Self::NotLetIn => "not_let_in",
            Self::WrongRelay => "wrong_relay",
            Self::SlotEnded => "slot_ended",
            Self::Version => "version",
            Self::Stalled => "stalled",
            Self::Broke => "broke",
            Self::ProxyGone => "proxy_gone",
            Self::ProxyRefused => "proxy_refused",
            Self::PastProxy => "past_proxy",
            Self::Transport => "transport",
        }
    }
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What matters most.
    pub code: Code,
    /// What else was noticed, most important first.
    pub also: Vec<Code>,
    /// Messages can travel now.
    pub travels: bool,
    /// By how many seconds at least this device's clock is ahead of the relays' (negative: behind), if that is worth a word.
    pub clock_s: Option<i64>,
}
