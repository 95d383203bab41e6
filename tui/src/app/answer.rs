//! What the node answers and tells.

use karvon_node::api::{ApiError, Event, Message, Request, Response, channels, groups};

use super::chat::{self, TEXT_MAX};
use super::overlay::Way;
use super::talk::{Counts, Talk};
use super::{Model, Outgoing, Overlay, Screen, address, rooms, talk, update, wifi};
use crate::command::{Command, Purpose};
use crate::text::edit::Editor;

/// Puts an answer where it belongs.
pub(super) fn answer(
    model: &mut Model,
    purpose: Purpose,
    result: Result<Response, ApiError>,
) -> Vec<Command> {
    let mut commands = Vec::new();
    if matches!(model.screen, Screen::Lock(_)) && !matches!(purpose, Purpose::Unlock | Purpose::Lock) {
        // What was asked before everything was closed is not shown any more.
        let _ = landed(model, &purpose);
        return commands;
    }
    let (expected, again) = landed(model, &purpose);
    let repeated = again.then(|| purpose.clone());
    let (result, counts) = match result {
        Ok(response) => {
            let (response, counts) = talk::plain(model, response);
            (Ok(response), counts)
        }
        Err(error) => (Err(error), Counts::new()),
    };
    match (purpose, result) {
        (Purpose::Hello, Ok(Response::Hello { name, .. })) => model.name = name,
        (Purpose::Status, Ok(Response::Status(status))) => {
            model.state.clone_from(&status.state);
            model.name.clone_from(&status.name);
            model.status = Some(status);
        }
        (Purpose::Contacts, Ok(Response::Contacts { contacts })) => {
            model.contacts = contacts;
            model.sort();
        }
        (Purpose::Recent, Ok(Response::Messages { messages, .. })) => {
            for message in &messages {
                model.note_last(Talk::Person(message.contact), message);
            }
            model.sort();
        }
        (purpose, Ok(Response::Messages { messages, more })) => match purpose.talk() {
            Some(talk) if !expected || matches!(purpose, Purpose::Latest(_)) => {
                // A conversation that was left meanwhile: its newest message is still news for the list.
                messages.last().into_iter().for_each(|message| model.note_last(talk, message));
                talk::settle(model);
                model.sort();
            }
            Some(talk) => page(model, talk, &purpose, messages, more, counts),
            None => {}
        },
        (Purpose::Sent, Ok(Response::Queued { .. })) => {
            let sent = update::sent(model);
            commands.extend(update::send_next(model));
            if let Some(sent) = sent {
                commands.extend(after(model, sent.talk));
                // How far the entries of an own channel are is told of the channel as a whole.
                if sent.talk.channel().is_some() {
                    update::refresh_channels(model, &mut commands);
                }
            }
        }
        (Purpose::Sent, result) => refused(model, result.err()),
        (Purpose::Search, result) => {
            let found = match result {
                Ok(Response::Found { messages, more }) => Some((talk::found(model, messages), more)),
                Ok(_) => None,
                Err(error) => {
                    model.notice = Some(model.texts.error(&error.code));
                    None
                }
            };
            let search = model.overlays.iter_mut().find_map(|overlay| match overlay {
                Overlay::Search(search) => Some(search),
                _ => None,
            });
            if let Some(search) = search {
                commands.extend(search.answered(found));
                if let Some((talk, position)) = search.awaited() {
                    commands.extend(update::open_at(model, talk, position));
                }
            }
        }
        (Purpose::Requests, Ok(Response::Requests { requests, .. })) => {
            super::strangers::answered(model, requests);
        }
        (Purpose::Doors, Ok(Response::Doors { doors })) => {
            for overlay in &mut model.overlays {
                match overlay {
                    Overlay::Doctor(doctor) => doctor.doors = Some(doors.clone()),
                    Overlay::Invite(invite) if invite.to.is_none() => {
                        invite.behind =
                            !doors.is_empty() && doors.iter().all(|door| door.transport.is_some());
                        // Beside the line there is room for the warning.
                        invite.line |= invite.behind;
                    }
                    _ => {}
                }
            }
        }
        (Purpose::NetCheck, Ok(Response::NetCheck { running, found })) => {
            for overlay in &mut model.overlays {
                if let Overlay::Doctor(doctor) = overlay {
                    doctor.testing = running;
                    doctor.found = found.clone().or(doctor.found.take());
                }
            }
        }
        (Purpose::Passed(talk), Ok(_)) => commands.extend(after(model, talk)),
        (Purpose::Changed, Ok(_)) => {
            update::refresh(model, &mut commands);
            // A new time for messages stands in the conversation itself.
            commands.extend(model.chat.as_mut().filter(|chat| !chat.newer).and_then(update::newer));
        }
        (Purpose::Again(_), Ok(Response::Message(message))) => {
            // Another conversation, opened meanwhile, has no message with this id.
            if let Some(chat) = &mut model.chat {
                chat.changed(*message);
            }
        }
        (Purpose::Again(id), Err(error)) if error.code == "no_such_message" => {
            if let Some(chat) = &mut model.chat {
                chat.gone(&id);
            }
        }
        (Purpose::Again(_) | Purpose::Silent, _) => {}
        (Purpose::Rename, Ok(_)) => {
            model.notice = Some(model.texts.get("renamed"));
            update::refresh(model, &mut commands);
        }
        (Purpose::Unlock, Err(error)) => super::lock::refused(model, &error.code),
        // An event says it as well; whichever comes first opens the screen.
        (Purpose::Unlock, Ok(_)) if matches!(model.screen, Screen::Lock(_)) => {
            commands.extend(super::lock::opened(model));
        }
        (Purpose::Lock, Ok(_)) => super::lock::closed(model),
        (Purpose::Wipe, Ok(_)) => commands.push(Command::Quit),
        (Purpose::Safety(contact), Ok(Response::Safety { number, .. })) => {
            for overlay in &mut model.overlays {
                if let Overlay::Details(details) = overlay
                    && details.contact == contact
                {
                    details.safety = Some(number.clone());
                }
            }
        }
        // Before the first answer of the other side there is no number.
        (Purpose::Safety(_), Err(_)) => {}
        (Purpose::File, Ok(Response::File { name, data, .. })) => {
            commands.push(Command::SaveFile(name, data.into()));
        }
        (Purpose::Marked(talk), Ok(_)) => match talk {
            Talk::Person(_) => update::refresh(model, &mut commands),
            Talk::Group(_) => update::refresh_groups(model, &mut commands),
            Talk::Channel(_) => update::refresh_channels(model, &mut commands),
        },
        (Purpose::Invite | Purpose::Link, result) => invited(model, result),
        (Purpose::Wifi, result) => commands.extend(wifi::answered(model, result)),
        (Purpose::Address, result) => commands.extend(address::answered(model, result)),
        (Purpose::Add, Ok(Response::Added { contact })) => {
            model.overlays.retain(|overlay| !matches!(overlay, Overlay::Add(_)));
            update::refresh(model, &mut commands);
            commands.extend(update::open_chat(model, Talk::Person(contact)));
            model.notice = Some(model.texts.get("added"));
        }
        (Purpose::AddDoor, Ok(_)) => {
            model.overlays.retain(|overlay| !matches!(overlay, Overlay::Add(_)));
            model.notice = Some(model.texts.get("door-added"));
            update::refresh(model, &mut commands);
        }
        (Purpose::Add | Purpose::AddDoor, Err(error)) => {
            let sentence = model.texts.error(&error.code);
            match model
                .overlays
                .iter_mut()
                .find_map(|overlay| if let Overlay::Add(form) = overlay { Some(form) } else { None })
            {
                Some(form) => {
                    form.busy = false;
                    form.problem = Some(sentence);
                }
                None => model.notice = Some(sentence),
            }
        }
        (Purpose::Info(id), result) => informed(model, &id, result),
        (
            purpose @ (Purpose::Groups
            | Purpose::Channels
            | Purpose::Members(_)
            | Purpose::Founded(_)
            | Purpose::Follow
            | Purpose::Joined
            | Purpose::Group(_)
            | Purpose::Left(_)),
            result,
        ) => commands.extend(rooms::answer(model, purpose, result)),
        (_, Err(error)) => model.notice = Some(model.texts.error(&error.code)),
        (_, Ok(_)) => {}
    }
    if let Some(purpose) = repeated {
        repeat(model, &purpose, &mut commands);
    }
    commands
}

