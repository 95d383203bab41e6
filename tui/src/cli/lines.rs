//! Texts from standard input, within the bound of one message, read beside the work so that nothing waits for whoever types.

use super::failure::Failure;
use karvon_node::api::TEXT_BYTES_MAX;
use std::io::{self, BufRead, Read as _};
use tokio::sync::mpsc;

/// Lines read ahead of sending.
const AHEAD: usize = 1024;

/// Lines of standard input as they come; empty ones are left out. A failure is the last item.
#[must_use]
pub(super) fn stdin_lines() -> mpsc::Receiver<Result<String, Failure>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    // Standard input can only be waited for by a thread; it ends with its input or with the process.
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        for number in 1_u64.. {
            let item = match next_line(&mut input, number) {
                Ok(None) => return,
                Ok(Some(line)) if line.is_empty() => continue,
                Ok(Some(line)) => Ok(line),
                Err(failure) => Err(failure),
            };
            let last = item.is_err();
            if sender.blocking_send(item).is_err() || last {
                return;
            }
        }
    });
    receiver
}

/// The whole of standard input as one text, without the line end that a file has.
///
/// # Errors
/// `too_long`, or `usage` if it is not text.
pub(super) fn stdin_text() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let most = TEXT_BYTES_MAX as u64 + 3;
    io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| Failure::usage("standard input is not UTF-8 text"))?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    bounded(text).map(str::to_owned)
}

/// `text`, if it fits one message.
///
/// # Errors
/// `too_long` or `empty`.
pub(super) fn bounded(text: &str) -> Result<&str, Failure> {
    match text.len() {
        0 => Err(Failure::new("empty", "there is nothing to send")),
        1..=TEXT_BYTES_MAX => Ok(text),
        _ => Err(too_long("the text")),
    }
}

fn too_long(what: &str) -> Failure {
    Failure::new(
        "too_long",
        format!("{what} is longer than one message may be, {TEXT_BYTES_MAX} bytes: send it in parts"),
    )
}

fn next_line(input: &mut impl BufRead, number: u64) -> Result<Option<String>, Failure> {
    let mut bytes = Vec::new();
    let most = TEXT_BYTES_MAX as u64 + 3;
    let length = input.take(most).read_until(b'\n', &mut bytes).map_err(|error| unreadable(&error))?;
    if length == 0 {
        return Ok(None);
    }
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > TEXT_BYTES_MAX {
        return Err(too_long(&format!("line {number}")));
    }
    let line =
        std::str::from_utf8(line).map_err(|_| Failure::usage(format!("line {number} is not UTF-8 text")))?;
    Ok(Some(line.to_owned()))
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new("io", format!("standard input can not be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_kinds_end_where_they_end() {
        let mut input = &b"one\r\n\ntwo"[..];
        assert_eq!(next_line(&mut input, 1), Ok(Some("one".into())));
        assert_eq!(next_line(&mut input, 2), Ok(Some(String::new())));
        assert_eq!(next_line(&mut input, 3), Ok(Some("two".into())));
        assert_eq!(next_line(&mut input, 4), Ok(None));
    }

    #[test]
    fn a_line_that_does_not_fit_a_message_is_named_and_not_read_to_its_end() {
        let most = "x".repeat(TEXT_BYTES_MAX);
        let mut input = io::Cursor::new(format!("{most}\r\n{most}x\n"));
        assert_eq!(next_line(&mut input, 1), Ok(Some(most)));
        let failure = next_line(&mut input, 2).unwrap_err();
        assert_eq!(failure.exit(), 9);
        assert!(failure.message.contains("line 2"), "{}", failure.message);
        assert_eq!(next_line(&mut &b"\xff\n"[..], 7).unwrap_err().exit(), 2);
    }
}
