//! The doctor: what works and what does not, in words first and in numbers after.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::paint;
use crate::app::Model;
use crate::app::overlay::Doctor;
use crate::netcheck;
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
    if let Some(found) = doctor.found.as_ref().filter(|_| doctor.report) {
        say(&texts.get("netcheck-report-note"), theme.strong());
        say("", Style::new());
        found.report().lines().for_each(|line| say(line, Style::new()));
        return paint::lines(frame, area, &out, doctor.scrolled);
    }
    let (key, style) = match model.state.as_str() {
        _ if model.gone => ("node-gone", theme.warn()),
        "store" => ("error-store", theme.warn()),
        "no_door" => ("doctor-no-door", theme.warn()),
        "connected" => ("doctor-connected", theme.warn()),
        "online" => ("doctor-online", theme.good()),
        _ => ("doctor-connecting", theme.warn()),
    };
    say(&texts.get("doctor-words"), theme.strong());
    let of_node = model.gone || matches!(model.state.as_str(), "store" | "no_door");
    match doctor.found.as_ref().filter(|_| !of_node) {
        // That a door is open says less than what the mailboxes do.
        Some(found) if found.verdict == "works" => say(&texts.get(key), style),
        Some(found) => {
            let style = if found.travels { theme.good() } else { theme.warn() };
            say(&netcheck::verdict(texts, found, &found.verdict), style);
        }
        None if doctor.testing && !of_node => say(&texts.get("netcheck-testing"), Style::new()),
        None => say(&texts.get(key), style),
    }
    for word in doctor.found.iter().flat_map(|found| found.also.iter().map(move |word| (found, word))) {
        say(&format!("! {}", netcheck::verdict(texts, word.0, word.1)), theme.warn());
    }
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
            let found = doctor.found.as_ref().map(|found| found.doors.as_slice()).unwrap_or_default();
            let found = found.iter().find(|found| found.door == door.relay);
            let how = found.map_or_else(|| texts.get(word), |found| netcheck::outcome(texts, found));
            let by = door.transport.as_ref().map(|name| format!("{}: ", one_line(name))).unwrap_or_default();
            say(&format!("  {sign} {relay}  {by}{}  {how}", one_line(&door.addr)), style);
            if let Some(fault) = &door.fault {
                say(&format!("      {}", texts.error(&fault.code)), theme.warn());
            }
            for remark in found.map(|found| netcheck::remarks(texts, found)).unwrap_or_default() {
                say(&format!("      {remark}"), Style::new());
            }
        }
    }
    if let Some(found) = &doctor.found {
        say(&netcheck::took(texts, found), Style::new());
    }
    if let Some(status) = status {
        let boxes = [("n", status.mailboxes.into()), ("up", status.mailboxes_attached.into())];
        say(&texts.with("doctor-mailboxes", &boxes), theme.strong());
        let waiting = [("queued", status.queued.into()), ("stored", status.stored.into())];
        say(&texts.with("doctor-waiting", &waiting), Style::new());
        let traffic = [("in", bytes(status.bytes_in).into()), ("out", bytes(status.bytes_out).into())];
        say(&texts.with("doctor-traffic", &traffic), Style::new());
        if let Some(used) = &status.data {
            let all = used.received.all() + used.sent.all();
            let cap = bytes(used.cap_today.unwrap_or_default());
            let of = [("used", bytes(all).into()), ("cap", cap.into())];
            match used.percent {
                Some(percent) => {
                    let [all, cap] = of;
                    say(
                        &texts.with("doctor-data-capped", &[all, cap, ("percent", percent.into())]),
                        Style::new(),
                    );
                }
                None => say(&texts.with("doctor-data", &of), Style::new()),
            }
        }
        if let Some(sentence) = super::areas::data_waits(model) {
            say(&sentence, theme.warn());
        }
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
