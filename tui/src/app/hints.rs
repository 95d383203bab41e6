//! The line of keys: what can be done on this screen, the most useful first, each also by a tap.

use super::details::Step;
use super::{Action, Focus, Model, Overlay, Screen, update, wizard};
use crate::command::Command;
use crate::draw::areas;
use crate::draw::invite::Place;

/// One entry of the line of keys.
pub struct Hint {
    /// Key as it is called on keyboards.
    pub key: &'static str,
    /// Key of its word in the languages' files.
    pub word: &'static str,
    /// What it does.
    pub action: Action,
}

fn hint(key: &'static str, word: &'static str, action: Action) -> Hint {
    Hint { key, word, action }
}

/// The keys of this screen.
#[must_use]
pub fn hints(model: &Model) -> Vec<Hint> {
    let mut out = match &model.screen {
        Screen::Wizard(wizard) => wizard_hints(wizard.step),
        Screen::Lock(_) => vec![hint("Enter", "key-unlock", Action::Enter)],
        Screen::Main => match model.overlays.last() {
            Some(overlay) => overlay_hints(model, overlay),
            None => pane_hints(model),
        },
    };
    out.push(hint("^Q", "key-quit", Action::Quit));
    out
}

fn wizard_hints(step: wizard::Step) -> Vec<Hint> {
    let mut out = vec![hint("Enter", "key-next", Action::Enter)];
    match step {
        wizard::Step::Language => {
            out.push(hint("↑↓", "key-language", Action::Down));
            out.push(hint("Tab", "key-glyphs", Action::Next));
        }
        wizard::Step::Name => out.push(hint("Esc", "key-back", Action::Back)),
        wizard::Step::Lock | wizard::Step::Connect => {
            out.push(hint("Esc", "key-back", Action::Back));
            out.push(hint("↑↓", "key-choose", Action::Down));
        }
    }
    out
}

