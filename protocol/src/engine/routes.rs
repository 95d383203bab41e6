//! Tunnels to relays: one for each purpose and relay, with a window of requests, deadlines and an end for each of them (DESIGN §2).

mod spread;

use super::cx::{Alarm, Ask, Cx, Signal, Token};
use super::doors::{Doors, send};
pub(crate) use super::lane::{Lane, RouteError};
use super::pace::Stamp;
use crate::cell::Class;
use crate::core::{LinkId, Mono};
use crate::ids::RelayId;
use crate::limits::{TUNNEL_WINDOW, TUNNELS_PER_LEAF, TUNNELS_PER_LINK};
use crate::link::{CloseCode, Frame, Kind, open_payload};
use crate::rpc::{Reply, Request};
use crate::tunnel::{Initiator, Tunnel};
use ed25519_dalek::{Signer as _, SigningKey};
use std::collections::{BTreeMap, VecDeque};

/// A relay that is not known to any door within this time is not looked for any longer, milliseconds.
const UNKNOWN_MS: u64 = 10_000;
/// The doors are asked for a relay that is not known no more often than this, milliseconds.
const SEEK_MS: u64 = 2_000;
/// A door may take this long to reach a relay before it says that it can not, milliseconds.
const REACH_MS: u64 = 10_000;
/// A tunnel that nobody uses is closed after this time, milliseconds; mailbox tunnels stay.
const IDLE_MS: u64 = 60_000;
/// No tunnel over which this person acts lives longer, milliseconds (DESIGN §2).
const AGE_MS: u64 = 600_000;
/// Tunnels over which things come by themselves are renewed after this time at least, milliseconds. To open one anew tells the relay the
/// same mailbox or pseudonym again, so little is gained by it, and every ten minutes it was most of what an idle person cost (SECURITY).
const LISTEN_AGE_MS: u64 = 6 * 3_600_000;
/// A tunnel over which nothing came for so long is asked for a sign of life with the next heartbeat, milliseconds.
const CHECK_MS: u64 = 3_600_000;
/// Requests that may wait for a tunnel.
const QUEUE_MAX: usize = 256;
/// Requests without an answer, over all tunnels of a link, and their bytes: what is asked beyond waits here, where it is bounded by its
/// owners, and never fills the link's own queue, which ends the link when it is full.
const LINK_REQUESTS_MAX: usize = 128;
const LINK_BYTES_MAX: u64 = 1 << 20;
/// Tunnels less than a door takes: some that were closed here may still be open there.
const TUNNELS_CROSSING: usize = 8;
/// A tunnel that waits for room on its link looks again after this time at the latest, milliseconds.
const HELD_MS: u64 = 1_000;
/// Context that a mailbox signature covers besides the tunnel's hash.
const ATTACH_LABEL: &[u8] = b"karvon/attach";

#[derive(Debug)]
enum Phase {
    /// Waits for a descriptor or a link.
    Waiting,
    Opening(Box<Initiator>),
    Open(Tunnel),
}

#[derive(Debug)]
struct Route {
    lane: Lane,
    relay: RelayId,
    link: Option<LinkId>,
    phase: Phase,
    queue: VecDeque<(Ask, Token)>,
    asked: BTreeMap<u32, (Token, Stamp)>,
    /// The frame that opens it, until that is answered.
    opening: Option<Stamp>,
    /// Since when everything that is not answered is known to have reached the door.
    there: Option<Mono>,
    /// When the doors were asked for its relay last.
    sought: Option<Mono>,
    /// When the relay last said something.
    heard: Mono,
    next_request: u32,
    born: Mono,
    /// When it is renewed or closed at the latest; once nothing is under way.
    ends: Mono,
    used: Mono,
}

/// All tunnels of this leaf.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    routes: BTreeMap<u32, Route>,
    by_lane: BTreeMap<(Lane, RelayId), u32>,
    /// Tunnels that wait for room on their link, in order.
    held: VecDeque<u32>,
    last: u32,
}

