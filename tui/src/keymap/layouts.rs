//! What the keys type in the layouts of our users, in the order of the Latin keyboard.

/// Keys by their Latin letters: number row, top row, home row, bottom row.
pub const KEYS: &str = "`1234567890-=qwertyuiop[]asdfghjkl;'zxcvbnm,./";

/// A layout: its name in the keyboard database of X11, and what its keys type without Shift, in the order of [`KEYS`].
pub type Layout = (&'static str, &'static str);

/// All layouts on which every key of the program must work.
pub const LAYOUTS: [Layout; 6] = [
    ("us", KEYS),
    ("ru", "ё1234567890-=йцукенгшщзхъфывапролджэячсмитьбю."),
    ("tj", "ё1234567890ғӯйқукенгшҳзхъфҷвапролджэячсмитӣбю."),
    ("uz", "ё1234567890ғҳйцукенгшўзхъфқвапролджэячсмитьбю."),
    ("kz", "(\"әіңғ,.үұқөһйцукенгшщзхъфывапролджэячсмитьбю№"),
    ("kg", "ё1234567890-=йцукенгшщзхъфывапролджэячсмитьбю."),
];

/// The Latin letter on the key that types `letter`, if every layout that can type it has it on the same key.
#[must_use]
pub fn key_of(letter: char) -> Option<char> {
    let mut found = None;
    for (_, typed) in LAYOUTS {
        let keys = KEYS.chars().zip(typed.chars());
        for (key, _) in keys.filter(|(_, own)| *own == letter) {
            match found {
                None => found = Some(key),
                Some(before) if before != key => return None,
                Some(_) => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_has_a_letter_for_every_key() {
        for (name, typed) in LAYOUTS {
            assert_eq!(typed.chars().count(), KEYS.chars().count(), "{name}");
        }
    }

    #[test]
    fn letters_on_different_keys_are_no_keys() {
        for letter in ['қ', 'ҳ', 'ғ', '.', ','] {
            assert_eq!(key_of(letter), None, "{letter}");
        }
        assert_eq!(key_of('л'), Some('k'));
        assert_eq!(key_of('k'), Some('k'));
        assert_eq!(key_of('ӣ'), Some('m'));
    }
}
