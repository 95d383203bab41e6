//! How commands, letters and alarms find the groups, and the groups' letters find their contacts.

use super::Engine;
use super::api::{ContactId, Reply as Answer};
use super::contact::Contact;
use super::cx::{Alarm, Cx, context};
use super::doors::Doors;
use super::expiry::EXPIRY_MAX_S;
use super::group_api::{GroupCommand, GroupNumber, GroupReply};
use super::group_letters::{RESENT_BYTES_MAX, RESENT_MAX};
use super::group_state::Group;
use super::groups::{Groups, Me, check_name};
use super::message::Marks;
use super::outbox;
use super::routes::RouteError;
use super::safety::TIMER_MIN_S;
use super::say;
use crate::body::{Body, Content};
use crate::cell::Cell;
use crate::core::{Key, LoadId, Value};
use crate::error::ErrorKind;
use crate::group::op::Act;
use crate::group::post::Post;
use crate::group::wire::Letter;
use crate::ids::{MemberId, RelayId};
use crate::rpc::Reply;
use std::collections::BTreeMap;

impl Engine {
    /// Runs `act` on the groups, beside the contacts and who this person is.
    pub(crate) fn on_groups<T>(
        &mut self,
        act: impl FnOnce(&mut Groups, &BTreeMap<ContactId, Contact>, Me<'_>, &mut Cx<'_>) -> T,
    ) -> T {
        let me = Me { who: self.setup.identity.fingerprint(), name: &self.setup.name };
        let mut cx = context!(self);
        act(&mut self.groups, &self.contacts, me, &mut cx)
    }

    pub(crate) fn on_group_command(&mut self, command: GroupCommand) -> Result<GroupReply, ErrorKind> {
        let (number, content, forwarded) = match command {
            GroupCommand::Send(number, text) => (number, Content::Text(text), false),
            GroupCommand::Forward(number, text) => (number, Content::Text(text), true),
            GroupCommand::ForwardEntry { group, owner, entry } => (group, say::copy(owner, entry)?, true),
            GroupCommand::SendFile { .. } if self.spending.rests() => return Err(ErrorKind::DataCap),
            GroupCommand::SendFile { group, name, media, data, forwarded } => {
                (group, say::file(name, media, &data)?, forwarded)
            }
            GroupCommand::Link(number) => return self.link_group(number),
            GroupCommand::Join { link, name } => return self.join_group(&link, name),
            command => return self.carry_out(command),
        };
        match self.say_in_group(number, content, forwarded)? {
            Answer::Queued { id, seq } => Ok(GroupReply::Queued { id, seq }),
            _ => Ok(GroupReply::Done),
        }
    }

    fn carry_out(&mut self, command: GroupCommand) -> Result<GroupReply, ErrorKind> {
        self.on_groups(|groups, contacts, me, cx| {
            let done = match command {
                GroupCommand::Create(name) => return groups.create(&name, me, cx),
                GroupCommand::Invite(number, contact) => {
                    let contact = contacts.get(&contact).ok_or(ErrorKind::NoSuchContact)?;
                    groups.get(number)?.invite(contact, cx)
                }
                GroupCommand::Accept(number) => groups.get(number)?.accept(me, cx),
                GroupCommand::Leave(number) => groups.get(number)?.leave(cx),
                GroupCommand::Remove(number, member) => groups.get(number)?.remove(member, cx),
                GroupCommand::Role(number, member, role) => {
                    groups.get(number)?.act(Act::Role { member, role }, cx)
                }
                GroupCommand::Rename(number, name) => {
                    check_name(&name)?;
                    groups.get(number)?.act(Act::Name(name), cx)
                }
                GroupCommand::Timer(number, seconds) => {
                    let group = groups.get(number)?;
                    match u64::from(seconds) {
                        0 | TIMER_MIN_S..=EXPIRY_MAX_S => group.act(Act::Timer(seconds), cx),
                        _ => Err(ErrorKind::Limit),
                    }
                }
                GroupCommand::Mute(number, muted) => {
                    let group = groups.get(number)?;
                    group.muted = muted;
                    cx.write(group.save());
                    Ok(())
                }
                // Done by whoever calls this.
                GroupCommand::Send(..)
                | GroupCommand::Forward(..)
                | GroupCommand::ForwardEntry { .. }
                | GroupCommand::SendFile { .. }
                | GroupCommand::Link(_)
                | GroupCommand::Join { .. } => Ok(()),
                GroupCommand::List => return Ok(GroupReply::Groups(groups.infos())),
                GroupCommand::View(number) => {
                    return Ok(GroupReply::View(Box::new(groups.get(number)?.view(contacts))));
                }
                GroupCommand::Message(id) => {
                    let mut found = groups.find(&id).ok_or(ErrorKind::NoSuchMessage)?;
                    if let GroupReply::Message { group, seq, reached, recipients, mine: true, .. } =
                        &mut found
                    {
                        let group = groups.get(*group)?;
                        *reached = group.reached(*seq, contacts);
                        *recipients = group.recipients(*seq, contacts);
                    }
                    return Ok(found);
                }
                GroupCommand::MarkRead(number, position) => {
                    let group = groups.get(number)?;
                    // Places after the last message are of what shows nothing.
                    let last = group.position - 1;
                    let upto = if position >= group.last_shown { last } else { position.min(last) };
                    group.seen = group.seen.max(upto);
                    cx.write(group.save());
                    group.tend_expiry(cx);
                    Ok(())
                }
            };
            done.map(|()| GroupReply::Done)
        })
    }

    /// A letter about a group came from a contact.
    pub(crate) fn on_letter(&mut self, from: ContactId, kind: u64, letter: &[u8]) {
        let Ok(letter) = Letter::decode(kind, letter) else {
            self.faults += 1;
            return;
        };
        self.on_groups(|groups, contacts, _, cx| {
            let Some(from) = contacts.get(&from) else { return };
            if groups.on_letter(from, letter, contacts, cx).is_err() {
                cx.fault();
            }
        });
    }