impl Routes {
    /// Asks a relay; the answer comes back as a signal with `token`, whatever happens.
    pub(crate) fn on_ask(
        &mut self,
        lane: Lane,
        relay: RelayId,
        ask: Ask,
        token: Token,
        doors: &Doors,
        cx: &mut Cx<'_>,
    ) {
        let id = match self.by_lane.get(&(lane, relay)) {
            Some(id) => *id,
            None => self.create(lane, relay, cx),
        };
        let Some(route) = self.routes.get_mut(&id) else { return };
        route.used = cx.now.mono;
        if route.queue.len() >= QUEUE_MAX {
            cx.signal(Signal::Answer(token, relay, Err(RouteError::Busy)));
            return;
        }
        route.queue.push_back((ask, token));
        self.advance(id, doors, cx);
    }

    fn create(&mut self, lane: Lane, relay: RelayId, cx: &mut Cx<'_>) -> u32 {
        // Contacts' tunnels make room for one another; mailbox tunnels are kept.
        let contacts = self.routes.iter().filter(|(_, route)| !route.lane.listens());
        if contacts.clone().count() >= TUNNELS_PER_LEAF {
            let idle = contacts.filter(|(_, route)| route.asked.is_empty() && route.queue.is_empty());
            if let Some(id) = idle.min_by_key(|(_, route)| route.used).map(|(id, _)| *id) {
                self.close(id, RouteError::Broken, Some(CloseCode::Done), cx);
            }
        }
        self.last = self.last.wrapping_add(1).max(1);
        // Not all at the same moment: a door would see which belong together, and their relays as well.
        let age_ms = if lane.listens() { cx.jitter(LISTEN_AGE_MS) } else { AGE_MS };
        let route = Route {
            lane,
            relay,
            link: None,
            phase: Phase::Waiting,
            queue: VecDeque::new(),
            asked: BTreeMap::new(),
            opening: None,
            there: None,
            sought: None,
            heard: cx.now.mono,
            next_request: 1,
            born: cx.now.mono,
            ends: cx.now.mono.after_ms(age_ms),
            used: cx.now.mono,
        };
        self.routes.insert(self.last, route);
        self.by_lane.insert((lane, relay), self.last);
        cx.alarm_in(Alarm::Tunnel(self.last), UNKNOWN_MS);
        self.last
    }

    /// More links or relays are known: whatever waits may go on.
    pub(crate) fn on_network(&mut self, doors: &Doors, cx: &mut Cx<'_>) {
        cx.alarm_by(Alarm::Spread, spread::PAUSE_MS);
        let waiting: Vec<_> = self
            .routes
            .iter()
            .filter(|(_, route)| matches!(route.phase, Phase::Waiting))
            .map(|(id, _)| *id)
            .collect();
        for id in waiting {
            self.advance(id, doors, cx);
        }
    }

    /// How many more requests may go over a link now. A link on which nothing is outstanding always takes one.
    fn room(&self, link: LinkId, cx: &Cx<'_>) -> usize {
        let on_it = self.routes.values().filter(|route| route.link == Some(link));
        let asked: usize = on_it.map(|route| route.asked.len()).sum();
        let full = cx.paces.under_way(link) >= LINK_BYTES_MAX;
        if asked == 0 && full {
            1
        } else if full {
            0
        } else {
            LINK_REQUESTS_MAX.saturating_sub(asked)
        }
    }

    /// Whether one more tunnel may be opened on a link; an idle one makes place for it. A message to many people goes to some of them after
    /// the others instead of being refused by the door.
    fn make_place(&mut self, link: LinkId, cx: &mut Cx<'_>) -> bool {
        let on_it = || self.routes.iter().filter(|(_, route)| route.link == Some(link));
        if on_it().count() < TUNNELS_PER_LINK - TUNNELS_CROSSING {
            return true;
        }
        let idle = on_it()
            .filter(|(_, route)| !route.lane.listens() && route.asked.is_empty() && route.queue.is_empty());
        let Some(id) = idle.min_by_key(|(_, route)| route.used).map(|(id, _)| *id) else { return false };
        self.close(id, RouteError::Broken, Some(CloseCode::Done), cx);
        true
    }

    fn hold(&mut self, id: u32, cx: &mut Cx<'_>) {
        if !self.held.contains(&id) {
            self.held.push_back(id);
        }
        cx.alarm_by(Alarm::Tunnel(id), HELD_MS);
    }

