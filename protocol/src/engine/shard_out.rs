//! Own cells on their way to a shard: brought to relays until two have them on disk (DESIGN D6).

use super::cx::{Ask, Cx, Signal, Token};
use super::doors::Doors;
use super::routes::{Lane, RouteError};
use super::spend::For;
use crate::cell::Cell;
use crate::core::{Key, Mono, Op, Space};
use crate::ids::RelayId;
use crate::limits::STORED_AT;
use crate::rpc::{Reply, Request};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// A relay that has not answered after this time is not waited for, milliseconds.
const PATIENCE_MS: u64 = 10_000;

/// A cell on its way.
#[derive(Debug)]
struct Outgoing {
    cell: Cell,
    /// Own messages in it.
    carried: Vec<u64>,
    asked: BTreeMap<RelayId, Asked>,
    stored: Vec<RelayId>,
}

/// A relay that was asked to take a cell.
#[derive(Debug, Clone, Copy)]
struct Asked {
    since: Mono,
    /// It said no: another one may be asked at once, and itself again when its time is over.
    refused: bool,
}

impl Outgoing {
    const fn new(cell: Cell, carried: Vec<u64>) -> Self {
        Self { cell, carried, asked: BTreeMap::new(), stored: Vec::new() }
    }
}

/// Where cells go, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) shard: u16,
    pub(crate) lane: Lane,
    /// The relay that is followed sees who listens; it had better not see who speaks.
    pub(crate) avoid: Option<RelayId>,
}

/// Cells that fewer than two relays have confirmed.
#[derive(Debug)]
pub(crate) struct ShardOut {
    cells: BTreeMap<u64, Outgoing>,
    next: u64,
    space: Space,
    records: [u8; 16],
}

impl ShardOut {
    /// None yet; their records lie in this space under this group.
    pub(crate) const fn new(space: Space, records: [u8; 16]) -> Self {
        Self { cells: BTreeMap::new(), next: 1, space, records }
    }

    /// Keeps a cell; its number.
    pub(crate) fn put(&mut self, cell: Cell, carried: Vec<u64>, cx: &mut Cx<'_>) -> u64 {
        let number = self.next;
        self.next += 1;
        let mut out = Zeroizing::new((carried.len() as u32).to_be_bytes().to_vec());
        carried.iter().for_each(|seq| out.extend_from_slice(&seq.to_be_bytes()));
        out.extend_from_slice(cell.bytes());
        cx.write(Op::Put(Key::of(self.space, self.records, number), out));
        self.cells.insert(number, Outgoing::new(cell, carried));
        number
    }

    /// Takes back a cell: `count 4 | { seq 8 }… | cell`.
    pub(crate) fn load(&mut self, number: u64, value: &[u8]) -> Option<()> {
        let mut reader = crate::crypto::fixed::Reader(value);
        let count = reader.u32()?;
        let mut carried = Vec::new();
        for _ in 0..count {
            carried.push(reader.u64()?);
        }
        let cell = Cell::parse(reader.0.to_vec()).ok()?;
        self.next = self.next.max(number.saturating_add(1));
        self.cells.insert(number, Outgoing::new(cell, carried));
        Some(())
    }

    /// Gives all up.
    pub(crate) fn clear(&mut self, cx: &mut Cx<'_>) {
        for number in core::mem::take(&mut self.cells).into_keys() {
            cx.write(Op::Remove(Key::of(self.space, self.records, number)));
        }
    }

    /// Numbers of all cells.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.cells.keys().copied().collect()
    }

    /// All cells, with the numbers of own messages in each.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (&Cell, &[u64])> {
        self.cells.values().map(|held| (&held.cell, &held.carried[..]))
    }

    /// Asks relays until two have the cell or are asked.
    pub(crate) fn drive(&mut self, number: u64, way: Way, token: Token, doors: &Doors, cx: &mut Cx<'_>) {
        let relays = doors.carriers();
        let needed = STORED_AT.min(relays.len());
        let now = cx.now.mono;
        let Some(held) = self.cells.get_mut(&number) else { return };
        held.asked.retain(|_, asked| now < asked.since.after_ms(PATIENCE_MS));
        let waited_for = held.asked.values().filter(|asked| !asked.refused).count();
        let mut counted = held.stored.len() + waited_for;
        let mut order: Vec<_> =
            relays.iter().map(|relay| (Some(*relay) == way.avoid, cx.rng.next_u32(), *relay)).collect();
        order.sort_unstable();
        for (_, _, relay) in order {
            if counted >= needed {
                break;
            }
            if held.stored.contains(&relay) || held.asked.contains_key(&relay) {
                continue;
            }
            held.asked.insert(relay, Asked { since: now, refused: false });
            if matches!(way.lane, Lane::Inject(_)) {
                let what = if held.carried.is_empty() { For::Receipts } else { For::Texts };
                cx.spending.carries(true, what, held.cell.bytes().len());
            }
            let request = Request::Inject { shard: way.shard, cell: held.cell.clone() };
            cx.signal(Signal::Ask(way.lane, relay, Ask::Plain(request), token));
            counted += 1;
        }
    }

    /// A relay answered; the messages in the cell, once enough relays have it. `None` while they have not.
    pub(crate) fn answered(
        &mut self,
        number: u64,
        relay: RelayId,
        answer: &Result<Reply, RouteError>,
        doors: &Doors,
        cx: &mut Cx<'_>,
    ) -> Option<Vec<u64>> {
        let needed = STORED_AT.min(doors.carriers().len()).max(1);
        let held = self.cells.get_mut(&number)?;
        let Ok(Reply::Stored { .. }) = answer else {
            if let Some(asked) = held.asked.get_mut(&relay) {
                asked.refused = true;
            }
            return None;
        };
        held.asked.remove(&relay);
        if !held.stored.contains(&relay) {
            held.stored.push(relay);
        }
        if held.stored.len() < needed {
            return None;
        }
        cx.write(Op::Remove(Key::of(self.space, self.records, number)));
        self.cells.remove(&number).map(|done| done.carried)
    }
}
