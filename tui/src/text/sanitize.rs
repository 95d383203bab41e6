//! Makes foreign text harmless to a terminal: no control characters, no escape sequences, no direction overrides.

/// Strips C0 and C1 controls, whole ANSI escape sequences, and characters that change the direction of text or are invisible
/// separators. The joiner inside emoji and the variation selectors stay.
#[must_use]
pub fn sanitize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => match letters.next() {
                Some('[') => skip_csi(&mut letters),
                Some(']' | 'P' | 'X' | '^' | '_') => skip_string(&mut letters),
                Some(' '..='/') => {
                    while letters.next_if(|next| (' '..='/').contains(next)).is_some() {}
                    letters.next();
                }
                _ => {}
            },
            '\u{9b}' => skip_csi(&mut letters),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut letters),
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' => {}
            control if control.is_control() => {}
            text => out.push(text),
        }
    }
    out
}

/// Skips parameters, intermediates and the final letter of a control sequence.
fn skip_csi(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while letters.next_if(|next| (' '..='?').contains(next)).is_some() {}
    letters.next_if(|next| ('@'..='~').contains(next));
}

/// Skips the body of a string sequence up to its terminator.
fn skip_string(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(letter) = letters.next() {
        match letter {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                letters.next_if(|next| *next == '\\');
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sanitize;

    #[test]
    fn escape_sequences_vanish_whole() {
        assert_eq!(sanitize("a\u{1b}[31mred\u{1b}[0m"), "ared");
        assert_eq!(sanitize("a\u{1b}]0;title\u{7}b\u{9b}2Jc"), "abc");
        assert_eq!(sanitize("a\u{1b}(0b"), "ab");
    }

    #[test]
    fn direction_overrides_vanish_and_emoji_stay() {
        assert_eq!(sanitize("gpj.\u{202e}exe\u{7}"), "gpj.exe");
        assert_eq!(sanitize("👨‍👩‍👧‍👦 ❤️ 🇹🇯 и\u{304}"), "👨‍👩‍👧‍👦 ❤️ 🇹🇯 и\u{304}");
    }
}
