//! One channel on this device: its link, what is here of it, and the records that keep them.

use super::channel_api::{ChannelInfo, ChannelNumber};
use super::shard_in::ShardIn;
use super::shard_out::ShardOut;
use crate::cbor::{MapWriter, read_map};
use crate::channel::chain::Chain;
use crate::channel::link::ChannelLink;
use crate::core::{Key, Mono, Op, Space, Value};
use crate::crypto::LocalSignKey;
use crate::error::PeerFault;
use crate::ids::{EntryId, RelayId, first};
use crate::limits::NAME_BYTES_MAX;
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// A channel.
pub(crate) struct Channel {
    pub(crate) number: ChannelNumber,
    pub(crate) link: ChannelLink,
    /// The owner's key, of own channels.
    pub(crate) key: Option<LocalSignKey>,
    pub(crate) name: String,
    pub(crate) seen: u64,
    pub(crate) forked: bool,
    pub(crate) withheld: u64,
    pub(crate) chain: Chain,
    pub(crate) following: ShardIn,
    pub(crate) out: ShardOut,
    /// Entries that another relay had first, and when: the followed relay is to bring them soon.
    pub(crate) awaited: BTreeMap<u64, Mono>,
    /// Entries that neighbours brought and no followed relay has pushed.
    pub(crate) near: BTreeSet<u64>,
    /// When another relay is asked next.
    pub(crate) look_at: Option<Mono>,
    pub(crate) paging: Paging,
    /// What has to be found out before the owner writes again, on a restored device.
    pub(crate) recovery: Option<Recovery>,
    /// Own entries have this number at least.
    pub(crate) floor: u64,
}

/// A number of an entry, its name, and the name of the one before it.
type Head = (u64, EntryId, EntryId);

/// An owner's device that was restored asks relays what was said last.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    /// The newest entry at the time of the backup.
    pub(crate) head: Option<Head>,
    /// Relays that told all they have.
    pub(crate) asked: BTreeSet<RelayId>,
}

impl Recovery {
    pub(crate) fn of(head: Option<Head>) -> Self {
        Self { head, asked: BTreeSet::new() }
    }
}

/// Pages of older entries.
#[derive(Debug, Default)]
pub(crate) struct Paging {
    /// The number at the followed relay before which the next page lies.
    pub(crate) before: Option<u64>,
    pub(crate) asked: Option<Page>,
}

/// A page under way.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Page {
    /// Pages are asked for until one has an entry that was here.
    pub(crate) joins: bool,
    pub(crate) joined: bool,
    /// It brought an entry that was not here.
    pub(crate) fresh: bool,
}

impl core::fmt::Debug for Channel {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Channel({:?})", self.number)
    }
}

impl Channel {
    pub(crate) fn new(number: ChannelNumber, link: ChannelLink, key: Option<LocalSignKey>) -> Self {
        Self {
            number,
            link,
            key,
            name: String::new(),
            seen: 0,
            forked: false,
            withheld: 0,
            chain: Chain::default(),
            following: ShardIn::default(),
            out: ShardOut::new(Space::ChannelCell, number.records()),
            awaited: BTreeMap::new(),
            near: BTreeSet::new(),
            look_at: None,
            paging: Paging::default(),
            recovery: None,
            floor: 0,
        }
    }

    pub(crate) fn info(&self) -> ChannelInfo {
        ChannelInfo {
            channel: self.number,
            owner: self.link.owner,
            name: self.name.clone(),
            mine: self.key.is_some(),
            entries: self.chain.len() as u64,
            newest: self.chain.newest().map_or(0, |(seq, _)| seq),
            unread: if self.key.is_some() { 0 } else { self.chain.above(self.seen) },
            missing: self.chain.missing(),
            forked: self.forked,
            withheld: self.withheld,
            under_way: self.out.numbers().len() as u64,
        }
    }

