//! A backup in one file: sealed by the recovery code, versioned, whole or refused; never the state of a ratchet (DESIGN P9).
//!
//! `KARVBAK` 7 ∥ format 1 ∥ salt 16 ∥ nonce 19 ∥ check 8, then segments of 65,536 bytes of text and a tag of 16: XChaCha20-Poly1305 with the
//! nonce ∥ segment number 4 ∥ last 1, the first 51 bytes as associated data (the STREAM construction). Key and check are HKDF-SHA256 of
//! the stretched root of the recovery code with the salt, under `karvon/backup/file` and `karvon/backup/check`. The text is a row of
//! records, each kind 1 ∥ length 4 ∥ bytes: kind 1 is the encoded [`karvon_protocol::backup::BackupState`], kind 2 a row of a conversation
//! (contact 4 ∥ space 1 ∥ number 8 ∥ as stored), kind 0 the end; what follows it up to the end of the segment is zeros, so the length of
//! the file tells little.
//!
//! Messages that will disappear are left out, or a backup would keep them: all but own ones that were not delivered yet, which bring along
//! the record that makes them disappear.

use super::disk::write_whole_by;
use super::history::{History, Rows};
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit as _, Tag, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use karvon_protocol::core::{Key, Space, StoreFault};
use karvon_protocol::engine::api::{ContactId, StoredMessage, expiry_key};
use karvon_protocol::identity::stretch_root;
use sha2::Sha256;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use tokio::sync::oneshot;
use zeroize::{Zeroize as _, Zeroizing};

const MAGIC: &[u8; 7] = b"KARVBAK";
/// Version of this layout.
const FORMAT: u8 = 1;
const HEAD: usize = 7 + 1 + 16 + 19 + 8;
const SEGMENT: usize = 64 << 10;
const TAG: usize = 16;
/// Longest record: state of ten thousand contacts.
const RECORD_MAX: usize = 64 << 20;
const END: u8 = 0;
const STATE: u8 = 1;
const ROW: u8 = 2;
/// What a backup holds of a conversation: messages, changes that wait for theirs, and which messages will disappear.
const SPACES: [Space; 4] = [Space::Sent, Space::Received, Space::Change, Space::Expiry];

/// Why there is no backup, or none that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The file is something else.
    #[error("this file is not a backup of Karvon")]
    Foreign,
    /// Another version wrote it.
    #[error(
        "this backup was made by another version of Karvon (format {found}, this one knows {FORMAT}): use that one"
    )]
    Version {
        /// Format of the file.
        found: u8,
    },
    /// The recovery code is of somebody else.
    #[error("the recovery code does not open this backup")]
    WrongCode,
    /// It ends too early or was changed.
    #[error("this backup is damaged; nothing was taken from it")]
    Damaged,
    /// The recovery code can not be stretched.
    #[error("there is not enough memory to stretch the recovery code")]
    Memory,
    /// The store can not be read.
    #[error("the history can not be read: check the disk")]
    Store(StoreFault),
    /// The system refuses the file.
    #[error("the backup file can not be used: {0}")]
    Io(#[from] io::Error),
}

impl From<StoreFault> for BackupError {
    fn from(fault: StoreFault) -> Self {
        Self::Store(fault)
    }
}

/// What seals backups of a person: the stretched root of the recovery code.
pub struct BackupKey(Zeroizing<[u8; 32]>);

impl BackupKey {
    /// From what the recovery code holds; takes as long as [`stretch_root`].
    ///
    /// # Errors
    /// [`BackupError::Memory`].
    pub fn of_root(root: &[u8; 16]) -> Result<Self, BackupError> {
        stretch_root(root).map(Self).ok_or(BackupError::Memory)
    }

    fn derive<const N: usize>(&self, salt: &[u8; 16], label: &[u8]) -> Zeroizing<[u8; N]> {
        let mut out = Zeroizing::new([0; N]);
        let made = Hkdf::<Sha256>::new(Some(salt), &self.0[..]).expand(label, &mut *out);
        debug_assert!(made.is_ok());
        out
    }