fn overlay_hints(model: &Model, overlay: &Overlay) -> Vec<Hint> {
    let back = hint("Esc", "key-back", Action::Back);
    match overlay {
        Overlay::Find(_) => {
            vec![hint("Enter", "key-open", Action::Enter), back, hint("↑↓", "key-choose", Action::Down)]
        }
        Overlay::Add(_) => {
            vec![
                hint("Enter", "key-add", Action::Enter),
                back,
                hint("Tab", "key-field", Action::Next),
                invite(),
            ]
        }
        Overlay::Invite(invite) => {
            let (turns, inverts) = invite_hints(model, invite);
            let mut out = vec![hint("c", "key-copy", Action::Char('c')), back];
            if turns {
                let word = if invite.line { "key-square" } else { "key-line" };
                out.insert(0, hint("Enter", word, Action::Enter));
            }
            if inverts {
                out.push(hint("i", "key-invert", Action::Char('i')));
            }
            if invite.to.is_none() {
                out.push(hint("Tab", "key-theirs", Action::Next));
            }
            out
        }
        Overlay::Search(_) => {
            vec![hint("Enter", "key-open", Action::Enter), back, hint("↑↓", "key-choose", Action::Down)]
        }
        Overlay::Menu(_) => {
            vec![hint("Enter", "key-choose", Action::Enter), back, hint("↑↓", "key-choose", Action::Down)]
        }
        Overlay::React(..) => {
            vec![hint("Enter", "key-choose", Action::Enter), back, hint("↑↓", "key-choose", Action::Down)]
        }
        Overlay::Delete(_) => vec![hint("Enter", "key-delete", Action::Enter), back],
        Overlay::Details(details) => match details.step {
            Step::Rows => vec![
                hint("Enter", "key-change", Action::Enter),
                back,
                hint("↑↓", "key-choose", Action::Down),
                hint("r", "key-rename", Action::Char('r')),
            ],
            Step::Name(_) => vec![hint("Enter", "key-save", Action::Enter), back],
            Step::Timer(_) => {
                vec![hint("Enter", "key-save", Action::Enter), back, hint("↑↓", "key-choose", Action::Down)]
            }
            Step::Compare(_) => vec![hint("Enter", "key-same", Action::Enter), back],
        },
        Overlay::Attach(attach) => {
            let word = if attach.sends() { "key-send" } else { "key-open" };
            vec![hint("Enter", word, Action::Enter), back, hint("↑↓", "key-choose", Action::Down)]
        }
        Overlay::Address(open) if open.line().is_some() => vec![
            hint("c", "key-copy", Action::Char('c')),
            back,
            hint("n", "key-new", Action::Char('n')),
            hint("e", "key-end", Action::Char('e')),
        ],
        Overlay::Address(_) => vec![hint("n", "key-new", Action::Char('n')), back],
        Overlay::Strangers(chosen) => {
            let asking = super::strangers::asking(model);
            let Some(one) = asking.get((*chosen).min(asking.len().saturating_sub(1))) else {
                return vec![back];
            };
            let mut out = vec![
                hint("a", "key-accept", Action::Char('a')),
                back,
                hint("d", "key-decline", Action::Char('d')),
            ];
            if matches!(one, super::strangers::Asking::Stranger(_)) {
                out.push(hint("b", "key-block", Action::Char('b')));
            }
            out.push(hint("↑↓", "key-choose", Action::Down));
            out
        }
        Overlay::Gather(_) | Overlay::Group(_) | Overlay::Channel(_) | Overlay::NewChannel(_) => {
            room_hints(overlay)
        }
        Overlay::Wipe(_) => vec![back, hint("Enter", "key-wipe", Action::Enter)],
        Overlay::Wifi(_) | Overlay::Settings(_) => {
            vec![hint("Enter", "key-change", Action::Enter), back, hint("↑↓", "key-choose", Action::Down)]
        }
        Overlay::Doctor(doctor) => {
            let report = if doctor.report { "key-save" } else { "key-report" };
            let mut out = vec![back, hint("t", "key-again", Action::Char('t'))];
            if doctor.found.is_some() {
                out.push(hint("r", report, Action::Char('r')));
            }
            out.push(hint("^N", "key-add", Action::Add));
            out.push(hint("↑↓", "key-scroll", Action::Down));
            out
        }
        Overlay::Info(_) => {
            vec![back, hint("↑↓", "key-scroll", Action::Down), hint("c", "key-copy-id", Action::Char('c'))]
        }
        Overlay::Help(_) => vec![back, hint("↑↓", "key-scroll", Action::Down)],
    }
}

/// The keys of the windows about groups and channels.
fn room_hints(overlay: &Overlay) -> Vec<Hint> {
    use super::group;
    let back = hint("Esc", "key-back", Action::Back);
    let choose = || hint("↑↓", "key-choose", Action::Down);
    match overlay {
        Overlay::Gather(gather) if gather.on_name => {
            vec![hint("Enter", "key-next", Action::Enter), back, hint("Tab", "key-field", Action::Next)]
        }
        Overlay::Gather(_) => vec![
            hint("Space", "key-pick", Action::Char(' ')),
            hint("Enter", "key-ready", Action::Enter),
            back,
            choose(),
        ],
        Overlay::Group(open) => match &open.step {
            group::Step::Rows => vec![hint("Enter", "key-choose", Action::Enter), back, choose()],
            group::Step::Name(_) => vec![hint("Enter", "key-save", Action::Enter), back],
            group::Step::Timer(_) => vec![hint("Enter", "key-save", Action::Enter), back, choose()],
            group::Step::Member(..) => vec![hint("Enter", "key-choose", Action::Enter), back, choose()],
            group::Step::Sure(group::Act::Leave) => vec![hint("Enter", "key-leave", Action::Enter), back],
            group::Step::Sure(group::Act::Remove(_)) => {
                vec![hint("Enter", "key-remove", Action::Enter), back]
            }
            group::Step::Sure(group::Act::Role(..)) => vec![hint("Enter", "key-save", Action::Enter), back],
        },
        Overlay::Channel(open) if open.sure => vec![hint("Enter", "key-leave", Action::Enter), back],
        Overlay::Channel(_) => vec![hint("Enter", "key-choose", Action::Enter), back, choose()],
        _ => vec![hint("Enter", "key-ready", Action::Enter), back],
    }
}

