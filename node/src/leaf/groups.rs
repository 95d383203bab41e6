//! Answers what front ends ask about groups: commands of the engine, and lines from disk.

use super::backend::{Inner, hex, unhex};
use super::{group_messages, messages};
use crate::api::error::{BAD_REQUEST, CLOSED};
use crate::api::groups::{Ask, Group, GroupEvent, Member, Recipient, Role, Standing, Told};
use crate::api::time::rfc3339;
use crate::api::{ApiError, MESSAGES_LIMIT_MAX, Secret, State};
use karvon_protocol::core::StoreFault;
use karvon_protocol::engine::api::{Command, ContactId, MessageState, Reply};
use karvon_protocol::engine::group_api as core;
use karvon_protocol::engine::group_api::{GroupCommand, GroupNumber, GroupReply, GroupView, Reached};
use karvon_protocol::engine::group_reached::Has;
use karvon_protocol::error::ErrorKind;
use karvon_protocol::group::op;
use karvon_protocol::ids::{MemberId, MessageId};

pub(super) fn fault(fault: StoreFault) -> ApiError {
    ApiError::new("store", format!("the history can not be read ({fault:?}): check the disk"))
}

pub(super) fn closed() -> ApiError {
    ApiError::new(CLOSED, "the node has stopped: start it again")
}

pub(super) fn bad_id() -> ApiError {
    ApiError::new(BAD_REQUEST, "an id has 32 hexadecimal digits")
}

pub(super) async fn command(inner: &Inner, command: GroupCommand) -> Result<GroupReply, ApiError> {
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
        Ask::Link { group } => GroupCommand::Link(GroupNumber(group)),
        Ask::Join { link, name } => GroupCommand::Join { link: link.0, name },
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
        Ask::SendFile { group, name, data } => {
            let (name, media, data) = super::files::prepared(&name, &data)?;
            GroupCommand::SendFile { group: GroupNumber(group), name, media, data, forwarded: false }
        }
        Ask::MarkRead { group, position } => GroupCommand::MarkRead(GroupNumber(group), position),
        Ask::Members { group } => {
            return Ok(Told::Members { members: members(&view(inner, GroupNumber(group)).await?) });
        }
        Ask::Messages { group, before, after, limit } => {
            let limit = limit.clamp(1, MESSAGES_LIMIT_MAX);
            return group_messages::read(inner, GroupNumber(group), before, after, limit).await;
        }
        Ask::One { id } => return group_messages::one(inner, &id).await,
        Ask::Info { id } => return info(inner, &id).await,
        Ask::Forward { group, id } => messages::forward_to(inner, &id, GroupNumber(group)).await?,
    };
    Ok(match command(inner, wanted).await? {
        GroupReply::Done => Told::Done,
        GroupReply::Link(link) => Told::Link { link: Secret(link) },
        GroupReply::Founded(number) => Told::Founded { group: number.0 },
        GroupReply::Queued { id, seq } => Told::Queued { id: hex(&id.0), seq },
        GroupReply::Groups(groups) => Told::Groups { groups: groups.into_iter().map(group).collect() },
        GroupReply::View(_) | GroupReply::Message { .. } => return Err(closed()),
    })
}

/// Answers [`Ask::Info`], and [`crate::api::Request::Info`] for a message to a group.
pub(super) async fn info(inner: &Inner, id: &str) -> Result<Told, ApiError> {
    let id = unhex(id).map(MessageId).ok_or_else(bad_id)?;
    let found = command(inner, GroupCommand::Message(id)).await?;
    let GroupReply::Message { group, author, seq, reached, recipients, mine } = found else {
        return Err(closed());
    };
    let view = view(inner, group).await?;
    let mut line = inner.history.group_line(group, &author, seq).map_err(fault)?;
    if line.as_ref().is_some_and(|line| line.post.is_none()) {
        line = inner.history.group_place(group, &author, seq).map_err(fault)?;
    }
    let line = line.ok_or_else(|| ApiError::from(ErrorKind::NoSuchMessage))?;
    let of = u32::from(line.of);
    let mut recipients: Vec<Recipient> =
        recipients.into_iter().map(|one| recipient(&view, one.member, one.state, one.at_ms)).collect();
    let has = settled(inner, group, &author, seq, mine && reached.is_none())?;
    if let Some(has) = &has {
        let has = has.members.iter().map(|(member, at)| (*member, MessageState::Delivered, Some(*at)));
        recipients = has.map(|(member, state, at)| recipient(&view, member, state, at)).collect();
    }
    // Those who have it first, each in the order in which they got it.
    recipients.sort_by(|a, b| b.state.cmp(&a.state).then_with(|| (&a.at, &a.name).cmp(&(&b.at, &b.name))));
    let (state, delivered, of) = own_state(reached, has.as_ref(), of);
    let author = view.members.iter().find(|member| member.member == author);
    Ok(Told::Message {
        group: group.0,
        seq,
        mine,
        state: if mine { state } else { State::Received },
        delivered,
        of,
        from: if mine { inner.name.clone() } else { author.map_or_else(String::new, |one| one.name.clone()) },
        sent_at: rfc3339(line.sent_ms),
        received_at: (!mine).then(|| rfc3339(line.at_ms)),
        recipients,
    })
}