    fn cipher(&self, salt: &[u8; 16]) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.derive::<32>(salt, b"karvon/backup/file")).into())
    }

    fn check(&self, salt: &[u8; 16]) -> Zeroizing<[u8; 8]> {
        self.derive(salt, b"karvon/backup/check")
    }
}

/// A row of a conversation in a backup.
pub struct SavedRow {
    /// Where it lies in a store.
    pub key: Key,
    /// As it lies there; an encoded [`StoredMessage`] if it is one.
    pub value: Zeroizing<Vec<u8>>,
}

impl SavedRow {
    /// Whether it is a message.
    #[must_use]
    pub const fn is_message(&self) -> bool {
        matches!(self.key.space, Space::Sent | Space::Received)
    }
}

/// What a backup takes of a conversation.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// The contact.
    pub contact: ContactId,
    /// Own messages below this number; all of the other side's.
    pub own_below: u64,
    /// Own messages below this number are delivered.
    pub delivered_below: u64,
}

/// Writes a backup, which the recovery code of `root` opens, to `path` on a thread of its own; the file appears whole or not at all. Answers with how many messages it holds.
pub fn write_elsewhere(
    path: std::path::PathBuf,
    root: Zeroizing<[u8; 16]>,
    state: Zeroizing<Vec<u8>>,
    history: Option<(History, Vec<Part>)>,
) -> oneshot::Receiver<Result<u64, BackupError>> {
    let (tell, told) = oneshot::channel();
    let work = move || {
        let history = history.as_ref().map(|(history, parts)| (history, &parts[..]));
        let written = BackupKey::of_root(&root).and_then(|key| write(&path, &key, &state, history));
        // Nobody may be waiting any more.
        let _ = tell.send(written);
    };
    // Without a thread the sender is dropped, and whoever waits is told so.
    let _ = std::thread::Builder::new().name("backup".to_owned()).spawn(work);
    told
}

/// Writes a backup to `path`; the file appears whole or not at all. Returns how many messages it holds.
///
/// # Errors
/// [`BackupError::Io`], [`BackupError::Store`].
pub fn write(
    path: &Path,
    key: &BackupKey,
    state: &[u8],
    history: Option<(&History, &[Part])>,
) -> Result<u64, BackupError> {
    write_whole_by(path, |file| {
        let mut writer = Writer::begin(file, key)?;
        writer.record(STATE, &[state])?;
        let mut messages = 0;
        if let Some((history, parts)) = history {
            for part in parts {
                messages += write_rows(&mut writer, history.rows(), *part)?;
            }
        }
        writer.finish()?;
        Ok(messages)
    })
}

/// Writes the rows of a conversation, messages in the order in which they came, so that the store they are put into notes late ones again.
fn write_rows(writer: &mut Writer, rows: &dyn Rows, part: Part) -> Result<u64, BackupError> {
    let group = part.contact.group();
    let mut found: Vec<(u64, Key)> = Vec::new();
    for (space, below) in
        [(Space::Sent, part.own_below), (Space::Received, u64::MAX), (Space::Change, u64::MAX)]
    {
        rows.newest_first(space as u8, &group, 0..below, &mut |seq, value| {
            let position = StoredMessage::decode(value).map_or(0, |message| message.position);
            found.push((position, Key::of(space, group, seq)));
            true
        })?;
    }
    found.sort_unstable();
    let mut messages = 0;
    for (_, key) in found {
        let disappears = match key.space {
            Space::Sent => Some(expiry_key(part.contact, true, key.seq)),
            Space::Received => Some(expiry_key(part.contact, false, key.seq)),
            _ => None,
        };
        if let Some(at) = disappears
            && let Some(value) = rows.row(&at.into())?
        {
            if key.space == Space::Received || key.seq < part.delivered_below {
                continue;
            }
            writer.row(part.contact, at, &value)?;
        }
        // It may have been removed since.
        if let Some(value) = rows.row(&key.into())? {
            writer.row(part.contact, key, &value)?;
            messages += u64::from(key.space != Space::Change);
        }
    }
    Ok(messages)
}

