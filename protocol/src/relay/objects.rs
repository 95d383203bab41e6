//! Bundle objects: what new contacts look up by the secret of an invitation (DESIGN P4).
//!
//! The index of all objects is in memory; the objects themselves are read when somebody asks.

use super::cx::{Cx, Purpose};
use super::ends::EndId;
use super::handover::Name;
use super::limits::{GUEST_TTL_S, OBJECT_BYTES_MAX, OWNERS_PER_LOCATOR};
use crate::bundle::BundleObject;
use crate::core::{Key, Op, Range, Space, Value};
use crate::error::PeerFault;
use crate::ids::{Locator, first};
use crate::rpc::{Refusal, Reply};
use std::collections::{BTreeMap, BTreeSet};

/// Group of the index records; a locator that begins like it is refused, so that no object lies among them.
const INDEX: [u8; 16] = [0; 16];

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Number of the record, the same in index and object: ascending, so the first owner has the lowest.
    record: u64,
    owner: [u8; 32],
    seq: u64,
    /// When it is forgotten, Unix seconds by this relay's clock.
    expiry_s: u64,
    hash: [u8; 16],
}

#[derive(Debug, Default)]
pub(super) struct Objects {
    by_locator: BTreeMap<Locator, Vec<Entry>>,
    by_expiry: BTreeSet<(u64, Locator, u64)>,
    last: u64,
}

fn index_key(record: u64) -> Key {
    Key::of(Space::RelayObject, INDEX, record)
}

fn object_key(locator: &Locator, record: u64) -> Key {
    Key::of(Space::RelayObject, first(&locator.0), record)
}

/// Where the index lies.
pub(super) const fn index_range(limit: usize) -> Range {
    Range::Group { space: Space::RelayObject, group: INDEX, from: 0, to: u64::MAX, limit, newest: false }
}

impl Objects {
    pub(super) fn len(&self) -> usize {
        self.by_expiry.len()
    }

    /// The places from `from` on, with the names of what lies at each and has not expired.
    pub(super) fn names_from(&self, from: Locator, now_s: u64) -> impl Iterator<Item = (Locator, Vec<Name>)> {
        self.by_locator.range(from..).map(move |(locator, entries)| {
            let living = entries.iter().filter(|entry| entry.expiry_s > now_s);
            (*locator, living.map(|entry| Name { locator: *locator, hash: entry.hash }).collect())
        })
    }

    fn named(&self, name: &Name) -> Option<&Entry> {
        self.by_locator.get(&name.locator)?.iter().find(|entry| entry.hash == name.hash)
    }

    /// Whether this very object is here.
    pub(super) fn has(&self, name: &Name) -> bool {
        self.named(name).is_some()
    }

    /// Loads the object of this name, if it is here and has not expired.
    pub(super) fn load_named(&self, name: &Name, purpose: Purpose, cx: &mut Cx) {
        if let Some(entry) = self.named(name).filter(|entry| entry.expiry_s > cx.now_s()) {
            cx.load(Range::One(object_key(&name.locator, entry.record)), purpose);
        }
    }

    /// Index record: `locator 32 | owner 32 | seq 8 | expiry 8 | hash 16`.
    fn encode(locator: &Locator, entry: &Entry) -> Vec<u8> {
        let mut out = locator.0.to_vec();
        out.extend_from_slice(&entry.owner);
        out.extend_from_slice(&entry.seq.to_be_bytes());
        out.extend_from_slice(&entry.expiry_s.to_be_bytes());
        out.extend_from_slice(&entry.hash);
        out
    }

    fn decode(record: u64, bytes: &[u8]) -> Option<(Locator, Entry)> {
        let (locator, rest) = bytes.split_first_chunk::<32>()?;
        let (owner, rest) = rest.split_first_chunk::<32>()?;
        let (seq, rest) = rest.split_first_chunk::<8>()?;
        let (expiry, rest) = rest.split_first_chunk::<8>()?;
        let hash = rest.try_into().ok()?;
        let (seq, expiry_s) = (u64::from_be_bytes(*seq), u64::from_be_bytes(*expiry));
        Some((Locator(*locator), Entry { record, owner: *owner, seq, expiry_s, hash }))
    }

    pub(super) fn restore(&mut self, rows: &[(Key, Value)]) {
        for (key, value) in rows {
            if let Some((locator, entry)) = Self::decode(key.seq, value) {
                self.by_expiry.insert((entry.expiry_s, locator, entry.record));
                self.by_locator.entry(locator).or_default().push(entry);
                self.last = self.last.max(key.seq);
            }
        }
        self.by_locator.values_mut().for_each(|entries| entries.sort_by_key(|entry| entry.record));
    }

