//! The first start, one step a screen.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::paint;
use crate::app::Model;
use crate::app::wizard::{Step, Way, Wizard};
use crate::lang::{Lang, Texts};
use crate::text::edit::Editor;

/// Letters and signs that must look right.
const DISPLAY_TEST: &str = "ӣ қ ғ ҳ ҷ ӯ  ў  ө ү ң  ә і ұ һ  │ ▀▄█ ✓ ! ↑ ·";

/// Draws the step.
pub(super) fn draw(model: &Model, wizard: &Wizard, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let steps = ["wizard-step-language", "wizard-step-name", "wizard-step-lock", "wizard-step-connect"];
    let arrow = if theme.plain { " > " } else { " → " };
    let path: Vec<_> =
        steps.iter().enumerate().map(|(number, key)| format!("{} {}", number + 1, texts.get(key))).collect();
    let row = paint::paragraph(frame, area, 0, &path.join(arrow), theme.faint()) + 1;
    let row = match wizard.step {
        Step::Language => language(model, wizard, frame, area, row),
        Step::Name => {
            let row = paint::paragraph(frame, area, row, &texts.get("wizard-name"), theme.strong());
            field(model, frame, area, row, &wizard.name, true, false)
        }
        Step::Lock => lock(model, wizard, frame, area, row),
        Step::Connect => connect(model, wizard, frame, area, row),
    };
    if let Some(problem) = wizard.problem {
        paint::paragraph(frame, area, row + 1, &format!("! {}", texts.get(problem)), theme.warn());
    }
}

/// Rows of the grid of languages, which is filled column by column.
#[must_use]
pub fn language_rows(columns: u16) -> usize {
    Lang::ALL.len().div_ceil(usize::from(columns / 20).clamp(1, 4))
}

/// A choice: `(•) words`.
fn choice(model: &Model, frame: &mut Frame<'_>, area: Rect, row: usize, chosen: bool, words: &str) -> usize {
    let theme = model.theme;
    let sign = match (chosen, theme.plain) {
        (true, true) => "(*) ",
        (true, false) => "(•) ",
        (false, _) => "( ) ",
    };
    let style = if chosen { theme.strong() } else { Style::new() };
    paint::text(frame, paint::row(area, row), 0, sign, style);
    paint::paragraph(frame, paint::indent(area, 4), row, words, style)
}

fn field(
    model: &Model,
    frame: &mut Frame<'_>,
    area: Rect,
    row: usize,
    editor: &Editor,
    focused: bool,
    hidden: bool,
) -> usize {
    let line = paint::row(area, row);
    paint::text(frame, line, 0, if focused { "> " } else { "  " }, model.theme.accent());
    let inside = paint::indent(line, 2);
    paint::field(frame, Rect { width: inside.width.min(60), ..inside }, editor, focused, hidden, model.theme);
    row + 1
}

fn language(model: &Model, wizard: &Wizard, frame: &mut Frame<'_>, area: Rect, mut row: usize) -> usize {
    let (theme, texts) = (model.theme, &model.texts);
    row = paint::paragraph(frame, area, row, "Забон / Til / Тил / Тіл / Язык / Language", theme.faint());
    let rows = language_rows(area.width);
    let columns = Lang::ALL.len().div_ceil(rows);
    let wide = area.width / u16::try_from(columns).unwrap_or(1).max(1);
    let mut unreviewed = false;
    for (number, lang) in Lang::ALL.into_iter().enumerate() {
        let reviewed = Texts::new(lang).reviewed();
        unreviewed |= !reviewed;
        let column = u16::try_from(number / rows).unwrap_or(0) * wide;
        let place =
            Rect { width: wide.min(area.width - column.min(area.width)), ..paint::indent(area, column) };
        let star = if reviewed { "" } else { " *" };
        choice(
            model,
            frame,
            place,
            row + number % rows,
            wizard.lang == lang,
            &format!("{}{star}", lang.name()),
        );
    }
    row += rows;
    if unreviewed {
        let note = format!("* {}", texts.get("language-unreviewed"));
        row = paint::paragraph(frame, area, row, &note, theme.faint());
    }
    row = paint::paragraph(frame, area, row + 1, &texts.get("wizard-display"), Style::new());
    row = paint::paragraph(frame, area, row, DISPLAY_TEST, theme.strong());
    let half = Rect { width: area.width / 2, ..area };
    let other = paint::indent(area, half.width);
    let end = choice(model, frame, half, row, !theme.plain, &texts.get("wizard-unicode"));
    row = choice(model, frame, other, row, theme.plain, &texts.get("wizard-plain")).max(end);
    paint::paragraph(frame, area, row, &texts.get("wizard-unaudited"), theme.warn())
}

fn lock(model: &Model, wizard: &Wizard, frame: &mut Frame<'_>, area: Rect, mut row: usize) -> usize {
    let (theme, texts) = (model.theme, &model.texts);
    row = paint::paragraph(frame, area, row, &texts.get("wizard-lock"), theme.strong());
    row = choice(model, frame, area, row, wizard.locked, &texts.get("wizard-lock-passphrase"));
    row = choice(model, frame, area, row, !wizard.locked, &texts.get("wizard-lock-none"));
    if !wizard.locked {
        return row;
    }
    row += 1;
    for (number, key) in [(0, "wizard-passphrase"), (1, "wizard-passphrase-again")] {
        row = paint::paragraph(frame, area, row, &texts.get(key), Style::new());
        if let Some(editor) = wizard.passphrase.get(number) {
            row = field(model, frame, area, row, editor, wizard.field == number + 1, true);
        }
    }
    paint::paragraph(frame, area, row + 1, &texts.get("wizard-passphrase-note"), theme.faint())
}

fn connect(model: &Model, wizard: &Wizard, frame: &mut Frame<'_>, area: Rect, mut row: usize) -> usize {
    let (theme, texts) = (model.theme, &model.texts);
    row = paint::paragraph(frame, area, row, &texts.get("wizard-connect"), theme.strong());
    row = choice(model, frame, area, row, wizard.way == Way::Paste, &texts.get("wizard-paste"));
    if wizard.way == Way::Paste {
        row = field(model, frame, area, row, &wizard.line, true, false);
    }
    row = choice(model, frame, area, row, wizard.way == Way::Demo, &texts.get("wizard-demo"));
    row = choice(model, frame, area, row, wizard.way == Way::Later, &texts.get("wizard-later"));
    if wizard.way == Way::Later {
        row = paint::paragraph(frame, area, row + 1, &texts.get("wizard-later-note"), theme.faint());
    }
    row
}
