//! Cells of groups and channels among neighbours: kept to be carried, and tried with the keys of this device (SPEC §12.5).
//!
//! They are carried like all others, and nothing on the way tells them from others. Whoever gets one tries it with what it has of its own
//! groups and channels, and takes what is its own as if a relay had brought it.

use super::Engine;
use super::api::ContactId;
use super::carrier::{RELAYS, today};
use super::cx::{Cx, Signal, context};
use crate::bundle_file::{CARRY_DAYS, Carried};
use crate::cell::Cell;
use crate::core::{Key, LoadId, Range, Value};
use crate::group::seed::detects;
use crate::ids::{CellHash, MessageId, Tag};

/// What became of a cell that a key of a group or channel fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is tried again when more is known.
    Waits,
    /// It was taken, or tells others more than this device; these messages are in it.
    Taken(Vec<MessageId>),
    /// It told nothing that was not here, or nothing good.
    Nothing,
}

impl Heard {
    /// To be kept for neighbours, if a relay brought it; before it is heard that a message in it is gone.
    pub(crate) fn kept(self, cell: &Cell, cx: &mut Cx<'_>) {
        let posts = match self {
            Self::Waits => None,
            Self::Taken(posts) => Some(posts),
            Self::Nothing => return,
        };
        cx.signals.push_front(Signal::ShardCell(cell.clone(), RELAYS, posts));
    }
}

impl Engine {
    /// A cell came in a file or from a neighbour, and no contact's tag names it: what it says to a group or channel of this person.
    pub(super) fn hear_shard(&mut self, cell: &Cell) {
        let tag = cell.tag();
        let mut cx = context!(self);
        let heard = if let Some(group) = self.groups.groups.values_mut().find(|group| group.hears(&tag)) {
            group.on_near_cell(cell, &self.contacts, &mut cx)
        } else {
            let channel = self.channels.channels.values_mut().find(|channel| channel.hears(&tag));
            channel.map_or(Heard::Waits, |channel| channel.on_near_cell(cell, &mut cx))
        };
        let (carrier, mut cx) = self.with_carrier();
        match heard {
            Heard::Waits => {}
            Heard::Taken(posts) => carrier.note_heard(&cell.hash(), Some(posts), &mut cx),
            Heard::Nothing => carrier.note_heard(&cell.hash(), None, &mut cx),
        }
    }

    /// Keeps a cell of an own group or channel for neighbours, an own one or one of [`RELAYS`], with the messages that were read in it.
    pub(super) fn keep_shard(&mut self, cell: Cell, by: ContactId, posts: Option<Vec<MessageId>>) {
        let name = cell.hash();
        if self.networks.is_empty() || !self.carrier.is_on() || self.carrier.holds(&name) {
            return;
        }
        let (carrier, mut cx) = self.with_carrier();
        carrier.age(&mut cx);
        let until_day = today(&cx).saturating_add(CARRY_DAYS);
        let room = carrier.room;
        if carrier.place(by, &Carried { cell, until_day }, room, &mut cx) && posts.is_some() {
            carrier.note_heard(&name, posts, &mut cx);
        }
    }

    /// A message to a group is gone from this device.
    pub(super) fn on_forgotten(&mut self, id: &MessageId) {
        let (carrier, mut cx) = self.with_carrier();
        carrier.forget_message(id, &mut cx);
    }

    /// Own cells that wait for relays may have been written before there was somebody to carry them.
    pub(super) fn keep_waiting_shards(&mut self) {
        let mut cx = context!(self);
        self.groups.groups.values().for_each(|group| group.offer_waiting(&mut cx));
        self.channels.channels.values().for_each(|channel| channel.offer_waiting(&mut cx));
    }

    /// A key became known: what is carried may be for it.
    pub(super) fn on_shard_key(&mut self, shard: u16, key: &[u8; 32]) {
        let found = self.carrier.tagged(true, |tag| detects(key, shard, tag));
        self.try_again(found);
    }

    /// After the start: what was on its way to its group or channel when this device went off is tried again.
    pub(super) fn start_island(&mut self) {
        let groups = self.groups.groups.values().flat_map(|group| group.ears());
        let channels = self.channels.channels.values().map(|channel| channel.ear());
        let keys: Vec<_> = groups.chain(channels).collect();
        let fits = |tag: &Tag| keys.iter().any(|(shard, key)| detects(key, *shard, tag));
        let found = self.carrier.tagged(false, fits);
        self.try_again(found);
    }

    fn try_again(&mut self, found: Vec<CellHash>) {
        self.carrier.again.extend(found);
        self.read_again();
    }

    fn read_again(&mut self) {
        let (carrier, mut cx) = self.with_carrier();
        while carrier.reading.is_none()
            && let Some(name) = carrier.again.pop_first()
        {
            carrier.reading = carrier.key_of(&name).map(|key| cx.load(Range::One(key)));
        }
    }

    /// Takes a carried cell that was read; `false` if it was not asked for here.
    pub(super) fn on_carried_loaded(&mut self, load: LoadId, rows: &[(Key, Value)]) -> bool {
        if self.carrier.reading != Some(load) {
            return false;
        }
        self.carrier.reading = None;
        if let Some(cell) = rows.first().and_then(|(_, value)| Cell::parse(value.to_vec()).ok()) {
            self.hear_shard(&cell);
        }
        self.read_again();
        true
    }
}
