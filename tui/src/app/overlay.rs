//! Windows over the panes: find, add, own invitation, message info, help.

use karvon_node::api::{Message, State, Trail};

use super::{Action, Model};
use crate::text::{edit::Editor, fold};

/// Longest line that can be pasted as a door or an invitation, bytes.
pub const LINE_MAX: usize = 4_096;
/// Longest name, bytes.
pub const NAME_MAX: usize = 64;

/// A window over the panes.
pub enum Overlay {
    /// Find a person or a command.
    Find(Find),
    /// Add a person or a door by a pasted line.
    Add(Add),
    /// An own invitation.
    Invite(Invite),
    /// The way of a message.
    Info(Box<Info>),
    /// Keys and signs; rows scrolled.
    Help(usize),
}

/// The menu: everything that can be done, by name.
pub struct Find {
    /// What was typed.
    pub query: Editor,
    /// Chosen row.
    pub chosen: usize,
}

/// A row of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A person.
    Contact(u32),
    /// A command: its key in the languages' files.
    Command(&'static str),
}

/// Commands of the menu and what they do.
pub const COMMANDS: [(&str, Action); 6] = [
    ("command-add", Action::Add),
    ("command-invite", Action::Invite),
    ("command-unread", Action::NextUnread),
    ("command-help", Action::Help),
    ("command-back", Action::Back),
    ("command-quit", Action::Quit),
];

impl Default for Find {
    fn default() -> Self {
        Self { query: Editor::line(200), chosen: 0 }
    }
}

impl Find {
    /// Rows that match what was typed: people first once something was typed, else commands first.
    #[must_use]
    pub fn rows(&self, model: &Model) -> Vec<Found> {
        let query = self.query.text().trim();
        let people = model.contacts.iter().filter(|contact| fold::contains(&contact.name, query));
        let people = people.map(|contact| Found::Contact(contact.contact));
        let commands = COMMANDS.iter().filter(|(key, _)| fold::contains(&model.texts.get(key), query));
        let commands = commands.map(|(key, _)| Found::Command(key));
        if query.is_empty() { commands.chain(people).collect() } else { people.chain(commands).collect() }
    }
}

/// Adding a person or a door.
pub struct Add {
    /// The pasted line.
    pub line: Editor,
    /// Name for the person.
    pub name: Editor,
    /// The name takes keys, not the line.
    pub on_name: bool,
    /// The node is at it.
    pub busy: bool,
    /// What was wrong.
    pub problem: Option<String>,
}

impl Default for Add {
    fn default() -> Self {
        Self {
            line: Editor::line(LINE_MAX),
            name: Editor::line(NAME_MAX),
            on_name: false,
            busy: false,
            problem: None,
        }
    }
}

/// An own invitation.
#[derive(Default)]
pub struct Invite {
    /// One line, once it is made.
    pub text: Option<String>,
    /// RFC 3339.
    pub expires: String,
    /// Dark and light are swapped, for light terminals.
    pub inverted: bool,
    /// Why there is none.
    pub problem: Option<String>,
}

/// The way of a message.
pub struct Info {
    /// The message as the conversation shows it.
    pub message: Message,
    /// State and way, once the node answered.
    pub answer: Option<(State, Vec<Trail>)>,
    /// Why there is none.
    pub problem: Option<String>,
    /// Rows scrolled.
    pub scrolled: usize,
}
