//! The own published address: its prekeys are renewed each week of running time and kept for 45 more days (SPEC §5.5).
//!
//! Relays keep the bundle under the address's locator and take first contacts of strangers, for proof of work, in the mailboxes of
//! whoever has an address.

use super::cx::{Alarm, Ask, Cx, Signal, Token};
use super::doors::Doors;
use super::invites::expiry_s;
use super::routes::{Lane, RouteError};
use crate::address::Address;
use crate::body::MailboxDescriptor;
use crate::bundle::{Bundle, BundleObject, Place, Prekeys, Tombstone};
use crate::cbor::{MapWriter, array, bytes, read_map};
use crate::cell::Cell;
use crate::core::{Key, Mono, Op, Space, Value};
use crate::crypto::LocalSignKey;
use crate::crypto::fixed::Reader;
use crate::error::{ErrorKind, PeerFault};
use crate::handshake;
use crate::identity::{LocalIdentity, RemoteIdentity};
use crate::ids::{RelayId, Tag, first};
use crate::limits::INVITE_TTL_S;
use crate::rpc::{Refusal, Reply, Request};
use crate::session::Session;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

const HOUR_MS: u64 = 3_600_000;
/// Prekeys are replaced after this running time, milliseconds.
const WEEK_MS: u64 = 7 * 24 * HOUR_MS;
/// And deleted after this: requests may be under way with couriers for 45 days.
const KEPT_MS: u64 = WEEK_MS + 45 * 24 * HOUR_MS;
/// Sets of prekeys kept at the most: a change of mailboxes makes a new one too.
const SETS_MAX: usize = 16;
/// Requests that one set of prekeys opens; then it is replaced early.
const SEEN_MAX: usize = 128;
/// The bundle is put anew when less than this is left of its time, seconds.
const RENEW_S: u64 = 60 * 86_400;
/// What a relay did not take is tried again after this time, milliseconds.
const RETRY_MS: u64 = 5_000;
/// Ended addresses of which relays are still told.
const ENDED_MAX: usize = 4;

/// Private keys behind an address, and the requests they opened: none is opened twice.
struct Set {
    prekeys: Prekeys,
    age_ms: u64,
    seen: Vec<[u8; 16]>,
}

struct Own {
    address: Address,
    owner: Zeroizing<[u8; 32]>,
    on: bool,
    /// Sequence number of the bundle object, and of the mailbox descriptor in it.
    seq: u64,
    mailboxes_seq: u64,
    expiry_s: u64,
    object: Vec<u8>,
    object_at: Vec<RelayId>,
    asked: Vec<RelayId>,
    sets: BTreeMap<u64, Set>,
}

/// Addresses by number; one at the most is on.
#[derive(Default)]
pub(crate) struct Addresses {
    own: BTreeMap<u64, Own>,
    /// Which mailboxes know whether requests are taken, and what they were told; asked anew with each start.
    told: BTreeMap<u32, bool>,
    telling: BTreeMap<u32, bool>,
    /// Up to when running time was counted, and how much of it is not stored.
    counted: Option<Mono>,
    uncounted_ms: u64,
}

impl core::fmt::Debug for Addresses {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Addresses({})", self.own.len())
    }
}

/// What opening a request gave.
pub(crate) struct Asked {
    pub(crate) identity: RemoteIdentity,
    pub(crate) session: Session,
    pub(crate) payload: Zeroizing<Vec<u8>>,
    pub(crate) secret: Zeroizing<[u8; 16]>,
}

fn group(number: u64) -> [u8; 16] {
    first(&number.to_be_bytes())
}

impl Addresses {
    /// Takes a stored address.
    pub(crate) fn load(&mut self, key: Key, value: &Value, cx: &mut Cx<'_>) {
        match Own::decode(value) {
            Ok(own) => drop(self.own.insert(key.seq, own)),
            Err(_) => cx.fault(),
        }
    }

    /// Takes stored prekeys; their address was loaded before.
    pub(crate) fn load_set(&mut self, key: Key, value: &Value, cx: &mut Cx<'_>) {
        let number = u64::from_be_bytes(first(&key.group));
        match (self.own.get_mut(&number), Set::decode(value)) {
            (Some(own), Some(set)) => drop(own.sets.insert(key.seq, set)),
            _ => cx.fault(),
        }
    }

    fn on(&self) -> Option<(u64, &Own)> {
        self.own.iter().find(|(_, own)| own.on).map(|(number, own)| (*number, own))
    }

    /// The text of the address that is on.
    pub(crate) fn text(&self) -> Option<Zeroizing<String>> {
        self.on().map(|(_, own)| own.address.to_text())
    }

