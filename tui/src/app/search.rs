//! Search in all messages: the node searches, the screen shows what it found and goes there.

use karvon_node::api::{Message, Request};

use super::{Action, Model, Once, Overlay, Talk, update};
use crate::command::{Command, Purpose};
use crate::text::edit::Editor;

/// Messages shown at most; a search that finds more says so.
pub const FOUND_MAX: usize = 200;

/// A message that was found, and the conversation it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub talk: Talk,
    /// The message.
    pub message: Message,
}

/// The window of the search.
pub struct Search {
    /// What is searched for.
    pub query: Editor,
    /// Found messages, newest first.
    pub found: Vec<Found>,
    /// There are more than these.
    pub more: bool,
    /// The words that `found` belongs to; `None` before the first answer.
    pub answered: Option<String>,
    /// Chosen row.
    pub chosen: usize,
    /// Enter was pressed before the answer came: the first message found is opened then.
    enter: bool,
    asked: String,
    call: Once,
}

impl Search {
    /// A search for words that may have been typed elsewhere.
    #[must_use]
    pub fn new(words: &str) -> Self {
        let mut query = Editor::line(200);
        query.insert(words);
        Self {
            query,
            found: Vec::new(),
            more: false,
            answered: None,
            chosen: 0,
            enter: false,
            asked: String::new(),
            call: Once::default(),
        }
    }

    /// Whether an answer is awaited for what is typed now.
    #[must_use]
    pub fn busy(&self) -> bool {
        !self.query.is_blank() && self.answered.as_deref() != Some(self.query.text())
    }

    /// Asks for what is typed, once at a time: what is typed meanwhile is asked for afterwards.
    fn ask(&mut self) -> Option<Command> {
        if self.query.is_blank() {
            self.found.clear();
            self.answered = None;
            return None;
        }
        if !self.call.start() {
            return None;
        }
        self.asked = self.query.text().to_owned();
        let request = Request::Search {
            text: self.asked.clone(),
            contact: None,
            group: None,
            channel: None,
            limit: FOUND_MAX,
        };
        Some(Command::Call(request, Purpose::Search))
    }

    /// An answer has come; what was typed meanwhile is asked for.
    pub(super) fn answered(&mut self, found: Option<(Vec<Found>, bool)>) -> Option<Command> {
        // Whoever has moved to a message already stays there as long as it is found.
        let chosen = self.found.get(self.chosen).filter(|_| self.chosen > 0);
        let chosen = chosen.map(|one| one.message.id.clone());
        let (found, more) = found.unwrap_or_default();
        (self.found, self.more) = (found, more);
        let again = |id: String| self.found.iter().position(|one| one.message.id == id);
        self.chosen = chosen.and_then(again).unwrap_or(0);
        self.answered = Some(std::mem::take(&mut self.asked));
        self.call.done();
        if self.busy() { self.ask() } else { None }
    }

    /// The message to be opened, if Enter was pressed while the search was under way.
    pub(super) fn awaited(&mut self) -> Option<(Talk, u64)> {
        if self.busy() || !std::mem::take(&mut self.enter) {
            return None;
        }
        self.found.first().map(|found| (found.talk, found.message.position))
    }
}

/// Opens the search.
pub(super) fn open(model: &mut Model, words: &str) -> Vec<Command> {
    let mut search = Search::new(words);
    let command = search.ask();
    update::open_overlay(model, Overlay::Search(Box::new(search)));
    command.into_iter().collect()
}

/// Applies a key to the search.
pub(super) fn key(model: &mut Model, action: &Action) -> Vec<Command> {
    let Some(Overlay::Search(search)) = model.overlays.last_mut() else { return Vec::new() };
    let last = search.found.len().saturating_sub(1);
    search.enter = matches!(action, Action::Enter) && search.busy();
    match action {
        Action::Enter if search.enter => {}
        Action::Enter => {
            let found = search.found.get(search.chosen).map(|found| (found.talk, found.message.position));
            return match found {
                Some((talk, position)) => update::open_at(model, talk, position),
                None => Vec::new(),
            };
        }
        Action::Up | Action::Wheel(i16::MIN..0) => search.chosen = search.chosen.saturating_sub(1),
        Action::Down | Action::Wheel(_) => search.chosen = (search.chosen + 1).min(last),
        Action::PageUp => search.chosen = search.chosen.saturating_sub(10),
        Action::PageDown => search.chosen = (search.chosen + 10).min(last),
        key => {
            let before = search.query.text().to_owned();
            update::edit(&mut search.query, key);
            if search.query.text() != before {
                return search.ask().into_iter().collect();
            }
        }
    }
    Vec::new()
}
