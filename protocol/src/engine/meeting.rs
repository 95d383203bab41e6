//! Meeting somebody from their invitation: finding the bundle, sealing the greeting, waiting for the answer (DESIGN P4, P5).

use super::api::{Event, Meeting};
use super::contact::{Contact, Talk};
use super::cx::{Alarm, Ask, Cx, Signal, Token};
use super::doors::Doors;
use super::outbox::{self, Mine};
use super::routes::{Lane, RouteError};
use crate::address::Ticket;
use crate::body::{Body, CELL_RUNS_MAX, Content, Payload};
use crate::bundle::{Bundle, BundleObject, Opened};
use crate::core::Op;
use crate::error::ErrorKind;
use crate::handshake::{self, GREETING_CAPACITY};
use crate::identity::{LocalIdentity, RemoteIdentity};
use crate::ids::RelayId;
use crate::rpc::{Reply, Request};

/// First and longest pause before a lookup is tried again, milliseconds.
const LOOKUP_MS: (u64, u64) = (200, 60_000);
/// Of the relays nearest to a bundle, so many are asked at a time.
const AT_ONCE: usize = 3;
/// Doors are asked who these are once in so many rounds.
const SEEK_EACH: usize = 8;
/// Bytes of a payload beside its fields: map head, number and head of the array.
const PAYLOAD_OVERHEAD: usize = 24;
/// Bytes of the runs of texts that go with a request.
const RUNS_BYTES: usize = 4 + CELL_RUNS_MAX * 18;
/// A greeting waits this long for its answer's tags to be registered, milliseconds.
const GREETING_MS: u64 = 3_000;

/// Looks for the bundle of a contact that is being added.
pub(crate) fn look_up(contact: &mut Contact, doors: &mut Doors, mailboxes: usize, cx: &mut Cx<'_>) {
    if contact.card.meeting != Meeting::LookingUp {
        return;
    }
    let Some(ticket) = contact.card.invitation.as_ref().and_then(|text| Ticket::from_text(text).ok()) else {
        fail(contact, ErrorKind::InviteDamaged, cx);
        return;
    };
    // Each relay that it names in turn: any of them may be gone.
    let places = ticket.relays();
    let round = contact.out.lookups as usize;
    let turn = round % places.len().max(1);
    let named =
        places.iter().cycle().skip(turn).take(places.len()).find(|relay| doors.relay(**relay).is_some());
    let mut asked: Vec<RelayId> = named.copied().into_iter().collect();
    if let (Some(turn), Ticket::Invitation(_)) = (round.checked_sub(1), &ticket) {
        // Any of them may also hide it: then those nearest to it, some at a time.
        let locator = ticket.bundle().0;
        if turn.is_multiple_of(SEEK_EACH) {
            doors.seek(&locator, cx);
        }
        let near = doors.nearest(&locator);
        let some = near.iter().cycle().skip(turn.saturating_mul(AT_ONCE)).take(AT_ONCE.min(near.len()));
        asked.extend(some.filter(|relay| Some(*relay) != named));
    }
    if doors.links_up() == 0 || named.is_none() {
        // No door of this person leads there yet: an invitation brings its own.
        for relay in places.iter().filter(|_| doors.links_up() > 0) {
            doors.ask_directory(Some(*relay), cx);
        }
        for door in ticket.doors() {
            if contact.out.lookups > 0 && !doors.has(door.relay) || doors.list().is_empty() {
                doors.add(&door, cx);
            }
        }
    }
    // Without a mailbox no answer could come back.
    if doors.links_up() > 0 && mailboxes > 0 {
        for relay in asked {
            let ask = Ask::Plain(Request::Get(ticket.bundle().0));
            cx.signal(Signal::Ask(Lane::Lookup(contact.id), relay, ask, Token::Lookup(contact.id)));
        }
    }
    again(contact, cx);
}

fn again(contact: &mut Contact, cx: &mut Cx<'_>) {
    let pause = LOOKUP_MS.0.saturating_mul(1 << contact.out.lookups.min(9)).min(LOOKUP_MS.1);
    contact.out.lookups += 1;
    let pause = cx.jitter(pause);
    cx.alarm_in(Alarm::Meet(contact.id), pause);
}

fn fail(contact: &mut Contact, why: ErrorKind, cx: &mut Cx<'_>) {
    contact.card.meeting = Meeting::Failed(why);
    contact.card.invitation = None;
    cx.timers.cancel(Alarm::Meet(contact.id));
    cx.write(contact.save_card());
    cx.signal(Signal::Unmet(contact.id));
    cx.notify(Event::Contact(contact.id));
}

