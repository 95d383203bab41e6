//! The key everything is sealed by, kept in a small file beside the store: four equal slots, each for one passphrase (DESIGN S2).
//!
//! The file `key` holds two equal copies of 4,096 bytes: `KARVKEY1` 8 ∥ lock 1 ∥ Argon2id cost (memory KiB 4, passes 4, lanes 4) ∥ salt 16
//! ∥ four slots ∥ zeros ∥ CRC-32C 4. A slot is nonce 24 ∥ XChaCha20-Poly1305(data key 32 ∥ profile number 16), its associated data the
//! bytes before the slots and its index. An unused slot is random bytes: nobody without a passphrase can tell how many are in use. Salt and
//! cost stand once, so that one slow hash tries all slots and its duration does not tell which of them opened.
//!
//! The file is replaced as a whole (written beside, synced, renamed), so a torn write leaves the old one; if one copy rots the other opens.

use super::disk::{self, Disk};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use zeroize::Zeroizing;

const NAME: &str = "key";
const MAGIC: &[u8; 8] = b"KARVKEY1";
/// Bytes of one copy: no two copies share a block of the medium.
const COPY: usize = 4_096;
const SLOTS: usize = 4;
const SLOT: usize = 24 + 48 + 16;
/// Bytes before the slots.
const HEAD: usize = 8 + 1 + 12 + 16;
/// Argon2id: 64 MiB, three passes, one lane (DESIGN S2).
const COST: Cost = Cost { memory_kib: 64 << 10, passes: 3, lanes: 1 };
/// What opens a slot when there is no passphrase. It protects nothing.
const NO_PASSPHRASE: &[u8] = b"karvon/store/no-passphrase";

/// The key that seals a profile's records, and the profile's number. Forgotten from memory when dropped.
#[derive(Clone)]
pub struct DataKey {
    key: Zeroizing<[u8; 32]>,
    profile: [u8; 16],
}

impl DataKey {
    /// A fresh random key.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn generate() -> io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(io::Error::other)?;
        Ok(Self { key, profile: random()? })
    }

    /// A random number that names the profile; not secret, never sent.
    #[must_use]
    pub fn profile(&self) -> [u8; 16] {
        self.profile
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.key
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

/// How a profile is locked.
pub enum Lock<'a> {
    /// Not at all: whoever has the device reads everything. Stands in the file as it is.
    None,
    /// By a passphrase, taken as UTF-8 bytes.
    Passphrase(&'a str),
}

/// How the profile in a directory is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locked {
    /// No passphrase is needed.
    No,
    /// A passphrase is needed.
    Passphrase,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no key file.
    #[error("there is no profile in this directory")]
    Missing,
    /// Creating would replace a key, and with it everything that is sealed by it.
    #[error("there is a profile in this directory already")]
    Exists,
    /// A passphrase is needed and none was given.
    #[error("this profile is locked: a passphrase is needed")]
    Locked,
    /// The passphrase opens no slot.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// Neither copy is whole.
    #[error("the key file is damaged: restore a backup of it")]
    Damaged,
    /// The file belongs to somebody else, or its permissions were changed.
    #[error("the key file can not be read: check who owns it and its permissions")]
    Forbidden,
    /// A passphrase without letters protects nothing.
    #[error("the passphrase is empty")]
    Empty,
    /// Another file error, or no memory for the slow hash.
    #[error("the key file can not be used: {0}")]
    Io(io::Error),
}

impl From<io::Error> for KeyError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::PermissionDenied => Self::Forbidden,
            _ => Self::Io(error),
        }
    }
}

/// Makes a new data key and stores it in `dir`, which is created if need be. Slow with a passphrase: about half a second.
///
/// # Errors
/// [`KeyError::Exists`], [`KeyError::Empty`], [`KeyError::Forbidden`] or [`KeyError::Io`].
pub fn create(dir: &Path, lock: &Lock<'_>) -> Result<DataKey, KeyError> {
    create_with(dir, lock, COST)
}

fn create_with(dir: &Path, lock: &Lock<'_>, cost: Cost) -> Result<DataKey, KeyError> {
    disk::create_private_dir(dir)?;
    if dir.join(NAME).exists() {
        return Err(KeyError::Exists);
    }
    let key = DataKey::generate()?;
    let ring = Ring::new(lock, cost, &key)?;
    ring.write(dir)?;
    Ok(key)
}

/// How the profile in `dir` is locked.
///
/// # Errors
/// [`KeyError::Missing`], [`KeyError::Damaged`], [`KeyError::Forbidden`] or [`KeyError::Io`].
pub fn locked(dir: &Path) -> Result<Locked, KeyError> {
    Ok(Ring::read(dir)?.locked)
}

