//! Taps: what sees every byte of the wire, for the trace and for oracles.

use super::{FlowId, HostId, Side, SimTime};
use std::net::SocketAddr;

/// A segment on its way.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    /// When it was sent.
    pub at: SimTime,
    /// Its flow.
    pub flow: FlowId,
    /// Who sent it.
    pub side: Side,
    /// The machine that sent it.
    pub from: HostId,
    /// The address of the side that opened the flow, as the internet sees it.
    pub client: SocketAddr,
    /// The address that it connected to.
    pub server: SocketAddr,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Whether these bytes were on the wire before.
    pub again: bool,
}

/// Something that sees every segment where it leaves its host.
pub trait Tap: Send {
    /// Sees a segment.
    fn segment(&mut self, segment: &Segment<'_>);
    /// Is told that a flow is over.
    fn closed(&mut self, _flow: FlowId) {}
}
