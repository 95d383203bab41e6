//! Requests: strangers who ask for a conversation and contacts who invite into groups, and what this person answers.

use karvon_node::api::groups::{self, Group, Standing};
use karvon_node::api::{Request, Stranger};

use super::{Action, Model, Overlay, Talk, update};
use crate::command::{Command, Purpose};
use crate::keymap;

/// Somebody who asks.
#[derive(Debug, Clone, Copy)]
pub enum Asking<'a> {
    /// A stranger asks for a conversation.
    Stranger(&'a Stranger),
    /// A contact invites into this group.
    Group(&'a Group),
}

/// All who ask, strangers first.
#[must_use]
pub fn asking(model: &Model) -> Vec<Asking<'_>> {
    let groups = model.groups.iter().filter(|group| group.standing == Standing::Invited);
    model.strangers.iter().map(Asking::Stranger).chain(groups.map(Asking::Group)).collect()
}

/// Opens the window.
pub(super) fn open(model: &mut Model) -> Vec<Command> {
    update::open_overlay(model, Overlay::Strangers(0));
    let mut commands = vec![ask()];
    update::refresh_groups(model, &mut commands);
    commands
}

/// Asks the node who asks.
#[must_use]
pub(super) fn ask() -> Command {
    Command::Call(Request::Requests, Purpose::Requests)
}

/// Takes the node's answer; says so when somebody new asks.
pub(super) fn answered(model: &mut Model, requests: Vec<Stranger>) {
    let newest = |all: &[Stranger]| all.iter().map(|stranger| stranger.request).max().unwrap_or(0);
    let waiting: Vec<Stranger> = requests.into_iter().filter(|stranger| !stranger.blocked).collect();
    let open = model.overlays.iter().any(|overlay| matches!(overlay, Overlay::Strangers(_)));
    if newest(&waiting) > newest(&model.strangers) && !open {
        model.notice = Some(model.texts.get("request-came"));
    }
    model.strangers = waiting;
}

/// Applies a key to the window. Only letters answer: Enter is pressed too easily for something that tells others that one is there.
pub(super) fn key(model: &mut Model, action: &Action) -> Vec<Command> {
    let last = asking(model).len().saturating_sub(1);
    let Some(Overlay::Strangers(chosen)) = model.overlays.last_mut() else { return Vec::new() };
    *chosen = (*chosen).min(last);
    let at = *chosen;
    match action {
        Action::Up | Action::Previous | Action::Wheel(i16::MIN..0) => *chosen = chosen.saturating_sub(1),
        Action::Down | Action::Next | Action::Wheel(_) => *chosen = (*chosen + 1).min(last),
        Action::Char(letter) => {
            let letter = keymap::latin(*letter);
            return match asking(model).get(at) {
                Some(Asking::Stranger(stranger)) => {
                    let request = stranger.request;
                    answer_stranger(model, request, letter)
                }
                Some(Asking::Group(group)) => {
                    let group = group.group;
                    answer_group(model, group, letter)
                }
                None => Vec::new(),
            };
        }
        _ => {}
    }
    Vec::new()
}

fn answer_stranger(model: &mut Model, request: u64, letter: char) -> Vec<Command> {
    match letter {
        'a' => {
            model.overlays.pop();
            let name = String::new();
            vec![Command::Call(Request::AcceptRequest { request, name }, Purpose::Add)]
        }
        'd' => vec![Command::Call(Request::DeclineRequest { request }, Purpose::Plain), ask()],
        'b' => vec![Command::Call(Request::BlockRequest { request }, Purpose::Plain), ask()],
        _ => Vec::new(),
    }
}

fn answer_group(model: &mut Model, group: u32, letter: char) -> Vec<Command> {
    let (ask, purpose) = match letter {
        'a' => (groups::Ask::Accept { group }, Purpose::Joined),
        'd' => (groups::Ask::Leave { group }, Purpose::Left(Talk::Group(group))),
        _ => return Vec::new(),
    };
    if letter == 'a' {
        model.overlays.pop();
    }
    vec![Command::Call(Request::Group(ask), purpose)]
}
