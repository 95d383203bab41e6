//! The key file: its bytes, how they are read, and how they are written so that neither a torn write nor an old copy stays.
//!
//! Two equal copies of 4,096 bytes: `KARVKEY2` 8 ∥ lock 1 ∥ Argon2id cost (memory KiB 4, passes 4, lanes 4) ∥ salt 16 ∥ four slots ∥
//! zeros ∥ CRC-32C 4. A slot is nonce 24 ∥ XChaCha20-Poly1305(data key 32 ∥ profile number 16 ∥ rights 1 ∥ known slots 1 ∥ zeros 14) ∥ tag
//! 16, its associated data the bytes before the slots and its index.
//!
//! A change is written over the old bytes, the second copy only after the first was synced: what a changed passphrase opened before is
//! then overwritten rather than left in a block that the file system gives away.

use super::{DataKey, KeyError, Lock, Locked};
use crate::store::disk::{self, Disk};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use zeroize::Zeroizing;

pub(super) const NAME: &str = "key";
/// A key file that is being made.
const UNFINISHED: &str = "key.new";
const MAGIC: &[u8; 8] = b"KARVKEY2";
/// What a destroyed key file begins with: whoever finds it finishes the wipe.
const WIPED: &[u8; 8] = b"KARVWIPE";
/// Bytes of one copy: no two copies share a block of the medium.
pub(super) const COPY: usize = 4_096;
pub(super) const SLOTS: usize = 4;
const BODY: usize = 64;
const SLOT: usize = 24 + BODY + 16;
/// Bytes before the slots.
const HEAD: usize = 8 + 1 + 12 + 16;
/// What opens a slot when there is no passphrase. It protects nothing.
const NO_PASSPHRASE: &[u8] = b"karvon/store/no-passphrase";

/// Cost of the slow hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) memory_kib: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
}

impl Cost {
    /// The file comes from a disk others may have written to: its costs must not take all memory or an hour.
    fn is_sane(self) -> bool {
        (8..=1 << 20).contains(&self.memory_kib)
            && (1..=32).contains(&self.passes)
            && (1..=4).contains(&self.lanes)
    }
}

/// What stands in an opened slot.
#[derive(Clone)]
pub(super) struct Content {
    pub(super) key: DataKey,
    /// May make further profiles: it knows which slots are in use.
    pub(super) owner: bool,
    /// Destroys every other slot when it is opened.
    pub(super) destroys_others: bool,
    /// Slots that were in use when this one was written, one bit each.
    pub(super) known: u8,
}

/// The content of a key file.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct KeyFile {
    pub(super) locked: Locked,
    pub(super) cost: Cost,
    salt: [u8; 16],
    slots: [[u8; SLOT]; SLOTS],
}

impl KeyFile {
    /// A file without any slot in use: random bytes, so that nobody can count those that are.
    pub(super) fn empty(locked: Locked, cost: Cost) -> io::Result<Self> {
        let mut slots = [[0; SLOT]; SLOTS];
        for slot in &mut slots {
            *slot = random()?;
        }
        Ok(Self { locked, cost, salt: random()?, slots })
    }

    fn head(&self) -> [u8; HEAD] {
        let mut out = [0; HEAD];
        out[..8].copy_from_slice(MAGIC);
        out[8] = match self.locked {
            Locked::No => 0,
            Locked::Passphrase => 1,
        };
        out[9..13].copy_from_slice(&self.cost.memory_kib.to_be_bytes());
        out[13..17].copy_from_slice(&self.cost.passes.to_be_bytes());
        out[17..21].copy_from_slice(&self.cost.lanes.to_be_bytes());
        out[21..].copy_from_slice(&self.salt);
        out
    }

