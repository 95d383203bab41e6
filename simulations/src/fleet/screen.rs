//! What a person's screen shows: events and rows on the disk turned into facts.

use super::book;
use super::person::{Shared, TRAIL_FULL};
use crate::oracle::{Fact, Message};
use karvon_node::store::{MemoryStore, Store, system_clock};
use karvon_protocol::body::{Body, Content};
use karvon_protocol::core::{Key, Range, Space};
use karvon_protocol::engine::api::{
    Command, ContactId, Delivery, Event, MessageState, Reply, StoredMessage, TrailEvent,
};
use karvon_protocol::engine::channel_api::ChannelEvent;
use karvon_protocol::engine::group_api::{GroupEvent, GroupNumber};
use karvon_protocol::ids::MessageId;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use zeroize::Zeroizing;

/// Numbers so far ahead are not late ones.
const JUMP: u64 = 1 << 31;

pub(super) async fn on_event(shared: &Arc<Shared>, event: Event) {
    match event {
        // After a start the screen shows what is on the disk, seen before or not.
        Event::Ready => {
            for contact in received_from(shared) {
                let answer = shared.calls.ask(Command::Delivery(contact)).await;
                if let Some(Ok(Reply::Delivery(delivery))) = answer {
                    shared.book().all_below(contact, delivery.received_below);
                }
            }
            show_all(shared);
            shared.seen().lines(&shared.world, shared.person, &rows(shared, &Range::Space(Space::GroupLine)));
            let entries = rows(shared, &Range::Space(Space::ChannelEntry));
            shared.seen().on_disk(&shared.world, shared.person, &entries);
        }
        Event::Group(GroupEvent::Received { group, from, to }) => show_lines(shared, group, from, to),
        Event::Channel(ChannelEvent::Received { channel, seq }) => {
            shared.seen().entry(&shared.world, shared.person, channel, seq);
        }
        Event::Received { contact, to, .. } => {
            shared.book().all_below(contact, to.saturating_add(1));
            show(shared, contact);
        }
        Event::Renumbered { contact, seq, .. } => {
            if let Some(message) = own_message(shared, contact, seq) {
                shared.book().renumbered(contact, seq, message);
            }
        }
        Event::Delivery(contact, delivery) => {
            for (contact, id) in on_delivery(shared, contact, &delivery) {
                check_promise(shared, contact, id).await;
            }
        }
        Event::Network { .. }
        | Event::Contact(_)
        | Event::Changed { .. }
        | Event::Requests
        | Event::Typing(_)
        | Event::Data(_)
        | Event::Group(_)
        | Event::Channel(_)
        | Event::LanWaits => {}
    }
}

/// Shows the lines of a group from one place to another.
fn show_lines(shared: &Shared, group: GroupNumber, from: u64, to: u64) {
    let range = Range::Group {
        space: Space::GroupLine,
        group: group.records(),
        from,
        to: to.saturating_add(1),
        limit: usize::MAX,
        newest: false,
    };
    shared.seen().lines(&shared.world, shared.person, &rows(shared, &range));
}

pub(super) fn rows(shared: &Shared, range: &Range) -> Vec<(Key, Zeroizing<Vec<u8>>)> {
    MemoryStore::open(&shared.disk, system_clock()).load(range).unwrap_or_default()
}

fn received_from(shared: &Shared) -> BTreeSet<ContactId> {
    let number =
        |group: [u8; 16]| group.first_chunk::<4>().map(|bytes| ContactId(u32::from_be_bytes(*bytes)));
    let rows = rows(shared, &Range::Space(Space::Received));
    rows.into_iter().filter_map(|(key, _)| number(key.group)).collect()
}

/// Shows everything that came in and was not shown yet.
pub(super) fn show_all(shared: &Shared) {
    for contact in received_from(shared) {
        show(shared, contact);
    }
}

/// The own message that the device has under a number.
pub(super) fn own_message(shared: &Shared, contact: ContactId, seq: u64) -> Option<Message> {
    let row = rows(shared, &Range::One(Key::of(Space::Sent, contact.group(), seq)));
    let stored = row.first().and_then(|(_, value)| StoredMessage::decode(value))?;
    match Body::decode(&stored.body).ok()?.content {
        Content::Text(text) => book::parse(&text),
        _ => None,
    }
}

/// Shows what came in from `contact` and was not shown yet.
fn show(shared: &Shared, contact: ContactId) {
    let below = shared.book().received_below(contact);
    let from = shared.book().unseen_from(contact);
    let range = Range::Group {
        space: Space::Received,
        group: contact.group(),
        from,
        to: u64::MAX,
        limit: usize::MAX,
        newest: false,
    };
    let mut next = from;
    let rows = rows(shared, &range);
    // The author's device was set back, or restored, and goes on far beyond all numbers that were used.
    let jumps = rows.iter().any(|(key, _)| key.seq < below && key.seq >= next.saturating_add(JUMP));
    for (key, value) in rows {
        let in_order = key.seq == next || jumps && key.seq < below;
        if in_order {
            next = key.seq + 1;
            shared.book().seen(contact, key.seq);
        }
        let body = StoredMessage::decode(&value).and_then(|stored| Body::decode(&stored.body).ok());
        let Some(Content::Text(text)) = body.map(|body| body.content) else { continue };
        let Some(message) = book::parse(&text) else { continue };
        if in_order {
            shared.world.fact(&Fact::Shown(message));
            shared.arrivals.add(message, shared.world.now());
        } else {
            // An earlier message is missing; the messenger asks for it before it shows this one.
            shared.world.fact(&Fact::Held(message));
        }
    }
}

/// Tells what moved on; returns messages that are now stored, to be asked about.
pub(super) fn on_delivery(
    shared: &Shared,
    contact: ContactId,
    delivery: &Delivery,
) -> Vec<(Message, MessageId)> {
    let moved = shared.book().moved(contact, delivery);
    let mut stored = Vec::new();
    for (seq, own) in moved {
        match own.state {
            MessageState::Queued => {}
            MessageState::Stored => {
                let range = Range::One(Key::of(Space::Sent, contact.group(), seq));
                let row = rows(shared, &range).into_iter().next();
                let id = row.and_then(|(_, value)| StoredMessage::decode(&value)).map(|message| message.id);
                stored.extend(id.map(|id| (own.message, id)));
            }
            // What is not on the device under this number, because the device was set back, shows no mark.
            MessageState::Delivered | MessageState::Read
                if own_message(shared, contact, seq) == Some(own.message) =>
            {
                shared.arrivals.look(own.message.to);
                shared.world.fact(&Fact::Delivered(own.message));
            }
            MessageState::Delivered | MessageState::Read => {}
        }
    }
    stored
}

async fn check_promise(shared: &Shared, message: Message, id: MessageId) {
    let Some(Ok(Reply::Message { state: MessageState::Stored, trail, .. })) =
        shared.calls.ask(Command::Message(id)).await
    else {
        return;
    };
    if trail.len() >= TRAIL_FULL {
        return;
    }
    let relays: BTreeSet<_> = trail
        .iter()
        .filter_map(|step| match step.what {
            TrailEvent::Stored(relay, _) => Some(relay),
            _ => None,
        })
        .collect();
    let promised = *shared.promised.lock().unwrap_or_else(PoisonError::into_inner);
    shared.world.fact(&Fact::Stored { message, confirmed: relays.len() as u32, promised });
}
