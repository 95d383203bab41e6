//! Sending a small file: the person says where it lies.

use super::{Action, Model, Overlay, update};
use crate::command::Command;
use crate::text::edit::Editor;

/// The window in which a path is written or pasted.
pub struct Attach {
    /// To whom.
    pub contact: u32,
    /// The path.
    pub path: Editor,
    /// It is being read and sent.
    pub busy: bool,
    /// What was wrong.
    pub problem: Option<String>,
}

/// Opens it for the open conversation.
pub(super) fn open(model: &mut Model) {
    if let Some(contact) = model.chat.as_ref().map(|chat| chat.contact) {
        let attach = Attach { contact, path: Editor::line(4_096), busy: false, problem: None };
        update::open_overlay(model, Overlay::Attach(Box::new(attach)));
    }
}

/// Applies a key to it.
pub(super) fn key(model: &mut Model, action: &Action) -> Vec<Command> {
    let Some(Overlay::Attach(attach)) = model.overlays.last_mut() else { return Vec::new() };
    match action {
        _ if attach.busy => {}
        Action::Enter if attach.path.is_blank() => {}
        Action::Enter => {
            attach.busy = true;
            attach.problem = None;
            let path = path_of(attach.path.text());
            return vec![Command::SendFile(attach.contact, path)];
        }
        key => {
            attach.problem = None;
            update::edit(&mut attach.path, key);
        }
    }
    Vec::new()
}

/// A path as it was dropped on a terminal: with quotes, or as a `file://` address.
fn path_of(text: &str) -> String {
    let text = text.trim();
    let text = text.strip_prefix("file://").unwrap_or(text);
    let quoted = [('"', '"'), ('\'', '\'')]
        .iter()
        .find_map(|(open, close)| text.strip_prefix(*open)?.strip_suffix(*close));
    quoted.unwrap_or(text).replace("\\ ", " ")
}

#[cfg(test)]
mod tests {
    use super::path_of;

    #[test]
    fn a_path_is_taken_as_terminals_paste_it() {
        for pasted in ["/a/b c.jpg", " '/a/b c.jpg' ", "\"/a/b c.jpg\"", "file:///a/b c.jpg", "/a/b\\ c.jpg"]
        {
            assert_eq!(path_of(pasted), "/a/b c.jpg", "{pasted}");
        }
    }
}
