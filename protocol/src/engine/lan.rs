//! Contacts on the same local network: what waits for them is handed over at once, and what they bring is taken in (DESIGN N2, SPEC §12).
//!
//! Relays are not spared: a cell goes to them as well, and comes twice at the worst. What this way tells of a cell is that the other
//! device has it; that its texts are delivered is told by the acknowledgement alone, as always.

use super::api::{ContactId, Event, Meeting, TrailEvent};
use super::contact::Contact;
use super::cx::{Alarm, Cx};
use super::inbox::{self, Expected};
use super::{Engine, arrivals::Arrived, outbox};
use crate::cell::Cell;
use crate::core::{Key, Mono, Op, Space, Value};
use crate::error::ErrorKind;
use crate::ids::Tag;
use crate::lan::LanKeys;
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// Cells named at once.
const NEXT_MAX: usize = 16;
/// Networks that may be accepted.
pub const NETWORKS_MAX: usize = 64;

/// What a local network is known by on this device; it says nothing to anybody else and is never sent.
pub type NetworkId = [u8; 16];

/// A command of whoever serves local networks.
#[derive(Debug, Clone)]
pub enum LanCommand {
    /// Contacts who may be looked for: [`LanReply::Contacts`].
    Contacts,
    /// A session with a contact began.
    Up(ContactId),
    /// The session with a contact ended.
    Down(ContactId),
    /// Cells that wait for the contact and were not named in this session: [`LanReply::Next`].
    Next(ContactId),
    /// The contact's device has these cells on disk, and expects this side's tags below `room`.
    Had {
        /// Whose device.
        contact: ContactId,
        /// Which cells.
        numbers: Vec<u64>,
        /// Tags below this may be used while the session lasts.
        room: u64,
    },
    /// The contact brings cells: [`LanReply::Taken`], once they are durable.
    Take(ContactId, Vec<Cell>),
    /// Networks on which contacts may be looked for: [`LanReply::Networks`].
    Networks,
    /// One more of them.
    Accept(NetworkId),
    /// One less, or none any more.
    Forget(Option<NetworkId>),
}

/// The answer to a [`LanCommand`].
#[derive(Debug, Clone)]
pub enum LanReply {
    /// Done and durable.
    Done,
    /// Contacts who may be looked for.
    Contacts(Vec<(ContactId, LanKeys)>),
    /// Numbers of cells on disk ([`Space::OutCell`]), oldest first; there may be more.
    Next(Vec<u64>),
    /// What became of cells that a contact brought.
    Taken {
        /// Places of those that are durable here.
        had: Vec<u32>,
        /// The contact's tags below this are expected.
        room: u64,
    },
    /// Networks on which contacts may be looked for.
    Networks(BTreeSet<NetworkId>),
}

impl Engine {
    pub(super) fn on_lan_command(&mut self, command: LanCommand) -> Result<LanReply, ErrorKind> {
        match command {
            LanCommand::Contacts => {
                let keys = |contact: &Contact| LanKeys::new(&contact.card.pair, contact.card.initiator);
                let may = self.contacts.values().filter(|contact| is_wanted(contact));
                Ok(LanReply::Contacts(may.map(|contact| (contact.id, keys(contact))).collect()))
            }
            LanCommand::Up(id) => {
                let contact = self.contacts.get_mut(&id).filter(|contact| is_wanted(contact));
                let contact = contact.ok_or(ErrorKind::NoSuchContact)?;
                begin(contact);
                contact.out.near = true;
                self.carrier.begin(id, self.now.mono);
                self.keep_waiting_shards();
                Ok(self.lan_taken(id, Vec::new()))
            }
            LanCommand::Down(id) => {
                if let Some(contact) = self.contacts.get_mut(&id) {
                    begin(contact);
                }
                self.carrier.end(id);
                Ok(LanReply::Done)
            }
            LanCommand::Next(id) => {
                let contact =
                    self.contacts.get_mut(&id).filter(|contact| is_wanted(contact) && contact.out.near);
                Ok(LanReply::Next(next(contact.ok_or(ErrorKind::NoSuchContact)?)))
            }
            LanCommand::Had { contact, numbers, room } => {
                let (contacts, mut cx) = self.with_contacts();
                let contact = contacts.get_mut(&contact).filter(|contact| contact.out.near);
                on_had(contact.ok_or(ErrorKind::NoSuchContact)?, &numbers, room, &mut cx);
                Ok(LanReply::Done)
            }
            LanCommand::Take(id, cells) => {
                if !self.contacts.get(&id).is_some_and(|contact| is_wanted(contact) && contact.out.near) {
                    return Err(ErrorKind::NoSuchContact);
                }
                Ok(self.lan_take(id, &cells))
            }
            LanCommand::Networks => Ok(LanReply::Networks(self.networks.clone())),
            LanCommand::Accept(network) => {
                if self.networks.len() >= NETWORKS_MAX && !self.networks.contains(&network) {
                    return Err(ErrorKind::Limit);
                }
                self.networks.insert(network);
                Ok(self.save_networks())
            }
            LanCommand::Forget(network) => {
                self.networks.retain(|known| network.is_some_and(|network| network != *known));
                Ok(self.save_networks())
            }
        }
    }

    fn save_networks(&mut self) -> LanReply {
        let value = Zeroizing::new(self.networks.iter().flatten().copied().collect());
        let (_, mut cx) = self.with_contacts();
        cx.write(Op::Put(Key::single(Space::Lan, 0), value));
        LanReply::Done
    }

