//! Doors and the links to them: dialling, the hello, heartbeats, and the relays that doors tell of.

pub(crate) mod health;
mod moved;
mod tested;
mod thrift;
mod ways;

use super::cx::{Alarm, Cx, Signal};
use super::near::Near;
use super::pace::Stamp;
use crate::core::{DoorId, Key, LinkId, LinkInfo, Mono, Op, Output, Reason, Space, Target, Value};
use crate::descriptor::{Descriptor, Door, flags};
use crate::ids::{Locator, RelayId, SlotId};
use crate::link::{Frame, Hello, Kind};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Links kept at once (DESIGN §2).
const LINKS_MAX: usize = 3;
/// The same where bytes are dear: two, so that one stands in for the other and no relay has to be door and mailbox at once.
const LINKS_LOW: usize = 2;
/// Doors kept.
const DOORS_MAX: usize = 16;
/// Relays remembered.
const RELAYS_MAX: usize = 256;
/// Who knows so many relays chooses among them, and hears of a few others with each new link; who knows fewer is told of more by each door.
const RELAYS_ENOUGH: usize = 32;
const RELAYS_NEWS: u8 = 2;
const RELAYS_ASKED: u8 = 16;
/// A door must answer the hello within this time at least, milliseconds; a line that is known to be slow gets more.
const WELCOME_MS: u64 = 10_000;
/// A door that says other things but does not answer a heartbeat within this time is given up, milliseconds.
const ECHO_MAX_MS: u64 = 300_000;
/// Shortest pause between heartbeats of an idle link, milliseconds; the longest is 9 minutes (DESIGN N1).
const HEARTBEAT_MS: u64 = 240_000;
/// The same through a web door, besides up to 5 minutes.
const NARROW_BEAT_MS: u64 = 20 * 60_000;
/// First and longest pause before a door is dialled again, milliseconds.
const REDIAL_MS: (u64, u64) = (250, 60_000);

/// A relay that has told nothing of itself for this long is gone, seconds: it does so each week.
const STALE_S: u64 = 21 * 86_400;

#[derive(Debug)]
struct DoorState {
    door: Door,
    link: Option<LinkId>,
    dialling: bool,
    failures: u32,
    /// Where its relay says that it is, if that is another address.
    elsewhere: Option<moved::Elsewhere>,
}

#[derive(Debug)]
struct LinkState {
    door: u32,
    relay: RelayId,
    welcomed: bool,
    heard: Mono,
    /// The hello or heartbeat that nothing has answered yet.
    probe: Option<Stamp>,
}

/// All doors, links and known relays.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    doors: BTreeMap<u32, DoorState>,
    links: BTreeMap<LinkId, LinkState>,
    relays: BTreeMap<RelayId, Descriptor>,
    /// A door has told which relays it knows.
    told: bool,
    /// When doors without a link were last dialled because somebody asked.
    tested: Option<Mono>,
    /// Puts relays into an order of this start's own.
    salt: [u8; 32],
    near: Near,
    /// Links are there to be looked at only.
    looking: bool,
}

impl Doors {
    /// Takes a stored door; a damaged record is passed over and counted.
    pub(crate) fn load(&mut self, key: Key, value: &Value, cx: &mut Cx<'_>) {
        match core::str::from_utf8(value).ok().and_then(|text| Door::from_text(text).ok()) {
            Some(door) => {
                self.doors.insert(
                    key.seq as u32,
                    DoorState { door, link: None, dialling: false, failures: 0, elsewhere: None },
                );
            }
            None => cx.fault(),
        }
    }

    /// Takes a stored relay descriptor.
    pub(crate) fn load_relay(&mut self, value: &Value, cx: &mut Cx<'_>) {
        match Descriptor::verify(value) {
            Ok(descriptor) => {
                self.relays.insert(descriptor.relay(), descriptor);
            }
            Err(_) => cx.fault(),
        }
    }

