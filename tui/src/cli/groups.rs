//! `group …` and `read GROUP`: who is in a group, and what is said there.

use super::args::{Group as What, GroupRole, Read};
use super::failure::Failure;
use super::lines::stdin_text;
use super::out::Out;
use super::read::{FORGED, is_forged, mark, whence, with_notes};
use super::resolve::resolve;
use super::session::{Session, contacts, unexpected};
use crate::text::one_line;
use crate::text::sanitize::sanitize;
use karvon_node::api::error::CLOSED;
use karvon_node::api::groups::{Ask, Group, GroupEvent, GroupMessage, Member, Role, Standing, Told};
use karvon_node::api::{Event, MESSAGES_LIMIT_MAX, Request, Response, Secret};
use karvon_node::client::Client;
use zeroize::Zeroizing;

/// Messages shown to a person who names no limit.
const LIMIT_PEOPLE: usize = 50;
/// How many names an error lists.
const CANDIDATES_MAX: usize = 10;

/// Asks the node about groups.
///
/// # Errors
/// The node's.
pub(super) async fn ask(client: &Client, ask: Ask) -> Result<Told, Failure> {
    match client.call(Request::Group(ask)).await? {
        Response::Group(told) => Ok(told),
        _ => Err(unexpected()),
    }
}

/// All groups.
///
/// # Errors
/// The node's.
pub(super) async fn groups(client: &Client) -> Result<Vec<Group>, Failure> {
    match ask(client, Ask::List).await? {
        Told::Groups { groups } => Ok(groups),
        _ => Err(unexpected()),
    }
}

/// Those whose name is `who`, else those whose name begins so; `@3` is the group with that number.
fn matching<T>(
    all: Vec<T>,
    who: &str,
    name: impl Fn(&T) -> &str,
    id: impl Fn(&T) -> String,
) -> (Vec<T>, bool) {
    let wanted = who.trim().to_lowercase();
    if wanted.is_empty() {
        return (Vec::new(), false);
    }
    let same = |item: &T| name(item).trim().to_lowercase() == wanted || id(item) == wanted;
    if all.iter().any(same) {
        return (all.into_iter().filter(same).collect(), true);
    }
    let begins =
        |item: &T| name(item).trim().to_lowercase().starts_with(&wanted) || id(item).starts_with(&wanted);
    (all.into_iter().filter(begins).collect(), false)
}

fn ambiguous(names: impl Iterator<Item = String>) -> Failure {
    let text = "several match: write more of the name, or the number with # for a contact or @ for a group";
    Failure { candidates: names.take(CANDIDATES_MAX).collect(), ..Failure::new("ambiguous", text) }
}

fn label(group: &Group) -> String {
    format!("{} (@{})", one_line(&group.name), group.group)
}

/// The group that `who` means; `None` if it means a contact, or nobody.
///
/// # Errors
/// `ambiguous` if it may mean several, or a group as well as a contact.
pub(super) async fn named(client: &Client, who: &str) -> Result<Option<Group>, Failure> {
    let (found, exact) =
        matching(groups(client).await?, who, |group| &group.name, |group| format!("@{}", group.group));
    if found.is_empty() {
        return Ok(None);
    }
    let people = contacts(client).await?;
    let (people, exact_person) =
        matching(people, who, |contact| &contact.name, |contact| format!("#{}", contact.contact));
    if exact_person && !exact {
        return Ok(None);
    }
    if !people.is_empty() && exact == exact_person || found.len() > 1 {
        let people = people.iter().map(super::resolve::label);
        return Err(ambiguous(found.iter().map(label).chain(people)));
    }
    Ok(found.into_iter().next())
}

async fn the_group(client: &Client, who: &str) -> Result<Group, Failure> {
    let all = groups(client).await?;
    let names: Vec<_> = all.iter().map(label).collect();
    let (found, _) = matching(all, who, |group| &group.name, |group| format!("@{}", group.group));
    match <[Group; 1]>::try_from(found) {
        Ok([one]) => Ok(one),
        Err(found) if found.is_empty() => Err(Failure {
            candidates: names.into_iter().take(CANDIDATES_MAX).collect(),
            ..Failure::new("no_such_group", "you are in no group with this name")
        }),
        Err(found) => Err(ambiguous(found.iter().map(label))),
    }
}

