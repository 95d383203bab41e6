//! Groups' conversations as they are shown, read from disk beside the writer.

use super::history::History;
use super::sealed::RawKey;
use karvon_protocol::core::{Space, StoreFault};
use karvon_protocol::engine::group_api::GroupNumber;
use karvon_protocol::group::post::Post;
use karvon_protocol::ids::MemberId;

/// A message to a group, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Place in the conversation on this device.
    pub position: u64,
    /// When it was stored here, Unix milliseconds.
    pub at_ms: u64,
    /// Own messages: members it was for.
    pub of: u16,
    /// The message.
    pub post: Post,
}

impl History {
    /// The last lines of a group before place `before` (or at its end), newest first; damaged ones are passed over.
    ///
    /// # Errors
    /// If the medium can not be read.
    pub fn lines_before(
        &self,
        group: GroupNumber,
        before: Option<u64>,
    ) -> impl Iterator<Item = Result<Line, StoreFault>> {
        let mut at = before.unwrap_or(u64::MAX);
        std::iter::from_fn(move || {
            loop {
                match self.0.prev_seq(Space::GroupLine as u8, &group.records(), at) {
                    Ok(Some(position)) => at = position,
                    Ok(None) => return None,
                    Err(fault) => return Some(Err(fault)),
                }
                match self.line(group, at).transpose() {
                    Some(line) => return Some(line),
                    None => continue,
                }
            }
        })
    }

    /// The lines of a group after place `after`, oldest first.
    ///
    /// # Errors
    /// As [`History::lines_before`].
    pub fn lines_after(
        &self,
        group: GroupNumber,
        after: u64,
    ) -> impl Iterator<Item = Result<Line, StoreFault>> {
        let mut at = after.saturating_add(1);
        std::iter::from_fn(move || {
            loop {
                let position = match self.0.next_seq(Space::GroupLine as u8, &group.records(), at) {
                    Ok(Some(position)) => position,
                    Ok(None) => return None,
                    Err(fault) => return Some(Err(fault)),
                };
                at = position.saturating_add(1);
                match self.line(group, position).transpose() {
                    Some(line) => return Some(line),
                    None => continue,
                }
            }
        })
    }

    /// One message by its author and number.
    ///
    /// # Errors
    /// As [`History::lines_before`].
    pub fn group_line(
        &self,
        group: GroupNumber,
        author: &MemberId,
        seq: u64,
    ) -> Result<Option<Line>, StoreFault> {
        let key = RawKey { space: Space::GroupPost as u8, group: group.records_of(author), seq };
        Ok(self.0.row(&key)?.and_then(|row| line(&row)))
    }

    fn line(&self, group: GroupNumber, position: u64) -> Result<Option<Line>, StoreFault> {
        let key = RawKey { space: Space::GroupLine as u8, group: group.records(), seq: position };
        let Some(value) = self.0.row(&key)? else { return Ok(None) };
        let Some((author, seq)) = value.split_first_chunk::<16>() else { return Ok(None) };
        let Ok(seq) = <[u8; 8]>::try_from(seq).map(u64::from_be_bytes) else { return Ok(None) };
        self.group_line(group, &MemberId(*author), seq)
    }
}

/// Reads `at 8 | place 8 | members 2 | signed`.
fn line(row: &[u8]) -> Option<Line> {
    let (at, rest) = row.split_first_chunk::<8>()?;
    let (position, rest) = rest.split_first_chunk::<8>()?;
    let (of, signed) = rest.split_first_chunk::<2>()?;
    let post = Post::read(signed).ok()?;
    Some(Line {
        position: u64::from_be_bytes(*position),
        at_ms: u64::from_be_bytes(*at),
        of: u16::from_be_bytes(*of),
        post,
    })
}
