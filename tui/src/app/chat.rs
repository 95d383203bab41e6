//! The open conversation: a window of its messages, never all of them.

use std::collections::VecDeque;

use karvon_node::api::{Message, State};

use super::talk::{Counts, Talk};
use super::{About, Once};
use crate::text::edit::Editor;

/// Messages asked for at once.
pub const PAGE: usize = 100;
/// Messages held at most.
pub const WINDOW: usize = 400;
/// Longest text, bytes.
pub const TEXT_MAX: usize = 8_000;

/// What part of the window is on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// The newest message stands at the bottom.
    Bottom,
    /// The message at this position stands at the bottom, with this many of its rows hidden below.
    At(u64, usize),
}

/// The open conversation.
pub struct Chat {
    /// Which one it is.
    pub talk: Talk,
    /// The window, oldest first.
    pub messages: VecDeque<Message>,
    /// How far own messages to a group are, by position.
    pub counts: Counts,
    /// Older messages exist before the window.
    pub older: bool,
    /// Newer messages exist after the window.
    pub newer: bool,
    /// The first page has come.
    pub loaded: bool,
    /// What is on the screen.
    pub view: View,
    /// Position of the selected message.
    pub selected: Option<u64>,
    /// The line of new messages stands before the message at this position.
    pub new_from: Option<u64>,
    /// Messages not seen when the conversation was opened.
    pub unread: u64,
    /// What is being written.
    pub composer: Editor,
    /// What that is.
    pub about: About,
    /// What the node was told last of what was seen: see [`Chat::seen_upto`].
    pub(super) marked: u64,
    /// Number of this window: pages asked for by an earlier one do not belong to it.
    pub(super) window: u64,
    pub(super) newest_call: Once,
    pub(super) jump_call: Once,
    pub(super) older_call: Once,
    pub(super) newer_call: Once,
    pub(super) marks_call: Once,
}

impl Chat {
    /// An empty window on a conversation.
    #[must_use]
    pub fn new(talk: Talk, unread: u64, composer: Editor) -> Self {
        Self {
            talk,
            messages: VecDeque::new(),
            counts: Counts::new(),
            older: false,
            newer: false,
            loaded: false,
            view: View::Bottom,
            selected: None,
            new_from: None,
            unread,
            composer,
            about: About::Nothing,
            marked: 0,
            window: 0,
            newest_call: Once::default(),
            jump_call: Once::default(),
            older_call: Once::default(),
            newer_call: Once::default(),
            marks_call: Once::default(),
        }
    }

    /// Index of the message at or before a position.
    #[must_use]
    pub fn index(&self, position: u64) -> Option<usize> {
        self.messages.partition_point(|message| message.position <= position).checked_sub(1)
    }

    /// Index of the message at the bottom of the screen and how many of its rows are hidden.
    #[must_use]
    pub fn bottom(&self) -> Option<(usize, usize)> {
        match self.view {
            View::Bottom => self.messages.len().checked_sub(1).map(|index| (index, 0)),
            View::At(position, hidden) => self.index(position).map(|index| (index, hidden)),
        }
    }

    /// Whether the newest message is on the screen to its last row: so that it can be after a jump as well.
    #[must_use]
    pub fn at_end(&self) -> bool {
        let last = |(index, hidden)| index + 1 >= self.messages.len() && hidden == 0;
        !self.newer && self.bottom().is_none_or(last)
    }

    /// The selected message.
    #[must_use]
    pub fn selected_message(&self) -> Option<&Message> {
        let index = self.index(self.selected?)?;
        self.messages.get(index)
    }

    /// Starts over with a page from elsewhere in the conversation, with the message at `position` selected.
    pub(super) fn jump(&mut self, messages: Vec<Message>, older: bool, newer: bool, position: u64) {
        self.messages = messages.into();
        (self.older, self.newer, self.loaded) = (older, newer, true);
        self.view = View::At(position, 0);
        self.selected =
            self.index(position).and_then(|index| self.messages.get(index)).map(|one| one.position);
        if self.selected.is_none() {
            self.view = View::Bottom;
        }
    }