    /// Whether a cell with this tag asks at the address.
    pub(crate) fn is_asked(&self, tag: &Tag) -> bool {
        self.on().is_some_and(|(_, own)| own.address.is_asked(tag))
    }

    /// Makes an address, and ends the one before.
    pub(crate) fn renew(
        &mut self,
        me: &LocalIdentity,
        doors: &Doors,
        mailboxes: &MailboxDescriptor,
        cx: &mut Cx<'_>,
    ) -> Result<(), ErrorKind> {
        let relays: Vec<_> = mailboxes.mailboxes.iter().map(|(relay, _)| *relay).collect();
        if relays.is_empty() {
            return Err(ErrorKind::NoMailbox);
        }
        self.end(me, cx);
        let number = self.own.last_key_value().map_or(1, |(number, _)| number + 1);
        let mut owner = Zeroizing::new([0; 32]);
        cx.rng.fill_bytes(&mut *owner);
        let mut own = Own {
            address: Address::new(me.fingerprint(), &relays, cx.rng),
            owner,
            on: true,
            seq: 0,
            mailboxes_seq: 0,
            expiry_s: expiry_s(doors, cx),
            object: Vec::new(),
            object_at: Vec::new(),
            asked: Vec::new(),
            sets: BTreeMap::new(),
        };
        own.remake(number, me, mailboxes, cx);
        self.own.insert(number, own);
        self.told.clear();
        cx.signal(Signal::NetworkChanged);
        Ok(())
    }

    /// Ends the address: its private keys go, and its bundle is replaced by a tombstone.
    pub(crate) fn end(&mut self, me: &LocalIdentity, cx: &mut Cx<'_>) {
        let Some((number, own)) = self.own.iter_mut().find(|(_, own)| own.on) else { return };
        own.on = false;
        for set in core::mem::take(&mut own.sets).into_keys() {
            cx.write(Op::Remove(Key::of(Space::Prekeys, group(*number), set)));
        }
        own.seq += 1;
        own.object_at.clear();
        let key = own.address.bundle_key();
        let place = Place { locator: own.address.locator(), bundle_key: &key };
        let owner = LocalSignKey::from_seed(&own.owner);
        let why = Tombstone::Revoked;
        match BundleObject::tombstone(place, why, me, &owner, own.seq, own.expiry_s, cx.rng) {
            Ok(object) => own.object = object.bytes().to_vec(),
            Err(_) => cx.fault(),
        }
        own.save(*number, cx);
        self.told.clear();
        while self.own.len() > ENDED_MAX {
            let Some((number, _)) = self.own.pop_first() else { break };
            cx.write(Op::Remove(Key::single(Space::Address, number)));
        }
        cx.signal(Signal::NetworkChanged);
    }

    /// Brings the bundle to its relays and tells mailboxes whether requests are taken.
    pub(crate) fn on_network(
        &mut self,
        me: &LocalIdentity,
        doors: &Doors,
        mailboxes: &MailboxDescriptor,
        attached: &[(u32, RelayId)],
        cx: &mut Cx<'_>,
    ) {
        if self.own.is_empty() || attached.is_empty() {
            return;
        }
        let on = self.on().is_some();
        let mut waiting = false;
        for (mailbox, relay) in attached {
            if self.told.get(mailbox) != Some(&on) && self.telling.get(mailbox) != Some(&on) {
                self.telling.insert(*mailbox, on);
                let ask = Ask::Plain(Request::TakeRequests(on));
                let token = Token::TakesRequests(*mailbox);
                cx.signal(Signal::Ask(Lane::Mailbox(*mailbox), *relay, ask, token));
                waiting = true;
            }
        }
        for (number, own) in &mut self.own {
            let renewed = expiry_s(doors, cx);
            let late = own.expiry_s.saturating_add(INVITE_TTL_S) < renewed.saturating_add(RENEW_S);
            // What no relay has yet may have been made by a clock that was wrong.
            let unknown = own.object_at.is_empty() && own.asked.is_empty();
            let wrong = unknown && own.expiry_s.abs_diff(renewed) > INVITE_TTL_S / 2;
            if own.on && (own.mailboxes_seq != mailboxes.seq || late || wrong) {
                own.expiry_s = renewed;
                own.remake(*number, me, mailboxes, cx);
            }
            let at = attached.iter().map(|(mailbox, relay)| (Lane::Mailbox(*mailbox), *relay));
            let named =
                own.address.relays.iter().filter(|id| !attached.iter().any(|(_, relay)| relay == *id));
            let places: Vec<_> = at.chain(named.map(|relay| (Lane::Invite(1), *relay))).collect();
            for (lane, relay) in places {
                if !own.object_at.contains(&relay) && !own.asked.contains(&relay) {
                    own.asked.push(relay);
                    let ask = Ask::Plain(Request::Put(own.object.clone()));
                    cx.signal(Signal::Ask(lane, relay, ask, Token::AddressObject(*number)));
                    waiting = true;
                }
            }
        }
        if waiting {
            cx.alarm_by(Alarm::Address, RETRY_MS);
        }
        if on {
            cx.alarm_by(Alarm::Address, HOUR_MS);
        }
    }

