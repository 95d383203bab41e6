//! What is known about a contact and what holds for its conversation: name, safety number, receipts, timer, blocking.

use karvon_node::api::{Contact, Request, Setting};

use super::overlay::NAME_MAX;
use super::{Action, Model, Overlay, Talk, channel, group, update};
use crate::command::{Command, Purpose};
use crate::keymap;
use crate::text::edit::Editor;

/// Times after which messages disappear, seconds, in the order in which they are offered.
pub const TIMERS: [u64; 6] = [0, 300, 3_600, 86_400, 604_800, 2_592_000];

/// The window about a contact.
pub struct Details {
    /// Who.
    pub contact: u32,
    /// Chosen row.
    pub chosen: usize,
    /// What is being changed.
    pub step: Step,
    /// The safety number, once the node answered.
    pub safety: Option<String>,
}

/// What the window is at.
pub enum Step {
    /// Nothing is being changed.
    Rows,
    /// A new name is being written.
    Name(Editor),
    /// A time is being chosen, after which messages disappear; the chosen row of [`TIMERS`].
    Timer(usize),
    /// The number is being compared; the answer marks it as the same, or accepts new keys.
    Compare(Row),
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

/// Opens it for the open conversation, or for the chosen one of the list; groups and channels have windows of their own.
pub(super) fn open(model: &mut Model) -> Vec<Command> {
    let open = model.chat.as_ref().map(|chat| chat.talk);
    let contact = match open.or(model.chosen_talk()) {
        Some(Talk::Person(contact)) => contact,
        Some(Talk::Group(number)) => return group::open(model, number),
        Some(Talk::Channel(number)) => return channel::open(model, number),
        None => return Vec::new(),
    };
    let details = Details { contact, chosen: 0, step: Step::Rows, safety: None };
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
    let set =
        |setting| vec![Command::Call(Request::Set { contact: contact.contact, setting }, Purpose::Changed)];
    match (&mut details.step, action) {
        (Step::Rows, Action::Back) => {
            model.overlays.pop();
        }
        (_, Action::Back) => details.step = Step::Rows,
        (Step::Rows, Action::Up | Action::Wheel(i16::MIN..0)) => {
            details.chosen = details.chosen.saturating_sub(1);
        }
        (Step::Rows, Action::Down | Action::Wheel(_)) => details.chosen = (details.chosen + 1).min(last),
        (Step::Rows, Action::Enter | Action::Right) => {
            let row = rows.get(details.chosen.min(last)).copied();
            return row.and_then(|row| change(details, row, &contact)).map_or_else(Vec::new, set);
        }
        (Step::Rows, Action::Char(letter)) if keymap::latin(*letter) == 'r' => {
            return change(details, Row::Name, &contact).map_or_else(Vec::new, set);
        }
        (Step::Rows, _) => {}
        (Step::Name(editor), Action::Enter) => {
            if !editor.is_blank() {
                let name = editor.text().trim().to_owned();
                details.step = Step::Rows;
                let request = Request::Rename { contact: contact.contact, name };
                return vec![Command::Call(request, Purpose::Rename)];
            }
        }
        (Step::Name(editor), key) => {
            update::edit(editor, key);
        }
        (Step::Timer(chosen), Action::Up | Action::Wheel(i16::MIN..0)) => *chosen = chosen.saturating_sub(1),
        (Step::Timer(chosen), Action::Down | Action::Wheel(_)) => {
            *chosen = (*chosen + 1).min(TIMERS.len() - 1);
        }
        (Step::Timer(chosen), Action::Enter) => {
            let seconds = TIMERS.get(*chosen).copied().unwrap_or(0);
            details.step = Step::Rows;
            // The other side is told of each change, so what stays as it is tells nothing.
            return if seconds == contact.timer_s { Vec::new() } else { set(Setting::Timer(seconds)) };
        }
        (Step::Compare(row), Action::Enter) => {
            let accept = *row == Row::Accept;
            details.step = Step::Rows;
            return set(if accept { Setting::KeysAccepted } else { Setting::Verified(true) });
        }
        (Step::Timer(_) | Step::Compare(_), _) => {}
    }
    Vec::new()
}

/// Begins a change, or names what is changed at once.
fn change(details: &mut Details, row: Row, contact: &Contact) -> Option<Setting> {
    match row {
        Row::Name => {
            let mut editor = Editor::line(NAME_MAX);
            editor.insert(&contact.name);
            details.step = Step::Name(editor);
            None
        }
        // A number that is not on the screen can not have been compared.
        Row::Same | Row::Accept if details.safety.is_none() => None,
        Row::Same if contact.verified => Some(Setting::Verified(false)),
        Row::Same | Row::Accept => {
            details.step = Step::Compare(row);
            None
        }
        Row::Timer => {
            let at = TIMERS.iter().position(|timer| *timer == contact.timer_s);
            details.step = Step::Timer(at.unwrap_or(0));
            None
        }
        Row::Receipts => Some(Setting::Receipts(!contact.receipts)),
        Row::Typing => Some(Setting::Typing(!contact.typing)),
        Row::Block => Some(Setting::Blocked(!contact.blocked)),
    }
}
