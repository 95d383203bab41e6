//! What the node answers and tells about groups and channels.

use karvon_node::api::channels::{self, Channel, ChannelEvent};
use karvon_node::api::groups::{self, Group, GroupEvent, Standing};
use karvon_node::api::{ApiError, Request, Response};

use super::answer::{after, inform_again, latest};
use super::{Model, Overlay, Talk, group, talk, update};
use crate::command::{Command, Purpose};

/// Puts an answer where it belongs.
pub(super) fn answer(
    model: &mut Model,
    purpose: Purpose,
    result: Result<Response, ApiError>,
) -> Vec<Command> {
    let mut commands = Vec::new();
    match (purpose, result) {
        (_, Ok(Response::Group(groups::Told::Groups { groups }))) => {
            commands.extend(known_groups(model, groups))
        }
        (_, Ok(Response::Channel(channels::Told::Channels { channels }))) => {
            commands.extend(known_channels(model, channels));
        }
        (Purpose::Members(group), Ok(Response::Group(groups::Told::Members { mut members }))) => {
            members.sort_by(|a, b| (b.role as u8).cmp(&(a.role as u8)).then_with(|| a.name.cmp(&b.name)));
            let chosen = group::chosen(model);
            model.members = Some((group, members));
            group::choose_again(model, chosen.as_ref());
        }
        (Purpose::Founded(contacts), Ok(Response::Group(groups::Told::Founded { group }))) => {
            model.overlays.retain(|overlay| !matches!(overlay, Overlay::Gather(_)));
            commands.extend(invite(group, contacts));
            update::refresh_groups(model, &mut commands);
            commands.extend(update::open_chat(model, Talk::Group(group)));
            model.notice = Some(model.texts.get("group-founded"));
        }
        (Purpose::Follow, Ok(Response::Group(groups::Told::Founded { group }))) => {
            update::refresh_groups(model, &mut commands);
            update::refresh_contacts(model, &mut commands);
            commands.extend(update::open_chat(model, Talk::Group(group)));
            model.notice = Some(model.texts.get("group-asked-in"));
        }
        (purpose, Ok(Response::Channel(channels::Told::Founded { channel }))) => {
            update::refresh_channels(model, &mut commands);
            commands.extend(update::open_chat(model, Talk::Channel(channel)));
            let key = if purpose == Purpose::Follow { "channel-followed" } else { "channel-founded" };
            model.notice = Some(model.texts.get(key));
        }
        (Purpose::Founded(_) | Purpose::Follow, Err(error)) => refused(model, &error.code),
        (Purpose::Joined, Ok(_)) => {
            model.notice = Some(model.texts.get("group-joined"));
            update::refresh_groups(model, &mut commands);
        }
        (Purpose::Group(group), Ok(_)) => {
            update::refresh_groups(model, &mut commands);
            commands.push(update::members(group));
        }
        (Purpose::Left(talk), Ok(_)) => {
            model.notice = Some(model.texts.get("changed"));
            match talk {
                Talk::Channel(_) => {
                    forget(model, talk);
                    update::refresh_channels(model, &mut commands);
                }
                _ => update::refresh_groups(model, &mut commands),
            }
        }
        (_, Err(error)) => model.notice = Some(model.texts.error(&error.code)),
        (_, Ok(_)) => {}
    }
    commands
}

/// Invites contacts into a group.
pub(super) fn invite(group: u32, contacts: impl IntoIterator<Item = u32>) -> Vec<Command> {
    let ask = |contact| Request::Group(groups::Ask::Invite { group, contact });
    contacts.into_iter().map(|contact| Command::Call(ask(contact), Purpose::Group(group))).collect()
}

/// What is asked for is refused: said in the window that asked.
fn refused(model: &mut Model, code: &str) {
    let sentence = model.texts.error(code);
    let place = model.overlays.iter_mut().find_map(|overlay| match overlay {
        Overlay::Gather(gather) => Some((&mut gather.busy, &mut gather.problem)),
        Overlay::NewChannel(new) => Some((&mut new.busy, &mut new.problem)),
        Overlay::Add(form) => Some((&mut form.busy, &mut form.problem)),
        _ => None,
    });
    match place {
        Some((busy, problem)) => (*busy, *problem) = (false, Some(sentence)),
        None => model.notice = Some(sentence),
    }
}

