//! Keys and signs, made from the table of keys.

use karvon_node::api::State;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::paint;
use crate::app::Model;
use crate::keymap::{self, Binding};
use crate::text::{width, wrap};

/// Draws the help: two columns where there is room.
pub(super) fn draw(model: &Model, scrolled: usize, frame: &mut Frame<'_>, area: Rect) {
    let theme = model.theme;
    let marks = [
        (theme.mark(State::Queued, false), "sign-queued"),
        (theme.mark(State::Stored, false), "sign-stored"),
        (theme.mark(State::Delivered, false), "sign-delivered"),
        (theme.mark(State::Read, false), "sign-read"),
        (theme.mark(State::Queued, true), "sign-held"),
    ];
    let sections: [(&str, Vec<Binding>); 4] = [
        ("help-everywhere", keymap::EVERYWHERE.to_vec()),
        ("help-chat", keymap::CHAT.to_vec()),
        ("help-message", keymap::MESSAGE.to_vec()),
        ("help-signs", marks.to_vec()),
    ];
    let two = area.width >= 76;
    let columns = if two { area.width / 2 - 1 } else { area.width };
    let build = |parts: &[(&str, Vec<Binding>)]| -> Vec<Line<'static>> {
        parts
            .iter()
            .flat_map(|(title, bindings)| section(model, title, bindings, usize::from(columns)))
            .collect()
    };
    let (first, second) = sections.split_at(if two { 2 } else { 4 });
    let (mut left, right) = (build(first), build(second));
    for key in ["help-groups", "help-layouts", "help-reader"] {
        let note = theme.glyphs(&crate::text::one_line(&model.texts.get(key)));
        let rows = wrap::wrapped(&note, usize::from(columns)).into_iter();
        left.extend(rows.map(|row| Line::styled(row.to_owned(), theme.faint())));
    }
    // Both columns scroll together, so they are made equally long.
    let (mut left, mut right) = (left, right);
    let rows = left.len().max(right.len());
    left.resize(rows, Line::default());
    right.resize(rows, Line::default());
    paint::lines(frame, Rect { width: columns, ..area }, &left, scrolled);
    if two {
        paint::lines(frame, paint::indent(area, columns + 2), &right, scrolled);
    }
}

fn section(model: &Model, title: &str, bindings: &[Binding], cells: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let mut out = vec![Line::styled(model.texts.get(title), theme.accent().patch(theme.strong()))];
    let plain_key = |key: &str| match key {
        "↑" if theme.plain => "Up".to_owned(),
        key => key.to_owned(),
    };
    let room = bindings.iter().map(|(key, _)| width::width(&plain_key(key))).max().unwrap_or(0);
    for (key, sentence) in bindings {
        let sentence = theme.glyphs(&model.texts.get(sentence));
        for (number, row) in
            wrap::wrapped(&sentence, cells.saturating_sub(room + 2).max(1)).into_iter().enumerate()
        {
            let key = if number == 0 { plain_key(key) } else { String::new() };
            let key = Span::styled(format!("{}  ", width::pad(&key, room, theme.plain)), theme.strong());
            out.push(Line::from(vec![key, Span::styled(row.to_owned(), Style::new())]));
        }
    }
    out.push(Line::default());
    out
}
