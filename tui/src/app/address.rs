//! The published address: a line by which strangers may ask for a conversation, made anew or ended by this person.

use karvon_node::api::{ApiError, Request, Response};

use super::{Action, Model, Overlay, update};
use crate::command::{Command, Purpose};
use crate::keymap;
use crate::text::one_line;

/// The window.
#[derive(Default)]
pub struct Address {
    /// The address if there is one; `None` until the node has said.
    pub text: Option<Option<String>>,
    /// What the next press of the same key does.
    pub sure: Option<Change>,
    /// The node is at it.
    pub busy: bool,
    /// What was wrong.
    pub problem: Option<String>,
}

/// What can be done with the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Another one takes its place.
    New,
    /// It ends.
    End,
}

impl Address {
    /// The address, if there is one.
    #[must_use]
    pub fn line(&self) -> Option<&str> {
        self.text.as_ref()?.as_deref()
    }
}

fn ask() -> Command {
    Command::Call(Request::Address, Purpose::Address)
}

/// Opens the window.
pub(super) fn open(model: &mut Model) -> Vec<Command> {
    update::open_overlay(model, Overlay::Address(Address::default()));
    vec![ask()]
}

/// Takes the node's answer.
pub(super) fn answered(model: &mut Model, result: Result<Response, ApiError>) -> Vec<Command> {
    let problem = result.as_ref().err().map(|error| model.texts.error(&error.code));
    let Some(Overlay::Address(open)) =
        model.overlays.iter_mut().find(|overlay| matches!(overlay, Overlay::Address(_)))
    else {
        return Vec::new();
    };
    (open.busy, open.problem) = (false, problem);
    match result {
        Ok(Response::Address { text }) => open.text = Some(text.map(|text| one_line(&text))),
        // It was ended.
        Ok(_) => open.text = Some(None),
        Err(_) => {}
    }
    Vec::new()
}

/// Applies a key to the window. What others were given ends only by the same key twice.
pub(super) fn key(model: &mut Model, action: &Action) -> Vec<Command> {
    let Some(Overlay::Address(open)) = model.overlays.last_mut() else { return Vec::new() };
    let Action::Char(letter) = action else { return Vec::new() };
    let before = open.sure.take();
    if open.busy {
        return Vec::new();
    }
    let there = open.line().is_some();
    let (change, request) = match keymap::latin(*letter) {
        'n' => (Change::New, Request::NewAddress),
        'e' if there => (Change::End, Request::EndAddress),
        'c' => {
            let text = open.line().map(str::to_owned);
            model.notice = text.as_ref().map(|_| model.texts.get("copied"));
            return text.map(Command::Copy).into_iter().collect();
        }
        _ => return Vec::new(),
    };
    if there && before != Some(change) {
        open.sure = Some(change);
        return Vec::new();
    }
    open.busy = true;
    vec![Command::Call(request, Purpose::Address)]
}
