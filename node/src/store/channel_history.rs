//! Channels' entries as they are shown, read from disk beside the writer.

use super::history::History;
use super::sealed::RawKey;
use karvon_protocol::channel::entry::SignedEntry;
use karvon_protocol::core::{Space, StoreFault};
use karvon_protocol::engine::channel_api::ChannelNumber;

/// When an entry was stored here (Unix milliseconds), and the entry.
pub(super) type Stored = (u64, SignedEntry);

impl History {
    /// The entries of a channel before number `before` (or at its end), newest first; damaged ones are passed over.
    ///
    /// # Errors
    /// If the medium can not be read.
    pub fn entries_before(
        &self,
        channel: ChannelNumber,
        before: Option<u64>,
    ) -> impl Iterator<Item = Result<Stored, StoreFault>> {
        let mut at = before.unwrap_or(u64::MAX);
        self.entries(channel, move |history, records| {
            let found = history.0.prev_seq(Space::ChannelEntry as u8, records, at)?;
            at = found.unwrap_or(at);
            Ok(found)
        })
    }

    /// The entries of a channel after number `after`, oldest first.
    ///
    /// # Errors
    /// As [`History::entries_before`].
    pub fn entries_after(
        &self,
        channel: ChannelNumber,
        after: u64,
    ) -> impl Iterator<Item = Result<Stored, StoreFault>> {
        let mut at = after.saturating_add(1);
        self.entries(channel, move |history, records| {
            let found = history.0.next_seq(Space::ChannelEntry as u8, records, at)?;
            at = found.map_or(at, |found| found.saturating_add(1));
            Ok(found)
        })
    }

    fn entries(
        &self,
        channel: ChannelNumber,
        mut next: impl FnMut(&Self, &[u8; 16]) -> Result<Option<u64>, StoreFault>,
    ) -> impl Iterator<Item = Result<Stored, StoreFault>> {
        let records = channel.records();
        std::iter::from_fn(move || {
            loop {
                let seq = match next(self, &records) {
                    Ok(Some(seq)) => seq,
                    Ok(None) => return None,
                    Err(fault) => return Some(Err(fault)),
                };
                let key = RawKey { space: Space::ChannelEntry as u8, group: records, seq };
                match self.0.row(&key) {
                    Ok(row) => {
                        let Some(stored) = row.and_then(|row| stored(&row)) else { continue };
                        return Some(Ok(stored));
                    }
                    Err(fault) => return Some(Err(fault)),
                }
            }
        })
    }
}

/// Reads `at 8 | signed`.
pub(super) fn stored(row: &[u8]) -> Option<Stored> {
    let (at, signed) = row.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*at), SignedEntry::read(signed).ok()?))
}
