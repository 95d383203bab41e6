//! What is known about a contact: beside the conversation where there is room; as a window also what may be changed.

use karvon_node::api::{Contact, Meeting};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::{list, paint};
use crate::app::Model;
use crate::app::details::{Details, Row, Step, TIMERS, rows};
use crate::text::wrap;

/// Draws the window: what may be changed, then what is known; or what is being changed.
pub(super) fn draw(model: &Model, details: &Details, frame: &mut Frame<'_>, area: Rect) {
    let Some(known) = model.contact(details.contact) else { return };
    let mut area = area;
    match &details.step {
        Step::Name(name) => {
            let row = paint::paragraph(frame, area, 0, &model.texts.get("details-name"), Style::new());
            paint::text(frame, paint::row(area, row), 0, "> ", model.theme.accent());
            let field = paint::indent(paint::row(area, row), 2);
            paint::field(frame, field, name, true, false, model.theme);
            area = below(area, row + 2);
        }
        Step::Timer(chosen) => {
            let times = TIMERS.iter().map(|seconds| (span(model, *seconds), Style::new()));
            let times: Vec<(String, Style)> = times.collect();
            let used = list_of(model, &times, *chosen, frame, area);
            let note = model.theme.glyphs(&model.texts.get("details-timer-note"));
            paint::paragraph(frame, below(area, used), 0, &note, model.theme.faint());
            return;
        }
        Step::Compare(_) => return compare(model, details, frame, area),
        Step::Rows => {
            let all = rows(known);
            let lines: Vec<(String, Style)> = all
                .iter()
                .map(|row| (line(model, *row, known, details.safety.is_some()), Style::new()))
                .collect();
            let used = list_of(model, &lines, details.chosen, frame, area);
            area = below(area, used);
        }
    }
    about(model, details.contact, details.safety.as_deref(), frame, area);
}

/// Draws a list at the top and returns the rows it takes, with one below it.
pub(super) fn list_of(
    model: &Model,
    rows: &[(String, Style)],
    chosen: usize,
    frame: &mut Frame<'_>,
    area: Rect,
) -> usize {
    let height = u16::try_from(rows.len()).unwrap_or(0).min(area.height);
    list::draw(frame, Rect { height, ..area }, rows, chosen, true, model.theme);
    usize::from(height) + 1
}

/// Draws the number to be compared, in rows that can be read out.
fn compare(model: &Model, details: &Details, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let name = model.contact_name(details.contact);
    let ask = texts.with("compare-how", &[("name", name.into())]);
    let mut row = paint::paragraph(frame, area, 0, &theme.glyphs(&ask), Style::new()) + 1;
    for part in groups(details.safety.as_deref().unwrap_or_default(), 5).chunks(4) {
        paint::text(frame, paint::indent(paint::row(area, row), 2), 0, &part.join("  "), theme.strong());
        row += 1;
    }
    paint::paragraph(frame, area, row + 1, &theme.glyphs(&texts.get("compare-then")), theme.warn());
}

/// Foreign letters in groups of so many.
fn groups(text: &str, many: usize) -> Vec<String> {
    let letters: Vec<char> = crate::text::one_line(text).chars().take(120).collect();
    letters.chunks(many).map(|group| group.iter().collect()).collect()
}

fn below(area: Rect, rows: usize) -> Rect {
    let used = u16::try_from(rows).unwrap_or(area.height).min(area.height);
    Rect { y: area.y + used, height: area.height - used, ..area }
}

fn line(model: &Model, row: Row, known: &Contact, number_shown: bool) -> String {
    let texts = &model.texts;
    let (on, key) = match row {
        Row::Accept => (None, "details-accept"),
        Row::Name => (None, "details-rename"),
        Row::Same => (Some(known.verified), "details-same"),
        Row::Receipts => (Some(known.receipts), "details-receipts"),
        Row::Typing => (Some(known.typing), "details-typing"),
        Row::Timer => (None, "details-timer"),
        Row::Block => (Some(known.blocked), "details-block"),
    };
    let sign = match on {
        _ if matches!(row, Row::Same | Row::Accept) && !number_shown => "    ",
        Some(true) => "[x] ",
        Some(false) => "[ ] ",
        None => "    ",
    };
    let words = match row {
        Row::Timer => format!("{}: {}", texts.get(key), span(model, known.timer_s)),
        _ => texts.get(key),
    };
    model.theme.glyphs(&crate::text::one_line(&format!("{sign}{words}")))
}

/// A span of time for people.
#[must_use]
pub(super) fn span(model: &Model, seconds: u64) -> String {
    let (key, count) = match seconds {
        0 => return model.texts.get("details-never"),
        1..3_600 => ("time-minutes", seconds.div_ceil(60)),
        3_600..86_400 => ("time-hours", seconds / 3_600),
        _ => ("time-days", seconds / 86_400),
    };
    model.texts.with(key, &[("n", count.into())])
}

/// Draws what is known.
pub(super) fn about(model: &Model, contact: u32, number: Option<&str>, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let Some(known) = model.contact(contact) else { return };
    let mut out: Vec<Line<'static>> = Vec::new();
    let mut say = |sentence: &str, style: Style| {
        for part in wrap::wrapped(&theme.glyphs(&crate::text::one_line(sentence)), usize::from(area.width)) {
            out.push(Line::styled(part.to_owned(), style));
        }
    };
    say(&model.contact_name(contact), theme.strong());
    match &known.meeting {
        _ if known.blocked => say(&texts.get("details-block"), theme.warn()),
        Meeting::LookingUp => say(&texts.get("details-looking-up"), Style::new()),
        Meeting::Greeting => say(&texts.get("details-greeting"), Style::new()),
        Meeting::Asking => say(&texts.get("details-asking"), Style::new()),
        Meeting::Waiting => say(&texts.get("details-waiting"), Style::new()),
        Meeting::Failed(code) => say(&format!("! {}", texts.error(code)), theme.warn()),
        Meeting::Connected => say(&texts.get("details-connected"), theme.good()),
    }
    if known.timer_s > 0 {
        say(&texts.with("disappears", &[("time", span(model, known.timer_s).into())]), Style::new());
    }
    say("", Style::new());
    if known.verified {
        say(&texts.get("details-verified"), theme.good());
    } else {
        say(&texts.get("details-unverified"), theme.warn());
    }
    say("", Style::new());
    match number {
        Some(number) => {
            say(&texts.get("details-number"), theme.faint());
            say(&groups(number, 5).join(" "), theme.strong());
        }
        None => {
            say(&texts.get("details-key"), theme.faint());
            say(&groups(&known.fingerprint, 4).join(" "), Style::new());
        }
    }
    paint::lines(frame, area, &out, 0);
}