    /// Stores an object: the first one under its locator pins the owner; at most three others may lie beside it.
    /// `claim` tells whether whoever puts it may bring one more.
    pub(super) fn put(
        &mut self,
        bytes: &[u8],
        claim: impl FnOnce() -> bool,
        cx: &mut Cx,
    ) -> Result<Reply, Refusal> {
        if bytes.len() > OBJECT_BYTES_MAX {
            return Err(Refusal::Malformed);
        }
        let object = BundleObject::verify(bytes).map_err(|fault| match fault {
            PeerFault::Expired => Refusal::Stale,
            _ => Refusal::Malformed,
        })?;
        let locator = object.locator;
        if first::<16>(&locator.0) == INDEX {
            return Err(Refusal::Malformed);
        }
        // The owner's clock may run ahead: a longer life is cut to the longest one.
        let expiry_s = object.expiry_s.min(cx.now_s().saturating_add(GUEST_TTL_S));
        if expiry_s <= cx.now_s() {
            return Err(Refusal::Stale);
        }
        let held = self.by_locator.get(&locator).map(Vec::as_slice).unwrap_or_default();
        let own = held.iter().find(|entry| entry.owner == object.owner.0).copied();
        let hash = first(blake3::hash(bytes).as_bytes());
        match own {
            Some(own) if own.seq == object.seq && own.hash == hash => return Ok(Reply::Done),
            Some(own) if own.seq >= object.seq => return Err(Refusal::Stale),
            Some(own) => self.forget(&locator, own.record, cx),
            None if held.len() >= OWNERS_PER_LOCATOR => return Err(Refusal::Stale),
            None if !claim() => return Err(Refusal::Busy),
            None => {}
        }
        while self.by_expiry.len() >= cx.limits.objects.max(1) {
            let Some((_, oldest, record)) = self.by_expiry.first().copied() else { break };
            self.forget(&oldest, record, cx);
        }
        let record = own.map_or_else(|| self.last.saturating_add(1), |own| own.record);
        self.last = self.last.max(record);
        let entry = Entry { record, owner: object.owner.0, seq: object.seq, expiry_s, hash };
        cx.put(object_key(&locator, record), bytes.to_vec());
        cx.put(index_key(record), Self::encode(&locator, &entry));
        self.by_expiry.insert((expiry_s, locator, record));
        let entries = self.by_locator.entry(locator).or_default();
        entries.push(entry);
        entries.sort_by_key(|entry| entry.record);
        Ok(Reply::Done)
    }

    fn forget(&mut self, locator: &Locator, record: u64, cx: &mut Cx) {
        let Some(entries) = self.by_locator.get_mut(locator) else { return };
        entries.retain(|entry| {
            let stays = entry.record != record;
            if !stays {
                self.by_expiry.remove(&(entry.expiry_s, *locator, record));
            }
            stays
        });
        if entries.is_empty() {
            self.by_locator.remove(locator);
        }
        cx.fx.write(Op::Remove(object_key(locator, record)));
        cx.fx.write(Op::Remove(index_key(record)));
    }

    /// Reads the object under `locator`, that of any owner if there are several: whoever learned the place and came first must not keep
    /// the true one from whoever asks again. The answer follows once it is loaded.
    pub(super) fn get(&self, end: EndId, number: u32, locator: Locator, cx: &mut Cx) {
        let now_s = cx.now_s();
        let held = self.by_locator.get(&locator).map(Vec::as_slice).unwrap_or_default();
        let held: Vec<&Entry> = held.iter().filter(|entry| entry.expiry_s > now_s).collect();
        let choice = if held.len() > 1 { cx.rng.next_u64() as usize % held.len() } else { 0 };
        match held.get(choice) {
            Some(entry) => {
                let key = object_key(&locator, entry.record);
                cx.load(Range::One(key), Purpose::Object { end, number });
            }
            None => cx.refuse(end, number, Refusal::NotFound),
        }
    }

    /// Answers a read with what the store gave.
    pub(super) fn loaded(end: EndId, number: u32, rows: Vec<(Key, Value)>, cx: &mut Cx) {
        match rows.into_iter().next() {
            Some((_, object)) => cx.answer(end, number, &Reply::Object(object.to_vec())),
            None => cx.refuse(end, number, Refusal::NotFound),
        }
    }

    /// Forgets what is past its expiry.
    pub(super) fn sweep(&mut self, cx: &mut Cx) {
        while let Some((expiry_s, locator, record)) = self.by_expiry.first().copied() {
            if expiry_s > cx.now_s() {
                break;
            }
            self.forget(&locator, record, cx);
        }
    }
}
