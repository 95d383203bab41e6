//! A text field: grapheme-correct editing on one line or many, wiped from memory when dropped.

use super::{sanitize::sanitize, wrap};
use std::ops::Range;
use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};
use zeroize::{Zeroize, Zeroizing};

/// A text with a cursor, bounded in bytes.
pub struct Editor {
    text: Zeroizing<String>,
    cursor: usize,
    max: usize,
    multiline: bool,
}

impl Editor {
    /// An empty field of one line.
    #[must_use]
    pub fn line(max: usize) -> Self {
        // The room is taken at once, so that growing leaves no copies of a passphrase behind.
        Self { text: Zeroizing::new(String::with_capacity(max.min(1024))), cursor: 0, max, multiline: false }
    }

    /// An empty field of many lines.
    #[must_use]
    pub fn lines(max: usize) -> Self {
        Self { multiline: true, ..Self::line(max) }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether nothing but blanks was written.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Byte position of the cursor, always between two user-perceived characters.
    #[must_use]
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Takes the text out and leaves the field empty.
    pub fn take(&mut self) -> Zeroizing<String> {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Replaces the text; the cursor goes to its end.
    pub fn set(&mut self, text: &str) {
        self.text.zeroize();
        self.cursor = 0;
        self.insert(text);
    }

    /// Inserts typed or pasted text at the cursor: control characters are stripped, line breaks become spaces in a field of one
    /// line, and what does not fit is left out. Returns whether all of it fitted.
    pub fn insert(&mut self, text: &str) -> bool {
        let unified =
            Zeroizing::new(text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n"));
        let mut clean = Zeroizing::new(String::with_capacity(unified.len()));
        let spaced = Zeroizing::new(unified.replace('\t', "    "));
        for (number, line) in spaced.split('\n').enumerate() {
            if number > 0 {
                clean.push(if self.multiline { '\n' } else { ' ' });
            }
            clean.push_str(&Zeroizing::new(sanitize(line)));
        }
        let room = self.max.saturating_sub(self.text.len());
        let mut end = 0;
        for (at, grapheme) in clean.grapheme_indices(true) {
            if at + grapheme.len() > room {
                break;
            }
            end = at + grapheme.len();
        }
        let fitted = end == clean.len();
        if let Some(part) = clean.get(..end) {
            self.text.insert_str(self.cursor, part);
            self.cursor = self.snap(self.cursor + part.len());
        }
        fitted
    }

    /// Starts a new line; nothing happens in a field of one line.
    pub fn newline(&mut self) {
        if self.multiline {
            self.insert("\n");
        }
    }

    /// Erases the character before the cursor.
    pub fn backspace(&mut self) {
        self.erase(self.previous()..self.cursor);
    }

    /// Erases the character after the cursor.
    pub fn delete(&mut self) {
        self.erase(self.cursor..self.next());
    }

    /// Erases the word before the cursor.
    pub fn erase_word(&mut self) {
        self.erase(self.word_before()..self.cursor);
    }

    /// Erases everything before the cursor on its line.
    pub fn erase_line(&mut self) {
        self.erase(self.line_start()..self.cursor);
    }

    /// Moves one character to the left.
    pub fn left(&mut self) {
        self.cursor = self.previous();
    }

    /// Moves one character to the right.
    pub fn right(&mut self) {
        self.cursor = self.next();
    }

    /// Moves to the start of the word before the cursor.
    pub fn word_left(&mut self) {
        self.cursor = self.word_before();
    }

    /// Moves behind the word after the cursor.
    pub fn word_right(&mut self) {
        let rest = self.text.get(self.cursor..).unwrap_or_default();
        let word = rest.split_word_bound_indices().find(|(_, word)| !word.trim().is_empty());
        self.cursor = self.snap(self.cursor + word.map_or(rest.len(), |(at, word)| at + word.len()));
    }

    /// Moves to the start of the line.
    pub fn home(&mut self) {
        self.cursor = self.line_start();
    }

    /// Moves to the end of the line.
    pub fn end(&mut self) {
        let rest = self.text.get(self.cursor..).unwrap_or_default();
        self.cursor += rest.find('\n').unwrap_or(rest.len());
    }

    /// Moves one row up or down in a field drawn `cells` wide; says whether there was such a row.
    pub fn vertical(&mut self, down: bool, cells: usize) -> bool {
        let rows = self.rows(cells);
        let (row, column) = self.place(cells);
        let target = if down { row + 1 } else { row.wrapping_sub(1) };
        let Some(range) = rows.get(target) else { return false };
        let mut used = 0;
        let mut at = range.start;
        for (offset, grapheme) in self.text.get(range.clone()).unwrap_or_default().grapheme_indices(true) {
            at = range.start + offset;
            if used >= column {
                break;
            }
            used += super::width::cell(grapheme);
            at += grapheme.len();
        }
        // Behind a soft break the position belongs to the next row; the last character of the row is taken instead.
        let soft = rows.get(target + 1).is_some_and(|next| next.start == at);
        self.cursor = if soft { self.boundary_before(at) } else { self.snap(at) };
        true
    }

    /// Byte ranges of the rows as drawn `cells` wide, without the line breaks.
    #[must_use]
    pub fn rows(&self, cells: usize) -> Vec<Range<usize>> {
        let mut out = Vec::new();
        let mut start = 0;
        for line in self.text.split('\n') {
            out.extend(wrap::rows(line, cells).into_iter().map(|row| start + row.start..start + row.end));
            start += line.len() + 1;
        }
        out
    }

    /// Row and column of the cursor as drawn `cells` wide.
    #[must_use]
    pub fn place(&self, cells: usize) -> (usize, usize) {
        let rows = self.rows(cells);
        let row = rows.iter().rposition(|row| row.start <= self.cursor).unwrap_or(0);
        let before =
            rows.get(row).and_then(|range| self.text.get(range.start..self.cursor)).unwrap_or_default();
        (row, super::width::width(before))
    }

    fn erase(&mut self, range: Range<usize>) {
        if range.start < range.end && self.text.get(range.clone()).is_some() {
            let start = range.start;
            self.text.replace_range(range, "");
            self.cursor = self.snap(start);
        }
    }

    fn previous(&self) -> usize {
        self.boundary_before(self.cursor)
    }

    fn boundary_before(&self, at: usize) -> usize {
        GraphemeCursor::new(at, self.text.len(), true)
            .prev_boundary(&self.text, 0)
            .ok()
            .flatten()
            .unwrap_or(0)
    }

    fn next(&self) -> usize {
        let mut cursor = GraphemeCursor::new(self.cursor, self.text.len(), true);
        cursor.next_boundary(&self.text, 0).ok().flatten().unwrap_or(self.text.len())
    }

    /// The nearest boundary at or after a position: an edit may have joined two characters into one.
    fn snap(&self, at: usize) -> usize {
        let mut cursor = GraphemeCursor::new(at, self.text.len(), true);
        match cursor.is_boundary(&self.text, 0) {
            Ok(true) | Err(_) => at.min(self.text.len()),
            Ok(false) => cursor.next_boundary(&self.text, 0).ok().flatten().unwrap_or(self.text.len()),
        }
    }

    fn line_start(&self) -> usize {
        self.text.get(..self.cursor).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1)
    }

    fn word_before(&self) -> usize {
        let before = self.text.get(..self.cursor).unwrap_or_default();
        let word = before.split_word_bound_indices().rfind(|(_, word)| !word.trim().is_empty());
        let at = word.map_or(0, |(at, _)| at);
        // Rules of words and of characters differ for a few letters: a word may start inside of what is one character on the screen.
        if self.snap(at) == at { at } else { self.boundary_before(at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_backspace_erases_what_looks_like_one_character() {
        for letter in ["👨‍👩‍👧‍👦", "🇹🇯", "и\u{304}", "ҷ"] {
            let mut field = Editor::line(100);
            field.insert("а");
            field.insert(letter);
            field.backspace();
            assert_eq!(field.text(), "а");
        }
    }

    #[test]
    fn a_pasted_text_keeps_its_lines_only_where_lines_are_allowed() {
        let mut many = Editor::lines(100);
        many.insert("як\r\nду\u{1b}[2J\tсе");
        assert_eq!(many.text(), "як\nду    се");
        let mut one = Editor::line(100);
        one.insert("як\nду");
        assert_eq!(one.text(), "як ду");
    }

    #[test]
    fn what_does_not_fit_is_left_out_whole() {
        let mut field = Editor::line(5);
        assert!(!field.insert("ҷойҷой"));
        assert_eq!(field.text(), "ҷо");
    }

    #[test]
    fn the_cursor_moves_between_rows_and_lines() {
        let mut field = Editor::lines(100);
        field.insert("abcdef\nxy");
        assert_eq!(field.place(4), (2, 2));
        assert!(field.vertical(false, 4));
        assert_eq!(field.place(4), (1, 2));
        assert!(field.vertical(false, 4));
        assert_eq!(field.place(4), (0, 2));
        assert!(!field.vertical(false, 4));
        field.end();
        assert_eq!(field.cursor(), 6);
        field.erase_line();
        assert_eq!(field.text(), "\nxy");
    }

    #[test]
    fn words_are_erased_and_skipped_whole() {
        let mut field = Editor::line(100);
        field.insert("салом модар ҷон");
        field.erase_word();
        assert_eq!(field.text(), "салом модар ");
        field.word_left();
        field.word_left();
        assert_eq!(field.cursor(), 0);
        field.word_right();
        assert_eq!(&field.text()[..field.cursor()], "салом");
    }

    proptest! {
        #[test]
        fn any_keys_on_any_text_keep_the_cursor_between_characters(
            parts in proptest::collection::vec(("\\PC{0,4}", 0u8..12), 0..24), cells in 1usize..20,
        ) {
            let mut field = Editor::lines(200);
            for (text, key) in parts {
                field.insert(&text);
                match key {
                    0 => field.backspace(),
                    1 => field.delete(),
                    2 => field.left(),
                    3 => field.right(),
                    4 => field.word_left(),
                    5 => field.word_right(),
                    6 => field.erase_word(),
                    7 => field.erase_line(),
                    8 => field.newline(),
                    9 => { field.vertical(true, cells); }
                    10 => { field.vertical(false, cells); }
                    _ => field.home(),
                }
                prop_assert!(field.text().len() <= 200);
                prop_assert_eq!(field.snap(field.cursor()), field.cursor());
                let (row, _) = field.place(cells);
                prop_assert!(row < field.rows(cells).len());
            }
        }
    }
}
