//! Own invitations: a few are always ready and registered, so that one can be given without a network (DESIGN P3, P4).

use super::cx::{Alarm, Ask, Cx, Signal, Token};
use super::doors::{Doors, send};
use super::routes::{Lane, RouteError};
use crate::body::MailboxDescriptor;
use crate::bundle::{Bundle, BundleObject, Prekeys, Tombstone};
use crate::cbor::{MapWriter, array, bytes, read_map, uint};
use crate::core::{Key, Mono, Op, Space, Value};
use crate::crypto::LocalSignKey;
use crate::descriptor::SlotKey;
use crate::error::{ErrorKind, PeerFault};
use crate::handshake;
use crate::identity::{LocalIdentity, RemoteIdentity};
use crate::ids::{Locator, RelayId, SlotId};
use crate::invite::{DOORS_MAX, Invitation, InviteKeys};
use crate::limits::{INVITE_TTL_S, INVITES_OPEN_MAX};
use crate::link::{Frame, Kind};
use crate::rpc::{Refusal, Reply, Request};
use crate::session::Session;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Invitations kept ready (DESIGN P4).
const READY: usize = 8;
/// Prekeys kept for one invitation: each change of mailboxes makes new ones.
const PREKEYS_MAX: usize = 3;
/// A registration that failed is tried again after this time, milliseconds.
const RETRY_MS: u64 = 5_000;
/// A relay that takes nothing more is left alone for twice as long each time, milliseconds at most.
const REST_MS: u64 = 3_600_000;
/// The same for one that can not be reached, or is gone.
const AWAY_MS: u64 = 600_000;
/// Relays that are remembered to have a bundle: its mailboxes, its doors, the relays nearest to it, and those that were.
const HOLDERS_MAX: usize = 48;
/// Without all mailboxes the first invitations are made after this time, milliseconds.
const PATIENCE_MS: u64 = 2_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Issued,
    Used,
}

struct Invite {
    invitation: Invitation,
    keys: InviteKeys,
    owner: Zeroizing<[u8; 32]>,
    prekeys: Vec<Prekeys>,
    state: State,
    /// Sequence number of the bundle object, and of the mailbox descriptor in it.
    seq: u64,
    mailboxes_seq: u64,
    expiry_s: u64,
    /// Relays of its doors that let the guest in.
    slots_at: Vec<RelayId>,
    tags_at: Vec<u32>,
    object_at: Vec<RelayId>,
    /// Relays that have an older one, which the new one is to replace; each is asked once.
    former: Vec<RelayId>,
    /// The bytes to put at relays.
    object: Vec<u8>,
    /// Asked and not answered yet.
    asked: Asked,
}

#[derive(Debug, Default)]
struct Asked {
    slots: Vec<RelayId>,
    tags: Vec<u32>,
    objects: Vec<RelayId>,
}

/// Invitations by number.
#[derive(Default)]
pub(crate) struct Invites {
    invites: BTreeMap<u64, Invite>,
    patient: bool,
    /// Relays that take nothing for now: until when they are left alone, and for how long they are.
    resting: BTreeMap<RelayId, (Mono, u64)>,
}

impl core::fmt::Debug for Invites {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Invites({})", self.invites.len())
    }
}

/// An invitation that is given out.
pub(crate) struct Issued {
    pub(crate) text: Zeroizing<String>,
    pub(crate) long: Option<Zeroizing<String>>,
    pub(crate) expiry_s: u64,
    pub(crate) number: u64,
    pub(crate) locator: Locator,
}

/// What opening a first cell gave.
pub(crate) struct Greeted {
    pub(crate) identity: RemoteIdentity,
    pub(crate) session: Session,
    pub(crate) payload: Zeroizing<Vec<u8>>,
    pub(crate) secret: Zeroizing<[u8; 16]>,
}

impl Invites {
    /// Takes a stored invitation; returns its number if its tags are to be expected.
    pub(crate) fn load(&mut self, key: Key, value: &Value, cx: &mut Cx<'_>) -> Option<u64> {
        match Invite::decode(value) {
            Ok(invite) => {
                let open = invite.state != State::Used;
                self.invites.insert(key.seq, invite);
                open.then_some(key.seq)
            }
            Err(_) => {
                cx.fault();
                None
            }
        }
    }