/// Whether the square and the line take turns on the screen, and whether a square is there that can be inverted.
fn invite_hints(model: &Model, invite: &super::overlay::Invite) -> (bool, bool) {
    let place = crate::draw::invite::place(model, invite, areas::areas(model).body);
    (place == Place::Alone || place == Place::Hidden, place == Place::Alone || place == Place::Beside)
}

fn invite() -> Hint {
    hint("^Y", "key-invite", Action::Invite)
}

fn pane_hints(model: &Model) -> Vec<Hint> {
    let selected = model.chat.as_ref().is_some_and(|chat| chat.selected.is_some());
    let person = model.chat.as_ref().is_none_or(|chat| chat.talk.person().is_some());
    let channel = model.chat.as_ref().is_some_and(|chat| chat.talk.channel().is_some());
    let closed = model.chat.as_ref().is_some_and(|chat| model.read_only(chat.talk).is_some());
    let mut out = match (model.focus, model.chat.is_some()) {
        (Focus::Chat, true) if selected && (channel || closed) => vec![
            hint("c", "key-copy", Action::Char('c')),
            hint("Esc", "key-back", Action::Back),
            hint("f", "key-forward", Action::Char('f')),
            hint("↑↓", "key-choose", Action::Down),
        ],
        (Focus::Chat, true) if closed => vec![
            hint("Esc", "key-back", Action::Back),
            hint("^K", "key-find", Action::Find),
            hint("↑", "key-message", Action::Up),
        ],
        (Focus::Chat, true) if selected => {
            vec![
                hint("Enter", "key-actions", Action::Enter),
                hint("Esc", "key-back", Action::Back),
                hint("r", "key-reply", Action::Char('r')),
                hint("c", "key-copy", Action::Char('c')),
                hint("f", "key-forward", Action::Char('f')),
                hint("↑↓", "key-choose", Action::Down),
            ]
        }
        (Focus::Chat, true) => vec![
            hint("Enter", "key-send", Action::Enter),
            hint("Esc", "key-back", Action::Back),
            hint("^K", "key-find", Action::Find),
            hint("Alt-Enter", "key-newline", Action::NewLine),
            hint("↑", "key-message", Action::Up),
        ],
        _ if model.list.is_empty() => vec![hint("^N", "key-add", Action::Add)],
        _ => vec![
            hint("Enter", "key-open", Action::Enter),
            hint("↑↓", "key-choose", Action::Down),
            hint("^N", "key-add", Action::Add),
        ],
    };
    if model.focus == Focus::Chat && !channel && model.chat.is_some() && !selected {
        out.push(hint("^T", "key-file", Action::File));
    }
    if !out.iter().any(|hint| hint.key == "^K") {
        out.push(hint("^K", "key-find", Action::Find));
    }
    out.push(hint("F1", "key-help", Action::Help));
    if model.list.is_empty() {
        out.push(invite());
    } else if model.focus == Focus::List {
        out.push(hint("^G", "key-unread", Action::NextUnread));
        out.push(hint("^F", "key-search", Action::Search));
    } else if !model.three_panes() && !selected {
        let word = if person { "key-details" } else { "key-about" };
        out.push(hint("^D", word, Action::Details));
    }
    out
}

/// A tap: on the line of keys it is the key, on a person it opens the conversation, on a pane it moves there.
pub(super) fn click(model: &mut Model, column: u16, row: u16) -> Vec<Command> {
    let areas = areas::areas(model);
    let at = ratatui::layout::Position { x: column, y: row };
    if areas.keys.contains(at) {
        let tapped = crate::draw::bars::tapped(model, areas.keys, column);
        return tapped.map_or_else(Vec::new, |action| update(model, action));
    }
    if !matches!(model.screen, Screen::Main) {
        return Vec::new();
    }
    if !model.overlays.is_empty() {
        return tapped_row(model, usize::from(row.saturating_sub(areas.body.y)), areas.body.height);
    }
    if areas.list.contains(at) {
        let first = crate::draw::chats::first_row(model, areas.list.height);
        let index = first + usize::from(row.saturating_sub(areas.list.y));
        return match model.list.get(index).copied() {
            Some(talk) => update::open_chat(model, talk),
            None => Vec::new(),
        };
    }
    if model.chat.is_some() && (areas.messages.contains(at) || areas.composer.contains(at)) {
        model.focus = Focus::Chat;
    }
    Vec::new()
}

