//! Adding a person or a door.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::paint;
use crate::app::Model;
use crate::app::overlay::Add;

/// Draws the form.
pub(super) fn draw(model: &Model, form: &Add, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let mut row = 0;
    for (key, editor, focused) in
        [("add-line", &form.line, !form.on_name), ("add-name", &form.name, form.on_name)]
    {
        row = paint::paragraph(frame, area, row, &theme.glyphs(&texts.get(key)), Style::new());
        paint::text(frame, paint::row(area, row), 0, if focused { "> " } else { "  " }, theme.accent());
        paint::field(frame, paint::indent(paint::row(area, row), 2), editor, focused, false, theme);
        row += 2;
    }
    if form.busy {
        row = paint::paragraph(frame, area, row, &theme.glyphs(&texts.get("add-busy")), theme.faint()) + 1;
    }
    if let Some(problem) = &form.problem {
        row = paint::paragraph(frame, area, row, &format!("! {}", theme.glyphs(problem)), theme.warn()) + 1;
    }
    paint::paragraph(frame, area, row, &texts.get("add-help"), theme.faint());
}
