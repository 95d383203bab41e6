//! Groups and channels of the small world.

use karvon_node::api::channels::{self, Channel, ChannelEvent, Entry};
use karvon_node::api::groups::{self, Group, GroupEvent, GroupMessage, Member, Role, Standing};
use karvon_node::api::{ApiError, Attachment, Event, Response, Said, State};

use super::World;
use crate::app::{Action, Model};

/// The link of every channel of this world: as long as a real one.
pub(crate) const LINK: &str =
    "KARVON-CHANNEL:K7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYA";

/// The link of every group of this world: as long as a real one.
pub(crate) const GROUP_LINK: &str = concat!(
    "KARVON-GROUP:K7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5T",
    ".K7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK7QFZ2MD5TYAK"
);

/// Groups and channels.
#[derive(Default)]
pub(crate) struct Rooms {
    pub(crate) groups: Vec<Group>,
    pub(crate) members: Vec<Member>,
    pub(crate) said: Vec<GroupMessage>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) entries: Vec<Entry>,
}

fn refused(code: &str) -> ApiError {
    ApiError { code: code.to_owned(), message: String::new() }
}

pub(crate) fn member(id: &str, name: &str, role: Role, contact: Option<u32>) -> Member {
    Member {
        member: id.repeat(16),
        name: name.to_owned(),
        role,
        me: name == "Али",
        contact,
        added_by: "Али".to_owned(),
        forked: false,
    }
}

pub(crate) fn said(position: u64, from: &Member, text: &str, delivered: Option<u32>) -> GroupMessage {
    let sent_at = format!("2026-11-22T10:{:02}:00Z", position % 60);
    GroupMessage {
        id: format!("{position:032x}"),
        group: 1,
        from: from.name.clone(),
        member: from.member.clone(),
        text: Some(text.to_owned()),
        received_at: (!from.me).then(|| sent_at.clone()),
        sent_at,
        seq: position,
        mine: from.me,
        state: match delivered {
            Some(2) => State::Delivered,
            Some(_) => State::Stored,
            None => State::Received,
        },
        delivered,
        of: delivered.map(|_| 2),
        position,
        reply_to: None,
        reactions: Vec::new(),
        edited: false,
        deleted: false,
        forwarded: false,
        attachment: None,
        expires_s: 0,
        copied: None,
    }
}

pub(crate) fn group(number: u32, name: &str, standing: Standing, unread: u64) -> Group {
    Group {
        group: number,
        name: name.to_owned(),
        standing,
        invited_by: (standing != Standing::In).then_some(1),
        members: 3,
        role: (standing == Standing::In).then_some(Role::Owner),
        unread,
        muted: false,
        timer_s: 0,
        deaf: false,
    }
}

pub(crate) fn channel(number: u32, name: &str, mine: bool, entries: u64) -> Channel {
    Channel {
        channel: number,
        name: name.to_owned(),
        mine,
        entries,
        newest: entries,
        unread: if mine { 0 } else { entries },
        missing: 0,
        forked: false,
        withheld: 0,
        under_way: 0,
    }
}

pub(crate) fn entry(channel: u32, seq: u64, from: &str, text: &str) -> Entry {
    let at = format!("2026-11-21T08:{:02}:00Z", seq % 60);
    Entry {
        id: format!("e{channel:015x}{seq:016x}"),
        channel,
        from: from.to_owned(),
        seq,
        text: Some(text.to_owned()),
        attachment: None,
        sent_at: at.clone(),
        stored_at: at,
    }
}

impl Rooms {
    /// What is in groups and channels with such a text, newest first.
    pub(crate) fn search<'a>(
        &'a self,
        fits: impl Fn(&Option<String>) -> bool + Copy + 'a,
    ) -> impl Iterator<Item = Said> + 'a {
        let said = self.said.iter().rev().filter(move |one| fits(&one.text)).cloned().map(Said::Group);
        let entries = self.entries.iter().rev().filter(move |one| fits(&one.text)).cloned();
        said.chain(entries.map(Said::Channel))
    }

    pub(super) fn text_of(&self, id: &str) -> Option<String> {
        let said = self.said.iter().find(|one| one.id == id).and_then(|one| one.text.clone());
        said.or_else(|| self.entries.iter().find(|one| one.id == id).and_then(|one| one.text.clone()))
    }

    /// The page of a message of the first group: the first of the others has it, the second only if all have.
    pub(super) fn info(&self, id: &str) -> groups::Told {
        let one = self.said.iter().find(|one| one.id == id).unwrap();
        let others = self.members.iter().filter(|member| !member.me).zip(1..);
        let recipients = others.filter(|_| one.mine).map(|(member, number)| {
            let has = one.delivered.is_some_and(|delivered| delivered >= number);
            groups::Recipient {
                member: member.member.clone(),
                name: member.name.clone(),
                contact: member.contact,
                state: if has { State::Delivered } else { State::Stored },
                at: has.then(|| format!("2026-11-22T10:{:02}:00Z", one.position + u64::from(number))),
            }
        });
        groups::Told::Message {
            group: one.group,
            seq: one.seq,
            mine: one.mine,
            state: one.state,
            delivered: one.delivered.unwrap_or(0),
            of: one.of.unwrap_or(0),
            from: one.from.clone(),
            sent_at: one.sent_at.clone(),
            received_at: one.received_at.clone(),
            recipients: recipients.collect(),
        }
    }
}

