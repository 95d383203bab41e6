//! Everything done to text before it is drawn or after it is typed: cleaning, measuring, wrapping, folding, editing.

#[cfg(test)]
pub(crate) mod corpus;
pub mod edit;
pub use karvon_node::api::fold;
pub mod sanitize;
pub mod time;
pub mod width;
pub mod wrap;

/// Foreign text as lines that may be drawn: line breaks are kept as lines, tabs become spaces, everything else that is not text
/// is stripped by [`sanitize::sanitize`]. There is always at least one line.
#[must_use]
pub fn lines(text: &str) -> Vec<String> {
    let unified = text.replace("\r\n", "\n");
    unified.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']).map(one_line).collect()
}

/// Foreign text that must stay on one line: line breaks and tabs become spaces.
#[must_use]
pub fn one_line(text: &str) -> String {
    let spaced = text.replace('\t', "    ").replace(['\n', '\r', '\u{2028}', '\u{2029}'], " ");
    width::clamp_marks(&sanitize::sanitize(&spaced))
}

/// A person's name for a list; a name nothing of which can be seen is shown as the number of the contact.
#[must_use]
pub fn name(name: &str, contact: u32) -> String {
    let clean = one_line(name);
    let clean = clean.trim();
    if width::width(clean) == 0 || clean.chars().all(is_blank) {
        format!("#{contact}")
    } else {
        clean.to_owned()
    }
}

/// Letters that take room and show nothing.
fn is_blank(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(
            letter,
            '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
        )
        || matches!(letter, '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}')
        || matches!(letter, '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e01ef}')
}

/// Whether the first letter with a direction is of a right-to-left script: such lines get a row of their own, because terminals
/// without shaping draw more cells than are counted and everything to the right would move.
#[must_use]
pub fn is_rtl(text: &str) -> bool {
    text.chars().find(|letter| letter.is_alphabetic()).is_some_and(|letter| {
        matches!(u32::from(letter), 0x0590..=0x08ff | 0xfb1d..=0xfdff | 0xfe70..=0xfeff | 0x10800..=0x10fff | 0x1e800..=0x1efff)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tab_does_not_join_two_words_and_a_line_break_makes_a_line() {
        assert_eq!(lines("нон\tоб\r\nшир\rчой"), ["нон    об", "шир", "чой"]);
        assert_eq!(lines(""), [""]);
    }

    #[test]
    fn an_invisible_name_is_shown_as_a_number() {
        assert_eq!(name("\u{200b}\u{202e} ", 7), "#7");
        assert_eq!(name(" Модар\n", 7), "Модар");
    }

    #[test]
    fn direction_is_that_of_the_first_letter() {
        assert!(is_rtl("12 سلام Ali"));
        assert!(!is_rtl("Салом سلام"));
        assert!(!is_rtl("123 !"));
    }
}