    /// Adds a door, or replaces the one to the same relay. `false` if there are too many.
    pub(crate) fn add(&mut self, door: &Door, cx: &mut Cx<'_>) -> bool {
        let known = self.doors.iter().find(|(_, state)| state.door.relay == door.relay).map(|(id, _)| *id);
        if known.is_none() && self.doors.len() >= DOORS_MAX {
            return false;
        }
        let id = known.unwrap_or_else(|| self.doors.last_key_value().map_or(1, |(id, _)| id + 1));
        cx.write(Op::Put(
            Key::single(Space::Door, u64::from(id)),
            Zeroizing::new(door.to_text().as_bytes().to_vec()),
        ));
        let entry = self.doors.entry(id).or_insert_with(|| DoorState {
            door: door.clone(),
            link: None,
            dialling: false,
            failures: 0,
            elsewhere: None,
        });
        entry.door = door.clone();
        entry.failures = 0;
        entry.elsewhere = None;
        self.dial(cx);
        true
    }

    /// Whether a door to this relay is known.
    pub(crate) fn has(&self, relay: RelayId) -> bool {
        self.doors.values().any(|state| state.door.relay == relay)
    }

    /// Forgets the door to `relay`; `false` if there is none.
    pub(crate) fn remove(&mut self, relay: RelayId, cx: &mut Cx<'_>) -> bool {
        let Some(id) = self.doors.iter().find(|(_, state)| state.door.relay == relay).map(|(id, _)| *id)
        else {
            return false;
        };
        if let Some(link) = self.doors.remove(&id).and_then(|state| state.link) {
            cx.fx.at_once(Output::Disconnect(link, Reason::Idle));
        }
        cx.write(Op::Remove(Key::single(Space::Door, u64::from(id))));
        true
    }

    /// All doors, with whether each is linked.
    pub(crate) fn list(&self) -> Vec<(Door, bool)> {
        self.doors.values().map(|state| (state.door.clone(), state.link.is_some())).collect()
    }

    /// Links that were welcomed and may be used.
    fn up(&self) -> impl Iterator<Item = (&LinkId, &LinkState)> {
        self.links.iter().filter(|(_, state)| state.welcomed && !self.looking)
    }

    /// Number of links that were welcomed.
    pub(crate) fn links_up(&self) -> u32 {
        self.up().count() as u32
    }

    /// Dials doors until enough links are up or under way.
    pub(crate) fn dial(&mut self, cx: &mut Cx<'_>) {
        let mut busy = self.doors.values().filter(|state| state.dialling || state.link.is_some()).count();
        // Doors that failed least come first.
        let mut idle: Vec<_> = self
            .doors
            .iter()
            .filter(|(_, state)| !state.dialling && state.link.is_none() && state.failures == 0)
            .map(|(id, _)| *id)
            .collect();
        idle.sort_unstable();
        for id in idle {
            if busy >= links_max(cx) {
                break;
            }
            if let Some(state) = self.doors.get_mut(&id) {
                busy += 1;
                connect(id, state, cx);
            }
        }
    }

    /// Dials a door whose pause is over.
    pub(crate) fn on_dial(&mut self, id: u32, cx: &mut Cx<'_>) {
        let busy = self.doors.values().filter(|state| state.dialling || state.link.is_some()).count();
        self.find_elsewhere(id);
        if let Some(state) = self.doors.get_mut(&id).filter(|state| !state.dialling && state.link.is_none()) {
            if busy < links_max(cx) {
                connect(id, state, cx);
            } else {
                cx.alarm_in(Alarm::Dial(id), REDIAL_MS.1);
            }
        } else if busy > links_max(cx)
            && let Some(link) = self.doors.get(&id).and_then(|state| state.link)
        {
            // It was opened to be tested.
            cx.fx.at_once(Output::Disconnect(link, Reason::Idle));
        }
    }

    fn failed(&mut self, id: u32, reason: Reason, cx: &mut Cx<'_>) {
        let Some(state) = self.doors.get_mut(&id) else { return };
        state.dialling = false;
        state.failures = state.failures.saturating_add(1);
        // A refused slot or a foreign version will not mend itself in seconds.
        let first = if matches!(reason, Reason::BadSlot | Reason::Version | Reason::WrongPeer) {
            15_000
        } else {
            REDIAL_MS.0
        };
        let pause = first.saturating_mul(1 << state.failures.min(10).saturating_sub(1)).min(REDIAL_MS.1);
        let pause = cx.jitter(pause);
        cx.alarm_in(Alarm::Dial(id), pause);
        self.look_for(id, cx);
        // Another door may stand in meanwhile.
        self.dial(cx);
    }

