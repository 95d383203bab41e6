//! The list of conversations: name, mark or count, time.

use karvon_node::api::State;
use karvon_node::api::groups::Standing;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::paint;
use crate::app::{Model, Talk};
use crate::text::width;

/// Index of the conversation in the list's first row, so that the chosen one is seen.
#[must_use]
pub fn first_row(model: &Model, height: u16) -> usize {
    let chosen = model.chosen_talk();
    let chosen = model.list.iter().position(|talk| Some(*talk) == chosen);
    let height = usize::from(height).max(1);
    chosen.map_or(0, |at| (at + 1).saturating_sub(height))
}

/// Draws the list.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect, focused: bool) {
    if area.is_empty() {
        return;
    }
    if model.list.is_empty() {
        let area = paint::indent(area, 1);
        let area = Rect { width: area.width.saturating_sub(1), ..area };
        let key = if model.state == "no_door" { "list-no-door" } else { "list-empty" };
        paint::paragraph(frame, area, 1, &model.theme.glyphs(&model.texts.get(key)), Style::new());
        return;
    }
    let first = first_row(model, area.height);
    for (number, talk) in model.list.iter().skip(first).take(usize::from(area.height)).enumerate() {
        row(model, frame, paint::row(area, number), *talk, focused);
    }
}

/// Whether a conversation is over or hidden, so that it stands back.
fn faint(model: &Model, talk: Talk) -> bool {
    match talk {
        Talk::Person(number) => model.contact(number).is_some_and(|contact| contact.blocked),
        Talk::Group(number) => model.group(number).is_some_and(|group| group.standing == Standing::Out),
        Talk::Channel(_) => false,
    }
}

fn row(model: &Model, frame: &mut Frame<'_>, area: Rect, talk: Talk, focused: bool) {
    let theme = model.theme;
    let chosen = model.chosen_talk() == Some(talk);
    let open = model.chat.as_ref().is_some_and(|chat| chat.talk == talk);
    let last = model.last.get(&talk);
    let held = match talk {
        Talk::Person(number) => model.held(number),
        Talk::Group(_) => false,
        Talk::Channel(number) => model.channel(number).is_some_and(|channel| channel.forked),
    };
    let mut sign = match last {
        _ if held => "!".to_owned(),
        Some(last) if last.state != State::Received => theme.mark(last.state, model.data_spent()).to_owned(),
        _ => String::new(),
    };
    let unread = model.unread(talk);
    if unread > 0 {
        let count = if unread > 99 { "99+".to_owned() } else { unread.to_string() };
        sign = format!("{}{count}", if held { "!" } else { "" });
    }
    let time = last.map(|last| model.zone.clock(&last.at).into_owned()).unwrap_or_default();
    let right = format!(" {time} {}", width::pad(&sign, 4, theme.plain));
    let cells = usize::from(area.width);
    let room = cells.saturating_sub(2 + width::width(&right));
    let pointer = if chosen || open { "> " } else { "  " };
    let mut name = model.talk_name(talk);
    if let Some(group) = talk.group().and_then(|number| model.group(number)) {
        // How many are in it tells a group from a person of the same name.
        let count = format!(" ({})", group.members);
        name = format!("{}{count}", width::fit(&name, room.saturating_sub(count.len()), theme.plain));
    }
    let text = format!("{pointer}{}{right}", width::pad(&name, room, theme.plain));
    let mut style = match () {
        () if faint(model, talk) => theme.faint(),
        () if unread > 0 => theme.strong(),
        () => Style::new(),
    };
    if chosen && focused {
        style = style.patch(theme.chosen());
    }
    paint::text(frame, area, 0, &width::pad(&text, cells, theme.plain), style);
}