    /// Pages that are under way do not belong to this window.
    pub(super) fn renumber(&mut self, window: u64) {
        self.window = window;
        self.older_call = Once::default();
        self.newer_call = Once::default();
        self.marks_call = Once::default();
    }

    /// Starts over with the newest page.
    pub(super) fn replace(&mut self, messages: Vec<Message>, more: bool) {
        let first = !self.loaded;
        self.messages = messages.into();
        self.older = more;
        self.newer = false;
        self.loaded = true;
        self.trim_front();
        let first_position = self.messages.front().map_or(u64::MAX, |message| message.position);
        if matches!(self.view, View::At(position, _) if position < first_position) {
            self.view = View::Bottom;
        }
        if first && self.unread > 0 {
            let received = self.messages.iter().rev().filter(|message| !message.mine);
            let unseen = usize::try_from(self.unread).unwrap_or(usize::MAX);
            self.new_from = received.take(unseen).last().map(|message| message.position);
        }
    }

    /// Puts an older page before the window.
    pub(super) fn prepend(&mut self, messages: Vec<Message>, more: bool) {
        let first = self.messages.front().map_or(u64::MAX, |message| message.position);
        self.older = more;
        for message in messages.into_iter().rev().filter(|message| message.position < first) {
            self.messages.push_front(message);
        }
        if self.messages.len() > WINDOW {
            self.messages.truncate(WINDOW);
            self.newer = true;
        }
    }

    /// Puts a newer page after the window.
    pub(super) fn append(&mut self, messages: Vec<Message>, more: bool) {
        let last = self.messages.back().map(|message| message.position);
        self.newer = more;
        self.messages
            .extend(messages.into_iter().filter(|message| last.is_none_or(|last| message.position > last)));
        self.trim_front();
    }

    fn trim_front(&mut self) {
        if let Some(excess) = self.messages.len().checked_sub(WINDOW).filter(|excess| *excess > 0) {
            self.messages.drain(..excess);
            self.older = true;
        }
    }

    /// Puts a message as it is now in the place of what it was.
    pub(super) fn changed(&mut self, message: Message) {
        if let Some(shown) = self.messages.iter_mut().find(|shown| shown.id == message.id) {
            *shown = message;
        }
    }

    /// A message is gone: it disappeared by its timer, or was removed.
    pub(super) fn gone(&mut self, id: &str) {
        self.messages.retain(|shown| shown.id != id);
        self.selected = None;
    }

    /// A message of one's own has another id and number.
    pub(super) fn rename(&mut self, id: &str, new_id: String, seq: u64) {
        if let Some(shown) = self.messages.iter_mut().find(|shown| shown.id == id) {
            (shown.id, shown.seq) = (new_id, seq);
        }
    }

    /// Moves the marks of own messages on. A message that is delivered stays delivered: the event leaves out those delivered
    /// beyond a gap.
    pub(super) fn delivery(&mut self, delivered_below: u64, stored: &[(u64, u64)], read_upto: u64) {
        for message in self.messages.iter_mut().filter(|message| message.mine) {
            message.state = advanced(message.state, message.seq, delivered_below, stored, read_upto);
        }
    }

    /// Highest received number in the window; in a group, where each author counts, the highest position.
    pub(super) fn seen_upto(&self) -> u64 {
        let received = self.messages.iter().filter(|message| !message.mine);
        let number = |message: &Message| match self.talk {
            Talk::Person(_) | Talk::Channel(_) => message.seq,
            Talk::Group(_) => message.position,
        };
        received.map(number).max().unwrap_or(0)
    }
}

/// The state of the own message `seq` after a delivery event.
pub(super) fn advanced(
    state: State,
    seq: u64,
    delivered_below: u64,
    stored: &[(u64, u64)],
    read_upto: u64,
) -> State {
    let told = if seq < delivered_below {
        if seq <= read_upto { State::Read } else { State::Delivered }
    } else if stored.iter().any(|(from, to)| (*from..=*to).contains(&seq)) {
        State::Stored
    } else {
        State::Queued
    };
    if state >= State::Delivered { state.max(told) } else { told }
}
