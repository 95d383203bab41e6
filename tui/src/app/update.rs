//! The one way the model changes: an action goes in, commands come out.

use karvon_node::api::{API_VERSION, Request, channels, groups};

use super::chat::{Chat, PAGE, TEXT_MAX, View};
use super::overlay::{Add, Doctor, Find, Info, Invite};
use super::settings::Settings;
use super::talk::{Part, Talk};
use super::{
    About, Action, Focus, Model, Outgoing, Overlay, Screen, answer, chat_keys, overlay_keys, scroll,
    wizard_keys,
};
use super::{address, channel, details, file, gather, lock, search, strangers, wifi};
use crate::command::{Command, Purpose};
use crate::text::edit::Editor;
use zeroize::Zeroizing;

/// What is asked when the screen opens on a running node.
#[must_use]
pub fn begin(model: &mut Model) -> Vec<Command> {
    let mut commands = vec![
        Command::Call(Request::Hello { version: API_VERSION }, Purpose::Hello),
        Command::Call(Request::Subscribe, Purpose::Plain),
        recent(),
        strangers::ask(),
    ];
    refresh_all(model, &mut commands);
    commands
}

/// Applies one action to the model and says what is to be done outside.
#[must_use]
pub fn update(model: &mut Model, action: Action) -> Vec<Command> {
    let mut commands = match action {
        Action::Resize(columns, rows) => {
            model.size = (columns, rows);
            Vec::new()
        }
        Action::Answer(purpose, result) => answer::answer(model, purpose, result),
        Action::Event(event) => answer::event(model, event),
        Action::Focused(focused) => {
            model.focused = focused;
            Vec::new()
        }
        Action::Unsaved => {
            model.notice = Some(model.texts.get("settings-unsaved"));
            Vec::new()
        }
        Action::Edited(text) => edited(model, text),
        Action::Quiet(contact, count) => {
            if model.typing == Some((contact, count)) {
                model.typing = None;
            }
            Vec::new()
        }
        Action::Listed(folder, entries) => {
            for overlay in &mut model.overlays {
                if let Overlay::Attach(attach) = overlay {
                    attach.listed(folder.clone(), entries.clone());
                }
            }
            Vec::new()
        }
        Action::FileSent(talk, result) => answer::file_sent(model, talk, result),
        Action::FileSaved(result) => {
            model.notice = Some(match result {
                Ok(path) => model.texts.with("saved", &[("path", crate::text::one_line(&path).into())]),
                Err(code) => model.texts.error(&code),
            });
            Vec::new()
        }
        Action::Gone => {
            model.gone = true;
            model.notice = Some(model.texts.get("node-gone"));
            Vec::new()
        }
        key => {
            model.notice = None;
            keyed(model, key)
        }
    };
    if matches!(model.screen, Screen::Main) {
        pages(model, &mut commands);
        mark_read(model, &mut commands);
    }
    commands
}

fn keyed(model: &mut Model, action: Action) -> Vec<Command> {
    let armed = std::mem::take(&mut model.quit_armed);
    if matches!(action, Action::Quit) {
        return quit(model, armed);
    }
    if let Action::Click(column, row) = action {
        return super::hints::click(model, column, row);
    }
    match model.screen {
        Screen::Wizard(_) => return wizard_keys::key(model, &action),
        Screen::Lock(_) => return lock::key(model, &action),
        Screen::Main => {}
    }
    match action {
        Action::Find => open_overlay(model, Overlay::Find(Find::default())),
        Action::Add => open_overlay(model, Overlay::Add(Add::default())),
        Action::Help => open_overlay(model, Overlay::Help(0)),
        Action::Invite => {
            open_overlay(model, Overlay::Invite(Invite::default()));
            // Whether it says how to come in depends on the doors.
            return vec![
                Command::Call(Request::Doors, Purpose::Doors),
                Command::Call(Request::Invite, Purpose::Invite),
            ];
        }
        Action::NextUnread => return next_unread(model),
        Action::Requests => return strangers::open(model),
        Action::Address => return address::open(model),
        Action::Wifi => return wifi::open(model),
        Action::NewGroup => return gather::open(model, None),
        Action::NewChannel => open_overlay(model, Overlay::NewChannel(channel::New::default())),
        Action::Search => return search::open(model, ""),
        Action::Settings => open_overlay(model, Overlay::Settings(Settings::default())),
        Action::Details => return details::open(model),
        Action::File => return file::open(model),
        Action::Lock => return vec![Command::Call(Request::Lock, Purpose::Lock)],
        Action::Wipe => open_overlay(model, Overlay::Wipe(lock::Wipe::default())),
        Action::Doctor => return doctor(model),
        key if !model.overlays.is_empty() => return overlay_keys::key(model, &key),
        key => return chat_keys::key(model, &key),
    }
    Vec::new()
}

