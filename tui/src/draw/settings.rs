//! The settings: a name and a value each.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{list, paint};
use crate::app::Model;
use crate::app::settings::{Setting, Settings};
use crate::text::width;

/// Draws the settings.
pub(super) fn draw(model: &Model, settings: &Settings, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    paint::text(frame, area, 0, &theme.glyphs(&texts.get("settings-note")), theme.faint());
    let names: Vec<String> = Setting::ALL.iter().map(|setting| texts.get(setting.word())).collect();
    let room = names.iter().map(|name| width::width(name)).max().unwrap_or(0);
    let rows: Vec<(String, Style)> = Setting::ALL
        .iter()
        .zip(&names)
        .map(|(setting, name)| {
            let value = theme.glyphs(&setting.shown(model));
            (format!("{}  {value}", width::pad(name, room, theme.plain)), Style::new())
        })
        .collect();
    let place = Rect { y: area.y.saturating_add(2), height: area.height.saturating_sub(2), ..area };
    list::draw(frame, place, &rows, settings.chosen, true, theme);
}