    /// The first-contact tags of an invitation.
    pub(crate) fn tags(&self, number: u64) -> &[crate::ids::Tag] {
        self.invites.get(&number).map_or(&[], |invite| &invite.keys.tags)
    }

    /// Keeps enough invitations ready and registered. Returns the numbers of new ones, whose tags are then to be expected.
    pub(crate) fn on_network(
        &mut self,
        me: &LocalIdentity,
        doors: &Doors,
        mailboxes: &MailboxDescriptor,
        attached: &[(u32, RelayId)],
        cx: &mut Cx<'_>,
    ) -> Vec<u64> {
        if attached.is_empty() {
            return Vec::new();
        }
        let Some((door, _)) = doors.host() else { return Vec::new() };
        if !self.patient && attached.len() < crate::limits::MAILBOXES {
            // More mailboxes usually follow within a second; a bundle should name them all.
            cx.alarm_by(Alarm::Invites, PATIENCE_MS);
            return Vec::new();
        }
        let mut new = Vec::new();
        let ready = self.invites.values().filter(|invite| invite.state == State::Ready).count();
        // Each names another door, so that what one guest reports takes few with it.
        let hosts = doors.hosts();
        for at in ready..READY {
            let door = hosts.get(at % hosts.len().max(1)).copied().unwrap_or(door);
            let invitation = Invitation::new(me.fingerprint(), door.relay, door.addr.clone(), cx.rng);
            new.extend(self.create(invitation, State::Ready, me, doors, mailboxes, cx));
        }
        let numbers: Vec<_> = self.invites.keys().copied().collect();
        for number in numbers {
            self.register(number, me, doors, mailboxes, attached, cx);
        }
        let now = cx.now.mono;
        if let Some(until) = self.resting.values().map(|(until, _)| *until).filter(|until| now < *until).min()
        {
            cx.alarm_by(Alarm::Invites, until.0.saturating_sub(now.0) / 1_000 + 1);
        }
        new
    }

    /// The alarm: whoever was waited for has not come.
    pub(crate) fn on_alarm(&mut self) {
        self.patient = true;
        // A link that went down took the question with it.
        self.invites.values_mut().for_each(|invite| invite.asked.slots.clear());
    }

    fn create(
        &mut self,
        invitation: Invitation,
        state: State,
        me: &LocalIdentity,
        doors: &Doors,
        mailboxes: &MailboxDescriptor,
        cx: &mut Cx<'_>,
    ) -> Option<u64> {
        if self.invites.values().filter(|invite| invite.state != State::Used).count() >= INVITES_OPEN_MAX {
            return None;
        }
        let mut owner = Zeroizing::new([0; 32]);
        cx.rng.fill_bytes(&mut *owner);
        let number = self.invites.last_key_value().map_or(1, |(number, _)| number + 1);
        let keys = invitation.keys();
        let mut invite = Invite {
            invitation,
            keys,
            owner,
            prekeys: Vec::new(),
            state,
            seq: 0,
            mailboxes_seq: 0,
            expiry_s: expiry_s(doors, cx),
            slots_at: Vec::new(),
            tags_at: Vec::new(),
            object_at: Vec::new(),
            former: Vec::new(),
            object: Vec::new(),
            asked: Asked::default(),
        };
        invite.remake(me, mailboxes, cx);
        invite.save(number, cx);
        self.invites.insert(number, invite);
        Some(number)
    }