impl World {
    /// A world with a group, an invitation into another, a channel that is followed and an own one.
    pub(crate) fn with_rooms() -> Self {
        let mut world = Self::new();
        let (me, modar) =
            (member("aa", "Али", Role::Owner, None), member("bb", "Модар", Role::Admin, Some(1)));
        let zarina = member("cc", "Зарина", Role::Member, None);
        world.rooms.said = vec![
            said(1, &modar, "Пагоҳ соати 7 дар объект", None),
            said(2, &me, "Хуб", Some(2)),
            said(3, &me, "Ман дертар меоям", Some(1)),
            said(4, &zarina, "Ман ҳам", None),
        ];
        world.rooms.members = vec![me, modar, zarina];
        world.rooms.groups =
            vec![group(1, "Бригада", Standing::In, 1), group(2, "Ҳамдеҳаҳо", Standing::Invited, 0)];
        world.rooms.channels = vec![channel(1, "Хабарҳо", false, 2), channel(2, "Кор дар Қазон", true, 1)];
        world.rooms.entries = vec![
            entry(1, 1, "Хабарҳо", "Шумораи аввал"),
            entry(1, 2, "Хабарҳо", "Бақайдгирӣ аз 1 декабр"),
            entry(2, 1, "Кор дар Қазон", "Ду бинокор лозим"),
        ];
        world
    }

    pub(super) fn group(&mut self, ask: groups::Ask) -> Result<Response, ApiError> {
        use groups::{Ask, Told};
        let rooms = &mut self.rooms;
        let the = |rooms: &Rooms, number: u32| rooms.groups.iter().position(|one| one.group == number);
        let told = match ask {
            Ask::List => Told::Groups { groups: rooms.groups.clone() },
            Ask::Create { name } => {
                let number = rooms.groups.len() as u32 + 1;
                let mut founded = group(number, &name, Standing::In, 0);
                founded.members = 1;
                rooms.groups.push(founded);
                Told::Founded { group: number }
            }
            Ask::Accept { group } => {
                let at = the(rooms, group).ok_or_else(|| refused("no_such_group"))?;
                rooms.groups[at].standing = Standing::Joining;
                Told::Done
            }
            Ask::Leave { group } => {
                let at = the(rooms, group).ok_or_else(|| refused("no_such_group"))?;
                rooms.groups[at].standing = Standing::Out;
                Told::Done
            }
            Ask::Remove { member, .. } => {
                rooms.members.retain(|one| one.member != member);
                Told::Done
            }
            Ask::Role { member, role, .. } => {
                rooms.members.iter_mut().filter(|one| one.member == member).for_each(|one| one.role = role);
                Told::Done
            }
            Ask::Rename { group, name } => {
                let at = the(rooms, group).ok_or_else(|| refused("no_such_group"))?;
                rooms.groups[at].name = name;
                Told::Done
            }
            Ask::Timer { group, seconds } => {
                let at = the(rooms, group).ok_or_else(|| refused("no_such_group"))?;
                rooms.groups[at].timer_s = seconds;
                Told::Done
            }
            Ask::Mute { group, muted } => {
                let at = the(rooms, group).ok_or_else(|| refused("no_such_group"))?;
                rooms.groups[at].muted = muted;
                Told::Done
            }
            Ask::Members { group: 1 } => Told::Members { members: rooms.members.clone() },
            Ask::Members { .. } => Told::Members { members: Vec::new() },
            Ask::Send { group, text } => {
                if let Some(code) = self.refuse {
                    return Err(refused(code));
                }
                let position = rooms.said.iter().map(|one| one.position).max().unwrap_or(0) + 1;
                let me = member("aa", "Али", Role::Owner, None);
                let mut message = said(position, &me, &text, Some(0));
                (message.group, message.state) = (group, State::Queued);
                rooms.said.push(message);
                Told::Queued { id: format!("{position:032x}"), seq: position }
            }
            Ask::Forward { group, id } => {
                let text = self.text_of(&id);
                let told = self.group(Ask::Send { group, text })?;
                self.rooms.said.iter_mut().next_back().unwrap().forwarded = true;
                return Ok(told);
            }
            Ask::One { id } => {
                let found = rooms.said.iter().find(|one| one.id == id).cloned();
                let message = Box::new(found.ok_or_else(|| refused("no_such_message"))?);
                Told::One { message }
            }
            Ask::Messages { group, before, after, limit } => {
                let mut all: Vec<_> = rooms.said.iter().filter(|one| one.group == group).cloned().collect();
                all.sort_by_key(|one| one.position);
                all.retain(|one| before.is_none_or(|before| one.position < before));
                all.retain(|one| after.is_none_or(|after| one.position > after));
                let more = all.len() > limit;
                let cut = if after.is_some() { 0 } else { all.len().saturating_sub(limit) };
                Told::Messages { messages: all.into_iter().skip(cut).take(limit).collect(), more }
            }
            Ask::Link { .. } => Told::Link { link: GROUP_LINK.to_owned().into() },
            Ask::Join { link, .. } if link.0.as_str() != GROUP_LINK => return Err(refused("link_damaged")),
            Ask::Join { .. } => {
                let number = rooms.groups.len() as u32 + 1;
                rooms.groups.push(group(number, "", Standing::Joining, 0));
                Told::Founded { group: number }
            }
            Ask::MarkRead { group, .. } => {
                rooms.groups.iter_mut().filter(|one| one.group == group).for_each(|one| one.unread = 0);
                Told::Done
            }
            _ => Told::Done,
        };
        Ok(Response::Group(told))
    }

