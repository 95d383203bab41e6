//! How a relay that was away gets the cells of shards that it missed: two relays compare sums over ranges of cells, then names, and what
//! is missing is sent (SPEC-relay §9).

use super::RelayCore;
use super::cx::{Cx, Purpose};
use super::shards::{Shards, record};
use super::unit::{SIGNED_BY_BYTES, Unit};
use crate::cell::Cell;
use crate::core::{Key, LinkId, Range, Value};
use crate::crypto::fixed::Reader;
use crate::error::PeerFault;
use crate::ids::CellHash;
use crate::link::Kind;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A range with at most this many cells is answered with their names; a larger one is split.
const NAMES_MAX: usize = 1_024;
/// Ranges in one message.
const AREAS_MAX: usize = 1_024;
/// Ranges of one message that are answered; the rest comes up at the next comparison.
const ANSWERED_MAX: usize = 64;
/// Nibbles of names by which a range is split at the most.
const DEPTH_MAX: u8 = 4;
/// Cells asked for at once over one link.
const ASKED_MAX: usize = 16;
/// Cells that wait to be asked for over one link.
const WANTED_MAX: usize = 65_536;
/// Bytes sent to one relay for its catching up between two rounds of upkeep.
const SERVED_MAX: usize = 64 << 20;
/// Rounds of upkeep between two comparisons with a relay chosen at random.
const ROUNDS: u8 = 5;

/// Cells of one shard and day whose names begin with these nibbles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Area {
    shard: u16,
    day: u32,
    depth: u8,
    prefix: u16,
}

/// What an area holds: how many cells, and the sum of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sum {
    count: u32,
    names: u128,
}

impl Sum {
    pub(super) fn add(&mut self, hash: &CellHash) {
        self.count = self.count.wrapping_add(1);
        self.names = self.names.wrapping_add(u128::from_be_bytes(hash.0));
    }

    pub(super) fn remove(&mut self, hash: &CellHash) {
        self.count = self.count.wrapping_sub(1);
        self.names = self.names.wrapping_sub(u128::from_be_bytes(hash.0));
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Area {
    pub(super) const fn whole(shard: u16, day: u32) -> Self {
        Self { shard, day, depth: 0, prefix: 0 }
    }

    /// First and last name that belong to it.
    fn bounds(self) -> (CellHash, CellHash) {
        let ones = u16::MAX.checked_shr(4 * u32::from(self.depth)).unwrap_or(0);
        let (mut low, mut high) = ([0; 16], [0xff; 16]);
        let pairs = [(&mut low, self.prefix & !ones), (&mut high, self.prefix | ones)];
        for (name, head) in pairs {
            if let Some(start) = name.first_chunk_mut::<2>() {
                *start = head.to_be_bytes();
            }
        }
        (CellHash(low), CellHash(high))
    }

    /// The sixteen areas it consists of.
    fn parts(self) -> impl Iterator<Item = Self> {
        let depth = self.depth + 1;
        let shift = 16 - 4 * u32::from(depth.min(DEPTH_MAX));
        (0..16_u16).map(move |nibble| Self { depth, prefix: self.prefix | nibble << shift, ..self })
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.shard.to_be_bytes());
        out.extend_from_slice(&self.day.to_be_bytes());
        out.push(self.depth);
        out.extend_from_slice(&self.prefix.to_be_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, PeerFault> {
        let fields = (reader.u16(), reader.u32(), reader.u8(), reader.u16());
        let (Some(shard), Some(day), Some(depth), Some(prefix)) = fields else {
            return Err(PeerFault::Length);
        };
        if depth > DEPTH_MAX || shard >= crate::limits::SHARDS {
            return Err(PeerFault::Bound);
        }
        Ok(Self { shard, day, depth, prefix })
    }
}

/// What passes between two relays.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Message {
    /// 0: all that the sender holds, one area a shard and day; what is not listed is empty. Asks for names.
    Everything(Vec<(Area, Sum)>),
    /// 1: what the sender holds in these areas. Asks for names.
    Some(Vec<(Area, Sum)>),
    /// 2: these areas are too large to be named: asks for the sums of their parts.
    Split(Vec<Area>),
    /// 3: names of cells of a shard and day.
    Names(u16, u32, Vec<CellHash>),
    /// 4: asks for cells of a shard and day.
    Want(u16, u32, Vec<CellHash>),
    /// 5: a cell as it was gossiped.
    Unit(Vec<u8>),
}

impl Message {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Everything(sums) | Self::Some(sums) => {
                out.push(u8::from(matches!(self, Self::Some(_))));
                for (area, sum) in sums {
                    area.write(&mut out);
                    out.extend_from_slice(&sum.count.to_be_bytes());
                    out.extend_from_slice(&sum.names.to_be_bytes());
                }
            }
            Self::Split(areas) => {
                out.push(2);
                areas.iter().for_each(|area| area.write(&mut out));
            }
            Self::Names(shard, day, names) | Self::Want(shard, day, names) => {
                out.push(3 + u8::from(matches!(self, Self::Want(..))));
                out.extend_from_slice(&shard.to_be_bytes());
                out.extend_from_slice(&day.to_be_bytes());
                names.iter().for_each(|name| out.extend_from_slice(&name.0));
            }
            Self::Unit(unit) => {
                out.push(5);
                out.extend_from_slice(unit);
            }
        }
        out
    }

