//! What a search in all messages found: where, when, and the words around it.

use karvon_node::api::fold::fold;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{list, paint};
use crate::app::search::{Found, Search};
use crate::app::{Model, Talk};
use crate::text::{edit::Editor, name, one_line, width};

/// Columns of the place's name.
const NAME: usize = 10;
/// Columns shown before the found word.
const BEFORE: usize = 10;

/// Draws the field of a query and returns the place below it.
pub(super) fn query(model: &Model, query: &Editor, frame: &mut Frame<'_>, area: Rect) -> Rect {
    let theme = model.theme;
    paint::text(frame, area, 0, ">", theme.accent());
    let field = paint::indent(paint::row(area, 0), 2);
    paint::field(frame, field, query, true, false, theme);
    Rect { y: area.y.saturating_add(2), height: area.height.saturating_sub(2), ..area }
}

/// Draws the search.
pub(super) fn draw(model: &Model, search: &Search, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let below = query(model, &search.query, frame, area);
    let note = if search.query.is_blank() {
        Some("search-start")
    } else if search.busy() && search.found.is_empty() {
        Some("search-busy")
    } else if search.found.is_empty() {
        Some("search-none")
    } else {
        None
    };
    if let Some(key) = note {
        paint::paragraph(frame, below, 0, &theme.glyphs(&texts.get(key)), theme.faint());
        return;
    }
    let mut place = below;
    if search.more {
        place.height = place.height.saturating_sub(1);
        let last = paint::row(below, usize::from(place.height));
        paint::text(frame, last, 0, &theme.glyphs(&texts.get("search-more")), theme.faint());
    }
    let cells = usize::from(place.width).saturating_sub(2);
    let words: Vec<String> = search.query.text().split_whitespace().map(fold).collect();
    let chosen = search.chosen.min(search.found.len().saturating_sub(1));
    let top = list::first(chosen, usize::from(place.height));
    // Only the rows that are seen are made.
    let rows: Vec<(String, Style)> = search
        .found
        .iter()
        .enumerate()
        .map(|(number, found)| {
            let seen = number >= top && number < top + usize::from(place.height);
            (if seen { row(model, found, &words, cells) } else { String::new() }, Style::new())
        })
        .collect();
    list::draw(frame, place, &rows, chosen, false, theme);
}

/// `Name  22.11 14:05  …words around…`; who says it stands before the words unless the place's name tells.
fn row(model: &Model, found: &Found, words: &[String], cells: usize) -> String {
    let (plain, message) = (model.theme.plain, &found.message);
    let place = width::pad(&model.talk_name(found.talk), NAME, plain);
    let when = model.zone.local(&message.sent_at).map_or_else(
        || "--:--".to_owned(),
        |local| format!("{:02}.{:02} {}", local.day, local.month, local.clock()),
    );
    let mut text = one_line(message.text.as_deref().unwrap_or_default());
    let told = match found.talk {
        Talk::Person(_) => !message.mine,
        Talk::Group(_) => false,
        Talk::Channel(_) => true,
    };
    if !told {
        text = format!("{}: {text}", name(&message.from, message.contact));
    }
    let head = format!("{place} {when}  ");
    let room = cells.saturating_sub(width::width(&head));
    format!("{head}{}", around(&text, words, room, plain))
}

/// The part of a text in which the first word is found.
fn around(text: &str, words: &[String], room: usize, plain: bool) -> String {
    if width::width(text) <= room {
        return text.to_owned();
    }
    let at = words.first().and_then(|word| {
        let letters = word.chars().count() * 2 + 4;
        text.char_indices().map(|(at, _)| at).find(|at| {
            let start: String = text.get(*at..).unwrap_or_default().chars().take(letters).collect();
            fold(&start).starts_with(word.as_str())
        })
    });
    let before = at.and_then(|at| text.get(..at)).unwrap_or_default();
    if width::width(before) + BEFORE < room {
        return width::fit(text, room, plain);
    }
    let skip = unicode_segmentation::UnicodeSegmentation::graphemes(before, true).rev().take(BEFORE);
    let start = before.len() - skip.map(str::len).sum::<usize>();
    let sign = if plain { "~" } else { "…" };
    width::fit(&format!("{sign}{}", text.get(start..).unwrap_or_default()), room, plain)
}

#[cfg(test)]
mod tests {
    use super::around;
    use crate::text::width::width;

    #[test]
    fn the_found_word_is_in_the_part_that_is_shown() {
        let text = format!("{} Пулро гирифтам, раҳмат", "сухани дароз ".repeat(20));
        for room in [20, 30, 50] {
            let part = around(&text, &["рахмат".to_owned()], room, false);
            assert!(part.contains("раҳмат") && width(&part) <= room, "{part}");
        }
        assert_eq!(around("кӯтоҳ", &["кутох".to_owned()], 10, false), "кӯтоҳ");
    }
}
