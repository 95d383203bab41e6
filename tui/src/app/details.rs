//! What is known about a contact and what holds for its conversation: name, safety number, receipts, timer, blocking.

use karvon_node::api::{Contact, Request, Setting};

use super::overlay::NAME_MAX;
use super::{Action, Model, Overlay, update};
use crate::command::{Command, Purpose};
use crate::keymap;
use crate::text::edit::Editor;

/// Times after which messages disappear, seconds, in the order in which they are offered.
const TIMERS: [u64; 6] = [0, 300, 3_600, 86_400, 604_800, 2_592_000];

/// The window about a contact.
pub struct Details {
    /// Who.
    pub contact: u32,
    /// Chosen row.
    pub chosen: usize,
    /// A new name, while it is being written.
    pub name: Option<Editor>,
    /// The safety number, once the node answered.
    pub safety: Option<String>,
}

/// A row of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// Accept the new keys.
    Accept,
    /// Change the name.
    Name,
    /// The number was compared.
    Same,
    /// They may know what was read.
    Receipts,
    /// They may know that one types.
    Typing,
    /// Messages disappear.
    Timer,
    /// Nothing of theirs is shown.
    Block,
}

/// The rows for a contact.
#[must_use]
pub fn rows(contact: &Contact) -> Vec<Row> {
    let mut out = if contact.keys_changed { vec![Row::Accept] } else { Vec::new() };
    out.extend([Row::Same, Row::Name, Row::Timer, Row::Receipts, Row::Typing, Row::Block]);
    out
}

/// Opens it for the open conversation, or for the chosen person of the list.
pub(super) fn open(model: &mut Model) -> Vec<Command> {
    let open = model.chat.as_ref().map(|chat| chat.contact);
    let Some(contact) = open.or(model.chosen) else { return Vec::new() };
    let details = Details { contact, chosen: 0, name: None, safety: None };
    update::open_overlay(model, Overlay::Details(Box::new(details)));
    vec![Command::Call(Request::Safety { contact }, Purpose::Safety(contact))]
}

/// Applies a key to it.
pub(super) fn key(model: &mut Model, action: &Action) -> Vec<Command> {
    let Some(Overlay::Details(details)) = model.overlays.last() else { return Vec::new() };
    let Some(contact) = model.contact(details.contact).cloned() else { return Vec::new() };
    let Some(Overlay::Details(details)) = model.overlays.last_mut() else { return Vec::new() };
    let rows = rows(&contact);
    let last = rows.len().saturating_sub(1);
    let Some(editor) = &mut details.name else {
        return match action {
            Action::Up | Action::Wheel(i16::MIN..0) => {
                details.chosen = details.chosen.saturating_sub(1);
                Vec::new()
            }
            Action::Down | Action::Wheel(_) => {
                details.chosen = (details.chosen + 1).min(last);
                Vec::new()
            }
            Action::Enter | Action::Right => {
                let row = rows.get(details.chosen.min(last)).copied();
                row.map_or_else(Vec::new, |row| change(details, row, &contact))
            }
            Action::Char(letter) if keymap::latin(*letter) == 'r' => change(details, Row::Name, &contact),
            _ => Vec::new(),
        };
    };
    match action {
        Action::Back => details.name = None,
        Action::Enter if editor.is_blank() => {}
        Action::Enter => {
            let name = editor.text().trim().to_owned();
            details.name = None;
            let request = Request::Rename { contact: contact.contact, name };
            return vec![Command::Call(request, Purpose::Rename)];
        }
        key => {
            update::edit(editor, key);
        }
    }
    Vec::new()
}

fn change(details: &mut Details, row: Row, contact: &Contact) -> Vec<Command> {
    let setting = match row {
        Row::Name => {
            let mut editor = Editor::line(NAME_MAX);
            editor.insert(&contact.name);
            details.name = Some(editor);
            return Vec::new();
        }
        // A number that is not on the screen can not have been compared.
        Row::Same | Row::Accept if details.safety.is_none() => return Vec::new(),
        Row::Same => Setting::Verified(!contact.verified),
        Row::Accept => Setting::KeysAccepted,
        Row::Receipts => Setting::Receipts(!contact.receipts),
        Row::Typing => Setting::Typing(!contact.typing),
        Row::Timer => {
            let at = TIMERS.iter().position(|timer| *timer == contact.timer_s);
            let next = at.map_or(0, |at| at + 1) % TIMERS.len();
            Setting::Timer(TIMERS.get(next).copied().unwrap_or(0))
        }
        Row::Block => Setting::Blocked(!contact.blocked),
    };
    vec![Command::Call(Request::Set { contact: contact.contact, setting }, Purpose::Changed)]
}
