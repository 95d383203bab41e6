//! The life of a flow on the wire: opening, segments with their delays and accidents, retransmission, resets, power cuts.

use super::event::Event;
use super::flow::{End, Flow, Side, Stage};
use super::host::HostId;
use super::link::{LinkClass, one_way_ms, retransmit_after};
use super::state::State;
use super::tap::Segment;
use super::{FlowId, MS, SECOND, SimTime};
use crate::censor::{FlowView, Verdict};
use std::io::ErrorKind;
use std::net::SocketAddr;

/// Most payload bytes of a segment.
const SEGMENT_MAX: usize = 1_400;
/// Bytes of headers that a segment takes on the line besides.
const HEADERS: usize = 40;
/// A dial is given up after this many first segments: 63 seconds.
const SYN_TRIES: u32 = 6;
/// A sender gives up after this time without an answer, as Linux does with its defaults.
const GIVE_UP: SimTime = 924 * SECOND;
const RETRY_MAX: SimTime = 60 * SECOND;

/// What became of a segment on its way.
enum Fate {
    /// It goes on, this much later than it would.
    On(SimTime),
    /// It is swallowed; the sender tries again.
    Lost,
    /// Both sides get a reset.
    Cut,
    /// The sender gets a reset from the other end or its NAT.
    Unknown,
}

impl State {
    /// Starts a flow from `host` to `server`.
    pub(super) fn dial(&mut self, host: HostId, server: SocketAddr) -> Option<FlowId> {
        let route = self.route(host, server)?;
        let target = route.to.unwrap_or(host);
        let boot = |id: HostId| self.hosts.get(id.0 as usize).map_or(0, |host| host.boot);
        self.counts.dialled += 1;
        let id = FlowId(self.counts.dialled);
        let mut ends = [End::new(host, boot(host)), End::new(target, boot(target))];
        let [_, server_end] = &mut ends;
        server_end.held = false;
        let flow = Flow {
            ends,
            stage: Stage::Opening,
            accepted: false,
            client: route.client,
            server,
            somewhere: route.to.is_some(),
            local: route.local,
            opened_at: self.now,
            active_at: self.now,
            frozen: false,
            forgotten: false,
            seen: [0; 2],
            dialer: None,
        };
        self.flows.insert(id, flow);
        if let Some(host) = self.hosts.get_mut(host.0 as usize) {
            host.dialled += 1;
        }
        self.send_syn(id, 0);
        Some(id)
    }

    fn send_syn(&mut self, id: FlowId, tries: u32) {
        let Some(mut flow) = self.flows.remove(&id) else { return };
        self.tap(id, &flow, Side::Client, &[], tries > 0);
        let fate = if !flow.somewhere || !self.way_is_open(&flow) {
            Fate::Lost
        } else if flow.local {
            Fate::On(0)
        } else {
            let view = self.view(id, &flow);
            let rng = &mut self.censor_rng;
            let seeing = self.censors.iter_mut().filter(|(_, placed)| placed.sees(&view));
            let verdict =
                seeing.fold(Verdict::Pass, |verdict, (_, placed)| verdict.and(placed.rule.open(&view, rng)));
            self.fate(&mut flow, verdict)
        };
        let there = self.one_way(&flow);
        let lost = self.lost(&flow);
        self.flows.insert(id, flow);
        match fate {
            Fate::On(delay) if !lost => self.queue.push(self.now + there + delay, Event::Syn(id)),
            Fate::Cut | Fate::Unknown => {
                self.queue.push(self.now + there, Event::Refused(id, ErrorKind::ConnectionReset));
            }
            Fate::On(_) | Fate::Lost => {
                let wait = SECOND << tries.min(16);
                let again = if tries + 1 >= SYN_TRIES {
                    Event::Refused(id, ErrorKind::TimedOut)
                } else {
                    Event::SynAgain(id, tries + 1)
                };
                self.queue.push(self.now + wait, again);
            }
        }
    }

    /// Carries out an event whose time has come.
    pub(super) fn happen(&mut self, at: SimTime, event: Event) {
        match event {
            Event::SynAgain(id, tries) => self.send_syn(id, tries),
            Event::Syn(id) => self.syn(at, id),
            Event::Opened(id) => {
                if let Some(flow) = self.flows.get_mut(&id) {
                    flow.stage = Stage::Open;
                    self.counts.opened += 1;
                    self.wakes.extend(flow.dialer.take());
                }
            }
            Event::Accept(id) => self.accept(at, id),
            Event::Refused(id, kind) | Event::Reset(id, Side::Client, kind) => {
                self.fail(id, Side::Client, kind);
            }
            Event::Reset(id, side, kind) => self.fail(id, side, kind),
            Event::Arrive(id, side, bytes) => {
                let Some(flow) = self.flows.get_mut(&id) else { return };
                let host = flow.end(side.other()).host;
                let Some(host) = self.hosts.get_mut(host.0 as usize) else { return };
                let line = if flow.local { LinkClass::Lan.profile() } else { host.line };
                host.down_free = host.down_free.max(at) + line.down_time(bytes.len() + HEADERS);
                self.queue.push(host.down_free, Event::Deliver(id, side, bytes));
            }
            Event::Deliver(id, side, bytes) => self.deliver(at, id, side, bytes),
            Event::Retry(id, side) => self.retry(id, side),
        }
    }

