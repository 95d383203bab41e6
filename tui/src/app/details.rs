//! What is known about a contact, and its name on this device.

use karvon_node::api::Request;

use super::overlay::NAME_MAX;
use super::{Action, Model, Overlay, update};
use crate::command::{Command, Purpose};
use crate::keymap;
use crate::text::edit::Editor;

/// The window about a contact.
pub struct Details {
    /// Who.
    pub contact: u32,
    /// A new name, while it is being written.
    pub name: Option<Editor>,
    /// Rows scrolled.
    pub scrolled: usize,
}

/// Opens it for the open conversation, or for the chosen person of the list.
pub(super) fn open(model: &mut Model) {
    let open = model.chat.as_ref().map(|chat| chat.contact);
    if let Some(contact) = open.or(model.chosen) {
        update::open_overlay(model, Overlay::Details(Box::new(Details { contact, name: None, scrolled: 0 })));
    }
}

/// Applies a key to it.
pub(super) fn key(model: &mut Model, action: &Action) -> Vec<Command> {
    let name = match model.overlays.last() {
        Some(Overlay::Details(details)) => model.contact(details.contact).map(|contact| contact.name.clone()),
        _ => None,
    };
    let Some(Overlay::Details(details)) = model.overlays.last_mut() else { return Vec::new() };
    let Some(editor) = &mut details.name else {
        if matches!(action, Action::Char(letter) if keymap::latin(*letter) == 'r') {
            let mut editor = Editor::line(NAME_MAX);
            editor.insert(&name.unwrap_or_default());
            details.name = Some(editor);
        } else {
            super::overlay_keys::scroll(&mut details.scrolled, action, 10);
        }
        return Vec::new();
    };
    match action {
        Action::Back => details.name = None,
        Action::Enter if editor.is_blank() => {}
        Action::Enter => {
            let name = editor.text().trim().to_owned();
            let contact = details.contact;
            details.name = None;
            return vec![Command::Call(Request::Rename { contact, name }, Purpose::Rename)];
        }
        key => {
            update::edit(editor, key);
        }
    }
    Vec::new()
}
