//! Sending a small file: the person pastes where it lies, or looks for it folder by folder.

use karvon_node::api::fold::{Query, fold};

use super::{Action, Model, Overlay, Talk, update};
use crate::command::Command;
use crate::text::edit::Editor;

/// Longest path, bytes.
const PATH_MAX: usize = 4_096;

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// Its name, of which every letter can be shown.
    pub name: String,
    /// It is a folder.
    pub folder: bool,
    /// Bytes of a file.
    pub bytes: u64,
}

/// The window in which a file is chosen.
pub struct Attach {
    /// To whom.
    pub talk: Talk,
    /// The path.
    pub path: Editor,
    /// Chosen row.
    pub chosen: usize,
    /// It is being read and sent.
    pub busy: bool,
    /// What was wrong.
    pub problem: Option<String>,
    /// A folder as it is written in the path, and what is in it.
    listed: Option<(String, Vec<Entry>)>,
}

impl Attach {
    /// What is in the folder of the path and has the letters behind it, the most likely first.
    #[must_use]
    pub fn rows(&self) -> Vec<&Entry> {
        let (folder, part) = split(self.path.text());
        let Some((_, entries)) = self.listed.as_ref().filter(|(listed, _)| listed == folder) else {
            return Vec::new();
        };
        let (query, folded) = (Query::new(part), fold(part));
        let mut rows: Vec<(u8, &Entry)> = entries
            .iter()
            .filter(|entry| part.starts_with('.') || !entry.name.starts_with('.'))
            .filter(|entry| part.trim().is_empty() || query.matches(&entry.name))
            .map(|entry| match () {
                () if entry.name == part => (0, entry),
                () if fold(&entry.name).starts_with(&folded) => (1, entry),
                () => (2, entry),
            })
            .collect();
        rows.sort_by_key(|(rank, _)| *rank);
        rows.into_iter().map(|(_, entry)| entry).collect()
    }

    /// The path of the chosen row.
    fn chosen_path(&self) -> Option<(String, bool)> {
        let (folder, _) = split(self.path.text());
        let rows = self.rows();
        let entry = rows.get(self.chosen.min(rows.len().checked_sub(1)?))?;
        let end = if entry.folder { "/" } else { "" };
        Some((format!("{folder}{}{end}", entry.name), entry.folder))
    }

    /// Whether Enter sends what is written; else it first writes the chosen row.
    #[must_use]
    pub fn sends(&self) -> bool {
        match self.chosen_path() {
            Some((path, folder)) => !folder && path == self.path.text(),
            None => !self.path.is_blank() && !self.path.text().ends_with('/'),
        }
    }

    /// Asks for the folder of the path, unless that is what is shown.
    fn look(&self) -> Vec<Command> {
        let (folder, _) = split(self.path.text());
        let known = self.listed.as_ref().is_some_and(|(listed, _)| listed == folder);
        if known { Vec::new() } else { vec![Command::ListFiles(folder.to_owned())] }
    }

    /// A folder was read.
    pub(super) fn listed(&mut self, folder: String, entries: Vec<Entry>) {
        if split(self.path.text()).0 == folder {
            self.listed = Some((folder, entries));
        }
    }
}

/// Folder and the rest of a path.
fn split(path: &str) -> (&str, &str) {
    path.split_at(path.rfind('/').map_or(0, |at| at + 1))
}

/// Opens it for the open conversation, at home.
pub(super) fn open(model: &mut Model) -> Vec<Command> {
    let Some(talk) = model.chat.as_ref().map(|chat| chat.talk) else { return Vec::new() };
    let mut path = Editor::line(PATH_MAX);
    path.set("~/");
    let attach = Attach { talk, path, chosen: 0, busy: false, problem: None, listed: None };
    let commands = attach.look();
    update::open_overlay(model, Overlay::Attach(Box::new(attach)));
    commands
}

/// Applies a key to it.
pub(super) fn key(model: &mut Model, action: &Action) -> Vec<Command> {
    let Some(Overlay::Attach(attach)) = model.overlays.last_mut() else { return Vec::new() };
    if attach.busy {
        return Vec::new();
    }
    let last = attach.rows().len().saturating_sub(1);
    match action {
        Action::Enter if attach.sends() => {
            attach.busy = true;
            attach.problem = None;
            let path = path_of(attach.path.text());
            return vec![Command::SendFile(attach.talk, path)];
        }
        Action::Enter | Action::Next => {
            if let Some((path, _)) = attach.chosen_path() {
                attach.path.set(&path);
                attach.chosen = 0;
            }
        }
        Action::Up | Action::Wheel(i16::MIN..0) => attach.chosen = attach.chosen.min(last).saturating_sub(1),
        Action::Down | Action::Wheel(_) => attach.chosen = (attach.chosen + 1).min(last),
        Action::PageUp => attach.chosen = attach.chosen.min(last).saturating_sub(10),
        Action::PageDown => attach.chosen = (attach.chosen + 10).min(last),
        key => {
            attach.problem = None;
            attach.chosen = 0;
            match key {
                // A whole path takes the place of what stood there.
                Action::Paste(text) if is_whole(text) => attach.path.set(&path_of(text)),
                key => {
                    update::edit(&mut attach.path, key);
                }
            }
        }
    }
    attach.look()
}

fn is_whole(text: &str) -> bool {
    let text = path_of(text);
    text.starts_with(['/', '~']) || text.get(1..3).is_some_and(|start| start == ":\\" || start == ":/")
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