/// What the relay has under the locator. Returns whether a greeting was sealed.
pub(crate) fn on_object(
    contact: &mut Contact,
    answer: &Result<Reply, RouteError>,
    me: &LocalIdentity,
    mine: Mine<'_>,
    cx: &mut Cx<'_>,
) -> bool {
    if contact.card.meeting != Meeting::LookingUp {
        return false;
    }
    let Some(ticket) = contact.card.invitation.as_ref().and_then(|text| Ticket::from_text(text).ok()) else {
        return false;
    };
    // Anything but an object: the alarm tries again.
    let Ok(Reply::Object(bytes)) = answer else { return false };
    let (_, bundle_key) = ticket.bundle();
    let object = BundleObject::verify(bytes).and_then(|object| object.open(&bundle_key, &ticket.who()));
    match object {
        Ok(Opened::Bundle(bundle)) => greet(contact, &bundle, &ticket, me, mine, cx),
        Ok(Opened::Used) => {
            fail(contact, ErrorKind::InviteUsed, cx);
            false
        }
        Ok(Opened::Revoked) => {
            fail(contact, ErrorKind::InviteExpired, cx);
            false
        }
        Err(_) => {
            // A relay that shows a wrong object must not end the meeting; another copy may be good.
            cx.fault();
            false
        }
    }
}

fn greet(
    contact: &mut Contact,
    bundle: &Bundle,
    ticket: &Ticket,
    me: &LocalIdentity,
    mine: Mine<'_>,
    cx: &mut Cx<'_>,
) -> bool {
    if mine.mailboxes.mailboxes.is_empty() {
        return false;
    }
    let name = Body::new(0, Content::Profile(mine.name.to_owned()));
    let mut payload =
        Payload { mailboxes: Some(mine.mailboxes.clone()), loose: vec![name], ..Payload::default() };
    if contact.card.asking {
        // Whoever is asked sees the first text with the request.
        if !outbox::has_first(contact, cx) {
            return false;
        }
        let room = GREETING_CAPACITY.saturating_sub(payload.encode().len() + PAYLOAD_OVERHEAD + RUNS_BYTES);
        payload.numbered = outbox::take_first(contact, room);
        payload.first_seq = u64::from(!payload.numbered.is_empty());
        payload.runs = contact.card.runs.covering(1, CELL_RUNS_MAX).0;
        payload.runs.retain(|(first, _)| *first <= payload.numbered.len() as u64);
    }
    let count = payload.numbered.len() as u64;
    let mut random = [0; 8];
    cx.rng.fill_bytes(&mut random);
    let tag = ticket.tag(random);
    let Ok((cell, session)) = handshake::initiate(me, bundle, tag, &payload.encode(), cx.rng) else {
        cx.fault();
        return false;
    };
    contact.card.identity = Some(RemoteIdentity { cert: bundle.cert().clone() });
    contact.card.meeting = Meeting::Greeting;
    let mut talk = Talk::new(session, bundle.mailboxes().clone());
    talk.next_pack = 1 + count;
    contact.begin_session(talk);
    cx.timers.cancel(Alarm::Meet(contact.id));
    cx.write(contact.save_card());
    cx.notify(Event::Contact(contact.id));
    cx.signal(Signal::TagsWanted(contact.id));
    hold_greeting(contact, cell, count, cx);
    true
}

/// Stores the greeting, which carries the first `count` texts; it leaves once the tags of its answer are registered, or after a while
/// without that.
pub(crate) fn hold_greeting(contact: &mut Contact, cell: crate::cell::Cell, count: u64, cx: &mut Cx<'_>) {
    use super::outcell::OutCell;
    use crate::core::{Key, Space};
    use zeroize::Zeroizing;
    let id = contact.id;
    cx.write(Op::Put(Key::of(Space::OutCell, id.group(), 0), Zeroizing::new(cell.bytes().to_vec())));
    let mut out = OutCell::new(cell, count.min(1), count);
    if contact.card.asking {
        out = out.knocking();
    }
    cx.write(out.save(id, 0));
    if let Some(op) = contact.save_talk() {
        cx.write(op);
    }
    contact.out.cells.insert(0, out);
    cx.alarm_in(Alarm::Cell(id, 0), GREETING_MS);
}

/// Tags of this contact are registered at more mailboxes: the greeting may leave, or credit be granted.
pub(crate) fn on_registered(contact: &mut Contact, numbers: &[u32], cx: &mut Cx<'_>) {
    let id = contact.id;
    let Some(talk) = contact.talk.as_mut() else { return };
    let grant = talk.grant(numbers);
    if grant == 0 {
        return;
    }
    if contact.card.meeting == Meeting::Greeting {
        cx.alarm_by(Alarm::Cell(id, 0), 0);
    } else if talk.told_credit == 0 || grant.saturating_sub(talk.told_credit) >= crate::limits::TAGS_QUIET / 2
    {
        // The other side learns it with the next cell; if nothing else is to be said, with one of its own.
        talk.owes = true;
        cx.alarm_by(Alarm::Ack(id), 20);
    }
}

/// Whether this contact still waits for something that a path could bring.
pub(crate) fn on_network(contact: &mut Contact, cx: &mut Cx<'_>) {
    if contact.card.meeting == Meeting::LookingUp {
        contact.out.lookups = 0;
        cx.alarm_by(Alarm::Meet(contact.id), 0);
    }
    outbox::on_network(contact, cx);
}
