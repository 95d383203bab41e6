//! Answers what front ends ask about groups: commands of the engine, and lines from disk.

use super::backend::{Inner, hex, unhex};
use crate::api::error::{BAD_REQUEST, CLOSED};
use crate::api::groups::{Ask, Group, GroupEvent, GroupMessage, Member, Role, Standing, Told};
use crate::api::time::rfc3339;
use crate::api::{ApiError, MESSAGES_LIMIT_MAX, State};
use crate::store::Line;
use karvon_protocol::body::{Body, Content};
use karvon_protocol::core::StoreFault;
use karvon_protocol::engine::api::{Command, ContactId, Reply};
use karvon_protocol::engine::group_api as core;
use karvon_protocol::engine::group_api::{GroupCommand, GroupNumber, GroupReply, GroupView, Reached};
use karvon_protocol::group::op;
use karvon_protocol::ids::{MemberId, MessageId};
use std::collections::BTreeMap;

fn fault(fault: StoreFault) -> ApiError {
    ApiError::new("store", format!("the history can not be read ({fault:?}): check the disk"))
}

fn closed() -> ApiError {
    ApiError::new(CLOSED, "the node has stopped: start it again")
}

fn bad_id() -> ApiError {
    ApiError::new(BAD_REQUEST, "an id has 32 hexadecimal digits")
}

async fn command(inner: &Inner, command: GroupCommand) -> Result<GroupReply, ApiError> {
    match inner.command(Command::Group(command)).await? {
        Reply::Group(reply) => Ok(reply),
        _ => Err(closed()),
    }
}

/// Answers [`crate::api::Request::Group`].
pub(super) async fn answer(inner: &Inner, ask: Ask) -> Result<Told, ApiError> {
    let member = |text: &str| unhex(text).map(MemberId).ok_or_else(bad_id);
    let wanted = match ask {
        Ask::List => GroupCommand::List,
        Ask::Create { name } => GroupCommand::Create(name),
        Ask::Invite { group, contact } => GroupCommand::Invite(GroupNumber(group), ContactId(contact)),
        Ask::Accept { group } => GroupCommand::Accept(GroupNumber(group)),
        Ask::Leave { group } => GroupCommand::Leave(GroupNumber(group)),
        Ask::Remove { group, member: id } => GroupCommand::Remove(GroupNumber(group), member(&id)?),
        Ask::Role { group, member: id, role } => {
            let role = match role {
                Role::Member => op::Role::Member,
                Role::Admin => op::Role::Admin,
                Role::Owner => op::Role::Owner,
            };
            GroupCommand::Role(GroupNumber(group), member(&id)?, role)
        }
        Ask::Rename { group, name } => GroupCommand::Rename(GroupNumber(group), name),
        Ask::Timer { group, seconds } => GroupCommand::Timer(GroupNumber(group), seconds),
        Ask::Mute { group, muted } => GroupCommand::Mute(GroupNumber(group), muted),
        Ask::Send { group, text } => GroupCommand::Send(GroupNumber(group), text),
        Ask::MarkRead { group, position } => GroupCommand::MarkRead(GroupNumber(group), position),
        Ask::Members { group } => {
            return Ok(Told::Members { members: members(&view(inner, GroupNumber(group)).await?) });
        }
        Ask::Messages { group, before, after, limit } => {
            return messages(inner, GroupNumber(group), before, after, limit.clamp(1, MESSAGES_LIMIT_MAX))
                .await;
        }
        Ask::Info { id } => GroupCommand::Message(unhex(&id).map(MessageId).ok_or_else(bad_id)?),
    };
    Ok(match command(inner, wanted).await? {
        GroupReply::Done => Told::Done,
        GroupReply::Founded(number) => Told::Founded { group: number.0 },
        GroupReply::Queued { id, seq } => Told::Queued { id: hex(&id.0), seq },
        GroupReply::Groups(groups) => Told::Groups { groups: groups.into_iter().map(group).collect() },
        GroupReply::View(_) => return Err(closed()),
        GroupReply::Message { group, author, seq, reached, mine } => {
            let line = inner.history.group_line(group, &author, seq).map_err(fault)?;
            let of = line.map_or(0, |line| u32::from(line.of));
            let (state, delivered, of) = own_state(reached, of);
            let state = if mine { state } else { State::Received };
            Told::Message { group: group.0, seq, mine, state, delivered, of }
        }
    })
}

async fn view(inner: &Inner, number: GroupNumber) -> Result<GroupView, ApiError> {
    match command(inner, GroupCommand::View(number)).await? {
        GroupReply::View(view) => Ok(*view),
        _ => Err(closed()),
    }
}

