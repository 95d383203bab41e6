//! Puts text on the screen, never outside its area.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Line;

use crate::text::{edit::Editor, one_line, width, wrap};
use crate::theme::Theme;

/// One row of a larger area.
pub(super) fn row(area: Rect, number: usize) -> Rect {
    let number = u16::try_from(number).unwrap_or(u16::MAX);
    if number >= area.height {
        return Rect::new(area.x, area.y, 0, 0);
    }
    Rect::new(area.x, area.y.saturating_add(number), area.width, 1)
}

/// An area without its first columns.
pub(super) fn indent(area: Rect, columns: u16) -> Rect {
    let columns = columns.min(area.width);
    Rect { x: area.x.saturating_add(columns), width: area.width - columns, ..area }
}

/// Text from a column of an area's first row on, cut at its edge.
pub(super) fn text(frame: &mut Frame<'_>, area: Rect, column: u16, text: &str, style: Style) {
    let area = indent(area, column).intersection(frame.area());
    if area.is_empty() {
        return;
    }
    frame.buffer_mut().set_stringn(area.x, area.y, text, usize::from(area.width), style);
}

/// A styled line in an area's first row.
pub(super) fn line(frame: &mut Frame<'_>, area: Rect, line: &Line<'_>) {
    let area = area.intersection(frame.area());
    if area.is_empty() {
        return;
    }
    frame.buffer_mut().set_line(area.x, area.y, line, area.width);
    frame.buffer_mut().set_style(Rect { height: 1, ..area }, line.style);
}

/// A sentence of our own files, wrapped; line breaks in the file are not line breaks here. Returns the next free row.
pub(super) fn paragraph(
    frame: &mut Frame<'_>,
    area: Rect,
    first: usize,
    sentence: &str,
    style: Style,
) -> usize {
    let joined = one_line(sentence);
    let rows = wrap::wrapped(&joined, usize::from(area.width));
    for (number, part) in rows.iter().enumerate() {
        text(frame, row(area, first + number), 0, part, style);
    }
    first + rows.len()
}

/// Lines of which the first `scrolled` are above the area; not further than to the last one.
pub(super) fn lines(frame: &mut Frame<'_>, area: Rect, all: &[Line<'_>], scrolled: usize) {
    let last = all.len().saturating_sub(usize::from(area.height));
    for (number, one) in all.iter().skip(scrolled.min(last)).take(usize::from(area.height)).enumerate() {
        line(frame, row(area, number), one);
    }
}

/// A text field of one row, scrolled so that the cursor is seen; `hidden` shows dots for letters.
pub(super) fn field(
    frame: &mut Frame<'_>,
    area: Rect,
    editor: &Editor,
    focused: bool,
    hidden: bool,
    theme: Theme,
) {
    let cells = usize::from(area.width);
    if cells < 2 {
        return;
    }
    let before = editor.text().get(..editor.cursor()).unwrap_or_default();
    let (shown, column) = if hidden {
        let dot = if theme.plain { "*" } else { "•" };
        let count = |text: &str| unicode_segmentation::UnicodeSegmentation::graphemes(text, true).count();
        // Not more dots than fit: a long passphrase is not worth a scroll.
        (dot.repeat(count(editor.text()).min(cells - 1)), count(before).min(cells - 1))
    } else {
        let (mut start, mut column) = (0, width::width(before));
        for (at, grapheme) in unicode_segmentation::UnicodeSegmentation::grapheme_indices(before, true) {
            if column < cells {
                break;
            }
            column -= width::cell(grapheme);
            start = at + grapheme.len();
        }
        (editor.text().get(start..).unwrap_or_default().to_owned(), column)
    };
    let underlined = Style::new().add_modifier(ratatui::style::Modifier::UNDERLINED);
    text(frame, area, 0, &width::pad(&shown, cells, theme.plain), underlined);
    if focused {
        cursor(frame, area, column, 0);
    }
}

/// Puts the terminal's cursor into an area.
pub(super) fn cursor(frame: &mut Frame<'_>, area: Rect, column: usize, row: usize) {
    let x =
        area.x.saturating_add(u16::try_from(column).unwrap_or(u16::MAX)).min(area.right().saturating_sub(1));
    let y =
        area.y.saturating_add(u16::try_from(row).unwrap_or(u16::MAX)).min(area.bottom().saturating_sub(1));
    let at = Position { x, y };
    if frame.area().contains(at) {
        frame.set_cursor_position(at);
    }
}

/// A rule with a title in it: `── title ─────`.
pub(super) fn rule(title: &str, cells: usize, theme: Theme) -> String {
    let sign = theme.rule();
    let mut out = String::new();
    if !title.is_empty() && cells > 6 {
        out.extend([sign, ' ']);
        out.push_str(&width::fit(title, cells - 4, theme.plain));
        out.push(' ');
    }
    let used = width::width(&out);
    out.extend(std::iter::repeat_n(sign, cells.saturating_sub(used)));
    out
}
