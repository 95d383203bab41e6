//! Keys of the windows over the panes.

use karvon_node::api::{Request, Secret, channels, groups};

use super::overlay::{Add, COMMANDS, Found};
use super::settings::Setting;
use super::{
    Action, Model, Overlay, Talk, address, channel, details, file, gather, group, lock, menu, search,
    strangers, update, wifi,
};
use crate::command::{Command, Connect, Purpose};
use crate::keymap;

/// Applies a key to the topmost window.
pub(super) fn key(model: &mut Model, action: &Action) -> Vec<Command> {
    let page = usize::from(model.size.1.saturating_sub(3).max(1));
    match model.overlays.last() {
        Some(Overlay::Details(_)) => return details::key(model, action),
        Some(Overlay::Group(_)) => return group::key(model, action),
        Some(Overlay::Channel(_)) => return channel::key(model, action),
        Some(Overlay::Doctor(doctor)) if doctor.report && matches!(action, Action::Back) => {
            if let Some(Overlay::Doctor(doctor)) = model.overlays.last_mut() {
                (doctor.report, doctor.scrolled) = (false, 0);
            }
            return Vec::new();
        }
        _ if matches!(action, Action::Back) => {
            model.overlays.pop();
            return Vec::new();
        }
        Some(Overlay::Find(_)) => return find(model, action),
        Some(Overlay::Search(_)) => return search::key(model, action),
        Some(Overlay::Menu(_)) => return menu::key(model, action),
        Some(Overlay::React(..)) => return menu::react(model, action),
        Some(Overlay::Delete(id)) => {
            let id = id.clone();
            if !matches!(action, Action::Enter) {
                return Vec::new();
            }
            model.overlays.pop();
            return vec![Command::Call(Request::Delete { id }, Purpose::Plain)];
        }
        Some(Overlay::Strangers(_)) => return strangers::key(model, action),
        Some(Overlay::Address(_)) => return address::key(model, action),
        Some(Overlay::Wifi(_)) => return wifi::key(model, action),
        Some(Overlay::Gather(_)) => return gather::key(model, action),
        Some(Overlay::NewChannel(_)) => return channel::new_key(model, action),
        Some(Overlay::Attach(_)) => return file::key(model, action),
        Some(Overlay::Wipe(_)) => return lock::wipe_key(model, action),
        Some(Overlay::Settings(_)) => return settings(model, action),
        _ => {}
    }
    match model.overlays.last_mut() {
        Some(Overlay::Doctor(doctor)) => {
            scroll(&mut doctor.scrolled, action, page);
            let letter = match action {
                Action::Char(letter) => Some(keymap::latin(*letter)),
                _ => None,
            };
            if letter == Some('t') || matches!(action, Action::Enter) {
                return update::doctor(model);
            }
            if letter == Some('r')
                && let Some(found) = &doctor.found
            {
                // What is in the file is shown before it is written.
                if !std::mem::replace(&mut doctor.report, true) {
                    doctor.scrolled = 0;
                    return Vec::new();
                }
                doctor.report = false;
                let data = data_encoding::BASE64.encode(found.report().as_bytes());
                return vec![Command::SaveFile("karvon-report.txt".to_owned(), data.into())];
            }
        }
        Some(Overlay::Help(scrolled)) => {
            scroll(scrolled, action, page);
            if matches!(action, Action::Enter) {
                model.overlays.pop();
            }
        }
        Some(Overlay::Info(info)) => {
            scroll(&mut info.scrolled, action, page);
            if matches!(action, Action::Char(letter) if keymap::latin(*letter) == 'c') {
                let id = info.message.id.clone();
                model.notice = Some(model.texts.get("copied"));
                return vec![Command::Copy(id)];
            }
        }
        Some(Overlay::Invite(invite)) => match action {
            Action::Next | Action::Previous if invite.to.is_none() => {
                update::open_overlay(model, Overlay::Add(Add::default()))
            }
            Action::Enter => invite.line = !invite.line,
            Action::Char(letter) => match keymap::latin(*letter) {
                'i' => invite.inverted = !invite.inverted,
                'c' => {
                    let text = invite.text.clone();
                    model.notice = text.as_ref().map(|_| model.texts.get("copied"));
                    return text.map(Command::Copy).into_iter().collect();
                }
                _ => {}
            },
            _ => {}
        },
        Some(Overlay::Add(_)) => return add(model, action),
        _ => {}
    }
    Vec::new()
}

