//! The closed screen: a passphrase and nothing else, no names, no counter.

use super::{Action, Model, Screen};
use crate::command::Command;
use crate::text::edit::Editor;

/// What the closed screen knows.
pub struct Lock {
    /// What is typed.
    pub passphrase: Editor,
    /// A try is being checked.
    pub busy: bool,
    /// What was wrong with the last one.
    pub problem: Option<String>,
}

impl Default for Lock {
    fn default() -> Self {
        Self { passphrase: Editor::line(256), busy: false, problem: None }
    }
}

/// Applies a key to it.
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
            return vec![Command::Unlock(lock.passphrase.take())];
        }
        Action::Back => lock.passphrase.set(""),
        key => {
            lock.problem = None;
            super::update::edit(&mut lock.passphrase, key);
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