    /// The key that opens slots. Salt and cost stand once, so that one slow hash tries all slots and its duration does not tell which.
    pub(super) fn stretch(&self, lock: &Lock<'_>) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let mut out = Zeroizing::new([0; 32]);
        match lock {
            Lock::None => {
                let derived = Hkdf::<Sha256>::new(Some(&self.salt), NO_PASSPHRASE)
                    .expand(b"karvon/store/slot", &mut *out);
                debug_assert!(derived.is_ok());
            }
            Lock::Passphrase(passphrase) => {
                let params = Params::new(self.cost.memory_kib, self.cost.passes, self.cost.lanes, Some(32));
                let argon2 =
                    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(|_| KeyError::Damaged)?);
                argon2
                    .hash_password_into(passphrase.as_bytes(), &self.salt, &mut *out)
                    .map_err(|error| KeyError::Io(io::Error::other(error.to_string())))?;
            }
        }
        Ok(out)
    }

    fn associated(&self, number: usize) -> Vec<u8> {
        let mut out = self.head().to_vec();
        out.push(number as u8);
        out
    }

    pub(super) fn seal(
        &mut self,
        number: usize,
        stretched: &[u8; 32],
        content: &Content,
    ) -> Result<(), KeyError> {
        let associated = self.associated(number);
        let nonce: [u8; 24] = random()?;
        let mut text = Zeroizing::new([0; BODY]);
        text[..32].copy_from_slice(&*content.key.key);
        text[32..48].copy_from_slice(&content.key.profile);
        text[48] = u8::from(content.owner) | u8::from(content.destroys_others) << 1;
        text[49] = content.known;
        let tag = XChaCha20Poly1305::new(stretched.into())
            .encrypt_inout_detached(&XNonce::from(nonce), &associated, text.as_mut_slice().into())
            .map_err(|_| KeyError::Damaged)?;
        let slot = self.slots.get_mut(number).ok_or(KeyError::Damaged)?;
        slot[..24].copy_from_slice(&nonce);
        slot[24..24 + BODY].copy_from_slice(&*text);
        slot[24 + BODY..].copy_from_slice(&tag);
        Ok(())
    }

    fn open_one(&self, number: usize, stretched: &[u8; 32]) -> Option<Content> {
        let (nonce, rest) = self.slots.get(number)?.split_first_chunk::<24>()?;
        let (sealed, tag) = rest.split_first_chunk::<BODY>()?;
        let tag: &[u8; 16] = tag.try_into().ok()?;
        let mut text = Zeroizing::new(*sealed);
        XChaCha20Poly1305::new(stretched.into())
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                &self.associated(number),
                text.as_mut_slice().into(),
                tag.into(),
            )
            .ok()?;
        let (key, rest) = text.split_first_chunk::<32>()?;
        let (profile, rest) = rest.split_first_chunk::<16>()?;
        let [rights, known, ..] = rest else { return None };
        Some(Content {
            key: DataKey { key: Zeroizing::new(*key), profile: *profile },
            owner: rights & 1 != 0,
            destroys_others: rights & 2 != 0,
            known: *known,
        })
    }

    /// The slot that opens, and its number.
    pub(super) fn open(&self, stretched: &[u8; 32]) -> Option<(usize, Content)> {
        // All are tried, so that the time does not tell which one it was.
        let opened: Vec<_> = (0..SLOTS).map(|number| (number, self.open_one(number, stretched))).collect();
        opened.into_iter().find_map(|(number, content)| Some((number, content?)))
    }

    /// Makes a slot one that nobody opens.
    pub(super) fn scramble(&mut self, number: usize) -> io::Result<()> {
        if let Some(slot) = self.slots.get_mut(number) {
            *slot = random()?;
        }
        Ok(())
    }

    fn encode(&self) -> [u8; COPY] {
        let mut out = [0; COPY];
        out[..HEAD].copy_from_slice(&self.head());
        for (number, slot) in self.slots.iter().enumerate() {
            out[HEAD + number * SLOT..][..SLOT].copy_from_slice(slot);
        }
        let checksum = crc32c::crc32c(&out[..COPY - 4]);
        out[COPY - 4..].copy_from_slice(&checksum.to_be_bytes());
        out
    }

    fn decode(copy: &[u8; COPY]) -> Option<Self> {
        let (covered, checksum) = copy.split_last_chunk::<4>()?;
        if crc32c::crc32c(covered).to_be_bytes() != *checksum {
            return None;
        }
        let (magic, rest) = covered.split_first_chunk::<8>()?;
        if magic != MAGIC {
            return None;
        }
        let (locked, rest) = rest.split_first()?;
        let (memory_kib, rest) = rest.split_first_chunk::<4>()?;
        let (passes, rest) = rest.split_first_chunk::<4>()?;
        let (lanes, rest) = rest.split_first_chunk::<4>()?;
        let (salt, rest) = rest.split_first_chunk::<16>()?;
        let cost = Cost {
            memory_kib: u32::from_be_bytes(*memory_kib),
            passes: u32::from_be_bytes(*passes),
            lanes: u32::from_be_bytes(*lanes),
        };
        let mut slots = [[0; SLOT]; SLOTS];
        for (slot, bytes) in slots.iter_mut().zip(rest.as_chunks::<SLOT>().0) {
            *slot = *bytes;
        }
        let locked = match locked {
            0 => Locked::No,
            1 => Locked::Passphrase,
            _ => return None,
        };
        cost.is_sane().then_some(Self { locked, cost, salt: *salt, slots })
    }

    /// Reads the file; a copy that is torn or old is put right by the other one (the first is always written first).
    pub(super) fn read(dir: &Path) -> Result<Self, KeyError> {
        let mut bytes = Vec::new();
        File::open(dir.join(NAME))?.take(2 * COPY as u64).read_to_end(&mut bytes)?;
        if bytes.chunks(COPY).any(|copy| copy.starts_with(WIPED)) {
            return Err(KeyError::Wiped);
        }
        let copies: Vec<Option<Self>> =
            bytes.as_chunks::<COPY>().0.iter().map(Self::decode).chain([None, None]).take(2).collect();
        let good = copies.iter().flatten().next().cloned().ok_or(KeyError::Damaged)?;
        if copies.iter().any(|copy| copy.as_ref() != Some(&good)) {
            // Reading must work on a medium that can not be written.
            if let Err(error) = good.rewrite(dir) {
                tracing::warn!(%error, "a damaged copy in the key file could not be put right");
            }
        }
        Ok(good)
    }

    /// Writes a new file; it appears whole or not at all.
    pub(super) fn write_new(&self, dir: &Path) -> io::Result<()> {
        let copy = self.encode();
        let unfinished = dir.join(UNFINISHED);
        let mut file = disk::private_file().create(true).truncate(true).write(true).open(&unfinished)?;
        file.write_all(&copy)?;
        file.write_all(&copy)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, dir.join(NAME))?;
        let disk = Disk::default();
        disk.sync_dir(dir)?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            disk.sync_dir(parent)?;
        }
        Ok(())
    }

    /// Writes over the file, one copy after the other.
    pub(super) fn rewrite(&self, dir: &Path) -> io::Result<()> {
        let copy = self.encode();
        let mut file = File::options().write(true).open(dir.join(NAME))?;
        for at in [0, COPY as u64] {
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&copy)?;
            file.sync_all()?;
        }
        Ok(())
    }
}

/// Overwrites the key file, and one that was being made, with noise and a mark that says so. From here on nobody opens anything.
pub(super) fn destroy(dir: &Path) -> io::Result<()> {
    let mut found = false;
    for name in [NAME, UNFINISHED] {
        let mut file = match File::options().write(true).open(dir.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        found = true;
        let mut copy: [u8; COPY] = random()?;
        copy[..WIPED.len()].copy_from_slice(WIPED);
        file.write_all(&copy)?;
        file.write_all(&copy)?;
        file.sync_all()?;
    }
    if found { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Removes what [`destroy`] left: the last step of a wipe.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    for name in [UNFINISHED, NAME] {
        disk::remove_if_there(&dir.join(name))?;
    }
    Disk::default().sync_dir(dir)
}

pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut out = [0; N];
    getrandom::fill(&mut out).map_err(io::Error::other)?;
    Ok(out)
}
