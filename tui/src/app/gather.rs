//! Choosing people for a group: for a new one with its name, or for one that is there.

use std::collections::BTreeSet;

use karvon_node::api::{Contact, Meeting, Request, groups};

use super::overlay::NAME_MAX;
use super::{Action, Model, Overlay, rooms, update};
use crate::command::{Command, Purpose};
use crate::text::edit::Editor;

/// The window in which people are chosen.
pub struct Gather {
    /// The group that is there already.
    pub group: Option<u32>,
    /// Name of a new group.
    pub name: Editor,
    /// The name takes keys, not the list.
    pub on_name: bool,
    /// Chosen row.
    pub chosen: usize,
    /// Who is to be invited.
    pub picked: BTreeSet<u32>,
    /// The node is at it.
    pub busy: bool,
    /// What was wrong.
    pub problem: Option<String>,
}

/// Opens it.
pub(super) fn open(model: &mut Model, group: Option<u32>) -> Vec<Command> {
    let gather = Gather {
        group,
        name: Editor::line(NAME_MAX),
        on_name: group.is_none(),
        chosen: 0,
        picked: BTreeSet::new(),
        busy: false,
        problem: None,
    };
    update::open_overlay(model, Overlay::Gather(Box::new(gather)));
    group.map(update::members).into_iter().collect()
}

/// Who can be invited: those with whom keys were exchanged and who are not in the group yet.
#[must_use]
pub fn people<'a>(model: &'a Model, gather: &Gather) -> Vec<&'a Contact> {
    let members = gather.group.and_then(|group| model.members_of(group)).unwrap_or_default();
    let known = |contact: &&Contact| contact.meeting == Meeting::Connected && !contact.blocked;
    let inside = |contact: &&Contact| members.iter().any(|member| member.contact == Some(contact.contact));
    model.contacts.iter().filter(known).filter(|contact| !inside(contact)).collect()
}

/// Applies a key to it.
pub(super) fn key(model: &mut Model, action: &Action) -> Vec<Command> {
    let Some(Overlay::Gather(gather)) = model.overlays.last() else { return Vec::new() };
    let people: Vec<u32> = people(model, gather).into_iter().map(|contact| contact.contact).collect();
    let last = people.len().saturating_sub(1);
    let Some(Overlay::Gather(gather)) = model.overlays.last_mut() else { return Vec::new() };
    if gather.busy {
        return Vec::new();
    }
    gather.problem = None;
    gather.chosen = gather.chosen.min(last);
    let new = gather.group.is_none();
    if gather.on_name {
        match action {
            Action::Enter if gather.name.is_blank() => {
                gather.problem = Some(model.texts.get("group-name-missing"));
            }
            Action::Enter | Action::Next | Action::Previous | Action::Down => gather.on_name = false,
            key => {
                update::edit(&mut gather.name, key);
            }
        }
        return Vec::new();
    }
    match action {
        Action::Next | Action::Previous if new => gather.on_name = true,
        Action::Up if new && gather.chosen == 0 => gather.on_name = true,
        Action::Up | Action::Wheel(i16::MIN..0) => gather.chosen = gather.chosen.saturating_sub(1),
        Action::Down | Action::Wheel(_) => gather.chosen = (gather.chosen + 1).min(last),
        Action::Char(' ') => {
            if let Some(contact) = people.get(gather.chosen)
                && !gather.picked.remove(contact)
            {
                gather.picked.insert(*contact);
            }
        }
        Action::Enter if new && gather.name.is_blank() => {
            gather.on_name = true;
            gather.problem = Some(model.texts.get("group-name-missing"));
        }
        Action::Enter if gather.picked.is_empty() => {
            gather.problem = Some(model.texts.get("group-nobody-picked"));
        }
        Action::Enter => {
            let picked: Vec<u32> = gather.picked.iter().copied().collect();
            if let Some(group) = gather.group {
                model.overlays.pop();
                model.notice = Some(model.texts.get("group-asked"));
                return rooms::invite(group, picked);
            }
            gather.busy = true;
            let name = gather.name.text().trim().to_owned();
            let request = Request::Group(groups::Ask::Create { name });
            return vec![Command::Call(request, Purpose::Founded(picked))];
        }
        _ => {}
    }
    Vec::new()
}
