//! A group: who is in it, and what may be done with it and with each of them.

use karvon_node::api::Request;
use karvon_node::api::groups::{Ask, Group, Member, Role, Standing};

use super::details::TIMERS;
use super::overlay::{Invite, NAME_MAX};
use super::{Action, Model, Overlay, Talk, channel, gather, update};
use crate::command::{Command, Purpose};
use crate::keymap;
use crate::text::edit::Editor;

/// What a link to a group begins with.
const PREFIX: &str = "KARVON-GROUP:";

/// The window about a group.
pub struct Members {
    /// Which.
    pub group: u32,
    /// Chosen row.
    pub chosen: usize,
    /// What it is at.
    pub step: Step,
}

/// What the window is at.
pub enum Step {
    /// Nothing is being changed.
    Rows,
    /// A new name is being written.
    Name(Editor),
    /// A time is being chosen, after which messages disappear; the chosen row of [`TIMERS`].
    Timer(usize),
    /// What may be done with the member of this id; the chosen row.
    Member(String, usize),
    /// Something that is not easily undone is asked about.
    Sure(Act),
}

/// A row of the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// Invite contacts.
    Add,
    /// Show a link for somebody who is no contact.
    Link,
    /// Change the name.
    Name,
    /// Messages disappear.
    Timer,
    /// Tell nothing of new messages.
    Mute,
    /// Leave it.
    Leave,
    /// A member, by id.
    Member(String),
}

/// Something that can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Leave the group.
    Leave,
    /// Give a member this role.
    Role(String, Role),
    /// Remove a member.
    Remove(String),
}

/// The rows for a group: what can be done with it, then its members.
#[must_use]
pub fn rows(model: &Model, group: &Group) -> Vec<Row> {
    let mut out = Vec::new();
    if group.standing == Standing::In {
        if runs(group.role) {
            out.extend([Row::Add, Row::Link, Row::Name, Row::Timer]);
        }
        out.push(Row::Mute);
    }
    if group.standing != Standing::Out {
        out.push(Row::Leave);
    }
    let members = model.members_of(group.group).unwrap_or_default();
    out.extend(members.iter().map(|member| Row::Member(member.member.clone())));
    out
}

/// Whether somebody of this role invites and removes.
fn runs(role: Option<Role>) -> bool {
    matches!(role, Some(Role::Admin | Role::Owner))
}

/// What this person may do with a member.
#[must_use]
pub fn acts(group: &Group, member: &Member) -> Vec<Act> {
    let id = || member.member.clone();
    let mut out = Vec::new();
    if group.standing != Standing::In || member.me {
        return out;
    }
    if group.role == Some(Role::Owner) {
        let roles = [Role::Admin, Role::Member, Role::Owner].into_iter();
        out.extend(roles.filter(|role| *role != member.role).map(|role| Act::Role(id(), role)));
    }
    let outranked = group.role == Some(Role::Owner) || member.role != Role::Owner;
    if runs(group.role) && outranked {
        out.push(Act::Remove(id()));
    }
    out
}

/// A pasted line that is a link to a group.
#[must_use]
pub(super) fn link(pasted: &str) -> Option<String> {
    channel::linked(pasted, PREFIX)
}

/// Opens it.
pub(super) fn open(model: &mut Model, group: u32) -> Vec<Command> {
    update::open_overlay(model, Overlay::Group(Box::new(Members { group, chosen: 0, step: Step::Rows })));
    vec![update::members(group)]
}

/// The chosen row of the open window.
#[must_use]
pub(super) fn chosen(model: &Model) -> Option<Row> {
    let Some(Overlay::Group(open)) = model.overlays.last() else { return None };
    rows(model, model.group(open.group)?).get(open.chosen).cloned()
}

/// What is known has changed: the row that was chosen stays chosen, so that nothing is done to somebody else.
pub(super) fn choose_again(model: &mut Model, row: Option<&Row>) {
    let Some(Overlay::Group(open)) = model.overlays.last() else { return };
    let Some(group) = model.group(open.group) else { return };
    let at = rows(model, group).iter().position(|other| Some(other) == row).unwrap_or(0);
    if let Some(Overlay::Group(open)) = model.overlays.last_mut() {
        open.chosen = at;
    }
}

