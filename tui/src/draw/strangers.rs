//! Who asks: a list, and below it what the chosen one wrote.

use karvon_node::api::groups::Group;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::{list, paint};
use crate::app::strangers::{Asking, asking};
use crate::app::{Model, Talk};
use crate::text::{lines, one_line, width, wrap};

/// Rows of the list when the window has `height`.
#[must_use]
pub fn rows(model: &Model, height: u16) -> u16 {
    let most = (height / 2).max(1);
    u16::try_from(asking(model).len()).unwrap_or(most).clamp(1, most)
}

/// The sentence of an invitation into a group.
fn invites(model: &Model, group: &Group) -> String {
    let by = group.invited_by.map(|contact| model.contact_name(contact)).unwrap_or_default();
    let name = model.talk_name(Talk::Group(group.group));
    let values = [("name", by.into()), ("group", name.into()), ("n", group.members.into())];
    one_line(&model.texts.with("group-invites", &values))
}

/// Draws it. All of it is foreign text: cleaned, and each line of it marked as theirs.
pub(super) fn draw(model: &Model, chosen: usize, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let all = asking(model);
    if all.is_empty() {
        paint::paragraph(frame, area, 1, &theme.glyphs(&texts.get("requests-empty")), Style::new());
        return;
    }
    let chosen = chosen.min(all.len().saturating_sub(1));
    let name = |name: &str| {
        let clean = one_line(name).trim().to_owned();
        if width::width(&clean) == 0 { texts.get("request-unnamed") } else { clean }
    };
    let above = Rect { height: rows(model, area.height).min(area.height), ..area };
    let entries: Vec<(String, Style)> = all
        .iter()
        .map(|one| {
            let words = match one {
                Asking::Stranger(stranger) => {
                    let begins = one_line(stranger.text.lines().next().unwrap_or_default());
                    format!("{} · {begins}", name(&stranger.name))
                }
                Asking::Group(group) => invites(model, group),
            };
            (theme.glyphs(&words), Style::new())
        })
        .collect();
    list::draw(frame, above, &entries, chosen, true, theme);
    let below = Rect { y: area.y + above.height, height: area.height - above.height, ..area };
    let cells = usize::from(area.width);
    let mut out = vec![Line::default()];
    match all.get(chosen) {
        Some(Asking::Stranger(stranger)) => {
            out.push(Line::styled(name(&stranger.name), theme.strong()));
            let time = model.zone.clock(&stranger.at).into_owned();
            out.push(Line::styled(one_line(&time), theme.faint()));
            for line in lines(&stranger.text).iter().filter(|_| !stranger.text.is_empty()) {
                for part in wrap::wrapped(line, cells.saturating_sub(2).max(1)) {
                    out.push(Line::raw(format!("| {part}")));
                }
            }
        }
        Some(Asking::Group(group)) => {
            let sentences = [invites(model, group), one_line(&texts.get("group-invites-note"))];
            for (sentence, style) in sentences.iter().zip([theme.strong(), theme.faint()]) {
                let words = theme.glyphs(sentence);
                let rows = wrap::wrapped(&words, cells).into_iter();
                out.extend(rows.map(|row| Line::styled(row.to_owned(), style)));
            }
        }
        None => {}
    }
    paint::lines(frame, below, &out, 0);
}