    /// Lets tunnels that wait for room go on, each in its turn.
    pub(crate) fn on_room(&mut self, doors: &Doors, cx: &mut Cx<'_>) {
        for _ in 0..self.held.len() {
            let Some(id) = self.held.pop_front() else { return };
            self.advance(id, doors, cx);
        }
    }

    fn advance(&mut self, id: u32, doors: &Doors, cx: &mut Cx<'_>) {
        let room = match self.routes.get(&id).and_then(|route| route.link) {
            Some(link) => self.room(link, cx),
            None => 0,
        };
        let Some(route) = self.routes.get_mut(&id) else { return };
        if matches!(route.phase, Phase::Waiting) {
            let (lane, relay) = (route.lane, route.relay);
            let (Some(descriptor), Some(link)) = (
                doors.relay(relay),
                doors.link_to(relay, self.load(lane, cx).as_ref(), cx.paces, cx.now.mono),
            ) else {
                let Some(route) = self.routes.get_mut(&id) else { return };
                if doors.links_up() == 0 {
                    // Without any link nothing will come: the owner tries again when there is one.
                    self.close(id, RouteError::NoPath, None, cx);
                } else if route.sought.is_none_or(|at| cx.now.mono >= at.after_ms(SEEK_MS)) {
                    route.sought = Some(cx.now.mono);
                    doors.ask_directory(Some(route.relay), cx);
                }
                return;
            };
            if self.room(link, cx) == 0 || !self.make_place(link, cx) {
                self.hold(id, cx);
                return;
            }
            let Some(route) = self.routes.get_mut(&id) else { return };
            // The first request rides in the first message, unless it must sign what only an open tunnel has, or would not fit the frame.
            let first = match route.queue.front() {
                Some((Ask::Plain(Request::Knock { .. }), _)) => None,
                Some((Ask::Plain(_), _)) => route.queue.pop_front(),
                _ => None,
            };
            let number = route.number();
            let (bytes, token) = match first {
                Some((Ask::Plain(request), token)) => (request.encode(number), Some(token)),
                _ => (Vec::new(), None),
            };
            let opened = Initiator::open(route.relay, &descriptor.onion_key(), &bytes, cx.rng);
            let sent = opened.map(|(initiator, message)| {
                route.phase = Phase::Opening(Box::new(initiator));
                route.link = Some(link);
                send(link, Frame::new(Kind::Open, id, open_payload(route.relay, &message)), cx);
            });
            let stamp = cx.paces.await_answer(link, cx.now.mono);
            route.opening = Some(stamp);
            route.asked.extend(token.map(|token| (number, (token, stamp))));
            if sent.is_err() {
                self.close(id, RouteError::Broken, None, cx);
            } else {
                let doubt = cx.paces.doubt_ms(link);
                cx.alarm_in(Alarm::Tunnel(id), doubt);
            }
            return;
        }
        let (Phase::Open(tunnel), Some(link)) = (&mut route.phase, route.link) else { return };
        let mut broken = false;
        let mut left = room;
        while route.asked.len() < TUNNEL_WINDOW && left > 0 {
            left -= 1;
            let Some((ask, token)) = route.queue.pop_front() else { break };
            let number = route.next_request;
            route.next_request = number.wrapping_add(1).max(1);
            let request = match ask {
                Ask::Plain(request) => request,
                Ask::Attach(seed, push) => {
                    let key = SigningKey::from_bytes(&seed);
                    let signature = key.sign(&[ATTACH_LABEL, &tunnel.hash()].concat()).to_bytes();
                    Request::Attach { key: key.verifying_key().to_bytes(), signature, push }
                }
            };
            let sealed = tunnel.seal(&request.encode(number));
            broken = sealed.is_err();
            if let Ok(bytes) = sealed {
                send(link, Frame::new(Kind::Data, id, bytes), cx);
            }
            route.asked.insert(number, (token, cx.paces.await_answer(link, cx.now.mono)));
            if broken {
                break;
            }
            if cx.paces.under_way(link) >= LINK_BYTES_MAX {
                left = 0;
            }
        }
        let held = left == 0 && !route.queue.is_empty() && route.asked.len() < TUNNEL_WINDOW;
        let doubt = cx.paces.doubt_ms(link);
        cx.alarm_by(Alarm::Tunnel(id), doubt);
        if broken {
            self.close(id, RouteError::Broken, Some(CloseCode::Crypto), cx);
        } else if held {
            self.hold(id, cx);
        }
    }

