//! The model of the screen: what is shown and nothing more; the truth lies in the node.

pub mod address;
pub mod alert;
mod answer;
pub mod channel;
pub mod chat;
mod chat_keys;
pub mod details;
pub mod file;
#[cfg(test)]
mod found_stories;
pub mod gather;
pub mod group;
pub mod hints;
pub mod lock;
pub mod menu;
pub mod overlay;
mod overlay_keys;
#[cfg(test)]
mod room_stories;
mod rooms;
mod scroll;
pub mod search;
pub mod settings;
#[cfg(test)]
mod stories;
#[cfg(test)]
pub(crate) mod story;
pub mod strangers;
pub mod talk;
#[cfg(test)]
mod talk_stories;
mod update;
pub mod wifi;
pub mod wizard;
mod wizard_keys;

use std::collections::{BTreeMap, VecDeque};

use karvon_node::api::channels::Channel;
use karvon_node::api::groups::{Group, Member};
use karvon_node::api::{ApiError, Contact, Event, Meeting, Message, Response, State, Status, Stranger};

use crate::command::Purpose;
use crate::lang::{Lang, Texts};
use crate::text::{edit::Editor, time::Zone};
use crate::theme::Theme;
pub use chat::Chat;
pub use overlay::Overlay;
pub use talk::Talk;
pub use update::{begin, update};
pub use wizard::Wizard;
use zeroize::Zeroizing;

/// From this width on the list and the conversation stand side by side.
pub const TWO_PANES: u16 = 60;
/// From this width on what is known about the contact stands beside them.
pub const THREE_PANES: u16 = 100;

/// Something that happened: a key, an answer, an event. There is no `Debug`: keys spell passphrases.
#[derive(Clone)]
pub enum Action {
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// One character to the left.
    Left,
    /// One character to the right.
    Right,
    /// One word to the left.
    WordLeft,
    /// One word to the right.
    WordRight,
    /// Start of the line.
    Home,
    /// End of the line.
    End,
    /// One page up.
    PageUp,
    /// One page down.
    PageDown,
    /// Choose, send, go on.
    Enter,
    /// New line in the composer.
    NewLine,
    /// Back; from the top, the menu.
    Back,
    /// Next field or pane.
    Next,
    /// Previous field or pane.
    Previous,
    /// Erase the character before the cursor.
    Backspace,
    /// Erase the character after the cursor.
    Delete,
    /// Erase the line before the cursor.
    EraseLine,
    /// Erase the word before the cursor.
    EraseWord,
    /// A letter as typed.
    Char(char),
    /// Text the terminal says was pasted.
    Paste(String),
    /// Find a person or a command.
    Find,
    /// Go to the next conversation with unseen messages.
    NextUnread,
    /// Requests of strangers, and invitations into groups.
    Requests,
    /// Make a group of contacts.
    NewGroup,
    /// Make a channel.
    NewChannel,
    /// Search in all messages.
    Search,
    /// Go to the first message.
    First,
    /// Go to the newest message.
    Newest,
    /// About the contact, the group or the channel.
    Details,
    /// Settings.
    Settings,
    /// Why does it not connect?
    Doctor,
    /// Send a file.
    File,
    /// Close everything now.
    Lock,
    /// Destroy everything, after a question.
    Wipe,
    /// Nobody has typed for a while: contact and the count of its typing.
    Quiet(u32, u64),
    /// A folder was read for the choice of a file.
    Listed(String, Vec<file::Entry>),
    /// A file was read and handed to the node, or why not.
    FileSent(Talk, Result<(), String>),
    /// A file was saved at this path, or why not.
    FileSaved(Result<String, String>),
    /// Write in the person's editor.
    Editor,
    /// A text comes back from the editor; `None` when it could not be used.
    Edited(Option<Zeroizing<String>>),
    /// A setting could not be written.
    Unsaved,
    /// The terminal has (true) or lost the person's attention.
    Focused(bool),
    /// Add a person or a door.
    Add,
    /// Show an own invitation.
    Invite,
    /// Show the published address.
    Address,
    /// Show local networks and who is there.
    Wifi,
    /// Keys and signs.
    Help,
    /// Leave.
    Quit,
    /// The terminal has this many columns and rows.
    Resize(u16, u16),
    /// A tap or click on this column and row.
    Click(u16, u16),
    /// The wheel: rows up (negative) or down.
    Wheel(i16),
    /// The node answered.
    Answer(Purpose, Result<Response, ApiError>),
    /// The node told something.
    Event(Event),
    /// The node is gone.
    Gone,
}

