//! Widths in terminal cells, exactly as the drawing library counts them.

use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation;

/// Code points a drawn character may have: the longest emoji have 10, writing needs fewer, and stacks of marks slow terminals.
const MARKS_MAX: usize = 16;

/// Cells one user-perceived character takes.
#[must_use]
pub fn cell(grapheme: &str) -> usize {
    if grapheme.contains(char::is_control) { 0 } else { usize::from(grapheme.cell_width()) }
}

/// Cells a text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    text.graphemes(true).map(cell).sum()
}

/// The text, cut to at most `cells` with an ellipsis (`~` where only plain glyphs are shown) when it is longer.
#[must_use]
pub fn fit(text: &str, cells: usize, plain: bool) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let next = cell(grapheme);
        if used + next + 1 > cells {
            break;
        }
        used += next;
        out.push_str(grapheme);
    }
    if cells > 0 {
        out.push(if plain { '~' } else { '…' });
    }
    out
}

/// The text, cut or filled with spaces to exactly `cells`.
#[must_use]
pub fn pad(text: &str, cells: usize, plain: bool) -> String {
    let mut out = fit(text, cells, plain);
    let missing = cells.saturating_sub(width(&out));
    out.extend(std::iter::repeat_n(' ', missing));
    out
}

/// Cuts stacks of combining marks to what writing needs.
#[must_use]
pub fn clamp_marks(text: &str) -> String {
    text.graphemes(true).flat_map(|grapheme| grapheme.chars().take(MARKS_MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tajik_letters_take_one_cell_and_emoji_two() {
        assert_eq!(width("ӣқғҳҷӯ"), 6);
        assert_eq!(width("и\u{304}"), 1);
        assert_eq!(width("👨‍👩‍👧‍👦"), 2);
        assert_eq!(width("\u{200b}"), 0);
    }

    #[test]
    fn a_cut_text_never_exceeds_its_cells() {
        assert_eq!(fit("Салом", 5, false), "Салом");
        assert_eq!(fit("Салом алейкум", 6, false), "Салом…");
        assert_eq!(fit("😀😀😀", 4, true), "😀~");
        assert_eq!(fit("abc", 0, false), "");
        assert_eq!(pad("ӯҳ", 4, false), "ӯҳ  ");
    }

    #[test]
    fn a_stack_of_marks_is_cut() {
        let tower = format!("a{}", "\u{301}".repeat(500));
        assert_eq!(clamp_marks(&tower).chars().count(), MARKS_MAX);
    }
}