    /// Registers what of an invitation is not registered yet.
    fn register(
        &mut self,
        number: u64,
        me: &LocalIdentity,
        doors: &Doors,
        mailboxes: &MailboxDescriptor,
        attached: &[(u32, RelayId)],
        cx: &mut Cx<'_>,
    ) {
        let Some(invite) = self.invites.get_mut(&number) else { return };
        let now = cx.now.mono;
        let rests = |relay: &RelayId| self.resting.get(relay).is_some_and(|(until, _)| now < *until);
        let open = invite.state != State::Used;
        if invite.state == State::Ready && invite.widen(doors) {
            invite.save(number, cx);
        }
        // An invitation that no relay has yet may have been made by a clock that was wrong.
        let expiry_s = expiry_s(doors, cx);
        let clock_was_wrong = invite.is_unknown() && invite.expiry_s.abs_diff(expiry_s) > INVITE_TTL_S / 2;
        if open && clock_was_wrong {
            invite.expiry_s = expiry_s;
        }
        if open && (clock_was_wrong || invite.mailboxes_seq != mailboxes.seq) {
            invite.remake(me, mailboxes, cx);
            invite.save(number, cx);
        }
        let mut waiting = false;
        let places: Vec<RelayId> = invite.invitation.places().map(|(relay, _)| relay).collect();
        for place in places.iter().filter(|place| open && !invite.slots_at.contains(place)) {
            if let Some(link) = doors.link_of(*place).filter(|_| !invite.asked.slots.contains(place)) {
                invite.asked.slots.push(*place);
                let door = &invite.keys.door;
                let payload = [&door.slot.0[..], &*door.key, &invite.expiry_s.to_be_bytes()].concat();
                send(link, Frame::new(Kind::SlotPut, 0, payload), cx);
            }
            waiting = true;
        }
        for (mailbox, relay) in attached.iter().filter(|(_, relay)| !rests(relay)) {
            if open && !invite.tags_at.contains(mailbox) && !invite.asked.tags.contains(mailbox) {
                invite.asked.tags.push(*mailbox);
                let tags = invite.keys.tags.iter().map(|tag| (0, tag.prefix())).collect();
                let ask = Ask::Plain(Request::Register(tags));
                cx.signal(Signal::Ask(
                    Lane::Mailbox(*mailbox),
                    *relay,
                    ask,
                    Token::InviteTags(*mailbox, number),
                ));
                waiting = true;
            }
            if !invite.object_at.contains(relay) && !invite.asked.objects.contains(relay) {
                invite.asked.objects.push(*relay);
                let ask = Ask::Plain(Request::Put(invite.object.clone()));
                cx.signal(Signal::Ask(Lane::Mailbox(*mailbox), *relay, ask, Token::Bundle(number)));
                waiting = true;
            }
        }
        // The doors themselves are where a guest without any other path looks first. Once somebody may look for it, it lies at the relays
        // nearest to it as well, whichever those are by now: a door may hide it. Each of these copies has a tunnel of its own.
        let near =
            if invite.state == State::Ready { Vec::new() } else { doors.nearest(&invite.keys.locator) };
        let near = near
            .into_iter()
            .chain(invite.former.clone())
            .map(|relay| (Lane::Invite(number.saturating_add(1)), relay));
        for (lane, relay) in places.into_iter().map(|door| (Lane::Invite(0), door)).chain(near) {
            let elsewhere = !attached.iter().any(|(_, mailbox)| *mailbox == relay) && !rests(&relay);
            if elsewhere && !invite.object_at.contains(&relay) && !invite.asked.objects.contains(&relay) {
                invite.asked.objects.push(relay);
                let ask = Ask::Plain(Request::Put(invite.object.clone()));
                cx.signal(Signal::Ask(lane, relay, ask, Token::Bundle(number)));
                waiting = true;
            }
        }
        if waiting {
            cx.alarm_by(Alarm::Invites, RETRY_MS);
        }
    }

