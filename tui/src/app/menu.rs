//! What can be done with a message: a menu with every action by name, and a letter for each.

use super::overlay::Find;
use super::{Action, Chat, Model, Overlay, update};
use crate::command::Command;
use crate::keymap;

/// Something that can be done with the selected message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Show its way and state.
    Info,
    /// Copy its text.
    Copy,
    /// Send its text to somebody else.
    Forward,
}

impl Act {
    /// The letter that does it, and the key of its sentence.
    #[must_use]
    pub fn named(self) -> (char, &'static str) {
        match self {
            Self::Info => ('i', "act-info"),
            Self::Copy => ('c', "act-copy"),
            Self::Forward => ('f', "act-forward"),
        }
    }
}

/// What can be done with the selected message, the most used first.
#[must_use]
pub fn acts(model: &Model) -> Vec<Act> {
    let Some(message) = model.chat.as_ref().and_then(Chat::selected_message) else { return Vec::new() };
    let mut out = Vec::new();
    if message.text.is_some() {
        out.extend([Act::Copy, Act::Forward]);
    }
    out.push(Act::Info);
    out
}

/// The action of a letter.
pub(super) fn of_letter(model: &Model, letter: char) -> Option<Act> {
    let key = keymap::latin(letter);
    acts(model).into_iter().find(|act| act.named().0 == key)
}

/// Carries out an action on the selected message.
pub(super) fn carry_out(model: &mut Model, act: Act) -> Vec<Command> {
    model.overlays.retain(|overlay| !matches!(overlay, Overlay::Menu(_)));
    match act {
        Act::Info => update::open_info(model),
        Act::Copy => match text(model) {
            Some(text) => {
                model.notice = Some(model.texts.get("copied"));
                vec![Command::Copy(crate::text::lines(&text).join("\n"))]
            }
            None => Vec::new(),
        },
        Act::Forward => {
            if let Some(text) = text(model) {
                let find = Find { forward: Some(text), ..Find::default() };
                update::open_overlay(model, Overlay::Find(find));
            }
            Vec::new()
        }
    }
}

fn text(model: &Model) -> Option<String> {
    model.chat.as_ref().and_then(Chat::selected_message).and_then(|message| message.text.clone())
}

/// Applies a key to the menu.
pub(super) fn key(model: &mut Model, action: &Action) -> Vec<Command> {
    let acts = acts(model);
    let last = acts.len().saturating_sub(1);
    if let Action::Char(letter) = action
        && let Some(act) = of_letter(model, *letter)
    {
        return carry_out(model, act);
    }
    let Some(Overlay::Menu(chosen)) = model.overlays.last_mut() else { return Vec::new() };
    match action {
        Action::Up | Action::Wheel(i16::MIN..0) => *chosen = chosen.saturating_sub(1),
        Action::Down | Action::Wheel(_) => *chosen = (*chosen + 1).min(last),
        Action::Enter => {
            let act = acts.get((*chosen).min(last)).copied();
            return act.map_or_else(Vec::new, |act| carry_out(model, act));
        }
        _ => {}
    }
    Vec::new()
}
