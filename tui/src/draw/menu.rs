//! What can be done with the selected message.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::list;
use crate::app::Model;
use crate::app::menu::{self, acts};

/// Draws the menu.
pub(super) fn draw(model: &Model, chosen: usize, frame: &mut Frame<'_>, area: Rect) {
    let rows: Vec<(String, Style)> = acts(model)
        .into_iter()
        .map(|act| {
            let (letter, key) = act.named();
            (format!("{letter}  {}", model.theme.glyphs(&model.texts.get(key))), Style::new())
        })
        .collect();
    list::draw(frame, area, &rows, chosen, true, model.theme);
}

/// Draws the signs to choose from; the last row takes one back.
pub(super) fn signs(model: &Model, chosen: usize, frame: &mut Frame<'_>, area: Rect) {
    let signs = menu::signs(model).map(str::to_owned);
    let none = model.theme.glyphs(&model.texts.get("react-none"));
    let rows: Vec<(String, Style)> = signs.into_iter().chain([none]).map(|row| (row, Style::new())).collect();
    list::draw(frame, area, &rows, chosen, true, model.theme);
}

/// Asks whether a message is to be taken back, and says what that can not do.
pub(super) fn sure(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let text = model.theme.glyphs(&model.texts.get("delete-sure"));
    super::paint::paragraph(frame, area, 1, &text, model.theme.warn());
}