/// A call that flies once at a time has come back: whether it was asked for by what is shown now, and whether it must be repeated.
fn landed(model: &mut Model, purpose: &Purpose) -> (bool, bool) {
    let call = match purpose {
        Purpose::Contacts => &mut model.contacts_call,
        Purpose::Groups => &mut model.groups_call,
        Purpose::Channels => &mut model.channels_call,
        Purpose::Status => &mut model.status_call,
        Purpose::Newest(talk) | Purpose::Jump(talk, _) | Purpose::First(talk) => {
            let Some(chat) = model.chat.as_mut().filter(|chat| chat.talk == *talk) else {
                return (false, false);
            };
            if matches!(purpose, Purpose::Newest(_)) { &mut chat.newest_call } else { &mut chat.jump_call }
        }
        Purpose::Older(_, window) | Purpose::Newer(_, window) | Purpose::Marks(_, window) => {
            let Some(chat) = model.chat.as_mut().filter(|chat| chat.window == *window) else {
                return (false, false);
            };
            match purpose {
                Purpose::Older(..) => &mut chat.older_call,
                Purpose::Marks(..) => &mut chat.marks_call,
                _ => &mut chat.newer_call,
            }
        }
        _ => return (true, false),
    };
    let expected = call.flying;
    (expected, call.done())
}

