//! One message as rows of a conversation.

use karvon_node::api::{Copied, Message, State};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::{areas, paint};
use crate::app::{Chat, Model, Talk};
use crate::text::{self, time::Local, width, wrap};

/// From this width on the author's name stands before each message.
const NAMES_FROM: usize = 50;
const NAME: usize = 10;
const CLOCK: usize = 5;
const MARK: usize = 2;
/// Digits of the key of a channel that is not followed: they tell apart two of the same name.
const KEY_DIGITS: usize = 8;
/// Signs of a message that are shown.
const SIGNS_MAX: usize = 8;

/// Rows the message at this index of the window takes in the model's own size; 0 when there is none.
#[must_use]
pub fn height(model: &Model, index: usize) -> usize {
    rows(model, index, usize::from(areas::areas(model).messages.width)).len()
}

/// The rows of the message at this index of the window, with the date line and the line of new messages before it.
#[must_use]
pub fn rows(model: &Model, index: usize, cells: usize) -> Vec<Line<'static>> {
    let Some(chat) = &model.chat else { return Vec::new() };
    let Some(message) = chat.messages.get(index) else { return Vec::new() };
    let theme = model.theme;
    let mut out = Vec::new();
    let local = model.zone.local(&message.sent_at);
    let before = index.checked_sub(1).and_then(|before| chat.messages.get(before));
    let day_before = before.map(|before| model.zone.local(&before.sent_at).map(|local| local.day_number));
    if let Some(local) = local.filter(|local| day_before != Some(Some(local.day_number))) {
        out.push(separator(&day(model, &local), cells, model, theme.faint()));
    }
    if chat.new_from == Some(message.position) {
        let words = model.texts.with("new-messages", &[("n", chat.unread.into())]);
        out.push(separator(&words, cells, model, theme.warn()));
    }
    let first = out.len();
    let clock = local.map_or_else(|| "--:--".to_owned(), |local| local.clock());
    if cells >= NAMES_FROM {
        wide(model, chat, message, &clock, cells, &mut out)
    } else {
        // In a group who speaks is said where it changes.
        let named = first > 0 || before.is_none_or(|before| before.mine || before.from != message.from);
        narrow(model, chat, message, &clock, cells, named && chat.talk.group().is_some(), &mut out)
    }
    if chat.selected == Some(message.position) {
        for line in out.iter_mut().skip(first) {
            line.style = line.style.add_modifier(Modifier::REVERSED);
        }
    }
    out
}

/// A day as a line of the conversation says it, with its weekday.
fn day(model: &Model, local: &Local) -> String {
    date_in(model, local, "date-line")
}

/// A day within a sentence.
#[must_use]
pub fn date(model: &Model, local: &Local) -> String {
    date_in(model, local, "date")
}

fn date_in(model: &Model, local: &Local, key: &str) -> String {
    let texts = &model.texts;
    let values = [
        ("weekday", texts.get(&format!("weekday-{}", local.weekday)).into()),
        ("day", local.day.into()),
        ("month", texts.get(&format!("month-{}", local.month)).into()),
        ("year", local.year.to_string().into()),
    ];
    texts.with(key, &values)
}

fn separator(words: &str, cells: usize, model: &Model, style: Style) -> Line<'static> {
    let before = cells.saturating_sub(width::width(words) + 2) / 2;
    let sign = model.theme.rule();
    let line = if before == 0 {
        width::fit(words, cells, model.theme.plain)
    } else {
        let start: String = std::iter::repeat_n(sign, before).collect();
        let mut line = format!("{start} {words} ");
        let used = width::width(&line);
        line.extend(std::iter::repeat_n(sign, cells.saturating_sub(used)));
        line
    };
    Line::styled(line, style)
}

/// A row of a message: what it says, and whether it is only about the message.
struct Row {
    text: String,
    aside: bool,
}