    pub(super) fn channel(&mut self, ask: channels::Ask) -> Result<Response, ApiError> {
        use channels::{Ask, Told};
        let rooms = &mut self.rooms;
        let told = match ask {
            Ask::List => Told::Channels { channels: rooms.channels.clone() },
            Ask::Create { name } => {
                let number = rooms.channels.len() as u32 + 1;
                rooms.channels.push(channel(number, &name, true, 0));
                Told::Founded { channel: number }
            }
            Ask::Follow { link } if link.0.as_str() != LINK => return Err(refused("link_damaged")),
            Ask::Follow { .. } => {
                let number = rooms.channels.len() as u32 + 1;
                rooms.channels.push(channel(number, "", false, 0));
                Told::Founded { channel: number }
            }
            Ask::Link { .. } => Told::Link { link: LINK.to_owned().into() },
            Ask::Leave { channel } => {
                rooms.channels.retain(|one| one.channel != channel);
                rooms.entries.retain(|one| one.channel != channel);
                Told::Done
            }
            Ask::PostFile { channel, name, data } => {
                let one = rooms.channels.iter_mut().find(|one| one.channel == channel && one.mine);
                let one = one.ok_or_else(|| refused("not_allowed"))?;
                (one.entries, one.newest, one.under_way) = (one.entries + 1, one.newest + 1, 1);
                let bytes = data.len() as u64;
                let file = Attachment { name, media_type: "application/octet-stream".to_owned(), bytes };
                let posted = entry(channel, one.newest, &one.name, "");
                rooms.entries.push(Entry { text: None, attachment: Some(file), ..posted });
                Told::Queued { id: String::new(), seq: one.newest }
            }
            Ask::Post { channel, text } => {
                let one = rooms.channels.iter_mut().find(|one| one.channel == channel && one.mine);
                let one = one.ok_or_else(|| refused("not_allowed"))?;
                (one.entries, one.newest, one.under_way) = (one.entries + 1, one.newest + 1, 1);
                rooms.entries.push(entry(channel, one.newest, &one.name, &text));
                Told::Queued { id: String::new(), seq: one.newest }
            }
            Ask::Entries { channel, before, after, limit } => {
                let mut all: Vec<_> =
                    rooms.entries.iter().filter(|one| one.channel == channel).cloned().collect();
                all.sort_by_key(|one| one.seq);
                all.retain(|one| before.is_none_or(|before| one.seq < before));
                all.retain(|one| after.is_none_or(|after| one.seq > after));
                let more = all.len() > limit;
                let cut = if after.is_some() { 0 } else { all.len().saturating_sub(limit) };
                Told::Entries { entries: all.into_iter().skip(cut).take(limit).collect(), more }
            }
            Ask::MarkRead { channel, .. } => {
                rooms.channels.iter_mut().filter(|one| one.channel == channel).for_each(|one| one.unread = 0);
                Told::Done
            }
            Ask::Older { .. } => Told::Done,
        };
        Ok(Response::Channel(told))
    }

    /// A member says something in the first group, and the node tells so.
    pub(crate) fn hear(&mut self, model: &mut Model, from: usize, text: &str) {
        let position = self.rooms.said.iter().map(|one| one.position).max().unwrap_or(0) + 1;
        let from = self.rooms.members[from].clone();
        self.rooms.said.push(said(position, &from, text, None));
        self.rooms.groups[0].unread += 1;
        let event = GroupEvent::Received { group: 1, from: position, to: position };
        self.play(model, [Action::Event(Event::Group(event))]);
    }

    /// The owner of a channel writes, and the node tells so.
    pub(crate) fn publish(&mut self, model: &mut Model, channel: u32, seq: u64, text: &str) {
        let one = self.rooms.channels.iter_mut().find(|one| one.channel == channel).unwrap();
        (one.entries, one.newest, one.unread) = (one.entries + 1, one.newest.max(seq), one.unread + 1);
        let name = one.name.clone();
        self.rooms.entries.push(entry(channel, seq, &name, text));
        self.play(model, [Action::Event(Event::Channel(ChannelEvent::Received { channel, seq }))]);
    }
}
