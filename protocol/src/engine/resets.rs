//! Sessions formed again: gifts given and held, resets begun and answered (SPEC §6c, DESIGN P5, P6).
//!
//! A session is lost when its state is: after a restored backup, or a record that the store could not give back. Nothing that a relay
//! says begins a reset. Messages keep their numbers over a reset; what was not acknowledged is sent once more under the new session.

use super::api::{ContactId, Event, Meeting};
use super::contact::{Contact, Pending, Talk};
use super::cx::{Alarm, Ask, Cx, Signal, Token};
use super::outbox;
use super::routes::{Lane, RouteError};
use crate::body::{Ack, MailboxDescriptor, Payload, Resume};
use crate::cell::Cell;
use crate::core::{CommandId, Key, LoadId, Op, Range, Space, Value};
use crate::crypto::fixed::Reader;
use crate::error::PeerFault;
use crate::gift::{Gift, OwnGift, RESET_TAGS_COUNT, reset_tags};
use crate::handshake;
use crate::identity::{LocalIdentity, RemoteIdentity};
use crate::ids::{RelayId, Tag};
use crate::limits::STORED_AT;
use crate::rpc::{Reply, Request};
use crate::session::Session;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// A new contact gets its gift after this time, milliseconds.
pub(super) const GIFT_MS: u64 = 8_000;
/// A gift is replaced after this time, milliseconds (DESIGN P5: monthly).
const RENEW_MS: u64 = 30 * 86_400_000;
/// After a reset the next gift follows no sooner than this, milliseconds: a contact can reset four times an hour at most.
const AGAIN_MS: u64 = 3_600_000;
/// Ranges of an acknowledgement in a reset: it has to fit beside the handshake.
const RANGES_MAX: usize = 4;
/// Records of a contact: number of the own gift that it has, the own gift, its gift.
const DELIVERED: u64 = 0;
pub(super) const OWN: u64 = 1;
pub(super) const THEIRS: u64 = 2;
/// Records of a conversation that was set back: what is in doubt here, what was held when the other side was (see `setback`).
pub(super) const DOUBT: u64 = 3;
pub(super) const HELD: u64 = 4;
/// Numbers that a restored device leaves out: more than the lost one can have used since the backup.
pub(crate) const RESTORE_JUMP: u64 = 1 << 32;
/// A reset is looked after this often, milliseconds: if relays say that its tag was used, the next one is tried.
pub(super) const RETRY_MS: u64 = 60_000;

/// What was given to one contact; the prekeys lie on disk.
#[derive(Debug, Default)]
struct Given {
    seq: u64,
    /// Number of the gift that the other side has said to hold.
    delivered: u64,
    made_ms: u64,
    used: u8,
    secret: Zeroizing<[u8; 16]>,
    /// The gift's bytes until the other side says that it has them.
    offer: Option<Zeroizing<Vec<u8>>>,
    /// Mailboxes that have the tags, and those asked.
    at: Vec<u32>,
    asked: Vec<u32>,
}

/// Which tag of a held gift is next: each is tried once, beginning anywhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Next {
    start: u8,
    tries: u8,
}

impl Next {
    const fn byte(self) -> u8 {
        self.start << 4 | self.tries
    }

    const fn from_byte(byte: u8) -> Self {
        Self { start: byte >> 4, tries: byte & 0x0f }
    }

    fn tag(self, gift: &Gift) -> Option<Tag> {
        let left = usize::from(self.tries) < RESET_TAGS_COUNT;
        gift.tags().get(usize::from(self.start + self.tries) % RESET_TAGS_COUNT).copied().filter(|_| left)
    }
}

/// Why records are being loaded.
pub(crate) enum Purpose {
    /// The other side's gift: to begin a reset.
    Theirs(ContactId),
    /// The first own message that may have to be sent again.
    Oldest(ContactId, Box<Gift>, Next),
    /// The own gift, for a reset that came in, from a mailbox or otherwise.
    Own(ContactId, Option<u32>, Cell),
    /// All gifts, for a backup.
    Backup(CommandId),
}

/// Gifts and resets of all contacts.
#[derive(Default)]
pub(crate) struct Resets {
    given: BTreeMap<ContactId, Given>,
    /// Number of the gift that each contact gave, and which of its tags are next.
    held: BTreeMap<ContactId, (u64, Next)>,
    loads: BTreeMap<LoadId, Purpose>,
}

impl core::fmt::Debug for Resets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Resets({} given, {} held)", self.given.len(), self.held.len())
    }
}

pub(super) fn key(contact: ContactId, which: u64) -> Key {
    Key::of(Space::Reset, contact.group(), which)
}

