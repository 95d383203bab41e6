//! Reads a segment file from its start, steps over damage, and tells where the last good frame ends.

use super::frame::{self, FILE_HEAD, Frame, HEAD, Marker, PAYLOAD_MAX};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes read at once.
const WINDOW: usize = 1 << 20;

/// A reader of one file; its memory is bounded whatever the file holds.
pub(super) struct Scan {
    file: File,
    marker: Marker,
    buffer: Vec<u8>,
    /// Where in `buffer` the next frame is looked for.
    at: usize,
    /// Offset in the file of the buffer's first byte.
    base: u64,
    at_end: bool,
    in_gap: bool,
    good_end: u64,
    gaps: u64,
}

impl Scan {
    /// Starts at the beginning of a file; `None` if it is not a segment, or damaged where nothing can be told.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut scan = Self {
            file: File::open(path)?,
            marker: [0; 8],
            buffer: Vec::new(),
            at: 0,
            base: 0,
            at_end: false,
            in_gap: false,
            good_end: FILE_HEAD as u64,
            gaps: 0,
        };
        scan.fill()?;
        let Some(marker) = frame::marker_of(&scan.buffer) else { return Ok(None) };
        scan.marker = marker;
        scan.at = FILE_HEAD;
        Ok(Some(scan))
    }

    pub(super) fn marker(&self) -> Marker {
        self.marker
    }

    /// End of the last good frame; what follows it at the end of the file was never confirmed, or is damaged.
    pub(super) fn good_end(&self) -> u64 {
        self.good_end
    }

    /// Stretches of damage with good frames after them.
    pub(super) fn gaps(&self) -> u64 {
        self.gaps
    }

    /// The next good frame and its offset.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Frame<'_>)>> {
        loop {
            if self.buffer.len() - self.at < HEAD + PAYLOAD_MAX && !self.at_end {
                self.fill()?;
            }
            let rest = &self.buffer[self.at..];
            if rest.len() < HEAD {
                return Ok(None);
            }
            if frame::decode(&self.marker, rest).is_some() {
                break;
            }
            // Look for the next marker; one that straddles the window's end is found after the next fill.
            self.in_gap = true;
            let next = rest.windows(8).skip(1).position(|bytes| *bytes == self.marker);
            self.at += next.map_or(rest.len() - 7, |next| next + 1);
        }
        let offset = self.base + self.at as u64;
        let from = self.at;
        let Some(frame) = frame::decode(&self.marker, &self.buffer[from..]) else { return Ok(None) };
        self.at += frame.len();
        self.good_end = offset + frame.len() as u64;
        self.gaps += u64::from(core::mem::take(&mut self.in_gap));
        Ok(Some((offset, frame)))
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.at);
        self.base += self.at as u64;
        self.at = 0;
        let had = self.buffer.len();
        let read = (&mut self.file).take(WINDOW as u64).read_to_end(&mut self.buffer)?;
        self.at_end = read < WINDOW;
        debug_assert_eq!(self.buffer.len(), had + read);
        Ok(())
    }
}
