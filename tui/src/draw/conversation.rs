//! The open conversation: who, messages from the bottom up, the composer.

use karvon_node::api::Meeting;
use karvon_node::api::channels::Channel;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::areas::{Areas, composer_cells, held_reason};
use super::{message, paint};
use crate::app::{About, Chat, Focus, Model, Talk};
use crate::text::width;

/// Draws the conversation into its areas.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, areas: &Areas) {
    let Some(chat) = &model.chat else {
        if !areas.messages.is_empty() && !model.list.is_empty() {
            let area = paint::indent(areas.messages, 1);
            paint::paragraph(
                frame,
                area,
                1,
                &model.theme.glyphs(&model.texts.get("chat-none")),
                model.theme.faint(),
            );
        }
        return;
    };
    header(model, chat, frame, areas.header);
    if let Some(reason) = held_reason(model, chat.talk) {
        paint::paragraph(frame, areas.banner, 0, &reason, model.theme.warn());
    }
    messages(model, chat, frame, areas.messages);
    composer(model, chat, frame, areas);
}

fn header(model: &Model, chat: &Chat, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let mut line = Line::from(vec![Span::styled(model.talk_name(chat.talk), theme.strong())]);
    let mut words: Vec<String> = match chat.talk {
        Talk::Person(_) => Vec::new(),
        Talk::Group(number) => {
            model.group(number).map(|group| super::group::about_line(model, group)).into_iter().collect()
        }
        Talk::Channel(number) => {
            model.channel(number).map(|one| channel_line(model, one)).into_iter().collect()
        }
    };
    if let Some(contact) = chat.talk.person().and_then(|number| model.contact(number)) {
        let state = match contact.meeting {
            _ if model.typing.is_some_and(|(typing, _)| typing == contact.contact) => Some("typing"),
            _ if contact.blocked => Some("blocked"),
            Meeting::LookingUp => Some("meeting-looking-up"),
            Meeting::Greeting => Some("meeting-greeting"),
            Meeting::Asking => Some("meeting-asking"),
            Meeting::Waiting => Some("meeting-waiting"),
            Meeting::Failed(_) => Some("meeting-failed"),
            Meeting::Connected if contact.verified => Some("verified"),
            Meeting::Connected => None,
        };
        words.extend(state.map(|key| texts.get(key)));
        if contact.timer_s > 0 {
            let time = super::details::span(model, contact.timer_s);
            words.push(texts.with("disappears", &[("time", time.into())]));
        }
    }
    for word in words {
        line.push_span(Span::styled(theme.glyphs(&format!(" · {word}")), theme.faint()));
    }
    paint::line(frame, area, &line);
}

/// What is under way of an own channel; of others, who writes there.
fn channel_line(model: &Model, channel: &Channel) -> String {
    match (channel.mine, channel.under_way) {
        (false, _) => model.texts.get("channel-read-only"),
        (true, 0) => model.texts.get("channel-mine"),
        (true, n) => model.texts.with("channel-under-way", &[("n", n.into())]),
    }
}

/// From the bottom message upwards, until the area is full: what is not seen is not laid out.
fn messages(model: &Model, chat: &Chat, frame: &mut Frame<'_>, area: Rect) {
    if area.is_empty() {
        return;
    }
    let Some((bottom, hidden)) = chat.bottom() else {
        let key = if chat.loaded { "chat-empty" } else { "chat-loading" };
        paint::paragraph(frame, area, 1, &model.theme.glyphs(&model.texts.get(key)), model.theme.faint());
        return;
    };
    let mut left = usize::from(area.height);
    let mut skip = hidden;
    for index in (0..=bottom).rev() {
        let rows = message::rows(model, index, usize::from(area.width));
        let visible = rows.len().saturating_sub(skip);
        skip = skip.saturating_sub(rows.len());
        for row in rows.iter().take(visible).rev() {
            if left == 0 {
                return;
            }
            left -= 1;
            paint::line(frame, paint::row(area, left), row);
        }
    }
}

/// What the rule above the composer says while nothing special is written.
fn standing(model: &Model, chat: &Chat) -> String {
    if model.outgoing.is_empty() {
        if chat.at_end() { String::new() } else { model.texts.get("newer-below") }
    } else {
        model.texts.with("waiting", &[("n", model.outgoing.len().into())])
    }
}

fn composer(model: &Model, chat: &Chat, frame: &mut Frame<'_>, areas: &Areas) {
    let (theme, texts) = (model.theme, &model.texts);
    let words = match &chat.about {
        About::Reply(_, text) => texts.with("replying", &[("text", text.clone().into())]),
        About::Edit(_) => texts.get("editing"),
        About::Nothing => standing(model, chat),
    };
    let closed = model.read_only(chat.talk).filter(|_| words.is_empty());
    let words = closed.map_or(words, |key| texts.get(key));
    paint::line(
        frame,
        areas.rule,
        &message::rule(model, &theme.glyphs(&words), usize::from(areas.rule.width)),
    );
    let area = areas.composer;
    if area.is_empty() {
        return;
    }
    let cells = composer_cells(area);
    let rows = chat.composer.rows(cells);
    let (row, column) = chat.composer.place(cells);
    let height = usize::from(area.height);
    let first = (row + 1).saturating_sub(height);
    paint::text(frame, area, 0, ">", theme.accent());
    let field = paint::indent(area, 2);
    for (number, range) in rows.into_iter().skip(first).take(height).enumerate() {
        let text = chat.composer.text().get(range).unwrap_or_default();
        paint::text(frame, paint::row(field, number), 0, &width::clamp_marks(text), Style::new());
    }
    if model.focus == Focus::Chat && chat.selected.is_none() {
        paint::cursor(frame, field, column, row - first);
    }
}