async fn the_member(client: &Client, group: u32, who: &str) -> Result<Member, Failure> {
    let Told::Members { members } = ask(client, Ask::Members { group }).await? else {
        return Err(unexpected());
    };
    let describe = |member: &Member| {
        format!("{} ({})", one_line(&member.name), &member.member[..8.min(member.member.len())])
    };
    let names: Vec<_> = members.iter().map(describe).collect();
    let (found, _) = matching(members, who, |member| &member.name, |member| member.member.clone());
    match <[Member; 1]>::try_from(found) {
        Ok([one]) => Ok(one),
        Err(found) if found.is_empty() => Err(Failure {
            candidates: names.into_iter().take(CANDIDATES_MAX).collect(),
            ..Failure::new("no_such_member", "nobody in this group has this name")
        }),
        Err(found) => Err(ambiguous(found.iter().map(describe))),
    }
}

/// Carries out `group …`.
///
/// # Errors
/// The node's; `no_such_group`, `no_such_member` or `ambiguous`.
pub(super) async fn group(session: &Session<'_>, what: Option<What>) -> Result<(), Failure> {
    let what = what.unwrap_or(What::List);
    let mut shown = None;
    let link = match &what {
        // A secret; in argv every program on the machine could read it.
        What::Join { .. } => Zeroizing::new(stdin_text()?),
        _ => Zeroizing::default(),
    };
    session.with_node(async |client| carry_out(&client, &what, &link, session.out, &mut shown).await).await
}

async fn carry_out(
    client: &Client,
    what: &What,
    link: &Zeroizing<String>,
    out: Out,
    done: &mut Option<u32>,
) -> Result<(), Failure> {
    let number = match what {
        What::List => {
            let all = groups(client).await?;
            if all.is_empty() {
                out.note("no groups yet: `karvon group create NAME`");
            }
            return all.iter().try_for_each(|group| out.result(group, || for_people(group)));
        }
        What::Members { group } => {
            let group = the_group(client, group).await?;
            let Told::Members { members } = ask(client, Ask::Members { group: group.group }).await? else {
                return Err(unexpected());
            };
            return members.iter().try_for_each(|member| out.result(member, || member_for_people(member)));
        }
        // With another node it may have been done already; it is not done twice.
        _ if done.is_some() => done.unwrap_or_default(),
        What::Create { name } => match ask(client, Ask::Create { name: name.trim().to_owned() }).await? {
            Told::Founded { group } => group,
            _ => return Err(unexpected()),
        },
        What::Invite { group, who } => {
            let group = the_group(client, group).await?.group;
            let contact = resolve(&contacts(client).await?, who)?.contact;
            change(client, group, Ask::Invite { group, contact }).await?
        }
        What::Link { group } => {
            let group = the_group(client, group).await?.group;
            let Told::Link { link } = ask(client, Ask::Link { group }).await? else {
                return Err(unexpected());
            };
            let shown = serde_json::json!({ "group": group, "link": link.0.as_str() });
            return out.result(&shown, || link.0.to_string());
        }
        What::Join { name } => {
            let link = Secret(link.clone());
            match ask(client, Ask::Join { link, name: name.clone().unwrap_or_default() }).await? {
                Told::Founded { group } => group,
                _ => return Err(unexpected()),
            }
        }
        What::Accept { group } => {
            let group = the_group(client, group).await?.group;
            change(client, group, Ask::Accept { group }).await?
        }
        What::Leave { group } => {
            let group = the_group(client, group).await?.group;
            change(client, group, Ask::Leave { group }).await?
        }
        What::Remove { group, who } => {
            let group = the_group(client, group).await?.group;
            let member = the_member(client, group, who).await?.member;
            change(client, group, Ask::Remove { group, member }).await?
        }
        What::Role { group, who, role } => {
            let group = the_group(client, group).await?.group;
            let member = the_member(client, group, who).await?.member;
            let role = match role {
                GroupRole::Member => Role::Member,
                GroupRole::Admin => Role::Admin,
                GroupRole::Owner => Role::Owner,
            };
            change(client, group, Ask::Role { group, member, role }).await?
        }
        What::Rename { group, name } => {
            let group = the_group(client, group).await?.group;
            change(client, group, Ask::Rename { group, name: name.trim().to_owned() }).await?
        }
        What::Timer { group, time } => {
            let seconds = u32::try_from(*time).map_err(|_| Failure::usage("this time is too long"))?;
            let group = the_group(client, group).await?.group;
            change(client, group, Ask::Timer { group, seconds }).await?
        }
        What::Mute { group, off } => {
            let group = the_group(client, group).await?.group;
            change(client, group, Ask::Mute { group, muted: !off }).await?
        }
    };
    *done = Some(number);
    let all = groups(client).await?;
    let group = all.iter().find(|group| group.group == number).ok_or_else(unexpected)?;
    out.result(group, || for_people(group))
}