/// The data key in `dir`. A passphrase is left unused if none is needed. Slow with one: about half a second.
///
/// # Errors
/// Any [`KeyError`] but [`KeyError::Exists`].
pub fn open(dir: &Path, passphrase: Option<&str>) -> Result<DataKey, KeyError> {
    let ring = Ring::read(dir)?;
    let stretched = match (ring.locked, passphrase) {
        (Locked::No, _) => ring.stretch(&Lock::None)?,
        (Locked::Passphrase, Some(passphrase)) => ring.stretch(&Lock::Passphrase(passphrase))?,
        (Locked::Passphrase, None) => return Err(KeyError::Locked),
    };
    let opened = (0..SLOTS).filter_map(|slot| ring.open_slot(slot, &stretched)).next();
    opened.ok_or(match ring.locked {
        Locked::No => KeyError::Damaged,
        Locked::Passphrase => KeyError::WrongPassphrase,
    })
}

/// Locks the profile in `dir` another way; what is sealed stays as it is. The old passphrase no longer opens this file, but it does open
/// copies that were made of it earlier.
///
/// # Errors
/// As [`open`] and [`create`].
pub fn relock(dir: &Path, passphrase: Option<&str>, lock: &Lock<'_>) -> Result<(), KeyError> {
    let key = open(dir, passphrase)?;
    Ring::new(lock, COST, &key)?.write(dir)
}

/// Destroys the key file: without it nothing in the store can be read again, by anybody. Media may keep old blocks for a while; a passphrase
/// still protects those.
///
/// # Errors
/// [`KeyError::Missing`], [`KeyError::Forbidden`] or [`KeyError::Io`].
pub fn destroy(dir: &Path) -> Result<(), KeyError> {
    let path = dir.join(NAME);
    let mut file = File::options().write(true).open(&path)?;
    let noise: [u8; COPY] = random()?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&noise)?;
    file.write_all(&noise)?;
    file.sync_all()?;
    std::fs::remove_file(&path)?;
    Ok(Disk::default().sync_dir(dir)?)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// The file comes from a disk others may have written to: its costs must not take all memory or an hour.
    fn is_sane(self) -> bool {
        (8..=1 << 20).contains(&self.memory_kib)
            && (1..=32).contains(&self.passes)
            && (1..=4).contains(&self.lanes)
    }
}

/// The content of a key file.
struct Ring {
    locked: Locked,
    cost: Cost,
    salt: [u8; 16],
    slots: [[u8; SLOT]; SLOTS],
}

