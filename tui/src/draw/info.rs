//! The page of a message: from whom, when, and its way step by step; in a group, who has it.

use karvon_node::api::groups::Recipient;
use karvon_node::api::{State, Trail};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::paint;
use crate::app::Model;
use crate::app::overlay::{Info, Way};
use crate::app::talk::recipients as recipient_names;
use crate::text::{one_line, wrap};

/// Digits of a relay's id that are shown: enough to tell two apart.
const RELAY_DIGITS: usize = 8;

/// Draws the way.
pub(super) fn draw(model: &Model, info: &Info, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let message = &info.message;
    let mut out: Vec<Line<'static>> = Vec::new();
    let mut say = |sentence: &str, style: Style| {
        for part in wrap::wrapped(&theme.glyphs(&one_line(sentence)), usize::from(area.width)) {
            out.push(Line::styled(part.to_owned(), style));
        }
    };
    let name = crate::text::name(&message.from, message.contact);
    say(&texts.with("info-from", &[("name", name.into())]), theme.strong());
    say(&texts.with("info-written", &[("date", moment(model, &message.sent_at).into())]), Style::new());
    if let Some(at) = &message.received_at {
        say(&texts.with("info-arrived", &[("date", moment(model, at).into())]), Style::new());
    }
    say(&message.id, theme.faint());
    say("", Style::new());
    if let Some(problem) = &info.problem {
        say(&format!("! {problem}"), theme.warn());
    }
    match &info.answer {
        None if info.problem.is_none() => say(&texts.get("info-waiting"), theme.faint()),
        None => {}
        Some(Way::Steps(state, trail)) => {
            if message.mine {
                let held = model.held(message.contact) || model.data_spent();
                let mark = theme.mark(*state, held);
                say(&format!("{mark} {}", texts.get(meaning(*state, held))), theme.strong());
                if let Some(reason) = super::areas::data_waits(model).filter(|_| *state == State::Queued) {
                    say(&reason, theme.warn());
                }
                say("", Style::new());
            }
            if !trail.is_empty() {
                say(&texts.get("info-way"), theme.faint());
            }
            for step in trail {
                let style = if step.what == "refused" { theme.warn() } else { Style::new() };
                say(&format!("{} {}", model.zone.clock(&step.at), sentence(model, step)), style);
            }
        }
        Some(Way::Members { .. }) if !message.mine => say(&texts.get("info-author-only"), theme.faint()),
        Some(Way::Members { state, of: 0, .. }) => {
            say(&format!("{} {}", theme.mark(*state, false), texts.get(in_group(*state))), theme.strong());
            say(&texts.get("info-too-many"), theme.faint());
        }
        Some(Way::Members { state, delivered, of, recipients }) => {
            let count = texts.with("group-delivered", &[("n", (*delivered).into()), ("of", (*of).into())]);
            say(&format!("{} {}", theme.mark(*state, false), texts.get(in_group(*state))), theme.strong());
            say(&count, theme.strong());
            say("", Style::new());
            let names = recipient_names(model, info.talk, recipients);
            for (name, recipient) in names.iter().zip(recipients) {
                let style = if recipient.state == State::Delivered { theme.good() } else { Style::new() };
                say(&member(model, name, recipient), style);
            }
        }
    }
    paint::lines(frame, area, &out, info.scrolled);
}

/// `✓ Name, 22 November, 14:05`; without a time while the message is on its way to them.
fn member(model: &Model, name: &str, recipient: &Recipient) -> String {
    let mark = model.theme.mark(recipient.state, false);
    match &recipient.at {
        Some(at) => format!("{mark} {name}, {}", moment(model, at)),
        None => format!("{mark} {name}"),
    }
}

/// What the state of a message to a group means.
fn in_group(state: State) -> &'static str {
    match state {
        State::Queued => "info-group-queued",
        State::Stored => "sign-stored",
        State::Delivered | State::Read | State::Received => "info-group-delivered",
    }
}

fn meaning(state: State, held: bool) -> &'static str {
    match state {
        State::Queued if held => "sign-held",
        State::Queued => "sign-queued",
        State::Stored => "sign-stored",
        State::Delivered | State::Received => "sign-delivered",
        State::Read => "sign-read",
    }
}

/// A day and a time.
fn moment(model: &Model, at: &str) -> String {
    let local = model.zone.local(at);
    local.map_or_else(
        || "--:--".to_owned(),
        |local| format!("{}, {}", super::message::date(model, &local), local.clock()),
    )
}

fn sentence(model: &Model, step: &Trail) -> String {
    let texts = &model.texts;
    let key = format!("trail-{}", step.what);
    let relay: String = one_line(step.relay.as_deref().unwrap_or("?")).chars().take(RELAY_DIGITS).collect();
    let note = one_line(step.note.as_deref().unwrap_or("?"));
    let date =
        model.zone.local(&note).map_or_else(|| note.clone(), |local| super::message::date(model, &local));
    let values = [
        ("relay", relay.into()),
        ("note", note.into()),
        ("date", date.into()),
        ("what", one_line(&step.what).into()),
    ];
    texts.with(if texts.has(&key) { &key } else { "trail-other" }, &values)
}
