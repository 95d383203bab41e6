//! Messages of groups as front ends see them: what their authors signed, and what became of it since.

use super::backend::{Inner, hex, unhex};
use super::copies;
use super::groups::{bad_id, closed, command, fault, own_state, settled, view};
use super::search::Part;
use crate::api::fold::Query;
use crate::api::groups::{GroupMessage, Told};
use crate::api::time::rfc3339;
use crate::api::{ApiError, Attachment, Hit, Reaction, Said, State};
use crate::store::Line;
use crate::store::search_rooms::{Author, Room};
use karvon_protocol::body::{Body, Content};
use karvon_protocol::engine::group_api::{
    GroupCommand, GroupNumber, GroupReply, GroupView, MemberInfo, Reached,
};
use karvon_protocol::engine::group_marks::{Mark, MarkKind};
use karvon_protocol::error::ErrorKind;
use karvon_protocol::group::post::message_id;
use karvon_protocol::ids::{MemberId, MessageId};
use std::collections::BTreeMap;

/// A group while its messages are shown.
struct Reader<'a> {
    inner: &'a Inner,
    view: &'a GroupView,
    authors: BTreeMap<MemberId, &'a MemberInfo>,
    under_way: BTreeMap<u64, Reached>,
}

/// Answers [`crate::api::groups::Ask::Messages`].
pub(super) async fn read(
    inner: &Inner,
    number: GroupNumber,
    before: Option<u64>,
    after: Option<u64>,
    limit: usize,
) -> Result<Told, ApiError> {
    let view = view(inner, number).await?;
    let reader = Reader::new(inner, &view);
    let lines: Box<dyn Iterator<Item = _> + Send> = match after {
        Some(after) => Box::new(inner.history.lines_after(number, after)),
        None => Box::new(inner.history.lines_before(number, before)),
    };
    let (mut out, mut more) = (Vec::new(), false);
    for line in lines {
        let line = line.map_err(fault)?;
        let Some(author) = reader.shown(&line) else { continue };
        if out.len() == limit {
            more = true;
            break;
        }
        out.push(reader.message(&line, author)?);
    }
    if after.is_none() {
        out.reverse();
    }
    Ok(Told::Messages { messages: out, more })
}

/// Answers [`crate::api::groups::Ask::One`].
pub(super) async fn one(inner: &Inner, id: &str) -> Result<Told, ApiError> {
    let missing = || ApiError::from(ErrorKind::NoSuchMessage);
    let (number, author, seq) = find(inner, id).await?;
    let view = view(inner, number).await?;
    let reader = Reader::new(inner, &view);
    let mut line = inner.history.group_line(number, &author, seq).map_err(fault)?;
    if line.as_ref().is_some_and(|line| line.post.is_none()) {
        line = inner.history.group_place(number, &author, seq).map_err(fault)?;
    }
    // What only changed another message has no place.
    let line = line.filter(|line| line.position > 0).ok_or_else(missing)?;
    let author = reader.shown(&line).ok_or_else(missing)?;
    Ok(Told::One { message: Box::new(reader.message(&line, author)?) })
}

/// The body of a message as it is now.
pub(super) async fn stored(inner: &Inner, id: &str) -> Result<Body, ApiError> {
    let missing = || ApiError::from(ErrorKind::NoSuchMessage);
    let (number, author, seq) = find(inner, id).await?;
    let view = view(inner, number).await?;
    let reader = Reader::new(inner, &view);
    let line = inner.history.group_line(number, &author, seq).map_err(fault)?;
    let line = line.filter(|line| line.position > 0).ok_or_else(missing)?;
    let author = reader.shown(&line).ok_or_else(missing)?;
    let now = reader.message(&line, author)?;
    let post = line.post.filter(|_| !now.deleted).ok_or_else(missing)?;
    let mut body = Body::decode(&post.body).map_err(|_| missing())?;
    if let (Content::Text(text) | Content::Reply { text, .. }, Some(new)) = (&mut body.content, now.text) {
        *text = new;
    }
    Ok(body)
}

/// What a search finds in groups, or in one of them.
pub(super) async fn search(
    inner: &Inner,
    query: Query,
    group: Option<u32>,
    limit: usize,
) -> Result<Part, ApiError> {
    let numbers = match group {
        Some(group) => vec![GroupNumber(group)],
        None => match command(inner, GroupCommand::List).await? {
            GroupReply::Groups(groups) => groups.into_iter().map(|info| info.group).collect(),
            _ => return Err(closed()),
        },
    };
    let mut views = BTreeMap::new();
    for number in numbers {
        views.insert(number, view(inner, number).await?);
    }
    let rooms = views.iter().map(|(number, view)| Room {
        number: *number,
        group: view.group,
        authors: view.members.iter().map(author).collect(),
    });
    let rooms = rooms.collect();
    let found = inner.history.search_groups(rooms, limit, move |text| query.matches(text)).await;
    let (found, more) = found.map_err(fault)?;
    let mut hits = Vec::new();
    for (number, line) in found {
        let Some(view) = views.get(&number) else { continue };
        let reader = Reader::new(inner, view);
        let Some(author) = reader.shown(&line) else { continue };
        let said = Said::Group(reader.message(&line, author)?);
        hits.push((line.at_ms, Hit { place: view.info.name.clone(), said }));
    }
    Ok((hits, more))
}

/// What of a member's messages is shown, and what of their changes counts.
fn author(member: &MemberInfo) -> Author {
    let counts_below = member.left.map_or(u64::MAX, |upto| upto.saturating_add(1));
    Author { member: member.member, shown_below: member.below.min(counts_below), counts_below }
}

