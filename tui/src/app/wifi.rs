//! Contacts on the same Wi-Fi: on which networks they are looked for, and who is there.

use karvon_node::api::{ApiError, LanNetwork, Request, Response};

use super::{Action, Model, Overlay, update};
use crate::command::{Command, Purpose};

/// What the node said of local networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Here {
    /// Those this device is on.
    pub networks: Vec<LanNetwork>,
    /// Numbers of contacts who are near.
    pub near: Vec<u32>,
}

/// The window.
#[derive(Debug, Default)]
pub struct Wifi {
    /// `None` until the node has said.
    pub here: Option<Here>,
    /// Chosen network.
    pub chosen: usize,
    /// What was wrong.
    pub problem: Option<String>,
}

fn ask() -> Command {
    Command::Call(Request::Lan, Purpose::Wifi)
}

/// Opens the window.
pub(super) fn open(model: &mut Model) -> Vec<Command> {
    update::open_overlay(model, Overlay::Wifi(Wifi::default()));
    vec![ask()]
}

/// Takes the node's answer.
pub(super) fn answered(model: &mut Model, result: Result<Response, ApiError>) -> Vec<Command> {
    let problem = result.as_ref().err().map(|error| model.texts.error(&error.code));
    let window = model.overlays.iter_mut().find_map(|overlay| match overlay {
        Overlay::Wifi(open) => Some(open),
        _ => None,
    });
    let Some(open) = window else { return Vec::new() };
    match result {
        Ok(Response::Lan { networks, near, .. }) => {
            open.chosen = open.chosen.min(networks.len().saturating_sub(1));
            open.here = Some(Here { networks, near });
            Vec::new()
        }
        // It was changed.
        Ok(_) => {
            open.problem = None;
            vec![ask()]
        }
        Err(_) => {
            open.problem = problem;
            Vec::new()
        }
    }
}

/// Applies a key to the window.
pub(super) fn key(model: &mut Model, action: &Action) -> Vec<Command> {
    let Some(Overlay::Wifi(open)) = model.overlays.last_mut() else { return Vec::new() };
    let Some(here) = &open.here else { return Vec::new() };
    match action {
        Action::Up | Action::Previous | Action::Wheel(i16::MIN..0) => {
            open.chosen = open.chosen.saturating_sub(1);
        }
        Action::Down | Action::Next | Action::Wheel(_) => {
            open.chosen = (open.chosen + 1).min(here.networks.len().saturating_sub(1));
        }
        Action::Enter | Action::Char(' ') => {
            let Some(network) = here.networks.get(open.chosen) else { return vec![ask()] };
            let name = Some(network.name.clone());
            let request = if network.accepted {
                Request::LanForget { name, all: false }
            } else {
                Request::LanAccept { name }
            };
            return vec![Command::Call(request, Purpose::Wifi)];
        }
        _ => {}
    }
    Vec::new()
}
