//! Requests of strangers who use the published address: they wait apart, and nobody is a contact before this person says so.
//!
//! Nothing is sent to a stranger meanwhile, neither an acknowledgement nor a receipt; what they sealed is kept, opened, on disk.

use super::Engine;
use super::addresses::Asked;
use super::api::{ContactId, Event, Meeting, Reply, RequestInfo};
use super::arrivals::Met;
use super::cx::{Cx, context};
use super::safety;
use crate::body::{Content, Payload};
use crate::cbor::{MapWriter, read_map};
use crate::cell::Cell;
use crate::core::{Key, Op, Space, Value};
use crate::error::{ErrorKind, PeerFault};
use crate::identity::RemoteIdentity;
use crate::ids::Fingerprint;
use crate::limits::{NAME_BYTES_MAX, REQUESTS_MAX};
use crate::session::Session;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Strangers who are blocked; the oldest is forgotten first.
const BLOCKED_MAX: usize = 1_024;

struct Stranger {
    asked: Asked,
    name: String,
    text: String,
    received_ms: u64,
}

struct Blocked {
    fingerprint: Fingerprint,
    name: String,
    since_ms: u64,
}

/// Requests and blocked strangers by number.
#[derive(Default)]
pub(crate) struct Requests {
    waiting: BTreeMap<u64, Stranger>,
    blocked: BTreeMap<u64, Blocked>,
    last: u64,
    /// Requests that made room for newer ones since the start.
    dropped: u64,
}

impl core::fmt::Debug for Requests {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Requests({}, {} blocked)", self.waiting.len(), self.blocked.len())
    }
}

fn key(number: u64) -> Key {
    Key::single(Space::Request, number)
}

impl Requests {
    /// Takes a stored request or block.
    pub(crate) fn load(&mut self, stored: Key, value: &Value, cx: &mut Cx<'_>) {
        self.last = self.last.max(stored.seq);
        match decode(value) {
            Ok(Stored::Waits(stranger)) => drop(self.waiting.insert(stored.seq, *stranger)),
            Ok(Stored::Blocked(blocked)) => drop(self.blocked.insert(stored.seq, blocked)),
            Err(_) => cx.fault(),
        }
    }

    fn is_blocked(&self, fingerprint: &Fingerprint) -> bool {
        self.blocked.values().any(|blocked| blocked.fingerprint == *fingerprint)
    }

    /// Keeps a request; the newest of one person counts, and the oldest of all makes room.
    fn keep(&mut self, asked: Asked, payload: &Payload, cx: &mut Cx<'_>) {
        let who = asked.identity.fingerprint();
        let same = self.waiting.iter().find(|(_, other)| other.asked.identity.fingerprint() == who);
        if let Some(number) = same.map(|(number, _)| *number) {
            self.remove(number, cx);
        } else if self.waiting.len() >= REQUESTS_MAX
            && let Some(oldest) = self.waiting.first_key_value().map(|(number, _)| *number)
        {
            self.remove(oldest, cx);
            self.dropped += 1;
        }
        let (name, text) = shown(payload);
        let stranger = Stranger { asked, name, text, received_ms: cx.now.wall_ms };
        self.last += 1;
        cx.write(Op::Put(key(self.last), stranger.encode()));
        self.waiting.insert(self.last, stranger);
        cx.notify(Event::Requests);
    }

    fn remove(&mut self, number: u64, cx: &mut Cx<'_>) -> Option<Stranger> {
        let stranger = self.waiting.remove(&number)?;
        cx.write(Op::Remove(key(number)));
        cx.notify(Event::Requests);
        Some(stranger)
    }

