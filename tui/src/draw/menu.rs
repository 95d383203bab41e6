//! What can be done with the selected message.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::list;
use crate::app::{Model, menu::acts};

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
