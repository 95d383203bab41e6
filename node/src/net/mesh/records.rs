//! The record store of Kademlia: signed relay descriptors under their relay ids, and nothing else.

use karvon_protocol::descriptor::Descriptor;
use karvon_protocol::limits::{DESCRIPTOR_BYTES_MAX, DESCRIPTORS_MAX};
use libp2p::PeerId;
use libp2p::kad::store::{Error, RecordStore, Result};
use libp2p::kad::{ProviderRecord, Record, RecordKey};
use std::borrow::Cow;
use std::collections::HashMap;

/// Descriptors by relay id. They do not expire: a relay's next descriptor replaces its last, and their number is bounded.
#[derive(Default)]
pub(super) struct Records(HashMap<RecordKey, (u64, Record)>);

impl RecordStore for Records {
    type RecordsIter<'a> = std::vec::IntoIter<Cow<'a, Record>>;
    type ProvidedIter<'a> = std::iter::Empty<Cow<'a, ProviderRecord>>;

    fn get(&self, key: &RecordKey) -> Option<Cow<'_, Record>> {
        self.0.get(key).map(|(_, record)| Cow::Borrowed(record))
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
        match self.0.get(&record.key) {
            Some((seq, _)) if *seq > descriptor.seq => return Err(Error::MaxRecords),
            None if self.0.len() >= DESCRIPTORS_MAX => return Err(Error::MaxRecords),
            _ => {}
        }
        record.expires = None;
        self.0.insert(record.key.clone(), (descriptor.seq, record));
        Ok(())
    }

    fn remove(&mut self, key: &RecordKey) {
        self.0.remove(key);
    }

    fn records(&self) -> Self::RecordsIter<'_> {
        let records: Vec<_> = self.0.values().map(|(_, record)| Cow::Borrowed(record)).collect();
        records.into_iter()
    }

    fn add_provider(&mut self, _: ProviderRecord) -> Result<()> {
        Err(Error::MaxProvidedKeys)
    }

    fn providers(&self, _: &RecordKey) -> Vec<ProviderRecord> {
        Vec::new()
    }

    fn provided(&self) -> Self::ProvidedIter<'_> {
        std::iter::empty()
    }

    fn remove_provider(&mut self, _: &RecordKey, _: &PeerId) {}
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
        let provider = ProviderRecord::new(vec![1; 16], PeerId::random(), Vec::new());
        assert!(records.add_provider(provider).is_err());
        assert_eq!(records.records().count(), 0);
    }
}
