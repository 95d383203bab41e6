//! Search in the texts of conversations, newest first: every row is opened and read, nothing is indexed, so that no second copy of what
//! people wrote lies anywhere.

use super::history::{Entry, History};
use karvon_protocol::core::{Space, StoreFault};
use karvon_protocol::engine::api::{ContactId, StoredMessage};
use tokio::task::{JoinError, spawn_blocking};

/// A conversation to be searched.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// With whom.
    pub contact: ContactId,
    /// Received messages from this number on are not shown yet and are not found.
    pub received_below: u64,
}

impl History {
    /// The newest messages of these conversations whose body `wanted` likes, newest first, and whether there are more than `limit`. Runs on
    /// threads that may block, own messages and received ones at the same time.
    ///
    /// # Errors
    /// If the medium can not be read or a record is damaged.
    pub async fn search(
        &self,
        places: Vec<Place>,
        limit: usize,
        wanted: impl Fn(&[u8]) -> bool + Clone + Send + 'static,
    ) -> Result<(Vec<(ContactId, Entry)>, bool), StoreFault> {
        let halves = [true, false].map(|mine| {
            let (history, places, wanted) = (self.clone(), places.clone(), wanted.clone());
            spawn_blocking(move || history.search_half(&places, mine, limit, wanted))
        });
        let [own, received] = halves;
        let mut found = own.await.map_err(stopped)??;
        found.extend(received.await.map_err(stopped)??);
        found.sort_by_key(|(_, entry)| std::cmp::Reverse((entry.message.at_ms, entry.message.position)));
        let more = found.len() > limit;
        found.truncate(limit);
        Ok((found, more))
    }

    fn search_half(
        &self,
        places: &[Place],
        mine: bool,
        limit: usize,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<(ContactId, Entry)>, StoreFault> {
        let mut found = Vec::new();
        for place in places {
            let (space, below) =
                if mine { (Space::Sent, u64::MAX) } else { (Space::Received, place.received_below) };
            let mut left = limit.saturating_add(1);
            self.rows().newest_first(space as u8, &place.contact.group(), below, &mut |seq, value| {
                if let Some(message) = StoredMessage::decode(value)
                    .filter(|message| !message.marks.hidden && wanted(&message.body))
                {
                    found.push((place.contact, Entry { mine, seq, message }));
                    left -= 1;
                }
                left > 0
            })?;
        }
        Ok(found)
    }
}

/// The thread was stopped with the runtime, or the search has a defect: either way nothing was found out.
fn stopped(_: JoinError) -> StoreFault {
    StoreFault::Io
}