    /// Gives out an invitation: a registered one if there is one.
    pub(crate) fn issue(
        &mut self,
        me: &LocalIdentity,
        doors: &Doors,
        mailboxes: &MailboxDescriptor,
        cx: &mut Cx<'_>,
    ) -> Result<Issued, ErrorKind> {
        let complete = |invite: &Invite| {
            invite.slots_at.contains(&invite.invitation.relay)
                && !invite.tags_at.is_empty()
                && !invite.object_at.is_empty()
        };
        let ready = || self.invites.iter().filter(|(_, invite)| invite.state == State::Ready);
        // A door that is gone lets nobody in: while another one is linked, the invitation names that.
        let here = |invite: &Invite| doors.link_of(invite.invitation.relay).is_some();
        let linked = ready()
            .find(|(_, invite)| complete(invite) && here(invite))
            .or_else(|| ready().find(|(_, invite)| here(invite)));
        let any = ready().find(|(_, invite)| complete(invite)).or_else(|| ready().next());
        let any = any.map(|(number, _)| *number);
        let number = match linked.map(|(number, _)| *number).or(any.filter(|_| doors.host().is_none())) {
            Some(number) => number,
            None => {
                let door = doors.any().ok_or(ErrorKind::NoDoor)?;
                let invitation = Invitation::new(me.fingerprint(), door.relay, door.addr.clone(), cx.rng);
                let made = self.create(invitation, State::Issued, me, doors, mailboxes, cx);
                made.or(any).ok_or(ErrorKind::Limit)?
            }
        };
        let invite = self.invites.get_mut(&number).ok_or(ErrorKind::Unavailable)?;
        invite.state = State::Issued;
        invite.save(number, cx);
        cx.signal(Signal::NetworkChanged);
        // Only doors that let the guest in, or will once they are reached: the first one is named in any case.
        let mut long = invite.invitation.clone();
        long.others.retain(|(relay, _)| invite.slots_at.contains(relay));
        let text = long.short().to_text(true);
        let long = (!long.others.is_empty()).then(|| long.to_text(true));
        let locator = invite.keys.locator;
        Ok(Issued { text, long, expiry_s: invite.expiry_s, number, locator })
    }

    /// The door's answer about a guest slot.
    pub(crate) fn on_slot(&mut self, relay: RelayId, slot: SlotId, granted: bool, cx: &mut Cx<'_>) {
        let found = self.invites.iter_mut().find(|(_, invite)| invite.keys.door.slot == slot);
        if let Some((number, invite)) = found.filter(|_| granted)
            && !invite.slots_at.contains(&relay)
            && invite.invitation.places().any(|(place, _)| place == relay)
        {
            invite.slots_at.push(relay);
            invite.save(*number, cx);
        }
    }

    /// A mailbox has the first-contact tags.
    pub(crate) fn on_tags(
        &mut self,
        (mailbox, relay): (u32, RelayId),
        number: u64,
        answer: &Result<Reply, RouteError>,
        cx: &mut Cx<'_>,
    ) {
        let Some(invite) = self.invites.get_mut(&number) else { return };
        invite.asked.tags.retain(|asked| *asked != mailbox);
        if matches!(answer, Ok(Reply::Done)) {
            invite.tags_at.push(mailbox);
            invite.save(number, cx);
        } else {
            self.try_again(relay, answer, cx);
        }
    }

    /// A relay has the bundle (or a newer one).
    pub(crate) fn on_bundle(
        &mut self,
        number: u64,
        relay: RelayId,
        answer: &Result<Reply, RouteError>,
        cx: &mut Cx<'_>,
    ) {
        let Some(invite) = self.invites.get_mut(&number) else { return };
        invite.asked.objects.retain(|asked| *asked != relay);
        invite.former.retain(|former| *former != relay);
        if matches!(answer, Ok(Reply::Done) | Err(RouteError::Refused(Refusal::Stale))) {
            invite.object_at.push(relay);
            let surplus = invite.object_at.len().saturating_sub(HOLDERS_MAX);
            invite.object_at.drain(..surplus);
            invite.save(number, cx);
            self.resting.remove(&relay);
        } else {
            self.try_again(relay, answer, cx);
        }
    }

