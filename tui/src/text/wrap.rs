//! Breaks a line into rows of a given width, at words where possible and never inside a user-perceived character.

use super::width::cell;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// Byte ranges of the rows of `line`, which hold no line break. The ranges cover the line without a gap: spaces at which it was
/// broken stay at the end of their row. There is always at least one row.
#[must_use]
pub fn rows(line: &str, cells: usize) -> Vec<Range<usize>> {
    let cells = cells.max(1);
    let mut out = Vec::new();
    let mut start = 0;
    let mut used = 0;
    for (at, word) in words(line) {
        let wide = super::width::width(word.trim_end());
        let with_spaces = super::width::width(word);
        if used + wide <= cells {
            used += with_spaces;
            continue;
        }
        if wide <= cells && at > start {
            out.push(start..at);
            start = at;
            used = with_spaces;
            continue;
        }
        for (offset, grapheme) in word.grapheme_indices(true) {
            let next = cell(grapheme);
            let blank = grapheme.chars().all(char::is_whitespace);
            if used + next > cells && at + offset > start && !blank {
                out.push(start..at + offset);
                start = at + offset;
                used = 0;
            }
            used += next;
        }
    }
    out.push(start..line.len());
    out
}

/// Words with the spaces behind them, each with where it starts. Lines break at spaces only: punctuation stays with its word.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = line.get(at..).filter(|rest| !rest.is_empty())?;
        let letters = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let spaces = rest.get(letters..)?;
        let end = letters + spaces.find(|letter: char| !letter.is_whitespace()).unwrap_or(spaces.len());
        let word = rest.get(..end)?;
        at += end;
        Some((at - end, word))
    })
}

/// The rows as text without the spaces at which they were broken.
#[must_use]
pub fn wrapped(line: &str, cells: usize) -> Vec<&str> {
    rows(line, cells).into_iter().filter_map(|row| line.get(row)).map(str::trim_end).collect()
}

#[cfg(test)]
mod tests {
    use super::super::width::width;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn breaks_at_words_and_splits_only_what_is_too_long() {
        assert_eq!(wrapped("Пулро гирифтам, раҳмат", 10), ["Пулро", "гирифтам,", "раҳмат"]);
        assert_eq!(wrapped("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("sent; here", 5), ["sent;", "here"]);
    }

    proptest! {
        #[test]
        fn rows_cover_the_line_and_fit(line in "\\PC{0,60}", cells in 2usize..40) {
            let rows = rows(&line, cells);
            let joined: String = rows.iter().map(|row| &line[row.clone()]).collect();
            prop_assert_eq!(&joined, &line);
            for row in rows {
                prop_assert!(width(line[row].trim_end()) <= cells.max(2) + 2);
            }
        }
    }
}
