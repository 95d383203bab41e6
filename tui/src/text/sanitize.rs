//! Makes foreign text harmless to a terminal: no control characters, no escape sequences, no direction overrides.

use std::iter::Peekable;
use std::str::Chars;

/// Longest string sequence (a window title, a clipboard text) that is taken out whole; a longer or endless one loses its
/// introducer only, so that one stray character can not hide the rest of a message.
const SEQUENCE_MAX: usize = 4096;

/// Strips C0 and C1 controls, whole ANSI escape sequences, and characters that change the direction of text or are invisible
/// separators. The joiner inside emoji and words, and the variation selectors stay. Line breaks and tabs are controls: split or
/// replace them before.
#[must_use]
pub fn sanitize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => skip_escape(&mut letters),
            '\u{9b}' => skip_csi(&mut letters),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut letters),
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' => {}
            // Invisible copies of ASCII, in which text can be hidden; the flags of parts of countries are made of them.
            '\u{e0000}'..='\u{e007f}'
                if !matches!(out.chars().next_back(), Some('🏴' | '\u{e0061}'..='\u{e007a}')) => {}
            control if control.is_control() => {}
            text => out.push(text),
        }
    }
    out
}

/// Skips what belongs to an escape character: nothing that is not part of a sequence, so that a lone one takes no text with it.
fn skip_escape(letters: &mut Peekable<Chars<'_>>) {
    match letters.peek() {
        Some('[') => {
            letters.next();
            skip_csi(letters);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            letters.next();
            skip_string(letters);
        }
        Some(' '..='/') => {
            while letters.next_if(|next| (' '..='/').contains(next)).is_some() {}
            letters.next_if(|next| ('0'..='~').contains(next));
        }
        Some('0'..='~') => {
            letters.next();
        }
        _ => {}
    }
}

/// Skips parameters, intermediates and the final letter of a control sequence.
fn skip_csi(letters: &mut Peekable<Chars<'_>>) {
    while letters.next_if(|next| (' '..='?').contains(next)).is_some() {}
    letters.next_if(|next| ('@'..='~').contains(next));
}

/// Skips the body of a string sequence and its terminator, if there is one near.
fn skip_string(letters: &mut Peekable<Chars<'_>>) {
    let mut ahead = letters.clone();
    for _ in 0..SEQUENCE_MAX {
        match ahead.next() {
            None => return,
            Some('\u{7}' | '\u{9c}') => {
                *letters = ahead;
                return;
            }
            Some('\u{1b}') => {
                ahead.next_if(|next| *next == '\\');
                *letters = ahead;
                return;
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_vanish_whole() {
        for (foreign, clean) in [
            ("a\u{1b}[31mred\u{1b}[0m", "ared"),
            ("a\u{1b}[38;2;1;2;3mb", "ab"),
            ("a\u{1b}[?1049hb\u{1b}[2J", "ab"),
            ("a\u{1b}]0;title\u{7}b", "ab"),
            ("a\u{1b}]52;c;c2VjcmV0\u{1b}\\b", "ab"),
            ("a\u{1b}]8;;http://x\u{9c}link", "alink"),
            ("a\u{1b}P1$qm\u{1b}\\b", "ab"),
            ("a\u{1b}_apc\u{1b}\\b", "ab"),
            ("a\u{9b}2Jb\u{9d}0;t\u{9c}c", "abc"),
            ("a\u{1b}(0b\u{1b}cc\u{1b}7d", "abcd"),
            ("\u{1b}\u{1b}[31mx", "x"),
        ] {
            assert_eq!(sanitize(foreign), clean, "{foreign:?}");
        }
    }

    #[test]
    fn controls_vanish() {
        let all: String = (0..0x20)
            .chain(0x7f..0xa0)
            .filter_map(char::from_u32)
            .filter(|c| !"\u{1b}\u{90}\u{98}\u{9b}\u{9d}\u{9e}\u{9f}".contains(*c))
            .collect();
        assert_eq!(sanitize(&format!("a{all}b")), "ab");
        assert_eq!(sanitize("ring\u{7}\u{8}\u{8}\u{8}bell"), "ringbell");
    }

    #[test]
    fn a_stray_escape_or_an_endless_string_hides_nothing() {
        assert_eq!(sanitize("a\u{1b}"), "a");
        assert_eq!(sanitize("a\u{1b}салом"), "aсалом");
        assert_eq!(sanitize("a\u{1b}]0;no end and much text"), "a0;no end and much text");
        let long = format!("\u{1b}]{}\u{7}tail", "x".repeat(SEQUENCE_MAX));
        assert!(sanitize(&long).ends_with("tail"));
    }

    #[test]
    fn direction_overrides_vanish() {
        assert_eq!(sanitize("gpj.\u{202e}exe"), "gpj.exe");
        assert_eq!(sanitize("\u{2066}a\u{2069}\u{200f}b\u{61c}\u{feff}"), "ab");
    }

    #[test]
    fn emoji_and_letters_of_all_languages_stay() {
        for text in ["👨‍👩‍👧‍👦 ❤️ 🇹🇯", "и\u{304} ӣ қ ғ ҳ ҷ ӯ", "سلام", "می\u{200c}خواهم", "oʻzbek", "日本"]
        {
            assert_eq!(sanitize(text), text);
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_no_control_character_is_left(text in "[\\x00-\\x1f\\x7f-\\u{9f}\\[\\]P0-9;m\\\\a-zа-я\\u{2028}\\u{202e}]{0,200}") {
            let clean = sanitize(&text);
            let harmful = clean.chars().find(|c| c.is_control() || ['\u{202e}', '\u{2028}'].contains(c));
            prop_assert_eq!(harmful, None);
            prop_assert_eq!(sanitize(&clean), clean);
        }
    }
}