/// What fills the terminal.
pub enum Screen {
    /// First start.
    Wizard(Box<Wizard>),
    /// Closed until the passphrase is given.
    Lock(Box<lock::Lock>),
    /// List and conversation.
    Main,
}

/// Which pane takes keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// The list of people.
    List,
    /// The conversation.
    Chat,
}

/// The newest message of a conversation, as the list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// When it came to this device, RFC 3339.
    pub at: String,
    /// Its number.
    pub seq: u64,
    /// Its position.
    pub position: u64,
    /// Its state.
    pub state: State,
}

/// A text on its way to the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// For which conversation.
    pub talk: Talk,
    /// The text.
    pub text: String,
    /// What it is.
    pub about: About,
}

/// What is being written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum About {
    /// A message of its own.
    #[default]
    Nothing,
    /// An answer to the message with this id, which begins like this.
    Reply(String, String),
    /// A new text for the own message with this id.
    Edit(String),
}

/// A call of which one flies at a time; asked for again meanwhile, it is repeated once.
#[derive(Debug, Default, Clone, Copy)]
pub struct Once {
    flying: bool,
    again: bool,
}

impl Once {
    /// Whether the call may leave now.
    pub fn start(&mut self) -> bool {
        self.again = self.flying;
        !std::mem::replace(&mut self.flying, true)
    }

    /// The answer came; whether the call must be repeated.
    pub fn done(&mut self) -> bool {
        self.flying = false;
        std::mem::take(&mut self.again)
    }
}

/// Everything that is shown.
pub struct Model {
    /// Sentences.
    pub texts: Texts,
    /// Looks.
    pub theme: Theme,
    /// Other settings.
    pub prefs: settings::Prefs,
    /// The terminal has the person's attention, as far as it tells.
    pub focused: bool,
    /// The calendar of this device.
    pub zone: Zone,
    /// Columns and rows.
    pub size: (u16, u16),
    /// What fills the terminal.
    pub screen: Screen,
    /// Own name.
    pub name: String,
    /// State word, as in [`Status::state`].
    pub state: String,
    /// Last known numbers.
    pub status: Option<Status>,
    /// The node is gone.
    pub gone: bool,
    /// People, the newest conversation first.
    pub contacts: Vec<Contact>,
    /// Groups, in order of their numbers.
    pub groups: Vec<Group>,
    /// Channels, in order of their numbers.
    pub channels: Vec<Channel>,
    /// The members of the group that was asked about last.
    pub members: Option<(u32, Vec<Member>)>,
    /// All conversations, the newest first.
    pub list: Vec<Talk>,
    /// Newest messages.
    pub last: BTreeMap<Talk, Last>,
    /// Chosen row of the list; before anybody chose, the first row is as good as chosen.
    pub chosen: Option<Talk>,
    /// Which pane takes keys.
    pub focus: Focus,
    /// The open conversation.
    pub chat: Option<Chat>,
    /// Who is typing, and a count that tells this typing from an earlier one.
    pub typing: Option<(u32, u64)>,
    /// Strangers who ask for a conversation.
    pub strangers: Vec<Stranger>,
    /// Unsent texts of conversations that are not open.
    pub drafts: BTreeMap<Talk, Editor>,
    /// Windows over the panes; the last one takes keys.
    pub overlays: Vec<Overlay>,
    /// A sentence above the line of keys, until the next key.
    pub notice: Option<String>,
    /// Texts that wait for the node to have them on disk.
    pub outgoing: VecDeque<Outgoing>,
    /// The first of `outgoing` is with the node.
    sending: bool,
    contacts_call: Once,
    groups_call: Once,
    channels_call: Once,
    status_call: Once,
    /// Windows on conversations that were opened so far: each has its own number.
    windows: u64,
    quit_armed: bool,
}