impl Resets {
    /// Takes a stored record at start; returns the tags that may come.
    pub(crate) fn load(&mut self, contact: ContactId, at: u64, value: &Value, cx: &mut Cx<'_>) -> Vec<Tag> {
        let mut reader = Reader(value);
        match at {
            DELIVERED => {
                self.given.entry(contact).or_default().delivered = reader.u64().unwrap_or(0);
            }
            OWN => {
                let Some((seq, made_ms, used, secret)) = OwnGift::summary(value) else {
                    cx.fault();
                    return Vec::new();
                };
                let given = self.given.entry(contact).or_default();
                if given.delivered != seq {
                    given.offer = OwnGift::decode(value).map(|gift| gift.public().encode());
                }
                (given.seq, given.made_ms, given.used, given.secret) = (seq, made_ms, used, secret);
                return open_tags(given);
            }
            _ => match (reader.u8(), reader.u64()) {
                (Some(next), Some(seq)) => drop(self.held.insert(contact, (seq, Next::from_byte(next)))),
                _ => cx.fault(),
            },
        }
        Vec::new()
    }

    /// The gift number that contacts are told is held.
    pub(crate) fn held(&self, contact: ContactId) -> Option<u64> {
        self.held.get(&contact).map(|(seq, _)| *seq)
    }

    /// The gift to put into the next cell, once its tags are registered.
    pub(crate) fn offer(&self, contact: ContactId, mailboxes: usize) -> Option<&[u8]> {
        let given = self.given.get(&contact)?;
        let enough = STORED_AT.min(mailboxes).max(1);
        given.offer.as_ref().filter(|_| given.at.len() >= enough).map(|bytes| bytes.as_slice())
    }

    /// Makes a gift where one is due and registers its tags. Returns tags that are to be expected.
    pub(crate) fn tend(
        &mut self,
        contact: &Contact,
        me: &LocalIdentity,
        mailboxes: &MailboxDescriptor,
        attached: &[(u32, RelayId)],
        cx: &mut Cx<'_>,
    ) -> Vec<Tag> {
        let id = contact.id;
        if contact.card.meeting != Meeting::Connected || mailboxes.mailboxes.is_empty() {
            return Vec::new();
        }
        let now_ms = cx.now.wall_ms;
        let due = self.given.get(&id).is_none_or(|given| {
            if given.seq == 0 {
                return true;
            }
            let age_ms = now_ms.saturating_sub(given.made_ms);
            // A clock that went back must not keep an old gift for ever.
            let old = age_ms >= RENEW_MS || given.made_ms > now_ms.saturating_add(RENEW_MS);
            old || given.used != 0 && age_ms >= AGAIN_MS
        });
        let mut new = Vec::new();
        if due {
            let seq = self.given.get(&id).map_or(1, |given| given.seq.max(given.delivered) + 1);
            match OwnGift::make(me, seq, mailboxes, now_ms, cx.rng) {
                Ok(gift) => {
                    new = gift.open_tags();
                    cx.write(Op::Put(key(id, OWN), gift.encode()));
                    let offer = Some(gift.public().encode());
                    let secret = gift.secret.clone();
                    self.given.insert(id, Given { seq, made_ms: now_ms, secret, offer, ..Given::default() });
                }
                Err(_) => cx.fault(),
            }
        }
        let Some(given) = self.given.get_mut(&id) else { return new };
        for (mailbox, relay) in attached {
            if given.at.contains(mailbox) || given.asked.contains(mailbox) {
                continue;
            }
            given.asked.push(*mailbox);
            let tags = open_tags(given).iter().map(|tag| (0, tag.prefix())).collect();
            let ask = Ask::Plain(Request::Register(tags));
            cx.signal(Signal::Ask(Lane::Mailbox(*mailbox), *relay, ask, Token::ResetTags(*mailbox, id)));
        }
        new
    }

    /// A mailbox has the tags of a gift. Returns whether the gift can be given now.
    pub(crate) fn on_tags(
        &mut self,
        mailbox: u32,
        contact: ContactId,
        answer: &Result<Reply, RouteError>,
        cx: &mut Cx<'_>,
    ) -> bool {
        let Some(given) = self.given.get_mut(&contact) else { return false };
        given.asked.retain(|asked| *asked != mailbox);
        if matches!(answer, Ok(Reply::Done)) {
            given.at.push(mailbox);
        } else {
            cx.alarm_by(Alarm::Gift(contact), GIFT_MS);
        }
        given.offer.is_some()
    }

