//! A channel: making one, its link, older entries, and following it no more.

use karvon_node::api::Request;
use karvon_node::api::channels::{Ask, Channel};

use super::overlay::{Invite, NAME_MAX};
use super::{Action, Model, Overlay, Talk, update};
use crate::command::{Command, Purpose};
use crate::keymap;
use crate::text::edit::Editor;

/// What the line of a channel begins with.
const PREFIX: &str = "KARVON-CHANNEL:";

/// The window in which a channel is made.
pub struct New {
    /// Its name.
    pub name: Editor,
    /// The node is at it.
    pub busy: bool,
    /// What was wrong.
    pub problem: Option<String>,
}

impl Default for New {
    fn default() -> Self {
        Self { name: Editor::line(NAME_MAX), busy: false, problem: None }
    }
}

/// The window about a channel.
pub struct About {
    /// Which.
    pub channel: u32,
    /// Chosen row.
    pub chosen: usize,
    /// Whether to give it up is being asked.
    pub sure: bool,
}

/// A row of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// Show the link.
    Link,
    /// Ask a relay for older entries.
    Older,
    /// Follow it no more.
    Leave,
}

/// The rows for a channel.
#[must_use]
pub fn rows(channel: &Channel) -> Vec<Row> {
    if channel.mine { vec![Row::Link, Row::Leave] } else { vec![Row::Link, Row::Older, Row::Leave] }
}

/// A pasted line that is the link of a channel.
#[must_use]
pub(super) fn link(pasted: &str) -> Option<String> {
    linked(pasted, PREFIX)
}

/// A pasted line that begins so, without the breaks that a terminal made.
#[must_use]
pub(super) fn linked(pasted: &str, prefix: &str) -> Option<String> {
    let joined: String = pasted.split_whitespace().collect();
    joined.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)).then_some(joined)
}

/// Opens the window.
pub(super) fn open(model: &mut Model, channel: u32) -> Vec<Command> {
    update::open_overlay(model, Overlay::Channel(About { channel, chosen: 0, sure: false }));
    let mut commands = Vec::new();
    update::refresh_channels(model, &mut commands);
    commands
}

/// Applies a key to it.
pub(super) fn key(model: &mut Model, action: &Action) -> Vec<Command> {
    let Some(Overlay::Channel(open)) = model.overlays.last() else { return Vec::new() };
    let Some(channel) = model.channel(open.channel).cloned() else {
        model.overlays.pop();
        return Vec::new();
    };
    let rows = rows(&channel);
    let last = rows.len().saturating_sub(1);
    let Some(Overlay::Channel(open)) = model.overlays.last_mut() else { return Vec::new() };
    match action {
        Action::Back if open.sure => open.sure = false,
        Action::Back => {
            model.overlays.pop();
        }
        Action::Enter if open.sure => {
            model.overlays.pop();
            let talk = Talk::Channel(channel.channel);
            let request = Request::Channel(Ask::Leave { channel: channel.channel });
            return vec![Command::Call(request, Purpose::Left(talk))];
        }
        _ if open.sure => {}
        Action::Up | Action::Wheel(i16::MIN..0) => open.chosen = open.chosen.saturating_sub(1),
        Action::Down | Action::Wheel(_) => open.chosen = (open.chosen + 1).min(last),
        Action::Enter | Action::Right => {
            let row = rows.get(open.chosen.min(last)).copied();
            return row.map_or_else(Vec::new, |row| begin(model, &channel, row));
        }
        Action::Char(letter) => {
            let row = match keymap::latin(*letter) {
                'i' => Row::Link,
                'e' => Row::Older,
                'u' => Row::Leave,
                _ => return Vec::new(),
            };
            return if rows.contains(&row) { begin(model, &channel, row) } else { Vec::new() };
        }
        _ => {}
    }
    Vec::new()
}

fn begin(model: &mut Model, channel: &Channel, row: Row) -> Vec<Command> {
    let number = channel.channel;
    match row {
        Row::Link => {
            let invite = Invite { to: Some(Talk::Channel(number)), ..Invite::default() };
            update::open_overlay(model, Overlay::Invite(invite));
            vec![Command::Call(Request::Channel(Ask::Link { channel: number }), Purpose::Link)]
        }
        Row::Older => {
            model.overlays.pop();
            model.notice = Some(model.texts.get("channel-asking"));
            vec![Command::Call(Request::Channel(Ask::Older { channel: number }), Purpose::Plain)]
        }
        Row::Leave => {
            if let Some(Overlay::Channel(open)) = model.overlays.last_mut() {
                open.sure = true;
            }
            Vec::new()
        }
    }
}

/// Applies a key to the window in which a channel is made.
pub(super) fn new_key(model: &mut Model, action: &Action) -> Vec<Command> {
    let Some(Overlay::NewChannel(new)) = model.overlays.last_mut() else { return Vec::new() };
    if new.busy {
        return Vec::new();
    }
    match action {
        Action::Enter if new.name.is_blank() => {
            new.problem = Some(model.texts.get("channel-name-missing"));
        }
        Action::Enter => {
            new.busy = true;
            let name = new.name.text().trim().to_owned();
            let request = Request::Channel(Ask::Create { name });
            return vec![Command::Call(request, Purpose::Founded(Vec::new()))];
        }
        key => {
            new.problem = None;
            update::edit(&mut new.name, key);
        }
    }
    Vec::new()
}