    /// A door could not be reached.
    pub(crate) fn on_connect_failed(&mut self, door: DoorId, reason: Reason, cx: &mut Cx<'_>) {
        self.failed(door.0, reason, cx);
    }

    /// A link to a door is up: say hello.
    pub(crate) fn on_link_up(&mut self, link: LinkId, info: &LinkInfo, cx: &mut Cx<'_>) {
        let LinkInfo::Door { door, local_key, remote_key } = info else {
            cx.fx.at_once(Output::Disconnect(link, Reason::Protocol));
            return;
        };
        let wanted = |state: &&mut DoorState| state.link.is_none() && !cx.spending.is_spent();
        if cx.spending.is_spent()
            && let Some(state) = self.doors.get_mut(&door.0)
        {
            state.dialling = false;
        }
        let Some(state) = self.doors.get_mut(&door.0).filter(wanted) else {
            cx.fx.at_once(Output::Disconnect(link, Reason::Idle));
            return;
        };
        if RelayId::of(remote_key) != state.door.relay {
            cx.fx.at_once(Output::Disconnect(link, Reason::WrongPeer));
            return;
        }
        state.dialling = false;
        state.link = Some(link);
        let hello = Hello::new(&state.door, local_key, remote_key);
        let relay = state.door.relay;
        cx.paces.begin(link, state.door.addr.is_web());
        if self.salt == [0; 32] {
            cx.rng.fill_bytes(&mut self.salt);
        }
        send(link, Frame::new(Kind::Hello, 0, hello.encode()), cx);
        let probe = Some(cx.paces.await_answer(link, cx.now.mono));
        let entry = LinkState { door: door.0, relay, welcomed: false, heard: cx.now.mono, probe };
        self.links.insert(link, entry);
        cx.alarm_in(Alarm::Link(link), WELCOME_MS);
    }

    /// A link is down. Returns whether it was one of these.
    pub(crate) fn on_link_down(&mut self, link: LinkId, reason: Reason, cx: &mut Cx<'_>) -> bool {
        let Some(gone) = self.links.remove(&link) else { return false };
        cx.timers.cancel(Alarm::Link(link));
        cx.paces.forget(link);
        if let Some(state) = self.doors.get_mut(&gone.door) {
            state.link = None;
            if gone.welcomed {
                state.failures = 0;
            }
        }
        self.failed(gone.door, reason, cx);
        cx.signal(Signal::NetworkChanged);
        true
    }

    /// A link's alarm: no welcome, or time for a heartbeat.
    pub(crate) fn on_link_alarm(&mut self, link: LinkId, cx: &mut Cx<'_>) {
        let Some(state) = self.links.get_mut(&link) else { return };
        let least = least_silence_ms(link, cx);
        let Some(asked) = state.probe else {
            // Whatever came meanwhile kept the link alive.
            let silent_ms = cx.now.mono.0.saturating_sub(state.heard.0) / 1_000;
            if silent_ms < least {
                beat(link, silent_ms, cx);
            } else {
                cx.signal(Signal::Quiet(link));
            }
            return;
        };
        let (least, reason) =
            if state.welcomed { (0, Reason::Lost) } else { (WELCOME_MS, Reason::Unreachable) };
        let patience = cx.paces.death_ms(link).max(least);
        let end = state.heard.max(asked.at).after_ms(patience).min(asked.at.after_ms(ECHO_MAX_MS));
        if cx.now.mono >= end {
            cx.fx.at_once(Output::Disconnect(link, reason));
        } else {
            cx.timers.set(Alarm::Link(link), end);
        }
    }

    /// A link is asked whether it is there: by itself, or (`carried`) by a question to a relay behind it.
    pub(crate) fn on_quiet(&mut self, link: LinkId, carried: bool, cx: &mut Cx<'_>) {
        if carried {
            beat(link, 0, cx);
        } else {
            self.suspect(link, cx);
        }
    }