/// Repeats a call during which more has happened.
fn repeat(model: &mut Model, purpose: &Purpose, commands: &mut Vec<Command>) {
    match purpose {
        // Each only itself: were both asked for again by either, they would keep each other flying for ever.
        Purpose::Contacts => update::refresh_contacts(model, commands),
        Purpose::Groups => update::refresh_groups(model, commands),
        Purpose::Channels => update::refresh_channels(model, commands),
        Purpose::Status => update::refresh_status(model, commands),
        Purpose::Marks(..) => commands.extend(model.chat.as_mut().and_then(update::marks)),
        Purpose::Jump(..) => {}
        Purpose::First(_) => commands.extend(update::first(model)),
        _ => commands.extend(model.chat.as_mut().and_then(update::newer)),
    }
}

fn page(
    model: &mut Model,
    talk: Talk,
    purpose: &Purpose,
    messages: Vec<Message>,
    more: bool,
    counts: Counts,
) {
    let newest = messages.last().cloned();
    let window = model.windows + 1;
    let Some(chat) = &mut model.chat else { return };
    if matches!(purpose, Purpose::Newest(_) | Purpose::Jump(..) | Purpose::First(_)) {
        chat.counts.clear();
    }
    chat.counts.extend(counts);
    match purpose {
        Purpose::Marks(..) => messages.into_iter().for_each(|message| chat.changed(message)),
        Purpose::Newest(_) => chat.replace(messages, more),
        Purpose::Older(..) => chat.prepend(messages, more),
        Purpose::Newer(..) => chat.append(messages, more),
        Purpose::Jump(_, position) => chat.jump(messages, more, true, *position),
        Purpose::First(_) => {
            let first = messages.first().map_or(0, |message| message.position);
            chat.jump(messages, false, more, first);
        }
        _ => return,
    }
    if !matches!(purpose, Purpose::Older(..) | Purpose::Newer(..) | Purpose::Marks(..)) {
        chat.renumber(window);
        model.windows = window;
        super::scroll::reveal(model);
    }
    if let Some(message) = newest {
        model.note_last(talk, &message);
        model.sort();
    }
    // Entries of an own channel that come from elsewhere in it are own ones as well.
    if matches!(purpose, Purpose::Older(..) | Purpose::Jump(..) | Purpose::First(_)) {
        talk::settle(model);
    }
}

