//! Windows over the panes: the menu, search, add, own invitation, message, contact, settings, doctor, help.

use karvon_node::api::fold::{Query, score};
use karvon_node::api::groups::{Recipient, Standing};
use karvon_node::api::{DoorInfo, Message, NetCheck, State, Trail};

use super::address::Address;
use super::channel::{About, New};
use super::details::Details;
use super::file::Attach;
use super::gather::Gather;
use super::group::Members;
use super::lock::Wipe;
use super::search::Search;
use super::settings::Settings;
use super::wifi::Wifi;
use super::{Action, Model, Talk};
use crate::text::edit::Editor;

/// Longest line that can be pasted as a door or an invitation, bytes.
pub const LINE_MAX: usize = 4_096;
/// Longest name, bytes.
pub const NAME_MAX: usize = 64;

/// A window over the panes.
pub enum Overlay {
    /// Find a person or a command.
    Find(Find),
    /// Search in all messages.
    Search(Box<Search>),
    /// Add a person or a door by a pasted line.
    Add(Add),
    /// An own invitation.
    Invite(Invite),
    /// What can be done with the selected message; the chosen row.
    Menu(usize),
    /// Which sign to put on the message with this id; the chosen row.
    React(String, usize),
    /// Whether to take back the message with this id.
    Delete(String),
    /// The way of a message.
    Info(Box<Info>),
    /// Which file to send.
    Attach(Box<Attach>),
    /// Whether to destroy everything.
    Wipe(Wipe),
    /// About a contact.
    Details(Box<Details>),
    /// Requests of strangers and invitations into groups; the chosen row.
    Strangers(usize),
    /// The published address.
    Address(Address),
    /// Contacts on the same Wi-Fi.
    Wifi(Wifi),
    /// Who is to be invited into a group.
    Gather(Box<Gather>),
    /// About a group.
    Group(Box<Members>),
    /// About a channel.
    Channel(About),
    /// Make a channel.
    NewChannel(New),
    /// Settings.
    Settings(Settings),
    /// Why does it not connect?
    Doctor(Doctor),
    /// Keys and signs; rows scrolled.
    Help(usize),
}

/// The menu: everything that can be done, by name.
pub struct Find {
    /// What was typed.
    pub query: Editor,
    /// Chosen row.
    pub chosen: usize,
    /// Id of a message that goes to the person or group that is chosen; then only those are shown.
    pub forward: Option<String>,
}

/// A row of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A conversation.
    Talk(Talk),
    /// A command: its key in the languages' files.
    Command(&'static str),
    /// Search the messages for what was typed.
    Search,
}

/// Commands of the menu and what they do.
pub const COMMANDS: [(&str, Action); 21] = [
    ("command-add", Action::Add),
    ("command-invite", Action::Invite),
    ("command-search", Action::Search),
    ("command-unread", Action::NextUnread),
    ("command-requests", Action::Requests),
    ("command-address", Action::Address),
    ("command-group", Action::NewGroup),
    ("command-channel", Action::NewChannel),
    ("command-details", Action::Details),
    ("command-file", Action::File),
    ("command-editor", Action::Editor),
    ("command-start", Action::First),
    ("command-newest", Action::Newest),
    ("command-wifi", Action::Wifi),
    ("command-doctor", Action::Doctor),
    ("command-settings", Action::Settings),
    ("command-lock", Action::Lock),
    ("command-wipe", Action::Wipe),
    ("command-help", Action::Help),
    ("command-back", Action::Back),
    ("command-quit", Action::Quit),
];

/// Whether a command can do anything now.
fn makes_sense(action: &Action, model: &Model) -> bool {
    match action {
        Action::Editor | Action::File | Action::First | Action::Newest => model.chat.is_some(),
        Action::Details => !model.list.is_empty(),
        Action::NewGroup => !model.contacts.is_empty(),
        _ => true,
    }
}

/// Whether a message can be passed on to it: people, and groups one is in.
fn takes_forwarded(model: &Model, talk: Talk) -> bool {
    match talk {
        Talk::Person(_) => true,
        Talk::Group(number) => model.group(number).is_some_and(|group| group.standing == Standing::In),
        Talk::Channel(_) => false,
    }
}

impl Default for Find {
    fn default() -> Self {
        Self { query: Editor::line(200), chosen: 0, forward: None }
    }
}

impl Find {
    /// Rows that match what was typed. Nothing typed: commands, then conversations. Else the best match first, conversations before commands that
    /// match as well; at the end the search in messages, so that Enter never surprises.
    #[must_use]
    pub fn rows(&self, model: &Model) -> Vec<Found> {
        let typed = self.query.text().trim();
        let query = Query::new(typed);
        let commands =
            COMMANDS.iter().filter(|(_, action)| self.forward.is_none() && makes_sense(action, model));
        let commands = commands.map(|(key, _)| (model.texts.get(key), Found::Command(key)));
        let talks = model.list.iter().filter(|talk| self.forward.is_none() || takes_forwarded(model, **talk));
        let people = talks.map(|talk| (model.talk_name(*talk), Found::Talk(*talk)));
        if typed.is_empty() {
            return commands.chain(people).map(|(_, row)| row).collect();
        }
        let mut matching: Vec<(i32, Found)> = people
            .chain(commands)
            .filter_map(|(name, row)| {
                // What contains the words as they stand goes before what only has their letters.
                let whole = if query.matches(&name) { 10_000 } else { 0 };
                score(&name, typed).or((whole > 0).then_some(0)).map(|score| (whole + score, row))
            })
            .collect();
        matching.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        let mut rows: Vec<Found> = matching.into_iter().map(|(_, row)| row).collect();
        if self.forward.is_none() {
            rows.push(Found::Search);
        }
        rows
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

/// An own invitation, or a link to a channel or group.
#[derive(Default)]
pub struct Invite {
    /// The channel or group whose link it is.
    pub to: Option<Talk>,
    /// One line, once it is made.
    pub text: Option<String>,
    /// RFC 3339.
    pub expires: String,
    /// The line is shown where there is no room for both it and the square.
    pub line: bool,
    /// All own doors are behind transports, which an invitation does not name.
    pub behind: bool,
    /// Dark and light are swapped, for light terminals.
    pub inverted: bool,
    /// Why there is none.
    pub problem: Option<String>,
}

/// The page of a message.
pub struct Info {
    /// The message as the conversation shows it.
    pub message: Message,
    /// The conversation it is in.
    pub talk: Talk,
    /// How far it is, once the node answered.
    pub answer: Option<Way>,
    /// Why there is none.
    pub problem: Option<String>,
    /// Rows scrolled.
    pub scrolled: usize,
}

/// How far a message is.
pub enum Way {
    /// With a person: its state and its way step by step.
    Steps(State, Vec<Trail>),
    /// In a group.
    Members {
        /// Its state.
        state: State,
        /// Members who have it on disk.
        delivered: u32,
        /// Members it is for; 0 where nobody is told.
        of: u32,
        /// Own messages: with whom it is how far, as far as that is known.
        recipients: Vec<Recipient>,
    },
}

/// Why it does not connect, or that it does.
#[derive(Debug, Default)]
pub struct Doctor {
    /// The doors, once the node answered.
    pub doors: Option<Vec<DoorInfo>>,
    /// A check is under way.
    pub testing: bool,
    /// What the last check found.
    pub found: Option<NetCheck>,
    /// The report of it is shown.
    pub report: bool,
    /// Rows scrolled.
    pub scrolled: usize,
}
