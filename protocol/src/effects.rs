//! The gate between deciding and doing: effects leave only once the batch they rest on is durable, frames before words to this side.

use crate::core::{Batch, BatchId, Op, Output};
use crate::limits::{UNSYNCED_BATCHES_MAX, UNSYNCED_BYTES_MAX};
use std::collections::VecDeque;

/// Collects the changes and effects of a turn; see [`crate::core::Core`].
#[derive(Debug)]
pub struct Effects<R, E> {
    ops: Vec<Op>,
    ops_bytes: usize,
    /// The batch that `ops` will become.
    next: BatchId,
    /// The last batch handed out.
    issued: BatchId,
    stored: BatchId,
    /// Frames for the network, in order.
    frames: VecDeque<(BatchId, Output<R, E>)>,
    /// All else that waits, in order.
    gated: VecDeque<(BatchId, Output<R, E>)>,
    open: VecDeque<Output<R, E>>,
    /// Bytes of each batch handed out and not yet stored.
    unsynced: VecDeque<(BatchId, usize)>,
}

impl<R, E> Default for Effects<R, E> {
    fn default() -> Self {
        Self {
            ops: Vec::new(),
            ops_bytes: 0,
            next: BatchId(1),
            issued: BatchId(0),
            stored: BatchId(0),
            frames: VecDeque::new(),
            gated: VecDeque::new(),
            open: VecDeque::new(),
            unsynced: VecDeque::new(),
        }
    }
}

impl<R, E> Effects<R, E> {
    /// Adds a change to the batch of this turn.
    pub fn write(&mut self, op: Op) {
        self.ops_bytes += match &op {
            Op::Put(_, value) => value.len() + 64,
            Op::AppendCell { cell, .. } => cell.bytes().len() + 64,
            Op::Remove(_) | Op::DropCell { .. } => 64,
        };
        self.ops.push(op);
    }

    /// An effect that rests on what was written up to now, in this turn or earlier.
    pub fn after_stored(&mut self, output: Output<R, E>) {
        let rests_on = if self.ops.is_empty() { self.issued } else { self.next };
        let queue = if matches!(output, Output::Send { .. }) { &mut self.frames } else { &mut self.gated };
        queue.push_back((rests_on, output));
    }

    /// An effect that rests on nothing that was written: requests, loads, dials, pushes a relay may make before its own fsync.
    pub fn at_once(&mut self, output: Output<R, E>) {
        self.open.push_back(output);
    }

    /// Takes the store's word that all batches up to `upto` are durable.
    pub fn stored(&mut self, upto: BatchId) {
        self.stored = self.stored.max(upto);
        while self.unsynced.front().is_some_and(|(id, _)| *id <= self.stored) {
            self.unsynced.pop_front();
        }
    }

    /// The next output: the batch of the turn first, then what may leave.
    pub fn poll(&mut self) -> Option<Output<R, E>> {
        if !self.ops.is_empty() {
            let batch = Batch { id: self.next, ops: core::mem::take(&mut self.ops) };
            self.unsynced.push_back((self.next, core::mem::take(&mut self.ops_bytes)));
            self.issued = self.next;
            self.next = BatchId(self.next.0 + 1);
            return Some(Output::Persist(batch));
        }
        if let Some(output) = self.open.pop_front() {
            return Some(output);
        }
        let stored = self.stored;
        // The other side waits longer than whoever asked here.
        [&mut self.frames, &mut self.gated].into_iter().find_map(|queue| {
            let (_, output) = queue.pop_front_if(|(rests_on, _)| *rests_on <= stored)?;
            Some(output)
        })
    }

    /// Whether little enough waits for the disk to take more input.
    #[must_use]
    pub fn ready(&self) -> bool {
        let bytes: usize = self.unsynced.iter().map(|(_, bytes)| bytes).sum();
        self.issued.0 - self.stored.0.min(self.issued.0) <= UNSYNCED_BATCHES_MAX
            && bytes + self.ops_bytes <= UNSYNCED_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{CommandId, Key, LinkId, Space};
    use crate::link::{Frame, Kind};
    use zeroize::Zeroizing;

    fn put() -> Op {
        Op::Put(Key::single(Space::Meta, 1), Zeroizing::new(vec![1]))
    }

    #[test]
    fn a_reply_waits_for_the_batch_it_rests_on_and_no_other() {
        let mut effects: Effects<u8, u8> = Effects::default();
        effects.after_stored(Output::Notify(1));
        effects.write(put());
        effects.after_stored(Output::Reply(CommandId(1), Ok(2)));
        assert!(matches!(effects.poll(), Some(Output::Persist(batch)) if batch.id == BatchId(1)));
        assert!(matches!(effects.poll(), Some(Output::Notify(1))), "rests on nothing written");
        assert!(effects.poll().is_none(), "the reply must wait");
        effects.write(put());
        effects.after_stored(Output::Notify(3));
        assert!(matches!(effects.poll(), Some(Output::Persist(batch)) if batch.id == BatchId(2)));
        effects.stored(BatchId(1));
        assert!(matches!(effects.poll(), Some(Output::Reply(_, Ok(2)))));
        assert!(effects.poll().is_none());
        effects.stored(BatchId(2));
        assert!(matches!(effects.poll(), Some(Output::Notify(3))));
    }

    #[test]
    fn a_frame_leaves_before_the_reply_that_rests_on_the_same_batch_and_not_before_its_own() {
        let mut effects: Effects<u8, u8> = Effects::default();
        let frame =
            |tunnel| Output::Send { link: LinkId(1), frame: Frame::new(Kind::Data, tunnel, Vec::new()) };
        effects.write(put());
        effects.after_stored(Output::Reply(CommandId(1), Ok(2)));
        effects.after_stored(frame(1));
        assert!(matches!(effects.poll(), Some(Output::Persist(_))));
        effects.write(put());
        effects.after_stored(frame(2));
        assert!(matches!(effects.poll(), Some(Output::Persist(_))));
        assert!(effects.poll().is_none());
        effects.stored(BatchId(1));
        assert!(matches!(effects.poll(), Some(Output::Send { frame, .. }) if frame.tunnel == 1));
        assert!(matches!(effects.poll(), Some(Output::Reply(_, Ok(2)))));
        assert!(effects.poll().is_none(), "the second frame rests on the second batch");
    }

    #[test]
    fn too_much_unsynced_stops_the_input() {
        let mut effects: Effects<u8, u8> = Effects::default();
        for _ in 0..=UNSYNCED_BATCHES_MAX {
            assert!(effects.ready());
            effects.write(put());
            let _ = effects.poll();
        }
        assert!(!effects.ready());
        effects.stored(BatchId(1));
        assert!(effects.ready());
    }
}