/// New messages are in a conversation: the open one asks for them, of the others the list asks for the newest.
pub(super) fn after(model: &mut Model, talk: Talk) -> Option<Command> {
    match model.chat.as_mut().filter(|chat| chat.talk == talk) {
        // Away from the end only the list learns of it; scrolling down brings it.
        Some(chat) if chat.newer => Some(latest(talk)),
        Some(chat) => update::newer(chat),
        None => Some(latest(talk)),
    }
}

/// Asks for the newest message of a conversation, for the list.
pub(super) fn latest(talk: Talk) -> Command {
    Command::Call(talk.page(talk::Part::Newest, 1), Purpose::Latest(talk))
}

/// The node did not take the text: it goes back to where it was written, before what was written since.
fn refused(model: &mut Model, error: Option<ApiError>) {
    let code = error.map_or_else(|| "unavailable".to_owned(), |error| error.code);
    model.notice = Some(model.texts.error(&code));
    update::sent(model).into_iter().chain(std::mem::take(&mut model.outgoing)).for_each(|outgoing| {
        let Outgoing { talk, text, about } = outgoing;
        if let Some(chat) = model.chat.as_mut().filter(|chat| chat.talk == talk) {
            chat.about = about;
        }
        let editor = match model.chat.as_mut().filter(|chat| chat.talk == talk) {
            Some(chat) => &mut chat.composer,
            None => model.drafts.entry(talk).or_insert_with(|| Editor::lines(TEXT_MAX)),
        };
        let written = editor.take();
        let joined = if written.trim().is_empty() { text } else { format!("{text}\n{}", *written) };
        editor.set(&joined);
    });
}

fn invited(model: &mut Model, result: Result<Response, ApiError>) {
    let problem = result.as_ref().err().map(|error| model.texts.error(&error.code));
    let Some(Overlay::Invite(invite)) =
        model.overlays.iter_mut().find(|overlay| matches!(overlay, Overlay::Invite(_)))
    else {
        return;
    };
    invite.problem = problem;
    match result {
        Ok(Response::Invitation { text, expires, .. }) => {
            invite.text = Some(crate::text::one_line(&text));
            invite.expires = expires;
        }
        Ok(
            Response::Channel(channels::Told::Link { link }) | Response::Group(groups::Told::Link { link }),
        ) => invite.text = Some(crate::text::one_line(&link.0)),
        _ => {}
    }
}

/// Asks once more how far the message is whose page is open, if it is one of this conversation.
pub(super) fn inform_again(model: &Model, talk: Talk) -> Option<Command> {
    let shown = model.overlays.iter().find_map(|overlay| match overlay {
        Overlay::Info(info) if info.talk == talk => Some(info.message.id.clone()),
        _ => None,
    });
    shown.map(|id| Command::Call(Request::Info { id: id.clone() }, Purpose::Info(id)))
}

fn informed(model: &mut Model, id: &str, result: Result<Response, ApiError>) {
    let problem = result.as_ref().err().map(|error| model.texts.error(&error.code));
    for overlay in &mut model.overlays {
        if let Overlay::Info(info) = overlay
            && info.message.id == id
        {
            info.problem.clone_from(&problem);
            match &result {
                Ok(Response::Info { state, trail, .. }) => {
                    info.answer = Some(Way::Steps(*state, trail.clone()));
                }
                Ok(Response::Group(groups::Told::Message { state, delivered, of, recipients, .. })) => {
                    info.answer = Some(Way::Members {
                        state: *state,
                        delivered: *delivered,
                        of: *of,
                        recipients: recipients.clone(),
                    });
                }
                _ => {}
            }
        }
    }
}

