//! The records as readers see them: sled's tree and, above it, the changes that are durable in the journal but not in sled yet.

use super::journal::Change;
use super::sealed::DISK_KEY;
use ::sled::{Db, IVec, Tree};
use std::collections::{BTreeMap, VecDeque};
use std::ops::{Bound, RangeBounds};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Records that go to sled in one batch.
const AT_ONCE: usize = 128;
/// Rows that a walk fetches at once at the most. It begins with one: many walks look at the next row only.
const FETCHED_MAX: usize = 64;

pub(super) type DiskKey = [u8; DISK_KEY];
type Recent = BTreeMap<DiskKey, Option<IVec>>;

/// See the module. One thread writes, any may read.
pub(super) struct Table {
    db: Db,
    tree: Tree,
    recent: RwLock<Recent>,
}

impl Table {
    pub(super) fn new((db, tree): (Db, Tree), changes: Vec<Change>) -> Self {
        let recent = changes.into_iter().map(|change| (change.key, change.value)).collect();
        Self { db, tree, recent: RwLock::new(recent) }
    }

    fn recent(&self) -> RwLockReadGuard<'_, Recent> {
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent_mut(&self) -> RwLockWriteGuard<'_, Recent> {
        self.recent.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, key: &DiskKey) -> ::sled::Result<Option<IVec>> {
        // Held until sled was asked: in between the change might move there.
        let recent = self.recent();
        match recent.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.tree.get(key),
        }
    }

    /// The rows whose keys lie in `range`, in ascending order or from the end. Rows that change meanwhile are seen before or after it.
    pub(super) fn walk(&self, range: impl RangeBounds<DiskKey>, from_end: bool) -> Walk<'_> {
        let bounds = (range.start_bound().cloned(), range.end_bound().cloned());
        Walk { table: self, bounds, from_end, fetch: 1, rows: VecDeque::new(), ended: false }
    }

    /// The chunks of one record, whose keys are `first` to `last`.
    pub(super) fn chunks(&self, first: &DiskKey, last: &DiskKey) -> ::sled::Result<Vec<(DiskKey, IVec)>> {
        let recent = self.recent();
        if recent.contains_key(first) {
            // Whoever changes a record names all of its chunks, so what sled has of it does not count.
            let chunks = recent.range(*first..=*last);
            return Ok(chunks.filter_map(|(key, value)| Some((*key, value.clone()?))).collect());
        }
        drop(recent);
        // Most records have one, and a second look into sled costs as much as the first.
        Walk { fetch: 2, ..self.walk(*first..=*last, false) }.collect()
    }

    /// Shows `changes`, which are durable; of each record all chunks, those it has no longer as well.
    pub(super) fn show(&self, changes: Vec<Change>) {
        self.recent_mut().extend(changes.into_iter().map(|change| (change.key, change.value)));
    }

    /// Gives everything to sled, then `last`, and lets sled write it. Readers see the same rows all the time.
    pub(super) fn hand_over(&self, last: (DiskKey, Vec<u8>)) -> ::sled::Result<()> {
        let recent = self.recent();
        let mut rows = recent.iter().peekable();
        while rows.peek().is_some() {
            let mut batch = ::sled::Batch::default();
            for (key, value) in rows.by_ref().take(AT_ONCE) {
                match value {
                    Some(value) => batch.insert(key, value),
                    None => batch.remove(key),
                }
            }
            self.tree.apply_batch(batch)?;
        }
        self.tree.insert(last.0, last.1)?;
        self.db.flush().map(drop)
    }

    /// Forgets what [`Table::hand_over`] gave to sled; it must be durable there.
    pub(super) fn forget(&self) {
        self.recent_mut().clear();
    }

    /// sled's tree; it is everything as long as nothing was shown since [`Table::forget`].
    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Lets sled write what it has.
    pub(super) fn flush(&self) -> ::sled::Result<()> {
        self.db.flush().map(drop)
    }
}

/// See [`Table::walk`].
pub(super) struct Walk<'a> {
    table: &'a Table,
    bounds: (Bound<DiskKey>, Bound<DiskKey>),
    from_end: bool,
    fetch: usize,
    rows: VecDeque<(DiskKey, IVec)>,
    ended: bool,
}

impl Walk<'_> {
    fn fetch(&mut self) -> ::sled::Result<()> {
        if is_empty(&self.bounds) {
            self.ended = true;
            return Ok(());
        }
        // No row moves from one to the other while this is held.
        let recent = self.table.recent();
        let old = self.table.tree.range::<DiskKey, _>(self.bounds);
        let new = recent.range(self.bounds);
        let last = if self.from_end {
            merge(old.rev(), new.rev(), |a, b| a > b, self.fetch, &mut self.rows)?
        } else {
            merge(old, new, |a, b| a < b, self.fetch, &mut self.rows)?
        };
        match last {
            Some(last) if self.from_end => self.bounds.1 = Bound::Excluded(last),
            Some(last) => self.bounds.0 = Bound::Excluded(last),
            None => self.ended = true,
        }
        self.fetch = (self.fetch * 4).min(FETCHED_MAX);
        Ok(())
    }
}

impl Iterator for Walk<'_> {
    type Item = ::sled::Result<(DiskKey, IVec)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rows.is_empty()
            && !self.ended
            && let Err(error) = self.fetch()
        {
            self.ended = true;
            return Some(Err(error));
        }
        self.rows.pop_front().map(Ok)
    }
}