    /// Takes the record of accepted networks at start.
    pub(super) fn load_networks(&mut self, value: &Value) {
        let (networks, rest) = value.as_chunks();
        self.networks = networks.iter().copied().take(NETWORKS_MAX).collect();
        self.faults += u64::from(!rest.is_empty());
    }

    fn lan_taken(&self, id: ContactId, had: Vec<u32>) -> LanReply {
        let talk = self.contacts.get(&id).and_then(|contact| contact.talk.as_ref());
        LanReply::Taken { had, room: talk.map_or(0, |talk| talk.wanted) }
    }

    fn lan_take(&mut self, id: ContactId, cells: &[Cell]) -> LanReply {
        let (mut had, mut before) = (Vec::new(), None);
        for (place, cell) in (0..).zip(cells) {
            let tag = cell.tag();
            let (is_here, is_known) = match self.inbox.whose(&tag) {
                Some(Expected::Contact(by, index)) if by == id => match self.arrive(cell, None) {
                    Arrived::Durable => {
                        let (mailboxes, mut cx) = self.with_mailboxes();
                        mailboxes.on_durable(tag.prefix(), &mut cx);
                        (true, false)
                    }
                    Arrived::Shut(..) => {
                        let known = self.may_have_opened(id, index);
                        (known, known)
                    }
                    Arrived::Later | Arrived::Refused => (false, false),
                },
                // What becomes of it is not known before its prekeys are loaded.
                Some(Expected::Reset(by)) if by == id => {
                    self.arrive(cell, None);
                    (false, false)
                }
                // A contact brings what is its own, and nothing in the name of others.
                Some(_) => (false, false),
                None => {
                    let known = before.get_or_insert_with(|| self.tags_of(id)).contains(&tag);
                    (known, known)
                }
            };
            if is_here {
                had.push(place);
            }
            if is_known {
                // It was acknowledged over relays perhaps, and its author may not reach them.
                let (contacts, mut cx) = self.with_contacts();
                if let Some(talk) = contacts.get_mut(&id).and_then(|contact| contact.talk.as_mut()) {
                    talk.owes = true;
                    cx.alarm_by(Alarm::Ack(id), inbox::ACK_MS);
                }
            }
            self.pass_signals();
        }
        self.lan_taken(id, had)
    }

    /// Tags of a contact whose cells may have been opened already.
    fn tags_of(&self, id: ContactId) -> BTreeSet<Tag> {
        let talk = self.contacts.get(&id).and_then(|contact| contact.talk.as_ref());
        let tags = talk.map(|talk| {
            let near = talk.wanted.saturating_sub(2 * outbox::TAG_SPAN)..talk.wanted;
            talk.session.receive_tags().tags(near)
        });
        tags.into_iter().flatten().map(|(_, tag)| tag).collect()
    }
}

/// Whether a contact is looked for and served: somebody with keys, with whom this person wants to talk.
pub(crate) fn is_wanted(contact: &Contact) -> bool {
    contact.card.meeting == Meeting::Connected
        && contact.card.pair.iter().any(|byte| *byte != 0)
        && !contact.terms.blocked
        && !contact.terms.keys_changed
}

/// Nothing was named in the session that begins now, and none is left of the one that ended.
fn begin(contact: &mut Contact) {
    contact.out.near = false;
    contact.out.room = 0;
    for cell in contact.out.cells.values_mut() {
        cell.lan.named = false;
    }
}

fn next(contact: &mut Contact) -> Vec<u64> {
    let waiting = contact.out.cells.iter_mut().filter(|(_, cell)| !cell.lan.named && !cell.lan.had);
    let named = waiting.take(NEXT_MAX).map(|(number, cell)| {
        cell.lan.named = true;
        *number
    });
    named.collect()
}

fn on_had(contact: &mut Contact, numbers: &[u64], room: u64, cx: &mut Cx<'_>) {
    let id = contact.id;
    for number in numbers {
        let Some(cell) = contact.out.cells.get_mut(number).filter(|cell| cell.lan.named) else { continue };
        if !core::mem::replace(&mut cell.lan.had, true) {
            // Only their device's own word earns this step; sending alone does not.
            cell.step(TrailEvent::Near, cx);
        }
        if cell.count == 0 {
            // Nothing else will come of it.
            if let Some(cell) = contact.out.cells.remove(number) {
                cell.retire(id, *number, None, cx);
            }
        }
    }
    if let Some(talk) = &contact.talk {
        let used = talk.next_nth.into_iter().max().unwrap_or(0).saturating_mul(16);
        if room > talk.credit.max(used) + inbox::CREDIT_AHEAD_MAX {
            cx.fault();
        } else {
            contact.out.room = contact.out.room.max(room);
        }
    }
    cx.alarm_by(Alarm::Pump(id), 0);
}

/// What this way knows of a cell.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OnLan {
    /// It was named in the present session.
    named: bool,
    /// The other side's device has it on disk.
    pub(crate) had: bool,
    /// A neighbour said that it carries it.
    pub(crate) handed: bool,
    /// When it was sealed, if that was since the start.
    pub(crate) since: Option<Mono>,
    /// Its tag may be one that the other side expects and has not registered at its relays yet.
    pub(crate) beyond: bool,
}

/// A cell was sealed; tells that it can be fetched once it is durable.
pub(crate) fn on_sealed(contact: &Contact, cx: &mut Cx<'_>) {
    if contact.out.near {
        cx.notify(Event::LanWaits);
    }
}
