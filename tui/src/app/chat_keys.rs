//! Keys of the list of people and of the conversation.

use super::{
    About, Action, Chat, Focus, Model, Outgoing, Overlay, chat::View, menu, overlay::Find, scroll, update,
};
use crate::command::{Command, Purpose};
use crate::draw::areas;
use karvon_node::api::Request;

/// Applies a key to the pane that takes keys.
pub(super) fn key(model: &mut Model, action: &Action) -> Vec<Command> {
    match (model.focus, model.chat.is_some()) {
        (Focus::Chat, true) => chat(model, action),
        _ => list(model, action),
    }
}

fn list(model: &mut Model, action: &Action) -> Vec<Command> {
    let page = usize::from(areas::areas(model).list.height.max(1));
    match action {
        Action::Up | Action::Wheel(i16::MIN..0) => choose(model, -1),
        Action::Down | Action::Wheel(_) => choose(model, 1),
        Action::PageUp => choose(model, -isize::try_from(page).unwrap_or(1)),
        Action::PageDown => choose(model, isize::try_from(page).unwrap_or(1)),
        Action::Home => model.chosen = model.list.first().copied(),
        Action::End => model.chosen = model.list.last().copied(),
        Action::Enter | Action::Right => {
            return match model.chosen_talk() {
                Some(talk) => update::open_chat(model, talk),
                None => Vec::new(),
            };
        }
        Action::Next | Action::Previous if model.chat.is_some() => model.focus = Focus::Chat,
        Action::Back => update::open_overlay(model, Overlay::Find(Find::default())),
        Action::Char('?') => update::open_overlay(model, Overlay::Help(0)),
        Action::Char(letter) => {
            let mut find = Find::default();
            find.query.insert(letter.encode_utf8(&mut [0; 4]));
            update::open_overlay(model, Overlay::Find(find));
        }
        _ => {}
    }
    Vec::new()
}

/// Moves the chosen row.
fn choose(model: &mut Model, by: isize) {
    let chosen = model.chosen_talk();
    let at = model.list.iter().position(|talk| Some(*talk) == chosen).unwrap_or(0);
    let last = model.list.len().saturating_sub(1);
    let next = at.saturating_add_signed(by).min(last);
    model.chosen = model.list.get(next).copied();
}

fn chat(model: &mut Model, action: &Action) -> Vec<Command> {
    let areas = areas::areas(model);
    let page = isize::try_from(areas.messages.height.saturating_sub(1).max(1)).unwrap_or(1);
    let closed = model.chat.as_ref().and_then(|chat| model.read_only(chat.talk));
    let Some(chat) = &mut model.chat else { return Vec::new() };
    match action {
        Action::First => return update::first(model),
        Action::Newest => return update::last(model),
        Action::Char('?') if closed.is_some() && chat.selected.is_none() => {
            update::open_overlay(model, Overlay::Help(0));
        }
        // Nothing can be written here, which is said instead of taking letters that lead nowhere.
        Action::Editor | Action::Char(_) | Action::Paste(_) | Action::Enter
            if chat.selected.is_none() && closed.is_some() =>
        {
            model.notice = closed.map(|key| model.texts.get(key));
        }
        Action::Editor => {
            let text = chat.composer.text().to_owned().into();
            return vec![Command::Edit(text)];
        }
        Action::PageUp => scroll::scroll(model, -page),
        Action::PageDown => scroll::scroll(model, page),
        Action::Wheel(rows) => scroll::scroll(model, isize::from(*rows)),
        Action::Next | Action::Previous => model.focus = Focus::List,
        _ if chat.selected.is_some() => return selected(model, action),
        Action::Back if chat.about != About::Nothing => {
            // The text of a change is not a draft; that of an answer is.
            if matches!(std::mem::take(&mut chat.about), About::Edit(_)) {
                chat.composer.set("");
            }
        }
        Action::Back => model.focus = Focus::List,
        Action::Enter => return send(model),
        Action::Up | Action::Down => {
            let down = matches!(action, Action::Down);
            let moved = chat.composer.vertical(down, areas::composer_cells(areas.composer));
            if !moved && !down {
                chat.selected = chat
                    .bottom()
                    .and_then(|(index, _)| chat.messages.get(index))
                    .map(|message| message.position);
                scroll::reveal(model);
            }
        }
        key => {
            let person = chat.talk.person();
            if !update::edit(&mut chat.composer, key) {
                model.notice = Some(model.texts.get("text-full"));
            }
            // Only where the person allowed it for this conversation.
            let writes = matches!(key, Action::Char(_) | Action::Paste(_));
            if let Some(contact) = person.filter(|_| writes)
                && model.contact(contact).is_some_and(|known| known.typing)
            {
                return vec![Command::Call(Request::Typing { contact }, Purpose::Silent)];
            }
        }
    }
    Vec::new()
}

/// Keys while a message is selected.
fn selected(model: &mut Model, action: &Action) -> Vec<Command> {
    let Some(chat) = &mut model.chat else { return Vec::new() };
    match action {
        Action::Back => chat.selected = None,
        Action::Up => select(chat, -1),
        Action::Down => select(chat, 1),
        Action::Home => return update::first(model),
        Action::End => return update::last(model),
        Action::Enter => update::open_overlay(model, Overlay::Menu(0)),
        Action::Char('?') => update::open_overlay(model, Overlay::Help(0)),
        Action::Char(letter) => {
            let act = menu::of_letter(model, *letter);
            return act.map_or_else(Vec::new, |act| menu::carry_out(model, act));
        }
        _ => {}
    }
    scroll::reveal(model);
    Vec::new()
}

/// Moves the selection; below the newest message it goes back to the composer.
fn select(chat: &mut Chat, by: isize) {
    let Some(at) = chat.selected.and_then(|position| chat.index(position)) else { return };
    let next = at.saturating_add_signed(by);
    match chat.messages.get(next) {
        Some(message) => chat.selected = Some(message.position),
        None => {
            chat.selected = None;
            if !chat.newer {
                chat.view = View::Bottom;
            }
        }
    }
}

/// Hands what is written to the node. The text leaves the composer, and comes back when the node does not take it.
fn send(model: &mut Model) -> Vec<Command> {
    let Some(chat) = &mut model.chat else { return Vec::new() };
    if chat.composer.is_blank() {
        return Vec::new();
    }
    let text = chat.composer.take();
    let talk = chat.talk;
    chat.new_from = None;
    let about = std::mem::take(&mut chat.about);
    let text = text.trim_end().to_owned();
    if matches!(about, About::Edit(_)) {
        model.outgoing.push_back(Outgoing { talk, text, about });
        return update::send_next(model);
    }
    let jump = if chat.newer { update::newest(chat) } else { None };
    chat.view = View::Bottom;
    model.outgoing.push_back(Outgoing { talk, text, about });
    update::send_next(model).into_iter().chain(jump).collect()
}