    pub(crate) fn save(&self) -> Op {
        let mut map = MapWriter::default();
        map.bytes(0, &self.link.owner).bytes(1, &self.link.secret).uint(2, u64::from(self.link.shard));
        map.text(3, &self.name).uint(4, self.seen).uint(5, u64::from(self.forked)).uint(6, self.withheld);
        if let Some(key) = &self.key {
            map.bytes(7, &*key.seed());
        }
        if let Some(at) = self.following.encode() {
            map.bytes(8, &at);
        }
        map.uint(9, self.floor);
        if let Some(recovery) = &self.recovery {
            let (seq, id, before) = recovery.head.unwrap_or((0, EntryId([0; 32]), EntryId([0; 32])));
            map.bytes(10, &[&seq.to_be_bytes()[..], &id.0, &before.0].concat());
        }
        Op::Put(Key::single(Space::Channel, u64::from(self.number.0)), Zeroizing::new(map.finish()))
    }

    /// Reads what [`Channel::save`] wrote.
    pub(crate) fn load(number: ChannelNumber, value: &Value) -> Result<Self, PeerFault> {
        let mut link = ChannelLink { owner: [0; 32], secret: [0; 16], shard: 0 };
        let mut seed: Option<Zeroizing<[u8; 32]>> = None;
        let mut at: Option<[u8; 24]> = None;
        let (mut floor, mut recovery) = (0, None);
        let (mut name, mut seen, mut forked, mut withheld) = (String::new(), 0, 0, 0);
        read_map(value, |key, field| {
            match key {
                0 => link.owner = field.fixed()?,
                1 => link.secret = field.fixed()?,
                2 => link.shard = u16::try_from(field.uint()?).map_err(|_| PeerFault::Bound)?,
                3 => field.text(NAME_BYTES_MAX)?.clone_into(&mut name),
                4 => seen = field.uint()?,
                5 => forked = field.uint()?,
                6 => withheld = field.uint()?,
                7 => seed = Some(Zeroizing::new(field.fixed()?)),
                8 => at = Some(field.fixed()?),
                9 => floor = field.uint()?,
                10 => recovery = Some(field.fixed::<72>()?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let key = seed.map(|seed| LocalSignKey::from_seed(&seed));
        let mut out = Self::new(number, link, key);
        if let Some(at) = at {
            out.following.restore(&at);
        }
        let recovery = recovery.map(|head: [u8; 72]| {
            let part = |at: usize| EntryId(first(head.get(at..).unwrap_or_default()));
            let head = (u64::from_be_bytes(first(&head)), part(8), part(40));
            Recovery::of(Some(head).filter(|(seq, ..)| *seq > 0))
        });
        Ok(Self { name, seen, forked: forked == 1, withheld, recovery, floor, ..out })
    }

    /// Takes back the names of an entry: `id 32 | before 32 | near 1`.
    pub(crate) fn load_mark(&mut self, seq: u64, value: &Value) -> Option<()> {
        let (id, rest) = value.split_first_chunk::<32>()?;
        let (before, near) = rest.split_first_chunk::<32>()?;
        self.chain.restore(seq, EntryId(*id), EntryId(*before));
        if *near.first()? == 1 {
            self.near.insert(seq);
        }
        Some(())
    }

    /// Removes every record of this channel.
    pub(crate) fn erase(&mut self) -> Vec<Op> {
        let records = self.number.records();
        let mut ops = vec![Op::Remove(Key::single(Space::Channel, u64::from(self.number.0)))];
        while let Some(seq) = self.chain.forget_first() {
            ops.push(Op::Remove(Key::of(Space::ChannelEntry, records, seq)));
            ops.push(Op::Remove(Key::of(Space::ChannelMark, records, seq)));
        }
        ops.extend((0..2).map(|seq| Op::Remove(Key::of(Space::ChannelFork, records, seq))));
        ops
    }
}

/// The number of a record's channel.
pub(crate) fn number_of(key: &Key) -> ChannelNumber {
    ChannelNumber(u32::from_be_bytes(first(&key.group)))
}