    /// A letter is to go to a contact.
    pub(crate) fn post_letter(
        &mut self,
        to: ContactId,
        letter: &Letter,
        carries: Option<(GroupNumber, u64, MemberId)>,
    ) {
        let (contacts, mut cx) = self.with_contacts();
        let Some(contact) = contacts.get_mut(&to) else { return };
        let number = outbox::queue(contact, Body::letter(letter), Marks::hidden(), &mut cx);
        cx.alarm_by(Alarm::Pump(to), 0);
        let Some((group, seq, member)) = carries else { return };
        let (groups, mut cx) = self.with_groups();
        if let Ok(group) = groups.get(group)
            && let Some(post) = group.out.get_mut(&seq)
        {
            post.direct.push((member, to, number));
            cx.write(group.save_out(seq));
        }
    }

    /// Own letters to a contact have new numbers; messages to groups remember them.
    pub(crate) fn renumber_letters(&mut self, id: ContactId, numbers: &[(u64, u64)]) {
        let mut cx = context!(self);
        for group in self.groups.groups.values_mut() {
            let mut changed = Vec::new();
            for (seq, post) in &mut group.out {
                for (_, _, number) in post.direct.iter_mut().filter(|(_, to, _)| *to == id) {
                    if let Some((_, new)) = numbers.iter().find(|(old, _)| *old == *number) {
                        *number = *new;
                        changed.push(*seq);
                    }
                }
            }
            changed.into_iter().for_each(|seq| cx.write(group.save_out(seq)));
        }
    }

    /// Own messages to a contact moved on: so may have those to groups with it.
    pub(crate) fn on_contact_moved(&mut self, id: ContactId) {
        self.on_groups(|groups, contacts, _, cx| {
            for group in groups.groups.values_mut() {
                let concerned = group.out.values().any(|post| post.direct.iter().any(|(_, to, _)| *to == id));
                if concerned {
                    group.on_moved(contacts, cx);
                }
            }
        });
    }

    pub(crate) fn tend_group(&mut self, number: GroupNumber) {
        self.on_group(number, |group, contacts, doors, cx| {
            group.look(contacts, cx);
            group.tend_expiry(cx);
            group.look_at_shard(doors, contacts, cx);
        });
    }

    /// Runs `act` on one group, beside contacts and doors.
    pub(crate) fn on_group(
        &mut self,
        number: GroupNumber,
        act: impl FnOnce(&mut Group, &BTreeMap<ContactId, Contact>, &Doors, &mut Cx<'_>),
    ) {
        let mut cx = context!(self);
        if let Ok(group) = self.groups.get(number) {
            act(group, &self.contacts, &self.doors, &mut cx);
        }
    }

    /// A cell of a group's shard came from a relay.
    pub(crate) fn on_shard_item(&mut self, number: GroupNumber, relay: RelayId, seq: u64, cell: &Cell) {
        self.spending.carries(false, super::spend::For::Texts, cell.bytes().len());
        self.on_group(number, |group, contacts, _, cx| group.on_shard_cell(relay, seq, cell, contacts, cx));
    }

    pub(crate) fn on_group_followed(
        &mut self,
        number: GroupNumber,
        relay: RelayId,
        answer: &Result<Reply, RouteError>,
    ) {
        self.on_group(number, |group, _, _, cx| group.on_followed(relay, answer, cx));
    }

    pub(crate) fn on_group_injected(
        &mut self,
        number: GroupNumber,
        cell: u64,
        relay: RelayId,
        answer: &Result<Reply, RouteError>,
    ) {
        self.on_group(number, |group, contacts, doors, cx| {
            group.on_injected(cell, relay, answer, doors, cx);
            group.on_moved(contacts, cx);
        });
    }

    /// After the start: looks at each group once.
    pub(crate) fn start_groups(&mut self) {
        for number in self.groups.numbers() {
            let (groups, mut cx) = self.with_groups();
            if let Some(group) = groups.groups.get_mut(&number) {
                group.asks = true;
                cx.alarm_by(Alarm::Group(number), 0);
            }
        }
    }

    /// Messages that somebody asked for; `false` if they were not loaded for that.
    pub(crate) fn on_group_loaded(&mut self, load: LoadId, rows: &[(Key, Value)]) -> bool {
        if self.on_change_loaded(load, rows) || self.on_group_expiry_loaded(load, rows) {
            return true;
        }
        let compared = self.on_groups(|groups, _, me, cx| {
            groups.groups.values_mut().any(|group| group.on_compared(load, rows, me, cx))
        });
        if compared {
            return true;
        }
        let (groups, mut cx) = self.with_groups();
        let Some((number, to)) = groups.loading.remove(&load) else { return false };
        let Ok(group) = groups.get(number) else { return true };
        let asker = group.known.iter().find(|(_, contact)| **contact == to).map(|(member, _)| *member);
        let mut bytes = 0;
        for (_, value) in rows.iter().take(RESENT_MAX) {
            let Some(signed) = value.get(18..) else { continue };
            bytes += signed.len();
            if bytes > RESENT_BYTES_MAX {
                // What is still missing is asked for again.
                break;
            }
            let meant = match (Post::read(signed), &group.log, asker) {
                (Ok(post), Some(log), Some(asker)) => log.knows(&post.view, &asker),
                _ => false,
            };
            if !meant {
                continue;
            }
            let letter =
                Letter::Posts { group: group.group, reached: Vec::new(), posts: vec![signed.to_vec()] };
            cx.signal(super::cx::Signal::Post(to, letter, None));
        }
        true
    }
}
