//! An invitation as a QR code in half blocks: two rows of modules in one row of cells.

use qrcode::{EcLevel, QrCode, types::Color};

/// Light modules around the code. The standard asks for 4; 2 are read by phones and let version 5 fit 80x24.
const MARGIN: usize = 2;
/// Rows that leave room for a title and a line of keys on 24.
pub const ROWS_MAX: usize = 21;
/// Rows of the largest code that is drawn where there is room: version 10 holds 395 letters.
const ROWS_LARGEST: usize = 31;

/// The code as rows of half blocks; `None` when the text needs a larger code than fits a screen. A light module is drawn in the
/// foreground colour (`inverted`: in the background colour), for terminals that are dark (light).
#[must_use]
pub fn rows(text: &str, inverted: bool) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::L).ok()?;
    let modules = code.width();
    let side = modules + 2 * MARGIN;
    if side.div_ceil(2) > ROWS_LARGEST {
        return None;
    }
    let colors = code.to_colors();
    let light = |x: usize, y: usize| -> bool {
        let inside = x
            .checked_sub(MARGIN)
            .filter(|x| *x < modules)
            .zip(y.checked_sub(MARGIN).filter(|y| *y < modules));
        let dark =
            inside.and_then(|(x, y)| colors.get(y * modules + x)).is_some_and(|color| *color == Color::Dark);
        // The row below an odd number of rows lies outside the code and keeps the colour of the screen.
        if y < side { dark == inverted } else { false }
    };
    let row = |top: usize| -> String {
        (0..side)
            .map(|x| match (light(x, top), light(x, top + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            })
            .collect()
    };
    Some((0..side).step_by(2).map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::width::width;

    /// The longest invitation: prefix and 128 letters of base32.
    fn longest() -> String {
        format!("KARVON:{}", "K7QF".repeat(32))
    }

    #[test]
    fn the_longest_invitation_fits_80x24_with_a_title_and_a_line_of_keys() {
        let rows = rows(&longest(), false).unwrap();
        assert!(rows.len() <= ROWS_MAX);
        assert!(rows.iter().all(|row| width(row) == 41));
    }

    #[test]
    fn what_needs_a_larger_code_is_refused() {
        assert_eq!(rows(&"K".repeat(400), false), None);
    }

    #[test]
    fn the_finder_patterns_are_where_a_reader_looks_for_them() {
        // Undo the half blocks and compare each module with the encoder's own matrix.
        let text = longest();
        let drawn = rows(&text, false).unwrap();
        let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::L).unwrap();
        for y in 0..code.width() {
            for x in 0..code.width() {
                let letter = drawn[(y + MARGIN) / 2].chars().nth(x + MARGIN).unwrap();
                let light = match (y + MARGIN) % 2 {
                    0 => matches!(letter, '█' | '▀'),
                    _ => matches!(letter, '█' | '▄'),
                };
                assert_eq!(light, code[(x, y)] == Color::Light, "module {x},{y}");
            }
        }
        let quiet = drawn.first().unwrap();
        assert!(quiet.chars().all(|letter| letter == '█'), "the margin is light");
    }

    #[test]
    fn inverting_swaps_dark_and_light() {
        let (dark, light) = (rows("KARVON:A", false).unwrap(), rows("KARVON:A", true).unwrap());
        assert_eq!(dark[0].chars().next(), Some('█'));
        assert_eq!(light[0].chars().next(), Some(' '));
    }
}
