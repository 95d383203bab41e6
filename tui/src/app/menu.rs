//! What can be done with a message: a menu with every action by name, and a letter for each.

use karvon_node::api::{Message, Request};

use super::overlay::Find;
use super::{About, Action, Chat, Model, Overlay, Talk, update};
use crate::command::{Command, Purpose};
use crate::keymap;

/// Something that can be done with the selected message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Answer it.
    Reply,
    /// Put a sign on it.
    React,
    /// Give an own message another text.
    Edit,
    /// Take an own message back.
    Delete,
    /// Write its file to disk.
    Save,
    /// Add the person whom it introduces.
    Add,
    /// Show its way and state.
    Info,
    /// Copy its text.
    Copy,
    /// Pass it on to somebody else, or into a group.
    Forward,
}

impl Act {
    /// The letter that does it, and the key of its sentence.
    #[must_use]
    pub fn named(self) -> (char, &'static str) {
        match self {
            Self::Reply => ('r', "act-reply"),
            Self::React => ('l', "act-react"),
            Self::Edit => ('e', "act-edit"),
            Self::Delete => ('d', "act-delete"),
            Self::Save => ('v', "act-save"),
            Self::Add => ('a', "act-add"),
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
    let talk = model.chat.as_ref().map(|chat| chat.talk);
    if let Some(Talk::Channel(_)) = talk {
        if message.attachment.is_some() {
            out.extend([Act::Save, Act::Forward]);
        } else if message.text.is_some() {
            out.extend([Act::Copy, Act::Forward]);
        }
        return out;
    }
    if message.introduces.is_some() && !message.mine {
        out.push(Act::Add);
    }
    if message.attachment.is_some() {
        out.extend([Act::Save, Act::Reply, Act::React, Act::Forward]);
    } else if message.text.is_some() {
        out.extend([Act::Reply, Act::React, Act::Copy, Act::Forward]);
    }
    if message.mine && message.text.is_some() && message.attachment.is_none() && message.copied.is_none() {
        out.push(Act::Edit);
    }
    if message.mine && !message.deleted && message.timer_s.is_none() {
        out.push(Act::Delete);
    }
    if message.missing == 0 {
        out.push(Act::Info);
    }
    if talk.is_some_and(|talk| model.read_only(talk).is_some()) {
        out.retain(|act| matches!(act, Act::Copy | Act::Save | Act::Forward | Act::Info));
    }
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
            if let Some(message) = selected(model) {
                let find = Find { forward: Some(message.id.clone()), ..Find::default() };
                update::open_overlay(model, Overlay::Find(find));
            }
            Vec::new()
        }
        Act::React => {
            if let Some(message) = selected(model) {
                let id = message.id.clone();
                update::open_overlay(model, Overlay::React(id, 0));
            }
            Vec::new()
        }
        Act::Delete => {
            if let Some(message) = selected(model) {
                let id = message.id.clone();
                update::open_overlay(model, Overlay::Delete(id));
            }
            Vec::new()
        }
        Act::Save => selected(model)
            .map(|message| Command::Call(Request::File { id: message.id.clone() }, Purpose::File))
            .into_iter()
            .collect(),
        Act::Add => selected(model)
            .map(|message| Request::AddIntroduced { id: message.id.clone(), name: String::new() })
            .map(|request| Command::Call(request, Purpose::Add))
            .into_iter()
            .collect(),
        Act::Reply | Act::Edit => {
            write(model, act);
            Vec::new()
        }
    }
}

/// Makes the composer write an answer to the selected message, or a new text for it.
fn write(model: &mut Model, act: Act) {
    let Some(message) = selected(model) else { return };
    let (id, text) = (message.id.clone(), message.text.clone().unwrap_or_default());
    let Some(chat) = &mut model.chat else { return };
    chat.selected = None;
    if act == Act::Edit {
        chat.composer.set(&text);
        chat.about = About::Edit(id);
    } else {
        let beginning = crate::text::one_line(&text).chars().take(80).collect();
        chat.about = About::Reply(id, beginning);
    }
}

/// Signs to choose from: the most used ones, or what stands for them where only plain glyphs are shown.
#[must_use]
pub fn signs(model: &Model) -> [&'static str; 6] {
    // Signs that need a variation selector are left out: terminals disagree about how wide they are.
    if model.theme.plain {
        ["+1", "<3", ":)", ":o", ":(", "!"]
    } else {
        ["👍", "💗", "😂", "😮", "😢", "🙏"]
    }
}

/// Applies a key to the window of signs.
pub(super) fn react(model: &mut Model, action: &Action) -> Vec<Command> {
    let signs = signs(model);
    let Some(Overlay::React(id, chosen)) = model.overlays.last_mut() else { return Vec::new() };
    match action {
        Action::Up | Action::Wheel(i16::MIN..0) => *chosen = chosen.saturating_sub(1),
        Action::Down | Action::Wheel(_) => *chosen = (*chosen + 1).min(signs.len()),
        Action::Enter => {
            // The last row takes the sign back.
            let emoji = signs.get(*chosen).copied().unwrap_or_default().to_owned();
            let id = id.clone();
            model.overlays.pop();
            return vec![Command::Call(Request::React { id, emoji }, Purpose::Plain)];
        }
        _ => {}
    }
    Vec::new()
}

fn selected(model: &Model) -> Option<&Message> {
    model.chat.as_ref().and_then(Chat::selected_message)
}

fn text(model: &Model) -> Option<String> {
    selected(model).and_then(|message| message.text.clone())
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