/// Opens the doctor, which asks anew each time.
pub(super) fn doctor(model: &mut Model) -> Vec<Command> {
    open_overlay(model, Overlay::Doctor(Doctor { testing: true, ..Doctor::default() }));
    let test = Command::Call(Request::NetCheck { begin: true }, Purpose::NetCheck);
    let mut commands = vec![Command::Call(Request::Doors, Purpose::Doors), test];
    refresh_status(model, &mut commands);
    commands
}

/// A text comes back from the editor. Lines at its end are the editor's habit, not part of it.
fn edited(model: &mut Model, text: Option<Zeroizing<String>>) -> Vec<Command> {
    match (text, &mut model.chat) {
        (Some(text), Some(chat)) => chat.composer.set(text.trim_end()),
        (None, _) => model.notice = Some(model.texts.get("editor-failed")),
        (Some(_), None) => {}
    }
    Vec::new()
}

fn quit(model: &mut Model, armed: bool) -> Vec<Command> {
    let written = model.chat.as_ref().is_some_and(|chat| !chat.composer.is_blank());
    let drafts = model.drafts.values().any(|draft| !draft.is_blank());
    if (written || drafts || !model.outgoing.is_empty()) && !armed && !model.gone {
        model.quit_armed = true;
        model.notice = Some(model.texts.get("quit-unsent"));
        return Vec::new();
    }
    vec![Command::Quit]
}

/// Opens a window, in place of one of the same kind.
pub(super) fn open_overlay(model: &mut Model, overlay: Overlay) {
    let kind = std::mem::discriminant(&overlay);
    model.overlays.retain(|open| std::mem::discriminant(open) != kind);
    model.overlays.push(overlay);
}

/// Opens a conversation.
pub(super) fn open_chat(model: &mut Model, talk: Talk) -> Vec<Command> {
    if !show_chat(model, talk) {
        return Vec::new();
    }
    let mut commands: Vec<Command> = model.chat.as_mut().and_then(newest).into_iter().collect();
    commands.extend(talk.group().map(members));
    commands
}

/// Asks who is in a group.
#[must_use]
pub(super) fn members(group: u32) -> Command {
    Command::Call(Request::Group(groups::Ask::Members { group }), Purpose::Members(group))
}

/// Opens a conversation at a message.
pub(super) fn open_at(model: &mut Model, talk: Talk, position: u64) -> Vec<Command> {
    let other = show_chat(model, talk);
    let request = talk.page(Part::Before(position.saturating_add(1)), PAGE);
    let mut commands = jump(model, request, Purpose::Jump(talk, position));
    commands.extend(talk.group().filter(|_| other).map(members));
    commands
}

/// Goes to the first message of the open conversation.
pub(super) fn first(model: &mut Model) -> Vec<Command> {
    let Some(talk) = model.chat.as_ref().map(|chat| chat.talk) else { return Vec::new() };
    jump(model, talk.page(Part::First, PAGE), Purpose::First(talk))
}

/// Goes to the newest message of the open conversation.
pub(super) fn last(model: &mut Model) -> Vec<Command> {
    let Some(chat) = &mut model.chat else { return Vec::new() };
    chat.selected = None;
    chat.view = View::Bottom;
    if chat.newer { newest(chat).into_iter().collect() } else { Vec::new() }
}