    fn syn(&mut self, at: SimTime, id: FlowId) {
        let Some(flow) = self.flows.get(&id) else { return };
        let [_, server] = &flow.ends;
        let known = self.hosts.get(server.host.0 as usize).is_some_and(|host| host.powered);
        let listens = self.listeners.contains_key(&(server.host, flow.server.port()));
        let back = Self::rtt_part(&self.hosts, flow);
        if !known {
            self.queue.push(at + SECOND, Event::SynAgain(id, 1));
        } else if listens {
            self.queue.push(at + back, Event::Opened(id));
            self.queue.push(at + 2 * back, Event::Accept(id));
            if let Some(flow) = self.flows.get_mut(&id) {
                // What the dialer sends first must not overtake the opening.
                flow.end(Side::Client).arrives_from = at + 2 * back;
            }
        } else {
            self.queue.push(at + back, Event::Refused(id, ErrorKind::ConnectionRefused));
        }
    }

    fn accept(&mut self, at: SimTime, id: FlowId) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        let back = Self::rtt_part(&self.hosts, flow);
        let (server, left) = (flow.server.port(), !flow.end(Side::Client).held);
        flow.accepted = true;
        let end = flow.end(Side::Server);
        let host = self.hosts.get(end.host.0 as usize);
        end.boot = host.map_or(0, |host| host.boot);
        match self.listeners.get_mut(&(end.host, server)) {
            Some(listener) if host.is_some_and(|host| host.powered) => {
                end.held = true;
                listener.queue.push_back(id);
                self.wakes.extend(listener.waker.take());
            }
            _ if left => self.forget(id),
            _ => self.queue.push(at + back, Event::Reset(id, Side::Client, ErrorKind::ConnectionReset)),
        }
    }

    /// Puts `bytes` of `side` on their way; none means the end of the stream.
    pub(super) fn send(&mut self, id: FlowId, side: Side, bytes: &[u8]) {
        let mut chunks = bytes.chunks(SEGMENT_MAX);
        let mut next = Some(chunks.next().unwrap_or_default());
        while let Some(chunk) = next {
            let Some(flow) = self.flows.get_mut(&id) else { return };
            let end = flow.end(side);
            if end.error.is_some() || self.hosts.get(end.host.0 as usize).is_none_or(|h| h.boot != end.boot) {
                return;
            }
            end.unread += chunk.len();
            if end.stalled.is_empty() {
                if let Err(bytes) = self.emit(id, side, chunk.to_vec(), false) {
                    self.stall(id, side, bytes);
                }
            } else {
                end.stalled.push_back(chunk.to_vec());
            }
            next = chunks.next();
        }
    }

    fn stall(&mut self, id: FlowId, side: Side, bytes: Vec<u8>) {
        let now = self.now;
        let Some(flow) = self.flows.get_mut(&id) else { return };
        let wait = retransmit_after(Self::rtt_part(&self.hosts, flow));
        let end = flow.end(side);
        if end.stalled.is_empty() {
            end.stalled_since = now;
            end.retry_after = wait;
            self.queue.push(now + wait, Event::Retry(id, side));
        }
        end.stalled.push_back(bytes);
    }

    fn retry(&mut self, id: FlowId, side: Side) {
        loop {
            let Some(flow) = self.flows.get_mut(&id) else { return };
            let end = flow.end(side);
            let Some(bytes) = end.stalled.pop_front() else { return };
            let Err(bytes) = self.emit(id, side, bytes, true) else { continue };
            let (now, mut wait) = (self.now, 0);
            if let Some(flow) = self.flows.get_mut(&id) {
                let end = flow.end(side);
                if end.error.is_some() {
                    return;
                }
                end.stalled.push_front(bytes);
                end.retry_after = (2 * end.retry_after).min(RETRY_MAX);
                if now.saturating_sub(end.stalled_since) < GIVE_UP {
                    wait = end.retry_after;
                }
            }
            if wait == 0 {
                self.fail(id, side, ErrorKind::TimedOut);
            } else {
                self.queue.push(now + wait, Event::Retry(id, side));
            }
            return;
        }
    }

    /// One segment leaves its host. Gives the bytes back if they did not get through.
    fn emit(&mut self, id: FlowId, side: Side, bytes: Vec<u8>, again: bool) -> Result<(), Vec<u8>> {
        let Some(mut flow) = self.flows.remove(&id) else { return Ok(()) };
        self.tap(id, &flow, side, &bytes, again);
        let fate = self.judge(id, &mut flow, side, &bytes, again);
        flow.active_at = self.now;
        let [client, server] = &flow.ends;
        let (from, to) = if side == Side::Client { (client, server) } else { (server, client) };
        let (from, to) = (from.host, to.host);
        let result = match fate {
            Fate::On(delay) => {
                let size = bytes.len() + HEADERS;
                let local = LinkClass::Lan.profile();
                let mut leaves = self.now;
                if let Some(host) = self.hosts.get_mut(from.0 as usize) {
                    let line = if flow.local { local } else { host.line };
                    host.up_free = host.up_free.max(self.now) + line.up_time(size);
                    leaves = host.up_free;
                    host.sent += bytes.len() as u64;
                }
                if let Some(host) = self.hosts.get_mut(to.0 as usize) {
                    host.received += bytes.len() as u64;
                }
                let mut at = leaves + self.one_way(&flow) + delay;
                while self.lost(&flow) {
                    at += retransmit_after(Self::rtt_part(&self.hosts, &flow));
                }
                let end = flow.end(side);
                end.arrives_from = end.arrives_from.max(at);
                self.queue.push(end.arrives_from, Event::Arrive(id, side, bytes));
                Ok(())
            }
            Fate::Lost => Err(bytes),
            Fate::Cut | Fate::Unknown => {
                let part = Self::rtt_part(&self.hosts, &flow);
                self.queue.push(self.now + part, Event::Reset(id, side, ErrorKind::ConnectionReset));
                if matches!(fate, Fate::Cut) {
                    self.queue
                        .push(self.now + part, Event::Reset(id, side.other(), ErrorKind::ConnectionReset));
                }
                Ok(())
            }
        };
        self.flows.insert(id, flow);
        result
    }

    fn judge(&mut self, id: FlowId, flow: &mut Flow, side: Side, bytes: &[u8], again: bool) -> Fate {
        let [client, server] = &flow.ends;
        let other = if side == Side::Client { server } else { client };
        let (other, boot) = (other.host, other.boot);
        if !flow.local {
            let idle = self.now.saturating_sub(flow.active_at);
            flow.forgotten |= self
                .hosts
                .get(client.host.0 as usize)
                .and_then(super::Host::forgets_after)
                .is_some_and(|limit| idle > limit);
        }
        if !self.way_is_open(flow) || flow.frozen {
            self.counts.black_holed += 1;
            return Fate::Lost;
        }
        if flow.forgotten {
            // From inside, the NAT makes a new mapping that the server does not know; from outside there is none.
            return if side == Side::Client { Fate::Unknown } else { Fate::Lost };
        }
        if self.hosts.get(other.0 as usize).is_none_or(|host| host.boot != boot) {
            return Fate::Unknown;
        }
        if flow.local || bytes.is_empty() {
            return Fate::On(0);
        }
        let view = self.view(id, flow);
        let rng = &mut self.censor_rng;
        let seeing = self.censors.iter_mut().filter(|(_, placed)| placed.sees(&view));
        let verdict = seeing.fold(Verdict::Pass, |verdict, (_, placed)| {
            verdict.and(placed.rule.segment(&view, side, bytes, again, rng))
        });
        if let Some(seen) = flow.seen.get_mut(side.index()) {
            *seen += bytes.len() as u64;
        }
        self.fate(flow, verdict)
    }

    fn fate(&mut self, flow: &mut Flow, verdict: Verdict) -> Fate {
        match verdict {
            Verdict::Pass => Fate::On(0),
            Verdict::Delay(delay) => Fate::On(delay),
            Verdict::Drop | Verdict::Freeze => {
                flow.frozen |= verdict == Verdict::Freeze;
                self.counts.censored += 1;
                Fate::Lost
            }
            Verdict::Reset => {
                self.counts.censored += 1;
                Fate::Cut
            }
        }
    }

    fn deliver(&mut self, at: SimTime, id: FlowId, side: Side, bytes: Vec<u8>) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        let back = Self::rtt_part(&self.hosts, flow);
        let end = flow.end(side.other());
        let host = self.hosts.get(end.host.0 as usize);
        if host.is_none_or(|host| !host.powered) {
            // The machine lost power meanwhile: the sender tries again until somebody answers with a reset.
            self.stall(id, side, bytes);
        } else if !end.held || host.is_none_or(|host| host.boot != end.boot) {
            self.queue.push(at + back, Event::Reset(id, side, ErrorKind::ConnectionReset));
        } else if end.error.is_some() {
            // Reset meanwhile: nobody will read this.
        } else if bytes.is_empty() {
            end.eof = true;
            self.wakes.extend(end.reader.take());
        } else {
            end.inbox.push_back(bytes);
            self.wakes.extend(end.reader.take());
        }
    }

    fn fail(&mut self, id: FlowId, side: Side, kind: ErrorKind) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        self.wakes.extend(flow.dialer.take());
        let end = flow.end(side);
        end.error.get_or_insert(kind);
        end.inbox.clear();
        end.stalled.clear();
        self.wakes.extend(end.reader.take());
        self.wakes.extend(end.writer.take());
    }

    /// The program at `side` lets go of its end.
    pub(super) fn release(&mut self, id: FlowId, side: Side) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        flow.end(side).held = false;
        flow.end(side).inbox.clear();
        let [client, server] = &flow.ends;
        // A dialer may send and leave before the other side has accepted; what it sent is still delivered.
        let under_way = flow.stage == Stage::Open && !flow.accepted;
        if client.held || server.held || under_way {
            return;
        }
        self.forget(id);
    }

    fn forget(&mut self, id: FlowId) {
        self.flows.remove(&id);
        for tap in &mut self.taps {
            tap.closed(id);
        }
        for (_, placed) in &mut self.censors {
            placed.rule.closed(id);
        }
    }

    pub(super) fn power_off(&mut self, id: HostId) {
        let Some(host) = self.hosts.get_mut(id.0 as usize) else { return };
        host.powered = false;
        host.boot += 1;
        self.listeners.retain(|(host, _), _| *host != id);
    }

    /// Whether bytes can get from one end of the flow to the other at all.
    fn way_is_open(&self, flow: &Flow) -> bool {
        let [a, b] = &flow.ends;
        let (Some(from), Some(to)) = (self.hosts.get(a.host.0 as usize), self.hosts.get(b.host.0 as usize))
        else {
            return false;
        };
        if !(from.powered && to.powered) {
            return false;
        }
        flow.local
            || from.online
                && to.online
                && self.cut.as_ref().is_none_or(|cut| {
                    !cut.inside.crossed_by(from.region, to.region)
                        || cut.bridges.contains(&a.host)
                        || cut.bridges.contains(&b.host)
                })
    }

    /// One-way delay for one segment, with jitter.
    fn one_way(&mut self, flow: &Flow) -> SimTime {
        let [a, b] = &flow.ends;
        let (Some(from), Some(to)) = (self.hosts.get(a.host.0 as usize), self.hosts.get(b.host.0 as usize))
        else {
            return MS;
        };
        if flow.local {
            return LinkClass::Lan.profile().draw_delay(&mut self.rng);
        }
        let distance = one_way_ms(from.region, to.region) * MS;
        from.line.draw_delay(&mut self.rng) + to.line.draw_delay(&mut self.rng) + distance
    }

    /// One-way delay without jitter.
    fn rtt_part(hosts: &[super::Host], flow: &Flow) -> SimTime {
        let [a, b] = &flow.ends;
        match (hosts.get(a.host.0 as usize), hosts.get(b.host.0 as usize)) {
            (Some(from), Some(to)) if !flow.local => {
                from.line.delay + to.line.delay + one_way_ms(from.region, to.region) * MS
            }
            _ => MS,
        }
    }

    fn lost(&mut self, flow: &Flow) -> bool {
        let [a, b] = &flow.ends;
        let loss = |host: HostId| self.hosts.get(host.0 as usize).map_or(0.0, |host| host.line.loss);
        let loss = if flow.local { 0.0 } else { loss(a.host) + loss(b.host) };
        self.rng.chance(loss)
    }

    fn view(&self, id: FlowId, flow: &Flow) -> FlowView {
        let [a, b] = &flow.ends;
        let region =
            |host: HostId| self.hosts.get(host.0 as usize).map_or(super::Region::Europe, |host| host.region);
        FlowView {
            flow: id,
            client: flow.client,
            server: flow.server,
            client_region: region(a.host),
            server_region: region(b.host),
            opened_at: flow.opened_at,
            seen: flow.seen,
            now: self.now,
        }
    }

    fn tap(&mut self, id: FlowId, flow: &Flow, side: Side, bytes: &[u8], again: bool) {
        self.counts.segments += 1;
        self.counts.bytes += bytes.len() as u64;
        let [client, server] = &flow.ends;
        let from = if side == Side::Client { client.host } else { server.host };
        let segment = Segment {
            at: self.now,
            flow: id,
            side,
            from,
            client: flow.client,
            server: flow.server,
            bytes,
            again,
        };
        for tap in &mut self.taps {
            tap.segment(&segment);
        }
    }
}