async fn change(client: &Client, group: u32, wanted: Ask) -> Result<u32, Failure> {
    match ask(client, wanted).await? {
        Told::Done => Ok(group),
        _ => Err(unexpected()),
    }
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Admin => "admin",
        Role::Owner => "owner",
    }
}

fn for_people(group: &Group) -> String {
    let standing = match group.standing {
        Standing::Invited => ", you are invited: `karvon group accept` or `leave`".to_owned(),
        Standing::Joining => ", waiting to be taken in".to_owned(),
        Standing::In => format!(", you are {}", group.role.map_or("member", role)),
        Standing::Out => ", you are not in it any more".to_owned(),
    };
    let unread = if group.unread > 0 { format!(", {} not seen", group.unread) } else { String::new() };
    let muted = if group.muted { ", muted" } else { "" };
    let deaf = if group.deaf { ", a member's keys can not be read here: messages come late" } else { "" };
    format!("{}  {} members{standing}{unread}{muted}{deaf}", label(group), group.members)
}

fn member_for_people(member: &Member) -> String {
    let known = match (member.me, member.contact) {
        (true, _) => "you".to_owned(),
        (false, Some(contact)) => format!("your contact #{contact}"),
        (false, None) => format!("not confirmed, added by {}", one_line(&member.added_by)),
    };
    let id = member.member.get(..8).unwrap_or_default();
    let forked = if member.forked {
        ", sent two messages under one number: others may have read something else"
    } else {
        ""
    };
    format!("{} ({id})  {}, {known}{forked}", one_line(&member.name), role(member.role))
}

/// Shows a group's messages, and follows them.
///
/// # Errors
/// The node's.
pub(super) async fn read(
    client: &Client,
    group: Group,
    args: &Read,
    shown: &mut Option<u64>,
    out: Out,
) -> Result<(), Failure> {
    let group = group.group;
    let mut events = if args.follow { Some(client.subscribe().await?) } else { None };
    if shown.is_none() {
        let limit = args.limit.map(|limit| limit as usize);
        let limit = limit.unwrap_or(if out.json || args.since.is_some() { usize::MAX } else { LIMIT_PEOPLE });
        let mut messages =
            newest(client, group, if args.since.is_some() { usize::MAX } else { limit }).await?;
        if let Some(since) = &args.since {
            let at = messages.iter().position(|message| message.id.eq_ignore_ascii_case(since.trim()));
            let at = at.ok_or_else(|| Failure::new("no_such_message", "no message has this id"))?;
            messages = messages.into_iter().skip(at + 1).take(limit).collect();
        }
        *shown = Some(0);
        show(client, group, args, &messages, shown, out).await?;
    }
    catch_up(client, group, args, shown, out).await?;
    while let Some(events) = &mut events {
        match events.next().await {
            Some(Event::Group(
                GroupEvent::Received { group: of, .. }
                | GroupEvent::Delivery { group: of }
                | GroupEvent::Message { group: of, .. },
            )) if of != group => {}
            Some(Event::Group(GroupEvent::Message { id, .. })) => again(client, &id, *shown, out).await?,
            Some(Event::Group(_) | Event::Lagged) => catch_up(client, group, args, shown, out).await?,
            Some(_) => {}
            None => return Err(Failure::new(CLOSED, "the node stopped")),
        }
    }
    Ok(())
}

