//! Search in the texts of conversations, newest first: every row is opened and read, nothing is indexed, so that no second copy of what
//! people wrote lies anywhere.

use super::history::{Entry, History};
use karvon_protocol::core::{Space, StoreFault};
use karvon_protocol::engine::api::{ContactId, StoredMessage};
use std::ops::Range;
use tokio::task::{JoinError, spawn_blocking};

/// A conversation to be searched.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// With whom.
    pub contact: ContactId,
    /// Received messages from this number on are not shown yet and are not found.
    pub received_below: u64,
}

/// Threads that search at the same time; each that has worked keeps some memory.
const PARTS: u64 = 2;

/// Rows of one author in one conversation, by number.
struct Stretch {
    contact: ContactId,
    mine: bool,
    seqs: Range<u64>,
}

impl Stretch {
    /// The part with this number, of [`PARTS`] that have nothing in common.
    fn part(&self, number: u64) -> Self {
        let each = self.seqs.end.div_ceil(PARTS);
        let edge = |number: u64| each.saturating_mul(number).min(self.seqs.end);
        Self { seqs: edge(number)..edge(number + 1), ..*self }
    }
}

fn space(mine: bool) -> u8 {
    if mine { Space::Sent as u8 } else { Space::Received as u8 }
}

impl History {
    /// The newest messages of these conversations whose body `wanted` likes, newest first, and whether there are more than `limit`. Runs on
    /// threads that may block, each a part of the history at the same time.
    ///
    /// # Errors
    /// If the medium can not be read or a record is damaged.
    pub async fn search(
        &self,
        places: Vec<Place>,
        limit: usize,
        wanted: impl Fn(&[u8]) -> bool + Clone + Send + 'static,
    ) -> Result<(Vec<(ContactId, Entry)>, bool), StoreFault> {
        let history = self.clone();
        let whole = spawn_blocking(move || history.to_search(&places)).await.map_err(stopped)??;
        // Whichever side wrote most and to whom, every thread has as many rows as the others.
        let parts = (0..PARTS).map(|number| {
            let (history, wanted) = (self.clone(), wanted.clone());
            let stretches: Vec<Stretch> = whole.iter().map(|stretch| stretch.part(number)).collect();
            spawn_blocking(move || history.search_part(&stretches, limit, wanted))
        });
        let mut found = Vec::new();
        for part in parts.collect::<Vec<_>>() {
            found.extend(part.await.map_err(stopped)??);
        }
        found.sort_by_key(|(_, entry)| std::cmp::Reverse((entry.message.at_ms, entry.message.position)));
        Ok(cut(found, limit))
    }

    /// All that may be shown of these conversations.
    fn to_search(&self, places: &[Place]) -> Result<Vec<Stretch>, StoreFault> {
        let mut out = Vec::new();
        for Place { contact, received_below } in places {
            for (mine, below) in [(true, u64::MAX), (false, *received_below)] {
                let newest = self.rows().prev_seq(space(mine), &contact.group(), below)?;
                out.extend(newest.map(|newest| Stretch { contact: *contact, mine, seqs: 0..newest + 1 }));
            }
        }
        Ok(out)
    }

    fn search_part(
        &self,
        stretches: &[Stretch],
        limit: usize,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<(ContactId, Entry)>, StoreFault> {
        let mut found = Vec::new();
        for Stretch { contact, mine, seqs } in stretches {
            let mut left = limit.saturating_add(1);
            self.rows().newest_first(space(*mine), &contact.group(), seqs.clone(), &mut |seq, value| {
                if let Some(message) = StoredMessage::decode(value)
                    .filter(|message| !message.marks.hidden && wanted(&message.body))
                {
                    found.push((*contact, Entry { mine: *mine, seq, message }));
                    left -= 1;
                }
                left > 0
            })?;
        }
        Ok(found)
    }
}

/// The first `limit` of what was found, and whether there are more.
pub(super) fn cut<T>(mut found: Vec<T>, limit: usize) -> (Vec<T>, bool) {
    let more = found.len() > limit;
    found.truncate(limit);
    (found, more)
}

/// The thread was stopped with the runtime, or the search has a defect: either way nothing was found out.
pub(super) fn stopped(_: JoinError) -> StoreFault {
    StoreFault::Io
}
