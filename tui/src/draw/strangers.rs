//! Who asks: a list, and below it what the chosen one wrote.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::{list, paint};
use crate::app::Model;
use crate::text::{lines, one_line, width, wrap};

/// Rows of the list when the window has `height`.
#[must_use]
pub fn rows(model: &Model, height: u16) -> u16 {
    let most = (height / 2).max(1);
    u16::try_from(model.strangers.len()).unwrap_or(most).clamp(1, most)
}

/// Draws it. All of it is foreign text: cleaned, and each line of it marked as theirs.
pub(super) fn draw(model: &Model, chosen: usize, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    if model.strangers.is_empty() {
        paint::paragraph(frame, area, 1, &theme.glyphs(&texts.get("requests-empty")), Style::new());
        return;
    }
    let chosen = chosen.min(model.strangers.len().saturating_sub(1));
    let name = |name: &str| {
        let clean = one_line(name).trim().to_owned();
        if width::width(&clean) == 0 { texts.get("request-unnamed") } else { clean }
    };
    let above = Rect { height: rows(model, area.height).min(area.height), ..area };
    let entries: Vec<(String, Style)> = model
        .strangers
        .iter()
        .map(|stranger| {
            let begins = one_line(stranger.text.lines().next().unwrap_or_default());
            (theme.glyphs(&format!("{} · {begins}", name(&stranger.name))), Style::new())
        })
        .collect();
    list::draw(frame, above, &entries, chosen, true, theme);
    let Some(stranger) = model.strangers.get(chosen) else { return };
    let below = Rect { y: area.y + above.height, height: area.height - above.height, ..area };
    let mut out = vec![Line::default(), Line::styled(name(&stranger.name), theme.strong())];
    let time = model.zone.clock(&stranger.at).into_owned();
    out.push(Line::styled(one_line(&time), theme.faint()));
    for line in lines(&stranger.text).iter().filter(|_| !stranger.text.is_empty()) {
        for part in wrap::wrapped(line, usize::from(area.width.saturating_sub(2)).max(1)) {
            out.push(Line::raw(format!("| {part}")));
        }
    }
    paint::lines(frame, below, &out, 0);
}