/// Whether no key can lie between these bounds; a map refuses such ranges.
fn is_empty(bounds: &(Bound<DiskKey>, Bound<DiskKey>)) -> bool {
    match bounds {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
            from >= to
        }
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}

/// Takes `count` living rows from both, which run the same way, into `rows`; a row in `new` counts more than the one of the same key in
/// `old`. Returns the last key taken if there may be more behind it.
fn merge<'a>(
    old: impl Iterator<Item = ::sled::Result<(IVec, IVec)>>,
    new: impl Iterator<Item = (&'a DiskKey, &'a Option<IVec>)>,
    is_first: fn(&DiskKey, &DiskKey) -> bool,
    count: usize,
    rows: &mut VecDeque<(DiskKey, IVec)>,
) -> ::sled::Result<Option<DiskKey>> {
    let mut old = old.map(|row| {
        let (key, value) = row?;
        let key = DiskKey::try_from(&*key)
            .map_err(|_| ::sled::Error::Io(std::io::Error::other("a key has another length")))?;
        Ok::<_, ::sled::Error>((key, value))
    });
    let mut new = new.peekable();
    let mut next_old = old.next().transpose()?;
    while rows.len() < count {
        let new_is_next = match (&next_old, new.peek()) {
            (None, None) => return Ok(None),
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (Some((old, _)), Some((new, _))) => !is_first(old, new),
        };
        if new_is_next && let Some((key, value)) = new.next() {
            if next_old.as_ref().is_some_and(|(old, _)| old == key) {
                next_old = old.next().transpose()?;
            }
            if let Some(value) = value {
                rows.push_back((*key, value.clone()));
            }
        } else {
            rows.extend(next_old.take());
            // Not asked for beyond what is needed: each costs a look into sled.
            next_old = if rows.len() < count { old.next().transpose()? } else { None };
        }
    }
    Ok(rows.back().map(|(key, _)| *key))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(n: u8) -> DiskKey {
        let mut key = [0; DISK_KEY];
        key[0] = n;
        key
    }

    fn numbers(walk: Walk<'_>) -> Vec<(u8, u8)> {
        walk.map(|row| row.map(|(key, value)| (key[0], value[0])).unwrap()).collect()
    }

    #[test]
    fn the_chunks_of_a_record_are_those_of_its_last_change() {
        let dir = tempfile::tempdir().unwrap();
        let db = ::sled::Config::new().path(dir.path()).flush_every_ms(None).open().unwrap();
        let tree = db.open_tree("core").unwrap();
        let table = Table::new((db, tree), Vec::new());
        let put = |n: u8, value: Option<u8>| Change { key: key(n), value: value.map(|v| IVec::from(&[v])) };
        let chunks = |table: &Table| {
            let rows = table.chunks(&key(10), &key(19)).unwrap();
            rows.iter().map(|(key, value)| (key[0], value[0])).collect::<Vec<_>>()
        };
        assert_eq!(chunks(&table), []);
        table.show(vec![put(10, Some(1)), put(11, Some(2)), put(12, Some(3)), put(20, Some(9))]);
        assert_eq!(chunks(&table), [(10, 1), (11, 2), (12, 3)]);
        table.hand_over(([0xff; DISK_KEY], vec![0])).unwrap();
        table.forget();
        assert_eq!(chunks(&table), [(10, 1), (11, 2), (12, 3)]);
        table.show(vec![put(10, Some(4)), put(11, None), put(12, None)]);
        assert_eq!(chunks(&table), [(10, 4)]);
        table.show(vec![put(10, None)]);
        assert_eq!(chunks(&table), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn rows_are_the_same_wherever_they_lie(
            steps in prop::collection::vec((any::<u8>(), prop::option::of(any::<u8>()), 0..8_u8), 1..300),
            (from, to) in (any::<u8>(), any::<u8>()),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let db = ::sled::Config::new().path(dir.path()).flush_every_ms(None).open().unwrap();
            let tree = db.open_tree("core").unwrap();
            let table = Table::new((db, tree), Vec::new());
            let mut model = BTreeMap::new();
            for (n, value, dice) in steps {
                table.show(vec![Change { key: key(n), value: value.map(|v| IVec::from(&[v])) }]);
                match value {
                    Some(value) => model.insert(n, value),
                    None => model.remove(&n),
                };
                if dice == 0 {
                    // A row of the store's own, outside of what is compared.
                    table.hand_over(([0xff; DISK_KEY], vec![0])).unwrap();
                    table.forget();
                }
            }
            let last = key(u8::MAX);
            let all: Vec<(u8, u8)> = model.iter().map(|(n, v)| (*n, *v)).collect();
            prop_assert_eq!(&numbers(table.walk(..=last, false)), &all);
            let mut turned = numbers(table.walk(..=last, true));
            turned.reverse();
            prop_assert_eq!(&turned, &all);
            let part: Vec<(u8, u8)> = all.iter().copied().filter(|(n, _)| (from..to).contains(n)).collect();
            prop_assert_eq!(&numbers(table.walk(key(from)..key(to), false)), &part);
            let mut turned = numbers(table.walk(key(from)..key(to), true));
            turned.reverse();
            prop_assert_eq!(&turned, &part);
            for n in 0..=u8::MAX {
                let found = table.get(&key(n)).unwrap().map(|value| value[0]);
                prop_assert_eq!(found, model.get(&n).copied());
            }
        }
    }
}
