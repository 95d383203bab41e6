//! The closed screen: a passphrase and nothing else, no names, no counter. And the way to close or to destroy everything.

use karvon_node::api::{Request, Secret};

use super::{Action, Model, Overlay, Screen, update};
use crate::command::{Command, Purpose};
use crate::text::edit::Editor;

/// What the closed screen knows.
pub struct Lock {
    /// What is typed.
    pub passphrase: Editor,
    /// A try is being checked.
    pub busy: bool,
    /// What was wrong with the last one.
    pub problem: Option<String>,
    /// A node runs and is asked; else the program tries to start one.
    running: bool,
}

impl Default for Lock {
    fn default() -> Self {
        Self { passphrase: Editor::line(256), busy: false, problem: None, running: false }
    }
}

/// The node forgot its keys: nothing that was read stays in this process either.
pub(super) fn closed(model: &mut Model) {
    model.contacts.clear();
    model.groups.clear();
    model.channels.clear();
    model.members = None;
    model.list.clear();
    model.strangers.clear();
    model.last.clear();
    model.chat = None;
    model.chosen = None;
    model.drafts.clear();
    model.overlays.clear();
    model.outgoing.clear();
    model.sending = false;
    model.notice = None;
    model.status = None;
    "locked".clone_into(&mut model.state);
    model.name.clear();
    if !matches!(&model.screen, Screen::Lock(_)) {
        model.screen = Screen::Lock(Box::new(Lock { running: true, ..Lock::default() }));
    }
}

/// The node was opened: everything is asked for again.
pub(super) fn opened(model: &mut Model) -> Vec<Command> {
    model.screen = Screen::Main;
    model.focus = super::Focus::List;
    update::begin(model)
}

/// Applies a key to the closed screen.
pub(super) fn key(model: &mut Model, action: &Action) -> Vec<Command> {
    let Screen::Lock(lock) = &mut model.screen else { return Vec::new() };
    if lock.busy {
        return Vec::new();
    }
    match action {
        Action::Enter if lock.passphrase.text().is_empty() => {}
        Action::Enter => {
            lock.busy = true;
            lock.problem = None;
            let passphrase = lock.passphrase.take();
            if lock.running {
                let request = Request::Unlock { passphrase: Secret(passphrase) };
                return vec![Command::Call(request, Purpose::Unlock)];
            }
            return vec![Command::Unlock(passphrase)];
        }
        Action::Back => lock.passphrase.set(""),
        key => {
            lock.problem = None;
            update::edit(&mut lock.passphrase, key);
        }
    }
    Vec::new()
}

/// The try failed.
pub(super) fn refused(model: &mut Model, code: &str) {
    let sentence = model.texts.error(code);
    if let Screen::Lock(lock) = &mut model.screen {
        lock.busy = false;
        lock.problem = Some(sentence);
    }
}

/// Asks to destroy everything: only after a word was written.
pub struct Wipe {
    /// What is written.
    pub word: Editor,
}

impl Default for Wipe {
    fn default() -> Self {
        Self { word: Editor::line(64) }
    }
}

/// Applies a key to that question.
pub(super) fn wipe_key(model: &mut Model, action: &Action) -> Vec<Command> {
    let wanted = model.texts.get("wipe-word").to_lowercase();
    let Some(Overlay::Wipe(wipe)) = model.overlays.last_mut() else { return Vec::new() };
    match action {
        Action::Enter if wipe.word.text().trim().to_lowercase() == wanted => {
            return vec![Command::Call(Request::Wipe, Purpose::Wipe)];
        }
        Action::Enter => {}
        key => {
            update::edit(&mut wipe.word, key);
        }
    }
    Vec::new()
}
