//! A list of rows of which one is chosen, as all windows draw it.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::paint;
use crate::app::{Model, Overlay};
use crate::text::{width, wrap};
use crate::theme::Theme;

/// Index of the row at the top, so that the chosen one is seen.
#[must_use]
pub fn first(chosen: usize, height: usize) -> usize {
    (chosen + 1).saturating_sub(height.max(1))
}

/// Rows between the top of the open window and its list.
#[must_use]
pub fn rows_above(model: &Model) -> usize {
    match model.overlays.last() {
        Some(Overlay::Find(_) | Overlay::Search(_) | Overlay::Settings(_) | Overlay::Attach(_)) => 2,
        Some(Overlay::Group(_)) => super::group::ABOVE,
        Some(Overlay::Gather(gather)) if gather.group.is_none() => super::group::GATHER_ABOVE.0,
        Some(Overlay::Gather(_)) => super::group::GATHER_ABOVE.1,
        _ => 0,
    }
}

/// Rows between the list of the open window and the bottom lines.
#[must_use]
pub fn rows_below(model: &Model) -> usize {
    match model.overlays.last() {
        Some(Overlay::Search(search)) => usize::from(search.more),
        Some(Overlay::Strangers(_)) => {
            let height = super::areas::areas(model).body.height;
            usize::from(height - super::strangers::rows(model, height).min(height))
        }
        Some(Overlay::Attach(attach)) => {
            wrap::wrapped(&super::ask::note(model, attach), usize::from(model.size.0)).len()
        }
        _ => 0,
    }
}

/// Draws the rows that fit. The cursor stands on the chosen one, where a screen reader looks for it, unless a field has it.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    rows: &[(String, Style)],
    chosen: usize,
    cursor: bool,
    theme: Theme,
) {
    let chosen = chosen.min(rows.len().saturating_sub(1));
    let top = first(chosen, usize::from(area.height));
    for (number, (text, style)) in rows.iter().enumerate().skip(top).take(usize::from(area.height)) {
        let place = paint::row(area, number - top);
        let (pointer, style) =
            if number == chosen { ("> ", style.patch(theme.chosen())) } else { ("  ", *style) };
        let text = width::pad(&format!("{pointer}{text}"), usize::from(place.width), theme.plain);
        paint::text(frame, place, 0, &text, style);
        if number == chosen && cursor {
            paint::cursor(frame, place, 0, 0);
        }
    }
}