fn recipient(view: &GroupView, member: MemberId, state: MessageState, at_ms: Option<u64>) -> Recipient {
    let known = view.members.iter().find(|known| known.member == member);
    Recipient {
        member: hex(&member.0),
        name: known.map_or_else(String::new, |known| known.name.clone()),
        contact: known.and_then(|known| known.contact).map(|contact| contact.0),
        state: super::backend::state(state),
        at: at_ms.map(rfc3339),
    }
}

pub(super) async fn view(inner: &Inner, number: GroupNumber) -> Result<GroupView, ApiError> {
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
        deaf: info.deaf,
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
        forked: member.forked,
    })
    .collect()
}

/// What is on disk of an own message if nobody is waited for any more (`done`).
pub(super) fn settled(
    inner: &Inner,
    group: GroupNumber,
    me: &MemberId,
    seq: u64,
    done: bool,
) -> Result<Option<Has>, ApiError> {
    if done { inner.history.group_has(group, me, seq).map_err(fault) } else { Ok(None) }
}

/// State, members that have it, members it was for. Those who left without it are not waited for, and are not counted as having it.
pub(super) fn own_state(reached: Option<Reached>, has: Option<&Has>, of: u32) -> (State, u32, u32) {
    let known = has.map(|has| u32::try_from(has.members.len()).unwrap_or(u32::MAX).min(of));
    match reached {
        // Nobody who lacks it will get it from here: more than that it was written can not be said.
        None if has.is_some_and(|has| has.given_up) => (State::Queued, known.unwrap_or(0), of),
        // Large groups tell nobody who has what: stored is all that is known.
        None if of == 0 => (State::Stored, 0, 0),
        None => (State::Delivered, known.unwrap_or(of), of),
        Some(reached) => {
            let state = if reached.stored { State::Stored } else { State::Queued };
            (state, reached.delivered, of.max(reached.of))
        }
    }
}

/// What front ends are told of an event.
pub(super) fn event(event: core::GroupEvent) -> GroupEvent {
    match event {
        core::GroupEvent::Changed(group) => GroupEvent::Changed { group: group.0 },
        core::GroupEvent::Received { group, from, to } => GroupEvent::Received { group: group.0, from, to },
        core::GroupEvent::Delivery(group) => GroupEvent::Delivery { group: group.0 },
        core::GroupEvent::Message(group, id) => GroupEvent::Message { group: group.0, id: hex(&id.0) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_a_message_counts_as_having_it() {
        let has = |count: u8, given_up| Has {
            members: (1..=count).map(|member| (MemberId([member; 16]), 1)).collect(),
            given_up,
        };
        let reached = |delivered, of| Some(Reached { delivered, of, stored: true });
        assert_eq!(own_state(None, Some(&has(3, false)), 3), (State::Delivered, 3, 3));
        assert_eq!(own_state(None, Some(&has(2, false)), 3), (State::Delivered, 2, 3), "one left without it");
        assert_eq!(own_state(None, Some(&has(1, true)), 3), (State::Queued, 1, 3), "its author was removed");
        assert_eq!(
            own_state(None, Some(&has(0, true)), 0),
            (State::Queued, 0, 0),
            "in a large group as well"
        );
        assert_eq!(own_state(None, None, 0), (State::Stored, 0, 0));
        assert_eq!(own_state(None, None, 3), (State::Delivered, 3, 3), "of an earlier version");
        assert_eq!(own_state(reached(0, 2), None, 3), (State::Stored, 0, 3), "who left is not counted");
    }
}
