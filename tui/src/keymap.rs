//! Which key does what, independent of the keyboard layout it was typed on.
//!
//! Layouts disagree about where the special letters lie (қ is on W in the Tajik layout, on S in the Uzbek one, in the digit row in
//! the Kazakh one; ҳ is on O or in the digit row; ӣ is on M), so W, S, O, M and digits are bound to nothing at all.

pub mod layouts;

/// The Latin letter on the key that types `letter` in any of the [`layouts`]; where they disagree, and for everything they do not
/// have, the letter itself, in lower case. So no action can sit on a key that moves between layouts.
#[must_use]
pub fn latin(letter: char) -> char {
    let lower = letter.to_lowercase().next().unwrap_or(letter);
    layouts::key_of(lower).unwrap_or(lower)
}

/// One line of the help: key, and the key of its sentence.
pub type Binding = (&'static str, &'static str);

/// Keys that work everywhere.
pub const EVERYWHERE: &[Binding] = &[
    ("^K", "help-find"),
    ("^F", "help-find-all"),
    ("^G", "help-unread"),
    ("^N", "help-add"),
    ("^Y", "help-invite"),
    ("^R", "help-doctor"),
    ("^P", "help-settings"),
    ("^L", "help-lock"),
    ("Esc", "help-back"),
    ("F1", "help-help"),
    ("^Q", "help-quit"),
];

/// Keys of a conversation.
pub const CHAT: &[Binding] = &[
    ("Enter", "help-send"),
    ("Alt-Enter ^J", "help-newline"),
    ("Tab", "help-pane"),
    ("PgUp PgDn", "help-scroll"),
    ("^Home ^End", "help-ends"),
    ("^U", "help-erase"),
    ("^X", "help-editor"),
    ("^D", "help-details"),
    ("^T", "help-file"),
    ("↑", "help-select"),
];

/// Keys of a selected message.
pub const MESSAGE: &[Binding] = &[
    ("Enter", "help-actions"),
    ("c", "help-copy"),
    ("f", "help-forward"),
    ("i", "help-info"),
    ("r l e d v a", "help-reply"),
];

#[cfg(test)]
mod tests {
    use super::latin;

    use super::layouts::{KEYS, LAYOUTS};

    /// Letters of windows that name them in their rows or in the line of keys: requests, groups, channels, the doctor.
    const WINDOWS: &str = "artlieudbc";

    /// Letters that are bound somewhere, alone or with Ctrl.
    fn bound() -> impl Iterator<Item = char> {
        let all = super::EVERYWHERE.iter().chain(super::CHAT).chain(super::MESSAGE);
        let keys = all.flat_map(|(keys, _)| keys.split(' ')).map(|key| key.trim_start_matches('^'));
        keys.filter(|key| key.chars().count() == 1)
            .filter_map(|key| key.chars().next())
            .map(|key| key.to_ascii_lowercase())
            .filter(char::is_ascii_alphanumeric)
            .chain(WINDOWS.chars())
    }

    #[test]
    fn every_key_of_the_help_works_on_every_layout() {
        assert!(bound().count() > 6);
        for (name, typed) in LAYOUTS {
            for key in bound() {
                let at = KEYS.chars().position(|other| other == key).unwrap();
                let letter = typed.chars().nth(at).unwrap();
                assert_eq!(latin(letter), key, "{name}: {letter}");
                let upper = letter.to_uppercase().next().unwrap();
                assert_eq!(latin(upper), key, "{name}: {upper}");
            }
        }
    }

    #[test]
    fn keys_that_differ_between_layouts_do_nothing() {
        let forbidden: String = bound().filter(|key| "wsom0123456789".contains(*key)).collect();
        assert_eq!(forbidden, "");
    }
}
