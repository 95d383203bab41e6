//! A disk that can be cut between any two batches.

use karvon_protocol::cell::Cell;
use karvon_protocol::core::{Batch, BatchId, CellIndex, Key, Op, Range, Space, Value};
use karvon_protocol::ids::MailboxId;
use std::collections::{BTreeMap, VecDeque};
use zeroize::Zeroizing;

/// What is durable, and what was written and is not yet.
#[derive(Default)]
pub struct Disk {
    pub kv: BTreeMap<Key, Value>,
    pub cells: BTreeMap<(MailboxId, u64), (u64, Cell)>,
    pub pending: VecDeque<Batch>,
}

impl Disk {
    pub fn sync(&mut self, upto: BatchId) {
        while self.pending.front().is_some_and(|batch| batch.id <= upto) {
            for op in self.pending.pop_front().unwrap().ops {
                match op {
                    Op::Put(key, value) => drop(self.kv.insert(key, value)),
                    Op::Remove(key) => drop(self.kv.remove(&key)),
                    Op::AppendCell { mailbox, seq, expiry_s, cell } => {
                        self.cells.insert((mailbox, seq), (expiry_s, cell));
                    }
                    Op::DropCell { mailbox, seq } => drop(self.cells.remove(&(mailbox, seq))),
                }
            }
        }
    }

    pub fn load(&self, range: &Range) -> Vec<(Key, Value)> {
        let rows =
            |from: Key, to: Key| self.kv.range(from..=to).map(|(k, v)| (*k, v.clone())).collect::<Vec<_>>();
        match range {
            Range::One(key) => self.kv.get(key).map(|value| (*key, value.clone())).into_iter().collect(),
            Range::Space(space) => rows(Key::of(*space, [0; 16], 0), Key::of(*space, [255; 16], u64::MAX)),
            Range::Group { space, group, from, to, limit, newest } => {
                if from >= to {
                    return Vec::new();
                }
                let mut out = rows(Key::of(*space, *group, *from), Key::of(*space, *group, to - 1));
                if *newest {
                    out.reverse();
                }
                out.truncate(*limit);
                out
            }
            Range::Cells { mailbox, from, bytes_max } => {
                let mut out = Vec::new();
                let mut bytes = 0;
                for ((_, seq), (_, cell)) in self.cells.range((*mailbox, *from)..=(*mailbox, u64::MAX)) {
                    if !out.is_empty() && bytes + cell.bytes().len() > *bytes_max {
                        break;
                    }
                    bytes += cell.bytes().len();
                    let key = Key::of(Space::RelayCell, mailbox.0, *seq);
                    out.push((key, Zeroizing::new(cell.bytes().to_vec())));
                }
                out
            }
            Range::CellIndex => self
                .cells
                .iter()
                .map(|((mailbox, seq), (expiry_s, cell))| {
                    let index = CellIndex {
                        prefix: cell.tag().prefix().0,
                        hash: cell.hash().0,
                        class: cell.class() as u8,
                        expiry_s: *expiry_s,
                    };
                    (Key::of(Space::RelayCell, mailbox.0, *seq), Zeroizing::new(index.encode()))
                })
                .collect(),
        }
    }
}
