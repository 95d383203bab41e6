//! The published address, or what it would be good for.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::paint;
use crate::app::Model;
use crate::app::address::{Address, Change};
use crate::text::{one_line, wrap};

/// Draws it.
pub(super) fn draw(model: &Model, open: &Address, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let sentence = |key: &str| theme.glyphs(&one_line(&texts.get(key)));
    let mut row = match &open.problem {
        Some(problem) => {
            paint::paragraph(frame, area, 0, &format!("! {}", theme.glyphs(problem)), theme.warn()) + 1
        }
        None => 0,
    };
    if open.busy || open.text.is_none() && open.problem.is_none() {
        paint::paragraph(frame, area, row, &sentence("address-busy"), theme.faint());
        return;
    }
    let Some(line) = open.line() else {
        row = paint::paragraph(frame, area, row, &sentence("address-none"), Style::new()) + 1;
        paint::paragraph(frame, area, row, &sentence("address-none-note"), theme.faint());
        return;
    };
    row = paint::paragraph(frame, area, row, &sentence("address-say"), Style::new()) + 1;
    for part in wrap::wrapped(line, usize::from(area.width)) {
        paint::text(frame, paint::row(area, row), 0, part, theme.strong());
        row += 1;
    }
    let (note, style) = match open.sure {
        Some(Change::New) => ("address-new-sure", theme.warn()),
        Some(Change::End) => ("address-end-sure", theme.warn()),
        None => ("address-note", theme.faint()),
    };
    paint::paragraph(frame, area, row + 1, &sentence(note), style);
}
