//! Where results and remarks go: results to standard output, as JSON lines or for people; remarks and errors to standard error.

use super::failure::{Failure, OUTPUT_CLOSED};
use serde::Serialize;
use std::io::{self, IsTerminal as _, Write as _};

/// How to write.
#[derive(Debug, Clone, Copy)]
pub struct Out {
    /// One JSON object per line instead of text.
    pub json: bool,
    /// No remarks.
    pub quiet: bool,
}

impl Out {
    /// Writes a line of text. Foreign parts of it must have been sanitized.
    ///
    /// # Errors
    /// `output_closed` if nobody reads any more.
    pub fn line(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| closed(&error))
    }

    /// Writes a JSON object on one line.
    ///
    /// # Errors
    /// As [`Out::line`].
    pub fn object(self, value: &impl Serialize) -> Result<(), Failure> {
        self.line(&json(value))
    }

    /// Writes `value` as JSON, or else `text`.
    ///
    /// # Errors
    /// As [`Out::line`].
    pub fn result(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json { self.object(value) } else { self.line(&text()) }
    }

    /// A remark for a person who watches; scripts never see it.
    pub fn note(self, text: &str) {
        if !self.quiet && !self.json && io::stderr().is_terminal() {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// The reason why the command failed.
    pub fn failure(self, failure: &Failure) {
        #[derive(Serialize)]
        struct Line<'a> {
            error: &'a Failure,
        }
        if failure.code == OUTPUT_CLOSED {
            return;
        }
        let text = if self.json {
            json(&Line { error: failure })
        } else {
            let mut text = format!("karvon: {}", failure.message);
            for candidate in &failure.candidates {
                text.push_str("\n  ");
                text.push_str(candidate);
            }
            text
        };
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// JSON on one line that is safe to print: what a terminal would act on is escaped, so that nothing is lost for scripts.
fn json(value: &impl Serialize) -> String {
    // The types written here have no maps with other keys than texts, and so always a JSON form.
    let plain = serde_json::to_string(value).unwrap_or_default();
    let mut out = String::with_capacity(plain.len());
    for letter in plain.chars() {
        let direction = matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        // Outside of texts JSON is ASCII, so an escape is only ever written inside one.
        if letter.is_control() || direction {
            out.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            out.push(letter);
        }
    }
    out
}

fn closed(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::new(OUTPUT_CLOSED, "nobody reads the output"),
        _ => Failure::new("io", format!("the output can not be written: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_foreign_text_whole_and_shows_a_terminal_nothing_to_act_on() {
        let foreign = "a\u{1b}[31m\u{9b}2J\u{7f}\u{202e}\n👨‍👩‍👧 \"ӯ\"";
        let line = json(&foreign);
        assert!(!line.chars().any(|letter| letter.is_control() || letter == '\u{202e}'), "{line:?}");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), foreign);
    }
}