    fn decode(input: &[u8]) -> Result<Self, PeerFault> {
        let mut reader = Reader(input);
        let kind = reader.u8().ok_or(PeerFault::Length)?;
        match kind {
            0 | 1 => {
                let mut sums = Vec::new();
                while reader.end().is_none() {
                    let area = Area::read(&mut reader)?;
                    let (Some(count), Some(names)) = (reader.u32(), reader.take::<16>()) else {
                        return Err(PeerFault::Length);
                    };
                    sums.push((area, Sum { count, names: u128::from_be_bytes(*names) }));
                }
                bounded(sums.len(), AREAS_MAX)?;
                Ok(if kind == 0 { Self::Everything(sums) } else { Self::Some(sums) })
            }
            2 => {
                let mut areas = Vec::new();
                while reader.end().is_none() {
                    areas.push(Area::read(&mut reader)?);
                }
                bounded(areas.len(), ANSWERED_MAX)?;
                Ok(Self::Split(areas))
            }
            3 | 4 => {
                let (Some(shard), Some(day)) = (reader.u16(), reader.u32()) else {
                    return Err(PeerFault::Length);
                };
                let (names, tail) = reader.0.as_chunks::<16>();
                if !tail.is_empty() {
                    return Err(PeerFault::Length);
                }
                bounded(names.len(), if kind == 3 { NAMES_MAX } else { ASKED_MAX })?;
                let names = names.iter().copied().map(CellHash).collect();
                Ok(if kind == 3 { Self::Names(shard, day, names) } else { Self::Want(shard, day, names) })
            }
            5 => Ok(Self::Unit(reader.0.to_vec())),
            _ => Err(PeerFault::Malformed),
        }
    }
}

fn bounded(count: usize, max: usize) -> Result<(), PeerFault> {
    if count > max { Err(PeerFault::Bound) } else { Ok(()) }
}

/// What is going on over one link.
#[derive(Debug, Default)]
struct Side {
    wanted: VecDeque<(u16, u32, CellHash)>,
    asked: BTreeSet<(u16, CellHash)>,
    served: usize,
}

/// Comparisons with other relays.
#[derive(Debug, Default)]
pub(super) struct CatchUp {
    sides: BTreeMap<LinkId, Side>,
    round: u8,
}

impl CatchUp {
    pub(super) fn forget(&mut self, link: LinkId) {
        self.sides.remove(&link);
    }
}

impl Shards {
    /// Sums over the areas in which there is anything.
    fn everything(&self) -> Vec<(Area, Sum)> {
        self.sums
            .iter()
            .map(|((shard, day), sum)| (Area::whole(*shard, *day), *sum))
            .take(AREAS_MAX)
            .collect()
    }

    fn names(&self, area: Area) -> impl Iterator<Item = &CellHash> {
        let (low, high) = area.bounds();
        self.index
            .range((area.shard, area.day, low)..=(area.shard, area.day, high))
            .map(|((_, _, name), _)| name)
    }

    fn sum(&self, area: Area) -> Sum {
        if area.depth == 0 {
            return self.sums.get(&(area.shard, area.day)).copied().unwrap_or_default();
        }
        let mut sum = Sum::default();
        self.names(area).for_each(|name| sum.add(name));
        sum
    }

    /// Answers for areas in which this relay has something that the other one may lack.
    fn differences(&self, areas: impl Iterator<Item = (Area, Sum)>) -> Vec<Message> {
        let mut out = Vec::new();
        let mut split = Vec::new();
        for (area, theirs) in areas {
            let own = self.sum(area);
            if own.is_empty() || own == theirs {
                continue;
            }
            if out.len() + split.len() >= ANSWERED_MAX {
                break;
            }
            if own.count as usize > NAMES_MAX && area.depth < DEPTH_MAX {
                split.push(area);
            } else {
                let names = self.names(area).take(NAMES_MAX).copied().collect();
                out.push(Message::Names(area.shard, area.day, names));
            }
        }
        if !split.is_empty() {
            out.push(Message::Split(split));
        }
        out
    }
}

