//! Tunnels to relays: one for each purpose and relay, with a window of requests, deadlines and an end for each of them (DESIGN §2).

use super::api::ContactId;
use super::cx::{Alarm, Ask, Cx, Signal, Token};
use super::doors::{Doors, send};
use super::group_api::GroupNumber;
use crate::core::{LinkId, Mono};
use crate::ids::RelayId;
use crate::limits::{TUNNEL_WINDOW, TUNNELS_PER_LEAF};
use crate::link::{CloseCode, Frame, Kind, open_payload};
use crate::rpc::{Refusal, Reply, Request};
use crate::tunnel::{Initiator, Tunnel};
use ed25519_dalek::{Signer as _, SigningKey};
use std::collections::{BTreeMap, VecDeque};

/// A request without an answer for so long has failed, milliseconds.
const ANSWER_MS: u64 = 10_000;
/// A tunnel that nobody uses is closed after this time, milliseconds; mailbox tunnels stay.
const IDLE_MS: u64 = 60_000;
/// No tunnel lives longer, milliseconds (DESIGN §2).
const AGE_MS: u64 = 600_000;
/// Requests that may wait for a tunnel.
const QUEUE_MAX: usize = 256;
/// Context that a mailbox signature covers besides the tunnel's hash.
const ATTACH_LABEL: &[u8] = b"karvon/attach";

/// What a tunnel is for: requests of different purposes never share one, so that a relay can not tell they come from one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// An own mailbox.
    Mailbox(u32),
    /// Deposits for a contact.
    Contact(ContactId),
    /// A lookup for a contact that is being added.
    Lookup(ContactId),
    /// The bundle of an own invitation.
    Invite(u64),
    /// Cells of a group's shard.
    Group(GroupNumber),
    /// Own cells for a group's shard.
    Inject(GroupNumber),
}

impl Lane {
    /// Whether its tunnel is kept while nothing is asked: things come over it by themselves.
    const fn listens(self) -> bool {
        matches!(self, Self::Mailbox(_) | Self::Group(_))
    }
}

/// Why a relay gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RouteError {
    /// No link is up, or none leads there.
    NoPath,
    /// The relay is not known to any door.
    UnknownRelay,
    /// The door could not reach the relay.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The relay or door is busy.
    Busy,
    /// The tunnel broke.
    Broken,
    /// The relay said no.
    Refused(Refusal),
}

impl RouteError {
    /// A word for scripts.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::NoPath => "no_path",
            Self::UnknownRelay => "unknown_relay",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Busy => "busy",
            Self::Broken => "broken",
            Self::Refused(Refusal::Full) => "full",
            Self::Refused(Refusal::UnknownTag | Refusal::UsedTag) => "tag_used",
            Self::Refused(_) => "refused",
        }
    }
}

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
    asked: BTreeMap<u32, (Token, Mono)>,
    next_request: u32,
    born: Mono,
    used: Mono,
}