    /// Sees to it that what a relay did not take is offered again.
    fn try_again(&mut self, relay: RelayId, answer: &Result<Reply, RouteError>, cx: &mut Cx<'_>) {
        let longest = match answer {
            Err(RouteError::NoPath | RouteError::Broken) => None,
            Err(RouteError::Refused(Refusal::Busy | Refusal::Full)) => Some(REST_MS),
            _ => Some(AWAY_MS),
        };
        let mut pause = RETRY_MS;
        if let Some(longest) = longest {
            // All invitations fail there for the same reason, perhaps for hours, and do not count one by one.
            let (until, last) = self.resting.get(&relay).copied().unwrap_or((cx.now.mono, 0));
            if cx.now.mono < until {
                return;
            }
            pause = cx.jitter((2 * last).clamp(RETRY_MS, longest));
            self.resting.insert(relay, (cx.now.mono.after_ms(pause), pause));
        }
        cx.alarm_by(Alarm::Invites, pause);
    }

    /// Opens the first cell of whoever used an invitation.
    pub(crate) fn open(
        &self,
        number: u64,
        me: &LocalIdentity,
        cell: &crate::cell::Cell,
    ) -> Result<Greeted, PeerFault> {
        let invite = self
            .invites
            .get(&number)
            .filter(|invite| invite.state != State::Used)
            .ok_or(PeerFault::Replay)?;
        let mut fault = PeerFault::Decrypt;
        for prekeys in invite.prekeys.iter().rev() {
            match handshake::respond(me, prekeys, cell) {
                Ok((identity, session, payload)) => {
                    return Ok(Greeted {
                        identity,
                        session,
                        payload,
                        secret: invite.invitation.secret.clone(),
                    });
                }
                Err(error) => fault = error,
            }
        }
        Err(fault)
    }

    /// The guest's slot, the relays that let the guest in, and when the slot ends there, Unix seconds.
    pub(crate) fn guest(&self, number: u64) -> Option<(SlotKey, &[RelayId], u64)> {
        let invite = self.invites.get(&number)?;
        Some((invite.keys.door.slot_key(), &invite.slots_at, invite.expiry_s))
    }

    /// The invitation did its work: its prekeys go, and a tombstone tells a second user.
    pub(crate) fn use_up(&mut self, number: u64, me: &LocalIdentity, cx: &mut Cx<'_>) {
        let Some(invite) = self.invites.get_mut(&number) else { return };
        invite.state = State::Used;
        invite.prekeys.clear();
        invite.seq += 1;
        invite.former = core::mem::take(&mut invite.object_at);
        let owner = LocalSignKey::from_seed(&invite.owner);
        let object = BundleObject::tombstone(
            &invite.keys,
            Tombstone::Used,
            me,
            &owner,
            invite.seq,
            invite.expiry_s,
            cx.rng,
        );
        match object {
            Ok(object) => invite.object = object.bytes().to_vec(),
            Err(_) => cx.fault(),
        }
        invite.save(number, cx);
        cx.signal(Signal::NetworkChanged);
    }
}

/// When an invitation made now ends, Unix seconds. The device's own clock may be wrong by years, and relays refuse what has expired by
/// theirs, so theirs counts if it is known. Whole days, so that the moment of making can not be told from it.
pub(crate) fn expiry_s(doors: &Doors, cx: &Cx<'_>) -> u64 {
    const DAY_S: u64 = 86_400;
    let now_s = doors.relays_time_s().unwrap_or(cx.now.wall_ms / 1_000);
    (now_s.saturating_add(INVITE_TTL_S) / DAY_S).saturating_mul(DAY_S)
}

impl Invite {
    /// Takes in doors that were reached since it was made; returns whether there was one. Nobody knows of it yet.
    fn widen(&mut self, doors: &Doors) -> bool {
        let before = self.invitation.others.len();
        for door in doors.hosts() {
            let known = self.invitation.places().any(|(relay, _)| relay == door.relay);
            if !known && self.invitation.others.len() + 1 < DOORS_MAX {
                self.invitation.others.push((door.relay, door.addr.clone()));
            }
        }
        self.invitation.others.len() > before
    }

    /// Nothing of it is at any relay, and nothing is on its way there.
    fn is_unknown(&self) -> bool {
        let asked =
            !self.asked.slots.is_empty() || !self.asked.tags.is_empty() || !self.asked.objects.is_empty();
        !asked && self.slots_at.is_empty() && self.tags_at.is_empty() && self.object_at.is_empty()
    }

