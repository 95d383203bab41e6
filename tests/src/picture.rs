//! Pictures of the real program's screen for the documents: what a terminal shows, as SVG.
//!
//! Times and the date are those of the day a picture is made, so they are replaced; everything else is as the program drew it.

use std::fmt::Write as _;
use vt100::{Color, Screen};

/// Width and height of a cell in the picture's units.
const CELL: (usize, usize) = (9, 19);
/// What stands for each time of day.
const TIME: &str = "14:05";

/// A run of cells that look alike.
struct Run {
    column: usize,
    cells: usize,
    text: String,
    style: Style,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Style {
    front: Color,
    bold: bool,
    inverse: bool,
    underlined: bool,
}

/// The screen as an SVG document. `dates` are texts that stand for the date of today, and what is shown in their place.
#[must_use]
pub fn svg(screen: &Screen, title: &str, dates: &[(String, String)]) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let (wide, high) = (usize::from(columns) * CELL.0 + 20, usize::from(rows) * CELL.1 + 20);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" width=\"{wide}\" height=\"{high}\" \
         font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"15\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#16181d\"/>\n",
        escaped(title)
    );
    for row in 0..rows {
        for run in runs(screen, row, columns, dates) {
            draw(&mut out, &run, usize::from(row));
        }
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, run: &Run, row: usize) {
    let (x, y) = (10 + run.column * CELL.0, 10 + row * CELL.1);
    let wide = run.cells * CELL.0;
    let front = colour(run.style.front, run.style.bold);
    if run.style.inverse {
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{}\" fill=\"{front}\"/>",
            CELL.1
        );
    }
    if run.style.underlined {
        let line = y + CELL.1 - 2;
        let _ =
            writeln!(out, "<rect x=\"{x}\" y=\"{line}\" width=\"{wide}\" height=\"1\" fill=\"{front}\"/>");
    }
    if run.text.trim().is_empty() {
        return;
    }
    let fill = if run.style.inverse { "#16181d" } else { front };
    let bold = if run.style.bold { " font-weight=\"bold\"" } else { "" };
    let _ = writeln!(
        out,
        "<text x=\"{x}\" y=\"{}\" textLength=\"{wide}\" xml:space=\"preserve\" fill=\"{fill}\"{bold}>{}</text>",
        y + CELL.1 - 5,
        escaped(&run.text)
    );
}

fn runs(screen: &Screen, row: u16, columns: u16, dates: &[(String, String)]) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::new();
    let mut column = 0;
    while column < columns {
        let Some(cell) = screen.cell(row, column) else { break };
        let cells = if cell.is_wide() { 2 } else { 1 };
        let text = if cell.has_contents() { cell.contents().to_owned() } else { " ".to_owned() };
        let style = Style {
            front: cell.fgcolor(),
            bold: cell.bold(),
            inverse: cell.inverse(),
            underlined: cell.underline(),
        };
        match out.last_mut().filter(|run| run.style == style) {
            Some(run) => {
                run.text.push_str(&text);
                run.cells += cells;
            }
            None => out.push(Run { column: usize::from(column), cells, text, style }),
        }
        column += u16::try_from(cells).unwrap_or(1);
    }
    for run in &mut out {
        run.text = timeless(&run.text);
        for (today, shown) in dates {
            run.text = dated(&run.text, today, shown);
        }
    }
    out
}

/// The text with another date. In a rule the date stands in the middle, so the rule is laid anew around it.
fn dated(text: &str, today: &str, shown: &str) -> String {
    let Some((before, behind)) = text.split_once(today) else { return text.to_owned() };
    if !before.ends_with("─ ") {
        return format!("{before}{shown}{behind}");
    }
    let head = before.trim_end_matches([' ', '─']);
    let tail = behind.trim_start_matches([' ', '─']);
    let letters = |part: &str| part.chars().count();
    let cells = letters(text) - letters(head) - letters(tail);
    let left = cells.saturating_sub(letters(shown) + 2) / 2;
    let right = cells.saturating_sub(left + letters(shown) + 2);
    format!("{head}{} {shown} {}{tail}", "─".repeat(left), "─".repeat(right))
}

/// The text with every time of day replaced.
fn timeless(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let digit = |offset: usize| letters.get(at + offset).is_some_and(char::is_ascii_digit);
        if digit(0) && digit(1) && letters.get(at + 2) == Some(&':') && digit(3) && digit(4) {
            out.push_str(TIME);
            at += 5;
        } else {
            out.extend(letters.get(at));
            at += 1;
        }
    }
    out
}

fn colour(colour: Color, bold: bool) -> &'static str {
    match colour {
        Color::Idx(1 | 9) => "#e06c75",
        Color::Idx(2 | 10) => "#8cc570",
        Color::Idx(3 | 11) => "#e5c07b",
        Color::Idx(4 | 12) => "#61afef",
        Color::Idx(5 | 13) => "#c678dd",
        Color::Idx(6 | 14) => "#56b6c2",
        Color::Idx(8) => "#7f8794",
        _ if bold => "#ffffff",
        _ => "#d7dae0",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_the_same_on_every_day() {
        // As the program lays a rule of 40 columns around dates of different length.
        let monday = format!("│{} Monday, 2 May 2027 {}", "─".repeat(10), "─".repeat(10));
        let sunday = format!("│{} Sunday, 22 November 2026 {}", "─".repeat(7), "─".repeat(7));
        for (row, today) in [(monday, "Monday, 2 May 2027"), (sunday.clone(), "Sunday, 22 November 2026")] {
            assert_eq!(dated(&row, today, "Sunday, 22 November 2026"), sunday);
        }
        assert_eq!(dated("Модар 03.05 14:05", "03.05", "22.11"), "Модар 22.11 14:05");
    }

    #[test]
    fn a_picture_has_the_letters_of_the_screen_and_no_time_of_its_making() {
        let mut parser = vt100::Parser::new(2.try_into().unwrap(), 20.try_into().unwrap(), 0);
        parser.process("\x1b[1m<Модар>\x1b[0m 09:41 ✓".as_bytes());
        let picture = svg(parser.screen(), "a & b", &[]);
        assert!(picture.contains("&lt;Модар&gt;") && picture.contains("14:05 ✓"), "{picture}");
        assert!(!picture.contains("09:41") && picture.contains("a &amp; b"));
    }
}