/// Applies a key to it.
pub(super) fn key(model: &mut Model, action: &Action) -> Vec<Command> {
    let Some(Overlay::Group(open)) = model.overlays.last() else { return Vec::new() };
    let number = open.group;
    let Some(group) = model.group(number).cloned() else {
        model.overlays.pop();
        return Vec::new();
    };
    let rows = rows(model, &group);
    let member = |id: &str| model.members_of(number)?.iter().find(|member| member.member == id);
    let acts = match &open.step {
        Step::Member(id, _) => member(id).map(|member| acts(&group, member)).unwrap_or_default(),
        _ => Vec::new(),
    };
    let Some(Overlay::Group(open)) = model.overlays.last_mut() else { return Vec::new() };
    let last = rows.len().saturating_sub(1);
    open.chosen = open.chosen.min(last);
    match (&mut open.step, action) {
        (Step::Rows, Action::Back) => {
            model.overlays.pop();
        }
        (_, Action::Back) => open.step = Step::Rows,
        (Step::Rows, Action::Up | Action::Wheel(i16::MIN..0)) => open.chosen = open.chosen.saturating_sub(1),
        (Step::Rows, Action::Down | Action::Wheel(_)) => open.chosen = (open.chosen + 1).min(last),
        (Step::Rows, Action::Enter | Action::Right) => {
            let row = rows.get(open.chosen).cloned();
            return row.map_or_else(Vec::new, |row| begin(model, &group, row));
        }
        (Step::Rows, Action::Char(letter)) => {
            let row = match keymap::latin(*letter) {
                'a' => Row::Add,
                'i' => Row::Link,
                'r' => Row::Name,
                'd' => Row::Timer,
                't' => Row::Mute,
                'l' => Row::Leave,
                _ => return Vec::new(),
            };
            return if rows.contains(&row) { begin(model, &group, row) } else { Vec::new() };
        }
        (Step::Name(editor), Action::Enter) => {
            if !editor.is_blank() {
                let name = editor.text().trim().to_owned();
                open.step = Step::Rows;
                return change(number, Ask::Rename { group: number, name });
            }
        }
        (Step::Name(editor), key) => {
            update::edit(editor, key);
        }
        (Step::Member(_, chosen) | Step::Timer(chosen), Action::Up | Action::Wheel(i16::MIN..0)) => {
            *chosen = chosen.saturating_sub(1)
        }
        (Step::Timer(chosen), Action::Down | Action::Wheel(_)) => {
            *chosen = (*chosen + 1).min(TIMERS.len() - 1);
        }
        (Step::Timer(chosen), Action::Enter) => {
            let seconds = TIMERS.get(*chosen).and_then(|seconds| u32::try_from(*seconds).ok()).unwrap_or(0);
            open.step = Step::Rows;
            // Everybody is told of a change, so what stays as it is tells nothing.
            let same = seconds == group.timer_s;
            return if same { Vec::new() } else { change(number, Ask::Timer { group: number, seconds }) };
        }
        (Step::Member(_, chosen), Action::Down | Action::Wheel(_)) => {
            *chosen = (*chosen + 1).min(acts.len().saturating_sub(1));
        }
        (Step::Member(_, chosen), Action::Enter) => {
            if let Some(act) = acts.get(*chosen) {
                open.step = Step::Sure(act.clone());
            }
        }
        (Step::Sure(act), Action::Enter) => {
            let act = act.clone();
            open.step = Step::Rows;
            return carry_out(model, number, act);
        }
        (Step::Rows | Step::Timer(_) | Step::Member(..) | Step::Sure(_), _) => {}
    }
    Vec::new()
}

/// Does what a row stands for, or begins it.
fn begin(model: &mut Model, group: &Group, row: Row) -> Vec<Command> {
    let Some(Overlay::Group(open)) = model.overlays.last_mut() else { return Vec::new() };
    match row {
        Row::Add => return gather::open(model, Some(group.group)),
        Row::Link => {
            let invite = Invite { to: Some(Talk::Group(group.group)), ..Invite::default() };
            update::open_overlay(model, Overlay::Invite(invite));
            return vec![Command::Call(Request::Group(Ask::Link { group: group.group }), Purpose::Link)];
        }
        Row::Name => {
            let mut editor = Editor::line(NAME_MAX);
            editor.insert(&group.name);
            open.step = Step::Name(editor);
        }
        Row::Timer => {
            let at = TIMERS.iter().position(|timer| *timer == u64::from(group.timer_s));
            open.step = Step::Timer(at.unwrap_or(0));
        }
        Row::Mute => {
            return change(group.group, Ask::Mute { group: group.group, muted: !group.muted });
        }
        Row::Leave => open.step = Step::Sure(Act::Leave),
        Row::Member(id) => open.step = Step::Member(id, 0),
    }
    Vec::new()
}

fn carry_out(model: &mut Model, group: u32, act: Act) -> Vec<Command> {
    match act {
        Act::Leave => {
            model.overlays.pop();
            let request = Request::Group(Ask::Leave { group });
            vec![Command::Call(request, Purpose::Left(Talk::Group(group)))]
        }
        Act::Role(member, role) => change(group, Ask::Role { group, member, role }),
        Act::Remove(member) => change(group, Ask::Remove { group, member }),
    }
}

fn change(group: u32, ask: Ask) -> Vec<Command> {
    vec![Command::Call(Request::Group(ask), Purpose::Group(group))]
}