    /// New prekeys and a bundle that names the present mailboxes.
    fn remake(&mut self, me: &LocalIdentity, mailboxes: &MailboxDescriptor, cx: &mut Cx<'_>) {
        let Ok((bundle, prekeys)) = Bundle::make(me, mailboxes, cx.rng) else {
            cx.fault();
            return;
        };
        self.seq += 1;
        self.mailboxes_seq = mailboxes.seq;
        self.former = core::mem::take(&mut self.object_at);
        let owner = LocalSignKey::from_seed(&self.owner);
        match BundleObject::seal(&self.keys, &bundle, &owner, self.seq, self.expiry_s, cx.rng) {
            Ok(object) => self.object = object.bytes().to_vec(),
            Err(_) => cx.fault(),
        }
        self.prekeys.push(prekeys);
        if self.prekeys.len() > PREKEYS_MAX {
            self.prekeys.remove(0);
        }
    }

    fn save(&self, number: u64, cx: &mut Cx<'_>) {
        let state = match self.state {
            State::Ready => 0,
            State::Issued => 1,
            State::Used => 2,
        };
        let prekeys: Vec<_> = self.prekeys.iter().map(|prekeys| bytes(&prekeys.encode())).collect();
        let relays: Vec<_> = self.object_at.iter().map(|relay| bytes(&relay.0)).collect();
        let slots: Vec<_> = self.slots_at.iter().map(|relay| bytes(&relay.0)).collect();
        let tags: Vec<_> = self.tags_at.iter().map(|mailbox| uint(u64::from(*mailbox))).collect();
        let mut map = MapWriter::default();
        map.text(0, &self.invitation.to_text(false))
            .bytes(1, &*self.owner)
            .array(2, &prekeys)
            .uint(3, state)
            .uint(4, self.seq)
            .uint(5, self.mailboxes_seq)
            .uint(6, self.expiry_s)
            .raw(7, array(&slots))
            .raw(8, array(&tags))
            .raw(9, array(&relays))
            .bytes(10, &self.object);
        cx.write(Op::Put(Key::single(Space::Invite, number), Zeroizing::new(map.finish())));
    }

    fn decode(value: &[u8]) -> Result<Self, PeerFault> {
        let (mut invitation, mut owner, mut prekeys, mut object) = (None, None, Vec::new(), Vec::new());
        let (mut numbers, mut slots_at) = ([0; 7], Vec::new());
        let (mut tags_at, mut object_at) = (Vec::new(), Vec::new());
        read_map(value, |key, field| {
            match key {
                0 => {
                    invitation =
                        Some(Invitation::from_text(field.text(512)?).map_err(|_| PeerFault::Malformed)?)
                }
                1 => owner = Some(Zeroizing::new(field.fixed()?)),
                2 => {
                    prekeys = field.array(PREKEYS_MAX, |item| {
                        Prekeys::decode(item.bytes(8_192)?).ok_or(PeerFault::Malformed)
                    })?;
                }
                7 => slots_at = field.array(DOORS_MAX, |item| Ok(RelayId(item.fixed()?)))?,
                8 => tags_at = field.array(64, |item| Ok(item.uint()? as u32))?,
                9 => object_at = field.array(64, |item| Ok(RelayId(item.fixed()?)))?,
                10 => object = field.bytes(4_096)?.to_vec(),
                key => match numbers.get_mut(key as usize) {
                    Some(number) => *number = field.uint()?,
                    None => return Ok(false),
                },
            }
            Ok(true)
        })?;
        let invitation = invitation.ok_or(PeerFault::Malformed)?;
        let [_, _, _, state, seq, mailboxes_seq, expiry_s] = numbers;
        Ok(Self {
            keys: invitation.keys(),
            invitation,
            owner: owner.ok_or(PeerFault::Malformed)?,
            prekeys,
            state: match state {
                0 => State::Ready,
                1 => State::Issued,
                _ => State::Used,
            },
            seq,
            mailboxes_seq,
            expiry_s,
            slots_at,
            tags_at,
            object_at,
            former: Vec::new(),
            object,
            asked: Asked::default(),
        })
    }
}
