//! Windows with one question: which file, and whether everything is to be destroyed.

use karvon_node::api::FILE_BYTES_MAX;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{list, paint};
use crate::app::Model;
use crate::app::file::Attach;
use crate::app::lock::Wipe;
use crate::text::{edit::Editor, one_line, width, wrap};

fn field(model: &Model, editor: &Editor, frame: &mut Frame<'_>, area: Rect, row: usize) -> usize {
    let line = paint::row(area, row);
    paint::text(frame, line, 0, "> ", model.theme.accent());
    paint::field(frame, paint::indent(line, 2), editor, true, false, model.theme);
    row + 2
}

/// What stands below the list of files: what is going on, what was wrong, or what this window is for.
#[must_use]
pub(super) fn note(model: &Model, attach: &Attach) -> String {
    let sentence = match &attach.problem {
        _ if attach.busy => model.texts.get("add-busy"),
        Some(problem) => format!("! {problem}"),
        None if attach.rows().is_empty() && !attach.sends() => model.texts.get("file-none"),
        None => model.texts.get("file-path"),
    };
    one_line(&model.theme.glyphs(&sentence))
}

/// Draws the choice of a file: the path, what is in its folder, and a note.
pub(super) fn file(model: &Model, attach: &Attach, frame: &mut Frame<'_>, area: Rect) {
    let theme = model.theme;
    let mut place = super::search::query(model, &attach.path, frame, area);
    let words = note(model, attach);
    let below = u16::try_from(wrap::wrapped(&words, usize::from(area.width)).len()).unwrap_or(0);
    place.height = place.height.saturating_sub(below);
    let cells = usize::from(place.width).saturating_sub(2);
    let rows: Vec<(String, Style)> = attach
        .rows()
        .into_iter()
        .map(|entry| {
            let size = if entry.folder { String::new() } else { super::doctor::bytes(entry.bytes) };
            let room = cells.saturating_sub(width::width(&size) + 1);
            let end = if entry.folder { "/" } else { "" };
            let name = width::pad(&format!("{}{end}", one_line(&entry.name)), room, theme.plain);
            let fits = entry.folder || entry.bytes <= FILE_BYTES_MAX as u64;
            (format!("{name} {size}"), if fits { Style::new() } else { theme.faint() })
        })
        .collect();
    if !rows.is_empty() {
        list::draw(frame, place, &rows, attach.chosen, false, theme);
    }
    let style = if attach.problem.is_some() { theme.warn() } else { theme.faint() };
    let bottom = Rect { y: place.bottom(), height: area.bottom().saturating_sub(place.bottom()), ..area };
    paint::paragraph(frame, bottom, 0, &words, style);
}

/// Draws the question before everything is destroyed.
pub(super) fn wipe(model: &Model, wipe: &Wipe, frame: &mut Frame<'_>, area: Rect) {
    let texts = &model.texts;
    let sentence = texts.with("wipe-sure", &[("word", texts.get("wipe-word").into())]);
    let row = paint::paragraph(frame, area, 0, &model.theme.glyphs(&sentence), model.theme.warn());
    field(model, &wipe.word, frame, area, row + 1);
}