    /// An answer over this link is overdue: find out whether the link is dead.
    pub(crate) fn suspect(&mut self, link: LinkId, cx: &mut Cx<'_>) {
        if let Some(state) = self.links.get_mut(&link).filter(|state| state.probe.is_none()) {
            probe(link, state, cx);
        }
    }

    /// Something came over a link. Returns `false` for a link that is not known or not yet welcomed and says anything but welcome.
    pub(crate) fn heard(&mut self, link: LinkId, frame: &Frame, cx: &mut Cx<'_>) -> bool {
        let Some(state) = self.links.get_mut(&link) else { return false };
        state.heard = cx.now.mono;
        if !state.welcomed && frame.kind != Kind::Welcome {
            cx.fault();
            cx.fx.at_once(Output::Disconnect(link, Reason::Protocol));
            return false;
        }
        true
    }

    /// A frame that belongs to the link itself.
    pub(crate) fn on_frame(&mut self, link: LinkId, frame: &Frame, cx: &mut Cx<'_>) {
        match frame.kind {
            Kind::Welcome => self.on_welcome(link, &frame.payload, cx),
            Kind::Descriptor if frame.payload.is_empty() => {
                // The end of a list says nothing new once one was heard: what waits for a relay must not ask again because of it.
                if !core::mem::replace(&mut self.told, true) {
                    cx.signal(Signal::NetworkChanged);
                }
            }
            Kind::Descriptor => {
                if self.learn(&frame.payload, cx).is_none() {
                    cx.fault();
                }
            }
            Kind::Near => self.on_near(link, &frame.payload, cx),
            Kind::SlotAck => {
                if let Some((slot, [status])) = frame.payload.split_first_chunk::<8>() {
                    let relay = self.links.get(&link).map(|state| state.relay);
                    let answer = relay.map(|relay| Signal::SlotAck(relay, SlotId(*slot), *status == 0));
                    answer.into_iter().for_each(|answer| cx.signal(answer));
                }
            }
            Kind::Heartbeat => self.on_echo(link, cx),
            _ => {
                cx.fault();
                cx.fx.at_once(Output::Disconnect(link, Reason::Protocol));
            }
        }
    }

    /// The answer to a heartbeat: all that was sent before it has arrived.
    fn on_echo(&mut self, link: LinkId, cx: &mut Cx<'_>) {
        let Some(probe) = self.links.get_mut(&link).and_then(|state| state.probe.take()) else { return };
        cx.paces.answered(link, probe, cx.now.mono);
        beat(link, 0, cx);
        cx.signal(Signal::Echo(link, probe));
    }

    fn on_welcome(&mut self, link: LinkId, descriptor: &[u8], cx: &mut Cx<'_>) {
        let relay = self.learn(descriptor, cx);
        let Some(state) = self.links.get_mut(&link) else { return };
        if relay != Some(state.relay) {
            cx.fault();
            cx.fx.at_once(Output::Disconnect(link, Reason::Protocol));
            return;
        }
        state.welcomed = true;
        let (door, hello) = (state.door, state.probe.take());
        if let Some(hello) = hello {
            cx.paces.answered(link, hello, cx.now.mono);
        }
        if let Some(door) = self.doors.get_mut(&door) {
            door.failures = 0;
        }
        self.settle(door, cx);
        if self.links.len() > links_max(cx) {
            cx.alarm_in(Alarm::Dial(door), tested::SPARE_MS);
        } else {
            cx.timers.cancel(Alarm::Dial(door));
        }
        beat(link, 0, cx);
        if self.looking {
            return;
        }
        let most = if self.relays.len() < RELAYS_ENOUGH { RELAYS_ASKED } else { RELAYS_NEWS };
        send(link, Frame::new(Kind::DirectoryAsk, 0, vec![most]), cx);
        self.look_for_all(cx);
        cx.signal(Signal::NetworkChanged);
    }

    /// Verifies and keeps a descriptor; returns its relay if it is good.
    fn learn(&mut self, bytes: &[u8], cx: &mut Cx<'_>) -> Option<RelayId> {
        let descriptor = Descriptor::verify(bytes).ok()?;
        let relay = descriptor.relay();
        let newer = self.relays.get(&relay).is_none_or(|held| held.seq < descriptor.seq);
        if newer && self.relays.len() >= RELAYS_MAX && self.near.names(relay) {
            self.make_room(cx);
        }
        if newer && (self.relays.len() < RELAYS_MAX || self.relays.contains_key(&relay)) {
            cx.write(Op::Put(Key::of(Space::Descriptor, relay.0, 0), Zeroizing::new(bytes.to_vec())));
            self.relays.insert(relay, descriptor);
            cx.signal(Signal::NetworkChanged);
        }
        Some(relay)
    }

