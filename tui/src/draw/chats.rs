//! The list of people: name, mark or count, time.

use karvon_node::api::{Contact, State};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::paint;
use crate::app::Model;
use crate::text::{name, width};

/// Index of the contact in the list's first row, so that the chosen one is seen.
#[must_use]
pub fn first_row(model: &Model, height: u16) -> usize {
    let chosen = model.chosen_contact();
    let chosen = model.contacts.iter().position(|contact| Some(contact.contact) == chosen);
    let height = usize::from(height).max(1);
    chosen.map_or(0, |at| (at + 1).saturating_sub(height))
}

/// Draws the list.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect, focused: bool) {
    if area.is_empty() {
        return;
    }
    if model.contacts.is_empty() {
        let area = paint::indent(area, 1);
        let area = Rect { width: area.width.saturating_sub(1), ..area };
        paint::paragraph(frame, area, 1, &model.theme.glyphs(&model.texts.get("list-empty")), Style::new());
        return;
    }
    let first = first_row(model, area.height);
    for (number, contact) in model.contacts.iter().skip(first).take(usize::from(area.height)).enumerate() {
        row(model, frame, paint::row(area, number), contact, focused);
    }
}

fn row(model: &Model, frame: &mut Frame<'_>, area: Rect, contact: &Contact, focused: bool) {
    let theme = model.theme;
    let chosen = model.chosen_contact() == Some(contact.contact);
    let open = model.chat.as_ref().is_some_and(|chat| chat.contact == contact.contact);
    let last = model.last.get(&contact.contact);
    let held = model.held(contact.contact);
    let mut sign = match last {
        _ if held => "!".to_owned(),
        Some(last) if last.state != State::Received => theme.mark(last.state, false).to_owned(),
        _ => String::new(),
    };
    if contact.unread > 0 {
        let count = if contact.unread > 99 { "99+".to_owned() } else { contact.unread.to_string() };
        sign = format!("{}{count}", if held { "!" } else { "" });
    }
    let time = last.map(|last| model.zone.clock(&last.at).into_owned()).unwrap_or_default();
    let right = format!(" {time} {}", width::pad(&sign, 4, theme.plain));
    let cells = usize::from(area.width);
    let room = cells.saturating_sub(2 + width::width(&right));
    let pointer = if chosen || open { "> " } else { "  " };
    let text =
        format!("{pointer}{}{right}", width::pad(&name(&contact.name, contact.contact), room, theme.plain));
    let mut style = match () {
        () if contact.blocked => theme.faint(),
        () if contact.unread > 0 => theme.strong(),
        () => Style::new(),
    };
    if chosen && focused {
        style = style.patch(theme.chosen());
    }
    paint::text(frame, area, 0, &width::pad(&text, cells, theme.plain), style);
}