    /// A frame of a tunnel.
    pub(crate) fn on_frame(&mut self, link: LinkId, frame: &Frame, doors: &Doors, cx: &mut Cx<'_>) {
        let id = frame.tunnel;
        let Some(route) = self.routes.get_mut(&id).filter(|route| route.link == Some(link)) else {
            // A frame that crossed our close; nothing is wrong.
            return;
        };
        (route.heard, route.there) = (cx.now.mono, None);
        cx.paces.tunnel_spoke(link);
        if let Some(opening) = route.opening.take() {
            cx.paces.answered(link, opening, cx.now.mono);
        }
        match frame.kind {
            Kind::Opened => {
                let Phase::Opening(initiator) = core::mem::replace(&mut route.phase, Phase::Waiting) else {
                    cx.fault();
                    self.close(id, RouteError::Broken, Some(CloseCode::Protocol), cx);
                    return;
                };
                match initiator.finish(&frame.payload) {
                    Ok((tunnel, payload)) => {
                        route.phase = Phase::Open(tunnel);
                        if !payload.is_empty() {
                            self.on_message(id, &payload, cx);
                        }
                    }
                    Err(_) => {
                        cx.fault();
                        self.close(id, RouteError::Broken, Some(CloseCode::Crypto), cx);
                        return;
                    }
                }
            }
            Kind::Data => {
                let opened = match &mut route.phase {
                    Phase::Open(tunnel) => tunnel.open(&frame.payload).ok(),
                    _ => None,
                };
                match opened {
                    Some(message) => self.on_message(id, &message, cx),
                    None => {
                        cx.fault();
                        self.close(id, RouteError::Broken, Some(CloseCode::Crypto), cx);
                        return;
                    }
                }
            }
            _ => {
                let code =
                    frame.payload.first().map_or(CloseCode::Protocol, |code| CloseCode::from_number(*code));
                let error = match code {
                    CloseCode::Unreachable => RouteError::Unreachable,
                    CloseCode::UnknownRelay => RouteError::UnknownRelay,
                    CloseCode::Busy => RouteError::Busy,
                    CloseCode::Done | CloseCode::Crypto | CloseCode::Protocol => RouteError::Broken,
                };
                if matches!(code, CloseCode::Unreachable | CloseCode::UnknownRelay) {
                    cx.paces.no_way(link, route.relay, cx.now.mono);
                }
                if code == CloseCode::Crypto {
                    // The onion key may have changed.
                    doors.ask_directory(Some(route.relay), cx);
                }
                self.close(id, error, None, cx);
                return;
            }
        }
        self.advance(id, doors, cx);
    }

    fn on_message(&mut self, id: u32, message: &[u8], cx: &mut Cx<'_>) {
        let Some(route) = self.routes.get_mut(&id) else { return };
        route.used = cx.now.mono;
        let relay = route.relay;
        let Ok((number, reply)) = Reply::decode(message) else {
            cx.fault();
            self.close(id, RouteError::Broken, Some(CloseCode::Protocol), cx);
            return;
        };
        match (reply, route.lane) {
            // Items and notices come unasked, or many for one fetch.
            (Reply::Item { cell, .. }, Lane::Mailbox(mailbox)) => cx.signal(Signal::Item(mailbox, cell)),
            (Reply::Notice(prefix, class), Lane::Mailbox(mailbox)) => {
                cx.signal(Signal::Notice(mailbox, prefix, class));
            }
            (Reply::Piece { prefix, index, bytes }, Lane::Mailbox(mailbox)) => {
                cx.signal(Signal::Piece(mailbox, (prefix, index), bytes));
            }
            (Reply::Item { seq, cell }, Lane::Group(group)) => {
                cx.signal(Signal::ShardItem(group, relay, seq, cell));
            }
            (Reply::Item { seq, cell }, Lane::Channel(channel)) => {
                cx.signal(Signal::ChannelItem(channel, relay, seq, cell, false));
            }
            (Reply::Item { seq, cell }, Lane::Look(channel)) => {
                cx.signal(Signal::ChannelItem(channel, relay, seq, cell, true));
            }
            (Reply::Item { .. } | Reply::Notice(..) | Reply::Piece { .. }, _) => cx.fault(),
            (reply, _) => {
                let Some((token, stamp)) = route.asked.remove(&number) else {
                    cx.fault();
                    return;
                };
                if let Some(link) = route.link {
                    cx.paces.answered(link, stamp, cx.now.mono);
                }
                let answer = match reply {
                    Reply::Refused(code) => Err(RouteError::Refused(code)),
                    reply => Ok(reply),
                };
                cx.signal(Signal::Answer(token, relay, answer));
            }
        }
    }