    /// Forgets the relay that told of itself longest ago and is no door.
    fn make_room(&mut self, cx: &mut Cx<'_>) {
        let others = self.relays.iter().filter(|(relay, _)| !self.has(**relay) && !self.near.names(**relay));
        let oldest = others.min_by_key(|(_, descriptor)| descriptor.seq).map(|(relay, _)| *relay);
        if let Some(oldest) = oldest {
            self.relays.remove(&oldest);
            cx.write(Op::Remove(Key::of(Space::Descriptor, oldest.0, 0)));
        }
    }

    /// Asks all doors for relays, or for one relay.
    pub(crate) fn ask_directory(&self, relay: Option<RelayId>, cx: &mut Cx<'_>) {
        for (link, _) in self.up() {
            let payload = relay.map_or_else(Vec::new, |relay| relay.0.to_vec());
            send(*link, Frame::new(Kind::DirectoryAsk, 0, payload), cx);
        }
    }

    /// The descriptor of a relay, if known.
    pub(crate) fn relay(&self, relay: RelayId) -> Option<&Descriptor> {
        self.relays.get(&relay)
    }

    /// The time by the relays' clocks, Unix seconds, at most a week behind: descriptors are signed with it. `None` before one is known. A
    /// relay that lies can only make it later, and relays cut every expiry that is too far ahead.
    pub(crate) fn relays_time_s(&self) -> Option<u64> {
        self.relays.values().map(|relay| relay.seq).max()
    }

    /// Relays that keep mailboxes: those that are not nearly full by their own word first, then those that are no door of this leaf, else in an order that differs from leaf to leaf, so that not
    /// everybody's mailboxes lie at the same three. None before a door has told of others than itself.
    pub(crate) fn mailbox_relays(&self) -> Vec<RelayId> {
        if !self.told {
            return Vec::new();
        }
        let place = |relay: &RelayId| *blake3::keyed_hash(&self.salt, &relay.0).as_bytes();
        let mut out: Vec<_> = self
            .relays
            .iter()
            .filter(|(_, descriptor)| descriptor.flags & flags::MAILBOX != 0)
            .map(|(relay, descriptor)| {
                let full = descriptor.health.is_some_and(|health| health.is_nearly_full());
                (full, self.has(*relay), place(relay), *relay)
            })
            .collect();
        out.sort_unstable();
        out.into_iter().map(|(.., relay)| relay).collect()
    }

    /// Relays that carry shards: not own doors while there are two others.
    pub(crate) fn carriers(&self) -> Vec<RelayId> {
        let all = self.mailbox_relays();
        let others: Vec<_> = all.iter().copied().filter(|relay| !self.has(*relay)).collect();
        if others.len() >= 2 { others } else { all }
    }

    /// The relays nearest to a locator as far as is known or was told, the nearest first: where bundles and beacons lie (DESIGN P4, D2).
    /// None before a door has told of others than itself.
    pub(crate) fn nearest(&self, locator: &Locator) -> Vec<RelayId> {
        if !self.told {
            return Vec::new();
        }
        let now_s = self.relays_time_s().unwrap_or_default();
        let keeps = |descriptor: &Descriptor| {
            descriptor.flags & flags::MAILBOX != 0 && descriptor.seq.saturating_add(STALE_S) > now_s
        };
        let known = self.relays.iter().filter(|(_, descriptor)| keeps(descriptor));
        self.near.of(locator, known.map(|(relay, _)| *relay))
    }

    /// Asks all doors for the relays nearest to a locator; what they tell counts in [`Doors::nearest`] from then on.
    pub(crate) fn seek(&mut self, locator: &Locator, cx: &mut Cx<'_>) {
        let up: Vec<LinkId> = self.up().map(|(link, _)| *link).collect();
        self.near.ask(up.into_iter(), locator, cx);
    }

