//! Groups' conversations as they are shown, read from disk beside the writer.

use super::history::History;
use super::sealed::RawKey;
use karvon_protocol::body::Body;
use karvon_protocol::core::{Space, StoreFault};
use karvon_protocol::engine::group_api::GroupNumber;
use karvon_protocol::engine::group_marks::{Mark, records};
use karvon_protocol::engine::group_reached::{self, Has};
use karvon_protocol::group::post::Post;
use karvon_protocol::ids::MemberId;

/// A message to a group, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Place in the conversation on this device.
    pub position: u64,
    /// When it was stored here, Unix milliseconds.
    pub at_ms: u64,
    /// When its author's device says it was written, Unix milliseconds.
    pub sent_ms: u64,
    /// Own messages: members it was for.
    pub of: u16,
    /// The author.
    pub author: MemberId,
    /// The author's number of it.
    pub seq: u64,
    /// The message; nothing if its author took it back.
    pub post: Option<Post>,
}

/// Changes of one message that are looked at; more than people make.
const MARKS_MAX: usize = 4_096;

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
        Ok(self.0.row(&key)?.and_then(|row| line(&row, *author, seq)))
    }

    /// The line of a message, looked for from the newest one back: what was taken back has no other trace of its place.
    ///
    /// # Errors
    /// As [`History::lines_before`].
    pub fn group_place(
        &self,
        group: GroupNumber,
        author: &MemberId,
        seq: u64,
    ) -> Result<Option<Line>, StoreFault> {
        let name = [&author.0[..], &seq.to_be_bytes()].concat();
        let mut found = None;
        self.0.newest_first(
            Space::GroupLine as u8,
            &group.records(),
            0..u64::MAX,
            &mut |position, value| {
                found = value.starts_with(&name).then_some(position);
                found.is_none()
            },
        )?;
        found.map_or(Ok(None), |position| self.line(group, position))
    }

    /// What became of a message since, in no order.
    ///
    /// # Errors
    /// As [`History::lines_before`].
    pub fn group_marks(
        &self,
        group: GroupNumber,
        author: &MemberId,
        seq: u64,
    ) -> Result<Vec<Mark>, StoreFault> {
        let (space, group) = (Space::GroupMark as u8, records(group, author, seq));
        let (mut out, mut at) = (Vec::new(), 0);
        while let Some(found) = self.0.next_seq(space, &group, at)?.filter(|_| out.len() < MARKS_MAX) {
            let row = self.0.row(&RawKey { space, group, seq: found })?;
            out.extend(row.and_then(|row| Mark::decode(&row)));
            let Some(next) = found.checked_add(1) else { break };
            at = next;
        }
        Ok(out)
    }

    /// Who has own message `seq` of a group in which this person is `me`, and since when this device knows it (Unix milliseconds); `None`
    /// while somebody is waited for, and for what was delivered under an earlier version.
    ///
    /// # Errors
    /// As [`History::lines_before`].
    pub fn group_has(&self, group: GroupNumber, me: &MemberId, seq: u64) -> Result<Option<Has>, StoreFault> {
        let row = self.0.row(&RawKey::from(group_reached::key(group, me, seq)))?;
        Ok(row.map(|row| group_reached::decode(&row)))
    }

    fn line(&self, group: GroupNumber, position: u64) -> Result<Option<Line>, StoreFault> {
        let key = RawKey { space: Space::GroupLine as u8, group: group.records(), seq: position };
        let Some(value) = self.0.row(&key)? else { return Ok(None) };
        let Some((author, rest)) = value.split_first_chunk::<16>() else { return Ok(None) };
        let Some((seq, times)) = rest.split_first_chunk::<8>() else { return Ok(None) };
        let found = self.group_line(group, &MemberId(*author), u64::from_be_bytes(*seq))?;
        // The line's times stay when the message is gone; lines of earlier versions have none.
        Ok(found.map(|line| match times.split_first_chunk::<8>() {
            Some((at, sent)) => Line {
                position,
                at_ms: u64::from_be_bytes(*at),
                sent_ms: sent.try_into().map_or(line.sent_ms, u64::from_be_bytes),
                ..line
            },
            None => Line { position, ..line },
        }))
    }
}

/// Reads `at 8 | place 8 | members 2 | signed`; of a message that was taken back the zeros of the first three are left.
pub(super) fn line(row: &[u8], author: MemberId, seq: u64) -> Option<Line> {
    let (at, rest) = row.split_first_chunk::<8>()?;
    let (position, rest) = rest.split_first_chunk::<8>()?;
    let (of, signed) = rest.split_first_chunk::<2>()?;
    let post = if signed.is_empty() { None } else { Some(Post::read(signed).ok()?) };
    let at_ms = u64::from_be_bytes(*at);
    let body = post.as_ref().and_then(|post| Body::decode(&post.body).ok());
    Some(Line {
        position: u64::from_be_bytes(*position),
        at_ms,
        sent_ms: body.map_or(at_ms, |body| body.sent_ms),
        of: u16::from_be_bytes(*of),
        author,
        seq,
        post,
    })
}