async fn page(
    client: &Client,
    group: u32,
    before: Option<u64>,
    after: Option<u64>,
    limit: usize,
) -> Result<(Vec<GroupMessage>, bool), Failure> {
    match ask(client, Ask::Messages { group, before, after, limit }).await? {
        Told::Messages { messages, more } => Ok((messages, more)),
        _ => Err(unexpected()),
    }
}

async fn newest(client: &Client, group: u32, limit: usize) -> Result<Vec<GroupMessage>, Failure> {
    let (mut pages, mut before, mut missing) = (Vec::new(), None, limit);
    while missing > 0 {
        let (messages, more) = page(client, group, before, None, missing.min(MESSAGES_LIMIT_MAX)).await?;
        let Some(first) = messages.first() else { break };
        before = Some(first.position);
        missing = missing.saturating_sub(messages.len());
        pages.push(messages);
        if !more {
            break;
        }
    }
    pages.reverse();
    Ok(pages.concat())
}

async fn catch_up(
    client: &Client,
    group: u32,
    args: &Read,
    shown: &mut Option<u64>,
    out: Out,
) -> Result<(), Failure> {
    while let (Some(after), true) = (*shown, args.follow) {
        let (messages, more) = page(client, group, None, Some(after), MESSAGES_LIMIT_MAX).await?;
        show(client, group, args, &messages, shown, out).await?;
        if !more {
            break;
        }
    }
    Ok(())
}

/// Shows a message once more that was shown before and has changed since.
async fn again(client: &Client, id: &str, shown: Option<u64>, out: Out) -> Result<(), Failure> {
    let message = match ask(client, Ask::One { id: id.to_owned() }).await {
        Ok(Told::One { message }) => message,
        Ok(_) => return Err(unexpected()),
        // It has not come yet, or is gone.
        Err(failure) if failure.code == "no_such_message" => return Ok(()),
        Err(failure) => return Err(failure),
    };
    if shown.is_some_and(|shown| message.position <= shown) {
        out.result(&*message, || message_for_people(&message))?;
    }
    Ok(())
}

async fn show(
    client: &Client,
    group: u32,
    args: &Read,
    messages: &[GroupMessage],
    shown: &mut Option<u64>,
    out: Out,
) -> Result<(), Failure> {
    for message in messages {
        out.result(message, || message_for_people(message))?;
        *shown = (*shown).max(Some(message.position));
    }
    if let (true, Some(last)) = (args.mark, messages.last()) {
        ask(client, Ask::MarkRead { group, position: last.position }).await?;
    }
    Ok(())
}

/// `2026-11-22 05:01Z ✓ 4/5 Ali: text`; further lines of a text are moved in.
pub(super) fn message_for_people(message: &GroupMessage) -> String {
    let time = message.sent_at.get(..16).unwrap_or(&message.sent_at).replace('T', " ");
    let mark = mark(message.state);
    let counts = match (message.delivered, message.of) {
        (Some(delivered), Some(of)) => format!(" {delivered}/{of}"),
        _ => String::new(),
    };
    let file = message.attachment.as_ref();
    let file = file.map(|file| {
        format!("(file {}, {} bytes: karvon save {})", one_line(&file.name), file.bytes, message.id)
    });
    let forged = is_forged(message.copied.as_deref()).then_some(FORGED);
    let text = match message.text.as_deref().or(forged).or(file.as_deref()) {
        Some(text) => text,
        None if message.deleted => "(deleted)",
        None => "(a kind of message that this version does not know)",
    };
    let mut lines: Vec<String> = text.lines().map(|line| sanitize(&line.replace('\t', "    "))).collect();
    let notes = [(message.edited, "(edited)"), (message.forwarded, "(forwarded)")];
    let whence = message.copied.as_deref().and_then(whence);
    let notes = notes.into_iter().filter(|(holds, _)| *holds).map(|(_, note)| note).chain(whence.as_deref());
    lines = with_notes(lines, message.reply_to.as_deref(), notes, &message.reactions);
    format!(
        "{time}Z {mark:<2}{counts} {}: {}",
        one_line(&message.from),
        lines.join("\n                      ")
    )
}