impl Model {
    /// An empty model.
    #[must_use]
    pub fn new(lang: Lang, theme: Theme, zone: Zone, size: (u16, u16)) -> Self {
        Self {
            texts: Texts::new(lang),
            theme,
            prefs: settings::Prefs { color_allowed: theme.color, ..settings::Prefs::default() },
            focused: true,
            zone,
            size,
            screen: Screen::Main,
            name: String::new(),
            state: "connecting".to_owned(),
            status: None,
            gone: false,
            contacts: Vec::new(),
            groups: Vec::new(),
            channels: Vec::new(),
            members: None,
            list: Vec::new(),
            last: BTreeMap::new(),
            chosen: None,
            focus: Focus::List,
            chat: None,
            typing: None,
            strangers: Vec::new(),
            drafts: BTreeMap::new(),
            overlays: Vec::new(),
            notice: None,
            outgoing: VecDeque::new(),
            sending: false,
            contacts_call: Once::default(),
            groups_call: Once::default(),
            channels_call: Once::default(),
            status_call: Once::default(),
            windows: 0,
            quit_armed: false,
        }
    }

    /// A model that opens with the wizard.
    #[must_use]
    pub fn wizard(lang: Lang, theme: Theme, size: (u16, u16)) -> Self {
        let mut model = Self::new(lang, theme, Zone::default(), size);
        model.screen = Screen::Wizard(Box::new(Wizard::new(lang)));
        model
    }

    /// A model that opens closed.
    #[must_use]
    pub fn locked(lang: Lang, theme: Theme, size: (u16, u16)) -> Self {
        let mut model = Self::new(lang, theme, Zone::default(), size);
        model.screen = Screen::Lock(Box::default());
        model
    }

    /// The contact with this number.
    #[must_use]
    pub fn contact(&self, number: u32) -> Option<&Contact> {
        self.contacts.iter().find(|contact| contact.contact == number)
    }

    /// The conversation that Enter opens in the list.
    #[must_use]
    pub fn chosen_talk(&self) -> Option<Talk> {
        let chosen = self.chosen.filter(|chosen| self.list.contains(chosen));
        chosen.or_else(|| self.list.first().copied())
    }

    /// The contact's name, fit to be drawn.
    #[must_use]
    pub fn contact_name(&self, number: u32) -> String {
        crate::text::name(self.contact(number).map_or("", |contact| &contact.name), number)
    }

    /// Whether messages to this contact are held for a stated reason.
    #[must_use]
    pub fn held(&self, number: u32) -> bool {
        self.contact(number)
            .is_some_and(|contact| matches!(contact.meeting, Meeting::Failed(_)) || contact.keys_changed)
    }

    /// Today's data of this network are used up: nothing leaves, whoever it is for.
    #[must_use]
    pub fn data_spent(&self) -> bool {
        let used = self.status.as_ref().and_then(|status| status.data.as_ref());
        used.is_some_and(|used| used.level == karvon_node::api::data::Level::Spent)
    }

    /// Whether both panes are on the screen.
    #[must_use]
    pub fn two_panes(&self) -> bool {
        self.size.0 >= TWO_PANES
    }

    /// Whether what is known about the contact stands beside the conversation.
    #[must_use]
    pub fn three_panes(&self) -> bool {
        self.size.0 >= THREE_PANES && self.chat.is_some()
    }

    /// The mark of a message.
    #[must_use]
    pub fn mark(&self, message: &Message) -> &'static str {
        self.theme.mark(message.state, self.held(message.contact) || self.data_spent())
    }
}
