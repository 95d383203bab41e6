//! A censor as a library: rules that see what a box on the way sees, and may be put together.

mod address;
mod bytes;
mod list;
mod place;
mod prober;
#[cfg(test)]
mod testing;
mod volume;

pub use address::{Action, AddressBlock, AllowList, DelayedBlock, Learner};
pub use bytes::{BytePattern, LooksRandom};
pub use list::{AddressList, Entry};
pub use place::{Place, Placed};
pub use prober::{Answer, Probe, Suspicion, ask, probe};
pub use volume::{HandshakePolicing, RandomReset, Throttle, VolumeFreeze};

use crate::det::Rng;
use crate::net::{FlowId, Region, Side, SimTime};
use std::net::SocketAddr;

/// What a box on the way knows of a flow.
#[derive(Debug, Clone, Copy)]
pub struct FlowView {
    /// Its number.
    pub flow: FlowId,
    /// Who opened it, as seen from outside its NAT.
    pub client: SocketAddr,
    /// Where to.
    pub server: SocketAddr,
    /// Where the client stands.
    pub client_region: Region,
    /// Where the server stands.
    pub server_region: Region,
    /// When it was opened.
    pub opened_at: SimTime,
    /// Payload bytes seen before, from the client and from the server.
    pub seen: [u64; 2],
    /// Now.
    pub now: SimTime,
}

/// What a box does with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Lets it through.
    Pass,
    /// Lets it through later.
    Delay(SimTime),
    /// Swallows it; the sender will send it again.
    Drop,
    /// Swallows it and everything that follows on this flow, both ways.
    Freeze,
    /// Answers both sides with a reset.
    Reset,
}

impl Verdict {
    /// Both verdicts together: the harsher one, or the sum of delays.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Delay(a), Self::Delay(b)) => Self::Delay(a.saturating_add(b)),
            _ if self.rank() >= other.rank() => self,
            _ => other,
        }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Delay(_) => 1,
            Self::Drop => 2,
            Self::Freeze => 3,
            Self::Reset => 4,
        }
    }
}

/// A rule of a box. It sees segments in the order in which they are sent, also those sent again.
pub trait Rule: Send {
    /// Its name, for reports.
    fn name(&self) -> &'static str;

    /// A flow is being opened.
    fn open(&mut self, _flow: &FlowView, _rng: &mut Rng) -> Verdict {
        Verdict::Pass
    }

    /// `side` sends `bytes`; `again` if they were seen before.
    fn segment(
        &mut self,
        _flow: &FlowView,
        _side: Side,
        _bytes: &[u8],
        _again: bool,
        _rng: &mut Rng,
    ) -> Verdict {
        Verdict::Pass
    }

    /// A flow is over: what is remembered of it may go.
    fn closed(&mut self, _flow: FlowId) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_rules_together_are_as_harsh_as_the_harshest() {
        use Verdict::{Delay, Drop, Freeze, Pass, Reset};
        assert_eq!(Delay(2).and(Delay(3)), Delay(5));
        for harsher in [[Pass, Delay(1)], [Delay(9), Drop], [Drop, Freeze], [Freeze, Reset]] {
            let [mild, harsh] = harsher;
            assert_eq!((mild.and(harsh), harsh.and(mild)), (harsh, harsh));
        }
    }
}
