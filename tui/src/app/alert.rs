//! When a person is told of new messages that they do not see.

use karvon_node::api::Event;
use karvon_node::api::channels::ChannelEvent;
use karvon_node::api::groups::GroupEvent;

use super::settings::Notify;
use super::{Focus, Model, Talk, chat::View};
use crate::command::Command;

/// A sign to the person beside the screen. There is never a text of a message in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Alert {
    /// Ring the terminal's bell.
    pub bell: bool,
    /// Ask the terminal to show this.
    pub words: Option<String>,
}

/// The alert for an event; `None` when the person sees the message anyway or wants no alerts.
pub(super) fn alert(model: &Model, event: &Event) -> Option<Command> {
    let (talk, from, to) = match event {
        Event::Received { contact, from, to } => (Talk::Person(*contact), *from, *to),
        Event::Group(GroupEvent::Received { group, from, to })
            if model.group(*group).is_none_or(|group| !group.muted) =>
        {
            (Talk::Group(*group), *from, *to)
        }
        Event::Channel(ChannelEvent::Received { channel, seq }) => (Talk::Channel(*channel), *seq, *seq),
        _ => return None,
    };
    let shown = model.overlays.is_empty() && (model.two_panes() || model.focus == Focus::Chat);
    let seen = model.focused
        && shown
        && model
            .chat
            .as_ref()
            .is_some_and(|chat| chat.talk == talk && chat.view == View::Bottom && !chat.newer);
    if seen {
        return None;
    }
    let count = to.saturating_sub(from).saturating_add(1);
    let new = model.texts.with("new-messages", &[("n", count.into())]);
    let words = match model.prefs.notify {
        Notify::Off => None,
        Notify::Count => Some(new),
        Notify::Name => {
            let name = model.talk_name(talk);
            Some(model.texts.with("alert-from", &[("name", name.into()), ("new", new.into())]))
        }
    };
    let alert = Alert { bell: model.prefs.bell, words };
    (alert != Alert::default()).then_some(Command::Alert(alert))
}
