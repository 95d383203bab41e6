//! An own invitation, or a link to a channel or group: a square to photograph where it fits, and the line itself.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use super::paint;
use crate::app::overlay::Invite;
use crate::app::{Model, TWO_PANES, Talk};
use crate::qr;
use crate::text::{width, wrap};

/// Where the square stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// There is no room for it.
    Nowhere,
    /// Beside the line.
    Beside,
    /// Alone: line and square take turns.
    Alone,
    /// The line has its turn.
    Hidden,
}

/// Where the square of this invitation stands in an area.
#[must_use]
pub fn place(model: &Model, invite: &Invite, area: Rect) -> Place {
    let rows = invite.text.as_deref().filter(|_| !model.theme.plain).and_then(|text| qr::rows(text, false));
    let columns = rows.as_ref().and_then(|rows| rows.first()).map_or(0, |row| width::width(row));
    let fits =
        |rows: Vec<String>| rows.len() <= usize::from(area.height) && columns <= usize::from(area.width);
    match rows.is_some_and(fits) {
        false => Place::Nowhere,
        true if area.width >= TWO_PANES => Place::Beside,
        true if invite.line => Place::Hidden,
        true => Place::Alone,
    }
}

/// Draws the invitation.
pub(super) fn draw(model: &Model, invite: &Invite, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    if let Some(problem) = &invite.problem {
        paint::paragraph(frame, area, 1, &format!("! {}", theme.glyphs(problem)), theme.warn());
        return;
    }
    let Some(text) = &invite.text else {
        paint::paragraph(frame, area, 1, &theme.glyphs(&texts.get("invite-making")), theme.faint());
        return;
    };
    let place = place(model, invite, area);
    let shown = matches!(place, Place::Beside | Place::Alone);
    let square = qr::rows(text, invite.inverted).filter(|_| shown);
    let mut side = area;
    if let Some(rows) = &square {
        let style = if theme.color { Style::new().fg(Color::White).bg(Color::Black) } else { Style::new() };
        for (number, row) in rows.iter().enumerate() {
            paint::text(frame, paint::row(area, number), 0, row, style);
        }
        let columns = rows.first().map_or(0, |row| width::width(row));
        if place == Place::Alone {
            return;
        }
        side = paint::indent(area, u16::try_from(columns + 2).unwrap_or(area.width));
    }
    let (say, note) = match invite.to {
        Some(Talk::Group(_)) => ("invite-say-line", Some("group-say-note")),
        Some(_) => ("channel-say-line", Some("channel-say-note")),
        None => ("invite-say-line", None),
    };
    let say = if square.is_some() { "invite-say" } else { say };
    let mut row = paint::paragraph(frame, side, 0, &texts.get(say), Style::new()) + 1;
    for part in wrap::wrapped(text, usize::from(side.width)) {
        paint::text(frame, paint::row(side, row), 0, part, theme.strong());
        row += 1;
    }
    if let Some(note) = note {
        paint::paragraph(frame, side, row + 1, &theme.glyphs(&texts.get(note)), theme.faint());
        return;
    }
    let date = model
        .zone
        .local(&invite.expires)
        .map(|local| format!("{}, {}", super::message::date(model, &local), local.clock()));
    if let Some(date) = date {
        row = paint::paragraph(
            frame,
            side,
            row + 1,
            &texts.with("invite-once", &[("date", date.into())]),
            Style::new(),
        );
    }
    if invite.behind {
        let warning = crate::text::one_line(&texts.get("invite-behind"));
        row = paint::paragraph(frame, side, row + 1, &format!("! {}", theme.glyphs(&warning)), theme.warn());
    }
    paint::paragraph(frame, side, row + 1, &texts.get("invite-unverified"), theme.faint());
}