impl Ring {
    fn new(lock: &Lock<'_>, cost: Cost, key: &DataKey) -> Result<Self, KeyError> {
        let locked = match lock {
            Lock::None => Locked::No,
            Lock::Passphrase("") => return Err(KeyError::Empty),
            Lock::Passphrase(_) => Locked::Passphrase,
        };
        let mut slots = [[0; SLOT]; SLOTS];
        for slot in &mut slots {
            *slot = random()?;
        }
        let mut ring = Self { locked, cost, salt: random()?, slots };
        let stretched = ring.stretch(lock)?;
        let [number] = random::<1>()?;
        ring.seal_slot(usize::from(number) % SLOTS, &stretched, key)?;
        Ok(ring)
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

    /// The key that opens slots.
    fn stretch(&self, lock: &Lock<'_>) -> Result<Zeroizing<[u8; 32]>, KeyError> {
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

    fn seal_slot(&mut self, number: usize, stretched: &[u8; 32], key: &DataKey) -> Result<(), KeyError> {
        let associated = self.associated(number);
        let nonce: [u8; 24] = random()?;
        let mut text = Zeroizing::new([0; 48]);
        text[..32].copy_from_slice(&*key.key);
        text[32..].copy_from_slice(&key.profile);
        let tag = XChaCha20Poly1305::new(stretched.into())
            .encrypt_inout_detached(&XNonce::from(nonce), &associated, text.as_mut_slice().into())
            .map_err(|_| KeyError::Damaged)?;
        let slot = &mut self.slots[number];
        slot[..24].copy_from_slice(&nonce);
        slot[24..72].copy_from_slice(&*text);
        slot[72..].copy_from_slice(&tag);
        Ok(())
    }

    fn open_slot(&self, number: usize, stretched: &[u8; 32]) -> Option<DataKey> {
        let (nonce, rest) = self.slots.get(number)?.split_first_chunk::<24>()?;
        let (sealed, tag) = rest.split_first_chunk::<48>()?;
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
        let (key, profile) = text.split_first_chunk::<32>()?;
        Some(DataKey { key: Zeroizing::new(*key), profile: profile.try_into().ok()? })
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
        let rest = covered.strip_prefix(MAGIC)?;
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

    fn read(dir: &Path) -> Result<Self, KeyError> {
        let mut bytes = Vec::new();
        File::open(dir.join(NAME))?.take(2 * COPY as u64).read_to_end(&mut bytes)?;
        bytes.as_chunks::<COPY>().0.iter().find_map(Self::decode).ok_or(KeyError::Damaged)
    }

    fn write(&self, dir: &Path) -> Result<(), KeyError> {
        let copy = self.encode();
        let unfinished = dir.join("key.new");
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
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut out = [0; N];
    getrandom::fill(&mut out).map_err(io::Error::other)?;
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The slow hash made quick, so that tests of everything around it are.
    const QUICK: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

    fn same(a: &DataKey, b: &DataKey) -> bool {
        (a.bytes(), a.profile()) == (b.bytes(), b.profile())
    }

    #[test]
    fn a_passphrase_opens_what_it_locked_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let key = create(dir.path(), &Lock::Passphrase("точно моя фраза")).unwrap();
        assert_eq!(locked(dir.path()).unwrap(), Locked::Passphrase);
        assert!(same(&open(dir.path(), Some("точно моя фраза")).unwrap(), &key));
        assert!(matches!(open(dir.path(), Some("точно моя")), Err(KeyError::WrongPassphrase)));
        assert!(matches!(open(dir.path(), None), Err(KeyError::Locked)));
        assert!(matches!(create(dir.path(), &Lock::None), Err(KeyError::Exists)));
        relock(dir.path(), Some("точно моя фраза"), &Lock::None).unwrap();
        assert!(same(&open(dir.path(), None).unwrap(), &key), "the data key stays");
    }

    #[test]
    fn without_a_lock_anybody_opens_it_and_the_file_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let key = create(&dir.path().join("new/dir"), &Lock::None).unwrap();
        let dir = dir.path().join("new/dir");
        assert_eq!(locked(&dir).unwrap(), Locked::No);
        assert!(same(&open(&dir, None).unwrap(), &key));
        assert!(same(&open(&dir, Some("left unused")).unwrap(), &key));
        assert!(matches!(create(&dir.join("x"), &Lock::Passphrase("")), Err(KeyError::Empty)));
    }

    #[test]
    fn damage_to_one_copy_is_survived_and_to_both_is_told_apart_from_a_wrong_passphrase() {
        let dir = tempfile::tempdir().unwrap();
        let key = create_with(dir.path(), &Lock::Passphrase("p"), QUICK).unwrap();
        let path = dir.path().join(NAME);
        let good = std::fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(97) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            std::fs::write(&path, &bad).unwrap();
            assert!(same(&open(dir.path(), Some("p")).unwrap(), &key), "byte {at}");
        }
        std::fs::write(&path, &good[..COPY]).unwrap();
        assert!(same(&open(dir.path(), Some("p")).unwrap(), &key), "the second copy is missing");
        for bad in [Vec::new(), good[..100].to_vec(), vec![0; 2 * COPY]] {
            std::fs::write(&path, &bad).unwrap();
            assert!(matches!(open(dir.path(), Some("p")), Err(KeyError::Damaged)));
        }
    }

    #[test]
    fn absurd_costs_in_a_file_are_damage_and_not_obeyed() {
        let dir = tempfile::tempdir().unwrap();
        let key = DataKey::generate().unwrap();
        let mut ring = Ring::new(&Lock::Passphrase("p"), QUICK, &key).unwrap();
        ring.cost.memory_kib = u32::MAX;
        ring.write(dir.path()).unwrap();
        assert!(matches!(open(dir.path(), Some("p")), Err(KeyError::Damaged)));
    }

    #[test]
    fn any_slot_may_be_the_one_in_use_and_unused_ones_do_not_stand_out() {
        let key = DataKey::generate().unwrap();
        let mut used = [false; SLOTS];
        for _ in 0..200 {
            let ring = Ring::new(&Lock::Passphrase("p"), QUICK, &key).unwrap();
            let stretched = ring.stretch(&Lock::Passphrase("p")).unwrap();
            let opens: Vec<usize> =
                (0..SLOTS).filter(|slot| ring.open_slot(*slot, &stretched).is_some()).collect();
            assert_eq!(opens.len(), 1);
            used[opens[0]] = true;
            assert!(ring.slots.iter().all(|slot| slot.iter().filter(|byte| **byte == 0).count() < 12));
        }
        assert_eq!(used, [true; SLOTS]);
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners_alone_and_a_missing_one_is_told() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(open(dir.path(), None), Err(KeyError::Missing)));
        create(dir.path(), &Lock::None).unwrap();
        let mode = std::fs::metadata(dir.path().join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let refused = KeyError::from(io::Error::from(io::ErrorKind::PermissionDenied));
        assert!(matches!(refused, KeyError::Forbidden));
    }

    #[test]
    fn a_destroyed_key_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        create(dir.path(), &Lock::None).unwrap();
        destroy(dir.path()).unwrap();
        assert!(matches!(open(dir.path(), None), Err(KeyError::Missing)));
        assert!(matches!(destroy(dir.path()), Err(KeyError::Missing)));
    }
}
