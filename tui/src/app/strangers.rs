//! Requests of strangers: who asks, what they wrote, and what this person answers.

use karvon_node::api::{Request, Stranger};

use super::{Action, Model, Overlay, update};
use crate::command::{Command, Purpose};
use crate::keymap;

/// Opens the window.
pub(super) fn open(model: &mut Model) -> Vec<Command> {
    update::open_overlay(model, Overlay::Strangers(0));
    vec![ask()]
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

/// Applies a key to the window. Only letters answer: Enter is pressed too easily for something that tells a stranger that one is there.
pub(super) fn key(model: &mut Model, action: &Action) -> Vec<Command> {
    let last = model.strangers.len().saturating_sub(1);
    let Some(Overlay::Strangers(chosen)) = model.overlays.last_mut() else { return Vec::new() };
    *chosen = (*chosen).min(last);
    match action {
        Action::Up | Action::Previous | Action::Wheel(i16::MIN..0) => *chosen = chosen.saturating_sub(1),
        Action::Down | Action::Next | Action::Wheel(_) => *chosen = (*chosen + 1).min(last),
        Action::Char(letter) => {
            let Some(request) = model.strangers.get(*chosen).map(|stranger| stranger.request) else {
                return Vec::new();
            };
            return match keymap::latin(*letter) {
                'a' => {
                    model.overlays.pop();
                    let name = String::new();
                    vec![Command::Call(Request::AcceptRequest { request, name }, Purpose::Add)]
                }
                'd' => vec![Command::Call(Request::DeclineRequest { request }, Purpose::Plain), ask()],
                'b' => vec![Command::Call(Request::BlockRequest { request }, Purpose::Plain), ask()],
                _ => Vec::new(),
            };
        }
        _ => {}
    }
    Vec::new()
}
