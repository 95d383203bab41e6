//! The closed screen.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::paint;
use crate::app::Model;
use crate::app::lock::Lock;

/// Draws it: a field, and what was wrong.
pub(super) fn draw(model: &Model, lock: &Lock, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let row = usize::from(area.height / 4);
    let row = paint::paragraph(frame, area, row, &texts.get("lock-passphrase"), theme.strong());
    paint::text(frame, paint::row(area, row), 0, "> ", theme.accent());
    let inside = paint::indent(paint::row(area, row), 2);
    let field = Rect { width: inside.width.min(60), ..inside };
    paint::field(frame, field, &lock.passphrase, !lock.busy, true, theme);
    let row = row + 2;
    if lock.busy {
        paint::paragraph(frame, area, row, &theme.glyphs(&texts.get("lock-busy")), theme.faint());
    } else if let Some(problem) = &lock.problem {
        let row = paint::paragraph(frame, area, row, &format!("! {}", theme.glyphs(problem)), theme.warn());
        paint::paragraph(frame, area, row + 1, &texts.get("lock-note"), Style::new());
    }
}