fn jump(model: &mut Model, request: Request, purpose: Purpose) -> Vec<Command> {
    let Some(chat) = &mut model.chat else { return Vec::new() };
    if chat.jump_call.start() { vec![Command::Call(request, purpose)] } else { Vec::new() }
}

/// Puts a conversation on the screen; whether it is another one than before.
fn show_chat(model: &mut Model, talk: Talk) -> bool {
    model.overlays.clear();
    model.chosen = Some(talk);
    model.focus = Focus::Chat;
    if model.chat.as_ref().is_some_and(|chat| chat.talk == talk) {
        return false;
    }
    if let Some(mut old) = model.chat.take()
        && !old.composer.text().is_empty()
    {
        let draft = std::mem::replace(&mut old.composer, Editor::lines(0));
        model.drafts.insert(old.talk, draft);
    }
    let unread = model.unread(talk);
    let composer = model.drafts.remove(&talk).unwrap_or_else(|| Editor::lines(TEXT_MAX));
    model.windows += 1;
    let mut chat = Chat::new(talk, unread, composer);
    chat.renumber(model.windows);
    model.chat = Some(chat);
    true
}

fn next_unread(model: &mut Model) -> Vec<Command> {
    let open = model.chat.as_ref().map(|chat| chat.talk);
    let next = model.list.iter().find(|talk| model.unread(**talk) > 0 && Some(**talk) != open);
    match next.copied() {
        Some(talk) => open_chat(model, talk),
        None => {
            model.notice = Some(model.texts.get("no-unread"));
            Vec::new()
        }
    }
}

/// Opens the window on a message's way.
pub(super) fn open_info(model: &mut Model) -> Vec<Command> {
    let Some(chat) = &model.chat else { return Vec::new() };
    let (talk, Some(message)) = (chat.talk, chat.selected_message().cloned()) else { return Vec::new() };
    let id = message.id.clone();
    let info = Info { message, talk, answer: None, problem: None, scrolled: 0 };
    open_overlay(model, Overlay::Info(Box::new(info)));
    vec![Command::Call(Request::Info { id: id.clone() }, Purpose::Info(id))]
}

/// Hands the first waiting text to the node; the next follows when this one is on disk, so that order is kept.
pub(super) fn send_next(model: &mut Model) -> Vec<Command> {
    if model.sending {
        return Vec::new();
    }
    let Some(Outgoing { talk, text, about }) = model.outgoing.front().cloned() else { return Vec::new() };
    model.sending = true;
    let request = match about {
        About::Nothing => talk.send(text),
        About::Reply(to, _) => Request::Reply { to, text },
        About::Edit(id) => Request::Edit { id, text },
    };
    vec![Command::Call(request, Purpose::Sent)]
}

/// The first waiting text is on disk (or was refused): it is taken out.
pub(super) fn sent(model: &mut Model) -> Option<Outgoing> {
    model.sending = false;
    model.outgoing.pop_front()
}

/// Applies an editing key to a text field; says whether all of it fitted.
pub(super) fn edit(editor: &mut Editor, action: &Action) -> bool {
    match action {
        Action::Char(letter) => return editor.insert(letter.encode_utf8(&mut [0; 4])),
        Action::Paste(text) => return editor.insert(text),
        Action::NewLine => editor.newline(),
        Action::Backspace => editor.backspace(),
        Action::Delete => editor.delete(),
        Action::EraseLine => editor.erase_line(),
        Action::EraseWord => editor.erase_word(),
        Action::Left => editor.left(),
        Action::Right => editor.right(),
        Action::WordLeft => editor.word_left(),
        Action::WordRight => editor.word_right(),
        Action::Home => editor.home(),
        Action::End => editor.end(),
        _ => {}
    }
    true
}

/// Asks for people and numbers, unless that is under way.
pub(super) fn refresh(model: &mut Model, commands: &mut Vec<Command>) {
    refresh_contacts(model, commands);
    refresh_status(model, commands);
}

