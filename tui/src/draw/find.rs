//! The menu: people and commands by name.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{list, paint};
use crate::app::Model;
use crate::app::overlay::{Find, Found};

/// Draws the menu.
pub(super) fn draw(model: &Model, find: &Find, frame: &mut Frame<'_>, area: Rect) {
    let theme = model.theme;
    let below = super::search::query(model, &find.query, frame, area);
    let rows: Vec<(String, Style)> = find
        .rows(model)
        .into_iter()
        .map(|row| match row {
            Found::Talk(talk) => (model.talk_name(talk), theme.strong()),
            Found::Command(key) => (theme.glyphs(&model.texts.get(key)), Style::new()),
            Found::Search => {
                let text = crate::text::one_line(find.query.text().trim());
                (theme.glyphs(&model.texts.with("find-search", &[("text", text.into())])), theme.accent())
            }
        })
        .collect();
    if rows.is_empty() {
        paint::paragraph(frame, below, 0, &model.texts.get("find-none"), theme.faint());
        return;
    }
    list::draw(frame, below, &rows, find.chosen, false, theme);
}