/// The message as rows: what it answers, its text, and what became of it.
fn parts(model: &Model, chat: &Chat, message: &Message, cells: usize) -> Vec<Row> {
    let (theme, texts) = (model.theme, &model.texts);
    let mut out = Vec::new();
    let aside = |words: String, out: &mut Vec<Row>| {
        out.push(Row { text: width::fit(&theme.glyphs(&words), cells, theme.plain), aside: true });
    };
    if let Some(id) = &message.reply_to {
        let quoted = chat.messages.iter().find(|other| other.id == *id);
        let words = match quoted {
            Some(other) => {
                let who = text::name(&other.from, other.contact);
                format!("{who}: {}", text::one_line(other.text.as_deref().unwrap_or_default()))
            }
            None => texts.get("message-earlier"),
        };
        aside(format!("> {words}"), &mut out);
    }
    match &message.copied {
        Some(copied) if copied.genuine => {
            // Whole, on a narrow screen as well: the key stands at its end.
            let words = theme.glyphs(&whence(model, copied));
            let rows = wrap::wrapped(&words, cells).into_iter();
            out.extend(rows.map(|row| Row { text: row.to_owned(), aside: true }));
        }
        Some(_) => {}
        None if message.forwarded => aside(texts.get("message-forwarded"), &mut out),
        None => {}
    }
    let (lines, about) = said(model, message);
    for line in &lines {
        let rows = wrap::wrapped(line, cells).into_iter();
        out.extend(rows.map(|row| Row { text: row.to_owned(), aside: about }));
    }
    let mut became: Vec<String> = Vec::new();
    if message.edited && !message.deleted {
        became.push(texts.get("message-edited"));
    }
    for sign in message.reactions.iter().take(SIGNS_MAX) {
        let emoji = text::one_line(&sign.emoji);
        became.push(format!("{} {}", emoji.trim(), text::name(&sign.from, message.contact)));
    }
    if let Some((delivered, of)) = chat.counts.get(&message.position)
        && delivered < of
    {
        became.push(texts.with("group-delivered", &[("n", (*delivered).into()), ("of", (*of).into())]));
    }
    if !became.is_empty() {
        aside(became.join(" · "), &mut out);
    }
    out
}

/// From which channel an entry is that was passed on: its name is believed of those that are followed here, of others its key is told.
fn whence(model: &Model, copied: &Copied) -> String {
    if let Some(number) = copied.followed {
        let name = model.talk_name(Talk::Channel(number));
        return model.texts.with("message-copied", &[("name", name.into())]);
    }
    let key = copied.owner.get(..KEY_DIGITS).unwrap_or_default().to_owned();
    let name = text::one_line(&copied.channel);
    model.texts.with("message-copied-unknown", &[("name", name.into()), ("key", key.into())])
}

/// What a message says as lines, and whether that is only about it: a file, a gap, a change of the timer.
fn said(model: &Model, message: &Message) -> (Vec<String>, bool) {
    let texts = &model.texts;
    let one = |words: String| (vec![model.theme.glyphs(&words)], true);
    if message.missing > 0 {
        return one(texts.with("message-missing", &[("n", message.missing.into())]));
    }
    if message.deleted {
        return one(texts.get("message-deleted"));
    }
    match message.timer_s {
        Some(0) => return one(texts.get("message-timer-off")),
        Some(seconds) => {
            let time = super::details::span(model, seconds);
            return one(texts.with("message-timer", &[("time", time.into())]));
        }
        None => {}
    }
    if message.copied.as_ref().is_some_and(|copied| !copied.genuine) {
        return one(texts.get("message-copied-forged"));
    }
    if let Some(name) = &message.introduces {
        return one(texts.with("message-introduces", &[("name", text::one_line(name).into())]));
    }
    let mut lines = Vec::new();
    if let Some(file) = &message.attachment {
        let size = super::doctor::bytes(file.bytes);
        let values = [("name", text::one_line(&file.name).into()), ("size", size.into())];
        lines.push(texts.with("message-file", &values));
    }
    match &message.text {
        Some(text) => lines.extend(text::lines(text)),
        None if lines.is_empty() => return one(texts.get("unknown-kind")),
        None => {}
    }
    (lines, false)
}

fn mark_style(model: &Model, message: &Message) -> Style {
    match message.state {
        State::Queued if model.held(message.contact) || model.data_spent() => model.theme.warn(),
        State::Delivered | State::Read => model.theme.good(),
        _ => model.theme.faint(),
    }
}

