//! The record store of Kademlia: signed relay descriptors under their relay ids, who carries which shard, and nothing else.

use super::carriers::carrier_keys;
use karvon_protocol::descriptor::Descriptor;
use karvon_protocol::limits::{DESCRIPTOR_BYTES_MAX, DESCRIPTORS_MAX};
use libp2p::PeerId;
use libp2p::kad::store::{Error, RecordStore, Result};
use libp2p::kad::{ProviderRecord, Record, RecordKey};
use std::borrow::Cow;
use std::collections::HashMap;

/// Carriers of one shard that are kept; the one that expires first goes for a newer one.
const CARRIERS_MAX: usize = 64;

/// Descriptors by relay id. They do not expire: a relay's next descriptor replaces its last, and their number is bounded.
pub(super) struct Records {
    descriptors: HashMap<RecordKey, (u64, Record)>,
    /// By the keys of all shards; there are no others.
    carriers: HashMap<RecordKey, Vec<ProviderRecord>>,
}

impl Default for Records {
    fn default() -> Self {
        let carriers = carrier_keys().map(|key| (key, Vec::new())).collect();
        Self { descriptors: HashMap::new(), carriers }
    }
}

impl RecordStore for Records {
    type RecordsIter<'a> = std::vec::IntoIter<Cow<'a, Record>>;
    type ProvidedIter<'a> = std::iter::Empty<Cow<'a, ProviderRecord>>;

    fn get(&self, key: &RecordKey) -> Option<Cow<'_, Record>> {
        self.descriptors.get(key).map(|(_, record)| Cow::Borrowed(record))
    }

    fn put(&mut self, mut record: Record) -> Result<()> {
        if record.value.len() > DESCRIPTOR_BYTES_MAX {
            return Err(Error::ValueTooLarge);
        }
        // The trait has no error for a forgery; "no room" is what the sender of one is told.
        let descriptor = Descriptor::verify(&record.value).map_err(|_| Error::MaxRecords)?;
        if record.key.as_ref() != descriptor.relay().0 {
            return Err(Error::MaxRecords);
        }
        match self.descriptors.get(&record.key) {
            Some((seq, _)) if *seq > descriptor.seq => return Err(Error::MaxRecords),
            None if self.descriptors.len() >= DESCRIPTORS_MAX => return Err(Error::MaxRecords),
            _ => {}
        }
        record.expires = None;
        self.descriptors.insert(record.key.clone(), (descriptor.seq, record));
        Ok(())
    }

    fn remove(&mut self, key: &RecordKey) {
        self.descriptors.remove(key);
    }

    fn records(&self) -> Self::RecordsIter<'_> {
        let records: Vec<_> = self.descriptors.values().map(|(_, record)| Cow::Borrowed(record)).collect();
        records.into_iter()
    }

    fn add_provider(&mut self, record: ProviderRecord) -> Result<()> {
        let carriers = self.carriers.get_mut(&record.key).ok_or(Error::MaxProvidedKeys)?;
        if record.addresses.is_empty() {
            // This relay itself: see `Mesh::carry`.
            return Ok(());
        }
        carriers.retain(|known| known.provider != record.provider);
        if carriers.len() >= CARRIERS_MAX
            && let Some(first) = (0..carriers.len()).min_by_key(|at| carriers.get(*at).map(|one| one.expires))
        {
            carriers.swap_remove(first);
        }
        carriers.push(record);
        Ok(())
    }

    fn providers(&self, key: &RecordKey) -> Vec<ProviderRecord> {
        self.carriers.get(key).cloned().unwrap_or_default()
    }

    fn provided(&self) -> Self::ProvidedIter<'_> {
        std::iter::empty()
    }

    fn remove_provider(&mut self, key: &RecordKey, provider: &PeerId) {
        if let Some(carriers) = self.carriers.get_mut(key) {
            carriers.retain(|known| known.provider != *provider);
        }
    }
}

/// The record of a descriptor's signed bytes.
pub(super) fn record(relay: &karvon_protocol::ids::RelayId, bytes: Vec<u8>) -> Record {
    Record::new(relay.0.to_vec(), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_signed_descriptor_under_its_own_key_is_kept() {
        let mut records = Records::default();
        assert!(records.put(Record::new(vec![1; 16], vec![2; 100])).is_err());
        assert!(records.put(Record::new(vec![1; 16], vec![2; 2_000])).is_err());
        let addr: libp2p::Multiaddr = "/ip4/9.9.9.9/tcp/1".parse().unwrap();
        let provider = ProviderRecord::new(vec![1; 16], PeerId::random(), vec![addr]);
        assert!(records.add_provider(provider).is_err());
        assert_eq!(records.records().count(), 0);
    }

    #[test]
    fn carriers_of_a_shard_are_few_and_the_newest_stay() {
        let mut records = Records::default();
        let key = carrier_keys().next().unwrap();
        let addr: libp2p::Multiaddr = "/ip4/9.9.9.9/tcp/1".parse().unwrap();
        let carrier = |number: usize, peer| {
            let mut record = ProviderRecord::new(key.clone(), peer, vec![addr.clone()]);
            record.expires = Some(std::time::Instant::now() + std::time::Duration::from_secs(number as u64));
            record
        };
        let peers: Vec<_> = (0..3 * CARRIERS_MAX).map(|_| PeerId::random()).collect();
        for (number, peer) in peers.iter().enumerate() {
            for _ in 0..2 {
                assert!(records.add_provider(carrier(number, *peer)).is_ok());
            }
        }
        let known: Vec<_> = records.providers(&key).into_iter().map(|record| record.provider).collect();
        assert_eq!(known.len(), CARRIERS_MAX);
        assert!(peers[2 * CARRIERS_MAX..].iter().all(|peer| known.contains(peer)));
        records.remove_provider(&key, &known[0]);
        assert_eq!(records.providers(&key).len(), CARRIERS_MAX - 1);
        let own = ProviderRecord::new(key.clone(), PeerId::random(), Vec::new());
        assert!(records.add_provider(own).is_ok(), "announced, and kept nowhere here");
        assert_eq!(records.providers(&key).len(), CARRIERS_MAX - 1);
    }
}
