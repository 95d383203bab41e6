//! The first start: language, name, lock, connection.

use super::overlay::{LINE_MAX, NAME_MAX};
use crate::lang::Lang;
use crate::text::edit::Editor;

/// Shortest passphrase, in characters.
pub const PASSPHRASE_MIN: usize = 8;

/// A step of the wizard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Language and glyphs.
    Language,
    /// Name shown to contacts.
    Name,
    /// Passphrase or none.
    Lock,
    /// Door, invitation, demo or later.
    Connect,
}

impl Step {
    /// All, in order.
    pub const ALL: [Self; 4] = [Self::Language, Self::Name, Self::Lock, Self::Connect];

    /// Place in the order, from 0.
    #[must_use]
    pub fn number(self) -> usize {
        Self::ALL.iter().position(|step| *step == self).unwrap_or(0)
    }
}

/// How the first connection is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A pasted door or invitation.
    Paste,
    /// Demo in this process.
    Demo,
    /// Nothing yet.
    Later,
}

/// What was chosen so far.
pub struct Wizard {
    /// Step on the screen.
    pub step: Step,
    /// Language.
    pub lang: Lang,
    /// Name.
    pub name: Editor,
    /// A passphrase locks the profile.
    pub locked: bool,
    /// Passphrase and its repetition.
    pub passphrase: [Editor; 2],
    /// Which field of the lock step takes keys: 0 the choice, 1 and 2 the passphrase.
    pub field: usize,
    /// Chosen way.
    pub way: Way,
    /// The pasted line.
    pub line: Editor,
    /// Key of the sentence that says what is wrong.
    pub problem: Option<&'static str>,
}

impl Wizard {
    /// The first step, with a guessed language.
    #[must_use]
    pub fn new(lang: Lang) -> Self {
        Self {
            step: Step::Language,
            lang,
            name: Editor::line(NAME_MAX),
            locked: true,
            passphrase: [Editor::line(256), Editor::line(256)],
            field: 0,
            way: Way::Paste,
            line: Editor::line(LINE_MAX),
            problem: None,
        }
    }

    /// The text field that takes keys.
    pub fn editor(&mut self) -> Option<&mut Editor> {
        match self.step {
            Step::Language => None,
            Step::Name => Some(&mut self.name),
            Step::Lock => self.passphrase.get_mut(self.field.checked_sub(1)?),
            Step::Connect => (self.way == Way::Paste).then_some(&mut self.line),
        }
    }
}