impl RelayCore {
    /// Tells a relay what is here, so that it names what is not.
    pub(super) fn compare(&mut self, link: LinkId) {
        self.tell_mesh(link, &Message::Everything(self.shards.everything()));
    }

    /// The round of upkeep: compares with one relay now and then, and forgets what was asked for in vain.
    pub(super) fn compare_regularly(&mut self) {
        for side in self.catch_up.sides.values_mut() {
            side.served = 0;
            side.asked.clear();
        }
        let links: Vec<_> = self.catch_up.sides.keys().copied().collect();
        links.into_iter().for_each(|link| self.ask_on(link));
        self.catch_up.round = (self.catch_up.round + 1) % ROUNDS;
        let mesh = self.links.mesh();
        if self.catch_up.round == 0 && !mesh.is_empty() {
            let choice = self.cx.rng.next_u64() as usize % mesh.len();
            if let Some(link) = mesh.get(choice) {
                self.compare(*link);
            }
        }
    }

    /// A message about shards came from another relay.
    pub(super) fn on_compared(&mut self, link: LinkId, payload: &[u8]) -> Result<(), PeerFault> {
        match Message::decode(payload)? {
            Message::Everything(theirs) => {
                let theirs: BTreeMap<Area, Sum> = theirs.into_iter().collect();
                let own = self.shards.everything().into_iter();
                let both = own.map(|(area, _)| (area, theirs.get(&area).copied().unwrap_or_default()));
                let answers = self.shards.differences(both);
                answers.iter().for_each(|answer| self.serve(link, answer));
            }
            Message::Some(theirs) => {
                let answers = self.shards.differences(theirs.into_iter());
                answers.iter().for_each(|answer| self.serve(link, answer));
            }
            Message::Split(areas) => {
                for areas in areas.chunks(AREAS_MAX / 16) {
                    let parts =
                        areas.iter().filter(|area| area.depth < DEPTH_MAX).flat_map(|area| area.parts());
                    let sums = parts.map(|part| (part, self.shards.sum(part))).collect();
                    self.serve(link, &Message::Some(sums));
                }
            }
            Message::Names(shard, day, names) => {
                let side = self.catch_up.sides.entry(link).or_default();
                for name in names {
                    let known = self.shards.knows(shard, name) || side.asked.contains(&(shard, name));
                    if !known && side.wanted.len() < WANTED_MAX {
                        side.wanted.push_back((shard, day, name));
                    }
                }
                self.ask_on(link);
            }
            Message::Want(shard, day, names) => {
                for name in names {
                    if let Some(seq) = self.shards.index.get(&(shard, day, name)) {
                        let key = record(shard, *seq);
                        self.cx.load(Range::One(key), Purpose::UnitHead { link, shard, seq: *seq });
                    }
                }
            }
            Message::Unit(bytes) => {
                let today = self.today();
                let key_of = |relay| self.directory.get(relay).map(|held| held.static_key);
                let unit = match Unit::verify(&bytes, today, super::unit::DAYS_KEPT, key_of) {
                    Ok(unit) => unit,
                    // A relay that is not known here yet: asked for again later.
                    Err(PeerFault::Mismatch | PeerFault::Expired) => return Ok(()),
                    Err(fault) => return Err(fault),
                };
                let side = self.catch_up.sides.entry(link).or_default();
                let name = unit.cell.hash();
                if !side.asked.remove(&(unit.shard, name)) {
                    return Err(PeerFault::Mismatch);
                }
                if !self.shards.knows(unit.shard, name) && self.shards.may_take(&unit) {
                    // A full relay catches up when there is room again.
                    let _ = self.shards.keep(&unit, &mut self.cx);
                }
                self.ask_on(link);
            }
        }
        Ok(())
    }