/// All tunnels of this leaf.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    routes: BTreeMap<u32, Route>,
    by_lane: BTreeMap<(Lane, RelayId), u32>,
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
        let route = Route {
            lane,
            relay,
            link: None,
            phase: Phase::Waiting,
            queue: VecDeque::new(),
            asked: BTreeMap::new(),
            next_request: 1,
            born: cx.now.mono,
            used: cx.now.mono,
        };
        self.routes.insert(self.last, route);
        self.by_lane.insert((lane, relay), self.last);
        cx.alarm_in(Alarm::Tunnel(self.last), ANSWER_MS);
        self.last
    }

    /// More links or relays are known: whatever waits may go on.
    pub(crate) fn on_network(&mut self, doors: &Doors, cx: &mut Cx<'_>) {
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

    fn advance(&mut self, id: u32, doors: &Doors, cx: &mut Cx<'_>) {
        let Some(route) = self.routes.get_mut(&id) else { return };
        if matches!(route.phase, Phase::Waiting) {
            let (Some(descriptor), Some(link)) = (doors.relay(route.relay), doors.link_to(route.relay))
            else {
                if doors.links_up() == 0 {
                    // Without any link nothing will come: the owner tries again when there is one.
                    self.close(id, RouteError::NoPath, None, cx);
                } else {
                    doors.ask_directory(Some(route.relay), cx);
                }
                return;
            };
            // The first request rides in the first message, unless it must sign what only an open tunnel has.
            let first = match route.queue.front() {
                Some((Ask::Plain(_), _)) => route.queue.pop_front(),
                _ => None,
            };
            let bytes = match first {
                Some((Ask::Plain(request), token)) => {
                    let number = route.number(token, cx.now.mono);
                    request.encode(number)
                }
                _ => Vec::new(),
            };
            match Initiator::open(route.relay, &descriptor.onion_key(), &bytes, cx.rng) {
                Ok((initiator, message)) => {
                    route.phase = Phase::Opening(Box::new(initiator));
                    route.link = Some(link);
                    send(link, Frame::new(Kind::Open, id, open_payload(route.relay, &message)), cx);
                }
                Err(_) => self.close(id, RouteError::Broken, None, cx),
            }
            return;
        }
        let (Phase::Open(tunnel), Some(link)) = (&mut route.phase, route.link) else { return };
        let mut broken = false;
        while route.asked.len() < TUNNEL_WINDOW {
            let Some((ask, token)) = route.queue.pop_front() else { break };
            let number = route.next_request;
            route.next_request = route.next_request.wrapping_add(1).max(1);
            route.asked.insert(number, (token, cx.now.mono));
            let request = match ask {
                Ask::Plain(request) => request,
                Ask::Attach(seed, push) => {
                    let key = SigningKey::from_bytes(&seed);
                    let signature = key.sign(&[ATTACH_LABEL, &tunnel.hash()].concat()).to_bytes();
                    Request::Attach { key: key.verifying_key().to_bytes(), signature, push }
                }
            };
            match tunnel.seal(&request.encode(number)) {
                Ok(bytes) => send(link, Frame::new(Kind::Data, id, bytes), cx),
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        cx.alarm_by(Alarm::Tunnel(id), ANSWER_MS);
        if broken {
            self.close(id, RouteError::Broken, Some(CloseCode::Crypto), cx);
        }
    }

    /// A frame of a tunnel.
    pub(crate) fn on_frame(&mut self, link: LinkId, frame: &Frame, doors: &Doors, cx: &mut Cx<'_>) {
        let id = frame.tunnel;
        let Some(route) = self.routes.get_mut(&id).filter(|route| route.link == Some(link)) else {
            // A frame that crossed our close; nothing is wrong.
            return;
        };
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
            (Reply::Notice(prefix), Lane::Mailbox(mailbox)) => cx.signal(Signal::Notice(mailbox, prefix)),
            (Reply::Item { seq, cell }, Lane::Group(group)) => {
                cx.signal(Signal::ShardItem(group, relay, seq, cell));
            }
            (Reply::Item { .. } | Reply::Notice(_), _) => cx.fault(),
            (reply, _) => {
                let Some((token, _)) = route.asked.remove(&number) else {
                    cx.fault();
                    return;
                };
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

    /// A tunnel's alarm. Returns the link of an overdue request: it may be dead.
    pub(crate) fn on_alarm(&mut self, id: u32, cx: &mut Cx<'_>) -> Option<LinkId> {
        let route = self.routes.get(&id)?;
        let since = |at: Mono| cx.now.mono.0.saturating_sub(at.0) / 1_000;
        let oldest = route.asked.values().map(|(_, at)| *at).min();
        let waiting = matches!(route.phase, Phase::Waiting | Phase::Opening(_));
        if oldest.is_some_and(|at| since(at) >= ANSWER_MS) || waiting && since(route.born) >= ANSWER_MS {
            let link = route.link;
            let error = if link.is_none() { RouteError::UnknownRelay } else { RouteError::Timeout };
            self.close(id, error, Some(CloseCode::Done), cx);
            return link;
        }
        let quiet = route.asked.is_empty() && route.queue.is_empty();
        let kept = route.lane.listens();
        if quiet && (since(route.born) >= AGE_MS || !kept && since(route.used) >= IDLE_MS) {
            self.close(id, RouteError::Broken, Some(CloseCode::Done), cx);
            return None;
        }
        let next = match oldest {
            Some(at) => ANSWER_MS.saturating_sub(since(at)),
            None if waiting => ANSWER_MS.saturating_sub(since(route.born)),
            None if kept => AGE_MS.saturating_sub(since(route.born)),
            None => IDLE_MS.saturating_sub(since(route.used)),
        };
        // Not at once again: a request may be waiting for a window that only an answer opens.
        cx.alarm_in(Alarm::Tunnel(id), next.max(50));
        None
    }

    /// Ends a tunnel; all that was asked fails with `error`. The other side is told if `code` is given.
    fn close(&mut self, id: u32, error: RouteError, code: Option<CloseCode>, cx: &mut Cx<'_>) {
        let Some(route) = self.routes.remove(&id) else { return };
        self.by_lane.remove(&(route.lane, route.relay));
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
            _ => {}
        }
    }
}

impl Route {
    fn number(&mut self, token: Token, now: Mono) -> u32 {
        let number = self.next_request;
        self.next_request = self.next_request.wrapping_add(1).max(1);
        self.asked.insert(number, (token, now));
        number
    }
}
