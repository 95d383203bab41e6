//! Contacts on the same Wi-Fi: networks, whether contacts are looked for there, and who is there.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{list, paint};
use crate::app::Model;
use crate::app::wifi::Wifi;
use crate::text::one_line;

/// Draws it.
pub(super) fn draw(model: &Model, open: &Wifi, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let sentence = |key: &str| theme.glyphs(&one_line(&texts.get(key)));
    let Some(here) = &open.here else { return };
    let rows: Vec<(String, Style)> = here
        .networks
        .iter()
        .map(|network| {
            let word = texts.get(if network.accepted { "value-on" } else { "value-off" });
            let style = if network.accepted { theme.good() } else { Style::new() };
            let line = format!("{}  {}  {word}", one_line(&network.range), one_line(&network.name));
            (theme.glyphs(&line), style)
        })
        .collect();
    let height = u16::try_from(rows.len()).unwrap_or(u16::MAX).min(area.height);
    list::draw(frame, Rect { height, ..area }, &rows, open.chosen, true, theme);
    let mut row = usize::from(height);
    if rows.is_empty() {
        row = paint::paragraph(frame, area, row, &sentence("wifi-none"), theme.faint());
    }
    row += 1;
    if let Some(problem) = &open.problem {
        row = paint::paragraph(frame, area, row, &format!("! {}", theme.glyphs(problem)), theme.warn()) + 1;
    }
    if !here.near.is_empty() {
        let named = model.contacts.iter().filter(|contact| here.near.contains(&contact.contact));
        let names: Vec<String> = named.map(|contact| one_line(&contact.name).to_string()).collect();
        let line = texts.with("wifi-near", &[("names", names.join(", ").into())]);
        row = paint::paragraph(frame, area, row, &theme.glyphs(&one_line(&line)), theme.good()) + 1;
    }
    row = paint::paragraph(frame, area, row, &sentence("wifi-say"), Style::new());
    row = paint::paragraph(frame, area, row, &sentence("wifi-carry"), Style::new());
    paint::paragraph(frame, area, row, &sentence("wifi-note"), theme.faint());
}
