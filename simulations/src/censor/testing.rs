//! Flows for the tests of rules.

use super::{FlowView, Rule, Verdict};
use crate::det::Rng;
use crate::net::{FlowId, Region, Side, SimTime};

/// A flow from a phone in Russia to server number `server` in Europe, seen at `now`.
pub(super) fn flow(server: u8, now: SimTime) -> FlowView {
    FlowView {
        flow: FlowId(u64::from(server)),
        client: ([95, 0, 0, 1], 20_000).into(),
        server: ([51, 0, 0, server], 443).into(),
        client_region: Region::Russia,
        server_region: Region::Europe,
        opened_at: 0,
        seen: [0; 2],
        now,
    }
}

pub(super) fn open(rule: &mut dyn Rule, flow: &FlowView) -> Verdict {
    rule.open(flow, &mut Rng::new(1))
}

pub(super) fn send(rule: &mut dyn Rule, flow: &FlowView, side: Side, bytes: &[u8]) -> Verdict {
    rule.segment(flow, side, bytes, false, &mut Rng::new(1))
}
