//! What one durable step costs on this disk at least: append and fdatasync.

use crate::spread::Spread;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Instant;

/// Appends 400 bytes `count` times to a new file in `folder`, each followed by an fdatasync.
pub(crate) fn fdatasync(folder: &Path, count: usize) -> io::Result<Spread> {
    let mut file = tempfile::Builder::new().prefix("raw").tempfile_in(folder)?;
    let mut spread = Spread::new();
    for _ in 0..count {
        let start = Instant::now();
        file.write_all(&[0x5a; 400])?;
        sync(file.as_file())?;
        spread.add(start.elapsed());
    }
    Ok(spread)
}

fn sync(file: &File) -> io::Result<()> {
    file.sync_data()
}
