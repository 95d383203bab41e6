//! Draws the model: a pure function of it, laid out anew for every size.

mod add;
pub mod areas;
pub mod bars;
pub mod chats;
mod conversation;
mod find;
mod help;
mod info;
mod invite;
pub mod message;
mod paint;
#[cfg(test)]
mod snapshots;
pub mod wizard;

use ratatui::Frame;

use crate::app::{Focus, Model, Overlay, Screen};

/// Smallest terminal in which something useful can be drawn.
const SMALLEST: (u16, u16) = (20, 6);

/// Draws the whole screen.
pub fn draw(model: &Model, frame: &mut Frame<'_>) {
    let whole = frame.area();
    if whole.width < SMALLEST.0 || whole.height < SMALLEST.1 {
        paint::paragraph(frame, whole, 0, &model.texts.get("too-small"), model.theme.strong());
        return;
    }
    let areas = areas::within(model, whole);
    bars::top(model, frame, areas.top);
    match (&model.screen, model.overlays.last()) {
        (Screen::Wizard(steps), _) => wizard::draw(model, steps, frame, areas.body),
        (Screen::Main, Some(Overlay::Find(query))) => find::draw(model, query, frame, areas.body),
        (Screen::Main, Some(Overlay::Add(form))) => add::draw(model, form, frame, areas.body),
        (Screen::Main, Some(Overlay::Invite(own))) => invite::draw(model, own, frame, areas.body),
        (Screen::Main, Some(Overlay::Info(message))) => info::draw(model, message, frame, areas.body),
        (Screen::Main, Some(Overlay::Help(scrolled))) => help::draw(model, *scrolled, frame, areas.body),
        (Screen::Main, None) => {
            chats::draw(model, frame, areas.list, model.focus == Focus::List);
            for row in areas.divider.rows() {
                paint::text(frame, row, 0, model.theme.divider(), model.theme.faint());
            }
            conversation::draw(model, frame, &areas);
        }
    }
    bars::bottom(model, frame, &areas);
}