/// The group, author and number that a message's id names.
async fn find(inner: &Inner, id: &str) -> Result<(GroupNumber, MemberId, u64), ApiError> {
    let id = unhex(id).map(MessageId).ok_or_else(bad_id)?;
    match command(inner, GroupCommand::Message(id)).await? {
        GroupReply::Message { group, author, seq, .. } => Ok((group, author, seq)),
        _ => Err(closed()),
    }
}

impl<'a> Reader<'a> {
    fn new(inner: &'a Inner, view: &'a GroupView) -> Self {
        let authors = view.members.iter().map(|member| (member.member, member)).collect();
        Self { inner, view, authors, under_way: view.under_way.iter().copied().collect() }
    }

    /// The author, if the message is to be shown: what waits for an earlier one, and what somebody wrote after they were removed, is not.
    fn shown(&self, line: &Line) -> Option<&'a MemberInfo> {
        let author = *self.authors.get(&line.author)?;
        let counts = author.left.is_none_or(|upto| line.seq <= upto) && line.seq < author.below;
        counts.then_some(author)
    }

    fn name(&self, member: &MemberInfo) -> String {
        if member.me { self.inner.name.clone() } else { member.name.clone() }
    }

    fn message(&self, line: &Line, author: &MemberInfo) -> Result<GroupMessage, ApiError> {
        let number = self.view.info.group;
        let mut marks = self.inner.history.group_marks(number, &line.author, line.seq).map_err(fault)?;
        // What somebody did after they were removed does not count.
        marks.retain(|mark| {
            let by = self.authors.get(&mark.by);
            by.is_some_and(|by| by.left.is_none_or(|upto| mark.seq <= upto))
        });
        let deleted = line.post.is_none() || marks.iter().any(|mark| mark.kind == MarkKind::Delete);
        let reached = self.under_way.get(&line.seq).copied().filter(|_| author.me);
        let has = settled(self.inner, number, &line.author, line.seq, author.me && reached.is_none())?;
        let (state, delivered, of) = own_state(reached, has.as_ref(), u32::from(line.of));
        let state = match (author.me, line.post.is_none(), reached) {
            (false, ..) => State::Received,
            // For how many it was is gone with it.
            (true, true, None) if state != State::Queued => State::Delivered,
            (true, ..) => state,
        };
        let mut out = GroupMessage {
            id: hex(&message_id(self.view.group, line.author, line.seq).0),
            group: number.0,
            from: self.name(author),
            member: hex(&line.author.0),
            text: None,
            sent_at: rfc3339(line.sent_ms),
            received_at: (!author.me).then(|| rfc3339(line.at_ms)),
            seq: line.seq,
            mine: author.me,
            state,
            delivered: (author.me && line.post.is_some()).then_some(delivered),
            of: (author.me && line.post.is_some()).then_some(of),
            position: line.position,
            reply_to: None,
            reactions: Vec::new(),
            edited: false,
            deleted,
            forwarded: false,
            attachment: None,
            expires_s: 0,
            copied: None,
        };
        let body = line.post.as_ref().filter(|_| !deleted).and_then(|post| Body::decode(&post.body).ok());
        let Some(body) = body else { return Ok(out) };
        (out.expires_s, out.forwarded) = (body.expires_s, body.forwarded);
        let content = match copies::read(&body.content) {
            Some((copied, inside)) => {
                out.copied = Some(Box::new(copied));
                inside.unwrap_or(Content::Dummy)
            }
            None => body.content,
        };
        match content {
            Content::Text(text) => out.text = Some(text),
            Content::Reply { to, text } => {
                out.text = Some(text);
                out.reply_to = Some(hex(&to.0));
            }
            Content::File { name, media, data } => {
                out.attachment = Some(Attachment { name, media_type: media, bytes: data.len() as u64 });
            }
            _ => {}
        }
        // The highest number of each member holds.
        marks.sort_unstable_by_key(|mark| std::cmp::Reverse(mark.seq));
        if out.text.is_some() && out.copied.is_none() {
            for mark in marks.iter().filter(|mark| mark.kind == MarkKind::Edit) {
                if let Some(Content::Edit { text, .. }) = self.change(mark)? {
                    (out.text, out.edited) = (Some(text), true);
                    break;
                }
            }
        }
        let mut signs = BTreeMap::new();
        for mark in marks.iter().filter(|mark| mark.kind == MarkKind::Sign) {
            signs.entry(mark.by).or_insert(mark);
        }
        for mark in signs.into_values() {
            let Some(by) = self.authors.get(&mark.by) else { continue };
            if let Some(Content::Reaction { emoji, .. }) = self.change(mark)?.filter(is_sign) {
                out.reactions.push(Reaction { emoji, mine: by.me, from: self.name(by) });
            }
        }
        Ok(out)
    }

    /// What brought a change; nothing if it was taken back.
    fn change(&self, mark: &Mark) -> Result<Option<Content>, ApiError> {
        let line = self.inner.history.group_line(self.view.info.group, &mark.by, mark.seq).map_err(fault)?;
        let body = line.and_then(|line| line.post).and_then(|post| Body::decode(&post.body).ok());
        Ok(body.map(|body| body.content))
    }
}

/// A sign that is not taken back.
const fn is_sign(content: &Content) -> bool {
    matches!(content, Content::Reaction { emoji, .. } if !emoji.is_empty())
}