    /// A link is down: its tunnels are, too.
    pub(crate) fn on_link_down(&mut self, link: LinkId, cx: &mut Cx<'_>) {
        let lost: Vec<_> =
            self.routes.iter().filter(|(_, route)| route.link == Some(link)).map(|(id, _)| *id).collect();
        for id in lost {
            self.close(id, RouteError::NoPath, None, cx);
        }
    }

    /// The door answered a heartbeat: what was sent before it has reached the door. A relay that is silent although the door had its
    /// question for long enough does not answer at all.
    pub(crate) fn on_echo(&mut self, link: LinkId, probe: Stamp, cx: &mut Cx<'_>) {
        let doubt = cx.paces.doubt_ms(link);
        let mut silent = Vec::new();
        for (id, route) in self.routes.iter_mut().filter(|(_, route)| route.link == Some(link)) {
            let Some(oldest) = route.oldest() else { continue };
            let enough = if route.opening.is_some() { doubt.max(REACH_MS) } else { doubt };
            match route.there {
                Some(there) if probe.at >= there.after_ms(enough) => silent.push(*id),
                Some(_) => {}
                None if oldest.upto <= probe.upto => {
                    route.there = Some(cx.now.mono);
                    cx.timers.set(Alarm::Tunnel(*id), cx.now.mono.after_ms(doubt));
                }
                None => {}
            }
        }
        for id in silent {
            if let Some(route) = self.routes.get(&id) {
                cx.paces.no_way(link, route.relay, cx.now.mono);
            }
            cx.paces.tunnel_silent(link);
            self.close(id, RouteError::Timeout, Some(CloseCode::Done), cx);
        }
    }

    /// A link was silent for minutes: asks whoever is listened to behind it and was silent longest for a sign of life, and all who were
    /// silent for an hour. That keeps the link alive as a heartbeat would, and shows as well that the door still carries. Returns whether
    /// anybody was asked.
    pub(crate) fn check(&mut self, link: LinkId, doors: &Doors, cx: &mut Cx<'_>) -> bool {
        let listened = self.routes.iter().filter(|(_, route)| {
            let open = route.link == Some(link) && matches!(route.phase, Phase::Open(_));
            open && route.lane.listens() && route.asked.is_empty() && route.queue.is_empty()
        });
        let mut quiet: Vec<_> = listened.map(|(id, route)| (route.heard, *id)).collect();
        quiet.sort_unstable();
        let long = quiet.iter().filter(|(heard, _)| cx.now.mono >= heard.after_ms(CHECK_MS)).count();
        quiet.truncate(long.max(1));
        for (_, id) in &quiet {
            if let Some(route) = self.routes.get_mut(id) {
                // Beyond all that there is: it costs the relay no look at its disk, and any answer will do.
                let nothing = Request::Fetch { from: u64::MAX, bytes_max: 0, whole: Class::S };
                route.queue.push_back((Ask::Plain(nothing), Token::Nobody));
            }
            self.advance(*id, doors, cx);
        }
        !quiet.is_empty()
    }

