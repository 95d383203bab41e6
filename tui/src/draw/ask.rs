//! Windows with one question: which file, and whether everything is to be destroyed.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::paint;
use crate::app::Model;
use crate::app::file::Attach;
use crate::app::lock::Wipe;
use crate::text::edit::Editor;

fn field(model: &Model, editor: &Editor, frame: &mut Frame<'_>, area: Rect, row: usize) -> usize {
    let line = paint::row(area, row);
    paint::text(frame, line, 0, "> ", model.theme.accent());
    paint::field(frame, paint::indent(line, 2), editor, true, false, model.theme);
    row + 2
}

/// Draws the question for a file.
pub(super) fn file(model: &Model, attach: &Attach, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let row = paint::paragraph(frame, area, 0, &theme.glyphs(&texts.get("file-path")), Style::new());
    let row = field(model, &attach.path, frame, area, row);
    if attach.busy {
        paint::paragraph(frame, area, row, &theme.glyphs(&texts.get("add-busy")), theme.faint());
    } else if let Some(problem) = &attach.problem {
        paint::paragraph(frame, area, row, &format!("! {}", theme.glyphs(problem)), theme.warn());
    }
}

/// Draws the question before everything is destroyed.
pub(super) fn wipe(model: &Model, wipe: &Wipe, frame: &mut Frame<'_>, area: Rect) {
    let texts = &model.texts;
    let sentence = texts.with("wipe-sure", &[("word", texts.get("wipe-word").into())]);
    let row = paint::paragraph(frame, area, 0, &model.theme.glyphs(&sentence), model.theme.warn());
    field(model, &wipe.word, frame, area, row + 1);
}
