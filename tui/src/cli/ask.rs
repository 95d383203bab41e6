//! Questions at the terminal, and secrets read from files and standard input.

use super::failure::Failure;
use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, read};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use std::fs::File;
use std::io::{self, BufRead as _, IsTerminal as _, Read, Write as _};
use std::path::Path;
use zeroize::Zeroizing;

/// Longest secret or list of secrets that is read, bytes.
const SECRET_MAX: u64 = 64 * 1024;

/// Whether a person can be asked.
#[must_use]
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a line.
///
/// # Errors
/// If the terminal can not be read, or was closed.
pub(super) fn line(question: &str) -> Result<Zeroizing<String>, Failure> {
    prompt(question)?;
    let mut answer = Zeroizing::new(String::new());
    let length =
        io::stdin().lock().take(SECRET_MAX).read_line(&mut answer).map_err(|error| unreadable(&error))?;
    if length == 0 {
        return Err(Failure::usage("no answer was given"));
    }
    Ok(Zeroizing::new(answer.trim().to_owned()))
}

/// Asks for a secret without showing it.
///
/// # Errors
/// As [`line()`]; `interrupted` on Ctrl-C.
pub(super) fn hidden(question: &str) -> Result<Zeroizing<String>, Failure> {
    prompt(question)?;
    enable_raw_mode().map_err(|error| unreadable(&error))?;
    let answer = typed();
    let _ = disable_raw_mode();
    let _ = writeln!(io::stderr());
    answer
}

/// Tells the person who is being asked something.
pub(super) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn typed() -> Result<Zeroizing<String>, Failure> {
    // The room is taken at once, so that growing leaves no copies behind.
    let mut answer = Zeroizing::new(String::with_capacity(1024));
    loop {
        let Event::Key(key) = read().map_err(|error| unreadable(&error))? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        match key.code {
            KeyCode::Enter => return Ok(answer),
            KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                return Err(Failure::new(super::failure::INTERRUPTED, "interrupted"));
            }
            KeyCode::Backspace => drop(answer.pop()),
            KeyCode::Char(letter) if answer.len() + letter.len_utf8() <= answer.capacity() => {
                answer.push(letter)
            }
            _ => {}
        }
    }
}

fn prompt(question: &str) -> Result<(), Failure> {
    let mut err = io::stderr();
    write!(err, "{question} ").and_then(|()| err.flush()).map_err(|error| unreadable(&error))
}

/// The first line of a file: a passphrase.
///
/// # Errors
/// `usage` if it can not be read or is empty.
pub(super) fn first_line(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = file(path)?;
    match text.lines().next() {
        Some(first) if !first.is_empty() => Ok(Zeroizing::new(first.to_owned())),
        _ => Err(Failure::usage(format!("{} has no first line", path.display()))),
    }
}

/// The first line of standard input; whoever reads it later gets what follows.
///
/// # Errors
/// `usage` if there is none, or it is empty.
pub(super) fn stdin_line() -> Result<Zeroizing<String>, Failure> {
    let line = bare_line(bare_stdin().map_err(|error| unreadable(&error))?)?;
    if line.is_empty() {
        return Err(Failure::usage("standard input has no first line"));
    }
    Ok(line)
}

/// Standard input without the buffer of the library, which would hold what went through it as long as this process lives.
fn bare_stdin() -> io::Result<impl Read> {
    #[cfg(unix)]
    return Ok(File::from(std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?));
    #[cfg(not(unix))]
    Ok(io::stdin().lock())
}

/// The next line, byte by byte: not one more is taken.
fn bare_line(mut from: impl Read) -> Result<Zeroizing<String>, Failure> {
    let mut line = Zeroizing::new(Vec::with_capacity(1024));
    let mut byte = Zeroizing::new([0]);
    loop {
        match from.read_exact(&mut *byte) {
            Ok(()) if *byte != *b"\n" => (),
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(unreadable(&error)),
            _ => break,
        }
        if line.len() == line.capacity() {
            return Err(Failure::usage("the passphrase is longer than 1,024 bytes"));
        }
        line.extend_from_slice(&*byte);
    }
    let text = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(&line));
    text.map(|text| Zeroizing::new(text.to_owned()))
        .map_err(|_| Failure::usage("the passphrase is not UTF-8 text"))
}

/// The lines of a file that are not empty; `-` is standard input.
///
/// # Errors
/// As [`first_line`].
pub(super) fn lines(path: &Path) -> Result<Vec<Zeroizing<String>>, Failure> {
    let text = if path == Path::new("-") { stdin()? } else { file(path)? };
    let full = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(full.map(|line| Zeroizing::new(line.to_owned())).collect())
}

/// All of standard input.
///
/// # Errors
/// `usage` if it is not text or too long for a secret.
pub(super) fn stdin() -> Result<Zeroizing<String>, Failure> {
    whole(bare_stdin().map_err(|error| unreadable(&error))?, "standard input")
}

fn file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    whole(file, &name)
}

fn whole(from: impl Read, name: &str) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    from.take(SECRET_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    if text.len() as u64 > SECRET_MAX {
        return Err(Failure::usage(format!("{name} is too long")));
    }
    Ok(text)
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new("io", format!("the terminal can not be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_the_first_line_and_blanks_belong_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        std::fs::write(&path, " two words \nsecond\n").unwrap();
        assert_eq!(*first_line(&path).unwrap(), " two words ");
        std::fs::write(&path, "\n").unwrap();
        assert_eq!(first_line(&path).unwrap_err().exit(), 2);
        assert_eq!(first_line(&dir.path().join("none")).unwrap_err().exit(), 2);
    }

    #[test]
    fn a_line_of_standard_input_is_taken_to_its_end_and_no_further() {
        let mut input = &b"one two \r\nsecond\nlast"[..];
        assert_eq!(*bare_line(&mut input).unwrap(), "one two ");
        assert_eq!(*bare_line(&mut input).unwrap(), "second");
        assert_eq!(*bare_line(&mut input).unwrap(), "last");
        assert_eq!(*bare_line(&mut input).unwrap(), "");
        assert_eq!(bare_line(&b"\xff\n"[..]).unwrap_err().exit(), 2);
        assert_eq!(bare_line(&[b'x'; 1025][..]).unwrap_err().exit(), 2);
        assert_eq!(bare_line(&[b'x'; 1024][..]).unwrap().len(), 1024);
    }

    #[test]
    fn lists_leave_empty_lines_out_and_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d");
        std::fs::write(&path, "\n one \n\ntwo\n").unwrap();
        let seen: Vec<String> = lines(&path).unwrap().iter().map(|line| line.to_string()).collect();
        assert_eq!(seen, ["one", "two"]);
        std::fs::write(&path, vec![b'x'; SECRET_MAX as usize + 1]).unwrap();
        assert!(lines(&path).is_err());
    }
}
