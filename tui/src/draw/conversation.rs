//! The open conversation: who, messages from the bottom up, the composer.

use karvon_node::api::Meeting;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::areas::{Areas, composer_cells, held_reason};
use super::{message, paint};
use crate::app::{About, Chat, Focus, Model, chat::View};
use crate::text::width;

/// Draws the conversation into its areas.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, areas: &Areas) {
    let Some(chat) = &model.chat else {
        if !areas.messages.is_empty() && !model.contacts.is_empty() {
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
    if let Some(reason) = held_reason(model, chat.contact) {
        paint::paragraph(frame, areas.banner, 0, &reason, model.theme.warn());
    }
    messages(model, chat, frame, areas.messages);
    composer(model, chat, frame, areas);
}

fn header(model: &Model, chat: &Chat, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let mut line = Line::from(vec![Span::styled(model.contact_name(chat.contact), theme.strong())]);
    if let Some(contact) = model.contact(chat.contact) {
        let state = match contact.meeting {
            _ if model.typing.is_some_and(|(typing, _)| typing == chat.contact) => Some("typing"),
            _ if contact.blocked => Some("blocked"),
            Meeting::LookingUp => Some("meeting-looking-up"),
            Meeting::Greeting => Some("meeting-greeting"),
            Meeting::Failed(_) => Some("meeting-failed"),
            Meeting::Connected if contact.verified => Some("verified"),
            Meeting::Connected => None,
        };
        let mut words: Vec<String> = state.map(|key| texts.get(key)).into_iter().collect();
        if contact.timer_s > 0 {
            let time = super::details::span(model, contact.timer_s);
            words.push(texts.with("disappears", &[("time", time.into())]));
        }
        for word in words {
            line.push_span(Span::styled(theme.glyphs(&format!(" · {word}")), theme.faint()));
        }
    }
    paint::line(frame, area, &line);
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
        if chat.view == View::Bottom && !chat.newer { String::new() } else { model.texts.get("newer-below") }
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