/// A file was handed to the node, or could not be.
pub(super) fn file_sent(model: &mut Model, talk: Talk, result: Result<(), String>) -> Vec<Command> {
    let problem = result.err().map(|code| match code.as_str() {
        "too_long" => model.texts.get("file-too-long"),
        "empty" => model.texts.get("file-empty"),
        code => model.texts.error(code),
    });
    let open = model.overlays.iter_mut().find_map(|overlay| match overlay {
        Overlay::Attach(attach) => Some(attach),
        _ => None,
    });
    match (problem, open) {
        (Some(problem), Some(attach)) => {
            attach.busy = false;
            attach.problem = Some(problem);
        }
        (Some(problem), None) => model.notice = Some(problem),
        (None, _) => {
            model.overlays.retain(|overlay| !matches!(overlay, Overlay::Attach(_)));
            return after(model, talk).into_iter().collect();
        }
    }
    Vec::new()
}

/// Takes an event into account.
pub(super) fn event(model: &mut Model, event: Event) -> Vec<Command> {
    let mut commands: Vec<Command> = super::alert::alert(model, &event).into_iter().collect();
    match event {
        Event::Network { state, .. } => {
            model.state = state;
            update::refresh_status(model, &mut commands);
        }
        Event::NetCheck if model.overlays.iter().any(|overlay| matches!(overlay, Overlay::Doctor(_))) => {
            commands.push(Command::Call(Request::NetCheck { begin: false }, Purpose::NetCheck));
            commands.push(Command::Call(Request::Doors, Purpose::Doors));
            update::refresh_status(model, &mut commands);
        }
        Event::NetCheck => {}
        Event::Near | Event::Data => update::refresh_status(model, &mut commands),
        Event::Contact { .. } => update::refresh(model, &mut commands),
        Event::Requests => commands.push(super::strangers::ask()),
        Event::Received { contact, .. } => {
            model.typing = model.typing.filter(|(typing, _)| *typing != contact);
            commands.extend(after(model, Talk::Person(contact)));
            update::refresh(model, &mut commands);
        }
        Event::Delivery { contact, delivered_below, stored, read_upto } => {
            if let Some(chat) = model.chat.as_mut().filter(|chat| chat.talk == Talk::Person(contact)) {
                chat.delivery(delivered_below, &stored, read_upto);
            }
            if let Some(last) = model
                .last
                .get_mut(&Talk::Person(contact))
                .filter(|last| last.state != karvon_node::api::State::Received)
            {
                last.state = chat::advanced(last.state, last.seq, delivered_below, &stored, read_upto);
            }
            commands.extend(inform_again(model, Talk::Person(contact)));
        }
        Event::Group(event) => commands.extend(rooms::of_group(model, &event)),
        Event::Channel(event) => commands.extend(rooms::of_channel(model, &event)),
        // Nothing that was read stays on the screen of a locked node.
        Event::Locked => super::lock::closed(model),
        Event::Unlocked if matches!(model.screen, Screen::Lock(_)) => {
            commands.extend(super::lock::opened(model));
        }
        Event::Typing { contact } => {
            let count = model.typing.map_or(0, |(_, count)| count) + 1;
            model.typing = Some((contact, count));
            commands.push(Command::Later(contact, count));
        }
        Event::Renumbered { contact, id, new_id, old_seq, seq } => {
            let own = |last: &&mut super::Last| last.state != karvon_node::api::State::Received;
            if let Some(last) =
                model.last.get_mut(&Talk::Person(contact)).filter(own).filter(|last| last.seq == old_seq)
            {
                last.seq = seq;
            }
            if let Some(chat) = model.chat.as_mut().filter(|chat| chat.talk == Talk::Person(contact)) {
                chat.rename(&id, new_id, seq);
            }
        }
        Event::Changed { contact, id } => {
            if model.chat.as_ref().is_some_and(|chat| chat.talk == Talk::Person(contact)) {
                commands.push(Command::Call(Request::Message { id: id.clone() }, Purpose::Again(id)));
            }
        }
        Event::Lagged | Event::Unlocked => {
            commands.push(update::recent());
            commands.extend(rooms::again(model));
            commands.push(super::strangers::ask());
            update::refresh_all(model, &mut commands);
            if let Some(chat) = &mut model.chat {
                // What is on the screen may have changed anywhere in the window.
                commands.extend(update::newest(chat));
            }
        }
    }
    commands
}
