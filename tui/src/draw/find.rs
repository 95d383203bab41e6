//! The menu: people and commands by name.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::paint;
use crate::app::Model;
use crate::app::overlay::{Find, Found};
use crate::text::width;

/// Draws the menu.
pub(super) fn draw(model: &Model, find: &Find, frame: &mut Frame<'_>, area: Rect) {
    let theme = model.theme;
    paint::text(frame, area, 0, ">", theme.accent());
    let field = paint::indent(paint::row(area, 0), 2);
    paint::field(frame, field, &find.query, true, false, theme);
    let list = Rect { y: area.y.saturating_add(2), height: area.height.saturating_sub(2), ..area };
    let rows = find.rows(model);
    if rows.is_empty() {
        paint::paragraph(frame, list, 0, &model.texts.get("find-none"), theme.faint());
        return;
    }
    let chosen = find.chosen.min(rows.len() - 1);
    let first = (chosen + 1).saturating_sub(usize::from(list.height).max(1));
    for (number, row) in rows.iter().enumerate().skip(first).take(usize::from(list.height)) {
        let (text, style) = match row {
            Found::Contact(contact) => (model.contact_name(*contact), theme.strong()),
            Found::Command(key) => (model.texts.get(key), Style::new()),
        };
        let style = if number == chosen { style.patch(theme.chosen()) } else { style };
        let pointer = if number == chosen { "> " } else { "  " };
        let text = width::pad(&format!("{pointer}{text}"), usize::from(list.width), theme.plain);
        paint::text(frame, paint::row(list, number - first), 0, &text, style);
    }
}
