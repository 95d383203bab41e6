//! Draws the model: a pure function of it, laid out anew for every size.

mod add;
mod address;
#[cfg(test)]
mod anything;
pub mod areas;
mod ask;
pub mod bars;
mod channel;
pub mod chats;
mod conversation;
mod details;
mod doctor;
mod find;
mod group;
mod help;
mod info;
pub mod invite;
pub mod list;
mod lock;
mod menu;
pub mod message;
mod paint;
mod search;
mod settings;
#[cfg(test)]
mod snapshots;
pub mod strangers;
mod wifi;
pub mod wizard;

use ratatui::Frame;

use crate::app::{Focus, Model, Overlay, Screen, Talk};

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
        (Screen::Lock(closed), _) => lock::draw(model, closed, frame, areas.body),
        (Screen::Main, Some(Overlay::Search(found))) => search::draw(model, found, frame, areas.body),
        (Screen::Main, Some(Overlay::Menu(chosen))) => menu::draw(model, *chosen, frame, areas.body),
        (Screen::Main, Some(Overlay::React(_, chosen))) => menu::signs(model, *chosen, frame, areas.body),
        (Screen::Main, Some(Overlay::Delete(_))) => menu::sure(model, frame, areas.body),
        (Screen::Main, Some(Overlay::Strangers(chosen))) => {
            strangers::draw(model, *chosen, frame, areas.body)
        }
        (Screen::Main, Some(Overlay::Address(open))) => address::draw(model, open, frame, areas.body),
        (Screen::Main, Some(Overlay::Wifi(open))) => wifi::draw(model, open, frame, areas.body),
        (Screen::Main, Some(Overlay::Gather(open))) => group::gather(model, open, frame, areas.body),
        (Screen::Main, Some(Overlay::Group(open))) => group::draw(model, open, frame, areas.body),
        (Screen::Main, Some(Overlay::Channel(open))) => channel::draw(model, open, frame, areas.body),
        (Screen::Main, Some(Overlay::NewChannel(open))) => channel::new(model, open, frame, areas.body),
        (Screen::Main, Some(Overlay::Attach(open))) => ask::file(model, open, frame, areas.body),
        (Screen::Main, Some(Overlay::Wipe(open))) => ask::wipe(model, open, frame, areas.body),
        (Screen::Main, Some(Overlay::Details(about))) => details::draw(model, about, frame, areas.body),
        (Screen::Main, Some(Overlay::Settings(open))) => settings::draw(model, open, frame, areas.body),
        (Screen::Main, Some(Overlay::Doctor(open))) => doctor::draw(model, open, frame, areas.body),
        (Screen::Main, Some(Overlay::Find(query))) => find::draw(model, query, frame, areas.body),
        (Screen::Main, Some(Overlay::Add(form))) => add::draw(model, form, frame, areas.body),
        (Screen::Main, Some(Overlay::Invite(own))) => invite::draw(model, own, frame, areas.body),
        (Screen::Main, Some(Overlay::Info(message))) => info::draw(model, message, frame, areas.body),
        (Screen::Main, Some(Overlay::Help(scrolled))) => help::draw(model, *scrolled, frame, areas.body),
        (Screen::Main, None) => {
            chats::draw(model, frame, areas.list, model.focus == Focus::List);
            for row in areas.divider.rows().chain(areas.second_divider.rows()) {
                paint::text(frame, row, 0, model.theme.divider(), model.theme.faint());
            }
            if let Some(chat) = &model.chat {
                let area = paint::indent(areas.details, 1);
                match chat.talk {
                    Talk::Person(contact) => details::about(model, contact, None, frame, area),
                    Talk::Group(number) => group::about(model, number, frame, area),
                    Talk::Channel(number) => channel::about(model, number, frame, area),
                }
            }
            conversation::draw(model, frame, &areas);
        }
    }
    bars::bottom(model, frame, &areas);
}
