//! Cells that leave and come in bundle files instead of through relays (DESIGN N2, SPEC §8).

use super::Engine;
use super::api::{ContactId, Reply};
use super::arrivals::Arrived;
use super::inbox::Expected;
use super::outbox::{self, TAG_SPAN};
use crate::cell::Cell;
use crate::error::ErrorKind;
use crate::ids::Tag;
use std::collections::BTreeMap;

/// Cells packed at once for one contact.
const PACKED_MAX: usize = 64;

/// What became of cells from a bundle file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unpacked {
    /// Opened, and durable now.
    pub opened: u32,
    /// Answers to resets: what they need is being loaded, and what becomes of them is not known yet.
    pub pending: u32,
    /// For this person, and here already.
    pub known: u32,
    /// For this person, and damaged or not understood.
    pub refused: u32,
    /// Places of those that are for somebody else, as far as this device can tell.
    pub foreign: Vec<u32>,
}

impl Engine {
    /// Packs what waits for `only`, or for everybody, into cells that a bundle file takes from the disk: also what would wait for a cell
    /// under way. Answers with the texts that found no place: their contacts have to answer first, or they are being read from disk.
    pub(super) fn pack_for_file(&mut self, only: Option<ContactId>) -> Result<Reply, ErrorKind> {
        if only.is_some_and(|only| !self.contacts.contains_key(&only)) {
            return Err(ErrorKind::NoSuchContact);
        }
        let chosen: Vec<ContactId> =
            self.contacts.keys().copied().filter(|id| only.is_none_or(|only| only == *id)).collect();
        let mut waiting = 0;
        for id in chosen {
            self.with_mine(id, |contact, mine, cx| {
                outbox::pack_now(contact, PACKED_MAX, mine, cx);
                let packed = contact.talk.as_ref().map_or(1, |talk| talk.next_pack);
                waiting += contact.next_seq.saturating_sub(packed);
            });
        }
        Ok(Reply::Packed { waiting })
    }

    /// Takes cells from a bundle file; what is said of them, all but of those pending, is durable when the answer leaves.
    pub(super) fn unpack(&mut self, cells: &[Cell]) -> Reply {
        let mut out = Unpacked::default();
        let taken = self.tags_of_contacts();
        for (place, cell) in (0..).zip(cells) {
            let tag = cell.tag();
            let whose = self.inbox.whose(&tag);
            let before = taken.get(&tag);
            match whose.map(|_| self.arrive(cell, None)) {
                Some(Arrived::Durable) => {
                    out.opened += 1;
                    let (mailboxes, mut cx) = self.with_mailboxes();
                    mailboxes.on_durable(tag.prefix(), &mut cx);
                }
                Some(Arrived::Later) => out.pending += 1,
                // It was opened before this device was started.
                Some(Arrived::Shut(id, index)) if self.may_have_opened(id, index) => out.known += 1,
                Some(Arrived::Refused | Arrived::Shut(..)) => out.refused += 1,
                None if before.is_some() => out.known += 1,
                None => out.foreign.push(place),
            }
            let from = match whose {
                Some(Expected::Contact(id, _)) => Some(id),
                _ => before.copied(),
            };
            // Its author may have no other way to learn that it arrived than the next file.
            if let Some(talk) = from.and_then(|id| self.contacts.get_mut(&id)?.talk.as_mut()) {
                talk.owes = true;
            }
            // What a cell asks for (letters, gifts, lost messages) is carried out before the next one is looked at.
            self.pass_signals();
        }
        Reply::Unpacked(out)
    }

    pub(super) fn may_have_opened(&self, id: ContactId, index: u64) -> bool {
        let talk = self.contacts.get(&id).and_then(|contact| contact.talk.as_ref());
        talk.is_some_and(|talk| index < talk.used_index)
    }

    /// Tags of all contacts whose cells may have been opened already.
    fn tags_of_contacts(&self) -> BTreeMap<Tag, ContactId> {
        let talks = self.contacts.values().filter_map(|contact| Some((contact.id, contact.talk.as_ref()?)));
        talks
            .flat_map(|(id, talk)| {
                let tags = talk.session.receive_tags();
                let near = talk.wanted.saturating_sub(2 * TAG_SPAN)..talk.wanted;
                tags.tags(near).into_iter().map(move |(_, tag)| (tag, id))
            })
            .collect()
    }
}
