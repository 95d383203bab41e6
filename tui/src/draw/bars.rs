//! The top line with the state of the network, the notice, and the line of keys.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{areas::Areas, paint};
use crate::app::hints::{Hint, hints};
use crate::app::overlay::Invite;
use crate::app::{Action, Model, Overlay, Screen, Talk};
use crate::text::{one_line, width};

/// Draws the top line.
pub(super) fn top(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let theme = model.theme;
    let cells = usize::from(area.width);
    let state = state(model);
    let room = cells.saturating_sub(width::width(&state.content) + 4);
    let title = width::fit(&title(model), room, theme.plain);
    let left = paint::rule(&title, room + 1, theme);
    let fill = cells.saturating_sub(width::width(&left) + width::width(&state.content) + 2);
    let end = theme.rule().to_string().repeat(fill);
    let style = theme.accent();
    let line = Line::from(vec![
        Span::styled(left, style),
        Span::raw(" "),
        state,
        Span::raw(" "),
        Span::styled(end, style),
    ]);
    paint::line(frame, area, &line);
}

fn title(model: &Model) -> String {
    let texts = &model.texts;
    let dash = if model.theme.plain { "-" } else { "—" };
    let key = match (&model.screen, model.overlays.last()) {
        (Screen::Wizard(_), _) => "wizard-title",
        (Screen::Lock(_), _) => "lock-title",
        (_, Some(Overlay::Find(find))) if find.forward.is_some() => "forward-title",
        (_, Some(Overlay::Find(_))) => "find-title",
        (_, Some(Overlay::Search(_))) => "search-title",
        (_, Some(Overlay::Menu(_))) => "menu-title",
        (_, Some(Overlay::React(..))) => "react-title",
        (_, Some(Overlay::Delete(_))) => "delete-title",
        (_, Some(Overlay::Attach(_))) => "file-title",
        (_, Some(Overlay::Wipe(_))) => "wipe-title",
        (_, Some(Overlay::Details(_))) => "details-title",
        (_, Some(Overlay::Settings(_))) => "settings-title",
        (_, Some(Overlay::Strangers(_))) => "requests-title",
        (_, Some(Overlay::Address(_))) => "address-title",
        (_, Some(Overlay::Wifi(_))) => "wifi-title",
        (_, Some(Overlay::Gather(gather))) if gather.group.is_some() => "gather-add-title",
        (_, Some(Overlay::Gather(_))) => "gather-title",
        (_, Some(Overlay::Group(_))) => "group-title",
        (_, Some(Overlay::Channel(_))) => "channel-title",
        (_, Some(Overlay::NewChannel(_))) => "channel-new-title",
        (_, Some(Overlay::Invite(Invite { to: Some(Talk::Group(_)), .. }))) => "group-link-title",
        (_, Some(Overlay::Invite(Invite { to: Some(_), .. }))) => "channel-link-title",
        (_, Some(Overlay::Doctor(_))) => "doctor-title",
        (_, Some(Overlay::Add(_))) => "add-title",
        (_, Some(Overlay::Invite(_))) => "invite-title",
        (_, Some(Overlay::Info(_))) => "info-title",
        (_, Some(Overlay::Help(_))) => "help-title",
        (_, None) => {
            let name = one_line(&model.name);
            let alone = name.trim().is_empty() || model.size.0 < crate::app::TWO_PANES;
            return if alone { "Karvon".to_owned() } else { format!("Karvon {dash} {}", name.trim()) };
        }
    };
    let words = texts.get(key);
    // On a narrow terminal the name of the program gives way to what it shows.
    if model.size.0 < crate::app::TWO_PANES { words } else { format!("Karvon {dash} {words}") }
}