/// `Name  14:05  text                         mark`
fn wide(
    model: &Model,
    chat: &Chat,
    message: &Message,
    clock: &str,
    cells: usize,
    out: &mut Vec<Line<'static>>,
) {
    let theme = model.theme;
    let author = text::name(&message.from, message.contact);
    let left = NAME + 1 + CLOCK + 2;
    let room = cells.saturating_sub(left + 1 + MARK).max(2);
    let rows = parts(model, chat, message, room);
    let last = rows.len().saturating_sub(1);
    let own = if message.mine { theme.accent() } else { theme.strong() };
    for (number, row) in rows.into_iter().enumerate() {
        let rtl = text::is_rtl(&row.text);
        let style = if row.aside { theme.faint() } else { Style::new() };
        let mut spans = if number == 0 {
            let name = width::pad(&author, NAME, theme.plain);
            vec![Span::styled(name, own), Span::raw(" "), Span::styled(format!("{clock}  "), theme.faint())]
        } else {
            vec![Span::raw(" ".repeat(left))]
        };
        let mark =
            Span::styled(width::pad(model.mark(message), MARK, theme.plain), mark_style(model, message));
        if rtl {
            // Nothing stands to the right of such a row, not even the mark.
            let gap = cells.saturating_sub(left + width::width(&row.text));
            spans.extend([Span::raw(" ".repeat(gap)), Span::styled(row.text, style)]);
            out.push(Line::from(spans));
            if number == last && message.mine {
                out.push(Line::from(vec![Span::raw(" ".repeat(left + room + 1)), mark]));
            }
            continue;
        }
        spans.push(Span::styled(width::pad(&row.text, room, theme.plain), style));
        if number == last {
            spans.extend([Span::raw(" "), mark]);
        }
        out.push(Line::from(spans));
    }
}

/// Theirs `14:05 text` on the left, own ones on the right with `14:05 mark` behind.
fn narrow(
    model: &Model,
    chat: &Chat,
    message: &Message,
    clock: &str,
    cells: usize,
    named: bool,
    out: &mut Vec<Line<'static>>,
) {
    let theme = model.theme;
    let room = cells.saturating_sub(CLOCK + 1).max(2);
    let rows = parts(model, chat, message, if message.mine { room.saturating_sub(2).max(2) } else { room });
    if !message.mine {
        if named {
            let author = width::fit(&text::name(&message.from, message.contact), room, theme.plain);
            let start = Span::styled(format!("{clock} "), theme.faint());
            out.push(Line::from(vec![start, Span::styled(author, theme.strong())]));
        }
        for (number, row) in rows.into_iter().enumerate() {
            let start = if number == 0 && !named { format!("{clock} ") } else { " ".repeat(CLOCK + 1) };
            let gap = if text::is_rtl(&row.text) { room.saturating_sub(width::width(&row.text)) } else { 0 };
            let style = if row.aside { theme.faint() } else { Style::new() };
            out.push(Line::from(vec![
                Span::styled(start, theme.faint()),
                Span::raw(" ".repeat(gap)),
                Span::styled(row.text, style),
            ]));
        }
        return;
    }
    let tail = format!(" {clock} ");
    let mark = Span::styled(width::pad(model.mark(message), MARK, theme.plain), mark_style(model, message));
    let tail_cells = width::width(&tail) + MARK;
    let last = rows.len().saturating_sub(1);
    for (number, row) in rows.into_iter().enumerate() {
        let wide = width::width(&row.text);
        let behind = number == last && !text::is_rtl(&row.text) && wide + tail_cells <= cells;
        let gap = cells.saturating_sub(wide + if behind { tail_cells } else { 0 });
        let style = if row.aside { theme.faint() } else { theme.accent() };
        let mut spans = vec![Span::raw(" ".repeat(gap)), Span::styled(row.text, style)];
        if behind {
            spans.extend([Span::styled(tail.clone(), theme.faint()), mark.clone()]);
        }
        out.push(Line::from(spans));
        if number == last && !behind {
            let gap = " ".repeat(cells.saturating_sub(tail_cells));
            out.push(Line::from(vec![
                Span::raw(gap),
                Span::styled(tail.clone(), theme.faint()),
                mark.clone(),
            ]));
        }
    }
}

/// A rule of the conversation with words in it.
#[must_use]
pub(super) fn rule(model: &Model, words: &str, cells: usize) -> Line<'static> {
    Line::styled(paint::rule(words, cells, model.theme), model.theme.faint())
}