const fn role(role: op::Role) -> Role {
    match role {
        op::Role::Member => Role::Member,
        op::Role::Admin => Role::Admin,
        op::Role::Owner => Role::Owner,
    }
}

fn group(info: core::GroupInfo) -> Group {
    let (standing, invited_by) = match info.standing {
        core::Standing::Invited(by) => (Standing::Invited, Some(by.0)),
        core::Standing::Joining(by) => (Standing::Joining, Some(by.0)),
        core::Standing::In => (Standing::In, None),
        core::Standing::Out => (Standing::Out, None),
    };
    Group {
        group: info.group.0,
        name: info.name,
        standing,
        invited_by,
        members: info.members,
        role: info.role.map(role),
        unread: info.unread,
        muted: info.muted,
        timer_s: info.timer_s,
    }
}

fn members(view: &GroupView) -> Vec<Member> {
    let name = |id| view.members.iter().find(|member| member.member == id).map(|member| member.name.clone());
    let now = view.members.iter().filter(|member| member.left.is_none());
    now.map(|member| Member {
        member: hex(&member.member.0),
        name: member.name.clone(),
        role: role(member.role),
        me: member.me,
        contact: member.contact.map(|contact| contact.0),
        added_by: name(member.by).unwrap_or_default(),
    })
    .collect()
}

/// State, members that have it, members it is for; `of` counts when everybody has it.
fn own_state(reached: Option<Reached>, of: u32) -> (State, u32, u32) {
    match reached {
        // Large groups tell nobody who has what: stored is all that is known.
        None if of == 0 => (State::Stored, 0, 0),
        None => (State::Delivered, of, of),
        // Those who left are not waited for; those who have it are not listed any more, so the first count stands.
        Some(reached) => {
            let of = of.max(reached.of);
            let delivered = of - (reached.of - reached.delivered);
            (if reached.stored { State::Stored } else { State::Queued }, delivered, of)
        }
    }
}

async fn messages(
    inner: &Inner,
    number: GroupNumber,
    before: Option<u64>,
    after: Option<u64>,
    limit: usize,
) -> Result<Told, ApiError> {
    let view = view(inner, number).await?;
    let authors: BTreeMap<_, _> = view.members.iter().map(|member| (member.member, member)).collect();
    let under_way: BTreeMap<_, _> = view.under_way.iter().copied().collect();
    // What waits for an earlier message, and what somebody wrote after they were removed, is not shown.
    let shown = |line: &Line| {
        let author = authors.get(&line.post.author)?;
        let counts = author.left.is_none_or(|upto| line.post.seq <= upto) && line.post.seq < author.below;
        counts.then_some(*author)
    };
    let mut out = Vec::new();
    let lines: Box<dyn Iterator<Item = _> + Send> = match after {
        Some(after) => Box::new(inner.history.lines_after(number, after)),
        None => Box::new(inner.history.lines_before(number, before)),
    };
    let mut more = false;
    for line in lines {
        let line = line.map_err(fault)?;
        let Some(author) = shown(&line) else { continue };
        if out.len() == limit {
            more = true;
            break;
        }
        out.push(message(inner, number, &line, author, under_way.get(&line.post.seq).copied()));
    }
    if after.is_none() {
        out.reverse();
    }
    Ok(Told::Messages { messages: out, more })
}

fn message(
    inner: &Inner,
    number: GroupNumber,
    line: &Line,
    author: &core::MemberInfo,
    reached: Option<Reached>,
) -> GroupMessage {
    let body = Body::decode(&line.post.body).ok();
    let sent_ms = body.as_ref().map_or(line.at_ms, |body| body.sent_ms);
    let text = match body.map(|body| body.content) {
        Some(Content::Text(text)) => Some(text),
        _ => None,
    };
    let (state, delivered, of) = own_state(reached, u32::from(line.of));
    GroupMessage {
        id: hex(&line.post.id().0),
        group: number.0,
        from: if author.me { inner.name.clone() } else { author.name.clone() },
        member: hex(&line.post.author.0),
        text,
        sent_at: rfc3339(sent_ms),
        received_at: (!author.me).then(|| rfc3339(line.at_ms)),
        seq: line.post.seq,
        mine: author.me,
        state: if author.me { state } else { State::Received },
        delivered: author.me.then_some(delivered),
        of: author.me.then_some(of),
        position: line.position,
    }
}

/// What front ends are told of an event.
pub(super) fn event(event: core::GroupEvent) -> GroupEvent {
    match event {
        core::GroupEvent::Changed(group) => GroupEvent::Changed { group: group.0 },
        core::GroupEvent::Received { group, from, to } => GroupEvent::Received { group: group.0, from, to },
        core::GroupEvent::Delivery(group) => GroupEvent::Delivery { group: group.0 },
    }
}
