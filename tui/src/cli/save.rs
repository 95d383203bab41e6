//! Files: read to be sent, and saved under a name that can do no harm.

use super::args::Save;
use super::failure::Failure;
use super::session::{Session, unexpected};
use super::talk::message_id;
use crate::app::file::Entry;
use crate::text::one_line;
use data_encoding::BASE64;
use karvon_node::api::{FILE_BYTES_MAX, Request, Response};
use serde::Serialize;
use std::cmp::Reverse;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

/// Pictures become smaller when they are cleaned, so somewhat more is read than can be sent.
const READ_MAX: usize = 4 * FILE_BYTES_MAX;
/// Longest name of a saved file, bytes: some file systems take no more than 143.
const NAME_MAX: usize = 120;
/// Entries of a folder that are read.
const ENTRIES_MAX: usize = 5_000;
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
    // A pipe or a device would keep the program waiting for ever.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Failure::new("io", format!("{} is not a file", path.display())));
    }
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

/// What is in a folder, for the screen: folders by name, then files, the newest first. Names that can not be shown as they are, are left
/// out: a name that looks like another one must not be chosen by mistake.
pub(crate) async fn list(folder: String) -> Vec<Entry> {
    spawn_blocking(move || entries(&at_home(if folder.is_empty() { "." } else { &folder })))
        .await
        .unwrap_or_default()
}

fn entries(folder: &Path) -> Vec<Entry> {
    let Ok(found) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut all: Vec<(Reverse<SystemTime>, Entry)> = found
        .take(ENTRIES_MAX)
        .filter_map(|one| {
            let one = one.ok()?;
            let name = one.file_name().into_string().ok().filter(|name| one_line(name) == *name)?;
            // Of what a link leads to.
            let about =
                std::fs::metadata(one.path()).ok().filter(|about| about.is_dir() || about.is_file())?;
            let changed = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            Some((Reverse(changed), Entry { name, folder: about.is_dir(), bytes: about.len() }))
        })
        .collect();
    all.sort_by(|(at, one), (other_at, other)| match (one.folder, other.folder) {
        (true, true) => one.name.cmp(&other.name),
        (false, false) => at.cmp(other_at).then_with(|| one.name.cmp(&other.name)),
        _ => other.folder.cmp(&one.folder),
    });
    all.into_iter().map(|(_, entry)| entry).collect()
}

/// Reads a file on behalf of the screen: its name and contents; the error is a code.
pub(crate) async fn read(path: String) -> Result<(String, Zeroizing<String>), String> {
    let read = spawn_blocking(move || to_send(&at_home(&path)));
    read.await.map_err(|_| "io".to_owned())?.map_err(|failure| failure.code)
}

/// Saves a file on behalf of the screen, in the folder for downloads where there is one, else at home, and says where; the error is a
/// code.
pub(crate) async fn keep(name: String, data: Zeroizing<String>) -> Result<String, String> {
    let kept = spawn_blocking(move || -> Result<String, String> {
        let data = BASE64.decode(data.as_bytes()).map(Zeroizing::new).map_err(|_| "protocol".to_owned())?;
        let folders = ["~/Downloads", "~/storage/downloads", "~"].map(at_home);
        let folder = folders.into_iter().find(|path| path.is_dir()).unwrap_or_else(|| PathBuf::from("."));
        let path = write_new(&folder, &harmless(&name), &data).map_err(|failure| failure.code)?;
        Ok(path.to_string_lossy().into_owned())
    });
    kept.await.map_err(|_| "io".to_owned())?
}

/// A path in which `~` stands for the home folder.
fn at_home(path: impl AsRef<str>) -> PathBuf {
    let path = path.as_ref();
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    match (path.strip_prefix('~'), home()) {
        (Some(rest), Some(home)) => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(path),
    }
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
    fn a_folder_shows_folders_first_and_then_the_newest_file() {
        let folder = tempfile::tempdir().unwrap();
        for (name, age) in [("old.jpg", 500), ("new.jpg", 5), ("a\u{202e}gpj.exe", 1)] {
            let file = std::fs::File::create(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(age)).unwrap();
        }
        std::fs::create_dir(folder.path().join("z")).unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        let names: Vec<String> = entries(folder.path()).into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["b", "z", "new.jpg", "old.jpg"]);
        assert_eq!(entries(&folder.path().join("none")), Vec::new());
        assert_eq!(to_send(folder.path()).unwrap_err().code, "io", "a folder is not a file");
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