    fn on_near(&mut self, link: LinkId, payload: &[u8], cx: &mut Cx<'_>) {
        let Some(relay) = self.links.get(&link).map(|state| state.relay) else { return };
        match self.near.on_told(relay, payload) {
            Some(true) => cx.signal(Signal::NetworkChanged),
            Some(false) => {}
            None => cx.fault(),
        }
    }

    /// A linked door that can hold guest slots, with its link: one that is reached without a transport if there is one, because no
    /// invitation says how to go by it.
    pub(crate) fn host(&self) -> Option<(&Door, LinkId)> {
        let doors = self.up().filter_map(|(link, state)| Some((&self.doors.get(&state.door)?.door, *link)));
        doors.min_by_key(|(door, link)| (door.pt.is_some(), *link))
    }

    /// Linked doors, the one of [`Doors::host`] first; of those behind a transport no other one.
    pub(crate) fn hosts(&self) -> Vec<&Door> {
        let first = self.host().map(|(door, _)| door.relay);
        let mut all: Vec<&Door> = self
            .doors
            .values()
            .filter(|state| {
                state.link.and_then(|link| self.links.get(&link)).is_some_and(|link| link.welcomed)
            })
            .map(|state| &state.door)
            .filter(|door| door.pt.is_none() || Some(door.relay) == first)
            .collect();
        all.sort_by_key(|door| Some(door.relay) != first);
        all
    }

    /// Any door, linked or not: where an invitation can point to.
    pub(crate) fn any(&self) -> Option<&Door> {
        let held = || self.doors.values().map(|state| &state.door);
        self.host().map(|(door, _)| door).or_else(|| held().min_by_key(|door| door.pt.is_some()))
    }

    /// The link to the door of `relay`, if it is up.
    pub(crate) fn link_of(&self, relay: RelayId) -> Option<LinkId> {
        self.up().find(|(_, state)| state.relay == relay).map(|(link, _)| *link)
    }
}

/// Links kept at once.
fn links_max(cx: &Cx<'_>) -> usize {
    if cx.spending.is_low() { LINKS_LOW } else { LINKS_MAX }
}

/// How long a link is silent at least before it is asked whether it is there, milliseconds. The session below keeps a web door's way open by
/// itself, for a fourth of the bytes; a relay waits 30 minutes for a sign of life.
fn least_silence_ms(link: LinkId, cx: &Cx<'_>) -> u64 {
    if cx.paces.is_narrow(link) { NARROW_BEAT_MS } else { HEARTBEAT_MS }
}

/// Sets when a link that has been silent for `silent_ms` is asked next whether it is there.
fn beat(link: LinkId, silent_ms: u64, cx: &mut Cx<'_>) {
    let pause = least_silence_ms(link, cx) + cx.jitter(HEARTBEAT_MS);
    cx.alarm_in(Alarm::Link(link), pause.saturating_sub(silent_ms));
}

/// Asks a door whether it is there.
fn probe(link: LinkId, state: &mut LinkState, cx: &mut Cx<'_>) {
    send(link, Frame::new(Kind::Heartbeat, 0, Vec::new()), cx);
    state.probe = Some(cx.paces.await_answer(link, cx.now.mono));
    let patience = cx.paces.death_ms(link);
    cx.alarm_in(Alarm::Link(link), patience);
}

fn connect(id: u32, state: &mut DoorState, cx: &mut Cx<'_>) {
    if cx.spending.is_spent() {
        // Dialled anew when there are bytes again.
        return;
    }
    state.dialling = true;
    cx.fx.at_once(Output::Connect(Target::Door {
        door: DoorId(id),
        relay: state.door.relay,
        addr: state.way(),
        key: state.door.slot_key(),
        pt: state.door.pt.clone(),
    }));
}

/// Sends a frame; it leaves once everything written before it is durable.
pub(crate) fn send(link: LinkId, frame: Frame, cx: &mut Cx<'_>) {
    let bytes = Frame::size(frame.size_class()).unwrap_or_default();
    cx.paces.sent(link, bytes);
    cx.spending.sent(bytes);
    cx.fx.after_stored(Output::Send { link, frame });
}