    /// A relay has the bundle (or a newer one), or not.
    pub(crate) fn on_object(
        &mut self,
        number: u64,
        relay: RelayId,
        answer: &Result<Reply, RouteError>,
        cx: &mut Cx<'_>,
    ) {
        let Some(own) = self.own.get_mut(&number) else { return };
        own.asked.retain(|asked| *asked != relay);
        if matches!(answer, Ok(Reply::Done) | Err(RouteError::Refused(Refusal::Stale))) {
            own.object_at.push(relay);
            own.save(number, cx);
        } else {
            cx.alarm_by(Alarm::Address, RETRY_MS);
        }
    }

    /// A mailbox knows whether requests are taken, or not.
    pub(crate) fn on_told(&mut self, mailbox: u32, answer: &Result<Reply, RouteError>, cx: &mut Cx<'_>) {
        match (self.telling.remove(&mailbox), answer) {
            (Some(on), Ok(Reply::Done)) => drop(self.told.insert(mailbox, on)),
            _ => cx.alarm_by(Alarm::Address, RETRY_MS),
        }
    }

    /// Counts running time: prekeys that are a week old are replaced, those past their time deleted.
    pub(crate) fn on_alarm(&mut self, me: &LocalIdentity, mailboxes: &MailboxDescriptor, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        let since = self.counted.replace(now).unwrap_or(now);
        self.uncounted_ms += now.0.saturating_sub(since.0) / 1_000;
        let Some((number, own)) = self.own.iter_mut().find(|(_, own)| own.on) else { return };
        cx.alarm_by(Alarm::Address, HOUR_MS);
        if self.uncounted_ms < HOUR_MS {
            return;
        }
        let passed = core::mem::take(&mut self.uncounted_ms);
        for (id, set) in &mut own.sets {
            set.age_ms = set.age_ms.saturating_add(passed);
            cx.write(set.save(*number, *id));
        }
        own.drop_sets(*number, |set| set.age_ms >= KEPT_MS, cx);
        if own.sets.last_key_value().is_none_or(|(_, newest)| newest.age_ms >= WEEK_MS) {
            own.remake(*number, me, mailboxes, cx);
        }
    }

    /// The running time begins to be counted.
    pub(crate) fn begin(&mut self, cx: &mut Cx<'_>) {
        self.counted = Some(cx.now.mono);
    }

    /// Opens a request. `Ok(None)` says that it was opened before.
    pub(crate) fn open(
        &mut self,
        me: &LocalIdentity,
        mailboxes: &MailboxDescriptor,
        cell: &Cell,
        cx: &mut Cx<'_>,
    ) -> Result<Option<Asked>, PeerFault> {
        let (number, own) = self.own.iter_mut().find(|(_, own)| own.on).ok_or(PeerFault::Replay)?;
        // The ephemeral key names a greeting, whatever else was bent.
        let name: [u8; 16] = first(cell.bytes().get(crate::cell::OUTER_BYTES..).unwrap_or_default());
        if own.sets.values().any(|set| set.seen.contains(&name)) {
            return Ok(None);
        }
        let mut fault = PeerFault::Decrypt;
        let newest = own.sets.last_key_value().map(|(id, _)| *id);
        for (id, set) in own.sets.iter_mut().rev() {
            match handshake::respond(me, &set.prekeys, cell) {
                Ok((identity, session, payload)) => {
                    if set.seen.len() >= SEEN_MAX {
                        return Err(PeerFault::Bound);
                    }
                    set.seen.push(name);
                    cx.write(set.save(*number, *id));
                    let used_up = set.seen.len() >= SEEN_MAX && newest == Some(*id);
                    let secret = own.address.talk_secret(&identity.fingerprint());
                    if used_up {
                        own.remake(*number, me, mailboxes, cx);
                        cx.signal(Signal::NetworkChanged);
                    }
                    return Ok(Some(Asked { identity, session, payload, secret }));
                }
                Err(error) => fault = error,
            }
        }
        Err(fault)
    }
}