struct Writer {
    file: File,
    cipher: XChaCha20Poly1305,
    head: [u8; HEAD],
    segment: u32,
    text: Zeroizing<Vec<u8>>,
}

impl Writer {
    fn begin(mut file: File, key: &BackupKey) -> io::Result<Self> {
        let mut head = [0; HEAD];
        head[..7].copy_from_slice(MAGIC);
        head[7] = FORMAT;
        getrandom::fill(&mut head[8..43]).map_err(io::Error::other)?;
        let salt: [u8; 16] = head[8..24].try_into().map_err(io::Error::other)?;
        head[43..].copy_from_slice(&*key.check(&salt));
        file.write_all(&head)?;
        let text = Zeroizing::new(Vec::with_capacity(SEGMENT));
        Ok(Self { file, cipher: key.cipher(&salt), head, segment: 0, text })
    }

    fn record(&mut self, kind: u8, parts: &[&[u8]]) -> io::Result<()> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let length = u32::try_from(length).map_err(io::Error::other)?;
        self.put(&[kind])?;
        self.put(&length.to_be_bytes())?;
        parts.iter().try_for_each(|part| self.put(part))
    }

    fn row(&mut self, contact: ContactId, key: Key, value: &[u8]) -> io::Result<()> {
        let head = [&contact.0.to_be_bytes()[..], &[key.space as u8], &key.seq.to_be_bytes()].concat();
        self.record(ROW, &[&head, value])
    }

    fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.text.len() == SEGMENT {
                self.seal(false)?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(SEGMENT - self.text.len()));
            self.text.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let nonce = nonce(&self.head, self.segment, last);
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce, &self.head, self.text.as_mut_slice().into())
            .map_err(|_| io::Error::other("the backup can not be sealed"))?;
        self.file.write_all(&self.text)?;
        self.file.write_all(&tag)?;
        self.text.clear();
        self.segment =
            self.segment.checked_add(1).ok_or_else(|| io::Error::other("the backup is too large"))?;
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.record(END, &[])?;
        self.text.resize(SEGMENT, 0);
        self.seal(true)?;
        self.file.sync_all()
    }
}

fn nonce(head: &[u8; HEAD], segment: u32, last: bool) -> XNonce {
    let mut out = [0; 24];
    out[..19].copy_from_slice(&head[24..43]);
    out[19..23].copy_from_slice(&segment.to_be_bytes());
    out[23] = u8::from(last);
    XNonce::from(out)
}

/// A backup that is being read.
pub struct Reader {
    file: File,
    cipher: XChaCha20Poly1305,
    head: [u8; HEAD],
    segment: u32,
    text: Zeroizing<Vec<u8>>,
    at: usize,
    last: bool,
}

impl Reader {
    /// Opens the backup at `path` and reads what it holds beside messages: an encoded [`karvon_protocol::backup::BackupState`].
    ///
    /// # Errors
    /// A [`BackupError`].
    pub fn open(path: &Path, key: &BackupKey) -> Result<(Self, Zeroizing<Vec<u8>>), BackupError> {
        let mut file = File::open(path)?;
        let mut head = [0; HEAD];
        file.read_exact(&mut head).map_err(too_short(BackupError::Foreign))?;
        if !head.starts_with(MAGIC) {
            return Err(BackupError::Foreign);
        }
        if head[7] != FORMAT {
            return Err(BackupError::Version { found: head[7] });
        }
        let salt: [u8; 16] = head[8..24].try_into().map_err(|_| BackupError::Damaged)?;
        if head[43..] != *key.check(&salt) {
            return Err(BackupError::WrongCode);
        }
        let text = Zeroizing::new(Vec::with_capacity(SEGMENT));
        let mut reader = Self { file, cipher: key.cipher(&salt), head, segment: 0, text, at: 0, last: false };
        match reader.record()? {
            (STATE, state) => Ok((reader, state)),
            _ => Err(BackupError::Damaged),
        }
    }