    /// What a payload says of gifts: one that is given, and which one the other side holds.
    pub(crate) fn on_payload(&mut self, contact: &mut Contact, payload: &Payload, cx: &mut Cx<'_>) {
        let id = contact.id;
        if let Some(gift) = &payload.gift {
            match Gift::decode(gift) {
                Ok(gift) if gift.bundle.fingerprint() == contact.card.fingerprint => {
                    if self.held(id).is_none_or(|held| held < gift.seq) {
                        self.hold(id, &gift, Next { start: 0, tries: 0 }, cx);
                    }
                    // Whether it is new or came twice: the other side must hear that it is here.
                    if let Some(talk) = contact.talk.as_mut() {
                        talk.owes = true;
                        cx.alarm_by(Alarm::Ack(id), 1_000);
                    }
                }
                _ => cx.fault(),
            }
        }
        let seen = payload.gift_seen.unwrap_or(0);
        if let Some(given) =
            self.given.get_mut(&id).filter(|given| given.offer.is_some() && given.seq == seen)
        {
            given.offer = None;
            given.delivered = seen;
            cx.write(Op::Put(key(id, DELIVERED), Zeroizing::new(seen.to_be_bytes().to_vec())));
        }
    }

    /// Takes gifts from a backup. Returns the tags that may come.
    pub(crate) fn restore(
        &mut self,
        contact: ContactId,
        theirs: Option<&Gift>,
        own: Option<&Value>,
        cx: &mut Cx<'_>,
    ) -> Vec<Tag> {
        if let Some(gift) = theirs {
            // Another restored device may have used the first tag already.
            let start = (cx.rng.next_u32() % RESET_TAGS_COUNT as u32) as u8;
            self.hold(contact, gift, Next { start, tries: 0 }, cx);
        }
        let Some(own) = own else { return Vec::new() };
        cx.write(Op::Put(key(contact, OWN), own.clone()));
        self.load(contact, OWN, own, cx)
    }

    /// Whether there is a tag left to begin a reset with.
    pub(crate) fn may_try(&self, contact: ContactId) -> bool {
        self.held.get(&contact).is_some_and(|(_, next)| usize::from(next.tries) < RESET_TAGS_COUNT)
    }

    /// Begins a reset: the gift is loaded first.
    pub(crate) fn begin(&mut self, contact: ContactId, cx: &mut Cx<'_>) {
        let load = cx.load(Range::One(key(contact, THEIRS)));
        self.loads.insert(load, Purpose::Theirs(contact));
    }

    /// A cell came with a tag of the gift that this contact was given.
    pub(crate) fn answer(&mut self, contact: ContactId, mailbox: Option<u32>, cell: &Cell, cx: &mut Cx<'_>) {
        let load = cx.load(Range::One(key(contact, OWN)));
        self.loads.insert(load, Purpose::Own(contact, mailbox, cell.clone()));
    }

    /// Loads all gifts for a backup.
    pub(crate) fn back_up(&mut self, command: CommandId, cx: &mut Cx<'_>) {
        let load = cx.load(Range::Space(Space::Reset));
        self.loads.insert(load, Purpose::Backup(command));
    }

    /// What a load was for, if it was made here.
    pub(crate) fn loaded(&mut self, load: LoadId) -> Option<Purpose> {
        self.loads.remove(&load)
    }

    /// The gift of a contact is there: next comes the oldest message that may have to be sent again.
    pub(crate) fn on_theirs(&mut self, contact: &Contact, rows: &[(Key, Value)], cx: &mut Cx<'_>) {
        let gift = rows.first().and_then(|(_, value)| {
            let (next, rest) = value.split_first()?;
            Some((Next::from_byte(*next), Gift::decode(rest).ok()?))
        });
        let Some((next, gift)) = gift else {
            cx.fault();
            return;
        };
        let from = match (&contact.talk, &contact.card.pending) {
            (_, Some(pending)) => pending.delivered_below,
            (Some(talk), None) => talk.delivered.below,
            (None, None) => 1,
        };
        let range = Range::Group {
            space: Space::Sent,
            group: contact.id.group(),
            from,
            to: u64::MAX,
            limit: 1,
            newest: false,
        };
        let load = cx.load(range);
        self.loads.insert(load, Purpose::Oldest(contact.id, Box::new(gift), next));
    }