    /// Asks for the next cells, if none is awaited.
    fn ask_on(&mut self, link: LinkId) {
        let Some(side) = self.catch_up.sides.get_mut(&link).filter(|side| side.asked.is_empty()) else {
            return;
        };
        let mut of_one: Option<(u16, u32, Vec<CellHash>)> = None;
        while let Some((shard, day, name)) = side.wanted.front().copied() {
            let names = match &mut of_one {
                None => &mut of_one.insert((shard, day, Vec::new())).2,
                Some((at, on, names)) if (*at, *on) == (shard, day) && names.len() < ASKED_MAX => names,
                Some(_) => break,
            };
            side.wanted.pop_front();
            // It may have come by another way.
            if !self.shards.knows(shard, name) && side.asked.insert((shard, name)) {
                names.push(name);
            }
            if names.is_empty() {
                of_one = None;
            }
        }
        if let Some((shard, day, names)) = of_one {
            self.tell_mesh(link, &Message::Want(shard, day, names));
        }
    }

    /// Sends what another relay asked for, within its share.
    fn serve(&mut self, link: LinkId, message: &Message) {
        let payload = message.encode();
        let side = self.catch_up.sides.entry(link).or_default();
        side.served += payload.len();
        if side.served <= SERVED_MAX {
            self.cx.send(link, Kind::Shards, 0, payload);
        }
    }

    fn tell_mesh(&mut self, link: LinkId, message: &Message) {
        self.cx.send(link, Kind::Shards, 0, message.encode());
    }

    /// The record of a cell that another relay wants was loaded.
    pub(super) fn unit_head(link: LinkId, shard: u16, seq: u64, rows: &[(Key, Value)], cx: &mut Cx) {
        let head =
            rows.first().and_then(|(_, value)| value.get(44..)?.first_chunk::<SIGNED_BY_BYTES>().copied());
        if let Some(head) = head {
            let range = Range::Cells { mailbox: super::shards::place(shard), from: seq, bytes_max: 1 };
            cx.load(range, Purpose::UnitCell { link, shard, seq, head });
        }
    }

    /// The cell itself was.
    pub(super) fn unit_cell(
        &mut self,
        link: LinkId,
        shard: u16,
        seq: u64,
        head: &[u8; SIGNED_BY_BYTES],
        rows: Vec<(Key, Value)>,
    ) {
        let row = rows.into_iter().next().filter(|(key, _)| key.seq == seq);
        let Some(cell) = row.and_then(|(_, value)| Cell::parse(value.to_vec()).ok()) else { return };
        if self.links.get(link).is_some() {
            self.serve(link, &Message::Unit(Unit::with_head(shard, head, cell).encode()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_split_into_parts_that_cover_them_exactly() {
        let mut areas = vec![Area::whole(3, 20_000)];
        for _ in 0..2 {
            areas = areas.into_iter().flat_map(Area::parts).collect();
        }
        assert_eq!(areas.len(), 256);
        for (number, area) in areas.iter().enumerate() {
            let (low, high) = area.bounds();
            assert_eq!((low.0[0], low.0[1..].iter().max()), (number as u8, Some(&0)));
            assert_eq!((high.0[0], high.0[1..].iter().min()), (number as u8, Some(&0xff)));
        }
        assert_eq!(Area::whole(0, 0).bounds(), (CellHash([0; 16]), CellHash([0xff; 16])));
        let deepest = Area { depth: 4, prefix: 0xabcd, ..Area::whole(0, 0) };
        assert_eq!(deepest.bounds().1.0[..2], [0xab, 0xcd]);
    }

    #[test]
    fn messages_come_back_and_oversized_ones_are_refused() {
        let area = Area { shard: 15, day: 20_000, depth: 2, prefix: 0xab00 };
        let sum = Sum { count: 7, names: u128::MAX - 3 };
        let name = CellHash([9; 16]);
        for message in [
            Message::Everything(vec![(area, sum), (Area::whole(0, 1), Sum::default())]),
            Message::Everything(Vec::new()),
            Message::Some(vec![(area, sum)]),
            Message::Split(vec![area]),
            Message::Names(3, 4, vec![name; NAMES_MAX]),
            Message::Want(3, 4, vec![name; ASKED_MAX]),
            Message::Unit(vec![1, 2, 3]),
        ] {
            let bytes = message.encode();
            assert_eq!(Message::decode(&bytes), Ok(message.clone()));
            assert!(bytes.len() <= crate::link::PAYLOAD_MAX);
        }
        let many = Message::Want(3, 4, vec![name; ASKED_MAX + 1]).encode();
        assert_eq!(Message::decode(&many), Err(PeerFault::Bound));
        let foreign = Area { shard: 16, ..area };
        assert_eq!(Message::decode(&Message::Split(vec![foreign]).encode()), Err(PeerFault::Bound));
        for bytes in [&[][..], &[9], &[0, 1], &[3, 0, 1, 0, 0, 0, 1, 7]] {
            assert!(Message::decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
