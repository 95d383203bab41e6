//! Removed records must stay removed: their keys are thrown away, and what else those keys sealed is sealed anew before (DESIGN S2).
//!
//! A record that is removed or rewritten leaves its old bytes in sled's log. So its key becomes *stale*; a note in the same batch says so,
//! for a start after a crash. When the store is at rest, at the latest after a while, and always when it is closed, the living records of
//! stale keys are sealed by others, and the stale ones are thrown out of the keyring.

use super::journal::Change;
use super::keyring::{Family, Keyring};
use super::rows::{damaged, fault, io_fault};
use super::sealed::{RawKey, STATE_SPACES, Sealer, TALK_SPACES, key_number, seq_and_chunk};
use super::sled::SledStore;
use super::table::Table;
use karvon_protocol::core::StoreFault;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Group of the notes; no space of the core has the number 0.
const NOTES: [u8; 16] = *b"stale...........";
/// Stale keys are thrown away at rest after this time.
const AT_REST: Duration = Duration::from_secs(20);
/// They are thrown away under load after this time.
const UNDER_LOAD: Duration = Duration::from_secs(60);
/// Records sealed anew in one batch.
const AT_ONCE: usize = 128;
/// Living bytes for which one more second may pass: throwing away costs writing them.
const BYTES_PER_SECOND: usize = 8 << 10;

/// Keys that sealed something that was removed since.
#[derive(Default)]
pub(super) struct Stale {
    numbers: BTreeSet<u32>,
    since: Option<Instant>,
    /// Bytes that were sealed anew the last time.
    living: usize,
}

impl Stale {
    /// What a store that was not closed in order has left.
    pub(super) fn read(table: &Table, sealer: &Sealer, ring: &Keyring) -> ::sled::Result<Self> {
        let mut out = Self::default();
        let (first, last) =
            (sealer.disk_key(&note_key(0), 0), sealer.disk_key(&note_key(u32::MAX), u16::MAX));
        for row in table.walk(first..=last, false) {
            let number = seq_and_chunk(&row?.0).and_then(|(number, _)| u32::try_from(number).ok());
            // A note whose key is gone was about to be removed.
            out.numbers.extend(number.filter(|number| ring.family(*number).is_some()));
        }
        out.since = (!out.numbers.is_empty()).then(Instant::now);
        Ok(out)
    }

    /// Whether this key is to be thrown away anyway, or never.
    pub(super) fn has(&self, number: u32) -> bool {
        number == 0 || self.numbers.contains(&number)
    }

    /// A record under key `number` is being removed or rewritten; what is returned belongs into the same commit.
    pub(super) fn note(&mut self, number: u32, sealer: &Sealer) -> Result<Vec<Change>, StoreFault> {
        self.since.get_or_insert_with(Instant::now);
        self.numbers.insert(number);
        let sealed = sealer.seal(0, &note_key(number), &[]).ok_or(StoreFault::Io)?;
        Ok(sealed.into_iter().map(|(key, value)| Change { key, value: Some(value.into()) }).collect())
    }

    fn is_older_than(&self, least: Duration) -> bool {
        let more = Duration::from_secs((self.living / BYTES_PER_SECOND) as u64);
        self.since.is_some_and(|since| since.elapsed() >= least + more)
    }

    /// Whether stale keys are to be thrown away now that the store is at rest.
    pub(super) fn is_due(&self) -> bool {
        self.is_older_than(AT_REST)
    }

    /// Whether they are to be thrown away though the store is not at rest.
    pub(super) fn is_overdue(&self) -> bool {
        self.is_older_than(UNDER_LOAD)
    }
}

fn note_key(number: u32) -> RawKey {
    RawKey { space: 0, group: NOTES, seq: u64::from(number) }
}

impl SledStore {
    /// Throws every stale key away.
    pub(super) fn shred(&mut self) -> Result<(), StoreFault> {
        let stale = self.stale.numbers.clone();
        if stale.is_empty() {
            return Ok(());
        }
        // What is sealed anew must not lie in the journal as well: it would come back from there under its old key.
        self.hand_over()?;
        let ring_fault = |error: std::io::Error| io_fault("the keyring could not be written", &error);
        let day = self.day();
        self.ring.turn(&stale, day).map_err(ring_fault)?;
        let families: BTreeSet<Family> =
            stale.iter().filter_map(|number| self.ring.family(*number)).collect();
        let mut living = 0;
        for family in families {
            living += self.seal_anew(family, &stale, day)?;
        }
        self.sync_log()?;
        self.ring.shred(&stale).map_err(ring_fault)?;
        let mut batch = ::sled::Batch::default();
        for number in &stale {
            batch.remove(&self.shared.sealer.disk_key(&note_key(*number), 0));
        }
        self.shared.table()?.tree().apply_batch(batch).map_err(|error| fault(&error))?;
        self.stale = Stale { living, ..Stale::default() };
        Ok(())
    }

    /// Seals the records of a family that lie under stale keys by its current one; returns how many bytes there were.
    fn seal_anew(&mut self, family: Family, stale: &BTreeSet<u32>, day: u32) -> Result<usize, StoreFault> {
        let shared = self.shared.clone();
        let tree = shared.table()?.tree();
        let prefixes: Vec<Vec<u8>> = match family {
            Family::State => STATE_SPACES.iter().map(|space| vec![*space as u8]).collect(),
            Family::Talk(group) => {
                TALK_SPACES.iter().map(|space| shared.sealer.prefix(*space as u8, &group).to_vec()).collect()
            }
        };
        let mut bytes = 0;
        for prefix in prefixes {
            let mut batch = ::sled::Batch::default();
            let mut records = 0;
            for row in tree.scan_prefix(prefix) {
                let (disk_key, sealed) = row.map_err(|error| fault(&error))?;
                if !key_number(&sealed).is_some_and(|number| stale.contains(&number)) {
                    continue;
                }
                bytes += sealed.len();
                // One by one, so that an epoch never seals more than it should.
                let wanted = [(family, 1)].into_iter().collect();
                self.ring
                    .prepare(&wanted, day)
                    .map_err(|error| io_fault("the keyring could not be written", &error))?;
                let number = self.ring.current(family).ok_or(StoreFault::Io)?;
                let again = shared.sealer.seal_again(number, &disk_key, &sealed).map_err(|_| damaged())?;
                batch.insert(disk_key, again);
                records += 1;
                if records % AT_ONCE == 0 {
                    tree.apply_batch(core::mem::take(&mut batch)).map_err(|error| fault(&error))?;
                }
            }
            tree.apply_batch(batch).map_err(|error| fault(&error))?;
        }
        Ok(bytes)
    }
}