    /// Requests that wait, then blocked strangers, oldest first.
    pub(crate) fn list(&self) -> Vec<RequestInfo> {
        let waiting = self.waiting.iter().map(|(number, stranger)| RequestInfo {
            request: *number,
            name: stranger.name.clone(),
            text: stranger.text.clone(),
            fingerprint: stranger.asked.identity.fingerprint(),
            at_ms: stranger.received_ms,
            blocked: false,
        });
        let blocked = self.blocked.iter().map(|(number, blocked)| RequestInfo {
            request: *number,
            name: blocked.name.clone(),
            text: String::new(),
            fingerprint: blocked.fingerprint,
            at_ms: blocked.since_ms,
            blocked: true,
        });
        waiting.chain(blocked).collect()
    }

    /// How many made room for newer ones.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Forgets a request without a word, or a block.
    pub(crate) fn decline(&mut self, number: u64, cx: &mut Cx<'_>) -> Result<Reply, ErrorKind> {
        if self.blocked.remove(&number).is_some() {
            cx.write(Op::Remove(key(number)));
            cx.notify(Event::Requests);
        } else {
            self.remove(number, cx).ok_or(ErrorKind::NoSuchRequest)?;
        }
        Ok(Reply::Done)
    }

    /// Forgets a request, and whatever else comes from this account.
    pub(crate) fn block(&mut self, number: u64, cx: &mut Cx<'_>) -> Result<Reply, ErrorKind> {
        if self.blocked.contains_key(&number) {
            return Ok(Reply::Done);
        }
        let stranger = self.remove(number, cx).ok_or(ErrorKind::NoSuchRequest)?;
        let fingerprint = stranger.asked.identity.fingerprint();
        let blocked = Blocked { fingerprint, name: stranger.name, since_ms: cx.now.wall_ms };
        cx.write(Op::Put(key(number), blocked.encode()));
        self.blocked.insert(number, blocked);
        while self.blocked.len() > BLOCKED_MAX {
            let Some((oldest, _)) = self.blocked.pop_first() else { break };
            cx.write(Op::Remove(key(oldest)));
        }
        Ok(Reply::Done)
    }
}

/// The name and the first text of a request: foreign words, shown as such.
fn shown(payload: &Payload) -> (String, String) {
    let name = payload.loose.iter().find_map(|body| match &body.content {
        Content::Profile(name) if name.len() <= NAME_BYTES_MAX => Some(name.clone()),
        _ => None,
    });
    let text = payload.numbered.iter().find_map(|body| match &body.content {
        Content::Text(text) => Some(text.clone()),
        _ => None,
    });
    (name.unwrap_or_default(), text.unwrap_or_default())
}

impl Engine {
    /// A cell came under a tag of the published address.
    pub(crate) fn asked(&mut self, cell: &Cell) -> Result<(), PeerFault> {
        let descriptor = self.mailboxes.descriptor();
        let Self { addresses, setup, .. } = self;
        let opened = addresses.open(&setup.identity, &descriptor, cell, &mut context!(self))?;
        let Some(asked) = opened else { return Ok(()) };
        let payload = Payload::decode(&asked.payload)?;
        if payload.mailboxes.as_ref().is_none_or(|mailboxes| mailboxes.mailboxes.is_empty()) {
            return Err(PeerFault::Malformed);
        }
        let who = asked.identity.fingerprint();
        if self.requests.is_blocked(&who) {
            return Ok(());
        }
        let known = self.contacts.values().find(|contact| contact.card.fingerprint == who);
        match known.map(|contact| (contact.card.meeting, contact.terms.blocked)) {
            Some((_, true)) => return Ok(()),
            // Both asked each other at once: the greeting of the lower fingerprint counts, and nobody has to be asked any more.
            Some((Meeting::Greeting | Meeting::LookingUp, _)) => {
                if who < self.setup.identity.fingerprint() {
                    self.take_in(asked, &payload)?;
                }
                return Ok(());
            }
            // A repetition; or their account with another device, about which this person decides.
            Some((Meeting::Connected, _)) if self.alarm_all(&asked.identity).is_err() => return Ok(()),
            _ => {}
        }
        let Self { requests, .. } = self;
        requests.keep(asked, &payload, &mut context!(self));
        Ok(())
    }