/// A tap on a row of a window: the first chooses it, a tap on the chosen one is Enter.
fn tapped_row(model: &mut Model, row: usize, height: u16) -> Vec<Command> {
    let (len, chosen) = match model.overlays.last() {
        Some(Overlay::Find(find)) => (find.rows(model).len(), find.chosen),
        Some(Overlay::Search(search)) => (search.found.len(), search.chosen),
        Some(Overlay::Menu(chosen)) => (super::menu::acts(model).len(), *chosen),
        Some(Overlay::React(_, chosen)) => (super::menu::signs(model).len() + 1, *chosen),
        Some(Overlay::Details(details)) => match details.step {
            Step::Rows => {
                let rows = model.contact(details.contact).map_or(0, |one| super::details::rows(one).len());
                (rows, details.chosen)
            }
            Step::Timer(chosen) => (super::details::TIMERS.len(), chosen),
            Step::Name(_) | Step::Compare(_) => return Vec::new(),
        },
        Some(Overlay::Settings(settings)) => (super::settings::Setting::ALL.len(), settings.chosen),
        Some(Overlay::Attach(attach)) => (attach.rows().len(), attach.chosen),
        Some(Overlay::Strangers(chosen)) => (super::strangers::asking(model).len(), *chosen),
        Some(Overlay::Gather(gather)) => (super::gather::people(model, gather).len(), gather.chosen),
        Some(Overlay::Channel(open)) if !open.sure => {
            (model.channel(open.channel).map_or(0, |one| super::channel::rows(one).len()), open.chosen)
        }
        Some(Overlay::Group(open)) => match &open.step {
            super::group::Step::Rows => {
                let rows = model.group(open.group).map_or(0, |one| super::group::rows(model, one).len());
                (rows, open.chosen)
            }
            super::group::Step::Timer(chosen) => (super::details::TIMERS.len(), *chosen),
            // What is done to people is chosen with keys.
            _ => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    let above = crate::draw::list::rows_above(model);
    let Some(row) = row.checked_sub(above) else { return Vec::new() };
    let height = usize::from(height).saturating_sub(above + crate::draw::list::rows_below(model));
    let index = crate::draw::list::first(chosen.min(len.saturating_sub(1)), height) + row;
    if index >= len || row >= height {
        return Vec::new();
    }
    let again = index == chosen;
    match model.overlays.last_mut() {
        Some(Overlay::Find(find)) => find.chosen = index,
        Some(Overlay::Search(search)) => search.chosen = index,
        Some(Overlay::Menu(chosen) | Overlay::React(_, chosen) | Overlay::Strangers(chosen)) => {
            *chosen = index
        }
        Some(Overlay::Settings(settings)) => settings.chosen = index,
        Some(Overlay::Details(details)) => match &mut details.step {
            Step::Timer(chosen) => *chosen = index,
            _ => details.chosen = index,
        },
        Some(Overlay::Attach(attach)) => attach.chosen = index,
        Some(Overlay::Group(open)) => match &mut open.step {
            super::group::Step::Timer(chosen) => *chosen = index,
            _ => open.chosen = index,
        },
        Some(Overlay::Channel(open)) => open.chosen = index,
        Some(Overlay::Gather(gather)) => {
            (gather.chosen, gather.on_name) = (index, false);
            return update(model, Action::Char(' '));
        }
        _ => {}
    }
    let opens = again
        || matches!(model.overlays.last(), Some(Overlay::Find(_) | Overlay::Menu(_) | Overlay::React(..)));
    if opens { update(model, Action::Enter) } else { Vec::new() }
}