    /// The next row; `None` once the whole file was read and found whole.
    ///
    /// # Errors
    /// A [`BackupError`].
    pub fn next_row(&mut self) -> Result<Option<SavedRow>, BackupError> {
        let (kind, mut bytes) = self.record()?;
        match kind {
            END if self.last => Ok(None),
            ROW => {
                let head = bytes.first_chunk::<13>().ok_or(BackupError::Damaged)?;
                let [c0, c1, c2, c3, space, seq @ ..] = *head;
                let contact = ContactId(u32::from_be_bytes([c0, c1, c2, c3]));
                let space =
                    SPACES.into_iter().find(|known| *known as u8 == space).ok_or(BackupError::Damaged)?;
                bytes.drain(..13);
                let row =
                    SavedRow { key: Key::of(space, contact.group(), u64::from_be_bytes(seq)), value: bytes };
                if row.is_message() && StoredMessage::decode(&row.value).is_none() {
                    return Err(BackupError::Damaged);
                }
                Ok(Some(row))
            }
            _ => Err(BackupError::Damaged),
        }
    }

    fn record(&mut self) -> Result<(u8, Zeroizing<Vec<u8>>), BackupError> {
        let mut head = [0; 5];
        self.take(&mut head)?;
        let [kind, length @ ..] = head;
        let length = u32::from_be_bytes(length) as usize;
        if length > RECORD_MAX {
            return Err(BackupError::Damaged);
        }
        let mut out = Zeroizing::new(vec![0; length]);
        self.take(&mut out)?;
        Ok((kind, out))
    }

    fn take(&mut self, mut to: &mut [u8]) -> Result<(), BackupError> {
        while !to.is_empty() {
            if self.at == self.text.len() {
                self.next_segment()?;
            }
            let from = self.text.get(self.at..).unwrap_or_default();
            let length = to.len().min(from.len());
            let (now, later) = to.split_at_mut(length);
            now.copy_from_slice(&from[..length]);
            self.at += length;
            to = later;
        }
        Ok(())
    }

    fn next_segment(&mut self) -> Result<(), BackupError> {
        if self.last {
            return Err(BackupError::Damaged);
        }
        let mut sealed = vec![0; SEGMENT + TAG];
        self.file.read_exact(&mut sealed).map_err(too_short(BackupError::Damaged))?;
        let (text, tag) = sealed.split_at_mut(SEGMENT);
        let tag: [u8; TAG] = (&*tag).try_into().map_err(|_| BackupError::Damaged)?;
        // Which segment is the last one, its seal says and nothing else.
        for last in [false, true] {
            let mut opened = Zeroizing::new(text.to_vec());
            let nonce = nonce(&self.head, self.segment, last);
            let done = self.cipher.decrypt_inout_detached(
                &nonce,
                &self.head,
                opened.as_mut_slice().into(),
                &Tag::from(tag),
            );
            if done.is_ok() {
                self.text.zeroize();
                self.text = opened;
                self.at = 0;
                self.last = last;
                self.segment = self.segment.checked_add(1).ok_or(BackupError::Damaged)?;
                if last && self.file.read(&mut [0])? != 0 {
                    return Err(BackupError::Damaged);
                }
                return Ok(());
            }
        }
        Err(BackupError::Damaged)
    }
}

fn too_short(instead: BackupError) -> impl FnOnce(io::Error) -> BackupError {
    |error| if error.kind() == io::ErrorKind::UnexpectedEof { instead } else { BackupError::Io(error) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
