//! The wait after wrong passphrases: it grows, it survives a restart, and it never erases anything.
//!
//! It slows somebody who guesses at the keyboard. Who copied the disk is not held by it but by the slow hash. The file `tries` holds the
//! number of failures 4 ∥ Unix seconds of the last one 8; it is written before a passphrase is tried, so that killing the program in the
//! middle does not save a guess.

use super::KeyError;
use crate::store::disk;
use std::io::{self, Write as _};
use std::path::Path;

pub(super) const NAME: &str = "tries";
/// Failures that cost nothing: people mistype.
const FREE: u32 = 3;
/// Longest wait, seconds.
const WAIT_MAX_S: u64 = 600;

/// Seconds to wait after so many failures in a row.
pub(super) fn wait_s(failed: u32) -> u64 {
    match failed.checked_sub(FREE) {
        None => 0,
        Some(more) => {
            2_u64.checked_shl(more).filter(|_| more < 32).map_or(WAIT_MAX_S, |wait| wait.min(WAIT_MAX_S))
        }
    }
}

/// Counts one more try, unless the wait after the last one is not over.
pub(super) fn before(dir: &Path, now_s: u64) -> Result<(), KeyError> {
    let (failed, at_s) = read(dir);
    let wait = wait_s(failed);
    if wait > 0 {
        if now_s < at_s {
            // The clock was set back: the wait begins anew, and ends.
            note(dir, failed, now_s);
            return Err(KeyError::Wait { seconds: wait });
        }
        let left = wait.saturating_sub(now_s - at_s);
        if left > 0 {
            return Err(KeyError::Wait { seconds: left });
        }
    }
    note(dir, failed.saturating_add(1), now_s);
    Ok(())
}

/// A full disk must not lock its owner out.
fn note(dir: &Path, failed: u32, at_s: u64) {
    if let Err(error) = write(dir, failed, at_s) {
        tracing::warn!(%error, "a try of a passphrase could not be noted");
    }
}

/// The passphrase was right: the count begins anew.
pub(super) fn forget(dir: &Path) -> io::Result<()> {
    disk::remove_if_there(&dir.join(NAME))
}

fn read(dir: &Path) -> (u32, u64) {
    let bytes = std::fs::read(dir.join(NAME)).unwrap_or_default();
    let parts =
        bytes.split_first_chunk::<4>().and_then(|(failed, at)| Some((failed, <[u8; 8]>::try_from(at).ok()?)));
    parts.map_or((0, 0), |(failed, at)| (u32::from_be_bytes(*failed), u64::from_be_bytes(at)))
}

fn write(dir: &Path, failed: u32, at_s: u64) -> io::Result<()> {
    let mut file = disk::private_file().create(true).truncate(true).write(true).open(dir.join(NAME))?;
    file.write_all(&[&failed.to_be_bytes()[..], &at_s.to_be_bytes()].concat())?;
    file.sync_data()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_from_nothing_to_ten_minutes() {
        assert_eq!([0, 2, 3, 4, 5, 11, 12, 40, u32::MAX].map(wait_s), [0, 0, 2, 4, 8, 512, 600, 600, 600]);
    }

    #[test]
    fn failures_are_remembered_over_restarts_and_a_clock_that_goes_back_does_not_lock_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            before(dir.path(), 1_000).unwrap();
        }
        assert!(matches!(before(dir.path(), 1_000), Err(KeyError::Wait { seconds: 2 })));
        assert!(matches!(before(dir.path(), 1_001), Err(KeyError::Wait { seconds: 1 })));
        before(dir.path(), 1_002).unwrap();
        assert!(matches!(before(dir.path(), 500), Err(KeyError::Wait { seconds: 4 })));
        before(dir.path(), 504).unwrap();
        forget(dir.path()).unwrap();
        before(dir.path(), 504).unwrap();
    }
}