    /// The stranger becomes a contact, as if they had used an invitation.
    pub(crate) fn accept_request(&mut self, number: u64, name: String) -> Result<Reply, ErrorKind> {
        if name.len() > NAME_BYTES_MAX {
            return Err(ErrorKind::TooLong);
        }
        if self.contacts.len() >= super::CONTACTS_MAX {
            return Err(ErrorKind::Limit);
        }
        let Self { requests, .. } = self;
        let stranger = requests.remove(number, &mut context!(self)).ok_or(ErrorKind::NoSuchRequest)?;
        let payload = Payload::decode(&stranger.asked.payload).map_err(|_| ErrorKind::Store)?;
        let identity = &stranger.asked.identity;
        let known = self.contacts.values().find(|contact| {
            contact.card.fingerprint == identity.fingerprint()
                && contact.card.meeting == Meeting::Connected
                && !safety::is_other_device(&contact.card, identity)
        });
        if let Some(contact) = known {
            // They met by an invitation meanwhile.
            return Ok(Reply::Added(contact.id));
        }
        let id = self.take_in(stranger.asked, &payload).map_err(|_| ErrorKind::Unavailable)?;
        if let Some(contact) = self.contacts.get_mut(&id).filter(|_| !name.is_empty()) {
            contact.card.name = name;
            let card = contact.save_card();
            self.fx.write(card);
        }
        Ok(Reply::Added(id))
    }

    fn take_in(&mut self, asked: Asked, payload: &Payload) -> Result<ContactId, PeerFault> {
        let Asked { identity, session, secret, .. } = asked;
        let place = self.place_for(&identity, &secret)?;
        self.meet_as(place, Met { identity, session }, payload)?;
        Ok(place.0)
    }
}

enum Stored {
    Waits(Box<Stranger>),
    Blocked(Blocked),
}

impl Stranger {
    fn encode(&self) -> Value {
        let mut map = MapWriter::default();
        map.uint(0, 0)
            .uint(1, self.received_ms)
            .bytes(2, &self.asked.identity.encode())
            .bytes(3, &self.asked.session.encode())
            .bytes(4, &self.asked.payload)
            .bytes(5, &*self.asked.secret);
        Zeroizing::new(map.finish())
    }
}

impl Blocked {
    fn encode(&self) -> Value {
        let mut map = MapWriter::default();
        map.uint(0, 1).uint(1, self.since_ms).bytes(6, &self.fingerprint.0).text(7, &self.name);
        Zeroizing::new(map.finish())
    }
}

fn decode(value: &[u8]) -> Result<Stored, PeerFault> {
    let (mut kind, mut at_ms, mut name) = (0, 0, String::new());
    let (mut identity, mut session, mut payload, mut secret, mut fingerprint) =
        (None, None, None, None, None);
    read_map(value, |key, field| {
        match key {
            0 => kind = field.uint()?,
            1 => at_ms = field.uint()?,
            2 => identity = Some(RemoteIdentity::decode(field.bytes(512)?)?),
            3 => session = Some(Session::decode(field.bytes(1 << 20)?).ok_or(PeerFault::Malformed)?),
            4 => payload = Some(Zeroizing::new(field.bytes(4_096)?.to_vec())),
            5 => secret = Some(Zeroizing::new(field.fixed()?)),
            6 => fingerprint = Some(Fingerprint(field.fixed()?)),
            7 => name = field.text(NAME_BYTES_MAX)?.to_owned(),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let missing = PeerFault::Malformed;
    if kind == 1 {
        let fingerprint = fingerprint.ok_or(missing)?;
        return Ok(Stored::Blocked(Blocked { fingerprint, name, since_ms: at_ms }));
    }
    let asked = Asked {
        identity: identity.ok_or(missing)?,
        session: session.ok_or(missing)?,
        payload: payload.ok_or(missing)?,
        secret: secret.ok_or(missing)?,
    };
    let (name, text) = shown(&Payload::decode(&asked.payload)?);
    Ok(Stored::Waits(Box::new(Stranger { asked, name, text, received_ms: at_ms })))
}
