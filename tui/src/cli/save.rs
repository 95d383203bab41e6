//! Files: read to be sent, and saved under a name that can do no harm.

use super::args::Save;
use super::failure::Failure;
use super::session::{Session, unexpected};
use super::talk::message_id;
use crate::text::one_line;
use data_encoding::BASE64;
use karvon_node::api::{FILE_BYTES_MAX, Request, Response};
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Pictures become smaller when they are cleaned, so somewhat more is read than can be sent.
const READ_MAX: usize = 4 * FILE_BYTES_MAX;
/// Longest name of a saved file, bytes: some file systems take no more than 143.
const NAME_MAX: usize = 120;
/// Names tried before giving up: `a.jpg`, `a (2).jpg`, …
const NAMES_MAX: u32 = 1_000;

/// What a script gets.
#[derive(Serialize)]
struct Saved {
    path: PathBuf,
    bytes: usize,
    media_type: String,
}

/// Name and contents of a file that is to be sent; the contents as base64.
///
/// # Errors
/// `io`, `too_long` or `empty`.
pub(super) fn to_send(path: &Path) -> Result<(String, Zeroizing<String>), Failure> {
    let unreadable =
        |error: std::io::Error| Failure::new("io", format!("{} can not be read: {error}", path.display()));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut data = Zeroizing::new(Vec::new());
    file.take(READ_MAX as u64 + 1).read_to_end(&mut data).map_err(unreadable)?;
    if data.is_empty() {
        return Err(Failure::new("empty", "the file is empty"));
    }
    if data.len() > READ_MAX {
        let text = format!("the file is larger than one message may be, {FILE_BYTES_MAX} bytes");
        return Err(Failure::new("too_long", text));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok((harmless(&name), Zeroizing::new(BASE64.encode(&data))))
}

/// Saves the file that came with a message.
///
/// # Errors
/// The node's; `no_file`, `no_such_message`, `io`.
pub(super) async fn save(session: &Session<'_>, args: &Save) -> Result<(), Failure> {
    let id = message_id(&args.id)?;
    let (name, media_type, data) = session
        .with_node(async |client| match client.call(Request::File { id: id.clone() }).await? {
            Response::File { name, media_type, data } => Ok((name, media_type, Zeroizing::new(data))),
            _ => Err(unexpected()),
        })
        .await?;
    let data = BASE64.decode(data.as_bytes()).map(Zeroizing::new).map_err(|_| unexpected())?;
    let folder = args.to.clone().unwrap_or_else(|| PathBuf::from("."));
    let path = write_new(&folder, &harmless(&name), &data)?;
    let saved = Saved { path, bytes: data.len(), media_type };
    session.out.result(&saved, || {
        format!("saved {} ({} bytes)", one_line(&saved.path.to_string_lossy()), saved.bytes)
    })
}

/// Writes a file that is not there yet, for its owner alone.
fn write_new(folder: &Path, name: &str, data: &[u8]) -> Result<PathBuf, Failure> {
    let (stem, end) = match name.rsplit_once('.') {
        Some((stem, end)) if !stem.is_empty() => (stem, format!(".{end}")),
        _ => (name, String::new()),
    };
    for number in 1..=NAMES_MAX {
        let name = if number == 1 { format!("{stem}{end}") } else { format!("{stem} ({number}){end}") };
        let path = folder.join(name);
        let failed = |error| Failure::new("io", format!("{} can not be written: {error}", path.display()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path) {
            Ok(mut file) => {
                file.write_all(data).and_then(|()| file.sync_all()).map_err(failed)?;
                return Ok(path);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(Failure::new("io", "there are too many files of this name: choose another folder with --to"))
}

/// A foreign name without anything that a file system, a shell or a reader's eye could be tricked by.
fn harmless(name: &str) -> String {
    // Names that Windows keeps for devices, whatever follows the first dot.
    const DEVICES: &[&str] = &["con", "prn", "aux", "nul", "com", "lpt"];
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = one_line(last)
        .chars()
        .map(|letter| if letter.is_control() || "<>:\"|?*$`;&'".contains(letter) { '_' } else { letter })
        .collect();
    let plain = plain.trim_matches([' ', '.', '-']);
    let mut out = String::new();
    let (stem, end) = plain.rsplit_once('.').map_or((plain, ""), |(stem, end)| (stem, end));
    let end = if end.len() <= 16 { end } else { "" };
    let stem = if end.is_empty() { plain } else { stem };
    for letter in stem.chars() {
        if out.len() + letter.len_utf8() + end.len() + 1 > NAME_MAX {
            break;
        }
        out.push(letter);
    }
    let first = out.split('.').next().unwrap_or_default().trim().to_lowercase();
    let device = first.trim_end_matches(|letter: char| letter.is_ascii_digit());
    if out.is_empty() || DEVICES.contains(&device) {
        out.insert_str(0, "file_");
    }
    if !end.is_empty() {
        out.push('.');
        out.push_str(end);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_name_can_not_leave_the_folder_or_pass_for_another() {
        for (foreign, name) in [
            ("photo.jpg", "photo.jpg"),
            ("сурати модар.jpg", "сурати модар.jpg"),
            ("../../.bashrc", "bashrc"),
            ("/etc/passwd", "passwd"),
            ("C:\\Windows\\win.ini", "win.ini"),
            ("..", "file_"),
            ("", "file_"),
            (".hidden", "hidden"),
            ("-rf", "rf"),
            ("a\nb\u{1b}[2J.txt", "a b.txt"),
            ("con.txt", "file_con.txt"),
            ("LPT1", "file_LPT1"),
            ("a;rm -rf $HOME.sh", "a_rm -rf _HOME.sh"),
        ] {
            assert_eq!(harmless(foreign), name, "{foreign:?}");
        }
        assert!(!harmless("invoice\u{202e}gpj.exe").contains('\u{202e}'));
        let long = harmless(&format!("{}.jpeg", "ӣ".repeat(300)));
        assert!(long.len() <= NAME_MAX && long.ends_with(".jpeg"), "{long}");
    }

    #[test]
    fn nothing_that_is_there_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let first = write_new(folder.path(), "a.jpg", b"one").unwrap();
        let second = write_new(folder.path(), "a.jpg", b"two").unwrap();
        assert_eq!(second.file_name().unwrap(), "a (2).jpg");
        assert_eq!(std::fs::read(first).unwrap(), b"one");
        assert_eq!(write_new(&folder.path().join("missing"), "a", b"x").unwrap_err().code, "io");
        let large = folder.path().join("large");
        std::fs::write(&large, vec![0; READ_MAX + 1]).unwrap();
        assert_eq!(to_send(&large).unwrap_err().code, "too_long");
        std::fs::write(&large, b"").unwrap();
        assert_eq!(to_send(&large).unwrap_err().code, "empty");
    }
}