/// Groups as they are now; says so when there is a new invitation.
fn known_groups(model: &mut Model, groups: Vec<Group>) -> Vec<Command> {
    let waits = |groups: &[Group], number: u32| {
        groups.iter().any(|group| group.group == number && group.standing == Standing::Invited)
    };
    let open = model.overlays.iter().any(|overlay| matches!(overlay, Overlay::Strangers(_)));
    let new = |group: &Group| waits(&groups, group.group) && !waits(&model.groups, group.group);
    if groups.iter().any(new) && !open {
        model.notice = Some(model.texts.get("group-invited"));
    }
    let chosen = group::chosen(model);
    model.groups = groups;
    group::choose_again(model, chosen.as_ref());
    model.sort();
    let unknown = model.groups.iter().filter(|group| group.standing != Standing::Invited);
    let unknown = unknown.map(|group| Talk::Group(group.group));
    unknown.filter(|talk| !model.last.contains_key(talk)).map(latest).collect()
}

fn known_channels(model: &mut Model, channels: Vec<Channel>) -> Vec<Command> {
    model.channels = channels;
    talk::settle(model);
    model.sort();
    let unknown = model.channels.iter().filter(|channel| channel.entries > 0);
    let unknown = unknown.map(|channel| Talk::Channel(channel.channel));
    unknown.filter(|talk| !model.last.contains_key(talk)).map(latest).collect()
}

/// A channel is not followed any more: nothing of it stays on the screen.
fn forget(model: &mut Model, talk: Talk) {
    if model.chat.as_ref().is_some_and(|chat| chat.talk == talk) {
        model.chat = None;
        model.focus = super::Focus::List;
    }
    model.last.remove(&talk);
    model.drafts.remove(&talk);
    model.channels.retain(|channel| Talk::Channel(channel.channel) != talk);
    model.sort();
}

/// Asks for the newest message of every group and channel.
pub(super) fn again(model: &Model) -> Vec<Command> {
    model.list.iter().filter(|talk| talk.person().is_none()).copied().map(latest).collect()
}

/// Messages from this position on came in. One that waited for an earlier one stands between those that are shown.
fn arrived(model: &mut Model, talk: Talk, from: u64) -> Option<Command> {
    let open = model.chat.as_mut().filter(|chat| chat.talk == talk && !chat.newer);
    let within = |chat: &&mut super::Chat| chat.messages.back().is_some_and(|last| from <= last.position);
    let Some(chat) = open.filter(within) else { return after(model, talk) };
    if chat.messages.front().is_some_and(|first| from < first.position) {
        chat.older = true;
        return None;
    }
    update::newest(chat)
}

/// Takes an event about a group into account.
pub(super) fn of_group(model: &mut Model, event: &GroupEvent) -> Vec<Command> {
    let mut commands = Vec::new();
    match *event {
        GroupEvent::Message { group, ref id } => {
            if model.chat.as_ref().is_some_and(|chat| chat.talk == Talk::Group(group)) {
                let one = Request::Group(groups::Ask::One { id: id.clone() });
                commands.push(Command::Call(one, Purpose::Again(id.clone())));
            }
        }
        GroupEvent::Changed { group } => {
            update::refresh_groups(model, &mut commands);
            if model.members_of(group).is_some() {
                commands.push(update::members(group));
            }
            // Who was removed may have said things that do not count.
            let open = model.chat.as_mut().filter(|chat| chat.talk == Talk::Group(group) && !chat.newer);
            commands.extend(open.and_then(update::newest));
        }
        GroupEvent::Received { group, from, .. } => {
            commands.extend(arrived(model, Talk::Group(group), from));
            update::refresh_groups(model, &mut commands);
        }
        GroupEvent::Delivery { group } => {
            let talk = Talk::Group(group);
            commands.extend(inform_again(model, talk));
            match model.chat.as_mut().filter(|chat| chat.talk == talk) {
                Some(chat) => commands.extend(update::marks(chat)),
                None => commands.push(latest(talk)),
            }
        }
    }
    commands
}

/// Takes an event about a channel into account.
pub(super) fn of_channel(model: &mut Model, event: &ChannelEvent) -> Vec<Command> {
    let mut commands = Vec::new();
    match *event {
        ChannelEvent::Changed { .. } => update::refresh_channels(model, &mut commands),
        ChannelEvent::Received { channel, seq } => {
            commands.extend(arrived(model, Talk::Channel(channel), seq));
            update::refresh_channels(model, &mut commands);
        }
        ChannelEvent::Older { channel, more } => {
            if let Some(chat) = model.chat.as_mut().filter(|chat| chat.talk == Talk::Channel(channel)) {
                chat.older = !chat.messages.is_empty();
                commands.extend(if chat.messages.is_empty() { update::newest(chat) } else { None });
                model.notice = (!more).then(|| model.texts.get("channel-no-older"));
            }
            update::refresh_channels(model, &mut commands);
        }
    }
    commands
}
