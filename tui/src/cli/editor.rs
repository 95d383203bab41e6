//! Lets a text be written in the person's own editor.

use std::fs::{File, remove_file};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

/// Longest text that is taken back, bytes.
const TEXT_MAX: u64 = 64 * 1024;

/// Opens `$VISUAL`, `$EDITOR` or nano on `text` and returns what was saved; `None` when there is no such program or it failed. The text
/// lies meanwhile in a private file in the runtime directory, which is memory on most systems, and is overwritten afterwards.
pub(crate) async fn edit(text: Zeroizing<String>) -> Option<Zeroizing<String>> {
    spawn_blocking(move || edit_here(&text)).await.ok()?
}

fn edit_here(text: &str) -> Option<Zeroizing<String>> {
    let path = scratch()?;
    // The process makes files for its user only, and this one must be new.
    let written = File::create_new(&path).and_then(|mut file| file.write_all(text.as_bytes()));
    let edited = if written.is_ok() && run(&path) { read(&path) } else { None };
    wipe(&path);
    edited
}

fn scratch() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let dir = set("XDG_RUNTIME_DIR").filter(|dir| dir.is_dir()).unwrap_or_else(std::env::temp_dir);
    let mut numbered =
        (0..1000).map(|number| dir.join(format!("karvon-{}-{number}.txt", std::process::id())));
    numbered.find(|path| !path.exists())
}

fn run(path: &Path) -> bool {
    let named = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let line = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| "nano".to_owned());
    let mut words = line.split_whitespace();
    let Some(program) = words.next() else { return false };
    Command::new(program).args(words).arg(path).status().is_ok_and(|status| status.success())
}

fn read(path: &Path) -> Option<Zeroizing<String>> {
    let file = File::open(path).ok()?;
    let room = usize::try_from(TEXT_MAX).unwrap_or(0);
    let mut text = Zeroizing::new(String::with_capacity(room));
    file.take(TEXT_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Overwrites and removes a file; each step is tried even when one before it failed.
fn wipe(path: &Path) {
    let length = path.metadata().map_or(0, |file| file.len()).min(TEXT_MAX);
    if let Ok(mut file) = File::options().write(true).open(path) {
        let _ = file.write_all(&vec![0; usize::try_from(length).unwrap_or(0)]);
        let _ = file.sync_data();
    }
    let _ = remove_file(path);
}
