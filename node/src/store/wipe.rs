//! Removes a profile from the disk; a wipe that was cut off is finished by whoever starts next.
//!
//! The key is destroyed first and its mark removed last, so every moment in between is recognised as a wipe under way.

use super::disk::{self, Disk};
use super::keystore::{self, KeyError};
use std::io;
use std::path::Path;

/// What a person's data directory holds beside the key, the lock and the stores.
const FILES: &[&str] = &["config.toml", "config.toml.part", "node.json", "node.json.part"];
/// The folder of the stores.
pub(crate) const STORES: &str = "store";

/// Destroys the keys of all profiles in `dir`. From here on nothing there can be read, whatever happens next.
///
/// # Errors
/// [`KeyError::Missing`], [`KeyError::Forbidden`] or [`KeyError::Io`].
pub fn begin(dir: &Path) -> Result<(), KeyError> {
    keystore::destroy(dir)
}

/// Removes everything else and, at the end, the mark that [`begin`] left. No process may have a store open. May be called again.
///
/// # Errors
/// The system's.
pub fn finish(dir: &Path) -> io::Result<()> {
    for folder in [STORES, crate::config::TRANSPORTS] {
        match std::fs::remove_dir_all(dir.join(folder)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    for name in FILES {
        disk::remove_if_there(&dir.join(name))?;
    }
    Disk::default().sync_dir(dir)?;
    keystore::remove_destroyed(dir).map_err(|error| match error {
        KeyError::Io(error) => error,
        other => io::Error::other(other.to_string()),
    })
}

/// Removes one store in `dir`.
///
/// # Errors
/// The system's.
pub(crate) fn remove_store(dir: &Path, name: &str) -> io::Result<()> {
    std::fs::remove_dir_all(dir.join(STORES).join(name))
}

/// Removes the stores in `dir` that belong to no profile but the one whose store has the name `own`: those of profiles that were
/// destroyed, or whose making was cut off.
///
/// # Errors
/// The system's.
pub(crate) fn remove_other_stores(dir: &Path, own: &str) -> io::Result<()> {
    for entry in std::fs::read_dir(dir.join(STORES))? {
        let entry = entry?;
        let name = entry.file_name();
        let named_by_us =
            name.len() == own.len() && name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit);
        if named_by_us && name != own {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::keystore::Lock;

    /// A profile's directory with something in every place.
    fn filled() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        keystore::create(dir.path(), &Lock::None).unwrap();
        for name in ["store/0123456789abcdef/kv", "store/fedcba9876543210/kv", "transports/obfs4"] {
            std::fs::create_dir_all(dir.path().join(name)).unwrap();
            std::fs::write(dir.path().join(name).join("db"), "sealed").unwrap();
        }
        for name in FILES.iter().chain(&["tries", "a file of somebody else"]) {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        dir
    }

    fn left(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_of_the_profile_stays() {
        let dir = filled();
        begin(dir.path()).unwrap();
        finish(dir.path()).unwrap();
        assert_eq!(left(dir.path()), ["a file of somebody else"]);
    }

    #[test]
    fn a_wipe_that_was_cut_off_anywhere_is_still_known_as_one_and_can_be_finished() {
        for removed in 0..4 {
            let dir = filled();
            begin(dir.path()).unwrap();
            // What the killed process had removed already.
            for name in ["store/0123456789abcdef", "store", "config.toml"].iter().take(removed) {
                let path = dir.path().join(name);
                if path.is_dir() {
                    std::fs::remove_dir_all(path).unwrap()
                } else {
                    std::fs::remove_file(path).unwrap()
                }
            }
            assert!(matches!(keystore::open(dir.path(), None), Err(KeyError::Wiped)));
            finish(dir.path()).unwrap();
            assert_eq!(left(dir.path()), ["a file of somebody else"]);
            assert!(matches!(keystore::open(dir.path(), None), Err(KeyError::Missing)));
        }
    }

    #[test]
    fn only_stores_of_other_profiles_are_removed() {
        let dir = filled();
        std::fs::create_dir(dir.path().join("store/something else")).unwrap();
        remove_other_stores(dir.path(), "0123456789abcdef").unwrap();
        assert_eq!(left(&dir.path().join("store")), ["0123456789abcdef", "something else"]);
    }
}