    /// Greets the contact anew; from here on the new session counts. `oldest`: the first own message on disk that is not delivered.
    pub(crate) fn greet(
        &mut self,
        contact: &mut Contact,
        (gift, next): (&Gift, Next),
        oldest: Option<u64>,
        me: &LocalIdentity,
        mailboxes: &MailboxDescriptor,
        cx: &mut Cx<'_>,
    ) -> bool {
        let id = contact.id;
        let pending = contact.pending();
        let doubt = contact.setback.doubt.as_ref();
        let floor = doubt.map_or(contact.card.floor, |doubt| doubt.floor);
        // Without history there is nothing to send again: all numbers up to the new ones are void.
        let has_history = doubt.is_none() && oldest.is_some_and(|seq| seq < floor.max(pending.next_seq));
        let void_from = if has_history { pending.next_seq } else { pending.delivered_below };
        let resume = Resume {
            generation: contact.card.generation + 1,
            line: contact.card.line,
            void_from: if floor > 0 { void_from } else { 0 },
            void_to: floor,
        };
        let mut ack = contact.ack().unwrap_or(Ack { below: pending.receive_next, ranges: Vec::new() });
        ack.ranges.truncate(RANGES_MAX);
        let payload = Payload {
            ack_run: contact.ack_run(&ack),
            ack: Some(ack),
            mailboxes: Some(mailboxes.clone()),
            resume: Some(resume),
            asks_held: doubt.is_some(),
            ..Payload::default()
        };
        let sealed =
            next.tag(gift).map(|tag| handshake::initiate(me, &gift.bundle, tag, &payload.encode(), cx.rng));
        let Some(Ok((cell, session))) = sealed else {
            cx.fault();
            return false;
        };
        self.hold(id, gift, Next { tries: next.tries + 1, ..next }, cx);
        contact.card.generation = resume.generation;
        contact.card.meeting = Meeting::Greeting;
        let their = gift.bundle.mailboxes().clone();
        replace(contact, session, their, &pending, cx);
        if let Some(talk) = contact.talk.as_mut()
            && !has_history
            && contact.setback.doubt.is_none()
            && floor > 0
        {
            talk.next_pack = talk.next_pack.max(floor);
        }
        contact.card.pending = Some(pending);
        super::setback::tell(contact, true, cx);
        cx.write(contact.save_card());
        cx.notify(Event::Contact(id));
        cx.signal(Signal::TagsWanted(id));
        super::meeting::hold_greeting(contact, cell, 0, cx);
        let pause = cx.jitter(RETRY_MS);
        cx.alarm_in(Alarm::Reset(id), pause);
        true
    }

    /// Opens a reset with the own gift; returns what it brought. The tag is used up once a cell opens.
    pub(crate) fn open(
        &mut self,
        contact: ContactId,
        cell: &Cell,
        rows: &[(Key, Value)],
        me: &LocalIdentity,
        cx: &mut Cx<'_>,
    ) -> Result<(RemoteIdentity, Session, Payload, Resume), PeerFault> {
        let stored = rows.first().and_then(|(_, value)| OwnGift::decode(value));
        let mut gift = stored.ok_or(PeerFault::Replay)?;
        let (identity, session, payload) = handshake::respond(me, &gift.prekeys, cell)?;
        let payload = Payload::decode(&payload)?;
        let resume = payload.resume.ok_or(PeerFault::Malformed)?;
        if !gift.use_tag(&cell.tag()) {
            return Err(PeerFault::Replay);
        }
        if let Some(given) = self.given.get_mut(&contact) {
            given.used = gift.used;
        }
        cx.write(Op::Put(key(contact, OWN), gift.encode()));
        Ok((identity, session, payload, resume))
    }

    fn hold(&mut self, contact: ContactId, gift: &Gift, next: Next, cx: &mut Cx<'_>) {
        self.held.insert(contact, (gift.seq, next));
        let value = Zeroizing::new([&[next.byte()][..], &gift.encode()].concat());
        cx.write(Op::Put(key(contact, THEIRS), value));
    }
}

/// The new session takes the place of the old one: numbers go on, cells of the old one are given up, and what they carried and was not
/// acknowledged is packed again.
pub(crate) fn replace(
    contact: &mut Contact,
    session: Session,
    their: MailboxDescriptor,
    pending: &Pending,
    cx: &mut Cx<'_>,
) {
    let old = contact.talk.take();
    let mut talk = Talk::new(session, their);
    talk.receive_next = pending.receive_next;
    talk.delivered = Ack { below: pending.delivered_below, ranges: Vec::new() };
    talk.next_pack = pending.delivered_below;
    talk.top_pack = contact.next_seq;
    if let Some(old) = old {
        let before = core::mem::replace(&mut talk.their, old.their);
        talk.older = old.older;
        if before != talk.their {
            talk.moved(before, cx.now.wall_ms);
        }
        talk.read_upto = old.read_upto;
        talk.next_cell = old.next_cell;
        talk.void = old.void;
    }
    talk.skip_void(&mut contact.early, &mut contact.card.skipped.1);
    contact.begin_session(talk);
    outbox::restart(contact, cx);
}

fn open_tags(given: &Given) -> Vec<Tag> {
    let all = reset_tags(&given.secret).into_iter().enumerate();
    all.filter(|(at, _)| given.used & (1 << at) == 0).map(|(_, tag)| tag).collect()
}
