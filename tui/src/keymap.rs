//! Which key does what, independent of the keyboard layout it was typed on.
//!
//! Layouts disagree about where the special letters lie (қ is on W in the Tajik layout, on S in the Uzbek one, in the digit row in
//! the Kazakh one; ҳ is on O or in the digit row; ӣ is on M), so W, S, O, M and digits are bound to nothing at all.

/// The Latin letter on the key that types `letter` in the Russian, Tajik, Kyrgyz, Kazakh and Uzbek layouts; Latin letters and
/// everything else stay, in lower case.
#[must_use]
pub fn latin(letter: char) -> char {
    let lower = letter.to_lowercase().next().unwrap_or(letter);
    match lower {
        'й' => 'q',
        'ц' | 'қ' => 'w',
        'у' => 'e',
        'к' => 'r',
        'е' => 't',
        'н' => 'y',
        'г' => 'u',
        'ш' => 'i',
        'щ' | 'ҳ' => 'o',
        'з' => 'p',
        'х' => '[',
        'ъ' => ']',
        'ф' => 'a',
        'ы' | 'ҷ' => 's',
        'в' => 'd',
        'а' => 'f',
        'п' => 'g',
        'р' => 'h',
        'о' => 'j',
        'л' => 'k',
        'д' => 'l',
        'ж' => ';',
        'э' => '\'',
        'я' => 'z',
        'ч' => 'x',
        'с' => 'c',
        'м' => 'v',
        'и' => 'b',
        'т' => 'n',
        'ь' | 'ӣ' => 'm',
        'б' => ',',
        'ю' => '.',
        'ё' => '`',
        other => other,
    }
}

/// One line of the help: key, and the key of its sentence.
pub type Binding = (&'static str, &'static str);

/// Keys that work everywhere.
pub const EVERYWHERE: &[Binding] = &[
    ("^K", "help-find"),
    ("^G", "help-unread"),
    ("^N", "help-add"),
    ("^Y", "help-invite"),
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
    ("^U", "help-erase"),
    ("↑", "help-select"),
];

/// Keys of a selected message.
pub const MESSAGE: &[Binding] = &[("Enter", "help-info"), ("c", "help-copy")];

#[cfg(test)]
mod tests {
    use super::latin;

    #[test]
    fn the_row_of_letters_is_the_same_on_every_layout() {
        let russian = "йцукенгшщзхъфывапролджэячсмитьбю";
        assert_eq!(russian.chars().map(latin).collect::<String>(), "qwertyuiop[]asdfghjkl;'zxcvbnm,.");
        let tajik = "йқукенгшҳзхъфҷвапролджэячсмитӣбю";
        assert_eq!(tajik.chars().map(latin).collect::<String>(), "qwertyuiop[]asdfghjkl;'zxcvbnm,.");
        assert_eq!("ЛПТНЙ".chars().map(latin).collect::<String>(), "kgnyq");
        assert_eq!("KGnyq".chars().map(latin).collect::<String>(), "kgnyq");
    }

    #[test]
    fn keys_that_differ_between_layouts_do_nothing() {
        let bound = super::EVERYWHERE.iter().chain(super::CHAT).chain(super::MESSAGE);
        for (keys, _) in bound {
            for key in keys.split(' ') {
                let letter = key.trim_start_matches('^').to_lowercase();
                assert!(
                    !["w", "s", "o", "m"].contains(&letter.as_str()) && letter.parse::<u8>().is_err(),
                    "{key}"
                );
            }
        }
    }
}