/// Asks for everything that the list shows.
pub(super) fn refresh_all(model: &mut Model, commands: &mut Vec<Command>) {
    refresh(model, commands);
    refresh_groups(model, commands);
    refresh_channels(model, commands);
}

/// Asks for groups.
pub(super) fn refresh_groups(model: &mut Model, commands: &mut Vec<Command>) {
    if model.groups_call.start() {
        commands.push(Command::Call(Request::Group(groups::Ask::List), Purpose::Groups));
    }
}

/// Asks for channels.
pub(super) fn refresh_channels(model: &mut Model, commands: &mut Vec<Command>) {
    if model.channels_call.start() {
        commands.push(Command::Call(Request::Channel(channels::Ask::List), Purpose::Channels));
    }
}

/// Asks for people.
pub(super) fn refresh_contacts(model: &mut Model, commands: &mut Vec<Command>) {
    if model.contacts_call.start() {
        commands.push(Command::Call(Request::Contacts, Purpose::Contacts));
    }
}

/// Asks for the numbers of the top line.
pub(super) fn refresh_status(model: &mut Model, commands: &mut Vec<Command>) {
    if model.status_call.start() {
        commands.push(Command::Call(Request::Status, Purpose::Status));
    }
}

/// The newest messages of all conversations.
pub(super) fn recent() -> Command {
    Command::Call(
        Request::Messages { contact: None, before: None, since: None, limit: PAGE },
        Purpose::Recent,
    )
}

/// Asks for the newest page of a conversation. What comes in while it is under way is asked for when it is there.
pub(super) fn newest(chat: &mut Chat) -> Option<Command> {
    let talk = chat.talk;
    let request = talk.page(Part::Newest, PAGE);
    chat.newest_call.start().then_some(Command::Call(request, Purpose::Newest(talk)))
}

/// Asks for what came after the window; without a window, for the newest page.
pub(super) fn newer(chat: &mut Chat) -> Option<Command> {
    let Some(last) = chat.messages.back().filter(|_| !chat.newest_call.flying) else { return newest(chat) };
    let request = chat.talk.page(Part::After(last), PAGE);
    chat.newer_call.start().then_some(Command::Call(request, Purpose::Newer(chat.talk, chat.window)))
}

/// Asks how far the messages of the window are now.
pub(super) fn marks(chat: &mut Chat) -> Option<Command> {
    let last = chat.messages.back()?.position;
    let request = chat.talk.page(Part::Before(last.saturating_add(1)), chat.messages.len().max(1));
    chat.marks_call.start().then_some(Command::Call(request, Purpose::Marks(chat.talk, chat.window)))
}

/// Asks for the next page when the screen comes near an edge of the window.
fn pages(model: &mut Model, commands: &mut Vec<Command>) {
    let (start, end) = (scroll::near_edge(model, true), scroll::near_edge(model, false));
    let Some(chat) = &mut model.chat else { return };
    if start
        && chat.older
        && !chat.older_call.flying
        && let Some(first) = chat.messages.front()
    {
        let request = chat.talk.page(Part::Before(first.position), PAGE);
        chat.older_call.start();
        commands.push(Command::Call(request, Purpose::Older(chat.talk, chat.window)));
    }
    if end && chat.newer && !chat.newer_call.flying {
        commands.extend(newer(chat));
    }
}

/// Tells the node what was seen: only what is on the screen, at its bottom.
fn mark_read(model: &mut Model, commands: &mut Vec<Command>) {
    let shown = model.overlays.is_empty() && (model.two_panes() || model.focus == Focus::Chat);
    let Some(chat) = model.chat.as_mut().filter(|_| shown) else { return };
    let upto = chat.seen_upto();
    if chat.view == View::Bottom && !chat.newer && upto > chat.marked {
        chat.marked = upto;
        commands.push(Command::Call(chat.talk.seen(upto), Purpose::Marked(chat.talk)));
    }
}