fn settings(model: &mut Model, action: &Action) -> Vec<Command> {
    let Some(Overlay::Settings(open)) = model.overlays.last_mut() else { return Vec::new() };
    let last = Setting::ALL.len().saturating_sub(1);
    match action {
        Action::Up | Action::Previous | Action::Wheel(i16::MIN..0) => {
            open.chosen = open.chosen.saturating_sub(1)
        }
        Action::Down | Action::Next | Action::Wheel(_) => open.chosen = (open.chosen + 1).min(last),
        Action::Enter | Action::Right | Action::Left | Action::Char(' ') => {
            let setting = Setting::ALL.get(open.chosen).copied();
            let forward = !matches!(action, Action::Left);
            return setting.map_or_else(Vec::new, |setting| setting.change(model, forward));
        }
        _ => {}
    }
    Vec::new()
}

pub(super) fn scroll(scrolled: &mut usize, action: &Action, page: usize) {
    *scrolled = match action {
        Action::Up => scrolled.saturating_sub(1),
        Action::Down => scrolled.saturating_add(1),
        Action::PageUp => scrolled.saturating_sub(page),
        Action::PageDown => scrolled.saturating_add(page),
        Action::Wheel(rows) => scrolled.saturating_add_signed(isize::from(*rows)),
        Action::Home => 0,
        _ => *scrolled,
    };
}

fn find(model: &mut Model, action: &Action) -> Vec<Command> {
    let Some(Overlay::Find(find)) = model.overlays.last() else { return Vec::new() };
    let rows = find.rows(model);
    let chosen = find.chosen.min(rows.len().saturating_sub(1));
    if matches!(action, Action::Enter) {
        return match rows.get(chosen) {
            Some(Found::Talk(talk)) => match find.forward.clone() {
                Some(id) => forward(model, *talk, id),
                None => update::open_chat(model, *talk),
            },
            Some(Found::Search) => {
                let words = find.query.text().trim().to_owned();
                model.overlays.pop();
                search::open(model, &words)
            }
            Some(Found::Command(key)) => {
                model.overlays.clear();
                let action = COMMANDS.iter().find(|(name, _)| name == key).map(|(_, action)| action.clone());
                match action {
                    // The menu itself is what one goes back from.
                    Some(Action::Back) | None => Vec::new(),
                    Some(action) => update(model, action),
                }
            }
            None => Vec::new(),
        };
    }
    let Some(Overlay::Find(find)) = model.overlays.last_mut() else { return Vec::new() };
    find.chosen = match action {
        Action::Up | Action::Wheel(i16::MIN..0) => chosen.saturating_sub(1),
        Action::Down | Action::Wheel(_) => (chosen + 1).min(rows.len().saturating_sub(1)),
        Action::PageUp => 0,
        Action::PageDown => rows.len().saturating_sub(1),
        key => {
            let before = find.query.text().len();
            update::edit(&mut find.query, key);
            if find.query.text().len() == before { chosen } else { 0 }
        }
    };
    Vec::new()
}

/// Passes a message on.
fn forward(model: &mut Model, talk: Talk, id: String) -> Vec<Command> {
    let Some(request) = talk.forward(id) else { return Vec::new() };
    model.overlays.pop();
    let name = model.talk_name(talk);
    model.notice = Some(model.texts.with("forwarded", &[("name", name.into())]));
    vec![Command::Call(request, Purpose::Passed(talk))]
}

fn add(model: &mut Model, action: &Action) -> Vec<Command> {
    let Some(Overlay::Add(form)) = model.overlays.last_mut() else { return Vec::new() };
    match action {
        Action::Next | Action::Previous | Action::Up | Action::Down => form.on_name = !form.on_name,
        Action::Enter if form.busy => {}
        Action::Enter if form.line.is_blank() => {
            form.on_name = false;
            form.problem = Some(model.texts.get("add-empty"));
        }
        Action::Enter => {
            let (line, name) = (form.line.text(), form.name.text().trim().to_owned());
            let follow = |link: String| Request::Channel(channels::Ask::Follow { link: Secret(link.into()) });
            let join = |link: String| Request::Group(groups::Ask::Join { link: Secret(link.into()), name });
            let request = channel::link(line).map(follow).or_else(|| group::link(line).map(join));
            if let Some(request) = request {
                form.busy = true;
                form.problem = None;
                return vec![Command::Call(request, Purpose::Follow)];
            }
            let (request, purpose) = match Connect::recognise(form.line.text()) {
                Some(Connect::Door(door)) => (Request::AddDoor { door: door.to_string() }, Purpose::AddDoor),
                Some(Connect::Invitation(invitation)) => {
                    let name = form.name.text().trim().to_owned();
                    let text = String::new();
                    (Request::Add { invitation: invitation.to_string(), name, text }, Purpose::Add)
                }
                _ => {
                    form.on_name = false;
                    form.problem = Some(model.texts.get("not-recognised"));
                    return Vec::new();
                }
            };
            form.busy = true;
            form.problem = None;
            return vec![Command::Call(request, purpose)];
        }
        key => {
            form.problem = None;
            update::edit(if form.on_name { &mut form.name } else { &mut form.line }, key);
        }
    }
    Vec::new()
}