    /// A tunnel's alarm. Returns the link of an overdue answer: it may be dead.
    pub(crate) fn on_alarm(&mut self, id: u32, cx: &mut Cx<'_>) -> Option<LinkId> {
        let route = self.routes.get(&id)?;
        let since = |at: Mono| cx.now.mono.0.saturating_sub(at.0) / 1_000;
        let Some(link) = route.link else {
            if self.held.contains(&id) {
                cx.alarm_in(Alarm::Tunnel(id), HELD_MS);
                return None;
            }
            // The door is still being asked where this relay is.
            let patience = cx.paces.patience_ms().max(UNKNOWN_MS);
            if since(route.born) >= patience {
                self.close(id, RouteError::UnknownRelay, None, cx);
            } else {
                cx.alarm_in(Alarm::Tunnel(id), patience.saturating_sub(since(route.born)).max(50));
            }
            return None;
        };
        if let Some(oldest) = route.oldest() {
            let doubt = cx.paces.doubt_ms(link);
            let silent = since(route.there.unwrap_or(route.heard.max(oldest.at)));
            if silent >= doubt {
                cx.alarm_in(Alarm::Tunnel(id), doubt);
                return Some(link);
            }
            cx.alarm_in(Alarm::Tunnel(id), doubt - silent);
            return None;
        }
        let quiet = route.asked.is_empty() && route.queue.is_empty();
        let kept = route.lane.listens();
        let left = route.ends.0.saturating_sub(cx.now.mono.0) / 1_000;
        if quiet && (left == 0 || !kept && since(route.used) >= IDLE_MS) {
            self.close(id, RouteError::Broken, Some(CloseCode::Done), cx);
            return None;
        }
        let next = if kept { left } else { IDLE_MS.saturating_sub(since(route.used)) };
        // Not at once again: a request may be waiting for a window that only an answer opens.
        cx.alarm_in(Alarm::Tunnel(id), next.max(50));
        None
    }

    /// Ends a tunnel; all that was asked fails with `error`. The other side is told if `code` is given.
    fn close(&mut self, id: u32, error: RouteError, code: Option<CloseCode>, cx: &mut Cx<'_>) {
        let Some(route) = self.routes.remove(&id) else { return };
        self.by_lane.remove(&(route.lane, route.relay));
        self.held.retain(|held| *held != id);
        cx.timers.cancel(Alarm::Tunnel(id));
        if let (Some(link), Some(code)) = (route.link, code) {
            send(link, Frame::new(Kind::Close, id, vec![code as u8]), cx);
        }
        for (token, _) in route.asked.into_values() {
            cx.signal(Signal::Answer(token, route.relay, Err(error)));
        }
        for (_, token) in route.queue {
            cx.signal(Signal::Answer(token, route.relay, Err(error)));
        }
        match route.lane {
            Lane::Mailbox(mailbox) => cx.signal(Signal::MailboxLost(mailbox)),
            Lane::Group(group) => cx.signal(Signal::FollowLost(group)),
            Lane::Channel(channel) => cx.signal(Signal::ChannelLost(channel)),
            _ => {}
        }
    }

    /// Closes all tunnels for channels.
    pub(crate) fn drop_channels(&mut self, cx: &mut Cx<'_>) {
        let of_channel = |lane: Lane| matches!(lane, Lane::Channel(_) | Lane::Look(_) | Lane::Post(_));
        let held: Vec<_> =
            self.routes.iter().filter(|(_, route)| of_channel(route.lane)).map(|(id, _)| *id).collect();
        for id in held {
            self.close(id, RouteError::NoPath, Some(CloseCode::Done), cx);
        }
    }

    /// Closes the tunnel of a mailbox that is given up.
    pub(crate) fn drop_mailbox(&mut self, mailbox: u32, cx: &mut Cx<'_>) {
        let held = self.routes.iter().find(|(_, route)| route.lane == Lane::Mailbox(mailbox));
        if let Some(id) = held.map(|(id, _)| *id) {
            self.close(id, RouteError::Broken, Some(CloseCode::Done), cx);
        }
    }
}

impl Route {
    fn number(&mut self) -> u32 {
        let number = self.next_request;
        self.next_request = number.wrapping_add(1).max(1);
        number
    }

    /// The first of what is not answered.
    fn oldest(&self) -> Option<Stamp> {
        let asked = self.asked.values().map(|(_, stamp)| *stamp);
        asked.chain(self.opening).min_by_key(|stamp| stamp.upto)
    }
}