fn state(model: &Model) -> Span<'static> {
    let (texts, theme) = (&model.texts, model.theme);
    if let Screen::Wizard(wizard) = &model.screen {
        return Span::styled(format!("{}/4", wizard.step.number() + 1), theme.strong());
    }
    if matches!(model.screen, Screen::Lock(_)) {
        return Span::raw("");
    }
    if model.gone {
        return Span::styled(format!("! {}", texts.get("state-gone")), theme.warn());
    }
    let key = format!("state-{}", model.state.replace('_', "-"));
    let word = if texts.has(&key) { texts.get(&key) } else { one_line(&model.state) };
    let up = matches!(model.state.as_str(), "connected" | "online");
    let mut out = format!("{} {word}", theme.dot(up));
    if let Some(status) = model.status.as_ref().filter(|_| model.overlays.is_empty()) {
        let cells = usize::from(model.size.0);
        let mut add = |most: usize, words: String| {
            let fits = width::width(&out) + width::width(&words) <= most;
            if fits {
                out.push_str(&words);
            }
            fits
        };
        // That one operator sees both sides must be said on every size, so it goes before the number of queued messages.
        let short = cells.saturating_sub(8);
        if status.one_operator && !add(cells / 2, format!(" ! {}", texts.get("status-one-operator"))) {
            add(short, format!(" ! {}", texts.get("status-one-operator-short")));
        }
        if let Some(near) = status.near {
            let near = texts.with("status-near", &[("n", u64::from(near).into())]);
            add(short, theme.glyphs(&format!(" · {near}")));
        }
        let used = status.data.as_ref().filter(|used| used.level != karvon_node::api::data::Level::Free);
        if let Some(percent) = used.and_then(|used| used.percent) {
            add(cells * 3 / 4, format!(" ! {}", texts.with("status-data", &[("percent", percent.into())])));
        }
        if status.queued > 0 {
            let queued = texts.with("status-queued", &[("n", status.queued.into())]);
            add(cells * 3 / 4, theme.glyphs(&format!(" · {queued}")));
        }
    }
    Span::styled(out, if up { theme.good() } else { theme.warn() })
}

/// Draws the notice and the line of keys.
pub(super) fn bottom(model: &Model, frame: &mut Frame<'_>, areas: &Areas) {
    let theme = model.theme;
    if let Some(notice) = &model.notice {
        paint::paragraph(frame, areas.notice, 0, &theme.glyphs(notice), theme.warn());
    }
    for entry in entries(model, areas.keys.width) {
        paint::text(frame, areas.keys, entry.column, &entry.key, theme.strong());
        paint::text(frame, areas.keys, entry.column + columns(&entry.key) + 1, &entry.word, theme.faint());
    }
}

struct Entry {
    column: u16,
    key: String,
    word: String,
    hint: Hint,
}

/// The entries that fit, each with its column. What does not fit is left out from the end, and help is never the last to go: every
/// action is also in the menu.
fn entries(model: &Model, cells: u16) -> Vec<Entry> {
    let mut out = Vec::new();
    let mut column = 0;
    for hint in hints(model) {
        let key = match hint.key {
            "↑↓" if model.theme.plain => "Up/Down".to_owned(),
            "↑" if model.theme.plain => "Up".to_owned(),
            key => key.to_owned(),
        };
        let word = model.texts.get(hint.word);
        let wide = columns(&key) + 1 + columns(&word);
        if column + wide > cells {
            continue;
        }
        out.push(Entry { column, key, word, hint });
        column += wide + 2;
    }
    out
}

fn columns(text: &str) -> u16 {
    u16::try_from(width::width(text)).unwrap_or(u16::MAX / 4)
}

/// The action of the entry at a column of the screen.
#[must_use]
pub fn tapped(model: &Model, keys: Rect, column: u16) -> Option<Action> {
    let at = column.checked_sub(keys.x)?;
    let entry = entries(model, keys.width).into_iter().rfind(|entry| entry.column <= at)?;
    let end = entry.column + columns(&entry.key) + 1 + columns(&entry.word);
    (at < end).then_some(entry.hint.action)
}
