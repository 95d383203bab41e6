//! The doctor: what works and what does not, in words first and in numbers after.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::paint;
use crate::app::Model;
use crate::app::overlay::Doctor;
use crate::text::{one_line, wrap};

/// Draws it.
pub(super) fn draw(model: &Model, doctor: &Doctor, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let mut out: Vec<Line<'static>> = Vec::new();
    let mut say = |sentence: &str, style: Style| {
        for part in wrap::wrapped(&theme.glyphs(&one_line(sentence)), usize::from(area.width)) {
            out.push(Line::styled(part.to_owned(), style));
        }
    };
    let (key, style) = match model.state.as_str() {
        _ if model.gone => ("node-gone", theme.warn()),
        "store" => ("error-store", theme.warn()),
        "no_door" => ("doctor-no-door", theme.warn()),
        "connected" => ("doctor-connected", theme.warn()),
        "online" => ("doctor-online", theme.good()),
        _ => ("doctor-connecting", theme.warn()),
    };
    say(&texts.get("doctor-words"), theme.strong());
    say(&texts.get(key), style);
    let status = model.status.as_ref();
    if status.is_some_and(|status| status.one_operator) {
        say(&format!("! {}", texts.get("doctor-one-operator")), theme.warn());
    }
    say("", Style::new());
    if let Some(doors) = &doctor.doors {
        let up = doors.iter().filter(|door| door.connected).count();
        say(&texts.with("doctor-doors", &[("n", doors.len().into()), ("up", up.into())]), theme.strong());
        for door in doors {
            let (sign, word, style) = if door.connected {
                (theme.dot(true), "doctor-up", theme.good())
            } else {
                (theme.dot(false), "doctor-down", theme.warn())
            };
            let relay: String = one_line(&door.relay).chars().take(8).collect();
            let by = door.transport.as_ref().map(|name| format!("{}: ", one_line(name))).unwrap_or_default();
            say(&format!("  {sign} {relay}  {by}{}  {}", one_line(&door.addr), texts.get(word)), style);
            if let Some(fault) = &door.fault {
                say(&format!("    {}", texts.error(&fault.code)), theme.warn());
            }
        }
    }
    if let Some(status) = status {
        let boxes = [("n", status.mailboxes.into()), ("up", status.mailboxes_attached.into())];
        say(&texts.with("doctor-mailboxes", &boxes), theme.strong());
        let waiting = [("queued", status.queued.into()), ("stored", status.stored.into())];
        say(&texts.with("doctor-waiting", &waiting), Style::new());
        let traffic = [("in", bytes(status.bytes_in).into()), ("out", bytes(status.bytes_out).into())];
        say(&texts.with("doctor-traffic", &traffic), Style::new());
    }
    paint::lines(frame, area, &out, doctor.scrolled);
}

/// A number of bytes for people.
pub(super) fn bytes(count: u64) -> String {
    match count {
        0..=9_999 => format!("{count} B"),
        10_000..=9_999_999 => format!("{} kB", count / 1_000),
        _ => format!("{}.{} MB", count / 1_000_000, count % 1_000_000 / 100_000),
    }
}
