//! The start: a relay loads its own state, and what comes before it is there waits in a bounded queue.

use super::RelayCore;
use super::api::RelayEvent;
use super::cx::{Cx, Purpose};
use super::limits::{EARLY_MAX, SWEEP_MS};
use super::objects;
use crate::core::{Core as _, Input, Key, Output, Range, Reason, Space, Value};
use crate::error::ErrorKind;
use crate::link::Kind;
use std::collections::VecDeque;

pub(super) struct Start {
    /// Loads without an answer.
    missing: usize,
    early: VecDeque<Input<super::api::RelayCommand>>,
}

impl Start {
    pub(super) fn new(cx: &mut Cx) -> Self {
        cx.load_space(Space::RelayMeta, Purpose::Meta);
        cx.load_space(Space::RelaySlot, Purpose::Slots);
        cx.load_space(Space::Descriptor, Purpose::Descriptors);
        cx.load_space(Space::RelayMailbox, Purpose::Mailboxes);
        cx.load(objects::index_range(cx.limits.objects.saturating_mul(2)), Purpose::Objects);
        cx.load_space(Space::RelayShard, Purpose::Shards);
        Self { missing: 6, early: VecDeque::new() }
    }
}

impl RelayCore {
    /// A part of the stored state is there.
    pub(super) fn on_restored(&mut self, purpose: Purpose, rows: Vec<(Key, Value)>) {
        match purpose {
            Purpose::Meta => {
                self.onion.restore(&rows);
                self.cx.counts.draining = self.onion.is_draining();
            }
            Purpose::Slots => self.slots.restore(&rows),
            Purpose::Descriptors => self.directory.restore(rows, &mut self.cx),
            Purpose::Objects => self.objects.restore(&rows),
            Purpose::Shards => self.shards.restore(&rows),
            Purpose::Mailboxes => {
                self.mailboxes.restore(&rows);
                // Cells are counted into mailboxes, so their index comes last.
                self.cx.load(Range::CellIndex, Purpose::CellIndex);
                return;
            }
            Purpose::CellIndex => self.mailboxes.restore_cells(&rows, &mut self.cx),
            Purpose::Tags(_)
            | Purpose::Reap(_)
            | Purpose::Fetch { .. }
            | Purpose::Object { .. }
            | Purpose::Handed { .. }
            | Purpose::ShardCell { .. }
            | Purpose::UnitHead { .. }
            | Purpose::UnitCell { .. }
            | Purpose::Pieces { .. } => return,
        }
        self.start.missing = self.start.missing.saturating_sub(1);
        if self.start.missing == 0 && self.sweep_at.is_none() {
            self.begin();
        }
    }

    fn begin(&mut self) {
        let now = self.cx.now;
        self.sweep_at = Some(now.mono.after_ms(SWEEP_MS));
        self.onion.rotate(&mut self.cx);
        self.slots.announce(&mut self.cx);
        self.cx.notify(RelayEvent::Ready);
        self.onion.announce(&mut self.cx);
    }

    /// The own descriptor is durable and may be shown: the first time the relay begins to serve, later its neighbours are told.
    pub(super) fn publish(&mut self, signed: Vec<u8>) {
        let first = !self.onion.is_published();
        self.onion.set_published(signed);
        if first {
            for input in core::mem::take(&mut self.start.early) {
                self.handle(input, self.cx.now);
            }
        } else {
            for link in self.links.mesh() {
                self.send_own(link, Kind::Descriptor);
            }
        }
    }

    /// Keeps an input until the state is there, or refuses it.
    pub(super) fn hold_early(&mut self, input: Input<super::api::RelayCommand>) {
        if self.start.early.len() < EARLY_MAX {
            return self.start.early.push_back(input);
        }
        let fx = &mut self.cx.fx;
        match input {
            Input::Command(id, _) => fx.at_once(Output::Reply(id, Err(ErrorKind::Busy))),
            Input::LinkUp(link, _) => fx.at_once(Output::Disconnect(link, Reason::Idle)),
            Input::Frame { link, .. } => {
                let of_link = |early: &Input<_>| match early {
                    Input::LinkUp(other, _) | Input::Frame { link: other, .. } => *other == link,
                    _ => false,
                };
                self.start.early.retain(|early| !of_link(early));
                fx.at_once(Output::Disconnect(link, Reason::Idle));
            }
            Input::LinkDown(link, _) => {
                self.start.early.retain(|early| !matches!(early, Input::LinkUp(other, _) if *other == link));
            }
            _ => {}
        }
    }
}