impl Own {
    /// New prekeys and a bundle that names the present mailboxes.
    fn remake(&mut self, number: u64, me: &LocalIdentity, mailboxes: &MailboxDescriptor, cx: &mut Cx<'_>) {
        let Ok((bundle, prekeys)) = Bundle::make(me, mailboxes, cx.rng) else {
            cx.fault();
            return;
        };
        self.seq += 1;
        self.mailboxes_seq = mailboxes.seq;
        self.object_at.clear();
        let key = self.address.bundle_key();
        let place = Place { locator: self.address.locator(), bundle_key: &key };
        let owner = LocalSignKey::from_seed(&self.owner);
        match BundleObject::seal(place, &bundle, &owner, self.seq, self.expiry_s, cx.rng) {
            Ok(object) => self.object = object.bytes().to_vec(),
            Err(_) => cx.fault(),
        }
        let id = self.sets.last_key_value().map_or(1, |(id, _)| id + 1);
        let set = Set { prekeys, age_ms: 0, seen: Vec::new() };
        cx.write(set.save(number, id));
        self.sets.insert(id, set);
        let oldest = self.sets.len().checked_sub(SETS_MAX).and_then(|at| self.sets.keys().nth(at).copied());
        if let Some(oldest) = oldest {
            let gone: Vec<_> = self.sets.keys().copied().take_while(|id| *id < oldest).collect();
            for id in gone {
                self.sets.remove(&id);
                cx.write(Op::Remove(Key::of(Space::Prekeys, group(number), id)));
            }
        }
        self.save(number, cx);
    }

    fn drop_sets(&mut self, number: u64, over: impl Fn(&Set) -> bool, cx: &mut Cx<'_>) {
        let gone: Vec<_> = self.sets.iter().filter(|(_, set)| over(set)).map(|(id, _)| *id).collect();
        for id in gone {
            self.sets.remove(&id);
            cx.write(Op::Remove(Key::of(Space::Prekeys, group(number), id)));
        }
    }

    fn save(&self, number: u64, cx: &mut Cx<'_>) {
        let relays: Vec<_> = self.object_at.iter().map(|relay| bytes(&relay.0)).collect();
        let mut map = MapWriter::default();
        map.text(0, &self.address.to_text())
            .bytes(1, &*self.owner)
            .uint(2, u64::from(self.on))
            .uint(3, self.seq)
            .uint(4, self.mailboxes_seq)
            .uint(5, self.expiry_s)
            .raw(6, array(&relays))
            .bytes(7, &self.object);
        cx.write(Op::Put(Key::single(Space::Address, number), Zeroizing::new(map.finish())));
    }

    fn decode(value: &[u8]) -> Result<Self, PeerFault> {
        let (mut address, mut owner, mut object, mut object_at) = (None, None, Vec::new(), Vec::new());
        let mut numbers = [0; 6];
        read_map(value, |key, field| {
            match key {
                0 => {
                    address = Some(Address::from_text(field.text(512)?).map_err(|_| PeerFault::Malformed)?);
                }
                1 => owner = Some(Zeroizing::new(field.fixed()?)),
                6 => object_at = field.array(64, |item| Ok(RelayId(item.fixed()?)))?,
                7 => object = field.bytes(4_096)?.to_vec(),
                key => match numbers.get_mut(key as usize) {
                    Some(number) => *number = field.uint()?,
                    None => return Ok(false),
                },
            }
            Ok(true)
        })?;
        let [_, _, on, seq, mailboxes_seq, expiry_s] = numbers;
        Ok(Self {
            address: address.ok_or(PeerFault::Malformed)?,
            owner: owner.ok_or(PeerFault::Malformed)?,
            on: on == 1,
            seq,
            mailboxes_seq,
            expiry_s,
            object,
            object_at,
            asked: Vec::new(),
            sets: BTreeMap::new(),
        })
    }
}

impl Set {
    /// `version 1 | age 8 | number of requests opened 1 | their names 16 each | prekeys`; at most 4 KiB.
    fn save(&self, address: u64, id: u64) -> Op {
        let mut out = Zeroizing::new(vec![0]);
        out.extend_from_slice(&self.age_ms.to_be_bytes());
        out.push(self.seen.len() as u8);
        self.seen.iter().for_each(|name| out.extend_from_slice(name));
        out.extend_from_slice(&self.prekeys.encode());
        Op::Put(Key::of(Space::Prekeys, group(address), id), out)
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(value);
        if reader.u8()? != 0 {
            return None;
        }
        let age_ms = reader.u64()?;
        let count = usize::from(reader.u8()?);
        let seen = reader.slice(count * 16)?.as_chunks::<16>().0.to_vec();
        Some(Self { prekeys: Prekeys::decode(reader.0)?, age_ms, seen })
    }
}
